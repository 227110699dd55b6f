//! `kt logs`: reads the log files, whether the platform runs or not.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::cli::Logs;
use crate::config::Config;
use crate::error::Error;

/// How far back from the end of a file its last lines are looked for.
const TAIL_BYTES: u64 = 1 << 20;

pub(crate) fn run(config: &Config, options: &Logs) -> Result<(), Error> {
    let mut files = find(&config.data("logs"), options.service.as_deref())?;
    let mut lines = Vec::new();
    for file in &mut files {
        let found = file.read_new()?;
        let skipped = found.len().saturating_sub(options.lines);
        lines.extend(found.into_iter().skip(skipped).map(|line| (file.service.clone(), line)));
    }
    show(lines, options.json);
    if !options.follow {
        return Ok(());
    }
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let mut lines = Vec::new();
        for file in &mut files {
            let service = file.service.clone();
            lines.extend(file.read_new()?.into_iter().map(|line| (service.clone(), line)));
        }
        show(lines, options.json);
    }
}

fn find(directory: &Path, only: Option<&str>) -> Result<Vec<LogFile>, Error> {
    let entries = std::fs::read_dir(directory)
        .map_err(|error| Error::failed(format!("no logs in {}: {error}; `kt up` writes them", directory.display())))?;
    let mut files: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let service = entry.file_name().to_str()?.strip_suffix(".log")?.to_owned();
            Some(LogFile { service, path: entry.path(), inode: 0, position: None })
        })
        .collect();
    files.sort_by(|a, b| a.service.cmp(&b.service));
    if let Some(only) = only {
        let known: Vec<_> = files.iter().map(|file| file.service.clone()).collect();
        files.retain(|file| file.service == only);
        if files.is_empty() {
            return Err(Error::failed(format!("there is no log of {only:?}; there are {}", known.join(", "))));
        }
    }
    Ok(files)
}

fn show(mut lines: Vec<(String, String)>, json: bool) {
    if json {
        lines.sort_by_cached_key(|(_, line)| timestamp(line));
        lines.iter().for_each(|(_, line)| super::print(line));
        return;
    }
    let mut parsed: Vec<_> = lines
        .into_iter()
        .map(|(service, line)| {
            let value = serde_json::from_str::<Value>(&line).unwrap_or_else(|_| Value::String(line));
            (service, value)
        })
        .collect();
    parsed.sort_by_cached_key(|(_, value)| value["timestamp"].as_str().unwrap_or_default().to_owned());
    parsed.iter().for_each(|(service, value)| super::print(in_words(service, value)));
}

fn timestamp(line: &str) -> String {
    let value = serde_json::from_str::<Value>(line).unwrap_or_default();
    value["timestamp"].as_str().unwrap_or_default().to_owned()
}

/// Time, service, level, message, and the other fields as `key=value`.
fn in_words(service: &str, value: &Value) -> String {
    let Some(fields) = value.as_object() else {
        return format!("{service:<10} {}", value.as_str().unwrap_or_default());
    };
    let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
    let known = ["timestamp", "level", "message", "target"];
    let others = fields.iter().filter(|(key, _)| !known.contains(&key.as_str()));
    let others: String = others.map(|(key, value)| format!(" {key}={value}")).collect();
    format!("{} {service:<10} {:<5} {}{others}", text("timestamp"), text("level"), text("message"))
}

/// A log file and how far it has been read.
struct LogFile {
    service: String,
    path: PathBuf,
    inode: u64,
    position: Option<u64>,
}

impl LogFile {
    /// Whole lines since the last call; at first, those at the end of the file. A file that was
    /// rotated is read from its beginning.
    fn read_new(&mut self) -> Result<Vec<String>, Error> {
        let Ok(mut file) = File::open(&self.path) else {
            // Just being rotated.
            return Ok(Vec::new());
        };
        let failed = || Error::doing(format!("reading {}", self.path.display()));
        let metadata = file.metadata().map_err(failed())?;
        let start = match self.position {
            Some(position) if metadata.ino() == self.inode => position,
            Some(_) => 0,
            None => metadata.len().saturating_sub(TAIL_BYTES),
        };
        file.seek(SeekFrom::Start(start)).map_err(failed())?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed())?;
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.inode = metadata.ino();
        let first = self.position.replace(start + end as u64).is_none();
        let text = String::from_utf8_lossy(&bytes[..end]);
        // The first line of a tail is usually cut.
        let cut = usize::from(first && start > 0);
        Ok(text.lines().skip(cut).map(str::to_owned).collect())
    }
}
