//! The nearest miss: the smallest changes that give the other answer.
//!
//! Every change is tried: `combine` decides on the evidence as it would be, and only what it decides otherwise is told.

use std::sync::Arc;

use super::consider::{self, Attached, Scene};
use super::{Change, Nearest};
use crate::domain::authz::combine::{
    Endpoint, Grantee, NamedPolicy, Object, Subject, combine, grantee_match, operation_of,
};
use crate::domain::authz::decision::{Decision, Missing, Source};
use crate::domain::effort::{Effort, spend};
use crate::domain::ids::{KeyArn, KeyId, Partition, UniqueId};
use crate::domain::limits::{EXPLAINED_NEAREST_MAX, EXPLAINED_NEAREST_WORK, EXPLAINED_TRIES_MAX};
use crate::domain::policy::{
    Action, Condition, ContextKey, ContextSource, ContextValue, KmsAction, Outline, Policy,
    PolicyKind, Statement, Suppose, Supposed, Who,
};
use crate::domain::state::grant::{Grant, GrantConstraints, GrantOperations, GrantPrincipal};
use crate::domain::time::{Revision, Timestamp};

/// Most steps of the search that follows what is missing, one after the other.
const STEPS_MAX: usize = 8;

/// What could be otherwise.
#[derive(Clone)]
enum What<'e> {
    /// This statement is not there, or does not apply.
    Without(&'e Statement),
    /// This statement's action, resource and conditions fit.
    Covering(&'e Statement),
    /// Policies of a kind have this statement as well.
    With(Source, Arc<Policy>),
    /// This grant is there.
    Grant(Arc<Grant>),
    /// This grant is not there.
    NoGrant(&'e Grant),
    /// The grant to be retired names the caller.
    Retiring(GrantPrincipal),
}

/// A change, how much it is, and how it is told.
#[derive(Clone)]
struct Try<'e> {
    what: What<'e>,
    cost: u32,
    told: Change,
}

/// What a try costs besides the decision, in units of [`Effort`].
const WORK_OF_TRY: u64 = 50;

/// What it costs to copy a grant for a try.
const WORK_OF_COPY: u64 = 30;

/// Between two looks at whether the search may go on, in units of [`Effort`].
const WORK_STEP: u64 = 10_000;

/// [`search`], for as long as the limit allows: each try is a decision, and there can be a thousand. `None`: given up.
pub(super) fn search_within<'e>(scene: Scene<'e>, decision: &Decision) -> Option<Vec<Nearest>> {
    let inner: &'e dyn ContextSource = scene.ask.context;
    let more = |spent: u64| {
        let may = spent < EXPLAINED_NEAREST_WORK && spend(inner.effort(), WORK_STEP);
        if may { WORK_STEP } else { 0 }
    };
    let effort = Effort::new(&more);
    let context = Searching {
        inner,
        effort: &effort,
    };
    let mut scene: Scene<'_> = scene;
    scene.ask.context = &context;
    scene.evidence.ask.context = &context;
    let found = search(&scene, decision);
    (!effort.is_cut()).then_some(found)
}

/// The request's own context, the work of the search counted by itself.
struct Searching<'a> {
    inner: &'a dyn ContextSource,
    effort: &'a Effort<'a>,
}

impl ContextSource for Searching<'_> {
    fn get<'a>(&'a self, key: &'a ContextKey) -> Option<ContextValue<'a>> {
        self.inner.get(key)
    }

    fn suppose(&self) -> Option<&dyn Suppose> {
        self.inner.suppose()
    }

    fn effort(&self) -> Option<&Effort<'_>> {
        Some(self.effort)
    }
}

/// What gives the other answer than `decision`.
fn search(scene: &Scene<'_>, decision: &Decision) -> Vec<Nearest> {
    let found = if decision.is_allow() {
        to_deny(scene, decision)
    } else {
        to_allow(scene)
    };
    let mut found: Vec<(u32, Nearest)> = found
        .into_iter()
        .map(|tries| {
            let cost = tries.iter().map(|one| one.cost).sum();
            let changes = tries.into_iter().map(|one| one.told).collect();
            (cost, Nearest { changes })
        })
        .collect();
    found.sort_by_key(|(cost, nearest)| (nearest.changes.len(), *cost));
    found.dedup_by(|a, b| a.1 == b.1);
    found.truncate(EXPLAINED_NEAREST_MAX);
    found.into_iter().map(|(_, nearest)| nearest).collect()
}

