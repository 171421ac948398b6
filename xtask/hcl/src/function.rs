//! What a function is, and how one is called: the checks that cty makes around
//! every function body.

use std::fmt;

pub(crate) use crate::context::read_regular;
pub use crate::context::{
    Context, Impure, MAX_STEPS, MAX_STRING_BYTES, PLACEHOLDER_TIME, PLACEHOLDER_UUID,
    lexically_clean,
};
use crate::types::Type;
use crate::value::Value;

/// Type of a parameter; a constant counterpart of [`Type`].
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Any type.
    Any,
    /// `bool`.
    Bool,
    /// `number`.
    Number,
    /// `string`.
    String,
    /// `list(element)`.
    List(&'static Kind),
    /// `set(element)`.
    Set(&'static Kind),
    /// `map(element)`.
    Map(&'static Kind),
}

impl Kind {
    /// The type that arguments are converted to.
    pub fn ty(self) -> Type {
        match self {
            Self::Any => Type::Dynamic,
            Self::Bool => Type::Bool,
            Self::Number => Type::Number,
            Self::String => Type::String,
            Self::List(element) => Type::list(element.ty()),
            Self::Set(element) => Type::set(element.ty()),
            Self::Map(element) => Type::map(element.ty()),
        }
    }
}

/// A parameter, and what of the usual checks the body does itself.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Name in messages.
    pub name: &'static str,
    /// Type that arguments are converted to.
    pub kind: Kind,
    /// Null is passed to the body instead of being an error.
    pub allow_null: bool,
    /// Unknown is passed to the body instead of making the result unknown.
    pub allow_unknown: bool,
    /// An argument of unknown type reaches the type function and the body.
    pub allow_dynamic: bool,
    /// Marks are passed to the body instead of moving to the result.
    pub allow_marked: bool,
}

impl Param {
    /// A parameter with all of cty's checks.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            allow_null: false,
            allow_unknown: false,
            allow_dynamic: false,
            allow_marked: false,
        }
    }

    /// Passes null to the body.
    #[must_use]
    pub const fn nullable(self) -> Self {
        Self { allow_null: true, ..self }
    }

    /// Passes unknown values to the body.
    #[must_use]
    pub const fn with_unknown(self) -> Self {
        Self { allow_unknown: true, ..self }
    }

    /// Passes arguments of unknown type to the body.
    #[must_use]
    pub const fn with_dynamic(self) -> Self {
        Self { allow_dynamic: true, ..self }
    }

    /// Passes marked values to the body.
    #[must_use]
    pub const fn with_marked(self) -> Self {
        Self { allow_marked: true, ..self }
    }
}

/// The type of a function's result.
#[derive(Clone, Copy)]
pub enum Returns {
    /// Always the same.
    Always(Kind),
    /// Follows from the arguments, any of which may be unknown. An error here
    /// is reported even if the result cannot be computed yet.
    From(fn(&[Value]) -> Result<Type, FunctionError>),
}

/// The body: arguments are converted and checked; the type is what
/// [`Returns`] said.
pub type Body = fn(&Context<'_>, &[Value], &Type) -> Result<Value, FunctionError>;

/// A function of the template language.
pub struct Function {
    /// Name in expressions.
    pub name: &'static str,
    /// Positional parameters.
    pub params: &'static [Param],
    /// Parameter for any further arguments.
    pub variadic: Option<Param>,
    /// Type of the result.
    pub returns: Returns,
    /// Whether the result is never null (cty refines unknown results so).
    pub not_null: bool,
    /// Computes the result.
    pub body: Body,
}

/// Why a call failed, in the words that Packer uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    /// Index of the argument at fault; `None` for the call as a whole.
    pub arg: Option<usize>,
    /// The reason, without a final period.
    pub message: String,
}

impl FunctionError {
    /// A failure of the call as a whole.
    pub fn new(message: impl Into<String>) -> Self {
        Self { arg: None, message: message.into() }
    }

