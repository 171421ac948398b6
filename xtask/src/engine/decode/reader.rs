//! Reads typed attributes and remembers which, so that the rest is known to be
//! unknown.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use packer_hcl::body::{Body, Typed};
use packer_hcl::diagnostic::Diagnostic;

/// A body being decoded. Problems are collected, never thrown, so that all of
/// a template come in one go.
pub(super) struct Reader<'a> {
    body: &'a Body,
    seen: BTreeSet<String>,
    problems: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(body: &'a Body) -> Self {
        Self { body, seen: BTreeSet::new(), problems: vec![] }
    }

    fn take<T>(&mut self, name: &str, get: impl Fn(&Body, &str) -> Typed<T>) -> Option<T> {
        self.seen.insert(name.to_owned());
        match get(self.body, name) {
            Ok(value) => value,
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.take(name, Body::string)
    }

    /// Text that is not empty: Packer takes "" for "not set".
    pub(super) fn filled(&mut self, name: &str) -> Option<String> {
        self.text(name).filter(|t| !t.is_empty())
    }

    pub(super) fn path(&mut self, name: &str) -> Option<PathBuf> {
        self.filled(name).map(PathBuf::from)
    }

    pub(super) fn flag(&mut self, name: &str) -> bool {
        self.take(name, Body::bool).unwrap_or(false)
    }

    pub(super) fn number<T: TryFrom<i64>>(&mut self, name: &str) -> Option<T> {
        let value = self.take(name, Body::int)?;
        let number = T::try_from(value).ok();
        if number.is_none() {
            self.problem(name, "the number is out of range");
        }
        number
    }

    pub(super) fn numbers(&mut self, name: &str) -> Option<Vec<i32>> {
        let texts = self.texts(name)?;
        let numbers: Option<Vec<i32>> = texts.iter().map(|t| t.parse().ok()).collect();
        if numbers.is_none() {
            self.problem(name, "whole numbers are required");
        }
        numbers
    }

    pub(super) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        self.take(name, Body::strings)
    }

    pub(super) fn paths(&mut self, name: &str) -> Vec<PathBuf> {
        self.texts(name).unwrap_or_default().into_iter().map(PathBuf::from).collect()
    }

    pub(super) fn rows(&mut self, name: &str) -> Vec<Vec<String>> {
        self.take(name, Body::string_lists).unwrap_or_default()
    }

    pub(super) fn map(&mut self, name: &str) -> IndexMap<String, String> {
        self.take(name, Body::string_map).unwrap_or_default().into_iter().collect()
    }

    pub(super) fn duration(&mut self, name: &str) -> Option<Duration> {
        self.take(name, Body::duration)
    }

    /// A word of a fixed list.
    pub(super) fn word<T>(
        &mut self,
        name: &str,
        names: &[&str],
        parse: fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.filled(name)?;
        let word = parse(&text);
        if word.is_none() {
            let reason = format!("`{text}` is not one of {}", names.join(", "));
            self.problem(name, &reason);
        }
        word
    }

    pub(super) fn problem(&mut self, name: &str, reason: &str) {
        self.problems.push(self.body.invalid(name, reason));
    }

    /// Attributes that mean nothing to this engine, with a reason in the table
    /// that names them.
    pub(super) fn ignore(&mut self, names: &[(&str, &str)]) {
        self.seen.extend(names.iter().map(|(name, _)| (*name).to_owned()));
    }

    /// What is left is unknown; all problems, if there are any.
    pub(super) fn finish(mut self, what: &str) -> Vec<Diagnostic> {
        for (name, attribute) in &self.body.attributes {
            if !self.seen.contains(name) && !attribute.value.is_null() {
                self.problems.push(Diagnostic::error(
                    format!("The built-in engine does not know `{name}` of a {what}"),
                    "Remove it, or build with --engine packer.",
                    attribute.name_span.clone(),
                ));
            }
        }
        for block in &self.body.blocks {
            self.problems.push(Diagnostic::error(
                format!("The built-in engine does not know the block `{}`", block.block_type),
                "Remove it, or build with --engine packer.",
                block.span.clone(),
            ));
        }
        self.problems
    }
}
