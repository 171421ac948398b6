//! What is exchanged in the text of a directory that becomes another one.

use std::collections::BTreeSet;

/// An image, and the one that is made of it.
pub struct Names<'a> {
    /// Name of the image that is there.
    pub old: &'a str,
    /// Name of the new one.
    pub new: &'a str,
    /// Title of the image that is there.
    pub old_title: &'a str,
    /// Title of the new one.
    pub title: &'a str,
    /// Target ids of the image that is there.
    pub ids: Vec<&'a str>,
    /// Their names in MAAS.
    pub in_maas: Vec<&'a str>,
}

/// Where `ubuntu` is the name of the image and not of the system: what stands
/// before it, and behind it.
const NAMED: [(&str, &str); 9] = [
    ("source.qemu.", ""),
    ("source \"qemu\" \"", "\""),
    ("\"", "-${var."),
    ("output-", ""),
    ("custom/", "-"),
    ("cd ", "\n"),
    ("build '", "-"),
    ("doctor ", "`"),
    ("", ".pkr.hcl"),
];

impl Names<'_> {
    /// Path of a file inside the directory.
    pub fn path(&self, inside: &str) -> String {
        self.in_place(inside)
    }

    /// A file's text with name and title exchanged.
    ///
    /// A name with a number is nobody else's, so it is exchanged wherever it
    /// stands. `ubuntu` is also a user, a host and a part of URLs.
    pub fn text(&self, text: &str) -> String {
        if self.old.contains(|c: char| c.is_ascii_digit()) {
            return text.replace(self.old_title, self.title).replace(self.old, self.new);
        }
        let (old_title, title) = (self.old_title, self.title);
        let text = text
            .replace(&format!("\"{old_title}"), &format!("\"{title}"))
            .replace(&format!("# {old_title}\n"), &format!("# {title}\n"));
        self.in_place(&text)
    }

    fn in_place(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for id in &self.ids {
            if let Some(rest) = id.strip_prefix(self.old) {
                text = text.replace(id, &format!("{}{rest}", self.new));
            }
        }
        for (before, behind) in NAMED {
            let put = |name: &str| format!("{before}{name}{behind}");
            text = text.replace(&put(self.old), &put(self.new));
        }
        text
    }

    /// What tells the new image from the old one: `hardened` of `ubuntu-hardened`.
    pub fn suffix(&self) -> &str {
        let rest = self.new.strip_prefix(self.old).and_then(|rest| rest.strip_prefix('-'));
        rest.unwrap_or(self.new)
    }

    /// A README that uploads under the new names, as [`Names::catalog`] makes them.
    pub fn readme(&self, text: &str) -> String {
        let mut text = self.text(text);
        let mut done = BTreeSet::new();
        let kept = self.in_maas.iter().filter(|name| self.text(name) == **name);
        for name in kept.filter(|name| done.insert(**name)) {
            text = text.replace(&format!("'{name}'"), &format!("'{name}-{}'", self.suffix()));
        }
        text
    }

    /// `image.toml` with names in MAAS that are not the old image's and that MAAS
    /// takes, as `refused` tells.
    pub fn catalog(&self, old: &str, refused: impl Fn(&str) -> bool) -> String {
        let new = &self.text(old);
        let before: Vec<&str> = names(old).collect();
        let mut text = new.to_owned();
        for (index, name) in names(new).enumerate() {
            let was = before.get(index).copied().unwrap_or(name);
            if name == was || refused(name) {
                let put = |name: &str| format!("name = \"{name}\"");
                text = text.replace(&put(name), &put(&format!("{was}-{}", self.suffix())));
            }
        }
        text
    }
}

/// Values of every `name = "…/…"`, which only names in MAAS look like.
fn names(toml: &str) -> impl Iterator<Item = &str> {
    let values = toml.split("name = \"").skip(1);
    values.filter_map(|rest| rest.split('"').next()).filter(|name| name.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UBUNTU: Names<'_> = Names {
        old: "ubuntu",
        new: "ubuntu-hard",
        old_title: "Ubuntu",
        title: "Ubuntu hard",
        ids: vec![],
        in_maas: vec![],
    };

    #[test]
    fn a_system_keeps_its_name_and_an_image_gets_another() {
        for (old, new) in [
            ("source \"qemu\" \"ubuntu\" {", "source \"qemu\" \"ubuntu-hard\" {"),
            ("[\"source.qemu.ubuntu\"]", "[\"source.qemu.ubuntu-hard\"]"),
            ("\"ubuntu-${var.release}-x\"", "\"ubuntu-hard-${var.release}-x\""),
            ("title = \"Ubuntu 24.04\"", "title = \"Ubuntu hard 24.04\""),
            ("cd ubuntu\n", "cd ubuntu-hard\n"),
        ] {
            assert_eq!(UBUNTU.text(old), new);
        }
        for same in [
            "login_user = \"ubuntu\"",
            "base_image = \"ubuntu/noble\"",
            "signed_by = \"ubuntu-archive\"",
            "\"https://cloud-images.ubuntu.com/releases\"",
            "\"ubuntu-${local.release.point}-live-server\"",
            "Ubuntu Server 20.04 for MAAS",
        ] {
            assert_eq!(UBUNTU.text(same), same);
        }
        let names = Names { ids: vec!["ubuntu-noble-flat-amd64"], ..UBUNTU };
        assert_eq!(
            names.text("build ubuntu-noble-flat-amd64"),
            "build ubuntu-hard-noble-flat-amd64"
        );
    }

    #[test]
    fn names_in_maas_are_new_and_allowed() {
        let old = "name = \"suse/sles15\"\nname = \"windows/win10\"\nname = \"rhel/rhel9\"\n";
        let names = Names { old: "sles15", new: "x", ..UBUNTU };
        assert_eq!(
            names.catalog(old, |name| name == "suse/x"),
            "name = \"suse/sles15-x\"\nname = \"windows/win10-x\"\nname = \"rhel/rhel9-x\"\n"
        );
        let names = Names { in_maas: vec!["esxi/8.0", "esxi/8.0"], ..names };
        assert_eq!(names.readme("name='esxi/8.0' title"), "name='esxi/8.0-x' title");
    }
}
