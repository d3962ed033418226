//! Keys: their ids, their ARNs, and everything a caller may send as `KeyId` (ID-1 to ID-4).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use super::arn::Segments;
use super::{
    ALIAS_PREFIX, AccountId, AliasArn, AliasName, IdFault, IdKind, ParseIdError, Partition, Region,
    Short, check_len, fault, hex_of, read_hex, read_uuid, split_arn, uuid_of,
};
use crate::domain::limits;

/// The id of a key (ID-1): a lower-case UUID, or `mrk-` and 32 hexadecimal digits for a multi-Region key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyId {
    /// A single-Region key.
    Uuid([u8; 16]),
    /// A multi-Region key, primary or replica: the same id in every Region.
    MultiRegion([u8; 16]),
}

impl KeyId {
    /// The sixteen bytes, of either kind.
    pub const fn bytes(&self) -> &[u8; 16] {
        match self {
            Self::Uuid(bytes) | Self::MultiRegion(bytes) => bytes,
        }
    }

    /// The text of either kind: both have thirty-six characters.
    fn text(&self) -> [u8; 36] {
        match self {
            Self::Uuid(bytes) => uuid_of(bytes),
            Self::MultiRegion(bytes) => {
                let mut text = [0; 36];
                let (prefix, digits) = text.split_at_mut(4);
                prefix.copy_from_slice(b"mrk-");
                digits.copy_from_slice(&hex_of(bytes));
                text
            }
        }
    }

    /// `key/` and the id: the last part of the key's ARN, on the stack.
    pub fn resource(&self) -> Short<40> {
        let mut text = [0; 40];
        let (prefix, id) = text.split_at_mut(4);
        prefix.copy_from_slice(b"key/");
        id.copy_from_slice(&self.text());
        Short::ascii(text)
    }
}

impl FromStr for KeyId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if let Some(bytes) = read_uuid(text) {
            return Ok(Self::Uuid(bytes));
        }
        if let Some(bytes) = text
            .strip_prefix("mrk-")
            .and_then(|s| read_hex(s.as_bytes()))
        {
            return Ok(Self::MultiRegion(bytes));
        }
        check_len(IdKind::KeyId, text, limits::KEY_REF_MAX)?;
        let expected = "a lower-case UUID, or `mrk-` and 32 hexadecimal digits";
        Err(fault(IdKind::KeyId, IdFault::BadForm { expected }, text))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Short::ascii(self.text()).as_str())
    }
}

/// The ARN of a key (ID-3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyArn {
    /// The partition.
    pub partition: Partition,
    /// The Region the key lives in.
    pub region: Region,
    /// The account that owns the key.
    pub account: AccountId,
    /// The key.
    pub key_id: KeyId,
}

/// Hashed by the bytes of its id alone: they are random, and but for the Regions of one multi-Region key its own.
impl Hash for KeyArn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.key_id.bytes());
    }
}

impl FromStr for KeyArn {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let (parts, partition, region, account) = kms_arn(IdKind::KeyArn, text)?;
        let key_id = parts
            .resource
            .strip_prefix("key/")
            .and_then(|id| id.parse().ok());
        let Some(key_id) = key_id else {
            let expected = "arn:partition:kms:region:account:key/key-id";
            return Err(fault(IdKind::KeyArn, IdFault::BadForm { expected }, text));
        };
        Ok(Self {
            partition,
            region,
            account,
            key_id,
        })
    }
}

impl fmt::Display for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            region,
            account,
            key_id,
        } = self;
        // Piece by piece: a denial spells it out, and the formatter's arguments cost more than the text.
        for piece in ["arn:", partition.as_str(), ":kms:", region.as_str(), ":"] {
            f.write_str(piece)?;
        }
        account.fmt(f)?;
        f.write_str(":")?;
        f.write_str(key_id.resource().as_str())
    }
}

/// The shared part of key and alias ARNs: service `kms`, a Region, an account.
pub(super) fn kms_arn(
    kind: IdKind,
    text: &str,
) -> Result<(Segments<'_>, Partition, Region, AccountId), ParseIdError> {
    check_len(kind, text, limits::KEY_REF_MAX)?;
    let Some(parts) = split_arn(text) else {
        let expected = "arn:partition:kms:region:account:resource";
        return Err(fault(kind, IdFault::BadForm { expected }, text));
    };
    let partition =
        Partition::read(parts.partition).ok_or_else(|| fault(kind, IdFault::BadPartition, text))?;
    if parts.service != "kms" {
        return Err(fault(kind, IdFault::WrongService { expected: "kms" }, text));
    }
    let region = parts
        .region
        .parse()
        .map_err(|_| fault(kind, IdFault::BadRegion, text))?;
    let account =
        AccountId::read(parts.account).ok_or_else(|| fault(kind, IdFault::BadAccount, text))?;
    Ok((parts, partition, region, account))
}

/// What a caller may send as `KeyId` (ID-1 to ID-4). Which forms an operation accepts is its own rule (ID-6).
///
/// Every form has one spelling, so printing gives back the text that was sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyRef {
    /// A bare key id: resolves in the caller's account and the endpoint's Region.
    Id(KeyId),
    /// A key ARN.
    KeyArn(KeyArn),
    /// A bare alias name: resolves in the caller's account and the endpoint's Region.
    Alias(AliasName),
    /// An alias ARN.
    AliasArn(AliasArn),
}

