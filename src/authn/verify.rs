//! Looks a claim up on a view: the account, user or role must exist there, and gives its immutable id (ID-18, Q-10).

use std::net::IpAddr;
use std::sync::Arc;

use super::Trusted;
use crate::domain::authz::caller::{Caller, Identity, RequestFacts};
use crate::domain::authz::claim::{Claim, Question, Subject};
use crate::domain::ids::{AccountId, PrincipalArn, UniqueId};
use crate::domain::op::service_linked;
use crate::domain::policy::ContextKey;
use crate::domain::state::State;

/// Why a claim is not believed. `Display` is for the caller.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The peer is not on this machine.
    #[error(
        "callers cannot prove who they are yet, so claims are believed from loopback addresses alone; {}",
        match peer { Some(peer) => format!("this connection comes from {peer}"), None => "the address of this connection is unknown".to_owned() }
    )]
    PeerNotTrusted {
        /// Its address.
        peer: Option<IpAddr>,
    },
    /// The account does not exist at this revision.
    #[error("the account {0} does not exist here; the operator makes accounts with CreateAccount")]
    UnknownAccount(AccountId),
    /// The user or role does not exist at this revision.
    #[error(
        "the principal {0} does not exist here; if it was made a moment ago, send the position of that answer as the demand at_least"
    )]
    UnknownPrincipal(PrincipalArn),
    /// A session of a role that nobody can assume.
    #[error(
        "the role {0} trusts cks.kms.amazonaws.com alone, a part of KMS itself: nobody calls in a session of it"
    )]
    ServiceLinkedRole(PrincipalArn),
    /// A front that does not say whose request it carries.
    #[error("a front must name the subject on whose behalf it calls")]
    FrontWithoutSubject,
    /// The operator asks what principals ask.
    #[error(
        "the operator is no principal of any account: authorize as a principal, or as a front that names a subject"
    )]
    OperatorAsksForItself,
    /// A caller without an account that names no key by ARN (ID-4).
    #[error(
        "a service has no account in which a key id or alias could resolve: name the key by its ARN"
    )]
    NeedsKeyArn,
    /// A principal that asks about another.
    #[error("a principal may authorize only for itself; only a front may name another subject")]
    OtherSubject,
    /// A principal that says what only a front may say.
    #[error(
        "`{key}` is computed by the server (CK-0) and taken from a front alone: a principal may not say it of itself"
    )]
    ReservedKey {
        /// The condition key, or `via_service`.
        key: Arc<str>,
    },
}

/// The caller that `claim` names, as it is in `state`.
///
/// # Errors
/// [`Refusal`]: unknown account or principal, or a front without a subject.
pub fn verify(_: Trusted, claim: &Claim, state: &State) -> Result<Caller, Refusal> {
    let (identity, facts) = match claim {
        Claim::Operator => (Identity::Operator, RequestFacts::default()),
        Claim::Front {
            name: _,
            on_behalf_of,
            facts,
        } => {
            let subject = on_behalf_of.as_ref().ok_or(Refusal::FrontWithoutSubject)?;
            (identify(subject, state)?, facts.clone())
        }
        Claim::Principal(subject) => (identify(subject, state)?, RequestFacts::default()),
    };
    Ok(Caller { identity, facts })
}

/// The caller that `question` is about, as it is in `state`, with the facts that `claim` may say of it.
///
/// # Errors
/// [`Refusal`], each of its kinds but [`Refusal::PeerNotTrusted`].
pub fn verify_question(
    _: Trusted,
    claim: &Claim,
    question: &Question,
    state: &State,
) -> Result<Caller, Refusal> {
    let asked = question.subject.as_ref();
    match claim {
        Claim::Operator => Err(Refusal::OperatorAsksForItself),
        Claim::Front {
            name: _,
            on_behalf_of,
            facts,
        } => {
            let subject = asked
                .or(on_behalf_of.as_ref())
                .ok_or(Refusal::FrontWithoutSubject)?;
            Ok(Caller {
                identity: identify(subject, state)?,
                facts: merged(facts, &question.facts),
            })
        }
        Claim::Principal(own) => {
            if asked.is_some_and(|asked| !same(asked, own)) {
                return Err(Refusal::OtherSubject);
            }
            Ok(Caller {
                identity: identify(own, state)?,
                facts: unreserved(&question.facts)?,
            })
        }
    }
}

