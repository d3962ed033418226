//! The stored form of the decision behind a rejection.
//!
//! Imports domain's authz::decision and policy.

use super::error::Malformed;
use super::row::{Stored, Str, numbered, row};
use crate::domain::authz::decision::{
    DecidedBy, Decision, Denial, Missing, Reason, Source, StatementRef,
};
use crate::domain::policy::Action;

row! {
    DecisionRow: Decision {
        reason: ReasonRow,
    }
}

numbered! {
    ReasonRow: Reason {
        1 = Allowed(by: DecidedByRow),
        2 = Denied { by: DecidedByRow, denial: DenialRow },
        3 = Missing { missing: MissingRow, denial: DenialRow },
    }
}

row! {
    DecidedByRow: DecidedBy {
        source: SourceRow,
        statement: Option<StatementRow>,
        enabled_by: Option<StatementRow>,
        grant: Option<[u8; 32]>,
    }
}

row! {
    StatementRow: StatementRef {
        policy: Option<Str>,
        sid: Option<Str>,
        index: u32,
    }
}

row! {
    DenialRow: Denial {
        caller: Str,
        action: Str,
        resource: Option<Str>,
    }
}

numbered! {
    SourceRow: Source {
        1 = KeyPolicy,
        2 = IdentityPolicy,
        3 = KeyAndIdentityPolicy,
        4 = Grant,
        5 = Account,
        6 = ServiceControlPolicy,
        7 = ResourceControlPolicy,
        8 = PermissionsBoundary,
        9 = SessionPolicy,
        10 = VpcEndpointPolicy,
    }
}

numbered! {
    MissingRow: Missing {
        1 = IdentityPolicy,
        2 = KeyPolicy,
        3 = Boundary,
        4 = SessionPolicy,
        5 = ServiceControlPolicy,
        6 = ResourceControlPolicy,
        7 = EndpointPolicy,
        8 = CrossAccount,
        9 = RetirementRight,
        10 = Caller,
        90 = Endpoint,
    }
}

impl Stored<Action> for Str {
    fn store(value: &Action) -> Self {
        Self(value.as_str().into())
    }

    fn load(self) -> Result<Action, Malformed> {
        Ok(Action::parse(&self.0))
    }
}
