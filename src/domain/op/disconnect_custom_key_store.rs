//! `DisconnectCustomKeyStore`: ends the connection of a custom key store (K-6, K-8). Its keys are Unavailable at once
//! (K-12).
//!
//! What is held outside is let go there; its end is reported by `ReportCustomKeyStore`.

use std::sync::Arc;

use super::context::{Change, Context};
use super::refusal::{Said, refusals};
use super::{Event, KeyStoreChange, Output, key_stores};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::CustomKeyStoreId;
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::key_store::{Connection, ConnectionState, CustomKeyStore};

/// Ends the connection of a custom key store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DisconnectCustomKeyStore {
    /// The store.
    pub id: CustomKeyStoreId,
}

refusals! {
    /// Why DisconnectCustomKeyStore is refused, in the order of its checks.
    Refusal {
        /// The caller is in no account.
        NoAccount(Said),
        /// Not permitted.
        Denied(Denied),
        /// No such store.
        NotThere(Said),
        /// It is disconnected, or about to be (K-7).
        State(Said),
    }
}

impl Change for DisconnectCustomKeyStore {
    type Refusal = Refusal;
    type Plan = CustomKeyStore;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, CustomKeyStore), Refusal> {
        let account = key_stores::account(cx).map_err(Refusal::NoAccount)?;
        let allowed = key_stores::allow(cx, KmsAction::DisconnectCustomKeyStore, account)?;
        let store = key_stores::existing(cx, account, &self.id).map_err(Refusal::NotThere)?;
        match store.connection {
            Connection::Connected | Connection::Connecting | Connection::Failed(_) => {
                let store = CustomKeyStore {
                    connection: Connection::Disconnecting,
                    attempt: cx.at,
                    ..(**store).clone()
                };
                Ok((allowed, store))
            }
            Connection::Disconnected | Connection::Disconnecting => Err(Refusal::State(
                key_stores::bad_state(store, "there is nothing to disconnect"),
            )),
        }
    }

    fn enact(store: CustomKeyStore, state: &mut State) -> (Output, Vec<Event>) {
        let change = KeyStoreChange::Connection(ConnectionState::Disconnecting);
        let events = vec![Event::KeyStoreChanged(store.id.clone(), change)];
        state.put_key_store(Arc::new(store));
        (Output::Done, events)
    }
}
