//! Event to signal, in memory: a row as the hot path delivers it, through all features of one instrument, to
//! the encoded rows of whatever changed.

use std::time::Instant;

use hdrhistogram::Histogram;
use kt_model::{Event, Kind, Label, Nanos, Reader};
use kt_signals::{Engine, Input, Output};
use kt_venue::{Record, Replay, ReplayConfig};

use super::recordings;
use super::report::{Section, count, median, spoken};
use crate::config::Config;
use crate::error::Error;

const STREAM: &str = "20240808_btcusdt_stream.jsonl.zst";
const PERPETUAL: &str = "BTC-USDT-USDT-PERP";
/// What is wanted of the median.
const WANTED: f64 = 10_000.0;
const TICK: i64 = 100_000_000;
/// Beyond it a time is counted as this long, ns.
const LONGEST: u64 = 60_000_000_000;

/// Every feature on one perpetual, every change stated.
const DECLARATIONS: [(&str, &str); 13] = [
    ("mid", ""),
    ("spread", ""),
    ("microprice", ""),
    ("book_imbalance", "levels = 10"),
    ("order_flow_imbalance", "window_ms = 10000"),
    ("trade_imbalance", "window_ms = 60000"),
    ("vwap", "window_ms = 60000"),
    ("realised_volatility", "window_ms = 60000"),
    ("basis", "second_venue = \"binance\"\nsecond_instrument = \"BTC-USDT-SPOT\""),
    ("annualised_basis", "second_venue = \"binance\"\nsecond_instrument = \"BTC-USDT-SPOT\""),
    ("funding_apr", ""),
    ("z_score", "of = \"basis\"\nwindow_ms = 300000"),
    ("percentile", "of = \"basis\"\nwindow_ms = 300000"),
];

/// A row as it arrives, with its receive time.
struct Row {
    kind: Kind,
    bytes: Vec<u8>,
    received: i64,
}

/// Measures the stage.
pub(super) fn run(config: &Config, rounds: u32) -> Result<Section, Error> {
    let mut section = Section::begin("Signals: event to signal, in process");
    section.method = format!(
        "The recorded Binance BTCUSDT spot and perpetual markets of 2024-08-08 ({STREAM}), encoded as the rows that the hot path \
         delivers and merged by receive time, with a tick each 100 ms. One thread. For each row of the perpetual the clock runs \
         from the received bytes to the encoded rows of all signals that changed: decoding, all {} features on that instrument \
         with every change stated (`every_ms = 0`), encoding. Order-book rows hold up to hundreds of levels. Messaging and \
         journal are not part of it.",
        DECLARATIONS.len()
    );
    let frames = config.platform.recordings_dir.join("frames");
    if !frames.join("binance").join(STREAM).exists() {
        section.skip(format!("signals: no recordings at {}; set KT_RECORDINGS", frames.display()));
        return Ok(section);
    }
    let mut rows = Vec::new();
    for venue in ["binance", "binance_usdm"] {
        rows.extend(encode(venue, &recordings::one(venue, &frames.join(venue).join(STREAM))?)?);
    }
    rows.sort_by_key(|row| row.received);
    let passes = (0..rounds).map(|_| pass(&rows)).collect::<Result<Vec<_>, _>>()?;
    tabulate(&mut section, &passes);
    section.limit =
        "The processor: no I/O, no allocation once the instruments are known. The largest times are the scheduler's."
            .to_owned();
    Ok(section)
}

fn declarations() -> String {
    let one = |(feature, keys): &(&str, &str)| {
        format!(
            "[[signal]]\nname = \"{feature}\"\nfeature = \"{feature}\"\ninstrument = \"{PERPETUAL}\"\nevery_ms = 0\n{keys}\n"
        )
    };
    DECLARATIONS.iter().map(one).collect()
}

