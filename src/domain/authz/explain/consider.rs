//! What was considered: every statement of every policy that concerns the request, and every grant that concerns the
//! caller.

use std::sync::Arc;

use super::{Finding, Line, Section};
use crate::domain::authz::caller::Identity;
use crate::domain::authz::combine::{
    Endpoint, Evidence, Grantee, Iterable, NamedPolicy, Object, Subject, admits,
    constraint_findings, grantee_match, is_session_limited, is_under_resource_control,
    is_under_service_control, linked_service, operation_of,
};
use crate::domain::authz::decision::{Decision, Missing, Source};
use crate::domain::authz::gather::holders;
use crate::domain::authz::request::{Request, Target};
use crate::domain::effort::{Effort, spend};
use crate::domain::ids::{AccountId, GrantId, PrincipalArn, UniqueId};
use crate::domain::limits::{EXPLAINED_GRANTS_MAX, EXPLAINED_STATEMENTS_MAX};
use crate::domain::policy::{
    Action, Ask, Bindings, Condition, ContextKey, ContextValue, Findings, KmsAction, KnownKey,
    Outline, Policy, PolicyPrincipal, Says, Statement, Ways, Who,
};
use crate::domain::state::State;
use crate::domain::state::former::Former;
use crate::domain::state::grant::{
    ConstraintKeyCase, ContextConstraint, EncryptionContext, Grant, GrantOperation, GrantPrincipal,
};
use crate::domain::time::Timestamp;

const SESSION_TITLE: &str = "the policy of the session";
const ENDPOINT_TITLE: &str = "the VPC endpoint's policy: it must allow";

/// Most characters that are shown of a value of the request.
const VALUE_SHOWN_MAX: usize = 256;
/// Most values that are shown of a multivalued key.
const VALUES_SHOWN_MAX: usize = 16;
/// Most former principals of a statement, and most of their grants, that are told.
const FORMER_SHOWN_MAX: usize = 3;

/// A policy that concerns the request, and how it is called.
#[derive(Clone)]
pub(super) struct Attached<'e> {
    pub source: Source,
    pub name: Option<Arc<str>>,
    pub policy: &'e Policy,
    pub bindings: Option<&'e dyn Bindings>,
    /// Its level, of policies of an organization.
    pub level: usize,
}

/// Everything that an explanation is about.
pub(super) struct Scene<'e> {
    pub ask: Ask<'e>,
    pub object: Object<'e>,
    pub resource: Option<&'e dyn std::fmt::Display>,
    pub policies: Vec<Attached<'e>>,
    /// The policies that are the caller's own, in the form that the decision takes them.
    pub identity: Vec<NamedPolicy<'e>>,
    pub evidence: Evidence<'e, (), ()>,
    /// Every grant on the key that names the caller or its account, and those that tokens bring.
    pub grants: Vec<&'e Grant>,
    /// Grants on the key that name a former principal of the caller's name (ID-18).
    pub former_grants: Vec<&'e Grant>,
    /// The principals that the key policy names and that are gone (ID-18).
    pub former: Vec<Former>,
    /// How many more there are than are told.
    pub more_grants: u32,
    pub is_retirement: bool,
    /// The time of the decision.
    pub now: Timestamp,
}

impl<'e> Scene<'e> {
    pub fn new<P, G>(
        evidence: &Evidence<'e, P, G>,
        on_key: impl Iterator<Item = &'e Grant>,
        former: Vec<Former>,
        decides: Option<GrantId>,
        now: Timestamp,
    ) -> Self
    where
        P: Iterable<NamedPolicy<'e>>,
    {
        let ask = evidence.ask;
        let is_retirement = matches!(ask.action, Action::Kms(KmsAction::RetireGrant));
        let identity: Vec<_> = evidence.identity.iter().collect();
        let mut policies = Vec::new();
        let mut put = |source, name, policy, bindings, level| {
            policies.push(Attached {
                source,
                name,
                policy,
                bindings,
                level,
            });
        };
        if is_under_service_control(&ask.who) {
            for (level, name, policy) in levels(evidence.service_control) {
                put(Source::ServiceControlPolicy, name, policy, None, level);
            }
        }
        if is_under_resource_control(&ask.who, &evidence.object, is_retirement) {
            for (level, name, policy) in levels(evidence.resource_control) {
                put(Source::ResourceControlPolicy, name, policy, None, level);
            }
        }
        if let Endpoint::Policy(policy) = evidence.endpoint {
            put(Source::VpcEndpointPolicy, None, policy, None, 0);
        }
        if let Object::Key {
            policy: Some(policy),
            bindings,
            ..
        } = evidence.object
            && !is_retirement
        {
            put(Source::KeyPolicy, None, policy, bindings, 0);
        }
        for named in &identity {
            put(
                Source::IdentityPolicy,
                named.shown().shown(),
                named.policy,
                None,
                0,
            );
        }
        if let Some(policy) = evidence.boundary {
            put(Source::PermissionsBoundary, None, policy, None, 0);
        }
        for policy in evidence.session {
            put(Source::SessionPolicy, None, policy, None, 0);
        }
        let operation = match ask.action {
            Action::Kms(action) => operation_of(*action).map(|operation| (*action, operation)),
            Action::Other(_) => None,
        };
        let misfit = |grant: &Grant| match operation {
            _ if decides == Some(grant.id) => 0,
            Some((action, operation)) if grant.operations.contains(operation) => {
                let fits = admits(grant, action, evidence.offered(), &evidence.subject);
                if fits && !grant.is_expired(now) { 1 } else { 2 }
            }
            Some(_) | None => 3,
        };
        let effort = ask.context.effort();
        let OnKey {
            grants,
            more: more_grants,
            former: former_grants,
        } = grants_of(on_key, &ask.who, is_retirement, effort, misfit);
        Self {
            ask,
            object: evidence.object,
            resource: evidence.resource,
            policies,
            identity,
            evidence: evidence.with((), ()),
            grants,
            former_grants,
            former,
            more_grants,
            is_retirement,
            now,
        }
    }

