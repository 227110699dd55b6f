//! The mappings that are built in.

use crate::error::VenueError;
use crate::mapping::Mapping;

/// Name and text of every file under `venues/`.
static MAPPINGS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/mappings.rs"));

/// Names of the built-in mappings.
pub fn builtin_venues() -> impl Iterator<Item = &'static str> {
    MAPPINGS.iter().map(|(name, _)| *name)
}

/// A built-in mapping, compiled.
///
/// # Errors
/// [`crate::ErrorKind::Unknown`] where there is none of this name.
pub fn builtin(venue: &str) -> Result<Mapping, VenueError> {
    let found = MAPPINGS.iter().find(|(name, _)| *name == venue);
    let (_, text) = found.ok_or_else(|| {
        let names: Vec<&str> = builtin_venues().collect();
        VenueError::unknown(format!("no mapping for venue `{venue}`: use one of {}", names.join(", ")))
    })?;
    Mapping::parse(text)
}
