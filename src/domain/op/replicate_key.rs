//! `ReplicateKey`: makes a replica of a multi-Region primary key in another Region (W-5, D-15).
//!
//! AWS leaves a replica Creating for a while; here it is whole when the answer comes. Key policy, tags, aliases and grants
//! are the replica's own (G-58); what the keys of a set share is copied.

use super::context::{Change, Context};
use super::key_rules::{self, BadState, StateRule};
use super::parts::{Part, Parts};
use super::policies::Lockout;
use super::refusal::{BadPolicy, Said, refusals, said};
use super::update_key_description::check_description;
use super::use_members::check_available;
use super::{ErrorCode, Event, KeyChange, KeyDescription, LockoutCheck, Output};
use super::{policies, regions, tags};
use crate::domain::authz::request::{Parameter, Parameters, RequestTags, Scope};
use crate::domain::authz::resolve::Unresolved;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{KeyArn, KeyRef, PrincipalArn, Region};
use crate::domain::limits::KEYS_PER_ACCOUNT_MAX;
use crate::domain::policy::{KmsAction, KnownKey, PolicyKind};
use crate::domain::state::key::{Key, KeyOrigin, KeyState, MultiRegionKeyType};
use crate::domain::state::{State, Tags};
use std::sync::Arc;

/// Makes a replica of a multi-Region primary key in another Region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReplicateKey {
    /// The primary key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// `ReplicaRegion`.
    pub region: Region,
    /// The replica's key policy; absent: the default policy (P-8).
    pub policy: Option<Arc<str>>,
    /// Whether the lockout safety check runs (P-7).
    pub lockout_check: LockoutCheck,
    /// The replica's description.
    pub description: Arc<str>,
    /// The replica's tags; they need `kms:TagResource` too (D-15).
    pub tags: Tags,
}

refusals! {
    /// Why ReplicateKey is refused, in the order of its checks.
    Refusal {
        /// A description or tags that cannot be.
        Shape(Said),
        /// No such key.
        Key(Unresolved),
        /// Not permitted on the primary, or to make keys or tags in the replica's Region (D-15).
        Denied(Denied),
        /// A Region to which no key goes (W-38).
        Destination(Said),
        /// A key of AWS's (ST-5), no primary, or of a spec that the Region does not have (W-34).
        NotPrimary(Said),
        /// The key's state stands in the way (ST-2).
        State(BadState),
        /// The Region has a key of this set.
        Exists(Said),
        /// The text is no key policy.
        Policy(BadPolicy),
        /// The policy names a principal that does not exist.
        Principal(Said),
        /// The policy would lock the caller out.
        Lockout(Lockout),
        /// The account has as many keys in the Region as it can have.
        TooMany(Said),
    }
}

impl ReplicateKey {
    /// The request's parameters as condition keys: those of ReplicateKey itself, or of the CreateKey in it (CK-15 to
    /// CK-21, CK-26, CK-37, CK-38).
    fn parameters(&self, primary: &Key, action: KmsAction) -> Parameters<'_> {
        let mut known = vec![(
            KnownKey::ReplicaRegion,
            Parameter::Text(self.region.as_str()),
        )];
        known.extend(policies::lockout_parameter(self.lockout_check));
        if action == KmsAction::CreateKey {
            let Key {
                spec,
                usage,
                origin,
                ..
            } = primary;
            known.push((KnownKey::KeySpec, Parameter::Text(spec.as_str())));
            known.push((KnownKey::KeyUsage, Parameter::Text(usage.as_str())));
            known.push((KnownKey::KeyOrigin, Parameter::Text(origin.as_str())));
            known.push((KnownKey::MultiRegion, Parameter::Bool(true)));
            let replica = MultiRegionKeyType::Replica.as_str();
            known.push((KnownKey::MultiRegionKeyType, Parameter::Text(replica)));
        }
        let tags = if self.tags.is_empty() {
            RequestTags::Absent
        } else {
            RequestTags::Set(&self.tags)
        };
        Parameters::Known(known, tags)
    }
}

