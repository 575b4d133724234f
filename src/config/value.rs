//! Reads the text of one value: durations, sizes, numbers, switches. An `Err` is what was expected, written so that
//! it can follow the word "expected"; it never holds the text that was given.

use std::time::Duration;

use super::secret::Secret;

/// Bounds of a value; both ends belong to it.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The least that is allowed.
    pub least: u64,
    /// The most that is allowed.
    pub most: u64,
}

impl Range {
    const fn holds(self, number: u64) -> bool {
        self.least <= number && number <= self.most
    }
}

/// Milliseconds in 24 days: more than that does not fit the 31 bits of a poll timeout.
pub const LONGEST: u64 = 24 * 24 * 60 * 60 * 1000;

/// `on`, `true`, `yes`, `1` or `off`, `false`, `no`, `0`, in any case.
pub fn switch(text: &str) -> Result<bool, String> {
    let is = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(["on", "true", "yes", "1"]) {
        Ok(true)
    } else if is(["off", "false", "no", "0"]) {
        Ok(false)
    } else {
        Err("on or off".to_owned())
    }
}

/// A text that must never be shown, unless it is empty.
pub fn secret(text: &str) -> Option<Secret> {
    if text.is_empty() { None } else { Some(Secret::new(text)) }
}

/// The text, unless it is empty.
pub fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A whole number within the range.
pub fn number(text: &str, range: Range) -> Result<u64, String> {
    digits(text)
        .filter(|number| range.holds(*number))
        .ok_or_else(|| format!("a whole number from {} to {}", range.least, range.most))
}

/// `250ms`, `5s`, `2m`, `1h`, `1d`, or a bare number of milliseconds; the range is in milliseconds.
pub fn duration(text: &str, range: Range) -> Result<Duration, String> {
    let (amount, unit) = split(text);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "ms" => Some(1),
        "s" => Some(1000),
        "m" | "min" => Some(60 * 1000),
        "h" => Some(60 * 60 * 1000),
        "d" => Some(24 * 60 * 60 * 1000),
        _ => None,
    };
    scaled(amount, factor).filter(|number| range.holds(*number)).map(Duration::from_millis).ok_or_else(|| {
        let (least, most) = (show_milliseconds(range.least), show_milliseconds(range.most));
        format!("a duration such as 250ms, 5s or 2m (a bare number is milliseconds), from {least} to {most}")
    })
}

/// As [`duration`], and `0`, `none` or `off` for "none at all".
pub fn optional_duration(text: &str, range: Range) -> Result<Option<Duration>, String> {
    if ["0", "none", "off"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
        return Ok(None);
    }
    match duration(text, range) {
        Ok(duration) => Ok(Some(duration)),
        Err(expected) => Err(format!("{expected}, or none")),
    }
}

/// `65536`, `64KiB`, `64kb`, `64k`, `256MiB`, `1GiB`: every unit is a power of 1024. Always fits `usize`.
pub fn size(text: &str, range: Range) -> Result<usize, String> {
    let (amount, unit) = split(text);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "k" | "kb" | "kib" => Some(1 << 10),
        "m" | "mb" | "mib" => Some(1 << 20),
        "g" | "gb" | "gib" => Some(1 << 30),
        _ => None,
    };
    scaled(amount, factor)
        .filter(|number| range.holds(*number))
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| {
            let (least, most) = (show_bytes(range.least), show_bytes(range.most));
            format!("a number of bytes such as 65536, 64KiB or 256MiB, from {least} to {most}")
        })
}

/// Splits `250ms` into `250` and `ms`; the unit may stand after one space.
fn split(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (amount, unit) = text.split_at(end);
    (amount, unit.strip_prefix(' ').filter(|unit| !unit.is_empty()).unwrap_or(unit))
}

/// Digits and nothing else: `u64::from_str` alone would take a sign.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn scaled(amount: &str, factor: Option<u64>) -> Option<u64> {
    digits(amount)?.checked_mul(factor?)
}

fn show_milliseconds(milliseconds: u64) -> String {
    let units = [("d", 24 * 60 * 60 * 1000), ("h", 60 * 60 * 1000), ("m", 60 * 1000), ("s", 1000)];
    show(milliseconds, units, "ms")
}

fn show_bytes(bytes: u64) -> String {
    show(bytes, [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)], "")
}

/// In the largest unit that divides it.
fn show(number: u64, units: [(&str, u64); 4], smallest: &str) -> String {
    match units.into_iter().find(|(_, factor)| number != 0 && number.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", number / factor),
        None => format!("{number}{smallest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Range = Range { least: 0, most: LONGEST };

    #[test]
    fn switches() {
        for text in ["on", "ON", "true", "Yes", "1"] {
            assert_eq!(switch(text), Ok(true));
        }
        for text in ["off", "False", "no", "0"] {
            assert_eq!(switch(text), Ok(false));
        }
        for text in ["", "2", "onn", " on"] {
            assert_eq!(switch(text), Err("on or off".to_owned()));
        }
    }

    #[test]
    fn durations() {
        for (text, milliseconds) in
            [("250ms", 250), ("250", 250), ("5s", 5000), ("5 s", 5000), ("2m", 120_000), ("1H", 3_600_000), ("0", 0)]
        {
            assert_eq!(duration(text, ANY), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(duration("24d", ANY), Ok(Duration::from_millis(LONGEST)));
        for text in ["", "s", "-1", "+1", "1.5s", "5x", "25d", "5  s", "5s ", "1ss", "99999999999999999999", "1e3"] {
            assert!(duration(text, ANY).is_err(), "{text}");
        }
        assert!(duration("9223372036854775807d", ANY).is_err());
        let expected = duration("0", Range { least: 1, most: LONGEST }).unwrap_err();
        assert!(expected.ends_with("from 1ms to 24d"), "{expected}");
        assert_eq!(optional_duration("none", ANY), Ok(None));
        assert_eq!(optional_duration("Off", ANY), Ok(None));
        assert_eq!(optional_duration("1s", ANY), Ok(Some(Duration::from_secs(1))));
        assert!(optional_duration("never", ANY).is_err());
    }

    #[test]
    fn sizes() {
        let range = Range { least: 4 << 10, most: 1 << 40 };
        for (text, bytes) in [
            ("4096", 4096),
            ("4096b", 4096),
            ("4k", 4096),
            ("64KiB", 65536),
            ("64 kb", 65536),
            ("1MB", 1 << 20),
            ("1gib", 1 << 30),
        ] {
            assert_eq!(size(text, range), Ok(bytes), "{text}");
        }
        for text in ["", "4095", "1", "-5", "1.5k", "64KB!", "2048g", "64tib", "18446744073709551616"] {
            assert!(size(text, range).is_err(), "{text}");
        }
        let expected = size("", range).unwrap_err();
        assert!(expected.ends_with("from 4KiB to 1TiB"), "{expected}");
    }

    #[test]
    fn numbers() {
        let range = Range { least: 1, most: 10 };
        assert_eq!(number("10", range), Ok(10));
        for text in ["", "0", "11", "+5", "-5", "0x5", "5 ", "1_0"] {
            assert_eq!(number(text, range), Err("a whole number from 1 to 10".to_owned()), "{text}");
        }
    }
}
