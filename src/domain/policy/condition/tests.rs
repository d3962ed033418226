//! Rules C-1 to C-14, one test each with its negative twins.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::domain::policy::Spellings;
use crate::domain::policy::context::tests::Context;

fn holds(operator: &str, key: &str, values: &[&str], context: &Context) -> bool {
    let operator = Operator::parse(operator).unwrap_or_else(|| panic!("{operator}"));
    let condition = Condition::compile(
        operator,
        ContextKey::parse(key),
        values.iter().copied(),
        true,
        Reading::Strict,
    );
    condition
        .unwrap_or_else(|bad| panic!("{}", bad.message))
        .holds(context, false)
}

fn one(value: &str) -> Context {
    Context::default().one("k", value)
}

fn many(values: &[&str]) -> Context {
    Context::default().many("k", values)
}

/// C-1: values of a key are alternatives; under a negated operator none may match.
#[test]
fn values_are_or_and_for_negated_operators_nor() {
    assert!(holds("StringEquals", "k", &["a", "b"], &one("b")));
    assert!(!holds("StringEquals", "k", &["a", "b"], &one("c")));
    assert!(holds("StringNotEquals", "k", &["a", "b"], &one("c")));
    assert!(!holds("StringNotEquals", "k", &["a", "b"], &one("b")));
}

/// C-3: string operators and their letter case.
#[test]
fn string_operators_follow_their_letter_case() {
    assert!(!holds("StringEquals", "k", &["a"], &one("A")));
    assert!(holds("StringEqualsIgnoreCase", "k", &["a"], &one("A")));
    assert!(holds("StringEqualsIgnoreCase", "k", &["ä"], &one("Ä")));
    assert!(!holds("StringNotEqualsIgnoreCase", "k", &["a"], &one("A")));
    assert!(holds("StringLike", "k", &["a*"], &one("abc")));
    assert!(!holds("StringLike", "k", &["a*"], &one("Abc")));
    assert!(!holds("StringNotLike", "k", &["a*"], &one("abc")));
    assert!(
        !holds("StringEquals", "k", &["a*"], &one("abc")),
        "no wildcards in StringEquals"
    );
    assert!(holds("StringEquals", "k", &["a*"], &one("a*")));
    assert!(!holds("StringEqualsIgnoreCase", "k", &["a*"], &one("ABC")));
}

/// C-4: numbers by value, not by text.
#[test]
fn numeric_operators_compare_numbers() {
    for (operator, value, holds_for) in [
        ("NumericEquals", "7.0", true),
        ("NumericEquals", "8", false),
        ("NumericNotEquals", "8", true),
        ("NumericNotEquals", "7", false),
        ("NumericLessThan", "6.5", true),
        ("NumericLessThan", "7", false),
        ("NumericLessThanEquals", "7", true),
        ("NumericGreaterThan", "10", true),
        ("NumericGreaterThan", "7", false),
        ("NumericGreaterThanEquals", "7", true),
        ("NumericEquals", "seven", false),
    ] {
        assert_eq!(
            holds(operator, "k", &["7"], &one(value)),
            holds_for,
            "{operator} {value}"
        );
    }
}

/// C-4: dates in every spelling.
#[test]
fn date_operators_compare_instants() {
    let at = "2026-07-14T16:10:00Z";
    for (operator, value, holds_for) in [
        ("DateEquals", "1784045400", true),
        ("DateEquals", "2026-07-14T18:10:00+02:00", true),
        ("DateNotEquals", "1784045400", false),
        ("DateLessThan", "2026-07-14", true),
        ("DateLessThan", at, false),
        ("DateLessThanEquals", at, true),
        ("DateGreaterThan", "2026-07-14T16:10:01Z", true),
        ("DateGreaterThan", at, false),
        ("DateGreaterThanEquals", at, true),
        ("DateGreaterThan", "tomorrow", false),
    ] {
        assert_eq!(
            holds(operator, "k", &[at], &one(value)),
            holds_for,
            "{operator} {value}"
        );
    }
}

/// C-4: booleans, in quotes or not, in any letter case.
#[test]
fn bool_compares_truth() {
    assert!(holds("Bool", "k", &["true"], &one("true")));
    assert!(holds("Bool", "k", &["True"], &one("TRUE")));
    assert!(!holds("Bool", "k", &["true"], &one("false")));
    assert!(!holds("Bool", "k", &["false"], &one("maybe")));
}

