//! The columns of the authority matrix: every kind of principal, by what it is about.

use super::authority_world::*;
use super::testing::{
    ADMIN, ALLOW_ALL, APP, BOB, CAROL, EXT, MANAGEMENT, OTHER, OWNER, arn, caller, session,
    unique_id,
};
use crate::domain::authz::caller::{Caller, ContextEntry, Identity};
use crate::domain::policy::{Policy, PolicyKind};

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

/// A kind of principal, the key that it asks about, and the organization that there is.
pub(super) struct Column {
    /// Who it is, for people.
    pub(super) who: &'static str,
    /// Its identity.
    pub(super) caller: Caller,
    /// The number of the key.
    pub(super) key: u8,
    /// The organization.
    pub(super) around: Around,
}

/// The kinds of principals, by what they are about.
pub(super) fn blocks() -> Vec<(&'static str, Vec<Column>)> {
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
