//! One value of each kind, filled so that every field and option shows in its bytes. Golden files hold them:
//! a sample is never changed, a new one is added.

use std::sync::Arc;

use crate::domain::authz::caller::{Caller, ContextEntry, Identity, RequestFacts};
use crate::domain::ids::{GrantId, KeyId, Partition, RequestId, UniqueId};
use crate::domain::op::create_key::MultiRegion;
use crate::domain::op::key_stores::ProxyMembers;
use crate::domain::op::revoke_grant::Descendants;
use crate::domain::op::{self, Command, DryRun, LockoutCheck};
use crate::domain::op::{
    CreatedGrant, Entry, ErrorCode, Idempotency, KeyDescription, Output, Rejection, RelatedKeys,
    Scope, Semantics,
};
use crate::domain::policy::{Policy, PolicyKind, Profile};
use crate::domain::state::alias::Alias;
use crate::domain::state::fact::{Fact, Forgotten, Header};
use crate::domain::state::grant::{
    ConstraintKeyCase, ContextConstraint, EncryptionContext, Grant, GrantConstraints,
    GrantOperation, GrantPrincipal, Term,
};
use crate::domain::state::group::Group;
use crate::domain::state::idempotency::{
    Consumed, Effect, Horizon, IdempotencyKey, IdempotencyRecord, Payer,
};
use crate::domain::state::key::{
    Deletion, Key, KeyManager, KeyOrigin, KeySpec, KeyState, KeyUsage, MultiRegionKeyType,
};
use crate::domain::state::key_store::{
    Backing, Connection, ConnectionErrorCode, Credential, CustomKeyStore, KeyStoreType, StoreKey,
    XksConnectivity, XksProxy, XksRoute,
};
use crate::domain::state::key_store_backend::{
    Backend, ClusterFacts, KeyStoreBackend, ProxyFacts, ProxyHealth, Soundness,
};
use crate::domain::state::key_usage::{KeyUse, UsageOperation};
use crate::domain::state::organization::{ControlKind, Node, Organization, VpcEndpoint};
use crate::domain::state::principal::{Account, Principal, PrincipalType};
use crate::domain::state::settings::Settings;
use crate::domain::state::token_epoch::TokenEpoch;
use crate::domain::state::{State, Tags};
use crate::domain::time::{Incarnation, Revision, Timestamp};

const ACCOUNT: u64 = 111_122_223_333;
const KEY_ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const USER: &str = "arn:aws:iam::111122223333:user/eng/alice";
const ROLE: &str = "arn:aws:iam::111122223333:role/app/backend";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/backend/blue";
const UNIT: &str = "ou-ab12cd34-0123456789abcdef";
const GROUP: &str = "arn:aws:iam::111122223333:group/eng/readers";
const RESOURCE_CONTROL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"}}"#;
const ENDPOINT_POLICY: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}}"#;
const KEY_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"root","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}]}"#;
const STORE: &str = "cks-1234567890abcdef0";
const EXTERNAL_STORE: &str = "cks-9876543210fedcba9";
const CLUSTER: &str = "cluster-2a3b4cdefgh";
const VPC_SERVICE: &str = "com.amazonaws.vpce.eu-central-1.vpce-svc-0123456789abcdef0";
const ACCESS_KEY: &str = "ABCDE22345677ABCDEFG";
const IDENTITY_POLICY: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}}"#;

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn account() -> crate::domain::ids::AccountId {
    crate::domain::ids::AccountId::from_number(ACCOUNT).unwrap()
}

fn tags() -> Tags {
    [("project", "blue"), ("stage", "")]
        .map(|(key, value)| (key.into(), value.into()))
        .into()
}

fn context(pairs: &[(&str, &str)]) -> Arc<EncryptionContext> {
    let pairs = pairs.iter().map(|&(key, value)| (key.into(), value.into()));
    Arc::new(pairs.collect())
}

fn policy(text: &str, kind: PolicyKind) -> Arc<Policy> {
    Policy::parse(text, kind).unwrap()
}

fn key_use() -> KeyUse {
    KeyUse {
        operation: UsageOperation::GenerateDataKeyWithoutPlaintext,
        at: Timestamp::from_millis(1_795_313_425_321),
        request_id: Some(RequestId([0x5e; 16])),
    }
}

fn user_id() -> UniqueId {
    UniqueId::of_new_user(&[7; 16])
}

fn role_id() -> UniqueId {
    UniqueId::of_new_role(&[8; 16])
}

fn settings() -> Settings {
    Settings {
        max_staleness_ms: 1_000,
        clock_rate_permille: 10,
        grants_per_key_max: 50_000,
        profile: Profile::Legacy2020,
        grants_per_principal_max: Some(500),
        constraint_key_case: ConstraintKeyCase::Sensitive,
        regions: "eu-central-1, us-east-1".parse().unwrap(),
    }
}

