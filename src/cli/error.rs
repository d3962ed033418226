//! What the command line says when something went wrong.

use crate::client::{ClientError, api};

/// A command's failure: what is wrong, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CliError {
    message: String,
    excerpt: Option<String>,
    help: Option<String>,
}

impl CliError {
    /// What is wrong.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            excerpt: None,
            help: None,
        }
    }

    /// With what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
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
        let mut text = format!("error: {}\n", self.message);
        if let Some(excerpt) = &self.excerpt {
            text.push_str(excerpt);
        }
        if let Some(help) = &self.help {
            text.push_str(&format!("help: {help}\n"));
        }
        text
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        let help = help_for(&error);
        let mut shown = Self::new(error.to_string());
        shown.help = help;
        shown
    }
}

fn help_for(error: &ClientError) -> Option<String> {
    use api::error_detail::Reason;
    if let Some(detail) = error.detail() {
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
    let help = match error.code() {
        "AccessDeniedException" if error.to_string().contains("operator alone") => {
            "accounts and the cluster are the operator's: `--as operator`"
        }
        "Unreachable" => {
            "is a node running there? `grantd dev` starts a cluster; `--endpoint` or GRANTD_ENDPOINT say where it is"
        }
        "OutcomeUnknown" => "look whether it took effect before you send it again",
        "TooStale" => {
            "this node cannot prove that its state is fresh enough: ask another, ask again later, or allow more with `--max-staleness`"
        }
        "Unavailable" => {
            "the cluster cannot take this now: `grantd cluster status` shows who is there; try again later"
        }
        "UnrecognizedClientException" => {
            "check `--as` (GRANTD_AS): `grantd identity list` shows who exists"
        }
        "NotFoundException" => {
            "`grantd key list` and `grantd alias list` show what exists in this account and Region (`--region`)"
        }
        "NoSuchEntity" => "`grantd identity list --kind user` and `--kind role` show who exists",
        "InvalidGrantTokenException" => {
            "a token is used as `grantd grant create` printed it, at the cluster that made it"
        }
        "DisabledException" => "`grantd key enable KEY` enables the key",
        _ => return None,
    };
    Some(help.to_owned())
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
    fn unreachable_node_comes_with_what_to_do() {
        let error = CliError::from(ClientError::Unreachable {
            tried: vec![("127.0.0.1:1".to_owned(), "connection refused".to_owned())],
        });
        let text = error.render();
        assert!(text.contains("127.0.0.1:1: connection refused"), "{text}");
        assert!(text.contains("grantd dev"), "{text}");
    }
}
