//! Accounts, users and roles, and their policies.

use super::header::read_principal;
use super::reply::{answers, done, outputs, pages, policy_done};
use super::request::{changes, queries};
use super::shape::{self, Violations};
use super::{Asked, Change, Drawn, IntoChange, IntoQuery, Invalid, arc, page, tags};
use crate::domain::ids::{PrincipalArn, PrincipalKind, UniqueId};
use crate::domain::op::create_account::CreateAccount;
use crate::domain::op::create_principal::CreatePrincipal;
use crate::domain::op::delete_principal::DeletePrincipal;
use crate::domain::op::delete_principal_permissions_boundary::DeletePrincipalPermissionsBoundary;
use crate::domain::op::delete_principal_policy::DeletePrincipalPolicy;
use crate::domain::op::get_principal::GetPrincipal;
use crate::domain::op::get_principal_policy::GetPrincipalPolicy;
use crate::domain::op::list_accounts::ListAccounts;
use crate::domain::op::list_principal_policies::ListPrincipalPolicies;
use crate::domain::op::list_principals::ListPrincipals;
use crate::domain::op::put_principal_permissions_boundary::PutPrincipalPermissionsBoundary;
use crate::domain::op::put_principal_policy::PutPrincipalPolicy;
use crate::domain::op::tag_principal::TagPrincipal;
use crate::domain::op::untag_principal::UntagPrincipal;
use crate::domain::op::{Answer, Command, Output, Query, Scope};
use crate::domain::state::principal::{Account, Principal, PrincipalType};
use crate::wire::v1;

/// The ARN of a user or a role: what the identity operations work on.
fn user_or_role(text: &str) -> Result<PrincipalArn, Invalid> {
    let arn = read_principal("arn", text)?;
    match arn.kind() {
        PrincipalKind::User { .. } | PrincipalKind::Role { .. } => Ok(arn),
        PrincipalKind::Root
        | PrincipalKind::AssumedRole { .. }
        | PrincipalKind::FederatedUser { .. } => Err(Invalid::arn(format!(
            "`{arn}` is not the ARN of a user or a role"
        ))),
    }
}

impl Violations {
    /// The name of a policy of a principal or a group.
    pub(super) fn policy_name(&mut self, policy_name: &str) {
        self.text("policyName", policy_name, shape::IDENTITY_POLICY_NAME);
    }

    pub(super) fn policy(&mut self, policy: &str) {
        self.text("policy", policy, shape::POLICY);
    }
}

impl IntoChange for v1::CreatePrincipalRequest {
    fn into_change(self, _: &Scope, drawn: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            arn,
            tags,
        } = self;
        let mut violations = Violations::new();
        violations.tags(&tags);
        violations.finish()?;
        let arn = user_or_role(&arn)?;
        let unique_id = match arn.kind() {
            PrincipalKind::Role { .. } => UniqueId::of_new_role(&drawn.entropy16()),
            PrincipalKind::User { .. }
            | PrincipalKind::Root
            | PrincipalKind::AssumedRole { .. }
            | PrincipalKind::FederatedUser { .. } => UniqueId::of_new_user(&drawn.entropy16()),
        };
        Ok(Change::of(Command::CreatePrincipal(CreatePrincipal {
            arn,
            unique_id,
            tags: tags::distinct(tags)?,
        })))
    }
}

changes! {
    CreateAccountRequest { account_id, name }
        check |violations| {
            violations.text("accountId", &account_id, shape::ACCOUNT_ID);
            violations.optional("name", name.as_deref(), shape::ACCOUNT_NAME);
        }
        => CreateAccount {
            account: account_id
                .parse()
                .map_err(|error| Invalid::validation(format!("accountId: {error}")))?,
            name: arc(name.unwrap_or_default()),
        }

    DeletePrincipalRequest { arn } => DeletePrincipal { arn: user_or_role(&arn)? }

    TagPrincipalRequest { arn, tags }
        check |violations| { violations.some_tags(&tags); }
        => TagPrincipal {
            arn: user_or_role(&arn)?,
            tags: tags::distinct(tags)?,
        }

    UntagPrincipalRequest { arn, tag_keys }
        check |violations| { violations.some_tag_keys(&tag_keys); }
        => UntagPrincipal {
            arn: user_or_role(&arn)?,
            tag_keys: tag_keys.into_iter().map(arc).collect(),
        }

    PutPrincipalPolicyRequest { arn, policy_name, policy }
        check |violations| {
            violations.policy_name(&policy_name);
            violations.policy(&policy);
        }
        => PutPrincipalPolicy {
            arn: user_or_role(&arn)?,
            name: arc(policy_name),
            policy: arc(policy),
        }

    DeletePrincipalPolicyRequest { arn, policy_name }
        check |violations| { violations.policy_name(&policy_name); }
        => DeletePrincipalPolicy {
            arn: user_or_role(&arn)?,
            name: arc(policy_name),
        }

    PutPrincipalPermissionsBoundaryRequest { arn, policy }
        check |violations| { violations.policy(&policy); }
        => PutPrincipalPermissionsBoundary {
            arn: user_or_role(&arn)?,
            policy: arc(policy),
        }

    DeletePrincipalPermissionsBoundaryRequest { arn }
        => DeletePrincipalPermissionsBoundary { arn: user_or_role(&arn)? }
}

