//! The condition keys of one request (CK-0 to CK-38), computed when a policy asks for them.
//!
//! What the server knows itself is never taken from anybody else: only a key that the server cannot know is looked up
//! in what the front adds. Imports ids, policy, state.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::caller::{ContextEntry, Identity};
use super::combine::Endpoint;
use super::request::{About, Parameter, Parameters, Request, RequestTags, Scope, Target};
use crate::domain::effort::Effort;
use crate::domain::ids::{AccountId, AliasName, PrincipalArn, PrincipalKind};
use crate::domain::limits::ALIASES_PER_KEY_MAX;
use crate::domain::policy::{Action, KmsAction};
use crate::domain::policy::{
    ContextKey, ContextSource, ContextValue, DefaultIf, Folded, KnownKey, Presence, Scalar,
    Spellings, Values, shows_encryption_context,
};
use crate::domain::state::State;
use crate::domain::state::Tags;
use crate::domain::state::grant::ContextConstraint;
use crate::domain::state::key::{Key, KeyUsage};
use crate::domain::state::organization::VpcEndpoint;
use crate::domain::state::principal::Principal;
use crate::domain::time::Timestamp;

/// The condition keys of one request.
pub struct RequestContext<'a> {
    state: &'a State,
    request: &'a Request<'a>,
    /// The user or role behind the caller.
    principal: Option<&'a Principal>,
    key: Option<&'a Key>,
    /// What few policies ask for, made when the first asks: a decision without it pays for no room.
    composed: OnceCell<Box<Composed<'a>>>,
    /// What the front adds, by parsed key.
    facts: Vec<(ContextKey, Fact<'a>)>,
    through: Through<'a>,
    effort: Option<&'a Effort<'a>>,
}

/// Values that no text of the state or the request holds, each made when a policy asks for it.
#[derive(Default)]
struct Composed<'a> {
    aliases: OnceCell<Names<'a>>,
    context_keys: OnceCell<Vec<&'a str>>,
    tag_keys: OnceCell<Vec<&'a str>>,
    called_via: OnceCell<Vec<String>>,
    /// The name of the service that calls for itself.
    service_names: OnceCell<Vec<&'a str>>,
    user_id: OnceCell<String>,
    root: OnceCell<PrincipalArn>,
    principal_paths: OnceCell<Vec<String>>,
    resource_paths: OnceCell<Vec<String>>,
    source_paths: OnceCell<Vec<String>>,
    endpoint_paths: OnceCell<Vec<String>>,
    vpc_arn: OnceCell<String>,
}

/// A value that the front adds.
enum Fact<'a> {
    One(&'a str),
    Many(&'a Arc<[Arc<str>]>),
}

/// Alias names as the values of a key.
struct Names<'a>(&'a [AliasName]);

impl Values for Names<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn any(&self, test: &mut dyn FnMut(&str) -> bool) -> bool {
        self.0.iter().any(|name| test(name.as_str()))
    }
}

impl<'a> RequestContext<'a> {
    /// The context of `request`, whose caller is backed by `principal`.
    pub fn new(
        state: &'a State,
        request: &'a Request<'a>,
        principal: Option<&'a Principal>,
        effort: Option<&'a Effort<'a>>,
    ) -> Self {
        let key = match request.target {
            Target::Key { key, .. } => Some(&**key),
            Target::Alias(_) | Target::Principal(_) | Target::Group(_) | Target::Account(_) => None,
        };
        let entries = &request.caller.facts.context;
        let facts = entries.iter().map(|(name, entry)| {
            let value = match entry {
                ContextEntry::Single(text) => Fact::One(text),
                ContextEntry::Multi(texts) => Fact::Many(texts),
            };
            (ContextKey::parse(name), value)
        });
        Self {
            state,
            request,
            principal,
            key,
            composed: OnceCell::new(),
            facts: facts.collect(),
            through: through(state, entries),
            effort,
        }
    }

