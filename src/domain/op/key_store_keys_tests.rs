//! The keys in a store.

use super::key_store_tests::*;

/// K-5, K-7, W-4: CreateKey in a store; the rest of its checks are with the operation.
#[test]
fn create_key_in_a_store_refuses_in_the_order_of_its_checks() {
    let mut cluster = connected();
    make_key(&mut cluster, key_in(5, 2, KeyOrigin::ExternalKeyStore));
    let no = |origin: KeyOrigin, change: fn(&mut create_key_op::CreateKey)| {
        let store = if origin == KeyOrigin::ExternalKeyStore {
            2
        } else {
            1
        };
        let mut create = key_in(6, store, origin);
        change(&mut create);
        cluster.refusal(ADMIN, Command::CreateKey(create))
    };
    let (in_hsm, outside) = (KeyOrigin::AwsCloudHsm, KeyOrigin::ExternalKeyStore);
    let unsupported = "UnsupportedOperationException";
    check_rows(vec![
        (
            "no store",
            no(in_hsm, |c| c.custom_key_store = None),
            "ValidationException",
            "Value null at 'customKeyStoreId'",
        ),
        (
            "no origin",
            no(in_hsm, |c| c.origin = KeyOrigin::AwsKms),
            "ValidationException",
            "'customKeyStoreId' is not for a key of origin AWS_KMS",
        ),
        (
            "no external key",
            no(outside, |c| c.xks_key = None),
            "ValidationException",
            "Value null at 'xksKeyId'",
        ),
        (
            "external key in a cluster",
            no(in_hsm, |c| c.xks_key = "a".parse().ok()),
            "ValidationException",
            "'xksKeyId' is for a key of origin",
        ),
        (
            "another spec",
            no(in_hsm, |c| {
                c.spec = KeySpec::Hmac256;
                c.usage = Some(crate::domain::state::key::KeyUsage::GenerateVerifyMac);
            }),
            unsupported,
            "SYMMETRIC_DEFAULT",
        ),
        (
            "multi-Region",
            no(in_hsm, |c| {
                c.multi_region = create_key_op::MultiRegion::Primary;
                c.key_id = crate::domain::ids::KeyId::MultiRegion([6; 16]);
            }),
            unsupported,
            "multi-Region",
        ),
        (
            "unknown store",
            no(in_hsm, |c| c.custom_key_store = Some(id(9))),
            "CustomKeyStoreNotFoundException",
            "does not exist",
        ),
        (
            "another type",
            no(in_hsm, |c| c.custom_key_store = Some(id(2))),
            unsupported,
            "EXTERNAL_KEY_STORE",
        ),
        (
            "external key in use",
            no(outside, |c| c.xks_key = "xks-5".parse().ok()),
            "XksKeyAlreadyInUseException",
            &key_arn(5).to_string(),
        ),
    ]);
    for connection in ALL_STATES {
        let refused = in_state(connection).run(ADMIN, Command::CreateKey(key_in(7, 1, in_hsm)));
        match connection {
            Connection::Connected => assert!(refused.is_ok()),
            _ => assert_eq!(refused.unwrap_err().0, INVALID_STATE),
        }
    }
    // The same external key of another store is another key.
    let mut twin = connected();
    twin.done(ADMIN, created(private(4)));
    twin.done(ADMIN, connect(4));
    twin.done("operator", report(4, None, Report::Connected));
    make_key(&mut twin, key_in(5, 2, outside));
    let mut other = key_in(6, 4, outside);
    other.xks_key = "xks-5".parse().ok();
    make_key(&mut twin, other);
}

fn seen(cluster: &Cluster, n: u8) -> KeyState {
    let text = key_arn(n).to_string();
    let question = describe_key::DescribeKey {
        key: text.parse().unwrap(),
    };
    match cluster.ask(ADMIN, Query::DescribeKey(question)) {
        Ok(Answer::Key(described)) => described.key.state,
        other => panic!("{other:?}"),
    }
}

