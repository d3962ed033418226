//! Rules D-1 to D-17, P-24, G-2 to G-4, G-12, G-13, G-22 to G-30, G-50 to G-53, each with its negative twin.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::grant::is_as_strict;
use super::*;
use crate::domain::authz::decision::Outcome::{self, Allow, ExplicitDeny, ImplicitDeny};
use crate::domain::ids::{GrantId, PrincipalArn, UniqueId};
use crate::domain::policy::{ContextKey, ContextValue, PolicyKind, Profile, ResourceName};
use crate::domain::state::grant::{ConstraintKeyCase, ContextConstraint};
use crate::domain::state::organization::ControlKind;
use crate::domain::time::{Revision, Timestamp};

const OWN: &str = "111122223333";
const OTHER: &str = "444455556666";
const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const BOB: &str = "arn:aws:iam::111122223333:user/bob";
const EXT: &str = "arn:aws:iam::444455556666:user/ext";
const ROLE: &str = "arn:aws:iam::111122223333:role/team/app";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/app/one";
const FED: &str = "arn:aws:sts::111122223333:federated-user/ann";
const ROOT: &str = "arn:aws:iam::111122223333:root";
const SERVICE: &str = "ec2.amazonaws.com";

/// A world of one request, as short texts.
struct World {
    who: &'static str,
    action: &'static str,
    resource: &'static str,
    key: Vec<String>,
    identity: Vec<String>,
    boundary: Option<String>,
    session: Vec<String>,
    service_control: Vec<Vec<String>>,
    resource_control: Vec<Vec<String>>,
    endpoint: Option<String>,
    grants: Vec<Grant>,
    context: BTreeMap<ContextKey, String>,
    encryption_context: EncryptionContext,
    constraint_key_case: ConstraintKeyCase,
    new_grant: Option<(GrantOperations, GrantConstraints)>,
    retired: Option<Grant>,
    is_aws_managed: bool,
    owner: &'static str,
    /// The service that the caller's role was made for.
    linked: Option<&'static str>,
}

fn world(who: &'static str, action: &'static str) -> World {
    World {
        who,
        action,
        resource: KEY,
        key: Vec::new(),
        identity: Vec::new(),
        boundary: None,
        session: Vec::new(),
        service_control: Vec::new(),
        resource_control: Vec::new(),
        endpoint: None,
        grants: Vec::new(),
        context: BTreeMap::new(),
        encryption_context: EncryptionContext::new(),
        constraint_key_case: ConstraintKeyCase::Sensitive,
        new_grant: None,
        retired: None,
        is_aws_managed: false,
        owner: OWN,
        linked: None,
    }
}

/// `Allow kms:Decrypt` as a statement; with a principal for key policies.
fn statement(effect: &str, action: &str, principal: &str) -> String {
    let principal = match principal {
        "" => String::new(),
        "*" => r#""Principal":"*","#.into(),
        name if name.starts_with("not ") => {
            let listed: Vec<_> = name[4..].split(' ').map(|p| format!("\"{p}\"")).collect();
            format!(r#""NotPrincipal":{{"AWS":[{}]}},"#, listed.join(","))
        }
        name if name.ends_with(".com") => format!(r#""Principal":{{"Service":"{name}"}},"#),
        name => format!(r#""Principal":{{"AWS":"{name}"}},"#),
    };
    format!(r#"{{"Effect":"{effect}",{principal}"Action":"{action}","Resource":"*"}}"#)
}

fn allow(action: &str) -> String {
    statement("Allow", action, "")
}

fn deny(action: &str) -> String {
    statement("Deny", action, "")
}

fn policy(statements: &[String], kind: PolicyKind) -> Arc<Policy> {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
        statements.join(",")
    );
    // As a world holds it: what a customer's resource control policy may not say, AWS's own does (P-51).
    Policy::parse_unstored(&text, kind).unwrap_or_else(|error| panic!("{error}: {text}"))
}

struct Map<'a>(&'a BTreeMap<ContextKey, String>);

impl crate::domain::policy::ContextSource for Map<'_> {
    fn get<'a>(&'a self, key: &'a ContextKey) -> Option<ContextValue<'a>> {
        self.0.get(key).map(|text| ContextValue::text(text))
    }
}

impl World {
    fn key(mut self, effect: &str, principal: &str) -> Self {
        let action = if self.action.starts_with("kms:") {
            self.action
        } else {
            "kms:*"
        };
        self.key.push(statement(effect, action, principal));
        self
    }

    fn identity(mut self, statement: String) -> Self {
        self.identity.push(statement);
        self
    }

    fn boundary(mut self, statement: String) -> Self {
        self.boundary = Some(statement);
        self
    }

    fn session(mut self, statement: String) -> Self {
        self.session.push(statement);
        self
    }

    fn scp(mut self, level: &[String]) -> Self {
        self.service_control.push(level.to_vec());
        self
    }

    fn grant(mut self, grant: Grant) -> Self {
        self.grants.push(grant);
        self
    }

    fn on(mut self, resource: &'static str) -> Self {
        self.resource = resource;
        self
    }

    fn decide(&self) -> Decision {
        let arn = |text: &str| text.parse::<PrincipalArn>().unwrap();
        let (user, role, session) = (
            arn(if self.who.starts_with("arn:aws:iam") {
                self.who
            } else {
                BOB
            }),
            arn(ROLE),
            arn(SESSION),
        );
        let (fed, service) = (arn(FED), SERVICE.parse().unwrap());
        let linked = self.linked.map(|service| service.parse().unwrap());
        let who = match self.who {
            SESSION => Who::RoleSession {
                session: &session,
                role: &role,
                unique_id: None,
                service: linked.as_ref(),
            },
            FED => Who::FederatedUser {
                arn: &fed,
                federated_by: Some(&user),
                unique_id: None,
            },
            SERVICE => Who::Service { name: &service },
            text if text.ends_with(":root") => Who::Root {
                partition: user.partition(),
                account: user.account(),
            },
            _ => Who::User {
                arn: &user,
                unique_id: None,
            },
        };
        let owner: AccountId = self.owner.parse().unwrap();
        let key_policy = (!self.key.is_empty()).then(|| policy(&self.key, PolicyKind::Key));
        let identity =
            (!self.identity.is_empty()).then(|| policy(&self.identity, PolicyKind::Identity));
        let boundary = self
            .boundary
            .clone()
            .map(|s| policy(&[s], PolicyKind::Boundary));
        let session_policies: Vec<_> = self
            .session
            .iter()
            .map(|s| policy(std::slice::from_ref(s), PolicyKind::Session))
            .collect();
        let read =
            |levels: &[Vec<String>], kind: PolicyKind| -> Vec<Vec<(Arc<str>, Arc<Policy>)>> {
                levels
                    .iter()
                    .map(|level| {
                        level
                            .iter()
                            .map(|s| ("".into(), policy(std::slice::from_ref(s), kind)))
                            .collect()
                    })
                    .collect()
            };
        let service_control = read(&self.service_control, PolicyKind::ServiceControl);
        let resource_control = read(&self.resource_control, PolicyKind::ResourceControl);
        fn levels(read: &[Vec<(Arc<str>, Arc<Policy>)>]) -> Vec<Level<'_>> {
            let level = |policies| Level {
                node: None,
                policies,
            };
            read.iter().map(|policies| level(&**policies)).collect()
        }
        let endpoint = self
            .endpoint
            .clone()
            .map(|s| policy(&[s], PolicyKind::VpcEndpoint));
        let action = Action::parse(self.action);
        let resource = ResourceName::arn(self.resource).unwrap_or(ResourceName::none(
            "aws",
            "kms",
            "eu-west-1",
            OWN,
        ));
        let object = if self.resource.contains(":key/") {
            Object::Key {
                owner,
                policy: key_policy.as_deref(),
                bindings: None,
                is_aws_managed: self.is_aws_managed,
            }
        } else {
            Object::Other { owner }
        };
        let subject = match (&self.new_grant, &self.retired) {
            (Some((operations, constraints)), _) => Subject::NewGrant {
                operations: *operations,
                constraints,
            },
            (None, Some(grant)) => Subject::Retired(grant),
            (None, None) => Subject::Nothing,
        };
        combine(&Evidence {
            ask: Ask {
                action: &action,
                resource,
                who,
                has_boundary: boundary.is_some(),
                context: &Map(&self.context),
                profile: Profile::Current,
            },
            resource: Some(&self.resource),
            object,
            identity: || {
                identity.iter().map(|policy| NamedPolicy {
                    name: None,
                    group: None,
                    policy,
                })
            },
            boundary: boundary.as_deref(),
            session: &session_policies,
            service_control: &levels(&service_control),
            resource_control: &levels(&resource_control),
            endpoint: endpoint.as_deref().into(),
            grants: || self.grants.iter(),
            encryption_context: &self.encryption_context,
            constraint_key_case: self.constraint_key_case,
            subject,
        })
    }

    fn outcome(&self) -> Outcome {
        self.decide().outcome()
    }

    #[track_caller]
    fn is(self, outcome: Outcome) -> Self {
        let decision = self.decide();
        assert_eq!(decision.outcome(), outcome, "{decision}");
        self
    }

    #[track_caller]
    fn lacks(self, missing: Missing) -> Self {
        assert_eq!(self.decide().missing(), Some(missing));
        self
    }

    #[track_caller]
    fn by(self, source: Source) -> Self {
        assert_eq!(self.decide().decided_by().map(|by| by.source), Some(source));
        self
    }
}

