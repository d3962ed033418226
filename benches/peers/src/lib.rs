//! The same questions put to three engines: grantd, Cedar and Rego (regorus).
//!
//! A [`Scene`] is a set of facts and two questions about them, one that is allowed and one that is denied. Each engine
//! gets the facts in the form that its users would choose: Cedar a policy a statement and a linked template a grant,
//! Rego rules for the policies and the grants as data. What an engine needs to be asked is made before it is measured.
//! Every engine must give both answers before its time counts: `Scene::check`.

pub mod cedar;
pub mod ours;
pub mod rego;
pub mod scene;
#[path = "../../support/world.rs"]
#[allow(
    clippy::new_without_default,
    reason = "a benchmark's world, private elsewhere"
)]
pub mod world;

pub use scene::{Engine, Facts, Question, Scene};
