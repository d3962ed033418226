//! Alias names as requests send them (ID-5).

use super::ErrorCode;
use super::refusal::{Said, said};
use crate::domain::ids::{AliasName, IdFault};

/// The alias name of this text, if a customer may use it.
pub fn read_name(text: &str) -> Result<AliasName, Said> {
    let name: AliasName = text.parse().map_err(|error: crate::domain::ids::ParseIdError| {
        match error.fault() {
            IdFault::MissingAliasPrefix => said(
                ErrorCode::Validation,
                "Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
            ),
            _ => said(ErrorCode::InvalidAliasName, error),
        }
    })?;
    if name.is_reserved() {
        return Err(said(
            ErrorCode::NotAuthorized,
            format_args!(
                "the alias name `{name}` is reserved: aliases beginning with alias/aws/ are AWS's own"
            ),
        ));
    }
    Ok(name)
}
