//! Shows how a backfill goes on: a bar for each instrument on a terminal, a line now and then elsewhere.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use kt_backfill::Step;

/// Pause between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// Takes every page and shows some.
pub(crate) struct PageProgress {
    bars: Option<(MultiProgress, RefCell<BTreeMap<String, ProgressBar>>)>,
    last_line: RefCell<Option<Instant>>,
}

impl PageProgress {
    /// Bars where standard error is a terminal that wants them.
    pub(crate) fn new(plain: bool) -> Self {
        let live = !plain && std::io::stderr().is_terminal();
        Self { bars: live.then(|| (MultiProgress::new(), RefCell::default())), last_line: RefCell::default() }
    }

    /// Shows a page.
    pub(crate) fn show(&self, step: &Step<'_>) {
        let name = format!("{} {} {}", step.venue, step.kind, step.instrument);
        match &self.bars {
            Some((screen, bars)) => {
                let mut bars = bars.borrow_mut();
                let bar = bars.entry(name.clone()).or_insert_with(|| {
                    let bar = screen.add(ProgressBar::new(1000));
                    let style = ProgressStyle::with_template("{prefix:40} {bar:30} {percent:>3} % {msg}");
                    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
                    bar.set_prefix(name);
                    bar
                });
                bar.set_position((step.part * 1000.0) as u64);
                bar.set_message(format!("{} rows", step.rows));
            }
            None => {
                let mut last = self.last_line.borrow_mut();
                if last.is_none_or(|last| last.elapsed() >= LINE_EVERY) {
                    *last = Some(Instant::now());
                    // Nobody may be reading any more.
                    let _ = writeln!(std::io::stderr(), "{name}: {:.0} %, {} rows", step.part * 100.0, step.rows);
                }
            }
        }
    }

    /// Ends the bars.
    pub(crate) fn finish(&self) {
        if let Some((_, bars)) = &self.bars {
            bars.borrow().values().for_each(ProgressBar::abandon);
        }
    }
}
