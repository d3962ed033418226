//! Accounts, users and roles.

use super::header::read_principal;
use super::kms::{done, policy_done};
use super::shape::{self, Violations};
use super::{
    Asked, Change, Drawn, FromAnswer, FromOutput, IntoChange, IntoQuery, Invalid, Lacking, arc,
    distinct_tags, page, tags_out,
};
use crate::domain::ids::{PrincipalArn, PrincipalKind, UniqueId};
use crate::domain::op::create_account::CreateAccount;
use crate::domain::op::create_principal::CreatePrincipal;
use crate::domain::op::delete_principal::DeletePrincipal;
use crate::domain::op::delete_principal_policy::DeletePrincipalPolicy;
use crate::domain::op::get_principal::GetPrincipal;
use crate::domain::op::get_principal_policy::GetPrincipalPolicy;
use crate::domain::op::list_accounts::ListAccounts;
use crate::domain::op::list_principal_policies::ListPrincipalPolicies;
use crate::domain::op::list_principals::ListPrincipals;
use crate::domain::op::put_principal_policy::PutPrincipalPolicy;
use crate::domain::op::tag_principal::TagPrincipal;
use crate::domain::op::untag_principal::UntagPrincipal;
use crate::domain::op::{Answer, Command, Output, Paged, Query, Scope};
use crate::domain::state::principal::{Account, Principal, PrincipalType};
use crate::wire::v1;

/// The ARN of a user or a role: what the identity operations work on.
pub(super) fn user_or_role(text: &str) -> Result<PrincipalArn, Invalid> {
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

impl IntoChange for v1::CreateAccountRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            account_id,
            name,
        } = self;
        let mut violations = Violations::new();
        violations.text("accountId", &account_id, shape::ACCOUNT_ID);
        violations.optional("name", name.as_deref(), shape::ACCOUNT_NAME);
        violations.finish()?;
        Ok(Change::of(Command::CreateAccount(CreateAccount {
            account: account_id
                .parse()
                .map_err(|error| Invalid::validation(format!("accountId: {error}")))?,
            name: arc(name.unwrap_or_default()),
        })))
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
        violations.tags("tags", &tags);
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
            tags: distinct_tags(tags)?,
        })))
    }
}

impl IntoChange for v1::DeletePrincipalRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self { header: _, arn } = self;
        let arn = user_or_role(&arn)?;
        Ok(Change::of(Command::DeletePrincipal(DeletePrincipal {
            arn,
        })))
    }
}

impl IntoChange for v1::TagPrincipalRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            arn,
            tags,
        } = self;
        let mut violations = Violations::new();
        if tags.is_empty() {
            violations.missing("tags");
        }
        violations.tags("tags", &tags);
        violations.finish()?;
        Ok(Change::of(Command::TagPrincipal(TagPrincipal {
            arn: user_or_role(&arn)?,
            tags: distinct_tags(tags)?,
        })))
    }
}

impl IntoChange for v1::UntagPrincipalRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            arn,
            tag_keys,
        } = self;
        let mut violations = Violations::new();
        if tag_keys.is_empty() {
            violations.missing("tagKeys");
        }
        violations.tag_keys("tagKeys", &tag_keys);
        violations.finish()?;
        Ok(Change::of(Command::UntagPrincipal(UntagPrincipal {
            arn: user_or_role(&arn)?,
            tag_keys: tag_keys.into_iter().map(arc).collect(),
        })))
    }
}

fn policy_name_shape(policy_name: &str) -> Violations {
    let mut violations = Violations::new();
    violations.text("policyName", policy_name, shape::IDENTITY_POLICY_NAME);
    violations
}

impl IntoChange for v1::PutPrincipalPolicyRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            arn,
            policy_name,
            policy,
        } = self;
        let mut violations = policy_name_shape(&policy_name);
        violations.text("policy", &policy, shape::POLICY);
        violations.finish()?;
        Ok(Change::of(Command::PutPrincipalPolicy(
            PutPrincipalPolicy {
                arn: user_or_role(&arn)?,
                name: arc(policy_name),
                policy: arc(policy),
            },
        )))
    }
}

