//! What every request says of itself, and what every answer does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;

use super::shape::{self, Violations};
use super::{Invalid, arc};
use crate::domain::authz::caller::{ContextEntry, RequestFacts};
use crate::domain::authz::claim::{Claim, Subject};
use crate::domain::ids::{PrincipalArn, PrincipalKind, Region};
use crate::domain::limits;
use crate::domain::op::{ErrorCode, Scope};
use crate::domain::policy::{Policy, PolicyKind};
use crate::domain::state::Tags;
use crate::domain::time::Position;
use crate::wire::v1;

/// The Region of a request of the operator, who has a place in none: AWS's own name for that.
const NO_REGION: &str = "aws-global";

/// The header of a request, read.
#[derive(Clone, Debug)]
pub struct Header {
    /// Who calls; not yet believed.
    pub claim: Claim,
    /// Where bare names resolve.
    pub scope: Scope,
    /// How fresh the answer must be.
    pub consistency: Consistency,
    /// How long the node may wait to be fresh enough; `None`: until the deadline.
    pub wait: Option<Duration>,
    /// For an exactly-once retry.
    pub idempotency: Option<IdempotencyKey>,
    /// How long the node may take; `None`: the server's default.
    pub deadline: Option<Duration>,
}

/// How fresh an answer must be (Q-3 to Q-5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Consistency {
    /// No older than this, nor than the cluster's own bound.
    Bounded(Option<Duration>),
    /// At this position or later.
    AtLeast(Position),
    /// Everything acknowledged before the request arrived.
    Linearizable,
}

/// An idempotency key as sent (Q-11).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdempotencyKey {
    /// Chosen by the client.
    pub key: Arc<str>,
    /// What the client had seen when it first sent the request.
    pub birth: Option<Position>,
}

impl TryFrom<Option<v1::RequestHeader>> for Header {
    type Error = Invalid;

    fn try_from(header: Option<v1::RequestHeader>) -> Result<Self, Invalid> {
        let v1::RequestHeader {
            claim,
            region,
            partition,
            demand,
            idempotency,
            deadline_ms,
        } = header.ok_or_else(|| missing("header"))?;
        let claim = claim
            .and_then(|v1::Claim { who }| who)
            .ok_or_else(|| missing("header.claim"))?;
        let claim = read_claim(claim)?;
        let mut violations = Violations::new();
        let operator_anywhere = region.is_empty() && matches!(claim, Claim::Operator);
        if !operator_anywhere {
            violations.text("header.region", &region, shape::REGION);
        }
        violations.finish()?;
        let region: Region = if operator_anywhere {
            NO_REGION
        } else {
            &region
        }
        .parse()
        .map_err(|error| Invalid::validation(format!("header.region: {error}")))?;
        let partition = match partition {
            None => region.partition().unwrap_or_default(),
            Some(partition) => partition
                .parse()
                .map_err(|error| Invalid::validation(format!("header.partition: {error}")))?,
        };
        let v1::Demand {
            consistency,
            wait_ms,
        } = demand.unwrap_or_default();
        Ok(Self {
            claim,
            scope: Scope { partition, region },
            consistency: read_consistency(consistency)?,
            wait: wait_ms.map(|ms| Duration::from_millis(ms.into())),
            idempotency: idempotency.map(read_idempotency).transpose()?,
            deadline: deadline_ms.map(|ms| Duration::from_millis(ms.into())),
        })
    }
}

fn missing(path: &str) -> Invalid {
    let mut violations = Violations::new();
    violations.missing(path);
    Invalid::validation(violations.message().unwrap_or_default())
}

fn read_consistency(demand: Option<v1::demand::Consistency>) -> Result<Consistency, Invalid> {
    use v1::demand::Consistency as Sent;
    Ok(match demand {
        None => Consistency::Bounded(None),
        Some(Sent::Bounded(v1::Bounded { max_staleness_ms })) => {
            Consistency::Bounded(max_staleness_ms.map(Duration::from_millis))
        }
        Some(Sent::AtLeast(position)) => {
            Consistency::AtLeast(read_position("header.demand.atLeast", &position)?)
        }
        Some(Sent::Linearizable(v1::Linearizable {})) => Consistency::Linearizable,
    })
}

