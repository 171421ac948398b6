//! ANS004: what AutoYaST demands of its profile beyond being well-formed.
//!
//! Kinds and elements are those of AutoYaST's published schema, the files
//! `src/autoyast-rnc/*.rnc` of the branch SLE-15-SP7 of
//! <https://github.com/yast/yast-autoinstallation> and of the repositories beside it.

use super::Problem;
use super::xml::Element;

/// How a value has to be declared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Integer,
    List,
    Symbol,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::List => "list",
            Self::Symbol => "symbol",
        }
    }
}

/// Elements by their parent, and the kind that they have to declare: without
/// it they are text to AutoYaST.
const KINDS: [(&str, Kind, &[&str]); 17] = [
    ("profile", Kind::List, &["groups", "partitioning", "users"]),
    ("general", Kind::List, &["ask-list", "proposals"]),
    ("general", Kind::Boolean, &["self_update"]),
    ("mode", Kind::Boolean, &["confirm", "final_halt", "final_reboot", "halt", "second_stage"]),
    ("suse_register", Kind::List, &["addons"]),
    ("suse_register", Kind::Boolean, &["do_registration", "install_updates", "slp_discovery"]),
    ("add-on", Kind::List, &["add_on_products", "add_on_others"]),
    ("networking", Kind::Boolean, &["keep_install_network", "setup_before_proposal"]),
    ("firewall", Kind::Boolean, &["enable_firewall", "start_firewall"]),
    ("drive", Kind::Boolean, &["enable_snapshots", "initialize"]),
    ("drive", Kind::List, &["partitions"]),
    ("drive", Kind::Symbol, &["type"]),
    ("partition", Kind::Boolean, &["create", "format", "resize"]),
    ("partition", Kind::Integer, &["filesystem_id", "partition_id", "partition_nr"]),
    ("partition", Kind::Symbol, &["filesystem", "mountby"]),
    ("software", Kind::Boolean, &["do_online_update", "install_recommended"]),
    ("services", Kind::List, &["disable", "enable", "on_demand"]),
];

/// Lists and truths of the parts that may have nothing else.
const CLOSED: [(&str, Kind, &[&str], &[&str]); 4] = [
    (
        "software",
        Kind::List,
        &[
            "packages",
            "patterns",
            "post-packages",
            "post-patterns",
            "products",
            "remove-packages",
            "remove-patterns",
            "remove-products",
        ],
        &["do_online_update", "install_recommended", "instsource", "kernel"],
    ),
    (
        "scripts",
        Kind::List,
        &[
            "chroot-scripts",
            "init-scripts",
            "post-scripts",
            "postpartitioning-scripts",
            "pre-scripts",
        ],
        &[],
    ),
    (
        "script",
        Kind::Boolean,
        &["chrooted", "debug", "feedback", "rerun"],
        &[
            "environment",
            "feedback_type",
            "filename",
            "interpreter",
            "location",
            "notification",
            "param-list",
            "rerun_on_error",
            "source",
        ],
    ),
    (
        "user",
        Kind::Boolean,
        &["encrypted", "home_btrfs_subvolume"],
        &[
            "authorized_keys",
            "forename",
            "fullname",
            "gid",
            "group",
            "groups",
            "home",
            "password_settings",
            "shell",
            "surname",
            "uid",
            "user_password",
            "username",
        ],
    ),
];

/// ANS004: everything wrong with a profile.
#[must_use]
pub fn autoyast(root: &Element) -> Vec<Problem> {
    let mut found = vec![];
    let namespace = "http://www.suse.com/1.0/yast2ns";
    if root.attribute("xmlns") != Some(namespace) {
        found.push((root.line, format!("AutoYaST reads <profile> of xmlns=\"{namespace}\" only")));
    }
    found.extend(unattended(root));
    root.walk(&mut vec![], &mut |element, parents| {
        if let Some(parent) = parents.last() {
            found.extend(undeclared(parent, element));
            found.extend(unknown(parent, element));
        }
    });
    found
}

/// No question before, no machine left running after.
fn unattended(root: &Element) -> Vec<Problem> {
    let mut found = vec![];
    let mode = root.child("general").and_then(|general| general.child("mode"));
    let confirm = mode.and_then(|mode| mode.child("confirm"));
    if confirm.is_none_or(|confirm| confirm.text != "false") {
        let line = confirm.map_or(root.line, |confirm| confirm.line);
        found.push((
            line,
            "AutoYaST asks before it installs: <confirm> in <mode> is not false".into(),
        ));
    }
    let ends = ["halt", "final_halt"].iter().filter_map(|name| mode?.child(name));
    if !ends.into_iter().any(|end| end.text == "true") {
        let line = mode.map_or(root.line, |mode| mode.line);
        found.push((line, "the machine is not turned off: no <halt> or <final_halt>".into()));
    }
    found
}

