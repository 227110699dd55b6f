//! Moments and lengths of time on the command line.

use kt_model::Nanos;
use kt_model::instrument::days_from_civil;

const SECOND: i64 = 1_000_000_000;
const UNITS: [(&str, i64); 5] =
    [("ms", 1_000_000), ("s", SECOND), ("m", 60 * SECOND), ("h", 3_600 * SECOND), ("d", 86_400 * SECOND)];

/// `now`, `-2h`, `2026-11-22`, `2026-11-22T10:00`, `2026-11-22 10:00:00.5Z`: UTC always.
pub(super) fn moment(text: &str, now: Nanos) -> Result<Nanos, String> {
    let wrong = || format!("{text:?} is no time; write 2026-11-22T10:00:00Z, 2026-11-22, -2h or now");
    if text == "now" {
        return Ok(now);
    }
    if let Some(back) = text.strip_prefix('-') {
        return Ok(Nanos(now.0 - length(back)?.0));
    }
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00"));
    let mut parts = date.splitn(3, '-').map(str::parse::<u32>);
    let (Some(Ok(year)), Some(Ok(month)), Some(Ok(day))) = (parts.next(), parts.next(), parts.next()) else {
        return Err(wrong());
    };
    if !(1970..=2261).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return Err(wrong());
    }
    let of_day = time_of_day(time.strip_suffix('Z').unwrap_or(time)).ok_or_else(wrong)?;
    let days = i64::from(days_from_civil(year as i32, month, day));
    Ok(Nanos(days * 86_400 * SECOND + of_day))
}

fn time_of_day(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = whole.splitn(3, ':').map(str::parse::<i64>);
    let (hours, minutes) = (parts.next()?.ok()?, parts.next()?.ok()?);
    let seconds = parts.next().unwrap_or(Ok(0)).ok()?;
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let in_range = (0..24).contains(&hours) && (0..60).contains(&minutes) && (0..60).contains(&seconds);
    in_range.then_some((hours * 3_600 + minutes * 60 + seconds) * SECOND + digits.parse::<i64>().ok()?)
}

/// `90s`, `10m`, `2h`, `1d`.
pub(super) fn length(text: &str) -> Result<Nanos, String> {
    let wrong = || format!("{text:?} is no length of time; write 90s, 10m, 2h or 1d");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let unit = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    number.checked_mul(unit.1).map(Nanos).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_and_exact() {
        let now = Nanos(1_763_856_000 * SECOND);
        assert_eq!(moment("1970-01-02", now), Ok(Nanos(86_400 * SECOND)));
        assert_eq!(moment("1970-01-01T00:00:01.000000007Z", now), Ok(Nanos(SECOND + 7)));
        assert_eq!(moment("1970-01-01 01:02", now), Ok(Nanos(3_720 * SECOND)));
        assert_eq!(moment("-90s", now), Ok(Nanos(now.0 - 90 * SECOND)));
        assert_eq!(moment("now", now), Ok(now));
        for wrong in ["", "yesterday", "2026-13-01", "2026-01-01T25:00", "-", "-5", "-5y", "2026-01-01T10"] {
            assert!(moment(wrong, now).is_err(), "{wrong}");
        }
        assert_eq!(length("1d"), Ok(Nanos(86_400 * SECOND)));
    }
}
