//! Colours, where a person reads: on a terminal, unless NO_COLOR or TERM says otherwise. The same rule as that of the
//! faults of the command line, which clap writes.

use anstream::{AutoStream, ColorChoice};

/// What a word means to the reader.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tone {
    /// As it should be, allowed.
    Good,
    /// To be looked at.
    Warning,
    /// Wrong, denied.
    Bad,
    /// What to do.
    Advice,
    /// The head of a column.
    Head,
}

impl Tone {
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "\x1b[32m",
            Self::Warning => "\x1b[1m\x1b[33m",
            Self::Bad => "\x1b[1m\x1b[31m",
            Self::Advice => "\x1b[32m",
            Self::Head => "\x1b[1m",
        }
    }
}

/// For standard output.
pub(super) fn out(tone: Tone, text: &str) -> String {
    painted(AutoStream::choice(&std::io::stdout()), tone, text)
}

/// For standard error.
pub(super) fn err(tone: Tone, text: &str) -> String {
    painted(AutoStream::choice(&std::io::stderr()), tone, text)
}

/// An explanation for standard output, which begins with what was decided.
pub(super) fn verdict(text: &str) -> String {
    match text.split_once(':') {
        Some((decision, rest)) => {
            let tone = if decision == "ALLOW" {
                Tone::Good
            } else {
                Tone::Bad
            };
            format!("{}:{rest}", out(tone, decision))
        }
        None => text.to_owned(),
    }
}

fn painted(choice: ColorChoice, tone: Tone, text: &str) -> String {
    match choice {
        ColorChoice::Never => text.to_owned(),
        ColorChoice::Auto | ColorChoice::AlwaysAnsi | ColorChoice::Always => {
            format!("{}{text}\x1b[0m", tone.code())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_left_out_where_none_is_wanted() {
        assert_eq!(painted(ColorChoice::Never, Tone::Bad, "x"), "x");
        assert_eq!(
            painted(ColorChoice::Always, Tone::Good, "x"),
            "\x1b[32mx\x1b[0m"
        );
    }
}
