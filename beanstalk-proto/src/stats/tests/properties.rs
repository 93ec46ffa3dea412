//! What holds for any value, and for any bytes.

use alloc::{string::String, vec::Vec};
use core::fmt::Debug;

use proptest::prelude::*;

use super::{sample::any_sample, text};
use crate::{
    stats::{JobStats, ServerStats, StatsError, TubeStats, decode_names, encode_names},
    types::{Dialect, TubeName},
};

const DIALECTS: [Dialect; 2] = [Dialect::V1_12, Dialect::V1_13];

/// Bodies made of pieces that matter, and of any bytes at all.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..20),
        Just(b"\n".to_vec()),
        Just(b": ".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"- ".to_vec()),
        Just(b"-1".to_vec()),
        proptest::sample::select([ServerStats::KEYS, TubeStats::KEYS, JobStats::KEYS].concat())
            .prop_map(|key| key.as_bytes().to_vec()),
        "[0-9]{1,21}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(pieces, 0..40).prop_map(|pieces| [b"---\n".to_vec(), pieces.concat()].concat())
}

/// What reads without an error is the same once written and read again.
fn is_stable<T: Debug + PartialEq>(
    body: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, StatsError>,
    encode: impl Fn(&T, &mut Vec<u8>),
) -> Result<(), TestCaseError> {
    if let Ok(value) = decode(body) {
        let mut written = Vec::new();
        encode(&value, &mut written);
        prop_assert_eq!(decode(&written), Ok(value));
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in prop_oneof![any_body(), proptest::collection::vec(any::<u8>(), 0..200)]) {
        // Texts that no release quotes are left out: of two pairs of quotes, they lose one each time.
        let server = |body: &[u8]| ServerStats::decode(body).map(|stats| ServerStats { id: None, ..stats });
        let job = |body: &[u8]| JobStats::decode(body).map(|stats| JobStats { state: None, ..stats });
        is_stable(&body, server, |stats, out| stats.encode(Dialect::V1_13, out))?;
        is_stable(&body, job, |stats, out| stats.encode(Dialect::V1_13, out))?;
        is_stable(&body, TubeStats::decode, |stats, out| stats.encode(Dialect::V1_12, out))?;
        is_stable(&body, decode_names, |names, out| encode_names(names, out))?;
    }

    #[test]
    fn server_stats_survive_the_wire(stats in any_sample::<ServerStats>()) {
        for dialect in DIALECTS {
            let body = text(|out| stats.encode(dialect, out));
            prop_assert_eq!(&ServerStats::decode(body.as_bytes()), &Ok(stats.clone()));
        }
    }

    #[test]
    fn tube_stats_survive_the_wire(stats in any_sample::<TubeStats>()) {
        for dialect in DIALECTS {
            let body = text(|out| stats.encode(dialect, out));
            prop_assert_eq!(&TubeStats::decode(body.as_bytes()), &Ok(stats.clone()));
        }
    }

    #[test]
    fn job_stats_survive_the_wire(stats in any_sample::<JobStats>()) {
        for dialect in DIALECTS {
            let body = text(|out| stats.encode(dialect, out));
            prop_assert_eq!(&JobStats::decode(body.as_bytes()), &Ok(stats.clone()));
        }
    }

    #[test]
    fn name_lists_survive_the_wire(names in any_sample::<Vec<TubeName>>()) {
        let body = text(|out| encode_names(&names, out));
        prop_assert_eq!(decode_names(body.as_bytes()), Ok(names));
    }
}
