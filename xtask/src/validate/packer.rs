//! What a real Packer says about every target, without a network: `packer fmt`
//! and `packer validate`, which reads the file that `iso_checksum` names. A
//! server of ours hands out such files, made for the occasion; hashes in them
//! are zeros, because nothing is downloaded.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rayon::prelude::*;

use crate::at::At as _;
use crate::catalog::{Image, MediaKind, Target};
use crate::cmd::Cmd;
use crate::engine::http::{Content, Server};
use crate::finding::{Finding, Place};
use crate::host::packer::Packer;
use crate::plan::{Medium, Options, Resolved, Resolver, varfile};
use crate::repo::Repo;

/// Packer loads its plugin for every target: 1 to 2 s on a quiet host.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Asks `packer` about images and targets.
///
/// # Errors
/// No temporary directory, no port, or Packer does not start.
pub fn check(
    repo: &Repo,
    packer: &Packer,
    images: &[&Image],
    targets: &[&Target],
) -> Result<Vec<Finding>> {
    let dir = tempfile::tempdir().context("cannot make a temporary directory")?;
    let http = dir.path().join("http");
    fs::create_dir(&http).at("make", &http)?;
    // Above the ports that guests are forwarded to.
    let server = Server::start(Content::Directory(http), (50000, 59999))
        .context("cannot start the server of checksum files")?;
    let bench = Bench { repo, packer, dir: dir.path().to_owned(), port: server.port() };
    let mut findings = Vec::new();
    for image in images {
        findings.extend(bench.format(image)?);
    }
    let ready: Vec<(&Target, Resolved)> = targets
        .iter()
        .filter_map(|target| bench.prepare(target).transpose())
        .collect::<Result<_>>()?;
    let found: Result<Vec<Option<Finding>>> =
        ready.par_iter().map(|(target, resolved)| bench.validate(target, resolved)).collect();
    findings.extend(found?.into_iter().flatten());
    Ok(findings)
}

struct Bench<'a> {
    repo: &'a Repo,
    packer: &'a Packer,
    dir: PathBuf,
    port: u16,
}

impl Bench<'_> {
    fn command(&self, purpose: &str) -> Cmd {
        Cmd::new(&self.packer.path, purpose)
            .cwd(&self.dir)
            .env("CHECKPOINT_DISABLE", "1")
            .env("PACKER_NO_COLOR", "1")
            .env_remove("PACKER_LOG")
            .success(&[0, 1, 3])
            .timeout(TIMEOUT)
    }

    /// PKR002: files that are not in canonical form.
    fn format(&self, image: &Image) -> Result<Vec<Finding>> {
        let dir = self.repo.root.join(&image.dir);
        let output = self
            .command("check the form of templates")
            .args(["fmt", "-check"])
            .arg(&dir)
            .output()?;
        let found = |line: &str| {
            let path = Path::new(line.trim());
            let file = path.strip_prefix(&self.repo.root).unwrap_or(path);
            Finding::error("PKR002", Place::file(file), "the file is not in `packer fmt`'s form")
                .help("run `packer fmt .` in its directory")
        };
        let printed = output.stdout_text();
        Ok(printed.lines().filter(|line| line.ends_with(".hcl")).map(found).collect())
    }

    /// The target with its media here, and the files that its checksum names.
    /// `None`: it does not evaluate, which other rules tell.
    fn prepare<'t>(&self, target: &'t Target) -> Result<Option<(&'t Target, Resolved)>> {
        let mut resolver = Resolver::new(&self.repo.root, &self.repo.out);
        if resolver.load(target).is_err() {
            return Ok(None);
        }
        let media = self.dir.join("media").join(&target.id);
        fs::create_dir_all(&media).at("make", &media)?;
        let mut options = Options::default();
        if target.facts.media.kind == MediaKind::User {
            let iso = media.join("user.iso");
            fs::write(&iso, "").at("write", &iso)?;
            options.iso = Some(iso);
        }
        let Ok(plain) = resolver.resolve(target, &options, None) else { return Ok(None) };
        let own = [
            ("media_base", format!("http://127.0.0.1:{}", self.port)),
            ("media_directory", media.to_string_lossy().into_owned()),
        ];
        let declared = |name: &str| plain.evaluated.variable(name).is_some();
        options.vars.extend(
            own.into_iter().filter(|(name, _)| declared(name)).map(|(n, v)| (n.to_owned(), v)),
        );
        let Ok(resolved) = resolver.resolve(target, &options, None) else { return Ok(None) };
        self.fixtures(&resolved.plan.media)?;
        Ok(Some((target, resolved)))
    }

    /// The checksum file, and an empty medium where it is a local file.
    fn fixtures(&self, medium: &Medium) -> Result<()> {
        let name = medium.url.rsplit('/').next().unwrap_or_default();
        let local = Path::new(&medium.url);
        if local.starts_with(&self.dir) && !local.exists() {
            fs::write(local, "").at("write", local)?;
        }
        let Some(place) = medium.checksum.strip_prefix("file:") else { return Ok(()) };
        let base = format!("http://127.0.0.1:{}/", self.port);
        let path = match place.strip_prefix(&base) {
            Some(path) => self.dir.join("http").join(path),
            None if Path::new(place).starts_with(&self.dir) => place.into(),
            // A checksum that media_base does not move: Packer will tell.
            None => return Ok(()),
        };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).at("make", parent)?;
        }
        let digits = if place.contains("512") { 128 } else { 64 };
        let mut file =
            fs::OpenOptions::new().create(true).append(true).open(&path).at("open", &path)?;
        writeln!(file, "{}  {name}", "0".repeat(digits)).at("write", &path)?;
        Ok(())
    }

    /// PKR001: what `packer validate` says.
    fn validate(&self, target: &Target, resolved: &Resolved) -> Result<Option<Finding>> {
        let values: BTreeMap<_, _> = resolved.plan.variables.clone();
        let values: Vec<(String, String)> = values.into_iter().collect();
        let variables = self.dir.join(format!("{}.pkrvars.hcl", target.id));
        let text = varfile::text(&values, &resolved.evaluated);
        fs::write(&variables, text).at("write", &variables)?;
        let output = self
            .command("validate a template")
            .arg("validate")
            .arg(format!("-var-file={}", variables.display()))
            .arg(&resolved.plan.template)
            .output()?;
        let text = output.stdout_text() + &output.stderr_text();
        if text.contains("The configuration is valid") {
            return Ok(None);
        }
        let said: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let place = Place::file(Path::new(&target.image));
        let mut finding = Finding::error("PKR001", place, "`packer validate` refuses the template")
            .help(said.join("\n          "));
        finding.targets = vec![target.id.clone()];
        Ok(Some(finding))
    }
}
