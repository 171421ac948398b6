//! ANS003, ANS009, ANS010 and ANS011: what Windows Setup demands of its XML
//! beyond being well-formed.
//!
//! What is valid in which pass is from Microsoft's reference of unattended setup,
//! <https://learn.microsoft.com/windows-hardware/customize/desktop/unattend/>.
//! Components that are not listed here are not judged.

use super::xml::Element;
use super::{Broken, Problem};
use crate::arch::Arch;

/// The passes of Windows Setup, from
/// <https://learn.microsoft.com/en-us/windows-hardware/manufacture/desktop/how-configuration-passes-work>.
const PASSES: [&str; 7] = [
    "windowsPE",
    "offlineServicing",
    "generalize",
    "specialize",
    "auditSystem",
    "auditUser",
    "oobeSystem",
];

/// Components and the passes that they take part in.
const COMPONENTS: [(&str, &[&str]); 12] = [
    ("Microsoft-Windows-Setup", &["windowsPE"]),
    ("Microsoft-Windows-International-Core-WinPE", &["windowsPE"]),
    ("Microsoft-Windows-PnpCustomizationsWinPE", &["windowsPE"]),
    ("Microsoft-Windows-PnpCustomizationsNonWinPE", &["offlineServicing", "auditSystem"]),
    ("Microsoft-Windows-PnpSysprep", &["generalize"]),
    ("Microsoft-Windows-International-Core", &["specialize", "oobeSystem"]),
    ("Microsoft-Windows-UnattendedJoin", &["specialize"]),
    (
        "Microsoft-Windows-Deployment",
        &["generalize", "specialize", "auditSystem", "auditUser", "oobeSystem"],
    ),
    (
        "Microsoft-Windows-Shell-Setup",
        &["offlineServicing", "generalize", "specialize", "auditSystem", "auditUser", "oobeSystem"],
    ),
    ("Networking-MPSSVC-Svc", &["offlineServicing", "generalize", "specialize"]),
    (
        "Microsoft-Windows-TerminalServices-LocalSessionManager",
        &["offlineServicing", "generalize", "specialize"],
    ),
    (
        "Microsoft-Windows-TerminalServices-RDP-WinStationExtensions",
        &["offlineServicing", "generalize", "specialize"],
    ),
];

/// Settings of Shell-Setup that only some of its passes have.
const SHELL: [(&str, &[&str]); 6] = [
    ("ComputerName", &["offlineServicing", "specialize"]),
    ("AutoLogon", &["specialize", "auditSystem", "oobeSystem"]),
    ("FirstLogonCommands", &["oobeSystem"]),
    ("LogonCommands", &["oobeSystem"]),
    ("OOBE", &["oobeSystem"]),
    ("UserAccounts", &["auditSystem", "oobeSystem"]),
];

/// Attributes without which Setup does not find the component.
const WANTED: [&str; 5] =
    ["name", "processorArchitecture", "publicKeyToken", "language", "versionScope"];

/// Microsoft's names of architectures.
const ARCHITECTURES: [&str; 5] = ["amd64", "arm", "arm64", "wow64", "x86"];

/// Commands that are longer are cut off or refused.
const LENGTHS: [(&str, &str, usize); 3] = [
    ("SynchronousCommand", "CommandLine", 1024),
    ("RunSynchronousCommand", "Path", 259),
    ("RunAsynchronousCommand", "Path", 259),
];

/// Everything wrong with an answer file that is for machines of `arch`, if that
/// is known.
#[must_use]
pub fn unattend(root: &Element, arch: Option<Arch>) -> Vec<Broken> {
    let mut found: Vec<Broken> = passes(root).into_iter().map(|p| ("ANS003", p)).collect();
    for settings in &root.children {
        found.extend(components(settings).into_iter().map(|p| ("ANS009", p)));
    }
    root.walk(&mut vec![], &mut |element, parents| {
        found.extend(orders(element).into_iter().map(|p| ("ANS003", p)));
        let length = parents.last().and_then(|parent| too_long(parent, element));
        found.extend(length.map(|p| ("ANS003", p)));
    });
    found.extend(architectures(root, arch).into_iter().map(|p| ("ANS010", p)));
    found.extend(questions(root).into_iter().map(|p| ("ANS011", p)));
    found
}

