//! Packer's function table.
//!
//! One file per family. `can`, `convert`, `templatefile` and `try` are not
//! here: their arguments are expressions or templates, so the evaluator calls
//! them itself; [`names`] knows them. `env` is no function of expressions: it
//! exists in the defaults of variables only.

mod args;
mod boolean;
mod case;
mod charset;
mod crypto;
mod csv;
mod date;
mod date_format;
mod encoding;
mod filesystem;
mod format;
mod glob;
mod go_class;
mod go_regex;
mod ieee;
mod json;
mod json_read;
mod mapping;
mod network;
mod number;
mod path;
mod printf;
mod regex;
mod rsa;
mod sequence;
mod service;
mod sets;
mod string;
mod time;
mod time_layout;
mod time_parse;
mod yaml_read;
mod yaml_scalar;
mod yaml_write;

pub(crate) use yaml_read::read as yaml_document;

use crate::function::Function;

/// The function of that name, if Packer has it and it takes plain values.
pub fn lookup(name: &str) -> Option<&'static Function> {
    let index = TABLE.binary_search_by(|function| function.name.cmp(name)).ok()?;
    TABLE.get(index).copied()
}

/// Names of all functions of Packer 1.16, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    let mut names: Vec<&str> =
        TABLE.iter().map(|function| function.name).chain(EVALUATED).collect();
    names.sort_unstable();
    names.into_iter()
}

/// Functions that the evaluator implements.
pub const EVALUATED: [&str; 4] = ["can", "convert", "templatefile", "try"];

/// All other functions, in order of their names.
static TABLE: &[&Function] = &[
    &number::ABS,
    &filesystem::ABSPATH,
    &boolean::ALLTRUE,
    &boolean::ANYTRUE,
    &service::AWS_SECRETSMANAGER,
    &service::AWS_SECRETSMANAGER_RAW,
    &encoding::BASE64DECODE,
    &encoding::BASE64ENCODE,
    &encoding::BASE64GZIP,
    &filesystem::BASENAME,
    &crypto::BCRYPT,
    &number::CEIL,
    &string::CHOMP,
    &sequence::CHUNKLIST,
    &network::CIDRHOST,
    &network::CIDRNETMASK,
    &network::CIDRSUBNET,
    &network::CIDRSUBNETS,
    &mapping::COALESCE,
    &sequence::COALESCELIST,
    &sequence::COMPACT,
    &sequence::CONCAT,
    &service::CONSUL_KEY,
    &sequence::CONTAINS,
    &csv::CSVDECODE,
    &filesystem::DIRNAME,
    &sequence::DISTINCT,
    &sequence::ELEMENT,
    &string::ENDSWITH,
    &filesystem::FILE,
    &filesystem::FILEBASE64,
    &filesystem::FILEEXISTS,
    &filesystem::FILESET,
    &sequence::FLATTEN,
    &number::FLOOR,
    &format::FORMAT,
    &date::FORMATDATE,
    &format::FORMATLIST,
    &string::INDENT,
    &sequence::INDEX,
    &string::JOIN,
    &json::JSONDECODE,
    &json::JSONENCODE,
    &mapping::KEYS,
    &date::LEGACY_ISOTIME,
    &date::LEGACY_STRFTIME,
    &string::LENGTH,
    &number::LOG,
    &mapping::LOOKUP,
    &string::LOWER,
    &number::MAX,
    &crypto::MD5,
    &mapping::MERGE,
    &number::MIN,
    &number::PARSEINT,
    &filesystem::PATHEXPAND,
    &number::POW,
    &number::RANGE,
    &regex::REGEX,
    &regex::REGEX_REPLACE,
    &regex::REGEXALL,
    &string::REPLACE,
    &sequence::REVERSE,
    &date::RFC3339_PARSE,
    &crypto::RSADECRYPT,
    &sets::SETINTERSECTION,
    &sets::SETPRODUCT,
    &sets::SETUNION,
    &crypto::SHA1,
    &crypto::SHA256,
    &crypto::SHA512,
    &number::SIGNUM,
    &sequence::SLICE,
    &string::SORT,
    &string::SPLIT,
    &string::STARTSWITH,
    &string::STRCONTAINS,
    &string::STRREV,
    &string::SUBSTR,
    &number::SUM,
    &encoding::TEXTDECODEBASE64,
    &encoding::TEXTENCODEBASE64,
    &date::TIMEADD,
    &date::TIMESTAMP,
    &string::TITLE,
    &string::TRIM,
    &string::TRIMPREFIX,
    &string::TRIMSPACE,
    &string::TRIMSUFFIX,
    &date::UNIX_TIMESTAMP_PARSE,
    &string::UPPER,
    &encoding::URLENCODE,
    &crypto::UUIDV4,
    &crypto::UUIDV5,
    &mapping::VALUES,
    &service::VAULT,
    &yaml_read::YAMLDECODE,
    &yaml_write::YAMLENCODE,
    &mapping::ZIPMAP,
];

#[cfg(test)]
mod tests {
    use super::{EVALUATED, TABLE, lookup, names};

    #[test]
    fn table_is_sorted() {
        assert!(TABLE.windows(2).all(|pair| pair[0].name < pair[1].name));
        for name in names().filter(|name| !EVALUATED.contains(name)) {
            assert_eq!(lookup(name).map(|function| function.name), Some(name));
        }
    }
}
