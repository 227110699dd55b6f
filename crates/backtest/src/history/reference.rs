//! What must be known at the beginning of a range and was said before it.

use kt_model::schema::Kind;
use kt_warehouse::Client;
use kt_warehouse::client::Options;
use serde::Deserialize;

use super::fetch::columns;
use crate::error::BacktestError;
use crate::scope::{Scope, moment};

/// The newest definition of each market before reading begins, as encoded rows: venues describe an
/// instrument when a feed starts and when something changes, which may be days before.
///
/// # Errors
/// No answer.
pub async fn definitions_before(client: &Client, scope: &Scope) -> Result<Vec<u8>, BacktestError> {
    let sql = format!(
        "SELECT {} FROM {} WHERE {} AND recv_ts < {} AND origin != 'backfill' \
         ORDER BY recv_ts DESC, counter DESC LIMIT 1 BY venue, instrument",
        columns(Kind::Instrument),
        Kind::Instrument.table(),
        scope.markets_condition(),
        moment(scope.begin())
    );
    let options = Options::new().format("RowBinary");
    let rows = client.query_bytes(&sql, &options).await.map_err(BacktestError::asking("reading the instruments"))?;
    Ok(rows.to_vec())
}

/// The mapping revisions that decoded the range's rows, by venue.
///
/// # Errors
/// No answer.
pub async fn mappings(client: &Client, scope: &Scope) -> Result<Vec<(String, String)>, BacktestError> {
    #[derive(Deserialize)]
    struct Revision {
        venue: String,
        mapping: String,
    }
    let parts: Vec<String> = scope
        .kinds
        .iter()
        .map(|kind| {
            let condition = scope.condition(scope.begin(), scope.to);
            format!("SELECT DISTINCT toString(venue) AS venue, mapping FROM {} WHERE {condition}", kind.table())
        })
        .collect();
    let sql = format!(
        "SELECT venue, lower(hex(mapping)) AS mapping FROM (SELECT DISTINCT venue, mapping FROM ({})) ORDER BY venue, mapping",
        parts.join(" UNION ALL ")
    );
    let rows: Vec<Revision> =
        client.query_rows(&sql, &Options::new()).await.map_err(BacktestError::asking("reading the mappings"))?;
    Ok(rows.into_iter().map(|row| (row.venue, row.mapping)).collect())
}
