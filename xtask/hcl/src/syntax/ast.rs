//! The syntax tree: bodies, blocks and expressions with their places.

use crate::source::Range;
use crate::value::{Str, Value};

/// An expression and where it stands.
#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) range: Range,
    /// Levels below and including this one; bounded by the parser.
    pub(crate) depth: u16,
    pub(crate) kind: ExprKind,
}

/// What an expression is.
#[derive(Debug)]
pub(crate) enum ExprKind {
    /// null, true, false, a number, a string without sequences.
    Literal(Value),
    /// Parts that are joined to a string.
    Template(Vec<Expr>),
    /// `"${x}"` alone: the value itself, not its text.
    Wrap(Box<Expr>),
    /// `%{ for … }`: the parts of each round are joined.
    Join(Box<ForExpr>),
    /// `(x)`.
    Parens(Box<Expr>),
    /// The first name of a reference.
    Variable(Str),
    /// `object.name`; `step` covers the name.
    Attr { object: Box<Expr>, name: Str, step: Range },
    /// `collection[key]`; `step` covers the brackets.
    Index { collection: Box<Expr>, key: Box<Expr>, step: Range },
    /// `source[*]…` or `source.*…`; `each` holds [`ExprKind::Item`].
    Splat { source: Box<Expr>, each: Box<Expr> },
    /// The current element inside a splat.
    Item,
    /// `[a, b]`.
    Tuple(Vec<Expr>),
    /// `{ key = value }`.
    Object(Vec<(Expr, Expr)>),
    /// `[for … ]` or `{for … }`.
    For(Box<ForExpr>),
    /// `condition ? yes : no`, also `%{ if … }`.
    Conditional(Box<Conditional>),
    /// `name(arguments)`.
    Call(Box<Call>),
    /// `-x`, `!x`.
    Unary { op: UnaryOp, operand: Box<Expr> },
    /// `a + b` and the like.
    Binary { op: BinaryOp, left: Box<Expr>, right: Box<Expr> },
}

/// A `for` expression or directive.
#[derive(Debug)]
pub(crate) struct ForExpr {
    pub(crate) key_name: Option<Str>,
    pub(crate) value_name: Str,
    pub(crate) collection: Expr,
    /// Set if the result is an object.
    pub(crate) key: Option<Expr>,
    pub(crate) value: Expr,
    pub(crate) condition: Option<Expr>,
    pub(crate) group: bool,
}

/// A conditional.
#[derive(Debug)]
pub(crate) struct Conditional {
    pub(crate) condition: Expr,
    pub(crate) yes: Expr,
    pub(crate) no: Expr,
}

/// A function call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: Str,
    pub(crate) name_range: Range,
    pub(crate) args: Vec<Expr>,
    /// Whether the last argument is expanded (`...`).
    pub(crate) expand: bool,
    pub(crate) close: Range,
}

/// A prefix operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnaryOp {
    Negate,
    Not,
}

/// An infix operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Or,
    And,
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

/// What stands between the braces of a block, or in a file.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) blocks: Vec<Block>,
    /// The closing brace or the end of the file.
    pub(crate) end: Range,
}

/// `name = expression`.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) name: Str,
    pub(crate) name_range: Range,
    pub(crate) expr: Expr,
}

/// `type "label" { … }`.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) block_type: Str,
    pub(crate) type_range: Range,
    pub(crate) labels: Vec<(Str, Range)>,
    /// Type and labels, without the braces.
    pub(crate) header: Range,
    pub(crate) body: Body,
}

impl Body {
    /// The attribute of that name.
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| &*attribute.name == name)
    }
}

impl Expr {
    /// Calls `visit` for the direct parts of this expression.
    pub(crate) fn for_each_part<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        match &self.kind {
            ExprKind::Literal(_) | ExprKind::Variable(_) | ExprKind::Item => {}
            ExprKind::Template(parts) | ExprKind::Tuple(parts) => parts.iter().for_each(visit),
            ExprKind::Wrap(inner) | ExprKind::Parens(inner) => visit(inner),
            ExprKind::Attr { object, .. } => visit(object),
            ExprKind::Index { collection, key, .. } => {
                [collection, key].map(|part| visit(part)).into_iter().collect()
            }
            ExprKind::Splat { source, each, .. } => {
                [source, each].map(|part| visit(part)).into_iter().collect()
            }
            ExprKind::Object(items) => items.iter().for_each(|(key, value)| {
                visit(key);
                visit(value);
            }),
            ExprKind::For(inner) | ExprKind::Join(inner) => {
                visit(&inner.collection);
                inner.key.iter().for_each(&mut *visit);
                visit(&inner.value);
                inner.condition.iter().for_each(visit);
            }
            ExprKind::Conditional(inner) => {
                visit(&inner.condition);
                visit(&inner.yes);
                visit(&inner.no);
            }
            ExprKind::Call(call) => call.args.iter().for_each(visit),
            ExprKind::Unary { operand, .. } => visit(operand),
            ExprKind::Binary { left, right, .. } => {
                visit(left);
                visit(right);
            }
        }
    }
}
