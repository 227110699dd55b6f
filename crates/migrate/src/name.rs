//! Script names: `V<version>__<description>.sql` and `R__<description>.sql`.

use std::cmp::Ordering;
use std::fmt;

/// Flyway's column width for descriptions.
const MAX_DESCRIPTION: usize = 200;

/// A migration's version: numbers separated by dots, compared number by number.
///
/// Trailing zeros do not count: `1` equals `1.0`.
#[derive(Debug, Clone, Eq)]
pub struct Version {
    text: String,
    numbers: Vec<u64>,
}

impl Version {
    /// Reads `1`, `1.2` or `1_2`; `None` when a part is not a number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.replace('_', ".");
        let mut numbers = text
            .split('.')
            .map(|part| if part.bytes().all(|b| b.is_ascii_digit()) { part.parse().ok() } else { None })
            .collect::<Option<Vec<u64>>>()?;
        while numbers.len() > 1 && numbers.last() == Some(&0) {
            numbers.pop();
        }
        Some(Self { text, numbers })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.numbers == other.numbers
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What a script's file name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptName {
    /// The version; `None` for a repeatable script.
    pub version: Option<Version>,
    /// The description, underscores shown as spaces.
    pub description: String,
}

impl ScriptName {
    /// Reads a file name; the error says what is wrong with it.
    pub fn parse(file_name: &str) -> Result<Self, String> {
        let stem = file_name.strip_suffix(".sql").ok_or("its name does not end in .sql")?;
        let form = "its name must be V<version>__<description>.sql or R__<description>.sql";
        let (prefix, description) = stem.split_once("__").ok_or(form)?;
        let version = match prefix.split_at_checked(1) {
            Some(("R", "")) => None,
            Some(("V", version)) => {
                Some(Version::parse(version).ok_or_else(|| format!("{version:?} is not a version; {form}"))?)
            }
            _ => return Err(form.into()),
        };
        if description.is_empty() {
            return Err(format!("its description is empty; {form}"));
        }
        let description = description.replace('_', " ").chars().take(MAX_DESCRIPTION).collect();
        Ok(Self { version, description })
    }
}

#[cfg(test)]
mod tests {
    use super::{ScriptName, Version};

    #[test]
    fn versions_compare_by_number() {
        let v = |text| Version::parse(text).expect("a version");
        assert_eq!(v("1"), v("1.0"));
        assert_eq!(v("1_2"), v("1.2"));
        assert!(v("2") < v("10"));
        assert!(v("1.9") < v("1.10"));
        assert!(v("1.1") > v("1"));
        assert_eq!(v("1_2").to_string(), "1.2");
        assert!(Version::parse("1.x").is_none() && Version::parse("").is_none() && Version::parse("+1").is_none());
    }

    #[test]
    fn names_are_read_or_refused_with_a_reason() {
        let name = ScriptName::parse("V1_2__landing_tables.sql").expect("versioned");
        assert_eq!(name.version, Version::parse("1.2"));
        assert_eq!(name.description, "landing tables");
        let name = ScriptName::parse("R__marts.sql").expect("repeatable");
        assert_eq!((name.version, name.description.as_str()), (None, "marts"));
        for (bad, why) in [
            ("V1__a.txt", "does not end"),
            ("V1_a.sql", "must be"),
            ("Vx__a.sql", "not a version"),
            ("V1__.sql", "empty"),
            ("U1__a.sql", "must be"),
            ("é__a.sql", "must be"),
        ] {
            let reason = ScriptName::parse(bad).expect_err(bad);
            assert!(reason.contains(why), "{bad}: {reason}");
        }
    }
}
