//! Accounts, users, roles and groups.

use super::Api;
use super::calls::calls;
use crate::wire::v1::identity_server::Identity;

calls! {
    Identity {
        change create_account(CreateAccountRequest) -> CreateAccountResponse;
        describe list_accounts(ListAccountsRequest) -> ListAccountsResponse;
        change create_principal(CreatePrincipalRequest) -> CreatePrincipalResponse;
        describe get_principal(GetPrincipalRequest) -> GetPrincipalResponse;
        change delete_principal(DeletePrincipalRequest) -> DeletePrincipalResponse;
        describe list_principals(ListPrincipalsRequest) -> ListPrincipalsResponse;
        change tag_principal(TagPrincipalRequest) -> TagPrincipalResponse;
        change untag_principal(UntagPrincipalRequest) -> UntagPrincipalResponse;
        change put_principal_policy(PutPrincipalPolicyRequest) -> PutPrincipalPolicyResponse;
        describe get_principal_policy(GetPrincipalPolicyRequest) -> GetPrincipalPolicyResponse;
        change delete_principal_policy(DeletePrincipalPolicyRequest) -> DeletePrincipalPolicyResponse;
        describe list_principal_policies(ListPrincipalPoliciesRequest) -> ListPrincipalPoliciesResponse;
        change create_group(CreateGroupRequest) -> CreateGroupResponse;
        describe get_group(GetGroupRequest) -> GetGroupResponse;
        change delete_group(DeleteGroupRequest) -> DeleteGroupResponse;
        describe list_groups(ListGroupsRequest) -> ListGroupsResponse;
        describe list_groups_for_user(ListGroupsForUserRequest) -> ListGroupsForUserResponse;
        change add_user_to_group(AddUserToGroupRequest) -> AddUserToGroupResponse;
        change remove_user_from_group(RemoveUserFromGroupRequest) -> RemoveUserFromGroupResponse;
        change put_group_policy(PutGroupPolicyRequest) -> PutGroupPolicyResponse;
        describe get_group_policy(GetGroupPolicyRequest) -> GetGroupPolicyResponse;
        change delete_group_policy(DeleteGroupPolicyRequest) -> DeleteGroupPolicyResponse;
        describe list_group_policies(ListGroupPoliciesRequest) -> ListGroupPoliciesResponse;
        change put_principal_permissions_boundary(PutPrincipalPermissionsBoundaryRequest) -> PutPrincipalPermissionsBoundaryResponse;
        change delete_principal_permissions_boundary(DeletePrincipalPermissionsBoundaryRequest) -> DeletePrincipalPermissionsBoundaryResponse;
    }
}
