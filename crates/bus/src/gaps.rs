//! Finding what a subscriber missed: the counters of each writer are contiguous.

use std::collections::HashMap;

use kt_model::{DecodeError, POSITION_BYTES, Reader, codec::Field};

/// Counters that did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterGap {
    /// Whose.
    pub writer: String,
    /// In which epoch.
    pub epoch: u32,
    /// First counter that is missing.
    pub first: u64,
    /// Last counter that is missing.
    pub last: u64,
}

impl CounterGap {
    /// How many rows are missing.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// Watches the counters of all writers. Only meaningful where every row of a writer should arrive.
#[derive(Debug, Default)]
pub struct CounterGaps {
    writers: HashMap<String, (u32, u64)>,
}

impl CounterGaps {
    /// Takes note of an encoded row; says what is missing before it.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes do not begin like a row.
    pub fn observe(&mut self, row: &[u8]) -> Result<Option<CounterGap>, DecodeError> {
        let mut reader = Reader::new(row);
        let position = reader.take(POSITION_BYTES)?;
        let counter = u64::from_le_bytes(*position[8..].first_chunk().ok_or(DecodeError::Truncated)?);
        let epoch = u32::from_le_bytes(*position[16..].first_chunk().ok_or(DecodeError::Truncated)?);
        let writer = <&str>::decode(&mut reader)?;
        let Some(seen) = self.writers.get_mut(writer) else {
            // The first row of a writer: what came before it was before our time.
            self.writers.insert(writer.to_owned(), (epoch, counter));
            return Ok(None);
        };
        let expected = if seen.0 == epoch { seen.1 + 1 } else { 1 };
        if epoch < seen.0 || counter < expected {
            return Ok(None);
        }
        *seen = (epoch, counter);
        let gap = || CounterGap { writer: writer.to_owned(), epoch, first: expected, last: counter - 1 };
        Ok((counter > expected).then(gap))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(writer: &str, epoch: u32, counter: u64) -> Vec<u8> {
        let mut row = vec![0u8; POSITION_BYTES];
        kt_model::stamp_position(&mut row, kt_model::Nanos(0), counter, epoch);
        writer.encode(&mut row);
        row
    }

    #[test]
    fn holes_are_found_per_writer_and_across_epochs() {
        let mut gaps = CounterGaps::default();
        let mut see = |writer, epoch, counter| gaps.observe(&row(writer, epoch, counter)).expect("a row");
        let gap = |writer: &str, epoch, first, last| CounterGap { writer: writer.to_owned(), epoch, first, last };
        assert_eq!(see("a", 1, 7), None);
        assert_eq!(see("b", 9, 1), None);
        assert_eq!(see("a", 1, 8), None);
        assert_eq!(see("a", 1, 11), Some(gap("a", 1, 9, 10)));
        assert_eq!(see("b", 9, 2), None);
        assert_eq!(see("a", 1, 10), None, "late rows close no hole and open none");
        assert_eq!(see("a", 2, 3), Some(gap("a", 2, 1, 2)), "a new epoch starts with 1");
        assert_eq!(see("a", 1, 12), None, "an old epoch is over");
        assert_eq!(see("a", 2, 4), None);
        assert!(gaps.observe(&[0; 19]).is_err());
    }
}