    /// What the policy of the VPC endpoint says that the request came through.
    pub fn endpoint(&self) -> Endpoint<'a> {
        match self.through {
            Through::Nowhere | Through::None => Endpoint::Open,
            Through::Known(endpoint) => endpoint.policy.as_deref().into(),
            Through::Unknown => Endpoint::Unknown,
        }
    }

    /// The organization of an account (CK-0). Of an account that is in none of the cluster's, the front may know more.
    fn organization(
        &self,
        known: KnownKey,
        account: Option<AccountId>,
    ) -> Option<ContextValue<'_>> {
        match account.and_then(|account| self.state.membership(account)) {
            Some(node) => Some(ContextValue::text(node.organization.as_str())),
            None => self.fact(&ContextKey::Known(known)),
        }
    }

    /// What the cluster knows of the VPC endpoint that the request came through (CK-43). Where it keeps endpoints, nobody
    /// else says it: without one it is absent, and so it is through one that is not known, which allows nothing anyway.
    fn of_endpoint<'c>(
        &'c self,
        known: KnownKey,
        tell: impl FnOnce(&'a VpcEndpoint) -> Option<ContextValue<'c>>,
    ) -> Option<ContextValue<'c>> {
        match self.through {
            Through::Known(endpoint) => tell(endpoint),
            // The request says all that is said of its endpoint.
            Through::Nowhere => self.fact(&ContextKey::Known(known)),
            Through::None | Through::Unknown => None,
        }
    }

    /// The same of the endpoint's owner. Who owns the endpoint of a request that is only imagined nobody has said.
    fn of_endpoint_owner<'c>(
        &'c self,
        known: KnownKey,
        tell: impl FnOnce(&'a VpcEndpoint) -> Option<ContextValue<'c>>,
    ) -> Option<ContextValue<'c>> {
        match self.request.parameters {
            Parameters::Stated(_) => None,
            Parameters::Known(..) | Parameters::FromFront => self.of_endpoint(known, tell),
        }
    }

    /// Where an account is in its organization.
    fn organization_paths<'c>(
        &'c self,
        known: KnownKey,
        cell: &'c OnceCell<Vec<String>>,
        account: Option<AccountId>,
    ) -> Option<ContextValue<'c>> {
        let state = self.state;
        let Some(node) = account.and_then(|account| state.membership(account)) else {
            return self.fact(&ContextKey::Known(known));
        };
        let paths = cell.get_or_init(|| vec![state.organization_path(node)]);
        Some(ContextValue::Many(paths))
    }

    fn aliases(&self) -> &Names<'a> {
        self.composed().aliases.get_or_init(|| {
            let state = self.state;
            Names(self.key.map_or(&[], |key| state.aliases_of_key(&key.arn)))
        })
    }

    fn context_keys(&self) -> &Vec<&'a str> {
        let pairs = self.request.encryption_context;
        self.composed()
            .context_keys
            .get_or_init(|| pairs.keys().map(|k| &**k).collect())
    }

    /// The keys of the tags that the request sets or removes (CK-37, CK-38).
    fn tag_keys(&self) -> &Vec<&'a str> {
        let tags = self.request.parameters.tags();
        self.composed().tag_keys.get_or_init(|| match tags {
            RequestTags::Set(tags) => tags.keys().map(|k| &**k).collect(),
            RequestTags::Removed(keys) => keys.iter().map(|k| &**k).collect(),
            RequestTags::Absent => Vec::new(),
        })
    }

    /// The service that calls for somebody, if one does, as a list.
    fn called_via(&self) -> &Vec<String> {
        let via = self.request.caller.facts.via_service.as_deref();
        self.composed()
            .called_via
            .get_or_init(|| via.map(service_principal).into_iter().collect())
    }

    /// The name of the service that calls for itself, if one does, as a list.
    fn service_names(&self) -> &Vec<&'a str> {
        let identity = self.identity();
        self.composed()
            .service_names
            .get_or_init(|| match identity {
                Identity::Service(service) => vec![service.as_str()],
                Identity::Operator
                | Identity::System
                | Identity::Root { .. }
                | Identity::User { .. }
                | Identity::RoleSession { .. }
                | Identity::FederatedUser { .. } => Vec::new(),
            })
    }

    fn composed(&self) -> &Composed<'a> {
        self.composed.get_or_init(Box::default)
    }

    fn identity(&self) -> &'a Identity {
        &self.request.caller.identity
    }

    /// The ARN of `aws:PrincipalArn`: the user's, the role's, or the account's own (ID-21).
    fn principal_arn(&self) -> Option<&str> {
        match self.identity() {
            Identity::Operator | Identity::System | Identity::Service(_) => None,
            Identity::Root { account, .. } => {
                let partition = self.request.scope.partition;
                let root = self
                    .composed()
                    .root
                    .get_or_init(|| PrincipalArn::root_of(partition, *account));
                Some(root.as_str())
            }
            Identity::User { arn, .. } | Identity::FederatedUser { arn, .. } => Some(arn.as_str()),
            Identity::RoleSession { role, .. } => Some(role.as_str()),
        }
    }

    /// `aws:userid` (CK-0).
    fn user_id(&self) -> Option<&str> {
        let make = |text: String| Some(&**self.composed().user_id.get_or_init(|| text));
        match self.identity() {
            Identity::Operator | Identity::System | Identity::Service(_) => None,
            Identity::Root { account, .. } => make(account.to_string()),
            Identity::User { unique_id, .. } => Some(unique_id.as_str()),
            Identity::RoleSession { arn, unique_id, .. } => match arn.kind() {
                PrincipalKind::AssumedRole { session, .. } => {
                    make(format!("{unique_id}:{session}"))
                }
                _ => Some(unique_id.as_str()),
            },
            Identity::FederatedUser { arn, .. } => match arn.kind() {
                PrincipalKind::FederatedUser { name } => make(format!("{}:{name}", arn.account())),
                _ => None,
            },
        }
    }

    /// `aws:PrincipalTag/<k>`: the session's tags over those of its role, or of the user that federated it (CK-0).
    fn principal_tag<'c>(&'c self, name: &'c Folded) -> Option<ContextValue<'c>> {
        let own = self.principal.map(|principal| &principal.tags);
        let find = |tags: &'c Tags| Spellings::find(tags, name);
        match self.identity() {
            Identity::RoleSession { session_tags, .. }
            | Identity::FederatedUser { session_tags, .. } => {
                find(session_tags).or_else(|| own.and_then(find))
            }
            Identity::User { .. } => own.and_then(find),
            Identity::Operator
            | Identity::System
            | Identity::Root { .. }
            | Identity::Service(_) => None,
        }
    }

    fn kms(&self) -> Option<KmsAction> {
        match &self.request.action {
            Action::Kms(action) => Some(*action),
            Action::Other(_) => None,
        }
    }

    /// Whether the encryption context is part of this action's context (CK-7, CK-8).
    fn has_encryption_context(&self) -> bool {
        self.kms().is_some_and(shows_encryption_context)
    }

    /// The tags of what is asked about: of a key, of one that is made with them, of a user or role (CK-36).
    fn resource_tags(&self) -> Option<&'a Tags> {
        match self.request.target {
            Target::Key { key, .. } => Some(&key.tags),
            Target::Principal(arn) => self.state.principal(arn).map(|principal| &principal.tags),
            Target::Account(_) if self.kms() == Some(KmsAction::CreateKey) => {
                match self.request.parameters.tags() {
                    RequestTags::Set(tags) => Some(tags),
                    RequestTags::Absent | RequestTags::Removed(_) => None,
                }
            }
            Target::Alias(_) | Target::Group(_) | Target::Account(_) => None,
        }
    }

    fn parameter(&self, key: KnownKey) -> Option<ContextValue<'_>> {
        match &self.request.parameters {
            Parameters::Known(list, _) => {
                list.iter()
                    .find(|(k, _)| *k == key)
                    .map(|(_, value)| match value {
                        Parameter::Text(text) => ContextValue::text(text),
                        Parameter::Bool(on) => ContextValue::One(Scalar::Bool(*on)),
                        Parameter::Integer(n) => ContextValue::One(Scalar::Integer(*n)),
                        Parameter::Many(texts) => ContextValue::Many(texts),
                    })
            }
            Parameters::FromFront | Parameters::Stated(_) => self.fact(&ContextKey::Known(key)),
        }
    }

    /// A parameter, or the default that is really used (CK-57).
    fn parameter_or_default(&self, key: KnownKey) -> Option<ContextValue<'_>> {
        self.parameter(key).or_else(|| {
            let default = key.default_for(self.kms()?, |what| match what {
                DefaultIf::NotSaid => true,
                DefaultIf::Symmetric => self.is_symmetric(),
                DefaultIf::ValidTo => self.parameter(KnownKey::ValidTo).is_some(),
            })?;
            Some(ContextValue::One(default))
        })
    }

    /// Whether the key is one for symmetric encryption, or is to be.
    fn is_symmetric(&self) -> bool {
        match self.key {
            Some(key) => key.spec.is_symmetric() && key.usage == KeyUsage::EncryptDecrypt,
            None => Self::says(self.known(KnownKey::KeySpec), "SYMMETRIC_DEFAULT"),
        }
    }

    /// A tag of a key that a front asks to make: its own word on the request's (CK-36).
    fn tag_of_new_key(&self, name: &Folded) -> Option<ContextValue<'_>> {
        match &self.request.parameters {
            Parameters::FromFront | Parameters::Stated(RequestTags::Absent)
                if self.kms() == Some(KmsAction::CreateKey) =>
            {
                self.fact(&ContextKey::RequestTag(name.clone()))
            }
            Parameters::FromFront | Parameters::Known(..) | Parameters::Stated(_) => None,
        }
    }

    /// Whether a value is this text, whatever form it comes in.
    fn says(value: Option<ContextValue<'_>>, wanted: &str) -> bool {
        matches!(value, Some(ContextValue::One(scalar)) if scalar.into_text() == wanted)
    }

    fn fact(&self, key: &ContextKey) -> Option<ContextValue<'_>> {
        let (_, value) = self.facts.iter().find(|(k, _)| k == key)?;
        Some(match value {
            Fact::One(text) => ContextValue::text(text),
            Fact::Many(texts) => ContextValue::Many(*texts),
        })
    }

    /// A property of the key; of a key that is only being made, a parameter (CK-15 to CK-21).
    fn key_property(
        &self,
        known: KnownKey,
        of_key: impl FnOnce(&'a Key) -> Option<ContextValue<'a>>,
    ) -> Option<ContextValue<'_>> {
        match self.key {
            Some(key) => of_key(key),
            None if self.kms() == Some(KmsAction::CreateKey) => self.parameter_or_default(known),
            None => None,
        }
    }

    /// The time of the decision, which depends on it from now on.
    fn now(&self) -> Timestamp {
        if let Some(effort) = self.effort {
            effort.looks_at_the_time();
        }
        self.request.now
    }

    fn known(&self, known: KnownKey) -> Option<ContextValue<'_>> {
        use KnownKey as K;
        let text = |text: Option<&'a str>| text.map(ContextValue::text);
        let flag = |on: bool| Some(ContextValue::One(Scalar::Bool(on)));
        let identity = self.identity();
        let via_service = self.request.caller.facts.via_service.as_deref();
        match known {
            K::PrincipalArn => self.principal_arn().map(ContextValue::text),
            K::PrincipalAccount => identity
                .account()
                .map(|account| ContextValue::One(Scalar::Account(account))),
            K::PrincipalType => text(match identity {
                Identity::Root { .. } => Some("Account"),
                Identity::User { .. } => Some("User"),
                Identity::RoleSession { .. } => Some("AssumedRole"),
                Identity::FederatedUser { .. } => Some("FederatedUser"),
                Identity::Operator | Identity::System | Identity::Service(_) => None,
            }),
            K::AssumedRoot => match identity {
                Identity::Root {
                    task_policy: Some(_),
                    ..
                } => flag(true),
                _ => None,
            },
            K::UserId => self.user_id().map(ContextValue::text),
            K::UserName => match identity {
                Identity::User { arn, .. } => match arn.kind() {
                    PrincipalKind::User { name, .. } => Some(ContextValue::text(name)),
                    _ => None,
                },
                _ => None,
            },
            K::PrincipalIsAwsService => flag(matches!(identity, Identity::Service(_))),
            K::PrincipalServiceName => match identity {
                Identity::Service(service) => Some(ContextValue::text(service.as_str())),
                _ => None,
            },
            K::CurrentTime => {
                let at = i64::try_from(self.now().as_millis()).unwrap_or(i64::MAX);
                Some(ContextValue::One(Scalar::Time(at)))
            }
            K::EpochTime => {
                let at = i64::try_from(self.now().as_secs()).unwrap_or(i64::MAX);
                Some(ContextValue::One(Scalar::Integer(at)))
            }
            K::RequestedRegion => text(Some(self.request.scope.region.as_str())),
            K::ResourceAccount => Some(ContextValue::One(Scalar::Account(
                self.request.target.account(),
            ))),
            K::ViaAwsService => flag(via_service.is_some()),
            // A front that knows the whole chain of services says so; else it is the one that calls.
            K::CalledVia => self.fact(&ContextKey::Known(known)).or_else(|| {
                let services = self.called_via();
                (!services.is_empty()).then_some(ContextValue::Many(services))
            }),
            K::CalledViaFirst | K::CalledViaLast => self
                .fact(&ContextKey::Known(known))
                .or_else(|| Some(ContextValue::text(self.called_via().first()?))),
            // D-14: permission for an alias itself depends on nothing that is said of calls on keys.
            K::ViaService | K::CallerAccount if matches!(self.request.target, Target::Alias(_)) => {
                None
            }
            K::ViaService => text(via_service),
            K::TagKeys => match (self.request.parameters.tags(), &self.request.parameters) {
                (RequestTags::Set(_) | RequestTags::Removed(_), _) => {
                    Some(ContextValue::Many(self.tag_keys()))
                }
                (RequestTags::Absent, Parameters::Known(..)) => None,
                (RequestTags::Absent, Parameters::FromFront | Parameters::Stated(_)) => {
                    self.fact(&ContextKey::Known(known))
                }
            },
            K::CallerAccount => identity
                .account()
                .filter(|_| self.kms().is_some())
                .map(|account| ContextValue::One(Scalar::Account(account))),
            K::EncryptionContextKeys => (self.has_encryption_context()
                && !self.request.encryption_context.is_empty())
            .then(|| ContextValue::Many(self.context_keys())),
            K::GrantIsForAwsResource => match self.kms()? {
                // CK-11: for somebody, or for itself.
                KmsAction::CreateGrant | KmsAction::ListGrants | KmsAction::RevokeGrant => {
                    flag(via_service.is_some() || matches!(identity, Identity::Service(_)))
                }
                _ => None,
            },
            K::KeySpec | K::CustomerMasterKeySpec => {
                self.key_property(K::KeySpec, |key| text(Some(key.spec.as_str())))
            }
            K::KeyUsage | K::CustomerMasterKeyUsage => {
                self.key_property(K::KeyUsage, |key| text(Some(key.usage.as_str())))
            }
            K::KeyOrigin => self.key_property(known, |key| text(Some(key.origin.as_str()))),
            K::MultiRegion => self.key_property(known, |key| flag(key.multi_region.is_some())),
            // CK-21: what CreateKey makes is the primary of its set.
            K::MultiRegionKeyType => match self.key {
                Some(key) => text(key.multi_region.map(|kind| kind.as_str())),
                None if self.kms() == Some(KmsAction::CreateKey) => {
                    self.parameter(known).or_else(|| {
                        Self::says(self.parameter(K::MultiRegion), "true")
                            .then_some(ContextValue::text("PRIMARY"))
                    })
                }
                None => None,
            },
            K::RequestAlias => match self.request.target {
                Target::Key { alias, .. } => alias.map(|name| ContextValue::text(name.as_str())),
                Target::Alias(_) | Target::Principal(_) | Target::Group(_) | Target::Account(_) => {
                    None
                }
            },
            // CK-28: of a key with more aliases than the quota nothing is told. Ours keep to it; a case may not.
            K::ResourceAliases => {
                let aliases = self.aliases();
                let is_told = (1..=ALIASES_PER_KEY_MAX).contains(&aliases.0.len());
                is_told.then_some(ContextValue::Many(aliases))
            }
            // CK-10: of RetireGrant, that of the grant.
            K::GrantConstraintType => self.parameter(known).or_else(|| match self.request.about {
                About::Retired(grant) => text(Some(match grant.constraints.context.as_ref()? {
                    ContextConstraint::Equals(_) => "EncryptionContextEquals",
                    ContextConstraint::Subset(_) => "EncryptionContextSubset",
                })),
                About::Nothing | About::NewGrant(..) | About::Use(_) => None,
            }),
            // CK-52: what the state knows, whoever asks.
            K::TrailingDaysWithoutKeyUsage => self.key.map(|key| {
                let days = key.days_without_use(self.now());
                ContextValue::One(Scalar::Integer(i64::try_from(days).unwrap_or(i64::MAX)))
            }),
            // Parameters of an operation, those without a default as those with one.
            K::BypassPolicyLockoutSafetyCheck
            | K::DataKeyPairSpec
            | K::EncapsulationAlgorithm
            | K::EncryptionAlgorithm
            | K::ExpirationModel
            | K::GrantConstraintSourceArn
            | K::GrantOperations
            | K::GranteePrincipal
            | K::GranteeServicePrincipal
            | K::KeyAgreementAlgorithm
            | K::MacAlgorithm
            | K::MessageType
            | K::OrganizationsPolicyType
            | K::PolicyName
            | K::PrimaryRegion
            | K::ReEncryptOnSameKey
            | K::RecipientAttestationImageSha384
            | K::ReplicaRegion
            | K::RetiringPrincipal
            | K::RetiringServicePrincipal
            | K::RotationPeriodInDays
            | K::ScheduleKeyDeletionPendingWindowInDays
            | K::SigningAlgorithm
            | K::ValidTo
            | K::WrappingAlgorithm
            | K::WrappingKeySpec => self.parameter_or_default(known),
            K::PrincipalOrgId => self.organization(known, identity.account()),
            K::PrincipalOrgPaths => {
                self.organization_paths(known, &self.composed().principal_paths, identity.account())
            }
            K::ResourceOrgId => self.organization(known, Some(self.request.target.account())),
            K::ResourceOrgPaths => {
                let owner = self.request.target.account();
                self.organization_paths(known, &self.composed().resource_paths, Some(owner))
            }
            K::SourceVpc => self.of_endpoint(known, |endpoint| {
                Some(ContextValue::text(endpoint.vpc.as_str()))
            }),
            K::SourceVpcArn => {
                self.of_endpoint_owner(known, |VpcEndpoint { account, vpc, .. }| {
                    let Scope { partition, region } = self.request.scope;
                    let arn = || format!("arn:{partition}:ec2:{region}:{account}:vpc/{vpc}");
                    Some(ContextValue::text(self.composed().vpc_arn.get_or_init(arn)))
                })
            }
            K::VpceAccount => self.of_endpoint_owner(known, |endpoint| {
                Some(ContextValue::One(Scalar::Account(endpoint.account)))
            }),
            K::VpceOrgId => self.of_endpoint_owner(known, |endpoint| {
                let node = self.state.membership(endpoint.account)?;
                Some(ContextValue::text(node.organization.as_str()))
            }),
            K::VpceOrgPaths => self.of_endpoint_owner(known, |endpoint| {
                let node = self.state.membership(endpoint.account)?;
                let paths = || vec![self.state.organization_path(node)];
                Some(ContextValue::Many(
                    self.composed().endpoint_paths.get_or_init(paths),
                ))
            }),
            // CK-0: absent through an endpoint.
            K::SourceIp if matches!(self.through, Through::Known(_) | Through::Unknown) => None,
            // A front may know the Regional names of the service as well.
            K::PrincipalServiceNamesList => self.fact(&ContextKey::Known(known)).or_else(|| {
                let names = self.service_names();
                (!names.is_empty()).then_some(ContextValue::Many(names))
            }),
            K::SourceOrgId => self.organization(known, self.source_account()),
            K::SourceOrgPaths => {
                self.organization_paths(known, &self.composed().source_paths, self.source_account())
            }
            // What only the front can have seen.
            K::CalledViaAwsMcp
            | K::ChatbotSourceArn
            | K::CodeBuildBuildArn
            | K::CodeBuildProjectArn
            | K::Ec2InstanceSourcePrivateIpv4
            | K::Ec2InstanceSourceVpc
            | K::Ec2RoleDelivery
            | K::Ec2SourceInstanceArn
            | K::FederatedProvider
            | K::GlueCredentialIssuingService
            | K::GlueRoleAssumedBy
            | K::IdentityStoreUserId
            | K::LambdaSourceFunctionArn
            | K::MultiFactorAuthAge
            | K::MultiFactorAuthPresent
            | K::Referer
            | K::SamlNameQualifier
            | K::SamlSub
            | K::SamlSubType
            | K::SecureTransport
            | K::SignInSessionArn
            | K::SourceAccount
            | K::SourceArn
            | K::SourceIdentity
            | K::SourceIp
            | K::SourceVpce
            | K::SsmSourceInstanceArn
            | K::TokenIssueTime
            | K::UserAgent
            | K::ViaAwsMcpService
            | K::VpcSourceIp => self.fact(&ContextKey::Known(known)),
            // CK-58: policies that ask for these where they could be are refused.
            K::IamPermissionsBoundary | K::IsMcpServiceAction => None,
        }
    }

    /// The account of the resource that made a service call, by the front's word.
    fn source_account(&self) -> Option<AccountId> {
        let key = ContextKey::Known(KnownKey::SourceAccount);
        match &self.facts.iter().find(|(k, _)| *k == key)?.1 {
            Fact::One(text) => text.parse().ok(),
            Fact::Many(_) => None,
        }
    }

    /// The request's `aws:SourceArn`, which a grant's constraint looks at (G-28).
    pub fn source_arn(&self) -> Option<&str> {
        let key = ContextKey::Known(KnownKey::SourceArn);
        match &self.facts.iter().find(|(k, _)| *k == key)?.1 {
            Fact::One(text) => Some(text),
            Fact::Many(_) => None,
        }
    }
}

