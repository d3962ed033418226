//! The authority matrix: every operation and every action of KMS by every kind of principal, as one golden file.
//!
//! `tests/golden/authority.txt` is the whole answer to "who may what": a change of any cell shows in review. Rows come
//! from the table of operations and the table of actions, so one that is missing from the file fails here.

use std::fmt::Write as _;
use std::sync::Arc;

use super::table::{Access, Asks, On, Operation};
use crate::domain::authz::caller::{Caller, ContextEntry, Identity};
use crate::domain::authz::decision::{Decision, Missing, Outcome, Source};
use crate::domain::authz::request::{About, Parameters, Request, Target, Use};
use crate::domain::authz::{authorize, require_operator, require_system};
use crate::domain::ids::{AccountId, AliasArn, PrincipalArn};
use crate::domain::op::testing::{
    ADMIN, ALLOW_ALL, APP, BOB, CAROL, Cluster, EXT, MANAGEMENT, OTHER, OWNER, arn, caller,
    create_grant, create_key, golden, group, key, key_arn, key_id, scope, session, unique_id,
};
use crate::domain::op::{
    Command, LockoutCheck, add_account, consume, create_account, create_organization,
    delete_principal, put_control_policy, put_group_policy, put_key_policy,
    put_principal_permissions_boundary, put_vpc_endpoint,
};
use crate::domain::policy::{Action, ActionTarget, KmsAction, Policy, PolicyKind};
use crate::domain::state::grant::{EncryptionContext, Grant, GrantOperation, Term};
use crate::domain::state::grant_index::Purse;
use crate::domain::state::organization::ControlKind;
use crate::domain::state::principal::PrincipalType;
use crate::domain::time::Timestamp;

const READER: &str = "arn:aws:iam::111122223333:user/reader";
const NAMED: &str = "arn:aws:iam::111122223333:user/named";
const DENIED: &str = "arn:aws:iam::111122223333:user/denied";
const BARRED: &str = "arn:aws:iam::111122223333:user/barred";
const GONE: &str = "arn:aws:iam::111122223333:user/gone";
const AGAIN: &str = "arn:aws:iam::111122223333:user/again";
const SHED: &str = "arn:aws:iam::111122223333:role/shed";
const REMADE: &str = "arn:aws:iam::111122223333:role/remade";
const FREE: &str = "arn:aws:iam::111122223333:user/free";
const NARROW: &str = "arn:aws:iam::111122223333:user/narrow";
const FENCED: &str = "arn:aws:iam::111122223333:user/fenced";
const NARROW_ROLE: &str = "arn:aws:iam::111122223333:role/narrow";
const NAMED_NARROW: &str = "arn:aws:iam::111122223333:user/named-narrow";
const NAMED_FENCED: &str = "arn:aws:iam::111122223333:user/named-fenced";
const STAFF: &str = "arn:aws:iam::111122223333:user/staff";
const OUTCAST: &str = "arn:aws:iam::111122223333:user/outcast";
const PAIRED: &str = "arn:aws:iam::111122223333:user/paired";
const LATE: &str = "arn:aws:iam::111122223333:user/late";
const SPENT: &str = "arn:aws:iam::111122223333:user/spent";
const THRIFTY: &str = "arn:aws:iam::111122223333:user/thrifty";
const LINKED: &str = "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";
const MANAGER: &str = "arn:aws:iam::777788889999:user/manager";
const CLERK: &str = "arn:aws:iam::111122223333:role/clerk";
const PARTNER: &str = "arn:aws:iam::444455556666:role/partner";
const STRANGER: &str = "arn:aws:iam::444455556666:role/stranger";
const SERVICE: &str = "logs.eu-west-1.amazonaws.com";

/// The keys of the matrix, by what their policies say.
const OPEN: u8 = 1;
const NAMING: u8 = 2;
const GRANTED: u8 = 3;
const DENYING: u8 = 4;
const FOREIGN: u8 = 5;

const KEYS: [(u8, &str); 5] = [
    (
        OPEN,
        "its policy is the default one: it enables identity policies of account 111122223333",
    ),
    (
        NAMING,
        "its policy names callers one by one, and no account",
    ),
    (
        GRANTED,
        "its policy names the administrator alone, and enables nobody; the rest have grants",
    ),
    (
        DENYING,
        "its policy enables identity policies and denies one user",
    ),
    (
        FOREIGN,
        "its policy enables identity policies of account 444455556666",
    ),
];

fn statement(effect: &str, principals: &str) -> String {
    format!(
        r#"{{"Effect":"{effect}","Principal":{{{principals}}},"Action":"kms:*","Resource":"*"}}"#
    )
}

fn document(statements: &[String]) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
        statements.join(",")
    )
}

