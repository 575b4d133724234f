//! What the errors mean with which a server answers the handshake. Pure: text in, meaning and sentence out, and never a
//! secret in it.

use super::credentials::{Credentials, shown};
use crate::error::{Error, Status};

/// What an error in answer to HELLO 3 means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The server knows neither HELLO nor RESP3, or not for this user: it may know everything else.
    NoHello,
    /// The user or the password is wrong.
    Auth,
    /// The server takes nobody just now, whatever is said.
    Nobody,
    /// Something else about HELLO.
    Other,
}

/// How servers and proxies say that they do not know a command, or do not let it pass. In small letters.
const UNKNOWN: [&str; 11] = [
    "unknown command",
    "unknown cmd",
    "unsupported command",
    "command not supported",
    "illegal command",
    "invalid command",
    "invalid request",
    "is not allowed",
    "operation not permitted",
    "syntax error",
    "not implemented",
];

/// The meaning of this text. `with_password`: HELLO named a user and a password.
pub(super) fn meaning_of(text: &str, with_password: bool) -> Meaning {
    let small = text.to_ascii_lowercase();
    let has = |part: &str| small.contains(part);
    match text.split(' ').next().unwrap_or_default() {
        "NOPROTO" => Meaning::NoHello,
        "WRONGPASS" => Meaning::Auth,
        // Who was told a password and asks for one has not understood HELLO.
        "NOAUTH" if with_password => Meaning::NoHello,
        "NOAUTH" => Meaning::Auth,
        // Users may be forbidden to say HELLO; AUTH cannot be forbidden.
        "NOPERM" if has("hello") => Meaning::NoHello,
        "NOPERM" => Meaning::Auth,
        // Before the words of AUTH, because many repeat what they do not know.
        _ if UNKNOWN.iter().any(|part| has(part)) => Meaning::NoHello,
        _ if has("auth") || has("password") => Meaning::Auth,
        "DENIED" => Meaning::Nobody,
        _ if has("max number of clients") => Meaning::Nobody,
        _ => Meaning::Other,
    }
}

/// A server of Redis 5 and one of Redis 6 that were told a password and have none.
pub(super) fn has_no_password(text: &str) -> bool {
    text.contains("no password is set") || text.contains("without any password configured")
}

/// The server's "no" to HELLO that leaves no way to go on.
pub(super) fn hello_refused(text: &str, told: Option<&Credentials>) -> Error {
    match meaning_of(text, told.is_some()) {
        Meaning::NoHello => {
            let shown = shown(text, told);
            let sentence = format!("the server does not speak RESP3 ({shown}); set the option protocol to 2");
            Error::new(Status::Connect, sentence)
        }
        Meaning::Auth | Meaning::Nobody => refusal(text, told),
        Meaning::Other => {
            let Error { status, message } = refusal(text, told);
            Error::new(status, format!("{message} (if it does not know HELLO, set the option protocol to 2)"))
        }
    }
}

/// The server's "no" to anything else.
pub(super) fn refusal(text: &str, told: Option<&Credentials>) -> Error {
    let shown = shown(text, told);
    if has_no_password(text) {
        let sentence = format!("the server has no password, leave the option password unset: {shown}");
        return Error::new(Status::Auth, sentence);
    }
    match text.split(' ').next().unwrap_or_default() {
        "NOAUTH" => Error::new(Status::Auth, format!("the server wants a password, set the option password: {shown}")),
        "WRONGPASS" | "NOPERM" => Error::new(Status::Auth, shown),
        _ if text.contains("AUTH") || text.contains("password") => Error::new(Status::Auth, shown),
        _ => Error::new(Status::Connect, format!("the server refused the connection: {shown}")),
    }
}

