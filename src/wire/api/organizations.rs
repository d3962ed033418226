//! Organizations, VPC endpoints, and the replicated settings.

use std::str::FromStr;

use super::reply::{answers, done, outputs, pages, policy_done};
use super::request::{changes, queries};
use super::shape::{self, Violations};
use super::{Change, Drawn, IntoChange, Invalid, arc, page};
use crate::domain::ids::{AccountId, NodeId, OrganizationId, ParseIdError, Region, Regions};
use crate::domain::limits;
use crate::domain::op::add_account::AddAccount;
use crate::domain::op::create_organization::CreateOrganization;
use crate::domain::op::create_organizational_unit::CreateOrganizationalUnit;
use crate::domain::op::delete_control_policy::DeleteControlPolicy;
use crate::domain::op::delete_organization::DeleteOrganization;
use crate::domain::op::delete_organizational_unit::DeleteOrganizationalUnit;
use crate::domain::op::delete_vpc_endpoint::DeleteVpcEndpoint;
use crate::domain::op::get_control_policy::GetControlPolicy;
use crate::domain::op::get_settings::GetSettings;
use crate::domain::op::get_vpc_endpoint::GetVpcEndpoint;
use crate::domain::op::list_control_policies::ListControlPolicies;
use crate::domain::op::list_nodes::ListNodes;
use crate::domain::op::list_organizations::ListOrganizations;
use crate::domain::op::list_vpc_endpoints::ListVpcEndpoints;
use crate::domain::op::move_account::MoveAccount;
use crate::domain::op::put_control_policy::PutControlPolicy;
use crate::domain::op::put_vpc_endpoint::PutVpcEndpoint;
use crate::domain::op::raise_semantics::RaiseSemantics;
use crate::domain::op::remove_account::RemoveAccount;
use crate::domain::op::revoke_token_epoch::RevokeTokenEpoch;
use crate::domain::op::update_settings::UpdateSettings;
use crate::domain::op::{Answer, Command, Output, Scope, Semantics};
use crate::domain::policy::Profile;
use crate::domain::state::grant::ConstraintKeyCase;
use crate::domain::state::organization::{ControlKind, Node, Organization, VpcEndpoint};
use crate::domain::state::settings::Settings;
use crate::wire::v1;

/// An id of any kind, its fault told with where it stood.
fn id<T: FromStr<Err = ParseIdError>>(path: &str, text: &str) -> Result<T, Invalid> {
    text.parse()
        .map_err(|error| Invalid::validation(format!("{path}: {error}")))
}

pub(super) fn account(text: &str) -> Result<AccountId, Invalid> {
    let mut violations = Violations::new();
    violations.text("accountId", text, shape::ACCOUNT_ID);
    violations.finish()?;
    id("accountId", text)
}

/// The kind of a control policy; its name and text are checked on the way.
fn control(
    kind: &str,
    policy_name: Option<&str>,
    policy: Option<&str>,
) -> Result<ControlKind, Invalid> {
    let mut violations = Violations::new();
    let kind = violations.member("kind", kind, ControlKind::ALL, ControlKind::as_str);
    violations.optional("policyName", policy_name, shape::CONTROL_POLICY_NAME);
    violations.optional("policy", policy, shape::POLICY);
    violations.finish()?;
    kind.ok_or_else(|| Invalid::validation("kind is of no known value"))
}

impl IntoChange for v1::CreateOrganizationRequest {
    fn into_change(self, _: &Scope, drawn: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            organization_id,
            management_account_id,
        } = self;
        Ok(Change::of(Command::CreateOrganization(
            CreateOrganization {
                id: match organization_id {
                    Some(text) => id("organizationId", &text)?,
                    None => OrganizationId::of_new(&drawn.entropy16()),
                },
                root: NodeId::of_new_root(&drawn.other16()),
                management: account(&management_account_id)?,
            },
        )))
    }
}

impl IntoChange for v1::CreateOrganizationalUnitRequest {
    fn into_change(self, _: &Scope, drawn: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            parent_id,
            name,
        } = self;
        let mut violations = Violations::new();
        violations.text("name", &name, shape::CONTROL_POLICY_NAME);
        violations.finish()?;
        let parent: NodeId = id("parentId", &parent_id)?;
        let id = NodeId::of_new_unit(&parent, &drawn.entropy16()).ok_or_else(|| {
            Invalid::validation(format!(
                "parentId: `{parent}` is an account: a unit stands below a root or another unit"
            ))
        })?;
        Ok(Change::of(Command::CreateOrganizationalUnit(
            CreateOrganizationalUnit {
                id,
                parent,
                name: arc(name),
            },
        )))
    }
}

