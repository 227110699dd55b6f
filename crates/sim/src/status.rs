//! What a venue is doing, as shared counters: written by sources and clients, read by
//! `GET /sim/v1/status`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::client::{Chunk, Content};
use crate::metrics::VenueMetrics;

/// The shared counters of one venue.
pub(crate) struct VenueStatus {
    pub venue: Arc<str>,
    pub mode: &'static str,
    pub metrics: VenueMetrics,
    /// The clock runs.
    pub started: AtomicBool,
    /// The source has nothing more to give.
    pub exhausted: AtomicBool,
    /// Frames whose turn has come, whether or not someone took them.
    pub played: AtomicU64,
    /// Frames the source holds; 0 where it has no end.
    pub total: u64,
    /// Frames handed to clients and not yet written.
    pub queued_frames: AtomicU64,
    /// Recorded connections and the frames written of each.
    connections: Vec<(String, AtomicU64)>,
    sent: AtomicU64,
    lost: AtomicU64,
    answers: AtomicU64,
    http: AtomicU64,
    clients: AtomicU64,
}

impl VenueStatus {
    pub fn new(
        venue: Arc<str>,
        mode: &'static str,
        metrics: VenueMetrics,
        connections: Vec<String>,
        total: u64,
    ) -> Self {
        Self {
            venue,
            mode,
            metrics,
            started: AtomicBool::new(false),
            exhausted: AtomicBool::new(false),
            played: AtomicU64::new(0),
            total,
            queued_frames: AtomicU64::new(0),
            connections: connections.into_iter().map(|id| (id, AtomicU64::new(0))).collect(),
            sent: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            answers: AtomicU64::new(0),
            http: AtomicU64::new(0),
            clients: AtomicU64::new(0),
        }
    }

    pub fn client_came(&self) {
        self.clients.fetch_add(1, Ordering::AcqRel);
        self.metrics.clients.inc();
    }

    pub fn client_went(&self) {
        self.clients.fetch_sub(1, Ordering::AcqRel);
        self.metrics.clients.dec();
    }

    /// Counts a chunk that is on the wire.
    pub fn written(&self, chunk: &Chunk) {
        self.metrics.bytes.inc_by(chunk.bytes.len() as u64);
        match &chunk.content {
            Content::Control => {}
            Content::Answer => {
                self.answers.fetch_add(1, Ordering::AcqRel);
                self.metrics.answers.inc();
            }
            Content::Data { frames, connections } => {
                self.sent.fetch_add(u64::from(*frames), Ordering::AcqRel);
                self.metrics.frames.inc_by(u64::from(*frames));
                for (connection, frames) in connections {
                    let (_, count) = &self.connections[usize::from(*connection)];
                    count.fetch_add(u64::from(*frames), Ordering::AcqRel);
                }
            }
        }
    }

    /// Counts frames that were queued for a client that went.
    pub fn lost_with_client(&self, frames: u64) {
        self.lost.fetch_add(frames, Ordering::AcqRel);
        self.metrics.lost_frames.inc_by(frames);
    }

    pub fn http_served(&self, status: u16) {
        self.http.fetch_add(1, Ordering::AcqRel);
        self.metrics.http_request(status);
    }

    /// Everything played, and everything handed out written.
    pub fn finished(&self) -> bool {
        self.exhausted.load(Ordering::Acquire) && self.queued_frames.load(Ordering::Acquire) == 0
    }

    pub fn json(&self) -> Value {
        let count = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        let connections: serde_json::Map<String, Value> =
            self.connections.iter().map(|(id, frames)| (id.clone(), count(frames).into())).collect();
        json!({
            "mode": self.mode,
            "started": self.started.load(Ordering::Acquire),
            "finished": self.finished(),
            "clients": count(&self.clients),
            "frames_total": self.total,
            "frames_played": count(&self.played),
            "frames_sent": count(&self.sent),
            "frames_queued": count(&self.queued_frames),
            "frames_lost_with_client": count(&self.lost),
            "frames_unclaimed": self.metrics.unclaimed_frames.get(),
            "connections": connections,
            "answers_sent": count(&self.answers),
            "http_served": count(&self.http),
        })
    }
}
