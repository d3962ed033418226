//! Why a request is decided as it is: every statement and grant that was considered, whether it applied and what of it
//! did not, in the order of the evaluation, and the nearest miss.
//!
//! The decision is `combine`'s own, on the same evidence; what stands beside it is made of the parts of
//! [`crate::domain::policy::Statement::verdict`], and a nearest miss is told only after `combine` was asked with the change
//! and gave the other answer. Imports policy, state. Never: a decision of its own; a bound that it does not tell of.

mod consider;
mod nearest;
mod text;

use std::sync::Arc;

use super::combine::{Evidence, Iterable, NamedPolicy, combine};
use super::decision::{Decision, Source};
use super::gather::{Judge, judge};
use super::request::Request;
use crate::domain::effort::Effort;
use crate::domain::state::State;
use crate::domain::state::former::Former;
use crate::domain::state::grant::Grant;
use crate::domain::time::Timestamp;

/// Why a request is decided as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// What was looked at, in the order of the evaluation.
    pub sections: Vec<Section>,
    /// What would have to change for the other answer: each entry is enough by itself, the smallest first.
    pub nearest: Vec<Nearest>,
}

/// One stage of the evaluation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// The rules that it follows.
    pub rules: Vec<String>,
    /// What it asks.
    pub title: String,
    /// What it came to.
    pub says: String,
    /// What was considered.
    pub lines: Vec<Line>,
    /// How many more were considered than are told.
    pub untold: u32,
}

/// A statement or a grant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The rule that let it apply, or that kept it from applying.
    pub rule: String,
    /// What kind of evidence it is.
    pub source: Source,
    /// The policy's name, where it has one.
    pub policy: Option<Arc<str>>,
    /// The statement's place in its policy, from 1.
    pub statement: Option<u32>,
    /// The statement's Sid.
    pub sid: Option<Arc<str>>,
    /// The grant's id.
    pub grant: Option<String>,
    /// Whether its effect is to deny.
    pub is_deny: bool,
    /// Whether it applied.
    pub applies: bool,
    /// What of it was looked at; of one that did not apply, what failed stands first.
    pub findings: Vec<Finding>,
}

/// One element of a statement or of a grant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The rule that it follows.
    pub rule: String,
    /// `action`, `principal`, `resource`, `condition StringEquals kms:ViaService`, `operations`, …
    pub element: String,
    /// Whether it fits the request.
    pub holds: bool,
    /// What it wants.
    pub wanted: String,
    /// What the request has.
    pub found: String,
}

/// A set of changes that gives the other answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nearest {
    /// All of them together are enough.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The rule by which it counts.
    pub rule: String,
    /// What it is made to.
    pub source: Source,
    /// The change, as the end of a sentence that begins with `if`.
    pub text: String,
}

impl Explanation {
    /// Leaves out what the asker may not read: lines and changes of these sources, and what the decision tells of them.
    pub fn withhold(&mut self, is_withheld: impl Fn(Source) -> bool) {
        for section in &mut self.sections {
            let before = section.lines.len();
            section.lines.retain(|line| !is_withheld(line.source));
            let gone = u32::try_from(before - section.lines.len()).unwrap_or(u32::MAX);
            if gone > 0 {
                section.untold = section.untold.saturating_add(gone);
                section.says = "there is something here that you may not read".to_owned();
            }
        }
        for change in self.nearest.iter_mut().flat_map(|near| &mut near.changes) {
            if is_withheld(change.source) {
                change.text = format!(
                    "a policy of type {}, which you may not read, said otherwise",
                    change.source.as_str()
                );
            }
        }
        self.decision.withhold(is_withheld);
    }
}

/// Explains a request. The decision is the one that [`super::authorize`] gives.
pub fn explain(state: &State, request: &Request<'_>) -> Explanation {
    explain_within(state, request, None)
}

/// [`explain`], its work counted.
pub fn explain_within(
    state: &State,
    request: &Request<'_>,
    effort: Option<&Effort<'_>>,
) -> Explanation {
    judge(state, request, effort, Explain)
}

struct Explain;

impl Judge for Explain {
    type Answer = Explanation;

    fn nobody(self, decision: Decision) -> Explanation {
        let section = Section {
            rules: vec!["ID-18".to_owned(), "ID-20".to_owned()],
            title: "is the caller there".to_owned(),
            says: decision.to_string(),
            lines: Vec::new(),
            untold: 0,
        };
        Explanation {
            decision,
            sections: vec![section],
            nearest: Vec::new(),
        }
    }

    fn somebody<'e, P, G>(
        self,
        evidence: &Evidence<'e, P, G>,
        state: &'e State,
        request: &'e Request<'e>,
    ) -> Explanation
    where
        P: Iterable<NamedPolicy<'e>>,
        G: Iterable<&'e Grant>,
    {
        let former = consider::former(state, request);
        let on_key = consider::on_key(state, request);
        explain_evidence(evidence, on_key, former, request.now)
    }
}

/// Which half of the permission to put another key policy is missing, for whoever is refused by the lockout check (P-7,
/// the new policy itself, or what the caller's account says.
pub fn shortfall(state: &State, request: &Request<'_>, effort: Option<&Effort<'_>>) -> String {
    judge(state, request, effort, Shortfall)
}

struct Shortfall;

impl Judge for Shortfall {
    type Answer = String;

    fn nobody(self, decision: Decision) -> String {
        decision.to_string()
    }

    fn somebody<'e, P, G>(
        self,
        evidence: &Evidence<'e, P, G>,
        state: &'e State,
        request: &'e Request<'e>,
    ) -> String
    where
        P: Iterable<NamedPolicy<'e>>,
        G: Iterable<&'e Grant>,
    {
        let decision = combine(evidence);
        let former = consider::former(state, request);
        let scene = consider::Scene::new(evidence, std::iter::empty(), former, None, request.now);
        scene.shortfall(&decision)
    }
}

/// Explains evidence that stands for itself, as a line of `grantd decide` brings it. `on_key` are all grants on the key,
/// `former` the principals that its policy names and that are gone.
pub fn explain_evidence<'e, P, G>(
    evidence: &Evidence<'e, P, G>,
    on_key: impl Iterator<Item = &'e Grant>,
    former: Vec<Former>,
    now: Timestamp,
) -> Explanation
where
    P: Iterable<NamedPolicy<'e>>,
    G: Iterable<&'e Grant>,
{
    let decision = combine(evidence);
    let decides = decision.decided_by().and_then(|by| by.grant);
    let scene = consider::Scene::new(evidence, on_key, former, decides, now);
    let mut sections = scene.sections();
    let nearest = nearest::search_within(scene, &decision);
    if nearest.is_none() {
        sections.push(unsearched());
    }
    Explanation {
        sections,
        nearest: nearest.unwrap_or_default(),
        decision,
    }
}

/// What is told where the search for the nearest other answer was given up.
fn unsearched() -> Section {
    Section {
        rules: Vec::new(),
        title: "what would change the answer".to_owned(),
        says: "not looked for to the end: the policies are too large, or their patterns too costly, to try what else they could say".to_owned(),
        lines: Vec::new(),
        untold: 0,
    }
}
