//! A short text on the stack: for a decision, which must not allocate to spell out a name.

use std::fmt::{self, Write as _};
use std::sync::Arc;

/// Room for nearly every ARN.
const TEXT_ROOM: usize = 160;

/// What `shown` prints, with one allocation for nearly every name.
pub fn text_of(shown: impl fmt::Display) -> Arc<str> {
    match Short::<TEXT_ROOM>::of(&shown) {
        Some(text) => text.as_str().into(),
        None => shown.to_string().into(),
    }
}

/// A text of at most `N` bytes.
#[derive(Clone, Copy, Debug)]
pub struct Short<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Short<N> {
    /// What `shown` prints; `None` if it does not fit.
    pub fn of(shown: impl fmt::Display) -> Option<Self> {
        let mut text = Self {
            bytes: [0; N],
            len: 0,
        };
        write!(text, "{shown}").ok()?;
        Some(text)
    }

    /// These characters, all of which must be ASCII: others make it empty.
    pub(super) const fn ascii(bytes: [u8; N]) -> Self {
        Self { bytes, len: N }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let written = self.bytes.get(..self.len).unwrap_or_default();
        std::str::from_utf8(written).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Write for Short<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len.saturating_add(text.len());
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_any_length_is_what_is_printed() {
        for len in [0, 1, TEXT_ROOM, TEXT_ROOM + 1, 2_048] {
            let text = "é".repeat(len / 2) + &"x".repeat(len % 2);
            assert_eq!(&*text_of(&text), text);
        }
    }

    #[test]
    fn text_that_fits_is_kept_whole_and_a_longer_one_is_none() {
        assert_eq!(Short::<4>::of("abcd").unwrap().as_str(), "abcd");
        assert_eq!(
            Short::<8>::of(format_args!("{}é{}", 1, 2))
                .unwrap()
                .as_str(),
            "1é2"
        );
        assert_eq!(Short::<4>::of("").unwrap().as_str(), "");
        assert!(Short::<4>::of("abcde").is_none());
        assert!(Short::<4>::of(format_args!("{}{}", "abc", "de")).is_none());
    }
}
