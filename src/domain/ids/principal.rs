//! Principals by ARN (ID-14 to ID-21).

use std::str::FromStr;
use std::sync::Arc;

use super::{
    AccountId, IdFault, IdKind, ParseIdError, Partition, ServicePrincipal, by_text, check_len,
    fault, split_arn,
};
use crate::domain::limits;

/// What a [`PrincipalArn`] names, its texts borrowed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PrincipalKind<'a> {
    /// The account itself, `:root`.
    Root,
    /// An IAM user.
    User {
        /// Empty, or ending in `/`.
        path: &'a str,
        /// The user's name.
        name: &'a str,
    },
    /// An IAM role.
    Role {
        /// Empty, or ending in `/`.
        path: &'a str,
        /// The role's name.
        name: &'a str,
    },
    /// A session of a role. The role's path is not part of a session's ARN (ID-19).
    AssumedRole {
        /// The role's name.
        role: &'a str,
        /// The session's name.
        session: &'a str,
    },
    /// A federated user.
    FederatedUser {
        /// The federated user's name.
        name: &'a str,
    },
}

/// A path of roles that AWS keeps for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservedPath {
    /// Roles that are linked to a service.
    ServiceRole,
    /// Roles that another part of AWS makes for people, such as those of IAM Identity Center.
    Reserved,
}

impl ReservedPath {
    /// How the path of such a role begins.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::ServiceRole => "aws-service-role/",
            Self::Reserved => "aws-reserved/",
        }
    }
}

#[derive(Clone, Copy)]
enum Shape {
    Root,
    User,
    Role,
    AssumedRole,
    FederatedUser,
}

/// The ARN of a principal: an account, an IAM user or role, a session of a role, a federated user (ID-15, ID-17).
///
/// Compared by its text, byte for byte.
#[derive(Clone)]
pub struct PrincipalArn {
    text: Arc<str>,
    partition: Partition,
    account: AccountId,
    shape: Shape,
    /// Where the text after `user/`, `role/`, … begins.
    body: u16,
    /// Where the last name begins: the name after a path, the session after a role.
    last: u16,
}

impl PrincipalArn {
    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The partition.
    pub const fn partition(&self) -> Partition {
        self.partition
    }

    /// The account the principal belongs to.
    pub const fn account(&self) -> AccountId {
        self.account
    }

    /// What it names.
    pub fn kind(&self) -> PrincipalKind<'_> {
        let head = self
            .text
            .get(usize::from(self.body)..usize::from(self.last))
            .unwrap_or_default();
        let last = self.text.get(usize::from(self.last)..).unwrap_or_default();
        match self.shape {
            Shape::Root => PrincipalKind::Root,
            Shape::User => PrincipalKind::User {
                path: head,
                name: last,
            },
            Shape::Role => PrincipalKind::Role {
                path: head,
                name: last,
            },
            Shape::AssumedRole => {
                let role = head.strip_suffix('/').unwrap_or(head);
                PrincipalKind::AssumedRole {
                    role,
                    session: last,
                }
            }
            Shape::FederatedUser => PrincipalKind::FederatedUser { name: last },
        }
    }

    /// Whether it names the account itself.
    pub const fn is_root(&self) -> bool {
        matches!(self.shape, Shape::Root)
    }

    /// The path of AWS's own that a role stands under, if it stands under one.
    pub fn reserved_path(&self) -> Option<ReservedPath> {
        let PrincipalKind::Role { path, .. } = self.kind() else {
            return None;
        };
        let all = [ReservedPath::ServiceRole, ReservedPath::Reserved];
        all.into_iter()
            .find(|reserved| path.starts_with(reserved.prefix()))
    }

    /// The service that a role's path names: `aws-service-role/<service>/`. No more than a name: anybody's path can be
    /// spelled so. Whether a role was made for a service is a fact of the state (D-18).
    pub fn service_of_path(&self) -> Option<ServicePrincipal> {
        let PrincipalKind::Role { path, .. } = self.kind() else {
            return None;
        };
        let service = path.strip_prefix(ReservedPath::ServiceRole.prefix())?;
        service.strip_suffix('/')?.parse().ok()
    }

    /// The ARN of the account itself, `arn:<partition>:iam::<account>:root`.
    pub fn root_of(partition: Partition, account: AccountId) -> Self {
        let text: Arc<str> = format!("arn:{partition}:iam::{account}:root").into();
        let end = u16::try_from(text.len()).unwrap_or_default();
        Self {
            text,
            partition,
            account,
            shape: Shape::Root,
            body: end,
            last: end,
        }
    }
}