fn named(text: &str) -> GrantPrincipal {
    if text.ends_with(".com") {
        return GrantPrincipal::Service(text.parse().unwrap());
    }
    let arn: PrincipalArn = text.parse().unwrap();
    let unique_id = UniqueId::of_account(arn.account());
    GrantPrincipal::Arn { arn, unique_id }
}

fn ops(list: &[&str]) -> GrantOperations {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

fn grant(grantee: &str, operations: &[&str]) -> Grant {
    Grant {
        id: GrantId([7; 32]),
        key: KEY.parse().unwrap(),
        grantee: named(grantee),
        retiring: None,
        operations: ops(operations),
        constraints: GrantConstraints::default(),
        name: None,
        issuing_account: OWN.parse().unwrap(),
        created_at: Timestamp::from_millis(0),
        born: Revision(1),
        spent: 0,
        ancestors: Vec::new(),
        epoch: 1,
    }
}

fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
    pairs
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()))
        .collect()
}

fn equals(pairs: &[(&str, &str)]) -> GrantConstraints {
    GrantConstraints {
        context: Some(ContextConstraint::Equals(context(pairs).into())),
        source_arn: None,
        term: Default::default(),
    }
}

fn subset(pairs: &[(&str, &str)]) -> GrantConstraints {
    GrantConstraints {
        context: Some(ContextConstraint::Subset(context(pairs).into())),
        source_arn: None,
        term: Default::default(),
    }
}

const DECRYPT: &str = "kms:Decrypt";

/// D-1: nobody has access by default, root included.
#[test]
fn nobody_is_allowed_without_evidence() {
    for who in [BOB, ROOT, SESSION, FED, SERVICE, EXT] {
        world(who, DECRYPT).is(ImplicitDeny);
    }
}

/// D-4, D-5, D-6: a key policy that names the caller is enough; one that names the account enables identity policies.
#[test]
fn key_policy_names_the_caller_or_enables_identity_policies() {
    world(BOB, DECRYPT)
        .key("Allow", BOB)
        .is(Allow)
        .by(Source::KeyPolicy);
    world(BOB, DECRYPT)
        .key("Allow", "*")
        .is(Allow)
        .by(Source::KeyPolicy);
    world(BOB, DECRYPT)
        .key("Allow", OWN)
        .lacks(Missing::IdentityPolicy);
    world(BOB, DECRYPT)
        .key("Allow", OWN)
        .identity(allow("kms:*"))
        .is(Allow)
        .by(Source::IdentityPolicy);
    world(BOB, DECRYPT)
        .identity(allow("kms:*"))
        .lacks(Missing::KeyPolicy);
    world(BOB, DECRYPT)
        .key("Allow", EXT)
        .lacks(Missing::IdentityPolicy);
}

/// D-7: root is allowed by the account statement alone, and locked out without it.
#[test]
fn root_is_allowed_by_the_account_statement_alone() {
    world(ROOT, DECRYPT).key("Allow", OWN).is(Allow);
    world(ROOT, DECRYPT)
        .key("Allow", BOB)
        .lacks(Missing::KeyPolicy);
    world(ROOT, DECRYPT)
        .key("Allow", OWN)
        .scp(&[deny("kms:*"), allow("*")])
        .is(ExplicitDeny);
}

