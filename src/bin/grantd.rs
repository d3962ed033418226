//! The `grantd` binary: the command line, nothing else.

fn main() -> std::process::ExitCode {
    grantd::cli::main()
}
