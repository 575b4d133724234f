//! What befalls a cluster, or servers behind sentinels, while everybody goes on writing: in full by
//! `make torture-topologies`. What is lost or told that must not be fails; times stand beside those of the servers
//! themselves.

mod by_migrate;
mod by_servers;
mod counters;
mod failovers;
mod migrations;
mod server_counts;
mod traffic;
