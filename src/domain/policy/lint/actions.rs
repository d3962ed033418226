//! Actions and resources that do not do what they seem to (P-4, P-9 to P-13, G-52, D-8, ID-10).

use super::super::action::{ActionSet, ActionTarget, KmsAction};
use super::super::ast::Item;
use super::super::text::{Syntax, Template};
use super::super::validate::PolicyKind;
use super::{Found, Lint, Subject, shown};

pub(super) const fn is_on_key(action: KmsAction) -> bool {
    !matches!(action.target(), ActionTarget::None)
}

/// What one text of `Action` means.
enum Meaning {
    /// Every action of every service, or `kms:*`.
    All,
    /// KMS actions.
    Kms(Vec<KmsAction>),
    /// No action of KMS, though of its name space.
    Unknown,
    /// Actions of another service.
    Foreign,
}

fn meaning(text: &str) -> Meaning {
    if matches!(text, "*" | "*:*") {
        return Meaning::All;
    }
    let Some((service, name)) = text.split_once(':') else {
        return Meaning::All;
    };
    if !service.eq_ignore_ascii_case("kms") {
        return Meaning::Foreign;
    }
    if name == "*" {
        return Meaning::All;
    }
    let Ok(set) = ActionSet::compile([text].into_iter(), false) else {
        return Meaning::Unknown;
    };
    let known: Vec<KmsAction> = KmsAction::ALL
        .iter()
        .copied()
        .filter(|action| set.contains(&(*action).into()))
        .collect();
    if known.is_empty() {
        Meaning::Unknown
    } else {
        Meaning::Kms(known)
    }
}

/// The KMS actions of one text of `Action` that names some and not all.
pub(super) fn named(text: &str) -> Option<Vec<KmsAction>> {
    match meaning(text) {
        Meaning::Kms(actions) => Some(actions),
        Meaning::All | Meaning::Unknown | Meaning::Foreign => None,
    }
}

pub(super) fn check(subject: &Subject<'_>, found: &mut Found) {
    let items: Vec<(&Item, Meaning)> = subject
        .action_items()
        .iter()
        .map(|item| (item, meaning(&item.text)))
        .collect();
    let items = items.as_slice();
    let is_console = is_console_statement(subject, items);
    if is_console {
        found.at(
            Lint::ConsoleStatement,
            subject.ast.place,
            "",
            "no action of the statement is authorized by a key policy: the statement has no effect",
            "put it into an identity policy; operations without a key, such as kms:ListKeys and kms:ListAliases, and other services are allowed there alone",
        );
    }
    for (item, meaning) in items {
        match meaning {
            Meaning::All => {}
            Meaning::Unknown => unknown(item, found),
            Meaning::Foreign if subject.kind == PolicyKind::Key && !is_console => found.add(
                Lint::ForeignAction,
                item,
                format!(
                    "`{}` is no action of KMS: a key policy decides nothing else",
                    shown(&item.text)
                ),
                "put it into an identity policy",
            ),
            Meaning::Foreign => {}
            Meaning::Kms(actions) => {
                if subject.kind == PolicyKind::Key
                    && !is_console
                    && !actions.iter().copied().any(is_on_key)
                {
                    found.add(
                        Lint::KeylessAction,
                        item,
                        format!(
                            "`{}` is done to no key: a key policy cannot allow or deny it",
                            shown(&item.text)
                        ),
                        "put it into an identity policy, on resource `*`",
                    );
                }
                retire_grant(subject, item, actions, found);
            }
        }
    }
    delete_star(subject, items, found);
    resources(subject, items, found);
    across_accounts(subject, items, found);
}

/// P-9: a statement of a key policy all of whose actions are decided elsewhere.
fn is_console_statement(subject: &Subject<'_>, items: &[(&Item, Meaning)]) -> bool {
    subject.kind == PolicyKind::Key
        && !items.is_empty()
        && items.iter().all(|(_, meaning)| match meaning {
            Meaning::All | Meaning::Unknown => false,
            Meaning::Foreign => true,
            Meaning::Kms(actions) => !actions.iter().copied().any(is_on_key),
        })
}

/// P-10.
fn unknown(item: &Item, found: &mut Found) {
    let name = item.text.split_once(':').map_or("", |(_, name)| name);
    let has_wildcard = name.contains(['*', '?']);
    let message = if has_wildcard {
        format!("`{}` matches no action of KMS", shown(&item.text))
    } else {
        format!(
            "`{}` is no action of KMS: it allows and denies nothing",
            shown(&item.text)
        )
    };
    let starts: Vec<&str> = KmsAction::ALL
        .iter()
        .map(|action| action.name())
        .filter(|known| {
            known.len() > name.len()
                && !name.is_empty()
                && known
                    .get(..name.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(name))
        })
        .collect();
    let help = match (
        starts.as_slice(),
        found.nearest(name, KmsAction::ALL.iter().map(|action| action.name())),
    ) {
        ([_, _, ..], _) if !has_wildcard => {
            format!("did you mean `kms:{name}*` ({})?", starts.join(", "))
        }
        (_, Some(near)) if !has_wildcard => format!("did you mean `kms:{near}`?"),
        _ => "remove it, or write an action as the service authorization reference lists it"
            .to_string(),
    };
    found.add(Lint::UnknownAction, item, message, help);
}

/// G-52.
fn retire_grant(subject: &Subject<'_>, item: &Item, actions: &[KmsAction], found: &mut Found) {
    let has_no_effect = matches!(subject.kind, PolicyKind::Key | PolicyKind::ResourceControl);
    if has_no_effect && actions == [KmsAction::RetireGrant] {
        found.add(
            Lint::RetireGrant,
            item,
            format!("kms:RetireGrant in {} has no effect, whatever the effect is", subject.kind.name()),
            "who may retire a grant is said in the grant itself and in identity policies; to end grants, use kms:RevokeGrant",
        );
    }
}

