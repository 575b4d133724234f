//! One server: its sockets and the order of its replies. Knows addresses; knows nothing of slots of a cluster, of
//! who else exists, or of who asked.
//!
//! * [`link`]: one connection through all its deaths; [`submission`]: how requests get in; [`recipient`]: what it tells
//!   its owner.
//! * [`pool`]: the dedicated links of a server, who has one and who waits for one.
//! * [`pipeline`]: the FIFO of who waits, and the outgoing bytes, in [`segments`]; [`mod@unit`]: what goes in one
//!   piece; [`quota`]: how many may; [`requests`]: those that the link completes by itself, with their [`deadline`]s
//!   and [`sinks`]; [`io_control`]: who writes and reads, with `io_role`, [`coalescing`] and `reader_watch`;
//!   [`outgoing`]: all of it, under its lock.
//! * [`reports`]: what the recipient is told of connections; [`answers`]: what a read brings; [`sink`]: what came of a
//!   request, and where that goes; [`ending`]: how requests end without an answer.
//! * [`traffic`]: moves the bytes; [`background_driver`]: does so in the background, and dials; [`caller_driver`]: a
//!   [`caller`] does it itself; [`queue_driver`]: whoever takes from a queue does.
//! * [`purpose`]: what a link is for; [`link_number`]: its number; [`push`]: reads messages that answer no command.
//! * [`credentials`]: user and password, which may change.
//! * [`endpoints`]: the addresses of a server, in turn; [`dial`]: one of them, from its name to the end of the
//!   handshake; [`addresses`] and [`race`]: which of a name's addresses; [`handshake`]: the first commands, over
//!   [`conversation`] and `readiness`; [`server_info`] and [`refusal`]: what the server says; [`learnt`]: what of it
//!   holds for the next handshake; [`inquiry`]: a connection for questions of the client's own.
//! * [`socket`]: one connection of a link; `transport`: its bytes, plain or by [`mod@tls`]; [`stream`]: its descriptor;
//!   [`interest`]: what the background hears of it; [`descriptors`]: which are ours, for a fork.
//! * [`reconnect`], [`health_check`], [`monitor`]: when to dial again, when a server is dead; `idle_buffers`: when
//!   memory is given back.

pub mod addresses;
pub mod answers;
pub mod background_driver;
pub mod caller;
pub mod caller_driver;
pub mod coalescing;
pub mod conversation;
pub mod credentials;
pub mod deadline;
pub mod descriptors;
pub mod dial;
pub mod ending;
pub mod endpoints;
#[cfg(test)]
pub mod fixture;
pub mod handshake;
pub mod health_check;
mod idle_buffers;
pub mod inquiry;
pub mod interest;
pub mod io_control;
pub mod io_role;
pub mod learnt;
pub mod link;
pub mod link_number;
pub mod monitor;
pub mod outgoing;
pub mod pipeline;
pub mod pool;
pub mod purpose;
pub mod push;
pub mod queue_driver;
pub mod quota;
pub mod race;
mod reader_watch;
mod readiness;
pub mod recipient;
pub mod reconnect;
pub mod refusal;
pub mod reports;
pub mod requests;
pub mod segments;
pub mod server_info;
#[cfg(test)]
pub mod simulated_driver;
pub mod sink;
pub mod sinks;
pub mod socket;
pub mod stream;
pub mod submission;
pub mod tls;
pub mod traffic;
mod transport;
pub mod unit;
