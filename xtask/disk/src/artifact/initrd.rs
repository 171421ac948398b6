//! What is in an initrd: names of its files, without unpacking it to disk.
//!
//! An initrd is a row of cpio archives (`newc`, cpio(5)), each plain or
//! compressed, with zeros between them (Linux,
//! Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;

/// Names in an initrd.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Initrd {
    /// Paths below the root.
    pub names: BTreeSet<String>,
    /// Why not all of it could be read.
    pub unread: Option<String>,
}

/// Longest name that is believed.
const MAX_NAME: usize = 4096;
/// Bytes of a `newc` header.
const HEADER: usize = 110;
/// Formats that the kernel reads and we do not.
const OTHER: &[(&[u8], &str)] = &[
    (b"\xfd7zXZ\0", "xz"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"BZh", "bzip2"),
    (b"\x5d\0\0", "lzma"),
    (b"\x89LZO", "lzo"),
];

impl Initrd {
    /// Lists `bytes`. `None` if they are no initrd at all.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut found = Self::default();
        let mut rest = bytes;
        loop {
            let zeros = rest.iter().take_while(|&&byte| byte == 0).count();
            rest = rest.get(zeros..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            if let Err(why) = found.segment(&mut rest) {
                if found.names.is_empty() && why == UNKNOWN {
                    return None;
                }
                found.unread = Some(why);
                break;
            }
        }
        Some(found)
    }

    /// Whether a kernel module of this name is in it.
    pub fn has_module(&self, module: &str) -> bool {
        self.names.iter().any(|name| is_module(name, module))
    }

    /// One archive, which `rest` is moved behind.
    fn segment(&mut self, rest: &mut &[u8]) -> Result<(), String> {
        let all = *rest;
        if all.starts_with(b"0707") {
            return self.archive(rest).map_err(|error| error.to_string());
        }
        if all.starts_with(b"\x1f\x8b") {
            let mut gzip = BufReader::new(GzDecoder::new(all));
            self.archives(&mut gzip).map_err(|error| format!("gzip: {error}"))?;
            *rest = gzip.into_inner().into_inner();
            return Ok(());
        }
        if all.starts_with(b"\x28\xb5\x2f\xfd") {
            let decoder = ruzstd::decoding::StreamingDecoder::new(all);
            let decoder = decoder.map_err(|error| format!("zstd: {error}"))?;
            self.archives(&mut BufReader::new(decoder))
                .map_err(|error| format!("zstd: {error}"))?;
            // A compressed archive is the last.
            *rest = &[];
            return Ok(());
        }
        let other = OTHER.iter().find(|(magic, _)| all.starts_with(magic));
        Err(other.map_or_else(|| UNKNOWN.into(), |(_, name)| format!("compressed by {name}")))
    }

    fn archives(&mut self, input: &mut impl BufRead) -> io::Result<()> {
        loop {
            match input.fill_buf()? {
                [] => return Ok(()),
                [0, ..] => input.consume(1),
                _ => self.archive(input)?,
            }
        }
    }

    /// Entries up to the trailer.
    fn archive(&mut self, input: &mut impl Read) -> io::Result<()> {
        let bad = |text: &str| io::Error::new(io::ErrorKind::InvalidData, text.to_owned());
        loop {
            let mut header = [0; HEADER];
            input.read_exact(&mut header)?;
            if !matches!(header.get(..6), Some(b"070701" | b"070702")) {
                return Err(bad("no cpio header where one should be"));
            }
            let field = |at: usize| {
                let digits = header.get(6 + at * 8..14 + at * 8).unwrap_or_default();
                let text = std::str::from_utf8(digits).unwrap_or_default();
                u64::from_str_radix(text, 16).map_err(|_| bad("a cpio header without numbers"))
            };
            let size = field(6)?;
            let length = usize::try_from(field(11)?).unwrap_or(usize::MAX);
            if length > MAX_NAME {
                return Err(bad("a name in it is too long"));
            }
            let mut name = vec![0; length];
            input.read_exact(&mut name)?;
            skip(input, padding(HEADER + length))?;
            let name = String::from_utf8_lossy(name.strip_suffix(b"\0").unwrap_or(&name));
            if name == "TRAILER!!!" {
                return Ok(());
            }
            skip(input, size)?;
            skip(input, size.wrapping_neg() % 4)?;
            self.names.insert(name.trim_start_matches("./").to_owned());
        }
    }
}

const UNKNOWN: &str = "no cpio archive and no compression that is known";

/// `.../nvme.ko`, `nvme.ko.zst`; the kernel takes `-` and `_` for the same.
fn is_module(path: &str, module: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or_default();
    let stem = file.split_once(".ko").map(|(stem, _)| stem.replace('-', "_"));
    stem.is_some_and(|stem| stem == module.replace('-', "_"))
}

/// Bytes up to the next multiple of four.
fn padding(length: usize) -> u64 {
    [0, 3, 2, 1].get(length % 4).copied().unwrap_or(0)
}

fn skip(input: &mut impl Read, length: u64) -> io::Result<()> {
    let skipped = io::copy(&mut input.take(length), &mut io::sink())?;
    if skipped == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// synthetic, by cpio(5): names with a few bytes of content.
    fn cpio(names: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for name in names.iter().chain(&["TRAILER!!!"]) {
            let size = if *name == "TRAILER!!!" { 0 } else { 5 };
            let mut fields = [0; 13];
            fields[6] = size;
            fields[11] = name.len() + 1;
            out.extend(b"070701");
            fields.iter().for_each(|field| out.extend(format!("{field:08x}").bytes()));
            out.extend(name.bytes().chain([0]));
            out.resize(out.len().next_multiple_of(4), 0);
            out.extend(vec![b'x'; size]);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn plain_and_compressed_archives_in_a_row() {
        let main = cpio(&["usr/lib/modules/6.1/kernel/drivers/nvme/host/nvme-core.ko.xz", "init"]);
        let zstd = ruzstd::encoding::compress_to_vec(
            &main[..],
            ruzstd::encoding::CompressionLevel::Uncompressed,
        );
        for main in [main.clone(), gzip(&main), zstd] {
            let bytes = [cpio(&["kernel/x86/microcode/AMD.bin"]), vec![0; 512], main].concat();
            let initrd = Initrd::read(&bytes).unwrap();
            assert_eq!((initrd.names.len(), initrd.unread.as_deref()), (3, None));
            assert!(initrd.has_module("nvme_core") && !initrd.has_module("nvme"));
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let early = cpio(&["a"]);
        let xz = [&early[..], b"\xfd7zXZ\0rest"].concat();
        assert_eq!(Initrd::read(&xz).unwrap().unread.unwrap(), "compressed by xz");
        assert_eq!(Initrd::read(b"\xfd7zXZ\0").unwrap().unread.unwrap(), "compressed by xz");
        assert!(Initrd::read(&early[..early.len() - 30]).unwrap().unread.is_some());
        assert_eq!(Initrd::read(b"stand-in"), None);
        assert_eq!(Initrd::read(b""), Some(Initrd::default()));
    }

    #[test]
    fn hostile_bytes_are_no_crash() {
        let whole = [cpio(&["a", "b/c.ko"]), gzip(&cpio(&["d"]))].concat();
        for at in 0..whole.len() {
            for byte in [0, 0xff, b'f'] {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                drop(Initrd::read(&bytes));
            }
            drop(Initrd::read(&whole[..at]));
        }
    }
}
