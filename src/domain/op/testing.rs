//! A small cluster for the tests of operations: two accounts, an administrator, users without rights, a key.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::apply::forget_old_idempotency;
use super::{
    Answer, Command, Entry, Event, Idempotency, Output, Page, Paged, Query, Rejection, Scope,
    Semantics,
};
use super::{apply, query};
use crate::domain::authz::authorize;
use crate::domain::authz::caller::{Caller, Identity, RequestFacts};
use crate::domain::authz::decision::Decision;
use crate::domain::authz::request::{About, Parameters, Request, Target};
use crate::domain::ids::{
    GrantId, GroupArn, KeyArn, KeyId, KeyRef, Partition, PrincipalArn, Region, RequestId, UniqueId,
};
use crate::domain::op::{
    add_account, add_user_to_group, bootstrap, create_account, create_grant, create_group,
    create_key, create_organization, create_organizational_unit, create_principal,
    delete_control_policy, move_account, put_key_policy, put_principal_policy, remove_account,
};
use crate::domain::policy::{Action, KmsAction};
use crate::domain::state::State;
use crate::domain::state::grant::{EncryptionContext, GrantOperation};
use crate::domain::state::idempotency::{Horizon, IdempotencyKey};
use crate::domain::state::key::{Key, KeyOrigin, KeySpec, KeyState};
use crate::domain::state::organization::ControlKind;
use crate::domain::state::settings::Settings;
use crate::domain::time::{Incarnation, Revision, Timestamp};

