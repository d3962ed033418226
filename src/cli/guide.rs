//! The table of commands: what each does with a cluster, so that its help shows the options that it uses, and an example.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory};

use super::Cli;
use crate::config::closest;

/// What a command does with a cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Uses {
    /// It needs none.
    Nothing,
    /// It needs none, and has an answer.
    Answer,
    /// It asks one node, or all of them, about the cluster.
    Node,
    /// It asks, and may ask any node.
    Read,
    /// It changes something, once.
    Change,
    /// It makes a cluster of its own.
    Own,
}

impl Uses {
    /// Whether it does something with an option of every command, by its id.
    fn takes(self, option: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Answer => matches!(option, "output" | "print"),
            Self::Own => option == "region",
            Self::Node => matches!(
                option,
                "endpoint" | "caller" | "deadline" | "output" | "print"
            ),
            Self::Read => !matches!(option, "idempotency_key" | "idempotency_birth"),
            Self::Change => !matches!(option, "max_staleness" | "at_least" | "linearizable"),
        }
    }
}

/// A row for every command without subcommands.
const COMMANDS: &[(&str, Uses, &str)] = &[
    (
        "dev",
        Uses::Own,
        "grantd dev --data grantd-data --ready-file ready.json",
    ),
    (
        "serve",
        Uses::Nothing,
        "grantd serve --config node.toml --ready-file node.ready",
    ),
    (
        "cluster keygen",
        Uses::Nothing,
        "grantd cluster keygen seal.key",
    ),
    (
        "cluster init",
        Uses::Node,
        "grantd cluster init --endpoint 127.0.0.1:7500",
    ),
    (
        "cluster join",
        Uses::Node,
        "grantd cluster join --endpoint 127.0.0.1:7501 --via 127.0.0.1:7500",
    ),
    (
        "cluster remove",
        Uses::Node,
        "grantd cluster remove 3 --as operator",
    ),
    (
        "cluster status",
        Uses::Node,
        "grantd cluster status --as operator --watch",
    ),
    (
        "cluster force-new",
        Uses::Answer,
        "grantd cluster force-new --data-dir data --into data-new --seal-key-file seal.key --advertise 127.0.0.1:7500",
    ),
    (
        "cluster open",
        Uses::Node,
        "grantd cluster open --gap 4711 --as operator",
    ),
    (
        "cluster rotate-token-epoch",
        Uses::Change,
        "grantd cluster rotate-token-epoch --as operator",
    ),
    (
        "cluster revoke-token-epoch",
        Uses::Change,
        "grantd cluster revoke-token-epoch 1 --as operator",
    ),
    (
        "cluster raise-semantics",
        Uses::Change,
        "grantd cluster raise-semantics 2 --as operator",
    ),
    (
        "cluster settings",
        Uses::Change,
        "grantd cluster settings --regions us-west-2,eu-west-1 --as operator",
    ),
    (
        "account create",
        Uses::Change,
        "grantd account create 111122223333 --name main --as operator",
    ),
    (
        "account list",
        Uses::Read,
        "grantd account list --as operator",
    ),
    (
        "identity create",
        Uses::Change,
        "grantd identity create arn:aws:iam::111122223333:user/Ana --tag team=blue",
    ),
    (
        "identity get",
        Uses::Read,
        "grantd identity get arn:aws:iam::111122223333:user/Ana",
    ),
    (
        "identity list",
        Uses::Read,
        "grantd identity list --kind role",
    ),
    (
        "identity delete",
        Uses::Change,
        "grantd identity delete arn:aws:iam::111122223333:user/Ana",
    ),
    (
        "identity tag",
        Uses::Change,
        "grantd identity tag arn:aws:iam::111122223333:user/Ana team=red",
    ),
    (
        "identity untag",
        Uses::Change,
        "grantd identity untag arn:aws:iam::111122223333:user/Ana team",
    ),
    (
        "identity put-policy",
        Uses::Change,
        "grantd identity put-policy arn:aws:iam::111122223333:user/Ana Use policy.json",
    ),
    (
        "identity get-policy",
        Uses::Read,
        "grantd identity get-policy arn:aws:iam::111122223333:user/Ana Use --print Policy",
    ),
    (
        "identity delete-policy",
        Uses::Change,
        "grantd identity delete-policy arn:aws:iam::111122223333:user/Ana Use",
    ),
    (
        "identity put-boundary",
        Uses::Change,
        "grantd identity put-boundary arn:aws:iam::111122223333:user/Ana boundary.json",
    ),
    (
        "identity delete-boundary",
        Uses::Change,
        "grantd identity delete-boundary arn:aws:iam::111122223333:user/Ana",
    ),
    (
        "identity list-policies",
        Uses::Read,
        "grantd identity list-policies arn:aws:iam::111122223333:user/Ana",
    ),
    (
        "group create",
        Uses::Change,
        "grantd group create arn:aws:iam::111122223333:group/Ops",
    ),
    (
        "group get",
        Uses::Read,
        "grantd group get arn:aws:iam::111122223333:group/Ops",
    ),
    (
        "group list",
        Uses::Read,
        "grantd group list --user arn:aws:iam::111122223333:user/Ana",
    ),
    (
        "group delete",
        Uses::Change,
        "grantd group delete arn:aws:iam::111122223333:group/Ops",
    ),
    (
        "group add",
        Uses::Change,
        "grantd group add arn:aws:iam::111122223333:group/Ops arn:aws:iam::111122223333:user/Ana",
    ),
    (
        "group remove",
        Uses::Change,
        "grantd group remove arn:aws:iam::111122223333:group/Ops arn:aws:iam::111122223333:user/Ana",
    ),
    (
        "group put-policy",
        Uses::Change,
        "grantd group put-policy arn:aws:iam::111122223333:group/Ops Use policy.json",
    ),
    (
        "group get-policy",
        Uses::Read,
        "grantd group get-policy arn:aws:iam::111122223333:group/Ops Use --print Policy",
    ),
    (
        "group delete-policy",
        Uses::Change,
        "grantd group delete-policy arn:aws:iam::111122223333:group/Ops Use",
    ),
    (
        "group list-policies",
        Uses::Read,
        "grantd group list-policies arn:aws:iam::111122223333:group/Ops",
    ),
    (
        "organization create",
        Uses::Change,
        "grantd organization create 777788889999 --as operator",
    ),
    (
        "organization list",
        Uses::Read,
        "grantd organization list --as operator",
    ),
    (
        "organization delete",
        Uses::Change,
        "grantd organization delete o-abcdefghij",
    ),
    (
        "organization add-account",
        Uses::Change,
        "grantd organization add-account 111122223333 r-abcd --as operator",
    ),
    (
        "organization move-account",
        Uses::Change,
        "grantd organization move-account 111122223333 ou-abcd-12345678",
    ),
    (
        "organization remove-account",
        Uses::Change,
        "grantd organization remove-account 111122223333",
    ),
    (
        "organization create-unit",
        Uses::Change,
        "grantd organization create-unit r-abcd Work",
    ),
    (
        "organization delete-unit",
        Uses::Change,
        "grantd organization delete-unit ou-abcd-12345678",
    ),
    (
        "organization list-nodes",
        Uses::Read,
        "grantd organization list-nodes r-abcd",
    ),
    (
        "organization put-policy",
        Uses::Change,
        "grantd organization put-policy ou-abcd-12345678 scp NoDelete policy.json",
    ),
    (
        "organization get-policy",
        Uses::Read,
        "grantd organization get-policy ou-abcd-12345678 scp NoDelete",
    ),
    (
        "organization delete-policy",
        Uses::Change,
        "grantd organization delete-policy ou-abcd-12345678 scp NoDelete",
    ),
    (
        "organization list-policies",
        Uses::Read,
        "grantd organization list-policies ou-abcd-12345678 scp",
    ),
    (
        "endpoint put",
        Uses::Change,
        "grantd endpoint put vpce-1a2b3c4d vpc-11aa22bb 111122223333 --as operator",
    ),
    (
        "endpoint get",
        Uses::Read,
        "grantd endpoint get vpce-1a2b3c4d --as operator",
    ),
    (
        "endpoint list",
        Uses::Read,
        "grantd endpoint list --as operator",
    ),
    (
        "endpoint delete",
        Uses::Change,
        "grantd endpoint delete vpce-1a2b3c4d --as operator",
    ),
    (
        "key create",
        Uses::Change,
        "grantd key create --description orders --tag team=blue --print KeyMetadata.Arn",
    ),
    (
        "key describe",
        Uses::Read,
        "grantd key describe alias/orders",
    ),
    (
        "key get-last-usage",
        Uses::Read,
        "grantd key get-last-usage $KEY",
    ),
    ("key list", Uses::Read, "grantd key list --limit 10"),
    (
        "key put-policy",
        Uses::Change,
        "grantd key put-policy $KEY policy.json",
    ),
    (
        "key get-policy",
        Uses::Read,
        "grantd key get-policy $KEY --print Policy",
    ),
    ("key enable", Uses::Change, "grantd key enable $KEY"),
    ("key disable", Uses::Change, "grantd key disable $KEY"),
    (
        "key set-description",
        Uses::Change,
        "grantd key set-description $KEY archive",
    ),
    (
        "key list-policies",
        Uses::Read,
        "grantd key list-policies $KEY",
    ),
    (
        "key schedule-deletion",
        Uses::Change,
        "grantd key schedule-deletion $KEY --pending-window-in-days 7",
    ),
    (
        "key cancel-deletion",
        Uses::Change,
        "grantd key cancel-deletion $KEY",
    ),
    (
        "key replicate",
        Uses::Change,
        "grantd key replicate $KEY eu-west-1",
    ),
    (
        "key update-primary-region",
        Uses::Change,
        "grantd key update-primary-region $KEY eu-west-1",
    ),
    ("key tag", Uses::Change, "grantd key tag $KEY team=red"),
    ("key untag", Uses::Change, "grantd key untag $KEY team"),
    ("key tags", Uses::Read, "grantd key tags $KEY"),
    (
        "key-store create",
        Uses::Change,
        "grantd key-store create hsm --cluster cluster-abcdefghijk --trust-anchor-file anchor.pem --password-file password",
    ),
    (
        "key-store connect",
        Uses::Change,
        "grantd key-store connect cks-1234567890abcdef0",
    ),
    (
        "key-store disconnect",
        Uses::Change,
        "grantd key-store disconnect cks-1234567890abcdef0",
    ),
    (
        "key-store update",
        Uses::Change,
        "grantd key-store update cks-1234567890abcdef0 --name hsm-2",
    ),
    (
        "key-store delete",
        Uses::Change,
        "grantd key-store delete cks-1234567890abcdef0",
    ),
    (
        "key-store list",
        Uses::Read,
        "grantd key-store list --name hsm",
    ),
    (
        "key-store work",
        Uses::Read,
        "grantd key-store work --as operator",
    ),
    (
        "key-store backend cluster",
        Uses::Change,
        "grantd key-store backend cluster cluster-abcdefghijk --account 111122223333 --trust-anchor-file anchor.pem --as operator",
    ),
    (
        "key-store backend proxy",
        Uses::Change,
        "grantd key-store backend proxy https://xks.example.com /kms/xks/v1 --account 111122223333 --as operator",
    ),
    (
        "key-store backend vpc-service",
        Uses::Change,
        "grantd key-store backend vpc-service com.amazonaws.vpce.us-west-2.vpce-svc-0a1b --account 111122223333 --as operator",
    ),
    (
        "key-store backend external-key",
        Uses::Change,
        "grantd key-store backend external-key https://xks.example.com /kms/xks/v1 key-1 --account 111122223333 --as operator",
    ),
    (
        "key-store backend forget",
        Uses::Change,
        "grantd key-store backend forget cluster-abcdefghijk --account 111122223333 --as operator",
    ),
    (
        "key-store backend list",
        Uses::Read,
        "grantd key-store backend list --account 111122223333 --as operator",
    ),
    (
        "key-store report",
        Uses::Change,
        "grantd key-store report cks-1234567890abcdef0 connected --as operator",
    ),
    (
        "alias create",
        Uses::Change,
        "grantd alias create alias/orders $KEY",
    ),
    (
        "alias update",
        Uses::Change,
        "grantd alias update alias/orders $KEY",
    ),
    (
        "alias delete",
        Uses::Change,
        "grantd alias delete alias/orders",
    ),
    ("alias list", Uses::Read, "grantd alias list --key $KEY"),
    (
        "grant create",
        Uses::Change,
        "grantd grant create $KEY --grantee arn:aws:iam::111122223333:user/Ana --operations Decrypt,Encrypt",
    ),
    (
        "grant list",
        Uses::Read,
        "grantd grant list $KEY --grantee arn:aws:iam::111122223333:user/Ana",
    ),
    (
        "grant duplicates",
        Uses::Read,
        "grantd grant duplicates $KEY",
    ),
    ("grant figures", Uses::Read, "grantd grant figures $KEY"),
    (
        "grant consume",
        Uses::Change,
        "grantd grant consume $KEY Decrypt --encryption-context tenant=1",
    ),
    (
        "grant list-retirable",
        Uses::Read,
        "grantd grant list-retirable --retiring arn:aws:iam::111122223333:user/Ana",
    ),
    (
        "grant retire",
        Uses::Change,
        "grantd grant retire --token $TOKEN",
    ),
    (
        "grant revoke",
        Uses::Change,
        "grantd grant revoke $KEY $GRANT --dry-run",
    ),
    (
        "policy check",
        Uses::Answer,
        "grantd policy check policy.json --kind identity",
    ),
    (
        "policy lint",
        Uses::Answer,
        "grantd policy lint policy.json --output json",
    ),
    (
        "authorize",
        Uses::Read,
        "grantd authorize --principal arn:aws:iam::111122223333:user/Ana --action kms:Decrypt --key alias/orders",
    ),
    (
        "explain",
        Uses::Read,
        "grantd explain --principal arn:aws:iam::111122223333:user/Ana --action kms:Decrypt --key alias/orders --as operator",
    ),
    (
        "what-if",
        Uses::Read,
        "grantd what-if --disable-key $KEY --principal arn:aws:iam::111122223333:user/Ana --action kms:Decrypt --key $KEY",
    ),
    (
        "access who-can",
        Uses::Read,
        "grantd access who-can $KEY kms:Decrypt",
    ),
    (
        "access dangling-principals",
        Uses::Read,
        "grantd access dangling-principals",
    ),
    (
        "access what-can",
        Uses::Read,
        "grantd access what-can arn:aws:iam::111122223333:user/Ana",
    ),
    (
        "decide",
        Uses::Answer,
        "grantd decide --explain < requests.jsonl",
    ),
    (
        "test",
        Uses::Answer,
        "grantd test docs/examples --filter D-4",
    ),
    (
        "config sample",
        Uses::Nothing,
        "grantd config sample > node.toml",
    ),
    (
        "config check",
        Uses::Nothing,
        "grantd config check node.toml",
    ),
    (
        "completions",
        Uses::Nothing,
        "grantd completions bash > grantd.bash",
    ),
];

