//! From a question and a state to a decision: looks up what the question names, and lets `combine` judge it.
//!
//! Everything is borrowed from the state. Condition keys and grants are computed only when the rules ask for them:
//! a question that a key policy settles looks at no grant.

use std::sync::Arc;

use super::caller::Identity;
use super::combine::{self, Evidence, NamedPolicy, Object, Subject, combine};
use super::context::RequestContext;
use super::decision::{Decision, Denial, Missing};
use super::request::{About, Request, Target};
use crate::domain::ids::UniqueId;
use crate::domain::policy::{Action, Ask, Bindings, Policy, Profile, ResourceName, Who};
use crate::domain::state::State;
use crate::domain::state::grant::{Grant, GrantOperation};
use crate::domain::state::grant_index::{Holder, Offer};
use crate::domain::state::key::KeyManager;

/// Decides a request by a state.
///
/// Total: a caller that does not exist any more, or stands in no account, is denied like any other (Q-10, ID-18).
pub fn authorize(state: &State, request: &Request<'_>) -> Decision {
    let identity = &request.caller.identity;
    let resource = resource_text(request);
    let deny_caller = || {
        let denial = Denial {
            caller: identity.shown(request.scope.partition),
            action: request.action.clone(),
            resource: resource.as_deref().map(Into::into),
        };
        Decision::implicit_deny(Missing::Caller, denial)
    };
    let Ok(principal) = identity.check(state) else {
        return deny_caller();
    };
    let Some(who) = who(identity) else {
        return deny_caller();
    };
    let context = RequestContext::new(state, request, principal.map(|principal| &**principal));
    let account = request.target.account().to_string();
    let name = resource
        .as_deref()
        .and_then(ResourceName::arn)
        .unwrap_or_else(|| {
            ResourceName::none(
                request.scope.partition.as_str(),
                service(&request.action),
                request.scope.region.as_str(),
                &account,
            )
        });
    let session: &[Arc<Policy>] = match identity {
        Identity::RoleSession { session_policy, .. }
        | Identity::FederatedUser { session_policy, .. } => session_policy.as_slice(),
        Identity::Operator
        | Identity::System
        | Identity::Root { .. }
        | Identity::User { .. }
        | Identity::Service(_) => &[],
    };
    let subject = match request.about {
        About::Nothing => Subject::Nothing,
        About::NewGrant(operations, constraints) => Subject::NewGrant {
            operations: *operations,
            constraints,
        },
        About::Retired(grant) => Subject::Retired(grant),
    };
    let owner = request.target.account();
    let object = match request.target {
        Target::Key { key, .. } => Object::Key {
            owner,
            policy: Some(&key.policy),
            bindings: Some(&*key.bindings as &dyn Bindings),
            is_aws_managed: key.manager == KeyManager::Aws,
        },
        Target::Alias(_) | Target::Principal(_) | Target::Account(_) => Object::Other { owner },
    };
    let identity_policies = principal.into_iter().flat_map(|principal| {
        let named = |(name, policy)| NamedPolicy {
            name: Some(name),
            policy,
        };
        principal
            .policies
            .iter()
            .map(|(name, policy)| (name, &**policy))
            .map(named)
    });
    combine(&Evidence {
        ask: Ask {
            action: &request.action,
            resource: name,
            who,
            has_boundary: false,
            context: &context,
            profile: Profile::Current,
        },
        resource: resource.as_deref(),
        object,
        identity: identity_policies,
        boundary: None,
        session,
        service_control: &[],
        resource_control: &[],
        endpoint: None,
        grants: candidates(state, request, &context, &subject),
        encryption_context: request.encryption_context,
        subject,
    })
}

/// The caller as policies see it.
fn who(identity: &Identity) -> Option<Who<'_>> {
    match identity {
        Identity::Operator | Identity::System => None,
        Identity::Root { account } => Some(Who::Root { account: *account }),
        Identity::User { arn, unique_id } => Some(Who::User {
            arn,
            unique_id: Some(unique_id),
        }),
        Identity::RoleSession {
            arn,
            role,
            unique_id,
            ..
        } => Some(Who::RoleSession {
            session: arn,
            role,
            unique_id: Some(unique_id),
        }),
        Identity::FederatedUser {
            arn,
            federated_by,
            unique_id,
            ..
        } => Some(Who::FederatedUser {
            arn,
            federated_by: Some(federated_by),
            unique_id: Some(unique_id),
        }),
        Identity::Service(name) => Some(Who::Service { name }),
    }
}

