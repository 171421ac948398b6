//! The pipeline: lock, media, engine, pack, contract, publish.

pub mod board;
pub mod engine;
mod explained;
pub mod history;
pub mod html;
pub mod inputs;
pub mod ledger;
pub mod lock;
pub mod manifest;
pub mod many;
pub mod media;
pub mod output;
pub mod pack;
pub mod packer;
pub mod queue;
pub mod report;
pub mod run;
pub mod schedule;
pub mod sign;
#[cfg(test)]
mod simulated;
pub mod summary;

use std::path::Path;

use crate::cmd::Cmd;

/// The commit of the tree, with `-dirty` if it has changes; `unknown` outside
/// git.
#[must_use]
pub fn commit(root: &Path) -> String {
    let git =
        |args: &[&str]| Cmd::new("git", "find out the commit").cwd(root).args(args).output().ok();
    let Some(head) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".into() };
    let dirty = git(&["status", "--porcelain", "--untracked-files=no"])
        .is_some_and(|status| !status.stdout_text().trim().is_empty());
    format!("{}{}", head.stdout_text().trim(), if dirty { "-dirty" } else { "" })
}