fn encode(venue: &str, recording: &recordings::Recording) -> Result<Vec<Row>, Error> {
    let mut replay = Replay::new(recording.mapping.clone(), ReplayConfig::default());
    let failed = |error| Error::failed(format!("playing the recording of {venue}: {error}"));
    replay.reference(&recording.reference, &mut |_: &Event<'_>| {}).map_err(failed)?;
    let mut rows = Vec::new();
    let mut counter = 0;
    let mut play = |record: &Record, rows: &mut Vec<Row>| {
        replay.play(record, &mut |event: &Event<'_>| {
            let mut event = *event;
            counter += 1;
            let header = event.header_mut();
            (header.venue, header.writer, header.counter, header.epoch) = (Label(venue), Label(venue), counter, 1);
            let received = header.recv_ts.0;
            let mut bytes = Vec::new();
            event.encode(&mut bytes);
            rows.push(Row { kind: event.kind(), bytes, received });
        })
    };
    for record in &recording.records {
        play(record, &mut rows).map_err(failed)?;
    }
    Ok(rows)
}

/// What one pass took: by kind of row, and over all.
struct Pass {
    all: Histogram<u64>,
    kinds: Vec<(Kind, Histogram<u64>)>,
    signals: u64,
}

fn pass(rows: &[Row]) -> Result<Pass, Error> {
    let mut engine = Engine::configured(&declarations()).map_err(|error| Error::failed(error.to_string()))?;
    let histogram =
        || Histogram::<u64>::new_with_bounds(1, LONGEST, 3).map_err(|error| Error::failed(error.to_string()));
    let mut found = Pass { all: histogram()?, kinds: Vec::new(), signals: 0 };
    for kind in [Kind::Quote, Kind::Trade, Kind::Book] {
        found.kinds.push((kind, histogram()?));
    }
    let mut out = Vec::with_capacity(1 << 16);
    let mut next_tick = i64::MIN;
    for row in rows {
        if row.received >= next_tick {
            engine.on_input(&Input::Tick(Nanos(row.received)), &mut |_: &Output<'_>| {});
            next_tick = row.received + TICK;
        }
        out.clear();
        let begin = Instant::now();
        let event =
            Event::decode(row.kind, &mut Reader::new(&row.bytes)).map_err(|error| Error::failed(error.to_string()))?;
        engine.on_input(&Input::event(&event), &mut |output: &Output<'_>| {
            Event::Signal(output.to_row()).encode(&mut out);
            found.signals += 1;
        });
        let took = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if event.header().instrument.0 == PERPETUAL {
            found.all.saturating_record(took);
            if let Some((_, histogram)) = found.kinds.iter_mut().find(|(kind, _)| *kind == row.kind) {
                histogram.saturating_record(took);
            }
        }
    }
    Ok(found)
}

fn tabulate(section: &mut Section, passes: &[Pass]) {
    const QUANTILES: [f64; 4] = [0.5, 0.99, 0.999, 1.0];
    let table = section.table("Rows of the perpetual:", &["row", "rows", "p50", "p99", "p99.9", "max"]);
    let mut line = |name: &str, pick: &dyn Fn(&Pass) -> Histogram<u64>| {
        let quantile = |q: f64| median(passes.iter().map(|pass| pick(pass).value_at_quantile(q) as f64));
        let mut cells = vec![name.to_owned(), count(pick(&passes[0]).len() as f64)];
        cells.extend(QUANTILES.map(|q| spoken(quantile(q))));
        table.row(cells);
        quantile(0.5)
    };
    for place in 0..passes[0].kinds.len() {
        line(passes[0].kinds[place].0.as_str(), &|pass| pass.kinds[place].1.clone());
    }
    let p50 = line("all", &|pass| pass.all.clone());
    let p99 = median(passes.iter().map(|pass| pass.all.value_at_quantile(0.99) as f64));
    section.value("event_to_signal_p50_seconds", p50 / 1e9);
    section.value("event_to_signal_p99_seconds", p99 / 1e9);
    section.value("signals_stated", passes[0].signals as f64);
    let what = "event to signal in process, all features on one instrument, p50";
    section.target(what, "under 10 µs", spoken(p50), p50 < WANTED);
}