/// C-4: bytes, however they are padded.
#[test]
fn binary_compares_bytes() {
    assert!(holds("BinaryEquals", "k", &["QmluYXJ5"], &one("QmluYXJ5")));
    assert!(holds("BinaryEquals", "k", &["YQ=="], &one("YQ")));
    assert!(!holds("BinaryEquals", "k", &["YQ=="], &one("Yg==")));
}

/// C-4: addresses and ranges, v4 and v6.
#[test]
fn ip_operators_compare_ranges() {
    assert!(holds(
        "IpAddress",
        "k",
        &["203.0.113.0/24", "2001:db8::/32"],
        &one("203.0.113.10")
    ));
    assert!(holds(
        "IpAddress",
        "k",
        &["203.0.113.0/24", "2001:db8::/32"],
        &one("2001:DB8:0::1")
    ));
    assert!(!holds(
        "IpAddress",
        "k",
        &["203.0.113.0/24"],
        &one("2001:db8::1")
    ));
    assert!(holds(
        "NotIpAddress",
        "k",
        &["203.0.113.0/24"],
        &one("2001:db8::1")
    ));
    assert!(!holds(
        "NotIpAddress",
        "k",
        &["203.0.113.10"],
        &one("203.0.113.10")
    ));
}

/// C-4: ARNs segment by segment; `ArnEquals` and `ArnLike` are the same.
#[test]
fn arn_operators_compare_by_segment() {
    let arn = "arn:aws:iam::111122223333:role/team/app";
    for operator in ["ArnEquals", "ArnLike"] {
        assert!(holds(operator, "k", &["arn:aws:iam::*:role/*"], &one(arn)));
        assert!(holds(operator, "k", &[arn], &one(arn)));
        assert!(
            !holds(operator, "k", &["arn:aws:*:role/*"], &one(arn)),
            "a wildcard does not cross a colon"
        );
        assert!(!holds(
            operator,
            "k",
            &["arn:aws:iam::111122223333:role/Team/*"],
            &one(arn)
        ));
        assert!(!holds(
            operator,
            "k",
            &["arn:aws:iam::*:role/*"],
            &one("no arn")
        ));
    }
    for operator in ["ArnNotEquals", "ArnNotLike"] {
        assert!(!holds(operator, "k", &["arn:aws:iam::*:role/*"], &one(arn)));
        assert!(holds(operator, "k", &["arn:aws:iam::*:user/*"], &one(arn)));
    }
    assert!(holds(
        "ArnLike",
        "k",
        &["arn:aws:logs:*:*:log-group:*"],
        &one("arn:aws:logs:eu-west-1:111122223333:log-group:a:b")
    ));
}

/// C-5: an absent key fails every positive operator and satisfies every negated one.
#[test]
fn absent_key_fails_positive_and_satisfies_negated_operators() {
    let nothing = Context::default();
    for base in &BASES {
        let value = match base.family {
            Family::Ip => "10.0.0.0/8",
            Family::Date(_) => "2026-01-01",
            Family::Numeric(_) => "1",
            Family::Bool => "true",
            Family::Null => continue,
            Family::String { .. } | Family::Arn | Family::Binary => "YQ==",
        };
        assert_eq!(
            holds(base.name, "k", &[value], &nothing),
            base.negated,
            "{}",
            base.name
        );
        // C-6: with `IfExists` an absent key satisfies both.
        assert!(
            holds(&format!("{}IfExists", base.name), "k", &[value], &nothing),
            "{}",
            base.name
        );
    }
}

/// C-6: a present key is compared as without `IfExists`.
#[test]
fn if_exists_compares_a_present_key() {
    assert!(holds("StringEqualsIfExists", "k", &["a"], &one("a")));
    assert!(!holds("StringEqualsIfExists", "k", &["a"], &one("b")));
    assert!(!holds("StringNotEqualsIfExists", "k", &["a"], &one("a")));
    assert!(holds(
        "ForAnyValue:StringEqualsIfExists",
        "k",
        &["a"],
        &Context::default()
    ));
    assert!(!holds(
        "ForAnyValue:StringEqualsIfExists",
        "k",
        &["a"],
        &many(&["b"])
    ));
}

