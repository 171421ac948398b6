//! Who could log in: keys, passwords, sudo.

use super::{Breach, Input, breach};

pub(super) fn host_keys(input: &Input<'_>) -> Vec<Breach> {
    let keys = input.paths("/etc/ssh/ssh_host_*_key");
    keys.into_iter().map(|key| breach(key, "an SSH host key")).collect()
}

pub(super) fn authorized_keys(input: &Input<'_>) -> Vec<Breach> {
    let mut files = input.paths("/root/.ssh/authorized_keys*");
    files.extend(input.paths("/home/*/.ssh/authorized_keys*"));
    let filled = |file: &String| input.index.find(file).is_some_and(|(_, node)| node.size > 0);
    files.into_iter().filter(filled).map(|file| breach(file, "keys that may log in")).collect()
}

pub(super) fn passwords(input: &Input<'_>) -> Vec<Breach> {
    const PATH: &str = "/etc/shadow";
    if input.index.text(PATH).is_none() {
        return vec![breach(PATH, "there is no such file")];
    }
    let lines = input.lines(PATH);
    let open = lines.iter().filter_map(|line| {
        let mut fields = line.split(':');
        let (user, hash) = (fields.next()?, fields.next()?);
        match hash {
            "" => Some(breach(PATH, format!("{user} can log in without a password"))),
            hash if hash.starts_with(['!', '*']) => None,
            _ => Some(breach(PATH, format!("{user} has a password"))),
        }
    });
    open.collect()
}

pub(super) fn sudoers(input: &Input<'_>) -> Vec<Breach> {
    let mut files = input.paths("/etc/sudoers.d/*");
    files.push("/etc/sudoers".into());
    let mut found = Vec::new();
    for file in files {
        for line in input.lines(&file).iter().filter(|line| line.contains("NOPASSWD")) {
            // Groups are given by the operator; a user is one of the build.
            if !line.starts_with(['%', '@']) {
                found.push(breach(&file, format!("a user of the build is root: {line}")));
            }
        }
    }
    found
}

pub(super) fn sshd(input: &Input<'_>) -> Vec<Breach> {
    let mut files = vec!["/etc/ssh/sshd_config".to_string()];
    files.extend(input.paths("/etc/ssh/sshd_config.d/*"));
    let risky = |line: &String| {
        let lower = line.to_ascii_lowercase();
        let mut words = lower.split([' ', '\t', '=']).filter(|word| !word.is_empty());
        matches!((words.next(), words.next()), (Some("permitrootlogin"), Some("yes")))
    };
    let lines = |file: String| {
        let lines = input.lines(&file).into_iter().filter(risky);
        lines.map(move |line| breach(&file, line)).collect::<Vec<_>>()
    };
    files.into_iter().flat_map(lines).collect()
}
