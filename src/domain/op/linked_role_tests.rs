//! D-18: who makes, changes and deletes the roles that are linked to a service, and which control policies hold for whom.

use super::testing::{
    ADMIN, ALLOW_ALL, BOB, Cluster, OTHER, OWNER, arn, check_rows, page, unique_id,
};
use super::{
    Answer, Command, Output, Query, create_principal, delete_principal,
    delete_principal_permissions_boundary, delete_principal_policy, get_principal, list_principals,
    put_control_policy, put_principal_permissions_boundary, put_principal_policy, tag_principal,
};
use crate::domain::authz::caller::{Caller, Identity};
use crate::domain::authz::decision::{Missing, Outcome};
use crate::domain::state::State;
use crate::domain::state::fact::Header;
use crate::domain::state::organization::ControlKind;
use crate::domain::state::principal::PrincipalType;

const LINKED: &str =
    "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/Linked";
const EVIL: &str = "arn:aws:iam::111122223333:role/aws-service-role/evil.example.com/Evil";
const OUTSIDER: &str =
    "arn:aws:iam::444455556666:role/aws-service-role/autoscaling.amazonaws.com/Evil";
const SSO: &str = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_a";

fn create(text: &str) -> Command {
    let arn = arn(text);
    Command::CreatePrincipal(create_principal::CreatePrincipal {
        unique_id: unique_id(&arn, 0),
        arn,
        tags: Default::default(),
    })
}

fn delete(text: &str) -> Command {
    Command::DeletePrincipal(delete_principal::DeletePrincipal { arn: arn(text) })
}

fn give(text: &str) -> Command {
    Command::PutPrincipalPolicy(put_principal_policy::PutPrincipalPolicy {
        arn: arn(text),
        name: "p".into(),
        policy: ALLOW_ALL.into(),
    })
}

fn take(text: &str) -> Command {
    Command::DeletePrincipalPolicy(delete_principal_policy::DeletePrincipalPolicy {
        arn: arn(text),
        name: "p".into(),
    })
}

fn bound(text: &str) -> Command {
    Command::PutPrincipalPermissionsBoundary(
        put_principal_permissions_boundary::PutPrincipalPermissionsBoundary {
            arn: arn(text),
            policy: ALLOW_ALL.into(),
        },
    )
}

fn session_of(text: &str) -> Caller {
    let role = arn(text);
    let account = role.account();
    let name = text.rsplit('/').next().unwrap();
    Caller {
        identity: Identity::RoleSession {
            arn: arn(&format!("arn:aws:sts::{account}:assumed-role/{name}/s")),
            unique_id: unique_id(&role, 0),
            role,
            session_policy: None,
            session_tags: Default::default(),
        },
        facts: Default::default(),
    }
}

fn service_of(cluster: &Cluster, text: &str) -> Option<String> {
    let role = cluster.state.principal(&arn(text)).unwrap();
    role.service.as_ref().map(ToString::to_string)
}

fn root(account: &str) -> String {
    format!("arn:aws:iam::{account}:root")
}

/// The key allows every caller, the owner's account has a policy that denies everything, of both kinds.
fn guarded() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.put_key_policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":[
        {{"Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:PutKeyPolicy","Resource":"*"}},
        {{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}}]}}"#
    ));
    cluster.organize(OWNER);
    cluster
}

fn deny_all(cluster: &mut Cluster, kind: ControlKind) {
    let principal = match kind {
        ControlKind::Service => "",
        ControlKind::Resource => r#""Principal":"*","#,
    };
    let put = put_control_policy::PutControlPolicy {
        node: OWNER.parse().unwrap(),
        kind,
        name: "Deny".into(),
        policy: format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny",{principal}"Action":"kms:*","Resource":"*"}}]}}"#
        )
        .into(),
    };
    cluster.done("operator", Command::PutControlPolicy(put));
}

