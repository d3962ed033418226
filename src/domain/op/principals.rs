//! Principals that a request names: they must exist, and are bound to their immutable ids (ID-18, P-5).

use crate::domain::ids::{PrincipalArn, PrincipalKind, UniqueId};
use crate::domain::state::State;
use crate::domain::state::principal::PrincipalType;

/// The immutable id behind a principal that exists in this cluster.
///
/// A user or role has its own; a session its role's; an account, and a federated user, of whom nothing but the name is
/// kept, the account's. `None`: it does not exist here. A principal of an account that this cluster does not know does
/// not exist here either, its account root included: nobody could ever call as it.
pub fn immutable_id(state: &State, arn: &PrincipalArn) -> Option<UniqueId> {
    let account = arn.account();
    state.account(account)?;
    match arn.kind() {
        PrincipalKind::Root | PrincipalKind::FederatedUser { .. } => {
            Some(UniqueId::of_account(account))
        }
        PrincipalKind::User { .. } | PrincipalKind::Role { .. } => state
            .principal(arn)
            .map(|principal| principal.unique_id.clone()),
        PrincipalKind::AssumedRole { role, .. } => {
            let role = state.principal_named(account, PrincipalType::Role, role)?;
            // A session's ARN repeats the role's name letter by letter (ID-17).
            let named = match role.arn.kind() {
                PrincipalKind::Role { name, .. } => arn.as_str().contains(&format!("/{name}/")),
                _ => false,
            };
            named.then(|| role.unique_id.clone())
        }
    }
}