/// C-7: `Null` asks whether the key is absent; an empty multivalued key counts as absent.
#[test]
fn null_asks_for_absence() {
    assert!(holds("Null", "k", &["true"], &Context::default()));
    assert!(!holds("Null", "k", &["true"], &one("")));
    assert!(holds("Null", "k", &["false"], &one("x")));
    assert!(!holds("Null", "k", &["false"], &Context::default()));
    assert!(holds("Null", "k", &["false"], &many(&["x"])));
    assert!(!holds("Null", "k", &["false"], &many(&[])));
    assert!(holds("Null", "k", &["true"], &many(&[])));
    assert!(Operator::parse("NullIfExists").is_none());
    assert!(Operator::parse("ForAnyValue:Null").is_none());
}

/// C-8: set operators, with absent and empty keys.
#[test]
fn set_operators_quantify_over_request_values() {
    let all = "ForAllValues:StringEquals";
    let any = "ForAnyValue:StringEquals";
    assert!(holds(all, "k", &["a", "b"], &many(&["a", "b"])));
    assert!(!holds(all, "k", &["a", "b"], &many(&["a", "c"])));
    assert!(holds(all, "k", &["a"], &many(&[])));
    assert!(holds(all, "k", &["a"], &Context::default()));
    assert!(holds(any, "k", &["a"], &many(&["b", "a"])));
    assert!(!holds(any, "k", &["a"], &many(&["b"])));
    assert!(!holds(any, "k", &["a"], &many(&[])));
    assert!(!holds(any, "k", &["a"], &Context::default()));
    assert!(
        holds(any, "k", &["a"], &one("a")),
        "a single value is a set of one"
    );
    assert!(holds(
        "ForAnyValue:StringLike",
        "k",
        &["alias/a*"],
        &many(&["alias/x", "alias/ab"])
    ));
    assert!(holds(
        "ForAllValues:NumericLessThan",
        "k",
        &["5"],
        &many(&["1", "4"])
    ));
}

/// C-9: set operators with negated operators.
#[test]
fn set_operators_with_negation() {
    let any = "ForAnyValue:StringNotEquals";
    let all = "ForAllValues:StringNotEquals";
    assert!(holds(any, "k", &["a", "b"], &many(&["a", "c"])));
    assert!(!holds(any, "k", &["a", "b"], &many(&["a", "b"])));
    assert!(holds(all, "k", &["a", "b"], &many(&["c", "d"])));
    assert!(!holds(all, "k", &["a", "b"], &many(&["c", "a"])));
    assert!(!holds(any, "k", &["a"], &Context::default()));
    assert!(holds(all, "k", &["a"], &Context::default()));
}

/// C-11: variables in string and ARN operators only.
#[test]
fn variables_are_replaced_in_strings_and_arns_alone() {
    let context = one("alias/Blue").one("aws:PrincipalTag/Project", "Blue");
    assert!(holds(
        "StringEquals",
        "k",
        &["alias/${aws:PrincipalTag/project}"],
        &context
    ));
    assert!(holds(
        "StringEqualsIgnoreCase",
        "k",
        &["ALIAS/${aws:PrincipalTag/Project}"],
        &context
    ));
    assert!(holds(
        "StringEquals",
        "k",
        &["alias/${aws:PrincipalTag/none, 'Blue'}"],
        &context
    ));
    let context = one("arn:aws:iam::1:user/bob").one("aws:username", "bob");
    assert!(holds(
        "ArnEquals",
        "k",
        &["arn:aws:iam::1:user/${aws:username}"],
        &context
    ));
    for (operator, value) in [
        ("NumericEquals", "${x}"),
        ("DateEquals", "${x}"),
        ("Bool", "${x}"),
        ("IpAddress", "${x}"),
        ("BinaryEquals", "${x}"),
        ("Null", "${x}"),
    ] {
        let operator = Operator::parse(operator).unwrap();
        let compiled = Condition::compile(
            operator,
            ContextKey::parse("k"),
            [value].into_iter(),
            true,
            Reading::Strict,
        );
        assert!(compiled.is_err(), "{operator}");
    }
}

/// C-4, C-11: of a policy that is only asked about, a value that the operator cannot compare equals nothing.
#[test]
fn value_that_cannot_be_compared_equals_nothing_in_a_question() {
    for (operator, holds) in [
        ("NumericEquals", false),
        ("NumericLessThan", false),
        ("NumericNotEquals", true),
        ("DateGreaterThan", false),
        ("Bool", false),
        ("BinaryEquals", false),
        ("IpAddress", false),
        ("NotIpAddress", true),
        ("Null", false),
    ] {
        let condition = Condition::compile(
            Operator::parse(operator).unwrap(),
            ContextKey::parse("k"),
            ["${aws:username}"].into_iter(),
            true,
            Reading::Lenient,
        );
        let condition = condition.unwrap_or_else(|bad| panic!("{}", bad.message));
        let context = one("7").one("aws:username", "7");
        assert_eq!(condition.holds(&context, false), holds, "{operator}");
    }
}

