//! `CreateAlias`: makes an alias of a key.

use super::context::{Change, Context};
use super::key_rules::{self, BadState, StateRule};
use super::parts::{Part, Parts};
use super::refusal::{Said, refusals, said};
use super::{Change as What, ErrorCode, Event, Output, aliases};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::{Unresolved, alias_arn};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{AliasArn, KeyRef};
use crate::domain::limits::ALIASES_PER_KEY_MAX;
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::alias::Alias;
use crate::domain::state::key::Key;
use std::sync::Arc;

/// Makes an alias of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateAlias {
    /// The alias name as sent, with its prefix `alias/` (ID-5).
    pub alias: Arc<str>,
    /// Key id or key ARN, same account and Region (ID-6).
    pub target: KeyRef,
}

refusals! {
    /// Why CreateAlias is refused, in the order of its checks.
    Refusal {
        /// A name that no alias can have, or that is reserved (ID-5, U-1).
        Name(Said),
        /// No such key.
        Key(Unresolved),
        /// Not permitted on the key or on the alias (D-14).
        Denied(Denied),
        /// A key of AWS's (ST-5), or of another account than the caller's (ID-6).
        NotOurs(Said),
        /// The key's state stands in the way (ST-2).
        State(BadState),
        /// The alias is there.
        Exists(Said),
        /// The key has as many aliases as it can have.
        TooMany(Said),
    }
}

impl CreateAlias {
    /// The key and the alias.
    fn named<'a>(&self, cx: &Context<'a>) -> Result<(&'a Arc<Key>, AliasArn), Refusal> {
        let name = aliases::read_name(&self.alias).map_err(Refusal::Name)?;
        let key = cx.key_without_alias(&self.target)?;
        Ok((key, alias_arn(cx.scope, key.arn.account, &name)))
    }
}

/// D-14: the key, and the alias itself.
fn parts<'p>(cx: &Context<'_>, key: &Arc<Key>, alias: &AliasArn) -> Parts<'p> {
    let action = KmsAction::CreateAlias;
    Parts {
        first: Part::on_key(cx, action, key, Parameters::NONE),
        rest: vec![Part::on_alias(cx, action, alias)],
    }
}

impl Change for CreateAlias {
    type Refusal = Refusal;
    type Plan = Alias;

