use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use kt_bus::testing::NatsServer;
use kt_bus::{Bus, BusConfig, ConsumerConfig, LandedKey, LogAlarm, LogConfig, LogConsumer};
use kt_feed::clock::SystemClock;
use kt_feed::metrics::FeedMetrics;
use kt_feed::spool::SpoolLimits;
use kt_feed::{OpenWriter, REPUBLISH_TOPIC, Republished, Writer, WriterConfig};
use kt_model::schema::Kind;
use kt_model::{Event, State};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use crate::events::{START, event};

const VENUE: &str = "test";

fn config(folder: &Path) -> WriterConfig {
    WriterConfig::new(VENUE, folder)
}

async fn open(bus: &Bus, config: &WriterConfig) -> OpenWriter {
    OpenWriter::open(bus, config, Rc::new(SystemClock::default()), &FeedMetrics::default()).await.unwrap()
}

/// Epoch, counter, state, cause, first and last missing of a status row.
type Told = (u32, u64, State, String, Option<u64>, Option<u64>);

/// Counters and status rows by epoch, from every block that the log delivers; each block verified.
#[derive(Default, Debug)]
struct Collected {
    counters: BTreeMap<u32, BTreeSet<u64>>,
    blocks: usize,
    repeated: usize,
    alarms: Vec<LogAlarm>,
    states: Vec<Told>,
}

impl Collected {
    /// Reads until nothing has come for half a second; the log must be whole.
    async fn read(bus: &Bus) -> Self {
        let collected = Self::read_allowing_discards(bus).await;
        assert_eq!(collected.alarms, []);
        collected
    }

    async fn read_allowing_discards(bus: &Bus) -> Self {
        let mut collected = Self::default();
        let mut seen = BTreeSet::new();
        let config = ConsumerConfig { name: "collect".to_owned(), start_after: None, max_unacknowledged: 100_000 };
        let mut consumer = LogConsumer::open(bus, config).await.unwrap();
        loop {
            let batch = consumer.fetch(1000, Duration::from_millis(500)).await.unwrap();
            collected.alarms.extend(batch.alarms);
            if batch.blocks.is_empty() {
                return collected;
            }
            for block in batch.blocks {
                block.header.verify_hash(&block.payload).unwrap();
                collected.blocks += 1;
                collected.repeated += usize::from(!seen.insert(block.header.message_id()));
                let epoch = block.header.epoch;
                let collected = &mut collected;
                block
                    .header
                    .verify_rows(&block.payload, |event| {
                        let counter = event.header().counter;
                        collected.counters.entry(epoch).or_default().insert(counter);
                        if let Event::Status(row) = event {
                            let cause = row.cause.0.to_owned();
                            let state = (epoch, counter, row.state, cause, row.first_missing, row.last_missing);
                            if !collected.states.contains(&state) {
                                collected.states.push(state);
                            }
                        }
                    })
                    .unwrap();
            }
        }
    }

    fn assert_contiguous(&self, epoch: u32, last: u64) {
        let counters = &self.counters[&epoch];
        let missing: Vec<u64> = (1..=last).filter(|counter| !counters.contains(counter)).take(20).collect();
        assert!(missing.is_empty(), "epoch {epoch} up to {last}: {missing:?}");
        assert_eq!(counters.last(), Some(&last));
    }
}

type SharedWriter = Rc<RefCell<Writer>>;

/// Feeds `count` events at about `rate` a second, calling `at` after every fifty.
async fn feed(writer: &SharedWriter, count: u64, rate: u64, mut at: impl AsyncFnMut(u64)) {
    let started = Instant::now();
    for number in 1..=count {
        writer.borrow_mut().event(&event(number, START + number as i64));
        if number % 50 == 0 {
            writer.borrow_mut().flush_hot();
            at(number).await;
            let due = Duration::from_micros(number * 1_000_000 / rate);
            tokio::time::sleep(due.saturating_sub(started.elapsed()).max(Duration::from_micros(1))).await;
        }
    }
}

