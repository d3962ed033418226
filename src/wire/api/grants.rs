//! What grantd adds to AWS's grants: uses, listings by grantee, duplicates, figures.

use std::sync::Arc;

use super::shape::{self, Violations};
use super::{
    Asked, Change, Drawn, FromAnswer, FromOutput, IntoChange, IntoQuery, Invalid, Lacking, arc,
    key_ref, page,
};
use crate::domain::limits;
use crate::domain::op::consume::Consume;
use crate::domain::op::describe_grants::{DescribeGrants, GrantFigures};
use crate::domain::op::list_duplicate_grants::{Duplicates, ListDuplicateGrants};
use crate::domain::op::list_grants_by_grantee::ListGrantsByGrantee;
use crate::domain::op::{Answer, Command, ListedGrant, Output, Paged, Query, Scope};
use crate::domain::state::grant::{Grant, GrantOperation, GrantPrincipal, Term};
use crate::domain::state::idempotency::Consumed;
use crate::domain::time::Timestamp;
use crate::wire::v1;

impl IntoChange for v1::ConsumeRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            key_id,
            operation,
            encryption_context,
            grant_id,
        } = self;
        let mut violations = Violations::new();
        violations.text("keyId", &key_id, shape::KEY_ID);
        violations.optional("grantId", grant_id.as_deref(), shape::GRANT_ID);
        let operation = violations.member(
            "operation",
            &operation,
            GrantOperation::ALL,
            GrantOperation::as_str,
        );
        violations.finish()?;
        let bytes: usize = encryption_context
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        if bytes > limits::ENCRYPTION_CONTEXT_BYTES_MAX {
            return Err(Invalid::validation(format!(
                "the encryption context has {bytes} bytes; at most {} are allowed",
                limits::ENCRYPTION_CONTEXT_BYTES_MAX
            )));
        }
        let operation = operation.ok_or_else(|| Invalid::validation("no operation is named"))?;
        Ok(Change::of(Command::Consume(Consume {
            key: key_ref(&key_id)?,
            operation,
            encryption_context: Arc::new(
                encryption_context
                    .into_iter()
                    .map(|(key, value)| (arc(key), arc(value)))
                    .collect(),
            ),
            grant_id: grant_id.map(arc),
        })))
    }
}

impl FromOutput for v1::ConsumeResponse {
    fn from_output(
        header: v1::ResponseHeader,
        output: Output,
        _: Option<String>,
    ) -> Result<Self, Lacking> {
        match output {
            Output::Consumed(Consumed {
                policy_type,
                grant,
                uses_left,
            }) => Ok(Self {
                header: Some(header),
                policy_type: policy_type.to_string(),
                grant_id: grant.map(|id| id.to_string()),
                uses_left,
            }),
            _ => Err(Lacking),
        }
    }
}

impl IntoQuery for v1::ListGrantsByGranteeRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            grantee_principal,
            grantee_service_principal,
            page: sent,
        } = self;
        let mut violations = Violations::new();
        violations.optional(
            "granteePrincipal",
            grantee_principal.as_deref(),
            shape::PRINCIPAL_ID,
        );
        violations.optional(
            "granteeServicePrincipal",
            grantee_service_principal.as_deref(),
            shape::SERVICE_PRINCIPAL,
        );
        violations.page(sent.as_ref());
        violations.finish()?;
        Ok(Asked::of(Query::ListGrantsByGrantee(ListGrantsByGrantee {
            grantee: grantee_principal.map(arc),
            grantee_service: grantee_service_principal.map(arc),
            page: page(sent),
        })))
    }
}

impl FromAnswer for v1::ListGrantsByGranteeResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        let (grants, next_marker) = grants_out(answer)?;
        Ok(Self {
            header: Some(header),
            grants,
            next_marker,
        })
    }
}

