//! What an option is, and how it is set.

use super::Config;
use super::quote::quote;
use crate::error::{Error, Status};
use crate::url;

/// One option: its name, what it takes, what it does.
#[derive(Clone, Copy)]
pub struct Opt {
    /// As in `jr_config_set` and in the query part of a URL.
    pub name: &'static str,
    /// The form of its value.
    pub value: &'static str,
    /// What it is when it is not set, as one would set it; empty: not set.
    pub default: &'static str,
    /// What it does, in one sentence.
    pub meaning: &'static str,
    /// Its value must never be shown.
    pub secret: bool,
    pub(super) set: Setter,
}

/// How an option takes its value: most read one value and say what they expected instead of it.
#[derive(Clone, Copy)]
pub(super) enum Setter {
    /// Reads one value, or says what it expected.
    Value(fn(&mut Config, &str) -> Result<(), String>),
    /// See [`url::apply`].
    Url,
}

/// An option of one value, which may be shown.
pub(super) const fn option(
    name: &'static str,
    value: &'static str,
    default: &'static str,
    meaning: &'static str,
    set: fn(&mut Config, &str) -> Result<(), String>,
) -> Opt {
    Opt { name, value, default, meaning, secret: false, set: Setter::Value(set) }
}

impl Opt {
    pub(super) fn set(&self, config: &mut Config, text: &str) -> Result<(), Error> {
        match self.set {
            Setter::Url => url::apply(text, config),
            Setter::Value(set) => set(config, text).map_err(|expected| {
                let got = if self.secret { String::new() } else { format!(", got {}", quote(text)) };
                Error::new(Status::Config, format!("option \"{}\": expected {expected}{got}", self.name))
            }),
        }
    }
}
