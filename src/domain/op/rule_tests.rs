//! Rules of the specification that no single operation owns, each shown on a state that operations made.

use std::sync::Arc;

use crate::domain::authz::authorize;
use crate::domain::authz::caller::{Caller, ContextEntry};
use crate::domain::authz::request::{About, Parameters, Request, Target};
use crate::domain::op::create_grant::CreateGrant;
use crate::domain::op::testing::{
    ADMIN, ALLOW_ALL, APP, BOB, CAROL, Cluster, EXT, OTHER, OWNER, Refused, arn, caller,
    check_rows, create_grant, create_key, key, key_arn, key_id, scope, session, unique_id,
};
use crate::domain::op::{
    Answer, Command, DryRun, Output, Query, create_alias, create_key as creation, create_principal,
    delete_principal, describe_key, disable_key, enable_key, expire_grants, list_grants,
    list_retirable_grants, put_key_policy, replicate_key, retire_grant, revoke_grant, tag_resource,
    update_settings,
};
use crate::domain::policy::{KmsAction, Policy, PolicyKind};
use crate::domain::state::grant::{
    ConstraintKeyCase, EncryptionContext, Grant, GrantOperation, GrantPrincipal,
};
use crate::domain::state::key::{Key, KeyManager, KeySpec, KeyState, KeyUsage};

fn allowed(cluster: &Cluster, who: &Caller, action: KmsAction, pairs: &EncryptionContext) -> bool {
    let key = cluster.state.key(&key_arn(1)).unwrap();
    let request = Request {
        caller: who,
        scope: &scope(),
        action: action.into(),
        target: Target::Key { key, alias: None },
        encryption_context: pairs,
        about: About::Nothing,
        token_grants: &[],
        parameters: Parameters::FromFront,
        now: cluster.state.clock(),
    };
    authorize(&cluster.state, &request).is_allow()
}

fn allows(cluster: &Cluster, who: &str, action: KmsAction) -> bool {
    allowed(cluster, &caller(who), action, &EncryptionContext::new())
}

fn pairs(list: &[(&str, &str)]) -> EncryptionContext {
    list.iter()
        .map(|(k, v)| ((*k).into(), (*v).into()))
        .collect()
}

/// A key policy that enables nobody but the administrator.
fn closed() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.put_key_policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:*","Resource":"*"}}}}"#
    ));
    cluster
}

fn grant(n: u8, grantee: &str, change: impl FnOnce(&mut CreateGrant)) -> Command {
    let mut command = create_grant(n, grantee);
    change(&mut command);
    Command::CreateGrant(command)
}

fn made(output: Output) -> Grant {
    match output {
        Output::Grant(created) => created.grant.unwrap(),
        other => panic!("{other:?}"),
    }
}

fn revoke(id: &Grant) -> Command {
    let mut command = revoke_of(1);
    command.grant_id = id.id.to_string().into();
    Command::RevokeGrant(command)
}

fn revoke_of(n: u8) -> revoke_grant::RevokeGrant {
    revoke_grant::RevokeGrant {
        key: key(1),
        grant_id: crate::domain::ids::GrantId([n; 32]).to_string().into(),
        dry_run: DryRun::No,
        descendants: Default::default(),
    }
}

fn code<T>(result: Result<T, Refused>) -> &'static str {
    match result {
        Ok(_) => "done",
        Err((code, _)) => code,
    }
}

/// ID-14, W-7: a grantee has at most 256 characters; one of 256 is taken.
#[test]
fn grantee_has_a_longest_text() {
    let mut cluster = Cluster::new();
    let of_length = |length: usize, tail: &str| {
        let head = format!("arn:aws:iam::{OWNER}:user/");
        format!(
            "{head}{}{tail}",
            "p".repeat(length - head.len() - tail.len())
        )
    };
    let (longest, longer) = (of_length(256, "/a"), of_length(257, "/b"));
    cluster.make_principal(&longest, 0);
    cluster.make_principal(&longer, 0);
    assert_eq!(code(cluster.run(ADMIN, grant(1, &longest, |_| ()))), "done");
    let (code, message) = cluster.refusal(ADMIN, grant(2, &longer, |_| ()));
    assert_eq!(code, "ValidationException");
    assert!(message.contains("at 'granteePrincipal'"), "{message}");
}

/// G-15, W-7: a grant's name has 1 to 256 characters of its alphabet.
#[test]
fn grant_name_has_a_longest_text() {
    let cluster = Cluster::new();
    let named = |name: &str| {
        let command = grant(1, BOB, |g| g.name = Some(name.into()));
        code(cluster.copy().run(ADMIN, command))
    };
    assert_eq!(named(&"n".repeat(256)), "done");
    assert_eq!(named("a:/_-Z9"), "done");
    for bad in [&*"n".repeat(257), "", "with space", "dot.ted"] {
        assert_eq!(named(bad), "ValidationException", "{bad}");
    }
}

/// G-22, W-7: a SourceArn has at most 512 characters and names an account.
#[test]
fn source_arn_has_a_longest_text() {
    let cluster = Cluster::new();
    let from = |text: &str| {
        let command = grant(1, BOB, |g| g.source_arn = Some(text.into()));
        code(cluster.copy().run(ADMIN, command))
    };
    let head = format!("arn:aws:s3::{OWNER}:");
    assert_eq!(
        from(&format!("{head}{}", "b".repeat(512 - head.len()))),
        "done"
    );
    for bad in [
        &*format!("{head}{}", "b".repeat(513 - head.len())),
        "arn:aws:s3:::bucket",
        "arn:aws:S3::111122223333:b",
        "bucket",
    ] {
        assert_eq!(from(bad), "ValidationException", "{bad}");
    }
}

