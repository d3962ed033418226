//! What the command line says when something went wrong.

use std::time::Duration;

use super::Exit;
use super::common::Common;
use super::style::{self, Tone};
use crate::client::{ClientError, api};
use crate::config::closest;
use crate::domain::policy::KmsAction;

/// A command's failure: what is wrong, what to do, and how the command ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CliError {
    message: String,
    excerpt: Option<String>,
    help: Option<String>,
    exit: Exit,
    /// The bound of staleness that could not be kept.
    bound: Option<Duration>,
}

impl CliError {
    /// What is wrong.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            excerpt: None,
            help: None,
            exit: Exit::Wrong,
            bound: None,
        }
    }

    /// That ends with this exit code.
    #[must_use]
    pub fn exiting(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// How the command ends.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// With the advice that depends on what was asked: a larger `--max-staleness` helps against the bound that it set, and
    /// not against the cluster's own.
    #[must_use]
    pub fn advised(mut self, common: &Common) -> Self {
        if let (Some(bound), Some(asked)) = (self.bound, common.max_staleness)
            && asked <= bound
        {
            self.help = Some(STALE_AS_ASKED.to_owned());
        }
        self
    }

    /// With what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Of a command that does several things in turn: with those that it had done.
    #[must_use]
    pub fn after(mut self, done: &[String]) -> Self {
        if !done.is_empty() {
            self.message
                .push_str(&format!("\nnote: done before: {}", done.join(", ")));
        }
        self
    }

    /// With the lines of a text that it is about.
    #[must_use]
    pub fn excerpt(mut self, excerpt: String) -> Self {
        self.excerpt = Some(excerpt);
        self
    }

    /// The text for standard error, line end included.
    pub fn render(&self) -> String {
        let mut text = format!("{} {}\n", style::err(Tone::Bad, "error:"), self.message);
        if let Some(excerpt) = &self.excerpt {
            text.push_str(excerpt);
        }
        if let Some(help) = &self.help {
            text.push_str(&format!("{} {help}\n", style::err(Tone::Advice, "help:")));
        }
        text
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        use api::error_detail::Reason;
        let bound = match error.detail().and_then(|detail| detail.reason.as_ref()) {
            Some(Reason::Staleness(staleness)) => staleness.bound_ms.map(Duration::from_millis),
            Some(Reason::Policy(_) | Reason::Denied(_) | Reason::Leader(_)) | None => None,
        };
        Self {
            help: help_for(&error),
            exit: error.kind().into(),
            bound,
            ..Self::new(error.to_string())
        }
    }
}

/// Where the bound that was asked for refused.
const STALE_AS_ASKED: &str = "this node cannot prove that its state is as fresh as `--max-staleness` asks: ask another, ask again later, or allow more, up to the bound of the cluster";

