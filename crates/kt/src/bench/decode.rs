//! Stage 1: exchange frames to events, in memory, one thread.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use kt_model::Event;
use kt_venue::{Record, RecordKind, Replay, ReplayConfig};

use super::baseline::Channel;
use super::recordings::{self, Recording};
use super::report::{Section, count, median, spoken};
use super::usage;
use crate::config::Config;
use crate::error::Error;

/// The stream whose frames are also given to the known parser.
const COMPARED: (&str, &str) = ("binance_usdm", "20240808_btcusdt");
/// Length of the depth frames for which published figures of other parsers exist, bytes, and a stream with
/// thousands of them.
const PUBLISHED: std::ops::Range<usize> = 270..300;
const PUBLISHED_IN: (&str, &str) = ("binance_coinm", "20240808_btcusd_perp");

/// What one pass over some records took.
#[derive(Clone, Copy, Default)]
struct Pass {
    frames: u64,
    bytes: u64,
    events: u64,
    row_bytes: u64,
    cpu: Duration,
}

/// Measures the stage.
pub(super) fn run(config: &Config, rounds: u32) -> Result<Section, Error> {
    let mut section = Section::begin("Decode: frames to events");
    section.method = "Whole recordings in memory, played through one session per recorded connection: mapping, exact \
                      decimals, order books with sequence checks and checksums. One thread; times are CPU times of that \
                      thread, so that other load on the machine does not enter. `with rows` also encodes every event as \
                      the `RowBinary` row that is published."
        .to_owned();
    let Some(recordings) = recordings::load(config)? else {
        let folder = config.platform.recordings_dir.display();
        section.skip(format!("decode: no recordings at {folder}; set KT_RECORDINGS"));
        return Ok(section);
    };
    by_venue(&mut section, &recordings, rounds)?;
    against_parser(&mut section, &recordings, rounds)?;
    section.limit =
        "The processor: the stage does no I/O. The floor is a parser that only finds the values (second table): \
                     the ratio says how much is spent on what a parser leaves out: exact decimals, the order book, \
                     integrity and the row."
            .to_owned();
    Ok(section)
}

fn by_venue(section: &mut Section, recordings: &[Recording], rounds: u32) -> Result<(), Error> {
    let mut venues: BTreeMap<&str, Vec<&Recording>> = BTreeMap::new();
    for recording in recordings {
        venues.entry(&recording.venue).or_default().push(recording);
    }
    let mut rows = Vec::new();
    for (venue, recordings) in venues {
        let pass = |with_rows: bool| -> Result<Vec<Pass>, Error> {
            (0..rounds).map(|_| play_all(&recordings, with_rows)).collect()
        };
        let (plain, encoded) = (pass(false)?, pass(true)?);
        let frame = median(plain.iter().map(|pass| per(pass.cpu, pass.frames)));
        let frame_with_rows = median(encoded.iter().map(|pass| per(pass.cpu, pass.frames)));
        let one = encoded[0];
        let events_per_frame = one.events as f64 / one.frames as f64;
        rows.push([
            venue.to_owned(),
            recordings.len().to_string(),
            count(one.frames as f64),
            count(one.bytes as f64 / one.frames as f64),
            format!("{events_per_frame:.2}"),
            spoken(frame),
            count(1e9 / frame),
            count(1e9 / frame * events_per_frame),
            spoken(frame_with_rows),
            count(one.row_bytes as f64 / one.events as f64),
        ]);
        section.value(format!("{venue}_seconds_per_frame"), frame / 1e9);
        section.value(format!("{venue}_seconds_per_frame_with_rows"), frame_with_rows / 1e9);
        section.value(format!("{venue}_events_per_frame"), events_per_frame);
    }
    let columns = [
        "venue",
        "streams",
        "frames",
        "bytes a frame",
        "events a frame",
        "CPU a frame",
        "frames/s a core",
        "events/s a core",
        "CPU a frame with rows",
        "bytes a row",
    ];
    let table = section.table("All recorded frames:", &columns);
    rows.into_iter().for_each(|row| table.row(row));
    Ok(())
}

fn play_all(recordings: &[&Recording], with_rows: bool) -> Result<Pass, Error> {
    let mut total = Pass::default();
    for recording in recordings {
        let records: Vec<&Record> = recording.records.iter().collect();
        let pass = play(recording, &records, with_rows)?;
        total.frames += pass.frames;
        total.bytes += pass.bytes;
        total.events += pass.events;
        total.row_bytes += pass.row_bytes;
        total.cpu += pass.cpu;
    }
    Ok(total)
}

fn play(recording: &Recording, records: &[&Record], with_rows: bool) -> Result<Pass, Error> {
    let mut replay = prepared(recording)?;
    let frames = records.iter().filter(|record| record.kind == RecordKind::Frame);
    let bytes = frames.clone().map(|record| record.payload.len() as u64).sum();
    let mut pass = Pass { frames: frames.count() as u64, bytes, ..Pass::default() };
    let (mut events, mut row_bytes, mut row) = (0u64, 0u64, Vec::with_capacity(1 << 20));
    let mut sink = |event: &Event<'_>| {
        events += 1;
        if with_rows {
            row.clear();
            event.encode(&mut row);
            row_bytes += black_box(&row).len() as u64;
        } else {
            black_box(event);
        }
    };
    let begun = usage::of_this_thread();
    for record in records {
        replay.play(record, &mut sink).map_err(Error::doing(format!("{}/{}", recording.venue, recording.name)))?;
    }
    pass.cpu = usage::of_this_thread() - begun;
    (pass.events, pass.row_bytes) = (events, row_bytes);
    Ok(pass)
}

