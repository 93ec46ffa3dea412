//! Durations as people read them.

use core::time::Duration;

/// Cuts off what a reader of a log has no use for: what is below a hundredth of a second from one second on, below a millisecond from one
/// millisecond on, and below a microsecond else.
pub(crate) fn rounded(duration: Duration) -> Duration {
    let unit = match duration {
        long if long >= Duration::from_secs(1) => 10_000_000,
        short if short >= Duration::from_millis(1) => 1_000_000,
        _ => 1_000,
    };
    let nanos = duration.subsec_nanos();
    duration.saturating_sub(Duration::from_nanos(nanos.checked_rem(unit).unwrap_or(0).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_printed_to_about_three_digits() {
        for (nanos, text) in [
            (0, "0ns"),
            (999, "0ns"),
            (1_500, "1µs"),
            (41_347_864, "41ms"),
            (250_000_000, "250ms"),
            (1_239_999_999, "1.23s"),
            (90_000_000_000, "90s"),
        ] {
            assert_eq!(alloc::format!("{:?}", rounded(Duration::from_nanos(nanos))), text);
        }
    }
}
