//! A small cache with a fixed number of slots.

use std::sync::{Mutex, PoisonError};

/// Maps each key to one slot (`key % slots`); a newcomer evicts the occupant.
///
/// Never grows, costs one short lock per access, and suits keys that come in
/// runs (disk chunks, inode numbers), which spread evenly by themselves.
pub(crate) struct SlotCache<V> {
    slots: Mutex<Vec<Option<(u64, V)>>>,
}

impl<V: Clone> SlotCache<V> {
    /// A cache of `slots` values, at least one.
    pub(crate) fn new(slots: usize) -> Self {
        let empty = std::iter::repeat_with(|| None).take(slots.max(1)).collect();
        Self { slots: Mutex::new(empty) }
    }

    /// The cached value of `key`, or what `make` returns, cached for the next time.
    /// Errors are not cached. `make` runs without the lock.
    pub(crate) fn get_or<E>(&self, key: u64, make: impl FnOnce() -> Result<V, E>) -> Result<V, E> {
        if let Some(value) = self.with_slot(key, |slot| match slot {
            Some((owner, value)) if *owner == key => Some(value.clone()),
            _ => None,
        }) {
            return Ok(value);
        }
        let value = make()?;
        let kept = value.clone();
        // The evicted value is dropped outside the lock.
        drop(self.with_slot(key, |slot| slot.replace((key, kept))));
        Ok(value)
    }

    fn with_slot<R>(&self, key: u64, f: impl FnOnce(&mut Option<(u64, V)>) -> R) -> R {
        // A panic elsewhere cannot leave a slot half-written.
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let count = crate::bytes::wide(slots.len());
        let index = usize::try_from(key % count).unwrap_or_default();
        match slots.get_mut(index) {
            Some(slot) => f(slot),
            None => f(&mut None), // unreachable: `new` makes at least one slot
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_one_value_per_slot() {
        let cache = SlotCache::new(4);
        let get = |key, value| cache.get_or(key, || Ok::<_, ()>(value)).unwrap();
        assert_eq!((get(1, 'a'), get(1, 'b')), ('a', 'a'));
        assert_eq!((get(5, 'c'), get(1, 'd')), ('c', 'd'), "5 evicts 1");
        assert_eq!(cache.get_or(9, || Err::<char, _>("no")), Err("no"));
        assert_eq!(get(9, 'e'), 'e', "errors are not kept");
    }
}
