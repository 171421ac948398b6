//! Evaluates a Packer HCL2 template directory as Packer does.
//!
//! Values and types follow cty, the type system below HCL; see [`value`],
//! [`types`], [`convert`], [`unify`]. Functions are called through
//! [`function::Function`].

pub mod body;
pub mod context;
pub mod convert;
pub mod decimal;
pub mod diagnostic;
pub mod duration;
mod equality;
mod eval;
pub mod evaluated;
pub mod expression;
pub mod format;
pub mod function;
pub mod functions;
pub mod json;
mod json_vars;
pub mod mismatch;
pub mod number;
mod number_order;
pub mod quote;
mod set_order;
pub mod source;
pub mod survey;
mod syntax;
pub mod template;
pub mod types;
pub mod unify;
pub mod value;
pub mod version;
pub mod yaml;
