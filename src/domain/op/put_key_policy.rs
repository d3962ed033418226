//! `PutKeyPolicy`: replaces the key policy.

use super::LockoutCheck;
use super::context::{Change, Context};
use super::key_rules;
use super::parts::{Part, Parts};
use super::policies::Lockout;
use super::refusal::{BadPolicy, Said, refusals};
use super::{Event, KeyChange, Output, policies};
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::KeyRef;
use crate::domain::policy::{KmsAction, PolicyKind};
use crate::domain::state::State;
use crate::domain::state::key::Key;
use std::sync::Arc;

/// Replaces the key policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PutKeyPolicy {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// `default` or absent (P-1).
    pub policy_name: Option<Arc<str>>,
    /// The JSON text; validated and compiled by `plan`.
    pub policy: Arc<str>,
    /// Whether the lockout safety check runs (P-7).
    pub lockout_check: LockoutCheck,
}

refusals! {
    /// Why PutKeyPolicy is refused, in the order of its checks. No state of a key stands in its way (ST-2).
    Refusal {
        /// No such key.
        Key(Unresolved),
        /// Not permitted.
        Denied(Denied),
        /// A key of AWS's (ST-5).
        Managed(Said),
        /// No such policy.
        Name(Said),
        /// The text is no key policy.
        Policy(BadPolicy),
        /// The policy names a principal that does not exist.
        Principal(Said),
        /// The policy would lock the caller out.
        Lockout(Lockout),
    }
}

impl PutKeyPolicy {
    /// To put it.
    fn permission(&self, cx: &Context<'_>, key: &Arc<Key>) -> Part<'_> {
        let mut parameters = policies::name_parameter(self.policy_name.as_deref());
        if let Parameters::Known(known, _) = &mut parameters {
            known.extend(policies::lockout_parameter(self.lockout_check));
        }
        Part::on_key(cx, KmsAction::PutKeyPolicy, key, parameters)
    }

    /// The key with the new policy.
    fn made(&self, cx: &Context<'_>, key: &Key) -> Result<Arc<Key>, Refusal> {
        let policy = policies::read(&self.policy, PolicyKind::Key)?;
        let bindings = policies::bind(cx, &policy).map_err(Refusal::Principal)?;
        Ok(Arc::new(Key {
            policy,
            bindings,
            ..key.clone()
        }))
    }

    fn is_checked(&self) -> bool {
        self.lockout_check != LockoutCheck::Bypass
    }
}

impl Change for PutKeyPolicy {
    type Refusal = Refusal;
    type Plan = Arc<Key>;

    fn parts<'p>(&'p self, cx: &Context<'p>) -> Result<Option<Parts<'p>>, Refusal> {
        let key = cx.key_without_alias(&self.key)?;
        let mut parts = Parts::one(self.permission(cx, key));
        // The plan says what is wrong with a policy that cannot be stored.
        if self.is_checked()
            && let Ok(new) = self.made(cx, key)
        {
            parts.rest.push(Part::lockout(cx, &new));
        }
        Ok(Some(parts))
    }

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Arc<Key>), Refusal> {
        let key = cx.key_without_alias(&self.key)?;
        let allowed = cx.allow_part(&self.permission(cx, key))?;
        key_rules::check_customer_managed(key).map_err(Refusal::Managed)?;
        policies::check_name(self.policy_name.as_deref()).map_err(Refusal::Name)?;
        let key = self.made(cx, key)?;
        if self.is_checked() {
            policies::check_lockout(cx, &Part::lockout(cx, &key))?;
        }
        Ok((allowed, key))
    }