/// The same under the other letter case of constraint keys.
fn settings_in_any_key_case() -> Settings {
    Settings {
        constraint_key_case: ConstraintKeyCase::Insensitive,
        ..settings()
    }
}

/// Every command, with its name in the golden files.
pub(super) fn commands() -> Vec<(&'static str, Command)> {
    vec![
        (
            "bootstrap",
            Command::Bootstrap(op::bootstrap::Bootstrap {
                incarnation: Incarnation([0xab; 16]),
                settings: settings(),
                sealed_epoch_secret: [1, 2, 3, 4].into(),
                hash_key: crate::domain::state::cow_map::HashKey([1; 16]),
                seal_check: crate::domain::state::token_epoch::SealCheck([2; 32]),
                semantics: crate::domain::state::semantics::Semantics::CURRENT,
            }),
        ),
        (
            "rotate-token-epoch",
            Command::RotateTokenEpoch(op::rotate_token_epoch::RotateTokenEpoch {
                sealed_epoch_secret: [5, 6, 7].into(),
            }),
        ),
        (
            "report-semantics",
            Command::ReportSemantics(op::report_semantics::ReportSemantics {
                node: 2,
                newest: Semantics(1),
            }),
        ),
        (
            "raise-semantics",
            Command::RaiseSemantics(op::raise_semantics::RaiseSemantics { to: Semantics(2) }),
        ),
        (
            "open-cluster",
            Command::OpenCluster(op::open_cluster::OpenCluster {
                after: Revision(17),
            }),
        ),
        (
            "start-token-epoch",
            Command::StartTokenEpoch(op::start_token_epoch::StartTokenEpoch { number: 2 }),
        ),
        (
            "revoke-token-epoch",
            Command::RevokeTokenEpoch(op::revoke_token_epoch::RevokeTokenEpoch { number: 1 }),
        ),
        (
            "create-account",
            Command::CreateAccount(op::create_account::CreateAccount {
                account: account(),
                name: "Example".into(),
            }),
        ),
        (
            "create-principal",
            Command::CreatePrincipal(op::create_principal::CreatePrincipal {
                arn: id(USER),
                unique_id: user_id(),
                tags: tags(),
            }),
        ),
        (
            "delete-principal",
            Command::DeletePrincipal(op::delete_principal::DeletePrincipal { arn: id(ROLE) }),
        ),
        (
            "tag-principal",
            Command::TagPrincipal(op::tag_principal::TagPrincipal {
                arn: id(USER),
                tags: tags(),
            }),
        ),
        (
            "untag-principal",
            Command::UntagPrincipal(op::untag_principal::UntagPrincipal {
                arn: id(USER),
                tag_keys: ["project".into(), "stage".into()].into(),
            }),
        ),
        (
            "put-principal-policy",
            Command::PutPrincipalPolicy(op::put_principal_policy::PutPrincipalPolicy {
                arn: id(ROLE),
                name: "decrypt".into(),
                policy: IDENTITY_POLICY.into(),
            }),
        ),
        (
            "delete-principal-policy",
            Command::DeletePrincipalPolicy(op::delete_principal_policy::DeletePrincipalPolicy {
                arn: id(ROLE),
                name: "decrypt".into(),
            }),
        ),
        (
            "create-key",
            Command::CreateKey(op::create_key::CreateKey {
                account: account(),
                partition: Partition::Aws,
                region: id("eu-central-1"),
                key_id: KeyId::MultiRegion([0x12; 16]),
                description: "the key of the orders".into(),
                spec: KeySpec::Rsa2048,
                usage: Some(KeyUsage::SignVerify),
                origin: KeyOrigin::AwsKms,
                multi_region: MultiRegion::Primary,
                policy: Some(KEY_POLICY.into()),
                lockout_check: LockoutCheck::Bypass,
                tags: tags(),
                custom_key_store: Some(id(STORE)),
                xks_key: Some(id("bb8562717f809024")),
            }),
        ),
        (
            "create-custom-key-store",
            Command::CreateCustomKeyStore(op::create_custom_key_store::CreateCustomKeyStore {
                id: id(STORE),
                role_id: role_id(),
                name: "hsm".into(),
                kind: KeyStoreType::AwsCloudHsm,
                cluster: Some(id(CLUSTER)),
                trust_anchor: Some("-----BEGIN CERTIFICATE-----".into()),
                credential: Some(Credential::Password {
                    sealed: [1, 2, 3].into(),
                }),
                proxy: Default::default(),
            }),
        ),
        (
            "update-custom-key-store",
            Command::UpdateCustomKeyStore(op::update_custom_key_store::UpdateCustomKeyStore {
                id: id(EXTERNAL_STORE),
                new_name: Some("external".into()),
                cluster: Some(id(CLUSTER)),
                credential: Some(Credential::AccessKey {
                    id: id(ACCESS_KEY),
                    sealed: [4, 5].into(),
                }),
                proxy: ProxyMembers {
                    connectivity: Some(XksConnectivity::VpcEndpointService),
                    endpoint: Some(id("https://xks.example.com")),
                    path: Some(id("/kms/xks/v1")),
                    vpc_service: Some(id(VPC_SERVICE)),
                    vpc_service_owner: Some(account()),
                },
            }),
        ),
        (
            "connect-custom-key-store",
            Command::ConnectCustomKeyStore(op::connect_custom_key_store::ConnectCustomKeyStore {
                id: id(STORE),
            }),
        ),
        (
            "disconnect-custom-key-store",
            Command::DisconnectCustomKeyStore(
                op::disconnect_custom_key_store::DisconnectCustomKeyStore { id: id(STORE) },
            ),
        ),
        (
            "delete-custom-key-store",
            Command::DeleteCustomKeyStore(op::delete_custom_key_store::DeleteCustomKeyStore {
                id: id(STORE),
            }),
        ),
        (
            "report-key-store-backends",
            Command::ReportKeyStoreBackends(
                op::report_key_store_backends::ReportKeyStoreBackends {
                    account: account(),
                    backends: backends(),
                    forgotten: vec![
                        id("cluster-2a3b4cdefgh"),
                        id("https://xks.example.com/kms/xks/v1"),
                    ],
                },
            ),
        ),
        (
            "report-custom-key-store",
            Command::ReportCustomKeyStore(op::report_custom_key_store::ReportCustomKeyStore {
                id: id(STORE),
                attempt: Some(Revision(40)),
                report: op::report_custom_key_store::Report::Failed(
                    ConnectionErrorCode::UserLockedOut,
                ),
            }),
        ),
        (
            "put-key-policy",
            Command::PutKeyPolicy(op::put_key_policy::PutKeyPolicy {
                key: id(KEY),
                policy_name: Some("default".into()),
                policy: KEY_POLICY.into(),
                lockout_check: LockoutCheck::Run,
            }),
        ),
        (
            "enable-key",
            Command::EnableKey(op::enable_key::EnableKey { key: id(KEY_ID) }),
        ),
        (
            "disable-key",
            Command::DisableKey(op::disable_key::DisableKey { key: id(KEY) }),
        ),
        (
            "update-key-description",
            Command::UpdateKeyDescription(op::update_key_description::UpdateKeyDescription {
                key: id(KEY),
                description: "of the orders".into(),
            }),
        ),
        (
            "schedule-key-deletion",
            Command::ScheduleKeyDeletion(op::schedule_key_deletion::ScheduleKeyDeletion {
                key: id(KEY),
                window_days: Some(7),
            }),
        ),
        (
            "cancel-key-deletion",
            Command::CancelKeyDeletion(op::cancel_key_deletion::CancelKeyDeletion {
                key: id(KEY_ID),
            }),
        ),
        (
            "finish-key-deletion",
            Command::FinishKeyDeletion(op::finish_key_deletion::FinishKeyDeletion { key: id(KEY) }),
        ),
        (
            "replicate-key",
            Command::ReplicateKey(op::replicate_key::ReplicateKey {
                key: id(KEY),
                region: id("us-east-1"),
                policy: Some(KEY_POLICY.into()),
                lockout_check: LockoutCheck::Run,
                description: "a replica".into(),
                tags: tags(),
            }),
        ),
        (
            "update-primary-region",
            Command::UpdatePrimaryRegion(op::update_primary_region::UpdatePrimaryRegion {
                key: id(KEY),
                region: id("us-east-1"),
            }),
        ),
        (
            "create-alias",
            Command::CreateAlias(op::create_alias::CreateAlias {
                alias: "alias/orders".into(),
                target: id(KEY_ID),
            }),
        ),
        (
            "update-alias",
            Command::UpdateAlias(op::update_alias::UpdateAlias {
                alias: "alias/orders".into(),
                target: id(KEY),
            }),
        ),
        (
            "delete-alias",
            Command::DeleteAlias(op::delete_alias::DeleteAlias {
                alias: "alias/orders".into(),
            }),
        ),
        (
            "tag-resource",
            Command::TagResource(op::tag_resource::TagResource {
                key: id(KEY),
                tags: vec![("b".into(), "2".into()), ("a".into(), "1".into())],
            }),
        ),
        (
            "untag-resource",
            Command::UntagResource(op::untag_resource::UntagResource {
                key: id(KEY),
                tag_keys: vec!["b".into(), "a".into()],
            }),
        ),
        (
            "create-grant",
            Command::CreateGrant(op::create_grant::CreateGrant {
                key: id("alias/orders"),
                grant_id: GrantId([0xcd; 32]),
                grantee: Some(ROLE.into()),
                grantee_service: Some("ec2.amazonaws.com".into()),
                retiring: Some(USER.into()),
                retiring_service: Some("rds.amazonaws.com".into()),
                operations: vec![GrantOperation::Encrypt, GrantOperation::Decrypt],
                context_equals: context(&[("tenant", "1")]),
                context_subset: context(&[("order", "2"), ("tenant", "1")]),
                source_arn: Some("arn:aws:s3:::111122223333:bucket".into()),
                name: Some("orders".into()),
                dry_run: DryRun::No,
                term: term(),
            }),
        ),
        (
            "retire-grant",
            Command::RetireGrant(op::retire_grant::RetireGrant {
                key: id(KEY),
                grant_id: "cd".repeat(32).into(),
                dry_run: DryRun::Yes,
            }),
        ),
        (
            "revoke-grant",
            Command::RevokeGrant(op::revoke_grant::RevokeGrant {
                key: id("arn:aws:kms:eu-central-1:111122223333:alias/orders"),
                grant_id: "cd".repeat(32).into(),
                dry_run: DryRun::No,
                descendants: Descendants::End,
            }),
        ),
        (
            "create-group",
            Command::CreateGroup(op::create_group::CreateGroup {
                arn: id(GROUP),
                unique_id: UniqueId::of_new_group(&[9; 16]),
            }),
        ),
        (
            "delete-group",
            Command::DeleteGroup(op::delete_group::DeleteGroup { arn: id(GROUP) }),
        ),
        (
            "add-user-to-group",
            Command::AddUserToGroup(op::add_user_to_group::AddUserToGroup {
                group: id(GROUP),
                user: id(USER),
            }),
        ),
        (
            "remove-user-from-group",
            Command::RemoveUserFromGroup(op::remove_user_from_group::RemoveUserFromGroup {
                group: id(GROUP),
                user: id(USER),
            }),
        ),
        (
            "put-group-policy",
            Command::PutGroupPolicy(op::put_group_policy::PutGroupPolicy {
                arn: id(GROUP),
                name: "decrypt".into(),
                policy: IDENTITY_POLICY.into(),
            }),
        ),
        (
            "delete-group-policy",
            Command::DeleteGroupPolicy(op::delete_group_policy::DeleteGroupPolicy {
                arn: id(GROUP),
                name: "decrypt".into(),
            }),
        ),
        (
            "put-boundary",
            Command::PutPrincipalPermissionsBoundary(
                op::put_principal_permissions_boundary::PutPrincipalPermissionsBoundary {
                    arn: id(ROLE),
                    policy: IDENTITY_POLICY.into(),
                },
            ),
        ),
        (
            "delete-boundary",
            Command::DeletePrincipalPermissionsBoundary(
                op::delete_principal_permissions_boundary::DeletePrincipalPermissionsBoundary {
                    arn: id(ROLE),
                },
            ),
        ),
        (
            "update-settings",
            Command::UpdateSettings(op::update_settings::UpdateSettings {
                profile: Some(Profile::Legacy2020),
                grants_per_key_max: Some(1_000),
                grants_per_principal_max: Some(0),
                constraint_key_case: None,
                regions: None,
            }),
        ),
        (
            "bootstrap-key-case",
            Command::Bootstrap(op::bootstrap::Bootstrap {
                incarnation: Incarnation([0xab; 16]),
                settings: settings_in_any_key_case(),
                sealed_epoch_secret: [1, 2, 3, 4].into(),
                hash_key: crate::domain::state::cow_map::HashKey([1; 16]),
                seal_check: crate::domain::state::token_epoch::SealCheck([2; 32]),
                semantics: crate::domain::state::semantics::Semantics::CURRENT,
            }),
        ),
        (
            "update-settings-key-case",
            Command::UpdateSettings(op::update_settings::UpdateSettings {
                profile: None,
                grants_per_key_max: Some(1_000),
                grants_per_principal_max: None,
                constraint_key_case: Some(ConstraintKeyCase::Insensitive),
                regions: Some("us-east-1, us-west-2".parse().unwrap()),
            }),
        ),
        (
            "create-organization",
            Command::CreateOrganization(op::create_organization::CreateOrganization {
                id: id("o-a1b2c3d4e5"),
                root: id("r-ab12cd34"),
                management: account(),
            }),
        ),
        (
            "delete-organization",
            Command::DeleteOrganization(op::delete_organization::DeleteOrganization {
                id: id("o-a1b2c3d4e5"),
            }),
        ),
        (
            "create-organizational-unit",
            Command::CreateOrganizationalUnit(
                op::create_organizational_unit::CreateOrganizationalUnit {
                    id: id(UNIT),
                    parent: id("r-ab12cd34"),
                    name: "Payments".into(),
                },
            ),
        ),
        (
            "delete-organizational-unit",
            Command::DeleteOrganizationalUnit(
                op::delete_organizational_unit::DeleteOrganizationalUnit { id: id(UNIT) },
            ),
        ),
        (
            "add-account",
            Command::AddAccount(op::add_account::AddAccount {
                account: account(),
                parent: id(UNIT),
            }),
        ),
        (
            "move-account",
            Command::MoveAccount(op::move_account::MoveAccount {
                account: account(),
                parent: id("r-ab12cd34"),
            }),
        ),
        (
            "remove-account",
            Command::RemoveAccount(op::remove_account::RemoveAccount { account: account() }),
        ),
        (
            "put-control-policy",
            Command::PutControlPolicy(op::put_control_policy::PutControlPolicy {
                node: id(UNIT),
                kind: ControlKind::Service,
                name: "only-kms".into(),
                policy: IDENTITY_POLICY.into(),
            }),
        ),
        (
            "delete-control-policy",
            Command::DeleteControlPolicy(op::delete_control_policy::DeleteControlPolicy {
                node: id("111122223333"),
                kind: ControlKind::Resource,
                name: "everyone".into(),
            }),
        ),
        (
            "put-vpc-endpoint",
            Command::PutVpcEndpoint(op::put_vpc_endpoint::PutVpcEndpoint {
                id: id("vpce-0a1b2c3d"),
                vpc: id("vpc-0a1b2c3d"),
                account: account(),
                policy: Some(ENDPOINT_POLICY.into()),
            }),
        ),
        (
            "delete-vpc-endpoint",
            Command::DeleteVpcEndpoint(op::delete_vpc_endpoint::DeleteVpcEndpoint {
                id: id("vpce-0a1b2c3d"),
            }),
        ),
        (
            "consume",
            Command::Consume(op::consume::Consume {
                key: id(KEY),
                operation: GrantOperation::Decrypt,
                encryption_context: context(&[("tenant", "1")]),
                grant_id: Some("cd".repeat(32).into()),
            }),
        ),
        (
            "expire-grants",
            Command::ExpireGrants(op::expire_grants::ExpireGrants {}),
        ),
        (
            "report-key-usage",
            Command::ReportKeyUsage(op::report_key_usage::ReportKeyUsage {
                uses: vec![(id(KEY), key_use())],
            }),
        ),
    ]
}

