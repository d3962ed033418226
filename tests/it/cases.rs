//! The published conformance cases of kind `authz`: world and request → evidence → decision.
//!
//! The runner builds the request's context from the rules of SPEC C.4 by itself and compares with what the case
//! expects; it takes from the engine its identifiers, its policies and `combine`, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use grantd::domain::authz::combine::{Evidence, Level, NamedPolicy, Object, Subject, combine};
use grantd::domain::authz::decision::{Decision, Outcome};
use grantd::domain::ids::{
    AccountId, GrantId, KeyArn, Partition, PrincipalArn, ServicePrincipal, UniqueId,
};
use grantd::domain::policy::{
    Action, Ask, ContextKey, ContextSource, ContextValue, Policy, PolicyKind, Profile,
    ResourceName, Who,
};
use grantd::domain::state::grant::{
    ConstraintKeyCase, ContextConstraint, EncryptionContext, Grant, GrantConstraints,
    GrantOperations, GrantPrincipal,
};
use grantd::domain::time::{Revision, Timestamp};
use serde_json::Value;

const FILES: [&str; 12] = [
    "ab-abac",
    "cg-create-grant",
    "cn-condition-operators",
    "ex-encryption-context-conditions",
    "ga-grant-authz",
    "gc-grant-constraints",
    "kp-key-policy",
    "ks-custom-key-stores",
    "ob-orgs-boundaries-sessions",
    "rt-retire-revoke-list",
    "st-states-and-api-errors",
    "xa-cross-account",
];

/// Operations whose `KeyId` may be an alias (ID-6).
const TAKES_ALIAS: [&str; 17] = [
    "Encrypt",
    "Decrypt",
    "ReEncryptFrom",
    "ReEncryptTo",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateMac",
    "VerifyMac",
    "Sign",
    "Verify",
    "DeriveSharedSecret",
    "Encapsulate",
    "Decapsulate",
    "DescribeKey",
    "GetPublicKey",
];

/// Operations without a key (P-12).
const KEYLESS: [&str; 12] = [
    "CreateKey",
    "ListKeys",
    "ListAliases",
    "ListRetirableGrants",
    "GenerateRandom",
    "CreateCustomKeyStore",
    "ConnectCustomKeyStore",
    "DisconnectCustomKeyStore",
    "UpdateCustomKeyStore",
    "DeleteCustomKeyStore",
    "DescribeCustomKeyStores",
    "GetCustomKeyStore",
];

#[test]
fn every_published_authz_case_agrees() {
    let mut count = 0;
    let mut differ = Vec::new();
    for file in FILES {
        let path = format!("{}/tests/cases/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let group: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for case in group["cases"].as_array().unwrap() {
            if case["kind"] == "authz" {
                count += 1;
                if let Err(difference) = run(case) {
                    differ.push(format!("{} {}: {difference}", case["id"], case["title"]));
                }
            }
        }
    }
    assert_eq!(count, 314, "the published cases of kind authz");
    assert!(
        differ.is_empty(),
        "{} of {count} differ:\n{}",
        differ.len(),
        differ.join("\n")
    );
}

/// What a case of kind `authz` comes to on the engine alone; `Err` says how it differs.
pub fn run(case: &Value) -> Result<(), String> {
    let expected = &case["expected"];
    let decided = match decide(case) {
        Err(code) if expected["decision"] == "error" => {
            let codes = strings(&expected["error_codes"]);
            return if codes.contains(&code) {
                Ok(())
            } else {
                Err(format!("error {code}, expected {codes:?}"))
            };
        }
        Err(code) => return Err(format!("error {code}")),
        Ok(decided) => decided,
    };
    let (decision, grant_names) = decided;
    let is_right = match expected["decision"].as_str().unwrap() {
        "allow" => decision.outcome() == Outcome::Allow,
        "explicit_deny" => decision.outcome() == Outcome::ExplicitDeny,
        "implicit_deny" => decision.outcome() == Outcome::ImplicitDeny,
        "deny" => decision.outcome() != Outcome::Allow,
        _ => false,
    };
    if !is_right {
        return Err(format!(
            "{:?} ({decision}), expected {}",
            decision.outcome(),
            expected["decision"]
        ));
    }
    if let Some(by) = expected["decided_by"].as_object() {
        let actual = decision.decided_by().ok_or("nothing decided")?;
        let sid = actual
            .statement
            .as_ref()
            .and_then(|statement| statement.sid.as_deref());
        let id = actual
            .grant
            .as_ref()
            .map(|grant| grant_names[grant].as_str());
        for (name, wanted) in by {
            let is_same = match name.as_str() {
                "type" => wanted == actual.source.as_str(),
                "sid" => {
                    let enabling = actual
                        .enabled_by
                        .as_ref()
                        .and_then(|statement| statement.sid.as_deref());
                    sid == wanted.as_str() || (sid.is_some() && enabling == wanted.as_str())
                }
                "id" => id == wanted.as_str(),
                _ => false,
            };
            if !is_same {
                return Err(format!("decided by {actual:?}, expected {name} {wanted}"));
            }
        }
    }
    if let Some(prefix) = expected["message_prefix"].as_str()
        && !decision.message().starts_with(prefix)
    {
        return Err(format!("message {}", decision.message()));
    }
    Ok(())
}

