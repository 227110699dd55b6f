//! Flyway's checksum of a script.

/// The checksum Flyway 13 stores for a script: a CRC-32 over the bytes of its lines without their
/// terminators (`\n`, `\r\n` or `\r`) and without a byte-order mark, as a signed number.
///
/// Line endings therefore do not change it, so a checkout on another system stays valid.
#[must_use]
pub fn checksum(text: &str) -> i32 {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut hasher = crc32fast::Hasher::new();
    for line in text.split(['\n', '\r']) {
        // Splitting "\r\n" at both characters yields an empty piece, which adds nothing.
        hasher.update(line.as_bytes());
    }
    hasher.finalize().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::checksum;
    use proptest::prelude::*;

    #[test]
    fn equals_values_computed_by_flyway() {
        assert_eq!(checksum("CREATE TABLE a(i int);\n"), -321_304_460);
        assert_eq!(checksum(""), 0);
    }

    proptest! {
        #[test]
        fn ignores_line_endings_and_byte_order_mark(lines in prop::collection::vec("[^\r\n\u{feff}]{0,20}", 0..8)) {
            let unix = lines.join("\n");
            let expected = checksum(&unix);
            prop_assert_eq!(checksum(&lines.join("\r\n")), expected);
            prop_assert_eq!(checksum(&lines.join("\r")), expected);
            prop_assert_eq!(checksum(&format!("\u{feff}{unix}\n")), expected);
        }

        #[test]
        fn notices_any_changed_character(text in "[a-z ]{1,40}", at in any::<prop::sample::Index>()) {
            let at = at.index(text.len());
            let mut edited = text.clone();
            edited.replace_range(at..=at, "#");
            prop_assert_ne!(checksum(&text), checksum(&edited));
        }
    }
}
