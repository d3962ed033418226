//! One case from beginning to end: its world, its requests in order, what is expected of each.
//!
//! Never: a case that is passed although a part of it could not be run.

use serde_json::{Value, json};

use super::ask::{Question, Stop};
use super::call::{call, why as why_of};
use super::model::{Case, Kind, Request, Step};
use super::outcome::{Got, Happened, check, compare, field, line};
use super::read::Problem;
use super::world::World;
use crate::domain::authz::decision::Decision;
use crate::domain::authz::explain::Explanation;
use crate::domain::policy::{ActionTarget, KmsAction};

/// Most pages that one listing may have: a listing that never ends is told.
const PAGES_MAX: usize = 10_000;

/// How a case ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// As expected.
    Passed,
    /// Otherwise.
    Failed(Box<Difference>),
    /// It could not be run.
    Broken(Problem),
}

/// What differs from what is expected.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The step, from 1, of a scenario.
    pub step: Option<usize>,
    /// The request, in short.
    pub request: String,
    /// What differs.
    pub what: String,
    /// What was expected, in one line.
    pub expected: String,
    /// What happened, in one line.
    pub got: String,
    /// Why, as the engine explains it.
    pub explanation: String,
}

/// Runs a case.
pub fn run(case: &Case) -> Ended {
    match run_steps(case) {
        Ok(None) => Ended::Passed,
        Ok(Some(difference)) => Ended::Failed(Box::new(difference)),
        Err(problem) => Ended::Broken(problem),
    }
}

/// What the engine decides of a case's first request, and how it explains that; `None` if the request is refused before
/// anything is decided.
///
/// # Errors
/// [`Problem`]: the case cannot be run.
pub fn explained(case: &Case) -> Result<Option<(Decision, Explanation)>, Problem> {
    let world = World::of(case)?;
    let Some(step) = case.steps.first() else {
        return Ok(None);
    };
    match Question::of(&world, &step.request) {
        Ok(question) => Ok(Some((question.decide(&world), question.explain(&world)))),
        Err(Stop::Happened(_)) => Ok(None),
        Err(Stop::Problem(problem)) => Err(problem),
    }
}

/// Why each request of a case is decided as it is, on the state that it meets. What cannot be run ends it.
pub fn explain(case: &Case) -> Vec<String> {
    let mut told = Vec::new();
    let Ok(mut world) = World::of(case) else {
        return told;
    };
    for (n, step) in case.steps.iter().enumerate() {
        let title = &case.title;
        let mut text = format!("{}, request {} ({title})\n", case.id, n + 1);
        text.push_str(&format!("{}\n", in_short(&step.request)));
        let why = why(&world, case.kind, &world.filled_in(&step.request));
        let ran = run_step(&mut world, case.kind, step);
        match (why, &ran) {
            (Some(why), _) => text.push_str(&why),
            (None, Ok((happened, _))) => text.push_str(&untold(&world, happened)),
            (None, Err(_)) => {}
        }
        told.push(text);
        if ran.is_err() {
            break;
        }
    }
    told
}

/// What is told of a request that ended before anything was asked, as explanations begin.
fn untold(world: &World, happened: &Happened) -> String {
    match happened {
        Happened::Refused { code, message } => format!("REFUSED: {code}: {message}\n"),
        Happened::Allowed { .. } | Happened::Denied { .. } => {
            format!("{}\n", Got::of(world, happened).why)
        }
    }
}

fn run_steps(case: &Case) -> Result<Option<Difference>, Problem> {
    let mut world = World::of(case)?;
    for (n, step) in case.steps.iter().enumerate() {
        let before = world.state.clone();
        let (happened, what) = run_step(&mut world, case.kind, step)?;
        let Err(what) = what else {
            continue;
        };
        let got = Got::of(&world, &happened);
        // Explained on the state that the request met.
        world.state = before;
        return Ok(Some(Difference {
            step: (case.kind == Kind::Scenario).then_some(n + 1),
            request: in_short(&step.request),
            what,
            expected: line(&step.expected),
            got: got.line(),
            explanation: why(&world, case.kind, &world.filled_in(&step.request))
                .unwrap_or_else(|| got.why.clone()),
        }));
    }
    Ok(None)
}

