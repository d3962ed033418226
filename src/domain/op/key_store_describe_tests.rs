//! What is told of stores, and to whom.

use super::key_store_tests::*;

/// K-10, G-32: describe.
#[test]
fn describe_custom_key_stores_refuses_in_the_order_of_its_checks() {
    let cluster = connected();
    let no = |who: &str, question: Query| cluster.ask(who, question).unwrap_err();
    check_rows(vec![
        (
            "both, the operator",
            no("operator", describe(Some(1), Some("hsm 1"), page(0, None))),
            "ValidationException",
            "not by both",
        ),
        (
            "the operator",
            no("operator", describe(None, None, page(0, None))),
            "ValidationException",
            "no account",
        ),
        (
            "no entry a page",
            no(BOB, describe(None, None, page(0, None))),
            "ValidationException",
            "limit",
        ),
        (
            "a made-up marker",
            no(BOB, describe(None, None, page(1, Some("x".into())))),
            "InvalidMarkerException",
            "marker",
        ),
        (
            "no permission",
            no(BOB, describe(Some(9), None, page(1, None))),
            "AccessDeniedException",
            "kms:DescribeCustomKeyStores",
        ),
        (
            "no such id",
            no(ADMIN, describe(Some(9), None, page(1, None))),
            "CustomKeyStoreNotFoundException",
            id(9).as_str(),
        ),
        (
            "no such name",
            no(ADMIN, describe(None, Some("hsm 9"), page(1, None))),
            "CustomKeyStoreNotFoundException",
            "hsm 9",
        ),
    ]);
    let told = |who: &str, question: Query| match cluster.ask(who, question) {
        Ok(Answer::KeyStores(paged)) => paged,
        other => panic!("{other:?}"),
    };
    let (all, pages) = all_pages(|page| told(ADMIN, describe(None, None, page)), 1);
    let ids: Vec<_> = all.into_iter().map(|store| store.id).collect();
    assert_eq!((ids, pages), (vec![id(1), id(2)], 2));
    let by_name = told(ADMIN, describe(None, Some("xks 2"), page(1, None)));
    assert_eq!(by_name.items.first().unwrap().id, id(2));
    let by_id = told(ADMIN, describe(Some(2), None, page(1, None)));
    assert_eq!((by_id.items.len(), by_id.next), (1, None));
    let root = "arn:aws:iam::444455556666:root";
    assert!(
        told(root, describe(None, None, page(5, None)))
            .items
            .is_empty()
    );
    assert_eq!(
        no(EXT, describe(None, None, page(5, None))).0,
        "AccessDeniedException"
    );
}

/// K-6: the connector sees what waits, of every account, and nothing else.
#[test]
fn list_key_store_work_refuses_in_the_order_of_its_checks() {
    let mut cluster = connected();
    let list = |page| Query::ListKeyStoreWork(list_key_store_work::ListKeyStoreWork { page });
    check_rows(vec![
        (
            "no entry a page",
            cluster.ask(ADMIN, list(page(0, None))).unwrap_err(),
            "ValidationException",
            "limit",
        ),
        (
            "not the operator",
            cluster.ask(ADMIN, list(page(1, None))).unwrap_err(),
            "AccessDeniedException",
            "operator",
        ),
    ]);
    cluster.done(ADMIN, disconnect(1));
    cluster.done("arn:aws:iam::444455556666:root", created(external(3)));
    cluster.done("arn:aws:iam::444455556666:root", connect(3));
    let (all, _) = all_pages(
        |page| match cluster.ask("operator", list(page)) {
            Ok(Answer::KeyStores(paged)) => paged,
            other => panic!("{other:?}"),
        },
        1,
    );
    let waits: Vec<_> = all
        .iter()
        .map(|store| (store.id.clone(), store.connection.state()))
        .collect();
    assert_eq!(
        waits,
        [
            (id(1), ConnectionState::Disconnecting),
            (id(3), ConnectionState::Connecting)
        ]
    );
}

/// a retry of CreateCustomKeyStore answers with the id and makes no second store.
#[test]
fn retried_create_answers_with_the_first_id() {
    let mut cluster = Cluster::new();
    let birth = cluster.at;
    let mut send = |create: Create| {
        let idempotency = crate::domain::op::Idempotency {
            key: "k".into(),
            birth: Revision(birth),
            request_hash: [1; 32],
        };
        let entry = cluster.entry(
            &crate::domain::op::testing::caller(ADMIN),
            Some(idempotency),
            created(create),
        );
        match cluster.apply(&entry) {
            Ok(Output::KeyStore(id)) => id,
            other => panic!("{other:?}"),
        }
    };
    let mut retry = hsm(1);
    retry.id = id(2);
    assert_eq!((send(hsm(1)), send(retry)), (id(1), id(1)));
}
