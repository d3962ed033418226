//! `grantd serve`: one node as a process.

use serde_json::json;

use super::Exit;
use super::error::CliError;
use super::process::ServeArgs;
use super::ready::ReadyFile;
use super::signals::Signals;
use crate::config::{Config, LogFormat, load};
use crate::node::{ProcessSettings, start_process};
use crate::telemetry;

/// Said at every start, until callers can prove who they are.
pub(super) const TRUST_WARNING: &str = "callers are not authenticated: whoever can connect over loopback is believed to be whom it claims to be; let no untrusted process run on this machine";

pub(super) async fn run(args: &ServeArgs) -> Result<Exit, CliError> {
    let config = load(args.config.as_deref(), &args.overrides())
        .map_err(|faults| wrong_settings(args, &faults.to_string()))?;
    let Config {
        log_level,
        log_format,
        ..
    } = &config;
    let form = match log_format {
        LogFormat::Text => telemetry::Form::Text,
        LogFormat::Json => telemetry::Form::Json,
    };
    // Kept to the end: the last lines are waited for when it is dropped.
    let _log = telemetry::start(log_level, form).map_err(CliError::new)?;
    tracing::warn!("{TRUST_WARNING}");
    let mut signals = Signals::listen()?;
    let node = start_process(ProcessSettings::from(&config))
        .await
        .map_err(|error| {
            CliError::new(format!("node {} does not start: {error}", config.node_id))
        })?;
    let (node_id, address) = (node.node_id(), node.address().to_owned());
    let ready = match &args.ready_file {
        Some(path) => {
            let content = json!({
                "endpoints": [address],
                "node_ids": [node_id],
                "data_dir": config.data_dir,
            });
            match ReadyFile::write(path, &content) {
                Ok(file) => Some(file),
                Err(error) => {
                    node.shutdown().await;
                    return Err(error);
                }
            }
        }
        None => None,
    };
    tracing::info!(node_id, address, "serving");
    if node.cluster().status().replica.incarnation.is_none() {
        tracing::info!(
            "this node belongs to no cluster: `grantd cluster init --endpoint {address}` makes one, `grantd cluster join --endpoint {address} --via ADDRESS` joins one"
        );
    }
    let failure = tokio::select! {
        why = node.failed() => Some(why),
        () = signals.stop() => None,
    };
    drop(ready);
    tracing::info!(node_id, "stopping");
    node.shutdown().await;
    match failure {
        Some(why) => Err(CliError::new(format!(
            "node {node_id} stopped by itself: {why}"
        ))),
        None => Ok(Exit::Success),
    }
}

fn wrong_settings(args: &ServeArgs, faults: &str) -> CliError {
    let error = CliError::new(format!("the settings are wrong:\n{faults}"));
    match args.config {
        Some(_) => error,
        None => error.help("give a file with `--config`; `grantd config sample` prints one"),
    }
}
