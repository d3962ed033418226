//! `UpdatePrimaryRegion`: makes a replica the primary key of its multi-Region set, and the primary a replica (D-15).
//!
//! AWS leaves both Updating for a while; here the two have changed places when the answer comes.

use super::context::{Change, Context};
use super::key_rules::{self, BadState, StateRule};
use super::parts::{Part, Parts};
use super::refusal::{Said, refusals, said};
use super::{ErrorCode, Event, KeyChange, Output, regions};
use crate::domain::authz::request::{Parameter, Parameters, RequestTags, Scope};
use crate::domain::authz::resolve::Unresolved;
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::{KeyArn, KeyRef, Region};
use crate::domain::policy::{KmsAction, KnownKey};
use crate::domain::state::State;
use crate::domain::state::key::{Key, MultiRegionKeyType};
use std::sync::Arc;

/// Makes a replica the primary key of its multi-Region set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpdatePrimaryRegion {
    /// The current primary key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// `PrimaryRegion`: of the replica that becomes the primary.
    pub region: Region,
}

refusals! {
    /// Why UpdatePrimaryRegion is refused, in the order of its checks.
    Refusal {
        /// No such key, or no replica in that Region. Nobody learns of the second who may not change the first.
        Missing(Unresolved),
        /// Not permitted on the primary, or on the replica (D-15).
        Denied(Denied),
        /// A key of AWS's (ST-5), no primary, the primary's own Region, or one to which no key goes (W-38).
        NotPrimary(Said),
        /// The state of either key stands in the way (ST-2).
        State(BadState),
    }
}

/// The two keys, as they will be.
pub struct Plan {
    primary: Arc<Key>,
    replica: Arc<Key>,
}

