//! `cargo xtask schema`: the JSON Schema of `image.toml`, for editors.

use anyhow::Result;

use super::{Context, print};
use crate::catalog::schema::image_schema;
use crate::exit::Exit;

/// No arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: cargo xtask schema > image.schema.json")]
pub struct Args {}

/// Prints the schema.
///
/// # Errors
/// Stdout cannot be written.
pub fn run(_: &Args, _: &Context) -> Result<Exit> {
    print(&format!("{}\n", serde_json::to_string_pretty(image_schema())?))?;
    Ok(Exit::Ok)
}
