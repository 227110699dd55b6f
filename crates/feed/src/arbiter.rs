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

use std::collections::{HashMap, HashSet, VecDeque};

use kt_model::schema::Kind;
use kt_model::{Book, BookAction, Event, IdentityClass, State};

/// Ids remembered for each instrument and channel. Lines differ by seconds at most.
const REMEMBERED_IDS: usize = 8192;
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

#[derive(Debug, Default)]
struct Seen {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

#[derive(Debug, Default)]
struct Sequence {
    high: Option<u64>,
    book_epoch: u32,
    /// Raised when the venue counts from the beginning again.
    era: u32,
    /// Of each line: its era and its own last number.
    lines: HashMap<u8, (u32, u64)>,
}

#[derive(Debug)]
struct Lead {
    line: u8,
    last: i64,
    /// Since when another line has delivered what the leader has not.
    ahead_since: Option<i64>,
    book_epoch: u32,
    line_epoch: u32,
    needs_base: bool,
    /// Sequence number of the newest book row that passed.
    book_last: u64,
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

impl Seen {
    fn judge(&mut self, id: u64) -> Verdict {
        if !self.known.insert(id) {
            return Verdict::Drop;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED_IDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        Verdict::Pass { book_epoch: 0 }
    }
}

/// The venue's id where a row has one; of rows whose identity is their content, a hash of that.
fn identity_of(event: &Event<'_>) -> u64 {
    let text = match event {
        Event::Trade(row) => row.trade_id,
        Event::Liquidation(row) => row.order_id,
        _ => "",
    };
    if !text.is_empty() {
        return kt_model::block::hash(text.as_bytes());
    }
    let mut bytes = Vec::new();
    let mut plain = *event;
    let header = plain.header_mut();
    (header.recv_ts, header.sent_ts) = (kt_model::Nanos(0), None);
    (header.connection, header.line) = (0, 0);
    plain.encode(&mut bytes);
    kt_model::block::hash(&bytes)
}

impl Sequence {
    /// Whether the line's numbers belong to the present era; notices when they start again.
    fn enters(&mut self, line: u8, number: u64) -> bool {
        let (era, last) = self.lines.get(&line).copied().unwrap_or((self.era, 0));
        let era = if number < last { era + 1 } else { era };
        self.lines.insert(line, (era, number));
        if era > self.era {
            (self.era, self.high) = (era, None);
        }
        era == self.era
    }

    fn judge_number(&mut self, line: u8, number: u64) -> Verdict {
        if !self.enters(line, number) || self.high.is_some_and(|high| number <= high) {
            return Verdict::Drop;
        }
        self.high = Some(number);
        Verdict::Pass { book_epoch: 0 }
    }

    fn judge_book(&mut self, line: u8, book: &Book<'_>, another_is_whole: bool) -> Verdict {
        let last = book.last_sequence;
        let pass = |epoch| Verdict::Pass { book_epoch: epoch };
        match book.action {
            // Ours, of the whole book: it fits only where the merged book stands.
            BookAction::Checkpoint if self.high == Some(last) => pass(self.book_epoch),
            BookAction::Checkpoint => Verdict::Drop,
            BookAction::Snapshot => {
                let entered = self.enters(line, last);
                if !entered || (self.high.is_some() && another_is_whole) {
                    return Verdict::Drop;
                }
                (self.high, self.book_epoch) = (Some(last), self.book_epoch + 1);
                pass(self.book_epoch)
            }
            BookAction::Delta => {
                let entered = self.enters(line, last);
                let Some(high) = self.high.filter(|_| entered) else { return Verdict::Drop };
                // The delta that bridges a snapshot begins at or before it.
                let bridges = book.first_sequence.is_some_and(|first| first <= high + 1);
                let goes_on = bridges || book.previous_sequence == Some(high);
                if last <= high || !goes_on {
                    return Verdict::Drop;
                }
                self.high = Some(last);
                pass(self.book_epoch)
            }
        }
    }
}

impl Lead {
    fn judge(&mut self, line: u8, event: &Event<'_>, now: i64, leader_is_up: bool, silence: i64) -> Verdict {
        if line == self.line {
            (self.last, self.ahead_since) = (now, None);
            return match self.book_epoch_of(event) {
                Some(book_epoch) => Verdict::Pass { book_epoch },
                None => Verdict::Drop,
            };
        }
        let ahead_since = *self.ahead_since.get_or_insert(now);
        if leader_is_up && now - ahead_since < silence {
            return Verdict::Drop;
        }
        let since = std::mem::replace(&mut self.last, now);
        (self.line, self.ahead_since, self.needs_base) = (line, None, true);
        match self.book_epoch_of(event) {
            Some(book_epoch) => Verdict::FailedOver { since, book_epoch },
            None => Verdict::NeedsCheckpoint { since },
        }
    }

    /// 0 for rows that are no book's; `None` for a delta without a base.
    fn book_epoch_of(&mut self, event: &Event<'_>) -> Option<u32> {
        let Event::Book(book) = event else { return Some(0) };
        let is_base = book.action != BookAction::Delta;
        if self.needs_base && !is_base {
            return None;
        }
        if self.needs_base || self.book_epoch == 0 || book.book_epoch != self.line_epoch {
            self.book_epoch += 1;
            (self.line_epoch, self.needs_base) = (book.book_epoch, false);
        }
        self.book_last = book.last_sequence;
        Some(self.book_epoch)
    }
}