impl UpdatePrimaryRegion {
    fn parameters(&self) -> Parameters<'_> {
        let region = Parameter::Text(self.region.as_str());
        Parameters::Known(vec![(KnownKey::PrimaryRegion, region)], RequestTags::Absent)
    }

    /// The key of `old`'s set in the Region that is to become the primary's.
    fn replica<'a>(&self, cx: &Context<'a>, old: &Key) -> Result<&'a Arc<Key>, Unresolved> {
        let arn = KeyArn {
            region: self.region.clone(),
            ..old.arn.clone()
        };
        let found = cx.state.key(&arn);
        found.ok_or_else(|| Unresolved::NoSuchKey(Box::new(arn)))
    }

    /// D-15: on the primary.
    fn on_primary(&self, cx: &Context<'_>, old: &Arc<Key>) -> Part<'_> {
        let action = KmsAction::UpdatePrimaryRegion;
        Part::on_key(cx, action, old, self.parameters())
    }

    /// D-15: on the replica, in its Region.
    fn on_replica(&self, cx: &Context<'_>, new: &Arc<Key>) -> Part<'_> {
        let there = Scope {
            partition: new.arn.partition,
            region: self.region.clone(),
        };
        Part {
            scope: there,
            ..Part::on_key(cx, KmsAction::UpdatePrimaryRegion, new, self.parameters())
        }
    }
}

impl Change for UpdatePrimaryRegion {
    type Refusal = Refusal;
    type Plan = Plan;

    fn parts<'p>(&'p self, cx: &Context<'p>) -> Result<Option<Parts<'p>>, Refusal> {
        let old = cx.key_without_alias(&self.key)?;
        let mut parts = Parts::one(self.on_primary(cx, old));
        // The plan says what is wrong with a Region that has no replica.
        if old.arn.region != self.region
            && let Ok(new) = self.replica(cx, old)
        {
            parts.rest.push(self.on_replica(cx, new));
        }
        Ok(Some(parts))
    }

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Plan), Refusal> {
        let old = cx.key_without_alias(&self.key)?;
        let allowed = cx.allow_part(&self.on_primary(cx, old))?;
        key_rules::check_customer_managed(old).map_err(Refusal::NotPrimary)?;
        key_rules::check_primary(old).map_err(Refusal::NotPrimary)?;
        if old.arn.region == self.region {
            return Err(Refusal::NotPrimary(said(
                ErrorCode::UnsupportedOperation,
                format_args!("{} is the primary key already.", old.arn),
            )));
        }
        regions::check_destination(cx.state, old.arn.partition, &self.region)
            .map_err(Refusal::NotPrimary)?;
        let new = self.replica(cx, old)?;
        cx.allow_part(&self.on_replica(cx, new))?;
        key_rules::check_state(StateRule::MovePrimary, cx.state, old)?;
        key_rules::check_state(StateRule::MovePrimary, cx.state, new)?;
        let becomes = |key: &Key, part| {
            Arc::new(Key {
                multi_region: Some(part),
                ..key.clone()
            })
        };
        let plan = Plan {
            primary: becomes(new, MultiRegionKeyType::Primary),
            replica: becomes(old, MultiRegionKeyType::Replica),
        };
        Ok((allowed, plan))
    }

    fn enact(plan: Plan, state: &mut State) -> (Output, Vec<Event>) {
        let Plan { primary, replica } = plan;
        let mut events = Vec::new();
        for (key, part) in [
            (primary, MultiRegionKeyType::Primary),
            (replica, MultiRegionKeyType::Replica),
        ] {
            events.push(Event::KeyChanged(
                key.arn.clone(),
                KeyChange::MultiRegion(part),
            ));
            state.put_key(key);
        }
        (Output::Done, events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::replicate_key::tests::{cluster, primary_arn, replicate};
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, check_rows, key, key_arn};
    use crate::domain::op::{Command, KeyDescription};
    use crate::domain::state::key::{KeyManager, KeyState};

    fn replica_arn() -> KeyArn {
        KeyArn {
            region: "us-east-1".parse().unwrap(),
            ..primary_arn()
        }
    }

    fn with_replica() -> Cluster {
        let mut cluster = cluster();
        cluster.done(ADMIN, Command::ReplicateKey(replicate("us-east-1")));
        cluster
    }

    fn update(key: KeyRef, region: &str) -> Command {
        Command::UpdatePrimaryRegion(UpdatePrimaryRegion {
            key,
            region: region.parse().unwrap(),
        })
    }

    fn changed(arn: &KeyArn, change: impl FnOnce(&mut Key)) -> Cluster {
        let mut cluster = with_replica();
        let mut key = (**cluster.state.key(arn).unwrap()).clone();
        change(&mut key);
        cluster.state.put_key(Arc::new(key));
        cluster
    }

    fn allow(cluster: &Cluster, resource: &KeyArn, region: &str) -> Cluster {
        let mut cluster = cluster.copy();
        cluster.put_policy(BOB, &format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"kms:UpdatePrimaryRegion","Resource":"{resource}","Condition":{{"StringEquals":{{"kms:PrimaryRegion":"{region}"}}}}}}}}"#));
        cluster
    }

    /// W-5, D-15, CK-23, ST-2, ST-5.
    #[test]
    fn update_primary_region_refuses_in_the_order_of_its_checks() {
        let (primary, replica) = (primary_arn(), replica_arn());
        let here = || KeyRef::KeyArn(primary_arn());
        let cluster = with_replica();
        let managed = changed(&primary, |key| key.manager = KeyManager::Aws);
        let in_state = |state| changed(&primary, |key| key.state = state);
        let replica_is = |state| changed(&replica, |key| key.state = state);
        let entry = cluster.entry_in(
            replica.region.clone(),
            ADMIN,
            update(KeyRef::KeyArn(replica.clone()), "eu-west-1"),
        );
        let rejection = cluster.copy().apply(&entry).unwrap_err();
        let of_replica = (rejection.code.as_str(), rejection.message.to_string());
        let (denied, invalid) = ("AccessDeniedException", "KMSInvalidStateException");
        let unsupported = "UnsupportedOperationException";
        check_rows(vec![
            (
                "no key",
                cluster.refusal(BOB, update(key(9), "us-east-1")),
                "NotFoundException",
                "does not exist",
            ),
            (
                "an alias",
                cluster.refusal(BOB, update("alias/a".parse().unwrap(), "us-east-1")),
                "NotFoundException",
                "Invalid keyId",
            ),
            (
                "no permission",
                cluster.refusal(BOB, update(here(), "us-west-2")),
                denied,
                &primary.to_string(),
            ),
            (
                "to another Region",
                allow(&cluster, &primary, "us-west-2").refusal(BOB, update(here(), "us-east-1")),
                denied,
                &primary.to_string(),
            ),
            (
                "AWS's own key",
                managed.refusal(ADMIN, update(here(), "eu-west-1")),
                "NotAuthorizedException",
                "AWS managed",
            ),
            (
                "a single-Region key",
                cluster.refusal(ADMIN, update(key(1), "us-east-1")),
                unsupported,
                &format!("{} is not a multi-region primary key.", key_arn(1)),
            ),
            (
                "a replica",
                of_replica,
                unsupported,
                &format!("{replica} is not a multi-region primary key."),
            ),
            (
                "its own Region",
                cluster.refusal(ADMIN, update(here(), "eu-west-1")),
                unsupported,
                "is the primary key already.",
            ),
            (
                "no replica there",
                cluster.refusal(ADMIN, update(here(), "us-west-2")),
                "NotFoundException",
                &format!(
                    "Key 'arn:aws:kms:us-west-2:111122223333:key/{}' does not exist",
                    primary.key_id
                ),
            ),
            (
                "not the replica",
                allow(&cluster, &primary, "us-east-1").refusal(BOB, update(here(), "us-east-1")),
                denied,
                &replica.to_string(),
            ),
            (
                "1",
                in_state(KeyState::Disabled).refusal(ADMIN, update(here(), "us-east-1")),
                "DisabledException",
                "eu-west-1",
            ),
            (
                "3",
                in_state(KeyState::PendingDeletion).refusal(ADMIN, update(here(), "us-east-1")),
                invalid,
                "is pending deletion.",
            ),
            (
                "5",
                in_state(KeyState::PendingImport).refusal(ADMIN, update(here(), "us-east-1")),
                invalid,
                "is pending import.",
            ),
            (
                "14",
                replica_is(KeyState::Creating).refusal(ADMIN, update(here(), "us-east-1")),
                invalid,
                "is creating.",
            ),
            (
                "3 of the replica",
                replica_is(KeyState::PendingDeletion).refusal(ADMIN, update(here(), "us-east-1")),
                invalid,
                &replica.to_string(),
            ),
        ]);
    }

    /// D-15: permission on both keys; then they have changed places, and back.
    #[test]
    fn primary_and_replica_change_places() {
        let mut cluster = with_replica();
        let pattern = KeyArn { ..primary_arn() }
            .to_string()
            .replace("eu-west-1", "*");
        cluster.put_policy(BOB, &format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"kms:UpdatePrimaryRegion","Resource":"{pattern}"}}}}"#));
        cluster.done(BOB, update(KeyRef::KeyArn(primary_arn()), "us-east-1"));
        assert_eq!(
            cluster.events,
            [
                Event::KeyChanged(
                    replica_arn(),
                    KeyChange::MultiRegion(MultiRegionKeyType::Primary)
                ),
                Event::KeyChanged(
                    primary_arn(),
                    KeyChange::MultiRegion(MultiRegionKeyType::Replica)
                ),
            ]
        );
        let key = (**cluster.state.key(&primary_arn()).unwrap()).clone();
        let related = KeyDescription::of(&cluster.state, key).related.unwrap();
        assert_eq!(related.primary, Some(replica_arn()));
        assert_eq!(related.replicas, [primary_arn()]);
        let entry = cluster.entry_in(
            replica_arn().region,
            BOB,
            update(KeyRef::KeyArn(replica_arn()), "eu-west-1"),
        );
        cluster.apply(&entry).unwrap();
        assert_eq!(
            cluster.state.key(&primary_arn()).unwrap().multi_region,
            Some(MultiRegionKeyType::Primary)
        );
    }
}
