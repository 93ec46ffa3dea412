//! Which tubes a connection uses and watches, and how to select them again on a new one.
//!
//! ```text
//!   a new connection:  uses default, watches default, unless its greeting selects others
//!     use t    ─▶ uses t
//!     watch t  ─▶ watches t too
//!     ignore t ─▶ watches t no more
//! ```

use alloc::{vec, vec::Vec};

#[cfg(feature = "std")]
use crate::connect::{Greeting, GreetingRequest};
use beanstalk_proto::{Command, Kind, Request, TubeName, encode};

/// A request that changes which tubes a connection uses or watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// `use`
    Use(TubeName),
    /// `watch`
    Watch(TubeName),
    /// `ignore`
    Ignore(TubeName),
}

impl Selection {
    /// Returns what a request selects, in whatever form it comes: its own type, a [`Command`] or a raw line.
    #[must_use]
    pub fn of<R: Request + Clone>(request: &R) -> Option<Self> {
        if !matches!(request.expect().kind, Some(Kind::Use | Kind::Watch | Kind::Ignore)) {
            return None;
        }
        let line = encode(request.clone()).ok()?;
        match Command::parse_line(line.strip_suffix(b"\r\n")?).ok()? {
            Command::Use { tube } => Some(Self::Use(tube)),
            Command::Watch { tube } => Some(Self::Watch(tube)),
            Command::Ignore { tube } => Some(Self::Ignore(tube)),
            _ => None,
        }
    }
}

/// The tubes that a connection uses and watches.
///
/// ```
/// use beanstalk_driver::{policy::Tubes, proto::TubeName};
///
/// let tubes = Tubes::watching([TubeName::new("mails")?, TubeName::new("reports")?]);
/// assert_eq!(tubes.watched(), ["mails", "reports"]);
/// assert_eq!(tubes.used(), &TubeName::default());
/// # Ok::<(), beanstalk_driver::proto::TubeNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tubes {
    used: TubeName,
    watched: Vec<TubeName>,
}

impl Default for Tubes {
    /// What every new connection starts with.
    fn default() -> Self {
        Self { used: TubeName::default(), watched: vec![TubeName::default()] }
    }
}

impl Tubes {
    /// Watches these tubes and no other; `default` if there are none, since every connection watches something.
    #[must_use]
    pub fn watching(tubes: impl IntoIterator<Item = TubeName>) -> Self {
        let mut watched = Vec::new();
        for tube in tubes {
            if !watched.contains(&tube) {
                watched.push(tube);
            }
        }
        match watched.is_empty() {
            true => Self::default(),
            false => Self { used: TubeName::default(), watched },
        }
    }

