//! Type constraints (`list(string)`) and the defaults of optional attributes.

use std::collections::{BTreeMap, BTreeSet};

use crate::convert::convert;
use crate::diagnostic::meant_or_known;
use crate::eval::{Evaluator, FunctionSet, Scope};
use crate::quote::quote;
use crate::syntax::ast::{Call, Expr, ExprKind};
use crate::types::Type;
use crate::unify::unify_with;
use crate::value::{Str, Value};

const INVALID: &str = "Invalid type specification";

/// Defaults of `optional(type, default)` at any depth of a type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Defaults {
    values: BTreeMap<Str, Value>,
    /// Defaults of object attributes or tuple elements.
    named: BTreeMap<Str, Defaults>,
    /// Defaults of the elements of a collection.
    element: Option<Box<Defaults>>,
}

impl Defaults {
    fn is_empty(&self) -> bool {
        self.values.is_empty() && self.named.is_empty() && self.element.is_none()
    }

    fn child(&self, name: &str) -> Option<&Defaults> {
        self.named.get(name).or(self.element.as_deref())
    }

    /// Fills in defaults where optional attributes are missing or null. The
    /// result may still need conversion.
    pub(crate) fn apply(&self, value: &Value) -> Value {
        if self.is_empty() || value.is_null() || !value.is_known() {
            return value.clone();
        }
        let filled = match (value.as_sequence(), value.as_mapping()) {
            (Some(elements), _) => self.apply_to_sequence(value.ty(), elements),
            (_, Some(entries)) => self.apply_to_mapping(value.ty(), entries),
            _ => value.clone(),
        };
        filled.mark(value.is_sensitive())
    }

    fn apply_to_sequence(&self, ty: &Type, elements: &[Value]) -> Value {
        let fill = |(index, element): (usize, &Value)| match self.child(&index.to_string()) {
            Some(defaults) => defaults.apply(element),
            None => element.clone(),
        };
        let filled: Vec<Value> = elements.iter().enumerate().map(fill).collect();
        match (ty, unified(&filled)) {
            (Type::List(element) | Type::Set(element), _) if filled.is_empty() => {
                collection(ty, (**element).clone(), filled)
            }
            (Type::List(_) | Type::Set(_), Some((element, values))) => {
                collection(ty, element, values)
            }
            _ => Value::tuple(filled),
        }
    }

    fn apply_to_mapping(&self, ty: &Type, entries: &BTreeMap<Str, Value>) -> Value {
        let mut filled = entries.clone();
        for (name, value) in &mut filled {
            if let Some(defaults) = self.child(name) {
                *value = defaults.apply(value);
            }
        }
        for (name, default) in &self.values {
            if filled.get(name).is_none_or(Value::is_null) {
                let nested = self.child(name);
                let value = nested.map_or_else(|| default.clone(), |nested| nested.apply(default));
                filled.insert(name.clone(), value);
            }
        }
        let values: Vec<Value> = filled.values().cloned().collect();
        match (ty, unified(&values)) {
            (Type::Map(element), _) if filled.is_empty() => Value::map((**element).clone(), filled),
            (Type::Map(_), Some((element, values))) => {
                Value::map(element, filled.into_keys().zip(values).collect())
            }
            _ => Value::object(filled),
        }
    }
}

fn collection(ty: &Type, element: Type, values: Vec<Value>) -> Value {
    if ty.is_set() { Value::set(element, values) } else { Value::list(element, values) }
}

fn unified(values: &[Value]) -> Option<(Type, Vec<Value>)> {
    let types: Vec<Type> = values.iter().map(|value| value.ty().clone()).collect();
    let unified = unify_with(&types, true)?;
    let values: Result<Vec<Value>, _> =
        values.iter().map(|value| unified.convert(value, true)).collect();
    Some((unified.ty.clone(), values.ok()?))
}

type Parsed = Option<(Type, Defaults)>;

