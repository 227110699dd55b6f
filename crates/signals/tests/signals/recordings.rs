//! Recorded frames through the engine and through an independent implementation in Python, which reads the
//! same frames as the exchange sent them and shares no code, no decoder and no data structure.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use kt_model::{Event, Nanos};
use kt_signals::{Engine, Input, Output};
use kt_venue::{Mapping, Record, RecordKind, Replay, ReplayConfig, parse_recording};

/// Frames of the recordings that are compared: their first part.
const SECONDS: i64 = 75;
const TICK: i64 = 100_000_000;
const STREAMS: [(&str, &str, &str); 2] = [
    ("binance", "20240808_btcusdt_stream.jsonl.zst", "20211012_reference.jsonl.zst"),
    ("binance_usdm", "20240808_btcusdt_stream.jsonl.zst", "20210722_reference.jsonl.zst"),
];

const SIGNALS: &str = r#"
[[signal]]
name = "mid"
feature = "mid"
every_ms = 200
[[signal]]
name = "spread"
feature = "spread"
every_ms = 0
[[signal]]
name = "microprice"
feature = "microprice"
every_ms = 0
[[signal]]
name = "book_imbalance"
feature = "book_imbalance"
levels = 5
every_ms = 200
[[signal]]
name = "order_flow_imbalance"
feature = "order_flow_imbalance"
window_ms = 6000
every_ms = 200
[[signal]]
name = "trade_imbalance"
feature = "trade_imbalance"
window_ms = 6000
every_ms = 200
[[signal]]
name = "vwap"
feature = "vwap"
window_ms = 6000
every_ms = 200
[[signal]]
name = "realised_volatility"
feature = "realised_volatility"
window_ms = 20000
sample_ms = 500
[[signal]]
name = "basis"
feature = "basis"
instrument = "*-PERP"
second_venue = "binance"
second_instrument = "{base}-{quote}-SPOT"
every_ms = 0
[[signal]]
name = "z_score"
feature = "z_score"
of = "basis"
window_ms = 20000
sample_ms = 500
minimum = 10
[[signal]]
name = "percentile"
feature = "percentile"
of = "basis"
window_ms = 20000
sample_ms = 500
minimum = 10
"#;

pub fn recordings() -> Option<PathBuf> {
    let named = std::env::var_os("KT_RECORDINGS").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    if folder.join("frames").is_dir() {
        return Some(folder.join("frames"));
    }
    println!("SKIP: no recordings at {} (set KT_RECORDINGS)", folder.display());
    None
}

fn load(path: &Path) -> Vec<Record> {
    let packed = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    parse_recording(&zstd::decode_all(packed.as_slice()).expect("zstd")).expect("a recording")
}

pub fn replay(frames: &Path, venue: &str, reference: &str) -> Replay {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../venues").join(format!("{venue}.toml"));
    let mapping = Mapping::parse(&std::fs::read_to_string(path).expect("a mapping")).expect("a mapping");
    let mut replay = Replay::new(Arc::new(mapping), ReplayConfig::default());
    replay.reference(&load(&frames.join(venue).join(reference)), &mut |_: &Event<'_>| {}).expect("a list");
    replay
}

/// All records of the streams by receive time: stream, record.
pub fn merged(frames: &Path) -> Vec<(usize, Record)> {
    let mut all = Vec::new();
    for (stream, (venue, file, _)) in STREAMS.iter().enumerate() {
        let records = load(&frames.join(venue).join(file));
        let end = records.iter().find_map(|record| record.time).expect("a time") + SECONDS * 1_000_000_000;
        let inside = records.into_iter().filter(|record| record.time.is_some_and(|time| time < end));
        all.extend(inside.map(|record| (stream, record)));
    }
    all.sort_by_key(|(_, record)| record.time);
    all
}

/// What both sides compute from: ticks and frames, one a line; and what the engine stated at each.
struct Transcript {
    inputs: String,
    outputs: String,
    line: usize,
}

impl Transcript {
    fn state(&mut self, output: &Output<'_>) {
        let value = output.computed.map_or_else(|_| "null".to_owned(), |value| format!("{value:?}"));
        let (line, name, (venue, instrument)) = (self.line, output.name, output.leg);
        let reason = output.computed.err().map_or("", |reason| reason.as_str());
        writeln!(self.outputs, "[{line}, \"{name}\", \"{venue}\", \"{instrument}\", {value}, \"{reason}\"]")
            .expect("a string");
    }

    fn begin(&mut self, line: &serde_json::Value) {
        self.line += 1;
        writeln!(self.inputs, "{line}").expect("a string");
    }
}

#[test]
fn an_independent_implementation_agrees() {
    let Some(frames) = recordings() else { return };
    if Command::new("python3").arg("--version").output().is_err() {
        println!("SKIP: no python3");
        return;
    }
    let mut replays: Vec<Replay> =
        STREAMS.iter().map(|(venue, _, reference)| replay(&frames, venue, reference)).collect();
    let mut engine = Engine::configured(SIGNALS).expect("declarations");
    let mut transcript = Transcript { inputs: String::new(), outputs: String::new(), line: 0 };
    let mut next_tick = 0;
    for (stream, record) in merged(&frames) {
        let now = record.time.expect("filtered");
        if next_tick == 0 {
            next_tick = now - now.rem_euclid(TICK) + TICK;
        }
        while next_tick <= now {
            transcript.begin(&serde_json::json!({ "tick": next_tick }));
            engine.on_input(&Input::Tick(Nanos(next_tick)), &mut |output: &Output<'_>| transcript.state(output));
            next_tick += TICK;
        }
        let venue = STREAMS[stream].0;
        let is_response = record.kind == RecordKind::Response;
        let text = String::from_utf8_lossy(&record.payload);
        transcript.begin(&serde_json::json!({ "t": now, "venue": venue, "http": is_response, "d": text }));
        let mut sink = |event: &Event<'_>| {
            // The replay leaves the names that only a writer knows empty.
            let mut event = *event;
            event.header_mut().venue = kt_model::Label(venue);
            event.header_mut().writer = kt_model::Label(venue);
            engine.on_input(&Input::event(&event), &mut |output: &Output<'_>| transcript.state(output));
        };
        replays[stream].play(&record, &mut sink).expect("a record");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (inputs, outputs) = (folder.path().join("inputs.jsonl"), folder.path().join("outputs.jsonl"));
    std::fs::write(&inputs, transcript.inputs).expect("write");
    std::fs::write(&outputs, transcript.outputs).expect("write");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/signals/independent.py");
    let result = Command::new("python3").arg(script).arg(inputs).arg(outputs).output().expect("python3 runs");
    let (said, errors) = (String::from_utf8_lossy(&result.stdout), String::from_utf8_lossy(&result.stderr));
    println!("{said}");
    assert!(result.status.success(), "{said}{errors}");
}
