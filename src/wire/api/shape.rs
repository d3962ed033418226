//! The limits of every member's text, number and list, in one table (W-7, W-8), and the exact text of their
//! violations (W-3). Every front checks its requests here, before anything else is looked at (ST-4).
//!
//! Imports domain. Never: what a value means; that is parsed afterwards.

use std::fmt::Write as _;

use crate::domain::ids::{
    CloudHsmClusterId, XksAccessKeyId, XksKeyId, XksProxyEndpoint, XksProxyPath, XksVpcService,
};
use crate::domain::limits;

/// The limits of a text: its length in characters, and its pattern.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// Fewest characters.
    pub min: usize,
    /// Most characters.
    pub max: usize,
    /// What it must match, if anything.
    pub pattern: Option<Pattern>,
}

/// A pattern: AWS's own text of it, and the same as code.
#[derive(Clone, Copy, Debug)]
pub struct Pattern {
    /// As AWS prints it.
    pub text: &'static str,
    /// Whether a text matches it.
    pub matches: fn(&str) -> bool,
}

/// The limits of a whole number.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// The least.
    pub min: i32,
    /// The greatest.
    pub max: i32,
}

const fn text(min: usize, max: usize) -> Text {
    Text {
        min,
        max,
        pattern: None,
    }
}

const fn patterned(
    min: usize,
    max: usize,
    pattern: &'static str,
    matches: fn(&str) -> bool,
) -> Text {
    Text {
        min,
        max,
        pattern: Some(Pattern {
            text: pattern,
            matches,
        }),
    }
}

const fn bounded(
    (min, max): (usize, usize),
    pattern: &'static str,
    matches: fn(&str) -> bool,
) -> Text {
    patterned(min, max, pattern, matches)
}

/// `AccountIdType`
pub const ACCOUNT_ID: Text = patterned(12, 12, "[0-9]{12}", |t| {
    t.bytes().all(|b| b.is_ascii_digit())
});
/// `AliasNameType`
pub const ALIAS_NAME: Text = patterned(1, 256, "^[a-zA-Z0-9:/_-]+$", is_name);
/// `ArnType`
pub const ARN: Text = text(20, 2048);
/// `CloudHsmClusterIdType`
pub const CLOUD_HSM_CLUSTER_ID: Text = bounded(
    limits::CLOUD_HSM_CLUSTER_ID,
    "cluster-[2-7a-zA-Z]{11,16}",
    |t| t.parse::<CloudHsmClusterId>().is_ok(),
);
/// `CustomKeyStoreIdType`
pub const CUSTOM_KEY_STORE_ID: Text = text(1, limits::CUSTOM_KEY_STORE_ID_MAX);
/// `CustomKeyStoreNameType`
pub const CUSTOM_KEY_STORE_NAME: Text = text(1, limits::CUSTOM_KEY_STORE_NAME_CHARS_MAX);
/// `DescriptionType`
pub const DESCRIPTION: Text = text(0, 8192);
/// `GrantConstraintSourceArnType`
pub const SOURCE_ARN: Text = patterned(
    20,
    512,
    "^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$",
    is_source_arn,
);
/// `GrantIdType`
pub const GRANT_ID: Text = text(1, 128);
/// `GrantNameType`
pub const GRANT_NAME: Text = patterned(1, 256, "^[a-zA-Z0-9:/_-]+$", is_name);
/// `GrantTokenType`
pub const GRANT_TOKEN: Text = text(1, limits::GRANT_TOKEN_CHARS_MAX);
/// `BackingKeyIdType`
pub const KEY_MATERIAL_ID: Text = patterned(64, 64, "^[a-f0-9]+$", |t| {
    !t.is_empty() && t.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
});
/// `KeyMaterialDescriptionType`
pub const KEY_MATERIAL_DESCRIPTION: Text = patterned(0, 256, "^[a-zA-Z0-9:/_\\s.-]+$", |t| {
    !t.is_empty()
        && t.chars().all(|c| {
            c.is_ascii_alphanumeric()
                || matches!(c, ':' | '/' | '_' | '.' | '-' | ' ' | '\t'..='\r')
        })
});
/// `KeyIdType`
pub const KEY_ID: Text = text(1, 2048);
/// `KeyStorePasswordType`
pub const KEY_STORE_PASSWORD: Text =
    text(limits::KEY_STORE_PASSWORD.0, limits::KEY_STORE_PASSWORD.1);
