//! A run from its request to its record.

mod journal;
mod warehouse;

use std::path::PathBuf;
use std::time::Duration;

use kt_model::Nanos;
use kt_warehouse::Client;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::BacktestError;
use crate::manifest::Manifest;
use crate::outcome::Outcome;
use crate::runner::{Ran, RowSink};

pub use journal::epochs_of;

/// Where the past comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// The warehouse's rows in the order of receipt.
    Warehouse {
        /// First receive time.
        from: Nanos,
        /// End, not included.
        to: Nanos,
        /// What is read before `from`, so that books and windows are full.
        warm_up: Nanos,
        /// Time between two ticks, as the live service has them.
        tick: Nanos,
        /// What the strategies are: a file's name and text.
        strategy: Text,
        /// Signals to compute along with them.
        signals: Option<Text>,
    },
    /// A service's own journal: exactly what it took in, in its order.
    Journal {
        /// The service's folder, or one epoch's below it.
        folder: PathBuf,
        /// Where rows are gathered when the journal's own tape is gone.
        gathered: PathBuf,
    },
}

/// A configuration's file.
#[derive(Debug, Clone, Default)]
pub struct Text {
    /// Its name.
    pub file: String,
    /// What it says.
    pub text: String,
}

/// What is to be run.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where the past comes from.
    pub source: Source,
    /// The most memory that rows may take, in bytes.
    pub memory: u64,
    /// The program, as the record names it.
    pub code: String,
    /// Where the warehouse is, for the record.
    pub place: String,
    /// The journal of the service that traded meanwhile: a run over the warehouse says how its order differs.
    pub live_journal: Option<PathBuf>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    /// Events replayed.
    pub done: u64,
    /// Events of the whole range, as far as known.
    pub all: u64,
}

/// Tells how far a run is; called now and then.
pub type Tell = std::sync::Arc<dyn Fn(Progress) + Send + Sync>;

/// Runs, and answers the record and the result. `client` may be missing for a journal that has its tape: what
/// the warehouse knows of its coverage is then not in the record.
///
/// # Errors
/// See [`BacktestError`].
pub async fn run(
    client: Option<&Client>,
    request: &Request,
    sink: Box<dyn RowSink>,
    tell: Tell,
) -> Result<(Manifest, Outcome), BacktestError> {
    let begun = std::time::Instant::now();
    let made_at = std::time::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
    let (mut manifest, ran) = match &request.source {
        Source::Warehouse { .. } => {
            let client = client.ok_or_else(|| BacktestError::Request("there is no warehouse to read".to_owned()))?;
            warehouse::run(client, request, sink, tell).await?
        }
        Source::Journal { .. } => journal::run(client, request, sink, tell).await?,
    };
    manifest.made_at = i64::try_from(made_at.as_nanos()).unwrap_or(i64::MAX);
    manifest.took_seconds = begun.elapsed().as_secs_f64();
    manifest.code.clone_from(&request.code);
    finish(&mut manifest, &ran);
    Ok((manifest, ran.outcome))
}

/// Hashes and the name that follows from them.
fn finish(manifest: &mut Manifest, ran: &Ran) {
    manifest.input_hash = format!("{:016x}", ran.hashes.inputs);
    manifest.output_hash = format!("{:016x}", ran.hashes.outputs);
    manifest.strategy_hash = format!("{:016x}", xxh3_64(manifest.strategy_text.as_bytes()));
    let named = format!("{} {} {}", manifest.input_hash, manifest.strategy_hash, manifest.code);
    manifest.run = format!("{:012x}", xxh3_64(named.as_bytes()) >> 16);
}
