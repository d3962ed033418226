//! `GetKeyPolicy`: tells the key policy as it was put, but for principals that are gone: they are told by their immutable
//! ids, which no policy takes (ID-18, ID-61).

use super::context::{Context, Question};
use super::refusal::{Said, refusals};
use super::{Answer, policies};
use crate::domain::authz::Denied;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::ids::KeyRef;
use crate::domain::policy::{KmsAction, PolicyPrincipal};
use crate::domain::state::State;
use crate::domain::state::key::Key;
use std::sync::Arc;

/// Tells the key policy as it was put, but for principals that are gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetKeyPolicy {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// `default` or absent (P-1).
    pub policy_name: Option<Arc<str>>,
}

refusals! {
    /// Why GetKeyPolicy is refused, in the order of its checks.
    Refusal {
        /// No such key.
        Key(Unresolved),
        /// Not permitted.
        Denied(Denied),
        /// No such policy.
        Name(Said),
    }
}

impl Question for GetKeyPolicy {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let key = cx.key_without_alias(&self.key)?;
        let parameters = policies::name_parameter(self.policy_name.as_deref());
        cx.allow_key(KmsAction::GetKeyPolicy, key, parameters)?;
        policies::check_name(self.policy_name.as_deref()).map_err(Refusal::Name)?;
        Ok(Answer::Policy {
            name: policies::KEY_POLICY_NAME.into(),
            text: shown(cx.state, key),
        })
    }
}

/// The text of a key's policy. A principal that was deleted is shown by its immutable id, be it that another bears its
/// name: so that who reads the policy sees that the statement means nobody.
pub fn shown(state: &State, key: &Key) -> Arc<str> {
    let former = state.former_of_policy(key);
    key.policy.text_with(|principal| match principal {
        PolicyPrincipal::Arn(arn) => {
            let gone = former.iter().find(|former| former.arn == *arn)?;
            Some(gone.shown())
        }
        PolicyPrincipal::Everyone
        | PolicyPrincipal::Account(_)
        | PolicyPrincipal::Service(_)
        | PolicyPrincipal::Federated(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Query;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, EXT, check_rows, key, key_arn};

    fn get(key: KeyRef, name: Option<&str>) -> Query {
        Query::GetKeyPolicy(GetKeyPolicy {
            key,
            policy_name: name.map(Into::into),
        })
    }

    #[test]
    fn get_key_policy_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let alias = "alias/a".parse().unwrap();
        let by_arn = KeyRef::KeyArn(key_arn(1));
        check_rows(vec![
            (
                "an alias",
                cluster.ask(BOB, get(alias, Some("x"))).unwrap_err(),
                "NotFoundException",
                "Invalid keyId 'alias/a'",
            ),
            (
                "no permission",
                cluster.ask(BOB, get(key(1), Some("x"))).unwrap_err(),
                "AccessDeniedException",
                "kms:GetKeyPolicy",
            ),
            (
                "another account",
                cluster.ask(EXT, get(by_arn, None)).unwrap_err(),
                "AccessDeniedException",
                "resource-based",
            ),
            (
                "no such policy",
                cluster.ask(ADMIN, get(key(1), Some("x"))).unwrap_err(),
                "NotFoundException",
                "No such policy exists",
            ),
        ]);
        let told = cluster.ask(ADMIN, get(key(1), None));
        assert!(matches!(told, Ok(Answer::Policy { name, .. }) if &*name == "default"));
    }
}
