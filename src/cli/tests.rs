//! The command line as a whole: what parses, what is refused, what help says.

use clap::{CommandFactory, Parser};

use super::common::Fallback;
use super::error::CliError;
use super::*;
use crate::client::api;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("grantd").chain(line.split_whitespace()))
}

#[test]
fn definitions_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_of_the_documentation_parses() {
    for line in [
        "dev --quiet --port 0 --data d --ready-file f --account 111122223333",
        "serve --config node.toml --listen 127.0.0.1:1",
        "cluster keygen seal.key",
        "cluster init --bound 500ms --endpoint 127.0.0.1:1",
        "cluster join --via 127.0.0.1:1",
        "cluster remove 3",
        "cluster status --endpoint 127.0.0.1:1,127.0.0.1:2",
        "cluster status --watch",
        "account create 111122223333 --name main",
        "account list",
        "identity create arn:aws:iam::111122223333:user/A --tag a=b",
        "identity put-policy arn:aws:iam::111122223333:user/A p @f",
        "identity list --kind role --limit 5",
        "key create --description d --tag a=b --policy -",
        "key put-policy k {} --bypass-policy-lockout-safety-check",
        "key tag k a=b c=d",
        "key tags k",
        "key describe k",
        "key set-description k d",
        "key get-last-usage k",
        "key list-policies k",
        "key schedule-deletion k --pending-window-in-days 7",
        "key cancel-deletion k",
        "key replicate k us-east-1 --policy - --description d --tag a=b",
        "key update-primary-region k us-east-1",
        "key create --origin EXTERNAL_KEY_STORE --custom-key-store cks-1 --xks-key x",
        "key-store create hsm --cluster c --password-file - --trust-anchor-file f",
        "key-store create x --type EXTERNAL_KEY_STORE --proxy-endpoint https://a.b --proxy-path /kms/xks/v1 --proxy-connectivity PUBLIC_ENDPOINT --access-key-id A --secret-access-key-file f",
        "key-store connect cks-1",
        "key-store disconnect cks-1",
        "key-store update cks-1 --name n --vpc-endpoint-service s --vpc-endpoint-service-owner 111122223333",
        "key-store delete cks-1",
        "key-store list --name n --limit 5",
        "key-store work --as operator",
        "key-store report cks-1 failed --error-code INTERNAL_ERROR --attempt 42 --as operator",
        "alias create alias/a k",
        "alias update alias/a k",
        "alias list --key k",
        "grant create k --grantee a --operations Decrypt,Encrypt --context-equals a=b",
        "grant create k --grantee a --operations Decrypt --expires-at 2026-12-24T19:00:00+01:00",
        "grant list k --grantee g",
        "grant list-retirable --retiring a",
        "grant retire --token t",
        "grant retire k g",
        "grant revoke k g --dry-run",
        "authorize --action kms:Decrypt --key k --principal p --max-staleness 200ms",
        "authorize --action kms:Decrypt --key k --at-least x.5 --encryption-context a=b --context aws:SourceIp=1.2.3.4",
        "policy check f --kind identity",
        "policy check f --kind scp",
        "policy lint f g - --kind identity --account 111122223333 --output json",
        "decide",
        "decide --explain --output json",
        "explain --principal p --action kms:Decrypt --key k --as operator",
        "what-if --put-key-policy k=f --revoke-grant k=g --requests r.jsonl --as a",
        "what-if --changes c.jsonl --principal p --action kms:Decrypt --key k",
        "what-if --put-boundary a=f --put-group-policy g#n=f --add-to-group g=u --remove-from-group g=u --requests -",
        "what-if --put-scp r-1#n=f --put-rcp r-1#n=f --disable-key k --requests -",
        "access who-can k kms:Decrypt kms:Encrypt --limit 5",
        "access what-can arn:aws:iam::111122223333:user/A",
        "authorize --action kms:Sign --key k --dry-run",
        "test a.json folder --filter D-4 --junit r.xml --output json",
        "config sample",
        "config check node.toml",
        "completions zsh",
    ] {
        if let Err(error) = parse(line) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn contradictory_or_incomplete_commands_are_refused() {
    for (line, part) in [
        ("", "Usage"),
        ("authorise --action a", "authorize"),
        ("key put-polcy k f", "put-policy"),
        ("key create --tag a", "KEY=VALUE"),
        ("grant create k --operations Decrypt", "--grantee"),
        ("grant create k --grantee a", "--operations"),
        ("grant retire", "--token"),
        ("grant retire k", "GRANT_ID"),
        ("grant retire k g --token t", "cannot be used"),
        ("authorize --key k", "--action"),
        ("authorize --action a --max-staleness 5", "unit"),
        ("key list --deadline 0s", "more than no time"),
        (
            "grant create k --grantee a --operations Decrypt --expires-in 1h --expires-at 2126-01-01",
            "cannot be used",
        ),
        (
            "grant create k --grantee a --operations Decrypt --expires-in 1w",
            "`30d`",
        ),
        (
            "authorize --action a --max-staleness 5s --linearizable",
            "cannot be used",
        ),
        ("completions tcsh", "possible values"),
    ] {
        let Err(error) = parse(line) else {
            panic!("{line} was accepted");
        };
        assert!(error.to_string().contains(part), "{line}: {error}");
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn help_documents_the_exit_codes() {
    let help = Cli::command().render_long_help().to_string();
    for code in [
        "0  done",
        "1  of `authorize`: denied",
        "2  wrong",
        "3  refused",
        "4  unavailable",
        "5  unknown",
    ] {
        assert!(help.contains(code), "{help}");
    }
}

fn who(line: &str, fallback: Fallback) -> Result<api::claim::Who, CliError> {
    // The claim of the surrounding environment must not reach the tests.
    let cli = parse(&format!("account list {line}")).unwrap();
    let client = cli.common.client(fallback)?;
    Ok(client.options().claim.who.clone().unwrap())
}

#[test]
fn caller_is_read_from_its_text() {
    use api::claim::Who;
    use api::subject::Kind;
    let principal = |line: &str| match who(line, Fallback::None).unwrap() {
        Who::Principal(subject) => subject.kind.unwrap(),
        other => panic!("{other:?}"),
    };
    assert!(matches!(
        who("--as operator", Fallback::None),
        Ok(Who::Operator(_))
    ));
    assert!(matches!(who("", Fallback::Operator), Ok(Who::Operator(_))));
    let user = "arn:aws:iam::111122223333:user/div/A";
    assert_eq!(
        principal(&format!("--as {user}")),
        Kind::Principal(user.to_owned())
    );
    let session = "--as arn:aws:sts::111122223333:assumed-role/R/s";
    let role = "arn:aws:iam::111122223333:role/p/R";
    for (line, expected) in [
        (session.to_owned(), "arn:aws:iam::111122223333:role/R"),
        (format!("{session} --session-of {role}"), role),
    ] {
        let Kind::RoleSession(session) = principal(&line) else {
            panic!("{line}: not a session");
        };
        assert_eq!(
            (session.role.as_str(), session.session_name.as_str()),
            (expected, "s")
        );
    }
    assert_eq!(
        principal("--as ec2.amazonaws.com"),
        Kind::Service("ec2.amazonaws.com".to_owned())
    );
    let Who::Front(front) = who(
        &format!("--as front --on-behalf-of {user} --via-service s3.us-west-2.amazonaws.com"),
        Fallback::None,
    )
    .unwrap() else {
        panic!("not a front");
    };
    assert_eq!(
        front.on_behalf_of.unwrap().kind,
        Some(Kind::Principal(user.to_owned()))
    );
    assert_eq!(
        front.facts.unwrap().via_service.as_deref(),
        Some("s3.us-west-2.amazonaws.com")
    );
}

#[test]
fn caller_that_cannot_be_is_refused_with_what_to_do() {
    for (line, part) in [
        ("", "--as ARN"),
        ("--as oprator", "did you mean `operator`?"),
        ("--as Alice", "want an ARN"),
        ("--as arn:aws:iam::1:user/A", "--as"),
        (
            "--as arn:aws:iam::111122223333:role/R",
            "assumed-role/R/SESSION",
        ),
        (
            "--as arn:aws:sts::111122223333:federated-user/F",
            "--session-of",
        ),
        (
            "--as operator --via-service s3.us-west-2.amazonaws.com",
            "--as front",
        ),
        ("--as operator --endpoint nowhere", "HOST:PORT"),
        ("--as operator --endpoint @no/such/file", "no/such/file"),
    ] {
        let Err(error) = who(line, Fallback::None) else {
            panic!("{line} was accepted");
        };
        assert!(error.render().contains(part), "{line}: {}", error.render());
    }
}

/// A variable stands for an option, and is not counted as one that was given.
#[test]
fn variables_stand_for_options_that_were_not_given() {
    let variables = |name: &str| {
        let value = match name {
            "GRANTD_ENDPOINT" => "127.0.0.1:1,127.0.0.1:2",
            "GRANTD_AS" => "operator",
            "GRANTD_REGION" => "eu-west-1",
            "GRANTD_OUTPUT" => "table",
            "GRANTD_SESSION_OF" => "",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let common = |line: &str| {
        let cli = parse(line).unwrap().with_variables(variables).unwrap();
        cli.common
    };
    let told = common("key list");
    assert_eq!(told.endpoint, ["127.0.0.1:1", "127.0.0.1:2"]);
    assert_eq!(told.caller.as_deref(), Some("operator"));
    assert_eq!(told.region(), "eu-west-1");
    assert_eq!(told.output, Some(common::OutputForm::Table));
    assert_eq!(told.session_of, None);
    let given = common("key list --as a --endpoint 127.0.0.1:9 --region us-east-1 --output json");
    assert_eq!(given.endpoint, ["127.0.0.1:9"]);
    assert_eq!(given.caller.as_deref(), Some("a"));
    assert_eq!(given.region(), "us-east-1");
    assert_eq!(given.output, Some(common::OutputForm::Json));
    let wrong = |_: &str| Some("yaml".to_owned());
    let error = parse("key list")
        .unwrap()
        .with_variables(wrong)
        .unwrap_err();
    assert!(
        error.render().contains("GRANTD_OUTPUT"),
        "{}",
        error.render()
    );
    let config = |name: &str| (name == "GRANTD_CONFIG").then(|| "n.toml".to_owned());
    let cli = parse("serve").unwrap().with_variables(config).unwrap();
    let Command::Serve(args) = cli.command else {
        panic!("not serve");
    };
    assert_eq!(args.config.as_deref(), Some(std::path::Path::new("n.toml")));
}

#[test]
fn endpoints_are_read_from_a_ready_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ready.json");
    std::fs::write(&path, r#"{"endpoints": ["127.0.0.1:1", "127.0.0.1:2"]}"#).unwrap();
    let cli = parse(&format!(
        "account list --endpoint @{},127.0.0.1:3",
        path.display()
    ))
    .unwrap();
    assert_eq!(
        cli.common.endpoints().unwrap(),
        ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]
    );
    std::fs::write(&path, r#"{"endpoints": []}"#).unwrap();
    assert!(cli.common.endpoints().is_err());
}
