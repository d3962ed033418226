//! What is legal in a policy but surprising: warnings with a place, the text, and the mend.
//!
//! Nothing here refuses or decides. A warning says what the document will do that its author may not expect, by a
//! numbered rule of the specification. Imports the stages before `statement`, and asks the compiled conditions
//! themselves where it must know what holds.

mod actions;
mod conditions;
mod contradiction;
mod denials;
mod principals;
mod resources;
mod services;
mod values;
mod whole;

use std::collections::BTreeSet;
use std::fmt;

use super::Policy;
use super::Reading;
use super::action::{ActionSet, KmsAction};
use super::ast::{self, Document, Effect, Item};
use super::error::{Place, PolicyError};
use super::json;
use super::validate::{self, PolicyKind, ReadPrincipals};
use crate::domain::ids::AccountId;
use crate::domain::limits;
use whole::Whole;

macro_rules! lints {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $rule:literal;)*) => {
        /// What a warning is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Lint { $($(#[$doc])* $name,)* }

        impl Lint {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name for programs, in lower case with hyphens.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The number of the rule behind it.
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$name => $rule,)* }
            }
        }
    };
}

lints! {
    /// A statement lacks an action or a resource.
    NoEffect = "no-effect", "P-4";
    /// No action of the statement is one that a key policy decides.
    ConsoleStatement = "console-statement", "P-9";
    /// An action that is not authorized against a key, in a key policy; or one without a resource, on a narrow one.
    KeylessAction = "keyless-action", "P-12";
    /// An action of another service in a key policy.
    ForeignAction = "foreign-action", "P-13";
    /// An action that does not exist.
    UnknownAction = "unknown-action", "P-10";
    /// `kms:Delete*` without key deletion.
    DeleteIsNotKeyDeletion = "delete-is-not-key-deletion", "P-9";
    /// `kms:RetireGrant` where it has no effect.
    RetireGrant = "retire-grant", "G-52";
    /// An action that cannot work across accounts.
    CrossAccount = "cross-account", "D-8";
    /// A policy that only limits has no statement that allows.
    AllowsNothing = "allows-nothing", "D-11";
    /// The resource of a key policy is not `*`.
    KeyPolicyResource = "key-policy-resource", "P-4";
    /// An alias as the resource of actions on keys.
    AliasResource = "alias-resource", "ID-10";
    /// An alias operation that is allowed on the alias or on the key alone.
    AliasHalf = "alias-half", "D-14";
    /// A resource that no key and no alias has.
    ResourceNeverMatches = "resource-never-matches", "P-11";
    /// Everyone is allowed.
    Everyone = "everyone", "P-22";
    /// `NotPrincipal` with `Allow`.
    NotPrincipalAllow = "not-principal-allow", "P-24";
    /// `NotPrincipal` with `Deny` that lists a principal without its account.
    NotPrincipalDeny = "not-principal-deny", "P-24";
    /// A federated principal matches nobody.
    FederatedPrincipal = "federated-principal", "U-16";
    /// A service is allowed for whosever resources.
    ConfusedDeputy = "confused-deputy", "X-66";
    /// A condition on what an AWS service does not have, in a statement for services.
    ServiceWithoutKey = "service-without-key", "ID-20";
    /// A denial for everyone that meets a service which the policy allows.
    ServiceDenied = "service-denied", "X-67";
    /// Two statements with one Sid.
    DuplicateSid = "duplicate-sid", "P-3";
    /// `${…}` in a document of the 2008 version.
    LiteralVariable = "literal-variable", "P-2";
    /// A policy variable whose key may be absent.
    AbsentVariable = "absent-variable", "C-12";
    /// A policy variable of a key with several values.
    MultivaluedVariable = "multivalued-variable", "C-11";
    /// A negated operator on a key that may be absent.
    NegatedAbsentKey = "negated-absent-key", "C-5";
    /// `IfExists` on a negated operator.
    NegatedIfExists = "negated-if-exists", "C-6";
    /// `ForAllValues` without a `Null` check.
    ForAllValuesAbsent = "for-all-values-absent", "C-8";
    /// A set operator on a key with one value.
    SetOnSingle = "set-on-single", "C-8";
    /// A key with several values without a set operator.
    MultivaluedWithoutSet = "multivalued-without-set", "C-10";
    /// A denial that a request escapes by not having the key.
    DisarmedDeny = "disarmed-deny", "X-68";
    /// A denial by network that meets the calls of services.
    NetworkDeny = "network-deny", "X-69";
    /// An allow by endpoint, which the calls of services do not meet.
    NetworkAllow = "network-allow", "X-69";
    /// A condition key that no request of the action has.
    NeverPresent = "never-present", "CK-40";
    /// A condition key that does not exist.
    UnknownKey = "unknown-key", "CK-40";
    /// A condition key of another service, on actions of KMS.
    ForeignKey = "foreign-key", "CK-60";
    /// A condition without values.
    NoValues = "no-values", "C-1";
    /// A condition key for identity policies, in a key policy.
    IdentityOnlyKey = "identity-only-key", "CK-41";
    /// Conditions that cannot hold together.
    Contradiction = "contradiction", "C-14";
    /// A value that the key never has.
    ValueNeverMatches = "value-never-matches", "C-3";
    /// A service that never stands in `aws:CalledVia`.
    CalledVia = "called-via", "CK-92";
    /// `kms:EncryptionContext:aws:s3:arn` of objects alone.
    BucketKey = "bucket-key", "X-70";
    /// `*` or `?` where it stands for itself.
    LiteralWildcard = "literal-wildcard", "C-3";
    /// `kms:GrantIsForAWSResource` for a grant that a person makes.
    GrantForAwsResource = "grant-for-aws-resource", "X-16";
    /// A Subset constraint is asked for.
    SubsetConstraint = "subset-constraint", "X-15";
}

