//! The two hashes that decisions rest on. They are part of the interface: programs on different machines must agree on
//! where a key belongs, so neither may ever change.

/// FNV-1a with 64 bits, over the bytes of several pieces as if they were one.
pub(super) fn fnv1a<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let bytes = pieces.into_iter().flatten();
    bytes.fold(OFFSET, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

/// One step of SplitMix64: every bit of the result depends on every bit of `x`. FNV alone leaves similar inputs with
/// similar high bits, and it is by size that hashes are compared.
pub(super) const fn scatter(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_are_the_published_ones() {
        assert_eq!(fnv1a([]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a([&b"a"[..]]), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a([&b"foo"[..], b"", b"bar"]), 0x8594_4171_f739_67e8);
        assert_eq!(scatter(0), 0xe220_a839_7b1d_cdaf);
    }
}
