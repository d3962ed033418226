//! Lines that a thread of their own writes: whoever tells something never waits for whoever reads it.
//!
//! What waits is bounded in bytes. A line for which there is no room is lost and counted, and a line in its place says how
//! many were. A write that fails is tried again: until it succeeds the lines wait, as they do for a reader that does not
//! read. Never: what a line means.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

/// What a waiting line costs beside its text.
const LINE_COST: usize = 64;

/// Bytes that are written at once: a fraction of what may wait, so that room comes back in small steps.
const WRITE_BYTES: usize = 64 * 1024;

/// Between two tries of a write that fails.
const AGAIN: Duration = Duration::from_millis(100);

/// A line on its way.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Line {
    /// Its bytes with the end of the line; none of a line that only carries its mark.
    pub text: Vec<u8>,
    /// How far the lines up to this one have come in an order of the teller's own, which never goes back; zero: none.
    pub mark: u64,
}

/// How much a line matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rank {
    /// It may take all of the room.
    First,
    /// A quarter of the room is not for it. Once one was lost, those that follow are lost until half of the room is free:
    /// one gap is easier to read than a thousand.
    Second,
}

/// Lines that were lost one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost {
    /// How many.
    pub lines: u64,
    /// The marks of the first and the last of them that had one.
    pub marks: Option<(u64, u64)>,
}

/// Where the lines go. All of it is called on the outlet's thread.
pub trait Target: Send + 'static {
    /// Writes some of `bytes`, from their beginning, and says how many. It may take as long as it likes.
    ///
    /// # Errors
    /// Nothing of them is written; the same bytes come again.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Every line up to this mark is written, or was counted as lost in a line that is.
    fn written(&mut self, _mark: u64) {}

    /// A write has failed, and is tried again while `waiting` bytes wait.
    fn failed(&mut self, _error: &io::Error, _waiting: usize) {}
}

/// Makes the line that stands in the place of lost ones, with the end of the line.
pub type TellLost = Arc<dyn Fn(&Lost) -> Vec<u8> + Send + Sync>;

/// Takes lines for the thread that writes them. Clones are the same outlet; the thread ends with the last of them.
#[derive(Clone)]
pub struct Outlet {
    items: mpsc::Sender<Item>,
    shared: Arc<Shared>,
}

enum Item {
    Line(Line),
    /// Told once everything before it is written.
    Flush(mpsc::SyncSender<()>),
}

struct Shared {
    room: usize,
    /// What waits, the costs included.
    waiting: AtomicUsize,
    failing: AtomicBool,
    /// Whether lines of the second rank are lost until there is room again.
    overflowing: AtomicBool,
    any_lost: AtomicBool,
    lost: Mutex<Option<Lost>>,
    tell_lost: TellLost,
}

