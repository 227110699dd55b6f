//! What the audit tells apart.

use std::time::Duration;

use kt_bus::Bus;
use kt_warehouse::audit::{AuditReport, LostRange, audit};

use crate::world::World;
use crate::writer::{NOON, Writer};

const SETTLE: Duration = Duration::from_secs(10);

async fn load(world: &World, bus: &Bus, writer: &Writer) {
    let loader = world.loader(false);
    writer.publish_all(bus).await;
    bus.accepted().await.unwrap().put(writer.name, writer.epoch, writer.counter).await.unwrap();
    let report = audit(&world.client, Some(bus), SETTLE).await.unwrap();
    assert!(report.is_whole(), "{report:?}\n{}", world.loader_log());
    assert_eq!(loader.stop(), Some(0));
}

fn numbers(report: &AuditReport) -> [u64; 6] {
    let AuditReport { accepted, logged, landed, lost, duplicated, collapsed, .. } = *report;
    [accepted, logged, landed, lost, duplicated, collapsed]
}

/// A second epoch of the same events collapses into the first and is told from a loss, row by row.
pub async fn equal_events_are_told_from_lost_ones() {
    let world = World::start().await;
    let bus = world.bus().await;
    let mut first = Writer::new("feed-test", "test", 1_000);
    first.trades(1, 5_000, 97, NOON, 1_000_000);
    first.quotes("BTC-USDT-SPOT", 3_000, 89, NOON, 1_000_000);
    load(&world, &bus, &first).await;
    let mut second = Writer::new("feed-test", "test", 2_000);
    second.trades(4_001, 2_000, 97, NOON, 1_000_000);
    load(&world, &bus, &second).await;
    world.execute("OPTIMIZE TABLE landing.trade FINAL").await;
    let report = audit(&world.client, Some(&bus), Duration::ZERO).await.unwrap();
    assert_eq!(numbers(&report), [10_000, 10_000, 10_000, 0, 0, 1_000], "{report:?}");

    // Rows really lost: of the first epoch in the overlap and before it, of both kinds.
    world.execute("DELETE FROM landing.trade WHERE trade_id IN ('10', '11', '12', '4500')").await;
    world.execute("DELETE FROM landing.quote WHERE counter = 5001").await;
    let report = audit(&world.client, Some(&bus), Duration::ZERO).await.unwrap();
    // Event 4500 was received in both epochs: neither row is left.
    assert_eq!(numbers(&report), [10_000, 10_000, 9_994, 6, 0, 999], "{report:?}");
    let range = |kind, first, last| LostRange { kind: Some(kind), first, last };
    let lost: Vec<_> = report.writers.iter().flat_map(|writer| writer.lost_ranges.clone()).collect();
    let expected =
        [range("trade", 10, 12), range("trade", 4_500, 4_500), range("quote", 5_001, 5_001), range("trade", 500, 500)];
    assert_eq!(lost, expected);

    // A row that is there twice.
    let (rows, options) = (first.spool[0].1.clone(), kt_warehouse::client::Options::new());
    world.execute("SYSTEM STOP MERGES landing.trade").await;
    world.client.insert_row_binary("landing.trade", None, rows, &options).await.unwrap();
    let report = audit(&world.client, Some(&bus), Duration::ZERO).await.unwrap();
    // The three lost rows of that block are back, the other 94 are there twice.
    assert_eq!((report.lost, report.duplicated), (3, 94), "{report:?}");
}

/// What a writer accepted and the log never got is lost too, though it may still come.
pub async fn accepted_rows_that_never_came_are_named() {
    let world = World::start().await;
    let bus = world.bus().await;
    let mut writer = Writer::new("feed-test", "test", 1_000);
    writer.trades(1, 1_000, 100, NOON, 1_000_000);
    let loader = world.loader(false);
    writer.publish(&bus, (0..10).filter(|block| *block != 3)).await;
    bus.accepted().await.unwrap().put("feed-test", 1_000, 1_050).await.unwrap();
    let report = audit(&world.client, Some(&bus), Duration::from_secs(3)).await.unwrap();
    assert_eq!(numbers(&report), [1_050, 900, 900, 150, 0, 0], "{report:?}");
    assert_eq!(report.pending, 150);
    let range = |first, last| LostRange { kind: None, first, last };
    assert_eq!(report.writers[0].lost_ranges, [range(301, 400), range(1_001, 1_050)]);
    drop(loader);
}