impl FromStr for PrincipalArn {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let wrong = |what: IdFault| fault(IdKind::Principal, what, text);
        check_len(IdKind::Principal, text, limits::PRINCIPAL_ARN_MAX)?;
        let allowed = |byte: u8| {
            byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'_' | b'+' | b'=' | b',' | b'.' | b'@' | b':' | b'/' | b'-'
                )
        };
        if let Some(at) = text.bytes().position(|byte| !allowed(byte)) {
            return Err(wrong(IdFault::BadCharacter { at }));
        }
        let expected = "the ARN of an account root, user, role, assumed role or federated user";
        let form = || wrong(IdFault::BadForm { expected });
        let parts = split_arn(text).ok_or_else(form)?;
        let partition =
            Partition::read(parts.partition).ok_or_else(|| wrong(IdFault::BadPartition))?;
        if !matches!(parts.service, "iam" | "sts") {
            return Err(wrong(IdFault::WrongService { expected: "iam" }));
        }
        if !parts.region.is_empty() {
            return Err(wrong(IdFault::BadRegion));
        }
        let account = AccountId::read(parts.account).ok_or_else(|| wrong(IdFault::BadAccount))?;

        let (shape, body) = match (parts.service, parts.resource.split_once('/')) {
            ("iam", None) if parts.resource == "root" => (Shape::Root, ""),
            ("iam", Some(("user", body))) => (Shape::User, body),
            ("iam", Some(("role", body))) => (Shape::Role, body),
            ("sts", Some(("assumed-role", body))) => (Shape::AssumedRole, body),
            ("sts", Some(("federated-user", body))) => (Shape::FederatedUser, body),
            _ => return Err(form()),
        };
        let name = |part: &str| {
            !part.is_empty()
                && part.len() <= limits::PRINCIPAL_NAME_MAX
                && !part.contains([':', '/'])
        };
        let (head, last) = body
            .rsplit_once('/')
            .map_or(("", body), |(head, last)| (head, last));
        let good = match shape {
            Shape::Root => true,
            // No part of a path is empty: `user//x` and `user/a//x` name nobody.
            Shape::User | Shape::Role => {
                name(last)
                    && !body.starts_with('/')
                    && head
                        .split('/')
                        .all(|part| head.is_empty() || !part.is_empty())
            }
            Shape::AssumedRole => name(last) && name(head),
            Shape::FederatedUser => name(body),
        };
        if !good {
            return Err(form());
        }
        let offset = |tail: &str| u16::try_from(text.len() - tail.len()).map_err(|_| form());
        Ok(Self {
            partition,
            account,
            shape,
            body: offset(body)?,
            last: offset(last)?,
            text: text.into(),
        })
    }
}