    /// The principals that a statement names and that are gone: those of the caller's own name first.
    pub fn former_in(&self, statement: &Statement) -> Vec<&Former> {
        let names = |former: &&Former| {
            statement
                .principals()
                .iter()
                .any(|named| matches!(named, PolicyPrincipal::Arn(named) if *named == former.arn))
        };
        let mut found: Vec<&Former> = self.former.iter().filter(names).collect();
        found.sort_by_key(|former| !is_name_of(&self.ask.who, &former.arn));
        found
    }

    /// The statement names somebody who had the caller's name (ID-18).
    pub fn names_former_self(&self, statement: &Statement) -> bool {
        let found = self.former_in(statement);
        found
            .first()
            .is_some_and(|former| is_name_of(&self.ask.who, &former.arn))
    }

    /// Which half of the permission to put another key policy is missing.
    pub fn shortfall(&self, decision: &Decision) -> String {
        const STATEMENTS_MAX: usize = 3;
        let (who, action) = (&self.ask.who, self.ask.action);
        let missing = match decision.missing() {
            Some(missing) => missing,
            // Something denies, whatever allows.
            None => {
                return format!(
                    "{action} is {decision}: the check is passed by a policy under which nothing denies it to {who}"
                );
            }
        };
        let ways = self.key_policy_ways();
        let holds = ways.intersects(Ways::DIRECT) || ways.intersects(Ways::ACCOUNT);
        match (missing, who.account()) {
            (
                Missing::IdentityPolicy | Missing::Boundary | Missing::SessionPolicy,
                Some(account),
            ) if holds => {
                let half = if ways.intersects(Ways::DIRECT) {
                    format!(
                        "the new policy allows {action} to the caller's role, within the limits of its session"
                    )
                } else {
                    format!(
                        "the new policy leaves {action} to account {account}, whose identity policies decide"
                    )
                };
                format!("{half}; what is missing is there, and not in the key policy: {decision}")
            }
            (
                Missing::ServiceControlPolicy
                | Missing::ResourceControlPolicy
                | Missing::EndpointPolicy
                | Missing::Endpoint,
                _,
            ) => format!("whatever the new policy says of {action}, {decision}"),
            _ if holds => {
                format!("the new policy allows {action} to the caller, and yet {decision}")
            }
            _ => {
                let whom = match who.account() {
                    Some(account) => format!("{who}, or its account {account}, call {action}"),
                    None => format!("{who} call {action}"),
                };
                let (lines, untold) = self.lines(false, |source| source == Source::KeyPolicy);
                let shown: Vec<String> = lines.iter().take(STATEMENTS_MAX).map(why_not).collect();
                let more = lines.len().saturating_sub(STATEMENTS_MAX);
                let more = match more.saturating_add(usize::try_from(untold).unwrap_or(usize::MAX))
                {
                    0 => String::new(),
                    more => format!("; and {more} more"),
                };
                let because = if shown.is_empty() {
                    "it has no statement that allows".to_owned()
                } else {
                    format!("because {}{more}", shown.join("; "))
                };
                format!("no statement of the new policy lets {whom}: {because}")
            }
        }
    }

    /// The account that owns what the action is done to.
    pub const fn owner(&self) -> AccountId {
        match self.object {
            Object::Key { owner, .. } | Object::Other { owner } => owner,
        }
    }

    pub const fn is_on_key(&self) -> bool {
        matches!(self.object, Object::Key { .. })
    }

    pub fn is_own(&self) -> bool {
        self.ask.who.account() == Some(self.owner())
    }

    /// Every stage, in the order of the evaluation.
    pub fn sections(&self) -> Vec<Section> {
        let mut sections = vec![self.denies()];
        let layers = [
            Source::ServiceControlPolicy,
            Source::ResourceControlPolicy,
            Source::VpcEndpointPolicy,
        ];
        for source in layers {
            if self.policies.iter().any(|policy| policy.source == source) {
                sections.push(self.layer(source));
            }
        }
        sections.extend(self.linked_role());
        if matches!(self.evidence.endpoint, Endpoint::Unknown) {
            sections.push(section(
                &["D-3"],
                ENDPOINT_TITLE,
                "the endpoint is not known here, nor what its policy allows: the request is denied"
                    .to_owned(),
                (Vec::new(), 0),
            ));
        }
        if self.is_retirement {
            sections.push(self.retirement());
        } else if self.is_on_key() {
            sections.push(self.reach());
            sections.push(self.key_policy());
        } else {
            sections.push(self.other_owner());
        }
        sections.push(self.identity_policies());
        for source in [Source::PermissionsBoundary, Source::SessionPolicy] {
            if self.policies.iter().any(|policy| policy.source == source) {
                sections.push(self.layer(source));
            }
        }
        if is_session_limited(&self.ask.who, self.evidence.session)
            && self.evidence.session.is_empty()
        {
            sections.push(section(
                &["D-19"],
                SESSION_TITLE,
                "none was passed, so the federated user has none of its user's permissions: what names the session itself, or everyone, is all that it has"
                    .to_owned(),
                (Vec::new(), 0),
            ));
        }
        if self.is_on_key() && !self.is_retirement {
            sections.push(self.grants());
        }
        sections
    }

