//! The smallest guests that prove an accelerator: machine code that sets up
//! what every kernel sets up, writes [`MARKER`] to the serial port and powers
//! the machine off.
//!
//! A guest that only runs real-mode code proves nothing: some hosts offer a
//! `/dev/kvm` that emulates integer code instruction by instruction and stops
//! with "KVM internal error" at the first one it does not know. So the PC guest
//! enters long mode with paging on and uses the FPU, SSE and CPUID.

use crate::arch::Arch;

/// What the guest writes to its serial port.
pub const MARKER: &str = "xtask: guest ran\n";

/// QEMU's exit code after the PC guest wrote 0x2a to `isa-debug-exit`, which
/// returns `(value << 1) | 1` (hw/misc/debugexit.c).
pub const PC_EXIT: i32 = (0x2a << 1) | 1;

/// QEMU's exit code after the arm64 guest called PSCI `SYSTEM_OFF`.
pub const ARM64_EXIT: i32 = 0;

/// The guest's image: a boot sector for amd64, a flat kernel for arm64.
#[must_use]
pub fn image(arch: Arch) -> Vec<u8> {
    match arch {
        Arch::Amd64 => boot_sector(),
        Arch::Arm64 => ARM64_CODE.concat().into_iter().chain(text()).collect(),
    }
}

/// Exit code with which QEMU reports success.
#[must_use]
pub const fn exit_code(arch: Arch) -> i32 {
    match arch {
        Arch::Amd64 => PC_EXIT,
        Arch::Arm64 => ARM64_EXIT,
    }
}

/// The marker as the guests want it: ended by a zero byte.
fn text() -> impl Iterator<Item = u8> {
    MARKER.bytes().chain([0])
}

/// 512 bytes that BIOS loads to 0x7c00.
fn boot_sector() -> Vec<u8> {
    let mut sector: Vec<u8> = PC_CODE.concat().into_iter().chain(text()).collect();
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    sector
}

/// One instruction or datum a line. Labels are absolute: `gdt` is 0x7c98,
/// `gdtr` 0x7cb8, the marker 0x7cbe.
const PC_CODE: &[&[u8]] = &[
    // 0x7c00, real mode: flat segments, a stack below us.
    &[0xfa],             // cli
    &[0x31, 0xc0],       // xor ax, ax
    &[0x8e, 0xd8],       // mov ds, ax
    &[0x8e, 0xc0],       // mov es, ax
    &[0x8e, 0xd0],       // mov ss, ax
    &[0xbc, 0x00, 0x7c], // mov sp, 0x7c00
    &[0xfc],             // cld
    // Page tables at 0x1000: the first 2 MiB map to themselves.
    &[0xbf, 0x00, 0x10],                   // mov di, 0x1000
    &[0xb9, 0x00, 0x18],                   // mov cx, 0x1800
    &[0xf3, 0xab],                         // rep stosw
    &[0xc7, 0x06, 0x00, 0x10, 0x03, 0x20], // mov word [0x1000], 0x2003
    &[0xc7, 0x06, 0x00, 0x20, 0x03, 0x30], // mov word [0x2000], 0x3003
    &[0xc7, 0x06, 0x00, 0x30, 0x83, 0x00], // mov word [0x3000], 0x0083
    // Protected mode.
    &[0x66, 0x0f, 0x01, 0x16, 0xb8, 0x7c], // lgdtl [gdtr]
    &[0x0f, 0x20, 0xc0],                   // mov eax, cr0
    &[0x0c, 0x01],                         // or al, 1
    &[0x0f, 0x22, 0xc0],                   // mov cr0, eax
    &[0x66, 0xea, 0x3d, 0x7c, 0x00, 0x00, 0x08, 0x00], // ljmpl 0x08:0x7c3d
    // 0x7c3d, 32 bits: PAE, SSE allowed, long mode enabled, paging on.
    &[0x66, 0xb8, 0x10, 0x00],                   // mov ax, 0x10
    &[0x8e, 0xd8],                               // mov ds, ax
    &[0x8e, 0xd0],                               // mov ss, ax
    &[0xb8, 0x20, 0x06, 0x00, 0x00],             // mov eax, 0x620
    &[0x0f, 0x22, 0xe0],                         // mov cr4, eax
    &[0xb8, 0x00, 0x10, 0x00, 0x00],             // mov eax, 0x1000
    &[0x0f, 0x22, 0xd8],                         // mov cr3, eax
    &[0xb9, 0x80, 0x00, 0x00, 0xc0],             // mov ecx, 0xc0000080 (EFER)
    &[0x0f, 0x32],                               // rdmsr
    &[0x80, 0xcc, 0x01],                         // or ah, 1
    &[0x0f, 0x30],                               // wrmsr
    &[0xb8, 0x13, 0x00, 0x00, 0x80],             // mov eax, 0x80000013
    &[0x0f, 0x22, 0xc0],                         // mov cr0, eax
    &[0xea, 0x70, 0x7c, 0x00, 0x00, 0x18, 0x00], // ljmpl 0x18:0x7c70
    // 0x7c70, 64 bits: FPU, SSE, CPUID, then the marker.
    &[0xdb, 0xe3],                   // fninit
    &[0x66, 0x48, 0x0f, 0x6e, 0xc4], // movq xmm0, rsp
    &[0x66, 0x0f, 0xd4, 0xc0],       // paddq xmm0, xmm0
    &[0x31, 0xc0],                   // xor eax, eax
    &[0x0f, 0xa2],                   // cpuid
    &[0xbe, 0xbe, 0x7c, 0x00, 0x00], // mov esi, 0x7cbe
    &[0xba, 0xf8, 0x03, 0x00, 0x00], // mov edx, 0x3f8 (COM1)
    &[0xac],                         // lodsb
    &[0x84, 0xc0],                   // test al, al
    &[0x74, 0x03],                   // jz +3
    &[0xee],                         // out dx, al
    &[0xeb, 0xf8],                   // jmp -8
    &[0xb0, 0x2a],                   // mov al, 0x2a
    &[0xe6, 0xf4],                   // out 0xf4, al (isa-debug-exit)
    &[0xf4],                         // hlt
    &[0xeb, 0xfd],                   // jmp -3
    // 0x7c98, gdt: none, 32-bit code, data, 64-bit code.
    &[0, 0, 0, 0, 0, 0, 0, 0],
    &[0xff, 0xff, 0x00, 0x00, 0x00, 0x9a, 0xcf, 0x00],
    &[0xff, 0xff, 0x00, 0x00, 0x00, 0x92, 0xcf, 0x00],
    &[0xff, 0xff, 0x00, 0x00, 0x00, 0x9a, 0xaf, 0x00],
    // 0x7cb8, gdtr
    &[0x1f, 0x00],
    &[0x98, 0x7c, 0x00, 0x00],
];

