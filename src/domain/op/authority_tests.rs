//! The authority matrix: every operation and every action of KMS by every kind of principal, as one golden file.
//!
//! `tests/golden/authority.txt` is the whole answer to "who may what": a change of any cell shows in review. Rows come
//! from the table of operations and the table of actions, so one that is missing from the file fails here.

use std::fmt::Write as _;
use std::sync::Arc;

use super::table::{Access, Asks, On, Operation};
use crate::domain::authz::caller::{Caller, Identity};
use crate::domain::authz::decision::{Decision, Missing, Outcome, Source};
use crate::domain::authz::request::{About, Parameters, Request, Target};
use crate::domain::authz::{authorize, require_operator, require_system};
use crate::domain::ids::{AliasArn, PrincipalArn};
use crate::domain::op::testing::{
    ADMIN, ALLOW_ALL, APP, BOB, CAROL, Cluster, EXT, OTHER, OWNER, arn, caller, create_grant,
    create_key, golden, key, key_arn, key_id, scope, session, unique_id,
};
use crate::domain::op::{Command, LockoutCheck, delete_principal, put_key_policy};
use crate::domain::policy::{Action, ActionTarget, KmsAction, Policy, PolicyKind};
use crate::domain::state::grant::{EncryptionContext, Grant, GrantOperation};
use crate::domain::state::principal::PrincipalType;

const READER: &str = "arn:aws:iam::111122223333:user/reader";
const NAMED: &str = "arn:aws:iam::111122223333:user/named";
const DENIED: &str = "arn:aws:iam::111122223333:user/denied";
const BARRED: &str = "arn:aws:iam::111122223333:user/barred";
const GONE: &str = "arn:aws:iam::111122223333:user/gone";
const AGAIN: &str = "arn:aws:iam::111122223333:user/again";
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
        "its policy names the administrator alone; the rest have grants",
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

fn role_session(role: &str, name: &str, policy: Option<&str>) -> Caller {
    let role = arn(role);
    let session = format!(
        "{}/{name}",
        role.as_str()
            .replace(":iam:", ":sts:")
            .replace(":role/", ":assumed-role/")
    );
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

/// A kind of principal, and the key that it asks about.
struct Column {
    who: &'static str,
    caller: Caller,
    key: u8,
}

fn columns() -> Vec<Column> {
    let root = format!("arn:aws:iam::{OWNER}:root");
    let other_root = format!("arn:aws:iam::{OTHER}:root");
    let only_decrypt = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}}"#;
    let session_of = |role, policy| role_session(role, "one", policy);
    [
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
            "the same with a session policy that allows kms:Decrypt",
            session_of(APP, Some(only_decrypt)),
            OPEN,
        ),
        (
            "federated user of a user whose identity policy allows all",
            federated("ann", ADMIN),
            OPEN,
        ),
        ("user that was deleted", caller(GONE), OPEN),
        ("user that was deleted and re-created", caller(AGAIN), OPEN),
        ("root user of another account", caller(&other_root), OPEN),
        (
            "user of another account whose identity policy allows all",
            caller(EXT),
            OPEN,
        ),
        ("service for itself", caller(SERVICE), OPEN),
        ("operator of the cluster", caller("operator"), OPEN),
        ("the cluster itself", caller("system"), OPEN),
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
            "the same with a session policy that allows kms:Decrypt",
            session_of(CLERK, Some(only_decrypt)),
            NAMING,
        ),
        (
            "session that is named by its own ARN",
            session("named"),
            NAMING,
        ),
        (
            "federated user that is named",
            federated("named", READER),
            NAMING,
        ),
        (
            "federated user of a user that is named",
            federated("ann", NAMED),
            NAMING,
        ),
        (
            "session of another account's role, both named and with an identity policy",
            session_of(PARTNER, None),
            NAMING,
        ),
        (
            "session of another account's role that is named and has no policy",
            session_of(STRANGER, None),
            NAMING,
        ),
        ("service that is named", caller(SERVICE), NAMING),
        ("user with a grant", caller(BOB), GRANTED),
        (
            "session of a role with a grant",
            session_of(CLERK, None),
            GRANTED,
        ),
        (
            "user of another account that has a grant, with an identity policy",
            caller(EXT),
            GRANTED,
        ),
        (
            "session of the same account without an identity policy",
            session_of(STRANGER, None),
            GRANTED,
        ),
        ("service with a grant", caller(SERVICE), GRANTED),
        ("retiring principal of a grant", caller(CAROL), GRANTED),
        (
            "user that the key policy denies, and whose identity policy allows all",
            caller(DENIED),
            DENYING,
        ),
        (
            "user of the other account whose identity policy allows all",
            caller(EXT),
            FOREIGN,
        ),
        (
            "session of the other account without an identity policy",
            session_of(STRANGER, None),
            FOREIGN,
        ),
        (
            "root user of the other account",
            caller(&other_root),
            FOREIGN,
        ),
    ]
    .into_iter()
    .map(|(who, caller, key)| Column { who, caller, key })
    .collect()
}

