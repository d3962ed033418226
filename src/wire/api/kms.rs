//! Keys, aliases, tags and grants.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shape::{self, Violations};
use super::{
    Asked, Change, Drawn, FromAnswer, FromOutput, Header, IntoChange, IntoQuery, Invalid, Lacking,
    arc, distinct_tags, key_ref, page, tag_pairs, tags_out, tokens,
};
use crate::domain::ids::{GrantId, KeyId};
use crate::domain::limits;
use crate::domain::op::create_alias::CreateAlias;
use crate::domain::op::create_grant::CreateGrant;
use crate::domain::op::create_key::{CreateKey, MultiRegion};
use crate::domain::op::delete_alias::DeleteAlias;
use crate::domain::op::describe_key::DescribeKey;
use crate::domain::op::disable_key::DisableKey;
use crate::domain::op::enable_key::EnableKey;
use crate::domain::op::get_key_policy::GetKeyPolicy;
use crate::domain::op::list_aliases::ListAliases;
use crate::domain::op::list_grants::ListGrants;
use crate::domain::op::list_keys::ListKeys;
use crate::domain::op::list_resource_tags::ListResourceTags;
use crate::domain::op::list_retirable_grants::ListRetirableGrants;
use crate::domain::op::put_key_policy::PutKeyPolicy;
use crate::domain::op::retire_grant::RetireGrant;
use crate::domain::op::revoke_grant::RevokeGrant;
use crate::domain::op::tag_resource::TagResource;
use crate::domain::op::untag_resource::UntagResource;
use crate::domain::op::{
    AliasEntry, Answer, Command, CreatedGrant, DryRun, ErrorCode, KeyDescription, LockoutCheck,
    Output, Paged, Query,
};
use crate::domain::state::grant::{
    ContextConstraint, EncryptionContext, Grant, GrantConstraints, GrantOperation, GrantPrincipal,
};
use crate::domain::state::key::{Key, KeyOrigin, KeySpec, KeyState, KeyUsage, MultiRegionKeyType};
use crate::wire::v1;

fn key_shape(key_id: &str) -> Violations {
    let mut violations = Violations::new();
    violations.text("keyId", key_id, shape::KEY_ID);
    violations
}

fn lockout_check(bypass: Option<bool>) -> LockoutCheck {
    match bypass {
        None => LockoutCheck::Unset,
        Some(false) => LockoutCheck::Run,
        Some(true) => LockoutCheck::Bypass,
    }
}

fn dry_run(asked: Option<bool>) -> DryRun {
    if asked.unwrap_or_default() {
        DryRun::Yes
    } else {
        DryRun::No
    }
}

impl IntoChange for v1::CreateKeyRequest {
    fn into_change(self, header: &Header, drawn: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            policy,
            description,
            key_usage,
            key_spec,
            origin,
            bypass_policy_lockout_safety_check,
            tags,
            multi_region,
        } = self;
        let mut violations = Violations::new();
        violations.optional("policy", policy.as_deref(), shape::POLICY);
        violations.optional("description", description.as_deref(), shape::DESCRIPTION);
        let usage = key_usage.and_then(|usage| {
            violations.member("keyUsage", &usage, KeyUsage::ALL, KeyUsage::as_str)
        });
        let spec = match key_spec {
            None => Some(KeySpec::SymmetricDefault),
            Some(spec) => violations.member("keySpec", &spec, KeySpec::ALL, KeySpec::as_str),
        };
        let origin = match origin {
            None => Some(KeyOrigin::AwsKms),
            Some(origin) => violations.member("origin", &origin, KeyOrigin::ALL, KeyOrigin::as_str),
        };
        violations.tags("tags", &tags);
        violations.finish()?;
        let (Some(spec), Some(origin)) = (spec, origin) else {
            return Err(Invalid::validation(
                "keySpec or origin is of no known value",
            ));
        };
        let account = drawn.account.ok_or_else(|| {
            Invalid::new(
                ErrorCode::AccessDenied,
                "CreateKey needs a caller with an account: a key belongs to the account of its creator",
            )
        })?;
        let entropy = drawn.entropy16();
        let (key_id, multi_region) = if multi_region.unwrap_or_default() {
            (KeyId::MultiRegion(entropy), MultiRegion::Primary)
        } else {
            (KeyId::Uuid(uuid_v4(entropy)), MultiRegion::No)
        };
        Ok(Change::of(Command::CreateKey(CreateKey {
            account,
            partition: header.scope.partition,
            region: header.scope.region.clone(),
            key_id,
            description: arc(description.unwrap_or_default()),
            spec,
            usage,
            origin,
            multi_region,
            policy: policy.map(arc),
            lockout_check: lockout_check(bypass_policy_lockout_safety_check),
            tags: distinct_tags(tags)?,
        })))
    }
}

