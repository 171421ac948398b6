//! The SARIF that is printed satisfies its schema.

use std::path::Path;
use std::process::{Command, Stdio};

use super::tree::Tree;

const PROGRAM: &str = "import json, sys, jsonschema
jsonschema.validate(json.load(sys.stdin), json.load(open(sys.argv[1])))";

#[test]
#[expect(clippy::disallowed_methods, reason = "a test drives foreign programs")]
fn sarif_satisfies_its_schema() {
    let python = ["/usr/bin/python3", "python3"].into_iter().find(|python| {
        let has =
            Command::new(python).args(["-c", "import jsonschema"]).stderr(Stdio::null()).status();
        has.is_ok_and(|status| status.success())
    });
    let Some(python) = python else {
        eprintln!("skipped: no Python with jsonschema (cargo xtask setup --validators)");
        return;
    };
    let tree = Tree::small();
    tree.replace(super::HCL, "\"127.0.0.1\"", "\"0.0.0.0\"");
    std::fs::remove_file(tree.root.join("one/README.md")).unwrap();
    let log = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["validate", "--native", "--format", "sarif", "--root"])
        .arg(&tree.root)
        .output()
        .unwrap();
    assert_eq!(log.status.code(), Some(1), "{}", String::from_utf8_lossy(&log.stderr));
    let path = tree.root.join("log.sarif");
    std::fs::write(&path, &log.stdout).unwrap();
    let schema =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sarif/sarif-schema-2.1.0.json");
    let check = |log: &Path| {
        let log = std::fs::File::open(log).unwrap();
        Command::new(python).args(["-c", PROGRAM]).arg(&schema).stdin(log).output().unwrap()
    };
    let said = check(&path);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    // The check itself can fail.
    let text = String::from_utf8(log.stdout).unwrap();
    assert!(text.contains("\"level\": \"error\"") && text.contains("VNC001"));
    std::fs::write(&path, text.replace("\"level\": \"error\"", "\"level\": \"bad\"")).unwrap();
    assert!(!check(&path).status.success());
}
