//! The lines of the audit trail: one JSON object each. `docs/audit.md` says what they hold.

use std::fmt::{self, Display};

use serde::{Serialize, Serializer};

use super::asked::{Asked, asked, holder};
use super::decision::DecisionRecord;
use crate::domain::authz::caller::{Caller, Identity};
use crate::domain::authz::decision::Outcome;
use crate::domain::ids::RequestId;
use crate::domain::limits::AUDIT_TEXT_CHARS_MAX;
use crate::domain::op::{Applied, Entry, ErrorCode, Event};
use crate::domain::state::grant::GrantOperation;
use crate::domain::time::{Revision, Timestamp};
use crate::env::WallTime;
use crate::telemetry::{Line, Lost};

/// Where and when a line is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    /// The node.
    pub node: u64,
    /// Its clock.
    pub now: WallTime,
}

impl Stamp {
    fn head(self, what: &'static str) -> Head {
        Head {
            time: Shown(Millis(self.now)),
            node: self.node,
            what,
        }
    }
}

/// What every line begins with.
#[derive(Clone, Serialize)]
struct Head {
    time: Shown<Millis>,
    node: u64,
    what: &'static str,
}

#[derive(Clone, Serialize)]
struct Change<'a> {
    #[serde(flatten)]
    head: Head,
    revision: u64,
    at: Shown<Timestamp>,
    operation: &'static str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    caller: Shown<Name<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<&'a str>,
    request_id: Shown<RequestId>,
    #[serde(flatten)]
    asked: Asked<'a>,
    /// What kind of thing changed, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<String>,
}

/// What came of an entry: a line for each change, or one that it was refused or changed nothing.
pub(super) fn applied(
    stamp: Stamp,
    revision: Revision,
    entry: &Entry,
    applied: &Applied,
) -> Vec<Line> {
    let Entry {
        proposed_at,
        semantics: _,
        caller: Caller { identity, facts },
        scope: _,
        request_id,
        idempotency: _,
        command,
    } = entry;
    let Applied {
        outcome,
        settled_at,
        events,
    } = applied;
    // What became of a retry was told when it was decided; a use that is refused now was decided now.
    let decided_before = settled_at.is_some_and(|at| at < revision);
    let change = |what, outcome| Change {
        head: stamp.head(what),
        revision: revision.0,
        at: Shown(*proposed_at),
        operation: command.operation().name(),
        outcome,
        message: None,
        caller: Shown(Name(identity)),
        via: facts.via_service.as_deref(),
        request_id: Shown(*request_id),
        asked: asked(command),
        kind: None,
        change: None,
    };
    match outcome {
        Err(rejection) if decided_before && rejection.code != ErrorCode::NoLongerPermitted => {
            Vec::new()
        }
        Err(rejection) => {
            let refused = Change {
                message: Some(cut(&rejection.message)),
                ..change("refused", rejection.code.as_str())
            };
            vec![line(revision, &refused)]
        }
        Ok(_) if events.is_empty() => {
            // What the cluster does by itself is told if it changes something.
            if decided_before || matches!(identity, Identity::System) {
                return Vec::new();
            }
            vec![line(revision, &change("unchanged", "done"))]
        }
        Ok(_) => {
            let changed = change("changed", "done");
            let told = |event| line(revision, &with(changed.clone(), event));
            events.iter().map(told).collect()
        }
    }
}

