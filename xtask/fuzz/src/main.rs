//! One target under libFuzzer; started by `cargo xtask fuzz`, which names the
//! target in the environment.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use xtask::fuzz::{Form, TARGET_VARIABLE, Target};
use xtask_fuzz::mutate::{self, Random};
use xtask_fuzz::{Run, limits, run_of};

static TARGET: LazyLock<(&'static Target, Run)> = LazyLock::new(|| {
    let name = std::env::var(TARGET_VARIABLE).unwrap_or_default();
    let target = xtask::fuzz::named(&name).and_then(|target| Some((target, run_of(target.name)?)));
    target.unwrap_or_else(|| {
        eprintln!("{TARGET_VARIABLE} names no target: `{name}`");
        std::process::exit(2)
    })
});

fuzz_target!(
    init: if let Err(error) = limits::memory() {
        eprintln!("cannot limit memory: {error}");
        std::process::exit(2)
    },
    |data: &[u8]| TARGET.1(data)
);

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if TARGET.0.form == Form::Bytes {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut random = Random(u64::from(seed));
    if let Some(disk) = data.get_mut(..size) {
        mutate::disk(disk, &mut random, |piece| {
            let len = piece.len();
            fuzzer_mutate(piece, len, len);
        });
    }
    size
});