/// D-18: a path that is AWS's own is nobody's to use but the operator's, be it the root user of the account.
#[test]
fn role_under_a_path_of_aws_is_made_by_the_operator_alone() {
    let cluster = Cluster::new();
    let at = |path: &str| create(&format!("arn:aws:iam::{OWNER}:role/{path}R"));
    let reserved = "Path prefix '/aws-reserved/' can only be used for AWS Service linked Roles";
    let linked = "Path prefix '/aws-service-role/' can only be used for AWS Service linked Roles";
    let form = "write `/aws-service-role/SERVICE/`";
    check_rows(vec![
        (
            "by an administrator",
            cluster.refusal(ADMIN, create(EVIL)),
            "InvalidInput",
            linked,
        ),
        (
            "by the root user",
            cluster.refusal(&root(OWNER), create(EVIL)),
            "InvalidInput",
            linked,
        ),
        (
            "by another account",
            cluster.refusal(&root(OTHER), create(OUTSIDER)),
            "InvalidInput",
            linked,
        ),
        (
            "without permission",
            cluster.refusal(BOB, create(LINKED)),
            "InvalidInput",
            linked,
        ),
        (
            "without a service",
            cluster.refusal(ADMIN, at("aws-service-role/")),
            "InvalidInput",
            linked,
        ),
        (
            "of people",
            cluster.refusal(&root(OWNER), create(SSO)),
            "InvalidInput",
            reserved,
        ),
        (
            "no service",
            cluster.refusal("operator", at("aws-service-role/")),
            "ValidationException",
            form,
        ),
        (
            "two labels",
            cluster.refusal("operator", at("aws-service-role/evil.example/")),
            "ValidationException",
            form,
        ),
        (
            "a deeper path",
            cluster.refusal("operator", at("aws-service-role/a.b.com/c/")),
            "ValidationException",
            form,
        ),
        (
            "another path",
            cluster.refusal("operator", at("team/")),
            "AccessDeniedException",
            "iam:CreateRole",
        ),
        (
            "no account",
            cluster.refusal("operator", create(&LINKED.replace(OWNER, "999999999999"))),
            "NoSuchEntity",
            "the account 999999999999 does not exist",
        ),
    ]);
    let mut cluster = cluster;
    assert!(matches!(
        cluster.done("operator", create(LINKED)),
        Output::Principal(made) if made.service == Some("autoscaling.amazonaws.com".parse().unwrap())
    ));
    cluster.done("operator", create(SSO));
    assert_eq!(
        service_of(&cluster, LINKED).as_deref(),
        Some("autoscaling.amazonaws.com")
    );
    assert_eq!(service_of(&cluster, SSO), None);
    check_rows(vec![(
        "there already",
        cluster.refusal("operator", create(LINKED)),
        "EntityAlreadyExists",
        "Role with name Linked already exists.",
    )]);
    // A user's path is a user's own.
    cluster.done(
        ADMIN,
        create(&format!(
            "arn:aws:iam::{OWNER}:user/aws-service-role/a.b.com/u"
        )),
    );
}

/// D-18: account principals tag such a role and nothing more; the operator changes and deletes what it made.
#[test]
fn role_that_the_operator_made_is_changed_by_the_operator_alone() {
    let mut cluster = Cluster::new();
    let unbound = |text: &str| {
        Command::DeletePrincipalPermissionsBoundary(
            delete_principal_permissions_boundary::DeletePrincipalPermissionsBoundary {
                arn: arn(text),
            },
        )
    };
    for role in [LINKED, SSO] {
        cluster.done("operator", create(role));
        cluster.done("operator", give(role));
        let name = role.rsplit('/').next().unwrap();
        let text = format!(
            "Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
        );
        check_rows(vec![
            (
                "more rights",
                cluster.refusal(ADMIN, give(role)),
                "UnmodifiableEntity",
                &text,
            ),
            (
                "fewer rights",
                cluster.refusal(ADMIN, take(role)),
                "UnmodifiableEntity",
                &text,
            ),
            (
                "a boundary",
                cluster.refusal(&root(OWNER), bound(role)),
                "UnmodifiableEntity",
                &text,
            ),
            (
                "no boundary",
                cluster.refusal(&root(OWNER), unbound(role)),
                "UnmodifiableEntity",
                &text,
            ),
            (
                "deletion",
                cluster.refusal(&root(OWNER), delete(role)),
                "UnmodifiableEntity",
                &text,
            ),
            (
                "no permission",
                cluster.refusal(BOB, delete(role)),
                "AccessDeniedException",
                "iam:DeleteRole",
            ),
        ]);
        let tag = tag_principal::TagPrincipal {
            arn: arn(role),
            tags: [("team".into(), "a".into())].into(),
        };
        cluster.done(ADMIN, Command::TagPrincipal(tag));
        let get = Query::GetPrincipal(get_principal::GetPrincipal { arn: arn(role) });
        assert!(matches!(
            cluster.ask("operator", get),
            Ok(Answer::Principal(told)) if told.service.is_some() == (role == LINKED)
        ));
    }
    check_rows(vec![(
        "a boundary by the operator",
        cluster.refusal("operator", bound(LINKED)),
        "UnmodifiableEntity",
        "protected role 'Linked'",
    )]);
    cluster.done("operator", bound(SSO));
    cluster.done("operator", unbound(SSO));
    for role in [LINKED, SSO] {
        cluster.done("operator", take(role));
        cluster.done("operator", delete(role));
        assert!(cluster.state.principal(&arn(role)).is_none());
    }
    let refused = cluster.refusal("operator", delete(ADMIN));
    assert_eq!(refused.0, "AccessDeniedException", "{}", refused.1);
}