/// G-24: eight pairs and 384 characters are taken, one more of either is not.
#[test]
fn constraint_has_a_largest_size() {
    let cluster = Cluster::new();
    let under = |context: EncryptionContext| {
        let command = grant(1, BOB, |g| g.context_subset = Arc::new(context));
        code(cluster.copy().run(ADMIN, command))
    };
    let many = |n: usize| (0..n).map(|i| (i.to_string().into(), "v".into())).collect();
    assert_eq!(under(many(8)), "done");
    assert_eq!(under(many(9)), "ValidationException");
    // Characters, not bytes.
    assert_eq!(under(pairs(&[("k", &"é".repeat(384))])), "done");
    assert_eq!(
        under(pairs(&[("k", &"v".repeat(385))])),
        "ValidationException"
    );
}

/// ST-5, G-19: the quota of grants does not bind AWS managed keys.
#[test]
fn aws_managed_key_has_no_quota_of_grants() {
    let mut cluster = Cluster::new();
    let settings = crate::domain::state::settings::Settings {
        grants_per_key_max: 1,
        ..*cluster.state.settings()
    };
    cluster.state.put_settings(settings);
    cluster.done(ADMIN, grant(1, BOB, |_| ()));
    assert_eq!(
        cluster.refusal(ADMIN, grant(2, BOB, |_| ())).0,
        "LimitExceededException"
    );
    cluster.set_key(|key| key.manager = KeyManager::Aws);
    cluster.done(ADMIN, grant(2, BOB, |_| ()));
}

/// G-28, G-27: a SourceArn constraint limits DescribeKey and the use of the key, not RetireGrant.
#[test]
fn source_arn_limits_description_as_it_limits_use() {
    let mut cluster = closed();
    let source = "arn:aws:logs:eu-west-1:111122223333:log-group:a";
    cluster.done(
        ADMIN,
        grant(1, BOB, |g| {
            g.source_arn = Some(source.into());
            g.operations = vec![
                GrantOperation::Decrypt,
                GrantOperation::DescribeKey,
                GrantOperation::RetireGrant,
            ];
        }),
    );
    let from = |source: Option<&str>, action| {
        let mut bob = caller(BOB);
        bob.facts
            .context
            .extend(source.map(|s| ("aws:sourcearn".into(), ContextEntry::Single(s.into()))));
        allowed(&cluster, &bob, action, &EncryptionContext::new())
    };
    for action in [KmsAction::Decrypt, KmsAction::DescribeKey] {
        assert!(from(Some(source), action), "{action}");
        assert!(
            !from(Some("arn:aws:logs:eu-west-1:111122223333:b"), action),
            "{action}"
        );
        assert!(!from(None, action), "{action}");
    }
    let retire = retire_grant::RetireGrant {
        key: key(1),
        grant_id: crate::domain::ids::GrantId([1; 32]).to_string().into(),
        dry_run: DryRun::No,
    };
    cluster.done(BOB, Command::RetireGrant(retire));
}

/// G-34, U-26: a service lists what it may retire itself, and nobody else does.
#[test]
fn only_the_service_itself_lists_what_it_may_retire() {
    let cluster = Cluster::new();
    let ask = |who: &str| {
        let question = list_retirable_grants::ListRetirableGrants {
            retiring: None,
            retiring_service: Some("logs.amazonaws.com".into()),
            page: Default::default(),
        };
        code(cluster.ask(who, Query::ListRetirableGrants(question)))
    };
    assert_eq!(ask("logs.amazonaws.com"), "done");
    assert_eq!(ask("ec2.amazonaws.com"), "ValidationException");
    assert_eq!(ask(ADMIN), "ValidationException");
}

/// Puts `count` keys of the account into a Region, as CreateKey would one by one.
fn fill(cluster: &mut Cluster, region: &str, count: u32) {
    let first: Arc<Key> = Arc::clone(cluster.state.key(&key_arn(1)).unwrap());
    for n in 0..count {
        let mut id = [0xee; 16];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let mut key = (*first).clone();
        key.arn.key_id = crate::domain::ids::KeyId::Uuid(id);
        key.arn.region = region.parse().unwrap();
        cluster.state.put_key(Arc::new(key));
    }
}

/// W-5: 100,000 keys of an account in a Region, and not one more.
#[test]
fn account_has_a_quota_of_keys() {
    let mut cluster = Cluster::new();
    fill(&mut cluster, "eu-west-1", 99_998);
    cluster.done(ADMIN, Command::CreateKey(create_key(2)));
    let (code, message) = cluster.refusal(ADMIN, Command::CreateKey(create_key(3)));
    assert_eq!(code, "LimitExceededException", "{message}");
}

/// W-5: a replica counts in its own Region.
#[test]
fn account_has_a_quota_of_keys_in_the_region_of_a_replica() {
    let mut cluster = replicate_key::tests::cluster();
    fill(&mut cluster, "us-east-1", 100_000);
    let replicate = |region| Command::ReplicateKey(replicate_key::tests::replicate(region));
    let (code, message) = cluster.refusal(ADMIN, replicate("us-east-1"));
    assert_eq!(code, "LimitExceededException", "{message}");
    cluster.done(ADMIN, replicate("us-west-2"));
}

