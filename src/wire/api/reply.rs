//! The shapes that nearly every answer has: nothing but that it was done, one thing, or a page of things. An outcome of
//! another kind than the one the row names is [`Lacking`](super::Lacking).

/// Answers to changes, one row each: `Response from the outcome => { the answer's members }`.
macro_rules! outputs {
    ($($response:ident from $outcome:pat => { $($members:tt)* })+) => {$(
        impl $crate::wire::api::FromOutput for $crate::wire::v1::$response {
            fn from_output(
                header: $crate::wire::v1::ResponseHeader,
                output: $crate::domain::op::Output,
                _: Option<String>,
            ) -> Result<Self, $crate::wire::api::Lacking> {
                match output {
                    $outcome => Ok(Self { header: Some(header), $($members)* }),
                    _ => Err($crate::wire::api::Lacking),
                }
            }
        }
    )+};
}

/// Answers that say only that it was done.
macro_rules! done {
    ($($response:ident),+ $(,)?) => {
        $crate::wire::api::reply::outputs! {
            $($response from $crate::domain::op::Output::Done => {})+
        }
    };
}

/// The same of operations that bring a policy: the answer also tells what surprises in it.
macro_rules! policy_done {
    ($($response:ident),+ $(,)?) => {$(
        impl $crate::wire::api::FromOutput for $crate::wire::v1::$response {
            fn from_output(
                header: $crate::wire::v1::ResponseHeader,
                output: $crate::domain::op::Output,
                _: Option<String>,
            ) -> Result<Self, $crate::wire::api::Lacking> {
                match output {
                    $crate::domain::op::Output::Done => Ok(Self {
                        header: Some(header),
                        policy_warnings: Vec::new(),
                    }),
                    _ => Err($crate::wire::api::Lacking),
                }
            }

            fn with_warnings(mut self, warnings: Vec<$crate::wire::v1::PolicyWarning>) -> Self {
                self.policy_warnings = warnings;
                self
            }
        }
    )+};
}

/// Answers to questions, one row each: `Response from the answer => { the answer's members }`.
macro_rules! answers {
    ($($response:ident from $answer:pat => { $($members:tt)* })+) => {$(
        impl $crate::wire::api::FromAnswer for $crate::wire::v1::$response {
            fn from_answer(
                header: $crate::wire::v1::ResponseHeader,
                answer: $crate::domain::op::Answer,
            ) -> Result<Self, $crate::wire::api::Lacking> {
                match answer {
                    $answer => Ok(Self { header: Some(header), $($members)* }),
                    _ => Err($crate::wire::api::Lacking),
                }
            }
        }
    )+};
}

/// Pages, one row each: `Response { the member that lists } of the answer by the conversion of one item`.
macro_rules! pages {
    ($($response:ident { $member:ident } of $answer:ident by $item:expr;)+) => {
        $crate::wire::api::reply::answers! {
            $($response from $crate::domain::op::Answer::$answer(
                $crate::domain::op::Paged { items, next },
            ) => {
                $member: items.into_iter().map($item).collect(),
                next_marker: next.map(|next| next.to_string()),
            })+
        }
    };
}

pub(super) use {answers, done, outputs, pages, policy_done};
