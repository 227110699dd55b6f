//! The instrument lists recorded beside the streams.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::load::{label_of, lines, parse};
use crate::error::SimError;
use crate::query::Target;

/// One recorded REST response of a `*_reference.jsonl.zst` file.
pub(crate) struct Reference {
    pub label: String,
    pub target: Target,
    pub body: Bytes,
}

/// All reference responses beside the streams, the best fitting files first: the same label
/// as the first stream, then the nearest earlier ones, then the later ones.
pub(super) fn find(streams: &[&Path]) -> Result<Vec<Reference>, SimError> {
    let Some(first) = streams.first() else { return Ok(Vec::new()) };
    let wanted = date(&label_of(first));
    let mut files = reference_files(first)?;
    files.sort_by_key(|path| {
        let label = label_of(path);
        let date = date(&label);
        (label != label_of(first), date > wanted, date.abs_diff(wanted))
    });
    let mut references = Vec::new();
    for path in files {
        lines(&path, |number, text| {
            let line = parse(&path, number, text)?;
            if let (Some("http"), Some(url), Some(body)) = (line.k.as_deref(), line.url, line.d) {
                references.push(Reference {
                    label: label_of(&path),
                    target: Target::from_url(&url),
                    body: body.into_owned().into(),
                });
            }
            Ok(true)
        })?;
    }
    Ok(references)
}

fn reference_files(beside: &Path) -> Result<Vec<PathBuf>, SimError> {
    let folder = beside.parent().unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(folder).map_err(|source| SimError::Read { path: folder.to_owned(), source })?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_reference = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.ends_with("_reference.jsonl.zst"))
    };
    Ok(paths.filter(is_reference).collect())
}

/// The date a label begins with, as a number that orders like the date.
fn date(label: &str) -> u64 {
    let digits: String = label.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}