/// `MarkerType`
pub const MARKER: Text = patterned(1, 1024, "[\\u0020-\\u00FF]*", |t| {
    t.chars().all(|c| matches!(c, '\u{20}'..='\u{ff}'))
});
/// `PolicyNameType`
pub const POLICY_NAME: Text = patterned(1, 128, "[\\w]+", |t| {
    t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
});
/// `PolicyType`
pub const POLICY: Text = patterned(1, 131_072, "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+", |t| {
    t.chars()
        .all(|c| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}'))
});
/// `PrincipalIdType`
pub const PRINCIPAL_ID: Text = patterned(1, 256, "^[\\w+=,.@:/-]+$", is_principal);
/// `ServicePrincipalType`
pub const SERVICE_PRINCIPAL: Text = patterned(
    1,
    128,
    "^([A-Za-z0-9\\-]+)\\.([A-Za-z0-9\\-]+)(\\.[A-Za-z0-9\\-]+)+$",
    is_service_principal,
);
/// `RegionType`
pub const REGION: Text = patterned(1, 32, "^([a-z]+-){2,3}\\d+$", is_region);
/// `TagKeyType`
pub const TAG_KEY: Text = text(1, 128);
/// `TagValueType`
pub const TAG_VALUE: Text = text(0, 256);
/// `TrustAnchorCertificateType`
pub const TRUST_ANCHOR_CERTIFICATE: Text = text(1, limits::TRUST_ANCHOR_CHARS_MAX);
/// `XksKeyIdType`
pub const XKS_KEY_ID: Text = bounded(limits::XKS_KEY_ID, "^[a-zA-Z0-9-_.]+$", |t| {
    t.parse::<XksKeyId>().is_ok()
});
/// `XksProxyAuthenticationAccessKeyIdType`
pub const XKS_ACCESS_KEY_ID: Text = bounded(limits::XKS_ACCESS_KEY_ID, "^[A-Z2-7]+$", |t| {
    t.parse::<XksAccessKeyId>().is_ok()
});
/// `XksProxyAuthenticationRawSecretAccessKeyType`
pub const XKS_SECRET_ACCESS_KEY: Text =
    bounded(limits::XKS_SECRET_ACCESS_KEY, "^[a-zA-Z0-9\\/+=]+$", |t| {
        t.bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'+' | b'='))
    });
/// `XksProxyUriEndpointType`
pub const XKS_PROXY_ENDPOINT: Text = bounded(
    limits::XKS_PROXY_ENDPOINT,
    "^https://[a-zA-Z0-9.-]+$",
    |t| t.parse::<XksProxyEndpoint>().is_ok(),
);
/// `XksProxyUriPathType`
pub const XKS_PROXY_PATH: Text = bounded(
    limits::XKS_PROXY_PATH,
    "^(/[a-zA-Z0-9\\/_-]+/kms/xks/v\\d{1,2})$|^(/kms/xks/v\\d{1,2})$",
    |t| t.parse::<XksProxyPath>().is_ok(),
);
/// `XksProxyVpcEndpointServiceNameType`
pub const XKS_VPC_SERVICE: Text = bounded(
    limits::XKS_VPC_SERVICE,
    "^(com|eu)\\.amazonaws\\.vpce\\.([a-z]+-){2,3}\\d+\\.vpce-svc-[0-9a-z]+$",
    |t| t.parse::<XksVpcService>().is_ok(),
);
/// `PendingWindowInDaysType`; the operation itself allows 7 to 30 (W-5).
pub const PENDING_WINDOW: Number = Number { min: 1, max: 365 };
/// `LimitType`
pub const LIMIT: Number = Number { min: 1, max: 1000 };

