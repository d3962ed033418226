//! Policy documents: text → ast → validated → compiled → verdict.

use std::sync::Arc;

/// A policy, compiled once when stored; keeps its source text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    text: Arc<str>,
}

impl Policy {
    /// The JSON text as it was put.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }
}