/// What people type who know another tool, where it is not near enough to what is meant: the group of commands, the word,
/// and what is said.
const SYNONYMS: &[(&str, &str, &str)] = &[
    (
        "",
        "version",
        "`grantd --version` prints it; `grantd cluster status` shows that of every node",
    ),
    (
        "",
        "health",
        "`grantd cluster status` shows every node, and its exit code tells how the cluster stands",
    ),
    (
        "",
        "ready",
        "`grantd cluster status` shows every node, and its exit code tells how the cluster stands",
    ),
    ("", "status", "`grantd cluster status`"),
    ("", "watch", "`grantd cluster status --watch`"),
    ("", "nodes", "`grantd cluster status`"),
    ("", "members", "`grantd cluster status`"),
    (
        "",
        "init",
        "`grantd cluster init`; `grantd dev` makes a whole cluster to try things on",
    ),
    ("", "join", "`grantd cluster join`"),
    (
        "",
        "start",
        "`grantd serve` runs one node, `grantd dev` three to try things on",
    ),
    (
        "",
        "run",
        "`grantd serve` runs one node, `grantd dev` three to try things on",
    ),
    (
        "",
        "server",
        "`grantd serve` runs one node, `grantd dev` three to try things on",
    ),
    ("", "user", "`grantd identity`: users and roles"),
    ("", "role", "`grantd identity`: users and roles"),
    ("", "principal", "`grantd identity`: users and roles"),
    ("", "iam", "`grantd identity`: users and roles"),
    (
        "",
        "can",
        "`grantd authorize` asks whether a principal may, `grantd access who-can` who may",
    ),
    ("", "who-can", "`grantd access who-can`"),
    ("", "what-can", "`grantd access what-can`"),
    (
        "",
        "allow",
        "`grantd authorize` asks, `grantd grant create` allows",
    ),
    ("", "why", "`grantd explain`"),
    ("", "lint", "`grantd policy lint`"),
    (
        "",
        "check",
        "`grantd policy check` checks a policy, `grantd config check` the settings of a node",
    ),
    (
        "",
        "simulate",
        "`grantd what-if` tries changes, `grantd test` runs cases without a cluster",
    ),
    ("", "org", "`grantd organization`"),
    ("", "login", "who calls is said with `--as` or GRANTD_AS"),
    (
        "cluster",
        "health",
        "`grantd cluster status`: its exit code tells how the cluster stands",
    ),
    ("cluster", "watch", "`grantd cluster status --watch`"),
    ("cluster", "nodes", "`grantd cluster status`"),
    ("cluster", "members", "`grantd cluster status`"),
    ("cluster", "info", "`grantd cluster status`"),
    (
        "cluster",
        "add",
        "`grantd cluster join`, at the node that is to be added",
    ),
    ("cluster", "leave", "`grantd cluster remove`"),
    ("cluster", "delete", "`grantd cluster remove`"),
    ("cluster", "new", "`grantd cluster init`"),
    ("cluster", "create", "`grantd cluster init`"),
    ("cluster", "bootstrap", "`grantd cluster init`"),
    ("cluster", "config", "`grantd cluster settings`"),
    (
        "cluster",
        "version",
        "`grantd cluster status` shows the version of every node",
    ),
    (
        "key",
        "delete",
        "`grantd key schedule-deletion`: a key is deleted after a waiting period; `key disable` takes it out of use at once",
    ),
    (
        "key",
        "remove",
        "`grantd key schedule-deletion`: a key is deleted after a waiting period; `key disable` takes it out of use at once",
    ),
    (
        "key",
        "rm",
        "`grantd key schedule-deletion`: a key is deleted after a waiting period; `key disable` takes it out of use at once",
    ),
    (
        "key",
        "destroy",
        "`grantd key schedule-deletion`: a key is deleted after a waiting period; `key disable` takes it out of use at once",
    ),
    ("key", "undelete", "`grantd key cancel-deletion`"),
    ("key", "restore", "`grantd key cancel-deletion`"),
    (
        "key",
        "policy",
        "`grantd key get-policy` shows it, `put-policy` replaces it",
    ),
    ("key", "usage", "`grantd key get-last-usage`"),
    ("key", "alias", "`grantd alias create`, `grantd alias list`"),
    ("key", "aliases", "`grantd alias list --key KEY`"),
    ("key", "grants", "`grantd grant list KEY`"),
    ("key", "promote", "`grantd key update-primary-region`"),
    (
        "grant",
        "delete",
        "`grantd grant revoke`; who was given it, or may retire it, ends it with `grantd grant retire`",
    ),
    (
        "grant",
        "remove",
        "`grantd grant revoke`; who was given it, or may retire it, ends it with `grantd grant retire`",
    ),
    (
        "grant",
        "rm",
        "`grantd grant revoke`; who was given it, or may retire it, ends it with `grantd grant retire`",
    ),
    (
        "grant",
        "end",
        "`grantd grant revoke`; who was given it, or may retire it, ends it with `grantd grant retire`",
    ),
    ("grant", "get", "`grantd grant list KEY --grant-id ID`"),
    ("grant", "describe", "`grantd grant list KEY --grant-id ID`"),
    ("grant", "show", "`grantd grant list KEY --grant-id ID`"),
    (
        "grant",
        "use",
        "`grantd grant consume` spends a use of a grant with a budget",
    ),
    (
        "grant",
        "spend",
        "`grantd grant consume` spends a use of a grant with a budget",
    ),
    ("grant", "count", "`grantd grant figures`"),
    (
        "policy",
        "test",
        "`grantd test` runs cases, `grantd policy lint` tells what surprises",
    ),
    ("policy", "validate", "`grantd policy check`"),
    (
        "config",
        "show",
        "`grantd config sample` prints every setting explained",
    ),
    ("config", "validate", "`grantd config check`"),
];