impl Outlet {
    /// Starts the thread `name`, for which at most `room` bytes wait.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        name: &str,
        room: usize,
        target: impl Target,
        tell_lost: TellLost,
    ) -> io::Result<Self> {
        let (items, queue) = mpsc::channel();
        let shared = Arc::new(Shared {
            room,
            waiting: AtomicUsize::new(0),
            failing: AtomicBool::new(false),
            overflowing: AtomicBool::new(false),
            any_lost: AtomicBool::new(false),
            lost: Mutex::new(None),
            tell_lost,
        });
        let writer = Writer {
            queue,
            shared: shared.clone(),
            target,
            batch: Vec::new(),
            mark: 0,
            held: 0,
            flushed: Vec::new(),
        };
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || writer.run())?;
        Ok(Self { items, shared })
    }

    /// Takes a line, or loses it: `false` if there is no room for it. It never waits.
    pub fn offer(&self, line: Line, rank: Rank) -> bool {
        // What was lost before this line is told before it.
        if !self.has_room(&line, rank) || !self.tell_lost() || !self.take(&line, rank) {
            self.shared.lose(&line, rank);
            return false;
        }
        self.send(line)
    }

    /// Whether a line of this rank would be taken now, and the last write did not fail.
    pub fn accepts(&self, rank: Rank) -> bool {
        !self.shared.failing.load(Ordering::Relaxed) && self.has_room(&Line::default(), rank)
    }

    /// Waits until all that was taken is written, at most for `patience`. Whether it is.
    pub fn flush(&self, patience: Duration) -> bool {
        let (tell, told) = mpsc::sync_channel(1);
        self.tell_lost();
        self.items.send(Item::Flush(tell)).is_ok() && told.recv_timeout(patience).is_ok()
    }

    fn has_room(&self, line: &Line, rank: Rank) -> bool {
        let waiting = self.shared.waiting.load(Ordering::Relaxed);
        match rank {
            Rank::First => waiting + cost(line) <= self.shared.room,
            Rank::Second => {
                if self.shared.overflowing.load(Ordering::Relaxed) {
                    if waiting > self.shared.room / 2 {
                        return false;
                    }
                    self.shared.overflowing.store(false, Ordering::Relaxed);
                }
                waiting + cost(line) <= self.shared.room_of(rank)
            }
        }
    }

    /// Takes the room of a line, if it is still there.
    fn take(&self, line: &Line, rank: Rank) -> bool {
        let waiting = &self.shared.waiting;
        let before = waiting.fetch_add(cost(line), Ordering::Relaxed);
        let fits = before + cost(line) <= self.shared.room_of(rank);
        if !fits {
            waiting.fetch_sub(cost(line), Ordering::Relaxed);
        }
        fits
    }

    /// Puts the line about what was lost into the queue; `false` if there is no room for that either.
    fn tell_lost(&self) -> bool {
        let Some(lost) = self.shared.take_lost() else {
            return true;
        };
        let line = self.shared.line_of(&lost);
        if self.take(&line, Rank::First) {
            return self.send(line);
        }
        self.shared.put_back(lost);
        false
    }

    fn send(&self, line: Line) -> bool {
        // The thread ends before its outlets only by a panic.
        self.items.send(Item::Line(line)).is_ok()
    }
}

fn cost(line: &Line) -> usize {
    line.text.len() + LINE_COST
}

impl Shared {
    fn room_of(&self, rank: Rank) -> usize {
        match rank {
            Rank::First => self.room,
            Rank::Second => self.room / 4 * 3,
        }
    }

    fn lost(&self) -> MutexGuard<'_, Option<Lost>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, line: &Line, rank: Rank) {
        if line.text.is_empty() {
            // A mark alone is told again with a later line.
            return;
        }
        if rank == Rank::Second {
            self.overflowing.store(true, Ordering::Relaxed);
        }
        self.put_back(Lost {
            lines: 1,
            marks: (line.mark != 0).then_some((line.mark, line.mark)),
        });
    }

    fn put_back(&self, more: Lost) {
        let mut lost = self.lost();
        *lost = Some(match *lost {
            None => more,
            Some(before) => Lost {
                lines: before.lines + more.lines,
                marks: match (before.marks, more.marks) {
                    (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
                    (one, other) => one.or(other),
                },
            },
        });
        self.any_lost.store(true, Ordering::Release);
    }

    fn take_lost(&self) -> Option<Lost> {
        if !self.any_lost.load(Ordering::Acquire) {
            return None;
        }
        let mut lost = self.lost();
        self.any_lost.store(false, Ordering::Release);
        lost.take()
    }

    fn line_of(&self, lost: &Lost) -> Line {
        Line {
            text: (self.tell_lost)(lost),
            mark: lost.marks.map_or(0, |(_, last)| last),
        }
    }
}

struct Writer<T> {
    queue: mpsc::Receiver<Item>,
    shared: Arc<Shared>,
    target: T,
    batch: Vec<u8>,
    /// The furthest mark of the batch.
    mark: u64,
    /// What the lines of the batch cost.
    held: usize,
    flushed: Vec<mpsc::SyncSender<()>>,
}

impl<T: Target> Writer<T> {
    fn run(mut self) {
        loop {
            let mut next = self.queue.try_recv().ok();
            if next.is_none() {
                // The queue is empty: nothing will come that the lost lines could be told before.
                if let Some(lost) = self.shared.take_lost() {
                    let line = self.shared.line_of(&lost);
                    self.shared
                        .waiting
                        .fetch_add(cost(&line), Ordering::Relaxed);
                    next = Some(Item::Line(line));
                }
            }
            let next = match next {
                Some(next) => Ok(next),
                None => self.queue.recv(),
            };
            let Ok(next) = next else {
                return;
            };
            self.gather(next);
            while self.batch.len() < WRITE_BYTES
                && let Ok(next) = self.queue.try_recv()
            {
                self.gather(next);
            }
            self.write();
        }
    }

