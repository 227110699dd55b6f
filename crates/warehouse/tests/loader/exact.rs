//! Every row exactly once, whatever is killed, repeated, reordered or lost.

use std::time::Duration;

use kt_bus::LandedKey;
use kt_model::schema::Kind;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::world::World;
use crate::writer::{NOON, Writer};

const DAY: i64 = 86_400_000_000_000;

/// Blocks arrive once, again, in another order and over two days; then the log is lost whole.
pub async fn repeated_and_reordered_blocks_land_once() {
    let mut world = World::start().await;
    let mut writer = Writer::new("feed-test", "test", 1_000);
    writer.trades(1, 3_000, 97, NOON, 1_000_000);
    writer.quotes("BTC-USDT-SPOT", 2_000, 83, NOON, 1_500_000);
    writer.trades(10_000, 1_000, 97, NOON + DAY, 1_000_000);
    let bus = world.bus().await;
    let seed = 7;
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..writer.spool.len()).chain(0..writer.spool.len()).collect();
    order.shuffle(&mut random);
    let loader = world.loader(false);
    writer.publish(&bus, order).await;
    world.wait_for("SELECT count() FROM landing.trade", 4_000).await;
    world.wait_for("SELECT count() FROM landing.quote", 2_000).await;
    wait_for_watermark(&bus, &writer, Kind::Trade).await;
    assert_eq!(loader.stop(), Some(0));

    // The log and with it all watermarks and leases are gone; the writer sends everything again.
    drop(bus);
    world.nats.kill();
    world.nats.erase();
    world.nats.restart();
    let bus = world.bus().await;
    let loader = world.loader(false);
    writer.trades(20_000, 500, 97, NOON, 1_000_000);
    writer.publish_all(&bus).await;
    world.wait_for("SELECT count() FROM landing.trade", 4_500).await;
    wait_for_watermark(&bus, &writer, Kind::Trade).await;
    assert_eq!(loader.stop(), Some(0));
    assert_eq!(world.value::<u64>("SELECT uniqExact(counter) FROM landing.trade").await, 4_500);
    assert_eq!(world.value::<u64>("SELECT count() FROM landing.quote").await, 2_000);
    let parts = "SELECT max(c) FROM (SELECT uniqExact(_partition_id) AS c FROM landing.trade GROUP BY _part)";
    assert_eq!(world.value::<u64>(parts).await, 1);
}

async fn wait_for_watermark(bus: &kt_bus::Bus, writer: &Writer, kind: Kind) {
    let of_kind = writer.spool.iter().filter(|(header, _)| header.kind == kind);
    wait_for_block(bus, writer, kind, of_kind.map(|(header, _)| header.number).max()).await;
}