/// The text of the resource; absent where there is none (P-12).
fn resource_text(request: &Request<'_>) -> Option<String> {
    match request.target {
        Target::Key { key, .. } => Some(key.arn.to_string()),
        Target::Alias(arn) => Some(arn.to_string()),
        Target::Principal(arn) => Some(arn.to_string()),
        Target::Account(_) => None,
    }
}

fn service(action: &Action) -> &str {
    match action {
        Action::Kms(_) => "kms",
        Action::Other(text) => text.split_once(':').map_or("", |(service, _)| service),
    }
}

/// Every name under which a grant can hold for the caller (G-4), each with the immutable id behind it (ID-18).
fn holders(identity: &Identity) -> Vec<Holder> {
    let mut holders = Vec::with_capacity(3);
    match identity {
        Identity::Operator | Identity::System | Identity::Root { .. } => {}
        Identity::User { arn, unique_id } => {
            holders.push(Holder::Arn(arn.clone(), unique_id.clone()));
        }
        Identity::RoleSession {
            arn,
            role,
            unique_id,
            ..
        } => {
            holders.push(Holder::Arn(role.clone(), unique_id.clone()));
            holders.push(Holder::Arn(arn.clone(), unique_id.clone()));
        }
        // Of a federated user nothing but the name is kept: it is bound to its account.
        Identity::FederatedUser { arn, .. } => {
            let unique_id = UniqueId::of_account(arn.account());
            holders.push(Holder::Arn(arn.clone(), unique_id));
        }
        Identity::Service(service) => holders.push(Holder::Service(service.clone())),
    }
    holders.extend(identity.account().map(Holder::Account));
    holders
}

