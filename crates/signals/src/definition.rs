//! Declarations of signals: read strictly, so that a wrong key or value names its line.

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::error::SignalError;
use crate::feature::Feature;

/// Where the best quotes come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TopSource {
    /// The quote channel once a quote has come, the order book before.
    #[default]
    Auto,
    /// The quote channel.
    Quote,
    /// The order book.
    Book,
}

/// One declared signal. Patterns may make it many: one for each instrument that matches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// Name in rows and subjects.
    pub name: String,
    /// What it computes.
    pub feature: Feature,
    /// Venues of the first leg: a name, or a pattern with `*`.
    pub venue: String,
    /// Instruments of the first leg: a canonical id, or a pattern with `*`.
    pub instrument: String,
    /// Venue of the second leg; `{venue}` is the first leg's.
    pub second_venue: String,
    /// Instrument of the second leg; `{base}` and `{quote}` are the first leg's.
    pub second_instrument: String,
    /// Where the best quotes come from.
    pub top: TopSource,
    /// Best levels a side.
    pub levels: usize,
    /// Length of the window, ns.
    pub window: i64,
    /// Time between two samples, ns.
    pub sample: i64,
    /// Samples below which there is no value.
    pub minimum: usize,
    /// The signal that this one is computed from: place among the declarations that stand before it.
    pub of: Vec<usize>,
    /// Age of a leg's newest data beyond which the value is stale, ns.
    pub max_age: i64,
    /// Least time between two rows while validity stays the same, ns.
    pub every: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    signal: Vec<Spanned<Raw>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    feature: Feature,
    #[serde(default = "any")]
    venue: String,
    #[serde(default = "any")]
    instrument: String,
    second_venue: Option<String>,
    second_instrument: Option<String>,
    top: Option<TopSource>,
    levels: Option<u32>,
    window_ms: Option<u32>,
    sample_ms: Option<u32>,
    minimum: Option<u32>,
    of: Option<String>,
    max_age_ms: Option<u32>,
    every_ms: Option<u32>,
}

fn any() -> String {
    "*".to_owned()
}

/// Most samples a window may hold.
const MOST_SAMPLES: i64 = 20_000;
const MILLISECOND: i64 = 1_000_000;

