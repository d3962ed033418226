//! `TagPrincipal`: sets tags of a user or a role (`iam:TagUser`, `iam:TagRole`).

use super::context::{Change, Context};
use super::refusal::{Said, refusals};
use super::table::Operation;
use super::{Event, Output, identity, tags};
use crate::domain::authz::request::{Parameters, RequestTags};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::PrincipalArn;
use crate::domain::state::State;
use crate::domain::state::Tags;
use crate::domain::state::principal::Principal;

/// Sets tags of a user or a role (`iam:TagUser`, `iam:TagRole`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TagPrincipal {
    /// User or role ARN.
    pub arn: PrincipalArn,
    /// Tags to set; a key that exists is overwritten.
    pub tags: Tags,
}

refusals! {
    /// Why TagPrincipal is refused, in the order of its checks.
    Refusal {
        /// No user or role, or tags that cannot be.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// It is not there.
        NotThere(Said),
        /// It would have more tags than it can.
        TooMany(Said),
    }
}

impl Change for TagPrincipal {
    type Refusal = Refusal;
    type Plan = Principal;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Principal), Refusal> {
        let kind = identity::kind_of(&self.arn).map_err(Refusal::Shape)?;
        tags::read(self.tags.iter()).map_err(Refusal::Shape)?;
        let parameters = Parameters::Known(Vec::new(), RequestTags::Set(&self.tags));
        let allowed = identity::allow(cx, Operation::TagPrincipal, kind, &self.arn, parameters)?;
        let principal = identity::existing(cx, &self.arn).map_err(Refusal::NotThere)?;
        let tags = tags::merged(&principal.tags, &self.tags).map_err(Refusal::TooMany)?;
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
        Command::TagPrincipal(TagPrincipal {
            arn,
            tags: tags
                .iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
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
                "iam:TagUser",
            ),
            (
                "not there",
                cluster.refusal(ADMIN, command(&nobody, &[("a", "")])),
                "NoSuchEntity",
                "nobody",
            ),
        ]);
    }

    /// E-1: at most 50, those that are there included.
    #[test]
    fn tag_past_the_last_is_refused() {
        let mut cluster = Cluster::new();
        let names: Vec<String> = (0..50).map(|n| n.to_string()).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|n| (&**n, "")).collect();
        cluster.done(ADMIN, command(BOB, &many));
        cluster.done(ADMIN, command(BOB, &[("7", "new")]));
        let (code, why) = cluster.refusal(ADMIN, command(BOB, &[("51", "")]));
        assert_eq!((code, &*why), ("TagException", "Too many tags"));
        let tags = &cluster.state.principal(&arn(BOB)).unwrap().tags;
        assert_eq!((tags.len(), &*tags["7"]), (50, "new"));
    }
}
