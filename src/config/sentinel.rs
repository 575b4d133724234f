//! What a client is told of sentinels: the name that they know a server by, and how to speak with them, which has
//! nothing to do with how the server itself is spoken with.

use super::secret::Secret;
use crate::error::{Error, Status};

/// Each field is described by the option of the same name with `sentinel_` in front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table of options documents each field, and only once")]
pub struct Sentinels {
    pub name: Option<String>,
    pub username: Option<Secret>,
    pub password: Option<Secret>,
    /// The program is asked for both.
    pub credentials_callback: bool,
    pub tls: bool,
    pub tls_ca: Option<String>,
    pub tls_certificate: Option<String>,
    /// A secret, because it may be the key itself.
    pub tls_key: Option<Secret>,
    pub tls_server_name: Option<String>,
    pub tls_insecure: bool,
}

impl Sentinels {
    /// Whether the options contradict each other. `are_used`: there are sentinels.
    pub(super) fn validate(&self, are_used: bool) -> Result<(), Error> {
        let wrong = |sentence: String| Err(Error::new(Status::Config, sentence));
        if !are_used {
            return match *self == Sentinels::default() {
                true => Ok(()),
                false => wrong(
                    "an option of sentinels is set, and there are none; write redis-sentinel://, or set \"topology\" \
                     to sentinel"
                        .to_owned(),
                ),
            };
        }
        if self.name.is_none() {
            return wrong(
                "option \"sentinel_name\": sentinels know many servers; name the one that is meant, as in \
                 redis-sentinel://host/name"
                    .to_owned(),
            );
        }
        if self.username.is_some() && self.password.is_none() {
            return wrong("option \"sentinel_username\" is set without \"sentinel_password\"".to_owned());
        }
        if self.credentials_callback && self.password.is_some() {
            let both = "options \"sentinel_credentials_callback\" and \"sentinel_password\" exclude each other";
            return wrong(both.to_owned());
        }
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            let both = "options \"sentinel_tls_certificate\" and \"sentinel_tls_key\" belong together; one is missing";
            return wrong(both.to_owned());
        }
        let given = [
            ("sentinel_tls_ca", self.tls_ca.is_some()),
            ("sentinel_tls_certificate", self.tls_certificate.is_some()),
            ("sentinel_tls_server_name", self.tls_server_name.is_some()),
            ("sentinel_tls_insecure", self.tls_insecure),
        ];
        match given.iter().find(|(_, is_given)| *is_given && !self.tls) {
            Some((name, _)) => wrong(format!("option \"{name}\" is set, and \"sentinel_tls\" is off")),
            None => Ok(()),
        }
    }
}
