//! PowerShell of the images, parsed by tree-sitter's grammar and linted with the
//! tree: what Windows would only find after an hour of installing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail that way")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tree_sitter::{Node, Parser, Tree};

/// Verbs that `Get-Verb` of Windows PowerShell 5.1 lists, as far as we use them.
const VERBS: &[&str] =
    &["Build", "Clear", "Copy", "Get", "Install", "Invoke", "Remove", "Start", "Wait", "Write"];

/// Commands of Windows PowerShell 5.1 and its modules that our scripts may use:
/// a name that is not here is misspelt, or somebody has to look whether Server
/// Core has it too.
const COMMANDS: &[&str] = &[
    "ConvertFrom-Json",
    "ConvertTo-SecureString",
    "Copy-Item",
    "Disable-BitLocker",
    "ForEach-Object",
    "Get-AppxPackage",
    "Get-AppxProvisionedPackage",
    "Get-BitLockerVolume",
    "Get-ChildItem",
    "Get-Command",
    "Get-Content",
    "Get-Date",
    "Get-FileHash",
    "Get-ItemProperty",
    "Get-Volume",
    "Invoke-WebRequest",
    "Join-Path",
    "New-Item",
    "New-Object",
    "Optimize-Volume",
    "Out-Null",
    "Remove-AppxPackage",
    "Remove-Item",
    "Remove-ItemProperty",
    "Remove-LocalUser",
    "Set-Content",
    "Set-ItemProperty",
    "Set-LocalUser",
    "Set-Service",
    "Set-StrictMode",
    "Start-Process",
    "Start-Sleep",
    "Stop-Computer",
    "Stop-Service",
    "Test-Path",
    "Where-Object",
    "Write-Warning",
];

/// What first-logon.ps1 offers to the user's script, which it runs in its scope.
const OFFERED: &[&str] = &["Write-Step"];

/// Variables that PowerShell sets itself.
const AUTOMATIC: &[&str] = &["_", "true", "false", "null", "psscriptroot", "args", "input"];

/// Settings of PowerShell that are only written.
const PREFERENCES: &[&str] = &["erroractionpreference", "progresspreference"];

fn parse(text: &str) -> Tree {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_powershell::LANGUAGE.into()).unwrap();
    parser.parse(text, None).unwrap()
}

/// Every node below `node` of this kind.
fn all<'t>(node: Node<'t>, kind: &str) -> Vec<Node<'t>> {
    let mut found = vec![];
    let mut left = vec![node];
    while let Some(node) = left.pop() {
        if node.kind() == kind {
            found.push(node);
        }
        let mut cursor = node.walk();
        left.extend(node.children(&mut cursor));
    }
    found.reverse();
    found
}

fn line(node: Node<'_>) -> usize {
    node.start_position().row + 1
}

/// What is wrong with a script: line and message.
fn lint(text: &str) -> Vec<(usize, String)> {
    let tree = parse(text);
    let root = tree.root_node();
    let mut found: Vec<_> =
        all(root, "ERROR").into_iter().map(|node| (line(node), "syntax error".into())).collect();
    if root.has_error() && found.is_empty() {
        found.push((0, "syntax error: something is missing".into()));
    }
    let word = |node: Node<'_>| text[node.byte_range()].to_owned();
    let functions: Vec<_> =
        all(root, "function_name").into_iter().map(|n| (line(n), word(n))).collect();
    for (row, name) in &functions {
        let verb = name.split('-').next().unwrap();
        if !name.contains('-') || !VERBS.contains(&verb) {
            found.push((*row, format!("{name} has no approved verb")));
        }
    }
    let calls: Vec<_> = all(root, "command_name").into_iter().map(|n| (line(n), word(n))).collect();
    for (row, name) in &calls {
        let own = functions.iter().any(|(_, function)| function == name);
        let known = COMMANDS.iter().chain(OFFERED).any(|known| known == name);
        if !own && !known {
            found.push((*row, format!("{name} is no command that is known here, or an alias")));
        }
    }
    for (row, name) in &functions {
        if !calls.iter().any(|(_, call)| call == name) {
            found.push((*row, format!("{name} is never called")));
        }
    }
    found.extend(variables(root, text));
    found.sort();
    found
}

