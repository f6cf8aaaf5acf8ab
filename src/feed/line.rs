//! A change as the line that is delivered of it. Pure.

use std::borrow::Cow;

use super::batch::FeedLine;
use crate::domain::{Change, Op, envelope};
use crate::json::difference;
use crate::presentation::Presentation;

/// About what an envelope has beside the bodies.
const HEAD_BYTES: usize = 384;

/// How changes are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineStyle {
    /// What the server is called.
    pub server: String,
    /// Ids and operations only.
    pub is_thin: bool,
    /// Whether an update names what it changed.
    pub names_changed: bool,
}

impl LineStyle {
    /// The line of a change, whose item is shown so.
    pub fn line(&self, change: Change, presentation: &Presentation) -> FeedLine {
        // Grown byte by byte it would be copied again and again.
        let body = |body: &Option<Vec<u8>>| body.as_ref().map_or(0, Vec::len);
        let bodies = if self.is_thin { 0 } else { body(&change.before) + body(&change.after) };
        let mut line = Vec::with_capacity(bodies + HEAD_BYTES);
        if self.names_changed && change.op == Op::Update {
            let members = difference::between(change.before.as_deref(), change.after.as_deref());
            let names: Vec<&str> =
                members.iter().map(|member| presentation.name(&member.name)).collect();
            let shown = self.shown(&change, presentation);
            envelope::write_object(&shown, &self.server, Some(&names), &mut line);
        } else {
            let shown = self.shown(&change, presentation);
            envelope::write_object(&shown, &self.server, None, &mut line);
        }
        let Change { sequence, repository, item, op, ts_ms, .. } = change;
        FeedLine { sequence, repository, item, op, ts_ms, envelope: line.into() }
    }

    fn shown<'a>(&self, change: &'a Change, presentation: &Presentation) -> Cow<'a, Change> {
        if !self.is_thin && presentation.is_plain() {
            return Cow::Borrowed(change);
        }
        let body = |body: &Option<Vec<u8>>| {
            let body = body.as_deref().filter(|_| !self.is_thin)?;
            Some(presentation.item(body).into_owned())
        };
        Cow::Owned(Change {
            before: body(&change.before),
            after: body(&change.after),
            item: change.item.clone(),
            ..*change
        })
    }
}
