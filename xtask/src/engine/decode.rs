//! From an evaluated `qemu` source and its provisioners to what the engine runs.
//!
//! Strict: an attribute, block or provisioner that the engine does not know is a
//! finding with its place, so that nothing a template asks for is left out in
//! silence. All findings come in one go.

mod names;
mod reader;
mod source;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use packer_hcl::body::Body;
use packer_hcl::diagnostic::Diagnostic;
use packer_hcl::evaluated::BuildSource;
use packer_hcl::value::Value;

use super::spec::VmSpec;
use super::step::Step;

/// Names in `build` that this engine knows while provisioners run.
const BUILD_NAMES: [&str; 9] = [
    "Host",
    "Port",
    "User",
    "Password",
    "ConnType",
    "PackerHTTPIP",
    "PackerHTTPPort",
    "PackerHTTPAddr",
    "SSHPublicKey",
];

/// Stand-ins for `build.NAME` in provisioners, to be evaluated with: expressions
/// that are rendered when the step runs. They carry text through interpolation,
/// which is what templates do with them; a function that looks inside would see
/// the stand-in.
pub fn build_values() -> BTreeMap<String, Value> {
    let one = |name: &str| (name.to_owned(), Value::string(format!("{{{{ build `{name}` }}}}")));
    BUILD_NAMES.iter().map(|name| one(name)).collect()
}

/// The source and its provisioners. Nothing on this host is looked at.
/// [`VmSpec::medium`] is the template's `iso_url`; the caller replaces it by the
/// verified local file.
///
/// # Errors
/// Every finding: what is wrong, what is unknown, what only Packer can do.
pub fn job(source: &BuildSource) -> Result<(VmSpec, Vec<Step>), Vec<Diagnostic>> {
    let mut problems = Vec::new();
    if source.source_type != "qemu" {
        let what = format!("builder `{}`", source.source_type);
        problems.push(names::only_packer(&what, source.body.span.clone()));
        return Err(problems);
    }
    let mut spec = source::spec(source, &mut problems);
    let mut steps = Vec::new();
    for provisioner in &source.provisioners {
        steps.extend(steps::step(provisioner, &mut problems));
    }
    if let Some(cleanup) = &source.error_cleanup {
        problems.push(names::only_packer("`error-cleanup-provisioner`", cleanup.span.clone()));
    }
    spec.secrets = secrets(source);
    if problems.is_empty() { Ok((spec, steps)) } else { Err(problems) }
}

/// Every text marked sensitive, to be masked in logs.
fn secrets(source: &BuildSource) -> Vec<String> {
    let mut found = BTreeSet::new();
    let bodies = std::iter::once(&source.body)
        .chain(source.provisioners.iter().map(|provisioner| &provisioner.body));
    for body in bodies {
        collect_body(body, &mut found);
    }
    found.into_iter().collect()
}

fn collect_body(body: &Body, found: &mut BTreeSet<String>) {
    for attribute in body.attributes.values() {
        collect(&attribute.value, found);
    }
    for block in &body.blocks {
        collect_body(&block.body, found);
    }
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    if !value.contains_sensitive() {
        return;
    }
    match value.as_str() {
        // `NAME=secret` of environment_vars: the value alone is what may appear
        // elsewhere.
        Some(text) if value.is_sensitive() => {
            let secret = match text.split_once('=') {
                Some((name, secret)) if is_name(name) => secret,
                _ => text,
            };
            // A file's content is no secret as a whole, its lines appear anywhere.
            if !secret.contains('\n') {
                found.insert(secret.to_owned());
            }
        }
        _ => value.children().for_each(|child| collect(child, found)),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
