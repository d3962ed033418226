//! What a decision says: its outcome, what decided it, why, and the sentence that AWS would write (M-1 to M-4).
//!
//! Imports ids, policy. An allow allocates nothing; the texts of a denial are put together when asked for.

use std::fmt;
use std::sync::Arc;

use crate::domain::ids::GrantId;
use crate::domain::policy::Action;

/// How a request was decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Something allows and nothing denies.
    Allow,
    /// A policy denies (D-2).
    ExplicitDeny,
    /// Nothing allows (D-1).
    ImplicitDeny,
}

/// What kind of evidence decided.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Source {
    /// The key's policy, by naming the caller (D-4).
    KeyPolicy,
    /// An identity policy; for a key, one that the key policy's account statement enables (D-5).
    IdentityPolicy,
    /// The key policy and an identity policy of the caller's account together (D-8).
    KeyAndIdentityPolicy,
    /// A grant (G-2).
    Grant,
    /// The caller's being the account itself (D-7), or the account behind a grant (G-50).
    Account,
    /// A service control policy (D-3).
    ServiceControlPolicy,
    /// A resource control policy (D-3).
    ResourceControlPolicy,
    /// A permissions boundary (D-11).
    PermissionsBoundary,
    /// A session policy (D-11).
    SessionPolicy,
    /// The policy of the VPC endpoint that the request came through (D-3).
    VpcEndpointPolicy,
}

impl Source {
    /// The name in answers and cases.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyPolicy => "key_policy",
            Self::IdentityPolicy => "identity_policy",
            Self::KeyAndIdentityPolicy => "key_policy+identity_policy",
            Self::Grant => "grant",
            Self::Account => "account",
            Self::ServiceControlPolicy => "service_control_policy",
            Self::ResourceControlPolicy => "resource_control_policy",
            Self::PermissionsBoundary => "permissions_boundary",
            Self::SessionPolicy => "session_policy",
            Self::VpcEndpointPolicy => "vpce_policy",
        }
    }

    /// The policy type of M-3, with its article.
    const fn in_a_sentence(self) -> &'static str {
        match self {
            Self::KeyPolicy | Self::KeyAndIdentityPolicy | Self::Grant => "a resource-based policy",
            Self::IdentityPolicy | Self::Account => "an identity-based policy",
            Self::ServiceControlPolicy => "a service control policy",
            Self::ResourceControlPolicy => "a resource control policy",
            Self::PermissionsBoundary => "a permissions boundary",
            Self::SessionPolicy => "a session policy",
            Self::VpcEndpointPolicy => "a VPC endpoint policy",
        }
    }
}

/// A statement that counted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatementRef {
    /// The name of the policy, where policies have names.
    pub policy: Option<Arc<str>>,
    /// Its Sid, if it has one.
    pub sid: Option<Arc<str>>,
    /// Its place in the policy, from 0.
    pub index: u32,
}

/// What decided, in an allow or an explicit deny.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DecidedBy {
    /// The kind of evidence.
    pub source: Source,
    /// The statement that decided.
    pub statement: Option<StatementRef>,
    /// The key policy's statement that lets the identity policy count (D-5, D-8).
    pub enabled_by: Option<StatementRef>,
    /// The grant that decided.
    pub grant: Option<GrantId>,
}

impl DecidedBy {
    /// Evidence of a kind, without a statement.
    pub const fn of(source: Source) -> Self {
        Self {
            source,
            statement: None,
            enabled_by: None,
            grant: None,
        }
    }
}

/// What is missing for an allow (M-2), or what makes one impossible.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Missing {
    /// No identity policy allows the action.
    IdentityPolicy,
    /// The key policy neither names the caller nor enables identity policies for the action.
    KeyPolicy,
    /// The permissions boundary does not allow the action.
    Boundary,
    /// The session policy does not allow the action.
    SessionPolicy,
    /// Some level of service control policies allows nothing.
    ServiceControlPolicy,
    /// Some level of resource control policies allows nothing.
    ResourceControlPolicy,
    /// The VPC endpoint's policy does not allow the action.
    EndpointPolicy,
    /// The VPC endpoint is not known, nor therefore what its policy allows.
    Endpoint,
    /// The action has no effect on resources of another account (D-8).
    CrossAccount,
    /// The grant may be retired by others only (G-50).
    RetirementRight,
    /// The caller's user or role is gone, or is another one of the same name (ID-18).
    Caller,
}

