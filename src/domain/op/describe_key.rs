//! `DescribeKey`: tells the facts of a key.

use super::context::{Context, Question};
use super::refusal::refusals;
use super::{Answer, KeyDescription};
use crate::domain::authz::Denied;
use crate::domain::authz::request::{About, Parameters, Target};
use crate::domain::authz::resolve::{AliasUse, Unresolved};
use crate::domain::ids::KeyRef;
use crate::domain::policy::KmsAction;
use crate::domain::state::grant::EncryptionContext;

/// Tells the facts of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribeKey {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
}

refusals! {
    /// Why DescribeKey is refused, in the order of its checks.
    Refusal {
        /// No such key.
        Key(Unresolved),
        /// Not permitted.
        Denied(Denied),
    }
}

impl Question for DescribeKey {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let key = cx.key(&self.key, AliasUse::Accepted)?;
        let alias = self.key.alias();
        cx.ask(
            KmsAction::DescribeKey.into(),
            Target::Key { key, alias },
            Parameters::NONE,
            &EncryptionContext::new(),
            About::Nothing,
        )?;
        Ok(Answer::Key(KeyDescription {
            key: (**key).clone(),
        }))
    }
}
