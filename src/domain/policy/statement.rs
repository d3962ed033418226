//! A validated policy → compiled statements, and the verdict of a statement on a request.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::Reading;
use super::action::{Action, ActionSet, KmsAction};
use super::ast::{self, Effect, Item, Version, malformed, nearest};
use super::condition::{Condition, Operator, Quantifier};
use super::context::{ContextKey, ContextSource};
use super::error::{PolicyError, PolicyErrorKind};
use super::keys::{Presence, Says, Told};
use super::principal::{Bindings, PolicyPrincipal, PrincipalSet, Ways, Who};
use super::resource::{ResourceName, ResourceSet};
use super::validate::{PolicyKind, ReadPrincipals, Validated};

/// How a policy variable without a value is taken (C-12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// It is null: it matches nothing, so negated operators hold.
    #[default]
    Current,
    /// As measured in 2020: the statement that holds it is skipped.
    Legacy2020,
}

impl Profile {
    /// Every profile.
    pub const ALL: &'static [Self] = &[Self::Current, Self::Legacy2020];

    /// Its name in settings and cases.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Legacy2020 => "legacy-2020",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        let named = Self::ALL.iter().find(|profile| profile.as_str() == text);
        named.copied().ok_or(UnknownProfile)
    }
}

/// A text that names no profile.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no profile: expected `current` or `legacy-2020`")]
pub struct UnknownProfile;

/// Everything of a request that a statement looks at.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// What is asked.
    pub action: &'a Action,
    /// On what.
    pub resource: ResourceName<'a>,
    /// By whom.
    pub who: Who<'a>,
    /// Whether a permissions boundary is attached to the caller (P-24).
    pub has_boundary: bool,
    /// The request's condition keys.
    pub context: &'a dyn ContextSource,
    /// How null variables are taken.
    pub profile: Profile,
}

/// What a statement says of a request, and why.
#[derive(Clone, Copy, Debug)]
pub enum Verdict<'a> {
    /// It applies: its effect counts.
    Applies {
        /// How its principals match the caller.
        ways: Ways,
    },
    /// It is about other actions.
    ActionMismatch,
    /// It is about other principals.
    PrincipalMismatch,
    /// It is about other resources.
    ResourceMismatch,
    /// This condition does not hold.
    ConditionFailed(&'a Condition),
    /// It has no effect at all: it lacks an action or a resource (P-4), or holds a null variable (C-12).
    Void,
}

/// What is taken for granted of statements, to find out what would change an answer. A decision takes nothing for
/// granted: its context says nothing of this ([`ContextSource::suppose`]).
pub trait Suppose {
    /// How a statement is taken.
    fn of(&self, statement: &Statement) -> Supposed;

    /// Whether a condition is taken as holding; `holds` says whether it does.
    fn holds(&self, statement: &Statement, condition: &Condition, holds: bool) -> bool;
}

/// How a statement is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Supposed {
    /// As it stands.
    AsItIs,
    /// As if it were not there.
    Absent,
    /// As if it were about the action and the resource.
    Covering,
}

/// What each element of a statement says of a request.
#[derive(Debug)]
pub struct Findings<'a> {
    /// Whether it has an action and a resource (P-4), and no null variable that makes it void (C-12).
    pub has_effect: bool,
    /// Whether it is about the action.
    pub action: bool,
    /// How its principals match the caller.
    pub ways: Ways,
    /// Whether it is about the resource.
    pub resource: bool,
    /// Each condition, whether it holds, and whether a variable in it has no value (C-12).
    pub conditions: Vec<(&'a Condition, bool, bool)>,
}

impl Findings<'_> {
    /// Whether the statement applies.
    pub fn applies(&self) -> bool {
        self.has_effect
            && self.action
            && !self.ways.is_none()
            && self.resource
            && self.conditions.iter().all(|(_, holds, _)| *holds)
    }

    /// Whether it would apply if it were about the action and the resource, and its conditions held.
    pub const fn could_apply(&self) -> bool {
        self.has_effect && !self.ways.is_none()
    }
}