/// IAM `policyNameType`: names of identity policies.
pub const IDENTITY_POLICY_NAME: Text = patterned(1, 128, "[\\w+=,.@-]+", is_iam_name);
/// IAM `roleSessionNameType`.
pub const SESSION_NAME: Text = patterned(2, 64, "[\\w+=,.@-]*", is_iam_name);
/// The name of a federated user (STS `userNameType`).
pub const FEDERATED_NAME: Text = patterned(2, 32, "[\\w+=,.@-]*", is_iam_name);
/// A user's or role's ARN, with room for the longest path.
pub const PRINCIPAL_ARN: Text = patterned(
    20,
    limits::PRINCIPAL_ARN_MAX,
    "^[\\w+=,.@:/-]+$",
    is_principal,
);
/// A group's ARN, with room for the longest path.
pub const GROUP_ARN: Text = patterned(20, limits::GROUP_ARN_MAX, "^[\\w+=,.@:/-]+$", is_principal);
/// Organizations `OrganizationalUnitName` and `PolicyName`.
pub const CONTROL_POLICY_NAME: Text = text(1, limits::ORGANIZATION_NAME_CHARS_MAX);
/// Ours: an account's display name.
pub const ACCOUNT_NAME: Text = text(0, limits::ACCOUNT_NAME_CHARS_MAX);
/// Ours: an idempotency key.
pub const IDEMPOTENCY_KEY: Text = text(1, limits::IDEMPOTENCY_KEY_MAX);
/// Ours: a consistency token, `<32 hex digits>.<revision>`.
pub const POSITION: Text = text(34, 53);
/// Ours: an action, `kms:Decrypt`.
pub const ACTION: Text = text(3, 128);
/// Ours: the name of a condition key.
pub const CONTEXT_KEY: Text = text(1, limits::CONTEXT_KEY_CHARS_MAX);
/// Ours: a value of a condition key.
pub const CONTEXT_VALUE: Text = text(0, limits::CONTEXT_VALUE_CHARS_MAX);
/// A key of the encryption context; the whole context is bounded by [`limits::ENCRYPTION_CONTEXT_BYTES_MAX`].
pub const ENCRYPTION_CONTEXT_TEXT: Text = text(0, limits::ENCRYPTION_CONTEXT_BYTES_MAX);
/// Ours: a front's name.
pub const FRONT_NAME: Text = text(1, 128);
/// Ours: a node's address.
pub const ADDRESS: Text = text(1, limits::ADDRESS_CHARS_MAX);

fn is_name(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b':' | b'/' | b'_' | b'-'))
}

fn is_iam_name(text: &str) -> bool {
    text.bytes().all(|b| {
        b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'=' | b',' | b'.' | b'@' | b'-')
    })
}

fn is_principal(text: &str) -> bool {
    text.bytes().all(|b| {
        b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'_' | b'+' | b'=' | b',' | b'.' | b'@' | b':' | b'/' | b'-'
            )
    })
}

fn is_service_principal(text: &str) -> bool {
    let label = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.split('.').count() >= 3 && text.split('.').all(label)
}

fn is_region(text: &str) -> bool {
    let mut parts = text.rsplit('-');
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    parts.next().is_some_and(digits) && {
        let words: Vec<&str> = parts.collect();
        (2..=3).contains(&words.len()) && words.iter().all(|part| word(part))
    }
}

fn is_source_arn(text: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let lower = |part: &str| {
        part.bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    let mut next = || parts.next().unwrap_or_default();
    next() == "arn"
        && next().strip_prefix("aws").is_some_and(lower)
        && {
            let service = next();
            !service.is_empty() && lower(service)
        }
        && lower(next())
        && {
            let account = next();
            account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())
        }
        && {
            let rest = next();
            !rest.is_empty() && !rest.contains('\n')
        }
}

/// What is said of an encryption context of more bytes than a request may bring; `None`: it is not too large.
pub fn oversized_context<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
    let bytes: usize = pairs.map(|(key, value)| key.len() + value.len()).sum();
    let max = limits::ENCRYPTION_CONTEXT_BYTES_MAX;
    (bytes > max)
        .then(|| format!("the encryption context has {bytes} bytes; at most {max} are allowed"))
}