    /// The lines of the statements with an effect, of the policies of some sources. What applies stands first, for it
    /// decides; of the rest no more is told than the bound.
    fn lines(&self, is_deny: bool, wanted: impl Fn(Source) -> bool) -> (Vec<Line>, u32) {
        let mut found = Vec::new();
        for attached in self.policies.iter().filter(|a| wanted(a.source)) {
            let statements = attached.policy.statements().iter().enumerate();
            for (index, statement) in statements.filter(|(_, s)| s.is_deny() == is_deny) {
                let applies = statement.findings(&self.ask, attached.bindings).applies();
                found.push((!applies, attached, index, statement));
            }
        }
        found.sort_by_key(|(is_idle, ..)| *is_idle);
        let untold = found.len().saturating_sub(EXPLAINED_STATEMENTS_MAX);
        found.truncate(EXPLAINED_STATEMENTS_MAX);
        let mut outlines: Vec<(*const Policy, Vec<Outline>)> = Vec::new();
        let lines = found.into_iter().map(|(_, attached, index, statement)| {
            let policy: *const Policy = attached.policy;
            if outlines.last().is_none_or(|(of, _)| *of != policy) {
                outlines.push((policy, attached.policy.outline(self.ask.context.effort())));
            }
            let outline = outlines.last().and_then(|(_, outline)| outline.get(index));
            self.line(
                attached,
                index,
                statement,
                &outline.cloned().unwrap_or_default(),
            )
        });
        let lines = lines.collect();
        (lines, u32::try_from(untold).unwrap_or(u32::MAX))
    }

    fn line(
        &self,
        attached: &Attached<'e>,
        index: usize,
        statement: &Statement,
        outline: &Outline,
    ) -> Line {
        let findings = statement.findings(&self.ask, attached.bindings);
        let applies = findings.applies();
        let told = self.findings(attached, statement, &findings, outline);
        let rule = match told.iter().find(|finding| !finding.holds) {
            Some(failed) => failed.rule.clone(),
            None if statement.is_deny() => "D-2".to_owned(),
            None => self
                .rule_of_allow(attached.source, findings.ways)
                .to_owned(),
        };
        Line {
            rule,
            source: attached.source,
            policy: attached.name.clone(),
            statement: u32::try_from(index.saturating_add(1)).ok(),
            sid: statement.sid().cloned(),
            grant: None,
            is_deny: statement.is_deny(),
            applies,
            findings: told,
        }
    }

