//! `CreateGrant`: makes a grant on a key (G-9 to G-30).

use super::DryRun;
use super::context::{Change, Context};
use super::key_rules::{self, BadState, StateRule};
use super::principals::immutable_id;
use super::refusal::{Said, bad_member, refusals, said};
use super::{CreatedGrant, ErrorCode, Event, GrantChange, Output};
use crate::domain::authz::request::{About, Parameter, Parameters, RequestTags, Target};
use crate::domain::authz::resolve::Unresolved;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{Arn, ParseIdError, PrincipalArn, PrincipalKind, ServicePrincipal};
use crate::domain::ids::{GrantId, KeyRef};
use crate::domain::limits::{
    CONSTRAINT_PAIRS_MAX, CONSTRAINT_VALUE_CHARS_MAX, GRANT_NAME_MAX, PRINCIPAL_ID_MAX,
    SOURCE_ARN_MAX, SOURCE_ARN_MIN,
};
use crate::domain::policy::{KmsAction, KnownKey};
use crate::domain::state::State;
use crate::domain::state::grant::{
    ContextConstraint, Grant, GrantConstraints, GrantOperations, GrantPrincipal,
};
use crate::domain::state::grant::{EncryptionContext, GrantOperation};
use crate::domain::state::grant_index::constraint_pairs;
use crate::domain::state::key::{Key, KeyManager};
use crate::domain::state::principal::PrincipalType;
use crate::domain::time::Revision;
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
}

refusals! {
    /// Why CreateGrant is refused, in the order of its checks.
    Refusal {
        /// Members that cannot be, by themselves or together (G-5, G-6, G-9, G-15, G-22, G-24, U-21).
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
                // this one can be mended by waiting; a malformed ARN cannot, and reads otherwise.
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
    fn shape(&self) -> Result<Shape, Refusal> {
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

/// What a node must have applied to judge a grant: its key and its grantee.
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

/// What CreateGrant writes.
pub enum Plan {
    /// A new grant.
    New(Arc<Grant>, Revision),
    /// Nothing: a retry by name (G-17).
    Retry(Arc<Grant>, Revision),
}

impl Change for CreateGrant {
    type Refusal = Refusal;
    type Plan = Plan;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Plan), Refusal> {
        let shape = self.shape()?;
        let key = cx.key_without_alias(&self.key)?;
        let allowed = cx.ask(
            KmsAction::CreateGrant.into(),
            Target::Key { key, alias: None },
            self.parameters(&shape),
            constraint_pairs(shape.constraints.context.as_ref()),
            About::NewGrant(&shape.operations, &shape.constraints),
        )?;
        key_rules::check_state(StateRule::Grant, key)?;
        check_supported(&shape, key).map_err(Refusal::Unsupported)?;
        let grantee = shape.grantee.bind(cx.state).map_err(Refusal::Principal)?;
        let retiring = shape.retiring.map(|named| named.bind(cx.state));
        let retiring = retiring.transpose().map_err(Refusal::Principal)?;
        let depends_on = depends_on(cx.state, key, &grantee);
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
            None => Plan::New(Arc::new(grant), depends_on),
        };
        Ok((allowed, plan))
    }

    fn enact(plan: Plan, state: &mut State) -> (Output, Vec<Event>) {
        let (grant, depends_on, events) = match plan {
            Plan::Retry(grant, depends_on) => (grant, depends_on, Vec::new()),
            Plan::New(grant, depends_on) => {
                state.put_grant(Arc::clone(&grant));
                let events = vec![Event::GrantChanged {
                    grant: grant.id,
                    key: grant.key.clone(),
                    change: GrantChange::Created,
                }];
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
