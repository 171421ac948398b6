//! SRC003, SRC004: arguments that Packer and its qemu plugin do not know. The
//! names are data, with the versions they came from.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use packer_hcl::body::Body;
use packer_hcl::evaluated::{BuildSource, PackerBlock};
use serde::Deserialize;

use crate::finding::{Finding, suggest};
use crate::plan::diagnose;

#[derive(Debug, Default, Deserialize)]
struct Known {
    qemu: Qemu,
    core: Core,
    provisioner: BTreeMap<String, Vec<String>>,
    post_processor: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
struct Qemu {
    version: String,
    arguments: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Core {
    version: String,
    provisioner: Vec<String>,
    post_processor: Vec<String>,
}

/// The table; a test reads it, so the fallback is never used.
fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        toml::from_str(include_str!("../../data/packer-options.toml")).unwrap_or_default()
    })
}

/// Everything in a source and its steps that Packer would refuse.
#[must_use]
pub fn check(root: &Path, source: &BuildSource, packer: &PackerBlock) -> Vec<Finding> {
    let table = known();
    let mut findings = vec![];
    if source.source_type == "qemu" {
        let list = [table.qemu.arguments.as_slice()];
        let whose = format!("the qemu plugin {}", table.qemu.version);
        findings.extend(unknown(root, &source.body, "SRC003", &list, &whose));
    }
    for step in &source.provisioners {
        let kind = Kind { table: &table.provisioner, common: &table.core.provisioner };
        findings.extend(kind.check(root, packer, &step.provisioner_type, &step.body));
    }
    for step in source.post_processors.iter().flatten() {
        let kind = Kind { table: &table.post_processor, common: &table.core.post_processor };
        findings.extend(kind.check(root, packer, &step.post_processor_type, &step.body));
    }
    findings
}

/// Provisioners or post-processors.
struct Kind<'a> {
    table: &'a BTreeMap<String, Vec<String>>,
    common: &'a [String],
}

impl Kind<'_> {
    fn check(&self, root: &Path, packer: &PackerBlock, name: &str, body: &Body) -> Vec<Finding> {
        let version = &known().core.version;
        match self.table.get(name) {
            Some(own) => {
                let whose = format!("`{name}` of Packer {version}");
                unknown(root, body, "SRC004", &[own.as_slice(), self.common], &whose)
            }
            // A plugin brings its own; what it takes is not known here.
            None if packer.required_plugins.keys().any(|plugin| brings(plugin, name)) => vec![],
            None => {
                let place = diagnose::span(root, &body.span);
                let message = format!("`{name}` is no part of Packer {version}");
                let near = suggest(name, self.table.keys().map(String::as_str));
                let help = near.map_or_else(
                    || "name the plugin that has it in required_plugins".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                vec![Finding::error("SRC004", place, message).help(help)]
            }
        }
    }
}

/// A plugin's components are named after it.
fn brings(plugin: &str, component: &str) -> bool {
    component == plugin || component.starts_with(&format!("{plugin}-"))
}

fn unknown(
    root: &Path,
    body: &Body,
    id: &'static str,
    lists: &[&[String]],
    whose: &str,
) -> Vec<Finding> {
    let known = |name: &str| lists.iter().any(|list| list.iter().any(|one| one == name));
    let names = || lists.iter().flat_map(|list| list.iter().map(String::as_str));
    let attributes = body.attributes.iter().map(|(name, a)| (name.as_str(), &a.name_span));
    let blocks = body.blocks.iter().map(|block| (block.block_type.as_str(), &block.span));
    attributes
        .chain(blocks)
        .filter(|(name, _)| !known(name))
        .map(|(name, span)| {
            let place = diagnose::span(root, span);
            let finding = Finding::error(id, place, format!("{whose} has no argument `{name}`"));
            match suggest(name, names()) {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding.help("remove it, or update xtask/data/packer-options.toml"),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read() {
        let table = known();
        assert!(table.qemu.arguments.len() > 100);
        assert!(table.provisioner.contains_key("shell"));
        assert!(table.post_processor.contains_key("manifest"));
        assert!(!table.qemu.version.is_empty() && !table.core.version.is_empty());
    }

    #[test]
    fn plugins_bring_what_is_named_after_them() {
        assert!(brings("windows-update", "windows-update"));
        assert!(brings("ansible", "ansible-local"));
        assert!(!brings("qemu", "shel"));
    }
}
