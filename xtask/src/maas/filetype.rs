//! What MAAS calls a file, from what is in it: MAAS itself never looks, and a
//! wrong type fails only when a machine is deployed.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use flate2::read::MultiGzDecoder;

/// One value of `filetype`: what MAAS stores, the compression and the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filetype {
    /// Field of a create.
    pub name: &'static str,
    /// As files of a set carry it.
    pub stored: &'static str,
    packed: Packed,
    content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packed {
    Gzip,
    Bzip2,
    Xz,
    Not,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    /// A root file system as tar.
    Root,
    /// A disk.
    Disk,
    /// A tar that holds a disk.
    DiskInTar,
}

const fn row(
    name: &'static str,
    stored: &'static str,
    packed: Packed,
    content: Content,
) -> Filetype {
    Filetype { name, stored, packed, content }
}

/// Everything MAAS accepts, the same in 3.0 to 3.8.
pub const ALL: [Filetype; 11] = [
    row("tgz", "root-tgz", Packed::Gzip, Content::Root),
    row("tbz", "root-tbz", Packed::Bzip2, Content::Root),
    row("txz", "root-txz", Packed::Xz, Content::Root),
    row("ddgz", "root-dd.gz", Packed::Gzip, Content::Disk),
    row("ddbz2", "root-dd.bz2", Packed::Bzip2, Content::Disk),
    row("ddxz", "root-dd.xz", Packed::Xz, Content::Disk),
    row("ddraw", "root-dd.raw", Packed::Not, Content::Disk),
    row("ddtgz", "root-dd", Packed::Gzip, Content::DiskInTar),
    row("ddtbz", "root-dd.tar.bz2", Packed::Bzip2, Content::DiskInTar),
    row("ddtxz", "root-dd.tar.xz", Packed::Xz, Content::DiskInTar),
    row("ddtar", "root-dd.tar", Packed::Not, Content::DiskInTar),
];

impl Filetype {
    /// By the field's value.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|t| t.name == name)
    }

    /// By what a file of a set says.
    #[must_use]
    pub fn stored_as(stored: &str) -> Option<Self> {
        ALL.into_iter().find(|t| t.stored == stored)
    }

    /// A whole disk rather than a file system.
    #[must_use]
    pub fn is_disk(self) -> bool {
        self.content != Content::Root
    }
}

/// The type of a file, or the `wanted` one if the content allows it.
///
/// # Errors
/// The file cannot be read, is nothing MAAS deploys, or is not what is wanted.
pub fn of(path: &Path, wanted: Option<Filetype>) -> Result<Filetype, String> {
    let shown = path.display();
    let mut head = vec![];
    File::open(path)
        .and_then(|file| file.take(64 << 10).read_to_end(&mut head))
        .map_err(|e| format!("{shown}: {e}"))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let found = sniff(&head, &name).map_err(|why| format!("{shown}: {why}"))?;
    let Some(wanted) = wanted else {
        return found.first().copied().ok_or_else(|| format!("{shown}: nothing MAAS deploys"));
    };
    if found.contains(&wanted) {
        return Ok(wanted);
    }
    let can = found.iter().map(|t| t.name).collect::<Vec<_>>().join(" or ");
    Err(format!("{shown} is no {}: by its content it is {can}", wanted.name))
}