/// `change` as the line of one event: what it is about goes before what was asked for.
fn with<'a>(change: Change<'a>, event: &Event) -> Change<'a> {
    let on = |kind: &'static str, on: String, how: String| Change {
        asked: Asked {
            on: Some(on.into()),
            ..change.asked.clone()
        },
        kind: Some(kind),
        change: Some(how),
        ..change.clone()
    };
    let whole = |kind: &'static str, how: &str| Change {
        kind: Some(kind),
        change: Some(how.to_owned()),
        ..change.clone()
    };
    match event {
        Event::Bootstrapped => whole("cluster", "Bootstrapped"),
        Event::SettingsChanged => whole("settings", "Updated"),
        Event::Opened { after } => on("cluster", after.to_string(), "Opened".to_owned()),
        Event::SemanticsRaised { to } => on("semantics", to.0.to_string(), "Raised".to_owned()),
        Event::TokenEpochChanged { epoch, change: how } => {
            on("token-epoch", epoch.to_string(), format!("{how:?}"))
        }
        Event::AccountCreated(account) => on("account", account.to_string(), "Created".to_owned()),
        Event::OrganizationChanged(id, how) => {
            on("organization", id.to_string(), format!("{how:?}"))
        }
        Event::NodeChanged(id, how) => on("organization-node", id.to_string(), format!("{how:?}")),
        Event::EndpointChanged(id, how) => on("vpc-endpoint", id.to_string(), format!("{how:?}")),
        Event::GroupChanged(arn, how) => on("group", arn.to_string(), format!("{how:?}")),
        Event::PrincipalChanged(arn, how) => on("principal", arn.to_string(), format!("{how:?}")),
        Event::KeyStoreChanged(id, how) => on("key-store", id.to_string(), format!("{how:?}")),
        Event::KeyStoreBackendChanged(account, name, how) => on(
            "key-store-backend",
            format!("{account} {name}"),
            format!("{how:?}"),
        ),
        Event::AliasChanged(arn, how) => on("alias", arn.to_string(), format!("{how:?}")),
        Event::KeyChanged(arn, how) => Change {
            asked: Asked {
                key: Some(arn.to_string().into()),
                ..change.asked.clone()
            },
            ..whole("key", &format!("{how:?}"))
        },
        Event::GrantChanged {
            grant,
            key,
            grantee,
            operations,
            change: how,
        } => Change {
            asked: Asked {
                key: Some(key.to_string().into()),
                grant: Some(grant.to_string().into()),
                grantee: Some(holder(grantee).to_owned().into()),
                operations: operations.iter().map(GrantOperation::as_str).collect(),
                on: None,
            },
            ..whole("grant", &format!("{how:?}"))
        },
    }
}

#[derive(Serialize)]
struct Decided<'a> {
    #[serde(flatten)]
    head: Head,
    revision: u64,
    action: &'a str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
    caller: Shown<Name<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    front: Option<&'a str>,
    request_id: Shown<RequestId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<String>,
    staleness_ms: u64,
    #[serde(skip_serializing_if = "is_zero")]
    grant_tokens: usize,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A decision.
pub(super) fn decided(stamp: Stamp, record: &DecisionRecord<'_>) -> Line {
    let DecisionRecord {
        request_id,
        front,
        subject,
        action,
        asked,
        key,
        decision,
        position,
        staleness_ms,
        grant_tokens,
    } = record;
    let by = decision.decided_by();
    // No mark: decisions are in no order, and none is told twice.
    line(
        Revision(0),
        &Decided {
            head: stamp.head("decided"),
            revision: position.revision.0,
            action: cut(action),
            outcome: match decision.outcome() {
                Outcome::Allow => "allow",
                Outcome::ExplicitDeny => "explicitDeny",
                Outcome::ImplicitDeny => "implicitDeny",
            },
            by: by.map(|by| by.source.as_str()),
            caller: Shown(Name(subject)),
            front: front.map(cut),
            request_id: Shown(*request_id),
            key: key
                .map(ToString::to_string)
                .or_else(|| asked.map(ToString::to_string)),
            grant: by.and_then(|by| by.grant).map(|grant| grant.to_string()),
            staleness_ms: *staleness_ms,
            grant_tokens: *grant_tokens,
        },
    )
}

#[derive(Serialize)]
struct Withdrawn<'a> {
    #[serde(flatten)]
    head: Head,
    request_id: Shown<RequestId>,
    why: &'a str,
}

/// That decisions which were told were not answered.
pub(super) fn withdrawn(stamp: Stamp, request_id: RequestId, why: &str) -> Line {
    let head = stamp.head("withdrawn");
    let request_id = Shown(request_id);
    let why = cut(why);
    line(
        Revision(0),
        &Withdrawn {
            head,
            request_id,
            why,
        },
    )
}

