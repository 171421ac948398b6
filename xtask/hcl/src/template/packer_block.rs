//! `packer` blocks: required versions and plugins.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::evaluated::{PackerBlock, RequiredPlugin};
use crate::quote::quote;
use crate::source::{Source, Span};
use crate::syntax::ast::{Attribute, Body};
use crate::template::schema;
use crate::template::session::Session;
use crate::types::Type;
use crate::value::Value;
use crate::version::{Constraint, Version};

const INVALID_CONSTRAINT: &str = "Invalid version constraint";

impl Session<'_> {
    pub(crate) fn packer_blocks(&mut self) -> PackerBlock {
        let mut packer = PackerBlock::default();
        let parsed = self.parsed;
        for file in &parsed.files {
            for block in file.body.blocks.iter().filter(|block| &*block.block_type == "packer") {
                self.check(&schema::PACKER, &file.source, &block.body);
                self.required_version(&file.source, &block.body, &mut packer);
                for plugins in &block.body.blocks {
                    for attribute in &plugins.body.attributes {
                        self.required_plugin(&file.source, attribute, &mut packer);
                    }
                }
            }
        }
        packer
    }

    fn required_version(&mut self, source: &Arc<Source>, body: &Body, packer: &mut PackerBlock) {
        let Some(attribute) = body.attribute("required_version") else { return };
        let Some(value) = self.constant(source, body, "required_version", &Type::String) else {
            return;
        };
        let Some(text) = value.as_str() else { return };
        let range = attribute.expr.range;
        let Some(constraint) = Constraint::parse(text) else {
            let detail = "This string does not use correct version constraint syntax, such as \
                          \">= 1.11.0, < 2.0.0\".";
            return self.error(source, range, INVALID_CONSTRAINT, detail);
        };
        let version = Version::parse(&self.inputs.packer_version);
        if version.is_some_and(|version| !constraint.allows(&version.core())) {
            let detail = format!(
                "This configuration does not support Packer version {}. To proceed, either choose \
                 another supported Packer version or update this version constraint.",
                self.inputs.packer_version
            );
            self.error(source, range, "Unsupported Packer Core version", detail);
        }
        packer.required_versions.push((text.to_owned(), Span::new(source, range)));
    }

    fn required_plugin(
        &mut self,
        source: &Arc<Source>,
        attribute: &Attribute,
        packer: &mut PackerBlock,
    ) {
        let range = attribute.expr.range;
        let before = self.problems.len();
        let value = self.eval_constant(source, &attribute.expr);
        if self.problems.len() > before {
            return;
        }
        if attribute.name.chars().any(char::is_uppercase) {
            let (given, want) = (quote(&attribute.name), quote(&attribute.name.to_lowercase()));
            let detail = format!(
                "Plugin names must be normalized. Replace {given} with {want} to fix this error."
            );
            self.error(source, attribute.name_range, "Invalid plugin local name", detail);
        }
        if !value.ty().is_object() {
            let name = &attribute.name;
            let detail = format!(
                "A plugin requirement is an object:\n{name} = {{\n  source  = \
                 \"github.com/hashicorp/{name}\"\n  version = \">= 1.0.0\"\n}}"
            );
            let summary = match value.ty().is_primitive() {
                true => "Invalid plugin requirement",
                false => "Invalid required_plugins syntax",
            };
            return self.error(source, range, summary, detail);
        }
        let mut text =
            |part: &str, missing: &str, invalid: &str| match value.get(part).map(Value::as_str) {
                Some(Some(text)) => Some(text.to_owned()),
                found => {
                    let summary = if found.is_some() { invalid } else { missing };
                    let detail = format!("The {part} field must be specified as a string.");
                    self.error(source, range, summary, detail);
                    None
                }
            };
        let version = text("version", "No version constraint was set", INVALID_CONSTRAINT);
        let address = text("source", "No source was set", "Invalid source");
        if let Some(extra) = value
            .as_mapping()
            .and_then(|map| map.keys().find(|name| !matches!(&***name, "version" | "source")))
        {
            let detail = format!(
                "required_plugins objects can only contain \"version\" and \"source\" attributes, \
                 not {}.",
                quote(extra)
            );
            self.error(source, range, "Invalid required_plugins object", detail);
        }
        let (Some(version), Some(address)) = (version, address) else { return };
        self.check_plugin_version(source, attribute, &version);
        if let Err(detail) = check_address(&address) {
            self.error(source, range, "Failed to parse source", detail);
        }
        let span = Span::new(source, range);
        let plugin = RequiredPlugin { source: address, version, span };
        packer.required_plugins.insert(attribute.name.to_string(), plugin);
    }

    fn check_plugin_version(&mut self, source: &Arc<Source>, attribute: &Attribute, version: &str) {
        let (detail, label) = match Constraint::parse(version) {
            None => (
                format!("{} does not use correct version constraint syntax.", quote(version)),
                "for example `>= 1.1.3` or `~> 1.1`",
            ),
            Some(constraint) if constraint.has_prerelease() => (
                format!("Unsupported prerelease for constraint {}", quote(version)),
                "leave out what follows the dash",
            ),
            Some(_) => return,
        };
        let span = Span::new(source, attribute.expr.range);
        let problem = Diagnostic::error(INVALID_CONSTRAINT, detail, span);
        self.problems.push(problem.with_label(Some(label.to_owned())));
    }
}

/// Whether an address looks like `github.com/hashicorp/qemu`.
fn check_address(address: &str) -> Result<(), String> {
    let example = "A valid source looks like \"github.com/hashicorp/happycloud\".";
    let problem = if address.starts_with('/') || address.ends_with('/') {
        "A source URL must not start or end with a '/' character."
    } else if address.matches('/').count() < 2 {
        "A source URL must at least contain a host and a path with 2 components."
    } else if address.contains("://") {
        "A source URL must not contain a scheme (e.g. https://)."
    } else if address.contains(['?', '#']) {
        "A source URL must not contain a query or fragment."
    } else {
        return check_plugin_type(address.rsplit('/').next().unwrap_or(""));
    };
    Err(format!("{problem} {example}"))
}

fn check_plugin_type(name: &str) -> Result<(), String> {
    if let Some(short) = name.strip_prefix("packer-plugin-").or(name.strip_prefix("packer-")) {
        return Err(format!(
            "Plugin source has a type with the prefix \"packer-\", which isn't valid. Did you mean \
             {}?",
            quote(short)
        ));
    }
    let valid = |c: char| c.is_alphanumeric() || c == '-';
    let well_formed = !name.is_empty() && name.chars().all(valid) && !name.contains("--");
    if well_formed && !name.starts_with('-') && !name.ends_with('-') {
        return Ok(());
    }
    Err(format!(
        "Invalid plugin type {} in source: must contain only letters, digits, and dashes.",
        quote(name)
    ))
}
