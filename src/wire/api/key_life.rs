//! The life of keys and aliases: descriptions, policy names, deletion, multi-Region keys, aliases that move.

use super::kms::{key_shape, lockout_check};
use super::shape::{self, Violations};
use super::{
    Asked, Change, Drawn, FromAnswer, FromOutput, IntoChange, IntoQuery, Invalid, Lacking, arc,
    distinct_tags, key_ref, page, tags_out,
};
use crate::domain::ids::{KeyArn, Region};
use crate::domain::op::cancel_key_deletion::CancelKeyDeletion;
use crate::domain::op::list_key_policies::ListKeyPolicies;
use crate::domain::op::replicate_key::ReplicateKey;
use crate::domain::op::schedule_key_deletion::ScheduleKeyDeletion;
use crate::domain::op::update_alias::UpdateAlias;
use crate::domain::op::update_key_description::UpdateKeyDescription;
use crate::domain::op::update_primary_region::UpdatePrimaryRegion;
use crate::domain::op::{
    Answer, Command, KeyDescription, Output, Paged, Query, RelatedKeys, Scope,
};
use crate::domain::state::key::MultiRegionKeyType;
use crate::wire::v1;

fn region(text: &str) -> Result<Region, Invalid> {
    text.parse()
        .map_err(|error: crate::domain::ids::ParseIdError| Invalid::validation(error.to_string()))
}

impl IntoChange for v1::UpdateKeyDescriptionRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            key_id,
            description,
        } = self;
        let mut violations = key_shape(&key_id);
        violations.text("description", &description, shape::DESCRIPTION);
        violations.finish()?;
        Ok(Change::of(Command::UpdateKeyDescription(
            UpdateKeyDescription {
                key: key_ref(&key_id)?,
                description: arc(description),
            },
        )))
    }
}

impl IntoQuery for v1::ListKeyPoliciesRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            key_id,
            page: sent,
        } = self;
        let mut violations = key_shape(&key_id);
        violations.page(sent.as_ref());
        violations.finish()?;
        Ok(Asked::of(Query::ListKeyPolicies(ListKeyPolicies {
            key: key_ref(&key_id)?,
            page: page(sent),
        })))
    }
}

impl IntoChange for v1::ScheduleKeyDeletionRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            key_id,
            pending_window_in_days,
        } = self;
        let mut violations = key_shape(&key_id);
        violations.number(
            "pendingWindowInDays",
            pending_window_in_days,
            shape::PENDING_WINDOW,
        );
        violations.finish()?;
        Ok(Change::of(Command::ScheduleKeyDeletion(
            ScheduleKeyDeletion {
                key: key_ref(&key_id)?,
                // Shape has checked that it is positive.
                window_days: pending_window_in_days.and_then(|days| u32::try_from(days).ok()),
            },
        )))
    }
}

impl IntoChange for v1::CancelKeyDeletionRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self { header: _, key_id } = self;
        key_shape(&key_id).finish()?;
        let key = key_ref(&key_id)?;
        Ok(Change::of(Command::CancelKeyDeletion(CancelKeyDeletion {
            key,
        })))
    }
}

impl IntoChange for v1::ReplicateKeyRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            key_id,
            replica_region,
            policy,
            bypass_policy_lockout_safety_check,
            description,
            tags,
        } = self;
        let mut violations = key_shape(&key_id);
        violations.text("replicaRegion", &replica_region, shape::REGION);
        violations.optional("policy", policy.as_deref(), shape::POLICY);
        violations.optional("description", description.as_deref(), shape::DESCRIPTION);
        violations.tags("tags", &tags);
        violations.finish()?;
        Ok(Change::of(Command::ReplicateKey(ReplicateKey {
            key: key_ref(&key_id)?,
            region: region(&replica_region)?,
            policy: policy.map(arc),
            lockout_check: lockout_check(bypass_policy_lockout_safety_check),
            description: arc(description.unwrap_or_default()),
            tags: distinct_tags(tags)?,
        })))
    }
}

