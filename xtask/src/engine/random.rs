//! Random names and passwords, from the kernel.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::error::Trouble;

/// `bytes` random bytes as lower-case hexadecimal digits.
///
/// # Errors
/// `/dev/urandom` cannot be read.
pub fn hex(bytes: usize) -> Result<String, Trouble> {
    let path = Path::new("/dev/urandom");
    let mut buffer = vec![0; bytes];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut buffer))
        .map_err(|source| Trouble::io("read", path, &source))?;
    Ok(buffer.iter().map(|byte| format!("{byte:02x}")).collect())
}
