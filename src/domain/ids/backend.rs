//! What is behind custom key stores, by name: a CloudHSM cluster, an external key store proxy, a VPC endpoint service, a
//! key of an external key manager (K-11).

use std::fmt;
use std::str::FromStr;

use super::{
    CloudHsmClusterId, IdFault, IdKind, ParseIdError, XksKeyId, XksProxyEndpoint, XksProxyPath,
    XksVpcService, fault,
};

/// Where an external key store proxy answers: address and path together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProxyAddress {
    /// The address, `https://xks.example.com`.
    pub endpoint: XksProxyEndpoint,
    /// The path of its API, `/kms/xks/v1`.
    pub path: XksProxyPath,
}

impl fmt::Display for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.endpoint, self.path)
    }
}

/// The name of something behind custom key stores; each kind has texts of its own form, so that the text tells the kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackendName {
    /// `cluster-…`
    Cluster(CloudHsmClusterId),
    /// `https://xks.example.com/kms/xks/v1`
    Proxy(ProxyAddress),
    /// `com.amazonaws.vpce.us-east-1.vpce-svc-…`
    VpcService(XksVpcService),
    /// `https://xks.example.com/kms/xks/v1#key`
    ExternalKey(ProxyAddress, XksKeyId),
}

impl fmt::Display for BackendName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(id) => fmt::Display::fmt(id, f),
            Self::Proxy(at) => fmt::Display::fmt(at, f),
            Self::VpcService(name) => fmt::Display::fmt(name, f),
            Self::ExternalKey(at, id) => write!(f, "{at}#{id}"),
        }
    }
}

impl FromStr for BackendName {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if text.starts_with("cluster-") {
            return text.parse().map(Self::Cluster);
        }
        let Some(rest) = text.strip_prefix("https://") else {
            return text.parse().map(Self::VpcService);
        };
        let (address, key) = match rest.split_once('#') {
            None => (rest, None),
            Some((address, key)) => (address, Some(key)),
        };
        let Some(slash) = address.find('/') else {
            let kind = IdKind::KeyStoreMember("proxy");
            let expected = "an address and a path, `https://xks.example.com/kms/xks/v1`";
            return Err(fault(kind, IdFault::BadForm { expected }, text));
        };
        let (host, path) = address.split_at(slash);
        let at = ProxyAddress {
            endpoint: format!("https://{host}").parse()?,
            path: path.parse()?,
        };
        match key {
            None => Ok(Self::Proxy(at)),
            Some(key) => Ok(Self::ExternalKey(at, key.parse()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// K-11: a name is its text, whichever kind it is of; its neighbours are no names.
    #[test]
    fn backend_names_read_back_and_their_neighbours_are_refused() {
        for text in [
            "cluster-abcdefghijk",
            "https://xks.example.com/kms/xks/v1",
            "https://xks.example.com/a/b/kms/xks/v12",
            "com.amazonaws.vpce.us-east-1.vpce-svc-0a1b",
            "https://xks.example.com/kms/xks/v1#key-1.2_3",
        ] {
            let name: BackendName = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
        }
        for text in [
            "",
            "cluster-1",
            "https://xks.example.com",
            "https://xks.example.com/kms",
            "https://xks.example.com/kms/xks/v1#",
            "https://xks.example.com/kms/xks/v1#a#b",
            "https:///kms/xks/v1",
            "http://xks.example.com/kms/xks/v1",
        ] {
            assert!(text.parse::<BackendName>().is_err(), "{text}");
        }
    }
}