/// A calling service as `aws:CalledVia` names it: `s3.us-west-2.amazonaws.com` is `s3.amazonaws.com` there, the
/// service principal, which is of no Region (CK-0, CK-34).
fn service_principal(via_service: &str) -> String {
    let parts = via_service
        .split_once('.')
        .and_then(|(service, rest)| Some((service, rest.split_once('.')?)));
    match parts {
        Some((service, (region, suffix))) if region.contains('-') => {
            format!("{service}.{suffix}")
        }
        Some(_) | None => via_service.to_owned(),
    }
}

/// The VPC endpoint that a request came through.
#[derive(Clone, Copy)]
enum Through<'a> {
    /// No endpoint is kept here: what is said of one are values of condition keys and nothing more.
    Nowhere,
    /// Endpoints are kept, and it came through none.
    None,
    Known(&'a VpcEndpoint),
    Unknown,
}

/// The endpoint that the front says the request came through. Where the policies of endpoints are kept here, one that the
/// state does not have, or that is no id of any, is not taken for none: a policy that is not known would otherwise allow
/// everything.
fn through<'a>(state: &'a State, facts: &BTreeMap<Arc<str>, ContextEntry>) -> Through<'a> {
    if state.endpoint_count() == 0 {
        return Through::Nowhere;
    }
    let stored = match facts.get("aws:sourcevpce") {
        None => return Through::None,
        Some(ContextEntry::Single(id)) => id.parse().ok().and_then(|id| state.endpoint(&id)),
        Some(ContextEntry::Multi(_)) => None,
    };
    stored.map_or(Through::Unknown, |endpoint| Through::Known(endpoint))
}

