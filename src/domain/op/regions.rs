//! The Regions that the cluster serves: asked before anything else of a request, and of where a key goes (ID-46, W-38).

use super::refusal::{Said, said};
use super::table::{Asks, Operation};
use super::{ErrorCode, Rejection};
use crate::domain::authz::caller::Identity;
use crate::domain::authz::request::Scope;
use crate::domain::ids::{Partition, Region};
use crate::domain::state::State;

/// Refuses a request for a Region that the cluster does not serve (ID-46). One that is not initialized serves none yet, and
/// refuses by itself.
///
/// # Errors
/// The Regions that it serves.
pub fn check_served(state: &State, scope: &Scope) -> Result<(), Rejection> {
    let served = state.settings().regions;
    if !state.is_bootstrapped() || served.contains(scope.partition, &scope.region) {
        return Ok(());
    }
    let Scope { partition, region } = scope;
    Err(said(
        ErrorCode::RegionNotServed,
        format_args!(
            "this cluster does not serve the Region {region} of the partition {partition}: it serves {served}"
        ),
    )
    .into())
}

/// The same of a request for an operation. The operator and the cluster itself have no place in a Region: of theirs,
/// what is done to keys is asked about alone.
pub(super) fn check_request(
    state: &State,
    identity: &Identity,
    scope: &Scope,
    operation: Operation,
) -> Result<(), Rejection> {
    match identity {
        Identity::System => Ok(()),
        Identity::Operator if !is_regional(operation) || scope.region.partition().is_none() => {
            Ok(())
        }
        Identity::Operator
        | Identity::Root { .. }
        | Identity::User { .. }
        | Identity::RoleSession { .. }
        | Identity::FederatedUser { .. }
        | Identity::Service(_) => check_served(state, scope),
    }
}

/// Whether an operation is done to what a Region holds.
const fn is_regional(operation: Operation) -> bool {
    match operation.row().asks {
        Asks::Kms(_) | Asks::OwnByKms(_) | Asks::Own(_) | Asks::Named => true,
        Asks::Office(_) | Asks::Action(_) | Asks::LikeIam(_) | Asks::Iam { .. } => false,
    }
}

/// Refuses to take a multi-Region key to a Region that is not there for it (W-38).
pub(super) fn check_destination(
    state: &State,
    partition: Partition,
    region: &Region,
) -> Result<(), Said> {
    let no = |what: std::fmt::Arguments<'_>| Err(said(ErrorCode::UnsupportedOperation, what));
    let served = state.settings().regions;
    match region.partition() {
        None => no(format_args!("There is no Region {region}.")),
        Some(other) if other != partition => no(format_args!(
            "The Region {region} is in the partition {other}: a multi-Region key stays in its partition, {partition}."
        )),
        Some(_) if !served.contains(partition, region) => no(format_args!(
            "This cluster does not serve the Region {region}: it serves {served}."
        )),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Regions;
    use crate::domain::op::replicate_key::tests::{cluster, replicate};
    use crate::domain::op::testing::{ADMIN, Cluster, caller, create_key, key, page};
    use crate::domain::op::{
        Command, Query, list_accounts, list_keys, list_principals, put_key_policy, query,
        update_primary_region, update_settings,
    };
    use crate::domain::state::principal::PrincipalType;
    use crate::domain::time::Timestamp;

    fn serve(cluster: &mut Cluster, regions: &str) {
        let regions: Regions = regions.parse().unwrap();
        let change = update_settings::UpdateSettings {
            regions: Some(regions),
            ..Default::default()
        };
        cluster.done("operator", Command::UpdateSettings(change));
    }

    fn list_keys(limit: u32) -> Query {
        Query::ListKeys(list_keys::ListKeys {
            page: page(limit, None),
            owners: Vec::new(),
        })
    }

    /// ID-46: before anything else, of changes and of questions, of whoever is in an account.
    #[test]
    fn request_for_another_region_is_refused_before_anything_else() {
        let mut cluster = Cluster::new();
        serve(&mut cluster, "us-west-2, eu-west-1");
        assert!(cluster.ask(ADMIN, list_keys(3)).is_ok());
        let roles = Query::ListPrincipals(list_principals::ListPrincipals {
            kind: PrincipalType::Role,
            page: page(3, None),
        });
        let bad_policy = Command::PutKeyPolicy(put_key_policy::PutKeyPolicy {
            key: key(1),
            policy_name: None,
            policy: "{".into(),
            lockout_check: Default::default(),
        });
        for (partition, region) in [
            (Partition::Aws, "us-east-1"),
            (Partition::AwsCn, "us-west-2"),
            (Partition::Aws, "nowhere-mars-9"),
        ] {
            let scope = Scope {
                partition,
                region: region.parse().unwrap(),
            };
            let ask = |who: &str, question: &Query| {
                let now = Timestamp::from_millis(cluster.now);
                query(&cluster.state, &caller(who), &scope, now, &[], question)
            };
            let wanted = format!(
                "this cluster does not serve the Region {region} of the partition {partition}: it serves eu-west-1, us-west-2"
            );
            for question in [list_keys(3), list_keys(0), roles.clone()] {
                let refused = ask(ADMIN, &question).unwrap_err();
                assert_eq!(
                    (refused.code.as_str(), &*refused.message),
                    ("OptInRequired", &*wanted)
                );
            }
            // The operator has no place in a Region.
            let accounts = Query::ListAccounts(list_accounts::ListAccounts {
                page: page(3, None),
            });
            assert!(ask("operator", &accounts).is_ok());
            for command in [Command::CreateKey(create_key(9)), bad_policy.clone()] {
                let mut cluster = cluster.copy();
                let mut entry = cluster.entry(&caller(ADMIN), None, command);
                entry.scope = scope.clone();
                let refused = cluster.apply(&entry).unwrap_err();
                assert_eq!(
                    (refused.code.as_str(), &*refused.message),
                    ("OptInRequired", &*wanted)
                );
            }
        }
    }

    /// W-38: not to another partition, not to a Region that is not served, not to one that there is not.
    #[test]
    fn multi_region_key_goes_to_served_regions_of_its_partition_alone() {
        let mut cluster = cluster();
        serve(&mut cluster, "us-west-2, us-east-1, eu-west-1");
        for (region, said) in [
            ("cn-north-1", "is in the partition aws-cn"),
            ("eu-west-3", "does not serve the Region eu-west-3"),
            ("nowhere-mars-9", "There is no Region nowhere-mars-9."),
        ] {
            let primary = update_primary_region::UpdatePrimaryRegion {
                key: replicate(region).key,
                region: region.parse().unwrap(),
            };
            for command in [
                Command::ReplicateKey(replicate(region)),
                Command::UpdatePrimaryRegion(primary),
            ] {
                let (code, message) = cluster.refusal(ADMIN, command);
                assert_eq!(code, "UnsupportedOperationException", "{message}");
                assert!(message.contains(said), "{message}");
            }
        }
        cluster.done(ADMIN, Command::ReplicateKey(replicate("us-east-1")));
    }
}
