//! `CreateKey`: makes a KMS key.

use super::LockoutCheck;
use super::context::{Change, Context};
use super::key_kinds::usage_for;
use super::parts::{Part, Parts};
use super::policies::Lockout;
use super::refusal::{BadPolicy, Said, refusals, said};
use super::update_key_description::check_description;
use super::use_members::check_available;
use super::{ErrorCode, Event, KeyChange, KeyDescription, Output, key_stores, policies, tags};
use crate::domain::authz::request::{Parameter, Parameters, RequestTags};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{AccountId, CustomKeyStoreId, KeyId, Partition, Region, XksKeyId};
use crate::domain::ids::{KeyArn, PrincipalArn};
use crate::domain::limits::KEYS_PER_ACCOUNT_MAX;
use crate::domain::policy::{KmsAction, KnownKey, PolicyKind};
use crate::domain::state::Bindings;
use crate::domain::state::State;
use crate::domain::state::Tags;
use crate::domain::state::key::{Key, KeyManager, KeyState, MultiRegionKeyType};
use crate::domain::state::key::{KeyOrigin, KeySpec, KeyUsage};
use std::sync::Arc;

/// Makes a KMS key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateKey {
    /// The account that owns the key: the caller's.
    pub account: AccountId,
    /// The partition of the key's ARN.
    pub partition: Partition,
    /// The Region that the request names.
    pub region: Region,
    /// Drawn before the log; a multi-Region id when `multi_region`.
    pub key_id: KeyId,
    /// Free text.
    pub description: Arc<str>,
    /// The kind of key material.
    pub spec: KeySpec,
    /// Required unless the spec is SYMMETRIC_DEFAULT (W-4).
    pub usage: Option<KeyUsage>,
    /// Where the material comes from.
    pub origin: KeyOrigin,
    /// Whether the key is the primary of a multi-Region set.
    pub multi_region: MultiRegion,
    /// The key policy's JSON text; absent: the default policy (P-8).
    pub policy: Option<Arc<str>>,
    /// Whether the lockout safety check runs (P-7).
    pub lockout_check: LockoutCheck,
    /// Tags from the start; needs `kms:TagResource` too (D-15).
    pub tags: Tags,
    /// The custom key store that the key is to live in; with the origin that fits its type (K-5).
    pub custom_key_store: Option<CustomKeyStoreId>,
    /// The key of the external key manager; for an external key store alone (K-5).
    pub xks_key: Option<XksKeyId>,
}

/// Whether a key is of a single Region or the primary of a multi-Region set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MultiRegion {
    /// A single-Region key.
    #[default]
    No,
    /// The primary key of a multi-Region set.
    Primary,
}

refusals! {
    /// Why CreateKey is refused, in the order of its checks.
    Refusal {
        /// A description, tags, spec or usage that cannot be, or a spec that the Region does not have (W-34).
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// A custom key store that is not there, cannot hold such a key, or is not connected (K-5, K-7); one whose cluster
        /// or external key is not as it must be (K-11).
        Store(Said),
        /// The text is no key policy.
        Policy(BadPolicy),
        /// The policy names a principal that does not exist.
        Principal(Said),
        /// The policy would lock the caller out.
        Lockout(Lockout),
        /// The account has as many keys as it can have.
        TooMany(Said),
        /// The key id is taken.
        Taken(Said),
    }
}

impl CreateKey {
    /// What is wrong with the request by itself.
    fn usage(&self, cx: &Context<'_>) -> Result<KeyUsage, Said> {
        check_description(&self.description)?;
        tags::read(self.tags.iter())?;
        let multi_region_id = matches!(self.key_id, KeyId::MultiRegion(_));
        if multi_region_id != (self.multi_region == MultiRegion::Primary) {
            let why = "the key id is not of the kind that `MultiRegion` asks for";
            return Err(said(ErrorCode::Validation, why));
        }
        if self.partition != cx.scope.partition || self.region != cx.scope.region {
            let why = "the key's partition and Region are not those of the endpoint";
            return Err(said(ErrorCode::Validation, why));
        }
        key_stores::check_members(self)?;
        check_available(self.spec, self.partition, "KeySpec")?;
        usage_for(self.spec, self.usage)
    }

    /// The request's parameters as condition keys (CK-1, CK-15 to CK-21, CK-37, CK-38).
    fn parameters(&self, usage: KeyUsage) -> Parameters<'_> {
        let multi_region = self.multi_region == MultiRegion::Primary;
        let mut known = vec![
            (KnownKey::KeySpec, Parameter::Text(self.spec.as_str())),
            (KnownKey::KeyUsage, Parameter::Text(usage.as_str())),
            (KnownKey::KeyOrigin, Parameter::Text(self.origin.as_str())),
            (KnownKey::MultiRegion, Parameter::Bool(multi_region)),
        ];
        if multi_region {
            let primary = MultiRegionKeyType::Primary.as_str();
            known.push((KnownKey::MultiRegionKeyType, Parameter::Text(primary)));
        }
        known.extend(policies::lockout_parameter(self.lockout_check));
        let tags = if self.tags.is_empty() {
            RequestTags::Absent
        } else {
            RequestTags::Set(&self.tags)
        };
        Parameters::Known(known, tags)
    }
}

