//! The report: Markdown for people, JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::host::Host;
use crate::error::Error;

/// One run of the benchmark.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) host: Host,
    pub(super) rounds: u32,
    pub(super) stages: Vec<Section>,
}

/// What one stage found.
#[derive(Debug, Default, Serialize)]
pub(super) struct Section {
    pub(super) title: String,
    /// When the stage began: others may have used the machine.
    pub(super) load_average: String,
    /// How it was measured.
    pub(super) method: String,
    pub(super) tables: Vec<Table>,
    pub(super) targets: Vec<Target>,
    /// What bounds this stage, and how near it is.
    pub(super) limit: String,
    /// Medians by name, in base units (seconds, bytes, items).
    pub(super) values: BTreeMap<String, f64>,
    /// What was left out, and why.
    pub(super) skipped: Vec<String>,
}

/// Rows under a caption.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// A figure that the platform is to reach.
#[derive(Debug, Serialize)]
pub(super) struct Target {
    pub(super) what: String,
    pub(super) wanted: String,
    pub(super) measured: String,
    pub(super) reached: bool,
}

impl Section {
    /// A stage that begins now.
    pub(super) fn begin(title: &str) -> Self {
        Self { title: title.to_owned(), load_average: super::usage::load_average(), ..Self::default() }
    }

    /// Begins a table.
    pub(super) fn table(&mut self, caption: &str, columns: &[&str]) -> &mut Table {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        self.tables.push(Table { caption: caption.to_owned(), columns, rows: Vec::new() });
        let last = self.tables.len() - 1;
        &mut self.tables[last]
    }

    /// Keeps a figure for programs.
    pub(super) fn value(&mut self, name: impl Into<String>, value: f64) {
        self.values.insert(name.into(), value);
    }

    /// Compares a figure with what is wanted of it.
    pub(super) fn target(&mut self, what: &str, wanted: &str, measured: String, reached: bool) {
        self.targets.push(Target { what: what.to_owned(), wanted: wanted.to_owned(), measured, reached });
    }

    /// Notes what was not measured, and says so at once.
    pub(super) fn skip(&mut self, reason: String) {
        eprintln!("SKIP: {reason}");
        self.skipped.push(reason);
    }
}

impl Table {
    /// Adds a row.
    pub(super) fn row<T: ToString>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(|cell| cell.to_string()).collect());
    }
}

impl Report {
    /// The report as a chapter of a Markdown file.
    pub(super) fn markdown(&self) -> String {
        let host = &self.host;
        let dirty = if host.dirty { ", with uncommitted changes" } else { "" };
        let mut text = format!("## {} {}\n\n", host.date, host.time);
        let facts = [
            ("host", format!("{}: {}, {} cores, {} GiB", host.name, host.processor, host.cores, host.memory_gib)),
            ("system", format!("Linux {}, {}, {} build", host.kernel, host.rustc, host.build)),
            ("commit", format!("{}{dirty}", host.commit)),
            ("rounds", format!("{}, medians reported; load average at the start {}", self.rounds, host.load_average)),
        ];
        for (name, value) in facts {
            let _ = writeln!(text, "- {name}: {value}");
        }
        self.stages.iter().for_each(|stage| stage.write(&mut text));
        text
    }

    /// Appends the report to the file of its day and host.
    pub(super) fn append(&self, folder: &Path) -> Result<PathBuf, Error> {
        std::fs::create_dir_all(folder).map_err(Error::doing(folder.display()))?;
        let path = folder.join(format!("{}-{}.md", self.host.date, self.host.short()));
        let head = format!("# Benchmark of {} on {}\n\n", self.host.date, self.host.short());
        let known =
            if path.exists() { std::fs::read_to_string(&path).map_err(Error::doing(path.display()))? } else { head };
        let text = format!("{}\n\n{}", known.trim_end(), self.markdown());
        std::fs::write(&path, text).map_err(Error::doing(path.display()))?;
        Ok(path)
    }
}

impl Section {
    fn write(&self, text: &mut String) {
        let _ = writeln!(text, "\n### {}\n\nLoad average {}. {}\n", self.title, self.load_average, self.method);
        for table in &self.tables {
            table.write(text);
        }
        for target in &self.targets {
            let word = if target.reached { "REACHED" } else { "MISSED" };
            let _ = writeln!(text, "- **{word}** {}: {}, wanted {}", target.what, target.measured, target.wanted);
        }
        for reason in &self.skipped {
            let _ = writeln!(text, "- SKIPPED: {reason}");
        }
        if !self.limit.is_empty() {
            let _ = writeln!(text, "\n**What limits it.** {}", self.limit);
        }
    }
}

impl Table {
    fn write(&self, text: &mut String) {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let _ = write!(text, "{}\n\n{}", self.caption, line(&self.columns));
        text.push_str(&line(&vec!["---".to_owned(); self.columns.len()]));
        self.rows.iter().for_each(|row| text.push_str(&line(row)));
        text.push('\n');
    }
}

/// The middle of some figures; of an even number the lower one of the two in the middle.
pub(super) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// `1,234,567`.
pub(super) fn count(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = if number < 0.0 { "-".to_owned() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in the unit that people read it in, from nanoseconds.
pub(super) fn spoken(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns < 10_000.0 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.0} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.1} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!([count(999.4), count(1000.0), count(-1_234_567.0)], ["999", "1,000", "-1,234,567"]);
        assert_eq!([spoken(512.0), spoken(250_000.0), spoken(1.5e9)], ["512 ns", "250 µs", "1.50 s"]);
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.0);
    }
}
