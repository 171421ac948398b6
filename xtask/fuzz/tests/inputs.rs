//! Every target on its seeds, on what once was a finding, and on mutations:
//! what is left of fuzzing where there is no C++ compiler.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use xtask::fuzz::{Form, TARGETS, Target};
use xtask_fuzz::mutate::{self, Random};
use xtask_fuzz::{limits, run_of};

/// Mutations of each seed; `ROUNDS` asks for more.
const ROUNDS: u64 = 100;
/// Inputs take milliseconds; this is for busy machines.
const TIME_MAX: Duration = Duration::from_secs(20);

fn inputs(kind: &str, target: &Target) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind).join(target.name);
    let Ok(files) = fs::read_dir(dir) else { return vec![] };
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
}

fn run(target: &Target, what: &str, input: &[u8]) {
    let start = Instant::now();
    run_of(target.name).unwrap()(input);
    let took = start.elapsed();
    assert!(took < TIME_MAX, "{} {what}: {took:?}", target.name);
}

fn mutated(target: &Target, seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut input = seed.to_vec();
    for _ in 0..1 + random.below(4) {
        match target.form {
            Form::Disk => mutate::disk(&mut input, random, |_| {}),
            Form::Bytes => mutate::bytes(&mut input, random),
        }
    }
    input
}

#[test]
fn no_input_is_a_finding() {
    limits::memory().unwrap();
    let rounds = std::env::var("ROUNDS").map_or(ROUNDS, |it| it.parse().unwrap());
    for target in TARGETS {
        let seeds = inputs("seeds", target);
        assert!(!seeds.is_empty() || !target.from_tree.is_empty(), "{} has no seeds", target.name);
        let old = inputs("regressions", target);
        for (name, input) in seeds.iter().chain(&old) {
            run(target, name, input);
        }
        for (name, seed) in &seeds {
            let mut random = Random(1);
            for round in 0..rounds {
                let input = mutated(target, seed, &mut random);
                run(target, &format!("{name}, mutation {round}"), &input);
            }
        }
        println!("{}: {} seeds, {} old findings", target.name, seeds.len(), old.len());
    }
}
