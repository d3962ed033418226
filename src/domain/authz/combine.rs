//! The rules of section D: evidence that was gathered → a decision. Pure; looks nothing up.
//!
//! Imports ids, policy, state's facts of grants. The order is that of the specification: what denies, what
//! every policy layer must allow, key policy and identity policies, grants.

mod grant;

use std::fmt;
use std::sync::Arc;

use super::decision::{DecidedBy, Decision, Denial, Missing, Source, StatementRef};
use super::request::Use;
use crate::domain::effort::Effort;
use crate::domain::ids::{AccountId, NodeId, ServicePrincipal, text_of};
use crate::domain::policy::{Action, Ask, Bindings, KmsAction, Policy, Statement, Ways, Who};
use crate::domain::state::grant::{
    ConstraintKeyCase, EncryptionContext, Grant, GrantConstraints, GrantOperation, GrantOperations,
    GrantPrincipal,
};

pub(super) use grant::{
    Grantee, Offered, admits, constraint_findings, grantee_match, operation_of,
};

/// What the action is done to.
#[derive(Clone, Copy)]
pub enum Object<'a> {
    /// A key: its policy and its grants count.
    Key {
        /// The account that owns it.
        owner: AccountId,
        /// Its policy.
        policy: Option<&'a Policy>,
        /// To whom the principals of its policy are bound (ID-18).
        bindings: Option<&'a dyn Bindings>,
        /// AWS managed keys are out of reach of resource control policies (D-3).
        is_aws_managed: bool,
    },
    /// An alias, a principal, or nothing: identity policies alone decide (P-12, D-14).
    Other {
        /// The account that it belongs to.
        owner: AccountId,
    },
}

/// The grant that the action is about.
#[derive(Clone, Copy)]
pub enum Subject<'a> {
    /// None.
    Nothing,
    /// The grant that CreateGrant would make (G-12, G-13).
    NewGrant {
        /// Its operations.
        operations: GrantOperations,
        /// Its constraints.
        constraints: &'a GrantConstraints,
    },
    /// The grant that RetireGrant would end (G-50).
    Retired(&'a Grant),
    /// The use that Consume would spend (EC-13).
    Use(Use),
}

/// An identity policy and its name.
#[derive(Clone, Copy)]
pub struct NamedPolicy<'a> {
    /// Its name, where it has one.
    pub name: Option<&'a Arc<str>>,
    /// The name of the group that has it; `None`: the caller itself.
    pub group: Option<&'a str>,
    /// The policy.
    pub policy: &'a Policy,
}

/// The policies of one kind at one level of an organization (D-3).
#[derive(Clone, Copy, Debug, Default)]
pub struct Level<'a> {
    /// Where they are attached, if that is known.
    pub node: Option<&'a NodeId>,
    /// The policies by name; an empty name stands for none.
    pub policies: &'a [(Arc<str>, Arc<Policy>)],
}

/// Policies of an organization: each level must allow (D-3). No levels: none is attached.
pub type Levels<'a> = &'a [Level<'a>];

/// What the VPC endpoint that a request came through says of it (D-3).
#[derive(Clone, Copy, Debug, Default)]
pub enum Endpoint<'a> {
    /// The request came through none, or through one with the default policy, which allows everything.
    #[default]
    Open,
    /// Its policy, which must allow.
    Policy(&'a Policy),
    /// It came through one that nobody has told of. What its policy would say is not known: nothing is allowed.
    Unknown,
}

impl<'a> From<Option<&'a Policy>> for Endpoint<'a> {
    fn from(policy: Option<&'a Policy>) -> Self {
        policy.map_or(Self::Open, Self::Policy)
    }
}

/// What a decision may have to go through, more than once or not at all: each time it is made anew, and until then it
/// costs nothing. A closure that returns an iterator is one.
pub trait Iterable<T> {
    /// Each of its items, in order.
    fn iter(&self) -> impl Iterator<Item = T>;
}

impl<T, F, I> Iterable<T> for F
where
    F: Fn() -> I,
    I: Iterator<Item = T>,
{
    fn iter(&self) -> impl Iterator<Item = T> {
        self()
    }
}

