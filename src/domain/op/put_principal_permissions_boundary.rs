//! `PutPrincipalPermissionsBoundary`: limits a user or a role (`iam:PutUserPermissionsBoundary`,
//! `iam:PutRolePermissionsBoundary`).

use super::context::{Change, Context};
use super::refusal::{BadPolicy, Said, refusals};
use super::table::Operation;
use super::{Event, Output, identity, policies};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::PrincipalArn;
use crate::domain::policy::PolicyKind;
use crate::domain::state::State;
use crate::domain::state::principal::Principal;
use std::sync::Arc;

/// Limits what a user's or a role's identity policies can give (D-11, D-12, P-24). AWS names a managed policy here;
/// there are none, so the document itself is put.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PutPrincipalPermissionsBoundary {
    /// User or role ARN.
    pub arn: PrincipalArn,
    /// The JSON text; validated and compiled by `plan`. It takes the place of the boundary that is there.
    pub policy: Arc<str>,
}

refusals! {
    /// Why PutPrincipalPermissionsBoundary is refused, in the order of its checks.
    Refusal {
        /// No user or role.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
        /// It is a role that nobody changes (K-4).
        Protected(Said),
        /// The text is no permissions boundary.
        Policy(BadPolicy),
    }
}

impl Change for PutPrincipalPermissionsBoundary {
    type Refusal = Refusal;
    type Plan = Principal;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Principal), Refusal> {
        let kind = identity::kind_of(&self.arn).map_err(Refusal::Shape)?;
        let operation = Operation::PutPrincipalPermissionsBoundary;
        let allowed = identity::allow(cx, operation, kind, &self.arn, Parameters::NONE)?;
        let principal = identity::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        super::service_linked::check_boundable(cx, principal).map_err(Refusal::Protected)?;
        let boundary = policies::read(&self.policy, PolicyKind::Boundary)?;
        let mut principal = (**principal).clone();
        principal.boundary = Some(boundary);
        Ok((allowed, principal))
    }

    fn enact(principal: Principal, state: &mut State) -> (Output, Vec<Event>) {
        identity::store(principal, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{
        ADMIN, ALLOW_ALL, BOB, Cluster, OWNER, arn, caller, check_rows, create_key,
    };

    fn put(text: &str, policy: &str) -> Command {
        let (arn, policy) = (arn(text), policy.into());
        Command::PutPrincipalPermissionsBoundary(PutPrincipalPermissionsBoundary { arn, policy })
    }

    #[test]
    fn put_boundary_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let nobody = format!("arn:aws:iam::{OWNER}:role/nobody");
        let root = format!("arn:aws:iam::{OWNER}:root");
        check_rows(vec![
            (
                "the root, no permission",
                cluster.refusal(BOB, put(&root, "{")),
                "ValidationException",
                "neither",
            ),
            (
                "no permission, not there",
                cluster.refusal(BOB, put(&nobody, "{")),
                "AccessDeniedException",
                "iam:PutRolePermissionsBoundary",
            ),
            (
                "not there",
                cluster.refusal(ADMIN, put(&nobody, "{")),
                "NoSuchEntity",
                "The role with name nobody",
            ),
            (
                "no policy",
                cluster.refusal(ADMIN, put(BOB, "{")),
                "MalformedPolicyDocumentException",
                "line 1, column",
            ),
        ]);
    }

    /// D-11: what a boundary does not allow, identity policies cannot give.
    #[test]
    fn boundary_limits_identity_policies() {
        let mut cluster = Cluster::new();
        cluster.put_policy(BOB, ALLOW_ALL);
        cluster.done(BOB, Command::CreateKey(create_key(8)));
        cluster.done(
            ADMIN,
            put(
                BOB,
                &ALLOW_ALL.replace("\"*\",\"R", "\"kms:Describe*\",\"R"),
            ),
        );
        let (code, why) = cluster.refusal(BOB, Command::CreateKey(create_key(9)));
        assert!(
            code == "AccessDeniedException" && why.contains("because no permissions boundary"),
            "{why}"
        );
        assert!(cluster.decision(&caller(BOB), "kms:DescribeKey").is_allow());
    }

    /// P-24: a principal with a boundary is denied by NotPrincipal with Deny, listed or not; D-12: a direct allow of the
    /// key policy is not limited by what the boundary leaves out.
    #[test]
    fn boundary_makes_not_principal_deny_everyone_and_leaves_direct_allows_alone() {
        let mut cluster = Cluster::new();
        let policy = |deny: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[
                {{"Effect":"Allow","Principal":{{"AWS":"{BOB}"}},"Action":"kms:*","Resource":"*"}},
                {{"Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:*","Resource":"*"}}{deny}]}}"#
            )
        };
        let deny = format!(
            r#",{{"Effect":"Deny","NotPrincipal":{{"AWS":["{BOB}","{OWNER}"]}},"Action":"kms:Decrypt","Resource":"*"}}"#
        );
        cluster.put_key_policy(&policy(""));
        cluster.done(
            ADMIN,
            put(BOB, &ALLOW_ALL.replace("\"*\",\"R", "\"s3:*\",\"R")),
        );
        assert!(cluster.decision(&caller(BOB), "kms:Decrypt").is_allow());
        cluster.put_key_policy(&policy(&deny));
        assert!(!cluster.decision(&caller(BOB), "kms:Decrypt").is_allow());
        cluster.done(
            ADMIN,
            Command::DeletePrincipalPermissionsBoundary(
                crate::domain::op::delete_principal_permissions_boundary::DeletePrincipalPermissionsBoundary {
                    arn: arn(BOB),
                },
            ),
        );
        assert!(cluster.decision(&caller(BOB), "kms:Decrypt").is_allow());
    }
}
