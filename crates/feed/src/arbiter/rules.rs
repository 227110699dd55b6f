//! How each identity class decides.

use std::collections::{HashMap, HashSet, VecDeque};

use kt_model::{Book, BookAction, Event};

use super::Verdict;

/// Ids remembered for each instrument and channel. Lines differ by seconds at most.
const REMEMBERED_IDS: usize = 8192;

#[derive(Debug, Default)]
pub(super) struct Seen {
    known: HashSet<u64>,
    order: VecDeque<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Sequence {
    pub(super) high: Option<u64>,
    pub(super) book_epoch: u32,
    /// Raised when the venue counts from the beginning again.
    pub(super) era: u32,
    /// Of each line: its era and its own last number.
    pub(super) lines: HashMap<u8, (u32, u64)>,
}

#[derive(Debug)]
pub(super) struct Lead {
    pub(super) line: u8,
    pub(super) last: i64,
    /// Since when another line has delivered what the leader has not.
    pub(super) ahead_since: Option<i64>,
    pub(super) book_epoch: u32,
    pub(super) line_epoch: u32,
    pub(super) needs_base: bool,
    /// Sequence number of the newest book row that passed.
    pub(super) book_last: u64,
}

impl Seen {
    pub(super) fn judge(&mut self, id: u64) -> Verdict {
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
pub(super) fn identity_of(event: &Event<'_>) -> u64 {
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

    pub(super) fn judge_number(&mut self, line: u8, number: u64) -> Verdict {
        if !self.enters(line, number) || self.high.is_some_and(|high| number <= high) {
            return Verdict::Drop;
        }
        self.high = Some(number);
        Verdict::Pass { book_epoch: 0 }
    }

    pub(super) fn judge_book(&mut self, line: u8, book: &Book<'_>, another_is_whole: bool) -> Verdict {
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
    pub(super) fn judge(&mut self, line: u8, event: &Event<'_>, now: i64, leader_is_up: bool, silence: i64) -> Verdict {
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