/// The grants that may decide: of each name of the caller the first that admits the action, then those that tokens
/// bring (Q-6). Nothing is looked up before the first is asked for.
fn candidates<'a>(
    state: &'a State,
    request: &'a Request<'a>,
    context: &'a RequestContext<'a>,
    subject: &'a Subject<'a>,
) -> impl Iterator<Item = &'a Grant> + Clone {
    let wanted = match (request.target, &request.action) {
        (Target::Key { key, .. }, Action::Kms(action)) => {
            combine::operation_of(*action).map(|operation| (&key.arn, *action, operation))
        }
        _ => None,
    };
    wanted
        .into_iter()
        .flat_map(move |(key, action, operation)| {
            let source_arn = match request.about {
                About::NewGrant(_, constraints) => {
                    constraints.source_arn.as_ref().map(|arn| arn.as_str())
                }
                About::Nothing | About::Retired(_) => context.source_arn(),
            };
            let offer = Offer {
                operation,
                context: request.encryption_context,
                source_arn,
            };
            let accept = move |grant: &Grant| {
                combine::admits(
                    grant,
                    action,
                    (request.encryption_context, context),
                    subject,
                )
            };
            let stored = holders(&request.caller.identity)
                .into_iter()
                .flat_map(move |holder| {
                    let held = state.grants().find(key, &holder, &offer, &accept);
                    // A question whether the caller could retire any grant is about those that it retires, too (G-50).
                    let retired = matches!(
                        (operation, request.about),
                        (GrantOperation::RetireGrant, About::Nothing)
                    )
                    .then(|| state.grants().retirable_on(&holder, key))
                    .flatten();
                    held.into_iter().chain(retired)
                });
            let brought = request
                .token_grants
                .iter()
                .filter(move |grant| grant.key == *key);
            stored.chain(brought).map(|grant| &**grant)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::authz::caller::Caller;
    use crate::domain::authz::caller::ContextEntry;
    use crate::domain::authz::decision::Outcome;
    use crate::domain::authz::request::Parameters;
    use crate::domain::op::testing::{
        ADMIN, ALLOW_ALL, APP, BOB, CAROL, Cluster, EXT, OWNER, arn, caller, create_grant, key_arn,
        scope, session,
    };
    use crate::domain::op::{Command, Output};
    use crate::domain::policy::KmsAction;
    use crate::domain::state::grant::EncryptionContext;

    fn ask(cluster: &Cluster, who: &Caller, action: KmsAction, tokens: &[Arc<Grant>]) -> Decision {
        let key = cluster.state.key(&key_arn(1)).unwrap();
        authorize(
            &cluster.state,
            &Request {
                caller: who,
                scope: &scope(),
                action: action.into(),
                target: Target::Key { key, alias: None },
                encryption_context: &EncryptionContext::new(),
                about: About::Nothing,
                token_grants: tokens,
                parameters: Parameters::FromFront,
                now: cluster.state.clock(),
            },
        )
    }

    fn allows(cluster: &Cluster, who: &Caller, action: KmsAction) -> bool {
        ask(cluster, who, action, &[]).is_allow()
    }

    /// CK-0: what the server computes itself, nobody can say otherwise; what it cannot know, a front adds.
    #[test]
    fn facts_of_a_front_add_to_the_context_and_replace_nothing() {
        for (key, truth, forged) in [
            ("aws:PrincipalArn", BOB, ADMIN),
            ("aws:PrincipalAccount", OWNER, "444455556666"),
            ("aws:PrincipalType", "User", "AssumedRole"),
            ("aws:username", "bob", "admin"),
            ("aws:RequestedRegion", "eu-west-1", "us-east-1"),
            ("aws:ResourceAccount", OWNER, "444455556666"),
            ("aws:ViaAWSService", "false", "true"),
            ("kms:CallerAccount", OWNER, "444455556666"),
            ("kms:KeySpec", "SYMMETRIC_DEFAULT", "RSA_2048"),
            ("kms:KeyOrigin", "AWS_KMS", "EXTERNAL"),
            ("kms:MultiRegion", "false", "true"),
        ] {
            for (wanted, allowed) in [(truth, true), (forged, false)] {
                let mut cluster = Cluster::new();
                cluster.put_policy(BOB, &format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"StringEquals":{{"{key}":"{wanted}"}}}}}}}}"#));
                let mut bob = caller(BOB);
                bob.facts.context.insert(
                    key.to_lowercase().into(),
                    ContextEntry::Single(forged.into()),
                );
                assert_eq!(
                    allows(&cluster, &bob, KmsAction::Decrypt),
                    allowed,
                    "{key} {wanted}"
                );
            }
        }
        for absent in [
            "aws:PrincipalTag/x",
            "aws:ResourceTag/x",
            "kms:RequestAlias",
            "kms:ViaService",
            "kms:EncryptionContext:x",
            "kms:EncryptionContextKeys",
            "aws:CalledVia",
        ] {
            let mut cluster = Cluster::new();
            cluster.put_policy(BOB, &format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"Null":{{"{absent}":"false"}}}}}}}}"#));
            let mut bob = caller(BOB);
            bob.facts.context.insert(
                absent.to_lowercase().into(),
                ContextEntry::Single("x".into()),
            );
            assert!(!allows(&cluster, &bob, KmsAction::Decrypt), "{absent}");
        }
        let mut cluster = Cluster::new();
        cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}}"#);
        let mut bob = caller(BOB);
        assert!(!allows(&cluster, &bob, KmsAction::Decrypt));
        bob.facts.context.insert(
            "aws:sourceip".into(),
            ContextEntry::Single("10.1.2.3".into()),
        );
        assert!(allows(&cluster, &bob, KmsAction::Decrypt));
    }

    /// D-16, U-24: a service that calls on somebody's behalf is said by the front alone.
    #[test]
    fn service_on_behalf_sets_its_keys() {
        let mut cluster = Cluster::new();
        cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*","Condition":{"Bool":{"kms:GrantIsForAWSResource":"true"},"StringEquals":{"kms:ViaService":"ec2.eu-west-1.amazonaws.com"}}}}"#);
        let mut bob = caller(BOB);
        assert!(!allows(&cluster, &bob, KmsAction::CreateGrant));
        bob.facts.via_service = Some("ec2.eu-west-1.amazonaws.com".into());
        assert!(allows(&cluster, &bob, KmsAction::CreateGrant));
    }

    /// Q-6, ID-13: a grant of a token counts for its grantee, on its key, and for nobody else.
    #[test]
    fn grant_of_a_token_joins_the_decision_of_its_grantee() {
        let cluster = Cluster::new();
        let mut ahead = cluster.copy();
        let Output::Grant(created) = ahead.done(ADMIN, Command::CreateGrant(create_grant(1, BOB)))
        else {
            panic!("no grant")
        };
        let grant = Arc::new(created.grant.unwrap());
        let tokens = [Arc::clone(&grant)];
        assert!(!allows(&cluster, &caller(BOB), KmsAction::Decrypt));
        let decision = ask(&cluster, &caller(BOB), KmsAction::Decrypt, &tokens);
        assert_eq!(
            decision.decided_by().and_then(|by| by.grant),
            Some(grant.id)
        );
        assert!(!ask(&cluster, &caller(BOB), KmsAction::Encrypt, &tokens).is_allow());
        assert!(!ask(&cluster, &caller(CAROL), KmsAction::Decrypt, &tokens).is_allow());
        let elsewhere = Arc::new(Grant {
            key: key_arn(2),
            ..(*grant).clone()
        });
        assert!(!ask(&cluster, &caller(BOB), KmsAction::Decrypt, &[elsewhere]).is_allow());
    }

    /// G-4, U-3: whom a grant to a role, a session and an account is for.
    #[test]
    fn grant_is_found_by_each_name_of_its_grantee() {
        let one = format!("arn:aws:sts::{OWNER}:assumed-role/app/one");
        let account = format!("arn:aws:iam::{OWNER}:root");
        for (grantee, callers) in [
            (APP, [true, true, false]),
            (&*one, [true, false, false]),
            (&*account, [false, false, false]),
            (BOB, [false, false, true]),
        ] {
            let mut cluster = Cluster::new();
            cluster.put_key_policy(&format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:*","Resource":"*"}}}}"#));
            cluster.done(ADMIN, Command::CreateGrant(create_grant(1, grantee)));
            let found = [session("one"), session("two"), caller(BOB)]
                .map(|who| allows(&cluster, &who, KmsAction::Decrypt));
            assert_eq!(found, callers, "{grantee}");
            assert_eq!(
                allows(&cluster, &caller(&account), KmsAction::Decrypt),
                grantee == account
            );
            // U-3: an account delegates: with an identity policy its principals may, too.
            cluster.put_policy(BOB, ALLOW_ALL);
            let bob = allows(&cluster, &caller(BOB), KmsAction::Decrypt);
            assert_eq!(bob, grantee == account || grantee == BOB);
        }
    }

    /// D-16: the operator and the cluster itself are in no account; another account needs the key policy (D-8).
    #[test]
    fn nobody_without_a_place_is_allowed() {
        let cluster = Cluster::new();
        for who in ["operator", "system", "s3.amazonaws.com", EXT] {
            let decision = ask(&cluster, &caller(who), KmsAction::Decrypt, &[]);
            assert_eq!(decision.outcome(), Outcome::ImplicitDeny, "{who}");
            assert!(decision.message().contains("kms:Decrypt"), "{who}");
        }
        assert!(cluster.state.principal(&arn(EXT)).is_some());
    }

    /// CK-0: session tags stand over the role's, which the session inherits.
    #[test]
    fn session_tags_stand_over_the_tags_of_the_role() {
        let mut cluster = Cluster::new();
        let (role, tags) = (
            arn(APP),
            [("team".into(), "a".into()), ("kept".into(), "k".into())].into(),
        );
        cluster.done(
            ADMIN,
            Command::TagPrincipal(crate::domain::op::tag_principal::TagPrincipal {
                arn: role,
                tags,
            }),
        );
        let mut who = session("one");
        if let Identity::RoleSession { session_tags, .. } = &mut who.identity {
            session_tags.insert("Team".into(), "b".into());
        }
        for (value, allowed) in [("a", false), ("b", true)] {
            cluster.put_policy(APP, &format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{"StringEquals":{{"aws:PrincipalTag/team":"{value}","aws:PrincipalTag/kept":"k"}}}}}}}}"#));
            assert_eq!(
                allows(&cluster, &who, KmsAction::Decrypt),
                allowed,
                "{value}"
            );
        }
    }
}
