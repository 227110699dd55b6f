//! The task that steps the generated market and serves its clients.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::market::Market;
use super::subscriber::Subscribers;
use super::{Side, rest};
use crate::command::{Command, Commands, FaultAnswer};
use crate::config::{GeneratedConfig, Pace};
use crate::error::SimError;
use crate::faults::{Fault, FaultGate, FaultRequest, GARBAGE, Passage};
use crate::metrics::Metrics;
use crate::status::VenueStatus;
use crate::websocket::{Opcode, frame};

/// Steps taken between two looks at the command queue when the market is behind its time.
const STEPS_AT_ONCE: u64 = 16;
/// A market further behind its time than this skips what it missed.
const TOO_LATE: Duration = Duration::from_secs(1);
/// What a venue says of itself under `GET /sim/v1/sources`.
type Part = (Arc<VenueStatus>, Value);

/// Stream and event of a frame that may outlive its step.
type HeldFrame = (u32, Vec<u8>);

/// The generated market and its clients.
pub(crate) struct Engine {
    config: GeneratedConfig,
    market: Market,
    statuses: [Arc<VenueStatus>; 2],
    gates: [FaultGate<HeldFrame>; 2],
    subscribers: Subscribers,
    /// When the step number `.1` was or will be due.
    clock: Option<(Instant, u64)>,
    paused_until: Option<Instant>,
    /// How late a step may be before the market skips time: more after a pause.
    patience: Duration,
    start_time: i64,
    /// Steps that were taken before `start_time`.
    steps_before: u64,
}

impl Engine {
    pub fn new(config: GeneratedConfig, metrics: &Metrics) -> Result<(Self, Vec<Part>), SimError> {
        if !(1..=200).contains(&config.instruments) {
            return Err(SimError::Config(format!("{} instruments: there can be 1 to 200", config.instruments)));
        }
        if config.tick.is_zero() || config.tick > Duration::from_millis(100) {
            return Err(SimError::Config(format!(
                "a tick of {:?}: it must be above 0 and at most 100 ms",
                config.tick
            )));
        }
        let market = Market::new(&config);
        let statuses = Side::BOTH.map(|side| {
            let metrics = metrics.venue(side.venue());
            Arc::new(VenueStatus::new(side.venue().into(), "generated", metrics, Vec::new(), 0))
        });
        let parts = Side::BOTH.map(|side| (statuses[side as usize].clone(), describe(&market, side, &config)));
        let engine = Self {
            gates: statuses.clone().map(FaultGate::new),
            start_time: config.start_time.unwrap_or_else(wall_clock),
            config,
            market,
            statuses,
            subscribers: Subscribers::default(),
            clock: None,
            paused_until: None,
            patience: TOO_LATE,
            steps_before: 0,
        };
        Ok((engine, parts.into()))
    }

    /// Lets the configured past happen, which nobody sees but who asks for it by REST. Takes its time.
    pub fn live_through_the_past(mut self) -> Self {
        let tick = self.config.tick.as_nanos() as i64;
        let steps = self.config.history.as_nanos() as i64 / tick;
        for step in 0..steps {
            self.market.step(self.start_time - (steps - step) * tick);
        }
        self.steps_before = self.market.steps();
        self
    }

