//! Plays one venue's recording to its clients.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::load::{Frame, Recording};
use super::{depth, dialect};
use crate::client::{Chunk, Client, Content};
use crate::command::{Answer, Command, Commands, FaultAnswer};
use crate::config::ReplayConfig;
use crate::faults::{Fault, FaultGate, FaultRequest, GARBAGE, Passage};
use crate::query::Target;
use crate::status::VenueStatus;
use crate::websocket::{Opcode, append, frame};

/// Frames and bytes handed out between two looks at the command queue.
const CHUNK_FRAMES: usize = 512;
const CHUNK_BYTES: usize = 64 << 10;

/// One venue's player: a task that owns the position in the recording.
pub(crate) struct Player {
    recording: Arc<Recording>,
    config: ReplayConfig,
    status: Arc<VenueStatus>,
    clients: Vec<Listener>,
    position: usize,
    started: bool,
    /// File, moment and recorded time from which the pace counts.
    clock: Option<(u16, Instant, i64)>,
    paused_until: Option<Instant>,
    gate: FaultGate<usize>,
    held: Vec<Held>,
    /// Snapshots that were asked for, or waited for in vain.
    asked: BTreeSet<usize>,
    waiting_since: Option<Instant>,
}

struct Listener {
    client: Client,
    /// Which recorded connections the client takes.
    takes: Vec<bool>,
    subscribed: bool,
}

/// A snapshot request that came before the stream was there.
struct Held {
    snapshot: usize,
    deadline: Instant,
    reply: oneshot::Sender<Answer>,
}

/// A frame on its way out: as recorded, or altered by a fault.
struct Outgoing {
    frame: usize,
    altered: Option<Vec<u8>>,
}

/// When to play on.
enum Next {
    /// When a command changes something.
    Command,
    At(Instant),
    Now,
}

impl Player {
    pub fn new(recording: Arc<Recording>, config: ReplayConfig, status: Arc<VenueStatus>) -> Self {
        Self {
            recording,
            config,
            gate: FaultGate::new(status.clone()),
            status,
            clients: Vec::new(),
            position: 0,
            started: false,
            clock: None,
            paused_until: None,
            held: Vec::new(),
            asked: BTreeSet::new(),
            waiting_since: None,
        }
    }

