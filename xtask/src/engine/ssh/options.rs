//! Where to connect, how to log in, and OpenSSH's options for it.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::error::Trouble;
use super::super::host::WorkPaths;
use super::super::spec::Ssh;
use crate::cmd::Cmd;
use crate::signal::CancelToken;

/// How to log in. Files of this build, mode 0600.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// File with the password.
    pub password_file: Option<PathBuf>,
    /// Private key.
    pub key_file: Option<PathBuf>,
    /// Its public half, as in `authorized_keys`.
    pub public_key: Option<String>,
}

/// Where to connect and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// Port on 127.0.0.1.
    pub port: u16,
    /// User in the guest.
    pub username: String,
    /// Credentials.
    pub auth: Auth,
    /// Host keys seen by this build.
    pub known_hosts: PathBuf,
    /// `ssh_keep_alive_interval` in seconds.
    pub keep_alive: u64,
    /// `ssh_ciphers`.
    pub ciphers: Vec<String>,
    /// `ssh_key_exchange_algorithms`.
    pub kex: Vec<String>,
}

impl Destination {
    pub(super) fn prepare(
        ssh: &Ssh,
        port: u16,
        paths: &WorkPaths,
        cancel: &CancelToken,
    ) -> Result<Self, Trouble> {
        Ok(Self {
            port,
            username: ssh.username.clone(),
            auth: credentials(ssh, paths, cancel)?,
            known_hosts: paths.secrets.join("known_hosts"),
            keep_alive: ssh.keep_alive.as_secs(),
            ciphers: ssh.ciphers.clone(),
            kex: ssh.kex.clone(),
        })
    }

    /// The client's operand.
    pub fn user_at_host(&self) -> String {
        format!("{}@127.0.0.1", self.username)
    }

    /// Options for every call of the client. The user's configuration, keys and
    /// agent have no part in a build.
    pub fn options(&self, control: Option<&Path>) -> Vec<OsString> {
        let mut options: Vec<OsString> = ["-F", "none", "-p"].map(Into::into).into();
        options.push(self.port.to_string().into());
        let mut set = |name: &str, value: &Path| {
            let mut option = OsString::from(format!("{name}="));
            option.push(value);
            options.extend(["-o".into(), option]);
        };
        // Names that the client of an older host does not know.
        set("IgnoreUnknown", Path::new("PubkeyAcceptedAlgorithms"));
        set("UserKnownHostsFile", &self.known_hosts);
        for (name, value) in self.fixed() {
            set(name, Path::new(&value));
        }
        if let Some(key) = &self.auth.key_file {
            set("IdentityFile", key);
        }
        if let Some(control) = control {
            set("ControlPath", control);
        }
        options
    }

    fn fixed(&self) -> Vec<(&'static str, String)> {
        let methods = match (&self.auth.key_file, &self.auth.password_file) {
            (Some(_), Some(_)) => "publickey,password,keyboard-interactive",
            (None, Some(_)) => "password,keyboard-interactive",
            (_, None) => "publickey",
        };
        let mut fixed = vec![
            ("GlobalKnownHostsFile", "/dev/null".into()),
            // Guests make their keys at first boot; within a build they must not
            // change unnoticed.
            ("StrictHostKeyChecking", "accept-new".into()),
            ("IdentitiesOnly", "yes".into()),
            ("IdentityAgent", "none".into()),
            ("ForwardAgent", "no".into()),
            ("PreferredAuthentications", methods.into()),
            ("NumberOfPasswordPrompts", "1".into()),
            ("ConnectTimeout", "15".into()),
            ("LogLevel", "ERROR".into()),
            // CentOS 6 and 7 have nothing newer.
            ("HostKeyAlgorithms", "+ssh-rsa".into()),
            ("PubkeyAcceptedAlgorithms", "+ssh-rsa".into()),
            ("KexAlgorithms", "+diffie-hellman-group14-sha1".into()),
            ("ServerAliveInterval", self.keep_alive.to_string()),
            // Two minutes by default: an emulated guest may be busy that long.
            ("ServerAliveCountMax", "24".into()),
        ];
        if !self.ciphers.is_empty() {
            fixed.push(("Ciphers", self.ciphers.join(",")));
        }
        if !self.kex.is_empty() {
            fixed.retain(|(name, _)| *name != "KexAlgorithms");
            fixed.push(("KexAlgorithms", self.kex.join(",")));
        }
        fixed
    }
}

