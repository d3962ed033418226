//! A request of a case carried out: as a command through `apply`, as a query, or as the use of a key.
//!
//! Imports domain. Never: a second way to write than `apply`; a member of a request that is silently left alone.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::ask::{
    Outcome, Question, Stop, caller, check_context, key_of_world, key_ref, operations, tag_list,
    time_of,
};
use super::model::{Kind, Request};
use super::outcome::{Happened, grant_entry};
use super::read::{Node, Problem};
use super::shape;
use super::stores;
use super::world::World;
use crate::domain::authz::caller::{Caller, Identity, RequestFacts};
use crate::domain::authz::explain::{Explanation, explain};
use crate::domain::authz::resolve::{AliasUse, resolve};
use crate::domain::ids::{GrantId, KeyId, KeyRef, RequestId};
use crate::domain::op::key_use::{self, RandomSource, Use};
use crate::domain::op::parts::{self, Found, Purpose};
use crate::domain::op::posed::Told as Explained;
use crate::domain::op::use_members::UseMembers;
use crate::domain::op::{
    Answer, Command, Context, DryRun, Entry, ErrorCode, LockoutCheck, Output, Page, Paged, Query,
    Rejection, Semantics, apply, query,
};
use crate::domain::op::{
    cancel_key_deletion, create_alias, create_grant, create_key, delete_alias, describe_key,
    disable_key, enable_key, get_key_last_usage, get_key_policy, list_aliases, list_grants,
    list_key_policies, list_keys, list_resource_tags, list_retirable_grants, put_key_policy,
    replicate_key, report_key_usage, retire_grant, revoke_grant, schedule_key_deletion,
    tag_resource, untag_resource, update_alias, update_key_description, update_primary_region,
};
use crate::domain::policy::KmsAction;
use crate::domain::state::Tags;
use crate::domain::state::key::{Key, KeySpec, MultiRegionKeyType};
use crate::domain::state::key_usage::{KeyUse, UsageOperation};
use crate::domain::time::{Revision, Timestamp};

/// Members of an operation with key material. Those that are condition keys are read as such.
const USE_MEMBERS: &[&str] = &[
    "CiphertextBlob",
    "CustomKeyStoreId",
    "DestinationEncryptionAlgorithm",
    "DestinationEncryptionContext",
    "DestinationKeyId",
    "DryRun",
    "DryRunModifiers",
    "EncapsulationAlgorithm",
    "EncryptedKeyMaterial",
    "EncryptionAlgorithm",
    "EncryptionContext",
    "ExpirationModel",
    "GrantTokens",
    "ImportToken",
    "ImportType",
    "IncludeKeyMaterial",
    "KeyAgreementAlgorithm",
    "KeyMaterialDescription",
    "KeyMaterialId",
    "KeyPairSpec",
    "KeySpec",
    "Limit",
    "Mac",
    "MacAlgorithm",
    "Marker",
    "Message",
    "MessageType",
    "NumberOfBytes",
    "Plaintext",
    "PublicKey",
    "Recipient",
    "RotationPeriodInDays",
    "SharedSecretCiphertextBlob",
    "Signature",
    "SigningAlgorithm",
    "SourceEncryptionAlgorithm",
    "SourceEncryptionContext",
    "SourceKeyId",
    "ValidTo",
    "WrappingAlgorithm",
    "WrappingKeySpec",
    "same_key",
];

/// What is done to key material by whoever holds it: permitted here, and refused by the key's state and kind (ST-2).
const MATERIAL: &[KmsAction] = &[
    KmsAction::GetPublicKey,
    KmsAction::ImportKeyMaterial,
    KmsAction::GetParametersForImport,
    KmsAction::DeleteImportedKeyMaterial,
    KmsAction::EnableKeyRotation,
    KmsAction::DisableKeyRotation,
    KmsAction::GetKeyRotationStatus,
    KmsAction::ListKeyRotations,
    KmsAction::RotateKeyOnDemand,
];

