//! What the integration tests share: clusters in one process over real TCP, and a proxy that cuts links.

pub mod api;
pub mod cluster;
pub mod proxy;
