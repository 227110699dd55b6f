//! How fast a recording is replayed.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A factor of the recorded pace, or as fast as the reader takes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Speed {
    /// So many times as fast as recorded; above 0.
    Factor(f64),
    /// No waiting at all.
    Max,
}

impl Speed {
    fn parse(text: &str) -> Option<Self> {
        if text == "max" {
            return Some(Self::Max);
        }
        let factor = text.parse::<f64>().ok()?;
        (factor.is_finite() && factor > 0.0).then_some(Self::Factor(factor))
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Factor(factor) => write!(f, "{factor}"),
            Self::Max => f.write_str("max"),
        }
    }
}

impl Serialize for Speed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Speed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wanted = "a factor above 0 such as \"10\", or \"max\"";
        Self::parse(&text).ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&text), &wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::Speed;

    #[test]
    fn reads_factors_and_max_only() {
        assert_eq!(Speed::parse("max"), Some(Speed::Max));
        assert_eq!(Speed::parse("2.5"), Some(Speed::Factor(2.5)));
        for text in ["0", "-1", "inf", "NaN", "", "fast", "Max"] {
            assert_eq!(Speed::parse(text), None, "{text}");
        }
    }
}
