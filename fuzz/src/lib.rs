//! What each fuzz target does with its bytes, and what it holds the code to beyond not panicking.
//!
//! The targets in `fuzz_targets` and the test `tests/it/fuzz_corpus.rs`, which replays the corpus, run these same
//! functions.

use std::str::FromStr;

use grantd::cli::casefile;
use grantd::cli::decide::decide_lines;
use grantd::crypto::seal::EpochSecret;
use grantd::crypto::token::{self, Epoch, EpochKeys, TokenBody};
use grantd::domain::ids::{
    AccountId, AliasArn, AliasName, Arn, CustomKeyStoreId, GrantId, KeyArn, KeyId, KeyRef,
    Partition, PrincipalArn, Region, ServicePrincipal, UniqueId,
};
use grantd::domain::limits;
use grantd::domain::policy::{
    Action, Ask, ContextKey, ContextSource, ContextValue, Policy, PolicyKind, Profile,
    ResourceName, Verdict, Who, lint,
};
use grantd::domain::time::{Incarnation, Revision};
use grantd::wire::stored;
use serde_json::Value;

/// One of the targets: its name, which is that of its folder of the corpus, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 7] = [
    ("policy", policy),
    ("names", names),
    ("token", token),
    ("condition", condition),
    ("stored", stored),
    ("decide", decide),
    ("cases", cases),
];

const KINDS: [PolicyKind; 7] = [
    PolicyKind::Key,
    PolicyKind::Identity,
    PolicyKind::Boundary,
    PolicyKind::Session,
    PolicyKind::ServiceControl,
    PolicyKind::ResourceControl,
    PolicyKind::VpcEndpoint,
];

/// A context in which every key has the same value, and some have several.
struct Everywhere<'a> {
    text: &'a str,
    several: Vec<&'a str>,
}

impl ContextSource for Everywhere<'_> {
    fn get<'a>(&'a self, key: &'a ContextKey) -> Option<ContextValue<'a>> {
        match key {
            ContextKey::Other(_) => None,
            key if key.is_multivalued() => Some(ContextValue::Many(&self.several)),
            _ => Some(ContextValue::text(self.text)),
        }
    }
}

/// The policy parser: what it takes is JSON, is taken again, is linted, and says the same twice.
pub fn policy(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let kind = KINDS[usize::from(*first) % KINDS.len()];
    let policy = match Policy::parse(text, kind) {
        Err(error) => {
            let lines = u32::try_from(text.split('\n').count()).unwrap();
            assert!(
                error.line() >= 1 && error.line() <= lines && error.column() >= 1,
                "{error}"
            );
            assert!(error.offending().len() <= limits::ECHO_MAX && !error.message().is_empty());
            assert_eq!(lint(text, kind, None), Err(error));
            return;
        }
        Ok(policy) => policy,
    };
    assert!(
        serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(),
        "no JSON to others"
    );
    assert_eq!(&**policy.text(), text);
    let warnings =
        lint(text, kind, AccountId::from_str("111122223333").ok()).expect("a valid policy");
    assert!(warnings.len() <= limits::POLICY_WARNINGS_MAX);
    let again = Policy::parse_unstored(text, kind).expect("what may be stored may be asked about");
    let bob: PrincipalArn = "arn:aws:iam::111122223333:user/bob".parse().unwrap();
    for (action, value) in [
        ("kms:Decrypt", "a"),
        ("kms:CreateGrant", "1"),
        ("iam:CreateUser", "true"),
    ] {
        let action = Action::parse(action);
        let context = Everywhere {
            text: value,
            several: vec![value, "b"],
        };
        let ask = Ask {
            action: &action,
            resource: ResourceName::arn(
                "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            )
            .unwrap(),
            who: Who::User {
                arn: &bob,
                unique_id: None,
            },
            has_boundary: false,
            context: &context,
            profile: Profile::Current,
        };
        for (one, other) in policy.statements().iter().zip(again.statements()) {
            let (one, other) = (one.verdict(&ask, None), other.verdict(&ask, None));
            assert_eq!(format!("{one:?}"), format!("{other:?}"));
        }
    }
}

fn reads_back<T: FromStr + ToString + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let printed = value.to_string();
        assert!(
            printed.parse::<T>().is_ok_and(|again| again == value),
            "{text:?} prints as {printed:?}"
        );
    }
}

