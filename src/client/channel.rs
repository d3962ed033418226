//! One node's address and the connection to it.

use std::sync::{Arc, Mutex, PoisonError};

use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Uri};

use super::error::ClientError;
use crate::env::Net;

/// A node to call. The connection is made at the first call and again after it was dropped.
pub(super) struct Target {
    pub address: String,
    endpoint: Endpoint,
    net: Arc<dyn Net>,
    open: Mutex<Option<Channel>>,
}

impl Target {
    /// A target from `host:port` or `http://host:port`.
    pub(super) fn new(text: &str, net: Arc<dyn Net>) -> Result<Self, ClientError> {
        let refuse = |why: &str| {
            ClientError::Setup(format!(
                "endpoint `{}` {why}; want `HOST:PORT`, as 127.0.0.1:7400",
                text.escape_debug()
            ))
        };
        if text.starts_with("https://") {
            return Err(refuse("needs TLS, which this version does not have"));
        }
        let address = text
            .strip_prefix("http://")
            .unwrap_or(text)
            .trim_end_matches('/');
        if address.contains('/') {
            return Err(refuse("is not an address"));
        }
        let port = address
            .rsplit_once(':')
            .map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(1..))) {
            return Err(refuse("has no port"));
        }
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|_| refuse("is not an address"))?;
        Ok(Self {
            address: address.to_owned(),
            endpoint,
            net,
            open: Mutex::new(None),
        })
    }

    /// The connection, made lazily.
    pub(super) fn channel(&self) -> Channel {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get_or_insert_with(|| {
            let (net, address) = (Arc::clone(&self.net), self.address.clone());
            let connector = tower::service_fn(move |_: Uri| {
                let (net, address) = (Arc::clone(&net), address.clone());
                async move { net.connect(&address).await.map(TokioIo::new) }
            });
            self.endpoint.connect_with_connector_lazy(connector)
        })
        .clone()
    }

    /// Forgets the connection: after a timeout its answers cannot be told from those that were given up.
    pub(super) fn drop_channel(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::real::Tcp;

    #[test]
    fn endpoint_is_read_or_refused_with_what_is_wanted() {
        for (text, address) in [
            ("127.0.0.1:7400", "127.0.0.1:7400"),
            ("http://localhost:1/", "localhost:1"),
            ("[::1]:7400", "[::1]:7400"),
        ] {
            assert_eq!(
                Target::new(text, Arc::new(Tcp))
                    .map(|t| t.address)
                    .ok()
                    .as_deref(),
                Some(address)
            );
        }
        for text in [
            "",
            "127.0.0.1",
            "https://h:1",
            "h:0",
            "h:70000",
            "h :1",
            "ftp://h:1",
        ] {
            let Err(error) = Target::new(text, Arc::new(Tcp)) else {
                panic!("{text} was accepted");
            };
            assert!(error.to_string().contains("HOST:PORT"), "{error}");
        }
    }
}
