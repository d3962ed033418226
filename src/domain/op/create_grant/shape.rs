//! What a CreateGrant request says, read: its members are right by themselves and together before anything is looked up
//! or asked. Never: a look at the state, but for the immutable ids that its principals are bound to.

use std::sync::Arc;

use super::{CreateGrant, Refusal};
use crate::domain::authz::request::{Parameter, Parameters, RequestTags};
use crate::domain::ids::{Arn, ParseIdError, ServicePrincipal};
use crate::domain::limits::{
    CONSTRAINT_PAIRS_MAX, CONSTRAINT_VALUE_CHARS_MAX, GRANT_NAME_MAX, GRANT_USES_MAX,
    PRINCIPAL_ID_MAX, SOURCE_ARN_MAX, SOURCE_ARN_MIN,
};
use crate::domain::op::ErrorCode;
use crate::domain::op::principals::Named;
use crate::domain::op::refusal::{bad_member, said};
use crate::domain::policy::KnownKey;
use crate::domain::state::grant::{
    ContextConstraint, GrantConstraints, GrantOperation, GrantOperations, Term,
};
use crate::domain::state::grant_index::constraint_pairs;
use crate::domain::time::Timestamp;

/// The request once its shape is known to be right.
pub(super) struct Shape {
    pub(super) operations: GrantOperations,
    pub(super) constraints: GrantConstraints,
    pub(super) grantee: Named,
    pub(super) retiring: Option<Named>,
}

/// A principal member of the request: its shape (ID-14), then whether a grant can name it (ID-15, ID-16).
fn read_principal(text: &str, path: &str) -> Result<Named, Refusal> {
    let allowed = |b: char| {
        b.is_ascii_alphanumeric()
            || matches!(b, '_' | '+' | '=' | ',' | '.' | '@' | ':' | '/' | '-')
    };
    if text.is_empty() || text.len() > PRINCIPAL_ID_MAX || !text.chars().all(allowed) {
        let must = "satisfy regular expression pattern: ^[\\w+=,.@:/-]+$";
        return Err(Refusal::Shape(bad_member(text, path, must)));
    }
    text.parse().map(Named::Arn).map_err(|error: ParseIdError| {
        let hint = if text.parse::<ServicePrincipal>().is_ok() {
            "; a service goes into the member for service principals"
        } else {
            ""
        };
        Refusal::Arn(said(ErrorCode::InvalidArn, format_args!("{error}{hint}")))
    })
}

fn read_service(text: &str, path: &str) -> Result<Named, Refusal> {
    text.parse().map(Named::Service).map_err(|_| {
        let must =
            "satisfy regular expression pattern: ^([A-Za-z0-9\\-]+)\\.([A-Za-z0-9\\-]+)(\\.[A-Za-z0-9\\-]+)+$";
        Refusal::Shape(bad_member(text, path, must))
    })
}

fn invalid(why: impl std::fmt::Display) -> Refusal {
    Refusal::Shape(said(ErrorCode::Validation, why))
}

