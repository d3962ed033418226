//! The stored forms of what the state holds: accounts, users and roles, keys, grants, settings.
//!
//! Imports domain's state.

use serde::{Deserialize, Serialize};

use super::error::Malformed;
use super::policy::{IdentityPolicyText, KeyPolicyText};
use super::row::{Pairs, Stored, Str, Text, numbered, row};
use crate::domain::ids::{Arn, KeyArn, PrincipalArn, ServicePrincipal, UniqueId};
use crate::domain::state::grant::{
    ContextConstraint, Grant, GrantConstraints, GrantOperation, GrantOperations, GrantPrincipal,
};
use crate::domain::state::key::{
    Key, KeyManager, KeyOrigin, KeySpec, KeyState, KeyUsage, MultiRegionKeyType,
};
use crate::domain::state::principal::{Account, Principal, PrincipalType};
use crate::domain::state::settings::Settings;

row! {
    SettingsRow: Settings {
        max_staleness_ms: u64,
        clock_rate_permille: u32,
        grants_per_key_max: u32,
    }
}

row! {
    AccountRow: Account {
        id: u64,
        name: Str,
        created_at: u64,
        born: u64,
    }
}

row! {
    PrincipalRow: Principal {
        arn: Text<PrincipalArn>,
        unique_id: Text<UniqueId>,
        kind: Text<PrincipalType>,
        created_at: u64,
        born: u64,
        tags: Pairs<Str, Str>,
        policies: Pairs<Str, IdentityPolicyText>,
    }
}

row! {
    KeyRow: Key {
        arn: Text<KeyArn>,
        born: u64,
        created_at: u64,
        description: Str,
        spec: Text<KeySpec>,
        usage: Text<KeyUsage>,
        origin: Text<KeyOrigin>,
        state: Text<KeyState>,
        multi_region: Option<Text<MultiRegionKeyType>>,
        manager: Text<KeyManager>,
        tags: Pairs<Str, Str>,
        policy: KeyPolicyText,
    }
}

row! {
    GrantRow: Grant {
        id: [u8; 32],
        key: Text<KeyArn>,
        grantee: GrantPrincipalRow,
        retiring: Option<GrantPrincipalRow>,
        operations: OperationNames,
        constraints: GrantConstraintsRow,
        name: Option<Str>,
        issuing_account: u64,
        created_at: u64,
        born: u64,
    }
}

numbered! {
    GrantPrincipalRow: GrantPrincipal {
        1 = Arn {
            arn: Text<PrincipalArn>,
            unique_id: Text<UniqueId>,
        },
        2 = Service(service: Text<ServicePrincipal>),
    }
}

/// The operations of a grant by name, in the order of the closed list, each once (G-6).
#[derive(Serialize, Deserialize)]
pub(super) struct OperationNames(Vec<Text<GrantOperation>>);

impl Stored<GrantOperations> for OperationNames {
    fn store(value: &GrantOperations) -> Self {
        Self(
            value
                .iter()
                .map(|operation| Text::store(&operation))
                .collect(),
        )
    }

    fn load(self) -> Result<GrantOperations, Malformed> {
        let mut operations = GrantOperations::EMPTY;
        let mut last = None;
        for name in self.0 {
            let operation = name.load()?;
            if last >= Some(operation) {
                return Err(Malformed::new("operations stand twice or out of order"));
            }
            last = Some(operation);
            operations.insert(operation);
        }
        Ok(operations)
    }
}

row! {
    GrantConstraintsRow: GrantConstraints {
        context: Option<ContextConstraintRow>,
        source_arn: Option<Text<Arn>>,
    }
}

numbered! {
    ContextConstraintRow: ContextConstraint {
        1 = Equals(pairs: Pairs<Str, Str>),
        2 = Subset(pairs: Pairs<Str, Str>),
    }
}
