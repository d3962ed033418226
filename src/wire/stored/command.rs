//! The stored forms of the commands. A command's number is never changed and never used again.
//!
//! Imports domain's op.

use super::command_sources::*;
use super::facts::{KeyUseRow, SettingsRow, TermRow};
use super::key_store_backends::ReportKeyStoreBackendsRow;
use super::key_stores::{
    ConnectCustomKeyStoreRow, CreateCustomKeyStoreRow, DeleteCustomKeyStoreRow,
    DisconnectCustomKeyStoreRow, ReportCustomKeyStoreRow, UpdateCustomKeyStoreRow,
};
use super::row::{Blob, Members, Pairs, Str, Text, numbered, row};
use crate::domain::ids::{
    CustomKeyStoreId, KeyArn, KeyId, KeyRef, Partition, PrincipalArn, Region, UniqueId, XksKeyId,
};
use crate::domain::op::create_key::MultiRegion;
use crate::domain::op::revoke_grant::Descendants;
use crate::domain::op::{self, Command, DryRun, LockoutCheck};
use crate::domain::state::grant::GrantOperation;
use crate::domain::state::key::{KeyOrigin, KeySpec, KeyUsage};

numbered! {
    CommandRow: Command {
        1 = Bootstrap(command: BootstrapRow),
        2 = RotateTokenEpoch(command: RotateTokenEpochRow),
        100 = StartTokenEpoch(command: StartTokenEpochRow),
        101 = RevokeTokenEpoch(command: RevokeTokenEpochRow),
        102 = ReportSemantics(command: ReportSemanticsRow),
        103 = RaiseSemantics(command: RaiseSemanticsRow),
        104 = OpenCluster(command: OpenClusterRow),
        3 = CreateAccount(command: CreateAccountRow),
        4 = CreatePrincipal(command: CreatePrincipalRow),
        5 = DeletePrincipal(command: DeletePrincipalRow),
        6 = TagPrincipal(command: TagPrincipalRow),
        7 = UntagPrincipal(command: UntagPrincipalRow),
        8 = PutPrincipalPolicy(command: PutPrincipalPolicyRow),
        9 = DeletePrincipalPolicy(command: DeletePrincipalPolicyRow),
        10 = CreateKey(command: CreateKeyRow),
        40 = CreateCustomKeyStore(command: CreateCustomKeyStoreRow),
        41 = UpdateCustomKeyStore(command: UpdateCustomKeyStoreRow),
        42 = ConnectCustomKeyStore(command: ConnectCustomKeyStoreRow),
        43 = DisconnectCustomKeyStore(command: DisconnectCustomKeyStoreRow),
        44 = DeleteCustomKeyStore(command: DeleteCustomKeyStoreRow),
        45 = ReportCustomKeyStore(command: ReportCustomKeyStoreRow),
        46 = ReportKeyStoreBackends(command: ReportKeyStoreBackendsRow),
        11 = PutKeyPolicy(command: PutKeyPolicyRow),
        12 = EnableKey(command: EnableKeyRow),
        13 = DisableKey(command: DisableKeyRow),
        14 = CreateAlias(command: CreateAliasRow),
        15 = DeleteAlias(command: DeleteAliasRow),
        16 = TagResource(command: TagResourceRow),
        17 = UntagResource(command: UntagResourceRow),
        18 = CreateGrant(command: CreateGrantRow),
        19 = RetireGrant(command: RetireGrantRow),
        20 = RevokeGrant(command: RevokeGrantRow),
        30 = UpdateKeyDescription(command: UpdateKeyDescriptionRow),
        31 = ScheduleKeyDeletion(command: ScheduleKeyDeletionRow),
        32 = CancelKeyDeletion(command: CancelKeyDeletionRow),
        33 = FinishKeyDeletion(command: FinishKeyDeletionRow),
        34 = ReplicateKey(command: ReplicateKeyRow),
        35 = UpdatePrimaryRegion(command: UpdatePrimaryRegionRow),
        36 = UpdateAlias(command: UpdateAliasRow),
        50 = CreateGroup(command: CreateGroupRow),
        51 = DeleteGroup(command: DeleteGroupRow),
        52 = AddUserToGroup(command: AddUserToGroupRow),
        53 = RemoveUserFromGroup(command: RemoveUserFromGroupRow),
        54 = PutGroupPolicy(command: PutGroupPolicyRow),
        55 = DeleteGroupPolicy(command: DeleteGroupPolicyRow),
        56 = PutPrincipalPermissionsBoundary(command: PutPrincipalPermissionsBoundaryRow),
        57 = DeletePrincipalPermissionsBoundary(command: DeletePrincipalPermissionsBoundaryRow),
        58 = UpdateSettings(command: UpdateSettingsRow),
        80 = CreateOrganization(command: CreateOrganizationRow),
        81 = DeleteOrganization(command: DeleteOrganizationRow),
        82 = CreateOrganizationalUnit(command: CreateOrganizationalUnitRow),
        83 = DeleteOrganizationalUnit(command: DeleteOrganizationalUnitRow),
        84 = AddAccount(command: AddAccountRow),
        85 = MoveAccount(command: MoveAccountRow),
        86 = RemoveAccount(command: RemoveAccountRow),
        87 = PutControlPolicy(command: PutControlPolicyRow),
        88 = DeleteControlPolicy(command: DeleteControlPolicyRow),
        89 = PutVpcEndpoint(command: PutVpcEndpointRow),
        90 = DeleteVpcEndpoint(command: DeleteVpcEndpointRow),
        60 = Consume(command: ConsumeRow),
        61 = ExpireGrants(command: ExpireGrantsRow),
        37 = ReportKeyUsage(command: ReportKeyUsageRow),
    }
}