/// W-5 (IAM): 10,000 users and roles of an account, and not one more.
#[test]
fn account_has_a_quota_of_principals() {
    let mut cluster = Cluster::new();
    let bob = Arc::clone(cluster.state.principal(&arn(BOB)).unwrap());
    let held = cluster.state.principal_count(OWNER.parse().unwrap());
    for n in held..9_999 {
        let mut principal = (*bob).clone();
        principal.arn = arn(&format!("{BOB}{n}"));
        principal.unique_id = unique_id(&principal.arn, 0);
        cluster.state.put_principal(Arc::new(principal));
    }
    cluster.make_principal("arn:aws:iam::111122223333:user/last", 0);
    let late = arn("arn:aws:iam::111122223333:user/late");
    let command = create_principal::CreatePrincipal {
        unique_id: unique_id(&late, 0),
        arn: late,
        tags: Default::default(),
    };
    let (code, _) = cluster.refusal(ADMIN, Command::CreatePrincipal(command));
    assert_eq!(code, "LimitExceeded");
}

/// G-1, G-21, G-33, X-3: what a grant is, as it is listed: one key, one grantee, its operations, its issuing account; the
/// members that were not sent are absent.
#[test]
fn listed_grant_says_what_it_is() {
    let mut cluster = Cluster::new();
    let plain = made(cluster.done(ADMIN, grant(1, BOB, |_| ())));
    let whole = made(cluster.done(
        ADMIN,
        grant(2, APP, |g| {
            g.retiring = Some(CAROL.into());
            g.name = Some("backup".into());
            g.context_equals = Arc::new(pairs(&[("a", "1")]));
            g.operations = vec![GrantOperation::Encrypt, GrantOperation::CreateGrant];
        }),
    ));
    let question = list_grants::ListGrants {
        key: key(1),
        grant_id: None,
        grantee: None,
        grantee_service: None,
        page: Default::default(),
    };
    let Ok(Answer::Grants(paged)) = cluster.ask(ADMIN, Query::ListGrants(question)) else {
        panic!("no grants")
    };
    let listed: Vec<&Grant> = paged.items.iter().map(|listed| &**listed).collect();
    assert_eq!(listed, [&plain, &whole]);
    assert!(paged.next.is_none());
    assert!(plain.retiring.is_none() && plain.name.is_none());
    assert!(plain.constraints.context.is_none() && plain.constraints.source_arn.is_none());
    let service = made(cluster.done(
        ADMIN,
        grant(3, BOB, |g| {
            g.grantee = None;
            g.grantee_service = Some("logs.amazonaws.com".into());
            g.retiring = Some(CAROL.into());
            g.source_arn = Some("arn:aws:logs:eu-west-1:111122223333:log-group:a".into());
        }),
    ));
    assert_eq!(
        service.grantee,
        GrantPrincipal::Service("logs.amazonaws.com".parse().unwrap())
    );
    assert_eq!(whole.key, key_arn(1));
    assert_eq!(whole.issuing_account.to_string(), OWNER);
    assert_eq!(whole.name.as_deref(), Some("backup"));
    let operations: Vec<_> = whole.operations.iter().collect();
    assert_eq!(
        operations,
        [GrantOperation::Encrypt, GrantOperation::CreateGrant]
    );
}

/// G-5, G-17: order and duplicates of operations carry no meaning: the retry is the same grant.
#[test]
fn operations_are_a_set() {
    let mut cluster = Cluster::new();
    let named = |n, operations: &[GrantOperation]| {
        let operations = operations.to_vec();
        grant(n, BOB, |g| {
            g.name = Some("n".into());
            g.operations = operations;
        })
    };
    let (encrypt, decrypt) = (GrantOperation::Encrypt, GrantOperation::Decrypt);
    let first = made(cluster.done(ADMIN, named(1, &[encrypt, decrypt])));
    let again = made(cluster.done(ADMIN, named(2, &[decrypt, encrypt, decrypt])));
    assert_eq!(first.id, again.id);
    assert_eq!(
        code(cluster.run(ADMIN, named(3, &[]))),
        "ValidationException"
    );
}

/// G-10, G-2, D-8: CreateGrant is permitted by the key policy, by an identity policy that it enables, or by a grant, and
/// across accounts by key ARN.
#[test]
fn create_grant_is_permitted_by_each_mechanism() {
    let by_id = |n| grant(n, CAROL, |_| ());
    let mut enabled = Cluster::new();
    assert_eq!(
        code(enabled.copy().run(BOB, by_id(1))),
        "AccessDeniedException"
    );
    enabled.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*"}}"#);
    assert_eq!(code(enabled.run(BOB, by_id(1))), "done", "identity policy");
    let mut by_policy = Cluster::new();
    by_policy.put_key_policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":["{ADMIN}","{BOB}","{EXT}"]}},"Action":"kms:*","Resource":"*"}}}}"#
    ));
    assert_eq!(code(by_policy.run(BOB, by_id(1))), "done", "key policy");
    let mut by_grant = closed();
    by_grant.done(
        ADMIN,
        grant(1, BOB, |g| {
            g.operations = vec![GrantOperation::Decrypt, GrantOperation::CreateGrant];
        }),
    );
    assert_eq!(code(by_grant.run(BOB, by_id(2))), "done", "grant");
    // Across accounts: the key policy alone is not enough, and the bare id names a key of the caller's own account.
    let by_arn = |n| {
        grant(n, CAROL, |g| {
            g.key = key_arn(1).to_string().parse().unwrap()
        })
    };
    assert_eq!(
        code(by_policy.copy().run(EXT, by_arn(2))),
        "AccessDeniedException"
    );
    by_policy.put_policy(EXT, ALLOW_ALL);
    assert_eq!(
        code(by_policy.copy().run(EXT, by_id(2))),
        "NotFoundException"
    );
    let created = made(by_policy.done(EXT, by_arn(2)));
    assert_eq!(created.issuing_account.to_string(), OTHER);
}

