//! How much work an answer takes: counted and never timed, so that the same question costs the same on every node.
//!
//! What is long spends as it goes, between small steps: policies that are walked, patterns that are compared, grants that
//! are looked at. A unit is about ten nanoseconds. Whoever asks says how much may be spent, and is asked again whenever
//! that is used up; there it may look at a clock, which nothing here does. It is told as well when an answer depends on
//! what time it is: whoever knows that its clock is wrong gives no such answer. Work that was cut gives no answer: whoever
//! began it must look at [`Effort::is_cut`] before it believes one. Imports nothing of ours.

use std::cell::Cell;
use std::fmt;

/// The work of one answer.
pub struct Effort<'a> {
    spent: Cell<u64>,
    /// Up to where may be spent without asking.
    granted: Cell<u64>,
    is_cut: Cell<bool>,
    is_dated: Cell<bool>,
    more: &'a dyn Fn(u64) -> u64,
}

impl<'a> Effort<'a> {
    /// Work that asks `more`, which is told what has been spent, how much more may be; 0 cuts it.
    pub const fn new(more: &'a dyn Fn(u64) -> u64) -> Self {
        Self {
            spent: Cell::new(0),
            granted: Cell::new(0),
            is_cut: Cell::new(false),
            is_dated: Cell::new(false),
            more,
        }
    }

    /// Counts work that is about to be done; false: it is cut, and there is no point in doing it.
    pub fn spend(&self, work: u64) -> bool {
        let spent = self.spent.get().saturating_add(work);
        self.spent.set(spent);
        spent <= self.granted.get() || self.ask(spent)
    }

    fn ask(&self, spent: u64) -> bool {
        if self.is_cut.get() {
            return false;
        }
        let more = (self.more)(spent);
        if more == 0 {
            self.is_cut.set(true);
            return false;
        }
        self.granted.set(spent.saturating_add(more));
        true
    }

    /// What has been spent.
    pub fn spent(&self) -> u64 {
        self.spent.get()
    }

    /// Notes that the answer depends on what time it is.
    pub fn looks_at_the_time(&self) {
        self.is_dated.set(true);
    }

    /// Whether what was worked out since this was last asked depends on what time it is.
    pub fn take_dated(&self) -> bool {
        self.is_dated.take()
    }

    /// Whether it was cut: what came of it is no answer.
    pub fn is_cut(&self) -> bool {
        self.is_cut.get()
    }
}

impl fmt::Debug for Effort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effort")
            .field("spent", &self.spent)
            .field("granted", &self.granted)
            .field("is_cut", &self.is_cut)
            .field("is_dated", &self.is_dated)
            .finish_non_exhaustive()
    }
}

/// Counts work where it is counted at all.
pub fn spend(effort: Option<&Effort<'_>>, work: u64) -> bool {
    effort.is_none_or(|effort| effort.spend(work))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_cut_once_no_more_is_given_and_stays_so() {
        let asked = Cell::new(0);
        let more = |spent: u64| {
            asked.set(asked.get() + 1);
            if spent < 100 { 50 } else { 0 }
        };
        let effort = Effort::new(&more);
        assert!((0..10).all(|_| effort.spend(10)) && !effort.is_cut());
        // Asked at 10 and at 70: not before what was given is used up.
        assert_eq!((asked.get(), effort.spent()), (2, 100));
        assert!(!(0..3).all(|_| effort.spend(10)) && effort.is_cut());
        assert!(!effort.spend(0));
        assert_eq!(asked.get(), 3);
    }
}
