//! SEC002: passwords written into answer files and scripts. A template that
//! renders a random one, a locked account or a value the user gave is fine.

use std::sync::LazyLock;

use packer_hcl::function::PLACEHOLDER_UUID;
use regex::Regex;
use serde_json::Value;

use super::structured::key_line;
use super::xml::Element;

/// Where a password stands: line from 1, the password, what sets it.
pub type Found = (usize, String, String);

/// How scripts and line-based answer files set a password; the first group is
/// the password. Each has a word that a line must contain before it is tried.
const FORMS: &[(&str, &str, &str)] = &[
    ("rootpw", r"^\s*rootpw\s+(.+)$", "rootpw"),
    ("--password", r"^\s*(?:user|sshpw|bootloader|vnc)\b.*?--password[= ](\S+)", "--password"),
    ("sshpw", r"^\s*sshpw\s+(?:--\S+\s+)*(\S+)\s*$", "sshpw"),
    (
        "chpasswd",
        r#"(?:echo|printf)\s+(?:-\w+\s+)?(?:['"]%s[^'"]*['"]\s+)?['"]?[\w.-]+:([^'"|\s]+)['"]?\s*\|.*chpasswd"#,
        "chpasswd",
    ),
    ("chpasswd", r#"chpasswd\b.*<<<\s*['"]?[\w.-]+:([^'"\s]+)"#, "chpasswd"),
    (
        "--stdin",
        r#"echo\s+(?:-\w+\s+)?['"]?([^'"|\s]+)['"]?\s*\|.*\bpasswd\b.*--stdin"#,
        "passwd --stdin",
    ),
    (
        "user",
        r#"\buser(?:mod|add)\b.*?\s(?:-p|--password)[\s=]+['"]?([^'"\s]+)"#,
        "usermod --password",
    ),
    ("net user", r"(?i)\bnet user\s+\S+\s+([^/\s]\S*)", "net user"),
    (
        "SecureString",
        r#"ConvertTo-SecureString\s+(?:-String\s+)?['"]([^'"]+)['"]"#,
        "ConvertTo-SecureString",
    ),
    (
        "passw",
        r#"^\s*(?:-\s+)?(?:password|passwd|plain_text_passwd|hashed_passwd)\s*:\s+['"]?([^'"\s#]+)"#,
        "a password",
    ),
];

static PATTERNS: LazyLock<Vec<(&str, Option<Regex>, &str)>> = LazyLock::new(|| {
    FORMS.iter().map(|(word, pattern, what)| (*word, Regex::new(pattern).ok(), *what)).collect()
});

/// Passwords that stand in lines: kickstarts, YAML, scripts, and scripts that
/// are part of something else.
#[must_use]
pub fn in_lines(text: &str) -> Vec<Found> {
    let mut found = vec![];
    let mut list: Option<&str> = None;
    for (index, line) in text.lines().enumerate() {
        if let Some(password) = listed(&mut list, line) {
            found.push((index + 1, password, "chpasswd".to_owned()));
            continue;
        }
        for (word, pattern, what) in PATTERNS.iter().filter(|(word, ..)| line.contains(word)) {
            let captured = pattern.as_ref().and_then(|p| p.captures(line)?.get(1));
            let Some(password) = captured.map(|c| c.as_str().trim()) else { continue };
            let password = if *word == "rootpw" { of_rootpw(password) } else { password };
            if is_fixed(password) {
                found.push((index + 1, password.to_owned(), (*what).to_owned()));
                break;
            }
        }
    }
    found
}

/// `user:password` in the lines after `chpasswd <<EOF` or cloud-init's
/// `chpasswd:` list.
fn listed<'a>(list: &mut Option<&'a str>, line: &'a str) -> Option<String> {
    let trimmed = line.trim();
    if let Some(end) = *list {
        let words = trimmed.trim_start_matches("- ");
        let over = if end.is_empty() { trimmed.is_empty() } else { trimmed == end };
        let pair = words.split_once(':').filter(|(user, password)| {
            let name = |c: char| c.is_ascii_alphanumeric() || ['_', '-', '.'].contains(&c);
            !password.is_empty() && !password.starts_with(' ') && user.chars().all(name)
        });
        let goes_on = pair.is_some()
            || ["list: |", "list:", "expire: false", "expire: False"].contains(&words);
        if over || !goes_on {
            *list = None;
        }
        return pair.map(|(_, password)| password.to_owned()).filter(|p| is_fixed(p));
    }
    if trimmed == "chpasswd:" {
        *list = Some("");
    } else if let Some((_, word)) =
        trimmed.split_once("chpasswd").and_then(|(_, r)| r.split_once("<<"))
    {
        *list = (!word.starts_with('<')).then(|| word.trim_matches(['-', '\'', '"', ' ']));
    }
    None
}

/// The password among the options of `rootpw`; none if the account is locked.
fn of_rootpw(words: &str) -> &str {
    let mut words = words.split_whitespace();
    if words.clone().any(|word| word == "--lock") {
        return "";
    }
    words.find(|word| !word.starts_with("--")).unwrap_or("")
}

