//! What concerns the whole connection: headers, announcements, subscriptions asked for anew.

use super::Core;
use crate::action::Action;
use crate::label::fill;
use crate::mapping::Mapping;
use crate::sink::Sink;
use kt_model::{Event, Header, IdentityClass, Label, Nanos, Origin, State, Status};

impl Core {
    /// A header that concerns the whole venue.
    pub(crate) fn plain_header<'a>(&self, mapping: &'a Mapping, at: Nanos) -> Header<'a> {
        Header {
            publish_ts: Nanos(0),
            counter: 0,
            epoch: 0,
            writer: Label(""),
            venue: Label(&mapping.venue),
            instrument: Label(""),
            channel: Label(""),
            event_ts: at,
            exch_ts: None,
            sent_ts: None,
            recv_ts: at,
            origin: Origin::Live,
            connection: self.settings.connection,
            line: self.settings.line,
            mapping: mapping.revision,
            identity: IdentityClass::Weak,
            occurrence: 0,
        }
    }

    /// Announces something that cannot be right.
    pub(crate) fn suspect<S: Sink + ?Sized>(
        &self,
        mapping: &Mapping,
        at: Nanos,
        cause: &str,
        detail: &str,
        sink: &mut S,
    ) {
        let status = Status { detail, ..status(self.plain_header(mapping, at), State::Suspect, cause) };
        sink.event(&Event::Status(status));
    }

    /// Announces a request that the venue refused.
    pub(super) fn refused<S: Sink + ?Sized>(&self, mapping: &Mapping, at: Nanos, detail: &str, sink: &mut S) {
        self.suspect(mapping, at, "request_refused", detail, sink);
    }

    /// Asks for a channel of one instrument anew.
    pub(crate) fn resubscribe(&mut self, mapping: &Mapping, channel: usize, symbol: &str) {
        let Some(topic) = mapping.topic(channel, Some(symbol)) else { return };
        for template in [&mapping.subscribe.unsubscribe, &mapping.subscribe.message] {
            self.request_id += 1;
            let id = self.request_id.to_string();
            self.actions.push(Action::Send(fill(template, &[("topics", &topic), ("id", &id)])));
        }
    }
}

/// A status row with nothing but its state and cause.
pub(crate) fn status<'a>(header: Header<'a>, state: State, cause: &'a str) -> Status<'a> {
    Status {
        header,
        state,
        cause: Label(cause),
        affected: Label(""),
        from_ts: None,
        to_ts: None,
        first_missing: None,
        last_missing: None,
        missing: None,
        clock_offset: None,
        clock_uncertainty: None,
        detail: "",
    }
}
