//! Refuses a medium of Windows that Setup would stop at, before it is hashed
//! and before QEMU starts.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::Result;
use packer_hcl::body::Body;

use crate::catalog::{Family, Target};
use crate::exit::Coded;
use crate::media::wim::{self, Wanted};
use crate::plan::Resolved;

/// The name under which Setup looks for answers on other media.
const ANSWERS: &str = "Autounattend.xml";

/// Checks the medium of a Windows target against its answer file; nothing for
/// other targets and media that are not on this host.
///
/// # Errors
/// A medium without the edition or the language that the answers ask for, or
/// one that is no medium of Windows.
pub fn check(target: &Target, resolved: &Resolved) -> Result<()> {
    let path = Path::new(resolved.plan.media.url.trim_start_matches("file://"));
    if target.facts.family != Family::Windows || !path.is_file() {
        return Ok(());
    }
    let body = &resolved.source.body;
    let wrong = if body.bool("disk_image").ok().flatten().unwrap_or(false) {
        not_a_vhdx(path)?
    } else {
        answers(body).and_then(|text| Wanted::of(&text)).map_or(Ok(None), |it| on(path, &it))?
    };
    let Some(wrong) = wrong else { return Ok(()) };
    Err(Coded::host(format!(
        "{} is not the medium of {}: {wrong}\n  hint: choose with --var edition=..., --var image_name=..., --var image_index=N or --var language=..., or bring another medium",
        path.display(),
        target.id,
    )))
}

fn on(path: &Path, wanted: &Wanted) -> Result<Option<String>> {
    let Some(editions) = wim::editions(path)? else {
        return Ok(Some("there is no sources/install.wim or install.esd on it".into()));
    };
    Ok(wim::mismatch(&editions, wanted))
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