/// Instructions of the arm64 guest, little-endian words. Position independent;
/// the marker follows at 0x3c.
const ARM64_CODE: &[[u8; 4]] = &[
    0xd2a0_0603_u32.to_le_bytes(), // mov  x3, #0x300000 (FPEN)
    0xd518_1043_u32.to_le_bytes(), // msr  cpacr_el1, x3
    0xd503_3fdf_u32.to_le_bytes(), // isb
    0x9e67_0060_u32.to_le_bytes(), // fmov d0, x3
    0xd2a1_2001_u32.to_le_bytes(), // mov  x1, #0x9000000 (PL011 of `virt`)
    0x1000_0142_u32.to_le_bytes(), // adr  x2, 0x3c
    0x3840_1440_u32.to_le_bytes(), // ldrb w0, [x2], #1
    0x3400_0060_u32.to_le_bytes(), // cbz  w0, +12
    0xb900_0020_u32.to_le_bytes(), // str  w0, [x1]
    0x17ff_fffd_u32.to_le_bytes(), // b    -12
    0x5280_0100_u32.to_le_bytes(), // mov  w0, #8
    0x72b0_8000_u32.to_le_bytes(), // movk w0, #0x8400, lsl #16 (SYSTEM_OFF)
    0xd400_0002_u32.to_le_bytes(), // hvc  #0
    0xd503_207f_u32.to_le_bytes(), // wfi
    0x17ff_ffff_u32.to_le_bytes(), // b    -4
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_where_the_code_says() {
        let sector = image(Arch::Amd64);
        assert_eq!(sector.len(), 512);
        assert_eq!(sector[510..], [0x55, 0xaa]);
        assert_eq!(sector[0x98..0xa0], [0; 8], "gdt");
        assert_eq!(sector[0xb8..0xbe], [0x1f, 0, 0x98, 0x7c, 0, 0], "gdtr");
        assert_eq!(&sector[0xbe..0xbe + MARKER.len()], MARKER.as_bytes());
        assert_eq!(sector[0x3d..0x41], [0x66, 0xb8, 0x10, 0x00], "32-bit entry");
        assert_eq!(sector[0x70..0x72], [0xdb, 0xe3], "64-bit entry");
        assert_eq!(&image(Arch::Arm64)[0x3c..0x3c + MARKER.len()], MARKER.as_bytes());
    }
}
