//! The operations in one table: name, action, target, who may, whether it writes.
//!
//! Metric labels, audit kinds, the command line's names and the tests' coverage read it. A row's action is what its
//! operation asks the engine for; an operation that asks for more (D-14, D-15) says so in its own file.

use super::{Command, Query};
use crate::domain::policy::{Action, KmsAction};
use crate::domain::state::principal::PrincipalType;

/// What an operation asks the engine for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asks {
    /// Nothing of policies: it is for the operator, or for the cluster itself.
    Office(&'static str),
    /// An action of KMS.
    Kms(KmsAction),
    /// An action of IAM or of Organizations, whatever it is done to.
    Action(&'static str),
    /// An action of KMS that has another name than the operation, which is none of AWS's.
    OwnByKms(KmsAction),
    /// What another operation asks for, which is AWS's; this one is not.
    LikeIam(Operation),
    /// The action of KMS that the request names (Consume).
    Named,
    /// An action of ours that policies may allow.
    Own(&'static str),
    /// An action of IAM, named after what the principal is.
    Iam {
        /// For a user.
        user: &'static str,
        /// For a role.
        role: &'static str,
    },
}

/// What an operation is done to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum On {
    /// The cluster.
    Cluster,
    /// An organization, or a node of its tree.
    Organization,
    /// A group.
    Group,
    /// A user or role.
    Principal,
    /// A key.
    Key,
    /// A key and an alias (D-14).
    KeyAndAlias,
    /// A grant (G-50).
    Grant,
    /// What the caller's account holds (P-12).
    Account,
}

/// Who may ask for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// The leader itself.
    System,
    /// The operator of the cluster.
    Operator,
    /// The operator, and whom policies of the organization's management account allow it.
    Management,
    /// Whom policies or grants allow it.
    Policies,
}

/// A row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// The operation's name.
    pub name: &'static str,
    /// What it asks for.
    pub asks: Asks,
    /// What it is done to.
    pub on: On,
    /// Who may.
    pub access: Access,
    /// Whether it goes through the log.
    pub writes: bool,
}

macro_rules! operations {
    ($($kind:ident { $($name:ident: $asks:expr, $on:ident, $access:ident;)+ })+) => {
        /// An operation.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[allow(missing_docs, reason = "each has a file of its own that says what it does")]
        pub enum Operation { $($($name,)+)+ }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$($(Self::$name,)+)+];

            /// Its row.
            pub const fn row(self) -> Row {
                match self {
                    $($(Self::$name => Row {
                        name: stringify!($name),
                        asks: $asks,
                        on: On::$on,
                        access: Access::$access,
                        writes: operations!(@writes $kind),
                    },)+)+
                }
            }
        }

        $(operations!(@of $kind $($name)+);)+
    };
    (@writes Command) => { true };
    (@writes Query) => { false };
    (@of $kind:ident $($name:ident)+) => {
        impl $kind {
            /// The operation that it is one of.
            pub const fn operation(&self) -> Operation {
                match self { $(Self::$name(_) => Operation::$name,)+ }
            }
        }
    };
}

const fn kms(action: KmsAction) -> Asks {
    Asks::Kms(action)
}

const fn iam(user: &'static str, role: &'static str) -> Asks {
    Asks::Iam { user, role }
}

const fn action(action: &'static str) -> Asks {
    Asks::Action(action)
}