/// From a denial to an allow: every statement that denies goes, and what is missing comes.
fn to_allow<'e>(scene: &Scene<'e>) -> Vec<Vec<Try<'e>>> {
    let denying = denying(scene);
    if decide(scene, &denying).is_allow() {
        return vec![denying];
    }
    let mut candidates = allowing(scene);
    candidates.sort_by_key(|one| one.cost);
    candidates.truncate(EXPLAINED_TRIES_MAX);
    let with = |more: &[&Try<'e>]| -> Vec<Try<'e>> {
        let more = more.iter().map(|one| (*one).clone());
        denying.iter().cloned().chain(more).collect()
    };
    let mut found: Vec<Vec<Try<'e>>> = candidates
        .iter()
        .map(|one| with(&[one]))
        .filter(|tries| decide(scene, tries).is_allow())
        .collect();
    if !found.is_empty() {
        return found;
    }
    for (n, one) in candidates.iter().enumerate() {
        for other in candidates.iter().skip(n + 1) {
            let tries = with(&[one, other]);
            if decide(scene, &tries).is_allow() {
                found.push(tries);
            }
        }
    }
    if !found.is_empty() {
        return found;
    }
    // What is missing first, then what is missing next.
    let mut tries = denying;
    for _ in 0..STEPS_MAX {
        let Some(missing) = decide(scene, &tries).missing() else {
            return vec![tries];
        };
        let Some(next) = mending(scene, missing) else {
            return Vec::new();
        };
        tries.push(next);
    }
    if decide(scene, &tries).is_allow() {
        vec![tries]
    } else {
        Vec::new()
    }
}

/// From an allow to a denial: what allows goes, or a denial that fails by its conditions alone comes.
fn to_deny<'e>(scene: &Scene<'e>, decision: &Decision) -> Vec<Vec<Try<'e>>> {
    let mut candidates = removable(scene, decision);
    candidates.extend(uncovered(scene, |_| true, true));
    candidates.sort_by_key(|one| one.cost);
    candidates.truncate(EXPLAINED_TRIES_MAX);
    let found: Vec<Vec<Try<'e>>> = candidates
        .into_iter()
        .map(|one| vec![one])
        .filter(|tries| !decide(scene, tries).is_allow())
        .collect();
    if !found.is_empty() {
        return found;
    }
    // What allows first, then what allows next.
    let mut tries = Vec::new();
    for _ in 0..STEPS_MAX {
        let now = decide(scene, &tries);
        if !now.is_allow() {
            return vec![tries];
        }
        let Some(next) = removable(scene, &now).into_iter().next() else {
            return Vec::new();
        };
        tries.push(next);
    }
    if decide(scene, &tries).is_allow() {
        Vec::new()
    } else {
        vec![tries]
    }
}

/// Every statement that denies, as gone.
fn denying<'e>(scene: &Scene<'e>) -> Vec<Try<'e>> {
    let mut found = Vec::new();
    for attached in &scene.policies {
        let outline = attached.policy.outline(scene.ask.context.effort());
        for (index, statement) in attached.policy.statements().iter().enumerate() {
            let findings = statement.findings(&scene.ask, attached.bindings);
            if !statement.is_deny() || !findings.applies() {
                continue;
            }
            let mut text = format!("{} did not deny", named(attached, index, statement));
            let conditions = conditions_of(&findings.conditions, outline.get(index), |_| true);
            if !conditions.is_empty() {
                text.push_str(&format!(
                    ": one of its conditions failed ({})",
                    conditions.join("; ")
                ));
            }
            found.push(Try {
                what: What::Without(statement),
                cost: 1,
                told: change("D-2", attached.source, text),
            });
        }
    }
    found
}