/// Every identity, with its name in the golden files.
pub(super) fn identities() -> Vec<(&'static str, Identity)> {
    let session_policy = || Some(policy(IDENTITY_POLICY, PolicyKind::Session));
    vec![
        ("operator", Identity::Operator),
        ("system", Identity::System),
        (
            "root",
            Identity::Root {
                account: account(),
                task_policy: None,
            },
        ),
        (
            "root-session",
            Identity::Root {
                account: account(),
                task_policy: session_policy(),
            },
        ),
        (
            "user",
            Identity::User {
                arn: id(USER),
                unique_id: user_id(),
            },
        ),
        (
            "role-session",
            Identity::RoleSession {
                arn: id(SESSION),
                role: id(ROLE),
                unique_id: role_id(),
                session_policy: session_policy(),
                session_tags: tags(),
            },
        ),
        (
            "federated-user",
            Identity::FederatedUser {
                arn: id("arn:aws:sts::111122223333:federated-user/bob"),
                federated_by: id(USER),
                unique_id: user_id(),
                session_policy: session_policy(),
                session_tags: tags(),
            },
        ),
        ("service", Identity::Service(id("ec2.amazonaws.com"))),
    ]
}

/// An entry of this caller and command, everything else filled.
pub(super) fn entry(identity: Identity, command: Command) -> Entry {
    let keys: [Arc<str>; 2] = ["aws".into(), "kms".into()];
    Entry {
        proposed_at: Timestamp::from_millis(1_795_313_425_123),
        semantics: Semantics::CURRENT,
        caller: Caller {
            identity,
            facts: RequestFacts {
                via_service: Some("s3.eu-central-1.amazonaws.com".into()),
                context: [
                    (
                        "aws:sourceip".into(),
                        ContextEntry::Single("192.0.2.7".into()),
                    ),
                    ("aws:tagkeys".into(), ContextEntry::Multi(keys.into())),
                ]
                .into(),
            },
        },
        scope: Scope {
            partition: Partition::Aws,
            region: id("eu-central-1"),
        },
        request_id: RequestId([0x0f; 16]),
        idempotency: Some(Idempotency {
            key: "retry-1".into(),
            birth: Revision(41),
            request_hash: [0x11; 32],
        }),
        command,
    }
}

