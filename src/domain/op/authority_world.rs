//! The world of the authority matrix: accounts, principals, keys, grants and endpoints, and the organizations around them.

use std::sync::Arc;

use super::testing::{
    ADMIN, ALLOW_ALL, APP, BOB, CAROL, Cluster, EXT, MANAGEMENT, OTHER, OWNER, arn, create_grant,
    create_key, group, key, key_arn,
};
use super::{
    Command, LockoutCheck, add_account, consume, create_account, create_organization,
    delete_principal, put_control_policy, put_group_policy, put_key_policy,
    put_principal_permissions_boundary, put_vpc_endpoint,
};
use crate::domain::ids::AccountId;
use crate::domain::state::grant::{EncryptionContext, GrantOperation, Term};
use crate::domain::state::organization::ControlKind;
use crate::domain::time::Timestamp;

pub(super) const READER: &str = "arn:aws:iam::111122223333:user/reader";
pub(super) const NAMED: &str = "arn:aws:iam::111122223333:user/named";
pub(super) const DENIED: &str = "arn:aws:iam::111122223333:user/denied";
pub(super) const BARRED: &str = "arn:aws:iam::111122223333:user/barred";
pub(super) const GONE: &str = "arn:aws:iam::111122223333:user/gone";
pub(super) const AGAIN: &str = "arn:aws:iam::111122223333:user/again";
pub(super) const SHED: &str = "arn:aws:iam::111122223333:role/shed";
pub(super) const REMADE: &str = "arn:aws:iam::111122223333:role/remade";
pub(super) const FREE: &str = "arn:aws:iam::111122223333:user/free";
pub(super) const NARROW: &str = "arn:aws:iam::111122223333:user/narrow";
pub(super) const FENCED: &str = "arn:aws:iam::111122223333:user/fenced";
pub(super) const NARROW_ROLE: &str = "arn:aws:iam::111122223333:role/narrow";
pub(super) const NAMED_NARROW: &str = "arn:aws:iam::111122223333:user/named-narrow";
pub(super) const NAMED_FENCED: &str = "arn:aws:iam::111122223333:user/named-fenced";
pub(super) const STAFF: &str = "arn:aws:iam::111122223333:user/staff";
pub(super) const OUTCAST: &str = "arn:aws:iam::111122223333:user/outcast";
pub(super) const PAIRED: &str = "arn:aws:iam::111122223333:user/paired";
pub(super) const LATE: &str = "arn:aws:iam::111122223333:user/late";
pub(super) const SPENT: &str = "arn:aws:iam::111122223333:user/spent";
pub(super) const THRIFTY: &str = "arn:aws:iam::111122223333:user/thrifty";
pub(super) const LINKED: &str = "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";
pub(super) const MANAGER: &str = "arn:aws:iam::777788889999:user/manager";
pub(super) const CLERK: &str = "arn:aws:iam::111122223333:role/clerk";
pub(super) const PARTNER: &str = "arn:aws:iam::444455556666:role/partner";
pub(super) const STRANGER: &str = "arn:aws:iam::444455556666:role/stranger";
pub(super) const SERVICE: &str = "logs.eu-west-1.amazonaws.com";

/// The keys of the matrix, by what their policies say.
pub(super) const OPEN: u8 = 1;
pub(super) const NAMING: u8 = 2;
pub(super) const GRANTED: u8 = 3;
pub(super) const DENYING: u8 = 4;
pub(super) const FOREIGN: u8 = 5;

pub(super) const KEYS: [(u8, &str); 5] = [
    (
        OPEN,
        "its policy is the default one: it enables identity policies of account 111122223333",
    ),
    (
        NAMING,
        "its policy names callers one by one, and no account",
    ),
    (
        GRANTED,
        "its policy names the administrator alone, and enables nobody; the rest have grants",
    ),
    (
        DENYING,
        "its policy enables identity policies and denies one user",
    ),
    (
        FOREIGN,
        "its policy enables identity policies of account 444455556666",
    ),
];

fn statement(effect: &str, principals: &str) -> String {
    format!(
        r#"{{"Effect":"{effect}","Principal":{{{principals}}},"Action":"kms:*","Resource":"*"}}"#
    )
}

fn document(statements: &[String]) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
        statements.join(",")
    )
}

fn aws(principals: &[&str]) -> String {
    format!(r#""AWS":["{}"]"#, principals.join(r#"",""#))
}

/// What organization is around the accounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Around {
    /// None.
    Nothing,
    /// A service control policy denies kms:* to both accounts, beside one that allows everything.
    Denying,
    /// The service control policies of account 111122223333 allow kms:Decrypt and kms:CreateKey alone.
    Listing,
    /// A resource control policy denies kms:* on the keys of account 111122223333 alone.
    Guarding,
    /// Policies of both kinds deny kms:*, and account 111122223333 is the management account.
    Managing,
}

impl Around {
    pub(super) const ALL: [Self; 5] = [
        Self::Nothing,
        Self::Denying,
        Self::Listing,
        Self::Guarding,
        Self::Managing,
    ];

