//! The role that fills the durable log with rows as they come from an exchange: a recording decoded by
//! its mapping, again and again, each time moved on in time so that no two rows are the same event.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use kt_bus::{Bus, BusConfig};
use kt_feed::clock::SystemClock;
use kt_feed::metrics::FeedMetrics;
use kt_feed::{OpenWriter, Writer, WriterConfig};
use kt_model::schema::Kind;
use kt_model::{Event, Nanos};
use kt_venue::{Replay, ReplayConfig};
use serde::{Deserialize, Serialize};

use super::recordings::{self, Recording};
use super::rows::{Rows, VENUE, now};
use super::worker;
use crate::error::Error;

/// What the role is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) nats_port: u16,
    pub(super) folder: PathBuf,
    /// Venue and file of a recording; without it the rows are those of [`Rows`].
    pub(super) recording: Option<(String, PathBuf)>,
    /// Only rows of this kind, by its name.
    pub(super) kind: Option<String>,
    pub(super) rows: u64,
}

/// What it wrote.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Filled {
    /// All rows, the writer's own included.
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) trades: u64,
    pub(super) quotes: u64,
    pub(super) books: u64,
}

/// Rows between two looks at the log's acknowledgements.
const AT_ONCE: u64 = 256;
const DAY: i64 = 86_400_000_000_000;

/// Runs the role.
pub(super) async fn run(setup: Setup) -> Result<(), Error> {
    let failed = || Error::doing("filling the log");
    let bus = Bus::connect(&BusConfig::local(setup.nats_port, "bench-fill")).await.map_err(failed())?;
    let venue = setup.recording.as_ref().map_or(VENUE, |(venue, _)| venue);
    let mut config = WriterConfig::new(venue, &setup.folder);
    // Nothing lands meanwhile, so nothing is trimmed.
    config.spool.bytes = 16 << 30;
    let clock = Rc::new(SystemClock::default());
    let open =
        OpenWriter::open(&bus, &config, clock, &FeedMetrics::default()).await.map_err(Error::doing("the writer"))?;
    let writer = open.writer.clone();
    let outcome = Rc::new(RefCell::new(Ok(())));
    let (filler, told) = (Filler::new(&setup, writer.clone())?, outcome.clone());
    let work = async move {
        let ended = filler.fill(&setup).await;
        *told.borrow_mut() = ended;
    };
    open.run(work, Duration::from_secs(120)).await.map_err(Error::doing("the writer"))?;
    outcome.replace(Ok(()))?;
    let writer = writer.borrow();
    let counts = &writer.metrics().counts;
    let of = |kind: Kind| counts.events[kind.index()];
    let (trades, quotes, books) = (of(Kind::Trade), of(Kind::Quote), of(Kind::Book));
    worker::say(&Filled { rows: writer.counter(), bytes: counts.block_bytes, trades, quotes, books })
}

struct Filler {
    writer: Rc<RefCell<Writer>>,
    kind: Option<Kind>,
    written: u64,
}

impl Filler {
    fn new(setup: &Setup, writer: Rc<RefCell<Writer>>) -> Result<Self, Error> {
        let kind = setup
            .kind
            .as_deref()
            .map(|name| Kind::from_name(name).ok_or_else(|| Error::usage(format!("{name} is no kind of row"))));
        Ok(Self { writer, kind: kind.transpose()?, written: 0 })
    }

    async fn fill(mut self, setup: &Setup) -> Result<(), Error> {
        let Some((venue, file)) = &setup.recording else { return self.fill_with_rows(setup.rows).await };
        let recording = recordings::one(venue, file)?;
        let times = recording.records.iter().filter_map(|record| record.time);
        let (first, last) = (times.clone().min().unwrap_or(0), times.max().unwrap_or(0));
        // From last midnight on, so that all rows are of one day.
        let mut shift = now().0 / DAY * DAY - first;
        while self.written < setup.rows {
            self.play(&recording, shift, setup.rows).await?;
            shift += last - first + 1_000_000_000;
        }
        Ok(())
    }

    /// One pass over the recording.
    async fn play(&mut self, recording: &Recording, shift: i64, rows: u64) -> Result<(), Error> {
        let mut replay = Replay::new(recording.mapping.clone(), ReplayConfig::default());
        let mut ignore = |_: &Event<'_>| {};
        replay.reference(&recording.reference, &mut ignore).map_err(Error::doing(&recording.name))?;
        for record in &recording.records {
            let before = self.written;
            {
                let mut writer = self.writer.borrow_mut();
                let mut sink = |event: &Event<'_>| {
                    if self.kind.is_none_or(|kind| kind == event.kind()) {
                        writer.event(&moved(event, shift));
                        self.written += 1;
                    }
                };
                replay.play(record, &mut sink).map_err(Error::doing(&recording.name))?;
            }
            if self.written / AT_ONCE != before / AT_ONCE {
                self.give_way().await;
            }
            if self.written >= rows {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn fill_with_rows(mut self, rows: u64) -> Result<(), Error> {
        let source = Rows::new();
        let mut number = 0;
        while self.written < rows {
            number += 1;
            let time = Nanos(now().0 / DAY * DAY + number as i64 * 20_000);
            let event = source.event(number, time, time);
            if self.kind.is_none_or(|kind| kind == event.kind()) {
                self.writer.borrow_mut().event(&event);
                self.written += 1;
                if self.written.is_multiple_of(AT_ONCE) {
                    self.give_way().await;
                }
            }
        }
        Ok(())
    }

    /// Lets the log stage work.
    async fn give_way(&self) {
        self.writer.borrow_mut().flush_hot();
        tokio::task::yield_now().await;
    }
}

/// The event at another time.
fn moved<'a>(event: &Event<'a>, shift: i64) -> Event<'a> {
    let mut event = *event;
    let header = event.header_mut();
    header.event_ts.0 += shift;
    header.recv_ts.0 += shift;
    for time in [&mut header.exch_ts, &mut header.sent_ts].into_iter().flatten() {
        time.0 += shift;
    }
    event
}
