//! GRUB for BIOS without grub-install: it would need the disk as a device.
//!
//! Offsets are those of GRUB 2's `boot.img` and `diskboot.img`, documented as
//! constants in its `include/grub/i386/pc/boot.h` and `kernel.h`.

use crate::media::MediaError;

/// Bytes of a sector.
pub(super) const SECTOR: usize = 512;
/// Boot code in the first sector; behind it come disk signature and table.
const BOOT_CODE: usize = 440;
/// `GRUB_BOOT_MACHINE_KERNEL_SECTOR`: where boot.img finds core.img.
const KERNEL_SECTOR: usize = 0x5c;
/// `GRUB_BOOT_MACHINE_DRIVE_CHECK`: a jump over the work-around for BIOSes that
/// pass a wrong drive number; grub-install blanks it for hard disks.
const DRIVE_CHECK: usize = 0x66;
const NOP: u8 = 0x90;
/// Last entry of diskboot.img's block list, at the end of core.img's first
/// sector: start (8 bytes), length (2), load segment (2).
const BLOCK_LIST: usize = SECTOR - 12;
/// `GRUB_BOOT_MACHINE_KERNEL_SEG` plus the first sector: where the rest of
/// core.img is loaded.
const LOAD_SEGMENT: u16 = 0x820;

/// Boot code for the first sector and core.img, linked to lie at sector `start`.
pub(super) struct BiosBoot {
    pub code: Vec<u8>,
    pub core: Vec<u8>,
}

/// Enters the place of `core` into both images. `room` is the size of the BIOS
/// boot partition in bytes.
pub(super) fn link(
    boot: &[u8],
    core: &[u8],
    start: u64,
    room: u64,
) -> Result<BiosBoot, MediaError> {
    let odd = |what: &str| MediaError::Tool(format!("GRUB's {what} has an unexpected size"));
    if boot.len() != SECTOR {
        return Err(odd("boot.img"));
    }
    let sectors = core.len().div_ceil(SECTOR);
    let rest = u16::try_from(sectors.saturating_sub(1)).map_err(|_| odd("core.img"))?;
    if sectors < 2 || core.len() as u64 > room {
        return Err(odd("core.img"));
    }
    let mut code = boot.to_vec();
    put(&mut code, KERNEL_SECTOR, &start.to_le_bytes());
    put(&mut code, DRIVE_CHECK, &[NOP, NOP]);
    code.truncate(BOOT_CODE);
    let mut core = core.to_vec();
    put(&mut core, BLOCK_LIST, &(start + 1).to_le_bytes());
    put(&mut core, BLOCK_LIST + 8, &rest.to_le_bytes());
    put(&mut core, BLOCK_LIST + 10, &LOAD_SEGMENT.to_le_bytes());
    Ok(BiosBoot { code, core })
}

/// Overwrites; offsets are constants within the sizes checked above.
fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = image.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_entered() {
        let linked = link(&[1; 512], &[2; 1300], 2048, 3 << 20).unwrap();
        assert_eq!(linked.code.len(), 440);
        assert_eq!(linked.code[0x5c..0x64], 2048_u64.to_le_bytes());
        assert_eq!(linked.code[0x66..0x68], [0x90, 0x90]);
        assert_eq!(linked.core[500..508], 2049_u64.to_le_bytes());
        assert_eq!(linked.core[508..512], [2, 0, 0x20, 0x08]);
        assert_eq!(linked.core.len(), 1300);
    }

    #[test]
    fn odd_images_are_refused() {
        assert!(link(&[0; 511], &[0; 1300], 2048, 4096).is_err());
        assert!(link(&[0; 512], &[0; 512], 2048, 4096).is_err());
        assert!(link(&[0; 512], &[0; 5000], 2048, 4096).is_err());
    }
}
