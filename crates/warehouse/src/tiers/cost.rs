//! What the data costs per month, and what it will cost when it goes on arriving as it does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Tier, TierError};
use crate::client::{Client, Options};

/// Bytes of a GB as providers bill it.
const GB: f64 = 1e9;
/// The time over which the current rate is measured, in seconds.
const WINDOW: u64 = 3600;

/// Prices per GB (10^9 bytes) and month, and for how long data stays hot.
#[derive(Debug, Clone, Copy)]
pub struct Prices {
    /// The local disk's.
    pub hot: f64,
    /// The object store's.
    pub cold: f64,
    /// Days after which data turns cold; `None`: it never does by itself.
    pub hot_days: Option<u32>,
}

/// What a venue's data in landing takes up and costs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct VenueCost {
    /// The venue.
    pub venue: String,
    /// Rows, before equal ones are merged.
    pub rows: u64,
    /// Bytes on the local disk.
    pub hot_bytes: u64,
    /// Bytes in the object store.
    pub cold_bytes: u64,
    /// Cost of a month as things are.
    pub monthly: f64,
    /// Bytes that arrive in a day at the current rate; 0 while nothing arrives.
    pub bytes_per_day: f64,
    /// What a month will cost.
    pub projected: Vec<Projection>,
}

/// The cost of a month in some days, should the current rate last.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Projection {
    /// In how many days.
    pub days: u32,
    /// Bytes on the local disk then.
    pub hot_bytes: f64,
    /// Bytes in the object store then.
    pub cold_bytes: f64,
    /// Cost of a month then.
    pub monthly: f64,
}

#[derive(Deserialize)]
struct Part {
    table: String,
    name: String,
    tier: Tier,
    rows: u64,
    bytes: u64,
}

#[derive(Deserialize)]
struct Share {
    part: String,
    venue: String,
    writer: String,
    rows: u64,
}

/// What a writer's rows of one table take up in one part, for one venue.
struct Weight {
    venue: String,
    bytes: f64,
    rows: u64,
}

#[derive(Deserialize)]
struct Arrived {
    kind: String,
    writer: String,
    rows: u64,
    seconds: f64,
}

/// Landing's cost by venue, sorted by name. A part's bytes are divided among its venues by their rows.
///
/// # Errors
/// The warehouse does not answer.
pub async fn cost(client: &Client, prices: &Prices) -> Result<Vec<VenueCost>, TierError> {
    let sql = format!(
        "SELECT table, name, if(disk_name = '{}', 'cold', 'hot') AS tier, rows, bytes_on_disk AS bytes
         FROM system.parts WHERE active AND database = 'landing' AND rows > 0",
        Tier::Cold.disk()
    );
    let parts: Vec<Part> =
        client.query_rows(&sql, &Options::new()).await.map_err(TierError::doing("listing landing's parts"))?;
    let mut by_table: BTreeMap<&str, BTreeMap<&str, &Part>> = BTreeMap::new();
    for part in &parts {
        by_table.entry(&part.table).or_default().insert(&part.name, part);
    }
    let mut venues: BTreeMap<String, VenueCost> = BTreeMap::new();
    let mut weights: BTreeMap<(String, String), Vec<Weight>> = BTreeMap::new();
    for (table, parts) in by_table {
        let sql = format!(
            "SELECT _part AS part, venue, writer, count() AS rows FROM landing.{table} GROUP BY part, venue, writer"
        );
        let doing = || TierError::doing(format!("counting the rows of landing.{table}"));
        let shares: Vec<Share> = client.query_rows(&sql, &Options::new()).await.map_err(doing())?;
        for share in shares {
            // A part that was merged since the list was read is in a later list.
            let Some(part) = parts.get(share.part.as_str()) else { continue };
            let bytes = part.bytes as f64 * share.rows as f64 / part.rows as f64;
            let venue = venues.entry(share.venue.clone()).or_default();
            venue.rows += share.rows;
            match part.tier {
                Tier::Hot => venue.hot_bytes += bytes as u64,
                Tier::Cold => venue.cold_bytes += bytes as u64,
            }
            weights.entry((table.to_owned(), share.writer)).or_default().push(Weight {
                venue: share.venue,
                bytes,
                rows: share.rows,
            });
        }
    }
    for arrived in rates(client).await? {
        let Some(weights) = weights.get(&(arrived.kind, arrived.writer)) else { continue };
        let rows: u64 = weights.iter().map(|weight| weight.rows).sum();
        // A writer's new rows belong to venues, and take up what a row takes up, as its rows so far.
        let rows_per_day = arrived.rows as f64 / arrived.seconds * 86_400.0;
        for weight in weights {
            if let Some(venue) = venues.get_mut(&weight.venue) {
                venue.bytes_per_day += rows_per_day * weight.bytes / rows as f64;
            }
        }
    }
    Ok(venues
        .into_iter()
        .map(|(name, mut venue)| {
            venue.venue = name;
            venue.monthly = monthly(venue.hot_bytes as f64, venue.cold_bytes as f64, prices);
            venue.projected = [30, 365].map(|days| project(&venue, days, prices)).to_vec();
            venue
        })
        .collect())
}

