//! Cuts a range of receive time into windows that fit into memory, and notes what the range holds.

use std::collections::BTreeMap;

use kt_model::schema::Kind;
use kt_model::{Field, Nanos, Reader};
use kt_warehouse::Client;
use kt_warehouse::client::Options;

use crate::error::BacktestError;
use crate::scope::Scope;

/// The finest step of the plan.
const SECOND: i64 = 1_000_000_000;
/// Steps of a plan at most; longer ranges have longer steps.
const STEPS: i64 = 20_000;

/// Rows of one kind and market received within one step.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Kind of the rows.
    pub kind: Kind,
    /// The market; the instrument is empty for rows about the venue.
    pub market: (String, String),
    /// Start of the step.
    pub at: Nanos,
    /// How many rows.
    pub rows: u64,
    /// Their size as rows, estimated.
    pub bytes: u64,
    /// Earliest venue time among them: finds the part of the table they lie in.
    pub first_event: Nanos,
    /// Latest venue time among them.
    pub last_event: Nanos,
}

/// One request's worth of rows.
#[derive(Debug, Clone)]
pub struct Window {
    /// First receive time.
    pub from: Nanos,
    /// End, not included.
    pub to: Nanos,
    /// For each kind that has rows: how many, their size, and the extent of their venue times.
    pub kinds: BTreeMap<Kind, Extent>,
}

/// What a window holds of one kind.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// How many rows.
    pub rows: u64,
    /// Their size, estimated.
    pub bytes: u64,
    /// Earliest venue time.
    pub first_event: Nanos,
    /// Latest venue time.
    pub last_event: Nanos,
}

/// What a range holds, and how it is read.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Length of a step in nanoseconds.
    pub step: Nanos,
    /// Rows by kind, market and step, ascending by step.
    pub buckets: Vec<Bucket>,
    /// The windows, one after the other.
    pub windows: Vec<Window>,
}

impl Plan {
    /// Asks the warehouse what the scope holds and cuts it into windows of at most `window_bytes`.
    ///
    /// # Errors
    /// No answer, or a step that is larger than a window may be.
    pub async fn make(client: &Client, scope: &Scope, window_bytes: u64) -> Result<Self, BacktestError> {
        let length = scope.to.0.saturating_sub(scope.begin().0);
        let step = Nanos((length / STEPS / SECOND + 1) * SECOND);
        let mut buckets = Vec::new();
        for &kind in &scope.kinds {
            let options = Options::new().format("RowBinary");
            let sql = histogram(kind, scope, step);
            let bytes =
                client.query_bytes(&sql, &options).await.map_err(BacktestError::asking("planning the backtest"))?;
            read_buckets(kind, step, &bytes, &mut buckets).map_err(BacktestError::row(kind))?;
        }
        buckets.sort_by(|a, b| (a.at, a.kind, &a.market).cmp(&(b.at, b.kind, &b.market)));
        let windows = cut(scope, step, &buckets, window_bytes)?;
        Ok(Self { step, buckets, windows })
    }

    /// Rows of the whole range.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.rows).sum()
    }
}

fn histogram(kind: Kind, scope: &Scope, step: Nanos) -> String {
    // Reading the lengths alone does not read the arrays.
    let levels = if kind == Kind::Book { " + 16 * sum(length(bid_prices) + length(ask_prices))" } else { "" };
    format!(
        "SELECT toString(venue), toString(instrument), toInt64(intDiv(toUnixTimestamp64Nano(recv_ts), {step})) AS bucket, \
         count(), toUInt64({row} * count(){levels}), \
         toUnixTimestamp64Nano(min(event_ts)), toUnixTimestamp64Nano(max(event_ts)) \
         FROM {table} WHERE {condition} GROUP BY venue, instrument, bucket ORDER BY bucket",
        step = step.0,
        row = row_bytes(kind),
        table = kind.table(),
        condition = scope.condition(scope.begin(), scope.to),
    )
}

/// Size of a row without its arrays, roughly.
fn row_bytes(kind: Kind) -> u64 {
    match kind {
        Kind::Instrument | Kind::Candle => 420,
        _ => 240,
    }
}

fn read_buckets(kind: Kind, step: Nanos, bytes: &[u8], out: &mut Vec<Bucket>) -> Result<(), kt_model::DecodeError> {
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        let market = (<&str>::decode(&mut reader)?.to_owned(), <&str>::decode(&mut reader)?.to_owned());
        let at = Nanos(i64::decode(&mut reader)? * step.0);
        let (rows, size) = (u64::decode(&mut reader)?, u64::decode(&mut reader)?);
        let (first_event, last_event) = (Nanos::decode(&mut reader)?, Nanos::decode(&mut reader)?);
        out.push(Bucket { kind, market, at, rows, bytes: size, first_event, last_event });
    }
    Ok(())
}

/// Puts neighbouring steps together until a window is full.
fn cut(scope: &Scope, step: Nanos, buckets: &[Bucket], window_bytes: u64) -> Result<Vec<Window>, BacktestError> {
    let mut windows: Vec<Window> = Vec::new();
    let mut filled = 0;
    for group in buckets.chunk_by(|a, b| a.at == b.at) {
        let at = group[0].at;
        let size = group.iter().map(|bucket| bucket.bytes).sum::<u64>();
        if size > window_bytes {
            return Err(BacktestError::Memory { at, bytes: size, allowed: window_bytes });
        }
        if windows.is_empty() || filled + size > window_bytes {
            windows.push(Window { from: at.max(scope.begin()), to: at, kinds: BTreeMap::new() });
            filled = 0;
        }
        filled += size;
        let Some(window) = windows.last_mut() else { continue };
        window.to = Nanos(at.0 + step.0).min(scope.to);
        for bucket in group {
            let extent = window.kinds.entry(bucket.kind).or_insert(Extent {
                rows: 0,
                bytes: 0,
                first_event: bucket.first_event,
                last_event: bucket.last_event,
            });
            extent.rows += bucket.rows;
            extent.bytes += bucket.bytes;
            extent.first_event = extent.first_event.min(bucket.first_event);
            extent.last_event = extent.last_event.max(bucket.last_event);
        }
    }
    Ok(windows)
}
