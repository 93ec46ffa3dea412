//! Running what is not ours: handlers, listeners, and the values that they leave behind.
//!
//! Nothing of it may end what runs it. A panic is caught, and so is a second one from dropping what the first one was
//! raised with; an error that can't be written is described.

use alloc::{boxed::Box, string::String};
use core::{any::Any, fmt::Display, fmt::Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs it, and returns what it panicked with, if it did.
///
/// # Errors
///
/// What the panic says, if it says something.
pub fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(message)
}

/// Returns what an error says, and drops it. Both may fail or panic.
pub fn describe(error: impl Display) -> String {
    let mut text = String::new();
    let failure = match guarded(|| write!(text, "{error}")) {
        Ok(Ok(())) => None,
        Ok(Err(_)) => Some(String::from("its Display failed")),
        Err(panic) => Some(alloc::format!("its Display panicked: {panic}")),
    };
    if let Some(failure) = failure {
        let separator = if text.is_empty() { "" } else { " " };
        text.push_str(&alloc::format!("{separator}(the handler's error can't be shown: {failure})"));
    }
    let _panicked = guarded(|| drop(error));
    text
}

/// What a panic says.
fn message(payload: Box<dyn Any + Send>) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = String::from(text.unwrap_or("a panic without a message"));
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // There may be a third one in it, and so on: it leaks.
        core::mem::forget(second);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt;
    use std::panic::resume_unwind;

    /// Panics when it is dropped, with another of its kind.
    struct Hydra(u32);

    impl Drop for Hydra {
        fn drop(&mut self) {
            resume_unwind(Box::new(Hydra(self.0 + 1)));
        }
    }

    impl fmt::Display for Hydra {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half")?;
            match self.0 {
                0 => Ok(()),
                1 => Err(fmt::Error),
                _ => resume_unwind(Box::new("no")),
            }
        }
    }

    #[test]
    fn a_panic_is_returned_as_what_it_says() {
        assert_eq!(guarded(|| 5), Ok(5));
        let panic = |payload: Box<dyn Any + Send>| guarded::<()>(|| resume_unwind(payload));
        assert_eq!(panic(Box::new("static")), Err("static".into()));
        assert_eq!(panic(Box::new(String::from("owned"))), Err("owned".into()));
        assert_eq!(panic(Box::new(5)), Err("a panic without a message".into()));
        assert_eq!(panic(Box::new(Hydra(0))), Err("a panic without a message".into()));
    }

    #[test]
    fn an_error_is_described_whatever_it_does() {
        assert_eq!(describe("plain"), "plain");
        let texts = [0, 1, 2].map(|n| describe(Hydra(n)));
        assert_eq!(texts[0], "half");
        assert!(texts[1].starts_with("half (") && texts[1].contains("its Display failed"), "{}", texts[1]);
        assert!(texts[2].starts_with("half (") && texts[2].contains("its Display panicked: no"), "{}", texts[2]);
    }
}
