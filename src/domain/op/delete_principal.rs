//! `DeletePrincipal`: deletes a user or a role (`iam:DeleteUser`, `iam:DeleteRole`).

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{Change as What, ErrorCode, Event, Output, identity, service_linked};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::PrincipalArn;
use crate::domain::state::State;

/// Deletes a user or a role (`iam:DeleteUser`, `iam:DeleteRole`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeletePrincipal {
    /// User or role ARN.
    pub arn: PrincipalArn,
}

refusals! {
    /// Why DeletePrincipal is refused, in the order of its checks.
    Refusal {
        /// No user or role.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
        /// It is a role that nobody changes (K-4).
        Protected(Said),
        /// It is a member of groups.
        InGroups(Said),
        /// It still has identity policies.
        HasPolicies(Said),
    }
}

/// Grants and key policies that name it stay, bound to an id that nobody has any more (ID-18).
impl Change for DeletePrincipal {
    type Refusal = Refusal;
    type Plan = PrincipalArn;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, PrincipalArn), Refusal> {
        let kind = identity::kind_of(&self.arn).map_err(Refusal::Shape)?;
        let operation = Operation::DeletePrincipal;
        let allowed = identity::allow(cx, operation, kind, &self.arn, Parameters::NONE)?;
        let principal = identity::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        service_linked::check_editable(cx, principal).map_err(Refusal::Protected)?;
        if !principal.groups.is_empty() {
            return Err(Refusal::InGroups(said(
                ErrorCode::DeleteConflict,
                "Cannot delete entity, must remove users from group first.",
            )));
        }
        if !principal.policies.is_empty() {
            return Err(Refusal::HasPolicies(said(
                ErrorCode::DeleteConflict,
                "Cannot delete entity, must delete policies first.",
            )));
        }
        Ok((allowed, self.arn.clone()))
    }

    fn enact(arn: PrincipalArn, state: &mut State) -> (Output, Vec<Event>) {
        state.take_principal(&arn);
        (
            Output::Done,
            vec![Event::PrincipalChanged(arn, What::Deleted)],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{
        ADMIN, BOB, CAROL, Cluster, OWNER, arn, caller, check_rows, create_grant,
    };
    use crate::domain::op::{Command, Query, delete_principal_policy, describe_key};

    fn delete(text: &str) -> Command {
        Command::DeletePrincipal(DeletePrincipal { arn: arn(text) })
    }

    #[test]
    fn delete_principal_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.make_group("readers", &[BOB]);
        let root = format!("arn:aws:iam::{OWNER}:root");
        let nobody = format!("arn:aws:iam::{OWNER}:user/nobody");
        check_rows(vec![
            (
                "the root",
                cluster.refusal(BOB, delete(&root)),
                "ValidationException",
                "neither",
            ),
            (
                "no permission, not there",
                cluster.refusal(BOB, delete(&nobody)),
                "AccessDeniedException",
                "iam:DeleteUser",
            ),
            (
                "not there",
                cluster.refusal(ADMIN, delete(&nobody)),
                "NoSuchEntity",
                "The user with name nobody cannot be found.",
            ),
            (
                "in a group",
                cluster.refusal(ADMIN, delete(BOB)),
                "DeleteConflict",
                "Cannot delete entity, must remove users from group first.",
            ),
            (
                "with policies",
                cluster.refusal(ADMIN, delete(ADMIN)),
                "DeleteConflict",
                "policies first",
            ),
        ]);
    }

    /// ID-18, Q-10: a principal made again under its old name has nothing of the old one; neither have old credentials.
    #[test]
    fn principal_made_again_inherits_nothing() {
        let mut cluster = Cluster::new();
        cluster.put_key_policy(&format!(
            r#"{{"Version":"2012-10-17","Statement":[
                {{"Effect":"Allow","Principal":{{"AWS":"{CAROL}"}},"Action":"kms:*","Resource":"*"}},
                {{"Effect":"Allow","Principal":{{"AWS":"{OWNER}"}},"Action":"kms:*","Resource":"*"}}]}}"#
        ));
        let mut grant = create_grant(1, BOB);
        grant.operations = vec![crate::domain::state::grant::GrantOperation::DescribeKey];
        cluster.done(ADMIN, Command::CreateGrant(grant));
        let describe = || {
            Query::DescribeKey(describe_key::DescribeKey {
                key: crate::domain::op::testing::key(1),
            })
        };
        for who in [BOB, CAROL] {
            assert!(cluster.ask(who, describe()).is_ok());
            cluster.done(ADMIN, delete(who));
            let (code, why) = cluster.ask(who, describe()).unwrap_err();
            assert_eq!(code, "UnrecognizedClientException", "{why}");
            cluster.make_principal(who, 9);
            let (code, why) = cluster.ask(who, describe()).unwrap_err();
            assert_eq!(code, "UnrecognizedClientException", "{why}");
            let mut again = caller(who);
            again.identity = crate::domain::authz::caller::Identity::User {
                arn: arn(who),
                unique_id: crate::domain::op::testing::unique_id(&arn(who), 9),
            };
            let (code, why) = cluster.ask_as(&again, describe()).unwrap_err();
            assert_eq!(code, "AccessDeniedException", "{why}");
        }
    }

    #[test]
    fn principal_without_policies_is_deleted() {
        let mut cluster = Cluster::new();
        let (arn, name) = (arn(ADMIN), "test".into());
        let policy = delete_principal_policy::DeletePrincipalPolicy {
            arn: arn.clone(),
            name,
        };
        let root = format!("arn:aws:iam::{OWNER}:root");
        cluster.done(&root, Command::DeletePrincipalPolicy(policy));
        cluster.done(&root, delete(ADMIN));
        assert!(cluster.state.principal(&arn).is_none());
    }
}
