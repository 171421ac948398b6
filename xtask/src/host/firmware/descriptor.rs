//! One descriptor's JSON to a checked [`Firmware`]. No file system here.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Firmware, FlashFile, FlashFormat, Target};
use crate::arch::Arch;

/// The JSON as QEMU defines it. Not strict on purpose: the format belongs to
/// QEMU and grows (`mode` in 7.0, `uefi-vars` in 10.0).
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Raw {
    #[serde(default)]
    description: String,
    interface_types: Vec<String>,
    mapping: Mapping,
    targets: Vec<RawTarget>,
    #[serde(default)]
    features: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mapping {
    device: String,
    mode: Option<String>,
    executable: Option<RawFile>,
    nvram_template: Option<RawFile>,
}

#[derive(Deserialize)]
struct RawFile {
    filename: PathBuf,
    format: String,
}

#[derive(Deserialize)]
struct RawTarget {
    architecture: String,
    machines: Vec<String>,
}

/// Parses a descriptor.
///
/// # Errors
/// One clause that says why no target of ours can use it. Sizes are left zero.
pub fn parse(source: &Path, text: &str) -> Result<Firmware, String> {
    let raw: Raw = serde_json::from_str(text).map_err(|error| format!("not valid: {error}"))?;
    if !raw.interface_types.iter().any(|kind| kind == "uefi") {
        return Err(format!("interface is {}, not uefi", raw.interface_types.join(", ")));
    }
    let (code, vars) = split_flash(&raw.mapping)?;
    let targets = our_targets(&raw.targets)?;
    let has = |feature: &str| raw.features.iter().any(|have| have == feature);
    Ok(Firmware {
        source: source.to_path_buf(),
        description: raw.description.clone(),
        targets,
        code,
        vars,
        secure_boot: has("secure-boot"),
        enrolled_keys: has("enrolled-keys"),
        requires_smm: has("requires-smm"),
        verbose_static: has("verbose-static"),
    })
}

/// Only `split` firmware gives each machine its own variables.
fn split_flash(mapping: &Mapping) -> Result<(FlashFile, FlashFile), String> {
    if mapping.device != "flash" {
        return Err(format!("mapped as {}, which keeps no variables", mapping.device));
    }
    match mapping.mode.as_deref() {
        None | Some("split") => {}
        Some(mode) => return Err(format!("flash mode is {mode}, not split")),
    }
    let code = mapping.executable.as_ref().ok_or("names no executable")?;
    let vars = mapping.nvram_template.as_ref().ok_or("names no nvram-template")?;
    Ok((flash_file(code)?, flash_file(vars)?))
}

fn flash_file(raw: &RawFile) -> Result<FlashFile, String> {
    let format = match raw.format.as_str() {
        "raw" => FlashFormat::Raw,
        "qcow2" => FlashFormat::Qcow2,
        other => return Err(format!("block format {other} is unknown to us")),
    };
    if !raw.filename.is_absolute() {
        return Err(format!("file name {} is not absolute", raw.filename.display()));
    }
    Ok(FlashFile { path: raw.filename.clone(), format, size: 0 })
}

fn our_targets(raw: &[RawTarget]) -> Result<Vec<Target>, String> {
    let targets: Vec<Target> = raw
        .iter()
        .filter_map(|target| {
            let arch = Arch::ALL.into_iter().find(|arch| arch.qemu() == target.architecture)?;
            Some(Target { arch, machines: target.machines.clone() })
        })
        .collect();
    if targets.is_empty() {
        let names: Vec<&str> = raw.iter().map(|target| target.architecture.as_str()).collect();
        return Err(format!("is for {}", names.join(", ")));
    }
    Ok(targets)
}