/// A grant with all its options.
pub(super) fn grant() -> Grant {
    Grant {
        id: GrantId([0xcd; 32]),
        key: id(KEY),
        grantee: GrantPrincipal::Arn {
            arn: id(ROLE),
            unique_id: role_id(),
        },
        retiring: Some(GrantPrincipal::Service(id("rds.amazonaws.com"))),
        operations: [GrantOperation::Decrypt, GrantOperation::Decapsulate]
            .into_iter()
            .collect(),
        constraints: GrantConstraints {
            context: Some(ContextConstraint::Subset(context(&[("tenant", "1")]))),
            source_arn: Some(id("arn:aws:s3:eu-central-1:111122223333:bucket")),
            term: term(),
        },
        name: Some("orders".into()),
        issuing_account: account(),
        created_at: Timestamp::from_millis(1_795_313_425_123),
        born: Revision(42),
        spent: 2,
        ancestors: vec![GrantId([0xef; 32]), GrantId([0x01; 32])],
        epoch: 3,
    }
}

fn term() -> Term {
    Term {
        expires_at: Some(Timestamp::from_millis(1_795_400_000_000)),
        uses: Some(7),
    }
}

fn consumed() -> Consumed {
    Consumed {
        policy_type: "grant".into(),
        grant: Some(GrantId([0xcd; 32])),
        uses_left: Some(4),
    }
}

