//! `remote try`: does the image deploy on a real machine?

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use super::super::upload::{one_resource, system_and_release};
use super::super::{Context, print, selected};
use crate::arch::Arch;
use crate::cli::Targets;
use crate::cmd::Cmd;
use crate::exit::Exit;
use crate::given;
use crate::maas::api::{Api, Machine};
use crate::maas::connect::Connection;
use crate::maas::credentials::ServerFlags;
use crate::signal::CancelToken;
use crate::table;

/// "Seconds" between looks at a machine; a deployment takes minutes.
const LOOK: u32 = 10;
/// Attempts to log in after MAAS says Deployed: SSH starts a little later.
const LOGINS: u32 = 12;

#[derive(Debug, clap::Args)]
pub(super) struct TryArgs {
    /// Target, or name in MAAS (with a slash)
    #[arg(value_name = "TARGET|NAME")]
    what: String,
    /// Only a machine with this tag
    #[arg(long, value_name = "TAG")]
    tag: String,
    /// Login user [default: the target's]
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Architecture where the target names none [default: the host's]
    #[arg(long, value_enum, value_name = "ARCH")]
    arch: Option<Arch>,
    /// Minutes a deployment may take
    #[arg(long, value_name = "MINUTES", default_value_t = 60, value_parser = given::number::<u64>)]
    limit: u64,
    /// Keep the machine, also after a failure
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    server: ServerFlags,
}

/// Name, architecture and login user.
struct What {
    name: String,
    arch: Arch,
    user: String,
}

/// Deploys and logs in; the machine is released again.
pub(super) fn run(args: &TryArgs, context: &Context) -> Result<Exit> {
    let what = what(args, context)?;
    let connection = Connection::open(&args.server)?;
    let image = one_resource(&connection, &what.name, Some(what.arch.name()))?;
    let bare = image.bare_name().to_owned();
    if image.deployable().is_none() {
        bail!(
            "{} has no complete set to deploy\n  hint: upload it again, which goes on where the \
             last upload broke off",
            image.full_name()
        );
    }
    let api = &connection.api;
    let machine = allocate(api, &args.tag, what.arch)?;
    eprintln!("allocated {} ({})", machine.hostname, machine.system_id);
    let started = Instant::now();
    let result =
        deploy(api, &machine, &bare, args.limit).and_then(|up| login(api, &up, &what.user));
    let released = if args.keep { None } else { Some(release(api, &machine)) };
    match &result {
        Ok(seen) => print(&format!(
            "ok    {} deployed on {} in {}: {seen}\n",
            image.full_name(),
            machine.hostname,
            table::minutes(started.elapsed())
        ))?,
        Err(error) => eprintln!("error: {error}"),
    }
    if let Some(Err(error)) = released {
        eprintln!(
            "error: {error}\n  hint: maas {} machine release {}",
            connection.profile(),
            machine.system_id
        );
        return Ok(Exit::Failed);
    }
    match (result, CancelToken::global().is_set()) {
        (_, true) => Ok(Exit::Interrupted),
        (Ok(_), false) => Ok(Exit::Ok),
        (Err(_), false) => Ok(Exit::Failed),
    }
}

fn what(args: &TryArgs, context: &Context) -> Result<What> {
    if args.what.contains('/') {
        let arch = args.arch.or_else(Arch::host).unwrap_or(Arch::Amd64);
        let user = args.user.clone().ok_or_else(|| {
            crate::exit::Coded::usage(format!(
                "{}: the name of an image does not tell its login user\n  hint: --user NAME, or \
                 name the target instead",
                args.what
            ))
        })?;
        return Ok(What { name: args.what.clone(), arch, user });
    }
    let catalog = context.repo.catalog()?;
    let wanted = Targets { targets: vec![args.what.clone()], all: false, arch: args.arch };
    let targets = selected(&catalog, &wanted)?;
    let target = crate::verbs::only(&args.what, &targets)?;
    let maas = &target.facts.maas;
    let user = args.user.clone().unwrap_or_else(|| maas.login_user.clone());
    Ok(What { name: maas.name.clone(), arch: target.arch, user })
}

fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn allocate(api: &Api, tag: &str, arch: Arch) -> Result<Machine> {
    let wanted = fields(&[("tags", tag), ("arch", arch.name())]);
    api.machine_op("allocate a machine", None, "allocate", wanted).map_err(|e| match e.status() {
        Some(409) => anyhow!(
            "no {arch} machine with tag `{tag}` is Ready\n  hint: MAAS, Machines: tag one and \
             release or commission it",
            arch = arch.name()
        ),
        _ => e.into(),
    })
}

/// Deploys and waits; gives the machine as it is then.
fn deploy(api: &Api, machine: &Machine, name: &str, minutes: u64) -> Result<Machine> {
    let (system, release) = system_and_release(name);
    let wanted = fields(&[("osystem", system), ("distro_series", release)]);
    api.machine_op("deploy", Some(&machine.system_id), "deploy", wanted)?;
    let limit =
        api.pace().second.saturating_mul(u32::try_from(minutes).unwrap_or(60).saturating_mul(60));
    let started = Instant::now();
    let mut last = String::new();
    loop {
        let now = api.machine(&machine.system_id)?;
        if now.status_name != last {
            eprintln!("  {}  {}", table::minutes(started.elapsed()), now.status_name);
            last.clone_from(&now.status_name);
        }
        match now.status_name.as_str() {
            "Deployed" => return Ok(now),
            "Deploying" | "Allocated" => {}
            other => bail!(
                "{} is {other}: {}\n  hint: MAAS, the machine, Logs: installation output",
                now.hostname,
                now.status_message.as_deref().unwrap_or("no reason given")
            ),
        }
        if started.elapsed() > limit {
            bail!(
                "{} is still {last} after {minutes} min\n  hint: MAAS, the machine, Logs: \
                 installation output; --limit waits longer",
                now.hostname
            );
        }
        api.rest(api.pace().second.saturating_mul(LOOK), "wait for the deployment")?;
    }
}

/// What the machine says it runs. Its host key is new and is not kept.
fn login(api: &Api, machine: &Machine, user: &str) -> Result<String> {
    let address = machine.ip_addresses.first().ok_or_else(|| {
        anyhow!(
            "{} is deployed but MAAS knows no address of it\n  hint: MAAS, the machine, \
                 Network: an interface needs a subnet and an IP mode",
            machine.hostname
        )
    })?;
    let mut number = 0;
    loop {
        let ssh = Cmd::new("ssh", format!("log in to {address}"))
            .cwd(".")
            .args(["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"])
            .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=10"])
            .args(["-o", "LogLevel=ERROR", "-l", user, "--", address])
            .arg(". /etc/os-release; echo \"$PRETTY_NAME, $(uname -r)\"")
            .timeout(Duration::from_secs(60));
        match ssh.output() {
            Ok(output) => return Ok(output.stdout_text().trim().to_owned()),
            Err(error) if error.is_interrupted() => return Err(error.into()),
            Err(error) => {
                number += 1;
                if number >= LOGINS {
                    bail!("{error}\n  hint: your SSH key must be in MAAS (your name, SSH keys)");
                }
            }
        }
        api.rest(api.pace().second.saturating_mul(LOOK), "log in")?;
    }
}

fn release(api: &Api, machine: &Machine) -> Result<()> {
    api.machine_op("release the machine", Some(&machine.system_id), "release", vec![])?;
    eprintln!("released {}", machine.hostname);
    Ok(())
}
