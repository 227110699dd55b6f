//! The role that fills the durable log.

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kt_bus::{Bus, BusConfig, LogConfig, LogPublisher, PublishEvent, PublisherConfig};
use kt_feed::clock::{Clock as _, SystemClock};
use kt_feed::metrics::FeedMetrics;
use kt_feed::spool::{Cursor, Spool, SpoolLimits};
use kt_feed::{CutPolicy, OpenWriter, WriterConfig};
use kt_model::schema::Kind;
use kt_model::{BlockHeader, Nanos, block, stamp_position};
use serde::{Deserialize, Serialize};

use super::rows::{Rows, VENUE, now};
use super::{usage, worker};
use crate::error::Error;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Part {
    /// Finished blocks: spool, publisher, acknowledgement.
    Blocks,
    /// The feed's whole writer: encode, stamp, hot path, block, spool, publisher, acknowledgement.
    Writer,
}

impl Part {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Blocks => "log stage alone: finished blocks",
            Self::Writer => "whole writer: events",
        }
    }
}

/// What the role is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) nats_port: u16,
    pub(super) folder: PathBuf,
    pub(super) part: Part,
    pub(super) rows: u64,
}

/// What it did, from the first row to the last acknowledgement.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) rows: u64,
    pub(super) blocks: u64,
    pub(super) bytes: u64,
    pub(super) took: Duration,
    pub(super) cpu: Duration,
}

const WRITER: &str = "feed-bench";
/// Blocks written to the spool before they are published, so that both go on at the same time.
const AHEAD: usize = 32;
/// Events between two looks at sockets and acknowledgements: about what a busy socket yields at once.
const AT_ONCE: u64 = 128;

/// Runs the role.
pub(super) async fn run(setup: Setup) -> Result<(), Error> {
    let bus = Bus::connect(&BusConfig::local(setup.nats_port, "bench-log")).await.map_err(failed())?;
    bus.ensure_log(&LogConfig::default()).await.map_err(failed())?;
    let done = match setup.part {
        Part::Blocks => publish_blocks(&bus, &setup).await?,
        Part::Writer => write_events(&bus, &setup).await?,
    };
    worker::say(&done)
}

fn failed<E: std::fmt::Display>() -> impl FnOnce(E) -> Error {
    Error::doing("filling the log")
}

/// Finished blocks in the order in which a writer would cut them.
fn templates() -> Vec<(Kind, u32, Bytes)> {
    let target = CutPolicy::default().target_bytes;
    let rows = Rows::new();
    let mut open: HashMap<Kind, (u32, Vec<u8>)> = HashMap::new();
    let mut finished = Vec::new();
    for number in 1..=20_000 {
        let time = now();
        let event = rows.event(number, time, time);
        let (count, payload) = open.entry(event.kind()).or_default();
        let start = payload.len();
        event.encode(payload);
        stamp_position(&mut payload[start..], time, number, 1);
        *count += 1;
        if payload.len() >= target {
            finished.push((event.kind(), std::mem::take(count), Bytes::from(std::mem::take(payload))));
        }
    }
    finished
}

/// The log stage's own loop, with acknowledged blocks taken for landed so that the spool is trimmed.
async fn publish_blocks(bus: &Bus, setup: &Setup) -> Result<Done, Error> {
    let epoch = 1;
    let opened = Spool::open(&setup.folder.join("spool"), SpoolLimits::default()).map_err(failed())?;
    let mut spool = opened.begin(epoch).map_err(failed())?;
    let mut publisher = LogPublisher::new(bus, VENUE, WRITER, PublisherConfig::default()).await.map_err(failed())?;
    let templates = templates();
    worker::say(&true)?;
    let (begun, cpu) = (Instant::now(), usage::of_this_process());
    let mut done = Done { rows: 0, blocks: 0, bytes: 0, took: Duration::ZERO, cpu: Duration::ZERO };
    let (mut cursor, mut numbers, mut acknowledged) = (Cursor::default(), [0u64; Kind::COUNT], 0);
    let mut source = templates.iter().cycle();
    while acknowledged < done.blocks || done.rows < setup.rows {
        for (kind, count, payload) in source.by_ref().take(if done.rows < setup.rows { AHEAD } else { 0 }) {
            numbers[kind.index()] += 1;
            let header = header(*kind, *count, payload, numbers[kind.index()], done.rows);
            spool.append(&header, payload, done.rows).map_err(failed())?;
            done.rows += u64::from(*count);
            done.blocks += 1;
            done.bytes += payload.len() as u64;
        }
        loop {
            while publisher.has_room()
                && let Some((header, payload)) = spool.read(&mut cursor).map_err(failed())?
            {
                publisher.send(&header, payload).await.map_err(failed())?;
            }
            if publisher.in_flight() == 0 || (publisher.has_room() && done.rows < setup.rows) {
                break;
            }
            if let PublishEvent::Acknowledged { block, .. } = publisher.next().await.map_err(failed())? {
                acknowledged += 1;
                spool.landed(block.epoch, block.kind, block.number).map_err(failed())?;
            }
        }
    }
    (done.took, done.cpu) = (begun.elapsed(), usage::of_this_process() - cpu);
    Ok(done)
}

fn header(kind: Kind, rows: u32, payload: &[u8], number: u64, before: u64) -> BlockHeader {
    let time = now();
    BlockHeader {
        kind,
        schema_version: kind.schema().version,
        venue: VENUE.to_owned(),
        writer: WRITER.to_owned(),
        epoch: 1,
        number,
        first_counter: before + 1,
        last_counter: before + u64::from(rows),
        rows,
        hash: block::hash(payload),
        min_event_ts: time,
        max_event_ts: time,
    }
}

/// Events through the whole writer, as fast as it takes them; the spool keeps everything.
async fn write_events(bus: &Bus, setup: &Setup) -> Result<Done, Error> {
    let clock = SystemClock::default();
    let mut config = WriterConfig::new(VENUE, &setup.folder);
    config.spool.bytes = 16 << 30;
    let open = OpenWriter::open(bus, &config, Rc::new(clock), &FeedMetrics::default()).await.map_err(failed())?;
    let writer = open.writer.clone();
    worker::say(&true)?;
    let (begun, cpu) = (Instant::now(), usage::of_this_process());
    let (work, total) = (writer.clone(), setup.rows);
    let feed = async move {
        let rows = Rows::new();
        let mut number = 0;
        while number < total {
            let sent = {
                let mut writer = work.borrow_mut();
                let (time, monotonic) = (now(), clock.monotonic());
                for _ in 0..AT_ONCE {
                    number += 1;
                    writer.frame(monotonic, 0);
                    writer.event(&rows.event(number, Nanos(time.0), time));
                }
                writer.flush_hot()
            };
            if sent {
                tokio::task::yield_now().await;
            } else {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    };
    open.run(feed, Duration::from_secs(120)).await.map_err(failed())?;
    let (took, cpu) = (begun.elapsed(), usage::of_this_process() - cpu);
    let writer = writer.borrow();
    let counts = &writer.metrics().counts;
    let rows = writer.counter();
    Ok(Done { rows, blocks: counts.blocks.iter().sum(), bytes: counts.block_bytes, took, cpu })
}
