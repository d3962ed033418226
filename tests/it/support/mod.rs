//! What the integration tests share: clusters in one process over real TCP, processes of the built binary, and a proxy
//! that cuts links.

pub mod api;
pub mod cluster;
pub mod nodes;
pub mod process;
pub mod proxy;
pub mod small_disk;