/// D-8, D-9: across accounts both sides must allow, and only actions that reach across.
#[test]
fn caller_of_another_account_needs_both_sides() {
    for principal in [EXT, OTHER, "*"] {
        world(EXT, DECRYPT)
            .key("Allow", principal)
            .lacks(Missing::IdentityPolicy);
        world(EXT, DECRYPT)
            .key("Allow", principal)
            .identity(allow(DECRYPT))
            .is(Allow)
            .by(Source::KeyAndIdentityPolicy);
        world(EXT, "kms:PutKeyPolicy")
            .key("Allow", principal)
            .identity(allow("kms:*"))
            .lacks(Missing::CrossAccount);
    }
    world(EXT, DECRYPT)
        .identity(allow(DECRYPT))
        .lacks(Missing::KeyPolicy);
    world("arn:aws:iam::444455556666:root", DECRYPT)
        .key("Allow", OTHER)
        .is(Allow);
    world("arn:aws:iam::444455556666:root", DECRYPT).lacks(Missing::KeyPolicy);
}

/// D-2, P-25: an explicit deny in any policy wins, and M-4 says which one is named.
#[test]
fn explicit_deny_anywhere_wins() {
    let allowed = || world(BOB, DECRYPT).key("Allow", BOB).identity(allow("*"));
    allowed().is(Allow);
    allowed()
        .key("Deny", OWN)
        .is(ExplicitDeny)
        .by(Source::KeyPolicy);
    allowed()
        .identity(deny("KMS:decrypt"))
        .is(ExplicitDeny)
        .by(Source::IdentityPolicy);
    allowed()
        .boundary(deny("kms:De*"))
        .is(ExplicitDeny)
        .by(Source::PermissionsBoundary);
    world(SESSION, DECRYPT)
        .key("Allow", "*")
        .session(deny("*"))
        .is(ExplicitDeny)
        .by(Source::SessionPolicy);
    allowed()
        .identity(deny("*"))
        .scp(&[deny("*"), allow("*")])
        .is(ExplicitDeny)
        .by(Source::ServiceControlPolicy);
    let mut behind_endpoint = allowed();
    behind_endpoint.endpoint = Some(statement("Deny", "*", "*"));
    behind_endpoint
        .is(ExplicitDeny)
        .by(Source::VpcEndpointPolicy);
    let mut under_rcp = allowed();
    under_rcp.resource_control = vec![vec![
        statement("Deny", "*", "*"),
        statement("Allow", "*", "*"),
    ]];
    let mut managed = under_rcp.is(ExplicitDeny).by(Source::ResourceControlPolicy);
    managed.is_aws_managed = true;
    managed.is(Allow);
}

/// G-3: an explicit deny beats a grant.
#[test]
fn explicit_deny_beats_a_grant() {
    world(BOB, DECRYPT)
        .grant(grant(BOB, &["Decrypt"]))
        .is(Allow)
        .by(Source::Grant)
        .key("Deny", BOB)
        .is(ExplicitDeny);
    world(BOB, DECRYPT)
        .grant(grant(BOB, &["Decrypt"]))
        .identity(deny("*"))
        .is(ExplicitDeny);
}

/// D-3, U-25: every level of service control policies must allow; root and roles are under them, services are not.
#[test]
fn every_level_of_service_control_policies_must_allow() {
    let levels = |world: World| {
        world
            .scp(&[allow("*")])
            .scp(&[allow("s3:*"), allow("kms:De*")])
    };
    levels(world(BOB, DECRYPT).key("Allow", BOB)).is(Allow);
    levels(world(BOB, "kms:Encrypt").key("Allow", BOB)).lacks(Missing::ServiceControlPolicy);
    levels(world(BOB, "kms:Encrypt").grant(grant(BOB, &["Encrypt"])))
        .lacks(Missing::ServiceControlPolicy);
    levels(world(ROOT, "kms:Encrypt").key("Allow", OWN)).lacks(Missing::ServiceControlPolicy);
    world(BOB, DECRYPT)
        .key("Allow", BOB)
        .scp(&[])
        .lacks(Missing::ServiceControlPolicy);
    world(SERVICE, DECRYPT)
        .key("Allow", SERVICE)
        .scp(&[deny("*")])
        .is(Allow);
}

/// D-3: resource control policies and endpoint policies that allow nothing.
#[test]
fn resource_control_and_endpoint_policies_must_allow() {
    let mut under = world(BOB, DECRYPT).key("Allow", BOB);
    under.resource_control = vec![vec![statement("Allow", "s3:*", "*")]];
    under.lacks(Missing::ResourceControlPolicy);
    let mut behind = world(BOB, DECRYPT).key("Allow", BOB);
    behind.endpoint = Some(statement("Allow", "kms:Encrypt", "*"));
    behind.lacks(Missing::EndpointPolicy);
}

/// D-11: boundary and session policy intersect with identity policies.
#[test]
fn boundary_and_session_policy_limit_identity_policies() {
    let enabled = || {
        world(SESSION, DECRYPT)
            .key("Allow", OWN)
            .identity(allow("kms:*"))
    };
    enabled().is(Allow);
    enabled()
        .boundary(allow("kms:Encrypt"))
        .lacks(Missing::Boundary);
    enabled().boundary(allow("kms:Decrypt")).is(Allow);
    enabled()
        .session(allow("kms:Encrypt"))
        .lacks(Missing::SessionPolicy);
    enabled().session(allow("kms:Decrypt")).is(Allow);
    enabled()
        .session(allow("kms:Encrypt"))
        .session(allow("kms:Decrypt"))
        .is(Allow);
    world(SESSION, DECRYPT)
        .key("Allow", OWN)
        .session(allow("*"))
        .lacks(Missing::IdentityPolicy);
}

