use crate::domain::op::{Applied, Entry, Output};
use crate::domain::state::State;
use crate::domain::time::Revision;
pub fn apply(_state: &mut State, _at: Revision, _entry: &Entry) -> Applied { Applied { outcome: Ok(Output::Done), events: vec![] } }
pub fn write_snapshot(_s: &State, _w: &mut dyn std::io::Write) -> std::io::Result<()> { Ok(()) }
pub fn read_snapshot(_r: &mut dyn std::io::Read) -> Result<State, std::io::Error> { Ok(State::default()) }
