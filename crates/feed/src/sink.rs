//! From a session to the writer, through the arbiter where lines are redundant.

use kt_model::codec::Label;
use kt_model::{Event, Nanos, State, Status};
use kt_venue::Sink;
use prometheus_client::metrics::counter::Counter;

use crate::arbiter::{Arbiter, Verdict};
use crate::metrics::{CauseLabel, FeedMetrics};
use crate::startup::feed_header;
use crate::writer::Writer;

/// Takes the events of one session for as long as it decodes one frame.
pub(crate) struct WriterSink<'a> {
    pub writer: &'a mut Writer,
    pub arbiter: Option<&'a mut Arbiter>,
    pub line: u8,
    /// Monotonic time of the frame.
    pub monotonic: i64,
    /// Receive time of the frame.
    pub now: Nanos,
    pub metrics: &'a FeedMetrics,
    pub duplicates: &'a Counter,
    /// Set when the session must write a checkpoint of its books before its deltas pass.
    pub needs_checkpoint: bool,
}

impl Sink for WriterSink<'_> {
    #[inline]
    fn event(&mut self, event: &Event<'_>) {
        if let Event::Status(status) = event {
            self.count_state(status.state);
        }
        let Some(arbiter) = &mut self.arbiter else { return self.writer.event(event) };
        match arbiter.judge(self.line, event, self.monotonic) {
            Verdict::Drop => {
                self.duplicates.inc();
            }
            Verdict::Pass { book_epoch } => self.pass(event, book_epoch),
            Verdict::FailedOver { since, book_epoch } => {
                self.announce_failover(event, since);
                self.pass(event, book_epoch);
            }
            Verdict::NeedsCheckpoint { since } => {
                self.announce_failover(event, since);
                self.needs_checkpoint = true;
            }
        }
    }
}

impl WriterSink<'_> {
    fn pass(&mut self, event: &Event<'_>, book_epoch: u32) {
        match event {
            Event::Book(book) => {
                let mut book = *book;
                book.book_epoch = book_epoch;
                self.writer.event(&Event::Book(book));
            }
            other => self.writer.event(other),
        }
    }

    /// A weak channel has no identity by which to fill in what the old leader had not delivered.
    fn announce_failover(&mut self, event: &Event<'_>, since: i64) {
        let from = Nanos(self.now.0 - (self.monotonic - since).max(0));
        let mut header = feed_header(self.now, event.header().channel.0);
        header.instrument = event.header().instrument;
        header.line = self.line;
        self.count_state(State::Gap);
        self.writer.event(&Event::Status(Status {
            header,
            state: State::Gap,
            cause: Label("failover"),
            affected: Label(event.kind().as_str()),
            from_ts: Some(from),
            to_ts: Some(self.now),
            first_missing: None,
            last_missing: None,
            missing: None,
            clock_offset: None,
            clock_uncertainty: None,
            detail: "another line took over the lead of this channel",
        }));
    }

    fn count_state(&self, state: State) {
        let venue = self.writer.identity().venue.clone();
        self.metrics.states.get_or_create(&CauseLabel { venue, cause: state.as_str() }).inc();
    }
}
