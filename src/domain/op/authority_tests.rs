//! The authority matrix: every operation and every action of KMS by every kind of principal, as one golden file.
//!
//! `tests/golden/authority.txt` is the whole answer to "who may what": a change of any cell shows in review. Rows come
//! from the table of operations and the table of actions, so one that is missing from the file fails here.

use std::fmt::Write as _;
use std::sync::Arc;

use super::authority_columns::{Column, blocks};
use super::authority_world::{Around, GRANTED, KEYS, OPEN, world};
use super::table::{Access, Asks, On, Operation};
use super::testing::{APP, BOB, Cluster, OTHER, OWNER, arn, golden, group, key_arn, key_id, scope};
use crate::domain::authz::caller::{ContextEntry, Identity};
use crate::domain::authz::decision::{Decision, Missing, Outcome, Source};
use crate::domain::authz::request::{About, Parameters, Request, Target, Use};
use crate::domain::authz::{authorize, require_operator, require_system};
use crate::domain::ids::{AliasArn, PrincipalArn};
use crate::domain::policy::{Action, ActionTarget, KmsAction};
use crate::domain::state::grant::{EncryptionContext, Grant};
use crate::domain::state::grant_index::Purse;
use crate::domain::state::principal::PrincipalType;

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
