//! What a node makes of the grant tokens that come with a request (Q-6, DESIGN "The grant token").
//!
//! A token is opened with its epoch's keys, then held against the state of the view: reached → the state decides;
//! ahead and its dependencies applied → its grant joins the decision; else the node waits for the token's revision.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::crypto::seal::SealKey;
use crate::crypto::token::{
    self, Epoch, EpochKeys, GrantToken, TokenBody, TokenError, TokenHeader,
};
use crate::domain::authz::claim::TokenText;
use crate::domain::ids::{GrantId, KeyArn};
use crate::domain::limits;
use crate::domain::state::State;
use crate::domain::state::grant::Grant;
use crate::domain::state::token_epoch::TokenEpoch;
use crate::domain::time::{Incarnation, Revision};
use crate::env::BootTime;

/// What tokens mean on one view.
#[derive(Clone, Debug, Default)]
pub struct Opened {
    /// Grants that this state has not reached and can judge, in the order of their tokens, none twice.
    pub ahead: Vec<Arc<Grant>>,
    /// The least revision that the node must have applied before it can judge all of them; `None`: it can.
    pub wait_for: Option<Revision>,
}

/// A token that this cluster minted.
#[derive(Clone, Debug)]
pub struct Authentic {
    /// Epoch and revisions.
    pub header: TokenHeader,
    /// The grant, or its ids.
    pub body: TokenBody,
}

/// What a token is before the state is asked about the grant.
#[derive(Clone, Debug)]
pub enum Examined {
    /// Minted by this cluster.
    Authentic(Box<Authentic>),
    /// Of an epoch that this node has not applied yet: it can tell only once it has reached this revision.
    Unknown(Revision),
}

/// The keys of the token epochs, and what is known of their abuse.
#[derive(Debug)]
pub struct TokenVault {
    seal_key: Arc<SealKey>,
    inner: Mutex<Inner>,
    /// Whether `claimed` may hold anything.
    any_claimed: AtomicBool,
}

#[derive(Debug, Default)]
struct Inner {
    keys: BTreeMap<(Incarnation, Epoch), Arc<EpochKeys>>,
    distrusted: BTreeSet<(Incarnation, Epoch)>,
    /// Tokens that were honoured ahead of the state: the furthest revision an epoch claimed, and when it arrived.
    claimed: BTreeMap<(Incarnation, Epoch), Claimed>,
}

#[derive(Clone, Copy, Debug)]
struct Claimed {
    born: Revision,
    arrived: BootTime,
}

/// An epoch whose tokens claim what never was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forged {
    /// The epoch; it is distrusted from now on.
    pub epoch: Epoch,
    /// The revision that the token claimed.
    pub claimed: Revision,
}

