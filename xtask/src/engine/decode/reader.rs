//! Reads attributes of a body, remembers which, and collects what is wrong.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use packer_hcl::body::{Attribute, Body, Typed};
use packer_hcl::diagnostic::Diagnostic;
use packer_hcl::types::Type;
use packer_hcl::value::Value;

use super::names::{self, Unread};

/// A body that is read.
pub(super) struct Reader<'a> {
    body: &'a Body,
    read: BTreeSet<&'static str>,
    problems: &'a mut Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub fn new(body: &'a Body, problems: &'a mut Vec<Diagnostic>) -> Self {
        Self { body, read: BTreeSet::new(), problems }
    }

    fn take<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Body, &str) -> Typed<T>,
    ) -> Option<T> {
        self.read.insert(name);
        match read(self.body, name) {
            Ok(value) => value,
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    /// Text; empty is not set, as for Packer.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.take(name, |body, name| body.string(name)).filter(|text| !text.is_empty())
    }

    /// A path; empty is not set.
    pub fn path(&mut self, name: &'static str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// A bool, `false` if not set.
    pub fn flag(&mut self, name: &'static str) -> bool {
        self.take(name, |body, name| body.bool(name)).unwrap_or(false)
    }

    /// A whole number that fits the type; zero is not set, as for Packer.
    pub fn number<T: TryFrom<i64>>(&mut self, name: &'static str) -> Option<T> {
        let number = self.take(name, |body, name| body.int(name)).filter(|number| *number != 0)?;
        let fits = T::try_from(number).ok();
        if fits.is_none() {
            self.wrong(name, &format!("{number} is out of range"));
        }
        fits
    }

    /// Texts; empty if not set.
    pub fn texts(&mut self, name: &'static str) -> Vec<String> {
        self.take(name, |body, name| body.strings(name)).unwrap_or_default()
    }

    /// Rows of texts.
    pub fn rows(&mut self, name: &'static str) -> Vec<Vec<String>> {
        self.take(name, |body, name| body.string_lists(name)).unwrap_or_default()
    }

    /// Names and texts.
    pub fn map(&mut self, name: &'static str) -> IndexMap<String, String> {
        let map = self.take(name, |body, name| body.string_map(name));
        map.unwrap_or_default().into_iter().collect()
    }

    /// Exit codes.
    pub fn codes(&mut self, name: &'static str) -> Option<Vec<i32>> {
        let ty = Type::list(Type::Number);
        let value = self.take(name, |body, name| body.typed(name, &ty))?;
        let code = |value: &Value| i32::try_from(value.as_number()?.to_i64()?).ok();
        let codes: Option<Vec<i32>> = value.children().map(code).collect();
        if codes.is_none() {
            self.wrong(name, "exit codes are whole numbers");
        }
        codes.filter(|codes| !codes.is_empty())
    }

    /// A duration; zero is not set, as for Packer.
    pub fn time(&mut self, name: &'static str) -> Option<Duration> {
        self.take(name, |body, name| body.duration(name)).filter(|time| !time.is_zero())
    }

    /// As [`Reader::time`], but a negative duration is zero: Packer's way to say
    /// "no wait", because zero means its default.
    pub fn time_or_none(&mut self, name: &'static str) -> Option<Duration> {
        let negative = self.body.string(name).ok().flatten();
        if negative.is_some_and(|text| text.starts_with('-')) {
            self.read.insert(name);
            return Some(Duration::ZERO);
        }
        self.time(name)
    }

    /// One of a few words.
    pub fn choice<T>(
        &mut self,
        name: &'static str,
        words: &[&str],
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let word = self.text(name)?;
        let value = parse(&word);
        if value.is_none() {
            self.wrong(name, &format!("`{word}` is none of {}", words.join(", ")));
        }
        value
    }

    /// A finding about an attribute's value.
    pub fn wrong(&mut self, name: &str, reason: &str) {
        self.problems.push(self.body.invalid(name, reason));
    }

    /// A finding about the whole body.
    pub fn problem(&mut self, summary: &str, detail: &str) {
        self.problems.push(Diagnostic::error(summary, detail, self.body.span.clone()));
    }

    /// Says that an attribute is read although its value is not used.
    pub fn skip(&mut self, name: &'static str) {
        self.read.insert(name);
    }

    /// Reports attributes and blocks of a source that nobody read.
    pub fn finish_source(self, blocks: &[&str]) {
        self.finish(names::unread, blocks);
    }

    /// Reports attributes and blocks of a provisioner that nobody read.
    pub fn finish_step(self) {
        self.finish(|_| Unread::Unknown, &[]);
    }

    fn finish(self, meaning: impl Fn(&str) -> Unread, blocks: &[&str]) {
        for (name, attribute) in &self.body.attributes {
            if self.read.contains(name.as_str()) {
                continue;
            }
            let span = attribute.name_span.clone();
            match meaning(name) {
                Unread::WithoutEffect => {}
                Unread::OnlyPacker if is_default(attribute) => {}
                Unread::OnlyPacker => {
                    self.problems.push(names::only_packer(&format!("`{name}`"), span));
                }
                Unread::Unknown => {
                    let known = self.read.iter().copied();
                    self.problems.push(names::unknown(name, span, known));
                }
            }
        }
        for block in &self.body.blocks {
            if !blocks.contains(&block.block_type.as_str()) {
                let what = format!("the block `{}`", block.block_type);
                self.problems.push(names::only_packer(&what, block.span.clone()));
            }
        }
    }
}

/// Null, `false`, zero, an empty text or list: what the attribute is anyway.
fn is_default(attribute: &Attribute) -> bool {
    let value = &attribute.value;
    value.is_null()
        || value.as_bool() == Some(false)
        || value.as_str() == Some("")
        || value.as_number().and_then(packer_hcl::number::Number::to_i64) == Some(0)
        || value.len() == Some(0)
}
