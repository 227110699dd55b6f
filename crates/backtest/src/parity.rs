//! Whether a replay gave what the live service had logged, bit for bit.
//!
//! A service's rows carry the journal's epoch and a counter for each venue, both of which a replay knows. So
//! every row of the log is compared with its own counterpart, all columns but the publish time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kt_model::schema::Kind;
use kt_model::{Event, Label, Nanos, Order, Reader, Signal};
use kt_warehouse::Client;
use kt_warehouse::client::Options;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::BacktestError;
use crate::runner::RowSink;
use crate::scope::quoted;

/// Hashes of the rows that a replay gave, by kind and writer; a row's counter is its place, from 1.
pub type Collected = BTreeMap<(Kind, String), Vec<u64>>;

/// Collects the rows of a replay of one epoch.
#[derive(Debug, Clone)]
pub struct Collector {
    epoch: u32,
    rows: Arc<Mutex<Collected>>,
}

impl Collector {
    /// For the replay of this epoch of a journal.
    #[must_use]
    pub fn new(epoch: u32) -> Self {
        Self { epoch, rows: Arc::default() }
    }

    /// What was collected.
    #[must_use]
    pub fn collected(&self) -> Collected {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, service: &str, event: Event<'_>) {
        let writer = format!("{service}-{}", event.header().venue.0);
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let own = rows.entry((event.kind(), writer.clone())).or_default();
        let mut event = event;
        let header = event.header_mut();
        (header.epoch, header.counter) = (self.epoch, own.len() as u64 + 1);
        own.push(canonical(event, &writer));
    }
}

impl RowSink for Collector {
    fn order(&mut self, order: &Order<'_>) -> Result<(), BacktestError> {
        self.take("trade", Event::Order(*order));
        Ok(())
    }

    fn signal(&mut self, signal: &Signal<'_>) -> Result<(), BacktestError> {
        self.take("signals", Event::Signal(*signal));
        Ok(())
    }
}

/// Hash of a row without its publish time.
fn canonical<'a>(mut event: Event<'a>, writer: &'a str) -> u64 {
    let header = event.header_mut();
    header.publish_ts = Nanos(0);
    header.writer = Label(writer);
    let mut bytes = Vec::with_capacity(512);
    event.encode(&mut bytes);
    xxh3_64(&bytes)
}

/// The comparison of one writer's rows of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parity {
    /// Kind of the rows.
    pub kind: String,
    /// Who logged them.
    pub writer: String,
    /// The journal's epoch.
    pub epoch: u32,
    /// Rows that the replay gave.
    pub replayed: u64,
    /// Rows of the log that are equal.
    pub equal: u64,
    /// Rows of the log that differ.
    pub different: u64,
    /// Counter of the first that differs.
    pub first_different: Option<u64>,
    /// Rows that the log does not have, or not yet.
    pub unlogged: u64,
    /// Rows of the log after the replay's last: the service has gone on.
    pub beyond: u64,
}

impl Parity {
    /// Whether every row of the replay is in the log, and equal.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.different == 0 && self.unlogged == 0 && self.equal == self.replayed
    }
}

/// Compares what was collected with the landed rows of the same epoch.
///
/// # Errors
/// No answer, or rows that cannot be read.
pub async fn compare(client: &Client, collector: &Collector) -> Result<Vec<Parity>, BacktestError> {
    let mut compared = Vec::new();
    for ((kind, writer), replayed) in collector.collected() {
        let sql = format!(
            "SELECT {} FROM {} FINAL WHERE writer = {} AND epoch = {} ORDER BY counter",
            crate::history::columns(kind),
            kind.table(),
            quoted(&writer),
            collector.epoch
        );
        let options = Options::new().format("RowBinary");
        let bytes = client
            .query_bytes(&sql, &options)
            .await
            .map_err(BacktestError::asking("reading what the service logged"))?;
        compared.push(against(kind, &writer, collector.epoch, &replayed, &bytes).map_err(BacktestError::row(kind))?);
    }
    Ok(compared)
}

fn against(
    kind: Kind,
    writer: &str,
    epoch: u32,
    replayed: &[u64],
    logged: &[u8],
) -> Result<Parity, kt_model::DecodeError> {
    let mut parity = Parity {
        kind: kind.to_string(),
        writer: writer.to_owned(),
        epoch,
        replayed: replayed.len() as u64,
        equal: 0,
        different: 0,
        first_different: None,
        unlogged: 0,
        beyond: 0,
    };
    let mut reader = Reader::new(logged);
    while !reader.is_empty() {
        let event = Event::decode(kind, &mut reader)?;
        let counter = event.header().counter;
        let own = usize::try_from(counter).ok().and_then(|counter| replayed.get(counter.checked_sub(1)?));
        match own {
            None => parity.beyond += 1,
            Some(hash) if *hash == canonical(event, writer) => parity.equal += 1,
            Some(_) => {
                parity.different += 1;
                parity.first_different.get_or_insert(counter);
            }
        }
    }
    parity.unlogged = parity.replayed.saturating_sub(parity.equal + parity.different);
    Ok(parity)
}
