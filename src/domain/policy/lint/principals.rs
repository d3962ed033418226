//! Principals that reach further, or less far, than they seem to (P-22, P-24, U-16, X-16).

use super::super::action::KmsAction;
use super::super::ast;
use super::super::condition::Operator;
use super::super::context::ContextKey;
use super::super::keys::KnownKey;
use super::super::principal::PolicyPrincipal;
use super::super::validate::PolicyKind;
use super::conditions::Read;
use super::{Found, Lint, Subject};
use crate::domain::ids::{AccountId, PrincipalKind};

pub(super) fn check(subject: &Subject<'_>, conditions: &[Read<'_>], found: &mut Found) {
    let (Some(read), Some(written)) = (subject.principals, &subject.ast.principal) else {
        return;
    };
    if read.negated {
        not_principal(subject, read, written, found);
        return;
    }
    for ((entry, place), (_, item)) in read.entries.iter().zip(&written.entries) {
        match entry {
            PolicyPrincipal::Everyone if subject.kind == PolicyKind::Key && subject.is_allow() => {
                everyone(subject, item, found);
            }
            PolicyPrincipal::Federated(name) => found.at(
                Lint::FederatedPrincipal,
                *place,
                name,
                format!(
                    "a federated principal matches nobody here: {}",
                    subject.never()
                ),
                "name the role that the federated users take on",
            ),
            PolicyPrincipal::Arn(arn) => {
                let is_linked = matches!(arn.kind(), PrincipalKind::Role { path, .. } if path.starts_with("aws-service-role/"));
                if is_linked && subject.owner.is_some_and(|owner| owner != arn.account()) {
                    foreign_linked_role(subject, conditions, item, arn.account(), found);
                }
            }
            PolicyPrincipal::Everyone
            | PolicyPrincipal::Account(_)
            | PolicyPrincipal::Service(_) => {}
        }
    }
}

/// P-22.
fn everyone(subject: &Subject<'_>, item: &ast::Item, found: &mut Found) {
    if subject.ast.conditions.iter().any(chooses_callers) {
        return;
    }
    let message = if subject.ast.conditions.is_empty() {
        "everyone is allowed: users and roles of the key's account without any further permission, and those of every other account with a permission of their own account"
    } else {
        "everyone is allowed under these conditions, none of which chooses who calls"
    };
    found.add(
        Lint::Everyone,
        item,
        message,
        "name the principals, or add a condition such as {\"StringEquals\": {\"kms:CallerAccount\": \"111122223333\"}}",
    );
}

/// Whether a condition holds for some callers alone.
fn chooses_callers(condition: &ast::Condition) -> bool {
    let Some(operator) = Operator::parse(&condition.operator.text) else {
        return false;
    };
    let key = ContextKey::parse(&condition.key.text);
    let names_callers = key.row().is_some_and(|row| row.chooses_callers);
    names_callers
        && !operator.is_negated()
        && !operator.is_if_exists()
        && !operator.is_null()
        && condition
            .values
            .iter()
            .all(|value| !value.text.chars().all(|c| c == '*'))
}

/// Whether the statement allows kms:CreateGrant under `kms:GrantIsForAWSResource` alone.
pub(super) fn wants_aws_resource(subject: &Subject<'_>, conditions: &[Read<'_>]) -> bool {
    let asks = |condition: &Read<'_>| {
        condition.key == ContextKey::Known(KnownKey::GrantIsForAwsResource)
            && !condition.operator.is_null()
            && condition.says("true")
    };
    subject.is_allow()
        && conditions.iter().any(asks)
        && subject
            .reached()
            .any(|action| action == KmsAction::CreateGrant)
}

/// Of the key's own account the statement is right, and AWS publishes it: EC2 makes the grant on behalf of the role.
/// A role of another account has no permission of its own for the key, which nobody can give it: there a person makes the
/// grant for the role.
fn foreign_linked_role(
    subject: &Subject<'_>,
    conditions: &[Read<'_>],
    item: &ast::Item,
    account: AccountId,
    found: &mut Found,
) {
    if wants_aws_resource(subject, conditions) {
        found.add(
            Lint::GrantForAwsResource,
            item,
            "a service-linked role of another account has no identity policy for this key, and nobody can give it one: a person of that account makes the grant for it, and such a call is not kms:GrantIsForAWSResource",
            format!("in a statement of its own allow arn:aws:iam::{account}:root kms:CreateGrant, under {{\"StringEquals\": {{\"kms:GranteePrincipal\": \"{}\"}}}} and kms:GrantOperations in place of kms:GrantIsForAWSResource", super::shown(&item.text)),
        );
    }
}

/// P-24.
fn not_principal(
    subject: &Subject<'_>,
    read: &super::ReadPrincipals,
    written: &ast::Principals,
    found: &mut Found,
) {
    if subject.is_allow() {
        found.at(
            Lint::NotPrincipalAllow,
            written.place,
            "NotPrincipal",
            "`NotPrincipal` with `Allow` allows everyone except the listed, of every account; AWS does not support it",
            "name those who are allowed in `Principal`",
        );
        return;
    }
    let accounts: Vec<AccountId> = read
        .entries
        .iter()
        .filter_map(|(entry, _)| match entry {
            PolicyPrincipal::Account(account) => Some(*account),
            _ => None,
        })
        .collect();
    for ((entry, _), (_, item)) in read.entries.iter().zip(&written.entries) {
        if let PolicyPrincipal::Arn(arn) = entry
            && matches!(arn.kind(), PrincipalKind::Role { .. })
            && accounts.contains(&arn.account())
            && !read
                .entries
                .iter()
                .any(|(other, _)| other.is_session_of(arn))
        {
            found.add(
                Lint::NotPrincipalDeny,
                item,
                "every session of the role is spared, for the list names none of its sessions; AWS's pages say both that such a list spares them and that a session must be named by its own ARN",
                "name each session by its own ARN, or deny with a condition on aws:PrincipalArn, which is the role's in every session",
            );
        }
        if let PolicyPrincipal::Arn(arn) = entry
            && !accounts.contains(&arn.account())
        {
            found.add(
                Lint::NotPrincipalDeny,
                item,
                "a principal that `NotPrincipal` lists without its account is denied all the same, as a part of that account",
                format!("list arn:aws:iam::{}:root too, or deny with a condition on aws:PrincipalArn", arn.account()),
            );
        }
    }
}

/// The other account whose principals alone the statement names.
pub(super) fn foreign_account(subject: &Subject<'_>, owner: AccountId) -> Option<String> {
    let read = subject.principals.filter(|read| !read.negated)?;
    let account = |entry: &PolicyPrincipal| match entry {
        PolicyPrincipal::Account(account) => Some(*account),
        PolicyPrincipal::Arn(arn) => Some(arn.account()),
        PolicyPrincipal::Everyone | PolicyPrincipal::Service(_) | PolicyPrincipal::Federated(_) => {
            None
        }
    };
    let foreign = read
        .entries
        .iter()
        .filter_map(|(entry, _)| account(entry))
        .find(|account| *account != owner)?;
    Some(format!("principals of account {foreign}"))
}