/// Words for the same thing, in whatever group: the second is tried where the first is not there.
const SAME: &[(&str, &[&str])] = &[
    ("rm", &["delete", "remove"]),
    ("remove", &["delete"]),
    ("del", &["delete", "remove"]),
    ("destroy", &["delete"]),
    ("ls", &["list"]),
    ("all", &["list"]),
    ("show", &["get", "describe", "list"]),
    ("describe", &["get", "list"]),
    ("get", &["describe", "list"]),
    ("info", &["get", "describe"]),
    ("add", &["create", "put"]),
    ("new", &["create", "put"]),
    ("make", &["create", "put"]),
    ("create", &["put"]),
    ("set", &["put", "update"]),
    ("edit", &["update", "put"]),
    ("update", &["put"]),
    ("rename", &["update"]),
];

/// The command line with the help of this table.
pub fn command() -> Command {
    let command = Cli::command();
    let options: Vec<clap::Arg> = command
        .get_arguments()
        .filter(|arg| arg.is_global_set())
        .cloned()
        .collect();
    dressed(command, "", &options)
}

/// A command with an example, and without the options that it does nothing with.
fn dressed(mut command: Command, path: &str, options: &[clap::Arg]) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for name in names {
        let path = format!("{path} {name}").trim_start().to_owned();
        command = command.mut_subcommand(name, |sub| dressed(sub, &path, options));
    }
    if path.is_empty() {
        return command;
    }
    let row = COMMANDS.iter().find(|(of, _, _)| *of == path);
    if let Some((_, _, example)) = row {
        let known = command.get_after_help().map(StyledStr::to_string);
        let text = match known {
            Some(known) if known.contains("Example") => known,
            Some(known) => format!("{known}\n\nExample:\n  {example}"),
            None => format!("Example:\n  {example}"),
        };
        command = command.after_help(text);
    }
    for option in options {
        let id = option.get_id().as_str();
        // A group of commands shows none. It would hand its hidden ones down, so each command has its own.
        let shows = row.is_some_and(|(_, uses, _)| uses.takes(id));
        command = command.arg(option.clone().hide(!shows));
    }
    command
}

