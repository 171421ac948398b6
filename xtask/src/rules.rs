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
        "RUN001",
        "scripts have a run bit and an interpreter line",
        "curtin runs hooks directly; without them the deployment fails with a permission or format error",
    ),
];

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
}
