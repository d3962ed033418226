//! The shape that nearly every request has: its members are checked for their form, then one operation is made of them.
//! The tables of the other files are written in the two macros of this one; a request that needs more (what is drawn
//! before the log, grant tokens) says so in full, in its own `impl`.

/// Requests that ask for a change, one row each:
///
/// ```text
/// Request { member, member: other_name } check |violations| { the form } => Operation { the operation's fields }
/// ```
///
/// `check` is left out where no member has a form of its own.
macro_rules! changes {
    ($(
        $request:ident { $($member:ident $(: $name:ident)?),* }
        $(check |$violations:ident| $check:block)?
        => $operation:ident { $($fields:tt)* }
    )+) => {$(
        impl $crate::wire::api::IntoChange for $crate::wire::v1::$request {
            fn into_change(
                self,
                _: &$crate::domain::op::Scope,
                _: &$crate::wire::api::Drawn,
            ) -> Result<$crate::wire::api::Change, $crate::wire::api::Invalid> {
                let Self { header: _, $($member $(: $name)?),* } = self;
                $(
                    let mut $violations = $crate::wire::api::shape::Violations::new();
                    $check
                    $violations.finish()?;
                )?
                Ok($crate::wire::api::Change::of(
                    $crate::domain::op::Command::$operation($operation { $($fields)* }),
                ))
            }
        }
    )+};
}

/// The same for requests that only read.
macro_rules! queries {
    ($(
        $request:ident { $($member:ident $(: $name:ident)?),* }
        $(check |$violations:ident| $check:block)?
        => $operation:ident { $($fields:tt)* }
    )+) => {$(
        impl $crate::wire::api::IntoQuery for $crate::wire::v1::$request {
            fn into_query(
                self,
            ) -> Result<$crate::wire::api::Asked, $crate::wire::api::Invalid> {
                let Self { header: _, $($member $(: $name)?),* } = self;
                $(
                    let mut $violations = $crate::wire::api::shape::Violations::new();
                    $check
                    $violations.finish()?;
                )?
                Ok($crate::wire::api::Asked::of(
                    $crate::domain::op::Query::$operation($operation { $($fields)* }),
                ))
            }
        }
    )+};
}

pub(super) use {changes, queries};
