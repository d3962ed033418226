//! Generated code, and every conversion between what is said or stored and the domain.

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