fn credentials(ssh: &Ssh, paths: &WorkPaths, cancel: &CancelToken) -> Result<Auth, Trouble> {
    let mut auth = Auth::default();
    if let Some(password) = &ssh.password {
        auth.password_file = Some(private_file(&paths.secrets.join("password"), password)?);
    }
    let key = paths.secrets.join("key");
    if let Some(path) = &ssh.private_key_file {
        // A copy: the client refuses a key that others may read, as in a checkout.
        let path = paths.template.join(path);
        let text = fs::read_to_string(&path)
            .map_err(|source| Trouble::io("read ssh_private_key_file", &path, &source))?;
        auth.key_file = Some(private_file(&key, &text)?);
        auth.public_key = public_half(&key, paths, cancel).ok();
    } else if ssh.password.is_none() {
        generate(&key, ssh, paths, cancel)?;
        auth.public_key = Some(public_half(&key, paths, cancel)?);
        auth.key_file = Some(key);
    }
    Ok(auth)
}

fn private_file(path: &Path, text: &str) -> Result<PathBuf, Trouble> {
    let mut options = fs::File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let write = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    write.map_err(|source| Trouble::io("write", path, &source))?;
    Ok(path.to_path_buf())
}

fn generate(key: &Path, ssh: &Ssh, paths: &WorkPaths, cancel: &CancelToken) -> Result<(), Trouble> {
    let (kind, bits) = &ssh.temporary_key;
    // What a killed run left; ssh-keygen would ask whether to overwrite it.
    drop(fs::remove_file(key));
    let cmd = Cmd::new("ssh-keygen", "make a key for this build").cwd(&paths.root);
    let mut cmd = cmd.args(["-q", "-N", "", "-C", "xtask-build", "-t", kind]).cancel(cancel);
    if *bits > 0 {
        cmd = cmd.args(["-b", &bits.to_string()]);
    }
    cmd.arg("-f").arg(key).output()?;
    Ok(())
}

fn public_half(key: &Path, paths: &WorkPaths, cancel: &CancelToken) -> Result<String, Trouble> {
    let cmd = Cmd::new("ssh-keygen", "read the public half of the key").cwd(&paths.root);
    // `-P ''`: a key with a passphrase is an error, not a prompt.
    let output = cmd.args(["-y", "-P", "", "-f"]).arg(key).cancel(cancel).output()?;
    Ok(output.stdout_text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn credentials_are_private_files_and_never_arguments() {
        let dir = tempfile::tempdir().unwrap();
        let paths = WorkPaths::create(&dir.path().join("w"), dir.path()).unwrap();
        let cancel = CancelToken::new();
        let mut ssh = Ssh::new("root");
        ssh.password = Some("s3cret pass".into());
        let to = Destination::prepare(&ssh, 2222, &paths, &cancel).unwrap();
        let file = to.auth.password_file.clone().unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(file).unwrap(), "s3cret pass");
        let options: Vec<String> =
            to.options(None).iter().map(|o| o.to_string_lossy().into_owned()).collect();
        assert!(!options.join(" ").contains("s3cret"));
        assert!(options.contains(&"PreferredAuthentications=password,keyboard-interactive".into()));
        assert!(!format!("{ssh:?}").contains("s3cret"));
    }

    #[test]
    fn without_password_and_key_one_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let paths = WorkPaths::create(&dir.path().join("w"), dir.path()).unwrap();
        let mut ssh = Ssh::new("root");
        ssh.temporary_key = ("ed25519".into(), 0);
        for _ in 0..2 {
            let to = Destination::prepare(&ssh, 22, &paths, &CancelToken::new()).unwrap();
            assert!(to.auth.public_key.unwrap().starts_with("ssh-ed25519 "));
            assert_eq!(to.auth.key_file, Some(paths.secrets.join("key")));
        }
        ssh.private_key_file = Some("absent".into());
        let error = Destination::prepare(&ssh, 22, &paths, &CancelToken::new()).unwrap_err();
        assert!(error.message.contains("ssh_private_key_file"), "{}", error.message);
    }

    #[test]
    fn the_installed_client_knows_every_option() {
        let dir = tempfile::tempdir().unwrap();
        let paths = WorkPaths::create(&dir.path().join("w"), dir.path()).unwrap();
        let mut ssh = Ssh::new("root");
        ssh.password = Some("x".into());
        let to = Destination::prepare(&ssh, 2222, &paths, &CancelToken::new()).unwrap();
        // `-G` evaluates the options and prints them, nothing is connected.
        let cmd = Cmd::new("ssh", "test").cwd(dir.path()).cancel(&CancelToken::new());
        let text = cmd.args(to.options(None)).arg("-G").arg("x@127.0.0.1").output().unwrap();
        let text = text.stdout_text();
        for line in ["port 2222", "stricthostkeychecking accept-new", "numberofpasswordprompts 1"] {
            assert!(text.lines().any(|known| known == line), "{line}");
        }
    }
}
