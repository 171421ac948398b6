use std::fs;

use super::*;
use crate::catalog::Catalog;

/// A run of the tree's own targets: the second failed with evidence, the third
/// was not started.
fn run(out: &Path, count: usize) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let repo = Repo::find(Some(root), Some(out), None).unwrap();
    let catalog = Catalog::load(root).unwrap();
    let targets: Vec<&Target> = catalog.targets().take(count).collect();
    let failed = out.join(&targets[1].id).join(FAILED);
    fs::create_dir_all(&failed).unwrap();
    fs::write(failed.join("screen-0010.png"), "one").unwrap();
    fs::write(failed.join("screen-0044.png"), "two").unwrap();
    fs::write(failed.join("serial.log"), "Kernel panic - not syncing: x\n").unwrap();
    let ended: Vec<Ended> = (0..count).map(|index| ended(index, &targets)).collect();
    let wall = Duration::from_secs(754);
    page(&Run { repo: &repo, targets: &targets, ended: &ended, engine: "built-in <1>", wall })
}

fn ended(index: usize, targets: &[&Target]) -> Ended {
    let why = "boot: panic: <b>\n  console   | Kernel panic - not syncing: x\n  cause     no driver\n  \
               try       another disk_interface";
    let phase = |name: &str, seconds| (name.to_owned(), seconds);
    let manifest: Manifest = serde_json::from_value(serde_json::json!({
        "version": 1, "target": targets[index].id, "title": "", "date": "", "commit": "c0ffee",
        "engine": "built-in", "fingerprint": "", "sources_checked": "", "media": {},
        "artifact": { "file": "x.tar.gz", "kind": "tgz", "size": 412_000_000_u64, "sha256": "9f3c", "mtime_ns": 0 },
        "phases": [["boot", 200.0], ["provision", 250.0]], "contents": null,
    }))
    .unwrap();
    let result = match index {
        1 => Some(Err(anyhow::anyhow!(why))),
        2 => None,
        _ => Some(Ok(Outcome::Built { manifest, times: String::new() })),
    };
    let usual = Some(Duration::from_secs(if index == 3 { 200 } else { 440 }));
    let phases = vec![phase("media", 20.0), phase("boot", 44.0)];
    Ended { index, time: Duration::from_secs(450), usual, phases, result }
}

#[test]
fn what_failed_and_why_is_seen_first() {
    let dir = tempfile::tempdir().unwrap();
    let html = run(dir.path(), 5);
    assert!(html.contains("<title>3 of 5 built</title>"), "{html}");
    for count in ["<b>1</b> failed", "<b>1</b> skipped", "<b>3</b> built", "12:34"] {
        assert!(html.contains(count), "{count}");
    }
    let (table, sections) = html.split_once("</table>").unwrap();
    let first = table.split("<tbody>").nth(1).unwrap().lines().nth(1).unwrap();
    assert!(first.contains("class=\"bad\"") && first.contains("no driver"), "{first}");
    assert!(first.contains(" lost\""), "the phase in which it failed: {first}");
    let card = sections.split("</section>").next().unwrap();
    assert!(card.contains("class=\"headline\">boot: panic: &lt;b&gt;</p>"), "{card}");
    assert!(card.contains("<b>try</b> another disk_interface"), "{card}");
    assert!(card.contains("<mark"), "{card}");
    assert!(card.find("screen after 0:44") < card.find("1 earlier screen<"), "{card}");
    assert!(
        html.contains("slower than usual\">usually 3:20") && html.contains(">usually 7:20"),
        "{html}"
    );
    assert!(html.contains("built-in &lt;1&gt;") && !html.contains("src=\"http"), "{html}");
}

#[test]
fn many_builds_are_folded_and_few_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let many = run(dir.path(), 40);
    assert!(!many.contains("<details open>"), "a page of forty open builds");
    assert_eq!(many.matches("<section id=").count(), 39, "what never ran has no section");
    assert!(run(dir.path(), 3).contains("<details open>"));
}
