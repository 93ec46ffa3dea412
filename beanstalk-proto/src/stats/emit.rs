//! What is emitted from the tables of keys.

/// Emits a struct and its two directions from one list: key, field, type, and how the value is written.
macro_rules! stats {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$field_meta:meta])* $key:literal $field:ident: $type:ty = $codec:ident,)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_meta])* #[doc = concat!("\n\nKey `", $key, "`.")] pub $field: Option<$type>,)*
            /// What the server sent besides, in order.
            pub extra: Extra,
        }

        impl $name {
            /// The keys that have a field, in the server's order.
            pub const KEYS: &'static [&'static str] = &[$($key),*];

            /// Reads the body of an `OK` reply (without the CR LF that follows it).
            ///
            /// # Errors
            ///
            /// A [`StatsError`] with the key or line that makes no sense.
            pub fn decode(body: &[u8]) -> Result<Self, StatsError> {
                let mut stats = Self::default();
                let mut lines = lines::lines(body)?;
                $(if let Some(text) = lines.value_of($key) {
                    value::read::<value::$codec>(&mut stats.$field, $key, text)?;
                })*
                // What is left where the order is another, or there is a key that has no field.
                for line in lines {
                    let (key, text) = lines::key_and_value(line)?;
                    stats.take(key, text)?;
                }
                Ok(stats)
            }

            /// Takes what came for a key.
            fn take(&mut self, key: &str, text: &[u8]) -> Result<(), StatsError> {
                match key {
                    $($key => value::read::<value::$codec>(&mut self.$field, $key, text),)*
                    _ => self.extra.keep(key, text),
                }
            }

            /// Returns all keys and values that the server sent, as text: those that have a field, in the order of
            /// [`KEYS`](Self::KEYS), then [`extra`](Self::extra).
            ///
            /// A value is as a server writes it, without quotes.
            pub fn iter(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
                let fields = [$(($key, self.$field.as_ref().map(value::text::<value::$codec>))),*];
                let fields = fields.into_iter().filter_map(|(key, text)| Some((key, Cow::Owned(text?))));
                fields.chain(self.extra.iter().map(|(key, text)| (key, Cow::Borrowed(text))))
            }

            /// Appends the body as a server of this release writes it (without the CR LF that follows it): the keys
            /// that have a value, in the server's order, then [`extra`](Self::extra) except keys that have a field.
            ///
            /// A line feed in a text is written as a space, since nothing could escape it. Nor is there an escape
            /// for quotes: a text that starts and ends with them loses a pair where the release writes it bare.
            pub fn encode(&self, dialect: Dialect, out: &mut Vec<u8>) {
                out.extend_from_slice(lines::START);
                $(value::write::<value::$codec>(self.$field.as_ref(), $key, dialect, out);)*
                self.extra.encode(Self::KEYS, out);
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.iter().map(|(key, text)| {
                    let is_number = match key {
                        $($key => <value::$codec as value::Codec>::FORM == value::Form::Number,)*
                        _ => false,
                    };
                    (key, data::Scalar::of(text, is_number))
                }))
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let mut stats = Self::default();
                data::for_each(deserializer, |key, text| stats.take(key, text.as_bytes()))?;
                Ok(stats)
            }
        }

        #[cfg(test)]
        impl tests::Sample for $name {
            fn sample(source: &mut tests::Source) -> Self {
                Self {
                    $($field: source.maybe(<value::$codec as tests::SampleValue>::sample_value),)*
                    extra: tests::Sample::sample(source),
                }
            }
        }
    };
}
