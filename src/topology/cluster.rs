//! Many servers, each of which serves a part of the keys.

pub mod agreement;
pub mod redirect;
pub mod refresh;
pub mod slot_map;
pub mod view;