/// D-4, D-12: of the statements that allow, the first is told; one that is limited allows where the limits do. D-7: for the
/// root user it is the account's own.
#[test]
fn first_statement_that_allows_is_told() {
    let told = |world: World| {
        let decision = world.decide();
        let by = decision.decided_by().and_then(|by| by.statement.clone());
        by.map(|statement| statement.index)
    };
    let both = || {
        world(SESSION, DECRYPT)
            .key("Allow", ROLE)
            .key("Allow", SESSION)
    };
    assert_eq!(told(both()), Some(0));
    assert_eq!(told(both().session(allow("kms:Encrypt"))), Some(1));
    let turned = world(SESSION, DECRYPT)
        .key("Allow", SESSION)
        .key("Allow", ROLE);
    assert_eq!(told(turned), Some(0));
    let root = || world(ROOT, DECRYPT).key("Allow", "*").key("Allow", ROOT);
    assert_eq!(told(root()), Some(1));
}

/// D-12: which direct allows a boundary or a session policy limits by not allowing.
#[test]
fn direct_allow_is_limited_for_role_and_federating_user_alone() {
    let narrow = || allow("kms:Encrypt");
    world(BOB, DECRYPT)
        .key("Allow", BOB)
        .boundary(narrow())
        .is(Allow);
    world(SESSION, DECRYPT).key("Allow", ROLE).is(Allow);
    world(SESSION, DECRYPT)
        .key("Allow", ROLE)
        .boundary(narrow())
        .lacks(Missing::Boundary);
    world(SESSION, DECRYPT)
        .key("Allow", ROLE)
        .session(narrow())
        .lacks(Missing::SessionPolicy);
    world(SESSION, DECRYPT)
        .key("Allow", SESSION)
        .boundary(narrow())
        .session(narrow())
        .is(Allow);
    world(SESSION, DECRYPT)
        .key("Allow", ROLE)
        .key("Allow", SESSION)
        .session(narrow())
        .is(Allow);
    world(FED, DECRYPT)
        .key("Allow", FED)
        .session(narrow())
        .is(Allow);
    world(FED, DECRYPT)
        .key("Allow", BOB)
        .session(narrow())
        .lacks(Missing::SessionPolicy);
    world(FED, DECRYPT)
        .key("Allow", BOB)
        .session(allow("kms:Decrypt"))
        .is(Allow);
    // U-23
    world(SESSION, DECRYPT)
        .key("Allow", "*")
        .boundary(narrow())
        .session(narrow())
        .is(Allow);
}

/// P-24: NotPrincipal with Deny exempts only who is fully listed, and nobody with a boundary.
#[test]
fn not_principal_denies_everyone_who_is_not_fully_listed() {
    let listed = |names: &str| {
        world(BOB, DECRYPT)
            .key("Allow", BOB)
            .key("Deny", &format!("not {names}"))
    };
    listed(&format!("{BOB} {ROOT}")).is(Allow);
    listed(BOB).is(ExplicitDeny);
    listed(ROOT).is(ExplicitDeny);
    listed(&format!("{BOB} {ROOT}"))
        .boundary(allow("*"))
        .is(ExplicitDeny);
    let session = |names: &str| {
        world(SESSION, DECRYPT)
            .key("Allow", ROLE)
            .key("Deny", &format!("not {names}"))
    };
    session(&format!("{ROLE} {SESSION} {ROOT}")).is(Allow);
    session(&format!("{BOB} {ROOT}")).is(ExplicitDeny);
    // NotPrincipal with Allow is everyone except the listed.
    world(BOB, DECRYPT)
        .key("Allow", &format!("not {EXT}"))
        .is(Allow);
    world(BOB, DECRYPT)
        .key("Allow", &format!("not {BOB}"))
        .is(ImplicitDeny);
}

/// P-23: a service needs its own statement, or a grant; it has no account.
#[test]
fn service_is_allowed_by_name_or_grant() {
    world(SERVICE, DECRYPT).key("Allow", SERVICE).is(Allow);
    world(SERVICE, DECRYPT).key("Allow", "*").is(Allow);
    world(SERVICE, DECRYPT).key("Allow", OWN).is(ImplicitDeny);
    world(SERVICE, DECRYPT)
        .key("Allow", "s3.amazonaws.com")
        .is(ImplicitDeny);
    world(SERVICE, DECRYPT)
        .grant(grant(SERVICE, &["Decrypt"]))
        .is(Allow)
        .by(Source::Grant);
    world(BOB, DECRYPT).key("Allow", SERVICE).is(ImplicitDeny);
}

/// P-12, D-14: without a key, identity policies of the same account decide alone; key policies and grants do not count.
#[test]
fn request_without_a_key_is_decided_by_identity_policies() {
    let alias = "arn:aws:kms:eu-west-1:111122223333:alias/app";
    for (action, resource) in [
        ("kms:ListKeys", "*"),
        ("kms:CreateAlias", alias),
        ("iam:CreateUser", BOB),
    ] {
        world(BOB, action)
            .on(resource)
            .identity(allow(action))
            .is(Allow)
            .by(Source::IdentityPolicy);
        world(BOB, action)
            .on(resource)
            .key("Allow", BOB)
            .lacks(Missing::IdentityPolicy);
        world(BOB, action)
            .on(resource)
            .identity(allow(action))
            .boundary(allow("s3:*"))
            .lacks(Missing::Boundary);
        world(EXT, action)
            .on(resource)
            .identity(allow(action))
            .lacks(Missing::CrossAccount);
        world(ROOT, action)
            .on(resource)
            .is(Allow)
            .by(Source::Account);
        world(BOB, action)
            .on(resource)
            .identity(allow("*"))
            .scp(&[allow("s3:*")])
            .lacks(Missing::ServiceControlPolicy);
    }
}

/// G-2, G-4, D-10: a grant is enough by itself, for its grantee and its operations, in any account.
#[test]
fn grant_allows_its_grantee_its_operations() {
    world(BOB, DECRYPT)
        .grant(grant(BOB, &["Decrypt"]))
        .is(Allow)
        .by(Source::Grant);
    world(EXT, DECRYPT)
        .grant(grant(EXT, &["Decrypt"]))
        .is(Allow)
        .by(Source::Grant);
    world(BOB, "kms:Encrypt")
        .grant(grant(BOB, &["Decrypt"]))
        .is(ImplicitDeny);
    world(BOB, DECRYPT)
        .grant(grant(EXT, &["Decrypt"]))
        .is(ImplicitDeny);
    world(SESSION, DECRYPT)
        .grant(grant(ROLE, &["Decrypt"]))
        .is(Allow);
    world(SESSION, DECRYPT)
        .grant(grant(SESSION, &["Decrypt"]))
        .is(Allow);
    let other = "arn:aws:sts::111122223333:assumed-role/app/two";
    world(SESSION, DECRYPT)
        .grant(grant(other, &["Decrypt"]))
        .is(ImplicitDeny);
    world(FED, DECRYPT)
        .grant(grant(FED, &["Decrypt"]))
        .is(Allow);
    world(FED, DECRYPT)
        .grant(grant(BOB, &["Decrypt"]))
        .is(ImplicitDeny);
    // G-30: any one of several is enough.
    world(BOB, DECRYPT)
        .grant(grant(BOB, &["Sign"]))
        .grant(grant(BOB, &["Decrypt"]))
        .is(Allow);
}

