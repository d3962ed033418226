//! `ListVpcEndpoints`: lists the VPC endpoints; for the operator alone.

use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals};
use super::{Answer, Page};
use crate::domain::authz::{Denied, require_operator};
use crate::domain::ids::VpcEndpointId;

/// Lists the VPC endpoints; for the operator alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListVpcEndpoints {
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListVpcEndpoints is refused, in the order of its checks.
    Refusal {
        /// A limit or marker that cannot be.
        Page(Said),
        /// It is for the operator.
        Denied(Denied),
    }
}

impl Question for ListVpcEndpoints {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let cursor: Cursor<VpcEndpointId> =
            Cursor::read(&self.page, Sizes::KEYS, "VPC endpoints").map_err(Refusal::Page)?;
        require_operator(cx.caller, "grantd:ListVpcEndpoints")?;
        let after = cursor.after.clone();
        let endpoints = cx.state.endpoints(after.as_ref());
        let paged = cursor.page(endpoints, |e| e.id.clone(), |e| Some((***e).clone()));
        Ok(Answer::Endpoints(paged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{ADMIN, Cluster, OWNER, all_pages, check_rows, page};
    use crate::domain::op::{Command, Query, put_vpc_endpoint};

    #[test]
    fn list_vpc_endpoints_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        for id in ["vpce-2", "vpce-1"] {
            let put = put_vpc_endpoint::PutVpcEndpoint {
                id: id.parse().unwrap(),
                vpc: "vpc-1".parse().unwrap(),
                account: OWNER.parse().unwrap(),
                policy: None,
            };
            cluster.done("operator", Command::PutVpcEndpoint(put));
        }
        let list = |page| Query::ListVpcEndpoints(ListVpcEndpoints { page });
        check_rows(vec![
            (
                "no entry a page, not the operator",
                cluster.ask(ADMIN, list(page(0, None))).unwrap_err(),
                "ValidationException",
                "limit",
            ),
            (
                "not the operator",
                cluster.ask(ADMIN, list(page(1, None))).unwrap_err(),
                "AccessDeniedException",
                "operator",
            ),
        ]);
        let (all, pages) = all_pages(
            |page| match cluster.ask("operator", list(page)) {
                Ok(Answer::Endpoints(endpoints)) => endpoints,
                other => panic!("{other:?}"),
            },
            1,
        );
        let ids: Vec<&str> = all.iter().map(|endpoint| endpoint.id.as_str()).collect();
        assert_eq!((ids, pages), (vec!["vpce-1", "vpce-2"], 2));
    }
}
