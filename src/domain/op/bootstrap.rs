//! `Bootstrap`: the first command of an incarnation: its settings and its first token epoch.

use std::sync::Arc;

use crate::domain::state::settings::Settings;
use crate::domain::time::Incarnation;

/// The first command of an incarnation; proposed by the node that initializes the cluster, refused ever after.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bootstrap {
    /// The random identity of this life of the cluster.
    pub incarnation: Incarnation,
    /// The replicated settings.
    pub settings: Settings,
    /// The first token epoch's secret, sealed under the cluster's seal key.
    pub sealed_epoch_secret: Arc<[u8]>,
}