/// The path of the command that was given, and what was given to it.
fn given(matches: &ArgMatches) -> (String, &ArgMatches) {
    let (mut path, mut at) = (String::new(), matches);
    while let Some((name, inner)) = at.subcommand() {
        path = format!("{path} {name}").trim_start().to_owned();
        at = inner;
    }
    (path, at)
}

/// Refuses an option that would be taken without a word and do nothing, where somebody may rely on it: a key that shall
/// make a command do its work once, of one that does none.
///
/// # Errors
/// A fault of the command line.
pub fn check(matches: &ArgMatches) -> Result<(), clap::Error> {
    let (path, at) = given(matches);
    let row = COMMANDS.iter().find(|(of, _, _)| *of == path);
    let is_given = at.value_source("idempotency_key") == Some(ValueSource::CommandLine);
    match row {
        Some((_, uses, _)) if is_given && *uses != Uses::Change => Err(command().error(
            ErrorKind::ArgumentConflict,
            format!(
                "`--idempotency-key` makes a change happen once, and `grantd {path}` takes none: leave it out"
            ),
        )),
        Some(_) | None => Ok(()),
    }
}

/// A fault of the command line, with what may have been meant.
pub fn with_tip(mut error: clap::Error, words: &[String]) -> clap::Error {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return error;
    }
    let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidSubcommand).cloned()
    else {
        return error;
    };
    if let Some(tip) = tip(&wrong, words) {
        error.remove(ContextKind::SuggestedSubcommand);
        error.insert(
            ContextKind::Suggested,
            ContextValue::StyledStrs(vec![StyledStr::from(tip)]),
        );
    }
    error
}