/// Regions that a cluster can serve; none: nothing is said of them (ID-46).
fn read_regions(sent: &[String]) -> Result<Option<Regions>, Invalid> {
    if sent.is_empty() {
        return Ok(None);
    }
    let read = |text: &String| text.parse::<Region>();
    let regions: Vec<Region> = sent
        .iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(|error| Invalid::validation(format!("regions: {error}")))?;
    let regions = Regions::new(&regions);
    regions
        .map(Some)
        .map_err(|error| Invalid::validation(format!("regions: {error}")))
}

impl IntoChange for v1::RotateTokenEpochRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self { header: _ } = self;
        Ok(Change::RotateTokenEpoch)
    }
}

impl IntoChange for v1::UpdateSettingsRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            profile,
            grants_per_key_max,
            grants_per_principal_max,
            constraint_key_case,
            regions,
        } = self;
        let mut violations = Violations::new();
        let profile = profile.and_then(|profile| {
            violations.member("profile", &profile, Profile::ALL, Profile::as_str)
        });
        let constraint_key_case = constraint_key_case.and_then(|case| {
            let (all, name) = (ConstraintKeyCase::ALL, ConstraintKeyCase::as_str);
            violations.member("constraintKeyCase", &case, all, name)
        });
        violations.list("regions", &regions, limits::REGIONS_MAX);
        for (at, region) in regions.iter().enumerate() {
            violations.text(&format!("regions.{}.member", at + 1), region, shape::REGION);
        }
        violations.finish()?;
        Ok(Change::of(Command::UpdateSettings(UpdateSettings {
            profile,
            grants_per_key_max,
            grants_per_principal_max,
            constraint_key_case,
            regions: read_regions(&regions)?,
        })))
    }
}

changes! {
    RevokeTokenEpochRequest { epoch } => RevokeTokenEpoch { number: epoch }

    RaiseSemanticsRequest { to } => RaiseSemantics { to: Semantics(to) }

    DeleteOrganizationRequest { organization_id } => DeleteOrganization {
        id: id("organizationId", &organization_id)?,
    }

    AddAccountRequest { account_id, parent_id } => AddAccount {
        account: account(&account_id)?,
        parent: id("parentId", &parent_id)?,
    }

    MoveAccountRequest { account_id, parent_id } => MoveAccount {
        account: account(&account_id)?,
        parent: id("parentId", &parent_id)?,
    }

    RemoveAccountRequest { account_id } => RemoveAccount { account: account(&account_id)? }

    DeleteOrganizationalUnitRequest { unit_id } => DeleteOrganizationalUnit {
        id: id("unitId", &unit_id)?,
    }

    PutControlPolicyRequest { node_id, kind, policy_name, policy } => PutControlPolicy {
        kind: control(&kind, Some(&policy_name), Some(&policy))?,
        node: id("nodeId", &node_id)?,
        name: arc(policy_name),
        policy: arc(policy),
    }

    DeleteControlPolicyRequest { node_id, kind, policy_name } => DeleteControlPolicy {
        kind: control(&kind, Some(&policy_name), None)?,
        node: id("nodeId", &node_id)?,
        name: arc(policy_name),
    }

    PutVpcEndpointRequest { vpc_endpoint_id, vpc_id, account_id, policy }
        check |violations| {
            violations.optional("policy", policy.as_deref(), shape::POLICY);
        }
        => PutVpcEndpoint {
            id: id("vpcEndpointId", &vpc_endpoint_id)?,
            vpc: id("vpcId", &vpc_id)?,
            account: account(&account_id)?,
            policy: policy.map(arc),
        }

    DeleteVpcEndpointRequest { vpc_endpoint_id } => DeleteVpcEndpoint {
        id: id("vpcEndpointId", &vpc_endpoint_id)?,
    }
}