fn kind_of(parent: &str, name: &str) -> Option<Kind> {
    let open = KINDS.iter().map(|&(of, kind, names)| (of, kind, names));
    let closed = CLOSED.iter().map(|&(of, kind, names, _)| (of, kind, names));
    let mut all = open.chain(closed);
    all.find(|(of, _, names)| *of == parent && names.contains(&name)).map(|(_, kind, _)| kind)
}

/// A value that is not declared to be what it is, or is something else.
fn undeclared(parent: &str, element: &Element) -> Option<Problem> {
    let kind = kind_of(parent, &element.name)?;
    let said = ["config:type", "type", "t"].iter().find_map(|name| element.attribute(name));
    let (name, text) = (&element.name, element.text.as_str());
    let wrong = if said != Some(kind.name()) {
        format!("<{name}> in <{parent}> needs config:type=\"{}\"", kind.name())
    } else if kind == Kind::Boolean && !["true", "false"].contains(&text) {
        format!("<{name}> is true or false, not `{text}`")
    } else if kind == Kind::Integer && text.parse::<i64>().is_err() {
        format!("<{name}> is a number, not `{text}`")
    } else {
        return None;
    };
    Some((element.line, wrong))
}

/// An element where the schema has no place for it.
fn unknown(parent: &str, element: &Element) -> Option<Problem> {
    let (_, _, typed, others) = CLOSED.iter().find(|(of, ..)| *of == parent)?;
    let name = element.name.as_str();
    let known = typed.contains(&name) || others.contains(&name);
    (!known).then(|| (element.line, format!("AutoYaST knows no <{name}> in <{parent}>")))
}

#[cfg(test)]
mod tests {
    use super::super::xml::parse;
    use super::*;

    const SUSE: &str = "xmlns=\"http://www.suse.com/1.0/yast2ns\" xmlns:config=\"c\"";
    const MODE: &str = "<general><mode><confirm t='boolean'>false</confirm><halt t='boolean'>true</halt></mode></general>";

    fn lines(profile: &str) -> Vec<usize> {
        autoyast(&parse(profile).unwrap()).iter().map(|(line, _)| *line).collect()
    }

    #[test]
    fn a_profile_is_unattended_and_in_its_namespace() {
        assert_eq!(lines(&format!("<profile {SUSE}>{MODE}</profile>")), [0; 0]);
        assert_eq!(lines(&format!("<profile>{MODE}</profile>")), [1]);
        assert_eq!(lines(&format!("<profile {SUSE}>\n</profile>")), [1, 1]);
    }

    /// jing 20220510 with the published schema refuses each of them too.
    #[test]
    fn what_the_schema_refuses_has_its_line() {
        for part in [
            "<users><user/></users>",
            "<partitioning t='list'><drive><partitions/></drive></partitioning>",
            "<partitioning t='list'><drive><initialize>true</initialize></drive></partitioning>",
            "<partitioning t='list'><drive><type>CT_DISK</type></drive></partitioning>",
            "<partitioning t='list'><drive><partitions t='list'><partition><partition_nr t='integer'>one</partition_nr></partition></partitions></drive></partitioning>",
            "<partitioning t='list'><drive><partitions t='list'><partition><filesystem>ext4</filesystem></partition></partitions></drive></partitioning>",
            "<services-manager><services><enable><service>sshd</service></enable></services></services-manager>",
            "<software><packges t='list'><package>vim</package></packges></software>",
            "<software><packages><package>vim</package></packages></software>",
            "<software><install_recommended t='boolean'>no</install_recommended></software>",
            "<scripts><late-scripts t='list'><script/></late-scripts></scripts>",
            "<scripts><chroot-scripts t='list'><script><chroot t='boolean'>true</chroot></script></chroot-scripts></scripts>",
            "<users t='list'><user><username>root</username><password>!</password></user></users>",
        ] {
            assert_eq!(lines(&format!("<profile {SUSE}>{MODE}\n{part}</profile>")), [2], "{part}");
        }
    }

    #[test]
    fn good_parts_of_the_schema_pass() {
        for part in [
            "<users config:type='list'><user><username>root</username><encrypted config:type='boolean'>true</encrypted></user></users>",
            "<software><packages type='list'><package>vim</package></packages></software>",
            "<software><install_recommended t='boolean'>false</install_recommended></software>",
        ] {
            assert_eq!(lines(&format!("<profile {SUSE}>{MODE}{part}</profile>")), [0; 0], "{part}");
        }
    }
}
