//! What the tests of the conversions start from.

use super::{Change, Drawn, IntoChange};
use crate::domain::op::{Command, ErrorCode, Scope};

/// A key as a caller may name it.
pub(super) const KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

pub(super) fn scope() -> Scope {
    Scope {
        partition: Default::default(),
        region: "us-west-2".parse().unwrap(),
    }
}

pub(super) fn drawn() -> Drawn {
    Drawn {
        account: Some("111122223333".parse().unwrap()),
        entropy: [0xff; 32],
    }
}

/// The command that a request asks for.
pub(super) fn command(request: impl IntoChange) -> Command {
    match request.into_change(&scope(), &drawn()).unwrap() {
        Change::Command { command, .. } => command,
        Change::Sealing { .. } | Change::RetireByToken { .. } | Change::RotateTokenEpoch => {
            panic!("not a command")
        }
    }
}

/// With what a request is refused.
pub(super) fn refusal(request: impl IntoChange) -> (ErrorCode, String) {
    let invalid = request.into_change(&scope(), &drawn()).unwrap_err();
    (invalid.code, invalid.message)
}

/// The refusal of one member that fails one constraint (W-3).
pub(super) fn failed(value: &str, path: &str, constraint: &str) -> (ErrorCode, String) {
    (
        ErrorCode::Validation,
        format!(
            "1 validation error detected: Value {value} at '{path}' failed to satisfy constraint: Member must {constraint}"
        ),
    )
}
