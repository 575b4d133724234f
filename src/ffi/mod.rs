//! The C API. All `unsafe` of the boundary lives here; every function checks its pointers, catches panics, and says
//! in a sentence why it failed. What a C user reads is `include/justredis.h`, generated from these files.
#![allow(non_camel_case_types, reason = "the names are those of C")]

pub mod boundary;
pub mod callback;
pub mod client;
pub mod clients;
pub mod completion;
pub mod config;
pub mod credentials;
pub mod fork;
pub mod lent;
pub mod logger;
pub mod queue;
pub mod reply;
pub mod request;
pub mod signals;
pub mod status;
pub mod submit;
pub mod target;
pub mod user;
pub mod user_data;
pub mod waiter;
