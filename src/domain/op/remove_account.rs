//! `RemoveAccount`: takes a member account out of its organization.

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::table::Operation;
use super::{Change as What, ErrorCode, Event, Output, organizations};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{AccountId, NodeId};
use crate::domain::state::State;

/// Takes a member account out of its organization (`organizations:RemoveAccountFromOrganization`). The control policies
/// attached to the account itself go; no organization limits it any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoveAccount {
    /// The account.
    pub account: AccountId,
}

refusals! {
    /// Why RemoveAccount is refused, in the order of its checks.
    Refusal {
        /// Not permitted.
        Denied(Denied),
        /// It is in no organization.
        NotThere(Said),
        /// It is the management account.
        Management(Said),
    }
}

impl Change for RemoveAccount {
    type Refusal = Refusal;
    type Plan = NodeId;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, NodeId), Refusal> {
        let member = NodeId::Account(self.account);
        let organization = organizations::of_node(cx, &member);
        let allowed = organizations::allow(cx, Operation::RemoveAccount, organization)?;
        organizations::existing_node(cx, &member).map_err(Refusal::NotThere)?;
        if organization.is_some_and(|organization| organization.management == self.account) {
            return Err(Refusal::Management(said(
                ErrorCode::DeleteConflict,
                "Cannot remove the management account: delete the organization instead.",
            )));
        }
        Ok((allowed, member))
    }

    fn enact(member: NodeId, state: &mut State) -> (Output, Vec<Event>) {
        state.take_node(&member);
        (
            Output::Done,
            vec![Event::NodeChanged(member, What::Deleted)],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{ADMIN, Cluster, MANAGEMENT, OTHER, OWNER, check_rows};

    fn remove(account: &str) -> Command {
        Command::RemoveAccount(RemoveAccount {
            account: account.parse().unwrap(),
        })
    }

    #[test]
    fn remove_account_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        check_rows(vec![
            (
                "a member's administrator",
                cluster.refusal(ADMIN, remove(OWNER)),
                "AccessDeniedException",
                "organizations:RemoveAccountFromOrganization",
            ),
            (
                "in no organization",
                cluster.refusal("operator", remove(OTHER)),
                "NoSuchEntity",
                "in no organization",
            ),
            (
                "the management account",
                cluster.refusal(MANAGEMENT, remove("777788889999")),
                "DeleteConflict",
                "management account",
            ),
        ]);
        cluster.done(MANAGEMENT, remove(OWNER));
        assert!(cluster.state.membership(OWNER.parse().unwrap()).is_none());
    }
}
