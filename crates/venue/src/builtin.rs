//! The mappings that are built in.

use crate::error::VenueError;
use crate::mapping::Mapping;

/// Name and text of every file under `venues/`.
static MAPPINGS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/mappings.rs"));

/// Names of the built-in mappings.
pub fn builtin_venues() -> impl Iterator<Item = &'static str> {
    MAPPINGS.iter().map(|(name, _)| *name)
}

/// The text of a built-in mapping.
#[must_use]
pub fn builtin_text(venue: &str) -> Option<&'static str> {
    MAPPINGS.iter().find(|(name, _)| *name == venue).map(|(_, text)| *text)
}

/// A built-in mapping, compiled.
///
/// # Errors
/// [`crate::ErrorKind::Unknown`] where there is none of this name.
pub fn builtin(venue: &str) -> Result<Mapping, VenueError> {
    let text = builtin_text(venue).ok_or_else(|| {
        let names: Vec<&str> = builtin_venues().collect();
        VenueError::unknown(format!("no mapping for venue `{venue}`: use one of {}", names.join(", ")))
    })?;
    Mapping::parse(text)
}