/// Everything that a decision rests on.
#[derive(Clone)]
pub struct Evidence<'a, P, G> {
    /// The question, as policies see it. `has_boundary` must say whether `boundary` is there.
    pub ask: Ask<'a>,
    /// The resource's text in messages; absent where there is none.
    pub resource: Option<&'a dyn fmt::Display>,
    /// What the action is done to.
    pub object: Object<'a>,
    /// The caller's identity policies, those of its groups included.
    pub identity: P,
    /// The caller's permissions boundary.
    pub boundary: Option<&'a Policy>,
    /// The policies of the caller's session; empty when none was passed. That limits nothing of a role's session, and
    /// leaves a federated user without permissions of its own (D-19).
    pub session: &'a [Arc<Policy>],
    /// Service control policies on the caller's account.
    pub service_control: Levels<'a>,
    /// Resource control policies on the owner's account.
    pub resource_control: Levels<'a>,
    /// The VPC endpoint that the request came through.
    pub endpoint: Endpoint<'a>,
    /// Grants that may concern the caller. Others are harmless.
    pub grants: G,
    /// The encryption context of the request, for constraints (G-25).
    pub encryption_context: &'a EncryptionContext,
    /// How its keys compare with those of constraints (G-26).
    pub constraint_key_case: ConstraintKeyCase,
    /// The grant that the action is about.
    pub subject: Subject<'a>,
}

impl<'a, P, G> Evidence<'a, P, G> {
    /// What the request offers to the constraints of grants.
    pub(super) const fn offered(&self) -> Offered<'a> {
        Offered {
            encryption_context: self.encryption_context,
            keys: self.ask.context,
            key_case: self.constraint_key_case,
        }
    }

    /// The same evidence with other identity policies and other grants.
    pub(super) fn with<Q, H>(&self, identity: Q, grants: H) -> Evidence<'a, Q, H> {
        Evidence {
            ask: self.ask,
            resource: self.resource,
            object: self.object,
            identity,
            boundary: self.boundary,
            session: self.session,
            service_control: self.service_control,
            resource_control: self.resource_control,
            endpoint: self.endpoint,
            grants,
            encryption_context: self.encryption_context,
            constraint_key_case: self.constraint_key_case,
            subject: self.subject,
        }
    }
}

/// Decides.
pub fn combine<'a, P, G>(evidence: &Evidence<'a, P, G>) -> Decision
where
    P: Iterable<NamedPolicy<'a>>,
    G: Iterable<&'a Grant>,
{
    let no = match decide(evidence) {
        Ok(by) if !is_cut(evidence.ask.context.effort()) => return Decision::allow(by),
        Ok(_) => No::Implicit(Missing::KeyPolicy),
        Err(no) => no,
    };
    let denial = Denial {
        caller: text_of(evidence.ask.who),
        action: evidence.ask.action.clone(),
        resource: evidence.resource.map(text_of),
    };
    match no {
        No::Explicit(by) => Decision::explicit_deny(*by, denial),
        No::Implicit(missing) => Decision::implicit_deny(missing, denial),
    }
}

/// Of work that was cut nothing is known: it must not allow, whoever forgets to look.
fn is_cut(effort: Option<&Effort<'_>>) -> bool {
    effort.is_some_and(Effort::is_cut)
}

enum No {
    Explicit(Box<DecidedBy>),
    Implicit(Missing),
}

fn decide<'a, P, G>(evidence: &Evidence<'a, P, G>) -> Result<DecidedBy, No>
where
    P: Iterable<NamedPolicy<'a>>,
    G: Iterable<&'a Grant>,
{
    let is_retirement = matches!(evidence.ask.action, Action::Kms(KmsAction::RetireGrant));
    refuse_explicitly(evidence, is_retirement)?;
    require_layers(evidence, is_retirement)?;
    match evidence.object {
        Object::Key { owner, .. } if is_retirement => retire(evidence, owner),
        Object::Key {
            owner,
            policy,
            bindings,
            ..
        } => decide_on_key(evidence, owner, policy, bindings),
        Object::Other { owner } => {
            if evidence.ask.who.account() != Some(owner) {
                return Err(No::Implicit(Missing::CrossAccount));
            }
            identity_allow(evidence)
        }
    }
}

