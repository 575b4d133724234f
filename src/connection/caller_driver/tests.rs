use super::*;

#[test]
fn a_read_waits_at_most_as_long_as_asked_and_the_kernel_is_seldom_told() {
    let millis = |millis: u64| millis * 1000;
    for (current, asked, set) in [
        (u64::MAX, Duration::from_millis(100), Some(millis(100))),
        // Never longer than asked, but somewhat shorter will do.
        (millis(101), Duration::from_millis(100), Some(millis(100))),
        (millis(100), Duration::from_millis(100), None),
        (millis(25), Duration::from_millis(100), None),
        (millis(24), Duration::from_millis(100), Some(millis(100))),
        // 0 would be for ever.
        (millis(100), Duration::ZERO, Some(millis(1))),
        (millis(1), Duration::ZERO, None),
        (millis(1), Duration::MAX, Some(u64::MAX)),
        (u64::MAX, Duration::MAX, None),
    ] {
        assert_eq!(patience_to_set(current, asked), set, "{current} us, asked for {asked:?}");
    }
}
