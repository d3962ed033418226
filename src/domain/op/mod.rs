//! The operations: one file each, with its typed input, its refusals in the order of its checks, `plan` and `enact`
//! (or `answer` for one that only reads), and its tests.
//!
//! `apply` is the only way in which a `State` changes. Imports the rest of `domain`. Never: a clock, randomness, I/O;
//! times, ids and nonces are fixed before the log.

mod aliases;
mod apply;
mod context;
mod grants;
mod groups;
mod identity;
mod insight;
mod key_edit;
mod key_kinds;
pub mod key_rules;
mod key_store_backends;
pub mod key_stores;
pub mod key_use;
mod organizations;
mod page;
pub mod parts;
mod policies;
pub mod posed;
mod principals;
mod refusal;
pub mod regions;
pub mod service_linked;
pub mod table;
mod tags;

pub mod add_account;
pub mod add_user_to_group;
pub mod bootstrap;
pub mod cancel_key_deletion;
pub mod connect_custom_key_store;
pub mod consume;
pub mod create_account;
pub mod create_alias;
pub mod create_custom_key_store;
pub mod create_grant;
pub mod create_group;
pub mod create_key;
pub mod create_organization;
pub mod create_organizational_unit;
pub mod create_principal;
pub mod delete_alias;
pub mod delete_control_policy;
pub mod delete_custom_key_store;
pub mod delete_group;
pub mod delete_group_policy;
pub mod delete_organization;
pub mod delete_organizational_unit;
pub mod delete_principal;
pub mod delete_principal_permissions_boundary;
pub mod delete_principal_policy;
pub mod delete_vpc_endpoint;
pub mod describe_custom_key_stores;
pub mod describe_grants;
pub mod describe_key;
pub mod disable_key;
pub mod disconnect_custom_key_store;
pub mod due;
pub mod enable_key;
pub mod expire_grants;
pub mod explain;
pub mod finish_key_deletion;
pub mod force;
pub mod get_control_policy;
pub mod get_group;
pub mod get_group_policy;
pub mod get_key_last_usage;
pub mod get_key_policy;
pub mod get_principal;
pub mod get_principal_policy;
pub mod get_settings;
pub mod get_vpc_endpoint;
pub mod list_accounts;
pub mod list_aliases;
pub mod list_control_policies;
pub mod list_dangling_principals;
pub mod list_duplicate_grants;
pub mod list_grants;
pub mod list_grants_by_grantee;
pub mod list_group_policies;
pub mod list_groups;
pub mod list_groups_for_user;
pub mod list_key_policies;
pub mod list_key_store_backends;
pub mod list_key_store_work;
pub mod list_keys;
pub mod list_nodes;
pub mod list_organizations;
pub mod list_principal_policies;
pub mod list_principals;
pub mod list_resource_tags;
pub mod list_retirable_grants;
pub mod list_vpc_endpoints;
pub mod move_account;
pub mod open_cluster;
pub mod put_control_policy;
pub mod put_group_policy;
pub mod put_key_policy;
pub mod put_principal_permissions_boundary;
pub mod put_principal_policy;
pub mod put_vpc_endpoint;
pub mod raise_semantics;
pub mod remove_account;
pub mod remove_user_from_group;
pub mod replicate_key;
pub mod report_custom_key_store;
pub mod report_key_store_backends;
pub mod report_key_usage;
pub mod report_semantics;
pub mod retire_grant;
pub mod revoke_grant;
pub mod revoke_token_epoch;
pub mod rotate_token_epoch;
pub mod schedule_key_deletion;
pub mod start_token_epoch;
pub mod tag_principal;
pub mod tag_resource;
pub mod untag_principal;
pub mod untag_resource;
pub mod update_alias;
pub mod update_custom_key_store;
pub mod update_key_description;
pub mod update_primary_region;
pub mod update_settings;
pub mod use_members;
pub mod what_can;
pub mod what_if;
pub mod who_can;

use std::sync::Arc;