#[derive(Serialize)]
struct Forged {
    #[serde(flatten)]
    head: Head,
    request_id: Shown<RequestId>,
    epoch: u32,
    claimed_revision: u64,
    applied_revision: u64,
}

/// That a token was made with a stolen secret.
pub(super) fn token_forged(
    stamp: Stamp,
    request_id: RequestId,
    epoch: u32,
    claimed_revision: u64,
    applied_revision: u64,
) -> Line {
    line(
        Revision(0),
        &Forged {
            head: stamp.head("token-forged"),
            request_id: Shown(request_id),
            epoch,
            claimed_revision,
            applied_revision,
        },
    )
}

#[derive(Serialize)]
struct Installed {
    #[serde(flatten)]
    head: Head,
    from_revision: u64,
    to_revision: u64,
    message: String,
}

/// That a snapshot stands for the entries after `after` up to `to`.
pub(super) fn installed(stamp: Stamp, after: Revision, to: Revision) -> Line {
    let from = after.0.saturating_add(1);
    line(
        to,
        &Installed {
            head: stamp.head("installed"),
            from_revision: from,
            to_revision: to.0,
            message: format!(
                "installed snapshot up to revision {to}; changes {from}..{to} are in the other nodes' audit"
            ),
        },
    )
}

#[derive(Serialize)]
struct LostLines {
    #[serde(flatten)]
    head: Head,
    lines: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_revision: Option<u64>,
}

/// That lines are missing here, with the revisions of the first and the last change among them.
pub(super) fn lost(stamp: Stamp, lost: &Lost) -> Vec<u8> {
    let Lost { lines, marks } = lost;
    text(&LostLines {
        head: stamp.head("lost"),
        lines: *lines,
        from_revision: marks.map(|(from, _)| from),
        to_revision: marks.map(|(_, to)| to),
    })
}

fn line(mark: Revision, of: &impl Serialize) -> Line {
    Line {
        text: text(of),
        mark: mark.0,
    }
}

fn text(of: &impl Serialize) -> Vec<u8> {
    // Texts, numbers and lists of texts: nothing of it has no JSON.
    let mut text = serde_json::to_vec(of).unwrap_or_default();
    text.push(b'\n');
    text
}

/// A text of somebody else's, cut to what a line may hold of it.
pub(super) fn cut(text: &str) -> &str {
    match text.char_indices().nth(AUDIT_TEXT_CHARS_MAX) {
        None => text,
        Some((end, _)) => text.get(..end).unwrap_or(text),
    }
}

/// Something as it is shown.
#[derive(Clone)]
struct Shown<T>(T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A time of the node's own clock, with its milliseconds.
#[derive(Clone)]
struct Millis(WallTime);

impl Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(WallTime(ms)) = *self;
        let seconds = Timestamp::from_millis(ms).to_string();
        write!(f, "{}.{:03}Z", seconds.trim_end_matches('Z'), ms % 1_000)
    }
}

/// A caller as the trail names it.
#[derive(Clone)]
struct Name<'a>(&'a Identity);

