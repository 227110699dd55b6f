//! The desk: one ordered input in, records of every step out. Live, replay and backtest run this code.

use kt_model::{Event, Nanos};
use kt_signals::{Input, InputClock};

use crate::config::{ConfigError, TradingConfig};
use crate::entry::OrderEntry;
use crate::floor::Floor;
use crate::ledger::Account;
use crate::market::Market;
use crate::paper::PaperVenue;
use crate::record::Record;
use crate::recovery::Recovered;
use crate::report::Report;

/// Makes the order entry for a configuration.
pub type EntryMaker = fn(&TradingConfig) -> Box<dyn OrderEntry + Send>;

/// One strategy's account in one market, with the market.
#[derive(Clone, Copy, Debug)]
pub struct Holding<'a> {
    /// The strategy's name.
    pub strategy: &'a str,
    /// The market.
    pub market: &'a Market,
    /// The account.
    pub account: &'a Account,
}

/// See the module. Inputs in this order make it trade: [`Input::Start`], [`Input::Configuration`],
/// optionally a report with what was [recovered](Report::Recovered), [`Input::CatchUp`], then the flow.
pub struct Desk {
    make_entry: EntryMaker,
    clock: InputClock,
    started: Nanos,
    floor: Option<Floor>,
    entry: Option<Box<dyn OrderEntry + Send>>,
    text: Box<str>,
    error: Option<ConfigError>,
    reports: Vec<Vec<u8>>,
    unreadable_reports: u64,
}

impl Desk {
    /// Orders are carried out on paper.
    #[must_use]
    pub fn paper() -> Self {
        Self::with_entry(|config| Box::new(PaperVenue::new(&config.paper)))
    }

    /// Orders go where `make_entry` says.
    #[must_use]
    pub fn with_entry(make_entry: EntryMaker) -> Self {
        Self {
            make_entry,
            clock: InputClock::default(),
            started: Nanos(0),
            floor: None,
            entry: None,
            text: Box::default(),
            error: None,
            reports: Vec::new(),
            unreadable_reports: 0,
        }
    }

    /// Consumes one input; every step that it makes goes to `sink`, in order.
    pub fn on_input(&mut self, input: &Input<'_>, sink: &mut impl FnMut(&Record)) {
        let now = self.clock.observe(input);
        match input {
            Input::Start(at) => self.start(*at),
            Input::Configuration { text, .. } => self.configure(text),
            _ => {}
        }
        let (Some(floor), Some(entry)) = (&mut self.floor, &mut self.entry) else { return };
        floor.now = now;
        // What was due before this input happens on the books as they stood before it.
        entry.advance(now, &floor.markets, &mut self.reports);
        let mut everybody = !self.reports.is_empty();
        for bytes in self.reports.drain(..) {
            self.unreadable_reports += u64::from(!take_report(floor, &bytes, &mut **entry));
        }
        everybody |= floor.settle_due_fundings();
        match input {
            Input::Event { event, .. } => floor.event(event, &mut **entry),
            Input::Dropped { writer, .. } => floor.lost_events(writer),
            Input::KillSwitch { on, .. } => floor.kill_switch(*on, "command", &mut **entry),
            Input::CatchUp(_) => floor.risk.live = true,
            Input::Stop(_) => floor.risk.live = false,
            Input::Report { payload, .. } => {
                self.unreadable_reports += u64::from(!take_report(floor, payload, &mut **entry));
            }
            Input::Start(_) | Input::Configuration { .. } | Input::Tick(_) => {}
        }
        let concerned = match input {
            Input::Event { event, .. } if !everybody => Some(*event),
            _ => None,
        };
        floor.decide(concerned, &mut **entry);
        floor.drain(sink);
    }

    /// A process began. With a state from the journal it goes on: what was under way is not known to anybody
    /// any more, and no book is believed before it has spoken again.
    fn start(&mut self, at: Nanos) {
        self.started = at;
        if let (Some(floor), Some(entry)) = (&mut self.floor, &mut self.entry) {
            entry.restart(at);
            floor.now = self.clock.now();
            floor.restarted(at);
        }
    }

    /// A new configuration begins with flat accounts; a report with what was recovered may follow. The same
    /// configuration again changes nothing.
    fn configure(&mut self, text: &str) {
        if *self.text == *text && self.floor.is_some() {
            return;
        }
        match TradingConfig::parse(text) {
            Ok(config) => {
                let mut entry = (self.make_entry)(&config);
                entry.restart(self.started);
                self.floor = Some(Floor::new(&config, self.started));
                self.entry = Some(entry);
                (self.text, self.error) = (text.into(), None);
            }
            Err(error) => self.error = Some(error),
        }
    }

    /// Why the last configuration was not taken.
    #[must_use]
    pub fn configuration_error(&self) -> Option<&ConfigError> {
        self.error.as_ref()
    }

    /// The text of the configuration in force; empty before the first.
    #[must_use]
    pub fn configuration(&self) -> &str {
        &self.text
    }

    /// The time of the newest input.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.clock.now()
    }

    /// Whether trading is forbidden.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        self.floor.as_ref().is_some_and(|floor| floor.risk.halted)
    }

    /// Reports that were no reports.
    #[must_use]
    pub fn unreadable_reports(&self) -> u64 {
        self.unreadable_reports
    }

    /// How many orders have not ended.
    #[must_use]
    pub fn open_orders(&self) -> usize {
        self.floor.as_ref().map_or(0, Floor::open_orders)
    }

    /// Sequence of the newest step; 0 before the first.
    #[must_use]
    pub fn last_sequence(&self) -> u64 {
        self.floor.as_ref().map_or(0, |floor| floor.last_sequence)
    }

    /// What a new journal has to begin with, so that this state goes on.
    #[must_use]
    pub fn recovered(&self) -> Recovered {
        self.floor.as_ref().map_or_else(Recovered::default, Floor::recovered)
    }

    /// The markets that are traded on or looked at.
    #[must_use]
    pub fn markets(&self) -> &[Market] {
        self.floor.as_ref().map_or(&[], |floor| &floor.markets)
    }

    /// Every account of every strategy in its own markets.
    pub fn holdings(&self) -> impl Iterator<Item = Holding<'_>> {
        self.floor.iter().flat_map(Floor::holdings)
    }
}

/// `false` when the bytes are no report.
fn take_report(floor: &mut Floor, bytes: &[u8], entry: &mut dyn OrderEntry) -> bool {
    match Report::from_bytes(bytes) {
        Ok(report) => floor.report(&report, entry),
        Err(_) => return false,
    }
    true
}

/// Whether an event can change what is decided: books deeper than the touch do not.
pub(crate) fn moves_strategies(event: &Event<'_>) -> bool {
    matches!(event, Event::Quote(_) | Event::Funding(_) | Event::Instrument(_) | Event::Status(_) | Event::Mark(_))
}