impl ReplicateKey {
    /// What is wrong with the request by itself, or the primary key.
    fn primary<'a>(&self, cx: &Context<'a>) -> Result<&'a Arc<Key>, Refusal> {
        check_description(&self.description).map_err(Refusal::Shape)?;
        tags::read(self.tags.iter()).map_err(Refusal::Shape)?;
        Ok(cx.key_without_alias(&self.key)?)
    }

    /// Where the replica is to be: what is done there is asked for there (D-15).
    fn there(&self, primary: &Key) -> Scope {
        Scope {
            partition: primary.arn.partition,
            region: self.region.clone(),
        }
    }

    /// D-15: to replicate the primary, to make a key in the replica's Region, and to tag it.
    fn permissions(&self, cx: &Context<'_>, primary: &Arc<Key>) -> Parts<'_> {
        let account = primary.arn.account;
        let replicate = self.parameters(primary, KmsAction::ReplicateKey);
        let create = self.parameters(primary, KmsAction::CreateKey);
        let there = |action, parameters| Part {
            scope: self.there(primary),
            ..Part::on_account(cx, action, account, parameters)
        };
        let mut rest = vec![there(KmsAction::CreateKey, create.clone())];
        if !self.tags.is_empty() {
            rest.push(there(KmsAction::TagResource, create));
        }
        Parts {
            first: Part::on_key(cx, KmsAction::ReplicateKey, primary, replicate),
            rest,
        }
    }

    /// The replica as it would be.
    fn made(&self, cx: &Context<'_>, primary: &Key) -> Result<Arc<Key>, Refusal> {
        let arn = KeyArn {
            region: self.region.clone(),
            ..primary.arn.clone()
        };
        let text = self.policy.clone().unwrap_or_else(|| {
            policies::default_text(&PrincipalArn::root_of(arn.partition, arn.account))
        });
        let policy = policies::read(&text, PolicyKind::Key)?;
        let bindings = policies::bind(cx, &policy).map_err(Refusal::Principal)?;
        Ok(Arc::new(Key {
            arn,
            born: cx.at,
            created_at: cx.now,
            description: Arc::clone(&self.description),
            spec: primary.spec,
            usage: primary.usage,
            origin: primary.origin,
            state: match primary.origin {
                // Every key of a set imports its material for itself.
                KeyOrigin::External => KeyState::PendingImport,
                KeyOrigin::AwsKms | KeyOrigin::AwsCloudHsm | KeyOrigin::ExternalKeyStore => {
                    KeyState::Enabled
                }
            },
            multi_region: Some(MultiRegionKeyType::Replica),
            manager: primary.manager,
            tags: self.tags.clone(),
            policy,
            bindings,
            deletion: None,
            // Keys of custom key stores have no replicas (K-5).
            custom_key_store: None,
            last_use: None,
        }))
    }

    /// P-7: as of CreateKey, of a policy that is given.
    fn is_checked(&self) -> bool {
        self.policy.is_some() && self.lockout_check != LockoutCheck::Bypass
    }

    fn lockout(&self, cx: &Context<'_>, primary: &Key, replica: &Arc<Key>) -> Part<'static> {
        Part {
            scope: self.there(primary),
            ..Part::lockout(cx, replica)
        }
    }
}

impl Change for ReplicateKey {
    type Refusal = Refusal;
    type Plan = Arc<Key>;

    fn parts<'p>(&'p self, cx: &Context<'p>) -> Result<Option<Parts<'p>>, Refusal> {
        let primary = self.primary(cx)?;
        let mut parts = self.permissions(cx, primary);
        // The plan says what is wrong with a policy that cannot be stored.
        if self.is_checked()
            && let Ok(replica) = self.made(cx, primary)
        {
            parts.rest.push(self.lockout(cx, primary, &replica));
        }
        Ok(Some(parts))
    }

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Arc<Key>), Refusal> {
        let primary = self.primary(cx)?;
        let account = primary.arn.account;
        let partition = primary.arn.partition;
        let parts = self.permissions(cx, primary);
        let allowed = cx.allow_part(&parts.first)?;
        regions::check_destination(cx.state, partition, &self.region)
            .map_err(Refusal::Destination)?;
        for part in &parts.rest {
            cx.allow_part(part)?;
        }
        key_rules::check_customer_managed(primary).map_err(Refusal::NotPrimary)?;
        key_rules::check_primary(primary).map_err(Refusal::NotPrimary)?;
        check_available(primary.spec, partition, "KeySpec").map_err(Refusal::NotPrimary)?;
        key_rules::check_state(StateRule::Replicate, cx.state, primary)?;
        let arn = KeyArn {
            region: self.region.clone(),
            ..primary.arn.clone()
        };
        if cx.state.key(&arn).is_some() || cx.state.is_dying(&arn) {
            return Err(Refusal::Exists(said(
                ErrorCode::AlreadyExists,
                format_args!(
                    "{} already has a related multi-Region key in {}",
                    primary.arn, self.region
                ),
            )));
        }
        let replica = self.made(cx, primary)?;
        if self.is_checked() {
            policies::check_lockout(cx, &self.lockout(cx, primary, &replica))?;
        }
        let count = cx
            .state
            .key_count(replica.arn.partition, &self.region, account);
        if count >= KEYS_PER_ACCOUNT_MAX {
            return Err(Refusal::TooMany(said(
                ErrorCode::LimitExceeded,
                format_args!(
                    "the account {account} has {KEYS_PER_ACCOUNT_MAX} keys in {}, as many as it can have",
                    self.region
                ),
            )));
        }
        Ok((allowed, replica))
    }

    fn enact(replica: Arc<Key>, state: &mut State) -> (Output, Vec<Event>) {
        let events = vec![Event::KeyChanged(replica.arn.clone(), KeyChange::Created)];
        state.put_key(Arc::clone(&replica));
        let described = KeyDescription::of(state, (*replica).clone());
        (Output::Key(described), events)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::ids::KeyId;
    use crate::domain::op::create_key::MultiRegion;
    use crate::domain::op::testing::{
        ADMIN, BOB, Cluster, OWNER, Refused, check_rows, create_grant, create_key, key, key_arn,
    };
    use crate::domain::op::{Answer, Command, Query, RelatedKeys, describe_key, put_key_policy};
    use crate::domain::state::key::{KeyManager, KeySpec};

    pub(in crate::domain::op) fn primary_arn() -> KeyArn {
        KeyArn {
            key_id: KeyId::MultiRegion([7; 16]),
            ..key_arn(7)
        }
    }

    /// A cluster with a multi-Region primary.
    pub(in crate::domain::op) fn cluster() -> Cluster {
        let mut cluster = Cluster::new();
        let mut command = create_key(7);
        command.key_id = primary_arn().key_id;
        command.multi_region = MultiRegion::Primary;
        command.spec = KeySpec::Hmac512;
        command.usage = Some(crate::domain::state::key::KeyUsage::GenerateVerifyMac);
        command.description = "of the orders".into();
        command.tags.insert("a".into(), "b".into());
        cluster.done(ADMIN, Command::CreateKey(command));
        cluster
    }

    pub(in crate::domain::op) fn replicate(region: &str) -> ReplicateKey {
        ReplicateKey {
            key: KeyRef::Id(primary_arn().key_id),
            region: region.parse().unwrap(),
            policy: None,
            lockout_check: LockoutCheck::Unset,
            description: "".into(),
            tags: Tags::new(),
        }
    }

    fn change_primary(cluster: &mut Cluster, change: impl FnOnce(&mut Key)) {
        let mut key = (**cluster.state.key(&primary_arn()).unwrap()).clone();
        change(&mut key);
        cluster.state.put_key(Arc::new(key));
    }

    fn permitted(statements: &str) -> Cluster {
        let mut cluster = cluster();
        let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        cluster.put_policy(BOB, &policy);
        cluster
    }

    fn refusal(cluster: &Cluster, who: &str, change: impl FnOnce(&mut ReplicateKey)) -> Refused {
        let mut command = replicate("us-east-1");
        change(&mut command);
        cluster.refusal(who, Command::ReplicateKey(command))
    }

    const HERE: &str =
        r#"{"Effect":"Allow","Action":["kms:ReplicateKey","kms:PutKeyPolicy"],"Resource":"*"}"#;
    const THERE: &str = r#"{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"us-east-1","kms:MultiRegionKeyType":"REPLICA","kms:KeySpec":"HMAC_512"}}}"#;
    const ELSEWHERE: &str = r#"{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}}"#;
    const TO_US: &str = r#"{"Effect":"Allow","Action":"kms:ReplicateKey","Resource":"*","Condition":{"StringEquals":{"kms:ReplicaRegion":"us-west-2"}}}"#;

    /// W-5, D-15, ST-2, ST-5, P-5, P-7, CK-26; every row is wrong in fewer ways than the one before.
    #[test]
    fn replicate_key_refuses_in_the_order_of_its_checks() {
        let nothing = cluster();
        let mut managed = cluster();
        change_primary(&mut managed, |key| key.manager = KeyManager::Aws);
        let in_state = |state| {
            let mut cluster = cluster();
            change_primary(&mut cluster, |key| key.state = state);
            cluster
        };
        let mut there = cluster();
        there.done(ADMIN, Command::ReplicateKey(replicate("us-east-1")));
        let replica = KeyArn {
            region: "us-east-1".parse().unwrap(),
            ..primary_arn()
        };
        let entry = there.entry_in(
            replica.region.clone(),
            ADMIN,
            Command::ReplicateKey(ReplicateKey {
                key: KeyRef::KeyArn(replica.clone()),
                ..replicate("us-west-2")
            }),
        );
        let rejection = there.copy().apply(&entry).unwrap_err();
        let of_replica = (rejection.code.as_str(), rejection.message.to_string());
        let tag = |c: &mut ReplicateKey| drop(c.tags.insert("a".into(), "".into()));
        let policy = |principal: &str| -> Option<Arc<str>> {
            Some(format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"kms:*","Resource":"*"}}}}"#).into())
        };
        let nobody = format!("arn:aws:iam::{OWNER}:role/nobody");
        let both = permitted(&format!("{HERE},{THERE}"));
        let invalid = "KMSInvalidStateException";
        let denied = "AccessDeniedException";
        let malformed = "MalformedPolicyDocumentException";
        check_rows(vec![
            (
                "long description",
                refusal(&nothing, BOB, |c| c.description = "d".repeat(8_193).into()),
                "ValidationException",
                "'description'",
            ),
            (
                "reserved tag",
                refusal(&nothing, BOB, |c| {
                    drop(c.tags.insert("aws:a".into(), "".into()))
                }),
                "TagException",
                "reserved",
            ),
            (
                "no key",
                refusal(&nothing, BOB, |c| c.key = key(9)),
                "NotFoundException",
                "does not exist",
            ),
            (
                "an alias",
                refusal(&nothing, BOB, |c| c.key = "alias/a".parse().unwrap()),
                "NotFoundException",
                "Invalid keyId",
            ),
            (
                "nothing permitted",
                refusal(&nothing, BOB, tag),
                denied,
                "kms:ReplicateKey",
            ),
            (
                "to another Region",
                refusal(&permitted(&format!("{TO_US},{THERE}")), BOB, tag),
                denied,
                "kms:ReplicateKey",
            ),
            (
                "no CreateKey",
                refusal(&permitted(HERE), BOB, tag),
                denied,
                "kms:CreateKey",
            ),
            (
                "CreateKey elsewhere",
                refusal(&permitted(&format!("{HERE},{ELSEWHERE}")), BOB, tag),
                denied,
                "kms:CreateKey",
            ),
            (
                "no TagResource",
                refusal(&both, BOB, tag),
                denied,
                "kms:TagResource",
            ),
            (
                "AWS's own key",
                refusal(&managed, ADMIN, |c| c.region = "eu-west-1".parse().unwrap()),
                "NotAuthorizedException",
                "AWS managed",
            ),
            (
                "a single-Region key",
                refusal(&nothing, ADMIN, |c| c.key = key(1)),
                "UnsupportedOperationException",
                &format!("{} is not a multi-region primary key.", key_arn(1)),
            ),
            (
                "a replica",
                of_replica,
                "UnsupportedOperationException",
                &format!("{replica} is not a multi-region primary key."),
            ),
            (
                "1",
                refusal(&in_state(KeyState::Disabled), ADMIN, tag),
                "DisabledException",
                "is disabled.",
            ),
            (
                "3",
                refusal(&in_state(KeyState::PendingDeletion), ADMIN, tag),
                invalid,
                "is pending deletion.",
            ),
            (
                "3",
                refusal(&in_state(KeyState::PendingReplicaDeletion), ADMIN, tag),
                invalid,
                "is pending deletion.",
            ),
            (
                "5",
                refusal(&in_state(KeyState::PendingImport), ADMIN, tag),
                invalid,
                "is pending import.",
            ),
            (
                "14",
                refusal(&in_state(KeyState::Creating), ADMIN, tag),
                invalid,
                "is creating.",
            ),
            (
                "15",
                refusal(&in_state(KeyState::Updating), ADMIN, tag),
                invalid,
                "is updating.",
            ),
            (
                "the primary's Region",
                refusal(&nothing, ADMIN, |c| c.region = "eu-west-1".parse().unwrap()),
                "AlreadyExistsException",
                "in eu-west-1",
            ),
            (
                "again",
                refusal(&there, ADMIN, tag),
                "AlreadyExistsException",
                "in us-east-1",
            ),
            (
                "no policy",
                refusal(&both, BOB, |c| c.policy = Some("{".into())),
                malformed,
                "line 1",
            ),
            (
                "nobody",
                refusal(&both, BOB, |c| c.policy = policy(&nobody)),
                malformed,
                "invalid principals",
            ),
            (
                "lockout",
                refusal(&both, BOB, |c| c.policy = policy(ADMIN)),
                malformed,
                "The new key policy will not allow you",
            ),
        ]);
        let mut both = both;
        both.done(BOB, Command::ReplicateKey(replicate("us-east-1")));
    }

    /// D-15, G-58, ST-1: what a set shares is copied; policy, description, tags, aliases and grants are the replica's own.
    #[test]
    fn replica_shares_what_a_set_shares() {
        let mut cluster = cluster();
        let mut grant = create_grant(1, BOB);
        grant.key = KeyRef::Id(primary_arn().key_id);
        grant.operations = vec![crate::domain::state::grant::GrantOperation::DescribeKey];
        cluster.done(ADMIN, Command::CreateGrant(grant));
        cluster.now += 1_000;
        let mut command = replicate("us-east-1");
        command.tags.insert("c".into(), "d".into());
        let Output::Key(made) = cluster.done(ADMIN, Command::ReplicateKey(command)) else {
            panic!("no key")
        };
        let replica = KeyArn {
            region: "us-east-1".parse().unwrap(),
            ..primary_arn()
        };
        let related = RelatedKeys {
            primary: Some(primary_arn()),
            replicas: vec![replica.clone()],
        };
        assert_eq!(made.related, Some(related.clone()));
        let primary = cluster.state.key(&primary_arn()).unwrap();
        let key = cluster.state.key(&replica).unwrap();
        assert_eq!(key.arn, made.key.arn);
        assert_eq!(
            (key.spec, key.usage, key.origin, key.state),
            (
                primary.spec,
                primary.usage,
                primary.origin,
                KeyState::Enabled
            )
        );
        assert_eq!(key.multi_region, Some(MultiRegionKeyType::Replica));
        assert_eq!((&*key.description, key.tags.len()), ("", 1));
        assert!(key.tags.contains_key("c") && key.created_at > primary.created_at);
        assert_eq!(cluster.state.grants().count(&replica), 0);
        assert_eq!(
            cluster.events,
            [Event::KeyChanged(replica.clone(), KeyChange::Created)]
        );
        let policy = put_key_policy::PutKeyPolicy {
            key: KeyRef::KeyArn(replica.clone()),
            policy_name: None,
            policy: policies::default_text(&PrincipalArn::root_of(
                replica.partition,
                replica.account,
            )),
            lockout_check: LockoutCheck::Bypass,
        };
        let entry = cluster.entry_in(replica.region.clone(), ADMIN, Command::PutKeyPolicy(policy));
        cluster.apply(&entry).unwrap();
        let describe = describe_key::DescribeKey {
            key: KeyRef::KeyArn(primary_arn()),
        };
        match cluster.ask(ADMIN, Query::DescribeKey(describe)).unwrap() {
            Answer::Key(described) => assert_eq!(described.related, Some(related)),
            other => panic!("{other:?}"),
        }
    }

    /// W-34: a key of a spec that the Region does not have is not replicated.
    #[test]
    fn replica_of_a_spec_that_the_region_does_not_have_is_refused() {
        let mut cluster = cluster();
        change_primary(&mut cluster, |key| key.spec = KeySpec::Sm2);
        let refused = cluster.run(ADMIN, Command::ReplicateKey(replicate("us-east-1")));
        let code = refused.map(drop).map_err(|(code, _)| code);
        assert_eq!(code, Err("UnsupportedOperationException"));
    }

    /// ST-1: a replica of a key with imported material waits for its own.
    #[test]
    fn replica_imports_its_own_material() {
        let mut cluster = cluster();
        change_primary(&mut cluster, |key| key.origin = KeyOrigin::External);
        let command = Command::ReplicateKey(replicate("us-east-1"));
        match cluster.done(ADMIN, command) {
            Output::Key(made) => assert_eq!(made.key.state, KeyState::PendingImport),
            other => panic!("{other:?}"),
        }
    }
}