fn world() -> Cluster {
    let mut cluster = Cluster::new();
    for principal in [
        READER, NAMED, DENIED, BARRED, GONE, AGAIN, CLERK, PARTNER, STRANGER,
    ] {
        cluster.make_principal(principal, 0);
    }
    for principal in [APP, DENIED, EXT, PARTNER] {
        cluster.put_policy(principal, ALLOW_ALL);
    }
    cluster.put_policy(READER, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["kms:Describe*","kms:Get*","kms:List*"],"Resource":"*"}}"#);
    cluster.put_policy(BARRED, r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"kms:*","Resource":"*"}]}"#);
    let root = format!("arn:aws:iam::{OWNER}:root");
    for n in [NAMING, GRANTED, DENYING, FOREIGN] {
        cluster.done(ADMIN, Command::CreateKey(create_key(n)));
    }
    let open = statement("Allow", &aws(&[&root]));
    let admin = statement("Allow", &aws(&[ADMIN]));
    let session = format!("arn:aws:sts::{OWNER}:assumed-role/app/named");
    let federated = format!("arn:aws:sts::{OWNER}:federated-user/named");
    let names = [NAMED, CLERK, &*session, &*federated, PARTNER, STRANGER];
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
    let grantable: Vec<GrantOperation> = cluster
        .state
        .key(&key_arn(GRANTED))
        .map(|key| super::key_rules::grantable(key).iter().collect())
        .unwrap();
    let other_root = format!("arn:aws:iam::{OTHER}:root");
    for (n, grantee) in [(1, BOB), (2, CLERK), (3, &*other_root)] {
        let mut command = create_grant(n, grantee);
        command.key = key(GRANTED);
        command.operations = grantable.clone();
        command.retiring = (n == 1).then(|| CAROL.into());
        cluster.done(ADMIN, Command::CreateGrant(command));
    }
    let mut service = create_grant(4, BOB);
    service.key = key(GRANTED);
    service.operations = grantable;
    service.grantee = None;
    service.grantee_service = Some(SERVICE.into());
    service.retiring = Some(CAROL.into());
    service.source_arn = Some("arn:aws:logs:eu-west-1:111122223333:log-group:a".into());
    cluster.done(ADMIN, Command::CreateGrant(service));
    for principal in [GONE, AGAIN] {
        cluster.done(
            &root,
            Command::DeletePrincipal(delete_principal::DeletePrincipal {
                arn: arn(principal),
            }),
        );
    }
    cluster.make_principal(AGAIN, 1);
    cluster.put_policy(AGAIN, ALLOW_ALL);
    cluster
}