/// The version and variant bits of a random UUID (RFC 9562, 5.4).
fn uuid_v4(mut bytes: [u8; 16]) -> [u8; 16] {
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
    *version = *version & 0x0f | 0x40;
    *variant = *variant & 0x3f | 0x80;
    bytes
}

impl IntoChange for v1::PutKeyPolicyRequest {
    fn into_change(self, _: &Header, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            key_id,
            policy_name,
            policy,
            bypass_policy_lockout_safety_check,
        } = self;
        let mut violations = key_shape(&key_id);
        violations.optional("policyName", policy_name.as_deref(), shape::POLICY_NAME);
        violations.text("policy", &policy, shape::POLICY);
        violations.finish()?;
        Ok(Change::of(Command::PutKeyPolicy(PutKeyPolicy {
            key: key_ref(&key_id)?,
            policy_name: policy_name.map(arc),
            policy: arc(policy),
            lockout_check: lockout_check(bypass_policy_lockout_safety_check),
        })))
    }
}

impl IntoChange for v1::EnableKeyRequest {
    fn into_change(self, _: &Header, _: &Drawn) -> Result<Change, Invalid> {
        let Self { header: _, key_id } = self;
        key_shape(&key_id).finish()?;
        let key = key_ref(&key_id)?;
        Ok(Change::of(Command::EnableKey(EnableKey { key })))
    }
}

impl IntoChange for v1::DisableKeyRequest {
    fn into_change(self, _: &Header, _: &Drawn) -> Result<Change, Invalid> {
        let Self { header: _, key_id } = self;
        key_shape(&key_id).finish()?;
        let key = key_ref(&key_id)?;
        Ok(Change::of(Command::DisableKey(DisableKey { key })))
    }
}

impl IntoChange for v1::CreateAliasRequest {
    fn into_change(self, _: &Header, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            alias_name,
            target_key_id,
        } = self;
        let mut violations = Violations::new();
        violations.text("aliasName", &alias_name, shape::ALIAS_NAME);
        violations.text("targetKeyId", &target_key_id, shape::KEY_ID);
        violations.finish()?;
        Ok(Change::of(Command::CreateAlias(CreateAlias {
            alias: arc(alias_name),
            target: key_ref(&target_key_id)?,
        })))
    }
}

impl IntoChange for v1::DeleteAliasRequest {
    fn into_change(self, _: &Header, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            alias_name,
        } = self;
        let mut violations = Violations::new();
        violations.text("aliasName", &alias_name, shape::ALIAS_NAME);
        violations.finish()?;
        Ok(Change::of(Command::DeleteAlias(DeleteAlias {
            alias: arc(alias_name),
        })))
    }
}

impl IntoChange for v1::TagResourceRequest {
    fn into_change(self, _: &Header, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            key_id,
            tags,
        } = self;
        let mut violations = key_shape(&key_id);
        if tags.is_empty() {
            violations.missing("tags");
        }
        violations.tags("tags", &tags);
        violations.finish()?;
        Ok(Change::of(Command::TagResource(TagResource {
            key: key_ref(&key_id)?,
            tags: tag_pairs(tags),
        })))
    }
}

impl IntoChange for v1::UntagResourceRequest {
    fn into_change(self, _: &Header, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            key_id,
            tag_keys,
        } = self;
        let mut violations = key_shape(&key_id);
        if tag_keys.is_empty() {
            violations.missing("tagKeys");
        }
        violations.tag_keys("tagKeys", &tag_keys);
        violations.finish()?;
        Ok(Change::of(Command::UntagResource(UntagResource {
            key: key_ref(&key_id)?,
            tag_keys: tag_keys.into_iter().map(arc).collect(),
        })))
    }
}

