//! Resources: what a request names, and the patterns of `Resource` and `NotResource` (P-11, P-12).

use std::cell::OnceCell;

use super::Reading;
use super::context::{ContextKey, ContextSource, in_doubt};
use super::text::{Case, Fault, Syntax, Template};
use crate::domain::ids::{KeyArn, Short};

/// The resource of a request, its segments borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ResourceName<'a>(Form<'a>);

#[derive(Clone, Copy, Debug)]
enum Form<'a> {
    Text(Parts<'a>),
    Key(&'a KeyName<'a>),
}

/// The parts of an ARN behind `arn:`.
#[derive(Clone, Copy, Debug)]
struct Parts<'a> {
    segments: [&'a str; 4],
    /// `None` when the request has no resource.
    tail: Option<&'a str>,
}

/// A key as a resource. Its account and its id are spelled out when a pattern first looks at them: most patterns are `*`.
#[derive(Debug)]
pub struct KeyName<'a> {
    arn: &'a KeyArn,
    spelled: OnceCell<(Short<12>, Short<40>)>,
}

impl<'a> KeyName<'a> {
    /// The key's.
    pub const fn of(arn: &'a KeyArn) -> Self {
        Self {
            arn,
            spelled: OnceCell::new(),
        }
    }

    fn parts(&self) -> Parts<'_> {
        let (account, tail) = self
            .spelled
            .get_or_init(|| (self.arn.account.text(), self.arn.key_id.resource()));
        Parts {
            segments: [
                self.arn.partition.as_str(),
                "kms",
                self.arn.region.as_str(),
                account.as_str(),
            ],
            tail: Some(tail.as_str()),
        }
    }
}

impl<'a> ResourceName<'a> {
    /// An ARN; `None` if the text is none.
    pub fn arn(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        if parts.next()? != "arn" {
            return None;
        }
        let segments = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let tail = Some(parts.next()?);
        Some(Self(Form::Text(Parts { segments, tail })))
    }

    /// A key.
    pub const fn key(name: &'a KeyName<'a>) -> Self {
        Self(Form::Key(name))
    }

    /// No resource: the request is about the account itself (P-12). Patterns `*` and
    /// `arn:<partition>:<service>:<region>:<account>:*` match it, and no narrower one.
    pub const fn none(
        partition: &'a str,
        service: &'a str,
        region: &'a str,
        account: &'a str,
    ) -> Self {
        Self(Form::Text(Parts {
            segments: [partition, service, region, account],
            tail: None,
        }))
    }

    fn parts(&self) -> Parts<'a> {
        match self.0 {
            Form::Text(parts) => parts,
            Form::Key(name) => name.parts(),
        }
    }

    /// The partition segment's text.
    pub fn partition(&self) -> &'a str {
        let [partition, ..] = self.parts().segments;
        partition
    }

    /// The account segment's text.
    pub fn account(&self) -> &'a str {
        let [_, _, _, account] = self.parts().segments;
        account
    }

    /// Everything after the fifth colon; `*` when the request has no resource.
    pub fn tail(&self) -> &'a str {
        self.parts().tail.unwrap_or("*")
    }
}

#[derive(Debug)]
enum Pattern {
    Any,
    Arn {
        segments: Box<[Template; 4]>,
        tail: Template,
    },
}

/// The compiled `Resource` or `NotResource` of a statement.
#[derive(Debug)]
pub(super) struct ResourceSet {
    patterns: Box<[Pattern]>,
    negated: bool,
    has_variables: bool,
}

/// What is wrong with the pattern at an index.
pub(super) struct BadPattern {
    pub index: usize,
    pub message: &'static str,
    pub help: &'static str,
}

impl ResourceSet {
    pub fn compile<'a>(
        patterns: impl Iterator<Item = &'a str>,
        negated: bool,
        variables: bool,
        reading: Reading,
    ) -> Result<Self, BadPattern> {
        let mut compiled = Vec::new();
        for (index, text) in patterns.enumerate() {
            compiled.push(
                compile(text, variables, reading).map_err(|(message, help)| BadPattern {
                    index,
                    message,
                    help,
                })?,
            );
        }
        let mut set = Self {
            patterns: compiled.into(),
            negated,
            has_variables: false,
        };
        let has_variables = set.variable_keys().next().is_some();
        set.has_variables = has_variables;
        Ok(set)
    }

    /// The keys of the variables in its patterns (P-11).
    pub fn variable_keys(&self) -> impl Iterator<Item = &ContextKey> {
        self.patterns.iter().flat_map(|pattern| {
            let tail = match pattern {
                Pattern::Any => None,
                Pattern::Arn { tail, .. } => Some(tail),
            };
            tail.into_iter().flat_map(Template::keys)
        })
    }

    /// Whether it holds the resource of a request, in a statement that denies or allows (CK-59).
    pub fn contains(
        &self,
        name: &ResourceName<'_>,
        context: &dyn ContextSource,
        is_deny: bool,
    ) -> bool {
        if self.has_variables {
            return in_doubt(context, self.variable_keys(), is_deny, &|chosen| {
                self.contains_with(name, chosen)
            });
        }
        self.contains_with(name, context)
    }

    fn contains_with(&self, name: &ResourceName<'_>, context: &dyn ContextSource) -> bool {
        let hit = self.patterns.iter().any(|pattern| match pattern {
            Pattern::Any => true,
            Pattern::Arn { segments, tail } => {
                let name = name.parts();
                segments
                    .iter()
                    .zip(name.segments)
                    .all(|(own, other)| own.matches_plain(other, Case::Exact))
                    && match name.tail {
                        Some(text) => tail.matches(text, Case::Exact, context),
                        None => tail.is_run(),
                    }
            }
        });
        hit != self.negated
    }

    /// Whether a variable in a pattern has neither a value nor a default (C-12).
    pub fn has_null(&self, context: &dyn ContextSource) -> bool {
        self.patterns.iter().any(|pattern| match pattern {
            Pattern::Any => false,
            Pattern::Arn { tail, .. } => tail.is_null(context),
        })
    }
}