/// What the front says of all its questions, and over it what it says of this one.
fn merged(of_all: &RequestFacts, of_one: &RequestFacts) -> RequestFacts {
    let mut context = of_all.context.clone();
    context.extend(
        of_one
            .context
            .iter()
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    RequestFacts {
        via_service: of_one
            .via_service
            .clone()
            .or_else(|| of_all.via_service.clone()),
        context,
    }
}

/// Facts that a principal may say of itself: condition keys that are nobody's else (CK-58).
fn unreserved(facts: &RequestFacts) -> Result<RequestFacts, Refusal> {
    if facts.via_service.is_some() {
        let key = "via_service".into();
        return Err(Refusal::ReservedKey { key });
    }
    let reserved = |key: &&Arc<str>| ContextKey::parse(key).is_reserved();
    match facts.context.keys().find(reserved) {
        Some(key) => Err(Refusal::ReservedKey { key: key.clone() }),
        None => Ok(facts.clone()),
    }
}

/// Whether two subjects are one identity; what their sessions add is the caller's own to say, and is not compared.
fn same(a: &Subject, b: &Subject) -> bool {
    match (a, b) {
        (Subject::Principal(a), Subject::Principal(b)) => a == b,
        (Subject::RootSession { account, .. }, Subject::RootSession { account: other, .. }) => {
            account == other
        }
        (
            Subject::RoleSession { arn, role, .. },
            Subject::RoleSession {
                arn: other_arn,
                role: other_role,
                ..
            },
        ) => arn == other_arn && role == other_role,
        (
            Subject::FederatedUser {
                arn, federated_by, ..
            },
            Subject::FederatedUser {
                arn: other_arn,
                federated_by: other_by,
                ..
            },
        ) => arn == other_arn && federated_by == other_by,
        (Subject::Service(a), Subject::Service(b)) => a == b,
        (
            Subject::Principal(_)
            | Subject::RootSession { .. }
            | Subject::RoleSession { .. }
            | Subject::FederatedUser { .. }
            | Subject::Service(_),
            _,
        ) => false,
    }
}

fn identify(subject: &Subject, state: &State) -> Result<Identity, Refusal> {
    Ok(match subject {
        Subject::Principal(arn) if arn.is_root() => {
            let account = arn.account();
            state
                .account(account)
                .ok_or(Refusal::UnknownAccount(account))?;
            Identity::Root {
                account,
                task_policy: None,
            }
        }
        Subject::RootSession {
            account,
            task_policy,
        } => {
            state
                .account(*account)
                .ok_or(Refusal::UnknownAccount(*account))?;
            Identity::Root {
                account: *account,
                task_policy: Some(Arc::clone(task_policy)),
            }
        }
        Subject::Principal(arn) => Identity::User {
            arn: arn.clone(),
            unique_id: unique_id(arn, state)?,
        },
        Subject::RoleSession {
            arn,
            role,
            session_policy,
            session_tags,
        } if !service_linked::is_of_the_store(role) => Identity::RoleSession {
            arn: arn.clone(),
            role: role.clone(),
            unique_id: unique_id(role, state)?,
            session_policy: session_policy.clone(),
            session_tags: session_tags.clone(),
        },
        // K-4: its trust policy names one service, and grantd is that service.
        Subject::RoleSession { role, .. } => {
            return Err(Refusal::ServiceLinkedRole(role.clone()));
        }
        Subject::FederatedUser {
            arn,
            federated_by,
            session_policy,
            session_tags,
        } => Identity::FederatedUser {
            arn: arn.clone(),
            federated_by: federated_by.clone(),
            unique_id: unique_id(federated_by, state)?,
            session_policy: session_policy.clone(),
            session_tags: session_tags.clone(),
        },
        Subject::Service(name) => Identity::Service(name.clone()),
    })
}

fn unique_id(arn: &PrincipalArn, state: &State) -> Result<UniqueId, Refusal> {
    match state.principal(arn) {
        Some(principal) => Ok(principal.unique_id.clone()),
        None if state.account(arn.account()).is_none() => {
            Err(Refusal::UnknownAccount(arn.account()))
        }
        None => Err(Refusal::UnknownPrincipal(arn.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::authz::caller::ContextEntry;
    use crate::domain::ids::{KeyRef, RequestId};
    use crate::domain::op::bootstrap::Bootstrap;
    use crate::domain::op::create_account::CreateAccount;
    use crate::domain::op::create_principal::CreatePrincipal;
    use crate::domain::op::{self, Command, Entry, Scope, Semantics};
    use crate::domain::policy::{Policy, PolicyKind};
    use crate::domain::time::{Incarnation, Revision, Timestamp};

    const ALICE: &str = "arn:aws:iam::111122223333:user/alice";
    const APP: &str = "arn:aws:iam::111122223333:role/team/app";
    const ROOT: &str = "arn:aws:iam::111122223333:root";

    fn arn(text: &str) -> PrincipalArn {
        text.parse().unwrap()
    }

    fn state() -> State {
        let account: AccountId = "111122223333".parse().unwrap();
        let mut state = State::default();
        let principal = |text: &str, unique_id: UniqueId| {
            let made = CreatePrincipal {
                arn: arn(text),
                unique_id,
                tags: Default::default(),
            };
            (
                Identity::Root {
                    account,
                    task_policy: None,
                },
                Command::CreatePrincipal(made),
            )
        };
        let made = CreateAccount {
            account,
            name: "".into(),
        };
        let founded = Bootstrap {
            incarnation: Incarnation([1; 16]),
            settings: Default::default(),
            sealed_epoch_secret: [0; 32].as_slice().into(),
            hash_key: crate::domain::state::cow_map::HashKey([1; 16]),
            seal_check: crate::domain::state::token_epoch::SealCheck([2; 32]),
            semantics: Semantics::CURRENT,
        };
        let commands = [
            (Identity::System, Command::Bootstrap(founded)),
            (Identity::Operator, Command::CreateAccount(made)),
            principal(ALICE, UniqueId::of_new_user(&[1; 16])),
            principal(APP, UniqueId::of_new_role(&[2; 16])),
        ];
        for (revision, (identity, command)) in (1..).zip(commands) {
            let entry = Entry {
                proposed_at: Timestamp::from_millis(1),
                semantics: Semantics::CURRENT,
                caller: Caller {
                    identity,
                    facts: RequestFacts::default(),
                },
                scope: Scope {
                    partition: Default::default(),
                    region: "us-west-2".parse().unwrap(),
                },
                request_id: RequestId([0; 16]),
                idempotency: None,
                command,
            };
            op::apply(&mut state, Revision(revision), &entry)
                .outcome
                .unwrap();
        }
        state
    }

    fn claim(text: &str) -> Claim {
        Claim::Principal(Subject::Principal(arn(text)))
    }

    fn front(on_behalf_of: Option<Subject>, facts: RequestFacts) -> Claim {
        Claim::Front {
            name: "front".into(),
            on_behalf_of,
            facts,
        }
    }

    fn facts(keys: &[(&str, &str)]) -> RequestFacts {
        RequestFacts {
            via_service: None,
            context: keys
                .iter()
                .map(|(key, value)| ((*key).into(), ContextEntry::Single((*value).into())))
                .collect(),
        }
    }

    fn question(subject: Option<Subject>, facts: RequestFacts) -> Question {
        Question {
            subject,
            action: "kms:Decrypt".into(),
            key: None::<KeyRef>,
            encryption_context: Default::default(),
            grant_tokens: Vec::new(),
            facts,
            dry_run: false,
            random_source: None,
            members: Default::default(),
        }
    }

    /// ID-18, Q-10: the immutable id is the state's, whatever the claim says.
    #[test]
    fn verified_caller_carries_the_unique_id_of_the_view() {
        let state = state();
        let session = Subject::RoleSession {
            arn: arn("arn:aws:sts::111122223333:assumed-role/app/s1"),
            role: arn(APP),
            session_policy: None,
            session_tags: Default::default(),
        };
        let id_of = |claim: &Claim| {
            verify(Trusted(()), claim, &state)
                .map(|caller| caller.identity.stored().map(|(_, id)| id.clone()))
        };
        assert_eq!(
            id_of(&claim(ALICE)),
            Ok(Some(UniqueId::of_new_user(&[1; 16])))
        );
        assert_eq!(
            id_of(&Claim::Principal(session)),
            Ok(Some(UniqueId::of_new_role(&[2; 16])))
        );
        assert_eq!(id_of(&claim(ROOT)), Ok(None));
        assert_eq!(id_of(&Claim::Operator), Ok(None));
    }

    #[test]
    fn unknown_account_and_unknown_principal_are_told_apart() {
        let state = state();
        let refusal = |claim: Claim| verify(Trusted(()), &claim, &state).unwrap_err();
        let carol = "arn:aws:iam::111122223333:user/carol";
        let stranger = "arn:aws:iam::444455556666:user/alice";
        let account = || "444455556666".parse().unwrap();
        assert_eq!(refusal(claim(carol)), Refusal::UnknownPrincipal(arn(carol)));
        assert_eq!(refusal(claim(stranger)), Refusal::UnknownAccount(account()));
        assert_eq!(
            refusal(claim("arn:aws:iam::444455556666:root")),
            Refusal::UnknownAccount(account())
        );
        assert_eq!(
            refusal(front(None, RequestFacts::default())),
            Refusal::FrontWithoutSubject
        );
    }

    /// K-4: the service-linked role trusts one service, so nobody is believed to be in a session of it, whoever says so.
    #[test]
    fn nobody_is_in_a_session_of_the_service_linked_role() {
        let state = state();
        let role = arn(
            "arn:aws:iam::111122223333:role/aws-service-role/cks.kms.amazonaws.com/AWSServiceRoleForKeyManagementServiceCustomKeyStores",
        );
        let session = || Subject::RoleSession {
            arn: arn(
                "arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForKeyManagementServiceCustomKeyStores/s1",
            ),
            role: role.clone(),
            session_policy: None,
            session_tags: Default::default(),
        };
        let refused = || Refusal::ServiceLinkedRole(role.clone());
        let none = RequestFacts::default;
        for claim in [Claim::Principal(session()), front(Some(session()), none())] {
            let verified = verify(Trusted(()), &claim, &state);
            assert_eq!(verified.unwrap_err(), refused());
            let asked = question(None, none());
            let verified = verify_question(Trusted(()), &claim, &asked, &state);
            assert_eq!(verified.unwrap_err(), refused());
        }
        let asked = question(Some(session()), none());
        let verified = verify_question(Trusted(()), &front(None, none()), &asked, &state);
        assert_eq!(verified.unwrap_err(), refused());
    }

    /// D-20: the task policy of a root session is part of the caller.
    #[test]
    fn root_session_keeps_its_task_policy() {
        let state = state();
        let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
        let policy = Policy::parse(text, PolicyKind::Session).unwrap();
        let claim = |account: &str| {
            Claim::Principal(Subject::RootSession {
                account: account.parse().unwrap(),
                task_policy: Arc::clone(&policy),
            })
        };
        let caller = verify(Trusted(()), &claim("111122223333"), &state).unwrap();
        assert!(matches!(
            caller.identity,
            Identity::Root { task_policy: Some(kept), .. } if &**kept.text() == text
        ));
        let unknown = "444455556666".parse().unwrap();
        assert_eq!(
            verify(Trusted(()), &claim("444455556666"), &state).unwrap_err(),
            Refusal::UnknownAccount(unknown)
        );
        // Another's question is another's.
        let asked = question(Some(Subject::Principal(arn(ROOT))), RequestFacts::default());
        let verified = verify_question(Trusted(()), &claim("111122223333"), &asked, &state);
        assert_eq!(verified.unwrap_err(), Refusal::OtherSubject);
    }

    /// CK-0, CK-58: keys that AWS names, and those of identity providers, are not for a principal to say of itself; others are
    /// its own.
    #[test]
    fn principal_may_say_condition_keys_of_its_own_namespace_alone() {
        let state = state();
        let verified = |facts: RequestFacts| {
            verify_question(Trusted(()), &claim(ALICE), &question(None, facts), &state)
                .map(|caller| caller.facts)
        };
        let own = facts(&[("app:tier", "gold")]);
        assert_eq!(verified(own.clone()), Ok(own));
        for key in [
            "kms:viaservice",
            "aws:sourceip",
            "kms:keyspec",
            "kms:foo",
            "aws:foo",
            "ec2:sourceinstancearn",
            "lambda:sourcefunctionarn",
            "saml:sub",
            "saml:aud",
            "iam:permissionsboundary",
            "accounts.google.com:sub",
        ] {
            assert_eq!(
                verified(facts(&[(key, "x")])),
                Err(Refusal::ReservedKey { key: key.into() })
            );
        }
        let via = RequestFacts {
            via_service: Some("ec2.us-west-2.amazonaws.com".into()),
            ..Default::default()
        };
        assert!(matches!(verified(via), Err(Refusal::ReservedKey { .. })));
    }

    #[test]
    fn principal_asks_for_itself_alone_and_a_front_for_anyone() {
        let state = state();
        let ask = |claim: &Claim, subject: Option<&str>| {
            let subject = subject.map(|text| Subject::Principal(arn(text)));
            verify_question(
                Trusted(()),
                claim,
                &question(subject, RequestFacts::default()),
                &state,
            )
            .map(|caller| caller.identity.stored().map(|(arn, _)| arn.clone()))
        };
        assert_eq!(ask(&claim(ALICE), None), Ok(Some(arn(ALICE))));
        assert_eq!(ask(&claim(ALICE), Some(ALICE)), Ok(Some(arn(ALICE))));
        assert_eq!(ask(&claim(ALICE), Some(ROOT)), Err(Refusal::OtherSubject));
        let for_alice = front(
            Some(Subject::Principal(arn(ALICE))),
            RequestFacts::default(),
        );
        assert_eq!(ask(&for_alice, None), Ok(Some(arn(ALICE))));
        assert_eq!(ask(&for_alice, Some(ROOT)), Ok(None));
        assert_eq!(
            ask(&Claim::Operator, Some(ALICE)),
            Err(Refusal::OperatorAsksForItself)
        );
    }

    /// What a front says of one question stands over what it says of all.
    #[test]
    fn facts_of_a_question_stand_over_those_of_its_front() {
        let state = state();
        let of_all = RequestFacts {
            via_service: Some("s3.us-west-2.amazonaws.com".into()),
            ..facts(&[
                ("aws:sourceip", "10.0.0.1"),
                ("aws:securetransport", "true"),
            ])
        };
        let claim = front(Some(Subject::Principal(arn(ALICE))), of_all);
        let asked = question(None, facts(&[("aws:sourceip", "10.0.0.2")]));
        let caller = verify_question(Trusted(()), &claim, &asked, &state).unwrap();
        assert_eq!(
            caller.facts.via_service.as_deref(),
            Some("s3.us-west-2.amazonaws.com")
        );
        assert_eq!(
            caller.facts.context,
            facts(&[
                ("aws:sourceip", "10.0.0.2"),
                ("aws:securetransport", "true")
            ])
            .context
        );
    }
}