fn aws(principals: &[&str]) -> String {
    format!(r#""AWS":["{}"]"#, principals.join(r#"",""#))
}

fn role_session(role_text: &str, name: &str, policy: Option<&str>) -> Caller {
    let role = arn(role_text);
    // A session's ARN has no path (ID-19).
    let role_name = role_text.rsplit('/').next().unwrap();
    let account = role.account();
    let session = format!("arn:aws:sts::{account}:assumed-role/{role_name}/{name}");
    let policy = policy.map(|text| Policy::parse(text, PolicyKind::Session).unwrap());
    Caller {
        identity: Identity::RoleSession {
            arn: arn(&session),
            unique_id: unique_id(&role, 0),
            role,
            session_policy: policy,
            session_tags: Default::default(),
        },
        facts: Default::default(),
    }
}

fn federated(name: &str, by: &str) -> Caller {
    Caller {
        identity: Identity::FederatedUser {
            arn: arn(&format!("arn:aws:sts::{OWNER}:federated-user/{name}")),
            federated_by: arn(by),
            unique_id: unique_id(&arn(by), 0),
            session_policy: Some(Policy::parse(ALLOW_ALL, PolicyKind::Session).unwrap()),
            session_tags: Default::default(),
        },
        facts: Default::default(),
    }
}

/// The same caller, whose request came through a VPC endpoint.
fn through(endpoint: &str, mut caller: Caller) -> Caller {
    let id = ContextEntry::Single(endpoint.into());
    caller.facts.context.insert("aws:sourcevpce".into(), id);
    caller
}

/// What organization is around the accounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Around {
    /// None.
    Nothing,
    /// A service control policy denies kms:* to both accounts, beside one that allows everything.
    Denying,
    /// The service control policies of account 111122223333 allow kms:Decrypt and kms:CreateKey alone.
    Listing,
    /// A resource control policy denies kms:* on the keys of account 111122223333 alone.
    Guarding,
    /// Policies of both kinds deny kms:*, and account 111122223333 is the management account.
    Managing,
}

impl Around {
    const ALL: [Self; 5] = [
        Self::Nothing,
        Self::Denying,
        Self::Listing,
        Self::Guarding,
        Self::Managing,
    ];

    fn management(self) -> AccountId {
        match self {
            Self::Managing => OWNER.parse().unwrap(),
            _ => arn(MANAGEMENT).account(),
        }
    }

    fn put(self, cluster: &mut Cluster) {
        let organization = create_organization::CreateOrganization {
            id: "o-first".parse().unwrap(),
            root: "r-root".parse().unwrap(),
            management: self.management(),
        };
        cluster.done("operator", Command::CreateOrganization(organization));
        let members: &[&str] = match self {
            Self::Nothing | Self::Managing => &[],
            Self::Denying => &[OWNER, OTHER],
            Self::Listing | Self::Guarding => &[OWNER],
        };
        for account in members {
            let add = add_account::AddAccount {
                account: account.parse().unwrap(),
                parent: "r-root".parse().unwrap(),
            };
            cluster.done("operator", Command::AddAccount(add));
        }
        let mut put = |node: &str, kind: ControlKind, policy: &str| {
            let put = put_control_policy::PutControlPolicy {
                node: node.parse().unwrap(),
                kind,
                name: "own".into(),
                policy: policy.into(),
            };
            cluster.done("operator", Command::PutControlPolicy(put));
        };
        let deny_all = document(&[statement("Deny", r#""AWS":"*""#)]);
        match self {
            Self::Nothing => {}
            Self::Denying => put("r-root", ControlKind::Service, DENY_KMS),
            Self::Listing => {
                put(OWNER, ControlKind::Service, SOME);
                cluster.detach_full_access(OWNER, ControlKind::Service);
            }
            Self::Guarding => put("r-root", ControlKind::Resource, &deny_all),
            Self::Managing => {
                put("r-root", ControlKind::Service, DENY_KMS);
                put("r-root", ControlKind::Resource, &deny_all);
            }
        }
    }
}

/// Allows two actions, one on a key and one on none.
const SOME: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["kms:Decrypt","kms:CreateKey"],"Resource":"*"}}"#;
const DENY_KMS: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"kms:*","Resource":"*"}}"#;
const ALL_BUT_KMS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"kms:*","Resource":"*"}]}"#;

/// A kind of principal, the key that it asks about, and the organization that there is.
struct Column {
    who: &'static str,
    caller: Caller,
    key: u8,
    around: Around,
}