/// U-3: a grant to an account delegates to its identity policies; its root user needs none.
#[test]
fn grant_to_an_account_needs_its_identity_policies() {
    world(BOB, DECRYPT)
        .grant(grant(ROOT, &["Decrypt"]))
        .is(ImplicitDeny);
    world(BOB, DECRYPT)
        .grant(grant(ROOT, &["Decrypt"]))
        .identity(allow(DECRYPT))
        .is(Allow)
        .by(Source::Grant);
    world(ROOT, DECRYPT)
        .grant(grant(ROOT, &["Decrypt"]))
        .is(Allow);
    world(EXT, DECRYPT)
        .grant(grant(ROOT, &["Decrypt"]))
        .identity(allow(DECRYPT))
        .is(ImplicitDeny);
}

/// D-13, U-20: what a boundary or a session policy does not allow does not limit a grant.
#[test]
fn grant_is_not_limited_by_what_boundary_and_session_do_not_allow() {
    let granted = || world(SESSION, DECRYPT).grant(grant(ROLE, &["Decrypt"]));
    granted()
        .boundary(allow("s3:*"))
        .session(allow("s3:*"))
        .is(Allow);
    granted().boundary(deny("kms:*")).is(ExplicitDeny);
}

/// G-25, G-27, G-29: constraints on the encryption context, case sensitive, where they apply.
#[test]
fn grant_constraint_limits_by_the_encryption_context() {
    let with = |constraints: GrantConstraints, action: &'static str, pairs: &[(&str, &str)]| {
        let mut granted = grant(BOB, &["Decrypt", "DescribeKey", "ReEncryptTo"]);
        granted.constraints = constraints;
        let mut world = world(BOB, action).grant(granted);
        world.encryption_context = context(pairs);
        world.outcome()
    };
    let two = [("a", "1"), ("b", "2")];
    assert_eq!(with(equals(&two), DECRYPT, &two), Allow);
    assert_eq!(with(equals(&two), DECRYPT, &two[..1]), ImplicitDeny);
    assert_eq!(with(equals(&two[..1]), DECRYPT, &two), ImplicitDeny);
    assert_eq!(with(subset(&two[..1]), DECRYPT, &two), Allow);
    assert_eq!(with(subset(&two), DECRYPT, &two[..1]), ImplicitDeny);
    assert_eq!(with(subset(&two), "kms:ReEncryptTo", &two), Allow);
    assert_eq!(
        with(subset(&[("a", "x")]), DECRYPT, &[("a", "X")]),
        ImplicitDeny
    );
    assert_eq!(
        with(subset(&[("A", "1")]), DECRYPT, &[("a", "1")]),
        ImplicitDeny
    );
    assert_eq!(with(equals(&two), DECRYPT, &[]), ImplicitDeny);
    assert_eq!(with(equals(&two), "kms:DescribeKey", &[]), Allow);
}

/// G-28: a SourceArn constraint wants `aws:SourceArn` to be equal.
#[test]
fn source_arn_constraint_limits_by_the_source() {
    let source = "arn:aws:s3:::bucket";
    let mut granted = grant(BOB, &["Decrypt", "RetireGrant"]);
    granted.constraints.source_arn = source.parse().ok();
    let mut asked = world(BOB, DECRYPT).grant(granted.clone()).is(ImplicitDeny);
    asked
        .context
        .insert(ContextKey::parse("aws:SourceArn"), source.into());
    let mut other = asked.is(Allow);
    other.context.insert(
        ContextKey::parse("aws:SourceArn"),
        "arn:aws:s3:::Bucket".into(),
    );
    other.is(ImplicitDeny);
    let mut retirement = world(BOB, "kms:RetireGrant");
    retirement.retired = Some(granted);
    retirement.is(Allow);
}

/// G-11, G-12, U-5: with a grant alone, the child must be covered by one parent; with a policy, anything goes.
#[test]
fn child_grant_must_be_covered_by_one_parent() {
    let asks = |operations: &[&str], parents: &[&[&str]]| {
        let mut world = world(BOB, "kms:CreateGrant");
        for parent in parents {
            world = world.grant(grant(BOB, parent));
        }
        world.new_grant = Some((ops(operations), GrantConstraints::default()));
        world
    };
    asks(&["Decrypt"], &[&["CreateGrant", "Decrypt", "Encrypt"]]).is(Allow);
    asks(&["Sign"], &[&["CreateGrant", "Decrypt"]]).is(ImplicitDeny);
    asks(&["Decrypt"], &[&["Decrypt"]]).is(ImplicitDeny);
    asks(
        &["Decrypt", "Encrypt"],
        &[&["CreateGrant", "Decrypt"], &["CreateGrant", "Encrypt"]],
    )
    .is(ImplicitDeny);
    asks(&["Decrypt"], &[&["CreateGrant", "Encrypt"], &["Decrypt"]]).is(ImplicitDeny);
    asks(&["Sign"], &[&["CreateGrant", "Decrypt"]])
        .key("Allow", BOB)
        .is(Allow)
        .by(Source::KeyPolicy);
}