operations! {
    Command {
        Bootstrap: Asks::Office("grantd:Bootstrap"), Cluster, System;
        RotateTokenEpoch: Asks::Office("grantd:RotateTokenEpoch"), Cluster, Operator;
        StartTokenEpoch: Asks::Office("grantd:StartTokenEpoch"), Cluster, System;
        RevokeTokenEpoch: Asks::Office("grantd:RevokeTokenEpoch"), Cluster, Operator;
        ReportSemantics: Asks::Office("grantd:ReportSemantics"), Cluster, System;
        RaiseSemantics: Asks::Office("grantd:RaiseSemantics"), Cluster, Operator;
        OpenCluster: Asks::Office("grantd:OpenCluster"), Cluster, Operator;
        CreateAccount: Asks::Office("grantd:CreateAccount"), Cluster, Operator;
        UpdateSettings: Asks::Office("grantd:UpdateSettings"), Cluster, Operator;
        CreateOrganization: Asks::Office("grantd:CreateOrganization"), Cluster, Operator;
        DeleteOrganization: action("organizations:DeleteOrganization"), Organization, Management;
        AddAccount: Asks::Office("grantd:AddAccount"), Cluster, Operator;
        MoveAccount: action("organizations:MoveAccount"), Organization, Management;
        RemoveAccount: action("organizations:RemoveAccountFromOrganization"), Organization, Management;
        CreateOrganizationalUnit: action("organizations:CreateOrganizationalUnit"), Organization, Management;
        DeleteOrganizationalUnit: action("organizations:DeleteOrganizationalUnit"), Organization, Management;
        PutControlPolicy: action("organizations:AttachPolicy"), Organization, Management;
        DeleteControlPolicy: action("organizations:DetachPolicy"), Organization, Management;
        PutVpcEndpoint: Asks::Office("grantd:PutVpcEndpoint"), Cluster, Operator;
        DeleteVpcEndpoint: Asks::Office("grantd:DeleteVpcEndpoint"), Cluster, Operator;
        CreateGroup: action("iam:CreateGroup"), Group, Policies;
        DeleteGroup: action("iam:DeleteGroup"), Group, Policies;
        AddUserToGroup: action("iam:AddUserToGroup"), Group, Policies;
        RemoveUserFromGroup: action("iam:RemoveUserFromGroup"), Group, Policies;
        PutGroupPolicy: action("iam:PutGroupPolicy"), Group, Policies;
        DeleteGroupPolicy: action("iam:DeleteGroupPolicy"), Group, Policies;
        CreatePrincipal: iam("iam:CreateUser", "iam:CreateRole"), Principal, Policies;
        DeletePrincipal: iam("iam:DeleteUser", "iam:DeleteRole"), Principal, Policies;
        TagPrincipal: iam("iam:TagUser", "iam:TagRole"), Principal, Policies;
        UntagPrincipal: iam("iam:UntagUser", "iam:UntagRole"), Principal, Policies;
        PutPrincipalPolicy: iam("iam:PutUserPolicy", "iam:PutRolePolicy"), Principal, Policies;
        DeletePrincipalPolicy: iam("iam:DeleteUserPolicy", "iam:DeleteRolePolicy"), Principal, Policies;
        PutPrincipalPermissionsBoundary: iam("iam:PutUserPermissionsBoundary", "iam:PutRolePermissionsBoundary"), Principal, Policies;
        DeletePrincipalPermissionsBoundary: iam("iam:DeleteUserPermissionsBoundary", "iam:DeleteRolePermissionsBoundary"), Principal, Policies;
        CreateKey: kms(KmsAction::CreateKey), Account, Policies;
        CreateCustomKeyStore: kms(KmsAction::CreateCustomKeyStore), Account, Policies;
        UpdateCustomKeyStore: kms(KmsAction::UpdateCustomKeyStore), Account, Policies;
        ConnectCustomKeyStore: kms(KmsAction::ConnectCustomKeyStore), Account, Policies;
        DisconnectCustomKeyStore: kms(KmsAction::DisconnectCustomKeyStore), Account, Policies;
        DeleteCustomKeyStore: kms(KmsAction::DeleteCustomKeyStore), Account, Policies;
        ReportCustomKeyStore: Asks::Office("grantd:ReportCustomKeyStore"), Cluster, Operator;
        ReportKeyStoreBackends: Asks::Office("grantd:ReportKeyStoreBackends"), Cluster, Operator;
        PutKeyPolicy: kms(KmsAction::PutKeyPolicy), Key, Policies;
        EnableKey: kms(KmsAction::EnableKey), Key, Policies;
        DisableKey: kms(KmsAction::DisableKey), Key, Policies;
        UpdateKeyDescription: kms(KmsAction::UpdateKeyDescription), Key, Policies;
        ScheduleKeyDeletion: kms(KmsAction::ScheduleKeyDeletion), Key, Policies;
        CancelKeyDeletion: kms(KmsAction::CancelKeyDeletion), Key, Policies;
        FinishKeyDeletion: Asks::Office("grantd:FinishKeyDeletion"), Cluster, System;
        ReplicateKey: kms(KmsAction::ReplicateKey), Key, Policies;
        UpdatePrimaryRegion: kms(KmsAction::UpdatePrimaryRegion), Key, Policies;
        CreateAlias: kms(KmsAction::CreateAlias), KeyAndAlias, Policies;
        UpdateAlias: kms(KmsAction::UpdateAlias), KeyAndAlias, Policies;
        DeleteAlias: kms(KmsAction::DeleteAlias), KeyAndAlias, Policies;
        TagResource: kms(KmsAction::TagResource), Key, Policies;
        UntagResource: kms(KmsAction::UntagResource), Key, Policies;
        CreateGrant: kms(KmsAction::CreateGrant), Key, Policies;
        RetireGrant: kms(KmsAction::RetireGrant), Grant, Policies;
        RevokeGrant: kms(KmsAction::RevokeGrant), Key, Policies;
        Consume: Asks::Named, Key, Policies;
        ExpireGrants: Asks::Office("grantd:ExpireGrants"), Cluster, System;
        ReportKeyUsage: Asks::Office("grantd:ReportKeyUsage"), Cluster, System;
    }
    Query {
        ListAccounts: Asks::Office("grantd:ListAccounts"), Cluster, Operator;
        GetSettings: Asks::Office("grantd:GetSettings"), Cluster, Operator;
        ListOrganizations: Asks::Office("grantd:ListOrganizations"), Cluster, Operator;
        ListNodes: action("organizations:ListChildren"), Organization, Management;
        GetControlPolicy: action("organizations:DescribePolicy"), Organization, Management;
        ListControlPolicies: action("organizations:ListPoliciesForTarget"), Organization, Management;
        GetVpcEndpoint: Asks::Office("grantd:GetVpcEndpoint"), Cluster, Operator;
        ListVpcEndpoints: Asks::Office("grantd:ListVpcEndpoints"), Cluster, Operator;
        GetGroup: action("iam:GetGroup"), Group, Policies;
        ListGroups: action("iam:ListGroups"), Account, Policies;
        ListGroupsForUser: action("iam:ListGroupsForUser"), Principal, Policies;
        GetGroupPolicy: action("iam:GetGroupPolicy"), Group, Policies;
        ListGroupPolicies: action("iam:ListGroupPolicies"), Group, Policies;
        GetPrincipal: iam("iam:GetUser", "iam:GetRole"), Principal, Policies;
        ListPrincipals: iam("iam:ListUsers", "iam:ListRoles"), Account, Policies;
        GetPrincipalPolicy: iam("iam:GetUserPolicy", "iam:GetRolePolicy"), Principal, Policies;
        ListPrincipalPolicies: iam("iam:ListUserPolicies", "iam:ListRolePolicies"), Principal, Policies;
        DescribeCustomKeyStores: kms(KmsAction::DescribeCustomKeyStores), Account, Policies;
        ListKeyStoreWork: Asks::Office("grantd:ListKeyStoreWork"), Cluster, Operator;
        ListKeyStoreBackends: Asks::Office("grantd:ListKeyStoreBackends"), Cluster, Operator;
        DescribeKey: kms(KmsAction::DescribeKey), Key, Policies;
        GetKeyLastUsage: kms(KmsAction::GetKeyLastUsage), Key, Policies;
        GetKeyPolicy: kms(KmsAction::GetKeyPolicy), Key, Policies;
        ListKeyPolicies: kms(KmsAction::ListKeyPolicies), Key, Policies;
        ListKeys: kms(KmsAction::ListKeys), Account, Policies;
        ListAliases: kms(KmsAction::ListAliases), Account, Policies;
        ListResourceTags: kms(KmsAction::ListResourceTags), Key, Policies;
        ListGrants: kms(KmsAction::ListGrants), Key, Policies;
        ListRetirableGrants: kms(KmsAction::ListRetirableGrants), Principal, Policies;
        Explain: Asks::OwnByKms(KmsAction::GetKeyPolicy), Key, Policies;
        WhatIf: Asks::OwnByKms(KmsAction::GetKeyPolicy), Key, Policies;
        WhoCan: Asks::OwnByKms(KmsAction::GetKeyPolicy), Key, Policies;
        WhatCan: Asks::LikeIam(Operation::GetPrincipalPolicy), Principal, Policies;
        ListGrantsByGrantee: Asks::Own("grantd:ListGrantsByGrantee"), Principal, Policies;
        ListDanglingPrincipals: Asks::OwnByKms(KmsAction::ListKeys), Account, Policies;
        ListDuplicateGrants: Asks::OwnByKms(KmsAction::ListGrants), Key, Policies;
        DescribeGrants: Asks::OwnByKms(KmsAction::ListGrants), Key, Policies;
    }
}

