//! The stored form of what an entry led to: the answer of a leader to the node that forwarded the draft.
//!
//! Imports domain's op.

use super::decision::DecisionRow;
use super::facts::{
    AccountRow, ConsumedRow, GrantRow, GroupRow, KeyRow, NodeRow, OrganizationRow, PrincipalRow,
    TokenEpochRow,
};
use super::row::{Shared, Str, Text, numbered, row};
use crate::domain::ids::{CloudHsmClusterId, CustomKeyStoreId, KeyArn};
use crate::domain::op::{CreatedGrant, ErrorCode, KeyDescription, Output, Rejection, RelatedKeys};

/// A rejection is an outcome too: every replica reaches the same one.
type Outcome = Result<Output, Rejection>;

numbered! {
    OutcomeRow: Outcome {
        1 = Ok(output: OutputRow),
        2 = Err(rejection: RejectionRow),
    }
}

numbered! {
    OutputRow: Output {
        1 = Done,
        2 = Account(account: AccountRow),
        3 = Principal(principal: PrincipalRow),
        4 = Key(key: KeyDescriptionRow),
        40 = KeyStore(id: Text<CustomKeyStoreId>),
        5 = Grant(grant: CreatedGrantRow),
        50 = Group(group: GroupRow),
        51 = Organization(organization: OrganizationRow),
        52 = Node(node: NodeRow),
        60 = Consumed(consumed: ConsumedRow),
        62 = TokenEpoch(number: u32),
    }
}

row! {
    KeyDescriptionRow: KeyDescription {
        key: KeyRow,
        related: Option<RelatedKeysRow>,
        cloud_hsm_cluster: Option<Text<CloudHsmClusterId>>,
    }
}

row! {
    RelatedKeysRow: RelatedKeys {
        primary: Option<Text<KeyArn>>,
        replicas: Vec<Text<KeyArn>>,
    }
}

row! {
    CreatedGrantRow: CreatedGrant {
        grant: Option<GrantRow>,
        id: [u8; 32],
        depends_on: u64,
        epoch: Option<Shared<TokenEpochRow>>,
    }
}

row! {
    RejectionRow: Rejection {
        code: Text<ErrorCode>,
        message: Str,
        decision: Option<Box<DecisionRow>>,
        help: Option<Str>,
    }
}
