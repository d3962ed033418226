//! `CreateGrant`: makes a grant on a key (G-9 to G-30).

use super::DryRun;
use super::context::{Change, Context};
use super::key_rules::{self, BadState, StateRule};
use super::principals::immutable_id;
use super::refusal::{Said, bad_member, refusals, said};
use super::{CreatedGrant, ErrorCode, Event, GrantChange, Output, grants};
use crate::domain::authz::request::{About, Parameter, Parameters, RequestTags, Target};
use crate::domain::authz::resolve::Unresolved;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{Arn, ParseIdError, PrincipalArn, PrincipalKind, ServicePrincipal};
use crate::domain::ids::{GrantId, KeyRef};
use crate::domain::limits::{
    CONSTRAINT_PAIRS_MAX, CONSTRAINT_VALUE_CHARS_MAX, GRANT_ANCESTORS_MAX, GRANT_NAME_MAX,
    GRANT_USES_MAX, PRINCIPAL_ID_MAX, SOURCE_ARN_MAX, SOURCE_ARN_MIN,
};
use crate::domain::policy::{KmsAction, KnownKey};
use crate::domain::state::State;
use crate::domain::state::grant::{
    ContextConstraint, Grant, GrantConstraints, GrantOperations, GrantPrincipal, Term,
};
use crate::domain::state::grant::{EncryptionContext, GrantOperation};
use crate::domain::state::grant_index::{Holder, constraint_pairs};
use crate::domain::state::key::{Key, KeyManager};
use crate::domain::state::principal::PrincipalType;
use crate::domain::time::{Revision, Timestamp};
use std::sync::Arc;

/// Makes a grant on a key (G-9 to G-30).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateGrant {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// The id if a new grant comes to be; drawn before the log.
    pub grant_id: GrantId,
    /// `GranteePrincipal` as sent (ID-14, ID-15).
    pub grantee: Option<Arc<str>>,
    /// `GranteeServicePrincipal` as sent (G-9).
    pub grantee_service: Option<Arc<str>>,
    /// `RetiringPrincipal` as sent.
    pub retiring: Option<Arc<str>>,
    /// `RetiringServicePrincipal` as sent.
    pub retiring_service: Option<Arc<str>>,
    /// `Operations`; must not be empty (G-5).
    pub operations: Vec<GrantOperation>,
    /// `EncryptionContextEquals`; empty counts as absent (U-11).
    pub context_equals: Arc<EncryptionContext>,
    /// `EncryptionContextSubset`; empty counts as absent (U-11).
    pub context_subset: Arc<EncryptionContext>,
    /// `SourceArn` as sent (G-22).
    pub source_arn: Option<Arc<str>>,
    /// `Name` for idempotent retries (G-17).
    pub name: Option<Arc<str>>,
    /// Whether only to authorize and validate (G-20).
    pub dry_run: DryRun,
    /// From when on the grant counts as absent, and how many uses it has (EC-13); both absent: as AWS's.
    pub term: Term,
}

refusals! {
    /// Why CreateGrant is refused, in the order of its checks.
    Refusal {
        /// Members that cannot be, by themselves or together (G-5, G-6, G-9, G-15, G-22, G-24, U-21, EC-13).
        Shape(Said),
        /// A principal that is none that a grant can name (ID-14 to ID-16, U-26).
        Arn(Said),
        /// No such key.
        Key(Unresolved),
        /// Not permitted, by no policy and no parent grant (G-10 to G-13).
        Denied(Denied),
        /// The key's state stands in the way (ST-2).
        State(BadState),
        /// Operations that the key does not support (G-7), or context constraints on a key without context (G-23).
        Unsupported(Said),
        /// A principal that does not exist (ID-16).
        Principal(Said),
        /// The key has as many grants as it can have (G-19).
        TooMany(Said),
        /// The grant id is taken.
        Taken(Said),
        /// It would have succeeded (G-20).
        DryRun(Said),
    }
}

/// The request once its shape is known to be right.
struct Shape {
    operations: GrantOperations,
    constraints: GrantConstraints,
    grantee: Named,
    retiring: Option<Named>,
}

/// A principal of the request, not yet known to exist.
enum Named {
    Arn(PrincipalArn),
    Service(ServicePrincipal),
}