fn tip(wrong: &str, words: &[String]) -> Option<String> {
    let top = Cli::command();
    let (mut path, mut at) = (String::new(), &top);
    for word in words.iter().take_while(|word| *word != wrong) {
        if let Some(inner) = at.find_subcommand(word) {
            path = format!("{path} {word}").trim_start().to_owned();
            at = inner;
        }
    }
    let lower = wrong.to_ascii_lowercase();
    let said = SYNONYMS
        .iter()
        .find(|(group, word, _)| *group == path && *word == lower);
    if let Some((_, _, tip)) = said {
        return Some((*tip).to_owned());
    }
    let (_, same) = SAME.iter().find(|(word, _)| *word == lower)?;
    let meant = same
        .iter()
        .find(|name| at.find_subcommand(name).is_some())?;
    // A misspelt word of the group itself is nearer than a word for the same thing.
    let names = at.get_subcommands().map(Command::get_name);
    match closest(&lower, names) {
        Some(_) => None,
        None => Some(format!("`grantd {path} {meant}`")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Parser;

    use super::*;

    fn leaves(command: &Command, path: &str, into: &mut BTreeSet<String>) {
        let mut inner = command.get_subcommands().peekable();
        if inner.peek().is_none() {
            into.insert(path.to_owned());
        }
        for sub in inner {
            leaves(sub, format!("{path} {}", sub.get_name()).trim_start(), into);
        }
    }

    #[test]
    fn table_has_every_command_once_and_no_other() {
        let mut all = BTreeSet::new();
        leaves(&Cli::command(), "", &mut all);
        let rows: BTreeSet<String> = COMMANDS
            .iter()
            .map(|(path, _, _)| (*path).to_owned())
            .collect();
        assert_eq!(rows.len(), COMMANDS.len());
        assert_eq!(rows, all);
    }

    #[test]
    fn example_is_one_of_its_command_and_parses() {
        for (path, _, example) in COMMANDS {
            assert!(example.starts_with(&format!("grantd {path}")), "{example}");
            let line = example.split([';', '<', '>']).next().unwrap_or_default();
            if let Err(error) = Cli::try_parse_from(line.split_whitespace()) {
                panic!("{example}: {error}");
            }
        }
    }

    fn help(path: &str) -> String {
        let mut at = command();
        at.build();
        let mut at = &at;
        for name in path.split_whitespace() {
            at = at.find_subcommand(name).unwrap();
        }
        at.clone().render_long_help().to_string()
    }

    #[test]
    fn help_shows_the_options_that_the_command_uses() {
        for (path, there, absent) in [
            (
                "policy check",
                &["--kind", "--output", "grantd policy check"][..],
                &["--endpoint", "--deadline"][..],
            ),
            (
                "serve",
                &["--config"],
                &["--endpoint", "--linearizable", "--idempotency-key"],
            ),
            (
                "key list",
                &["--endpoint", "--linearizable", "grantd key list"],
                &["--idempotency-key"],
            ),
            (
                "key create",
                &["--endpoint", "--idempotency-key"],
                &["--linearizable", "--at-least"],
            ),
            (
                "cluster status",
                &["--endpoint", "--watch"],
                &["--region", "--at-least", "--on-behalf-of"],
            ),
            ("key", &["describe"], &["--endpoint"]),
            ("", &["--endpoint", "--idempotency-key", "Exit codes"], &[]),
        ] {
            let help = help(path);
            for part in there {
                assert!(help.contains(part), "{path}: {part}\n{help}");
            }
            for part in absent {
                assert!(!help.contains(part), "{path}: {part}\n{help}");
            }
            assert!(
                path.is_empty() || path == "key" || help.contains("Example"),
                "{path}\n{help}"
            );
        }
    }

    /// What the help hides is taken all the same: a script puts its options where it likes.
    #[test]
    fn options_are_taken_before_and_behind_every_command() {
        for line in [
            "grantd --endpoint 127.0.0.1:9 key list",
            "grantd key --endpoint 127.0.0.1:9 list",
            "grantd key list --endpoint 127.0.0.1:9",
            "grantd policy check p --endpoint 127.0.0.1:9",
        ] {
            let matches = command()
                .try_get_matches_from(line.split_whitespace())
                .unwrap();
            let cli = <Cli as clap::FromArgMatches>::from_arg_matches(&matches).unwrap();
            assert_eq!(cli.common.endpoint, ["127.0.0.1:9"], "{line}");
        }
    }

    /// Whoever gives a key relies on it.
    #[test]
    fn idempotency_key_of_what_changes_nothing_is_refused() {
        let parse = |line: &str| {
            let matches = command()
                .try_get_matches_from(line.split_whitespace())
                .unwrap();
            check(&matches).map_err(|error| error.to_string())
        };
        for line in [
            "grantd key list --idempotency-key k",
            "grantd --idempotency-key k authorize --action kms:ListKeys",
            "grantd cluster status --idempotency-key k",
            "grantd policy check p --idempotency-key k",
        ] {
            let said = parse(line).unwrap_err();
            assert!(said.contains("takes none: leave it out"), "{line}: {said}");
        }
        for line in [
            "grantd key create --idempotency-key k",
            "grantd --idempotency-key k key enable x",
        ] {
            assert_eq!(parse(line), Ok(()), "{line}");
        }
    }

    #[test]
    fn tip_is_of_what_is_meant() {
        let tip = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let error = command().try_get_matches_from(&words).unwrap_err();
            with_tip(error, &words).to_string()
        };
        for (line, part) in [
            ("grantd key delete k", "tip: `grantd key schedule-deletion`"),
            (
                "grantd --deadline 5s key delete k",
                "tip: `grantd key schedule-deletion`",
            ),
            ("grantd version", "`grantd --version`"),
            ("grantd watch", "`grantd cluster status --watch`"),
            ("grantd health", "`grantd cluster status`"),
            ("grantd alias rm a", "tip: `grantd alias delete`"),
            ("grantd alias show a", "tip: `grantd alias list`"),
            ("grantd endpoint create v", "tip: `grantd endpoint put`"),
            ("grantd identity show a", "tip: `grantd identity get`"),
            ("grantd key put-polcy k f", "put-policy"),
        ] {
            let said = tip(line);
            assert!(said.contains(part), "{line}: {said}");
        }
    }
}
