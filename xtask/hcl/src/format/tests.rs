use super::*;

/// Inputs and what Packer 1.16.0 makes of them: own run, see the file.
const CORPUS: &str = include_str!("../../tests/fixtures/fmt.json");

fn formatted(text: &str) -> Option<String> {
    format(&Source::new("t.pkr.hcl", text)).ok()
}

#[test]
fn agrees_with_packer() {
    let corpus: serde_json::Value = serde_json::from_str(CORPUS).unwrap();
    let cases = corpus["cases"].as_array().unwrap();
    assert!(cases.len() >= 200, "only {} cases", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let input = case["input"].as_str().unwrap();
            let expected = case["output"].as_str();
            let ours = formatted(input);
            (ours.as_deref() != expected)
                .then(|| format!("{input:?}\n packer {expected:?}\n ours   {ours:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn twice_is_once() {
    let corpus: serde_json::Value = serde_json::from_str(CORPUS).unwrap();
    for case in corpus["cases"].as_array().unwrap() {
        let Some(once) = case["output"].as_str() else { continue };
        // Packer's own result is not always its fixed point; where it is, ours is.
        if case["stable"].as_bool() == Some(true) {
            assert_eq!(formatted(once).as_deref(), Some(once));
        }
    }
}
