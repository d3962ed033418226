//! Any value comes back as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::samples;
use crate::domain::authz::caller::{Caller, ContextEntry, Identity, RequestFacts};
use crate::domain::ids::{
    AccountId, CustomKeyStoreId, GrantId, KeyId, KeyRef, Partition, RequestId, UniqueId, XksKeyId,
};
use crate::domain::op::create_key::MultiRegion;
use crate::domain::op::{self, Command, CreatedGrant, DryRun, Entry, LockoutCheck, Output};
use crate::domain::op::{ErrorCode, Idempotency, Rejection, Scope, Semantics};
use crate::domain::state::grant::{
    ContextConstraint, Grant, GrantConstraints, GrantOperation, GrantPrincipal, Term,
};
use crate::domain::state::key::{KeyOrigin, KeySpec, KeyUsage};
use crate::domain::time::{Revision, Timestamp};
use crate::wire::stored::{
    DraftRef, decode_draft, decode_entry, decode_outcome, encode_draft, encode_entry,
    encode_outcome,
};

fn text() -> impl Strategy<Value = Arc<str>> {
    ".{0,24}".prop_map(Arc::from)
}

fn pairs() -> impl Strategy<Value = BTreeMap<Arc<str>, Arc<str>>> {
    btree_map(text(), text(), 0..4)
}

fn account() -> impl Strategy<Value = AccountId> {
    (0u64..1_000_000_000_000).prop_map(|number| AccountId::from_number(number).unwrap())
}

fn key_id() -> impl Strategy<Value = KeyId> {
    prop_oneof![
        any::<[u8; 16]>().prop_map(KeyId::Uuid),
        any::<[u8; 16]>().prop_map(KeyId::MultiRegion),
    ]
}

fn key_ref() -> impl Strategy<Value = KeyRef> {
    prop_oneof![
        key_id().prop_map(KeyRef::Id),
        (account(), key_id()).prop_map(|(account, key)| {
            format!("arn:aws-cn:kms:cn-north-1:{account}:key/{key}")
                .parse()
                .unwrap()
        }),
        "alias/[a-zA-Z0-9/_-]{1,20}".prop_map(|alias| alias.parse().unwrap()),
        (account(), "[a-zA-Z0-9/_-]{1,20}").prop_map(|(account, alias)| {
            format!("arn:aws:kms:eu-west-1:{account}:alias/{alias}")
                .parse()
                .unwrap()
        }),
    ]
}

fn user() -> impl Strategy<Value = crate::domain::ids::PrincipalArn> {
    (account(), "[a-z]{1,8}", option::of("[a-z]{1,8}")).prop_map(|(account, name, path)| {
        let path = path.map(|path| path + "/").unwrap_or_default();
        format!("arn:aws:iam::{account}:user/{path}{name}")
            .parse()
            .unwrap()
    })
}

fn operations() -> impl Strategy<Value = BTreeSet<GrantOperation>> {
    btree_set(proptest::sample::select(GrantOperation::ALL), 0..8)
}

fn term() -> impl Strategy<Value = Term> {
    (option::of(any::<u64>()), option::of(any::<u32>())).prop_map(|(end, uses)| Term {
        expires_at: end.map(Timestamp::from_millis),
        uses,
    })
}

fn dry_run() -> impl Strategy<Value = DryRun> {
    prop_oneof![Just(DryRun::No), Just(DryRun::Yes)]
}

fn lockout_check() -> impl Strategy<Value = LockoutCheck> {
    prop_oneof![
        Just(LockoutCheck::Unset),
        Just(LockoutCheck::Run),
        Just(LockoutCheck::Bypass)
    ]
}

fn create_key() -> impl Strategy<Value = Command> {
    let multi_region = prop_oneof![Just(MultiRegion::No), Just(MultiRegion::Primary)];
    (
        (account(), proptest::sample::select(&Partition::ALL[..])),
        (key_id(), text(), option::of(text()), pairs()),
        proptest::sample::select(KeySpec::ALL),
        option::of(proptest::sample::select(KeyUsage::ALL)),
        proptest::sample::select(KeyOrigin::ALL),
        (multi_region, lockout_check(), store_key()),
    )
        .prop_map(
            |(
                (account, partition),
                (key_id, description, policy, tags),
                spec,
                usage,
                origin,
                (multi_region, lockout_check, (custom_key_store, xks_key)),
            )| {
                Command::CreateKey(op::create_key::CreateKey {
                    account,
                    partition,
                    region: "eu-west-1".parse().unwrap(),
                    key_id,
                    description,
                    spec,
                    usage,
                    origin,
                    multi_region,
                    policy,
                    lockout_check,
                    tags,
                    custom_key_store,
                    xks_key,
                })
            },
        )
}