    /// Plays until the commands end.
    pub async fn run(mut self, mut commands: Commands) {
        loop {
            self.answer_held();
            let next = self.next();
            let deadline = self.held.iter().map(|held| held.deadline).min();
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
        for listener in &self.clients {
            listener.client.room().await;
        }
    }

    fn next(&mut self) -> Next {
        if !self.started || self.position >= self.recording.frames.len() || self.lacks_listeners() {
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

    /// At full speed nothing is lost: the clock stands while someone is missing.
    fn lacks_listeners(&self) -> bool {
        self.config.pace.factor().is_none() && !self.is_covered()
    }

    /// When a frame is due; `None` where only the order counts.
    fn due(&mut self, index: usize, now: Instant) -> Option<Instant> {
        let factor = self.config.pace.factor()?;
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
        let patience = self.config.wait_for_snapshots.filter(|_| self.config.pace.factor().is_none())?;
        let missing = self.unasked_snapshot(self.position).filter(|(_, position)| *position == self.position);
        let Some((index, _)) = missing else {
            self.waiting_since = None;
            return None;
        };
        let until = *self.waiting_since.get_or_insert(now) + patience;
        if until > now {
            return Some(until);
        }
        tracing::warn!(venue = %self.recording.venue, symbol = ?self.recording.snapshots[index].symbol, "no client asked for a recorded order-book snapshot in time");
        self.asked.insert(index);
        self.waiting_since = None;
        self.snapshot_wait(now)
    }

    /// The first snapshot from a position on that no client has asked for.
    fn unasked_snapshot(&self, from: usize) -> Option<(usize, usize)> {
        let snapshots = self.recording.snapshots.iter().enumerate();
        let positions = snapshots.map(|(index, snapshot)| (index, snapshot.position));
        positions
            .filter(|(index, position)| *position >= from && !self.asked.contains(index))
            .min_by_key(|(_, position)| *position)
    }

    /// Hands out what is due, up to a chunk.
    fn play(&mut self) {
        let recording = self.recording.clone();
        let now = Instant::now();
        let waits = self.config.wait_for_snapshots.is_some() && self.config.pace.factor().is_none();
        let snapshot = self.unasked_snapshot(self.position).filter(|_| waits);
        let limit = snapshot.map_or(recording.frames.len(), |(_, position)| position).min(self.position + CHUNK_FRAMES);
        let (start, mut bytes) = (self.position, 0);
        while self.position < limit
            && bytes < CHUNK_BYTES
            && self.due(self.position, now).is_none_or(|moment| moment <= now)
        {
            bytes += recording.frames[self.position].range().len();
            self.position += 1;
        }
        self.send(start..self.position);
        self.status.played.store(self.position as u64, Ordering::Release);
        if self.position == recording.frames.len() {
            self.finish();
        }
    }

    fn finish(&mut self) {
        let left: Vec<Outgoing> =
            self.gate.release().into_iter().map(|frame| Outgoing { frame, altered: None }).collect();
        self.send_each(&left);
        self.status.exhausted.store(true, Ordering::Release);
        tracing::info!(venue = %self.recording.venue, frames = self.position, "recording played to its end");
    }

    fn send(&mut self, range: std::ops::Range<usize>) {
        let frames = &self.recording.frames[range.clone()];
        let Some((first, last)) = frames.first().zip(frames.last()) else { return };
        let takes_all = |listener: &Listener| listener.takes.iter().all(|takes| *takes);
        if !self.gate.is_open() || first.file != last.file || !self.clients.iter().all(takes_all) {
            let passed = self.pass(range);
            return self.send_each(&passed);
        }
        let wire = self.recording.files[usize::from(first.file)].wire.slice(first.range().start..last.range().end);
        let connections = tally(frames.iter());
        let listeners = self.clients.iter().filter(|listener| listener.subscribed);
        let sent = listeners.filter(|listener| deliver(listener, wire.clone(), connections.clone())).count();
        if sent == 0 {
            self.status.metrics.unclaimed_frames.inc_by(frames.len() as u64);
        }
    }

    /// Lets frames pass through the faults.
    fn pass(&mut self, range: std::ops::Range<usize>) -> Vec<Outgoing> {
        let plain = |frame| Outgoing { frame, altered: None };
        let mut passed = Vec::with_capacity(range.len());
        for index in range {
            if self.gate.is_open() {
                passed.push(plain(index));
                continue;
            }
            let payload = self.recording.payload(&self.recording.frames[index]);
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

    /// Hands out frames one by one to those who take their connection.
    fn send_each(&self, frames: &[Outgoing]) {
        let recording = &self.recording;
        let mut claimed = vec![false; frames.len()];
        for listener in self.clients.iter().filter(|listener| listener.subscribed) {
            let mut bytes = Vec::new();
            let mut sent = Vec::new();
            for (claimed, outgoing) in claimed.iter_mut().zip(frames) {
                let frame = &recording.frames[outgoing.frame];
                if !listener.takes[usize::from(frame.connection)] {
                    continue;
                }
                *claimed = true;
                sent.push(frame);
                match &outgoing.altered {
                    None => bytes.extend_from_slice(&recording.files[usize::from(frame.file)].wire[frame.range()]),
                    Some(altered) => {
                        bytes.extend_from_slice(recording.clock(frame));
                        append(&mut bytes, Opcode::Text, altered);
                    }
                }
            }
            if !sent.is_empty() {
                deliver(listener, bytes.into(), tally(sent.into_iter()));
            }
        }
        let unclaimed = claimed.iter().filter(|claimed| !**claimed).count();
        self.status.metrics.unclaimed_frames.inc_by(unclaimed as u64);
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Attach(client) => self.attach(client),
            Command::Detach { client } => self.clients.retain(|listener| listener.client.id != client),
            Command::Text { client, text } => self.hear(client, &text),
            Command::Get { target, reply, .. } => self.get(&target, reply),
            Command::Fault { request, reply } => {
                let answer = self.inject(&request);
                if reply.send(answer).is_err() {
                    tracing::debug!("nobody waited for the answer to a fault request");
                }
            }
        }
        self.start_if_ready();
    }

    fn attach(&mut self, client: Client) {
        let connections = &self.recording.connections;
        let wanted = client.target.get("kt_connection");
        let path = |index: usize| connections[index].target.as_ref().map(|target| target.path.as_str());
        let same_path: Vec<bool> =
            (0..connections.len()).map(|index| path(index) == Some(client.target.path.as_str())).collect();
        let takes = match wanted {
            Some(id) => connections.iter().map(|connection| connection.id == id).collect(),
            None if same_path.contains(&true) => same_path,
            None => vec![true; connections.len()],
        };
        if !takes.contains(&true) {
            tracing::warn!(venue = %self.recording.venue, ?wanted, "a client asks for a connection that was not recorded and will get nothing");
        }
        let subscribed = dialect::subscribed_by_url(&client.target);
        self.clients.push(Listener { client, takes, subscribed });
    }

    fn hear(&mut self, id: u64, text: &str) {
        let venue = self.recording.venue.clone();
        let Some(listener) = self.clients.iter_mut().find(|listener| listener.client.id == id) else { return };
        let heard = dialect::hear(&venue, id, text);
        let answers = if self.recording.has_answers { Vec::new() } else { heard.answers };
        for answer in heard.pong.iter().chain(&answers) {
            if !listener.client.answer(answer) {
                tracing::warn!(%venue, client = id, "an answer could not be queued: the client is gone or too slow");
            }
        }
        listener.subscribed |= heard.subscribes;
    }

    /// Whether each recorded connection has a subscribed client (or the configured number of
    /// clients is all that counts).
    fn is_covered(&self) -> bool {
        let mut subscribed = self.clients.iter().filter(|listener| listener.subscribed);
        match self.config.expected_connections.get(&*self.recording.venue) {
            Some(_) => subscribed.next().is_some(),
            None => (0..self.recording.connections.len())
                .all(|index| subscribed.clone().any(|listener| listener.takes[index])),
        }
    }

    fn start_if_ready(&mut self) {
        if self.started {
            return;
        }
        let subscribed = self.clients.iter().filter(|listener| listener.subscribed).count();
        let expected = self.config.expected_connections.get(&*self.recording.venue).copied().unwrap_or(1);
        if subscribed >= expected.max(1) && self.is_covered() {
            self.started = true;
            self.status.started.store(true, Ordering::Release);
            tracing::info!(venue = %self.recording.venue, clients = subscribed, frames = self.recording.frames.len(), "recording starts");
        }
    }

    fn get(&mut self, target: &Target, reply: oneshot::Sender<Answer>) {
        let found = self.recording.snapshot(target).map(|(index, snapshot)| (index, snapshot.position));
        let Some((index, position)) = found else {
            return respond(reply, self.other(target));
        };
        if !self.asked.insert(index) && self.position > position {
            return self.rebuild(index, target, reply);
        }
        let deadline = Instant::now() + self.config.snapshot_hold;
        self.held.push(Held { snapshot: index, deadline, reply });
    }

    /// Answers requests whose snapshot the stream has passed, or that have waited too long.
    fn answer_held(&mut self) {
        let now = Instant::now();
        let over =
            |held: &Held| self.position >= self.recording.snapshots[held.snapshot].position || held.deadline <= now;
        let (ready, waiting) = std::mem::take(&mut self.held).into_iter().partition(over);
        self.held = waiting;
        for held in Vec::from_iter::<Vec<Held>>(ready) {
            respond(held.reply, Answer::ok(self.recording.snapshots[held.snapshot].body.clone()));
        }
    }

    /// Asked again: the book as it is now, worked out beside the stream.
    fn rebuild(&self, index: usize, target: &Target, reply: oneshot::Sender<Answer>) {
        let (recording, position) = (self.recording.clone(), self.position);
        let limit = target.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(1000);
        tokio::task::spawn_blocking(move || {
            let snapshot = &recording.snapshots[index];
            let body = depth::rebuild(&recording, snapshot, position, limit);
            respond(reply, Answer::ok(body.map_or(snapshot.body.clone(), Bytes::from)));
        });
    }

    /// Instrument lists and the time.
    fn other(&self, target: &Target) -> Answer {
        if let Some(reference) = self.recording.reference(target) {
            return Answer::ok(reference.body.clone());
        }
        let time =
            self.recording.frames.get(self.position).or(self.recording.frames.last()).and_then(|frame| frame.time);
        match time {
            Some(time) if target.last_segment() == "time" => {
                Answer::ok(format!("{{\"serverTime\":{}}}", time / 1_000_000))
            }
            _ => Answer::refuse(
                StatusCode::NOT_FOUND,
                -1,
                &format!("the recordings of {} hold no answer to {}", self.recording.venue, target.path),
            ),
        }
    }

    fn inject(&mut self, request: &FaultRequest) -> Result<FaultAnswer, String> {
        if matches!(request.fault, Fault::Crossed { .. }) && !self.recording.venue.starts_with("binance") {
            return Err(format!("no crossed quote can be made for {}: only Binance formats", self.recording.venue));
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
                let content = || Content::Answer;
                let sent = self
                    .clients
                    .iter()
                    .filter(|listener| listener.client.send(Chunk { bytes: garbage.clone(), content: content() }));
                sent.count() as u64
            }
            _ => {
                self.clients.iter().for_each(|listener| listener.client.cut());
                self.clients.len() as u64
            }
        };
        self.status.metrics.fault(request.fault.name(), applied);
        Ok(FaultAnswer { applied, pending: 0 })
    }
}

fn deliver(listener: &Listener, bytes: Bytes, connections: Vec<(u16, u32)>) -> bool {
    let frames = connections.iter().map(|(_, frames)| frames).sum();
    listener.client.send(Chunk { bytes, content: Content::Data { frames, connections } })
}

/// Frames per connection.
fn tally<'a>(frames: impl Iterator<Item = &'a Frame>) -> Vec<(u16, u32)> {
    let mut tally: Vec<(u16, u32)> = Vec::new();
    for frame in frames {
        match tally.iter_mut().find(|(connection, _)| *connection == frame.connection) {
            Some((_, count)) => *count += 1,
            None => tally.push((frame.connection, 1)),
        }
    }
    tally
}

fn respond(reply: oneshot::Sender<Answer>, answer: Answer) {
    if reply.send(answer).is_err() {
        tracing::debug!("a REST client went before its answer");
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
