//! Explanations, what-ifs and effective access: requests in, answers out.

use super::authorization::{decision_out, part_out, parts_out};
use super::error::bounded;
use super::organizations::account;
use super::shape::{self, Violations};
use super::{
    Asked, Change, Drawn, FromAnswer, IntoChange, IntoQuery, Invalid, Lacking, key_ref, page,
};
use crate::domain::authz::access::Access;
use crate::domain::authz::claim::Question;
use crate::domain::authz::explain;
use crate::domain::ids::{Partition, Region};
use crate::domain::limits;
use crate::domain::op::list_dangling_principals::{Dangling, ListDanglingPrincipals, NamedBy};
use crate::domain::op::parts::Found;
use crate::domain::op::what_if::{Changes, Flip, Side, WhatIf};
use crate::domain::op::who_can::{Reached, WhoCan};
use crate::domain::op::{Answer, Command, Query, Rejection, Scope, what_can};
use crate::domain::policy::{Action, KmsAction};
use crate::wire::v1;
use crate::wire::v1::explain_response as out;
use crate::wire::v1::proposed_change::Change as Proposed;

impl IntoQuery for v1::ExplainRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            question,
        } = self;
        let question = Question::try_from(question.unwrap_or_default())?;
        let grant_tokens = question.grant_tokens.clone();
        Ok(Asked {
            query: Query::Explain(crate::domain::op::explain::Explain { question }),
            grant_tokens,
        })
    }
}

impl IntoQuery for v1::WhatIfRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            changes,
            questions,
        } = self;
        if changes.len() > limits::WHAT_IF_CHANGES_MAX
            || questions.len() > limits::WHAT_IF_QUESTIONS_MAX
        {
            return Err(Invalid::validation(format!(
                "{} changes and {} requests were sent; at most {} and {} are taken in one call",
                changes.len(),
                questions.len(),
                limits::WHAT_IF_CHANGES_MAX,
                limits::WHAT_IF_QUESTIONS_MAX
            )));
        }
        let questions = questions
            .into_iter()
            .map(Question::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        if questions.iter().any(|asked| !asked.grant_tokens.is_empty()) {
            return Err(Invalid::validation(
                "a what-if knows the grants of the state alone: leave grant tokens out",
            ));
        }
        let changes = changes
            .into_iter()
            .enumerate()
            .map(|(n, change)| command(n, change))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Asked::of(Query::WhatIf(WhatIf {
            changes: Changes(changes.into()),
            questions,
        })))
    }
}

