//! The `grantd` binary: the command line, nothing else.

/// Gives memory back to the system once it is free, whichever thread took it; that of the C library keeps what a flood of
/// calls took in the arenas of its threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    grantd::cli::main()
}