/// D-2, in the order of M-4. G-52: neither key policy nor resource control policies reach RetireGrant.
fn refuse_explicitly<'a, P, G>(evidence: &Evidence<'a, P, G>, is_retirement: bool) -> Result<(), No>
where
    P: Iterable<NamedPolicy<'a>>,
{
    let ask = &evidence.ask;
    let deny = |source: Source, name: Name<'_>, found: Option<(usize, &Statement)>| match found {
        Some((index, statement)) => {
            let statement = Some(statement_ref(name, index, statement));
            Err(No::Explicit(Box::new(DecidedBy {
                source,
                statement,
                enabled_by: None,
                grant: None,
            })))
        }
        None => Ok(()),
    };
    if is_under_service_control(&ask.who) {
        for (name, policy) in all(evidence.service_control) {
            let found = policy.denying(ask, None);
            deny(Source::ServiceControlPolicy, name, found)?;
        }
    }
    if is_under_resource_control(&ask.who, &evidence.object, is_retirement) {
        for (name, policy) in all(evidence.resource_control) {
            let found = policy.denying(ask, None);
            deny(Source::ResourceControlPolicy, name, found)?;
        }
    }
    if let Endpoint::Policy(policy) = evidence.endpoint {
        let found = policy.denying(ask, None);
        deny(Source::VpcEndpointPolicy, Name::None, found)?;
    }
    if let Object::Key {
        policy: Some(policy),
        bindings,
        ..
    } = evidence.object
        && !is_retirement
    {
        let found = policy.denying(ask, bindings);
        deny(Source::KeyPolicy, Name::None, found)?;
    }
    for named in evidence.identity.iter() {
        let found = named.policy.denying(ask, None);
        deny(Source::IdentityPolicy, named.shown(), found)?;
    }
    if let Some(policy) = evidence.boundary {
        let found = policy.denying(ask, None);
        deny(Source::PermissionsBoundary, Name::None, found)?;
    }
    for policy in evidence.session {
        let found = policy.denying(ask, None);
        deny(Source::SessionPolicy, Name::None, found)?;
    }
    Ok(())
}

/// D-3: layers that must allow, whatever else does.
fn require_layers<P, G>(evidence: &Evidence<'_, P, G>, is_retirement: bool) -> Result<(), No> {
    let ask = &evidence.ask;
    let all_allow = |levels: Levels<'_>| {
        levels.iter().all(|level| {
            let mut policies = level.policies.iter();
            policies.any(|(_, policy)| policy.allowing(ask, None).next().is_some())
        })
    };
    if is_under_service_control(&ask.who) && !all_allow(evidence.service_control) {
        return Err(No::Implicit(Missing::ServiceControlPolicy));
    }
    if is_under_resource_control(&ask.who, &evidence.object, is_retirement)
        && !all_allow(evidence.resource_control)
    {
        return Err(No::Implicit(Missing::ResourceControlPolicy));
    }
    // D-20: the task policy of a root session is its only measure: neither being named nor a grant makes up for it.
    if matches!(ask.who, Who::Root { .. })
        && is_session_limited(&ask.who, evidence.session)
        && !any_allows(evidence.session, ask)
    {
        return Err(No::Implicit(Missing::SessionPolicy));
    }
    match evidence.endpoint {
        Endpoint::Policy(policy) if policy.allowing(ask, None).next().is_none() => {
            Err(No::Implicit(Missing::EndpointPolicy))
        }
        Endpoint::Unknown => Err(No::Implicit(Missing::Endpoint)),
        Endpoint::Policy(_) | Endpoint::Open => Ok(()),
    }
}

/// D-3: not services, not service-linked roles.
pub(super) const fn is_under_service_control(who: &Who<'_>) -> bool {
    !matches!(who, Who::Service { .. }) && linked_service(who).is_none()
}

