//! `GetVpcEndpoint`: tells a VPC endpoint with its policy; for the operator alone.

use super::Answer;
use super::context::{Context, Question};
use super::delete_vpc_endpoint::no_endpoint;
use super::refusal::{Said, refusals};
use crate::domain::authz::{Denied, require_operator};
use crate::domain::ids::VpcEndpointId;

/// Tells a VPC endpoint with its policy; for the operator alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetVpcEndpoint {
    /// Which.
    pub id: VpcEndpointId,
}

refusals! {
    /// Why GetVpcEndpoint is refused, in the order of its checks.
    Refusal {
        /// It is for the operator.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
    }
}

impl Question for GetVpcEndpoint {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        require_operator(cx.caller, "grantd:GetVpcEndpoint")?;
        let endpoint = cx.state.endpoint(&self.id);
        let endpoint = endpoint.ok_or_else(|| Refusal::NotThere(no_endpoint(&self.id)))?;
        Ok(Answer::Endpoint((**endpoint).clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{ADMIN, Cluster, OWNER, check_rows};
    use crate::domain::op::{Command, Query, put_vpc_endpoint};

    #[test]
    fn get_vpc_endpoint_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        let id: VpcEndpointId = "vpce-1".parse().unwrap();
        let get = || Query::GetVpcEndpoint(GetVpcEndpoint { id: id.clone() });
        check_rows(vec![
            (
                "not the operator, not there",
                cluster.ask(ADMIN, get()).unwrap_err(),
                "AccessDeniedException",
                "operator",
            ),
            (
                "not there",
                cluster.ask("operator", get()).unwrap_err(),
                "NoSuchEntity",
                "The VPC endpoint vpce-1 cannot be found.",
            ),
        ]);
        let put = put_vpc_endpoint::PutVpcEndpoint {
            id: id.clone(),
            vpc: "vpc-1".parse().unwrap(),
            account: OWNER.parse().unwrap(),
            policy: None,
        };
        cluster.done("operator", Command::PutVpcEndpoint(put));
        let told = cluster.ask("operator", get());
        assert!(matches!(told, Ok(Answer::Endpoint(e)) if e.vpc.as_str() == "vpc-1"));
    }
}