/// A change as the command that it would be. Nothing is drawn for it: it is thrown away.
fn command(n: usize, change: v1::ProposedChange) -> Result<Command, Invalid> {
    let v1::ProposedChange { change } = change;
    let Some(change) = change else {
        return Err(Invalid::validation(format!("change {} is empty", n + 1)));
    };
    let mut entropy = [0xee; 32];
    for (slot, byte) in entropy.iter_mut().zip(n.to_le_bytes()) {
        *slot = byte;
    }
    let drawn = Drawn {
        account: None,
        entropy,
    };
    // No command below looks at where it is asked from: what it names resolves when it is applied.
    let region = "us-east-1".parse::<Region>();
    let scope = Scope {
        partition: Partition::Aws,
        region: region.map_err(|error| Invalid::validation(error.to_string()))?,
    };
    let change = match change {
        Proposed::PutKeyPolicy(request) => request.into_change(&scope, &drawn),
        Proposed::EnableKey(request) => request.into_change(&scope, &drawn),
        Proposed::DisableKey(request) => request.into_change(&scope, &drawn),
        Proposed::TagResource(request) => request.into_change(&scope, &drawn),
        Proposed::UntagResource(request) => request.into_change(&scope, &drawn),
        Proposed::CreateAlias(request) => request.into_change(&scope, &drawn),
        Proposed::DeleteAlias(request) => request.into_change(&scope, &drawn),
        Proposed::CreateGrant(request) => request.into_change(&scope, &drawn),
        Proposed::RevokeGrant(request) => request.into_change(&scope, &drawn),
        Proposed::PutPrincipalPolicy(request) => request.into_change(&scope, &drawn),
        Proposed::DeletePrincipalPolicy(request) => request.into_change(&scope, &drawn),
        Proposed::TagPrincipal(request) => request.into_change(&scope, &drawn),
        Proposed::UntagPrincipal(request) => request.into_change(&scope, &drawn),
        Proposed::DeletePrincipal(request) => request.into_change(&scope, &drawn),
        Proposed::PutPermissionsBoundary(request) => request.into_change(&scope, &drawn),
        Proposed::DeletePermissionsBoundary(request) => request.into_change(&scope, &drawn),
        Proposed::AddUserToGroup(request) => request.into_change(&scope, &drawn),
        Proposed::RemoveUserFromGroup(request) => request.into_change(&scope, &drawn),
        Proposed::PutGroupPolicy(request) => request.into_change(&scope, &drawn),
        Proposed::DeleteGroupPolicy(request) => request.into_change(&scope, &drawn),
        Proposed::PutControlPolicy(request) => request.into_change(&scope, &drawn),
        Proposed::DeleteControlPolicy(request) => request.into_change(&scope, &drawn),
        Proposed::MoveAccount(request) => request.into_change(&scope, &drawn),
        Proposed::RemoveAccount(request) => request.into_change(&scope, &drawn),
        Proposed::PutVpcEndpoint(request) => request.into_change(&scope, &drawn),
        Proposed::DeleteVpcEndpoint(request) => request.into_change(&scope, &drawn),
        Proposed::UpdateAlias(request) => request.into_change(&scope, &drawn),
        Proposed::ScheduleKeyDeletion(request) => request.into_change(&scope, &drawn),
        Proposed::CancelKeyDeletion(request) => request.into_change(&scope, &drawn),
        Proposed::UpdateSettings(request) => request.into_change(&scope, &drawn),
    };
    match change {
        Ok(Change::Command { command, .. }) => Ok(command),
        Ok(_) => Err(Invalid::validation(format!(
            "change {} cannot be tried",
            n + 1
        ))),
        Err(invalid) => Err(Invalid {
            message: format!("change {}: {}", n + 1, invalid.message),
            ..invalid
        }),
    }
}

impl IntoQuery for v1::WhoCanRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            key_id,
            actions,
            page: sent,
        } = self;
        let mut violations = Violations::new();
        violations.text("keyId", &key_id, shape::KEY_ID);
        violations.page(sent.as_ref());
        violations.finish()?;
        let actions = actions
            .iter()
            .map(|text| action(text))
            .collect::<Result<_, _>>()?;
        Ok(Asked::of(Query::WhoCan(WhoCan {
            key: key_ref(&key_id)?,
            actions,
            page: page(sent),
        })))
    }
}

/// An action of KMS, with its prefix or without.
fn action(text: &str) -> Result<KmsAction, Invalid> {
    let found = Action::parse(text)
        .kms()
        .or_else(|| KmsAction::by_name(text));
    found.ok_or_else(|| {
        let shown: String = text
            .chars()
            .take(128)
            .flat_map(char::escape_debug)
            .collect();
        Invalid::validation(format!("`{shown}` is no action of KMS"))
    })
}

impl IntoQuery for v1::WhatCanRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            principal,
            page: sent,
        } = self;
        let mut violations = Violations::new();
        violations.page(sent.as_ref());
        violations.finish()?;
        Ok(Asked::of(Query::WhatCan(what_can::WhatCan {
            principal: principal
                .parse()
                .map_err(|error| Invalid::validation(format!("principal: {error}")))?,
            page: page(sent),
        })))
    }
}

impl IntoQuery for v1::ListDanglingPrincipalsRequest {
    fn into_query(self) -> Result<Asked, Invalid> {
        let Self {
            header: _,
            account_id,
            page: sent,
        } = self;
        let mut violations = Violations::new();
        violations.page(sent.as_ref());
        violations.finish()?;
        Ok(Asked::of(Query::ListDanglingPrincipals(
            ListDanglingPrincipals {
                account: account_id.as_deref().map(account).transpose()?,
                page: page(sent),
            },
        )))
    }
}

