//! Who asks: the verified caller of a request, as a log entry carries it.
//!
//! Imports ids, limits, policy, state. Whether the claim is true is `authn`'s to check, and `apply`'s to check again.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::ids::{AccountId, Partition, PrincipalArn, ServicePrincipal, UniqueId};
use crate::domain::policy::Policy;
use crate::domain::state::idempotency::Payer;
use crate::domain::state::principal::Principal;
use crate::domain::state::{State, Tags};

/// The effective identity of a caller (ID-20), with the immutable id that it had when it was verified.
#[derive(Clone, Debug)]
pub enum Identity {
    /// The operator of the cluster: makes accounts and changes the cluster; has no place in any account.
    Operator,
    /// The leader itself, for commands that it proposes on its own (expiry, deletion after the waiting period, settings).
    System,
    /// The root user of an account.
    Root {
        /// The account.
        account: AccountId,
        /// The task policy of a session that AssumeRoot gave, which measures it (D-20); absent: the root user itself.
        task_policy: Option<Arc<Policy>>,
    },
    /// An IAM user.
    User {
        /// The user's ARN.
        arn: PrincipalArn,
        /// The user's immutable id.
        unique_id: UniqueId,
    },
    /// A session of a role.
    RoleSession {
        /// `arn:aws:sts::<account>:assumed-role/<role>/<session>`.
        arn: PrincipalArn,
        /// The role's full ARN, which the session's ARN does not contain (ID-19).
        role: PrincipalArn,
        /// The role's immutable id.
        unique_id: UniqueId,
        /// The session policy, if one was given.
        session_policy: Option<Arc<Policy>>,
        /// Session tags, merged over the role's (CK-0).
        session_tags: Tags,
    },
    /// A federated user.
    FederatedUser {
        /// `arn:aws:sts::<account>:federated-user/<name>`.
        arn: PrincipalArn,
        /// The user that federated it (ID-20).
        federated_by: PrincipalArn,
        /// That user's immutable id.
        unique_id: UniqueId,
        /// The session policy, if one was given.
        session_policy: Option<Arc<Policy>>,
        /// Session tags.
        session_tags: Tags,
    },
    /// An AWS service that calls for itself (P-23).
    Service(ServicePrincipal),
}

/// The value of a condition key in a request's context.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ContextEntry {
    /// A single-valued key.
    Single(Arc<str>),
    /// A multivalued key, even with one element.
    Multi(Arc<[Arc<str>]>),
}

/// What only a front may say of a request: everything here was computed or seen by it, never by the principal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RequestFacts {
    /// The integrated service that calls on the principal's behalf, as `<svc>.<region>.amazonaws.com`:
    /// sets `kms:ViaService`, `aws:ViaAWSService`, `aws:CalledVia` and `kms:GrantIsForAWSResource` (D-16).
    pub via_service: Option<Arc<str>>,
    /// Further condition keys, by lower-cased name: `aws:sourceip`, `aws:securetransport`, `aws:sourcearn`, … (CK-0).
    pub context: BTreeMap<Arc<str>, ContextEntry>,
}

/// The verified caller of a request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who it is.
    pub identity: Identity,
    /// What the front that took the request adds.
    pub facts: RequestFacts,
}

/// Why a verified identity stands for nobody any more (Q-10, ID-18).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Vanished {
    /// Its account is not there.
    #[error("the account {0} does not exist")]
    Account(AccountId),
    /// Its user or role is not there.
    #[error("the principal {0} does not exist")]
    Principal(PrincipalArn),
    /// Its user or role was deleted and made again under the same name.
    #[error(
        "the principal {0} was deleted and re-created after these credentials were given: sign in again"
    )]
    Recreated(PrincipalArn),
}

impl Identity {
    /// The account it belongs to; operator, system and services belong to none.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Operator | Self::System | Self::Service(_) => None,
            Self::Root { account, .. } => Some(*account),
            Self::User { arn, .. }
            | Self::RoleSession { arn, .. }
            | Self::FederatedUser { arn, .. } => Some(arn.account()),
        }
    }

    /// The user or role behind it, whose identity policies speak for it, with the immutable id it had when verified.
    pub const fn stored(&self) -> Option<(&PrincipalArn, &UniqueId)> {
        match self {
            Self::Operator | Self::System | Self::Root { .. } | Self::Service(_) => None,
            Self::User { arn, unique_id } => Some((arn, unique_id)),
            Self::RoleSession {
                role, unique_id, ..
            } => Some((role, unique_id)),
            Self::FederatedUser {
                federated_by,
                unique_id,
                ..
            } => Some((federated_by, unique_id)),
        }
    }

    /// The user or role behind it as the state has it now; an error if it is not the same any more.
    pub fn check<'s>(&self, state: &'s State) -> Result<Option<&'s Arc<Principal>>, Vanished> {
        if let Some(account) = self.account()
            && state.account(account).is_none()
        {
            return Err(Vanished::Account(account));
        }
        let Some((arn, unique_id)) = self.stored() else {
            return Ok(None);
        };
        match state.principal(arn) {
            None => Err(Vanished::Principal(arn.clone())),
            Some(principal) if principal.unique_id != *unique_id => {
                Err(Vanished::Recreated(arn.clone()))
            }
            Some(principal) => Ok(Some(principal)),
        }
    }

    /// A text that no other identity has, for what is kept for one caller.
    pub fn unique_text(&self) -> Arc<str> {
        match self {
            Self::Operator => "operator".into(),
            Self::System => "system".into(),
            Self::Root { account, .. } => format!("root {account}").into(),
            Self::Service(service) => format!("service {service}").into(),
            Self::User { arn, unique_id }
            | Self::RoleSession { arn, unique_id, .. }
            | Self::FederatedUser { arn, unique_id, .. } => format!("{unique_id} {arn}").into(),
        }
    }

    /// Whose share of the idempotency records' memory it takes: that of the user or role behind it.
    pub fn payer(&self) -> Payer {
        let principal = match self {
            Self::Operator => "operator".into(),
            Self::System => "system".into(),
            Self::Root { .. } => "root".into(),
            Self::Service(service) => service.as_str().into(),
            Self::User { unique_id, .. }
            | Self::RoleSession { unique_id, .. }
            | Self::FederatedUser { unique_id, .. } => unique_id.as_str().into(),
        };
        Payer {
            account: self.account(),
            principal,
        }
    }

    /// How AWS names it in a message (M-1).
    pub fn shown(&self, partition: Partition) -> Arc<str> {
        match self {
            Self::Operator => "operator".into(),
            Self::System => "system".into(),
            Self::Root { account, .. } => {
                PrincipalArn::root_of(partition, *account).as_str().into()
            }
            Self::Service(service) => service.as_str().into(),
            Self::User { arn, .. }
            | Self::RoleSession { arn, .. }
            | Self::FederatedUser { arn, .. } => arn.as_str().into(),
        }
    }
}
