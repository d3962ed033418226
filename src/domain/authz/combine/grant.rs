//! What a grant allows: whom it names, what it is asked to admit, and what a child of it may be (G-4, G-12, G-13, G-25 to
//! G-28, EC-13).

use std::borrow::Cow;

use super::Subject;
use crate::domain::authz::request::Use;
use crate::domain::ids::PrincipalArn;
use crate::domain::policy::{ContextKey, ContextSource, ContextValue, KmsAction, KnownKey, Who};
use crate::domain::state::grant::{
    ConstraintKeyCase, ContextConstraint, EncryptionContext, Grant, GrantConstraints,
    GrantOperation, GrantPrincipal, Term,
};
use crate::domain::state::grant_index::{Purse, folded_key};

/// Whom a grant names.
pub(in crate::domain::authz) enum Grantee {
    /// The caller itself.
    Caller,
    /// The caller's account.
    Account,
    /// Somebody else.
    Other,
}

/// G-4. The account itself is the account's root user; others of the account need more (U-3).
pub(in crate::domain::authz) fn grantee_match(named: &GrantPrincipal, who: &Who<'_>) -> Grantee {
    let (named, unique_id) = match (named, who) {
        (GrantPrincipal::Service(named), Who::Service { name }) if named == *name => {
            return Grantee::Caller;
        }
        (GrantPrincipal::Service(_), _) => return Grantee::Other,
        (GrantPrincipal::Arn { arn, unique_id }, _) => (arn, unique_id),
    };
    if named.is_root() {
        return match who.account() {
            Some(account) if account == named.account() => match who {
                Who::Root { .. } => Grantee::Caller,
                _ => Grantee::Account,
            },
            _ => Grantee::Other,
        };
    }
    // ID-18: the same name with another id is another principal. A federated user's ARN has no id of its own.
    let is_same = |own: &PrincipalArn| own == named;
    let is_bound = who.unique_id().is_none_or(|own| own == unique_id);
    let matches = match who {
        Who::Root { .. } | Who::Service { .. } => false,
        Who::User { arn, .. } => is_same(arn) && is_bound,
        Who::RoleSession { session, role, .. } => (is_same(session) || is_same(role)) && is_bound,
        Who::FederatedUser { arn, .. } => is_same(arn),
    };
    if matches {
        Grantee::Caller
    } else {
        Grantee::Other
    }
}

/// What a request offers to the constraints of grants.
#[derive(Clone, Copy)]
pub(in crate::domain::authz) struct Offered<'a> {
    /// Its encryption context.
    pub encryption_context: &'a EncryptionContext,
    /// Its condition keys.
    pub keys: &'a dyn ContextSource,
    /// How the keys of pairs compare.
    pub key_case: ConstraintKeyCase,
}

/// Whether a grant admits an action with what the request offers: its constraints are satisfied, and for CreateGrant it
/// covers the grant to be made.
pub(in crate::domain::authz) fn admits(
    grant: &Grant,
    action: KmsAction,
    offered: Offered<'_>,
    subject: &Subject<'_>,
) -> bool {
    is_satisfied(&grant.constraints, action, offered)
        && is_in_budget(grant, action, subject)
        && (action != KmsAction::CreateGrant || covers(grant, subject, offered.key_case))
}

/// EC-13: a grant with a budget allows only where what it allows is spent at the same position of the log: Consume spends
/// a use, CreateGrant hands uses on. To retire a grant is no use of it.
fn is_in_budget(grant: &Grant, action: KmsAction, subject: &Subject<'_>) -> bool {
    match (Purse::of(grant), subject) {
        (Purse::Unbudgeted, _) => true,
        _ if action == KmsAction::RetireGrant => true,
        (
            purse,
            Subject::Use(Use {
                only,
                purse: wanted,
            }),
        ) => purse == *wanted && only.is_none_or(|only| only == grant.id),
        (purse, Subject::NewGrant { .. }) => purse == Purse::Budgeted,
        (_, Subject::Nothing | Subject::Retired(_)) => false,
    }
}

/// G-25 to G-28: whether the request satisfies a grant's constraints.
fn is_satisfied(constraints: &GrantConstraints, action: KmsAction, offered: Offered<'_>) -> bool {
    is_context_satisfied(constraints, action, offered)
        && is_source_satisfied(constraints, action, offered.keys)
}