impl FromAnswer for v1::ListDanglingPrincipalsResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        let Answer::Dangling {
            items,
            withheld,
            next,
        } = answer
        else {
            return Err(Lacking);
        };
        Ok(Self {
            header: Some(header),
            dangling: items.into_iter().map(dangling_out).collect(),
            keys_withheld: withheld,
            next_marker: next.map(|next| next.to_string()),
        })
    }
}

fn dangling_out(dangling: Dangling) -> v1::list_dangling_principals_response::Dangling {
    let Dangling {
        former,
        key,
        named_by,
    } = dangling;
    let (statement, sid, grant_id, is_retiring) = match named_by {
        NamedBy::Statement { index, sid } => (Some(index.saturating_add(1)), sid, None, false),
        NamedBy::Grantee(id) => (None, None, Some(id), false),
        NamedBy::Retiring(id) => (None, None, Some(id), true),
    };
    v1::list_dangling_principals_response::Dangling {
        key_arn: key.to_string(),
        unique_id: former.shown(),
        principal_arn: former.arn.to_string(),
        is_remade: former.is_remade,
        statement,
        sid: sid.map(|sid| sid.to_string()),
        grant_id: grant_id.map(|id| id.to_string()),
        is_retiring,
    }
}

impl FromAnswer for v1::ExplainResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        let Answer::Explanation { told, key } = answer else {
            return Err(Lacking);
        };
        let deciding = told.deciding().ok_or(Lacking)?.found.clone();
        let explain::Explanation {
            decision,
            sections,
            nearest,
        } = deciding;
        let parts = match &told.parts[..] {
            [_] => Vec::new(),
            parts => parts.iter().map(told_part_out).collect(),
        };
        Ok(Self {
            header: Some(header),
            decision: Some(decision_out(&decision, &[])),
            key_arn: key.map(|arn| arn.to_string()),
            sections: sections.into_iter().map(section_out).collect(),
            nearest: nearest.into_iter().map(nearest_out).collect(),
            text: told.to_string(),
            parts,
            refusal: told.refusal.as_ref().map(refusal_out),
        })
    }
}

fn told_part_out(part: &Found<explain::Explanation>) -> out::Part {
    let explain::Explanation {
        decision,
        sections,
        nearest,
    } = part.found.clone();
    out::Part {
        decided: Some(part_out(part, &decision)),
        sections: sections.into_iter().map(section_out).collect(),
        nearest: nearest.into_iter().map(nearest_out).collect(),
    }
}

fn nearest_out(nearest: explain::Nearest) -> out::Nearest {
    let explain::Nearest { changes } = nearest;
    out::Nearest {
        changes: changes.into_iter().map(change_out).collect(),
    }
}

fn section_out(section: explain::Section) -> out::Section {
    let explain::Section {
        rules,
        title,
        says,
        lines,
        untold,
    } = section;
    out::Section {
        rules,
        title,
        says,
        lines: lines.into_iter().map(line_out).collect(),
        untold,
    }
}

fn line_out(line: explain::Line) -> out::Line {
    let explain::Line {
        rule,
        source,
        policy,
        statement,
        sid,
        grant,
        is_deny,
        applies,
        findings,
    } = line;
    out::Line {
        rule,
        source: source.as_str().to_owned(),
        policy_name: policy.map(|name| name.to_string()),
        statement,
        sid: sid.map(|sid| sid.to_string()),
        grant_id: grant,
        is_deny,
        applies,
        findings: findings
            .into_iter()
            .map(|finding| {
                let explain::Finding {
                    rule,
                    element,
                    holds,
                    wanted,
                    found,
                } = finding;
                out::Finding {
                    rule,
                    element,
                    holds,
                    wanted,
                    found,
                }
            })
            .collect(),
    }
}

fn change_out(change: explain::Change) -> out::Change {
    let explain::Change { rule, source, text } = change;
    out::Change {
        rule,
        source: source.as_str().to_owned(),
        text,
    }
}

