//! Prefix and infix operators.

use std::cmp::Ordering;

use crate::convert::convert;
use crate::eval::{Evaluator, Scope};
use crate::function::unknown_result;
use crate::number::Number;
use crate::source::Range;
use crate::syntax::ast::{BinaryOp, Expr, UnaryOp};
use crate::types::Type;
use crate::value::Value;

impl BinaryOp {
    /// Type that operands are converted to.
    fn operand_type(self) -> Type {
        match self {
            Self::Or | Self::And => Type::Bool,
            Self::Equal | Self::NotEqual => Type::Dynamic,
            _ => Type::Number,
        }
    }

    fn result_type(self) -> Type {
        match self {
            Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Modulo => {
                Type::Number
            }
            _ => Type::Bool,
        }
    }
}

impl Evaluator<'_> {
    pub(super) fn unary(
        &mut self,
        op: UnaryOp,
        operand: &Expr,
        range: Range,
        scope: &Scope<'_>,
    ) -> Value {
        let ty = if op == UnaryOp::Negate { Type::Number } else { Type::Bool };
        let before = self.problems.len();
        let given = self.eval(operand, scope);
        let value = self.operand(&given, operand, &ty, "unary");
        if self.problems.len() > before {
            return Value::unknown(ty, None);
        }
        if value.is_null() {
            return self.null_operand(range, ty);
        }
        let sensitive = value.is_sensitive();
        let result = match op {
            UnaryOp::Negate => value.as_number().map(|number| Value::number(number.negate())),
            UnaryOp::Not => value.as_bool().map(|flag| Value::bool(!flag)),
        };
        let unknown = || unknown_result(ty, &[value]).refine_not_null();
        result.unwrap_or_else(unknown).mark(sensitive)
    }

    fn operand(&mut self, given: &Value, expr: &Expr, ty: &Type, side: &str) -> Value {
        match convert(given, ty) {
            Ok(value) => value,
            Err(error) => {
                let detail = if side == "unary" {
                    format!("Unsuitable value for unary operand: {error}.")
                } else {
                    format!("Unsuitable value for {side} operand: {error}.")
                };
                self.error(expr.range, "Invalid operand", detail);
                Value::unknown(ty.clone(), None)
            }
        }
    }

    fn null_operand(&mut self, range: Range, ty: Type) -> Value {
        let detail = "Error during operation: argument must not be null.";
        self.error(range, "Operation failed", detail);
        Value::unknown(ty, None)
    }

    pub(super) fn binary(
        &mut self,
        op: BinaryOp,
        left: &Expr,
        right: &Expr,
        range: Range,
        scope: &Scope<'_>,
    ) -> Value {
        let ty = op.operand_type();
        let (a, a_problems) = self.quietly(|this| this.eval(left, scope));
        let (b, b_problems) = self.quietly(|this| this.eval(right, scope));
        let before = self.problems.len();
        let a = self.operand(&a, left, &ty, "left");
        let b = self.operand(&b, right, &ty, "right");
        if self.problems.len() > before {
            self.problems.extend(a_problems.into_iter().chain(b_problems));
            return Value::unknown(op.result_type(), None);
        }
        let sensitive = a.is_sensitive() || b.is_sensitive();
        if let Some((result, take_left)) = short_circuit(op, &a, &b, a_problems.is_empty()) {
            self.problems.extend(if take_left { a_problems } else { b_problems });
            return result.mark(sensitive);
        }
        self.problems.extend(a_problems.into_iter().chain(b_problems));
        if self.problems.len() > before {
            return Value::unknown(op.result_type(), None).mark(sensitive);
        }
        self.operate(op, &a, &b, range).mark(sensitive)
    }

    fn operate(&mut self, op: BinaryOp, a: &Value, b: &Value, range: Range) -> Value {
        match op {
            BinaryOp::Equal => return a.equals(b),
            BinaryOp::NotEqual => {
                let equal = a.equals(b);
                let sensitive = equal.is_sensitive();
                return match equal.as_bool() {
                    Some(flag) => Value::bool(!flag).mark(sensitive),
                    None => equal,
                };
            }
            _ if a.is_null() || b.is_null() => return self.null_operand(range, op.result_type()),
            _ => {}
        }
        let (Some(x), Some(y)) = (a.as_number(), b.as_number()) else {
            let operands = [a.clone(), b.clone()];
            return unknown_result(op.result_type(), &operands).refine_not_null();
        };
        match arithmetic(op, x, y) {
            Ok(value) => value,
            Err(reason) => {
                let detail = format!("Error during operation: {reason}.");
                self.error(range, "Operation failed", detail);
                Value::unknown(op.result_type(), None)
            }
        }
    }
}

/// The result of `&&` and `||` if one side decides it or is not known, and
/// whether only the left side's problems count (else only the right's).
fn short_circuit(op: BinaryOp, a: &Value, b: &Value, left_ok: bool) -> Option<(Value, bool)> {
    let decisive = match op {
        BinaryOp::Or => true,
        BinaryOp::And => false,
        _ => return None,
    };
    let unknown = || unknown_result(Type::Bool, &[a.clone(), b.clone()]).refine_not_null();
    // Next to a side that decides, HCL takes null for false.
    let flag = |value: &Value| if value.is_null() { Some(false) } else { value.as_bool() };
    match (flag(a), flag(b)) {
        (None, None) => left_ok.then(|| (unknown(), true)),
        (Some(flag), _) if flag == decisive => Some((Value::bool(decisive), true)),
        (_, Some(flag)) if flag == decisive => Some((Value::bool(decisive), false)),
        (None, Some(_)) => Some((unknown(), true)),
        (Some(_), None) => Some((unknown(), false)),
        (Some(_), Some(_)) if a.is_null() || b.is_null() => None,
        (Some(_), Some(_)) => Some((Value::bool(!decisive), true)),
    }
}

fn arithmetic(op: BinaryOp, x: &Number, y: &Number) -> Result<Value, &'static str> {
    let order = x.compare(y);
    let number = |result: Option<Number>, reason| result.map(Value::number).ok_or(reason);
    match op {
        BinaryOp::Greater => Ok(Value::bool(order == Ordering::Greater)),
        BinaryOp::GreaterEqual => Ok(Value::bool(order == Ordering::Greater || x.equals(y))),
        BinaryOp::Less => Ok(Value::bool(order == Ordering::Less)),
        BinaryOp::LessEqual => Ok(Value::bool(order == Ordering::Less || x.equals(y))),
        BinaryOp::Add => number(x.add(y), "can't compute sum of opposing infinities"),
        BinaryOp::Subtract => number(x.sub(y), "can't subtract infinity from itself"),
        BinaryOp::Multiply => number(x.mul(y), "can't multiply zero by infinity"),
        BinaryOp::Divide => number(x.div(y), "can't divide zero by zero or infinity by infinity"),
        BinaryOp::Modulo => number(x.rem(y), "can't use modulo with zero and infinity"),
        BinaryOp::Or | BinaryOp::And | BinaryOp::Equal | BinaryOp::NotEqual => {
            Err("operands are not numbers")
        }
    }
}
