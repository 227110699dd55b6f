//! One stream out of redundant lines that carry the same events. Pure: no clock, no I/O.
//!
//! Per instrument and channel, by the identity class that the mapping declares:
//!
//! * `id`: the first copy of each id passes, whichever line brings it.
//! * `sequence`: what goes on from the last sequence number passes. A gap on one line is no gap as long
//!   as another line is whole. Book deltas that name neither their first number nor the one before them
//!   cannot be joined across lines (numbers that we count ourselves differ from line to line): they are
//!   treated as weak.
//! * `weak`: one line leads; rows of the others never pass. When the leader falls silent while another
//!   line delivers, or its connection ends, the whole channel fails over.

mod rules;

use std::collections::HashMap;

use kt_model::schema::Kind;
use kt_model::{BookAction, Event, IdentityClass, State};

use rules::{Lead, Seen, Sequence, identity_of};

/// Instruments that may be tracked; a venue lists a few thousand.
const MOST_INSTRUMENTS: usize = 50_000;
const PASS: Verdict = Verdict::Pass { book_epoch: 0 };

/// What is to become of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes. A book row gets this `book_epoch`.
    Pass {
        /// Epoch of the merged book; 0 for other kinds.
        book_epoch: u32,
    },
    /// Another line has delivered it, or leads.
    Drop,
    /// It passes, and the channel's lead has just gone over to this line: what came between the old
    /// leader's last event and now may be missing.
    FailedOver {
        /// Monotonic time of the old leader's last event.
        since: i64,
        /// Epoch of the merged book; 0 for other kinds.
        book_epoch: u32,
    },
    /// It does not pass: the lead has gone over to this line, whose book has no base yet. Let its
    /// session write a checkpoint.
    NeedsCheckpoint {
        /// Monotonic time of the old leader's last event.
        since: i64,
    },
}

/// Merges lines. All times are monotonic nanoseconds.
#[derive(Debug)]
pub struct Arbiter {
    up: Vec<bool>,
    silence: i64,
    instruments: HashMap<Box<str>, Instrument>,
}

#[derive(Debug, Default)]
struct Instrument {
    /// Bit by line: its book has announced a gap and not yet that it is whole again.
    broken: u8,
    streams: Vec<(Kind, Box<str>, Stream)>,
}

#[derive(Debug)]
enum Stream {
    Ids(Seen),
    Sequence(Sequence),
    Book(Sequence),
    Weak(Lead),
}

impl Arbiter {
    /// For up to eight lines; a leader that is silent for `silence` nanoseconds longer than another line
    /// loses its lead.
    #[must_use]
    pub fn new(lines: u8, silence: i64) -> Self {
        Self { up: vec![true; usize::from(lines.min(8))], silence, instruments: HashMap::new() }
    }

    /// The connection of a line was made or ended.
    pub fn line_is_up(&mut self, line: u8, up: bool) {
        if let Some(state) = self.up.get_mut(usize::from(line)) {
            *state = up;
        }
    }

    /// Decides about an event of a line.
    pub fn judge(&mut self, line: u8, event: &Event<'_>, now: i64) -> Verdict {
        let header = event.header();
        let name = header.instrument.0;
        if name.is_empty() || matches!(event, Event::Quarantine(_) | Event::Instrument(_)) {
            return PASS;
        }
        if !self.instruments.contains_key(name) {
            if self.instruments.len() >= MOST_INSTRUMENTS {
                return PASS; // a venue that makes up names: rather duplicates than growth without bound
            }
            self.instruments.insert(name.into(), Instrument::default());
        }
        let (up, silence) = (&self.up, self.silence);
        let Some(instrument) = self.instruments.get_mut(name) else { return PASS };
        let another_is_whole = up
            .iter()
            .enumerate()
            .any(|(other, up)| *up && other != usize::from(line) && instrument.broken >> other & 1 == 0);
        if let Event::Status(status) = event {
            return instrument.judge_status(line, status.state, another_is_whole);
        }
        let broken = &mut instrument.broken;
        let found = instrument
            .streams
            .iter()
            .position(|(kind, channel, _)| *kind == event.kind() && **channel == *header.channel.0);
        let at = found.unwrap_or_else(|| {
            let stream = Stream::for_event(event, line, now);
            instrument.streams.push((event.kind(), header.channel.0.into(), stream));
            instrument.streams.len() - 1
        });
        match (&mut instrument.streams[at].2, event) {
            (Stream::Ids(seen), _) => seen.judge(identity_of(event)),
            (Stream::Sequence(sequence), Event::Quote(quote)) => sequence.judge_number(line, quote.sequence),
            (Stream::Book(sequence), Event::Book(book)) => {
                if book.action == BookAction::Snapshot {
                    *broken &= !(1 << line);
                }
                sequence.judge_book(line, book, another_is_whole)
            }
            (stream @ Stream::Weak(_), _) => {
                let Some(lead) = stream.lead_or_join(line, event) else { return self.judge(line, event, now) };
                let leader_is_up = up.get(usize::from(lead.line)).copied().unwrap_or(false);
                lead.judge(line, event, now, leader_is_up, silence)
            }
            _ => PASS,
        }
    }
}

impl Instrument {
    /// What one line lost is no gap while another line is whole.
    fn judge_status(&mut self, line: u8, state: State, another_is_whole: bool) -> Verdict {
        match state {
            State::Gap => self.broken |= 1 << line,
            State::Resynchronised => self.broken &= !(1 << line),
            _ => return PASS,
        }
        if another_is_whole { Verdict::Drop } else { PASS }
    }
}

impl Stream {
    fn for_event(event: &Event<'_>, line: u8, now: i64) -> Self {
        match (event.header().identity, event) {
            (IdentityClass::Sequence, Event::Quote(_)) => Stream::Sequence(Sequence::default()),
            (IdentityClass::Id, _) => Stream::Ids(Seen::default()),
            _ => Stream::Weak(Lead {
                line,
                last: now,
                ahead_since: None,
                book_epoch: 0,
                line_epoch: 0,
                needs_base: false,
                book_last: 0,
            }),
        }
    }

    /// A book begins under the lead of one line, because its snapshot does not show how its deltas are
    /// numbered. When the leader's first delta can be joined, the stream becomes one that merges: then
    /// `None`, and the event is to be judged again.
    fn lead_or_join(&mut self, line: u8, event: &Event<'_>) -> Option<&mut Lead> {
        let Stream::Weak(lead) = self else { return None };
        let joins = match event {
            Event::Book(book) => {
                book.action == BookAction::Delta
                    && (book.first_sequence.is_some() || book.previous_sequence.is_some())
                    && book.header.identity == IdentityClass::Sequence
            }
            _ => false,
        };
        if joins && line == lead.line && lead.book_epoch > 0 && !lead.needs_base {
            let lines = HashMap::from([(line, (0, lead.book_last))]);
            let (high, book_epoch) = (Some(lead.book_last), lead.book_epoch);
            *self = Stream::Book(Sequence { high, book_epoch, era: 0, lines });
            return None;
        }
        match self {
            Stream::Weak(lead) => Some(lead),
            _ => None,
        }
    }
}
