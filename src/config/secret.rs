//! Text that must never be printed. The only way to it is [`Secret::expose`], so that every use can be found. The
//! memory that held it is overwritten when it is dropped.

use std::fmt;

use zeroize::Zeroizing;

/// A user name or a password. Its `Debug` shows that there is one, never what it is, nor how long.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Hides this text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(Zeroizing::new(text.into()))
    }

    /// The text itself, for the bytes of AUTH and HELLO and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}
