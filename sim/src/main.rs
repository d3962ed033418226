//! The simulator's command line.
//!
//! `run` plays one story with one seed, `sweep` many seeds, `meta` shows that a seed's trace is the same in two
//! processes, `mutants` that the stories notice when a promise is taken out of the product.

mod hand;
mod mutants;
mod oracle;
mod runs;
mod story;
mod trace;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Deterministic simulation of grantd clusters: the same node::start as production, in a world of one seed.
#[derive(Parser)]
#[command(name = "grantd-sim", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Plays one story with one seed.
    Run {
        /// The seed.
        #[arg(long)]
        seed: u64,
        /// The story.
        #[arg(long, default_value = "token_at_a_cut_follower")]
        story: story::Name,
        /// Writes the trace to a file: every event of the network, the story and the nodes, with simulated time.
        #[arg(long)]
        trace: Option<PathBuf>,
    },
    /// Plays every story twice with each seed, in two processes, and compares the traces byte for byte.
    Meta {
        /// How many seeds, from 1 on.
        #[arg(long, default_value_t = 3)]
        seeds: u64,
        /// One story alone.
        #[arg(long)]
        story: Option<story::Name>,
    },
    /// Plays stories with many seeds.
    Sweep {
        /// The seeds: from A up to, and without, B.
        #[arg(long, value_name = "A..B", value_parser = runs::seeds)]
        seeds: std::ops::Range<u64>,
        /// One story alone.
        #[arg(long)]
        story: Option<story::Name>,
        /// Runs at a time; absent: as many as there are processors.
        #[arg(long)]
        jobs: Option<usize>,
    },
    /// Takes a promise out of a copy of the product, for each patch in sim/mutants, and expects a sweep to notice.
    Mutants {
        /// Seeds to try on each mutant, from 1 on.
        #[arg(long, default_value_t = 20)]
        seeds: u64,
        /// Where to build them, kept for the next time; absent: a temporary folder.
        #[arg(long)]
        target_dir: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    if !cfg!(tokio_unstable) {
        eprintln!(
            "grantd-sim was built without `--cfg tokio_unstable`, so its runs would not repeat: unset RUSTFLAGS, which \
             overrides .cargo/config.toml, or add `--cfg tokio_unstable` to it, and build again"
        );
        return ExitCode::from(2);
    }
    let result = match Cli::parse().command {
        Command::Run { seed, story, trace } => runs::run(seed, story, trace.as_deref()),
        Command::Meta { seeds, story } => runs::meta(seeds, story),
        Command::Sweep { seeds, story, jobs } => runs::sweep(seeds, story, jobs),
        Command::Mutants { seeds, target_dir } => mutants::hunt(seeds, target_dir.as_deref()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