impl KeyRef {
    /// The alias this names, if it names one: the value of `kms:RequestAlias` (CK-27).
    pub fn alias(&self) -> Option<&AliasName> {
        match self {
            Self::Id(_) | Self::KeyArn(_) => None,
            Self::Alias(name) => Some(name),
            Self::AliasArn(arn) => Some(&arn.name),
        }
    }
}

impl FromStr for KeyRef {
    type Err = ParseIdError;

    /// Errors keep the kind of the form that the text looks like: `KeyArn`, `AliasArn`, `AliasName`,
    /// or `KeyId` for all else, for which AWS says `Invalid keyId` (ID-1).
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if text.starts_with("arn:") {
            let is_alias = split_arn(text).is_some_and(|p| p.resource.starts_with(ALIAS_PREFIX));
            if is_alias {
                text.parse().map(Self::AliasArn)
            } else {
                text.parse().map(Self::KeyArn)
            }
        } else if text.starts_with(ALIAS_PREFIX) {
            text.parse().map(Self::Alias)
        } else {
            text.parse().map(Self::Id)
        }
    }
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::KeyArn(arn) => arn.fmt(f),
            Self::Alias(name) => name.fmt(f),
            Self::AliasArn(arn) => arn.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UUID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    /// ID-1: a lower-case UUID, or `mrk-` and 32 digits; nothing else.
    #[test]
    fn key_id_in_another_spelling_is_refused() {
        assert!(matches!(UUID.parse(), Ok(KeyId::Uuid(_))));
        let mrk = "mrk-1234abcd12ab34cd56ef1234567890ab";
        assert!(matches!(mrk.parse(), Ok(KeyId::MultiRegion(_))));
        for text in [
            "",
            "1234abcd12ab34cd56ef1234567890ab",
            "1234ABCD-12ab-34cd-56ef-1234567890ab",
            "mrk-junk",
            "mrk-1234ABCD12ab34cd56ef1234567890ab",
            "mrk-1234abcd-12ab-34cd-56ef-1234567890ab",
            "1234abcd-12ab-34cd-56ef-1234567890abc",
            "1234abcd-12ab-34cd-56ef_1234567890ab",
        ] {
            let error = text.parse::<KeyId>().unwrap_err();
            assert_eq!(error.kind(), IdKind::KeyId);
            assert_eq!(error.text(), text);
        }
    }

    /// ID-3: the ARN of a key, taken apart.
    #[test]
    fn key_arn_is_taken_apart_and_printed_back() {
        let text = format!("arn:aws-cn:kms:cn-north-1:000000000042:key/{UUID}");
        let arn: KeyArn = text.parse().unwrap();
        assert_eq!(arn.partition, Partition::AwsCn);
        assert_eq!(arn.region.as_str(), "cn-north-1");
        assert_eq!(arn.account.number(), 42);
        assert_eq!(arn.to_string(), text);
    }

    /// ID-3: each wrong segment is named by the error.
    #[test]
    fn key_arn_with_a_wrong_segment_says_which() {
        let wrong = |text: &str| {
            text.replace("{id}", UUID)
                .parse::<KeyArn>()
                .unwrap_err()
                .fault()
        };
        assert_eq!(
            wrong("arn:awz:kms:eu-west-1:111122223333:key/{id}"),
            IdFault::BadPartition
        );
        assert!(matches!(
            wrong("arn:aws:s3:eu-west-1:111122223333:key/{id}"),
            IdFault::WrongService { .. }
        ));
        assert_eq!(
            wrong("arn:aws:kms::111122223333:key/{id}"),
            IdFault::BadRegion
        );
        assert_eq!(
            wrong("arn:aws:kms:eu-west-1:1111:key/{id}"),
            IdFault::BadAccount
        );
        assert!(matches!(
            wrong("arn:aws:kms:eu-west-1:111122223333:alias/x"),
            IdFault::BadForm { .. }
        ));
        assert!(matches!(
            wrong("arn:aws:kms:eu-west-1:111122223333:key/x"),
            IdFault::BadForm { .. }
        ));
    }

    /// ID-1 to ID-5: the four forms a caller may send.
    #[test]
    fn key_ref_knows_the_four_forms() {
        let forms = [
            UUID.to_string(),
            format!("arn:aws:kms:eu-west-1:111122223333:key/{UUID}"),
            "alias/app".to_string(),
            "arn:aws:kms:eu-west-1:111122223333:alias/app/blue".to_string(),
        ];
        let refs: Vec<KeyRef> = forms.iter().map(|form| form.parse().unwrap()).collect();
        assert!(matches!(refs[0], KeyRef::Id(_)));
        assert!(matches!(refs[1], KeyRef::KeyArn(_)));
        assert!(matches!(refs[2], KeyRef::Alias(_)));
        assert!(matches!(refs[3], KeyRef::AliasArn(_)));
        assert_eq!(
            refs[3].alias().map(AliasName::as_str),
            Some("alias/app/blue")
        );
        for (form, parsed) in forms.iter().zip(&refs) {
            assert_eq!(&parsed.to_string(), form);
        }
    }

    proptest! {
        #[test]
        fn key_ref_of_any_text_never_panics_and_prints_back(text in "\\PC{0,80}") {
            if let Ok(parsed) = text.parse::<KeyRef>() {
                prop_assert_eq!(parsed.to_string(), text);
            }
        }

        #[test]
        fn key_id_of_any_bytes_prints_and_reads_back(bytes: [u8; 16]) {
            for id in [KeyId::Uuid(bytes), KeyId::MultiRegion(bytes)] {
                prop_assert_eq!(id.to_string().parse::<KeyId>(), Ok(id));
            }
        }
    }
}