/// Something legal but surprising. `Display` is one sentence that a person can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What it is about.
    pub lint: Lint,
    /// The statement, counted from 0.
    pub statement: usize,
    /// Where the text stands.
    pub place: Place,
    /// The text, cut at [`limits::ECHO_MAX`] bytes.
    pub offending: Box<str>,
    /// What will happen.
    pub message: Box<str>,
    /// How to mend it, or how to say that it is meant.
    pub help: Box<str>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = self.place;
        write!(
            f,
            "line {line}, column {column}: {} [{}]; {}",
            self.message,
            self.lint.rule(),
            self.help
        )
    }
}

/// The warnings of a policy text, in the order of their places; at most [`limits::POLICY_WARNINGS_MAX`].
///
/// `owner` is the account that the policy's key or principal belongs to, if it is known (D-8).
///
/// # Errors
/// The text is no policy of this kind.
pub fn lint(
    text: &str,
    kind: PolicyKind,
    owner: Option<AccountId>,
) -> Result<Vec<Warning>, PolicyError> {
    Policy::parse(text, kind)?;
    let document = ast::document(json::parse(text)?)?;
    let validated = validate::validate(document, kind, Reading::to_store(text, kind))?;
    let mut found = Found::default();
    duplicate_sids(&validated.document, &mut found);
    allows_nothing(kind, &validated.document, &mut found);
    let subjects: Vec<Subject<'_>> = validated
        .document
        .statements
        .iter()
        .zip(&validated.principals)
        .map(|(statement, principals)| {
            Subject::new(
                kind,
                owner,
                &validated.document,
                statement,
                principals.as_ref(),
            )
        })
        .collect();
    let whole = Whole::of(&subjects);
    for (index, subject) in subjects.iter().enumerate() {
        found.statement = index;
        if subject.has_no_effect() {
            no_effect(subject, &mut found);
            continue;
        }
        let read = conditions::read(subject);
        actions::check(subject, &mut found);
        principals::check(subject, &read, &mut found);
        // Of the requests of other services nothing is known here.
        if subject.reached().next().is_none() {
            continue;
        }
        resources::check(subject, &whole, &mut found);
        services::check(subject, &read, &whole, &mut found);
        conditions::check(subject, &read, &mut found);
        denials::check(subject, &read, &whole, &mut found);
    }
    Ok(found.finish())
}

/// One statement with what the checks need to know of it.
struct Subject<'a> {
    kind: PolicyKind,
    owner: Option<AccountId>,
    /// Whether `${…}` is a variable.
    variables: bool,
    ast: &'a ast::Statement,
    principals: Option<&'a ReadPrincipals>,
    /// `None` if the statement has none (P-4), or if one of its texts is no action.
    actions: Option<ActionSet>,
}

impl<'a> Subject<'a> {
    fn new(
        kind: PolicyKind,
        owner: Option<AccountId>,
        document: &Document,
        ast: &'a ast::Statement,
        principals: Option<&'a ReadPrincipals>,
    ) -> Self {
        let actions = ast.action.as_ref().filter(|texts| !texts.items.is_empty());
        let compile = |texts: &ast::Texts| {
            ActionSet::compile(texts.items.iter().map(|item| &*item.text), texts.negated).ok()
        };
        Self {
            kind,
            owner,
            variables: document.version() == ast::Version::V2012,
            ast,
            principals,
            actions: actions.and_then(compile),
        }
    }

    fn lacks_resource(&self) -> bool {
        self.ast
            .resource
            .as_ref()
            .is_none_or(|texts| texts.items.is_empty())
    }

    /// P-4.
    fn has_no_effect(&self) -> bool {
        self.actions.is_none() || self.lacks_resource()
    }

    fn is_allow(&self) -> bool {
        self.ast.effect == Effect::Allow
    }

