//! The options of every command, and the client that they describe.

use std::path::Path;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::error::CliError;
use super::input::{read_file, short};
use crate::client::{Client, Options, OwnKey, Parts, api};
use crate::config::{closest, parse_span};
use crate::domain::ids::{PrincipalArn, PrincipalKind, ServicePrincipal};

/// Where `grantd dev` and the sample configuration listen unless told otherwise.
const DEFAULT_ENDPOINT: &str = "127.0.0.1:7400";
/// Name of this front in audit records.
const FRONT_NAME: &str = "grantd-cli";

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Cluster options")]
pub struct Common {
    /// Node to ask, `HOST:PORT`; several with commas, the first that works answers. `@FILE` reads the ready file of
    /// `grantd dev` [default: 127.0.0.1:7400]
    #[arg(long, global = true, value_delimiter = ',', value_name = "ADDRESS")]
    pub endpoint: Vec<String>,

    /// Who calls: `operator`, `front`, or the ARN of a user, of an account's root or of a role session
    #[arg(long = "as", global = true, value_name = "CALLER")]
    pub caller: Option<String>,

    /// The role of the session in `--as`; needed if the role has a path
    #[arg(long, global = true, value_name = "ROLE_ARN")]
    pub session_of: Option<String>,

    /// With `--as front`: the principal whose request it is
    #[arg(long, global = true, value_name = "ARN")]
    pub on_behalf_of: Option<String>,

    /// With `--as front`: the service that calls for the principal, as `ec2.us-west-2.amazonaws.com`
    #[arg(long, global = true, value_name = "SERVICE")]
    pub via_service: Option<String>,

    /// The Region that is meant [default: us-west-2]
    #[arg(long, global = true, value_name = "REGION")]
    pub region: Option<String>,

    /// How the answer is printed [default: table on a terminal, otherwise json]
    #[arg(long, short, global = true, value_enum)]
    pub output: Option<OutputForm>,

    /// Print one member of the answer alone, as `KeyMetadata.Arn`
    #[arg(long, global = true, value_name = "MEMBER")]
    pub print: Option<String>,

    /// How long to try, as `500ms` or `5s` [default: 10s; of `cluster status` 1s]
    #[arg(long, global = true, value_name = "SPAN", value_parser = patience)]
    pub deadline: Option<Duration>,

    /// A key of your own for a change: the same command with the same key does it once, however often it is sent, and is
    /// told the same each time
    #[arg(long, global = true, value_name = "KEY")]
    pub idempotency_key: Option<String>,

    /// With `--idempotency-key`: a position from before the first attempt, the same in every retry; `--print
    /// Meta.Position` prints that of an answer
    #[arg(
        long,
        global = true,
        value_name = "POSITION",
        requires = "idempotency_key"
    )]
    pub idempotency_birth: Option<String>,

    /// Answer from state that is at most this old, as `200ms`
    #[arg(long, global = true, value_name = "SPAN", value_parser = parse_span, conflicts_with_all = ["at_least", "linearizable"])]
    pub max_staleness: Option<Duration>,

    /// Answer from the state at this position or later; an earlier answer carried it
    #[arg(
        long,
        global = true,
        value_name = "POSITION",
        conflicts_with = "linearizable"
    )]
    pub at_least: Option<String>,

    /// Answer from state that has everything acknowledged before the question: the default, so that a command sees what
    /// the one before it did
    #[arg(long, global = true)]
    pub linearizable: bool,
}

/// How an answer is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum OutputForm {
    /// One JSON object.
    Json,
    /// For people.
    Table,
}

/// Who calls when `--as` does not say it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fallback {
    /// The operator: accounts and the cluster are the operator's.
    Operator,
    /// A front: it asks about others.
    Front,
    /// Nobody: it must be said.
    None,
}

impl Common {
    /// Takes from variables what was not given.
    pub(super) fn fill(
        &mut self,
        look_up: &impl Fn(&str) -> Option<String>,
    ) -> Result<(), CliError> {
        if self.endpoint.is_empty()
            && let Some(text) = look_up("GRANTD_ENDPOINT")
        {
            self.endpoint = text.split(',').map(str::to_owned).collect();
        }
        for (option, name) in [
            (&mut self.caller, "GRANTD_AS"),
            (&mut self.session_of, "GRANTD_SESSION_OF"),
            (&mut self.region, "GRANTD_REGION"),
        ] {
            if option.is_none() {
                *option = look_up(name);
            }
        }
        if self.output.is_none()
            && let Some(text) = look_up("GRANTD_OUTPUT")
        {
            let form = OutputForm::from_str(&text, false).map_err(|_| {
                CliError::new(format!(
                    "variable GRANTD_OUTPUT: got `{}`; allowed: `json` or `table`",
                    short(&text)
                ))
            })?;
            self.output = Some(form);
        }
        Ok(())
    }

