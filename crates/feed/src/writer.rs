//! The one writer of a venue: stamps every event's position, sends it over the hot path and gathers it
//! into blocks for the durable log.
//!
//! Belongs to one thread. For an event it takes no lock and allocates nothing: the row is encoded into
//! its block's buffer, stamped in place and copied once, into the hot path's send buffer.

use std::collections::HashMap;
use std::rc::Rc;

use kt_bus::{HotPublisher, Route};
use kt_model::codec::Label;
use kt_model::schema::Kind;
use kt_model::{Event, Quarantine, stamp_position};

use crate::block_builder::{BlockBuilder, CutPolicy};
use crate::clock::Clock;
use crate::metrics::WriterMetrics;
use crate::spool::Spool;

/// No row is larger: the log's server takes messages up to 1 MB.
const LARGEST_ROW: usize = 900 << 10;

/// What identifies a writer.
#[derive(Clone, Debug)]
pub struct WriterIdentity {
    /// Name of the writer, the same at every start.
    pub writer: String,
    /// The venue all its events come from.
    pub venue: String,
    /// Its epoch.
    pub epoch: u32,
}

/// See the module.
pub struct Writer {
    identity: WriterIdentity,
    clock: Rc<dyn Clock>,
    hot: Option<HotPublisher>,
    routes: [HashMap<Box<str>, Route>; Kind::COUNT],
    builders: Vec<BlockBuilder>,
    spool: Spool,
    counter: u64,
    /// Frames whose rows wait in the hot path's buffer: when each was received and how many rows it gave.
    unflushed: Vec<(i64, u32)>,
    /// When the frame that is being decoded was received, monotonic.
    received: i64,
    rows_of_frame: u32,
    /// Blocks that the disk did not take; their builders stay as they are.
    stalled: bool,
    metrics: WriterMetrics,
}

impl Writer {
    /// A writer whose spool has begun its epoch.
    #[must_use]
    pub fn new(
        identity: WriterIdentity,
        clock: Rc<dyn Clock>,
        hot: Option<HotPublisher>,
        spool: Spool,
        policy: CutPolicy,
        metrics: WriterMetrics,
    ) -> Self {
        Self {
            identity,
            clock,
            hot,
            routes: std::array::from_fn(|_| HashMap::new()),
            builders: Kind::ALL.iter().map(|kind| BlockBuilder::new(*kind, policy)).collect(),
            spool,
            counter: 0,
            unflushed: Vec::with_capacity(256),
            received: 0,
            rows_of_frame: 0,
            stalled: false,
            metrics,
        }
    }