    fn rule_of_allow(&self, source: Source, ways: Ways) -> &'static str {
        match source {
            Source::KeyPolicy if ways.intersects(Ways::EVERYONE) => "P-22",
            Source::KeyPolicy if ways.intersects(Ways::SERVICE) => "P-23",
            Source::KeyPolicy if ways.intersects(Ways::NOT_LISTED) => "P-24",
            Source::KeyPolicy if ways.intersects(Ways::DIRECT) => "P-21",
            Source::KeyPolicy => "P-20",
            Source::PermissionsBoundary | Source::SessionPolicy => "D-11",
            Source::ServiceControlPolicy
            | Source::ResourceControlPolicy
            | Source::VpcEndpointPolicy => "D-3",
            _ if !self.is_on_key() => "P-12",
            _ if self.is_own() => "D-5",
            _ => "D-8",
        }
    }

    /// What failed of a statement, then what held of its conditions.
    fn findings(
        &self,
        attached: &Attached<'e>,
        statement: &Statement,
        findings: &Findings<'_>,
        outline: &Outline,
    ) -> Vec<Finding> {
        let mut told = Vec::new();
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
        let finding = |rule: &str, element: &str, holds, wanted: String, found: String| Finding {
            rule: rule.to_owned(),
            element: element.to_owned(),
            holds,
            wanted,
            found,
        };
        if !findings.has_effect {
            let lacks = outline.actions.is_none() || outline.resources.is_none();
            let (rule, found) = if lacks {
                ("P-4", "it lacks one, and so has no effect")
            } else {
                ("C-12", "a variable in it has no value, which makes it void")
            };
            let wanted = "an action and a resource".to_owned();
            told.push(finding(rule, "effect", false, wanted, found.to_owned()));
        }
        if !findings.action {
            let found = self.ask.action.to_string();
            let wanted = text(&outline.actions);
            told.push(finding("P-10", "action", false, wanted, found));
        }
        let caller = self.ask.who.to_string();
        // Of a key policy alone: no other policy is bound to whom it names.
        let former = if attached.bindings.is_some() {
            self.former_in(statement)
        } else {
            Vec::new()
        };
        if findings.ways.is_none() {
            let mut wanted = text(&outline.principals);
            for former in former.iter().take(FORMER_SHOWN_MAX) {
                wanted.push_str(&format!("; it names {former}"));
            }
            let is_own = former
                .first()
                .is_some_and(|f| is_name_of(&self.ask.who, &f.arn));
            let (rule, found) = if is_own {
                ("ID-18", format!("{caller}, another one than was named"))
            } else if statement.is_not_principal() {
                ("P-24", caller)
            } else {
                ("P-21", caller)
            };
            told.push(finding(rule, "principal", false, wanted, found));
        } else if let Some(former) = former.first()
            && is_name_of(&self.ask.who, &former.arn)
        {
            // It matches otherwise, or because it no longer leaves the caller out: who is named is told all the same.
            let wanted = format!("{}; it names {former}", text(&outline.principals));
            let found = format!("{caller}, another one than was named");
            told.push(finding("ID-18", "principal", true, wanted, found));
        }
        if !findings.resource {
            let found = self.resource.map_or_else(
                || "no resource: the account itself".to_owned(),
                ToString::to_string,
            );
            let wanted = text(&outline.resources);
            told.push(finding("P-11", "resource", false, wanted, found));
        }
        let conditions = findings.conditions.iter().enumerate();
        let mut conditions: Vec<Finding> = conditions
            .map(|(n, (condition, holds, has_null))| Finding {
                rule: rule_of(condition, self.has(condition), *has_null).to_owned(),
                element: format!("condition {} {}", condition.operator(), condition.key()),
                holds: *holds,
                wanted: wanted_of(condition, outline.conditions.get(n)),
                found: self.value_of(condition),
            })
            .collect();
        conditions.sort_by_key(|finding| finding.holds);
        told.extend(conditions);
        told
    }

    fn has(&self, condition: &Condition) -> bool {
        self.ask.context.get(condition.key()).is_some()
    }

    /// What the request has for the key of a condition.
    fn value_of(&self, condition: &Condition) -> String {
        match self.ask.context.get(condition.key()) {
            None if self.comes_by_service(condition.key()) => {
                "the request has no such key: what a service calls for somebody does not come through that one's endpoint"
                    .to_owned()
            }
            None => "the request has no such key".to_owned(),
            Some(ContextValue::One(scalar)) => quoted(&scalar.into_text()),
            // CK-59.
            Some(ContextValue::Spelled(spellings)) => {
                let mut shown: Vec<String> = spellings
                    .pairs()
                    .take(VALUES_SHOWN_MAX)
                    .map(|(name, value)| format!("{} under `{name}`", quoted(value)))
                    .collect();
                if spellings.pairs().nth(VALUES_SHOWN_MAX).is_some() {
                    shown.push("…".to_owned());
                }
                format!(
                    "{}: names that differ in letter case alone, of which each counts",
                    shown.join(", ")
                )
            }
            Some(ContextValue::Many(values)) => {
                let (mut shown, mut count) = (Vec::new(), 0_usize);
                values.any(&mut |value| {
                    if count < VALUES_SHOWN_MAX {
                        shown.push(quoted(value));
                    }
                    count += 1;
                    false
                });
                let more = if count > shown.len() { ", …" } else { "" };
                format!("[{}{more}]", shown.join(", "))
            }
        }
    }

    /// The key tells where a call comes from, and this call comes from a service.
    fn comes_by_service(&self, key: &ContextKey) -> bool {
        let of_place = match key.says() {
            Says::Endpoint | Says::PrivateAddress => true,
            Says::Person
            | Says::CallerAccount
            | Says::Organization
            | Says::CalledVia
            | Says::ByService
            | Says::ViaService
            | Says::Address
            | Says::Source
            | Says::Key
            | Says::Pair
            | Says::Tag
            | Says::Other => false,
        };
        let via = ContextKey::Known(KnownKey::ViaService);
        let by_service =
            matches!(self.ask.who, Who::Service { .. }) || self.ask.context.get(&via).is_some();
        of_place && by_service
    }

    fn denies(&self) -> Section {
        let (lines, untold) = self.lines(true, |_| true);
        let applied = lines.iter().filter(|line| line.applies).count();
        section(
            &["D-2", "M-4"],
            "explicit denies, of every policy",
            match (applied, lines.len()) {
                (0, 0) => "there are none".to_owned(),
                (0, _) => "none applies".to_owned(),
                (n, _) => format!("{n} apply: the request is denied, whatever allows it"),
            },
            (lines, untold),
        )
    }

    /// A layer that must allow: D-3, D-11.
    fn layer(&self, source: Source) -> Section {
        let own = self.lines(false, |of| of == source);
        let is_limit = matches!(source, Source::PermissionsBoundary | Source::SessionPolicy);
        let mut levels: Vec<usize> = Vec::new();
        let mut allowing: Vec<usize> = Vec::new();
        for attached in self
            .policies
            .iter()
            .filter(|policy| policy.source == source)
        {
            levels.push(attached.level);
            if attached.policy.allowing(&self.ask, None).next().is_some() {
                allowing.push(attached.level);
            }
        }
        levels.dedup();
        let missing = levels
            .iter()
            .filter(|level| !allowing.contains(level))
            .count();
        let says = match (missing, is_limit) {
            (0, _) => "it allows the action",
            (_, true) if matches!(self.ask.who, Who::Root { .. }) => {
                "it does not allow the action, and is all that this session of the root user may do"
            }
            (_, true) => {
                "it does not allow the action: what identity policies allow, and what the key policy allows to the role's own ARN, does not count"
            }
            (_, false) => "not every level allows the action: the request is denied",
        };
        let title = match source {
            Source::ServiceControlPolicy => "service control policies: every level must allow",
            Source::ResourceControlPolicy => "resource control policies: every level must allow",
            Source::VpcEndpointPolicy => ENDPOINT_TITLE,
            Source::PermissionsBoundary => "the permissions boundary of the caller",
            _ => SESSION_TITLE,
        };
        let rules: &[&str] = if matches!(self.ask.who, Who::Root { .. }) && is_limit {
            &["D-20"]
        } else if is_limit {
            &["D-11", "D-12"]
        } else {
            &["D-3"]
        };
        section(rules, title, says.to_owned(), own)
    }

    /// D-18: why no control policy is told of.
    fn linked_role(&self) -> Option<Section> {
        let service = linked_service(&self.ask.who)?;
        let has_levels =
            !self.evidence.service_control.is_empty() || !self.evidence.resource_control.is_empty();
        has_levels.then(|| {
            section(
                &["D-3", "D-18"],
                "service and resource control policies",
                format!("they do not restrict the role: it is linked to the service {service}"),
                (Vec::new(), 0),
            )
        })
    }

    fn reach(&self) -> Section {
        let crosses = !self.is_own() && self.ask.who.account().is_some();
        let reaches = matches!(self.ask.action, Action::Kms(action) if action.is_cross_account());
        let says = match (crosses, reaches) {
            (false, _) if self.ask.who.account().is_none() => {
                "the caller is a service, in no account"
            }
            (false, _) => "caller and key are of one account: one side is enough",
            (true, true) => "caller and key are of two accounts: both sides must allow, or a grant",
            (true, false) => "the action cannot be allowed across accounts",
        };
        section(
            &["D-8"],
            "the accounts of caller and key",
            says.to_owned(),
            (Vec::new(), 0),
        )
    }

    fn other_owner(&self) -> Section {
        let says = if self.is_own() {
            "the action is about the caller's own account: identity policies alone decide"
        } else {
            "the action cannot be allowed across accounts"
        };
        section(
            &["P-12", "D-14"],
            "the account that it is about",
            says.to_owned(),
            (Vec::new(), 0),
        )
    }

    fn key_policy(&self) -> Section {
        let told = self.lines(false, |source| source == Source::KeyPolicy);
        let ways = self.key_policy_ways();
        let is_root = matches!(self.ask.who, Who::Root { .. });
        let says = match (
            ways.intersects(Ways::DIRECT),
            ways.intersects(Ways::ACCOUNT),
        ) {
            (true, _) if self.is_own() || self.ask.who.account().is_none() => {
                "it allows the caller itself"
            }
            (true, _) => "it allows the caller; the caller's own account must allow too",
            (false, true) if is_root && self.is_own() => {
                "it allows the account, which the root user is"
            }
            (false, true) => "it lets the caller's account decide by identity policies",
            (false, false) => {
                "it neither allows the caller nor lets its account decide: identity policies that allow have no effect"
            }
        };
        section(
            &["D-4", "D-5", "D-6", "D-7", "D-9"],
            "the key policy",
            says.to_owned(),
            told,
        )
    }

    /// The ways in which the key policy's applying allows match the caller.
    pub fn key_policy_ways(&self) -> Ways {
        let key_policy = self
            .policies
            .iter()
            .filter(|a| a.source == Source::KeyPolicy);
        key_policy
            .flat_map(|attached| attached.policy.allowing(&self.ask, attached.bindings))
            .fold(Ways::NONE, |all, (_, _, ways)| all.or(ways))
    }

    fn identity_policies(&self) -> Section {
        let told = self.lines(false, |source| source == Source::IdentityPolicy);
        let says = match self.ask.who {
            Who::Root { .. } => "the root user's identity permissions are unlimited (D-7)",
            Who::Service { .. } => "a service has none",
            _ if told.0.iter().any(|line| line.applies) => "they allow the action",
            _ => "none allows the action",
        };
        let rules: &[&str] = if self.is_on_key() {
            &["D-5", "D-8", "P-13"]
        } else {
            &["P-12"]
        };
        section(
            rules,
            "identity policies of the caller, those of its groups included",
            says.to_owned(),
            told,
        )
    }

    fn grants(&self) -> Section {
        let Some((action, operation)) = (match self.ask.action {
            Action::Kms(action) => operation_of(*action).map(|operation| (*action, operation)),
            Action::Other(_) => None,
        }) else {
            return section(
                &["D-10", "G-6"],
                "grants",
                "no grant can hold this action".to_owned(),
                (Vec::new(), 0),
            );
        };
        let lines: Vec<Line> = self
            .grants
            .iter()
            .map(|grant| self.grant_line(grant, action, operation.as_str()))
            .collect();
        let says = if lines.iter().any(|line| line.applies) {
            "one that allows is enough, if nothing before decided"
        } else if lines.is_empty() && !self.former_grants.is_empty() {
            "no grant on the key is the caller's: there is one of a former principal of its name"
        } else if lines.is_empty() {
            "no grant on the key is the caller's"
        } else {
            "none of the caller's grants on the key allows the action"
        };
        let mut lines = lines;
        lines.sort_by_key(|line| !line.applies);
        lines.extend(
            self.former_grants
                .iter()
                .map(|grant| self.former_line(grant)),
        );
        section(
            &["D-10", "G-2", "G-30"],
            "grants on the key that name the caller or its account",
            says.to_owned(),
            (lines, self.more_grants),
        )
    }

    fn grant_line(&self, grant: &Grant, action: KmsAction, operation: &str) -> Line {
        let mut findings = Vec::new();
        let mut tell = |rule: &str, element: &str, holds: bool, wanted: String, found: String| {
            findings.push(Finding {
                rule: rule.to_owned(),
                element: element.to_owned(),
                holds,
                wanted,
                found,
            });
        };
        let operations: Vec<&str> = grant.operations.iter().map(|op| op.as_str()).collect();
        let has_operation = operations.contains(&operation);
        tell(
            "G-2",
            "operations",
            has_operation,
            operations.join(", "),
            operation.to_owned(),
        );
        let subject = &self.evidence.subject;
        let offered = self.evidence.offered();
        let parts = constraint_findings(grant, action, offered, subject);
        if let Some(context) = &grant.constraints.context {
            let (kind, mut wanted) = match context {
                ContextConstraint::Equals(all) => ("EncryptionContextEquals", pairs(all)),
                ContextConstraint::Subset(all) => ("EncryptionContextSubset", pairs(all)),
            };
            match offered.key_case {
                ConstraintKeyCase::Sensitive => {}
                // G-26.
                ConstraintKeyCase::Insensitive => {
                    wanted.push_str(", keys in any letter case, of which each must fit");
                }
            }
            let found = if action.has_encryption_context() {
                pairs(self.evidence.encryption_context)
            } else {
                "the action has no encryption context, so it is not looked at".to_owned()
            };
            tell("G-25", kind, parts.context, wanted, found);
        }
        if let Some(arn) = &grant.constraints.source_arn {
            let found = self
                .ask
                .context
                .get(&ContextKey::Known(KnownKey::SourceArn));
            let found = match found {
                Some(ContextValue::One(scalar)) => quoted(&scalar.into_text()),
                Some(ContextValue::Many(_) | ContextValue::Spelled(_)) | None => {
                    "the request has no aws:SourceArn".to_owned()
                }
            };
            tell(
                "G-28",
                "SourceArn",
                parts.source_arn,
                arn.as_str().to_owned(),
                found,
            );
        }
        if action == KmsAction::CreateGrant && matches!(subject, Subject::NewGrant { .. }) {
            tell(
                "G-12",
                "delegation",
                parts.covers,
                "a grant of no more than its operations, and at least as strict (G-13)".to_owned(),
                if parts.covers {
                    "such a one".to_owned()
                } else {
                    "one that holds more, or is less strict".to_owned()
                },
            );
        }
        let admits = admits(grant, action, offered, subject) && !grant.is_expired(self.now);
        if !admits && parts.all() {
            tell(
                "EC-13",
                "limits",
                false,
                "a grant that has not ended, and no budget of uses".to_owned(),
                match (grant.constraints.term.expires_at, grant.uses_left()) {
                    (Some(end), _) if grant.is_expired(self.now) => {
                        format!("it ended at {end}")
                    }
                    (_, Some(0)) => "all of its uses are spent".to_owned(),
                    (_, Some(left)) => {
                        let s = if left == 1 { "" } else { "s" };
                        format!("a budget with {left} use{s} left, which Consume alone spends")
                    }
                    (_, None) => "neither".to_owned(),
                },
            );
        }
        let by_account = matches!(
            grantee_match(&grant.grantee, &self.ask.who),
            Grantee::Account
        );
        let delegates = !by_account || self.identity_allows();
        if by_account {
            tell(
                "U-3",
                "grantee",
                delegates,
                "an identity policy of the caller that allows the action: the grant is the account's".to_owned(),
                if delegates { "there is one" } else { "there is none" }.to_owned(),
            );
        }
        let applies = has_operation && admits && delegates;
        findings.sort_by_key(|finding| finding.holds);
        let rule = match findings.iter().find(|finding| !finding.holds) {
            Some(failed) => failed.rule.clone(),
            None => "G-4".to_owned(),
        };
        Line {
            rule,
            source: Source::Grant,
            policy: grant.name.clone(),
            statement: None,
            sid: None,
            grant: Some(grant.id.to_string()),
            is_deny: false,
            applies,
            findings,
        }
    }

    /// ID-18: a grant that was given to another of the caller's name.
    fn former_line(&self, grant: &Grant) -> Line {
        let named = match (former_name(&grant.grantee, &self.ask.who), &grant.retiring) {
            (Some(named), _) => Some(("grantee", named)),
            (None, Some(retiring)) => {
                former_name(retiring, &self.ask.who).map(|named| ("retiring principal", named))
            }
            (None, None) => None,
        };
        let findings = named.map(|(element, former)| Finding {
            rule: "ID-18".to_owned(),
            element: element.to_owned(),
            holds: false,
            wanted: former.to_string(),
            found: format!(
                "{}, another one than was named{}",
                self.ask.who,
                match self.ask.who.unique_id() {
                    Some(id) => format!(" ({id})"),
                    None => String::new(),
                }
            ),
        });
        Line {
            rule: "ID-18".to_owned(),
            source: Source::Grant,
            policy: grant.name.clone(),
            statement: None,
            sid: None,
            grant: Some(grant.id.to_string()),
            is_deny: false,
            applies: false,
            findings: findings.into_iter().collect(),
        }
    }

    /// Whether an identity policy of the caller allows, within boundary and session policy (D-11).
    fn identity_allows(&self) -> bool {
        let allows = |source: Source| {
            let mut own = self.policies.iter().filter(|a| a.source == source);
            own.any(|a| a.policy.allowing(&self.ask, None).next().is_some())
        };
        let is_session_limited = is_session_limited(&self.ask.who, self.evidence.session);
        allows(Source::IdentityPolicy)
            && (self.evidence.boundary.is_none() || allows(Source::PermissionsBoundary))
            && (!is_session_limited || allows(Source::SessionPolicy))
    }

    /// G-50 to G-54.
    fn retirement(&self) -> Section {
        let (lines, untold) = match self.evidence.subject {
            Subject::Retired(grant) => (vec![self.retirement_line(grant)], 0),
            // The question does not say which grant: it is whether the caller could retire any.
            _ => (
                self.grants
                    .iter()
                    .map(|grant| self.retirement_line(grant))
                    .chain(
                        self.former_grants
                            .iter()
                            .map(|grant| self.former_line(grant)),
                    )
                    .collect(),
                self.more_grants,
            ),
        };
        let says = if lines.iter().any(|line| line.applies) {
            "the grant itself lets the caller retire it; the key policy has no say (G-52)"
        } else {
            "no grant itself lets the caller retire it; the key policy has no say (G-52)"
        };
        section(
            &["G-50", "G-51", "G-52", "G-53"],
            "the grant to be retired",
            says.to_owned(),
            (lines, untold),
        )
    }

    fn retirement_line(&self, grant: &Grant) -> Line {
        let who = &self.ask.who;
        let is_caller = |named| matches!(grantee_match(named, who), Grantee::Caller);
        let may_retire = grant.operations.contains(GrantOperation::RetireGrant);
        let name = |named: &GrantPrincipal| match (former_name(named, who), named) {
            (Some(former), _) => former.to_string(),
            (None, GrantPrincipal::Arn { arn, .. }) => arn.as_str().to_owned(),
            (None, GrantPrincipal::Service(name)) => name.as_str().to_owned(),
        };
        let finding = |element: &str, holds: bool, wanted: String| Finding {
            rule: "G-50".to_owned(),
            element: element.to_owned(),
            holds,
            wanted,
            found: who.to_string(),
        };
        let retiring = grant.retiring.as_ref();
        let own = [self.owner(), grant.issuing_account];
        let findings = vec![
            finding(
                "retiring principal",
                retiring.is_some_and(is_caller),
                retiring.map_or_else(|| "nobody".to_owned(), name),
            ),
            finding(
                "grantee",
                is_caller(&grant.grantee) && may_retire,
                if may_retire {
                    name(&grant.grantee)
                } else {
                    format!(
                        "{}, but the grant does not hold RetireGrant",
                        name(&grant.grantee)
                    )
                },
            ),
            finding(
                "account",
                who.account().is_some_and(|account| own.contains(&account)),
                format!(
                    "{} or {}, by an identity policy that allows kms:RetireGrant",
                    self.owner(),
                    grant.issuing_account
                ),
            ),
        ];
        Line {
            rule: "G-50".to_owned(),
            source: Source::Grant,
            policy: grant.name.clone(),
            statement: None,
            sid: None,
            grant: Some(grant.id.to_string()),
            is_deny: false,
            // Any one of the first two is a right of its own.
            applies: findings.iter().take(2).any(|finding| finding.holds),
            findings,
        }
    }
}

