//! Files that the VM needs: disks, the CD with the template's files, the
//! private copy of the firmware's variables.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::error::Trouble;
use super::host::{Efi, Flash, QemuHost, WorkPaths};
use super::spec::{DiskFormat, Firmware, VmSpec};
use crate::cmd::Cmd;
use crate::signal::CancelToken;

/// What the functions here share.
pub struct Workshop<'a> {
    /// The source.
    pub spec: &'a VmSpec,
    /// The host's tools.
    pub host: &'a QemuHost,
    /// Where to write.
    pub paths: &'a WorkPaths,
    /// Stops the tools.
    pub cancel: &'a CancelToken,
}

impl Workshop<'_> {
    /// Makes the disks, in the order of Packer: the build's own first.
    ///
    /// # Errors
    /// `qemu-img` fails, or the medium is not there.
    pub fn disks(&self) -> Result<Vec<PathBuf>, Trouble> {
        let spec = self.spec;
        if !spec.medium.is_file() {
            let medium = spec.medium.display();
            return Err(Trouble::host(format!(
                "the medium {medium} is not there (hint: it was there when the build began; was it moved?)"
            )));
        }
        let first = self.paths.output.join(&spec.vm_name);
        if spec.disk_image {
            self.image(&first)?;
        } else {
            self.create(&first, &spec.disk.size, &[])?;
        }
        let mut disks = vec![first];
        for (number, size) in (1..).zip(&spec.disk.additional) {
            let disk = self.paths.output.join(format!("{}-{number}", spec.vm_name));
            self.create(&disk, size, &[])?;
            disks.push(disk);
        }
        Ok(disks)
    }

    fn image(&self, disk: &Path) -> Result<(), Trouble> {
        let spec = self.spec;
        if spec.disk.use_backing_file {
            let medium = spec.medium.to_string_lossy();
            // The format of the medium, not a guess of QEMU's: a raw image could
            // pretend to be a qcow2 with a backing file of its choice.
            let format = format_of(&spec.medium)?;
            self.create(disk, &spec.disk.size, &["-b", &medium, "-F", format])?;
        } else {
            let mut args = spec.disk.convert_args.clone();
            args.extend(["-f".into(), format_of(&spec.medium)?.into()]);
            args.extend(["-O".into(), spec.disk.format.name().into()]);
            self.qemu_img("copy the medium", "convert", &args, &[&spec.medium, disk])?;
        }
        if spec.disk.skip_resize {
            return Ok(());
        }
        let mut args = vec!["-f".into(), spec.disk.format.name().into()];
        args.extend(spec.disk.resize_args.clone());
        self.qemu_img("resize the disk", "resize", &args, &[disk, Path::new(&spec.disk.size)])
    }

    fn create(&self, disk: &Path, size: &str, backing: &[&str]) -> Result<(), Trouble> {
        let mut args = vec!["-q".into(), "-f".into(), self.spec.disk.format.name().into()];
        args.extend(backing.iter().map(|arg| (*arg).to_owned()));
        args.extend(self.spec.disk.create_args.clone());
        self.qemu_img("create the disk", "create", &args, &[disk, Path::new(size)])
    }

    /// Rewrites the finished disk with compressed clusters, if that is asked for.
    /// Packer also rewrites every other qcow2 disk without a backing file to
    /// make it smaller; packing reads only what is in use, so we do not.
    ///
    /// # Errors
    /// `qemu-img` fails.
    pub fn compress(&self, disk: &Path) -> Result<(), Trouble> {
        let disk_spec = &self.spec.disk;
        if !disk_spec.compress || disk_spec.format != DiskFormat::Qcow2 {
            return Ok(());
        }
        let mut smaller = disk.to_path_buf().into_os_string();
        smaller.push(".convert");
        let smaller = PathBuf::from(smaller);
        let mut args = vec!["-c".into()];
        args.extend(disk_spec.convert_args.clone());
        args.extend(["-O".into(), disk_spec.format.name().into()]);
        self.qemu_img("compress the disk", "convert", &args, &[disk, &smaller])?;
        fs::rename(&smaller, disk).map_err(|source| Trouble::io("replace", disk, &source))
    }

    fn qemu_img(
        &self,
        purpose: &str,
        command: &str,
        args: &[String],
        operands: &[&Path],
    ) -> Result<(), Trouble> {
        Cmd::new(&self.host.qemu_img, purpose)
            .cwd(&self.paths.root)
            .arg(command)
            .args(args)
            .args(operands)
            .log(self.paths.build_log())
            .cancel(self.cancel)
            .run()?;
        Ok(())
    }

    /// Makes the CD, if the template has files for one.
    ///
    /// # Errors
    /// A file is missing, a path leaves the CD, `xorriso` is missing or fails.
    pub fn cd(&self) -> Result<Option<PathBuf>, Trouble> {
        let cd = &self.spec.cd;
        if !cd.is_wanted() {
            return Ok(None);
        }
        // Its content may hold the password of the build.
        let root = self.paths.secrets.join("cd");
        make_dir(&root)?;
        for file in &cd.files {
            add_files(&root, &self.paths.template.join(file))?;
        }
        for (name, content) in &cd.content {
            add_content(&root, name, content)?;
        }
        let iso = self.paths.secrets.join("cd.iso");
        let tool = self.host.xorriso.clone().unwrap_or_else(|| PathBuf::from("xorriso"));
        Cmd::new(tool, "make the CD with the template's files")
            .cwd(&self.paths.root)
            .args(["-as", "genisoimage", "-quiet", "-rock", "-joliet", "-volid"])
            .arg(cd.label.as_deref().unwrap_or("packer"))
            .arg("-output")
            .args([&iso, &root])
            .log(self.paths.build_log())
            .cancel(self.cancel)
            .run()?;
        Ok(Some(iso))
    }

    /// The firmware's code and a private copy of its variables, if the machine
    /// boots by UEFI.
    ///
    /// # Errors
    /// No pair is known, or the files cannot be read or copied.
    pub fn efi(&self) -> Result<Option<Efi>, Trouble> {
        let Firmware::Efi { code, vars } = &self.spec.firmware else { return Ok(None) };
        let known = self.host.firmware.as_ref();
        let code = pick(code.as_deref(), known.map(|pair| &pair.code))?;
        let vars = pick(vars.as_deref(), known.map(|pair| &pair.vars))?;
        let copy = self.paths.output.join("efivars.fd");
        // Read and write, not copy: distributions ship it read-only, and a copy
        // would be so too.
        fs::read(&vars.path)
            .and_then(|bytes| fs::write(&copy, bytes))
            .map_err(|source| Trouble::io("copy the firmware variables", &vars.path, &source))?;
        Ok(Some(Efi { code, vars: Flash { path: copy, format: vars.format } }))
    }
}