/// G-8: each half of ReEncrypt is a permission of its own.
#[test]
fn halves_of_re_encryption_are_permitted_separately() {
    let mut cluster = closed();
    cluster.done(
        ADMIN,
        grant(1, BOB, |g| {
            g.operations = vec![GrantOperation::ReEncryptFrom]
        }),
    );
    assert!(allows(&cluster, BOB, KmsAction::ReEncryptFrom));
    assert!(!allows(&cluster, BOB, KmsAction::ReEncryptTo));
    assert!(!allows(&cluster, BOB, KmsAction::Decrypt));
}

/// G-14, U-7: children stay when their parent goes.
#[test]
fn children_outlive_their_parent() {
    let mut cluster = closed();
    let parent = made(cluster.done(
        ADMIN,
        grant(1, BOB, |g| {
            g.operations = vec![GrantOperation::Decrypt, GrantOperation::CreateGrant];
        }),
    ));
    cluster.done(BOB, grant(2, CAROL, |_| ()));
    assert!(allows(&cluster, CAROL, KmsAction::Decrypt));
    cluster.done(ADMIN, revoke(&parent));
    assert!(!allows(&cluster, BOB, KmsAction::Decrypt));
    assert!(allows(&cluster, CAROL, KmsAction::Decrypt));
}

/// G-30, G-29, X-1: any one of several grants is enough; one that does not admit the request stands in nobody's way, and
/// of two equal grants the other goes on when one is revoked.
#[test]
fn one_of_several_grants_is_enough() {
    let mut cluster = closed();
    let narrow = |n, value: &str| {
        let context = pairs(&[("tenant", value)]);
        grant(n, BOB, |g| g.context_equals = Arc::new(context))
    };
    let first = made(cluster.done(ADMIN, narrow(1, "a")));
    cluster.done(ADMIN, narrow(2, "b"));
    cluster.done(ADMIN, narrow(3, "a"));
    let may = |cluster: &Cluster, tenant: &str| {
        let context = pairs(&[("tenant", tenant)]);
        allowed(cluster, &caller(BOB), KmsAction::Decrypt, &context)
    };
    assert!(may(&cluster, "a") && may(&cluster, "b") && !may(&cluster, "c"));
    cluster.done(ADMIN, revoke(&first));
    assert!(may(&cluster, "a"), "its duplicate goes on");
}

/// G-26, U-12: by default the keys of a constraint's pairs are case sensitive, as their values are.
#[test]
fn constraint_is_case_sensitive() {
    let mut cluster = closed();
    let context = pairs(&[("Tenant", "Blue")]);
    cluster.done(
        ADMIN,
        grant(1, BOB, |g| g.context_subset = Arc::new(context)),
    );
    let may = |key: &str, value: &str| {
        allowed(
            &cluster,
            &caller(BOB),
            KmsAction::Decrypt,
            &pairs(&[(key, value)]),
        )
    };
    assert!(may("Tenant", "Blue"));
    assert!(!may("tenant", "Blue") && !may("Tenant", "blue"));
}

fn set_key_case(cluster: &mut Cluster, case: ConstraintKeyCase) {
    let change = update_settings::UpdateSettings {
        constraint_key_case: Some(case),
        ..Default::default()
    };
    cluster.done("operator", Command::UpdateSettings(change));
}

/// G-25, G-26, U-12: the letter case of keys is a setting that counts from its command on, for grants that were there
/// before, too; that of values always counts. It is switched back in the same way.
#[test]
fn constraint_keys_are_case_insensitive_while_the_setting_says_so() {
    use ConstraintKeyCase::{Insensitive, Sensitive};
    let may = |cluster: &Cluster, request: &[(&str, &str)]| {
        allowed(cluster, &caller(BOB), KmsAction::Decrypt, &pairs(request))
    };
    let narrow: [fn(&mut CreateGrant); 2] = [
        |g| g.context_equals = Arc::new(pairs(&[("Tenant", "Blue"), ("app", "x")])),
        |g| g.context_subset = Arc::new(pairs(&[("Tenant", "Blue"), ("app", "x")])),
    ];
    for change in narrow {
        let mut cluster = closed();
        cluster.done(ADMIN, grant(1, BOB, change));
        for (case, wanted) in [(Sensitive, false), (Insensitive, true), (Sensitive, false)] {
            set_key_case(&mut cluster, case);
            assert!(may(&cluster, &[("Tenant", "Blue"), ("app", "x")]), "{case}");
            assert_eq!(may(&cluster, &[("tenant", "Blue"), ("APP", "x")]), wanted);
            assert!(!may(&cluster, &[("tenant", "blue"), ("APP", "x")]));
            assert!(!may(
                &cluster,
                &[("tenant", "Blue"), ("Tenant", "Red"), ("APP", "x")]
            ));
        }
    }
}

