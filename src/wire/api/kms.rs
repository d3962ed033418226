//! Keys, aliases, tags and grants.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::grants::grants_out;
use super::key_stores::store_id;
use super::shape::{self, Violations};
use super::{
    Asked, Change, Drawn, FromAnswer, FromOutput, IntoChange, IntoQuery, Invalid, Lacking, arc,
    distinct_tags, key_ref, page, tag_pairs, tags_out, tokens,
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
use crate::domain::op::revoke_grant::{Descendants, RevokeGrant};
use crate::domain::op::tag_resource::TagResource;
use crate::domain::op::untag_resource::UntagResource;
use crate::domain::op::{
    AliasEntry, Answer, Command, CreatedGrant, DryRun, ErrorCode, KeyDescription, LockoutCheck,
    Output, Paged, Query, Scope,
};
use crate::domain::state::grant::{
    ContextConstraint, EncryptionContext, GrantConstraints, GrantOperation, Term,
};
use crate::domain::state::key::{Key, KeyOrigin, KeySpec, KeyState, KeyUsage};
use crate::domain::state::key_algorithms::Algorithms;
use crate::domain::state::key_store::StoreKey;
use crate::domain::time::Timestamp;
use crate::wire::v1;

pub(super) fn key_shape(key_id: &str) -> Violations {
    let mut violations = Violations::new();
    violations.text("keyId", key_id, shape::KEY_ID);
    violations
}

pub(super) fn lockout_check(bypass: Option<bool>) -> LockoutCheck {
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
    fn into_change(self, scope: &Scope, drawn: &Drawn) -> Result<Change, Invalid> {
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
            custom_key_store_id,
            xks_key_id,
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
        violations.optional("xksKeyId", xks_key_id.as_deref(), shape::XKS_KEY_ID);
        violations.finish()?;
        let custom_key_store = custom_key_store_id.as_deref().map(store_id).transpose()?;
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
            partition: scope.partition,
            region: scope.region.clone(),
            key_id,
            description: arc(description.unwrap_or_default()),
            spec,
            usage,
            origin,
            multi_region,
            policy: policy.map(arc),
            lockout_check: lockout_check(bypass_policy_lockout_safety_check),
            tags: distinct_tags(tags)?,
            custom_key_store,
            // Its shape has let it through.
            xks_key: xks_key_id.and_then(|id| id.parse().ok()),
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
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
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
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self { header: _, key_id } = self;
        key_shape(&key_id).finish()?;
        let key = key_ref(&key_id)?;
        Ok(Change::of(Command::EnableKey(EnableKey { key })))
    }
}

impl IntoChange for v1::DisableKeyRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self { header: _, key_id } = self;
        key_shape(&key_id).finish()?;
        let key = key_ref(&key_id)?;
        Ok(Change::of(Command::DisableKey(DisableKey { key })))
    }
}

