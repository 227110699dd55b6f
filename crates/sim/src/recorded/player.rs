//! Plays one venue's recording to its clients.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::recording::Recording;
use super::roster::{Outgoing, Roster};
use super::snapshots::Snapshots;
use crate::command::{Command, Commands, FaultAnswer};
use crate::config::ReplayConfig;
use crate::faults::{Fault, FaultGate, FaultRequest, GARBAGE, Passage};
use crate::status::VenueStatus;
use crate::websocket::{Opcode, frame};

/// Frames and bytes handed out between two looks at the command queue.
const CHUNK_FRAMES: usize = 512;
const CHUNK_BYTES: usize = 64 << 10;

/// One venue's player: a task that owns the position in the recording.
pub(crate) struct Player {
    recording: Arc<Recording>,
    status: Arc<VenueStatus>,
    roster: Roster,
    snapshots: Snapshots,
    gate: FaultGate<usize>,
    /// Simulated time per real time; `None` for as fast as possible.
    factor: Option<f64>,
    /// How long to wait for a request at each snapshot; only at full speed.
    patience: Option<Duration>,
    position: usize,
    started: bool,
    /// File, moment and recorded time from which the pace counts.
    clock: Option<(u16, Instant, i64)>,
    paused_until: Option<Instant>,
    waiting_since: Option<Instant>,
}

/// When to play on.
enum Next {
    /// When a command changes something.
    Command,
    At(Instant),
    Now,
}

impl Player {
    pub fn new(recording: Arc<Recording>, config: &ReplayConfig, status: Arc<VenueStatus>) -> Self {
        let expected = config.expected_connections.get(&*recording.venue).copied();
        let factor = config.pace.factor();
        Self {
            roster: Roster::new(recording.clone(), status.clone(), expected),
            snapshots: Snapshots::new(recording.clone(), config.snapshot_hold),
            gate: FaultGate::new(status.clone()),
            factor,
            patience: config.wait_for_snapshots.filter(|_| factor.is_none()),
            recording,
            status,
            position: 0,
            started: false,
            clock: None,
            paused_until: None,
            waiting_since: None,
        }
    }

