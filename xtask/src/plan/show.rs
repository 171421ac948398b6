//! A plan for people: the medium, the machine, what is served and typed, each
//! step, and QEMU's whole command line.

use std::path::Path;

use serde_json::{Map, Value};

use super::Plan;
use super::conventions::Place;
use crate::catalog::{Media, Target};
use crate::cmd::shell_quote;
use crate::table;

/// Columns before the text of a line.
const INDENT: usize = 14;

/// One plan for people; `root` shortens the names of its files.
#[must_use]
pub fn text(plan: &Plan, target: &Target, root: &Path) -> String {
    let mut lines = Lines(format!("{}  {}\n", plan.target, plan.title));
    let short = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
    lines.add("template", &template(plan, &short(&plan.template)));
    medium(plan, target, &mut lines);
    machine(plan, &mut lines);
    let set = plan.variables.iter().filter(|(name, _)| !Place::NAMES.contains(&name.as_str()));
    lines.all("variables", set.map(|(name, value)| format!("{name} = {}", one_line(value))));
    handed_over(&plan.source, &mut lines);
    typed(&plan.source, &mut lines);
    lines.add("ends", &ending(&plan.source));
    for (i, step) in plan.provisioners.iter().enumerate() {
        lines.add(&format!("step {}", i + 1), &self::step(step, root));
    }
    lines.all("environment", environment(&plan.provisioners).into_iter());
    qemu(plan, &mut lines);
    lines.add("artifact", &short(&plan.artifact));
    lines.add("MAAS", &maas(target));
    lines.0
}

/// Rendered files that the guest is given: name, and text where it is known.
#[must_use]
pub fn rendered(source: &Value) -> Vec<(String, &str)> {
    let of = |key: &str| source[key].as_object().into_iter().flat_map(Map::iter);
    let all = of("http_content").chain(of("cd_content"));
    all.filter_map(|(name, text)| Some((name.trim_start_matches('/').to_owned(), text.as_str()?)))
        .collect()
}

/// Lines with a name in front of the first one of a group.
struct Lines(String);

impl Lines {
    fn add(&mut self, name: &str, value: &str) {
        self.0.push_str(&format!("  {name:<width$}{value}\n", width = INDENT - 2));
    }

    fn all(&mut self, name: &str, values: impl Iterator<Item = String>) {
        for (i, value) in values.enumerate() {
            self.add(if i == 0 { name } else { "" }, &value);
        }
    }
}

fn template(plan: &Plan, dir: &str) -> String {
    let own = plan.files.iter().filter(|file| file.starts_with(&plan.template)).count();
    format!("{dir}, {own} files")
}

fn medium(plan: &Plan, target: &Target, lines: &mut Lines) {
    let facts = &target.facts.media;
    if plan.media.url.is_empty() {
        lines.add("media", &format!("yours, not given yet: {}", ways(facts, Some("--iso FILE"))));
    } else {
        lines.add("media", &plan.media.url);
        lines.add("", &format!("checked against {}", plan.media.checksum));
    }
    let signed = facts.signed_by.as_ref().map(|key| format!("whose signature is of {key}"));
    let label = facts.label.as_ref().map(|label| format!("refused unless its label is {label}"));
    signed.into_iter().chain(label).for_each(|more| lines.add("", &more));
    for extra in &target.facts.extra_media {
        lines.add(
            "",
            &format!("and {}: {}", extra.file.as_deref().unwrap_or("a file"), ways(extra, None)),
        );
    }
}

/// How the user hands over a medium: a flag, or else a variable of the
/// template, and an environment variable.
fn ways(facts: &Media, flag: Option<&str>) -> String {
    let variable = facts.variable.as_ref().map(|name| format!("--var {name}=FILE"));
    let all = [flag.map(str::to_owned).or(variable), facts.env.clone()];
    all.into_iter().flatten().collect::<Vec<_>>().join(" or ")
}

