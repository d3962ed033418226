//! A policy's statements as texts, for explanations: what a compiled statement no longer holds.
//!
//! Read from the policy's own text when somebody asks why; never on the path of a decision.

use super::ast;
use super::error::Place;
use super::{Policy, json};
use crate::domain::effort::{Effort, spend};

/// The texts of one statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Where it begins in the policy's text.
    pub place: Option<Place>,
    /// `Principal` or `NotPrincipal` with its values.
    pub principals: Option<String>,
    /// `Action` or `NotAction` with its values.
    pub actions: Option<String>,
    /// `Resource` or `NotResource` with its values.
    pub resources: Option<String>,
    /// The values of each condition, in the order of the compiled ones.
    pub conditions: Vec<String>,
}

/// Most characters that are shown of an element's values.
const SHOWN_MAX: usize = 512;

/// What it costs to read a byte of a policy's text again, in units of [`Effort`].
const WORK_OF_BYTE: u64 = 2;

impl Policy {
    /// The texts of its statements, in their order; empty if the text cannot be read again, which a stored policy's can.
    pub fn outline(&self, effort: Option<&Effort<'_>>) -> Vec<Outline> {
        let work = u64::try_from(self.text.len()).unwrap_or(u64::MAX) * WORK_OF_BYTE;
        if !spend(effort, work) {
            return Vec::new();
        }
        let document = json::parse(&self.text).and_then(ast::document);
        let statements = document.map(|document| document.statements);
        statements.unwrap_or_default().iter().map(outline).collect()
    }
}

fn outline(statement: &ast::Statement) -> Outline {
    let texts = |texts: &ast::Texts, plain: &str, negated: &str| {
        let name = if texts.negated { negated } else { plain };
        format!("{name} {}", list(texts.items.iter()))
    };
    let principals = statement.principal.as_ref().map(|principals| {
        let name = if principals.negated {
            "NotPrincipal"
        } else {
            "Principal"
        };
        format!(
            "{name} {}",
            list(principals.entries.iter().map(|(_, item)| item))
        )
    });
    Outline {
        place: Some(statement.place),
        principals,
        actions: (statement.action.as_ref()).map(|set| texts(set, "Action", "NotAction")),
        resources: (statement.resource.as_ref()).map(|set| texts(set, "Resource", "NotResource")),
        conditions: statement
            .conditions
            .iter()
            .map(|condition| list(condition.values.iter()))
            .collect(),
    }
}

/// One value as it is, several in brackets; cut where it gets long.
fn list<'a>(items: impl Iterator<Item = &'a ast::Item> + Clone) -> String {
    let mut text = String::new();
    let mut count = 0_usize;
    for item in items {
        if count > 0 {
            text.push_str(", ");
        }
        if text.len() > SHOWN_MAX {
            text.push('…');
            break;
        }
        text.push_str(&format!("`{}`", item.text.escape_debug()));
        count += 1;
    }
    if count == 1 {
        text
    } else {
        format!("[{text}]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::PolicyKind;

    #[test]
    fn outline_repeats_the_elements_of_each_statement() {
        let text = r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Principal":{"AWS":["111122223333","arn:aws:iam::111122223333:user/bob"]},
             "NotAction":"kms:Decrypt","Resource":"*",
             "Condition":{"StringEquals":{"kms:ViaService":["a","b"],"aws:PrincipalTag/t":"${aws:username}"}}},
            {"Effect":"Deny","NotPrincipal":{"AWS":"111122223333"},"Action":["kms:*"]}]}"#;
        let policy = Policy::parse(text, PolicyKind::Key).unwrap();
        let outlines = policy.outline(None);
        assert_eq!(outlines.len(), policy.statements().len());
        let first = &outlines[0];
        assert_eq!(
            first.principals.as_deref(),
            Some("Principal [`111122223333`, `arn:aws:iam::111122223333:user/bob`]")
        );
        assert_eq!(first.actions.as_deref(), Some("NotAction `kms:Decrypt`"));
        assert_eq!(first.conditions, ["[`a`, `b`]", "`${aws:username}`"]);
        assert_eq!(first.place.map(|place| place.line), Some(2));
        assert_eq!(outlines[1].resources, None);
        assert_eq!(
            outlines[1].principals.as_deref(),
            Some("NotPrincipal `111122223333`")
        );
    }
}
