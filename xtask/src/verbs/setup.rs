//! `cargo xtask setup`: installs what builds need and this machine lacks.
//!
//! Shows every command before it runs it, asks unless `--yes`, and never
//! removes a package: `apt-get --no-remove` would rather fail.

mod apt;
mod policy;
mod python;
#[cfg(test)]
mod tests;
mod wanted;

use std::fs;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};

use self::apt::{Decision, Facts, Install};
use self::wanted::Want;
use super::Context;
use crate::arch::Arch;
use crate::cmd::{Cmd, CmdError, shell_quote, which};
use crate::exit::{Coded, Exit};
use crate::host::os::PackageManager;
use crate::host::tools;
use crate::host::{self, Host};

/// What to install, and how much to ask.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask setup\n  cargo xtask setup --arch amd64 --arch \
                        arm64 --yes\n  cargo xtask setup --validators --dry-run")]
pub struct Args {
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Show the commands, run none
    #[arg(long)]
    pub dry_run: bool,
    /// Guests to prepare for; may be repeated [default: the host's own]
    #[arg(long, value_enum, value_name = "ARCH")]
    pub arch: Vec<Arch>,
    /// Install what `validate` and the tests use to check answer files, scripts and disks, too
    #[arg(long)]
    pub validators: bool,
}

/// Installs what is missing.
///
/// # Errors
/// Exit code 3: an unknown package manager, no way to become root, a refusal,
/// or an install that failed.
pub fn run(args: &Args, context: &Context) -> Result<Exit> {
    let host = host::probe(&host::Options::new(&context.repo.out, &context.repo.media, None));
    ensure(args, &host)?;
    Ok(Exit::Ok)
}

/// The same for `build --setup` and `test --setup`, with a host that was
/// probed already. `Ok(true)` if something was installed: probe again.
///
/// # Errors
/// As for [`run`].
pub fn ensure(args: &Args, host: &Host) -> Result<bool> {
    let arches =
        if args.arch.is_empty() { Arch::host().into_iter().collect() } else { args.arch.clone() };
    let manager = host.os.package_manager().ok_or_else(|| unknown_system(host))?;
    let wants = wanted::wanted(host, &arches, manager, args.validators);
    let session = Session { yes: args.yes, dry_run: args.dry_run };
    let changed = match manager {
        PackageManager::Apt => {
            let packages = session.apt(&wants)?;
            let validator = args.validators && !host.tools.contains_key("ksvalidator");
            if validator {
                session.ksvalidator()?;
            }
            packages || validator
        }
        PackageManager::Dnf => session.dnf(&wants)?,
    };
    if !changed {
        eprintln!("nothing to install: this host has what builds need");
    }
    Ok(changed && !args.dry_run)
}

fn unknown_system(host: &Host) -> anyhow::Error {
    let name = if host.os.name.is_empty() { "this system" } else { &host.os.name };
    Coded::host(format!(
        "setup can drive apt and dnf only, and {name} has neither\n  hint: install by hand what \
         `cargo xtask doctor` calls missing"
    ))
}

/// The command with what makes it root's: nothing, or `sudo` before it.
fn as_root(argv: &[&str]) -> Result<Vec<String>> {
    let prefix: &[&str] = if rustix::process::geteuid().is_root() {
        &[]
    } else if which("sudo").is_none() {
        return Err(Coded::host(
            "setup has to install packages, which only root may, and there is no sudo\n  hint: \
             run it as root; --dry-run shows what it would do",
        ));
    } else if std::io::stdin().is_terminal() {
        &["sudo"]
    } else {
        &["sudo", "-n"] // nobody can type a password, and sudo would wait
    };
    Ok(prefix.iter().chain(argv).map(|&word| word.to_owned()).collect())
}

struct Session {
    yes: bool,
    dry_run: bool,
}

/// apt may have to wait for unattended upgrades on a machine that just booted.
const LOCK_WAIT: &str = "DPkg::Lock::Timeout=300";