/// A multi-Region key with tags.
pub(super) fn key() -> Key {
    Key {
        arn: id(KEY),
        born: Revision(7),
        created_at: Timestamp::from_millis(1_795_313_000_000),
        description: "the key of the orders".into(),
        spec: KeySpec::SymmetricDefault,
        usage: KeyUsage::EncryptDecrypt,
        origin: KeyOrigin::AwsKms,
        state: KeyState::Enabled,
        multi_region: Some(MultiRegionKeyType::Primary),
        manager: KeyManager::Customer,
        tags: tags(),
        policy: policy(KEY_POLICY, PolicyKind::Key),
        bindings: Arc::new([(id(ROLE), role_id()), (id(USER), user_id())].into()),
        deletion: None,
        last_use: Some(key_use()),
        custom_key_store: Some(StoreKey {
            store: id(EXTERNAL_STORE),
            xks_key: Some(id("bb8562717f809024")),
        }),
    }
}

/// A key that is deleted, whose grants are being removed.
fn dying_key() -> Key {
    Key {
        arn: id("arn:aws:kms:eu-central-1:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321"),
        state: KeyState::PendingDeletion,
        multi_region: None,
        deletion: Some(Deletion {
            window_days: 7,
            due: Some(Timestamp::from_millis(1_795_313_000_000)),
            was: KeyState::Disabled,
        }),
        ..key()
    }
}

