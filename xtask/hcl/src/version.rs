//! Version constraints such as `>= 1.11, < 2.0` and `~> 1.1`.

use std::cmp::Ordering;

/// A version: up to three (or more) numbers and an optional pre-release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    segments: Vec<u64>,
    prerelease: String,
    /// How many numbers were written; decides what `~>` lets float.
    written: usize,
}

/// One condition on a version.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    operator: &'static str,
    version: Version,
}

/// Conditions that must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    conditions: Vec<Condition>,
}

/// Operators, longer ones before their beginnings.
const OPERATORS: [&str; 7] = ["!=", ">=", "<=", "~>", "=", ">", "<"];

impl Version {
    /// Reads `1.16.0`, `v1.2`, `1.0.0-beta1`, with build metadata ignored.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = text.split_once('+').map_or(text, |(version, _)| version);
        let (numbers, prerelease) = text.split_once('-').unwrap_or((text, ""));
        let mut segments: Vec<u64> = Vec::new();
        for number in numbers.split('.') {
            if !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            segments.push(number.parse().ok()?);
        }
        let written = segments.len();
        segments.resize(written.max(3), 0);
        Some(Self { segments, prerelease: prerelease.to_owned(), written })
    }

    /// Whether this is a pre-release such as `1.0.0-beta1`.
    pub fn is_prerelease(&self) -> bool {
        !self.prerelease.is_empty()
    }

    /// The version without its pre-release part.
    #[must_use]
    pub fn core(&self) -> Self {
        Self { prerelease: String::new(), ..self.clone() }
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let length = self.segments.len().max(other.segments.len());
        let segment =
            |version: &Self, index: usize| version.segments.get(index).copied().unwrap_or(0);
        for index in 0..length {
            match segment(self, index).cmp(&segment(other, index)) {
                Ordering::Equal => {}
                order => return order,
            }
        }
        // A release comes after its pre-releases.
        match (self.is_prerelease(), other.is_prerelease()) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            _ => compare_prerelease(&self.prerelease, &other.prerelease),
        }
    }
}

fn compare_prerelease(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let (x, y) = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => (x, y),
        };
        let order = match (x.parse::<u64>(), y.parse::<u64>()) {
            (Ok(x), Ok(y)) => x.cmp(&y),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => x.cmp(y),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

impl Constraint {
    /// Reads comma-separated conditions; `None` if one is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        let conditions: Option<Vec<Condition>> = text.split(',').map(parse_condition).collect();
        Some(Self { conditions: conditions? })
    }

    /// Whether a version satisfies all conditions.
    pub fn allows(&self, version: &Version) -> bool {
        self.conditions.iter().all(|condition| condition.allows(version))
    }

    /// Whether a condition names a pre-release.
    pub fn has_prerelease(&self) -> bool {
        self.conditions.iter().any(|condition| condition.version.is_prerelease())
    }
}

fn parse_condition(text: &str) -> Option<Condition> {
    let text = text.trim();
    let operator = OPERATORS.into_iter().find(|operator| text.starts_with(operator));
    let operator = operator.unwrap_or("");
    let version = Version::parse(text.strip_prefix(operator)?)?;
    Some(Condition { operator: if operator.is_empty() { "=" } else { operator }, version })
}

impl Condition {
    fn allows(&self, version: &Version) -> bool {
        let order = version.cmp(&self.version);
        let holds = match self.operator {
            "!=" => return order != Ordering::Equal,
            ">" => order == Ordering::Greater,
            ">=" => order != Ordering::Less,
            "<" => order == Ordering::Less,
            "<=" => order != Ordering::Greater,
            "~>" => order != Ordering::Less && self.same_series(version),
            _ => order == Ordering::Equal,
        };
        holds && self.prerelease_fits(version)
    }

    /// A pre-release satisfies only conditions that name one of the same
    /// numbers; a release condition never lets one in.
    fn prerelease_fits(&self, version: &Version) -> bool {
        match (version.is_prerelease(), self.version.is_prerelease()) {
            (true, true) => version.segments == self.version.segments,
            (true, false) => self.operator == "=",
            (false, true) => self.operator != "~>" || version.segments >= self.version.segments,
            (false, false) => true,
        }
    }

    /// `~> 1.2.3` lets the last written number float.
    fn same_series(&self, version: &Version) -> bool {
        let fixed = self.version.written.saturating_sub(1);
        let part = |version: &Version| -> Vec<u64> {
            version.segments.iter().take(fixed).copied().collect()
        };
        self.version.written <= 1 || part(version) == part(&self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints() {
        let table = [
            (">= 1.11", "1.16.0", true),
            (">= 1.11, < 1.16", "1.16.0", false),
            ("~> 1.1", "1.9.9", true),
            ("~> 1.1", "2.0.0", false),
            ("~> 1.1.3", "1.1.9", true),
            ("~> 1.1.3", "1.2.0", false),
            ("1.16", "1.16.0", true),
            ("!= 1.1.2", "1.1.3", true),
            ("> 1.0.0-beta1", "1.0.0", true),
            (">= 1.0", "1.1.0-dev", false),
        ];
        for (constraint, version, want) in table {
            let parsed = Constraint::parse(constraint).unwrap();
            assert_eq!(
                parsed.allows(&Version::parse(version).unwrap()),
                want,
                "{constraint} {version}"
            );
        }
        for text in ["", "latest", ">= ", "=> 1", "1.x", ">= 1,"] {
            assert!(Constraint::parse(text).is_none(), "{text}");
        }
    }
}