use crate::domain::authz::caller::Caller;
use crate::domain::authz::decision::Decision;
pub use crate::domain::authz::request::Scope;
use crate::domain::ids::{
    AccountId, AliasArn, BackendName, CloudHsmClusterId, CustomKeyStoreId, GrantId, GroupArn,
    KeyArn, NodeId, OrganizationId, PrincipalArn, RequestId, VpcEndpointId,
};
use crate::domain::state::State;
pub use crate::domain::state::error_code::ErrorCode;
use crate::domain::state::grant::{Grant, GrantOperations, GrantPrincipal};
use crate::domain::state::group::Group;
use crate::domain::state::idempotency::Consumed;
use crate::domain::state::key::{Key, KeyState, MultiRegionKeyType};
use crate::domain::state::key_store::{Backing, ConnectionState, CustomKeyStore};
use crate::domain::state::key_store_backend::KeyStoreBackend;
use crate::domain::state::key_usage::UsageOperation;
use crate::domain::state::organization::{Node, Organization, VpcEndpoint};
use crate::domain::state::principal::{Account, Principal};
pub use crate::domain::state::semantics::Semantics;
use crate::domain::state::settings::Settings;
use crate::domain::state::token_epoch::TokenEpoch;
use crate::domain::time::{Revision, Timestamp};

/// An idempotency key of a client, bound to the caller and the request's hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Idempotency {
    /// Chosen by the client, 1 to 64 characters.
    pub key: Arc<str>,
    /// The revision that the client had seen when it first sent the request: refused once records that are younger may
    /// have been forgotten.
    pub birth: Revision,
    /// BLAKE3 of the request as first sent, without ids, times and nonces drawn by the server.
    pub request_hash: [u8; 32],
}

/// One entry of the replicated log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Stamped by the leader just before proposing; `apply` never lets the state's clock go back.
    pub proposed_at: Timestamp,
    /// What `apply` means for this entry.
    pub semantics: Semantics,
    /// Who asks.
    pub caller: Caller,
    /// Where bare names resolve.
    pub scope: Scope,
    /// Drawn by the node that took the request.
    pub request_id: RequestId,
    /// For exactly-once retries, if the client asked for it.
    pub idempotency: Option<Idempotency>,
    /// What to do.
    pub command: Command,
}

