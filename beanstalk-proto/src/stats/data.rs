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

/// A value as text, which is a number or a truth value to serde if it is no text.
pub(super) struct Scalar<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) is_text: bool,
}

impl Serialize for Scalar<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = &*self.text;
        match (self.is_text, text.parse::<u64>(), text.parse::<bool>(), text.parse::<f64>()) {
            (false, Ok(number), ..) => serializer.serialize_u64(number),
            (false, _, Ok(flag), _) => serializer.serialize_bool(flag),
            (false, .., Ok(fraction)) => serializer.serialize_f64(fraction),
            _ => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'_> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl Visitor<'_> for Any {
            type Value = String;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a number, true or false")
            }

            fn visit_str<E>(self, text: &str) -> Result<String, E> {
                Ok(text.into())
            }

            fn visit_u64<E>(self, number: u64) -> Result<String, E> {
                Ok(number.to_string())
            }

            fn visit_i64<E>(self, number: i64) -> Result<String, E> {
                Ok(number.to_string())
            }

            fn visit_f64<E>(self, fraction: f64) -> Result<String, E> {
                Ok(fraction.to_string())
            }

            fn visit_bool<E>(self, flag: bool) -> Result<String, E> {
                Ok(flag.to_string())
            }
        }
        Ok(Self { text: deserializer.deserialize_any(Any)?.into(), is_text: true })
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
            while let Some((key, Scalar { text, .. })) = map.next_entry::<String, Scalar<'_>>()? {
                (self.0)(&key, &text).map_err(A::Error::custom)?;
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