fn read_position(path: &str, text: &str) -> Result<Position, Invalid> {
    let mut violations = Violations::new();
    violations.text(path, text, shape::POSITION);
    violations.finish()?;
    text.parse()
        .map_err(|error| Invalid::validation(format!("{path}: {error}")))
}

fn read_idempotency(sent: v1::Idempotency) -> Result<IdempotencyKey, Invalid> {
    let v1::Idempotency {
        key,
        birth_position,
    } = sent;
    let mut violations = Violations::new();
    violations.text("header.idempotency.key", &key, shape::IDEMPOTENCY_KEY);
    violations.finish()?;
    Ok(IdempotencyKey {
        key: arc(key),
        birth: birth_position
            .map(|text| read_position("header.idempotency.birthPosition", &text))
            .transpose()?,
    })
}

fn read_claim(who: v1::claim::Who) -> Result<Claim, Invalid> {
    use v1::claim::Who;
    Ok(match who {
        Who::Operator(v1::Operator {}) => Claim::Operator,
        Who::Front(v1::Front {
            name,
            on_behalf_of,
            facts,
        }) => {
            let mut violations = Violations::new();
            violations.text("header.claim.front.name", &name, shape::FRONT_NAME);
            violations.finish()?;
            Claim::Front {
                name: arc(name),
                on_behalf_of: on_behalf_of
                    .map(|subject| read_subject("header.claim.front.onBehalfOf", subject))
                    .transpose()?,
                facts: read_facts("header.claim.front.facts", facts)?,
            }
        }
        Who::Principal(subject) => {
            Claim::Principal(read_subject("header.claim.principal", subject)?)
        }
    })
}

/// A subject, its ARN built from the parts that it follows from (ID-19).
pub(super) fn read_subject(path: &str, subject: v1::Subject) -> Result<Subject, Invalid> {
    use v1::subject::Kind;
    match subject.kind.ok_or_else(|| missing(path))? {
        Kind::Principal(arn) => {
            let arn = read_principal(&format!("{path}.principal"), &arn)?;
            match arn.kind() {
                PrincipalKind::Root | PrincipalKind::User { .. } => Ok(Subject::Principal(arn)),
                PrincipalKind::Role { .. }
                | PrincipalKind::AssumedRole { .. }
                | PrincipalKind::FederatedUser { .. } => Err(Invalid::arn(format!(
                    "{path}.principal: `{arn}` is not the ARN of a user or of an account's root; give a session of a role as roleSession, with the role's full ARN and the session's name, and a federated user as federatedUser"
                ))),
            }
        }
        Kind::RootSession(v1::RootSession { root, task_policy }) => {
            let path = format!("{path}.rootSession");
            let root = read_principal(&format!("{path}.root"), &root)?;
            if !root.is_root() {
                return Err(Invalid::arn(format!(
                    "{path}.root: `{root}` is not the ARN of an account's root"
                )));
            }
            let task_policy = read_session_policy(Some(task_policy))?
                .ok_or_else(|| missing(&format!("{path}.taskPolicy")))?;
            Ok(Subject::RootSession {
                account: root.account(),
                task_policy,
            })
        }
        Kind::RoleSession(v1::RoleSession {
            role,
            session_name,
            session_policy,
            session_tags,
        }) => {
            let path = format!("{path}.roleSession");
            let role = read_principal(&format!("{path}.role"), &role)?;
            let PrincipalKind::Role { name, .. } = role.kind() else {
                return Err(Invalid::arn(format!(
                    "{path}.role: `{role}` is not the ARN of a role"
                )));
            };
            let mut violations = Violations::new();
            violations.text(
                &format!("{path}.sessionName"),
                &session_name,
                shape::SESSION_NAME,
            );
            violations.finish()?;
            let arn = format!(
                "arn:{}:sts::{}:assumed-role/{name}/{session_name}",
                role.partition(),
                role.account()
            );
            Ok(Subject::RoleSession {
                arn: read_principal(&path, &arn)?,
                session_policy: read_session_policy(session_policy)?,
                session_tags: read_session_tags(&path, session_tags)?,
                role,
            })
        }
        Kind::FederatedUser(v1::FederatedUser {
            federated_by,
            name,
            session_policy,
            session_tags,
        }) => {
            let path = format!("{path}.federatedUser");
            let federated_by = read_principal(&format!("{path}.federatedBy"), &federated_by)?;
            if !matches!(federated_by.kind(), PrincipalKind::User { .. }) {
                return Err(Invalid::arn(format!(
                    "{path}.federatedBy: `{federated_by}` is not the ARN of a user"
                )));
            }
            let mut violations = Violations::new();
            violations.text(&format!("{path}.name"), &name, shape::FEDERATED_NAME);
            violations.finish()?;
            let arn = format!(
                "arn:{}:sts::{}:federated-user/{name}",
                federated_by.partition(),
                federated_by.account()
            );
            Ok(Subject::FederatedUser {
                arn: read_principal(&path, &arn)?,
                session_policy: read_session_policy(session_policy)?,
                session_tags: read_session_tags(&path, session_tags)?,
                federated_by,
            })
        }
        Kind::Service(name) => {
            let mut violations = Violations::new();
            violations.text(&format!("{path}.service"), &name, shape::SERVICE_PRINCIPAL);
            violations.finish()?;
            name.parse()
                .map(Subject::Service)
                .map_err(|error| Invalid::validation(format!("{path}.service: {error}")))
        }
    }
}

