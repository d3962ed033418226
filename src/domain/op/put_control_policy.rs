//! `PutControlPolicy`: attaches a service or resource control policy to a node of an organization.

use super::context::{Change, Context};
use super::refusal::{BadPolicy, Said, refusals, said};
use super::table::Operation;
use super::{ErrorCode, Event, Output, organizations, policies};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::NodeId;
use crate::domain::limits::{
    RESOURCE_CONTROL_POLICIES_PER_NODE_MAX, SERVICE_CONTROL_POLICIES_PER_NODE_MAX,
};
use crate::domain::policy::same_text;
use crate::domain::state::State;
use crate::domain::state::organization::{ControlKind, Node};
use std::sync::Arc;

/// Attaches a service or resource control policy to a node of an organization (`organizations:AttachPolicy`, D-3).
///
/// Of the policies of a kind at a node one must allow. Each node has `FullAWSAccess` (`RCPFullAWSAccess`) from the start,
/// which allows everything: what is put beside it limits by its denials, and by what it does not allow only once
/// `FullAWSAccess` is detached. That policy is AWS's own: it can be attached again, and never changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PutControlPolicy {
    /// Root, unit or account.
    pub node: NodeId,
    /// Service or resource control.
    pub kind: ControlKind,
    /// Its name; a policy of this kind and name at the node is replaced.
    pub name: Arc<str>,
    /// The JSON text; validated and compiled by `plan`.
    pub policy: Arc<str>,
}

refusals! {
    /// Why PutControlPolicy is refused, in the order of its checks.
    Refusal {
        /// A name that cannot be.
        Shape(Said),
        /// Not permitted.
        Denied(Denied),
        /// The node is not there.
        NotThere(Said),
        /// The text is no control policy of the kind.
        Policy(BadPolicy),
        /// The name is that of AWS's own policy, and the text another.
        Managed(Said),
        /// The node has as many as it can have.
        TooMany(Said),
    }
}

/// How many policies of a kind a node can have.
const fn policies_max(kind: ControlKind) -> usize {
    match kind {
        ControlKind::Service => SERVICE_CONTROL_POLICIES_PER_NODE_MAX,
        ControlKind::Resource => RESOURCE_CONTROL_POLICIES_PER_NODE_MAX,
    }
}