impl CreateKey {
    /// D-15: to make the key, and to tag it.
    fn permissions(&self, cx: &Context<'_>, usage: KeyUsage) -> Parts<'_> {
        let parameters = self.parameters(usage);
        let mut parts = Parts::one(Part::on_account(
            cx,
            KmsAction::CreateKey,
            self.account,
            parameters.clone(),
        ));
        if !self.tags.is_empty() {
            let tag = KmsAction::TagResource;
            parts
                .rest
                .push(Part::on_account(cx, tag, self.account, parameters));
        }
        parts
    }

    /// The key as it would be, wherever its material lives.
    fn made(&self, cx: &Context<'_>, usage: KeyUsage) -> Result<Key, Refusal> {
        let text = self.policy.clone().unwrap_or_else(|| {
            policies::default_text(&PrincipalArn::root_of(self.partition, self.account))
        });
        let policy = policies::read(&text, PolicyKind::Key)?;
        let bindings: Arc<Bindings> = policies::bind(cx, &policy).map_err(Refusal::Principal)?;
        Ok(Key {
            arn: KeyArn {
                partition: self.partition,
                region: self.region.clone(),
                account: self.account,
                key_id: self.key_id,
            },
            born: cx.at,
            created_at: cx.now,
            description: Arc::clone(&self.description),
            spec: self.spec,
            usage,
            origin: self.origin,
            state: match self.origin {
                KeyOrigin::External => KeyState::PendingImport,
                KeyOrigin::AwsKms | KeyOrigin::AwsCloudHsm | KeyOrigin::ExternalKeyStore => {
                    KeyState::Enabled
                }
            },
            multi_region: match self.multi_region {
                MultiRegion::No => None,
                MultiRegion::Primary => Some(MultiRegionKeyType::Primary),
            },
            manager: KeyManager::Customer,
            tags: self.tags.clone(),
            policy,
            bindings,
            deletion: None,
            custom_key_store: None,
            last_use: None,
        })
    }

    /// P-7 is about a policy that is given: the default one lets the account decide, and `kms:CreateKey` is enough.
    fn is_checked(&self) -> bool {
        self.policy.is_some() && self.lockout_check != LockoutCheck::Bypass
    }
}

impl Change for CreateKey {
    type Refusal = Refusal;
    type Plan = Arc<Key>;

    fn parts<'p>(&'p self, cx: &Context<'p>) -> Result<Option<Parts<'p>>, Refusal> {
        let usage = self.usage(cx).map_err(Refusal::Shape)?;
        let mut parts = self.permissions(cx, usage);
        // The plan says what is wrong with a policy that cannot be stored.
        if self.is_checked()
            && let Ok(key) = self.made(cx, usage)
        {
            parts.rest.push(Part::lockout(cx, &Arc::new(key)));
        }
        Ok(Some(parts))
    }

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Arc<Key>), Refusal> {
        let usage = self.usage(cx).map_err(Refusal::Shape)?;
        let allowed = cx.allow_parts(&self.permissions(cx, usage))?;
        let custom_key_store = key_stores::place(self, cx).map_err(Refusal::Store)?;
        let key = Arc::new(Key {
            custom_key_store,
            ..self.made(cx, usage)?
        });
        if self.is_checked() {
            policies::check_lockout(cx, &Part::lockout(cx, &key))?;
        }
        let count = cx
            .state
            .key_count(self.partition, &self.region, self.account);
        if count >= KEYS_PER_ACCOUNT_MAX {
            return Err(Refusal::TooMany(said(
                ErrorCode::LimitExceeded,
                format_args!(
                    "the account {} has {KEYS_PER_ACCOUNT_MAX} keys in {}, as many as it can have",
                    self.account, self.region
                ),
            )));
        }
        if cx.state.key(&key.arn).is_some() || cx.state.is_dying(&key.arn) {
            return Err(Refusal::Taken(said(
                ErrorCode::AlreadyExists,
                format_args!("the key {} already exists: send the request again", key.arn),
            )));
        }
        Ok((allowed, key))
    }