    fn gather(&mut self, item: Item) {
        match item {
            Item::Line(line) => {
                self.held += cost(&line);
                self.mark = self.mark.max(line.mark);
                self.batch.extend_from_slice(&line.text);
            }
            Item::Flush(tell) => self.flushed.push(tell),
        }
    }

    /// Writes the batch, however long that takes.
    fn write(&mut self) {
        if !self.flushed.is_empty()
            && let Some(lost) = self.shared.take_lost()
        {
            let line = self.shared.line_of(&lost);
            self.shared
                .waiting
                .fetch_add(cost(&line), Ordering::Relaxed);
            self.gather(Item::Line(line));
        }
        let mut rest = self.batch.as_slice();
        while !rest.is_empty() {
            let written = match self.target.write(rest) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                written => written,
            };
            match written {
                Ok(written) => {
                    self.shared.failing.store(false, Ordering::Relaxed);
                    rest = rest.get(written..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.shared.failing.store(true, Ordering::Relaxed);
                    let waiting = self.shared.waiting.load(Ordering::Relaxed);
                    self.target.failed(&error, waiting);
                    std::thread::park_timeout(AGAIN);
                }
            }
        }
        self.batch.clear();
        // A batch that an unusual line made large is not kept for ever.
        self.batch.shrink_to(2 * WRITE_BYTES);
        self.shared.waiting.fetch_sub(self.held, Ordering::Relaxed);
        self.held = 0;
        if self.mark != 0 {
            self.target.written(self.mark);
            self.mark = 0;
        }
        for tell in self.flushed.drain(..) {
            // Whoever asked may have lost patience.
            let _ = tell.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Condvar;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// A target whose writes wait until it is opened, or fail until it is mended.
    #[derive(Clone, Default)]
    struct Gate(Arc<(Mutex<Inside>, Condvar)>);

    #[derive(Default)]
    struct Inside {
        open: bool,
        broken: bool,
        failures: u64,
        text: Vec<u8>,
        mark: u64,
        /// The most that is written at once; zero: all.
        at_once: usize,
    }

    impl Gate {
        fn with<T>(&self, act: impl FnOnce(&mut Inside) -> T) -> T {
            let (inside, changed) = &*self.0;
            let told = act(&mut inside.lock().unwrap());
            changed.notify_all();
            told
        }

        fn until(&self, done: impl Fn(&Inside) -> bool) {
            let (inside, changed) = &*self.0;
            let (_guard, waited) = changed
                .wait_timeout_while(inside.lock().unwrap(), PATIENCE, |inside| !done(inside))
                .unwrap();
            assert!(!waited.timed_out());
        }

        fn lines(&self) -> Vec<String> {
            let text = self.with(|inside| String::from_utf8(inside.text.clone()).unwrap());
            text.lines().map(str::to_owned).collect()
        }
    }

    impl Target for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.until(|inside| inside.open || inside.broken);
            self.with(|inside| {
                if inside.broken {
                    inside.failures += 1;
                    return Err(io::ErrorKind::StorageFull.into());
                }
                let some = match inside.at_once {
                    0 => bytes.len(),
                    most => most.min(bytes.len()),
                };
                inside.text.extend_from_slice(&bytes[..some]);
                Ok(some)
            })
        }

        fn written(&mut self, mark: u64) {
            self.with(|inside| inside.mark = mark);
        }
    }

    fn tell_lost(lost: &Lost) -> Vec<u8> {
        format!("lost {} {:?}\n", lost.lines, lost.marks).into_bytes()
    }

    fn outlet(room: usize) -> (Outlet, Gate) {
        let gate = Gate::default();
        let outlet = Outlet::start("test", room, gate.clone(), Arc::new(tell_lost)).unwrap();
        (outlet, gate)
    }

    fn line(n: u64) -> Line {
        Line {
            text: format!("line {n}\n").into_bytes(),
            mark: n,
        }
    }

    #[test]
    fn lines_are_written_whole_in_their_order_and_then_their_mark_is_told() {
        let (outlet, gate) = outlet(1 << 20);
        gate.with(|inside| {
            inside.open = true;
            inside.at_once = 3;
        });
        for n in 1..=100 {
            assert!(outlet.offer(line(n), Rank::First));
        }
        assert!(outlet.flush(PATIENCE));
        let want: Vec<String> = (1..=100).map(|n| format!("line {n}")).collect();
        assert_eq!(gate.lines(), want);
        assert_eq!(gate.with(|inside| inside.mark), 100);
        assert_eq!(outlet.shared.waiting.load(Ordering::Relaxed), 0);
        // A mark may come without a line.
        let mark = Line {
            text: Vec::new(),
            mark: 107,
        };
        assert!(outlet.offer(mark, Rank::First) && outlet.flush(PATIENCE));
        assert_eq!(gate.with(|inside| inside.mark), 107);
    }