    /// Steps and serves until the commands end.
    pub async fn run(mut self, mut commands: Commands) {
        loop {
            let due = self.due(Instant::now());
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => self.handle(command),
                    None => return,
                },
                () = self.ready(due) => self.catch_up(),
            }
        }
    }

    /// Whether the market waits for its first subscriber: where it can end or run ahead,
    /// nothing may be missed.
    fn waits(&self) -> bool {
        let bounded = self.config.ticks.is_some() || self.config.pace.factor().is_none();
        bounded && self.subscribers.are_silent()
    }

    fn ended(&self) -> bool {
        self.config.ticks.is_some_and(|ticks| self.market.steps() - self.steps_before >= ticks)
    }

    /// When the next step is due; `None`: when a command changes something.
    fn due(&mut self, now: Instant) -> Option<Instant> {
        if self.ended() || self.waits() {
            return None;
        }
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return Some(until);
        }
        let Some(factor) = self.config.pace.factor() else { return Some(now) };
        let (base, first) = *self.clock.get_or_insert((now, self.market.steps()));
        let elapsed = self.config.tick.as_secs_f64() * (self.market.steps() - first) as f64 / factor;
        Some(base + Duration::from_secs_f64(elapsed))
    }

    async fn ready(&self, due: Option<Instant>) {
        match due {
            None => std::future::pending().await,
            Some(moment) if self.config.pace.factor().is_some() => tokio::time::sleep_until(moment).await,
            Some(moment) => {
                tokio::time::sleep_until(moment).await;
                self.subscribers.room().await;
            }
        }
    }

    fn catch_up(&mut self) {
        for _ in 0..STEPS_AT_ONCE {
            let now = Instant::now();
            let Some(moment) = self.due(now).filter(|moment| *moment <= now) else {
                self.patience = TOO_LATE;
                return;
            };
            if self.config.pace.factor().is_some() && now - moment > self.patience {
                tracing::warn!(behind = ?(now - moment), "the generated market is too slow for its rate and skips time");
                self.statuses.iter().for_each(|status| _ = status.metrics.late_ticks.inc());
                self.clock = None;
            }
            self.step();
            if self.config.pace.factor().is_none() && self.subscribers.are_behind() {
                return;
            }
        }
    }

    fn now(&self) -> i64 {
        let runs_alone = self.config.start_time.is_some() || self.config.pace != Pace::Real;
        let elapsed = self.config.tick.as_nanos() as i64 * (self.market.steps() - self.steps_before) as i64;
        if runs_alone { self.start_time + elapsed } else { wall_clock() }
    }

    fn step(&mut self) {
        self.market.step(self.now());
        for side in Side::BOTH {
            if !self.gates[side as usize].is_open() {
                self.pass(side);
            }
        }
        let mut played = [0; 2];
        for frame in &self.market.batch.frames {
            played[self.market.streams.all[frame.stream as usize].side as usize] += 1;
        }
        for (status, played) in self.statuses.iter().zip(played) {
            status.started.store(true, Ordering::Release);
            status.played.fetch_add(played, Ordering::AcqRel);
            status.exhausted.store(self.ended(), Ordering::Release);
        }
        self.subscribers.hand_out(&self.market);
    }

    /// Lets a venue's frames of this step pass through its faults.
    fn pass(&mut self, side: Side) {
        let ended = self.ended();
        let (batch, gate) = (&mut self.market.batch, &mut self.gates[side as usize]);
        let streams = &self.market.streams;
        let mut passed = Vec::new();
        for frame in std::mem::take(&mut batch.frames) {
            let stream = &streams.all[frame.stream as usize];
            if stream.side != side {
                batch.frames.push(frame);
                continue;
            }
            let payload = batch.payload(&frame);
            match gate.pass(&stream.name.to_ascii_lowercase(), payload, (frame.stream, payload.to_vec())) {
                Passage::Send(frame) => passed.push(frame),
                Passage::Replace((stream, _), payload) => passed.push((stream, payload)),
                Passage::Both(first, second) => passed.extend([first, second]),
                Passage::Nothing => {}
            }
        }
        if ended {
            passed.extend(self.gates[side as usize].release());
        }
        for (stream, payload) in passed {
            batch.push(stream, streams.opening(stream), |buffer| buffer.extend_from_slice(&payload));
        }
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Attach(client) => {
                let side = generated_side(&client.status.venue);
                self.subscribers.attach(client, side, &mut self.market);
            }
            Command::Detach { client } => self.subscribers.detach(client, &mut self.market),
            Command::Text { client, text } => self.subscribers.hear(client, &text, &mut self.market),
            Command::Get { venue, target, reply } => {
                let side = generated_side(&venue);
                let answer = rest::answer(&self.market, side, &target, self.now() / 1_000_000);
                if reply.send(answer).is_err() {
                    tracing::debug!("a REST client went before its answer");
                }
            }
            Command::Fault { request, reply } => {
                let answer = self.inject(&request);
                if reply.send(Ok(answer)).is_err() {
                    tracing::debug!("nobody waited for the answer to a fault request");
                }
            }
        }
    }

    fn inject(&mut self, request: &FaultRequest) -> FaultAnswer {
        let side = generated_side(&request.venue);
        if let Some(pending) = self.gates[side as usize].add(request) {
            return FaultAnswer { applied: 0, pending };
        }
        let applied = match &request.fault {
            // One market, one clock: a pause is for both venues.
            Fault::Pause { ms } => {
                let pause = Duration::from_millis(*ms);
                self.paused_until = Some(Instant::now() + pause);
                self.patience = TOO_LATE + pause;
                1
            }
            Fault::Garbage { text } => {
                let garbage: Bytes = frame(Opcode::Text, text.as_deref().unwrap_or(GARBAGE).as_bytes()).into();
                self.subscribers.broadcast(side, &garbage)
            }
            _ => self.subscribers.cut(side),
        };
        self.statuses[side as usize].metrics.fault(request.fault.name(), applied);
        FaultAnswer { applied, pending: 0 }
    }
}

fn generated_side(venue: &str) -> Side {
    Side::of_venue(venue).expect("the server routes only the two generated venues here")
}

fn describe(market: &Market, side: Side, config: &GeneratedConfig) -> Value {
    let symbols: Vec<&str> = market.instruments.iter().map(|instrument| instrument.symbol.as_str()).collect();
    let streams = market.streams.all.iter().filter(|stream| stream.side == side);
    let channel = |name: &str| {
        name.split_once('@').filter(|(symbol, _)| !symbol.starts_with('!')).map(|(_, channel)| channel.to_owned())
    };
    let channels: std::collections::BTreeSet<String> = streams.filter_map(|stream| channel(&stream.name)).collect();
    json!({
        "mode": "generated",
        "seed": config.seed,
        "frames_per_second": config.frames_per_second(),
        "symbols": symbols,
        "channels": channels,
    })
}

/// Nanoseconds since the epoch.
fn wall_clock() -> i64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)
}
