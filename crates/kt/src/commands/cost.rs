//! `kt cost`: what the data costs per month, now and when it goes on arriving as it does.

use clap::Args;
use comfy_table::CellAlignment;
use kt_warehouse::tiers::{self, Prices, VenueCost};
use serde_json::json;

use crate::config::Config;
use crate::error::Error;

/// Options of `kt cost`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(config: &Config, options: &Options) -> Result<(), Error> {
    let settings = &config.tiers;
    let prices = Prices {
        hot: settings.hot_price,
        cold: settings.cold_price,
        hot_days: Some(settings.hot_days).filter(|days| *days > 0),
    };
    let venues = super::block_on(async {
        let client = super::warehouse_client(config)?;
        tiers::cost(&client, &prices).await.map_err(|error| Error::failed(error.to_string()))
    })?;
    let together = sum(&venues);
    if options.json {
        return super::print_json(&json!({
            "currency": settings.currency, "hot_price": prices.hot, "cold_price": prices.cold,
            "hot_days": settings.hot_days, "venues": venues, "together": together,
        }));
    }
    let mut table = super::plain_table();
    let currency = &settings.currency;
    let mut header = ["venue", "rows", "hot GB", "cold GB"].map(str::to_owned).to_vec();
    header.extend([format!("{currency}/month"), "GB/day".to_owned()]);
    header.extend(together.projected.iter().map(|then| format!("{currency}/month in {} days", then.days)));
    table.set_header(header);
    for venue in venues.iter().chain([&together]) {
        table.add_row(row(venue));
    }
    for index in 1..table.column_count() {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    super::print(table);
    super::print(format!(
        "at {} {currency} (hot) and {} {currency} (cold) for a GB and month; the rate is that of the last hour",
        prices.hot, prices.cold
    ));
    Ok(())
}

fn row(venue: &VenueCost) -> Vec<String> {
    let gb = |bytes: f64| format!("{:.3}", bytes / 1e9);
    let mut cells = vec![
        venue.venue.clone(),
        venue.rows.to_string(),
        gb(venue.hot_bytes as f64),
        gb(venue.cold_bytes as f64),
        format!("{:.2}", venue.monthly),
        gb(venue.bytes_per_day),
    ];
    cells.extend(venue.projected.iter().map(|then| format!("{:.2}", then.monthly)));
    cells
}

/// All venues as one.
fn sum(venues: &[VenueCost]) -> VenueCost {
    let mut together = VenueCost { venue: "together".to_owned(), ..VenueCost::default() };
    for venue in venues {
        together.rows += venue.rows;
        together.hot_bytes += venue.hot_bytes;
        together.cold_bytes += venue.cold_bytes;
        together.monthly += venue.monthly;
        together.bytes_per_day += venue.bytes_per_day;
        for (index, then) in venue.projected.iter().enumerate() {
            match together.projected.get_mut(index) {
                None => together.projected.push(then.clone()),
                Some(sum) => {
                    sum.hot_bytes += then.hot_bytes;
                    sum.cold_bytes += then.cold_bytes;
                    sum.monthly += then.monthly;
                }
            }
        }
    }
    together
}
