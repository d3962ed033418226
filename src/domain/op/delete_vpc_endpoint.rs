//! `DeleteVpcEndpoint`: forgets a VPC endpoint; for the operator alone.

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::{Change as What, ErrorCode, Event, Output};
use crate::domain::authz::{Allowed, Denied, require_operator};
use crate::domain::ids::VpcEndpointId;
use crate::domain::state::State;

/// Forgets a VPC endpoint; for the operator alone. Of requests that still come through it
/// nothing is allowed: it is not known any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteVpcEndpoint {
    /// Which.
    pub id: VpcEndpointId,
}

refusals! {
    /// Why DeleteVpcEndpoint is refused, in the order of its checks.
    Refusal {
        /// It is for the operator.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
    }
}

/// The refusal for an endpoint that is not known.
pub fn no_endpoint(id: &VpcEndpointId) -> Said {
    let why = format!("The VPC endpoint {id} cannot be found.");
    said(ErrorCode::NoSuchEntity, why)
}

impl Change for DeleteVpcEndpoint {
    type Refusal = Refusal;
    type Plan = VpcEndpointId;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, VpcEndpointId), Refusal> {
        let allowed = require_operator(cx.caller, "grantd:DeleteVpcEndpoint")?;
        if cx.state.endpoint(&self.id).is_none() {
            return Err(Refusal::NotThere(no_endpoint(&self.id)));
        }
        Ok((allowed, self.id.clone()))
    }

    fn enact(id: VpcEndpointId, state: &mut State) -> (Output, Vec<Event>) {
        state.take_endpoint(&id);
        (
            Output::Done,
            vec![Event::EndpointChanged(id, What::Deleted)],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{ADMIN, Cluster, check_rows};

    #[test]
    fn delete_vpc_endpoint_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let id: VpcEndpointId = "vpce-1".parse().unwrap();
        let delete = || Command::DeleteVpcEndpoint(DeleteVpcEndpoint { id: id.clone() });
        check_rows(vec![
            (
                "not the operator, not there",
                cluster.refusal(ADMIN, delete()),
                "AccessDeniedException",
                "operator",
            ),
            (
                "not there",
                cluster.refusal("operator", delete()),
                "NoSuchEntity",
                "The VPC endpoint vpce-1 cannot be found.",
            ),
        ]);
    }
}
