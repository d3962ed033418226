//! `PutVpcEndpoint`: makes a VPC endpoint known, or gives it another policy; for the operator alone.

use super::context::{Change, Context};
use super::refusal::{BadPolicy, Said, refusals, said};
use super::{Change as What, ErrorCode, Event, Output, policies};
use crate::domain::authz::{Allowed, Denied, require_operator};
use crate::domain::ids::{AccountId, VpcEndpointId, VpcId};
use crate::domain::limits::VPC_ENDPOINTS_MAX;
use crate::domain::policy::PolicyKind;
use crate::domain::state::State;
use crate::domain::state::organization::VpcEndpoint;
use std::sync::Arc;

/// Makes a VPC endpoint known, or gives it another policy (D-3). For the operator alone: an endpoint's id comes from the
/// network, and whoever could choose it could judge the requests of others.
///
/// A front says through which endpoint a request came (`aws:SourceVpce`). One that is known here judges the request by its
/// policy and gives it its VPC (`aws:SourceVpc`). Through one that is not, nothing is allowed: nobody knows what its policy
/// would say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PutVpcEndpoint {
    /// Its id.
    pub id: VpcEndpointId,
    /// Its VPC.
    pub vpc: VpcId,
    /// The account that owns it.
    pub account: AccountId,
    /// The JSON text; validated and compiled by `plan`. Absent: the default, which allows everything.
    pub policy: Option<Arc<str>>,
}

refusals! {
    /// Why PutVpcEndpoint is refused, in the order of its checks.
    Refusal {
        /// It is for the operator.
        Denied(Denied),
        /// The account is not there.
        NoAccount(Said),
        /// The text is no endpoint policy.
        Policy(BadPolicy),
        /// There is no room for another.
        TooMany(Said),
    }
}

/// What PutVpcEndpoint writes.
pub struct Plan {
    endpoint: VpcEndpoint,
    what: What,
}

