//! Generated code, and every conversion between what is said or stored and the domain.
//!
//! Imports `domain` alone. Generated types and rows never leave through a public function of `domain`; conversions go
//! inward through the validating constructors, outward by full destructuring.

pub mod api;

#[allow(missing_docs, clippy::all)]
pub mod peer {
    //! What nodes say to each other: `proto/grantd/peer/v1/peer.proto`.
    tonic::include_proto!("grantd.peer.v1");
}

#[allow(missing_docs, clippy::all)]
pub mod v1 {
    //! What clients call: `proto/grantd/v1/*.proto`.
    tonic::include_proto!("grantd.v1");
}

pub mod stored;

/// The files of `proto/grantd/v1` in the form that reflection tells them.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/grantd.v1.bin"));
