//! A new life of a cluster, forced from what one disk has. No command: it happens to a state whose log has ended.
//!
//! Everything that the disk knew is kept. What the old life's tokens, positions and idempotency keys said is not: what the
//! disk lacks may have taken it away. So the cluster begins closed.

use std::sync::Arc;

use crate::domain::state::State;
use crate::domain::state::fact::{Forgotten, Gap, Header};
use crate::domain::state::idempotency::Horizon;
use crate::domain::state::semantics::{Member, Semantics};
use crate::domain::state::token_epoch::{SealCheck, TokenEpoch};
use crate::domain::time::{Incarnation, Revision};

/// What a new life begins with, drawn beforehand.
#[derive(Clone, Debug)]
pub struct Forced {
    /// Its only member.
    pub node: u64,
    /// Its random identity.
    pub incarnation: Incarnation,
    /// The secret of its first token epoch, sealed for it.
    pub sealed_epoch_secret: Arc<[u8]>,
    /// Tells its seal key from any other.
    pub seal_check: SealCheck,
    /// The newest semantics that the node knows.
    pub newest: Semantics,
}

/// Begins a new life at `at`, a revision after all of the old one.
pub fn force(state: &mut State, at: Revision, forced: Forced) {
    let Forced {
        node,
        incarnation,
        sealed_epoch_secret,
        seal_check,
        newest,
    } = forced;
    let gap = Gap {
        after: Revision(at.0.saturating_sub(1)),
        since: state.clock(),
        was: state.incarnation(),
    };
    let epochs: Vec<u32> = state.token_epochs().map(|epoch| epoch.number).collect();
    for number in &epochs {
        state.drop_token_epoch(*number);
    }
    for horizon in Horizon::ALL {
        while let Some(oldest) = state.oldest_idempotency(*horizon) {
            let oldest = Arc::clone(oldest);
            state.forget_idempotency(&oldest);
        }
    }
    let members: Vec<Member> = state.cluster_members().collect();
    for member in members {
        state.take_member(member.node);
    }
    state.put_member(Member { node, newest });
    // Numbers go on, so that the epoch of a grant of the old life is none of the new one's.
    let number = epochs.last().map_or(1, |last| last.saturating_add(1));
    state.put_token_epoch(Arc::new(TokenEpoch {
        number,
        sealed_secret: sealed_epoch_secret,
        born: at,
        mints: Some(at),
        ended: None,
        revoked: None,
    }));
    let before = *state.header();
    state.reborn(Header {
        incarnation,
        revision: at,
        seal_check,
        closed: Some(gap),
        // A key that was born in the old life is never one of the new.
        forgotten: Forgotten {
            changes: at,
            uses: at,
        },
        ..before
    });
}