async fn wait_for_block(bus: &kt_bus::Bus, writer: &Writer, kind: Kind, block: Option<u64>) {
    let key = LandedKey { writer: writer.name.to_owned(), epoch: writer.epoch, kind };
    for _ in 0..500 {
        if bus.landed().await.unwrap().get(&key).await.unwrap() == block {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the watermark of {kind} did not reach {block:?}");
}

/// The loader is killed right after its intents, right after rows land, and at random moments.
pub async fn a_killed_loader_loses_and_repeats_nothing() {
    let world = World::start().await;
    let bus = world.bus().await;
    let mut writer = Writer::new("feed-test", "test", 1_000);
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(11);
    let mut sent = 0;
    for round in 0..9u64 {
        let loader = world.loader(false);
        let before: u64 = world.value("SELECT count() FROM landing.trade").await;
        let intents: u64 = world.value("SELECT countIf(stage = 'planned') FROM ops.intents").await;
        writer.trades(1 + round * 40_000, 40_000, 100, NOON, 10_000);
        writer.publish(&bus, sent..writer.spool.len()).await;
        sent = writer.spool.len();
        match round % 3 {
            0 => world.wait_for(&format!("SELECT countIf(stage = 'planned') > {intents} FROM ops.intents"), 1).await,
            1 => world.wait_for(&format!("SELECT count() > {before} FROM landing.trade"), 1).await,
            _ => tokio::time::sleep(Duration::from_millis(random.random_range(50..900))).await,
        }
        loader.kill();
    }
    let loader = world.loader(false);
    world.wait_for("SELECT count() FROM landing.trade", 360_000).await;
    wait_for_watermark(&bus, &writer, Kind::Trade).await;
    assert_eq!(loader.stop(), Some(0));
    assert_eq!(world.value::<u64>("SELECT uniqExact(counter) FROM landing.trade").await, 360_000);
    assert_eq!(world.value::<u64>("SELECT count() FROM landing.trade FINAL").await, 360_000);
}

/// The warehouse is killed while rows are inserted; the loader counts and goes on.
pub async fn a_killed_warehouse_loses_and_repeats_nothing() {
    let mut world = World::start().await;
    let bus = world.bus().await;
    let mut writer = Writer::new("feed-test", "test", 1_000);
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(13);
    let loader = world.loader(false);
    let mut sent = 0;
    for round in 0..6u64 {
        writer.trades(1 + round * 60_000, 60_000, 100, NOON, 10_000);
        writer.publish(&bus, sent..writer.spool.len()).await;
        sent = writer.spool.len();
        tokio::time::sleep(Duration::from_millis(random.random_range(100..700))).await;
        world.kill_warehouse();
        world.start_warehouse();
    }
    world.wait_for("SELECT count() FROM landing.trade", 360_000).await;
    wait_for_watermark(&bus, &writer, Kind::Trade).await;
    assert_eq!(loader.stop(), Some(0));
    assert_eq!(world.value::<u64>("SELECT uniqExact(counter) FROM landing.trade").await, 360_000);
}

/// An insert of which some rows are there: only the others are inserted.
pub async fn a_partial_insert_is_completed() {
    let world = World::start().await;
    let bus = world.bus().await;
    let mut writer = Writer::new("feed-test", "test", 1_000);
    writer.trades(1, 300, 100, NOON, 1_000_000);
    writer.publish_all(&bus).await;
    // Block 2's rows landed, of an insert that was to hold all three blocks.
    let rows = writer.spool[1].1.clone();
    world.client.insert_row_binary("landing.trade", None, rows, &kt_warehouse::client::Options::new()).await.unwrap();
    world
        .execute(
            "INSERT INTO ops.intents (insert_id, stage, kind, day, writer, epoch, blocks, last_block, rows, \
             first_counter, last_counter, min_event_ts, max_event_ts) VALUES (1, 'planned', 'trade', '2024-08-08', \
             'feed-test', 1000, [1, 2, 3], 3, 300, 1, 300, '2024-08-08 12:00:00', '2024-08-08 12:00:01')",
        )
        .await;
    let loader = world.loader(false);
    world.wait_for("SELECT count() FROM landing.trade", 300).await;
    wait_for_watermark(&bus, &writer, Kind::Trade).await;
    assert_eq!(loader.stop(), Some(0));
    assert_eq!(world.value::<u64>("SELECT uniqExact(counter) FROM landing.trade").await, 300);
    // The next start finds the old insert whole and closes it.
    let loader = world.loader(false);
    world.wait_for("SELECT countIf(stage = 'done' AND insert_id = 1) FROM ops.intents", 1).await;
    assert_eq!(loader.stop(), Some(0));
}

/// A damaged block is kept aside, never landed; the blocks behind it land, the watermark waits.
pub async fn a_damaged_block_is_refused() {
    let world = World::start().await;
    let bus = world.bus().await;
    let mut writer = Writer::new("feed-test", "test", 1_000);
    writer.trades(1, 300, 100, NOON, 1_000_000);
    let good = writer.spool[1].1.clone();
    let mut bytes = good.to_vec();
    bytes[40] ^= 1;
    writer.spool[1].1 = bytes.into();
    writer.publish_all(&bus).await;
    let loader = world.loader(false);
    world.wait_for("SELECT count() FROM landing.trade", 200).await;
    world.wait_for("SELECT countIf(block = 2 AND reason LIKE '%hash%') FROM ops.refused_blocks", 1).await;
    wait_for_block(&bus, &writer, Kind::Trade, Some(1)).await;
    // The writer still has the block and sends it again.
    writer.spool[1].1 = good;
    writer.publish(&bus, [1]).await;
    world.wait_for("SELECT count() FROM landing.trade", 300).await;
    wait_for_watermark(&bus, &writer, Kind::Trade).await;
    assert_eq!(loader.stop(), Some(0));
}

/// Two loaders: one works, the other waits until the first is gone.
pub async fn only_one_loader_works() {
    let world = World::start().await;
    let bus = world.bus().await;
    let mut writer = Writer::new("feed-test", "test", 1_000);
    let first = world.loader(false);
    writer.trades(1, 100, 100, NOON, 1_000_000);
    writer.publish(&bus, [0]).await;
    world.wait_for("SELECT count() FROM landing.trade", 100).await;
    let mut second = world.loader(false);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(world.loader_log().contains("another loader is at work"), "{}", world.loader_log());
    assert!(!second.has_ended());
    first.kill();
    writer.trades(101, 100, 100, NOON, 1_000_000);
    writer.publish(&bus, [1]).await;
    world.wait_for("SELECT count() FROM landing.trade", 200).await;
    assert_eq!(second.stop(), Some(0));
}