    /// Every row up to this counter lies in the spool.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        let waiting = self.builders.iter().filter_map(BlockBuilder::first_waiting).min();
        waiting.map_or(self.counter, |first| first - 1)
    }

    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> &WriterIdentity {
        &self.identity
    }

    /// Counter of the newest row.
    #[must_use]
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// What it counts.
    #[must_use]
    pub fn metrics(&self) -> &WriterMetrics {
        &self.metrics
    }

    /// Whether every row that was taken, of this epoch and of those before, is known to have landed.
    #[must_use]
    pub fn has_landed(&self) -> bool {
        self.builders.iter().all(BlockBuilder::is_empty) && self.spool.has_landed()
    }

    /// Its spool.
    pub fn spool(&mut self) -> &mut Spool {
        &mut self.spool
    }

    /// Whether more may be taken in. Otherwise stop reading from the sockets until it may.
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.stalled && !self.spool.is_full()
    }

    /// A frame of so many bytes was received at `monotonic`; the events that follow come from it.
    #[inline]
    pub fn frame(&mut self, monotonic: i64, bytes: usize) {
        self.end_frame();
        self.received = monotonic;
        self.metrics.counts.frames += 1;
        self.metrics.counts.frame_bytes += bytes as u64;
    }

    /// Takes one event: it is on its way to the hot path's subscribers after the next
    /// [`Self::flush_hot`], and accepted when its block is in the spool.
    pub fn event(&mut self, event: &Event<'_>) {
        let (event_ts, instrument) = (event.header().event_ts, event.header().instrument.0);
        let kind = event.kind();
        if self.builders[kind.index()].is_of_other_day(event_ts.day()) {
            self.cut(kind);
        }
        let builder = &mut self.builders[kind.index()];
        let start = builder.rows.len();
        let mut named = *event;
        let header = named.header_mut();
        header.writer = Label(&self.identity.writer);
        header.venue = Label(&self.identity.venue);
        named.encode(&mut builder.rows);
        if builder.rows.len() - start > LARGEST_ROW {
            builder.rows.truncate(start);
            self.refuse_oversize(event);
            return;
        }
        self.counter += 1;
        let row = &mut builder.rows[start..];
        stamp_position(row, self.clock.wall(), self.counter, self.identity.epoch);
        if let Some(hot) = &mut self.hot {
            let route = match self.routes[kind.index()].get(instrument) {
                Some(route) => *route,
                None => new_route(&mut self.routes, hot, kind, &self.identity.venue, instrument),
            };
            hot.publish(route, row);
        }
        builder.added(self.counter, event_ts, self.clock.monotonic());
        self.rows_of_frame += 1;
        self.metrics.counts.events[kind.index()] += 1;
        if builder.is_large_enough() {
            self.cut(kind);
        }
    }

    /// Sends what waits for the hot path, without waiting; `true` when nothing is left.
    pub fn flush_hot(&mut self) -> bool {
        self.end_frame();
        let sent = self.hot.as_mut().is_none_or(HotPublisher::flush);
        if sent && !self.unflushed.is_empty() {
            let now = self.clock.monotonic();
            for (received, rows) in self.unflushed.drain(..) {
                self.metrics.hot_latency.observe(now - received, u64::from(rows));
            }
        }
        sent
    }

    /// Cuts the blocks that have waited long enough. Call at [`Self::next_deadline`].
    pub fn tick(&mut self) {
        let now = self.clock.monotonic();
        for kind in Kind::ALL {
            let builder = &self.builders[kind.index()];
            if builder.deadline().is_some_and(|at| at <= now) || builder.is_large_enough() {
                self.cut(*kind);
            }
        }
        self.flush_hot();
        let has_room = self.has_room();
        let counts = self.hot.as_ref().map(HotPublisher::counts).unwrap_or_default();
        self.metrics.publish(self.clock.wall(), &counts, self.spool.bytes(), has_room);
    }

    /// Monotonic time at which [`Self::tick`] has something to do; `None` while nothing waits.
    #[must_use]
    pub fn next_deadline(&self) -> Option<i64> {
        self.builders.iter().filter_map(BlockBuilder::deadline).min()
    }

    /// Cuts all blocks, whatever their age; `true` when the spool holds everything.
    pub fn cut_all(&mut self) -> bool {
        for kind in Kind::ALL {
            self.cut(*kind);
        }
        self.builders.iter().all(BlockBuilder::is_empty)
    }

    /// Whether the hot path has a connection.
    #[must_use]
    pub fn is_hot_connected(&self) -> bool {
        self.hot.as_ref().is_some_and(HotPublisher::is_connected)
    }

    /// Whether rows wait because the hot path's socket did not take them.
    #[must_use]
    pub fn hot_backlog(&self) -> bool {
        self.hot.as_ref().is_some_and(|hot| hot.backlog() > 0)
    }

    fn cut(&mut self, kind: Kind) {
        let builder = &mut self.builders[kind.index()];
        if builder.is_empty() {
            return;
        }
        let header = builder.header(&self.identity.venue, &self.identity.writer, self.identity.epoch);
        match self.spool.append(&header, &builder.rows, self.counter) {
            Ok(()) => {
                self.metrics.counts.blocks[kind.index()] += 1;
                self.metrics.counts.block_bytes += builder.rows.len() as u64;
                builder.clear();
                self.stalled = false;
            }
            Err(error) => {
                // The rows stay in the builder and are tried again at the next tick; meanwhile has_room()
                // is false and nothing more is read from the sockets.
                self.metrics.counts.spool_errors += 1;
                if !std::mem::replace(&mut self.stalled, true) {
                    tracing::error!(%error, writer = self.identity.writer, "the spool takes no more, reading stops");
                }
            }
        }
    }

    fn end_frame(&mut self) {
        if self.rows_of_frame > 0 && self.unflushed.len() < 4096 {
            self.unflushed.push((self.received, self.rows_of_frame));
        }
        self.rows_of_frame = 0;
    }

    /// A row that no server would take becomes a quarantine row, with the beginning of what it says.
    #[cold]
    fn refuse_oversize(&mut self, event: &Event<'_>) {
        self.metrics.counts.oversize += 1;
        let header = *event.header();
        let detail = format!("a {} row of more than {LARGEST_ROW} bytes", event.kind());
        tracing::error!(detail, instrument = header.instrument.0, channel = header.channel.0, "row refused");
        let frame = match event {
            Event::Quarantine(row) => beginning(row.frame),
            _ => "",
        };
        self.event(&Event::Quarantine(Quarantine { header, reason: Label("oversize"), detail: &detail, frame }));
    }
}

/// Up to 64 KB of a text, cut between characters.
fn beginning(text: &str) -> &str {
    let mut end = text.len().min(64 << 10);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cold]
fn new_route(
    routes: &mut [HashMap<Box<str>, Route>; Kind::COUNT],
    hot: &mut HotPublisher,
    kind: Kind,
    venue: &str,
    instrument: &str,
) -> Route {
    let route = hot.route(kind, venue, instrument);
    routes[kind.index()].insert(instrument.into(), route);
    route
}