/// The members of a request, and which of them were looked at.
pub struct Members<'a> {
    node: Node<'a>,
    used: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Members<'a> {
    fn new(node: Node<'a>) -> Self {
        Self {
            node,
            used: RefCell::default(),
        }
    }

    /// The member.
    pub fn get(&self, name: &'static str) -> Option<Node<'a>> {
        self.used.borrow_mut().insert(name);
        self.node.get(name)
    }

    /// The member, which is a text.
    pub fn text(&self, name: &'static str) -> Result<Option<Arc<str>>, Problem> {
        let node = self.get(name);
        node.map(|node| node.text().map(Arc::from)).transpose()
    }

    /// A text that may be the name of something bound earlier.
    fn named(&self, world: &World, name: &'static str) -> Result<Option<Arc<str>>, Problem> {
        let text = self.text(name)?;
        Ok(text.map(|text| world.named_text(&text).into()))
    }

    fn flag(&self, name: &'static str) -> Result<Option<bool>, Problem> {
        self.get(name).map(|node| node.flag()).transpose()
    }

    fn dry_run(&self) -> Result<DryRun, Problem> {
        Ok(match self.flag("DryRun")? {
            Some(true) => DryRun::Yes,
            Some(false) | None => DryRun::No,
        })
    }

    fn lockout_check(&self) -> Result<LockoutCheck, Problem> {
        Ok(match self.flag("BypassPolicyLockoutSafetyCheck")? {
            Some(true) => LockoutCheck::Bypass,
            Some(false) => LockoutCheck::Run,
            None => LockoutCheck::Unset,
        })
    }

    /// A number of days.
    fn days(&self, name: &'static str) -> Outcome<Option<u32>> {
        let Some(node) = self.get(name) else {
            return Ok(None);
        };
        let days = u32::try_from(node.number()?);
        Ok(Some(days.map_err(|_| {
            Happened::shape(&format!("{name} is too large"))
        })?))
    }

    /// `Limit` and `Marker`.
    pub fn page(&self) -> Outcome<Page> {
        let limit = match self.get("Limit") {
            None => None,
            Some(node) => {
                let limit = u32::try_from(node.number()?);
                Some(limit.map_err(|_| Happened::shape("Limit is too large"))?)
            }
        };
        Ok(Page {
            limit,
            marker: self.text("Marker")?,
        })
    }

    /// `Policy` as an object or a text, or `PolicyText`.
    fn policy(&self) -> Result<Option<Arc<str>>, Problem> {
        if let Some(text) = self.text("PolicyText")? {
            return Ok(Some(text));
        }
        Ok(match self.get("Policy") {
            None => None,
            Some(node) => match node.value() {
                Value::String(text) => Some(text.as_str().into()),
                Value::Object(_) => Some(node.value().to_string().into()),
                _ => return Err(node.problem("a policy is an object, or its text")),
            },
        })
    }

    /// Marks members that are read elsewhere.
    fn elsewhere(&self, names: &[&'static str]) {
        self.used.borrow_mut().extend(names);
    }

    /// Refuses members that nobody looked at.
    fn finish(&self) -> Result<(), Problem> {
        let mut known: Vec<&str> = self.used.borrow().iter().copied().collect();
        known.extend(["KeyId", "GrantTokens"]);
        self.node.only(&known)
    }
}

/// The request with the key that its member `KeyId` names. A bare id that a service sends, which is in no account, means
/// the key of the world that has it.
fn with_key_id(world: &World, request: &Request) -> Result<Request, Problem> {
    let mut request = request.clone();
    if request.key_id.is_none() {
        let member = request.params().get("KeyId").map(|node| node.text());
        request.key_id = member.transpose()?.map(str::to_owned);
    }
    let is_service = !request.principal.starts_with("arn:");
    let named = request.key_id.as_deref().and_then(|id| id.parse().ok());
    if let (true, Some(named @ KeyRef::Id(_))) = (is_service, named)
        && let Some(key) = key_of_world(world, &named)
    {
        request.key_id = Some(key.arn.to_string());
    }
    Ok(request)
}

/// Carries out a request. What a scenario does not say of bytes is filled in; the one call of a case is what the case
/// says.
///
/// # Errors
/// [`Problem`]: the case cannot be run.
pub fn call(world: &mut World, kind: Kind, request: &Request) -> Result<Happened, Problem> {
    let happened = match carry_out(world, request) {
        Ok(happened) | Err(Stop::Happened(happened)) => happened,
        Err(Stop::Problem(problem)) => return Err(problem),
    };
    if kind == Kind::Api
        && happened.succeeded()
        && let Some(message) = shape::lacking(request)
    {
        return Ok(Happened::shape(&message));
    }
    Ok(happened)
}

fn carry_out(world: &mut World, request: &Request) -> Outcome<Happened> {
    shape::check(request)??;
    check_tokens(world, request)?;
    let request = &with_key_id(world, request)?;
    let members = Members::new(request.params());
    let Some(command) = command(world, request, &members)? else {
        return ask(world, request, &members, request.key_id.as_deref());
    };
    members.finish()?;
    change(world, request, command)
}

/// Why a request ends as it does, part by part; `None` of one that is refused before anything is asked. Nothing is
/// changed.
pub fn why(world: &World, kind: Kind, request: &Request) -> Option<Explained> {
    // What is drawn for the command is drawn again when it is carried out.
    let told = match rehearsed(&mut world.clone(), request) {
        Some(told) => told,
        None => Explained {
            parts: asked_for(world, request)?,
            refusal: None,
        },
    };
    // Its parts say why it is permitted; whether it is refused, and for what, the call itself says.
    let refusal = match call(&mut world.clone(), kind, request) {
        Ok(Happened::Refused { code, message }) => Some(Rejection {
            code: code.parse().ok()?,
            help: told.refusal.and_then(|rehearsed| {
                let is_same = rehearsed.code.as_str() == code && *rehearsed.message == *message;
                rehearsed.help.filter(|_| is_same)
            }),
            message: message.into(),
            decision: None,
        }),
        Ok(Happened::Allowed { .. } | Happened::Denied { .. }) | Err(_) => None,
    };
    Some(Explained { refusal, ..told })
}

/// The parts of a request that is no command of several: one question, or both halves of ReEncrypt.
fn asked_for(world: &World, request: &Request) -> Option<Vec<Found<Explanation>>> {
    let found = |question: &Question| {
        Some(Found {
            action: question.action.kms()?,
            resource: question.resource().map(Into::into),
            purpose: Purpose::Permission,
            found: question.explain(world),
        })
    };
    if request.operation() == "ReEncrypt" {
        let request = with_key_id(world, request).ok()?;
        let members = Members::new(request.params());
        let Halves { reading, writing } = halves(world, &request, &members).ok()?;
        return Some(vec![found(&reading)?, found(&writing)?]);
    }
    let question = Question::of(world, request).ok()?;
    Some(vec![found(&question)?])
}

/// [`why`] of an operation that grantd carries out and that is asked for in several parts.
fn rehearsed(world: &mut World, request: &Request) -> Option<Explained> {
    let request = &with_key_id(world, request).ok()?;
    let members = Members::new(request.params());
    let command = command(world, request, &members).ok()??;
    let caller = caller(request).ok()?;
    let cx = Context {
        state: &world.state,
        caller: &caller,
        scope: &world.scope,
        now: time_of(request).ok()?.max(world.state.clock()),
        at: Revision(world.state.revision().0.saturating_add(1)),
        token_grants: &[],
        effort: None,
    };
    let rehearsed = parts::rehearse(&command, &cx, |asked| explain(&world.state, asked)).ok()??;
    Some(Explained {
        parts: rehearsed.parts,
        refusal: rehearsed.refusal,
    })
}

/// The command that a request is; `None` of one that only asks.
fn command(world: &mut World, request: &Request, m: &Members<'_>) -> Outcome<Option<Command>> {
    let key_id = request.key_id.as_deref();
    Ok(Some(match request.operation() {
        "CreateKey" => create_key(world, request, m)?,
        "PutKeyPolicy" => Command::PutKeyPolicy(put_key_policy::PutKeyPolicy {
            key: key_ref(key_id)?,
            policy_name: m.text("PolicyName")?,
            policy: m.policy()?.ok_or_else(|| required("Policy"))?,
            lockout_check: m.lockout_check()?,
        }),
        "EnableKey" => Command::EnableKey(enable_key::EnableKey {
            key: key_ref(key_id)?,
        }),
        "DisableKey" => Command::DisableKey(disable_key::DisableKey {
            key: key_ref(key_id)?,
        }),
        "CreateAlias" => Command::CreateAlias(create_alias::CreateAlias {
            alias: m.text("AliasName")?.ok_or_else(|| required("AliasName"))?,
            target: key_ref(target(m, key_id)?)?,
        }),
        "DeleteAlias" => Command::DeleteAlias(delete_alias::DeleteAlias {
            alias: m.text("AliasName")?.ok_or_else(|| required("AliasName"))?,
        }),
        "UpdateAlias" => Command::UpdateAlias(update_alias::UpdateAlias {
            alias: m.text("AliasName")?.ok_or_else(|| required("AliasName"))?,
            target: key_ref(target(m, key_id)?)?,
        }),
        "UpdateKeyDescription" => {
            let description = m.text("Description")?;
            Command::UpdateKeyDescription(update_key_description::UpdateKeyDescription {
                key: key_ref(key_id)?,
                description: description.ok_or_else(|| required("Description"))?,
            })
        }
        "ScheduleKeyDeletion" => {
            Command::ScheduleKeyDeletion(schedule_key_deletion::ScheduleKeyDeletion {
                window_days: m.days("PendingWindowInDays")?,
                key: key_ref(key_id)?,
            })
        }
        "CancelKeyDeletion" => Command::CancelKeyDeletion(cancel_key_deletion::CancelKeyDeletion {
            key: key_ref(key_id)?,
        }),
        "ReplicateKey" => {
            m.elsewhere(&["Tags"]);
            let tags = distinct_tags(m)?;
            Command::ReplicateKey(replicate_key::ReplicateKey {
                key: key_ref(key_id)?,
                region: word(m, "ReplicaRegion")?.ok_or_else(|| required("ReplicaRegion"))?,
                policy: m.policy()?,
                lockout_check: m.lockout_check()?,
                description: m.text("Description")?.unwrap_or_default(),
                tags,
            })
        }
        "UpdatePrimaryRegion" => {
            Command::UpdatePrimaryRegion(update_primary_region::UpdatePrimaryRegion {
                key: key_ref(key_id)?,
                region: word(m, "PrimaryRegion")?.ok_or_else(|| required("PrimaryRegion"))?,
            })
        }
        "TagResource" => {
            m.elsewhere(&["Tags"]);
            Command::TagResource(tag_resource::TagResource {
                key: key_ref(key_id)?,
                tags: tag_list(&m.node)?,
            })
        }
        "UntagResource" => {
            m.elsewhere(&["TagKeys"]);
            let tag_keys = m.node.texts("TagKeys")?;
            Command::UntagResource(untag_resource::UntagResource {
                key: key_ref(key_id)?,
                tag_keys: tag_keys.into_iter().map(Into::into).collect(),
            })
        }
        "CreateGrant" => create_grant(world, m, key_id)?,
        "RetireGrant" => retire_grant(world, m, request)?,
        "RevokeGrant" => Command::RevokeGrant(revoke_grant::RevokeGrant {
            key: key_ref(key_id)?,
            grant_id: m
                .named(world, "GrantId")?
                .ok_or_else(|| required("GrantId"))?,
            dry_run: m.dry_run()?,
            descendants: Default::default(),
        }),
        operation => return stores::command(world, operation, m),
    }))
}

/// A member that is not there.
pub fn required(member: &str) -> Stop {
    Happened::shape(&format!("{member} is required")).into()
}

/// `TargetKeyId` of alias operations: `key_id`, or the member itself.
fn target<'a>(m: &Members<'a>, key_id: Option<&'a str>) -> Result<Option<&'a str>, Problem> {
    let member = m.get("TargetKeyId");
    match (key_id, member) {
        (Some(id), _) => Ok(Some(id)),
        (None, Some(node)) => node.text().map(Some),
        (None, None) => Ok(None),
    }
}

/// ID-12: each must be one that was given out; that they are few is a matter of shape.
fn check_tokens(world: &World, request: &Request) -> Outcome<()> {
    let mut tokens = request.params().texts("GrantTokens")?;
    tokens.extend(request.grant_tokens.iter().cloned());
    if tokens.iter().all(|token| world.token(token).is_some()) {
        return Ok(());
    }
    Err(Happened::Refused {
        code: ErrorCode::InvalidGrantToken.as_str().into(),
        message: "the grant token is not one that was given out".into(),
    }
    .into())
}

/// A word of a closed set of the API; another word is a shape violation (W-3).
pub fn word<T: std::str::FromStr>(m: &Members<'_>, name: &'static str) -> Outcome<Option<T>> {
    let text = m.text(name)?;
    text.map(|text| {
        text.parse()
            .map_err(|_| Happened::shape(&format!("`{text}` is no {name}")).into())
    })
    .transpose()
}

/// E-1: the tags of a key that is to be made; no two of one key.
fn distinct_tags(m: &Members<'_>) -> Outcome<Tags> {
    let mut tags = Tags::new();
    for (key, value) in tag_list(&m.node)? {
        if tags.insert(key, value).is_some() {
            return Err(Happened::Refused {
                code: ErrorCode::Tag.as_str().into(),
                message: "Duplicate tag keys".into(),
            }
            .into());
        }
    }
    Ok(tags)
}

fn create_key(world: &mut World, request: &Request, m: &Members<'_>) -> Outcome<Command> {
    m.elsewhere(&["Tags"]);
    let account = caller(request)?.identity.account().ok_or_else(|| {
        let why = "a caller without an account makes no key";
        Problem::at(format!("{}.principal", request.path), why)
    })?;
    let is_multi_region = m.flag("MultiRegion")? == Some(true);
    let bytes = world.draw("key");
    let tags = distinct_tags(m)?;
    Ok(Command::CreateKey(create_key::CreateKey {
        account,
        partition: world.scope.partition,
        region: world.scope.region.clone(),
        key_id: if is_multi_region {
            KeyId::MultiRegion(bytes)
        } else {
            KeyId::Uuid(bytes)
        },
        description: m.text("Description")?.unwrap_or_default(),
        spec: word(m, "KeySpec")?
            .or(word(m, "CustomerMasterKeySpec")?)
            .unwrap_or(KeySpec::SymmetricDefault),
        usage: word(m, "KeyUsage")?,
        origin: word(m, "Origin")?.unwrap_or(crate::domain::state::key::KeyOrigin::AwsKms),
        multi_region: if is_multi_region {
            create_key::MultiRegion::Primary
        } else {
            create_key::MultiRegion::No
        },
        policy: m.policy()?,
        lockout_check: m.lockout_check()?,
        tags,
        custom_key_store: stores::store_id(m)?,
        xks_key: word(m, "XksKeyId")?,
    }))
}

fn create_grant(world: &mut World, m: &Members<'_>, key_id: Option<&str>) -> Outcome<Command> {
    m.elsewhere(&["Operations", "Constraints"]);
    let operations = operations(&m.node)?
        .ok_or_else(|| Happened::shape("an operation that no grant may hold"))?;
    // Both kinds are passed on as sent: that only one may stand there is the operation's to say (U-21).
    let pairs = |kind: &str| match m.node.get("Constraints") {
        None => Ok(Arc::default()),
        Some(node) => node.pairs(kind).map(Arc::new),
    };
    let (context_equals, context_subset) = (
        pairs("EncryptionContextEquals")?,
        pairs("EncryptionContextSubset")?,
    );
    let source_arn = match m.node.get("Constraints").and_then(|c| c.get("SourceArn")) {
        None => None,
        Some(node) => Some(node.text()?.into()),
    };
    let (first, second) = (world.draw("grant"), world.draw("grant"));
    let mut id = [0; 32];
    for (to, from) in id.iter_mut().zip(first.iter().chain(&second)) {
        *to = *from;
    }
    Ok(Command::CreateGrant(create_grant::CreateGrant {
        key: key_ref(key_id)?,
        grant_id: GrantId(id),
        grantee: m.text("GranteePrincipal")?,
        grantee_service: m.text("GranteeServicePrincipal")?,
        retiring: m.text("RetiringPrincipal")?,
        retiring_service: m.text("RetiringServicePrincipal")?,
        operations,
        context_equals,
        context_subset,
        source_arn,
        name: m.text("Name")?,
        dry_run: m.dry_run()?,
        term: Default::default(),
    }))
}

/// G-41: by token, or by key and id.
fn retire_grant(world: &World, m: &Members<'_>, request: &Request) -> Outcome<Command> {
    let (mut token, id) = (m.text("GrantToken")?, m.named(world, "GrantId")?);
    if token.is_none() && id.is_none() {
        // A case may name the grant outside the members, by its symbolic id, which is its token too.
        let named = request.grant.as_ref().or(request.grant_tokens.first());
        token = named.map(|text| text.as_str().into());
    }
    let key_id = request.key_id.as_deref();
    let (key, grant_id): (KeyRef, Arc<str>) = match (token, id) {
        (Some(token), None) => {
            let Some((key, id)) = world.token(&token) else {
                return Err(Happened::Refused {
                    code: ErrorCode::InvalidGrantToken.as_str().into(),
                    message: "the grant token is not one that was given out".into(),
                }
                .into());
            };
            (KeyRef::KeyArn(key.clone()), id.to_string().into())
        }
        (None, Some(id)) => (key_ref(key_id)?, id),
        (Some(_), Some(_)) => {
            return Err(Happened::shape("either a grant token, or key and grant id").into());
        }
        (None, None) => return Err(required("GrantToken or GrantId")),
    };
    Ok(Command::RetireGrant(retire_grant::RetireGrant {
        key,
        grant_id,
        dry_run: m.dry_run()?,
    }))
}

/// Applies a command to the state of the world.
fn change(world: &mut World, request: &Request, command: Command) -> Outcome<Happened> {
    let entry = Entry {
        proposed_at: time_of(request)?,
        semantics: Semantics::FIRST,
        caller: caller(request)?,
        scope: world.scope.clone(),
        request_id: RequestId(world.draw("request")),
        idempotency: None,
        command,
    };
    let at = Revision(world.state.revision().0.saturating_add(1));
    let applied = apply(&mut world.state, at, &entry);
    Ok(match applied.outcome {
        Err(rejection) => Happened::rejected(rejection),
        Ok(Output::Grant(created)) => {
            let mut answer = json!({ "GrantId": created.id.to_string() });
            if let (Some(grant), Some(members)) = (created.grant, answer.as_object_mut()) {
                let token = world.mint(&grant);
                members.insert("GrantToken".into(), json!(token));
            }
            Happened::answered(answer)
        }
        Ok(Output::Key(description)) => {
            Happened::answered(key_answer(request.operation(), &description.key))
        }
        Ok(Output::KeyStore(id)) => Happened::answered(json!({ "CustomKeyStoreId": id.as_str() })),
        Ok(
            Output::Done
            | Output::Account(_)
            | Output::Principal(_)
            | Output::Group(_)
            | Output::Organization(_)
            | Output::Node(_)
            | Output::Consumed(_)
            | Output::TokenEpoch(_),
        ) => Happened::answered(json!({})),
    })
}

/// What an operation on a key answers.
fn key_answer(operation: &str, key: &Key) -> Value {
    let arn = key.arn.to_string();
    let deletion = key.deletion;
    match operation {
        "ScheduleKeyDeletion" => json!({
            "KeyId": arn,
            "DeletionDate": deletion.and_then(|d| d.due).map(|due| due.as_secs()),
            "KeyState": key.state.as_str(),
            "PendingWindowInDays": deletion.map(|d| d.window_days),
        }),
        "CancelKeyDeletion" => json!({ "KeyId": arn }),
        "ReplicateKey" => json!({
            "ReplicaKeyMetadata": metadata(key),
            "ReplicaPolicy": &**key.policy.text(),
            "ReplicaTags": key
                .tags
                .iter()
                .map(|(key, value)| json!({ "TagKey": &**key, "TagValue": &**value }))
                .collect::<Vec<Value>>(),
        }),
        _ => json!({ "KeyMetadata": metadata(key) }),
    }
}

/// Asks the state, or decides about the use of a key.
fn ask(
    world: &mut World,
    request: &Request,
    m: &Members<'_>,
    key_id: Option<&str>,
) -> Outcome<Happened> {
    let question = match request.operation() {
        "DescribeKey" => Query::DescribeKey(describe_key::DescribeKey {
            key: key_ref(key_id)?,
        }),
        "GetKeyLastUsage" => Query::GetKeyLastUsage(get_key_last_usage::GetKeyLastUsage {
            key: key_ref(key_id)?,
        }),
        "GetKeyPolicy" => Query::GetKeyPolicy(get_key_policy::GetKeyPolicy {
            key: key_ref(key_id)?,
            policy_name: m.text("PolicyName")?,
        }),
        "ListKeyPolicies" => Query::ListKeyPolicies(list_key_policies::ListKeyPolicies {
            key: key_ref(key_id)?,
            page: m.page()?,
        }),
        "ListKeys" => {
            m.elsewhere(&["ResourceOwners"]);
            let owners = m.node.texts("ResourceOwners")?;
            Query::ListKeys(list_keys::ListKeys {
                page: m.page()?,
                owners: owners.iter().filter_map(|word| word.parse().ok()).collect(),
            })
        }
        "ListAliases" => Query::ListAliases(list_aliases::ListAliases {
            key: match key_id {
                None => None,
                Some(id) => Some(key_ref(Some(id))?),
            },
            page: m.page()?,
        }),
        "ListResourceTags" => Query::ListResourceTags(list_resource_tags::ListResourceTags {
            key: key_ref(key_id)?,
            page: m.page()?,
        }),
        "ListGrants" => Query::ListGrants(list_grants::ListGrants {
            key: key_ref(key_id)?,
            grant_id: m.named(world, "GrantId")?,
            grantee: m.text("GranteePrincipal")?,
            grantee_service: m.text("GranteeServicePrincipal")?,
            page: m.page()?,
        }),
        "ListRetirableGrants" => {
            Query::ListRetirableGrants(list_retirable_grants::ListRetirableGrants {
                retiring: m.text("RetiringPrincipal")?,
                retiring_service: m.text("RetiringServicePrincipal")?,
                page: m.page()?,
            })
        }
        "DescribeCustomKeyStores" => stores::describe(m)?,
        _ => return use_key(world, request, m),
    };
    m.finish()?;
    let caller = caller(request)?;
    let now = time_of(request)?.max(world.state.clock());
    let answer = query(&world.state, &caller, &world.scope, now, &[], &question);
    Ok(match answer {
        Err(rejection) => Happened::rejected(rejection),
        Ok(answer) => Happened::answered(told(answer)),
    })
}

/// An answer with its members as AWS names them.
fn told(answer: Answer) -> Value {
    fn listed<T>(name: &str, paged: Paged<T>, show: impl Fn(&T) -> Value) -> Value {
        let Paged { items, next } = paged;
        let list: Vec<Value> = items.iter().map(show).collect();
        let mut members = serde_json::Map::new();
        members.insert(name.to_owned(), Value::Array(list));
        members.insert("Truncated".into(), json!(next.is_some()));
        if let Some(next) = next {
            members.insert("NextMarker".into(), json!(&*next));
        }
        Value::Object(members)
    }
    match answer {
        Answer::Grants(grants) => listed("Grants", grants, grant_entry),
        Answer::KeyStores(stores) => listed("CustomKeyStores", stores, stores::entry),
        Answer::Keys(keys) => listed(
            "Keys",
            keys,
            |arn| json!({ "KeyId": arn.key_id.to_string(), "KeyArn": arn.to_string() }),
        ),
        Answer::Aliases(aliases) => listed("Aliases", aliases, |entry| {
            json!({
                "AliasName": entry.alias.name.as_str(),
                "AliasArn": entry.alias.to_string(),
                "TargetKeyId": entry.target.key_id.to_string(),
            })
        }),
        Answer::Tags(tags) => listed(
            "Tags",
            tags,
            |(key, value)| json!({ "TagKey": &**key, "TagValue": &**value }),
        ),
        Answer::Key(description) => json!({ "KeyMetadata": metadata(&description.key) }),
        Answer::LastUsage(told) => last_usage(&told),
        Answer::Policy { name, text } => json!({ "PolicyName": &*name, "Policy": &*text }),
        Answer::PolicyNames(names) => listed("PolicyNames", names, |name| json!(&**name)),
        // Answers of operations that no case can call.
        _ => json!({}),
    }
}

fn last_usage(told: &get_key_last_usage::LastUsage) -> Value {
    let get_key_last_usage::LastUsage {
        key_id,
        last,
        tracked_since,
        created_at,
    } = told;
    let last = last.as_ref().map_or_else(
        || json!({}),
        |used| json!({ "Operation": used.operation.as_str(), "Timestamp": used.at.as_secs() }),
    );
    json!({
        "KeyId": key_id.to_string(),
        "KeyLastUsage": last,
        "TrackingStartDate": tracked_since.as_secs(),
        "KeyCreationDate": created_at.as_secs(),
    })
}

fn metadata(key: &Key) -> Value {
    json!({
        "KeyId": key.arn.key_id.to_string(),
        "Arn": key.arn.to_string(),
        "AWSAccountId": key.arn.account.to_string(),
        "Description": &*key.description,
        "Enabled": key.state.as_str() == "Enabled",
        "KeyState": key.state.as_str(),
        "KeySpec": key.spec.as_str(),
        "KeyUsage": key.usage.as_str(),
        "Origin": key.origin.as_str(),
        "KeyManager": key.manager.as_str(),
        "MultiRegion": key.multi_region.is_some(),
        "MultiRegionKeyType": key.multi_region.map(MultiRegionKeyType::as_str),
        "CustomKeyStoreId": key.custom_key_store.as_ref().map(|place| place.store.as_str()),
        "DeletionDate": key
            .deletion
            .and_then(|deletion| deletion.due)
            .map(|due| due.as_secs()),
    })
}

/// A cryptographic operation: carried out elsewhere, by whoever holds the key material, if it is permitted and the key
/// can be used; a dry run ends before (G-20).
fn use_key(world: &mut World, request: &Request, m: &Members<'_>) -> Outcome<Happened> {
    let name = request.operation();
    let is_re_encrypt = name == "ReEncrypt";
    let is_use = is_re_encrypt
        || KmsAction::by_name(name)
            .is_some_and(|action| action.is_cryptographic() || MATERIAL.contains(&action));
    if !is_use {
        let why =
            format!("this version of grantd does not carry out `{name}`: the case cannot be run");
        return Err(Problem::at(format!("{}.action", request.path), why).into());
    }
    m.elsewhere(USE_MEMBERS);
    let dry_run = m.dry_run()?;
    m.finish()?;
    if is_re_encrypt {
        return re_encrypt(world, request, m, dry_run);
    }
    let algorithms = ["EncryptionAlgorithm", "SigningAlgorithm", "MacAlgorithm"];
    let algorithm = algorithms.iter().find_map(|name| m.node.get(name));
    let algorithm = algorithm.map(|node| node.text()).transpose()?;
    // CK-6: the default, which an asymmetric key does not know.
    let algorithm = algorithm.or_else(|| {
        let is_default = matches!(name, "Encrypt" | "Decrypt");
        is_default.then_some("SYMMETRIC_DEFAULT")
    });
    let on_key = KmsAction::by_name(name).is_some_and(|action| action.target().is_key());
    // Decrypt may leave it to the ciphertext (D-17).
    if on_key && name != "Decrypt" && request.key_id.is_none() {
        key_ref(None)?;
    }
    let question = Question::of(world, request)?;
    let store = match name {
        "GenerateRandom" => stores::store_id(m)?,
        _ => None,
    };
    let source = match &store {
        None => None,
        Some(store) => {
            let account = caller(request)?.identity.account().ok_or_else(|| {
                let why = "a caller without an account has no custom key store";
                Problem::at(&request.path, why)
            })?;
            let scope = &world.scope;
            Some(RandomSource {
                scope,
                account,
                store,
            })
        }
    };
    let members = use_members(m, question.has_context(), question.now)?;
    let asked = Use {
        algorithm,
        members: members.told(),
        source,
        dry_run,
    };
    let happened = used(world, &question, asked)?;
    record_uses(world, request, [question])?;
    Ok(happened)
}

/// CK-53: what was allowed is the last use of its key for the steps that follow.
fn record_uses<const N: usize>(
    world: &mut World,
    request: &Request,
    questions: [Question; N],
) -> Result<(), Problem> {
    let now = time_of(request)?;
    let uses = questions.iter().filter_map(|question| {
        let used = KeyUse {
            operation: UsageOperation::of(question.action.kms()?)?,
            at: now,
            request_id: None,
        };
        Some((question.key.as_ref()?.arn.clone(), used))
    });
    let uses: Vec<_> = uses.collect();
    if uses.is_empty() {
        return Ok(());
    }
    let entry = Entry {
        proposed_at: now,
        semantics: Semantics::FIRST,
        caller: Caller {
            identity: Identity::System,
            facts: RequestFacts::default(),
        },
        scope: world.scope.clone(),
        request_id: RequestId(world.draw("report")),
        idempotency: None,
        command: Command::ReportKeyUsage(report_key_usage::ReportKeyUsage { uses }),
    };
    let at = Revision(world.state.revision().0.saturating_add(1));
    let applied = apply(&mut world.state, at, &entry);
    let refused = |rejection: Rejection| Problem::at(&request.path, &*rejection.message);
    applied.outcome.map(|_| ()).map_err(refused)
}

/// The members of a use, with what they borrow from.
struct Told {
    whole: UseMembers<'static>,
    texts: BTreeMap<&'static str, Arc<str>>,
}

impl Told {
    fn told(&self) -> UseMembers<'_> {
        let text = |name: &str| self.texts.get(name).map(|text| &**text);
        UseMembers {
            message_type: text("MessageType"),
            key_pair_spec: text("KeyPairSpec"),
            wrapping_algorithm: text("WrappingAlgorithm"),
            wrapping_key_spec: text("WrappingKeySpec"),
            expiration_model: text("ExpirationModel"),
            valid_to: text("ValidTo"),
            import_type: text("ImportType"),
            ..self.whole
        }
    }
}