/// Variables that are read and never set, or set and never read. PowerShell
/// takes their names in any case; under strict mode the first stop the script.
fn variables(root: Node<'_>, text: &str) -> Vec<(usize, String)> {
    let name = |node: Node<'_>| text[node.byte_range()].trim_start_matches('$').to_lowercase();
    let (mut set, mut read) = (BTreeSet::new(), vec![]);
    for node in all(root, "variable") {
        let name = name(node);
        if name.contains(':') || AUTOMATIC.contains(&name.as_str()) {
            continue;
        }
        if is_target(node) {
            set.insert(name);
        } else {
            read.push((line(node), name));
        }
    }
    let unset = read.iter().filter(|(_, name)| !set.contains(name));
    let mut found: Vec<_> =
        unset.map(|(row, name)| (*row, format!("${name} is never set"))).collect();
    let unread = set.iter().filter(|name| {
        !read.iter().any(|(_, it)| it == *name) && !PREFERENCES.contains(&name.as_str())
    });
    found.extend(unread.map(|name| (0, format!("${name} is never read"))));
    found
}

/// Whether a variable is a parameter, what `foreach` runs over, or stands alone
/// on the left of an assignment.
fn is_target(node: Node<'_>) -> bool {
    let mut at = node;
    while let Some(parent) = at.parent() {
        let first = parent.named_child(0) == Some(at);
        match parent.kind() {
            "script_parameter" => return first || parent.named_child(1) == Some(at),
            "foreach_statement" => return first,
            "left_assignment_expression" => return at.byte_range() == parent.byte_range(),
            "statement_block" | "script_block" => return false,
            _ => at = parent,
        }
    }
    false
}

fn scripts() -> Vec<PathBuf> {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let dir = tree.join("windows/scripts");
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|e| e == "ps1")).collect()
}

#[test]
fn every_script_is_clean() {
    let scripts = scripts();
    assert!(!scripts.is_empty());
    for path in scripts {
        let found = lint(&fs::read_to_string(&path).unwrap());
        assert!(found.is_empty(), "{}: {found:#?}", path.display());
    }
}

#[test]
fn planted_mistakes_are_found() {
    let path = scripts().into_iter().find(|path| path.ends_with("first-logon.ps1")).unwrap();
    let good = fs::read_to_string(path).unwrap();
    for (from, to, says) in [
        ("function Install-Cloudbase {", "function Install-Cloudbase ", "syntax error"),
        ("$secret = ConvertTo-SecureString", "$secret = (ConvertTo-SecureString", "syntax error"),
        (
            "throw \"there is no .inf file in $Directory\" }",
            "throw \"there is no .inf",
            "syntax error",
        ),
        ("Copy-Item -Recurse", "cp -Recurse", "cp is no command"),
        ("Get-FileHash -Alg", "Get-Filehash1 -Alg", "Get-Filehash1 is no command"),
        ("    Wait-Decryption\n", "", "Wait-Decryption is never called"),
        ("Copy-Curtin", "Fetch-Curtin", "Fetch-Curtin has no approved verb"),
        ("$secret = Conv", "$secrets = Conv", "$secret is never set"),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good, "{from}");
        let found = lint(&bad);
        assert!(found.iter().any(|(_, text)| text.contains(says)), "{from}: {found:?}");
    }
}

/// The command of the answer file that starts the script.
#[test]
fn the_command_of_the_answer_file_parses() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(tree.join("windows/http/unattend.pkrtpl.hcl")).unwrap();
    let line = text.lines().find(|line| line.contains("first-logon.ps1")).unwrap();
    let command = line.split("-Command \"").nth(1).unwrap().split("\"</").next().unwrap();
    assert!(!parse(command).root_node().has_error(), "{command}");
    assert!(parse(&command.replace(").DriveLetter", ".DriveLetter")).root_node().has_error());
}