/// What a row asks for.
enum Asked {
    /// An office (DESIGN section 2): no policy decides.
    Office(Access, &'static str),
    /// An action on something.
    Action(Action, Thing),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Thing {
    Key,
    Alias,
    User,
    Role,
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
                    _ => &[Thing::Account],
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

fn ask(cluster: &Cluster, column: &Column, asked: &Asked, grant: &Grant) -> String {
    let (action, thing) = match asked {
        Asked::Office(Access::System, action) => {
            let may = require_system(&column.caller, action).is_ok();
            return if may { "+O" } else { ".O" }.into();
        }
        Asked::Office(_, action) => {
            let may = require_operator(&column.caller, action).is_ok();
            return if may { "+O" } else { ".O" }.into();
        }
        Asked::Action(action, thing) => (action, *thing),
    };
    let (user, role): (PrincipalArn, PrincipalArn) = (arn(BOB), arn(APP));
    let alias = AliasArn {
        partition: key_arn(OPEN).partition,
        region: scope().region,
        account: OWNER.parse().unwrap(),
        name: "alias/app".parse().unwrap(),
    };
    let home = column.caller.identity.account();
    let target = match thing {
        Thing::Key => Target::Key {
            key: cluster.state.key(&key_arn(column.key)).unwrap(),
            alias: None,
        },
        Thing::Alias => Target::Alias(&alias),
        Thing::User => Target::Principal(&user),
        Thing::Role => Target::Principal(&role),
        Thing::Account => Target::Account(home.unwrap_or_else(|| OWNER.parse().unwrap())),
    };
    let is_retirement = *action == Action::Kms(KmsAction::RetireGrant) && column.key == GRANTED;
    let mut caller = column.caller.clone();
    caller.facts.context.insert(
        "aws:sourcearn".into(),
        crate::domain::authz::caller::ContextEntry::Single(
            "arn:aws:logs:eu-west-1:111122223333:log-group:a".into(),
        ),
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

/// D-1, D-4, D-5, D-6, D-7, D-8, D-9, D-10, P-12, P-20, P-22, G-2, G-50, U-3, ID-18, ID-20, W-6: the whole matrix.
#[test]
fn authority_matrix_is_as_reviewed() {
    let cluster = world();
    let grant: Arc<Grant> = cluster
        .state
        .grants()
        .of_key(&key_arn(GRANTED), None)
        .find(|grant| grant.retiring.is_some() && grant.constraints.source_arn.is_none())
        .cloned()
        .unwrap();
    let (columns, rows) = (columns(), rows());
    let mut text = LEGEND.to_string();
    for (n, says) in KEYS {
        writeln!(text, "\nkey {n} ({}): {says}", key_id(n)).unwrap();
        for (at, column) in columns.iter().enumerate().filter(|(_, c)| c.key == n) {
            writeln!(text, "  {:2} {}", at + 1, column.who).unwrap();
        }
    }
    let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    write!(text, "\n{:width$}", "").unwrap();
    for at in 1..=columns.len() {
        write!(text, " {at:2}").unwrap();
    }
    text.push('\n');
    for (label, asked) in &rows {
        write!(text, "{label:width$}").unwrap();
        for column in &columns {
            write!(text, " {}", ask(&cluster, column, asked, &grant)).unwrap();
        }
        text.push('\n');
    }
    for operation in Operation::ALL {
        let name = operation.name();
        let is_there = |line: &str| line.split(' ').next() == Some(name);
        assert!(text.lines().any(is_there), "{name} is missing");
    }
    golden("authority.txt", &text);
}

/// D-8: a cell says the same as the table of actions: across accounts only what AWS marks so is ever allowed on a key.
#[test]
fn nothing_else_is_allowed_across_accounts() {
    let cluster = world();
    let grant = cluster
        .state
        .grants()
        .of_key(&key_arn(GRANTED), None)
        .next();
    let grant = grant.unwrap();
    for column in columns() {
        if column.caller.identity.account() != Some(OTHER.parse().unwrap()) {
            continue;
        }
        for action in KmsAction::ALL {
            if action.target() != ActionTarget::Key || action.is_cross_account() {
                continue;
            }
            let asked = Asked::Action((*action).into(), Thing::Key);
            let cell = ask(&cluster, &column, &asked, grant);
            assert!(!cell.starts_with('+'), "{} {action}: {cell}", column.who);
        }
    }
}