/// A change, with everything fixed that must not be decided inside `apply`.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Command {
    /// [`bootstrap`]
    Bootstrap(bootstrap::Bootstrap),
    /// [`rotate_token_epoch`]
    RotateTokenEpoch(rotate_token_epoch::RotateTokenEpoch),
    /// [`start_token_epoch`]
    StartTokenEpoch(start_token_epoch::StartTokenEpoch),
    /// [`revoke_token_epoch`]
    RevokeTokenEpoch(revoke_token_epoch::RevokeTokenEpoch),
    /// [`report_semantics`]
    ReportSemantics(report_semantics::ReportSemantics),
    /// [`raise_semantics`]
    RaiseSemantics(raise_semantics::RaiseSemantics),
    /// [`open_cluster`]
    OpenCluster(open_cluster::OpenCluster),
    /// [`create_account`]
    CreateAccount(create_account::CreateAccount),
    /// [`update_settings`]
    UpdateSettings(update_settings::UpdateSettings),
    /// [`create_organization`]
    CreateOrganization(create_organization::CreateOrganization),
    /// [`delete_organization`]
    DeleteOrganization(delete_organization::DeleteOrganization),
    /// [`add_account`]
    AddAccount(add_account::AddAccount),
    /// [`move_account`]
    MoveAccount(move_account::MoveAccount),
    /// [`remove_account`]
    RemoveAccount(remove_account::RemoveAccount),
    /// [`create_organizational_unit`]
    CreateOrganizationalUnit(create_organizational_unit::CreateOrganizationalUnit),
    /// [`delete_organizational_unit`]
    DeleteOrganizationalUnit(delete_organizational_unit::DeleteOrganizationalUnit),
    /// [`put_control_policy`]
    PutControlPolicy(put_control_policy::PutControlPolicy),
    /// [`delete_control_policy`]
    DeleteControlPolicy(delete_control_policy::DeleteControlPolicy),
    /// [`put_vpc_endpoint`]
    PutVpcEndpoint(put_vpc_endpoint::PutVpcEndpoint),
    /// [`delete_vpc_endpoint`]
    DeleteVpcEndpoint(delete_vpc_endpoint::DeleteVpcEndpoint),
    /// [`create_group`]
    CreateGroup(create_group::CreateGroup),
    /// [`delete_group`]
    DeleteGroup(delete_group::DeleteGroup),
    /// [`add_user_to_group`]
    AddUserToGroup(add_user_to_group::AddUserToGroup),
    /// [`remove_user_from_group`]
    RemoveUserFromGroup(remove_user_from_group::RemoveUserFromGroup),
    /// [`put_group_policy`]
    PutGroupPolicy(put_group_policy::PutGroupPolicy),
    /// [`delete_group_policy`]
    DeleteGroupPolicy(delete_group_policy::DeleteGroupPolicy),
    /// [`create_principal`]
    CreatePrincipal(create_principal::CreatePrincipal),
    /// [`delete_principal`]
    DeletePrincipal(delete_principal::DeletePrincipal),
    /// [`tag_principal`]
    TagPrincipal(tag_principal::TagPrincipal),
    /// [`untag_principal`]
    UntagPrincipal(untag_principal::UntagPrincipal),
    /// [`put_principal_policy`]
    PutPrincipalPolicy(put_principal_policy::PutPrincipalPolicy),
    /// [`delete_principal_policy`]
    DeletePrincipalPolicy(delete_principal_policy::DeletePrincipalPolicy),
    /// [`put_principal_permissions_boundary`]
    PutPrincipalPermissionsBoundary(
        put_principal_permissions_boundary::PutPrincipalPermissionsBoundary,
    ),
    /// [`delete_principal_permissions_boundary`]
    DeletePrincipalPermissionsBoundary(
        delete_principal_permissions_boundary::DeletePrincipalPermissionsBoundary,
    ),
    /// [`create_key`]
    CreateKey(create_key::CreateKey),
    /// [`create_custom_key_store`]
    CreateCustomKeyStore(create_custom_key_store::CreateCustomKeyStore),
    /// [`update_custom_key_store`]
    UpdateCustomKeyStore(update_custom_key_store::UpdateCustomKeyStore),
    /// [`connect_custom_key_store`]
    ConnectCustomKeyStore(connect_custom_key_store::ConnectCustomKeyStore),
    /// [`disconnect_custom_key_store`]
    DisconnectCustomKeyStore(disconnect_custom_key_store::DisconnectCustomKeyStore),
    /// [`delete_custom_key_store`]
    DeleteCustomKeyStore(delete_custom_key_store::DeleteCustomKeyStore),
    /// [`report_custom_key_store`]
    ReportCustomKeyStore(report_custom_key_store::ReportCustomKeyStore),
    /// [`report_key_store_backends`]
    ReportKeyStoreBackends(report_key_store_backends::ReportKeyStoreBackends),
    /// [`put_key_policy`]
    PutKeyPolicy(put_key_policy::PutKeyPolicy),
    /// [`enable_key`]
    EnableKey(enable_key::EnableKey),
    /// [`disable_key`]
    DisableKey(disable_key::DisableKey),
    /// [`update_key_description`]
    UpdateKeyDescription(update_key_description::UpdateKeyDescription),
    /// [`schedule_key_deletion`]
    ScheduleKeyDeletion(schedule_key_deletion::ScheduleKeyDeletion),
    /// [`cancel_key_deletion`]
    CancelKeyDeletion(cancel_key_deletion::CancelKeyDeletion),
    /// [`finish_key_deletion`]
    FinishKeyDeletion(finish_key_deletion::FinishKeyDeletion),
    /// [`replicate_key`]
    ReplicateKey(replicate_key::ReplicateKey),
    /// [`update_primary_region`]
    UpdatePrimaryRegion(update_primary_region::UpdatePrimaryRegion),
    /// [`create_alias`]
    CreateAlias(create_alias::CreateAlias),
    /// [`update_alias`]
    UpdateAlias(update_alias::UpdateAlias),
    /// [`delete_alias`]
    DeleteAlias(delete_alias::DeleteAlias),
    /// [`tag_resource`]
    TagResource(tag_resource::TagResource),
    /// [`untag_resource`]
    UntagResource(untag_resource::UntagResource),
    /// [`create_grant`]
    CreateGrant(create_grant::CreateGrant),
    /// [`retire_grant`]
    RetireGrant(retire_grant::RetireGrant),
    /// [`revoke_grant`]
    RevokeGrant(revoke_grant::RevokeGrant),
    /// [`consume`]
    Consume(consume::Consume),
    /// [`expire_grants`]
    ExpireGrants(expire_grants::ExpireGrants),
    /// [`report_key_usage`]
    ReportKeyUsage(report_key_usage::ReportKeyUsage),
}