impl Operation {
    /// Its name.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The action that it asks for when done to a user, or to a role; of one that asks for what its request names, an
    /// example.
    pub fn action(self, kind: PrincipalType) -> Action {
        match (self.row().asks, kind) {
            (Asks::Kms(action) | Asks::OwnByKms(action), _) => action.into(),
            (Asks::Office(action) | Asks::Own(action) | Asks::Action(action), _) => {
                Action::parse(action)
            }
            (Asks::Named, _) => KmsAction::Decrypt.into(),
            (Asks::LikeIam(other), kind) => other.action(kind),
            (Asks::Iam { user, .. }, PrincipalType::User) => Action::parse(user),
            (Asks::Iam { role, .. }, PrincipalType::Role) => Action::parse(role),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// STYLE: the table is the one place; a row that is not consistent with itself misleads all that read it.
    #[test]
    fn rows_are_consistent() {
        for operation in Operation::ALL {
            let row = operation.row();
            match row.asks {
                Asks::Office(action) => {
                    assert_eq!(action.strip_prefix("grantd:"), Some(row.name));
                    assert!(row.on == On::Cluster);
                    assert!(matches!(row.access, Access::System | Access::Operator));
                }
                Asks::Action(action) => match action.split_once(':') {
                    Some(("iam", name)) => {
                        assert_eq!((name, row.access), (row.name, Access::Policies));
                    }
                    Some(("organizations", _)) => {
                        assert_eq!((row.on, row.access), (On::Organization, Access::Management));
                    }
                    _ => panic!("{action} is of neither IAM nor Organizations"),
                },
                Asks::Kms(action) => {
                    assert_eq!(action.name(), row.name);
                    assert_eq!(row.access, Access::Policies);
                }
                Asks::OwnByKms(action) => {
                    assert_ne!(action.name(), row.name);
                    assert_eq!(row.access, Access::Policies);
                }
                Asks::LikeIam(other) => {
                    assert!(matches!(other.row().asks, Asks::Iam { .. }));
                    assert_eq!((row.on, row.access), (other.row().on, Access::Policies));
                }
                Asks::Named => assert!(row.on == On::Key && row.access == Access::Policies),
                Asks::Own(action) => {
                    assert_eq!(action.strip_prefix("grantd:"), Some(row.name));
                    assert_eq!(row.access, Access::Policies);
                }
                Asks::Iam { user, role } => {
                    assert_eq!(user.replace("User", "Role"), role);
                    assert_eq!(
                        user.replace("User", "Principal").strip_prefix("iam:"),
                        Some(row.name)
                    );
                }
            }
        }
    }
}
