//! The number, or the truth value, that a node holds, whatever its kind.
//! Invariant: a number that does not fit is `None`, never a nearby one of the wrong size.
use super::reply::{Kind, Node};

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
            Kind::Double => Some(self.number),
            Kind::Integer | Kind::Bool => Some(self.integer as f64),
            _ => finite_double(self.numeric_text()?),
        }
    }

    /// The truth in a bool, in the numbers 0 and 1, or in one of the texts 1 0 true false t f yes no on off.
    pub fn to_bool(&self) -> Option<bool> {
        match self.kind() {
            Kind::Integer | Kind::Bool => as_bool(self.integer),
            Kind::Double => self.to_i64().and_then(as_bool),
            _ => {
                let text = self.numeric_text()?;
                let is = |words: [&str; 5]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
                match (is(["1", "true", "t", "yes", "on"]), is(["0", "false", "f", "no", "off"])) {
                    (false, false) => None,
                    (yes, _) => Some(yes),
                }
            }
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

/// The double that a text spells: digits, or inf, -inf, nan.
pub(super) fn parse_double(text: &str) -> Option<f64> {
    // Old servers write "-nan", whose sign means nothing.
    if text.eq_ignore_ascii_case("-nan") { Some(f64::NAN) } else { text.parse().ok() }
}
