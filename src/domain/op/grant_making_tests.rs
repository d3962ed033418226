//! What CreateGrant makes: quotas, retries by name, children of grants, and what a permission to make one can depend on.

use std::sync::Arc;

use super::create_grant::CreateGrant;
use super::testing::{
    ADMIN, APP, BOB, CAROL, Cluster, EXT, OTHER, OWNER, Refused, create_grant, key_arn,
};
use super::{Command, CreatedGrant, Output};
use crate::domain::ids::GrantId;
use crate::domain::state::grant::{EncryptionContext, GrantOperation};
use crate::domain::state::key::{KeySpec, KeyUsage};

fn refusal(cluster: &Cluster, who: &str, change: impl FnOnce(&mut CreateGrant)) -> Refused {
    let mut command = create_grant(1, BOB);
    change(&mut command);
    cluster.refusal(who, Command::CreateGrant(command))
}

fn make(
    cluster: &mut Cluster,
    who: &str,
    n: u8,
    change: impl FnOnce(&mut CreateGrant),
) -> CreatedGrant {
    let mut command = create_grant(n, BOB);
    change(&mut command);
    match cluster.done(who, Command::CreateGrant(command)) {
        Output::Grant(created) => created,
        other => panic!("{other:?}"),
    }
}

fn context(pairs: &[(&str, &str)]) -> Arc<EncryptionContext> {
    Arc::new(
        pairs
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect(),
    )
}

/// G-23: a context constraint needs a key with a context.
#[test]
fn context_constraint_on_a_key_without_context_is_refused() {
    let mut cluster = Cluster::new();
    cluster.set_key(|key| (key.spec, key.usage) = (KeySpec::Hmac256, KeyUsage::GenerateVerifyMac));
    let mac = |c: &mut CreateGrant| c.operations = vec![GrantOperation::GenerateMac];
    let (code, why) = refusal(&cluster, ADMIN, |c| {
        mac(c);
        c.context_equals = context(&[("a", "")]);
    });
    assert!(
        code == "ValidationException" && why.contains("only for symmetric"),
        "{why}"
    );
    make(&mut cluster, ADMIN, 1, mac);
}

/// G-19: the older quota of a grantee's grants on one key is off by default, and a setting.
#[test]
fn grant_past_the_quota_of_its_grantee_is_refused() {
    let mut cluster = Cluster::new();
    make(&mut cluster, ADMIN, 1, |_| ());
    make(&mut cluster, ADMIN, 2, |_| ());
    cluster.done(
        "operator",
        Command::UpdateSettings(crate::domain::op::update_settings::UpdateSettings {
            grants_per_principal_max: Some(2),
            ..Default::default()
        }),
    );
    let (code, why) = refusal(&cluster, ADMIN, |c| c.grant_id = GrantId([3; 32]));
    assert!(
        code == "LimitExceededException" && why.contains("the grantee has 2 grants"),
        "{why}"
    );
    make(&mut cluster, ADMIN, 3, |c| c.grantee = Some(CAROL.into()));
    cluster.state.take_grant(&GrantId([2; 32]));
    make(&mut cluster, ADMIN, 4, |_| ());
}

/// G-19, U-9: the quota, a freed slot, and a retry at the limit.
#[test]
fn grant_past_the_quota_is_refused_but_a_retry_by_name_succeeds() {
    let mut cluster = Cluster::new();
    let settings = crate::domain::state::settings::Settings {
        grants_per_key_max: 2,
        ..*cluster.state.settings()
    };
    cluster.state.put_settings(settings);
    let named = |c: &mut CreateGrant| c.name = Some("n".into());
    make(&mut cluster, ADMIN, 1, named);
    make(&mut cluster, ADMIN, 2, |_| ());
    let (code, why) = refusal(&cluster, ADMIN, |c| c.grant_id = GrantId([3; 32]));
    assert!(
        code == "LimitExceededException" && why.contains("its quota is 2"),
        "{why}"
    );
    assert_eq!(make(&mut cluster, ADMIN, 3, named).id, GrantId([1; 32]));
    cluster.state.take_grant(&GrantId([2; 32]));
    make(&mut cluster, ADMIN, 4, |_| ());
}

