//! Refuses what a build would fail at after an hour: a program that only this
//! target needs, a file that is no driver CD or installer, a medium of Windows
//! that Setup would stop at. Before anything is hashed and before QEMU starts.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::Result;
use packer_hcl::body::Body;

use crate::catalog::{Family, Target};
use crate::exit::Coded;
use crate::host::tools;
use crate::media::hypervisor;
use crate::media::iso::Medium;
use crate::media::wim::{self, Wanted};
use crate::plan::{Resolved, needs};

/// The name under which Setup looks for answers on other media.
const ANSWERS: &str = "Autounattend.xml";

/// Checks what the template says of its variables, the programs that only this
/// target needs, the files beside its medium, and the medium of a Windows target against its answer file.
///
/// # Errors
/// What is missing or wrong, and how to get it.
pub fn check(target: &Target, resolved: &Resolved) -> Result<()> {
    if let Some(reason) = refusal(resolved) {
        return Err(Coded::host(format!("{} cannot be built like this: {reason}", target.id)));
    }
    let missing = needs::own_tools(target, resolved);
    if let Some(tool) = missing.iter().find(|tool| tools::find(tool).is_none()) {
        let setup = crate::host::needs::SETUP;
        return Err(Coded::host(format!(
            "`{tool}` is not installed, {} needs it\n  hint: {setup}",
            target.id
        )));
    }
    extras(target, &resolved.source.body)?;
    let path = Path::new(resolved.plan.media.url.trim_start_matches("file://"));
    if path.is_dir() {
        return Err(not_the_medium(target, path, "it is a directory"));
    }
    if !path.is_file() {
        return Ok(());
    }
    let release = target.release.as_deref().unwrap_or_default();
    let wrong = match target.facts.family {
        Family::Windows => return medium(target, &resolved.source.body, path),
        Family::Esxi => hypervisor::not_esxi(path, release)?,
        Family::Xen => hypervisor::not_xen(path)?,
        _ => None,
    };
    wrong.map_or(Ok(()), |wrong| Err(not_the_medium(target, path, &wrong)))
}

/// What is wrong with a medium, and where another comes from.
fn not_the_medium(target: &Target, path: &Path, wrong: &str) -> anyhow::Error {
    let media = &target.facts.media;
    Coded::host(format!(
        "{} is not the medium of {}: {wrong}\n  hint: give the file as --iso FILE{}; it comes from {}",
        path.display(),
        target.id,
        media.env.as_ref().map_or_else(String::new, |env| format!(" or in {env}")),
        media.from.as_deref().unwrap_or("its vendor"),
    ))
}

/// Why the template itself says that nothing can come of these variables: its
/// `local.refusal`, if that is not empty.
fn refusal(resolved: &Resolved) -> Option<&str> {
    let said = resolved.evaluated.locals.get("refusal")?.value.as_str()?;
    (!said.is_empty()).then_some(said)
}

/// A medium without the edition or the language that the answers ask for, or
/// one that is no medium of Windows.
fn medium(target: &Target, body: &Body, path: &Path) -> Result<()> {
    if body.bool("disk_image").ok().flatten().unwrap_or(false) {
        let wrong = not_a_vhdx(path)?;
        return wrong.map_or(Ok(()), |wrong| Err(not_the_medium(target, path, &wrong)));
    }
    let Some(wanted) = answers(body).and_then(|text| Wanted::of(&text)) else { return Ok(()) };
    let Some(editions) = wim::editions(path)? else {
        let wrong = "there is no sources/install.wim or install.esd on it";
        return Err(not_the_medium(target, path, wrong));
    };
    let Some(wrong) = wim::mismatch(&editions, &wanted) else { return Ok(()) };
    Err(Coded::host(format!(
        "{} is not the medium of {}: {wrong}\n  hint: choose with --var edition=..., --var image_name=..., --var image_index=N or --var language=..., or bring another medium",
        path.display(),
        target.id,
    )))
}

/// The files that go into the VM beside the medium: on the CD of answers, and
/// on CDs of their own (`extra_media`).
fn extras(target: &Target, body: &Body) -> Result<()> {
    for path in body.strings("cd_files").ok().flatten().unwrap_or_default() {
        if let Some(wrong) = unusable(Path::new(&path)) {
            return Err(Coded::host(format!("{path}, which {} takes along: {wrong}", target.id)));
        }
    }
    let rows = body.string_lists("qemuargs").ok().flatten().unwrap_or_default();
    for row in rows.iter().filter(|row| row.first().is_some_and(|word| word == "-cdrom")) {
        let Some(path) = row.get(1) else { continue };
        if let Some(wrong) = not_a_driver_cd(target, Path::new(path)) {
            let extra = target.facts.extra_media.first();
            let from = extra.and_then(|media| media.from.as_deref()).unwrap_or("its vendor");
            let env = extra.and_then(|media| media.env.as_deref()).unwrap_or("its variable");
            return Err(Coded::host(format!(
                "{path}, which {} takes along: {wrong}\n  hint: it is named by {env}; it comes from {from}",
                target.id
            )));
        }
    }
    Ok(())
}

/// A file that is not there, or an installer that Windows would not take.
fn unusable(path: &Path) -> Option<&'static str> {
    if path.is_dir() {
        return None;
    }
    let Ok(mut file) = File::open(path) else { return Some("there is no such file") };
    // MS-CFB 2.2: what every .msi is.
    let magic = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
    let mut head = [0; 8];
    let is_msi = path.extension().is_some_and(|it| it.eq_ignore_ascii_case("msi"));
    let wrong = is_msi && (file.read_exact(&mut head).is_err() || head != magic);
    wrong.then_some("it is no installer (.msi), but perhaps the page of a failed download")
}

/// The virtio-win CD has a directory per driver.
fn not_a_driver_cd(target: &Target, path: &Path) -> Option<&'static str> {
    let Ok(medium) = Medium::open(path) else { return Some("there is no such file") };
    if target.facts.family != Family::Windows {
        return None;
    }
    let versions = ["2k16", "2k19", "2k22", "2k25", "w10", "w11"];
    let has = |version| medium.find(&format!("viostor/{version}/amd64/viostor.inf")).is_some();
    (!versions.into_iter().any(has)).then_some("it is no virtio-win CD: there is no viostor driver")
}

/// The rendered answer file.
fn answers(body: &Body) -> Option<String> {
    let content = body.attribute("cd_content")?.value.as_mapping()?;
    let found = content.iter().find(|(name, _)| {
        let name: &str = name.as_ref();
        name == ANSWERS
    });
    Some(found?.1.as_str()?.to_owned())
}

/// MS-VHDX 2.2.1: a VHDX starts with these bytes.
fn not_a_vhdx(path: &Path) -> Result<Option<String>> {
    let mut magic = [0; 8];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    let is = read.is_ok() && &magic == b"vhdxfile";
    Ok((!is).then(|| "it is no VHDX".into()))
}