queries! {
    GetSettingsRequest {} => GetSettings {}

    ListOrganizationsRequest { page: sent }
        check |violations| { violations.page(sent.as_ref()); }
        => ListOrganizations { page: page(sent) }

    ListNodesRequest { parent_id, page: sent }
        check |violations| { violations.page(sent.as_ref()); }
        => ListNodes {
            parent: id("parentId", &parent_id)?,
            page: page(sent),
        }

    GetControlPolicyRequest { node_id, kind, policy_name } => GetControlPolicy {
        kind: control(&kind, Some(&policy_name), None)?,
        node: id("nodeId", &node_id)?,
        name: arc(policy_name),
    }

    ListControlPoliciesRequest { node_id, kind, page: sent }
        check |violations| { violations.page(sent.as_ref()); }
        => ListControlPolicies {
            kind: control(&kind, None, None)?,
            node: id("nodeId", &node_id)?,
            page: page(sent),
        }

    GetVpcEndpointRequest { vpc_endpoint_id } => GetVpcEndpoint {
        id: id("vpcEndpointId", &vpc_endpoint_id)?,
    }

    ListVpcEndpointsRequest { page: sent }
        check |violations| { violations.page(sent.as_ref()); }
        => ListVpcEndpoints { page: page(sent) }
}

impl From<Organization> for v1::Organization {
    fn from(organization: Organization) -> Self {
        let Organization {
            id,
            management,
            root,
            created_at,
            born: _,
        } = organization;
        Self {
            organization_id: id.to_string(),
            management_account_id: management.to_string(),
            root_id: root.to_string(),
            created_at_ms: created_at.as_millis(),
        }
    }
}

impl From<Node> for v1::Node {
    fn from(node: Node) -> Self {
        let Node {
            id,
            organization,
            parent,
            name,
            created_at,
            born: _,
            service_control: _, // ListControlPolicies and GetControlPolicy tell them
            resource_control: _,
        } = node;
        Self {
            node_id: id.to_string(),
            organization_id: organization.to_string(),
            parent_id: parent.map(|parent| parent.to_string()),
            name: name.to_string(),
            created_at_ms: created_at.as_millis(),
        }
    }
}

impl From<VpcEndpoint> for v1::VpcEndpoint {
    fn from(endpoint: VpcEndpoint) -> Self {
        let VpcEndpoint {
            id,
            vpc,
            account,
            policy,
            created_at,
            born: _,
        } = endpoint;
        Self {
            vpc_endpoint_id: id.to_string(),
            vpc_id: vpc.to_string(),
            account_id: account.to_string(),
            policy: policy.map(|policy| policy.text().to_string()),
            created_at_ms: created_at.as_millis(),
        }
    }
}

impl From<Settings> for v1::Settings {
    fn from(settings: Settings) -> Self {
        let Settings {
            max_staleness_ms,
            clock_rate_permille,
            grants_per_key_max,
            profile,
            grants_per_principal_max,
            constraint_key_case,
            regions,
        } = settings;
        Self {
            max_staleness_ms,
            clock_rate_permille,
            profile: profile.as_str().to_owned(),
            grants_per_key_max,
            grants_per_principal_max,
            constraint_key_case: constraint_key_case.as_str().to_owned(),
            regions: regions.names().map(str::to_owned).collect(),
        }
    }
}

policy_done!(PutControlPolicyResponse, PutVpcEndpointResponse,);

done!(
    DeleteOrganizationResponse,
    AddAccountResponse,
    MoveAccountResponse,
    RemoveAccountResponse,
    DeleteOrganizationalUnitResponse,
    DeleteControlPolicyResponse,
    DeleteVpcEndpointResponse,
    UpdateSettingsResponse,
    RevokeTokenEpochResponse,
    RaiseSemanticsResponse,
);

outputs! {
    RotateTokenEpochResponse from Output::TokenEpoch(number) => {
        epoch: number,
    }

    CreateOrganizationResponse from Output::Organization(organization) => {
        organization: Some(organization.into()),
    }

    CreateOrganizationalUnitResponse from Output::Node(unit) => {
        unit: Some(unit.into()),
    }
}

answers! {
    GetSettingsResponse from Answer::Settings(settings) => {
        settings: Some(settings.into()),
    }

    GetControlPolicyResponse from Answer::Policy { name, text } => {
        policy_name: name.to_string(),
        policy: text.to_string(),
    }

    GetVpcEndpointResponse from Answer::Endpoint(endpoint) => {
        vpc_endpoint: Some(endpoint.into()),
    }
}

pages! {
    ListOrganizationsResponse { organizations } of Organizations by Into::into;
    ListNodesResponse { nodes } of Nodes by Into::into;
    ListControlPoliciesResponse { policy_names } of PolicyNames by |name| name.to_string();
    ListVpcEndpointsResponse { vpc_endpoints } of Endpoints by |endpoint| v1::VpcEndpoint {
        policy: None,
        ..endpoint.into()
    };
}