/// Runs `work` beside the writer's own tasks, then stops the writer in order. Answers the last counter.
async fn with_writer(open: OpenWriter, work: impl AsyncFnOnce(&SharedWriter)) -> u64 {
    let (stop, stopped) = oneshot::channel::<()>();
    let writer = open.writer.clone();
    let running = tokio::task::spawn_local(open.run(async { drop(stopped.await) }, Duration::from_secs(20)));
    work(&writer).await;
    stop.send(()).expect("the writer still runs");
    running.await.unwrap().unwrap();
    writer.borrow().counter()
}

async fn connect(server: &NatsServer) -> Bus {
    Bus::connect(&server.config("test")).await.unwrap()
}

#[tokio::test]
async fn nothing_is_lost_when_the_log_server_is_killed_in_mid_stream() {
    let Some(mut server) = NatsServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let bus = connect(&server).await;
    LocalSet::new()
        .run_until(async {
            let open = open(&bus, &config(folder.path())).await;
            let epoch = open.writer.borrow().identity().epoch;
            let last = with_writer(open, async |writer| {
                feed(writer, 40_000, 20_000, async |number| {
                    if number == 10_000 || number == 25_000 {
                        server.restart();
                    }
                })
                .await;
            })
            .await;
            assert_eq!(last, 40_000 + 2, "one row at the start, one at the stop");
            let collected = Collected::read(&bus).await;
            collected.assert_contiguous(epoch, last);
            println!("{} blocks, {} delivered more than once", collected.blocks, collected.repeated);
            let accepted = bus.accepted().await.unwrap().all().await.unwrap();
            assert_eq!(accepted, [("feed-test".to_owned(), epoch, last)]);
        })
        .await;
}

