//! One server: its sockets and the order of its replies. Knows addresses; knows nothing of slots of a cluster, of
//! who else exists, or of who asked.

pub mod attention;
pub mod descriptors;
pub mod driver;
pub mod handshake;
pub mod lead;
pub mod link;
pub mod outgoing;
pub mod pipeline;
pub mod recipient;
pub mod reconnect;
pub mod silence;
pub mod stream;
pub mod traffic;
pub mod turn;
pub mod watch;