/// The components of all passes.
fn all(root: &Element) -> impl Iterator<Item = &Element> {
    root.children.iter().flat_map(|pass| &pass.children).filter(|c| c.name == "component")
}

/// ANS003: passes that there are, each once, in the namespace that Setup reads.
fn passes(root: &Element) -> Vec<Problem> {
    let mut found = vec![];
    let namespace = "urn:schemas-microsoft-com:unattend";
    if root.attribute("xmlns") != Some(namespace) {
        found.push((root.line, format!("Setup reads <unattend> of xmlns=\"{namespace}\" only")));
    }
    let mut seen: Vec<&str> = vec![];
    for settings in root.children.iter().filter(|child| child.name == "settings") {
        let pass = settings.attribute("pass").unwrap_or_default();
        if !PASSES.contains(&pass) {
            found.push((settings.line, format!("Setup has no pass `{pass}`")));
        } else if seen.contains(&pass) {
            found.push((settings.line, format!("the pass `{pass}` stands twice")));
        }
        seen.push(pass);
    }
    found
}

/// ANS009: components of one pass.
fn components(settings: &Element) -> Vec<Problem> {
    let pass = settings.attribute("pass").unwrap_or_default();
    let mut found = vec![];
    let mut seen: Vec<(&str, &str)> = vec![];
    for component in settings.children.iter().filter(|child| child.name == "component") {
        let name = component.attribute("name").unwrap_or_default();
        if let Some(missing) = WANTED.iter().find(|key| component.attribute(key).is_none()) {
            let text = format!("{name} has no `{missing}`: Setup leaves the component out");
            found.push((component.line, text));
        }
        let key = (name, component.attribute("processorArchitecture").unwrap_or_default());
        if seen.contains(&key) {
            found.push((component.line, format!("{name} stands twice in the pass `{pass}`")));
        }
        seen.push(key);
        found.extend(misplaced(component, name, pass));
    }
    found
}

/// A component, or a setting of Shell-Setup, in a pass that does not have it.
fn misplaced(component: &Element, name: &str, pass: &str) -> Vec<Problem> {
    if !PASSES.contains(&pass) {
        return vec![];
    }
    let Some((_, passes)) = COMPONENTS.iter().find(|(known, _)| *known == name) else {
        return misspelt(component, name).into_iter().collect();
    };
    if !passes.contains(&pass) {
        let text = format!("{name} has no settings in `{pass}`, only in {}", passes.join(", "));
        return vec![(component.line, text)];
    }
    let settings = component.children.iter().filter(|_| name == "Microsoft-Windows-Shell-Setup");
    let wrong = settings.filter_map(|setting| {
        let (_, passes) = SHELL.iter().find(|(known, _)| *known == setting.name)?;
        let text = format!("<{}> belongs to {}, not `{pass}`", setting.name, passes.join(", "));
        (!passes.contains(&pass)).then_some((setting.line, text))
    });
    wrong.collect()
}

/// A name that is nearly one of the known ones.
fn misspelt(component: &Element, name: &str) -> Option<Problem> {
    let distance = |known: &str| strsim::damerau_levenshtein(known, name);
    let near = COMPONENTS.iter().map(|(known, _)| *known).find(|known| distance(known) <= 2)?;
    Some((component.line, format!("there is no component {name}: did you mean {near}?")))
}

/// Commands and partitions of a list run by their numbers, which must differ.
fn orders(list: &Element) -> Vec<Problem> {
    let mut seen: Vec<&str> = vec![];
    let mut found = vec![];
    for order in list.children.iter().filter_map(|item| item.child("Order")) {
        if seen.contains(&order.text.as_str()) {
            let message = format!("<Order>{}</Order> stands twice in <{}>", order.text, list.name);
            found.push((order.line, message));
        }
        seen.push(&order.text);
    }
    found
}

