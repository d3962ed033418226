//! The world as the product sees it: clocks, randomness and the network, behind traits.
//!
//! Production uses [`real`]; a simulator brings its own. Imports std, bytes and tokio's I/O traits. Never: a
//! transport (tonic), a decision about what a time or a byte means.

pub mod clock;
pub mod net;
pub mod offload;
pub mod real;
pub mod rng;

pub use clock::{BootTime, Clock, WallTime, timeout};
pub use net::{BoxedIo, Io, Listener, Net};
pub use offload::{Offload, offload};
pub use rng::Rng;