/// A question about the state that an operation answers.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a question lives as long as its answer takes and is kept nowhere"
)]
pub enum Query {
    /// [`list_accounts`]
    ListAccounts(list_accounts::ListAccounts),
    /// [`get_settings`]
    GetSettings(get_settings::GetSettings),
    /// [`list_organizations`]
    ListOrganizations(list_organizations::ListOrganizations),
    /// [`list_nodes`]
    ListNodes(list_nodes::ListNodes),
    /// [`get_control_policy`]
    GetControlPolicy(get_control_policy::GetControlPolicy),
    /// [`list_control_policies`]
    ListControlPolicies(list_control_policies::ListControlPolicies),
    /// [`get_vpc_endpoint`]
    GetVpcEndpoint(get_vpc_endpoint::GetVpcEndpoint),
    /// [`list_vpc_endpoints`]
    ListVpcEndpoints(list_vpc_endpoints::ListVpcEndpoints),
    /// [`get_group`]
    GetGroup(get_group::GetGroup),
    /// [`list_groups`]
    ListGroups(list_groups::ListGroups),
    /// [`list_groups_for_user`]
    ListGroupsForUser(list_groups_for_user::ListGroupsForUser),
    /// [`get_group_policy`]
    GetGroupPolicy(get_group_policy::GetGroupPolicy),
    /// [`list_group_policies`]
    ListGroupPolicies(list_group_policies::ListGroupPolicies),
    /// [`get_principal`]
    GetPrincipal(get_principal::GetPrincipal),
    /// [`list_principals`]
    ListPrincipals(list_principals::ListPrincipals),
    /// [`get_principal_policy`]
    GetPrincipalPolicy(get_principal_policy::GetPrincipalPolicy),
    /// [`list_principal_policies`]
    ListPrincipalPolicies(list_principal_policies::ListPrincipalPolicies),
    /// [`describe_custom_key_stores`]
    DescribeCustomKeyStores(describe_custom_key_stores::DescribeCustomKeyStores),
    /// [`list_key_store_work`]
    ListKeyStoreWork(list_key_store_work::ListKeyStoreWork),
    /// [`list_key_store_backends`]
    ListKeyStoreBackends(list_key_store_backends::ListKeyStoreBackends),
    /// [`describe_key`]
    DescribeKey(describe_key::DescribeKey),
    /// [`get_key_last_usage`]
    GetKeyLastUsage(get_key_last_usage::GetKeyLastUsage),
    /// [`get_key_policy`]
    GetKeyPolicy(get_key_policy::GetKeyPolicy),
    /// [`list_key_policies`]
    ListKeyPolicies(list_key_policies::ListKeyPolicies),
    /// [`list_keys`]
    ListKeys(list_keys::ListKeys),
    /// [`list_aliases`]
    ListAliases(list_aliases::ListAliases),
    /// [`list_resource_tags`]
    ListResourceTags(list_resource_tags::ListResourceTags),
    /// [`list_grants`]
    ListGrants(list_grants::ListGrants),
    /// [`list_retirable_grants`]
    ListRetirableGrants(list_retirable_grants::ListRetirableGrants),
    /// [`explain`]
    Explain(explain::Explain),
    /// [`what_if`]
    WhatIf(what_if::WhatIf),
    /// [`who_can`]
    WhoCan(who_can::WhoCan),
    /// [`what_can`]
    WhatCan(what_can::WhatCan),
    /// [`list_grants_by_grantee`]
    ListGrantsByGrantee(list_grants_by_grantee::ListGrantsByGrantee),
    /// [`list_dangling_principals`]
    ListDanglingPrincipals(list_dangling_principals::ListDanglingPrincipals),
    /// [`list_duplicate_grants`]
    ListDuplicateGrants(list_duplicate_grants::ListDuplicateGrants),
    /// [`describe_grants`]
    DescribeGrants(describe_grants::DescribeGrants),
}

impl Query {
    /// Whether its work is great as a rule: it is not worth while to try it where clients are served. The work of every
    /// other is counted, too, and given up there when it grows.
    pub const fn is_long(&self) -> bool {
        matches!(
            self,
            Self::WhoCan(_) | Self::WhatCan(_) | Self::Explain(_) | Self::WhatIf(_)
        )
    }
}

