//! What arrived while the service was down: from the durable log, behind the last place known to be older.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use kt_bus::{Bus, HotMessage, LogPosition};
use kt_model::{BlockHeader, Event, Kind, Reader};

use crate::error::JournalError;
use crate::sources::Sources;

/// Rows of the time before our subscription are in the log after this: the feed cuts blocks after 100 ms.
const SETTLE: Duration = Duration::from_millis(300);
/// Bytes of missed rows that are taken in; what is beyond counts as dropped.
const MOST_BYTES: usize = 256 << 20;
/// Blocks asked for at once.
const FETCH: u64 = 512;
const FILE: &str = "log-position";

/// One missed row.
struct Missed {
    kind: Kind,
    row: Bytes,
    received: i64,
    place: (u32, u64),
}

/// Keeps the log's end as it was a moment ago, every second: all before it has come by the hot path. Never ends.
pub(crate) async fn keep_log_end(bus: Bus, folder: PathBuf) {
    let mut before: Option<LogPosition> = None;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let Ok(Some(state)) = bus.log_state().await else { continue };
        let now = LogPosition { stream_created: state.created, sequence: state.last };
        if let Some(before) = before.replace(now)
            && let Err(error) = keep(&folder, before)
        {
            tracing::warn!(%error, "a restart will not know where to look for what it missed");
        }
    }
}

fn keep(folder: &Path, position: LogPosition) -> Result<(), JournalError> {
    let (path, part) = (folder.join(FILE), folder.join("part-log-position"));
    let text = format!("{} {}\n", position.stream_created, position.sequence);
    std::fs::write(&part, text).map_err(JournalError::file("writing", &part))?;
    std::fs::rename(&part, &path).map_err(JournalError::file("renaming", &part))
}

fn kept(folder: &Path) -> Option<LogPosition> {
    let text = std::fs::read_to_string(folder.join(FILE)).ok()?;
    let (created, sequence) = text.trim().split_once(' ')?;
    Some(LogPosition { stream_created: created.parse().ok()?, sequence: sequence.parse().ok()? })
}

/// The rows that follow the positions of `sources` without a hole, in the order of receipt. What the log no
/// longer holds, or not yet, shows as dropped when the next row comes.
pub(crate) async fn missed(bus: &Bus, folder: &Path, sources: &Sources) -> Result<Vec<HotMessage>, JournalError> {
    let Some(from) = kept(folder) else { return Ok(Vec::new()) };
    tokio::time::sleep(SETTLE).await;
    let Some(state) = bus.log_state().await? else { return Ok(Vec::new()) };
    if state.created != from.stream_created || state.first > from.sequence + 1 || state.last <= from.sequence {
        return Ok(Vec::new());
    }
    let mut found: BTreeMap<String, Vec<Missed>> = BTreeMap::new();
    let (mut bytes, mut at) = (0, from.sequence);
    while at < state.last && bytes < MOST_BYTES {
        let last = state.last.min(at + FETCH);
        for (header, payload) in bus.blocks_between(at + 1, last).await? {
            bytes += gather(&header, &payload, sources, &mut found);
        }
        at = last;
    }
    Ok(in_order(found, sources))
}

/// Takes the rows of a block that are newer than what came; answers their bytes.
fn gather(
    header: &BlockHeader,
    payload: &Bytes,
    sources: &Sources,
    found: &mut BTreeMap<String, Vec<Missed>>,
) -> usize {
    let known = sources.iter().find(|(writer, ..)| *writer == header.writer);
    let is_whole = header.schema_version == header.kind.schema().version && header.verify_hash(payload).is_ok();
    let Some((_, epoch, counter)) = known.filter(|_| is_whole) else { return 0 };
    if (header.epoch, header.last_counter) <= (epoch, counter) {
        return 0;
    }
    let rows = found.entry(header.writer.clone()).or_default();
    let mut reader = Reader::new(payload);
    let mut bytes = 0;
    while !reader.is_empty() {
        let start = reader.position();
        let Ok(event) = Event::decode(header.kind, &mut reader) else { break };
        let head = event.header();
        if (head.epoch, head.counter) > (epoch, counter) {
            let row = payload.slice(start..reader.position());
            bytes += row.len();
            rows.push(Missed { kind: header.kind, row, received: head.recv_ts.0, place: (head.epoch, head.counter) });
        }
    }
    bytes
}

fn in_order(found: BTreeMap<String, Vec<Missed>>, sources: &Sources) -> Vec<HotMessage> {
    let mut all: Vec<(i64, usize, Missed)> = Vec::new();
    for (writer, (name, mut rows)) in found.into_iter().enumerate() {
        rows.sort_by_key(|row| row.place);
        rows.dedup_by_key(|row| row.place);
        let Some((_, mut epoch, mut counter)) = sources.iter().find(|(known, ..)| *known == name) else { continue };
        let mut latest = i64::MIN;
        for row in rows {
            let expected = if row.place.0 == epoch { counter + 1 } else { 1 };
            if row.place.1 != expected {
                break; // not yet in the log, or no more: what follows shows the hole
            }
            (epoch, counter) = row.place;
            // The order within a writer is that of its counters, whatever its clock did.
            latest = latest.max(row.received);
            all.push((latest, writer, row));
        }
    }
    all.sort_by_key(|(received, writer, row)| (*received, *writer, row.place));
    let message = |row: Missed| HotMessage {
        kind: row.kind,
        version: row.kind.schema().version,
        payload: row.row,
        missing: None,
    };
    all.into_iter().map(|(_, _, row)| message(row)).collect()
}