/// The policies of an organization with their levels and names.
fn levels<'e>(
    levels: crate::domain::authz::combine::Levels<'e>,
) -> impl Iterator<Item = (usize, Option<Arc<str>>, &'e Policy)> {
    levels.iter().enumerate().flat_map(|(n, level)| {
        level
            .named()
            .map(move |(name, policy)| (n, name.shown(), policy))
    })
}

fn section(
    rules: &[&str],
    title: &str,
    says: String,
    (lines, untold): (Vec<Line>, u32),
) -> Section {
    Section {
        rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
        title: title.to_owned(),
        says,
        lines,
        untold,
    }
}

/// The grants on the key of a request that name its caller or its account, and those that tokens bring.
pub(super) fn on_key<'e>(
    state: &'e State,
    request: &'e Request<'e>,
) -> impl Iterator<Item = &'e Grant> {
    let key = match request.target {
        Target::Key { key, .. } => Some(key),
        Target::Alias(_) | Target::Principal(_) | Target::Group(_) | Target::Account(_) => None,
    };
    let is_retirement = request.action.kms() == Some(KmsAction::RetireGrant);
    key.into_iter().flat_map(move |key| {
        let stored = holders(&request.caller.identity).flat_map(move |holder| {
            let held = state.grants().held_on(&key.arn, &holder);
            let retirable: Vec<_> = match is_retirement {
                true => state.grants().all_retirable_on(&holder, &key.arn).collect(),
                false => Vec::new(),
            };
            held.chain(retirable)
        });
        // ID-18: those of another who had the caller's name.
        let names = names_of(&request.caller.identity);
        let former = names.flat_map(move |(arn, now)| {
            state.grants().of_former(&key.arn, arn, now, is_retirement)
        });
        let stored = stored.chain(former);
        let brought = request.token_grants.iter();
        stored
            .chain(brought.filter(|grant| grant.key == key.arn))
            .map(|grant| &**grant)
    })
}

