//! The shape of a policy → a policy that its kind allows (P-1 to P-6).

use std::collections::BTreeSet;

use super::Reading;
use super::ast::{self, Document, Effect, PrincipalType, Version, malformed};
use super::error::{Place, PolicyError, PolicyErrorKind};
use super::json;
use super::principal::PolicyPrincipal;
use crate::domain::ids::PrincipalArn;
use crate::domain::limits;

/// What a policy is attached to; it decides which elements it must and may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyKind {
    /// The one policy of a key.
    Key,
    /// A policy of a user, group or role.
    Identity,
    /// A permissions boundary of a user or role.
    Boundary,
    /// A policy passed when a session was made.
    Session,
    /// A service control policy of an organization.
    ServiceControl,
    /// A resource control policy of an organization.
    ResourceControl,
    /// The policy of a VPC endpoint.
    VpcEndpoint,
}

impl PolicyKind {
    /// The name in a sentence, with its article.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "a key policy",
            Self::Identity => "an identity policy",
            Self::Boundary => "a permissions boundary",
            Self::Session => "a session policy",
            Self::ServiceControl => "a service control policy",
            Self::ResourceControl => "a resource control policy",
            Self::VpcEndpoint => "a VPC endpoint policy",
        }
    }

    /// Whether its statements name principals.
    pub const fn has_principals(self) -> bool {
        match self {
            Self::Key | Self::ResourceControl | Self::VpcEndpoint => true,
            Self::Identity | Self::Boundary | Self::Session | Self::ServiceControl => false,
        }
    }

    /// The longest text, as [`Self::size`] counts it.
    const fn size_max(self) -> usize {
        match self {
            Self::Key => limits::KEY_POLICY_MAX,
            Self::Identity => limits::IDENTITY_POLICY_MAX,
            Self::Boundary => limits::BOUNDARY_POLICY_MAX,
            Self::Session => limits::SESSION_POLICY_MAX,
            Self::ServiceControl => limits::SERVICE_CONTROL_POLICY_MAX,
            Self::ResourceControl => limits::RESOURCE_CONTROL_POLICY_MAX,
            Self::VpcEndpoint => limits::VPC_ENDPOINT_POLICY_MAX,
        }
    }
}

impl PolicyKind {
    /// How long a text is (P-54): in bytes for a key policy; without white space for IAM's own, which does not count it; in
    /// characters for all others, where all of them count.
    fn size(self, text: &str) -> usize {
        match self {
            Self::Key => text.len(),
            Self::Identity | Self::Boundary => {
                text.chars().filter(|c| !c.is_ascii_whitespace()).count()
            }
            Self::Session | Self::ServiceControl | Self::ResourceControl | Self::VpcEndpoint => {
                text.chars().count()
            }
        }
    }

    /// Whether IAM keeps it: there a Sid is plain, and unique within the policy (P-3, P-53).
    const fn is_of_iam(self) -> bool {
        match self {
            Self::Identity | Self::Boundary | Self::Session => true,
            Self::Key | Self::ServiceControl | Self::ResourceControl | Self::VpcEndpoint => false,
        }
    }

    /// Whether it is a policy of an organization.
    const fn is_control(self) -> bool {
        match self {
            Self::ServiceControl | Self::ResourceControl => true,
            Self::Key | Self::Identity | Self::Boundary | Self::Session | Self::VpcEndpoint => {
                false
            }
        }
    }
}

/// A document that keeps the rules of its kind, its principals read.
#[derive(Debug)]
pub(super) struct Validated {
    pub document: Document,
    /// The principals of each statement, in order; `None` where the kind has none.
    pub principals: Vec<Option<ReadPrincipals>>,
}

#[derive(Debug)]
pub(super) struct ReadPrincipals {
    pub negated: bool,
    pub entries: Vec<(PolicyPrincipal, Place)>,
}