    /// The client that these options describe.
    pub(super) fn client(&self, fallback: Fallback) -> Result<Client, CliError> {
        let options = Options {
            claim: self.claim(fallback)?,
            region: self.region(),
            partition: None,
            demand: Some(self.demand()),
            deadline: self.deadline.unwrap_or(Duration::from_secs(10)),
            idempotency_key: self.idempotency_key.clone().map(|key| OwnKey {
                key,
                birth: self.idempotency_birth.clone(),
            }),
        };
        let endpoints = self.endpoints()?;
        Ok(Client::new(
            endpoints.iter().map(String::as_str),
            options,
            Parts::real(),
        )?)
    }

    /// The Region, or the one of the documentation's examples.
    pub(super) fn region(&self) -> String {
        self.region
            .clone()
            .unwrap_or_else(|| "us-west-2".to_owned())
    }

    /// The addresses to ask.
    pub(super) fn endpoints(&self) -> Result<Vec<String>, CliError> {
        let mut endpoints = Vec::new();
        for text in &self.endpoint {
            match text.trim().strip_prefix('@') {
                Some(path) => endpoints.extend(ready_file_endpoints(Path::new(path))?),
                None if text.trim().is_empty() => {}
                None => endpoints.push(text.trim().to_owned()),
            }
        }
        if endpoints.is_empty() {
            endpoints.push(DEFAULT_ENDPOINT.to_owned());
        }
        Ok(endpoints)
    }

    fn demand(&self) -> api::Demand {
        use api::demand::Consistency;
        let consistency = match (self.max_staleness, &self.at_least) {
            (Some(span), _) => Consistency::Bounded(api::Bounded {
                max_staleness_ms: Some(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)),
            }),
            (None, Some(position)) => Consistency::AtLeast(position.clone()),
            (None, None) => Consistency::Linearizable(api::Linearizable {}),
        };
        api::Demand {
            consistency: Some(consistency),
            wait_ms: None,
        }
    }

    fn claim(&self, fallback: Fallback) -> Result<api::Claim, CliError> {
        use api::claim::Who;
        let operator = || Who::Operator(api::Operator {});
        let caller = self
            .caller
            .as_deref()
            .map(str::trim)
            .filter(|c| !c.is_empty());
        let who = match (caller, fallback) {
            (Some("operator"), _) | (None, Fallback::Operator) => operator(),
            (Some("front"), _) | (None, Fallback::Front) => Who::Front(self.front()?),
            (Some(caller), _) => Who::Principal(self.subject("--as", caller)?),
            (None, Fallback::None) => {
                return Err(CliError::new("who calls is not said").help(
                    "give `--as ARN` or set GRANTD_AS, as arn:aws:iam::111122223333:root; `--as operator` for accounts and the cluster",
                ));
            }
        };
        if self.via_service.is_some() && !matches!(who, Who::Front(_)) {
            return Err(CliError::new(
                "only a front may say that a service calls on somebody's behalf",
            )
            .help("add `--as front --on-behalf-of ARN`"));
        }
        Ok(api::Claim { who: Some(who) })
    }

    fn front(&self) -> Result<api::Front, CliError> {
        Ok(api::Front {
            name: FRONT_NAME.to_owned(),
            on_behalf_of: match &self.on_behalf_of {
                Some(arn) => Some(self.subject("--on-behalf-of", arn)?),
                None => None,
            },
            facts: self.via_service.as_ref().map(|service| api::RequestFacts {
                via_service: Some(service.clone()),
                ..api::RequestFacts::default()
            }),
        })
    }

    /// The identity that a text names: a user, a root, a role session or a service.
    pub(super) fn subject(&self, option: &str, text: &str) -> Result<api::Subject, CliError> {
        let kind = subject_kind(option, text, self.session_of.as_deref())?;
        Ok(api::Subject { kind: Some(kind) })
    }
}

