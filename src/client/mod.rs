//! What was asked: requests.
pub mod deadline;
