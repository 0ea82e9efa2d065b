//! Points in time and places in the record, as the API writes them.

use app::admin::events::Moment;
use domain::Micros;
use jiff::Timestamp;

use crate::problem::Refused;

/// A time: RFC 3339 in UTC, to the microsecond.
pub(crate) fn show(at: Micros) -> String {
    format!("{:.6}", Timestamp::from_microsecond(at).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// A time as SCIM shows it: to the millisecond.
pub(crate) fn show_scim(at: Micros) -> String {
    format!("{:.3}", Timestamp::from_microsecond(at).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// Reads a time: RFC 3339 with any offset.
pub(crate) fn time(text: &str) -> Option<Micros> {
    text.parse().ok().map(Timestamp::as_microsecond)
}

/// Reads a position or a time.
///
/// # Errors
/// 400 when it is neither.
pub(crate) fn moment(name: &str, text: &str) -> Result<Moment, Refused> {
    let position = text.parse().ok().map(Moment::Position);
    let moment = position.or_else(|| time(text).map(Moment::Time));
    let what = "must be a position or an RFC 3339 time, in which + is written %2B";
    moment.ok_or_else(|| Refused::parameter(name, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_six_digits_and_read_back() {
        assert_eq!(show(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(show(1_700_000_000_123_456), "2023-11-14T22:13:20.123456Z");
        assert_eq!(time(&show(1_700_000_000_123_456)), Some(1_700_000_000_123_456));
        assert_eq!(time("2023-11-14T23:13:20+01:00"), Some(1_700_000_000_000_000));
        assert_eq!(time("yesterday"), None);
    }

    #[test]
    fn a_moment_is_a_position_or_a_time() {
        assert_eq!(moment("at", "7").unwrap(), Moment::Position(7));
        assert_eq!(moment("at", "1970-01-01T00:00:00Z").unwrap(), Moment::Time(0));
        assert!(moment("at", "-7").is_err());
    }
}
