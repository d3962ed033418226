//! Rego, by regorus: rules for the policies, the grants as data found by key and grantee.

use grantd::domain::policy::KmsAction;
use regorus::{CompiledPolicy, PolicyModule, Value, compile_policy_with_entrypoint};
use serde_json::json;

use crate::cedar::{ADMINISTRATION, USE};
use crate::ours::PROJECT_ALIAS;
use crate::scene::{Engine, Facts, Question};
use crate::world::{APP, grantee};

const ABAC: &str = r#"
package authz
default allow := false
allow if {
    input.principal == data.administrator
    not deny
}
deny if {
    input.action == "DescribeKey"
    input.alias != data.project_alias
}
deny if {
    input.action == "DescribeKey"
    not input.alias
}
"#;

const GRANTS: &str = r#"
package authz
default allow := false
allow if {
    some grant in data.grants[input.resource][input.principal]
    input.action in grant.operations
    matches(grant)
}
matches(grant) if not grant.equals
matches(grant) if grant.equals == input.encryption_context
"#;

/// A compiled policy with its data.
pub struct Rego(CompiledPolicy);

impl Engine for Rego {
    type Asked = Value;

    fn with(facts: Facts) -> Self {
        match facts {
            Facts::Console => console("KMSUser"),
            Facts::Abac => {
                let data = json!({"administrator": APP, "project_alias": PROJECT_ALIAS});
                Self::compile(data, ABAC)
            }
            Facts::GrantsOfMany(_) | Facts::GrantsOfOne(_) => Self(compiled(grants(facts), GRANTS)),
        }
    }

    fn ask(&self, question: &Question) -> Value {
        let mut asked = json!({
            "principal": question.principal,
            "action": question.action,
            "resource": "K1",
        });
        if let Some(alias) = question.alias {
            asked["alias"] = alias.into();
        }
        if let Some(file) = question.file {
            asked["encryption_context"] =
                json!({"bucket": "reports", "file": format!("2026/{file}")});
        }
        value(&asked)
    }

    fn decide(&self, asked: &Value) -> bool {
        self.0.eval_with_input(asked.clone()).unwrap() == Value::Bool(true)
    }
}

impl Rego {
    fn compile(data: serde_json::Value, policy: &str) -> Self {
        Self(compiled(value(&data), policy))
    }
}

/// The console's key policy, for a user of this name.
pub fn console(user: &str) -> Rego {
    let expand = |prefixes: &[&str]| -> Vec<&str> {
        let names = KmsAction::ALL.iter().map(|action| action.name());
        names
            .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
            .collect()
    };
    let policy = format!(
        r#"
package authz
default allow := false
administrators := {{"arn:aws:iam::111122223333:user/KMSAdminUser", "arn:aws:iam::111122223333:role/KMSAdminRole"}}
users := {{"arn:aws:iam::111122223333:user/{user}", "arn:aws:iam::111122223333:role/KMSRole"}}
administration := {{{}}}
use_of_key := {{{}}}
allow if {{ input.principal in administrators; input.action in administration }}
allow if {{ input.principal in users; input.action in use_of_key }}
allow if {{ input.principal in users; input.action in {{"CreateGrant", "ListGrants", "RevokeGrant"}}; input.is_for_aws_resource }}
"#,
        quoted(&expand(&ADMINISTRATION)),
        quoted(&expand(&USE)),
    );
    Rego::compile(json!({}), &policy)
}

/// Grants by key and grantee, as data.
pub fn grants(facts: Facts) -> Value {
    let operations = json!(["Decrypt", "GenerateDataKey"]);
    let mut of_key = serde_json::Map::new();
    match facts {
        Facts::GrantsOfMany(size) => {
            for n in 0..size {
                of_key.insert(grantee(n), json!([{"operations": operations}]));
            }
        }
        Facts::GrantsOfOne(size) => {
            let grant = |n| {
                let equals = json!({"bucket": "reports", "file": format!("2026/{n}")});
                json!({"operations": operations, "equals": equals})
            };
            of_key.insert(APP.to_owned(), (0..size).map(grant).collect());
        }
        Facts::Console | Facts::Abac => {}
    }
    value(&json!({"grants": {"K1": of_key}}))
}

fn compiled(data: Value, policy: &str) -> CompiledPolicy {
    let module = PolicyModule {
        id: "authz.rego".into(),
        content: policy.into(),
    };
    compile_policy_with_entrypoint(data, &[module], "data.authz.allow".into()).unwrap()
}

fn value(json: &serde_json::Value) -> Value {
    Value::from_json_str(&json.to_string()).unwrap()
}

fn quoted(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    quoted.join(", ")
}
