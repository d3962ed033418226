//! `CreateGrant`: makes a grant on a key (G-9 to G-30).

mod shape;

use super::context::{Change, Context};
use super::key_rules::{self, BadState, StateRule};
use super::refusal::{Said, refusals, said};
use super::{CreatedGrant, DryRun, ErrorCode, Event, GrantChange, Output, grants, key_kinds};
use crate::domain::authz::request::{About, Target};
use crate::domain::authz::resolve::Unresolved;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{GrantId, KeyRef, PrincipalKind};
use crate::domain::limits::GRANT_ANCESTORS_MAX;
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::grant::{EncryptionContext, Grant, GrantOperation, GrantPrincipal, Term};
use crate::domain::state::grant_index::{Holder, constraint_pairs};
use crate::domain::state::key::{Key, KeyManager};
use crate::domain::state::principal::PrincipalType;
use crate::domain::time::Revision;
use shape::Shape;
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
        /// No token epoch mints: there would be no token to tell the grant by.
        NoEpoch(Said),
        /// It would have succeeded (G-20).
        DryRun(Said),
    }
}

/// The operations are the key's (G-7), the constraints too (G-23).
fn check_supported(shape: &Shape, key: &Key) -> Result<(), Said> {
    let supported = key_kinds::grantable(key);
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
    /// A retry by name (G-17): nothing but the epoch of its tokens, where that is another now.
    Retry(Arc<Grant>, Option<u32>, Revision),
}

/// The epoch that mints the tokens of a new grant.
fn minting(state: &State) -> Result<u32, Said> {
    match state.minting_epoch() {
        Some(epoch) => Ok(epoch.number),
        None => Err(said(
            ErrorCode::UnsupportedOperation,
            "no token epoch of this cluster mints grant tokens: the operator begins one with RotateTokenEpoch",
        )),
    }
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
            epoch: 0,
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
        // Of a grant that has tokens already, one more is of the same epoch.
        let living = same.as_ref().and_then(|same| cx.state.epoch_of(same));
        let epoch = match living {
            Some(_) => None,
            None => Some(minting(cx.state).map_err(Refusal::NoEpoch)?),
        };
        if self.dry_run == DryRun::Yes {
            return Err(Refusal::DryRun(super::refusal::dry_run()));
        }
        let plan = match same {
            Some(same) => Plan::Retry(same, epoch, depends_on),
            None => {
                let paying = parent.and_then(|parent| pay(parent, self.term));
                let grant = Grant {
                    epoch: epoch.unwrap_or_default(),
                    ..grant
                };
                Plan::New(Arc::new(grant), paying, depends_on)
            }
        };
        Ok((allowed, plan))
    }

    fn enact(plan: Plan, state: &mut State) -> (Output, Vec<Event>) {
        let (grant, depends_on, events) = match plan {
            Plan::Retry(grant, None, depends_on) => (grant, depends_on, Vec::new()),
            Plan::Retry(grant, Some(epoch), depends_on) => {
                let grant = Arc::new(Grant {
                    epoch,
                    ..Grant::clone(&grant)
                });
                state.put_grant(Arc::clone(&grant));
                (grant, depends_on, Vec::new())
            }
            Plan::New(grant, paying, depends_on) => {
                state.put_grant(Arc::clone(&grant));
                let mut events = vec![Event::GrantChanged {
                    grant: grant.id,
                    key: grant.key.clone(),
                    grantee: grant.grantee.clone(),
                    operations: grant.operations,
                    change: GrantChange::Created,
                }];
                events.extend(paying.map(|paying| grants::spend(paying, state)));
                (grant, depends_on, events)
            }
        };
        let created = CreatedGrant {
            id: grant.id,
            epoch: state.epoch_of(&grant).cloned(),
            grant: Some((*grant).clone()),
            depends_on,
        };
        (Output::Grant(created), events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{
        ADMIN, BOB, Cluster, OWNER, Refused, check_rows, create_grant, key,
    };
    use crate::domain::state::key::KeyState;

    fn refusal(cluster: &Cluster, who: &str, change: impl FnOnce(&mut CreateGrant)) -> Refused {
        let mut command = create_grant(1, BOB);
        change(&mut command);
        cluster.refusal(who, Command::CreateGrant(command))
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
}