/// Whether the key policy lockout safety check runs (P-7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LockoutCheck {
    /// The parameter was not sent (CK-1: the condition key is absent).
    #[default]
    Unset,
    /// `BypassPolicyLockoutSafetyCheck: false`.
    Run,
    /// `BypassPolicyLockoutSafetyCheck: true`.
    Bypass,
}

/// Whether an operation only authorizes and validates (G-20).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DryRun {
    /// Do it.
    #[default]
    No,
    /// Change nothing; success is the error `DryRunOperationException`.
    Yes,
}

/// A page of a listing (G-32).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// `Limit`; absent: the operation's default.
    pub limit: Option<u32>,
    /// `Marker`; as an earlier page's `NextMarker`.
    pub marker: Option<Arc<str>>,
}

/// One page of a listing: `next` is present if and only if the listing is truncated (G-32).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paged<T> {
    /// The entries of this page.
    pub items: Vec<T>,
    /// The marker of the next page.
    pub next: Option<Arc<str>>,
}

/// What `apply` says of an entry. Rejections are outcomes too: every replica reaches the same one.
#[derive(Clone, Debug)]
pub struct Applied {
    /// What the caller is told.
    pub outcome: Result<Output, Rejection>,
    /// The revision at which the entry's idempotency key was settled: this outcome was reached there, and every attempt
    /// under the key has it. An earlier revision than the entry's own: nothing was done now. `None`: no key was
    /// settled, and the same request may be judged otherwise later.
    pub settled_at: Option<Revision>,
    /// What changed, for watch and audit.
    pub events: Vec<Event>,
}

/// What a command gives back.
#[derive(Clone, Debug)]
pub enum Output {
    /// Nothing to tell beyond that it was done.
    Done,
    /// The account.
    Account(Account),
    /// The user or role.
    Principal(Principal),
    /// The group.
    Group(Group),
    /// The organization.
    Organization(Organization),
    /// The node of an organization's tree.
    Node(Node),
    /// The key.
    Key(KeyDescription),
    /// The custom key store that was made.
    KeyStore(CustomKeyStoreId),
    /// The grant, and what a token of it must say.
    Grant(CreatedGrant),
    /// What allowed a use, and what is left (EC-13).
    Consumed(Consumed),
    /// The number of the token epoch that was installed.
    TokenEpoch(u32),
}

/// A grant that CreateGrant made or found again (G-17).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreatedGrant {
    /// The grant as stored; its `born` is the token's fence. `None`: a replay whose grant is gone: the id and no token.
    pub grant: Option<Grant>,
    /// Its id.
    pub id: GrantId,
    /// The revision that a node must have applied to judge the grant: that of its key and grantee.
    pub depends_on: Revision,
    /// The token epoch that its token is of, with the sealed secret, so that a node that has not applied the create mints
    /// by the same one. `None`: of a replay whose grant is gone, or whose epoch is revoked.
    pub epoch: Option<Arc<TokenEpoch>>,
}

/// A key with what is derived from other facts.
#[derive(Clone, Debug)]
pub struct KeyDescription {
    /// The key, its state as everybody sees it: its custom key store has a part in it (K-12).
    pub key: Key,
    /// The set of a multi-Region key.
    pub related: Option<RelatedKeys>,
    /// The CloudHSM cluster behind the custom key store that it lives in.
    pub cloud_hsm_cluster: Option<CloudHsmClusterId>,
}

/// The keys of a multi-Region set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RelatedKeys {
    /// The primary. `None`: its cluster is another one, or it is gone.
    pub primary: Option<KeyArn>,
    /// The replicas, in the order of their Regions.
    pub replicas: Vec<KeyArn>,
}

impl KeyDescription {
    /// `key` with what the state knows beside it.
    pub fn of(state: &State, key: Key) -> Self {
        let related = key.multi_region.map(|_| {
            let mut related = RelatedKeys {
                primary: None,
                replicas: Vec::new(),
            };
            for key in state.related_keys(&key.arn) {
                match key.multi_region {
                    Some(MultiRegionKeyType::Primary) => related.primary = Some(key.arn.clone()),
                    Some(MultiRegionKeyType::Replica) | None => {
                        related.replicas.push(key.arn.clone());
                    }
                }
            }
            related
        });
        let store = key.custom_key_store.as_ref();
        let backing = store.and_then(|place| Some(&state.key_store(&place.store)?.backing));
        let cloud_hsm_cluster = match backing {
            Some(Backing::CloudHsm { cluster, .. }) => Some(cluster.clone()),
            Some(Backing::External(_)) | None => None,
        };
        Self {
            key: Key {
                state: state.key_state(&key),
                ..key
            },
            related,
            cloud_hsm_cluster,
        }
    }
}

