//! The targets: which function each name of [`xtask::fuzz::TARGETS`] is.

mod archive;
mod disk;
mod text;
mod visit;

use crate::Run;

/// The function of a target; `None` if there is no such target.
#[must_use]
pub fn run_of(name: &str) -> Option<Run> {
    Some(match name {
        "hcl" => text::hcl,
        "template" => text::template,
        "image-toml" => text::image_toml,
        "kickstart" => text::kickstart,
        "xml" => text::xml,
        "qcow2" => disk::qcow2,
        "partition" => disk::partition,
        "lvm" => disk::lvm,
        "ext4" | "xfs" | "fat" => disk::file_system,
        "tar" => archive::tar,
        "gzip" => archive::gzip,
        "rpmdb" => archive::rpmdb,
        "maas-json" => text::maas_json,
        "sqlite" => text::sqlite,
        _ => return None,
    })
}

/// Keeps the compiler from leaving out what makes `value`.
fn used<T>(value: T) {
    std::hint::black_box(&value);
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_listed_target_has_a_function() {
        for target in xtask::fuzz::TARGETS {
            assert!(super::run_of(target.name).is_some(), "{}", target.name);
        }
    }
}
