//! ANS005 and ANS012: what the installer of XenServer and XCP-ng demands of its
//! XML beyond being well-formed.
//!
//! Elements, attributes and values are those of `doc/answerfile.txt` of
//! <https://github.com/xenserver/host-installer> @ 06056693 and of
//! <https://github.com/xcp-ng/host-installer> @ 05c1e522, and the `service`,
//! `time-config-method` and `netinstall-gpg-check` that older releases read.

use super::xml::Element;
use super::{Broken, Problem};

/// Elements by their parent: any other is misspelt, or nobody reads it.
const ELEMENTS: [(&str, &[&str]); 5] = [
    (
        "installation",
        &[
            "admin-interface",
            "backup-disk",
            "bootloader",
            "driver-source",
            "existing-installation",
            "fcoe-interface",
            "guest-disk",
            "guest-disks",
            "hostname",
            "initial-partitions",
            "install-failed-script",
            "keymap",
            "name-server",
            "nameserver",
            "network-backend",
            "ntp",
            "ntp-server",
            "ntp-servers",
            "post-install-script",
            "primary-disk",
            "raid",
            "root-password",
            "script",
            "selected-multiversion-drivers",
            "service",
            "source",
            "time-config-method",
            "timezone",
            "ui-confirmation-prompt",
        ],
    ),
    ("guest-disks", &["guest-disk"]),
    ("raid", &["disk"]),
    ("admin-interface", &["gateway", "gatewayv6", "ip", "ipaddr", "ipv6", "subnet", "subnet-mask"]),
    ("initial-partitions", &["partition"]),
];

/// Words that an attribute takes: element, attribute, words.
const ATTRIBUTES: [(&str, &str, &[&str]); 12] = [
    ("installation", "mode", &["fresh", "reinstall", "upgrade"]),
    ("installation", "sr-type", &["ext", "lvm"]),
    ("primary-disk", "guest-storage", &BOOLEAN),
    ("primary-disk", "sr-at-end", &BOOLEAN),
    ("primary-disk", "preserve-first-partition", &["true", "yes", "false", "no", "if-utility"]),
    ("bootloader", "location", &["mbr", "partition"]),
    ("bootloader", "write-boot-entry", &BOOLEAN),
    ("source", "type", &["local", "url", "nfs"]),
    ("driver-source", "type", &["local", "url", "nfs"]),
    ("script", "type", &["url", "nfs"]),
    ("root-password", "type", &["plaintext", "hash"]),
    ("admin-interface", "proto", &["static", "dhcp", "none"]),
];

/// Words that stand inside an element.
const WORDS: [(&str, &[&str]); 2] = [
    ("bootloader", &["grub2", "extlinux", "grub"]),
    ("network-backend", &["bridge", "openvswitch", "vswitch"]),
];

const BOOLEAN: [&str; 4] = ["true", "yes", "false", "no"];

const STAGES: [&str; 4] =
    ["installation-start", "packages-installed", "filesystem-populated", "installation-complete"];

/// Everything wrong with an answer file.
#[must_use]
pub fn xenserver(root: &Element) -> Vec<Broken> {
    let mut found: Vec<Broken> = questions(root).into_iter().map(|p| ("ANS005", p)).collect();
    root.walk(&mut vec![], &mut |element, parents| {
        found.extend(unknown(parents.last().copied(), element).map(|p| ("ANS012", p)));
        found.extend(words(element).into_iter().map(|p| ("ANS012", p)));
    });
    found
}

/// ANS005: what the installer asks for if it is missing, and what it asks anyway.
fn questions(root: &Element) -> Vec<Problem> {
    let mut found = vec![];
    for name in ["primary-disk", "keymap", "root-password", "source", "timezone", "admin-interface"]
    {
        if root.child(name).is_none() {
            found.push((root.line, format!("<{name}> is missing: the installer asks for it")));
        }
    }
    let prompt = root.child("ui-confirmation-prompt");
    let asks = prompt.filter(|prompt| ["true", "yes"].contains(&prompt.text.as_str()));
    found.extend(asks.map(|p| (p.line, "the installer asks before it formats the disk".into())));
    let fixed = root.children.iter().filter(|e| e.name == "admin-interface");
    for interface in fixed.filter(|e| e.attribute("proto") == Some("static")) {
        for names in [["ipaddr", "ip"], ["subnet", "subnet-mask"], ["gateway", "gateway"]] {
            if names.iter().all(|name| interface.child(name).is_none()) {
                let text = format!("a static admin-interface has no <{}>", names[0]);
                found.push((interface.line, text));
            }
        }
    }
    found
}