/// Reads the declarations of a TOML text.
///
/// # Errors
/// [`SignalError`] names the line and what would be right.
pub fn parse(text: &str) -> Result<Vec<Definition>, SignalError> {
    let file: File = toml::from_str(text).map_err(|error| SignalError::Syntax {
        line: error.span().map_or(1, |span| line_of(text, span.start)),
        problem: error.message().to_owned(),
    })?;
    let mut definitions: Vec<Definition> = Vec::new();
    for entry in file.signal {
        let line = line_of(text, entry.span().start);
        let raw = entry.into_inner();
        let name = raw.name.clone();
        let definition =
            complete(raw, &definitions).map_err(|problem| SignalError::Declaration { line, name, problem })?;
        definitions.push(definition);
    }
    Ok(definitions)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

fn complete(raw: Raw, before: &[Definition]) -> Result<Definition, String> {
    check_keys(&raw)?;
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    if !is_name(&raw.name) {
        return Err("a name holds lower-case letters, digits and _ only".to_owned());
    }
    let of = match &raw.of {
        None if raw.feature.is_rolling() => return Err("`of` must name the signal to compute it from".to_owned()),
        None => Vec::new(),
        Some(of) => {
            let found: Vec<_> = (0..before.len()).filter(|at| before[*at].name == *of).collect();
            if found.is_empty() {
                return Err(format!("`of` names \"{of}\", which is not declared before it"));
            }
            found
        }
    };
    if raw.feature.has_two_legs() && raw.second_instrument.is_none() {
        return Err("`second_instrument` must name the second leg, for example \"{base}-{quote}-SPOT\"".to_owned());
    }
    let default_window =
        if raw.feature.is_rolling() || raw.feature == Feature::RealisedVolatility { 300_000 } else { 10_000 };
    let default_age = if raw.feature == Feature::FundingApr { 600_000 } else { 5_000 };
    let positive = |key: &str, value: Option<u32>, default: u32| match value.unwrap_or(default) {
        0 => Err(format!("`{key}` must be above 0")),
        value => Ok(i64::from(value) * MILLISECOND),
    };
    let (window, sample) =
        (positive("window_ms", raw.window_ms, default_window)?, positive("sample_ms", raw.sample_ms, 1_000)?);
    let samples = window / sample;
    let sampled = raw.feature.is_rolling() || raw.feature == Feature::RealisedVolatility;
    if sampled && !(2..=MOST_SAMPLES).contains(&samples) {
        return Err(format!("window_ms / sample_ms is {samples}; it must lie between 2 and {MOST_SAMPLES}"));
    }
    let levels = raw.levels.unwrap_or(5);
    if !(1..=1_000).contains(&levels) {
        return Err(format!("`levels` is {levels}; it must lie between 1 and 1000"));
    }
    let minimum = raw.minimum.unwrap_or(30).max(2) as usize;
    if raw.feature.is_rolling() && minimum as i64 > samples {
        return Err(format!("`minimum` is {minimum}, but the window holds {samples} samples only"));
    }
    Ok(Definition {
        name: raw.name,
        feature: raw.feature,
        venue: raw.venue,
        instrument: raw.instrument,
        second_venue: raw.second_venue.unwrap_or_else(|| "{venue}".to_owned()),
        second_instrument: raw.second_instrument.unwrap_or_default(),
        top: raw.top.unwrap_or_default(),
        levels: levels as usize,
        window,
        sample,
        minimum,
        of,
        max_age: positive("max_age_ms", raw.max_age_ms, default_age)?,
        every: i64::from(raw.every_ms.unwrap_or(100)) * MILLISECOND,
    })
}

/// A key that the feature does not use is a mistake, not a wish.
fn check_keys(raw: &Raw) -> Result<(), String> {
    let given = [
        ("second_venue", raw.second_venue.is_some()),
        ("second_instrument", raw.second_instrument.is_some()),
        ("top", raw.top.is_some()),
        ("levels", raw.levels.is_some()),
        ("window_ms", raw.window_ms.is_some()),
        ("sample_ms", raw.sample_ms.is_some()),
        ("minimum", raw.minimum.is_some()),
        ("of", raw.of.is_some()),
    ];
    let keys = raw.feature.describe().keys;
    match given.iter().find(|(key, is_given)| *is_given && !keys.contains(key)) {
        Some((key, _)) => Err(format!("`{key}` means nothing to {}; it takes {keys:?}", raw.feature.as_str())),
        None => Ok(()),
    }
}

impl Definition {
    /// Whether an instrument matches as first leg.
    #[must_use]
    pub fn matches(&self, venue: &str, instrument: &str) -> bool {
        matches(&self.venue, venue) && matches(&self.instrument, instrument)
    }

    /// The second leg that belongs to a first one; `None` where the feature has none.
    #[must_use]
    pub fn second_leg(&self, venue: &str, instrument: &str) -> Option<(String, String)> {
        if self.second_instrument.is_empty() {
            return None;
        }
        let mut parts = instrument.split('-');
        let (base, quote) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let filled = self.second_instrument.replace("{base}", base).replace("{quote}", quote);
        Some((self.second_venue.replace("{venue}", venue), filled))
    }
}

/// Whether a text fits a pattern in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| matches(tail, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_what_they_should() {
        assert!(matches("*", "") && matches("*-PERP", "BTC-USDT-USDT-PERP") && matches("BTC-*-SPOT", "BTC-USDT-SPOT"));
        assert!(!matches("*-PERP", "BTC-USDT-SPOT") && !matches("BTC", "BTCX") && !matches("a*b*c", "acb"));
    }

    #[test]
    fn mistakes_name_their_line() {
        let says = |text: &str| parse(text).expect_err("refused").to_string();
        let good = "[[signal]]\nname = \"mid\"\nfeature = \"mid\"\n";
        assert_eq!(parse(good).expect("good").len(), 1);
        let unknown_key = says(&format!("{good}depth = 3\n"));
        assert!(unknown_key.contains("line 4") && unknown_key.contains("depth"), "{unknown_key}");
        let wrong_type = says(&format!("{good}every_ms = \"often\"\n"));
        assert!(wrong_type.contains("line 4"), "{wrong_type}");
        let unused = says(&format!("{good}\n[[signal]]\nname = \"s\"\nfeature = \"spread\"\nlevels = 3\n"));
        assert!(unused.contains("line 5") && unused.contains("levels"), "{unused}");
        let feature = says("[[signal]]\nname = \"m\"\nfeature = \"middle\"\n");
        assert!(feature.contains("line 3") && feature.contains("middle"), "{feature}");
        let of = says("[[signal]]\nname = \"z\"\nfeature = \"z_score\"\nof = \"basis\"\n");
        assert!(of.contains("line 1") && of.contains("not declared before"), "{of}");
    }
}
