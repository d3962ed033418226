//! How many bytes of the log lie after an index: a mark every few records, so that it costs next to nothing to know.
//!
//! It never reads the log. Imports nothing of ours.

use std::collections::VecDeque;

/// Records from one mark to the next: what an answer may count too many.
const STEP: u64 = 64;

/// Bytes that a record takes on the disk beside its payload: heads of its pages and of the engine.
const RECORD_OVERHEAD: u64 = 128;

/// The bytes of a log that grows at its end, is cut there, and loses its beginning.
#[derive(Clone, Debug, Default)]
pub(super) struct LogBytes {
    /// An index, and the bytes of all records up to and with it since counting began.
    marks: VecDeque<(u64, u64)>,
    total: u64,
}

impl LogBytes {
    /// Counts a record at the end.
    pub fn push(&mut self, index: u64, payload: usize) {
        self.total = self
            .total
            .saturating_add(payload as u64)
            .saturating_add(RECORD_OVERHEAD);
        if index.is_multiple_of(STEP) {
            self.marks.push_back((index, self.total));
        }
    }

    /// Forgets the records from `from` on, but for some up to the next mark: never counted are too few.
    pub fn truncate(&mut self, from: u64) {
        while self.marks.back().is_some_and(|(index, _)| *index >= from)
            && let Some((_, total)) = self.marks.pop_back()
        {
            self.total = total;
        }
    }

    /// Forgets the records up to `upto`: one mark is kept to count from.
    pub fn purge(&mut self, upto: u64) {
        while self.marks.get(1).is_some_and(|(index, _)| *index <= upto) {
            self.marks.pop_front();
        }
    }

    /// The bytes of the records after `index`, and of at most `STEP` before.
    pub fn after(&self, index: u64) -> u64 {
        let known = self.marks.partition_point(|(at, _)| *at <= index);
        let until = match known.checked_sub(1).and_then(|at| self.marks.get(at)) {
            Some((_, total)) => *total,
            None => 0,
        };
        self.total.saturating_sub(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: u64 = 100 + RECORD_OVERHEAD;

    fn of(records: std::ops::Range<u64>) -> LogBytes {
        let mut bytes = LogBytes::default();
        records.for_each(|index| bytes.push(index, 100));
        bytes
    }

    /// Never too few, and at most one step too many.
    #[test]
    fn bytes_after_an_index_are_known_to_within_a_step() {
        let bytes = of(0..1000);
        for index in [0, 1, 63, 64, 65, 500, 998, 999] {
            let exact = (999 - index) * RECORD;
            let told = bytes.after(index);
            assert!(
                (exact..exact + STEP * RECORD).contains(&told),
                "{index}: {told} for {exact}"
            );
        }
        assert_eq!(of(0..0).after(0), 0);
    }

    #[test]
    fn purge_changes_nothing_that_is_left_and_frees_the_marks() {
        let mut bytes = of(0..10_000);
        let before = bytes.after(9_000);
        bytes.purge(8_990);
        assert_eq!(bytes.after(9_000), before);
        assert!(bytes.marks.len() < 20, "{} marks", bytes.marks.len());
    }

    #[test]
    fn truncation_forgets_and_what_is_written_anew_counts() {
        let mut bytes = of(0..1000);
        bytes.truncate(500);
        (500..600).for_each(|index| bytes.push(index, 100));
        let told = bytes.after(99);
        let exact = 500 * RECORD;
        assert!(told >= exact, "{told} for {exact}");
        assert!(told <= exact + 2 * STEP * RECORD, "{told} for {exact}");
    }
}