/// K-12, ST-2: keys are Unavailable while their store is not connected, can be managed all the while, and have their own
/// state again afterwards; one that is pending deletion stays so.
#[test]
fn keys_of_a_disconnected_store_are_unavailable_and_manageable() {
    let mut cluster = connected();
    for n in [5, 6, 7] {
        make_key(&mut cluster, key_in(n, 1, KeyOrigin::AwsCloudHsm));
    }
    let mut pending = (**cluster.state.key(&key_arn(7)).unwrap()).clone();
    pending.state = KeyState::PendingDeletion;
    cluster.state.put_key(Arc::new(pending));
    assert_eq!(
        [5, 6, 7].map(|n| seen(&cluster, n)),
        [
            KeyState::Enabled,
            KeyState::Enabled,
            KeyState::PendingDeletion
        ]
    );
    cluster.done(ADMIN, disconnect(1));
    for report_of in [None, Some(Report::Disconnected)] {
        if let Some(report_of) = report_of {
            cluster.done("operator", report(1, None, report_of));
        }
        assert_eq!(
            [5, 6, 7].map(|n| seen(&cluster, n)),
            [
                KeyState::Unavailable,
                KeyState::Unavailable,
                KeyState::PendingDeletion
            ]
        );
    }
    let key_5 = cluster.state.key(&key_arn(5)).unwrap();
    let refused = key_kinds::check_usable(KmsAction::Decrypt, &cluster.state, key_5).unwrap_err();
    assert_eq!(refused.code, ErrorCode::KmsInvalidState);
    assert_eq!(&*refused.message, format!("{} is unavailable.", key_arn(5)));
    let mut grant = create_grant(1, BOB);
    grant.key = key(5);
    cluster.done(ADMIN, Command::CreateGrant(grant));
    cluster.done(
        ADMIN,
        Command::DisableKey(disable_key::DisableKey { key: key(6) }),
    );
    assert_eq!(seen(&cluster, 6), KeyState::Unavailable);
    cluster.done(ADMIN, connect(1));
    assert_eq!(seen(&cluster, 5), KeyState::Unavailable);
    cluster.done("operator", report(1, None, Report::Connected));
    assert_eq!(
        [5, 6, 7].map(|n| seen(&cluster, n)),
        [
            KeyState::Enabled,
            KeyState::Disabled,
            KeyState::PendingDeletion
        ]
    );
    cluster.done(
        ADMIN,
        Command::EnableKey(enable_key::EnableKey { key: key(6) }),
    );
    assert_eq!(seen(&cluster, 6), KeyState::Enabled);
    let key_5 = cluster.state.key(&key_arn(5)).unwrap();
    assert_eq!(
        key_kinds::check_usable(KmsAction::Decrypt, &cluster.state, key_5),
        Ok(())
    );
}

/// K-12: a store of many keys connects and disconnects in one small write.
#[test]
fn keys_of_a_store_are_not_written_when_it_disconnects() {
    let mut cluster = connected();
    make_key(&mut cluster, key_in(5, 1, KeyOrigin::AwsCloudHsm));
    let before = Arc::clone(cluster.state.key(&key_arn(5)).unwrap());
    cluster.done(ADMIN, disconnect(1));
    assert!(Arc::ptr_eq(
        &before,
        cluster.state.key(&key_arn(5)).unwrap()
    ));
    assert_eq!(
        cluster.state.keys_of_store(&id(1)).collect::<Vec<_>>(),
        [&key_arn(5)]
    );
    assert_eq!(cluster.state.keys_of_store(&id(2)).count(), 0);
}

/// K-14, K-13, U-4: grants on the key of a store, but none of data key pairs; what DescribeKey tells of its place.
#[test]
fn key_of_a_store_takes_grants_and_tells_its_place() {
    let mut cluster = connected();
    make_key(&mut cluster, key_in(5, 1, KeyOrigin::AwsCloudHsm));
    let Output::Key(made) = cluster.done(
        ADMIN,
        Command::CreateKey(key_in(6, 2, KeyOrigin::ExternalKeyStore)),
    ) else {
        panic!("no key")
    };
    assert_eq!(made.cloud_hsm_cluster, None);
    let place = made.key.custom_key_store.unwrap();
    assert_eq!((place.store, place.xks_key), (id(2), "xks-6".parse().ok()));
    let described = crate::domain::op::KeyDescription::of(
        &cluster.state,
        (**cluster.state.key(&key_arn(5)).unwrap()).clone(),
    );
    assert_eq!(described.cloud_hsm_cluster, hsm(1).cluster);
    assert_eq!(described.key.origin, KeyOrigin::AwsCloudHsm);
    let mut grant = create_grant(1, BOB);
    grant.key = key(5);
    grant.operations = vec![GrantOperation::GenerateDataKeyPair];
    let (code, _) = cluster.refusal(ADMIN, Command::CreateGrant(grant.clone()));
    assert_eq!(code, "ValidationException");
    grant.operations = vec![GrantOperation::GenerateDataKey];
    cluster.done(ADMIN, Command::CreateGrant(grant));
}

