//! Principals of a policy, and how a caller matches them (P-20 to P-26).

use std::fmt;

use crate::domain::ids::{
    AccountId, Partition, PrincipalArn, PrincipalKind, ServicePrincipal, UniqueId,
};

/// Who calls, as a policy sees it: every identity of ID-20, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// The root user of an account.
    Root {
        /// The partition it is in, which its ARN names.
        partition: Partition,
        /// The account.
        account: AccountId,
    },
    /// An IAM user.
    User {
        /// The user.
        arn: &'a PrincipalArn,
        /// Its immutable id, if the caller knows it.
        unique_id: Option<&'a UniqueId>,
    },
    /// A session of a role.
    RoleSession {
        /// The session.
        session: &'a PrincipalArn,
        /// The role, with its path (ID-19).
        role: &'a PrincipalArn,
        /// The role's immutable id, if the caller knows it.
        unique_id: Option<&'a UniqueId>,
        /// The service that the role was made for, as the state says: a service-linked role (D-18).
        service: Option<&'a ServicePrincipal>,
    },
    /// A federated user.
    FederatedUser {
        /// The federated user.
        arn: &'a PrincipalArn,
        /// The user that federated it.
        federated_by: Option<&'a PrincipalArn>,
        /// That user's immutable id, if the caller knows it.
        unique_id: Option<&'a UniqueId>,
    },
    /// An AWS service that calls for itself.
    Service {
        /// The service.
        name: &'a ServicePrincipal,
    },
}

impl<'a> Who<'a> {
    /// The caller's account; an AWS service has none.
    pub const fn account(&self) -> Option<AccountId> {
        match self {
            Self::Root { account, .. } => Some(*account),
            Self::User { arn, .. } | Self::FederatedUser { arn, .. } => Some(arn.account()),
            Self::RoleSession { session, .. } => Some(session.account()),
            Self::Service { .. } => None,
        }
    }

    /// The immutable id of the user or role behind the caller, if known.
    pub const fn unique_id(&self) -> Option<&'a UniqueId> {
        match self {
            Self::User { unique_id, .. }
            | Self::RoleSession { unique_id, .. }
            | Self::FederatedUser { unique_id, .. } => *unique_id,
            Self::Root { .. } | Self::Service { .. } => None,
        }
    }
}

/// The caller as messages name it (M-1).
impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root { partition, account } => {
                write!(f, "arn:{partition}:iam::{account}:root")
            }
            Self::User { arn, .. } | Self::FederatedUser { arn, .. } => arn.fmt(f),
            Self::RoleSession { session, .. } => session.fmt(f),
            Self::Service { name } => name.fmt(f),
        }
    }
}

/// To which immutable id a principal that a stored policy names was bound (ID-18).
pub trait Bindings {
    /// Whether the policy's `named` principal is still the one with this id.
    fn is_bound(&self, named: &PrincipalArn, unique_id: &UniqueId) -> bool;
}

/// The ways in which a statement's principals match a caller. A statement may match in several.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ways(u16);

impl Ways {
    /// No way.
    pub const NONE: Self = Self(0);
    /// By the user's own ARN.
    pub const USER: Self = Self(1);
    /// By the role's ARN.
    pub const ROLE: Self = Self(1 << 1);
    /// By the session's ARN.
    pub const SESSION: Self = Self(1 << 2);
    /// By the federated user's ARN.
    pub const FEDERATED_USER: Self = Self(1 << 3);
    /// By the ARN of the user that federated the caller.
    pub const FEDERATING_USER: Self = Self(1 << 4);
    /// By the caller's account.
    pub const ACCOUNT: Self = Self(1 << 5);
    /// By `*`.
    pub const EVERYONE: Self = Self(1 << 6);
    /// By the service's name.
    pub const SERVICE: Self = Self(1 << 7);
    /// By not being listed in `NotPrincipal`.
    pub const NOT_LISTED: Self = Self(1 << 8);
    /// The statement belongs to a policy without principals: it is about whoever it is attached to.
    pub const ATTACHED: Self = Self(1 << 9);

    /// Ways that name the caller itself (D-4): enough in its own account, without an identity policy.
    pub const DIRECT: Self = Self(
        Self::USER.0
            | Self::ROLE.0
            | Self::SESSION.0
            | Self::FEDERATED_USER.0
            | Self::FEDERATING_USER.0
            | Self::EVERYONE.0
            | Self::SERVICE.0
            | Self::NOT_LISTED.0,
    );