/// The kinds of principals, by what they are about.
fn blocks() -> Vec<(&'static str, Vec<Column>)> {
    let root = format!("arn:aws:iam::{OWNER}:root");
    let other_root = format!("arn:aws:iam::{OTHER}:root");
    let session_of = |role, policy| role_session(role, "one", policy);
    let anew = || {
        let arn = arn(AGAIN);
        Caller {
            identity: Identity::User {
                unique_id: unique_id(&arn, 1),
                arn,
            },
            facts: Default::default(),
        }
    };
    let linked = || role_session(LINKED, "one", None);
    let plain = |rows: Vec<(&'static str, Caller, u8)>| -> Vec<Column> {
        rows.into_iter()
            .map(|(who, caller, key)| Column {
                who,
                caller,
                key,
                around: Around::Nothing,
            })
            .collect()
    };
    let within = |rows: Vec<(&'static str, Caller, u8, Around)>| -> Vec<Column> {
        rows.into_iter()
            .map(|(who, caller, key, around)| Column {
                who,
                caller,
                key,
                around,
            })
            .collect()
    };
    vec![
        (
            "by identity policies",
            plain(vec![
                ("root user of the account", caller(&root), OPEN),
                ("user whose identity policy allows all", caller(ADMIN), OPEN),
                (
                    "user whose identity policy allows kms:Describe*, Get*, List*",
                    caller(READER),
                    OPEN,
                ),
                ("user without a policy", caller(BOB), OPEN),
                (
                    "user whose identity policy allows all and denies kms:*",
                    caller(BARRED),
                    OPEN,
                ),
                (
                    "session of a role whose identity policy allows all",
                    session("one"),
                    OPEN,
                ),
                (
                    "federated user of a user whose identity policy allows all, its session policy too",
                    federated("ann", ADMIN),
                    OPEN,
                ),
                (
                    "member of a group whose policy allows all",
                    caller(STAFF),
                    OPEN,
                ),
                (
                    "user whose own policy allows all, in a group that denies kms:*",
                    caller(OUTCAST),
                    OPEN,
                ),
                ("service for itself", caller(SERVICE), OPEN),
                ("operator of the cluster", caller("operator"), OPEN),
                ("the cluster itself", caller("system"), OPEN),
                (
                    "user that the key policy denies, and whose identity policy allows all",
                    caller(DENIED),
                    DENYING,
                ),
            ]),
        ),
        (
            "by other accounts",
            plain(vec![
                (
                    "root user of another account that the key policy does not know",
                    caller(&other_root),
                    OPEN,
                ),
                (
                    "user of it whose identity policy allows all",
                    caller(EXT),
                    OPEN,
                ),
                (
                    "root user of the account that the key policy enables",
                    caller(&other_root),
                    FOREIGN,
                ),
                (
                    "user of it whose identity policy allows all",
                    caller(EXT),
                    FOREIGN,
                ),
                (
                    "session of a role of it whose identity policy allows all",
                    session_of(PARTNER, None),
                    FOREIGN,
                ),
                (
                    "the same with a session policy that allows kms:Decrypt and kms:CreateKey",
                    session_of(PARTNER, Some(SOME)),
                    FOREIGN,
                ),
                (
                    "session of a role of it without an identity policy",
                    session_of(STRANGER, None),
                    FOREIGN,
                ),
                (
                    "user of the key's own account whose identity policy allows all",
                    caller(ADMIN),
                    FOREIGN,
                ),
                (
                    "session of a role that the key policy names and whose identity policy allows all",
                    session_of(PARTNER, None),
                    NAMING,
                ),
                (
                    "session of a role that the key policy names and that has no policy",
                    session_of(STRANGER, None),
                    NAMING,
                ),
                (
                    "root user of the organization's management account",
                    caller(MANAGEMENT),
                    OPEN,
                ),
                (
                    "user of it whose identity policy allows all",
                    caller(MANAGER),
                    OPEN,
                ),
            ]),
        ),
        (
            "by being named",
            plain(vec![
                ("root user of the account", caller(&root), NAMING),
                (
                    "user whose identity policy allows all, not named",
                    caller(ADMIN),
                    NAMING,
                ),
                ("user that is named", caller(NAMED), NAMING),
                (
                    "session of a role that is named",
                    session_of(CLERK, None),
                    NAMING,
                ),
                (
                    "session that is named by its own ARN",
                    session("named"),
                    NAMING,
                ),
                (
                    "another session of that role, whose identity policy allows all",
                    session("one"),
                    NAMING,
                ),
                (
                    "federated user that is named",
                    federated("named", READER),
                    NAMING,
                ),
                (
                    "federated user of a user that is named, its session policy allows all",
                    federated("ann", NAMED),
                    NAMING,
                ),
                ("service that is named", caller(SERVICE), NAMING),
                (
                    "user that was named, deleted and re-created; it allows itself all",
                    anew(),
                    NAMING,
                ),
            ]),
        ),
        (
            "by grants",
            plain(vec![
                ("user with a grant", caller(BOB), GRANTED),
                (
                    "session of a role with a grant",
                    session_of(CLERK, None),
                    GRANTED,
                ),
                (
                    "session that has a grant by its own ARN",
                    session("granted"),
                    GRANTED,
                ),
                (
                    "another session of that role, whose identity policy allows all",
                    session("one"),
                    GRANTED,
                ),
                (
                    "federated user with a grant",
                    federated("granted", READER),
                    GRANTED,
                ),
                (
                    "root user of another account that has a grant",
                    caller(&other_root),
                    GRANTED,
                ),
                ("user of it with an identity policy", caller(EXT), GRANTED),
                (
                    "session of it without an identity policy",
                    session_of(STRANGER, None),
                    GRANTED,
                ),
                ("service with a grant", caller(SERVICE), GRANTED),
                ("retiring principal of a grant", caller(CAROL), GRANTED),
                (
                    "user with a grant for another encryption context",
                    caller(PAIRED),
                    GRANTED,
                ),
                ("user whose grant has expired", caller(LATE), GRANTED),
                (
                    "user whose grant's uses are all spent",
                    caller(SPENT),
                    GRANTED,
                ),
                (
                    "user whose grant has uses left, which Consume alone spends",
                    caller(THRIFTY),
                    GRANTED,
                ),
                (
                    "user that had a grant, was deleted and re-created",
                    anew(),
                    GRANTED,
                ),
            ]),
        ),
        (
            "within a permissions boundary or session policy",
            plain(vec![
                (
                    "user whose identity policy and boundary allow all",
                    caller(FREE),
                    OPEN,
                ),
                (
                    "user whose identity policy allows all, its boundary kms:Decrypt and kms:CreateKey",
                    caller(NARROW),
                    OPEN,
                ),
                (
                    "user whose identity policy allows all, its boundary all but kms:*, which it denies",
                    caller(FENCED),
                    OPEN,
                ),
                (
                    "session whose role's policy allows all, its own kms:Decrypt and kms:CreateKey",
                    role_session(APP, "one", Some(SOME)),
                    OPEN,
                ),
                (
                    "session whose role's policy and its own allow all",
                    role_session(APP, "one", Some(ALLOW_ALL)),
                    OPEN,
                ),
                (
                    "session whose role's policy allows all, its own all but kms:*, which it denies",
                    role_session(APP, "one", Some(ALL_BUT_KMS)),
                    OPEN,
                ),
                (
                    "user that is named, with the narrow boundary",
                    caller(NAMED_NARROW),
                    NAMING,
                ),
                (
                    "user that is named, with the boundary that denies",
                    caller(NAMED_FENCED),
                    NAMING,
                ),
                (
                    "session of a role that is named, with the narrow boundary",
                    session_of(NARROW_ROLE, None),
                    NAMING,
                ),
                (
                    "session of a role that is named, with the narrow session policy",
                    session_of(CLERK, Some(SOME)),
                    NAMING,
                ),
                (
                    "session that is named by its own ARN, with the narrow session policy",
                    role_session(APP, "named", Some(SOME)),
                    NAMING,
                ),
                (
                    "session that is named by its own ARN, with the narrow boundary",
                    role_session(NARROW_ROLE, "named", None),
                    NAMING,
                ),
                (
                    "user with a grant and the narrow boundary",
                    caller(NARROW),
                    GRANTED,
                ),
                (
                    "user with a grant and the boundary that denies",
                    caller(FENCED),
                    GRANTED,
                ),
                (
                    "session of a role with a grant, with the narrow session policy",
                    session_of(CLERK, Some(SOME)),
                    GRANTED,
                ),
                (
                    "session of a role with a grant, with a session policy that denies kms:*",
                    session_of(CLERK, Some(ALL_BUT_KMS)),
                    GRANTED,
                ),
            ]),
        ),
        (
            "within an organization",
            within(vec![
                (
                    "root user, a service control policy denies kms:*",
                    caller(&root),
                    OPEN,
                    Around::Denying,
                ),
                (
                    "user whose identity policy allows all, the same",
                    caller(ADMIN),
                    OPEN,
                    Around::Denying,
                ),
                (
                    "session of a service-linked role that is allowed all, the same",
                    linked(),
                    OPEN,
                    Around::Denying,
                ),
                (
                    "service that is named, the same",
                    caller(SERVICE),
                    NAMING,
                    Around::Denying,
                ),
                (
                    "user that is named, the same",
                    caller(NAMED),
                    NAMING,
                    Around::Denying,
                ),
                (
                    "user with a grant, the same",
                    caller(BOB),
                    GRANTED,
                    Around::Denying,
                ),
                (
                    "root user of another account that is enabled, the same of its account",
                    caller(&other_root),
                    FOREIGN,
                    Around::Denying,
                ),
                (
                    "user of another account that is enabled and allowed, the same of its account",
                    caller(EXT),
                    FOREIGN,
                    Around::Denying,
                ),
                (
                    "root user, service control policies allow kms:Decrypt and kms:CreateKey alone",
                    caller(&root),
                    OPEN,
                    Around::Listing,
                ),
                (
                    "user whose identity policy allows all, the same",
                    caller(ADMIN),
                    OPEN,
                    Around::Listing,
                ),
                (
                    "session of a service-linked role that is allowed all, the same",
                    linked(),
                    OPEN,
                    Around::Listing,
                ),
                (
                    "user with a grant, the same",
                    caller(BOB),
                    GRANTED,
                    Around::Listing,
                ),
                (
                    "user of another account that is enabled, only the key's account is so limited",
                    caller(EXT),
                    FOREIGN,
                    Around::Listing,
                ),
                (
                    "user whose identity policy allows all, a resource control policy denies kms:*",
                    caller(ADMIN),
                    OPEN,
                    Around::Guarding,
                ),
                (
                    "session of a service-linked role that is allowed all, the same",
                    linked(),
                    OPEN,
                    Around::Guarding,
                ),
                (
                    "user of another account that is enabled and allowed, the same",
                    caller(EXT),
                    FOREIGN,
                    Around::Guarding,
                ),
                (
                    "service that is named, the same",
                    caller(SERVICE),
                    NAMING,
                    Around::Guarding,
                ),
                (
                    "user with a grant, the same",
                    caller(BOB),
                    GRANTED,
                    Around::Guarding,
                ),
                (
                    "root user of the management account, both kinds deny kms:*",
                    caller(&root),
                    OPEN,
                    Around::Managing,
                ),
                (
                    "user of the management account whose identity policy allows all, the same",
                    caller(ADMIN),
                    OPEN,
                    Around::Managing,
                ),
            ]),
        ),
        (
            "through a VPC endpoint",
            plain(vec![
                (
                    "user whose identity policy allows all, through one with the default policy",
                    through("vpce-open", caller(ADMIN)),
                    OPEN,
                ),
                (
                    "the same through one that allows kms:Decrypt and kms:CreateKey",
                    through("vpce-some", caller(ADMIN)),
                    OPEN,
                ),
                (
                    "the same through one that denies kms:*",
                    through("vpce-none", caller(ADMIN)),
                    OPEN,
                ),
                (
                    "the same through one that is not known",
                    through("vpce-strange", caller(ADMIN)),
                    OPEN,
                ),
                (
                    "root user through one that allows kms:Decrypt and kms:CreateKey",
                    through("vpce-some", caller(&root)),
                    OPEN,
                ),
                (
                    "user that is named, the same",
                    through("vpce-some", caller(NAMED)),
                    NAMING,
                ),
                (
                    "user with a grant, the same",
                    through("vpce-some", caller(BOB)),
                    GRANTED,
                ),
                (
                    "user of another account that is enabled and allowed, the same",
                    through("vpce-some", caller(EXT)),
                    FOREIGN,
                ),
            ]),
        ),
        (
            "after its end",
            plain(vec![
                ("user that was deleted", caller(GONE), OPEN),
                (
                    "user that was deleted and re-created, by its old credentials",
                    caller(AGAIN),
                    OPEN,
                ),
                (
                    "the same by its new credentials, it is allowed all",
                    anew(),
                    OPEN,
                ),
                (
                    "session of a role that was deleted",
                    session_of(SHED, None),
                    OPEN,
                ),
                (
                    "session of a role that was deleted and re-created since",
                    session_of(REMADE, None),
                    OPEN,
                ),
                (
                    "federated user of a user that was deleted",
                    federated("ann", GONE),
                    OPEN,
                ),
                ("user that is named, and was deleted", caller(GONE), NAMING),
                ("user with a grant, that was deleted", caller(GONE), GRANTED),
                (
                    "root user of an account that is not there",
                    caller("arn:aws:iam::999999999999:root"),
                    OPEN,
                ),
            ]),
        ),
    ]
}