    /// A failure of one argument, counted from zero.
    pub fn arg(index: usize, message: impl Into<String>) -> Self {
        Self { arg: Some(index), message: message.into() }
    }
}

impl fmt::Display for FunctionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FunctionError {}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({})", self.name)
    }
}

impl Function {
    /// The parameter that takes the argument at `index`.
    pub fn param(&self, index: usize) -> Option<&Param> {
        self.params.get(index).or(self.variadic.as_ref())
    }

    /// Calls the function with arguments that are already of the parameters'
    /// types and as many as needed (see [`Function::convert_args`]).
    pub fn call(&self, context: &Context<'_>, args: &[Value]) -> Result<Value, FunctionError> {
        self.check_count(args.len())?;
        let Some(ty) = self.result_type(args)? else {
            return Ok(unknown_result(Type::Dynamic, args));
        };
        let blocked = args.iter().enumerate().any(|(index, arg)| {
            !arg.is_known() && self.param(index).is_some_and(|param| !param.allow_unknown)
        });
        if blocked {
            return Ok(self.refine(unknown_result(ty, args)));
        }
        let (args, sensitive) = self.without_marks(args);
        let result = (self.body)(context, &args, &ty)?;
        Ok(self.refine(result).mark(sensitive))
    }

    /// Converts arguments to the parameters' types, then calls. HCL does this
    /// itself, with locations; here for tests and other callers.
    pub fn convert_args(&self, args: &[Value]) -> Result<Vec<Value>, FunctionError> {
        self.check_count(args.len())?;
        let convert = |(index, arg): (usize, &Value)| {
            let want = self.param(index).map_or(Type::Dynamic, |param| param.kind.ty());
            crate::convert::convert(arg, &want)
                .map_err(|error| FunctionError::arg(index, error.to_string()))
        };
        args.iter().enumerate().map(convert).collect()
    }

    fn check_count(&self, given: usize) -> Result<(), FunctionError> {
        let required = self.params.len();
        if given < required && self.variadic.is_some() {
            return Err(FunctionError::new(format!(
                "wrong number of arguments (at least {required} required; {given} given)"
            )));
        }
        if given != required && self.variadic.is_none() {
            return Err(FunctionError::new(format!(
                "wrong number of arguments ({required} required; {given} given)"
            )));
        }
        Ok(())
    }

    /// Type of the result; `None` if an argument's type is not known yet.
    fn result_type(&self, args: &[Value]) -> Result<Option<Type>, FunctionError> {
        for (index, arg) in args.iter().enumerate() {
            let Some(param) = self.param(index) else { continue };
            if arg.is_null() && !param.allow_null {
                return Err(FunctionError::arg(index, "argument must not be null"));
            }
            if *arg.ty() == Type::Dynamic {
                if !param.allow_dynamic {
                    return Ok(None);
                }
            } else if let Err(message) = arg.ty().conforms_to(&param.kind.ty()) {
                return Err(FunctionError::arg(index, message));
            }
        }
        match self.returns {
            Returns::Always(kind) => Ok(Some(kind.ty())),
            Returns::From(compute) => compute(&self.without_marks(args).0).map(Some),
        }
    }

    fn without_marks(&self, args: &[Value]) -> (Vec<Value>, bool) {
        let mut sensitive = false;
        let strip = |(index, arg): (usize, &Value)| {
            let keep = self.param(index).is_some_and(|param| param.allow_marked);
            if keep || !arg.contains_sensitive() {
                return arg.clone();
            }
            sensitive = true;
            arg.unmark_deep()
        };
        (args.iter().enumerate().map(strip).collect(), sensitive)
    }

    fn refine(&self, value: Value) -> Value {
        if self.not_null { value.refine_not_null() } else { value }
    }
}

/// An unknown result that keeps the origin and marks of its arguments.
pub fn unknown_result(ty: Type, args: &[Value]) -> Value {
    let origin = args.iter().find_map(Value::unknown_origin);
    let sensitive = args.iter().any(Value::contains_sensitive);
    Value::unknown(ty, origin).mark(sensitive)
}