    #[test]
    fn what_finds_no_room_is_lost_counted_and_told_where_it_is_missing() {
        let (outlet, gate) = outlet(20 * (LINE_COST + 10));
        let taken = (1..=1_000).take_while(|n| outlet.offer(line(*n), Rank::First));
        let taken = taken.count() as u64;
        assert!((10..=21).contains(&taken), "{taken}");
        for n in taken + 2..=1_000 {
            assert!(!outlet.offer(line(n), Rank::First), "{n}");
        }
        assert!(!outlet.flush(Duration::from_millis(1)));
        gate.with(|inside| inside.open = true);
        assert!(outlet.flush(PATIENCE));
        assert!(outlet.offer(line(1_001), Rank::First) && outlet.flush(PATIENCE));
        let mut want: Vec<String> = (1..=taken).map(|n| format!("line {n}")).collect();
        let lost = 1_000 - taken;
        want.push(format!("lost {lost} Some(({}, 1000))", taken + 1));
        want.push("line 1001".to_owned());
        assert_eq!(gate.lines(), want);
    }

    /// Without another line to tell it before, the loss is told once the reader is back.
    #[test]
    fn loss_is_told_without_a_line_that_follows() {
        let (outlet, gate) = outlet(4 * (LINE_COST + 10));
        let lost = (1..=10)
            .filter(|n| !outlet.offer(line(*n), Rank::First))
            .count();
        assert!(lost > 0);
        gate.with(|inside| inside.open = true);
        gate.until(|inside| inside.mark == 10);
        let lines = gate.lines();
        assert_eq!(lines.len(), 10 - lost + 1);
        assert!(lines.last().unwrap().starts_with(&format!("lost {lost} ")));
    }

    #[test]
    fn second_rank_leaves_room_for_the_first_and_comes_back_once_half_is_free() {
        let (outlet, gate) = outlet(40 * (LINE_COST + 10));
        while outlet.offer(line(1), Rank::Second) {}
        assert!(!outlet.accepts(Rank::Second) && outlet.accepts(Rank::First));
        for n in 2..=8 {
            assert!(outlet.offer(line(n), Rank::First), "{n}");
        }
        assert!(!outlet.offer(line(9), Rank::Second));
        gate.with(|inside| inside.open = true);
        assert!(outlet.flush(PATIENCE));
        assert!(outlet.accepts(Rank::Second));
        assert!(outlet.offer(line(10), Rank::Second));
    }

    #[test]
    fn write_that_fails_is_tried_again_and_loses_nothing() {
        let (outlet, gate) = outlet(1 << 20);
        gate.with(|inside| inside.broken = true);
        assert!(outlet.accepts(Rank::Second));
        assert!(outlet.offer(line(1), Rank::Second));
        gate.until(|inside| inside.failures >= 2);
        assert!(!outlet.accepts(Rank::Second) && !outlet.accepts(Rank::First));
        assert!(outlet.offer(line(2), Rank::Second));
        gate.with(|inside| (inside.broken, inside.open) = (false, true));
        assert!(outlet.flush(PATIENCE));
        assert_eq!(gate.lines(), ["line 1", "line 2"]);
        assert!(outlet.accepts(Rank::Second));
    }

    #[test]
    fn tellers_on_many_threads_lose_nothing_uncounted() {
        let (outlet, gate) = outlet(50 * (LINE_COST + 10));
        gate.with(|inside| inside.open = true);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 1..=5_000 {
                        outlet.offer(line(n), Rank::Second);
                    }
                });
            }
        });
        assert!(outlet.flush(PATIENCE));
        let count = |line: &String| match line.strip_prefix("lost ") {
            None => 1,
            Some(rest) => rest.split(' ').next().unwrap().parse::<u64>().unwrap(),
        };
        assert_eq!(gate.lines().iter().map(count).sum::<u64>(), 20_000);
        assert_eq!(outlet.shared.waiting.load(Ordering::Relaxed), 0);
    }
}