struct Context(BTreeMap<ContextKey, Held>);

enum Held {
    One(String),
    Many(Vec<String>),
}

impl ContextSource for Context {
    fn get(&self, key: &ContextKey) -> Option<ContextValue<'_>> {
        Some(match self.0.get(key)? {
            Held::One(text) => ContextValue::text(text),
            Held::Many(texts) => ContextValue::Many(texts),
        })
    }
}

impl Context {
    fn one(&mut self, key: &str, value: impl Into<String>) {
        self.0
            .insert(ContextKey::parse(key), Held::One(value.into()));
    }

    fn many(&mut self, key: &str, values: Vec<String>) {
        self.0.insert(ContextKey::parse(key), Held::Many(values));
    }

    /// A parameter of the request, if it is there.
    fn copy(&mut self, key: &str, value: &Value) {
        match value {
            Value::Null => {}
            Value::String(text) => self.one(key, text.as_str()),
            other => self.one(key, other.to_string()),
        }
    }
}

fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_string)
        .collect()
}

fn policy(value: &Value, kind: PolicyKind) -> Arc<Policy> {
    // A world's policy is taken as it stands (P-51).
    Policy::parse_unstored(&value.to_string(), kind)
        .unwrap_or_else(|error| panic!("{error}: {value}"))
}

fn policies(value: &Value, kind: PolicyKind) -> Vec<Arc<Policy>> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|value| policy(value, kind))
        .collect()
}

fn pairs(value: &Value) -> EncryptionContext {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str().into(), value.as_str().unwrap().into()))
        .collect()
}

/// The caller, owned.
enum Caller {
    Root(PrincipalArn),
    User(PrincipalArn),
    Session {
        session: PrincipalArn,
        role: PrincipalArn,
        service: Option<ServicePrincipal>,
    },
    Federated {
        arn: PrincipalArn,
        by: Option<PrincipalArn>,
    },
    Service(ServicePrincipal),
}

impl Caller {
    fn read(request: &Value) -> Self {
        let text = request["principal"].as_str().unwrap();
        if !text.starts_with("arn:") {
            return Self::Service(text.parse().unwrap());
        }
        let arn: PrincipalArn = text.parse().unwrap();
        if text.ends_with(":root") {
            Self::Root(arn)
        } else if let Some(role) = request["session_of"].as_str() {
            // D-18: a world of cases knows who made a role by its path alone.
            let service = role.split_once(":role/aws-service-role/");
            let service = service.and_then(|(_, rest)| rest.rsplit_once('/'));
            Self::Session {
                session: arn,
                role: role.parse().unwrap(),
                service: service.and_then(|(service, _)| service.parse().ok()),
            }
        } else if text.contains(":federated-user/") {
            let by = request["federated_by"]
                .as_str()
                .map(|text| text.parse().unwrap());
            Self::Federated { arn, by }
        } else {
            Self::User(arn)
        }
    }

    fn who(&self) -> Who<'_> {
        match self {
            Self::Root(root) => Who::Root {
                partition: root.partition(),
                account: root.account(),
            },
            Self::User(arn) => Who::User {
                arn,
                unique_id: None,
            },
            Self::Session {
                session,
                role,
                service,
            } => Who::RoleSession {
                session,
                role,
                unique_id: None,
                service: service.as_ref(),
            },
            Self::Federated { arn, by } => Who::FederatedUser {
                arn,
                federated_by: by.as_ref(),
                unique_id: None,
            },
            Self::Service(name) => Who::Service { name },
        }
    }
}

