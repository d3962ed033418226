//! `UpdateAlias`: gives an alias another key (ID-8, D-14).

use super::context::{Change, Context};
use super::key_rules::{self, BadState, StateRule};
use super::parts::{Part, Parts};
use super::refusal::{Said, refusals, said};
use super::{Change as What, ErrorCode, Event, Output, aliases};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::{AliasUse, Unresolved, alias_arn};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{AliasArn, KeyRef};
use crate::domain::limits::ALIASES_PER_KEY_MAX;
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::alias::Alias;
use crate::domain::state::key::{Key, KeyFamily};
use std::sync::Arc;

/// Gives an alias another key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdateAlias {
    /// The alias name as sent, with its prefix `alias/` (ID-5).
    pub alias: Arc<str>,
    /// Key id or key ARN of the new key, same account and Region (ID-6).
    pub target: KeyRef,
}

refusals! {
    /// Why UpdateAlias is refused, in the order of its checks.
    Refusal {
        /// A name that no alias can have, or that is reserved (ID-5, U-1).
        Name(Said),
        /// No such alias, or no such key.
        Missing(Unresolved),
        /// Not permitted on the current key, on the new one, or on the alias (D-14).
        Denied(Denied),
        /// A key of AWS's (ST-5).
        Managed(Said),
        /// Keys that cannot stand in for each other (ID-8).
        Unlike(Said),
        /// The new key's state stands in the way (ST-2).
        State(BadState),
        /// The new key has as many aliases as it can have.
        TooMany(Said),
    }
}

/// What keys of one type have in common (ID-8).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Symmetric,
    Asymmetric,
    Hmac,
}

const fn type_of(key: &Key) -> Type {
    match key.spec.family() {
        KeyFamily::Symmetric => Type::Symmetric,
        KeyFamily::Hmac => Type::Hmac,
        KeyFamily::Rsa
        | KeyFamily::EccNist
        | KeyFamily::EccOther
        | KeyFamily::Sm2
        | KeyFamily::MlDsa
        | KeyFamily::MlKem => Type::Asymmetric,
    }
}

/// What an UpdateAlias names.
struct Named<'a> {
    current: &'a Arc<Key>,
    new: &'a Arc<Key>,
    arn: AliasArn,
}

impl UpdateAlias {
    fn named<'a>(&self, cx: &Context<'a>) -> Result<Named<'a>, Refusal> {
        let name = aliases::read_name(&self.alias).map_err(Refusal::Name)?;
        let current = cx.key(&KeyRef::Alias(name.clone()), AliasUse::Accepted)?;
        Ok(Named {
            current,
            arn: alias_arn(cx.scope, current.arn.account, &name),
            new: cx.key_without_alias(&self.target)?,
        })
    }
}

/// D-14: the current key, the new one, and the alias itself.
fn parts<'p>(cx: &Context<'_>, current: &Arc<Key>, new: &Arc<Key>, alias: &AliasArn) -> Parts<'p> {
    let action = KmsAction::UpdateAlias;
    Parts {
        first: Part::on_key(cx, action, current, Parameters::NONE),
        rest: vec![
            Part::on_key(cx, action, new, Parameters::NONE),
            Part::on_alias(cx, action, alias),
        ],
    }
}

impl Change for UpdateAlias {
    type Refusal = Refusal;
    type Plan = Alias;