/// A backend of each kind, there and gone, with every fault.
fn backends() -> Vec<Backend> {
    let at = || crate::domain::ids::ProxyAddress {
        endpoint: id("https://xks.example.com"),
        path: id("/kms/xks/v1"),
    };
    let why = || Arc::<str>::from("why");
    let proxy = |health| Backend::Proxy {
        at: at(),
        known: Some(ProxyFacts {
            access_keys: [id(ACCESS_KEY)].into(),
            health,
        }),
    };
    vec![
        Backend::Cluster {
            id: id(CLUSTER),
            known: Some(ClusterFacts {
                active: true,
                active_zones: 2,
                trust_anchor: Some("-----BEGIN CERTIFICATE-----".into()),
                related: [id("cluster-abcdefghijk")].into(),
                fault: Some(why()),
            }),
        },
        Backend::Cluster {
            id: id("cluster-abcdefghijk"),
            known: None,
        },
        proxy(ProxyHealth::Sound),
        proxy(ProxyHealth::Unreachable(why())),
        proxy(ProxyHealth::InvalidResponse(why())),
        proxy(ProxyHealth::InvalidConfiguration(why())),
        Backend::VpcService {
            name: id(VPC_SERVICE),
            known: Some(Soundness { fault: Some(why()) }),
        },
        Backend::ExternalKey {
            at: at(),
            id: id("key-1"),
            known: Some(Soundness { fault: None }),
        },
    ]
}

/// Those of [`backends`] that a state holds together: of the proxy, as it was told of last.
fn told_backends() -> Vec<Fact> {
    let mut told = backends();
    told.sort_by_key(Backend::name);
    told.reverse();
    told.dedup_by_key(|backend| backend.name());
    told.reverse();
    let fact = |backend| {
        Fact::KeyStoreBackend(Arc::new(KeyStoreBackend {
            account: account(),
            partition: Partition::Aws,
            region: id("eu-central-1"),
            backend,
            told_at: Timestamp::from_millis(1_795_312_600_000),
        }))
    };
    told.into_iter().map(fact).collect()
}

/// A store of each type, with all their options.
pub(super) fn key_stores() -> [CustomKeyStore; 2] {
    let store = |text: &str, name: &str, connection, backing| CustomKeyStore {
        id: id(text),
        account: account(),
        partition: Partition::Aws,
        region: id("eu-central-1"),
        name: name.into(),
        created_at: Timestamp::from_millis(1_795_312_500_000),
        born: Revision(6),
        connection,
        attempt: Revision(6),
        backing,
    };
    [
        store(
            STORE,
            "hsm",
            Connection::Failed(ConnectionErrorCode::UserLockedOut),
            Backing::CloudHsm {
                cluster: id(CLUSTER),
                trust_anchor: "-----BEGIN CERTIFICATE-----".into(),
                sealed_password: [1, 2, 3].into(),
            },
        ),
        store(
            EXTERNAL_STORE,
            "external",
            Connection::Connected,
            Backing::External(XksProxy {
                route: XksRoute::Vpc {
                    service: id(VPC_SERVICE),
                    owner: account(),
                },
                endpoint: id("https://xks.example.com"),
                path: id("/kms/xks/v1"),
                access_key_id: id(ACCESS_KEY),
                sealed_secret: [4, 5].into(),
            }),
        ),
    ]
}

