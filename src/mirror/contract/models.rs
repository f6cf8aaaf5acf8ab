//! What is known of repositories is kept, as it was told last, whatever is opened anew meanwhile.

use std::sync::Arc;

use super::ImplementationUnderTest;
use crate::domain::RepositoryId;
use crate::mirror::{
    KeptModel, Lease, Mirror, MirrorErrorKind, MirrorReader, ModelChange, ModelUpdate,
};
use crate::model::{Attribute, RawAnswer, RepositoryModel};

fn update(read_ms: i64, names: &[(&str, &str)], answers: Option<&[&str]>) -> ModelUpdate {
    let name = Some("Größen \"1\"".to_owned());
    let mut model = RepositoryModel { name, ..RepositoryModel::default() };
    for (id, name) in names {
        let name = Some((*name).to_owned());
        model.add_attribute(Attribute { name, ..Attribute::of(*id) });
    }
    model.take_codes_for_tests("Colours", &[("R", "red"), ("", "'none'\u{1f600}")]);
    let answer = |body: &&str| RawAnswer {
        call: "attributes".to_owned(),
        subject: "page=1".to_owned(),
        body: (*body).to_owned().into(),
    };
    let server_ms = answers.map(|_| read_ms - 1);
    ModelUpdate {
        kept: KeptModel { model, read_ms, server_ms, from_file: names.len() > 1 },
        answers: answers.map(|them| them.iter().map(answer).collect()),
        change: (read_ms % 2 == 0).then(|| format!("{} attributes, \u{fc}", names.len())),
    }
}

/// Saves models, and compares what is then kept with what was told, opened anew after each.
pub(in crate::mirror) fn what_is_known_is_kept<K: ImplementationUnderTest>(kind: &K) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let leases = [1, 2].map(|repository| kind.lease(RepositoryId(repository)));
    let told = [
        (1, update(10, &[("F_1", "Brand"), ("F_2", "Size")], Some(&["[1, 2]", "{\"a\":\"ü\"}"]))),
        (2, update(11, &[], Some(&[]))),
        // What the server did not answer this time stays.
        (1, update(12, &[("F_1", "Marke")], None)),
        (1, update(13, &[], Some(&["{}"]))),
        (2, update(14, &[("F_9", "x")], None)),
    ];
    let mut expected = [const { (None, Vec::new(), Vec::new()) }; 3];
    for (repository, update) in told {
        let (id, place) = (RepositoryId(repository), usize::try_from(repository).unwrap() - 1);
        runtime.block_on(async {
            let mirror = kind.open();
            mirror.save_model(id, &leases[place], Arc::new(update.clone())).await.unwrap();
        });
        let ModelUpdate { kept, answers, change } = update;
        let (last, all_answers, changes) = &mut expected[place];
        changes.extend(change.map(|what| ModelChange { changed_ms: kept.read_ms, what }));
        *last = Some(kept);
        if let Some(answers) = answers {
            *all_answers = answers;
        }
        runtime.block_on(async {
            let mirror = kind.open();
            let reader = kind.reader(&mirror);
            for (id, (last, answers, changes)) in (1..).map(RepositoryId).zip(&expected) {
                assert_eq!(reader.model(id).await.unwrap(), *last);
                assert_eq!(mirror.saved_model(id).await.unwrap(), *last);
                assert_eq!(reader.model_answers(id).await.unwrap(), *answers);
                assert_eq!(reader.model_changes(id).await.unwrap(), *changes);
            }
        });
    }
}

/// Nobody writes what is known under a lease that is another's.
pub(in crate::mirror) async fn a_model_is_fenced(mirror: &impl Mirror, reader: &dyn MirrorReader) {
    let id = RepositoryId(1);
    let before = reader.model(id).await.unwrap();
    for lease in [Lease { owner: "nobody".into(), generation: 1 }, Lease::sole()] {
        let update = Arc::new(update(100, &[("F_1", "stolen")], Some(&["{}"])));
        let refused = mirror.save_model(id, &lease, update).await.unwrap_err();
        assert_eq!(refused.kind(), MirrorErrorKind::Fenced);
    }
    assert_eq!(reader.model(id).await.unwrap(), before);
}
