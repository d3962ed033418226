//! The idempotency records: by key, in the order in which they are forgotten, and what they take of the memory.
//!
//! The memory is bounded as a whole and shared by account, and within an account by principal. Each has a share of its
//! own, whatever the others do, and beyond it may take of what is common as long as enough of it is free, up to a part of
//! the whole. So one who sends without end is refused himself, and nobody else. Imports ids, limits, time, and the records.

use std::fmt;
use std::sync::Arc;

use imbl::OrdMap;

use super::cow_map::{CowMap, HashKey};
use super::idempotency::{Horizon, IdempotencyKey, IdempotencyRecord, Payer};
use crate::domain::ids::AccountId;
use crate::domain::limits::{
    IDEMPOTENCY_ACCOUNT_PART, IDEMPOTENCY_BYTES_MAX, IDEMPOTENCY_CALLER_PART,
    IDEMPOTENCY_FREE_FACTOR, IDEMPOTENCY_OWN_PART, IDEMPOTENCY_RECORD_BYTES,
};
use crate::domain::time::Revision;

/// All records.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    by_key: CowMap<IdempotencyKey, Arc<IdempotencyRecord>>,
    /// An entry settles one key, so a revision has one record.
    changes: OrdMap<Revision, Arc<IdempotencyRecord>>,
    uses: OrdMap<Revision, Arc<IdempotencyRecord>>,
    taken: u64,
    by_account: CowMap<Option<AccountId>, u64>,
    by_payer: CowMap<Payer, u64>,
}

impl Records {
    /// Nothing yet, under the cluster's key.
    pub(super) fn keyed(key: HashKey) -> Self {
        Self {
            by_key: CowMap::keyed(key),
            by_account: CowMap::keyed(key),
            by_payer: CowMap::keyed(key),
            ..Self::default()
        }
    }
}

/// Who has no room for another record, with what he takes and may take, in bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Crowded {
    /// Whose share is full.
    pub whose: Share,
    /// What his records take.
    pub taken: u64,
}

/// Whose share it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Share {
    /// Everybody's.
    All,
    /// The account's.
    Account,
    /// The principal's own.
    Principal,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "the cluster",
            Self::Account => "the caller's account",
            Self::Principal => "the caller",
        })
    }
}

impl Records {
    pub(super) fn get(&self, key: &IdempotencyKey) -> Option<&Arc<IdempotencyRecord>> {
        self.by_key.get(key)
    }

    /// The record that was made at `at`.
    pub(super) fn made_at(
        &self,
        horizon: Horizon,
        at: Revision,
    ) -> Option<&Arc<IdempotencyRecord>> {
        self.order(horizon).get(&at)
    }

    /// The oldest of those that are kept equally long.
    pub(super) fn oldest(&self, horizon: Horizon) -> Option<&Arc<IdempotencyRecord>> {
        self.order(horizon).get_min().map(|(_, record)| record)
    }

    /// In canonical order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<IdempotencyRecord>> {
        self.changes.values().chain(self.uses.values())
    }

    pub(super) fn put(&mut self, record: Arc<IdempotencyRecord>) {
        self.order_mut(record.horizon)
            .insert(record.at, Arc::clone(&record));
        self.charge(&record.payer, |taken| taken.saturating_add(record.bytes()));
        self.by_key.insert(record.key.clone(), record);
    }

    pub(super) fn take(&mut self, key: &IdempotencyKey) -> Option<Arc<IdempotencyRecord>> {
        let old = self.by_key.remove(key)?;
        self.order_mut(old.horizon).remove(&old.at);
        self.charge(&old.payer, |taken| taken.saturating_sub(old.bytes()));
        Some(old)
    }

    fn order(&self, horizon: Horizon) -> &OrdMap<Revision, Arc<IdempotencyRecord>> {
        match horizon {
            Horizon::Change => &self.changes,
            Horizon::Use => &self.uses,
        }
    }

    fn order_mut(&mut self, horizon: Horizon) -> &mut OrdMap<Revision, Arc<IdempotencyRecord>> {
        match horizon {
            Horizon::Change => &mut self.changes,
            Horizon::Use => &mut self.uses,
        }
    }

    fn charge(&mut self, payer: &Payer, change: impl Fn(u64) -> u64) {
        self.taken = change(self.taken);
        let of_account = change(self.of_account(payer));
        if of_account == 0 {
            self.by_account.remove(&payer.account);
        } else {
            self.by_account.insert(payer.account, of_account);
        }
        let own = change(self.of(payer));
        if own == 0 {
            self.by_payer.remove(payer);
        } else {
            self.by_payer.insert(payer.clone(), own);
        }
    }

    fn of_account(&self, payer: &Payer) -> u64 {
        self.by_account.get(&payer.account).copied().unwrap_or(0)
    }

    fn of(&self, payer: &Payer) -> u64 {
        self.by_payer.get(payer).copied().unwrap_or(0)
    }

    /// Whether there is room for another record of `payer`, in a cluster with so many accounts, in an account with so
    /// many principals.
    pub(super) fn room(
        &self,
        payer: &Payer,
        accounts: usize,
        principals: usize,
    ) -> Result<(), Crowded> {
        let crowded = |whose, taken| Err(Crowded { whose, taken });
        let more = IDEMPOTENCY_RECORD_BYTES;
        let kept = IDEMPOTENCY_BYTES_MAX / IDEMPOTENCY_OWN_PART;
        let common = IDEMPOTENCY_BYTES_MAX - kept;
        if self.taken.saturating_add(more) > IDEMPOTENCY_BYTES_MAX {
            return crowded(Share::All, self.taken);
        }
        let account_own = share(kept, accounts);
        let own = share(account_own / IDEMPOTENCY_OWN_PART, principals);
        let taken = self.of(payer);
        if taken.saturating_add(more) <= own {
            return Ok(());
        }
        if taken.saturating_add(more) > IDEMPOTENCY_BYTES_MAX / IDEMPOTENCY_CALLER_PART {
            return crowded(Share::Principal, taken);
        }
        let free = common.saturating_sub(self.taken);
        let of_account = self.of_account(payer);
        let of_free = free.saturating_mul(IDEMPOTENCY_FREE_FACTOR);
        let most = IDEMPOTENCY_BYTES_MAX / IDEMPOTENCY_ACCOUNT_PART;
        let room = account_own.max(of_free.min(most));
        if of_account.saturating_add(more) > room {
            return crowded(Share::Account, of_account);
        }
        let common = room - room / IDEMPOTENCY_OWN_PART;
        let free = common.saturating_sub(of_account);
        if taken.saturating_add(more) > free.saturating_mul(IDEMPOTENCY_FREE_FACTOR) {
            return crowded(Share::Principal, taken);
        }
        Ok(())
    }
}

