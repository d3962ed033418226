//! The immutable ids behind principals (ID-18): a re-created user or role has a new one.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{AccountId, IdFault, IdKind, ParseIdError, check_len, fault};
use crate::domain::limits;

/// What a [`UniqueId`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UniqueIdKind {
    /// An IAM user, `AIDA…`.
    User,
    /// An IAM role, `AROA…`.
    Role,
    /// An IAM group, `AGPA…`.
    Group,
    /// An account: its twelve digits.
    Account,
}

/// The immutable id of a principal (ID-18).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueId(Arc<str>);

impl UniqueId {
    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it belongs to.
    pub fn kind(&self) -> UniqueIdKind {
        if self.0.starts_with("AIDA") {
            UniqueIdKind::User
        } else if self.0.starts_with("AROA") {
            UniqueIdKind::Role
        } else if self.0.starts_with("AGPA") {
            UniqueIdKind::Group
        } else {
            UniqueIdKind::Account
        }
    }

    /// The id of a new user, from bytes drawn before the log (80 of their 128 bits are used).
    pub fn of_new_user(entropy: &[u8; 16]) -> Self {
        Self::minted("AIDA", entropy)
    }

    /// The id of a new role, from bytes drawn before the log (80 of their 128 bits are used).
    pub fn of_new_role(entropy: &[u8; 16]) -> Self {
        Self::minted("AROA", entropy)
    }

    /// The id of a new group, from bytes drawn before the log (80 of their 128 bits are used).
    pub fn of_new_group(entropy: &[u8; 16]) -> Self {
        Self::minted("AGPA", entropy)
    }

    /// The id of an account: its digits.
    pub fn of_account(account: AccountId) -> Self {
        Self(account.to_string().into())
    }

    /// The prefix and 16 letters of base 32, each worth five bits.
    fn minted(prefix: &str, entropy: &[u8; 16]) -> Self {
        const ALPHABET: [char; 32] = [
            'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q',
            'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', '2', '3', '4', '5', '6', '7',
        ];
        let mut text = String::with_capacity(prefix.len() + 16);
        text.push_str(prefix);
        let mut bits = u128::from_be_bytes(*entropy);
        for _ in 0..16 {
            let letter = ALPHABET.get((bits & 31) as usize);
            text.extend(letter);
            bits >>= 5;
        }
        Self(text.into())
    }
}

impl FromStr for UniqueId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        check_len(IdKind::UniqueId, text, limits::UNIQUE_ID_MAX)?;
        let minted = ["AIDA", "AROA", "AGPA"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
            && text.len() > 4
            && text
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if !minted && AccountId::read(text).is_none() {
            let expected = "`AIDA…`, `AROA…` or `AGPA…` in capitals and digits, or an account id";
            return Err(fault(IdKind::UniqueId, IdFault::BadForm { expected }, text));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ID-18: a user's and a role's ids differ by prefix, two drawings differ, and all read back.
    #[test]
    fn unique_ids_drawn_from_different_bytes_differ() {
        let user = UniqueId::of_new_user(&[7; 16]);
        let role = UniqueId::of_new_role(&[7; 16]);
        let other = UniqueId::of_new_user(&[8; 16]);
        assert_eq!(
            (user.kind(), role.kind()),
            (UniqueIdKind::User, UniqueIdKind::Role)
        );
        assert_ne!(user, other);
        assert_eq!(user.as_str().len(), 20);
        for id in [
            user,
            role,
            other,
            UniqueId::of_account(AccountId::from_number(1).unwrap()),
        ] {
            assert_eq!(id.as_str().parse::<UniqueId>(), Ok(id));
        }
    }

    #[test]
    fn unique_id_of_another_form_is_refused() {
        for text in ["", "AIDA", "aida123", "AIDAabc", "AKIA1234", "123"] {
            assert!(text.parse::<UniqueId>().is_err(), "{text}");
        }
    }
}
