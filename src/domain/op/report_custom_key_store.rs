//! `ReportCustomKeyStore`: how an attempt to connect or to disconnect a custom key store ended (K-6); for the operator's
//! connector, which is the one that reaches clusters and proxies.

use std::sync::Arc;

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::{ErrorCode, Event, KeyStoreChange, Output, key_stores};
use crate::domain::authz::{Allowed, Denied, require_operator};
use crate::domain::ids::CustomKeyStoreId;
use crate::domain::state::State;
use crate::domain::state::key_store::{Connection, ConnectionErrorCode, CustomKeyStore};
use crate::domain::time::Revision;

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Report {
    /// The connection stands.
    Connected,
    /// It could not be made.
    Failed(ConnectionErrorCode),
    /// It was let go.
    Disconnected,
}

/// Tells how an attempt to connect or to disconnect a custom key store ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReportCustomKeyStore {
    /// The store, whoever owns it.
    pub id: CustomKeyStoreId,
    /// The attempt that is told of; `None`: the one under way.
    pub attempt: Option<Revision>,
    /// How it ended.
    pub report: Report,
}

refusals! {
    /// Why ReportCustomKeyStore is refused, in the order of its checks.
    Refusal {
        /// It is for the operator.
        Denied(Denied),
        /// No such store.
        NotThere(Said),
        /// A code that a store of this type cannot fail with.
        Code(Said),
        /// Another attempt is under way, or none that could end so.
        State(Said),
    }
}

impl Change for ReportCustomKeyStore {
    type Refusal = Refusal;
    type Plan = CustomKeyStore;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, CustomKeyStore), Refusal> {
        let allowed = require_operator(cx.caller, "grantd:ReportCustomKeyStore")?;
        let store = cx.state.key_store(&self.id);
        let store = store.ok_or_else(|| Refusal::NotThere(key_stores::not_found(&self.id)))?;
        let kind = store.backing.kind();
        let connection = match self.report {
            Report::Connected => Connection::Connected,
            Report::Disconnected => Connection::Disconnected,
            Report::Failed(code) if code.fits(kind) => Connection::Failed(code),
            Report::Failed(code) => {
                return Err(Refusal::Code(said(
                    ErrorCode::Validation,
                    format_args!("a custom key store of type {kind} cannot fail with {code}"),
                )));
            }
        };
        let bad = |mend| Err(Refusal::State(key_stores::bad_state(store, mend)));
        if self.attempt.is_some_and(|attempt| attempt != store.attempt) {
            return bad(
                "another attempt than the one reported on is the last; list the work again",
            );
        }
        match (store.connection, connection) {
            (Connection::Connecting, Connection::Connected | Connection::Failed(_))
            | (Connection::Disconnecting, Connection::Disconnected) => {}
            _ => return bad("no attempt is under way that could end so"),
        }
        let store = CustomKeyStore {
            connection,
            ..(**store).clone()
        };
        Ok((allowed, store))
    }

    fn enact(store: CustomKeyStore, state: &mut State) -> (Output, Vec<Event>) {
        let change = KeyStoreChange::Connection(store.connection.state());
        let events = vec![Event::KeyStoreChanged(store.id.clone(), change)];
        state.put_key_store(Arc::new(store));
        (Output::Done, events)
    }
}
