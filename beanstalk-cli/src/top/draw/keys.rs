//! Which keys do what.

use ratatui::{
    Frame,
    layout::{Constraint, Flex, Layout},
    text::Line,
    widgets::{Block, Clear, Paragraph},
};

use crate::top::model::{Level, Model};

const KEYS: [(&str, &str); 14] = [
    ("↑ ↓ j k", "one row up or down"),
    ("PgUp PgDn g G", "a page, to the top, to the bottom (jobs are read on)"),
    ("Enter →", "into the server, the tube, the job"),
    ("Esc ←", "back"),
    ("/", "only tubes whose names contain this"),
    ("s S r", "sort by the next column, the last, in reverse"),
    ("m", "a body as text, JSON, hex"),
    ("K", "kick the tube's jobs, or this job"),
    ("p", "pause the tube, or end its pause"),
    ("i", "put a job into the tube"),
    ("d b", "delete or bury this job"),
    ("", "each of these is asked about first"),
    ("?", "this"),
    ("q", "quit"),
];

/// For the last line.
pub(super) fn short(model: &Model) -> String {
    let (level, actions) = match model.level {
        Level::Servers => ("↑↓ Enter", ""),
        Level::Tubes(_) => ("↑↓ Enter Esc  / filter  s sort", "  K kick  p pause  i put"),
        Level::Jobs(..) => ("↑↓ Enter Esc", "  K kick  d delete  b bury  p pause  i put"),
        Level::Body(..) => ("↑↓ Esc  m form", "  K kick  d delete  b bury"),
    };
    format!("{level}{}  ? help  q quit", if model.read_only { "" } else { actions })
}

pub(super) fn draw(frame: &mut Frame<'_>) {
    let height = u16::try_from(KEYS.len()).unwrap_or(u16::MAX).saturating_add(2);
    let [area] = Layout::vertical([Constraint::Length(height)]).flex(Flex::Center).areas(frame.area());
    let [area] = Layout::horizontal([Constraint::Length(66)]).flex(Flex::Center).areas(area);
    let lines: Vec<_> = KEYS.iter().map(|(keys, what)| Line::from(format!(" {keys:<15}{what}"))).collect();
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" keys ")), area);
}
