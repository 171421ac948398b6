//! What must be there before QEMU starts.

use std::path::{Path, PathBuf};

use super::Job;
use crate::cmd::Child;
use crate::engine::argv::Prepared;
use crate::engine::disk::Workshop;
use crate::engine::error::Trouble;
use crate::engine::http::{Content, Server};
use crate::engine::spec::{Accelerator, VmSpec};
use crate::engine::step::{Action, Script, Shell, ShellLocal};
use crate::engine::tpm;

/// Files, ports and helpers of a build; the helpers end when this is dropped.
pub(super) struct Ready {
    /// What QEMU is started with.
    pub machine: Prepared,
    /// Serves the guest.
    pub http: Option<Server>,
    /// Emulates the TPM.
    pub tpm: Option<Child>,
}

/// Makes everything, cheap checks first.
pub(super) fn prepare(job: &Job, shop: &Workshop<'_>) -> Result<Ready, Trouble> {
    check_accelerator(shop)?;
    check_files(job)?;
    let http = serve(shop)?;
    let disks = shop.disks()?;
    let cd = shop.cd()?;
    let efi = shop.efi()?;
    let tpm = tpm::start(shop.spec, shop.paths, shop.cancel)?;
    let machine = Prepared {
        disks,
        cd,
        efi,
        http_port: http.as_ref().map(Server::port),
        ssh_port: 0,
        tpm: tpm.is_some().then(|| shop.paths.tpm()),
        view: job.options.view,
    };
    Ok(Ready { machine, http, tpm })
}

fn check_accelerator(shop: &Workshop<'_>) -> Result<(), Trouble> {
    let wanted = shop.spec.hardware.accelerator;
    if wanted == Some(Accelerator::Kvm) && shop.host.accelerator != Accelerator::Kvm {
        return Err(Trouble::host(
            "the template asks for accelerator = \"kvm\", which does not work here (hint: leave \
             it out, or see cargo xtask doctor)",
        ));
    }
    Ok(())
}

/// Files that steps name must be there before a VM boots for minutes.
fn check_files(job: &Job) -> Result<(), Trouble> {
    for step in &job.steps {
        let missing = local_files(&step.action)
            .into_iter()
            .find(|file| !job.paths.template.join(file).exists());
        if let Some(file) = missing {
            let (kind, origin) = (step.kind(), &step.origin);
            return Err(Trouble::template(format!(
                "{kind} provisioner ({origin}): {} does not exist",
                file.display()
            )));
        }
    }
    Ok(())
}

fn local_files(action: &Action) -> Vec<PathBuf> {
    match action {
        Action::Shell(Shell { script: Script::Files(files), .. })
        | Action::ShellLocal(ShellLocal { script: Script::Files(files), .. }) => files.clone(),
        Action::File(copy) if !copy.download && !copy.generated => {
            // One with an expression is known only when it is used.
            let fixed = copy.sources.iter().filter(|source| !source.contains("{{"));
            fixed.map(|source| Path::new(source).to_path_buf()).collect()
        }
        _ => Vec::new(),
    }
}

fn serve(shop: &Workshop<'_>) -> Result<Option<Server>, Trouble> {
    let VmSpec { http, .. } = shop.spec;
    if !http.is_wanted() {
        return Ok(None);
    }
    let content = match &http.directory {
        Some(directory) => {
            let directory = shop.paths.template.join(directory);
            if !directory.is_dir() {
                let what = format!("http_directory {} is no directory", directory.display());
                return Err(Trouble::template(what));
            }
            Content::Directory(directory)
        }
        None => Content::Map(http.content.clone()),
    };
    let server = Server::start(content, http.ports);
    server.map(Some).map_err(|source| Trouble::host(format!("cannot serve HTTP: {source}")))
}
