//! `ksvalidator`, which no release of Debian packages: pykickstart from PyPI in
//! a virtual environment of its own, by hash.

use std::path::Path;

/// What apt has to bring for it; `requests` is its only dependency.
pub const PACKAGES: &[&str] = &["python3-venv", "python3-requests"];

/// The two files pip may take, in the order in which it needs them: pykickstart
/// 3.78 is built by setuptools 77 or newer, and Debian 12 has 66. Source of the
/// hashes: own runs of `pip download --no-deps NAME==VERSION; sha256sum FILE`.
pub const REQUIREMENTS: [(&str, &str); 2] = [
    (
        "setuptools.txt",
        "setuptools==80.9.0 \
         --hash=sha256:062d34222ad13e0cc312a4c02d73f059e86a4acbfbdea8f8f76b28c99f306922\n",
    ),
    (
        "pykickstart.txt",
        "pykickstart==3.78 \
         --hash=sha256:f9752920e48408a21588cf734a49cab6f4bdf7ab80c3262099a775bc9abb1895\n",
    ),
];

/// Makes the environment, empty.
#[must_use]
pub fn make(dir: &Path) -> Vec<String> {
    let dir = dir.display().to_string();
    ["python3", "-m", "venv", "--clear", "--system-site-packages", &dir].map(str::to_owned).into()
}

/// Installs what one file of [`REQUIREMENTS`] names into it.
#[must_use]
pub fn install(dir: &Path, file: &str) -> Vec<String> {
    let pip = dir.join("bin/pip").display().to_string();
    let file = dir.join(file).display().to_string();
    let options = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--require-hashes"];
    let words = std::iter::once(pip.as_str()).chain(options).chain(["-r", &file]);
    words.map(str::to_owned).collect()
}