fn world() -> Cluster {
    let mut cluster = Cluster::new();
    let make = create_account::CreateAccount {
        account: arn(MANAGEMENT).account(),
        name: "".into(),
    };
    cluster.done("operator", Command::CreateAccount(make));
    let allowed_all = [
        APP, DENIED, EXT, PARTNER, GONE, SHED, FREE, NARROW, FENCED, OUTCAST, LINKED, MANAGER,
    ];
    for principal in [
        READER,
        NAMED,
        DENIED,
        BARRED,
        GONE,
        AGAIN,
        SHED,
        REMADE,
        FREE,
        NARROW,
        FENCED,
        NARROW_ROLE,
        NAMED_NARROW,
        NAMED_FENCED,
        STAFF,
        OUTCAST,
        PAIRED,
        LATE,
        SPENT,
        THRIFTY,
        LINKED,
        MANAGER,
        CLERK,
        PARTNER,
        STRANGER,
    ] {
        cluster.make_principal(principal, 0);
    }
    for principal in allowed_all {
        cluster.put_policy(principal, ALLOW_ALL);
    }
    cluster.put_policy(READER, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["kms:Describe*","kms:Get*","kms:List*"],"Resource":"*"}}"#);
    cluster.put_policy(BARRED, ALL_BUT_KMS);
    let root = format!("arn:aws:iam::{OWNER}:root");
    for (principal, boundary) in [
        (FREE, ALLOW_ALL),
        (NARROW, SOME),
        (FENCED, ALL_BUT_KMS),
        (NARROW_ROLE, SOME),
        (NAMED_NARROW, SOME),
        (NAMED_FENCED, ALL_BUT_KMS),
    ] {
        let put = put_principal_permissions_boundary::PutPrincipalPermissionsBoundary {
            arn: arn(principal),
            policy: boundary.into(),
        };
        cluster.done(&root, Command::PutPrincipalPermissionsBoundary(put));
    }
    for (name, member, policy) in [("staff", STAFF, ALLOW_ALL), ("banned", OUTCAST, DENY_KMS)] {
        cluster.make_group(name, &[member]);
        let put = put_group_policy::PutGroupPolicy {
            arn: group(name),
            name: "p".into(),
            policy: policy.into(),
        };
        cluster.done(&root, Command::PutGroupPolicy(put));
    }
    let some = SOME.replace(
        r#""Effect":"Allow","#,
        r#""Effect":"Allow","Principal":"*","#,
    );
    let none = document(&[
        r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#.to_owned(),
        statement("Deny", r#""AWS":"*""#),
    ]);
    for (id, policy) in [
        ("vpce-open", None),
        ("vpce-some", Some(some)),
        ("vpce-none", Some(none)),
    ] {
        let put = put_vpc_endpoint::PutVpcEndpoint {
            id: id.parse().unwrap(),
            vpc: "vpc-1".parse().unwrap(),
            account: OWNER.parse().unwrap(),
            policy: policy.map(Into::into),
        };
        cluster.done("operator", Command::PutVpcEndpoint(put));
    }
    for n in [NAMING, GRANTED, DENYING, FOREIGN] {
        cluster.done(ADMIN, Command::CreateKey(create_key(n)));
    }
    put_key_policies(&mut cluster);
    put_grants(&mut cluster);
    for principal in [GONE, AGAIN, SHED, REMADE] {
        if cluster
            .state
            .principal(&arn(principal))
            .is_some_and(|stored| !stored.policies.is_empty())
        {
            let delete = crate::domain::op::delete_principal_policy::DeletePrincipalPolicy {
                arn: arn(principal),
                name: "test".into(),
            };
            cluster.done(&root, Command::DeletePrincipalPolicy(delete));
        }
        let delete = delete_principal::DeletePrincipal {
            arn: arn(principal),
        };
        cluster.done(&root, Command::DeletePrincipal(delete));
    }
    for principal in [AGAIN, REMADE] {
        cluster.make_principal(principal, 1);
        cluster.put_policy(principal, ALLOW_ALL);
    }
    cluster
}