impl Named {
    /// Binds the principal to its immutable id.
    fn bind(self, state: &State) -> Result<GrantPrincipal, Said> {
        match self {
            Self::Service(service) => Ok(GrantPrincipal::Service(service)),
            Self::Arn(arn) => match immutable_id(state, &arn) {
                Some(unique_id) => Ok(GrantPrincipal::Arn { arn, unique_id }),
                // X-10: this one can be mended by waiting; a malformed ARN cannot, and reads otherwise.
                None => Err(said(
                    ErrorCode::InvalidArn,
                    format_args!("the principal `{arn}` does not exist in this cluster"),
                )),
            },
        }
    }
}

/// A principal member of the request: its shape (ID-14), then whether a grant can name it (ID-15, ID-16).
fn read_principal(text: &str, path: &str) -> Result<Named, Refusal> {
    let allowed = |b: char| {
        b.is_ascii_alphanumeric()
            || matches!(b, '_' | '+' | '=' | ',' | '.' | '@' | ':' | '/' | '-')
    };
    if text.is_empty() || text.len() > PRINCIPAL_ID_MAX || !text.chars().all(allowed) {
        let must = "satisfy regular expression pattern: ^[\\w+=,.@:/-]+$";
        return Err(Refusal::Shape(bad_member(text, path, must)));
    }
    text.parse().map(Named::Arn).map_err(|error: ParseIdError| {
        let hint = if text.parse::<ServicePrincipal>().is_ok() {
            "; a service goes into the member for service principals"
        } else {
            ""
        };
        Refusal::Arn(said(ErrorCode::InvalidArn, format_args!("{error}{hint}")))
    })
}

fn read_service(text: &str, path: &str) -> Result<Named, Refusal> {
    text.parse().map(Named::Service).map_err(|_| {
        let must =
            "satisfy regular expression pattern: ^([A-Za-z0-9\\-]+)\\.([A-Za-z0-9\\-]+)(\\.[A-Za-z0-9\\-]+)+$";
        Refusal::Shape(bad_member(text, path, must))
    })
}

fn invalid(why: impl std::fmt::Display) -> Refusal {
    Refusal::Shape(said(ErrorCode::Validation, why))
}

impl CreateGrant {
    fn shape(&self, now: Timestamp) -> Result<Shape, Refusal> {
        let operations: GrantOperations = self.operations.iter().copied().collect();
        if operations.is_empty() {
            return Err(invalid(
                "1 validation error detected: Value at 'operations' failed to satisfy constraint: Member must not be null",
            ));
        }
        if operations == GrantOperations::from_iter([GrantOperation::CreateGrant]) {
            return Err(invalid(
                "Grants must not contain only the CreateGrant operation.",
            ));
        }
        if let Some(name) = &self.name {
            let allowed =
                |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'/' | b'_' | b'-');
            if name.is_empty() || name.len() > GRANT_NAME_MAX || !name.bytes().all(allowed) {
                let must = "satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$";
                return Err(Refusal::Shape(bad_member(name, "name", must)));
            }
        }
        let constraints = self.constraints()?;
        check_term(self.term, now)?;
        let grantee = match (&self.grantee, &self.grantee_service) {
            (Some(arn), None) => read_principal(arn, "granteePrincipal")?,
            (None, Some(service)) => read_service(service, "granteeServicePrincipal")?,
            (None, None) => {
                return Err(invalid(
                    "give one of GranteePrincipal and GranteeServicePrincipal",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(invalid(
                    "give only one of GranteePrincipal and GranteeServicePrincipal",
                ));
            }
        };
        let retiring = match (&self.retiring, &self.retiring_service) {
            (None, None) => None,
            (Some(arn), None) => Some(read_principal(arn, "retiringPrincipal")?),
            (None, Some(service)) => Some(read_service(service, "retiringServicePrincipal")?),
            (Some(_), Some(_)) => {
                return Err(invalid(
                    "give only one of RetiringPrincipal and RetiringServicePrincipal",
                ));
            }
        };
        if matches!(grantee, Named::Service(_))
            && (constraints.source_arn.is_none() || retiring.is_none())
        {
            return Err(invalid(
                "GranteeServicePrincipal requires a SourceArn constraint and a retiring principal",
            ));
        }
        Ok(Shape {
            operations,
            constraints,
            grantee,
            retiring,
        })
    }

    /// G-22, G-24, U-11, U-21.
    fn constraints(&self) -> Result<GrantConstraints, Refusal> {
        let context = match (
            self.context_equals.is_empty(),
            self.context_subset.is_empty(),
        ) {
            (true, true) => None,
            (false, true) => Some(ContextConstraint::Equals(Arc::clone(&self.context_equals))),
            (true, false) => Some(ContextConstraint::Subset(Arc::clone(&self.context_subset))),
            (false, false) => return Err(invalid("More than one constraint supplied")),
        };
        let pairs = constraint_pairs(context.as_ref());
        if pairs.len() > CONSTRAINT_PAIRS_MAX {
            return Err(invalid(format_args!(
                "a constraint has {} encryption context pairs: at most {CONSTRAINT_PAIRS_MAX} are allowed",
                pairs.len()
            )));
        }
        for (key, value) in pairs {
            if key.is_empty() || value.chars().count() > CONSTRAINT_VALUE_CHARS_MAX {
                return Err(invalid(format_args!(
                    "the encryption context pair `{key}` of a constraint has an empty key or a value longer than {CONSTRAINT_VALUE_CHARS_MAX} characters"
                )));
            }
        }
        let source_arn = match &self.source_arn {
            None => None,
            Some(text) => Some(read_source_arn(text).ok_or_else(|| {
                let must = "satisfy regular expression pattern: ^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$";
                Refusal::Shape(bad_member(text, "constraints.sourceArn", must))
            })?),
        };
        Ok(GrantConstraints {
            context,
            source_arn,
            term: self.term,
        })
    }

    /// The request's parameters as condition keys (CK-10, CK-12, CK-13, CK-29).
    fn parameters(&self, shape: &Shape) -> Parameters<'_> {
        let operations = shape
            .operations
            .iter()
            .map(GrantOperation::as_str)
            .collect();
        let mut known = vec![(KnownKey::GrantOperations, Parameter::Many(operations))];
        let texts = [
            (KnownKey::GranteePrincipal, &self.grantee),
            (KnownKey::GranteeServicePrincipal, &self.grantee_service),
            (KnownKey::RetiringPrincipal, &self.retiring),
            (KnownKey::RetiringServicePrincipal, &self.retiring_service),
            (KnownKey::GrantConstraintSourceArn, &self.source_arn),
        ];
        for (key, text) in texts {
            known.extend(text.as_deref().map(|text| (key, Parameter::Text(text))));
        }
        let kind = shape
            .constraints
            .context
            .as_ref()
            .map(|context| match context {
                ContextConstraint::Equals(_) => "EncryptionContextEquals",
                ContextConstraint::Subset(_) => "EncryptionContextSubset",
            });
        known.extend(kind.map(|kind| (KnownKey::GrantConstraintType, Parameter::Text(kind))));
        Parameters::Known(known, RequestTags::Absent)
    }
}

