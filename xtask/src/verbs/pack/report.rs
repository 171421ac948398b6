//! What `pack` says when it is done.

use std::time::Duration;

use anyhow::Result;
use disk_image::pack::Manifest;
use serde_json::json;

use super::super::inspect::Report;
use super::super::print;
use super::Checked;
use crate::cli::Format;
use crate::exit::Exit;
use crate::plan::fingerprint::hex;
use crate::table;

/// Findings and figures for people on stderr, the artifact on stdout.
pub(super) fn show(checked: &Checked, time: Duration, format: Format) -> Result<Exit> {
    let Checked { packed, verdict, path } = checked;
    for breakage in &verdict.breakages {
        eprintln!("{breakage}");
    }
    let dropped = packed.changes.len();
    let ok = verdict.is_ok();
    eprintln!(
        "{}, {} entries, {dropped} paths cleaned, {} rules: {}, {}, {}",
        table::size(packed.input_bytes),
        packed.totals.entries,
        verdict.checked,
        table::count(verdict.errors(), "error"),
        table::count(verdict.warnings(), "warning"),
        table::minutes(time),
    );
    match format {
        Format::Json => print(&format!("{:#}\n", document(checked, time)))?,
        Format::Text => {
            let size = table::size(packed.bytes);
            print(&format!("{}  {size}  sha256 {}\n", path.display(), hex(&packed.sha256)))?;
        }
    }
    if !ok {
        eprintln!("error: it would not deploy; `cargo xtask explain ID` says why a rule matters");
    }
    Ok(if ok { Exit::Ok } else { Exit::Failed })
}

/// `artifact` is what `inspect --format json` says about the file.
fn document(checked: &Checked, time: Duration) -> serde_json::Value {
    let Checked { packed, verdict, path } = checked;
    let own = Manifest::of(&packed.artifact.index);
    let manifest = packed.manifest.as_ref().unwrap_or(&own);
    json!({
        "version": 1,
        "deployable": verdict.is_ok(),
        "input_bytes": packed.input_bytes,
        "cleaned": packed.changes.len(),
        "seconds": time.as_secs_f64(),
        "artifact": Report::of(path, &packed.artifact, manifest, verdict),
    })
}
