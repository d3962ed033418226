//! Grants as AWS has them: made, listed, retired and revoked.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::reply::{done, pages};
use super::request::{changes, queries};
use super::shape::{self, Violations};
use super::{Change, Drawn, FromOutput, IntoChange, Invalid, Lacking, arc, key_ref, page, tokens};
use crate::domain::authz::claim::TokenText;
use crate::domain::ids::GrantId;
use crate::domain::limits;
use crate::domain::op::create_grant::CreateGrant;
use crate::domain::op::list_grants::ListGrants;
use crate::domain::op::list_retirable_grants::ListRetirableGrants;
use crate::domain::op::retire_grant::RetireGrant;
use crate::domain::op::revoke_grant::{Descendants, RevokeGrant};
use crate::domain::op::{Command, CreatedGrant, DryRun, ListedGrant, Output, Scope};
use crate::domain::state::grant::{
    ContextConstraint, EncryptionContext, Grant, GrantConstraints, GrantOperation, GrantPrincipal,
    Term,
};
use crate::domain::time::Timestamp;
use crate::wire::v1;

fn dry_run(asked: Option<bool>) -> DryRun {
    if asked.unwrap_or_default() {
        DryRun::Yes
    } else {
        DryRun::No
    }
}

impl IntoChange for v1::CreateGrantRequest {
    fn into_change(self, _: &Scope, drawn: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            key_id,
            grantee_principal,
            retiring_principal,
            operations,
            constraints,
            grant_tokens,
            name,
            dry_run: dry,
            grantee_service_principal,
            retiring_service_principal,
            expires_at_ms,
            uses,
        } = self;
        let v1::GrantConstraints {
            encryption_context_equals,
            encryption_context_subset,
            source_arn,
        } = constraints.unwrap_or_default();
        let mut violations = Violations::new();
        violations.key(&key_id);
        for (path, value, shape) in [
            ("granteePrincipal", &grantee_principal, shape::PRINCIPAL_ID),
            (
                "retiringPrincipal",
                &retiring_principal,
                shape::PRINCIPAL_ID,
            ),
            (
                "granteeServicePrincipal",
                &grantee_service_principal,
                shape::SERVICE_PRINCIPAL,
            ),
            (
                "retiringServicePrincipal",
                &retiring_service_principal,
                shape::SERVICE_PRINCIPAL,
            ),
            ("name", &name, shape::GRANT_NAME),
            ("constraints.sourceArn", &source_arn, shape::SOURCE_ARN),
        ] {
            violations.optional(path, value.as_deref(), shape);
        }
        if operations.is_empty() {
            violations.missing("operations");
        }
        violations.list("operations", &operations, limits::REQUEST_OPERATIONS_MAX);
        let operations: Vec<GrantOperation> = operations
            .iter()
            .enumerate()
            .take(limits::REQUEST_OPERATIONS_MAX)
            .filter_map(|(at, operation)| {
                violations.member(
                    &format!("operations.{}.member", at + 1),
                    operation,
                    GrantOperation::ALL,
                    GrantOperation::as_str,
                )
            })
            .collect();
        let equals = constraint_pairs(
            &mut violations,
            "constraints.encryptionContextEquals",
            encryption_context_equals,
        );
        let subset = constraint_pairs(
            &mut violations,
            "constraints.encryptionContextSubset",
            encryption_context_subset,
        );
        violations.grant_tokens("grantTokens", &grant_tokens);
        violations.finish()?;
        Ok(Change::Command {
            command: Command::CreateGrant(CreateGrant {
                key: key_ref(&key_id)?,
                grant_id: GrantId(drawn.entropy),
                grantee: grantee_principal.map(arc),
                grantee_service: grantee_service_principal.map(arc),
                retiring: retiring_principal.map(arc),
                retiring_service: retiring_service_principal.map(arc),
                operations,
                context_equals: Arc::new(equals),
                context_subset: Arc::new(subset),
                source_arn: source_arn.map(arc),
                name: name.map(arc),
                dry_run: dry_run(dry),
                term: Term {
                    expires_at: expires_at_ms.map(Timestamp::from_millis),
                    uses,
                },
            }),
            grant_tokens: tokens(grant_tokens),
        })
    }
}

