//! `CreateAccount`: makes an account with its root principal; for the operator alone.

use crate::domain::ids::AccountId;
use std::sync::Arc;

/// Makes an account with its root principal; for the operator alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateAccount {
    /// The twelve digits.
    pub account: AccountId,
    /// A display name; may be empty.
    pub name: Arc<str>,
}
