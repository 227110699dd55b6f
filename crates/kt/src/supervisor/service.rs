//! One service's life: waits, starts, is watched, is restarted, stops.

use std::collections::BTreeMap;
use std::pin::pin;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use kt_store::EventKind;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::config;
use crate::supervisor::health::{Health, Probe};
use crate::supervisor::history::Recorder;
use crate::supervisor::logs::{LastLines, RotatingLog, pump};
use crate::supervisor::spawn::{self, Running};
use crate::supervisor::spec::ServiceSpec;
use crate::supervisor::status::{ServiceStatus, State, now_ms};

/// What the supervisor asks of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Stop for good.
    Stop,
    /// Stop and start again at once.
    Restart,
}

/// Runs one service. Owns its state; others see it through a watch channel.
pub(crate) struct Service {
    pub(crate) spec: ServiceSpec,
    pub(crate) settings: config::Supervisor,
    pub(crate) dependencies: BTreeMap<&'static str, watch::Receiver<ServiceStatus>>,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) status: watch::Sender<ServiceStatus>,
    pub(crate) log: RotatingLog,
    pub(crate) recorder: Recorder,
    pub(crate) last: LastLines,
    pub(crate) backoff: Backoff,
    pub(crate) ever_healthy: bool,
}

/// How one run of the process ended.
enum Outcome {
    /// The supervisor asked for it.
    Stopped,
    /// Somebody asked for a restart.
    Restart,
    /// The one-shot work is done.
    Finished,
    /// It ended by itself or had to be ended; `hopeless` when starting again cannot help.
    Ended { cause: String, hopeless: bool },
}

impl Service {
    /// Lives until it is told to stop.
    pub(crate) async fn run(mut self) {
        loop {
            if self.wait_for_dependencies().await == Some(Command::Stop) {
                return self.set(State::Stopped, "");
            }
            let next = match self.run_once().await {
                Outcome::Stopped => return self.set(State::Stopped, ""),
                Outcome::Restart => Some(Command::Restart),
                Outcome::Finished => {
                    self.set(State::Finished, "");
                    self.commands.recv().await
                }
                Outcome::Ended { cause, hopeless } => self.after_end(&cause, hopeless).await,
            };
            if next != Some(Command::Restart) {
                return self.set(State::Stopped, "");
            }
            self.status.send_modify(|status| status.restarts += 1);
        }
    }

    /// Decides what follows an unexpected end; answers what to do next.
    async fn after_end(&mut self, cause: &str, hopeless: bool) -> Option<Command> {
        self.event(EventKind::Exited, cause);
        let failures = self.backoff.failures + 1;
        if !self.ever_healthy && (hopeless || failures >= self.settings.start_attempts) {
            self.set(State::Failed, cause);
            return self.commands.recv().await;
        }
        let pause = self.backoff.next();
        self.set(State::BackingOff, &format!("{cause}; next start in {} ms", pause.as_millis()));
        tokio::select! {
            () = tokio::time::sleep(pause) => Some(Command::Restart),
            command = self.commands.recv() => command,
        }
    }

    async fn wait_for_dependencies(&mut self) -> Option<Command> {
        for (name, status) in &mut self.dependencies {
            if status.borrow().state.is_up() {
                continue;
            }
            let detail = format!("for {name}");
            self.status.send_modify(|status| {
                (status.state, status.detail, status.pid, status.started_ms) = (State::Waiting, detail, None, None);
            });
            let mut up = pin!(status.wait_for(|status| status.state.is_up()));
            loop {
                tokio::select! {
                    _ = &mut up => break,
                    command = self.commands.recv() => match command {
                        // Nothing runs yet that could be restarted.
                        Some(Command::Restart) => {}
                        Some(Command::Stop) | None => return Some(Command::Stop),
                    },
                }
            }
        }
        None
    }

