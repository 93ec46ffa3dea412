//! Statistics for serde: a map of the protocol's keys, with numbers where servers write numbers.

use alloc::{
    borrow::Cow,
    string::{String, ToString},
};
use core::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor},
};

use super::{Extra, JobState, StatsError};

/// A value, as what it looks like.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Scalar {
    Number(u64),
    Negative(i64),
    Flag(bool),
    Fraction(f64),
    Text(String),
}

impl Scalar {
    /// A value as it is written, which is text unless its key is one of numbers and truth values.
    pub(super) fn of(text: Cow<'_, str>, is_number: bool) -> Self {
        let number = text.parse().ok().map(Self::Number);
        let value =
            number.or_else(|| text.parse().ok().map(Self::Flag)).or_else(|| text.parse().ok().map(Self::Fraction));
        value.filter(|_| is_number).unwrap_or_else(|| Self::Text(text.into()))
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Negative(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            Self::Fraction(fraction) => fraction.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// Hands over each key and its value as text.
pub(super) fn for_each<'de, D: Deserializer<'de>>(
    deserializer: D,
    take: impl FnMut(&str, &str) -> Result<(), StatsError>,
) -> Result<(), D::Error> {
    struct Each<F>(F);

    impl<'de, F: FnMut(&str, &str) -> Result<(), StatsError>> Visitor<'de> for Each<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of statistics")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some((key, value)) = map.next_entry::<String, Scalar>()? {
                (self.0)(&key, &value.to_string()).map_err(A::Error::custom)?;
            }
            Ok(())
        }
    }
    deserializer.deserialize_map(Each(take))
}

impl Serialize for Extra {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Extra {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut extra = Self::default();
        for_each(deserializer, |key, text| extra.push(key, text))?;
        Ok(extra)
    }
}

impl Serialize for JobState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for JobState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(&*String::deserialize(deserializer)?))
    }
}