/// The key that a request names, or the error code (ID-1 to ID-9).
fn resolve(
    case: &Value,
    account: Option<AccountId>,
) -> Result<Option<(&Value, Option<String>)>, String> {
    let (world, request) = (&case["world"], &case["request"]);
    let Some(text) = request["key_id"].as_str() else {
        return Ok(None);
    };
    let operation = request["action"]
        .as_str()
        .unwrap()
        .trim_start_matches("kms:");
    let region = world["region"].as_str().unwrap();
    let keys = world["keys"].as_object().unwrap().values();
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let owner = account
        .map(|account| account.to_string())
        .unwrap_or_default();
    let (owner, tail) = match parts.as_slice() {
        ["arn", _, "kms", named, account, tail] if *named == region => {
            ((*account).to_string(), *tail)
        }
        ["arn", ..] => return Err("NotFoundException".to_string()),
        _ if text.starts_with("alias/") => (owner, text),
        // A bare id in an authz case of a service principal names a key of the world.
        _ => (owner, text),
    };
    let is_alias = tail.starts_with("alias/");
    let id = tail.trim_start_matches("key/");
    for key in keys {
        let arn: Vec<&str> = key["arn"].as_str().unwrap().splitn(6, ':').collect();
        if arn[3] != region || arn[4] != owner {
            continue;
        }
        let is_named = if is_alias {
            TAKES_ALIAS.contains(&operation)
                && strings(&key["aliases"]).iter().any(|alias| alias == tail)
        } else {
            arn[5] == format!("key/{id}")
        };
        if is_named {
            return Ok(Some((key, is_alias.then(|| tail.to_string()))));
        }
    }
    Err("NotFoundException".to_string())
}

