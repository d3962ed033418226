//! grantd: a distributed grant store and authorization backend with the semantics of AWS KMS.

pub mod domain;
pub mod config;
pub mod telemetry;