impl IntoChange for v1::CreateGrantRequest {
    fn into_change(self, _: &Header, drawn: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            key_id,
            grantee_principal,
            retiring_principal,
            operations,
            constraints,
            grant_tokens,
            name,
            dry_run: dry,
            grantee_service_principal,
            retiring_service_principal,
        } = self;
        let v1::GrantConstraints {
            encryption_context_equals,
            encryption_context_subset,
            source_arn,
        } = constraints.unwrap_or_default();
        let mut violations = key_shape(&key_id);
        for (path, value, shape) in [
            ("granteePrincipal", &grantee_principal, shape::PRINCIPAL_ID),
            (
                "retiringPrincipal",
                &retiring_principal,
                shape::PRINCIPAL_ID,
            ),
            (
                "granteeServicePrincipal",
                &grantee_service_principal,
                shape::SERVICE_PRINCIPAL,
            ),
            (
                "retiringServicePrincipal",
                &retiring_service_principal,
                shape::SERVICE_PRINCIPAL,
            ),
            ("name", &name, shape::GRANT_NAME),
            ("constraints.sourceArn", &source_arn, shape::SOURCE_ARN),
        ] {
            violations.optional(path, value.as_deref(), shape);
        }
        if operations.is_empty() {
            violations.missing("operations");
        }
        violations.list("operations", &operations, limits::REQUEST_OPERATIONS_MAX);
        let operations: Vec<GrantOperation> = operations
            .iter()
            .enumerate()
            .take(limits::REQUEST_OPERATIONS_MAX)
            .filter_map(|(at, operation)| {
                violations.member(
                    &format!("operations.{}.member", at + 1),
                    operation,
                    GrantOperation::ALL,
                    GrantOperation::as_str,
                )
            })
            .collect();
        let equals = constraint_pairs(
            &mut violations,
            "constraints.encryptionContextEquals",
            encryption_context_equals,
        );
        let subset = constraint_pairs(
            &mut violations,
            "constraints.encryptionContextSubset",
            encryption_context_subset,
        );
        violations.grant_tokens("grantTokens", &grant_tokens);
        violations.finish()?;
        Ok(Change::Command {
            command: Command::CreateGrant(CreateGrant {
                key: key_ref(&key_id)?,
                grant_id: GrantId(drawn.entropy),
                grantee: grantee_principal.map(arc),
                grantee_service: grantee_service_principal.map(arc),
                retiring: retiring_principal.map(arc),
                retiring_service: retiring_service_principal.map(arc),
                operations,
                context_equals: Arc::new(equals),
                context_subset: Arc::new(subset),
                source_arn: source_arn.map(arc),
                name: name.map(arc),
                dry_run: dry_run(dry),
            }),
            grant_tokens: tokens(grant_tokens),
        })
    }
}

fn constraint_pairs(
    violations: &mut Violations,
    path: &str,
    pairs: BTreeMap<String, String>,
) -> EncryptionContext {
    let keys: Vec<&String> = pairs.keys().collect();
    violations.list(path, &keys, limits::REQUEST_CONSTRAINT_PAIRS_MAX);
    for (key, value) in &pairs {
        violations.text(path, key, shape::ENCRYPTION_CONTEXT_TEXT);
        violations.text(path, value, shape::ENCRYPTION_CONTEXT_TEXT);
    }
    pairs
        .into_iter()
        .map(|(key, value)| (arc(key), arc(value)))
        .collect()
}

impl IntoChange for v1::RetireGrantRequest {
    /// By token, or by key and grant id; half of either is no request (G-41).
    fn into_change(self, _: &Header, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            grant_token,
            key_id,
            grant_id,
            dry_run: dry,
        } = self;
        let mut violations = Violations::new();
        if let Some(token) = &grant_token {
            violations.grant_token("grantToken", token);
        }
        violations.optional("keyId", key_id.as_deref(), shape::KEY_ID);
        violations.optional("grantId", grant_id.as_deref(), shape::GRANT_ID);
        violations.finish()?;
        match (grant_token, key_id, grant_id) {
            (Some(token), None, None) => Ok(Change::RetireByToken {
                token: crate::domain::authz::claim::TokenText(token),
                dry_run: dry_run(dry),
            }),
            (None, Some(key_id), Some(grant_id)) => {
                Ok(Change::of(Command::RetireGrant(RetireGrant {
                    key: key_ref(&key_id)?,
                    grant_id: arc(grant_id),
                    dry_run: dry_run(dry),
                })))
            }
            _ => Err(Invalid::validation(
                "RetireGrant takes either a grant token, or a key id and a grant id",
            )),
        }
    }
}

