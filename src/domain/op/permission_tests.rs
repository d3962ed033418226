//! What each operation really asks for, held against the table: a row that says another action would mislead metrics,
//! audit, documentation and every other test that reads it.
//!
//! One sample of every operation is run by somebody who may nothing. Each action that is denied is then allowed, and no
//! other, until nothing is denied any more: what was asked on the way, in its order, is `tests/golden/permissions.txt`.

use std::fmt::Write as _;

use super::key_store_tests::{Report, external, hsm, id};
use super::table::{Access, Asks, On, Operation};
use super::testing::{
    ADMIN, ALLOW_ALL, APP, BOB, CAROL, Cluster, MANAGEMENT, ORGANIZATION, OTHER, OWNER, Refused,
    arn, create_grant, create_key, golden, group, key, key_arn, unique_id,
};
use super::{Command, LockoutCheck, Page, Query, Semantics};
use crate::domain::authz::claim::Question;
use crate::domain::ids::{GrantId, UniqueId};
use crate::domain::op as ops;
use crate::domain::policy::KmsAction;
use crate::domain::state::grant::GrantOperation;
use crate::domain::state::key_usage::{KeyUse, UsageOperation};
use crate::domain::state::organization::ControlKind;
use crate::domain::state::principal::PrincipalType;
use crate::domain::state::settings::Settings;
use crate::domain::time::{Incarnation, Revision};

/// A user of the management account, who may nothing either.
const CLERK: &str = "arn:aws:iam::777788889999:user/clerk";
const SPARE_USER: &str = "arn:aws:iam::111122223333:user/spare";
const SPARE_ROLE: &str = "arn:aws:iam::111122223333:role/spare";
const NEW_USER: &str = "arn:aws:iam::111122223333:user/new";
const NEW_ROLE: &str = "arn:aws:iam::111122223333:role/new";
const AWAY: &str = "us-east-1";

#[allow(clippy::large_enum_variant)]
enum Sample {
    Do(Command),
    Ask(Query),
}

impl Sample {
    fn run(&self, cluster: &Cluster, who: &str) -> Result<(), Refused> {
        match self {
            Self::Do(command) => cluster.copy().run(who, command.clone()).map(drop),
            Self::Ask(query) => cluster.ask(who, query.clone()).map(drop),
        }
    }
}

/// Everything that the samples are done to.
fn world() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.organize(OWNER);
    cluster.make_unit("ou-root-1", "r-root");
    cluster.make_unit("ou-root-2", "r-root");
    for principal in [CLERK, SPARE_USER, SPARE_ROLE] {
        cluster.make_principal(principal, 0);
    }
    cluster.make_group("staff", &[CAROL]);
    cluster.make_group("empty", &[]);
    for n in [3, 4] {
        cluster.done(ADMIN, Command::CreateKey(create_key(n)));
    }
    let mut primary = create_key(2);
    primary.key_id = "mrk-00000000000000000000000000000002".parse().unwrap();
    primary.multi_region = ops::create_key::MultiRegion::Primary;
    cluster.done(ADMIN, Command::CreateKey(primary));
    cluster.done(ADMIN, replicate("ap-south-1"));
    let schedule = ops::schedule_key_deletion::ScheduleKeyDeletion {
        key: key(4),
        window_days: None,
    };
    cluster.done(ADMIN, Command::ScheduleKeyDeletion(schedule));
    let alias = ops::create_alias::CreateAlias {
        alias: "alias/a".into(),
        target: key(1),
    };
    cluster.done(ADMIN, Command::CreateAlias(alias));
    cluster.done(ADMIN, Command::CreateGrant(create_grant(1, CAROL)));
    let endpoint = ops::put_vpc_endpoint::PutVpcEndpoint {
        id: "vpce-1".parse().unwrap(),
        vpc: "vpc-1".parse().unwrap(),
        account: OWNER.parse().unwrap(),
        policy: None,
    };
    cluster.done("operator", Command::PutVpcEndpoint(endpoint));
    for n in [1, 3] {
        cluster.done(ADMIN, Command::CreateCustomKeyStore(external(n)));
    }
    let connect = ops::connect_custom_key_store::ConnectCustomKeyStore { id: id(3) };
    cluster.done(ADMIN, Command::ConnectCustomKeyStore(connect));
    let report = ops::report_custom_key_store::ReportCustomKeyStore {
        id: id(3),
        attempt: None,
        report: Report::Connected,
    };
    cluster.done("operator", Command::ReportCustomKeyStore(report));
    for who in [BOB, APP] {
        cluster.put_policy(who, &allowing(&[]));
        let boundary = ops::put_principal_permissions_boundary::PutPrincipalPermissionsBoundary {
            arn: arn(who),
            policy: ALLOW_ALL.into(),
        };
        let root = format!("arn:aws:iam::{OWNER}:root");
        cluster.done(&root, Command::PutPrincipalPermissionsBoundary(boundary));
    }
    let put = ops::put_group_policy::PutGroupPolicy {
        arn: group("staff"),
        name: "test".into(),
        policy: ALLOW_ALL.into(),
    };
    cluster.done(ADMIN, Command::PutGroupPolicy(put));
    cluster
}