fn store_key() -> impl Strategy<Value = (Option<CustomKeyStoreId>, Option<XksKeyId>)> {
    (
        option::of(any::<[u8; 16]>().prop_map(|entropy| CustomKeyStoreId::of_new(&entropy))),
        option::of("[a-zA-Z0-9_.-]{1,128}".prop_map(|id| id.parse().unwrap())),
    )
}

fn create_grant() -> impl Strategy<Value = Command> {
    let names = || (option::of(text()), option::of(text()));
    (
        (key_ref(), any::<[u8; 32]>(), dry_run(), term()),
        (names(), names(), names()),
        vec(proptest::sample::select(GrantOperation::ALL), 0..6),
        (pairs(), pairs()),
    )
        .prop_map(
            |(
                (key, id, dry_run, term),
                ((grantee, grantee_service), (retiring, retiring_service), (source_arn, name)),
                operations,
                (equals, subset),
            )| {
                Command::CreateGrant(op::create_grant::CreateGrant {
                    key,
                    grant_id: GrantId(id),
                    grantee,
                    grantee_service,
                    retiring,
                    retiring_service,
                    operations,
                    context_equals: Arc::new(equals),
                    context_subset: Arc::new(subset),
                    source_arn,
                    name,
                    dry_run,
                    term,
                })
            },
        )
}

fn command() -> impl Strategy<Value = Command> {
    let tag_resource = (key_ref(), vec((text(), text()), 0..4))
        .prop_map(|(key, tags)| Command::TagResource(op::tag_resource::TagResource { key, tags }));
    let untag_principal = (user(), btree_set(text(), 0..4)).prop_map(|(arn, tag_keys)| {
        Command::UntagPrincipal(op::untag_principal::UntagPrincipal { arn, tag_keys })
    });
    let put_key_policy = (key_ref(), option::of(text()), text(), lockout_check()).prop_map(
        |(key, policy_name, policy, lockout_check)| {
            Command::PutKeyPolicy(op::put_key_policy::PutKeyPolicy {
                key,
                policy_name,
                policy,
                lockout_check,
            })
        },
    );
    let rotate = vec(any::<u8>(), 0..64).prop_map(|secret| {
        Command::RotateTokenEpoch(op::rotate_token_epoch::RotateTokenEpoch {
            sealed_epoch_secret: secret.into(),
        })
    });
    let any_sample = proptest::sample::select(
        samples::commands()
            .into_iter()
            .map(|(_, command)| command)
            .collect::<Vec<_>>(),
    );
    prop_oneof![
        create_key(),
        create_grant(),
        tag_resource,
        untag_principal,
        put_key_policy,
        rotate,
        any_sample
    ]
}

fn identity() -> impl Strategy<Value = Identity> {
    let drawn = any::<[u8; 16]>().prop_map(|bytes| UniqueId::of_new_user(&bytes));
    let user = (user(), drawn).prop_map(|(arn, unique_id)| Identity::User { arn, unique_id });
    let root = account().prop_map(|account| Identity::Root {
        account,
        task_policy: None,
    });
    let any_sample = proptest::sample::select(
        samples::identities()
            .into_iter()
            .map(|(_, identity)| identity)
            .collect::<Vec<_>>(),
    );
    prop_oneof![user, root, any_sample]
}

