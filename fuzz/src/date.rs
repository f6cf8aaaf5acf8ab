//! Dates as HTTP writes them (RFC 9110, 5.6.7), from a calendar of our own.

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [(&str, u64); 12] = [
    ("Jan", 31),
    ("Feb", 28),
    ("Mar", 31),
    ("Apr", 30),
    ("May", 31),
    ("Jun", 30),
    ("Jul", 31),
    ("Aug", 31),
    ("Sep", 30),
    ("Oct", 31),
    ("Nov", 30),
    ("Dec", 31),
];

/// So many seconds after the beginning of 1970.
pub fn http(seconds: u64) -> String {
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    let name = DAYS[usize::try_from(day % 7).unwrap()];
    let (mut year, mut left) = (1970, day);
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut months = MONTHS;
    months[1].1 += u64::from(leap(year));
    let mut month = months.iter();
    let mut now = month.next().unwrap();
    while left >= now.1 {
        left -= now.1;
        now = month.next().unwrap();
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{name}, {:02} {} {year} {hour:02}:{minute:02}:{second:02} GMT", left + 1, now.0)
}
