//! One connection's protocol, without the connection.

use crate::action::{Action, Actions};
use crate::book::BookStatistics;
use crate::catalogue::Catalogue;
use crate::counters::Counters;
use crate::error::{Fault, VenueError};
use crate::levels::BookView;
use crate::listing::{ListReport, Stamp};
use crate::mapping::Mapping;
use crate::names::Names;
use crate::program::Found;
use crate::rows::RowBuffers;
use crate::scan::MAXIMUM_FRAME;
use crate::sink::Sink;
use crate::snapshot::Response;
use crate::state::{Core, Frame, Settings, status};
use crate::subscribe::Subscription;
use crate::unpack::unpack;
use kt_model::{Event, Label, Nanos, Origin, Quarantine, State, Status};
use std::sync::Arc;

/// Longest text of a quarantined frame that is kept.
const QUARANTINE_BYTES: usize = 64 << 10;

/// What a session is for.
#[derive(Clone, Debug, Default)]
pub struct SessionConfig {
    /// Segment of the mapping.
    pub segment: String,
    /// Connection of the writer's epoch, from 1.
    pub connection: u32,
    /// Redundant line, 0 = A.
    pub line: u8,
    /// What to subscribe; empty for a recording.
    pub subscriptions: Vec<Subscription>,
    /// Take trades from whichever of the mapping's trade channels carries them, not only from those
    /// subscribed: what a recording holds was decided by its recorder.
    pub any_trade_channel: bool,
    /// Keep every level's text as printed, not only where a checksum needs it.
    pub keep_text: bool,
    /// Book epochs count on from here: the highest that an earlier session of the writer's epoch
    /// used for these instruments.
    pub first_book_epoch: u32,
    /// What was not heard before the first connection is announced with it, where that is a gap.
    pub unheard: Option<Unheard>,
}

/// A time before the first connection in which these subscriptions were wanted already.
#[derive(Clone, Copy, Debug)]
pub struct Unheard {
    /// Since when.
    pub since: Nanos,
    /// It is a gap when it lasts so long, ns.
    pub at_least: i64,
}

/// One connection's state machine: bytes in, events and actions out.
#[derive(Debug)]
pub struct Session {
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) catalogue: Catalogue,
    pub(crate) core: Core,
    pub(crate) config: SessionConfig,
    found: Found,
    unpacked: Vec<u8>,
    pub(crate) connection: Connection,
}

/// Where the connection itself stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Connection {
    pub(crate) opened_at: Option<Nanos>,
    pub(crate) closed_at: Option<Nanos>,
    pub(crate) last_frame_at: Option<Nanos>,
    pub(crate) last_ping_at: Option<Nanos>,
    pub(crate) reconnect_asked: bool,
}

impl Session {
    /// A session that is not connected yet.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unknown`] where the mapping lacks the segment or a subscribed channel.
    pub fn new(mapping: Arc<Mapping>, catalogue: Catalogue, config: SessionConfig) -> Result<Self, VenueError> {
        mapping.segment(&config.segment)?;
        let segment = catalogue.segment_index(&config.segment).unwrap_or(0);
        let mut chosen_trades = Vec::new();
        for subscription in &config.subscriptions {
            let index = mapping.channel_index(&subscription.channel)?;
            let is_chosen = mapping.channels[index].trade.is_some() && !config.any_trade_channel;
            if is_chosen && !chosen_trades.contains(&index) {
                chosen_trades.push(index);
            }
        }
        let channels = mapping.channels.len();
        let core = Core {
            settings: Settings {
                connection: config.connection,
                line: config.line,
                segment,
                keep_text: config.keep_text,
                first_book_epoch: config.first_book_epoch,
            },
            counters: Counters::default(),
            labels: Names::default(),
            names: Names::default(),
            label_hints: vec![0; channels],
            name_hints: vec![0; channels],
            states: Vec::new(),
            actions: Actions::default(),
            edits: Vec::new(),
            rows: RowBuffers::default(),
            scratch: Vec::new(),
            request_id: 0,
            chosen_trades,
        };
        let (found, unpacked, connection) = (Found::default(), Vec::new(), Connection::default());
        Ok(Self { mapping, catalogue, core, config, found, unpacked, connection })
    }

    /// Takes a text or binary frame as received. Never fails: a frame that breaks the mapping
    /// becomes a [`Quarantine`] event.
    pub fn on_frame<S: Sink + ?Sized>(&mut self, bytes: &[u8], recv_ts: Nanos, sink: &mut S) {
        self.core.counters.frames += 1;
        if bytes.len() > MAXIMUM_FRAME {
            return self.quarantine(Fault::Syntax { at: MAXIMUM_FRAME }, bytes, recv_ts, sink);
        }
        self.connection.last_frame_at = Some(recv_ts);
        let mut unpacked = std::mem::take(&mut self.unpacked);
        match unpack(self.mapping.encoding, bytes, &mut unpacked) {
            Ok(text) => self.decode(Frame { bytes: text, recv_ts, only: None }, sink),
            Err(fault) => self.quarantine(fault, bytes, recv_ts, sink),
        }
        self.unpacked = unpacked;
    }

    fn decode<S: Sink + ?Sized>(&mut self, frame: Frame<'_>, sink: &mut S) {
        let Session { mapping, catalogue, core, found, .. } = self;
        if let Err(fault) = core.process(mapping, catalogue, frame, found, sink) {
            self.quarantine(fault, frame.bytes, frame.recv_ts, sink);
        }
    }

