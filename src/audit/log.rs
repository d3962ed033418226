//! The audit trail as structured events of the log: target `audit`, one event a change and one a decision.

use std::fmt;

use super::decision::{DecisionRecord, DecisionSink};
use super::sink::Sink;
use crate::domain::authz::caller::{Caller, Identity};
use crate::domain::ids::RequestId;
use crate::domain::op::{Applied, Entry, ErrorCode, Event};
use crate::domain::time::Revision;

/// Writes the audit trail into the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log;

impl Sink for Log {
    fn applied(&self, revision: Revision, entry: &Entry, applied: &Applied) {
        let Entry {
            proposed_at,
            semantics: _,
            caller,
            scope: _,
            request_id,
            idempotency: _,
            command: _, // may hold policies; its events say what changed
        } = entry;
        let Applied {
            outcome,
            settled_at,
            events,
        } = applied;
        // What became of a retry was told when it was decided; a use that is refused now was decided now.
        let decided_before = settled_at.is_some_and(|at| at < revision);
        let Caller { identity, facts } = caller;
        let via = facts.via_service.as_deref().unwrap_or_default();
        match outcome {
            Err(rejection) if decided_before && rejection.code != ErrorCode::NoLongerPermitted => {}
            Err(rejection) => tracing::info!(
                target: "audit",
                revision = revision.0,
                request_id = %request_id,
                caller = %Name(identity),
                via,
                at = %proposed_at,
                code = rejection.code.as_str(),
                "refused"
            ),
            Ok(_) => {
                for event in events {
                    let (kind, subject, change) = told(event);
                    tracing::info!(
                        target: "audit",
                        revision = revision.0,
                        request_id = %request_id,
                        caller = %Name(identity),
                        via,
                        at = %proposed_at,
                        kind,
                        subject,
                        change,
                        "changed"
                    );
                }
            }
        }
    }
}

impl DecisionSink for Log {
    fn decided(&self, record: &DecisionRecord<'_>) {
        let DecisionRecord {
            request_id,
            front,
            subject,
            action,
            key,
            decision,
            position,
            staleness_ms,
            grant_tokens,
        } = record;
        tracing::info!(
            target: "audit",
            request_id = %request_id,
            front = front.unwrap_or_default(),
            subject = %Name(subject),
            action,
            key = key.map(tracing::field::display),
            outcome = ?decision.outcome(),
            by = decision.decided_by().map(|by| by.source.as_str()),
            revision = position.revision.0,
            staleness_ms,
            grant_tokens,
            "decided"
        );
    }

    fn token_forged(
        &self,
        request_id: RequestId,
        epoch: u32,
        claimed_revision: u64,
        applied_revision: u64,
    ) {
        tracing::error!(
            target: "audit",
            request_id = %request_id,
            epoch,
            claimed_revision,
            applied_revision,
            "an authentic grant token names a revision that was never reached: the secret of its epoch is known outside; \
             this node honours no token of that epoch ahead of its state any more; rotate the token epoch"
        );
    }
}

/// A caller as the trail names it.
struct Name<'a>(&'a Identity);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Identity::Operator => f.write_str("operator"),
            Identity::System => f.write_str("system"),
            Identity::Root {
                account,
                task_policy: None,
            } => write!(f, "root of {account}"),
            Identity::Root {
                account,
                task_policy: Some(_),
            } => write!(f, "root session of {account}"),
            Identity::User { arn, .. }
            | Identity::RoleSession { arn, .. }
            | Identity::FederatedUser { arn, .. } => f.write_str(arn.as_str()),
            Identity::Service(service) => f.write_str(service.as_str()),
        }
    }
}

/// What an event is about, which one, and what happened to it.
fn told(event: &Event) -> (&'static str, String, String) {
    match event {
        Event::Bootstrapped => ("cluster", String::new(), "Bootstrapped".to_owned()),
        Event::TokenEpochChanged { epoch, change } => {
            ("token-epoch", epoch.to_string(), format!("{change:?}"))
        }
        Event::Opened { after } => ("cluster", after.to_string(), "Opened".to_owned()),
        Event::SemanticsRaised { to } => ("semantics", to.0.to_string(), "Raised".to_owned()),
        Event::AccountCreated(account) => ("account", account.to_string(), "Created".to_owned()),
        Event::SettingsChanged => ("settings", String::new(), "Updated".to_owned()),
        Event::OrganizationChanged(id, change) => {
            ("organization", id.to_string(), format!("{change:?}"))
        }
        Event::NodeChanged(id, change) => {
            ("organization-node", id.to_string(), format!("{change:?}"))
        }
        Event::EndpointChanged(id, change) => {
            ("vpc-endpoint", id.to_string(), format!("{change:?}"))
        }
        Event::GroupChanged(arn, change) => ("group", arn.to_string(), format!("{change:?}")),
        Event::PrincipalChanged(arn, change) => {
            ("principal", arn.to_string(), format!("{change:?}"))
        }
        Event::KeyStoreChanged(id, change) => ("key-store", id.to_string(), format!("{change:?}")),
        Event::KeyStoreBackendChanged(account, name, change) => (
            "key-store-backend",
            format!("{account} {name}"),
            format!("{change:?}"),
        ),
        Event::KeyChanged(arn, change) => ("key", arn.to_string(), format!("{change:?}")),
        Event::AliasChanged(arn, change) => ("alias", arn.to_string(), format!("{change:?}")),
        Event::GrantChanged { grant, key, change } => {
            ("grant", format!("{key} {grant}"), format!("{change:?}"))
        }
    }
}
