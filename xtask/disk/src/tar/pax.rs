//! Records of pax extended headers.

use crate::fs::Timestamp;

/// Records of one extended header, in the order they were added.
#[derive(Default)]
pub(crate) struct Records(Vec<u8>);

impl Records {
    /// Appends `keyword=value`. The value is bytes; keywords have no `=`.
    pub(crate) fn add(&mut self, keyword: &[u8], value: &[u8]) {
        // " keyword=value\n" without the leading length, which counts itself.
        let rest = keyword.len() + value.len() + 3;
        let mut total = rest + digits(rest);
        if rest + digits(total) != total {
            total += 1;
        }
        self.0.extend_from_slice(total.to_string().as_bytes());
        self.0.push(b' ');
        self.0.extend_from_slice(keyword);
        self.0.push(b'=');
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }

    /// Appends a decimal number.
    pub(crate) fn add_number(&mut self, keyword: &str, value: impl Into<u64>) {
        self.add(keyword.as_bytes(), value.into().to_string().as_bytes());
    }

    /// Appends an extended attribute, its name escaped as GNU tar does: `=`
    /// would end the keyword.
    pub(crate) fn add_xattr(&mut self, name: &[u8], value: &[u8]) {
        let mut keyword = b"SCHILY.xattr.".to_vec();
        for &byte in name {
            match byte {
                b'%' => keyword.extend_from_slice(b"%25"),
                b'=' => keyword.extend_from_slice(b"%3D"),
                other => keyword.push(other),
            }
        }
        self.add(&keyword, value);
    }

    /// The encoded records.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| usize::try_from(log).unwrap_or(0) + 1)
}

/// Seconds as pax writes them: decimal, fraction only if there is one, the
/// sign over the whole ("-0.5" is half a second before the epoch).
pub(crate) fn time(time: Timestamp) -> String {
    let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
    let sign = if nanos < 0 { "-" } else { "" };
    let (seconds, fraction) = (nanos.abs() / 1_000_000_000, nanos.abs() % 1_000_000_000);
    let text = format!("{sign}{seconds}.{fraction:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        for len in [0, 1, 4, 5, 6, 87, 88, 89, 90, 91, 984, 985, 986, 987, 9980, 9984] {
            let mut records = Records::default();
            records.add(b"path", &vec![b'x'; len]);
            let text = std::str::from_utf8(records.bytes()).unwrap();
            let (count, _) = text.split_once(' ').unwrap();
            assert_eq!(count.parse::<usize>().unwrap(), text.len(), "value of {len} bytes");
        }
    }

    #[test]
    fn times_keep_every_nanosecond_and_the_sign() {
        for (seconds, nanoseconds, text) in [
            (0, 0, "0"),
            (10, 0, "10"),
            (1, 500_000_000, "1.5"),
            (1, 1, "1.000000001"),
            (-1, 500_000_000, "-0.5"),
            (-2, 999_999_999, "-1.000000001"),
            (-100, 0, "-100"),
            (i64::MIN, 0, "-9223372036854775808"),
        ] {
            assert_eq!(time(Timestamp { seconds, nanoseconds }), text);
        }
    }
}
