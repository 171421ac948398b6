//! A tree, the disk made of it, and requests to pack that.

use std::fs;
use std::path::{Path, PathBuf};

use disk_image::pack::{PackRequest, Packed, RootSelector, Watch, pack};
use disk_image::policy::Kind;
use disk_image::{Result, gzip};

/// A disk made of a tree.
pub struct Bench {
    pub dir: tempfile::TempDir,
    pub root: PathBuf,
    pub disk: PathBuf,
}

/// An ext4 disk without partitions, its tree made by `fill`.
pub fn bench(fill: impl FnOnce(&Path)) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let (root, disk) = (dir.path().join("root"), dir.path().join("disk.raw"));
    fs::create_dir(&root).unwrap();
    fill(&root);
    super::make_ext4(&root, &disk);
    Bench { dir, root, disk }
}

impl Bench {
    pub fn request(&self, name: &str) -> PackRequest {
        PackRequest {
            disk: self.disk.clone(),
            disk_format: None,
            root: RootSelector::Auto,
            mounts: Vec::new(),
            kind: Kind::Tgz,
            keep: Vec::new(),
            add: Vec::new(),
            gzip: gzip::Options::default(),
            output: self.dir.path().join(name),
            allow_tiny: true,
        }
    }

    pub fn pack(&self, request: &PackRequest) -> Result<Packed> {
        pack(request, &Watch::default())
    }
}
