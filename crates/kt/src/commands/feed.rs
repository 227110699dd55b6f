//! `kt feed`: which venues and instruments the feed handlers receive, and from where.

use std::collections::BTreeMap;

use kt_feed::{BaseAddress, ClockReading, FeedConfig, SymbolChoice, VenueConfig};
use kt_model::Nanos;
use kt_venue::Mode;
use serde::Deserialize;

use super::services::{bus, failed, log, run as serve, stop_requested};
use crate::config::{Config, SourceMode};
use crate::error::Error;
use crate::http;

/// Longest description of its sources that is read from the simulated exchange.
const LONGEST_DESCRIPTION: u64 = 16 << 20;

/// What the simulated exchange says of itself under `/sim/v1/sources`.
#[derive(Deserialize)]
struct Sources {
    venues: BTreeMap<String, SimulatedVenue>,
}

#[derive(Deserialize)]
struct SimulatedVenue {
    symbols: Vec<String>,
}

pub(crate) fn run(config: &Config) -> Result<(), Error> {
    serve(async {
        let settings = &config.feed;
        let mut feed = FeedConfig::new(bus(config, "kt-feed"), config.data("spool"));
        feed.clock_probe = Some(|| {
            let (offset, uncertainty) = crate::sys::clock_error()?;
            Some(ClockReading { offset: Nanos(offset), uncertainty: Nanos(uncertainty) })
        });
        feed.listen = config.address(settings.metrics_port);
        feed.record_folder = settings.archive.then(|| config.data("archive"));
        feed.spool.bytes = settings.spool_size.0;
        feed.log.log = log(config);
        feed.venues = venues(config).await?;
        kt_feed::run(feed, stop_requested()?).await.map_err(failed)
    })
}

/// The venues that the platform is connected to.
pub(super) async fn venues(config: &Config) -> Result<Vec<VenueConfig>, Error> {
    match config.source.mode {
        SourceMode::Live => live(config),
        SourceMode::Generated | SourceMode::Replay => simulated(config).await,
    }
}

/// The exchanges' own endpoints.
fn live(config: &Config) -> Result<Vec<VenueConfig>, Error> {
    let choice = if config.source.light {
        SymbolChoice::Perpetuals
    } else if config.feed.instruments.is_empty() {
        SymbolChoice::All
    } else {
        SymbolChoice::List(config.feed.instruments.clone())
    };
    let mode = if config.source.light { Mode::Light } else { Mode::Full };
    let venue =
        |name: &String| Ok(VenueConfig { symbols: choice.clone(), mode, ..VenueConfig::new(mapping(config, name)?) });
    config.feed.venues.iter().map(venue).collect()
}

/// Every venue that the simulated exchange serves.
pub(super) async fn simulated_venues(config: &Config) -> Result<Vec<String>, Error> {
    Ok(sources(config).await?.venues.into_keys().collect())
}

/// What the simulated exchange says of itself.
async fn sources(config: &Config) -> Result<Sources, Error> {
    let address = config.address(config.sim.port);
    let asked = http::get(address, "/sim/v1/sources", LONGEST_DESCRIPTION).await;
    let (status, body) = asked.map_err(Error::doing(format!("asking the simulated exchange at {address}")))?;
    if status != 200 {
        return Err(Error::failed(format!("the simulated exchange at {address} answered {status}: {}", body.trim())));
    }
    serde_json::from_str(&body).map_err(Error::doing("reading what the simulated exchange serves"))
}

/// Every venue and symbol that the simulated exchange serves.
async fn simulated(config: &Config) -> Result<Vec<VenueConfig>, Error> {
    let address = config.address(config.sim.port);
    let sources = sources(config).await?;
    let recorded = config.source.mode == SourceMode::Replay;
    let venue = |(name, venue): (String, SimulatedVenue)| {
        Ok(VenueConfig {
            symbols: SymbolChoice::List(venue.symbols),
            base: Some(BaseAddress {
                websocket: format!("ws://{address}/{name}"),
                rest: format!("http://{address}/{name}"),
            }),
            recorded_clock: recorded,
            is_recording: recorded,
            ..VenueConfig::new(mapping(config, &name)?)
        })
    };
    sources.venues.into_iter().map(venue).collect()
}

/// The text of a venue's mapping: from the configured directory, else the built-in one.
pub(super) fn mapping(config: &Config, venue: &str) -> Result<String, Error> {
    let file_name = format!("{venue}.toml");
    let directory = &config.feed.mappings_dir;
    if !directory.as_os_str().is_empty() {
        let path = directory.join(&file_name);
        match std::fs::read_to_string(&path) {
            Ok(text) => return Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::failed(format!("{}: {error}", path.display()))),
        }
    }
    kt_venue::builtin_text(venue).map(str::to_owned).ok_or_else(|| {
        let known: Vec<_> = kt_venue::builtin_venues().collect();
        Error::usage(format!(
            "there is no mapping for the venue {venue}; there are {}; put {file_name} into feed.mappings_dir",
            known.join(", ")
        ))
    })
}
