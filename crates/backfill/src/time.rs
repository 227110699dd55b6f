//! Days and moments as people write them, UTC.

use kt_model::Nanos;

/// Nanoseconds of a second.
pub const SECOND: i64 = 1_000_000_000;
/// Nanoseconds of a day.
pub const DAY: i64 = 86_400 * SECOND;

/// A day, counted from 1970-01-01, as `2026-11-22`.
#[must_use]
pub fn day_text(day: i64) -> String {
    // After Howard Hinnant's days-from-civil: years begin in March, so that the leap day is their last.
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day_of_month:02}")
}

/// The day that `2026-11-22` names, counted from 1970-01-01.
#[must_use]
pub fn day(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day_of_month) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day_of_month) || !(1970..=2261).contains(&year) {
        return None;
    }
    let year_from_march = year - i64::from(month <= 2);
    let (era, year_of_era) = (year_from_march.div_euclid(400), year_from_march.rem_euclid(400));
    let month_from_march = (month + 9) % 12;
    let of_year = (153 * month_from_march + 2) / 5 + day_of_month - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    let counted = era * 146_097 + of_era - 719_468;
    // Refuses the 31st of February.
    (day_text(counted) == text).then_some(counted)
}

/// A moment: `2026-11-22`, `2026-11-22T13:05`, `2026-11-22T13:05:06.789Z`, or milliseconds since 1970.
#[must_use]
pub fn moment(text: &str) -> Option<Nanos> {
    if text.len() >= 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Nanos(text.parse::<i64>().ok()?.checked_mul(1_000_000)?));
    }
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, clock) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let mut parts = clock.splitn(3, ':');
    let (hours, minutes) = (parts.next()?.parse::<i64>().ok()?, parts.next()?.parse::<i64>().ok()?);
    let (seconds, fraction) = match parts.next() {
        Some(seconds) => seconds.split_once('.').unwrap_or((seconds, "")),
        None => ("0", ""),
    };
    let seconds = seconds.parse::<i64>().ok()?;
    let nanos = format!("{fraction:0<9}").get(..9)?.parse::<i64>().ok()?;
    let is_time = (0..24).contains(&hours) && (0..60).contains(&minutes) && (0..60).contains(&seconds);
    let of_day = (hours * 3600 + minutes * 60 + seconds) * SECOND + nanos;
    is_time.then_some(Nanos(day(date)? * DAY + of_day))
}

/// A length of time: `90m`, `36h`, `7d`, `2w`, `2y` (of 365 days), in nanoseconds.
#[must_use]
pub fn length(text: &str) -> Option<i64> {
    let unit = text.chars().last()?;
    let number = text.strip_suffix(unit)?.parse::<i64>().ok().filter(|number| *number > 0)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        'y' => 365 * 86_400,
        _ => return None,
    };
    number.checked_mul(seconds)?.checked_mul(SECOND)
}

/// A moment for people: `2026-11-22T13:05:06Z`.
#[must_use]
pub fn text(at: Nanos) -> String {
    let seconds = at.0.div_euclid(SECOND);
    let of_day = seconds.rem_euclid(86_400);
    let day = day_text(seconds.div_euclid(86_400));
    format!("{day}T{:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_moments_are_read_as_they_are_written() {
        for counted in (0..106_651).step_by(7) {
            assert_eq!(day(&day_text(counted)), Some(counted));
        }
        assert_eq!(
            (day_text(106_651).as_str(), day("2262-01-01")),
            ("2262-01-01", None),
            "beyond what nanoseconds count"
        );
        assert_eq!(day_text(0), "1970-01-01");
        assert_eq!(day("2024-02-29"), Some(19_782));
        assert_eq!((day("2023-02-29"), day("2026-13-01"), day("today")), (None, None, None));
        assert_eq!(moment("2024-02-29T01:02:03.5Z"), Some(Nanos((19_782 * 86_400 + 3_723) * SECOND + 500_000_000)));
        assert_eq!(moment("1785000000123"), Some(Nanos(1_785_000_000_123_000_000)));
        assert_eq!((moment("2024-02-29T25:00"), moment("x")), (None, None));
        assert_eq!(length("2y"), Some(730 * DAY));
        assert_eq!((length("2"), length("-1d"), length("")), (None, None, None));
        assert_eq!(text(Nanos(19_782 * DAY + 3_723 * SECOND)), "2024-02-29T01:02:03Z");
    }
}