impl IntoChange for v1::UpdatePrimaryRegionRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            key_id,
            primary_region,
        } = self;
        let mut violations = key_shape(&key_id);
        violations.text("primaryRegion", &primary_region, shape::REGION);
        violations.finish()?;
        Ok(Change::of(Command::UpdatePrimaryRegion(
            UpdatePrimaryRegion {
                key: key_ref(&key_id)?,
                region: region(&primary_region)?,
            },
        )))
    }
}

impl IntoChange for v1::UpdateAliasRequest {
    fn into_change(self, _: &Scope, _: &Drawn) -> Result<Change, Invalid> {
        let Self {
            header: _,
            alias_name,
            target_key_id,
        } = self;
        let mut violations = Violations::new();
        violations.text("aliasName", &alias_name, shape::ALIAS_NAME);
        violations.text("targetKeyId", &target_key_id, shape::KEY_ID);
        violations.finish()?;
        Ok(Change::of(Command::UpdateAlias(UpdateAlias {
            alias: arc(alias_name),
            target: key_ref(&target_key_id)?,
        })))
    }
}

/// `MultiRegionConfiguration` of a key that plays this part.
pub(super) fn configuration(
    kind: MultiRegionKeyType,
    related: Option<RelatedKeys>,
) -> v1::MultiRegionConfiguration {
    let (primary, replicas) = match related {
        None => (None, Vec::new()),
        Some(RelatedKeys { primary, replicas }) => (primary, replicas),
    };
    let key = |arn: KeyArn| v1::MultiRegionKey {
        region: arn.region.to_string(),
        arn: arn.to_string(),
    };
    v1::MultiRegionConfiguration {
        multi_region_key_type: kind.to_string(),
        primary_key: primary.map(key),
        replica_keys: replicas.into_iter().map(key).collect(),
    }
}

impl FromOutput for v1::ScheduleKeyDeletionResponse {
    fn from_output(
        header: v1::ResponseHeader,
        output: Output,
        _: Option<String>,
    ) -> Result<Self, Lacking> {
        let Output::Key(KeyDescription { key, .. }) = output else {
            return Err(Lacking);
        };
        let deletion = key.deletion.ok_or(Lacking)?;
        Ok(Self {
            header: Some(header),
            key_id: key.arn.to_string(),
            deletion_date_ms: deletion.due.map(|due| due.as_millis()),
            key_state: key.state.to_string(),
            pending_window_in_days: deletion.window_days,
        })
    }
}

impl FromOutput for v1::CancelKeyDeletionResponse {
    fn from_output(
        header: v1::ResponseHeader,
        output: Output,
        _: Option<String>,
    ) -> Result<Self, Lacking> {
        match output {
            Output::Key(KeyDescription { key, .. }) => Ok(Self {
                header: Some(header),
                key_id: key.arn.to_string(),
            }),
            _ => Err(Lacking),
        }
    }
}

impl FromOutput for v1::ReplicateKeyResponse {
    fn from_output(
        header: v1::ResponseHeader,
        output: Output,
        _: Option<String>,
    ) -> Result<Self, Lacking> {
        match output {
            Output::Key(described) => Ok(Self {
                header: Some(header),
                replica_policy: described.key.policy.text().to_string(),
                replica_tags: tags_out(described.key.tags.clone()),
                replica_key_metadata: Some(described.into()),
                policy_warnings: Vec::new(),
            }),
            _ => Err(Lacking),
        }
    }

    fn with_warnings(mut self, warnings: Vec<v1::PolicyWarning>) -> Self {
        self.policy_warnings = warnings;
        self
    }
}

impl FromAnswer for v1::ListKeyPoliciesResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        match answer {
            Answer::PolicyNames(Paged { items, next }) => Ok(Self {
                header: Some(header),
                policy_names: items.into_iter().map(|name| name.to_string()).collect(),
                next_marker: next.map(|next| next.to_string()),
            }),
            _ => Err(Lacking),
        }
    }
}
