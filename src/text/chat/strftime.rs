//! `strftime` as Python has it on Linux: C's directives in the C locale, with glibc's flags and widths. The date has no
//! time zone, so `%Z` and `%z` are empty.

use jiff::civil::DateTime;

/// Most places that a directive is filled to.
const MAX_WIDTH: usize = 1000;

/// Flags and width: the part of a directive between the percent sign and its letter.
#[derive(Clone, Copy, Default)]
struct Flags {
    /// `_`, `-` or `0`.
    pad: Option<char>,
    upper: bool,
    /// `#`, the other case.
    swap: bool,
    width: usize,
}

/// A date in a form, or the fault of the form.
pub(super) fn strftime(form: &str, date: DateTime) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = form;
    while let Some(at) = rest.find('%') {
        out += &rest[..at];
        let directive = &rest[at..];
        let (flags, modifier, behind) = Flags::read(&directive[1..])?;
        let character = behind.chars().next();
        let len = directive.len() - behind.len() + character.map_or(0, char::len_utf8);
        let plain = len == 2;
        let written =
            character.filter(|character| allows(modifier, *character)).and_then(|character| match character {
                // Python writes this one, and knows no flags for it.
                'f' if plain => Some(format!("{:06}", date.subsec_nanosecond() / 1000)),
                'f' => None,
                character => flags.directive(character, date),
            });
        out += &written.unwrap_or_else(|| {
            let raw = &directive[..len];
            flags.fill(if flags.upper { raw.to_uppercase() } else { raw.to_owned() })
        });
        rest = &directive[len..];
    }
    Ok(out + rest)
}

/// Whether a directive may have a modifier of C's, which means nothing in the C locale.
fn allows(modifier: Option<char>, character: char) -> bool {
    match modifier {
        Some('E') => "%cCnpPrRstTuxXyYzZ".contains(character),
        Some(_) => "%bBCdegGhHIjklmMnpPrRsStTuUVwWyzZ".contains(character),
        None => true,
    }
}

impl Flags {
    fn read(text: &str) -> Result<(Self, Option<char>, &str), String> {
        let mut flags = Self::default();
        let mut rest = text;
        while let Some(flag) = rest.chars().next().filter(|flag| "_-0^#".contains(*flag)) {
            match flag {
                '^' => flags.upper = true,
                '#' => flags.swap = true,
                pad => flags.pad = Some(pad),
            }
            rest = &rest[1..];
        }
        let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        let (width, behind) = rest.split_at(end);
        if !width.is_empty() {
            let width = width.parse().ok().filter(|width| *width <= MAX_WIDTH);
            flags.width = width.ok_or_else(|| format!("a date is filled to at most {MAX_WIDTH} places"))?;
        }
        let modifier = behind.chars().next().filter(|character| matches!(character, 'E' | 'O'));
        Ok((flags, modifier, &behind[usize::from(modifier.is_some())..]))
    }

    fn directive(self, character: char, date: DateTime) -> Option<String> {
        let weekday = i64::from(date.weekday().to_sunday_zero_offset());
        let day_of_year = i64::from(date.date().day_of_year());
        let iso = date.date().iso_week_date();
        let hour = i64::from(date.hour());
        let twelve = (hour + 11) % 12 + 1;
        let number = |number: i64, digits: usize| Some(self.number(number, digits, '0'));
        let spaced = |number: i64| Some(self.number(number, 2, '_'));
        match character {
            'a' => Some(self.name(&DAYS[weekday as usize][..3])),
            'A' => Some(self.name(DAYS[weekday as usize])),
            'b' | 'h' => Some(self.name(&MONTHS[usize::from(date.month() as u8) - 1][..3])),
            'B' => Some(self.name(MONTHS[usize::from(date.month() as u8) - 1])),
            'c' => self.composite("%a %b %e %H:%M:%S %Y", date),
            'C' => number(i64::from(date.year()).div_euclid(100), 2),
            'd' => number(i64::from(date.day()), 2),
            'D' | 'x' => self.composite("%m/%d/%y", date),
            'e' => spaced(i64::from(date.day())),
            'F' => self.composite("%Y-%m-%d", date),
            'g' => number(i64::from(iso.year()).rem_euclid(100), 2),
            'G' => number(i64::from(iso.year()), 1),
            'H' => number(hour, 2),
            'I' => number(twelve, 2),
            'j' => number(day_of_year, 3),
            'k' => spaced(hour),
            'l' => spaced(twelve),
            'm' => number(i64::from(date.month()), 2),
            'M' => number(i64::from(date.minute()), 2),
            'n' => Some(self.fill("\n".to_owned())),
            'p' if self.swap => Some(self.fill(if hour < 12 { "am" } else { "pm" }.to_owned())),
            'p' => Some(self.fill(if hour < 12 { "AM" } else { "PM" }.to_owned())),
            'P' => Some(self.fill(if hour < 12 { "am" } else { "pm" }.to_owned())),
            'r' => self.composite("%I:%M:%S %p", date),
            'R' => self.composite("%H:%M", date),
            's' => {
                let days = date.date().duration_since(jiff::civil::date(1970, 1, 1)).as_hours() / 24;
                number(days * 86_400 + hour * 3600 + i64::from(date.minute()) * 60 + i64::from(date.second()), 1)
            }
            'S' => number(i64::from(date.second()), 2),
            't' => Some(self.fill("\t".to_owned())),
            'T' | 'X' => self.composite("%H:%M:%S", date),
            'u' => number((weekday + 6) % 7 + 1, 1),
            'U' => number((day_of_year + 6 - weekday) / 7, 2),
            'V' => number(i64::from(iso.week()), 2),
            'w' => number(weekday, 1),
            'W' => number((day_of_year + 6 - (weekday + 6) % 7) / 7, 2),
            'y' => number(i64::from(date.year()).rem_euclid(100), 2),
            'Y' => number(i64::from(date.year()), 1),
            'z' | 'Z' => Some(self.fill(String::new())),
            '%' => Some(self.fill("%".to_owned())),
            _ => None,
        }
    }

    fn number(self, number: i64, digits: usize, default: char) -> String {
        let written = number.to_string();
        match self.pad.unwrap_or(default) {
            '-' => self.fill(written),
            '_' => format!("{written:>places$}", places = digits.max(self.width)),
            _ => format!("{number:0places$}", places = digits.max(self.width)),
        }
    }

    fn name(self, name: &str) -> String {
        self.fill(if self.upper || self.swap { name.to_uppercase() } else { name.to_owned() })
    }

    fn composite(self, form: &str, date: DateTime) -> Option<String> {
        let written = strftime(form, date).ok()?;
        Some(self.fill(if self.upper { written.to_uppercase() } else { written }))
    }

    fn fill(self, written: String) -> String {
        let missing = self.width.saturating_sub(written.chars().count());
        if self.pad == Some('0') { "0".repeat(missing) + &written } else { " ".repeat(missing) + &written }
    }
}

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

const MONTHS: [&str; 12] = [
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
