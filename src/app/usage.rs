//! The uses of keys that this node has allowed and the state does not know of yet (EC-23).
//!
//! A decision leaves no trace in the state, and a key that nobody uses may be deleted for that. So a use is told to the
//! cluster: the first after 24 hours before its answer leaves the node, the first of a day or of an hour with the next
//! batch, others not at all. Whether there is anything to tell is read off the key that the decision has resolved; only
//! then is a lock taken. Never: a change of the state by any other way than the log.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};

use crate::domain::ids::{KeyArn, RequestId};
use crate::domain::limits::{
    KEY_USAGE_LAG_MS_MAX, KEY_USAGE_PENDING_MAX, KEY_USAGE_REPORT_MAX, KEY_USAGE_WAIT_MS_MAX,
    KEY_USAGE_WARN_MS,
};
use crate::domain::policy::KmsAction;
use crate::domain::state::key::Key;
use crate::domain::state::key_usage::{KeyUse, ReportDue, UsageOperation};
use crate::domain::time::{Revision, Timestamp};
use crate::env::{BootTime, Clock, Rng, timeout};
use crate::gate::write::WriteGate;

/// How long one report may take before it counts as failed: a leader is elected meanwhile.
const REPORT_DEADLINE: Duration = Duration::from_secs(4);

/// Pause after a report that failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(200);

/// Keys that are known to wait, by the last bits of the revision that made them: enough that a busy key rarely shares its
/// place with another.
const PLACES: u64 = 4_096;

/// What becomes of reports.
#[async_trait]
pub trait Reports: Send + Sync + 'static {
    /// Tells the cluster. Where it took effect; or why it is not known to have.
    async fn report(
        &self,
        uses: Vec<(KeyArn, KeyUse)>,
        deadline: Duration,
    ) -> Result<Revision, String>;

    /// A revision at which the state of this node knows of the use, or no longer of the key, if there is one.
    fn known(&self, key: &KeyArn, used: KeyUse) -> Option<Revision>;
}

/// Reports through the writing door of a node, which forwards them to the leader.
pub struct ByGate {
    /// The door.
    pub writes: Arc<WriteGate>,
    /// Where the ids of requests come from.
    pub rng: Arc<dyn Rng>,
}

#[async_trait]
impl Reports for ByGate {
    async fn report(
        &self,
        uses: Vec<(KeyArn, KeyUse)>,
        deadline: Duration,
    ) -> Result<Revision, String> {
        let request_id = RequestId(self.rng.bytes16());
        let told = self
            .writes
            .report_key_usage(uses, request_id, deadline)
            .await;
        match told {
            Err(error) => Err(error.to_string()),
            Ok(committed) => match committed.outcome {
                Ok(_) => Ok(committed.position.revision),
                Err(rejection) => Err(rejection.message.to_string()),
            },
        }
    }

    fn known(&self, key: &KeyArn, used: KeyUse) -> Option<Revision> {
        self.writes.with_state(|state| {
            let lacks = |key: &Arc<Key>| key.report_due(used.at) != ReportDue::No;
            (!state.key(key).is_some_and(lacks)).then(|| state.revision())
        })
    }
}