/// The principals that the policy of a request's key names and that are gone.
pub(super) fn former(state: &State, request: &Request<'_>) -> Vec<Former> {
    match request.target {
        Target::Key { key, .. } => state.former_of_policy(key),
        Target::Alias(_) | Target::Principal(_) | Target::Group(_) | Target::Account(_) => {
            Vec::new()
        }
    }
}

/// The grants on a key that concern a caller.
struct OnKey<'e> {
    /// Those that name it or its account.
    grants: Vec<&'e Grant>,
    /// How many of them are left out.
    more: u32,
    /// Those that name a former principal of its name.
    former: Vec<&'e Grant>,
}

/// The names under which policies and grants know a caller, each with the immutable id that it has now.
fn names_of(identity: &Identity) -> impl Iterator<Item = (&PrincipalArn, &UniqueId)> {
    let (first, second) = match identity {
        Identity::User { arn, unique_id } => (Some((arn, unique_id)), None),
        Identity::RoleSession {
            arn,
            role,
            unique_id,
            ..
        } => (Some((role, unique_id)), Some((arn, unique_id))),
        // A federated user is kept by its name alone, an account and a service are never made again.
        Identity::Operator
        | Identity::System
        | Identity::Root { .. }
        | Identity::FederatedUser { .. }
        | Identity::Service(_) => (None, None),
    };
    first.into_iter().chain(second)
}