/// Names: what is read prints a text that is read as the same again.
pub fn names(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    reads_back::<AccountId>(text);
    reads_back::<AliasArn>(text);
    reads_back::<AliasName>(text);
    reads_back::<Arn>(text);
    reads_back::<CustomKeyStoreId>(text);
    reads_back::<GrantId>(text);
    reads_back::<KeyArn>(text);
    reads_back::<KeyId>(text);
    reads_back::<KeyRef>(text);
    reads_back::<Partition>(text);
    reads_back::<PrincipalArn>(text);
    reads_back::<Region>(text);
    reads_back::<ServicePrincipal>(text);
    reads_back::<UniqueId>(text);
    if let Ok(arn) = text.parse::<PrincipalArn>() {
        assert_eq!(arn.as_str(), text);
        assert!(Arn::from_str(text).is_ok(), "a principal is an ARN");
        let _ = format!("{:?}", arn.kind());
    }
    let key = ContextKey::parse(text);
    assert_eq!(ContextKey::parse(&key.to_string()), key);
    let action = Action::parse(text);
    assert_eq!(Action::parse(action.as_str()), action);
    if let Some(name) = ResourceName::arn(text) {
        assert!(text.ends_with(name.tail()));
    }
}

/// The token decoder: no bytes but a minted token's open, and a body that is read makes a token that opens to it.
pub fn token(data: &[u8]) {
    let incarnation = Incarnation([7; 16]);
    let keys = EpochKeys::derive(Epoch(1), incarnation, &EpochSecret::from_bytes([9; 32]));
    if let Ok(text) = std::str::from_utf8(data) {
        let peeked = token::peek(text, incarnation);
        if let Ok((header, _)) = token::open(text, &keys) {
            assert_eq!(peeked.map(|peeked| peeked.born), Ok(header.born));
        }
        assert!(token::token_hint(text).len() <= 64);
    }
    let born = Revision(5);
    if let Some(TokenBody::Grant(grant)) = token::read_body(data, born, token::Epoch(1)) {
        let minted = token::mint(&keys, &grant, Revision(4), [3; 16]).expect("ids at least fit");
        let (header, body) = token::open(minted.as_str(), &keys).expect("just minted");
        assert_eq!((header.born, header.depends_on), (born, Revision(4)));
        assert_eq!(body.grant_id(), grant.id);
        if let Some(opened) = body.grant() {
            assert_eq!(*opened, grant);
        }
        let mut bytes = minted.as_str().as_bytes().to_vec();
        let at = usize::from(data.first().copied().unwrap_or_default()) % bytes.len();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).expect("base 64");
        assert!(
            token::open(&changed, &keys).is_err(),
            "a changed token opened"
        );
    }
}

const PAIRS: [(&str, &str); 9] = [
    ("StringEquals", "StringNotEquals"),
    ("StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"),
    ("StringLike", "StringNotLike"),
    ("NumericEquals", "NumericNotEquals"),
    ("DateEquals", "DateNotEquals"),
    ("IpAddress", "NotIpAddress"),
    ("ArnEquals", "ArnNotEquals"),
    ("ArnLike", "ArnNotLike"),
    ("StringEquals", "StringNotEquals"),
];
const OTHERS: [&str; 14] = [
    "Bool",
    "BinaryEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "ArnEquals",
    "ArnLike",
    "StringLike",
    "StringEqualsIgnoreCase",
];

/// Whether a condition on one key holds for a request with this value; `None` if the policy is refused.
fn holds(operator: &str, values: &[&str], of_request: Option<&str>) -> Option<bool> {
    struct One<'a>(Option<&'a str>);
    impl ContextSource for One<'_> {
        fn get<'a>(&'a self, key: &'a ContextKey) -> Option<ContextValue<'a>> {
            match key {
                ContextKey::Other(name) if name.as_str() == "x:variable" => {
                    Some(ContextValue::text("v*"))
                }
                _ => self.0.map(ContextValue::text),
            }
        }
    }
    let statement = serde_json::json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {operator: {"x:key": values}}}});
    let policy = Policy::parse_unstored(&statement.to_string(), PolicyKind::Identity).ok()?;
    let bob: PrincipalArn = "arn:aws:iam::111122223333:user/bob".parse().ok()?;
    let action = Action::parse("kms:Decrypt");
    let ask = Ask {
        action: &action,
        resource: ResourceName::none("aws", "kms", "eu-west-1", "111122223333"),
        who: Who::User {
            arn: &bob,
            unique_id: None,
        },
        has_boundary: false,
        context: &One(of_request),
        profile: Profile::Current,
    };
    let verdict = policy.statements().first()?.verdict(&ask, None);
    Some(matches!(verdict, Verdict::Applies { .. }))
}