/// What is to be done about a use before its answer leaves the node.
#[derive(Debug)]
pub enum Noted {
    /// Nothing.
    Enough,
    /// To wait until the cluster knows of it.
    Wait(Waiting),
    /// It cannot be told: the node stops, or too much waits already.
    Refused(&'static str),
}

/// A use that is being told to the cluster.
#[derive(Debug)]
pub struct Waiting(watch::Receiver<Option<Revision>>);

impl Waiting {
    /// Where the use took effect; `None`: not within `span`.
    pub async fn recorded(mut self, clock: &dyn Clock, span: Duration) -> Option<Revision> {
        let told = timeout(clock, span, self.0.wait_for(Option::is_some)).await?;
        *told.ok()?
    }
}

/// The uses that one node has to tell of.
pub struct UsageLog {
    reports: Arc<dyn Reports>,
    clock: Arc<dyn Clock>,
    /// The keys that wait and are not urgent: what a decision looks at before it takes the lock.
    places: Box<[AtomicU64]>,
    /// Everything is urgent: the node is about to stop.
    is_closing: AtomicBool,
    inner: Mutex<Inner>,
    /// Told of every use that is taken in.
    taken: Notify,
    /// One report at a time.
    sending: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Inner {
    /// By the revision that made the key: an ARN may be another key's later.
    pending: BTreeMap<Revision, Pending>,
    /// What was told lately, by this node's time, until the state here shows it: also where a clock runs so far ahead of
    /// the cluster's time that the state never will.
    recent: BTreeMap<Revision, Timestamp>,
    /// Since when something waits that no report was taken for.
    waits_since: Option<BootTime>,
    has_ended: bool,
    has_warned: bool,
}

struct Pending {
    key: KeyArn,
    used: KeyUse,
    since: BootTime,
    is_urgent: bool,
    told: watch::Sender<Option<Revision>>,
}

impl UsageLog {
    /// The log of a node.
    pub fn new(reports: Arc<dyn Reports>, clock: Arc<dyn Clock>) -> Self {
        Self {
            reports,
            clock,
            places: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            is_closing: AtomicBool::new(false),
            inner: Mutex::default(),
            taken: Notify::new(),
            sending: tokio::sync::Mutex::new(()),
        }
    }

    /// Takes note of a use of `key` that is allowed at `now`, if there is anything to tell of it.
    #[inline]
    pub fn note(
        &self,
        key: &Key,
        action: KmsAction,
        now: Timestamp,
        request_id: RequestId,
    ) -> Noted {
        let due = key.report_due(now);
        if due == ReportDue::No {
            return Noted::Enough;
        }
        let Some(operation) = UsageOperation::of(action) else {
            return Noted::Enough;
        };
        let used = KeyUse {
            operation,
            at: now,
            request_id: Some(request_id),
        };
        self.take(key, used, due)
    }

    #[cold]
    fn take(&self, key: &Key, used: KeyUse, due: ReportDue) -> Noted {
        let is_urgent = due == ReportDue::AtOnce || self.is_closing.load(Ordering::Acquire);
        let place = self.place(key.born);
        if !is_urgent && place.is_some_and(|place| place.load(Ordering::Relaxed) == key.born.0) {
            return Noted::Enough;
        }
        let mut inner = self.lock();
        if inner.has_ended {
            return Noted::Refused("the node is stopping");
        }
        self.watch(&mut inner);
        let told = inner.recent.get(&key.born);
        if told.is_some_and(|told| used.at.millis_since(*told) < KEY_USAGE_LAG_MS_MAX) {
            return Noted::Enough;
        }
        let is_full = inner.pending.len() >= KEY_USAGE_PENDING_MAX;
        if is_full && !inner.pending.contains_key(&key.born) {
            return match is_urgent {
                true => Noted::Refused("too many uses of keys wait to be told to the cluster"),
                false => Noted::Enough,
            };
        }
        let since = self.clock.boot();
        inner.waits_since.get_or_insert(since);
        let pending = inner.pending.entry(key.born).or_insert_with(|| Pending {
            key: key.arn.clone(),
            used,
            since,
            is_urgent,
            told: watch::Sender::new(None),
        });
        pending.is_urgent |= is_urgent;
        if pending.used.at < used.at {
            pending.used = used;
        }
        if let Some(place) = place {
            place.store(key.born.0, Ordering::Relaxed);
        }
        let noted = match is_urgent {
            true => Noted::Wait(Waiting(pending.told.subscribe())),
            false => Noted::Enough,
        };
        drop(inner);
        self.taken.notify_one();
        noted
    }

    /// Tells the cluster of what is ripe, for ever.
    pub async fn run(&self) {
        loop {
            self.ripe().await;
            if !self.send().await {
                self.clock.sleep(PAUSE_AFTER_FAILURE).await;
            }
        }
    }

