//! `ConnectCustomKeyStore`: asks for the connection of a custom key store (K-6).
//!
//! The connection itself is made outside; its end is reported by `ReportCustomKeyStore`.

use std::sync::Arc;

use super::context::{Change, Context};
use super::refusal::{Said, refusals};
use super::{Event, KeyStoreChange, Output, key_store_backends, key_stores};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::CustomKeyStoreId;
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::key_store::{Backing, Connection, ConnectionState, CustomKeyStore};

/// Asks for the connection of a custom key store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectCustomKeyStore {
    /// The store.
    pub id: CustomKeyStoreId,
}

refusals! {
    /// Why ConnectCustomKeyStore is refused, in the order of its checks.
    Refusal {
        /// The caller is in no account.
        NoAccount(Said),
        /// Not permitted.
        Denied(Denied),
        /// No such store.
        NotThere(Said),
        /// It is being disconnected, or failed to connect (K-7).
        State(Said),
        /// Its cluster is not active, or not set up for it.
        Backend(Said),
    }
}

impl Change for ConnectCustomKeyStore {
    type Refusal = Refusal;
    /// `None`: it is connected, or about to be.
    type Plan = Option<CustomKeyStore>;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Self::Plan), Refusal> {
        let account = key_stores::account(cx).map_err(Refusal::NoAccount)?;
        let allowed = key_stores::allow(cx, KmsAction::ConnectCustomKeyStore, account)?;
        let store = key_stores::existing(cx, account, &self.id).map_err(Refusal::NotThere)?;
        let bad = |mend| Err(Refusal::State(key_stores::bad_state(store, mend)));
        match store.connection {
            Connection::Connected | Connection::Connecting => Ok((allowed, None)),
            Connection::Disconnected => {
                if let Backing::CloudHsm { cluster, .. } = &store.backing {
                    key_store_backends::check_connection(cx, account, cluster)
                        .map_err(Refusal::Backend)?;
                }
                let store = CustomKeyStore {
                    connection: Connection::Connecting,
                    attempt: cx.at,
                    ..(**store).clone()
                };
                Ok((allowed, Some(store)))
            }
            Connection::Disconnecting => bad("wait until it is DISCONNECTED"),
            // K-8
            Connection::Failed(_) => bad("disconnect it, mend what failed, then connect it"),
        }
    }

    fn enact(plan: Self::Plan, state: &mut State) -> (Output, Vec<Event>) {
        let Some(store) = plan else {
            return (Output::Done, Vec::new());
        };
        let change = KeyStoreChange::Connection(ConnectionState::Connecting);
        let events = vec![Event::KeyStoreChanged(store.id.clone(), change)];
        state.put_key_store(Arc::new(store));
        (Output::Done, events)
    }
}
