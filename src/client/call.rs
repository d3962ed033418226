//! One call: which node, how often, until when.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
        let mut at = self.shared.current.load(Ordering::Relaxed);
        let mut failures = 0_usize;
        loop {
            let left = until.since(clock.boot());
            let Some((index, target)) = self.target(at) else {
                return Err(ClientError::Setup("no endpoint was given".to_owned()));
            };
            if left.is_zero() {
                return Err(give_up(in_doubt, last, self.tried(&tried), O::ACCESS));
            }
            // With other nodes to ask, none may use up the whole time.
            let others = self.shared.targets.len() > 1 && O::ACCESS != Access::Node;
            let span = if others {
                (left / 2).max(Duration::from_millis(100)).min(left)
            } else {
                left
            };
            let mut request = operation.clone();
            // The node gives up a little earlier, so that its reason arrives.
            let patience = span.saturating_sub((span / 10).min(ANSWER_TRAVELS));
            request.set_header(self.header(O::ACCESS, patience, idempotency.clone()));
            let sent = request.send(target.channel(), ANSWER_BYTES_MAX);
            let failure = match timeout(clock, span, sent).await {
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
                Failure::Said(detail) | Failure::Broken(detail) => {
                    // Of a key without its birth nothing is ever done.
                    let unborn = idempotency
                        .as_ref()
                        .is_some_and(|sent| sent.birth_position.is_none());
                    let doubtful = O::ACCESS != Access::Read
                        && !unborn
                        && !detail.safe_to_retry
                        && is_unsettled(&detail);
                    in_doubt |= doubtful;
                    if !in_doubt && self.begins_anew(&detail) {
                        idempotency = Some(self.idempotency());
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
            if O::ACCESS == Access::Node {
                return Err(give_up(in_doubt, last, self.tried(&tried), O::ACCESS));
            }
            failures += 1;
            at = index + 1;
            if failures.is_multiple_of(self.shared.targets.len()) {
                clock.sleep(pause.min(until.since(clock.boot()))).await;
                pause = (pause * 2).min(PAUSE_LONGEST);
            }
        }
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
                Access::Read => self.options.demand.clone().or_else(carried),
                Access::Write | Access::Node => carried(),
            },
            idempotency,
            deadline_ms: Some(u32::try_from(span.as_millis()).unwrap_or(u32::MAX)),
        }
    }

    /// Whether a node did nothing because this client does not know, or knows too old, a position to begin a key of its
    /// own with; and if so, takes the one that came with the refusal.
    fn begins_anew(&self, detail: &api::ErrorDetail) -> bool {
        let of_birth = matches!(
            detail.code.as_str(),
            "IdempotencyBirthMissing" | "IdempotencyKeyExpired"
        );
        match &detail.header {
            Some(header) if of_birth && self.options.idempotency_key.is_none() => {
                let before = self.position();
                self.remember(header);
                self.position() != before
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
            "OutcomeUnknown" | "Internal" | "DataLoss"
        )
}

fn give_up(
    in_doubt: bool,
    last: Option<Refusal>,
    tried: Vec<(String, String)>,
    access: Access,
) -> ClientError {
    match last {
        Some(refusal) if in_doubt && access != Access::Read => {
            ClientError::Unknown(Box::new(refusal))
        }
        Some(refusal) => ClientError::Refused(Box::new(refusal)),
        None => ClientError::Unreachable { tried },
    }
}
