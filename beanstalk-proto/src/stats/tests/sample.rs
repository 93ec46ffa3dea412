//! Arbitrary statistics from a string of bytes, so that proptest can shrink them: with fewer bytes there are fewer
//! and smaller values.

use alloc::{boxed::Box, string::String, vec, vec::Vec};
use core::time::Duration;

use proptest::prelude::*;

use crate::{
    stats::{Extra, JobState, lines::unquoted, value},
    types::{JobId, Priority, TubeName},
};

/// Bytes that values are made of. When they run out, everything is absent, zero or the default.
#[derive(Debug)]
pub(in crate::stats) struct Source(vec::IntoIter<u8>);

impl Source {
    pub(in crate::stats) fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.byte() % 4 != 0).then(|| value(self))
    }

    fn byte(&mut self) -> u8 {
        self.0.next().unwrap_or(0)
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.byte())
    }

    /// One of several things.
    fn pick<T: Copy>(&mut self, things: &[T]) -> Option<T> {
        let index = usize::from(self.byte()).checked_rem(things.len())?;
        things.get(index).copied()
    }

    /// A number of a random width, so that small ones and the largest both come up.
    fn number(&mut self) -> u64 {
        match self.byte() {
            255 => u64::MAX,
            width => u64::from_le_bytes(self.bytes()) >> (width % 64),
        }
    }

    /// Text of a line, rich in what could be mistaken for structure.
    fn line(&mut self) -> String {
        let pieces = ["-", ":", ": ", "\"", "#", "\r", " ", "é", "0", "x", "---", "\\", "\0"];
        let len = self.byte() % 8;
        (0..len).filter_map(|_| self.pick(&pieces)).collect()
    }

    /// Text that is not itself in quotes: a release that writes it bare could not say so.
    fn text(&mut self) -> Box<str> {
        unquoted_for_good(&self.line()).into()
    }

    fn tube(&mut self) -> TubeName {
        let letters = b"0-+/;.$_()AZaz9";
        let len = self.byte() % 201;
        let name: String = (0..len).filter_map(|_| self.pick(letters)).map(char::from).collect();
        TubeName::new(name).unwrap_or_default()
    }
}

fn unquoted_for_good(mut text: &str) -> &str {
    while unquoted(text) != text {
        text = unquoted(text);
    }
    text
}

/// A value made from a source.
pub(in crate::stats) trait Sample {
    fn sample(source: &mut Source) -> Self;
}

/// A strategy for whatever can be made from a source.
pub(super) fn any_sample<T: Sample + core::fmt::Debug>() -> impl Strategy<Value = T> {
    proptest::collection::vec(any::<u8>(), 0..1500).prop_map(|bytes| T::sample(&mut Source(bytes.into_iter())))
}

impl Sample for Extra {
    fn sample(source: &mut Source) -> Self {
        let mut extra = Self::default();
        for _ in 0..source.byte() % 4 {
            // Keys that cannot be keys are refused, and that is that.
            let _ = extra.push(&source.line(), &source.line());
        }
        extra
    }
}

impl Sample for Vec<TubeName> {
    fn sample(source: &mut Source) -> Self {
        (0..source.byte() % 16).map(|_| source.tube()).collect()
    }
}

/// A value of a codec that survives being written and read.
pub(in crate::stats) trait SampleValue: value::Codec {
    fn sample_value(source: &mut Source) -> Self::Value;
}

/// What each codec's values are made by.
macro_rules! sample_values {
    ($($codec:ident: $value:expr,)*) => {
        $(impl SampleValue for value::$codec {
            fn sample_value(source: &mut Source) -> Self::Value {
                let value: fn(&mut Source) -> Self::Value = $value;
                value(source)
            }
        })*
    };
}

sample_values! {
    Count: Source::number,
    Job: |source| JobId(source.number()),
    Pri: |source| Priority(u32::from_le_bytes(source.bytes())),
    Seconds: |source| Duration::from_secs(source.number()),
    SecondsOrPast: |source| Duration::from_secs(source.number()),
    Micros: |source| {
        let micros = u32::from_le_bytes(source.bytes()) % 1_000_000;
        Duration::new(source.number(), micros.saturating_mul(1000))
    },
    Flag: |source| source.byte() % 2 == 1,
    Tube: Source::tube,
    State: |source| {
        let words = ["ready", "delayed", "reserved", "buried", "invalid"];
        match words.get(usize::from(source.byte() % 8)) {
            Some(&word) => JobState::from(word),
            None => JobState::from(&*source.text()),
        }
    },
    BareText: Source::text,
    Text: Source::text,
    QuotedText: Source::text,
}