/// The bound on every text, before anything is read.
pub(super) fn check_length(text: &str, kind: PolicyKind) -> Result<(), PolicyError> {
    if text.len() <= limits::POLICY_TEXT_MAX {
        return Ok(());
    }
    Err(too_large(kind, text.len(), limits::POLICY_TEXT_MAX))
}

fn too_large(kind: PolicyKind, size: usize, max: usize) -> PolicyError {
    let message = format!(
        "{} may have at most {max} characters, this one has {size}",
        kind.name()
    );
    let help = "join statements with the same effect, use wildcards, or move permissions to another policy";
    let start = Place { line: 1, column: 1 };
    PolicyError::new(PolicyErrorKind::TooLarge, start, "", message, help)
}

/// Size and character set, before anything is read (P-1).
pub(super) fn check_text(text: &str, kind: PolicyKind) -> Result<(), PolicyError> {
    let (size, max) = (kind.size(text), kind.size_max());
    if size > max {
        return Err(too_large(kind, size, max));
    }
    // Keeps white space from being free.
    check_length(text, kind)?;
    let mut place = Place { line: 1, column: 1 };
    for c in text.chars() {
        match c {
            '\t' | '\r' | ' '..='\u{ff}' => place.column += 1,
            '\n' => {
                place = Place {
                    line: place.line + 1,
                    column: 1,
                }
            }
            _ => {
                let message = format!(
                    "the character `{}` may not stand in a policy",
                    c.escape_default()
                );
                let help = "policies hold tab, line feed, carriage return and U+0020 to U+00FF; write others as \\u escapes";
                return Err(PolicyError::new(
                    PolicyErrorKind::Syntax,
                    place,
                    &c.to_string(),
                    message,
                    help,
                ));
            }
        }
    }
    Ok(())
}

pub(super) fn validate(
    document: Document,
    kind: PolicyKind,
    reading: Reading,
) -> Result<Validated, PolicyError> {
    if reading == Reading::Strict {
        check_version(&document, kind)?;
        check_sids(&document, kind)?;
    }
    let principals = document
        .statements
        .iter()
        .enumerate()
        .map(|(index, statement)| check(index, statement, kind, reading))
        .collect::<Result<_, _>>()?;
    Ok(Validated {
        document,
        principals,
    })
}

/// P-51, P-52: a policy of an organization says its version, which is the current one.
fn check_version(document: &Document, kind: PolicyKind) -> Result<(), PolicyError> {
    if !kind.is_control() {
        return Ok(());
    }
    let help = "write \"Version\": \"2012-10-17\"";
    match document.stated_version {
        Some((Version::V2012, _)) => Ok(()),
        Some((Version::V2008, place)) => {
            let message = format!("{} has the version \"2008-10-17\"", kind.name());
            Err(malformed(place, "2008-10-17", message, help))
        }
        None => {
            let message = format!("{} has no `Version`", kind.name());
            Err(malformed(document.place, "", message, help))
        }
    }
}

/// P-53: within a policy of IAM's a Sid is unique. An empty one names nothing.
fn check_sids(document: &Document, kind: PolicyKind) -> Result<(), PolicyError> {
    if !kind.is_of_iam() {
        return Ok(());
    }
    let mut seen = BTreeSet::new();
    for sid in document.statements.iter().filter_map(|s| s.sid.as_ref()) {
        if !sid.text.is_empty() && !seen.insert(&*sid.text) {
            let message = format!("the Sid `{}` stands twice", sid.text.escape_debug());
            let help = format!(
                "in {} each Sid is unique: give the statement another, or none",
                kind.name()
            );
            return Err(malformed(sid.place, &sid.text, message, help));
        }
    }
    Ok(())
}

