//! What a listing has traded, kept small: the aggregate trades as they were sent, in chunks of differences.

use std::collections::VecDeque;

use super::candle::Candle;

/// Rows of a chunk.
const CHUNK: u32 = 1024;
/// Closed candles that are kept: a week.
const CANDLES: usize = 7 * 1440;

/// Trades of one taker at one price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aggregate {
    pub id: u64,
    /// In ticks.
    pub price: i64,
    pub lots: i64,
    pub first: u64,
    pub last: u64,
    /// Milliseconds since the epoch.
    pub time: i64,
    pub buyer_is_maker: bool,
}

/// The past of one listing, bounded in bytes.
pub(crate) struct Tape {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    limit: usize,
    candles: VecDeque<Candle>,
    /// Up to this time, in milliseconds, something is no longer kept.
    pub forgotten: Option<i64>,
}

/// Rows that follow one another by id and by trade.
struct Chunk {
    first: Aggregate,
    last: Aggregate,
    rows: u32,
    /// Per row: time, price (as differences), lots, and number of trades with the maker's side.
    bytes: Vec<u8>,
}

impl Tape {
    pub fn new(limit: usize) -> Self {
        Self { chunks: VecDeque::new(), bytes: 0, limit, candles: VecDeque::new(), forgotten: None }
    }

    /// Adds a trade; ids count on without holes.
    pub fn push(&mut self, row: Aggregate) {
        let before = self.bytes_of_last();
        match self.chunks.back_mut().filter(|chunk| chunk.rows < CHUNK) {
            Some(chunk) => chunk.push(row),
            None => self.chunks.push_back(Chunk { first: row, last: row, rows: 1, bytes: Vec::new() }),
        }
        self.bytes += self.bytes_of_last().saturating_sub(before) + usize::from(self.chunks.len() == 1);
        while self.bytes > self.limit && self.chunks.len() > 1 {
            if let Some(oldest) = self.chunks.pop_front() {
                self.bytes = self.bytes.saturating_sub(oldest.bytes.len());
                self.forget(oldest.last.time);
            }
        }
    }

    fn bytes_of_last(&self) -> usize {
        self.chunks.back().map_or(0, |chunk| chunk.bytes.len())
    }

    fn forget(&mut self, time: i64) {
        self.forgotten = self.forgotten.max(Some(time));
    }

    /// Adds a closed candle.
    pub fn push_candle(&mut self, candle: Candle) {
        if self.candles.len() == CANDLES
            && let Some(oldest) = self.candles.pop_front()
        {
            self.forget(oldest.begin);
        }
        self.candles.push_back(candle);
    }

    /// Closed candles from this begin on.
    pub fn candles(&self, from: i64) -> impl Iterator<Item = &Candle> {
        let at = self.candles.partition_point(|candle| candle.begin < from);
        self.candles.range(at..)
    }

    /// Trades from this time on.
    pub fn since(&self, time: i64) -> impl Iterator<Item = Aggregate> {
        let at = self.chunks.partition_point(|chunk| chunk.last.time < time);
        self.chunks.range(at..).flat_map(Chunk::rows).skip_while(move |row| row.time < time)
    }

    /// Trades from this id on; `None` where it is no longer kept.
    pub fn beginning_at(&self, id: u64) -> Option<impl Iterator<Item = Aggregate>> {
        let is_kept = self.chunks.front().is_none_or(|chunk| chunk.first.id <= id || self.forgotten.is_none());
        let at = self.chunks.partition_point(|chunk| chunk.last.id < id);
        is_kept.then(|| self.chunks.range(at..).flat_map(Chunk::rows).skip_while(move |row| row.id < id))
    }

    /// The newest trades, oldest first.
    pub fn newest(&self, most: usize) -> impl Iterator<Item = Aggregate> {
        let last = self.chunks.back().map_or(0, |chunk| chunk.last.id);
        let from = last.saturating_sub((most as u64).saturating_sub(1));
        let at = self.chunks.partition_point(|chunk| chunk.last.id < from);
        self.chunks.range(at..).flat_map(Chunk::rows).skip_while(move |row| row.id < from)
    }
}

impl Chunk {
    fn push(&mut self, row: Aggregate) {
        write(&mut self.bytes, zigzag(row.time - self.last.time));
        write(&mut self.bytes, zigzag(row.price - self.last.price));
        write(&mut self.bytes, row.lots.unsigned_abs());
        write(&mut self.bytes, (row.last - row.first) << 1 | u64::from(row.buyer_is_maker));
        self.last = row;
        self.rows += 1;
    }

    fn rows(&self) -> impl Iterator<Item = Aggregate> {
        let (mut at, mut row) = (0, self.first);
        let next = move |index: u32| {
            if index > 0 {
                let mut read = || read(&self.bytes, &mut at);
                let (time, price) = (unzigzag(read()), unzigzag(read()));
                let (lots, count) = (read(), read());
                let first = row.last + 1;
                row = Aggregate {
                    id: row.id + 1,
                    price: row.price + price,
                    lots: i64::try_from(lots).unwrap_or(i64::MAX),
                    first,
                    last: first + (count >> 1),
                    time: row.time + time,
                    buyer_is_maker: count & 1 == 1,
                };
            }
            row
        };
        (0..self.rows).map(next)
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Seven bits a byte, the lowest first.
fn write(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn read(bytes: &[u8], at: &mut usize) -> u64 {
    let (mut value, mut shift) = (0, 0);
    while let Some(byte) = bytes.get(*at) {
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn gives_back_what_was_put_in_and_knows_what_it_forgot() {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(5);
        let mut tape = Tape::new(40_000);
        let (mut rows, mut trade, mut time) = (Vec::new(), 77, 1_785_000_000_000i64);
        for id in 500..12_500u64 {
            let count = random.random_range(0..4u64);
            time += random.random_range(0..40i64);
            let price = 6_180_000 + random.random_range(-900..900);
            let lots = random.random_range(1..50_000);
            let maker = random.random();
            rows.push(Aggregate { id, price, lots, first: trade, last: trade + count, time, buyer_is_maker: maker });
            trade += count + 1;
            tape.push(rows[rows.len() - 1]);
        }
        let forgotten = tape.forgotten.unwrap();
        let kept: Vec<Aggregate> = tape.since(i64::MIN).collect();
        assert!(kept.len() > 3_000 && kept.len() < rows.len(), "{}", kept.len());
        assert_eq!(kept, rows[rows.len() - kept.len()..]);
        assert!(kept[0].time >= forgotten);
        let from = rows[11_111];
        assert_eq!(tape.beginning_at(from.id).unwrap().collect::<Vec<_>>(), rows[11_111..]);
        let since: Vec<Aggregate> = rows.iter().copied().filter(|row| row.time >= from.time).collect();
        assert_eq!(tape.since(from.time).collect::<Vec<_>>(), since);
        assert_eq!(tape.newest(10).collect::<Vec<_>>(), rows[rows.len() - 10..]);
        assert!(tape.beginning_at(500).is_none());
    }
}