/// Allows that could apply, and those that could be added.
fn allowing<'e>(scene: &Scene<'e>) -> Vec<Try<'e>> {
    let mut found = uncovered(scene, |_| true, false);
    found.extend(former(scene));
    found.extend(grants(scene));
    let mut missing = vec![
        Missing::IdentityPolicy,
        Missing::Boundary,
        Missing::SessionPolicy,
        Missing::ServiceControlPolicy,
        Missing::ResourceControlPolicy,
        match scene.evidence.endpoint {
            Endpoint::Unknown => Missing::Endpoint,
            Endpoint::Open | Endpoint::Policy(_) => Missing::EndpointPolicy,
        },
    ];
    if scene.is_on_key() {
        missing.push(Missing::KeyPolicy);
        found.extend(account_statement(scene));
    }
    if scene.is_retirement {
        missing.push(Missing::RetirementRight);
    }
    found.extend(missing.into_iter().filter_map(|m| mending(scene, m)));
    found
}

/// Statements that would apply if their action, resource and conditions fitted.
fn uncovered<'e>(
    scene: &Scene<'e>,
    wanted: impl Fn(Source) -> bool,
    is_deny: bool,
) -> Vec<Try<'e>> {
    let mut found = Vec::new();
    for attached in scene.policies.iter().filter(|a| wanted(a.source)) {
        let outlines = attached.policy.outline(scene.ask.context.effort());
        for (index, statement) in attached.policy.statements().iter().enumerate() {
            let findings = statement.findings(&scene.ask, attached.bindings);
            if statement.is_deny() != is_deny || findings.applies() || !findings.could_apply() {
                continue;
            }
            // A statement about other services would not be mended to allow KMS.
            if scene.ask.action.kms().is_some() && !statement.is_of_kms() {
                continue;
            }
            // A denial about something else is no near miss.
            if is_deny && !(findings.action && findings.resource) {
                continue;
            }
            let outline = outlines.get(index);
            let mut wrong = Vec::new();
            let text = |text: Option<&String>| text.cloned().unwrap_or_default();
            if !findings.action {
                wrong.push(format!(
                    "its {} held {}",
                    text(outline.and_then(|o| o.actions.as_ref())),
                    scene.ask.action
                ));
            }
            if !findings.resource {
                let named = scene.resource.map(ToString::to_string);
                wrong.push(format!(
                    "its {} matched {}",
                    text(outline.and_then(|o| o.resources.as_ref())),
                    named.unwrap_or_else(|| "the account itself".to_owned())
                ));
            }
            let failed = conditions_of(&findings.conditions, outline, |holds| !holds);
            wrong.extend(
                failed
                    .into_iter()
                    .map(|text| format!("its condition {text} held")),
            );
            let cost = u32::try_from(wrong.len()).unwrap_or(u32::MAX);
            // To hold another action is more than a request that satisfies a condition.
            let cost = cost.saturating_add(u32::from(!findings.action));
            found.push(Try {
                what: What::Covering(statement),
                cost,
                told: change(
                    if is_deny { "D-2" } else { "C-14" },
                    attached.source,
                    format!(
                        "{} {}: {}",
                        named(attached, index, statement),
                        if is_deny { "denied" } else { "allowed" },
                        wrong.join(", and ")
                    ),
                ),
            });
        }
    }
    found
}

/// ID-18: statements and grants that would allow if they named the caller and not a former principal of its name.
fn former<'e>(scene: &Scene<'e>) -> Vec<Try<'e>> {
    let mut found = Vec::new();
    let key_policy = scene.policies.iter().filter(|a| a.bindings.is_some());
    for attached in key_policy {
        for (index, statement) in attached.policy.statements().iter().enumerate() {
            let findings = statement.findings(&scene.ask, attached.bindings);
            let fits = findings.has_effect
                && findings.action
                && findings.resource
                && findings.conditions.iter().all(|(_, holds, _)| *holds);
            if statement.is_deny() || !fits || !scene.names_former_self(statement) {
                continue;
            }
            let principal = named_principal(&scene.ask.who);
            let policy = statement_of(scene.ask.action, PolicyKind::Key, Some(&principal));
            let former = scene.former_in(statement);
            found.extend(policy.zip(former.first()).map(|(policy, former)| Try {
                what: What::With(Source::KeyPolicy, policy),
                cost: 1,
                told: change(
                    "ID-18",
                    Source::KeyPolicy,
                    format!(
                        "{} named the {} of that name that is there now: it names {former}; put the policy again",
                        named(attached, index, statement),
                        former.kind(),
                    ),
                ),
            }));
        }
    }
    let Action::Kms(action) = scene.ask.action else {
        return found;
    };
    let Some(operation) = operation_of(*action).filter(|_| !scene.is_retirement) else {
        return found;
    };
    for grant in &scene.former_grants {
        let former = consider::former_name(&grant.grantee, &scene.ask.who);
        let own = former.zip(caller(&scene.ask.who));
        let Some((former, grantee)) = own.filter(|_| grant.operations.contains(operation)) else {
            continue;
        };
        let renewed = Grant {
            grantee,
            ..(**grant).clone()
        };
        found.push(Try {
            what: What::Grant(Arc::new(renewed)),
            cost: 1,
            told: change(
                "ID-18",
                Source::Grant,
                format!(
                    "the grant {} were given to the {} of that name that is there now: it names {former}; make it again",
                    grant.id,
                    former.kind(),
                ),
            ),
        });
    }
    found
}

