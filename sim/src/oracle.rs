//! Judges every decision of a story by facts that the story itself has seen.
//!
//! The oracle knows who asked for which grant, what was acknowledged when and at which revision, and what every node
//! has answered; it shares no code with the product and decides nothing by policy: in a story a grant is the only
//! thing that can allow. All times are the world's. It demands of every answer:
//!
//! | rule | of | what |
//! |---|---|---|
//! | justified allow | Q-2, Q-6 | some grant allows it: asked for before the answer, in the answer's revision or named by a token |
//! | revocation window | Q-7 | not by a grant whose removal was acknowledged more than B(1+rho) before the question |
//! | fenced token | Q-6 | not by a grant whose removal is in the answer's revision, token or not |
//! | owed allow | Q-2, Q-6 | no denial while a grant that is in the answer's revision, or acknowledged and named by a token, is there |
//! | bounded | Q-3 | nothing acknowledged more than B(1+rho) before the question is missing from the answer's revision |
//! | honest staleness | Q-2 | nothing acknowledged before the staleness that the answer itself claims is missing |
//! | monotonic | Q-9 | a node never answers at an older revision than it has answered before |

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A grant, as the story counts them.
pub type Tag = u64;

/// What the cluster promises: its bound, and how far two clocks may differ.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// B.
    pub bound: Duration,
    /// rho, in parts per million.
    pub rho_ppm: u32,
}

impl Promise {
    /// `span` of one clock on another: span(1+rho), rounded up.
    fn widened(self, span: Duration) -> Duration {
        let extra = span.as_nanos() * u128::from(self.rho_ppm) / 1_000_000 + 1;
        span + Duration::from_nanos(u64::try_from(extra).unwrap_or(u64::MAX))
    }

    /// B(1+rho).
    pub fn window(self) -> Duration {
        self.widened(self.bound)
    }
}

/// A decision that came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub node: u64,
    /// When the question was sent: the decision started then, or later.
    pub sent: Duration,
    /// When the answer arrived: the decision had ended then.
    pub received: Duration,
    pub allowed: bool,
    pub revision: u64,
    /// The staleness that the answer claims for itself.
    pub staleness: Duration,
    /// The grants that could allow what was asked.
    pub candidates: Vec<Tag>,
    /// Those of them whose tokens came with the question.
    pub tokens: Vec<Tag>,
}

/// A promise that an answer broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub rule: &'static str,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

/// How often each kind of answer came: a cluster that refuses everything breaks no promise and serves nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub allowed: u64,
    pub allowed_by_token: u64,
    pub denied: u64,
    pub refused: u64,
}

#[derive(Clone, Debug, Default)]
struct Life {
    create_sent: Duration,
    born: Option<Acknowledged>,
    removal_sent: Option<Duration>,
    gone: Option<Acknowledged>,
}

/// A write as its caller knows it.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    /// When the acknowledgement arrived.
    pub at: Duration,
    pub revision: u64,
    /// Whether the write took effect at that very revision; if not (a retry was acknowledged), there or earlier.
    pub exact: bool,
}

/// The model of one story.
pub struct Oracle {
    promise: Promise,
    grants: BTreeMap<Tag, Life>,
    /// Acknowledged writes in the order of their acknowledgement, each with the highest revision up to it.
    acknowledged: Highest,
    /// Of each node: when an answer was received, and the highest revision answered until then.
    answered: BTreeMap<u64, Highest>,
    tally: Tally,
}

