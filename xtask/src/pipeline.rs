//! From a target to something an engine can run: host facts are looked up
//! once, templates are parsed once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::arch::Arch;
use crate::catalog::Target;
use crate::engine::host::{Efi, Flash, QemuHost, WorkPaths};
use crate::engine::spec::Accelerator;
use crate::exit::Coded;
use crate::finding::Finding;
use crate::host::firmware::{self, Scan, Wanted};
use crate::host::kvm::{self, Freshness, KvmState};
use crate::host::tools::{self, Qemu};
use crate::plan::conventions::Place;
use crate::plan::{Options, Resolved, Resolver, argv};
use crate::repo::Repo;

/// Resolves targets against this host.
#[derive(Debug)]
pub struct Preparation {
    repo: Repo,
    resolver: Resolver,
    firmware: Option<String>,
    scan: Option<Scan>,
    qemu: BTreeMap<Arch, Option<Qemu>>,
    kvm: Option<KvmState>,
}

impl Preparation {
    /// Nothing is probed yet. `firmware` overrides the host's descriptors.
    #[must_use]
    pub fn new(repo: &Repo, firmware: Option<String>) -> Self {
        Self {
            repo: repo.clone(),
            resolver: Resolver::new(&repo.root, &repo.out),
            firmware,
            scan: None,
            qemu: BTreeMap::new(),
            kvm: None,
        }
    }

    /// The tree that the targets are of.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.repo.root
    }

    /// The resolver, for evaluations that do not depend on this host.
    #[must_use]
    pub fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// The target bound to this host and its work directory.
    ///
    /// # Errors
    /// Everything wrong with the template for this target.
    pub fn resolve(
        &mut self,
        target: &Target,
        options: &Options,
    ) -> Result<Resolved, Vec<Finding>> {
        self.resolver.load(target)?;
        let place = self.place(target);
        let mut resolved = self.resolver.resolve(target, options, Some(&place))?;
        if let Ok(host) = self.qemu_host(target.arch) {
            resolved.plan.argv = argv::of(&resolved, &host, &place.work);
        }
        Ok(resolved)
    }

    /// The target as it is everywhere: what the fingerprint is made of.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn canonical(
        &mut self,
        target: &Target,
        options: &Options,
    ) -> Result<Resolved, Vec<Finding>> {
        self.resolver.load(target)?;
        self.resolver.resolve(target, options, None)
    }

    /// Directories and host facts for a target's template.
    pub fn place(&mut self, target: &Target) -> Place {
        let work = Place::work_dir(&self.repo.out, &target.id);
        Place {
            work: WorkPaths::at(&work, &self.resolver.dir(target)),
            media: self.repo.media.clone(),
            firmware: self.firmware_pair(target.arch),
            accelerator: self.accelerator(target.arch),
            qemu: self
                .qemu(target.arch)
                .map_or_else(|| PathBuf::from(target.arch.qemu_binary()), |q| q.path),
            headless: true,
        }
    }

    /// The emulator for an architecture.
    pub fn qemu(&mut self, arch: Arch) -> Option<Qemu> {
        self.qemu.entry(arch).or_insert_with(|| tools::qemu(arch)).clone()
    }

    /// `kvm` only where a guest really ran.
    pub fn accelerator(&mut self, arch: Arch) -> &'static str {
        let host = Arch::host();
        if host != Some(arch) {
            return "tcg";
        }
        if self.kvm.is_none() {
            let qemu = self.qemu(arch);
            let state = qemu.map_or_else(
                || KvmState::Unknown { reason: "QEMU is not installed".into() },
                |q| kvm::probe(&q, arch, kvm::cache_dir().as_deref(), Freshness::Cached),
            );
            self.kvm = Some(state);
        }
        self.kvm.as_ref().map_or("tcg", |k| k.accelerator(host, arch))
    }

    /// UEFI without Secure Boot, in files Packer's plugin can name too.
    fn firmware_pair(&mut self, arch: Arch) -> Option<(PathBuf, PathBuf)> {
        let paths = |f: &firmware::Firmware| (f.code.path.clone(), f.vars.path.clone());
        if let Some(text) = &self.firmware {
            return firmware::from_override(text, arch).ok().map(|f| paths(&f));
        }
        let scan = self.scan.get_or_insert_with(|| firmware::scan(&firmware::host_directories()));
        let machine = match arch {
            Arch::Amd64 => "q35",
            Arch::Arm64 => "virt",
        };
        let wanted = Wanted { arch, machine, secure_boot: false, raw_only: true };
        firmware::choose(scan, wanted).ok().map(|(f, _)| paths(f))
    }
}

impl Preparation {
    /// QEMU and its companions for the built-in engine.
    ///
    /// # Errors
    /// Something is not installed: exit 3, with what to do.
    pub fn qemu_host(&mut self, arch: Arch) -> anyhow::Result<QemuHost> {
        let missing = |tool: &str| {
            Coded::host(format!("`{tool}` is not installed\n  hint: cargo xtask setup"))
        };
        let qemu = self.qemu(arch).ok_or_else(|| missing(arch.qemu_binary()))?;
        let accelerator = match self.accelerator(arch) {
            "kvm" => Accelerator::Kvm,
            _ => Accelerator::Tcg,
        };
        let flash = |path: PathBuf| Flash { path, format: "raw" };
        Ok(QemuHost {
            qemu_system: qemu.path.clone(),
            qemu_img: tools::find("qemu-img").ok_or_else(|| missing("qemu-img"))?,
            version: qemu.version.as_ref().map_or((0, 0, 0), |v| v.triple()),
            accelerator,
            xorriso: tools::find("xorriso"),
            firmware: self
                .firmware_pair(arch)
                .map(|(code, vars)| Efi { code: flash(code), vars: flash(vars) }),
            window: std::env::var_os("DISPLAY").is_some(),
            askpass: std::env::current_exe()?,
        })
    }
}
