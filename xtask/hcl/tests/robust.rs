//! Whatever stands in a template directory, the answer is a result or a
//! diagnostic: no panic, no hang, no full memory.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::path::Path;

use packer_hcl::diagnostic::Diagnostic;
use packer_hcl::evaluated::Evaluated;
use packer_hcl::template::{Inputs, Template};

fn evaluate(text: &str) -> Result<Evaluated, Vec<Diagnostic>> {
    let template = Template::from_sources(Path::new("t"), &[("t.pkr.hcl", text)])?;
    template.evaluate(&Inputs::new("/", "1.16.0"))
}

/// Summaries of the errors; empty if there are none. Rendering them must not
/// fail either.
fn summaries(text: &str) -> Vec<String> {
    let problems = evaluate(text).err().unwrap_or_default();
    for problem in &problems {
        assert!(!problem.to_string().is_empty());
    }
    problems.into_iter().map(|problem| problem.summary).collect()
}

fn local(expr: &str) -> String {
    format!("locals {{\n  a = {expr}\n}}\n")
}

#[test]
fn deep_nesting_is_refused() {
    let n = 20_000;
    let around = |open: &str, inner: &str, close: &str| {
        local(&format!("{}{inner}{}", open.repeat(n), close.repeat(n)))
    };
    let table = [
        around("(", "1", ")"),
        around("[", "1", "]"),
        around("{a=", "1", "}"),
        around("\"${", "1", "}\""),
        around("!", "true", ""),
        around("-", "1", ""),
        around("upper(", "1", ")"),
        around("1+(", "1", ")"),
        around("l[", "0", "]"),
        around("true ? ", "1", " : 2"),
        around("true ? 1 : ", "2", ""),
        around("[for x in ", "[]", " : x]"),
        local(&format!("1{}", "+1".repeat(n))),
        local(&format!("1{}", "==1".repeat(n))),
        local(&format!("l{}", ".a".repeat(n))),
        local(&format!("l{}", "[0]".repeat(n))),
        local(&format!("l{}", "[*]".repeat(n))),
        local(&format!("\"{}{}\"", "%{if true}".repeat(n), "%{endif}".repeat(n))),
        local(&format!("<<E\n{}{}\nE\n", "%{if true}".repeat(n), "%{endif}".repeat(n))),
        format!("build {{\n{}{}", "a {\n".repeat(n), "}\n".repeat(n)),
    ];
    for text in table {
        let found = summaries(&text);
        let start: String = text.chars().take(40).collect();
        assert!(found.iter().any(|summary| summary == "Nested too deeply"), "{start}: {found:?}");
    }
}

#[test]
fn nesting_that_is_allowed_works() {
    let n = 60;
    let table = [
        format!("{}1{}", "(".repeat(n), ")".repeat(n)),
        format!("{}1{}", "[".repeat(n), "]".repeat(n)),
        format!("{}1{}", "{a=".repeat(n), "}".repeat(n)),
        format!("{}1{}", "\"${".repeat(n), "}\"".repeat(n)),
        format!("1{}", "+1".repeat(180)),
        format!("{}[]{}", "[for x in ".repeat(n), " : x]".repeat(n)),
    ];
    for expr in table {
        assert_eq!(summaries(&local(&expr)), Vec::<String>::new(), "{expr}");
    }
}

#[test]
fn long_things_are_no_trouble() {
    let text = "x".repeat(1 << 20);
    assert_eq!(summaries(&local(&format!("\"{text}\""))), Vec::<String>::new());
    let wrong = local(&format!("[\"{text}\", nope, \"{text}\"]"));
    let problems = evaluate(&wrong).err().unwrap();
    // The line is shown in part only.
    assert!(problems[0].to_string().len() < 1000, "{}", problems[0].to_string().len());
    assert_eq!(summaries(&local(&"9".repeat(1 << 20))), ["Invalid number literal"]);
    assert_eq!(summaries(&text), ["Argument or block definition required"]);
    let many: String = (0..2_000).map(|i| format!("  a{i} = nope{i}\n")).collect();
    assert_eq!(summaries(&format!("locals {{\n{many}}}\n")).len(), 2_000);
}