pub(super) fn read_principal(path: &str, text: &str) -> Result<PrincipalArn, Invalid> {
    let mut violations = Violations::new();
    violations.text(path, text, shape::PRINCIPAL_ARN);
    violations.finish()?;
    text.parse()
        .map_err(|error| Invalid::arn(format!("{path}: {error}")))
}

fn read_session_policy(text: Option<String>) -> Result<Option<Arc<Policy>>, Invalid> {
    let Some(text) = text else { return Ok(None) };
    let mut violations = Violations::new();
    violations.text("sessionPolicy", &text, shape::POLICY);
    violations.finish()?;
    match Policy::parse(&text, PolicyKind::Session) {
        Ok(policy) => Ok(Some(policy)),
        Err(error) => Err(Invalid {
            code: ErrorCode::MalformedPolicyDocument,
            message: format!("session policy: {error}"),
            policy: Some(Box::new(error)),
        }),
    }
}

fn read_session_tags(path: &str, tags: BTreeMap<String, String>) -> Result<Tags, Invalid> {
    let path = format!("{path}.sessionTags");
    let mut violations = Violations::new();
    let keys: Vec<&String> = tags.keys().collect();
    violations.list(&path, &keys, limits::SESSION_TAGS_MAX);
    for (key, value) in &tags {
        violations.text(&format!("{path}.key"), key, shape::TAG_KEY);
        violations.text(&format!("{path}.value"), value, shape::TAG_VALUE);
    }
    violations.finish()?;
    Ok(tags
        .into_iter()
        .map(|(key, value)| (arc(key), arc(value)))
        .collect())
}

/// Facts of a request, condition keys by lower-cased name (C-2).
pub(super) fn read_facts(
    path: &str,
    facts: Option<v1::RequestFacts>,
) -> Result<RequestFacts, Invalid> {
    let v1::RequestFacts {
        via_service,
        context,
        source,
    } = facts.unwrap_or_default();
    let mut violations = Violations::new();
    violations.optional(
        &format!("{path}.viaService"),
        via_service.as_deref(),
        shape::SERVICE_PRINCIPAL,
    );
    let names: Vec<&String> = context.keys().collect();
    violations.list(&format!("{path}.context"), &names, limits::CONTEXT_KEYS_MAX);
    let mut read = BTreeMap::new();
    for (name, v1::ContextValue { value }) in context {
        let at = format!("{path}.context.{name}");
        violations.text(&format!("{path}.context.key"), &name, shape::CONTEXT_KEY);
        let entry = match value {
            None => {
                violations.missing(&at);
                continue;
            }
            Some(v1::context_value::Value::Single(value)) => {
                violations.text(&at, &value, shape::CONTEXT_VALUE);
                ContextEntry::Single(arc(value))
            }
            Some(v1::context_value::Value::Multi(v1::StringList { values })) => {
                violations.list(&at, &values, limits::CONTEXT_VALUES_MAX);
                for value in &values {
                    violations.text(&at, value, shape::CONTEXT_VALUE);
                }
                ContextEntry::Multi(values.into_iter().map(arc).collect())
            }
        };
        if read.insert(arc(name.to_lowercase()), entry).is_some() {
            return Err(Invalid::validation(format!(
                "{at}: the condition key is given twice in different letter case"
            )));
        }
    }
    violations.finish()?;
    for (name, value) in read_source(source.unwrap_or_default()) {
        let entry = ContextEntry::Single(arc(value));
        if read.insert(name.into(), entry).is_some() {
            return Err(Invalid::validation(format!(
                "{path}: {name} is given both in context and in source"
            )));
        }
    }
    Ok(RequestFacts {
        via_service: via_service.map(arc),
        context: read,
    })
}

