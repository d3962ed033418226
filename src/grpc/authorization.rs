//! Questions and decisions.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::unread::Heft;
use super::{Api, Call, Fault, refuse_idempotency};
use crate::app::AppError;
use crate::app::decide::Decided;
use crate::domain::authz::claim::Question;
use crate::domain::ids::KeyArn;
use crate::domain::op::posed::Verdict;
use crate::wire::api::Invalid;
use crate::wire::api::authorization::{decision_out, parts_out, read_batch};
use crate::wire::api::insight::refusal_out;
use crate::wire::v1;
use crate::wire::v1::authorization_server::Authorization;
use crate::wire::v1::batch_authorize_response::{Answered as AnsweredItem, Item, item};

#[tonic::async_trait]
impl Authorization for Api {
    async fn authorize(
        &self,
        request: Request<v1::AuthorizeRequest>,
    ) -> Result<Response<v1::AuthorizeResponse>, Status> {
        let arrival = self.arrive(&request);
        let decided = async {
            let Call {
                arrival,
                terms,
                idempotency,
                request,
            } = self.read(arrival, request)?;
            refuse_idempotency(idempotency)?;
            let v1::AuthorizeRequest {
                header: _,
                question,
            } = request;
            let question = Question::try_from(question.unwrap_or_default())?;
            let (decided, answered) = self.0.decide(&arrival, &terms, question).await?;
            let AnsweredItem {
                decision,
                key_arn,
                refusal,
                parts,
            } = out(&decided);
            Ok::<_, Fault>(Response::new(v1::AuthorizeResponse {
                header: Some(self.answer_header(&arrival, answered)),
                decision,
                key_arn,
                refusal,
                parts,
            }))
        };
        decided
            .await
            .map_err(|fault| self.failed(&arrival, fault, || None))
    }

    async fn batch_authorize(
        &self,
        request: Request<v1::BatchAuthorizeRequest>,
    ) -> Result<Response<v1::BatchAuthorizeResponse>, Status> {
        self.decide_batch(request, Heft::Light).await
    }

    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        self.describe(request).await
    }

    async fn what_if(
        &self,
        request: Request<v1::WhatIfRequest>,
    ) -> Result<Response<v1::WhatIfResponse>, Status> {
        self.describe(request).await
    }

    async fn who_can(
        &self,
        request: Request<v1::WhoCanRequest>,
    ) -> Result<Response<v1::AccessResponse>, Status> {
        self.describe(request).await
    }

    async fn what_can(
        &self,
        request: Request<v1::WhatCanRequest>,
    ) -> Result<Response<v1::AccessResponse>, Status> {
        self.describe(request).await
    }

    async fn list_dangling_principals(
        &self,
        request: Request<v1::ListDanglingPrincipalsRequest>,
    ) -> Result<Response<v1::ListDanglingPrincipalsResponse>, Status> {
        self.describe(request).await
    }
}

impl Api {
    pub(super) async fn decide_batch(
        &self,
        request: Request<v1::BatchAuthorizeRequest>,
        heft: Heft,
    ) -> Result<Response<v1::BatchAuthorizeResponse>, Status> {
        let arrival = self.arrive(&request);
        let decided = async {
            let Call {
                arrival,
                terms,
                idempotency,
                request,
            } = self.read_of_heft(arrival, request, heft)?;
            let v1::BatchAuthorizeRequest {
                header: _,
                questions,
            } = request;
            let (read, asked) = self.by_heft(heft, move || split(questions)).await??;
            // To let many questions go takes long, too.
            let _held = self.hold_by_heft(heft, &asked);
            refuse_idempotency(idempotency)?;
            let (decided, answered) = self.0.decide_all(&arrival, &terms, asked).await?;
            let mut decided = decided.into_iter();
            let items = read
                .into_iter()
                .map(|read| match read {
                    Err(invalid) => Err(Fault::Invalid(invalid)),
                    Ok(()) => decided
                        .next()
                        .unwrap_or(Err(AppError::Internal("a question got no answer")))
                        .map_err(Fault::App),
                })
                .map(|result| self.item(result))
                .collect();
            Ok::<_, Fault>(Response::new(v1::BatchAuthorizeResponse {
                header: Some(self.answer_header(&arrival, answered)),
                items,
            }))
        };
        decided
            .await
            .map_err(|fault| self.failed(&arrival, fault, || None))
    }

    fn item(&self, result: Result<Decided, Fault>) -> Item {
        let result = match result {
            Ok(decided) => item::Result::Answered(out(&decided)),
            Err(fault) => item::Result::Error(self.detail(fault)),
        };
        Item {
            result: Some(result),
        }
    }
}

/// Whether each question of a batch could be read, and those that could.
type Split = (Vec<Result<(), Invalid>>, Arc<[Question]>);

/// What was refused for its form is told in its place among the answers.
fn split(questions: Vec<v1::Question>) -> Result<Split, Invalid> {
    let mut asked = Vec::with_capacity(questions.len());
    let read = read_batch(questions)?.into_iter();
    let read = read.map(|read| read.map(|question| asked.push(question)));
    let read = read.collect();
    Ok((read, asked.into()))
}

fn out(decided: &Decided) -> AnsweredItem {
    let Decided {
        subject: _,
        untold: _,
        verdict:
            Verdict {
                decision,
                parts,
                key,
                token_grants,
                refusal,
            },
    } = decided;
    AnsweredItem {
        decision: Some(decision_out(decision, token_grants)),
        key_arn: key.as_ref().map(KeyArn::to_string),
        refusal: refusal.as_ref().map(refusal_out),
        parts: parts_out(parts),
    }
}