#[test]
fn grant_id_that_is_taken_is_refused() {
    let mut cluster = Cluster::new();
    make(&mut cluster, ADMIN, 1, |_| ());
    assert_eq!(refusal(&cluster, ADMIN, |_| ()).0, "AlreadyExistsException");
}

/// G-16 to G-18: a named retry repeats every property, in any order; whatever differs makes another grant.
#[test]
fn retry_by_name_finds_its_grant_and_any_difference_makes_another() {
    let mut cluster = Cluster::new();
    let base = |c: &mut CreateGrant| {
        c.name = Some("n".into());
        c.operations = vec![GrantOperation::Decrypt, GrantOperation::Encrypt];
        c.context_subset = context(&[("a", "1"), ("b", "2")]);
    };
    let first = make(&mut cluster, ADMIN, 1, base);
    let born = cluster.at;
    let again = make(&mut cluster, ADMIN, 2, |c| {
        base(c);
        c.operations = vec![
            GrantOperation::Encrypt,
            GrantOperation::Decrypt,
            GrantOperation::Encrypt,
        ];
    });
    assert!(cluster.events.is_empty());
    assert_eq!((again.id, again.grant.unwrap().born.0), (first.id, born));
    let changes: [fn(&mut CreateGrant); 6] = [
        |c| c.name = Some("m".into()),
        |c| c.name = None,
        |c| c.grantee = Some(CAROL.into()),
        |c| c.retiring = Some(BOB.into()),
        |c| c.operations.truncate(1),
        |c| std::mem::swap(&mut c.context_subset, &mut c.context_equals),
    ];
    for (n, change) in (10..).zip(changes) {
        let id = make(&mut cluster, ADMIN, n, |c| {
            base(c);
            change(c);
        })
        .id;
        assert_eq!(id, GrantId([n; 32]));
    }
}

/// G-12, G-13: what a parent grant lets its grantee pass on; a policy that allows lifts the limit (G-11).
#[test]
fn child_grant_must_be_covered_by_one_parent() {
    let mut cluster = Cluster::new();
    make(&mut cluster, ADMIN, 1, |c| {
        c.operations = vec![GrantOperation::CreateGrant, GrantOperation::Decrypt];
        c.context_subset = context(&[("a", "1")]);
    });
    make(&mut cluster, ADMIN, 2, |c| {
        c.operations = vec![GrantOperation::Encrypt]
    });
    let child = |pairs: &[(&str, &str)], operation| {
        let context_equals = context(pairs);
        let mut command = create_grant(3, CAROL);
        (command.context_equals, command.operations) = (context_equals, vec![operation]);
        command
    };
    let decrypt = GrantOperation::Decrypt;
    for (what, command) in [
        ("unconstrained", child(&[], decrypt)),
        ("another value", child(&[("a", "2")], decrypt)),
        (
            "an operation of another grant",
            child(&[("a", "1")], GrantOperation::Encrypt),
        ),
    ] {
        let (code, _) = cluster.refusal(BOB, Command::CreateGrant(command.clone()));
        assert_eq!(code, "AccessDeniedException", "{what}");
        cluster.copy().done(ADMIN, Command::CreateGrant(command));
    }
    cluster.done(
        BOB,
        Command::CreateGrant(child(&[("a", "1"), ("b", "2")], decrypt)),
    );
}

