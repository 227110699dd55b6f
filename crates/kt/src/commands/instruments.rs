//! `kt venue instruments`: the instruments that venues list now, or listed in a recording.

use std::path::{Path, PathBuf};

use clap::Args;
use kt_feed::{ListReading, Page};
use kt_model::{Instrument, Nanos};
use serde_json::{Value, json};

use crate::config::Config;
use crate::error::Error;

/// Options of `kt venue instruments`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Instruments {
    /// Only this venue
    venue: Option<String>,
    /// Read a recorded list (`…_reference.jsonl.zst`) instead of asking the venue
    #[arg(long, value_name = "FILE", requires = "venue")]
    recording: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(config: &Config, options: &Instruments) -> Result<(), Error> {
    let venues = match (&options.venue, &options.recording) {
        (Some(venue), Some(file)) => vec![recorded(config, venue, file)?],
        _ => super::block_on(asked(config, options.venue.as_deref()))?,
    };
    if options.json {
        super::print_json(&json!({ "venues": venues }))?;
    } else {
        show(&venues);
    }
    let lists = || venues.iter().flat_map(|venue| venue["lists"].as_array().into_iter().flatten());
    match lists().find(|list| list["complete"] != true) {
        None => Ok(()),
        Some(list) => Err(Error::failed(format!("the list {} is not complete: {}", list["list"], list["problem"]))),
    }
}

/// Asks the venues that the platform is connected to.
async fn asked(config: &Config, only: Option<&str>) -> Result<Vec<Value>, Error> {
    let mut answers = Vec::new();
    for venue in super::feed::venues(config).await? {
        let mapping = venue.compile().map_err(super::services::failed)?;
        if only.is_some_and(|name| name != mapping.venue()) {
            continue;
        }
        let mut found: Vec<Vec<Value>> = Vec::new();
        let mut sink = |place, row: &Instrument<'_>| put(&mut found, place, row);
        let readings = kt_feed::read_lists(&venue, &mut sink).await.map_err(super::services::failed)?;
        answers.push(answer(mapping.venue(), readings, found));
    }
    if answers.is_empty() {
        return Err(Error::usage(format!("the platform is not connected to {}", only.unwrap_or("any venue"))));
    }
    Ok(answers)
}

fn recorded(config: &Config, venue: &str, file: &Path) -> Result<Value, Error> {
    let text = super::feed::mapping(config, venue)?;
    let mapping = kt_venue::Mapping::parse(&text).map_err(super::services::failed)?;
    let records = crate::venue_check::load(file)?;
    let pages: Vec<Page> = records
        .into_iter()
        .filter_map(|record| {
            let list = mapping.reference_of_url(record.url.as_deref()?)?.to_owned();
            Some(Page { list, at: Nanos(record.time.unwrap_or(0)), body: record.payload })
        })
        .collect();
    if pages.is_empty() {
        return Err(Error::usage(format!("{} holds no list of {venue}", file.display())));
    }
    let mut found: Vec<Vec<Value>> = Vec::new();
    let mut sink = |place, row: &Instrument<'_>| put(&mut found, place, row);
    let readings = kt_feed::decode_lists(&mapping, &pages, &mut sink);
    Ok(answer(venue, readings, found))
}

fn put(found: &mut Vec<Vec<Value>>, place: usize, row: &Instrument<'_>) {
    if found.len() <= place {
        found.resize_with(place + 1, Vec::new);
    }
    found[place].push(fields(row));
}

/// A list whose rows are not all there is answered without any: nobody shall conclude anything from them.
fn answer(venue: &str, readings: Vec<ListReading>, mut found: Vec<Vec<Value>>) -> Value {
    let lists: Vec<Value> = readings
        .into_iter()
        .enumerate()
        .map(|(place, reading)| {
            let rows = found.get_mut(place).map(std::mem::take).filter(|_| reading.complete).unwrap_or_default();
            json!({
                "list": reading.list,
                "fetched_at": reading.at.0,
                "complete": reading.complete,
                "rows": reading.rows,
                "skipped": reading.skipped,
                "problem": reading.problem,
                "instruments": rows,
            })
        })
        .collect();
    json!({ "venue": venue, "lists": lists })
}

/// Numbers as exact text, times in ns.
fn fields(row: &Instrument<'_>) -> Value {
    let text = |value: Option<kt_model::Quantity>| value.map(|value| value.to_string());
    let time = |value: Option<Nanos>| value.map(|value| value.0);
    json!({
        "instrument": row.header.instrument.0,
        "instrument_id": row.instrument_id,
        "symbol": row.symbol,
        "content_hash": row.content_hash,
        "instrument_type": row.instrument_type.as_str(),
        "payoff": row.payoff.as_str(),
        "base": row.base.0,
        "quote": row.quote.0,
        "settle": row.settle.0,
        "underlying": row.underlying.0,
        "underlying_multiplier": row.underlying_multiplier.to_string(),
        "contract_size": text(row.contract_size),
        "contract_size_unit": row.contract_size_unit.0,
        "tick_size": row.tick_size.map(|value| value.to_string()),
        "lot_size": text(row.lot_size),
        "expiry_ts": time(row.expiry_ts),
        "listed_ts": time(row.listed_ts),
        "delisted_ts": time(row.delisted_ts),
        "status": row.status.as_str(),
        "funding_interval_seconds": row.funding_interval_seconds,
    })
}

fn show(venues: &[Value]) {
    let mut table = super::plain_table();
    table.set_header(["venue", "list", "rows", "instruments", "skipped", "problem"]);
    for venue in venues {
        for list in venue["lists"].as_array().into_iter().flatten() {
            let count = |name: &str| list[name].as_array().map_or(0, Vec::len).to_string();
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            table.add_row([
                text(&venue["venue"]),
                text(&list["list"]),
                text(&list["rows"]),
                count("instruments"),
                count("skipped"),
                text(&list["problem"]),
            ]);
        }
    }
    super::print(table);
}