    fn parts<'p>(&'p self, cx: &Context<'p>) -> Result<Option<Parts<'p>>, Refusal> {
        let (key, arn) = self.named(cx)?;
        Ok(Some(parts(cx, key, &arn)))
    }

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Alias), Refusal> {
        let (key, arn) = self.named(cx)?;
        let allowed = cx.allow_parts(&parts(cx, key, &arn))?;
        key_rules::check_customer_managed(key).map_err(Refusal::NotOurs)?;
        key_rules::check_state(StateRule::Edit, cx.state, key)?;
        if cx.state.alias(&arn).is_some() {
            return Err(Refusal::Exists(said(
                ErrorCode::AlreadyExists,
                format_args!("An alias with the name {arn} already exists"),
            )));
        }
        if cx.state.aliases_of_key(&key.arn).len() >= ALIASES_PER_KEY_MAX {
            return Err(Refusal::TooMany(said(
                ErrorCode::LimitExceeded,
                format_args!(
                    "the key {} has {ALIASES_PER_KEY_MAX} aliases, as many as it can have",
                    key.arn
                ),
            )));
        }
        let alias = Alias {
            arn,
            target: key.arn.clone(),
            created_at: cx.now,
            updated_at: cx.now,
        };
        Ok((allowed, alias))
    }

    fn enact(alias: Alias, state: &mut State) -> (Output, Vec<Event>) {
        let events = vec![Event::AliasChanged(alias.arn.clone(), What::Created)];
        state.put_alias(Arc::new(alias));
        (Output::Done, events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, EXT, Refused, check_rows, key, key_arn};
    use crate::domain::state::key::{KeyManager, KeyState};

    fn create(alias: &str) -> Command {
        Command::CreateAlias(CreateAlias {
            alias: alias.into(),
            target: key(1),
        })
    }

    /// ID-5 to ID-9, D-14; AWS's texts where they are known.
    #[test]
    fn create_alias_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.put_policy(BOB, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:CreateAlias","Resource":"arn:aws:kms:*:*:key/*"}}"#);
        cluster.done(ADMIN, create("alias/there"));
        let mut pending = cluster.copy();
        pending.set_key_state(KeyState::PendingDeletion);
        let mut managed = pending.copy();
        managed.set_key(|key| key.manager = KeyManager::Aws);
        let of = |target: &str| CreateAlias {
            alias: "alias/there".into(),
            target: target.parse().unwrap(),
        };
        let by_alias =
            |who| -> Refused { cluster.refusal(who, Command::CreateAlias(of("alias/there"))) };
        let arn = key_arn(1).to_string();
        check_rows(vec![
            (
                "no prefix",
                cluster.refusal(BOB, create("foo")),
                "ValidationException",
                "Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
            ),
            (
                "a bad character",
                cluster.refusal(BOB, create("alias/a b")),
                "InvalidAliasNameException",
                "offset 7",
            ),
            (
                "reserved",
                cluster.refusal(BOB, create("alias/aws/s3")),
                "NotAuthorizedException",
                "reserved",
            ),
            (
                "an alias as target",
                by_alias(BOB),
                "NotFoundException",
                "Invalid keyId",
            ),
            (
                "another account's key",
                cluster.refusal(EXT, Command::CreateAlias(of(&arn))),
                "AccessDeniedException",
                "kms:CreateAlias",
            ),
            (
                "on the key, not on the alias",
                managed.refusal(BOB, create("alias/there")),
                "AccessDeniedException",
                "alias/there",
            ),
            (
                "AWS's own key",
                managed.refusal(ADMIN, create("alias/there")),
                "NotAuthorizedException",
                "AWS managed",
            ),
            (
                "pending",
                pending.refusal(ADMIN, create("alias/there")),
                "KMSInvalidStateException",
                "is pending deletion.",
            ),
            (
                "there",
                cluster.refusal(ADMIN, create("alias/there")),
                "AlreadyExistsException",
                "An alias with the name arn:aws:kms:eu-west-1:111122223333:alias/there already exists",
            ),
        ]);
    }

    /// D-14, CK-2: permission for the alias itself looks at no key of calls on keys; permission on the key does.
    #[test]
    fn permission_for_the_alias_knows_no_account_of_the_caller() {
        let mut cluster = Cluster::new();
        let put = |cluster: &mut Cluster, on_alias: &str| {
            cluster.put_policy(BOB, &format!(r#"{{"Version":"2012-10-17","Statement":[
                {{"Effect":"Allow","Action":"kms:CreateAlias","Resource":"arn:aws:kms:*:*:alias/*"{on_alias}}},
                {{"Effect":"Allow","Action":"kms:CreateAlias","Resource":"arn:aws:kms:*:*:key/*","Condition":{{"StringEquals":{{"kms:CallerAccount":"111122223333"}}}}}}]}}"#));
        };
        let condition = r#","Condition":{"StringEquals":{"kms:CallerAccount":"111122223333"}}"#;
        put(&mut cluster, condition);
        let (code, message) = cluster.refusal(BOB, create("alias/mine"));
        assert_eq!(code, "AccessDeniedException");
        assert!(message.contains("alias/mine"), "{message}");
        put(&mut cluster, "");
        cluster.done(BOB, create("alias/mine"));
    }

    /// ID-7: 50 aliases a key.
    #[test]
    fn alias_past_the_last_is_refused() {
        let mut cluster = Cluster::new();
        for n in 0..ALIASES_PER_KEY_MAX {
            cluster.done(ADMIN, create(&format!("alias/{n}")));
        }
        let (code, _) = cluster.refusal(ADMIN, create("alias/more"));
        assert_eq!(code, "LimitExceededException");
    }
}
