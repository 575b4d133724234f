//! Sets options by name.

use super::markdown::markdown;
use super::options::find;
use super::{Config, suggestion};
use crate::error::{Error, Status};

impl Config {
    /// Sets the option of this name; on an error (`Status::Config`) nothing has changed.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), Error> {
        let Some(option) = find(key) else {
            return Err(suggestion::unknown(key));
        };
        if value.contains('\0') {
            return Err(Error::new(Status::Config, format!("option \"{}\": the value holds a NUL byte", option.name)));
        }
        option.set(self, value)
    }

    /// The table of options for the README: Markdown whose columns stand under each other in plain text, too.
    pub fn table_markdown() -> String {
        markdown()
    }
}
