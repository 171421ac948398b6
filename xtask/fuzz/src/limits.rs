//! Memory: more than an input may take is a finding.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Most memory, bytes: 512 MiB for what an input needs, and what the engine
/// holds itself (its corpus is at most a few MiB).
const MOST: u64 = 640 << 20;

/// Makes larger allocations fail, which ends the process.
///
/// # Errors
/// The kernel refuses.
pub fn memory() -> std::io::Result<()> {
    let limit = Rlimit { current: Some(MOST), ..getrlimit(Resource::Data) };
    Ok(setrlimit(Resource::Data, limit)?)
}