    /// Direct ways that the implicit deny of a boundary or a session policy limits (D-12).
    pub const LIMITED: Self = Self(Self::ROLE.0 | Self::FEDERATING_USER.0);

    /// Whether there is none.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether some way is in both.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The ways of `self` that are not in `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The ways in both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The ways in either.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Ways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(Ways, &str); 10] = [
            (Ways::USER, "user"),
            (Ways::ROLE, "role"),
            (Ways::SESSION, "session"),
            (Ways::FEDERATED_USER, "federated user"),
            (Ways::FEDERATING_USER, "federating user"),
            (Ways::ACCOUNT, "account"),
            (Ways::EVERYONE, "everyone"),
            (Ways::SERVICE, "service"),
            (Ways::NOT_LISTED, "not listed"),
            (Ways::ATTACHED, "attached"),
        ];
        f.debug_set()
            .entries(
                NAMES
                    .iter()
                    .filter(|(way, _)| self.intersects(*way))
                    .map(|(_, name)| name),
            )
            .finish()
    }
}

/// One principal that a policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyPrincipal {
    /// `*`
    Everyone,
    /// Twelve digits or a root ARN: the same (ID-19).
    Account(AccountId),
    /// A user, role, session or federated user.
    Arn(PrincipalArn),
    /// An AWS service.
    Service(ServicePrincipal),
    /// An identity provider: matches nobody here (U-16).
    Federated(Box<str>),
}

impl PolicyPrincipal {
    /// Whether it names a session of the role, whichever.
    pub(super) fn is_session_of(&self, role: &PrincipalArn) -> bool {
        match self {
            Self::Arn(named) => match (named.kind(), role.kind()) {
                (PrincipalKind::AssumedRole { role: of, .. }, PrincipalKind::Role { name, .. }) => {
                    of == name && named.account() == role.account()
                }
                _ => false,
            },
            Self::Everyone | Self::Account(_) | Self::Service(_) | Self::Federated(_) => false,
        }
    }
}

/// The compiled `Principal` or `NotPrincipal` of a statement.
#[derive(Debug)]
pub(super) struct PrincipalSet {
    pub entries: Box<[PolicyPrincipal]>,
    pub negated: bool,
}

impl PrincipalSet {
    /// The ways in which the caller matches a statement that allows, or that denies.
    pub fn ways(
        &self,
        who: &Who<'_>,
        is_deny: bool,
        has_boundary: bool,
        bindings: Option<&dyn Bindings>,
    ) -> Ways {
        // P-24: of those that an Allow excludes, the name stays excluded, whoever bears it now.
        let bindings = bindings.filter(|_| !self.negated || is_deny);
        let listed = self
            .entries
            .iter()
            .fold(Ways::NONE, |ways, entry| ways.or(way(entry, who, bindings)));
        if !self.negated {
            return listed;
        }
        let exempt = if !is_deny {
            // P-24: everyone except the listed; an account that is listed stands for its principals here.
            !listed.is_none()
        } else if has_boundary {
            false
        } else {
            is_fully_listed(listed, who, &self.entries)
        };
        if exempt { Ways::NONE } else { Ways::NOT_LISTED }
    }
}

/// P-24, U-22: to be exempt from `NotPrincipal` with `Deny`, a principal and its account must both be listed. Of a session
/// that is its own ARN, or its role's in a list that names no session of the role: one that names some means these alone.
fn is_fully_listed(listed: Ways, who: &Who<'_>, entries: &[PolicyPrincipal]) -> bool {
    if listed.intersects(Ways::EVERYONE) {
        return true;
    }
    let account = listed.intersects(Ways::ACCOUNT);
    match who {
        Who::Root { .. } => account,
        Who::User { .. } => account && listed.intersects(Ways::USER),
        Who::RoleSession { role, .. } => {
            let by_role = || {
                listed.intersects(Ways::ROLE)
                    && !entries.iter().any(|entry| entry.is_session_of(role))
            };
            account && (listed.intersects(Ways::SESSION) || by_role())
        }
        Who::FederatedUser { .. } => account && listed.intersects(Ways::FEDERATED_USER),
        Who::Service { .. } => listed.intersects(Ways::SERVICE),
    }
}