fn facts() -> impl Strategy<Value = RequestFacts> {
    let value = prop_oneof![
        text().prop_map(ContextEntry::Single),
        vec(text(), 0..3).prop_map(|values| ContextEntry::Multi(values.into())),
    ];
    (option::of(text()), btree_map(text(), value, 0..4)).prop_map(|(via_service, context)| {
        RequestFacts {
            via_service,
            context,
        }
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    let idempotency =
        (text(), any::<u64>(), any::<[u8; 32]>()).prop_map(|(key, birth, hash)| Idempotency {
            key,
            birth: Revision(birth),
            request_hash: hash,
        });
    (
        (any::<u64>(), any::<u32>(), any::<[u8; 16]>()),
        (identity(), facts()),
        option::of(idempotency),
        command(),
    )
        .prop_map(
            |((time, semantics, request_id), (identity, facts), idempotency, command)| Entry {
                proposed_at: Timestamp::from_millis(time),
                semantics: Semantics(semantics),
                caller: Caller { identity, facts },
                scope: Scope {
                    partition: Partition::AwsCn,
                    region: "cn-north-1".parse().unwrap(),
                },
                request_id: RequestId(request_id),
                idempotency,
                command,
            },
        )
}

fn grant() -> impl Strategy<Value = Grant> {
    let principal = || {
        prop_oneof![
            user().prop_map(|arn| GrantPrincipal::Arn {
                unique_id: UniqueId::of_account(arn.account()),
                arn
            }),
            "[a-z]{1,9}".prop_map(|name| GrantPrincipal::Service(
                format!("{name}.amazonaws.com").parse().unwrap()
            )),
        ]
    };
    let context = prop_oneof![
        pairs().prop_map(|pairs| ContextConstraint::Equals(Arc::new(pairs))),
        pairs().prop_map(|pairs| ContextConstraint::Subset(Arc::new(pairs))),
    ];
    (
        (any::<[u8; 32]>(), account(), key_id()),
        (principal(), option::of(principal())),
        operations(),
        option::of(context),
        option::of(text()),
        (any::<u64>(), any::<u64>()),
        (term(), any::<u32>(), vec(any::<[u8; 32]>(), 0..3)),
    )
        .prop_map(
            |(
                (id, account, key),
                (grantee, retiring),
                operations,
                context,
                name,
                (time, born),
                (term, spent, ancestors),
            )| {
                Grant {
                    id: GrantId(id),
                    key: format!("arn:aws:kms:eu-west-1:{account}:key/{key}")
                        .parse()
                        .unwrap(),
                    grantee,
                    retiring,
                    operations: operations.into_iter().collect(),
                    constraints: GrantConstraints {
                        context,
                        source_arn: None,
                        term,
                    },
                    name,
                    issuing_account: account,
                    created_at: Timestamp::from_millis(time),
                    born: Revision(born),
                    spent,
                    ancestors: ancestors.into_iter().map(GrantId).collect(),
                    epoch: spent / 3,
                }
            },
        )
}

fn outcome() -> impl Strategy<Value = Result<Output, Rejection>> {
    let created = (option::of(grant()), any::<[u8; 32]>(), any::<u64>()).prop_map(
        |(grant, id, depends_on)| {
            Ok(Output::Grant(CreatedGrant {
                grant,
                id: GrantId(id),
                depends_on: Revision(depends_on),
                epoch: None,
            }))
        },
    );
    let rejection =
        (proptest::sample::select(ErrorCode::ALL), text()).prop_map(|(code, message)| {
            Err(Rejection {
                code,
                help: Some(message.chars().rev().collect::<String>().into()),
                message,
                decision: None,
            })
        });
    let any_sample = proptest::sample::select(
        samples::outcomes()
            .into_iter()
            .map(|(_, outcome)| outcome)
            .collect::<Vec<_>>(),
    );
    prop_oneof![created, rejection, any_sample]
}

proptest! {
    #[test]
    fn entry_comes_back_as_it_was(entry in entry()) {
        let record = encode_entry(&entry).unwrap();
        let again = decode_entry(&record).unwrap();
        prop_assert_eq!(format!("{again:?}"), format!("{entry:?}"));
        prop_assert_eq!(encode_entry(&again).unwrap(), record);
    }

    #[test]
    fn draft_comes_back_as_it_was(entry in entry()) {
        let Entry { proposed_at: _, semantics: _, caller, scope, request_id, idempotency, command } = &entry;
        let record = encode_draft(DraftRef {
            caller,
            scope,
            request_id: *request_id,
            idempotency: idempotency.as_ref(),
            command,
        })
        .unwrap();
        let parts = decode_draft(&record).unwrap();
        prop_assert_eq!(format!("{:?}", parts.caller), format!("{caller:?}"));
        prop_assert_eq!(&parts.scope, scope);
        prop_assert_eq!(parts.request_id, *request_id);
        prop_assert_eq!(&parts.idempotency, idempotency);
        prop_assert_eq!(format!("{:?}", parts.command), format!("{command:?}"));
    }

    #[test]
    fn outcome_comes_back_as_it_was(outcome in outcome()) {
        let record = encode_outcome(&outcome).unwrap();
        let again = decode_outcome(&record).unwrap();
        prop_assert_eq!(format!("{again:?}"), format!("{outcome:?}"));
    }
}
