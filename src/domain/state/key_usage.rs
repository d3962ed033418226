//! The last use of a key that is known: what it says of the key's days without use, and when it is to be renewed.
//!
//! A use is a cryptographic operation that was allowed (CK-53). Where it happened is a node's business; what the state
//! knows of it was reported, or was a Consume. Imports ids, time, policy's actions. Reads no clock.

use super::closed_set;
use super::key::Key;
use crate::domain::ids::RequestId;
use crate::domain::limits::KEY_USAGE_LAG_MS_MAX;
use crate::domain::policy::KmsAction;
use crate::domain::time::Timestamp;

closed_set! {
    /// The operations that are a use of a key, as GetKeyLastUsage names them (W-18).
    pub enum UsageOperation {
        Decrypt = "Decrypt",
        DeriveSharedSecret = "DeriveSharedSecret",
        Encrypt = "Encrypt",
        GenerateDataKey = "GenerateDataKey",
        GenerateDataKeyPair = "GenerateDataKeyPair",
        GenerateDataKeyPairWithoutPlaintext = "GenerateDataKeyPairWithoutPlaintext",
        GenerateDataKeyWithoutPlaintext = "GenerateDataKeyWithoutPlaintext",
        GenerateMac = "GenerateMac",
        ReEncrypt = "ReEncrypt",
        Sign = "Sign",
        Verify = "Verify",
        VerifyMac = "VerifyMac",
        Encapsulate = "Encapsulate",
        Decapsulate = "Decapsulate",
    }
}

impl UsageOperation {
    /// The operation that an action is, or is a half of; `None`: it uses no key's material.
    pub const fn of(action: KmsAction) -> Option<Self> {
        Some(match action {
            KmsAction::Decrypt => Self::Decrypt,
            KmsAction::DeriveSharedSecret => Self::DeriveSharedSecret,
            KmsAction::Encrypt => Self::Encrypt,
            KmsAction::GenerateDataKey => Self::GenerateDataKey,
            KmsAction::GenerateDataKeyPair => Self::GenerateDataKeyPair,
            KmsAction::GenerateDataKeyPairWithoutPlaintext => {
                Self::GenerateDataKeyPairWithoutPlaintext
            }
            KmsAction::GenerateDataKeyWithoutPlaintext => Self::GenerateDataKeyWithoutPlaintext,
            KmsAction::GenerateMac => Self::GenerateMac,
            KmsAction::ReEncryptFrom | KmsAction::ReEncryptTo => Self::ReEncrypt,
            KmsAction::Sign => Self::Sign,
            KmsAction::Verify => Self::Verify,
            KmsAction::VerifyMac => Self::VerifyMac,
            KmsAction::Encapsulate => Self::Encapsulate,
            KmsAction::Decapsulate => Self::Decapsulate,
            // Whether another action uses key material is said in the table of actions; a test holds the two together.
            _ => return None,
        })
    }
}

/// A use of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyUse {
    /// What was done.
    pub operation: UsageOperation,
    /// When.
    pub at: Timestamp,
    /// By which request: the audit trail tells of it.
    pub request_id: Option<RequestId>,
}

/// Whether a use is to be reported.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ReportDue {
    /// The state knows of one that is hardly older.
    No,
    /// With the next batch: it is the first of a day or of an hour.
    Soon,
    /// Before the answer: nothing is known of the key for 24 hours, and it may be deleted for that (EC-23).
    AtOnce,
}

impl Key {
    /// Since when the key counts as unused: its last use, or its creation.
    fn unused_since(&self) -> Timestamp {
        self.last_use.map_or(self.created_at, |last| last.at)
    }

    /// `kms:TrailingDaysWithoutKeyUsage` (CK-52): whole days, rounded down.
    pub fn days_without_use(&self, now: Timestamp) -> u64 {
        now.millis_since(self.unused_since()) / Timestamp::DAY_MS
    }

    /// Whether a use at `now` is to be reported.
    pub fn report_due(&self, now: Timestamp) -> ReportDue {
        let last = self.unused_since();
        let idle_ms = now.millis_since(last);
        let day = |time: Timestamp| time.as_millis() / Timestamp::DAY_MS;
        if idle_ms >= Timestamp::DAY_MS {
            ReportDue::AtOnce
        } else if self.last_use.is_none()
            || idle_ms >= KEY_USAGE_LAG_MS_MAX
            || day(now) != day(last)
        {
            ReportDue::Soon
        } else {
            ReportDue::No
        }
    }