/// G-25 to G-27.
fn is_context_satisfied(
    constraints: &GrantConstraints,
    action: KmsAction,
    offered: Offered<'_>,
) -> bool {
    let (context, case) = (offered.encryption_context, offered.key_case);
    match &constraints.context {
        Some(constraint) if action.has_encryption_context() => match constraint {
            ContextConstraint::Equals(pairs) => is_same(case, pairs, context),
            ContextConstraint::Subset(pairs) => contains(case, context, pairs),
        },
        _ => true,
    }
}

/// G-28. CreateGrant has its own rule (G-13); retirement is not limited.
fn is_source_satisfied(
    constraints: &GrantConstraints,
    action: KmsAction,
    keys: &dyn ContextSource,
) -> bool {
    let is_limited = !matches!(action, KmsAction::CreateGrant | KmsAction::RetireGrant);
    match &constraints.source_arn {
        Some(wanted) if is_limited => match keys.get(&ContextKey::Known(KnownKey::SourceArn)) {
            Some(ContextValue::One(value)) => *value.into_text() == *wanted.as_str(),
            Some(ContextValue::Many(_) | ContextValue::Spelled(_)) | None => false,
        },
        _ => true,
    }
}

/// The parts of [`admits`], for an explanation.
pub(in crate::domain::authz) struct ConstraintFindings {
    /// The constraint on the encryption context is satisfied, or not looked at.
    pub context: bool,
    /// So is the one on `aws:SourceArn`.
    pub source_arn: bool,
    /// The grant covers the one to be made.
    pub covers: bool,
}

impl ConstraintFindings {
    /// Whether every part holds.
    pub const fn all(&self) -> bool {
        self.context && self.source_arn && self.covers
    }
}

/// What of [`admits`] holds.
pub(in crate::domain::authz) fn constraint_findings(
    grant: &Grant,
    action: KmsAction,
    offered: Offered<'_>,
    subject: &Subject<'_>,
) -> ConstraintFindings {
    ConstraintFindings {
        context: is_context_satisfied(&grant.constraints, action, offered),
        source_arn: is_source_satisfied(&grant.constraints, action, offered.keys),
        covers: action != KmsAction::CreateGrant || covers(grant, subject, offered.key_case),
    }
}

/// Whether two contexts have the same pairs.
fn is_same(case: ConstraintKeyCase, one: &EncryptionContext, other: &EncryptionContext) -> bool {
    match case {
        ConstraintKeyCase::Sensitive => one == other,
        ConstraintKeyCase::Insensitive => contains(case, one, other) && contains(case, other, one),
    }
}

/// Whether all of `pairs` are in `context`.
fn contains(
    case: ConstraintKeyCase,
    context: &EncryptionContext,
    pairs: &EncryptionContext,
) -> bool {
    match case {
        ConstraintKeyCase::Sensitive => pairs
            .iter()
            .all(|(key, value)| context.get(key) == Some(value)),
        // Of keys that differ in letter case alone nobody can say which is meant: every one of them must fit (G-26).
        ConstraintKeyCase::Insensitive => {
            let context = folded(context);
            folded(pairs).iter().all(|(key, value)| {
                let mut named = context.iter().filter(|(own, _)| own == key).peekable();
                named.peek().is_some() && named.all(|(_, own)| own == value)
            })
        }
    }
}

/// The pairs with their keys in lower case (G-26).
fn folded(pairs: &EncryptionContext) -> Vec<(Cow<'_, str>, &str)> {
    pairs
        .iter()
        .map(|(key, value)| (folded_key(key), &**value))
        .collect()
}

/// G-12: whether a parent grant lets its grantee make this grant. One parent must cover all of it (U-5).
fn covers(parent: &Grant, subject: &Subject<'_>, case: ConstraintKeyCase) -> bool {
    match subject {
        Subject::NewGrant {
            operations,
            constraints,
        } => {
            operations.is_subset(parent.operations)
                && is_as_strict(constraints, &parent.constraints, case)
                && is_within_term(constraints.term, parent)
        }
        // The question does not say which grant is to be made: it asks about CreateGrant as such.
        Subject::Nothing | Subject::Retired(_) | Subject::Use(_) => true,
    }
}

/// EC-13: a child does not outlive its parent, and of a parent with a budget it gets uses that the parent has left.
fn is_within_term(child: Term, parent: &Grant) -> bool {
    let ends_in_time = match parent.constraints.term.expires_at {
        None => true,
        Some(end) => child.expires_at.is_some_and(|own| own <= end),
    };
    let is_paid = match parent.uses_left() {
        None => true,
        Some(left) => child.uses.is_some_and(|uses| uses <= left),
    };
    ends_in_time && is_paid
}