fn subject_kind(
    option: &str,
    text: &str,
    session_of: Option<&str>,
) -> Result<api::subject::Kind, CliError> {
    use api::subject::Kind;
    if !text.starts_with("arn:") {
        if text.ends_with(".amazonaws.com") && text.parse::<ServicePrincipal>().is_ok() {
            return Ok(Kind::Service(text.to_owned()));
        }
        let near = closest(text, ["operator", "front"]);
        return Err(
            CliError::new(format!("`{option}`: `{}` names nobody", short(text))).help(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "want an ARN, as arn:aws:iam::111122223333:user/Alice".to_owned(),
            }),
        );
    }
    let arn: PrincipalArn = text
        .parse()
        .map_err(|e| CliError::new(format!("`{option}`: {e}")))?;
    Ok(match arn.kind() {
        PrincipalKind::Root | PrincipalKind::User { .. } => Kind::Principal(text.to_owned()),
        PrincipalKind::AssumedRole { role, session } => {
            let derived = || format!("arn:{}:iam::{}:role/{role}", arn.partition(), arn.account());
            Kind::RoleSession(api::RoleSession {
                role: session_of.map_or_else(derived, str::to_owned),
                session_name: session.to_owned(),
                session_policy: None,
                session_tags: Default::default(),
            })
        }
        PrincipalKind::Role { name, .. } => {
            return Err(CliError::new(format!("`{option}`: a role does not call by itself, a session of it does")).help(
                format!("name a session: arn:{}:sts::{}:assumed-role/{name}/SESSION, and the role with `--session-of {text}`", arn.partition(), arn.account()),
            ));
        }
        PrincipalKind::FederatedUser { name } => {
            let by = session_of.ok_or_else(|| {
                CliError::new(format!("`{option}`: who federated the user is not said"))
                    .help("name that user with `--session-of USER_ARN`")
            })?;
            Kind::FederatedUser(api::FederatedUser {
                federated_by: by.to_owned(),
                name: name.to_owned(),
                session_policy: None,
                session_tags: Default::default(),
            })
        }
    })
}

fn ready_file_endpoints(path: &Path) -> Result<Vec<String>, CliError> {
    let text = read_file(path)?;
    let endpoints = serde_json::from_str::<serde_json::Value>(&text)
        .ok()
        .and_then(|ready| {
            let list = ready.get("endpoints")?.as_array()?;
            list.iter()
                .map(|e| e.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
        });
    endpoints.filter(|e| !e.is_empty()).ok_or_else(|| {
        CliError::new(format!(
            "{} is no ready file: it has no `endpoints`",
            path.display()
        ))
        .help("`grantd dev --ready-file FILE` writes one")
    })
}

/// A deadline: in no time at all nothing can be asked.
fn patience(text: &str) -> Result<Duration, String> {
    match parse_span(text)? {
        Duration::ZERO => Err("want more than no time at all, as `500ms` or `5s`".to_owned()),
        span => Ok(span),
    }
}

/// Which part of a listing.
#[derive(Args, Clone, Debug, Default)]
pub struct Paging {
    /// At most this many entries; without it all pages are fetched
    #[arg(long, value_name = "COUNT")]
    limit: Option<i32>,
    /// Where to go on: the `NextMarker` of an earlier page
    #[arg(long)]
    marker: Option<String>,
}

impl Paging {
    /// The pages to fetch, from the first.
    pub(super) fn pages(&self) -> Pages {
        Pages {
            limit: self.limit,
            marker: self.marker.clone(),
        }
    }
}

/// The pages of a listing as they are fetched.
pub(super) struct Pages {
    limit: Option<i32>,
    marker: Option<String>,
}

impl Pages {
    /// The page to ask for.
    pub(super) fn page(&self) -> api::Page {
        api::Page {
            limit: self.limit,
            marker: self.marker.clone(),
        }
    }

    /// Notes where the next page begins; whether to fetch it.
    pub(super) fn turn(&mut self, next: Option<String>) -> bool {
        self.marker = next;
        self.limit.is_none() && self.marker.is_some()
    }

    /// The marker to show, once no page is to be fetched any more.
    pub(super) fn marker(&self) -> (&'static str, serde_json::Value) {
        ("NextMarker", serde_json::json!(self.marker))
    }
}
