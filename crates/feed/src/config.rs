//! What the feed service is to do.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use kt_bus::{BusConfig, HotConfig};
use kt_venue::{InstrumentInfo, Mapping, Mode};

use crate::FeedError;
use crate::block_builder::CutPolicy;
use crate::clock::ClockProbe;
use crate::log_stage::LogStageConfig;
use crate::spool::SpoolLimits;
use crate::startup::WriterConfig;

/// The whole service.
#[derive(Clone, Debug)]
pub struct FeedConfig {
    /// Messaging.
    pub bus: BusConfig,
    /// The venues, each on a thread and with a writer of its own.
    pub venues: Vec<VenueConfig>,
    /// Folder of the spools, one folder a writer.
    pub spool_folder: PathBuf,
    /// Where raw frames are archived; `None` does not archive.
    pub record_folder: Option<PathBuf>,
    /// Address of `/metrics` and `/health`.
    pub listen: SocketAddr,
    /// How long the stop may wait for the log's acknowledgements.
    pub stop_within: Duration,
    /// Bounds of each spool.
    pub spool: SpoolLimits,
    /// See [`WriterConfig::synchronise_every`].
    pub synchronise_every: Option<Duration>,
    /// See [`WriterConfig::clock_probe`].
    pub clock_probe: Option<ClockProbe>,
    /// When blocks are cut.
    pub cut: CutPolicy,
    /// Bounds of the hot path.
    pub hot: HotConfig,
    /// The durable log.
    pub log: LogStageConfig,
}

/// One venue.
#[derive(Clone, Debug)]
pub struct VenueConfig {
    /// Text of its mapping file.
    pub mapping: String,
    /// Segments of the mapping to connect to; empty for all.
    pub segments: Vec<String>,
    /// How much is subscribed.
    pub mode: Mode,
    /// Which instruments.
    pub symbols: SymbolChoice,
    /// Another place than the exchange's own addresses, for a simulator or proxy.
    pub base: Option<BaseAddress>,
    /// Redundant lines that carry the same; one is the rule.
    pub lines: Vec<LineConfig>,
    /// Receive times are those that the simulated exchange sends before each frame (8 bytes
    /// big-endian in an unsolicited WebSocket pong), not this machine's.
    pub recorded_clock: bool,
    /// REST requests a second.
    pub requests_per_second: u32,
    /// The other side replays a recording: its instrument list may be missing (the symbols of the choice
    /// are then read by the mapping's rules; an exchange's list is waited for), and trades are taken from
    /// whichever trade channel was recorded.
    pub is_recording: bool,
}

/// Which instruments of a venue are subscribed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SymbolChoice {
    /// All that can be traded.
    All,
    /// All perpetual contracts.
    Perpetuals,
    /// These, by the venue's symbol or by canonical id.
    List(Vec<String>),
}

/// Addresses in place of the exchange's own. The paths of the mapping are appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseAddress {
    /// `ws://127.0.0.1:9100/binance`.
    pub websocket: String,
    /// `http://127.0.0.1:9100/binance`.
    pub rest: String,
}

/// One redundant line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineConfig {
    /// WebSocket base of this line, where it differs.
    pub websocket: Option<String>,
    /// Appended to the address after `?`.
    pub query: Option<String>,
}

impl FeedConfig {
    /// Defaults for one machine.
    #[must_use]
    pub fn new(bus: BusConfig, spool_folder: PathBuf) -> Self {
        Self {
            bus,
            venues: Vec::new(),
            spool_folder,
            record_folder: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 9201)),
            stop_within: Duration::from_secs(10),
            spool: SpoolLimits::default(),
            synchronise_every: None,
            clock_probe: None,
            cut: CutPolicy::default(),
            hot: HotConfig::default(),
            log: LogStageConfig::default(),
        }
    }

    pub(crate) fn writer(&self, venue: &str) -> WriterConfig {
        WriterConfig {
            spool: self.spool,
            synchronise_every: self.synchronise_every,
            clock_probe: self.clock_probe,
            cut: self.cut,
            hot: self.hot.clone(),
            log: self.log.clone(),
            ..WriterConfig::new(venue, &self.spool_folder)
        }
    }
}