fn constraint_pairs(
    violations: &mut Violations,
    path: &str,
    pairs: BTreeMap<String, String>,
) -> EncryptionContext {
    let keys: Vec<&String> = pairs.keys().collect();
    violations.list(path, &keys, limits::REQUEST_CONSTRAINT_PAIRS_MAX);
    for (key, value) in &pairs {
        violations.text(path, key, shape::ENCRYPTION_CONTEXT_TEXT);
        violations.text(path, value, shape::ENCRYPTION_CONTEXT_TEXT);
    }
    pairs
        .into_iter()
        .map(|(key, value)| (arc(key), arc(value)))
        .collect()
}

impl IntoChange for v1::RetireGrantRequest {
    /// By token, or by key and grant id; half of either is no request (G-41).
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            grant_token,
            key_id,
            grant_id,
            dry_run: dry,
        } = self;
        let mut violations = Violations::new();
        if let Some(token) = &grant_token {
            violations.grant_token("grantToken", token);
        }
        violations.optional("keyId", key_id.as_deref(), shape::KEY_ID);
        violations.optional("grantId", grant_id.as_deref(), shape::GRANT_ID);
        violations.finish()?;
        match (grant_token, key_id, grant_id) {
            (Some(token), None, None) => Ok(Change::RetireByToken {
                token: TokenText(token),
                dry_run: dry_run(dry),
            }),
            (None, Some(key_id), Some(grant_id)) => {
                Ok(Change::of(Command::RetireGrant(RetireGrant {
                    key: key_ref(&key_id)?,
                    grant_id: arc(grant_id),
                    dry_run: dry_run(dry),
                })))
            }
            _ => Err(Invalid::validation(
                "RetireGrant takes either a grant token, or a key id and a grant id",
            )),
        }
    }
}

changes! {
    RevokeGrantRequest { key_id, grant_id, dry_run: dry, descendants }
        check |violations| {
            violations.key(&key_id);
            violations.text("grantId", &grant_id, shape::GRANT_ID);
        }
        => RevokeGrant {
            key: key_ref(&key_id)?,
            grant_id: arc(grant_id),
            dry_run: dry_run(dry),
            descendants: if descendants.unwrap_or_default() {
                Descendants::End
            } else {
                Descendants::Stay
            },
        }
}

impl Violations {
    /// A principal in its two forms, of which either may be there.
    pub(super) fn principal(
        &mut self,
        (path, arn): (&str, &Option<String>),
        (service_path, service): (&str, &Option<String>),
    ) {
        self.optional(path, arn.as_deref(), shape::PRINCIPAL_ID);
        self.optional(service_path, service.as_deref(), shape::SERVICE_PRINCIPAL);
    }
}

queries! {
    ListGrantsRequest {
        key_id, grant_id, grantee_principal, grantee_service_principal, page: sent
    }
        check |violations| {
            violations.key(&key_id);
            violations.optional("grantId", grant_id.as_deref(), shape::GRANT_ID);
            violations.principal(
                ("granteePrincipal", &grantee_principal),
                ("granteeServicePrincipal", &grantee_service_principal),
            );
            violations.page(sent.as_ref());
        }
        => ListGrants {
            key: key_ref(&key_id)?,
            grant_id: grant_id.map(arc),
            grantee: grantee_principal.map(arc),
            grantee_service: grantee_service_principal.map(arc),
            page: page(sent),
        }

    ListRetirableGrantsRequest { retiring_principal, retiring_service_principal, page: sent }
        check |violations| {
            violations.principal(
                ("retiringPrincipal", &retiring_principal),
                ("retiringServicePrincipal", &retiring_service_principal),
            );
            violations.page(sent.as_ref());
        }
        => ListRetirableGrants {
            retiring: retiring_principal.map(arc),
            retiring_service: retiring_service_principal.map(arc),
            page: page(sent),
        }
}

