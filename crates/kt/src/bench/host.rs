//! Where and of what a measurement was made.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// What a figure means nothing without.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Host {
    /// UTC.
    pub(super) date: String,
    /// UTC.
    pub(super) time: String,
    pub(super) name: String,
    pub(super) processor: String,
    pub(super) cores: usize,
    pub(super) memory_gib: u64,
    pub(super) kernel: String,
    pub(super) rustc: String,
    /// `debug` figures are worth nothing.
    pub(super) build: &'static str,
    pub(super) commit: String,
    /// Whether the working directory differed from the commit when the benchmark ran.
    pub(super) dirty: bool,
    /// At the start of the run.
    pub(super) load_average: String,
}

impl Host {
    /// Of this machine, now.
    pub(super) fn this() -> Self {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let stamp = crate::supervisor::time::rfc3339(UNIX_EPOCH + std::time::Duration::from_secs(seconds));
        let (date, time) = stamp.split_once('T').unwrap_or((stamp.as_str(), ""));
        Self {
            date: date.to_owned(),
            time: time.to_owned(),
            name: line("/proc/sys/kernel/hostname"),
            processor: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory(),
            kernel: line("/proc/sys/kernel/osrelease"),
            rustc: said("rustc", &["--version"]).unwrap_or_else(|| "unknown".to_owned()),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            commit: said("git", &["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned()),
            dirty: said("git", &["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty()),
            load_average: super::usage::load_average(),
        }
    }

    /// A name for files: `amd-epyc-2-cores`.
    pub(super) fn short(&self) -> String {
        let words = self.processor.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let known = words.filter(|word| !matches!(*word, "R" | "TM" | "CPU" | "Processor")).take(3);
        let mut words: Vec<_> = known.map(str::to_ascii_lowercase).collect();
        words.push(format!("{}-cores", self.cores));
        words.join("-")
    }
}

fn line(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}

fn memory() -> u64 {
    let total = field("/proc/meminfo", "MemTotal");
    let kilobytes = total.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0).div_ceil(1 << 20)
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