fn too_long(parent: &str, element: &Element) -> Option<Problem> {
    let known = LENGTHS.iter().find(|(of, name, _)| *of == parent && *name == element.name)?;
    let length = element.text.chars().count();
    let text = format!("<{}> has {length} characters, Setup takes {}", element.name, known.2);
    (length > known.2).then_some((element.line, text))
}

/// ANS010: one architecture, and the machines' own.
fn architectures(root: &Element, arch: Option<Arch>) -> Vec<Problem> {
    let wanted = arch.map(|arch| arch.to_string());
    let first = all(root).find_map(|c| c.attribute("processorArchitecture"));
    let one = |component: &Element| {
        let said = component.attribute("processorArchitecture")?;
        let name = component.attribute("name").unwrap_or_default();
        let text = if !ARCHITECTURES.contains(&said) {
            format!("{name}: there is no processorArchitecture `{said}`")
        } else if wanted.as_ref().is_some_and(|wanted| wanted != said) {
            let wanted = wanted.as_deref().unwrap_or_default();
            format!("{name} is for `{said}`, the machines are {wanted}: Setup leaves it out")
        } else if first != Some(said) {
            let first = first.unwrap_or_default();
            format!("{name} is for `{said}`, the components before it for `{first}`")
        } else {
            return None;
        };
        Some((component.line, text))
    };
    all(root).filter_map(one).collect()
}

/// ANS011: what Setup asks for if it is not answered.
fn questions(root: &Element) -> Vec<Problem> {
    let named = |name: &str| all(root).find(|c| c.attribute("name") == Some(name));
    let Some(setup) = named("Microsoft-Windows-Setup") else { return vec![] };
    let mut found = vec![];
    let language = named("Microsoft-Windows-International-Core-WinPE");
    if language.is_none_or(|core| core.child("UILanguage").is_none()) {
        let line = language.map_or(setup.line, |core| core.line);
        found.push((line, "no <UILanguage> in windowsPE: Setup asks for the language".to_owned()));
    }
    let data = setup.child("UserData");
    let eula = data.and_then(|data| data.child("AcceptEula"));
    if eula.is_none_or(|eula| eula.text != "true") {
        let line = eula.or(data).map_or(setup.line, |element| element.line);
        found.push((line, "<AcceptEula> is not true: Setup shows the license".to_owned()));
    }
    found.extend(no_such_partition(setup));
    found
}

/// Windows goes to a partition that the answer file does not make.
fn no_such_partition(setup: &Element) -> Option<Problem> {
    let image = setup.child("ImageInstall").and_then(|install| install.child("OSImage"));
    let to = image.and_then(|image| image.child("InstallTo"))?;
    let (id, wanted) = (to.child("DiskID")?, to.child("PartitionID")?);
    let disks = &setup.child("DiskConfiguration")?.children;
    let disk = disks.iter().find(|disk| disk.child("DiskID").is_some_and(|d| d.text == id.text))?;
    let wiped = disk.child("WillWipeDisk").is_some_and(|wipe| wipe.text == "true");
    let made = disk.child("CreatePartitions").map_or(0, |parts| parts.children.len());
    let number: usize = wanted.text.parse().unwrap_or(0);
    let text =
        format!("there is no partition {} on disk {}: {made} are made", wanted.text, id.text);
    (wiped && !(1..=made).contains(&number)).then_some((wanted.line, text))
}

#[cfg(test)]
mod tests {
    use super::super::xml::parse;
    use super::*;

    const MS: &str = "xmlns=\"urn:schemas-microsoft-com:unattend\"";

    fn component(name: &str, arch: &str, inside: &str) -> String {
        format!(
            "<component name=\"{name}\" processorArchitecture=\"{arch}\" publicKeyToken=\"3\" \
             language=\"neutral\" versionScope=\"nonSxS\">{inside}</component>"
        )
    }

    fn file(pass: &str, inside: &str) -> String {
        format!("<unattend {MS}>\n<settings pass=\"{pass}\">\n{inside}</settings></unattend>")
    }

