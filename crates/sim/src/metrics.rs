//! What the simulator counts, in the Prometheus text format under `GET /metrics`.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VenueLabel {
    venue: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HttpLabel {
    venue: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabel {
    venue: String,
    fault: String,
}

/// The registry and the families of which every venue takes its own counters.
pub(crate) struct Metrics {
    registry: Registry,
    frames: Family<VenueLabel, Counter>,
    bytes: Family<VenueLabel, Counter>,
    answers: Family<VenueLabel, Counter>,
    clients: Family<VenueLabel, Gauge>,
    slow: Family<VenueLabel, Counter>,
    pings: Family<VenueLabel, Counter>,
    lost: Family<VenueLabel, Counter>,
    unclaimed: Family<VenueLabel, Counter>,
    unknown: Family<VenueLabel, Counter>,
    late: Family<VenueLabel, Counter>,
    http: Family<HttpLabel, Counter>,
    faults: Family<FaultLabel, Counter>,
}

/// One venue's counters, looked up once.
pub(crate) struct VenueMetrics {
    venue: String,
    pub frames: Counter,
    pub bytes: Counter,
    pub answers: Counter,
    pub clients: Gauge,
    /// Clients cut off because too much waited for them.
    pub slow_clients: Counter,
    /// Clients cut off because they answered no pings.
    pub unanswered_pings: Counter,
    /// Frames that were queued for a client when it went.
    pub lost_frames: Counter,
    /// Recorded frames whose turn came while no client took their connection.
    pub unclaimed_frames: Counter,
    /// Subscriptions to streams the venue does not have.
    pub unknown_streams: Counter,
    /// Steps of the generated market that were more than a second late.
    pub late_ticks: Counter,
    http: Family<HttpLabel, Counter>,
    faults: Family<FaultLabel, Counter>,
}

impl Metrics {
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            frames: Family::default(),
            bytes: Family::default(),
            answers: Family::default(),
            clients: Family::default(),
            slow: Family::default(),
            pings: Family::default(),
            lost: Family::default(),
            unclaimed: Family::default(),
            unknown: Family::default(),
            late: Family::default(),
            http: Family::default(),
            faults: Family::default(),
        };
        let registry = &mut metrics.registry;
        let mut counter = |name: &str, help: &str, family: &Family<VenueLabel, Counter>| {
            registry.register(format!("kt_sim_{name}"), help, family.clone());
        };
        counter("frames_sent", "Market data frames written to clients", &metrics.frames);
        counter("bytes_sent", "Bytes written to clients, framing included", &metrics.bytes);
        counter("answers_sent", "Answers to subscriptions made by the simulator", &metrics.answers);
        counter("slow_clients_cut", "Clients cut off because too much waited for them", &metrics.slow);
        counter("unanswered_pings_cut", "Clients cut off because they answered no pings", &metrics.pings);
        counter("frames_lost_with_client", "Frames queued for a client when it went", &metrics.lost);
        counter("frames_unclaimed", "Recorded frames no client was there to take", &metrics.unclaimed);
        counter("unknown_streams", "Subscriptions to streams that do not exist", &metrics.unknown);
        counter("late_ticks", "Steps of the generated market over a second late", &metrics.late);
        registry.register("kt_sim_clients", "Connected clients", metrics.clients.clone());
        registry.register("kt_sim_http_requests", "REST requests answered", metrics.http.clone());
        registry.register("kt_sim_faults", "Faults that took effect", metrics.faults.clone());
        metrics
    }

    /// The counters of one venue.
    pub fn venue(&self, venue: &str) -> VenueMetrics {
        let label = VenueLabel { venue: venue.to_owned() };
        VenueMetrics {
            venue: venue.to_owned(),
            frames: self.frames.get_or_create_owned(&label),
            bytes: self.bytes.get_or_create_owned(&label),
            answers: self.answers.get_or_create_owned(&label),
            clients: self.clients.get_or_create_owned(&label),
            slow_clients: self.slow.get_or_create_owned(&label),
            unanswered_pings: self.pings.get_or_create_owned(&label),
            lost_frames: self.lost.get_or_create_owned(&label),
            unclaimed_frames: self.unclaimed.get_or_create_owned(&label),
            unknown_streams: self.unknown.get_or_create_owned(&label),
            late_ticks: self.late.get_or_create_owned(&label),
            http: self.http.clone(),
            faults: self.faults.clone(),
        }
    }

    /// All metrics as text.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl VenueMetrics {
    pub fn http_request(&self, status: u16) {
        let venue = self.venue.clone();
        self.http.get_or_create(&HttpLabel { venue, status }).inc();
    }

    pub fn fault(&self, fault: &str, times: u64) {
        let (venue, fault) = (self.venue.clone(), fault.to_owned());
        self.faults.get_or_create(&FaultLabel { venue, fault }).inc_by(times);
    }
}
