//! The order in which cty iterates a set, and the bytes it sorts by.

use std::cmp::Ordering;

use crate::decimal::Decimal;
use crate::number::Number;
use crate::quote::quote;
use crate::types::Type;
use crate::value::{Data, Value};

/// The values in cty's set order; equal ones end up next to each other.
pub(crate) fn sorted(mut values: Vec<Value>) -> Vec<Value> {
    values.sort_by(compare);
    values
}

fn compare(a: &Value, b: &Value) -> Ordering {
    let rank = |value: &Value| match value.data() {
        Data::Null => 2,
        Data::Unknown(_) => 1,
        _ => 0,
    };
    match (a.data(), b.data()) {
        _ if rank(a) != rank(b) => rank(a).cmp(&rank(b)),
        (Data::String(a), Data::String(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Data::Bool(a), Data::Bool(b)) => a.cmp(b),
        (Data::Number(a), Data::Number(b)) => a.compare(b),
        _ if rank(a) > 0 => Ordering::Equal,
        _ => hash_text(a).as_bytes().cmp(hash_text(b).as_bytes()),
    }
}

/// cty's set hash before the checksum.
fn hash_text(value: &Value) -> String {
    let mut text = String::new();
    append(value, &mut text);
    text
}

fn append(value: &Value, text: &mut String) {
    match value.data() {
        Data::Unknown(_) => text.push('?'),
        Data::Null => text.push('~'),
        Data::Bool(flag) => text.push(if *flag { 'T' } else { 'F' }),
        Data::Number(number) => text.push_str(&general(number)),
        Data::String(string) => text.push_str(&quote(string)),
        Data::Sequence(values) => {
            let tuple = matches!(value.ty(), Type::Tuple(_));
            text.push(if tuple { '<' } else { '[' });
            for element in values.iter() {
                append(element, text);
                text.push(';');
            }
            text.push(if tuple { '>' } else { ']' });
        }
        Data::Mapping(values) => {
            let object = matches!(value.ty(), Type::Object(_));
            text.push(if object { '<' } else { '{' });
            for (name, element) in values.iter() {
                if !object {
                    text.push_str(&quote(name));
                    text.push(':');
                }
                append(element, text);
                text.push(';');
            }
            text.push(if object { '>' } else { '}' });
        }
    }
}

fn general(number: &Number) -> String {
    if number.is_zero() || number.is_infinite() {
        return number.text();
    }
    let sign = if number.is_negative() { "-" } else { "" };
    format!("{sign}{}", Decimal::of(number).general10())
}