/// D-3, D-18: neither kind of policy restricts the role that was made for a service.
#[test]
fn true_service_linked_role_is_under_no_control_policy() {
    for kind in ControlKind::ALL {
        let mut cluster = guarded();
        cluster.done("operator", create(LINKED));
        deny_all(&mut cluster, *kind);
        let decision = cluster.decision(&session_of(LINKED), "kms:Decrypt");
        assert!(decision.is_allow(), "{kind}: {decision}");
    }
}

/// D-3, D-18: the insider. An account's root cannot make a role that escapes the account's service control policy; and
/// one that stands under such a path, however it came there, does not escape it.
#[test]
fn role_of_a_spoofed_path_is_under_the_service_control_policy_of_its_account() {
    let mut cluster = guarded();
    deny_all(&mut cluster, ControlKind::Service);
    assert_eq!(
        cluster.refusal(&root(OWNER), create(EVIL)).0,
        "InvalidInput"
    );
    put_spoofed(&mut cluster, EVIL);
    let decision = cluster.decision(&session_of(EVIL), "kms:Decrypt");
    assert_eq!(decision.outcome(), Outcome::ExplicitDeny, "{decision}");
    assert_eq!(
        decision.decided_by().unwrap().source.as_str(),
        "service_control_policy"
    );
    let mut cluster = guarded();
    put_spoofed(&mut cluster, EVIL);
    put_unlisted(&mut cluster, ControlKind::Service);
    let decision = cluster.decision(&session_of(EVIL), "kms:Decrypt");
    assert_eq!(
        decision.missing(),
        Some(Missing::ServiceControlPolicy),
        "{decision}"
    );
}

/// D-3, D-18: the outsider. A role of another account does not walk through the resource control policy of the key's
/// account because of its path, nor does one that was made for a service in another account's name.
#[test]
fn role_of_a_spoofed_path_in_another_account_is_under_the_resource_control_policy() {
    let mut cluster = guarded();
    deny_all(&mut cluster, ControlKind::Resource);
    assert_eq!(
        cluster.refusal(&root(OTHER), create(OUTSIDER)).0,
        "InvalidInput"
    );
    put_spoofed(&mut cluster, OUTSIDER);
    let decision = cluster.decision(&session_of(OUTSIDER), "kms:Decrypt");
    assert_eq!(decision.outcome(), Outcome::ExplicitDeny, "{decision}");
    assert_eq!(
        decision.decided_by().unwrap().source.as_str(),
        "resource_control_policy"
    );
}

/// A role under a path of AWS's that nobody made for a service, and that may do everything.
fn put_spoofed(cluster: &mut Cluster, text: &str) {
    let plain = format!("arn:aws:iam::{}:role/plain", arn(text).account());
    cluster.make_principal(&plain, 0);
    cluster.put_policy(&plain, ALLOW_ALL);
    let mut role = (**cluster.state.principal(&arn(&plain)).unwrap()).clone();
    role.arn = arn(text);
    role.unique_id = unique_id(&role.arn, 0);
    cluster.state.put_principal(std::sync::Arc::new(role));
}

fn put_unlisted(cluster: &mut Cluster, kind: ControlKind) {
    let put = put_control_policy::PutControlPolicy {
        node: OWNER.parse().unwrap(),
        kind,
        name: "S3".into(),
        policy: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#.into(),
    };
    cluster.done("operator", Command::PutControlPolicy(put));
    cluster.detach_full_access(OWNER, kind);
}

/// D-18: what the role was made for is a fact like any other: it is listed, it is part of the state's fingerprint, and it
/// is there in a state that was put together from its facts.
#[test]
fn service_of_a_role_is_listed_and_survives_a_snapshot() {
    let mut cluster = Cluster::new();
    cluster.done("operator", create(LINKED));
    let list = Query::ListPrincipals(list_principals::ListPrincipals {
        kind: PrincipalType::Role,
        page: page(10, None),
    });
    let Ok(Answer::Principals(listed)) = cluster.ask(ADMIN, list) else {
        panic!("no listing");
    };
    let services: Vec<_> = listed
        .items
        .iter()
        .map(|role| role.service.is_some())
        .collect();
    assert_eq!(services, [false, true], "app, Linked");

    let header: Header = *cluster.state.header();
    let facts: Vec<_> = cluster.state.export().collect();
    let again = State::import(header, facts).unwrap();
    assert_eq!(again.fingerprint(), cluster.state.fingerprint());
    assert_eq!(
        again.principal(&arn(LINKED)).unwrap().service,
        Some("autoscaling.amazonaws.com".parse().unwrap())
    );
    let mut other = (**cluster.state.principal(&arn(LINKED)).unwrap()).clone();
    other.service = None;
    let before = cluster.state.fingerprint();
    cluster.state.put_principal(std::sync::Arc::new(other));
    assert_ne!(cluster.state.fingerprint(), before);
}
