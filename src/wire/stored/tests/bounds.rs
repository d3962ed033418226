//! The longest commands that the domain lets through have room in a record.

use super::samples;
use crate::domain::authz::caller::Identity;
use crate::domain::ids::CloudHsmClusterId;
use crate::domain::limits::{
    BACKEND_FAULT_CHARS_MAX, BACKEND_NAMES_MAX, KEY_STORE_REPORT_MAX, TRUST_ANCHOR_CHARS_MAX,
};
use crate::domain::op::Command;
use crate::domain::op::report_key_store_backends::ReportKeyStoreBackends;
use crate::domain::state::key_store_backend::{Backend, ClusterFacts};
use crate::wire::stored::encode_entry;

/// A cluster of its own for each number below 26 * 26.
fn cluster(n: usize) -> CloudHsmClusterId {
    let letter = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap());
    let (high, low) = (letter(n / 26), letter(n));
    format!("cluster-{high}{low}{}", "z".repeat(14))
        .parse()
        .unwrap()
}

#[test]
fn longest_report_of_backends_has_room_in_a_record() {
    let told = |n| Backend::Cluster {
        id: cluster(n),
        known: Some(ClusterFacts {
            active: true,
            active_zones: u32::MAX,
            trust_anchor: Some("c".repeat(TRUST_ANCHOR_CHARS_MAX).into()),
            related: (0..BACKEND_NAMES_MAX).map(cluster).collect(),
            fault: Some("\u{10ffff}".repeat(BACKEND_FAULT_CHARS_MAX).into()),
        }),
    };
    let report = ReportKeyStoreBackends {
        account: "111122223333".parse().unwrap(),
        backends: (0..KEY_STORE_REPORT_MAX).map(told).collect(),
        forgotten: Vec::new(),
    };
    let command = Command::ReportKeyStoreBackends(report);
    assert!(encode_entry(&samples::entry(Identity::Operator, command)).is_ok());
}