impl FromAnswer for v1::WhatIfResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        let Answer::WhatIf(flips) = answer else {
            return Err(Lacking);
        };
        let flips = flips.iter().map(|flip| {
            let Flip { before, after } = flip;
            v1::what_if_response::Flip {
                before: Some(side_out(before)),
                after: Some(side_out(after)),
                flips: flip.flips(),
            }
        });
        Ok(Self {
            header: Some(header),
            flips: flips.collect(),
        })
    }
}

fn side_out(side: &Side) -> v1::what_if_response::Side {
    use v1::what_if_response::side::Result as Told;
    let Side { outcome, parts } = side;
    v1::what_if_response::Side {
        result: Some(match outcome {
            Ok(decision) => Told::Decision(decision_out(decision, &[])),
            Err(rejection) => Told::Refusal(refusal_out(rejection)),
        }),
        parts: parts_out(parts),
    }
}

/// An error of AWS as it is told beside a decision.
pub fn refusal_out(rejection: &Rejection) -> v1::Refusal {
    v1::Refusal {
        code: rejection.code.as_str().to_owned(),
        message: rejection.message.to_string(),
        help: bounded(rejection.help.as_deref().unwrap_or_default()),
    }
}

impl FromAnswer for v1::AccessResponse {
    fn from_answer(header: v1::ResponseHeader, answer: Answer) -> Result<Self, Lacking> {
        let Answer::Access { items, next } = answer else {
            return Err(Lacking);
        };
        let access = items.into_iter().filter_map(|reached| {
            let Reached {
                principal,
                key,
                actions,
                access,
            } = reached;
            let (by, conditions) = match access {
                Access::Never => return None,
                Access::Conditional { by, on } => (by, on),
                Access::Always { by } => (by, Vec::new()),
            };
            Some(v1::access_response::Access {
                principal: principal.to_string(),
                key_arn: key.map(|arn| arn.to_string()),
                actions: actions.iter().map(ToString::to_string).collect(),
                by,
                conditions,
            })
        });
        Ok(Self {
            header: Some(header),
            access: access.collect(),
            next_marker: next.map(|next| next.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::ErrorCode;

    fn what_if(changes: Vec<v1::ProposedChange>) -> Result<Asked, Invalid> {
        v1::WhatIfRequest {
            header: None,
            changes,
            questions: Vec::new(),
        }
        .into_query()
    }

    fn disable(key_id: &str) -> v1::ProposedChange {
        v1::ProposedChange {
            change: Some(Proposed::DisableKey(v1::DisableKeyRequest {
                header: None,
                key_id: key_id.to_owned(),
            })),
        }
    }

    #[test]
    fn changes_are_read_as_the_commands_that_they_would_be() {
        let key = "1234abcd-12ab-34cd-56ef-1234567890ab";
        let Ok(Asked {
            query: Query::WhatIf(WhatIf { changes, .. }),
            ..
        }) = what_if(vec![disable(key)])
        else {
            panic!("not read");
        };
        assert!(matches!(&changes.0[..], [Command::DisableKey(_)]));
        let code = |asked: Result<Asked, Invalid>| asked.err().map(|invalid| invalid.code);
        assert_eq!(
            code(what_if(vec![disable("")])),
            Some(ErrorCode::Validation)
        );
        let empty = v1::ProposedChange { change: None };
        assert_eq!(code(what_if(vec![empty])), Some(ErrorCode::Validation));
        let many = vec![disable(key); limits::WHAT_IF_CHANGES_MAX + 1];
        assert_eq!(code(what_if(many)), Some(ErrorCode::Validation));
        let named = what_if(vec![disable(key), disable("")]).err().unwrap();
        assert!(named.message.starts_with("change 2: "), "{}", named.message);
    }

    #[test]
    fn actions_are_read_with_their_prefix_or_without() {
        for text in ["kms:Decrypt", "Decrypt", "KMS:decrypt"] {
            assert_eq!(action(text).ok(), Some(KmsAction::Decrypt), "{text}");
        }
        assert!(action("iam:GetUser").is_err());
        assert!(action("").is_err());
    }
}
