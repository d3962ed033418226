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

/// What a policy is attached to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PolicyKind {
    /// A key.
    Key,
    /// A user or role.
    Identity,
    /// A session.
    Session,
}

impl Policy {
    /// The policy of a JSON text.
    ///
    /// # Errors
    /// The text is no JSON.
    pub fn parse(text: &str, _kind: PolicyKind) -> Result<Arc<Self>, serde_json::Error> {
        serde_json::from_str::<serde_json::Value>(text)?;
        Ok(Arc::new(Self { text: text.into() }))
    }
}
