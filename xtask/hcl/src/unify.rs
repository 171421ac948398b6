//! Finding one type for several values, as cty's `convert.Unify`.

use std::collections::BTreeMap;

use crate::convert::{ConvertError, apply, can_convert};
use crate::types::Type;
use crate::value::Value;

/// A type that several types convert to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unified {
    /// The common type.
    pub ty: Type,
    /// Whether the values are lost: a part is of unknown type, so nothing can
    /// be said about the result before it is known.
    pub erased: bool,
}

/// The type that values of all these types convert to without loss, or `None`.
pub fn unify(types: &[Type]) -> Option<Unified> {
    unify_with(types, false)
}

/// Like [`unify`]; with `lossy` also by conversions that may fail.
pub fn unify_with(types: &[Type], lossy: bool) -> Option<Unified> {
    let count = |kind: fn(&Type) -> bool| types.iter().filter(|ty| kind(ty)).count();
    let total = types.len();
    let dynamic = count(|ty| *ty == Type::Dynamic);
    let [maps, lists, sets, objects, tuples] =
        [Type::is_map, Type::is_list, Type::is_set, Type::is_object, Type::is_tuple].map(count);
    let all = |some: usize, others: usize| some > 0 && some + others + dynamic == total;
    if total == 0 || (objects > 0 && tuples > 0) {
        return None;
    }
    let same_kind =
        all(maps, 0) || all(lists, 0) || all(sets, 0) || all(objects, 0) || all(tuples, 0);
    if same_kind && dynamic > 0 {
        return Some(Unified { ty: Type::Dynamic, erased: true });
    }
    let found = if all(maps, 0) {
        return collections(types, lossy, Type::map);
    } else if all(lists, 0) {
        return collections(types, lossy, Type::list);
    } else if all(sets, 0) {
        return collections(types, lossy, Type::set);
    } else if all(objects, 0) {
        return object_types(types, lossy);
    } else if all(tuples, 0) {
        return tuple_types(types, lossy);
    } else if all(maps, objects) {
        structures_as_collections(types, lossy, Type::is_object, objects_to_map)
    } else if all(lists, tuples) {
        structures_as_collections(types, lossy, Type::is_tuple, tuples_to_list)
    } else {
        None
    };
    found.or_else(|| most_general(types, lossy))
}

/// Unifies the types and converts the values to the result.
pub fn unify_values(values: &[Value]) -> Option<Result<Vec<Value>, ConvertError>> {
    let types: Vec<Type> = values.iter().map(|value| value.ty().clone()).collect();
    let unified = unify(&types)?;
    Some(values.iter().map(|value| unified.convert(value, false)).collect())
}

impl Unified {
    /// Converts one of the values to the common type.
    pub fn convert(&self, value: &Value, lossy: bool) -> Result<Value, ConvertError> {
        if self.erased {
            let unknown = Value::dynamic(value.unknown_origin());
            return Ok(unknown.mark(value.contains_sensitive()));
        }
        apply(value, &self.ty, lossy)
    }
}

fn plain(ty: Type) -> Option<Unified> {
    Some(Unified { ty, erased: false })
}

/// `ty` if every type converts to it.
fn checked(types: &[Type], ty: Type, lossy: bool) -> Option<Unified> {
    let fits = types.iter().all(|given| *given == ty || can_convert(given, &ty, lossy));
    if fits { plain(ty) } else { None }
}

fn collections(types: &[Type], lossy: bool, wrap: fn(Type) -> Type) -> Option<Unified> {
    let elements: Vec<Type> = types.iter().filter_map(|ty| ty.element().cloned()).collect();
    checked(types, wrap(unify_with(&elements, lossy)?.ty), lossy)
}

/// Treats the structural types among collections as one collection type.
fn structures_as_collections(
    types: &[Type],
    lossy: bool,
    is_structure: fn(&Type) -> bool,
    merge: fn(&[Type], bool) -> Option<Unified>,
) -> Option<Unified> {
    let structures: Vec<Type> = types.iter().filter(|ty| is_structure(ty)).cloned().collect();
    let merged = merge(&structures, lossy)?.ty;
    let replaced: Vec<Type> =
        types.iter().map(|ty| if is_structure(ty) { merged.clone() } else { ty.clone() }).collect();
    let found = unify_with(&replaced, lossy)?;
    (found.ty.is_list() || found.ty.is_map()).then_some(found)
}

fn object_types(types: &[Type], lossy: bool) -> Option<Unified> {
    let attributes: Vec<_> = types.iter().filter_map(Type::attributes).collect();
    let (first, rest) = attributes.split_first()?;
    let same = rest.iter().all(|other| other.len() == first.len() && other.keys().eq(first.keys()));
    if !same {
        return objects_to_map(types, lossy);
    }
    let mut merged = BTreeMap::new();
    for name in first.keys() {
        let across: Vec<Type> =
            attributes.iter().filter_map(|types| types.get(name).cloned()).collect();
        merged.insert(name.clone(), unify_with(&across, lossy)?.ty);
    }
    checked(types, Type::object(merged), lossy).or_else(|| objects_to_map(types, lossy))
}