/// Grants of the caller that lack an operation or whose constraints are not satisfied; and a new one.
fn grants<'e>(scene: &Scene<'e>) -> Vec<Try<'e>> {
    let Some(operation) = (match scene.ask.action {
        Action::Kms(KmsAction::RetireGrant) | Action::Other(_) => None,
        Action::Kms(action) => operation_of(*action),
    }) else {
        return Vec::new();
    };
    if !scene.is_on_key() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for grant in &scene.grants {
        if matches!(
            grantee_match(&grant.grantee, &scene.ask.who),
            Grantee::Other
        ) {
            continue;
        }
        let mut widened = (*grant).clone();
        let mut wrong = Vec::new();
        if !widened.operations.contains(operation) {
            widened.operations.insert(operation);
            wrong.push(format!("held the operation {operation}"));
        }
        let own = std::mem::take(&mut widened.constraints);
        if let Subject::NewGrant { operations, .. } = scene.evidence.subject {
            operations
                .iter()
                .for_each(|op| widened.operations.insert(op));
        }
        if own.context.is_some() || own.source_arn.is_some() {
            wrong.push("had constraints that the request satisfies".to_owned());
        }
        if grant.is_expired(scene.now) {
            wrong.push("had not ended".to_owned());
        }
        if own.term.uses.is_some() {
            wrong.push("had no budget".to_owned());
        }
        let cost = u32::try_from(wrong.len()).unwrap_or(u32::MAX).max(1);
        found.push(Try {
            what: What::Grant(Arc::new(widened)),
            cost,
            told: change(
                "G-2",
                Source::Grant,
                format!("the grant {} {}", grant.id, wrong.join(" and ")),
            ),
        });
    }
    found.extend(new_grant(scene).map(|grant| Try {
        what: What::Grant(Arc::new(grant)),
        cost: 4,
        told: change(
            "D-10",
            Source::Grant,
            format!(
                "a grant on the key gave {} the operation {operation}",
                scene.ask.who
            ),
        ),
    }));
    found
}

fn new_grant(scene: &Scene<'_>) -> Option<Grant> {
    let grantee = caller(&scene.ask.who)?;
    let Action::Kms(action) = scene.ask.action else {
        return None;
    };
    let mut operations = GrantOperations::EMPTY;
    operations.insert(operation_of(*action)?);
    if let Subject::NewGrant {
        operations: own, ..
    } = scene.evidence.subject
    {
        own.iter().for_each(|op| operations.insert(op));
    }
    // No more than a shape: the key is the scene's, whatever it is called.
    let key = KeyArn {
        partition: Partition::Aws,
        region: "us-east-1".parse().ok()?,
        account: scene.owner(),
        key_id: KeyId::Uuid([0; 16]),
    };
    Some(Grant {
        id: crate::domain::ids::GrantId([0xff; 32]),
        key,
        grantee,
        retiring: None,
        operations,
        constraints: GrantConstraints::default(),
        name: None,
        issuing_account: scene.owner(),
        created_at: Timestamp::from_millis(0),
        born: Revision(0),
        spent: 0,
        ancestors: Vec::new(),
        epoch: 1,
    })
}

