//! What goes in and out of an open connection.

use bytes::Bytes;
use futures::{FutureExt, SinkExt, StreamExt};
use kt_model::Nanos;
use kt_venue::Action;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use super::{Connection, Ended};
use crate::FeedError;
use crate::recorder::Record;
use crate::socket::{ReadTime, Socket};

/// Frames decoded in one go before the hot path is flushed and others get their turn.
const FRAMES_AT_ONCE: usize = 128;

impl Connection {
    /// Takes what has arrived, up to a bound, and flushes the hot path once for all of it.
    pub(super) async fn receive(
        &mut self,
        first: Option<Result<Message, SocketError>>,
        socket: &mut Socket,
        read_time: &ReadTime,
    ) -> Option<Ended> {
        let mut ended = None;
        let mut next = Some(first);
        let mut frames = 0;
        while let Some(message) = next.take() {
            match message {
                Some(Ok(message)) => ended = self.message(message, read_time),
                Some(Err(error)) => {
                    tracing::warn!(venue = self.shared.venue, url = self.url, %error, "connection failed");
                    ended = Some(Ended::Because("error"));
                }
                None => ended = Some(Ended::Because("closed")),
            }
            frames += 1;
            if ended.is_none() && frames < FRAMES_AT_ONCE {
                next = socket.next().now_or_never();
            }
        }
        self.shared.writer.borrow_mut().flush_hot();
        if frames == FRAMES_AT_ONCE {
            tokio::task::yield_now().await;
        }
        ended
    }

    fn message(&mut self, message: Message, read_time: &ReadTime) -> Option<Ended> {
        match message {
            Message::Text(text) => self.frame(&text.into(), true, read_time),
            Message::Binary(bytes) => self.frame(&bytes, false, read_time),
            Message::Pong(payload) if self.shared.recorded_clock => {
                let (_, monotonic) = read_time.get();
                self.recorded = payload.first_chunk().map(|time| (Nanos(i64::from_be_bytes(*time)), monotonic));
            }
            Message::Close(frame) => {
                let reason = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
                tracing::warn!(venue = self.shared.venue, url = self.url, reason, "the exchange closes the connection");
                return Some(Ended::Because("closed"));
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
        None
    }

    fn frame(&mut self, payload: &Bytes, is_text: bool, read_time: &ReadTime) {
        let (wall, monotonic) = read_time.get();
        let now = match self.recorded {
            Some((recorded, _)) => recorded,
            None => Nanos(wall),
        };
        self.record(|connection, _| Record::Frame { at: now, connection, payload: payload.clone(), is_text });
        self.shared.writer.borrow_mut().frame(monotonic, payload.len());
        let checkpoint = self.with_sink_at(now, monotonic, |session, sink| session.on_frame(payload, now, sink));
        if checkpoint {
            self.with_sink_at(now, monotonic, |session, sink| session.checkpoint(now, sink));
        }
    }

    pub(super) fn fetched(&mut self, symbol: &str, body: Result<Bytes, FeedError>) {
        let now = self.now();
        let outcome = match body {
            Ok(body) => {
                let mut outcome = Ok(());
                self.with_sink(now, |session, sink| outcome = session.on_snapshot(symbol, &body, now, sink));
                outcome.map_err(|error| error.to_string())
            }
            Err(error) => {
                self.session.on_snapshot_failed(symbol, now);
                Err(error.to_string())
            }
        };
        if let Err(cause) = outcome {
            tracing::warn!(venue = self.shared.venue, symbol, cause, "no book snapshot, it is asked for again");
        }
        self.shared.writer.borrow_mut().flush_hot();
    }

    pub(super) fn tick(&mut self) {
        let version = self.shared.catalogue_version();
        if version != self.catalogue_seen {
            self.catalogue_seen = version;
            self.session.set_catalogue(&self.shared.catalogue.borrow());
        }
        let now = self.now();
        self.with_sink(now, |session, sink| session.on_tick(now, sink));
        self.shared.writer.borrow_mut().flush_hot();
    }

    pub(super) async fn send(&mut self, socket: &mut Socket) -> Option<Ended> {
        let text = self.outgoing.pop_front()?;
        self.next_send = Instant::now() + self.shared.send_pause;
        let at = self.now();
        self.record(|connection, url| Record::Sent { at, connection, url: url.to_owned(), text: text.clone() });
        match socket.send(Message::text(text)).await {
            Ok(()) => None,
            Err(error) => {
                tracing::warn!(venue = self.shared.venue, url = self.url, %error, "sending failed");
                Some(Ended::Because("error"))
            }
        }
    }

    /// Takes over what the session asks for; the reason when it asks for a new connection.
    pub(super) fn take_actions(&mut self) -> Option<&'static str> {
        while let Some(action) = self.session.next_action() {
            match action {
                Action::Send(text) => self.outgoing.push_back(text),
                Action::FetchSnapshot { symbol, url } => {
                    let shared = self.shared.clone();
                    self.fetches.push(
                        async move {
                            let body = shared.fetch(&url, 1).await;
                            (symbol, body)
                        }
                        .boxed_local(),
                    );
                }
                Action::Reconnect { reason } => return Some(reason),
            }
        }
        None
    }
}