impl TokenVault {
    /// A vault that opens what the cluster's seal key sealed.
    pub fn new(seal_key: Arc<SealKey>) -> Self {
        Self {
            seal_key,
            inner: Mutex::default(),
            any_claimed: AtomicBool::new(false),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys of an epoch as `state` has it; `None` if it does not have it, or if it is revoked.
    fn keys(&self, state: &State, epoch: Epoch) -> Option<(Arc<EpochKeys>, Arc<TokenEpoch>)> {
        let held = state.token_epoch(epoch.0)?;
        if held.revoked.is_some() {
            return None;
        }
        let keys = self.keys_of(state.incarnation(), held)?;
        Some((keys, Arc::clone(held)))
    }

    /// The keys of an epoch that is not revoked.
    fn keys_of(&self, incarnation: Incarnation, held: &TokenEpoch) -> Option<Arc<EpochKeys>> {
        let epoch = Epoch(held.number);
        let at = (incarnation, epoch);
        if let Some(keys) = self.inner().keys.get(&at) {
            return Some(Arc::clone(keys));
        }
        let secret = match self.seal_key.open(incarnation, &held.sealed_secret) {
            Ok(secret) => secret,
            Err(error) => {
                tracing::error!(epoch = epoch.0, %error, "a token epoch cannot be used");
                return None;
            }
        };
        let keys = Arc::new(EpochKeys::derive(epoch, incarnation, &secret));
        let mut inner = self.inner();
        if inner.keys.len() >= limits::TOKEN_EPOCHS_MAX {
            // The oldest goes; it is derived anew if it is asked for again.
            inner.keys.pop_first();
        }
        inner.keys.insert(at, Arc::clone(&keys));
        Some(keys)
    }

    /// Mints a token of a grant that was just created or found again, by the epoch that `apply` told with it: whatever
    /// this node's own state names, which may be behind.
    ///
    /// # Errors
    /// [`TokenError::UnknownEpoch`] if the epoch's secret does not open here, or the grant fits no token, which valid ids
    /// cannot reach.
    pub fn mint(
        &self,
        incarnation: Incarnation,
        epoch: &TokenEpoch,
        grant: &Grant,
        depends_on: Revision,
        salt: [u8; 16],
    ) -> Result<GrantToken, TokenError> {
        let keys = self.keys_of(incarnation, epoch);
        let keys = keys.ok_or(TokenError::UnknownEpoch)?;
        token::mint(&keys, grant, depends_on, salt)
    }

    /// Whether this node seals what the cluster's other nodes can open.
    pub fn fits(&self, state: &State) -> bool {
        self.seal_key.check(state.incarnation()) == state.seal_check()
    }

    /// Whether this node could mint by what `state` says: asked before a grant is made.
    pub fn can_mint(&self, state: &State) -> bool {
        let epoch = state.minting_epoch();
        epoch.is_some_and(|epoch| self.keys_of(state.incarnation(), epoch).is_some())
    }

    /// Seals the secret of a new epoch.
    ///
    /// # Errors
    /// [`crate::crypto::seal::SealError`].
    pub fn seal(
        &self,
        incarnation: Incarnation,
        nonce: [u8; 24],
        secret: [u8; 32],
    ) -> Result<Vec<u8>, crate::crypto::seal::SealError> {
        let secret = crate::crypto::seal::EpochSecret::from_bytes(secret);
        self.seal_key.seal(incarnation, nonce, &secret)
    }

    /// Seals what a custom key store logs in with.
    ///
    /// # Errors
    /// [`crate::crypto::seal::SealError`].
    pub fn seal_credential(
        &self,
        store: &crate::domain::ids::CustomKeyStoreId,
        nonce: [u8; 24],
        secret: &str,
    ) -> Result<Vec<u8>, crate::crypto::seal::SealError> {
        self.seal_key.seal_credential(store, nonce, secret)
    }

    /// Opens a token on a state of which the log is applied up to `applied`.
    ///
    /// # Errors
    /// [`TokenError`]: malformed, of another incarnation, of an epoch that is revoked or never was, not authentic.
    pub fn examine(
        &self,
        state: &State,
        applied: Revision,
        token: &TokenText,
    ) -> Result<Examined, TokenError> {
        let TokenText(text) = token;
        let header = token::peek(text, state.incarnation())?;
        let Some((keys, held)) = self.keys(state, header.epoch) else {
            let newest = state.token_epochs().last().map_or(0, |epoch| epoch.number);
            // The node may lack the rotation that began the epoch. Nothing of the token is believed yet: it is
            // opened again once the node has caught up, and refused if it claims too much.
            return if header.epoch.0 > newest && header.born > applied {
                Ok(Examined::Unknown(header.born))
            } else {
                Err(TokenError::UnknownEpoch)
            };
        };
        let (header, body) = token::open(text, &keys)?;
        // What an ended epoch seals is of grants that came before its end: a thief of an old secret makes nothing of it.
        if held.ended.is_some_and(|ended| header.born >= ended) {
            return Err(TokenError::Inauthentic);
        }
        Ok(Examined::Authentic(Box::new(Authentic { header, body })))
    }

    /// What the tokens of a request mean on the state of its view, of which the log is applied up to `applied`, the
    /// request having arrived at `arrived`.
    ///
    /// # Errors
    /// [`TokenError`] of the first token that is not this cluster's.
    pub fn open(
        &self,
        state: &State,
        applied: Revision,
        tokens: &[TokenText],
        arrived: BootTime,
    ) -> Result<Opened, TokenError> {
        let mut opened = Opened::default();
        let mut seen: BTreeSet<GrantId> = BTreeSet::new();
        for text in tokens {
            let authentic = match self.examine(state, applied, text)? {
                Examined::Unknown(revision) => {
                    opened.wait_for = opened.wait_for.max(Some(revision));
                    continue;
                }
                Examined::Authentic(authentic) => authentic,
            };
            let Authentic { header, body } = *authentic;
            if applied >= header.born {
                // The fence: this state has seen the grant come, and perhaps go.
                continue;
            }
            let judged = body
                .grant()
                .filter(|_| applied >= header.depends_on)
                .filter(|_| !self.is_distrusted(state.incarnation(), header.epoch));
            match judged {
                None => opened.wait_for = opened.wait_for.max(Some(header.born)),
                Some(grant) => {
                    self.note_claim(state.incarnation(), header, arrived);
                    if seen.insert(grant.id) {
                        opened.ahead.push(Arc::clone(grant));
                    }
                }
            }
        }
        Ok(opened)
    }

    /// The key and id of the grant that a token names, for RetireGrant; `Err(Ok(revision))` if the node must first
    /// reach that revision to tell.
    pub fn locate(
        &self,
        state: &State,
        applied: Revision,
        token: &TokenText,
    ) -> Result<Result<(KeyArn, GrantId), Revision>, TokenError> {
        Ok(match self.examine(state, applied, token)? {
            Examined::Unknown(revision) => Err(revision),
            Examined::Authentic(authentic) => {
                Ok((authentic.body.key().clone(), authentic.body.grant_id()))
            }
        })
    }

    fn is_distrusted(&self, incarnation: Incarnation, epoch: Epoch) -> bool {
        self.inner().distrusted.contains(&(incarnation, epoch))
    }

    fn note_claim(&self, incarnation: Incarnation, header: TokenHeader, arrived: BootTime) {
        let mut inner = self.inner();
        // ORDER: under the lock, so that nobody who has seen none left takes this one's sign away.
        self.any_claimed.store(true, Ordering::Release);
        let claimed = inner
            .claimed
            .entry((incarnation, header.epoch))
            .or_insert(Claimed {
                born: header.born,
                arrived,
            });
        if header.born > claimed.born {
            *claimed = Claimed {
                born: header.born,
                arrived,
            };
        }
    }

    /// Holds the claims of honoured tokens against a state that is proven complete up to `as_of`. A token is minted
    /// after its grant was applied, so a state that holds everything acknowledged before `as_of` has reached every
    /// revision that a token claimed which arrived before `as_of`. One that claims more was made with a stolen secret:
    /// its epoch is honoured ahead of the state no more.
    pub fn unmask(&self, state: &State, applied: Revision, as_of: BootTime) -> Option<Forged> {
        // Every decision passes here, and hardly ever is there a claim. One that is noted meanwhile is looked at by the next.
        if !self.any_claimed.load(Ordering::Acquire) {
            return None;
        }
        let incarnation = state.incarnation();
        let mut inner = self.inner();
        let mut forged = None;
        inner.claimed.retain(|(of, epoch), claimed| {
            if *of != incarnation || applied >= claimed.born {
                return false;
            }
            if as_of > claimed.arrived {
                forged = Some(Forged {
                    epoch: *epoch,
                    claimed: claimed.born,
                });
                return false;
            }
            true
        });
        if let Some(Forged { epoch, .. }) = forged {
            inner.distrusted.insert((incarnation, epoch));
        }
        // ORDER: under the lock, as it is set.
        self.any_claimed
            .store(!inner.claimed.is_empty(), Ordering::Release);
        forged
    }

    /// Distrusts the epochs of authentic tokens that claim a revision beyond a read index asked for after they came.
    pub fn distrust_beyond(
        &self,
        state: &State,
        applied: Revision,
        tokens: &[TokenText],
        read_index: Revision,
    ) -> Option<Forged> {
        tokens.iter().find_map(|token| {
            let Ok(Examined::Authentic(authentic)) = self.examine(state, applied, token) else {
                return None;
            };
            let header = authentic.header;
            (header.born > read_index).then(|| {
                let at = (state.incarnation(), header.epoch);
                self.inner().distrusted.insert(at);
                Forged {
                    epoch: header.epoch,
                    claimed: header.born,
                }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::crypto::seal::EpochSecret;
    use crate::domain::authz::caller::{Caller, Identity, RequestFacts};
    use crate::domain::ids::{KeyId, KeyRef, Partition, RequestId, UniqueId};
    use crate::domain::op::bootstrap::Bootstrap;
    use crate::domain::op::create_account::CreateAccount;
    use crate::domain::op::create_grant::CreateGrant;
    use crate::domain::op::create_key::CreateKey;
    use crate::domain::op::create_principal::CreatePrincipal;
    use crate::domain::op::rotate_token_epoch::RotateTokenEpoch;
    use crate::domain::op::start_token_epoch::StartTokenEpoch;
    use crate::domain::op::{self, Command, Entry, Output, Scope, Semantics};
    use crate::domain::state::cow_map::HashKey;
    use crate::domain::state::grant::GrantOperation;
    use crate::domain::state::key::{KeyOrigin, KeySpec};
    use crate::domain::time::Timestamp;

    const INCARNATION: Incarnation = Incarnation([9; 16]);
    const ACCOUNT: &str = "111122223333";
    const ALICE: &str = "arn:aws:iam::111122223333:user/alice";

    fn at(ms: u64) -> BootTime {
        BootTime::from_boot(Duration::from_millis(ms))
    }

    fn scope() -> Scope {
        Scope {
            partition: Partition::Aws,
            region: "us-west-2".parse().unwrap(),
        }
    }

    fn apply(state: &mut State, revision: u64, identity: Identity, command: Command) -> Output {
        let entry = Entry {
            proposed_at: Timestamp::from_millis(1_000),
            semantics: Semantics::CURRENT,
            caller: Caller {
                identity,
                facts: RequestFacts::default(),
            },
            scope: scope(),
            request_id: RequestId([0; 16]),
            idempotency: None,
            command,
        };
        op::apply(state, Revision(revision), &entry)
            .outcome
            .unwrap()
    }

    /// The states after each of five revisions, the last of which made a grant to alice, and that grant.
    struct World {
        vault: TokenVault,
        states: Vec<State>,
        grant: Grant,
        depends_on: Revision,
    }

    impl World {
        fn new() -> Self {
            let seal_key = Arc::new(SealKey::from_bytes([1; 32]));
            let sealed = seal_key
                .seal(INCARNATION, [2; 24], &EpochSecret::from_bytes([3; 32]))
                .unwrap();
            let root = || Identity::Root {
                account: ACCOUNT.parse().unwrap(),
                task_policy: None,
            };
            let key_id = KeyId::Uuid([4; 16]);
            let commands = [
                (
                    Identity::System,
                    Command::Bootstrap(Bootstrap {
                        incarnation: INCARNATION,
                        settings: Default::default(),
                        sealed_epoch_secret: sealed.into(),
                        hash_key: HashKey([1; 16]),
                        seal_check: SealKey::from_bytes([1; 32]).check(INCARNATION),
                        semantics: Semantics::CURRENT,
                    }),
                ),
                (
                    Identity::Operator,
                    Command::CreateAccount(CreateAccount {
                        account: ACCOUNT.parse().unwrap(),
                        name: "".into(),
                    }),
                ),
                (
                    root(),
                    Command::CreatePrincipal(CreatePrincipal {
                        arn: ALICE.parse().unwrap(),
                        unique_id: UniqueId::of_new_user(&[5; 16]),
                        tags: Default::default(),
                    }),
                ),
                (
                    root(),
                    Command::CreateKey(CreateKey {
                        account: ACCOUNT.parse().unwrap(),
                        partition: Partition::Aws,
                        region: scope().region,
                        key_id,
                        description: "".into(),
                        spec: KeySpec::SymmetricDefault,
                        usage: None,
                        origin: KeyOrigin::AwsKms,
                        multi_region: Default::default(),
                        policy: None,
                        lockout_check: Default::default(),
                        tags: Default::default(),
                        custom_key_store: None,
                        xks_key: None,
                    }),
                ),
                (
                    root(),
                    Command::CreateGrant(CreateGrant {
                        key: KeyRef::Id(key_id),
                        grant_id: GrantId([6; 32]),
                        grantee: Some(ALICE.into()),
                        grantee_service: None,
                        retiring: None,
                        retiring_service: None,
                        operations: vec![GrantOperation::Decrypt],
                        context_equals: Default::default(),
                        context_subset: Default::default(),
                        source_arn: None,
                        name: None,
                        dry_run: Default::default(),
                        term: Default::default(),
                    }),
                ),
            ];
            let mut state = State::default();
            let mut states = Vec::new();
            let mut made = None;
            for (revision, (identity, command)) in (1..).zip(commands) {
                if let Output::Grant(created) = apply(&mut state, revision, identity, command) {
                    made = Some((created.grant.unwrap(), created.depends_on));
                }
                states.push(state.clone());
            }
            let (grant, depends_on) = made.unwrap();
            Self {
                vault: TokenVault::new(seal_key),
                states,
                grant,
                depends_on,
            }
        }

        fn state(&self, revision: usize) -> &State {
            &self.states[revision - 1]
        }

        fn token(&self, grant: &Grant, depends_on: Revision, salt: u8) -> TokenText {
            let epoch = self.state(5).minting_epoch().unwrap();
            let minted = self
                .vault
                .mint(INCARNATION, epoch, grant, depends_on, [salt; 16]);
            TokenText(minted.unwrap().into_text())
        }

        fn open(&self, revision: usize, tokens: &[TokenText]) -> Opened {
            let state = self.state(revision);
            self.vault
                .open(state, state.revision(), tokens, at(10))
                .unwrap()
        }
    }

    /// what a token means depends on how far the node is.
    #[test]
    fn token_joins_the_decision_between_what_it_depends_on_and_its_birth() {
        let world = World::new();
        assert_eq!(
            (world.grant.born, world.depends_on),
            (Revision(5), Revision(4))
        );
        let tokens = [
            world.token(&world.grant, world.depends_on, 1),
            world.token(&world.grant, world.depends_on, 2),
        ];
        // Two tokens of one grant are one grant.
        let ahead = world.open(4, &tokens);
        assert_eq!(ahead.ahead.len(), 1);
        assert_eq!(*ahead.ahead[0], world.grant);
        assert_eq!(ahead.wait_for, None);
        // The fence: the state has seen the grant.
        let reached = world.open(5, &tokens);
        assert!(reached.ahead.is_empty() && reached.wait_for.is_none());
        // The key is not there yet: only the state at the token's own revision can tell.
        let lagging = world.open(3, &tokens);
        assert!(lagging.ahead.is_empty());
        assert_eq!(lagging.wait_for, Some(Revision(5)));
    }

    /// A state without the cluster's first command knows no incarnation: every token is foreign there.
    #[test]
    fn token_of_another_incarnation_or_epoch_is_refused() {
        let world = World::new();
        let token = world.token(&world.grant, world.depends_on, 1);
        let empty = State::default();
        let refused = world
            .vault
            .open(&empty, Revision(0), std::slice::from_ref(&token), at(1));
        assert_eq!(refused.unwrap_err(), TokenError::Foreign);
        let stranger = TokenVault::new(Arc::new(SealKey::from_bytes([8; 32])));
        let refused = stranger.open(world.state(4), Revision(4), &[token], at(1));
        assert_eq!(refused.unwrap_err(), TokenError::UnknownEpoch);
    }

    /// Rotation harms no token, and what an ended epoch seals of a grant that came after its end is forged.
    #[test]
    fn token_of_an_ended_epoch_opens_if_its_grant_came_before_the_end() {
        let world = World::new();
        let honest = world.token(&world.grant, world.depends_on, 1);
        let late = |born| {
            let grant = Grant {
                born: Revision(born),
                ..world.grant.clone()
            };
            world.token(&grant, world.depends_on, 2)
        };
        let (before, at_end) = (late(6), late(7));
        let mut state = world.state(5).clone();
        let sealed = world.vault.seal(INCARNATION, [4; 24], [5; 32]).unwrap();
        let rotate = Command::RotateTokenEpoch(RotateTokenEpoch {
            sealed_epoch_secret: sealed.into(),
        });
        apply(&mut state, 6, Identity::Operator, rotate);
        let start = Command::StartTokenEpoch(StartTokenEpoch { number: 2 });
        apply(&mut state, 7, Identity::System, start);
        let examine = |token: &TokenText| world.vault.examine(&state, Revision(7), token);
        for token in [&honest, &before] {
            assert!(matches!(examine(token), Ok(Examined::Authentic(_))));
        }
        assert_eq!(examine(&at_end).unwrap_err(), TokenError::Inauthentic);
        assert!(world.vault.can_mint(&state));
        let stranger = TokenVault::new(Arc::new(SealKey::from_bytes([8; 32])));
        assert!(!stranger.can_mint(&state));
    }

    /// DESIGN "The grant token": a revision beyond what the cluster reached is forged; its epoch is honoured no more.
    #[test]
    fn token_that_claims_a_revision_that_never_was_unmasks_its_epoch() {
        let world = World::new();
        let forged = Grant {
            id: GrantId([7; 32]),
            born: Revision(100),
            ..world.grant.clone()
        };
        let tokens = [world.token(&forged, Revision(1), 1)];
        let state = world.state(4);
        // Nothing tells it from an honest token at first.
        assert_eq!(world.open(4, &tokens).ahead.len(), 1);
        let unmask = |as_of| world.vault.unmask(state, state.revision(), as_of);
        // A proof from before the token came says nothing of it.
        assert_eq!(unmask(at(10)), None);
        let told = unmask(at(11)).unwrap();
        assert_eq!((told.epoch, told.claimed), (Epoch(1), Revision(100)));
        // Told once; from now on the body counts for nothing, and the node waits for its own state.
        assert_eq!(unmask(at(12)), None);
        let distrusted = world.open(4, &tokens);
        assert!(distrusted.ahead.is_empty());
        assert_eq!(distrusted.wait_for, Some(Revision(100)));
        let honest = [world.token(&world.grant, world.depends_on, 2)];
        assert_eq!(world.open(4, &honest).wait_for, Some(Revision(5)));
    }

    #[test]
    fn honest_claim_is_forgotten_once_the_state_has_reached_it() {
        let world = World::new();
        let tokens = [world.token(&world.grant, world.depends_on, 1)];
        assert_eq!(world.open(4, &tokens).ahead.len(), 1);
        let unmask = |revision: usize, as_of| {
            let state = world.state(revision);
            world.vault.unmask(state, state.revision(), as_of)
        };
        assert_eq!(unmask(5, at(11)), None);
        assert_eq!(unmask(4, at(11)), None);
    }

    #[test]
    fn claim_beyond_a_read_index_asked_for_afterwards_is_forged() {
        let world = World::new();
        let forged = Grant {
            born: Revision(100),
            ..world.grant.clone()
        };
        let tokens = [world.token(&forged, Revision(99), 1)];
        let state = world.state(4);
        assert_eq!(world.open(4, &tokens).wait_for, Some(Revision(100)));
        assert_eq!(
            world
                .vault
                .distrust_beyond(state, state.revision(), &tokens, Revision(100)),
            None
        );
        let told = world
            .vault
            .distrust_beyond(state, state.revision(), &tokens, Revision(99));
        assert_eq!(told.map(|told| told.claimed), Some(Revision(100)));
    }
}
