//! What a caller claims to be, and what it asks: taken at the edge, not yet believed.
//!
//! Imports ids, policy, state. Whether a claim is true is `authn`'s to check, on the view of the decision.

use std::sync::Arc;

use super::caller::RequestFacts;
use crate::domain::ids::{
    AccountId, CustomKeyStoreId, KeyRef, PrincipalArn, Region, ServicePrincipal, XksKeyId,
};
use crate::domain::policy::Policy;
use crate::domain::state::Tags;
use crate::domain::state::grant::EncryptionContext;

/// Who a caller says it is.
#[derive(Clone, Debug)]
pub enum Claim {
    /// The operator of the cluster.
    Operator,
    /// A service in front of grantd, which has authenticated others.
    Front {
        /// Its own name, for the audit record.
        name: Arc<str>,
        /// Whose request it carries; on Authorize each question names its own subject.
        on_behalf_of: Option<Subject>,
        /// What it saw or computed of that request.
        facts: RequestFacts,
    },
    /// A principal that speaks for itself.
    Principal(Subject),
}

/// The identity that a request or a question is about, without the immutable id: that is looked up on the view.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subject {
    /// The root user of an account, or an IAM user.
    Principal(PrincipalArn),
    /// A session of an account's root user that AssumeRoot gave.
    RootSession {
        /// The account.
        account: AccountId,
        /// What measures it (D-20).
        task_policy: Arc<Policy>,
    },
    /// A session of a role.
    RoleSession {
        /// `arn:aws:sts::<account>:assumed-role/<role>/<session>`.
        arn: PrincipalArn,
        /// The role's full ARN (ID-19).
        role: PrincipalArn,
        /// The session policy, if one was given.
        session_policy: Option<Arc<Policy>>,
        /// Session tags.
        session_tags: Tags,
    },
    /// A federated user.
    FederatedUser {
        /// `arn:aws:sts::<account>:federated-user/<name>`.
        arn: PrincipalArn,
        /// The user that federated it (ID-20).
        federated_by: PrincipalArn,
        /// The session policy, if one was given.
        session_policy: Option<Arc<Policy>>,
        /// Session tags.
        session_tags: Tags,
    },
    /// An AWS service that calls for itself (P-23).
    Service(ServicePrincipal),
}

/// May this subject do this to this key?
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// Whom the question is about; `None`: the caller.
    pub subject: Option<Subject>,
    /// `kms:Decrypt`, in any letter case (P-10).
    pub action: Arc<str>,
    /// The key as the caller named it; `None` for an action that has no key (P-12).
    pub key: Option<KeyRef>,
    /// The encryption context of the request that is asked about.
    pub encryption_context: EncryptionContext,
    /// Grant tokens as sent.
    pub grant_tokens: Vec<TokenText>,
    /// Facts of that request; what only a front may say is checked by `authn`.
    pub facts: RequestFacts,
    /// Whether the request is a dry run (G-20): it changes no decision, only what would be answered.
    pub dry_run: bool,
    /// The custom key store that GenerateRandom takes its bytes from (K-7): as `dry_run`. Of CreateKey the one that the key
    /// is to live in (K-5).
    pub random_source: Option<CustomKeyStoreId>,
    /// What the request says beside action and key, of an operation that is asked for in several parts.
    pub members: Members,
}

/// What a request says of an operation that is asked for in several parts (D-14, D-15, P-7, G-8).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Members {
    /// CreateAlias, UpdateAlias, DeleteAlias: the alias's name.
    pub alias: Option<Arc<str>>,
    /// ReplicateKey, UpdatePrimaryRegion: the other Region; else the condition key that it becomes tells it.
    pub region: Option<Region>,
    /// CreateKey, ReplicateKey: tags; beside them those that `aws:RequestTag/` tells.
    pub tags: Tags,
    /// CreateKey, ReplicateKey, PutKeyPolicy: the key policy.
    pub policy: Option<Arc<str>>,
    /// `BypassPolicyLockoutSafetyCheck`, if sent.
    pub bypass_lockout_check: Option<bool>,
    /// CreateKey: the key of the external key manager (K-5).
    pub xks_key: Option<XksKeyId>,
    /// ReEncrypt: the key that it encrypts under.
    pub destination: Option<KeyRef>,
    /// ReEncrypt: the encryption context that it encrypts with.
    pub destination_context: EncryptionContext,
}

/// A grant token as sent. `Debug` shows nothing of it: a token is never logged (ID-12).
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText(pub String);

impl std::fmt::Debug for TokenText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenText(..)")
    }
}