row! {
    BootstrapRow: op::bootstrap::Bootstrap {
        incarnation: [u8; 16],
        settings: SettingsRow,
        sealed_epoch_secret: Blob,
        hash_key: [u8; 16],
        seal_check: [u8; 32],
        semantics: u32,
    }
}

row! {
    StartTokenEpochRow: op::start_token_epoch::StartTokenEpoch {
        number: u32,
    }
}

row! {
    ReportSemanticsRow: op::report_semantics::ReportSemantics {
        node: u64,
        newest: u32,
    }
}

row! {
    RaiseSemanticsRow: op::raise_semantics::RaiseSemantics {
        to: u32,
    }
}

row! {
    OpenClusterRow: op::open_cluster::OpenCluster {
        after: u64,
    }
}

row! {
    RevokeTokenEpochRow: op::revoke_token_epoch::RevokeTokenEpoch {
        number: u32,
    }
}

row! {
    RotateTokenEpochRow: op::rotate_token_epoch::RotateTokenEpoch {
        sealed_epoch_secret: Blob,
    }
}

row! {
    CreateAccountRow: op::create_account::CreateAccount {
        account: u64,
        name: Str,
    }
}

row! {
    CreatePrincipalRow: op::create_principal::CreatePrincipal {
        arn: Text<PrincipalArn>,
        unique_id: Text<UniqueId>,
        tags: Pairs<Str, Str>,
    }
}

row! {
    DeletePrincipalRow: op::delete_principal::DeletePrincipal {
        arn: Text<PrincipalArn>,
    }
}

row! {
    TagPrincipalRow: op::tag_principal::TagPrincipal {
        arn: Text<PrincipalArn>,
        tags: Pairs<Str, Str>,
    }
}

row! {
    UntagPrincipalRow: op::untag_principal::UntagPrincipal {
        arn: Text<PrincipalArn>,
        tag_keys: Members<Str>,
    }
}

row! {
    PutPrincipalPolicyRow: op::put_principal_policy::PutPrincipalPolicy {
        arn: Text<PrincipalArn>,
        name: Str,
        policy: Str,
    }
}

row! {
    DeletePrincipalPolicyRow: op::delete_principal_policy::DeletePrincipalPolicy {
        arn: Text<PrincipalArn>,
        name: Str,
    }
}

row! {
    CreateKeyRow: op::create_key::CreateKey {
        account: u64,
        partition: Text<Partition>,
        region: Text<Region>,
        key_id: Text<KeyId>,
        description: Str,
        spec: Text<KeySpec>,
        usage: Option<Text<KeyUsage>>,
        origin: Text<KeyOrigin>,
        multi_region: MultiRegionRow,
        policy: Option<Str>,
        lockout_check: LockoutCheckRow,
        tags: Pairs<Str, Str>,
        custom_key_store: Option<Text<CustomKeyStoreId>>,
        xks_key: Option<Text<XksKeyId>>,
    }
}