    /// The key with `used` as its last use; `None` if that says nothing new: a later one is known, or the key was not
    /// there yet and it is a use of another that had its ARN.
    pub fn with_use(&self, used: KeyUse) -> Option<Self> {
        let is_later = self.last_use.is_none_or(|last| last.at < used.at);
        (is_later && used.at >= self.created_at).then(|| Self {
            last_use: Some(used),
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::{KeyManager, KeyOrigin, KeySpec, KeyState, KeyUsage};
    use super::*;
    use crate::domain::policy::{Policy, PolicyKind};
    use crate::domain::time::Revision;

    const HOUR: u64 = 3_600_000;
    const DAY: u64 = 24 * HOUR;

    fn used(at: u64) -> KeyUse {
        KeyUse {
            operation: UsageOperation::Sign,
            at: Timestamp::from_millis(at),
            request_id: None,
        }
    }

    fn key(created_at: u64, last: Option<u64>) -> Key {
        let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}]}"#;
        Key {
            arn: "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
                .parse()
                .unwrap(),
            born: Revision(1),
            created_at: Timestamp::from_millis(created_at),
            description: "".into(),
            spec: KeySpec::SymmetricDefault,
            usage: KeyUsage::EncryptDecrypt,
            origin: KeyOrigin::AwsKms,
            state: KeyState::Enabled,
            multi_region: None,
            manager: KeyManager::Customer,
            tags: Default::default(),
            policy: Policy::parse(policy, PolicyKind::Key).unwrap(),
            bindings: Default::default(),
            deletion: None,
            custom_key_store: None,
            last_use: last.map(used),
        }
    }

    /// CK-53: what uses key material is a use, and nothing else; GenerateRandom uses no key.
    #[test]
    fn cryptographic_operations_on_a_key_are_uses() {
        let mut names = std::collections::BTreeSet::new();
        for action in KmsAction::ALL {
            let is_use = action.is_cryptographic() && *action != KmsAction::GenerateRandom;
            let operation = UsageOperation::of(*action);
            assert_eq!(operation.is_some(), is_use, "{action}");
            names.extend(operation);
        }
        assert_eq!(names.len(), UsageOperation::ALL.len());
    }

    /// CK-52, U-36: whole days since the last use, else since the creation, rounded down; never less than none.
    #[test]
    fn days_without_use_are_whole_days_since_the_last_use_or_the_creation() {
        let days =
            |created, last, now| key(created, last).days_without_use(Timestamp::from_millis(now));
        assert_eq!(days(0, None, 400 * DAY), 400);
        assert_eq!(days(0, None, 400 * DAY - 1), 399);
        assert_eq!(days(0, Some(400 * DAY), 400 * DAY), 0);
        assert_eq!(days(0, Some(399 * DAY), 400 * DAY - 1), 0);
        assert_eq!(days(0, Some(399 * DAY), 400 * DAY), 1);
        assert_eq!(days(DAY, None, 0), 0);
    }

    /// EC-23: the first use after 24 hours at once, the first of a day or an hour soon, others not at all.
    #[test]
    fn use_is_reported_when_the_state_knows_too_little() {
        let due = |created, last, now| key(created, last).report_due(Timestamp::from_millis(now));
        let noon = 10 * DAY + 12 * HOUR;
        for (what, created, last, now, expected) in [
            ("made just now", noon, None, noon, ReportDue::Soon),
            ("made a day ago", noon, None, noon + DAY, ReportDue::AtOnce),
            (
                "unused for 24 hours",
                0,
                Some(noon),
                noon + DAY,
                ReportDue::AtOnce,
            ),
            (
                "a millisecond less",
                0,
                Some(noon),
                noon + DAY - 1,
                ReportDue::Soon,
            ),
            (
                "used within the hour",
                0,
                Some(noon),
                noon + HOUR - 1,
                ReportDue::No,
            ),
            ("an hour later", 0, Some(noon), noon + HOUR, ReportDue::Soon),
            (
                "on the next day",
                0,
                Some(11 * DAY - 1),
                11 * DAY,
                ReportDue::Soon,
            ),
            (
                "by a clock that is behind",
                0,
                Some(noon),
                noon - 1,
                ReportDue::No,
            ),
        ] {
            assert_eq!(due(created, last, now), expected, "{what}");
        }
    }

    /// EC-23: the last use never goes back, and is never one from before the key.
    #[test]
    fn last_use_never_goes_back() {
        let of = |last, at| {
            let key = key(100, last).with_use(used(at));
            key.and_then(|key| key.last_use)
                .map(|last| last.at.as_millis())
        };
        assert_eq!(of(None, 99), None);
        assert_eq!(of(None, 100), Some(100));
        assert_eq!(of(Some(200), 200), None);
        assert_eq!(of(Some(200), 199), None);
        assert_eq!(of(Some(200), 201), Some(201));
    }
}