#[test]
fn runaway_work_ends() {
    let loops = "[for a in range(1000) : [for b in range(1000) : [for c in range(1000) : c]]]";
    assert_eq!(summaries(&local(loops)), ["Evaluation takes too long"]);
    let doubling: String =
        (1..40).map(|i| format!("  l{i} = \"${{local.l{0}}}${{local.l{0}}}\"\n", i - 1)).collect();
    let doubling = format!("locals {{\n  l0 = \"xxxxxxxxxxxxxxxx\"\n{doubling}}}\n");
    assert!(summaries(&doubling).contains(&"String too long".to_owned()));
    let chain: String = (0..5000).map(|i| format!("  l{i} = local.l{}\n", i + 1)).collect();
    let chain = format!("locals {{\n{chain}  l5000 = 1\n}}\n");
    assert!(summaries(&chain).contains(&"Locals depend on too many others".to_owned()));
    let tower = (0..200).fold("2".to_owned(), |text, _| format!("({text})*1e300"));
    // Nested parentheses end it before the numbers do.
    assert_eq!(summaries(&local(&tower)), ["Nested too deeply"]);
}

#[test]
fn odd_bytes() {
    assert_eq!(summaries("locals {\n  a = \"x\u{0}y\"\n}\n"), Vec::<String>::new());
    assert_eq!(summaries("locals {\n  a = \u{0}\n}\n"), ["Invalid character"]);
    assert_eq!(summaries("\u{feff}locals {\n  a = 1\n}\n"), Vec::<String>::new());
    assert_eq!(summaries("locals {\r\n  a = 1\r\n}\r\n"), Vec::<String>::new());
    // A terminal must not see control characters of a template.
    let problems = evaluate("locals {\n  a = \"\u{1b}[31m${nope}\"\n}\n").err().unwrap();
    assert!(!problems[0].to_string().contains('\u{1b}'));
}

/// A directory with one good template and something odd beside it.
fn directory(odd: impl FnOnce(&Path)) -> Result<Template, Vec<Diagnostic>> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.pkr.hcl"), "locals {\n  a = 1\n}\n").unwrap();
    odd(dir.path());
    Template::load(dir.path())
}

fn complaint(result: Result<Template, Vec<Diagnostic>>) -> String {
    let problems = result.err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// What is broken, and how.
type Damage<'a> = (&'a str, &'a dyn Fn(&Path));

#[test]
fn odd_files() {
    use std::os::unix::fs::symlink;
    let none = complaint(directory(|dir| std::fs::create_dir(dir.join("b.pkr.hcl")).unwrap()));
    assert_eq!(none, "", "directories are no templates");
    let cases: [Damage<'_>; 6] = [
        ("JSON templates are not supported", &|dir| {
            std::fs::write(dir.join("b.pkr.json"), "{}").unwrap();
        }),
        ("Invalid character encoding", &|dir| {
            std::fs::write(dir.join("b.pkr.hcl"), b"a = \"\xff\"").unwrap();
        }),
        ("Too many levels of symbolic links", &|dir| {
            symlink("b.pkr.hcl", dir.join("b.pkr.hcl")).unwrap();
        }),
        ("No such file", &|dir| symlink("gone", dir.join("b.pkr.hcl")).unwrap()),
        ("not a regular file", &|dir| symlink("/dev/zero", dir.join("b.pkr.hcl")).unwrap()),
        ("larger than 16 MiB", &|dir| {
            let file = std::fs::File::create(dir.join("b.pkr.hcl")).unwrap();
            file.set_len(1 << 40).unwrap();
        }),
    ];
    for (want, odd) in cases {
        let text = complaint(directory(odd));
        assert!(text.contains(want) && text.contains("b.pkr."), "{want}: {text}");
    }
    let gone = complaint(Template::load(Path::new("/nonexistent/dir")));
    assert!(gone.contains("/nonexistent/dir"), "{gone}");
    let empty = tempfile::tempdir().unwrap();
    assert!(complaint(Template::load(empty.path())).contains("Could not find any config file"));
}

/// Every prefix of a template, and the template with every byte replaced.
#[test]
fn mutations_do_not_panic() {
    let text = include_str!("mutated.pkr.hcl");
    // Two thirds of the places do; the others repeat them.
    for (at, _) in text.char_indices().filter(|(at, _)| at % 3 > 0) {
        let (start, rest) = text.split_at(at);
        let _prefix = summaries(start);
        let after: String = rest.chars().skip(1).collect();
        for replacement in ["", "}", "\"", "${"] {
            let _changed = summaries(&format!("{start}{replacement}{after}"));
        }
    }
}