impl Oracle {
    pub fn new(promise: Promise) -> Self {
        Self {
            promise,
            grants: BTreeMap::new(),
            acknowledged: Highest::default(),
            answered: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// A grant is about to be asked for. From now on it may exist.
    pub fn create_sent(&mut self, grant: Tag, at: Duration) {
        self.grants.insert(
            grant,
            Life {
                create_sent: at,
                ..Life::default()
            },
        );
    }

    /// The creation was acknowledged.
    pub fn created(&mut self, grant: Tag, write: Acknowledged) {
        if let Some(life) = self.grants.get_mut(&grant) {
            life.born = Some(write);
        }
        self.written(write);
    }

    /// A retire or revoke is about to be sent. From now on the grant may be gone.
    pub fn removal_sent(&mut self, grant: Tag, at: Duration) {
        if let Some(life) = self.grants.get_mut(&grant) {
            life.removal_sent.get_or_insert(at);
        }
    }

    /// The removal was acknowledged.
    pub fn removed(&mut self, grant: Tag, write: Acknowledged) {
        if let Some(life) = self.grants.get_mut(&grant) {
            life.gone.get_or_insert(write);
        }
        self.written(write);
    }

    /// Some write was acknowledged: nothing that is fresh may lack it.
    pub fn written(&mut self, write: Acknowledged) {
        self.acknowledged.push(write.at, write.revision);
    }

    /// A node refused to decide, or did not answer.
    pub fn refused(&mut self) {
        self.tally.refused += 1;
    }

    /// Judges an answer. Answers are given in the order in which they were received.
    ///
    /// # Errors
    /// The first promise that it breaks.
    pub fn judge(&mut self, answer: &Answer) -> Result<(), Violation> {
        self.fresh(answer)?;
        self.monotonic(answer)?;
        if answer.allowed {
            self.justified(answer)?;
            self.tally.allowed += 1;
            if answer.tokens.iter().any(|tag| {
                self.grants
                    .get(tag)
                    .and_then(|life| life.born)
                    .is_some_and(|born| born.revision > answer.revision)
            }) {
                self.tally.allowed_by_token += 1;
            }
        } else {
            self.not_owed(answer)?;
            self.tally.denied += 1;
        }
        Ok(())
    }

    pub fn tally(&self) -> Tally {
        self.tally
    }

    fn fresh(&self, answer: &Answer) -> Result<(), Violation> {
        let owed = self
            .acknowledged
            .before(answer.sent.saturating_sub(self.promise.window()));
        if answer.revision < owed {
            return Err(self.broken(
                "bounded (Q-3)",
                answer,
                format!("revision {owed} was acknowledged more than B(1+rho) before the question"),
            ));
        }
        let claimed = self.promise.widened(answer.staleness);
        let owed = self
            .acknowledged
            .before(answer.sent.saturating_sub(claimed));
        if answer.revision < owed {
            return Err(self.broken(
                "honest staleness (Q-2)",
                answer,
                format!("revision {owed} was acknowledged before the staleness it claims"),
            ));
        }
        if answer.staleness > self.promise.bound {
            return Err(self.broken(
                "bounded (Q-3)",
                answer,
                format!("the bound is {:?}", self.promise.bound),
            ));
        }
        Ok(())
    }

    fn monotonic(&mut self, answer: &Answer) -> Result<(), Violation> {
        let earlier = self.answered.entry(answer.node).or_default();
        let seen = earlier.before(answer.sent);
        earlier.push(answer.received, answer.revision);
        if answer.revision < seen {
            return Err(self.broken(
                "monotonic (Q-9)",
                answer,
                format!("this node had answered at revision {seen} before"),
            ));
        }
        Ok(())
    }

    fn justified(&self, answer: &Answer) -> Result<(), Violation> {
        let mut why = (
            "justified allow (Q-2)",
            "nobody has asked for such a grant".to_owned(),
        );
        for tag in &answer.candidates {
            let Some(life) = self.grants.get(tag) else {
                continue;
            };
            match self.objection(*tag, life, answer) {
                None => return Ok(()),
                Some(objection) => why = objection,
            }
        }
        Err(self.broken(why.0, answer, why.1))
    }

    /// Why this grant does not justify an allow.
    fn objection(&self, tag: Tag, life: &Life, answer: &Answer) -> Option<(&'static str, String)> {
        if life.create_sent >= answer.received {
            return Some((
                "justified allow (Q-2)",
                format!("grant {tag} was not asked for yet"),
            ));
        }
        if let Some(born) = life.born
            && born.exact
            && answer.revision < born.revision
            && !answer.tokens.contains(&tag)
        {
            return Some((
                "justified allow (Q-2)",
                format!(
                    "grant {tag} came at revision {} and no token names it",
                    born.revision
                ),
            ));
        }
        if let Some(gone) = life.gone {
            if answer.revision >= gone.revision {
                return Some((
                    "fenced token (Q-6)",
                    format!("grant {tag} is gone since revision {}", gone.revision),
                ));
            }
            if answer.sent > gone.at + self.promise.window() {
                return Some((
                    "revocation window (Q-7)",
                    format!("grant {tag} was removed, acknowledged at {:?}", gone.at),
                ));
            }
        }
        None
    }

    fn not_owed(&self, answer: &Answer) -> Result<(), Violation> {
        for tag in &answer.candidates {
            let Some(life) = self.grants.get(tag) else {
                continue;
            };
            let Some(born) = life.born else {
                continue;
            };
            let seen = answer.revision >= born.revision;
            let named = answer.tokens.contains(tag) && born.at <= answer.sent;
            let there = match (life.gone, life.removal_sent) {
                (Some(gone), _) if gone.exact => answer.revision < gone.revision,
                (Some(_), sent) => sent.is_some_and(|sent| sent >= answer.received),
                (None, Some(sent)) => sent >= answer.received,
                (None, None) => true,
            };
            if (seen || named) && there {
                return Err(self.broken(
                    "owed allow (Q-2, Q-6)",
                    answer,
                    format!(
                        "grant {tag} is there since revision {}{}",
                        born.revision,
                        if seen {
                            ""
                        } else {
                            ", and its token came along"
                        }
                    ),
                ));
            }
        }
        Ok(())
    }

    fn broken(&self, rule: &'static str, answer: &Answer, why: String) -> Violation {
        Violation {
            rule,
            what: format!("{answer:?}: {why}"),
        }
    }
}

/// Revisions by time, each the highest up to then. Times are pushed in their order.
#[derive(Default)]
struct Highest(Vec<(Duration, u64)>);

impl Highest {
    fn push(&mut self, at: Duration, revision: u64) {
        let highest = self.0.last().map_or(0, |last| last.1);
        self.0.push((at, revision.max(highest)));
    }

    /// The highest revision before `at`.
    fn before(&self, at: Duration) -> u64 {
        let count = self.0.partition_point(|entry| entry.0 < at);
        count
            .checked_sub(1)
            .and_then(|last| self.0.get(last))
            .map_or(0, |entry| entry.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: u64 = 2;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn write(at: u64, revision: u64) -> Acknowledged {
        Acknowledged {
            at: ms(at),
            revision,
            exact: true,
        }
    }

    /// B = 1 s, rho = 1 %. Grant 1: asked for at 100, acknowledged at 150 with revision 10.
    fn oracle() -> Oracle {
        let mut oracle = Oracle::new(Promise {
            bound: ms(1_000),
            rho_ppm: 10_000,
        });
        oracle.create_sent(1, ms(100));
        oracle.created(1, write(150, 10));
        oracle
    }

    /// The same, the grant revoked: sent at 500, acknowledged at 550 with revision 20.
    fn revoked() -> Oracle {
        let mut oracle = oracle();
        oracle.removal_sent(1, ms(500));
        oracle.removed(1, write(550, 20));
        oracle
    }

    fn answer(sent: u64, allowed: bool, revision: u64) -> Answer {
        Answer {
            node: NODE,
            sent: ms(sent),
            received: ms(sent + 5),
            allowed,
            revision,
            staleness: ms(900),
            candidates: vec![1],
            tokens: Vec::new(),
        }
    }

    fn with_token(mut answer: Answer) -> Answer {
        answer.tokens = vec![1];
        answer
    }

    fn rule(result: Result<(), Violation>) -> &'static str {
        result.map_or_else(|violation| violation.rule, |()| "kept")
    }

    #[test]
    fn allow_at_the_grants_revision_is_kept_and_counted() {
        let mut oracle = oracle();
        assert_eq!(rule(oracle.judge(&answer(200, true, 10))), "kept");
        assert_eq!(oracle.tally().allowed, 1);
        assert_eq!(oracle.tally().allowed_by_token, 0);
    }

    #[test]
    fn allow_before_the_grant_was_asked_for_is_a_violation() {
        let mut answer = answer(50, true, 9);
        answer.received = ms(100);
        assert_eq!(rule(oracle().judge(&answer)), "justified allow (Q-2)");
    }

    #[test]
    fn allow_by_no_grant_at_all_is_a_violation() {
        let mut answer = answer(200, true, 10);
        answer.candidates.clear();
        assert_eq!(rule(oracle().judge(&answer)), "justified allow (Q-2)");
    }

    #[test]
    fn allow_below_the_grants_revision_is_kept_with_its_token_alone() {
        let mut oracle = oracle();
        assert_eq!(
            rule(oracle.judge(&with_token(answer(200, true, 9)))),
            "kept"
        );
        assert_eq!(oracle.tally().allowed_by_token, 1);
        assert_eq!(
            rule(oracle.judge(&answer(210, true, 9))),
            "justified allow (Q-2)"
        );
    }

    #[test]
    fn denial_while_the_grant_is_owed_is_a_violation() {
        assert_eq!(
            rule(oracle().judge(&answer(200, false, 10))),
            "owed allow (Q-2, Q-6)"
        );
        assert_eq!(
            rule(oracle().judge(&with_token(answer(200, false, 9)))),
            "owed allow (Q-2, Q-6)"
        );
        assert_eq!(rule(oracle().judge(&answer(200, false, 9))), "kept");
        // The token was not out yet.
        assert_eq!(
            rule(oracle().judge(&with_token(answer(120, false, 9)))),
            "kept"
        );
    }

    #[test]
    fn denial_while_a_removal_is_under_way_is_kept() {
        let mut oracle = oracle();
        oracle.removal_sent(1, ms(500));
        assert_eq!(rule(oracle.judge(&answer(510, false, 15))), "kept");
        assert_eq!(rule(oracle.judge(&answer(520, true, 15))), "kept");
    }

    #[test]
    fn allow_by_the_old_state_is_kept_until_the_window_ends_and_no_longer() {
        // 550 + 1000(1+0.01) = 1560
        let old = |sent| {
            let mut answer = answer(sent, true, 19);
            answer.staleness = ms(1_000);
            answer
        };
        assert_eq!(rule(revoked().judge(&old(1_560))), "kept");
        // The bound alone would catch it as well: without it, by the window.
        let mut late = revoked();
        late.acknowledged = Highest::default();
        assert_eq!(rule(late.judge(&old(1_561))), "revocation window (Q-7)");
        assert_eq!(rule(revoked().judge(&old(1_561))), "bounded (Q-3)");
    }

    #[test]
    fn token_of_a_removed_grant_is_a_violation_once_the_removal_is_applied() {
        assert_eq!(
            rule(revoked().judge(&with_token(answer(600, true, 20)))),
            "fenced token (Q-6)"
        );
        assert_eq!(
            rule(revoked().judge(&with_token(answer(600, true, 9)))),
            "kept"
        );
        assert_eq!(
            rule(revoked().judge(&with_token(answer(600, false, 20)))),
            "kept"
        );
    }

    #[test]
    fn token_beyond_the_window_is_a_violation() {
        let mut oracle = revoked();
        oracle.acknowledged = Highest::default();
        assert_eq!(
            rule(oracle.judge(&with_token(answer(1_600, true, 9)))),
            "revocation window (Q-7)"
        );
    }

    #[test]
    fn second_grant_justifies_what_the_first_does_not() {
        let mut oracle = revoked();
        oracle.create_sent(2, ms(560));
        oracle.created(2, write(570, 21));
        let mut both = answer(1_700, true, 21);
        both.candidates = vec![1, 2];
        assert_eq!(rule(oracle.judge(&both)), "kept");
    }

    #[test]
    fn answer_older_than_the_bound_is_a_violation_whatever_it_says() {
        assert_eq!(
            rule(oracle().judge(&answer(1_200, false, 9))),
            "bounded (Q-3)"
        );
        let mut claims = answer(200, true, 10);
        claims.staleness = ms(1_001);
        assert_eq!(rule(oracle().judge(&claims)), "bounded (Q-3)");
    }

    #[test]
    fn answer_staler_than_it_claims_is_a_violation() {
        let mut claims = answer(200, false, 9);
        claims.staleness = ms(10);
        assert_eq!(rule(oracle().judge(&claims)), "honest staleness (Q-2)");
        claims.staleness = ms(50);
        assert_eq!(rule(oracle().judge(&claims)), "kept");
    }

    #[test]
    fn node_that_goes_back_is_a_violation_and_an_overlapping_answer_is_not() {
        let mut back = oracle();
        assert_eq!(rule(back.judge(&answer(200, true, 12))), "kept");
        assert_eq!(rule(back.judge(&answer(204, true, 11))), "kept");
        assert_eq!(rule(back.judge(&answer(210, true, 11))), "monotonic (Q-9)");
        let mut other = answer(220, true, 11);
        other.node = NODE + 1;
        assert_eq!(rule(back.judge(&other)), "kept");
    }

    #[test]
    fn unknown_outcome_of_a_creation_owes_nothing_and_justifies() {
        let mut oracle = Oracle::new(Promise {
            bound: ms(1_000),
            rho_ppm: 10_000,
        });
        oracle.create_sent(1, ms(100));
        assert_eq!(rule(oracle.judge(&answer(200, false, 9))), "kept");
        assert_eq!(rule(oracle.judge(&answer(300, true, 10))), "kept");
    }

    #[test]
    fn revision_of_an_acknowledged_retry_is_only_an_upper_bound() {
        let inexact = |at, revision| Acknowledged {
            exact: false,
            ..write(at, revision)
        };
        let mut oracle = Oracle::new(Promise {
            bound: ms(1_000),
            rho_ppm: 10_000,
        });
        oracle.create_sent(1, ms(100));
        oracle.created(1, inexact(150, 10));
        assert_eq!(rule(oracle.judge(&answer(200, true, 9))), "kept");
        oracle.removal_sent(1, ms(500));
        oracle.removed(1, inexact(550, 20));
        assert_eq!(rule(oracle.judge(&answer(560, false, 15))), "kept");
        assert_eq!(
            rule(oracle.judge(&answer(570, true, 20))),
            "fenced token (Q-6)"
        );
    }
}
