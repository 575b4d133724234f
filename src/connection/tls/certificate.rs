//! What is shown of a certificate in an error: whose it is and who issued it. Reads the little DER (X.690) that this
//! takes, out of bytes that an attacker may have written.

use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::EndEntityCert;

/// The tags that are looked at.
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// The common name and the organization (RFC 5280, appendix A.1), encoded.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];

/// So many letters of a name are shown.
const SHOWN: usize = 64;

/// Whose a certificate is, as it says itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Whose it is; empty: it does not say.
    pub subject: String,
    /// Who issued it; empty: it does not say.
    pub issuer: String,
}

impl Names {
    /// Those in this certificate, as far as it can be read.
    pub fn of(certificate: &CertificateDer<'_>) -> Names {
        EndEntityCert::try_from(certificate).map_or_else(
            |_| Names::default(),
            |read| Names { subject: shown(read.subject()), issuer: shown(read.issuer()) },
        )
    }
}

/// The common name of these, or else the organization.
fn shown(name: &[u8]) -> String {
    let text = attribute(name, COMMON_NAME).or_else(|| attribute(name, ORGANIZATION)).unwrap_or_default();
    let text = String::from_utf8_lossy(text);
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).take(SHOWN).collect()
}

/// The first value of this type in the content of a `Name`: a list of sets of pairs.
fn attribute<'a>(mut name: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    while let Some((SET, mut set, rest)) = element(name) {
        while let Some((SEQUENCE, pair, others)) = element(set) {
            if let Some((OBJECT_IDENTIFIER, kind, value)) = element(pair)
                && kind == wanted
                && let Some((_, text, _)) = element(value)
            {
                return Some(text);
            }
            set = others;
        }
        name = rest;
    }
    None
}

/// The tag and the content of the first element, and what stands behind it. Longer ones than 64 KiB are not read.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (length, content) = match *bytes.get(1)? {
        short @ 0..=0x7f => (usize::from(short), bytes.get(2..)?),
        0x81 => (usize::from(*bytes.get(2)?), bytes.get(3..)?),
        0x82 => (usize::from(*bytes.get(2)?) << 8 | usize::from(*bytes.get(3)?), bytes.get(4..)?),
        _ => return None,
    };
    let (content, rest) = content.split_at_checked(length)?;
    Some((*bytes.first()?, content, rest))
}

/// The day of a time, as `2026-11-26`, by the calendar that never changed (proleptic Gregorian), in UTC.
pub fn day(time: UnixTime) -> String {
    let days = i64::try_from(time.as_secs() / 86_400).unwrap_or(i64::MAX / 2);
    // Years begin in March here, so that the day that comes and goes is the last one; 146,097 days are 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", year_of_era + era * 400 + next_year)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn days() {
        for (seconds, text) in [
            (0, "1970-01-01"),
            (86_399, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"),
            (1_767_225_599, "2025-12-31"),
            (1_767_225_600, "2026-01-01"),
            (4_107_542_400, "2100-03-01"),
            (253_402_300_799, "9999-12-31"),
        ] {
            assert_eq!(day(UnixTime::since_unix_epoch(Duration::from_secs(seconds))), text);
        }
    }

    /// `/O=` or `/CN=` of this text.
    fn pair(kind: &[u8], text: &[u8]) -> Vec<u8> {
        let value = [&[OBJECT_IDENTIFIER, 3], kind, &[0x0c, text.len() as u8], text].concat();
        let pair = [&[SEQUENCE, value.len() as u8], &value[..]].concat();
        [&[SET, pair.len() as u8], &pair[..]].concat()
    }

    #[test]
    fn the_common_name_is_shown_or_else_the_organization() {
        let (organization, name) = (pair(ORGANIZATION, b"Corp"), pair(COMMON_NAME, b"db\n\xff"));
        assert_eq!(shown(&organization), "Corp");
        assert_eq!(shown(&[organization.clone(), name].concat()), "db?\u{fffd}");
        assert_eq!(shown(&pair(COMMON_NAME, &[b'x'; 100])).len(), SHOWN);
        assert_eq!(shown(b""), "");
    }

    #[test]
    fn cut_or_changed_bytes_are_no_name() {
        let name = pair(COMMON_NAME, b"db.example");
        for end in 0..name.len() {
            assert_eq!(shown(&name[..end]), "", "{end}");
        }
        for position in 0..name.len() {
            for byte in [0, 1, 0x7f, 0x80, 0x81, 0x82, 0x83, 0xff] {
                let mut changed = name.clone();
                changed[position] = byte;
                assert!(shown(&changed).len() <= 2 * SHOWN);
            }
        }
    }
}
