//! `DeleteCustomKeyStore`: deletes a custom key store without keys (K-9). The cluster or the proxy behind it is not
//! touched, and the service-linked role stays (K-4).

use super::context::{Change, Context};
use super::refusal::{Said, refusals, said};
use super::{ErrorCode, Event, KeyStoreChange, Output, key_stores};
use crate::domain::authz::{Allowed, Denied};
use crate::domain::ids::CustomKeyStoreId;
use crate::domain::policy::KmsAction;
use crate::domain::state::State;
use crate::domain::state::key_store::Connection;

/// Deletes a custom key store without keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeleteCustomKeyStore {
    /// The store.
    pub id: CustomKeyStoreId,
}

refusals! {
    /// Why DeleteCustomKeyStore is refused, in the order of its checks.
    Refusal {
        /// The caller is in no account.
        NoAccount(Said),
        /// Not permitted.
        Denied(Denied),
        /// No such store.
        NotThere(Said),
        /// It is not disconnected (K-7).
        State(Said),
        /// It has keys, even if they are pending deletion (K-9).
        HasKeys(Said),
    }
}

impl Change for DeleteCustomKeyStore {
    type Refusal = Refusal;
    type Plan = CustomKeyStoreId;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, CustomKeyStoreId), Refusal> {
        let account = key_stores::account(cx).map_err(Refusal::NoAccount)?;
        let allowed = key_stores::allow(cx, KmsAction::DeleteCustomKeyStore, account)?;
        let store = key_stores::existing(cx, account, &self.id).map_err(Refusal::NotThere)?;
        if store.connection != Connection::Disconnected {
            let bad = key_stores::bad_state(store, "disconnect it before it is deleted");
            return Err(Refusal::State(bad));
        }
        if let Some(key) = cx.state.keys_of_store(&self.id).next() {
            return Err(Refusal::HasKeys(said(
                ErrorCode::CustomKeyStoreHasCmks,
                format_args!(
                    "the custom key store {} still has keys, {key} among them: schedule their deletion and wait until they are gone",
                    self.id
                ),
            )));
        }
        Ok((allowed, self.id.clone()))
    }

    fn enact(id: CustomKeyStoreId, state: &mut State) -> (Output, Vec<Event>) {
        state.take_key_store(&id);
        let event = Event::KeyStoreChanged(id, KeyStoreChange::Deleted);
        (Output::Done, vec![event])
    }
}