/// Whether a document says what AWS's own `RCPFullAWSAccess` says, in whatever order: it is there from the start, and what
/// facts hold of it nobody stores (P-51).
pub(super) fn is_rcp_full_access(text: &str) -> bool {
    let Ok(document) = json::parse(text).and_then(ast::document) else {
        return false;
    };
    let is_all = |texts: &Option<ast::Texts>| {
        let texts = texts.as_ref().filter(|texts| !texts.negated);
        texts.is_some_and(|texts| matches!(&*texts.items, [one] if &*one.text == "*"))
    };
    let is_everyone = |principals: &Option<ast::Principals>| {
        let principals = principals.as_ref().filter(|principals| !principals.negated);
        principals.is_some_and(|principals| {
            matches!(&*principals.entries, [(ast::PrincipalType::Everyone, _)])
        })
    };
    let version = document.stated_version.map(|(version, _)| version);
    version == Some(ast::Version::V2012)
        && matches!(&*document.statements, [only]
            if only.effect == Effect::Allow
                && is_everyone(&only.principal)
                && is_all(&only.action)
                && is_all(&only.resource)
                && only.conditions.is_empty())
}

/// P-51: what a resource control policy that a customer makes may not hold.
fn check_resource_control(statement: &ast::Statement) -> Result<(), PolicyError> {
    if statement.effect == Effect::Allow {
        let message = "a statement of a resource control policy has the effect `Allow`";
        let help = "write \"Effect\": \"Deny\": RCPFullAWSAccess, which stays attached, allows everything already";
        return Err(malformed(statement.effect_place, "Allow", message, help));
    }
    let Some(actions) = &statement.action else {
        // Told where elements of every kind are.
        return Ok(());
    };
    if actions.negated {
        let message = "a statement of a resource control policy has a `NotAction`";
        let help = "write `Action` with the actions that are denied, such as \"kms:*\"";
        return Err(malformed(actions.place, "NotAction", message, help));
    }
    for item in &actions.items {
        let names_service = item
            .text
            .split_once(':')
            .is_some_and(|(service, _)| !service.is_empty() && !service.contains(['*', '?']));
        if !names_service {
            let message = format!(
                "the action `{}` of a resource control policy names no service",
                item.text.escape_debug()
            );
            let help = "write the service before the colon, such as \"kms:*\"";
            return Err(malformed(item.place, &item.text, message, help));
        }
    }
    Ok(())
}

fn check(
    index: usize,
    statement: &ast::Statement,
    kind: PolicyKind,
    reading: Reading,
) -> Result<Option<ReadPrincipals>, PolicyError> {
    if let Some(sid) = &statement.sid {
        // P-3: spaces and more in key policies, letters and digits in IAM's.
        let plain =
            reading == Reading::Lenient || sid.text.bytes().all(|b| b.is_ascii_alphanumeric());
        if !plain && kind.is_of_iam() {
            let message = format!(
                "the Sid `{}` has other characters than letters and digits",
                sid.text.escape_debug()
            );
            return Err(malformed(
                sid.place,
                &sid.text,
                message,
                format!("in {} a Sid has A-Z, a-z and 0-9 only", kind.name()),
            ));
        }
    }
    let principals = match (&statement.principal, kind.has_principals()) {
        (None, true) => {
            let help = "add a `Principal`, such as {\"AWS\": \"arn:aws:iam::111122223333:root\"}";
            return Err(malformed(
                statement.place,
                "",
                format!("a statement of {} has no `Principal`", kind.name()),
                help,
            ));
        }
        (Some(principals), false) => {
            let message = format!("{} has a `Principal`", kind.name());
            let help = "remove it: the policy is about whoever it is attached to";
            return Err(malformed(principals.place, "Principal", message, help));
        }
        (None, false) => None,
        (Some(principals), true) => {
            let sid = statement.sid.as_ref().map(|sid| &*sid.text);
            Some(read_principals(principals, kind, &named(index, sid))?)
        }
    };
    // P-4: a key policy may lack them; such a statement has no effect.
    if kind != PolicyKind::Key {
        for (element, name) in [
            (&statement.action, "Action"),
            (&statement.resource, "Resource"),
        ] {
            // An empty list is valid and matches nothing: the statement has no effect, and the lint warns of it.
            if element.is_none() {
                let message = format!("a statement of {} has no `{name}`", kind.name());
                return Err(malformed(
                    statement.place,
                    "",
                    message,
                    format!("add `{name}` or `Not{name}`"),
                ));
            }
        }
    }
    if kind == PolicyKind::ResourceControl && reading == Reading::Strict {
        check_resource_control(statement)?;
    }
    if kind == PolicyKind::ResourceControl
        && let Some(principals) = &principals
        && (principals.negated
            || principals
                .entries
                .iter()
                .any(|(entry, _)| *entry != PolicyPrincipal::Everyone))
    {
        let message = "a statement of a resource control policy names principals";
        let help =
            "write \"Principal\": \"*\" and choose principals with a condition on aws:PrincipalArn";
        return Err(malformed(statement.place, "Principal", message, help));
    }
    Ok(principals)
}