impl IntoChange for v1::DeletePrincipalPolicyRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            arn,
            policy_name,
        } = self;
        policy_name_shape(&policy_name).finish()?;
        Ok(Change::of(Command::DeletePrincipalPolicy(
            DeletePrincipalPolicy {
                arn: user_or_role(&arn)?,
                name: arc(policy_name),
            },
        )))
    }
}

impl IntoQuery for v1::ListAccountsRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            page: sent,
        } = self;
        let mut violations = Violations::new();
        violations.page(sent.as_ref());
        violations.finish()?;
        Ok(Asked::of(Query::ListAccounts(ListAccounts {
            page: page(sent),
        })))
    }
}

impl IntoQuery for v1::GetPrincipalRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self { header: _, arn } = self;
        let arn = user_or_role(&arn)?;
        Ok(Asked::of(Query::GetPrincipal(GetPrincipal { arn })))
    }
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

impl IntoQuery for v1::GetPrincipalPolicyRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            arn,
            policy_name,
        } = self;
        policy_name_shape(&policy_name).finish()?;
        Ok(Asked::of(Query::GetPrincipalPolicy(GetPrincipalPolicy {
            arn: user_or_role(&arn)?,
            name: arc(policy_name),
        })))
    }
}

impl IntoQuery for v1::ListPrincipalPoliciesRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            arn,
            page: sent,
        } = self;
        let mut violations = Violations::new();
        violations.page(sent.as_ref());
        violations.finish()?;
        Ok(Asked::of(Query::ListPrincipalPolicies(
            ListPrincipalPolicies {
                arn: user_or_role(&arn)?,
                page: page(sent),
            },
        )))
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
            tags: tags_out(tags),
            permissions_boundary: boundary.map(|policy| policy.text().to_string()),
        }
    }
}

done!(
    DeletePrincipalResponse,
    TagPrincipalResponse,
    UntagPrincipalResponse,
    DeletePrincipalPolicyResponse,
);

policy_done!(PutPrincipalPolicyResponse);

impl FromOutput for v1::CreateAccountResponse {
    fn from_output(
        header: v1::ResponseHeader,
        output: Output,
        _: Option<String>,
    ) -> Result<Self, Lacking> {
        match output {
            Output::Account(account) => Ok(Self {
                header: Some(header),
                account: Some(account.into()),
            }),
            _ => Err(Lacking),
        }
    }
}

impl FromOutput for v1::CreatePrincipalResponse {
    fn from_output(
        header: v1::ResponseHeader,
        output: Output,
        _: Option<String>,
    ) -> Result<Self, Lacking> {
        match output {
            Output::Principal(principal) => Ok(Self {
                header: Some(header),
                principal: Some(principal.into()),
            }),
            _ => Err(Lacking),
        }
    }
}

impl FromAnswer for v1::ListAccountsResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        match answer {
            Answer::Accounts(Paged { items, next }) => Ok(Self {
                header: Some(header),
                accounts: items.into_iter().map(Into::into).collect(),
                next_marker: next.map(|next| next.to_string()),
            }),
            _ => Err(Lacking),
        }
    }
}

impl FromAnswer for v1::GetPrincipalResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        match answer {
            Answer::Principal(principal) => Ok(Self {
                header: Some(header),
                principal: Some(principal.into()),
            }),
            _ => Err(Lacking),
        }
    }
}

impl FromAnswer for v1::ListPrincipalsResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        match answer {
            Answer::Principals(Paged { items, next }) => Ok(Self {
                header: Some(header),
                principals: items
                    .into_iter()
                    .map(|principal| v1::Principal {
                        permissions_boundary: None,
                        ..principal.into()
                    })
                    .collect(),
                next_marker: next.map(|next| next.to_string()),
            }),
            _ => Err(Lacking),
        }
    }
}

impl FromAnswer for v1::GetPrincipalPolicyResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        match answer {
            Answer::Policy { name, text } => Ok(Self {
                header: Some(header),
                policy_name: name.to_string(),
                policy: text.to_string(),
            }),
            _ => Err(Lacking),
        }
    }
}

impl FromAnswer for v1::ListPrincipalPoliciesResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        match answer {
            Answer::PolicyNames(Paged { items, next }) => Ok(Self {
                header: Some(header),
                policy_names: items.into_iter().map(|name| name.to_string()).collect(),
                next_marker: next.map(|next| next.to_string()),
            }),
            _ => Err(Lacking),
        }
    }
}
