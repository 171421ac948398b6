//! A failure's message taken apart, for places that show its parts by themselves.

/// What a message of a failed build says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// What happened.
    pub headline: String,
    /// What is behind it, if a pattern is known.
    pub cause: Option<String>,
    /// What to do.
    pub fixes: Vec<String>,
    /// The last lines of the console, of scripts, of Packer.
    pub said: Vec<String>,
}

impl Explained {
    /// Reads the form that engines write: a first line, then lines `  name  text`.
    #[must_use]
    pub fn of(message: &str) -> Self {
        let mut lines = message.lines();
        let first = lines.next().unwrap_or_default();
        let mut all = Self::default();
        first.strip_prefix("error: ").unwrap_or(first).clone_into(&mut all.headline);
        for line in lines {
            let trimmed = line.trim_start();
            let (name, text) = trimmed.split_once([' ', ':']).unwrap_or((trimmed, ""));
            let text = text.trim_start_matches([':', ' ']);
            match name {
                "cause" => all.cause = Some(text.to_owned()),
                "try" | "hint" | "help" => all.fixes.push(text.to_owned()),
                _ => {
                    let said = text.strip_prefix('|').map(|s| s.strip_prefix(' ').unwrap_or(s));
                    all.said.extend(said.map(str::to_owned));
                }
            }
        }
        if let Some((before, hint)) = all.headline.clone().split_once(" (hint: ") {
            before.clone_into(&mut all.headline);
            all.fixes.push(hint.trim_end_matches(')').to_owned());
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_message_are_found() {
        let text = "boot: kernel panic: Kernel panic - not syncing\n  console   | a | b\n  \
                    console   | \n  all of it out/x/failed/serial.log\n  screen    out/x/s.png\n  \
                    cause     no driver\n  try       set disk_interface";
        let all = Explained::of(text);
        assert_eq!(all.headline, "boot: kernel panic: Kernel panic - not syncing");
        assert_eq!(all.cause.as_deref(), Some("no driver"));
        assert_eq!(all.fixes, ["set disk_interface"]);
        assert_eq!(all.said, ["a | b", ""]);
    }

    #[test]
    fn hints_are_fixes_wherever_they_stand() {
        let text = "error: 1 GB is free in out\n  hint: cargo xtask clean, or --out DIR";
        let all = Explained::of(text);
        assert_eq!((all.headline.as_str(), all.fixes.len()), ("1 GB is free in out", 1));
        let inline = Explained::of("install: nothing came (hint: raise boot_wait)");
        assert_eq!(inline.headline, "install: nothing came");
        assert_eq!(inline.fixes, ["raise boot_wait"]);
        assert_eq!(Explained::of(""), Explained::default());
    }
}
