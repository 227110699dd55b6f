//! Opening, keeping alive and losing a connection.

use crate::action::Action;
use crate::label::fill;
use crate::session::{Connection, Session, Unheard};
use crate::sink::Sink;
use kt_model::{Nanos, State};

const SECOND: i64 = 1_000_000_000;

impl Session {
    /// The connection is open: subscribes, and announces the extent of what was missed before.
    pub fn on_connected<S: Sink + ?Sized>(&mut self, now: Nanos, sink: &mut S) {
        let lost_since = self.connection.closed_at.map(|closed| self.connection.last_frame_at.unwrap_or(closed));
        let unheard = self.config.unheard.take().filter(|of| lost_since.is_none() && now.0 - of.since.0 >= of.at_least);
        self.connection = Connection { opened_at: Some(now), last_frame_at: Some(now), ..Connection::default() };
        self.core.actions.clear();
        self.announce(now, State::Connected, "connected", (None, None), sink);
        if let Some(since) = lost_since {
            self.announce(now, State::Gap, "disconnect", (Some(since), Some(now)), sink);
        }
        if let Some(Unheard { since, .. }) = unheard {
            self.announce(now, State::Gap, "connect", (Some(since), Some(now)), sink);
        }
        let topics: Vec<String> = (self.config.subscriptions.iter())
            .filter_map(|wanted| {
                let channel = self.mapping.channel_index(&wanted.channel).ok()?;
                self.mapping.topic(channel, wanted.symbol.as_deref())
            })
            .collect();
        for batch in topics.chunks(self.mapping.subscribe.batch.max(1)) {
            self.core.request_id += 1;
            let id = self.core.request_id.to_string();
            let message = fill(&self.mapping.subscribe.message, &[("topics", &batch.join(",")), ("id", &id)]);
            self.core.actions.push(Action::Send(message));
        }
    }

    /// The connection is gone: books and merged states end here, and consumers are told.
    pub fn on_disconnected<S: Sink + ?Sized>(&mut self, now: Nanos, sink: &mut S) {
        self.connection.closed_at = Some(now);
        self.connection.opened_at = None;
        self.core.actions.clear();
        let since = self.connection.last_frame_at;
        self.announce(now, State::Disconnected, "disconnect", (since, None), sink);
        for channel in self.core.states.iter_mut().flat_map(|state| &mut state.channels) {
            channel.merged.clear();
            if let Some(book) = &mut channel.book {
                book.is_broken |= book.is_in();
                book.drop_out();
                book.take_pending();
                book.is_requested = false;
                book.retry_at = None;
                book.failures = 0;
            }
        }
    }

    /// Time passes: pings, snapshots asked for again, connections that are silent or too old.
    /// Call it about once a second.
    pub fn on_tick<S: Sink + ?Sized>(&mut self, now: Nanos, sink: &mut S) {
        let Some(opened) = self.connection.opened_at else { return };
        let limits = &self.mapping.connection;
        let since = |at: Nanos| now.0.saturating_sub(at.0) / SECOND;
        let silent = since(self.connection.last_frame_at.unwrap_or(opened)) >= i64::from(limits.silence_seconds);
        let old = limits.lifetime_seconds.is_some_and(|seconds| since(opened) >= i64::from(seconds));
        if (silent || old) && !self.connection.reconnect_asked {
            self.connection.reconnect_asked = true;
            let reason = if silent { "silence" } else { "lifetime" };
            self.core.actions.push(Action::Reconnect { reason });
            if silent {
                self.announce(now, State::Stale, "silence", (self.connection.last_frame_at, None), sink);
            }
        }
        if let Some(ping) = &self.mapping.connection.ping
            && since(self.connection.last_ping_at.unwrap_or(opened)) >= i64::from(ping.every_seconds)
        {
            self.connection.last_ping_at = Some(now);
            self.core.actions.push(Action::Send(ping.text.clone()));
        }
        self.retry_snapshots(now);
    }

    fn retry_snapshots(&mut self, now: Nanos) {
        let mut due = Vec::new();
        for (instrument, state) in self.core.states.iter_mut().enumerate() {
            for channel in &mut state.channels {
                let Some(book) = channel.book.as_mut().filter(|book| !book.is_in()) else { continue };
                if book.is_requested && book.retry_at.is_some_and(|at| at <= now) {
                    book.retry_at = Some(book.next_try(now));
                    due.push((instrument as u32, channel.channel));
                }
            }
        }
        for (instrument, channel) in due {
            let Session { mapping, catalogue, core, .. } = self;
            if let Some(map) = &mapping.channels[channel].book {
                core.request_snapshot(mapping, map, channel, &catalogue.get(instrument).symbol);
            }
        }
    }
}
