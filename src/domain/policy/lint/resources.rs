//! Resources that lack a half of what is asked of, or that nothing has (D-14, ID-1, ID-3, P-11).

use super::super::action::{ActionTarget, KmsAction};
use super::super::ast::Item;
use super::super::context::ContextKey;
use super::super::keys::Says;
use super::super::validate::PolicyKind;
use super::whole::{Halves, Whole};
use super::{Found, Lint, Subject, actions, conditions, shown};
use crate::domain::ids::{AccountId, KeyId, Partition, Region};

pub(super) fn check(subject: &Subject<'_>, whole: &Whole<'_>, found: &mut Found) {
    if subject.kind == PolicyKind::Key {
        return;
    }
    alias_halves(subject, whole, found);
    never_matches(subject, found);
}

/// The segments of an ARN before its resource, and the resource.
struct Arn<'a> {
    partition: &'a str,
    service: &'a str,
    region: &'a str,
    account: &'a str,
    tail: &'a str,
}

fn arn(text: &str) -> Option<Arn<'_>> {
    let mut parts = text.splitn(6, ':');
    parts.next().filter(|head| *head == "arn")?;
    Some(Arn {
        partition: parts.next()?,
        service: parts.next()?,
        region: parts.next()?,
        account: parts.next()?,
        tail: parts.next()?,
    })
}

/// The text before its first wildcard or variable, and whether that is all of it.
fn fixed(text: &str) -> (&str, bool) {
    let end = ["*", "?", "${"]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min();
    match end {
        Some(end) => (text.get(..end).unwrap_or_default(), false),
        None => (text, true),
    }
}

/// Whether a pattern of a resource matches some text that begins so.
fn may_begin(tail: &str, prefix: &str) -> bool {
    let (head, is_all) = fixed(tail);
    head.starts_with(prefix) || (!is_all && prefix.starts_with(head))
}

/// Where the alias operations of an allow are allowed.
pub(super) fn halves(subject: &Subject<'_>) -> Halves {
    let mut halves = Halves::default();
    let Some(resource) = &subject.ast.resource else {
        return halves;
    };
    if resource.negated {
        halves = Halves {
            key: true,
            alias: true,
        };
    } else {
        for item in &resource.items {
            match arn(&item.text) {
                None => {
                    halves = Halves {
                        key: true,
                        alias: true,
                    }
                }
                Some(arn) if may_begin(arn.service, "kms") => {
                    halves.key |= may_begin(arn.tail, "key/");
                    halves.alias |= may_begin(arn.tail, "alias/");
                }
                Some(_) => {}
            }
        }
    }
    halves.alias &= key_condition(subject).is_none();
    halves
}

/// A condition on what is said of keys alone: for an alias it fails (D-14).
fn key_condition(subject: &Subject<'_>) -> Option<ContextKey> {
    let of_keys = |key: &ContextKey| match key.says() {
        Says::CallerAccount | Says::ViaService | Says::Key => true,
        Says::Person
        | Says::Organization
        | Says::CalledVia
        | Says::ByService
        | Says::Address
        | Says::PrivateAddress
        | Says::Endpoint
        | Says::Source
        | Says::Pair
        | Says::Tag
        | Says::Other => false,
    };
    conditions::read(subject)
        .into_iter()
        .find(|read| read.wants_presence() && of_keys(&read.key))
        .map(|read| read.key)
}

/// D-14. Another policy may hold the other half; that nothing here does is still what is most often forgotten.
fn alias_halves(subject: &Subject<'_>, whole: &Whole<'_>, found: &mut Found) {
    let is_of_the_caller = match subject.kind {
        PolicyKind::Identity
        | PolicyKind::Boundary
        | PolicyKind::Session
        | PolicyKind::ServiceControl => true,
        PolicyKind::Key | PolicyKind::ResourceControl | PolicyKind::VpcEndpoint => false,
    };
    if !is_of_the_caller || !subject.is_allow() {
        return;
    }
    for item in subject.action_items() {
        let Some(operation) = alias_operation(item) else {
            continue;
        };
        let has = whole.halves(operation);
        let here = halves(subject);
        if !has.alias && here.key {
            alias_is_missing(subject, item, operation, found);
        }
        if !has.key && here.alias {
            let example = example(subject, "key/<key id>");
            found.add(
                Lint::AliasHalf,
                item,
                format!("`{operation}` is asked of the key as well as of the alias, and nothing here allows it on a key: unless the key's own policy names the caller, it is denied"),
                format!("add the key to `Resource`, such as \"{example}\""),
            );
        }
    }
}

fn alias_is_missing(subject: &Subject<'_>, item: &Item, operation: KmsAction, found: &mut Found) {
    let example = example(subject, "alias/<name>");
    let (message, help) = match key_condition(subject) {
        Some(key) => (
            format!(
                "`{operation}` is asked of the alias as well as of the key, and of an alias there is no `{key}`: nothing here allows it on an alias, so it is denied"
            ),
            format!(
                "allow it on the alias in a statement of its own, with \"Resource\": \"{example}\" and without a condition on the key"
            ),
        ),
        None => (
            format!(
                "`{operation}` is asked of the alias as well as of the key, and nothing here allows it on an alias: it is denied"
            ),
            format!("add the alias to `Resource`, such as \"{example}\""),
        ),
    };
    found.add(Lint::AliasHalf, item, message, help);
}

