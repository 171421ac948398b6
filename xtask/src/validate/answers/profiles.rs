//! ANS003 and ANS005: what Windows Setup and XenServer's installer demand of
//! their XML beyond being well-formed.

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
        let component = "<component name=\"a\" processorArchitecture=\"amd64\" publicKeyToken=\"3\" language=\"neutral\"";
        for (rule, text, lines) in [
            (unattend as fn(&Element) -> Vec<Problem>, "<unattend/>".to_owned(), vec![1]),
            (unattend, format!("<unattend {ms}>\n<settings pass='oobe'/></unattend>"), vec![2]),
            (unattend, format!("<unattend {ms}><settings pass='specialize'>\n{component}/></settings></unattend>"), vec![2]),
            (unattend, format!("<unattend {ms}><A>\n<B><Order>1</Order></B>\n<B><Order>1</Order></B></A></unattend>"), vec![3]),
            (xenserver, "<installation><primary-disk/><keymap/><root-password/><source/><timezone/><admin-interface/>\n<script stage='end'/></installation>".to_owned(), vec![2]),
        ] {
            let found = rule(&parse(&text).unwrap());
            assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), lines, "{text}: {found:?}");
        }
        assert_eq!(xenserver(&parse("<installation/>").unwrap()).len(), 6);
    }
}
