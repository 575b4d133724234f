//! The table of options (placeholder until it lands).
