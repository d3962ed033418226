//! Who asks: the verified caller of a request, as a log entry carries it.
//!
//! Imports ids, limits, policy, state. Whether the claim is true is `authn`'s to check, and `apply`'s to check again.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::ids::{AccountId, PrincipalArn, ServicePrincipal, UniqueId};
use crate::domain::policy::Policy;
use crate::domain::state::Tags;

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