impl Change for PutControlPolicy {
    type Refusal = Refusal;
    type Plan = Node;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Node), Refusal> {
        organizations::check_name(&self.name, "policyName").map_err(Refusal::Shape)?;
        let organization = organizations::of_node(cx, &self.node);
        let allowed =
            organizations::allow_kind(cx, Operation::PutControlPolicy, organization, self.kind)?;
        let node = organizations::existing_node(cx, &self.node).map_err(Refusal::NotThere)?;
        let policy = policies::read(&self.policy, self.kind.policy_kind())?;
        let managed = (self.kind.full_access_name(), self.kind.full_access_text());
        if *self.name == *managed.0 && !same_text(&self.policy, managed.1) {
            return Err(Refusal::Managed(said(
                ErrorCode::UnmodifiableEntity,
                format_args!(
                    "the policy {} cannot be changed: give yours another name, or attach it as it is: {}",
                    managed.0, managed.1
                ),
            )));
        }
        // P-51: what AWS's own allows, no customer's may.
        if self.kind == ControlKind::Resource
            && *self.name != *managed.0
            && same_text(&self.policy, managed.1)
        {
            return Err(Refusal::Managed(said(
                ErrorCode::MalformedPolicyDocument,
                format_args!(
                    "a resource control policy that is made by a customer has the effect `Deny` alone; {}, which stays attached, allows everything already",
                    managed.0
                ),
            )));
        }
        let mut node = (**node).clone();
        let max = policies_max(self.kind);
        let controls = node.controls_mut(self.kind);
        let place = controls.binary_search_by(|(name, _)| name.cmp(&self.name));
        match place {
            Ok(at) => {
                if let Some((_, old)) = controls.get_mut(at) {
                    *old = policy;
                }
            }
            Err(at) => controls.insert(at, (Arc::clone(&self.name), policy)),
        }
        if controls.len() > max {
            return Err(Refusal::TooMany(said(
                ErrorCode::QuotaExceeded,
                format_args!("Cannot exceed quota for PoliciesPerTarget: {max}"),
            )));
        }
        Ok((allowed, node))
    }

    fn enact(node: Node, state: &mut State) -> (Output, Vec<Event>) {
        organizations::store_node(node, state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::authz::decision::{Missing, Outcome};
    use crate::domain::op::Command;
    use crate::domain::op::testing::{
        ADMIN, ALLOW_ALL, Cluster, MANAGEMENT, OTHER, OWNER, caller, check_rows, create_key,
    };
    use crate::domain::policy::Policy;

    fn put(node: &str, kind: ControlKind, name: &str, policy: &str) -> Command {
        Command::PutControlPolicy(PutControlPolicy {
            node: node.parse().unwrap(),
            kind,
            name: name.into(),
            policy: policy.into(),
        })
    }

    fn only(action: &str) -> String {
        ALLOW_ALL.replace("\"Action\":\"*\"", &format!("\"Action\":\"{action}\""))
    }

    fn for_all(effect: &str, action: &str) -> String {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"R","Effect":"{effect}","Principal":"*","Action":"{action}","Resource":"*"}}]}}"#
        )
    }

    #[test]
    fn put_control_policy_refuses_in_the_order_of_its_checks() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        let scp = ControlKind::Service;
        check_rows(vec![
            (
                "no name, no permission",
                cluster.refusal(ADMIN, put("r-root", scp, "", "{")),
                "ValidationException",
                "policyName",
            ),
            (
                "a member's administrator",
                cluster.refusal(ADMIN, put("r-root", scp, "p", "{")),
                "AccessDeniedException",
                "organizations:AttachPolicy",
            ),
            (
                "no node",
                cluster.refusal("operator", put("r-none", scp, "p", "{")),
                "NoSuchEntity",
                "The root r-none",
            ),
            (
                "no policy",
                cluster.refusal(MANAGEMENT, put("r-root", scp, "p", "{")),
                "MalformedPolicyDocumentException",
                "line 1, column",
            ),
            (
                "a principal in a service control policy",
                cluster.refusal(MANAGEMENT, put("r-root", scp, "p", &for_all("Deny", "*"))),
                "MalformedPolicyDocumentException",
                "rincipal",
            ),
            (
                "another text under AWS's name",
                cluster.refusal(
                    MANAGEMENT,
                    put("r-root", scp, "FullAWSAccess", &only("kms:*")),
                ),
                "UnmodifiableEntity",
                "FullAWSAccess cannot be changed",
            ),
            (
                "AWS's text under another name",
                cluster.refusal(
                    MANAGEMENT,
                    put(
                        "r-root",
                        ControlKind::Resource,
                        "p",
                        ControlKind::Resource.full_access_text(),
                    ),
                ),
                "MalformedPolicyDocumentException",
                "has the effect `Deny` alone",
            ),
        ]);
        let own = put(
            "r-root",
            ControlKind::Resource,
            "RCPFullAWSAccess",
            ControlKind::Resource.full_access_text(),
        );
        cluster.done(MANAGEMENT, own);
        // The other kind's name is a name like any other; AWS's own text may stand under its name.
        cluster.done(
            MANAGEMENT,
            put("r-root", scp, "RCPFullAWSAccess", ALLOW_ALL),
        );
        let text = scp.full_access_text().replace(',', " ,\n ");
        cluster.done(MANAGEMENT, put("r-root", scp, "FullAWSAccess", &text));
    }

    #[test]
    fn policy_beyond_the_quota_of_a_node_is_refused_and_one_of_the_same_name_replaced() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        for n in 1..5 {
            let name = format!("p{n}");
            let no = for_all("Deny", "kms:*");
            cluster.done(MANAGEMENT, put("r-root", ControlKind::Resource, &name, &no));
        }
        let more = put(
            "r-root",
            ControlKind::Resource,
            "more",
            &for_all("Deny", "kms:*"),
        );
        let (code, said) = cluster.refusal(MANAGEMENT, more);
        assert_eq!(code, "LimitExceeded");
        assert!(said.ends_with("PoliciesPerTarget: 5"), "{said}");
        for n in 1..10 {
            let name = format!("p{n}");
            cluster.done(
                MANAGEMENT,
                put("r-root", ControlKind::Service, &name, ALLOW_ALL),
            );
        }
        let more = put("r-root", ControlKind::Service, "more", ALLOW_ALL);
        let (code, _) = cluster.refusal(MANAGEMENT, more);
        assert_eq!(code, "LimitExceeded");
        let again = put("r-root", ControlKind::Service, "p1", &only("s3:*"));
        cluster.done(MANAGEMENT, again);
        let node = cluster.state.node(&"r-root".parse().unwrap()).unwrap();
        let names: Vec<&str> = node
            .service_control
            .iter()
            .map(|(name, _)| &**name)
            .collect();
        let wanted = [
            "FullAWSAccess",
            "p1",
            "p2",
            "p3",
            "p4",
            "p5",
            "p6",
            "p7",
            "p8",
            "p9",
        ];
        assert_eq!(names, wanted);
        assert!(node.service_control[1].1.text().contains("s3:*"));
    }

    /// D-3: a new node allows everything, and what is attached beside limits by its denials alone, until the policy that
    /// allows everything is detached.
    #[test]
    fn policy_beside_full_access_limits_by_its_denials_alone() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        let ask = |cluster: &Cluster| cluster.decision(&caller(ADMIN), "kms:Encrypt");
        for (kind, put_text, allowed, missing) in [
            (
                ControlKind::Service,
                only("kms:Decrypt"),
                only("kms:Decrypt"),
                Missing::ServiceControlPolicy,
            ),
            (
                ControlKind::Resource,
                for_all("Deny", "kms:Sign"),
                for_all("Allow", "kms:Decrypt"),
                Missing::ResourceControlPolicy,
            ),
        ] {
            assert!(ask(&cluster).is_allow());
            cluster.done(MANAGEMENT, put("r-root", kind, "p", &put_text));
            assert!(ask(&cluster).is_allow());
            let node = cluster.state.node(&"r-root".parse().unwrap()).unwrap();
            let mut node = (**node).clone();
            let allowed = Policy::parse_unstored(&allowed, kind.policy_kind()).unwrap();
            *node.controls_mut(kind) = vec![("p".into(), allowed)];
            let full = cluster.copy();
            cluster.state.put_node(Arc::new(node.clone()));
            assert_eq!(ask(&cluster).missing(), Some(missing));
            assert!(cluster.decision(&caller(ADMIN), "kms:Decrypt").is_allow());
            // A node that had none at all would allow nothing.
            node.controls_mut(kind).clear();
            cluster.state.put_node(Arc::new(node));
            for action in ["kms:Encrypt", "kms:Decrypt"] {
                let denied = cluster.decision(&caller(ADMIN), action);
                assert_eq!(denied.missing(), Some(missing));
            }
            cluster = full;
        }
    }

    /// D-3: every level must allow; the account's root user is limited too, the management account and other accounts
    /// are not.
    #[test]
    fn every_level_from_the_root_to_the_account_must_allow() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        cluster.make_unit("ou-root-1", "r-root");
        cluster.move_account(OWNER, "ou-root-1");
        let root = format!("arn:aws:iam::{OWNER}:root");
        let may = |cluster: &Cluster, who: &str, action: &str| {
            cluster.decision(&caller(who), action).is_allow()
        };
        for (node, allowed) in [
            ("r-root", "kms:*"),
            ("ou-root-1", "kms:De*"),
            (OWNER, "kms:*"),
        ] {
            assert!(may(&cluster, ADMIN, "kms:Decrypt"));
            cluster.done(
                MANAGEMENT,
                put(node, ControlKind::Service, "p", &only(allowed)),
            );
            cluster.detach_full_access(node, ControlKind::Service);
        }
        for who in [ADMIN, &root] {
            assert!(may(&cluster, who, "kms:Decrypt"));
            let denied = cluster.decision(&caller(who), "kms:Encrypt");
            assert_eq!(denied.missing(), Some(Missing::ServiceControlPolicy));
        }
        // A second policy of the level may allow it, too.
        let second = put("ou-root-1", ControlKind::Service, "q", &only("kms:Encrypt"));
        cluster.done(MANAGEMENT, second);
        assert!(may(&cluster, ADMIN, "kms:Encrypt"));
        let deny = only("kms:Encrypt").replace("Allow", "Deny");
        cluster.done(MANAGEMENT, put("r-root", ControlKind::Service, "no", &deny));
        let denied = cluster.decision(&caller(ADMIN), "kms:Encrypt");
        assert_eq!(denied.outcome(), Outcome::ExplicitDeny);
        let by = denied.decided_by().unwrap();
        assert_eq!(by.source.as_str(), "service_control_policy");
        let policy = by.statement.as_ref().and_then(|s| s.policy.as_deref());
        assert_eq!(policy, Some("r-root / no"));
        // The management account is limited by nothing.
        let deny = ALLOW_ALL.replace("Allow", "Deny");
        cluster.done(MANAGEMENT, put("r-root", ControlKind::Service, "no", &deny));
        let mut key = create_key(5);
        key.account = "777788889999".parse().unwrap();
        cluster.done(MANAGEMENT, Command::CreateKey(key));
        let (code, _) = cluster.refusal(ADMIN, Command::CreateKey(create_key(6)));
        assert_eq!(code, "AccessDeniedException");
        cluster.leave(OWNER);
        cluster.done(ADMIN, Command::CreateKey(create_key(6)));
    }

    /// D-3: a resource control policy is about the keys of member accounts, whoever calls; not about RetireGrant.
    #[test]
    fn resource_control_policy_limits_every_caller_of_a_members_key() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        cluster.put_key_policy(&for_all("Allow", "kms:*"));
        let ext = format!("arn:aws:iam::{OTHER}:user/ext");
        cluster.put_policy(&ext, ALLOW_ALL);
        let deny = for_all("Deny", "kms:*");
        let may =
            |cluster: &Cluster, who: &str| cluster.decision(&caller(who), "kms:Decrypt").is_allow();
        assert!(may(&cluster, ADMIN) && may(&cluster, &ext));
        cluster.done(MANAGEMENT, put(OWNER, ControlKind::Resource, "no", &deny));
        for who in [ADMIN, &ext] {
            let denied = cluster.decision(&caller(who), "kms:Decrypt");
            let by = denied.decided_by().unwrap();
            assert_eq!(by.source.as_str(), "resource_control_policy");
        }
        assert!(
            cluster
                .decision(&caller(ADMIN), "kms:RetireGrant")
                .is_allow()
        );
        cluster.set_key(|key| key.manager = crate::domain::state::key::KeyManager::Aws);
        assert!(may(&cluster, ADMIN));
    }

    /// CK-0: the organization's id and the account's place in it, of caller and of key.
    #[test]
    fn organization_is_told_to_conditions() {
        let mut cluster = Cluster::new();
        let allow_if = |condition: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[
                {{"Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:PutKeyPolicy","Resource":"*"}},
                {{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{condition}}}]}}"#
            )
        };
        let conditions = [
            r#"{"StringEquals":{"aws:PrincipalOrgID":"o-first"}}"#,
            r#"{"StringEquals":{"aws:ResourceOrgID":"o-first"}}"#,
            r#"{"StringEquals":{"aws:ResourceOrgID":"${aws:PrincipalOrgID}"}}"#,
            r#"{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-first/r-root/ou-root-1/*"}}"#,
            r#"{"ForAnyValue:StringEquals":{"aws:ResourceOrgPaths":"o-first/r-root/ou-root-1/"}}"#,
        ];
        let bob = crate::domain::op::testing::BOB;
        for condition in conditions {
            cluster.put_key_policy(&allow_if(condition));
            assert!(!cluster.decision(&caller(bob), "kms:Decrypt").is_allow());
        }
        cluster.organize(OWNER);
        cluster.make_unit("ou-root-1", "r-root");
        cluster.move_account(OWNER, "ou-root-1");
        for condition in conditions {
            cluster.put_key_policy(&allow_if(condition));
            let decision = cluster.decision(&caller(bob), "kms:Decrypt");
            assert!(decision.is_allow(), "{condition}: {decision}");
        }
    }
}
