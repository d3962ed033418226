//! Numbers, dates, addresses and bytes in conditions: read once when a policy is stored, or when a request's text must be compared.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// A decimal number. No infinities, no hexadecimal.
pub(super) fn parse_number(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    if !plain {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// A date (C-4) as milliseconds since the Unix epoch: ISO 8601, or seconds since the epoch.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(seconds) = parse_number(text) {
        // A bare number is seconds since the epoch, even if it looks like a year.
        let millis = seconds * 1000.0;
        return (millis.abs() < 9.0e15).then_some(millis as i64);
    }
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let (year, month, day) = calendar_date(date)?;
    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let midnight = days_from_epoch(year, month, day) * 86_400_000;
    let Some(time) = time else {
        return Some(midnight);
    };

    let (clock, offset_minutes) = split_zone(time)?;
    let (hour, minute, second) = clock_parts(clock)?;
    let hour = digits(hour, 2)?;
    let minute = minute.map_or(Some(0), |minute| digits(minute, 2))?;
    let (second, millis) = match second {
        None => (0, 0),
        Some(second) => match second.split_once(['.', ',']) {
            None => (digits(second, 2)?, 0),
            Some((second, fraction)) => (digits(second, 2)?, fraction_millis(fraction)?),
        },
    };
    if hour > 24
        || minute > 59
        || second > 60
        || (hour == 24 && (minute, second, millis) != (0, 0, 0))
    {
        return None;
    }
    Some(midnight + ((hour * 60 + minute - offset_minutes) * 60 + second) * 1000 + millis)
}

/// Year, month and day of the extended form `2026-07-14` or `2026-07`, or of the basic form `20260714`.
fn calendar_date(date: &str) -> Option<(i64, i64, i64)> {
    if date.len() == 8 && !date.contains('-') {
        let day = |from, to, width| digits(date.get(from..to)?, width);
        return Some((day(0, 4, 4)?, day(4, 6, 2)?, day(6, 8, 2)?));
    }
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2)?;
    let day = parts.next().map_or(Some(1), |day| digits(day, 2))?;
    parts.next().is_none().then_some((year, month, day))
}

/// Hour, minute and second of the extended form `16:10:00`, or of the basic form `161000`.
fn clock_parts(clock: &str) -> Option<(&str, Option<&str>, Option<&str>)> {
    if clock.contains(':') || clock.len() <= 2 {
        let mut parts = clock.splitn(3, ':');
        return Some((parts.next()?, parts.next(), parts.next()));
    }
    Some((
        clock.get(..2)?,
        clock.get(2..4),
        clock.get(4..).filter(|second| !second.is_empty()),
    ))
}

/// Splits a time from its zone; without a zone it is UTC.
fn split_zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = time.find(['+', '-']) else {
        return Some((time, 0));
    };
    let (clock, zone) = time.split_at(at);
    let (sign, zone) = match zone.strip_prefix('-') {
        Some(zone) => (-1, zone),
        None => (1, zone.strip_prefix('+')?),
    };
    let (hours, minutes) = match zone.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if zone.len() == 4 => (zone.get(..2)?, zone.get(2..)?),
        None => (zone, "00"),
    };
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours <= 23 && minutes <= 59).then_some((clock, sign * (hours * 60 + minutes)))
}

