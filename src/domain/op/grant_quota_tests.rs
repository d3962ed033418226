//! 50,000 grants on one key: the quota, the listing while grants come and go, and the work of a decision.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::apply;
use super::list_grants::ListGrants;
use super::revoke_grant::RevokeGrant;
use super::testing::{ADMIN, APP, BOB, CAROL, Cluster, caller, create_grant, key, key_arn, page};
use super::{Answer, Command, Output, Query};
use crate::domain::ids::GrantId;
use crate::domain::limits::GRANTS_PER_KEY_MAX;
use crate::domain::state::grant::{
    ContextConstraint, EncryptionContext, Grant, GrantConstraints, GrantOperation, GrantOperations,
    GrantPrincipal, Term,
};
use crate::domain::state::grant_index::{GrantIndex, Holder, Offer, Purse};
use crate::domain::time::{Revision, Timestamp};

/// An id whose order is that of a shuffle: ids are random, so grants come at every place of a listing.
fn id(n: u32) -> GrantId {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&n.wrapping_mul(0x9E37_79B1).to_be_bytes());
    GrantId(id)
}

/// Applies without the checks that `Cluster::apply` adds to each: 50,000 times they would be most of the work.
fn run(cluster: &mut Cluster, command: Command) -> Result<Output, &'static str> {
    let entry = cluster.entry(&caller(ADMIN), None, command);
    cluster.at += 1;
    apply(&mut cluster.state, Revision(cluster.at), &entry)
        .outcome
        .map_err(|rejection| rejection.code.as_str())
}

fn create(cluster: &mut Cluster, n: u32, name: Option<&str>) -> Result<GrantId, &'static str> {
    let mut command = create_grant(0, [BOB, CAROL, APP][n as usize % 3]);
    command.grant_id = id(n);
    command.context_equals = Arc::new([("object".into(), (n % 1_000).to_string().into())].into());
    command.name = name.map(Into::into);
    match run(cluster, Command::CreateGrant(command))? {
        Output::Grant(created) => Ok(created.id),
        other => panic!("{other:?}"),
    }
}

fn revoke(cluster: &mut Cluster, n: u32) {
    let command = RevokeGrant {
        key: key(1),
        grant_id: id(n).to_string().into(),
        dry_run: Default::default(),
        descendants: Default::default(),
    };
    run(cluster, Command::RevokeGrant(command)).unwrap();
}

/// G-19, U-9, G-32: a key takes 50,000 grants and not one more; a named retry succeeds at the limit, and a slot that is
/// freed is free; the listing shows each grant that stays exactly once, whatever comes and goes between its pages.
#[test]
fn key_takes_fifty_thousand_grants_and_lists_each_once() {
    let max = GRANTS_PER_KEY_MAX;
    let mut cluster = Cluster::new();
    for n in 0..max {
        let name = (n == 7).then_some("n");
        assert_eq!(create(&mut cluster, n, name), Ok(id(n)), "{n}");
    }
    assert_eq!(cluster.state.grants().count(&key_arn(1)), max);
    assert_eq!(
        create(&mut cluster, max, None),
        Err("LimitExceededException")
    );
    // The named one again, under another new id: it finds itself.
    let mut again = create_grant(0, CAROL);
    again.grant_id = id(max);
    again.context_equals = Arc::new([("object".into(), "7".into())].into());
    again.name = Some("n".into());
    match run(&mut cluster, Command::CreateGrant(again)) {
        Ok(Output::Grant(created)) => assert_eq!(created.id, id(7)),
        other => panic!("{other:?}"),
    }
    revoke(&mut cluster, 100);
    assert_eq!(create(&mut cluster, max, None), Ok(id(max)));
    assert_eq!(
        create(&mut cluster, 100, None),
        Err("LimitExceededException")
    );

    // Before each page two grants go and two come, anywhere in the order.
    let (mut seen, mut marker, mut pages) = (Vec::new(), None, 0);
    let (mut gone, mut come): (BTreeSet<GrantId>, BTreeSet<GrantId>) = Default::default();
    loop {
        let question = Query::ListGrants(ListGrants {
            key: key(1),
            grant_id: None,
            grantee: None,
            grantee_service: None,
            page: page(100, marker),
        });
        let Ok(Answer::Grants(paged)) = cluster.ask(ADMIN, question) else {
            panic!("refused");
        };
        seen.extend(paged.items.iter().map(|grant| grant.id));
        marker = paged.next;
        pages += 1;
        if marker.is_none() {
            break;
        }
        for half in 0..2 {
            let (old, new) = (200 + pages * 2 + half, max + pages * 2 + half);
            revoke(&mut cluster, old);
            gone.insert(id(old));
            create(&mut cluster, new, None).unwrap();
            come.insert(id(new));
        }
    }
    assert!(pages >= 50);
    let distinct: BTreeSet<GrantId> = seen.iter().copied().collect();
    assert_eq!(distinct.len(), seen.len(), "a grant was listed twice");
    assert!(seen.is_sorted());
    for n in (0..=max).filter(|n| *n != 100) {
        let id = id(n);
        assert!(distinct.contains(&id) || gone.contains(&id), "{n} was lost");
    }
    let made: BTreeSet<GrantId> = (0..=max).map(id).chain(come).collect();
    assert!(distinct.is_subset(&made));
}