impl VenueConfig {
    /// All instruments of a mapping in full, at the exchange's own addresses, over one line.
    #[must_use]
    pub fn new(mapping: String) -> Self {
        Self {
            mapping,
            segments: Vec::new(),
            mode: Mode::Full,
            symbols: SymbolChoice::All,
            base: None,
            lines: vec![LineConfig::default()],
            recorded_clock: false,
            requests_per_second: 5,
            is_recording: false,
        }
    }

    /// The compiled mapping, with the addresses of this configuration.
    ///
    /// # Errors
    /// [`FeedError::Venue`] for a mapping that does not compile or lacks a segment named here.
    pub fn compile(&self) -> Result<Mapping, FeedError> {
        let named = |venue: &str, message: String| FeedError::Venue { venue: venue.to_owned(), message };
        let mut mapping = Mapping::parse(&self.mapping).map_err(|error| named("?", error.to_string()))?;
        if self.lines.is_empty() || self.lines.len() > 8 {
            return Err(FeedError::Config(format!("{}: between 1 and 8 lines", mapping.venue())));
        }
        let Some(base) = &self.base else { return Ok(mapping) };
        for segment in mapping.segment_names().map(str::to_owned).collect::<Vec<_>>() {
            let moved = mapping
                .addresses(&segment)
                .map(|(websocket, rest)| (moved(&base.websocket, websocket), moved(&base.rest, rest)));
            let venue = mapping.venue().to_owned();
            moved
                .and_then(|(websocket, rest)| mapping.set_addresses(&segment, &websocket, &rest))
                .map_err(|error| named(&venue, error.to_string()))?;
        }
        Ok(mapping)
    }

    pub(crate) fn segments(&self, mapping: &Mapping) -> Vec<String> {
        if self.segments.is_empty() {
            mapping.segment_names().map(str::to_owned).collect()
        } else {
            self.segments.clone()
        }
    }
}

impl SymbolChoice {
    pub(crate) fn wants(&self, info: &InstrumentInfo) -> bool {
        match self {
            SymbolChoice::All => true,
            SymbolChoice::Perpetuals => info.instrument_type == kt_model::InstrumentType::Perpetual,
            SymbolChoice::List(names) => {
                names.iter().any(|name| name.eq_ignore_ascii_case(&info.symbol) || **name == *info.id)
            }
        }
    }
}

impl LineConfig {
    /// The address of a plan on this line.
    pub(crate) fn address(&self, planned: &str) -> String {
        let mut url = self.websocket.as_deref().map_or_else(|| planned.to_owned(), |base| moved(base, planned));
        if let Some(query) = &self.query {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(query);
        }
        url
    }
}

/// The path of `address` behind another base.
fn moved(base: &str, address: &str) -> String {
    let after_scheme = address.split_once("://").map_or(address, |(_, rest)| rest);
    let path = after_scheme.find('/').map_or("", |at| &after_scheme[at..]);
    format!("{}{path}", base.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_move_with_their_paths() {
        let line = LineConfig { websocket: None, query: Some("kt_connection=2".to_owned()) };
        let there = moved("ws://127.0.0.1:9100/okx/", "wss://ws.okx.com:8443/ws/v5/public");
        assert_eq!(there, "ws://127.0.0.1:9100/okx/ws/v5/public");
        assert_eq!(line.address(&there), format!("{there}?kt_connection=2"));
        assert_eq!(line.address("ws://x/y?a=b"), "ws://x/y?a=b&kt_connection=2");
        assert_eq!(moved("http://127.0.0.1:9100/binance", "https://api.binance.com"), "http://127.0.0.1:9100/binance");
    }
}
