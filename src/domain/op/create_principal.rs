//! `CreatePrincipal`: makes a user or a role (`iam:CreateUser`, `iam:CreateRole`).

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{Change as What, ErrorCode, Event, Output, identity, service_linked, tags};
use crate::domain::authz::request::{Parameters, RequestTags};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::UniqueIdKind;
use crate::domain::ids::{PrincipalArn, UniqueId};
use crate::domain::limits::PRINCIPALS_PER_ACCOUNT_MAX;
use crate::domain::state::State;
use crate::domain::state::Tags;
use crate::domain::state::principal::{Principal, PrincipalType};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Makes a user or a role (`iam:CreateUser`, `iam:CreateRole`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreatePrincipal {
    /// User or role ARN, with its path.
    pub arn: PrincipalArn,
    /// The immutable id, drawn before the log (ID-18).
    pub unique_id: UniqueId,
    /// Tags from the start.
    pub tags: Tags,
}

refusals! {
    /// Why CreatePrincipal is refused, in the order of its checks.
    Refusal {
        /// No user or role, a path that is not the caller's to use, or tags that cannot be.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// Its account is not there.
        NoAccount(Said),
        /// A user or role of this name is there.
        Exists(Said),
        /// The account has no room for another.
        TooMany(Said),
    }
}

impl Change for CreatePrincipal {
    type Refusal = Refusal;
    type Plan = Principal;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Principal), Refusal> {
        let kind = identity::kind_of(&self.arn).map_err(Refusal::Shape)?;
        let fits = match kind {
            PrincipalType::User => self.unique_id.kind() == UniqueIdKind::User,
            PrincipalType::Role => self.unique_id.kind() == UniqueIdKind::Role,
        };
        if !fits {
            let why = format!("`{}` is no unique id of a {kind}", self.unique_id);
            return Err(Refusal::Shape(said(ErrorCode::Validation, why)));
        }
        let service = service_linked::made_for(cx, &self.arn).map_err(Refusal::Shape)?;
        tags::read(self.tags.iter()).map_err(Refusal::Shape)?;
        let parameters = Parameters::Known(Vec::new(), RequestTags::Set(&self.tags));
        let allowed = identity::allow(cx, Operation::CreatePrincipal, kind, &self.arn, parameters)?;
        // Who is allowed it is of this account, so the account is there; but for the operator, who is of none.
        let account = self.arn.account();
        if cx.state.account(account).is_none() {
            return Err(Refusal::NoAccount(said(
                ErrorCode::NoSuchEntity,
                format_args!("the account {account} does not exist"),
            )));
        }
        let (_, name) = identity::shown(&self.arn);
        if cx.state.principal_named(account, kind, name).is_some() {
            return Err(Refusal::Exists(said(
                ErrorCode::EntityAlreadyExists,
                format_args!("{kind} with name {name} already exists."),
            )));
        }
        if cx.state.principal_count(account) >= PRINCIPALS_PER_ACCOUNT_MAX {
            return Err(Refusal::TooMany(said(
                ErrorCode::QuotaExceeded,
                format_args!(
                    "the account {account} has {PRINCIPALS_PER_ACCOUNT_MAX} users and roles, as many as it can have"
                ),
            )));
        }
        let principal = Principal {
            arn: self.arn.clone(),
            unique_id: self.unique_id.clone(),
            kind,
            created_at: cx.now,
            born: cx.at,
            service,
            tags: self.tags.clone(),
            policies: BTreeMap::new(),
            boundary: None,
            groups: BTreeSet::new(),
        };
        Ok((allowed, principal))
    }

    fn enact(principal: Principal, state: &mut State) -> (Output, Vec<Event>) {
        state.put_principal(Arc::new(principal.clone()));
        let events = vec![Event::PrincipalChanged(
            principal.arn.clone(),
            What::Created,
        )];
        (Output::Principal(principal), events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{
        ADMIN, BOB, Cluster, EXT, OWNER, Refused, arn, check_rows, unique_id,
    };

    fn create(text: &str) -> CreatePrincipal {
        let arn = arn(text);
        CreatePrincipal {
            unique_id: unique_id(&arn, 1),
            arn,
            tags: Default::default(),
        }
    }

    fn refusal(cluster: &Cluster, who: &str, command: CreatePrincipal) -> Refused {
        cluster.refusal(who, Command::CreatePrincipal(command))
    }

    #[test]
    fn create_principal_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let session = format!("arn:aws:sts::{OWNER}:assumed-role/app/s");
        let same_name = format!("arn:aws:iam::{OWNER}:user/elsewhere/BOB");
        let mut reserved = create(BOB);
        reserved.tags.insert("aws:x".into(), "".into());
        let mut wrong_id = create(BOB);
        wrong_id.unique_id = "AROAEXAMPLE".parse().unwrap();
        check_rows(vec![
            (
                "a session",
                refusal(&cluster, BOB, create(&session)),
                "ValidationException",
                "neither a user nor a role",
            ),
            (
                "a role's id",
                refusal(&cluster, BOB, wrong_id),
                "ValidationException",
                "unique id",
            ),
            (
                "a reserved tag",
                refusal(&cluster, BOB, reserved),
                "TagException",
                "reserved",
            ),
            (
                "no permission, there",
                refusal(&cluster, BOB, create(BOB)),
                "AccessDeniedException",
                "iam:CreateUser",
            ),
            (
                "another account's",
                refusal(&cluster, ADMIN, create(EXT)),
                "AccessDeniedException",
                "iam:CreateUser",
            ),
            (
                "there, under another path and in other letters",
                refusal(&cluster, ADMIN, create(&same_name)),
                "EntityAlreadyExists",
                "already exists",
            ),
        ]);
    }

    /// IAM: a user and a role may share a name; permission is asked by the kind of principal.
    #[test]
    fn role_of_a_users_name_is_another_principal() {
        let mut cluster = Cluster::new();
        let role = format!("arn:aws:iam::{OWNER}:role/bob");
        cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:CreateRole","Resource":"arn:aws:iam::*:role/b*","Condition":{"StringEquals":{"aws:RequestTag/team":"a"}}}}"#);
        let mut command = create(&role);
        let (code, _) = refusal(&cluster, BOB, command.clone());
        assert_eq!(code, "AccessDeniedException");
        command.tags.insert("team".into(), "a".into());
        cluster.done(BOB, Command::CreatePrincipal(command));
        assert!(cluster.state.principal(&arn(&role)).is_some());
    }
}