fn digits(text: &str, width: usize) -> Option<i64> {
    (text.len() == width && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn fraction_millis(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let padded: String = text.chars().chain("00".chars()).take(3).collect();
    padded.parse().ok()
}

const fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar; years begin in March so that leap days end them.
const fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Milliseconds since the Unix epoch as `2026-07-14T16:10:00Z`; milliseconds are shown when there are any.
pub(super) fn format_time(at: i64) -> String {
    let days = at.div_euclid(86_400_000);
    let of_day = at.rem_euclid(86_400_000);
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second, millis) = (
        of_day / 3_600_000,
        of_day / 60_000 % 60,
        of_day / 1000 % 60,
        of_day % 1000,
    );
    if millis == 0 {
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    } else {
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// `true` or `false` in any letter case (C-4).
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Base 64, with or without padding.
pub(super) fn parse_binary(text: &str) -> Option<Vec<u8>> {
    STANDARD
        .decode(text)
        .or_else(|_| STANDARD_NO_PAD.decode(text))
        .ok()
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cidr {
    address: IpAddr,
    prefix: u32,
}

impl Cidr {
    /// Reads `address` or `address/prefix`; bits beyond the prefix do not matter.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        let prefix = match prefix {
            None => width,
            Some(prefix) => {
                let plain =
                    (1..=3).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_digit());
                plain
                    .then(|| prefix.parse().ok())?
                    .filter(|prefix| *prefix <= width)?
            }
        };
        Some(Self { address, prefix })
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = u32::from(own) ^ u32::from(other);
                differ.checked_shr(32 - self.prefix.min(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = u128::from(own) ^ u128::from(other);
                differ.checked_shr(128 - self.prefix.min(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// C-4: ISO 8601 or epoch seconds.
    #[test]
    fn dates_in_their_spellings_are_the_same_instant() {
        let at = 1_784_045_400_000;
        for text in [
            "2026-07-14T16:10:00Z",
            "2026-07-14T16:10Z",
            "2026-07-14T16:10:00",
            "2026-07-14T18:10:00+02:00",
            "2026-07-14T11:40:00-0430",
            "2026-07-14T16:10:00.000Z",
            "1784045400",
            "2026-07-14t16:10:00z",
            "20260714T161000Z",
            "20260714T1610Z",
            "20260714T181000+0200",
            "20260714T161000.000Z",
            "20260714T16:10:00Z",
        ] {
            assert_eq!(parse_date(text), Some(at), "{text}");
        }
        assert_eq!(parse_date("2026-07-14"), parse_date("2026-07-14T00:00:00Z"));
        assert_eq!(parse_date("2026-07-14T16:10:00.25Z"), Some(at + 250));
        assert_eq!(
            parse_date("2024-02-29").map(|d| d - parse_date("2024-02-28").unwrap()),
            Some(86_400_000)
        );
    }

    #[test]
    fn text_that_is_no_date_is_refused() {
        for text in [
            "",
            "now",
            "2026-13-01",
            "2026-02-29",
            "2026-07-14T25:00:00Z",
            "2026-7-14",
            "2026-07-14T16:60Z",
            "2026-07-14Tx",
            "20261301T000000Z",
            "20260714T1",
            "20260714T16100Z",
            "2026071T000000Z",
            "1e99",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn text_that_is_no_number_is_refused() {
        assert_eq!(parse_number("-1.5e2"), Some(-150.0));
        for text in ["", "inf", "NaN", "0x10", "1_000", "seven", "1e999"] {
            assert_eq!(parse_number(text), None, "{text}");
        }
    }

    /// C-4: no prefix means a single address; v4 and v6 never match each other.
    #[test]
    fn cidr_contains_its_addresses_alone() {
        let contains = |cidr: &str, address: &str| {
            Cidr::parse(cidr)
                .unwrap()
                .contains(address.parse().unwrap())
        };
        assert!(contains("203.0.113.0/24", "203.0.113.255"));
        assert!(!contains("203.0.113.0/24", "203.0.114.0"));
        assert!(contains("203.0.113.7", "203.0.113.7"));
        assert!(!contains("203.0.113.7", "203.0.113.8"));
        assert!(contains("0.0.0.0/0", "255.255.255.255"));
        assert!(!contains("0.0.0.0/0", "::1"));
        assert!(
            contains("203.0.113.77/24", "203.0.113.1"),
            "bits beyond the prefix do not matter"
        );
        assert!(contains(
            "2001:DB8:1234:5678::/64",
            "2001:db8:1234:5678:ffff::1"
        ));
        assert!(!contains(
            "2001:db8:1234:5678::/64",
            "2001:db8:1234:5679::1"
        ));
        assert!(contains("2001:db8::1", "2001:0db8:0:0:0:0:0:1"));
        assert!(contains("::/0", "2001:db8::1"));
    }

    #[test]
    fn text_that_is_no_cidr_is_refused() {
        for text in [
            "",
            "203.0.113",
            "203.0.113.0/33",
            "203.0.113.0/",
            "203.0.113.0/+8",
            "::/129",
            "256.0.0.1",
            "*",
            "10.0.0.0/08x",
        ] {
            assert_eq!(Cidr::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn time_prints_and_reads_back(at in -62_000_000_000_000i64..250_000_000_000_000) {
            prop_assert_eq!(parse_date(&format_time(at)), Some(at));
        }

        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "[-0-9TZ:.+/ a-f]{0,30}") {
            let _ = (parse_date(&text), parse_number(&text), Cidr::parse(&text), parse_binary(&text));
        }
    }
}