fn build_context(case: &Value, caller: &Caller, key: Option<(&Value, Option<&str>)>) -> Context {
    let (world, request) = (&case["world"], &case["request"]);
    let operation = request["action"]
        .as_str()
        .unwrap()
        .trim_start_matches("kms:");
    let params = &request["params"];
    let mut context = Context(BTreeMap::new());
    let account = caller.who().account();

    // CK-0
    context.one("aws:SourceIp", "203.0.113.10");
    context.one("aws:SecureTransport", "true");
    context.one("aws:RequestedRegion", world["region"].as_str().unwrap());
    let (arn, kind) = match caller {
        Caller::Root(arn) => (arn.to_string(), "Account"),
        Caller::User(arn) => (arn.to_string(), "User"),
        Caller::Session { role, .. } => (role.to_string(), "AssumedRole"),
        Caller::Federated { arn, .. } => (arn.to_string(), "FederatedUser"),
        Caller::Service(name) => (name.to_string(), "Service"),
    };
    let entity = entity(world, caller, request);
    if let Some(account) = account {
        context.one("aws:PrincipalArn", arn.as_str());
        context.one("aws:PrincipalType", kind);
        context.one("aws:PrincipalAccount", account.to_string());
        context.one("kms:CallerAccount", account.to_string());
        if let Some(org) = world["accounts"][account.to_string()]["org_id"].as_str() {
            context.one("aws:PrincipalOrgID", org);
        }
    }
    if let Caller::User(user) = caller {
        context.one("aws:username", user.as_str().rsplit('/').next().unwrap());
    }
    for tags in [&entity["tags"], &request["session_tags"]] {
        for (name, value) in tags.as_object().into_iter().flatten() {
            context.one(&format!("aws:PrincipalTag/{name}"), value.as_str().unwrap());
        }
    }
    context.one(
        "aws:PrincipalIsAWSService",
        matches!(caller, Caller::Service(_)).to_string(),
    );

    // D-16
    let via = request["via_service"].as_str();
    if let Some(via) = via {
        context.one("kms:ViaService", via);
        context.many("aws:CalledVia", vec![via.to_string()]);
    }
    context.one("aws:ViaAWSService", via.is_some().to_string());
    if matches!(operation, "CreateGrant" | "ListGrants" | "RevokeGrant") {
        context.one("kms:GrantIsForAWSResource", via.is_some().to_string());
    }

    if let Some((key, alias)) = key {
        context.copy("kms:KeySpec", &key["spec"]);
        context.copy("kms:CustomerMasterKeySpec", &key["spec"]);
        context.copy("kms:KeyUsage", &key["usage"]);
        context.copy("kms:CustomerMasterKeyUsage", &key["usage"]);
        context.copy("kms:KeyOrigin", &key["origin"]);
        context.one(
            "kms:MultiRegion",
            key["multi_region"].is_string().to_string(),
        );
        context.copy("kms:MultiRegionKeyType", &key["multi_region"]);
        context.many("kms:ResourceAliases", strings(&key["aliases"]));
        context.copy(
            "aws:ResourceAccount",
            &Value::from(key["arn"].as_str().unwrap().split(':').nth(4).unwrap()),
        );
        for (name, value) in key["tags"].as_object().into_iter().flatten() {
            context.one(&format!("aws:ResourceTag/{name}"), value.as_str().unwrap());
        }
        if let Some(alias) = alias {
            context.one("kms:RequestAlias", alias);
        }
        let is_symmetric_use = matches!(
            operation,
            "Encrypt" | "Decrypt" | "ReEncryptFrom" | "ReEncryptTo"
        ) || operation.starts_with("GenerateDataKey");
        if is_symmetric_use {
            let algorithm = params["EncryptionAlgorithm"]
                .as_str()
                .unwrap_or("SYMMETRIC_DEFAULT");
            context.one("kms:EncryptionAlgorithm", algorithm);
        }
    }

    // The encryption context of the request, or of the constraint that it asks for.
    let mut shown = &request["encryption_context"];
    if operation == "CreateGrant" {
        for kind in ["EncryptionContextEquals", "EncryptionContextSubset"] {
            if params["Constraints"][kind].is_object() {
                context.one("kms:GrantConstraintType", kind);
                shown = &params["Constraints"][kind];
            }
        }
        context.many("kms:GrantOperations", strings(&params["Operations"]));
        context.copy("kms:GranteePrincipal", &params["GranteePrincipal"]);
        context.copy("kms:RetiringPrincipal", &params["RetiringPrincipal"]);
        context.copy(
            "kms:GrantConstraintSourceArn",
            &params["Constraints"]["SourceArn"],
        );
    }
    if let Some(pairs) = shown.as_object().filter(|pairs| !pairs.is_empty()) {
        context.many("kms:EncryptionContextKeys", pairs.keys().cloned().collect());
        for (name, value) in pairs {
            context.one(
                &format!("kms:EncryptionContext:{name}"),
                value.as_str().unwrap(),
            );
        }
    }

    if let Some(tags) = params["Tags"].as_array() {
        context.many(
            "aws:TagKeys",
            tags.iter()
                .map(|tag| tag["TagKey"].as_str().unwrap().to_string())
                .collect(),
        );
        for tag in tags {
            context.one(
                &format!("aws:RequestTag/{}", tag["TagKey"].as_str().unwrap()),
                tag["TagValue"].as_str().unwrap(),
            );
        }
    }
    for (name, key) in [
        (
            "PendingWindowInDays",
            "kms:ScheduleKeyDeletionPendingWindowInDays",
        ),
        ("SigningAlgorithm", "kms:SigningAlgorithm"),
        ("MacAlgorithm", "kms:MacAlgorithm"),
        ("KeyPairSpec", "kms:DataKeyPairSpec"),
        ("same_key", "kms:ReEncryptOnSameKey"),
        (
            "BypassPolicyLockoutSafetyCheck",
            "kms:BypassPolicyLockoutSafetyCheck",
        ),
        ("ReplicaRegion", "kms:ReplicaRegion"),
        ("PrimaryRegion", "kms:PrimaryRegion"),
        ("WrappingAlgorithm", "kms:WrappingAlgorithm"),
        ("WrappingKeySpec", "kms:WrappingKeySpec"),
        ("RotationPeriodInDays", "kms:RotationPeriodInDays"),
        ("ExpirationModel", "kms:ExpirationModel"),
        ("ValidTo", "kms:ValidTo"),
        ("MessageType", "kms:MessageType"),
    ] {
        context.copy(key, &params[name]);
    }
    if matches!(operation, "Sign" | "Verify") && !params["MessageType"].is_string() {
        context.one("kms:MessageType", "RAW");
    }
    if operation == "CreateKey" {
        let or = |name: &str, default: &str| params[name].as_str().unwrap_or(default).to_string();
        context.one("kms:KeySpec", or("KeySpec", "SYMMETRIC_DEFAULT"));
        context.one("kms:KeyUsage", or("KeyUsage", "ENCRYPT_DECRYPT"));
        context.one("kms:KeyOrigin", or("Origin", "AWS_KMS"));
    }
    if matches!(operation, "GetKeyPolicy" | "PutKeyPolicy") {
        context.one("kms:PolicyName", "default");
    }
    for (name, value) in request["context"].as_object().into_iter().flatten() {
        match value {
            Value::Array(_) => context.many(name, strings(value)),
            other => context.copy(name, other),
        }
    }
    context
}

