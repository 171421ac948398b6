//! Evaluates a Packer HCL2 template directory as Packer does.
//!
//! Values and types follow cty, the type system below HCL; see [`value`],
//! [`types`], [`convert`], [`unify`]. Functions are called through
//! [`function::Function`].

pub mod convert;
pub mod decimal;
mod equality;
pub mod function;
pub mod functions;
pub mod mismatch;
pub mod number;
pub mod quote;
mod set_order;
pub mod types;
pub mod unify;
pub mod value;