/// The members of a request to use a key: all of them, for a case says its request whole.
fn use_members(m: &Members<'_>, has_context: bool, now: Timestamp) -> Result<Told, Problem> {
    const TEXTS: [&str; 7] = [
        "MessageType",
        "KeyPairSpec",
        "WrappingAlgorithm",
        "WrappingKeySpec",
        "ExpirationModel",
        "ValidTo",
        "ImportType",
    ];
    let mut texts = BTreeMap::new();
    for name in TEXTS {
        if let Some(node) = m.node.get(name) {
            texts.insert(name, node.scalar()?);
        }
    }
    let input = m.node.get("Message").or_else(|| m.node.get("Plaintext"));
    let input_bytes = match input {
        None => None,
        Some(node) => Some(shape::byte_count(node.text()?)),
    };
    let has = |name: &str| m.node.get(name).is_some();
    let whole = UseMembers {
        whole: true,
        now,
        has_context,
        input_bytes,
        has_material_id: has("KeyMaterialId"),
        has_material_description: has("KeyMaterialDescription"),
        has_include_material: has("IncludeKeyMaterial"),
        ..UseMembers::default()
    };
    Ok(Told { whole, texts })
}

/// One use of one key.
fn used(world: &World, question: &Question, asked: Use<'_>) -> Outcome<Happened> {
    let decision = question.decide(world);
    let (action, key) = (question.action.kms(), question.key.as_deref());
    match key_use::refusal(&world.state, &decision, action, key, asked) {
        None => Ok(Happened::decided(decision)),
        Some(rejection) => Err(Happened::rejected(rejection).into()),
    }
}

