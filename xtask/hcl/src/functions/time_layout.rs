//! Renders times by example (`2006-01-02`), Go's way, and by `strftime`.

use super::time::{Civil, Time, show_year};

/// Examples that stand for a part of a time, each before its own prefixes.
const PARTS: &[&str] = &[
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "__2",
    "_2",
    "002",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "15",
    "1",
    "2",
    "3",
    "4",
    "5",
    "PM",
    "pm",
    "-07:00:00",
    "-070000",
    "-07:00",
    "-0700",
    "-07",
    "Z07:00:00",
    "Z070000",
    "Z07:00",
    "Z0700",
    "Z07",
];

/// The time in Go's layout.
pub(super) fn by_example(time: &Time, layout: &str) -> String {
    let mut output = String::new();
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        if let Some((digits, after)) = fraction(rest) {
            output.push_str(&show_fraction(time.nanos, digits));
            rest = after;
        } else if let Some((part, after)) = next_part(rest) {
            output.push_str(&show(time, part));
            rest = after;
        } else {
            output.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or("");
        }
    }
    output
}

/// The part at the front of the layout, and what follows it.
fn next_part(layout: &str) -> Option<(&'static str, &str)> {
    let part = PARTS.iter().copied().find(|part| layout.starts_with(part))?;
    let after = layout.get(part.len()..)?;
    let lower = after.starts_with(|c: char| c.is_ascii_lowercase());
    match part {
        // "Janet" and "Month" are words.
        "Jan" | "Mon" if lower => None,
        // "_2006" is an underscore and a year.
        "_2" if layout.starts_with("_2006") => None,
        _ => Some((part, after)),
    }
}

/// A point or comma with zeros or nines that no other digit follows.
fn fraction(layout: &str) -> Option<(&str, &str)> {
    let digits = layout.strip_prefix(['.', ','])?;
    let first = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let count = digits.chars().take_while(|c| *c == first).count();
    let (_, after) = digits.split_at_checked(count)?;
    let ends = !after.starts_with(|c: char| c.is_ascii_digit());
    ends.then(|| layout.split_at_checked(count + 1)).flatten()
}

/// Zeros ask for that many digits, nines drop trailing zeros.
fn show_fraction(nanos: u32, example: &str) -> String {
    let all = format!("{nanos:09}");
    let wanted: String =
        all.chars().chain(std::iter::repeat('0')).take(example.len() - 1).collect();
    let mark = example.get(..1).unwrap_or(".");
    if example.contains('0') {
        return format!("{mark}{wanted}");
    }
    match wanted.trim_end_matches('0') {
        "" => String::new(),
        digits => format!("{mark}{digits}"),
    }
}

fn show(time: &Time, part: &str) -> String {
    let Civil { year, month, day, hour, minute, second } = time.civil();
    let short = |name: &str| name.get(..3).unwrap_or(name).to_owned();
    let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
    match part {
        "January" => time.civil().month_name().to_owned(),
        "Jan" => short(time.civil().month_name()),
        "Monday" => time.weekday_name().to_owned(),
        "Mon" => short(time.weekday_name()),
        "2006" => show_year(year),
        "06" => format!("{:02}", year.rem_euclid(100)),
        "01" => format!("{month:02}"),
        "1" => month.to_string(),
        "02" => format!("{day:02}"),
        "_2" => format!("{day:2}"),
        "2" => day.to_string(),
        "002" => format!("{:03}", time.year_day()),
        "__2" => format!("{:3}", time.year_day()),
        "15" => format!("{hour:02}"),
        "03" => format!("{hour12:02}"),
        "3" => hour12.to_string(),
        "04" => format!("{minute:02}"),
        "4" => minute.to_string(),
        "05" => format!("{second:02}"),
        "5" => second.to_string(),
        "PM" => if hour >= 12 { "PM" } else { "AM" }.to_owned(),
        "pm" => if hour >= 12 { "pm" } else { "am" }.to_owned(),
        // The only zone that has a name here.
        "MST" => time.zone("UTC", ""),
        zone => show_zone(time, zone),
    }
}

fn show_zone(time: &Time, part: &str) -> String {
    let utc = if part.starts_with('Z') { "Z" } else { "" };
    let separator = if part.contains(':') { ":" } else { "" };
    let shown = time.zone(utc, separator);
    match part.len() {
        _ if shown == "Z" => shown,
        3 => shown.get(..3).unwrap_or("").to_owned(),
        7 => format!("{shown}{:02}", time.offset.abs() % 60),
        9 => format!("{shown}:{:02}", time.offset.abs() % 60),
        _ => shown,
    }
}

/// The time in the format of `strftime`; what is unknown stays as it is.
pub(super) fn by_strftime(time: &Time, format: &str) -> String {
    let mut output = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        output.push_str(before);
        let Some(letter) = after.chars().next() else {
            output.push('%');
            return output;
        };
        match example_of(letter) {
            Some(example) => output.push_str(&by_example(time, example)),
            None if letter == '%' => output.push('%'),
            None => output.extend(['%', letter]),
        }
        rest = after.get(letter.len_utf8()..).unwrap_or("");
    }
    output.push_str(rest);
    output
}

fn example_of(letter: char) -> Option<&'static str> {
    Some(match letter {
        'A' => "Monday",
        'a' => "Mon",
        'B' => "January",
        'b' => "Jan",
        'd' => "02",
        'H' => "15",
        'I' => "03",
        'L' => ".000",
        'M' => "04",
        'm' => "01",
        'p' => "PM",
        'S' => "05",
        'Y' => "2006",
        'y' => "06",
        'Z' => "MST",
        'z' => "-0700",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{by_example, by_strftime};
    use crate::functions::time::Time;

    /// 2006-01-02T22:04:05.0678-07:30 in the layouts of Go's documentation.
    #[test]
    fn layouts() {
        let time = Time { unix: 1_136_266_445, nanos: 67_800_000, offset: -27_000 };
        for (layout, want) in [
            ("Mon Jan _2 15:04:05 2006", "Mon Jan  2 22:04:05 2006"),
            ("02 Jan 06 15:04 -0700", "02 Jan 06 22:04 -0730"),
            ("3:04PM 3pm 03", "10:04PM 10pm 10"),
            ("__2 002 _2006", "  2 002 _2006"),
            ("Z07:00 Z0700 Z07 -07:00:00 -070000 -07", "-07:30 -0730 -07 -07:30:00 -073000 -07"),
            ("05.000 05.999 05,00 05.0001", "05.067 05.067 05,06 05.0001"),
            ("Janet Month 1/2 5", "Janet Month 1/2 5"),
            ("", ""),
        ] {
            assert_eq!(by_example(&time, layout), want, "{layout}");
        }
        assert_eq!(
            by_strftime(&time, "%d.%m.%Y %I %p %L %z %q %é%"),
            "02.01.2006 10 PM .067 -0730 %q %é%"
        );
    }
}
