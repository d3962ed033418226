//! One node, put together: the same start for production, `dev`, tests and the simulator.
//!
//! The world comes in as arguments ([`NodeParts`]): clock, randomness, network, threads and storage are components, the
//! numbers an operator may change are [`NodeSettings`]. Never: a rule of the product.

mod cluster;
mod force;
mod front;
mod inspect;
mod port;
mod process;
mod start;
mod version;

pub use cluster::{Cluster, ClusterError, NewCluster, NodeStatus};
pub use force::{ForceNew, ForceNewError, ForcedNew, force_new};
pub use front::{api, app};
pub use inspect::{Inspection, inspect};
pub use port::{DateHeader, PortLimits};
pub use process::{
    ProcessError, ProcessNode, ProcessSettings, SealKeyFault, create_seal_key, start_process,
};
pub use start::{Doors, Front, Node, NodeParts, NodeSettings, StartError, start};
pub use version::VERSION;
