//! The deployed disk on its own: boot, cloud-init, login, checks.

use std::time::Duration;

use anyhow::Result;

use super::watch::Watched;
use super::{Progress, Run, mark};
use crate::deploy::console::CLOCK;
use crate::deploy::maas::Seen;
use crate::deploy::machine::Machine;
use crate::deploy::report::Failure;
use crate::deploy::ssh::{self, SshError};
use crate::deploy::{advice, checks};

/// How long one session of all checks may take; two of them wait for the end
/// of the boot.
const SESSION: Duration = Duration::from_secs(1200);

/// Boots the deployed disk and looks at it from inside.
pub fn boot_and_check(
    run: &mut Run<'_>,
    machine: &Machine,
    progress: Progress<'_>,
) -> Result<Option<Failure>> {
    let mut vm = Watched::start(run, machine)?;
    if let Some(failure) = wait_for_cloud_init(run, &mut vm)? {
        return Ok(Some(failure));
    }
    run.begin("login and checks", progress);
    let known = run.known();
    let table = checks::table(&known);
    let mark = mark()?;
    let script = checks::script(&table, &mark, "/");
    let port = vm.ssh_port()?;
    loop {
        let last = match ssh::run_as_root(&run.key, port, &known.user, &script, SESSION) {
            Ok(output) => {
                run.checks.extend(checks::judge(&table, &mark, &output));
                run.pictures = vm.pictures();
                return Ok(None);
            }
            Err(SshError::Command(text)) => return Ok(Some(vm.failure("login", text))),
            Err(SshError::Other(error)) => return Err(error.into()),
            Err(SshError::NotYet(text)) => text,
        };
        vm.tick()?;
        if let Some(reason) = vm.hopeless(run) {
            let user = &known.user;
            return Ok(Some(vm.failure("login", format!("{reason}; ssh as {user}: {last}"))));
        }
    }
}

/// Until cloud-init reports the end of its last stage to MAAS.
fn wait_for_cloud_init(run: &Run<'_>, vm: &mut Watched) -> Result<Option<Failure>> {
    loop {
        vm.tick()?;
        match run.maas.seen().finished() {
            Some("SUCCESS") => return Ok(None),
            Some(result) => {
                let reason = format!("cloud-init reports {result} for its last stage");
                return Ok(Some(vm.failure("cloud-init", reason)));
            }
            None => {}
        }
        if let Some(reason) = vm.hopeless(run) {
            let seen = run.maas.seen();
            let failure = vm.failure("boot", format!("{reason}; {}", explain(&seen)));
            return Ok(Some(with_cause(failure, &seen)));
        }
    }
}

/// Where the console named no cause: what MAAS saw, a wrong clock first.
fn with_cause(failure: Failure, seen: &Seen) -> Failure {
    let (meaning, fix) = match (seen.skew, &failure.cause) {
        (_, Some(_)) => return failure,
        (Some(by), None) if !seen.user_data_fetched => {
            (format!("the machine's clock is off by {by} s, and MAAS refuses its requests"), CLOCK)
        }
        _ => {
            let (meaning, fix) = advice::of_boot(seen);
            (meaning.to_owned(), fix)
        }
    };
    Failure { cause: Some(meaning), fix: Some(fix.into()), ..failure }
}

/// How far the machine came, as MAAS saw it.
fn explain(seen: &Seen) -> String {
    if let Some(refused) = &seen.refused {
        format!("MAAS refused {refused}")
    } else if !advice::asked(seen) {
        "cloud-init never asked MAAS for metadata".into()
    } else if !seen.user_data_fetched {
        "cloud-init asked MAAS for metadata but never fetched its user-data".into()
    } else {
        let last = seen.events.last().map_or("nothing", |(name, _, _)| name.as_str());
        format!("cloud-init fetched its user-data; its last report was {last}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_kept_the_machine_from_maas_is_the_cause() {
        let mut seen = Seen { skew: Some(7200), ..Seen::default() };
        let failure = with_cause(Failure::default(), &seen);
        assert!(failure.cause.unwrap().contains("7200 s") && failure.fix.is_some());
        seen.user_data_fetched = true;
        let cause = with_cause(Failure::default(), &seen).cause.unwrap();
        assert!(!cause.contains("clock"), "{cause}");
        let known = Failure { cause: Some("panic".into()), ..Failure::default() };
        assert_eq!(with_cause(known.clone(), &Seen::default()), known);
    }

    #[test]
    fn how_far_it_came() {
        let mut seen = Seen::default();
        assert!(explain(&seen).contains("never asked"));
        seen.requests.push("GET /MAAS/metadata/2012-03-01/meta-data/instance-id".into());
        assert!(explain(&seen).contains("never fetched"));
        seen.user_data_fetched = true;
        seen.events.push(("init-network".into(), "finish".into(), "SUCCESS".into()));
        assert!(explain(&seen).contains("last report was init-network"));
        seen.refused = Some("GET /x: no OAuth header".into());
        assert!(explain(&seen).contains("refused"));
    }
}
