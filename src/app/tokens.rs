//! What a node makes of the grant tokens that come with a request (Q-6, DESIGN "The grant token").
//!
//! A token is opened with its epoch's keys, then held against the state of the view: reached → the state decides;
//! ahead and its dependencies applied → its grant joins the decision; else the node waits for the token's revision.

use std::collections::{BTreeMap, BTreeSet};
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
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys of an epoch as `state` has it; `None` if it does not have it, or if it is revoked.
    fn keys(&self, state: &State, epoch: Epoch) -> Option<Arc<EpochKeys>> {
        let held = state
            .token_epochs()
            .find(|held| held.number == epoch.0 && held.revoked.is_none())?;
        let at = (state.incarnation(), epoch);
        if let Some(keys) = self.inner().keys.get(&at) {
            return Some(Arc::clone(keys));
        }
        let secret = match self.seal_key.open(state.incarnation(), &held.sealed_secret) {
            Ok(secret) => secret,
            Err(error) => {
                tracing::error!(epoch = epoch.0, %error, "a token epoch cannot be used");
                return None;
            }
        };
        let keys = Arc::new(EpochKeys::derive(epoch, state.incarnation(), &secret));
        let mut inner = self.inner();
        if inner.keys.len() >= limits::TOKEN_EPOCHS_MAX {
            // The oldest goes; it is derived anew if it is asked for again.
            inner.keys.pop_first();
        }
        inner.keys.insert(at, Arc::clone(&keys));
        Some(keys)
    }

    /// Mints a token of a grant that was just created or found again; `None` if no epoch mints now.
    ///
    /// # Errors
    /// [`TokenError`] if the grant fits no token, which valid ids cannot reach.
    pub fn mint(
        &self,
        state: &State,
        grant: &Grant,
        depends_on: Revision,
        salt: [u8; 16],
    ) -> Result<Option<GrantToken>, TokenError> {
        let keys = state
            .minting_epoch()
            .and_then(|epoch| self.keys(state, Epoch(epoch.number)));
        match keys {
            None => Ok(None),
            Some(keys) => token::mint(&keys, grant, depends_on, salt).map(Some),
        }
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
        let Some(keys) = self.keys(state, header.epoch) else {
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
