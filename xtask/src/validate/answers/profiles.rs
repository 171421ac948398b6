//! ANS003 to ANS005: what Windows Setup, AutoYaST and XenServer's installer
//! demand of their XML beyond being well-formed.

use super::Problem;
use super::xml::Element;

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

/// AutoYaST's parts that are lists and have to say so.
const LISTS: [&str; 12] = [
    "products",
    "patterns",
    "packages",
    "remove-packages",
    "post-packages",
    "users",
    "groups",
    "partitions",
    "pre-scripts",
    "chroot-scripts",
    "post-scripts",
    "init-scripts",
];

/// ANS003: Windows' answer file.
#[must_use]
pub fn unattend(root: &Element) -> Vec<Problem> {
    let mut found = vec![];
    let namespace = "urn:schemas-microsoft-com:unattend";
    if root.attribute("xmlns") != Some(namespace) {
        found.push((root.line, format!("Setup reads <unattend> of xmlns=\"{namespace}\" only")));
    }
    for settings in &root.children {
        let pass = settings.attribute("pass").unwrap_or_default();
        if settings.name == "settings" && !PASSES.contains(&pass) {
            found.push((settings.line, format!("Setup has no pass `{pass}`")));
        }
        for component in settings.children.iter().filter(|c| c.name == "component") {
            found.extend(incomplete(component));
        }
    }
    root.walk(&mut vec![], &mut |element, _| found.extend(orders(element)));
    found
}

fn incomplete(component: &Element) -> Option<Problem> {
    let wanted = ["name", "processorArchitecture", "publicKeyToken", "language", "versionScope"];
    let missing = wanted.into_iter().find(|name| component.attribute(name).is_none())?;
    let name = component.attribute("name").unwrap_or("component");
    Some((component.line, format!("{name} has no `{missing}`: Setup leaves the component out")))
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

/// ANS004: AutoYaST's profile.
#[must_use]
pub fn autoyast(root: &Element) -> Vec<Problem> {
    let mut found = vec![];
    let namespace = "http://www.suse.com/1.0/yast2ns";
    if root.attribute("xmlns") != Some(namespace) {
        found.push((root.line, format!("AutoYaST reads <profile> of xmlns=\"{namespace}\" only")));
    }
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
    root.walk(&mut vec![], &mut |element, _| {
        let kind = element.attribute("config:type").or_else(|| element.attribute("t"));
        let is_list = element.attribute("type").or(kind) == Some("list");
        if LISTS.contains(&element.name.as_str()) && !is_list && !element.children.is_empty() {
            let message = format!("<{}> is a list: config:type=\"list\"", element.name);
            found.push((element.line, message));
        }
    });
    found
}

/// ANS005: XenServer's answer file; elements and stages of
/// <https://docs.xcp-ng.org/appendix/answerfile>, whose installer is the same.
#[must_use]
pub fn xenserver(root: &Element) -> Vec<Problem> {
    let mut found = vec![];
    for name in ["primary-disk", "keymap", "root-password", "source", "timezone", "admin-interface"]
    {
        if root.child(name).is_none() {
            found.push((root.line, format!("<{name}> is missing: the installer asks for it")));
        }
    }
    for script in root.children.iter().filter(|child| child.name == "script") {
        let stage = script.attribute("stage").unwrap_or_default();
        let stages = ["installation-start", "filesystem-populated", "installation-complete"];
        if !stages.contains(&stage) {
            found.push((script.line, format!("the installer has no stage `{stage}`")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::xml::parse;
    use super::*;

    #[test]
    fn mistakes_have_their_line() {
        let ms = "xmlns=\"urn:schemas-microsoft-com:unattend\"";
        let suse = "xmlns=\"http://www.suse.com/1.0/yast2ns\" xmlns:config=\"c\"";
        let mode = "<general><mode><confirm>false</confirm><halt>true</halt></mode></general>";
        let component = "<component name=\"a\" processorArchitecture=\"amd64\" publicKeyToken=\"3\" language=\"neutral\"";
        for (rule, text, lines) in [
            (unattend as fn(&Element) -> Vec<Problem>, "<unattend/>".to_owned(), vec![1]),
            (unattend, format!("<unattend {ms}>\n<settings pass='oobe'/></unattend>"), vec![2]),
            (unattend, format!("<unattend {ms}><settings pass='specialize'>\n{component}/></settings></unattend>"), vec![2]),
            (unattend, format!("<unattend {ms}><A>\n<B><Order>1</Order></B>\n<B><Order>1</Order></B></A></unattend>"), vec![3]),
            (autoyast, format!("<profile {suse}>{mode}</profile>"), vec![]),
            (autoyast, format!("<profile>{mode}</profile>"), vec![1]),
            (autoyast, format!("<profile {suse}>\n</profile>"), vec![1, 1]),
            (autoyast, format!("<profile {suse}>{mode}\n<users><user/></users></profile>"), vec![2]),
            (xenserver, "<installation><primary-disk/><keymap/><root-password/><source/><timezone/><admin-interface/>\n<script stage='end'/></installation>".to_owned(), vec![2]),
        ] {
            let found = rule(&parse(&text).unwrap());
            assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), lines, "{text}: {found:?}");
        }
        assert_eq!(xenserver(&parse("<installation/>").unwrap()).len(), 6);
    }
}
