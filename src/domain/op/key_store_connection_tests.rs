//! The connection of a store: asked for, ended, reported on; and the end of the store.

use super::key_store_tests::*;

/// K-6, K-7, K-8: connect.
#[test]
fn connect_custom_key_store_refuses_in_the_order_of_its_checks() {
    check_common("kms:ConnectCustomKeyStore", connect);
    assert_eq!(works(|| connect(1), 1), "Cc.c.");
    let failed = Connection::Failed(ConnectionErrorCode::NetworkErrors);
    check_rows(vec![
        (
            "on its way down",
            in_state(Connection::Disconnecting).refusal(ADMIN, connect(1)),
            INVALID_STATE,
            "wait until it is DISCONNECTED",
        ),
        (
            "failed",
            in_state(failed).refusal(ADMIN, connect(1)),
            INVALID_STATE,
            "disconnect it, mend what failed",
        ),
    ]);
}

/// K-6, K-7, K-8: disconnect.
#[test]
fn disconnect_custom_key_store_refuses_in_the_order_of_its_checks() {
    check_common("kms:DisconnectCustomKeyStore", disconnect);
    assert_eq!(works(|| disconnect(1), 1), "ddd..");
    let no = |connection| in_state(connection).refusal(ADMIN, disconnect(1));
    check_rows(vec![
        (
            "disconnected",
            no(Connection::Disconnected),
            INVALID_STATE,
            "nothing to disconnect",
        ),
        (
            "on its way down",
            no(Connection::Disconnecting),
            INVALID_STATE,
            "nothing to disconnect",
        ),
    ]);
}

/// K-7, K-9: delete; with keys never, whatever their state.
#[test]
fn delete_custom_key_store_refuses_in_the_order_of_its_checks() {
    check_common("kms:DeleteCustomKeyStore", delete);
    assert_eq!(works(|| delete(1), 1), "...x.");
    let mut cluster = connected();
    make_key(&mut cluster, key_in(5, 1, KeyOrigin::AwsCloudHsm));
    let mut key = (**cluster.state.key(&key_arn(5)).unwrap()).clone();
    key.state = KeyState::PendingDeletion;
    cluster.state.put_key(Arc::new(key));
    let connected = cluster.refusal(ADMIN, delete(1));
    cluster.done(ADMIN, disconnect(1));
    cluster.done("operator", report(1, None, Report::Disconnected));
    check_rows(vec![
        (
            "connected",
            connected,
            INVALID_STATE,
            "disconnect it before it is deleted",
        ),
        (
            "a key that is pending deletion",
            cluster.refusal(ADMIN, delete(1)),
            "CustomKeyStoreHasCMKsException",
            &key_arn(5).to_string(),
        ),
    ]);
}

/// K-6: only the attempt that is under way ends, and only as such an attempt can.
#[test]
fn report_custom_key_store_refuses_in_the_order_of_its_checks() {
    let mut cluster = connected();
    cluster.done(ADMIN, disconnect(1));
    let failed = Report::Failed(ConnectionErrorCode::XksProxyTimedOut);
    check_rows(vec![
        (
            "not the operator",
            cluster.refusal(ADMIN, report(9, None, failed)),
            "AccessDeniedException",
            "operator",
        ),
        (
            "not there",
            cluster.refusal("operator", report(9, None, failed)),
            "CustomKeyStoreNotFoundException",
            "does not exist",
        ),
        (
            "a proxy's failure",
            cluster.refusal("operator", report(1, Some(1), failed)),
            "ValidationException",
            "XKS_PROXY_TIMED_OUT",
        ),
        (
            "another attempt",
            cluster.refusal("operator", report(1, Some(1), Report::Connected)),
            INVALID_STATE,
            "another attempt",
        ),
        (
            "connected by disconnecting",
            cluster.refusal("operator", report(1, None, Report::Connected)),
            INVALID_STATE,
            "no attempt",
        ),
    ]);
    let ends = |report_of: Report| -> String {
        ALL_STATES
            .iter()
            .map(|connection| {
                match in_state(*connection).run("operator", report(1, None, report_of)) {
                    Ok(_) => 'y',
                    Err((code, _)) => {
                        assert_eq!(code, INVALID_STATE);
                        '.'
                    }
                }
            })
            .collect()
    };
    assert_eq!(ends(Report::Connected), ".y...");
    assert_eq!(
        ends(Report::Failed(ConnectionErrorCode::UserLockedOut)),
        ".y..."
    );
    assert_eq!(ends(Report::Disconnected), "....y");
}

/// K-6, K-8: the whole way, with a report that comes too late for its attempt.
#[test]
fn store_that_failed_is_disconnected_and_connected_again() {
    let mut cluster = Cluster::new();
    cluster.done(ADMIN, created(hsm(1)));
    assert_eq!(state_of(&cluster, 1), ConnectionState::Disconnected);
    cluster.done(ADMIN, connect(1));
    let first = cluster.at;
    let event = |change| Event::KeyStoreChanged(id(1), KeyStoreChange::Connection(change));
    assert_eq!(cluster.events, [event(ConnectionState::Connecting)]);
    cluster.done(ADMIN, connect(1));
    assert_eq!(cluster.events, []);
    cluster.done(
        "operator",
        report(
            1,
            Some(first),
            Report::Failed(ConnectionErrorCode::UserLockedOut),
        ),
    );
    assert_eq!(cluster.events, [event(ConnectionState::Failed)]);
    cluster.done(ADMIN, disconnect(1));
    cluster.done("operator", report(1, None, Report::Disconnected));
    cluster.done(ADMIN, connect(1));
    let second = cluster.at;
    let late = cluster.refusal("operator", report(1, Some(first), Report::Connected));
    assert_eq!(late.0, INVALID_STATE);
    cluster.done("operator", report(1, Some(second), Report::Connected));
    assert_eq!(state_of(&cluster, 1), ConnectionState::Connected);
}
