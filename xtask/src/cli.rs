//! The command line: declarations only.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::arch::Arch;
use crate::verbs;

/// Builds, checks, packs and uploads MAAS images
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "A target is an id (`debian-12-mirror-amd64`), its leading parts (`debian-12`) or a glob.\n\
                  Start here:  cargo xtask list    cargo xtask doctor    cargo xtask build debian-12-mirror --setup"
)]
pub struct Cli {
    /// Flags every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The verb.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Tree of image directories [default: this repository]
    #[arg(long, global = true, value_name = "DIR", env = "XTASK_ROOT")]
    pub root: Option<PathBuf>,
    /// Directory for artifacts, logs and reports [default: out]
    #[arg(long, global = true, value_name = "DIR", env = "XTASK_OUT")]
    pub out: Option<PathBuf>,
    /// Directory for downloaded and bootstrapped media [default: media]
    #[arg(long, global = true, value_name = "DIR", env = "XTASK_MEDIA")]
    pub media_dir: Option<PathBuf>,
    /// Say more: -v shows commands, -vv also tool logs
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// Which targets.
#[derive(Clone, Debug, Default, Args)]
pub struct Targets {
    /// Target ids, leading parts of ids, or globs
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Every target that is not end of life
    #[arg(long, conflicts_with = "targets")]
    pub all: bool,
    /// Architecture where a target names none [default: the host's]
    #[arg(long, value_enum, value_name = "ARCH")]
    pub arch: Option<Arch>,
}

/// How listings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs; has a `version` field.
    Json,
}

/// One verb each; its arguments live in its own file.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show images and targets
    List(verbs::list::Args),
    /// Say whether this host can build, and what helps if not
    Doctor(verbs::doctor::Args),
    /// Install what builds need and this host lacks
    Setup(verbs::setup::Args),
    /// Make and verify what builds start from
    Media(verbs::media::Args),
    /// Print what a build would do, to the last argument; nothing runs
    Plan(verbs::plan::Args),
    /// Find mistakes before a build does
    Validate(verbs::validate::Args),
    /// Write templates in the layout of `packer fmt`
    Fmt(verbs::fmt::Args),
    /// Build targets: media, VM, pack, check
    Build(verbs::build::Args),
    /// Log in to the VM of a failed build
    Ssh(verbs::ssh::Args),
    /// Deploy an artifact in emulation as MAAS does, boot it, look inside
    DeployTest(verbs::deploy_test::Args),
    /// Run what CI runs: lints, tests, validation, a build, a deployment
    Test(verbs::test::Args),
    /// Judge an artifact, or compare two
    Inspect(verbs::inspect::Args),
    /// Make an artifact of a disk
    Pack(verbs::pack::Args),
    /// Upload artifacts to MAAS, safely
    Upload(verbs::upload::Args),
    /// Look after uploaded images: list, show, delete, prune, promote, roll back, try
    Remote(verbs::remote::Args),
    /// Measure parts of xtask
    Bench(verbs::bench::Args),
    /// Feed hostile input to what reads foreign bytes
    Fuzz(verbs::fuzz::Args),
    /// Print the CI matrix
    Matrix(verbs::matrix::Args),
    /// Write the workflows of CI from the catalog, or check them
    Ci(verbs::ci::Args),
    /// Make a directory for an operating system, like one that is there
    New(verbs::new::Args),
    /// Say why a rule matters
    Explain(verbs::explain::Args),
    /// Print the JSON Schema of image.toml
    Schema(verbs::schema::Args),
    /// Write the generated parts of READMEs, or check them
    Docs(verbs::docs::Args),
    /// Remove what builds left, and downloaded media
    Clean(verbs::clean::Args),
    /// Print tab completion for a shell
    Completions(verbs::completions::Args),
    /// Print or write manual pages
    Man(verbs::man::Args),
}