/// Collects the violations of one request, in the order of its members.
#[derive(Clone, Debug, Default)]
pub struct Violations {
    found: Vec<String>,
}

impl Violations {
    /// A request without violations so far.
    pub fn new() -> Self {
        Self::default()
    }

    fn add(&mut self, value: Option<&str>, path: &str, constraint: &str) {
        // A request of many wrong members must not make an answer without end.
        if self.found.len() < limits::VIOLATIONS_MAX {
            let mut text = String::from("Value ");
            match value {
                Some(value) => {
                    text.push('\'');
                    text.extend(value.chars().take(limits::VIOLATION_ECHO_CHARS_MAX));
                    text.push_str("' ");
                }
                None => text.push_str("null "),
            }
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "at '{path}' failed to satisfy constraint: Member must {constraint}"
            );
            self.found.push(text);
        }
    }

    /// A required member that is absent.
    pub fn missing(&mut self, path: &str) {
        self.add(None, path, "not be null");
    }

    /// Checks a text.
    pub fn text(&mut self, path: &str, value: &str, shape: Text) {
        let Text { min, max, pattern } = shape;
        // Characters are at least one byte each and at most four: most texts need no count.
        let length = value.chars().count();
        if length > max {
            self.add(
                Some(value),
                path,
                &format!("have length less than or equal to {max}"),
            );
        }
        if length < min {
            self.add(
                Some(value),
                path,
                &format!("have length greater than or equal to {min}"),
            );
        }
        if let Some(Pattern { text, matches }) = pattern
            && !matches(value)
        {
            self.add(
                Some(value),
                path,
                &format!("satisfy regular expression pattern: {text}"),
            );
        }
    }

    /// Checks a text if it is there.
    pub fn optional(&mut self, path: &str, value: Option<&str>, shape: Text) {
        if let Some(value) = value {
            self.text(path, value, shape);
        }
    }

    /// Checks a whole number if it is there.
    pub fn number(&mut self, path: &str, value: Option<i32>, shape: Number) {
        let Number { min, max } = shape;
        let Some(value) = value else { return };
        if value > max {
            self.add(
                Some(&value.to_string()),
                path,
                &format!("have value less than or equal to {max}"),
            );
        }
        if value < min {
            self.add(
                Some(&value.to_string()),
                path,
                &format!("have value greater than or equal to {min}"),
            );
        }
    }

    /// Checks how many elements a list has. AWS echoes a list as its elements between brackets.
    pub fn list<T: AsRef<str>>(&mut self, path: &str, values: &[T], max: usize) {
        if values.len() > max {
            let mut echo = String::from("[");
            for (at, value) in values.iter().enumerate() {
                if echo.len() > limits::VIOLATION_ECHO_CHARS_MAX {
                    break;
                }
                if at > 0 {
                    echo.push_str(", ");
                }
                echo.push_str(value.as_ref());
            }
            echo.push(']');
            self.add(
                Some(&echo),
                path,
                &format!("have length less than or equal to {max}"),
            );
        }
    }

    /// Checks that grant tokens are few, and none empty. A token is never echoed: it is never logged. One that is too
    /// long is no token of this cluster, and is refused as every such is, where tokens are opened.
    pub fn grant_tokens(&mut self, path: &str, tokens: &[String]) {
        if tokens.len() > limits::GRANT_TOKENS_MAX {
            self.hidden(
                path,
                &format!(
                    "have length less than or equal to {}",
                    limits::GRANT_TOKENS_MAX
                ),
            );
        }
        for (at, token) in tokens.iter().enumerate() {
            self.grant_token(&format!("{path}.{}.member", at + 1), token);
        }
    }

    /// Checks one grant token, without an echo.
    pub fn grant_token(&mut self, path: &str, token: &str) {
        let Text { min, .. } = GRANT_TOKEN;
        if token.len() < min {
            self.hidden(path, &format!("have length greater than or equal to {min}"));
        }
    }

    /// Checks a secret, without an echo.
    pub fn secret(&mut self, path: &str, value: &str, shape: Text) {
        let Text { min, max, pattern } = shape;
        let length = value.chars().count();
        if length > max {
            self.hidden(path, &format!("have length less than or equal to {max}"));
        }
        if length < min {
            self.hidden(path, &format!("have length greater than or equal to {min}"));
        }
        if let Some(Pattern { text, matches }) = pattern
            && !matches(value)
        {
            self.hidden(path, &format!("satisfy regular expression pattern: {text}"));
        }
    }

    /// A member that must not be there beside another.
    pub fn excess(&mut self, path: &str, constraint: &str) {
        self.hidden(path, constraint);
    }

    fn hidden(&mut self, path: &str, constraint: &str) {
        if self.found.len() < limits::VIOLATIONS_MAX {
            self.found.push(format!(
                "Value at '{path}' failed to satisfy constraint: Member must {constraint}"
            ));
        }
    }

    /// The member of a closed set that `value` names.
    pub fn member<T: Copy + std::str::FromStr>(
        &mut self,
        path: &str,
        value: &str,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Option<T> {
        let found = value.parse().ok();
        if found.is_none() {
            let names: Vec<&str> = all.iter().map(|member| name(*member)).collect();
            self.add(
                Some(value),
                path,
                &format!("satisfy enum value set: [{}]", names.join(", ")),
            );
        }
        found
    }

    /// Checks that a text is one of a closed set of words.
    pub fn word(&mut self, path: &str, value: &str, words: &[&str]) {
        if !words.contains(&value) {
            let words = words.join(", ");
            self.add(
                Some(value),
                path,
                &format!("satisfy enum value set: [{words}]"),
            );
        }
    }

    /// The text of the exception, or `None` if nothing was violated (W-3).
    pub fn message(&self) -> Option<String> {
        if self.found.is_empty() {
            return None;
        }
        let errors = if self.found.len() == 1 {
            "error"
        } else {
            "errors"
        };
        Some(format!(
            "{} validation {errors} detected: {}",
            self.found.len(),
            self.found.join("; ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::state::key::KeyUsage;

    fn message(check: impl FnOnce(&mut Violations)) -> Option<String> {
        let mut violations = Violations::new();
        check(&mut violations);
        violations.message()
    }

    fn said(check: impl FnOnce(&mut Violations)) -> String {
        message(check).unwrap_or_default()
    }

    /// W-3: the exact texts, one row a form.
    #[test]
    fn violation_of_each_form_has_the_text_of_aws() {
        let long = "a".repeat(129);
        let rows = [
            (
                said(|v| v.text("tags.1.member.tagKey", &long, TAG_KEY)),
                format!(
                    "1 validation error detected: Value '{long}' at 'tags.1.member.tagKey' failed to satisfy constraint: Member must have length less than or equal to 128"
                ),
            ),
            (
                said(|v| v.text("keyId", "", KEY_ID)),
                "1 validation error detected: Value '' at 'keyId' failed to satisfy constraint: Member must have length greater than or equal to 1".to_owned(),
            ),
            (
                said(|v| v.number("limit", Some(0), LIMIT)),
                "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1".to_owned(),
            ),
            (
                said(|v| v.number("limit", Some(1001), LIMIT)),
                "1 validation error detected: Value '1001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 1000".to_owned(),
            ),
            (
                said(|v| v.text("name", "a b", GRANT_NAME)),
                "1 validation error detected: Value 'a b' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$".to_owned(),
            ),
            (
                said(|v| {
                    v.member("keyUsage", "RANDOM", KeyUsage::ALL, KeyUsage::as_str);
                }),
                "1 validation error detected: Value 'RANDOM' at 'keyUsage' failed to satisfy constraint: Member must satisfy enum value set: [ENCRYPT_DECRYPT, SIGN_VERIFY, GENERATE_VERIFY_MAC, KEY_AGREEMENT, ENCAPSULATE_DECAPSULATE]".to_owned(),
            ),
            (
                said(|v| v.missing("operations")),
                "1 validation error detected: Value null at 'operations' failed to satisfy constraint: Member must not be null".to_owned(),
            ),
            (
                said(|v| v.list("tagKeys", &["a", "b"], 1)),
                "1 validation error detected: Value '[a, b]' at 'tagKeys' failed to satisfy constraint: Member must have length less than or equal to 1".to_owned(),
            ),
            (
                said(|v| {
                    v.text("keyId", "", KEY_ID);
                    v.number("limit", Some(0), LIMIT);
                }),
                "2 validation errors detected: Value '' at 'keyId' failed to satisfy constraint: Member must have length greater than or equal to 1; Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1".to_owned(),
            ),
        ];
        for (got, want) in rows {
            assert_eq!(got, want);
        }
    }

    /// ID-12: a token never stands in an error.
    #[test]
    fn violation_of_a_grant_token_does_not_echo_it() {
        let got = said(|v| v.grant_tokens("grantTokens", &[String::new()]));
        assert_eq!(
            got,
            "1 validation error detected: Value at 'grantTokens.1.member' failed to satisfy constraint: Member must have length greater than or equal to 1"
        );
        let eleven: Vec<String> = (0..11).map(|n| n.to_string()).collect();
        assert_eq!(
            said(|v| v.grant_tokens("grantTokens", &eleven)),
            "1 validation error detected: Value at 'grantTokens' failed to satisfy constraint: Member must have length less than or equal to 10"
        );
    }

    /// W-7: what each pattern takes and refuses.
    #[test]
    fn shape_takes_its_texts_and_refuses_their_neighbours() {
        let rows: [(Text, &[&str], &[&str]); 12] = [
            (ACCOUNT_ID, &["111122223333"], &["11112222333x", "1111", ""]),
            (ALIAS_NAME, &["alias/a-b_c:d"], &["alias/a b", "é", ""]),
            (
                SOURCE_ARN,
                &[
                    "arn:aws:ec2:us-west-2:111122223333:instance/i",
                    "arn:aws-cn:s3::111122223333:b",
                ],
                &[
                    "arn:aws:ec2:us-west-2:1111:instance/i-12345",
                    "arn:awZ:ec2:us-west-2:111122223333:x",
                    "arn:aws::us-west-2:111122223333:xxxx",
                    "arn:aws:ec2:us-west-2:111122223333:",
                ],
            ),
            (POLICY_NAME, &["default", "A_1"], &["a-b", ""]),
            (POLICY, &["{\"é\"\t\r\n}"], &["{\"日\"}", ""]),
            (
                PRINCIPAL_ID,
                &["arn:aws:iam::111122223333:user/a+b=c,d.e@f"],
                &["arn:aws:iam::111122223333:user/*", ""],
            ),
            (
                SERVICE_PRINCIPAL,
                &["ec2.amazonaws.com", "a.b.c.d"],
                &["ec2.com", "a..b.c", "a_b.c.d"],
            ),
            (
                REGION,
                &["us-west-2", "us-gov-west-1"],
                &["us-2", "us-west", "a-b-c-d-1", "US-west-2"],
            ),
            (MARKER, &["abc ÿ"], &["a\u{100}", "\n", ""]),
            (TAG_VALUE, &["", "日本"], &[]),
            (SESSION_NAME, &["i-0123"], &["i", "a/b"]),
            (GRANT_ID, &["x"], &[""]),
        ];
        for (shape, good, bad) in rows {
            for text in good {
                assert_eq!(message(|v| v.text("x", text, shape)), None, "{text}");
            }
            for text in bad {
                assert!(message(|v| v.text("x", text, shape)).is_some(), "{text}");
            }
        }
    }

    #[test]
    fn violations_beyond_the_bound_are_not_told() {
        let got = said(|v| {
            for _ in 0..1000 {
                v.missing("x");
            }
        });
        assert!(got.starts_with(&format!("{} validation errors", limits::VIOLATIONS_MAX)));
    }
}