impl ContextSource for RequestContext<'_> {
    fn effort(&self) -> Option<&Effort<'_>> {
        self.effort
    }

    fn get<'a>(&'a self, key: &'a ContextKey) -> Option<ContextValue<'a>> {
        // CK-40: whoever brings it, a key that does not apply to the operation is absent.
        if let Some(action) = self.kms()
            && key.presence(action) == Presence::Never
        {
            return None;
        }
        // Through an endpoint there is no address of the caller, whatever is said (CK-0).
        if matches!(self.request.parameters, Parameters::Stated(_))
            && *key != ContextKey::Known(KnownKey::SourceIp)
            && let Some(stated) = self.fact(key)
        {
            return Some(stated);
        }
        match key {
            ContextKey::Known(known) => self.known(*known),
            ContextKey::PrincipalTag(name) => self.principal_tag(name),
            ContextKey::ResourceTag(name) => match self.resource_tags() {
                Some(tags) => Spellings::find(tags, name),
                None => self.tag_of_new_key(name),
            },
            ContextKey::IamResourceTag(name) => match self.request.target {
                Target::Principal(_) => Spellings::find(self.resource_tags()?, name),
                Target::Key { .. } | Target::Alias(_) | Target::Group(_) | Target::Account(_) => {
                    None
                }
            },
            ContextKey::RequestTag(name) => {
                match (self.request.parameters.tags(), &self.request.parameters) {
                    (RequestTags::Set(tags), _) => Spellings::find(tags, name),
                    (RequestTags::Removed(_), _) | (RequestTags::Absent, Parameters::Known(..)) => {
                        None
                    }
                    (RequestTags::Absent, Parameters::FromFront | Parameters::Stated(_)) => {
                        self.fact(key)
                    }
                }
            }
            ContextKey::EncryptionContext(name) => {
                if !self.has_encryption_context() {
                    return None;
                }
                Spellings::find(self.request.encryption_context, name)
            }
            // CK-25: what attests to the recipient, of operations that are carried out elsewhere.
            ContextKey::Pcr(_) | ContextKey::NitroTpmPcr(_) => match &self.request.parameters {
                Parameters::Known(..) => None,
                Parameters::FromFront | Parameters::Stated(_) => self.fact(key),
            },
            // Nobody but the server speaks for KMS: a `kms:` key that it does not know is absent (CK-40).
            ContextKey::Other(name) if name.as_str().starts_with("kms:") => None,
            ContextKey::Other(_) => self.fact(key),
        }
    }
}