fn pick(named: Option<&Path>, known: Option<&Flash>) -> Result<Flash, Trouble> {
    let Some(path) = named else {
        let hint = "no UEFI firmware is known for this machine (hint: sudo apt-get install ovmf \
                    qemu-efi-aarch64, or set efi_firmware_code and efi_firmware_vars)";
        return known.cloned().ok_or_else(|| Trouble::host(hint));
    };
    Ok(Flash { path: path.to_path_buf(), format: format_of(path)? })
}

/// `qcow2` by its magic bytes, else `raw`.
fn format_of(path: &Path) -> Result<&'static str, Trouble> {
    let mut magic = [0; 4];
    let read = fs::File::open(path).and_then(|file| {
        // A file shorter than the magic is raw.
        file.take(4).read(&mut magic)
    });
    read.map_err(|source| Trouble::io("read", path, &source))?;
    Ok(if &magic == b"QFI\xfb" { "qcow2" } else { "raw" })
}

fn make_dir(dir: &Path) -> Result<(), Trouble> {
    fs::create_dir_all(dir).map_err(|source| Trouble::io("create", dir, &source))
}

/// Adds a file by its name, or a directory with its name and all below it; a
/// trailing slash leaves the directory's own name out.
fn add_files(root: &Path, source: &Path) -> Result<(), Trouble> {
    let slash = source.as_os_str().as_encoded_bytes().ends_with(b"/");
    let base = if slash { Some(source) } else { source.parent() };
    for entry in WalkDir::new(source).follow_links(true) {
        let entry = entry.map_err(|error| Trouble::host(format!("cd_files: {error}")))?;
        let below = base.and_then(|base| entry.path().strip_prefix(base).ok());
        let Some(below) = below else { continue };
        let target = root.join(below);
        if entry.file_type().is_dir() {
            make_dir(&target)?;
        } else {
            fs::copy(entry.path(), &target)
                .map_err(|error| Trouble::io("copy to the CD", entry.path(), &error))?;
        }
    }
    Ok(())
}

fn add_content(root: &Path, name: &str, content: &str) -> Result<(), Trouble> {
    let relative = Path::new(name.trim_start_matches('/'));
    let inside = relative.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if !inside || relative.as_os_str().is_empty() {
        return Err(Trouble::template(format!("cd_content: `{name}` is no path on a CD")));
    }
    let target = root.join(relative);
    if let Some(parent) = target.parent() {
        make_dir(parent)?;
    }
    fs::write(&target, content).map_err(|source| Trouble::io("write", &target, &source))
}

#[cfg(test)]
mod tests;
