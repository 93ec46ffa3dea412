//! What keys do.

use beanstalk_sync::TubeName;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{
    listing::{Job, Listing},
    model::{Action, Ask, Format, Level, Model, Prompt, Sort},
};
use crate::options::parse_seconds;

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    Quit,
    /// On this server.
    Act(usize, Action),
}

impl Model {
    pub(super) fn key(&mut self, key: KeyEvent) -> Effect {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Effect::Quit;
        }
        self.notice = None;
        if self.help {
            self.help = false;
            return Effect::None;
        }
        if let Some(prompt) = self.prompt.take() {
            return self.answer(prompt, key.code);
        }
        match key.code {
            KeyCode::Char('q') => return Effect::Quit,
            KeyCode::Char('?') => self.help = true,
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Left | KeyCode::Char('h') => self.back(),
            KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') => self.enter(),
            KeyCode::Down | KeyCode::Char('j') => self.go(|at, _| at.saturating_add(1)),
            KeyCode::Up | KeyCode::Char('k') => self.go(|at, _| at.saturating_sub(1)),
            KeyCode::PageDown => self.go(usize::saturating_add),
            KeyCode::PageUp => self.go(usize::saturating_sub),
            KeyCode::Home | KeyCode::Char('g') => self.go(|_, _| 0),
            KeyCode::End | KeyCode::Char('G') => self.go(|_, _| usize::MAX),
            KeyCode::Char('/') if matches!(self.level, Level::Tubes(_)) => self.prompt = Some(Prompt::Filter),
            KeyCode::Char('s') => self.sort = next(&Sort::ALL, self.sort, 1),
            KeyCode::Char('S') => self.sort = next(&Sort::ALL, self.sort, Sort::ALL.len() - 1),
            KeyCode::Char('r') => self.reverse = !self.reverse,
            KeyCode::Char('m') => {
                self.format = next(&[Format::Text, Format::Json, Format::Hex], self.format, 1);
                self.scroll = 0;
            }
            KeyCode::Char(c @ ('K' | 'd' | 'b' | 'p' | 'i')) => self.ask(c),
            _ => {}
        }
        Effect::None
    }

    fn back(&mut self) {
        match self.level.clone() {
            Level::Tubes(_) if !self.filter.is_empty() => self.filter.clear(),
            Level::Tubes(_) if self.servers.len() > 1 => self.level = Level::Servers,
            Level::Jobs(server, _) => self.level = Level::Tubes(server),
            Level::Body(server, tube, _) => self.level = Level::Jobs(server, tube),
            Level::Servers | Level::Tubes(_) => {}
        }
    }

    fn enter(&mut self) {
        match self.level.clone() {
            Level::Servers => {
                self.level = Level::Tubes(self.server);
                self.tube = None;
            }
            Level::Tubes(server) => {
                if let Some(tube) = self.selected() {
                    self.listing = Listing::default();
                    self.level = Level::Jobs(server, tube);
                }
            }
            Level::Jobs(server, tube) => {
                if let Some(job) = self.listing.selected() {
                    self.level = Level::Body(server, tube, job.clone());
                    self.scroll = 0;
                }
            }
            Level::Body(..) => {}
        }
    }

    fn go(&mut self, to: impl Fn(usize, usize) -> usize) {
        let room = self.room.max(1);
        match &self.level {
            Level::Servers => self.server = to(self.server, room).min(self.servers.len().saturating_sub(1)),
            Level::Tubes(server) => {
                let tubes = self.tubes(*server);
                let at = to(self.cursor(&tubes), room).min(tubes.len().saturating_sub(1));
                self.tube = tubes.get(at).and_then(|tube| tube.stats.name.clone());
            }
            Level::Jobs(..) => self.listing.go(|place| to(place, room)),
            // How many lines there are is found when drawing.
            Level::Body(..) => self.scroll = to(self.scroll, room),
        }
    }

    /// The tube that the cursor is on, or that is looked into.
    pub(super) fn selected(&self) -> Option<TubeName> {
        match &self.level {
            Level::Servers => None,
            Level::Tubes(server) => {
                let tubes = self.tubes(*server);
                tubes.get(self.cursor(&tubes)).and_then(|tube| tube.stats.name.clone())
            }
            Level::Jobs(_, tube) | Level::Body(_, tube, _) => Some(tube.clone()),
        }
    }

    fn selected_job(&self) -> Option<&Job> {
        match &self.level {
            Level::Jobs(..) => self.listing.selected(),
            Level::Body(_, _, job) => Some(job),
            Level::Servers | Level::Tubes(_) => None,
        }
    }

    /// Begins an action, which is asked about before it is done.
    fn ask(&mut self, key: char) {
        if self.read_only {
            self.notice = Some(("--read-only forbids it".into(), true));
            return;
        }
        let (tube, job) = (self.selected(), self.selected_job().map(|job| job.id));
        let confirm = |question: String, action| Some(Prompt::Confirm { question, action });
        self.prompt = match (key, tube, job) {
            ('K', _, Some(id)) => confirm(format!("kick job {id}"), Action::KickJob(id)),
            ('d', _, Some(id)) => confirm(format!("delete job {id}"), Action::Delete(id)),
            ('b', _, Some(id)) => confirm(format!("bury job {id}"), Action::Bury(id)),
            ('d' | 'b', _, None) => {
                self.notice = Some(("Enter shows the jobs of a tube; choose one there".into(), false));
                None
            }
            ('K', Some(tube), None) => {
                let buried = self.stats_of(&tube, |tube| tube.stats.current_jobs_buried).unwrap_or(0);
                Some(Prompt::Input { ask: Ask::Kick, text: buried.max(1).to_string() })
            }
            ('p', Some(tube), _) => {
                let paused = self.stats_of(&tube, |tube| tube.paused().map(|left| left.as_secs())).is_some();
                Some(Prompt::Input { ask: Ask::Pause, text: if paused { "0" } else { "1m" }.into() })
            }
            ('i', Some(_), _) => Some(Prompt::Input { ask: Ask::Put, text: String::new() }),
            _ => {
                self.notice = Some(("Enter shows the tubes of a server; choose one there".into(), false));
                None
            }
        };
    }

    fn stats_of<T>(&self, name: &TubeName, of: impl Fn(&super::model::Tube) -> Option<T>) -> Option<T> {
        let server = self.servers.get(self.about())?;
        server.tubes.iter().find(|tube| tube.name() == name.as_str()).and_then(of)
    }

    fn answer(&mut self, prompt: Prompt, key: KeyCode) -> Effect {
        match (prompt, key) {
            (Prompt::Filter, KeyCode::Enter) => {}
            (Prompt::Filter, KeyCode::Esc) => self.filter.clear(),
            (Prompt::Filter, key) => {
                edit(&mut self.filter, key);
                self.prompt = Some(Prompt::Filter);
            }
            (Prompt::Input { .. }, KeyCode::Esc) => {}
            (Prompt::Input { ask, text }, KeyCode::Enter) => self.confirm(ask, text),
            (Prompt::Input { ask, mut text }, key) => {
                edit(&mut text, key);
                self.prompt = Some(Prompt::Input { ask, text });
            }
            (Prompt::Confirm { action, .. }, KeyCode::Char('y' | 'Y')) => return Effect::Act(self.about(), action),
            (Prompt::Confirm { .. }, _) => self.notice = Some(("nothing was done".into(), false)),
        }
        Effect::None
    }

    /// From what was entered to the question whether to do it.
    fn confirm(&mut self, ask: Ask, text: String) {
        let Some(tube) = self.selected() else { return };
        let found = match ask {
            Ask::Kick => match text.parse() {
                Ok(bound) => Ok((format!("kick {bound} jobs of {tube} at most"), Action::Kick(tube, bound))),
                Err(_) => Err(format!("{text:?} is not a number of jobs")),
            },
            Ask::Pause => match parse_seconds(&text) {
                Ok(0) => Ok((format!("end the pause of {tube}"), Action::Pause(tube, 0))),
                Ok(pause) => Ok((format!("pause {tube} for {pause} s"), Action::Pause(tube, pause))),
                Err(problem) => Err(problem),
            },
            Ask::Put => Ok((format!("put {} bytes into {tube}", text.len()), Action::Put(tube, text.clone()))),
        };
        match found {
            Ok((question, action)) => self.prompt = Some(Prompt::Confirm { question, action }),
            Err(problem) => {
                self.notice = Some((problem, true));
                self.prompt = Some(Prompt::Input { ask, text });
            }
        }
    }
}

fn edit(text: &mut String, key: KeyCode) {
    match key {
        KeyCode::Char(c) => text.push(c),
        KeyCode::Backspace => {
            text.pop();
        }
        _ => {}
    }
}

fn next<T: Copy + PartialEq>(all: &[T], current: T, step: usize) -> T {
    let at = all.iter().position(|one| *one == current).unwrap_or(0);
    all.get((at + step) % all.len()).copied().unwrap_or(current)
}
