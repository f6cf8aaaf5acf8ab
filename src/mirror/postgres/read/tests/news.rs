//! Who waits for a change is told of it, whatever becomes of the notifications.

use std::pin::pin;
use std::time::Duration;

use tokio::time::timeout;

use super::HandmadeMirror;
use crate::domain::Sequence;
use crate::mirror::contracts::ChangeLog;
use crate::mirror::postgres::read::PostgresReading;

/// No test waits longer: so long a machine may be busy with other things.
const DEADLINE: Duration = Duration::from_secs(60);

impl HandmadeMirror {
    /// Another process that reads it, by a name of its own.
    fn reader(&self, name: &str) -> PostgresReading {
        PostgresReading::new(self.pool_of(None, name))
    }

    /// Ends all connections of this name; how many those were.
    async fn kill(&self, name: &str) -> i64 {
        let client = self.pool.get().await.unwrap();
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                    WHERE application_name = $1";
        client.query_one(kill, &[&name]).await.unwrap().get(0)
    }

    /// Sends notifications that mean nothing, many of them in one transaction.
    async fn forge(&self) {
        self.sql(
            "SELECT pg_notify('ewmirror', payload || number) FROM generate_series(1, 2000) number, \
             unnest(ARRAY['', '-1', '99999999999999999999', 'DROP TABLE item;', repeat('9', 2000)]) \
             payload",
        )
        .await;
    }
}

#[tokio::test]
async fn changes_are_told_with_notifications_and_without() {
    let Some(mut mirror) = HandmadeMirror::new().await else { return };
    let reader = mirror.reader("news");
    for sequence in 1..6 {
        let notify = sequence % 2 == 0;
        let waits =
            [(); 2].map(|()| timeout(DEADLINE, reader.wait_for_news(Sequence(sequence - 1))));
        let [first, second] = waits;
        let write = async {
            mirror.put(1, 7, Some(&sequence.to_string())).await;
            if notify {
                mirror.sql("SELECT pg_notify('ewmirror', '1')").await;
            }
        };
        let (first, second, ()) = tokio::join!(first, second, write);
        assert_eq!(first.unwrap().unwrap(), Sequence(sequence));
        assert_eq!(second.unwrap().unwrap(), Sequence(sequence));
    }
}

#[tokio::test]
async fn forged_notifications_tell_nothing() {
    let Some(mut mirror) = HandmadeMirror::new().await else { return };
    mirror.put(1, 7, Some("1")).await;
    let reader = mirror.reader("forged");
    let mut waits = pin!(timeout(DEADLINE, reader.wait_for_news(Sequence(1))));
    for _ in 0..5 {
        tokio::select! {
            biased;
            told = &mut waits => panic!("{told:?} though there is no news"),
            () = mirror.forge() => {}
        }
    }
    let (told, ()) = tokio::join!(waits, mirror.put(1, 7, Some("2")));
    assert_eq!(told.unwrap().unwrap(), Sequence(2));
}

#[tokio::test]
async fn changes_are_told_though_connections_are_killed_meanwhile() {
    let Some(mut mirror) = HandmadeMirror::new().await else { return };
    let name = format!("killed {}", mirror.address.schema);
    let reader = mirror.reader(&name);
    let mut killed = 0;
    for sequence in 1..8 {
        let wait = timeout(DEADLINE, reader.wait_for_news(Sequence(sequence - 1)));
        let write = async {
            killed += mirror.kill(&name).await;
            mirror.put(1, 7, Some(&sequence.to_string())).await;
            killed += mirror.kill(&name).await;
        };
        let (told, ()) = tokio::join!(wait, write);
        assert_eq!(told.unwrap().unwrap(), Sequence(sequence));
        let page = reader.changes(Some(Sequence(sequence - 1)), None, 10).await.unwrap();
        assert_eq!(page.changes, mirror.log[usize::try_from(sequence).unwrap() - 1..]);
    }
    assert!(killed > 0, "nothing was killed");
}