    fn enact(key: Arc<Key>, state: &mut State) -> (Output, Vec<Event>) {
        let events = vec![Event::KeyChanged(key.arn.clone(), KeyChange::PolicyPut)];
        state.put_key(key);
        (Output::Done, events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{
        ADMIN, APP, BOB, Cluster, OWNER, Refused, check_rows, key, key_arn, session,
    };
    use crate::domain::op::{Command, LockoutCheck};
    use crate::domain::state::key::{KeyManager, KeyState};

    fn put(policy: &str) -> PutKeyPolicy {
        let (key, policy) = (key(1), policy.into());
        PutKeyPolicy {
            key,
            policy_name: None,
            policy,
            lockout_check: LockoutCheck::Unset,
        }
    }

    fn refusal(
        cluster: &Cluster,
        who: &str,
        policy: &str,
        change: fn(&mut PutKeyPolicy),
    ) -> Refused {
        let mut command = put(policy);
        change(&mut command);
        cluster.refusal(who, Command::PutKeyPolicy(command))
    }

    fn naming(principals: &str) -> String {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":{principals}}},"Action":"kms:*","Resource":"*"}}]}}"#
        )
    }

    /// P-1, P-5, P-7, ST-5; the lockout check has its exact text.
    #[test]
    fn put_key_policy_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let mut managed = cluster.copy();
        managed.set_key(|key| key.manager = KeyManager::Aws);
        let nobody = naming(&format!(r#"["{BOB}", "arn:aws:iam::{OWNER}:user/nobody"]"#));
        let session_of_nobody = naming(&format!(r#""arn:aws:sts::{OWNER}:assumed-role/App/s""#));
        let foreign = naming(r#""999999999999""#);
        let bob = naming(&format!(r#""{BOB}""#));
        check_rows(vec![
            (
                "an alias",
                refusal(&cluster, BOB, "{", |c| c.key = "alias/a".parse().unwrap()),
                "NotFoundException",
                "Invalid keyId",
            ),
            (
                "no permission",
                refusal(&managed, BOB, "{", |_| ()),
                "AccessDeniedException",
                "kms:PutKeyPolicy",
            ),
            (
                "AWS's own key",
                refusal(&managed, ADMIN, "{", |_| ()),
                "NotAuthorizedException",
                "AWS managed",
            ),
            (
                "another name",
                refusal(&cluster, ADMIN, "{", |c| c.policy_name = Some("x".into())),
                "NotFoundException",
                "No such policy exists",
            ),
            (
                "RAM's",
                refusal(&cluster, ADMIN, "{", |c| {
                    c.policy_name = Some("AWS_RAM".into())
                }),
                "ValidationException",
                "The AWS_RAM policy can only be managed by the RAM service",
            ),
            (
                "no policy",
                refusal(&cluster, ADMIN, "{", |_| ()),
                "MalformedPolicyDocumentException",
                "line 1, column 2",
            ),
            (
                "nobody",
                refusal(&cluster, ADMIN, &nobody, |_| ()),
                "MalformedPolicyDocumentException",
                "user/nobody` does not exist",
            ),
            (
                "a session of nobody",
                refusal(&cluster, ADMIN, &session_of_nobody, |_| ()),
                "MalformedPolicyDocumentException",
                "does not exist",
            ),
            (
                "an account that is not here",
                refusal(&cluster, ADMIN, &foreign, |_| ()),
                "MalformedPolicyDocumentException",
                "Policy contains a statement with one or more invalid principals.",
            ),
            (
                "lockout",
                refusal(&cluster, ADMIN, &bob, |_| ()),
                "MalformedPolicyDocumentException",
                "The new key policy will not allow you to update the key policy in the future.",
            ),
            (
                "lockout, check asked for",
                refusal(&cluster, ADMIN, &bob, |c| {
                    c.lockout_check = LockoutCheck::Run
                }),
                "MalformedPolicyDocumentException",
                "in the future.",
            ),
        ]);
    }

    /// ST-2: no state stands in the way; the principals are bound (ID-18), sessions by their role.
    #[test]
    fn policy_is_put_in_every_state_and_binds_its_principals() {
        let mut cluster = Cluster::new();
        let session = session("s")
            .identity
            .shown(crate::domain::ids::Partition::Aws);
        let policy = naming(&format!(r#"["{OWNER}", "{BOB}", "{APP}", "{session}"]"#));
        for state in KeyState::ALL {
            cluster.set_key_state(*state);
            cluster.done(ADMIN, Command::PutKeyPolicy(put(&policy)));
        }
        let key = cluster.state.key(&key_arn(1)).unwrap();
        let bound: Vec<String> = key
            .bindings
            .iter()
            .map(|(a, u)| format!("{a} {}", &u.as_str()[..4]))
            .collect();
        assert_eq!(
            bound,
            [
                format!("{APP} AROA"),
                format!("{BOB} AIDA"),
                format!("{session} AROA")
            ]
        );
    }

    /// P-7: the check can be waived.
    #[test]
    fn lockout_is_allowed_when_the_check_is_bypassed() {
        let mut cluster = Cluster::new();
        let mut command = put(&naming(&format!(r#""{BOB}""#)));
        command.lockout_check = LockoutCheck::Bypass;
        cluster.done(ADMIN, Command::PutKeyPolicy(command));
        let (code, _) = cluster.refusal(ADMIN, Command::PutKeyPolicy(put("{")));
        assert_eq!(code, "AccessDeniedException");
    }
}