/// D-3: whoever calls but a service-linked role, and on the keys of customers alone.
pub(super) const fn is_under_resource_control(
    who: &Who<'_>,
    object: &Object<'_>,
    is_retirement: bool,
) -> bool {
    matches!(
        object,
        Object::Key {
            is_aws_managed: false,
            ..
        }
    ) && !is_retirement
        && linked_service(who).is_none()
}

/// D-18: the service of a caller that is a session of a service-linked role. The state says so, and not the path.
pub(super) const fn linked_service<'a>(who: &Who<'a>) -> Option<&'a ServicePrincipal> {
    match who {
        Who::RoleSession { service, .. } => *service,
        Who::Root { .. } | Who::User { .. } | Who::FederatedUser { .. } | Who::Service { .. } => {
            None
        }
    }
}

/// D-4 to D-10.
fn decide_on_key<'a, P, G>(
    evidence: &Evidence<'a, P, G>,
    owner: AccountId,
    policy: Option<&'a Policy>,
    bindings: Option<&'a dyn Bindings>,
) -> Result<DecidedBy, No>
where
    P: Iterable<NamedPolicy<'a>>,
    G: Iterable<&'a Grant>,
{
    let ask = &evidence.ask;
    let account = ask.who.account();
    let is_own = account == Some(owner);
    let reaches_others = matches!(ask.action, Action::Kms(action) if action.is_cross_account());
    if !is_own && account.is_some() && !reaches_others {
        return Err(No::Implicit(Missing::CrossAccount));
    }

    let (mut unlimited, mut limited, mut by_account) = (None, None, None);
    for (index, statement, ways) in policy
        .into_iter()
        .flat_map(|policy| policy.allowing(ask, bindings))
    {
        let found = Some((index, statement));
        if ways.and(Ways::DIRECT).without(Ways::LIMITED).is_none() {
            if ways.intersects(Ways::LIMITED) {
                limited = limited.or(found);
            }
        } else {
            unlimited = unlimited.or(found);
        }
        if ways.intersects(Ways::ACCOUNT) {
            by_account = by_account.or(found);
        }
    }
    let key_policy =
        |(index, statement): (usize, &Statement)| statement_ref(Name::None, index, statement);
    let by_key = |found| DecidedBy {
        source: Source::KeyPolicy,
        statement: Some(key_policy(found)),
        enabled_by: None,
        grant: None,
    };

    // D-4, P-23: naming the caller is enough in its own account, and for a service, which has none.
    if is_own || account.is_none() {
        // D-7.
        if let (Who::Root { .. }, Some(found)) = (&ask.who, by_account) {
            return Ok(by_key(found));
        }
        if let Some(found) = unlimited {
            // The first that allows is told, and one that is limited allows where the limits do (D-12).
            let earlier = limited.filter(|(index, _)| *index < found.0);
            return Ok(by_key(match earlier {
                Some(earlier) if is_own && within_limits(evidence).is_ok() => earlier,
                Some(_) | None => found,
            }));
        }
    }
    let direct = unlimited.or(limited);
    let missing = match (direct.or(by_account), account) {
        (None, None) => Missing::KeyPolicy,
        (Some(found), None) => return Ok(by_key(found)),
        // Which policy type to name (M-2).
        (None, Some(_)) => match identity_allow(evidence) {
            Err(No::Implicit(missing)) if is_own => missing,
            _ => Missing::KeyPolicy,
        },
        (Some(found), Some(_)) => {
            // D-12: a role's own ARN is limited by what boundary and session policy do not allow.
            if is_own && let Some(found) = limited {
                match within_limits(evidence) {
                    Ok(()) => return Ok(by_key(found)),
                    Err(no) if by_account.is_none() => return grant_or(evidence, no),
                    Err(_) => {}
                }
            }
            match identity_allow(evidence) {
                Ok(by) if is_own => {
                    return Ok(DecidedBy {
                        enabled_by: Some(key_policy(found)),
                        ..by
                    });
                }
                Ok(by) => {
                    return Ok(DecidedBy {
                        source: Source::KeyAndIdentityPolicy,
                        enabled_by: Some(key_policy(found)),
                        ..by
                    });
                }
                Err(No::Implicit(missing)) => missing,
                Err(no) => return Err(no),
            }
        }
    };
    grant_or(evidence, No::Implicit(missing))
}