    fn quarantine<S: Sink + ?Sized>(&mut self, fault: Fault, frame: &[u8], recv_ts: Nanos, sink: &mut S) {
        self.core.counters.decode_errors += 1;
        let kept = &frame[..frame.len().min(QUARANTINE_BYTES)];
        let (text, detail) = (String::from_utf8_lossy(kept), fault.to_string());
        sink.event(&Event::Quarantine(Quarantine {
            header: self.core.plain_header(&self.mapping, recv_ts),
            reason: Label(fault.reason()),
            detail: &detail,
            frame: &text,
        }));
    }

    /// Takes the REST snapshot of a book, puts it in place and replays the frames that waited.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unknown`] for a symbol without such a book, `Malformed` for a body that is no
    /// snapshot; the snapshot is then asked for again.
    pub fn on_snapshot<S: Sink + ?Sized>(
        &mut self,
        symbol: &str,
        body: &[u8],
        recv_ts: Nanos,
        sink: &mut S,
    ) -> Result<(), VenueError> {
        let Session { mapping, catalogue, core, found, .. } = self;
        let placed = core.place_snapshot(mapping, catalogue, Response { symbol, body, recv_ts }, found, sink);
        match placed {
            Ok((instrument, channel, pending)) => {
                for (recv_ts, bytes) in &pending {
                    let frame = Frame { bytes, recv_ts: *recv_ts, only: Some((instrument, channel)) };
                    self.decode(frame, sink);
                }
                Ok(())
            }
            Err(error) => {
                self.on_snapshot_failed(symbol, recv_ts);
                Err(error)
            }
        }
    }

    /// The snapshot could not be fetched: it is asked for again, later each time.
    pub fn on_snapshot_failed(&mut self, symbol: &str, now: Nanos) {
        self.each_book_of(symbol, |book| {
            book.failures += 1;
            book.is_requested = true;
            book.retry_at = Some(book.next_try(now));
        });
    }

    fn each_book_of(&mut self, symbol: &str, mut act: impl FnMut(&mut crate::book::Book)) {
        let index = self.catalogue.index(self.core.settings.segment, symbol.as_bytes());
        let state = index.and_then(|index| self.core.states.get_mut(index as usize));
        for channel in state.into_iter().flat_map(|state| &mut state.channels) {
            if let Some(book) = channel.book.as_mut().filter(|book| !book.is_in()) {
                act(book);
            }
        }
    }

    /// Takes the response to reference request `name`: see [`Catalogue::read`].
    ///
    /// # Errors
    /// As [`Catalogue::read`].
    pub fn on_http<S: Sink + ?Sized>(
        &mut self,
        name: &str,
        body: &[u8],
        recv_ts: Nanos,
        sink: &mut S,
    ) -> Result<ListReport, VenueError> {
        let stamp = Stamp { connection: self.config.connection, line: self.config.line };
        self.catalogue.read(&self.mapping, name, body, recv_ts, stamp, sink)
    }

    /// Emits every whole book as a checkpoint row: at shutdown, or on request.
    pub fn checkpoint<S: Sink + ?Sized>(&mut self, now: Nanos, sink: &mut S) {
        let Session { mapping, catalogue, core, .. } = self;
        core.checkpoint_all(mapping, catalogue, now, sink);
    }

    /// The next thing to do, if any.
    pub fn next_action(&mut self) -> Option<Action> {
        self.core.actions.pop()
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut counters = self.core.counters.clone();
        counters.actions_dropped = self.core.actions.dropped;
        counters
    }

    /// Frames by channel label: name, count, whether the mapping reads the channel.
    pub fn frames_by_label(&self) -> impl Iterator<Item = (&str, u64, bool)> {
        self.core.counters.labels(&self.core.labels)
    }

    /// Instruments known to the session.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Replaces the instruments, after reference data was read elsewhere. Known instruments keep
    /// their state.
    pub fn set_catalogue(&mut self, catalogue: &Catalogue) {
        let segment = self.core.settings.segment;
        for info in catalogue.instruments(&self.config.segment).filter(|info| info.is_listed) {
            // Positions must not change: the state of books hangs on them.
            let _ = self.catalogue.put(segment, info.clone());
        }
    }

    /// Every book, with what happened to it.
    pub fn books(&self) -> impl Iterator<Item = (BookView<'_>, BookStatistics)> {
        self.core.states.iter().enumerate().flat_map(move |(instrument, state)| {
            let info = self.catalogue.get(instrument as u32);
            state.channels.iter().filter_map(move |channel| {
                let book = channel.book.as_deref()?;
                let view = BookView {
                    levels: &book.levels,
                    instrument: &info.id,
                    symbol: &info.symbol,
                    channel: self.core.names.get(channel.channel_name),
                    last_sequence: book.last,
                    origin: Origin::Live,
                    recv_ts: book.event_ts,
                };
                Some((view, book.statistics))
            })
        })
    }

    /// Announces a state of the whole connection.
    pub(crate) fn announce<S: Sink + ?Sized>(
        &self,
        at: Nanos,
        state: State,
        cause: &str,
        extent: (Option<Nanos>, Option<Nanos>),
        sink: &mut S,
    ) {
        let row = status(self.core.plain_header(&self.mapping, at), state, cause);
        sink.event(&Event::Status(Status { from_ts: extent.0, to_ts: extent.1, ..row }));
    }
}

impl Session {
    /// Symbols whose books wait for a REST snapshot.
    #[must_use]
    pub fn books_without_snapshot(&self) -> Vec<String> {
        let books = self
            .core
            .states
            .iter()
            .enumerate()
            .flat_map(|(instrument, state)| state.channels.iter().map(move |channel| (instrument, channel)));
        let waiting = books.filter(|(_, channel)| channel.book.as_ref().is_some_and(|book| !book.is_in()));
        waiting.map(|(instrument, _)| self.catalogue.get(instrument as u32).symbol.to_string()).collect()
    }
}