fn compile(
    text: &str,
    variables: bool,
    reading: Reading,
) -> Result<Pattern, (&'static str, &'static str)> {
    if text == "*" {
        return Ok(Pattern::Any);
    }
    let help =
        "write `*` or an ARN with its six segments: arn:partition:service:region:account:resource";
    let wrong = ("a resource is neither `*` nor an ARN", help);
    let mut parts = text.splitn(6, ':');
    if parts.next() != Some("arn") {
        return Err(wrong);
    }
    let mut segment = || -> Result<Template, (&'static str, &'static str)> {
        let text = parts.next().ok_or(wrong)?;
        if reading == Reading::Strict && variables && text.contains("${") {
            // P-11. Replaced nowhere else by AWS either: refused here, so that no Deny is silently void.
            let message = "a policy variable stands before the resource part of an ARN";
            return Err((
                message,
                "use variables only after the fifth colon; use `*` or the text itself before it",
            ));
        }
        Template::parse(
            text,
            Syntax {
                wildcards: true,
                variables: false,
            },
        )
        .map_err(|_| wrong)
    };
    let segments = Box::new([segment()?, segment()?, segment()?, segment()?]);
    let tail = parts.next().filter(|tail| !tail.is_empty()).ok_or(wrong)?;
    let tail = Template::parse(
        tail,
        Syntax {
            wildcards: true,
            variables,
        },
    )
    .map_err(|Fault { message }| {
        (
            message,
            "close the variable, or write `${$}` for a dollar sign",
        )
    })?;
    Ok(Pattern::Arn { segments, tail })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::domain::policy::context::tests::Context;
    use crate::domain::policy::context::{ContextValue, Spellings};

    const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn matches(pattern: &str, name: &ResourceName<'_>) -> bool {
        let set = ResourceSet::compile([pattern].into_iter(), false, true, Reading::Strict)
            .unwrap_or_else(|_| panic!("{pattern}"));
        let context = Context::default().one("aws:PrincipalTag/team", "a*");
        set.contains(name, &context, false)
    }

    /// P-11: wildcards stay within a segment, but the last one may hold anything.
    #[test]
    fn wildcards_stay_within_their_segment() {
        let arn = KEY.parse().unwrap();
        let (written, spelled) = (ResourceName::arn(KEY).unwrap(), KeyName::of(&arn));
        let both = [written, ResourceName::key(&spelled)];
        for yes in [
            "*",
            KEY,
            "arn:aws:kms:*:111122223333:key/*",
            "arn:*:kms:eu-*:*:key/1234*",
            "arn:aws:kms:eu-west-?:111122223333:*",
            "arn:aws:kms:*:*:*-1234567890ab",
        ] {
            assert!(both.iter().all(|key| matches(yes, key)), "{yes}");
        }
        for no in [
            "arn:aws:kms:*:111122223333:alias/*",
            "arn:aws:kms:us-*:111122223333:key/*",
            "arn:aws:kms:*:444455556666:key/*",
            "arn:aws:*:*:111122223333:key",
            "arn:aws:kms:EU-west-1:111122223333:key/*",
            "arn:aws:s3:::*",
        ] {
            assert!(!both.iter().any(|key| matches(no, key)), "{no}");
        }
        let nested =
            ResourceName::arn("arn:aws:logs:eu-west-1:111122223333:log-group:a:b").unwrap();
        assert!(matches("arn:aws:logs:*:*:log-group:*", &nested));
    }

    /// ID-10: a pattern for aliases names aliases, never their keys.
    #[test]
    fn alias_pattern_matches_the_alias_alone() {
        let alias = ResourceName::arn("arn:aws:kms:eu-west-1:111122223333:alias/app").unwrap();
        assert!(matches("arn:aws:kms:*:111122223333:alias/*", &alias));
        assert!(!matches("arn:aws:kms:*:111122223333:key/*", &alias));
    }

    /// P-12: without a resource, `*` and a pattern of the whole account match, no narrower one.
    #[test]
    fn request_without_a_resource_matches_account_patterns_alone() {
        let none = ResourceName::none("aws", "kms", "eu-west-1", "111122223333");
        for yes in [
            "*",
            "arn:aws:kms:eu-west-1:111122223333:*",
            "arn:aws:kms:*:*:*",
        ] {
            assert!(matches(yes, &none), "{yes}");
        }
        for no in [
            "arn:aws:kms:*:111122223333:key/*",
            "arn:aws:kms:us-east-1:111122223333:*",
            "arn:aws:kms:*:444455556666:*",
            "arn:aws:kms:*:111122223333:?",
            "arn:aws:kms:*:111122223333:${*}",
        ] {
            assert!(!matches(no, &none), "{no}");
        }
    }

    /// P-11: variables in the resource part; a null one matches nothing; the complement then matches.
    #[test]
    fn variable_in_the_resource_part_is_replaced() {
        let team = ResourceName::arn("arn:aws:kms:eu-west-1:111122223333:alias/a*").unwrap();
        let other = ResourceName::arn("arn:aws:kms:eu-west-1:111122223333:alias/ab").unwrap();
        assert!(matches(
            "arn:aws:kms:*:*:alias/${aws:PrincipalTag/team}",
            &team
        ));
        assert!(!matches(
            "arn:aws:kms:*:*:alias/${aws:PrincipalTag/team}",
            &other
        ));
        assert!(!matches("arn:aws:kms:*:*:alias/${aws:username}", &other));
        let set = ResourceSet::compile(
            ["arn:aws:kms:*:*:alias/${aws:username}"].into_iter(),
            true,
            true,
            Reading::Strict,
        );
        assert!(
            set.is_ok_and(|set| set.contains(&other, &Context::default(), false)
                && set.has_null(&Context::default()))
        );
    }

    /// Encryption context pairs, whose names may differ in letter case alone.
    struct Pairs(BTreeMap<Arc<str>, Arc<str>>);

    impl ContextSource for Pairs {
        fn get<'a>(&'a self, key: &'a ContextKey) -> Option<ContextValue<'a>> {
            match key {
                ContextKey::EncryptionContext(name) => Spellings::find(&self.0, name),
                _ => None,
            }
        }
    }

    /// CK-59: of values whose names differ in letter case alone, a Deny's resource takes any and an Allow's all; so do
    /// the complements.
    #[test]
    fn variables_that_differ_in_letter_case_alone_are_taken_against_the_caller() {
        let pattern = "arn:aws:kms:*:*:alias/${kms:EncryptionContext:stage}";
        let alias = ResourceName::arn("arn:aws:kms:eu-west-1:111122223333:alias/app").unwrap();
        for (negated, pairs, wanted) in [
            (
                false,
                &[("STAGE", "x"), ("stage", "app")][..],
                (true, false),
            ),
            (false, &[("STAGE", "app"), ("stage", "x")], (true, false)),
            (false, &[("STAGE", "app"), ("stage", "app")], (true, true)),
            (false, &[("STAGE", "x"), ("stage", "y")], (false, false)),
            (false, &[("stage", "app")], (true, true)),
            (true, &[("STAGE", "x"), ("stage", "app")], (true, false)),
            (true, &[("STAGE", "x"), ("stage", "y")], (true, true)),
            (true, &[("STAGE", "app")], (false, false)),
        ] {
            let set = ResourceSet::compile([pattern].into_iter(), negated, true, Reading::Strict)
                .unwrap_or_else(|_| panic!("{pattern}"));
            let pairs = pairs
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()));
            let context = Pairs(pairs.collect());
            let got = (
                set.contains(&alias, &context, true),
                set.contains(&alias, &context, false),
            );
            assert_eq!(got, wanted, "{negated} {:?}", context.0);
        }
    }

    #[test]
    fn pattern_that_is_no_arn_is_refused() {
        for text in [
            "",
            "key/*",
            "arn:aws:kms:*",
            "arn:aws:kms:eu-west-1:111122223333:",
            "arn:aws:kms:*:${aws:PrincipalAccount}:key/*",
            "arn:aws:kms:*:*:key/${x",
        ] {
            assert!(
                ResourceSet::compile([text].into_iter(), false, true, Reading::Strict).is_err(),
                "{text}"
            );
        }
        // P-11: of a policy that is only asked about, a variable before the resource part is text.
        let early = "arn:aws:kms:*:${aws:PrincipalAccount}:key/*";
        let set = ResourceSet::compile([early].into_iter(), false, true, Reading::Lenient);
        let key = ResourceName::arn(KEY).unwrap();
        assert!(set.is_ok_and(|set| !set.contains(&key, &Context::default(), false)));
    }
}
