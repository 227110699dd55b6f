//! Shows how the platform comes up and goes down: live lines on a terminal, plain ones elsewhere.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::supervisor::status::{PlatformStatus, ServiceStatus, State};

/// Prints changes of state; knows what was printed.
pub(crate) struct Progress {
    started: Instant,
    shown: BTreeMap<String, State>,
    screen: Option<Screen>,
    silent: bool,
}

struct Screen {
    bars: MultiProgress,
    services: BTreeMap<String, ProgressBar>,
}

impl Progress {
    /// Live lines where standard error is a terminal that wants them.
    pub(crate) fn new(plain: bool) -> Self {
        let live = !plain && std::io::stderr().is_terminal();
        let screen = live.then(|| Screen { bars: MultiProgress::new(), services: BTreeMap::new() });
        Self { started: Instant::now(), shown: BTreeMap::new(), screen, silent: false }
    }

    /// Shows nothing: for the detached supervisor, whose starter shows the progress.
    pub(crate) fn silent() -> Self {
        Self { started: Instant::now(), shown: BTreeMap::new(), screen: None, silent: true }
    }

    /// Takes this as shown already: only what changes from here on is printed.
    pub(crate) fn begin_with(&mut self, status: &PlatformStatus) {
        for service in &status.services {
            self.shown.insert(service.service.clone(), service.state);
        }
    }

    /// Shows what changed since the last call.
    pub(crate) fn show(&mut self, status: &PlatformStatus) {
        for service in &status.services {
            let before = self.shown.insert(service.service.clone(), service.state);
            if before != Some(service.state) && !(before.is_none() && service.state == State::Waiting) {
                self.line(service);
            }
        }
    }

    /// Says one thing that belongs to no service.
    pub(crate) fn say(&self, text: &str) {
        if self.silent {
            return;
        }
        match &self.screen {
            Some(screen) => drop(screen.bars.println(text)),
            // Nobody may be reading any more.
            None => drop(writeln!(std::io::stderr(), "{text}")),
        }
    }

    /// Prints where the platform answers.
    pub(crate) fn ready(&mut self, status: &PlatformStatus) {
        if let Some(screen) = self.screen.take() {
            for bar in screen.services.values() {
                bar.abandon();
            }
        }
        if !self.silent {
            let seconds = self.started.elapsed().as_secs_f64();
            let _ = writeln!(std::io::stdout(), "KubeTrader is ready after {seconds:.1} s: {}", status.address);
        }
    }

    fn line(&mut self, service: &ServiceStatus) {
        if self.silent {
            return;
        }
        let seconds = self.started.elapsed().as_secs_f64();
        let detail = if service.detail.is_empty() { String::new() } else { format!(" ({})", service.detail) };
        let state = service.state.as_str();
        match &mut self.screen {
            Some(screen) => screen.show(service, &format!("{state} {seconds:.1} s{detail}")),
            None => {
                let _ = writeln!(std::io::stderr(), "{seconds:6.1} s  {:<10} {state}{detail}", service.service);
            }
        }
    }
}

impl Screen {
    fn show(&mut self, service: &ServiceStatus, message: &str) {
        let bars = &self.bars;
        let bar = self.services.entry(service.service.clone()).or_insert_with(|| {
            let bar = bars.add(ProgressBar::new_spinner());
            let style = ProgressStyle::with_template("{spinner} {prefix:10} {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.set_prefix(service.service.clone());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        bar.set_message(message.to_owned());
        if !matches!(service.state, State::Waiting | State::Starting | State::Stopping | State::BackingOff) {
            bar.disable_steady_tick();
            bar.tick();
        }
    }
}