/// G-8: from the source key, named or the ciphertext's, and to the destination key, each with its own context.
fn re_encrypt(
    world: &mut World,
    request: &Request,
    m: &Members<'_>,
    dry_run: DryRun,
) -> Outcome<Happened> {
    let Halves { reading, writing } = halves(world, request, m)?;
    let text = |name: &str| m.node.get(name).map(|node| node.text()).transpose();
    // CK-6: the default is the symmetric algorithm, for either key.
    let algorithm = |name: &str| Ok::<_, Problem>(text(name)?.or(Some("SYMMETRIC_DEFAULT")));
    let members = |half: &Question| UseMembers {
        whole: true,
        now: half.now,
        has_context: half.has_context(),
        ..UseMembers::default()
    };
    let asked = Use {
        algorithm: algorithm("SourceEncryptionAlgorithm")?,
        members: members(&reading),
        ..Use::default()
    };
    used(world, &reading, asked)?;
    let asked = Use {
        algorithm: algorithm("DestinationEncryptionAlgorithm")?,
        members: members(&writing),
        dry_run,
        ..Use::default()
    };
    let happened = used(world, &writing, asked)?;
    record_uses(world, request, [reading, writing])?;
    Ok(happened)
}

/// What ReEncrypt asks of the key that it decrypts with, and of the one that it encrypts under.
struct Halves {
    reading: Question,
    writing: Question,
}