/// Passwords of an XML answer file. Windows has them in `<Value>`.
#[must_use]
pub fn in_xml(root: &Element) -> Vec<Found> {
    let mut found = vec![];
    root.walk(&mut vec![], &mut |element, parents| {
        let is = |name: &str| name.to_ascii_lowercase().ends_with("password");
        let parent = parents.last().copied().unwrap_or_default();
        let named = is(&element.name) || (element.name == "Value" && is(parent));
        if named && is_fixed(&element.text) {
            let what = if element.name == "Value" { parent } else { &element.name };
            found.push((element.line, element.text.clone(), format!("<{what}>")));
        }
    });
    found
}

/// Passwords of a JSON answer file, by the names of keys.
#[must_use]
pub fn in_json(text: &str, value: &Value) -> Vec<Found> {
    let mut found = vec![];
    walk(value, &mut |key, password| {
        if key.to_ascii_lowercase().contains("password") && is_fixed(password) {
            let both = text
                .lines()
                .position(|l| l.contains(&format!("\"{key}\"")) && l.contains(password));
            let line = both.map_or_else(|| key_line(text, key), |index| index + 1);
            found.push((line, password.to_owned(), format!("`{key}`")));
        }
    });
    found
}

fn walk<'a>(value: &'a Value, visit: &mut dyn FnMut(&'a str, &'a str)) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) => visit(key, text),
                    other => walk(other, visit),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

/// Whether everybody who reads the template knows it.
fn is_fixed(password: &str) -> bool {
    let hashed = ["$1$", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$"];
    let is_hash = hashed.iter().any(|prefix| password.starts_with(prefix));
    // Locked accounts, and what a shell or a template fills in.
    let open = ["!", "*", "%", "{{", "<", "@"].iter().any(|prefix| password.starts_with(prefix));
    let filled = !is_hash && (password.contains('$') || password.contains('`'));
    !(password.is_empty() || open || filled || is_random(password))
}

/// What stands for a random value in an evaluation that starts no build, also
/// with its dashes removed or as the salt of a hash.
pub fn is_random(text: &str) -> bool {
    text.contains(PLACEHOLDER_UUID)
        || text.contains(&PLACEHOLDER_UUID.replace('-', ""))
        || text.contains("......................")
}

#[cfg(test)]
mod tests {
    use super::super::xml::parse;
    use super::*;

    #[test]
    fn fixed_passwords_are_found_on_their_line() {
        for (text, line) in [
            ("rootpw packer\n", 1),
            ("lang x\nrootpw --iscrypted $6$salt$hash\n", 2),
            ("rootpw --plaintext secret\n", 1),
            ("user --name=x --password=secret --groups=wheel\n", 1),
            ("sshpw --username=root secret\n", 1),
            ("\necho 'root:secret' | chpasswd\n", 2),
            ("  - \"printf '%s' 'root:secret' | chpasswd\"\n", 1),
            ("echo root:secret | sudo chpasswd\n", 1),
            ("chpasswd <<< 'root:secret'\n", 1),
            ("chpasswd <<EOF\nroot:secret\nEOF\n", 2),
            ("chpasswd:\n  expire: false\n  list: |\n    root:secret\n", 4),
            ("chpasswd:\n  list:\n    - root:secret\n", 3),
            ("echo secret | passwd --stdin root\n", 1),
            ("usermod --password '$6$a$b' root\n", 1),
            ("useradd -m -p secret x\n", 1),
            ("net user Administrator Secret1 /active:yes\n", 1),
            ("ConvertTo-SecureString 'Secret1' -AsPlainText -Force\n", 1),
            ("users:\n- name: x\n  plain_text_passwd: secret\n", 3),
            ("identity:\n  password: \"$6$a$b\"\n", 2),
        ] {
            let lines: Vec<usize> = in_lines(text).into_iter().map(|(line, ..)| line).collect();
            assert_eq!(lines, [line], "{text}");
        }
    }

    #[test]
    fn locked_random_and_computed_ones_are_fine() {
        let random =
            format!("echo 'root:{PLACEHOLDER_UUID}' | chpasswd\nrootpw Esx!{PLACEHOLDER_UUID}\n");
        for text in [
            &random,
            "rootpw --lock --iscrypted locked\n",
            "rootpw --iscrypted *\n",
            "rootpw --iscrypted !!\n",
            "usermod --password '!' root\n",
            "usermod --password \"$hash\" root\n",
            "echo \"root:$password\" | chpasswd\n",
            "printf '%s:%s' root \"$p\" | chpasswd\n",
            "lock_passwd: true\nssh_pwauth: false\npassword: *\n",
            "net user Administrator /active:yes\n",
            "net user Administrator $new\n",
            "PasswordAuthentication no\n",
        ] {
            assert_eq!(in_lines(text), vec![], "{text}");
        }
    }

    #[test]
    fn elements_and_keys() {
        let windows = "<u><Password>\n<Value>Secret1</Value></Password><A><AdministratorPassword><Value>*</Value></AdministratorPassword></A></u>";
        assert_eq!(in_xml(&parse(windows).unwrap()).first().map(|f| f.0), Some(2));
        let suse = "<u>\n<user_password>secret</user_password><root-password>!</root-password></u>";
        assert_eq!(in_xml(&parse(suse).unwrap()).len(), 1);
        let agama = "{\"root\":{\n\"password\":\"nots3cret\",\"hashedPassword\":false}}";
        let found = in_json(agama, &serde_json::from_str(agama).unwrap());
        assert_eq!(found.first().map(|f| f.0), Some(2));
    }
}
