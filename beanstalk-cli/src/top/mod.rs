//! `top`: servers, tubes and jobs live.
//!
//! ```text
//!   keys ────────────┐                          ┌──▶ a frame (draw)
//!                    ├──▶ Model (model, update) ┤
//!   samples (watch) ─┘                          └──▶ what to do (watch)
//! ```

mod draw;
mod listing;
mod model;
mod update;
mod watch;

#[cfg(test)]
mod tests;

use std::{
    io::{self, IsTerminal},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, Instant},
};

use beanstalk_sync::TubeName;
use clap::Args;
use crossterm::event::{self, Event as Input, KeyEvent, KeyEventKind};
use signal_hook::{
    consts::{SIGHUP, SIGTERM},
    iterator::Signals,
};

use crate::{
    app::App,
    exit::{Exit, Failure, Outcome},
    options::parse_timeout,
};
use listing::Seen;
use model::{Model, Sample};
use update::Effect;
use watch::Watcher;

/// Watch servers, tubes and jobs live
///
/// Rates are differences of the server's counters. "Oldest" is the age of the job that is next in line: the oldest of the most urgent ones.
/// Of a tube's jobs those next in line stand first; the others are found as `jobs` finds them, as far as one scrolls, and with --read-only
/// as far as the server's counters lead. Press ? for the keys.
#[derive(Debug, Args)]
pub(crate) struct Top {
    /// How often servers are asked
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = parse_timeout)]
    interval: Duration,
}

/// What happens.
enum Event {
    Key(KeyEvent),
    /// The terminal has another size.
    Resized,
    Sampled {
        server: usize,
        result: Result<Box<Sample>, String>,
    },
    Looked {
        server: usize,
        tube: TubeName,
        seen: Box<Seen>,
    },
    Acted(Result<String, String>),
    Quit,
}

impl Top {
    pub(crate) fn run(self, app: &mut App) -> Outcome {
        if !(io::stdout().is_terminal() && io::stdin().is_terminal()) {
            return Err(Failure::usage("top needs a terminal").help("`tubes --watch` prints to whatever there is"));
        }
        let (events, received) = mpsc::channel();
        let signals = Signals::new([SIGTERM, SIGHUP]).map_err(|error| Failure::local("signals", &error))?;
        read_keys(events.clone());
        end_at(signals, events.clone());
        let model = Model::new(app.options.servers.iter().map(ToString::to_string), app.options.read_only);
        let watchers: Vec<_> = (0..app.options.servers.len())
            .map(|server| Watcher::start(server, &app.options, self.interval, events.clone()))
            .collect();
        let mut terminal = ratatui::try_init().map_err(|error| Failure::local("terminal", &error))?;
        let ended = show(model, &mut terminal, &received, &watchers);
        ratatui::restore();
        ended.map_err(|error| Failure::local("terminal", &error))?;
        Ok(Exit::Done)
    }
}

fn show(
    mut model: Model,
    terminal: &mut ratatui::DefaultTerminal,
    events: &Receiver<Event>,
    watchers: &[Watcher],
) -> io::Result<()> {
    let start = Instant::now();
    loop {
        terminal.draw(|frame| draw::draw(&mut model, frame))?;
        look(&model, watchers);
        // All that has happened meanwhile is one frame.
        let Ok(first) = events.recv() else { return Ok(()) };
        for event in std::iter::once(first).chain(events.try_iter()) {
            match event {
                Event::Key(key) => match model.key(key) {
                    Effect::None => {}
                    Effect::Quit => return Ok(()),
                    Effect::Act(server, action) => {
                        if let Some(watcher) = watchers.get(server) {
                            watcher.act(action);
                        }
                    }
                },
                Event::Sampled { server, result } => {
                    model.sampled(server, start.elapsed(), result.map(|sample| *sample));
                }
                Event::Looked { server, tube, seen } => model.looked(server, &tube, *seen),
                Event::Acted(result) => {
                    let failed = result.is_err();
                    model.notice = Some((result.unwrap_or_else(|error| error), failed));
                }
                Event::Resized => {}
                Event::Quit => return Ok(()),
            }
        }
    }
}

/// Has the watchers look at what is shown.
fn look(model: &Model, watchers: &[Watcher]) {
    for (server, watcher) in watchers.iter().enumerate() {
        let (shown, inside) = model.wants(server);
        watcher.look(shown, inside);
    }
}

/// In a thread of its own, which ends with the program.
fn read_keys(events: Sender<Event>) {
    thread::spawn(move || {
        loop {
            let event = match event::read() {
                Ok(Input::Key(key)) if key.kind != KeyEventKind::Release => Event::Key(key),
                Ok(Input::Resize(..)) => Event::Resized,
                Ok(_) => continue,
                // The terminal is gone.
                Err(_) => Event::Quit,
            };
            let end = matches!(event, Event::Quit);
            if events.send(event).is_err() || end {
                return;
            }
        }
    });
}

/// So that the terminal is left as it was.
fn end_at(mut signals: Signals, events: Sender<Event>) {
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            let _ = events.send(Event::Quit);
        }
    });
}