/// The caller as a grant would name it.
fn caller(who: &Who<'_>) -> Option<GrantPrincipal> {
    let of = |arn: &crate::domain::ids::PrincipalArn| {
        let unique_id = who.unique_id().cloned();
        GrantPrincipal::Arn {
            unique_id: unique_id.unwrap_or_else(|| UniqueId::of_account(arn.account())),
            arn: arn.clone(),
        }
    };
    Some(match who {
        Who::Root { partition, account } => of(&crate::domain::ids::PrincipalArn::root_of(
            *partition, *account,
        )),
        Who::User { arn, .. } => of(arn),
        Who::RoleSession { role, .. } => of(role),
        Who::FederatedUser { arn, .. } => GrantPrincipal::Arn {
            unique_id: UniqueId::of_account(arn.account()),
            arn: (*arn).clone(),
        },
        Who::Service { name } => GrantPrincipal::Service((*name).clone()),
    })
}

/// The one change that gives what is missing; `None`: no change does.
fn mending<'e>(scene: &Scene<'e>, missing: Missing) -> Option<Try<'e>> {
    let who = scene.ask.who;
    let action = scene.ask.action;
    let (rule, source, kind, principal, text) = match missing {
        Missing::IdentityPolicy => (
            if scene.is_on_key() { "D-5" } else { "P-12" },
            Source::IdentityPolicy,
            PolicyKind::Identity,
            None,
            format!("an identity policy of {who} allowed {action}"),
        ),
        Missing::KeyPolicy => (
            "D-4",
            Source::KeyPolicy,
            PolicyKind::Key,
            Some(named_principal(&who)),
            format!(
                "a statement of the key policy allowed {action} to {}",
                role_or_self(&who)
            ),
        ),
        Missing::Boundary => (
            "D-11",
            Source::PermissionsBoundary,
            PolicyKind::Boundary,
            None,
            format!("the permissions boundary allowed {action}"),
        ),
        Missing::SessionPolicy => (
            match who {
                Who::Root { .. } => "D-20",
                Who::FederatedUser { .. } if scene.evidence.session.is_empty() => "D-19",
                _ => "D-11",
            },
            Source::SessionPolicy,
            PolicyKind::Session,
            None,
            if scene.evidence.session.is_empty() {
                format!("a session policy that allows {action} were passed")
            } else {
                format!("the session policy allowed {action}")
            },
        ),
        Missing::ServiceControlPolicy => (
            "D-3",
            Source::ServiceControlPolicy,
            PolicyKind::ServiceControl,
            None,
            format!("every level of service control policies allowed {action}"),
        ),
        Missing::ResourceControlPolicy => (
            "D-3",
            Source::ResourceControlPolicy,
            PolicyKind::ResourceControl,
            Some(r#"{"AWS":"*"}"#.to_owned()),
            format!("every level of resource control policies allowed {action}"),
        ),
        Missing::EndpointPolicy => (
            "D-3",
            Source::VpcEndpointPolicy,
            PolicyKind::VpcEndpoint,
            Some(r#"{"AWS":"*"}"#.to_owned()),
            format!("the VPC endpoint's policy allowed {action}"),
        ),
        Missing::Endpoint => (
            "D-3",
            Source::VpcEndpointPolicy,
            PolicyKind::VpcEndpoint,
            Some(r#"{"AWS":"*"}"#.to_owned()),
            format!("the VPC endpoint was known here and its policy allowed {action}"),
        ),
        Missing::RetirementRight => {
            return Some(Try {
                what: What::Retiring(caller(&who)?),
                cost: 3,
                told: change(
                    "G-50",
                    Source::Grant,
                    format!("the grant named {who} as its retiring principal"),
                ),
            });
        }
        Missing::CrossAccount | Missing::Caller => return None,
    };
    Some(Try {
        what: What::With(source, statement_of(action, kind, principal.as_deref())?),
        cost: 3,
        told: change(rule, source, text),
    })
}

/// D-5, D-8: the key policy lets the caller's account decide.
fn account_statement<'e>(scene: &Scene<'e>) -> Option<Try<'e>> {
    let account = scene.ask.who.account()?;
    let principal = format!(r#"{{"AWS":"{account}"}}"#);
    let action = scene.ask.action;
    let policy = statement_of(action, PolicyKind::Key, Some(&principal))?;
    Some(Try {
        what: What::With(Source::KeyPolicy, policy),
        cost: 3,
        told: change(
            if scene.is_own() { "D-5" } else { "D-8" },
            Source::KeyPolicy,
            format!(
                "the key policy had an account statement: {action} allowed to account {account}, whose identity policies then decide"
            ),
        ),
    })
}

/// A policy of one statement that allows an action on everything.
fn statement_of(action: &Action, kind: PolicyKind, principal: Option<&str>) -> Option<Arc<Policy>> {
    let principal = principal.map_or_else(String::new, |p| format!(r#""Principal":{p},"#));
    let action = action.as_str();
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow",{principal}"Action":"{action}","Resource":"*"}}]}}"#
    );
    Policy::parse_unstored(&text, kind).ok()
}

/// The caller as a key policy names it.
fn named_principal(who: &Who<'_>) -> String {
    match who {
        Who::Root { account, .. } => format!(r#"{{"AWS":"{account}"}}"#),
        Who::User { arn, .. } | Who::FederatedUser { arn, .. } => format!(r#"{{"AWS":"{arn}"}}"#),
        Who::RoleSession { role, .. } => format!(r#"{{"AWS":"{role}"}}"#),
        Who::Service { name } => format!(r#"{{"Service":"{name}"}}"#),
    }
}

fn role_or_self(who: &Who<'_>) -> String {
    match who {
        Who::RoleSession { role, .. } => role.to_string(),
        other => other.to_string(),
    }
}

/// What allowed, as gone: the statements and the grant of a decision.
fn removable<'e>(scene: &Scene<'e>, decision: &Decision) -> Vec<Try<'e>> {
    let mut found = Vec::new();
    let Some(by) = decision.decided_by() else {
        return found;
    };
    for attached in &scene.policies {
        for (index, statement) in attached.policy.statements().iter().enumerate() {
            let at = u32::try_from(index).ok();
            let decides = |named: &Option<crate::domain::authz::decision::StatementRef>, source| {
                named.as_ref().is_some_and(|named| {
                    attached.source == source
                        && Some(named.index) == at
                        && named.sid.as_ref() == statement.sid()
                })
            };
            let own = match by.source {
                Source::KeyAndIdentityPolicy | Source::Grant => Source::IdentityPolicy,
                other => other,
            };
            let applies = statement.findings(&scene.ask, attached.bindings).applies();
            if applies
                && !statement.is_deny()
                && (decides(&by.statement, own) || decides(&by.enabled_by, Source::KeyPolicy))
            {
                found.push(Try {
                    what: What::Without(statement),
                    cost: 1,
                    told: change(
                        "D-1",
                        attached.source,
                        format!("{} did not allow", named(attached, index, statement)),
                    ),
                });
            }
        }
    }
    let grant = by
        .grant
        .and_then(|id| scene.grants.iter().find(|grant| grant.id == id));
    found.extend(grant.map(|grant| Try {
        what: What::NoGrant(grant),
        cost: 1,
        told: change(
            "G-56",
            Source::Grant,
            format!("the grant {} were revoked or retired", grant.id),
        ),
    }));
    found
}

fn change(rule: &str, source: Source, text: String) -> Change {
    Change {
        rule: rule.to_owned(),
        source,
        text,
    }
}

fn named(attached: &Attached<'_>, index: usize, statement: &Statement) -> String {
    let place = match statement.sid() {
        Some(sid) => format!("statement `{sid}`"),
        None => format!("statement {}", index.saturating_add(1)),
    };
    let policy = match (&attached.name, attached.source) {
        (Some(name), source) => format!("{} `{name}`", source.as_str().replace('_', " ")),
        (None, source) => format!("the {}", source.as_str().replace('_', " ")),
    };
    format!("{place} of {policy}")
}

/// Conditions as texts.
fn conditions_of(
    conditions: &[(&Condition, bool, bool)],
    outline: Option<&Outline>,
    wanted: impl Fn(bool) -> bool,
) -> Vec<String> {
    conditions
        .iter()
        .enumerate()
        .filter(|(_, (_, holds, _))| wanted(*holds))
        .map(|(n, (condition, _, _))| {
            let values = outline.and_then(|outline| outline.conditions.get(n));
            format!(
                "{} {} {}",
                condition.operator(),
                condition.key(),
                values.map_or("", String::as_str)
            )
        })
        .collect()
}

/// The request's own context, with statements taken otherwise.
struct Otherwise<'a> {
    inner: &'a dyn ContextSource,
    statements: Statements<'a>,
}

struct Statements<'a> {
    without: Vec<&'a Statement>,
    covering: Vec<&'a Statement>,
}

impl ContextSource for Otherwise<'_> {
    fn get<'a>(&'a self, key: &'a ContextKey) -> Option<ContextValue<'a>> {
        self.inner.get(key)
    }

    fn suppose(&self) -> Option<&dyn Suppose> {
        Some(&self.statements)
    }

    fn effort(&self) -> Option<&Effort<'_>> {
        self.inner.effort()
    }
}

