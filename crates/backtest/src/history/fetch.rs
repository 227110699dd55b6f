//! Fetches windows ahead of their use: one is replayed while the next is on its way.

use kt_model::schema::Kind;
use kt_warehouse::Client;
use kt_warehouse::client::{ClientError, Options};
use tokio::sync::mpsc;

use super::plan::{Extent, Plan, Window};
use crate::error::BacktestError;
use crate::scope::{Scope, moment};

/// Windows that exist at the same time: one being replayed, one waiting, one arriving.
pub const WINDOWS_IN_MEMORY: u64 = 3;

/// Rows of a block on its way: a block is in memory twice for a moment.
const BLOCK_ROWS: u64 = 16_384;

/// Encoded rows of one kind, in the order of replay. Each begins with its receive time once more, so that
/// a row's place is known without decoding it.
#[derive(Debug)]
pub struct KindRows {
    /// Kind of the rows.
    pub kind: Kind,
    /// The rows.
    pub bytes: Vec<u8>,
}

/// All rows of one window.
#[derive(Debug)]
pub struct WindowRows {
    /// One entry for each kind that has rows.
    pub kinds: Vec<KindRows>,
}

/// Fetches the plan's windows in order on a task of its own. The channel ends after the last one, or
/// after the first error. Waits while the consumer is behind.
pub fn fetch(client: Client, scope: Scope, plan: &Plan) -> mpsc::Receiver<Result<WindowRows, BacktestError>> {
    let (sender, receiver) = mpsc::channel(1);
    let windows = plan.windows.clone();
    tokio::spawn(async move {
        for window in windows {
            let rows = fetch_window(&client, &scope, &window).await;
            let failed = rows.is_err();
            if sender.send(rows).await.is_err() || failed {
                return;
            }
        }
    });
    receiver
}

async fn fetch_window(client: &Client, scope: &Scope, window: &Window) -> Result<WindowRows, BacktestError> {
    let mut kinds = Vec::with_capacity(window.kinds.len());
    for (&kind, extent) in &window.kinds {
        let bytes = fetch_kind(client, scope, window, kind, extent)
            .await
            .map_err(BacktestError::asking("reading the backtest's rows"))?;
        kinds.push(KindRows { kind, bytes });
    }
    Ok(WindowRows { kinds })
}

async fn fetch_kind(
    client: &Client,
    scope: &Scope,
    window: &Window,
    kind: Kind,
    extent: &Extent,
) -> Result<Vec<u8>, ClientError> {
    let sql = rows_sql(kind, scope, window, extent);
    let options =
        Options::new().setting("do_not_merge_across_partitions_select_final", 1).setting("max_block_size", BLOCK_ROWS);
    let mut reader = client.query_native(&sql, &options).await?;
    let mut bytes = Vec::with_capacity(usize::try_from(extent.bytes).unwrap_or(0));
    while reader.next_rows(&mut bytes).await?.is_some() {}
    Ok(bytes)
}

/// The columns of a kind in row order.
pub(crate) fn columns(kind: Kind) -> String {
    kind.schema().columns().map(|column| column.name).collect::<Vec<_>>().join(", ")
}

fn rows_sql(kind: Kind, scope: &Scope, window: &Window, extent: &Extent) -> String {
    format!(
        "SELECT toUnixTimestamp64Nano(recv_ts), {columns} FROM {table} FINAL \
         WHERE {condition} AND event_ts >= {first} AND event_ts <= {last} \
         ORDER BY recv_ts, writer, epoch, counter",
        columns = columns(kind),
        table = kind.table(),
        condition = scope.condition(window.from, window.to),
        first = moment(extent.first_event),
        last = moment(extent.last_event),
    )
}
