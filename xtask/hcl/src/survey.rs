//! What the text of a template says beyond its values: literals that stand where
//! a variable should, and paths that depend on the working directory.

use std::sync::Arc;

use crate::source::{Range, Source, Span};
use crate::syntax::ast::{Body, Expr, ExprKind};
use crate::template::Template;

/// Functions that open a file of the host.
const FILE_FUNCTIONS: [&str; 5] = ["file", "filebase64", "fileexists", "fileset", "templatefile"];

/// `path.root` in a file function, outside of `abspath`.
#[derive(Clone, Debug)]
pub struct BareRoot {
    /// The function.
    pub function: String,
    /// The use of `path.root`.
    pub span: Span,
}

/// An attribute of a `source` block whose text is written out: no variable, local
/// or function takes part.
#[derive(Clone, Debug)]
pub struct Literal {
    /// Name of the attribute.
    pub name: String,
    /// The text.
    pub text: String,
    /// The value.
    pub span: Span,
}

/// A variable block and what it leaves out.
#[derive(Clone, Debug)]
pub struct VariableBlock {
    /// Name of the variable.
    pub name: String,
    /// The words `variable "name"`.
    pub span: Span,
    /// Attributes that are there.
    pub attributes: Vec<String>,
}

impl Template {
    /// Every `path.root` that a file function takes as it is. Packer joins the
    /// directory twice when it is called from another one.
    pub fn bare_roots(&self) -> Vec<BareRoot> {
        let mut found = Vec::new();
        for file in &self.parsed.files {
            expressions(&file.body, &mut |expr| roots(&file.source, expr, None, &mut found));
        }
        found
    }

    /// Every literal text of every `source` block, in order.
    pub fn source_literals(&self) -> Vec<Literal> {
        let mut found = Vec::new();
        for file in &self.parsed.files {
            for block in file.body.blocks.iter().filter(|block| &*block.block_type == "source") {
                for attribute in &block.body.attributes {
                    literals(&file.source, &attribute.name, &attribute.expr, &mut found);
                }
            }
        }
        found
    }

    /// Every variable block.
    pub fn variable_blocks(&self) -> Vec<VariableBlock> {
        let mut found = Vec::new();
        for file in &self.parsed.files {
            for block in file.body.blocks.iter().filter(|block| &*block.block_type == "variable") {
                let Some((name, _)) = block.labels.first() else { continue };
                let attributes = block.body.attributes.iter();
                found.push(VariableBlock {
                    name: name.to_string(),
                    span: Span::new(&file.source, block.header),
                    attributes: attributes.map(|attribute| attribute.name.to_string()).collect(),
                });
            }
        }
        found
    }
}

/// Calls `visit` for the expression of every attribute, at any depth of blocks.
fn expressions<'a>(body: &'a Body, visit: &mut dyn FnMut(&'a Expr)) {
    body.attributes.iter().for_each(|attribute| visit(&attribute.expr));
    body.blocks.iter().for_each(|block| expressions(&block.body, visit));
}

fn roots(source: &Arc<Source>, expr: &Expr, inside: Option<&str>, found: &mut Vec<BareRoot>) {
    if let (Some(function), true) = (inside, is_path_root(expr)) {
        let function = function.to_owned();
        found.push(BareRoot { function, span: Span::new(source, expr.range) });
        return;
    }
    let inside = match &expr.kind {
        ExprKind::Call(call) if &*call.name == "abspath" => None,
        ExprKind::Call(call) if FILE_FUNCTIONS.contains(&&*call.name) => Some(&*call.name),
        _ => inside,
    };
    expr.for_each_part(&mut |part| roots(source, part, inside, found));
}

fn is_path_root(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Attr { object, name, .. } => {
            &**name == "root"
                && matches!(&object.kind, ExprKind::Variable(root) if &**root == "path")
        }
        _ => false,
    }
}

fn literals(source: &Arc<Source>, name: &str, expr: &Expr, found: &mut Vec<Literal>) {
    match &expr.kind {
        ExprKind::Literal(value) => {
            if let Some(text) = value.as_str() {
                found.push(literal(source, name, text, expr.range));
            }
        }
        ExprKind::Tuple(parts) => parts.iter().for_each(|part| literals(source, name, part, found)),
        ExprKind::Parens(inner) => literals(source, name, inner, found),
        _ => {}
    }
}

fn literal(source: &Arc<Source>, name: &str, text: &str, range: Range) -> Literal {
    Literal { name: name.to_owned(), text: text.to_owned(), span: Span::new(source, range) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn template(text: &str) -> Template {
        Template::from_sources(Path::new("dir"), &[("t.pkr.hcl", text)]).unwrap()
    }

    #[test]
    fn bare_roots_are_found_under_any_wrapping() {
        let found = template(
            "locals {\n  a = file(\"${path.root}/x\")\n  b = file(\"${abspath(path.root)}/x\")\n  \
             c = abspath(\"${path.root}/../media\")\n  d = [for n in [\"x\"] : templatefile(join(\"/\", [path.root, n]), {})]\n}\n",
        );
        let found: Vec<(String, usize)> =
            found.bare_roots().into_iter().map(|r| (r.function, r.span.start().line)).collect();
        assert_eq!(found, [("file".to_owned(), 2), ("templatefile".to_owned(), 5)]);
    }

    #[test]
    fn literals_of_sources_only() {
        let found = template(
            "variable \"x\" {\n  default = \"kvm\"\n}\nsource \"qemu\" \"a\" {\n  accelerator = \"kvm\"\n  \
             cpu_model = var.x\n  qemuargs = [[\"-cpu\", \"host\"]]\n}\n",
        );
        let found: Vec<(String, String)> =
            found.source_literals().into_iter().map(|l| (l.name, l.text)).collect();
        let expected = [("accelerator", "kvm"), ("qemuargs", "-cpu"), ("qemuargs", "host")];
        assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn variable_blocks_say_what_they_have() {
        let found = template("variable \"x\" {\n  type = string\n}\n");
        let blocks = found.variable_blocks();
        assert_eq!(blocks.first().map(|b| b.attributes.clone()), Some(vec!["type".to_owned()]));
    }
}