/// How the grants of one grantee on one key differ from one another.
#[derive(Clone, Copy, Debug)]
enum Spread {
    /// In nothing.
    Alike,
    /// In their Equals.
    Contexts,
    /// In one pair of their Subset; another they share.
    Subsets,
    /// In their ends, which are past for all but the first.
    Expired,
    /// All but the first have spent their budget.
    Spent,
    /// In their operations: every second lacks the one that is asked for.
    Operations,
}

fn grant(n: u32, spread: Spread) -> Grant {
    let decrypt = GrantOperations::from_iter([GrantOperation::Decrypt]);
    let pairs = |own: &str| -> Arc<EncryptionContext> {
        let pairs = [("tenant", "acme".to_owned()), (own, n.to_string())];
        Arc::new(pairs.map(|(k, v)| (k.into(), v.into())).into())
    };
    let context = match spread {
        Spread::Contexts => Some(ContextConstraint::Equals(pairs("object"))),
        Spread::Subsets => Some(ContextConstraint::Subset(pairs("object"))),
        Spread::Alike | Spread::Expired | Spread::Spent | Spread::Operations => None,
    };
    let term = match spread {
        Spread::Expired if n > 0 => Term {
            expires_at: Some(Timestamp::from_millis(1 + u64::from(n))),
            uses: None,
        },
        Spread::Spent if n > 0 => Term {
            expires_at: None,
            uses: Some(1),
        },
        _ => Term::default(),
    };
    Grant {
        id: id(n),
        key: key_arn(1),
        grantee: holder_named(),
        retiring: None,
        operations: match spread {
            Spread::Operations if n % 2 == 1 => {
                GrantOperations::from_iter([GrantOperation::Encrypt])
            }
            _ => decrypt,
        },
        constraints: GrantConstraints {
            context,
            source_arn: None,
            term,
        },
        name: None,
        issuing_account: key_arn(1).account,
        created_at: Timestamp::from_millis(0),
        born: Revision(1),
        spent: term.uses.unwrap_or_default(),
        ancestors: Vec::new(),
        epoch: 1,
    }
}

fn holder_named() -> GrantPrincipal {
    GrantPrincipal::Arn {
        arn: BOB.parse().unwrap(),
        unique_id: "AIDAABCDEFGHIJKLMNOP".parse().unwrap(),
    }
}

/// DESIGN, G-30: however a grantee's 50,000 grants on one key differ, a decision looks at as many of them as when there
/// is one: at that which allows, or where none does, at none.
#[test]
fn decision_looks_at_no_more_grants_among_fifty_thousand_than_at_one() {
    use Spread::{Alike, Contexts, Expired, Operations, Spent, Subsets};
    let pairs = |object: u32| -> EncryptionContext {
        let pairs = [
            ("tenant", "acme".to_owned()),
            ("object", object.to_string()),
        ];
        pairs.map(|(k, v)| (k.into(), v.into())).into()
    };
    let looked_at = |index: &GrantIndex, context: &EncryptionContext| {
        let looked = Cell::new(0);
        let offer = Offer {
            operation: GrantOperation::Decrypt,
            context,
            source_arn: None,
            purse: Purse::Unbudgeted,
            now: Timestamp::from_millis(1_000_000),
        };
        let accept = |grant: &Grant| {
            looked.set(looked.get() + 1);
            match &grant.constraints.context {
                None => true,
                Some(ContextConstraint::Equals(wanted)) => **wanted == *context,
                Some(ContextConstraint::Subset(wanted)) => {
                    wanted.iter().all(|(k, v)| context.get(k) == Some(v))
                }
            }
        };
        let holder = Holder::from(&holder_named());
        let found = index.find(&key_arn(1), &holder, &offer, &accept);
        (looked.get(), found.map(|grant| grant.id))
    };
    // All of them at the quota would take half a minute unoptimized; what differs is by what they differ.
    let (all, some) = (GRANTS_PER_KEY_MAX, GRANTS_PER_KEY_MAX / 20);
    for (spread, count) in [
        (Alike, all),
        (Contexts, some),
        (Subsets, all),
        (Expired, some),
        (Spent, some),
        (Operations, some),
    ] {
        let mut index = GrantIndex::default();
        index.put(Arc::new(grant(0, spread)));
        let one = looked_at(&index, &pairs(0));
        assert_eq!(one, (1, Some(id(0))), "{spread:?}");
        (1..count).for_each(|n| index.put(Arc::new(grant(n, spread))));
        let (looked, found) = looked_at(&index, &pairs(0));
        // A Subset stands under the rarest of its pairs: a request has as many places to look as it has pairs.
        let most = if matches!(spread, Subsets) { 2 } else { 1 };
        assert!(looked <= most, "{spread:?}: {looked} were looked at");
        assert_eq!(found, Some(id(0)), "{spread:?}");
        if matches!(spread, Contexts | Subsets) {
            let (looked, found) = looked_at(&index, &pairs(count));
            assert!(looked <= 1, "{spread:?}: {looked} were looked at");
            assert_eq!(found, None, "{spread:?}");
        }
    }
}