/// A role with a tag and a policy.
pub(super) fn principal() -> Principal {
    Principal {
        arn: id(ROLE),
        unique_id: role_id(),
        kind: PrincipalType::Role,
        created_at: Timestamp::from_millis(1_795_312_000_000),
        born: Revision(5),
        service: Some(id("autoscaling.amazonaws.com")),
        tags: tags(),
        policies: [(
            "decrypt".into(),
            policy(IDENTITY_POLICY, PolicyKind::Identity),
        )]
        .into(),
        boundary: Some(policy(IDENTITY_POLICY, PolicyKind::Boundary)),
        groups: [id(GROUP)].into(),
    }
}

/// A group with a policy.
pub(super) fn group() -> Group {
    Group {
        arn: id(GROUP),
        unique_id: UniqueId::of_new_group(&[9; 16]),
        created_at: Timestamp::from_millis(1_795_311_500_000),
        born: Revision(4),
        policies: [(
            "decrypt".into(),
            policy(IDENTITY_POLICY, PolicyKind::Identity),
        )]
        .into(),
    }
}

/// An organization of one account.
pub(super) fn organization() -> Organization {
    Organization {
        id: id("o-a1b2c3d4e5"),
        management: account(),
        root: id("r-ab12cd34"),
        created_at: Timestamp::from_millis(1_795_311_200_000),
        born: Revision(3),
    }
}

/// The root of [`organization`], with a policy of each kind.
pub(super) fn root_node() -> Node {
    Node {
        id: id("r-ab12cd34"),
        organization: id("o-a1b2c3d4e5"),
        parent: None,
        name: "Root".into(),
        created_at: Timestamp::from_millis(1_795_311_200_000),
        born: Revision(3),
        service_control: vec![(
            "only-kms".into(),
            policy(IDENTITY_POLICY, PolicyKind::ServiceControl),
        )],
        resource_control: vec![(
            "everyone".into(),
            policy(RESOURCE_CONTROL, PolicyKind::ResourceControl),
        )],
    }
}

fn account_node() -> Node {
    Node {
        id: id("111122223333"),
        parent: Some(id("r-ab12cd34")),
        name: "".into(),
        service_control: Vec::new(),
        resource_control: Vec::new(),
        ..root_node()
    }
}

/// A VPC endpoint with a policy.
pub(super) fn endpoint() -> VpcEndpoint {
    VpcEndpoint {
        id: id("vpce-0a1b2c3d"),
        vpc: id("vpc-0a1b2c3d"),
        account: account(),
        policy: Some(policy(ENDPOINT_POLICY, PolicyKind::VpcEndpoint)),
        created_at: Timestamp::from_millis(1_795_311_300_000),
        born: Revision(3),
    }
}

/// An account.
pub(super) fn account_fact() -> Account {
    Account {
        id: account(),
        name: "Example".into(),
        created_at: Timestamp::from_millis(1_795_311_000_000),
        born: Revision(2),
    }
}

/// Every output, and rejections, with their names in the golden files.
pub(super) fn outcomes() -> Vec<(&'static str, Result<Output, Rejection>)> {
    let created = |grant| CreatedGrant {
        grant,
        id: GrantId([0xcd; 32]),
        depends_on: Revision(7),
        epoch: Some(Arc::new(TokenEpoch {
            number: 3,
            sealed_secret: [5, 6, 7].into(),
            born: Revision(40),
            mints: Some(Revision(41)),
            ended: None,
            revoked: None,
        })),
    };
    vec![
        ("token-epoch", Ok(Output::TokenEpoch(3))),
        ("done", Ok(Output::Done)),
        ("account", Ok(Output::Account(account_fact()))),
        ("principal", Ok(Output::Principal(principal()))),
        ("group", Ok(Output::Group(group()))),
        ("organization", Ok(Output::Organization(organization()))),
        ("node", Ok(Output::Node(root_node()))),
        (
            "key",
            Ok(Output::Key(KeyDescription {
                key: key(),
                related: Some(RelatedKeys {
                    primary: Some(id(KEY)),
                    replicas: vec![id(
                        "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
                    )],
                }),
                cloud_hsm_cluster: Some(id(CLUSTER)),
            })),
        ),
        ("key-store", Ok(Output::KeyStore(id(STORE)))),
        ("grant", Ok(Output::Grant(created(Some(grant()))))),
        ("grant-gone", Ok(Output::Grant(created(None)))),
        ("consumed", Ok(Output::Consumed(consumed()))),
        (
            "rejection",
            Err(Rejection {
                code: ErrorCode::NotFound,
                message: "Alias arn:aws:kms:eu-central-1:111122223333:alias/x is not found.".into(),
                decision: None,
                help: Some("look among the aliases of the account".into()),
            }),
        ),
    ]
}

