//! A change: claim verified on a view, command built whole, proposed, told.

use std::sync::Arc;

use super::tokens::Examined;
use super::{Answered, App, AppError, Arrival, Terms};
use crate::authn;
use crate::domain::authz::claim::TokenText;
use crate::domain::ids::{AccountId, KeyRef};
use crate::domain::op::retire_grant::RetireGrant;
use crate::domain::op::rotate_token_epoch::RotateTokenEpoch;
use crate::domain::op::{Command, CreatedGrant, DryRun, Idempotency, Output};
use crate::domain::state::key_store::Secret;
use crate::domain::time::{Incarnation, Position};
use crate::gate::read::View;
use crate::gate::write::Draft;

/// What is asked for.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Change {
    /// A command, whole.
    Command {
        /// The command.
        command: Command,
        /// Grant tokens that came with it: checked, never evidence.
        grant_tokens: Vec<TokenText>,
    },
    /// A command on a custom key store and the secret that belongs into it (K-11).
    Sealing {
        /// The command, its credential still without the sealed secret.
        command: Command,
        /// The secret: sealed here, so that the log never sees it.
        secret: Secret,
    },
    /// RetireGrant by token (G-41).
    RetireByToken {
        /// The token.
        token: TokenText,
        /// Whether only to authorize and validate (G-20).
        dry_run: DryRun,
    },
    /// A new token epoch.
    RotateTokenEpoch,
}

/// An idempotency key with the hash of its request.
#[derive(Clone, Debug)]
pub struct IdempotencyTerms {
    /// Chosen by the client.
    pub key: Arc<str>,
    /// What the client had seen when it first sent the request; without it nothing is done.
    pub birth: Option<Position>,
    /// Of the request as sent.
    pub request_hash: [u8; 32],
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Done {
    /// What the operation tells.
    pub output: Output,
    /// CreateGrant's token; `None` of all else, and of a replay whose grant is gone or whose token epoch is revoked.
    pub grant_token: Option<String>,
    /// Where it took effect.
    pub answered: Answered,
}

/// What a change is built with: the caller's account, and randomness for its one new id.
#[derive(Clone, Copy, Debug)]
pub struct Material {
    /// The account of the caller, if it has one.
    pub account: Option<AccountId>,
    /// Drawn for this change alone.
    pub entropy: [u8; 32],
}

impl App {
    /// Carries out what `build` makes. `build` runs once the caller is verified: nothing of a request is looked at for
    /// one who is not.
    ///
    /// # Errors
    /// [`AppError`], or the error of `build`.
    pub async fn mutate<E: From<AppError>>(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        idempotency: Option<IdempotencyTerms>,
        build: impl FnOnce(&Material) -> Result<Change, E> + Send,
    ) -> Result<Done, E> {
        let trusted = self.admit(arrival)?;
        self.audit.accepts().map_err(AppError::Untold)?;
        let view = self.view(arrival, terms, terms.consistency).await?;
        let caller =
            authn::verify(trusted, &terms.claim, view.state()).map_err(AppError::Refused)?;
        let mut entropy = [0; 32];
        self.rng.fill(&mut entropy);
        let change = build(&Material {
            account: caller.identity.account(),
            entropy,
        })?;
        let is_sealing = matches!(change, Change::Sealing { .. } | Change::RotateTokenEpoch);
        if is_sealing && !self.vault.fits(view.state()) {
            return Err(AppError::Internal("this node's seal key is not the cluster's").into());
        }
        let (command, later) = self.command(arrival, terms, &view, change).await?;
        let view = later.unwrap_or(view);
        if matches!(command, Command::CreateGrant(_)) && !self.vault.can_mint(view.state()) {
            return Err(AppError::NoMintingEpoch.into());
        }
        let idempotency = idempotency
            .map(|terms| born(terms, view.position()))
            .transpose()?;
        // The claim was verified in time.
        view.finish().map_err(AppError::Stale)?;
        let draft = Draft {
            caller,
            scope: terms.scope.clone(),
            request_id: arrival.request_id,
            idempotency,
            command,
        };
        let committed = self
            .writes
            .propose(draft, self.remaining(arrival, terms))
            .await
            .map_err(AppError::Write)?;
        let output = committed.outcome.map_err(|rejection| AppError::Rejected {
            rejection,
            position: committed.position,
            settled_at: committed.settled_at,
        })?;
        Ok(Done {
            grant_token: self.token_of(committed.position.incarnation, &output)?,
            output,
            answered: Answered {
                position: committed.position,
                staleness_ms: None,
                settled_at: committed.settled_at,
            },
        })
    }

