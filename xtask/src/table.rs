//! Plain text tables: columns as wide as their widest cell, last one free.

/// Renders rows under a header, two spaces between columns.
#[must_use]
pub fn render(header: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count());
        cells.chain(header.get(column).map(|h| h.len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &[&str]| {
        let padded = cells.iter().zip(&widths).map(|(c, w)| format!("{c:w$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let body = rows.iter().map(|r| line(&r.iter().map(String::as_str).collect::<Vec<_>>()));
    line(header) + &body.collect::<String>()
}

/// As [`render`], in at most `width` columns of a terminal: long cells of words
/// go on in the next line, then columns are left out, in the order of `spare`
/// (indexes). Names of what was left out come second.
#[must_use]
pub fn fit<'h>(
    header: &[&'h str],
    rows: &[Vec<String>],
    width: usize,
    spare: &[usize],
) -> (String, Vec<&'h str>) {
    let whole = render(header, rows);
    if widest(&whole) <= width {
        return (whole, vec![]);
    }
    let rows: Vec<Vec<String>> = rows.iter().flat_map(|row| folded(row)).collect();
    let mut gone: Vec<usize> = vec![];
    loop {
        let kept = |i: &usize| !gone.contains(i);
        let columns: Vec<usize> = (0..header.len()).filter(kept).collect();
        let head: Vec<&str> = columns.iter().filter_map(|i| header.get(*i).copied()).collect();
        let pick =
            |row: &Vec<String>| columns.iter().filter_map(|i| row.get(*i).cloned()).collect();
        let cut: Vec<Vec<String>> = rows.iter().map(pick).collect();
        let text = render(&head, &cut);
        match spare.get(gone.len()) {
            Some(next) if widest(&text) > width => gone.push(*next),
            _ => return (text, gone.iter().filter_map(|i| header.get(*i).copied()).collect()),
        }
    }
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

/// A cell longer than this goes on in the next line, if it has several words.
const FOLD: usize = 22;

/// A row as several, its long cells broken at spaces.
fn folded(row: &[String]) -> Vec<Vec<String>> {
    let cells: Vec<Vec<String>> = row.iter().map(|cell| wrap(cell, FOLD)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let line = |i| cells.iter().map(|cell| cell.get(i).cloned().unwrap_or_default()).collect();
    (0..height).map(line).collect()
}

/// Lines of at most `limit` characters, if no word is longer.
#[must_use]
pub fn wrap(text: &str, limit: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(last) if last.is_empty() => last.push_str(word),
            Some(last) if last.chars().count() + 1 + word.chars().count() <= limit => {
                *last += " ";
                *last += word;
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Columns of the terminal that standard output is, if it is one. `COLUMNS`
/// counts where the terminal does not say.
#[must_use]
pub fn terminal() -> Option<usize> {
    let out = std::io::stdout();
    if !std::io::IsTerminal::is_terminal(&out) {
        return None;
    }
    let said = rustix::termios::tcgetwinsize(out).ok().map(|size| usize::from(size.ws_col));
    let variable = || std::env::var("COLUMNS").ok()?.parse().ok();
    said.filter(|width| *width > 0).or_else(variable)
}

/// `1 error`, `2 errors`.
#[must_use]
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Bytes in units people read: `412 MB`, `1.2 GB` (decimal, as disks are sold).
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    for (unit, name) in UNITS {
        if bytes >= unit {
            let tenths = bytes / (unit / 10);
            return if tenths < 100 {
                format!("{}.{} {name}", tenths / 10, tenths % 10)
            } else {
                format!("{} {name}", tenths / 10)
            };
        }
    }
    format!("{bytes} B")
}

/// `4m21s`, `0:48`-like short times: minutes and seconds.
#[must_use]
pub fn minutes(time: std::time::Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = vec![vec!["a".into(), "long".into()], vec!["bbb".into(), "x".into()]];
        assert_eq!(render(&["A", "B"], &rows), "A    B\na    long\nbbb  x\n");
    }

    #[test]
    fn a_narrow_terminal_folds_words_then_leaves_columns_out() {
        let words = "focal jammy noble resolute stonking";
        let row: Vec<String> = ["ubuntu", words, "amd64", "2026"].map(str::to_owned).to_vec();
        let header = ["IMAGE", "RELEASES", "ARCH", "BUILT"];
        let rows = [row];
        assert_eq!(fit(&header, &rows, 80, &[3, 2]), (render(&header, &rows), vec![]));
        let (text, gone) = fit(&header, &rows, 36, &[3, 2]);
        let expected = "IMAGE   RELEASES           ARCH\n\
                        ubuntu  focal jammy noble  amd64\n        resolute stonking\n";
        assert_eq!((text.as_str(), gone), (expected, vec!["BUILT"]));
        assert_eq!(fit(&header, &rows, 1, &[3, 2]).1, ["BUILT", "ARCH"], "what is left stays");
    }

    #[test]
    fn sizes() {
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_200, "1.2 kB"),
            (412_000_000, "412 MB"),
            (1_250_000_000, "1.2 GB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }
}
