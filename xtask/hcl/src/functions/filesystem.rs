//! Functions of files and paths.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::args::{string, text};
use super::{glob, path};
use crate::function::{Body, Function, FunctionError, Kind, Param, Returns, read_regular};
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

pub(super) static FILE: Function = function("file", PATH, Kind::String, |context, args, _| {
    context.read_text(text(args, 0)?).map(Value::string)
});

pub(super) static FILEBASE64: Function = Function {
    not_null: true,
    ..function("filebase64", PATH, Kind::String, |context, args, _| {
        // Unlike `file`, it starts from where the command was called.
        let shown = text(args, 0)?;
        let bytes = read_regular(&context.locate(Path::new(shown))).map_err(|error| {
            let reason = go_error(shown, &error);
            FunctionError::new(format!("failed to read file {}: {reason}", quote(shown)))
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
        let resolved = context.open(text(args, 0)?)?;
        let shown = resolved.display();
        match fs::metadata(context.locate(&resolved)) {
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
        context.locate(Path::new(&directory));
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
        let expanded = context.expand_home(text(args, 0)?).map_err(FunctionError::new)?;
        Ok(Value::string(expanded.to_string_lossy()))
    });
