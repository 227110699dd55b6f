//! The whole service against the simulated exchange.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use kt_bus::testing::NatsServer;
use kt_bus::{Bus, ConsumerConfig, LandedKey, LogConsumer};
use kt_feed::{BaseAddress, ClockReading, FeedConfig, FeedError, LineConfig, SymbolChoice, VenueConfig};
use kt_model::schema::Kind;
use kt_model::{BookAction, Event, State};
use kt_sim::{GeneratedConfig, Pace, ReplayConfig, Sim, SimConfig};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Stops its task when dropped.
pub(crate) struct Service<T> {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<T>,
}

impl<T> Service<T> {
    pub(crate) async fn stop(mut self) -> T {
        self.stop.take().unwrap().send(()).ok();
        tokio::time::timeout(Duration::from_secs(30), &mut self.task).await.expect("it stops in time").unwrap()
    }
}

pub(crate) async fn simulator(mut config: SimConfig) -> (SocketAddr, Service<()>) {
    config.listen = ([127, 0, 0, 1], 0).into();
    let sim = Sim::bind(config).await.unwrap();
    let address = sim.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move { sim.run(async { drop(stopped.await) }).await.unwrap() });
    (address, Service { stop: Some(stop), task })
}

pub(crate) fn generated(instruments: usize, rate: u32) -> SimConfig {
    let market = GeneratedConfig { instruments, rate: Some(rate), ..GeneratedConfig::default() };
    SimConfig { generated: Some(market), ..SimConfig::default() }
}

/// A recording, or `None` with a loud line where the recordings are absent.
fn recording(name: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::var_os("KT_RECORDINGS").map_or_else(|| root.join("../shared/data"), |at| root.join(at));
    let path = folder.join("frames").join(name);
    if !path.exists() {
        println!("SKIP: no recording {}; set KT_RECORDINGS", path.display());
        return None;
    }
    Some(path)
}

fn replay(path: PathBuf) -> SimConfig {
    let replay = ReplayConfig {
        files: vec![path],
        pace: Pace::Max,
        recorded_clock: true,
        wait_for_snapshots: Some(Duration::from_secs(10)),
        ..ReplayConfig::default()
    };
    // A small queue, so that the recording does not run far ahead of the client's requests.
    SimConfig { replay: Some(replay), client_queue_bytes: 64 << 10, ..SimConfig::default() }
}

pub(crate) fn venue(name: &str, sim: SocketAddr) -> VenueConfig {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../venues/{name}.toml"));
    let mapping = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let base = BaseAddress { websocket: format!("ws://{sim}/{name}"), rest: format!("http://{sim}/{name}") };
    VenueConfig { base: Some(base), is_recording: true, requests_per_second: 1000, ..VenueConfig::new(mapping) }
}

pub(crate) fn config(server: &NatsServer, folder: &tempfile::TempDir, venues: Vec<VenueConfig>) -> FeedConfig {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = listener.local_addr().unwrap();
    FeedConfig { venues, listen, ..FeedConfig::new(server.config("feed"), folder.path().to_owned()) }
}

pub(crate) fn start(config: FeedConfig) -> Service<Result<(), FeedError>> {
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(kt_feed::run(config, async { drop(stopped.await) }));
    Service { stop: Some(stop), task }
}

async fn get(url: String) -> String {
    match reqwest::get(&url).await {
        Ok(response) => response.text().await.unwrap(),
        Err(_) => String::new(),
    }
}

