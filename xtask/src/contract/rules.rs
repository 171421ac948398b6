//! The table of rules, in parts by what they are about.

mod archive;
mod boot;
mod cloud;
mod deploy;
mod left;

use super::{Breach, Input, Rule, Scope};
use crate::finding::Severity;

type Check = fn(&Input<'_>) -> Vec<Breach>;

/// Title, why, fix: what a rule says.
struct Text(&'static str, &'static str, &'static str);

const fn error(id: &'static str, scope: Scope, check: Check, text: Text) -> Rule {
    let Text(title, why, fix) = text;
    Rule { id, severity: Severity::Error, title, why, fix, scope, check }
}

const fn warning(id: &'static str, scope: Scope, check: Check, text: Text) -> Rule {
    Rule { severity: Severity::Warning, ..error(id, scope, check, text) }
}

/// Parts of the table, by id.
const PARTS: [&[Rule]; 5] = [archive::RULES, boot::RULES, cloud::RULES, deploy::RULES, left::RULES];

const COUNT: usize = {
    let (mut count, mut part) = (0, 0);
    while part < PARTS.len() {
        count += PARTS[part].len();
        part += 1;
    }
    count
};

/// All rules, by id.
pub static RULES: &[Rule] = &joined();

/// The parts one after the other; the compiler does it.
const fn joined() -> [Rule; COUNT] {
    let mut all = [PARTS[0][0]; COUNT];
    let (mut at, mut part) = (0, 0);
    while part < PARTS.len() {
        let mut row = 0;
        while row < PARTS[part].len() {
            all[at] = PARTS[part][row];
            at += 1;
            row += 1;
        }
        part += 1;
    }
    all
}

/// The rule of that id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id.eq_ignore_ascii_case(id))
}