impl Missing {
    /// The context of M-2.
    const fn policy_type(self) -> &'static str {
        match self {
            Self::IdentityPolicy | Self::RetirementRight | Self::Caller => "identity-based policy",
            Self::KeyPolicy | Self::CrossAccount => "resource-based policy",
            Self::Boundary => "permissions boundary",
            Self::SessionPolicy => "session policy",
            Self::ServiceControlPolicy => "service control policy",
            Self::ResourceControlPolicy => "resource control policy",
            Self::EndpointPolicy | Self::Endpoint => "VPC endpoint policy",
        }
    }

    /// Why, for people.
    const fn sentence(self) -> &'static str {
        match self {
            Self::IdentityPolicy => "no identity policy of the caller allows the action",
            Self::KeyPolicy => {
                "the key policy neither names the caller nor enables identity policies of the caller's account for the action"
            }
            Self::Boundary => "the caller's permissions boundary does not allow the action",
            Self::SessionPolicy => "the session policy does not allow the action",
            Self::ServiceControlPolicy => {
                "a level of service control policies does not allow the action"
            }
            Self::ResourceControlPolicy => {
                "a level of resource control policies does not allow the action"
            }
            Self::EndpointPolicy => "the policy of the VPC endpoint does not allow the action",
            Self::Endpoint => {
                "the VPC endpoint of the request is not known here, nor what its policy allows: make it known with PutVpcEndpoint"
            }
            Self::CrossAccount => "the action cannot be allowed across accounts",
            Self::RetirementRight => {
                "the caller is neither the retiring principal, nor a grantee that may retire, nor of an account that may"
            }
            Self::Caller => "the caller's user or role does not exist any more",
        }
    }
}

/// What the messages of a denial name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Denial {
    /// The caller, as AWS prints it.
    pub caller: Arc<str>,
    /// What was asked.
    pub action: Action,
    /// The resource; absent where there is none (P-12).
    pub resource: Option<Arc<str>>,
}

/// How a request was decided, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Something allows and nothing denies.
    Allowed(DecidedBy),
    /// A statement denies (D-2).
    Denied {
        /// The statement.
        by: DecidedBy,
        /// What messages name.
        denial: Denial,
    },
    /// Nothing allows (D-1).
    Missing {
        /// What is missing first.
        missing: Missing,
        /// What messages name.
        denial: Denial,
    },
}

/// A decision: a value like any other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// The outcome with its evidence.
    pub reason: Reason,
}

impl Decision {
    /// An allow.
    pub const fn allow(by: DecidedBy) -> Self {
        Self {
            reason: Reason::Allowed(by),
        }
    }

    /// An explicit deny.
    pub fn explicit_deny(by: DecidedBy, denial: Denial) -> Self {
        Self {
            reason: Reason::Denied { by, denial },
        }
    }

    /// An implicit deny.
    pub fn implicit_deny(missing: Missing, denial: Denial) -> Self {
        Self {
            reason: Reason::Missing { missing, denial },
        }
    }

    /// How it was decided.
    pub const fn outcome(&self) -> Outcome {
        match self.reason {
            Reason::Allowed(_) => Outcome::Allow,
            Reason::Denied { .. } => Outcome::ExplicitDeny,
            Reason::Missing { .. } => Outcome::ImplicitDeny,
        }
    }

    /// Whether it allows.
    pub const fn is_allow(&self) -> bool {
        matches!(self.reason, Reason::Allowed(_))
    }

    /// What decided; absent in an implicit deny.
    pub const fn decided_by(&self) -> Option<&DecidedBy> {
        match &self.reason {
            Reason::Allowed(by) | Reason::Denied { by, .. } => Some(by),
            Reason::Missing { .. } => None,
        }
    }

    /// Leaves out which statement decided, if it is of a policy that the asker may not read.
    pub fn withhold(&mut self, is_withheld: impl Fn(Source) -> bool) {
        if let Reason::Allowed(by) | Reason::Denied { by, .. } = &mut self.reason {
            let needs_both = by.source == Source::KeyAndIdentityPolicy;
            if is_withheld(by.source) || needs_both && is_withheld(Source::IdentityPolicy) {
                by.statement = None;
            }
        }
    }

