//! From an evaluated template to what the built-in engine runs. What it does
//! not know is an error that names it, its file and line.

mod reader;
mod source;
mod steps;

use packer_hcl::diagnostic::Diagnostic;
use packer_hcl::evaluated::BuildSource;

use super::spec::VmSpec;
use super::step::Step;

/// The VM and the steps of one source. The medium is still what the template
/// says; the caller replaces it by the verified local file.
///
/// # Errors
/// Every attribute and provisioner that the engine does not know or that has a
/// wrong value.
pub fn job(build: &BuildSource) -> Result<(VmSpec, Vec<Step>), Vec<Diagnostic>> {
    let spec = source::decode(build, &source::medium(build));
    let mut problems = vec![];
    let mut decoded = vec![];
    for provisioner in &build.provisioners {
        match steps::decode(provisioner) {
            Ok(step) => decoded.push(step),
            Err(more) => problems.extend(more),
        }
    }
    match spec {
        Ok(spec) if problems.is_empty() => Ok((spec, decoded)),
        Ok(_) => Err(problems),
        Err(more) => Err(more.into_iter().chain(problems).collect()),
    }
}
