//! Which arguments and blocks a body may hold, and HCL's words for the rest.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, listed, suggest};
use crate::quote::quote;
use crate::source::{Source, Span};
use crate::syntax::ast::{Block, Body};

/// A block type and the names of its labels.
pub(crate) type BlockSchema = (&'static str, &'static [&'static str]);

/// What a body may hold.
pub(crate) struct Schema {
    /// Arguments, and whether they are required.
    pub(crate) attributes: &'static [(&'static str, bool)],
    pub(crate) blocks: &'static [BlockSchema],
}

/// Top level of a template file.
pub(crate) const FILE: Schema = Schema {
    attributes: &[],
    blocks: &[
        ("packer", &[]),
        ("source", &["type", "name"]),
        ("variables", &[]),
        ("variable", &["name"]),
        ("locals", &[]),
        ("local", &["name"]),
        ("data", &["type", "name"]),
        ("build", &[]),
        ("hcp_packer_registry", &[]),
        ("communicator", &["type", "name"]),
    ],
};

/// A `packer` block.
pub(crate) const PACKER: Schema =
    Schema { attributes: &[("required_version", false)], blocks: &[("required_plugins", &[])] };

/// A `variable` block.
pub(crate) const VARIABLE: Schema = Schema {
    attributes: &[
        ("description", false),
        ("default", false),
        ("type", false),
        ("sensitive", false),
    ],
    blocks: &[("validation", &[])],
};

/// A `validation` block.
pub(crate) const VALIDATION: Schema =
    Schema { attributes: &[("condition", true), ("error_message", true)], blocks: &[] };

/// A `local` block.
pub(crate) const LOCAL: Schema =
    Schema { attributes: &[("expression", false), ("sensitive", false)], blocks: &[] };

/// A `build` block.
pub(crate) const BUILD: Schema = Schema {
    attributes: &[("name", false), ("description", false), ("sources", false)],
    blocks: &[
        ("from", &["type"]),
        ("source", &["reference"]),
        ("provisioner", &["type"]),
        ("error-cleanup-provisioner", &["type"]),
        ("post-processor", &["type"]),
        ("post-processors", &[]),
        ("hcp_packer_registry", &[]),
    ],
};

/// A `post-processors` block.
pub(crate) const POST_PROCESSORS: Schema =
    Schema { attributes: &[], blocks: &[("post-processor", &["type"])] };

/// A `dynamic` block.
pub(crate) const DYNAMIC: Schema = Schema {
    attributes: &[("for_each", true), ("iterator", false), ("labels", false)],
    blocks: &[("content", &[])],
};

impl Schema {
    /// Everything in the body that the schema does not expect, and what it
    /// misses.
    pub(crate) fn check(&self, source: &Arc<Source>, body: &Body) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        for (name, required) in self.attributes {
            if *required && body.attribute(name).is_none() {
                problems.push(Diagnostic::error(
                    "Missing required argument",
                    format!("The argument \"{name}\" is required, but no definition was found."),
                    Span::new(source, body.end),
                ));
            }
        }
        for attribute in &body.attributes {
            if !self.attributes.iter().any(|(name, _)| *name == &*attribute.name) {
                let span = Span::new(source, attribute.name_range);
                problems.push(self.unexpected_argument(body, &attribute.name, span));
            }
        }
        for block in &body.blocks {
            let problem = match self.blocks.iter().find(|(name, _)| *name == &*block.block_type) {
                Some((_, labels)) => check_labels(source, block, labels),
                None => Some(self.unexpected_block(source, block)),
            };
            problems.extend(problem);
        }
        problems
    }

    fn unexpected_argument(&self, body: &Body, name: &str, span: Span) -> Diagnostic {
        let free = self.attributes.iter().map(|(name, _)| *name);
        let free = free.filter(|known| body.attribute(known).is_none());
        let similar = suggest(name, free);
        let hint = match similar {
            Some(similar) => format!(" Did you mean \"{similar}\"?"),
            None if self.blocks.iter().any(|(known, _)| *known == name) => {
                format!(" Did you mean to define a block of type \"{name}\"?")
            }
            None => String::new(),
        };
        let detail = format!("An argument named {} is not expected here.{hint}", quote(name));
        let known: Vec<&str> = self.attributes.iter().map(|(name, _)| *name).collect();
        let label = similar.map(|name| format!("did you mean `{name}`?"));
        let label = label.or_else(|| listed(&known).filter(|_| hint.is_empty()));
        Diagnostic::error("Unsupported argument", detail, span).with_label(label)
    }

    fn unexpected_block(&self, source: &Arc<Source>, block: &Block) -> Diagnostic {
        let name = &*block.block_type;
        let similar = suggest(name, self.blocks.iter().map(|(name, _)| *name));
        let hint = match similar {
            Some(similar) => format!(" Did you mean \"{similar}\"?"),
            None if self.attributes.iter().any(|(known, _)| *known == name) => format!(
                " Did you mean to define argument \"{name}\"? If so, use the equals sign to \
                 assign it a value."
            ),
            None => String::new(),
        };
        let detail = format!("Blocks of type {} are not expected here.{hint}", quote(name));
        let known: Vec<&str> = self.blocks.iter().map(|(name, _)| *name).collect();
        let label = similar.map(|name| format!("did you mean `{name}`?"));
        let label = label.or_else(|| listed(&known).filter(|_| hint.is_empty()));
        let span = Span::new(source, block.type_range);
        Diagnostic::error("Unsupported block type", detail, span).with_label(label)
    }
}

/// A wrong number of labels.
pub(crate) fn check_labels(
    source: &Arc<Source>,
    block: &Block,
    expected: &[&str],
) -> Option<Diagnostic> {
    let name = &block.block_type;
    if let Some(missing) = expected.get(block.labels.len()) {
        let (count, names) = (expected.len(), expected.join(", "));
        let detail = format!("All {name} blocks must have {count} labels ({names}).");
        let span = Span::new(source, block.header);
        return Some(Diagnostic::error(format!("Missing {missing} for {name}"), detail, span));
    }
    let (_, range) = block.labels.get(expected.len())?;
    let detail = if expected.is_empty() {
        format!("No labels are expected for {name} blocks.")
    } else {
        let (count, names) = (expected.len(), expected.join(", "));
        format!("Only {count} labels ({names}) are expected for {name} blocks.")
    };
    let span = Span::new(source, *range);
    Some(Diagnostic::error(format!("Extraneous label for {name}"), detail, span))
}
