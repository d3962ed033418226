//! Policies are stored as the text that was put, and parsed again when they are read.
//!
//! So what a policy means is never stored, only what it says. A text that this binary's validator refuses although an
//! earlier one took it is a fault that names the record: a policy is never dropped in silence.
//!
//! Imports domain's policy.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::Malformed;
use super::row::{Stored, Str};
use crate::domain::policy::{Policy, PolicyKind};

/// One row type for each kind of policy, since the place where a policy stands says its kind.
macro_rules! policy_texts {
    ($($(#[$meta:meta])* $row:ident: $kind:expr;)+) => {$(
        $(#[$meta])*
        #[derive(Serialize, Deserialize)]
        pub(super) struct $row(Str);

        impl Stored<Arc<Policy>> for $row {
            fn store(value: &Arc<Policy>) -> Self {
                Self(Str(Arc::clone(value.text())))
            }

            fn load(self) -> Result<Arc<Policy>, Malformed> {
                Policy::parse(&self.0.0, $kind).map_err(Malformed::new)
            }
        }
    )+};
}

policy_texts! {
    /// The policy of a key (P-1).
    KeyPolicyText: PolicyKind::Key;
    /// A policy of a user or role.
    IdentityPolicyText: PolicyKind::Identity;
    /// A permissions boundary.
    BoundaryText: PolicyKind::Boundary;
    /// A service control policy.
    ServiceControlText: PolicyKind::ServiceControl;
    /// A resource control policy.
    ResourceControlText: PolicyKind::ResourceControl;
    /// The policy of a VPC endpoint.
    EndpointPolicyText: PolicyKind::VpcEndpoint;
    /// The policy of a session.
    SessionPolicyText: PolicyKind::Session;
}
