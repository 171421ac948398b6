//! The table of an image's targets for its README: what each starts from, what
//! its VM takes, and what MAAS gets.

use std::fmt::Write as _;

use anyhow::Result;

use crate::arch::Arch;
use crate::catalog::{Firmware, Image, Maas, Media, MediaKind, Target};
use crate::finding::Findings;
use crate::plan::{Options, Plan, Resolver};
use crate::repo::Repo;
use crate::table;

/// Name of the markers.
pub const MARK: &str = "targets";

const HEAD: &str = "\
| target | medium | CPUs, memory, disk | artifact | boots from | name in MAAS |
|---|---|---|---|---|---|
";

/// The table, a row for each target, with `base_image` where MAAS wants one.
///
/// # Errors
/// A template that does not evaluate.
pub fn generated(repo: &Repo, image: &Image) -> Result<String> {
    let mut resolver = Resolver::new(&repo.root, &repo.out);
    let mut text = HEAD.to_owned();
    for target in &image.targets {
        let resolved = resolver
            .load(target)
            .and_then(|()| resolver.resolve(target, &Options::default(), None))
            .map_err(Findings)?;
        let _ = writeln!(text, "{}", row(target, &resolved.plan));
    }
    Ok(text)
}

fn row(target: &Target, plan: &Plan) -> String {
    let facts = &target.facts;
    let machine = plan.machine;
    format!(
        "| `{}` | {} | {}, {} MiB, {} | `{}` | {} | {} |",
        target.id,
        medium(&facts.media, &plan.media.url),
        machine.cpus,
        machine.memory_mib,
        table::size(machine.disk),
        facts.artifact.filetype(),
        boots(target.arch, &facts.contract.boot),
        name(&facts.maas),
    )
}

fn medium(media: &Media, url: &str) -> String {
    let file = url.rsplit('/').next().unwrap_or(url);
    match media.kind {
        MediaKind::Download => format!("[{file}]({url})"),
        MediaKind::Mirror => "bootstrapped".into(),
        MediaKind::User => {
            let of = media.file.as_ref().map(|file| format!("`{file}`"));
            let by = media.env.as_ref().map(|env| format!("`${env}`"));
            let from = media.from.as_ref().map(|url| format!("from <{url}>"));
            let parts: Vec<String> = of.into_iter().chain(from).chain(by).collect();
            format!("yours: {}", parts.join(", "))
        }
    }
}

/// Only PCs have a BIOS, whatever the contract says.
fn boots(arch: Arch, firmware: &[Firmware]) -> String {
    let names = firmware.iter().filter_map(|firmware| match firmware {
        Firmware::Uefi => Some("UEFI"),
        Firmware::Bios => (arch == Arch::Amd64).then_some("BIOS"),
    });
    names.collect::<Vec<_>>().join(", ")
}

fn name(maas: &Maas) -> String {
    let base = maas.base_image.as_ref();
    let base = base.map_or_else(String::new, |base| format!(", base_image `{base}`"));
    format!("`{}`{base}", maas.name)
}
