//! Values that a key never has, and wildcards that are none (C-3, CK table, ID-21).

use super::super::action::KmsAction;
use super::super::ast::{Item, nearest};
use super::super::context::{ContextKey, KnownKey};
use super::conditions::Read;
use super::{Found, Lint, Subject, shown};

const KEY_SPECS: &[&str] = &[
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "ECC_NIST_P256",
    "ECC_NIST_P384",
    "ECC_NIST_P521",
    "ECC_SECG_P256K1",
    "SYMMETRIC_DEFAULT",
    "HMAC_224",
    "HMAC_256",
    "HMAC_384",
    "HMAC_512",
    "SM2",
    "ML_DSA_44",
    "ML_DSA_65",
    "ML_DSA_87",
    "ECC_NIST_EDWARDS25519",
    "ML_KEM_512",
    "ML_KEM_768",
    "ML_KEM_1024",
];

/// The closed lists of W-8 and of the key table.
fn closed(key: KnownKey) -> Option<&'static [&'static str]> {
    Some(match key {
        KnownKey::KeySpec | KnownKey::CustomerMasterKeySpec => KEY_SPECS,
        KnownKey::KeyUsage | KnownKey::CustomerMasterKeyUsage => &[
            "SIGN_VERIFY",
            "ENCRYPT_DECRYPT",
            "GENERATE_VERIFY_MAC",
            "KEY_AGREEMENT",
            "ENCAPSULATE_DECAPSULATE",
        ],
        KnownKey::KeyOrigin => &["AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"],
        KnownKey::MultiRegionKeyType => &["PRIMARY", "REPLICA"],
        KnownKey::GrantConstraintType => &["EncryptionContextEquals", "EncryptionContextSubset"],
        KnownKey::EncryptionAlgorithm => &[
            "SYMMETRIC_DEFAULT",
            "RSAES_OAEP_SHA_1",
            "RSAES_OAEP_SHA_256",
            "SM2PKE",
        ],
        KnownKey::MessageType => &["RAW", "DIGEST", "EXTERNAL_MU"],
        KnownKey::MacAlgorithm => &[
            "HMAC_SHA_224",
            "HMAC_SHA_256",
            "HMAC_SHA_384",
            "HMAC_SHA_512",
        ],
        KnownKey::PrincipalType => &["Account", "User", "AssumedRole", "FederatedUser"],
        KnownKey::PolicyName => &["default", "AWS_RAM"],
        _ => return None,
    })
}

pub(super) fn check(subject: &Subject<'_>, condition: &Read<'_>, found: &mut Found) {
    let operator = &condition.operator;
    if !operator.is_string() && !operator.is_arn() {
        return;
    }
    for value in &condition.ast.values {
        if operator.is_string() && !operator.takes_wildcards() && has_wildcard(&value.text) {
            found.add(
                Lint::LiteralWildcard,
                value,
                format!(
                    "under `{}` a wildcard stands for itself",
                    shown(&condition.ast.operator.text)
                ),
                if operator.is_negated() {
                    "write `StringNotLike` if a pattern is meant"
                } else {
                    "write `StringLike` if a pattern is meant"
                },
            );
            continue;
        }
        if value.text.contains("${") {
            continue;
        }
        if let Some(help) = wrong_form(condition, value) {
            let outcome = condition.outcome_of_no_match(subject);
            found.add(
                Lint::ValueNeverMatches,
                value,
                format!(
                    "`{}` never has the value `{}`: {outcome}",
                    condition.name(),
                    shown(&value.text)
                ),
                help,
            );
        }
    }
}

fn has_wildcard(text: &str) -> bool {
    text.replace("${*}", "")
        .replace("${?}", "")
        .contains(['*', '?'])
}

/// How to write it, if the key can never have this value.
fn wrong_form(condition: &Read<'_>, value: &Item) -> Option<String> {
    let ContextKey::Known(key) = condition.key else {
        return None;
    };
    let text = &*value.text;
    let is_pattern = condition.operator.takes_wildcards() && has_wildcard(text);
    let same = |one: &str, other: &str| {
        if condition.operator.ignores_case() {
            one.eq_ignore_ascii_case(other)
        } else {
            one == other
        }
    };
    let one_of = |known: &mut dyn Iterator<Item = &'static str>| {
        let known: Vec<&str> = known.collect();
        if is_pattern || known.iter().any(|name| same(name, text)) {
            return None;
        }
        Some(match nearest(text, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is one of {}", known.join(", ")),
        })
    };
    if let Some(known) = closed(key) {
        return one_of(&mut known.iter().copied());
    }
    let starts = |prefix: &str| {
        let fixed = if is_pattern {
            text.split(['*', '?']).next().unwrap_or_default()
        } else {
            text
        };
        let head = |s: &str, n: usize| s.get(..n.min(s.len())).map(str::to_owned);
        let length = fixed.len().min(prefix.len());
        (is_pattern || fixed.len() >= prefix.len())
            && matches!((head(fixed, length), head(prefix, length)), (Some(a), Some(b)) if same(&a, &b))
    };
    match key {
        KnownKey::GrantOperations => one_of(
            &mut KmsAction::ALL
                .iter()
                .filter(|action| action.is_grantable())
                .map(|action| action.name()),
        ),
        KnownKey::CallerAccount
        | KnownKey::PrincipalAccount
        | KnownKey::ResourceAccount
        | KnownKey::SourceAccount => {
            let is_account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
            (!is_pattern && !is_account).then(|| "write the twelve digits of an account".to_string())
        }
        KnownKey::RequestAlias | KnownKey::ResourceAliases => (!starts("alias/"))
            .then(|| "write the alias's name, as in `alias/app`, not its ARN".to_string()),
        KnownKey::ViaService => {
            let labels = text.split('.').count();
            let is_name = text.contains(".amazonaws.com") && labels >= 4;
            (!is_pattern && !is_name).then(|| {
                "write service, Region and domain, as in `s3.eu-west-1.amazonaws.com`".to_string()
            })
        }
        // ID-21.
        KnownKey::PrincipalArn => text.contains(":assumed-role/").then(|| {
            "aws:PrincipalArn of a session is the ARN of its role: write arn:aws:iam::<account>:role/<path and name>".to_string()
        }),
        KnownKey::SourceIp | KnownKey::VpcSourceIp => text
            .contains('/')
            .then(|| "write the operator `IpAddress` or `NotIpAddress` to compare with a range".to_string()),
        _ => None,
    }
}
