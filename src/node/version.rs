//! Which program this is.

/// The version, with the commit of a release build; other builds say that they are none.
pub const VERSION: &str = env!("GRANTD_VERSION");
