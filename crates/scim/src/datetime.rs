//! Points in time as SCIM writes them, for comparison only.
//!
//! Filters compare `dateTime` values chronologically, so two spellings of one moment (another
//! offset, more digits) must be equal. A crate for calendars would be more than this needs.

/// Nanoseconds since 1970-01-01T00:00:00Z; years 0000 to 9999.
///
/// Reads `xsd:dateTime` and RFC 3339: an offset that is left out means UTC. A date alone is its
/// first moment, because people write such filters. `None` for everything else.
///
/// # Source
/// RFC 7643 §2.3.5; XML Schema Part 2 §3.3.7.
pub(crate) fn parse(text: &str) -> Option<i128> {
    let text = text.is_ascii().then_some(text)?;
    let (date, rest) = text.split_at_checked(10)?;
    let day = days(number(date, 0, 4)?, number(date, 5, 2)?, number(date, 8, 2)?)?;
    if date.as_bytes()[4] != b'-' || date.as_bytes()[7] != b'-' {
        return None;
    }
    if rest.is_empty() {
        return Some(i128::from(day) * 86_400 * 1_000_000_000);
    }
    let (separator, rest) = rest.split_at_checked(1)?;
    let (time, rest) = rest.split_at_checked(8)?;
    let [hour, minute, second] = [number(time, 0, 2)?, number(time, 3, 2)?, number(time, 6, 2)?];
    let well_formed = matches!(separator, "T" | "t" | " ")
        && time.as_bytes()[2] == b':'
        && time.as_bytes()[5] == b':';
    if !well_formed || hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let (nanos, rest) = fraction(rest)?;
    let seconds = day * 86_400 + hour * 3_600 + minute * 60 + second - offset(rest)?;
    Some(i128::from(seconds) * 1_000_000_000 + i128::from(nanos))
}

/// Whether a text is a date *and* a time, as values have to be.
///
/// # Source
/// RFC 7643 §2.3.5: "MUST include both a date and a time".
pub(crate) fn is_whole(text: &str) -> bool {
    text.contains(['T', 't']) && parse(text).is_some()
}

/// Nanoseconds of `.123`, and what follows.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(digits) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let kept = &digits[..end.min(9)];
    let scale = 10_i64.pow(u32::try_from(9 - kept.len()).ok()?);
    Some((kept.parse::<i64>().ok()? * scale, &digits[end..]))
}

/// Seconds east of UTC.
fn offset(text: &str) -> Option<i64> {
    if matches!(text, "" | "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = text.split_at_checked(1)?;
    let sign = match sign {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = match rest.len() {
        5 if rest.as_bytes()[2] == b':' => (number(rest, 0, 2)?, number(rest, 3, 2)?),
        4 => (number(rest, 0, 2)?, number(rest, 2, 2)?),
        _ => return None,
    };
    (hours <= 14 && minutes <= 59).then_some(sign * (hours * 3_600 + minutes * 60))
}

fn number(text: &str, start: usize, length: usize) -> Option<i64> {
    let digits = text.get(start..start + length)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, by Howard Hinnant's algorithm: years
/// begin in March, so that the leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_moment_are_equal() {
        let moment = parse("2011-05-13T04:42:34Z").unwrap();
        assert_eq!(moment, 1_305_261_754_000_000_000);
        for same in [
            "2011-05-13T04:42:34",
            "2011-05-13T04:42:34.000Z",
            "2011-05-13T06:42:34+02:00",
            "2011-05-12T21:12:34-0730",
            "2011-05-13 04:42:34z",
        ] {
            assert_eq!(parse(same), Some(moment), "{same}");
        }
        assert_eq!(parse("2011-05-13T04:42:34.5Z"), Some(moment + 500_000_000));
        assert_eq!(parse("2011-05-13T04:42:34.1234567891Z"), Some(moment + 123_456_789));
        assert_eq!(parse("2011-05-13"), parse("2011-05-13T00:00:00Z"));
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse("2000-02-29T24:00:00Z"), parse("2000-03-01T00:00:00Z"));
        assert!(parse("0000-01-01") < parse("1969-12-31"));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "soon",
            "2011",
            "2011-13-01",
            "2011-02-29",
            "2011-05-13T",
            "2011-05-13T04:42",
            "2011-05-13T04:42:34+2",
            "2011-05-13T04:42:34 Z",
            "2011-05-13T25:00:00Z",
            "2011-05-13T04:42:34.Z",
            "2011/05/13",
            "2011-05-13T04:42:34+99:00",
            "２011-05-13",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