impl CreateGrant {
    /// The request's members, each right by itself and together (G-5, G-6, G-9, G-15).
    pub(super) fn shape(&self, now: Timestamp) -> Result<Shape, Refusal> {
        let operations: GrantOperations = self.operations.iter().copied().collect();
        if operations.is_empty() {
            return Err(invalid(
                "1 validation error detected: Value null at 'operations' failed to satisfy constraint: Member must not be null",
            ));
        }
        if operations == GrantOperations::from_iter([GrantOperation::CreateGrant]) {
            return Err(invalid(
                "Grants must not contain only the CreateGrant operation.",
            ));
        }
        if let Some(name) = &self.name {
            let allowed =
                |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'/' | b'_' | b'-');
            if name.is_empty() || name.len() > GRANT_NAME_MAX || !name.bytes().all(allowed) {
                let must = "satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$";
                return Err(Refusal::Shape(bad_member(name, "name", must)));
            }
        }
        let constraints = self.constraints()?;
        check_term(self.term, now)?;
        let grantee = match (&self.grantee, &self.grantee_service) {
            (Some(arn), None) => read_principal(arn, "granteePrincipal")?,
            (None, Some(service)) => read_service(service, "granteeServicePrincipal")?,
            (None, None) => {
                return Err(invalid(
                    "give one of GranteePrincipal and GranteeServicePrincipal",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(invalid(
                    "give only one of GranteePrincipal and GranteeServicePrincipal",
                ));
            }
        };
        let retiring = match (&self.retiring, &self.retiring_service) {
            (None, None) => None,
            (Some(arn), None) => Some(read_principal(arn, "retiringPrincipal")?),
            (None, Some(service)) => Some(read_service(service, "retiringServicePrincipal")?),
            (Some(_), Some(_)) => {
                return Err(invalid(
                    "give only one of RetiringPrincipal and RetiringServicePrincipal",
                ));
            }
        };
        if matches!(grantee, Named::Service(_))
            && (constraints.source_arn.is_none() || retiring.is_none())
        {
            return Err(invalid(
                "GranteeServicePrincipal requires a SourceArn constraint and a retiring principal",
            ));
        }
        Ok(Shape {
            operations,
            constraints,
            grantee,
            retiring,
        })
    }

    /// G-22, G-24, U-11, U-21.
    fn constraints(&self) -> Result<GrantConstraints, Refusal> {
        let context = match (
            self.context_equals.is_empty(),
            self.context_subset.is_empty(),
        ) {
            (true, true) => None,
            (false, true) => Some(ContextConstraint::Equals(Arc::clone(&self.context_equals))),
            (true, false) => Some(ContextConstraint::Subset(Arc::clone(&self.context_subset))),
            (false, false) => return Err(invalid("More than one constraint supplied")),
        };
        let pairs = constraint_pairs(context.as_ref());
        if pairs.len() > CONSTRAINT_PAIRS_MAX {
            return Err(invalid(format_args!(
                "a constraint has {} encryption context pairs: at most {CONSTRAINT_PAIRS_MAX} are allowed",
                pairs.len()
            )));
        }
        for (key, value) in pairs {
            if key.is_empty() || value.chars().count() > CONSTRAINT_VALUE_CHARS_MAX {
                return Err(invalid(format_args!(
                    "the encryption context pair `{key}` of a constraint has an empty key or a value longer than {CONSTRAINT_VALUE_CHARS_MAX} characters"
                )));
            }
        }
        let source_arn = match &self.source_arn {
            None => None,
            Some(text) => Some(read_source_arn(text).ok_or_else(|| {
                let must = "satisfy regular expression pattern: ^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$";
                Refusal::Shape(bad_member(text, "constraints.sourceArn", must))
            })?),
        };
        Ok(GrantConstraints {
            context,
            source_arn,
            term: self.term,
        })
    }

    /// The request's parameters as condition keys (CK-10, CK-12, CK-13, CK-29).
    pub(super) fn parameters(&self, shape: &Shape) -> Parameters<'_> {
        let operations = shape
            .operations
            .iter()
            .map(GrantOperation::as_str)
            .collect();
        let mut known = vec![(KnownKey::GrantOperations, Parameter::Many(operations))];
        let texts = [
            (KnownKey::GranteePrincipal, &self.grantee),
            (KnownKey::GranteeServicePrincipal, &self.grantee_service),
            (KnownKey::RetiringPrincipal, &self.retiring),
            (KnownKey::RetiringServicePrincipal, &self.retiring_service),
            (KnownKey::GrantConstraintSourceArn, &self.source_arn),
        ];
        for (key, text) in texts {
            known.extend(text.as_deref().map(|text| (key, Parameter::Text(text))));
        }
        let kind = shape
            .constraints
            .context
            .as_ref()
            .map(|context| match context {
                ContextConstraint::Equals(_) => "EncryptionContextEquals",
                ContextConstraint::Subset(_) => "EncryptionContextSubset",
            });
        known.extend(kind.map(|kind| (KnownKey::GrantConstraintType, Parameter::Text(kind))));
        Parameters::Known(known, RequestTags::Absent)
    }
}

/// EC-13: an end that is yet to come, and at least one use.
fn check_term(Term { expires_at, uses }: Term, now: Timestamp) -> Result<(), Refusal> {
    if let Some(end) = expires_at
        && end <= now
    {
        return Err(invalid(format_args!(
            "the grant would expire at {end}, which is not after the cluster's time, {now}"
        )));
    }
    match uses {
        Some(uses) if uses == 0 || uses > GRANT_USES_MAX => Err(invalid(format_args!(
            "a grant's budget has 1 to {GRANT_USES_MAX} uses, not {uses}"
        ))),
        _ => Ok(()),
    }
}

/// `^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$`, 20 to 512 characters (G-22).
fn read_source_arn(text: &str) -> Option<Arn> {
    let small = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if !(SOURCE_ARN_MIN..=SOURCE_ARN_MAX).contains(&text.chars().count()) {
        return None;
    }
    let arn: Arn = text.parse().ok()?;
    let fits = arn.partition().strip_prefix("aws").is_some_and(small)
        && small(arn.service())
        && small(arn.region())
        && arn.account().is_some();
    fits.then_some(arn)
}
