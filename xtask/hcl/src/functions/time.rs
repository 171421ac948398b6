//! Points in time in the proleptic Gregorian calendar, without time zones but
//! fixed offsets.

/// Seconds of a day.
const DAY: i64 = 86_400;

/// English names of the months, from January.
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// English names of the days of the week, from Sunday.
pub(super) const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A point in time and the offset of the clock that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub(super) unix: i64,
    /// Nanoseconds of the second.
    pub(super) nanos: u32,
    /// Seconds east of UTC.
    pub(super) offset: i64,
}

/// A date and time of day as a clock shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    /// From 1.
    pub(super) month: i64,
    /// From 1.
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
}

impl Time {
    /// What a clock with the offset shows.
    pub(super) fn civil(&self) -> Civil {
        let local = self.unix.saturating_add(self.offset);
        let (days, seconds) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let (year, month, day) = date_of(days);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        Civil { year, month, day, hour, minute, second }
    }

    /// Day of the week, from 0 for Sunday.
    pub(super) fn weekday(&self) -> usize {
        let days = self.unix.saturating_add(self.offset).div_euclid(DAY);
        // 1970-01-01 was a Thursday.
        usize::try_from((days + 4).rem_euclid(7)).unwrap_or(0)
    }

    /// English name of the day of the week.
    pub(super) fn weekday_name(&self) -> &'static str {
        WEEKDAYS.get(self.weekday()).copied().unwrap_or("")
    }

    /// Day of the year, from 1.
    pub(super) fn year_day(&self) -> i64 {
        let civil = self.civil();
        days_of(civil.year, civil.month, civil.day) - days_of(civil.year, 1, 1) + 1
    }

    /// Year and number of the week as ISO 8601 counts them: the week belongs to
    /// the year of its Thursday.
    pub(super) fn iso_week(&self) -> (i64, i64) {
        let days = self.unix.saturating_add(self.offset).div_euclid(DAY);
        let from_monday = (days + 3).rem_euclid(7);
        let thursday = days - from_monday + 3;
        let (year, _, _) = date_of(thursday);
        (year, (thursday - days_of(year, 1, 1)) / 7 + 1)
    }

    /// The time in RFC 3339 form, without a fraction.
    pub(super) fn rfc3339(&self) -> String {
        let Civil { year, month, day, hour, minute, second } = self.civil();
        let year = show_year(year);
        let zone = self.zone("Z", ":");
        format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}")
    }

    /// The offset: `utc` if it is zero (unless that is empty), otherwise sign,
    /// hours, `separator` and minutes.
    pub(super) fn zone(&self, utc: &str, separator: &str) -> String {
        if self.offset == 0 && !utc.is_empty() {
            return utc.to_owned();
        }
        let sign = if self.offset < 0 { '-' } else { '+' };
        let minutes = self.offset.abs() / 60;
        format!("{sign}{:02}{separator}{:02}", minutes / 60, minutes % 60)
    }
}

/// At least four digits; the sign does not count.
pub(super) fn show_year(year: i64) -> String {
    let sign = if year < 0 { "-" } else { "" };
    format!("{sign}{:04}", year.unsigned_abs())
}

impl Civil {
    /// English name of the month.
    pub(super) fn month_name(&self) -> &'static str {
        let index = usize::try_from(self.month - 1).unwrap_or(usize::MAX);
        MONTHS.get(index).copied().unwrap_or("")
    }

    /// The point in time at which a clock with the offset shows this.
    pub(super) fn at(&self, nanos: u32, offset: i64) -> Time {
        let days = days_of(self.year, self.month, self.day);
        let seconds = self.hour * 3600 + self.minute * 60 + self.second;
        Time { unix: days * DAY + seconds - offset, nanos, offset }
    }
}

/// Days of a month.
pub(super) fn days_in(year: i64, month: i64) -> i64 {
    let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_of(next_year, next, 1) - days_of(year, month, 1)
}

/// Days since 1970-01-01. Years begin in March here, so that the leap day is
/// the last one; 400 years (an era) have 146097 days.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day from days since 1970-01-01; see [`days_of`].
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{DAY, Time, date_of, days_of};

    #[test]
    fn dates_and_days_are_inverse() {
        for days in (-800_000..3_000_000).step_by(997) {
            let (year, month, day) = date_of(days);
            assert_eq!(days_of(year, month, day), days, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn extreme_times_do_not_panic() {
        for unix in [i64::MIN, i64::MIN + DAY, i64::MAX, i64::MAX - DAY] {
            for offset in [-90_000, 0, 90_000] {
                let time = Time { unix, nanos: 0, offset };
                assert!(!time.rfc3339().is_empty());
                assert!(time.iso_week().1 <= 53);
                assert!(time.year_day() <= 366);
            }
        }
    }
}