fn machine(plan: &Plan, lines: &mut Lines) {
    let (size, word) =
        (plan.machine, |key: &str| plan.source[key].as_str().unwrap_or("as the host has it"));
    lines.add(
        "machine",
        &format!(
            "{} CPUs, {} MiB memory, {} ({}), disk up to {}",
            size.cpus,
            size.memory_mib,
            word("machine_type"),
            word("accelerator"),
            table::size(size.disk)
        ),
    );
    if plan.source["efi_boot"].as_bool() == Some(true) {
        lines.add("firmware", &format!("UEFI {}", word("efi_firmware_code")));
    } else {
        lines.add("firmware", "BIOS");
    }
}

/// What the guest finds over HTTP and on a CD of the build's own.
fn handed_over(source: &Value, lines: &mut Lines) {
    let sizes = |key: &str| {
        let files = source[key].as_object().into_iter().flat_map(Map::iter);
        files.map(|(name, text)| {
            let size = text.as_str().map_or("size unknown".into(), |t| table::size(t.len() as u64));
            format!("{name}, {size}")
        })
    };
    lines.all("serves", sizes("http_content"));
    let label = source["cd_label"].as_str().unwrap_or_default();
    let carried = source["cd_files"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let carried = carried.map(str::to_owned);
    lines.all("CD", sizes("cd_content").chain(carried).map(|file| format!("{label}: {file}")));
}

/// The keys of the boot command, a line for each of its parts.
fn typed(source: &Value, lines: &mut Lines) {
    let parts = source["boot_command"].as_array().into_iter().flatten();
    let mut keys: Vec<_> = parts.filter_map(Value::as_str).filter(|k| !k.is_empty()).collect();
    let wait = source["boot_wait"].as_str().map(|wait| format!("<wait{wait}>"));
    if !keys.is_empty() {
        keys.splice(0..0, wait.as_deref());
    }
    let runs = keys.chunk_by(|a, b| a == b).map(|run| match run {
        [one] => (*one).to_owned(),
        many => format!("{} ({} times)", many[0], many.len()),
    });
    lines.all("types", runs);
}

/// What a build waits for, and how long.
fn ending(source: &Value) -> String {
    let word = |key: &str, other: &'static str| source[key].as_str().unwrap_or(other).to_owned();
    let limit = word("shutdown_timeout", "5m");
    match word("communicator", "ssh").as_str() {
        "none" => format!("when the guest turns itself off, within {limit}"),
        kind => format!(
            "after its steps by {kind} as {} (first answer within {}); then off within {limit}",
            word("ssh_username", "?"),
            word("ssh_timeout", "5m"),
        ),
    }
}

fn step(step: &Value, root: &Path) -> String {
    let short = |path: &str| {
        let path = Path::new(path);
        path.strip_prefix(root).unwrap_or(path).display().to_string()
    };
    let kind = step["type"].as_str().unwrap_or_default();
    let list = |key: &str| step[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    let sources: Vec<_> = list("sources").chain(step["source"].as_str()).map(short).collect();
    let scripts: Vec<_> = list("scripts").chain(step["script"].as_str()).map(short).collect();
    let detail = match step["destination"].as_str() {
        Some(to) => format!("{} -> {to}", sources.join(" ")),
        None if scripts.is_empty() => list("inline").map(one_line).collect::<Vec<_>>().join("; "),
        None => scripts.join(" "),
    };
    format!("{kind} {detail}")
}

/// Variables of the steps that have a value, each once.
fn environment(steps: &[Value]) -> Vec<String> {
    let mut all: Vec<String> = vec![];
    let lists = steps.iter().flat_map(|s| s["environment_vars"].as_array().into_iter().flatten());
    for variable in lists.filter_map(Value::as_str).filter(|v| !v.ends_with('=')) {
        let variable = one_line(variable);
        if !all.contains(&variable) {
            all.push(variable);
        }
    }
    all
}

/// The command line, a switch and its value on each line, to be pasted into a
/// shell.
fn qemu(plan: &Plan, lines: &mut Lines) {
    let Some((program, arguments)) = plan.argv.as_deref().and_then(<[String]>::split_first) else {
        lines.add("qemu", "not installed here: cargo xtask doctor");
        return;
    };
    let mut rows = vec![shell_quote(program).into_owned()];
    for argument in arguments {
        // A drive without a file is the medium that was not given yet.
        let shown = argument.strip_prefix("file=,").map(|rest| format!("file=YOUR-ISO,{rest}"));
        let quoted = shell_quote(shown.as_deref().unwrap_or(argument)).into_owned();
        match rows.last_mut() {
            Some(row) if !argument.starts_with('-') => row.extend([" ", &quoted]),
            _ => rows.push(format!("  {quoted}")),
        }
    }
    let last = rows.len() - 1;
    let ended = rows.into_iter().enumerate();
    lines.all("qemu", ended.map(|(i, row)| if i == last { row } else { row + " \\" }));
}

fn maas(target: &Target) -> String {
    let facts = &target.facts;
    let base = facts.maas.base_image.as_ref().map(|base| format!(", base image {base}"));
    format!(
        "{} · {}/generic · {}{}, login {}",
        facts.maas.name,
        target.arch.name(),
        facts.artifact.filetype(),
        base.unwrap_or_default(),
        facts.maas.login_user
    )
}

/// A value on one line; of a longer one the first line and how many follow.
fn one_line(value: &str) -> String {
    let mut lines = value.lines();
    let first = lines.next().unwrap_or_default();
    match lines.count() {
        0 => first.to_owned(),
        more => format!("{first} … ({more} more lines)"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::catalog::Catalog;
    use crate::plan::{Options, Resolver};

    fn shown(id: &str) -> String {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
        let catalog = Catalog::load(&root).unwrap();
        let target = catalog.targets().find(|t| t.id == id).unwrap();
        let mut resolver = Resolver::new(&root, &root.join("out"));
        resolver.load(target).unwrap();
        let mut plan = resolver.resolve(target, &Options::default(), None).unwrap().plan;
        plan.argv = Some(["qemu", "-m", "4096M", "-drive", "file=,if=none"].map(Into::into).into());
        text(&plan, target, &root)
    }

    #[test]
    fn an_installer_is_told_with_its_medium_its_keys_and_its_end() {
        let text = shown("rhel9-amd64");
        for part in [
            "media       yours, not given yet: --iso FILE or RHEL9_ISO_PATH",
            "refused unless its label is RHEL-9-",
            "serves      /ks.cfg, ",
            "types       <wait20s>",
            "ends        when the guest turns itself off, within 3h",
            "qemu \\\n                -m 4096M \\\n                -drive file=YOUR-ISO,if=none\n",
            "artifact    out/rhel9-amd64/rhel9-amd64.tar.gz",
            "MAAS        rhel/rhel9 · amd64/generic · tgz, login cloud-user",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn a_build_by_ssh_is_told_with_its_steps_and_what_they_get() {
        let text = shown("debian-12-cloudimg-amd64");
        for part in [
            "release = 12",
            "CD          cidata: meta-data, 25 B",
            "ends        after its steps by ssh as root",
            "file debian/scripts/lib.sh -> /var/lib/image-build/lib.sh",
            "environment LOCALE=C.UTF-8",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(!text.contains("EXTRA_PACKAGES="), "{text}");
    }

    #[test]
    fn conventions_are_no_settings_of_the_user() {
        let path = || PathBuf::from("/x");
        let place = Place {
            work: crate::engine::host::WorkPaths::at(&path(), &path()),
            media: path(),
            firmware: Some((path(), path())),
            accelerator: "tcg",
            qemu: path(),
            headless: true,
        };
        assert_eq!(place.variables().into_keys().collect::<Vec<_>>(), Place::NAMES);
    }
}
