//! What must be there before QEMU starts.

use super::Options;
use crate::cmd::Child;
use crate::engine::argv::Prepared;
use crate::engine::disk::Workshop;
use crate::engine::error::Trouble;
use crate::engine::http::{Content, Server};
use crate::engine::spec::{Accelerator, VmSpec};
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
pub(super) fn prepare(shop: &Workshop<'_>, options: &Options) -> Result<Ready, Trouble> {
    check_accelerator(shop)?;
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
        view: options.view,
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