    /// Plays until the commands end.
    pub async fn run(mut self, mut commands: Commands) {
        loop {
            self.snapshots.answer(self.position);
            let next = self.next();
            let deadline = self.snapshots.deadline();
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.handle(command),
                    None => return,
                },
                () = self.ready(next) => self.play(),
                () = until(deadline) => {}
            }
        }
    }

    async fn ready(&self, next: Next) {
        match next {
            Next::Command => std::future::pending().await,
            Next::At(moment) => tokio::time::sleep_until(moment).await,
            Next::Now => {}
        }
        self.roster.room().await;
    }

    fn next(&mut self) -> Next {
        // At full speed nothing is lost: the clock stands while someone is missing.
        let deserted = self.factor.is_none() && !self.roster.is_covered();
        if !self.started || self.position >= self.recording.frames.len() || deserted {
            return Next::Command;
        }
        let now = Instant::now();
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return Next::At(until);
        }
        if let Some(until) = self.snapshot_wait(now) {
            return Next::At(until);
        }
        match self.due(self.position, now) {
            Some(moment) if moment > now => Next::At(moment),
            _ => Next::Now,
        }
    }

    /// When a frame is due; `None` where only the order counts.
    fn due(&mut self, index: usize, now: Instant) -> Option<Instant> {
        let factor = self.factor?;
        let frame = self.recording.frames[index];
        let time = frame.time?;
        let (_, base, first) = match self.clock {
            Some(clock) if clock.0 == frame.file => clock,
            _ => *self.clock.insert((frame.file, now, time)),
        };
        let elapsed = (time - first).max(0) as f64 / factor;
        Some(base + Duration::from_nanos(elapsed as u64))
    }

    /// Until when to wait for a request for the snapshot recorded at this position.
    fn snapshot_wait(&mut self, now: Instant) -> Option<Instant> {
        let patience = self.patience?;
        while let Some((index, position)) = self.snapshots.unasked(self.position) {
            if position > self.position {
                break;
            }
            let until = *self.waiting_since.get_or_insert(now) + patience;
            if until > now {
                return Some(until);
            }
            self.snapshots.give_up(index);
        }
        self.waiting_since = None;
        None
    }

    /// Hands out what is due, up to a chunk.
    fn play(&mut self) {
        let now = Instant::now();
        let frames = self.recording.frames.len();
        let snapshot = self.patience.and_then(|_| self.snapshots.unasked(self.position));
        let limit = snapshot.map_or(frames, |(_, position)| position).min(self.position + CHUNK_FRAMES);
        let (start, mut bytes) = (self.position, 0);
        while self.position < limit && bytes < CHUNK_BYTES {
            if self.due(self.position, now).is_some_and(|moment| moment > now) {
                break;
            }
            bytes += self.recording.frames[self.position].range().len();
            self.position += 1;
        }
        self.send(start..self.position);
        self.status.played.store(self.position as u64, Ordering::Release);
        self.end_if_over();
    }

    fn end_if_over(&mut self) {
        if self.position < self.recording.frames.len() || self.status.exhausted.load(Ordering::Acquire) {
            return;
        }
        let held = self.gate.release().into_iter();
        let left: Vec<Outgoing> = held.map(|frame| Outgoing { frame, altered: None }).collect();
        self.roster.deliver_each(&left);
        self.status.exhausted.store(true, Ordering::Release);
        tracing::info!(venue = %self.recording.venue, frames = self.position, "recording played to its end");
    }

    fn send(&mut self, range: Range<usize>) {
        let frames = &self.recording.frames[range.clone()];
        let one_file = frames.first().map(|frame| frame.file) == frames.last().map(|frame| frame.file);
        if self.gate.is_open() && one_file && self.roster.all_take_all() {
            return self.roster.deliver_whole(frames);
        }
        let passed = self.pass(range);
        self.roster.deliver_each(&passed);
    }

    /// Lets frames pass through the faults.
    fn pass(&mut self, range: Range<usize>) -> Vec<Outgoing> {
        let plain = |frame| Outgoing { frame, altered: None };
        let mut passed = Vec::with_capacity(range.len());
        for index in range {
            if self.gate.is_open() {
                passed.push(plain(index));
                continue;
            }
            let payload = self.recording.payload(&self.recording.frames[index]);
            // The beginning of a frame names its symbol and channel.
            let subject = String::from_utf8_lossy(&payload[..payload.len().min(200)]).to_ascii_lowercase();
            match self.gate.pass(&subject, payload, index) {
                Passage::Send(frame) => passed.push(plain(frame)),
                Passage::Replace(frame, altered) => passed.push(Outgoing { frame, altered: Some(altered) }),
                Passage::Both(first, second) => passed.extend([plain(first), plain(second)]),
                Passage::Nothing => {}
            }
        }
        passed
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Attach(client) => self.roster.attach(client),
            Command::Detach { client } => self.roster.detach(client),
            Command::Text { client, text } => self.roster.hear(client, &text),
            Command::Get { target, reply, .. } => self.snapshots.get(&target, self.position, reply),
            Command::Fault { request, reply } => {
                let answer = self.inject(&request);
                if reply.send(answer).is_err() {
                    tracing::debug!("nobody waited for the answer to a fault request");
                }
            }
        }
        if !self.started && self.roster.is_complete() {
            self.started = true;
            self.status.started.store(true, Ordering::Release);
            tracing::info!(venue = %self.recording.venue, frames = self.recording.frames.len(), "recording starts");
            self.end_if_over();
        }
    }

    fn inject(&mut self, request: &FaultRequest) -> Result<FaultAnswer, String> {
        let venue = &self.recording.venue;
        if matches!(request.fault, Fault::Crossed { .. }) && !venue.starts_with("binance") {
            return Err(format!("no crossed quote can be made for {venue}: only in Binance's formats"));
        }
        if let Some(pending) = self.gate.add(request) {
            return Ok(FaultAnswer { applied: 0, pending });
        }
        let applied = match &request.fault {
            Fault::Pause { ms } => {
                self.paused_until = Some(Instant::now() + Duration::from_millis(*ms));
                1
            }
            Fault::Garbage { text } => {
                let garbage: Bytes = frame(Opcode::Text, text.as_deref().unwrap_or(GARBAGE).as_bytes()).into();
                self.roster.broadcast(&garbage)
            }
            _ => self.roster.cut(),
        };
        self.status.metrics.fault(request.fault.name(), applied);
        Ok(FaultAnswer { applied, pending: 0 })
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
