//! Custom key stores (K-1), and what they are told of the cluster or the proxy behind them (K-11, W-7).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{IdFault, IdKind, ParseIdError, check_len, fault};
use crate::domain::limits;

/// The id of a custom key store, `cks-…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomKeyStoreId(Arc<str>);

impl CustomKeyStoreId {
    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of a new store, from bytes drawn before the log (68 of their 128 bits are used).
    pub fn of_new(entropy: &[u8; 16]) -> Self {
        let mut digits = String::with_capacity(21);
        digits.push_str("cks-");
        digits.extend(super::digits(entropy).map(char::from).take(17));
        Self(digits.into())
    }
}

impl FromStr for CustomKeyStoreId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        check_len(
            IdKind::CustomKeyStoreId,
            text,
            limits::CUSTOM_KEY_STORE_ID_MAX,
        )?;
        let rest = text.strip_prefix("cks-").unwrap_or_default();
        if rest.is_empty() || !rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            let expected = "`cks-` followed by letters, digits and hyphens";
            return Err(fault(
                IdKind::CustomKeyStoreId,
                IdFault::BadForm { expected },
                text,
            ));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for CustomKeyStoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! store_texts {
    ($($(#[$doc:meta])* $name:ident: $what:literal, $lengths:expr, $expected:literal, $matches:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The whole text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let kind = IdKind::KeyStoreMember($what);
                let (min, max): (usize, usize) = $lengths;
                check_len(kind, text, max)?;
                let matches: fn(&str) -> bool = $matches;
                if text.len() < min || !matches(text) {
                    let expected = $expected;
                    return Err(fault(kind, IdFault::BadForm { expected }, text));
                }
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

store_texts! {
    /// A CloudHSM cluster (`CloudHsmClusterIdType`).
    CloudHsmClusterId: "CloudHSM cluster id", limits::CLOUD_HSM_CLUSTER_ID,
        "`cluster-` followed by 11 to 16 letters and digits from 2 to 7",
        |t| t.strip_prefix("cluster-").is_some_and(|rest| {
            rest.len() >= 11 && rest.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'2'..=b'7'))
        });
    /// A key of an external key manager (`XksKeyIdType`).
    XksKeyId: "external key id", limits::XKS_KEY_ID,
        "letters, digits, hyphens, underscores and full stops",
        |t| t.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    /// The address of an external key store proxy (`XksProxyUriEndpointType`).
    XksProxyEndpoint: "proxy endpoint", limits::XKS_PROXY_ENDPOINT,
        "`https://` and a host name, without a port",
        |t| t.strip_prefix("https://").is_some_and(|host| {
            !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
        });
    /// The path of an external key store proxy's API (`XksProxyUriPathType`).
    XksProxyPath: "proxy path", limits::XKS_PROXY_PATH,
        "a path that ends in `/kms/xks/v1`",
        is_proxy_path;
    /// The VPC endpoint service in front of a proxy (`XksProxyVpcEndpointServiceNameType`).
    XksVpcService: "VPC endpoint service name", limits::XKS_VPC_SERVICE,
        "the name of a VPC endpoint service, `com.amazonaws.vpce.us-east-1.vpce-svc-…`",
        is_vpc_service;
    /// The public half of a proxy's credential (`XksProxyAuthenticationAccessKeyIdType`).
    XksAccessKeyId: "access key id of the proxy", limits::XKS_ACCESS_KEY_ID,
        "20 to 30 capital letters and digits from 2 to 7",
        |t| t.bytes().all(|b| b.is_ascii_uppercase() || matches!(b, b'2'..=b'7'));
}

fn is_proxy_path(text: &str) -> bool {
    let Some((before, version)) = text.rsplit_once("/kms/xks/v") else {
        return false;
    };
    let is_version = matches!(version.len(), 1 | 2) && version.bytes().all(|b| b.is_ascii_digit());
    let is_prefix = before.strip_prefix('/').is_some_and(|rest| {
        !rest.is_empty()
            && rest
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-'))
    });
    is_version && (before.is_empty() || is_prefix)
}

fn is_vpc_service(text: &str) -> bool {
    let mut parts = text.split('.');
    let mut next = || parts.next().unwrap_or_default();
    let head = matches!(next(), "com" | "eu") && next() == "amazonaws" && next() == "vpce";
    let region = next();
    let service = next();
    let words: Vec<&str> = region.split('-').collect();
    let is_region = words.split_last().is_some_and(|(number, words)| {
        !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
            && (2..=3).contains(&words.len())
            && words
                .iter()
                .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
    });
    let is_service = service.strip_prefix("vpce-svc-").is_some_and(|id| {
        !id.is_empty()
            && id
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    });
    head && is_region && is_service && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// W-7, K-11: what each pattern takes and refuses, at both ends of its lengths.
    #[test]
    fn members_of_a_store_take_their_texts_and_refuse_their_neighbours() {
        fn check<T: FromStr>(good: &[&str], bad: &[&str]) {
            for text in good {
                assert!(text.parse::<T>().is_ok(), "{text}");
            }
            for text in bad {
                assert!(text.parse::<T>().is_err(), "{text}");
            }
        }
        check::<CloudHsmClusterId>(
            &[
                "cluster-1a23b4cdefg".replace('1', "2").as_str(),
                "cluster-abcdefghijkl2345",
            ],
            &[
                "",
                "cluster-abcdefghij",
                "cluster-abcdefghijklmnopq",
                "cluster-abcdefghij8",
                "klaster-abcdefghijk",
            ],
        );
        check::<XksKeyId>(
            &["a", &"k".repeat(128), "A-b_c.9"],
            &["", &"k".repeat(129), "a b", "a/b"],
        );
        check::<XksProxyEndpoint>(
            &[
                "https://my",
                "https://xks.example.com",
                &format!("https://{}", "a".repeat(120)),
            ],
            &[
                "https://a",
                "http://xks.example.com",
                "https://a.example:443",
                "https://a/b.c",
                &format!("https://{}", "a".repeat(121)),
            ],
        );
        check::<XksProxyPath>(
            &["/kms/xks/v1", "/a-b_C/9/kms/xks/v12"],
            &[
                "",
                "/kms/xks/v",
                "/kms/xks/v123",
                "kms/xks/v1",
                "a/kms/xks/v1",
                "/a b/kms/xks/v1",
                "/kms/xks/v1/",
                "//kms/xks",
                &format!("/{}/kms/xks/v1", "a".repeat(128)),
            ],
        );
        check::<XksVpcService>(
            &[
                "com.amazonaws.vpce.us-east-1.vpce-svc-0a1b",
                "eu.amazonaws.vpce.us-gov-west-1.vpce-svc-0",
            ],
            &[
                "com.amazonaws.vpce.us-east.vpce-svc-0a1b",
                "com.amazonaws.vpce.us-east-1.vpce-svc-",
                "com.amazonaws.vpce.us-east-1.vpce-svc-A",
                "org.amazonaws.vpce.us-east-1.vpce-svc-0a1b",
                "com.amazonaws.vpce.us-east-1.vpce-svc-0a.b",
                &format!("com.amazonaws.vpce.us-east-1.vpce-svc-{}", "0".repeat(40)),
            ],
        );
        check::<XksAccessKeyId>(
            &[
                "ABCDE12345670ABCDEFG".replace(['1', '0'], "2").as_str(),
                &"A".repeat(30),
            ],
            &[
                &"A".repeat(19),
                &"A".repeat(31),
                "ABCDEFGHIJKLMNOPQRS1",
                "abcdefghijklmnopqrst",
            ],
        );
    }

    /// K-10: ids drawn from different bytes differ, and read back.
    #[test]
    fn new_store_ids_have_the_form_of_aws() {
        let (one, other) = (
            CustomKeyStoreId::of_new(&[0xab; 16]),
            CustomKeyStoreId::of_new(&[0xac; 16]),
        );
        assert_eq!(one.as_str(), "cks-abababababababab".to_owned() + "a");
        assert_ne!(one, other);
        assert_eq!(one.as_str().parse(), Ok(one));
    }

    #[test]
    fn custom_key_store_id_without_its_prefix_is_refused() {
        assert!("cks-1234567890abcdef0".parse::<CustomKeyStoreId>().is_ok());
        for text in [
            "",
            "cks-",
            "1234567890abcdef0",
            "cks-a b",
            &format!("cks-{}", "0".repeat(61)),
        ] {
            assert!(text.parse::<CustomKeyStoreId>().is_err(), "{text}");
        }
    }
}
