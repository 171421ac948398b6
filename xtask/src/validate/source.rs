//! Rules about the evaluated source: media, access, ports, firmware, QEMU's
//! arguments.

use std::path::Path;

use packer_hcl::body::Body;
use packer_hcl::evaluated::{BuildSource, ValueOrigin, Variable};
use packer_hcl::source::Span;

use crate::catalog::MediaKind;
use crate::finding::{Finding, Place};
use crate::plan::diagnose;

/// A source to judge.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The tree, for places.
    pub root: &'a Path,
    /// The source.
    pub source: &'a BuildSource,
    /// What it starts from; unknown in a tree without `image.toml`.
    pub media: Option<MediaKind>,
    /// The template's variables.
    pub variables: &'a [&'a Variable],
}

/// Everything wrong with it.
#[must_use]
pub fn check(subject: Subject<'_>) -> Vec<Finding> {
    let mut findings = vec![];
    findings.extend(media(subject));
    findings.extend(access(subject));
    findings.extend(ports(subject));
    findings.extend(arguments(subject));
    findings
}

impl Subject<'_> {
    fn body(&self) -> &Body {
        &self.source.body
    }

    /// The text of an attribute and where its value stands.
    fn text(&self, name: &str) -> Option<(String, &Span)> {
        let text = self.body().string(name).ok().flatten()?;
        Some((text, &self.body().attribute(name)?.span))
    }

    fn place(&self, span: &Span) -> Place {
        diagnose::span(self.root, span)
    }

    fn error(&self, id: &'static str, span: &Span, message: impl Into<String>) -> Finding {
        Finding::error(id, self.place(span), message)
    }
}

/// MED001 to MED003.
fn media(subject: Subject<'_>) -> Vec<Finding> {
    let mut findings = vec![];
    findings.extend(no_medium(subject));
    let fetched = matches!(subject.media, Some(MediaKind::Download) | None);
    if let Some((checksum, span)) = subject.text("iso_checksum") {
        let url = subject.text("iso_url").map_or_else(String::new, |(url, _)| url);
        let local = !url.contains("://") || url.starts_with("file://");
        if matches!(checksum.as_str(), "none" | "") && fetched && !local {
            let finding = subject.error("MED001", span, "the download is not checked");
            findings.push(finding.help("iso_checksum = \"file:…/SHA256SUMS\" or \"sha256:…\""));
        }
        findings.extend(plain_http(subject, "iso_checksum", checksum.strip_prefix("file:"), span));
    }
    if let Some((url, span)) = subject.text("iso_url") {
        findings.extend(plain_http(subject, "iso_url", Some(&url), span));
    }
    for url in subject.body().strings("iso_urls").ok().flatten().unwrap_or_default() {
        if let Some(attribute) = subject.body().attribute("iso_urls") {
            findings.extend(plain_http(subject, "iso_urls", Some(&url), &attribute.span));
        }
    }
    findings
}

/// A `try(…, "")` swallows a misspelt name: the plan is whole and the build has
/// nothing to start from.
fn no_medium(subject: Subject<'_>) -> Option<Finding> {
    let (url, span) = subject.text("iso_url")?;
    let wanted = subject.media == Some(MediaKind::Download) && url.is_empty();
    let finding = || subject.error("MED003", span, "the medium has no address");
    let help = "its value is empty: is a name in the expression misspelt?";
    wanted.then(|| finding().help(help))
}

fn plain_http(subject: Subject<'_>, name: &str, url: Option<&str>, span: &Span) -> Option<Finding> {
    let url = url.filter(|url| url.starts_with("http://"))?;
    let host = url.trim_start_matches("http://").split(['/', ':']).next().unwrap_or("");
    if matches!(host, "127.0.0.1" | "localhost") {
        return None;
    }
    let finding = subject.error("MED002", span, format!("{name} is fetched by http://"));
    Some(finding.help("use https://, or a mirror that has it"))
}

/// VNC001, SEC001.
fn access(subject: Subject<'_>) -> Vec<Finding> {
    let mut findings = vec![];
    if let Some((address, span)) = subject.text("vnc_bind_address") {
        let loopback = ["127.0.0.1", "localhost", "::1", ""].contains(&address.as_str());
        let with_password = subject.body().bool("vnc_use_password").ok().flatten() == Some(true);
        if !loopback && !with_password {
            let message =
                format!("the VM's screen and keyboard are open to the network ({address})");
            findings.push(
                subject.error("VNC001", span, message).help("vnc_bind_address = \"127.0.0.1\""),
            );
        }
    }
    let communicator = subject.text("communicator").map_or_else(|| "ssh".into(), |(c, _)| c);
    for (name, kind) in [("ssh_password", "ssh"), ("winrm_password", "winrm")] {
        if communicator == kind {
            findings.extend(fixed_password(subject, name));
        }
    }
    findings
}

