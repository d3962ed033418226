//! The stored forms of what the state holds: settings, accounts, users and roles, keys, aliases, grants, token epochs,
//! idempotency records. A fact's number is never changed and never used again.
//!
//! Imports domain's state.

use serde::{Deserialize, Serialize};

use super::error::Malformed;
use super::key_store_backends::KeyStoreBackendRow;
use super::key_stores::{KeyStoreRow, StoreKeyRow};
use super::policy::{
    BoundaryText, EndpointPolicyText, IdentityPolicyText, KeyPolicyText, ResourceControlText,
    ServiceControlText,
};
use super::row::{Blob, Members, Pairs, Shared, Stored, Str, Text, numbered, row};
use crate::domain::ids::{
    AliasArn, Arn, CustomKeyStoreId, GroupArn, KeyArn, NodeId, OrganizationId, PrincipalArn,
    Regions, ServicePrincipal, UniqueId, VpcEndpointId, VpcId,
};
use crate::domain::policy::Profile;
use crate::domain::state::alias::Alias;
use crate::domain::state::error_code::ErrorCode;
use crate::domain::state::fact::Fact;
use crate::domain::state::grant::{
    ConstraintKeyCase, ContextConstraint, Grant, GrantConstraints, GrantOperation, GrantOperations,
    GrantPrincipal, Term,
};
use crate::domain::state::group::Group;
use crate::domain::state::idempotency::{
    Consumed, Effect, Horizon, IdempotencyKey, IdempotencyRecord, Payer,
};
use crate::domain::state::key::{
    Deletion, Key, KeyManager, KeyOrigin, KeySpec, KeyState, KeyUsage, MultiRegionKeyType,
};
use crate::domain::state::key_usage::{KeyUse, UsageOperation};
use crate::domain::state::organization::{Node, Organization, VpcEndpoint};
use crate::domain::state::principal::{Account, Principal, PrincipalType};
use crate::domain::state::semantics::Member;
use crate::domain::state::settings::Settings;
use crate::domain::state::token_epoch::TokenEpoch;

numbered! {
    FactRow: Fact {
        100 = Member(member: MemberRow),
        1 = TokenEpoch(epoch: Shared<TokenEpochRow>),
        2 = Account(account: Shared<AccountRow>),
        3 = Principal(principal: Shared<PrincipalRow>),
        4 = Key(key: Shared<KeyRow>),
        40 = KeyStore(store: Shared<KeyStoreRow>),
        80 = KeyStoreBackend(backend: Shared<KeyStoreBackendRow>),
        5 = Alias(alias: Shared<AliasRow>),
        6 = Grant(grant: Shared<GrantRow>),
        7 = Idempotency(record: Shared<IdempotencyRecordRow>),
        30 = DyingKey(key: Shared<KeyRow>),
        50 = Group(group: Shared<GroupRow>),
        51 = Organization(organization: Shared<OrganizationRow>),
        52 = Node(node: Shared<NodeRow>),
        53 = VpcEndpoint(endpoint: Shared<VpcEndpointRow>),
    }
}

row! {
    SettingsRow: Settings {
        max_staleness_ms: u64,
        clock_rate_permille: u32,
        grants_per_key_max: u32,
        profile: Text<Profile>,
        grants_per_principal_max: Option<u32>,
        constraint_key_case: Text<ConstraintKeyCase>,
        regions: Text<Regions>,
    }
}

row! {
    MemberRow: Member {
        node: u64,
        newest: u32,
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
        service: Option<Text<ServicePrincipal>>,
        tags: Pairs<Str, Str>,
        policies: Pairs<Str, IdentityPolicyText>,
        boundary: Option<BoundaryText>,
        groups: Members<Text<GroupArn>>,
    }
}

row! {
    GroupRow: Group {
        arn: Text<GroupArn>,
        unique_id: Text<UniqueId>,
        created_at: u64,
        born: u64,
        policies: Pairs<Str, IdentityPolicyText>,
    }
}

row! {
    OrganizationRow: Organization {
        id: Text<OrganizationId>,
        management: u64,
        root: Text<NodeId>,
        created_at: u64,
        born: u64,
    }
}

row! {
    NodeRow: Node {
        id: Text<NodeId>,
        organization: Text<OrganizationId>,
        parent: Option<Text<NodeId>>,
        name: Str,
        created_at: u64,
        born: u64,
        service_control: Vec<(Str, ServiceControlText)>,
        resource_control: Vec<(Str, ResourceControlText)>,
    }
}

row! {
    VpcEndpointRow: VpcEndpoint {
        id: Text<VpcEndpointId>,
        vpc: Text<VpcId>,
        account: u64,
        policy: Option<EndpointPolicyText>,
        created_at: u64,
        born: u64,
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
        bindings: Pairs<Text<PrincipalArn>, Text<UniqueId>>,
        deletion: Option<DeletionRow>,
        custom_key_store: Option<StoreKeyRow>,
        last_use: Option<KeyUseRow>,
    }
}

row! {
    KeyUseRow: KeyUse {
        operation: Text<UsageOperation>,
        at: u64,
        request_id: Option<[u8; 16]>,
    }
}

row! {
    DeletionRow: Deletion {
        window_days: u32,
        due: Option<u64>,
        was: Text<KeyState>,
    }
}

row! {
    AliasRow: Alias {
        arn: Text<AliasArn>,
        target: Text<KeyArn>,
        created_at: u64,
        updated_at: u64,
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
        spent: u32,
        ancestors: Vec<[u8; 32]>,
        epoch: u32,
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
        term: TermRow,
    }
}

row! {
    TermRow: Term {
        expires_at: Option<u64>,
        uses: Option<u32>,
    }
}

numbered! {
    ContextConstraintRow: ContextConstraint {
        1 = Equals(pairs: Pairs<Str, Str>),
        2 = Subset(pairs: Pairs<Str, Str>),
    }
}

row! {
    TokenEpochRow: TokenEpoch {
        number: u32,
        sealed_secret: Blob,
        born: u64,
        mints: Option<u64>,
        ended: Option<u64>,
        revoked: Option<u64>,
    }
}

row! {
    IdempotencyRecordRow: IdempotencyRecord {
        key: IdempotencyKeyRow,
        payer: PayerRow,
        request_hash: [u8; 32],
        horizon: Text<Horizon>,
        at: u64,
        time: u64,
        effect: EffectRow,
    }
}

row! {
    PayerRow: Payer {
        account: Option<u64>,
        principal: Str,
    }
}

row! {
    IdempotencyKeyRow: IdempotencyKey {
        caller: Str,
        key: Str,
    }
}

numbered! {
    EffectRow: Effect {
        1 = Done,
        2 = Account(account: Shared<AccountRow>),
        3 = Principal(principal: Shared<PrincipalRow>),
        4 = Key(key: Shared<KeyRow>),
        40 = KeyStore(id: Text<CustomKeyStoreId>),
        5 = Grant {
            id: [u8; 32],
            depends_on: u64,
        },
        50 = Group(group: Shared<GroupRow>),
        51 = Organization(organization: Shared<OrganizationRow>),
        52 = Node(node: Shared<NodeRow>),
        60 = Consumed(consumed: ConsumedRow),
        62 = TokenEpoch(number: u32),
        61 = Refused {
            code: Text<ErrorCode>,
            message: Str,
        },
    }
}

row! {
    ConsumedRow: Consumed {
        policy_type: Str,
        grant: Option<[u8; 32]>,
        uses_left: Option<u32>,
    }
}