    /// What is missing, in an implicit deny.
    pub const fn missing(&self) -> Option<Missing> {
        match &self.reason {
            Reason::Missing { missing, .. } => Some(*missing),
            Reason::Allowed(_) | Reason::Denied { .. } => None,
        }
    }

    /// The text of `AccessDeniedException` (M-1 to M-3); empty for an allow.
    pub fn message(&self) -> String {
        let (denial, context) = match &self.reason {
            Reason::Allowed(_) => return String::new(),
            Reason::Denied { by, denial } => (
                denial,
                format!("with an explicit deny in {}", by.source.in_a_sentence()),
            ),
            Reason::Missing { missing, denial } => {
                let Denial { action, .. } = denial;
                (
                    denial,
                    format!(
                        "because no {} allows the {action} action",
                        missing.policy_type()
                    ),
                )
            }
        };
        let Denial {
            caller,
            action,
            resource,
        } = denial;
        match resource {
            Some(resource) => {
                format!(
                    "User: {caller} is not authorized to perform: {action} on resource: {resource} {context}"
                )
            }
            None => format!("User: {caller} is not authorized to perform: {action} {context}"),
        }
    }
}

/// Why, in one sentence for people.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match &self.reason {
            Reason::Missing { missing, .. } => return f.write_str(missing.sentence()),
            Reason::Allowed(by) | Reason::Denied { by, .. } => by,
        };
        f.write_str(if self.is_allow() {
            "allowed by "
        } else {
            "denied by "
        })?;
        match by.source {
            Source::KeyPolicy => f.write_str("the key policy")?,
            Source::IdentityPolicy => f.write_str("an identity policy")?,
            Source::KeyAndIdentityPolicy => {
                f.write_str("the key policy and an identity policy of the caller")?
            }
            Source::Grant => f.write_str("a grant")?,
            Source::Account => f.write_str("the caller's being the account itself")?,
            Source::ServiceControlPolicy
            | Source::ResourceControlPolicy
            | Source::PermissionsBoundary
            | Source::SessionPolicy
            | Source::VpcEndpointPolicy => f.write_str(by.source.in_a_sentence())?,
        }
        if let Some(grant) = &by.grant {
            write!(f, " ({grant})")?;
        }
        if let Some(statement) = &by.statement {
            write!(f, ", {statement}")?;
        }
        if let Some(statement) = &by.enabled_by {
            write!(f, ", which the key policy enables by {statement}")?;
        }
        Ok(())
    }
}

impl fmt::Display for StatementRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sid {
            Some(sid) => write!(f, "statement `{sid}`")?,
            None => write!(f, "statement {}", self.index + 1)?,
        }
        match &self.policy {
            Some(policy) => write!(f, " of policy `{policy}`"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::KmsAction;

    fn denial() -> Denial {
        Denial {
            caller: "arn:aws:iam::111122223333:user/bob".into(),
            action: Action::Kms(KmsAction::Decrypt),
            resource: Some("arn:aws:kms:eu-west-1:111122223333:key/k".into()),
        }
    }

    /// M-1, M-2: the text of an implicit deny.
    #[test]
    fn implicit_deny_names_the_missing_policy_type() {
        let text = |missing| Decision::implicit_deny(missing, denial()).message();
        assert_eq!(
            text(Missing::IdentityPolicy),
            "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:Decrypt on resource: \
             arn:aws:kms:eu-west-1:111122223333:key/k because no identity-based policy allows the kms:Decrypt action"
        );
        assert!(
            text(Missing::KeyPolicy)
                .ends_with("because no resource-based policy allows the kms:Decrypt action")
        );
        assert!(
            text(Missing::Boundary)
                .ends_with("because no permissions boundary allows the kms:Decrypt action")
        );
        assert!(
            text(Missing::SessionPolicy)
                .ends_with("because no session policy allows the kms:Decrypt action")
        );
        assert!(
            text(Missing::EndpointPolicy)
                .ends_with("because no VPC endpoint policy allows the kms:Decrypt action")
        );
    }

    /// M-1, M-3: the text of an explicit deny; no resource clause without a resource.
    #[test]
    fn explicit_deny_names_the_policy_type() {
        let denial = Denial {
            resource: None,
            ..denial()
        };
        let decision = Decision::explicit_deny(DecidedBy::of(Source::ServiceControlPolicy), denial);
        assert_eq!(
            decision.message(),
            "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: kms:Decrypt \
             with an explicit deny in a service control policy"
        );
    }
}
