//! Pages of the simulated exchange's histories: whatever the window and however the pages fall, every row comes once.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kt_feed::{BaseAddress, VenueConfig};
use kt_model::schema::Kind;
use kt_model::{Event, Nanos, Origin};
use kt_sim::{GeneratedConfig, Sim, SimConfig};
use kt_venue::{Catalogue, HistoryPager, InstrumentInfo, Mapping};
use serde_json::Value;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// The simulated exchange with a past, and questions to it.
struct Exchange {
    address: String,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Exchange {
    async fn start(seed: u64) -> Self {
        let market = GeneratedConfig {
            seed,
            instruments: 2,
            rate: Some(300),
            tick: Duration::from_millis(100),
            history: Duration::from_secs(5_400),
            ..GeneratedConfig::default()
        };
        let config = SimConfig { listen: ([127, 0, 0, 1], 0).into(), generated: Some(market), ..SimConfig::default() };
        let sim = Sim::bind(config).await.unwrap();
        let address = sim.address().to_string();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        tokio::spawn(async move { sim.run(async { drop(stopped.await) }).await.unwrap() });
        Self { address, _stop: stop }
    }

    async fn get(&self, url: &str) -> String {
        let answer = reqwest::get(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
        let (status, body) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{url}: {status}: {body}");
        body
    }

    async fn rows(&self, path: &str) -> Vec<Value> {
        serde_json::from_str(&self.get(&format!("http://{}{path}", self.address)).await).expect("a list")
    }

    /// The mapping of a venue, pointed here, with pages of this length.
    fn mapping(&self, venue: &str, limit: usize) -> Arc<Mapping> {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../venues/{venue}.toml"));
        let text = std::fs::read_to_string(path).unwrap();
        let short =
            |line: &str| if line.starts_with("limit = ") { format!("limit = {limit}") } else { line.to_owned() };
        let text: Vec<String> = text.lines().map(short).collect();
        let base = BaseAddress {
            websocket: format!("ws://{}/{venue}", self.address),
            rest: format!("http://{}/{venue}", self.address),
        };
        Arc::new(VenueConfig { base: Some(base), ..VenueConfig::new(text.join("\n")) }.compile().unwrap())
    }

    /// The keys that a walk brings, in ms with the venue's id where there is one, and how many pages it took.
    async fn walk(&self, place: (&str, &str), kind: Kind, limit: usize, window: (i64, i64)) -> (Vec<String>, usize) {
        let mapping = self.mapping(place.0, limit);
        let info = bitcoin(&mapping, place.1);
        let window = (Nanos(window.0 * 1_000_000), Nanos(window.1 * 1_000_000));
        let mut pager = HistoryPager::new(mapping, kind, place.1, &info, window).expect("served");
        let (mut keys, mut pages) = (Vec::new(), 0);
        while let Some(url) = pager.next_url() {
            pages += 1;
            assert!(pages < 5_000, "no end at {url}");
            let body = self.get(&url).await;
            let taken = pager.take(body.as_bytes(), Nanos(i64::MAX), &mut |event: &Event<'_>| {
                assert_eq!(event.header().origin, Origin::Backfill);
                keys.push(key(event));
            });
            taken.unwrap_or_else(|error| panic!("{url}: {error}"));
        }
        (keys, pages)
    }

    /// The same, asked for in plain requests of at most an hour and a thousand rows, each from the newest row on.
    async fn truth(&self, (venue, api): (&str, &str), kind: Kind, window: (i64, i64)) -> BTreeSet<String> {
        let (resource, more) = match kind {
            Kind::Trade => ("aggTrades", ""),
            Kind::Candle => ("klines", "&interval=1m"),
            _ => ("fundingRate", ""),
        };
        let mut truth = BTreeSet::new();
        let mut from = window.0;
        loop {
            let to = window.1.min(if kind == Kind::Trade { from + HOUR - 1 } else { i64::MAX });
            let path =
                format!("/{venue}{api}/{resource}?symbol=BTCUSDT&startTime={from}&endTime={to}&limit=1000{more}");
            let rows = self.rows(&path).await;
            let (before, mut last) = (truth.len(), from);
            for row in &rows {
                let (at, text) = match kind {
                    Kind::Trade => (row["T"].as_i64().unwrap(), format!("{} {}", row["T"], row["a"])),
                    Kind::Candle => (row[0].as_i64().unwrap(), row[0].to_string()),
                    _ => (row["fundingTime"].as_i64().unwrap(), row["fundingTime"].to_string()),
                };
                last = last.max(at);
                truth.insert(text);
            }
            match (rows.len(), to >= window.1) {
                (1000, _) if truth.len() > before => from = last,
                (1000, _) => panic!("more than a thousand rows in one millisecond"),
                (_, true) => return truth,
                (_, false) => from = to + 1,
            }
        }
    }
}

fn key(event: &Event<'_>) -> String {
    match event {
        Event::Trade(row) => format!("{} {}", row.header.event_ts.0 / 1_000_000, row.trade_id),
        Event::Candle(row) => (row.open_ts.0 / 1_000_000).to_string(),
        other => (other.header().event_ts.0 / 1_000_000).to_string(),
    }
}

fn bitcoin(mapping: &Mapping, segment: &str) -> InstrumentInfo {
    let mut catalogue = Catalogue::new(mapping);
    assert!(catalogue.assume(mapping, segment, "BTCUSDT"));
    catalogue.find(segment, "BTCUSDT").expect("known").clone()
}

/// Numbers that follow from a seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((mixed ^ (mixed >> 31)) % bound.unsigned_abs()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_of_a_window_comes_once_over_many_pages() {
    let clock = || i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let seed = std::env::var("KT_SEED").map_or_else(|_| clock().unsigned_abs(), |text| text.parse().unwrap());
    println!("KT_SEED={seed}");
    let (exchange, mut dice) = (Exchange::start(seed).await, Dice(seed));
    let now = clock();
    let (spot, futures) = (("binance", "spot", "/api/v3"), ("binance_usdm", "usdm", "/fapi/v1"));
    for ((venue, segment, api), kind, reach, least_pages) in [
        (spot, Kind::Trade, 80 * MINUTE, 3),
        (futures, Kind::Trade, 80 * MINUTE, 3),
        (spot, Kind::Candle, 80 * MINUTE, 2),
        (futures, Kind::Candle, 80 * MINUTE, 2),
        (futures, Kind::Funding, 730 * 24 * HOUR, 3),
    ] {
        let mut most_pages = 0;
        for round in 0..4 {
            // The first window is the whole past, the others begin and end anywhere in it.
            let begin = now - reach + if round == 0 { 0 } else { dice.below(reach / 2) };
            let end = now - MINUTE - if round == 0 { 0 } else { dice.below(reach / 3) };
            let limit = usize::try_from(11 + dice.below(if kind == Kind::Candle { 20 } else { 300 })).unwrap();
            let (keys, pages) = exchange.walk((venue, segment), kind, limit, (begin, end)).await;
            let truth = exchange.truth((venue, api), kind, (begin, end)).await;
            let once: BTreeSet<String> = keys.iter().cloned().collect();
            assert_eq!(once.len(), keys.len(), "{venue} {kind} {begin}-{end} by {limit}: a row came twice");
            let lost: Vec<_> = truth.symmetric_difference(&once).take(5).collect();
            assert!(lost.is_empty(), "{venue} {kind} {begin}-{end} by {limit}, {pages} pages: {lost:?}");
            most_pages = most_pages.max(pages);
        }
        assert!(most_pages >= least_pages, "{venue} {kind}: {most_pages} pages prove nothing");
    }
}
