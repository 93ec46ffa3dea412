//! A subscriber that records what it receives about each server.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    panic,
    sync::{Mutex, MutexGuard},
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry::{LookupSpan, Registry},
};

pub(crate) type Fields = BTreeMap<&'static str, String>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) what: String,
    pub(crate) fields: Fields,
    pub(crate) closed: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Happening {
    pub(crate) what: String,
    pub(crate) fields: Fields,
    /// The `id` of each span that it happened in, from the root.
    pub(crate) within: Vec<String>,
}

#[derive(Default)]
struct Seen {
    spans: Vec<Span>,
    events: Vec<Happening>,
}

static SEEN: Mutex<Seen> = Mutex::new(Seen { spans: Vec::new(), events: Vec::new() });

fn seen() -> MutexGuard<'static, Seen> {
    SEEN.lock().expect("nobody panics here")
}

/// The servers at which subscriber and recorder panic.
static PANICS_AT: Mutex<Vec<String>> = Mutex::new(Vec::new());

pub(crate) fn panic_at(server: &str) {
    PANICS_AT.lock().unwrap().push(server.to_string());
}

/// Panics without a word on the terminal.
pub(crate) fn panic_if_asked(server: &str) {
    let is_asked = PANICS_AT.lock().unwrap().iter().any(|at| at == server);
    if is_asked {
        panic::resume_unwind(Box::new("as it was asked"));
    }
}

pub(crate) fn install() {
    tracing::subscriber::set_global_default(Registry::default().with(Tracer)).expect("there is no other");
}

/// The spans of jobs of a server, in the order in which they were made.
pub(crate) fn spans(server: &str) -> Vec<Span> {
    seen().spans.iter().filter(|span| span.fields["server"] == server).cloned().collect()
}

/// The events with this `server`.
pub(crate) fn events(server: &str) -> Vec<Happening> {
    seen().events.iter().filter(|event| event.fields.get("server").is_some_and(|of| of == server)).cloned().collect()
}

struct Tracer;

/// A span's place in the list.
struct Place(usize);

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Tracer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut Writer(&mut fields));
        let server = fields.get("server").cloned().unwrap_or_default();
        panic_if_asked(&server);
        let metadata = attributes.metadata();
        let root = if attributes.is_root() { " root" } else { "" };
        let what = format!("{} {} {}{root}", metadata.level(), metadata.target(), metadata.name());
        let mut seen = seen();
        context.span(id).expect("it is new").extensions_mut().insert(Place(seen.spans.len()));
        seen.spans.push(Span { what, fields, closed: false });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).expect("it is open");
        let place = span.extensions().get::<Place>().expect("it was seen").0;
        values.record(&mut Writer(&mut seen().spans[place].fields));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id).expect("it is kept until then");
        if let Some(&Place(place)) = span.extensions().get::<Place>() {
            seen().spans[place].closed = true;
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::new();
        event.record(&mut Writer(&mut fields));
        fields.get("server").into_iter().for_each(|server| panic_if_asked(server));
        let metadata = event.metadata();
        let mut seen = seen();
        let mut within = Vec::new();
        for span in context.event_scope(event).into_iter().flatten() {
            let place = span.extensions().get::<Place>().map_or(usize::MAX, |place| place.0);
            within.insert(0, seen.spans.get(place).map_or("?", |span| &span.fields["id"]).to_string());
        }
        seen.events.push(Happening { what: format!("{} {}", metadata.level(), metadata.target()), fields, within });
    }
}

struct Writer<'f>(&'f mut Fields);

impl Visit for Writer<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let before = self.0.insert(field.name(), format!("{value:?}"));
        assert_eq!(before, None, "{} is recorded once", field.name());
    }
}