/// G-13, G-26, U-12: while keys are not case sensitive, a child may write its parent's in another letter case.
#[test]
fn child_writes_its_parents_keys_in_any_letter_case_while_the_setting_says_so() {
    let mut cluster = closed();
    cluster.done(
        ADMIN,
        grant(1, BOB, |g| {
            g.operations = vec![GrantOperation::Decrypt, GrantOperation::CreateGrant];
            g.context_subset = Arc::new(pairs(&[("Tenant", "Blue")]));
        }),
    );
    let child = |n, key: &str, value: &str| {
        let context = pairs(&[(key, value), ("b", "2")]);
        grant(n, CAROL, |g| g.context_equals = Arc::new(context))
    };
    cluster.done(BOB, child(2, "Tenant", "Blue"));
    let refused = cluster.refusal(BOB, child(3, "tenant", "Blue"));
    assert_eq!(refused.0, "AccessDeniedException");
    set_key_case(&mut cluster, ConstraintKeyCase::Insensitive);
    cluster.done(BOB, child(3, "tenant", "Blue"));
    let refused = cluster.refusal(BOB, child(4, "tenant", "blue"));
    assert_eq!(refused.0, "AccessDeniedException");
}

/// G-17, G-26, U-12: whether a CreateGrant is a retry does not depend on the setting: it repeats the constraint to the
/// letter, or makes another grant.
#[test]
fn retry_by_name_repeats_the_letter_case_of_keys_whatever_the_setting() {
    let named = |n, key: &str| {
        let context = pairs(&[(key, "Blue")]);
        grant(n, BOB, |g| {
            g.name = Some("n".into());
            g.context_subset = Arc::new(context);
        })
    };
    let mut cluster = closed();
    let first = made(cluster.done(ADMIN, named(1, "Tenant")));
    set_key_case(&mut cluster, ConstraintKeyCase::Insensitive);
    assert_eq!(made(cluster.done(ADMIN, named(2, "Tenant"))).id, first.id);
    let other = made(cluster.done(ADMIN, named(3, "tenant")));
    assert_ne!(other.id, first.id);
}

/// G-54, U-13: for a grant made from another account, that account's root and the key's owner's may both retire it.
#[test]
fn both_accounts_behind_a_grant_may_retire_it() {
    let mut cluster = Cluster::new();
    cluster.put_key_policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":["{ADMIN}","{EXT}"]}},"Action":"kms:*","Resource":"*"}}}}"#
    ));
    cluster.put_policy(EXT, ALLOW_ALL);
    let by_arn = grant(1, CAROL, |g| {
        g.key = key_arn(1).to_string().parse().unwrap()
    });
    let made = made(cluster.done(EXT, by_arn));
    let retire = |who: &str| {
        let command = retire_grant::RetireGrant {
            key: key_arn(1).to_string().parse().unwrap(),
            grant_id: made.id.to_string().into(),
            dry_run: DryRun::No,
        };
        code(cluster.copy().run(who, Command::RetireGrant(command)))
    };
    assert_eq!(retire(&format!("arn:aws:iam::{OTHER}:root")), "done");
    assert_eq!(retire(&format!("arn:aws:iam::{OWNER}:root")), "done");
    assert_eq!(retire(BOB), "AccessDeniedException");
}

/// U-8, G-18: a grant of the same name by another account is another grant.
#[test]
fn issuing_account_is_part_of_a_retry() {
    let mut cluster = Cluster::new();
    cluster.put_key_policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":["{ADMIN}","{EXT}"]}},"Action":"kms:*","Resource":"*"}}}}"#
    ));
    cluster.put_policy(EXT, ALLOW_ALL);
    let named = |n| {
        grant(n, CAROL, |g| {
            g.key = key_arn(1).to_string().parse().unwrap();
            g.name = Some("n".into());
        })
    };
    let own = made(cluster.done(ADMIN, named(1)));
    let foreign = made(cluster.done(EXT, named(2)));
    assert_ne!(own.id, foreign.id);
    assert_eq!(made(cluster.done(ADMIN, named(3))).id, own.id);
    assert_eq!(made(cluster.done(EXT, named(4))).id, foreign.id);
}

/// U-10, G-23: a context constraint on a key without encryption contexts is a ValidationException; U-11, U-21: an empty
/// map is absent, two constraints are one too many; U-26: a service is no GranteePrincipal.
#[test]
fn constraints_that_cannot_be_are_refused_as_chosen() {
    let mut cluster = Cluster::new();
    let context = || Arc::new(pairs(&[("a", "1")]));
    let equals = grant(1, BOB, |g| g.context_equals = context());
    let mut signing = cluster.copy();
    signing.set_key(|key| {
        key.spec = KeySpec::Rsa2048;
        key.usage = KeyUsage::SignVerify;
    });
    let mut on_signing = create_grant(1, BOB);
    on_signing.operations = vec![GrantOperation::Sign];
    on_signing.context_equals = context();
    let refused = signing.refusal(ADMIN, Command::CreateGrant(on_signing));
    assert_eq!(refused.0, "ValidationException");
    assert!(
        made(cluster.done(ADMIN, equals))
            .constraints
            .context
            .is_some()
    );
    let empty = made(cluster.done(ADMIN, grant(2, BOB, |_| ())));
    assert!(empty.constraints.context.is_none());
    let both = grant(3, BOB, |g| {
        g.context_equals = context();
        g.context_subset = context();
    });
    assert_eq!(
        cluster.refusal(ADMIN, both),
        (
            "ValidationException",
            "More than one constraint supplied".into()
        )
    );
    let service = cluster.refusal(ADMIN, grant(4, "ec2.amazonaws.com", |_| ()));
    assert_eq!(service.0, "InvalidArnException");
}

