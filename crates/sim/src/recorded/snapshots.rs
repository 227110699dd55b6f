//! REST requests to a recording: order-book snapshots in step with the stream, instrument
//! lists, the time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::depth;
use super::recording::Recording;
use crate::command::Answer;
use crate::query::Target;

/// The requests of one recording.
pub(super) struct Snapshots {
    recording: Arc<Recording>,
    /// Longest time a request is held.
    hold: Duration,
    held: Vec<Held>,
    /// Snapshots that were asked for, or waited for in vain.
    asked: BTreeSet<usize>,
}

/// A snapshot request that came before the stream was there.
struct Held {
    snapshot: usize,
    deadline: Instant,
    reply: oneshot::Sender<Answer>,
}

impl Snapshots {
    pub fn new(recording: Arc<Recording>, hold: Duration) -> Self {
        Self { recording, hold, held: Vec::new(), asked: BTreeSet::new() }
    }

    /// Takes a request while the stream stands at `position`.
    pub fn get(&mut self, target: &Target, position: usize, reply: oneshot::Sender<Answer>) {
        let found = self.recording.snapshot(target).map(|(index, snapshot)| (index, snapshot.position));
        let Some((index, recorded_at)) = found else {
            return respond(reply, self.other(target, position));
        };
        if !self.asked.insert(index) && position > recorded_at {
            return self.rebuild(index, target, position, reply);
        }
        let deadline = Instant::now() + self.hold;
        self.held.push(Held { snapshot: index, deadline, reply });
    }

    /// Answers requests whose snapshot the stream has passed, or that have waited too long.
    pub fn answer(&mut self, position: usize) {
        let now = Instant::now();
        let snapshots = &self.recording.snapshots;
        let over = |held: &mut Held| position >= snapshots[held.snapshot].position || held.deadline <= now;
        for held in self.held.extract_if(.., over) {
            respond(held.reply, Answer::ok(snapshots[held.snapshot].body.clone()));
        }
    }

    /// When the first held request has waited too long.
    pub fn deadline(&self) -> Option<Instant> {
        self.held.iter().map(|held| held.deadline).min()
    }

    /// Number and position of the first snapshot from a position on that nobody has asked for.
    pub fn unasked(&self, from: usize) -> Option<(usize, usize)> {
        let snapshots = self.recording.snapshots.iter().enumerate();
        let positions = snapshots.map(|(index, snapshot)| (index, snapshot.position));
        let unasked = positions.filter(|(index, position)| *position >= from && !self.asked.contains(index));
        unasked.min_by_key(|(_, position)| *position)
    }

    /// Waits no longer for somebody to ask for a snapshot.
    pub fn give_up(&mut self, index: usize) {
        let (venue, symbol) = (&self.recording.venue, &self.recording.snapshots[index].symbol);
        tracing::warn!(%venue, ?symbol, "no client asked for a recorded order-book snapshot in time");
        self.asked.insert(index);
    }

    /// Asked again: the book as it is now, worked out beside the stream.
    fn rebuild(&self, index: usize, target: &Target, position: usize, reply: oneshot::Sender<Answer>) {
        let recording = self.recording.clone();
        let limit = target.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(1000);
        tokio::task::spawn_blocking(move || {
            let snapshot = &recording.snapshots[index];
            let body = depth::rebuild(&recording, snapshot, position, limit);
            respond(reply, Answer::ok(body.map_or(snapshot.body.clone(), Bytes::from)));
        });
    }

    fn other(&self, target: &Target, position: usize) -> Answer {
        if let Some(reference) = self.recording.reference(target) {
            return Answer::ok(reference.body.clone());
        }
        let frames = &self.recording.frames;
        let time = frames.get(position).or(frames.last()).and_then(|frame| frame.time);
        match time {
            Some(time) if target.last_segment() == "time" => {
                Answer::ok(format!("{{\"serverTime\":{}}}", time / 1_000_000))
            }
            _ => {
                let text = format!("the recordings of {} hold no answer to {}", self.recording.venue, target.path);
                Answer::refuse(StatusCode::NOT_FOUND, -1, &text)
            }
        }
    }
}

fn respond(reply: oneshot::Sender<Answer>, answer: Answer) {
    if reply.send(answer).is_err() {
        tracing::debug!("a REST client went before its answer");
    }
}
