//! The releases of beanstalkd whose replies and command lines differ.

/// Which release of beanstalkd a server speaks as. What a client can see changed between these two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// beanstalkd 1.12, as Debian ships it: names in statistics are not quoted; `reserve-with-timeout` reads its number
    /// signed and leniently (`-1` waits without end, no number is 0).
    V1_12,
    /// beanstalkd 1.13 and later.
    #[default]
    V1_13,
}
