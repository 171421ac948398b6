//! The generated part of an image's README: what follows from its template and
//! its `image.toml`.

use std::fmt::Write as _;

use anyhow::Result;
use packer_hcl::evaluated::Variable;
use packer_hcl::value::Value;

use super::targets;
use crate::arch::Arch;
use crate::catalog::{Image, MediaKind, Target};
use crate::exit::Coded;
use crate::finding::Findings;
use crate::plan::{Options, Resolved, Resolver};
use crate::repo::Repo;
use crate::table;

/// A README's generated part of each kind: the name of its markers, and what
/// makes it. `image` is all that follows from template and `image.toml`, for
/// READMEs of which most does; the others are its tables alone.
pub const PARTS: [(&str, Part); 4] = [
    ("image", generated),
    (targets::MARK, targets::generated),
    ("knobs", knobs_alone),
    ("maas", |_, image| Ok(minimum(image) + &notes(image))),
];

/// What makes one part.
pub type Part = fn(&Repo, &Image) -> Result<String>;

/// Everything between the markers.
///
/// # Errors
/// A template that does not evaluate.
fn generated(repo: &Repo, image: &Image) -> Result<String> {
    let (target, resolved) = resolve_default(repo, image)?;
    let parts = [
        needs(image, target, &resolved),
        packer(image, target, &resolved),
        xtask(repo, image, target)?,
        KNOBS.to_owned() + &knobs(image, &resolved),
        upload(image),
        login(target) + &notes(image),
    ];
    Ok(parts.join("\n"))
}

fn knobs_alone(repo: &Repo, image: &Image) -> Result<String> {
    let (_, resolved) = resolve_default(repo, image)?;
    Ok(knobs(image, &resolved))
}

fn resolve_default<'a>(repo: &Repo, image: &'a Image) -> Result<(&'a Target, Resolved)> {
    let none =
        || Coded::usage(format!("{}/image.toml declares no target: see `arches`", image.name));
    let target = default_target(image).ok_or_else(none)?;
    let mut resolver = Resolver::new(&repo.root, &repo.out);
    let resolved = resolver
        .load(target)
        .and_then(|()| resolver.resolve(target, &Options::default(), None))
        .map_err(Findings)?;
    Ok((target, resolved))
}

/// What an id without release and architecture means, on an amd64 host.
fn default_target(image: &Image) -> Option<&Target> {
    let fits = |t: &&Target| {
        (image.default_release.is_none() || t.release == image.default_release)
            && (image.default_flavor.is_none() || t.flavor == image.default_flavor)
    };
    let mut all = image.targets.iter().filter(fits);
    all.clone().find(|t| t.arch == Arch::Amd64).or_else(|| all.next())
}

fn needs(image: &Image, target: &Target, resolved: &Resolved) -> String {
    let arm = image.targets.iter().any(|t| t.arch == Arch::Arm64);
    let (qemu, firmware) = match arm {
        true => ("`qemu-system-x86` or `qemu-system-arm`", "`ovmf` or `qemu-efi-aarch64`"),
        false => ("`qemu-system-x86`", "`ovmf`"),
    };
    let efi = resolved.source.body.bool("efi_boot").ok().flatten().unwrap_or(false);
    let firmware = if efi { format!(", UEFI firmware ({firmware})") } else { String::new() };
    let machine = resolved.plan.machine;
    let mut text = format!(
        "## Needs\n\n* QEMU ({qemu}), `qemu-utils`, `xorriso`{firmware}; KVM if the build is not to take hours.\n* {} CPUs, {} MiB of memory and {} of disk for one build.\n",
        machine.cpus,
        machine.memory_mib,
        table::size(machine.disk),
    );
    if let (MediaKind::User, media) = (target.facts.media.kind, &target.facts.media) {
        let part = |value: &Option<String>| value.clone().unwrap_or_default();
        let _ = writeln!(
            text,
            "* Your own medium, `{}`, from <{}>. Name it with `--iso` or in `{}`{}.",
            part(&media.file),
            part(&media.from),
            part(&media.env),
            media.label.as_ref().map_or(String::new(), |l| format!("; its label has to be `{l}`")),
        );
    } else {
        let _ = writeln!(text, "* The network: the medium is <{}>.", resolved.plan.media.url);
    }
    let _ = write!(text, "\n`cargo xtask doctor {}` says what is missing.\n", image.name);
    text
}

fn packer(image: &Image, target: &Target, resolved: &Resolved) -> String {
    let mut words = vec!["packer build".to_owned()];
    let user = (target.facts.media.kind == MediaKind::User).then_some(&target.facts.media);
    if let Some(variable) = user.and_then(|m| m.variable.as_deref()) {
        words.push(format!("-var {variable}=/path/to/medium.iso"));
    }
    if let Some(release) = &target.release {
        words.push(format!("-var release={release}"));
    }
    words.push(".".into());
    let text = |name: &str| resolved.source.body.string(name).ok().flatten().unwrap_or_default();
    let (out, disk) = (text("output_directory"), text("vm_name"));
    format!(
        "## Build with packer\n\n```\ncd {}\npacker init .\n{}\n```\n\nIt leaves `{out}/{disk}` and prints the `cargo xtask pack` line that makes the\nMAAS image. The serial console is in `{out}.serial.log`, also after a failure.\n",
        image.name,
        words.join(" "),
    )
}

