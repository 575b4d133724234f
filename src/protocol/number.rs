//! The number, or the truth value, that a node holds, whatever its kind.
//! Invariant: a number that does not fit is `None`, never a nearby one of the wrong size.
use super::block::node::{Kind, Node};

/// 2^63, the first double beyond the integers of 64 bits.
const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

impl Node {
    /// The text of a kind that may hold a number as text.
    fn numeric_text(&self) -> Option<&str> {
        match self.kind() {
            Kind::String | Kind::Status | Kind::Bignum | Kind::Verb => std::str::from_utf8(self.as_bytes()).ok(),
            _ => None,
        }
    }

    /// The integer in an integer, a bool (0, 1), a double without a fraction, or a text of exactly an integer.
    pub fn to_i64(&self) -> Option<i64> {
        match self.kind() {
            Kind::Integer | Kind::Bool => Some(self.integer),
            Kind::Double => {
                let number = self.number;
                let fits = number.fract() == 0.0 && (-TWO_TO_63..TWO_TO_63).contains(&number);
                fits.then_some(number as i64)
            }
            _ => self.numeric_text()?.parse().ok(),
        }
    }

    /// The number in a double, an integer (the nearest double), a bool (0, 1), or a text of exactly a number.
    pub fn to_f64(&self) -> Option<f64> {
        match self.kind() {
            Kind::Double if self.number.is_finite() => Some(self.number),
            Kind::Double => finite_double(std::str::from_utf8(self.as_bytes()).ok()?),
            Kind::Integer | Kind::Bool => Some(self.integer as f64),
            _ => finite_double(self.numeric_text()?),
        }
    }

    /// The truth in a bool, in the numbers 0 and 1, or in exactly one of the texts 1, 0, true, false.
    pub fn to_bool(&self) -> Option<bool> {
        match self.kind() {
            Kind::Integer | Kind::Bool => as_bool(self.integer),
            Kind::Double => self.to_i64().and_then(as_bool),
            _ => match self.numeric_text()? {
                "1" | "true" => Some(true),
                "0" | "false" => Some(false),
                _ => None,
            },
        }
    }
}

fn as_bool(integer: i64) -> Option<bool> {
    match integer {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// The double that a text spells, `None` where a finite text is too large for one.
fn finite_double(text: &str) -> Option<f64> {
    let spelled = text.bytes().any(|byte| matches!(byte, b'n' | b'N'));
    parse_double(text).filter(|number| number.is_finite() || spelled)
}

/// The double that a text spells: digits, inf or nan, with or without a sign. What is too large for a double is
/// infinite.
pub(super) fn parse_double(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned.as_bytes().first()? {
        b'0'..=b'9' | b'.' => text.parse().ok(),
        b'i' | b'I' if unsigned.eq_ignore_ascii_case("inf") => text.parse().ok(),
        b'n' | b'N' if is_nan(unsigned) => Some(f64::NAN),
        _ => None,
    }
}

/// Whether it is a NaN in any way that a C library writes it: "nan", or "nan(0x8000000000000)".
fn is_nan(text: &str) -> bool {
    let Some((name, rest)) = text.split_at_checked(3) else { return false };
    let inner = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let is_detail = |inner: &str| inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    name.eq_ignore_ascii_case("nan") && (rest.is_empty() || inner.is_some_and(is_detail))
}
