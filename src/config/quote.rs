//! Texts of users within error messages.

/// Of a text that somebody gave, an error repeats this many characters.
const QUOTED: usize = 64;

/// A text within an error: in quotes, shortened, on one line. A text with `@` may be a URL that went astray with
/// its password, and is not shown at all.
pub fn quote(text: &str) -> String {
    if text.contains('@') {
        return "a text with \"@\"".to_owned();
    }
    let short: String =
        text.chars().take(QUOTED).map(|letter| if letter.is_control() { '?' } else { letter }).collect();
    let rest = if text.chars().nth(QUOTED).is_some() { "..." } else { "" };
    format!("\"{short}\"{rest}")
}