impl IntoChange for v1::RevokeGrantRequest {
    fn into_change(self, _: &Header, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            key_id,
            grant_id,
            dry_run: dry,
        } = self;
        let mut violations = key_shape(&key_id);
        violations.text("grantId", &grant_id, shape::GRANT_ID);
        violations.finish()?;
        Ok(Change::of(Command::RevokeGrant(RevokeGrant {
            key: key_ref(&key_id)?,
            grant_id: arc(grant_id),
            dry_run: dry_run(dry),
        })))
    }
}

impl IntoQuery for v1::DescribeKeyRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            key_id,
            grant_tokens,
        } = self;
        let mut violations = key_shape(&key_id);
        violations.grant_tokens("grantTokens", &grant_tokens);
        violations.finish()?;
        Ok(Asked {
            query: Query::DescribeKey(DescribeKey {
                key: key_ref(&key_id)?,
            }),
            grant_tokens: tokens(grant_tokens),
        })
    }
}

impl IntoQuery for v1::GetKeyPolicyRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            key_id,
            policy_name,
        } = self;
        let mut violations = key_shape(&key_id);
        violations.optional("policyName", policy_name.as_deref(), shape::POLICY_NAME);
        violations.finish()?;
        Ok(Asked::of(Query::GetKeyPolicy(GetKeyPolicy {
            key: key_ref(&key_id)?,
            policy_name: policy_name.map(arc),
        })))
    }
}

impl IntoQuery for v1::ListKeysRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            page: sent,
        } = self;
        let mut violations = Violations::new();
        violations.page(sent.as_ref());
        violations.finish()?;
        Ok(Asked::of(Query::ListKeys(ListKeys { page: page(sent) })))
    }
}

impl IntoQuery for v1::ListAliasesRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            key_id,
            page: sent,
        } = self;
        let mut violations = Violations::new();
        violations.optional("keyId", key_id.as_deref(), shape::KEY_ID);
        violations.page(sent.as_ref());
        violations.finish()?;
        Ok(Asked::of(Query::ListAliases(ListAliases {
            key: key_id.as_deref().map(key_ref).transpose()?,
            page: page(sent),
        })))
    }
}

impl IntoQuery for v1::ListResourceTagsRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            key_id,
            page: sent,
        } = self;
        let mut violations = key_shape(&key_id);
        violations.page(sent.as_ref());
        violations.finish()?;
        Ok(Asked::of(Query::ListResourceTags(ListResourceTags {
            key: key_ref(&key_id)?,
            page: page(sent),
        })))
    }
}

impl IntoQuery for v1::ListGrantsRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            key_id,
            grant_id,
            grantee_principal,
            grantee_service_principal,
            page: sent,
        } = self;
        let mut violations = key_shape(&key_id);
        violations.optional("grantId", grant_id.as_deref(), shape::GRANT_ID);
        violations.optional(
            "granteePrincipal",
            grantee_principal.as_deref(),
            shape::PRINCIPAL_ID,
        );
        violations.optional(
            "granteeServicePrincipal",
            grantee_service_principal.as_deref(),
            shape::SERVICE_PRINCIPAL,
        );
        violations.page(sent.as_ref());
        violations.finish()?;
        Ok(Asked::of(Query::ListGrants(ListGrants {
            key: key_ref(&key_id)?,
            grant_id: grant_id.map(arc),
            grantee: grantee_principal.map(arc),
            grantee_service: grantee_service_principal.map(arc),
            page: page(sent),
        })))
    }
}

