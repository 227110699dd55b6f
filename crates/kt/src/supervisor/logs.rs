//! Log files: one per service, rotated by size, and the pump that fills them.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// Longer lines are cut, so that a service cannot fill the supervisor's memory.
const LONGEST_LINE: usize = 64 << 10;
/// Lines kept for the message about a service that ended.
const KEPT_LINES: usize = 20;

/// A log file that starts anew when it is full. Clones write to the same file.
#[derive(Clone)]
pub(crate) struct RotatingLog(Arc<Mutex<Rotating>>);

struct Rotating {
    path: PathBuf,
    file: File,
    size: u64,
    limit: u64,
    kept: u32,
}

impl RotatingLog {
    /// Opens `path` for appending. Old files are `path.1` (the newest) to `path.<kept>`.
    pub(crate) fn open(path: &Path, limit: u64, kept: u32) -> io::Result<Self> {
        let file = append_to(path)?;
        let size = file.metadata()?.len();
        Ok(Self(Arc::new(Mutex::new(Rotating { path: path.to_owned(), file, size, limit, kept }))))
    }

    fn write_line(&self, line: &[u8]) -> io::Result<()> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if log.size > 0 && log.size + line.len() as u64 > log.limit {
            log.rotate()?;
        }
        log.file.write_all(line)?;
        log.size += line.len() as u64;
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

impl Rotating {
    fn rotate(&mut self) -> io::Result<()> {
        let old = |number: u32| PathBuf::from(format!("{}.{number}", self.path.display()));
        for number in (1..self.kept).rev() {
            match std::fs::rename(old(number), old(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.kept == 0 {
            std::fs::remove_file(&self.path)?;
        } else {
            std::fs::rename(&self.path, old(1))?;
        }
        self.file = append_to(&self.path)?;
        self.size = 0;
        Ok(())
    }
}

impl Write for RotatingLog {
    /// The JSON formatter writes one whole line per call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_line(line)?;
        Ok(line.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for RotatingLog {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The last lines of a service, for the message when it ends.
#[derive(Clone, Default)]
pub(crate) struct LastLines(Arc<Mutex<VecDeque<String>>>);

impl LastLines {
    fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    /// The newest line that reports an error, else the newest line.
    pub(crate) fn complaint(&self) -> Option<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let serious = |line: &&String| {
            ["\"ERROR\"", "error:", "ERROR:", "FATAL:", "PANIC:", "[FTL]", "[ERR]", "panicked"]
                .iter()
                .any(|mark| line.contains(mark))
        };
        let line = lines.iter().rev().find(serious).or(lines.back())?;
        Some(message_of(line))
    }
}

/// The text of a JSON log line with its error, or the line itself.
fn message_of(line: &str) -> String {
    let parsed = serde_json::from_str::<serde_json::Value>(line).ok();
    let text = |key: &str| parsed.as_ref()?.get(key)?.as_str().map(str::to_owned);
    match (text("message"), text("error")) {
        (Some(message), Some(error)) => format!("{message}: {error}"),
        (Some(message), None) => message,
        _ => line.to_owned(),
    }
}

/// Copies a service's output to its log until the output ends. Lines that are not JSON (those of
/// foreign engines) are wrapped, so that every line of every log is JSON.
pub(crate) async fn pump(service: &'static str, output: impl AsyncRead + Unpin, log: RotatingLog, last: LastLines) {
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    while matches!(read_line(&mut reader, &mut line).await, Ok(true)) {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if text.is_empty() {
            continue;
        }
        last.push(text);
        let mut json = if text.starts_with('{') { text.to_owned() } else { wrapped(service, text) };
        json.push('\n');
        if let Err(error) = log.write_line(json.as_bytes()) {
            // The disk may be full: the service must not stop because its log cannot be written.
            tracing::warn!(service, %error, "cannot write the service's log; line dropped");
        }
    }
}

/// Reads up to the next newline, keeping no more than [`LONGEST_LINE`] bytes; `false` at the end.
async fn read_line(reader: &mut (impl AsyncBufReadExt + Unpin), line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    loop {
        let chunk = reader.fill_buf().await?;
        if chunk.is_empty() {
            return Ok(!line.is_empty());
        }
        let newline = chunk.iter().position(|byte| *byte == b'\n');
        let taken = newline.map_or(chunk.len(), |at| at + 1);
        let room = LONGEST_LINE.saturating_sub(line.len());
        line.extend_from_slice(&chunk[..taken.min(room)]);
        reader.consume(taken);
        if newline.is_some() {
            return Ok(true);
        }
    }
}

fn wrapped(service: &str, text: &str) -> String {
    let marks = [
        ("ERROR", &["[ERR]", "[FTL]", "ERROR:", "FATAL:", "PANIC:", "error:", "panicked"][..]),
        ("WARN", &["[WRN]", "WARNING:"]),
    ];
    let level = marks.iter().find(|(_, marks)| marks.iter().any(|mark| text.contains(mark)));
    let level = level.map_or("INFO", |(level, _)| level);
    let timestamp = super::time::rfc3339(SystemTime::now());
    serde_json::json!({"timestamp": timestamp, "level": level, "message": text, "target": service}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_line_is_json_and_old_files_are_bounded() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("x.log");
        let log = RotatingLog::open(&path, 1000, 2).expect("open");
        let mut output: Vec<u8> = (0..50).flat_map(|n| format!("[ERR] plain line {n}\n").into_bytes()).collect();
        output.extend_from_slice(b"{\"message\":\"own\",\"level\":\"INFO\"}\n");
        output.extend_from_slice(&vec![b'x'; LONGEST_LINE * 2]);
        let last = LastLines::default();
        pump("test", output.as_slice(), log, last.clone()).await;
        let names = ["x.log", "x.log.1", "x.log.2", "x.log.3"].map(|name| directory.path().join(name));
        assert!(names[2].exists() && !names[3].exists());
        for name in &names[..3] {
            for line in std::fs::read_to_string(name).expect("read").lines() {
                let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
                assert!(value["message"].as_str().expect("message").len() <= LONGEST_LINE);
            }
        }
        assert_eq!(last.complaint().as_deref(), Some("[ERR] plain line 49"));
    }
}
