//! `MoveAccount`: puts a member account below another root or unit of its organization.

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{ErrorCode, Event, Output, organizations};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{AccountId, NodeId};
use crate::domain::state::State;
use crate::domain::state::organization::Node;

/// Puts a member account below another root or unit of its organization (`organizations:MoveAccount`). Its own control
/// policies go with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MoveAccount {
    /// The account.
    pub account: AccountId,
    /// The root or unit that it stands below from then on.
    pub parent: NodeId,
}

refusals! {
    /// Why MoveAccount is refused, in the order of its checks.
    Refusal {
        /// An account as parent.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// The account or the parent is not there.
        NotThere(Said),
        /// The parent is of another organization.
        Elsewhere(Said),
    }
}

impl Change for MoveAccount {
    type Refusal = Refusal;
    type Plan = Node;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Node), Refusal> {
        let Self { account, parent } = self;
        organizations::check_parent(parent).map_err(Refusal::Shape)?;
        let member = NodeId::Account(*account);
        let organization = organizations::of_node(cx, &member);
        let allowed = organizations::allow(cx, Operation::MoveAccount, organization)?;
        let node = organizations::existing_node(cx, &member).map_err(Refusal::NotThere)?;
        let above = organizations::existing_node(cx, parent).map_err(Refusal::NotThere)?;
        if above.organization != node.organization {
            return Err(Refusal::Elsewhere(said(
                ErrorCode::Validation,
                format_args!(
                    "{parent} is of another organization than the account {account}: remove the account from its own first"
                ),
            )));
        }
        let mut node = (**node).clone();
        node.parent = Some(parent.clone());
        Ok((allowed, node))
    }

    fn enact(node: Node, state: &mut State) -> (Output, Vec<Event>) {
        organizations::store_node(node, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{ADMIN, Cluster, MANAGEMENT, OTHER, OWNER, check_rows};
    use crate::domain::op::{Command, create_organization};

    fn to(account: &str, parent: &str) -> Command {
        Command::MoveAccount(MoveAccount {
            account: account.parse().unwrap(),
            parent: parent.parse().unwrap(),
        })
    }

    #[test]
    fn move_account_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        let second = create_organization::CreateOrganization {
            id: "o-second".parse().unwrap(),
            root: "r-second".parse().unwrap(),
            management: OTHER.parse().unwrap(),
        };
        cluster.done("operator", Command::CreateOrganization(second));
        check_rows(vec![
            (
                "below an account",
                cluster.refusal(ADMIN, to(OWNER, OTHER)),
                "ValidationException",
                "parentId",
            ),
            (
                "no permission",
                cluster.refusal(ADMIN, to(OWNER, "r-none")),
                "AccessDeniedException",
                "organizations:MoveAccount",
            ),
            (
                "no member",
                cluster.refusal("operator", to("999999999999", "r-none")),
                "NoSuchEntity",
                "in no organization",
            ),
            (
                "no parent",
                cluster.refusal(MANAGEMENT, to(OWNER, "r-none")),
                "NoSuchEntity",
                "The root r-none",
            ),
            (
                "another organization",
                cluster.refusal(MANAGEMENT, to(OWNER, "r-second")),
                "ValidationException",
                "of another organization",
            ),
        ]);
        cluster.make_unit("ou-root-1", "r-root");
        cluster.done(MANAGEMENT, to(OWNER, "ou-root-1"));
        let node = cluster.state.membership(OWNER.parse().unwrap()).unwrap();
        assert_eq!(
            cluster.state.organization_path(node),
            "o-first/r-root/ou-root-1/"
        );
        let root = "r-root".parse().unwrap();
        let below = cluster.state.children(&root, None);
        let below: Vec<String> = below.map(|node| node.id.to_string()).collect();
        assert_eq!(below, ["ou-root-1", "777788889999"]);
    }
}
