//! `cargo xtask completions`: tab completion for a shell.

use std::io::Cursor;

use anyhow::{Context as _, Result};
use clap_complete::Shell;

use super::print;
use crate::exit::Exit;

/// Which shell.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask completions bash > \\\n    ~/.local/share/bash-completion/completions/xtask\n  \
                        cargo xtask completions zsh > ~/.zfunc/_xtask\n\nThe script completes a \
                        command called `xtask`: cargo cannot pass completion on to its aliases. \
                        Put `alias xtask='cargo xtask'` beside it."
)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Name that the script completes. `cargo xtask` are two words, which no shell
/// completes as one command.
const NAME: &str = "xtask";

/// Prints the script for `command`, the whole command line.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(args: &Args, command: &mut clap::Command) -> Result<Exit> {
    print(&script(args.shell, command)?)?;
    Ok(Exit::Ok)
}

fn script(shell: Shell, command: &mut clap::Command) -> Result<String> {
    let mut script = Cursor::new(Vec::new());
    let mut command = command.clone().name(NAME).bin_name(NAME);
    clap_complete::generate(shell, &mut command, NAME, &mut script);
    String::from_utf8(script.into_inner()).context("the completion script is not UTF-8")
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, ValueEnum as _};

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_shell_knows_every_command() {
        let mut command = Cli::command();
        let names: Vec<String> =
            command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        for &shell in Shell::value_variants() {
            let script = script(shell, &mut command).unwrap();
            for name in &names {
                assert!(script.contains(name.as_str()), "{shell}: {name}");
            }
            assert!(!script.contains("cargo xtask_"), "{shell}");
        }
    }
}
