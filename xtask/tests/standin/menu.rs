//! What keys do to a boot menu: a model of GRUB's and isolinux's menu and editor,
//! as far as our boot commands use them. The stand-in media show the same in a VM;
//! this one is quick enough for every target.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

/// A menu as it stands in `standin/menus`, filled in for a line of `families`.
pub fn text(name: &str, another: Option<&str>) -> String {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standin/menus");
    let file = dir.join(format!("{}.cfg", name.trim_end_matches("-fips")));
    let text = std::fs::read_to_string(file).unwrap();
    let fips = if name.ends_with("-fips") { "" } else { "# " };
    let text = text.replace("#fips ", fips);
    match another {
        Some(entry) => text.replace("#another\n", entry),
        None => text,
    }
}

/// Entries of the top level, each as the editor shows it, and the default.
struct Menu {
    entries: Vec<Vec<String>>,
    selected: usize,
}

fn grub(text: &str) -> Menu {
    let (mut entries, mut depth) = (Vec::new(), 0_u8);
    let mut selected = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let trimmed = line.trim();
        if let Some(number) = trimmed.trim_start_matches("set ").strip_prefix("default=") {
            selected = number.trim_matches('"').parse().unwrap();
        }
        match (depth, trimmed) {
            (_, "}") => depth -= 1,
            (0, head) if head.ends_with('{') => {
                // Line 1 of the editor is setparams, line 2 is empty.
                entries.push(vec![format!("setparams {head}"), String::new()]);
                depth += 1;
            }
            (0, _) => {}
            (_, body) => {
                entries.last_mut().unwrap().push(body.to_owned());
                depth += u8::from(body.ends_with('{'));
            }
        }
    }
    Menu { entries, selected }
}

/// Keys of a boot command: names in angle brackets, and characters.
fn keys(command: &str) -> Vec<String> {
    let (mut keys, mut rest) = (Vec::new(), command);
    while let Some(first) = rest.chars().next() {
        let end = if first == '<' { rest.find('>').unwrap() + 1 } else { first.len_utf8() };
        let (key, tail) = rest.split_at(end);
        keys.push(key.to_owned());
        rest = tail;
    }
    keys
}

/// The line of the kernel that GRUB boots after these keys; `None` if it boots
/// nothing, or what was typed is not on that line.
pub fn grub_boots(text: &str, command: &str) -> Option<String> {
    let Menu { mut entries, mut selected } = grub(text);
    let (mut editing, mut row, mut at_end, mut control) = (false, 0_usize, false, false);
    for key in keys(command) {
        match (editing, key.as_str()) {
            (_, "<leftCtrlOn>") => control = true,
            (_, "<leftCtrlOff>") => control = false,
            (false, "<up>") => selected = selected.saturating_sub(1),
            (false, "<down>") => selected = (selected + 1).min(entries.len() - 1),
            (false, "e") => editing = true,
            (true, "x") if control => {
                let typed = entries.get(selected)?.get(row)?.clone();
                return typed.starts_with("linux").then_some(typed);
            }
            (true, "<down>") => {
                (row, at_end) = ((row + 1).min(entries.get(selected)?.len() - 1), false);
            }
            (true, "<end>") => at_end = true,
            (_, key) if key.starts_with("<wait") || key == "<esc>" => {}
            (true, key) if key.chars().count() == 1 && at_end => {
                entries.get_mut(selected)?.get_mut(row)?.push_str(key);
            }
            _ => return None,
        }
    }
    None
}

/// The same for isolinux: Tab edits the default entry's line.
pub fn isolinux_boots(text: &str, command: &str) -> Option<String> {
    let entries: Vec<&str> = text.split("\nlabel ").collect();
    let default = entries.iter().find(|entry| entry.contains("menu default"))?;
    let mut line = default.lines().find_map(|line| line.trim().strip_prefix("append "))?.to_owned();
    let mut editing = false;
    for key in keys(command) {
        match (editing, key.as_str()) {
            (false, "<tab>") => editing = true,
            (true, "<enter>") => return Some(line),
            (_, key) if key.starts_with("<wait") => {}
            (true, key) if key.chars().count() == 1 => line.push_str(key),
            _ => return None,
        }
    }
    None
}
