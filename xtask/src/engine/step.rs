//! Provisioners as typed data, with Packer's defaults.

use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;

/// The exit code by which `valid_exit_codes` names a lost connection in Packer.
pub const DISCONNECT_CODE: i32 = 2_300_218;

/// One provisioner of a build.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What it does.
    pub action: Action,
    /// `name`, if the template gives one.
    pub name: Option<String>,
    /// Where it stands, such as `debian.pkr.hcl:41`, for messages.
    pub origin: String,
    /// `pause_before`.
    pub pause_before: Duration,
    /// `timeout` of one attempt; `None` is no limit.
    pub timeout: Option<Duration>,
    /// `max_retries`: attempts after the first that failed.
    pub max_retries: u32,
    /// `continue_on_error` (Packer 1.16): a failure is reported, the build goes on.
    pub continue_on_error: bool,
    /// `only` and `except`.
    pub filter: Filter,
}

impl Step {
    /// An action with no options.
    pub fn new(action: Action) -> Self {
        Self {
            action,
            name: None,
            origin: String::new(),
            pause_before: Duration::ZERO,
            timeout: None,
            max_retries: 0,
            continue_on_error: false,
            filter: Filter::All,
        }
    }

    /// The provisioner's type in a template.
    pub fn kind(&self) -> &'static str {
        match self.action {
            Action::Shell(_) => "shell",
            Action::File(_) => "file",
            Action::ShellLocal(_) => "shell-local",
            Action::Sleep(_) => "sleep",
        }
    }

    /// A short name for progress lines: the template's name, else the script or
    /// file, else the type.
    pub fn label(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let file = match &self.action {
            Action::Shell(shell) => shell.script.first_path(),
            Action::ShellLocal(local) => local.script.first_path(),
            Action::File(file) => file.sources.first().map(PathBuf::from),
            Action::Sleep(_) => None,
        };
        let stem = file.as_deref().and_then(|path| path.file_name());
        stem.map_or_else(|| self.kind().to_owned(), |name| name.to_string_lossy().into_owned())
    }
}

/// For which sources a provisioner runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// For all.
    #[default]
    All,
    /// `only`: full names such as `qemu.debian`.
    Only(Vec<String>),
    /// `except`.
    Except(Vec<String>),
}

impl Filter {
    /// Whether it lets `source` (such as `qemu.debian`) through.
    pub fn allows(&self, source: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|name| name == source),
            Self::Except(names) => names.iter().all(|name| name != source),
        }
    }
}

/// What a provisioner does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// `shell`: scripts in the guest.
    Shell(Shell),
    /// `file`: copies files to or from the guest.
    File(FileCopy),
    /// `shell-local`: scripts on the host.
    ShellLocal(ShellLocal),
    /// `sleep`.
    Sleep(Duration),
}

/// `inline`, `script` or `scripts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script {
    /// Lines of one script, rendered before use.
    Inline(Vec<String>),
    /// Script files, relative to the template directory.
    Files(Vec<PathBuf>),
}

impl Script {
    fn first_path(&self) -> Option<PathBuf> {
        match self {
            Self::Inline(_) => None,
            Self::Files(files) => files.first().cloned(),
        }
    }
}

/// `shell`.
#[derive(Clone, Debug, PartialEq)]
pub struct Shell {
    /// What to run.
    pub script: Script,
    /// `inline_shebang`; `None` is `/bin/sh -e`, left out if the first inline
    /// line is a shebang itself.
    pub inline_shebang: Option<String>,
    /// `environment_vars` and `env`, the latter winning.
    pub env: IndexMap<String, String>,
    /// `env_var_format` with two `%s`; default `%s='%s' `, or `export %s='%s'\n`
    /// in a file.
    pub env_var_format: Option<String>,
    /// `execute_command`, before `{{ }}` is rendered.
    pub execute_command: Option<String>,
    /// `use_env_var_file`.
    pub use_env_var_file: bool,
    /// `binary`: leave CR LF alone.
    pub binary: bool,
    /// `remote_folder`. Default `/tmp`.
    pub remote_folder: String,
    /// `remote_file`. Default `script_NNNN.sh`.
    pub remote_file: Option<String>,
    /// `remote_path`; wins over folder and file.
    pub remote_path: Option<String>,
    /// `skip_clean`: leave the script in the guest.
    pub skip_clean: bool,
    /// `expect_disconnect`: a lost connection is fine.
    pub expect_disconnect: bool,
    /// `start_retry_timeout`: how long to try to *start* a script. Default 5 min.
    pub start_retry_timeout: Duration,
    /// `valid_exit_codes`. Default `[0]`.
    pub valid_exit_codes: Vec<i32>,
    /// `pause_after`.
    pub pause_after: Duration,
}

impl Shell {
    /// A script with Packer's defaults.
    pub fn new(script: Script) -> Self {
        Self {
            script,
            inline_shebang: None,
            env: IndexMap::new(),
            env_var_format: None,
            execute_command: None,
            use_env_var_file: false,
            binary: false,
            remote_folder: "/tmp".into(),
            remote_file: None,
            remote_path: None,
            skip_clean: false,
            expect_disconnect: false,
            start_retry_timeout: Duration::from_secs(5 * 60),
            valid_exit_codes: vec![0],
            pause_after: Duration::ZERO,
        }
    }
}

/// `file`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileCopy {
    /// `source` and `sources`, as written: a trailing slash has a meaning.
    pub sources: Vec<String>,
    /// `content` instead of sources.
    pub content: Option<String>,
    /// `destination`; with a trailing slash a directory.
    pub destination: String,
    /// `direction` is `download`.
    pub download: bool,
    /// `generated`: the sources need not exist before the build.
    pub generated: bool,
}

/// `shell-local`.
#[derive(Clone, Debug, PartialEq)]
pub struct ShellLocal {
    /// What to run; `command` is an inline script of one line.
    pub script: Script,
    /// `inline_shebang`. Default `/bin/sh -e`.
    pub inline_shebang: String,
    /// `environment_vars` and `env`.
    pub env: IndexMap<String, String>,
    /// `env_var_format`. Default `%s='%s' `.
    pub env_var_format: Option<String>,
    /// `execute_command`; empty is Packer's default.
    pub execute_command: Vec<String>,
    /// `only_on`: operating systems by Go's names; empty is all.
    pub only_on: Vec<String>,
    /// `valid_exit_codes`. Default `[0]`.
    pub valid_exit_codes: Vec<i32>,
    /// `tempfile_extension` for an inline script.
    pub tempfile_extension: Option<String>,
}

impl ShellLocal {
    /// A script with Packer's defaults.
    pub fn new(script: Script) -> Self {
        Self {
            script,
            inline_shebang: "/bin/sh -e".into(),
            env: IndexMap::new(),
            env_var_format: None,
            execute_command: Vec::new(),
            only_on: Vec::new(),
            valid_exit_codes: vec![0],
            tempfile_extension: None,
        }
    }
}