fn put_key_policies(cluster: &mut Cluster) {
    let root = format!("arn:aws:iam::{OWNER}:root");
    let open = statement("Allow", &aws(&[&root]));
    let admin = statement("Allow", &aws(&[ADMIN]));
    let session = format!("arn:aws:sts::{OWNER}:assumed-role/app/named");
    let narrow = format!("arn:aws:sts::{OWNER}:assumed-role/narrow/named");
    let federated = format!("arn:aws:sts::{OWNER}:federated-user/named");
    let names = [
        NAMED,
        CLERK,
        &*session,
        &*federated,
        PARTNER,
        STRANGER,
        AGAIN,
        GONE,
        NAMED_NARROW,
        NAMED_FENCED,
        NARROW_ROLE,
        &*narrow,
    ];
    let policies = [
        (GRANTED, document(std::slice::from_ref(&admin))),
        (
            NAMING,
            document(&[
                statement("Allow", &aws(&names)),
                statement("Allow", &format!(r#""Service":"{SERVICE}""#)),
            ]),
        ),
        (
            DENYING,
            document(&[open, statement("Deny", &aws(&[DENIED]))]),
        ),
        (
            FOREIGN,
            document(&[statement("Allow", &format!(r#""AWS":"{OTHER}""#))]),
        ),
    ];
    for (n, policy) in policies {
        cluster.done(
            ADMIN,
            Command::PutKeyPolicy(put_key_policy::PutKeyPolicy {
                key: key(n),
                policy_name: None,
                policy: policy.into(),
                lockout_check: LockoutCheck::Bypass,
            }),
        );
    }
}

/// The grants on [`GRANTED`], each of all operations.
fn put_grants(cluster: &mut Cluster) {
    let grantable: Vec<GrantOperation> = cluster
        .state
        .key(&key_arn(GRANTED))
        .map(|key| super::key_rules::grantable(key).iter().collect())
        .unwrap();
    let other_root = format!("arn:aws:iam::{OTHER}:root");
    let session = format!("arn:aws:sts::{OWNER}:assumed-role/app/granted");
    let federated = format!("arn:aws:sts::{OWNER}:federated-user/granted");
    let soon = Timestamp::from_millis(cluster.now + 1_000);
    for (n, grantee) in (1..).zip([
        BOB,
        CLERK,
        &*other_root,
        &*session,
        &*federated,
        NARROW,
        FENCED,
        AGAIN,
        GONE,
        PAIRED,
        LATE,
        SPENT,
        THRIFTY,
    ]) {
        let mut command = create_grant(n, grantee);
        command.key = key(GRANTED);
        command.operations = grantable.clone();
        command.retiring = (grantee == BOB).then(|| CAROL.into());
        match grantee {
            PAIRED => {
                let pairs: EncryptionContext = [("a".into(), "b".into())].into();
                command.context_equals = Arc::new(pairs);
            }
            LATE => {
                command.term = Term {
                    expires_at: Some(soon),
                    uses: None,
                };
            }
            SPENT | THRIFTY => {
                command.term = Term {
                    expires_at: None,
                    uses: Some(1),
                };
            }
            _ => {}
        }
        cluster.done(ADMIN, Command::CreateGrant(command));
    }
    let mut service = create_grant(99, BOB);
    service.key = key(GRANTED);
    service.operations = grantable;
    service.grantee = None;
    service.grantee_service = Some(SERVICE.into());
    service.retiring = Some(CAROL.into());
    service.source_arn = Some("arn:aws:logs:eu-west-1:111122223333:log-group:a".into());
    cluster.done(ADMIN, Command::CreateGrant(service));
    let consume = consume::Consume {
        key: crate::domain::ids::KeyRef::KeyArn(key_arn(GRANTED)),
        operation: GrantOperation::Decrypt,
        encryption_context: Default::default(),
        grant_id: None,
    };
    cluster.done(SPENT, Command::Consume(consume));
    // The next change stamps it: the grant that expires has.
    cluster.now += 1_000;
}

/// What a row asks for.
enum Asked {
    /// An office (DESIGN section 2): no policy decides.
    Office(Access, &'static str),
    /// An action on an organization: of the operator, or by policies of its management account.
    Organization(Action),
    /// An action on something.
    Action(Action, Thing),
    /// The action on a key that Consume would spend a use for.
    Use(Action),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Thing {
    Key,
    Alias,
    User,
    Role,
    Group,
    Account,
}

/// Every operation by its row in the table, then the actions of KMS that are no operation.
fn rows() -> Vec<(String, Asked)> {
    let mut rows = Vec::new();
    let mut push = |name: &str, action: Action, things: &[Thing]| {
        for thing in things {
            let label = match thing {
                Thing::Key => "key",
                Thing::Alias => "alias",
                Thing::User => "user",
                Thing::Role => "role",
                Thing::Group => "group",
                Thing::Account => "*",
            };
            rows.push((
                format!("{name} ({label})"),
                Asked::Action(action.clone(), *thing),
            ));
        }
    };
    let mut offices = Vec::new();
    let mut seen = Vec::new();
    for operation in Operation::ALL {
        let row = operation.row();
        match row.asks {
            Asks::Office(action) => {
                offices.push((row.name.to_string(), Asked::Office(row.access, action)));
            }
            Asks::Named => {
                let action = operation.action(PrincipalType::User);
                offices.push((format!("{} {action} (key)", row.name), Asked::Use(action)));
            }
            _ if row.access == Access::Management => {
                let action = operation.action(PrincipalType::User);
                let label = format!("{} (organization)", row.name);
                offices.push((label, Asked::Organization(action)));
            }
            Asks::Iam { .. } | Asks::LikeIam(_) => {
                for (kind, on) in [
                    (PrincipalType::User, Thing::User),
                    (PrincipalType::Role, Thing::Role),
                ] {
                    let thing = if row.on == On::Principal {
                        on
                    } else {
                        Thing::Account
                    };
                    let action = operation.action(kind);
                    let name = format!("{} {action}", row.name);
                    push(&name, action, &[thing]);
                }
            }
            asks => {
                let action = operation.action(PrincipalType::User);
                if let Asks::Kms(action) = asks {
                    seen.push(action);
                }
                let things: &[Thing] = match row.on {
                    On::Key | On::Grant => &[Thing::Key],
                    On::KeyAndAlias => &[Thing::Key, Thing::Alias],
                    On::Principal => &[Thing::User],
                    On::Group => &[Thing::Group],
                    On::Account | On::Cluster | On::Organization => &[Thing::Account],
                };
                push(row.name, action, things);
            }
        }
    }
    for action in KmsAction::ALL {
        if !seen.contains(action) {
            let things: &[Thing] = match action.target() {
                ActionTarget::Key => &[Thing::Key],
                ActionTarget::KeyAndAlias => &[Thing::Key, Thing::Alias],
                ActionTarget::None => &[Thing::Account],
            };
            push(action.full_name(), (*action).into(), things);
        }
    }
    offices.extend(rows);
    offices
}

/// A decision in two characters.
fn cell(decision: &Decision) -> String {
    let source = |source: Source| match source {
        Source::KeyPolicy => 'K',
        Source::IdentityPolicy => 'I',
        Source::KeyAndIdentityPolicy => 'B',
        Source::Grant => 'G',
        Source::Account => 'A',
        Source::ServiceControlPolicy => 'S',
        Source::ResourceControlPolicy => 'R',
        Source::PermissionsBoundary => 'P',
        Source::SessionPolicy => 'N',
        Source::VpcEndpointPolicy => 'V',
    };
    match (
        decision.outcome(),
        decision.decided_by(),
        decision.missing(),
    ) {
        (Outcome::Allow, Some(by), _) => format!("+{}", source(by.source)),
        (Outcome::ExplicitDeny, Some(by), _) => format!("!{}", source(by.source)),
        (_, _, Some(missing)) => {
            let what = match missing {
                Missing::IdentityPolicy => 'I',
                Missing::KeyPolicy => 'K',
                Missing::Boundary => 'P',
                Missing::SessionPolicy => 'N',
                Missing::ServiceControlPolicy => 'S',
                Missing::ResourceControlPolicy => 'R',
                Missing::EndpointPolicy => 'V',
                Missing::Endpoint => 'U',
                Missing::CrossAccount => 'X',
                Missing::RetirementRight => 'T',
                Missing::Caller => 'C',
            };
            format!(".{what}")
        }
        _ => panic!("{decision:?}"),
    }
}

const LEGEND: &str = "\
Who may do what: a row for every operation and every action, a column for every kind of principal.
Written by `GRANTD_BLESS=1 cargo test --lib authority`.

+ allowed by, ! denied by, . not allowed because of:
K key policy   I identity policy   B key policy and identity policy of another account   G grant   A being the account
S service control policy   R resource control policy   P permissions boundary   N session policy   V endpoint policy
U the endpoint is not known   X the action does not work across accounts   T no right to retire the grant   C the caller is gone   O the office
";

/// The worlds by what is around the accounts, and the grant that RetireGrant is about.
struct Worlds(Vec<(Around, Cluster, Arc<Grant>)>);

impl Worlds {
    fn new() -> Self {
        let plain = world();
        let of = |around: Around| {
            let mut cluster = plain.copy();
            around.put(&mut cluster);
            let grant = cluster
                .state
                .grants()
                .of_key(&key_arn(GRANTED), None)
                .find(|grant| grant.retiring.is_some() && grant.constraints.source_arn.is_none())
                .cloned()
                .unwrap();
            (around, cluster, grant)
        };
        Self(Around::ALL.into_iter().map(of).collect())
    }

    fn of(&self, around: Around) -> (&Cluster, &Grant) {
        let (_, cluster, grant) = self.0.iter().find(|(of, ..)| *of == around).unwrap();
        (cluster, grant)
    }
}

fn ask(worlds: &Worlds, column: &Column, asked: &Asked) -> String {
    let (cluster, grant) = worlds.of(column.around);
    let office = |may: bool| {
        if may {
            "+O".to_owned()
        } else {
            ".O".to_owned()
        }
    };
    let management = column.around.management();
    let is_use = matches!(asked, Asked::Use(_));
    let (action, thing) = match asked {
        Asked::Office(Access::System, action) => {
            return office(require_system(&column.caller, action).is_ok());
        }
        Asked::Office(_, action) => {
            return office(require_operator(&column.caller, action).is_ok());
        }
        Asked::Organization(action) => match column.caller.identity {
            Identity::Operator | Identity::System | Identity::Service(_) => {
                let action = action.to_string();
                return office(require_operator(&column.caller, &action).is_ok());
            }
            _ => (action, None),
        },
        Asked::Use(action) => (action, Some(Thing::Key)),
        Asked::Action(action, thing) => (action, Some(*thing)),
    };
    let (user, role): (PrincipalArn, PrincipalArn) = (arn(BOB), arn(APP));
    let staff = group("staff");
    let alias = AliasArn {
        partition: key_arn(OPEN).partition,
        region: scope().region,
        account: OWNER.parse().unwrap(),
        name: "alias/app".parse().unwrap(),
    };
    let home = column.caller.identity.account();
    let target = match thing {
        None => Target::Account(management),
        Some(Thing::Key) => Target::Key {
            key: cluster.state.key(&key_arn(column.key)).unwrap(),
            alias: None,
        },
        Some(Thing::Alias) => Target::Alias(&alias),
        Some(Thing::User) => Target::Principal(&user),
        Some(Thing::Role) => Target::Principal(&role),
        Some(Thing::Group) => Target::Group(&staff),
        Some(Thing::Account) => Target::Account(home.unwrap_or_else(|| OWNER.parse().unwrap())),
    };
    let is_retirement = *action == Action::Kms(KmsAction::RetireGrant) && column.key == GRANTED;
    let mut caller = column.caller.clone();
    caller.facts.context.insert(
        "aws:sourcearn".into(),
        ContextEntry::Single("arn:aws:logs:eu-west-1:111122223333:log-group:a".into()),
    );
    let decision = authorize(
        &cluster.state,
        &Request {
            caller: &caller,
            scope: &scope(),
            action: action.clone(),
            target,
            encryption_context: &EncryptionContext::new(),
            about: if is_retirement {
                About::Retired(grant)
            } else if is_use {
                About::Use(Use {
                    only: None,
                    purse: Purse::Budgeted,
                })
            } else {
                About::Nothing
            },
            token_grants: &[],
            parameters: Parameters::FromFront,
            now: cluster.state.clock(),
        },
    );
    cell(&decision)
}

/// D-1 to D-12, P-12, P-20, P-22, G-2, G-25, G-50, G-52, U-3, U-20, ID-18, ID-20, EC-13, W-6: the whole matrix.
#[test]
fn authority_matrix_is_as_reviewed() {
    let worlds = Worlds::new();
    let (blocks, rows) = (blocks(), rows());
    let mut text = LEGEND.to_string();
    text.push_str("\nkeys of account 111122223333:\n");
    for (n, says) in KEYS {
        writeln!(text, "  {n} ({}): {says}", key_id(n)).unwrap();
    }
    let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    for (at, (title, columns)) in blocks.iter().enumerate() {
        writeln!(text, "\n# {}. {title}", at + 1).unwrap();
        for (at, column) in columns.iter().enumerate() {
            writeln!(text, "  {:2} key {}: {}", at + 1, column.key, column.who).unwrap();
        }
        write!(text, "\n{:width$}", "").unwrap();
        for at in 1..=columns.len() {
            write!(text, " {at:2}").unwrap();
        }
        text.push('\n');
        for (label, asked) in &rows {
            write!(text, "{label:width$}").unwrap();
            for column in columns {
                write!(text, " {}", ask(&worlds, column, asked)).unwrap();
            }
            text.push('\n');
        }
    }
    for operation in Operation::ALL {
        let name = operation.name();
        let is_there = |line: &&str| line.split(' ').next() == Some(name);
        let times = text.lines().filter(is_there).count();
        assert!(times >= blocks.len(), "{name} is missing");
    }
    golden("authority.txt", &text);
}

/// D-2, D-3, D-11, M-2, M-4: some principal of the matrix meets each way in which a request is allowed or denied, and
/// each kind of caller stands in it.
#[test]
fn matrix_meets_every_way_to_decide() {
    let worlds = Worlds::new();
    let rows = rows();
    let mut met = std::collections::BTreeSet::new();
    let mut kinds = std::collections::BTreeSet::new();
    for column in blocks().iter().flat_map(|(_, columns)| columns) {
        kinds.insert(match column.caller.identity {
            Identity::Operator => "operator",
            Identity::System => "system",
            Identity::Root { .. } => "root",
            Identity::User { .. } => "user",
            Identity::RoleSession { .. } => "session",
            Identity::FederatedUser { .. } => "federated",
            Identity::Service(_) => "service",
        });
        met.extend(rows.iter().map(|(_, asked)| ask(&worlds, column, asked)));
    }
    let met: Vec<&str> = met.iter().map(String::as_str).collect();
    // No `.R`: what allows everything cannot be detached from a node's resource control policies.
    assert_eq!(
        met,
        [
            "!I", "!K", "!N", "!P", "!R", "!S", "!V", "+A", "+B", "+G", "+I", "+K", "+O", ".C",
            ".I", ".K", ".N", ".O", ".P", ".S", ".T", ".U", ".V", ".X"
        ]
    );
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        [
            "federated",
            "operator",
            "root",
            "service",
            "session",
            "system",
            "user"
        ]
    );
}

/// D-8: a cell says the same as the table of actions: across accounts only what AWS marks so is ever allowed on a key.
#[test]
fn nothing_else_is_allowed_across_accounts() {
    let worlds = Worlds::new();
    for column in blocks().into_iter().flat_map(|(_, columns)| columns) {
        if column.caller.identity.account() != Some(OTHER.parse().unwrap()) {
            continue;
        }
        for action in KmsAction::ALL {
            if action.target() != ActionTarget::Key || action.is_cross_account() {
                continue;
            }
            let asked = Asked::Action((*action).into(), Thing::Key);
            let cell = ask(&worlds, &column, &asked);
            assert!(!cell.starts_with('+'), "{} {action}: {cell}", column.who);
        }
    }
}