/// D-10: a grant, or else the refusal.
fn grant_or<'a, P, G>(evidence: &Evidence<'a, P, G>, no: No) -> Result<DecidedBy, No>
where
    P: Iterable<NamedPolicy<'a>>,
    G: Iterable<&'a Grant>,
{
    let Action::Kms(action) = evidence.ask.action else {
        return Err(no);
    };
    let Some(operation) = operation_of(*action) else {
        return Err(no);
    };
    for grant in evidence.grants.iter() {
        if !grant.operations.contains(operation)
            || !admits(grant, *action, evidence.offered(), &evidence.subject)
        {
            continue;
        }
        let by_account = match grantee_match(&grant.grantee, &evidence.ask.who) {
            Grantee::Other => continue,
            Grantee::Caller => false,
            Grantee::Account => true,
        };
        // U-3: a grant to an account delegates to it: its identity policies must allow.
        let statement = if by_account {
            match identity_allow(evidence) {
                Ok(by) => by.statement,
                Err(_) => continue,
            }
        } else {
            None
        };
        return Ok(DecidedBy {
            source: Source::Grant,
            statement,
            enabled_by: None,
            grant: Some(grant.id),
        });
    }
    Err(no)
}

/// D-11: what the caller's own account allows it: identity policies within boundary and session policy.
/// The root user's identity permissions are unlimited (D-7).
fn identity_allow<'a, P, G>(evidence: &Evidence<'a, P, G>) -> Result<DecidedBy, No>
where
    P: Iterable<NamedPolicy<'a>>,
{
    if matches!(evidence.ask.who, Who::Root { .. }) {
        return Ok(DecidedBy::of(Source::Account));
    }
    let allowing = evidence.identity.iter().find_map(|named| {
        let (index, statement, _) = named.policy.allowing(&evidence.ask, None).next()?;
        Some(statement_ref(named.shown(), index, statement))
    });
    let Some(statement) = allowing else {
        return Err(No::Implicit(Missing::IdentityPolicy));
    };
    within_limits(evidence)?;
    Ok(DecidedBy {
        source: Source::IdentityPolicy,
        statement: Some(statement),
        enabled_by: None,
        grant: None,
    })
}

/// Whether boundary and session policy, where there are any, allow.
fn within_limits<P, G>(evidence: &Evidence<'_, P, G>) -> Result<(), No> {
    let allows = |policy: &Policy| policy.allowing(&evidence.ask, None).next().is_some();
    if evidence.boundary.is_some_and(|policy| !allows(policy)) {
        return Err(No::Implicit(Missing::Boundary));
    }
    if is_session_limited(&evidence.ask.who, evidence.session)
        && !any_allows(evidence.session, &evidence.ask)
    {
        return Err(No::Implicit(Missing::SessionPolicy));
    }
    Ok(())
}

fn any_allows(policies: &[Arc<Policy>], ask: &Ask<'_>) -> bool {
    let mut policies = policies.iter();
    policies.any(|policy| policy.allowing(ask, None).next().is_some())
}

/// Whether a policy of the session must allow. To the session of a role none need be passed; the session of a federated
/// user has nothing of its user's permissions without one (D-19).
pub(super) fn is_session_limited(who: &Who<'_>, session: &[Arc<Policy>]) -> bool {
    match who {
        Who::FederatedUser { .. } => true,
        Who::Root { .. } | Who::User { .. } | Who::RoleSession { .. } | Who::Service { .. } => {
            !session.is_empty()
        }
    }
}