    /// The command, and the view that was waited for to build it, if that is a later one.
    async fn command(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        view: &View,
        change: Change,
    ) -> Result<(Command, Option<View>), AppError> {
        match change {
            Change::Command {
                command,
                grant_tokens,
            } => {
                let mut later = None;
                for token in &grant_tokens {
                    let view = later.as_ref().unwrap_or(view);
                    later = self
                        .check_token(arrival, terms, view, token)
                        .await?
                        .or(later);
                }
                Ok((command, later))
            }
            Change::Sealing {
                mut command,
                secret,
            } => {
                let (store, credential) = match &mut command {
                    Command::CreateCustomKeyStore(create) => (&create.id, &mut create.credential),
                    Command::UpdateCustomKeyStore(update) => (&update.id, &mut update.credential),
                    _ => return Err(AppError::Internal("a secret for a command that takes none")),
                };
                let mut nonce = [0; 24];
                self.rng.fill(&mut nonce);
                let sealed = self
                    .vault
                    .seal_credential(store, nonce, secret.expose())
                    .map_err(|_| AppError::Internal("the credential cannot be sealed"))?;
                *credential = credential
                    .take()
                    .map(|credential| credential.with_sealed(sealed.into()));
                Ok((command, None))
            }
            Change::RetireByToken { token, dry_run } => {
                let located = self
                    .vault
                    .locate(view.state(), view.position().revision, &token)
                    .map_err(AppError::Token)?;
                let ((key, grant_id), later) = match located {
                    Ok(found) => (found, None),
                    Err(revision) => {
                        let tokens = std::slice::from_ref(&token);
                        let later = self
                            .catch_up_with_tokens(arrival, terms, view, tokens, revision)
                            .await?;
                        let found = self
                            .vault
                            .locate(later.state(), later.position().revision, &token)
                            .map_err(AppError::Token)?
                            .map_err(|_| AppError::Internal("a token stayed unknown"))?;
                        (found, Some(later))
                    }
                };
                let retire = Command::RetireGrant(RetireGrant {
                    key: KeyRef::KeyArn(key),
                    grant_id: grant_id.to_string().into(),
                    dry_run,
                });
                Ok((retire, later))
            }
            Change::RotateTokenEpoch => {
                let (mut secret, mut nonce) = ([0; 32], [0; 24]);
                self.rng.fill(&mut secret);
                self.rng.fill(&mut nonce);
                let sealed = self
                    .vault
                    .seal(view.position().incarnation, nonce, secret)
                    .map_err(|_| AppError::Internal("the new epoch's secret cannot be sealed"))?;
                let rotate = Command::RotateTokenEpoch(RotateTokenEpoch {
                    sealed_epoch_secret: sealed.into(),
                });
                Ok((rotate, None))
            }
        }
    }

    /// Refuses a token that is not this cluster's. One of an epoch that this node has yet to learn of is looked at
    /// again when it has, on the view that is given back.
    async fn check_token(
        &self,
        arrival: &Arrival,
        terms: &Terms,
        view: &View,
        token: &TokenText,
    ) -> Result<Option<View>, AppError> {
        let examine = |view: &View| {
            self.vault
                .examine(view.state(), view.position().revision, token)
                .map_err(AppError::Token)
        };
        if let Examined::Unknown(revision) = examine(view)? {
            let tokens = std::slice::from_ref(token);
            let later = self
                .catch_up_with_tokens(arrival, terms, view, tokens, revision)
                .await?;
            examine(&later)?;
            return Ok(Some(later));
        }
        Ok(None)
    }

    /// The token of a grant that was just created or found again: minted only after apply, by the epoch that the state
    /// names at the grant's own revision, with that revision and never a retry's.
    fn token_of(
        &self,
        incarnation: Incarnation,
        output: &Output,
    ) -> Result<Option<String>, AppError> {
        let Output::Grant(CreatedGrant {
            grant: Some(grant),
            id: _,
            depends_on,
            epoch: Some(epoch),
        }) = output
        else {
            return Ok(None);
        };
        let salt = self.rng.bytes16();
        let minted = self
            .vault
            .mint(incarnation, epoch, grant, *depends_on, salt);
        // The grant is made: that it has no token must not pass for a refusal, and not in silence either.
        let token = minted.map_err(|_| {
            AppError::Internal("the grant was made, but this node cannot mint its token")
        })?;
        Ok(Some(token.into_text()))
    }
}

/// The idempotency of an entry: the birth must be of this life of the cluster.
fn born(terms: IdempotencyTerms, now: Position) -> Result<Idempotency, AppError> {
    let IdempotencyTerms {
        key,
        birth,
        request_hash,
    } = terms;
    let Some(birth) = birth else {
        return Err(AppError::BirthMissing { now });
    };
    if birth.incarnation != now.incarnation {
        return Err(AppError::ForeignBirth { now });
    }
    Ok(Idempotency {
        key,
        birth: birth.revision,
        request_hash,
    })
}
