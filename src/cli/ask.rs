//! The shapes that most commands have: a call after which there is nothing to show, a policy that is put or shown, and a
//! listing page by page.

use serde_json::{Value, json};

use super::common::Paging;
use super::error::CliError;
use super::input::read_policy;
use super::output::{Shown, object};
use crate::client::{Client, Operation, api};

/// Calls, and shows nothing but where the answer comes from.
pub(super) async fn done<O: Operation>(client: &Client, request: O) -> Result<Shown, CliError> {
    let answer = client.call(request).await?.answer;
    Ok(Shown::answer(json!({}), O::header_of(&answer)))
}

/// Puts the policy that `from` names, in the request that is made of its text. A fault is shown where it stands, and what
/// surprises in it is told.
pub(super) async fn put_policy<O: Operation>(
    client: &Client,
    from: &str,
    request: impl FnOnce(String) -> O,
    warnings: impl FnOnce(&O::Answer) -> &[api::PolicyWarning],
) -> Result<Shown, CliError> {
    let policy = read_policy(from)?;
    let answer = client
        .call(request(policy.text.clone()))
        .await
        .map_err(|e| policy.explain(e))?
        .answer;
    policy.warn(warnings(&answer));
    Ok(Shown::answer(json!({}), O::header_of(&answer)))
}

/// A policy under AWS's names.
pub(super) fn policy_members(name: &str, text: &str) -> Value {
    object([("PolicyName", json!(name)), ("Policy", json!(text))])
}

/// Fetches the pages that were asked for and shows them as one list, the member `name`. `request` asks for a page,
/// `take` tells its entries and where the next one begins.
pub(super) async fn paged<O: Operation>(
    client: &Client,
    paging: &Paging,
    name: &'static str,
    request: impl Fn(api::Page) -> O,
    take: impl Fn(O::Answer) -> (Vec<Value>, Option<String>),
) -> Result<Shown, CliError> {
    let mut pages = paging.pages();
    let mut entries = Vec::new();
    loop {
        let answer = client.call(request(pages.page())).await?.answer;
        let header = O::header_of(&answer).cloned();
        let (page, next) = take(answer);
        entries.extend(page);
        if !pages.turn(next) {
            let value = object([(name, Value::Array(entries)), pages.marker()]);
            return Ok(Shown::answer(value, header.as_ref()));
        }
    }
}
