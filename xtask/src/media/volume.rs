//! Recognises a medium by its volume label, so that the wrong one is refused
//! before anything starts from it.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use crate::arch::Arch;
use crate::catalog;

use super::MediaError;

/// ECMA-119: descriptors begin at sector 16, sectors have 2048 bytes.
const FIRST: u64 = 16;
const SECTOR: usize = 2048;

/// More descriptors than any medium has.
const MOST: u64 = 64;

/// The volume identifier of an ISO 9660 file system; `None` if it is none.
///
/// # Errors
/// The file cannot be read.
pub fn label(path: &Path) -> Result<Option<String>, MediaError> {
    let failed = |source| MediaError::Io { action: "cannot read", path: path.into(), source };
    let mut file = File::open(path).map_err(failed)?;
    let mut sector = [0_u8; SECTOR];
    for number in FIRST..FIRST + MOST {
        file.seek(SeekFrom::Start(number * SECTOR as u64)).map_err(failed)?;
        match file.read_exact(&mut sector) {
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            other => other.map_err(failed)?,
        }
        match &sector {
            // 255 ends the set, 1 is the primary descriptor.
            [255, b'C', b'D', b'0', b'0', b'1', ..] => return Ok(None),
            [1, b'C', b'D', b'0', b'0', b'1', ..] => {
                let name = sector.get(40..72).unwrap_or_default();
                return Ok(Some(String::from_utf8_lossy(name).trim().to_owned()));
            }
            [_, b'C', b'D', b'0', b'0', b'1', ..] => {}
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// True for a label that `pattern` means; case does not matter on CDs.
#[must_use]
pub fn is_named(label: &str, pattern: &str) -> bool {
    catalog::glob(&pattern.to_lowercase(), &label.to_lowercase())
}

/// What is wrong with a medium, if it is not the one that `pattern` names or
/// is of another architecture.
///
/// # Errors
/// The file cannot be read.
pub fn mismatch(path: &Path, pattern: &str, arch: Arch) -> Result<Option<String>, MediaError> {
    let Some(label) = label(path)? else {
        return Ok(Some("it is no installation medium: there is no ISO 9660 label in it".into()));
    };
    if !is_named(&label, pattern) {
        return Ok(Some(format!("its label is `{label}`, not `{pattern}`")));
    }
    let names = |arch: Arch| label.to_lowercase().contains(arch.rpm());
    let other = Arch::ALL.into_iter().find(|a| *a != arch && names(*a));
    Ok(other.filter(|_| !names(arch)).map(|other| {
        format!("its label is `{label}`: a medium for {}, not for {}", other.name(), arch.name())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Synthetic: a boot record, then the primary descriptor, as ECMA-119 has them.
    fn medium(label: &str) -> tempfile::NamedTempFile {
        let mut bytes = vec![0_u8; 18 * SECTOR];
        bytes[16 * SECTOR..16 * SECTOR + 6].copy_from_slice(b"\0CD001");
        bytes[17 * SECTOR..17 * SECTOR + 6].copy_from_slice(b"\x01CD001");
        let name = format!("{label:<32}");
        bytes[17 * SECTOR + 40..17 * SECTOR + 72].copy_from_slice(name.as_bytes());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn labels_decide() {
        for (label, pattern, arch, part) in [
            ("RHEL-9-8-0-BaseOS-x86_64", "RHEL-9-*", Arch::Amd64, None),
            ("RHEL-8-10-0-BaseOS-x86_64", "RHEL-9-*", Arch::Amd64, Some("not `RHEL-9-*`")),
            ("RHEL-9-8-0-BaseOS-x86_64", "RHEL-9-*", Arch::Arm64, Some("a medium for amd64")),
            ("SLE-15-SP7-FULL-X86641234.1", "SLE-15-SP*", Arch::Arm64, None),
        ] {
            let file = medium(label);
            let found = mismatch(file.path(), pattern, arch).unwrap();
            match part {
                None => assert_eq!(found, None, "{label}"),
                Some(part) => assert!(found.unwrap().contains(part), "{label}"),
            }
        }
    }

    #[test]
    fn other_files_have_no_label() {
        for bytes in [vec![], vec![0; 100], vec![0; 40 * SECTOR], vec![0xff; 17 * SECTOR]] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), bytes).unwrap();
            assert_eq!(label(file.path()).unwrap(), None);
            assert!(mismatch(file.path(), "*", Arch::Amd64).unwrap().is_some());
        }
        assert!(label(Path::new("/nowhere.iso")).is_err());
    }
}