/// A replay that knows its instruments.
fn prepared(recording: &Recording) -> Result<Replay, Error> {
    let mut replay = Replay::new(recording.mapping.clone(), ReplayConfig::default());
    let mut ignore = |_: &Event<'_>| {};
    replay
        .reference(&recording.reference, &mut ignore)
        .map_err(Error::doing(format!("instruments of {}", recording.venue)))?;
    Ok(replay)
}

/// Nanoseconds for each of `count` items.
fn per(time: Duration, count: u64) -> f64 {
    time.as_nanos() as f64 / count.max(1) as f64
}

fn against_parser(section: &mut Section, recordings: &[Recording], rounds: u32) -> Result<(), Error> {
    let find = |wanted: (&str, &str)| {
        recordings.iter().find(|recording| (recording.venue.as_str(), recording.name.as_str()) == wanted)
    };
    let (Some(recording), Some(published)) = (find(COMPARED), find(PUBLISHED_IN)) else {
        section.skip(format!("comparison with a parser: no recording {COMPARED:?} or {PUBLISHED_IN:?}"));
        return Ok(());
    };
    let mut rows = Vec::new();
    for channel in Channel::ALL {
        let of_channel = |record: &&Record| record.kind != RecordKind::Frame || channel.is_of(&record.payload);
        let records: Vec<&Record> = recording.records.iter().filter(of_channel).collect();
        let frames: Vec<&[u8]> = frames_of(recording, channel).collect();
        let parsed = median((0..rounds).map(|_| parse_all(channel, &frames)));
        let decoded: Result<Vec<Pass>, Error> = (0..rounds).map(|_| play(recording, &records, false)).collect();
        let decoded = median(decoded?.iter().map(|pass| per(pass.cpu, pass.frames)));
        rows.push((format!("{} of {}", channel.name(), COMPARED.0), frames, parsed, decoded));
        section.value(format!("parser_ratio_{}", channel.name()), decoded / parsed);
    }
    let frames: Vec<&[u8]> =
        frames_of(published, Channel::Depth).filter(|frame| PUBLISHED.contains(&frame.len())).collect();
    let parsed = median((0..rounds).map(|_| parse_all(Channel::Depth, &frames)));
    let decoded: Result<Vec<f64>, Error> = (0..rounds).map(|_| published_length(published)).collect();
    let decoded = median(decoded?);
    section.value("parser_ratio_depth_285", decoded / parsed);
    rows.push((
        format!("depth of {} to {} bytes of {}", PUBLISHED.start, PUBLISHED.end, PUBLISHED_IN.0),
        frames,
        parsed,
        decoded,
    ));
    let caption = "The same frames read by `serde_json` into a borrowed struct (numbers stay text, no checks) and decoded by \
                   the mapping. In the last row each frame is timed by itself within its stream (median, clock reading \
                   subtracted).";
    let table = section.table(caption, &["frames", "how many", "bytes", "serde_json", "decoded", "ratio"]);
    for (what, frames, parsed, decoded) in rows {
        let bytes = frames.iter().map(|frame| frame.len()).sum::<usize>() / frames.len().max(1);
        let ratio = format!("{:.2}", decoded / parsed);
        table.row([what, count(frames.len() as f64), bytes.to_string(), spoken(parsed), spoken(decoded), ratio]);
    }
    Ok(())
}

fn frames_of(recording: &Recording, channel: Channel) -> impl Iterator<Item = &[u8]> {
    recording.frames().map(|record| record.payload.as_slice()).filter(move |frame| channel.is_of(frame))
}

fn parse_all(channel: Channel, frames: &[&[u8]]) -> f64 {
    let begun = usage::of_this_thread();
    for frame in frames {
        black_box(channel.parse(black_box(frame)));
    }
    per(usage::of_this_thread() - begun, frames.len() as u64)
}

/// What decoding a depth frame of the published length takes within its stream, nanoseconds.
fn published_length(recording: &Recording) -> Result<f64, Error> {
    let reading = median((0..1001).map(|_| {
        let begun = Instant::now();
        black_box(begun).elapsed().as_nanos() as f64
    }));
    let mut replay = prepared(recording)?;
    let mut sink = |event: &Event<'_>| {
        black_box(event);
    };
    let mut times = Vec::new();
    let of_depth = |record: &&Record| record.kind != RecordKind::Frame || Channel::Depth.is_of(&record.payload);
    for record in recording.records.iter().filter(of_depth) {
        let begun = Instant::now();
        replay.play(record, &mut sink).map_err(Error::doing(&recording.name))?;
        let took = begun.elapsed().as_nanos() as f64 - reading;
        if record.kind == RecordKind::Frame && PUBLISHED.contains(&record.payload.len()) {
            times.push(took);
        }
    }
    Ok(median(times))
}
