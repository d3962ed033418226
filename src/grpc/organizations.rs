//! Organizations and VPC endpoints.

use super::Api;
use super::calls::calls;
use crate::wire::v1::organizations_server::Organizations;

calls! {
    Organizations {
        change create_organization(CreateOrganizationRequest) -> CreateOrganizationResponse;
        change delete_organization(DeleteOrganizationRequest) -> DeleteOrganizationResponse;
        describe list_organizations(ListOrganizationsRequest) -> ListOrganizationsResponse;
        change add_account(AddAccountRequest) -> AddAccountResponse;
        change move_account(MoveAccountRequest) -> MoveAccountResponse;
        change remove_account(RemoveAccountRequest) -> RemoveAccountResponse;
        change create_organizational_unit(CreateOrganizationalUnitRequest) -> CreateOrganizationalUnitResponse;
        change delete_organizational_unit(DeleteOrganizationalUnitRequest) -> DeleteOrganizationalUnitResponse;
        describe list_nodes(ListNodesRequest) -> ListNodesResponse;
        change put_control_policy(PutControlPolicyRequest) -> PutControlPolicyResponse;
        describe get_control_policy(GetControlPolicyRequest) -> GetControlPolicyResponse;
        change delete_control_policy(DeleteControlPolicyRequest) -> DeleteControlPolicyResponse;
        describe list_control_policies(ListControlPoliciesRequest) -> ListControlPoliciesResponse;
        change put_vpc_endpoint(PutVpcEndpointRequest) -> PutVpcEndpointResponse;
        describe get_vpc_endpoint(GetVpcEndpointRequest) -> GetVpcEndpointResponse;
        change delete_vpc_endpoint(DeleteVpcEndpointRequest) -> DeleteVpcEndpointResponse;
        describe list_vpc_endpoints(ListVpcEndpointsRequest) -> ListVpcEndpointsResponse;
    }
}
