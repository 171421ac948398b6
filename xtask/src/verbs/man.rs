//! `cargo xtask man`: manual pages.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::print;
use crate::build::output::write_atomic;
use crate::exit::{Coded, Exit};
use crate::finding::suggest;

/// Which page, or all of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask man build | man -l -\n  \
                        cargo xtask man --dir ~/.local/share/man/man1")]
pub struct Args {
    /// The command whose page is printed [default: the page of all]
    command: Option<String>,
    /// Write every page into this directory instead
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

/// Prints one page or writes all.
///
/// # Errors
/// An unknown command (exit 2); a directory that cannot be written.
pub fn run(args: &Args, command: &mut clap::Command) -> Result<Exit> {
    let mut command = command.clone().name("xtask").bin_name("cargo xtask");
    command.build();
    if let Some(dir) = &args.dir {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        for (name, page) in pages(&command)? {
            write_atomic(&dir.join(format!("{name}.1")), page.as_bytes())?;
        }
        eprintln!("wrote the pages of xtask(1) to {}", dir.display());
        return Ok(Exit::Ok);
    }
    let chosen = match &args.command {
        Some(name) => found(&command, name)?,
        None => &command,
    };
    print(&page(chosen)?)?;
    Ok(Exit::Ok)
}

fn found<'c>(command: &'c clap::Command, name: &str) -> Result<&'c clap::Command> {
    command.find_subcommand(name).ok_or_else(|| {
        let near = suggest(name, command.get_subcommands().map(clap::Command::get_name));
        let hint = near.map_or_else(
            || "`cargo xtask --help` lists them".into(),
            |near| format!("did you mean `{near}`?"),
        );
        Coded::usage(format!("there is no command `{name}`\n  hint: {hint}"))
    })
}

/// `xtask`, `xtask-build`, `xtask-media-fetch`, ... with their text.
fn pages(command: &clap::Command) -> Result<Vec<(String, String)>> {
    let mut all = vec![(name(command), page(command)?)];
    for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
        all.extend(pages(sub)?);
    }
    Ok(all)
}

fn name(command: &clap::Command) -> String {
    command.get_bin_name().unwrap_or("xtask").trim_start_matches("cargo ").replace(' ', "-")
}

fn page(command: &clap::Command) -> Result<String> {
    let mut text = Vec::new();
    // The page's name is the file's, not the last word of the command.
    clap_mangen::Man::new(command.clone().name(name(command))).render(&mut text)?;
    String::from_utf8(text).context("the page is not UTF-8")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_command_has_a_page_with_its_example() {
        let mut command = Cli::command();
        command.build();
        let pages = pages(&command).unwrap();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for wanted in ["xtask", "xtask-build", "xtask-media-fetch", "xtask-remote-prune"] {
            assert!(names.contains(&wanted), "{names:?}");
        }
        for (name, page) in &pages {
            assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}");
            assert!(page.contains(&name.replace('-', "\\-")), "{name}\n{page}");
        }
    }
}
