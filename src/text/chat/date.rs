//! The date that a template may write into its system prompt.

use std::fmt;
use std::str::FromStr;

use jiff::civil;

use crate::error::Error;

use super::strftime::strftime;

/// A local date and time of day, without a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(civil::DateTime);

impl Date {
    /// The local date and time of this computer.
    #[cfg(feature = "native")]
    pub fn now() -> Self {
        Self(jiff::Zoned::now().datetime())
    }

    /// The day, as `2024-07-26`.
    pub fn day(self) -> String {
        self.0.date().to_string()
    }

    /// The date in a form of Python's `strftime`, or the fault of the form.
    pub(super) fn format(self, form: &str) -> Result<String, String> {
        strftime(form, self.0)
    }
}

/// The form that Llama's templates write: `26 Jul 2024`.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("%d %b %Y").map_err(|_| fmt::Error)?)
    }
}

/// Reads `2024-07-26` or `26 Jul 2024` as that day's midnight, and `2024-07-26T15:30` with its time.
///
/// # Errors
/// [`Error::Setting`] for any other form.
impl FromStr for Date {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let day =
            || ["%Y-%m-%d", "%d %b %Y", "%d %B %Y"].iter().find_map(|form| civil::Date::strptime(form, text).ok());
        let time = || ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"].iter().find_map(|f| civil::DateTime::strptime(f, text).ok());
        day().map(|day| day.at(0, 0, 0, 0)).or_else(time).map(Self).ok_or_else(|| Error::Setting {
            name: "date",
            value: format!("{text:?}"),
            expected: "a day such as 2024-07-26 or 26 Jul 2024",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        for text in ["2024-07-26", "26 Jul 2024", "26 July 2024", " 2024-07-26 ", "2024-07-26T15:30"] {
            assert_eq!(text.parse::<Date>().expect("a date").to_string(), "26 Jul 2024", "{text}");
        }
        let date: Date = "2024-02-03 04:05".parse().expect("a date");
        assert_eq!(date.format("%Y-%m-%d %H:%M:%S %A %-d"), Ok("2024-02-03 04:05:00 Saturday 3".to_owned()));
        for text in ["", "yesterday", "2024-02-30", "26.07.2024", "2024-07-26<|eot_id|>"] {
            assert!(text.parse::<Date>().is_err(), "{text}");
        }
        assert_eq!(date.format("%d.%f%Z%Q%"), Ok("03.000000%Q%".to_owned()));
        assert!(date.format("%100000000d").is_err());
    }
}