    pub(super) fn management(self) -> AccountId {
        match self {
            Self::Managing => OWNER.parse().unwrap(),
            _ => arn(MANAGEMENT).account(),
        }
    }

    pub(super) fn put(self, cluster: &mut Cluster) {
        let organization = create_organization::CreateOrganization {
            id: "o-first".parse().unwrap(),
            root: "r-root".parse().unwrap(),
            management: self.management(),
        };
        cluster.done("operator", Command::CreateOrganization(organization));
        let members: &[&str] = match self {
            Self::Nothing | Self::Managing => &[],
            Self::Denying => &[OWNER, OTHER],
            Self::Listing | Self::Guarding => &[OWNER],
        };
        for account in members {
            let add = add_account::AddAccount {
                account: account.parse().unwrap(),
                parent: "r-root".parse().unwrap(),
            };
            cluster.done("operator", Command::AddAccount(add));
        }
        let mut put = |node: &str, kind: ControlKind, policy: &str| {
            let put = put_control_policy::PutControlPolicy {
                node: node.parse().unwrap(),
                kind,
                name: "own".into(),
                policy: policy.into(),
            };
            cluster.done("operator", Command::PutControlPolicy(put));
        };
        let deny_all = document(&[statement("Deny", r#""AWS":"*""#)]);
        match self {
            Self::Nothing => {}
            Self::Denying => put("r-root", ControlKind::Service, DENY_KMS),
            Self::Listing => {
                put(OWNER, ControlKind::Service, SOME);
                cluster.detach_full_access(OWNER, ControlKind::Service);
            }
            Self::Guarding => put("r-root", ControlKind::Resource, &deny_all),
            Self::Managing => {
                put("r-root", ControlKind::Service, DENY_KMS);
                put("r-root", ControlKind::Resource, &deny_all);
            }
        }
    }
}

/// Allows two actions, one on a key and one on none.
pub(super) const SOME: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["kms:Decrypt","kms:CreateKey"],"Resource":"*"}}"#;
pub(super) const DENY_KMS: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"kms:*","Resource":"*"}}"#;
pub(super) const ALL_BUT_KMS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"kms:*","Resource":"*"}]}"#;

pub(super) fn world() -> Cluster {
    let mut cluster = Cluster::new();
    let make = create_account::CreateAccount {
        account: arn(MANAGEMENT).account(),
        name: "".into(),
    };
    cluster.done("operator", Command::CreateAccount(make));
    let allowed_all = [
        APP, DENIED, EXT, PARTNER, GONE, SHED, FREE, NARROW, FENCED, OUTCAST, LINKED, MANAGER,
    ];
    for principal in [
        READER,
        NAMED,
        DENIED,
        BARRED,
        GONE,
        AGAIN,
        SHED,
        REMADE,
        FREE,
        NARROW,
        FENCED,
        NARROW_ROLE,
        NAMED_NARROW,
        NAMED_FENCED,
        STAFF,
        OUTCAST,
        PAIRED,
        LATE,
        SPENT,
        THRIFTY,
        LINKED,
        MANAGER,
        CLERK,
        PARTNER,
        STRANGER,
    ] {
        cluster.make_principal(principal, 0);
    }
    for principal in allowed_all {
        cluster.put_policy(principal, ALLOW_ALL);
    }
    cluster.put_policy(READER, r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["kms:Describe*","kms:Get*","kms:List*"],"Resource":"*"}}"#);
    cluster.put_policy(BARRED, ALL_BUT_KMS);
    let root = format!("arn:aws:iam::{OWNER}:root");
    for (principal, boundary) in [
        (FREE, ALLOW_ALL),
        (NARROW, SOME),
        (FENCED, ALL_BUT_KMS),
        (NARROW_ROLE, SOME),
        (NAMED_NARROW, SOME),
        (NAMED_FENCED, ALL_BUT_KMS),
    ] {
        let put = put_principal_permissions_boundary::PutPrincipalPermissionsBoundary {
            arn: arn(principal),
            policy: boundary.into(),
        };
        cluster.done(&root, Command::PutPrincipalPermissionsBoundary(put));
    }
    for (name, member, policy) in [("staff", STAFF, ALLOW_ALL), ("banned", OUTCAST, DENY_KMS)] {
        cluster.make_group(name, &[member]);
        let put = put_group_policy::PutGroupPolicy {
            arn: group(name),
            name: "p".into(),
            policy: policy.into(),
        };
        cluster.done(&root, Command::PutGroupPolicy(put));
    }
    let some = SOME.replace(
        r#""Effect":"Allow","#,
        r#""Effect":"Allow","Principal":"*","#,
    );
    let none = document(&[
        r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#.to_owned(),
        statement("Deny", r#""AWS":"*""#),
    ]);
    for (id, policy) in [
        ("vpce-open", None),
        ("vpce-some", Some(some)),
        ("vpce-none", Some(none)),
    ] {
        let put = put_vpc_endpoint::PutVpcEndpoint {
            id: id.parse().unwrap(),
            vpc: "vpc-1".parse().unwrap(),
            account: OWNER.parse().unwrap(),
            policy: policy.map(Into::into),
        };
        cluster.done("operator", Command::PutVpcEndpoint(put));
    }
    for n in [NAMING, GRANTED, DENYING, FOREIGN] {
        cluster.done(ADMIN, Command::CreateKey(create_key(n)));
    }
    put_key_policies(&mut cluster);
    put_grants(&mut cluster);
    for principal in [GONE, AGAIN, SHED, REMADE] {
        if cluster
            .state
            .principal(&arn(principal))
            .is_some_and(|stored| !stored.policies.is_empty())
        {
            let delete = crate::domain::op::delete_principal_policy::DeletePrincipalPolicy {
                arn: arn(principal),
                name: "test".into(),
            };
            cluster.done(&root, Command::DeletePrincipalPolicy(delete));
        }
        let delete = delete_principal::DeletePrincipal {
            arn: arn(principal),
        };
        cluster.done(&root, Command::DeletePrincipal(delete));
    }
    for principal in [AGAIN, REMADE] {
        cluster.make_principal(principal, 1);
        cluster.put_policy(principal, ALLOW_ALL);
    }
    cluster
}