/// A password that is the same for every build: written out, or a variable's
/// default. One that the user gave is the user's.
fn fixed_password(subject: Subject<'_>, name: &str) -> Option<Finding> {
    let attribute = subject.body().attribute(name)?;
    let password = attribute.value.as_str().filter(|p| !p.is_empty())?;
    let given = subject
        .variables
        .iter()
        .any(|v| !matches!(v.origin, ValueOrigin::Default) && v.value.as_str() == Some(password));
    // Random values are stand-ins in an evaluation that starts no build.
    if given || is_random(password) {
        return None;
    }
    let finding =
        subject.error("SEC001", &attribute.span, format!("`{name}` is the same for every build"));
    Some(finding.help("local \"password\" { expression = uuidv4(), sensitive = true }"))
}

/// The form of a UUID: what `uuidv4()` gives, also in place of a real one.
fn is_random(text: &str) -> bool {
    let mut parts =
        text.split('-').map(|part| (part.len(), part.chars().all(|c| c.is_ascii_hexdigit())));
    [8, 4, 4, 4, 12].iter().all(|length| parts.next() == Some((*length, true)))
        && parts.next().is_none()
}

/// NET001: two builds at once need two ports.
fn ports(subject: Subject<'_>) -> Vec<Finding> {
    let ranges = [
        ("http_port_min", "http_port_max"),
        ("host_port_min", "host_port_max"),
        ("ssh_host_port_min", "ssh_host_port_max"),
        ("vnc_port_min", "vnc_port_max"),
    ];
    let number = |name| subject.body().int(name).ok().flatten();
    ranges
        .into_iter()
        .filter_map(|(low, high)| {
            let (from, to) = (number(low)?, number(high)?);
            let span = &subject.body().attribute(low)?.span;
            (from == to && from != 0).then(|| {
                let message = format!("`{low}` and `{high}` leave one port: {from}");
                subject.error("NET001", span, message).help("leave both out")
            })
        })
        .collect()
}

/// FW001, ACC001, QMU001 in what QEMU gets.
fn arguments(subject: Subject<'_>) -> Vec<Finding> {
    let rows = subject.body().string_lists("qemuargs").ok().flatten().unwrap_or_default();
    let Some(span) = subject.body().attribute("qemuargs").map(|a| &a.span) else { return vec![] };
    rows.iter().flat_map(|row| argument(subject, row, span)).collect()
}

fn argument(subject: Subject<'_>, row: &[String], span: &Span) -> Vec<Finding> {
    let switch = row.first().map_or("", String::as_str);
    let value = row.get(1..).unwrap_or_default().concat();
    let mut findings = vec![];
    if value.contains("OVMF") || value.contains("AAVMF") || value.contains("edk2") {
        let message = format!("`{switch}` names firmware of one distribution");
        let help = "efi_firmware_code and efi_firmware_vars, from variables";
        findings.push(subject.error("FW001", span, message).help(help));
    }
    let kvm = value.contains("accel=kvm") || (switch == "-accel" && value.starts_with("kvm"));
    if kvm || switch == "-enable-kvm" || (switch == "-cpu" && value.starts_with("host")) {
        let shown = format!("{switch} {value}");
        let message = format!("`{}` does not start on a host without KVM", shown.trim());
        findings.push(
            subject
                .error("ACC001", span, message)
                .help("leave it to `accelerator` and cpu_model = \"max\""),
        );
    }
    if let Some(lost) = lost_defaults(subject, switch) {
        let message = format!("`{switch}` in qemuargs drops {lost}");
        let help = "use the plugin's own arguments (disk_*, cdrom_*, cd_*, efi_*, vtpm)";
        findings.push(subject.error("QMU001", span, message).help(help));
    }
    findings
}

/// What the plugin would have passed by a switch that `qemuargs` takes over. The
/// network card comes back by itself.
fn lost_defaults(subject: Subject<'_>, switch: &str) -> Option<&'static str> {
    let flag = |name| subject.body().bool(name).ok().flatten() == Some(true);
    let scsi = |name| subject.text(name).is_some_and(|(value, _)| value == "virtio-scsi");
    match switch {
        "-drive" => Some("the disk, the medium and the firmware"),
        "-netdev" => Some("the network that the build talks through"),
        "-device" if scsi("disk_interface") || scsi("cdrom_interface") => {
            Some("the controllers of the disk and the medium")
        }
        "-device" if flag("vtpm") => Some("the TPM"),
        _ => None,
    }
}