/// G-13, U-6: a child's constraints are at least as strict as its parent's.
#[test]
fn child_constraints_must_be_as_strict_as_the_parents() {
    let one = [("a", "1")];
    let two = [("a", "1"), ("b", "2")];
    let source = |text: &str| GrantConstraints {
        context: None,
        source_arn: text.parse().ok(),
        term: Default::default(),
    };
    let none = GrantConstraints::default;
    for (parent, child, covered) in [
        (none(), none(), true),
        (none(), subset(&one), true),
        (none(), equals(&one), true),
        (subset(&one), none(), false),
        (subset(&one), subset(&two), true),
        (subset(&two), subset(&one), false),
        (subset(&one), equals(&two), true),
        (subset(&two), equals(&one), false),
        (equals(&one), equals(&one), true),
        (equals(&one), equals(&two), false),
        (equals(&one), subset(&one), false),
        (equals(&one), none(), false),
        (subset(&one), subset(&[("a", "2")]), false),
        (source("arn:aws:s3:::b"), source("arn:aws:s3:::b"), true),
        (source("arn:aws:s3:::b"), source("arn:aws:s3:::c"), false),
        (source("arn:aws:s3:::b"), none(), false),
        (none(), source("arn:aws:s3:::b"), true),
    ] {
        assert_eq!(
            is_as_strict(&child, &parent, ConstraintKeyCase::Sensitive),
            covered,
            "{parent:?} {child:?}"
        );
        let mut asked = grant(BOB, &["CreateGrant", "Decrypt"]);
        asked.constraints = parent;
        let mut world = world(BOB, "kms:CreateGrant").grant(asked);
        world.new_grant = Some((ops(&["Decrypt"]), child));
        assert_eq!(world.outcome() == Allow, covered);
    }
}

/// Whether a grant with these constraints admits Decrypt with a context.
fn satisfied(
    case: ConstraintKeyCase,
    constraints: &GrantConstraints,
    request: &EncryptionContext,
) -> bool {
    let mut granted = grant(BOB, &["Decrypt"]);
    granted.constraints = constraints.clone();
    let mut world = world(BOB, DECRYPT).grant(granted);
    world.constraint_key_case = case;
    world.encryption_context = request.clone();
    world.outcome() == Allow
}

/// G-25, G-26, U-12: the letter case of a constraint's keys counts only while they are case sensitive; that of values
/// always does. Of two keys that differ in nothing else nobody can say which is meant, so where keys are not case
/// sensitive a request that has both satisfies a constraint only if both fit.
#[test]
fn keys_of_a_constraint_compare_as_the_setting_says() {
    let one = [("Tenant", "Blue")];
    let two = [("Tenant", "Blue"), ("b", "2")];
    let both = [("Tenant", "Blue"), ("tenant", "Blue")];
    let torn = [("Tenant", "Blue"), ("tenant", "Red")];
    // The constraint, the pairs of the request, whether they satisfy it if keys are case sensitive, and if not.
    for (constraint, request, sensitive, insensitive) in [
        (equals(&one), &[("Tenant", "Blue")][..], true, true),
        (equals(&one), &[("tENANT", "Blue")], false, true),
        (equals(&one), &[("tenant", "blue")], false, false),
        (
            equals(&one),
            &[("tenant", "Blue"), ("b", "2")],
            false,
            false,
        ),
        (equals(&one), &[], false, false),
        // In another letter case the pairs stand in another order.
        (equals(&two), &[("B", "2"), ("tenant", "Blue")], false, true),
        (equals(&two), &[("B", "2")], false, false),
        (subset(&one), &[("tenant", "Blue"), ("B", "2")], false, true),
        (
            subset(&one),
            &[("tenant", "blue"), ("B", "2")],
            false,
            false,
        ),
        (subset(&two), &[("tenant", "Blue")], false, false),
        (equals(&[("Ä", "1")]), &[("ä", "1")], false, true),
        // The request has both: the same value, or two.
        (equals(&one), &both, false, true),
        (equals(&one), &torn, false, false),
        (subset(&one), &both, true, true),
        (subset(&one), &torn, true, false),
        (subset(&[("tenant", "Red")]), &torn, true, false),
        (
            subset(&[("b", "2")]),
            &[("a", "1"), ("A", "3"), ("b", "2")],
            true,
            true,
        ),
        (GrantConstraints::default(), &torn, true, true),
        // The constraint has both.
        (equals(&both), &both, true, true),
        (subset(&both), &both, true, true),
        (equals(&both), &one, false, true),
        (subset(&both), &one, false, true),
        (subset(&torn), &torn, true, false),
        (subset(&torn), &one, false, false),
    ] {
        for (case, wanted) in [
            (ConstraintKeyCase::Sensitive, sensitive),
            (ConstraintKeyCase::Insensitive, insensitive),
        ] {
            assert_eq!(
                satisfied(case, &constraint, &context(request)),
                wanted,
                "{case} {constraint:?} {request:?}"
            );
        }
    }
}

/// G-13, G-26, U-12: a child's constraints are as strict as its parent's but for the letter case of keys, where that does
/// not count. Of two keys that differ in it alone both must fit.
#[test]
fn strictness_of_a_child_follows_the_letter_case_of_keys() {
    let both = [("Tenant", "Blue"), ("tenant", "Blue")];
    for (parent, child, covered) in [
        (
            subset(&[("Tenant", "Blue")]),
            subset(&[("tenant", "Blue"), ("b", "2")]),
            true,
        ),
        (
            subset(&[("Tenant", "Blue")]),
            equals(&[("TENANT", "Blue")]),
            true,
        ),
        (
            equals(&[("Tenant", "Blue")]),
            equals(&[("tenant", "Blue")]),
            true,
        ),
        (
            equals(&[("Tenant", "Blue")]),
            subset(&[("tenant", "Blue")]),
            false,
        ),
        (
            subset(&[("Tenant", "Blue")]),
            subset(&[("tenant", "blue")]),
            false,
        ),
        (
            subset(&[("Tenant", "Blue")]),
            GrantConstraints::default(),
            false,
        ),
        (subset(&[("Tenant", "Blue")]), subset(&both), true),
        (
            subset(&[("Tenant", "Blue")]),
            subset(&[("Tenant", "Blue"), ("tenant", "Red")]),
            false,
        ),
        (subset(&both), subset(&both), true),
        (equals(&both), equals(&both), true),
        (GrantConstraints::default(), subset(&both), true),
    ] {
        assert_eq!(
            is_as_strict(&child, &parent, ConstraintKeyCase::Insensitive),
            covered,
            "{parent:?} {child:?}"
        );
        let mut asked = grant(BOB, &["CreateGrant", "Decrypt"]);
        asked.constraints = parent;
        let mut world = world(BOB, "kms:CreateGrant").grant(asked);
        world.constraint_key_case = ConstraintKeyCase::Insensitive;
        world.new_grant = Some((ops(&["Decrypt"]), child));
        assert_eq!(world.outcome() == Allow, covered);
    }
}

