//! Identity of the blocks of the durable log.
//!
//! A block holds rows of one kind, one writer epoch and one `event_ts` day. Its identity is ours:
//! the log's own sequence numbers may be reused after a power loss, counters are not.

use crate::codec::Reader;
use crate::events::{Event, Header};
use crate::schema::Kind;
use crate::{DecodeError, Nanos};

/// Day of the rows' `event_ts`, in days since 1970-01-01 UTC.
pub type DayOfEvent = i32;

/// What a block says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// Kind of its rows.
    pub kind: Kind,
    /// Version of the kind's columns.
    pub schema_version: u16,
    /// Venue of its rows.
    pub venue: String,
    /// Who wrote it.
    pub writer: String,
    /// The writer's epoch.
    pub epoch: u32,
    /// Number on its subject, from 1 in each epoch, without holes.
    pub number: u64,
    /// Counter of the first row.
    pub first_counter: u64,
    /// Counter of the last row. Counters within a block ascend but may have holes (other kinds).
    pub last_counter: u64,
    /// Rows in the block.
    pub rows: u32,
    /// xxh3-64 of the payload.
    pub hash: u64,
    /// Smallest `event_ts`.
    pub min_event_ts: Nanos,
    /// Largest `event_ts`; of the same day as the smallest.
    pub max_event_ts: Nanos,
}

/// Why a block is not what its header says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// A header is missing or unreadable.
    #[error("block header {0} is missing or unreadable")]
    Header(&'static str),
    /// The payload is not the one that was written.
    #[error("payload hash {found:016x} differs from the header's {stated:016x}")]
    Hash {
        /// In the header.
        stated: u64,
        /// Of the payload.
        found: u64,
    },
    /// The rows do not decode.
    #[error("row {index} does not decode: {cause}")]
    Row {
        /// Position in the block.
        index: u32,
        /// What is wrong.
        cause: DecodeError,
    },
    /// The rows contradict the header.
    #[error("rows contradict the header: {0}")]
    Contradiction(&'static str),
}

impl BlockHeader {
    /// De-duplication id for the log: `writer/epoch/kind/number`.
    #[must_use]
    pub fn message_id(&self) -> String {
        format!("{}/{}/{}/{}", self.writer, self.epoch, self.kind, self.number)
    }

    /// Partition of the rows.
    #[must_use]
    pub fn day(&self) -> DayOfEvent {
        self.min_event_ts.day()
    }

    /// Header lines as they travel with the block.
    #[must_use]
    pub fn to_lines(&self) -> [(&'static str, String); 11] {
        [
            ("Kt-Schema", format!("{}/{}", self.kind, self.schema_version)),
            ("Kt-Venue", self.venue.clone()),
            ("Kt-Writer", self.writer.clone()),
            ("Kt-Epoch", self.epoch.to_string()),
            ("Kt-Block", self.number.to_string()),
            ("Kt-First", self.first_counter.to_string()),
            ("Kt-Last", self.last_counter.to_string()),
            ("Kt-Rows", self.rows.to_string()),
            ("Kt-Hash", format!("{:016x}", self.hash)),
            ("Kt-Min-Event", self.min_event_ts.0.to_string()),
            ("Kt-Max-Event", self.max_event_ts.0.to_string()),
        ]
    }

    /// Reads the header lines through `get`.
    ///
    /// # Errors
    /// [`BlockError::Header`] names the first line that is missing or unreadable.
    pub fn from_lines<'h>(get: impl Fn(&'static str) -> Option<&'h str>) -> Result<Self, BlockError> {
        fn number<'h, T: std::str::FromStr>(
            get: &impl Fn(&'static str) -> Option<&'h str>,
            name: &'static str,
        ) -> Result<T, BlockError> {
            get(name).and_then(|text| text.parse().ok()).ok_or(BlockError::Header(name))
        }
        let (kind, version) =
            get("Kt-Schema").and_then(|text| text.split_once('/')).ok_or(BlockError::Header("Kt-Schema"))?;
        let text = |name: &'static str| get(name).map(str::to_owned).ok_or(BlockError::Header(name));
        Ok(Self {
            kind: Kind::from_name(kind).ok_or(BlockError::Header("Kt-Schema"))?,
            schema_version: version.parse().map_err(|_| BlockError::Header("Kt-Schema"))?,
            venue: text("Kt-Venue")?,
            writer: text("Kt-Writer")?,
            epoch: number(&get, "Kt-Epoch")?,
            number: number(&get, "Kt-Block")?,
            first_counter: number(&get, "Kt-First")?,
            last_counter: number(&get, "Kt-Last")?,
            rows: number(&get, "Kt-Rows")?,
            hash: get("Kt-Hash")
                .and_then(|text| u64::from_str_radix(text, 16).ok())
                .ok_or(BlockError::Header("Kt-Hash"))?,
            min_event_ts: Nanos(number(&get, "Kt-Min-Event")?),
            max_event_ts: Nanos(number(&get, "Kt-Max-Event")?),
        })
    }

    /// Checks the payload's hash.
    ///
    /// # Errors
    /// [`BlockError::Hash`] when the bytes are not the ones that were written.
    pub fn verify_hash(&self, payload: &[u8]) -> Result<(), BlockError> {
        let found = hash(payload);
        if found == self.hash { Ok(()) } else { Err(BlockError::Hash { stated: self.hash, found }) }
    }

    /// Decodes every row and checks counters, epoch and day against the header.
    ///
    /// # Errors
    /// [`BlockError`] for the first contradiction.
    pub fn verify_rows(&self, payload: &[u8], mut each: impl FnMut(&Event<'_>)) -> Result<(), BlockError> {
        let mut reader = Reader::new(payload);
        let mut last = 0u64;
        for index in 0..self.rows {
            let event = Event::decode(self.kind, &mut reader).map_err(|cause| BlockError::Row { index, cause })?;
            let header: &Header<'_> = event.header();
            let expected_first = index > 0 || header.counter == self.first_counter;
            if !expected_first || header.counter <= last && index > 0 || header.epoch != self.epoch {
                return Err(BlockError::Contradiction("counters or epoch"));
            }
            if header.event_ts.day() != self.day() {
                return Err(BlockError::Contradiction("more than one day of event_ts"));
            }
            last = header.counter;
            each(&event);
        }
        if last != self.last_counter || !reader.is_empty() {
            return Err(BlockError::Contradiction("number of rows"));
        }
        Ok(())
    }
}

/// The hash that the header states: xxh3-64.
#[must_use]
pub fn hash(payload: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(payload)
}
