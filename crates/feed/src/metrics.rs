//! What the feed counts, and how it shows it.
//!
//! The hot path counts in plain numbers of its own thread; [`WriterMetrics::publish`] carries them over
//! to the shared metrics at every tick.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use kt_bus::HotCounts;
use kt_model::Nanos;
use kt_model::schema::Kind;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::histogram::Histogram;

/// Label `venue`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct VenueLabel {
    /// Name of the venue.
    pub venue: String,
}

/// Labels `venue` and `kind`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabel {
    /// Name of the venue.
    pub venue: String,
    /// Event kind.
    pub kind: &'static str,
}

/// Labels `venue` and `cause`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CauseLabel {
    /// Name of the venue.
    pub venue: String,
    /// Why.
    pub cause: &'static str,
}

macro_rules! families {
    ($($name:ident: $family:ty, $metric:literal, $help:literal;)*) => {
        /// All metrics of the service.
        #[derive(Clone, Default)]
        pub struct FeedMetrics {
            $(#[doc = $help] pub $name: $family,)*
        }

        impl FeedMetrics {
            /// Registers every metric.
            pub fn register(&self, registry: &mut Registry) {
                $(registry.register($metric, $help, self.$name.clone());)*
            }
        }
    };
}

families! {
    frames: Family<VenueLabel, Counter>, "kt_feed_frames", "Frames received";
    frame_bytes: Family<VenueLabel, Counter>, "kt_feed_frame_bytes", "Bytes of the frames received";
    events: Family<KindLabel, Counter>, "kt_feed_events", "Events decoded and stamped";
    hot_sent: Family<VenueLabel, Counter>, "kt_feed_hot_sent", "Rows sent over the hot path";
    hot_dropped: Family<CauseLabel, Counter>, "kt_feed_hot_dropped", "Rows the hot path dropped; the durable log has them";
    blocks: Family<KindLabel, Counter>, "kt_feed_blocks", "Blocks written to the spool";
    block_bytes: Family<VenueLabel, Counter>, "kt_feed_block_bytes", "Bytes of rows written to the spool";
    log_acknowledged: Family<VenueLabel, Counter>, "kt_feed_log_acknowledged", "Blocks the durable log has acknowledged";
    log_resent: Family<CauseLabel, Counter>, "kt_feed_log_resent", "Blocks sent to the durable log again";
    log_rewinds: Family<CauseLabel, Counter>, "kt_feed_log_rewinds", "Times that all blocks that had not landed were published again";
    oversize: Family<VenueLabel, Counter>, "kt_feed_oversize_rows", "Rows too large for any server, kept as quarantine rows";
    spool_errors: Family<VenueLabel, Counter>, "kt_feed_spool_errors", "Blocks that the disk did not take at the first attempt";
    spool_bytes: Family<VenueLabel, Gauge>, "kt_feed_spool_bytes", "Bytes in the spool";
    spool_has_room: Family<VenueLabel, Gauge>, "kt_feed_spool_has_room", "1 while the spool takes more, 0 while reading from the sockets is stopped";
    backpressure: Family<VenueLabel, Counter>, "kt_feed_backpressure_stops", "Times that a connection stopped reading because the spool was full";
    connections: Family<VenueLabel, Gauge>, "kt_feed_connections", "Connections that are open and subscribed";
    reconnects: Family<CauseLabel, Counter>, "kt_feed_reconnects", "Connections that ended";
    fetches: Family<CauseLabel, Counter>, "kt_feed_fetches", "REST requests by outcome";
    duplicates: Family<VenueLabel, Counter>, "kt_feed_line_duplicates", "Events of redundant lines that were dropped because another line had delivered them";
    record_missed: Family<VenueLabel, Counter>, "kt_feed_record_missed", "Frames that the frame archive did not take";
    states: Family<CauseLabel, Counter>, "kt_feed_status_rows", "Status rows by state";
    last_frame: Family<VenueLabel, Gauge>, "kt_feed_last_frame_seconds", "Unix time of the newest frame";
    hot_latency: Family<VenueLabel, Histogram>, "kt_feed_receive_to_hot_seconds", "From a frame's receipt until its rows were handed to the hot path's socket";
}

/// Counts of one writer's thread.
#[derive(Clone, Debug, Default)]
pub struct WriterCounts {
    /// Frames received.
    pub frames: u64,
    /// Their bytes.
    pub frame_bytes: u64,
    /// Events by kind.
    pub events: [u64; Kind::COUNT],
    /// Blocks by kind.
    pub blocks: [u64; Kind::COUNT],
    /// Bytes of rows in blocks.
    pub block_bytes: u64,
    /// Rows too large.
    pub oversize: u64,
    /// Appends that failed.
    pub spool_errors: u64,
}

/// The metrics of one writer, resolved once.
pub struct WriterMetrics {
    /// Counted by the writer.
    pub counts: WriterCounts,
    /// From receipt to the hot path's socket.
    pub hot_latency: Histogram,
    shared: Shared,
}

struct Shared {
    frames: Mirror,
    frame_bytes: Mirror,
    last_frame: Gauge,
    events: Vec<Mirror>,
    blocks: Vec<Mirror>,
    block_bytes: Mirror,
    oversize: Mirror,
    spool_errors: Mirror,
    hot_sent: Mirror,
    hot_disconnected: Mirror,
    hot_full: Mirror,
    hot_too_large: Mirror,
    spool_bytes: Gauge,
    spool_has_room: Gauge,
}

/// A shared counter and how much of our count it has.
struct Mirror {
    counter: Counter<u64, AtomicU64>,
    told: u64,
}

impl Mirror {
    fn new(counter: &Counter) -> Self {
        Self { counter: counter.clone(), told: 0 }
    }

    fn set(&mut self, count: u64) {
        self.counter.inc_by(count.saturating_sub(self.told));
        self.told = self.told.max(count);
    }
}

impl WriterMetrics {
    /// For one venue's writer.
    #[must_use]
    pub fn new(all: &FeedMetrics, venue: &str) -> Self {
        let label = VenueLabel { venue: venue.to_owned() };
        let kind_label = |kind: &Kind| KindLabel { venue: venue.to_owned(), kind: kind.as_str() };
        let dropped =
            |cause| Mirror::new(&all.hot_dropped.get_or_create(&CauseLabel { venue: venue.to_owned(), cause }));
        let shared = Shared {
            frames: Mirror::new(&all.frames.get_or_create(&label)),
            frame_bytes: Mirror::new(&all.frame_bytes.get_or_create(&label)),
            last_frame: all.last_frame.get_or_create(&label).clone(),
            events: Kind::ALL.iter().map(|kind| Mirror::new(&all.events.get_or_create(&kind_label(kind)))).collect(),
            blocks: Kind::ALL.iter().map(|kind| Mirror::new(&all.blocks.get_or_create(&kind_label(kind)))).collect(),
            block_bytes: Mirror::new(&all.block_bytes.get_or_create(&label)),
            oversize: Mirror::new(&all.oversize.get_or_create(&label)),
            spool_errors: Mirror::new(&all.spool_errors.get_or_create(&label)),
            hot_sent: Mirror::new(&all.hot_sent.get_or_create(&label)),
            hot_disconnected: dropped("disconnected"),
            hot_full: dropped("full"),
            hot_too_large: dropped("too_large"),
            spool_bytes: all.spool_bytes.get_or_create(&label).clone(),
            spool_has_room: all.spool_has_room.get_or_create(&label).clone(),
        };
        let hot_latency = all.hot_latency.get_or_create(&label).clone();
        Self { counts: WriterCounts::default(), hot_latency, shared }
    }

    /// Carries the counts over to the shared metrics.
    pub fn publish(&mut self, now: Nanos, hot: &HotCounts, spool_bytes: u64, has_room: bool) {
        let (shared, counts) = (&mut self.shared, &self.counts);
        if counts.frames > shared.frames.told {
            shared.last_frame.set(now.0 / 1_000_000_000);
        }
        shared.frames.set(counts.frames);
        shared.frame_bytes.set(counts.frame_bytes);
        for (mirror, count) in shared.events.iter_mut().zip(counts.events) {
            mirror.set(count);
        }
        for (mirror, count) in shared.blocks.iter_mut().zip(counts.blocks) {
            mirror.set(count);
        }
        shared.block_bytes.set(counts.block_bytes);
        shared.oversize.set(counts.oversize);
        shared.spool_errors.set(counts.spool_errors);
        shared.hot_sent.set(hot.sent);
        shared.hot_disconnected.set(hot.dropped_disconnected);
        shared.hot_full.set(hot.dropped_full);
        shared.hot_too_large.set(hot.dropped_too_large);
        shared.spool_bytes.set(i64::try_from(spool_bytes).unwrap_or(i64::MAX));
        shared.spool_has_room.set(i64::from(has_room));
    }
}

/// A registry with all metrics of the service.
#[must_use]
pub fn registry(metrics: &FeedMetrics) -> Arc<Registry> {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    Arc::new(registry)
}