fn some_context() -> impl Strategy<Value = EncryptionContext> {
    let key = prop::sample::select(vec!["a", "A", "b", "B", "ä", "Ä"]);
    let value = prop::sample::select(vec!["1", "2"]);
    prop::collection::btree_map(key, value, 0..4).prop_map(|pairs| {
        let pairs: Vec<(&str, &str)> = pairs.into_iter().collect();
        context(&pairs)
    })
}

fn some_constraints() -> impl Strategy<Value = GrantConstraints> {
    (some_context(), any::<bool>()).prop_map(|(pairs, is_equals)| GrantConstraints {
        context: match (pairs.is_empty(), is_equals) {
            (true, _) => None,
            (false, true) => Some(ContextConstraint::Equals(pairs.into())),
            (false, false) => Some(ContextConstraint::Subset(pairs.into())),
        },
        source_arn: None,
        term: Default::default(),
    })
}

proptest! {
    /// G-12, G-13, G-26: whatever the setting, what satisfies a child that is as strict satisfies its parent.
    #[test]
    fn stricter_child_is_satisfied_by_no_more(
        parent in some_constraints(),
        child in some_constraints(),
        request in some_context(),
        case in prop::sample::select(ConstraintKeyCase::ALL),
    ) {
        if is_as_strict(&child, &parent, case) && satisfied(case, &child, &request) {
            prop_assert!(satisfied(case, &parent, &request));
        }
    }

    /// G-26, U-12: where letter case does not count, a request may be written in any.
    #[test]
    fn request_in_another_letter_case_is_the_same(
        constraints in some_constraints(),
        request in some_context(),
    ) {
        let other: EncryptionContext = request
            .iter()
            .map(|(key, value)| (key.to_uppercase().into(), value.clone()))
            .collect();
        if other.len() == request.len() {
            let case = ConstraintKeyCase::Insensitive;
            prop_assert_eq!(
                satisfied(case, &constraints, &request),
                satisfied(case, &constraints, &other)
            );
        }
    }
}

fn retirement(who: &'static str, change: impl FnOnce(&mut Grant)) -> World {
    let mut world = world(who, "kms:RetireGrant");
    let mut retired = grant("arn:aws:iam::111122223333:user/grantee", &["Decrypt"]);
    change(&mut retired);
    world.retired = Some(retired);
    world
}

/// G-50.1, G-50.2: the retiring principal, and a grantee whose grant holds RetireGrant.
#[test]
fn retiring_principal_and_entitled_grantee_may_retire() {
    retirement(BOB, |_| ()).lacks(Missing::IdentityPolicy);
    retirement(BOB, |grant| grant.retiring = Some(named(BOB)))
        .is(Allow)
        .by(Source::Grant);
    retirement(SESSION, |grant| grant.retiring = Some(named(ROLE))).is(Allow);
    retirement(EXT, |grant| grant.retiring = Some(named(EXT))).is(Allow);
    retirement(SERVICE, |grant| grant.retiring = Some(named(SERVICE))).is(Allow);
    retirement(BOB, |grant| grant.grantee = named(BOB)).is(ImplicitDeny);
    retirement(BOB, |grant| {
        grant.grantee = named(BOB);
        grant.operations = ops(&["Decrypt", "RetireGrant"]);
    })
    .is(Allow);
}

/// G-50.3, G-50.4, G-51, U-13: accounts behind the grant, directly or by delegation.
#[test]
fn accounts_behind_a_grant_may_retire_or_delegate() {
    let other_root = "arn:aws:iam::444455556666:root";
    retirement(ROOT, |_| ()).is(Allow).by(Source::Account);
    retirement(other_root, |_| ()).lacks(Missing::RetirementRight);
    retirement(other_root, |grant| {
        grant.issuing_account = OTHER.parse().unwrap()
    })
    .is(Allow);
    retirement(BOB, |_| ())
        .identity(allow("kms:RetireGrant"))
        .is(Allow)
        .by(Source::IdentityPolicy);
    retirement(EXT, |_| ())
        .identity(allow("kms:RetireGrant"))
        .lacks(Missing::RetirementRight);
    retirement(EXT, |grant| grant.issuing_account = OTHER.parse().unwrap())
        .identity(allow("kms:*"))
        .is(Allow);
    retirement(EXT, |grant| grant.retiring = Some(named(other_root)))
        .identity(allow("kms:*"))
        .is(Allow);
    retirement(EXT, |grant| grant.retiring = Some(named(other_root)))
        .lacks(Missing::IdentityPolicy);
    retirement(EXT, |grant| grant.retiring = Some(named(EXT)))
        .boundary(allow("s3:*"))
        .is(Allow);
}

/// G-52, G-53: key policies and resource control policies do not reach RetireGrant; identity policies do.
#[test]
fn only_policies_of_the_caller_can_stop_retirement() {
    let retiring = || retirement(BOB, |grant| grant.retiring = Some(named(BOB)));
    retiring().key("Deny", BOB).is(Allow);
    retirement(BOB, |_| ()).key("Allow", BOB).is(ImplicitDeny);
    let mut under_rcp = retiring();
    under_rcp.resource_control = vec![vec![statement("Deny", "*", "*")]];
    under_rcp.is(Allow);
    retiring()
        .identity(deny("kms:RetireGrant"))
        .is(ExplicitDeny);
    retiring()
        .scp(&[deny("kms:RetireGrant"), allow("*")])
        .is(ExplicitDeny);
    retiring().session(deny("*")).is(ExplicitDeny);
}

/// ID-18: a grant binds to the immutable id of its grantee.
#[test]
fn grantee_of_the_same_name_with_another_id_is_another() {
    let arn: PrincipalArn = BOB.parse().unwrap();
    let (old, new) = (
        UniqueId::of_new_user(&[1; 16]),
        UniqueId::of_new_user(&[2; 16]),
    );
    let named = GrantPrincipal::Arn {
        arn: arn.clone(),
        unique_id: old.clone(),
    };
    let is_caller = |id| {
        matches!(
            grantee_match(
                &named,
                &Who::User {
                    arn: &arn,
                    unique_id: Some(id)
                }
            ),
            Grantee::Caller
        )
    };
    assert!(is_caller(&old));
    assert!(!is_caller(&new));
}

