//! What a VM takes from the host.

use packer_hcl::body::Body;
use packer_hcl::diagnostic::Diagnostic;
use serde::Serialize;

/// Packer's defaults where the template says nothing: 512 MiB, 1 CPU, 40 GiB.
const DEFAULT_MEMORY_MIB: u64 = 512;
const DEFAULT_DISK: &str = "40960M";

/// Memory, CPUs and disk of a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// MiB.
    pub memory_mib: u64,
    /// Virtual CPUs.
    pub cpus: u64,
    /// Bytes the disk may grow to.
    pub disk: u64,
}

/// Reads it from an evaluated qemu source.
///
/// # Errors
/// A value of the wrong type, with its place.
pub fn size(body: &Body) -> Result<Size, Diagnostic> {
    let number = |name: &str, default: u64| {
        Ok(body
            .int(name)?
            .and_then(|n| u64::try_from(n).ok())
            .filter(|n| *n > 0)
            .unwrap_or(default))
    };
    let text = body.string("disk_size")?.unwrap_or_else(|| DEFAULT_DISK.into());
    let disk = bytes(&text).ok_or_else(|| {
        body.invalid("disk_size", "a number with one of the units K, M, G, T is required")
    })?;
    Ok(Size { memory_mib: number("memory", DEFAULT_MEMORY_MIB)?, cpus: number("cpus", 1)?, disk })
}

/// A size as `qemu-img` takes it; a plain number is MiB, as in Packer.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit = match text.get(digits.len()..)?.to_ascii_lowercase().as_str() {
        "" | "m" | "mb" => 1 << 20,
        "k" | "kb" => 1 << 10,
        "g" | "gb" => 1 << 30,
        "t" | "tb" => 1 << 40,
        "b" => 1,
        _ => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(bytes("8G"), Some(8 << 30));
        assert_eq!(bytes("4096"), Some(4 << 30));
        assert_eq!(bytes("512k"), Some(512 << 10));
        for wrong in ["", "G", "8X", "-1G", "99999999999T"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
