//! Groups of users, and their policies.

use super::header::read_principal;
use super::reply::{answers, done, outputs, pages, policy_done};
use super::request::{changes, queries};
use super::shape::{self, Violations};
use super::{Change, Drawn, IntoChange, Invalid, arc, page};
use crate::domain::ids::{GroupArn, UniqueId};
use crate::domain::op::add_user_to_group::AddUserToGroup;
use crate::domain::op::create_group::CreateGroup;
use crate::domain::op::delete_group::DeleteGroup;
use crate::domain::op::delete_group_policy::DeleteGroupPolicy;
use crate::domain::op::get_group::GetGroup;
use crate::domain::op::get_group_policy::GetGroupPolicy;
use crate::domain::op::list_group_policies::ListGroupPolicies;
use crate::domain::op::list_groups::ListGroups;
use crate::domain::op::list_groups_for_user::ListGroupsForUser;
use crate::domain::op::put_group_policy::PutGroupPolicy;
use crate::domain::op::remove_user_from_group::RemoveUserFromGroup;
use crate::domain::op::{Answer, Command, Output, Paged, Scope};
use crate::domain::state::group::Group;
use crate::wire::v1;

/// The ARN of a group.
fn group(path: &str, text: &str) -> Result<GroupArn, Invalid> {
    let mut violations = Violations::new();
    violations.text(path, text, shape::GROUP_ARN);
    violations.finish()?;
    text.parse()
        .map_err(|error| Invalid::arn(format!("{path}: {error}")))
}

impl IntoChange for v1::CreateGroupRequest {
    fn into_change(self, _: &Scope, drawn: &Drawn) -> Result<Change, Invalid> {
        let Self { header: _, arn } = self;
        Ok(Change::of(Command::CreateGroup(CreateGroup {
            arn: group("arn", &arn)?,
            unique_id: UniqueId::of_new_group(&drawn.entropy16()),
        })))
    }
}

changes! {
    DeleteGroupRequest { arn } => DeleteGroup { arn: group("arn", &arn)? }

    AddUserToGroupRequest { group: named, user } => AddUserToGroup {
        group: group("group", &named)?,
        user: read_principal("user", &user)?,
    }

    RemoveUserFromGroupRequest { group: named, user } => RemoveUserFromGroup {
        group: group("group", &named)?,
        user: read_principal("user", &user)?,
    }

    PutGroupPolicyRequest { arn, policy_name, policy }
        check |violations| {
            violations.policy_name(&policy_name);
            violations.policy(&policy);
        }
        => PutGroupPolicy {
            arn: group("arn", &arn)?,
            name: arc(policy_name),
            policy: arc(policy),
        }

    DeleteGroupPolicyRequest { arn, policy_name }
        check |violations| { violations.policy_name(&policy_name); }
        => DeleteGroupPolicy {
            arn: group("arn", &arn)?,
            name: arc(policy_name),
        }
}

queries! {
    GetGroupRequest { arn, page: sent }
        check |violations| { violations.page(sent.as_ref()); }
        => GetGroup {
            arn: group("arn", &arn)?,
            page: page(sent),
        }

    ListGroupsRequest { page: sent }
        check |violations| { violations.page(sent.as_ref()); }
        => ListGroups { page: page(sent) }

    ListGroupsForUserRequest { user, page: sent }
        check |violations| { violations.page(sent.as_ref()); }
        => ListGroupsForUser {
            user: read_principal("user", &user)?,
            page: page(sent),
        }

    GetGroupPolicyRequest { arn, policy_name }
        check |violations| { violations.policy_name(&policy_name); }
        => GetGroupPolicy {
            arn: group("arn", &arn)?,
            name: arc(policy_name),
        }

    ListGroupPoliciesRequest { arn, page: sent }
        check |violations| { violations.page(sent.as_ref()); }
        => ListGroupPolicies {
            arn: group("arn", &arn)?,
            page: page(sent),
        }
}

impl From<Group> for v1::Group {
    fn from(group: Group) -> Self {
        let Group {
            arn,
            unique_id,
            created_at,
            born: _,
            policies: _, // ListGroupPolicies and GetGroupPolicy tell them
        } = group;
        Self {
            arn: arn.to_string(),
            unique_id: unique_id.to_string(),
            created_at_ms: created_at.as_millis(),
        }
    }
}

policy_done!(PutGroupPolicyResponse);

done!(
    DeleteGroupResponse,
    AddUserToGroupResponse,
    RemoveUserFromGroupResponse,
    DeleteGroupPolicyResponse,
);

outputs! {
    CreateGroupResponse from Output::Group(group) => {
        group: Some(group.into()),
    }
}

answers! {
    GetGroupResponse from Answer::Group(group, Paged { items, next }) => {
        group: Some(group.into()),
        users: items.into_iter().map(|user| user.to_string()).collect(),
        next_marker: next.map(|next| next.to_string()),
    }

    GetGroupPolicyResponse from Answer::Policy { name, text } => {
        policy_name: name.to_string(),
        policy: text.to_string(),
    }
}

pages! {
    ListGroupsResponse { groups } of Groups by Into::into;
    ListGroupsForUserResponse { groups } of Groups by Into::into;
    ListGroupPoliciesResponse { policy_names } of PolicyNames by |name| name.to_string();
}