impl IntoQuery for v1::ListDuplicateGrantsRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            key_id,
            page: sent,
        } = self;
        let mut violations = Violations::new();
        violations.text("keyId", &key_id, shape::KEY_ID);
        violations.page(sent.as_ref());
        violations.finish()?;
        Ok(Asked::of(Query::ListDuplicateGrants(ListDuplicateGrants {
            key: key_ref(&key_id)?,
            page: page(sent),
        })))
    }
}

impl FromAnswer for v1::ListDuplicateGrantsResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        match answer {
            Answer::Duplicates(Paged { items, next }) => Ok(Self {
                header: Some(header),
                duplicates: items.into_iter().map(Into::into).collect(),
                next_marker: next.map(|next| next.to_string()),
            }),
            _ => Err(Lacking),
        }
    }
}

impl From<Duplicates> for v1::DuplicateGrants {
    fn from(duplicates: Duplicates) -> Self {
        let Duplicates {
            grant,
            count,
            others,
        } = duplicates;
        Self {
            grant: Some(grant.into()),
            count,
            other_grant_ids: others.iter().map(ToString::to_string).collect(),
        }
    }
}

impl IntoQuery for v1::DescribeGrantsRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self { header: _, key_id } = self;
        let mut violations = Violations::new();
        violations.text("keyId", &key_id, shape::KEY_ID);
        violations.finish()?;
        let key = key_ref(&key_id)?;
        Ok(Asked::of(Query::DescribeGrants(DescribeGrants { key })))
    }
}

impl FromAnswer for v1::DescribeGrantsResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        let Answer::GrantFigures(GrantFigures {
            key,
            grants,
            quota,
            expiring,
            budgeted,
            spent,
            grantees,
            top,
        }) = answer
        else {
            return Err(Lacking);
        };
        let count = |(principal, grants)| {
            let shown = Shown::of(Some(principal), false);
            v1::GranteeCount {
                grantee_principal: shown.principal,
                grantee_service_principal: shown.service,
                grantee_unique_id: shown.unique_id,
                grants,
            }
        };
        Ok(Self {
            header: Some(header),
            key_arn: key.to_string(),
            grants,
            quota,
            expiring,
            budgeted,
            spent,
            grantees,
            top_grantees: top.into_iter().map(count).collect(),
        })
    }
}

/// A page of grants.
pub(super) fn grants_out(
    answer: Answer,
) -> Result<(Vec<v1::GrantListEntry>, Option<String>), Lacking> {
    match answer {
        Answer::Grants(Paged { items, next }) => Ok((
            items.into_iter().map(Into::into).collect(),
            next.map(|next| next.to_string()),
        )),
        _ => Err(Lacking),
    }
}

impl From<ListedGrant> for v1::GrantListEntry {
    fn from(listed: ListedGrant) -> Self {
        let ListedGrant {
            grant,
            is_grantee_gone,
            is_retiring_gone,
        } = listed;
        let uses_left = grant.uses_left();
        let Grant {
            id,
            key,
            grantee,
            retiring,
            operations,
            constraints,
            name,
            issuing_account,
            created_at,
            born: _,  // a revision is no member of AWS's entry
            spent: _, // told as what is left
            ancestors,
        } = grant;
        let Term { expires_at, uses } = constraints.term;
        let grantee = Shown::of(Some(grantee), is_grantee_gone);
        let retiring = Shown::of(retiring, is_retiring_gone);
        Self {
            key_id: key.to_string(),
            grant_id: id.to_string(),
            name: name.map(|name| name.to_string()),
            creation_date_ms: created_at.as_millis(),
            grantee_principal: grantee.principal,
            grantee_service_principal: grantee.service,
            retiring_principal: retiring.principal,
            retiring_service_principal: retiring.service,
            issuing_account: format!("arn:{}:iam::{issuing_account}:root", key.partition),
            operations: operations.iter().map(|op| op.to_string()).collect(),
            constraints: super::kms::constraints_out(constraints),
            expires_at_ms: expires_at.map(Timestamp::as_millis),
            uses,
            uses_left,
            parent_grant_id: ancestors.first().map(ToString::to_string),
            grantee_unique_id: grantee.unique_id,
            grantee_former_arn: grantee.former_arn,
            retiring_unique_id: retiring.unique_id,
            retiring_former_arn: retiring.former_arn,
        }
    }
}

