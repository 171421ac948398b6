//! Every rule of `validate`: id, what it says, why it matters.

/// One rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Stable id.
    pub id: &'static str,
    /// What it demands.
    pub title: &'static str,
    /// What goes wrong otherwise.
    pub why: &'static str,
}

const fn rule(id: &'static str, title: &'static str, why: &'static str) -> Rule {
    Rule { id, title, why }
}

/// All rules of `validate`, by id.
pub const RULES: &[Rule] = &[
    rule("CAT001", "image.toml has only known keys", "a misspelt key would silently do nothing"),
    rule("CAT002", "image.toml is TOML", "nothing can be read from it otherwise"),
    rule(
        "CAT003",
        "image.toml has every required key",
        "the tables, uploads and CI jobs are made from it",
    ),
    rule(
        "CAT004",
        "values have the right type",
        "a date without quotes or a number in quotes means something else",
    ),
    rule(
        "CAT005",
        "words come from the fixed list",
        "each word selects behaviour; an unknown one would select none",
    ),
    rule("CAT006", "image.toml can be read", "an unreadable catalog would hide an image"),
    rule(
        "CAT007",
        "the facts of image.toml fit together",
        "every target needs media, disk, artifact and MAAS facts; defaults must name what exists",
    ),
    rule(
        "HCL001",
        "the template parses and evaluates for this target",
        "Packer would stop here, for some targets only after media were fetched",
    ),
    rule(
        "HCL002",
        "the template has no warnings",
        "Packer prints them and goes on; what they warn of fails later",
    ),
    rule(
        "SRC001",
        "the build uses exactly one qemu source",
        "a target is one disk; with several nobody knows which becomes the artifact",
    ),
    rule(
        "PKR001",
        "`packer validate` accepts the template for this target",
        "people run `packer build .` in the directory, without xtask",
    ),
    rule(
        "PKR002",
        "templates are in `packer fmt`'s form",
        "one form keeps differences in reviews to what was changed",
    ),
    rule(
        "SRC002",
        "the built-in engine knows every attribute and provisioner",
        "an unknown one would be an error when the build starts; `--engine packer` is the way out",
    ),
    rule(
        "SRC003",
        "the qemu plugin knows every argument of a source",
        "Packer stops at an unknown argument, on the host of whoever builds; the names are the plugin's own list",
    ),
    rule(
        "SRC004",
        "Packer knows every provisioner and post-processor, and each of their arguments",
        "Packer stops at an unknown one; that may be after the media were fetched",
    ),
    rule(
        "PLG001",
        "a template requires the plugins it uses",
        "Packer 1.10 and later bring none: hashicorp/packer#12830",
    ),
    rule(
        "PLG002",
        "the pin of the qemu plugin can be met and leaves out 1.1.2",
        "1.1.2 stops a VM without communicator at once, and an empty image comes out green: hashicorp/packer-plugin-qemu#197",
    ),
    rule(
        "PLG003",
        "a template says which Packer it needs",
        "distributions ship 1.6.6, which fails on these templates with messages about something else",
    ),
    rule(
        "MED001",
        "downloads are checked",
        "a truncated or replaced medium is noticed an hour later, or never",
    ),
    rule(
        "MED002",
        "media are fetched by https",
        "medium and checksum by plain http can both be replaced on the way",
    ),
    rule(
        "MED003",
        "what is downloaded has an address",
        "`try` swallows a misspelt name, and the build ends with a VM that has nothing to boot",
    ),
    rule(
        "MED004",
        "the key that signs a checksum list is a file of common/keys",
        "the build stops before the download: nobody can tell who signed the list",
    ),
    rule(
        "VNC001",
        "a VM's screen is not open to the network",
        "whoever can reach it has the keyboard of a machine that installs as root",
    ),
    rule(
        "SEC001",
        "no password is the same for every build",
        "a password in a public template is known to everybody; if it stays in the image, every machine has it",
    ),
    rule(
        "NET001",
        "no port is fixed",
        "two builds on one host take it from each other: hashicorp/packer#4520",
    ),
    rule(
        "OUT001",
        "every target has an output directory of its own",
        "builds of two targets delete or overwrite each other's disks: hashicorp/packer#4863",
    ),
    rule(
        "FW001",
        "firmware is no literal path",
        "its place and name differ between distributions and their releases: canonical/packer-maas#276",
    ),
    rule(
        "ACC001",
        "a build starts on a host without KVM",
        "with KVM written into the template QEMU exits at once, in a container or nested VM: canonical/packer-maas#56",
    ),
    rule(
        "QMU001",
        "qemuargs only add",
        "a switch named there replaces all of the plugin's own, among them disk, medium and firmware",
    ),
    rule(
        "PTH001",
        "files are read by abspath(path.root)",
        "called from another directory Packer joins path.root twice and does not find the file",
    ),
    rule(
        "VAR003",
        "the template evaluates with its defaults alone",
        "`packer build .` without -var is how people start; a default may be no key of the map it indexes",
    ),
    rule(
        "VAR004",
        "every variable has a type and a description",
        "without a type \"false\" is a text and true; without a description nobody knows the knob",
    ),
    rule(
        "MAA001",
        "MAAS accepts the name",
        "the upload is refused, or answered by an error 500, after the build: canonical/packer-maas#49",
    ),
    rule(
        "MAA002",
        "MAAS accepts the base image",
        "only ubuntu, centos, rhel and ol can be an ephemeral system, and only for custom images",
    ),
    rule(
        "MAA003",
        "MAAS deploys this kind of artifact under this name",
        "it stores a disk under suse/ or ubuntu/ and then finds no image to deploy",
    ),
    rule(
        "MAA004",
        "the login user is no root",
        "cloud-init puts MAAS's keys into the default user's home, and root's login is closed",
    ),
    rule(
        "DOC001",
        "generated parts of READMEs are up to date",
        "the tables are what people choose images by",
    ),
    rule(
        "DOC002",
        "every image has a README with the same headings",
        "people look for the same thing in the same place: which medium, which login, which knobs",
    ),
    rule(
        "DOC003",
        "the README's knobs are the template's variables",
        "a knob that is not listed is not found; one that is gone is an error in Packer",
    ),
    rule(
        "DOC004",
        "the README's upload line names a target's name in MAAS and its file type",
        "a pasted command with another name replaces nothing, or the wrong image: canonical/packer-maas#304; a disk that is sent as another type deploys nothing",
    ),
    rule(
        "DUP001",
        "the same text does not stand in two images",
        "a fix in one copy is missing in the other for years: canonical/packer-maas#150, #189, #361",
    ),
    rule(
        "FMT001",
        "templates are in the layout of `packer fmt`",
        "one layout keeps differences to what was meant; `packer fmt -check` in CI fails otherwise",
    ),
    rule(
        "TXT001",
        "scripts and templates are readable text",
        "CR LF in an interpreter line is a file not found, NUL bytes end a script early",
    ),
    rule("TXT002", "lines are short enough to be read", "what no review reads may say anything"),
    rule(
        "RUN002",
        "shell scripts stop at the first error",
        "a failed command in the middle makes a green build of a broken image",
    ),
    rule(
        "VAR001",
        "every declared variable is used",
        "a knob that does nothing wastes the afternoon of whoever turns it",
    ),
    rule(
        "VAR002",
        "image.toml selects targets by declared variables",
        "`-var` of an undeclared variable is an error in Packer",
    ),
    rule(
        "REF001",
        "every file that is referred to exists",
        "the build would fail when it gets there, minutes or an hour in",
    ),
    rule(
        "REF002",
        "every file of an image directory is used",
        "dead answer files and scripts get edited in the belief that they do something",
    ),
    rule(
        "LNK001",
        "links lead somewhere",
        "Packer fails on a dangling fragment; a dangling hook lands in the image as a broken link",
    ),
    rule("LNK002", "links are relative", "an absolute link works on one machine only"),
    rule(
        "LNK003",
        "links stay in the repository",
        "a copy or an archive of the tree would lose what they lead to",
    ),
    rule(
        "LNK004",
        "links lead into common/",
        "shared text lives in one place, with an owner and a README",
    ),
    rule(
        "LNK005",
        "links are links, not text files",
        "a checkout with core.symlinks=false turns fragments into one-line files that Packer cannot parse",
    ),
    rule(
        "EXT001",
        "kickstarts are valid for their release",
        "the installer would stop at the line, with nobody there to see it",
    ),
    rule(
        "EXT002",
        "shellcheck has nothing to say about scripts",
        "an unquoted word or an ignored failure makes an image that is wrong in silence",
    ),
    rule("EXT003", "XML answer files are well-formed", "the installer would reject the whole file"),
    rule("EXT004", "Python hooks compile", "the deployment would fail, not the build"),
    rule(
        "EXT005",
        "`cloud-init schema` accepts user-data",
        "cloud-init skips a module whose settings it does not understand, and the build waits for a login that never comes",
    ),
    rule(
        "ANS001",
        "answer files can be read: XML, JSON, YAML, the sections of a kickstart",
        "an installer that cannot read its answers asks, with nobody there to see it",
    ),
    rule(
        "ANS002",
        "a kickstart stops when its scripts fail, and turns the machine off at its end",
        "a failed %post makes a green build of a broken image; an installer that waits for a key makes an hour of timeout",
    ),
    rule(
        "ANS003",
        "Windows' answer file has passes that Setup knows, each once, and lists in order",
        "Setup leaves out a pass that it does not know, and then asks",
    ),
    rule(
        "ANS004",
        "an AutoYaST profile installs without a question and turns the machine off",
        "a list without its type is one entry to AutoYaST; a profile that is confirmed by hand waits for ever",
    ),
    rule(
        "ANS005",
        "XenServer's answer file has every answer",
        "its installer asks for what is missing, with nobody there to answer",
    ),
    rule(
        "ANS006",
        "an Agama profile has known keys, a product and a login",
        "Agama rejects a profile with a key it does not know, and waits in its web page",
    ),
    rule(
        "ANS007",
        "an autoinstall has known keys, version 1 and a user",
        "unknown keys are ignored or fatal, by the installer's release",
    ),
    rule(
        "ANS008",
        "ESXi's kickstart has the commands and options of its release, and ends with the machine off",
        "an unknown word stops the installer with a message on the screen; a reboot would make the build VM the host that starts first",
    ),
    rule(
        "ANS009",
        "components of Windows' answer file are whole, and in a pass that has them",
        "Setup leaves out what it does not find in that pass, without a word",
    ),
    rule(
        "ANS010",
        "components of Windows' answer file are for the machines' architecture",
        "Setup leaves out components of another one, and installs with none of their settings",
    ),
    rule(
        "ANS011",
        "Windows' answer file answers language, license and partition",
        "Setup asks for them, with nobody there to answer",
    ),
    rule(
        "ANS012",
        "XenServer's answer file has elements and values that the installer knows",
        "what it does not know it leaves out, or it stops with an error on the screen",
    ),
    rule(
        "SEC002",
        "no answer file or script sets a password that is the same for every build",
        "kickstarts, profiles and scripts are public, and what they set may stay in the image",
    ),
    rule(
        "RUN001",
        "scripts have a run bit and an interpreter line",
        "curtin runs hooks directly; without them the deployment fails with a permission or format error",
    ),
];

mod threads;

pub use threads::threads;

/// The rule of that id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|r| r.id.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique() {
        let mut ids: Vec<&str> = RULES.iter().map(|r| r.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RULES.len());
    }

    #[test]
    fn threads_are_addresses_of_known_rules() {
        let mut found = 0;
        for rule in RULES {
            for thread in threads(rule.id) {
                found += 1;
                let parts: Vec<&str> = thread.split('/').collect();
                let [_, _, "github.com", _, _, kind, number] = parts.as_slice() else {
                    panic!("{thread}")
                };
                assert!(["issues", "pull"].contains(kind) && number.parse::<u32>().is_ok());
            }
        }
        assert!(found >= 40, "{found}");
        assert!(threads::THREADS.iter().all(|(id, _)| find(id).is_some()));
    }
}