pub(crate) async fn until(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(40);
    while !check().await {
        assert!(Instant::now() < end, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn finished(sim: SocketAddr) {
    until("the end of the recording", async || {
        get(format!("http://{sim}/sim/v1/status")).await.contains("\"finished\":true")
    })
    .await;
}

/// Every row of the log, in the order of each writer's counter, handed to `each`; counters must be whole.
pub(crate) async fn rows(server: &NatsServer, mut each: impl FnMut(&Event<'_>)) -> usize {
    let bus = Bus::connect(&server.config("rows")).await.unwrap();
    let config = ConsumerConfig { name: "rows".to_owned(), start_after: None, max_unacknowledged: 1_000_000 };
    let mut consumer = LogConsumer::open(&bus, config).await.unwrap();
    let mut found = BTreeMap::new();
    loop {
        let batch = consumer.fetch(2000, Duration::from_millis(400)).await.unwrap();
        assert_eq!(batch.alarms, []);
        if batch.blocks.is_empty() {
            break;
        }
        for block in batch.blocks {
            block.header.verify_hash(&block.payload).unwrap();
            let mut reader = kt_model::Reader::new(&block.payload);
            for _ in 0..block.header.rows {
                let start = reader.position();
                let event = Event::decode(block.header.kind, &mut reader).unwrap();
                let header = event.header();
                let key = (header.writer.0.to_owned(), header.epoch, header.counter);
                let row = block.payload.slice(start..reader.position());
                found.insert(key, (block.header.kind, row));
            }
        }
    }
    let mut expected = (String::new(), 0, 0);
    for ((writer, epoch, counter), (kind, row)) in &found {
        let next = if (&expected.0, expected.1) == (writer, *epoch) { expected.2 + 1 } else { 1 };
        assert_eq!(*counter, next, "counters of {writer}/{epoch} are contiguous");
        expected = (writer.clone(), *epoch, *counter);
        each(&Event::decode(*kind, &mut kt_model::Reader::new(row)).unwrap());
    }
    found.len()
}

/// Book rows must join: within an epoch each delta goes on from the row before.
#[derive(Default)]
struct BookChain {
    last: BTreeMap<(String, String), (u32, u64)>,
    rows: usize,
    deltas: usize,
    epochs: u32,
}

impl BookChain {
    fn add(&mut self, event: &Event<'_>) {
        let Event::Book(book) = event else { return };
        self.rows += 1;
        let key = (book.header.venue.0.to_owned(), book.header.instrument.0.to_owned());
        if book.action == BookAction::Delta {
            self.deltas += 1;
            let (epoch, last) = self.last[&key];
            assert_eq!(book.book_epoch, epoch, "a delta belongs to the book before it");
            let joins = match (book.previous_sequence, book.first_sequence) {
                (Some(previous), _) => previous == last,
                (None, Some(first)) => first <= last + 1,
                (None, None) => true,
            };
            // The first delta after a REST snapshot bridges it: it begins at or before and ends behind.
            let bridges = book.first_sequence.is_some_and(|first| first <= last + 1) && book.last_sequence >= last;
            let numbers = (book.header.counter, book.first_sequence, book.last_sequence, book.previous_sequence);
            assert!(joins || bridges, "{key:?}: {numbers:?} does not go on from {last}, {} rows before", self.rows);
        }
        self.epochs = self.epochs.max(book.book_epoch);
        self.last.insert(key, (book.book_epoch, book.last_sequence));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generated_flow_reaches_subscribers_and_the_log_alike() {
    let Some(server) = NatsServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (sim, _sim) = simulator(generated(3, 3000)).await;
    let bus = Bus::connect(&server.config("test")).await.unwrap();
    let mut hot = bus.subscribe_venue(None).await.unwrap();
    let config = config(&server, &folder, vec![venue("binance", sim), venue("binance_usdm", sim)]);
    let listen = config.listen;
    let record = tempfile::tempdir().unwrap();
    let clock_probe: Option<kt_feed::ClockProbe> =
        Some(|| Some(ClockReading { offset: kt_model::Nanos(-7), uncertainty: kt_model::Nanos(12_000) }));
    let feed = start(FeedConfig { record_folder: Some(record.path().to_owned()), clock_probe, ..config });
    let counting = tokio::spawn(async move {
        let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
        while let Ok(Ok(message)) = tokio::time::timeout(Duration::from_secs(3), hot.next()).await {
            assert_eq!(message.missing, None, "the hot path lost rows");
            *counts.entry(message.kind).or_default() += 1;
        }
        counts
    });
    until("readiness", async || get(format!("http://{listen}/health")).await == "ok\n").await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let metrics = get(format!("http://{listen}/metrics")).await;
    assert!(metrics.contains("kt_feed_connections{venue=\"binance\"} 1"), "{metrics}");
    feed.stop().await.unwrap();
    let hot_counts = counting.await.unwrap();

    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    let mut chain = BookChain::default();
    let mut checkpoints = BTreeSet::new();
    let mut states = BTreeMap::new();
    rows(&server, |event| {
        *counts.entry(event.kind()).or_default() += 1;
        chain.add(event);
        match event {
            Event::Book(book) if book.action == BookAction::Checkpoint => {
                checkpoints.insert((book.header.venue.0.to_owned(), book.header.instrument.0.to_owned()));
            }
            Event::Status(status) => {
                *states.entry(status.state).or_insert(0) += 1;
                if status.state == State::Clock {
                    let told = (status.clock_offset, status.clock_uncertainty);
                    assert_eq!(told, (Some(kt_model::Nanos(-7)), Some(kt_model::Nanos(12_000))));
                }
            }
            Event::Quarantine(row) => panic!("quarantined: {row:?}"),
            _ => {}
        }
    })
    .await;
    assert_eq!(counts, hot_counts, "what subscribers saw is what the log holds");
    for kind in [Kind::Trade, Kind::Quote, Kind::Book, Kind::Mark, Kind::Funding, Kind::Instrument] {
        assert!(counts.get(&kind).is_some_and(|count| *count >= 3), "{kind}: {counts:?}");
    }
    assert!(counts[&Kind::Trade] + counts[&Kind::Quote] + counts[&Kind::Book] > 5000, "{counts:?}");
    assert_eq!(checkpoints.len(), 6, "a checkpoint of every book at the stop: {checkpoints:?}");
    let told = [State::Started, State::Clock, State::Stopped, State::Gap].map(|state| states.get(&state).copied());
    assert_eq!(told, [Some(2), Some(2), Some(2), None], "one of each and writer, and no gap");
    let recorded: u64 = std::fs::read_dir(record.path().join("binance"))
        .unwrap()
        .map(|entry| {
            let file = std::fs::File::open(entry.unwrap().path()).unwrap();
            let lines = std::io::BufRead::lines(std::io::BufReader::new(zstd::Decoder::new(file).unwrap()));
            lines.map(|line| line.unwrap()).filter(|line| !line.contains("\"k\":")).count() as u64
        })
        .sum();
    let frames = metric(&metrics, "kt_feed_frames_total{venue=\"binance\"}");
    assert!(recorded >= frames && frames > 1000, "{recorded} recorded, {frames} were counted before");
}

fn metric(page: &str, name: &str) -> u64 {
    let line = page.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_frame_is_a_gap_row_and_the_book_is_whole_again() {
    let Some(server) = NatsServer::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (sim, _sim) = simulator(generated(2, 2000)).await;
    let config = config(&server, &folder, vec![venue("binance", sim)]);
    let listen = config.listen;
    let feed = start(config);
    until("books", async || metric_or_zero(listen, "kt_feed_events_total{venue=\"binance\",kind=\"book\"}").await > 40)
        .await;
    let client = reqwest::Client::new();
    let fault = async |body: &str| {
        let request = client.post(format!("http://{sim}/sim/v1/faults")).header("content-type", "application/json");
        assert!(request.body(body.to_owned()).send().await.unwrap().status().is_success());
    };
    fault(r#"{"fault":"drop","venue":"binance","symbol":"BTCUSDT","stream":"depth","frames":3}"#).await;
    let told = async |state: &str, count: u64| {
        let name = format!("kt_feed_status_rows_total{{venue=\"binance\",cause=\"{state}\"}}");
        until(state, async || metric_or_zero(listen, &name).await >= count).await;
    };
    told("gap", 1).await;
    told("resynchronised", 1).await;
    fault(r#"{"fault":"garbage","venue":"binance","text":"{broken"}"#).await;
    fault(r#"{"fault":"disconnect","venue":"binance"}"#).await;
    told("connected", 2).await;
    told("resynchronised", 3).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    feed.stop().await.unwrap();

    let mut chain = BookChain::default();
    let mut told = Vec::new();
    let mut quarantined = Vec::new();
    let mut trades = BTreeSet::new();
    let mut trade_gaps = 0;
    rows(&server, |event| {
        chain.add(event);
        match event {
            // Trades that the cut swallowed are a gap of their own, by their ids.
            Event::Status(row) if row.state == State::Gap && row.affected.0 == "trade" => trade_gaps += 1,
            Event::Status(row) => told.push((row.state, row.cause.0.to_owned(), row.header.instrument.0.to_owned())),
            Event::Quarantine(row) => quarantined.push((row.reason.0.to_owned(), row.frame.to_owned())),
            Event::Trade(row) => drop(trades.insert(row.trade_id.to_owned())),
            _ => {}
        }
    })
    .await;
    assert_eq!(quarantined, [("syntax".to_owned(), "{broken".to_owned())]);
    let has = |state: State, cause: &str, instrument: &str| {
        told.iter().any(|row| row.0 == state && row.1 == cause && row.2 == instrument)
    };
    assert!(has(State::Gap, "sequence", "BTC-USDT-SPOT"), "{told:?}");
    assert!(has(State::Resynchronised, "snapshot", "BTC-USDT-SPOT"), "{told:?}");
    assert!(!has(State::Gap, "sequence", "ETH-USDT-SPOT"), "{told:?}");
    println!("{trade_gaps} gaps of trades");
    assert!(has(State::Disconnected, "disconnect", "") && has(State::Gap, "disconnect", ""), "{told:?}");
    let order: Vec<State> = told.iter().filter(|row| row.2.is_empty()).map(|row| row.0).collect();
    let expected =
        [State::Started, State::Connected, State::Disconnected, State::Connected, State::Gap, State::Stopped];
    assert_eq!(order, expected);
    assert!(chain.epochs >= 3 && chain.deltas > 40, "{} epochs, {} deltas", chain.epochs, chain.deltas);
}

pub(crate) async fn metric_or_zero(listen: SocketAddr, name: &str) -> u64 {
    let page = get(format!("http://{listen}/metrics")).await;
    page.lines().find(|line| line.starts_with(name)).map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_comes_through_whole_even_when_the_spool_is_full_for_a_while() {
    let Some(server) = NatsServer::start() else { return };
    let Some(path) = recording("binance/20210404_stream.jsonl.zst") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (sim, _sim) = simulator(replay(path)).await;
    let mut venue = venue("binance", sim);
    venue.recorded_clock = true;
    venue.symbols = SymbolChoice::List(["BTCUSDT", "DOTUSDT", "ETHUSDT"].map(str::to_owned).to_vec());
    let mut config = config(&server, &folder, vec![venue]);
    config.spool.bytes = 1 << 20;
    config.spool.segment_bytes = 128 << 10;
    let listen = config.listen;
    let feed = start(config);
    until("back-pressure", async || metric_or_zero(listen, "kt_feed_backpressure_stops_total").await > 0).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = metric_or_zero(listen, "kt_feed_frames_total").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(metric_or_zero(listen, "kt_feed_frames_total").await, before, "nothing is read while the spool is full");
    // A loader that lands all it sees, at once.
    let bus = Bus::connect(&server.config("loader")).await.unwrap();
    let landing = tokio::spawn(async move {
        let landed = bus.landed().await.unwrap();
        let config = ConsumerConfig { name: "load".to_owned(), start_after: None, max_unacknowledged: 1_000_000 };
        let mut consumer = LogConsumer::open(&bus, config).await.unwrap();
        loop {
            for block in consumer.fetch(100, Duration::from_millis(200)).await.unwrap().blocks {
                let header = block.header;
                let key = LandedKey { writer: header.writer, epoch: header.epoch, kind: header.kind };
                landed.put(&key, header.number).await.unwrap();
            }
        }
    });
    finished(sim).await;
    let all = tokio::time::timeout(Duration::from_secs(30), async {
        while metric_or_zero(listen, "kt_feed_frames_total").await < 4716 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    if all.await.is_err() {
        panic!(
            "{} {}",
            get(format!("http://{listen}/metrics")).await,
            get(format!("http://{sim}/sim/v1/status")).await
        );
    }
    feed.stop().await.unwrap();
    landing.abort();
    let mut counts: BTreeMap<Kind, usize> = BTreeMap::new();
    let mut chain = BookChain::default();
    let mut recorded_times = 0;
    rows(&server, |event| {
        *counts.entry(event.kind()).or_default() += 1;
        chain.add(event);
        recorded_times +=
            usize::from(event.kind() == Kind::Trade && event.header().recv_ts.0 / 1_000_000_000_000 == 1_617_566);
    })
    .await;
    // The recording's README: depth@100ms 2688, aggTrade 1910.
    let count = |kind: Kind| counts.get(&kind).copied().unwrap_or(0);
    assert_eq!(count(Kind::Trade), 1910, "{counts:?}");
    assert_eq!(recorded_times, count(Kind::Trade), "receive times are the recording's");
    assert_eq!((chain.last.len(), chain.epochs), (3, 1), "three books, each in one piece");
    assert!(chain.deltas > 2600, "{} of 2688 frames, less those before the snapshots", chain.deltas);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_lines_that_carry_the_same_one_copy_comes_out() {
    let Some(server) = NatsServer::start() else { return };
    let Some(path) = recording("okx/20210722_stream.jsonl.zst") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (sim, _sim) = simulator(replay(path)).await;
    let sources: serde_json::Value = get(format!("http://{sim}/sim/v1/sources")).await.parse().unwrap();
    let connections = sources["venues"]["okx"]["connections"].as_array().or(sources["okx"]["connections"].as_array());
    let ids: Vec<String> = connections
        .unwrap_or_else(|| panic!("{sources}"))
        .iter()
        .map(|connection| connection["id"].as_str().map_or_else(|| connection["id"].to_string(), str::to_owned))
        .collect();
    assert_eq!(ids.len(), 3);
    let mut venue = venue("okx", sim);
    venue.recorded_clock = true;
    venue.lines =
        ids.iter().map(|id| LineConfig { websocket: None, query: Some(format!("kt_connection={id}")) }).collect();
    venue.symbols = SymbolChoice::List(vec!["TRX-USDT-SWAP".to_owned(), "AUCTION-USDT".to_owned()]);
    let config = config(&server, &folder, vec![venue]);
    let listen = config.listen;
    let feed = start(config);
    finished(sim).await;
    until("all frames", async || metric_or_zero(listen, "kt_feed_frames_total").await == 4709).await;
    feed.stop().await.unwrap();
    let mut trades = BTreeMap::new();
    let mut deltas = BTreeMap::new();
    rows(&server, |event| match event {
        Event::Trade(row) => {
            *trades.entry((row.header.instrument.0.to_owned(), row.trade_id.to_owned())).or_insert(0) += 1
        }
        Event::Book(row) if row.action == BookAction::Delta => {
            let (count, lines): &mut (usize, BTreeSet<u8>) =
                deltas.entry(row.header.instrument.0.to_owned()).or_default();
            *count += 1;
            lines.insert(row.header.line);
        }
        _ => {}
    })
    .await;
    assert_eq!(trades.len(), 36, "36 distinct trades");
    assert!(trades.values().all(|copies| *copies == 1), "{trades:?}");
    // This venue's books carried no sequence numbers then: of each book one line leads from its first row
    // to its last. The three lines held 1494, 1436 and 1412 updates.
    assert!(deltas.values().all(|(_, lines)| lines.len() == 1), "{deltas:?}");
    let total: usize = deltas.values().map(|(count, _)| count).sum();
    assert!((1412..=1494).contains(&total), "{total} updates: {deltas:?}");
}