fn help_for(error: &ClientError) -> Option<String> {
    use api::error_detail::Reason;
    if let Some(detail) = error.detail() {
        if !detail.help.is_empty() {
            return Some(detail.help.clone());
        }
        match &detail.reason {
            Some(Reason::Policy(fault)) if !fault.help.is_empty() => {
                return Some(fault.help.clone());
            }
            Some(Reason::Leader(api::Leader { node_id: None })) => {
                return Some(
                    "the cluster has no leader now; `grantd cluster status` shows who is there"
                        .to_owned(),
                );
            }
            Some(_) | None => {}
        }
    }
    if error.code() == "IdempotencyBirthMissing" {
        let header = error.detail().and_then(|detail| detail.header.as_ref());
        return header.map(|header| {
            format!(
                "keep a position with the key and say it in every attempt; if this is the first: `--idempotency-birth {}`",
                header.position
            )
        });
    }
    let text = error.to_string();
    let has = |part: &str| text.contains(part);
    if let Some((before, _)) = text.split_once("` is no action of KMS")
        && let Some((_, wrong)) = before.rsplit_once('`')
    {
        let near = near(wrong, KmsAction::ALL.iter().map(|action| action.name()));
        return near.map(|near| format!("did you mean `kms:{near}`?"));
    }
    let help = match error.code() {
        "AccessDeniedException" if has("operator") && has(" alone") => {
            "accounts and the cluster are the operator's: `--as operator`"
        }
        "Unreachable" => {
            "is a node running there? `grantd dev` starts a cluster; `--endpoint` or GRANTD_ENDPOINT say where it is"
        }
        "IdempotencyKeyExpired" => {
            "look whether it took effect; for a new request take a new key and a new `--idempotency-birth`"
        }
        "TooManyIdempotencyKeys" => "wait, or send fewer changes at a time",
        "NoLongerPermitted" => {
            "`grantd explain` shows what stands in the way now; the use that was spent is not given back"
        }
        "OutcomeUnknown" => "look whether it took effect before you send it again",
        "DeadlineExceeded" => {
            "`grantd cluster status` shows which nodes answer; `--deadline` allows more time"
        }
        "TooStale" if has("not a member of a cluster") => {
            "`grantd cluster init` makes a cluster of this node, `grantd cluster join --via ADDRESS` lets it join one"
        }
        "TooStale" if has("could not be confirmed") => {
            "ask another node, ask again later, or wait longer with `--deadline`; with `--max-staleness SPAN` the answer need not hold what was acknowledged last"
        }
        "TooStale" if has("more than the bound") => {
            "the cluster allows no older answer, whatever `--max-staleness` says: ask another node or ask again later; `grantd cluster status` shows who is fresh"
        }
        "TooStale" => {
            "this node cannot prove that its state is fresh enough: ask another or ask again later; `grantd cluster status` shows who is fresh"
        }
        "Overloaded" => {
            "other long questions come first on this node: try again later, or another node with `--endpoint`"
        }
        "TooLong" if has("deadline") => {
            "a smaller `--limit`, fewer actions or fewer requests take less; `--deadline` allows more time"
        }
        "TooLong" if has("older than the bound") => {
            "a smaller `--limit`, fewer actions or fewer requests take less; `--max-staleness` allows an older answer, up to the bound of the cluster"
        }
        "TooLong" => "a smaller `--limit`, fewer actions or fewer requests take less",
        "Unavailable" => {
            "the cluster cannot take this now: `grantd cluster status` shows who is there; try again later"
        }
        "UnrecognizedClientException" => {
            "check the names given with `--as` (GRANTD_AS) and `--principal`: `grantd identity list` shows who exists"
        }
        "ValidationException" if has("header.demand.atLeast") => {
            "a position is what an earlier answer carried, as `--print Meta.Position` prints it"
        }
        "ValidationException" if has("a front must name the subject") => {
            "add `--on-behalf-of ARN`, or call as yourself: `--as ARN`"
        }
        "OptInRequired" => {
            "`--region REGION` names one that is served; the operator adds others: `grantd cluster settings --regions`"
        }
        "NotFoundException" if has("Invalid arn ") => {
            "that ARN is of another Region than this call: `--region REGION` says where to call"
        }
        "NotFoundException" if has("Invalid keyId 'alias/") || has("Invalid keyId 'arn:") => {
            "an alias is not taken here (ID-6): name the key by its id or ARN, which `grantd key describe ALIAS` tells"
        }
        "ValidationException" if has(" is asked for ") => {
            "`--alias ALIAS` names an alias, `--key KEY` a key, `--to-region REGION` the other Region, `--destination-key KEY` the other key"
        }
        "NotFoundException" if has("Grant ID ") => {
            "`grantd grant list KEY` shows the grants of a key"
        }
        "NotFoundException" => {
            "`grantd key list` and `grantd alias list` show what exists in this account and Region (`--region`)"
        }
        "CustomKeyStoreNotFoundException" => {
            "`grantd key-store list` shows the stores of this account and Region (`--region`)"
        }
        "InvalidMarkerException" => "leave `--marker` out to begin with the first page",
        "NoSuchEntity" => return Some(absent(&text)?.to_owned()),
        "InvalidGrantTokenException" => {
            "a token is used as `grantd grant create` printed it, at the cluster that made it"
        }
        "DisabledException" => "`grantd key enable KEY` enables the key",
        _ => return None,
    };
    Some(help.to_owned())
}

/// The name that was meant by one that is spelt wrong, or with the prefix of an action.
pub(super) fn near<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let bare = wrong.rsplit(':').next().unwrap_or(wrong);
    closest(bare, names)
}