fn way(entry: &PolicyPrincipal, who: &Who<'_>, bindings: Option<&dyn Bindings>) -> Ways {
    match entry {
        PolicyPrincipal::Everyone => Ways::EVERYONE,
        PolicyPrincipal::Account(account) if who.account() == Some(*account) => Ways::ACCOUNT,
        PolicyPrincipal::Account(_) | PolicyPrincipal::Federated(_) => Ways::NONE,
        PolicyPrincipal::Arn(named) => {
            let way = match who {
                Who::Root { .. } | Who::Service { .. } => Ways::NONE,
                Who::User { arn, .. } if *arn == named => Ways::USER,
                Who::RoleSession { role, .. } if *role == named => Ways::ROLE,
                Who::RoleSession { session, .. } if *session == named => Ways::SESSION,
                Who::FederatedUser { arn, .. } if *arn == named => Ways::FEDERATED_USER,
                Who::FederatedUser {
                    federated_by: Some(user),
                    ..
                } if *user == named => Ways::FEDERATING_USER,
                Who::User { .. } | Who::RoleSession { .. } | Who::FederatedUser { .. } => {
                    Ways::NONE
                }
            };
            match (bindings, who.unique_id()) {
                (Some(bindings), Some(id)) if !way.is_none() && !bindings.is_bound(named, id) => {
                    Ways::NONE
                }
                _ => way,
            }
        }
        PolicyPrincipal::Service(named) => match who {
            Who::Service { name } if *name == named => Ways::SERVICE,
            _ => Ways::NONE,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(text: &str) -> PrincipalArn {
        text.parse().unwrap()
    }

    fn set(entries: &[&str], negated: bool) -> PrincipalSet {
        let entries = entries
            .iter()
            .map(|text| match *text {
                "*" => PolicyPrincipal::Everyone,
                text if text.ends_with(":root") => PolicyPrincipal::Account(arn(text).account()),
                text if text.ends_with(".com") => PolicyPrincipal::Service(text.parse().unwrap()),
                text => PolicyPrincipal::Arn(arn(text)),
            })
            .collect();
        PrincipalSet { entries, negated }
    }

    const ROOT: &str = "arn:aws:iam::111122223333:root";
    const BOB: &str = "arn:aws:iam::111122223333:user/bob";
    const ROLE: &str = "arn:aws:iam::111122223333:role/team/app";
    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/app/one";
    const FED: &str = "arn:aws:sts::111122223333:federated-user/ann";

    fn ways(set: &PrincipalSet, who: &Who<'_>) -> Ways {
        set.ways(who, false, false, None)
    }

    /// M-1: the root user is named in its own partition.
    #[test]
    fn root_user_is_named_in_its_partition() {
        let named = |partition| {
            let account = arn(ROOT).account();
            Who::Root { partition, account }.to_string()
        };
        assert_eq!(named(Partition::Aws), ROOT);
        assert_eq!(named(Partition::AwsCn), "arn:aws-cn:iam::111122223333:root");
    }

    /// P-20, P-21, P-22: each way of matching is told apart.
    #[test]
    fn caller_matches_by_each_of_its_identities() {
        let (bob, role, session, fed) = (arn(BOB), arn(ROLE), arn(SESSION), arn(FED));
        let user = Who::User {
            arn: &bob,
            unique_id: None,
        };
        let in_role = Who::RoleSession {
            session: &session,
            role: &role,
            unique_id: None,
            service: None,
        };
        let federated = Who::FederatedUser {
            arn: &fed,
            federated_by: Some(&bob),
            unique_id: None,
        };
        let root = Who::Root {
            partition: Partition::Aws,
            account: bob.account(),
        };
        assert_eq!(
            ways(&set(&[BOB, ROOT], false), &user),
            Ways::USER.or(Ways::ACCOUNT)
        );
        assert_eq!(ways(&set(&[ROLE], false), &in_role), Ways::ROLE);
        assert_eq!(ways(&set(&[SESSION], false), &in_role), Ways::SESSION);
        assert_eq!(ways(&set(&[FED], false), &federated), Ways::FEDERATED_USER);
        assert_eq!(ways(&set(&[BOB], false), &federated), Ways::FEDERATING_USER);
        assert_eq!(ways(&set(&[ROOT], false), &root), Ways::ACCOUNT);
        assert_eq!(ways(&set(&["*"], false), &root), Ways::EVERYONE);
        for other in [
            "arn:aws:iam::111122223333:user/Bob",
            "arn:aws:iam::444455556666:user/bob",
            "arn:aws:iam::444455556666:root",
        ] {
            assert!(ways(&set(&[other], false), &user).is_none(), "{other}");
        }
        assert!(
            ways(
                &set(&["arn:aws:iam::111122223333:role/app"], false),
                &in_role
            )
            .is_none(),
            "ID-19: the path counts"
        );
    }

    /// P-23: a service principal matches the service itself, never a user.
    #[test]
    fn service_matches_the_service_alone() {
        let (name, bob) = ("ec2.amazonaws.com".parse().unwrap(), arn(BOB));
        let entries = set(&["ec2.amazonaws.com"], false);
        assert_eq!(ways(&entries, &Who::Service { name: &name }), Ways::SERVICE);
        assert!(
            ways(
                &entries,
                &Who::User {
                    arn: &bob,
                    unique_id: None
                }
            )
            .is_none()
        );
        assert!(ways(&set(&[ROOT], false), &Who::Service { name: &name }).is_none());
    }

    /// P-24, U-22: exempt from `NotPrincipal` with `Deny` is who is listed together with the account.
    #[test]
    fn not_principal_deny_exempts_only_who_is_fully_listed() {
        let (bob, role, session) = (arn(BOB), arn(ROLE), arn(SESSION));
        let user = Who::User {
            arn: &bob,
            unique_id: None,
        };
        let in_role = Who::RoleSession {
            session: &session,
            role: &role,
            unique_id: None,
            service: None,
        };
        let denies = |entries: &[&str], who: &Who<'_>, boundary: bool| {
            !set(entries, true).ways(who, true, boundary, None).is_none()
        };
        assert!(!denies(&[BOB, ROOT], &user, false));
        assert!(denies(&[BOB], &user, false));
        assert!(denies(&[ROOT], &user, false));
        assert!(
            denies(&[BOB, ROOT], &user, true),
            "P-24: a boundary makes it always deny"
        );
        assert!(!denies(&[ROLE, SESSION, ROOT], &in_role, false));
        assert!(!denies(&[SESSION, ROOT], &in_role, false));
        assert!(!denies(&[ROLE, ROOT], &in_role, false));
        assert!(denies(&[ROLE], &in_role, false));
        assert!(denies(&[SESSION, ROLE], &in_role, false));
        let two = "arn:aws:sts::111122223333:assumed-role/app/two";
        assert!(
            denies(&[ROLE, two, ROOT], &in_role, false),
            "a list that names a session of the role means that session alone"
        );
        assert!(!denies(&[ROLE, two, SESSION, ROOT], &in_role, false));
        let others = [
            "arn:aws:sts::111122223333:assumed-role/other/two",
            "arn:aws:sts::444455556666:assumed-role/app/two",
        ];
        for other in others {
            assert!(!denies(&[ROLE, other, ROOT], &in_role, false), "{other}");
        }
        assert!(denies(&[BOB, ROOT], &in_role, false));
        assert!(!denies(
            &[ROOT],
            &Who::Root {
                partition: Partition::Aws,
                account: bob.account()
            },
            false
        ));
    }

    /// P-24: `NotPrincipal` with `Allow` is everyone except the listed.
    #[test]
    fn not_principal_allow_is_everyone_else() {
        let bob = arn(BOB);
        let user = Who::User {
            arn: &bob,
            unique_id: None,
        };
        assert_eq!(ways(&set(&[ROLE], true), &user), Ways::NOT_LISTED);
        assert!(ways(&set(&[BOB], true), &user).is_none());
        assert!(ways(&set(&[ROOT], true), &user).is_none());
    }

    /// ID-18: a principal that was re-created under the same name is another one.
    #[test]
    fn principal_bound_to_another_id_does_not_match() {
        struct Bound(UniqueId);
        impl Bindings for Bound {
            fn is_bound(&self, _named: &PrincipalArn, unique_id: &UniqueId) -> bool {
                self.0 == *unique_id
            }
        }
        let (bob, old, new) = (
            arn(BOB),
            UniqueId::of_new_user(&[1; 16]),
            UniqueId::of_new_user(&[2; 16]),
        );
        let entries = set(&[BOB], false);
        let bound = Bound(old.clone());
        let ways = |id| {
            entries.ways(
                &Who::User {
                    arn: &bob,
                    unique_id: Some(id),
                },
                false,
                false,
                Some(&bound),
            )
        };
        assert_eq!(ways(&old), Ways::USER);
        assert!(ways(&new).is_none());
    }
}