    async fn run_once(&mut self) -> Outcome {
        let mut running = match spawn::start(&self.spec) {
            Ok(running) => running,
            Err(error) => {
                let cause = format!("cannot start {}: {error}", self.spec.program.display());
                return Outcome::Ended { cause, hopeless: error.kind() == std::io::ErrorKind::NotFound };
            }
        };
        self.status.send_modify(|status| {
            (status.state, status.pid, status.started_ms) = (State::Starting, Some(running.pid), Some(now_ms()));
            status.detail.clear();
        });
        self.event(EventKind::Started, "");
        let pumps = self.start_pumps(&mut running);
        let outcome = self.watch(&mut running).await;
        running.end_group();
        // The last lines usually say why it ended: let them arrive. A grandchild that keeps the
        // pipe open must not hold up the restart.
        let drained = async {
            for pump in pumps {
                let _ = pump.await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(500), drained).await;
        match outcome {
            Outcome::Ended { cause, hopeless } => Outcome::Ended { cause: self.with_complaint(cause), hopeless },
            other => other,
        }
    }

    fn start_pumps(&self, running: &mut Running) -> Vec<JoinHandle<()>> {
        let mut pumps = Vec::new();
        let name = self.spec.name;
        if let Some(output) = running.child.stdout.take() {
            pumps.push(tokio::spawn(pump(name, output, self.log.clone(), self.last.clone())));
        }
        if let Some(output) = running.child.stderr.take() {
            pumps.push(tokio::spawn(pump(name, output, self.log.clone(), self.last.clone())));
        }
        pumps
    }

    /// Watches a running process until it ends or is ended.
    async fn watch(&mut self, running: &mut Running) -> Outcome {
        let started = Instant::now();
        let mut watcher = Watcher::start(&self.spec.health, &self.settings);
        let one_shot = matches!(self.spec.health, Health::ExitCode);
        let mut unhealthy_since: Option<Instant> = None;
        let mut failed_checks = 0;
        loop {
            tokio::select! {
                ended = running.child.wait() => return self.ended(ended, one_shot),
                command = self.commands.recv() => {
                    let outcome = if command == Some(Command::Restart) { Outcome::Restart } else { Outcome::Stopped };
                    self.stop(running).await;
                    return outcome;
                }
                check = watcher.next(), if !one_shot => match check {
                    Ok(()) => {
                        (failed_checks, unhealthy_since) = (0, None);
                        self.healthy(started);
                    }
                    Err(reason) => {
                        failed_checks += 1;
                        if self.state() == State::Starting {
                            // Nobody waits for what starts in the background, and it starts when all else is busy.
                            let patience = if self.spec.background { 4 } else { 1 };
                            let limit = Duration::from_secs(self.settings.start_timeout_s * patience);
                            if started.elapsed() > limit {
                                self.stop(running).await;
                                let cause = format!("not healthy {} s after its start: {reason}", limit.as_secs());
                                return Outcome::Ended { cause, hopeless: false };
                            }
                        } else if failed_checks >= self.settings.unhealthy_after {
                            let since = *unhealthy_since.get_or_insert_with(Instant::now);
                            self.unhealthy(&reason);
                            if since.elapsed() > Duration::from_secs(self.settings.unhealthy_restart_s) {
                                self.stop(running).await;
                                return Outcome::Ended { cause: format!("stayed unhealthy: {reason}"), hopeless: false };
                            }
                        }
                    }
                },
            }
        }
    }

    fn ended(&mut self, ended: std::io::Result<ExitStatus>, one_shot: bool) -> Outcome {
        match ended {
            Ok(status) if one_shot && status.success() => {
                self.event(EventKind::Finished, "");
                self.ever_healthy = true;
                Outcome::Finished
            }
            // kt's exit code for a wrong configuration: the next start would read the same one.
            Ok(status) => Outcome::Ended { cause: in_words(status), hopeless: status.code() == Some(2) },
            Err(error) => Outcome::Ended { cause: format!("cannot wait for it: {error}"), hopeless: false },
        }
    }

    fn healthy(&mut self, started: Instant) {
        if self.state() != State::Healthy {
            self.ever_healthy = true;
            self.set(State::Healthy, "");
            self.event(EventKind::Healthy, &format!("{} ms after its start", started.elapsed().as_millis()));
        }
        if started.elapsed() > Duration::from_secs(self.settings.restart_reset_s) {
            self.backoff.reset();
        }
    }

    fn unhealthy(&mut self, reason: &str) {
        if self.state() != State::Unhealthy {
            self.event(EventKind::Unhealthy, reason);
        }
        self.set(State::Unhealthy, reason);
    }

    async fn stop(&mut self, running: &mut Running) {
        self.set(State::Stopping, "");
        let timeout = Duration::from_secs(self.settings.stop_timeout_s);
        let by_itself = running.stop(self.spec.stop_signal, timeout).await;
        let cause = if by_itself { "on request" } else { "killed: did not stop in time" };
        self.event(EventKind::Stopped, cause);
    }

    fn state(&self) -> State {
        self.status.borrow().state
    }

    fn set(&self, state: State, detail: &str) {
        self.status.send_if_modified(|status| {
            let runs = matches!(state, State::Starting | State::Healthy | State::Unhealthy | State::Stopping);
            let changed = status.state != state || status.detail != detail;
            (status.state, status.detail) = (state, detail.to_owned());
            if !runs {
                (status.pid, status.started_ms) = (None, None);
            }
            changed
        });
    }

    fn event(&self, kind: EventKind, cause: &str) {
        let status = self.status.borrow();
        self.recorder.record(self.spec.name, kind, cause, status.pid, status.restarts);
    }

    fn with_complaint(&self, cause: String) -> String {
        match self.last.complaint() {
            Some(complaint) => format!("{cause}: {complaint}"),
            None => cause,
        }
    }
}

fn in_words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "ended".into(),
    }
}