/// Where to look for what was not found, by what the node says of it.
fn absent(text: &str) -> Option<&'static str> {
    let has = |part: &str| text.contains(part);
    Some(if has("permissions boundary") {
        return None;
    } else if has(" policy with name ") {
        "`list-policies` in place of this subcommand shows the names of the policies"
    } else if has(" is not in group ") {
        "`grantd group get GROUP` shows its members"
    } else if has("The group ") {
        "`grantd group list` shows the groups of the account"
    } else if has("VPC endpoint") {
        "`grantd endpoint list --as operator` shows the endpoints"
    } else if has("rganization") || has("The root ") {
        "`grantd organization list --as operator` shows the organizations, `list-nodes` what stands below a root or unit"
    } else if has("token epoch") {
        "`grantd cluster rotate-token-epoch --as operator` begins another and tells its number"
    } else if has("account ") {
        "`grantd account list --as operator` shows the accounts"
    } else {
        "`grantd identity list --kind user` and `--kind role` show who exists"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_rendered_with_excerpt_and_help() {
        let error = CliError::new("wrong")
            .excerpt("  | x\n".to_owned())
            .help("mend it");
        assert_eq!(error.render(), "error: wrong\n  | x\nhelp: mend it\n");
    }

    #[test]
    fn error_in_the_middle_tells_what_was_done_before() {
        let done = ["a".to_owned(), "b".to_owned()];
        let error = CliError::new("wrong").help("mend it");
        assert_eq!(error.clone().after(&[]), error);
        assert_eq!(
            error.after(&done).render(),
            "error: wrong\nnote: done before: a, b\nhelp: mend it\n"
        );
    }

    #[test]
    fn unreachable_node_comes_with_what_to_do() {
        let error = CliError::from(ClientError::Unreachable {
            tried: vec![("127.0.0.1:1".to_owned(), "connection refused".to_owned())],
        });
        let text = error.render();
        assert!(text.contains("127.0.0.1:1: connection refused"), "{text}");
        assert!(text.contains("grantd dev"), "{text}");
    }

    fn refused(code: &str, message: &str) -> String {
        CliError::from(ClientError::Refused(Box::new(crate::client::Refusal {
            endpoint: "127.0.0.1:1".to_owned(),
            detail: api::ErrorDetail {
                code: code.to_owned(),
                message: message.to_owned(),
                ..api::ErrorDetail::default()
            },
        })))
        .render()
    }

    /// The help is about what the message is about.
    #[test]
    fn refusal_comes_with_where_to_look() {
        for (code, message, part) in [
            (
                "AccessDeniedException",
                "grantd:CreateAccount is for the operator of the cluster alone",
                "--as operator",
            ),
            (
                "AccessDeniedException",
                "the cluster is changed and shown by its operator alone",
                "--as operator",
            ),
            (
                "NoSuchEntity",
                "The user policy with name Q cannot be found.",
                "list-policies",
            ),
            (
                "NoSuchEntity",
                "The group with name Ops cannot be found.",
                "grantd group list",
            ),
            (
                "NoSuchEntity",
                "User Bob is not in group Ops",
                "grantd group get",
            ),
            (
                "NoSuchEntity",
                "The VPC endpoint vpce-1 cannot be found.",
                "grantd endpoint list",
            ),
            (
                "NoSuchEntity",
                "The root r-zzzz cannot be found.",
                "grantd organization list",
            ),
            (
                "NoSuchEntity",
                "the account 999955556666 does not exist",
                "grantd account list",
            ),
            (
                "NoSuchEntity",
                "The user with name Nobody cannot be found.",
                "grantd identity list",
            ),
            ("NotFoundException", "Invalid arn eu-west-1", "--region"),
            (
                "OptInRequired",
                "this cluster does not serve the Region eu-west-1 of the partition aws: it serves us-west-2",
                "grantd cluster settings --regions",
            ),
            (
                "NotFoundException",
                "Invalid keyId 'alias/tour'",
                "an alias is not taken here",
            ),
            (
                "NotFoundException",
                "Invalid keyId 'arn:aws:kms:eu-west-1:111122223333:alias/tour'",
                "an alias is not taken here",
            ),
            (
                "ValidationException",
                "kms:CreateAlias is asked for of an alias and of a key, and both must allow it: name the alias as well",
                "--alias ALIAS",
            ),
            (
                "NotFoundException",
                "Grant ID x not found",
                "grantd grant list KEY",
            ),
            (
                "TooStale",
                "this node is not a member of a cluster",
                "cluster init",
            ),
        ] {
            let text = refused(code, message);
            assert!(
                text.lines()
                    .nth(1)
                    .is_some_and(|help| help.starts_with("help: ") && help.contains(part)),
                "{text}"
            );
        }
        for (wrong, meant) in [
            ("kms:Decypt", "kms:Decrypt"),
            ("decrypt", "kms:Decrypt"),
            ("KMS:LISTKEY", "kms:ListKeys"),
        ] {
            let message = format!("`{wrong}` is no action of KMS; an action reads kms:Decrypt");
            let text = refused("ValidationException", &message);
            assert!(text.contains(&format!("did you mean `{meant}`?")), "{text}");
        }
        let text = refused("ValidationException", "`s3:GetObject` is no action of KMS");
        assert!(!text.contains("did you mean"), "{text}");
        let boundary = "The user with name A does not have a permissions boundary.";
        assert!(!refused("NoSuchEntity", boundary).contains("help"));
    }
}