/// K-7: random bytes come from a connected cluster alone.
#[test]
fn random_bytes_come_from_a_connected_cluster_alone() {
    let check = |cluster: &Cluster, n: u8| {
        let account = OWNER.parse().unwrap();
        let checked = key_stores::check_random_source(
            &cluster.state,
            &crate::domain::op::testing::scope(),
            account,
            &id(n),
        );
        checked.map_err(|no| no.code.as_str())
    };
    let cluster = connected();
    assert_eq!(check(&cluster, 1), Ok(()));
    assert_eq!(check(&cluster, 2), Err("UnsupportedOperationException"));
    assert_eq!(check(&cluster, 9), Err("CustomKeyStoreNotFoundException"));
    assert_eq!(
        check(&in_state(Connection::Disconnected), 1),
        Err(INVALID_STATE)
    );
}

/// K-7, U-14, G-20: of GenerateRandom permission is asked first, then the store, then whether it is a dry run; a store
/// says nothing of any other use.
#[test]
fn random_bytes_are_refused_after_permission_and_before_the_dry_run() {
    let (scope, account) = (crate::domain::op::testing::scope(), OWNER.parse().unwrap());
    let missing = id(9);
    let told = |cluster: &Cluster, who: &str, action: KmsAction, store: &CustomKeyStoreId| {
        let decision = cluster.decision_without_key(who, action);
        let source = Some(key_use::RandomSource {
            scope: &scope,
            account,
            store,
        });
        let asked = key_use::Use {
            source,
            dry_run: crate::domain::op::DryRun::Yes,
            ..Default::default()
        };
        let refusal = key_use::refusal(&cluster.state, &decision, Some(action), None, asked);
        refusal.map(|refusal| refusal.code.as_str())
    };
    let random = KmsAction::GenerateRandom;
    let cluster = connected();
    assert_eq!(
        told(&cluster, BOB, random, &missing),
        Some("AccessDeniedException")
    );
    for (cluster, store, wanted) in [
        (&cluster, &missing, "CustomKeyStoreNotFoundException"),
        (&cluster, &id(2), "UnsupportedOperationException"),
        (&in_state(Connection::Connecting), &id(1), INVALID_STATE),
        (&cluster, &id(1), "DryRunOperationException"),
    ] {
        assert_eq!(told(cluster, ADMIN, random, store), Some(wanted), "{store}");
    }
    let other = told(&cluster, ADMIN, KmsAction::ListKeys, &missing);
    assert_eq!(other, Some("DryRunOperationException"));
}

/// DESIGN: a snapshot brings stores, their keys and the indexes back; a key without its store is no state.
#[test]
fn snapshot_brings_stores_and_their_keys_back() {
    let mut cluster = connected();
    make_key(&mut cluster, key_in(5, 2, KeyOrigin::ExternalKeyStore));
    cluster.done(ADMIN, disconnect(1));
    let copy = State::import(*cluster.state.header(), cluster.state.export()).unwrap();
    assert_eq!(copy.fingerprint(), cluster.state.fingerprint());
    assert_eq!(
        copy.key_of_xks_key(&id(2), &"xks-5".parse().unwrap()),
        Some(&key_arn(5))
    );
    assert_eq!(copy.keys_of_store(&id(2)).count(), 1);
    let without = cluster
        .state
        .export()
        .filter(|fact| fact.kind() != "custom key store");
    let refused = State::import(*cluster.state.header(), without).unwrap_err();
    assert!(
        refused.to_string().contains("custom key store"),
        "{refused}"
    );
}
