//! What is wrong with the links between hosts, kept apart from turmoil, which knows one state of a link at a time.
//!
//! A link may be cut and held at once, by different causes; healing one cause must not heal the other.

use std::collections::BTreeMap;

/// What a link does with its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    Carries,
    /// Messages wait until the link carries again, those under way included.
    Holds,
    /// Messages are lost, those under way included.
    Drops,
}

#[derive(Clone, Copy, Default)]
struct Link {
    cut: bool,
    /// Hosts at its ends that stand still.
    standing: u8,
}

/// Every link that something is wrong with, by the names of its ends.
#[derive(Default)]
pub struct Links(BTreeMap<(String, String), Link>);

impl Links {
    /// Cuts a link. Like every change, says what the link does from now on.
    pub fn cut(&mut self, a: &str, b: &str) -> LinkState {
        self.change(a, b, |link| link.cut = true)
    }

    pub fn heal(&mut self, a: &str, b: &str) -> LinkState {
        self.change(a, b, |link| link.cut = false)
    }

    /// One of the ends stands still.
    pub fn stand(&mut self, a: &str, b: &str) -> LinkState {
        self.change(a, b, |link| link.standing = link.standing.saturating_add(1))
    }

    /// One of the ends goes on.
    pub fn go_on(&mut self, a: &str, b: &str) -> LinkState {
        self.change(a, b, |link| link.standing = link.standing.saturating_sub(1))
    }

    fn change(&mut self, a: &str, b: &str, how: impl FnOnce(&mut Link)) -> LinkState {
        let ends = if a <= b { (a, b) } else { (b, a) };
        let link = self
            .0
            .entry((ends.0.to_owned(), ends.1.to_owned()))
            .or_default();
        how(link);
        match link {
            Link { cut: true, .. } => LinkState::Drops,
            Link { standing: 0, .. } => LinkState::Carries,
            Link { .. } => LinkState::Holds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_that_is_cut_and_held_carries_only_when_both_are_over() {
        let mut links = Links::default();
        assert_eq!(links.stand("n1", "n2"), LinkState::Holds);
        assert_eq!(links.cut("n2", "n1"), LinkState::Drops);
        assert_eq!(links.heal("n1", "n2"), LinkState::Holds);
        assert_eq!(links.stand("n2", "n1"), LinkState::Holds);
        assert_eq!(links.go_on("n1", "n2"), LinkState::Holds);
        assert_eq!(links.go_on("n1", "n2"), LinkState::Carries);
    }
}
