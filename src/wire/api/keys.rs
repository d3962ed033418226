//! Keys: made, described, switched, listed, and their policies.

use super::key_stores::store_id;
use super::reply::{answers, done, pages, policy_done};
use super::request::{changes, queries};
use super::shape::{self, Violations};
use super::{
    Asked, Change, Drawn, FromOutput, IntoChange, IntoQuery, Invalid, Lacking, arc, key_ref, page,
    tags, tokens,
};
use crate::domain::ids::KeyId;
use crate::domain::op::create_key::{CreateKey, MultiRegion};
use crate::domain::op::describe_key::DescribeKey;
use crate::domain::op::disable_key::DisableKey;
use crate::domain::op::enable_key::EnableKey;
use crate::domain::op::get_key_policy::GetKeyPolicy;
use crate::domain::op::list_keys::{ListKeys, ResourceOwner};
use crate::domain::op::put_key_policy::PutKeyPolicy;
use crate::domain::op::{
    Answer, Command, ErrorCode, KeyDescription, LockoutCheck, Output, Query, Scope,
};
use crate::domain::state::key::{Key, KeyOrigin, KeySpec, KeyState, KeyUsage};
use crate::domain::state::key_algorithms::Algorithms;
use crate::domain::state::key_store::StoreKey;
use crate::wire::v1;

pub(super) fn lockout_check(bypass: Option<bool>) -> LockoutCheck {
    match bypass {
        None => LockoutCheck::Unset,
        Some(false) => LockoutCheck::Run,
        Some(true) => LockoutCheck::Bypass,
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
        violations.tags(&tags);
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
            tags: tags::distinct(tags)?,
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

changes! {
    PutKeyPolicyRequest { key_id, policy_name, policy, bypass_policy_lockout_safety_check }
        check |violations| {
            violations.key(&key_id);
            violations.optional("policyName", policy_name.as_deref(), shape::POLICY_NAME);
            violations.text("policy", &policy, shape::POLICY);
        }
        => PutKeyPolicy {
            key: key_ref(&key_id)?,
            policy_name: policy_name.map(arc),
            policy: arc(policy),
            lockout_check: lockout_check(bypass_policy_lockout_safety_check),
        }

    EnableKeyRequest { key_id }
        check |violations| { violations.key(&key_id); }
        => EnableKey { key: key_ref(&key_id)? }

    DisableKeyRequest { key_id }
        check |violations| { violations.key(&key_id); }
        => DisableKey { key: key_ref(&key_id)? }
}

impl IntoQuery for v1::DescribeKeyRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            key_id,
            grant_tokens,
        } = self;
        let mut violations = Violations::new();
        violations.key(&key_id);
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

queries! {
    GetKeyPolicyRequest { key_id, policy_name }
        check |violations| {
            violations.key(&key_id);
            violations.optional("policyName", policy_name.as_deref(), shape::POLICY_NAME);
        }
        => GetKeyPolicy {
            key: key_ref(&key_id)?,
            policy_name: policy_name.map(arc),
        }

    ListKeysRequest { page: sent, resource_owners }
        check |violations| {
            violations.page(sent.as_ref());
            violations.list("resourceOwners", &resource_owners, ResourceOwner::ALL.len());
            drop(read_owners(&mut violations, &resource_owners));
        }
        => ListKeys {
            page: page(sent),
            owners: read_owners(&mut Violations::new(), &resource_owners),
        }
}

/// W-8: each a word of the closed set.
fn read_owners(violations: &mut Violations, sent: &[String]) -> Vec<ResourceOwner> {
    let owners = sent.iter().enumerate();
    owners
        .filter_map(|(at, owner)| {
            let path = format!("resourceOwners.{}.member", at + 1);
            violations.member(&path, owner, ResourceOwner::ALL, ResourceOwner::as_str)
        })
        .collect()
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
            last_use: _, // GetKeyLastUsage tells it
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

policy_done!(PutKeyPolicyResponse);

done!(EnableKeyResponse, DisableKeyResponse);

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

answers! {
    DescribeKeyResponse from Answer::Key(described) => {
        key_metadata: Some(described.into()),
    }

    GetKeyPolicyResponse from Answer::Policy { name, text } => {
        policy: text.to_string(),
        policy_name: name.to_string(),
    }
}

pages! {
    ListKeysResponse { keys } of Keys by |arn| v1::KeyListEntry {
        key_id: arn.key_id.to_string(),
        key_arn: arn.to_string(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::api::testing::{KEY, command, drawn, failed, refusal, scope};

    /// W-3, W-7: a table of bad input with the exact texts.
    #[test]
    fn bad_member_of_a_key_is_refused_with_its_exact_text() {
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
