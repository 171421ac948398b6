//! ANS008: what ESXi's installer knows in a kickstart, by release, and how an
//! image's kickstart has to end.
//!
//! Commands and options of 6.x are those of the grammar in weasel, the installer,
//! which VMware published under the GPL. Later ones are from VMware's
//! documentation: `--forceunsupportedinstall` came with 7, `--dpuPciSlots` with 8.

use super::Problem;
use super::kickstart::{Command, Kickstart};

/// Major and minor release, such as (6, 7).
pub type Release = (u8, u8);

/// A command, and its options with the first release that has them.
type Known = (&'static str, &'static [(&'static str, Release)]);

const ANY: Release = (0, 0);

const DISKS: [(&str, Release); 12] = [
    ("--disk", ANY),
    ("--drive", ANY),
    ("--firstdisk", ANY),
    ("--overwritevmfs", ANY),
    ("--preservevmfs", ANY),
    ("--overwritevsan", ANY),
    ("--novmfsondisk", ANY),
    ("--ignoressd", ANY),
    ("--ignoreprereqwarnings", ANY),
    ("--ignoreprereqerrors", ANY),
    ("--forceunsupportedinstall", (7, 0)),
    ("--dpupcislots", (8, 0)),
];

const UPGRADES: [(&str, Release); 12] = [
    ("--disk", ANY),
    ("--drive", ANY),
    ("--firstdisk", ANY),
    ("--diskbootedfrom", ANY),
    ("--overwritevmfs", ANY),
    ("--overwritevsan", ANY),
    ("--savebootbank", ANY),
    ("--ignoreprereqwarnings", ANY),
    ("--ignoreprereqerrors", ANY),
    ("--forcemigrate", ANY),
    ("--forceunsupportedinstall", (7, 0)),
    ("--dpupcislots", (8, 0)),
];

const NETWORK: [(&str, Release); 10] = [
    ("--bootproto", ANY),
    ("--device", ANY),
    ("--ip", ANY),
    ("--gateway", ANY),
    ("--nameserver", ANY),
    ("--nodns", ANY),
    ("--netmask", ANY),
    ("--hostname", ANY),
    ("--vlanid", ANY),
    ("--addvmportgroup", ANY),
];

const COMMANDS: [Known; 17] = [
    ("accepteula", &[]),
    ("vmaccepteula", &[]),
    (
        "clearpart",
        &[
            ("--all", ANY),
            ("--alldrives", ANY),
            ("--drives", ANY),
            ("--firstdisk", ANY),
            ("--ignoredrives", ANY),
            ("--overwritevmfs", ANY),
        ],
    ),
    ("dryrun", &[]),
    ("include", &[]),
    ("install", &DISKS),
    ("installorupgrade", &UPGRADES),
    ("upgrade", &UPGRADES),
    ("keyboard", &[]),
    ("network", &NETWORK),
    ("paranoid", &[]),
    ("part", &[("--ondisk", ANY), ("--ondrive", ANY), ("--onfirstdisk", ANY)]),
    ("partition", &[("--ondisk", ANY), ("--ondrive", ANY), ("--onfirstdisk", ANY)]),
    ("reboot", &[("--noeject", ANY)]),
    ("rootpw", &[("--iscrypted", ANY)]),
    ("serialnum", &[("--esx", ANY)]),
    ("vmserialnum", &[("--esx", ANY)]),
];

/// Sections and their options.
const SECTIONS: [(&str, &[&str]); 3] = [
    ("%pre", &["--interpreter"]),
    ("%post", &["--interpreter", "--timeout", "--ignorefailure"]),
    ("%firstboot", &["--interpreter"]),
];

/// One of each row has to stand in a kickstart.
const REQUIRED: [&[&str]; 3] =
    [&["vmaccepteula", "accepteula"], &["rootpw"], &["install", "installorupgrade", "upgrade"]];

/// The release in a target's id, such as `vmware-esxi-6.7-amd64`.
#[must_use]
pub fn release(target: &str) -> Option<Release> {
    let mut words = target.split('-').skip_while(|word| *word != "esxi").skip(1);
    let mut numbers = words.next()?.split('.').map(str::parse::<u8>);
    let major = numbers.next()?.ok()?;
    Some((major, numbers.next().and_then(Result::ok).unwrap_or(0)))
}

/// ANS008: everything wrong with a kickstart of ESXi for these releases.
#[must_use]
pub fn esxi(read: &Kickstart<'_>, releases: &[Release]) -> Vec<Problem> {
    let oldest = releases.iter().min().copied();
    let mut found: Vec<Problem> =
        read.commands.iter().flat_map(|command| unknown(command, oldest)).collect();
    for section in &read.sections {
        let known = SECTIONS.iter().find(|(name, _)| *name == section.name);
        let options = known.map_or(&[][..], |(_, options)| options);
        if known.is_none() {
            found.push((section.line, format!("ESXi has no section `{}`", section.name)));
        }
        for option in section.options.split_whitespace().filter(|_| known.is_some()) {
            let name = option.split('=').next().unwrap_or(option);
            if !options.contains(&name) {
                found.push((section.line, format!("`{}` has no option {name}", section.name)));
            }
        }
    }
    found.extend(missing(read));
    found.extend(end(read));
    found
}

fn unknown(command: &Command<'_>, oldest: Option<Release>) -> Vec<Problem> {
    if command.name.starts_with('%') {
        return vec![]; // sections that do not exist are ANS001's
    }
    let Some((_, options)) = COMMANDS.iter().find(|(name, _)| *name == command.name) else {
        return vec![(command.line, format!("ESXi's installer has no command `{}`", command.name))];
    };
    let given = command.arguments.split_whitespace().filter(|word| word.starts_with("--"));
    let wrong = given.filter_map(|word| {
        let name = word.split('=').next().unwrap_or(word).to_lowercase();
        let since = options.iter().find(|(known, _)| *known == name).map(|(_, since)| *since);
        let text = match (since, oldest) {
            (None, _) => format!("`{}` has no option {name}", command.name),
            (Some(since), Some(oldest)) if oldest < since => {
                format!("{name} came with ESXi {}, this is for {}.{}", since.0, oldest.0, oldest.1)
            }
            _ => return None,
        };
        Some((command.line, text))
    });
    wrong.collect()
}

fn missing(read: &Kickstart<'_>) -> Vec<Problem> {
    let has = |names: &[&str]| read.commands.iter().any(|c| names.contains(&c.name));
    let missing = REQUIRED.iter().filter(|names| !has(names));
    missing.map(|names| (1, format!("`{}` is missing: the installer stops", names[0]))).collect()
}

/// The first start of what is installed has to be the deployed machine's.
fn end(read: &Kickstart<'_>) -> Vec<Problem> {
    let reboot = read.commands.iter().find(|command| command.name == "reboot");
    if let Some(reboot) = reboot {
        return vec![(reboot.line, "the installed system would start in the build VM".into())];
    }
    let ends = |line: &&str| ["halt", "poweroff"].contains(&line.trim());
    let post: Vec<_> = read.sections.iter().filter(|section| section.name == "%post").collect();
    if post.iter().any(|section| section.body.iter().any(ends)) {
        return vec![];
    }
    let line = post.first().map_or(1, |section| section.line);
    vec![(line, "nothing in %post turns the machine off: halt".into())]
}

#[cfg(test)]
mod tests {
    use super::super::kickstart::parse;
    use super::*;

    const GOOD: &str = "vmaccepteula\nrootpw x\ninstall --firstdisk --overwritevmfs\n%post --interpreter=busybox\nhalt\n%firstboot --interpreter=busybox\nls\n";

    fn lines(text: &str, releases: &[Release]) -> Vec<usize> {
        esxi(&parse(text), releases).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn releases_of_targets() {
        assert_eq!(release("vmware-esxi-6.7-amd64"), Some((6, 7)));
        assert_eq!(release("vmware-esxi-8-amd64"), Some((8, 0)));
        assert_eq!(release("rocky9-amd64"), None);
        assert_eq!(release("esxi-x"), None);
    }

    #[test]
    fn options_are_those_of_the_oldest_release() {
        let text = GOOD.replace("--firstdisk", "--firstdisk --forceunsupportedinstall");
        assert_eq!(lines(&text, &[(8, 0), (6, 7)]), [3]);
        assert_eq!(lines(&text, &[(7, 0)]), [0; 0]);
        assert_eq!(lines(&text, &[]), [0; 0]);
    }

    #[test]
    fn mistakes_have_their_line() {
        assert_eq!(lines(GOOD, &[(6, 7)]), [0; 0]);
        for (from, to, wanted) in [
            ("install --", "instal --", vec![3, 1]),
            ("--firstdisk", "--firstdisc", vec![3]),
            ("rootpw x\n", "", vec![1]),
            ("rootpw x\n", "rootpw x\nreboot\n", vec![3]),
            ("halt", "true", vec![4]),
            ("%post --interpreter=busybox", "%post --shell=busybox", vec![4]),
            ("%firstboot", "%onerror", vec![6]),
            ("vmaccepteula\n", "vmaccepteula\nclearpart --linux\n", vec![2]),
        ] {
            let text = GOOD.replace(from, to);
            assert_eq!(lines(&text, &[(8, 0)]), wanted, "{text}");
        }
    }
}
