//! The life of keys: descriptions, the names of policies, last use, deletion, multi-Region keys.

use super::keys::lockout_check;
use super::reply::{answers, done, outputs, pages};
use super::request::{changes, queries};
use super::{FromOutput, Invalid, Lacking, arc, key_ref, page, shape, tags};
use crate::domain::ids::{KeyArn, Region};
use crate::domain::op::cancel_key_deletion::CancelKeyDeletion;
use crate::domain::op::get_key_last_usage::{GetKeyLastUsage, LastUsage};
use crate::domain::op::list_key_policies::ListKeyPolicies;
use crate::domain::op::replicate_key::ReplicateKey;
use crate::domain::op::schedule_key_deletion::ScheduleKeyDeletion;
use crate::domain::op::update_key_description::UpdateKeyDescription;
use crate::domain::op::update_primary_region::UpdatePrimaryRegion;
use crate::domain::op::{Answer, KeyDescription, Output, RelatedKeys};
use crate::domain::state::key::MultiRegionKeyType;
use crate::domain::state::key_usage::KeyUse;
use crate::wire::v1;

fn region(text: &str) -> Result<Region, Invalid> {
    text.parse()
        .map_err(|error: crate::domain::ids::ParseIdError| Invalid::validation(error.to_string()))
}

changes! {
    UpdateKeyDescriptionRequest { key_id, description }
        check |violations| {
            violations.key(&key_id);
            violations.text("description", &description, shape::DESCRIPTION);
        }
        => UpdateKeyDescription {
            key: key_ref(&key_id)?,
            description: arc(description),
        }

    ScheduleKeyDeletionRequest { key_id, pending_window_in_days }
        check |violations| {
            violations.key(&key_id);
            let path = "pendingWindowInDays";
            violations.number(path, pending_window_in_days, shape::PENDING_WINDOW);
        }
        => ScheduleKeyDeletion {
            key: key_ref(&key_id)?,
            // Shape has checked that it is positive.
            window_days: pending_window_in_days.and_then(|days| u32::try_from(days).ok()),
        }

    CancelKeyDeletionRequest { key_id }
        check |violations| { violations.key(&key_id); }
        => CancelKeyDeletion { key: key_ref(&key_id)? }

    ReplicateKeyRequest {
        key_id, replica_region, policy, bypass_policy_lockout_safety_check, description, tags: sent
    }
        check |violations| {
            violations.key(&key_id);
            violations.text("replicaRegion", &replica_region, shape::REGION);
            violations.optional("policy", policy.as_deref(), shape::POLICY);
            violations.optional("description", description.as_deref(), shape::DESCRIPTION);
            violations.tags(&sent);
        }
        => ReplicateKey {
            key: key_ref(&key_id)?,
            region: region(&replica_region)?,
            policy: policy.map(arc),
            lockout_check: lockout_check(bypass_policy_lockout_safety_check),
            description: arc(description.unwrap_or_default()),
            tags: tags::distinct(sent)?,
        }

    UpdatePrimaryRegionRequest { key_id, primary_region }
        check |violations| {
            violations.key(&key_id);
            violations.text("primaryRegion", &primary_region, shape::REGION);
        }
        => UpdatePrimaryRegion {
            key: key_ref(&key_id)?,
            region: region(&primary_region)?,
        }
}

queries! {
    GetKeyLastUsageRequest { key_id }
        check |violations| { violations.key(&key_id); }
        => GetKeyLastUsage { key: key_ref(&key_id)? }

    ListKeyPoliciesRequest { key_id, page: sent }
        check |violations| {
            violations.key(&key_id);
            violations.page(sent.as_ref());
        }
        => ListKeyPolicies {
            key: key_ref(&key_id)?,
            page: page(sent),
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

done!(UpdateKeyDescriptionResponse, UpdatePrimaryRegionResponse);

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

outputs! {
    CancelKeyDeletionResponse from Output::Key(KeyDescription { key, .. }) => {
        key_id: key.arn.to_string(),
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
                replica_tags: tags::told(described.key.tags.clone()),
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

answers! {
    GetKeyLastUsageResponse from Answer::LastUsage(LastUsage { key_id, last, tracked_since, created_at }) => {
        key_id: key_id.to_string(),
        key_last_usage: Some(last.map(v1::KeyLastUsageData::from).unwrap_or_default()),
        tracking_start_date_ms: tracked_since.as_millis(),
        key_creation_date_ms: created_at.as_millis(),
    }
}

impl From<KeyUse> for v1::KeyLastUsageData {
    fn from(used: KeyUse) -> Self {
        let KeyUse {
            operation,
            at,
            request_id,
        } = used;
        Self {
            operation: Some(operation.to_string()),
            timestamp_ms: Some(at.as_millis()),
            kms_request_id: request_id.map(|id| id.to_string()),
        }
    }
}

pages! {
    ListKeyPoliciesResponse { policy_names } of PolicyNames by |name| name.to_string();
}
