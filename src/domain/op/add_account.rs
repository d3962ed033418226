//! `AddAccount`: makes an account a member of an organization; for the operator alone.

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::{Change as What, ErrorCode, Event, Output, organizations};
use crate::domain::authz::{Allowed, Denied, require_operator};
use crate::domain::ids::{AccountId, NodeId};
use crate::domain::state::State;
use crate::domain::state::organization::{ControlKind, Node};
use std::sync::Arc;

/// Makes an account a member of an organization. For the operator alone: it speaks for both sides, where AWS has an
/// invitation that the account accepts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddAccount {
    /// The account.
    pub account: AccountId,
    /// The root or unit that it stands below.
    pub parent: NodeId,
}

refusals! {
    /// Why AddAccount is refused, in the order of its checks.
    Refusal {
        /// An account as parent.
        Shape(Said),
        /// It is for the operator.
        Denied(Denied),
        /// The account or the parent is not there.
        NotThere(Said),
        /// The account is in an organization.
        Exists(Said),
    }
}

impl Change for AddAccount {
    type Refusal = Refusal;
    type Plan = Node;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Node), Refusal> {
        let Self { account, parent } = self;
        organizations::check_parent(parent).map_err(Refusal::Shape)?;
        let allowed = require_operator(cx.caller, "grantd:AddAccount")?;
        if cx.state.account(*account).is_none() {
            let why = format!("the account {account} does not exist");
            return Err(Refusal::NotThere(said(ErrorCode::NoSuchEntity, why)));
        }
        let above = organizations::existing_node(cx, parent).map_err(Refusal::NotThere)?;
        if let Some(node) = cx.state.membership(*account) {
            return Err(Refusal::Exists(said(
                ErrorCode::EntityAlreadyExists,
                format_args!(
                    "The account {account} is already a member of the organization {}.",
                    node.organization
                ),
            )));
        }
        let node = Node {
            id: NodeId::Account(*account),
            organization: above.organization.clone(),
            parent: Some(parent.clone()),
            name: "".into(),
            created_at: cx.now,
            born: cx.at,
            service_control: ControlKind::Service.full_access(),
            resource_control: ControlKind::Resource.full_access(),
        };
        Ok((allowed, node))
    }

    fn enact(node: Node, state: &mut State) -> (Output, Vec<Event>) {
        let events = vec![Event::NodeChanged(node.id.clone(), What::Created)];
        state.put_node(Arc::new(node));
        (Output::Done, events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{Cluster, MANAGEMENT, OTHER, OWNER, check_rows};

    fn add(account: &str, parent: &str) -> Command {
        Command::AddAccount(AddAccount {
            account: account.parse().unwrap(),
            parent: parent.parse().unwrap(),
        })
    }

    #[test]
    fn add_account_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        check_rows(vec![
            (
                "below an account, not the operator",
                cluster.refusal(MANAGEMENT, add(OTHER, OWNER)),
                "ValidationException",
                "parentId",
            ),
            (
                "not the operator",
                cluster.refusal(MANAGEMENT, add(OTHER, "r-root")),
                "AccessDeniedException",
                "operator",
            ),
            (
                "no account",
                cluster.refusal("operator", add("999999999999", "r-none")),
                "NoSuchEntity",
                "the account 999999999999",
            ),
            (
                "no parent",
                cluster.refusal("operator", add(OTHER, "r-none")),
                "NoSuchEntity",
                "The root r-none",
            ),
            (
                "a member",
                cluster.refusal("operator", add(OWNER, "r-root")),
                "EntityAlreadyExists",
                "already a member",
            ),
        ]);
        cluster.done("operator", add(OTHER, "r-root"));
        assert!(cluster.state.membership(OTHER.parse().unwrap()).is_some());
    }
}