/// Q-6: a node can judge the grant once it has its key and its grantee.
#[test]
fn grant_depends_on_its_key_and_its_grantee() {
    let mut cluster = Cluster::new();
    let key_born = cluster.state.key(&key_arn(1)).unwrap().born;
    assert_eq!(make(&mut cluster, ADMIN, 1, |_| ()).depends_on, key_born);
    let late = format!("arn:aws:iam::{OWNER}:role/late");
    cluster.make_principal(&late, 0);
    let born = cluster.at;
    let session = format!("arn:aws:sts::{OWNER}:assumed-role/late/s");
    for (n, grantee) in [(2, &late), (3, &session)] {
        let created = make(&mut cluster, ADMIN, n, |c| {
            c.grantee = Some(grantee.as_str().into())
        });
        assert_eq!(created.depends_on.0, born, "{grantee}");
    }
}

/// G-9, U-13: a service as grantee; the account of another, a session and a role of another letter case.
#[test]
fn every_kind_of_principal_that_exists_is_accepted() {
    let mut cluster = Cluster::new();
    make(&mut cluster, ADMIN, 1, |c| {
        c.grantee = None;
        c.grantee_service = Some("lambda.amazonaws.com".into());
        c.source_arn = Some("arn:aws:lambda:eu-west-1:111122223333:function:f".into());
        c.retiring_service = c.grantee_service.clone();
    });
    let grantees = [
        format!("arn:aws:iam::{OTHER}:root"),
        format!("arn:aws:sts::{OWNER}:assumed-role/app/s"),
        format!("arn:aws:sts::{OTHER}:federated-user/f"),
        APP.into(),
        EXT.into(),
    ];
    for (n, grantee) in (2..).zip(&grantees) {
        let created = make(&mut cluster, ADMIN, n, |c| {
            c.grantee = Some(grantee.as_str().into())
        });
        assert_eq!(created.grant.unwrap().issuing_account.to_string(), OWNER);
    }
    let (code, _) = refusal(&cluster, ADMIN, |c| {
        c.grantee = Some(format!("arn:aws:sts::{OWNER}:assumed-role/APP/s").into())
    });
    assert_eq!(code, "InvalidArnException");
}

/// CK-10, CK-12, CK-13, CK-29: the parameters are condition keys; a front's words do not replace them.
#[test]
fn permission_can_depend_on_the_parameters_and_no_caller_can_forge_them() {
    let mut cluster = Cluster::new();
    cluster.put_policy(BOB, &format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*","Condition":{{
            "StringEquals":{{"kms:GranteePrincipal":"{CAROL}","kms:GrantConstraintType":"EncryptionContextEquals","kms:EncryptionContext:dept":"it"}},
            "ForAllValues:StringEquals":{{"kms:GrantOperations":["Decrypt","Encrypt"]}},
            "Null":{{"kms:RetiringPrincipal":"true"}}}}}}}}"#
    ));
    let good = |c: &mut CreateGrant| {
        c.grantee = Some(CAROL.into());
        c.context_equals = context(&[("dept", "it")]);
    };
    let changes: [fn(&mut CreateGrant); 5] = [
        |c| c.grantee = Some(BOB.into()),
        |c| std::mem::swap(&mut c.context_subset, &mut c.context_equals),
        |c| c.context_equals = context(&[("dept", "hr")]),
        |c| c.operations.push(GrantOperation::DescribeKey),
        |c| c.retiring = Some(CAROL.into()),
    ];
    let mut forger = crate::domain::op::testing::caller(BOB);
    let forged = [
        ("kms:granteeprincipal", CAROL),
        ("kms:encryptioncontext:dept", "it"),
        ("kms:grantconstrainttype", "EncryptionContextEquals"),
    ];
    for (key, value) in forged {
        let value = crate::domain::authz::caller::ContextEntry::Single(value.into());
        forger.facts.context.insert(key.into(), value);
    }
    for change in changes {
        let mut command = create_grant(1, BOB);
        good(&mut command);
        change(&mut command);
        let refused = cluster
            .copy()
            .run_as(&forger, Command::CreateGrant(command))
            .unwrap_err();
        assert_eq!(refused.0, "AccessDeniedException");
    }
    make(&mut cluster, BOB, 1, good);
}
