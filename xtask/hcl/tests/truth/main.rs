//! Compares our answers with those of a real `packer console`.

#![expect(clippy::expect_used, clippy::panic, reason = "this is a test")]

mod compare;
mod console;
mod fixture;
mod record;

use std::collections::BTreeSet;

/// The function table holds exactly the names that Packer does not call
/// unknown. `table.toml` calls every name, and others that Packer never had.
#[test]
fn function_names() {
    let fixtures = fixture::load_all();
    let table = fixtures.iter().find(|fixture| fixture.is("table")).expect("table.toml");
    let known: BTreeSet<&str> = table
        .cases
        .iter()
        .filter(|case| {
            let error = case.error.as_deref().unwrap_or("");
            !error.contains("Call to unknown function")
        })
        .flat_map(|case| case.expr.split_once('('))
        .map(|(name, _)| name)
        .collect();
    let ours: BTreeSet<&str> = packer_hcl::functions::names().collect();
    assert_eq!(ours, known);
}

/// Every function is called at least twice, and at least once to its
/// displeasure.
#[test]
fn every_function_is_covered() {
    let fixtures = fixture::load_all();
    for name in packer_hcl::functions::names() {
        let call = format!("{name}(");
        let calls = |expr: &str| {
            let found = expr.match_indices(&call);
            found.into_iter().any(|(index, _)| {
                let before = expr.get(..index).and_then(|before| before.chars().next_back());
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            })
        };
        let cases: Vec<_> = fixtures
            .iter()
            .flat_map(|fixture| &fixture.cases)
            .filter(|case| calls(&case.expr))
            .collect();
        let errors = cases.iter().filter(|case| case.error.is_some()).count();
        assert!(cases.len() >= 2 && errors >= 1, "{name}: {} cases, {errors} errors", cases.len());
    }
}