    /// From now on every use is told before its answer, and what waits is told: before a planned stop. Whether all was
    /// within `span`.
    pub async fn flush(&self, span: Duration) -> bool {
        self.is_closing.store(true, Ordering::Release);
        let all = async {
            while !self.lock().pending.is_empty() {
                if !self.send().await {
                    self.clock.sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
        };
        let told = timeout(&*self.clock, span, all).await.is_some();
        if !told {
            let keys = self.lock().pending.len();
            tracing::warn!(
                keys,
                "the node stops before it could tell the cluster of the last uses of keys; GetKeyLastUsage and \
                 kms:TrailingDaysWithoutKeyUsage know of earlier ones alone"
            );
        }
        told
    }

    /// Nothing is told any more; whoever waits is told so.
    pub fn end(&self) {
        let mut inner = self.lock();
        inner.has_ended = true;
        inner.pending.clear();
    }

    /// Returns when something is to be sent.
    async fn ripe(&self) {
        loop {
            let wait = {
                let now = self.clock.boot();
                let mut inner = self.lock();
                self.watch(&mut inner);
                let wait = |pending: &Pending| match pending {
                    Pending {
                        is_urgent: true, ..
                    } => Duration::ZERO,
                    Pending { since, .. } => Duration::from_millis(KEY_USAGE_WAIT_MS_MAX)
                        .saturating_sub(now.since(*since)),
                };
                if inner.pending.len() >= KEY_USAGE_REPORT_MAX {
                    return;
                }
                inner.pending.values().map(wait).min()
            };
            match wait {
                Some(Duration::ZERO) => return,
                Some(wait) => {
                    timeout(&*self.clock, wait, self.taken.notified()).await;
                }
                None => self.taken.notified().await,
            }
        }
    }

    /// Tells the cluster of as much as one report holds, the urgent first. Whether that was done.
    async fn send(&self) -> bool {
        let _turn = self.sending.lock().await;
        let batch = self.batch();
        if batch.is_empty() {
            return true;
        }
        let uses = batch.iter().map(|(_, key, used)| (key.clone(), *used));
        let told = self.reports.report(uses.collect(), REPORT_DEADLINE).await;
        let mut inner = self.lock();
        match told {
            Ok(revision) => {
                for (born, _, used) in batch {
                    self.settle(&mut inner, born, revision);
                    inner.recent.insert(born, used.at);
                }
                let oldest = inner.pending.values().map(|pending| pending.since).min();
                inner.waits_since = oldest;
                let latest = inner.recent.values().max().copied().unwrap_or_default();
                inner
                    .recent
                    .retain(|_, told| latest.millis_since(*told) < KEY_USAGE_LAG_MS_MAX);
                if inner.recent.len() > KEY_USAGE_PENDING_MAX {
                    inner.recent.clear();
                }
                if std::mem::take(&mut inner.has_warned) {
                    tracing::info!("uses of keys are told to the cluster again");
                }
                true
            }
            Err(why) => {
                tracing::debug!(%why, "uses of keys were not told to the cluster; it is tried again");
                self.watch(&mut inner);
                false
            }
        }
    }

    /// What the next report holds. What the state knows meanwhile, by the report of another node, is settled.
    fn batch(&self) -> Vec<(Revision, KeyArn, KeyUse)> {
        let mut inner = self.lock();
        let of = |is_urgent: bool| {
            let pending = inner.pending.iter();
            pending.filter(move |(_, pending)| pending.is_urgent == is_urgent)
        };
        let mut batch: Vec<_> = of(true)
            .chain(of(false))
            .take(KEY_USAGE_REPORT_MAX)
            .map(|(born, pending)| (*born, pending.key.clone(), pending.used))
            .collect();
        batch.retain(|(born, key, used)| {
            let known = self.reports.known(key, *used);
            if let Some(revision) = known {
                self.settle(&mut inner, *born, revision);
            }
            known.is_none()
        });
        batch
    }

    /// A use is known to the cluster since `revision`.
    fn settle(&self, inner: &mut Inner, born: Revision, revision: Revision) {
        if let Some(pending) = inner.pending.remove(&born) {
            pending.told.send_replace(Some(revision));
        }
        if inner.pending.is_empty() {
            inner.waits_since = None;
        }
        if let Some(place) = self.place(born) {
            // Another key may have taken the place meanwhile.
            let _ = place.compare_exchange(born.0, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Says once that reports have failed for long.
    fn watch(&self, inner: &mut Inner) {
        let since = inner.waits_since;
        let age = since.map(|since| self.clock.boot().since(since));
        let is_late = age.is_some_and(|age| age >= Duration::from_millis(KEY_USAGE_WARN_MS));
        if is_late && !inner.has_warned {
            inner.has_warned = true;
            tracing::warn!(
                keys = inner.pending.len(),
                seconds = age.unwrap_or_default().as_secs(),
                "uses of keys could not be told to the cluster for long: GetKeyLastUsage and \
                 kms:TrailingDaysWithoutKeyUsage do not know of them, and first uses after 24 hours are refused; is there \
                 a leader?"
            );
        }
    }

    fn place(&self, born: Revision) -> Option<&AtomicU64> {
        self.places.get(usize::try_from(born.0 % PLACES).ok()?)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing of it is left half done where a panic can happen.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Partition;
    use crate::domain::policy::{Policy, PolicyKind};
    use crate::domain::state::key::{KeyManager, KeyOrigin, KeySpec, KeyState, KeyUsage};
    use crate::env::WallTime;

    const HOUR_MS: u64 = 3_600_000;
    /// The present of these tests.
    const NOW_MS: u64 = 1_000 * Timestamp::DAY_MS + 12 * HOUR_MS;

    /// The clock of tokio's paused time.
    struct Paused(tokio::time::Instant);

    #[async_trait]
    impl Clock for Paused {
        fn boot(&self) -> BootTime {
            BootTime::from_boot(self.0.elapsed())
        }

        fn wall(&self) -> WallTime {
            WallTime(0)
        }

        async fn sleep(&self, span: Duration) {
            tokio::time::sleep(span).await;
        }
    }

    /// A cluster that remembers what it was told, and does not take it while it is cut off.
    #[derive(Default)]
    struct Told {
        reports: Mutex<Vec<Vec<KeyArn>>>,
        is_cut_off: AtomicBool,
        /// Keys that another node has told of.
        known: Mutex<Vec<KeyArn>>,
    }

    #[async_trait]
    impl Reports for Told {
        async fn report(
            &self,
            uses: Vec<(KeyArn, KeyUse)>,
            _: Duration,
        ) -> Result<Revision, String> {
            if self.is_cut_off.load(Ordering::SeqCst) {
                return Err("no leader".to_owned());
            }
            let mut reports = self.reports.lock().unwrap();
            reports.push(uses.into_iter().map(|(arn, _)| arn).collect());
            Ok(Revision(100 + reports.len() as u64))
        }

        fn known(&self, key: &KeyArn, _: KeyUse) -> Option<Revision> {
            let known = self.known.lock().unwrap().contains(key);
            known.then_some(Revision(7))
        }
    }

    struct Node {
        told: Arc<Told>,
        log: Arc<UsageLog>,
        began: tokio::time::Instant,
    }

    impl Node {
        fn new() -> Self {
            let told = Arc::new(Told::default());
            let began = tokio::time::Instant::now();
            let clock = Arc::new(Paused(began));
            let log = Arc::new(UsageLog::new(told.clone(), clock));
            Self { told, log, began }
        }

        fn running() -> Self {
            let node = Self::new();
            let log = node.log.clone();
            tokio::spawn(async move { log.run().await });
            node
        }

        fn note(&self, key: &Key, after_ms: u64) -> Noted {
            let now = Timestamp::from_millis(NOW_MS + after_ms);
            self.log
                .note(key, KmsAction::Encrypt, now, RequestId([1; 16]))
        }

        async fn wait(&self, noted: Noted) -> Option<Revision> {
            let Noted::Wait(waiting) = noted else {
                panic!("nothing to wait for: {noted:?}")
            };
            let clock = Paused(self.began);
            waiting.recorded(&clock, Duration::from_secs(10)).await
        }

        fn reports(&self) -> Vec<usize> {
            let reports = self.told.reports.lock().unwrap();
            reports.iter().map(Vec::len).collect()
        }
    }

    /// A key that was last used so long before the present.
    fn key(n: u64, idle_ms: u64) -> Key {
        let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}]}"#;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        Key {
            arn: KeyArn {
                partition: Partition::Aws,
                region: "eu-west-1".parse().unwrap(),
                account: "111122223333".parse().unwrap(),
                key_id: crate::domain::ids::KeyId::Uuid(id),
            },
            born: Revision(n + 1),
            created_at: Timestamp::from_millis(0),
            description: "".into(),
            spec: KeySpec::SymmetricDefault,
            usage: KeyUsage::EncryptDecrypt,
            origin: KeyOrigin::AwsKms,
            state: KeyState::Enabled,
            multi_region: None,
            manager: KeyManager::Customer,
            tags: Default::default(),
            policy: Policy::parse(policy, PolicyKind::Key).unwrap(),
            bindings: Default::default(),
            deletion: None,
            custom_key_store: None,
            last_use: Some(KeyUse {
                operation: UsageOperation::Sign,
                at: Timestamp::from_millis(NOW_MS - idle_ms),
                request_id: None,
            }),
        }
    }

    /// EC-23: the first use after 24 hours is told before its answer; once told, no other is for an hour, though the state
    /// here may not show it yet.
    #[tokio::test(start_paused = true)]
    async fn first_use_after_24_hours_is_told_before_the_answer() {
        let node = Node::running();
        let idle = key(1, Timestamp::DAY_MS);
        let noted = node.note(&idle, 0);
        assert!(node.reports().is_empty());
        assert_eq!(node.wait(noted).await, Some(Revision(101)));
        assert!(node.began.elapsed() < Duration::from_millis(10));
        for after in [1, HOUR_MS - 1] {
            assert!(matches!(node.note(&idle, after), Noted::Enough));
        }
        assert_eq!(node.reports(), [1]);
        let noted = node.note(&idle, HOUR_MS);
        assert_eq!(node.wait(noted).await, Some(Revision(102)));
    }

    /// EC-23: what waits for the same key waits for the same report.
    #[tokio::test(start_paused = true)]
    async fn uses_of_an_idle_key_at_once_wait_for_one_report() {
        let node = Node::running();
        let idle = key(1, 400 * Timestamp::DAY_MS);
        let noted: Vec<Noted> = (0..100).map(|after| node.note(&idle, after)).collect();
        for noted in noted {
            assert_eq!(node.wait(noted).await, Some(Revision(101)));
        }
        assert_eq!(node.reports(), [1]);
    }

    /// EC-23: others are told within ten seconds, together, each key once; what was used within the hour is not told.
    #[tokio::test(start_paused = true)]
    async fn other_uses_are_told_within_ten_seconds_in_one_batch() {
        let node = Node::running();
        for round in 0..3 {
            for n in 0..10 {
                assert!(matches!(
                    node.note(&key(n, 2 * HOUR_MS), round),
                    Noted::Enough
                ));
                assert!(matches!(
                    node.note(&key(100 + n, HOUR_MS / 2), round),
                    Noted::Enough
                ));
            }
        }
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(node.reports().is_empty());
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(node.reports(), [10]);
    }

    /// EC-23: a full report does not wait for its time, and a longer backlog goes report by report.
    #[tokio::test(start_paused = true)]
    async fn backlog_is_told_report_by_report() {
        let node = Node::running();
        let many = 2 * KEY_USAGE_REPORT_MAX as u64 + 1;
        for n in 0..many {
            node.note(&key(n, 2 * HOUR_MS), 0);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(node.reports(), [KEY_USAGE_REPORT_MAX, KEY_USAGE_REPORT_MAX]);
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert_eq!(
            node.reports(),
            [KEY_USAGE_REPORT_MAX, KEY_USAGE_REPORT_MAX, 1]
        );
    }

    /// EC-23: before a planned stop what waits is told at once, and every further use before its answer.
    #[tokio::test(start_paused = true)]
    async fn stop_tells_what_waits() {
        let node = Node::running();
        node.note(&key(1, 2 * HOUR_MS), 0);
        assert!(node.log.flush(Duration::from_secs(2)).await);
        assert!(node.began.elapsed() < Duration::from_secs(1));
        assert_eq!(node.reports(), [1]);
        let noted = node.note(&key(2, 2 * HOUR_MS), 0);
        assert_eq!(node.wait(noted).await, Some(Revision(102)));
        node.log.end();
        assert!(matches!(
            node.note(&key(3, 2 * HOUR_MS), 0),
            Noted::Refused(_)
        ));
    }

    /// EC-23: what cannot be told stays, is told once it can be, and is said of once.
    #[tokio::test(start_paused = true)]
    async fn undelivered_use_stays_and_is_warned_of_once() {
        let node = Node::running();
        node.told.is_cut_off.store(true, Ordering::SeqCst);
        node.note(&key(1, 2 * HOUR_MS), 0);
        let urgent = node.note(&key(2, Timestamp::DAY_MS), 0);
        assert_eq!(node.wait(urgent).await, None);
        let has_warned = || node.log.lock().has_warned;
        tokio::time::sleep(Duration::from_secs(45)).await;
        assert!(!has_warned());
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(has_warned());
        assert!(!node.log.flush(Duration::from_secs(2)).await);
        node.told.is_cut_off.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(node.reports(), [2]);
        assert!(!has_warned());
    }

    /// EC-23: a use that another node has told of meanwhile is not told again, and who waits for it goes on.
    #[tokio::test(start_paused = true)]
    async fn use_that_the_state_knows_meanwhile_is_not_told() {
        let node = Node::running();
        let idle = key(1, Timestamp::DAY_MS);
        node.told.known.lock().unwrap().push(idle.arn.clone());
        let noted = node.note(&idle, 0);
        assert_eq!(node.wait(noted).await, Some(Revision(7)));
        assert!(node.reports().is_empty());
    }

    /// What a node holds is bounded: a use that is urgent is refused beyond it, another left to the next.
    #[tokio::test(start_paused = true)]
    async fn node_holds_a_bounded_number_of_uses() {
        let node = Node::new();
        let first = key(0, 2 * HOUR_MS);
        for n in 0..KEY_USAGE_PENDING_MAX as u64 + 10 {
            let key = Key {
                born: Revision(n + 1),
                ..first.clone()
            };
            assert!(matches!(node.note(&key, 0), Noted::Enough));
        }
        assert_eq!(node.log.lock().pending.len(), KEY_USAGE_PENDING_MAX);
        let urgent = Key {
            born: Revision(1 << 40),
            ..key(1, Timestamp::DAY_MS)
        };
        assert!(matches!(node.note(&urgent, 0), Noted::Refused(_)));
    }

    /// CK-53: what uses no key material is not noted.
    #[tokio::test(start_paused = true)]
    async fn other_operations_are_not_noted() {
        let node = Node::new();
        for action in [
            KmsAction::DescribeKey,
            KmsAction::GetPublicKey,
            KmsAction::CreateGrant,
        ] {
            let now = Timestamp::from_millis(NOW_MS);
            let idle = key(1, Timestamp::DAY_MS);
            let noted = node.log.note(&idle, action, now, RequestId([1; 16]));
            assert!(matches!(noted, Noted::Enough), "{action}");
        }
        assert!(node.log.lock().pending.is_empty());
    }
}