/// Carries out one step; what happened, and whether it is what is expected.
///
/// # Errors
/// [`Problem`]: the case cannot be run.
pub fn run_step(
    world: &mut World,
    kind: Kind,
    step: &Step,
) -> Result<(Happened, Result<(), String>), Problem> {
    let request = world.filled_in(&step.request);
    let mut happened = match kind {
        Kind::Authz if names_alias(&request) => {
            match why_of(world, kind, &request).and_then(|told| told.decision().cloned()) {
                Some(decision) => Happened::decided(decision),
                None => call(&mut world.clone(), kind, &request)?,
            }
        }
        Kind::Authz => match Question::of(world, &request) {
            Ok(question) => Happened::decided(question.decide(world)),
            Err(Stop::Happened(happened)) => happened,
            Err(Stop::Problem(problem)) => return Err(problem),
        },
        Kind::Api | Kind::Scenario => call(world, kind, &request)?,
    };
    let agrees = compare(&step.expected, &Got::of(world, &happened));
    if agrees.is_err() {
        return Ok((happened, agrees));
    }
    let mut largest = 0;
    if step.paginate {
        (happened, largest) = all_pages(world, &request, happened)?;
    }
    let Happened::Allowed { answer, .. } = &happened else {
        return Ok((happened, Ok(())));
    };
    for (name, bound) in &step.bind {
        let Some(value) = field(answer, name) else {
            let why = format!("the answer has no `{name}` to bind to `{bound}`");
            return Ok((happened, Err(why)));
        };
        world.names.insert(bound.clone(), value);
    }
    let holds = step
        .asserts
        .iter()
        .try_for_each(|assert| check(world, assert, answer, largest));
    Ok((happened, holds))
}

/// Follows the markers to the end; the answer with every entry, and the size of the largest page.
fn all_pages(
    world: &mut World,
    request: &Request,
    first: Happened,
) -> Result<(Happened, usize), Problem> {
    const LISTS: [&str; 6] = [
        "Grants",
        "Keys",
        "Aliases",
        "Tags",
        "PolicyNames",
        "CustomKeyStores",
    ];
    let (mut request, mut happened) = (request.clone(), first);
    let (mut all, mut largest, mut list) = (Vec::new(), 0, "Grants");
    for _ in 0..PAGES_MAX {
        let Happened::Allowed { answer, .. } = &happened else {
            return Ok((happened, largest));
        };
        let Some(name) = LISTS.iter().find(|name| answer.get(**name).is_some()) else {
            let why = "`paginate` is for a listing";
            return Err(Problem::at(&request.path, why));
        };
        list = name;
        let page = answer.get(list).and_then(Value::as_array);
        let page = page.map_or(&[][..], Vec::as_slice);
        largest = largest.max(page.len());
        all.extend(page.iter().cloned());
        let Some(next) = answer.get("NextMarker").cloned() else {
            let whole = [
                (list.to_owned(), Value::Array(all)),
                ("Truncated".to_owned(), json!(false)),
            ];
            let whole = Value::Object(whole.into_iter().collect());
            return Ok((Happened::answered(whole), largest));
        };
        if let Some(members) = request.params.as_object_mut() {
            members.insert("Marker".into(), next);
        }
        happened = call(world, Kind::Scenario, &request)?;
    }
    let why = format!("the listing `{list}` has more than {PAGES_MAX} pages");
    Err(Problem::at(&request.path, why))
}

fn in_short(request: &Request) -> String {
    let mut text = format!("{} {}", request.principal, request.action);
    if let Some(key) = &request.key_id {
        text.push_str(&format!(" on {key}"));
    }
    if let Some(resource) = &request.resource {
        text.push_str(&format!(" on {resource}"));
    }
    if !request.encryption_context.is_empty() {
        let pairs = request.encryption_context.iter();
        let pairs: Vec<String> = pairs.map(|(k, v)| format!("{k}={v}")).collect();
        text.push_str(&format!(" with context {}", pairs.join(" ")));
    }
    let has_params = request.params.as_object().is_some_and(|p| !p.is_empty());
    if has_params {
        text.push_str(&format!(" {}", request.params));
    }
    text
}

/// Why it happens, as far as a decision tells: of a pure question that, of a call all that the call asks for, and what it
/// is refused for beside permission.
fn why(world: &World, kind: Kind, request: &Request) -> Option<String> {
    match kind {
        Kind::Authz if !names_alias(request) => match Question::of(world, request) {
            Ok(question) => Some(question.explain(world).to_string()),
            Err(_) => None,
        },
        Kind::Authz | Kind::Api | Kind::Scenario => {
            why_of(world, kind, request).map(|told| told.to_string())
        }
    }
}

/// Whether a pure question names alias and key, and not one of them as its resource: it is asked of both (D-14).
fn names_alias(request: &Request) -> bool {
    let is_alias_operation = KmsAction::by_name(request.operation())
        .is_some_and(|action| action.target() == ActionTarget::KeyAndAlias);
    is_alias_operation && request.resource.is_none() && request.params().get("AliasName").is_some()
}
