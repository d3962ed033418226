//! `docs/condition-keys.md`: the table of condition keys as a page, made from the table itself.

use std::fmt::Write as _;

use grantd::domain::policy::{Count, DefaultIf, KmsAction, Presence, Row, Told, Whose, rows};

use crate::evidence::check_or_bless;

const HEAD: &str = "\
# Condition keys

Every condition key that a policy can ask for here, who tells its value, and which requests of KMS carry it (CK-58). The
table is made from the one that decides (`src/domain/policy/keys.rs`).

Who tells:

- *server*: computed here. What anybody else states of it is not looked at.
- *server, else front*: computed where the cluster knows (of an account in one of its organizations, of a VPC endpoint that
  it keeps, of a key that is there); of what it does not know, the front may state it.
- *request*: a member of the request. Of an operation that grantd carries out, the server takes it from the request; of one
  that is carried out elsewhere and asked about (`Authorize`, `Explain`, `WhatIf`), the front states it by this name in
  `facts.context`. Where a default is given it counts as if it had been sent (CK-57).
- *front*: the front states it by this name; absent if it does not.
- *nobody*: a statement that asks for it, on an action that has it and is decided here, is refused when it is stored.

A front may state further names of its own (`acme:ticket`) and those of identity providers (`accounts.google.com:sub`). A
principal that asks without a front states none of the keys below, and no name that begins with `aws:`, `kms:`, `iam:`,
`organizations:`, `sts:`, `saml:` or a host name. Keys of other services (`s3:prefix`) are absent from requests of KMS (CK-60).

";

fn told(row: &Row) -> &'static str {
    match row.told {
        Told::Server => "server",
        Told::ServerOrFront => "server, else front",
        Told::Parameter => "request",
        Told::Front => "front",
        Told::Nobody => "nobody",
    }
}

fn whose(row: &Row) -> &'static str {
    match row.of {
        Whose::Caller => "caller",
        Whose::Session => "session",
        Whose::Resource => "resource",
        Whose::Cluster => "endpoint",
        Whose::Request => "request",
    }
}

fn default(row: &Row) -> String {
    let Some(value) = row.default else {
        return String::new();
    };
    let value = value.into_text();
    match row.default_if {
        DefaultIf::NotSaid => format!("`{value}`"),
        DefaultIf::Symmetric => format!("`{value}` of symmetric keys"),
        DefaultIf::ValidTo => format!("`{value}` with ValidTo"),
    }
}

/// The actions whose requests carry a key, those that always do first.
fn carried(row: &Row) -> String {
    let of = |wanted: Presence| -> Vec<&str> {
        KmsAction::ALL
            .iter()
            .filter(|action| (row.presence)(**action) == wanted)
            .map(|action| action.name())
            .collect()
    };
    let (always, sometimes, never) = (
        of(Presence::Always),
        of(Presence::Sometimes),
        of(Presence::Never),
    );
    let mut parts: Vec<String> = Vec::new();
    for (word, names) in [("always", always), ("if there is one", sometimes)] {
        let text = match names.len() {
            0 => continue,
            n if n == KmsAction::ALL.len() => format!("{word}: every action"),
            n if n > never.len() => format!("{word}: all but {}", never.join(", ")),
            _ => format!("{word}: {}", names.join(", ")),
        };
        parts.push(text);
    }
    if !row.elsewhere.is_empty() {
        parts.push(row.elsewhere.join(", "));
    }
    parts.join("; ")
}

/// CK-58: the page says what the table says.
#[test]
fn page_of_condition_keys_is_the_table() {
    let mut page = HEAD.to_owned();
    page.push_str("| key | values | type | whose | told by | default | requests |\n");
    page.push_str("|---|---|---|---|---|---|---|\n");
    let mut all: Vec<&Row> = rows().collect();
    all.sort_by_key(|row| row.name.to_lowercase());
    for row in all {
        let count = match row.count {
            Count::One => "one",
            Count::Many => "several",
        };
        writeln!(
            page,
            "| `{}` | {count} | {} | {} | {} | {} | {} |",
            row.name,
            row.form.data_type(),
            whose(row),
            told(row),
            default(row),
            carried(row)
        )
        .unwrap();
    }
    check_or_bless("docs/condition-keys.md", &page);
}
