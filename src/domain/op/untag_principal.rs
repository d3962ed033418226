//! `UntagPrincipal`: removes tags of a user or a role (`iam:UntagUser`, `iam:UntagRole`).

use super::context::{Change, Context};
use super::refusal::{Said, refusals};
use super::table::Operation;
use super::{Event, Output, identity, tags};
use crate::domain::authz::request::{Parameters, RequestTags};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::PrincipalArn;
use crate::domain::state::State;
use crate::domain::state::principal::Principal;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Removes tags of a user or a role (`iam:UntagUser`, `iam:UntagRole`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UntagPrincipal {
    /// User or role ARN.
    pub arn: PrincipalArn,
    /// Keys to remove; an absent key is no fault.
    pub tag_keys: BTreeSet<Arc<str>>,
}

refusals! {
    /// Why UntagPrincipal is refused, in the order of its checks.
    Refusal {
        /// No user or role, or tags that cannot be.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
    }
}

impl Change for UntagPrincipal {
    type Refusal = Refusal;
    type Plan = Principal;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Principal), Refusal> {
        let kind = identity::kind_of(&self.arn).map_err(Refusal::Shape)?;
        tags::check_removed(self.tag_keys.iter()).map_err(Refusal::Shape)?;
        let keys: Vec<Arc<str>> = self.tag_keys.iter().cloned().collect();
        let parameters = Parameters::Known(Vec::new(), RequestTags::Removed(&keys));
        let allowed = identity::allow(cx, Operation::UntagPrincipal, kind, &self.arn, parameters)?;
        let principal = identity::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        let tags = tags::without(&principal.tags, self.tag_keys.iter());
        Ok((
            allowed,
            Principal {
                tags,
                ..(**principal).clone()
            },
        ))
    }

    fn enact(principal: Principal, state: &mut State) -> (Output, Vec<Event>) {
        identity::store(principal, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, OWNER, arn, check_rows};

    fn command(text: &str, tags: &[(&str, &str)]) -> Command {
        let arn = arn(text);
        Command::UntagPrincipal(UntagPrincipal {
            arn,
            tag_keys: tags.iter().map(|(k, _)| (*k).into()).collect(),
        })
    }

    #[test]
    fn refusals_come_in_the_order_of_the_checks() {
        let cluster = Cluster::new();
        let nobody = format!("arn:aws:iam::{OWNER}:user/nobody");
        check_rows(vec![
            (
                "the root, a reserved tag",
                cluster.refusal(
                    BOB,
                    command(&format!("arn:aws:iam::{OWNER}:root"), &[("aws:x", "")]),
                ),
                "ValidationException",
                "neither",
            ),
            (
                "a reserved tag",
                cluster.refusal(BOB, command(&nobody, &[("aws:x", "")])),
                "TagException",
                "reserved",
            ),
            (
                "no permission, not there",
                cluster.refusal(BOB, command(&nobody, &[("a", "")])),
                "AccessDeniedException",
                "iam:UntagUser",
            ),
            (
                "not there",
                cluster.refusal(ADMIN, command(&nobody, &[("a", "")])),
                "NoSuchEntity",
                "nobody",
            ),
        ]);
    }

    #[test]
    fn tag_that_is_not_there_is_no_fault() {
        let mut cluster = Cluster::new();
        let tag = |key: &str| ((key).into(), "".into());
        cluster.done(
            ADMIN,
            crate::domain::op::Command::TagPrincipal(
                crate::domain::op::tag_principal::TagPrincipal {
                    arn: arn(BOB),
                    tags: [tag("a"), tag("b")].into(),
                },
            ),
        );
        cluster.done(ADMIN, command(BOB, &[("a", ""), ("z", "")]));
        let tags = &cluster.state.principal(&arn(BOB)).unwrap().tags;
        assert_eq!(tags.keys().map(|k| &**k).collect::<Vec<_>>(), ["b"]);
    }
}
