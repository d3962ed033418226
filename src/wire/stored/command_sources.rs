//! The stored forms of the commands on groups, boundaries, organizations, VPC endpoints and settings.
//!
//! Imports domain's op.

use super::row::{Str, Text, row};
use crate::domain::ids::{
    GroupArn, NodeId, OrganizationId, PrincipalArn, Regions, UniqueId, VpcEndpointId, VpcId,
};
use crate::domain::op;
use crate::domain::policy::Profile;
use crate::domain::state::grant::ConstraintKeyCase;
use crate::domain::state::organization::ControlKind;

row! {
    CreateGroupRow: op::create_group::CreateGroup {
        arn: Text<GroupArn>,
        unique_id: Text<UniqueId>,
    }
}

row! {
    DeleteGroupRow: op::delete_group::DeleteGroup {
        arn: Text<GroupArn>,
    }
}

row! {
    AddUserToGroupRow: op::add_user_to_group::AddUserToGroup {
        group: Text<GroupArn>,
        user: Text<PrincipalArn>,
    }
}

row! {
    RemoveUserFromGroupRow: op::remove_user_from_group::RemoveUserFromGroup {
        group: Text<GroupArn>,
        user: Text<PrincipalArn>,
    }
}

row! {
    PutGroupPolicyRow: op::put_group_policy::PutGroupPolicy {
        arn: Text<GroupArn>,
        name: Str,
        policy: Str,
    }
}

row! {
    DeleteGroupPolicyRow: op::delete_group_policy::DeleteGroupPolicy {
        arn: Text<GroupArn>,
        name: Str,
    }
}

row! {
    PutPrincipalPermissionsBoundaryRow: op::put_principal_permissions_boundary::PutPrincipalPermissionsBoundary {
        arn: Text<PrincipalArn>,
        policy: Str,
    }
}

row! {
    DeletePrincipalPermissionsBoundaryRow: op::delete_principal_permissions_boundary::DeletePrincipalPermissionsBoundary {
        arn: Text<PrincipalArn>,
    }
}

row! {
    UpdateSettingsRow: op::update_settings::UpdateSettings {
        profile: Option<Text<Profile>>,
        grants_per_key_max: Option<u32>,
        grants_per_principal_max: Option<u32>,
        constraint_key_case: Option<Text<ConstraintKeyCase>>,
        regions: Option<Text<Regions>>,
    }
}

row! {
    CreateOrganizationRow: op::create_organization::CreateOrganization {
        id: Text<OrganizationId>,
        root: Text<NodeId>,
        management: u64,
    }
}

row! {
    DeleteOrganizationRow: op::delete_organization::DeleteOrganization {
        id: Text<OrganizationId>,
    }
}

row! {
    CreateOrganizationalUnitRow: op::create_organizational_unit::CreateOrganizationalUnit {
        id: Text<NodeId>,
        parent: Text<NodeId>,
        name: Str,
    }
}

row! {
    DeleteOrganizationalUnitRow: op::delete_organizational_unit::DeleteOrganizationalUnit {
        id: Text<NodeId>,
    }
}

row! {
    AddAccountRow: op::add_account::AddAccount {
        account: u64,
        parent: Text<NodeId>,
    }
}

row! {
    MoveAccountRow: op::move_account::MoveAccount {
        account: u64,
        parent: Text<NodeId>,
    }
}

row! {
    RemoveAccountRow: op::remove_account::RemoveAccount {
        account: u64,
    }
}

row! {
    PutControlPolicyRow: op::put_control_policy::PutControlPolicy {
        node: Text<NodeId>,
        kind: Text<ControlKind>,
        name: Str,
        policy: Str,
    }
}

row! {
    DeleteControlPolicyRow: op::delete_control_policy::DeleteControlPolicy {
        node: Text<NodeId>,
        kind: Text<ControlKind>,
        name: Str,
    }
}

row! {
    PutVpcEndpointRow: op::put_vpc_endpoint::PutVpcEndpoint {
        id: Text<VpcEndpointId>,
        vpc: Text<VpcId>,
        account: u64,
        policy: Option<Str>,
    }
}

row! {
    DeleteVpcEndpointRow: op::delete_vpc_endpoint::DeleteVpcEndpoint {
        id: Text<VpcEndpointId>,
    }
}