impl IntoQuery for v1::ListPrincipalsRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            kind,
            page: sent,
        } = self;
        let mut violations = Violations::new();
        let kind = violations.member("kind", &kind, PrincipalType::ALL, PrincipalType::as_str);
        violations.page(sent.as_ref());
        violations.finish()?;
        let kind = kind.ok_or_else(|| Invalid::validation("kind is of no known value"))?;
        Ok(Asked::of(Query::ListPrincipals(ListPrincipals {
            kind,
            page: page(sent),
        })))
    }
}

queries! {
    ListAccountsRequest { page: sent }
        check |violations| { violations.page(sent.as_ref()); }
        => ListAccounts { page: page(sent) }

    GetPrincipalRequest { arn } => GetPrincipal { arn: user_or_role(&arn)? }

    GetPrincipalPolicyRequest { arn, policy_name }
        check |violations| { violations.policy_name(&policy_name); }
        => GetPrincipalPolicy {
            arn: user_or_role(&arn)?,
            name: arc(policy_name),
        }

    ListPrincipalPoliciesRequest { arn, page: sent }
        check |violations| { violations.page(sent.as_ref()); }
        => ListPrincipalPolicies {
            arn: user_or_role(&arn)?,
            page: page(sent),
        }
}

impl From<Account> for v1::Account {
    fn from(account: Account) -> Self {
        let Account {
            id,
            name,
            created_at,
            born: _,
        } = account;
        Self {
            account_id: id.to_string(),
            name: name.to_string(),
            created_at_ms: created_at.as_millis(),
        }
    }
}

impl From<Principal> for v1::Principal {
    fn from(principal: Principal) -> Self {
        let Principal {
            arn,
            unique_id,
            kind,
            created_at,
            born: _,
            service,
            tags,
            policies: _, // ListPrincipalPolicies and GetPrincipalPolicy tell them
            boundary,
            groups: _, // ListGroups tells them
        } = principal;
        Self {
            arn: arn.to_string(),
            unique_id: unique_id.to_string(),
            kind: kind.to_string(),
            created_at_ms: created_at.as_millis(),
            tags: tags::told(tags),
            permissions_boundary: boundary.map(|policy| policy.text().to_string()),
            service: service.map(|service| service.to_string()),
        }
    }
}

done!(
    DeletePrincipalResponse,
    TagPrincipalResponse,
    UntagPrincipalResponse,
    DeletePrincipalPolicyResponse,
    DeletePrincipalPermissionsBoundaryResponse,
);

policy_done!(
    PutPrincipalPolicyResponse,
    PutPrincipalPermissionsBoundaryResponse,
);

outputs! {
    CreateAccountResponse from Output::Account(account) => {
        account: Some(account.into()),
    }

    CreatePrincipalResponse from Output::Principal(principal) => {
        principal: Some(principal.into()),
    }
}

answers! {
    GetPrincipalResponse from Answer::Principal(principal) => {
        principal: Some(principal.into()),
    }

    GetPrincipalPolicyResponse from Answer::Policy { name, text } => {
        policy_name: name.to_string(),
        policy: text.to_string(),
    }
}

pages! {
    ListAccountsResponse { accounts } of Accounts by Into::into;
    ListPrincipalsResponse { principals } of Principals by |principal| v1::Principal {
        permissions_boundary: None,
        ..principal.into()
    };
    ListPrincipalPoliciesResponse { policy_names } of PolicyNames by |name| name.to_string();
}