/// Condition values: lines are an operator's number, the request's value, and the policy's values.
pub fn condition(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(rest) else {
        return;
    };
    let mut lines = text.split('\n');
    let Some(of_request) = lines.next() else {
        return;
    };
    let values: Vec<&str> = lines.take(8).collect();
    let number = usize::from(*first);
    let Some((positive, negative)) = PAIRS.get(number) else {
        let operator = OTHERS[number % OTHERS.len()];
        let plain = holds(operator, &values, Some(of_request));
        // C-6: `IfExists` changes nothing for a key that is there; C-5: a positive operator wants the key.
        assert_eq!(
            holds(&format!("{operator}IfExists"), &values, Some(of_request)),
            plain
        );
        if plain.is_some() {
            assert_eq!(holds(operator, &values, None), Some(false));
            assert_eq!(
                holds(&format!("{operator}IfExists"), &values, None),
                Some(true)
            );
            // C-1: values are alternatives.
            let any = values
                .iter()
                .any(|value| holds(operator, &[value], Some(of_request)) == Some(true));
            assert_eq!(plain, Some(any));
        }
        return;
    };
    let (yes, no) = (
        holds(positive, &values, Some(of_request)),
        holds(negative, &values, Some(of_request)),
    );
    // C-1: a negated operator holds when the positive one does not.
    assert_eq!(
        yes.map(|yes| !yes),
        no,
        "{positive} {values:?} {of_request:?}"
    );
    if yes.is_some() {
        // C-5.
        assert_eq!(holds(positive, &values, None), Some(false));
        assert_eq!(holds(negative, &values, None), Some(true));
    }
    if *positive == "StringEquals"
        && !values.iter().any(|value| value.contains("${"))
        && !values.is_empty()
    {
        assert_eq!(yes, Some(values.contains(&of_request)));
    }
}

/// A record with a right header, so that the payload is reached.
pub fn record(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut record = b"GRTD".to_vec();
    record.extend(kind.to_le_bytes());
    record.extend(4u16.to_le_bytes());
    record.extend(
        u32::try_from(payload.len())
            .unwrap_or(u32::MAX)
            .to_le_bytes(),
    );
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&record);
    checksum.update(payload);
    record.extend(checksum.finalize().to_le_bytes());
    record.extend(payload);
    record
}

/// The records of a stream, each cut at its length and given a right header.
fn stream(mut data: &[u8]) -> Vec<u8> {
    let mut records = Vec::new();
    while let Some((head, rest)) = data.split_first_chunk::<16>() {
        let kind = u16::from_le_bytes([head[4], head[5]]);
        let length = u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
        let (payload, after) = rest.split_at(length.min(rest.len()));
        records.extend(record(kind, payload));
        data = after;
    }
    records
}

/// Stored records: the first byte says which; what is read is written as bytes that are read as the same.
pub fn stored(data: &[u8]) {
    let Some((first, payload)) = data.split_first() else {
        return;
    };
    let _ = (
        stored::decode_entry(payload),
        stored::decode_draft(payload),
        stored::decode_outcome(payload),
    );
    match first % 4 {
        0 => {
            if let Ok(entry) = stored::decode_entry(&record(1, payload)) {
                let bytes = stored::encode_entry(&entry).expect("it was read");
                let again = stored::decode_entry(&bytes).expect("it was written");
                assert_eq!(stored::encode_entry(&again).expect("as before"), bytes);
            }
        }
        1 => {
            let _ = stored::decode_draft(&record(2, payload));
        }
        2 => {
            if let Ok(outcome) = stored::decode_outcome(&record(3, payload)) {
                let bytes = stored::encode_outcome(&outcome).expect("it was read");
                let again = stored::decode_outcome(&bytes).expect("it was written");
                assert_eq!(stored::encode_outcome(&again).expect("as before"), bytes);
            }
        }
        _ => {
            let bytes = stream(payload);
            if let Ok(state) = stored::read_snapshot(&mut bytes.as_slice()) {
                let mut written = Vec::new();
                stored::write_snapshot(&state, &mut written).expect("it was read");
                let again = stored::read_snapshot(&mut written.as_slice()).expect("it was written");
                assert_eq!(again.fingerprint(), state.fingerprint());
            }
        }
    }
}

/// `grantd decide`: every line that is not blank gets one line, which is JSON and says a decision or an error.
pub fn decide(data: &[u8]) {
    let mut output = Vec::new();
    decide_lines(data, &mut output).expect("memory does not fail");
    let is_asked = |line: &&[u8]| !line.iter().all(u8::is_ascii_whitespace);
    let asked = data.split(|byte| *byte == b'\n').filter(is_asked).count();
    let answers: Vec<&[u8]> = output
        .split(|byte| *byte == b'\n')
        .filter(is_asked)
        .collect();
    assert_eq!(answers.len(), asked);
    for answer in answers {
        let answer: Value = serde_json::from_slice(answer).expect("JSON");
        assert!(
            answer["decision"].is_string() != answer["error"].is_string(),
            "{answer}"
        );
    }
}

/// Case files: read or refused with a place; what is read runs to an end.
pub fn cases(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(cases) = casefile::read_cases(text, None) else {
        return;
    };
    for case in cases.iter().flatten() {
        let ended = casefile::run(case);
        assert_eq!(
            format!("{ended:?}"),
            format!("{:?}", casefile::run(case)),
            "a case runs the same twice"
        );
    }
}
