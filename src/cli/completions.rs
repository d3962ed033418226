//! `grantd completions`: a completion script, made from the same definitions as the help.

use clap::Args;
use clap_complete::Shell;

use super::error::CliError;
use super::guide;
use super::output::Shown;

/// Which shell.
#[derive(Args, Debug)]
#[command(after_help = "For bash: `source <(grantd completions bash)`")]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Result<Shown, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut guide::command(), "grantd", &mut script);
    String::from_utf8(script)
        .map(Shown::text)
        .map_err(|_| CliError::new("the completion script is not text"))
}

#[cfg(test)]
mod tests {
    use super::super::output::Shown;
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_shell_gets_a_script_that_knows_the_commands() {
        for shell in Shell::value_variants() {
            let script = run(&CompletionsArgs { shell: *shell }).unwrap();
            let text = match script.as_text() {
                Some(text) => text,
                None => panic!("{shell}: no text"),
            };
            for word in ["authorize", "put-policy", "list-retirable"] {
                assert!(text.contains(word), "{shell}: {word}");
            }
        }
        assert_ne!(Shown::text("a").as_text(), Some(""));
    }
}