/// G-50 to G-54: who may retire a grant.
fn retire<'a, P, G>(evidence: &Evidence<'a, P, G>, owner: AccountId) -> Result<DecidedBy, No>
where
    P: Iterable<NamedPolicy<'a>>,
    G: Iterable<&'a Grant>,
{
    let by_right = |grant: &Grant| -> Option<DecidedBy> {
        let retiring = grant
            .retiring
            .as_ref()
            .map(|retiring| grantee_match(retiring, &evidence.ask.who));
        let grantee = grantee_match(&grant.grantee, &evidence.ask.who);
        let may = matches!(retiring, Some(Grantee::Caller))
            || (matches!(grantee, Grantee::Caller)
                && grant.operations.contains(GrantOperation::RetireGrant));
        may.then(|| DecidedBy {
            grant: Some(grant.id),
            ..DecidedBy::of(Source::Grant)
        })
    };
    let subject = match evidence.subject {
        Subject::Retired(grant) => Some(grant),
        Subject::Nothing | Subject::NewGrant { .. } | Subject::Use(_) => None,
    };
    // A question that does not say which grant is meant asks whether the caller could retire any.
    let right = match subject {
        Some(grant) => by_right(grant),
        None => evidence.grants.iter().find_map(by_right),
    };
    if let Some(by) = right {
        return Ok(by);
    }
    let Some(account) = evidence.ask.who.account() else {
        return Err(No::Implicit(Missing::RetirementRight));
    };
    let retiring_account = subject.and_then(|grant| match &grant.retiring {
        Some(GrantPrincipal::Arn { arn, .. }) if arn.is_root() => Some(arn.account()),
        _ => None,
    });
    let grantee_account = subject.and_then(|grant| match &grant.grantee {
        GrantPrincipal::Arn { arn, .. }
            if arn.is_root() && grant.operations.contains(GrantOperation::RetireGrant) =>
        {
            Some(arn.account())
        }
        _ => None,
    });
    let is_entitled = account == owner
        || subject.is_some_and(|grant| grant.issuing_account == account)
        || retiring_account == Some(account)
        || grantee_account == Some(account);
    if !is_entitled {
        return Err(No::Implicit(Missing::RetirementRight));
    }
    identity_allow(evidence)
}

/// How a policy is called in a decision; put together only where a statement of it decides.
#[derive(Clone, Copy)]
pub(super) enum Name<'a> {
    /// There is one of its kind at the most.
    None,
    /// Its own name.
    Own(&'a Arc<str>),
    /// `group NAME / policy`.
    OfGroup(&'a str, &'a str),
    /// `node / policy`.
    OfNode(&'a NodeId, &'a str),
}

impl Name<'_> {
    /// As decisions show it.
    pub(super) fn shown(self) -> Option<Arc<str>> {
        match self {
            Self::None => None,
            Self::Own(name) => Some(Arc::clone(name)),
            Self::OfGroup(group, name) => Some(format!("group {group} / {name}").into()),
            Self::OfNode(node, name) => Some(format!("{node} / {name}").into()),
        }
    }
}

impl<'a> NamedPolicy<'a> {
    /// How decisions call it.
    pub(super) fn shown(&self) -> Name<'a> {
        match (self.group, self.name) {
            (Some(group), name) => Name::OfGroup(group, name.map_or("", |name| name)),
            (None, Some(name)) => Name::Own(name),
            (None, None) => Name::None,
        }
    }
}

/// Every policy of every level, with its name.
fn all<'a>(levels: Levels<'a>) -> impl Iterator<Item = (Name<'a>, &'a Policy)> {
    levels.iter().flat_map(Level::named)
}

impl<'a> Level<'a> {
    /// Its policies, with how decisions call them.
    pub(super) fn named(&self) -> impl Iterator<Item = (Name<'a>, &'a Policy)> + use<'a> {
        let node = self.node;
        self.policies.iter().map(move |(name, policy)| {
            let shown = match node {
                Some(node) => Name::OfNode(node, name),
                None if name.is_empty() => Name::None,
                None => Name::Own(name),
            };
            (shown, &**policy)
        })
    }
}

fn statement_ref(policy: Name<'_>, index: usize, statement: &Statement) -> StatementRef {
    StatementRef {
        policy: policy.shown(),
        sid: statement.sid().cloned(),
        index: u32::try_from(index).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests;