/// EC-13: an end that is yet to come, and at least one use.
fn check_term(Term { expires_at, uses }: Term, now: Timestamp) -> Result<(), Refusal> {
    if let Some(end) = expires_at
        && end <= now
    {
        return Err(invalid(format_args!(
            "the grant would expire at {end}, which is not after the cluster's time, {now}"
        )));
    }
    match uses {
        Some(uses) if uses == 0 || uses > GRANT_USES_MAX => Err(invalid(format_args!(
            "a grant's budget has 1 to {GRANT_USES_MAX} uses, not {uses}"
        ))),
        _ => Ok(()),
    }
}

/// `^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$`, 20 to 512 characters (G-22).
fn read_source_arn(text: &str) -> Option<Arn> {
    let small = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if !(SOURCE_ARN_MIN..=SOURCE_ARN_MAX).contains(&text.chars().count()) {
        return None;
    }
    let arn: Arn = text.parse().ok()?;
    let fits = arn.partition().strip_prefix("aws").is_some_and(small)
        && small(arn.service())
        && small(arn.region())
        && arn.account().is_some();
    fits.then_some(arn)
}

/// The operations are the key's (G-7), the constraints too (G-23).
fn check_supported(shape: &Shape, key: &Key) -> Result<(), Said> {
    let supported = key_rules::grantable(key);
    if let Some(operation) = shape.operations.iter().find(|op| !supported.contains(*op)) {
        return Err(said(
            ErrorCode::Validation,
            format_args!(
                "the operation {operation} cannot be granted on {}: its key spec is {}, its key usage {}",
                key.arn, key.spec, key.usage
            ),
        ));
    }
    if shape.constraints.context.is_some() && !key.spec.is_symmetric() {
        return Err(said(
            ErrorCode::Validation,
            format_args!(
                "encryption context constraints are only for symmetric encryption keys: the key spec of {} is {}",
                key.arn, key.spec
            ),
        ));
    }
    Ok(())
}

