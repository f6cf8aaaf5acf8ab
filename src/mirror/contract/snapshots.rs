//! What a snapshot says beside its items: the repositories, and the rows of the views.

use std::ops::ControlFlow;

use super::model::Model;
use super::readings::is_known;
use super::views::{self, ViewRow, Views};
use crate::domain::RepositoryId;
use crate::mirror::{
    ItemsSnapshot, MirrorReader, MirrorView, MirroredRepository, ViewColumnKind, ViewValue,
};

/// Compares it with the model; `has_views` says whether the store has views.
pub(super) async fn compare(model: &Model, reader: &dyn MirrorReader, has_views: bool) {
    let snapshot = reader.snapshot(None).await.unwrap();
    let mut expected = Vec::new();
    for repository in (1..3).filter(|repository| is_known(model, *repository)) {
        let id = RepositoryId(repository);
        let items = model.items.keys().filter(|(of, _)| *of == repository).count() as u64;
        expected.push(MirroredRepository { id, items, model: reader.model(id).await.unwrap() });
    }
    assert_eq!(snapshot.repositories().await.unwrap(), expected);
    if !has_views {
        return;
    }
    let mut found = Views::default();
    for view in MirrorView::ALL {
        let rows = rows(&*snapshot, view).await;
        *(match view {
            MirrorView::Items => &mut found.items,
            MirrorView::Changes => &mut found.changes,
            MirrorView::History => &mut found.history,
            MirrorView::Passes => &mut found.passes,
        }) = rows;
    }
    views::compare(model, found);
    // Who wants no more gets no more, and the snapshot can be asked on.
    let mut pages = 0;
    let mut first = |_: Vec<Vec<ViewValue>>| {
        pages += 1;
        ControlFlow::Break(())
    };
    snapshot.rows(MirrorView::Changes, &mut first).await.unwrap();
    assert!(pages < 2);
    assert_eq!(snapshot.repositories().await.unwrap().len(), expected.len());
}

/// The rows of a view, each value as a text, with the body over again as `json`.
async fn rows(snapshot: &dyn ItemsSnapshot, view: MirrorView) -> Vec<ViewRow> {
    let mut rows = Vec::new();
    let mut take = |page: Vec<Vec<ViewValue>>| {
        rows.extend(page);
        ControlFlow::Continue(())
    };
    snapshot.rows(view, &mut take).await.unwrap();
    rows.into_iter().map(|row| texts(view, row)).collect()
}

fn texts(view: MirrorView, row: Vec<ViewValue>) -> ViewRow {
    assert_eq!(row.len(), view.columns().len());
    let mut texts = ViewRow::new();
    for ((name, kind), value) in view.columns().iter().zip(row) {
        let is_number = matches!(kind, ViewColumnKind::Number | ViewColumnKind::Truth);
        texts.push(match value {
            ViewValue::Null => None,
            ViewValue::Number(number) => {
                assert!(is_number, "{name}");
                Some(number.to_string())
            }
            ViewValue::Text(text) => {
                assert!(!is_number, "{name}");
                Some(String::from_utf8(text).unwrap())
            }
        });
        if *name == "body" {
            texts.push(texts.last().cloned().flatten());
        }
    }
    texts
}
