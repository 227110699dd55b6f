//! What services say of themselves while they are measured: metrics, readiness, and the warehouse's answers.

use std::net::{Ipv4Addr, SocketAddr};

use kt_warehouse::Client;
use kt_warehouse::client::Options;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::http;

/// Longest answer that is read.
const LONGEST: u64 = 16 << 20;

/// Runs a future to its end on this thread.
fn block_on<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::doing("starting the runtime"))?.block_on(future)
}

/// `GET` on loopback: status and body.
pub(super) fn get(port: u16, path: &str) -> Result<(u16, String), Error> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    block_on(async { http::get(address, path, LONGEST).await.map_err(Error::doing(format!("asking {address}{path}"))) })
}

/// The sum of a metric over all its labels; 0 where it was not counted yet.
pub(super) fn sum(port: u16, name: &str) -> Result<f64, Error> {
    let (_, text) = get(port, "/metrics")?;
    Ok(text.lines().filter_map(|line| sample(line, name)).sum())
}

fn sample(line: &str, name: &str) -> Option<f64> {
    let rest = line.strip_prefix(name)?;
    let value = match rest.strip_prefix('{') {
        Some(labels) => labels.rsplit_once("} ")?.1,
        None => rest.strip_prefix(' ')?,
    };
    value.split_whitespace().next()?.parse().ok()
}

/// The rows of a query on the warehouse.
pub(super) fn query<T: DeserializeOwned>(port: u16, sql: &str) -> Result<Vec<T>, Error> {
    let client = Client::new(&format!("http://127.0.0.1:{port}")).map_err(Error::doing("asking the warehouse"))?;
    block_on(async { client.query_rows(sql, &Options::new()).await.map_err(Error::doing("asking the warehouse")) })
}

/// The sum of rows in the tables of `landing`.
pub(super) fn landed_rows(port: u16) -> Result<u64, Error> {
    #[derive(serde::Deserialize)]
    struct Row {
        rows: u64,
    }
    let sql = "SELECT sum(rows) AS rows FROM system.parts WHERE database = 'landing' AND active";
    let rows: Vec<Row> = query(port, sql)?;
    Ok(rows.first().map_or(0, |row| row.rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_with_and_without_labels() {
        assert_eq!(sample("kt_load_rows_total{kind=\"trade\"} 12", "kt_load_rows_total"), Some(12.0));
        assert_eq!(sample("kt_load_repeated_blocks_total 3", "kt_load_repeated_blocks_total"), Some(3.0));
        assert_eq!(sample("kt_load_rows_total_other 12", "kt_load_rows_total"), None);
    }
}
