//! Which keys lie in which slots.

use std::ops::Range;

use justredis::protocol::slot::slot_of;

/// For each of these slots a tag that leads to it.
pub fn tags_of(slots: Range<u16>) -> Vec<String> {
    let mut tags = vec![String::new(); slots.len()];
    let mut missing = tags.len();
    for tag in (0..).map(|number: u32| format!("t{number}")) {
        let slot = slot_of(tag.as_bytes());
        if slots.contains(&slot) && tags[usize::from(slot - slots.start)].is_empty() {
            tags[usize::from(slot - slots.start)] = tag;
            missing -= 1;
            if missing == 0 {
                break;
            }
        }
    }
    tags
}
