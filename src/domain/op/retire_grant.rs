//! `RetireGrant`: ends a grant by those that may retire it (G-41, G-50).

use super::DryRun;
use super::context::{Change, Context};
use super::refusal::{Said, refusals};
use super::{Event, GrantChange, Output, grants};
use crate::domain::authz::request::{About, Parameter, Parameters, RequestTags, Target};
use crate::domain::authz::resolve::Unresolved;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::KeyRef;
use crate::domain::policy::KmsAction;
use crate::domain::policy::KnownKey;
use crate::domain::state::State;
use crate::domain::state::grant::ContextConstraint;
use crate::domain::state::grant::Grant;
use crate::domain::state::grant_index::constraint_pairs;
use std::sync::Arc;

/// Ends a grant by those that may retire it (G-41, G-50).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetireGrant {
    /// The key; from the opened token or as sent.
    pub key: KeyRef,
    /// The grant id, from the opened token or as sent (ID-11).
    pub grant_id: Arc<str>,
    /// Whether only to authorize and validate (G-20).
    pub dry_run: DryRun,
}

refusals! {
    /// Why RetireGrant is refused, in the order of its checks. No state of a key stands in its way (G-55).
    ///
    /// Who may retire depends on the grant (G-50), so that it exists comes first.
    Refusal {
        /// A grant id that cannot be (ID-11).
        Shape(Said),
        /// No such key.
        Key(Unresolved),
        /// The key has no such grant (U-2).
        NotThere(Said),
        /// Not permitted.
        Denied(Denied),
        /// It would have succeeded (G-20).
        DryRun(Said),
    }
}

impl Change for RetireGrant {
    type Refusal = Refusal;
    type Plan = Arc<Grant>;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Arc<Grant>), Refusal> {
        grants::check_id(&self.grant_id).map_err(Refusal::Shape)?;
        let key = cx.key_without_alias(&self.key)?;
        let grant = grants::of_key(cx, &key.arn, &self.grant_id).map_err(Refusal::NotThere)?;
        let kind = grant
            .constraints
            .context
            .as_ref()
            .map(|context| match context {
                ContextConstraint::Equals(_) => "EncryptionContextEquals",
                ContextConstraint::Subset(_) => "EncryptionContextSubset",
            });
        let kind = kind.map(|kind| (KnownKey::GrantConstraintType, Parameter::Text(kind)));
        let allowed = cx.ask(
            KmsAction::RetireGrant.into(),
            Target::Key { key, alias: None },
            Parameters::Known(kind.into_iter().collect(), RequestTags::Absent),
            constraint_pairs(grant.constraints.context.as_ref()),
            About::Retired(&grant),
        )?;
        if self.dry_run == DryRun::Yes {
            return Err(Refusal::DryRun(super::refusal::dry_run()));
        }
        Ok((allowed, grant))
    }

    fn enact(grant: Arc<Grant>, state: &mut State) -> (Output, Vec<Event>) {
        let event = grants::end(&grant, GrantChange::Retired, state);
        (Output::Done, vec![event])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::GrantId;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{
        ADMIN, BOB, CAROL, Cluster, EXT, OTHER, OWNER, check_rows, create_grant, key, key_arn,
    };
    use crate::domain::state::grant::GrantOperation;

    fn retire(key: KeyRef, id: &str, dry_run: DryRun) -> Command {
        Command::RetireGrant(RetireGrant {
            key,
            grant_id: id.into(),
            dry_run,
        })
    }

    /// Grant 1: to BOB, retired by CAROL.
    fn cluster() -> (Cluster, String) {
        let mut cluster = Cluster::new();
        let mut grant = create_grant(1, BOB);
        grant.retiring = Some(CAROL.into());
        cluster.done(ADMIN, Command::CreateGrant(grant));
        (cluster, GrantId([1; 32]).to_string())
    }

    #[test]
    fn retire_grant_refuses_in_the_order_of_its_checks() {
        let (cluster, id) = cluster();
        let no = DryRun::No;
        check_rows(vec![
            (
                "no id",
                cluster.refusal(BOB, retire(key(9), "", no)),
                "ValidationException",
                "grantId",
            ),
            (
                "no such key",
                cluster.refusal(BOB, retire(key(9), &id, no)),
                "NotFoundException",
                "Key '",
            ),
            (
                "no such grant",
                cluster.refusal(BOB, retire(key(1), "g1", no)),
                "NotFoundException",
                "Grant ID g1 not found",
            ),
            (
                "its grantee, without the operation",
                cluster.refusal(BOB, retire(key(1), &id, no)),
                "AccessDeniedException",
                "kms:RetireGrant",
            ),
            (
                "a dry run",
                cluster.refusal(CAROL, retire(key(1), &id, DryRun::Yes)),
                "DryRunOperationException",
                "would have succeeded",
            ),
        ]);
    }

    /// G-50, G-51, G-53: who may, each with the twin who may not.
    #[test]
    fn grant_is_retired_by_those_who_may_and_by_nobody_else() {
        let (cluster, id) = cluster();
        let by = |cluster: &Cluster, who: &str| {
            let key = KeyRef::KeyArn(key_arn(1));
            cluster
                .copy()
                .run(who, retire(key, &id, DryRun::No))
                .map(drop)
                .map_err(|(code, _)| code)
        };
        let denied = Err("AccessDeniedException");
        assert_eq!(by(&cluster, CAROL), Ok(()));
        assert_eq!(by(&cluster, ADMIN), Ok(()));
        assert_eq!(by(&cluster, &format!("arn:aws:iam::{OWNER}:root")), Ok(()));
        assert_eq!(by(&cluster, BOB), denied);
        assert_eq!(by(&cluster, EXT), denied);
        assert_eq!(by(&cluster, &format!("arn:aws:iam::{OTHER}:root")), denied);
        let mut allowed = cluster.copy();
        let policy = |effect| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Action":"kms:RetireGrant","Resource":"*"}}}}"#
            )
        };
        allowed.put_policy(EXT, &policy("Allow"));
        allowed.put_policy(BOB, &policy("Allow"));
        allowed.put_policy(CAROL, &policy("Deny"));
        assert_eq!(by(&allowed, EXT), denied);
        assert_eq!(by(&allowed, BOB), Ok(()));
        assert_eq!(by(&allowed, CAROL), denied);
    }

    /// G-50: the grantee, if the grant lets it; G-55: constraints do not limit it.
    #[test]
    fn grantee_retires_when_the_grant_says_so() {
        let mut cluster = Cluster::new();
        let mut grant = create_grant(1, BOB);
        grant.operations.push(GrantOperation::RetireGrant);
        grant.context_equals = Arc::new([("a".into(), "b".into())].into());
        cluster.done(ADMIN, Command::CreateGrant(grant));
        cluster.done(
            BOB,
            retire(key(1), &GrantId([1; 32]).to_string(), DryRun::No),
        );
        assert_eq!(cluster.state.grants().count(&key_arn(1)), 0);
    }
}
