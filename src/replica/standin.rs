use crate::domain::op::{Applied, Entry, Output};
use crate::domain::state::State;
use crate::domain::time::Revision;
pub fn apply(_state: &mut State, _at: Revision, _entry: &Entry) -> Applied {
    Applied {
        outcome: Ok(Output::Done),
        events: vec![],
    }
}
