//! Instants and positions as the state sees them: stamped before the log, never read here.
//!
//! Imports nothing. Never reads a clock: `env` is the only home of `now()`.

use std::fmt;
use std::str::FromStr;

/// Milliseconds since the Unix epoch, fixed by the proposer before the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The instant `ms` milliseconds after the Unix epoch.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Milliseconds of a day.
    pub const DAY_MS: u64 = 86_400_000;

    /// Milliseconds from `earlier` to here; none if it is not earlier.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole seconds since the Unix epoch, as `aws:EpochTime` shows them.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// The instant this many days later; the last representable one if that overflows.
    #[must_use]
    pub const fn after_days(self, days: u32) -> Self {
        Self(self.0.saturating_add(days as u64 * Self::DAY_MS))
    }
}

/// The civil date and time in UTC to the second, as `aws:CurrentTime` shows it: `2026-11-22T02:10:25Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.as_secs();
        let (days, rest) = (secs / 86_400, secs % 86_400);
        let (y, m, d) = civil_from_days(days);
        write!(
            f,
            "{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}Z",
            rest / 3600,
            rest / 60 % 60,
            rest % 60
        )
    }
}

/// Howard Hinnant's `civil_from_days` for days at or after 1970-01-01 (chrono-Compatible Low-Level Date Algorithms).
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let d = doy - (153 * mp + 2) / 5 + 1;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + u64::from(m <= 2), m, d)
}

/// The Raft log index at which a write took effect (DESIGN section 1). Zero: before the first entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The random 128-bit identity of one life of a cluster; a restored cluster begins a new one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Incarnation(pub [u8; 16]);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// Why a text is no [`Incarnation`] or [`Position`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a position: want `<32 hex digits>.<revision>`, as an earlier answer carried it")]
pub struct ParsePositionError;

impl FromStr for Incarnation {
    type Err = ParsePositionError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let digits = s.as_bytes();
        if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(ParsePositionError);
        }
        u128::from_str_radix(s, 16)
            .map(|n| Self(n.to_be_bytes()))
            .map_err(|_| ParsePositionError)
    }
}

/// A revision of one incarnation: the consistency token that every answer carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Position {
    /// The life of the cluster that the revision belongs to.
    pub incarnation: Incarnation,
    /// The log index.
    pub revision: Revision,
}

/// `<incarnation as 32 hex digits>.<revision>`
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.incarnation, self.revision)
    }
}

impl FromStr for Position {
    type Err = ParsePositionError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let (incarnation, revision) = s.split_once('.').ok_or(ParsePositionError)?;
        if revision.is_empty() || !revision.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParsePositionError);
        }
        Ok(Self {
            incarnation: incarnation.parse()?,
            revision: Revision(revision.parse().map_err(|_| ParsePositionError)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamp_displays_as_utc_iso_8601() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399_999, "2000-02-28T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_795_313_425_123, "2026-11-22T02:10:25Z"),
        ] {
            assert_eq!(Timestamp::from_millis(ms).to_string(), text);
        }
    }

    #[test]
    fn position_text_round_trips_and_junk_is_refused() {
        let p = Position {
            incarnation: Incarnation([0xab; 16]),
            revision: Revision(42),
        };
        assert_eq!(p.to_string().parse(), Ok(p));
        for junk in [
            "",
            ".",
            "ab.1",
            "+1.2",
            &format!("{}.", p.incarnation),
            &format!("{}.+4", p.incarnation),
        ] {
            assert_eq!(junk.parse::<Position>(), Err(ParsePositionError), "{junk}");
        }
    }
}
