//! A state as a service would have it: an account, the users of AWS's console policy, a key under that policy, grants.

use std::sync::Arc;

use grantd::domain::authz::caller::{Caller, Identity, RequestFacts};
use grantd::domain::authz::request::Scope;
use grantd::domain::ids::{
    AccountId, GrantId, KeyArn, KeyId, KeyRef, Partition, PrincipalArn, RequestId, UniqueId,
};
use grantd::domain::op::bootstrap::Bootstrap;
use grantd::domain::op::create_account::CreateAccount;
use grantd::domain::op::create_grant::CreateGrant;
use grantd::domain::op::create_key::CreateKey;
use grantd::domain::op::create_principal::CreatePrincipal;
use grantd::domain::op::{Command, Entry, Semantics, apply};
use grantd::domain::state::State;
use grantd::domain::state::cow_map::HashKey;
use grantd::domain::state::fact::Fact;
use grantd::domain::state::grant::{
    ContextConstraint, EncryptionContext, Grant, GrantConstraints, GrantOperation, GrantPrincipal,
};
use grantd::domain::state::key::{Key, KeyOrigin, KeySpec};
use grantd::domain::state::settings::Settings;
use grantd::domain::state::token_epoch::SealCheck;
use grantd::domain::time::{Incarnation, Revision, Timestamp};

/// The policy that the KMS console writes, with its four statements.
pub const CONSOLE_POLICY: &str = include_str!("../../tests/examples/key-consolepolicy-2.json");
/// Named by the policy as a user of the key.
pub const CONSOLE_USER: &str = "arn:aws:iam::111122223333:user/KMSUser";
/// A role that has grants alone.
pub const APP: &str = "arn:aws:iam::111122223333:role/app";
/// A user that nothing allows anything.
pub const STRANGER: &str = "arn:aws:iam::111122223333:user/stranger";

const OWNER: &str = "111122223333";
const OTHER: &str = "444455556666";
const PRINCIPALS: [&str; 6] = [
    CONSOLE_USER,
    APP,
    STRANGER,
    "arn:aws:iam::111122223333:user/KMSAdminUser",
    "arn:aws:iam::111122223333:role/KMSAdminRole",
    "arn:aws:iam::111122223333:role/KMSRole",
];
const KEY_ID: KeyId = KeyId::Uuid([0x5a; 16]);

pub struct World {
    pub state: State,
    pub scope: Scope,
}

impl World {
    /// Two accounts, the principals, the key.
    pub fn new() -> Self {
        let mut world = Self {
            state: State::default(),
            scope: Scope {
                partition: Partition::Aws,
                region: "eu-west-1".parse().unwrap(),
            },
        };
        let bootstrap = Command::Bootstrap(Bootstrap {
            incarnation: Incarnation([7; 16]),
            settings: Settings::default(),
            sealed_epoch_secret: Arc::new([1, 2, 3]),
            hash_key: HashKey([4; 16]),
            seal_check: SealCheck([5; 32]),
            semantics: Semantics::CURRENT,
        });
        world.apply(&by(Identity::System), bootstrap);
        for account in [OWNER, OTHER] {
            let create = Command::CreateAccount(CreateAccount {
                account: account.parse().unwrap(),
                name: "bench".into(),
            });
            world.apply(&by(Identity::Operator), create);
        }
        for arn in PRINCIPALS {
            world.add(arn);
        }
        let create = Command::CreateKey(CreateKey {
            account: owner(),
            partition: Partition::Aws,
            region: world.scope.region.clone(),
            key_id: KEY_ID,
            description: "".into(),
            spec: KeySpec::SymmetricDefault,
            usage: None,
            origin: KeyOrigin::AwsKms,
            multi_region: Default::default(),
            policy: Some(CONSOLE_POLICY.into()),
            lockout_check: Default::default(),
            tags: Default::default(),
            custom_key_store: None,
            xks_key: None,
        });
        world.apply(&world.root(), create);
        world
    }

    /// The key with `count` grants more, as a snapshot brings them.
    pub fn with_grants(mut self, count: u32, grant: impl Fn(u32) -> Grant) -> Self {
        for n in 0..count {
            self.state
                .import_one(Fact::Grant(Arc::new(grant(n))))
                .unwrap();
        }
        assert_eq!(self.state.grants().count(&key_arn()), count);
        self
    }

    pub fn key(&self) -> &Arc<Key> {
        self.state.key(&key_arn()).unwrap()
    }

    pub fn key_ref(&self) -> KeyRef {
        KeyRef::KeyArn(key_arn())
    }

    pub fn root(&self) -> Caller {
        by(Identity::Root {
            account: owner(),
            task_policy: None,
        })
    }