impl IntoQuery for v1::ListRetirableGrantsRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            retiring_principal,
            retiring_service_principal,
            page: sent,
        } = self;
        let mut violations = Violations::new();
        violations.optional(
            "retiringPrincipal",
            retiring_principal.as_deref(),
            shape::PRINCIPAL_ID,
        );
        violations.optional(
            "retiringServicePrincipal",
            retiring_service_principal.as_deref(),
            shape::SERVICE_PRINCIPAL,
        );
        violations.page(sent.as_ref());
        violations.finish()?;
        Ok(Asked::of(Query::ListRetirableGrants(ListRetirableGrants {
            retiring: retiring_principal.map(arc),
            retiring_service: retiring_service_principal.map(arc),
            page: page(sent),
        })))
    }
}

impl From<KeyDescription> for v1::KeyMetadata {
    fn from(described: KeyDescription) -> Self {
        let KeyDescription { key } = described;
        let Key {
            arn,
            born: _, // a revision is no member of AWS's metadata
            created_at,
            description,
            spec,
            usage,
            origin,
            state,
            multi_region,
            manager,
            tags: _,     // ListResourceTags tells them
            policy: _,   // GetKeyPolicy tells it
            bindings: _, // what the policy's principals were when it was put
        } = key;
        Self {
            aws_account_id: arn.account.to_string(),
            key_id: arn.key_id.to_string(),
            arn: arn.to_string(),
            creation_date_ms: created_at.as_millis(),
            enabled: state == KeyState::Enabled,
            description: description.to_string(),
            key_usage: usage.to_string(),
            key_state: state.to_string(),
            origin: origin.to_string(),
            key_manager: manager.to_string(),
            key_spec: spec.to_string(),
            multi_region: multi_region.is_some(),
            multi_region_key_type: multi_region.map(|kind: MultiRegionKeyType| kind.to_string()),
        }
    }
}

impl From<AliasEntry> for v1::AliasListEntry {
    fn from(entry: AliasEntry) -> Self {
        let AliasEntry {
            alias,
            target,
            created_at,
            updated_at,
        } = entry;
        Self {
            alias_name: alias.name.to_string(),
            alias_arn: alias.to_string(),
            target_key_id: target.key_id.to_string(),
            creation_date_ms: created_at.as_millis(),
            last_updated_date_ms: updated_at.as_millis(),
        }
    }
}

impl From<Grant> for v1::GrantListEntry {
    fn from(grant: Grant) -> Self {
        let Grant {
            id,
            key,
            grantee,
            retiring,
            operations,
            constraints,
            name,
            issuing_account,
            created_at,
            born: _, // a revision is no member of AWS's entry
        } = grant;
        let (grantee_principal, grantee_service_principal) = principal_members(Some(grantee));
        let (retiring_principal, retiring_service_principal) = principal_members(retiring);
        Self {
            key_id: key.to_string(),
            grant_id: id.to_string(),
            name: name.map(|name| name.to_string()),
            creation_date_ms: created_at.as_millis(),
            grantee_principal,
            grantee_service_principal,
            retiring_principal,
            retiring_service_principal,
            issuing_account: format!("arn:{}:iam::{issuing_account}:root", key.partition),
            operations: operations.iter().map(|op| op.to_string()).collect(),
            constraints: constraints_out(constraints),
        }
    }
}

fn principal_members(principal: Option<GrantPrincipal>) -> (Option<String>, Option<String>) {
    match principal {
        None => (None, None),
        Some(GrantPrincipal::Arn { arn, unique_id: _ }) => (Some(arn.to_string()), None),
        Some(GrantPrincipal::Service(name)) => (None, Some(name.to_string())),
    }
}

fn constraints_out(constraints: GrantConstraints) -> Option<v1::GrantConstraints> {
    let GrantConstraints {
        context,
        source_arn,
    } = constraints;
    if context.is_none() && source_arn.is_none() {
        return None;
    }
    let pairs = |context: Arc<EncryptionContext>| {
        context
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect()
    };
    let mut out = v1::GrantConstraints {
        source_arn: source_arn.map(|arn| arn.to_string()),
        ..Default::default()
    };
    match context {
        None => {}
        Some(ContextConstraint::Equals(context)) => out.encryption_context_equals = pairs(context),
        Some(ContextConstraint::Subset(context)) => out.encryption_context_subset = pairs(context),
    }
    Some(out)
}