fn put_key_policies(cluster: &mut Cluster) {
    let root = format!("arn:aws:iam::{OWNER}:root");
    let open = statement("Allow", &aws(&[&root]));
    let admin = statement("Allow", &aws(&[ADMIN]));
    let session = format!("arn:aws:sts::{OWNER}:assumed-role/app/named");
    let narrow = format!("arn:aws:sts::{OWNER}:assumed-role/narrow/named");
    let federated = format!("arn:aws:sts::{OWNER}:federated-user/named");
    let names = [
        NAMED,
        CLERK,
        &*session,
        &*federated,
        PARTNER,
        STRANGER,
        AGAIN,
        GONE,
        NAMED_NARROW,
        NAMED_FENCED,
        NARROW_ROLE,
        &*narrow,
    ];
    let policies = [
        (GRANTED, document(std::slice::from_ref(&admin))),
        (
            NAMING,
            document(&[
                statement("Allow", &aws(&names)),
                statement("Allow", &format!(r#""Service":"{SERVICE}""#)),
            ]),
        ),
        (
            DENYING,
            document(&[open, statement("Deny", &aws(&[DENIED]))]),
        ),
        (
            FOREIGN,
            document(&[statement("Allow", &format!(r#""AWS":"{OTHER}""#))]),
        ),
    ];
    for (n, policy) in policies {
        cluster.done(
            ADMIN,
            Command::PutKeyPolicy(put_key_policy::PutKeyPolicy {
                key: key(n),
                policy_name: None,
                policy: policy.into(),
                lockout_check: LockoutCheck::Bypass,
            }),
        );
    }
}

/// The grants on [`GRANTED`], each of all operations.
fn put_grants(cluster: &mut Cluster) {
    let grantable: Vec<GrantOperation> = cluster
        .state
        .key(&key_arn(GRANTED))
        .map(|key| super::key_kinds::grantable(key).iter().collect())
        .unwrap();
    let other_root = format!("arn:aws:iam::{OTHER}:root");
    let session = format!("arn:aws:sts::{OWNER}:assumed-role/app/granted");
    let federated = format!("arn:aws:sts::{OWNER}:federated-user/granted");
    let soon = Timestamp::from_millis(cluster.now + 1_000);
    for (n, grantee) in (1..).zip([
        BOB,
        CLERK,
        &*other_root,
        &*session,
        &*federated,
        NARROW,
        FENCED,
        AGAIN,
        GONE,
        PAIRED,
        LATE,
        SPENT,
        THRIFTY,
    ]) {
        let mut command = create_grant(n, grantee);
        command.key = key(GRANTED);
        command.operations = grantable.clone();
        command.retiring = (grantee == BOB).then(|| CAROL.into());
        match grantee {
            PAIRED => {
                let pairs: EncryptionContext = [("a".into(), "b".into())].into();
                command.context_equals = Arc::new(pairs);
            }
            LATE => {
                command.term = Term {
                    expires_at: Some(soon),
                    uses: None,
                };
            }
            SPENT | THRIFTY => {
                command.term = Term {
                    expires_at: None,
                    uses: Some(1),
                };
            }
            _ => {}
        }
        cluster.done(ADMIN, Command::CreateGrant(command));
    }
    let mut service = create_grant(99, BOB);
    service.key = key(GRANTED);
    service.operations = grantable;
    service.grantee = None;
    service.grantee_service = Some(SERVICE.into());
    service.retiring = Some(CAROL.into());
    service.source_arn = Some("arn:aws:logs:eu-west-1:111122223333:log-group:a".into());
    cluster.done(ADMIN, Command::CreateGrant(service));
    let consume = consume::Consume {
        key: crate::domain::ids::KeyRef::KeyArn(key_arn(GRANTED)),
        operation: GrantOperation::Decrypt,
        encryption_context: Default::default(),
        grant_id: None,
    };
    cluster.done(SPENT, Command::Consume(consume));
    // The next change stamps it: the grant that expires has.
    cluster.now += 1_000;
}