fn share(of: u64, between: usize) -> u64 {
    of / u64::try_from(between.max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::AccountId;
    use crate::domain::state::error_code::ErrorCode;
    use crate::domain::state::idempotency::Effect;
    use crate::domain::time::Timestamp;

    const ACCOUNTS: usize = 10;
    const PRINCIPALS: usize = 20;

    fn payer(account: u64, principal: &str) -> Payer {
        Payer {
            account: AccountId::from_number(account),
            principal: principal.into(),
        }
    }

    /// Puts records of a thousandth of the whole memory until there is no room; what stood in the way, and how many
    /// thousandths went in.
    fn flood(records: &mut Records, payer: &Payer, at: &mut u64) -> (Share, u64) {
        let text: std::sync::Arc<str> = "x".repeat(IDEMPOTENCY_BYTES_MAX as usize / 1_000).into();
        for count in 0.. {
            if let Err(Crowded { whose, .. }) = records.room(payer, ACCOUNTS, PRINCIPALS) {
                return (whose, count);
            }
            *at += 1;
            records.put(Arc::new(IdempotencyRecord {
                key: IdempotencyKey {
                    caller: Arc::clone(&payer.principal),
                    key: at.to_string().into(),
                },
                payer: payer.clone(),
                request_hash: [0; 32],
                horizon: Horizon::Change,
                at: Revision(*at),
                time: Timestamp::from_millis(0),
                effect: Effect::Refused {
                    code: ErrorCode::AccessDenied,
                    message: Arc::clone(&text),
                },
            }));
        }
        unreachable!()
    }

    /// whoever floods is refused himself and leaves room: to others of his account, and to every other account,
    /// however many flood one after the other. What one takes is a small part of the whole, and what an account takes a
    /// part.
    #[test]
    fn share_that_is_full_leaves_room_for_everybody_else() {
        let (mut records, mut at) = (Records::default(), 0);
        let (whose, alone) = flood(&mut records, &payer(1, "first"), &mut at);
        assert_eq!(whose, Share::Principal);
        // A record more than 1/16 at the most, for what the next one carries is not known before.
        let one = IDEMPOTENCY_BYTES_MAX / 1_000 + 1_000;
        assert!((60..=63).contains(&alone), "{alone}");
        assert!(records.of(&payer(1, "first")) <= IDEMPOTENCY_BYTES_MAX / 16 + one);
        let (_, second) = flood(&mut records, &payer(1, "second"), &mut at);
        assert_eq!(second, alone);
        for n in 0..PRINCIPALS {
            flood(&mut records, &payer(1, &format!("p{n}")), &mut at);
        }
        // Three quarters of the half that the account may have, and a record of each in his own share.
        let of_account = records.of_account(&payer(1, "first"));
        let wanted = IDEMPOTENCY_BYTES_MAX * 3 / 8;
        assert!(
            (wanted - one..wanted + 22 * one).contains(&of_account),
            "{of_account}"
        );
        // Nothing of what the account has in common is left: whoever was quiet until now has his own.
        assert_eq!(
            records.room(&payer(1, "quiet"), ACCOUNTS, PRINCIPALS),
            Ok(())
        );
        // A whole account floods: the next one has room, and so on to the last of them.
        for account in 2..=ACCOUNTS as u64 {
            let (_, count) = flood(&mut records, &payer(account, "first"), &mut at);
            assert!(count >= 1, "account {account}: {count}");
            assert!(records.taken <= IDEMPOTENCY_BYTES_MAX + 1_000_000);
            // Another of that account has his own, too.
            assert_eq!(
                records.room(&payer(account, "quiet"), ACCOUNTS, PRINCIPALS),
                Ok(())
            );
        }
    }

    /// What is forgotten gives its room back, to the last byte.
    #[test]
    fn records_that_go_give_their_room_back() {
        let (mut records, mut at) = (Records::default(), 0);
        flood(&mut records, &payer(1, "first"), &mut at);
        while let Some(oldest) = records.oldest(Horizon::Change) {
            let key = oldest.key.clone();
            records.take(&key);
        }
        assert_eq!((records.taken, records.of(&payer(1, "first"))), (0, 0));
        assert_eq!((records.by_account.len(), records.by_payer.len()), (0, 0));
        assert_eq!(records.iter().count(), 0);
    }
}