/// Every type that fits, the likeliest first.
fn sniff(head: &[u8], name: &str) -> Result<Vec<Filetype>, String> {
    for (magic, why) in [
        (
            b"QFI\xfb".as_slice(),
            "it is a qcow2 disk\n  hint: cargo xtask pack makes an artifact of it",
        ),
        (b"\x28\xb5\x2f\xfd", "it is zstd, which MAAS does not take\n  hint: compress with gzip"),
        (b"hsqs", "it is squashfs, which cannot be uploaded\n  hint: upload a .tar.gz"),
    ] {
        if head.starts_with(magic) {
            return Err(why.into());
        }
    }
    let fitting = |packed, contents: &[Content]| {
        let find = |c: &Content| ALL.into_iter().find(|t| t.packed == packed && t.content == *c);
        contents.iter().filter_map(find).collect()
    };
    if head.starts_with(b"\x1f\x8b") {
        return Ok(fitting(Packed::Gzip, contents(&inflate(head)?)?));
    }
    for (magic, packed) in [(b"BZh".as_slice(), Packed::Bzip2), (b"\xfd7zXZ\0", Packed::Xz)] {
        if head.starts_with(magic) {
            // Only the name tells what is inside.
            let is_tar = name.contains(".tar") || name.contains(".tbz") || name.contains(".txz");
            let order: &[Content] =
                if is_tar { &[Content::Root, Content::DiskInTar] } else { &[Content::Disk] };
            return Ok(fitting(packed, order));
        }
    }
    match contents(head)? {
        [Content::Disk] => Ok(fitting(Packed::Not, &[Content::Disk])),
        _ if name.contains("dd") => Ok(fitting(Packed::Not, &[Content::DiskInTar])),
        _ => {
            Err("it is a tar that is not compressed, which MAAS does not take\n  hint: gzip it"
                .into())
        }
    }
}

/// Tar or disk, by the first 512 bytes.
fn contents(head: &[u8]) -> Result<&'static [Content], String> {
    if head.get(257..262) == Some(b"ustar") {
        return Ok(&[Content::Root, Content::DiskInTar]);
    }
    if head.get(510..512) == Some(b"\x55\xaa") {
        return Ok(&[Content::Disk]);
    }
    Err("inside is neither a tar nor a disk with a partition table\n  hint: MAAS takes gzipped tar \
         archives of a root file system and gzipped disks"
        .into())
}

fn inflate(head: &[u8]) -> Result<Vec<u8>, String> {
    let mut start = vec![];
    let read = MultiGzDecoder::new(head).take(512).read_to_end(&mut start);
    match read {
        Err(e) if start.len() < 512 => Err(format!("it is damaged gzip ({e})")),
        _ => Ok(start),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn tar() -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        bytes[257..262].copy_from_slice(b"ustar");
        bytes
    }

    fn disk() -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        bytes[510..512].copy_from_slice(b"\x55\xaa");
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(vec![], Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn the_content_decides() {
        let table: [(&str, Vec<u8>, Result<&str, &str>); 12] = [
            ("x.dd.gz", gzip(&tar()), Ok("tgz")),
            ("x.tar.gz", gzip(&disk()), Ok("ddgz")),
            ("x.gz", gzip(b"hello"), Err("neither a tar nor a disk")),
            ("x.gz", b"\x1f\x8bxx".to_vec(), Err("damaged gzip")),
            ("x.tar.xz", b"\xfd7zXZ\0".to_vec(), Ok("txz")),
            ("x.xz", b"\xfd7zXZ\0".to_vec(), Ok("ddxz")),
            ("x.tar.bz2", b"BZh9".to_vec(), Ok("tbz")),
            ("x.raw", disk(), Ok("ddraw")),
            ("x.tar", tar(), Err("gzip it")),
            ("x.qcow2", b"QFI\xfb".to_vec(), Err("xtask pack")),
            ("x", b"hsqs".to_vec(), Err("squashfs")),
            ("x", vec![], Err("neither")),
        ];
        for (name, bytes, expected) in table {
            match (sniff(&bytes, name), expected) {
                (Ok(found), Ok(name)) => assert_eq!(found[0].name, name),
                (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
                (got, _) => panic!("{name}: {got:?}"),
            }
        }
    }

    #[test]
    fn a_wish_against_the_content_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.tar.gz");
        std::fs::write(&path, gzip(&tar())).unwrap();
        assert_eq!(of(&path, Filetype::named("ddtgz")).unwrap().name, "ddtgz");
        let error = of(&path, Filetype::named("ddgz")).unwrap_err();
        assert!(error.contains("is no ddgz: by its content it is tgz or ddtgz"), "{error}");
    }
}