/// A compiled statement.
#[derive(Debug)]
pub struct Statement {
    sid: Option<Arc<str>>,
    effect: Effect,
    /// `None` in policies without principals.
    principals: Option<PrincipalSet>,
    /// `None` if the statement lacks one (P-4).
    actions: Option<ActionSet>,
    resources: Option<ResourceSet>,
    conditions: Box<[Condition]>,
}

impl Statement {
    /// The statement's Sid.
    pub fn sid(&self) -> Option<&Arc<str>> {
        self.sid.as_ref()
    }

    /// Whether its effect is `Deny`.
    pub fn is_deny(&self) -> bool {
        self.effect == Effect::Deny
    }

    /// The principals it names; empty in policies without principals.
    pub fn principals(&self) -> &[PolicyPrincipal] {
        self.principals.as_ref().map_or(&[], |set| &set.entries)
    }

    /// Whether it is about actions of KMS at all, be it by what it leaves out.
    pub fn is_of_kms(&self) -> bool {
        self.actions.as_ref().is_some_and(ActionSet::is_of_kms)
    }

    /// Whether it names those whom it is not about (P-24).
    pub fn is_not_principal(&self) -> bool {
        self.principals.as_ref().is_some_and(|set| set.negated)
    }

    /// What it says of a request. `bindings` are those of the policy's principals (ID-18).
    pub fn verdict(&self, ask: &Ask<'_>, bindings: Option<&dyn Bindings>) -> Verdict<'_> {
        let (Some(actions), Some(resources)) = (&self.actions, &self.resources) else {
            return Verdict::Void;
        };
        let suppose = ask.context.suppose();
        let supposed = suppose.map_or(Supposed::AsItIs, |suppose| suppose.of(self));
        if supposed == Supposed::Absent {
            return Verdict::Void;
        }
        let is_covering = supposed == Supposed::Covering;
        if !is_covering && !actions.contains(ask.action) {
            return Verdict::ActionMismatch;
        }
        let ways = match &self.principals {
            None => Ways::ATTACHED,
            Some(set) => set.ways(&ask.who, self.is_deny(), ask.has_boundary, bindings),
        };
        if ways.is_none() {
            return Verdict::PrincipalMismatch;
        }
        if ask.profile == Profile::Legacy2020
            && (resources.has_null(ask.context)
                || self.conditions.iter().any(|c| c.has_null(ask.context)))
        {
            return Verdict::Void;
        }
        if !is_covering && !resources.contains(&ask.resource, ask.context, self.is_deny()) {
            return Verdict::ResourceMismatch;
        }
        for condition in &self.conditions {
            let mut holds = condition.holds(ask.context, self.is_deny());
            if let Some(suppose) = suppose {
                holds = suppose.holds(self, condition, holds);
            }
            if !holds {
                return Verdict::ConditionFailed(condition);
            }
        }
        Verdict::Applies { ways }
    }

    /// What each of its elements says of a request: the parts of [`Self::verdict`], none left out.
    pub fn findings(&self, ask: &Ask<'_>, bindings: Option<&dyn Bindings>) -> Findings<'_> {
        let conditions: Vec<_> = self
            .conditions
            .iter()
            .map(|c| {
                (
                    c,
                    c.holds(ask.context, self.is_deny()),
                    c.has_null(ask.context),
                )
            })
            .collect();
        let resources = self.resources.as_ref();
        let is_void = ask.profile == Profile::Legacy2020
            && (resources.is_some_and(|set| set.has_null(ask.context))
                || conditions.iter().any(|(_, _, has_null)| *has_null));
        Findings {
            has_effect: self.actions.is_some() && self.resources.is_some() && !is_void,
            action: (self.actions.as_ref()).is_some_and(|set| set.contains(ask.action)),
            ways: match &self.principals {
                None => Ways::ATTACHED,
                Some(set) => set.ways(&ask.who, self.is_deny(), ask.has_boundary, bindings),
            },
            resource: resources
                .is_some_and(|set| set.contains(&ask.resource, ask.context, self.is_deny())),
            conditions,
        }
    }
}

/// Compiles every statement. What cannot be compared or matched is refused here, with its place.
pub(super) fn compile(
    validated: Validated,
    kind: PolicyKind,
    reading: Reading,
) -> Result<Box<[Statement]>, PolicyError> {
    let Validated {
        document,
        principals,
    } = validated;
    let how = How {
        variables: document.version() == Version::V2012,
        kind,
        reading,
    };
    document
        .statements
        .into_iter()
        .zip(principals)
        .map(|(statement, principals)| compile_one(statement, principals, how))
        .collect()
}

/// How a document's statements are compiled.
#[derive(Clone, Copy)]
struct How {
    /// Whether `${…}` is a variable (P-2).
    variables: bool,
    kind: PolicyKind,
    reading: Reading,
}

fn compile_one(
    statement: ast::Statement,
    principals: Option<ReadPrincipals>,
    how: How,
) -> Result<Statement, PolicyError> {
    let ast::Statement {
        place,
        sid,
        effect,
        effect_place: _,
        principal: _,
        action,
        resource,
        conditions,
    } = statement;
    let principals = principals.map(|ReadPrincipals { negated, entries }| PrincipalSet {
        negated,
        entries: entries.into_iter().map(|(entry, _)| entry).collect(),
    });
    let actions = action
        .filter(|texts| !texts.items.is_empty())
        .map(|texts| {
            ActionSet::compile(texts.items.iter().map(|item| &*item.text), texts.negated).map_err(
                |index| {
                    at(&texts.items, index, |item| {
                        let message = format!("`{}` is no action", item.text.escape_debug());
                        let help =
                            "write `service:Name`, such as kms:Decrypt or kms:Describe*, or `*`";
                        malformed(item.place, &item.text, message, help)
                    })
                },
            )
        })
        .transpose()?;
    let resource_item = resource
        .as_ref()
        .and_then(|texts| texts.items.first().cloned())
        .unwrap_or_else(|| Item {
            text: "".into(),
            place,
        });
    let resources = resource
        .filter(|texts| !texts.items.is_empty())
        .map(|texts| {
            ResourceSet::compile(
                texts.items.iter().map(|item| &*item.text),
                texts.negated,
                how.variables,
                how.reading,
            )
            .map_err(|bad| {
                at(&texts.items, bad.index, |item| {
                    malformed(item.place, &item.text, bad.message, bad.help)
                })
            })
        })
        .transpose()?;
    let keys: Vec<Item> = conditions.iter().map(|c| c.key.clone()).collect();
    let conditions: Box<[Condition]> = conditions
        .into_iter()
        .map(|condition| compile_condition(condition, how))
        .collect::<Result<_, _>>()?;
    if how.reading == Reading::Strict
        && let Some(actions) = &actions
    {
        for (condition, item) in conditions.iter().zip(&keys) {
            for key in std::iter::once(condition.key()).chain(condition.variable_keys()) {
                check_told(key, actions, item)?;
            }
        }
        for key in resources.iter().flat_map(ResourceSet::variable_keys) {
            check_told(key, actions, &resource_item)?;
        }
    }
    Ok(Statement {
        sid: sid.map(|sid| sid.text.into()),
        effect,
        principals,
        actions,
        resources,
        conditions,
    })
}

/// CK-58: a statement is refused if nobody tells a key of it to an action that is decided here: the key would be absent
/// from every request, and a Deny that asks for it would never act.
fn check_told(key: &ContextKey, actions: &ActionSet, item: &Item) -> Result<(), PolicyError> {
    let Some(row) = key.row().filter(|row| row.told == Told::Nobody) else {
        return Ok(());
    };
    let of_kms = KmsAction::ALL
        .iter()
        .filter(|action| (row.presence)(**action) != Presence::Never)
        .map(|action| Action::from(*action));
    let elsewhere = row.elsewhere.iter().map(|action| Action::parse(action));
    let Some(action) = of_kms
        .chain(elsewhere)
        .find(|action| actions.contains(action))
    else {
        return Ok(());
    };
    let message = format!(
        "the condition key `{key}` is not known here, and {action} is decided here: the condition would be taken as if the key were absent"
    );
    Err(malformed(
        item.place,
        &item.text,
        message,
        "leave the condition out, or leave the actions that have the key to a statement of another service's policy",
    ))
}

/// Keys that no key policy may ask for (CK-41), in lower case: AWS's text names them, whichever of them was used.
const NOT_IN_KEY_POLICIES: [&str; 3] =
    ["aws:resourcetag", "kms:resourcetag", "kms:resourcealiases"];

/// CK-41: what a key policy could ask by these its author knows, for it is one key's.
fn check_permitted(item: &Item) -> Result<(), PolicyError> {
    let name = item.text.to_lowercase();
    let is_one = |key: &&str| {
        name.strip_prefix(*key)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if !NOT_IN_KEY_POLICIES.iter().any(is_one) {
        return Ok(());
    }
    Err(PolicyError::new(
        PolicyErrorKind::ForbiddenConditionKey,
        item.place,
        &item.text,
        "These condition keys are not permitted in a key policy: aws:ResourceTag, kms:ResourceTag, kms:ResourceAliases",
        "leave the condition out, or put it into the identity policies that this statement enables",
    ))
}

fn compile_condition(condition: ast::Condition, how: How) -> Result<Condition, PolicyError> {
    let ast::Condition {
        operator: name,
        key: key_item,
        values,
    } = condition;
    let Some(operator) = Operator::parse(&name.text) else {
        let message = format!(
            "the condition operator `{}` is unknown",
            name.text.escape_debug()
        );
        let plain = name.text.rsplit(':').next().unwrap_or_default();
        let plain = plain.strip_suffix("IfExists").unwrap_or(plain);
        let help = match nearest(plain, Operator::names()) {
            Some(near) if near != plain => format!("did you mean `{near}`?"),
            _ => "operators are such as StringEquals, ForAnyValue:StringLike or BoolIfExists; Null has no other forms".into(),
        };
        return Err(malformed(name.place, &name.text, message, help));
    };
    let is_strict = how.reading == Reading::Strict;
    if key_item.text.is_empty() || is_strict && how.variables && key_item.text.contains("${") {
        let message = format!("`{}` is no condition key", key_item.text.escape_debug());
        return Err(malformed(
            key_item.place,
            &key_item.text,
            message,
            "write a key such as aws:PrincipalArn, without variables",
        ));
    }
    if is_strict && how.kind == PolicyKind::Key {
        check_permitted(&key_item)?;
    }
    let key = ContextKey::parse(&key_item.text);
    let is_single_of_many = match key.says() {
        Says::Pair | Says::Tag => true,
        Says::Person
        | Says::CallerAccount
        | Says::Organization
        | Says::CalledVia
        | Says::ByService
        | Says::ViaService
        | Says::Address
        | Says::PrivateAddress
        | Says::Endpoint
        | Says::Source
        | Says::Key
        | Says::Other => false,
    };
    // P-6: over a single-valued key, ForAllValues holds whenever the key is absent, which nobody means. KMS refuses it in the
    // policies that it keeps itself; in others the lint warns.
    if is_strict
        && how.kind == PolicyKind::Key
        && operator.quantifier() == Some(Quantifier::All)
        && is_single_of_many
    {
        let message = format!(
            "OverlyPermissiveCondition: `{}` is used with the single-valued key `{}`",
            name.text, key_item.text
        );
        let help = "remove `ForAllValues:`; it holds whenever the key is absent";
        return Err(PolicyError::new(
            PolicyErrorKind::OverlyPermissiveCondition,
            key_item.place,
            &key_item.text,
            message,
            help,
        ));
    }
    Condition::compile(
        operator,
        key,
        values.iter().map(|item| &*item.text),
        how.variables,
        how.reading,
    )
    .map_err(|bad| {
        at(&values, bad.index, |item| {
            malformed(item.place, &item.text, bad.message, bad.help)
        })
    })
}

/// Builds the error of the item at an index.
fn at(items: &[Item], index: usize, build: impl Fn(&Item) -> PolicyError) -> PolicyError {
    let outside = Item {
        text: "".into(),
        place: super::error::Place { line: 1, column: 1 },
    };
    build(items.get(index).unwrap_or(&outside))
}