fn constraints_out(constraints: GrantConstraints) -> Option<v1::GrantConstraints> {
    let GrantConstraints {
        context,
        source_arn,
        term: _, // no member of AWS's constraints
    } = constraints;
    if context.is_none() && source_arn.is_none() {
        return None;
    }
    let pairs = |context: Arc<EncryptionContext>| {
        context
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect()
    };
    let mut out = v1::GrantConstraints {
        source_arn: source_arn.map(|arn| arn.to_string()),
        ..Default::default()
    };
    match context {
        None => {}
        Some(ContextConstraint::Equals(context)) => out.encryption_context_equals = pairs(context),
        Some(ContextConstraint::Subset(context)) => out.encryption_context_subset = pairs(context),
    }
    Some(out)
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
            epoch: _, // told by its token alone
        } = Arc::unwrap_or_clone(grant);
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
            constraints: constraints_out(constraints),
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
pub(super) struct Shown {
    pub(super) principal: Option<String>,
    pub(super) service: Option<String>,
    pub(super) unique_id: Option<String>,
    former_arn: Option<String>,
}

impl Shown {
    /// One that is gone is shown by its immutable id in the place of its ARN, as AWS does (ID-18), and by the ARN that
    /// it had beside it.
    pub(super) fn of(principal: Option<GrantPrincipal>, is_gone: bool) -> Self {
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

done!(RetireGrantResponse, RevokeGrantResponse);

impl FromOutput for v1::CreateGrantResponse {
    fn from_output(
        header: v1::ResponseHeader,
        output: Output,
        grant_token: Option<String>,
    ) -> Result<Self, Lacking> {
        match output {
            Output::Grant(CreatedGrant {
                grant: _, // told by its id and token alone (G-21)
                id,
                depends_on: _,
                epoch: _,
            }) => Ok(Self {
                header: Some(header),
                grant_id: id.to_string(),
                grant_token,
            }),
            _ => Err(Lacking),
        }
    }
}

pages! {
    ListGrantsResponse { grants } of Grants by Into::into;
    ListRetirableGrantsResponse { grants } of Grants by Into::into;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::ErrorCode;
    use crate::wire::api::testing::{KEY, drawn, failed, refusal, scope};

    fn create_grant() -> v1::CreateGrantRequest {
        v1::CreateGrantRequest {
            header: None,
            key_id: KEY.to_owned(),
            grantee_principal: Some("arn:aws:iam::111122223333:user/alice".to_owned()),
            retiring_principal: Some("arn:aws:iam::111122223333:user/bob".to_owned()),
            operations: vec!["Decrypt".to_owned(), "Encrypt".to_owned()],
            constraints: Some(v1::GrantConstraints {
                encryption_context_equals: [("a".to_owned(), "b".to_owned())].into(),
                encryption_context_subset: Default::default(),
                source_arn: Some("arn:aws:s3:::111122223333:bucket".to_owned()),
            }),
            grant_tokens: vec!["token".to_owned()],
            name: Some("n".to_owned()),
            dry_run: Some(true),
            grantee_service_principal: None,
            expires_at_ms: Some(1_800_000_000_000),
            uses: Some(3),
            retiring_service_principal: None,
        }
    }

    /// G-15: every member of CreateGrant arrives where it belongs.
    #[test]
    fn create_grant_request_becomes_the_command_member_by_member() {
        let mut request = create_grant();
        if let Some(constraints) = &mut request.constraints {
            constraints.source_arn = Some("arn:aws:ec2:us-west-2:111122223333:i/1".to_owned());
        }
        let Change::Command {
            command: Command::CreateGrant(made),
            grant_tokens,
        } = request.into_change(&scope(), &drawn()).unwrap()
        else {
            panic!("not a CreateGrant");
        };
        assert_eq!(grant_tokens, [TokenText("token".to_owned())]);
        let CreateGrant {
            key,
            grant_id,
            grantee,
            grantee_service,
            retiring,
            retiring_service,
            operations,
            context_equals,
            context_subset,
            source_arn,
            name,
            dry_run,
            term,
        } = made;
        assert_eq!(key.to_string(), KEY);
        assert_eq!(grant_id, GrantId([0xff; 32]));
        assert_eq!(
            grantee.as_deref(),
            Some("arn:aws:iam::111122223333:user/alice")
        );
        assert_eq!(
            retiring.as_deref(),
            Some("arn:aws:iam::111122223333:user/bob")
        );
        assert_eq!((grantee_service, retiring_service), (None, None));
        assert_eq!(
            operations,
            [GrantOperation::Decrypt, GrantOperation::Encrypt]
        );
        assert_eq!(context_equals.get("a").map(AsRef::as_ref), Some("b"));
        assert!(context_subset.is_empty());
        assert_eq!(
            source_arn.as_deref(),
            Some("arn:aws:ec2:us-west-2:111122223333:i/1")
        );
        assert_eq!(name.as_deref(), Some("n"));
        assert_eq!(dry_run, DryRun::Yes);
        let expires_at = Some(Timestamp::from_millis(1_800_000_000_000));
        assert_eq!(
            term,
            Term {
                expires_at,
                uses: Some(3)
            }
        );
    }

    /// W-3, W-7, ID-1: a table of bad input with the exact texts.
    #[test]
    fn bad_member_of_a_grant_is_refused_with_its_exact_text() {
        let grant = |change: fn(&mut v1::CreateGrantRequest)| {
            let mut request = create_grant();
            request.constraints = None;
            change(&mut request);
            refusal(request)
        };
        assert_eq!(
            grant(|r| r.operations = vec!["ReEncrypt".to_owned()]),
            failed(
                "'ReEncrypt'",
                "operations.1.member",
                "satisfy enum value set: [Decrypt, Encrypt, GenerateDataKey, GenerateDataKeyWithoutPlaintext, ReEncryptFrom, ReEncryptTo, Sign, Verify, GetPublicKey, CreateGrant, RetireGrant, DescribeKey, GenerateDataKeyPair, GenerateDataKeyPairWithoutPlaintext, GenerateMac, VerifyMac, DeriveSharedSecret, Encapsulate, Decapsulate]"
            )
        );
        assert_eq!(
            grant(|r| r.operations.clear()),
            failed("null", "operations", "not be null")
        );
        assert_eq!(
            grant(|r| r.grantee_principal = Some("*".to_owned())),
            failed(
                "'*'",
                "granteePrincipal",
                "satisfy regular expression pattern: ^[\\w+=,.@:/-]+$"
            )
        );
        assert_eq!(
            grant(|r| r.name = Some(String::new())),
            failed("''", "name", "have length greater than or equal to 1")
        );
        assert_eq!(
            grant(|r| {
                r.constraints = Some(v1::GrantConstraints {
                    source_arn: Some("arn:aws:s3:::bucket-of-nobody".to_owned()),
                    ..Default::default()
                });
            }),
            failed(
                "'arn:aws:s3:::bucket-of-nobody'",
                "constraints.sourceArn",
                "satisfy regular expression pattern: ^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$"
            )
        );
        assert_eq!(
            grant(|r| r.grant_tokens = vec![String::new()]),
            (
                ErrorCode::Validation,
                "1 validation error detected: Value at 'grantTokens.1.member' failed to satisfy constraint: Member must have length greater than or equal to 1".to_owned()
            )
        );
        assert_eq!(
            grant(|r| r.key_id = "fake-key-id".to_owned()),
            (
                ErrorCode::NotFound,
                "Invalid keyId 'fake-key-id'".to_owned()
            )
        );
    }

    /// G-41: neither, half a pair, or both are no request.
    #[test]
    fn retire_grant_takes_a_token_or_a_pair_and_nothing_else() {
        let request = |token: bool, key: bool, grant: bool| v1::RetireGrantRequest {
            grant_token: token.then(|| "token".to_owned()),
            key_id: key.then(|| KEY.to_owned()),
            grant_id: grant.then(|| "ab".to_owned()),
            ..Default::default()
        };
        for (token, key, grant, taken) in [
            (true, false, false, true),
            (false, true, true, true),
            (false, false, false, false),
            (false, true, false, false),
            (false, false, true, false),
            (true, true, false, false),
            (true, true, true, false),
        ] {
            let read = request(token, key, grant).into_change(&scope(), &drawn());
            assert_eq!(read.is_ok(), taken, "{token} {key} {grant}");
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