/// ST-4, U-14: the shape of a request comes before the key, the key before permission, permission before the key's state.
#[test]
fn checks_come_in_order() {
    let mut cluster = Cluster::new();
    cluster.set_key_state(KeyState::PendingDeletion);
    let ask = |who: &str, key, bad: bool| {
        let command = grant(1, BOB, |g| {
            g.key = key;
            if bad {
                g.operations = Vec::new();
            }
        });
        code(cluster.copy().run(who, command))
    };
    assert_eq!(ask(BOB, key(9), true), "ValidationException");
    assert_eq!(ask(BOB, key(9), false), "NotFoundException");
    assert_eq!(ask(BOB, key(1), false), "AccessDeniedException");
    assert_eq!(ask(ADMIN, key(1), false), "KMSInvalidStateException");
    let enable = |who: &str| {
        let command = enable_key::EnableKey { key: key(1) };
        code(cluster.copy().run(who, Command::EnableKey(command)))
    };
    assert_eq!(enable(BOB), "AccessDeniedException");
    assert_eq!(enable(ADMIN), "KMSInvalidStateException");
}

/// P-13, D-6: an identity policy's Deny acts whatever the key policy says; its Allow needs the key policy.
#[test]
fn identity_deny_needs_no_enablement_and_allow_does() {
    let mut cluster = closed();
    cluster.put_policy(BOB, ALLOW_ALL);
    assert!(!allows(&cluster, BOB, KmsAction::Decrypt));
    cluster.put_key_policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":["{ADMIN}","{BOB}"]}},"Action":"kms:*","Resource":"*"}}}}"#
    ));
    assert!(allows(&cluster, BOB, KmsAction::Decrypt));
    cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*"}}"#);
    assert!(!allows(&cluster, BOB, KmsAction::Decrypt));
    assert!(allows(&cluster, BOB, KmsAction::Encrypt));
}

/// P-26, U-16: several principals are an OR; a federated principal matches nobody.
#[test]
fn principals_of_a_statement_are_an_or() {
    let mut cluster = Cluster::new();
    cluster.put_key_policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":["{ADMIN}","{BOB}","{CAROL}"],"Federated":"cognito-identity.amazonaws.com"}},"Action":"kms:*","Resource":"*"}}}}"#
    ));
    for who in [ADMIN, BOB, CAROL] {
        assert!(allows(&cluster, who, KmsAction::Decrypt), "{who}");
    }
    assert!(!allows(&cluster, EXT, KmsAction::Decrypt));
    assert!(!allows(
        &cluster,
        "cognito-identity.amazonaws.com",
        KmsAction::Decrypt
    ));
}

/// C-14, C-10, CK-42: every condition of a statement must hold, the values of one key are an OR, and a multivalued key
/// without a set operator matches when some value does.
#[test]
fn conditions_are_an_and_and_values_an_or() {
    let mut cluster = Cluster::new();
    let conditions = r#""StringEquals":{"kms:MacAlgorithm":["HMAC_SHA_256","HMAC_SHA_512"],"kms:KeyOrigin":"AWS_KMS"}"#;
    cluster.put_policy(BOB, &format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{{conditions}}}}}}}"#));
    let with = |cluster: &Cluster, algorithm: &str| {
        let mut bob = caller(BOB);
        bob.facts.context.insert(
            "kms:macalgorithm".into(),
            ContextEntry::Single(algorithm.into()),
        );
        allowed(
            cluster,
            &bob,
            KmsAction::GenerateMac,
            &EncryptionContext::new(),
        )
    };
    assert!(with(&cluster, "HMAC_SHA_256") && with(&cluster, "HMAC_SHA_512"));
    assert!(!with(&cluster, "HMAC_SHA_384"));
    cluster.set_key(|key| key.origin = crate::domain::state::key::KeyOrigin::External);
    assert!(!with(&cluster, "HMAC_SHA_256"), "one condition fails");
    cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContextKeys":"a"}}}}"#);
    let asking =
        |keys: &[(&str, &str)]| allowed(&cluster, &caller(BOB), KmsAction::Decrypt, &pairs(keys));
    assert!(asking(&[("a", ""), ("b", "")]));
    assert!(!asking(&[("b", "")]));
}