const KEYWORDS: [&str; 4] = ["string", "number", "bool", "any"];
const CONSTRUCTORS: [&str; 5] = ["list", "set", "map", "object", "tuple"];

impl Evaluator<'_> {
    /// The type that an expression spells; `None` after an error. Defaults of
    /// optional attributes are allowed if `with_defaults` is set.
    pub(crate) fn type_constraint(&mut self, expr: &Expr, with_defaults: bool) -> Parsed {
        match &expr.kind {
            ExprKind::Variable(word) => self.type_keyword(expr, word),
            ExprKind::Call(call) => self.type_call(expr, call, with_defaults),
            ExprKind::Literal(value) if value.is_null() || value.as_bool().is_some() => {
                let word = self.source.slice(expr.range).to_owned();
                self.type_keyword(expr, &word)
            }
            _ => self.bad_type(
                expr,
                "A type specification is either a primitive type keyword (bool, number, string) \
                 or a complex type constructor call, like list(string).",
            ),
        }
    }

    fn bad_type(&mut self, expr: &Expr, detail: impl Into<String>) -> Parsed {
        self.error(expr.range, INVALID, detail);
        None
    }

    fn type_keyword(&mut self, expr: &Expr, word: &str) -> Parsed {
        let ty = match word {
            "bool" => Type::Bool,
            "string" => Type::String,
            "number" => Type::Number,
            "any" => Type::Dynamic,
            "list" | "map" | "set" | "object" | "tuple" => {
                return self.bad_type(expr, constructor_detail(word));
            }
            _ => {
                let detail =
                    format!("The keyword {} is not a valid type specification.", quote(word));
                self.remark(expr.range, INVALID, detail, meant_or_known(word, KEYWORDS));
                return None;
            }
        };
        Some((ty, Defaults::default()))
    }

    fn type_call(&mut self, expr: &Expr, call: &Call, with_defaults: bool) -> Parsed {
        let name = &*call.name;
        let detail = match name {
            "list" | "set" | "map" | "object" | "tuple" => match call.args.as_slice() {
                [arg] => return self.type_constructor(name, expr, arg, with_defaults),
                _ => constructor_detail(name),
            },
            "bool" | "string" | "number" => {
                format!("Primitive type keyword \"{name}\" does not expect arguments.")
            }
            "any" => "Type constraint keyword \"any\" does not expect arguments.".to_owned(),
            "optional" => "Keyword \"optional\" is valid only as a modifier for object type \
                           attributes."
                .to_owned(),
            _ => {
                let detail = format!("Keyword {} is not a valid type constructor.", quote(name));
                self.remark(expr.range, INVALID, detail, meant_or_known(name, CONSTRUCTORS));
                return None;
            }
        };
        self.bad_type(expr, detail)
    }

    fn type_constructor(
        &mut self,
        name: &str,
        expr: &Expr,
        arg: &Expr,
        with_defaults: bool,
    ) -> Parsed {
        match name {
            "object" => return self.object_type(arg, with_defaults),
            "tuple" => return self.tuple_type(arg, with_defaults),
            _ => {}
        }
        let (element, inner) = self.type_constraint(arg, with_defaults)?;
        let mut defaults = Defaults::default();
        if !inner.is_empty() {
            defaults.element = Some(Box::new(inner));
        }
        let ty = match name {
            "list" => Type::list(element),
            "set" => Type::set(element),
            "map" => Type::map(element),
            _ => return self.bad_type(expr, constructor_detail(name)),
        };
        Some((ty, defaults))
    }

    fn tuple_type(&mut self, arg: &Expr, with_defaults: bool) -> Parsed {
        let ExprKind::Tuple(parts) = &arg.kind else {
            return self.bad_type(arg, "Tuple type constructor requires a list of element types.");
        };
        let mut defaults = Defaults::default();
        let mut elements = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let (ty, inner) = self.type_constraint(part, with_defaults)?;
            elements.push(ty);
            if !inner.is_empty() {
                defaults.named.insert(index.to_string().into(), inner);
            }
        }
        Some((Type::tuple(elements), defaults))
    }

    fn object_type(&mut self, arg: &Expr, with_defaults: bool) -> Parsed {
        let ExprKind::Object(items) = &arg.kind else {
            return self.bad_type(
                arg,
                "Object type constructor requires a map whose keys are attribute names and whose \
                 values are the corresponding attribute types.",
            );
        };
        let (mut attributes, mut optional) = (BTreeMap::new(), BTreeSet::new());
        let mut defaults = Defaults::default();
        for (key, value) in items {
            let name = self.attribute_name(key, &attributes)?;
            let (type_expr, default_expr) = match self.optional_parts(value, with_defaults)? {
                Some((type_expr, default)) => {
                    optional.insert(name.clone());
                    (type_expr, default)
                }
                None => (value, None),
            };
            let (ty, inner) = self.type_constraint(type_expr, with_defaults)?;
            if let Some(default) = default_expr {
                defaults.values.insert(name.clone(), self.optional_default(default, &ty)?);
            }
            if !inner.is_empty() {
                defaults.named.insert(name.clone(), inner);
            }
            attributes.insert(name, ty);
        }
        Some((Type::object_with_optional(attributes, optional), defaults))
    }

    fn attribute_name(&mut self, key: &Expr, known: &BTreeMap<Str, Type>) -> Option<Str> {
        // Only bare names: a quoted one is written with its quotes.
        let written = self.source.slice(key.range);
        let name = match &key.kind {
            ExprKind::Literal(value) if !written.starts_with(['"', '<']) => value.as_str(),
            _ => None,
        };
        let Some(name) = name else {
            self.bad_type(key, "Object constructor map keys must be attribute names.");
            return None;
        };
        if known.contains_key(name) {
            self.bad_type(key, "Object constructor map keys must be unique.");
            return None;
        }
        Some(name.into())
    }

    /// The arguments of `optional(type, default)`; `Some(None)` if it is not one.
    fn optional_parts<'e>(
        &mut self,
        expr: &'e Expr,
        with_defaults: bool,
    ) -> Option<Option<(&'e Expr, Option<&'e Expr>)>> {
        let call = match &expr.kind {
            ExprKind::Call(call) if &*call.name == "optional" => call,
            _ => return Some(None),
        };
        let detail = match call.args.as_slice() {
            [ty] => return Some(Some((ty, None))),
            [ty, default] if with_defaults => return Some(Some((ty, Some(default)))),
            [] => "Optional attribute modifier requires the attribute type as its argument.",
            _ if with_defaults => {
                "Optional attribute modifier expects at most two arguments: the attribute type, \
                 and a default value."
            }
            _ => "Optional attribute modifier expects only one argument: the attribute type.",
        };
        self.bad_type(expr, detail);
        None
    }

    fn optional_default(&mut self, expr: &Expr, ty: &Type) -> Option<Value> {
        let functions = std::mem::replace(&mut self.functions, FunctionSet::None);
        let before = self.problems.len();
        let value = self.eval(expr, &Scope::closed());
        self.functions = functions;
        if self.problems.len() > before {
            return None;
        }
        match convert(&value, ty) {
            Ok(value) => Some(value),
            Err(error) => {
                let detail = format!(
                    "This default value is not compatible with the attribute's type constraint: \
                     {error}."
                );
                self.error(expr.range, "Invalid default value for optional attribute", detail);
                None
            }
        }
    }
}

fn constructor_detail(name: &str) -> String {
    match name {
        "object" => "The object type constructor requires one argument specifying the attribute \
                     types and values as a map."
            .to_owned(),
        "tuple" => "The tuple type constructor requires one argument specifying the element types \
                    as a list."
            .to_owned(),
        _ => format!(
            "The {name} type constructor requires one argument specifying the element type."
        ),
    }
}
