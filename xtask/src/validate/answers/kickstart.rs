//! A reader of kickstarts for our rules: commands and sections with their
//! lines. What commands mean is `ksvalidator`'s to say.

use super::Problem;

/// One line outside of sections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// Line, from 1.
    pub line: usize,
    /// The first word.
    pub name: &'a str,
    /// The others.
    pub arguments: &'a str,
}

/// `%post` and the like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// Line of its header, from 1.
    pub line: usize,
    /// Name, with the percent sign.
    pub name: &'a str,
    /// What stands behind the name.
    pub options: &'a str,
    /// Its lines.
    pub body: Vec<&'a str>,
    /// There is an `%end`.
    pub closed: bool,
}

/// A kickstart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kickstart<'a> {
    /// Commands in order.
    pub commands: Vec<Command<'a>>,
    /// Sections in order.
    pub sections: Vec<Section<'a>>,
    /// `%end` without a section: lines.
    pub stray: Vec<usize>,
}

/// Sections of Anaconda and of ESXi's installer.
const SECTIONS: [&str; 10] = [
    "%packages",
    "%pre",
    "%pre-install",
    "%post",
    "%onerror",
    "%traceback",
    "%addon",
    "%anaconda",
    "%certificate",
    "%firstboot",
];

/// Sections that run a script which Anaconda can be told to stop for.
const SCRIPTS: [&str; 3] = ["%pre", "%pre-install", "%post"];

/// Commands after which the machine goes off, so that a build without a login
/// can tell that it is done.
const ENDS: [&str; 3] = ["poweroff", "shutdown", "halt"];

/// Reads a kickstart. There is no text that cannot be read.
#[must_use]
pub fn parse(text: &str) -> Kickstart<'_> {
    let mut read = Kickstart::default();
    let mut open: Option<Section<'_>> = None;
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim_end();
        let (name, rest) = trimmed.split_once(char::is_whitespace).unwrap_or((trimmed, ""));
        if name == "%end" {
            match open.take() {
                Some(section) => read.sections.push(Section { closed: true, ..section }),
                None => read.stray.push(index + 1),
            }
        } else if SECTIONS.contains(&name) {
            read.sections.extend(open.take());
            let (line, options) = (index + 1, rest.trim());
            open = Some(Section { line, name, options, body: vec![], closed: false });
        } else if let Some(section) = &mut open {
            section.body.push(line);
        } else if !name.is_empty() && !name.starts_with('#') {
            read.commands.push(Command { line: index + 1, name, arguments: rest.trim() });
        }
    }
    read.sections.extend(open);
    read
}

impl Kickstart<'_> {
    /// ESXi's installer: its sections have no `%end`, its scripts no way to
    /// stop it.
    #[must_use]
    pub fn is_esxi(&self) -> bool {
        self.commands.iter().any(|c| ["vmaccepteula", "accepteula"].contains(&c.name))
    }
}

/// ANS001: sections that the installer would read otherwise than they look.
#[must_use]
pub fn broken(read: &Kickstart<'_>) -> Vec<Problem> {
    let mut found: Vec<Problem> =
        read.stray.iter().map(|line| (*line, "`%end` without a section".to_owned())).collect();
    for command in read.commands.iter().filter(|c| c.name.starts_with('%') && !is_include(c.name)) {
        found.push((command.line, format!("there is no section `{}`", command.name)));
    }
    if !read.is_esxi() {
        let open = read.sections.iter().filter(|s| !s.closed);
        found.extend(open.map(|s| (s.line, format!("`{}` has no `%end`", s.name))));
    }
    found
}

fn is_include(name: &str) -> bool {
    ["%include", "%ksappend"].contains(&name)
}

/// ANS002: scripts whose failure is nobody's, and an installation that waits
/// for a key at its end. ESXi's kickstarts are ANS008's.
#[must_use]
pub fn quiet(read: &Kickstart<'_>) -> Vec<Problem> {
    let scripts = read.sections.iter().filter(|s| SCRIPTS.contains(&s.name));
    let mut found: Vec<Problem> = scripts
        .filter(|s| !s.options.split_whitespace().any(|word| word == "--erroronfail"))
        .map(|s| (s.line, format!("the installer goes on when `{}` fails: --erroronfail", s.name)))
        .collect();
    if !read.commands.iter().any(|c| ENDS.contains(&c.name)) {
        let line = read.commands.first().map_or(1, |c| c.line);
        let reboot = read.commands.iter().find(|c| c.name == "reboot");
        let line = reboot.map_or(line, |c| c.line);
        found.push((line, "the installer does not turn the machine off: poweroff".to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_sections() {
        let read = parse("lang en\n# x\n%packages\na\n%end\n%post --erroronfail\ncd /\n%end\n");
        assert_eq!(read.commands.len(), 1);
        let names: Vec<_> = read.sections.iter().map(|s| (s.name, s.line, s.body.len())).collect();
        assert_eq!(names, [("%packages", 3, 1), ("%post", 6, 1)]);
    }

    #[test]
    fn mistakes_have_their_line() {
        let lines = |f: fn(&Kickstart<'_>) -> Vec<Problem>, text: &str| -> Vec<usize> {
            f(&parse(text)).into_iter().map(|(line, _)| line).collect()
        };
        assert_eq!(lines(broken, "a\n%post\nb\n%packages\n%end\n%end\n%pots\n"), [6, 7, 2]);
        assert_eq!(lines(broken, "vmaccepteula\n%post\nx\n%firstboot\n"), Vec::<usize>::new());
        assert_eq!(lines(quiet, "poweroff\n%post --log=x\n%end\n"), [2]);
        assert_eq!(lines(quiet, "lang x\nreboot\n"), [2]);
    }
}