/// G-13: whether a child's constraints are at least as strict as its parent's.
pub(super) fn is_as_strict(
    child: &GrantConstraints,
    parent: &GrantConstraints,
    case: ConstraintKeyCase,
) -> bool {
    use ContextConstraint::{Equals, Subset};
    let context = match (&parent.context, &child.context) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(Subset(parent)), Some(Subset(child) | Equals(child))) => {
            contains(case, child, parent)
        }
        (Some(Equals(parent)), Some(Equals(child))) => is_same(case, parent, child),
        (Some(Equals(_)), Some(Subset(_))) => false,
    };
    context && (parent.source_arn.is_none() || parent.source_arn == child.source_arn)
}

/// The grant operation that stands for an action (G-6).
pub(in crate::domain::authz) const fn operation_of(action: KmsAction) -> Option<GrantOperation> {
    Some(match action {
        KmsAction::CreateGrant => GrantOperation::CreateGrant,
        KmsAction::Decapsulate => GrantOperation::Decapsulate,
        KmsAction::Decrypt => GrantOperation::Decrypt,
        KmsAction::DeriveSharedSecret => GrantOperation::DeriveSharedSecret,
        KmsAction::DescribeKey => GrantOperation::DescribeKey,
        KmsAction::Encapsulate => GrantOperation::Encapsulate,
        KmsAction::Encrypt => GrantOperation::Encrypt,
        KmsAction::GenerateDataKey => GrantOperation::GenerateDataKey,
        KmsAction::GenerateDataKeyPair => GrantOperation::GenerateDataKeyPair,
        KmsAction::GenerateDataKeyPairWithoutPlaintext => {
            GrantOperation::GenerateDataKeyPairWithoutPlaintext
        }
        KmsAction::GenerateDataKeyWithoutPlaintext => {
            GrantOperation::GenerateDataKeyWithoutPlaintext
        }
        KmsAction::GenerateMac => GrantOperation::GenerateMac,
        KmsAction::GetPublicKey => GrantOperation::GetPublicKey,
        KmsAction::ReEncryptFrom => GrantOperation::ReEncryptFrom,
        KmsAction::ReEncryptTo => GrantOperation::ReEncryptTo,
        KmsAction::RetireGrant => GrantOperation::RetireGrant,
        KmsAction::Sign => GrantOperation::Sign,
        KmsAction::Verify => GrantOperation::Verify,
        KmsAction::VerifyMac => GrantOperation::VerifyMac,
        KmsAction::CancelKeyDeletion
        | KmsAction::ConnectCustomKeyStore
        | KmsAction::CreateAlias
        | KmsAction::CreateCustomKeyStore
        | KmsAction::CreateKey
        | KmsAction::DeleteAlias
        | KmsAction::DeleteCustomKeyStore
        | KmsAction::DeleteImportedKeyMaterial
        | KmsAction::DescribeCustomKeyStores
        | KmsAction::DisableKey
        | KmsAction::DisableKeyRotation
        | KmsAction::DisconnectCustomKeyStore
        | KmsAction::EnableKey
        | KmsAction::EnableKeyRotation
        | KmsAction::GenerateRandom
        | KmsAction::GetKeyLastUsage
        | KmsAction::GetKeyPolicy
        | KmsAction::GetKeyRotationStatus
        | KmsAction::GetParametersForImport
        | KmsAction::ImportKeyMaterial
        | KmsAction::ListAliases
        | KmsAction::ListGrants
        | KmsAction::ListKeyPolicies
        | KmsAction::ListKeyRotations
        | KmsAction::ListKeys
        | KmsAction::ListResourceTags
        | KmsAction::ListRetirableGrants
        | KmsAction::PutKeyPolicy
        | KmsAction::ReplicateKey
        | KmsAction::RevokeGrant
        | KmsAction::RotateKeyOnDemand
        | KmsAction::ScheduleKeyDeletion
        | KmsAction::SynchronizeMultiRegionKey
        | KmsAction::TagResource
        | KmsAction::UntagResource
        | KmsAction::UpdateAlias
        | KmsAction::UpdateCustomKeyStore
        | KmsAction::UpdateKeyDescription
        | KmsAction::UpdatePrimaryRegion => return None,
    })
}