/// What a query gives back.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Accounts, in the order of their ids.
    Accounts(Paged<Account>),
    /// A user or role.
    Principal(Principal),
    /// Users or roles, in the order of their ARNs.
    Principals(Paged<Principal>),
    /// The replicated settings.
    Settings(Settings),
    /// Organizations, in the order of their ids.
    Organizations(Paged<Organization>),
    /// Nodes right below one, in the order of their ids.
    Nodes(Paged<Node>),
    /// A VPC endpoint.
    Endpoint(VpcEndpoint),
    /// VPC endpoints, in the order of their ids.
    Endpoints(Paged<VpcEndpoint>),
    /// A group and its members, in the order of their ARNs.
    Group(Group, Paged<PrincipalArn>),
    /// Groups, in the order of their ARNs.
    Groups(Paged<Group>),
    /// A policy's text as it was put.
    Policy {
        /// Its name.
        name: Arc<str>,
        /// The JSON text.
        text: Arc<str>,
    },
    /// Names of identity policies, in order.
    PolicyNames(Paged<Arc<str>>),
    /// A key.
    Key(KeyDescription),
    /// The last use of a key.
    LastUsage(get_key_last_usage::LastUsage),
    /// Custom key stores, in the order of their ids.
    KeyStores(Paged<CustomKeyStore>),
    /// What was told of the backends of custom key stores, in the order of their names.
    KeyStoreBackends(Paged<KeyStoreBackend>),
    /// Keys, in the order of their ids.
    Keys(Paged<KeyArn>),
    /// Aliases with their keys, in the order of their names.
    Aliases(Paged<AliasEntry>),
    /// Tags, in the order of their keys.
    Tags(Paged<(Arc<str>, Arc<str>)>),
    /// Grants, in the order of their ids.
    /// Why a request is decided as it is.
    Explanation {
        /// The explanation, part by part.
        told: Box<posed::Told>,
        /// The key that it is about.
        key: Option<KeyArn>,
    },
    /// How requests would be decided after changes, in their order.
    WhatIf(Vec<what_if::Flip>),
    /// Who may do what; fewer or more entries than the page's limit, which counts what was looked at.
    Access {
        /// The entries.
        items: Vec<who_can::Reached>,
        /// The marker of the next page.
        next: Option<Arc<str>>,
    },
    Grants(Paged<ListedGrant>),
    /// What names principals that are gone, key by key.
    Dangling {
        /// The entries.
        items: Vec<list_dangling_principals::Dangling>,
        /// How many keys were passed over because the asker may not read them.
        withheld: u32,
        /// The marker of the next page.
        next: Option<Arc<str>>,
    },
    /// Groups of grants that are duplicates of one another, in the order of their first ids.
    Duplicates(Paged<list_duplicate_grants::Duplicates>),
    /// The grants of a key in figures.
    GrantFigures(describe_grants::GrantFigures),
}

/// An alias and the key that it names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AliasEntry {
    /// The alias.
    pub alias: AliasArn,
    /// Its key.
    pub target: KeyArn,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last given a key.
    pub updated_at: Timestamp,
}

/// A deterministic no: the form that every operation's own refusals take on the way out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// The AWS exception, or ours where AWS has none.
    pub code: ErrorCode,
    /// The text, exactly as AWS writes it where that is known.
    pub message: Arc<str>,
    /// The decision behind an `AccessDenied`.
    pub decision: Option<Box<Decision>>,
    /// What is behind a text that AWS words too shortly, for people: it stands beside the text, never in it.
    pub help: Option<Arc<str>>,
}