/// CK-41, U-19: a key policy that asks for a condition key of identity policies is refused, whichever operation brings it,
/// in AWS's words; names are compared without regard to letter case. Other kinds of policies may ask for it.
#[test]
fn keys_of_identity_policies_are_refused_in_key_policies() {
    let mut cluster = Cluster::new();
    let by = |condition: &str| -> Arc<str> {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:*","Resource":"*"}},{{"Effect":"Deny","Principal":{{"AWS":"{BOB}"}},"Action":"kms:*","Resource":"*","Condition":{condition}}}]}}"#
        )
        .into()
    };
    let put = |policy: Arc<str>| {
        Command::PutKeyPolicy(put_key_policy::PutKeyPolicy {
            key: key(1),
            policy_name: None,
            policy,
            lockout_check: Default::default(),
        })
    };
    // A replica may have a policy of its own.
    let of_set = replicate_key::tests::cluster();
    let replicate = |policy: Arc<str>| {
        Command::ReplicateKey(replicate_key::ReplicateKey {
            policy: Some(policy),
            ..replicate_key::tests::replicate("us-east-1")
        })
    };
    let text = "These condition keys are not permitted in a key policy: aws:ResourceTag, kms:ResourceTag, kms:ResourceAliases";
    for condition in [
        r#"{"StringEquals":{"aws:ResourceTag/open":"yes"}}"#,
        r#"{"StringEquals":{"AWS:resourcetag/open":"yes"}}"#,
        r#"{"Null":{"aws:ResourceTag/open":"true"}}"#,
        r#"{"StringEquals":{"kms:ResourceTag/open":"yes"}}"#,
        r#"{"StringEquals":{"kms:ResourceTag":"yes"}}"#,
        r#"{"ForAnyValue:StringLike":{"KMS:ResourceAliases":"alias/a"}}"#,
    ] {
        let (code, message) = cluster.refusal(ADMIN, put(by(condition)));
        assert_eq!(code, "MalformedPolicyDocumentException", "{condition}");
        assert!(message.starts_with(text), "{message}");
        let creation = creation::CreateKey {
            policy: Some(by(condition)),
            ..create_key(2)
        };
        let (code, message) = cluster.refusal(ADMIN, Command::CreateKey(creation));
        assert_eq!(code, "MalformedPolicyDocumentException", "{condition}");
        assert!(message.starts_with(text), "{message}");
        let (code, message) = of_set.refusal(ADMIN, replicate(by(condition)));
        assert_eq!(code, "MalformedPolicyDocumentException", "{condition}");
        assert!(message.starts_with(text), "{message}");
    }
    for condition in [
        r#"{"StringEquals":{"aws:RequestTag/open":"yes"}}"#,
        r#"{"StringEquals":{"aws:ResourceTagged":"yes"}}"#,
        r#"{"StringEquals":{"kms:RequestAlias":"alias/a"}}"#,
    ] {
        cluster.done(ADMIN, put(by(condition)));
        of_set.copy().done(ADMIN, replicate(by(condition)));
    }
    let of_identity = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/open":"yes"}}}}"#;
    cluster.put_policy(BOB, of_identity);
}

/// U-15, P-6: an overly permissive condition is a MalformedPolicyDocumentException that says so.
#[test]
fn overly_permissive_condition_is_a_malformed_document() {
    let cluster = Cluster::new();
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:*","Resource":"*","Condition":{{"ForAllValues:StringEquals":{{"kms:EncryptionContext:a":"b"}}}}}}}}"#
    );
    let command = put_key_policy::PutKeyPolicy {
        key: key(1),
        policy_name: None,
        policy: policy.into(),
        lockout_check: Default::default(),
    };
    let (code, message) = cluster.refusal(ADMIN, Command::PutKeyPolicy(command));
    assert_eq!(code, "MalformedPolicyDocumentException");
    assert!(message.contains("OverlyPermissiveCondition"), "{message}");
}

/// U-1, ID-5: alias/aws/ is for nobody.
#[test]
fn aliases_of_aws_are_refused() {
    let cluster = Cluster::new();
    let named = |alias: &str| {
        let command = create_alias::CreateAlias {
            alias: alias.into(),
            target: key(1),
        };
        code(cluster.copy().run(ADMIN, Command::CreateAlias(command)))
    };
    assert_eq!(named("alias/aws/s3"), "NotAuthorizedException");
    assert_eq!(named("alias/aws"), "done");
    assert_eq!(named("alias/AWS/s3"), "done");
}

/// ID-20, ID-21: a session is its role, its own ARN and its account; aws:PrincipalArn is the user's, the role's or the
/// root's.
#[test]
fn caller_is_known_by_its_identities() {
    let root = format!("arn:aws:iam::{OWNER}:root");
    for (who, named) in [
        (caller(BOB), BOB),
        (session("one"), APP),
        (caller(&root), &*root),
    ] {
        for (condition, expected) in [(named, true), (CAROL, false)] {
            let mut cluster = Cluster::new();
            cluster.put_key_policy(&format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:*","Resource":"*"}},{{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{{"ArnEquals":{{"aws:PrincipalArn":"{condition}"}}}}}}]}}"#
            ));
            let may = allowed(
                &cluster,
                &who,
                KmsAction::Decrypt,
                &EncryptionContext::new(),
            );
            assert_eq!(may, expected, "{named} {condition}");
        }
    }
}

/// U-23, D-12: `*` in a key policy is not limited by what a session policy does not allow.
#[test]
fn everyone_is_not_limited_by_a_session_policy() {
    let mut cluster = Cluster::new();
    cluster.put_key_policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:*","Resource":"*"}},{{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}}]}}"#
    ));
    let mut narrow = session("one");
    if let crate::domain::authz::caller::Identity::RoleSession { session_policy, .. } =
        &mut narrow.identity
    {
        let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
        *session_policy = Some(Policy::parse(text, PolicyKind::Session).unwrap());
    }
    let none = EncryptionContext::new();
    assert!(allowed(&cluster, &narrow, KmsAction::Decrypt, &none));
    cluster.put_key_policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":["{ADMIN}","{APP}"]}},"Action":"kms:*","Resource":"*"}}}}"#
    ));
    assert!(!allowed(&cluster, &narrow, KmsAction::Decrypt, &none));
}

/// E-5, E-6, EC-6, EC-9: a tag is permission at once, and so whoever may tag decides who may use the key.
#[test]
fn tag_is_permission_at_once() {
    let mut cluster = Cluster::new();
    cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"blue"}}}}"#);
    assert!(!allows(&cluster, BOB, KmsAction::Decrypt));
    cluster.put_policy(CAROL, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:TagResource","Resource":"*"}}"#);
    let tag = tag_resource::TagResource {
        key: key(1),
        tags: vec![("team".into(), "blue".into())],
    };
    cluster.done(CAROL, Command::TagResource(tag));
    assert!(allows(&cluster, BOB, KmsAction::Decrypt));
}