/// C-12: a null variable matches nothing, so that negated operators hold.
#[test]
fn null_variable_matches_nothing() {
    assert!(!holds("StringEquals", "k", &["${aws:username}"], &one("")));
    assert!(holds(
        "StringNotEquals",
        "k",
        &["${aws:username}"],
        &one("x")
    ));
    assert!(
        holds("StringEquals", "k", &["${aws:username}", "x"], &one("x")),
        "other values still count"
    );
    assert!(holds(
        "ArnNotLike",
        "k",
        &["arn:aws:iam::1:user/${aws:username}"],
        &one("arn:aws:iam::1:user/bob")
    ));
}

/// P-2: a document of the 2008 version knows no variables.
#[test]
fn old_version_takes_variables_literally() {
    let operator = Operator::parse("StringEquals").unwrap();
    let condition = Condition::compile(
        operator,
        ContextKey::parse("k"),
        ["${aws:username}"].into_iter(),
        false,
        Reading::Strict,
    );
    let condition = condition.unwrap_or_else(|bad| panic!("{}", bad.message));
    assert!(condition.holds(&one("${aws:username}").one("aws:username", "bob"), false));
    assert!(!condition.has_null(&Context::default()));
}

#[test]
fn operator_names_are_read_in_any_letter_case_and_print_canonically() {
    let operator = Operator::parse("forallvalues:stringequalsifexists").unwrap();
    assert_eq!(operator.to_string(), "ForAllValues:StringEqualsIfExists");
    for text in [
        "",
        "StringEqual",
        "ForEachValue:StringEquals",
        "IfExists",
        "StringEqualsIfExistsIfExists",
        "äIfExists",
        "ForAnyValue:ForAnyValue:Bool",
    ] {
        assert!(Operator::parse(text).is_none(), "{text}");
    }
}

#[test]
fn value_of_the_wrong_type_is_refused() {
    for (operator, value) in [
        ("NumericEquals", "x"),
        ("DateEquals", "x"),
        ("Bool", "yes"),
        ("IpAddress", "x"),
        ("BinaryEquals", "~"),
        ("Null", "1"),
    ] {
        let operator = Operator::parse(operator).unwrap();
        let compiled = Condition::compile(
            operator,
            ContextKey::parse("k"),
            ["x", value].into_iter().skip(1),
            true,
            Reading::Strict,
        );
        assert!(compiled.is_err_and(|bad| bad.index == 0), "{operator}");
    }
}

/// Typed values of the server's own context compare like their texts.
#[test]
fn typed_values_compare_like_their_texts() {
    struct Typed;
    impl ContextSource for Typed {
        fn get<'a>(&'a self, key: &'a ContextKey) -> Option<ContextValue<'a>> {
            let scalar = match key.to_string().as_str() {
                "bool" => Scalar::Bool(true),
                "integer" => Scalar::Integer(7),
                "time" => Scalar::Time(1_784_045_400_000),
                "account" => Scalar::Account("000000000042".parse().ok()?),
                _ => return None,
            };
            Some(ContextValue::One(scalar))
        }
    }
    let holds = |operator: &str, key: &str, value: &str| {
        let condition = Condition::compile(
            Operator::parse(operator).unwrap(),
            ContextKey::parse(key),
            [value].into_iter(),
            true,
            Reading::Strict,
        );
        condition
            .unwrap_or_else(|bad| panic!("{}", bad.message))
            .holds(&Typed, false)
    };
    assert!(holds("Bool", "bool", "true") && holds("StringEquals", "bool", "true"));
    assert!(holds("NumericEquals", "integer", "7") && holds("StringEquals", "integer", "7"));
    assert!(
        holds("DateEquals", "time", "1784045400")
            && holds("StringEquals", "time", "2026-07-14T16:10:00Z")
    );
    assert!(
        holds("StringEquals", "account", "000000000042") && !holds("StringEquals", "account", "42")
    );
}

