//! Compares our answers with those of a real `packer console`.

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
