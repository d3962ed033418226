//! From a claim to a verified caller, on the same view as the decision.
//!
//! Until callers can prove who they are, a claim is believed from loopback alone: whoever reaches that address runs on
//! this machine. Imports env and domain. Never: a decision about what a verified caller may do.

mod verify;

use std::net::IpAddr;

pub use verify::{Refusal, verify, verify_question};

/// Proof that a connection's claims are believed; only [`admit`] makes one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trusted(());

/// Believes the claims of a peer on loopback, and of no other.
///
/// `peer` is the address of the connection's other end as the listener saw it; `None`: it is unknown.
///
/// # Errors
/// [`Refusal::PeerNotTrusted`].
pub fn admit(peer: Option<IpAddr>) -> Result<Trusted, Refusal> {
    match peer {
        Some(address) if address.to_canonical().is_loopback() => Ok(Trusted(())),
        _ => Err(Refusal::PeerNotTrusted { peer }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claim_from_another_address_than_loopback_is_refused() {
        for (peer, believed) in [
            ("127.0.0.1", true),
            ("127.8.9.10", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("0.0.0.0", false),
            ("::ffff:10.0.0.1", false),
            ("fe80::1", false),
        ] {
            let address: IpAddr = peer.parse().unwrap();
            assert_eq!(admit(Some(address)).is_ok(), believed, "{peer}");
        }
        assert!(admit(None).is_err());
    }
}