/// Rows that landed lately, by kind and writer, and over how long.
async fn rates(client: &Client) -> Result<Vec<Arrived>, TierError> {
    let sql = "SELECT kind, writer, sum(rows) AS rows,
                      greatest(60., dateDiff('second', min(written_at), now64(9)) * 1.) AS seconds
               FROM ops.intents WHERE stage = 'done' AND written_at > now64(9) - toIntervalSecond({window:UInt64})
               GROUP BY kind, writer";
    let options = Options::new().param("window", WINDOW);
    client.query_rows(sql, &options).await.map_err(TierError::doing("measuring the current rate"))
}

fn monthly(hot: f64, cold: f64, prices: &Prices) -> f64 {
    hot / GB * prices.hot + cold / GB * prices.cold
}

/// The state in `days` days. What is hot now turns cold evenly over the hot days.
fn project(venue: &VenueCost, days: u32, prices: &Prices) -> Projection {
    let (hot_now, cold_now) = (venue.hot_bytes as f64, venue.cold_bytes as f64);
    let total = hot_now + cold_now + venue.bytes_per_day * f64::from(days);
    let hot = match prices.hot_days {
        None => total - cold_now,
        Some(hot_days) => {
            let stays = (1.0 - f64::from(days) / f64::from(hot_days)).max(0.0);
            hot_now * stays + venue.bytes_per_day * f64::from(days.min(hot_days))
        }
    };
    let cold = total - hot;
    Projection { days, hot_bytes: hot, cold_bytes: cold, monthly: monthly(hot, cold, prices) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn venue(hot: u64, cold: u64, rate: f64) -> VenueCost {
        VenueCost { hot_bytes: hot, cold_bytes: cold, bytes_per_day: rate, ..VenueCost::default() }
    }

    #[test]
    fn what_arrives_is_hot_first_and_cold_later() {
        let prices = Prices { hot: 0.08, cold: 0.02, hot_days: Some(10) };
        let year = project(&venue(5_000_000_000, 0, 1e9), 365, &prices);
        assert!((year.hot_bytes - 10e9).abs() < 1.0 && (year.cold_bytes - 360e9).abs() < 1.0, "{year:?}");
        assert!((year.monthly - (10.0 * 0.08 + 360.0 * 0.02)).abs() < 1e-9, "{year:?}");
        let five = project(&venue(4_000_000_000, 1_000_000_000, 0.0), 5, &prices);
        assert!((five.hot_bytes - 2e9).abs() < 1.0 && (five.cold_bytes - 3e9).abs() < 1.0, "{five:?}");
    }

    #[test]
    fn without_hot_days_nothing_turns_cold() {
        let prices = Prices { hot: 1.0, cold: 0.0, hot_days: None };
        let then = project(&venue(1_000_000_000, 7, 1e9), 30, &prices);
        assert!((then.hot_bytes - 31e9).abs() < 1.0 && (then.cold_bytes - 7.0).abs() < 1.0, "{then:?}");
    }
}