/// G-6: the closed list of grant operations and the action table agree.
#[test]
fn every_grantable_action_is_a_grant_operation() {
    for action in KmsAction::ALL {
        let operation = operation_of(*action);
        assert_eq!(operation.is_some(), action.is_grantable(), "{action}");
        assert!(
            operation.is_none_or(|operation| operation.as_str() == action.name()),
            "{action}"
        );
    }
}

/// D-3, D-18: a role that was made for a service is out of reach of control policies of both kinds, be they denials or
/// lists that lack the action; a role is not made for one by its path.
#[test]
fn control_policies_reach_every_session_but_of_a_service_linked_role() {
    let denied = [allow("*"), deny("kms:*")];
    let unlisted = [allow("s3:*")];
    let rcp = |statements: &[String]| -> Vec<Vec<String>> {
        let everyone = |s: &String| s.replace("\"Action\"", r#""Principal":"*","Action""#);
        vec![statements.iter().map(everyone).collect()]
    };
    for (statements, outcome) in [(&denied[..], ExplicitDeny), (&unlisted[..], ImplicitDeny)] {
        for kind in [ControlKind::Service, ControlKind::Resource] {
            let mut asked = world(SESSION, DECRYPT).key("Allow", SESSION);
            match kind {
                ControlKind::Service => asked.service_control = vec![statements.to_vec()],
                ControlKind::Resource => asked.resource_control = rcp(statements),
            }
            asked = asked.is(outcome);
            asked.linked = Some("autoscaling.amazonaws.com");
            asked.is(Allow);
        }
    }
    let session: PrincipalArn = SESSION.parse().unwrap();
    let role = "arn:aws:iam::111122223333:role/aws-service-role/cks.kms.amazonaws.com/app";
    let who = Who::RoleSession {
        session: &session,
        role: &role.parse().unwrap(),
        unique_id: None,
        service: None,
    };
    assert!(is_under_service_control(&who));
    assert!(is_under_resource_control(&who, &key_object(), false));
}

fn key_object() -> Object<'static> {
    Object::Key {
        owner: OWN.parse().unwrap(),
        policy: None,
        bindings: None,
        is_aws_managed: false,
    }
}

/// D-19: a federated user to whom no session policy was passed has nothing of its user's; what names it, or everyone, and
/// a grant of its own it has. A role's session without one is not limited.
#[test]
fn federated_user_without_a_session_policy_has_what_names_it_alone() {
    let own = |who| world(who, DECRYPT).identity(allow("kms:*"));
    own(SESSION).key("Allow", ROOT).is(Allow);
    let asked = own(FED).key("Allow", ROOT).is(ImplicitDeny);
    assert_eq!(asked.decide().missing(), Some(Missing::SessionPolicy));
    asked.session(allow("kms:Decrypt")).is(Allow);
    own(FED)
        .key("Allow", ROOT)
        .session(allow("kms:Encrypt"))
        .is(ImplicitDeny);
    own(FED).key("Allow", BOB).is(ImplicitDeny);
    own(FED)
        .key("Allow", BOB)
        .session(allow("kms:Decrypt"))
        .is(Allow);
    own(FED).key("Allow", FED).is(Allow);
    own(FED).key("Allow", "*").is(Allow);
    own(FED).grant(grant(FED, &["Decrypt"])).is(Allow);
    own(FED).grant(grant(ROOT, &["Decrypt"])).is(ImplicitDeny);
    own(FED)
        .grant(grant(ROOT, &["Decrypt"]))
        .session(allow("*"))
        .is(Allow);
    // Without a key its identity permissions are all that there is.
    let listed = world(FED, "kms:ListKeys")
        .on("*")
        .identity(allow("*"))
        .is(ImplicitDeny);
    listed.session(allow("kms:ListKeys")).is(Allow);
    // A denial of its user's policies holds all the same.
    world(FED, DECRYPT)
        .identity(deny("kms:*"))
        .key("Allow", FED)
        .is(ExplicitDeny);
}

/// D-19, D-8: in another account being named is one half, and the other is its user's permission within a session policy.
#[test]
fn federated_user_without_a_session_policy_reaches_no_other_account() {
    for named in [FED, ROOT, "*"] {
        let foreign = "arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab";
        let mut asked = world(FED, DECRYPT)
            .on(foreign)
            .identity(allow("*"))
            .key("Allow", named);
        asked.owner = OTHER;
        let asked = asked.is(ImplicitDeny);
        asked.session(allow("*")).is(Allow);
    }
}

/// D-20: the task policy of a root session measures it, whatever names the account; without one it is the root user.
#[test]
fn task_policy_measures_a_root_session() {
    world(ROOT, DECRYPT).key("Allow", ROOT).is(Allow);
    for principal in [ROOT, "*"] {
        let named = world(ROOT, DECRYPT)
            .key("Allow", principal)
            .session(allow("s3:*"))
            .is(ImplicitDeny);
        assert_eq!(named.decide().missing(), Some(Missing::SessionPolicy));
        named.session(allow("kms:Decrypt")).is(Allow);
    }
    world(ROOT, DECRYPT)
        .grant(grant(ROOT, &["Decrypt"]))
        .session(allow("s3:*"))
        .is(ImplicitDeny);
    world(ROOT, DECRYPT)
        .key("Allow", ROOT)
        .session(deny("kms:Decrypt"))
        .is(ExplicitDeny);
    world(ROOT, "kms:ListKeys")
        .on("*")
        .session(allow("s3:*"))
        .is(ImplicitDeny);
}

/// G-28: a SourceArn constraint limits DescribeKey as it limits the use of the key, grants of tokens included: they are
/// found without the index.
#[test]
fn source_arn_constraint_limits_description_too() {
    let mut granted = grant(BOB, &["DescribeKey"]);
    granted.constraints.source_arn = "arn:aws:s3:::bucket".parse().ok();
    let mut asked = world(BOB, "kms:DescribeKey")
        .grant(granted)
        .is(ImplicitDeny);
    asked.context.insert(
        ContextKey::parse("aws:SourceArn"),
        "arn:aws:s3:::bucket".into(),
    );
    asked.is(Allow);
}