impl Change for PutVpcEndpoint {
    type Refusal = Refusal;
    type Plan = Plan;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Plan), Refusal> {
        let Self {
            id,
            vpc,
            account,
            policy,
        } = self;
        let allowed = require_operator(cx.caller, "grantd:PutVpcEndpoint")?;
        if cx.state.account(*account).is_none() {
            let why = format!("the account {account} does not exist");
            return Err(Refusal::NoAccount(said(ErrorCode::NoSuchEntity, why)));
        }
        let policy = match policy {
            None => None,
            Some(text) => Some(policies::read(text, PolicyKind::VpcEndpoint)?),
        };
        let old = cx.state.endpoint(id);
        if old.is_none() && cx.state.endpoint_count() >= VPC_ENDPOINTS_MAX {
            return Err(Refusal::TooMany(said(
                ErrorCode::LimitExceeded,
                format_args!(
                    "the cluster knows {VPC_ENDPOINTS_MAX} VPC endpoints, as many as it can"
                ),
            )));
        }
        let plan = Plan {
            endpoint: VpcEndpoint {
                id: id.clone(),
                vpc: vpc.clone(),
                account: *account,
                policy,
                created_at: old.map_or(cx.now, |old| old.created_at),
                born: old.map_or(cx.at, |old| old.born),
            },
            what: match old {
                None => What::Created,
                Some(_) => What::Updated,
            },
        };
        Ok((allowed, plan))
    }

    fn enact(Plan { endpoint, what }: Plan, state: &mut State) -> (Output, Vec<Event>) {
        let events = vec![Event::EndpointChanged(endpoint.id.clone(), what)];
        state.put_endpoint(Arc::new(endpoint));
        (Output::Done, events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::authz::caller::{Caller, ContextEntry};
    use crate::domain::authz::decision::{Missing, Outcome};
    use crate::domain::op::testing::{ADMIN, Cluster, OWNER, caller, check_rows};
    use crate::domain::op::{Command, delete_vpc_endpoint};

    fn put(id: &str, account: &str, policy: Option<&str>) -> Command {
        Command::PutVpcEndpoint(PutVpcEndpoint {
            id: id.parse().unwrap(),
            vpc: "vpc-1".parse().unwrap(),
            account: account.parse().unwrap(),
            policy: policy.map(Into::into),
        })
    }

    fn policy(effect: &str, action: &str) -> String {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Principal":"*","Action":"{action}","Resource":"*"}}]}}"#
        )
    }

    /// ADMIN, through an endpoint, as a front says.
    fn through(id: &str) -> Caller {
        let mut who = caller(ADMIN);
        let context = &mut who.facts.context;
        context.insert("aws:sourcevpce".into(), ContextEntry::Single(id.into()));
        context.insert(
            "aws:sourceip".into(),
            ContextEntry::Single("10.0.0.1".into()),
        );
        who
    }

    #[test]
    fn put_vpc_endpoint_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        check_rows(vec![
            (
                "not the operator, no account",
                cluster.refusal(ADMIN, put("vpce-1", "999999999999", Some("{"))),
                "AccessDeniedException",
                "operator",
            ),
            (
                "no account",
                cluster.refusal("operator", put("vpce-1", "999999999999", Some("{"))),
                "NoSuchEntity",
                "999999999999",
            ),
            (
                "no policy",
                cluster.refusal("operator", put("vpce-1", OWNER, Some("{"))),
                "MalformedPolicyDocumentException",
                "line 1, column",
            ),
        ]);
    }

    #[test]
    fn endpoint_past_the_last_is_refused_but_one_that_is_there_is_put_again() {
        let mut cluster = Cluster::new();
        cluster.done("operator", put("vpce-0", OWNER, None));
        let first = cluster.state.endpoint(&"vpce-0".parse().unwrap()).unwrap();
        let first = (**first).clone();
        for n in 1..VPC_ENDPOINTS_MAX {
            let id = format!("vpce-{n}").parse().unwrap();
            let other = VpcEndpoint {
                id,
                ..first.clone()
            };
            cluster.state.put_endpoint(Arc::new(other));
        }
        let (code, _) = cluster.refusal("operator", put("vpce-x", OWNER, None));
        assert_eq!(code, "LimitExceededException");
        cluster.now += 5_000;
        cluster.done(
            "operator",
            put("vpce-0", OWNER, Some(&policy("Allow", "*"))),
        );
        let again = cluster.state.endpoint(&first.id).unwrap();
        assert!(again.policy.is_some() && again.created_at == first.created_at);
    }

    /// D-3: the policy of an endpoint judges the requests that come through it, and no others.
    #[test]
    fn endpoint_policy_judges_the_requests_that_come_through_it() {
        let mut cluster = Cluster::new();
        let allows = policy("Allow", "kms:Decrypt");
        // Nobody keeps endpoints here: whichever a front names is the value of a condition key.
        let named = cluster.decision(&through("vpce-1"), "kms:Encrypt");
        assert!(named.is_allow());
        cluster.done("operator", put("vpce-1", OWNER, Some(&allows)));
        let decide = |cluster: &Cluster, who: &Caller| cluster.decision(who, "kms:Encrypt");
        assert!(decide(&cluster, &caller(ADMIN)).is_allow());
        // Of one that nobody told of, or of what is no endpoint's id, the policy is not known, whatever it is.
        for stranger in ["vpce-2", "vpce-", "elsewhere", ""] {
            for action in ["kms:Encrypt", "kms:Decrypt"] {
                let denied = cluster.decision(&through(stranger), action);
                assert_eq!(denied.missing(), Some(Missing::Endpoint), "{stranger}");
                assert!(denied.message().ends_with(&format!(
                    "because no VPC endpoint policy allows the {action} action"
                )));
            }
        }
        let mut several = through("vpce-1");
        several.facts.context.insert(
            "aws:sourcevpce".into(),
            ContextEntry::Multi(["vpce-1".into()].into()),
        );
        let denied = cluster.decision(&several, "kms:Decrypt");
        assert_eq!(denied.missing(), Some(Missing::Endpoint));
        assert!(
            cluster
                .decision(&through("vpce-1"), "kms:Decrypt")
                .is_allow()
        );
        let denied = decide(&cluster, &through("vpce-1"));
        assert_eq!(denied.missing(), Some(Missing::EndpointPolicy));
        let denies = policy("Deny", "kms:Encrypt");
        cluster.done("operator", put("vpce-1", OWNER, Some(&denies)));
        let denied = decide(&cluster, &through("vpce-1"));
        assert_eq!(denied.outcome(), Outcome::ExplicitDeny);
        assert_eq!(denied.decided_by().unwrap().source.as_str(), "vpce_policy");
        cluster.done("operator", put("vpce-1", OWNER, None));
        assert!(decide(&cluster, &through("vpce-1")).is_allow());
    }

    /// D-2, D-3: an endpoint that is not known allows nothing, and changes nothing of what denies.
    #[test]
    fn unknown_endpoint_hides_no_denial() {
        let mut cluster = Cluster::new();
        cluster.put_key_policy(&format!(
            r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Principal":{{"AWS":"{OWNER}"}},"Action":"kms:*","Resource":"*"}},
            {{"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{{"StringNotEquals":{{"aws:SourceVpce":"vpce-1"}}}}}}]}}"#
        ));
        let denied = cluster.decision(&through("vpce-2"), "kms:Decrypt");
        assert_eq!(denied.outcome(), Outcome::ExplicitDeny);
        assert_eq!(denied.decided_by().unwrap().source.as_str(), "key_policy");
        cluster.done("operator", put("vpce-1", OWNER, None));
        assert!(
            cluster
                .decision(&through("vpce-1"), "kms:Decrypt")
                .is_allow()
        );
    }

    /// CK-0: through an endpoint that is known, its id and VPC are condition keys and `aws:SourceIp` is absent; a front
    /// cannot give it another VPC.
    #[test]
    fn known_endpoint_tells_its_vpc_and_hides_the_source_address() {
        let mut cluster = Cluster::new();
        cluster.done("operator", put("vpce-1", OWNER, None));
        let mut lying = through("vpce-1");
        let vpc = ContextEntry::Single("vpc-other".into());
        lying.facts.context.insert("aws:sourcevpc".into(), vpc);
        for (condition, wanted) in [
            (r#"{"StringEquals":{"aws:SourceVpce":"vpce-1"}}"#, true),
            (r#"{"StringEquals":{"aws:SourceVpce":"vpce-2"}}"#, false),
            (r#"{"StringEquals":{"aws:SourceVpc":"vpc-1"}}"#, true),
            (r#"{"StringEquals":{"aws:SourceVpc":"vpc-other"}}"#, false),
            (r#"{"Null":{"aws:SourceIp":"true"}}"#, true),
        ] {
            cluster.put_key_policy(&format!(
                r#"{{"Version":"2012-10-17","Statement":[
                {{"Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:PutKeyPolicy","Resource":"*"}},
                {{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{condition}}}]}}"#
            ));
            let decision = cluster.decision(&lying, "kms:Decrypt");
            assert_eq!(decision.is_allow(), wanted, "{condition}: {decision}");
        }
        assert!(cluster.decision(&lying, "kms:Decrypt").is_allow());
        cluster.done(
            "operator",
            Command::DeleteVpcEndpoint(delete_vpc_endpoint::DeleteVpcEndpoint {
                id: "vpce-1".parse().unwrap(),
            }),
        );
        assert!(!cluster.decision(&lying, "kms:Decrypt").is_allow());
    }

    /// CK-43: whose endpoint it is the cluster knows, and its organization; nobody else says so of a known endpoint, nor of
    /// none where endpoints are kept.
    #[test]
    fn known_endpoint_tells_its_owner_and_no_front_does() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        let lie = |who: &mut Caller| {
            let context = &mut who.facts.context;
            for (key, value) in [
                ("aws:vpceaccount", "444455556666"),
                ("aws:vpceorgid", "o-lie"),
                (
                    "aws:sourcevpcarn",
                    "arn:aws:ec2:eu-west-1:444455556666:vpc/vpc-lie",
                ),
                ("aws:sourcevpc", "vpc-lie"),
            ] {
                context.insert(key.into(), ContextEntry::Single(value.into()));
            }
            let paths = [std::sync::Arc::from("o-lie/r-x/")];
            let paths = ContextEntry::Multi(paths.into_iter().collect());
            context.insert("aws:vpceorgpaths".into(), paths);
        };
        let holds = |cluster: &mut Cluster, who: &Caller, condition: &str| {
            cluster.put_key_policy(&format!(
                r#"{{"Version":"2012-10-17","Statement":[
                {{"Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:PutKeyPolicy","Resource":"*"}},
                {{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{condition}}}]}}"#
            ));
            cluster.decision(who, "kms:Decrypt").is_allow()
        };
        const OWN: [&str; 5] = [
            r#"{"StringEquals":{"aws:VpceAccount":"111122223333"}}"#,
            r#"{"StringEquals":{"aws:VpceOrgID":"o-first"}}"#,
            r#"{"ForAnyValue:StringLike":{"aws:VpceOrgPaths":"o-first/r-root/*"}}"#,
            r#"{"ArnEquals":{"aws:SourceVpcArn":"arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1"}}"#,
            r#"{"StringEquals":{"aws:SourceVpc":"vpc-1"}}"#,
        ];
        const LIES: [&str; 5] = [
            r#"{"StringEquals":{"aws:VpceAccount":"444455556666"}}"#,
            r#"{"StringEquals":{"aws:VpceOrgID":"o-lie"}}"#,
            r#"{"ForAnyValue:StringLike":{"aws:VpceOrgPaths":"o-lie/*"}}"#,
            r#"{"ArnLike":{"aws:SourceVpcArn":"arn:aws:ec2:*:444455556666:vpc/*"}}"#,
            r#"{"StringEquals":{"aws:SourceVpc":"vpc-lie"}}"#,
        ];
        const ABSENT: &str = r#"{"Null":{"aws:VpceAccount":"true","aws:VpceOrgID":"true","aws:VpceOrgPaths":"true","aws:SourceVpcArn":"true","aws:SourceVpc":"true"}}"#;
        // No endpoint is kept: what is said of one are values of condition keys.
        let mut told = through("vpce-1");
        lie(&mut told);
        for condition in LIES {
            assert!(holds(&mut cluster, &told, condition), "{condition}");
        }
        assert!(holds(&mut cluster, &caller(ADMIN), ABSENT));
        cluster.done("operator", put("vpce-1", OWNER, None));
        for who in [&through("vpce-1"), &told] {
            for condition in OWN {
                assert!(holds(&mut cluster, who, condition), "{condition}");
            }
            for condition in LIES {
                assert!(!holds(&mut cluster, who, condition), "{condition}");
            }
        }
        // Through none: absent, whatever is said.
        let mut directly = caller(ADMIN);
        lie(&mut directly);
        assert!(holds(&mut cluster, &directly, ABSENT));
        // Of an account in no organization.
        cluster.done(
            "operator",
            put("vpce-2", crate::domain::op::testing::OTHER, None),
        );
        let mut apart = through("vpce-2");
        lie(&mut apart);
        assert!(holds(&mut cluster, &apart, LIES[0]), "it is that account's");
        assert!(holds(
            &mut cluster,
            &apart,
            r#"{"Null":{"aws:VpceOrgID":"true","aws:VpceOrgPaths":"true"}}"#
        ));
    }

    /// CK-43: AWS's own example keeps everybody out but who comes through an endpoint of the organization.
    #[test]
    fn perimeter_of_an_organizations_endpoints_lets_its_own_through() {
        let mut cluster = Cluster::new();
        cluster.organize(OWNER);
        cluster.done("operator", put("vpce-1", OWNER, None));
        cluster.done(
            "operator",
            put("vpce-2", crate::domain::op::testing::OTHER, None),
        );
        let put = crate::domain::op::put_control_policy::PutControlPolicy {
            node: OWNER.parse().unwrap(),
            kind: crate::domain::state::organization::ControlKind::Resource,
            name: "Perimeter".into(),
            policy: r#"{"Version":"2012-10-17","Statement":[{"Sid":"EnforceNetworkPerimeterVpceOrgID","Effect":"Deny","Principal":"*","Action":["s3:*","kms:*"],"Resource":"*","Condition":{"StringNotEqualsIfExists":{"aws:VpceOrgID":"o-first"},"BoolIfExists":{"aws:PrincipalIsAWSService":"false","aws:ViaAWSService":"false"}}}]}"#.into(),
        };
        cluster.done("operator", Command::PutControlPolicy(put));
        let allows = |who: &Caller| cluster.decision(who, "kms:Decrypt").is_allow();
        assert!(allows(&through("vpce-1")));
        assert!(!allows(&through("vpce-2")));
        assert!(!allows(&caller(ADMIN)));
    }
}
