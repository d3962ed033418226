//! One call: which node, how often, until when.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};

use super::api;
use super::channel::Target;
use super::error::{ClientError, Failure, Refusal};
use super::operation::{Access, Operation};
use crate::domain::time::Position;
use crate::env::{Clock, Net, Rng, real, timeout};

/// Largest answer that is read: a page of 1,000 grants, each with constraints and principals at their limits.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// The first pause after every node was tried in vain; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
/// The longest pause: an election takes about as long.
const PAUSE_LONGEST: Duration = Duration::from_millis(320);

/// How long the answer of a node that has given up may take to arrive; of short deadlines a tenth.
const ANSWER_TRAVELS: Duration = Duration::from_millis(200);

/// After how long without an answer another node is asked as well. A healthy one answers in a hundredth of that, and who
/// waits for a decision can bear half a second once.
const ASK_ANOTHER_AFTER: Duration = Duration::from_millis(500);
/// The same for questions that may take long: at another node the whole work would be done once more.
const ASK_ANOTHER_QUESTION_AFTER: Duration = Duration::from_secs(3);

/// The world that a client lives in.
#[derive(Clone)]
pub struct Parts {
    /// For deadlines.
    pub clock: Arc<dyn Clock>,
    /// For idempotency keys.
    pub rng: Arc<dyn Rng>,
    /// For connections.
    pub net: Arc<dyn Net>,
}

impl Parts {
    /// This machine's.
    pub fn real() -> Self {
        Self {
            clock: Arc::new(real::RealClock),
            rng: Arc::new(real::OsRng),
            net: Arc::new(real::Tcp),
        }
    }
}

/// What every call of a client says.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who calls.
    pub claim: api::Claim,
    /// The Region of the endpoint that requests mean.
    pub region: String,
    /// Its partition; `None`: `aws`.
    pub partition: Option<String>,
    /// How fresh answers must be; `None`: at the position of this client's last answer or later, so that it reads what
    /// it wrote, and within the cluster's bound.
    pub demand: Option<api::Demand>,
    /// How long a call may take, retries included.
    pub deadline: Duration,
    /// The idempotency key of every write; `None`: each call draws its own, which covers its own retries.
    pub idempotency_key: Option<OwnKey>,
}

/// An idempotency key that the caller chose, for retries of his own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnKey {
    /// 1 to 64 characters.
    pub key: String,
    /// A position that was seen before the request was first sent, the same in every retry. Without it a node does
    /// nothing, and its refusal brings a position that a first attempt may give.
    pub birth: Option<String>,
}

/// An answer and where it came from.
#[derive(Clone, PartialEq, Debug)]
pub struct Reply<T> {
    /// The answer.
    pub answer: T,
    /// The address of the node that gave it.
    pub endpoint: String,
}

/// What a call does next.
#[derive(Clone, Copy)]
enum Next {
    /// It asks this target.
    Ask(usize),
    /// It waits for what is under way, and asks another target after that span.
    Await(Option<Duration>),
}

/// An attempt that has come to an end.
struct Ended<A> {
    /// Of which target.
    index: usize,
    /// How long it had.
    span: Duration,
    /// Under which key.
    sent: Option<api::Idempotency>,
    /// `None`: there was no answer in time.
    outcome: Option<Result<tonic::Response<A>, tonic::Status>>,
}

/// A client of a cluster; cheap to clone, clones share connections and the position.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    options: Options,
}

struct Shared {
    targets: Vec<Target>,
    /// The target that answered last.
    current: AtomicUsize,
    /// The latest position that an answer carried.
    position: Mutex<Option<Position>>,
    parts: Parts,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.shared.targets.iter().map(|t| &t.address);
        f.debug_list().entries(addresses).finish()
    }
}

