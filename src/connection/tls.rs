//! TLS: what it needs to be spoken, and how records become plaintext and back. Nothing here knows RESP or links.
//!
//! * [`session`]: records in, plaintext out, and back, without a socket; [`records`]: encrypted bytes on their way out;
//!   [`scratch`]: the memory in which both are made.
//! * [`identity`]: what a client trusts and shows, as its options say it; [`verifier`]: judges certificates;
//!   [`certificate`]: what is shown of one.
//! * [`keeper`]: keeps an identity and makes it anew when files change.
//! * [`handshake`]: begins a session on a stream; [`peer`]: the server at its other end; [`failure`]: the sentence for
//!   each way of failing.

pub mod certificate;
pub mod failure;
pub mod handshake;
pub mod identity;
pub mod keeper;
pub mod peer;
pub mod records;
pub mod scratch;
pub mod session;
pub mod verifier;