/// Every kind of fact, in canonical order, each with all its options; together they make a state.
pub(super) fn facts() -> Vec<Fact> {
    let epoch = |number, sealed_secret: &[u8], revoked: Option<Revision>| {
        Fact::TokenEpoch(Arc::new(TokenEpoch {
            number,
            sealed_secret: sealed_secret.into(),
            born: Revision(u64::from(number)),
            mints: Some(Revision(u64::from(number) + 1)),
            ended: revoked.map(|Revision(at)| Revision(at - 1)),
            revoked,
        }))
    };
    let record = |at, effect| {
        Fact::Idempotency(Arc::new(IdempotencyRecord {
            key: IdempotencyKey {
                caller: USER.into(),
                key: format!("retry-{at}").into(),
            },
            payer: Payer {
                account: Some(account()),
                principal: "AIDAABAEAQCAIBAEAQCAI".into(),
            },
            request_hash: [0x11; 32],
            horizon: match &effect {
                Effect::Consumed(_) => Horizon::Use,
                _ => Horizon::Change,
            },
            at: Revision(at),
            time: Timestamp::from_millis(1_795_313_000_000 + at),
            effect,
        }))
    };
    let [hsm, external] = key_stores();
    let backends = told_backends();
    let before = vec![
        Fact::Member(crate::domain::state::semantics::Member {
            node: 1,
            newest: Semantics::CURRENT,
        }),
        epoch(1, &[], Some(Revision(2))),
        epoch(2, &[1, 2, 3], None),
        Fact::Account(Arc::new(account_fact())),
        Fact::Organization(Arc::new(organization())),
        Fact::Node(Arc::new(root_node())),
        Fact::Node(Arc::new(account_node())),
        Fact::VpcEndpoint(Arc::new(endpoint())),
        Fact::Group(Arc::new(group())),
        Fact::Principal(Arc::new(principal())),
        Fact::KeyStore(Arc::new(hsm)),
        Fact::KeyStore(Arc::new(external)),
    ];
    let after = vec![
        Fact::Key(Arc::new(key())),
        Fact::DyingKey(Arc::new(dying_key())),
        Fact::Alias(Arc::new(Alias {
            arn: id("arn:aws:kms:eu-central-1:111122223333:alias/orders"),
            target: id(KEY),
            created_at: Timestamp::from_millis(1_795_313_100_000),
            updated_at: Timestamp::from_millis(1_795_313_200_000),
        })),
        Fact::Grant(Arc::new(grant())),
        record(40, Effect::Done),
        record(41, Effect::Account(Arc::new(account_fact()))),
        record(42, Effect::Principal(Arc::new(principal()))),
        record(43, Effect::Key(Arc::new(key()))),
        record(
            44,
            Effect::Grant {
                id: GrantId([0xcd; 32]),
                depends_on: Revision(7),
            },
        ),
        record(45, Effect::Group(Arc::new(group()))),
        record(46, Effect::Organization(Arc::new(organization()))),
        record(47, Effect::Node(Arc::new(root_node()))),
        record(48, Effect::KeyStore(id(STORE))),
        record(
            49,
            Effect::Refused {
                code: ErrorCode::AccessDenied,
                message: "not authorized".into(),
            },
        ),
        record(50, Effect::TokenEpoch(3)),
        record(60, Effect::Consumed(consumed())),
    ];
    before.into_iter().chain(backends).chain(after).collect()
}

/// The state of [`facts`].
pub(super) fn state() -> State {
    state_with(settings())
}

/// The same, with settings that need the second version of a snapshot's head.
pub(super) fn state_in_any_key_case() -> State {
    state_with(settings_in_any_key_case())
}

fn state_with(settings: Settings) -> State {
    let header = Header {
        incarnation: Incarnation([0xab; 16]),
        revision: Revision(99),
        clock: Timestamp::from_millis(1_795_313_425_123),
        settings,
        forgotten: Forgotten {
            changes: Revision(38),
            uses: Revision(57),
        },
        hash_key: crate::domain::state::cow_map::HashKey([0x21; 16]),
        seal_check: crate::domain::state::token_epoch::SealCheck([0x22; 32]),
        semantics: Semantics::CURRENT,
        closed: Some(crate::domain::state::fact::Gap {
            after: Revision(17),
            since: Timestamp::from_millis(1_795_313_000_000),
            was: Incarnation([0xaa; 16]),
        }),
    };
    State::import(header, facts()).unwrap()
}