impl Client {
    /// A client that calls the nodes at `endpoints`, the first first. Connects to none yet.
    ///
    /// # Errors
    /// [`ClientError::Setup`] if there is no endpoint or one is no address.
    pub fn new<'a>(
        endpoints: impl IntoIterator<Item = &'a str>,
        options: Options,
        parts: Parts,
    ) -> Result<Self, ClientError> {
        let targets = endpoints
            .into_iter()
            .map(|text| Target::new(text, Arc::clone(&parts.net)))
            .collect::<Result<Vec<_>, _>>()?;
        if targets.is_empty() {
            return Err(ClientError::Setup("no endpoint was given".to_owned()));
        }
        Ok(Self {
            shared: Arc::new(Shared {
                targets,
                current: AtomicUsize::new(0),
                position: Mutex::new(None),
                parts,
            }),
            options,
        })
    }

    /// The same connections and position under other options.
    pub fn with(&self, options: Options) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            options,
        }
    }

    /// What its calls say.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The consistency token of the latest answer.
    pub fn position(&self) -> Option<String> {
        self.lock_position().map(|position| position.to_string())
    }

    /// Calls, and calls again as long as that is safe, until the deadline.
    ///
    /// # Errors
    /// [`ClientError`]; a write that may have taken effect ends in [`ClientError::Unknown`], never in another.
    pub async fn call<O: Operation>(&self, operation: O) -> Result<Reply<O::Answer>, ClientError> {
        let clock = &*self.shared.parts.clock;
        let until = clock.boot().after(self.options.deadline);
        let mut idempotency = (O::ACCESS == Access::Write).then(|| self.idempotency());
        let mut tried: Vec<Option<String>> = vec![None; self.shared.targets.len()];
        let mut last: Option<Refusal> = None;
        // What a node said tells more than that a later attempt had no answer.
        let mut has_said = false;
        // A write of which one attempt may have arrived stays unknown until a node tells its outcome.
        let mut in_doubt = false;
        let mut pause = PAUSE_FIRST;
        let mut failures = 0_usize;
        // The attempts under way, at most one at a node.
        let mut flying = FuturesUnordered::new();
        let mut asked = BTreeSet::new();
        // Where to look for the next one.
        let mut upcoming = self.shared.current.load(Ordering::Relaxed);
        let mut next = Next::Ask(upcoming);
        loop {
            let left = until.since(clock.boot());
            if left.is_zero() {
                return Err(give_up(in_doubt, last, self.tried(&tried), O::ACCESS));
            }
            let wait = match next {
                Next::Ask(at) => {
                    let Some((index, target)) = self.target(at) else {
                        return Err(ClientError::Setup("no endpoint was given".to_owned()));
                    };
                    let others = self.shared.targets.len() > 1 && !O::ACCESS.is_of_one_node();
                    // What can do nothing twice may be under way at several nodes, so a node that hangs costs little.
                    // Of what can, each attempt ends before the next begins, and none may use up the whole time.
                    let hedged = match O::ACCESS {
                        Access::Read => Some(ASK_ANOTHER_AFTER),
                        Access::Question => Some(ASK_ANOTHER_QUESTION_AFTER),
                        Access::Write if is_unborn(idempotency.as_ref()) => Some(ASK_ANOTHER_AFTER),
                        Access::Write | Access::Node | Access::NodeRead => None,
                    };
                    let span = match (others, hedged) {
                        (true, None) => (left / 2).max(Duration::from_millis(100)).min(left),
                        (true, Some(_)) | (false, _) => left,
                    };
                    asked.insert(index);
                    upcoming = index + 1;
                    flying.push(self.attempt(
                        operation.clone(),
                        index,
                        target,
                        span,
                        idempotency.clone(),
                    ));
                    hedged.filter(|_| others && self.idle(upcoming, &asked).is_some())
                }
                Next::Await(wait) => wait,
            };
            // Each attempt ends by itself: without another to ask there is nothing else to wait for.
            let ended = match wait.filter(|wait| *wait < left) {
                _ if flying.is_empty() => {
                    clock.sleep(wait.unwrap_or(PAUSE_LONGEST).min(left)).await;
                    None
                }
                Some(wait) => timeout(clock, wait, flying.next()).await.flatten(),
                None => flying.next().await,
            };
            let Some(Ended {
                index,
                span,
                sent,
                outcome,
            }) = ended
            else {
                next = match self.idle(upcoming, &asked) {
                    Some(at) => Next::Ask(at),
                    None => Next::Await(None),
                };
                continue;
            };
            asked.remove(&index);
            let Some((_, target)) = self.target(index) else {
                return Err(ClientError::Setup("no endpoint was given".to_owned()));
            };
            let failure = match outcome {
                Some(Ok(answer)) => {
                    let answer = answer.into_inner();
                    if let Some(header) = O::header_of(&answer) {
                        self.remember(header);
                    }
                    self.shared.current.store(index, Ordering::Relaxed);
                    return Ok(Reply {
                        answer,
                        endpoint: target.address.clone(),
                    });
                }
                Some(Err(status)) => Failure::of(&status),
                None => {
                    target.drop_channel();
                    Failure::Broken(api::ErrorDetail {
                        code: "DeadlineExceeded".to_owned(),
                        message: format!(
                            "no answer from {} within {} ms",
                            target.address,
                            span.as_millis()
                        ),
                        retryable: true,
                        ..api::ErrorDetail::default()
                    })
                }
            };
            let says = matches!(failure, Failure::Said(_));
            match failure {
                Failure::NotSent(why) => {
                    target.drop_channel();
                    if let Some(slot) = tried.get_mut(index) {
                        *slot = Some(why);
                    }
                }
                // An attempt without a birth that was overtaken: nothing came of it, and one with a birth is under way.
                Failure::Said(_) | Failure::Broken(_) if sent != idempotency => {
                    next = match flying.is_empty() {
                        true => Next::Ask(index),
                        false => Next::Await(None),
                    };
                    continue;
                }
                Failure::Said(detail) | Failure::Broken(detail) => {
                    let doubtful = O::ACCESS.changes()
                        && !is_unborn(sent.as_ref())
                        && !detail.safe_to_retry
                        && is_unsettled(&detail);
                    in_doubt |= doubtful;
                    if !in_doubt && self.begins_anew(&detail, sent.as_ref()) {
                        idempotency = Some(self.idempotency());
                        next = Next::Ask(index);
                        continue;
                    }
                    let retryable = detail.retryable;
                    if !retryable && !doubtful {
                        let settled = is_settled(&detail);
                        let refusal = Box::new(Refusal {
                            endpoint: target.address.clone(),
                            detail,
                        });
                        // A no that is the outcome of the key is that of every earlier attempt too. Any other tells
                        // nothing of them: one that is still under way may take effect yet.
                        return Err(if in_doubt && !settled {
                            ClientError::Unknown(refusal)
                        } else {
                            ClientError::Refused(refusal)
                        });
                    }
                    if says || !has_said || !retryable {
                        last = Some(Refusal {
                            endpoint: target.address.clone(),
                            detail,
                        });
                    }
                    has_said |= says;
                    if !retryable {
                        return Err(give_up(in_doubt, last, self.tried(&tried), O::ACCESS));
                    }
                }
            }
            if O::ACCESS.is_of_one_node() {
                return Err(give_up(in_doubt, last, self.tried(&tried), O::ACCESS));
            }
            failures += 1;
            let round_ends = failures.is_multiple_of(self.shared.targets.len());
            upcoming = index + 1;
            next = match self.idle(upcoming, &asked) {
                // All others are under way: this one may be asked again when they have had their time.
                Some(at) if at == index && !flying.is_empty() => {
                    Next::Await(Some(ASK_ANOTHER_AFTER))
                }
                Some(_) if round_ends => {
                    let wait = pause;
                    pause = (pause * 2).min(PAUSE_LONGEST);
                    Next::Await(Some(wait))
                }
                Some(at) => Next::Ask(at),
                None => Next::Await(None),
            };
        }
    }

    /// One attempt at one node, which ends by itself after `span`.
    async fn attempt<O: Operation>(
        &self,
        mut request: O,
        index: usize,
        target: &Target,
        span: Duration,
        sent: Option<api::Idempotency>,
    ) -> Ended<O::Answer> {
        // The node gives up a little earlier, so that its reason arrives.
        let patience = span.saturating_sub((span / 10).min(ANSWER_TRAVELS));
        request.set_header(self.header(O::ACCESS, patience, sent.clone()));
        let answered = request.send(target.channel(), ANSWER_BYTES_MAX);
        let outcome = timeout(&*self.shared.parts.clock, span, answered).await;
        Ended {
            index,
            span,
            sent,
            outcome,
        }
    }

    /// The first target from `from` on that is not being asked.
    fn idle(&self, from: usize, asked: &BTreeSet<usize>) -> Option<usize> {
        let count = self.shared.targets.len();
        (from..from.saturating_add(count))
            .filter_map(|at| at.checked_rem(count))
            .find(|at| !asked.contains(at))
    }

    fn target(&self, at: usize) -> Option<(usize, &Target)> {
        let index = at.checked_rem(self.shared.targets.len())?;
        self.shared.targets.get(index).map(|target| (index, target))
    }

    fn tried(&self, tried: &[Option<String>]) -> Vec<(String, String)> {
        self.shared
            .targets
            .iter()
            .zip(tried)
            .filter_map(|(target, why)| Some((target.address.clone(), why.clone()?)))
            .collect()
    }

    fn header(
        &self,
        access: Access,
        span: Duration,
        idempotency: Option<api::Idempotency>,
    ) -> api::RequestHeader {
        let carried = || {
            self.position().map(|position| api::Demand {
                consistency: Some(api::demand::Consistency::AtLeast(position)),
                wait_ms: None,
            })
        };
        api::RequestHeader {
            claim: Some(self.options.claim.clone()),
            region: self.options.region.clone(),
            partition: self.options.partition.clone(),
            demand: match access {
                Access::Read | Access::Question => self.options.demand.clone().or_else(carried),
                Access::Write | Access::Node | Access::NodeRead => carried(),
            },
            idempotency,
            deadline_ms: Some(u32::try_from(span.as_millis()).unwrap_or(u32::MAX)),
        }
    }

    /// Whether a node did nothing because this client does not know, or knows too old, a position to begin a key of its
    /// own with; and if so, takes the one that came with the refusal.
    fn begins_anew(&self, detail: &api::ErrorDetail, sent: Option<&api::Idempotency>) -> bool {
        let of_birth = matches!(
            detail.code.as_str(),
            "IdempotencyBirthMissing" | "IdempotencyKeyExpired"
        );
        match &detail.header {
            Some(header) if of_birth && self.options.idempotency_key.is_none() => {
                self.remember(header);
                // Another call of this client may have learned the same position meanwhile.
                sent.is_none_or(|sent| self.position() != sent.birth_position)
            }
            _ => false,
        }
    }

    /// A key of the caller's own may be older than anything that this client has seen: its birth is the caller's to say.
    fn idempotency(&self) -> api::Idempotency {
        if let Some(OwnKey { key, birth }) = &self.options.idempotency_key {
            return api::Idempotency {
                key: key.clone(),
                birth_position: birth.clone(),
            };
        }
        let key = self.shared.parts.rng.bytes16();
        api::Idempotency {
            key: key.iter().map(|byte| format!("{byte:02x}")).collect(),
            birth_position: self.position(),
        }
    }

    /// A position of the same incarnation is carried forward only; of another, the latest word counts.
    fn remember(&self, header: &api::ResponseHeader) {
        let Ok(answered) = header.position.parse::<Position>() else {
            return;
        };
        let mut position = self.lock_position();
        let is_older = position.is_some_and(|known| {
            known.incarnation == answered.incarnation && known.revision > answered.revision
        });
        if !is_older {
            *position = Some(answered);
        }
    }

    fn lock_position(&self) -> std::sync::MutexGuard<'_, Option<Position>> {
        self.shared
            .position
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a write was sent under a key without its birth: of such nothing is ever done.
fn is_unborn(sent: Option<&api::Idempotency>) -> bool {
    sent.is_some_and(|sent| sent.birth_position.is_none())
}

/// Whether an error is what the idempotency key of a write came to, for every attempt under it.
fn is_settled(detail: &api::ErrorDetail) -> bool {
    let header = detail.header.as_ref();
    header.is_some_and(|header| header.settled_revision.is_some())
}

/// Whether an error leaves open what became of a write.
fn is_unsettled(detail: &api::ErrorDetail) -> bool {
    detail.retryable
        || matches!(
            detail.code.as_str(),
            "OutcomeUnknown" | "KMSInternalException" | "Internal" | "DataLoss"
        )
}

fn give_up(
    in_doubt: bool,
    last: Option<Refusal>,
    tried: Vec<(String, String)>,
    access: Access,
) -> ClientError {
    match last {
        Some(refusal) if in_doubt && access.changes() => ClientError::Unknown(Box::new(refusal)),
        Some(refusal) => ClientError::Refused(Box::new(refusal)),
        None => ClientError::Unreachable { tried },
    }
}