by_text!(PrincipalArn);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn arn(text: &str) -> PrincipalArn {
        text.parse().unwrap()
    }

    /// ID-15: the five kinds, taken apart.
    #[test]
    fn principal_of_each_kind_is_taken_apart() {
        assert_eq!(
            arn("arn:aws:iam::111122223333:root").kind(),
            PrincipalKind::Root
        );
        let user = arn("arn:aws:iam::111122223333:user/division/team/bob");
        assert_eq!(
            user.kind(),
            PrincipalKind::User {
                path: "division/team/",
                name: "bob"
            }
        );
        assert_eq!(user.account(), "111122223333".parse().unwrap());
        let role = arn("arn:aws:iam::111122223333:role/app");
        assert_eq!(
            role.kind(),
            PrincipalKind::Role {
                path: "",
                name: "app"
            }
        );
        let session = arn("arn:aws:sts::111122223333:assumed-role/app/i-1234");
        assert_eq!(
            session.kind(),
            PrincipalKind::AssumedRole {
                role: "app",
                session: "i-1234"
            }
        );
        let federated = arn("arn:aws:sts::111122223333:federated-user/ann");
        assert_eq!(
            federated.kind(),
            PrincipalKind::FederatedUser { name: "ann" }
        );
    }

    /// ID-14, ID-16, ID-17: wildcards, groups, other services, Regions and half-written ARNs are refused.
    #[test]
    fn principal_of_another_form_is_refused() {
        for text in [
            "",
            "*",
            "111122223333",
            "arn:aws:iam::111122223333:user/*",
            "arn:aws:iam::111122223333:group/dev",
            "arn:aws:iam::111122223333:user/",
            "arn:aws:iam::111122223333:user//bob",
            "arn:aws:iam::111122223333:user/a//bob",
            "arn:aws:iam::111122223333:roots",
            "arn:aws:sts::111122223333:assumed-role/app",
            "arn:aws:sts::111122223333:assumed-role/path/app/session",
            "arn:aws:iam::111122223333:assumed-role/app/session",
            "arn:aws:sts::111122223333:user/bob",
            "arn:aws:iam:eu-west-1:111122223333:root",
            "arn:aws:iam::1111:root",
            "arn:aws:s3::111122223333:root",
            "arn:other:iam::111122223333:root",
            "arn:aws:iam::111122223333:user/b ob",
            "ec2.amazonaws.com",
        ] {
            let error = text.parse::<PrincipalArn>().unwrap_err();
            assert_eq!(error.kind(), IdKind::Principal, "{text}");
        }
    }

    /// ID-17: names are compared byte for byte.
    #[test]
    fn principal_in_another_letter_case_is_another_principal() {
        assert_ne!(
            arn("arn:aws:iam::111122223333:user/bob"),
            arn("arn:aws:iam::111122223333:user/Bob")
        );
    }

    /// ID-19: the account's root ARN, built and read, is the same value.
    #[test]
    fn root_of_an_account_equals_the_parsed_one() {
        let root = PrincipalArn::root_of(Partition::Aws, "111122223333".parse().unwrap());
        assert_eq!(root, arn("arn:aws:iam::111122223333:root"));
        assert!(root.is_root());
        assert_eq!(root.kind(), PrincipalKind::Root);
    }

    /// D-18: the service is the whole path behind the prefix, and a service principal.
    #[test]
    fn path_of_a_service_role_names_its_service() {
        let role = |path: &str| arn(&format!("arn:aws:iam::111122223333:role/{path}R"));
        let service = |path: &str| role(path).service_of_path();
        assert_eq!(
            service("aws-service-role/autoscaling.amazonaws.com/").unwrap(),
            "autoscaling.amazonaws.com".parse().unwrap()
        );
        for path in [
            "",
            "aws-service-role/",
            "aws-service-role/evil.example/",
            "aws-service-role/a.b.com/deeper/",
            "AWS-service-role/a.b.com/",
            "x/aws-service-role/a.b.com/",
            "aws-reserved/sso.amazonaws.com/",
        ] {
            assert_eq!(service(path), None, "{path}");
        }
        assert_eq!(
            role("aws-service-role/evil.example/").reserved_path(),
            Some(ReservedPath::ServiceRole)
        );
        assert_eq!(
            role("aws-reserved/sso.amazonaws.com/").reserved_path(),
            Some(ReservedPath::Reserved)
        );
        for path in ["", "aws-service-roles/", "x/aws-reserved/"] {
            assert_eq!(role(path).reserved_path(), None, "{path}");
        }
        let user = arn("arn:aws:iam::111122223333:user/aws-service-role/a.b.com/u");
        assert_eq!((user.reserved_path(), user.service_of_path()), (None, None));
    }

    proptest! {
        #[test]
        fn principal_of_any_text_never_panics(text in "(arn:aws:(iam|sts)::[0-9]{11,12}:)?[a-z/*:.-]{0,40}") {
            if let Ok(parsed) = text.parse::<PrincipalArn>() {
                prop_assert_eq!(parsed.as_str(), &text);
                let _ = parsed.kind();
            }
        }
    }
}