/// Answers that say only that it was done.
macro_rules! done {
    ($($response:ident),+ $(,)?) => {$(
        impl FromOutput for v1::$response {
            fn from_output(
                header: v1::ResponseHeader,
                output: Output,
                _: Option<String>,
            ) -> Result<Self, Lacking> {
                match output {
                    Output::Done => Ok(Self { header: Some(header) }),
                    _ => Err(Lacking),
                }
            }
        }
    )+};
}
pub(super) use done;

done!(
    PutKeyPolicyResponse,
    EnableKeyResponse,
    DisableKeyResponse,
    CreateAliasResponse,
    DeleteAliasResponse,
    TagResourceResponse,
    UntagResourceResponse,
    RetireGrantResponse,
    RevokeGrantResponse,
);

impl FromOutput for v1::CreateKeyResponse {
    fn from_output(
        header: v1::ResponseHeader,
        output: Output,
        _: Option<String>,
    ) -> Result<Self, Lacking> {
        match output {
            Output::Key(described) => Ok(Self {
                header: Some(header),
                key_metadata: Some(described.into()),
            }),
            _ => Err(Lacking),
        }
    }
}

impl FromOutput for v1::CreateGrantResponse {
    fn from_output(
        header: v1::ResponseHeader,
        output: Output,
        grant_token: Option<String>,
    ) -> Result<Self, Lacking> {
        match output {
            Output::Grant(CreatedGrant {
                grant: _, // told by its id and token alone (G-21)
                id,
                depends_on: _,
            }) => Ok(Self {
                header: Some(header),
                grant_id: id.to_string(),
                grant_token,
            }),
            _ => Err(Lacking),
        }
    }
}

impl FromAnswer for v1::DescribeKeyResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        match answer {
            Answer::Key(described) => Ok(Self {
                header: Some(header),
                key_metadata: Some(described.into()),
            }),
            _ => Err(Lacking),
        }
    }
}

impl FromAnswer for v1::GetKeyPolicyResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        match answer {
            Answer::Policy { name, text } => Ok(Self {
                header: Some(header),
                policy: text.to_string(),
                policy_name: name.to_string(),
            }),
            _ => Err(Lacking),
        }
    }
}

impl FromAnswer for v1::ListKeysResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        match answer {
            Answer::Keys(Paged { items, next }) => Ok(Self {
                header: Some(header),
                keys: items
                    .into_iter()
                    .map(|arn| v1::KeyListEntry {
                        key_id: arn.key_id.to_string(),
                        key_arn: arn.to_string(),
                    })
                    .collect(),
                next_marker: next.map(|next| next.to_string()),
            }),
            _ => Err(Lacking),
        }
    }
}

impl FromAnswer for v1::ListAliasesResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        match answer {
            Answer::Aliases(Paged { items, next }) => Ok(Self {
                header: Some(header),
                aliases: items.into_iter().map(Into::into).collect(),
                next_marker: next.map(|next| next.to_string()),
            }),
            _ => Err(Lacking),
        }
    }
}

impl FromAnswer for v1::ListResourceTagsResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        match answer {
            Answer::Tags(Paged { items, next }) => Ok(Self {
                header: Some(header),
                tags: tags_out(items),
                next_marker: next.map(|next| next.to_string()),
            }),
            _ => Err(Lacking),
        }
    }
}

fn grants_out(answer: Answer) -> Result<(Vec<v1::GrantListEntry>, Option<String>), Lacking> {
    match answer {
        Answer::Grants(Paged { items, next }) => Ok((
            items.into_iter().map(Into::into).collect(),
            next.map(|next| next.to_string()),
        )),
        _ => Err(Lacking),
    }
}

impl FromAnswer for v1::ListGrantsResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        let (grants, next_marker) = grants_out(answer)?;
        Ok(Self {
            header: Some(header),
            grants,
            next_marker,
        })
    }
}

impl FromAnswer for v1::ListRetirableGrantsResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        let (grants, next_marker) = grants_out(answer)?;
        Ok(Self {
            header: Some(header),
            grants,
            next_marker,
        })
    }
}
