//! What stands before real servers: a balancer that keeps a session with its node by cookie, a
//! server that closes connections, one that redirects within itself.
//!
//! Nodes share no sessions, so a client that drops the balancer's cookie is signed in at one and
//! unknown at the others. Pure but for the chance in a cookie's value, which changes with every
//! answer as AWS has it.

use std::collections::HashMap;
use std::num::NonZeroU32;

use hyper::StatusCode;
use hyper::header::{LOCATION, SET_COOKIE};

use super::answer::SimulatedAnswer;
use super::call::SimulatedCall;

/// The most sessions of which a node is remembered; a client that leaks sessions leaks no more.
const MOST_SESSIONS: usize = 100_000;

/// How a server redirects within itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelfRedirect {
    /// 308 to the same path with a final slash.
    Slash,
    /// 302 to the same path with `;jsessionid=`, for who sends no `JSESSIONID`.
    SessionInPath,
    /// 307 to the same path below `/moved`.
    Moved,
}

/// Which node serves whom.
#[derive(Debug)]
pub(super) struct Balancer {
    nodes: u32,
    next: u32,
    answers: u64,
    /// At which node a session lives.
    homes: HashMap<String, u32>,
}

impl Balancer {
    pub(super) fn new(nodes: NonZeroU32) -> Self {
        Self { nodes: nodes.get(), next: 0, answers: 0, homes: HashMap::new() }
    }

    /// The node that a request goes to: the one its cookie names, else the next in turn.
    pub(super) fn node(&mut self, call: &SimulatedCall) -> u32 {
        let named = call.cookie("AWSALB").and_then(|cookie| cookie.split('.').next()?.parse().ok());
        named.filter(|node| *node < self.nodes).unwrap_or_else(|| {
            self.next = (self.next + 1) % self.nodes;
            self.next
        })
    }

    /// A session begins at a node.
    pub(super) fn home(&mut self, session: &str, node: u32) {
        if self.homes.len() < MOST_SESSIONS {
            self.homes.insert(session.to_owned(), node);
        }
    }

    /// Whether a session lives at this node.
    pub(super) fn is_home(&self, session: &str, node: u32) -> bool {
        self.homes.get(session) == Some(&node)
    }

    /// The answer with the cookies of this node.
    pub(super) fn stamp(&mut self, answer: SimulatedAnswer, node: u32) -> SimulatedAnswer {
        self.answers += 1;
        let balanced = format!("AWSALB={node}.{}; Max-Age=604800; Path=/", self.answers);
        let contained = format!("JSESSIONID=container.n{node}; Path=/; HttpOnly");
        answer.with(SET_COOKIE, &balanced).with(SET_COOKIE, &contained)
    }
}

/// Where a request is sent first, if it is; else its path is made what it was meant as.
pub(super) fn redirected(
    kind: SelfRedirect,
    call: &mut SimulatedCall,
    base_path: &str,
) -> Option<SimulatedAnswer> {
    let to = |status, path: String| {
        let query = call.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        SimulatedAnswer::html(status, "").with(LOCATION, &format!("{base_path}{path}{query}"))
    };
    let path = call.path.clone();
    let meant = match kind {
        SelfRedirect::Slash => path.strip_suffix('/'),
        SelfRedirect::SessionInPath => match path.split_once(";jsessionid=") {
            Some((path, _)) => Some(path),
            None => call.cookie("JSESSIONID").map(|_| path.as_str()),
        },
        SelfRedirect::Moved => path.strip_prefix("/moved"),
    };
    if let Some(meant) = meant {
        let meant = meant.to_owned();
        call.path = meant;
        return None;
    }
    Some(match kind {
        SelfRedirect::Slash => to(StatusCode::PERMANENT_REDIRECT, format!("{path}/")),
        SelfRedirect::SessionInPath => to(StatusCode::FOUND, format!("{path};jsessionid=1F.n1"))
            .with(SET_COOKIE, "JSESSIONID=1F.n1; Path=/; HttpOnly"),
        SelfRedirect::Moved => to(StatusCode::TEMPORARY_REDIRECT, format!("/moved{path}")),
    })
}
