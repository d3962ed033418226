//! The condition keys of section C.4, one by one: the value that each has, and where it is absent.
//!
//! Asked as policies ask: a condition on the key decides whether a user without other rights is allowed.

use std::sync::Arc;

use crate::domain::authz::authorize;
use crate::domain::authz::caller::{Caller, ContextEntry};
use crate::domain::authz::request::{About, Parameters, Request, Target};
use crate::domain::ids::AliasName;
use crate::domain::op::testing::{
    ADMIN, ALLOW_ALL, BOB, Cluster, EXT, ORGANIZATION, OTHER, OWNER, caller, create_grant,
    create_key, key, key_arn, scope,
};
use crate::domain::op::{
    Command, LockoutCheck, Query, create_alias, create_key as creation, enable_key, get_key_policy,
    put_key_policy, tag_resource, untag_resource,
};
use crate::domain::policy::{
    Action, ActionTarget, ContextKey, Count, KmsAction, Presence, Told, rows,
};
use crate::domain::state::grant::EncryptionContext;
use crate::domain::state::key::{KeyOrigin, KeySpec, KeyUsage, MultiRegionKeyType};

/// A policy that allows everything under one condition.
fn only_if(condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{{condition}}}}}}}"#
    )
}

fn equals(key: &str, value: &str) -> String {
    format!(r#""StringEquals":{{"{key}":"{value}"}}"#)
}

fn any(key: &str, value: &str) -> String {
    format!(r#""ForAnyValue:StringEquals":{{"{key}":"{value}"}}"#)
}

fn absent(key: &str) -> String {
    format!(r#""Null":{{"{key}":"true"}}"#)
}

/// A question of a user without other rights than a condition gives.
struct Probe<'a> {
    cluster: &'a Cluster,
    caller: Caller,
    action: KmsAction,
    alias: Option<AliasName>,
    pairs: EncryptionContext,
}

impl<'a> Probe<'a> {
    fn new(cluster: &'a Cluster, action: KmsAction) -> Self {
        Self {
            cluster,
            caller: caller(BOB),
            action,
            alias: None,
            pairs: EncryptionContext::new(),
        }
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        let entry = ContextEntry::Single(value.into());
        self.caller
            .facts
            .context
            .insert(key.to_lowercase().into(), entry);
        self
    }

    fn holds(&self, condition: &str) -> bool {
        let mut cluster = self.cluster.copy();
        let stored = self.caller.identity.stored().unwrap().0.as_str();
        cluster.put_policy(stored, &only_if(condition));
        let key = cluster.state.key(&key_arn(1)).unwrap();
        let request = Request {
            caller: &self.caller,
            scope: &scope(),
            action: self.action.into(),
            target: Target::Key {
                key,
                alias: self.alias.as_ref(),
            },
            encryption_context: &self.pairs,
            about: About::Nothing,
            token_grants: &[],
            parameters: Parameters::FromFront,
            now: cluster.state.clock(),
        };
        authorize(&cluster.state, &request).is_allow()
    }

    /// The key has this value and no other.
    fn is(&self, key: &str, value: &str) -> bool {
        self.holds(&equals(key, value)) && !self.holds(&equals(key, "something else"))
    }
}

/// Whether a user whose only policy has this condition may run a command.
fn runs(cluster: &Cluster, condition: &str, command: Command) -> bool {
    let mut cluster = cluster.copy();
    cluster.put_policy(BOB, &only_if(condition));
    match cluster.run(BOB, command) {
        Ok(_) => true,
        Err((code, why)) => {
            assert_eq!(code, "AccessDeniedException", "{why}");
            false
        }
    }
}

/// CK-4, CK-5, CK-14, CK-18, CK-19, CK-23, CK-24, CK-25, CK-26, CK-30, CK-32, CK-33, CK-35, U-18: the parameters
/// of operations that are carried out elsewhere are what the front says, and absent when it says nothing (CK-40).
#[test]
fn parameters_of_operations_carried_out_elsewhere_come_from_the_front() {
    let cluster = Cluster::new();
    for (action, key, value) in [
        (
            KmsAction::GenerateDataKeyPair,
            "kms:DataKeyPairSpec",
            "RSA_2048",
        ),
        (
            KmsAction::Encapsulate,
            "kms:EncapsulationAlgorithm",
            "ML_KEM",
        ),
        (
            KmsAction::DeriveSharedSecret,
            "kms:KeyAgreementAlgorithm",
            "ECDH",
        ),
        (KmsAction::GenerateMac, "kms:MacAlgorithm", "HMAC_SHA_256"),
        (
            KmsAction::UpdatePrimaryRegion,
            "kms:PrimaryRegion",
            "us-east-1",
        ),
        (KmsAction::ReEncryptFrom, "kms:ReEncryptOnSameKey", "true"),
        (
            KmsAction::Decrypt,
            "kms:RecipientAttestation:ImageSha384",
            "aa",
        ),
        (KmsAction::Decrypt, "kms:RecipientAttestation:PCR0", "bb"),
        (
            KmsAction::Decrypt,
            "kms:RecipientAttestation:NitroTPMPCR23",
            "cc",
        ),
        (KmsAction::ReplicateKey, "kms:ReplicaRegion", "us-east-1"),
        (
            KmsAction::Sign,
            "kms:SigningAlgorithm",
            "RSASSA_PSS_SHA_256",
        ),
        (
            KmsAction::ImportKeyMaterial,
            "kms:ValidTo",
            "2026-07-14T16:10:00Z",
        ),
        (
            KmsAction::GetParametersForImport,
            "kms:WrappingAlgorithm",
            "RSAES_OAEP_SHA_256",
        ),
        (
            KmsAction::GetParametersForImport,
            "kms:WrappingKeySpec",
            "RSA_4096",
        ),
    ] {
        let silent = Probe::new(&cluster, action);
        assert!(silent.holds(&absent(key)), "{key}");
        assert!(!silent.holds(&equals(key, value)), "{key}");
        let said = Probe::new(&cluster, action).with(key, value);
        assert!(!said.holds(&absent(key)), "{key}");
        assert!(said.is(key, value), "{key}");
    }
    let rotation =
        Probe::new(&cluster, KmsAction::EnableKeyRotation).with("kms:RotationPeriodInDays", "180");
    assert!(rotation.holds(r#""NumericLessThan":{"kms:RotationPeriodInDays":"365"}"#));
    assert!(!rotation.holds(r#""NumericLessThan":{"kms:RotationPeriodInDays":"180"}"#));
    let import = Probe::new(&cluster, KmsAction::ImportKeyMaterial)
        .with("kms:ValidTo", "2026-07-14T16:10:00Z");
    assert!(import.holds(r#""DateLessThan":{"kms:ValidTo":"2027-01-01T00:00:00Z"}"#));
    assert!(!import.holds(r#""DateLessThan":{"kms:ValidTo":"2026-01-01T00:00:00Z"}"#));
}

/// CK-57, CK-9, CK-19, CK-22, CK-30, CK-31: of a question, too, the default of a parameter counts, until the front says
/// another value; and of no operation that lacks the parameter.
#[test]
fn parameter_that_is_not_said_has_its_default() {
    let cluster = Cluster::new();
    for (action, key, default, other) in [
        (
            KmsAction::ScheduleKeyDeletion,
            "kms:ScheduleKeyDeletionPendingWindowInDays",
            "30",
            "7",
        ),
        (
            KmsAction::EnableKeyRotation,
            "kms:RotationPeriodInDays",
            "365",
            "180",
        ),
        (KmsAction::Sign, "kms:MessageType", "RAW", "DIGEST"),
        (KmsAction::Verify, "kms:MessageType", "RAW", "EXTERNAL_MU"),
        (
            KmsAction::GetKeyPolicy,
            "kms:PolicyName",
            "default",
            "AWS_RAM",
        ),
    ] {
        assert!(Probe::new(&cluster, action).is(key, default), "{key}");
        let said = Probe::new(&cluster, action).with(key, other);
        assert!(said.is(key, other), "{key}");
        for elsewhere in [KmsAction::Decrypt, KmsAction::DisableKey] {
            let probe = Probe::new(&cluster, elsewhere).with(key, other);
            assert!(probe.holds(&absent(key)), "{elsewhere} {key}");
        }
    }
    // Without a date there must be a model that needs none.
    let (model, action) = ("kms:ExpirationModel", KmsAction::ImportKeyMaterial);
    assert!(Probe::new(&cluster, action).holds(&absent(model)));
    let dated = || Probe::new(&cluster, action).with("kms:ValidTo", "2026-07-14T16:10:00Z");
    assert!(dated().is(model, "KEY_MATERIAL_EXPIRES"));
    let other = "KEY_MATERIAL_DOES_NOT_EXPIRE";
    assert!(dated().with(model, other).is(model, other));
    for action in [
        KmsAction::CreateKey,
        KmsAction::PutKeyPolicy,
        KmsAction::ReplicateKey,
    ] {
        let bypass = "kms:BypassPolicyLockoutSafetyCheck";
        assert!(Probe::new(&cluster, action).is(bypass, "false"), "{action}");
        let said = Probe::new(&cluster, action).with(bypass, "true");
        assert!(said.is(bypass, "true"), "{action}");
    }
}

/// CK-57, CK-15 to CK-17, CK-20, CK-21: what CreateKey would make, as a question says it or by default. KeyUsage has a
/// default for symmetric keys alone (W-4).
#[test]
fn question_about_create_key_has_the_defaults_of_the_operation() {
    let mut cluster = Cluster::new();
    let mut holds = |said: &[(&str, &str)], condition: &str| {
        let mut who = caller(BOB);
        for (key, value) in said {
            let entry = ContextEntry::Single((*value).into());
            who.facts.context.insert(key.to_lowercase().into(), entry);
        }
        cluster.put_policy(BOB, &only_if(condition));
        let request = Request {
            caller: &who,
            scope: &scope(),
            action: KmsAction::CreateKey.into(),
            target: Target::Account(OWNER.parse().unwrap()),
            encryption_context: &EncryptionContext::new(),
            about: About::Nothing,
            token_grants: &[],
            parameters: Parameters::FromFront,
            now: cluster.state.clock(),
        };
        authorize(&cluster.state, &request).is_allow()
    };
    for (key, value) in [
        ("kms:KeySpec", "SYMMETRIC_DEFAULT"),
        ("kms:CustomerMasterKeySpec", "SYMMETRIC_DEFAULT"),
        ("kms:KeyUsage", "ENCRYPT_DECRYPT"),
        ("kms:KeyOrigin", "AWS_KMS"),
        ("kms:MultiRegion", "false"),
    ] {
        assert!(holds(&[], &equals(key, value)), "{key}");
        assert!(!holds(&[], &equals(key, "x")), "{key}");
    }
    assert!(holds(&[], &absent("kms:MultiRegionKeyType")));
    let rsa = [("kms:KeySpec", "RSA_2048")];
    assert!(holds(&rsa, &equals("kms:KeySpec", "RSA_2048")));
    assert!(holds(&rsa, &absent("kms:KeyUsage")));
    let set = [("kms:MultiRegion", "true")];
    assert!(holds(&set, &equals("kms:MultiRegionKeyType", "PRIMARY")));
    // CK-36: the tags that it is to have are those of the resource.
    let tagged = [("aws:RequestTag/Project", "a")];
    assert!(holds(&tagged, &equals("aws:ResourceTag/project", "a")));
    assert!(holds(&[], &absent("aws:ResourceTag/project")));
}

/// CK-11: true too for a service that calls for itself.
#[test]
fn service_that_calls_for_itself_makes_grants_for_a_resource() {
    let mut cluster = Cluster::new();
    let service = "dnssec-route53.amazonaws.com";
    cluster.put_key_policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:*","Resource":"*"}},
        {{"Effect":"Allow","Principal":{{"Service":"{service}"}},"Action":"kms:*","Resource":"*","Condition":{{"Bool":{{"kms:GrantIsForAWSResource":"true"}}}}}}]}}"#
    ));
    let who = Caller {
        identity: crate::domain::authz::caller::Identity::Service(service.parse().unwrap()),
        facts: Default::default(),
    };
    let key = cluster.state.key(&key_arn(1)).unwrap();
    for (action, allowed) in [
        (KmsAction::CreateGrant, true),
        (KmsAction::ListGrants, true),
        (KmsAction::RevokeGrant, true),
        (KmsAction::RetireGrant, false),
        (KmsAction::Decrypt, false),
    ] {
        let request = Request {
            caller: &who,
            scope: &scope(),
            action: action.into(),
            target: Target::Key { key, alias: None },
            encryption_context: &EncryptionContext::new(),
            about: About::Nothing,
            token_grants: &[],
            parameters: Parameters::FromFront,
            now: cluster.state.clock(),
        };
        let decision = authorize(&cluster.state, &request);
        assert_eq!(decision.is_allow(), allowed, "{action}");
    }
}

/// CK-22: the policy is named `default`, also of an operation that is only asked about.
#[test]
fn policy_name_has_a_default() {
    let cluster = Cluster::new();
    for action in [KmsAction::GetKeyPolicy, KmsAction::PutKeyPolicy] {
        assert!(Probe::new(&cluster, action).is("kms:PolicyName", "default"));
        let named = Probe::new(&cluster, action).with("kms:PolicyName", "AWS_RAM");
        assert!(named.is("kms:PolicyName", "AWS_RAM"));
    }
    let other = Probe::new(&cluster, KmsAction::ListGrants);
    assert!(other.holds(&absent("kms:PolicyName")));
}

/// CK-19: the message type is RAW unless something else is said.
#[test]
fn message_type_has_a_default() {
    let cluster = Cluster::new();
    assert!(Probe::new(&cluster, KmsAction::Sign).is("kms:MessageType", "RAW"));
    assert!(Probe::new(&cluster, KmsAction::Verify).is("kms:MessageType", "RAW"));
    let digest = Probe::new(&cluster, KmsAction::Sign).with("kms:MessageType", "DIGEST");
    assert!(digest.is("kms:MessageType", "DIGEST"));
    let decrypt = Probe::new(&cluster, KmsAction::Decrypt);
    assert!(decrypt.holds(&absent("kms:MessageType")));
}

/// CK-2, CK-3, CK-15, CK-16, CK-17, CK-20, CK-21: what a key is, as every operation on it sees it, old names included.
#[test]
fn properties_of_the_key_are_known_to_every_operation_on_it() {
    let mut cluster = Cluster::new();
    let probe = |cluster: &Cluster, key: &str, value: &str| {
        Probe::new(cluster, KmsAction::DescribeKey).is(key, value)
    };
    assert!(probe(&cluster, "kms:CallerAccount", OWNER));
    assert!(probe(&cluster, "kms:KeySpec", "SYMMETRIC_DEFAULT"));
    assert!(probe(&cluster, "kms:KeyUsage", "ENCRYPT_DECRYPT"));
    assert!(probe(&cluster, "kms:KeyOrigin", "AWS_KMS"));
    assert!(probe(&cluster, "kms:MultiRegion", "false"));
    let single = Probe::new(&cluster, KmsAction::DescribeKey);
    assert!(single.holds(&absent("kms:MultiRegionKeyType")));
    cluster.set_key(|key| {
        key.spec = KeySpec::Rsa4096;
        key.usage = KeyUsage::SignVerify;
        key.origin = KeyOrigin::External;
        key.multi_region = Some(MultiRegionKeyType::Replica);
    });
    assert!(probe(&cluster, "kms:KeySpec", "RSA_4096"));
    assert!(probe(&cluster, "kms:CustomerMasterKeySpec", "RSA_4096"));
    assert!(probe(&cluster, "kms:KeyUsage", "SIGN_VERIFY"));
    assert!(probe(&cluster, "kms:CustomerMasterKeyUsage", "SIGN_VERIFY"));
    assert!(probe(&cluster, "kms:KeyOrigin", "EXTERNAL"));
    assert!(probe(&cluster, "kms:MultiRegion", "true"));
    assert!(probe(&cluster, "kms:MultiRegionKeyType", "REPLICA"));
}

/// CK-2: the account of the caller, not of the key.
#[test]
fn caller_account_is_the_callers() {
    for (account, allowed) in [(OTHER, true), (OWNER, false)] {
        let mut cluster = Cluster::new();
        cluster.put_policy(EXT, ALLOW_ALL);
        cluster.put_key_policy(&format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{EXT}"}},"Action":"kms:*","Resource":"*","Condition":{{{}}}}}}}"#,
            equals("kms:CallerAccount", account)
        ));
        let who = caller(EXT);
        let key = cluster.state.key(&key_arn(1)).unwrap();
        let request = Request {
            caller: &who,
            scope: &scope(),
            action: KmsAction::Decrypt.into(),
            target: Target::Key { key, alias: None },
            encryption_context: &EncryptionContext::new(),
            about: About::Nothing,
            token_grants: &[],
            parameters: Parameters::FromFront,
            now: cluster.state.clock(),
        };
        assert_eq!(
            authorize(&cluster.state, &request).is_allow(),
            allowed,
            "{account}"
        );
    }
}

/// CK-6: the default algorithm of a symmetric key counts; other keys and other operations have none.
#[test]
fn encryption_algorithm_has_a_default_on_symmetric_keys() {
    let mut cluster = Cluster::new();
    let name = "kms:EncryptionAlgorithm";
    assert!(Probe::new(&cluster, KmsAction::Encrypt).is(name, "SYMMETRIC_DEFAULT"));
    assert!(Probe::new(&cluster, KmsAction::GenerateDataKeyPair).is(name, "SYMMETRIC_DEFAULT"));
    for action in [KmsAction::DescribeKey, KmsAction::CreateGrant] {
        assert!(
            Probe::new(&cluster, action).holds(&absent(name)),
            "{action}"
        );
    }
    cluster.set_key(|key| key.spec = KeySpec::Rsa2048);
    assert!(Probe::new(&cluster, KmsAction::Encrypt).holds(&absent(name)));
    let said = Probe::new(&cluster, KmsAction::Encrypt).with(name, "RSAES_OAEP_SHA_1");
    assert!(said.is(name, "RSAES_OAEP_SHA_1"));
}

/// CK-7, CK-8, C-2: pairs by name in any letter case, the set of names as sent; nothing of it on operations without a
/// context (CK-40).
#[test]
fn encryption_context_is_known_where_requests_carry_one() {
    let cluster = Cluster::new();
    let pairs: EncryptionContext = [
        ("Dept".into(), "IT".into()),
        ("Purpose".into(), "test".into()),
    ]
    .into();
    let asking = |action| Probe {
        pairs: pairs.clone(),
        ..Probe::new(&cluster, action)
    };
    for action in [KmsAction::Decrypt, KmsAction::ReEncryptTo] {
        let probe = asking(action);
        assert!(probe.is("kms:EncryptionContext:Dept", "IT"), "{action}");
        assert!(probe.is("kms:encryptioncontext:dept", "IT"), "{action}");
        assert!(
            probe.is("kms:EncryptionContext:Purpose", "test"),
            "{action}"
        );
        assert!(probe.holds(&absent("kms:EncryptionContext:Other")));
        assert!(!probe.holds(&equals("kms:EncryptionContext:Dept", "it")));
        assert!(probe.holds(&any("kms:EncryptionContextKeys", "Purpose")));
        assert!(!probe.holds(&any("kms:EncryptionContextKeys", "purpose")));
        assert!(!probe.holds(&any("kms:EncryptionContextKeys", "IT")));
    }
    for action in [
        KmsAction::DescribeKey,
        KmsAction::Sign,
        KmsAction::ListGrants,
    ] {
        let probe = asking(action);
        assert!(
            probe.holds(&absent("kms:EncryptionContext:Dept")),
            "{action}"
        );
        assert!(
            probe.holds(&absent("kms:EncryptionContextKeys")),
            "{action}"
        );
    }
    let without = Probe::new(&cluster, KmsAction::Decrypt);
    assert!(without.holds(&absent("kms:EncryptionContextKeys")));
}

/// CK-11, CK-34, D-16: what a service does on somebody's behalf; GrantIsForAWSResource is false on a direct call (U-24)
/// and absent elsewhere than on the three operations.
#[test]
fn service_on_behalf_is_known_where_the_table_says() {
    let cluster = Cluster::new();
    let service = "ec2.eu-west-1.amazonaws.com";
    let by_service = |action| {
        let mut probe = Probe::new(&cluster, action);
        probe.caller.facts.via_service = Some(service.into());
        probe
    };
    for action in [
        KmsAction::CreateGrant,
        KmsAction::ListGrants,
        KmsAction::RevokeGrant,
    ] {
        let direct = Probe::new(&cluster, action);
        assert!(direct.is("kms:GrantIsForAWSResource", "false"), "{action}");
        assert!(
            by_service(action).is("kms:GrantIsForAWSResource", "true"),
            "{action}"
        );
    }
    let decrypt = by_service(KmsAction::Decrypt);
    assert!(decrypt.holds(&absent("kms:GrantIsForAWSResource")));
    assert!(decrypt.is("kms:ViaService", service));
    let principal = "ec2.amazonaws.com";
    assert!(decrypt.holds(&any("aws:CalledVia", principal)));
    assert!(decrypt.is("aws:CalledViaFirst", principal));
    assert!(decrypt.is("aws:CalledViaLast", principal));
    assert!(decrypt.is("aws:ViaAWSService", "true"));
    // A longer chain of services is known to the front alone.
    let mut chain = by_service(KmsAction::Decrypt);
    let services = ["athena.amazonaws.com".into(), principal.into()];
    chain
        .caller
        .facts
        .context
        .insert("aws:calledvia".into(), ContextEntry::Multi(services.into()));
    assert!(chain.holds(&any("aws:CalledVia", "athena.amazonaws.com")));
    let direct = Probe::new(&cluster, KmsAction::Decrypt);
    assert!(direct.holds(&absent("kms:ViaService")));
    assert!(direct.holds(&absent("aws:CalledVia")));
}

/// CK-27, CK-28, E-4, E-8: RequestAlias is how the request named the key, ResourceAliases what names the key has.
#[test]
fn aliases_of_the_request_and_of_the_key_are_two_keys() {
    let mut cluster = Cluster::new();
    let none = Probe::new(&cluster, KmsAction::Decrypt);
    assert!(none.holds(&absent("kms:ResourceAliases")));
    for alias in ["alias/one", "alias/two"] {
        let command = create_alias::CreateAlias {
            alias: alias.into(),
            target: key(1),
        };
        cluster.done(ADMIN, Command::CreateAlias(command));
    }
    let by_id = Probe::new(&cluster, KmsAction::Decrypt);
    assert!(by_id.holds(&absent("kms:RequestAlias")));
    assert!(!by_id.holds(&equals("kms:RequestAlias", "alias/one")));
    assert!(by_id.holds(r#""StringNotEquals":{"kms:RequestAlias":"alias/one"}"#));
    let by_alias = Probe {
        alias: Some("alias/one".parse().unwrap()),
        ..Probe::new(&cluster, KmsAction::Decrypt)
    };
    assert!(by_alias.is("kms:RequestAlias", "alias/one"));
    for probe in [by_id, by_alias] {
        assert!(probe.holds(&any("kms:ResourceAliases", "alias/one")));
        assert!(probe.holds(&any("kms:ResourceAliases", "alias/two")));
        assert!(!probe.holds(&any("kms:ResourceAliases", "alias/three")));
        assert!(probe.holds(r#""ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/t*"}"#));
    }
}

/// CK-36, E-2: the tags of the key, by name in any letter case, on every operation.
#[test]
fn resource_tags_are_the_tags_of_the_key() {
    let mut cluster = Cluster::new();
    cluster.set_key(|key| key.tags = [("Project".into(), "Alpha".into())].into());
    for action in [
        KmsAction::Decrypt,
        KmsAction::DescribeKey,
        KmsAction::EnableKey,
    ] {
        let probe = Probe::new(&cluster, action);
        assert!(probe.is("aws:ResourceTag/Project", "Alpha"), "{action}");
        assert!(probe.is("aws:ResourceTag/project", "Alpha"), "{action}");
        assert!(!probe.holds(&equals("aws:ResourceTag/Project", "alpha")));
        assert!(probe.holds(&absent("aws:ResourceTag/Other")));
    }
}

/// CK-37, CK-38, E-3: what a tagging request sets or removes.
#[test]
fn tags_of_a_request_gate_it() {
    let cluster = Cluster::new();
    let tag = |tags: &[(&str, &str)]| {
        let tags = tags.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        Command::TagResource(tag_resource::TagResource {
            key: key(1),
            tags: tags.collect(),
        })
    };
    let untag = |keys: &[&str]| {
        Command::UntagResource(untag_resource::UntagResource {
            key: key(1),
            tag_keys: keys.iter().map(|k| (*k).into()).collect(),
        })
    };
    let (project, cost) = ("aws:RequestTag/Project", "aws:TagKeys");
    assert!(runs(
        &cluster,
        &equals(project, "a"),
        tag(&[("Project", "a")])
    ));
    assert!(!runs(
        &cluster,
        &equals(project, "a"),
        tag(&[("Project", "b")])
    ));
    assert!(runs(
        &cluster,
        &any(cost, "Cost"),
        tag(&[("Project", "a"), ("Cost", "")])
    ));
    assert!(!runs(
        &cluster,
        &any(cost, "Cost"),
        tag(&[("Project", "a")])
    ));
    assert!(runs(&cluster, &any(cost, "Cost"), untag(&["Cost"])));
    assert!(!runs(&cluster, &any(cost, "Cost"), untag(&["Project"])));
    assert!(runs(&cluster, &absent(project), untag(&["Project"])));
    let all = r#""ForAllValues:StringEquals":{"aws:TagKeys":["Project","Cost"]}"#;
    assert!(runs(&cluster, all, tag(&[("Project", "a"), ("Cost", "b")])));
    assert!(!runs(
        &cluster,
        all,
        tag(&[("Project", "a"), ("Owner", "b")])
    ));
}

/// CK-1, CK-15, CK-16, CK-17, CK-20, CK-21, CK-37, CK-38: what CreateKey asks for; defaults that are really used count.
#[test]
fn create_key_is_gated_by_what_it_makes() {
    let cluster = Cluster::new();
    let plain = || Command::CreateKey(create_key(2));
    assert!(runs(
        &cluster,
        &equals("kms:KeySpec", "SYMMETRIC_DEFAULT"),
        plain()
    ));
    assert!(runs(
        &cluster,
        &equals("kms:KeyUsage", "ENCRYPT_DECRYPT"),
        plain()
    ));
    assert!(runs(&cluster, &equals("kms:KeyOrigin", "AWS_KMS"), plain()));
    assert!(runs(&cluster, &equals("kms:MultiRegion", "false"), plain()));
    assert!(runs(
        &cluster,
        &equals("kms:BypassPolicyLockoutSafetyCheck", "false"),
        plain()
    ));
    assert!(runs(&cluster, &absent("aws:TagKeys"), plain()));
    assert!(!runs(&cluster, &equals("kms:KeySpec", "RSA_2048"), plain()));
    let signing = || {
        Command::CreateKey(creation::CreateKey {
            spec: KeySpec::Rsa2048,
            usage: Some(KeyUsage::SignVerify),
            lockout_check: LockoutCheck::Bypass,
            ..create_key(2)
        })
    };
    // With tags CreateKey asks for kms:TagResource as well (D-15), which knows nothing of the key to be made (CK-40).
    let tagged = || {
        Command::CreateKey(creation::CreateKey {
            lockout_check: LockoutCheck::Bypass,
            tags: [("Project".into(), "a".into())].into(),
            ..create_key(2)
        })
    };
    assert!(runs(
        &cluster,
        &equals("kms:KeySpec", "RSA_2048"),
        signing()
    ));
    assert!(runs(
        &cluster,
        &equals("kms:KeyUsage", "SIGN_VERIFY"),
        signing()
    ));
    assert!(runs(
        &cluster,
        &equals("aws:RequestTag/Project", "a"),
        tagged()
    ));
    assert!(runs(&cluster, &any("aws:TagKeys", "Project"), tagged()));
    let bypass = r#""Bool":{"kms:BypassPolicyLockoutSafetyCheck":"true"}"#;
    assert!(runs(&cluster, bypass, signing()));
    let sent_as_false = Command::CreateKey(creation::CreateKey {
        lockout_check: LockoutCheck::Run,
        ..create_key(2)
    });
    assert!(!runs(&cluster, bypass, sent_as_false));
}

/// CK-1, CK-22: PutKeyPolicy and GetKeyPolicy name the policy `default`; the bypass is as sent, and false when it is not (CK-57).
#[test]
fn key_policy_operations_are_gated_by_their_parameters() {
    let cluster = Cluster::new();
    let text = cluster
        .state
        .key(&key_arn(1))
        .unwrap()
        .policy
        .text()
        .clone();
    let put = |lockout_check| {
        Command::PutKeyPolicy(put_key_policy::PutKeyPolicy {
            key: key(1),
            policy_name: None,
            policy: Arc::clone(&text),
            lockout_check,
        })
    };
    let is = |value: &str| format!(r#""Bool":{{"kms:BypassPolicyLockoutSafetyCheck":"{value}"}}"#);
    let bypass = "kms:BypassPolicyLockoutSafetyCheck";
    // The policy that is put enables identity policies, so the check itself passes when the condition is on the name.
    assert!(runs(
        &cluster,
        &equals("kms:PolicyName", "default"),
        put(LockoutCheck::Bypass)
    ));
    assert!(!runs(
        &cluster,
        &equals("kms:PolicyName", "other"),
        put(LockoutCheck::Bypass)
    ));
    assert!(runs(&cluster, &is("true"), put(LockoutCheck::Bypass)));
    assert!(!runs(&cluster, &is("false"), put(LockoutCheck::Bypass)));
    assert!(!runs(&cluster, &is("true"), put(LockoutCheck::Run)));
    assert!(runs(&cluster, &is("false"), put(LockoutCheck::Run)));
    assert!(runs(&cluster, &is("false"), put(LockoutCheck::Unset)));
    assert!(!runs(&cluster, &absent(bypass), put(LockoutCheck::Unset)));
    let reads = |condition: &str| {
        let mut cluster = cluster.copy();
        cluster.put_policy(BOB, &only_if(condition));
        let question = get_key_policy::GetKeyPolicy {
            key: key(1),
            policy_name: None,
        };
        cluster.ask(BOB, Query::GetKeyPolicy(question)).is_ok()
    };
    assert!(reads(&equals("kms:PolicyName", "default")));
    assert!(!reads(&equals("kms:PolicyName", "other")));
}

/// CK-10, CK-12, CK-13, CK-13a, CK-29, CK-7, CK-8: what CreateGrant asks for; a member that was not sent is absent.
#[test]
fn create_grant_is_gated_by_its_parameters() {
    let cluster = Cluster::new();
    let grant = |change: fn(&mut crate::domain::op::create_grant::CreateGrant)| {
        let mut command = create_grant(1, BOB);
        change(&mut command);
        Command::CreateGrant(command)
    };
    let plain = || grant(|_| ());
    assert!(runs(
        &cluster,
        &equals("kms:GranteePrincipal", BOB),
        plain()
    ));
    assert!(!runs(
        &cluster,
        &equals("kms:GranteePrincipal", ADMIN),
        plain()
    ));
    for key in [
        "kms:RetiringPrincipal",
        "kms:GrantConstraintType",
        "kms:GranteeServicePrincipal",
        "kms:RetiringServicePrincipal",
        "kms:GrantConstraintSourceArn",
        "kms:EncryptionContextKeys",
    ] {
        assert!(runs(&cluster, &absent(key), plain()), "{key}");
    }
    assert!(runs(
        &cluster,
        &any("kms:GrantOperations", "Decrypt"),
        plain()
    ));
    assert!(!runs(
        &cluster,
        &any("kms:GrantOperations", "Sign"),
        plain()
    ));
    let narrow = || {
        grant(|g| {
            g.retiring = Some(ADMIN.into());
            let pairs: EncryptionContext = [("Dept".into(), "IT".into())].into();
            g.context_subset = Arc::new(pairs);
        })
    };
    assert!(runs(
        &cluster,
        &equals("kms:RetiringPrincipal", ADMIN),
        narrow()
    ));
    assert!(runs(
        &cluster,
        &equals("kms:GrantConstraintType", "EncryptionContextSubset"),
        narrow()
    ));
    assert!(runs(
        &cluster,
        &equals("kms:EncryptionContext:dept", "IT"),
        narrow()
    ));
    assert!(runs(
        &cluster,
        &any("kms:EncryptionContextKeys", "Dept"),
        narrow()
    ));
    let to_service = || {
        grant(|g| {
            g.grantee = None;
            g.grantee_service = Some("logs.eu-west-1.amazonaws.com".into());
            g.retiring_service = Some("ec2.amazonaws.com".into());
            g.source_arn = Some("arn:aws:logs:eu-west-1:111122223333:log-group:a".into());
        })
    };
    for (key, value) in [
        (
            "kms:GranteeServicePrincipal",
            "logs.eu-west-1.amazonaws.com",
        ),
        ("kms:RetiringServicePrincipal", "ec2.amazonaws.com"),
        (
            "kms:GrantConstraintSourceArn",
            "arn:aws:logs:eu-west-1:111122223333:log-group:a",
        ),
    ] {
        assert!(runs(&cluster, &equals(key, value), to_service()), "{key}");
    }
    assert!(runs(
        &cluster,
        &absent("kms:GranteePrincipal"),
        to_service()
    ));
}

/// CK-40: of an operation that is carried out here, nobody else can say a key of KMS, known or not.
#[test]
fn nobody_speaks_for_kms_on_operations_carried_out_here() {
    for key_name in ["kms:SigningAlgorithm", "kms:SomethingNew"] {
        let mut cluster = Cluster::new();
        cluster.put_policy(BOB, &only_if(&equals(key_name, "x")));
        let mut bob = caller(BOB);
        let entry = ContextEntry::Single("x".into());
        bob.facts
            .context
            .insert(key_name.to_lowercase().into(), entry);
        let command = enable_key::EnableKey { key: key(1) };
        let refused = cluster.run_as(&bob, Command::EnableKey(command)).err();
        assert_eq!(
            refused.map(|(code, _)| code),
            Some("AccessDeniedException"),
            "{key_name}"
        );
    }
}

/// CK-40: a key that does not apply to the operation is absent, whoever brings it.
#[test]
fn key_of_another_operation_is_absent() {
    let cluster = Cluster::new();
    for (action, key, applies) in [
        (KmsAction::Sign, "kms:SigningAlgorithm", true),
        (KmsAction::Decrypt, "kms:SigningAlgorithm", false),
        (KmsAction::GenerateMac, "kms:MacAlgorithm", true),
        (KmsAction::Sign, "kms:MacAlgorithm", false),
        (KmsAction::ReplicateKey, "kms:ReplicaRegion", true),
        (KmsAction::UpdatePrimaryRegion, "kms:ReplicaRegion", false),
    ] {
        let probe = Probe::new(&cluster, action).with(key, "x");
        assert_eq!(probe.holds(&equals(key, "x")), applies, "{action} {key}");
        assert_eq!(probe.holds(&absent(key)), !applies, "{action} {key}");
    }
}

/// A request of an action of KMS for which everything is said that can be said, by a front.
struct Dressed {
    cluster: Cluster,
    caller: Caller,
    alias: AliasName,
    pairs: EncryptionContext,
    grant: crate::domain::state::grant::Grant,
}

impl Dressed {
    fn new() -> Self {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        let command = create_alias::CreateAlias {
            alias: "alias/one".into(),
            target: key(1),
        };
        cluster.done(ADMIN, Command::CreateAlias(command));
        let mut command = create_grant(1, ADMIN);
        let pairs: EncryptionContext = [("c".into(), "1".into())].into();
        command.context_subset = Arc::new(pairs.clone());
        cluster.done(ADMIN, Command::CreateGrant(command));
        let grant = cluster.state.grants().of_key(&key_arn(1), None).next();
        let grant = (**grant.unwrap()).clone();
        cluster.set_key(|key| {
            key.tags = [("t".into(), "v".into())].into();
            key.multi_region = Some(MultiRegionKeyType::Primary);
        });
        let mut caller = caller(BOB);
        caller.facts.via_service = Some("ec2.eu-west-1.amazonaws.com".into());
        let mut said = |name: &str, value: &str| {
            let entry = ContextEntry::Single(value.into());
            caller
                .facts
                .context
                .insert(name.to_lowercase().into(), entry);
        };
        for row in rows().filter(|row| row.told != Told::Nobody) {
            for n in 0..32 {
                let name = row.name.replace("<k>", "t");
                said(&name.replace("<n>", &n.to_string()), "front");
            }
        }
        Self {
            cluster,
            caller,
            alias: "alias/one".parse().unwrap(),
            pairs,
            grant,
        }
    }

    fn holds(&self, action: KmsAction, condition: &str) -> bool {
        let mut cluster = self.cluster.copy();
        cluster.put_policy(BOB, &only_if(condition));
        let key = cluster.state.key(&key_arn(1)).unwrap();
        let request = Request {
            caller: &self.caller,
            scope: &scope(),
            action: action.into(),
            target: match action.target() {
                ActionTarget::None => Target::Account(OWNER.parse().unwrap()),
                ActionTarget::Key | ActionTarget::KeyAndAlias => Target::Key {
                    key,
                    alias: action.accepts_alias().then_some(&self.alias),
                },
            },
            encryption_context: &self.pairs,
            about: match action {
                KmsAction::RetireGrant => About::Retired(&self.grant),
                _ => About::Nothing,
            },
            token_grants: &[],
            parameters: Parameters::FromFront,
            now: cluster.state.clock(),
        };
        authorize(&cluster.state, &request).is_allow()
    }
}

/// CK-58, CK-40: the walk. Whatever AWS's reference lists for an action is there in a request for which everything is
/// said, but for what policies are refused for; and what it lists for no action is there in none.
#[test]
fn every_key_that_the_reference_lists_for_an_action_has_a_value_there() {
    let text = include_str!("../../../docs/kms-authorization-reference.json");
    let reference: serde_json::Value = serde_json::from_str(text).unwrap();
    let dressed = Dressed::new();
    let mut walked = 0;
    for row in reference["actions"].as_array().unwrap() {
        let action = KmsAction::by_name(row["name"].as_str().unwrap()).unwrap();
        let of_key = reference["resourceTypes"]["key"]["conditionKeys"].as_array();
        let of_key = of_key.filter(|_| action.target() != ActionTarget::None);
        for name in row["conditionKeys"]
            .as_array()
            .into_iter()
            .chain(of_key)
            .flatten()
        {
            let name = name.as_str().unwrap();
            let name = name
                .replace("${TagKey}", "t")
                .replace("${EncryptionContextKey}", "c");
            let key = ContextKey::parse(&name);
            if key.row().is_some_and(|row| row.told == Told::Nobody) {
                continue;
            }
            walked += 1;
            let present = format!(r#""Null":{{"{name}":"false"}}"#);
            assert!(dressed.holds(action, &present), "{action} {name}");
        }
    }
    assert!(walked > 700, "{walked}");
}

/// CK-58: what the server tells is taken from nobody else; what the front tells is as it states it; of a member of the
/// request the front speaks for operations that are carried out elsewhere; and of what nobody tells nobody is believed.
#[test]
fn value_of_a_key_is_taken_from_whoever_tells_it() {
    let dressed = Dressed::new();
    let mut seen = [0; 3];
    // What nobody tells no policy can ask for.
    for row in rows().filter(|row| row.told != Told::Nobody) {
        let name = row.name.replace("<k>", "t").replace("<n>", "3");
        let carries = |action: &&KmsAction| (row.presence)(**action) != Presence::Never;
        for action in KmsAction::ALL
            .iter()
            .copied()
            .filter(|action| carries(&action))
        {
            // D-14, G-50: these are allowed on other grounds than the key's policies.
            if matches!(
                action,
                KmsAction::RetireGrant | KmsAction::ListRetirableGrants
            ) {
                continue;
            }
            let equals = match row.count {
                Count::One => equals(&name, "front"),
                Count::Many => any(&name, "front"),
            };
            let is_fronts = dressed.holds(action, &equals);
            match row.told {
                Told::Server => {
                    seen[0] += 1;
                    assert!(!is_fronts, "{action} {name}");
                }
                Told::Front => {
                    seen[1] += 1;
                    assert!(is_fronts, "{action} {name}");
                }
                Told::Parameter => {
                    seen[2] += 1;
                    assert!(is_fronts, "{action} {name}");
                }
                Told::Nobody | Told::ServerOrFront => {}
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
    // CK-0: through no endpoint of the cluster's the address is the front's word; what the cluster knows is not.
    let id = "aws:PrincipalOrgID";
    assert!(dressed.holds(KmsAction::Decrypt, &equals(id, ORGANIZATION)));
    assert!(!dressed.holds(KmsAction::Decrypt, &equals(id, "front")));
    // Of an account that is in an organization of the cluster nobody else says where the source is.
    let mut service = Dressed::new();
    for (name, value) in [
        ("aws:sourceaccount", OWNER),
        ("aws:sourceorgid", "o-forged"),
    ] {
        let entry = ContextEntry::Single(value.into());
        service.caller.facts.context.insert(name.into(), entry);
    }
    assert!(service.holds(KmsAction::Decrypt, &equals("aws:SourceOrgID", ORGANIZATION)));
    assert!(!service.holds(KmsAction::Decrypt, &equals("aws:SourceOrgID", "o-forged")));
}

/// CK-36, CK-58: IAM's own names for the tags of a user or role, and the kind of a control policy, where the actions that
/// have them are decided here.
#[test]
fn keys_of_other_services_are_known_to_their_actions() {
    let mut cluster = Cluster::new();
    let tag = crate::domain::op::tag_principal::TagPrincipal {
        arn: crate::domain::op::testing::arn(ADMIN),
        tags: [("team".into(), "a".into())].into(),
    };
    cluster.done(ADMIN, Command::TagPrincipal(tag));
    let read = || {
        Query::GetPrincipal(crate::domain::op::get_principal::GetPrincipal {
            arn: crate::domain::op::testing::arn(ADMIN),
        })
    };
    for (condition, allowed) in [
        (equals("aws:ResourceTag/Team", "a"), true),
        (equals("iam:ResourceTag/team", "a"), true),
        (equals("iam:ResourceTag/team", "b"), false),
        (absent("iam:ResourceTag/team"), false),
    ] {
        cluster.put_policy(BOB, &only_if(&condition));
        assert_eq!(cluster.ask(BOB, read()).is_ok(), allowed, "{condition}");
    }
    let key = Probe::new(&cluster, KmsAction::DescribeKey);
    assert!(key.holds(&absent("iam:ResourceTag/team")));
}

/// CK-59: of tags whose names differ in letter case alone a Deny takes any and an Allow all: of the request's, of the
/// key's, of the caller's.
#[test]
fn tags_that_differ_in_letter_case_alone_are_taken_against_the_caller() {
    let torn: crate::domain::state::Tags =
        [("ENV".into(), "dev".into()), ("env".into(), "prod".into())].into();
    let mut cluster = Cluster::new();
    let deny = |condition: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"*","Resource":"*"}},{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{{condition}}}}}]}}"#
        )
    };
    let tagging = || {
        Command::TagResource(tag_resource::TagResource {
            key: key(1),
            tags: torn.clone().into_iter().collect(),
        })
    };
    for value in ["dev", "prod"] {
        let condition = equals("aws:RequestTag/Env", value);
        assert!(!runs(&cluster, &condition, tagging()), "{value}");
        cluster.put_policy(BOB, &deny(&condition));
        let (code, _) = cluster.refusal(BOB, tagging());
        assert_eq!(code, "AccessDeniedException", "{value}");
    }
    let either = r#""StringEquals":{"aws:RequestTag/Env":["dev","prod"]}"#;
    assert!(runs(&cluster, either, tagging()));
    cluster.set_key(|key| key.tags = torn.clone());
    let probe = Probe::new(&cluster, KmsAction::Decrypt);
    assert!(!probe.holds(&equals("aws:ResourceTag/env", "prod")));
    assert!(probe.holds(r#""StringLike":{"aws:ResourceTag/env":"*d*"}"#));
    for (condition, denied) in [
        (equals("aws:ResourceTag/env", "prod"), true),
        (equals("aws:ResourceTag/env", "test"), false),
        (
            r#""StringNotEquals":{"aws:ResourceTag/env":"prod"}"#.to_owned(),
            true,
        ),
    ] {
        cluster.put_policy(BOB, &deny(&condition));
        let decision = cluster.decision(&caller(BOB), "kms:Decrypt");
        assert_eq!(!decision.is_allow(), denied, "{condition}");
    }
}

/// CK-40, CK-60: nobody but the server speaks for KMS: what a front says under a `kms:` name that is no key is absent.
/// Under a name of its own it is there.
#[test]
fn kms_name_that_is_no_key_is_absent_whatever_the_front_says() {
    let cluster = Cluster::new();
    for name in ["kms:NoSuchKey", "KMS:nosuchkey", "kms:"] {
        let probe = Probe::new(&cluster, KmsAction::Decrypt).with(name, "yes");
        assert!(!probe.holds(&equals(name, "yes")), "{name}");
        assert!(probe.holds(&absent(name)), "{name}");
    }
    let probe = Probe::new(&cluster, KmsAction::Decrypt).with("acme:color", "blue");
    assert!(probe.is("acme:color", "blue"));
    // So it is for an action of another service.
    let (caller, tagged) = (
        probe.with("kms:NoSuchKey", "yes").caller,
        BOB.parse().unwrap(),
    );
    let holds = |condition: &str| {
        let mut cluster = cluster.copy();
        cluster.put_policy(BOB, &only_if(condition));
        let request = Request {
            caller: &caller,
            scope: &scope(),
            action: Action::parse("iam:TagUser"),
            target: Target::Principal(&tagged),
            encryption_context: &EncryptionContext::new(),
            about: About::Nothing,
            token_grants: &[],
            parameters: Parameters::FromFront,
            now: cluster.state.clock(),
        };
        authorize(&cluster.state, &request).is_allow()
    };
    assert!(holds(&equals("acme:color", "blue")));
    assert!(!holds(&equals("kms:NoSuchKey", "yes")));
    assert!(holds(&absent("kms:NoSuchKey")));
}

/// CK-57: the default of a parameter is a value of the operations that have the parameter, and of no other.
#[test]
fn default_of_a_parameter_counts_where_the_parameter_is() {
    use KmsAction as A;
    let cluster = Cluster::new();
    for (key, value, its, other) in [
        (
            "kms:EncryptionAlgorithm",
            "SYMMETRIC_DEFAULT",
            A::Decrypt,
            A::Sign,
        ),
        ("kms:MessageType", "RAW", A::Sign, A::Encrypt),
        ("kms:PolicyName", "default", A::GetKeyPolicy, A::Decrypt),
        (
            "kms:RotationPeriodInDays",
            "365",
            A::EnableKeyRotation,
            A::DisableKeyRotation,
        ),
        (
            "kms:ScheduleKeyDeletionPendingWindowInDays",
            "30",
            A::ScheduleKeyDeletion,
            A::CancelKeyDeletion,
        ),
    ] {
        let its = Probe::new(&cluster, its);
        assert!(!its.holds(&absent(key)), "{key}");
        assert!(its.is(key, value), "{key}");
        let other = Probe::new(&cluster, other);
        assert!(other.holds(&absent(key)), "{key} of {}", other.action);
        let ContextKey::Known(known) = ContextKey::parse(key) else {
            panic!("{key}");
        };
        assert!(known.default_for(its.action, |_| true).is_some());
        assert!(known.default_for(other.action, |_| true).is_none(), "{key}");
    }
    // Where ValidTo is sent.
    let valid_to = "2030-01-01T00:00:00Z";
    let import = Probe::new(&cluster, A::ImportKeyMaterial).with("kms:ValidTo", valid_to);
    assert!(import.is("kms:ExpirationModel", "KEY_MATERIAL_EXPIRES"));
    let other = Probe::new(&cluster, A::Decrypt).with("kms:ValidTo", valid_to);
    assert!(other.holds(&absent("kms:ExpirationModel")));
}

/// W-34: a key of a spec that its Region does not have is not made.
#[test]
fn key_of_a_spec_that_the_region_does_not_have_is_refused() {
    let mut cluster = Cluster::new();
    let mut sm2 = create_key(7);
    sm2.spec = KeySpec::Sm2;
    sm2.usage = Some(KeyUsage::SignVerify);
    let refused = cluster.run(ADMIN, Command::CreateKey(sm2.clone()));
    assert_eq!(
        refused.map(drop).map_err(|(code, _)| code),
        Err("UnsupportedOperationException")
    );
    assert!(cluster.state.key(&key_arn(7)).is_none());
    sm2.spec = KeySpec::EccNistP256;
    assert!(cluster.run(ADMIN, Command::CreateKey(sm2)).is_ok());
}