/// What a node must have applied to judge a grant: its key and its grantee (Q-6).
fn depends_on(state: &State, key: &Key, grantee: &GrantPrincipal) -> Revision {
    let grantee = match grantee {
        GrantPrincipal::Service(_) => Revision::default(),
        GrantPrincipal::Arn { arn, .. } => match arn.kind() {
            PrincipalKind::User { .. } | PrincipalKind::Role { .. } => state
                .principal(arn)
                .map(|principal| principal.born)
                .unwrap_or_default(),
            PrincipalKind::AssumedRole { role, .. } => state
                .principal_named(arn.account(), PrincipalType::Role, role)
                .map(|role| role.born)
                .unwrap_or_default(),
            PrincipalKind::Root | PrincipalKind::FederatedUser { .. } => state
                .account(arn.account())
                .map(|account| account.born)
                .unwrap_or_default(),
        },
    };
    key.born.max(grantee)
}

/// The ancestors of a grant that `parent` allowed: the parent, then as many of its own as are remembered (EC-12).
fn ancestors_of_child(parent: &Arc<Grant>) -> Vec<GrantId> {
    std::iter::once(parent.id)
        .chain(parent.ancestors.iter().copied())
        .take(GRANT_ANCESTORS_MAX)
        .collect()
}

/// The parent once it has handed uses on to its child, if it has a budget: together they never have more than was given.
fn pay(parent: &Grant, child: Term) -> Option<Arc<Grant>> {
    parent.constraints.term.uses?;
    let spent = parent.spent.saturating_add(child.uses.unwrap_or_default());
    Some(Arc::new(Grant {
        spent,
        ..parent.clone()
    }))
}

/// What CreateGrant writes.
pub enum Plan {
    /// A new grant; and its parent, if that has a budget of which the new one gets a part (EC-13).
    New(Arc<Grant>, Option<Arc<Grant>>, Revision),
    /// Nothing: a retry by name (G-17).
    Retry(Arc<Grant>, Revision),
}

