//! Groups and permissions boundaries.

use super::header::read_principal;
use super::identity::user_or_role;
use super::kms::{done, policy_done};
use super::shape::{self, Violations};
use super::{
    Asked, Change, Drawn, FromAnswer, FromOutput, IntoChange, IntoQuery, Invalid, Lacking, arc,
    page,
};
use crate::domain::ids::{GroupArn, UniqueId};
use crate::domain::op::add_user_to_group::AddUserToGroup;
use crate::domain::op::create_group::CreateGroup;
use crate::domain::op::delete_group::DeleteGroup;
use crate::domain::op::delete_group_policy::DeleteGroupPolicy;
use crate::domain::op::delete_principal_permissions_boundary::DeletePrincipalPermissionsBoundary;
use crate::domain::op::get_group::GetGroup;
use crate::domain::op::get_group_policy::GetGroupPolicy;
use crate::domain::op::list_group_policies::ListGroupPolicies;
use crate::domain::op::list_groups::ListGroups;
use crate::domain::op::list_groups_for_user::ListGroupsForUser;
use crate::domain::op::put_group_policy::PutGroupPolicy;
use crate::domain::op::put_principal_permissions_boundary::PutPrincipalPermissionsBoundary;
use crate::domain::op::remove_user_from_group::RemoveUserFromGroup;
use crate::domain::op::{Answer, Command, Output, Paged, Query, Scope};
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

fn policy_shape(policy_name: Option<&str>, policy: Option<&str>) -> Result<(), Invalid> {
    let mut violations = Violations::new();
    violations.optional("policyName", policy_name, shape::IDENTITY_POLICY_NAME);
    violations.optional("policy", policy, shape::POLICY);
    violations.finish()
}

fn page_shape(sent: Option<&v1::Page>) -> Result<(), Invalid> {
    let mut violations = Violations::new();
    violations.page(sent);
    violations.finish()
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

impl IntoChange for v1::DeleteGroupRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self { header: _, arn } = self;
        let arn = group("arn", &arn)?;
        Ok(Change::of(Command::DeleteGroup(DeleteGroup { arn })))
    }
}

impl IntoChange for v1::AddUserToGroupRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            group: named,
            user,
        } = self;
        Ok(Change::of(Command::AddUserToGroup(AddUserToGroup {
            group: group("group", &named)?,
            user: read_principal("user", &user)?,
        })))
    }
}

impl IntoChange for v1::RemoveUserFromGroupRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            group: named,
            user,
        } = self;
        let command = RemoveUserFromGroup {
            group: group("group", &named)?,
            user: read_principal("user", &user)?,
        };
        Ok(Change::of(Command::RemoveUserFromGroup(command)))
    }
}

impl IntoChange for v1::PutGroupPolicyRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            arn,
            policy_name,
            policy,
        } = self;
        policy_shape(Some(&policy_name), Some(&policy))?;
        Ok(Change::of(Command::PutGroupPolicy(PutGroupPolicy {
            arn: group("arn", &arn)?,
            name: arc(policy_name),
            policy: arc(policy),
        })))
    }
}

impl IntoChange for v1::DeleteGroupPolicyRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            arn,
            policy_name,
        } = self;
        policy_shape(Some(&policy_name), None)?;
        Ok(Change::of(Command::DeleteGroupPolicy(DeleteGroupPolicy {
            arn: group("arn", &arn)?,
            name: arc(policy_name),
        })))
    }
}

impl IntoChange for v1::PutPrincipalPermissionsBoundaryRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            arn,
            policy,
        } = self;
        policy_shape(None, Some(&policy))?;
        let command = PutPrincipalPermissionsBoundary {
            arn: user_or_role(&arn)?,
            policy: arc(policy),
        };
        Ok(Change::of(Command::PutPrincipalPermissionsBoundary(
            command,
        )))
    }
}

