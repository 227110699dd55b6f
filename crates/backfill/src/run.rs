//! The backfill: what is to be done, venue by venue.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kt_bus::{Bus, BusConfig, LogConfig};
use kt_model::Nanos;
use kt_model::schema::Kind;
use kt_venue::Mapping;
use kt_warehouse::Client;
use kt_warehouse::gaps::{Gap, Ledger, is_market_data};

use crate::instruments::Instruments;
use crate::lock::VenueLock;
use crate::output::Output;
use crate::plan::{PartitionKey, Pieces};
use crate::range::Filler;
use crate::report::{GapReport, ListedPartition, RangeReport, WindowReport};
use crate::source::{Patience, Source};
use crate::time::{SECOND, text};
use crate::{BackfillError, ErrorKind};

/// How far around a gap rows are looked for that say what the venue's feed had subscribed.
const AROUND: i64 = 3600 * SECOND;

/// What a backfill is told.
#[derive(Clone)]
pub struct BackfillConfig {
    /// Messaging.
    pub bus: BusConfig,
    /// Limits of the durable log, should it have to be created.
    pub log: LogConfig,
    /// Folder of the spools.
    pub spools: PathBuf,
    /// The warehouse.
    pub warehouse: Client,
    /// The venues that can be asked, with the addresses to ask at.
    pub venues: VenueAccess,
    /// How long one request may take.
    pub timeout: Duration,
    /// How often a request is tried.
    pub attempts: u32,
    /// The longest pause that a venue may ask for before the backfill gives up.
    pub longest_pause: Duration,
    /// How long rows may take to land.
    pub land_within: Duration,
    /// How long to wait for another backfill of the venue.
    pub wait_for_other: Duration,
    /// Asked for on either side of a gap: clocks differ, and rows that are known prove the history.
    pub margin: Duration,
}

/// Mappings by venue.
pub type VenueAccess = BTreeMap<String, Arc<Mapping>>;

/// Where a backfill is.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The venue.
    pub venue: &'a str,
    /// The kind.
    pub kind: Kind,
    /// The instrument.
    pub instrument: &'a str,
    /// How much of its window has been asked for, 0 to 1.
    pub part: f64,
    /// Rows found so far.
    pub rows: u64,
}

/// Is told of every page.
pub type Watch = dyn Fn(&Step<'_>);

/// See the crate.
pub struct Backfill {
    pub(crate) config: BackfillConfig,
    pub(crate) ledger: Ledger,
}

/// One venue at work.
pub(crate) struct Venue<'a> {
    pub backfill: &'a Backfill,
    pub mapping: Arc<Mapping>,
    pub source: Source,
    pub output: Output,
    _lock: VenueLock,
}

impl Backfill {
    /// With this configuration.
    #[must_use]
    pub fn new(config: BackfillConfig) -> Self {
        let ledger = Ledger::new(config.warehouse.clone());
        Self { config, ledger }
    }

    /// All pieces of all gaps of a venue, or of all venues.
    pub(crate) async fn pieces(&self, venue: Option<&str>) -> Result<Pieces, BackfillError> {
        let (gaps, fills) = (self.ledger.gaps(venue).await?, self.ledger.fills(venue).await?);
        let examined: std::collections::HashSet<_> = fills.iter().map(|fill| fill.key.clone()).collect();
        let mut seen: HashMap<(String, i64), Vec<Kind>> = HashMap::new();
        for gap in gaps.iter().filter(|gap| gap.kind.is_empty() && !examined.contains(&gap.key)) {
            if let Entry::Vacant(place) = seen.entry((gap.venue.clone(), gap.from.0.div_euclid(AROUND))) {
                let window = (Nanos(gap.from.0 - AROUND), Nanos(gap.to.0 + AROUND));
                place.insert(self.ledger.kinds_seen(&gap.venue, window).await?);
            }
        }
        let kinds = |gap: &Gap| match Kind::from_name(&gap.kind) {
            Some(kind) => vec![kind],
            None => {
                let seen = seen.get(&(gap.venue.clone(), gap.from.0.div_euclid(AROUND))).cloned().unwrap_or_default();
                if seen.is_empty() { vec![Kind::Trade] } else { seen }
            }
        };
        let fillable = |venue: &str, kind: Kind| {
            is_market_data(kind) && self.config.venues.get(venue).is_none_or(|mapping| mapping.has_history(kind))
        };
        Ok(Pieces::new(&gaps, fills, kinds, fillable))
    }

    /// What the ledger holds, by venue, kind and day.
    ///
    /// # Errors
    /// [`BackfillError`] when the warehouse does not answer.
    pub async fn list(&self, venue: Option<&str>) -> Result<Vec<ListedPartition>, BackfillError> {
        Ok(self.pieces(venue).await?.list())
    }

    /// Fills the open gaps of a venue, kind and day; of all where one is not named. A gap that the source does not let
    /// fill stays open with the reason and keeps no other from being filled.
    ///
    /// # Errors
    /// [`BackfillError`] when the platform itself fails, or another backfill works on the venue.
    pub async fn gaps(
        &self,
        (venue, kind, day): (Option<&str>, Option<Kind>, Option<&str>),
        watch: &Watch,
    ) -> Result<GapReport, BackfillError> {
        let wanted = |key: &PartitionKey| {
            kind.is_none_or(|kind| kind.as_str() == key.kind) && day.is_none_or(|day| day == key.day)
        };
        let pieces = self.pieces(venue).await?;
        self.ledger.write(&pieces.unwritten(&self.ledger.fills(venue).await?)).await?;
        let mut by_venue: BTreeMap<String, Vec<PartitionKey>> = BTreeMap::new();
        for key in pieces.open_partitions().into_iter().filter(wanted) {
            by_venue.entry(key.venue.clone()).or_default().push(key);
        }
        let mut report = GapReport::default();
        for (name, keys) in by_venue {
            self.gaps_of(&name, &keys, &pieces, watch, &mut report).await?;
        }
        Ok(report)
    }

