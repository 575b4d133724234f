//! Where a request wants to go, as its user says.

use crate::address::Address;
use crate::error::{Error, Status};
use crate::protocol::slot::SLOTS;

/// Why a route to a slot leads to no node.
pub const NO_SLOT: &str = "the route names no slot; there are slots 0 to 16383";

/// Where a request wants to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// To the node that serves its keys.
    ByKey,
    /// To any node.
    Random,
    /// To every primary.
    Primaries,
    /// To every replica.
    Replicas,
    /// To every node.
    All,
    /// To the primary of this slot; `None`: there is no such slot.
    Slot(Option<u16>),
    /// To the primary of the slot of this key.
    Key(&'a str),
    /// To the node of this address.
    Node(&'a str),
}

impl<'a> Route<'a> {
    /// How a user writes it. Words win: a host with such a name stands in brackets, as in `[slot]:12`.
    pub fn parse(text: &'a str) -> Route<'a> {
        if let Some(number) = text.strip_prefix("slot:") {
            let number = Some(number).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
            return Route::Slot(number.and_then(|number| number.parse().ok()).filter(|slot| *slot < SLOTS));
        }
        if let Some(key) = text.strip_prefix("key:") {
            return Route::Key(key);
        }
        match text {
            "primaries" => Route::Primaries,
            "replicas" => Route::Replicas,
            "all" => Route::All,
            "random" => Route::Random,
            address => Route::Node(address),
        }
    }

    /// The address in [`Route::Node`], in which brackets around a name only keep it from being a word.
    pub fn address(text: &str) -> Result<Address, Error> {
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let parsed = match bracketed.filter(|(host, _)| !host.contains(':')) {
            Some((host, port)) => Address::parse(&format!("{host}{port}")),
            None => Address::parse(text),
        };
        parsed.map_err(|_| Error::new(Status::Argument, format!("route {text:?} is neither a word nor an address")))
    }

    /// As a user writes it; `None`: not at all.
    pub fn to_text(self) -> Option<String> {
        match self {
            Route::ByKey => None,
            Route::Random => Some("random".to_owned()),
            Route::Primaries => Some("primaries".to_owned()),
            Route::Replicas => Some("replicas".to_owned()),
            Route::All => Some("all".to_owned()),
            Route::Slot(slot) => Some(format!("slot:{}", slot.map_or_else(String::new, |slot| slot.to_string()))),
            Route::Key(key) => Some(format!("key:{key}")),
            Route::Node(text) => Some(text.to_owned()),
        }
    }

    /// Whether the answer is a map of address to reply.
    pub fn is_several(self) -> bool {
        matches!(self, Route::Primaries | Route::Replicas | Route::All)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_win_over_addresses() {
        for (text, route) in [
            ("all", Route::All),
            ("primaries", Route::Primaries),
            ("replicas", Route::Replicas),
            ("random", Route::Random),
            ("slot:0", Route::Slot(Some(0))),
            ("slot:16383", Route::Slot(Some(16383))),
            ("slot:16384", Route::Slot(None)),
            ("slot:70000", Route::Slot(None)),
            ("slot:+1", Route::Slot(None)),
            ("slot:", Route::Slot(None)),
            ("key:user:{1}", Route::Key("user:{1}")),
            ("key:", Route::Key("")),
            ("[slot]:12", Route::Node("[slot]:12")),
            ("slots:12", Route::Node("slots:12")),
            ("10.0.0.1:7000", Route::Node("10.0.0.1:7000")),
        ] {
            assert_eq!(Route::parse(text), route, "{text}");
            let again = route.to_text().unwrap();
            assert_eq!(Route::parse(&again), route, "{text}");
        }
        for (text, address) in
            [("[slot]:12", "slot:12"), ("[all]", "all:6379"), ("[::1]:7", "[::1]:7"), ("10.0.0.1:7", "10.0.0.1:7")]
        {
            assert_eq!(Route::address(text).unwrap().to_string(), address);
        }
        assert!(Route::address("[slot:12").is_err() && Route::address("slot:x").is_err());
    }
}