#[tokio::test]
async fn a_deleted_stream_is_filled_again_from_what_has_not_landed() {
    let Some(server) = NatsServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let bus = connect(&server).await;
    let mut config = config(folder.path());
    config.spool = SpoolLimits { bytes: 1 << 30, segment_bytes: 64 << 10 };
    LocalSet::new()
        .run_until(async {
            let open = open(&bus, &config).await;
            let epoch = open.writer.borrow().identity().epoch;
            let landed_mark = 40u64;
            let mut spool_bytes = (0, 0);
            let last = with_writer(open, async |writer| {
                feed(writer, 20_000, 20_000, async |_| {}).await;
                tokio::time::sleep(Duration::from_millis(300)).await;
                spool_bytes.0 = writer.borrow_mut().spool().bytes();
                // The loader says: 40 blocks of marks and everything else of the first second have landed.
                let landed = bus.landed().await.unwrap();
                for kind in [Kind::Mark, Kind::OpenInterest, Kind::Status] {
                    let block =
                        if kind == Kind::Mark { landed_mark } else { writer.borrow_mut().spool().highest_block(kind) };
                    let key = LandedKey { writer: "feed-test".to_owned(), epoch, kind };
                    // Only what the log holds can have landed.
                    let end = Instant::now() + Duration::from_secs(10);
                    while bus.last_block(kind, VENUE, "feed-test").await.unwrap().map_or(0, |last| last.number) < block
                    {
                        assert!(Instant::now() < end, "the log does not get the blocks of {kind}");
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    landed.put(&key, block).await.unwrap();
                }
                tokio::time::sleep(Duration::from_millis(300)).await;
                spool_bytes.1 = writer.borrow_mut().spool().bytes();
                bus.delete_log().await.unwrap();
                feed(writer, 2_000, 20_000, async |_| {}).await;
            })
            .await;
            assert!(spool_bytes.1 < spool_bytes.0, "the spool is trimmed by the watermark: {spool_bytes:?}");
            let collected = Collected::read(&bus).await;
            let present = &collected.counters[&epoch];
            assert!(present.contains(&last) && !present.contains(&1));
            // Of the marks exactly the blocks behind the watermark are there again.
            let mut numbers = BTreeSet::new();
            let config = ConsumerConfig { name: "again".to_owned(), start_after: None, max_unacknowledged: 100_000 };
            let mut consumer = LogConsumer::open(&bus, config).await.unwrap();
            for block in consumer.fetch(5000, Duration::from_millis(500)).await.unwrap().blocks {
                if block.header.kind == Kind::Mark {
                    numbers.insert(block.header.number);
                }
            }
            let highest = *numbers.last().unwrap();
            assert_eq!(numbers, (landed_mark + 1..=highest).collect());
        })
        .await;
}

#[tokio::test]
async fn a_server_that_lost_everything_is_filled_again_and_its_watermark_followed() {
    let Some(mut server) = NatsServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let bus = connect(&server).await;
    let mut config = config(folder.path());
    config.spool = SpoolLimits { bytes: 1 << 30, segment_bytes: 64 << 10 };
    LocalSet::new()
        .run_until(async {
            let open = open(&bus, &config).await;
            let epoch = open.writer.borrow().identity().epoch;
            let mut trimmed = false;
            let last = with_writer(open, async |writer| {
                feed(writer, 10_000, 20_000, async |_| {}).await;
                server.kill();
                server.erase();
                server.restart();
                feed(writer, 10_000, 20_000, async |_| {}).await;
                let end = Instant::now() + Duration::from_secs(20);
                let mut before = 0;
                loop {
                    // Until the new log has been filled: a watermark before that would rightly leave blocks out.
                    tokio::time::sleep(Duration::from_millis(700)).await;
                    let now = bus.log_state().await.ok().flatten().map_or(0, |state| state.last);
                    if (now > 0 && now == before) || Instant::now() > end {
                        break;
                    }
                    before = now;
                }
                let bytes = writer.borrow_mut().spool().bytes();
                while !trimmed && Instant::now() < end {
                    // The loader says again what it knows, as after any loss of the bucket.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    let Ok(landed) = bus.landed().await else { continue };
                    for kind in [Kind::Mark, Kind::OpenInterest, Kind::Status] {
                        let key = LandedKey { writer: "feed-test".to_owned(), epoch, kind };
                        let _ = landed.put(&key, if kind == Kind::Status { 1 } else { 50 }).await;
                    }
                    trimmed = writer.borrow_mut().spool().bytes() < bytes;
                }
            })
            .await;
            assert!(trimmed, "the new bucket's watermark is followed");
            let collected = Collected::read(&bus).await;
            collected.assert_contiguous(epoch, last);
            assert_eq!(bus.accepted().await.unwrap().all().await.unwrap(), [("feed-test".to_owned(), epoch, last)]);
        })
        .await;
}

#[tokio::test]
async fn blocks_that_the_log_discarded_come_again_on_request() {
    let Some(server) = NatsServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let bus = connect(&server).await;
    let mut config = config(folder.path());
    config.log.log = LogConfig { max_bytes: 200 << 10, ..LogConfig::default() };
    LocalSet::new()
        .run_until(async {
            let open = open(&bus, &config).await;
            let epoch = open.writer.borrow().identity().epoch;
            with_writer(open, async |writer| {
                feed(writer, 10_000, 20_000, async |_| {}).await;
                tokio::time::sleep(Duration::from_millis(300)).await;
                let state = bus.log_state().await.unwrap().unwrap();
                assert!(state.first > 50, "the log discarded what nobody had read: {state:?}");
                bus.ensure_log(&LogConfig::default()).await.unwrap();
                let within = Duration::from_secs(5);
                let answer: Republished = bus.request(REPUBLISH_TOPIC, "feed-test", &(), within).await.unwrap();
                assert_eq!(answer.epoch, epoch);
            })
            .await;
            let collected = Collected::read_allowing_discards(&bus).await;
            collected.assert_contiguous(epoch, 10_002);
        })
        .await;
}

/// Not a test: the process that the next test kills. Runs until it is killed.
#[test]
#[ignore = "run by another test"]
fn child_writer() {
    let port: u16 = std::env::var("KT_TEST_PORT").unwrap().parse().unwrap();
    let folder = std::env::var("KT_TEST_FOLDER").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let bus = Bus::connect(&BusConfig::local(port, "child")).await.unwrap();
        let open = open(&bus, &config(Path::new(&folder))).await;
        with_writer(open, async |writer| feed(writer, u64::MAX, 20_000, async |_| {}).await).await;
    });
}

