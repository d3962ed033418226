//! What grantd adds to AWS's grants: uses, listings by grantee, duplicates, figures.

use std::sync::Arc;

use super::grants::Shown;
use super::reply::pages;
use super::request::queries;
use super::shape::{self, Violations};
use super::{
    Change, Drawn, FromAnswer, FromOutput, IntoChange, Invalid, Lacking, arc, key_ref, page,
};
use crate::domain::op::consume::Consume;
use crate::domain::op::describe_grants::{DescribeGrants, GrantFigures};
use crate::domain::op::list_duplicate_grants::{Duplicates, ListDuplicateGrants};
use crate::domain::op::list_grants_by_grantee::ListGrantsByGrantee;
use crate::domain::op::{Answer, Command, Output, Scope};
use crate::domain::state::grant::GrantOperation;
use crate::domain::state::idempotency::Consumed;
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
        violations.key(&key_id);
        violations.optional("grantId", grant_id.as_deref(), shape::GRANT_ID);
        let operation = violations.member(
            "operation",
            &operation,
            GrantOperation::ALL,
            GrantOperation::as_str,
        );
        violations.finish()?;
        let pairs = encryption_context.iter();
        if let Some(why) = shape::oversized_context(pairs.map(|(k, v)| (k.as_str(), v.as_str()))) {
            return Err(Invalid::validation(why));
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
        let Output::Consumed(Consumed {
            policy_type,
            grant,
            uses_left,
        }) = output
        else {
            return Err(Lacking);
        };
        let decided_at = header.settled_revision.unwrap_or(header.revision);
        Ok(Self {
            policy_type: policy_type.to_string(),
            grant_id: grant.map(|id| id.to_string()),
            uses_left,
            replayed: decided_at < header.revision,
            decided_at,
            header: Some(header),
        })
    }
}

queries! {
    ListGrantsByGranteeRequest { grantee_principal, grantee_service_principal, page: sent }
        check |violations| {
            violations.principal(
                ("granteePrincipal", &grantee_principal),
                ("granteeServicePrincipal", &grantee_service_principal),
            );
            violations.page(sent.as_ref());
        }
        => ListGrantsByGrantee {
            grantee: grantee_principal.map(arc),
            grantee_service: grantee_service_principal.map(arc),
            page: page(sent),
        }

    ListDuplicateGrantsRequest { key_id, page: sent }
        check |violations| {
            violations.key(&key_id);
            violations.page(sent.as_ref());
        }
        => ListDuplicateGrants {
            key: key_ref(&key_id)?,
            page: page(sent),
        }

    DescribeGrantsRequest { key_id }
        check |violations| { violations.key(&key_id); }
        => DescribeGrants { key: key_ref(&key_id)? }
}

pages! {
    ListGrantsByGranteeResponse { grants } of Grants by Into::into;
    ListDuplicateGrantsResponse { duplicates } of Duplicates by Into::into;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::ErrorCode;
    use crate::wire::api::testing::{KEY, command, drawn, scope};

    fn consume() -> v1::ConsumeRequest {
        v1::ConsumeRequest {
            header: None,
            key_id: KEY.to_owned(),
            operation: "Decrypt".to_owned(),
            encryption_context: [("a".to_owned(), "b".to_owned())].into(),
            grant_id: Some("ab".to_owned()),
        }
    }

    /// EC-13: every member of Consume arrives where it belongs, and one that cannot be is refused.
    #[test]
    fn consume_request_becomes_the_command_member_by_member() {
        let Command::Consume(made) = command(consume()) else {
            panic!("not a Consume");
        };
        assert_eq!(
            made,
            Consume {
                key: KEY.parse().unwrap(),
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
}
