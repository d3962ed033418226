//! `GetPrincipal`: tells the facts of a user or a role (`iam:GetUser`, `iam:GetRole`).

use super::context::{Context, Question};
use super::refusal::{Said, refusals};
use super::table::Operation;
use super::{Answer, identity};
use crate::domain::authz::Denied;
use crate::domain::authz::request::Parameters;
use crate::domain::ids::PrincipalArn;

/// Tells the facts of a user or a role (`iam:GetUser`, `iam:GetRole`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetPrincipal {
    /// User or role ARN.
    pub arn: PrincipalArn,
}

refusals! {
    /// Why GetPrincipal is refused, in the order of its checks.
    Refusal {
        /// No user or role.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
    }
}

impl Question for GetPrincipal {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let kind = identity::kind_of(&self.arn).map_err(Refusal::Shape)?;
        identity::allow(
            cx,
            Operation::GetPrincipal,
            kind,
            &self.arn,
            Parameters::NONE,
        )?;
        let principal = identity::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        Ok(Answer::Principal((**principal).clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Query;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, OWNER, arn, check_rows};

    fn get(text: &str) -> Query {
        Query::GetPrincipal(GetPrincipal { arn: arn(text) })
    }

    #[test]
    fn get_principal_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let (nobody, root) = (
            format!("arn:aws:iam::{OWNER}:user/nobody"),
            format!("arn:aws:iam::{OWNER}:root"),
        );
        check_rows(vec![
            (
                "the root",
                cluster.ask(BOB, get(&root)).unwrap_err(),
                "ValidationException",
                "neither",
            ),
            (
                "no permission, not there",
                cluster.ask(BOB, get(&nobody)).unwrap_err(),
                "AccessDeniedException",
                "iam:GetUser",
            ),
            (
                "not there",
                cluster.ask(ADMIN, get(&nobody)).unwrap_err(),
                "NoSuchEntity",
                "nobody",
            ),
        ]);
        assert!(
            matches!(cluster.ask(&root, get(BOB)), Ok(Answer::Principal(p)) if p.arn == arn(BOB))
        );
    }
}