fn xtask(repo: &Repo, image: &Image, target: &Target) -> Result<String> {
    let iso = match target.facts.media.kind {
        MediaKind::User => " --iso /path/to/medium.iso",
        _ => "",
    };
    let table = targets::generated(repo, image)?;
    let id = &target.id;
    Ok(format!("## Build with xtask\n\n```\ncargo xtask build {id}{iso}\n```\n\n{table}"))
}

const KNOBS: &str = "\
## Knobs

Set with `-var name=value`, or in a file `NAME.auto.pkrvars.hcl` here. What an unset one comes to
for the default release and flavor is in brackets.

";

/// The variables that choose a target first, as `image.toml` names them, the
/// others by name.
fn knobs(image: &Image, resolved: &Resolved) -> String {
    let mut text = String::from("| variable | type | default | meaning |\n|---|---|---|---|\n");
    let choose = |name: &str| !image.targets.iter().any(|t| t.facts.vars.contains_key(name));
    let mut all: Vec<&Variable> = resolved.evaluated.variables.values().collect();
    all.sort_by_key(|variable| (choose(&variable.name), &variable.name));
    for variable in all {
        let meaning = variable.description.replace('|', "\\|");
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {meaning} |",
            variable.name,
            variable.ty,
            default(variable, resolved)
        );
    }
    text
}

/// The default as written; an environment variable is named, not read. Where it
/// is unset, what the build then takes follows in brackets.
fn default(variable: &Variable, resolved: &Resolved) -> String {
    if let Some(name) = environment(variable) {
        return format!("`${name}`");
    }
    match &variable.default {
        None => "required".into(),
        Some(value) if value.is_null() => taken(&variable.name, resolved)
            .map_or_else(|| "unset".into(), |value| format!("unset (`{value}`)")),
        Some(value) => format!("`{}`", shown(value)),
    }
}

/// What the default target's machine takes where a knob for it is unset.
fn taken(variable: &str, resolved: &Resolved) -> Option<String> {
    let of = |attribute: &str| resolved.source.body.string(attribute).ok().flatten();
    match variable {
        "memory" => Some(resolved.plan.machine.memory_mib.to_string()),
        "cpus" => Some(resolved.plan.machine.cpus.to_string()),
        // A negative wait is the plugin's way to say none.
        "disk_size" | "boot_wait" => of(variable).filter(|value| !value.starts_with('-')),
        "timeout" if of("communicator").as_deref() == Some("none") => of("shutdown_timeout"),
        "timeout" => of("ssh_timeout"),
        _ => None,
    }
}

/// `env("NAME")` on the `default` line of the declaration.
fn environment(variable: &Variable) -> Option<String> {
    let source = &variable.span.source;
    let first = variable.span.start().line;
    let lines = (first..first + 20).map(|n| source.line(n).trim().to_owned());
    let mut block = lines.take_while(|line| line != "}");
    let line = block.find(|line| line.starts_with("default"))?;
    Some(line.split("env(\"").nth(1)?.split('"').next()?.to_owned())
}

fn shown(value: &Value) -> String {
    value.to_json().map_or_else(|_| String::new(), |json| json.to_string())
}

fn upload(image: &Image) -> String {
    let mut text = String::from("## Upload\n\n```\n");
    for target in &image.targets {
        let maas = &target.facts.maas;
        let base =
            maas.base_image.as_ref().map_or_else(String::new, |b| format!(" base_image='{b}'"));
        let kind = target.facts.artifact.filetype();
        let _ = writeln!(
            text,
            "maas $PROFILE boot-resources create name='{}' title='{}' \\\n  architecture='{}' filetype='{kind}'{base} content@={}",
            maas.name,
            maas.title,
            target.arch.maas(),
            target.artifact_name(),
        );
    }
    text + "```\n\n`cargo xtask upload` fills all of this in. " + &minimum(image)
}

/// The oldest MAAS that deploys the image.
fn minimum(image: &Image) -> String {
    let versions = distinct(image, |target| vec![target.facts.maas.min_version.clone()]);
    format!("MAAS {} or later.\n", versions.join(", "))
}

fn login(target: &Target) -> String {
    format!(
        "## Log in\n\nUser `{}`, with the SSH keys that MAAS gives the machine. root is locked.\n",
        target.facts.maas.login_user
    )
}

/// What `image.toml` says about deploying it. A note that is not about all
/// targets says so itself.
fn notes(image: &Image) -> String {
    let notes = distinct(image, |target| target.facts.maas.notes.clone());
    notes.iter().map(|note| format!("\n{note}\n")).collect()
}

/// What the targets of an image say, each once.
fn distinct(image: &Image, get: impl Fn(&Target) -> Vec<String>) -> Vec<String> {
    let mut all: Vec<String> = vec![];
    for text in image.targets.iter().flat_map(get) {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all
}
