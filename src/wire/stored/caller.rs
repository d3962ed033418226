//! The stored form of a verified caller and of what its front says of the request.
//!
//! Imports domain's authz::caller.

use super::policy::SessionPolicyText;
use super::row::{Pairs, Str, Text, numbered, row};
use crate::domain::authz::caller::{Caller, ContextEntry, Identity, RequestFacts};
use crate::domain::ids::{PrincipalArn, ServicePrincipal, UniqueId};

row! {
    CallerRow: Caller {
        identity: IdentityRow,
        facts: RequestFactsRow,
    }
}

numbered! {
    IdentityRow: Identity {
        1 = Operator,
        2 = System,
        3 = Root {
            account: u64,
            task_policy: Option<SessionPolicyText>,
        },
        4 = User {
            arn: Text<PrincipalArn>,
            unique_id: Text<UniqueId>,
        },
        5 = RoleSession {
            arn: Text<PrincipalArn>,
            role: Text<PrincipalArn>,
            unique_id: Text<UniqueId>,
            session_policy: Option<SessionPolicyText>,
            session_tags: Pairs<Str, Str>,
        },
        6 = FederatedUser {
            arn: Text<PrincipalArn>,
            federated_by: Text<PrincipalArn>,
            unique_id: Text<UniqueId>,
            session_policy: Option<SessionPolicyText>,
            session_tags: Pairs<Str, Str>,
        },
        7 = Service(service: Text<ServicePrincipal>),
    }
}

row! {
    RequestFactsRow: RequestFacts {
        via_service: Option<Str>,
        context: Pairs<Str, ContextEntryRow>,
    }
}

numbered! {
    ContextEntryRow: ContextEntry {
        1 = Single(value: Str),
        2 = Multi(values: Vec<Str>),
    }
}
