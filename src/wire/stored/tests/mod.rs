//! Tests of the persisted forms: golden bytes, round trips, hostile bytes.

mod bounds;
mod golden;
mod hostile;
mod log;
mod round_trip;
mod samples;
mod snapshot;