numbered! {
    MultiRegionRow: MultiRegion {
        1 = No,
        2 = Primary,
    }
}

numbered! {
    LockoutCheckRow: LockoutCheck {
        1 = Unset,
        2 = Run,
        3 = Bypass,
    }
}

row! {
    PutKeyPolicyRow: op::put_key_policy::PutKeyPolicy {
        key: Text<KeyRef>,
        policy_name: Option<Str>,
        policy: Str,
        lockout_check: LockoutCheckRow,
    }
}

row! {
    EnableKeyRow: op::enable_key::EnableKey {
        key: Text<KeyRef>,
    }
}

row! {
    DisableKeyRow: op::disable_key::DisableKey {
        key: Text<KeyRef>,
    }
}

row! {
    UpdateKeyDescriptionRow: op::update_key_description::UpdateKeyDescription {
        key: Text<KeyRef>,
        description: Str,
    }
}

row! {
    ScheduleKeyDeletionRow: op::schedule_key_deletion::ScheduleKeyDeletion {
        key: Text<KeyRef>,
        window_days: Option<u32>,
    }
}

row! {
    CancelKeyDeletionRow: op::cancel_key_deletion::CancelKeyDeletion {
        key: Text<KeyRef>,
    }
}

row! {
    ReportKeyUsageRow: op::report_key_usage::ReportKeyUsage {
        uses: Vec<(Text<KeyArn>, KeyUseRow)>,
    }
}

row! {
    FinishKeyDeletionRow: op::finish_key_deletion::FinishKeyDeletion {
        key: Text<KeyArn>,
    }
}

row! {
    ReplicateKeyRow: op::replicate_key::ReplicateKey {
        key: Text<KeyRef>,
        region: Text<Region>,
        policy: Option<Str>,
        lockout_check: LockoutCheckRow,
        description: Str,
        tags: Pairs<Str, Str>,
    }
}

row! {
    UpdatePrimaryRegionRow: op::update_primary_region::UpdatePrimaryRegion {
        key: Text<KeyRef>,
        region: Text<Region>,
    }
}

row! {
    CreateAliasRow: op::create_alias::CreateAlias {
        alias: Str,
        target: Text<KeyRef>,
    }
}

row! {
    UpdateAliasRow: op::update_alias::UpdateAlias {
        alias: Str,
        target: Text<KeyRef>,
    }
}

row! {
    DeleteAliasRow: op::delete_alias::DeleteAlias {
        alias: Str,
    }
}

row! {
    TagResourceRow: op::tag_resource::TagResource {
        key: Text<KeyRef>,
        tags: Vec<(Str, Str)>,
    }
}

row! {
    UntagResourceRow: op::untag_resource::UntagResource {
        key: Text<KeyRef>,
        tag_keys: Vec<Str>,
    }
}

row! {
    CreateGrantRow: op::create_grant::CreateGrant {
        key: Text<KeyRef>,
        grant_id: [u8; 32],
        grantee: Option<Str>,
        grantee_service: Option<Str>,
        retiring: Option<Str>,
        retiring_service: Option<Str>,
        operations: Vec<Text<GrantOperation>>,
        context_equals: Pairs<Str, Str>,
        context_subset: Pairs<Str, Str>,
        source_arn: Option<Str>,
        name: Option<Str>,
        dry_run: DryRunRow,
        term: TermRow,
    }
}

numbered! {
    DryRunRow: DryRun {
        1 = No,
        2 = Yes,
    }
}

row! {
    RetireGrantRow: op::retire_grant::RetireGrant {
        key: Text<KeyRef>,
        grant_id: Str,
        dry_run: DryRunRow,
    }
}

row! {
    RevokeGrantRow: op::revoke_grant::RevokeGrant {
        key: Text<KeyRef>,
        grant_id: Str,
        dry_run: DryRunRow,
        descendants: DescendantsRow,
    }
}

numbered! {
    DescendantsRow: Descendants {
        1 = Stay,
        2 = End,
    }
}

row! {
    ConsumeRow: op::consume::Consume {
        key: Text<KeyRef>,
        operation: Text<GrantOperation>,
        encryption_context: Pairs<Str, Str>,
        grant_id: Option<Str>,
    }
}

row! {
    ExpireGrantsRow: op::expire_grants::ExpireGrants {}
}