/// The first alias operation of an action text that is about aliases and nothing else.
fn alias_operation(item: &Item) -> Option<KmsAction> {
    let named = actions::named(&item.text)?;
    let is_about_aliases = |action: &KmsAction| {
        matches!(action.target(), ActionTarget::KeyAndAlias) || *action == KmsAction::ListAliases
    };
    let mut operations = named
        .iter()
        .copied()
        .filter(|action| matches!(action.target(), ActionTarget::KeyAndAlias));
    named
        .iter()
        .all(is_about_aliases)
        .then(|| operations.next())
        .flatten()
}

/// An ARN like those of the statement, with another resource.
fn example(subject: &Subject<'_>, tail: &str) -> String {
    let items = subject
        .ast
        .resource
        .as_ref()
        .map_or(&[][..], |texts| &texts.items);
    let known = items.iter().find_map(|item| {
        arn(&item.text)
            .filter(|arn| arn.service == "kms" && arn.region.len() + arn.account.len() < 80)
    });
    match known {
        Some(arn) => format!(
            "arn:{}:kms:{}:{}:{tail}",
            shown(arn.partition),
            shown(arn.region),
            shown(arn.account)
        ),
        None => format!("arn:aws:kms:*:111122223333:{tail}"),
    }
}

/// P-11, ID-1, ID-3: an ARN that no key and no alias has.
fn never_matches(subject: &Subject<'_>, found: &mut Found) {
    let Some(resource) = &subject.ast.resource else {
        return;
    };
    if subject.reached().next().is_none() {
        return;
    }
    for item in &resource.items {
        let Some(arn) = arn(&item.text) else {
            continue;
        };
        let (service, is_whole) = fixed(arn.service);
        let fault = if service == "kms" && is_whole {
            fault(&arn)
        } else if is_whole && is_about_kms_alone(subject) {
            Some((
                "it is of another service, and the actions are of KMS".to_string(),
                "write the ARN of a key, such as arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab; which data a key may be used for is said by conditions on kms:EncryptionContext:<key> or kms:ViaService".to_string(),
            ))
        } else {
            None
        };
        let Some((reason, help)) = fault else {
            continue;
        };
        let outcome = if resource.negated {
            "`NotResource` leaves out nothing by it"
        } else if resource.items.len() > 1 {
            "the statement never matches by it"
        } else {
            subject.never()
        };
        found.add(
            Lint::ResourceNeverMatches,
            item,
            format!(
                "no key and no alias has the ARN `{}`: {reason}; {outcome}",
                shown(&item.text)
            ),
            help,
        );
    }
}

/// Whether the statement names actions of KMS and of no other service.
fn is_about_kms_alone(subject: &Subject<'_>) -> bool {
    let items = subject.action_items();
    let is_kms = |item: &Item| {
        let service = item.text.split_once(':').map(|(service, _)| service);
        service.is_some_and(|service| service.eq_ignore_ascii_case("kms"))
    };
    !items.is_empty() && items.iter().all(is_kms)
}

/// What is wrong with an ARN of KMS, and how to write it.
fn fault(arn: &Arn<'_>) -> Option<(String, String)> {
    let whole = |text: &'_ str| fixed(text).1;
    if whole(arn.partition) && arn.partition.parse::<Partition>().is_err() {
        return Some((
            format!("`{}` is no partition", shown(arn.partition)),
            "write aws, aws-cn or aws-us-gov".to_string(),
        ));
    }
    if whole(arn.region) && arn.region.parse::<Region>().is_err() {
        return Some((
            if arn.region.is_empty() {
                "it has no Region".to_string()
            } else {
                format!("`{}` is no Region", shown(arn.region))
            },
            "write a Region such as eu-west-1, or `*`".to_string(),
        ));
    }
    if whole(arn.account) && arn.account.parse::<AccountId>().is_err() {
        return Some((
            if arn.account.is_empty() {
                "it has no account".to_string()
            } else {
                format!("`{}` is no account", shown(arn.account))
            },
            "write the twelve digits of the key's account".to_string(),
        ));
    }
    let (head, is_whole) = fixed(arn.tail);
    if let Some(id) = arn.tail.strip_prefix("key/") {
        if !is_whole || id.parse::<KeyId>().is_ok() {
            return None;
        }
        let lower = id.to_ascii_lowercase();
        let help = if lower.parse::<KeyId>().is_ok() {
            format!("write key/{lower}: key ids are in lower case")
        } else {
            "write the key's id, as in key/1234abcd-12ab-34cd-56ef-1234567890ab; choose keys by name with conditions on kms:ResourceAliases, kms:RequestAlias or aws:ResourceTag/<key>".to_string()
        };
        return Some((format!("`{}` is no key id", shown(id)), help));
    }
    if !is_whole && (may_begin(arn.tail, "key/") || may_begin(arn.tail, "alias/")) {
        return None;
    }
    if head.starts_with("alias/") {
        return None;
    }
    let help = if arn.tail.parse::<KeyId>().is_ok() {
        format!("write key/{}", arn.tail)
    } else {
        "write key/<key id> or alias/<name>".to_string()
    };
    Some((
        format!("`{}` is neither key/… nor alias/…", shown(arn.tail)),
        help,
    ))
}
