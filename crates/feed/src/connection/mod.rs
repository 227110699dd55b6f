//! One connection to an exchange: the socket around a session.

mod traffic;

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use kt_model::Nanos;
use kt_venue::Session;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use crate::FeedError;
use crate::clock::Clock;
use crate::metrics::CauseLabel;
use crate::recorder::Record;
use crate::sink::WriterSink;
use crate::socket::{self, ReadTime, Socket};
use crate::venue_feed::VenueShared;

/// A session, its place and what it waits for.
pub(crate) struct Connection {
    shared: Rc<VenueShared>,
    session: Session,
    url: String,
    number: u32,
    line: u8,
    /// The newest recorded time and when it came, where the clock is the recording's.
    recorded: Option<(Nanos, i64)>,
    outgoing: VecDeque<String>,
    next_send: Instant,
    fetches: FuturesUnordered<LocalBoxFuture<'static, (String, Result<Bytes, FeedError>)>>,
    catalogue_seen: u64,
}

/// Why a connection ended.
enum Ended {
    Stopped,
    Because(&'static str),
}

enum Step {
    Received(Option<Result<Message, SocketError>>),
    Fetched(String, Result<Bytes, FeedError>),
    Tick,
    Send,
    Stop,
}

impl Connection {
    pub fn new(shared: Rc<VenueShared>, session: Session, url: String, number: u32, line: u8) -> Self {
        Self {
            shared,
            session,
            url,
            number,
            line,
            recorded: None,
            outgoing: VecDeque::new(),
            next_send: Instant::now(),
            fetches: FuturesUnordered::new(),
            catalogue_seen: 0,
        }
    }

    /// Connects, and connects again whenever the connection ends, until the feed stops. Then writes a
    /// checkpoint of every book.
    pub async fn run(mut self) {
        let mut attempt = 0u32;
        loop {
            let mut stop = self.shared.stop.clone();
            let opened = tokio::select! {
                opened = socket::connect(&self.url, self.shared.origin) => opened,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            match opened {
                Ok((socket, read_time)) => {
                    let opened_at = Instant::now();
                    match self.connected(socket, &read_time).await {
                        Ended::Stopped => break,
                        Ended::Because(cause) => self.ended(cause),
                    }
                    attempt = if opened_at.elapsed() > Duration::from_secs(30) { 0 } else { attempt + 1 };
                }
                Err(cause) => {
                    attempt += 1;
                    self.count_reconnect("refused");
                    tracing::warn!(venue = self.shared.venue, url = self.url, cause, attempt, "cannot connect");
                }
            }
            let pause = self.pause_before(attempt);
            tokio::select! {
                () = sleep(pause) => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        let now = self.now();
        self.with_sink(now, |session, sink| session.checkpoint(now, sink));
    }

    async fn connected(&mut self, mut socket: Socket, read_time: &ReadTime) -> Ended {
        let now = self.now();
        tracing::info!(venue = self.shared.venue, url = self.url, connection = self.number, "connected");
        self.record(|number, url| Record::Opened { at: now, connection: number, url: url.to_owned() });
        self.shared.line_is_up(self.line, true);
        self.shared.connections.inc();
        self.outgoing.clear();
        self.fetches.clear();
        self.with_sink(now, |session, sink| session.on_connected(now, sink));
        let ended = self.serve(&mut socket, read_time).await;
        let _ = tokio::time::timeout(Duration::from_millis(500), socket.close(None)).await;
        self.shared.connections.dec();
        ended
    }

    async fn serve(&mut self, socket: &mut Socket, read_time: &ReadTime) -> Ended {
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = self.shared.stop.clone();
        loop {
            if let Some(reason) = self.take_actions() {
                return Ended::Because(reason);
            }
            self.wait_for_room().await;
            let step = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => Step::Stop,
                Some((symbol, body)) = self.fetches.next(), if !self.fetches.is_empty() => Step::Fetched(symbol, body),
                _ = ticks.tick() => Step::Tick,
                () = sleep_until(self.next_send), if !self.outgoing.is_empty() => Step::Send,
                received = socket.next() => Step::Received(received),
            };
            let ended = match step {
                Step::Received(first) => self.receive(first, socket, read_time).await,
                Step::Fetched(symbol, body) => {
                    self.fetched(&symbol, body);
                    None
                }
                Step::Tick => {
                    self.tick();
                    None
                }
                Step::Send => self.send(socket).await,
                Step::Stop => Some(Ended::Stopped),
            };
            if let Some(ended) = ended {
                return ended;
            }
        }
    }

    /// While the spool is full nothing is read from the socket; what was fetched before is still taken.
    async fn wait_for_room(&mut self) {
        if self.shared.has_room() {
            return;
        }
        let shared = self.shared.clone();
        let room = shared.room();
        tokio::pin!(room);
        loop {
            tokio::select! {
                () = &mut room => return,
                Some((symbol, body)) = self.fetches.next(), if !self.fetches.is_empty() => self.fetched(&symbol, body),
            }
        }
    }

    fn ended(&mut self, cause: &'static str) {
        let now = self.now();
        self.shared.line_is_up(self.line, false);
        self.count_reconnect(cause);
        tracing::warn!(venue = self.shared.venue, url = self.url, cause, "disconnected");
        self.with_sink(now, |session, sink| session.on_disconnected(now, sink));
        self.shared.writer.borrow_mut().flush_hot();
    }

    /// Now, by the clock of the receive times.
    fn now(&self) -> Nanos {
        match self.recorded {
            Some((recorded, at)) => Nanos(recorded.0 + (self.shared.clock.monotonic() - at).max(0)),
            None => self.shared.clock.wall(),
        }
    }

    fn with_sink(&mut self, now: Nanos, act: impl FnOnce(&mut Session, &mut WriterSink<'_>)) {
        let monotonic = self.shared.clock.monotonic();
        self.with_sink_at(now, monotonic, act);
    }

    /// Whether the session must write a checkpoint.
    fn with_sink_at(
        &mut self,
        now: Nanos,
        monotonic: i64,
        act: impl FnOnce(&mut Session, &mut WriterSink<'_>),
    ) -> bool {
        let shared = &self.shared;
        let mut arbiter = shared.arbiter.borrow_mut();
        let mut sink = WriterSink {
            writer: &mut shared.writer.borrow_mut(),
            arbiter: arbiter.as_mut(),
            line: self.line,
            monotonic,
            now,
            metrics: &shared.metrics,
            duplicates: &shared.duplicates,
            needs_checkpoint: false,
        };
        act(&mut self.session, &mut sink);
        sink.needs_checkpoint
    }

    fn record(&self, record: impl FnOnce(u32, &str) -> Record) {
        if let Some(recorder) = &self.shared.recorder {
            recorder.record(record(self.number, &self.url));
        }
    }

    fn count_reconnect(&self, cause: &'static str) {
        let label = CauseLabel { venue: self.shared.venue.clone(), cause };
        self.shared.metrics.reconnects.get_or_create(&label).inc();
    }

    /// Doubling from 250 ms to 30 s, and up to half as long again so that connections do not return all
    /// at once. The spread comes from the clock: it need not be unpredictable.
    fn pause_before(&self, attempt: u32) -> Duration {
        let base = Duration::from_millis(250).saturating_mul(1 << attempt.min(7)).min(Duration::from_secs(30));
        let mixed = (self.shared.clock.monotonic() as u64 ^ u64::from(self.number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        base + base.mul_f64((mixed >> 40) as f64 / f64::from(1u32 << 24) / 2.0)
    }
}