impl IntoChange for v1::DeletePrincipalPermissionsBoundaryRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self { header: _, arn } = self;
        let arn = user_or_role(&arn)?;
        let command = DeletePrincipalPermissionsBoundary { arn };
        Ok(Change::of(Command::DeletePrincipalPermissionsBoundary(
            command,
        )))
    }
}

impl IntoQuery for v1::GetGroupRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            arn,
            page: sent,
        } = self;
        page_shape(sent.as_ref())?;
        Ok(Asked::of(Query::GetGroup(GetGroup {
            arn: group("arn", &arn)?,
            page: page(sent),
        })))
    }
}

impl IntoQuery for v1::ListGroupsRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            page: sent,
        } = self;
        page_shape(sent.as_ref())?;
        let page = page(sent);
        Ok(Asked::of(Query::ListGroups(ListGroups { page })))
    }
}

impl IntoQuery for v1::ListGroupsForUserRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            user,
            page: sent,
        } = self;
        page_shape(sent.as_ref())?;
        Ok(Asked::of(Query::ListGroupsForUser(ListGroupsForUser {
            user: read_principal("user", &user)?,
            page: page(sent),
        })))
    }
}

impl IntoQuery for v1::GetGroupPolicyRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            arn,
            policy_name,
        } = self;
        policy_shape(Some(&policy_name), None)?;
        Ok(Asked::of(Query::GetGroupPolicy(GetGroupPolicy {
            arn: group("arn", &arn)?,
            name: arc(policy_name),
        })))
    }
}

impl IntoQuery for v1::ListGroupPoliciesRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            arn,
            page: sent,
        } = self;
        page_shape(sent.as_ref())?;
        Ok(Asked::of(Query::ListGroupPolicies(ListGroupPolicies {
            arn: group("arn", &arn)?,
            page: page(sent),
        })))
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

policy_done!(
    PutGroupPolicyResponse,
    PutPrincipalPermissionsBoundaryResponse,
);

done!(
    DeleteGroupResponse,
    AddUserToGroupResponse,
    RemoveUserFromGroupResponse,
    DeleteGroupPolicyResponse,
    DeletePrincipalPermissionsBoundaryResponse,
);

impl FromOutput for v1::CreateGroupResponse {
    fn from_output(
        header: v1::ResponseHeader,
        output: Output,
        _: Option<String>,
    ) -> Result<Self, Lacking> {
        match output {
            Output::Group(group) => Ok(Self {
                header: Some(header),
                group: Some(group.into()),
            }),
            _ => Err(Lacking),
        }
    }
}

impl FromAnswer for v1::GetGroupResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        match answer {
            Answer::Group(group, Paged { items, next }) => Ok(Self {
                header: Some(header),
                group: Some(group.into()),
                users: items.into_iter().map(|user| user.to_string()).collect(),
                next_marker: next.map(|next| next.to_string()),
            }),
            _ => Err(Lacking),
        }
    }
}

/// Two listings of groups that differ in nothing but whose they are.
macro_rules! groups {
    ($($response:ident),+) => {$(
        impl FromAnswer for v1::$response {
            fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
                match answer {
                    Answer::Groups(Paged { items, next }) => Ok(Self {
                        header: Some(header),
                        groups: items.into_iter().map(Into::into).collect(),
                        next_marker: next.map(|next| next.to_string()),
                    }),
                    _ => Err(Lacking),
                }
            }
        }
    )+};
}

groups!(ListGroupsResponse, ListGroupsForUserResponse);

impl FromAnswer for v1::GetGroupPolicyResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        match answer {
            Answer::Policy { name, text } => Ok(Self {
                header: Some(header),
                policy_name: name.to_string(),
                policy: text.to_string(),
            }),
            _ => Err(Lacking),
        }
    }
}

impl FromAnswer for v1::ListGroupPoliciesResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        match answer {
            Answer::PolicyNames(Paged { items, next }) => Ok(Self {
                header: Some(header),
                policy_names: items.into_iter().map(|name| name.to_string()).collect(),
                next_marker: next.map(|next| next.to_string()),
            }),
            _ => Err(Lacking),
        }
    }
}