/// The server's "no" to the number of a database.
pub(super) fn database_refused(number: u32, is_cluster: bool, text: &str, told: Option<&Credentials>) -> Error {
    let shown = shown(text, told);
    let is_cluster = (is_cluster && !text.starts_with("NOPERM")) || text.contains("in cluster mode");
    let hint = "; a cluster has the number 0 only, unless its servers are of Valkey 9 or later and cluster-databases \
                gives them more";
    let hint = if is_cluster { hint } else { "" };
    Error::new(Status::Connect, format!("database {number} could not be selected: {shown}{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn what_an_error_in_answer_to_hello_means() {
        use Meaning::{Auth, NoHello, Nobody, Other};
        for (text, meaning) in [
            ("NOPROTO unsupported protocol version", NoHello),
            ("NOPROTO sorry this protocol version is not supported", NoHello),
            ("ERR unknown command 'HELLO'", NoHello),
            ("ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, `password`, ", NoHello),
            ("ERR unknown command 'hello', with args beginning with: ", NoHello),
            ("unsupported command 'HELLO'", NoHello),
            ("ERR unsupported command 'HELLO'", NoHello),
            ("ERR handle request, command 'HELLO' is not allowed", NoHello),
            ("ERR illegal command 'HELLO'", NoHello),
            ("ERR invalid request", NoHello),
            ("invalid request", NoHello),
            ("ERR syntax error", NoHello),
            ("ERR operation not permitted", NoHello),
            ("NOPERM this user has no permissions to run the 'hello' command or its subcommand", NoHello),
            ("NOPERM User default has no permissions to run the 'hello' command", NoHello),
            ("NOPERM this user has no permissions to run the 'client' command", Auth),
            ("WRONGPASS invalid username-password pair or user is disabled.", Auth),
            ("ERR invalid password", Auth),
            ("ERR Client sent AUTH, but no password is set", Auth),
            ("NOAUTH HELLO must be called with the client already authenticated, otherwise", Auth),
            ("DENIED Redis is running in protected mode because protected mode is enabled", Nobody),
            ("ERR max number of clients reached", Nobody),
            ("ERR wrong number of arguments for 'hello' command", Other),
            ("LOADING Redis is loading the dataset in memory", Other),
            ("", Other),
        ] {
            assert_eq!(meaning_of(text, false), meaning, "{text}");
        }
        assert_eq!(meaning_of("NOAUTH Authentication required.", true), NoHello, "it did not hear the password");
        assert_eq!(meaning_of("WRONGPASS invalid username-password pair", true), Auth, "never hidden by another try");
    }

    #[test]
    fn a_database_that_is_not_there_says_what_clusters_have() {
        let (redis, valkey) = ("ERR SELECT is not allowed in cluster mode", "ERR DB index is out of range");
        let forbidden = "NOPERM User 'a' has no permissions to run the 'select' command";
        for (is_cluster, text, has_hint) in [
            (false, valkey, false),
            (true, valkey, true),
            (true, redis, true),
            // Under RESP2 nobody says what it is.
            (false, redis, true),
            (true, forbidden, false),
        ] {
            let error = database_refused(3, is_cluster, text, None);
            assert_eq!(error.status, Status::Connect);
            assert!(error.message.starts_with(&format!("database 3 could not be selected: {text}")));
            assert_eq!(error.message.contains("cluster-databases"), has_hint, "{text}");
        }
        let told = Credentials { username: None, password: Secret::new("hunter2") };
        assert!(!database_refused(3, true, "ERR not hunter2", Some(&told)).message.contains("hunter2"));
    }

    #[test]
    fn a_refusal_says_what_to_do_and_no_secret() {
        let told = Credentials { username: None, password: Secret::new("hunter2") };
        for (text, status, part) in [
            ("ERR Client sent AUTH, but no password is set", Status::Auth, "leave the option password unset"),
            (
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
                Status::Auth,
                "leave the option password unset",
            ),
            ("NOAUTH Authentication required.", Status::Auth, "set the option password"),
            ("ERR max number of clients reached", Status::Connect, "max number of clients"),
            ("ERR invalid hunter2", Status::Connect, "its words are not shown"),
        ] {
            let error = refusal(text, Some(&told));
            assert_eq!(error.status, status, "{text}");
            assert!(error.message.contains(part) && !error.message.contains("hunter2"), "{}", error.message);
        }
        for (text, part) in [
            ("ERR unknown command 'HELLO'", "set the option protocol to 2"),
            ("ERR unknown command 'HELLO' 'hunter2'", "set the option protocol to 2"),
            ("ERR what is this", "set the option protocol to 2"),
        ] {
            let error = hello_refused(text, Some(&told));
            assert_eq!(error.status, Status::Connect, "{text}");
            assert!(error.message.contains(part) && !error.message.contains("hunter2"), "{}", error.message);
        }
    }
}
