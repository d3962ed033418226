//! `DeletePrincipalPermissionsBoundary`: takes the limit of a user or a role away (`iam:DeleteUserPermissionsBoundary`,
//! `iam:DeleteRolePermissionsBoundary`).

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{ErrorCode, Event, Output, identity};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::PrincipalArn;
use crate::domain::state::State;
use crate::domain::state::principal::Principal;

/// Takes the permissions boundary of a user or a role away: what its identity policies allow counts in full again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeletePrincipalPermissionsBoundary {
    /// User or role ARN.
    pub arn: PrincipalArn,
}

refusals! {
    /// Why DeletePrincipalPermissionsBoundary is refused, in the order of its checks.
    Refusal {
        /// No user or role.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
        /// It is a role that AWS alone changes (D-18).
        Protected(Said),
        /// It has none.
        NoBoundary(Said),
    }
}

impl Change for DeletePrincipalPermissionsBoundary {
    type Refusal = Refusal;
    type Plan = Principal;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Principal), Refusal> {
        let kind = identity::kind_of(&self.arn).map_err(Refusal::Shape)?;
        let operation = Operation::DeletePrincipalPermissionsBoundary;
        let allowed = identity::allow(cx, operation, kind, &self.arn, Parameters::NONE)?;
        let principal = identity::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        super::service_linked::check_editable(cx, principal).map_err(Refusal::Protected)?;
        let mut principal = (**principal).clone();
        if principal.boundary.take().is_none() {
            let (kind, name) = identity::shown(&self.arn);
            return Err(Refusal::NoBoundary(said(
                ErrorCode::NoSuchEntity,
                format_args!("The {kind} with name {name} does not have a permissions boundary."),
            )));
        }
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
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, OWNER, arn, check_rows};

    fn delete(text: &str) -> Command {
        let arn = arn(text);
        Command::DeletePrincipalPermissionsBoundary(DeletePrincipalPermissionsBoundary { arn })
    }

    #[test]
    fn delete_boundary_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let nobody = format!("arn:aws:iam::{OWNER}:user/nobody");
        let root = format!("arn:aws:iam::{OWNER}:root");
        check_rows(vec![
            (
                "the root, no permission",
                cluster.refusal(BOB, delete(&root)),
                "ValidationException",
                "neither",
            ),
            (
                "no permission, not there",
                cluster.refusal(BOB, delete(&nobody)),
                "AccessDeniedException",
                "iam:DeleteUserPermissionsBoundary",
            ),
            (
                "not there",
                cluster.refusal(ADMIN, delete(&nobody)),
                "NoSuchEntity",
                "The user with name nobody",
            ),
            (
                "none",
                cluster.refusal(ADMIN, delete(BOB)),
                "NoSuchEntity",
                "The user with name bob does not have a permissions boundary.",
            ),
        ]);
    }
}
