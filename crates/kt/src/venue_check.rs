//! `kt venue check`: a recording decoded offline, and what is right and wrong in it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use kt_venue::{CheckReport, CheckSink, Mapping, Record, Replay, ReplayConfig, builtin, parse_recording};

use crate::error::Error;

/// Options of `kt venue check`.
#[derive(Debug, Clone, Args)]
pub(crate) struct VenueCheck {
    /// The mapping's name
    venue: String,
    /// Recorded streams; instrument lists (`…_reference.jsonl.zst`) are found beside them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print the books at the end, so many levels a side; JSON always has them [default there: 20]
    #[arg(long, value_name = "DEPTH")]
    books: Option<usize>,
    /// Market segment of frames whose connection the recording does not name
    #[arg(long, value_name = "NAME")]
    segment: Option<String>,
    /// A mapping file instead of the built-in one
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
}

impl VenueCheck {
    /// Levels a side of the books to print, where they are printed.
    fn depth(&self) -> Option<usize> {
        self.books.or(self.json.then_some(20))
    }
}

/// Checks the recordings; an error where something in them is wrong.
pub(crate) fn run(options: &VenueCheck) -> Result<(), Error> {
    let mapping = Arc::new(mapping(options)?);
    if let Some(segment) = &options.segment {
        mapping.addresses(segment).map_err(|error| Error::usage(error.to_string()))?;
    }
    let (lists, streams): (Vec<&PathBuf>, Vec<&PathBuf>) = options.files.iter().partition(|file| is_list(file));
    if streams.is_empty() {
        return Err(Error::usage("no recorded stream among the files: name at least one besides instrument lists"));
    }
    let mut report = CheckReport::default();
    for stream in &streams {
        let prefix = if streams.len() > 1 { stream.display().to_string() } else { String::new() };
        report.add(check(&mapping, options, &lists, stream)?, &prefix);
    }
    if options.json {
        let text = serde_json::to_string_pretty(&report).map_err(Error::doing("writing JSON"))?;
        print(&text);
    } else {
        print(&table(&report));
    }
    if report.is_right() { Ok(()) } else { Err(Error::failed(wrong(&report))) }
}

fn mapping(options: &VenueCheck) -> Result<Mapping, Error> {
    let read = match &options.mapping {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
            Mapping::parse(&text)
        }
        None => builtin(&options.venue),
    };
    read.map_err(|error| Error::usage(error.to_string()))
}

fn is_list(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().contains("_reference."))
}

fn check(
    mapping: &Arc<Mapping>,
    options: &VenueCheck,
    lists: &[&PathBuf],
    stream: &Path,
) -> Result<CheckReport, Error> {
    let records = load(stream)?;
    let config = ReplayConfig { segment: options.segment.clone(), keep_text: options.depth().is_some() };
    let mut replay = Replay::new(Arc::clone(mapping), config);
    let mut sink = CheckSink::default();
    let beside = if lists.is_empty() { nearest_list(stream) } else { None };
    for list in lists.iter().map(|list| list.as_path()).chain(beside.as_deref()) {
        let mut ignore = |_: &kt_model::Event<'_>| {};
        let taken = replay.reference(&load(list)?, &mut ignore);
        taken.map_err(|error| Error::usage(format!("{}: {error}", list.display())))?;
    }
    for record in &records {
        replay.play(record, &mut sink).map_err(|error| Error::failed(format!("{}: {error}", stream.display())))?;
    }
    Ok(sink.report(&replay, options.depth()))
}

/// The instrument list beside a stream whose date is nearest to its own.
fn nearest_list(stream: &Path) -> Option<PathBuf> {
    let day = |name: &str| name.get(..8).and_then(|text| text.parse::<i64>().ok());
    let wanted = day(&stream.file_name()?.to_string_lossy())?;
    let folder = stream.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let files = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let lists = files.filter(|path| is_list(path)).filter_map(|path| {
        let day = day(&path.file_name()?.to_string_lossy())?;
        Some(((day - wanted).abs(), path))
    });
    lists.min().map(|(_, path)| path)
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::usage(format!("{} cannot be read: {error}", path.display()))
}

/// Reads a recording: zstd-compressed where its name says so, else plain text.
pub(crate) fn load(path: &Path) -> Result<Vec<Record>, Error> {
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    let mut text = Vec::new();
    let read = if path.extension().is_some_and(|extension| extension == "zst") {
        zstd::Decoder::new(file).and_then(|mut decoder| decoder.read_to_end(&mut text))
    } else {
        std::io::BufReader::new(file).read_to_end(&mut text)
    };
    read.map_err(|error| unreadable(path, &error))?;
    let records = parse_recording(&text).map_err(|error| unreadable(path, &error))?;
    if records.is_empty() {
        return Err(Error::usage(format!("{} holds no record", path.display())));
    }
    Ok(records)
}

fn print(text: &str) {
    use std::io::Write;
    if writeln!(std::io::stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// What is wrong, in one line.
fn wrong(report: &CheckReport) -> String {
    let found = [
        (report.decode_errors, "frames that break the mapping"),
        (report.sequence_gaps, "sequence gaps"),
        (report.failed_bridges, "snapshots that the stream does not follow"),
        (report.checksums.wrong, "wrong checksums"),
        (report.quotes_vs_book.same_number_different, "quotes that differ from the book of the same update"),
        (report.unknown_instruments, "rows of unknown instruments"),
    ];
    let found: Vec<String> =
        found.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let first = report.faults.first().map(|fault| format!("; the first: {fault}")).unwrap_or_default();
    format!("the recording is not right: {}{first}", found.join(", "))
}

fn table(report: &CheckReport) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["what", "name", "count"]);
    let mut row = |what: &str, name: &str, count: u64| {
        table.add_row([what, name, &count.to_string()]);
    };
    row("frames", "", report.frames);
    for (name, count) in &report.channels {
        row(if report.ignored.contains_key(name) { "channel (ignored)" } else { "channel" }, name, *count);
    }
    for (kind, count) in &report.events {
        row("events", kind, *count);
    }
    row("decode errors", "", report.decode_errors);
    row("sequence gaps", "", report.sequence_gaps);
    row("bridges", "right", report.bridges);
    row("bridges", "wrong", report.failed_bridges);
    row("checksums", "right", report.checksums.right);
    row("checksums", "wrong", report.checksums.wrong);
    row("quotes against book", "same update, equal", report.quotes_vs_book.same_number_equal);
    row("quotes against book", "same update, different", report.quotes_vs_book.same_number_different);
    row("crossed books", "", report.crossed_books);
    row("time going backwards", "", report.time_backwards);
    row("unknown instruments", "rows", report.unknown_instruments);
    for (name, book) in &report.books {
        table.add_row(["book", name, &format!("{} bids, {} asks", book["n_bids"], book["n_asks"])]);
        for (side, label) in [("bids", "bid"), ("asks", "ask")] {
            for level in book[side].as_array().into_iter().flatten() {
                let text = |index: usize| level[index].as_str().unwrap_or_default().to_owned();
                table.add_row([label.to_owned(), text(0), text(1)]);
            }
        }
    }
    table.to_string()
}
