//! Functions of files and paths.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::args::{string, text};
use super::{glob, path};
use crate::function::{Body, Context, Function, FunctionError, Kind, Param, Returns};
use crate::quote::quote;
use crate::types::Type;
use crate::value::Value;

const PATH: &[Param] = &[string("path")];

const fn function(
    name: &'static str,
    params: &'static [Param],
    returns: Kind,
    body: Body,
) -> Function {
    let returns = Returns::Always(returns);
    Function { name, params, variadic: None, returns, not_null: false, body }
}

/// A path as it is shown in messages, and where it really is: relative paths
/// start from the caller's directory, not from that of this process.
struct Located {
    shown: String,
    real: PathBuf,
}

impl Located {
    /// From the directory where the command was called.
    fn from_cwd(context: &Context<'_>, path: &str) -> Self {
        let real = context.cwd.join(path);
        context.note_read(&real);
        Self { shown: path.to_owned(), real }
    }

    /// From the template directory; `~` is the home directory.
    fn from_base(context: &Context<'_>, path: &str) -> Result<Self, FunctionError> {
        let path = expand_home(context, path)
            .map_err(|reason| FunctionError::new(format!("failed to expand ~: {reason}")))?;
        let shown = path::resolve(&context.base_dir.to_string_lossy(), &path);
        let real = match context.base_dir.to_str() {
            Some(_) => context.cwd.join(&shown),
            // Such a directory cannot be shown, but it can be used.
            None => context.cwd.join(context.base_dir).join(&path),
        };
        context.note_read(&real);
        Ok(Self { shown, real })
    }
}

/// Replaces a leading `~`.
fn expand_home(context: &Context<'_>, path: &str) -> Result<String, &'static str> {
    let Some(rest) = path.strip_prefix('~') else { return Ok(path.to_owned()) };
    if !rest.is_empty() && !rest.starts_with(['/', '\\']) {
        return Err("cannot expand user-specific home dir");
    }
    let home = context.env.get("HOME").filter(|home| !home.is_empty());
    let home = home.ok_or("the environment variable HOME is not set")?;
    Ok(path::join(home, rest))
}

/// Contents of a UTF-8 file relative to the template directory, as `file` and
/// `templatefile` read it.
///
/// # Errors
///
/// The file does not exist, cannot be read, or is not UTF-8.
pub fn read_text(context: &Context<'_>, name: &str) -> Result<String, FunctionError> {
    let Located { shown, real } = Located::from_base(context, name)?;
    let bytes = fs::read(&real).map_err(|error| {
        FunctionError::new(match error.kind() {
            ErrorKind::NotFound => format!("no file exists at {shown}"),
            _ => format!("failed to read {shown}"),
        })
    })?;
    String::from_utf8(bytes).map_err(|_invalid| {
        FunctionError::new(format!(
            "contents of {name} are not valid UTF-8; use the filebase64 function to obtain the Base64 encoded contents or the other file functions (e.g. filemd5, filesha256) to obtain file hashing results instead"
        ))
    })
}

pub(super) static FILE: Function = function("file", PATH, Kind::String, |context, args, _| {
    read_text(context, text(args, 0)?).map(Value::string)
});

pub(super) static FILEBASE64: Function = Function {
    not_null: true,
    ..function("filebase64", PATH, Kind::String, |context, args, _| {
        let Located { shown, real } = Located::from_cwd(context, text(args, 0)?);
        let bytes = fs::read(real).map_err(|error| {
            let reason = go_error(&shown, &error);
            FunctionError::new(format!("failed to read file {}: {reason}", quote(&shown)))
        })?;
        Ok(Value::string(STANDARD.encode(bytes)))
    })
};

/// Go's text of an error while reading a file.
fn go_error(path: &str, error: &std::io::Error) -> String {
    let action = if error.kind() == ErrorKind::IsADirectory { "read" } else { "open" };
    let text = error.to_string();
    let reason = text.split(" (os error").next().unwrap_or(&text).to_lowercase();
    format!("{action} {path}: {reason}")
}

pub(super) static FILEEXISTS: Function =
    function("fileexists", PATH, Kind::Bool, |context, args, _| {
        let Located { shown, real } = Located::from_base(context, text(args, 0)?)?;
        match fs::metadata(real) {
            Ok(metadata) if metadata.is_file() => Ok(Value::bool(true)),
            Ok(metadata) => {
                let mode = quote(&show_mode(&metadata));
                Err(FunctionError::new(format!("{shown} is not a regular file, but {mode}")))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Value::bool(false)),
            Err(_) => Err(FunctionError::new(format!("failed to stat {shown}"))),
        }
    });

/// Type and permissions as Go shows them; not quite as `ls` does.
fn show_mode(metadata: &fs::Metadata) -> String {
    let (kind, mode) = (metadata.file_type(), metadata.permissions().mode());
    let flags = [
        (kind.is_dir(), 'd'),
        (kind.is_block_device() || kind.is_char_device(), 'D'),
        (kind.is_fifo(), 'p'),
        (kind.is_socket(), 'S'),
        (mode & 0o4000 != 0, 'u'),
        (mode & 0o2000 != 0, 'g'),
        (kind.is_char_device(), 'c'),
        (mode & 0o1000 != 0, 't'),
    ];
    let mut shown: String = flags.into_iter().filter(|(set, _)| *set).map(|(_, c)| c).collect();
    if shown.is_empty() {
        shown.push('-');
    }
    let permission = |(index, letter)| if mode & (0o400u32 >> index) != 0 { letter } else { '-' };
    shown.extend("rwxrwxrwx".chars().enumerate().map(permission));
    shown
}

pub(super) static FILESET: Function = function(
    "fileset",
    &[string("path"), string("pattern")],
    Kind::Set(&Kind::String),
    |context, args, _| {
        let directory = path::resolve(&context.base_dir.to_string_lossy(), text(args, 0)?);
        let pattern = path::join(&directory, text(args, 1)?);
        context.note_read(&context.cwd.join(&directory));
        let matches = glob::find(context.cwd, &pattern).map_err(|reason| {
            FunctionError::new(format!("failed to glob pattern ({pattern}): {reason}"))
        })?;
        let mut files = Vec::new();
        for found in matches {
            let metadata = fs::metadata(context.cwd.join(&found)).map_err(|error| {
                let reason = go_error(&found, &error).replacen("open ", "stat ", 1);
                FunctionError::new(format!("failed to stat ({found}): {reason}"))
            })?;
            if metadata.is_file() {
                files.push(Value::string(path::relative(&directory, &found)));
            }
        }
        Ok(Value::set(Type::String, files))
    },
);

pub(super) static BASENAME: Function = function("basename", PATH, Kind::String, |_, args, _| {
    Ok(Value::string(path::base(text(args, 0)?)))
});

pub(super) static DIRNAME: Function = function("dirname", PATH, Kind::String, |_, args, _| {
    Ok(Value::string(path::dir(text(args, 0)?)))
});

pub(super) static ABSPATH: Function =
    function("abspath", PATH, Kind::String, |context, args, _| {
        Ok(Value::string(path::resolve(&context.cwd.to_string_lossy(), text(args, 0)?)))
    });

pub(super) static PATHEXPAND: Function =
    function("pathexpand", PATH, Kind::String, |context, args, _| {
        expand_home(context, text(args, 0)?).map(Value::string).map_err(FunctionError::new)
    });