/// A statement as errors call it.
fn named(index: usize, sid: Option<&str>) -> String {
    let n = index.saturating_add(1);
    match sid {
        Some(sid) => format!("Statement {n} (Sid `{}`)", sid.escape_debug()),
        None => format!("Statement {n}"),
    }
}

fn read_principals(
    principals: &ast::Principals,
    kind: PolicyKind,
    statement: &str,
) -> Result<ReadPrincipals, PolicyError> {
    if principals.entries.is_empty() {
        return Err(invalid(
            principals.place,
            "",
            "the statement names no principal: write at least one",
        ));
    }
    let mut entries = Vec::with_capacity(principals.entries.len());
    for (kind_of, item) in &principals.entries {
        let text = &*item.text;
        let entry = match kind_of {
            PrincipalType::Everyone => PolicyPrincipal::Everyone,
            // What GetKeyPolicy shows of a principal that was deleted (ID-18).
            PrincipalType::Aws if is_unique_id(text) => {
                let help = format!(
                    "{statement} names `{text}`, the id of a user or role that was deleted: name who is meant now by ARN, or leave it out"
                );
                return Err(invalid(item.place, text, &help));
            }
            PrincipalType::Aws => read_aws(text).map_err(|help| invalid(item.place, text, help))?,
            PrincipalType::Service => {
                let help = "a service principal is a name such as ec2.amazonaws.com";
                PolicyPrincipal::Service(text.parse().map_err(|_| invalid(item.place, text, help))?)
            }
            PrincipalType::Federated => PolicyPrincipal::Federated(text.into()),
            PrincipalType::CanonicalUser => {
                let help = format!(
                    "canonical users belong to S3; {} names AWS principals by ARN",
                    kind.name()
                );
                return Err(invalid(item.place, text, &help));
            }
        };
        entries.push((entry, item.place));
    }
    Ok(ReadPrincipals {
        negated: principals.negated,
        entries,
    })
}

/// `AROA…` or `AIDA…`, of a session with its name behind a colon.
fn is_unique_id(text: &str) -> bool {
    let id = text.split_once(':').map_or(text, |(id, _)| id);
    (id.starts_with("AROA") || id.starts_with("AIDA"))
        && id.len() > 4
        && id
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn read_aws(text: &str) -> Result<PolicyPrincipal, &'static str> {
    if let Ok(account) = text.parse() {
        return Ok(PolicyPrincipal::Account(account));
    }
    let help = if text.contains('*') || text.contains('?') {
        "wildcards do not work inside a principal: name the principal, or use \"*\" with a condition on aws:PrincipalArn"
    } else if text.contains(":group/") {
        "a group is no principal: name its users, or a role"
    } else {
        "write twelve digits or the ARN of an account root, user, role, assumed role or federated user"
    };
    let arn: PrincipalArn = text.parse().map_err(|_| help)?;
    Ok(if arn.is_root() {
        PolicyPrincipal::Account(arn.account())
    } else {
        PolicyPrincipal::Arn(arn)
    })
}

/// P-5, in AWS's words.
fn invalid(place: Place, offending: &str, help: &str) -> PolicyError {
    let message = "Policy contains a statement with one or more invalid principals.";
    PolicyError::new(
        PolicyErrorKind::InvalidPrincipal,
        place,
        offending,
        message,
        help,
    )
}
