//! The repositories: orders, edits and windows.

use super::*;

const STILL: Rates = Rates { insert: 0.0, delete: 0.0, update: 0.0 };
const BUSY: Rates = Rates { insert: 50.0, delete: 50.0, update: 100.0 };

fn repository(items: usize, order: Order, rates: Rates) -> SimulatedRepository {
    SimulatedRepository::new(&RepositoryOptions { id: 10_149, items }, 0, order, rates, 1)
}

fn ids(repository: &SimulatedRepository) -> Vec<u64> {
    repository.window(0, usize::MAX).iter().map(|entry| entry.id).collect()
}

#[test]
fn each_order_holds_while_items_come_and_go() {
    for order in [Order::Id, Order::Modified, Order::Shuffled] {
        let mut repository = repository(500, order, BUSY);
        repository.advance(Duration::from_secs(20));
        let entries = repository.window(0, usize::MAX);
        assert_eq!(entries.len(), 500, "as many came as went");
        match order {
            Order::Id => assert!(entries.is_sorted_by(|a, b| a.id < b.id)),
            Order::Modified => assert!(entries.is_sorted_by(|a, b| a.change > b.change)),
            Order::Shuffled => assert!(!entries.is_sorted_by_key(|entry| entry.id)),
        }
    }
}

#[test]
fn a_shuffled_order_is_stable() {
    let mut repository = repository(200, Order::Shuffled, STILL);
    let before = ids(&repository);
    repository.update(before[17]).unwrap();
    repository.insert(None).unwrap();
    let after: Vec<u64> = ids(&repository).into_iter().filter(|id| before.contains(id)).collect();
    assert_eq!(before, after);
}

#[test]
fn the_same_seed_and_time_give_the_same_repository() {
    let mut left = repository(300, Order::Shuffled, BUSY);
    let mut right = repository(300, Order::Shuffled, BUSY);
    // The clock may have gone on between the two.
    right.started_ms = left.started_ms;
    left.advance(Duration::from_secs(7));
    for second in 1..=7 {
        right.advance(Duration::from_secs(second));
    }
    assert_eq!(left.window(0, usize::MAX), right.window(0, usize::MAX));
}

#[test]
fn items_are_found_by_id_and_gone_ones_are_not() {
    for order in [Order::Id, Order::Modified, Order::Shuffled] {
        let mut repository = repository(100, order, STILL);
        let all = ids(&repository);
        repository.update(all[40]).unwrap();
        repository.delete(all[41]).unwrap();
        assert_eq!(repository.item(all[40]).unwrap().revision, 2);
        assert_eq!(repository.item(all[41]), None);
        assert_eq!(repository.delete(all[41]), Err(EditError::NoSuchItem(all[41])));
        assert_eq!(repository.item(1), None);
        assert_eq!(repository.item(u64::MAX), None);
        assert_eq!(repository.len(), 99);
    }
}

#[test]
fn a_window_beyond_the_end_is_empty() {
    let repository = repository(10, Order::Id, STILL);
    assert_eq!(repository.window(10, 5), []);
    assert_eq!(repository.window(usize::MAX, usize::MAX), []);
    assert_eq!(repository.window(8, 5).len(), 2);
}

#[test]
fn repositories_share_no_item_id() {
    let options = RepositoryOptions { id: 2, items: 10 };
    let first = repository(10, Order::Id, STILL);
    let second = SimulatedRepository::new(&options, 1, Order::Id, STILL, 1);
    assert!(ids(&second).iter().all(|id| first.item(*id).is_none()));
    assert!(ids(&first).iter().all(|id| second.item(*id).is_none()));
}

#[test]
fn a_place_can_be_chosen_only_where_no_order_decides() {
    let mut ordered = repository(10, Order::Id, STILL);
    let mut shuffled = repository(10, Order::Shuffled, STILL);
    assert_eq!(ordered.insert(Some(3)), Err(EditError::PlaceIsFixed));
    let id = shuffled.insert(Some(3)).unwrap();
    assert_eq!(ids(&shuffled)[3], id);
    shuffled.move_to(id, 0).unwrap();
    assert_eq!(ids(&shuffled)[0], id);
}