    fn found(text: &str) -> Vec<(&'static str, usize)> {
        let broken = unattend(&parse(text).unwrap(), Some(Arch::Amd64));
        broken.into_iter().map(|(id, (line, _))| (id, line)).collect()
    }

    #[test]
    fn every_mistake_has_its_rule_and_line() {
        let shell = "Microsoft-Windows-Shell-Setup";
        let ok = component(shell, "amd64", "");
        let path = format!("<Path>{}</Path>", "x".repeat(260));
        for (text, wanted) in [
            ("<unattend/>".to_owned(), vec![("ANS003", 1)]),
            (file("oobe", &ok), vec![("ANS003", 2)]),
            (file("specialize", &ok), vec![]),
            (
                file("specialize", &ok)
                    .replace("</unattend>", "\n<settings pass='specialize'/></unattend>"),
                vec![("ANS003", 4)],
            ),
            (
                file("specialize", "<A>\n<B><Order>1</Order></B>\n<B><Order>1</Order></B></A>"),
                vec![("ANS003", 5)],
            ),
            (
                file(
                    "specialize",
                    &format!("<RunSynchronousCommand>\n{path}</RunSynchronousCommand>"),
                ),
                vec![("ANS003", 4)],
            ),
            (file("specialize", &ok.replace(" language=\"neutral\"", "")), vec![("ANS009", 3)]),
            (file("specialize", &format!("{ok}\n{ok}")), vec![("ANS009", 4)]),
            (file("windowsPE", &ok), vec![("ANS009", 3)]),
            (file("specialize", &component(shell, "amd64", "\n<OOBE/>")), vec![("ANS009", 4)]),
            (
                file("oobeSystem", &component(shell, "amd64", "\n<ComputerName/>")),
                vec![("ANS009", 4)],
            ),
            (
                file("specialize", &component("Microsoft-Windows-Shell-Setpu", "amd64", "")),
                vec![("ANS009", 3)],
            ),
            (file("specialize", &component("Contoso-Own", "amd64", "")), vec![]),
            (file("specialize", &component(shell, "x86", "")), vec![("ANS010", 3)]),
            (file("specialize", &component(shell, "x64", "")), vec![("ANS010", 3)]),
        ] {
            assert_eq!(found(&text), wanted, "{text}");
        }
    }

    #[test]
    fn what_setup_asks_for_has_its_line() {
        let core = component(
            "Microsoft-Windows-International-Core-WinPE",
            "amd64",
            "<UILanguage>en-US</UILanguage>",
        );
        let setup = |inside: &str| component("Microsoft-Windows-Setup", "amd64", inside);
        let eula = "<UserData><AcceptEula>true</AcceptEula></UserData>";
        for (text, wanted) in [
            (file("windowsPE", &format!("{core}{}", setup(eula))), vec![]),
            (file("windowsPE", &setup(eula)), vec![("ANS011", 3)]),
            (
                file("windowsPE", &format!("{core}\n{}", setup("\n<UserData/>"))),
                vec![("ANS011", 5)],
            ),
            (
                file(
                    "windowsPE",
                    &format!(
                        "{core}{}",
                        setup(&format!(
                            "{eula}<DiskConfiguration><Disk><DiskID>0</DiskID><WillWipeDisk>true</WillWipeDisk><CreatePartitions><CreatePartition/></CreatePartitions></Disk></DiskConfiguration>\n<ImageInstall><OSImage><InstallTo><DiskID>0</DiskID><PartitionID>2</PartitionID></InstallTo></OSImage></ImageInstall>"
                        ))
                    ),
                ),
                vec![("ANS011", 4)],
            ),
        ] {
            assert_eq!(found(&text), wanted, "{text}");
        }
    }

    #[test]
    fn without_a_target_the_components_agree_with_the_first() {
        let two = ["amd64", "arm64"].map(|arch| component("a", arch, "")).join("\n");
        let broken = unattend(&parse(&file("specialize", &two)).unwrap(), None);
        assert_eq!(broken.iter().map(|(id, p)| (*id, p.0)).collect::<Vec<_>>(), [("ANS010", 4)]);
    }
}