    fn parts<'p>(&'p self, cx: &Context<'p>) -> Result<Option<Parts<'p>>, Refusal> {
        let Named { current, new, arn } = self.named(cx)?;
        Ok(Some(parts(cx, current, new, &arn)))
    }

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Alias), Refusal> {
        let Named { current, new, arn } = self.named(cx)?;
        let allowed = cx.allow_parts(&parts(cx, current, new, &arn))?;
        let created_at = cx
            .state
            .alias(&arn)
            .map_or(cx.now, |alias| alias.created_at);
        key_rules::check_customer_managed(current).map_err(Refusal::Managed)?;
        key_rules::check_customer_managed(new).map_err(Refusal::Managed)?;
        if type_of(current) != type_of(new) || current.usage != new.usage {
            return Err(Refusal::Unlike(said(
                ErrorCode::Validation,
                format_args!(
                    "The alias {arn} cannot be moved: its key {} ({}, {}) and the key {} ({}, {}) must be of the same type and have the same key usage",
                    current.arn, current.spec, current.usage, new.arn, new.spec, new.usage
                ),
            )));
        }
        key_rules::check_state(StateRule::Edit, cx.state, new)?;
        let count = cx.state.aliases_of_key(&new.arn).len();
        if current.arn != new.arn && count >= ALIASES_PER_KEY_MAX {
            return Err(Refusal::TooMany(said(
                ErrorCode::LimitExceeded,
                format_args!(
                    "the key {} has {ALIASES_PER_KEY_MAX} aliases, as many as it can have",
                    new.arn
                ),
            )));
        }
        let alias = Alias {
            arn,
            target: new.arn.clone(),
            created_at,
            updated_at: cx.now,
        };
        Ok((allowed, alias))
    }

    fn enact(alias: Alias, state: &mut State) -> (Output, Vec<Event>) {
        let events = vec![Event::AliasChanged(alias.arn.clone(), What::Updated)];
        state.put_alias(Arc::new(alias));
        (Output::Done, events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{
        ADMIN, BOB, Cluster, EXT, check_rows, create_key, key, key_arn,
    };
    use crate::domain::op::{Command, create_alias};
    use crate::domain::state::key::{KeyManager, KeySpec, KeyState, KeyUsage};

    fn update(alias: &str, n: u8) -> Command {
        Command::UpdateAlias(UpdateAlias {
            alias: alias.into(),
            target: key(n),
        })
    }

    fn create(alias: &str, n: u8) -> Command {
        Command::CreateAlias(create_alias::CreateAlias {
            alias: alias.into(),
            target: key(n),
        })
    }

    /// Keys 1 and 2 of one type, `alias/a` of key 1.
    fn cluster() -> Cluster {
        let mut cluster = Cluster::new();
        cluster.done(ADMIN, Command::CreateKey(create_key(2)));
        cluster.done(ADMIN, create("alias/a", 1));
        cluster
    }

    fn on(resources: &[String]) -> String {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"kms:UpdateAlias","Resource":{resources:?}}}}}"#
        )
    }

    /// ID-5 to ID-9, D-14, ST-2, ST-5.
    #[test]
    fn update_alias_refuses_in_the_order_of_its_checks() {
        let cluster = cluster();
        let alias = "arn:aws:kms:eu-west-1:111122223333:alias/a".to_string();
        let [one, two] = [1, 2].map(|n| key_arn(n).to_string());
        let permitted = |resources: &[&String]| {
            let mut cluster = cluster.copy();
            let resources: Vec<String> = resources.iter().map(|r| (*r).clone()).collect();
            cluster.put_policy(BOB, &on(&resources));
            cluster
        };
        let mut managed = cluster.copy();
        managed.set_key(|key| key.manager = KeyManager::Aws);
        let mut hmac = cluster.copy();
        hmac.set_key(|key| {
            key.spec = KeySpec::Hmac256;
            key.usage = KeyUsage::GenerateVerifyMac;
        });
        let mut rsa = cluster.copy();
        rsa.set_key(|key| key.spec = KeySpec::Rsa2048);
        let mut back = cluster.copy();
        back.done(ADMIN, update("alias/a", 2));
        back.set_key_state(KeyState::PendingDeletion);
        let mut full = back.copy();
        full.set_key_state(KeyState::Enabled);
        for n in 0..ALIASES_PER_KEY_MAX {
            full.done(ADMIN, create(&format!("alias/{n}"), 1));
        }
        let unlike = "must be of the same type and have the same key usage";
        check_rows(vec![
            (
                "no prefix",
                cluster.refusal(BOB, update("a", 3)),
                "ValidationException",
                "Alias must start with the prefix",
            ),
            (
                "reserved",
                cluster.refusal(BOB, update("alias/aws/a", 3)),
                "NotAuthorizedException",
                "reserved",
            ),
            (
                "no alias",
                cluster.refusal(BOB, update("alias/b", 3)),
                "NotFoundException",
                "Alias arn:aws:kms:eu-west-1:111122223333:alias/b is not found.",
            ),
            (
                "another account's",
                cluster.refusal(EXT, update("alias/a", 1)),
                "NotFoundException",
                "444455556666:alias/a is not found.",
            ),
            (
                "no key",
                cluster.refusal(BOB, update("alias/a", 3)),
                "NotFoundException",
                "does not exist",
            ),
            (
                "nothing permitted",
                cluster.refusal(BOB, update("alias/a", 2)),
                "AccessDeniedException",
                &one,
            ),
            (
                "not the current key",
                permitted(&[&two, &alias]).refusal(BOB, update("alias/a", 2)),
                "AccessDeniedException",
                &one,
            ),
            (
                "not the new key",
                permitted(&[&one, &alias]).refusal(BOB, update("alias/a", 2)),
                "AccessDeniedException",
                &two,
            ),
            (
                "not the alias",
                permitted(&[&one, &two]).refusal(BOB, update("alias/a", 2)),
                "AccessDeniedException",
                &alias,
            ),
            (
                "AWS's own key",
                managed.refusal(ADMIN, update("alias/a", 2)),
                "NotAuthorizedException",
                "AWS managed",
            ),
            (
                "HMAC to symmetric",
                hmac.refusal(ADMIN, update("alias/a", 2)),
                "ValidationException",
                unlike,
            ),
            (
                "asymmetric to symmetric",
                rsa.refusal(ADMIN, update("alias/a", 2)),
                "ValidationException",
                unlike,
            ),
            (
                "3: the new key",
                back.refusal(ADMIN, update("alias/a", 1)),
                "KMSInvalidStateException",
                "is pending deletion.",
            ),
            (
                "full",
                full.refusal(ADMIN, update("alias/a", 1)),
                "LimitExceededException",
                "50 aliases",
            ),
        ]);
        let mut permitted = permitted(&[&one, &two, &alias]);
        permitted.done(BOB, update("alias/a", 2));
    }

    /// ID-8: asymmetric keys of two kinds are of one type; their usage must agree.
    #[test]
    fn asymmetric_keys_stand_in_for_each_other() {
        let mut cluster = cluster();
        let mut other = create_key(3);
        other.spec = KeySpec::MlDsa44;
        other.usage = Some(KeyUsage::SignVerify);
        cluster.done(ADMIN, Command::CreateKey(other));
        for (usage, fits) in [
            (KeyUsage::SignVerify, true),
            (KeyUsage::EncryptDecrypt, false),
        ] {
            cluster.set_key(|key| {
                key.spec = KeySpec::Rsa2048;
                key.usage = usage;
            });
            assert_eq!(
                cluster.copy().run(ADMIN, update("alias/a", 3)).is_ok(),
                fits
            );
        }
    }

    /// ID-7, ST-2: the alias belongs to the new key alone, keeps its date of birth, and leaves a key in any state.
    #[test]
    fn alias_moves_from_a_key_in_any_state() {
        for state in KeyState::ALL {
            let mut cluster = cluster();
            cluster.set_key_state(*state);
            let made = cluster.state.clock();
            cluster.now += 1_000;
            cluster.done(ADMIN, update("alias/a", 2));
            assert!(cluster.state.aliases_of_key(&key_arn(1)).is_empty());
            let [name] = cluster.state.aliases_of_key(&key_arn(2)) else {
                panic!("not one alias")
            };
            let arn = alias_arn(
                &crate::domain::op::testing::scope(),
                key_arn(2).account,
                name,
            );
            let alias = cluster.state.alias(&arn).unwrap();
            assert_eq!((&alias.target, alias.created_at), (&key_arn(2), made));
            assert_eq!(alias.updated_at, cluster.state.clock());
            assert_eq!(cluster.events, [Event::AliasChanged(arn, What::Updated)]);
        }
    }
}