/// What changed, for watch and audit; ordered by revision, and within one by position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The cluster's first command took effect.
    Bootstrapped,
    /// A token epoch came to be, mints from now on, or is revoked.
    TokenEpochChanged {
        /// Its number.
        epoch: u32,
        /// What happened.
        change: TokenEpochChange,
    },
    /// Entries mean something newer from now on.
    SemanticsRaised {
        /// What.
        to: Semantics,
    },
    /// A cluster that was forced from one disk decides again, whatever was acknowledged after a revision and is missing.
    Opened {
        /// The last revision of the old life.
        after: Revision,
    },
    /// An account came to be.
    AccountCreated(AccountId),
    /// The replicated settings changed.
    SettingsChanged,
    /// An organization came to be or went.
    OrganizationChanged(OrganizationId, Change),
    /// A node of an organization's tree came to be, changed, or went; an account's, when it joins, moves or leaves.
    NodeChanged(NodeId, Change),
    /// A VPC endpoint came to be, changed, or went.
    EndpointChanged(VpcEndpointId, Change),
    /// A group came to be, changed, or went; its members changed with it.
    GroupChanged(GroupArn, Change),
    /// A user or role came to be, changed, or went.
    PrincipalChanged(PrincipalArn, Change),
    /// A custom key store came to be, changed or went; the state of its keys may have changed with it (K-12).
    KeyStoreChanged(CustomKeyStoreId, KeyStoreChange),
    /// The connector told of something behind the custom key stores of an account, or forgot it.
    KeyStoreBackendChanged(AccountId, BackendName, Change),
    /// A key came to be or changed.
    KeyChanged(KeyArn, KeyChange),
    /// An alias came to be or went.
    AliasChanged(AliasArn, Change),
    /// A grant came to be or went.
    GrantChanged {
        /// The grant.
        grant: GrantId,
        /// Its key.
        key: KeyArn,
        /// Whom it is given to.
        grantee: GrantPrincipal,
        /// What it allows.
        operations: GrantOperations,
        /// What happened.
        change: GrantChange,
    },
}

/// What happened to a principal or an alias.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// It came to be.
    Created,
    /// Its facts changed.
    Updated,
    /// It went.
    Deleted,
}

/// What happened to a token epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenEpochChange {
    /// It was installed.
    Installed,
    /// It mints from now on; the one before does no more.
    Mints,
    /// No token of it is honoured any more.
    Revoked,
}

/// What happened to a custom key store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyStoreChange {
    /// It came to be.
    Created,
    /// Its properties changed.
    Updated,
    /// Its connection is now in this state.
    Connection(ConnectionState),
    /// It went.
    Deleted,
}

/// What happened to a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyChange {
    /// It came to be.
    Created,
    /// Its key policy was replaced.
    PolicyPut,
    /// Its state is now this.
    State(KeyState),
    /// Its tags changed.
    Tagged,
    /// Its description changed.
    Described,
    /// Its part in its multi-Region set is now this.
    MultiRegion(MultiRegionKeyType),
    /// Its last use is now this operation's.
    Used(UsageOperation),
    /// Its waiting period is over and it went, its aliases with events of their own, its grants without.
    Deleted,
}

/// What happened to a grant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GrantChange {
    /// It came to be.
    Created,
    /// It was retired.
    Retired,
    /// It was revoked.
    Revoked,
    /// Its time was over (EC-13).
    Expired,
    /// Uses of it were spent, by Consume or by handing them on (EC-13).
    Spent {
        /// What it has left.
        uses_left: u32,
    },
}

pub use self::apply::{Cut, apply, apply_as, closed, members_changed, query, query_within};
pub use self::context::Context;
pub use self::grants::ListedGrant;

#[cfg(test)]
mod authority_columns;
#[cfg(test)]
mod authority_tests;
#[cfg(test)]
mod authority_world;
#[cfg(test)]
mod authorize_tests;
#[cfg(test)]
mod context_key_tests;
#[cfg(test)]
mod explain_tests;
#[cfg(test)]
mod grant_making_tests;
#[cfg(test)]
mod grant_quota_tests;
#[cfg(test)]
mod grant_rules_tests;
#[cfg(test)]
mod grant_terms_tests;
#[cfg(test)]
mod key_store_backend_tests;
#[cfg(test)]
mod key_store_backend_use_tests;
#[cfg(test)]
mod key_store_connection_tests;
#[cfg(test)]
mod key_store_create_tests;
#[cfg(test)]
mod key_store_describe_tests;
#[cfg(test)]
mod key_store_keys_tests;
#[cfg(test)]
mod key_store_tests;
#[cfg(test)]
mod key_store_update_tests;
#[cfg(test)]
mod key_usage_tests;
#[cfg(test)]
mod linked_role_tests;
#[cfg(test)]
mod parts_tests;
#[cfg(test)]
mod permission_tests;
#[cfg(test)]
mod rule_tests;
#[cfg(test)]
pub(crate) mod testing;