fn objects_to_map(types: &[Type], lossy: bool) -> Option<Unified> {
    let parts: Vec<Type> = types
        .iter()
        .filter_map(Type::attributes)
        .flat_map(|types| types.values().cloned())
        .collect();
    checked(types, Type::map(unify_with(&parts, lossy)?.ty), lossy)
}

fn tuple_types(types: &[Type], lossy: bool) -> Option<Unified> {
    let length = types.first()?.tuple_elements().len();
    if types.iter().any(|ty| ty.tuple_elements().len() != length) {
        return tuples_to_list(types, lossy);
    }
    let mut merged = Vec::with_capacity(length);
    for index in 0..length {
        let across: Vec<Type> =
            types.iter().filter_map(|ty| ty.tuple_elements().get(index).cloned()).collect();
        merged.push(unify_with(&across, lossy)?.ty);
    }
    checked(types, Type::tuple(merged), lossy).or_else(|| tuples_to_list(types, lossy))
}

fn tuples_to_list(types: &[Type], lossy: bool) -> Option<Unified> {
    let parts: Vec<Type> = types.iter().flat_map(|ty| ty.tuple_elements().to_vec()).collect();
    checked(types, Type::list(unify_with(&parts, lossy)?.ty), lossy)
}

/// The first type, most general first, that all others convert to.
fn most_general(types: &[Type], lossy: bool) -> Option<Unified> {
    let fits =
        |want: &Type| types.iter().all(|given| given == want || can_convert(given, want, lossy));
    let index =
        preference_order(types).into_iter().find(|index| types.get(*index).is_some_and(fits))?;
    plain(types.get(index)?.clone())
}

/// Indices of the types in topological order of "more general than".
fn preference_order(types: &[Type]) -> Vec<usize> {
    let count = types.len();
    let mut below = vec![Vec::new(); count];
    let mut above = vec![0usize; count];
    for (i, a) in types.iter().enumerate() {
        for (j, b) in types.iter().enumerate().skip(i + 1) {
            let (general, special) = match generality(a, b) {
                0 => continue,
                order if order < 0 => (i, j),
                _ => (j, i),
            };
            if let (Some(edges), Some(degree)) = (below.get_mut(general), above.get_mut(special)) {
                edges.push(special);
                *degree += 1;
            }
        }
    }
    let mut order: Vec<usize> = (0..count).filter(|i| above.get(*i) == Some(&0)).collect();
    let mut next = 0;
    while let Some(index) = order.get(next).copied() {
        next += 1;
        for special in below.get(index).cloned().unwrap_or_default() {
            let Some(degree) = above.get_mut(special) else { continue };
            *degree -= 1;
            if *degree == 0 {
                order.push(special);
            }
        }
    }
    order
}

/// Negative if `a` is more general than `b`, positive if less, 0 if unrelated.
fn generality(a: &Type, b: &Type) -> i32 {
    match (a, b) {
        (Type::Dynamic, Type::Dynamic) => 0,
        (Type::Dynamic, _) => 1,
        (_, Type::Dynamic) => -1,
        (Type::String, Type::Bool | Type::Number) => -1,
        (Type::Bool | Type::Number, Type::String) => 1,
        (Type::List(a), Type::List(b))
        | (Type::Set(a), Type::Set(b))
        | (Type::Map(a), Type::Map(b)) => generality(a, b),
        (Type::Tuple(_) | Type::List(_), Type::Set(_))
        | (Type::List(_), Type::Tuple(_))
        | (Type::Map(_), Type::Object(_)) => -1,
        (Type::Set(_), Type::Tuple(_) | Type::List(_))
        | (Type::Tuple(_), Type::List(_))
        | (Type::Object(_), Type::Map(_)) => 1,
        (Type::Object(a), Type::Object(b)) => {
            if !a.attributes.keys().eq(b.attributes.keys()) {
                return 0;
            }
            of_parts(a.attributes.values().zip(b.attributes.values()))
        }
        (Type::Tuple(a), Type::Tuple(b)) if a.len() == b.len() => of_parts(a.iter().zip(b.iter())),
        _ => 0,
    }
}

fn of_parts<'a>(pairs: impl Iterator<Item = (&'a Type, &'a Type)>) -> i32 {
    let (mut a_general, mut b_general) = (false, false);
    for (a, b) in pairs {
        let order = generality(a, b);
        a_general |= order < 0;
        b_general |= order > 0;
    }
    i32::from(b_general) - i32::from(a_general)
}
