//! Aliases of keys.

use super::reply::{done, pages};
use super::request::{changes, queries};
use super::{arc, key_ref, page, shape};
use crate::domain::op::AliasEntry;
use crate::domain::op::create_alias::CreateAlias;
use crate::domain::op::delete_alias::DeleteAlias;
use crate::domain::op::list_aliases::ListAliases;
use crate::domain::op::update_alias::UpdateAlias;
use crate::wire::v1;

changes! {
    CreateAliasRequest { alias_name, target_key_id }
        check |violations| {
            violations.text("aliasName", &alias_name, shape::ALIAS_NAME);
            violations.text("targetKeyId", &target_key_id, shape::KEY_ID);
        }
        => CreateAlias {
            alias: arc(alias_name),
            target: key_ref(&target_key_id)?,
        }

    UpdateAliasRequest { alias_name, target_key_id }
        check |violations| {
            violations.text("aliasName", &alias_name, shape::ALIAS_NAME);
            violations.text("targetKeyId", &target_key_id, shape::KEY_ID);
        }
        => UpdateAlias {
            alias: arc(alias_name),
            target: key_ref(&target_key_id)?,
        }

    DeleteAliasRequest { alias_name }
        check |violations| {
            violations.text("aliasName", &alias_name, shape::ALIAS_NAME);
        }
        => DeleteAlias { alias: arc(alias_name) }
}

queries! {
    ListAliasesRequest { key_id, page: sent }
        check |violations| {
            violations.optional("keyId", key_id.as_deref(), shape::KEY_ID);
            violations.page(sent.as_ref());
        }
        => ListAliases {
            key: key_id.as_deref().map(key_ref).transpose()?,
            page: page(sent),
        }
}

done!(
    CreateAliasResponse,
    UpdateAliasResponse,
    DeleteAliasResponse
);

impl From<AliasEntry> for v1::AliasListEntry {
    fn from(entry: AliasEntry) -> Self {
        let AliasEntry {
            alias,
            target,
            created_at,
            updated_at,
        } = entry;
        Self {
            alias_name: alias.name.to_string(),
            alias_arn: alias.to_string(),
            target_key_id: target.key_id.to_string(),
            creation_date_ms: created_at.as_millis(),
            last_updated_date_ms: updated_at.as_millis(),
        }
    }
}

pages! {
    ListAliasesResponse { aliases } of Aliases by Into::into;
}