/// X-10, X-11: a grantee that does not exist reads otherwise than one that cannot be.
#[test]
fn missing_grantee_reads_otherwise_than_a_malformed_one() {
    let cluster = Cluster::new();
    let refused = |grantee: &str| cluster.refusal(ADMIN, grant(1, grantee, |_| ()));
    let missing = refused("arn:aws:iam::111122223333:user/nobody");
    let malformed = refused("arn:aws:iam::111122223333:group/people");
    assert_eq!(
        (missing.0, malformed.0),
        ("InvalidArnException", "InvalidArnException")
    );
    assert!(missing.1.contains("does not exist"), "{}", missing.1);
    assert!(!malformed.1.contains("does not exist"), "{}", malformed.1);
}

/// X-9, ID-18: a grant whose grantee is gone stays listed, and does not come back to life with the name.
#[test]
fn grant_of_a_deleted_principal_stays_and_gives_nothing() {
    let mut cluster = closed();
    let made = made(cluster.done(ADMIN, grant(1, BOB, |_| ())));
    assert!(allows(&cluster, BOB, KmsAction::Decrypt));
    let root = format!("arn:aws:iam::{OWNER}:root");
    let delete = delete_principal::DeletePrincipal { arn: arn(BOB) };
    cluster.done(&root, Command::DeletePrincipal(delete));
    cluster.make_principal(BOB, 1);
    let mut again = caller(BOB);
    if let crate::domain::authz::caller::Identity::User { unique_id: id, .. } = &mut again.identity
    {
        *id = unique_id(&arn(BOB), 1);
    }
    let none = EncryptionContext::new();
    assert!(!allowed(&cluster, &again, KmsAction::Decrypt, &none));
    assert!(cluster.state.grants().get(&made.id).is_some());
}

/// X-12, M-2: an administrator's denial names what is missing: the key policy.
#[test]
fn administrator_is_told_that_the_key_policy_is_missing() {
    let mut cluster = closed();
    cluster.put_policy(BOB, ALLOW_ALL);
    let disable = disable_key::DisableKey { key: key(1) };
    let (code, message) = cluster.refusal(BOB, Command::DisableKey(disable));
    assert_eq!(code, "AccessDeniedException");
    assert!(
        message.ends_with("because no resource-based policy allows the kms:DisableKey action"),
        "{message}"
    );
}

/// W-8, G-6: a listing of enumerations that is closed: nineteen operations, twenty key specs, five usages.
#[test]
fn enumerations_are_those_of_the_model() {
    assert_eq!(GrantOperation::ALL.len(), 19);
    assert_eq!(KeySpec::ALL.len(), 20);
    assert_eq!(KeyUsage::ALL.len(), 5);
    assert_eq!(KeyState::ALL.len(), 8);
    for text in ["ReEncrypt", "ListGrants", "decrypt", ""] {
        assert!(text.parse::<GrantOperation>().is_err(), "{text}");
    }
    for text in ["RSA_1024", "symmetric_default", ""] {
        assert!(text.parse::<KeySpec>().is_err(), "{text}");
    }
}

/// EC-1, EC-3, EC-9, G-56: a revoke acts at once, on the state that it was applied to.
#[test]
fn revoked_grant_gives_nothing_at_once() {
    let mut cluster = closed();
    let made = made(cluster.done(ADMIN, grant(1, BOB, |_| ())));
    assert!(allows(&cluster, BOB, KmsAction::Decrypt));
    cluster.done(ADMIN, revoke(&made));
    assert!(!allows(&cluster, BOB, KmsAction::Decrypt));
    assert_eq!(code(cluster.run(ADMIN, revoke(&made))), "NotFoundException");
}

/// E-8, CK-27: the name by which a key is described is the request's; an alias of another key gives another answer.
#[test]
fn alias_identifies_one_key() {
    let mut cluster = Cluster::new();
    cluster.done(ADMIN, Command::CreateKey(create_key(2)));
    for (alias, n) in [("alias/test1", 1), ("alias/test2", 2)] {
        let command = create_alias::CreateAlias {
            alias: alias.into(),
            target: key(n),
        };
        cluster.done(ADMIN, Command::CreateAlias(command));
    }
    cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:DescribeKey","Resource":"*","Condition":{"StringLike":{"kms:RequestAlias":"alias/test*"}}}}"#);
    let describe = |name: &str| {
        let question = describe_key::DescribeKey {
            key: name.parse().unwrap(),
        };
        match cluster.ask(BOB, Query::DescribeKey(question)) {
            Ok(Answer::Key(described)) => described.key.arn.key_id.to_string(),
            Ok(other) => panic!("{other:?}"),
            Err((code, _)) => code.to_string(),
        }
    };
    assert_eq!(describe("alias/test1"), key_id(1).to_string());
    assert_eq!(describe("alias/test2"), key_id(2).to_string());
    assert_eq!(describe(&key_id(1).to_string()), "AccessDeniedException");
}

/// EC-13: only the cluster itself takes out what has expired.
#[test]
fn expire_grants_is_for_the_cluster_itself() {
    let cluster = Cluster::new();
    let command = || Command::ExpireGrants(expire_grants::ExpireGrants {});
    check_rows(vec![
        (
            "an administrator",
            cluster.refusal(ADMIN, command()),
            "AccessDeniedException",
            "grantd:ExpireGrants is for the cluster itself alone",
        ),
        (
            "the operator",
            cluster.refusal("operator", command()),
            "AccessDeniedException",
            "grantd:ExpireGrants",
        ),
    ]);
    assert_eq!(code(cluster.copy().run("system", command())), "done");
}