impl Suppose for Statements<'_> {
    fn of(&self, statement: &Statement) -> Supposed {
        let is_in = |list: &[&Statement]| list.iter().any(|other| std::ptr::eq(*other, statement));
        if is_in(&self.without) {
            Supposed::Absent
        } else if is_in(&self.covering) {
            Supposed::Covering
        } else {
            Supposed::AsItIs
        }
    }

    fn holds(&self, statement: &Statement, _: &Condition, holds: bool) -> bool {
        holds || self.of(statement) == Supposed::Covering
    }
}

/// The decision on the evidence as it would be.
fn decide(scene: &Scene<'_>, tries: &[Try<'_>]) -> Decision {
    // The grants are copied for it.
    let grants = u64::try_from(scene.grants.len()).unwrap_or(u64::MAX);
    spend(
        scene.ask.context.effort(),
        WORK_OF_TRY.saturating_add(grants.saturating_mul(WORK_OF_COPY)),
    );
    let mut statements = Statements {
        without: Vec::new(),
        covering: Vec::new(),
    };
    let held = scene
        .grants
        .iter()
        .filter(|grant| !grant.is_expired(scene.now));
    let mut grants: Vec<Grant> = held.map(|grant| (*grant).clone()).collect();
    let mut retired = match scene.evidence.subject {
        Subject::Retired(grant) => Some(grant.clone()),
        _ => None,
    };
    let mut with: Vec<(Source, &Arc<Policy>)> = Vec::new();
    for one in tries {
        match &one.what {
            What::Without(statement) => statements.without.push(statement),
            What::Covering(statement) => statements.covering.push(statement),
            What::With(source, policy) => with.push((*source, policy)),
            What::Grant(grant) => {
                grants.retain(|other| other.id != grant.id);
                grants.push((**grant).clone());
            }
            What::NoGrant(gone) => grants.retain(|other| other.id != gone.id),
            What::Retiring(principal) => {
                if let Some(grant) = &mut retired {
                    grant.retiring = Some(principal.clone());
                }
            }
        }
    }
    let context = Otherwise {
        inner: scene.ask.context,
        statements,
    };
    let added = |source: Source| with.iter().find(|(of, _)| *of == source).map(|(_, p)| *p);
    let is_with = |source: Source| added(source).is_some();
    let identity: Vec<NamedPolicy<'_>> = scene
        .identity
        .iter()
        .copied()
        .chain(added(Source::IdentityPolicy).map(|policy| NamedPolicy {
            name: None,
            group: None,
            policy,
        }))
        .collect();
    let mut evidence = scene
        .evidence
        .with(|| identity.iter().copied(), || grants.iter());
    evidence.ask.context = &context;
    // A limit or a layer that allows everything limits as one that is not there; its denials are gone already.
    if is_with(Source::PermissionsBoundary) {
        evidence.boundary = None;
    }
    if let Some(policy) = added(Source::SessionPolicy) {
        evidence.session = std::slice::from_ref(policy);
    }
    if is_with(Source::ServiceControlPolicy) {
        evidence.service_control = &[];
    }
    if is_with(Source::ResourceControlPolicy) {
        evidence.resource_control = &[];
    }
    if is_with(Source::VpcEndpointPolicy) {
        evidence.endpoint = Endpoint::Open;
    }
    if let Some(grant) = &retired {
        evidence.subject = Subject::Retired(grant);
    }
    // The key policy with one statement more: either half may be what allows, and its denials are gone already.
    let Object::Key {
        owner,
        is_aws_managed,
        ..
    } = scene.object
    else {
        return combine(&evidence);
    };
    let own = combine(&evidence);
    match added(Source::KeyPolicy) {
        Some(policy) if !own.is_allow() => {
            evidence.object = Object::Key {
                owner,
                policy: Some(policy),
                bindings: None,
                is_aws_managed,
            };
            combine(&evidence)
        }
        _ => own,
    }
}