/// C-4, C-11: a variable may stand for a whole ARN, or for several of its segments.
#[test]
fn arn_variable_that_stands_for_several_segments_is_replaced() {
    let bob = "arn:aws:iam::111122223333:user/bob";
    let context = one(bob)
        .one("aws:PrincipalArn", bob)
        .one("aws:PrincipalTag/wild", "arn:aws:iam::111122223333:user/*")
        .one("aws:PrincipalTag/short", "arn:aws:iam");
    assert!(holds("ArnEquals", "k", &["${aws:PrincipalArn}"], &context));
    assert!(holds(
        "ArnLike",
        "k",
        &["${aws:PrincipalTag/short}::*:user/b*"],
        &context
    ));
    assert!(!holds(
        "ArnNotEquals",
        "k",
        &["${aws:PrincipalArn}"],
        &context
    ));
    assert!(
        !holds("ArnEquals", "k", &["${aws:PrincipalTag/wild}"], &context),
        "C-13: a wildcard in a value is literal"
    );
    assert!(!holds(
        "ArnEquals",
        "k",
        &["${aws:PrincipalTag/short}"],
        &context
    ));
    assert!(!holds("ArnEquals", "k", &["${aws:SourceArn}"], &context));
    assert!(holds("ArnNotEquals", "k", &["${aws:SourceArn}"], &context));
}

/// C-11: a value that holds colons never fills more than its own segment of a written ARN.
#[test]
fn arn_variable_within_a_segment_stays_within_it() {
    let context = one("arn:aws:iam::1:role/x:role/y").one("aws:PrincipalTag/t", "1:role/x");
    assert!(!holds(
        "ArnEquals",
        "k",
        &["arn:aws:iam::${aws:PrincipalTag/t}:role/y"],
        &context
    ));
    let context = one("arn:aws:iam::1:role/x}:y");
    assert!(holds(
        "ArnEquals",
        "k",
        &["arn:aws:iam::1:role/${aws:PrincipalTag/none, 'x}:y'}"],
        &context
    ));
    let context = one("arn:aws:iam::x}:y:role/z");
    assert!(!holds(
        "ArnEquals",
        "k",
        &["arn:aws:iam::${aws:PrincipalTag/none, 'x}:y'}:role/z"],
        &context
    ));
}

/// A context whose pairs may differ in letter case alone.
struct Pairs {
    pairs: BTreeMap<Arc<str>, Arc<str>>,
    other: Context,
}