fn halves(world: &World, request: &Request, m: &Members<'_>) -> Outcome<Halves> {
    let text = |name: &str| m.node.get(name).map(|node| node.text()).transpose();
    let pairs = |name: &str| match m.node.get(name) {
        None => Ok(request.encryption_context.clone()),
        Some(_) => m.node.pairs(name),
    };
    let made_by = request.key_id.as_deref();
    let source = text("SourceKeyId")?.or(made_by);
    // A case may say that it is the source again.
    let is_same = m.flag("same_key")? == Some(true);
    let destination = text("DestinationKeyId")?.or(source.filter(|_| is_same));
    let destination = destination.ok_or_else(|| required("DestinationKeyId"))?;
    let key = |named: Option<&str>| -> Outcome<Arc<Key>> {
        let named = key_ref(named)?;
        let account = caller(request)?.identity.account().unwrap_or(
            world
                .state
                .accounts(None)
                .next()
                .map(|account| account.id)
                .ok_or_else(|| Problem::at(&request.path, "the world has no account"))?,
        );
        let key = resolve(
            &world.state,
            &world.scope,
            account,
            &named,
            AliasUse::Accepted,
        );
        Ok(Arc::clone(key.map_err(|why| Happened::unresolved(&why))?))
    };
    let (from, to) = (key(source)?, key(Some(destination))?);
    if let Some(made_by) = made_by
        && key(Some(made_by))?.arn != from.arn
    {
        return Err(Happened::rejected(key_use::incorrect_key()).into());
    }
    let half = |action: KmsAction, named: Option<&str>, key: &Arc<Key>, pairs| {
        let mut of = request.clone();
        of.action = action.full_name().to_owned();
        of.key_id = named.map(str::to_owned);
        check_context(&pairs)?;
        let same = from.arn == to.arn;
        if let Some(members) = of.params.as_object_mut() {
            members.insert("same_key".into(), json!(same));
        }
        Question::of(world, &of).map(|question| question.half(action, Arc::clone(key), pairs))
    };
    let reading = half(
        KmsAction::ReEncryptFrom,
        source,
        &from,
        pairs("SourceEncryptionContext")?,
    )?;
    let writing = half(
        KmsAction::ReEncryptTo,
        Some(destination),
        &to,
        pairs("DestinationEncryptionContext")?,
    )?;
    Ok(Halves { reading, writing })
}