fn replicate(region: &str) -> Command {
    Command::ReplicateKey(ops::replicate_key::ReplicateKey {
        key: primary(),
        region: region.parse().unwrap(),
        policy: None,
        lockout_check: LockoutCheck::Bypass,
        description: "".into(),
        tags: Default::default(),
    })
}

fn primary() -> crate::domain::ids::KeyRef {
    "mrk-00000000000000000000000000000002".parse().unwrap()
}

/// An identity policy that allows these actions and no more.
fn allowing(actions: &[String]) -> String {
    let mut list: Vec<&str> = vec!["none:None"];
    list.extend(actions.iter().map(String::as_str));
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":["{}"],"Resource":"*"}}]}}"#,
        list.join(r#"",""#)
    )
}

/// A request that its operation does if only it is allowed, on what [`world`] has; to a user or to a role where there
/// are both.
fn sample(operation: Operation, kind: PrincipalType) -> Sample {
    use Operation as O;
    use Sample::{Ask, Do};
    let page = Page::default;
    let whom = arn(match kind {
        PrincipalType::User => BOB,
        PrincipalType::Role => APP,
    });
    let account = OWNER.parse().unwrap();
    let root = || "r-root".parse().unwrap();
    let (scp, name) = (ControlKind::Service, "FullAWSAccess");
    let question = || Question {
        subject: None,
        action: "kms:Decrypt".into(),
        key: Some(key(1)),
        encryption_context: Default::default(),
        grant_tokens: Vec::new(),
        facts: Default::default(),
        dry_run: false,
        random_source: None,
        members: Default::default(),
    };
    let grant_id = || GrantId([1; 32]).to_string().into();
    match operation {
        O::Bootstrap => Do(Command::Bootstrap(ops::bootstrap::Bootstrap {
            incarnation: Incarnation([7; 16]),
            settings: Settings::default(),
            sealed_epoch_secret: [1].into(),
            hash_key: crate::domain::state::cow_map::HashKey([1; 16]),
            seal_check: crate::domain::state::token_epoch::SealCheck([2; 32]),
            semantics: crate::domain::state::semantics::Semantics::CURRENT,
        })),
        O::RotateTokenEpoch => Do(Command::RotateTokenEpoch(
            ops::rotate_token_epoch::RotateTokenEpoch {
                sealed_epoch_secret: [1].into(),
            },
        )),
        O::ReportSemantics => Do(Command::ReportSemantics(
            ops::report_semantics::ReportSemantics {
                node: 1,
                newest: Semantics::CURRENT,
            },
        )),
        O::RaiseSemantics => Do(Command::RaiseSemantics(
            ops::raise_semantics::RaiseSemantics { to: Semantics(2) },
        )),
        O::OpenCluster => Do(Command::OpenCluster(ops::open_cluster::OpenCluster {
            after: Revision(1),
        })),
        O::StartTokenEpoch => Do(Command::StartTokenEpoch(
            ops::start_token_epoch::StartTokenEpoch { number: 2 },
        )),
        O::RevokeTokenEpoch => Do(Command::RevokeTokenEpoch(
            ops::revoke_token_epoch::RevokeTokenEpoch { number: 1 },
        )),
        O::CreateAccount => Do(Command::CreateAccount(ops::create_account::CreateAccount {
            account: "999999999999".parse().unwrap(),
            name: "".into(),
        })),
        O::UpdateSettings => Do(Command::UpdateSettings(
            ops::update_settings::UpdateSettings {
                profile: None,
                grants_per_key_max: Some(7),
                grants_per_principal_max: None,
                constraint_key_case: None,
                regions: None,
            },
        )),
        O::CreateOrganization => Do(Command::CreateOrganization(
            ops::create_organization::CreateOrganization {
                id: "o-second".parse().unwrap(),
                root: "r-second".parse().unwrap(),
                management: OTHER.parse().unwrap(),
            },
        )),
        O::DeleteOrganization => Do(Command::DeleteOrganization(
            ops::delete_organization::DeleteOrganization {
                id: ORGANIZATION.parse().unwrap(),
            },
        )),
        O::AddAccount => Do(Command::AddAccount(ops::add_account::AddAccount {
            account: OTHER.parse().unwrap(),
            parent: root(),
        })),
        O::MoveAccount => Do(Command::MoveAccount(ops::move_account::MoveAccount {
            account,
            parent: "ou-root-1".parse().unwrap(),
        })),
        O::RemoveAccount => Do(Command::RemoveAccount(ops::remove_account::RemoveAccount {
            account,
        })),
        O::CreateOrganizationalUnit => Do(Command::CreateOrganizationalUnit(
            ops::create_organizational_unit::CreateOrganizationalUnit {
                id: "ou-root-3".parse().unwrap(),
                parent: root(),
                name: "three".into(),
            },
        )),
        O::DeleteOrganizationalUnit => Do(Command::DeleteOrganizationalUnit(
            ops::delete_organizational_unit::DeleteOrganizationalUnit {
                id: "ou-root-2".parse().unwrap(),
            },
        )),
        O::PutControlPolicy => Do(Command::PutControlPolicy(
            ops::put_control_policy::PutControlPolicy {
                node: root(),
                kind: scp,
                name: "p".into(),
                policy: ALLOW_ALL.into(),
            },
        )),
        O::DeleteControlPolicy => Do(Command::DeleteControlPolicy(
            ops::delete_control_policy::DeleteControlPolicy {
                node: "ou-root-1".parse().unwrap(),
                kind: scp,
                name: "spare".into(),
            },
        )),
        O::PutVpcEndpoint => Do(Command::PutVpcEndpoint(
            ops::put_vpc_endpoint::PutVpcEndpoint {
                id: "vpce-2".parse().unwrap(),
                vpc: "vpc-1".parse().unwrap(),
                account,
                policy: None,
            },
        )),
        O::DeleteVpcEndpoint => Do(Command::DeleteVpcEndpoint(
            ops::delete_vpc_endpoint::DeleteVpcEndpoint {
                id: "vpce-1".parse().unwrap(),
            },
        )),
        O::CreateGroup => Do(Command::CreateGroup(ops::create_group::CreateGroup {
            arn: group("new"),
            unique_id: UniqueId::of_new_group(&[1; 16]),
        })),
        O::DeleteGroup => Do(Command::DeleteGroup(ops::delete_group::DeleteGroup {
            arn: group("empty"),
        })),
        O::AddUserToGroup => Do(Command::AddUserToGroup(
            ops::add_user_to_group::AddUserToGroup {
                group: group("empty"),
                user: arn(CAROL),
            },
        )),
        O::RemoveUserFromGroup => Do(Command::RemoveUserFromGroup(
            ops::remove_user_from_group::RemoveUserFromGroup {
                group: group("staff"),
                user: arn(CAROL),
            },
        )),
        O::PutGroupPolicy => Do(Command::PutGroupPolicy(
            ops::put_group_policy::PutGroupPolicy {
                arn: group("empty"),
                name: "p".into(),
                policy: ALLOW_ALL.into(),
            },
        )),
        O::DeleteGroupPolicy => Do(Command::DeleteGroupPolicy(
            ops::delete_group_policy::DeleteGroupPolicy {
                arn: group("staff"),
                name: "test".into(),
            },
        )),
        O::CreatePrincipal => {
            let new = arn(match kind {
                PrincipalType::User => NEW_USER,
                PrincipalType::Role => NEW_ROLE,
            });
            Do(Command::CreatePrincipal(
                ops::create_principal::CreatePrincipal {
                    unique_id: unique_id(&new, 0),
                    arn: new,
                    tags: Default::default(),
                },
            ))
        }
        O::DeletePrincipal => Do(Command::DeletePrincipal(
            ops::delete_principal::DeletePrincipal {
                arn: arn(match kind {
                    PrincipalType::User => SPARE_USER,
                    PrincipalType::Role => SPARE_ROLE,
                }),
            },
        )),
        O::TagPrincipal => Do(Command::TagPrincipal(ops::tag_principal::TagPrincipal {
            arn: whom,
            tags: [("a".into(), "b".into())].into(),
        })),
        O::UntagPrincipal => Do(Command::UntagPrincipal(
            ops::untag_principal::UntagPrincipal {
                arn: whom,
                tag_keys: ["a".into()].into(),
            },
        )),
        O::PutPrincipalPolicy => Do(Command::PutPrincipalPolicy(
            ops::put_principal_policy::PutPrincipalPolicy {
                arn: whom,
                name: "p".into(),
                policy: ALLOW_ALL.into(),
            },
        )),
        O::DeletePrincipalPolicy => Do(Command::DeletePrincipalPolicy(
            ops::delete_principal_policy::DeletePrincipalPolicy {
                arn: whom,
                name: "test".into(),
            },
        )),
        O::PutPrincipalPermissionsBoundary => Do(Command::PutPrincipalPermissionsBoundary(
            ops::put_principal_permissions_boundary::PutPrincipalPermissionsBoundary {
                arn: whom,
                policy: ALLOW_ALL.into(),
            },
        )),
        O::DeletePrincipalPermissionsBoundary => Do(Command::DeletePrincipalPermissionsBoundary(
            ops::delete_principal_permissions_boundary::DeletePrincipalPermissionsBoundary {
                arn: whom,
            },
        )),
        // Without the lockout check, which would ask for kms:PutKeyPolicy too (P-7).
        O::CreateKey => Do(Command::CreateKey(ops::create_key::CreateKey {
            lockout_check: LockoutCheck::Bypass,
            ..create_key(9)
        })),
        O::CreateCustomKeyStore => Do(Command::CreateCustomKeyStore(hsm(2))),
        O::UpdateCustomKeyStore => Do(Command::UpdateCustomKeyStore(
            ops::update_custom_key_store::UpdateCustomKeyStore {
                id: id(1),
                new_name: Some("new".into()),
                cluster: None,
                credential: None,
                proxy: Default::default(),
            },
        )),
        O::ConnectCustomKeyStore => Do(Command::ConnectCustomKeyStore(
            ops::connect_custom_key_store::ConnectCustomKeyStore { id: id(1) },
        )),
        O::DisconnectCustomKeyStore => Do(Command::DisconnectCustomKeyStore(
            ops::disconnect_custom_key_store::DisconnectCustomKeyStore { id: id(3) },
        )),
        O::DeleteCustomKeyStore => Do(Command::DeleteCustomKeyStore(
            ops::delete_custom_key_store::DeleteCustomKeyStore { id: id(1) },
        )),
        O::ReportCustomKeyStore => Do(Command::ReportCustomKeyStore(
            ops::report_custom_key_store::ReportCustomKeyStore {
                id: id(3),
                attempt: Some(Revision(0)),
                report: Report::Connected,
            },
        )),
        O::ReportKeyStoreBackends => Do(Command::ReportKeyStoreBackends(
            ops::report_key_store_backends::ReportKeyStoreBackends {
                account,
                backends: Vec::new(),
                forgotten: Vec::new(),
            },
        )),
        O::PutKeyPolicy => Do(Command::PutKeyPolicy(ops::put_key_policy::PutKeyPolicy {
            key: key(1),
            policy_name: None,
            policy: ops::policies::default_text(&arn(&format!("arn:aws:iam::{OWNER}:root"))),
            lockout_check: LockoutCheck::Unset,
        })),
        O::EnableKey => Do(Command::EnableKey(ops::enable_key::EnableKey {
            key: key(1),
        })),
        O::DisableKey => Do(Command::DisableKey(ops::disable_key::DisableKey {
            key: key(1),
        })),
        O::UpdateKeyDescription => Do(Command::UpdateKeyDescription(
            ops::update_key_description::UpdateKeyDescription {
                key: key(1),
                description: "d".into(),
            },
        )),
        O::ScheduleKeyDeletion => Do(Command::ScheduleKeyDeletion(
            ops::schedule_key_deletion::ScheduleKeyDeletion {
                key: key(1),
                window_days: None,
            },
        )),
        O::CancelKeyDeletion => Do(Command::CancelKeyDeletion(
            ops::cancel_key_deletion::CancelKeyDeletion { key: key(4) },
        )),
        O::FinishKeyDeletion => Do(Command::FinishKeyDeletion(
            ops::finish_key_deletion::FinishKeyDeletion { key: key_arn(4) },
        )),
        O::ReplicateKey => Do(replicate(AWAY)),
        O::UpdatePrimaryRegion => Do(Command::UpdatePrimaryRegion(
            ops::update_primary_region::UpdatePrimaryRegion {
                key: primary(),
                region: "ap-south-1".parse().unwrap(),
            },
        )),
        O::CreateAlias => Do(Command::CreateAlias(ops::create_alias::CreateAlias {
            alias: "alias/b".into(),
            target: key(1),
        })),
        O::UpdateAlias => Do(Command::UpdateAlias(ops::update_alias::UpdateAlias {
            alias: "alias/a".into(),
            target: key(3),
        })),
        O::DeleteAlias => Do(Command::DeleteAlias(ops::delete_alias::DeleteAlias {
            alias: "alias/a".into(),
        })),
        O::TagResource => Do(Command::TagResource(ops::tag_resource::TagResource {
            key: key(1),
            tags: vec![("a".into(), "b".into())],
        })),
        O::UntagResource => Do(Command::UntagResource(ops::untag_resource::UntagResource {
            key: key(1),
            tag_keys: vec!["a".into()],
        })),
        O::CreateGrant => Do(Command::CreateGrant(create_grant(2, CAROL))),
        O::RetireGrant => Do(Command::RetireGrant(ops::retire_grant::RetireGrant {
            key: key(1),
            grant_id: grant_id(),
            dry_run: Default::default(),
        })),
        O::RevokeGrant => Do(Command::RevokeGrant(ops::revoke_grant::RevokeGrant {
            key: key(1),
            grant_id: grant_id(),
            dry_run: Default::default(),
            descendants: Default::default(),
        })),
        O::Consume => Do(Command::Consume(ops::consume::Consume {
            key: key(1),
            operation: GrantOperation::Decrypt,
            encryption_context: Default::default(),
            grant_id: None,
        })),
        O::ExpireGrants => Do(Command::ExpireGrants(ops::expire_grants::ExpireGrants {})),
        O::ReportKeyUsage => Do(Command::ReportKeyUsage(
            ops::report_key_usage::ReportKeyUsage {
                uses: vec![(
                    key_arn(1),
                    KeyUse {
                        operation: UsageOperation::Sign,
                        at: Default::default(),
                        request_id: None,
                    },
                )],
            },
        )),
        O::ListAccounts => Ask(Query::ListAccounts(ops::list_accounts::ListAccounts {
            page: page(),
        })),
        O::GetSettings => Ask(Query::GetSettings(ops::get_settings::GetSettings)),
        O::ListOrganizations => Ask(Query::ListOrganizations(
            ops::list_organizations::ListOrganizations { page: page() },
        )),
        O::ListNodes => Ask(Query::ListNodes(ops::list_nodes::ListNodes {
            parent: root(),
            page: page(),
        })),
        O::GetControlPolicy => Ask(Query::GetControlPolicy(
            ops::get_control_policy::GetControlPolicy {
                node: root(),
                kind: scp,
                name: name.into(),
            },
        )),
        O::ListControlPolicies => Ask(Query::ListControlPolicies(
            ops::list_control_policies::ListControlPolicies {
                node: root(),
                kind: scp,
                page: page(),
            },
        )),
        O::GetVpcEndpoint => Ask(Query::GetVpcEndpoint(
            ops::get_vpc_endpoint::GetVpcEndpoint {
                id: "vpce-1".parse().unwrap(),
            },
        )),
        O::ListVpcEndpoints => Ask(Query::ListVpcEndpoints(
            ops::list_vpc_endpoints::ListVpcEndpoints { page: page() },
        )),
        O::GetGroup => Ask(Query::GetGroup(ops::get_group::GetGroup {
            arn: group("staff"),
            page: page(),
        })),
        O::ListGroups => Ask(Query::ListGroups(ops::list_groups::ListGroups {
            page: page(),
        })),
        O::ListGroupsForUser => Ask(Query::ListGroupsForUser(
            ops::list_groups_for_user::ListGroupsForUser {
                user: arn(CAROL),
                page: page(),
            },
        )),
        O::GetGroupPolicy => Ask(Query::GetGroupPolicy(
            ops::get_group_policy::GetGroupPolicy {
                arn: group("staff"),
                name: "test".into(),
            },
        )),
        O::ListGroupPolicies => Ask(Query::ListGroupPolicies(
            ops::list_group_policies::ListGroupPolicies {
                arn: group("staff"),
                page: page(),
            },
        )),
        O::GetPrincipal => Ask(Query::GetPrincipal(ops::get_principal::GetPrincipal {
            arn: whom,
        })),
        O::ListPrincipals => Ask(Query::ListPrincipals(
            ops::list_principals::ListPrincipals { kind, page: page() },
        )),
        O::GetPrincipalPolicy => Ask(Query::GetPrincipalPolicy(
            ops::get_principal_policy::GetPrincipalPolicy {
                arn: whom,
                name: "test".into(),
            },
        )),
        O::ListPrincipalPolicies => Ask(Query::ListPrincipalPolicies(
            ops::list_principal_policies::ListPrincipalPolicies {
                arn: whom,
                page: page(),
            },
        )),
        O::DescribeCustomKeyStores => Ask(Query::DescribeCustomKeyStores(
            ops::describe_custom_key_stores::DescribeCustomKeyStores {
                id: None,
                name: None,
                page: page(),
            },
        )),
        O::ListKeyStoreBackends => Ask(Query::ListKeyStoreBackends(
            ops::list_key_store_backends::ListKeyStoreBackends {
                account,
                page: page(),
            },
        )),
        O::ListKeyStoreWork => Ask(Query::ListKeyStoreWork(
            ops::list_key_store_work::ListKeyStoreWork { page: page() },
        )),
        O::DescribeKey => Ask(Query::DescribeKey(ops::describe_key::DescribeKey {
            key: key(1),
        })),
        O::GetKeyLastUsage => Ask(Query::GetKeyLastUsage(
            ops::get_key_last_usage::GetKeyLastUsage { key: key(1) },
        )),
        O::GetKeyPolicy => Ask(Query::GetKeyPolicy(ops::get_key_policy::GetKeyPolicy {
            key: key(1),
            policy_name: None,
        })),
        O::ListKeyPolicies => Ask(Query::ListKeyPolicies(
            ops::list_key_policies::ListKeyPolicies {
                key: key(1),
                page: page(),
            },
        )),
        O::ListKeys => Ask(Query::ListKeys(ops::list_keys::ListKeys {
            page: page(),
            owners: Vec::new(),
        })),
        O::ListAliases => Ask(Query::ListAliases(ops::list_aliases::ListAliases {
            key: None,
            page: page(),
        })),
        O::ListResourceTags => Ask(Query::ListResourceTags(
            ops::list_resource_tags::ListResourceTags {
                key: key(1),
                page: page(),
            },
        )),
        O::ListGrants => Ask(Query::ListGrants(ops::list_grants::ListGrants {
            key: key(1),
            grant_id: None,
            grantee: None,
            grantee_service: None,
            page: page(),
        })),
        O::ListRetirableGrants => Ask(Query::ListRetirableGrants(
            ops::list_retirable_grants::ListRetirableGrants {
                retiring: Some(CAROL.into()),
                retiring_service: None,
                page: page(),
            },
        )),
        O::Explain => Ask(Query::Explain(ops::explain::Explain {
            question: question(),
        })),
        O::WhatIf => Ask(Query::WhatIf(ops::what_if::WhatIf {
            changes: ops::what_if::Changes([Command::CreateGrant(create_grant(2, CAROL))].into()),
            questions: vec![question()],
        })),
        O::WhoCan => Ask(Query::WhoCan(ops::who_can::WhoCan {
            key: key(1),
            actions: vec![KmsAction::Decrypt],
            page: page(),
        })),
        O::WhatCan => Ask(Query::WhatCan(ops::what_can::WhatCan {
            principal: match kind {
                PrincipalType::User => arn(CAROL),
                PrincipalType::Role => whom,
            },
            page: page(),
        })),
        O::ListGrantsByGrantee => Ask(Query::ListGrantsByGrantee(
            ops::list_grants_by_grantee::ListGrantsByGrantee {
                grantee: Some(CAROL.into()),
                grantee_service: None,
                page: page(),
            },
        )),
        O::ListDanglingPrincipals => Ask(Query::ListDanglingPrincipals(
            ops::list_dangling_principals::ListDanglingPrincipals {
                account: None,
                page: page(),
            },
        )),
        O::ListDuplicateGrants => Ask(Query::ListDuplicateGrants(
            ops::list_duplicate_grants::ListDuplicateGrants {
                key: key(1),
                page: page(),
            },
        )),
        O::DescribeGrants => Ask(Query::DescribeGrants(
            ops::describe_grants::DescribeGrants { key: key(1) },
        )),
    }
}