/// The stored identity behind the caller.
fn entity<'a>(world: &'a Value, caller: &Caller, request: &Value) -> &'a Value {
    let principals = &world["principals"];
    let name = match caller {
        Caller::Session { role, .. } => role.to_string(),
        Caller::Federated { by: Some(by), .. } => by.to_string(),
        _ => request["principal"].as_str().unwrap().to_string(),
    };
    &principals[name]
}

fn decide(case: &Value) -> Result<(Decision, BTreeMap<GrantId, String>), String> {
    let (world, request) = (&case["world"], &case["request"]);
    let action = Action::parse(request["action"].as_str().unwrap());
    let operation = request["action"]
        .as_str()
        .unwrap()
        .trim_start_matches("kms:");
    let caller = Caller::read(request);
    let who = caller.who();
    let resolved = resolve(case, who.account())?;
    let key = resolved
        .as_ref()
        .map(|(key, alias)| (*key, alias.as_deref()));
    let context = build_context(case, &caller, key);
    let entity = entity(world, &caller, request);

    let mut identity = policies(&entity["identity_policies"], PolicyKind::Identity);
    identity.extend(policies(&entity["group_policies"], PolicyKind::Identity));
    let boundary = entity["boundary"]
        .is_object()
        .then(|| policy(&entity["boundary"], PolicyKind::Boundary));
    let session: Vec<_> = request["session_policy"]
        .is_object()
        .then(|| policy(&request["session_policy"], PolicyKind::Session))
        .into_iter()
        .collect();
    let endpoint = request["vpce_policy"]
        .is_object()
        .then(|| policy(&request["vpce_policy"], PolicyKind::VpcEndpoint));
    let read_level = |account: Option<String>, name: &str, kind: PolicyKind| {
        let listed = account.map_or(&Value::Null, |account| &world["accounts"][account][name]);
        listed.is_array().then(|| -> Vec<(Arc<str>, Arc<Policy>)> {
            let read = policies(listed, kind).into_iter();
            read.map(|policy| ("".into(), policy)).collect()
        })
    };
    fn levels(read: &Option<Vec<(Arc<str>, Arc<Policy>)>>) -> Vec<Level<'_>> {
        let level = |policies| Level {
            node: None,
            policies,
        };
        read.iter().map(|policies| level(&**policies)).collect()
    }

    let owner = match key {
        Some((key, _)) => key["arn"]
            .as_str()
            .unwrap()
            .split(':')
            .nth(4)
            .unwrap()
            .parse()
            .unwrap(),
        None => who.account().unwrap(),
    };
    let key_policy = key.map(|(key, _)| policy(&key["policy"], PolicyKind::Key));
    let key_arn = key.map(|(key, _)| key["arn"].as_str().unwrap());
    let account_text = owner.to_string();
    let named = request["resource"].as_str().or(key_arn);
    assert!(
        named.is_some() || KEYLESS.contains(&operation),
        "{operation} names nothing"
    );
    let region = world["region"].as_str().unwrap();
    let resource = named.and_then(ResourceName::arn);
    let resource = resource.unwrap_or(ResourceName::none(
        Partition::Aws.as_str(),
        "kms",
        region,
        &account_text,
    ));
    let object = match (key, request["resource"].is_string()) {
        (Some((key, _)), false) => Object::Key {
            owner,
            policy: key_policy.as_deref(),
            bindings: None,
            is_aws_managed: key["manager"] == "AWS",
        },
        _ => Object::Other { owner },
    };

    let symbol = |name: &str| {
        let mut id = [0u8; 32];
        id[..name.len()].copy_from_slice(name.as_bytes());
        GrantId(id)
    };
    let mut names = BTreeMap::new();
    let mut grants = Vec::new();
    for (name, grant) in world["grants"].as_object().unwrap() {
        let arn: KeyArn = world["keys"][grant["key"].as_str().unwrap()]["arn"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        names.insert(symbol(name), name.clone());
        grants.push(Grant {
            id: symbol(name),
            grantee: grant_principal(&grant["grantee"]).unwrap(),
            retiring: grant_principal(&grant["retiring"]),
            operations: operations(&grant["operations"]),
            constraints: constraints(&grant["constraints"]),
            name: None,
            issuing_account: grant["issuing_account"].as_str().unwrap().parse().unwrap(),
            created_at: Timestamp::from_millis(0),
            born: Revision(0),
            spent: 0,
            ancestors: Vec::new(),
            epoch: 1,
            key: arn,
        });
    }
    let here = || {
        let grants = grants.iter();
        grants.filter(|grant| Some(&*grant.key.to_string()) == key_arn)
    };
    let asked = constraints(&request["params"]["Constraints"]);
    let retired = request["grant"].as_str().map(symbol).or_else(|| {
        let token = request["grant_tokens"].as_array()?.first()?.as_str()?;
        (operation == "RetireGrant").then(|| symbol(token))
    });
    let subject = if operation == "CreateGrant" {
        Subject::NewGrant {
            operations: operations(&request["params"]["Operations"]),
            constraints: &asked,
        }
    } else {
        match retired {
            Some(id) => Subject::Retired(grants.iter().find(|grant| grant.id == id).unwrap()),
            None => Subject::Nothing,
        }
    };

    let scps = read_level(
        who.account().map(|a| a.to_string()),
        "scps",
        PolicyKind::ServiceControl,
    );
    let rcps = read_level(
        Some(account_text.clone()),
        "rcps",
        PolicyKind::ResourceControl,
    );
    let decision = combine(&Evidence {
        ask: Ask {
            action: &action,
            resource,
            who,
            has_boundary: boundary.is_some(),
            context: &context,
            profile: if case["profile"] == "legacy-2020" {
                Profile::Legacy2020
            } else {
                Profile::Current
            },
        },
        resource: named.as_ref().map(|named| named as &dyn std::fmt::Display),
        object,
        identity: || {
            identity.iter().map(|policy| NamedPolicy {
                name: None,
                group: None,
                policy,
            })
        },
        boundary: boundary.as_deref(),
        session: &session,
        service_control: &levels(&scps),
        resource_control: &levels(&rcps),
        endpoint: endpoint.as_deref().into(),
        grants: here,
        encryption_context: &pairs(&request["encryption_context"]),
        constraint_key_case: ConstraintKeyCase::Sensitive,
        subject,
    });
    Ok((decision, names))
}

fn grant_principal(value: &Value) -> Option<GrantPrincipal> {
    let text = value.as_str()?;
    Some(if text.starts_with("arn:") {
        let arn: PrincipalArn = text.parse().unwrap();
        let unique_id = UniqueId::of_account(arn.account());
        GrantPrincipal::Arn { arn, unique_id }
    } else {
        GrantPrincipal::Service(text.parse().unwrap())
    })
}

fn operations(value: &Value) -> GrantOperations {
    strings(value)
        .iter()
        .map(|text| text.parse().unwrap())
        .collect()
}

fn constraints(value: &Value) -> GrantConstraints {
    let (equals, subset) = (
        pairs(&value["EncryptionContextEquals"]),
        pairs(&value["EncryptionContextSubset"]),
    );
    let context = match (equals.is_empty(), subset.is_empty()) {
        (false, _) => Some(ContextConstraint::Equals(equals.into())),
        (true, false) => Some(ContextConstraint::Subset(subset.into())),
        (true, true) => None,
    };
    GrantConstraints {
        context,
        source_arn: value["SourceArn"]
            .as_str()
            .map(|text| text.parse().unwrap()),
        term: Default::default(),
    }
}
