//! A job's body: as text, as JSON, as hexadecimal digits.

use std::fmt::Write;

use ratatui::{Frame, layout::Rect, style::Stylize, text::Line, widgets::Paragraph};

use crate::{
    output::printable,
    top::{
        listing::Job,
        model::{Format, Model},
    },
};

/// Bytes on a line of hexadecimal digits.
const HEX: usize = 16;

pub(super) fn draw(model: &mut Model, job: &Job, frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width.max(1));
    let (name, lines) = match model.format {
        _ if !job.is_whole() => ("read", vec!["…".to_owned()]),
        Format::Text => ("text", text(&job.body, width)),
        Format::Json => match serde_json::from_slice::<serde_json::Value>(&job.body) {
            Ok(json) => ("JSON", text(format!("{json:#}").as_bytes(), width)),
            Err(error) => ("JSON", vec![format!("it is not JSON: {error}")]),
        },
        Format::Hex => ("hex", hex(&job.body)),
    };
    model.scroll = model.scroll.min(lines.len().saturating_sub(model.room));
    let shown = lines.len().min(model.scroll + model.room);
    let heading = format!(
        "{} bytes as {name} (m: another form), lines {} to {shown} of {}",
        job.length,
        model.scroll + 1,
        lines.len()
    );
    let lines = lines.into_iter().skip(model.scroll).take(model.room).map(Line::from);
    let all: Vec<_> = std::iter::once(Line::from(heading).bold()).chain(lines).collect();
    frame.render_widget(Paragraph::new(all), area);
}

/// Its own lines, broken where they are too long; what could disturb a terminal is escaped.
fn text(body: &[u8], width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in body.split(|byte| *byte == b'\n') {
        let line = printable(line.strip_suffix(b"\r").unwrap_or(line));
        let mut rest = line.chars().peekable();
        loop {
            lines.push(rest.by_ref().take(width).collect());
            if rest.peek().is_none() {
                break;
            }
        }
    }
    lines
}

fn hex(body: &[u8]) -> Vec<String> {
    body.chunks(HEX)
        .enumerate()
        .map(|(row, bytes)| {
            let mut line = format!("{:08x} ", row * HEX);
            for at in 0..HEX {
                if at % 8 == 0 {
                    line.push(' ');
                }
                let _ = match bytes.get(at) {
                    Some(byte) => write!(line, "{byte:02x} "),
                    None => write!(line, "   "),
                };
            }
            line.push(' ');
            line.extend(bytes.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }));
            line
        })
        .collect()
}
