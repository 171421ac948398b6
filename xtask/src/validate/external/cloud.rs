//! User-data, by `cloud-init schema`. The installer's own part (`autoinstall`)
//! is not cloud-init's; our rules look at it. What the installer hands to the
//! installed system is user-data again.

use std::fmt::Write as _;
use std::path::Path;

use super::{Document, Job, Problem, TIMEOUT};
use crate::cmd::Cmd;
use crate::validate::answers::structured::key_line;

/// What the schema of Debian 12's cloud-init 22.4 says of `users: []`, which
/// means "no user, not even the default one". Later schemas allow it: own runs,
/// and cloudinit/config/schemas/ of github.com/canonical/cloud-init at 04eacd06e.
const NO_USERS: &str = "users: [] is too short";

pub(super) fn jobs(document: &Document) -> Vec<Job> {
    if !document.text.starts_with("#cloud-config") {
        return vec![];
    }
    if document.text.lines().any(|line| line.starts_with("autoinstall:")) {
        return installed(document).into_iter().collect();
    }
    vec![Job { document: document.clone(), option: String::new(), offset: 0 }]
}

/// `autoinstall.user-data`, a key a line. A text that is no YAML is told by the
/// rules of answer files.
fn installed(document: &Document) -> Option<Job> {
    let answers = packer_hcl::yaml::read(&document.text).ok()?.to_plan_json();
    let mut text = String::from("#cloud-config\n");
    for (key, value) in answers.get("autoinstall")?.get("user-data")?.as_object()? {
        // Writing to a String cannot fail. JSON is YAML.
        let _ = writeln!(text, "{key}: {value}");
    }
    // The first key is its second line, and follows `user-data:`.
    let offset = key_line(&document.text, "user-data") - 1;
    Some(Job { document: Document { text, ..document.clone() }, option: String::new(), offset })
}

pub(super) fn check(program: &Path, job: &Job) -> Result<Vec<Problem>, String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let file = dir.path().join("user-data");
    std::fs::write(&file, &job.document.text).map_err(|e| e.to_string())?;
    let output = Cmd::new(program, "check user-data")
        .cwd(dir.path())
        .args(["schema", "--config-file", "user-data"])
        .env("LC_ALL", "C.UTF-8")
        .timeout(TIMEOUT)
        .success(&[0, 1])
        .output()
        .map_err(|e| e.to_string())?;
    if output.code == 0 {
        return Ok(vec![]);
    }
    let said = format!("{}\n{}", output.stdout_text(), output.stderr_text());
    Ok(problems(&job.document.text, &said))
}

/// `Cloud config schema errors: KEY: what, KEY.0.x: what`; later releases write
/// `Invalid user-data`, and one error a line.
fn problems(text: &str, said: &str) -> Vec<Problem> {
    let marker = "schema errors:";
    let errors: Vec<&str> = match said.split_once(marker) {
        Some((_, list)) => list.lines().take_while(|l| !l.is_empty()).flat_map(split).collect(),
        None => said.lines().filter(|l| l.contains(": ") && !l.starts_with("Error")).collect(),
    };
    let mut found: Vec<Problem> = errors
        .into_iter()
        .map(str::trim)
        .filter(|error| !error.is_empty() && !error.starts_with(NO_USERS))
        .map(|error| (line_of(text, error), error.to_owned()))
        .collect();
    if found.is_empty() && !said.contains(NO_USERS) {
        found.push((0, said.trim().to_owned()));
    }
    found
}

/// Parts of a list whose items begin with a key: `, users.0: `.
fn split(list: &str) -> Vec<&str> {
    let mut parts = vec![];
    let mut start = 0;
    for (at, _) in list.match_indices(", ") {
        let next = list.get(at + 2..).unwrap_or_default();
        let key = next.split(':').next().unwrap_or_default();
        let is_key = key.len() < next.len()
            && !key.is_empty()
            && key.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if is_key {
            parts.push(list.get(start..at).unwrap_or_default());
            start = at + 2;
        }
    }
    parts.push(list.get(start..).unwrap_or_default());
    parts
}

fn line_of(text: &str, error: &str) -> usize {
    let key = error.split([':', '.']).next().unwrap_or_default();
    // `Additional properties are not allowed ('x' was unexpected)`.
    let quoted = error.split('\'').nth(1).filter(|_| error.contains("unexpected"));
    key_line(text, quoted.unwrap_or(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_installer_hands_on_is_user_data() {
        let job = |text: &str| {
            let document =
                Document { file: "x".into(), name: "/user-data".into(), text: text.into() };
            jobs(&document).pop().map(|job| (job.document.text, job.offset))
        };
        let inner = "autoinstall:\n  version: 1\n  user-data: {\"runcmd\":3,\"users\":[]}\n";
        let text = "#cloud-config\nruncmd: 3\nusers: []\n".to_owned();
        assert_eq!(job(&format!("#cloud-config\n{inner}")), Some((text, 3)));
        assert_eq!(job("#cloud-config\nautoinstall:\n  version: 1\n"), None);
        assert_eq!(job("#cloud-config\nautoinstall: [\n"), None);
        assert_eq!(job(inner), None);
    }

    /// Own runs: `cloud-init schema --config-file` of cloud-init 22.4.2.
    #[test]
    fn messages_of_22_4() {
        let text = "#cloud-config\nusers: []\nruncmd: 3\n";
        let said = "Cloud config schema deprecations: \nError:\nCloud config schema errors: runcmd: 3 is not of type 'array', users: [] is too short\n";
        assert_eq!(problems(text, said), [(3, "runcmd: 3 is not of type 'array'".to_owned())]);
        let said = "Error:\nCloud config schema errors: users: [] is too short\n";
        assert_eq!(problems(text, said), []);
        assert_eq!(problems(text, "something else").len(), 1);
    }
}
