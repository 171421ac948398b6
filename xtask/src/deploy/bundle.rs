//! What the ephemeral system is given: the installer, the stand-in for curtin,
//! the plan; as cloud-init user-data.

use serde_json::{Value, json};

/// Where it all lies in the ephemeral system. Not below `/run`, which is
/// mounted `noexec`.
pub const HOME: &str = "/var/lib/deploy-test";

/// A file of the bundle.
#[derive(Clone, Copy, Debug)]
struct File {
    path: &'static str,
    text: &'static str,
    executable: bool,
}

macro_rules! bundle {
    ($($path:literal $mode:ident),* $(,)?) => {
        &[$(File {
            path: $path,
            text: include_str!(concat!("../../deploy/", $path)),
            executable: matches!(stringify!($mode).as_bytes(), b"program"),
        }),*]
    };
}

const FILES: &[File] = bundle![
    "installer.py" program,
    "storage.py" module,
    "bin/curtin" program,
    "bin/smtar" program,
    "bin/wget" program,
    "curtin/__init__.py" module,
    "curtin/__main__.py" module,
    "curtin/block.py" module,
    "curtin/config.py" module,
    "curtin/distro.py" module,
    "curtin/log.py" module,
    "curtin/paths.py" module,
    "curtin/swap.py" module,
    "curtin/util.py" module,
    "curtin/commands/__init__.py" module,
    "curtin/commands/apply_net.py" module,
    "curtin/commands/apt_config.py" module,
    "curtin/commands/block_meta.py" module,
    "curtin/commands/curthooks.py" module,
    "curtin/commands/redhat.py" module,
];

/// The user-data of the ephemeral system: no users, no packages, only our
/// files and the installer, whose output is the console.
#[must_use]
pub fn user_data(plan: &Value) -> String {
    let mut files: Vec<Value> = FILES.iter().map(write_file).collect();
    files.push(json!({
        "path": format!("{HOME}/plan.json"),
        "content": plan.to_string(),
        "permissions": "0600",
    }));
    let run = format!("exec python3 {HOME}/installer.py >/dev/console 2>&1");
    let config = json!({
        "users": [],
        "disable_root": true,
        // Nothing of this is needed for the few minutes the system lives.
        "ssh_genkeytypes": ["ed25519"],
        "locale": false,
        "growpart": { "mode": "off" },
        "resize_rootfs": false,
        "write_files": files,
        "runcmd": [["sh", "-c", run]],
    });
    format!("#cloud-config\n{config}\n")
}

fn write_file(file: &File) -> Value {
    json!({
        "path": format!("{HOME}/{}", file.path),
        "content": file.text,
        "permissions": if file.executable { "0755" } else { "0644" },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_directory_is_in_the_bundle() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
        let on_disk: BTreeSet<String> = walkdir::WalkDir::new(&dir)
            .into_iter()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| entry.path().strip_prefix(&dir).unwrap().display().to_string())
            .filter(|path| !path.contains("__pycache__") && !path.starts_with("tests/"))
            .filter(|path| path != "README.md")
            .collect();
        let bundled: BTreeSet<String> = FILES.iter().map(|file| file.path.to_owned()).collect();
        assert_eq!(bundled, on_disk);
    }

    #[test]
    fn programs_are_executable() {
        for file in FILES {
            assert_eq!(file.executable, file.text.starts_with("#!"), "{}", file.path);
        }
    }

    #[test]
    fn user_data_is_one_yaml_document_that_carries_the_plan() {
        let text = user_data(&json!({ "key": "a\n'\"#: value" }));
        let body = text.strip_prefix("#cloud-config\n").unwrap();
        let value: Value = serde_json::from_str(body).unwrap();
        let files = value["write_files"].as_array().unwrap();
        assert_eq!(files.len(), FILES.len() + 1);
        let plan: Value =
            serde_json::from_str(files.last().unwrap()["content"].as_str().unwrap()).unwrap();
        assert_eq!(plan["key"], "a\n'\"#: value");
    }

    /// The Python side has its own tests; they run where ours run.
    #[test]
    fn the_tests_of_the_python_side_pass() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
        let result = crate::cmd::Cmd::new("python3", "test the installer and the stand-in")
            .cwd(dir)
            .args(["-B", "-m", "unittest", "discover", "-s", "tests"])
            .output();
        assert!(result.is_ok(), "{}", result.unwrap_err());
    }
}