    /// What the effect does, in a sentence: "this allow can never match".
    const fn never(&self) -> &'static str {
        match self.ast.effect {
            Effect::Allow => "this allow can never match",
            Effect::Deny => "this deny can never act",
        }
    }

    /// The KMS actions that the statement is about and that its kind of policy decides.
    fn reached(&self) -> impl Iterator<Item = KmsAction> {
        let on_keys_alone = self.kind == PolicyKind::Key;
        KmsAction::ALL.iter().copied().filter(move |action| {
            self.actions
                .as_ref()
                .is_some_and(|set| set.contains(&(*action).into()))
                && (!on_keys_alone || actions::is_on_key(*action))
        })
    }

    /// The action texts, if they are `Action` and not `NotAction`.
    fn action_items(&self) -> &'a [Item] {
        match &self.ast.action {
            Some(texts) if !texts.negated => &texts.items,
            Some(_) | None => &[],
        }
    }
}

/// Warnings as they are found.
#[derive(Default)]
struct Found {
    statement: usize,
    warnings: Vec<Warning>,
    /// How often a name was looked for that is like another.
    searches: usize,
}

impl Found {
    /// The name that a slip of the keyboard turns into this one, if there is one. It is looked for as often as there may be
    /// warnings: to compare names costs more than all else here.
    fn nearest<'a>(
        &mut self,
        name: &str,
        candidates: impl Iterator<Item = &'a str>,
    ) -> Option<&'a str> {
        self.searches += 1;
        (self.searches <= limits::POLICY_WARNINGS_MAX)
            .then(|| ast::nearest(name, candidates))
            .flatten()
    }

    fn add(
        &mut self,
        lint: Lint,
        item: &Item,
        message: impl Into<Box<str>>,
        help: impl Into<Box<str>>,
    ) {
        self.at(lint, item.place, &item.text, message, help);
    }

    fn at(
        &mut self,
        lint: Lint,
        place: Place,
        offending: &str,
        message: impl Into<Box<str>>,
        help: impl Into<Box<str>>,
    ) {
        self.warnings.push(Warning {
            lint,
            statement: self.statement,
            place,
            offending: super::error::echo(offending).into(),
            message: message.into(),
            help: help.into(),
        });
    }

    fn finish(mut self) -> Vec<Warning> {
        self.warnings
            .sort_by_key(|warning| (warning.place, warning.lint));
        self.warnings.dedup_by(|one, other| {
            one.place == other.place && one.lint == other.lint && one.message == other.message
        });
        self.warnings.truncate(limits::POLICY_WARNINGS_MAX);
        self.warnings
    }
}

/// A text as a message repeats it.
fn shown(text: &str) -> impl fmt::Display {
    super::error::echo(text).escape_debug()
}

/// P-4.
fn no_effect(subject: &Subject<'_>, found: &mut Found) {
    let (lacks, either) = match (subject.actions.is_none(), subject.lacks_resource()) {
        (true, true) => ("`Action` and `Resource`", "both"),
        (true, false) => ("`Action`", "one"),
        (false, _) => ("`Resource`", "\"Resource\": \"*\", which means this key"),
    };
    found.at(
        Lint::NoEffect,
        subject.ast.place,
        "",
        format!("the statement has no {lacks}: it is accepted, but has no effect"),
        format!("write {either}, or remove the statement"),
    );
}

/// D-11, D-3: what such a policy does not allow is denied, so that one of denials alone denies everything. Of control
/// policies a level has several, `FullAWSAccess` among them: there a list of denials is the usual form.
fn allows_nothing(kind: PolicyKind, document: &Document, found: &mut Found) {
    let must_allow = match kind {
        PolicyKind::Boundary | PolicyKind::Session | PolicyKind::VpcEndpoint => true,
        PolicyKind::Key
        | PolicyKind::Identity
        | PolicyKind::ServiceControl
        | PolicyKind::ResourceControl => false,
    };
    let allows = |statement: &ast::Statement| statement.effect == Effect::Allow;
    let Some(first) = document.statements.first().filter(|_| must_allow) else {
        return;
    };
    if !document.statements.iter().any(allows) {
        found.at(
            Lint::AllowsNothing,
            first.place,
            "",
            format!(
                "{} denies what it does not allow, and no statement of this one allows: it denies everything",
                kind.name()
            ),
            "add a statement that allows what it shall leave; {\"Effect\": \"Allow\", \"Action\": \"*\", \"Resource\": \"*\"} leaves whatever these statements do not deny",
        );
    }
}

/// IAM refuses a Sid that stands twice; a key policy may have it, and a reason that names it is then ambiguous (P-3).
fn duplicate_sids(document: &Document, found: &mut Found) {
    let mut seen = BTreeSet::new();
    for (index, statement) in document.statements.iter().enumerate() {
        let Some(sid) = &statement.sid else { continue };
        if !seen.insert(&*sid.text) {
            found.statement = index;
            let message = format!(
                "the Sid `{}` stands twice: what a decision names by it is ambiguous",
                shown(&sid.text)
            );
            found.add(
                Lint::DuplicateSid,
                sid,
                message,
                "give each statement its own Sid",
            );
        }
    }
}

#[cfg(test)]
mod mends;
#[cfg(test)]
mod tests;