impl Session {
    /// `Ok(false)` if there was nothing to do.
    fn apt(&self, wants: &[Want]) -> Result<bool> {
        let names: Vec<&str> = wants.iter().map(|want| want.package.as_str()).collect();
        let mut facts = gather(&names)?;
        announce(wants, &facts);
        if let Decision::Refresh(why) = apt::decide(&names, &facts) {
            eprintln!("{why}");
            self.refresh()?;
            facts = Facts { refreshed: !self.dry_run, ..gather(&names)? };
        }
        match apt::decide(&names, &facts) {
            Decision::Nothing => Ok(false),
            Decision::Refresh(_) => {
                eprintln!("what is installed then depends on the refreshed lists");
                Ok(true)
            }
            Decision::Impossible(problems) => Err(Coded::host(problems.join("\n"))),
            Decision::Install(installs) => self.apt_install(&installs).map(|()| true),
        }
    }

    fn refresh(&self) -> Result<()> {
        let argv = as_root(&["apt-get", "-o", LOCK_WAIT, "update"])?;
        // One dead third-party source fails the whole update; the rest is still
        // fresh, and the install that follows tells what is really missing.
        if let Some(Err(error)) = self.perform(&argv, "refresh the package lists")? {
            eprintln!("warning: {error}");
        }
        Ok(())
    }

    fn apt_install(&self, installs: &[Install]) -> Result<()> {
        for install in installs {
            let simulated = apt_get(install, true);
            run_quietly(&simulated, "work out the installation").map_err(not_installable)?;
            if install.packages.iter().any(|name| name == "cloud-init") {
                self.tame_cloud_init()?;
            }
            let mut argv = vec!["env", "DEBIAN_FRONTEND=noninteractive"];
            let command = apt_get(install, false);
            argv.extend(command.iter().map(String::as_str));
            if let Some(result) = self.perform(&as_root(&argv)?, "install packages")? {
                result.map_err(|error| Coded::host(error.to_string()))?;
            }
        }
        Ok(())
    }

    /// `cloud-init` is wanted for its schema check. Its services would configure
    /// this machine at the next boot; this file keeps them from it.
    fn tame_cloud_init(&self) -> Result<()> {
        let script = "mkdir -p /etc/cloud && touch /etc/cloud/cloud-init.disabled";
        let argv = as_root(&["sh", "-c", script])?;
        if let Some(result) = self.perform(&argv, "keep cloud-init from configuring this host")? {
            result.map_err(|error| Coded::host(error.to_string()))?;
        }
        Ok(())
    }

    /// As this user: only the packages before it need root.
    fn ksvalidator(&self) -> Result<()> {
        let dir = tools::own_tool_dir("ksvalidator").ok_or_else(|| {
            Coded::host("no home directory to install ksvalidator into\n  hint: set HOME")
        })?;
        let failed = |error: CmdError| Coded::host(error.to_string());
        if let Some(result) = self.perform(&python::make(&dir), "make a Python environment")? {
            result.map_err(failed)?;
        }
        for (name, content) in python::REQUIREMENTS {
            if !self.dry_run {
                let file = dir.join(name);
                fs::write(&file, content)
                    .with_context(|| format!("cannot write {}", file.display()))?;
            }
            // Part of what was just agreed to.
            let argv = python::install(&dir, name);
            let agreed = Self { yes: true, ..*self };
            agreed.perform(&argv, "install pykickstart")?.transpose().map_err(failed)?;
        }
        Ok(())
    }

    /// dnf keeps its lists fresh by itself and removes nothing unless told to.
    fn dnf(&self, wants: &[Want]) -> Result<bool> {
        if wants.is_empty() {
            return Ok(false);
        }
        eprintln!(
            "note: setup by dnf has not been run by us; `cargo xtask doctor` tells the result"
        );
        let mut argv = vec!["dnf", "install", "-y", "--setopt=install_weak_deps=False"];
        argv.extend(wants.iter().map(|want| want.package.as_str()));
        if let Some(result) = self.perform(&as_root(&argv)?, "install packages")? {
            result.map_err(|error| Coded::host(error.to_string()))?;
        }
        Ok(true)
    }

    /// Shows a command and runs it with our terminal, if the user agrees.
    /// `None` on a dry run.
    fn perform(
        &self,
        argv: &[String],
        purpose: &str,
    ) -> Result<Option<std::result::Result<(), CmdError>>> {
        eprintln!("  {}", shown(argv));
        if self.dry_run {
            return Ok(None);
        }
        if !self.yes && !confirmed()? {
            return Err(Coded::host("nothing was installed: you said no"));
        }
        let Some(command) = command(argv, purpose) else { return Ok(None) };
        // apt's progress is chatter, not data: it belongs on stderr.
        let result =
            if std::io::stdin().is_terminal() { command.interactive() } else { command.run() };
        Ok(Some(result.map(drop)))
    }
}