    /// A user, or a session of a role; a user that is not there yet is made.
    pub fn caller(&mut self, text: &str) -> Caller {
        let arn: PrincipalArn = text.parse().unwrap();
        if self.state.principal(&arn).is_none() {
            self.add(text);
        }
        self.known_caller(text)
    }

    /// A user, or a session of a role, that may not be there.
    pub fn known_caller(&self, text: &str) -> Caller {
        let arn: PrincipalArn = text.parse().unwrap();
        let unique_id = unique_id(&arn);
        by(match text.split_once(":role/") {
            None => Identity::User { arn, unique_id },
            Some((_, name)) => Identity::RoleSession {
                arn: format!("arn:aws:sts::{OWNER}:assumed-role/{name}/bench")
                    .parse()
                    .unwrap(),
                role: arn,
                unique_id,
                session_policy: None,
                session_tags: Default::default(),
            },
        })
    }

    /// The entry that gives [`APP`] one grant more.
    pub fn create_grant(&self, n: u32) -> Entry {
        let create = Command::CreateGrant(CreateGrant {
            key: self.key_ref(),
            grant_id: grant_id(n),
            grantee: Some(APP.into()),
            grantee_service: None,
            retiring: None,
            retiring_service: None,
            operations: vec![GrantOperation::Decrypt, GrantOperation::GenerateDataKey],
            context_equals: Arc::new(file_context(n)),
            context_subset: Default::default(),
            source_arn: None,
            name: None,
            dry_run: Default::default(),
            term: Default::default(),
        });
        self.entry(&self.root(), create)
    }

    pub fn entry(&self, caller: &Caller, command: Command) -> Entry {
        Entry {
            proposed_at: Timestamp::from_millis(1_000),
            semantics: Semantics::CURRENT,
            caller: caller.clone(),
            scope: self.scope.clone(),
            request_id: RequestId([0; 16]),
            idempotency: None,
            command,
        }
    }

    /// Where the next entry stands in the log.
    pub fn next_revision(&self) -> Revision {
        Revision(self.state.revision().0 + 1)
    }

    fn add(&mut self, text: &str) {
        let arn: PrincipalArn = text.parse().unwrap();
        let create = Command::CreatePrincipal(CreatePrincipal {
            unique_id: unique_id(&arn),
            arn,
            tags: Default::default(),
        });
        self.apply(&self.root(), create);
    }

    /// Applies a command that must succeed.
    pub fn apply(&mut self, caller: &Caller, command: Command) {
        let entry = self.entry(caller, command);
        let at = self.next_revision();
        let applied = apply(&mut self.state, at, &entry);
        applied.outcome.unwrap();
    }
}

/// The `n`th grantee: a user of its own.
pub fn grantee(n: u32) -> String {
    format!("arn:aws:iam::{OWNER}:user/grantee-{n}")
}

/// What tells the grants of one grantee apart.
pub fn file_context(n: u32) -> EncryptionContext {
    EncryptionContext::from([
        ("bucket".into(), "reports".into()),
        ("file".into(), format!("2026/{n}").into()),
    ])
}

pub fn grant_id(n: u32) -> GrantId {
    GrantId(*blake3::hash(&n.to_be_bytes()).as_bytes())
}

/// The `n`th grant of the key.
pub fn grant(n: u32, grantee: &str, equals: Option<EncryptionContext>) -> Grant {
    let arn: PrincipalArn = grantee.parse().unwrap();
    Grant {
        id: grant_id(n),
        key: key_arn(),
        grantee: GrantPrincipal::Arn {
            unique_id: unique_id(&arn),
            arn,
        },
        retiring: None,
        operations: [GrantOperation::Decrypt, GrantOperation::GenerateDataKey]
            .into_iter()
            .collect(),
        constraints: GrantConstraints {
            context: equals.map(|pairs| ContextConstraint::Equals(Arc::new(pairs))),
            source_arn: None,
            term: Default::default(),
        },
        name: None,
        issuing_account: owner(),
        created_at: Timestamp::from_millis(1_000),
        born: Revision(1),
        spent: 0,
        ancestors: Vec::new(),
        epoch: 1,
    }
}

fn by(identity: Identity) -> Caller {
    Caller {
        identity,
        facts: RequestFacts::default(),
    }
}

fn owner() -> AccountId {
    OWNER.parse().unwrap()
}

fn key_arn() -> KeyArn {
    KeyArn {
        partition: Partition::Aws,
        region: "eu-west-1".parse().unwrap(),
        account: owner(),
        key_id: KEY_ID,
    }
}

fn unique_id(arn: &PrincipalArn) -> UniqueId {
    let hash = blake3::hash(arn.as_str().as_bytes());
    let bytes = hash.as_bytes().first_chunk().unwrap();
    if arn.as_str().contains(":role/") {
        UniqueId::of_new_role(bytes)
    } else {
        UniqueId::of_new_user(bytes)
    }
}
