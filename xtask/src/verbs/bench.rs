//! `cargo xtask bench`: figures of parts of xtask.

mod model;
mod pack;
mod validate;

use anyhow::Result;

use super::{Context, print};
use crate::exit::Exit;
use crate::maas::bench;

/// Which part.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: cargo xtask bench upload --mib 1024")]
pub struct Args {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, clap::Subcommand)]
enum Part {
    /// Throughput of an upload to a model of MAAS on this host
    #[command(after_help = "Example: cargo xtask bench upload --mib 1024 --rounds 5")]
    Upload(UploadArgs),
    /// Packing against today's pipelines and the limits of this machine
    #[command(after_help = "Example: cargo xtask bench pack --rounds 3")]
    Pack(pack::Args),
    /// Serve a model of MAAS, to try `upload` and `remote` without one
    #[command(after_help = "Example: cargo xtask bench model --maas 3.8 --port 5240")]
    Model(model::Args),
    /// How long `validate` takes for this tree, and for 10 and 100 copies of it
    #[command(
        after_help = "Example:\n  cargo run --release -p xtask -- bench validate --copies 1,10 --rounds 9"
    )]
    Validate(validate::Args),
}

#[derive(Debug, clap::Args)]
struct UploadArgs {
    /// Size of the file in MiB
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u64).range(8..=16384))]
    mib: u64,
    /// Measurements; the best of each is shown
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
}

/// Measures.
///
/// # Errors
/// No space for the file, or no port for the model.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    match &args.part {
        Part::Upload(args) => {
            print(&bench::upload(&context.repo.out, args.mib, args.rounds)?)?;
            Ok(Exit::Ok)
        }
        Part::Pack(args) => pack::run(args, &context.repo),
        Part::Model(args) => model::run(args),
        Part::Validate(args) => validate::run(args, context),
    }
}