/// Says what is missing and what it would bring.
fn announce(wants: &[Want], facts: &Facts) {
    let missing = wants.iter().filter(|want| !facts.dpkg.contains_key(&want.package));
    let list: Vec<String> =
        missing.map(|want| format!("{} ({})", want.package, want.brings)).collect();
    if !list.is_empty() {
        eprintln!("missing: {}", list.join(", "));
    }
}

/// The command as the user could type it.
fn shown(argv: &[String]) -> String {
    argv.iter().map(|word| shell_quote(word)).collect::<Vec<_>>().join(" ")
}

fn command(argv: &[String], purpose: &str) -> Option<Cmd> {
    let (tool, args) = argv.split_first()?;
    Some(Cmd::new(tool, purpose).cwd("/").args(args))
}

fn confirmed() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Coded::host("nobody to ask: there is no terminal\n  hint: add --yes"));
    }
    eprint!("run it? [Y/n] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "" | "y" | "yes")
        && !answer.is_empty())
}

fn apt_get(install: &Install, simulate: bool) -> Vec<String> {
    let mut argv: Vec<&str> = vec!["apt-get", "install", "--no-remove", "--no-install-recommends"];
    argv.extend(if simulate { vec!["--simulate"] } else { vec!["--yes", "-o", LOCK_WAIT] });
    argv.extend(install.suite.iter().flat_map(|suite| ["-t", suite.as_str()]));
    argv.extend(install.packages.iter().map(String::as_str));
    argv.into_iter().map(str::to_owned).collect()
}

/// Runs a command that only asks; English, so that it can be parsed.
fn run_quietly(argv: &[String], purpose: &str) -> std::result::Result<String, CmdError> {
    let Some(command) = command(argv, purpose) else { return Ok(String::new()) };
    let command = command.env("LC_ALL", "C").timeout(Duration::from_secs(120));
    command.output().map(|output| output.stdout_text())
}

fn not_installable(error: CmdError) -> anyhow::Error {
    Coded::host(format!(
        "apt cannot install this without removing or downgrading packages, which setup never \
         does\n{error}\n  hint: bring the system up to date first (apt-get dist-upgrade), or install \
         by hand what `cargo xtask doctor` calls missing"
    ))
}

/// Asks dpkg and apt about everything that may matter.
fn gather(names: &[&str]) -> Result<Facts> {
    let all = apt::query(names);
    let ask = |head: &[&str], purpose: &str| {
        let argv: Vec<&str> = head.iter().copied().chain(all.iter().map(String::as_str)).collect();
        let Some((tool, args)) = argv.split_first() else { return Ok(String::new()) };
        // dpkg-query exits with 1 if it does not know one of the names.
        let command = Cmd::new(tool, purpose).cwd("/").args(args).env("LC_ALL", "C");
        let output = command.success(&[0, 1]).timeout(Duration::from_secs(60)).output();
        output.map(|output| output.stdout_text()).map_err(|e| Coded::host(e.to_string()))
    };
    let format = "${Package}\\t${Version}\\t${db:Status-Status}\\n";
    Ok(Facts {
        dpkg: policy::parse_dpkg(&ask(&["dpkg-query", "-W", "-f", format], "ask dpkg")?),
        policy: policy::parse_policy(&ask(&["apt-cache", "policy"], "ask apt")?),
        lists_age: lists_age(),
        refreshed: false,
    })
}

/// When `apt-get update` last ran: it makes and removes files in `partial`.
/// The lists themselves carry the server's dates.
fn lists_age() -> Option<Duration> {
    let lists = "/var/lib/apt/lists";
    let has_any = fs::read_dir(lists).ok()?.flatten().any(|entry| {
        let name = entry.file_name();
        name.to_string_lossy().contains("Release")
    });
    let changed = fs::metadata(format!("{lists}/partial")).or_else(|_| fs::metadata(lists)).ok()?;
    let age = SystemTime::now().duration_since(changed.modified().ok()?).unwrap_or_default();
    has_any.then_some(age)
}
