//! The commented sample of `node.toml`, written from the table of settings.

use super::setting::{Form, SETTINGS};

/// A `node.toml` with every setting explained; settings that have a default are commented out.
pub fn sample() -> String {
    let mut text = String::from(
        "# The settings of one grantd node. `grantd serve --config node.toml` reads them.\n\
         # Order of precedence: a flag (`--node-id`), then a variable (`GRANTD_NODE_ID`), then this file.\n",
    );
    for setting in SETTINGS {
        text.push('\n');
        for line in setting.meaning {
            text.push_str(&format!("# {line}\n"));
        }
        text.push_str(&format!("# Allowed: {}.\n", setting.allowed));
        let default = match setting.default {
            None => "none, it must be set".to_owned(),
            Some("") => "not set".to_owned(),
            Some(default) => format!("`{default}`"),
        };
        text.push_str(&format!(
            "# Default: {default}. Variable: {}.\n",
            setting.variable
        ));
        let value = match setting.form {
            Form::Number => setting.sample.to_owned(),
            Form::Text => format!("\"{}\"", setting.sample),
        };
        let off = if setting.default.is_some() { "# " } else { "" };
        text.push_str(&format!("{off}{} = {value}\n", setting.name));
    }
    text
}