impl Change for CreateGrant {
    type Refusal = Refusal;
    type Plan = Plan;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Plan), Refusal> {
        let shape = self.shape(cx.now)?;
        let key = cx.key_without_alias(&self.key)?;
        let allowed = cx.ask(
            KmsAction::CreateGrant.into(),
            Target::Key { key, alias: None },
            self.parameters(&shape),
            constraint_pairs(shape.constraints.context.as_ref()),
            About::NewGrant(&shape.operations, &shape.constraints),
        )?;
        key_rules::check_state(StateRule::Grant, cx.state, key)?;
        check_supported(&shape, key).map_err(Refusal::Unsupported)?;
        let grantee = shape.grantee.bind(cx.state).map_err(Refusal::Principal)?;
        let retiring = shape.retiring.map(|named| named.bind(cx.state));
        let retiring = retiring.transpose().map_err(Refusal::Principal)?;
        let depends_on = depends_on(cx.state, key, &grantee);
        let parent = allowed.grant().and_then(|id| cx.state.grants().get(&id));
        let grant = Grant {
            id: self.grant_id,
            key: key.arn.clone(),
            grantee,
            retiring,
            operations: shape.operations,
            constraints: shape.constraints,
            name: self.name.clone(),
            // A service has no account: what it makes belongs to the key's owner (U-13).
            issuing_account: cx.caller.identity.account().unwrap_or(key.arn.account),
            created_at: cx.now,
            born: cx.at,
            spent: 0,
            ancestors: parent.map(ancestors_of_child).unwrap_or_default(),
        };
        let same = cx.state.grants().same_named(&grant).cloned();
        if same.is_none() {
            let quota = cx.state.settings().grants_per_key_max;
            let count = cx.state.grants().count(&key.arn);
            if key.manager == KeyManager::Customer && count >= quota {
                return Err(Refusal::TooMany(said(
                    ErrorCode::LimitExceeded,
                    format_args!(
                        "the key {} has {count} grants: its quota is {quota}",
                        key.arn
                    ),
                )));
            }
            if let Some(quota) = cx.state.settings().grants_per_principal_max {
                let count = cx
                    .state
                    .grants()
                    .count_held(&key.arn, &Holder::from(&grant.grantee));
                let quota = usize::try_from(quota).unwrap_or(usize::MAX);
                if key.manager == KeyManager::Customer && count >= quota {
                    return Err(Refusal::TooMany(said(
                        ErrorCode::LimitExceeded,
                        format_args!(
                            "the grantee has {count} grants on the key {}: its quota is {quota}",
                            key.arn
                        ),
                    )));
                }
            }
            if cx.state.grants().get(&self.grant_id).is_some() {
                return Err(Refusal::Taken(said(
                    ErrorCode::AlreadyExists,
                    format_args!(
                        "the grant {} already exists: send the request again",
                        self.grant_id
                    ),
                )));
            }
        }
        if self.dry_run == DryRun::Yes {
            return Err(Refusal::DryRun(super::refusal::dry_run()));
        }
        let plan = match same {
            Some(same) => Plan::Retry(same, depends_on),
            None => {
                let paying = parent.and_then(|parent| pay(parent, self.term));
                Plan::New(Arc::new(grant), paying, depends_on)
            }
        };
        Ok((allowed, plan))
    }

    fn enact(plan: Plan, state: &mut State) -> (Output, Vec<Event>) {
        let (grant, depends_on, events) = match plan {
            Plan::Retry(grant, depends_on) => (grant, depends_on, Vec::new()),
            Plan::New(grant, paying, depends_on) => {
                state.put_grant(Arc::clone(&grant));
                let mut events = vec![Event::GrantChanged {
                    grant: grant.id,
                    key: grant.key.clone(),
                    change: GrantChange::Created,
                }];
                events.extend(paying.map(|paying| grants::spend(paying, state)));
                (grant, depends_on, events)
            }
        };
        let created = CreatedGrant {
            id: grant.id,
            grant: Some((*grant).clone()),
            depends_on,
        };
        (Output::Grant(created), events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{
        ADMIN, APP, BOB, CAROL, Cluster, EXT, OTHER, OWNER, Refused, check_rows, create_grant, key,
        key_arn,
    };
    use crate::domain::op::{Command, Output};
    use crate::domain::state::key::{KeySpec, KeyState, KeyUsage};

    fn refusal(cluster: &Cluster, who: &str, change: impl FnOnce(&mut CreateGrant)) -> Refused {
        let mut command = create_grant(1, BOB);
        change(&mut command);
        cluster.refusal(who, Command::CreateGrant(command))
    }

    fn make(
        cluster: &mut Cluster,
        who: &str,
        n: u8,
        change: impl FnOnce(&mut CreateGrant),
    ) -> CreatedGrant {
        let mut command = create_grant(n, BOB);
        change(&mut command);
        match cluster.done(who, Command::CreateGrant(command)) {
            Output::Grant(created) => created,
            other => panic!("{other:?}"),
        }
    }

    fn context(pairs: &[(&str, &str)]) -> Arc<EncryptionContext> {
        Arc::new(
            pairs
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
        )
    }

    /// B.3 and B.4; every row is refused for its own reason although what comes after is wrong, too.
    #[test]
    fn create_grant_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let mut disabled = cluster.copy();
        disabled.set_key_state(KeyState::Disabled);
        let service = "lambda.amazonaws.com";
        let source = "arn:aws:lambda:eu-west-1:111122223333:function:f";
        let nine: Vec<String> = (0..9).map(|n| n.to_string()).collect();
        let nine: Vec<(&str, &str)> = nine.iter().map(|n| (&**n, "")).collect();
        let no = |change: &dyn Fn(&mut CreateGrant)| refusal(&disabled, BOB, change);
        let validation = "ValidationException";
        check_rows(vec![
            (
                "no operation",
                no(&|c| c.operations.clear()),
                validation,
                "'operations'",
            ),
            (
                "CreateGrant alone",
                no(&|c| c.operations = vec![GrantOperation::CreateGrant; 2]),
                validation,
                "Grants must not contain only the CreateGrant operation.",
            ),
            (
                "a bad name",
                no(&|c| c.name = Some("my grant".into())),
                validation,
                "at 'name'",
            ),
            (
                "two context constraints",
                no(&|c| {
                    c.context_equals = context(&[("a", "")]);
                    c.context_subset = context(&[("a", "")]);
                }),
                validation,
                "More than one constraint supplied",
            ),
            (
                "nine pairs",
                no(&|c| c.context_equals = context(&nine)),
                validation,
                "9 encryption context pairs",
            ),
            (
                "a long value",
                no(&|c| c.context_subset = context(&[("a", &"v".repeat(385))])),
                validation,
                "longer than 384",
            ),
            (
                "a bad source ARN",
                no(&|c| c.source_arn = Some("arn:aws:s3:::bucket-without-account".into())),
                validation,
                "constraints.sourceArn",
            ),
            (
                "no grantee",
                no(&|c| c.grantee = None),
                validation,
                "give one of GranteePrincipal",
            ),
            (
                "two grantees",
                no(&|c| c.grantee_service = Some(service.into())),
                validation,
                "only one of GranteePrincipal",
            ),
            (
                "everyone",
                no(&|c| c.grantee = Some("*".into())),
                validation,
                "granteePrincipal",
            ),
            (
                "two that retire",
                no(&|c| {
                    c.retiring = Some(BOB.into());
                    c.retiring_service = Some(service.into());
                }),
                validation,
                "only one of RetiringPrincipal",
            ),
            (
                "a bad service",
                no(&|c| c.retiring_service = Some("lambda".into())),
                validation,
                "retiringServicePrincipal",
            ),
            (
                "a service without SourceArn",
                no(&|c| {
                    c.grantee = None;
                    c.grantee_service = Some(service.into());
                    c.retiring = Some(BOB.into());
                }),
                validation,
                "requires a SourceArn constraint",
            ),
            (
                "a service without one that retires",
                no(&|c| {
                    c.grantee = None;
                    c.grantee_service = Some(service.into());
                    c.source_arn = Some(source.into());
                }),
                validation,
                "and a retiring principal",
            ),
            (
                "a group",
                no(&|c| c.grantee = Some(format!("arn:aws:iam::{OWNER}:group/devs").into())),
                "InvalidArnException",
                "group/devs",
            ),
            (
                "a service as an ARN",
                no(&|c| c.retiring = Some(service.into())),
                "InvalidArnException",
                "member for service principals",
            ),
            (
                "an alias",
                no(&|c| c.key = "alias/a".parse().unwrap()),
                "NotFoundException",
                "Invalid keyId",
            ),
            (
                "no such key",
                no(&|c| c.key = key(9)),
                "NotFoundException",
                "does not exist",
            ),
            (
                "no permission",
                no(&|c| c.operations = vec![GrantOperation::Sign]),
                "AccessDeniedException",
                "kms:CreateGrant",
            ),
            (
                "disabled",
                refusal(&disabled, ADMIN, |c| {
                    c.operations = vec![GrantOperation::Sign]
                }),
                "DisabledException",
                "is disabled.",
            ),
            (
                "not of this key",
                refusal(&cluster, ADMIN, |c| {
                    c.operations = vec![GrantOperation::Sign];
                    c.grantee = Some(format!("arn:aws:iam::{OWNER}:user/nobody").into());
                }),
                validation,
                "Sign cannot be granted",
            ),
            (
                "nobody",
                refusal(&cluster, ADMIN, |c| {
                    c.grantee = Some(format!("arn:aws:iam::{OWNER}:user/nobody").into())
                }),
                "InvalidArnException",
                "does not exist",
            ),
            (
                "nobody retires",
                refusal(&cluster, ADMIN, |c| {
                    c.retiring = Some("arn:aws:iam::999999999999:root".into())
                }),
                "InvalidArnException",
                "does not exist",
            ),
            (
                "a dry run",
                refusal(&cluster, ADMIN, |c| c.dry_run = DryRun::Yes),
                "DryRunOperationException",
                "The request would have succeeded, but the DryRun option is set.",
            ),
        ]);
    }

    /// G-23: a context constraint needs a key with a context.
    #[test]
    fn context_constraint_on_a_key_without_context_is_refused() {
        let mut cluster = Cluster::new();
        cluster
            .set_key(|key| (key.spec, key.usage) = (KeySpec::Hmac256, KeyUsage::GenerateVerifyMac));
        let mac = |c: &mut CreateGrant| c.operations = vec![GrantOperation::GenerateMac];
        let (code, why) = refusal(&cluster, ADMIN, |c| {
            mac(c);
            c.context_equals = context(&[("a", "")]);
        });
        assert!(
            code == "ValidationException" && why.contains("only for symmetric"),
            "{why}"
        );
        make(&mut cluster, ADMIN, 1, mac);
    }

    /// G-19: the older quota of a grantee's grants on one key is off by default, and a setting.
    #[test]
    fn grant_past_the_quota_of_its_grantee_is_refused() {
        let mut cluster = Cluster::new();
        make(&mut cluster, ADMIN, 1, |_| ());
        make(&mut cluster, ADMIN, 2, |_| ());
        cluster.done(
            "operator",
            Command::UpdateSettings(crate::domain::op::update_settings::UpdateSettings {
                grants_per_principal_max: Some(2),
                ..Default::default()
            }),
        );
        let (code, why) = refusal(&cluster, ADMIN, |c| c.grant_id = GrantId([3; 32]));
        assert!(
            code == "LimitExceededException" && why.contains("the grantee has 2 grants"),
            "{why}"
        );
        make(&mut cluster, ADMIN, 3, |c| c.grantee = Some(CAROL.into()));
        cluster.state.take_grant(&GrantId([2; 32]));
        make(&mut cluster, ADMIN, 4, |_| ());
    }

    /// G-19, U-9: the quota, a freed slot, and a retry at the limit.
    #[test]
    fn grant_past_the_quota_is_refused_but_a_retry_by_name_succeeds() {
        let mut cluster = Cluster::new();
        let incarnation = cluster.state.incarnation();
        let settings = crate::domain::state::settings::Settings {
            grants_per_key_max: 2,
            ..*cluster.state.settings()
        };
        cluster.state.begin(incarnation, settings);
        let named = |c: &mut CreateGrant| c.name = Some("n".into());
        make(&mut cluster, ADMIN, 1, named);
        make(&mut cluster, ADMIN, 2, |_| ());
        let (code, why) = refusal(&cluster, ADMIN, |c| c.grant_id = GrantId([3; 32]));
        assert!(
            code == "LimitExceededException" && why.contains("its quota is 2"),
            "{why}"
        );
        assert_eq!(make(&mut cluster, ADMIN, 3, named).id, GrantId([1; 32]));
        cluster.state.take_grant(&GrantId([2; 32]));
        make(&mut cluster, ADMIN, 4, |_| ());
    }

    #[test]
    fn grant_id_that_is_taken_is_refused() {
        let mut cluster = Cluster::new();
        make(&mut cluster, ADMIN, 1, |_| ());
        assert_eq!(refusal(&cluster, ADMIN, |_| ()).0, "AlreadyExistsException");
    }

    /// G-16 to G-18: a named retry repeats every property, in any order; whatever differs makes another grant.
    #[test]
    fn retry_by_name_finds_its_grant_and_any_difference_makes_another() {
        let mut cluster = Cluster::new();
        let base = |c: &mut CreateGrant| {
            c.name = Some("n".into());
            c.operations = vec![GrantOperation::Decrypt, GrantOperation::Encrypt];
            c.context_subset = context(&[("a", "1"), ("b", "2")]);
        };
        let first = make(&mut cluster, ADMIN, 1, base);
        let born = cluster.at;
        let again = make(&mut cluster, ADMIN, 2, |c| {
            base(c);
            c.operations = vec![
                GrantOperation::Encrypt,
                GrantOperation::Decrypt,
                GrantOperation::Encrypt,
            ];
        });
        assert!(cluster.events.is_empty());
        assert_eq!((again.id, again.grant.unwrap().born.0), (first.id, born));
        let changes: [fn(&mut CreateGrant); 6] = [
            |c| c.name = Some("m".into()),
            |c| c.name = None,
            |c| c.grantee = Some(CAROL.into()),
            |c| c.retiring = Some(BOB.into()),
            |c| c.operations.truncate(1),
            |c| std::mem::swap(&mut c.context_subset, &mut c.context_equals),
        ];
        for (n, change) in (10..).zip(changes) {
            let id = make(&mut cluster, ADMIN, n, |c| {
                base(c);
                change(c);
            })
            .id;
            assert_eq!(id, GrantId([n; 32]));
        }
    }

    /// G-12, G-13: what a parent grant lets its grantee pass on; a policy that allows lifts the limit (G-11).
    #[test]
    fn child_grant_must_be_covered_by_one_parent() {
        let mut cluster = Cluster::new();
        make(&mut cluster, ADMIN, 1, |c| {
            c.operations = vec![GrantOperation::CreateGrant, GrantOperation::Decrypt];
            c.context_subset = context(&[("a", "1")]);
        });
        make(&mut cluster, ADMIN, 2, |c| {
            c.operations = vec![GrantOperation::Encrypt]
        });
        let child = |pairs: &[(&str, &str)], operation| {
            let context_equals = context(pairs);
            let mut command = create_grant(3, CAROL);
            (command.context_equals, command.operations) = (context_equals, vec![operation]);
            command
        };
        let decrypt = GrantOperation::Decrypt;
        for (what, command) in [
            ("unconstrained", child(&[], decrypt)),
            ("another value", child(&[("a", "2")], decrypt)),
            (
                "an operation of another grant",
                child(&[("a", "1")], GrantOperation::Encrypt),
            ),
        ] {
            let (code, _) = cluster.refusal(BOB, Command::CreateGrant(command.clone()));
            assert_eq!(code, "AccessDeniedException", "{what}");
            cluster.copy().done(ADMIN, Command::CreateGrant(command));
        }
        cluster.done(
            BOB,
            Command::CreateGrant(child(&[("a", "1"), ("b", "2")], decrypt)),
        );
    }

    /// Q-6: a node can judge the grant once it has its key and its grantee.
    #[test]
    fn grant_depends_on_its_key_and_its_grantee() {
        let mut cluster = Cluster::new();
        let key_born = cluster.state.key(&key_arn(1)).unwrap().born;
        assert_eq!(make(&mut cluster, ADMIN, 1, |_| ()).depends_on, key_born);
        let late = format!("arn:aws:iam::{OWNER}:role/late");
        cluster.make_principal(&late, 0);
        let born = cluster.at;
        let session = format!("arn:aws:sts::{OWNER}:assumed-role/late/s");
        for (n, grantee) in [(2, &late), (3, &session)] {
            let created = make(&mut cluster, ADMIN, n, |c| {
                c.grantee = Some(grantee.as_str().into())
            });
            assert_eq!(created.depends_on.0, born, "{grantee}");
        }
    }

    /// G-9, U-13: a service as grantee; the account of another, a session and a role of another letter case.
    #[test]
    fn every_kind_of_principal_that_exists_is_accepted() {
        let mut cluster = Cluster::new();
        make(&mut cluster, ADMIN, 1, |c| {
            c.grantee = None;
            c.grantee_service = Some("lambda.amazonaws.com".into());
            c.source_arn = Some("arn:aws:lambda:eu-west-1:111122223333:function:f".into());
            c.retiring_service = c.grantee_service.clone();
        });
        let grantees = [
            format!("arn:aws:iam::{OTHER}:root"),
            format!("arn:aws:sts::{OWNER}:assumed-role/app/s"),
            format!("arn:aws:sts::{OTHER}:federated-user/f"),
            APP.into(),
            EXT.into(),
        ];
        for (n, grantee) in (2..).zip(&grantees) {
            let created = make(&mut cluster, ADMIN, n, |c| {
                c.grantee = Some(grantee.as_str().into())
            });
            assert_eq!(created.grant.unwrap().issuing_account.to_string(), OWNER);
        }
        let (code, _) = refusal(&cluster, ADMIN, |c| {
            c.grantee = Some(format!("arn:aws:sts::{OWNER}:assumed-role/APP/s").into())
        });
        assert_eq!(code, "InvalidArnException");
    }

    /// CK-10, CK-12, CK-13, CK-29: the parameters are condition keys; a front's words do not replace them.
    #[test]
    fn permission_can_depend_on_the_parameters_and_no_caller_can_forge_them() {
        let mut cluster = Cluster::new();
        cluster.put_policy(BOB, &format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*","Condition":{{
                "StringEquals":{{"kms:GranteePrincipal":"{CAROL}","kms:GrantConstraintType":"EncryptionContextEquals","kms:EncryptionContext:dept":"it"}},
                "ForAllValues:StringEquals":{{"kms:GrantOperations":["Decrypt","Encrypt"]}},
                "Null":{{"kms:RetiringPrincipal":"true"}}}}}}}}"#
        ));
        let good = |c: &mut CreateGrant| {
            c.grantee = Some(CAROL.into());
            c.context_equals = context(&[("dept", "it")]);
        };
        let changes: [fn(&mut CreateGrant); 5] = [
            |c| c.grantee = Some(BOB.into()),
            |c| std::mem::swap(&mut c.context_subset, &mut c.context_equals),
            |c| c.context_equals = context(&[("dept", "hr")]),
            |c| c.operations.push(GrantOperation::DescribeKey),
            |c| c.retiring = Some(CAROL.into()),
        ];
        let mut forger = crate::domain::op::testing::caller(BOB);
        let forged = [
            ("kms:granteeprincipal", CAROL),
            ("kms:encryptioncontext:dept", "it"),
            ("kms:grantconstrainttype", "EncryptionContextEquals"),
        ];
        for (key, value) in forged {
            let value = crate::domain::authz::caller::ContextEntry::Single(value.into());
            forger.facts.context.insert(key.into(), value);
        }
        for change in changes {
            let mut command = create_grant(1, BOB);
            good(&mut command);
            change(&mut command);
            let refused = cluster
                .copy()
                .run_as(&forger, Command::CreateGrant(command))
                .unwrap_err();
            assert_eq!(refused.0, "AccessDeniedException");
        }
        make(&mut cluster, BOB, 1, good);
    }
}
