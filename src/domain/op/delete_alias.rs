//! `DeleteAlias`: deletes an alias; its key stays (ID-7).

use super::context::{Change, Context};
use super::parts::{Part, Parts};
use super::refusal::{Said, refusals};
use super::{Change as What, Event, Output, aliases};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::{AliasUse, Unresolved, alias_arn};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{AliasArn, KeyRef};
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::key::Key;
use std::sync::Arc;

/// Deletes an alias; its key stays (ID-7).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteAlias {
    /// The alias name as sent (ID-5).
    pub alias: Arc<str>,
}

refusals! {
    /// Why DeleteAlias is refused, in the order of its checks. No state of a key stands in its way (ST-2).
    Refusal {
        /// A name that no alias can have, or that is reserved (ID-5, U-1).
        Name(Said),
        /// No such alias.
        Alias(Unresolved),
        /// Not permitted on the key or on the alias (D-14).
        Denied(Denied),
    }
}

impl DeleteAlias {
    /// The alias and its key.
    fn named<'a>(&self, cx: &Context<'a>) -> Result<(&'a Arc<Key>, AliasArn), Refusal> {
        let name = aliases::read_name(&self.alias).map_err(Refusal::Name)?;
        let key = cx.key(&KeyRef::Alias(name.clone()), AliasUse::Accepted)?;
        Ok((key, alias_arn(cx.scope, key.arn.account, &name)))
    }
}

/// D-14: the key, and the alias itself.
fn parts<'p>(cx: &Context<'_>, key: &Arc<Key>, alias: &AliasArn) -> Parts<'p> {
    let action = KmsAction::DeleteAlias;
    Parts {
        first: Part::on_key(cx, action, key, Parameters::NONE),
        rest: vec![Part::on_alias(cx, action, alias)],
    }
}

impl Change for DeleteAlias {
    type Refusal = Refusal;
    type Plan = AliasArn;

    fn parts<'p>(&'p self, cx: &Context<'p>) -> Result<Option<Parts<'p>>, Refusal> {
        let (key, arn) = self.named(cx)?;
        Ok(Some(parts(cx, key, &arn)))
    }

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, AliasArn), Refusal> {
        let (key, arn) = self.named(cx)?;
        let allowed = cx.allow_parts(&parts(cx, key, &arn))?;
        Ok((allowed, arn))
    }

    fn enact(arn: AliasArn, state: &mut State) -> (Output, Vec<Event>) {
        state.take_alias(&arn);
        (Output::Done, vec![Event::AliasChanged(arn, What::Deleted)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, check_rows, key, key_arn};
    use crate::domain::op::{Command, create_alias};

    fn delete(alias: &str) -> Command {
        Command::DeleteAlias(DeleteAlias {
            alias: alias.into(),
        })
    }

    fn cluster() -> Cluster {
        let mut cluster = Cluster::new();
        let alias = create_alias::CreateAlias {
            alias: "alias/a".into(),
            target: key(1),
        };
        cluster.done(ADMIN, Command::CreateAlias(alias));
        cluster
    }

    #[test]
    fn delete_alias_refuses_in_the_order_of_its_checks() {
        let mut cluster = cluster();
        cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:DeleteAlias","Resource":"arn:aws:kms:*:*:key/*"}}"#);
        check_rows(vec![
            (
                "no prefix",
                cluster.refusal(BOB, delete("a")),
                "ValidationException",
                "Alias must start with the prefix",
            ),
            (
                "not there",
                cluster.refusal(BOB, delete("alias/b")),
                "NotFoundException",
                "Alias arn:aws:kms:eu-west-1:111122223333:alias/b is not found.",
            ),
            (
                "on the key, not on the alias",
                cluster.refusal(BOB, delete("alias/a")),
                "AccessDeniedException",
                "alias/a",
            ),
        ]);
        cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:DeleteAlias","Resource":"arn:aws:kms:*:*:alias/*"}}"#);
        let (_, why) = cluster.refusal(BOB, delete("alias/a"));
        assert!(why.contains(&key_arn(1).to_string()), "{why}");
    }

    /// ID-7: the key stays.
    #[test]
    fn alias_goes_and_its_key_stays() {
        let mut cluster = cluster();
        assert_eq!(cluster.state.aliases_of_key(&key_arn(1)).len(), 1);
        cluster.done(ADMIN, delete("alias/a"));
        assert!(cluster.state.aliases_of_key(&key_arn(1)).is_empty());
        assert!(cluster.state.key(&key_arn(1)).is_some());
        assert_eq!(
            cluster.refusal(ADMIN, delete("alias/a")).0,
            "NotFoundException"
        );
    }
}
