//! Moments as texts.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970.
pub(crate) fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A moment as `2026-11-23T04:05:06.789Z`.
pub(crate) fn text(moment: SystemTime) -> String {
    humantime::format_rfc3339_millis(moment).to_string()
}

/// The moment of a text such as the gateway writes: `2026-11-23T04:05:06.789012Z`.
pub(crate) fn parse(text: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339(text).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(milliseconds in 0_u64..4_000_000_000_000) {
            let moment = UNIX_EPOCH + Duration::from_millis(milliseconds);
            let read = parse(&text(moment)).expect("its own text");
            let difference = read.duration_since(moment).unwrap_or_else(|error| error.duration());
            prop_assert!(difference < Duration::from_micros(2));
        }
    }

    #[test]
    fn writes_a_known_moment() {
        assert_eq!(text(UNIX_EPOCH + Duration::from_millis(1_709_164_800_123)), "2024-02-29T00:00:00.123Z");
        assert_eq!(parse("2024-02-29T00:00:00.123000Z").map(text).as_deref(), Some("2024-02-29T00:00:00.123Z"));
        assert_eq!(parse("yesterday"), None);
    }
}