impl ContextSource for Pairs {
    fn get<'a>(&'a self, key: &'a ContextKey) -> Option<ContextValue<'a>> {
        match key {
            ContextKey::EncryptionContext(name) => Spellings::find(&self.pairs, name),
            key => self.other.get(key),
        }
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    Pairs {
        pairs: pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
        other: Context::default()
            .one("aws:PrincipalTag/stage", "Restricted")
            .one("aws:PrincipalTag/other", "c"),
    }
}

/// Whether a condition holds in a Deny, and in an Allow.
fn holds_in_doubt(operator: &str, key: &str, values: &[&str], context: &Pairs) -> (bool, bool) {
    let operator = Operator::parse(operator).unwrap();
    let values = values.iter().copied();
    let key = ContextKey::parse(key);
    let condition = Condition::compile(operator, key, values, true, Reading::Strict);
    let condition = condition.map_err(|bad| bad.message).unwrap();
    (
        condition.holds(context, true),
        condition.holds(context, false),
    )
}

/// CK-59: of names that differ in letter case alone a Deny takes any, an Allow all; for every operator, and whichever of
/// them stands first.
#[test]
fn pairs_that_differ_in_letter_case_alone_are_taken_against_the_caller() {
    let torn = [("STAGE", "x"), ("stage", "Restricted"), ("z", "1")];
    let turned = [("STAGE", "Restricted"), ("stage", "x")];
    let both = [("Stage", "Restricted"), ("stage", "Restricted")];
    let neither = [("STAGE", "x"), ("stage", "y")];
    let numbers = [("N", "5"), ("n", "50")];
    let name = "kms:EncryptionContext:sTAGE";
    for (operator, values) in [
        ("StringEquals", &["Restricted"][..]),
        ("StringEqualsIfExists", &["Restricted"]),
        ("StringEqualsIgnoreCase", &["restricted"]),
        ("StringLike", &["Rest*"]),
        ("ForAnyValue:StringEquals", &["Restricted", "Secret"]),
        ("ForAllValues:StringEquals", &["Restricted", "Secret"]),
        ("StringEquals", &["${aws:PrincipalTag/stage}"]),
        ("StringNotEquals", &["x", "y"]),
        ("StringNotLike", &["?"]),
        ("ForAllValues:StringNotEquals", &["x", "y"]),
        ("ForAnyValue:StringNotEquals", &["x", "y"]),
    ] {
        for (request, wanted) in [
            (&torn[..], (true, false)),
            (&turned, (true, false)),
            (&both, (true, true)),
            (&neither, (false, false)),
            (&both[..1], (true, true)),
            (&neither[..1], (false, false)),
        ] {
            let got = holds_in_doubt(operator, name, values, &pairs(request));
            assert_eq!(got, wanted, "{operator} {values:?} {request:?}");
        }
    }
    for (operator, value, wanted) in [
        ("NumericLessThan", "10", (true, false)),
        ("NumericGreaterThan", "10", (true, false)),
        ("NumericNotEquals", "5", (true, false)),
        ("NumericGreaterThan", "1", (true, true)),
        ("DateLessThan", "10", (true, false)),
    ] {
        let got = holds_in_doubt(
            operator,
            "kms:EncryptionContext:n",
            &[value],
            &pairs(&numbers),
        );
        assert_eq!(got, wanted, "{operator} {value}");
    }
    let here = holds_in_doubt("Null", name, &["false"], &pairs(&torn));
    assert_eq!(here, (true, true));
    let absent = holds_in_doubt("Null", name, &["true"], &pairs(&torn));
    assert_eq!(absent, (false, false));
}

/// CK-59: so are the values of variables, in a condition on another key and on the same.
#[test]
fn variables_that_differ_in_letter_case_alone_are_taken_against_the_caller() {
    let torn = pairs(&[("STAGE", "x"), ("stage", "Restricted")]);
    let (tag, value) = ("aws:PrincipalTag/stage", "${kms:EncryptionContext:stage}");
    let holds =
        |operator: &str, key: &str, value: &str| holds_in_doubt(operator, key, &[value], &torn);
    assert_eq!(holds("StringEquals", tag, value), (true, false));
    assert_eq!(holds("StringNotEquals", tag, value), (true, false));
    assert_eq!(
        holds("StringLike", tag, &format!("*{value}")),
        (true, false)
    );
    let other = "aws:PrincipalTag/other";
    assert_eq!(holds("StringEquals", other, value), (false, false));
    assert_eq!(holds("StringNotEquals", other, value), (true, true));
    // A default is for a variable without a value.
    let defaulted = "${kms:EncryptionContext:stage, 'Restricted'}";
    assert_eq!(holds("StringEquals", tag, defaulted), (true, false));
    // One choice holds for the key and the variable alike.
    let own = "kms:EncryptionContext:Stage";
    assert_eq!(holds("StringEquals", own, value), (true, true));
    assert_eq!(holds("StringNotEquals", own, value), (false, false));
    let condition = Condition::compile(
        Operator::parse("StringEquals").unwrap(),
        ContextKey::parse(tag),
        [value].into_iter(),
        true,
        Reading::Strict,
    );
    // C-12: a variable with several values is not null.
    assert!(condition.is_ok_and(|condition| !condition.has_null(&torn)));
}

/// CK-59: too many combinations are not tried, and taken against the caller.
#[test]
fn more_spellings_than_are_tried_are_taken_against_the_caller() {
    let name = |bits: u32| -> String {
        (0..10)
            .map(|bit| if bits >> bit & 1 == 1 { 'K' } else { 'k' })
            .collect()
    };
    let names: Vec<(String, String)> = (0..300).map(|n| (name(n), n.to_string())).collect();
    let all = |count: usize| {
        let all: Vec<(&str, &str)> = names
            .iter()
            .take(count)
            .map(|(n, v)| (&**n, &**v))
            .collect();
        pairs(&all)
    };
    let key = "kms:EncryptionContext:kkkkkkkkkk";
    let holds =
        |count: usize, value: &str| holds_in_doubt("StringLike", key, &[value], &all(count));
    assert_eq!(holds(256, "?*"), (true, true));
    assert_eq!(holds(256, "w"), (false, false));
    assert_eq!(holds(257, "?*"), (true, false));
    assert_eq!(holds(257, "w"), (true, false));
}