    async fn gaps_of(
        &self,
        name: &str,
        keys: &[PartitionKey],
        pieces: &Pieces,
        watch: &Watch,
        report: &mut GapReport,
    ) -> Result<(), BackfillError> {
        let local = tokio::task::LocalSet::new();
        let work = async {
            let venue = match self.venue(name).await {
                Ok(venue) => venue,
                Err(error) if error.is_of_source() => {
                    for key in keys {
                        report.add(self.leave_open(pieces, key, &error).await?);
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            let outcome = venue.fill_partitions(keys, pieces, watch, report).await;
            let closed = venue.output.close().await;
            outcome.and(closed)
        };
        local.run_until(work).await
    }

    /// Fills stated windows of instruments, whatever the ledger says. `instruments` empty: those of which the warehouse
    /// holds rows of the kind, or all that the venue lists and serves a past of.
    ///
    /// # Errors
    /// [`BackfillError`] when the platform itself fails, or something named does not exist.
    pub async fn ranges(
        &self,
        kind: Kind,
        name: &str,
        instruments: &[String],
        window: (Nanos, Nanos),
        watch: &Watch,
    ) -> Result<RangeReport, BackfillError> {
        let local = tokio::task::LocalSet::new();
        let work = async {
            let venue = self.venue(name).await?;
            let outcome = venue.fill_ranges(kind, instruments, window, watch).await;
            let closed = venue.output.close().await;
            let report = outcome?;
            closed.map(|()| report)
        };
        local.run_until(work).await
    }

    /// Takes a venue to work on; publishes first what an earlier run left.
    async fn venue(&self, name: &str) -> Result<Venue<'_>, BackfillError> {
        let config = &self.config;
        let mapping = config.venues.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = config.venues.keys().map(String::as_str).collect();
            let message = format!("there is no venue {name} to ask; there are {}", known.join(", "));
            BackfillError::new(ErrorKind::Request, message)
        })?;
        let lock = VenueLock::take(&config.spools, name, config.wait_for_other).await?;
        let bus = Bus::connect(&config.bus).await?;
        let output = Output::new(bus, name, &config.spools, config.log.clone(), config.land_within);
        output.finish_earlier().await?;
        let patience =
            Patience { timeout: config.timeout, attempts: config.attempts, longest_pause: config.longest_pause };
        let source = Source::new(mapping.rest_limit(), patience)?;
        Ok(Venue { backfill: self, mapping, source, output, _lock: lock })
    }
}

impl Venue<'_> {
    pub(crate) fn filler<'v>(&'v self, watch: &'v Watch) -> Filler<'v> {
        Filler {
            mapping: &self.mapping,
            source: &self.source,
            ledger: &self.backfill.ledger,
            output: &self.output,
            watch,
        }
    }

    async fn fill_ranges(
        &self,
        kind: Kind,
        names: &[String],
        window: (Nanos, Nanos),
        watch: &Watch,
    ) -> Result<RangeReport, BackfillError> {
        let instruments = Instruments::fetch(&self.mapping, &self.source).await?;
        let chosen = self.choose(kind, names, window, &instruments).await?;
        let filler = self.filler(watch);
        let work = chosen.iter().map(|(segment, info)| {
            let filler = &filler;
            async move { (info.id.to_string(), filler.fill(kind, (segment, info), window).await) }
        });
        let mut report = RangeReport::default();
        for (instrument, outcome) in crate::fill::some_at_once(work).await {
            let (filled, reason) = match outcome {
                Ok(filled) => (filled, String::new()),
                Err(error) if error.is_of_source() => (crate::range::Filled::default(), error.message),
                Err(error) => return Err(error),
            };
            report.add(WindowReport {
                venue: self.mapping.venue().to_owned(),
                kind: kind.as_str().to_owned(),
                instrument,
                from: text(window.0),
                to: text(window.1),
                found: filled.found,
                inserted: filled.inserted,
                present: filled.present,
                resumed: filled.resumed,
                reason,
            });
        }
        self.output.landed().await?;
        Ok(report)
    }

    async fn choose(
        &self,
        kind: Kind,
        names: &[String],
        window: (Nanos, Nanos),
        instruments: &Instruments,
    ) -> Result<Vec<(String, kt_venue::InstrumentInfo)>, BackfillError> {
        let venue = self.mapping.venue();
        if names.is_empty() {
            let around = (Nanos(window.0.0 - AROUND), Nanos(window.1.0 + AROUND));
            let seen = self.backfill.ledger.instruments_seen(venue, kind, around).await?;
            let serves = |(segment, info): &(String, kt_venue::InstrumentInfo)| {
                self.mapping.history(kind, segment, info).is_some()
                    && (seen.is_empty() || seen.contains(&info.id.to_string()))
            };
            return Ok(instruments.all().filter(serves).collect());
        }
        let find = |name: &String| {
            instruments
                .find(name)
                .ok_or_else(|| BackfillError::new(ErrorKind::Request, format!("{venue} lists no instrument {name}")))
        };
        names.iter().map(find).collect()
    }
}
