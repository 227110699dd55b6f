//! A journal's order and the warehouse's rows make its tape again.
//!
//! A service keeps its order for good and its rows for a while. When the rows are gone from its disk, each is
//! found in the warehouse by its position, and written behind the same marks into a journal of the same form.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kt_journal::{Journal, Limits, Ordered, replay};
use kt_model::schema::Kind;
use kt_model::{Event, Nanos, Reader};
use kt_signals::Input;
use kt_warehouse::Client;
use kt_warehouse::client::Options;

use super::fetch::columns;
use crate::error::BacktestError;
use crate::scope::{INPUT_KINDS, quoted};

/// Events put together at a time.
const AT_ONCE: u64 = 200_000;

/// A step of the order, owned.
enum Step {
    Run { writer: String, epoch: u32, from: u64, to: u64 },
    Mark(Vec<u8>),
}

/// Writes the journal in `folder` anew, with rows, below `into`; answers where, and what was missing.
///
/// # Errors
/// The warehouse does not answer, or a file cannot be written.
pub async fn gather(client: &Client, folder: &Path, into: &Path) -> Result<(PathBuf, Option<String>), BacktestError> {
    let mut steps = Vec::new();
    replay::read_order(folder, |_, entry| {
        steps.push(match entry {
            Ordered::Run { writer, epoch, from, to } => Step::Run { writer: writer.to_owned(), epoch, from, to },
            Ordered::Input(input) => {
                let mut bytes = Vec::new();
                kt_journal::entry::write(&input, &mut bytes);
                Step::Mark(bytes)
            }
        });
    })?;
    if into.exists() {
        std::fs::remove_dir_all(into).map_err(BacktestError::file(into))?;
    }
    let limits = Limits { tape_bytes: u64::MAX, ..Limits::default() };
    let mut journal = Journal::open(into, limits, Nanos(0))?;
    let (mut missing, mut first_missing) = (0, None);
    let mut at = 0;
    while at < steps.len() {
        let end = enough(&steps, at);
        let rows = Rows::fetch(client, &steps[at..end]).await?;
        for step in &steps[at..end] {
            missing += rows.write(step, &mut journal, &mut first_missing)?;
        }
        journal.flush()?;
        at = end;
    }
    journal.write_order()?;
    let whole = journal.folder().to_owned();
    let said = first_missing.map(|first| {
        format!(
            "{missing} events of the journal are not in the warehouse, the first is {first}: this replay is not exact"
        )
    });
    Ok((whole, said))
}

/// The end of a stretch of about [`AT_ONCE`] events.
fn enough(steps: &[Step], at: usize) -> usize {
    let mut events = 0;
    for (index, step) in steps.iter().enumerate().skip(at) {
        if let Step::Run { from, to, .. } = step {
            events += to - from + 1;
        }
        if events >= AT_ONCE {
            return index + 1;
        }
    }
    steps.len()
}

type Place = (String, u32, u64);

/// The rows of a stretch by their position.
struct Rows {
    bytes: Vec<u8>,
    places: BTreeMap<Place, (Kind, std::ops::Range<usize>)>,
}

impl Rows {
    async fn fetch(client: &Client, steps: &[Step]) -> Result<Self, BacktestError> {
        let mut bounds: BTreeMap<(&str, u32), (u64, u64)> = BTreeMap::new();
        for step in steps {
            if let Step::Run { writer, epoch, from, to } = step {
                let bound = bounds.entry((writer, *epoch)).or_insert((*from, *to));
                *bound = (bound.0.min(*from), bound.1.max(*to));
            }
        }
        let mut rows = Self { bytes: Vec::new(), places: BTreeMap::new() };
        for ((writer, epoch), (from, to)) in bounds {
            let condition =
                format!("writer = {} AND epoch = {epoch} AND counter BETWEEN {from} AND {to}", quoted(writer));
            for kind in INPUT_KINDS.into_iter().chain([Kind::Quarantine]) {
                let sql = format!("SELECT {} FROM {} WHERE {condition}", columns(kind), kind.table());
                let options = Options::new().format("RowBinary");
                let bytes = client
                    .query_bytes(&sql, &options)
                    .await
                    .map_err(BacktestError::asking("gathering the journal's rows"))?;
                rows.add(kind, &bytes).map_err(BacktestError::row(kind))?;
            }
        }
        Ok(rows)
    }

    fn add(&mut self, kind: Kind, bytes: &[u8]) -> Result<(), kt_model::DecodeError> {
        let base = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let start = reader.position();
            let event = Event::decode(kind, &mut reader)?;
            let header = event.header();
            let place = (header.writer.0.to_owned(), header.epoch, header.counter);
            self.places.insert(place, (kind, base + start..base + reader.position()));
        }
        Ok(())
    }

    /// Appends one step; answers how many of its rows are missing.
    fn write(&self, step: &Step, journal: &mut Journal, first: &mut Option<String>) -> Result<u64, BacktestError> {
        let (writer, epoch, from, to) = match step {
            Step::Run { writer, epoch, from, to } => (writer, *epoch, *from, *to),
            Step::Mark(bytes) => {
                let appended =
                    kt_journal::entry::read(&mut Reader::new(bytes), |input: &Input<'_>| journal.append(input));
                appended.map_err(|error| BacktestError::Request(format!("the journal's order: {error}")))?;
                return Ok(0);
            }
        };
        let mut missing = 0;
        for counter in from..=to {
            match self.places.get(&(writer.clone(), epoch, counter)) {
                Some((kind, range)) => {
                    let row = &self.bytes[range.clone()];
                    let event = Event::decode(*kind, &mut Reader::new(row)).map_err(BacktestError::row(*kind))?;
                    journal.append_row(*kind, row, kt_signals::Position::of(&event));
                }
                None => {
                    missing += 1;
                    first.get_or_insert_with(|| format!("{writer} epoch {epoch} counter {counter}"));
                }
            }
        }
        Ok(missing)
    }
}