#[tokio::test]
async fn a_killed_feed_starts_a_larger_epoch_and_says_what_it_lost() {
    let Some(mut server) = NatsServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let port = server.config("test").url.rsplit(':').next().unwrap().to_owned();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writer::child_writer", "--ignored", "--nocapture"])
        .env("KT_TEST_PORT", &port)
        .env("KT_TEST_FOLDER", folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // The log server goes first, so that the spool holds blocks that the log never saw.
    server.kill();
    tokio::time::sleep(Duration::from_millis(500)).await;
    child.kill().unwrap();
    child.wait().unwrap();
    server.restart();
    let bus = connect(&server).await;
    LocalSet::new()
        .run_until(async {
            let open = open(&bus, &config(folder.path())).await;
            let recovered = open.recovered.clone();
            let epoch = open.writer.borrow().identity().epoch;
            assert!(epoch > recovered.epoch && recovered.epoch > 0 && !recovered.stopped_in_order);
            assert!(recovered.last_counter > 5_000, "{recovered:?}");
            let last = with_writer(open, async |writer| feed(writer, 1000, 20_000, async |_| {}).await).await;
            let collected = Collected::read(&bus).await;
            collected.assert_contiguous(epoch, last);
            // The old epoch: everything but what the gap rows name, and nothing that they name.
            let old = &collected.counters[&recovered.epoch];
            let named: BTreeSet<u64> = recovered.unspooled.iter().flat_map(|range| range.first..=range.last).collect();
            let expected: BTreeSet<u64> =
                (1..=recovered.last_counter).filter(|counter| !named.contains(counter)).collect();
            let differing: Vec<_> = old.symmetric_difference(&expected).take(20).collect();
            assert!(differing.is_empty(), "{differing:?}");
            let gaps = collected.states.iter().filter(|state| state.2 == State::Gap && state.3 == "restart");
            assert_eq!(gaps.clone().count(), recovered.unspooled.len() + 1);
            assert!(gaps.clone().all(|state| state.0 == epoch));
            let told: Vec<_> = gaps.filter_map(|state| state.4.zip(state.5)).collect();
            assert_eq!(told, recovered.unspooled.iter().map(|range| (range.first, range.last)).collect::<Vec<_>>());
            // After an orderly stop there is no gap to tell.
            let again = self::open(&bus, &config(folder.path())).await;
            assert!(again.recovered.stopped_in_order && again.recovered.unspooled.is_empty());
        })
        .await;
}

#[tokio::test]
async fn a_full_spool_refuses_more_until_blocks_have_landed() {
    let Some(server) = NatsServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let bus = connect(&server).await;
    let mut config = config(folder.path());
    config.spool = SpoolLimits { bytes: 256 << 10, segment_bytes: 32 << 10 };
    LocalSet::new()
        .run_until(async {
            let open = open(&bus, &config).await;
            let epoch = open.writer.borrow().identity().epoch;
            let last = with_writer(open, async |writer| {
                let mut number = 0;
                while writer.borrow().has_room() {
                    number += 1;
                    writer.borrow_mut().event(&event(number, START));
                    if number % 100 == 0 {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    assert!(number < 100_000, "the spool never filled");
                }
                let landed = bus.landed().await.unwrap();
                for kind in [Kind::Mark, Kind::OpenInterest, Kind::Status] {
                    let block = writer.borrow_mut().spool().highest_block(kind);
                    let key = LandedKey { writer: "feed-test".to_owned(), epoch, kind };
                    landed.put(&key, block).await.unwrap();
                }
                let end = Instant::now() + Duration::from_secs(5);
                while !writer.borrow().has_room() {
                    assert!(Instant::now() < end, "the watermark made no room");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
            .await;
            Collected::read(&bus).await.assert_contiguous(epoch, last);
        })
        .await;
}