/// What it costs to look at a grant, in units of [`crate::domain::effort::Effort`].
const WORK_OF_GRANT: u64 = 30;

/// Those of the grants on a key that name the caller or its account, in the order of their ids; how many are left out. What
/// `decides` and what fits best are not: others that stand before them would hide why the answer is as it is.
fn grants_of<'e>(
    on_key: impl Iterator<Item = &'e Grant>,
    who: &Who<'_>,
    is_retirement: bool,
    effort: Option<&Effort<'_>>,
    misfit: impl Fn(&Grant) -> u8,
) -> OnKey<'e> {
    let names = |named: &GrantPrincipal| !matches!(grantee_match(named, who), Grantee::Other);
    let is_former = |named: &GrantPrincipal| former_name(named, who).is_some();
    let mut found: Vec<(u8, &Grant)> = Vec::new();
    let mut former: Vec<&Grant> = Vec::new();
    for grant in on_key.take_while(|_| spend(effort, WORK_OF_GRANT)) {
        let retiring = grant.retiring.as_ref().filter(|_| is_retirement);
        if names(&grant.grantee) || retiring.is_some_and(names) {
            found.push((misfit(grant), grant));
        } else if (is_former(&grant.grantee) || retiring.is_some_and(is_former))
            && former.len() < FORMER_SHOWN_MAX
        {
            former.push(grant);
        }
    }
    found.sort_by_key(|(misfit, grant)| (*misfit, grant.id));
    found.dedup_by_key(|(_, grant)| grant.id);
    let untold = found.len().saturating_sub(EXPLAINED_GRANTS_MAX);
    found.truncate(EXPLAINED_GRANTS_MAX);
    let mut grants: Vec<&Grant> = found.into_iter().map(|(_, grant)| grant).collect();
    grants.sort_by_key(|grant| grant.id);
    OnKey {
        grants,
        more: u32::try_from(untold).unwrap_or(u32::MAX),
        former,
    }
}