    fn enact(key: Arc<Key>, state: &mut State) -> (Output, Vec<Event>) {
        let events = vec![Event::KeyChanged(key.arn.clone(), KeyChange::Created)];
        state.put_key(Arc::clone(&key));
        let described = KeyDescription::of(state, (*key).clone());
        (Output::Key(described), events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{
        ADMIN, BOB, Cluster, OTHER, OWNER, Refused, check_rows, create_key, key_arn,
    };

    fn refusal(cluster: &Cluster, who: &str, change: impl FnOnce(&mut CreateKey)) -> Refused {
        let mut command = create_key(1);
        change(&mut command);
        cluster.refusal(who, Command::CreateKey(command))
    }

    fn policy(principal: &str) -> Option<Arc<str>> {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Mine","Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"kms:*","Resource":"*"}}]}}"#
        );
        Some(text.into())
    }

    /// W-4, D-15, P-5, P-7, X-11; every row is wrong in fewer ways than the one before.
    #[test]
    fn create_key_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        let nobody = format!("arn:aws:iam::{OWNER}:role/nobody");
        cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"}}"#);
        let tag = |c: &mut CreateKey| drop(c.tags.insert("a".into(), "".into()));
        check_rows(vec![
            (
                "long description",
                refusal(&cluster, BOB, |c| c.description = "d".repeat(8_193).into()),
                "ValidationException",
                "'description'",
            ),
            (
                "reserved tag",
                refusal(&cluster, BOB, |c| {
                    drop(c.tags.insert("AWS:a".into(), "".into()))
                }),
                "TagException",
                "Tags beginning with aws: are reserved",
            ),
            (
                "wrong kind of id",
                refusal(&cluster, BOB, |c| c.multi_region = MultiRegion::Primary),
                "ValidationException",
                "kind",
            ),
            (
                "wrong Region",
                refusal(&cluster, BOB, |c| c.region = "us-east-1".parse().unwrap()),
                "ValidationException",
                "endpoint",
            ),
            (
                "no usage",
                refusal(&cluster, BOB, |c| c.spec = KeySpec::Hmac256),
                "ValidationException",
                "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
            ),
            (
                "wrong usage",
                refusal(&cluster, BOB, |c| {
                    c.spec = KeySpec::Rsa2048;
                    c.usage = Some(KeyUsage::KeyAgreement);
                }),
                "ValidationException",
                "KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048",
            ),
            (
                "another account's",
                refusal(&cluster, BOB, |c| c.account = OTHER.parse().unwrap()),
                "AccessDeniedException",
                "kms:CreateKey",
            ),
            (
                "tags without permission",
                refusal(&cluster, BOB, tag),
                "AccessDeniedException",
                "kms:TagResource",
            ),
            (
                "custom key store",
                refusal(&cluster, BOB, |c| {
                    c.origin = KeyOrigin::AwsCloudHsm;
                    c.custom_key_store = "cks-nope".parse().ok();
                    c.policy = Some("{".into());
                }),
                "CustomKeyStoreNotFoundException",
                "cks-nope",
            ),
            (
                "no policy",
                refusal(&cluster, BOB, |c| c.policy = Some("{".into())),
                "MalformedPolicyDocumentException",
                "line 1",
            ),
            (
                "policy too long",
                refusal(&cluster, BOB, |c| {
                    c.policy = Some(" ".repeat(40_000).into())
                }),
                "LimitExceededException",
                "line 1",
            ),
            (
                "principal that does not exist",
                refusal(&cluster, BOB, |c| c.policy = policy(&nobody)),
                "MalformedPolicyDocumentException",
                "Statement 1 (Sid `Mine`), line 1, column",
            ),
            (
                "lockout",
                refusal(&cluster, BOB, |c| c.policy = policy(ADMIN)),
                "MalformedPolicyDocumentException",
                "The new key policy will not allow you to update the key policy in the future.",
            ),
            (
                "taken; the default policy asks for no right to put another (P-7)",
                refusal(&cluster, BOB, |_| ()),
                "AlreadyExistsException",
                "already exists",
            ),
        ]);
    }

    /// P-7, P-8: who may only make keys gets the default policy; a policy of their own must let them put the next.
    #[test]
    fn default_policy_locks_nobody_out() {
        let mut cluster = Cluster::new();
        cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"}}"#);
        cluster.done(BOB, Command::CreateKey(create_key(2)));
        let mut same = create_key(3);
        same.policy = cluster
            .state
            .key(&key_arn(2))
            .map(|key| Arc::clone(key.policy.text()));
        let (code, message) = cluster.refusal(BOB, Command::CreateKey(same));
        assert_eq!(code, "MalformedPolicyDocumentException");
        assert_eq!(
            message,
            "The new key policy will not allow you to update the key policy in the future."
        );
    }

    /// P-8, ST-1: what is not said takes its default.
    #[test]
    fn key_has_the_defaults_that_aws_gives() {
        let mut cluster = Cluster::new();
        let mut command = create_key(2);
        command.origin = KeyOrigin::External;
        cluster.done(ADMIN, Command::CreateKey(command));
        let arn = key_arn(2);
        let key = cluster.state.key(&arn).unwrap();
        assert_eq!(
            (key.state, key.usage),
            (KeyState::PendingImport, KeyUsage::EncryptDecrypt)
        );
        assert!(key.policy.text().contains("Enable IAM User Permissions"));
        assert!(
            key.policy
                .text()
                .contains(&format!("arn:aws:iam::{OWNER}:root"))
        );
        let first = cluster.state.key(&key_arn(1)).unwrap();
        assert_eq!(first.state, KeyState::Enabled);
    }

    /// D-16: the operator has no place in an account.
    #[test]
    fn operator_makes_no_keys() {
        let cluster = Cluster::new();
        let (code, _) = refusal(&cluster, "operator", |_| ());
        assert_eq!(code, "AccessDeniedException");
    }
}