impl IntoChange for v1::CreateAliasRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
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
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
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
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
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
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
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
    fn into_change(self, _: &Scope, drawn: &Drawn) -> Result<Change, Invalid> {
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
            expires_at_ms,
            uses,
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
                term: Term {
                    expires_at: expires_at_ms.map(Timestamp::from_millis),
                    uses,
                },
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
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
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
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            key_id,
            grant_id,
            dry_run: dry,
            descendants,
        } = self;
        let mut violations = key_shape(&key_id);
        violations.text("grantId", &grant_id, shape::GRANT_ID);
        violations.finish()?;
        Ok(Change::of(Command::RevokeGrant(RevokeGrant {
            key: key_ref(&key_id)?,
            grant_id: arc(grant_id),
            dry_run: dry_run(dry),
            descendants: if descendants.unwrap_or_default() {
                Descendants::End
            } else {
                Descendants::Stay
            },
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
        let KeyDescription {
            key,
            related,
            cloud_hsm_cluster,
        } = described;
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
            deletion,
            custom_key_store,
        } = key;
        let (store, xks_key) = match custom_key_store {
            Some(StoreKey { store, xks_key }) => (Some(store), xks_key),
            None => (None, None),
        };
        let Algorithms {
            encryption,
            signing,
            mac,
            agreement,
            encapsulation,
        } = Algorithms::of(spec, usage);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let waits = state == KeyState::PendingReplicaDeletion;
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
            multi_region_configuration: multi_region
                .map(|kind| super::key_life::configuration(kind, related)),
            deletion_date_ms: deletion
                .and_then(|deletion| deletion.due)
                .map(|due| due.as_millis()),
            pending_deletion_window_in_days: deletion
                .filter(|_| waits)
                .map(|deletion| deletion.window_days),
            encryption_algorithms: names(encryption),
            signing_algorithms: names(signing),
            mac_algorithms: names(mac),
            key_agreement_algorithms: names(agreement),
            encapsulation_algorithms: names(encapsulation),
            custom_key_store_id: store.map(|store| store.to_string()),
            cloud_hsm_cluster_id: cloud_hsm_cluster.map(|cluster| cluster.to_string()),
            xks_key_id: xks_key.map(|key| key.to_string()),
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

pub(super) fn constraints_out(constraints: GrantConstraints) -> Option<v1::GrantConstraints> {
    let GrantConstraints {
        context,
        source_arn,
        term: _, // no member of AWS's constraints
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

/// The same of operations that bring a policy: the answer also tells what surprises in it.
macro_rules! policy_done {
    ($($response:ident),+ $(,)?) => {$(
        impl FromOutput for v1::$response {
            fn from_output(
                header: v1::ResponseHeader,
                output: Output,
                _: Option<String>,
            ) -> Result<Self, Lacking> {
                match output {
                    Output::Done => Ok(Self {
                        header: Some(header),
                        policy_warnings: Vec::new(),
                    }),
                    _ => Err(Lacking),
                }
            }

            fn with_warnings(mut self, warnings: Vec<v1::PolicyWarning>) -> Self {
                self.policy_warnings = warnings;
                self
            }
        }
    )+};
}
pub(super) use policy_done;

policy_done!(PutKeyPolicyResponse);

done!(
    EnableKeyResponse,
    DisableKeyResponse,
    CreateAliasResponse,
    UpdateAliasResponse,
    UpdateKeyDescriptionResponse,
    UpdatePrimaryRegionResponse,
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
                policy_warnings: Vec::new(),
            }),
            _ => Err(Lacking),
        }
    }

    fn with_warnings(mut self, warnings: Vec<v1::PolicyWarning>) -> Self {
        self.policy_warnings = warnings;
        self
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::authz::claim::TokenText;

    const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    fn scope() -> Scope {
        Scope {
            partition: Default::default(),
            region: "us-west-2".parse().unwrap(),
        }
    }

    fn drawn() -> Drawn {
        Drawn {
            account: Some("111122223333".parse().unwrap()),
            entropy: [0xff; 32],
        }
    }

    fn command(request: impl IntoChange) -> Command {
        match request.into_change(&scope(), &drawn()).unwrap() {
            Change::Command { command, .. } => command,
            Change::Sealing { .. } | Change::RetireByToken { .. } => panic!("not a command"),
        }
    }

    fn refusal(request: impl IntoChange) -> (ErrorCode, String) {
        let invalid = request.into_change(&scope(), &drawn()).unwrap_err();
        (invalid.code, invalid.message)
    }

    fn create_grant() -> v1::CreateGrantRequest {
        v1::CreateGrantRequest {
            header: None,
            key_id: KEY.to_owned(),
            grantee_principal: Some("arn:aws:iam::111122223333:user/alice".to_owned()),
            retiring_principal: Some("arn:aws:iam::111122223333:user/bob".to_owned()),
            operations: vec!["Decrypt".to_owned(), "Encrypt".to_owned()],
            constraints: Some(v1::GrantConstraints {
                encryption_context_equals: [("a".to_owned(), "b".to_owned())].into(),
                encryption_context_subset: Default::default(),
                source_arn: Some("arn:aws:s3:::111122223333:bucket".to_owned()),
            }),
            grant_tokens: vec!["token".to_owned()],
            name: Some("n".to_owned()),
            dry_run: Some(true),
            grantee_service_principal: None,
            expires_at_ms: Some(1_800_000_000_000),
            uses: Some(3),
            retiring_service_principal: None,
        }
    }

    /// G-15: every member of CreateGrant arrives where it belongs.
    #[test]
    fn create_grant_request_becomes_the_command_member_by_member() {
        let mut request = create_grant();
        if let Some(constraints) = &mut request.constraints {
            constraints.source_arn = Some("arn:aws:ec2:us-west-2:111122223333:i/1".to_owned());
        }
        let Change::Command {
            command: Command::CreateGrant(made),
            grant_tokens,
        } = request.into_change(&scope(), &drawn()).unwrap()
        else {
            panic!("not a CreateGrant");
        };
        assert_eq!(grant_tokens, [TokenText("token".to_owned())]);
        let CreateGrant {
            key,
            grant_id,
            grantee,
            grantee_service,
            retiring,
            retiring_service,
            operations,
            context_equals,
            context_subset,
            source_arn,
            name,
            dry_run,
            term,
        } = made;
        assert_eq!(key.to_string(), KEY);
        assert_eq!(grant_id, GrantId([0xff; 32]));
        assert_eq!(
            grantee.as_deref(),
            Some("arn:aws:iam::111122223333:user/alice")
        );
        assert_eq!(
            retiring.as_deref(),
            Some("arn:aws:iam::111122223333:user/bob")
        );
        assert_eq!((grantee_service, retiring_service), (None, None));
        assert_eq!(
            operations,
            [GrantOperation::Decrypt, GrantOperation::Encrypt]
        );
        assert_eq!(context_equals.get("a").map(AsRef::as_ref), Some("b"));
        assert!(context_subset.is_empty());
        assert_eq!(
            source_arn.as_deref(),
            Some("arn:aws:ec2:us-west-2:111122223333:i/1")
        );
        assert_eq!(name.as_deref(), Some("n"));
        assert_eq!(dry_run, DryRun::Yes);
        let expires_at = Some(Timestamp::from_millis(1_800_000_000_000));
        assert_eq!(
            term,
            Term {
                expires_at,
                uses: Some(3)
            }
        );
    }

    /// W-3, W-7, ID-1: a table of bad input with the exact texts.
    #[test]
    fn bad_member_of_a_change_is_refused_with_its_exact_text() {
        let failed = |value: &str, path: &str, constraint: &str| {
            (
                ErrorCode::Validation,
                format!(
                    "1 validation error detected: Value {value} at '{path}' failed to satisfy constraint: Member must {constraint}"
                ),
            )
        };
        let grant = |change: fn(&mut v1::CreateGrantRequest)| {
            let mut request = create_grant();
            request.constraints = None;
            change(&mut request);
            refusal(request)
        };
        assert_eq!(
            grant(|r| r.operations = vec!["ReEncrypt".to_owned()]),
            failed(
                "'ReEncrypt'",
                "operations.1.member",
                "satisfy enum value set: [Decrypt, Encrypt, GenerateDataKey, GenerateDataKeyWithoutPlaintext, ReEncryptFrom, ReEncryptTo, Sign, Verify, GetPublicKey, CreateGrant, RetireGrant, DescribeKey, GenerateDataKeyPair, GenerateDataKeyPairWithoutPlaintext, GenerateMac, VerifyMac, DeriveSharedSecret, Encapsulate, Decapsulate]"
            )
        );
        assert_eq!(
            grant(|r| r.operations.clear()),
            failed("null", "operations", "not be null")
        );
        assert_eq!(
            grant(|r| r.grantee_principal = Some("*".to_owned())),
            failed(
                "'*'",
                "granteePrincipal",
                "satisfy regular expression pattern: ^[\\w+=,.@:/-]+$"
            )
        );
        assert_eq!(
            grant(|r| r.name = Some(String::new())),
            failed("''", "name", "have length greater than or equal to 1")
        );
        assert_eq!(
            grant(|r| {
                r.constraints = Some(v1::GrantConstraints {
                    source_arn: Some("arn:aws:s3:::bucket-of-nobody".to_owned()),
                    ..Default::default()
                });
            }),
            failed(
                "'arn:aws:s3:::bucket-of-nobody'",
                "constraints.sourceArn",
                "satisfy regular expression pattern: ^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$"
            )
        );
        assert_eq!(
            grant(|r| r.grant_tokens = vec![String::new()]),
            (
                ErrorCode::Validation,
                "1 validation error detected: Value at 'grantTokens.1.member' failed to satisfy constraint: Member must have length greater than or equal to 1".to_owned()
            )
        );
        assert_eq!(
            grant(|r| r.key_id = "fake-key-id".to_owned()),
            (
                ErrorCode::NotFound,
                "Invalid keyId 'fake-key-id'".to_owned()
            )
        );
        let key = |change: fn(&mut v1::CreateKeyRequest)| {
            let mut request = v1::CreateKeyRequest::default();
            change(&mut request);
            refusal(request)
        };
        assert_eq!(
            key(|r| r.key_usage = Some("RANDOM".to_owned())),
            failed(
                "'RANDOM'",
                "keyUsage",
                "satisfy enum value set: [ENCRYPT_DECRYPT, SIGN_VERIFY, GENERATE_VERIFY_MAC, KEY_AGREEMENT, ENCAPSULATE_DECAPSULATE]"
            )
        );
        let tag = |key: &str, value: &str| v1::Tag {
            tag_key: key.to_owned(),
            tag_value: value.to_owned(),
        };
        let tagged = |tags: Vec<v1::Tag>| {
            refusal(v1::CreateKeyRequest {
                tags,
                ..Default::default()
            })
        };
        let long = "v".repeat(257);
        assert_eq!(
            tagged(vec![tag("k", &long)]),
            failed(
                &format!("'{long}'"),
                "tags.1.member.tagValue",
                "have length less than or equal to 256"
            )
        );
        assert_eq!(
            tagged(vec![tag("k", "1"), tag("k", "2")]),
            (ErrorCode::Tag, "Duplicate tag keys".to_owned())
        );
        assert_eq!(
            refusal(v1::PutKeyPolicyRequest {
                key_id: KEY.to_owned(),
                policy: "{\"Sid\":\"鍵\"}".to_owned(),
                ..Default::default()
            }),
            failed(
                "'{\"Sid\":\"鍵\"}'",
                "policy",
                "satisfy regular expression pattern: [\\u0009\\u000A\\u000D\\u0020-\\u00FF]+"
            )
        );
    }

    /// G-41: neither, half a pair, or both are no request.
    #[test]
    fn retire_grant_takes_a_token_or_a_pair_and_nothing_else() {
        let request = |token: bool, key: bool, grant: bool| v1::RetireGrantRequest {
            grant_token: token.then(|| "token".to_owned()),
            key_id: key.then(|| KEY.to_owned()),
            grant_id: grant.then(|| "ab".to_owned()),
            ..Default::default()
        };
        for (token, key, grant, taken) in [
            (true, false, false, true),
            (false, true, true, true),
            (false, false, false, false),
            (false, true, false, false),
            (false, false, true, false),
            (true, true, false, false),
            (true, true, true, false),
        ] {
            let read = request(token, key, grant).into_change(&scope(), &drawn());
            assert_eq!(read.is_ok(), taken, "{token} {key} {grant}");
        }
    }

    /// ID-1: a random key id is a version 4 UUID; a multi-Region one is not a UUID at all.
    #[test]
    fn new_key_gets_an_id_of_its_kind() {
        let made = |multi_region: Option<bool>| {
            let request = v1::CreateKeyRequest {
                multi_region,
                ..Default::default()
            };
            match command(request) {
                Command::CreateKey(made) => made.key_id.to_string(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(made(None), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(made(Some(true)), format!("mrk-{}", "f".repeat(32)));
    }

    #[test]
    fn key_of_a_caller_without_account_is_refused() {
        let drawn = Drawn {
            account: None,
            ..drawn()
        };
        let refused = v1::CreateKeyRequest::default().into_change(&scope(), &drawn);
        assert_eq!(refused.unwrap_err().code, ErrorCode::AccessDenied);
    }
}