/// ANS012: an element where its parent has no place for it.
fn unknown(parent: Option<&str>, element: &Element) -> Option<Problem> {
    let parent = parent?;
    let (_, known) = ELEMENTS.iter().find(|(name, _)| *name == parent)?;
    let name = element.name.as_str();
    let text = format!("the installer knows no <{name}> in <{parent}>");
    (!known.contains(&name)).then_some((element.line, text))
}

/// ANS012: values that an attribute or an element does not take.
fn words(element: &Element) -> Vec<Problem> {
    let mut found = vec![];
    let mine = ATTRIBUTES.iter().filter(|(of, ..)| *of == element.name);
    for (_, name, words) in mine {
        let Some(value) = element.attribute(name) else { continue };
        if !words.contains(&value) {
            let text =
                format!("{name}=\"{value}\" of <{}> is none of {}", element.name, list(words));
            found.push((element.line, text));
        }
    }
    for (_, words) in WORDS.iter().filter(|(name, _)| *name == element.name) {
        if !words.contains(&element.text.as_str()) {
            let text =
                format!("<{}> is one of {}, not `{}`", element.name, list(words), element.text);
            found.push((element.line, text));
        }
    }
    if element.name == "script" {
        let stage = element.attribute("stage").unwrap_or_default();
        if !STAGES.contains(&stage) {
            found.push((element.line, format!("the installer has no stage `{stage}`")));
        }
    }
    found
}

fn list(words: &[&str]) -> String {
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::xml::parse;
    use super::*;

    const ALL: &str = "<primary-disk>sda</primary-disk><keymap>us</keymap><root-password/><source type='local'/>\
                       <timezone>Etc/UTC</timezone><admin-interface name='eth0' proto='dhcp'/>";

    fn found(text: &str) -> Vec<(&'static str, usize)> {
        xenserver(&parse(text).unwrap()).into_iter().map(|(id, (line, _))| (id, line)).collect()
    }

    #[test]
    fn what_is_missing_is_asked_for() {
        assert_eq!(found("<installation/>"), [("ANS005", 1); 6]);
        assert_eq!(found(&format!("<installation>{ALL}</installation>")), []);
        let still = "<admin-interface proto='static'><ip>10.0.0.2</ip></admin-interface>";
        assert_eq!(
            found(&format!("<installation>{ALL}\n{still}</installation>")),
            [("ANS005", 2); 2]
        );
        let asks = "<ui-confirmation-prompt>yes</ui-confirmation-prompt>";
        assert_eq!(found(&format!("<installation>{ALL}\n{asks}</installation>")), [("ANS005", 2)]);
    }

    #[test]
    fn unknown_words_have_their_line() {
        for (part, count) in [
            ("<scrpt stage='installation-start'/>", 1),
            ("<script stage='end'/>", 1),
            ("<script stage='filesystem-populated' type='http'/>", 1),
            ("<network-backend>ovs</network-backend>", 1),
            ("<bootloader write-boot-entry='never'>lilo</bootloader>", 2),
            ("<guest-disks><disk>sdb</disk></guest-disks>", 1),
            ("<guest-disks><guest-disk>sdb</guest-disk></guest-disks>", 0),
            ("<name-server>10.0.0.1</name-server><ntp source='dhcp'/>", 0),
            ("<raid device='md0'><disk>sda</disk></raid>", 0),
        ] {
            let text = format!("<installation>{ALL}\n{part}</installation>");
            assert_eq!(found(&text), vec![("ANS012", 2); count], "{part}");
        }
        assert_eq!(
            found(&format!("<installation sr-type='zfs'>{ALL}</installation>")),
            [("ANS012", 1)]
        );
    }
}