/// Health checks in a task of their own, so that a slow one delays neither a stop nor an exit.
struct Watcher {
    results: mpsc::Receiver<Result<(), String>>,
    task: JoinHandle<()>,
}

impl Watcher {
    fn start(health: &Health, settings: &config::Supervisor) -> Self {
        /// While a service starts, an answer is looked for more often.
        const EAGER: Duration = Duration::from_millis(30);
        let (sender, results) = mpsc::channel(1);
        let mut probe = Probe::new(health.clone(), Duration::from_millis(settings.health_timeout_ms));
        let interval = Duration::from_millis(settings.health_interval_ms);
        let task = tokio::spawn(async move {
            let mut answered = false;
            loop {
                let result = probe.check().await;
                answered |= result.is_ok();
                if sender.send(result).await.is_err() {
                    return;
                }
                tokio::time::sleep(if answered { interval } else { EAGER }).await;
            }
        });
        Self { results, task }
    }

    async fn next(&mut self) -> Result<(), String> {
        match self.results.recv().await {
            Some(result) => result,
            None => {
                // The task panicked, which its own message reports: be slow about repeating it.
                tokio::time::sleep(Duration::from_secs(1)).await;
                Err("the health check ended".into())
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Pauses that double up to a limit, each shortened by chance so that services do not restart in step.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    initial: Duration,
    largest: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(settings: &config::Supervisor) -> Self {
        Self {
            initial: Duration::from_millis(settings.restart_initial_ms),
            largest: Duration::from_millis(settings.restart_max_ms),
            failures: 0,
        }
    }

    fn next(&mut self) -> Duration {
        let doubled = self.initial.saturating_mul(1_u32.checked_shl(self.failures.min(31)).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        doubled.min(self.largest).mul_f64(rand::random_range(0.5..1.0))
    }

    fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_limit_and_begin_anew() {
        let (initial, largest) = (Duration::from_millis(100), Duration::from_secs(2));
        let mut backoff = Backoff { initial, largest, failures: 0 };
        for failure in 0..80 {
            let whole = initial.saturating_mul(1 << failure.min(20)).min(largest);
            let pause = backoff.next();
            assert!(pause >= whole / 2 && pause < whole, "failure {failure}: {pause:?} of {whole:?}");
        }
        backoff.reset();
        assert!(backoff.next() < initial);
    }
}