pub const OWNER: &str = "111122223333";
pub const OTHER: &str = "444455556666";
pub const ADMIN: &str = "arn:aws:iam::111122223333:user/admin";
pub const BOB: &str = "arn:aws:iam::111122223333:user/bob";
pub const CAROL: &str = "arn:aws:iam::111122223333:user/team/carol";
pub const APP: &str = "arn:aws:iam::111122223333:role/app";
pub const EXT: &str = "arn:aws:iam::444455556666:user/ext";
/// The root of the management account that [`Cluster::organize`] makes.
pub const MANAGEMENT: &str = "arn:aws:iam::777788889999:root";
/// The organization that [`Cluster::organize`] makes.
pub const ORGANIZATION: &str = "o-first";
pub const ALLOW_ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"All","Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// Code and message of a refusal.
pub type Refused = (&'static str, String);

pub struct Cluster {
    pub state: State,
    pub at: u64,
    pub now: u64,
    pub events: Vec<Event>,
    /// Every entry that was applied.
    pub log: Vec<Entry>,
}

pub fn arn(text: &str) -> PrincipalArn {
    text.parse().unwrap()
}

pub fn scope() -> Scope {
    Scope {
        partition: Partition::Aws,
        region: "eu-west-1".parse().unwrap(),
    }
}

/// A caller by its ARN; `operator` and `system` by these words.
pub fn caller(text: &str) -> Caller {
    let identity = match text {
        "operator" => Identity::Operator,
        "system" => Identity::System,
        _ if text.ends_with(".amazonaws.com") => Identity::Service(text.parse().unwrap()),
        _ => {
            let arn = arn(text);
            if arn.is_root() {
                Identity::Root {
                    account: arn.account(),
                    task_policy: None,
                }
            } else {
                let unique_id = unique_id(&arn, 0);
                Identity::User { arn, unique_id }
            }
        }
    };
    Caller {
        identity,
        facts: RequestFacts::default(),
    }
}

/// A session of [`APP`].
pub fn session(name: &str) -> Caller {
    let role = arn(APP);
    let identity = Identity::RoleSession {
        arn: arn(&format!("arn:aws:sts::{OWNER}:assumed-role/app/{name}")),
        unique_id: unique_id(&role, 0),
        role,
        session_policy: None,
        session_tags: Default::default(),
    };
    Caller {
        identity,
        facts: RequestFacts::default(),
    }
}

/// The id of the `n`th principal of this name.
pub fn unique_id(arn: &PrincipalArn, n: u8) -> UniqueId {
    let mut bytes: [u8; 16] = blake3::hash(arn.as_str().as_bytes()).as_bytes()[..16]
        .try_into()
        .unwrap();
    bytes[15] ^= n;
    if arn.as_str().contains(":role/") {
        UniqueId::of_new_role(&bytes)
    } else {
        UniqueId::of_new_user(&bytes)
    }
}

/// A group of the first account.
pub fn group(name: &str) -> GroupArn {
    format!("arn:aws:iam::{OWNER}:group/{name}")
        .parse()
        .unwrap()
}

pub fn key_id(n: u8) -> KeyId {
    KeyId::Uuid([n; 16])
}

pub fn key_arn(n: u8) -> KeyArn {
    KeyArn {
        partition: Partition::Aws,
        region: scope().region,
        account: OWNER.parse().unwrap(),
        key_id: key_id(n),
    }
}

pub fn key(n: u8) -> KeyRef {
    KeyRef::Id(key_id(n))
}

pub fn create_key(n: u8) -> create_key::CreateKey {
    create_key::CreateKey {
        account: OWNER.parse().unwrap(),
        partition: Partition::Aws,
        region: scope().region,
        key_id: key_id(n),
        description: "".into(),
        spec: KeySpec::SymmetricDefault,
        usage: None,
        origin: KeyOrigin::AwsKms,
        multi_region: create_key::MultiRegion::No,
        policy: None,
        lockout_check: Default::default(),
        tags: Default::default(),
        custom_key_store: None,
        xks_key: None,
    }
}

/// A grant of Decrypt to `grantee` on key 1.
pub fn create_grant(n: u8, grantee: &str) -> create_grant::CreateGrant {
    create_grant::CreateGrant {
        key: key(1),
        grant_id: GrantId([n; 32]),
        grantee: Some(grantee.into()),
        grantee_service: None,
        retiring: None,
        retiring_service: None,
        operations: vec![GrantOperation::Decrypt],
        context_equals: Default::default(),
        context_subset: Default::default(),
        source_arn: None,
        name: None,
        dry_run: Default::default(),
        term: Default::default(),
    }
}

pub fn page(limit: u32, marker: Option<Arc<str>>) -> Page {
    Page {
        limit: Some(limit),
        marker,
    }
}

impl Cluster {
    /// Not even bootstrapped.
    pub fn empty() -> Self {
        Self {
            state: State::default(),
            at: 0,
            now: 1_000,
            events: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Accounts, principals and key 1.
    pub fn new() -> Self {
        let mut cluster = Self::empty();
        cluster.done(
            "system",
            Command::Bootstrap(bootstrap::Bootstrap {
                incarnation: Incarnation([7; 16]),
                settings: Settings::default(),
                sealed_epoch_secret: Arc::new([1, 2, 3]),
                hash_key: crate::domain::state::cow_map::HashKey([1; 16]),
                seal_check: crate::domain::state::token_epoch::SealCheck([2; 32]),
                semantics: crate::domain::state::semantics::Semantics::CURRENT,
            }),
        );
        for account in [OWNER, OTHER] {
            cluster.done(
                "operator",
                Command::CreateAccount(create_account::CreateAccount {
                    account: account.parse().unwrap(),
                    name: "".into(),
                }),
            );
        }
        for principal in [ADMIN, BOB, CAROL, APP, EXT] {
            cluster.make_principal(principal, 0);
        }
        cluster.put_policy(ADMIN, ALLOW_ALL);
        cluster.done(ADMIN, Command::CreateKey(create_key(1)));
        cluster
    }

    pub fn make_principal(&mut self, text: &str, n: u8) {
        let arn = arn(text);
        let root = PrincipalArn::root_of(Partition::Aws, arn.account());
        let unique_id = unique_id(&arn, n);
        // The roles under AWS's own paths are the operator's (D-18).
        let maker = match arn.reserved_path() {
            Some(_) => "operator",
            None => root.as_str(),
        };
        self.done(
            maker,
            Command::CreatePrincipal(create_principal::CreatePrincipal {
                arn,
                unique_id,
                tags: Default::default(),
            }),
        );
    }

    /// Makes a group of the first account with these members.
    pub fn make_group(&mut self, name: &str, users: &[&str]) {
        let root = format!("arn:aws:iam::{OWNER}:root");
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&blake3::hash(name.as_bytes()).as_bytes()[..16]);
        let create = create_group::CreateGroup {
            arn: group(name),
            unique_id: UniqueId::of_new_group(&bytes),
        };
        self.done(&root, Command::CreateGroup(create));
        for user in users {
            let add = add_user_to_group::AddUserToGroup {
                group: group(name),
                user: arn(user),
            };
            self.done(&root, Command::AddUserToGroup(add));
        }
    }

    /// Makes an organization of a management account of its own and `account`, which is below its root.
    pub fn organize(&mut self, account: &str) {
        let management = arn(MANAGEMENT).account();
        let make = create_account::CreateAccount {
            account: management,
            name: "".into(),
        };
        self.done("operator", Command::CreateAccount(make));
        let make = create_organization::CreateOrganization {
            id: ORGANIZATION.parse().unwrap(),
            root: "r-root".parse().unwrap(),
            management,
        };
        self.done("operator", Command::CreateOrganization(make));
        let add = add_account::AddAccount {
            account: account.parse().unwrap(),
            parent: "r-root".parse().unwrap(),
        };
        self.done("operator", Command::AddAccount(add));
    }

    pub fn make_unit(&mut self, id: &str, parent: &str) {
        let unit = create_organizational_unit::CreateOrganizationalUnit {
            id: id.parse().unwrap(),
            parent: parent.parse().unwrap(),
            name: id.into(),
        };
        self.done("operator", Command::CreateOrganizationalUnit(unit));
    }

    pub fn move_account(&mut self, account: &str, parent: &str) {
        let to = move_account::MoveAccount {
            account: account.parse().unwrap(),
            parent: parent.parse().unwrap(),
        };
        self.done("operator", Command::MoveAccount(to));
    }

    /// Takes the policy that allows everything from a node: from then on the others there must allow.
    pub fn detach_full_access(&mut self, node: &str, kind: ControlKind) {
        let detach = delete_control_policy::DeleteControlPolicy {
            node: node.parse().unwrap(),
            kind,
            name: kind.full_access_name().into(),
        };
        self.done("operator", Command::DeleteControlPolicy(detach));
    }

    pub fn leave(&mut self, account: &str) {
        let account = account.parse().unwrap();
        let leave = remove_account::RemoveAccount { account };
        self.done("operator", Command::RemoveAccount(leave));
    }

    /// What the engine says of an action on key 1.
    pub fn decision(&self, who: &Caller, action: &str) -> Decision {
        let key = self.state.key(&key_arn(1)).unwrap();
        authorize(
            &self.state,
            &Request {
                caller: who,
                scope: &scope(),
                action: Action::parse(action),
                target: Target::Key { key, alias: None },
                encryption_context: &EncryptionContext::new(),
                about: About::Nothing,
                token_grants: &[],
                parameters: Parameters::FromFront,
                now: Timestamp::from_millis(self.now),
            },
        )
    }

    /// What is decided of an action that has no key.
    pub fn decision_without_key(&self, who: &str, action: KmsAction) -> Decision {
        let who = caller(who);
        let account = who.identity.account().unwrap();
        authorize(
            &self.state,
            &Request {
                caller: &who,
                scope: &scope(),
                action: action.into(),
                target: Target::Account(account),
                encryption_context: &EncryptionContext::new(),
                about: About::Nothing,
                token_grants: &[],
                parameters: Parameters::FromFront,
                now: Timestamp::from_millis(self.now),
            },
        )
    }

    /// Gives a user or role this identity policy.
    pub fn put_policy(&mut self, text: &str, policy: &str) {
        let arn = arn(text);
        let root = PrincipalArn::root_of(Partition::Aws, arn.account());
        let giver = match arn.reserved_path() {
            Some(_) => "operator",
            None => root.as_str(),
        };
        self.done(
            giver,
            Command::PutPrincipalPolicy(put_principal_policy::PutPrincipalPolicy {
                arn,
                name: "test".into(),
                policy: policy.into(),
            }),
        );
    }

    /// Puts the policy of key 1.
    pub fn put_key_policy(&mut self, policy: &str) {
        self.done(
            ADMIN,
            Command::PutKeyPolicy(put_key_policy::PutKeyPolicy {
                key: key(1),
                policy_name: None,
                policy: policy.into(),
                lockout_check: super::LockoutCheck::Bypass,
            }),
        );
    }

    /// Puts key 1 into this state, as operations that are not built yet would.
    pub fn set_key(&mut self, change: impl FnOnce(&mut Key)) {
        let mut key = (**self.state.key(&key_arn(1)).unwrap()).clone();
        change(&mut key);
        self.state.put_key(Arc::new(key));
    }

    pub fn set_key_state(&mut self, state: KeyState) {
        self.set_key(|key| key.state = state);
    }

    pub fn entry(&self, who: &Caller, idempotency: Option<Idempotency>, command: Command) -> Entry {
        Entry {
            proposed_at: Timestamp::from_millis(self.now),
            semantics: Semantics::CURRENT,
            caller: who.clone(),
            scope: scope(),
            request_id: RequestId([0; 16]),
            idempotency,
            command,
        }
    }

    /// An entry at the endpoint of another Region.
    pub fn entry_in(&self, region: Region, who: &str, command: Command) -> Entry {
        let mut entry = self.entry(&caller(who), None, command);
        entry.scope.region = region;
        entry
    }

    /// Applies an entry; the state of a refused command must be as it was.
    pub fn apply(&mut self, entry: &Entry) -> Result<Output, Rejection> {
        self.at += 1;
        self.log.push(entry.clone());
        let mut expected = self.state.clone();
        expected.advance(Revision(self.at), entry.proposed_at);
        forget_old_idempotency(&mut expected, Revision(self.at));
        let applied = apply(&mut self.state, Revision(self.at), entry);
        if applied.outcome.is_err() {
            // Of a refused command nothing is written but that it was, under its idempotency key, for which records that
            // are kept for their revisions alone may make room.
            let mut after = self.state.clone();
            while let Some(oldest) = expected.oldest_idempotency(Horizon::Change)
                && oldest.at <= after.forgotten(Horizon::Change)
            {
                let oldest = Arc::clone(oldest);
                expected.forget_idempotency(&oldest);
            }
            if let Some(Idempotency { key, .. }) = &entry.idempotency {
                let key = IdempotencyKey {
                    caller: entry.caller.identity.unique_text(),
                    key: Arc::clone(key),
                };
                after.take_idempotency(&key);
                expected.take_idempotency(&key);
            }
            assert_eq!(
                after.fingerprint(),
                expected.fingerprint(),
                "a refusal wrote"
            );
            assert!(applied.events.is_empty());
        }
        self.events = applied.events;
        applied.outcome
    }

    pub fn run_as(&mut self, who: &Caller, command: Command) -> Result<Output, Refused> {
        let entry = self.entry(who, None, command);
        self.apply(&entry).map_err(refused)
    }

    pub fn run(&mut self, who: &str, command: Command) -> Result<Output, Refused> {
        self.run_as(&caller(who), command)
    }

    /// Runs a command that must succeed.
    pub fn done(&mut self, who: &str, command: Command) -> Output {
        self.run(who, command)
            .unwrap_or_else(|(code, why)| panic!("{code}: {why}"))
    }

    /// Runs a command on a copy that must refuse it; code and message.
    pub fn refusal(&self, who: &str, command: Command) -> Refused {
        let mut copy = self.copy();
        copy.run(who, command)
            .err()
            .unwrap_or_else(|| panic!("not refused"))
    }

    pub fn copy(&self) -> Self {
        Self {
            state: self.state.clone(),
            at: self.at,
            now: self.now,
            events: Vec::new(),
            log: self.log.clone(),
        }
    }

    pub fn ask_as(&self, who: &Caller, question: Query) -> Result<Answer, Refused> {
        let now = Timestamp::from_millis(self.now);
        query(&self.state, who, &scope(), now, &[], &question).map_err(refused)
    }

    pub fn ask(&self, who: &str, question: Query) -> Result<Answer, Refused> {
        self.ask_as(&caller(who), question)
    }
}

fn refused(rejection: Rejection) -> Refused {
    (rejection.code.as_str(), rejection.message.to_string())
}

/// Every entry of a listing, page by page, and the number of pages.
pub fn all_pages<T>(mut next: impl FnMut(Page) -> Paged<T>, limit: u32) -> (Vec<T>, usize) {
    let (mut all, mut pages, mut marker) = (Vec::new(), 0, None);
    loop {
        let paged = next(page(limit, marker));
        assert!(paged.items.len() <= limit as usize);
        all.extend(paged.items);
        pages += 1;
        match paged.next {
            Some(next) => marker = Some(next),
            None => return (all, pages),
        }
    }
}

/// A row of a table of refusals: what is refused, the code, and a part of the message.
pub fn check_rows(rows: Vec<(&str, Refused, &str, &str)>) {
    for (what, (code, message), wanted, part) in &rows {
        assert_eq!(code, wanted, "{what}: {message}");
        assert!(
            message.contains(part),
            "{what}: `{message}` does not contain `{part}`"
        );
    }
    check_recorded(&rows);
}

/// Characters of a refusal's text that are recorded: some repeat a value that is too long.
const RECORDED_CHARS_MAX: usize = 300;

/// Holds that the refusals of this test are those in `tests/golden/errors`, of which `docs/ERRORS.md` is made; with
/// `GRANTD_BLESS` set, writes them. A test that is not recorded yet is let pass here: `tests/it/errors.rs` wants one of
/// every operation.
fn check_recorded(rows: &[(&str, Refused, &str, &str)]) {
    static CALLS: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());
    let thread = std::thread::current();
    // A test runs in a thread of its name, unless there is one thread for all.
    let Some((module, test)) = thread
        .name()
        .and_then(|name| name.strip_prefix("domain::op::"))
        .and_then(|name| name.rsplit_once("::"))
    else {
        return;
    };
    let module = module.strip_suffix("::tests").unwrap_or(module);
    let call = {
        let mut calls = CALLS.lock().unwrap();
        let call = calls.entry(format!("{module} {test}")).or_insert(0);
        *call += 1;
        *call
    };
    let mut text = format!("{module}::{test}\n");
    for (what, (code, message), ..) in rows {
        let shown: String = message.chars().take(RECORDED_CHARS_MAX).collect();
        let more = if shown.len() < message.len() {
            "…"
        } else {
            ""
        };
        let shown = shown.replace('\n', " ");
        text.push_str(&format!("{what}\t{code}\t{shown}{more}\n"));
    }
    let name = format!("errors/{}-{test}-{call}.txt", module.replace("::", "-"));
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("GRANTD_BLESS").is_some() || std::fs::exists(path).unwrap() {
        golden(&name, &text);
    }
}

/// Compares a text with the golden file of this name; with `GRANTD_BLESS` set, writes it.
pub fn golden(name: &str, text: &str) {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("GRANTD_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        first_difference(&held, text),
        None,
        "{path} differs: review, then write it with GRANTD_BLESS=1"
    );
}

/// The first line in which two texts differ: its number and both forms.
pub fn first_difference(held: &str, made: &str) -> Option<(usize, String, String)> {
    let lines = held.lines().count().max(made.lines().count());
    let line = |text: &str, at| text.lines().nth(at).unwrap_or("(none)").to_string();
    (0..lines)
        .find(|at| line(held, *at) != line(made, *at))
        .map(|at| (at + 1, line(held, at), line(made, at)))
}
