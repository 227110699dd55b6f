//! Which data an environment gets: kinds of venues.

use std::fmt;

use kt_model::schema::Kind;
use kt_model::subject;

use crate::BusError;

/// Kinds of venues, `trade.binance,quote.binance`; `*` stands for all kinds or all venues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection(Vec<(Option<Kind>, Option<String>)>);

impl Selection {
    /// Reads `kind.venue,kind.venue`.
    ///
    /// # Errors
    /// [`BusError::Selection`] that names the part and what would be right.
    pub fn parse(text: &str) -> Result<Self, BusError> {
        let mut parts = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = |reason: String| BusError::Selection { part: part.to_owned(), reason };
            let form = || "write it as kind.venue, for example trade.binance; * stands for all".to_owned();
            let (kind, venue) = part.split_once('.').ok_or_else(|| wrong(form()))?;
            let kind = match kind {
                "*" => None,
                name => Some(Kind::from_name(name).ok_or_else(|| {
                    let kinds: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
                    wrong(format!("there is no kind {name:?}; there are {}", kinds.join(", ")))
                })?),
            };
            let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
            let venue = match venue {
                "*" => None,
                name if !name.is_empty() && plain(name) => Some(name.to_owned()),
                _ => return Err(wrong(form())),
            };
            if !parts.contains(&(kind, venue.clone())) {
                parts.push((kind, venue));
            }
        }
        if parts.is_empty() {
            let reason = "nothing is selected; write for example trade.binance,quote.binance".to_owned();
            return Err(BusError::Selection { part: text.to_owned(), reason });
        }
        let selection = Self(parts).narrowed();
        selection.refuse_overlap(text)?;
        Ok(selection)
    }

    /// The server refuses a consumer two of whose filters cover the same subject.
    fn refuse_overlap(&self, text: &str) -> Result<(), BusError> {
        let meet = |a: &Option<_>, b: &Option<_>| a.is_none() || b.is_none() || a == b;
        for (at, (kind, venue)) in self.0.iter().enumerate() {
            for (other_kind, other_venue) in &self.0[at + 1..] {
                let kinds_meet = kind.is_none() || other_kind.is_none() || kind == other_kind;
                if kinds_meet && meet(venue, other_venue) {
                    let reason =
                        "two of its parts select the same data; name the kinds or the venues singly".to_owned();
                    return Err(BusError::Selection { part: text.to_owned(), reason });
                }
            }
        }
        Ok(())
    }

    /// Without what a wider part selects too.
    fn narrowed(self) -> Self {
        let covers = |(kind, venue): &(Option<Kind>, Option<String>), other: &(Option<Kind>, Option<String>)| {
            (kind.is_none() || *kind == other.0) && (venue.is_none() || *venue == other.1)
        };
        let parts = &self.0;
        let kept = parts
            .iter()
            .enumerate()
            .filter(|(at, part)| !parts.iter().enumerate().any(|(other, wider)| other != *at && covers(wider, part)));
        Self(kept.map(|(_, part)| part.clone()).collect())
    }

    fn subjects(&self, of: impl Fn(&str, &str) -> String) -> Vec<String> {
        let token = |venue: &Option<String>| {
            let mut out = String::new();
            match venue {
                Some(venue) => subject::push_token(venue, &mut out),
                None => out.push('*'),
            }
            out
        };
        self.0.iter().map(|(kind, venue)| of(kind.map_or("*", Kind::as_str), &token(venue))).collect()
    }

    /// Subjects of the durable log.
    #[must_use]
    pub fn log_subjects(&self) -> Vec<String> {
        self.subjects(|kind, venue| format!("log.{}.{kind}.{venue}.*", subject::VERSION))
    }

    /// Subjects of the hot path.
    #[must_use]
    pub fn hot_subjects(&self) -> Vec<String> {
        self.subjects(|kind, venue| format!("md.{}.{kind}.{venue}.*", subject::VERSION))
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self
            .0
            .iter()
            .map(|(kind, venue)| format!("{}.{}", kind.map_or("*", Kind::as_str), venue.as_deref().unwrap_or("*")));
        formatter.write_str(&parts.collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::Selection;

    #[test]
    fn reads_kinds_of_venues_and_says_what_is_wrong() {
        let selection = Selection::parse("trade.binance, quote.binance,trade.binance").expect("valid");
        assert_eq!(selection.to_string(), "trade.binance,quote.binance");
        assert_eq!(selection.log_subjects(), ["log.v1.trade.binance.*", "log.v1.quote.binance.*"]);
        assert_eq!(selection.hot_subjects(), ["md.v1.trade.binance.*", "md.v1.quote.binance.*"]);
        for (text, says) in [
            ("", "nothing is selected"),
            ("trade", "kind.venue"),
            ("trades.binance", "there are trade, quote"),
            ("trade.bin.ance", "kind.venue"),
            ("trade.>", "kind.venue"),
            ("trade.a*", "kind.venue"),
        ] {
            let error = Selection::parse(text).expect_err("wrong").to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn no_two_parts_cover_the_same_subject() {
        let narrowed = Selection::parse("trade.binance,quote.okx,*.binance,trade.okx,*.okx").expect("valid");
        assert_eq!(narrowed.to_string(), "*.binance,*.okx");
        let error = Selection::parse("*.binance,trade.*").expect_err("trade.binance is in both").to_string();
        assert!(error.contains("select the same data"), "{error}");
    }
}
