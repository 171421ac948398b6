//! Values of the flags of `pack`.

use disk_image::gzip;
use disk_image::policy::Kind;

/// `--kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum KindArg {
    /// The root file system as a gzipped tar archive.
    Tgz,
    /// The whole disk, gzipped.
    Ddgz,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Tgz => Self::Tgz,
            KindArg::Ddgz => Self::Ddgz,
        }
    }
}

/// `--level`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LevelArg {
    /// Half the CPU time, 9 % larger.
    Fast,
    /// Smaller than `pigz -9`, at a ninth of its CPU time.
    #[default]
    Default,
    /// 3 % smaller, more than ten times the CPU time.
    Small,
}

impl From<LevelArg> for gzip::Level {
    fn from(level: LevelArg) -> Self {
        match level {
            LevelArg::Fast => Self::Fast,
            LevelArg::Default => Self::Default,
            LevelArg::Small => Self::Small,
        }
    }
}

/// `--disk-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum FormatArg {
    /// The bytes of the disk.
    Raw,
    /// QEMU's copy-on-write format.
    Qcow2,
}