fn read_source(source: v1::SourceFacts) -> impl Iterator<Item = (&'static str, String)> {
    let v1::SourceFacts {
        source_ip,
        source_vpc,
        source_vpce,
        secure_transport,
        source_arn,
        source_account,
    } = source;
    [
        ("aws:sourceip", source_ip),
        ("aws:sourcevpc", source_vpc),
        ("aws:sourcevpce", source_vpce),
        (
            "aws:securetransport",
            secure_transport.map(|secure| secure.to_string()),
        ),
        ("aws:sourcearn", source_arn),
        ("aws:sourceaccount", source_account),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| (name, value)))
}

/// The hash that binds an idempotency key to the request as sent: the operation, where it resolves, and every member
/// but the header, which a retry may change (Q-11).
pub fn request_hash(
    operation: &str,
    scope: &Scope,
    request_without_header: &impl Message,
) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("grantd 2026-11 idempotent request v1");
    for part in [operation, scope.partition.as_str(), scope.region.as_str()] {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.update(&request_without_header.encode_to_vec());
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(claim: v1::claim::Who) -> v1::RequestHeader {
        v1::RequestHeader {
            claim: Some(v1::Claim { who: Some(claim) }),
            region: "us-west-2".to_owned(),
            ..Default::default()
        }
    }

    fn principal(arn: &str) -> v1::claim::Who {
        v1::claim::Who::Principal(v1::Subject {
            kind: Some(v1::subject::Kind::Principal(arn.to_owned())),
        })
    }

    fn refusal(header: v1::RequestHeader) -> String {
        Header::try_from(Some(header)).map_or_else(|invalid| invalid.message, |_| String::new())
    }

    /// D-20: a root session names an account's root and its task policy.
    #[test]
    fn root_session_needs_a_root_and_a_task_policy() {
        let allowing = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
        let claim = |root: &str, task_policy: &str| {
            v1::claim::Who::Principal(v1::Subject {
                kind: Some(v1::subject::Kind::RootSession(v1::RootSession {
                    root: root.to_owned(),
                    task_policy: task_policy.to_owned(),
                })),
            })
        };
        let root = "arn:aws:iam::111122223333:root";
        let read = Header::try_from(Some(header(claim(root, allowing)))).unwrap();
        assert!(matches!(
            read.claim,
            Claim::Principal(Subject::RootSession { account, task_policy })
                if account.to_string() == "111122223333" && &**task_policy.text() == allowing
        ));
        for (root, policy, part) in [
            (
                "arn:aws:iam::111122223333:user/a",
                allowing,
                "is not the ARN of an account's root",
            ),
            (root, "", "sessionPolicy"),
            (root, "{", "session policy: "),
        ] {
            let refused = refusal(header(claim(root, policy)));
            assert!(refused.contains(part), "{refused}");
        }
    }

    #[test]
    fn header_without_a_member_it_needs_says_which() {
        assert_eq!(
            Header::try_from(None).unwrap_err().message,
            "1 validation error detected: Value null at 'header' failed to satisfy constraint: Member must not be null"
        );
        let mut without_claim = header(principal("arn:aws:iam::111122223333:root"));
        without_claim.claim = None;
        assert!(refusal(without_claim).contains("'header.claim'"));
        let mut without_region = header(principal("arn:aws:iam::111122223333:root"));
        without_region.region.clear();
        assert!(refusal(without_region).contains("'header.region'"));
    }

    #[test]
    fn operator_needs_no_region() {
        let mut operator = header(v1::claim::Who::Operator(v1::Operator {}));
        operator.region.clear();
        let read = Header::try_from(Some(operator)).unwrap();
        assert_eq!(read.scope.region.as_str(), NO_REGION);
    }

    /// ID-19: the session's ARN drops the role's path.
    #[test]
    fn role_session_arn_is_built_from_role_and_session_name() {
        let claim = v1::claim::Who::Principal(v1::Subject {
            kind: Some(v1::subject::Kind::RoleSession(v1::RoleSession {
                role: "arn:aws:iam::111122223333:role/team/app".to_owned(),
                session_name: "i-0123".to_owned(),
                ..Default::default()
            })),
        });
        let read = Header::try_from(Some(header(claim))).unwrap();
        let Claim::Principal(Subject::RoleSession { arn, role, .. }) = read.claim else {
            panic!("{:?}", read.claim);
        };
        assert_eq!(
            arn.as_str(),
            "arn:aws:sts::111122223333:assumed-role/app/i-0123"
        );
        assert_eq!(role.as_str(), "arn:aws:iam::111122223333:role/team/app");
    }

    #[test]
    fn principal_of_a_kind_that_cannot_call_by_itself_is_refused_with_the_right_member() {
        for arn in [
            "arn:aws:iam::111122223333:role/app",
            "arn:aws:sts::111122223333:assumed-role/app/s1",
            "arn:aws:sts::111122223333:federated-user/ann",
        ] {
            let message = refusal(header(principal(arn)));
            assert!(message.contains("roleSession"), "{message}");
        }
    }

    #[test]
    fn demand_of_each_form_is_read_and_a_junk_position_refused() {
        use v1::demand::Consistency as Sent;
        let read = |consistency| {
            let mut sent = header(principal("arn:aws:iam::111122223333:root"));
            sent.demand = Some(v1::Demand {
                consistency,
                wait_ms: Some(0),
            });
            Header::try_from(Some(sent))
        };
        let position = Position::default();
        let rows = [
            (None, Consistency::Bounded(None)),
            (
                Some(Sent::Bounded(v1::Bounded {
                    max_staleness_ms: Some(20),
                })),
                Consistency::Bounded(Some(Duration::from_millis(20))),
            ),
            (
                Some(Sent::AtLeast(position.to_string())),
                Consistency::AtLeast(position),
            ),
            (
                Some(Sent::Linearizable(v1::Linearizable {})),
                Consistency::Linearizable,
            ),
        ];
        for (sent, want) in rows {
            let got = read(sent).unwrap();
            assert_eq!(got.consistency, want);
            assert_eq!(got.wait, Some(Duration::ZERO));
        }
        let junk = read(Some(Sent::AtLeast("x".repeat(40)))).unwrap_err();
        assert!(junk.message.contains("not a position"), "{}", junk.message);
    }

    /// C-2: names of condition keys are case insensitive, so two spellings are one key.
    #[test]
    fn context_key_given_twice_in_different_case_is_refused() {
        let value = |text: &str| v1::ContextValue {
            value: Some(v1::context_value::Value::Single(text.to_owned())),
        };
        let mut facts = v1::RequestFacts::default();
        facts.context.insert("App:Tier".to_owned(), value("gold"));
        let read = read_facts("facts", Some(facts.clone())).unwrap();
        assert_eq!(
            read.context.get("app:tier"),
            Some(&ContextEntry::Single("gold".into()))
        );
        facts.context.insert("app:tier".to_owned(), value("tin"));
        assert!(read_facts("facts", Some(facts)).is_err());
        let both = v1::RequestFacts {
            context: [("AWS:SourceIp".to_owned(), value("1.2.3.4"))].into(),
            source: Some(v1::SourceFacts {
                source_ip: Some("5.6.7.8".to_owned()),
                ..Default::default()
            }),
            ..Default::default()
        };
        assert!(read_facts("facts", Some(both)).is_err());
    }

    /// Q-11: the key is bound to the request: another member, operation or Region is another request.
    #[test]
    fn request_hash_changes_with_every_part_but_the_header() {
        let scope = |region: &str| Scope {
            partition: Default::default(),
            region: region.parse().unwrap(),
        };
        let request = |name: &str| v1::Tag {
            tag_key: name.to_owned(),
            tag_value: String::new(),
        };
        let base = request_hash("A", &scope("us-west-2"), &request("x"));
        assert_eq!(base, request_hash("A", &scope("us-west-2"), &request("x")));
        assert_ne!(base, request_hash("B", &scope("us-west-2"), &request("x")));
        assert_ne!(base, request_hash("A", &scope("us-west-1"), &request("x")));
        assert_ne!(base, request_hash("A", &scope("us-west-2"), &request("y")));
    }
}