/// The action that a denial is about.
fn denied_action((code, message): &Refused) -> Option<String> {
    if *code != "AccessDeniedException" {
        return None;
    }
    let (_, rest) = message.split_once(" is not authorized to perform: ")?;
    Some(rest.split(' ').next()?.to_owned())
}

/// Every action that a sample asks for, in its order. At the end it is done, by somebody who may do nothing else.
fn asked(cluster: &Cluster, who: &str, sample: &Sample) -> Result<Vec<String>, String> {
    let mut cluster = cluster.copy();
    let mut asked: Vec<String> = Vec::new();
    loop {
        let refused = match sample.run(&cluster, who) {
            Ok(()) => return Ok(asked),
            Err(refused) => refused,
        };
        match denied_action(&refused) {
            Some(action) if !asked.contains(&action) => asked.push(action),
            _ => return Err(format!("by {who}, who may {asked:?}: {refused:?}")),
        }
        cluster.put_policy(who, &allowing(&asked));
    }
}

fn policy_of_spare(state: &mut Cluster) {
    let spare = ops::put_control_policy::PutControlPolicy {
        node: "ou-root-1".parse().unwrap(),
        kind: ControlKind::Service,
        name: "spare".into(),
        policy: ALLOW_ALL.into(),
    };
    state.done(MANAGEMENT, Command::PutControlPolicy(spare));
}