impl Display for Name<'_> {
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::authz::caller::RequestFacts;
    use crate::domain::op::{
        self, Command, GrantChange, Output, Rejection, Scope, Semantics, revoke_grant,
    };

    const STAMP: Stamp = Stamp {
        node: 3,
        now: WallTime(1_700_000_000_123),
    };
    const KEY: &str = "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    fn entry(identity: Identity, command: Command) -> Entry {
        Entry {
            proposed_at: Timestamp::from_millis(1_700_000_000_000),
            semantics: Semantics::CURRENT,
            caller: Caller {
                identity,
                facts: RequestFacts::default(),
            },
            scope: Scope {
                partition: "aws".parse().unwrap(),
                region: "us-west-2".parse().unwrap(),
            },
            request_id: RequestId([7; 16]),
            idempotency: None,
            command,
        }
    }

    fn revoke() -> Command {
        Command::RevokeGrant(revoke_grant::RevokeGrant {
            key: KEY.parse().unwrap(),
            grant_id: "x".repeat(AUDIT_TEXT_CHARS_MAX + 5).into(),
            dry_run: op::DryRun::No,
            descendants: revoke_grant::Descendants::default(),
        })
    }

    fn told(entry: &Entry, applied: &Applied) -> Vec<Value> {
        let lines = super::applied(STAMP, Revision(9), entry, applied);
        lines
            .iter()
            .map(|line| {
                assert_eq!(line.mark, 9);
                assert_eq!(line.text.iter().filter(|byte| **byte == b'\n').count(), 1);
                serde_json::from_slice(&line.text).unwrap()
            })
            .collect()
    }

    fn outcome(outcome: Result<Output, Rejection>) -> Applied {
        Applied {
            outcome,
            settled_at: None,
            events: Vec::new(),
        }
    }

    fn refused() -> Applied {
        outcome(Err(Rejection {
            code: ErrorCode::AccessDenied,
            message: "no\n\"".into(),
            decision: None,
            help: None,
        }))
    }

    #[test]
    fn refused_line_says_what_was_asked_of_what_by_whom() {
        let told = told(&entry(Identity::Operator, revoke()), &refused());
        let want = json!({
            "time": "2023-11-14T22:13:20.123Z",
            "node": 3,
            "what": "refused",
            "revision": 9,
            "at": "2023-11-14T22:13:20Z",
            "operation": "RevokeGrant",
            "outcome": "AccessDeniedException",
            "message": "no\n\"",
            "caller": "operator",
            "request_id": RequestId([7; 16]).to_string(),
            "key": KEY,
            "grant": "x".repeat(AUDIT_TEXT_CHARS_MAX),
        });
        assert_eq!(told, [want]);
    }

    #[test]
    fn each_event_has_a_line_and_a_repeated_outcome_has_none() {
        let event = |n| Event::GrantChanged {
            grant: crate::domain::ids::GrantId([n; 32]),
            key: KEY.parse().unwrap(),
            grantee: crate::domain::state::grant::GrantPrincipal::Service(
                "s3.amazonaws.com".parse().unwrap(),
            ),
            operations: [GrantOperation::Decrypt].into_iter().collect(),
            change: GrantChange::Revoked,
        };
        let mut done = outcome(Ok(Output::Done));
        done.events = vec![event(1), event(2)];
        let lines = told(&entry(Identity::Operator, revoke()), &done);
        assert_eq!(lines.len(), 2);
        assert_ne!(lines[0]["grant"], lines[1]["grant"]);
        for line in lines {
            assert_eq!(
                (&line["what"], &line["kind"], &line["change"]),
                (&json!("changed"), &json!("grant"), &json!("Revoked"))
            );
            assert_eq!(
                (&line["grantee"], &line["operations"]),
                (&json!("s3.amazonaws.com"), &json!(["Decrypt"]))
            );
        }
        for again in [refused(), outcome(Ok(Output::Done))] {
            let again = Applied {
                settled_at: Some(Revision(4)),
                ..again
            };
            let told = told(&entry(Identity::Operator, revoke()), &again);
            assert!(told.is_empty(), "{told:?}");
        }
    }

    #[test]
    fn what_changed_nothing_is_told_of_callers_alone() {
        let nothing = outcome(Ok(Output::Done));
        let told_of = |who| told(&entry(who, revoke()), &nothing).len();
        assert_eq!(
            (told_of(Identity::Operator), told_of(Identity::System)),
            (1, 0)
        );
    }

    #[test]
    fn loss_and_gap_are_told_with_their_revisions() {
        let text = lost(
            STAMP,
            &Lost {
                lines: 5,
                marks: Some((2, 4)),
            },
        );
        let value: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(
            (
                &value["lines"],
                &value["from_revision"],
                &value["to_revision"]
            ),
            (&json!(5), &json!(2), &json!(4))
        );
        let gap = installed(STAMP, Revision(6), Revision(9));
        let value: Value = serde_json::from_slice(&gap.text).unwrap();
        assert_eq!(
            value["message"],
            "installed snapshot up to revision 9; changes 7..9 are in the other nodes' audit"
        );
        assert_eq!(gap.mark, 9);
    }
}