    /// Returns what a new connection uses and watches once it was greeted so.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn greeted(greeting: &[Greeting]) -> Self {
        let mut tubes = Self::default();
        for greeting in greeting {
            let selection = match greeting.request() {
                GreetingRequest::Command(command) => Selection::of(command),
                GreetingRequest::Raw(raw) => Selection::of(raw),
            };
            if let Some(selection) = selection {
                tubes.select(&selection);
            }
        }
        tubes
    }

    /// Takes note of a selection that the server has agreed to.
    pub fn select(&mut self, selection: &Selection) {
        match selection {
            Selection::Use(tube) => self.used = tube.clone(),
            Selection::Watch(tube) if !self.watched.contains(tube) => self.watched.push(tube.clone()),
            Selection::Watch(_) => {}
            Selection::Ignore(tube) => self.watched.retain(|watched| watched != tube),
        }
    }

    /// Returns the tube in use.
    #[must_use]
    pub const fn used(&self) -> &TubeName {
        &self.used
    }

    /// Returns the tubes on the watch list.
    #[must_use]
    pub fn watched(&self) -> &[TubeName] {
        &self.watched
    }

    /// Returns what to send on a new connection, which uses and watches `fresh`. `ignore` comes last: a connection always watches
    /// something.
    #[must_use]
    pub fn replay(&self, fresh: &Self) -> Vec<Command> {
        let mut commands = Vec::new();
        if self.used != fresh.used {
            commands.push(Command::Use { tube: self.used.clone() });
        }
        let missing = self.watched.iter().filter(|tube| !fresh.watched.contains(tube));
        commands.extend(missing.map(|tube| Command::Watch { tube: tube.clone() }));
        let surplus = fresh.watched.iter().filter(|tube| !self.watched.contains(tube));
        commands.extend(surplus.map(|tube| Command::Ignore { tube: tube.clone() }));
        commands
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use beanstalk_proto::{Ignore, Put, Raw, Use, Watch};
    use proptest::prelude::*;

    fn tube(name: &str) -> TubeName {
        TubeName::new(name).expect("a tube name")
    }

    #[test]
    fn a_selection_is_seen_in_every_form_of_request() {
        let watch = Some(Selection::Watch(tube("a")));
        assert_eq!(Selection::of(&Watch::new("a")), watch);
        assert_eq!(Selection::of(&Command::Watch { tube: tube("a") }), watch);
        assert_eq!(Selection::of(&Raw::new("watch a")), watch);
        assert_eq!(Selection::of(&Use::new("a")), Some(Selection::Use(tube("a"))));
        assert_eq!(Selection::of(&Ignore::new("a")), Some(Selection::Ignore(tube("a"))));
        assert_eq!(Selection::of(&Put::of("watch a")), None);
        assert_eq!(Selection::of(&Watch::new("not a name")), None);
    }

    #[test]
    fn a_fresh_connection_needs_no_replay() {
        let fresh = Tubes::default();
        assert_eq!(fresh.replay(&fresh), []);
        assert_eq!(Tubes::watching([]).replay(&fresh), []);
    }

    #[test]
    fn default_is_ignored_after_the_others_are_watched() {
        let tubes = Tubes::watching([tube("a"), tube("b"), tube("a")]);
        let watch = |name| Command::Watch { tube: tube(name) };
        assert_eq!(
            tubes.replay(&Tubes::default()),
            [watch("a"), watch("b"), Command::Ignore { tube: tube("default") }]
        );
    }

    #[cfg(feature = "std")]
    #[test]
    fn a_greeting_selects_the_tubes_that_a_connection_begins_with() {
        let greeting = [
            Command::Use { tube: tube("a") }.into(),
            Greeting::token("watch x"),
            Greeting::new(Raw::new("watch b"), "WATCHING"),
            Command::Ignore { tube: tube("default") }.into(),
        ];
        let fresh = Tubes::greeted(&greeting);
        assert_eq!((fresh.used(), fresh.watched()), (&tube("a"), &[tube("b")][..]));
        let back = [
            Command::Use { tube: tube("default") },
            Command::Watch { tube: tube("default") },
            Command::Ignore { tube: tube("b") },
        ];
        assert_eq!(Tubes::default().replay(&fresh), back);
    }

    fn selection() -> impl Strategy<Value = Selection> {
        (0..3, prop_oneof!["[a-c]", Just("default".into())]).prop_map(|(which, name)| match which {
            0 => Selection::Use(tube(&name)),
            1 => Selection::Watch(tube(&name)),
            _ => Selection::Ignore(tube(&name)),
        })
    }

    proptest! {
        #[test]
        fn a_replay_gives_a_fresh_connection_the_same_tubes(
            greeting in proptest::collection::vec(selection(), 0..5), selections in proptest::collection::vec(selection(), 0..20),
        ) {
            let select = |tubes: &mut Tubes, selections: &[Selection]| for selection in selections {
                // The server refuses to ignore the only one.
                if !matches!(selection, Selection::Ignore(tube) if tubes.watched() == [tube.clone()]) {
                    tubes.select(selection);
                }
            };
            let mut fresh = Tubes::default();
            select(&mut fresh, &greeting);
            let mut tubes = fresh.clone();
            select(&mut tubes, &selections);
            for command in tubes.replay(&fresh.clone()) {
                let selection = Selection::of(&command).expect("a replay selects");
                prop_assert!(!matches!(&selection, Selection::Ignore(tube) if fresh.watched() == [tube.clone()]));
                fresh.select(&selection);
            }
            prop_assert_eq!(fresh.used(), tubes.used());
            let sorted = |tubes: &Tubes| { let mut watched = tubes.watched().to_vec(); watched.sort(); watched };
            prop_assert_eq!(sorted(&fresh), sorted(&tubes));
        }
    }
}
