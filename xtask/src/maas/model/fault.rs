//! What goes wrong between a client and MAAS.

use std::sync::{Arc, Mutex, PoisonError};

/// Fate of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends after so many bytes of the request; MAAS sees nothing.
    CutRequest(usize),
    /// MAAS obeys, and so many bytes of the answer arrive.
    CutAnswer(usize),
    /// Something before MAAS answers, and MAAS sees nothing.
    Instead(u16, Option<u32>),
    /// MAAS obeys, and something before it answers otherwise: a timeout of a proxy.
    After(u16),
    /// Everything takes so many milliseconds longer.
    Slow(u64),
    /// The request is read in parts and answered in parts, with so many milliseconds
    /// between them.
    Trickle(u64),
    /// MAAS's clock is so many seconds ahead from here on.
    Clock(i64),
    /// The connection ends, and MAAS obeys only before the so-manieth request after.
    Late(u32),
    /// The request reaches MAAS twice, and the answer to the second is given.
    Twice,
}

/// Decides which requests go wrong.
pub trait Plan: Send {
    /// The fate of a request, given its method, path and length on the wire.
    fn fate(&mut self, method: &str, path: &str, length: usize) -> Option<Fault>;
}

/// Nothing goes wrong.
#[derive(Debug)]
pub struct Calm;

impl Plan for Calm {
    fn fate(&mut self, _method: &str, _path: &str, _length: usize) -> Option<Fault> {
        None
    }
}

/// One request goes wrong.
#[derive(Clone, Debug)]
pub struct Once {
    /// Which, from 0.
    pub number: usize,
    /// How.
    pub fault: Fault,
}

impl Plan for Once {
    fn fate(&mut self, _method: &str, _path: &str, _length: usize) -> Option<Fault> {
        let now = self.number == 0;
        self.number = self.number.wrapping_sub(1);
        now.then(|| self.fault.clone())
    }
}

/// A random number generator that gives the same on every host (xorshift64*).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// `0..limit`; 0 if the limit is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).checked_rem(limit).unwrap_or(0)
    }

    /// An index below `limit`.
    pub fn index(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(limit as u64)).unwrap_or(0)
    }
}

/// Random faults in a share of the requests, by a seed.
#[derive(Debug)]
pub struct Random {
    dice: Dice,
    /// Faults per thousand requests.
    per_mille: u64,
    happened: Happened,
}

/// Every fault so far, with the method of its request.
pub type Happened = Arc<Mutex<Vec<(String, Fault)>>>;

impl Random {
    /// `per_mille` of the requests fail.
    #[must_use]
    pub fn new(seed: u64, per_mille: u64, happened: Happened) -> Self {
        Self { dice: Dice::new(seed), per_mille, happened }
    }

    fn pick(&mut self, length: usize) -> Fault {
        const CODES: [u16; 5] = [409, 413, 500, 502, 503];
        let code = CODES[self.dice.index(CODES.len())];
        let wait = (self.dice.below(2) == 0).then_some(5);
        match self.dice.below(10) {
            0 | 1 => Fault::CutRequest(self.dice.index(length)),
            2 => Fault::CutAnswer(0),
            3 => Fault::CutAnswer(self.dice.index(200)),
            4 => Fault::Instead(code, wait),
            5 => Fault::After([500, 502, 504][self.dice.index(3)]),
            6 => Fault::Slow(self.dice.below(20)),
            7 => Fault::Clock(i64::try_from(self.dice.below(4000)).unwrap_or(0) - 1000),
            8 => Fault::Trickle(self.dice.below(5)),
            _ => Fault::Twice,
        }
    }
}

impl Plan for Random {
    fn fate(&mut self, method: &str, _path: &str, length: usize) -> Option<Fault> {
        if self.dice.below(1000) >= self.per_mille {
            return None;
        }
        let fault = self.pick(length);
        let mut happened = self.happened.lock().unwrap_or_else(PoisonError::into_inner);
        happened.push((method.to_owned(), fault.clone()));
        Some(fault)
    }
}