/// Whether this is a name under which policies and grants know the caller.
pub(super) fn is_name_of(who: &Who<'_>, arn: &PrincipalArn) -> bool {
    match who {
        Who::User { arn: own, .. } => *own == arn,
        Who::RoleSession { session, role, .. } => *session == arn || *role == arn,
        Who::FederatedUser { federated_by, .. } => *federated_by == Some(arn),
        Who::Root { .. } | Who::Service { .. } => false,
    }
}

/// The principal that a grant names, if it is another one of a name of the caller's (ID-18).
pub(super) fn former_name(named: &GrantPrincipal, who: &Who<'_>) -> Option<Former> {
    let GrantPrincipal::Arn { arn, unique_id } = named else {
        return None;
    };
    let now = who.unique_id()?;
    (is_name_of(who, arn) && now != unique_id).then(|| Former {
        arn: arn.clone(),
        unique_id: unique_id.clone(),
        is_remade: true,
    })
}

/// Why a statement that allows does not, in a few words.
fn why_not(line: &Line) -> String {
    let place = match (&line.sid, line.statement) {
        (Some(sid), _) => format!("statement `{sid}`"),
        (None, Some(n)) => format!("statement {n}"),
        (None, None) => "a statement".to_owned(),
    };
    match line.findings.iter().find(|finding| !finding.holds) {
        Some(finding) => format!(
            "the {} of {place} wants {}, found {}",
            finding.element, finding.wanted, finding.found
        ),
        None => format!("{place} does not concern it"),
    }
}

/// What a condition wants: of a negated operator anything else than its values.
fn wanted_of(condition: &Condition, values: Option<&String>) -> String {
    let values = values.map_or("", String::as_str);
    if condition.operator().is_negated() {
        format!("anything but {values}")
    } else {
        values.to_owned()
    }
}

/// The rule that a condition follows.
fn rule_of(condition: &Condition, is_present: bool, has_null: bool) -> &'static str {
    let name = condition.operator().to_string();
    let plain = name.rsplit(':').next().unwrap_or_default();
    if plain == "Null" {
        "C-7"
    } else if has_null {
        "C-12"
    } else if !is_present && plain.ends_with("IfExists") {
        "C-6"
    } else if condition.operator().quantifier().is_some() {
        if plain.contains("Not") { "C-9" } else { "C-8" }
    } else if !is_present {
        "C-5"
    } else if plain.starts_with("String") {
        "C-3"
    } else {
        "C-4"
    }
}

/// A value of the request, cut where it gets long.
fn quoted(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(VALUE_SHOWN_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(VALUE_SHOWN_MAX).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

fn pairs(pairs: &EncryptionContext) -> String {
    let mut shown: Vec<String> = pairs
        .iter()
        .take(VALUES_SHOWN_MAX)
        .map(|(key, value)| format!("{}={}", quoted(key), quoted(value)))
        .collect();
    if pairs.len() > VALUES_SHOWN_MAX {
        shown.push(format!("and {} more", pairs.len() - VALUES_SHOWN_MAX));
    }
    if shown.is_empty() {
        "no pairs".to_owned()
    } else {
        shown.join(", ")
    }
}