/// How a principal of a grant is told.
#[derive(Default)]
struct Shown {
    principal: Option<String>,
    service: Option<String>,
    unique_id: Option<String>,
    former_arn: Option<String>,
}

impl Shown {
    /// One that is gone is shown by its immutable id in the place of its ARN, as AWS does (ID-18), and by the ARN that
    /// it had beside it.
    fn of(principal: Option<GrantPrincipal>, is_gone: bool) -> Self {
        match principal {
            None => Self::default(),
            Some(GrantPrincipal::Service(name)) => Self {
                service: Some(name.to_string()),
                ..Self::default()
            },
            Some(GrantPrincipal::Arn { arn, unique_id }) if is_gone => Self {
                principal: Some(unique_id.to_string()),
                service: None,
                unique_id: Some(unique_id.to_string()),
                former_arn: Some(arn.to_string()),
            },
            Some(GrantPrincipal::Arn { arn, unique_id }) => Self {
                principal: Some(arn.to_string()),
                service: None,
                unique_id: Some(unique_id.to_string()),
                former_arn: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::ErrorCode;

    fn consume() -> v1::ConsumeRequest {
        v1::ConsumeRequest {
            header: None,
            key_id: "1234abcd-12ab-34cd-56ef-1234567890ab".to_owned(),
            operation: "Decrypt".to_owned(),
            encryption_context: [("a".to_owned(), "b".to_owned())].into(),
            grant_id: Some("ab".to_owned()),
        }
    }

    fn drawn() -> Drawn {
        Drawn {
            account: None,
            entropy: [0; 32],
        }
    }

    fn scope() -> Scope {
        Scope {
            partition: Default::default(),
            region: "us-west-2".parse().unwrap(),
        }
    }

    /// EC-13: every member of Consume arrives where it belongs, and one that cannot be is refused.
    #[test]
    fn consume_request_becomes_the_command_member_by_member() {
        let Ok(Change::Command { command, .. }) = consume().into_change(&scope(), &drawn()) else {
            panic!("refused");
        };
        let Command::Consume(made) = command else {
            panic!("{command:?}");
        };
        assert_eq!(
            made,
            Consume {
                key: "1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap(),
                operation: GrantOperation::Decrypt,
                encryption_context: Arc::new([("a".into(), "b".into())].into()),
                grant_id: Some("ab".into()),
            }
        );
        let changes: [fn(&mut v1::ConsumeRequest); 4] = [
            |r| r.operation = "ReEncrypt".to_owned(),
            |r| r.operation.clear(),
            |r| r.grant_id = Some(String::new()),
            |r| {
                r.encryption_context
                    .insert("k".to_owned(), "v".repeat(8_192));
            },
        ];
        for change in changes {
            let mut request = consume();
            change(&mut request);
            let refused = request.into_change(&scope(), &drawn()).unwrap_err();
            assert_eq!(refused.code, ErrorCode::Validation);
        }
    }

    /// ID-18, X-9: a principal that is gone is shown by its immutable id, and by the ARN that it had.
    #[test]
    fn principal_that_is_gone_is_shown_by_both_its_names() {
        let arn = "arn:aws:iam::111122223333:role/app";
        let named = || {
            Some(GrantPrincipal::Arn {
                arn: arn.parse().unwrap(),
                unique_id: "AROAABCDEFGHIJKLMNOP".parse().unwrap(),
            })
        };
        let there = Shown::of(named(), false);
        assert_eq!(there.principal.as_deref(), Some(arn));
        assert_eq!(there.former_arn, None);
        let gone = Shown::of(named(), true);
        assert_eq!(gone.principal.as_deref(), Some("AROAABCDEFGHIJKLMNOP"));
        assert_eq!(gone.unique_id, gone.principal);
        assert_eq!(gone.former_arn.as_deref(), Some(arn));
    }
}