/// D-14, D-15, W-6: every row of the table says the action that its operation asks for first; what else it asks for is
/// in the golden file. Each operation is done with these permissions alone.
#[test]
fn table_says_what_each_operation_asks_for() {
    let mut cluster = world();
    policy_of_spare(&mut cluster);
    let mut faults = Vec::new();
    let mut text = String::from(
        "What each operation asks for, in its order: it is done by somebody who is allowed this and nothing else.\n\
         Written by `GRANTD_BLESS=1 cargo test --lib permission`.\n\n",
    );
    for operation in Operation::ALL {
        let row = operation.row();
        if let Asks::Office(office) = row.asks {
            let sample = sample(*operation, PrincipalType::User);
            for who in [BOB, ADMIN, MANAGEMENT] {
                let told = sample.run(&cluster, who).unwrap_err();
                let whose = match row.access {
                    Access::System => "the cluster itself",
                    _ => "the operator of the cluster",
                };
                let wanted = format!("{office} is for {whose} alone");
                assert_eq!(told, ("AccessDeniedException", wanted), "{}", row.name);
            }
            writeln!(text, "{}: {office}, an office", row.name).unwrap();
            continue;
        }
        let kinds = match row.asks {
            Asks::Iam { .. } | Asks::LikeIam(_) => &[PrincipalType::User, PrincipalType::Role][..],
            _ => &[PrincipalType::User],
        };
        for kind in kinds {
            let who = match row.access {
                Access::Management => CLERK,
                _ => BOB,
            };
            let mut cluster = cluster.copy();
            if *operation == Operation::DeleteOrganization {
                cluster.leave(OWNER);
                let delete = |id: &str| {
                    let id = id.parse().unwrap();
                    Command::DeleteOrganizationalUnit(
                        ops::delete_organizational_unit::DeleteOrganizationalUnit { id },
                    )
                };
                for unit in ["ou-root-1", "ou-root-2"] {
                    cluster.done(MANAGEMENT, delete(unit));
                }
            }
            let asked = match asked(&cluster, who, &sample(*operation, *kind)) {
                Ok(asked) => asked,
                Err(why) => {
                    faults.push(format!("{} is not done {why}", row.name));
                    continue;
                }
            };
            let wanted = operation.action(*kind).to_string();
            if asked.first() != Some(&wanted) {
                faults.push(format!("{} asks {asked:?}, not {wanted}", row.name));
            }
            writeln!(text, "{}: {}", row.name, asked.join(", ")).unwrap();
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    golden("permissions.txt", &text);
}

/// P-12, D-14: an operation is asked about on what the table says it is done to.
#[test]
fn table_says_what_each_operation_is_done_to() {
    let mut cluster = world();
    policy_of_spare(&mut cluster);
    for operation in Operation::ALL {
        let row = operation.row();
        let (who, part) = match (row.access, row.on) {
            (Access::System | Access::Operator, _) => continue,
            (Access::Management, _) => (CLERK, None),
            (Access::Policies, On::Key | On::Grant) => (BOB, Some(":key/")),
            // D-14: on both; which is asked first is not promised.
            (Access::Policies, On::KeyAndAlias) => (BOB, Some(":kms:")),
            (Access::Policies, On::Group) => (BOB, Some(":group/")),
            (Access::Policies, On::Principal) => (BOB, Some(":user/")),
            (Access::Policies, On::Account) => (BOB, None),
            (Access::Policies, On::Cluster | On::Organization) => {
                panic!("{} is no office", row.name)
            }
        };
        let (_, message) = sample(*operation, PrincipalType::User)
            .run(&cluster, who)
            .unwrap_err();
        let on = message.split_once(" on resource: ").map(|(_, on)| on);
        match part {
            None => assert_eq!(on, None, "{}: {message}", row.name),
            Some(part) => assert!(
                on.is_some_and(|on| on.contains(part)),
                "{}: {message}",
                row.name
            ),
        }
    }
}