/// P-9: who may `kms:Delete*` may not delete the key.
fn delete_star(subject: &Subject<'_>, items: &[(&Item, Meaning)], found: &mut Found) {
    let reaches_deletion = subject
        .reached()
        .any(|action| action == KmsAction::ScheduleKeyDeletion);
    if reaches_deletion {
        return;
    }
    for (item, _) in items {
        if item.text.eq_ignore_ascii_case("kms:Delete*") {
            found.add(
                Lint::DeleteIsNotKeyDeletion,
                item,
                "`kms:Delete*` covers DeleteAlias, DeleteImportedKeyMaterial and DeleteCustomKeyStore, not the deletion of the key",
                "add kms:ScheduleKeyDeletion if the key's deletion is meant",
            );
        }
    }
}

fn has_wildcards(text: &str) -> bool {
    Template::parse(
        text,
        Syntax {
            wildcards: true,
            variables: false,
        },
    )
    .is_ok_and(|template| !template.is_literal())
}

fn resources(subject: &Subject<'_>, items: &[(&Item, Meaning)], found: &mut Found) {
    let Some(resource) = &subject.ast.resource else {
        return;
    };
    if resource.negated {
        return;
    }
    if subject.kind == PolicyKind::Key {
        for item in &resource.items {
            let tail = item.text.splitn(6, ':').nth(5).unwrap_or("*");
            if tail.starts_with("alias/") {
                found.add(
                    Lint::AliasResource,
                    item,
                    format!(
                        "an alias as the resource of a key policy names no key: {}",
                        if resource.items.len() > 1 {
                            "the statement never matches by it"
                        } else {
                            subject.never()
                        }
                    ),
                    "write \"*\", which means this key",
                );
            } else if &*item.text != "*" {
                found.add(
                    Lint::KeyPolicyResource,
                    item,
                    "a key policy binds its own key alone: with another resource the statement acts only if that is this very key",
                    "write \"*\", which means this key",
                );
            }
        }
        return;
    }
    let tails: Vec<(&Item, &str)> = resource
        .items
        .iter()
        .map(|item| (item, item.text.splitn(6, ':').nth(5).unwrap_or("*")))
        .collect();
    // ID-10: an alias is never its key.
    let on_aliases = |action: KmsAction| matches!(action.target(), ActionTarget::KeyAndAlias);
    if subject.reached().next().is_some() && !subject.reached().any(on_aliases) && !has_all(items) {
        for (item, tail) in &tails {
            if tail.starts_with("alias/") {
                found.add(
                    Lint::AliasResource,
                    item,
                    "the resource names an alias, never its key: none of these actions is done to an alias",
                    "name the key by its ARN, or choose keys by alias with a condition on kms:ResourceAliases or kms:RequestAlias",
                );
            }
        }
    }
    // P-12: operations without a resource are asked on `*`.
    let covers_none = tails.iter().any(|(_, tail)| matches!(*tail, "*" | "**"));
    if !covers_none {
        for (item, meaning) in items {
            if let Meaning::Kms(actions) = meaning
                && !actions.iter().copied().any(is_on_key)
            {
                found.add(
                    Lint::KeylessAction,
                    item,
                    format!(
                        "`{}` is done to no resource: a narrower one than `*` never matches it",
                        shown(&item.text)
                    ),
                    "put it into a statement of its own, on resource `*`",
                );
            }
        }
    }
}

fn has_all(items: &[(&Item, Meaning)]) -> bool {
    let mut items = items.iter();
    items.any(|(_, meaning)| matches!(meaning, Meaning::All))
}

/// D-8.
fn across_accounts(subject: &Subject<'_>, items: &[(&Item, Meaning)], found: &mut Found) {
    let Some(owner) = subject.owner.filter(|_| subject.is_allow()) else {
        return;
    };
    let foreign = match subject.kind {
        PolicyKind::Key => super::principals::foreign_account(subject, owner),
        PolicyKind::Identity | PolicyKind::Boundary | PolicyKind::Session => {
            foreign_resource(subject, owner)
        }
        PolicyKind::ServiceControl | PolicyKind::ResourceControl | PolicyKind::VpcEndpoint => None,
    };
    let Some(foreign) = foreign else { return };
    for (item, meaning) in items {
        let Meaning::Kms(actions) = meaning else {
            continue;
        };
        let is_named = !has_wildcards(&item.text);
        if (is_named || actions.len() == 1)
            && actions
                .iter()
                .all(|action| is_on_key(*action) && !action.is_cross_account())
        {
            found.add(
                Lint::CrossAccount,
                item,
                format!(
                    "`{}` does not work across accounts: for {foreign} it allows nothing",
                    shown(&item.text)
                ),
                "remove it, or use a role of the key's own account",
            );
        }
    }
}

/// The other account whose resources alone the statement names.
fn foreign_resource(subject: &Subject<'_>, owner: crate::domain::ids::AccountId) -> Option<String> {
    let resource = subject
        .ast
        .resource
        .as_ref()
        .filter(|texts| !texts.negated)?;
    let own = owner.to_string();
    let account = |item: &Item| {
        let account = item.text.split(':').nth(4)?;
        (account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) && account != own)
            .then(|| account.to_string())
    };
    let mut accounts = resource.items.iter().map(account);
    let first = accounts.next()??;
    accounts
        .all(|account| account.is_some())
        .then(|| format!("keys of account {first}"))
}
