//! Cedar: a policy a statement, entities for what has attributes, a template linked once a grant.

#![allow(
    clippy::disallowed_types,
    reason = "Cedar's interface takes maps and sets of std"
)]

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicyId, PolicySet, Request,
    RestrictedExpression, SlotId,
};
use grantd::domain::policy::KmsAction;

use crate::ours::PROJECT_ALIAS;
use crate::scene::{Engine, Facts, Question};
use crate::world::{APP, grantee};

const OWNER: &str = "arn:aws:iam::111122223333:";
/// The wildcards of the console's administrator statement.
pub const ADMINISTRATION: [&str; 14] = [
    "Create",
    "Describe",
    "Enable",
    "List",
    "Put",
    "Update",
    "Revoke",
    "Disable",
    "Get",
    "Delete",
    "TagResource",
    "UntagResource",
    "ScheduleKeyDeletion",
    "CancelKeyDeletion",
];
/// Those of the statement for users of the key.
pub const USE: [&str; 5] = [
    "Encrypt",
    "Decrypt",
    "ReEncrypt",
    "GenerateDataKey",
    "DescribeKey",
];

const GRANT: &str =
    r#"permit(principal == ?principal, action in Action::"granted", resource == ?resource);"#;

/// Policies and entities.
pub struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
}

impl Engine for Cedar {
    type Asked = Request;

    fn with(facts: Facts) -> Self {
        let policies = match facts {
            Facts::Console => console("KMSUser"),
            Facts::Abac => abac(),
            Facts::GrantsOfMany(size) => of_many(size),
            Facts::GrantsOfOne(size) => of_one(size),
        };
        Self {
            authorizer: Authorizer::new(),
            policies,
            entities: entities(),
        }
    }

    fn ask(&self, question: &Question) -> Request {
        let mut pairs = Vec::new();
        if let Some(alias) = question.alias {
            let alias = RestrictedExpression::new_string(alias.to_owned());
            pairs.push(("alias".to_owned(), alias));
        }
        if let Some(file) = question.file {
            let text = |text: String| RestrictedExpression::new_string(text);
            let record = RestrictedExpression::new_record([
                ("bucket".to_owned(), text("reports".to_owned())),
                ("file".to_owned(), text(format!("2026/{file}"))),
            ]);
            pairs.push(("encryption_context".to_owned(), record.unwrap()));
        }
        Request::new(
            uid("Principal", &question.principal),
            uid("Action", question.action),
            uid("Key", "K1"),
            Context::from_pairs(pairs).unwrap(),
            None,
        )
        .unwrap()
    }

    fn decide(&self, asked: &Request) -> bool {
        let response = self
            .authorizer
            .is_authorized(asked, &self.policies, &self.entities);
        response.decision() == Decision::Allow
    }
}

/// The policies of the console's key policy, for a user of this name.
pub fn console(user: &str) -> PolicySet {
    let text = format!(
        r#"
permit(principal in Principal::"administrators", action in Action::"administration", resource == Key::"K1");
permit(principal, action in Action::"use", resource == Key::"K1")
when {{ [Principal::"{OWNER}user/{user}", Principal::"{OWNER}role/KMSRole"].contains(principal) }};
permit(principal, action in [Action::"CreateGrant", Action::"ListGrants", Action::"RevokeGrant"], resource == Key::"K1")
when {{ [Principal::"{OWNER}user/{user}", Principal::"{OWNER}role/KMSRole"].contains(principal) && context has is_for_aws_resource && context.is_for_aws_resource }};
"#
    );
    text.parse().unwrap()
}

fn abac() -> PolicySet {
    let text = format!(
        r#"
permit(principal == Principal::"{APP}", action, resource);
forbid(principal == Principal::"{APP}", action == Action::"DescribeKey", resource)
when {{ !(context has alias) || context.alias != principal.project_alias }};
"#
    );
    text.parse().unwrap()
}

/// A template, linked for each grant.
pub fn of_many(size: u32) -> PolicySet {
    let mut policies: PolicySet = PolicySet::new();
    let template = cedar_policy::Template::parse(Some(PolicyId::new("grant")), GRANT).unwrap();
    policies.add_template(template).unwrap();
    for n in 0..size {
        let values = HashMap::from([
            (SlotId::principal(), uid("Principal", &grantee(n))),
            (SlotId::resource(), uid("Key", "K1")),
        ]);
        let id = PolicyId::new(format!("grant-{n}"));
        policies.link(PolicyId::new("grant"), id, values).unwrap();
    }
    policies
}

/// A slot cannot stand in a condition, so each grant is a policy of its own.
fn of_one(size: u32) -> PolicySet {
    let mut text = String::new();
    for n in 0..size {
        writeln!(
            text,
            r#"permit(principal == Principal::"{APP}", action in Action::"granted", resource == Key::"K1")
when {{ context has encryption_context && context.encryption_context == {{"bucket": "reports", "file": "2026/{n}"}} }};"#
        )
        .unwrap();
    }
    text.parse().unwrap()
}

fn entities() -> Entities {
    let none = HashMap::new;
    let mut entities = vec![
        Entity::new(
            uid("Principal", APP),
            HashMap::from([(
                "project_alias".to_owned(),
                RestrictedExpression::new_string(PROJECT_ALIAS.to_owned()),
            )]),
            HashSet::new(),
        )
        .unwrap(),
    ];
    for name in ["user/KMSAdminUser", "role/KMSAdminRole"] {
        let parents = HashSet::from([uid("Principal", "administrators")]);
        let id = uid("Principal", &format!("{OWNER}{name}"));
        entities.push(Entity::new(id, none(), parents).unwrap());
    }
    for action in KmsAction::ALL {
        let name = action.name();
        let is_in = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let mut parents = HashSet::new();
        if is_in(&ADMINISTRATION) {
            parents.insert(uid("Action", "administration"));
        }
        if is_in(&USE) {
            parents.insert(uid("Action", "use"));
        }
        if ["Decrypt", "GenerateDataKey"].contains(&name) {
            parents.insert(uid("Action", "granted"));
        }
        entities.push(Entity::new(uid("Action", name), none(), parents).unwrap());
    }
    Entities::from_entities(entities, None).unwrap()
}

fn uid(kind: &str, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.parse().unwrap(), cedar_policy::EntityId::new(id))
}
