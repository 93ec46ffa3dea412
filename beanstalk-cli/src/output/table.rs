//! Aligned columns for people.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use anstyle::{AnsiColor, Style};

use super::{Row, Value};

const HEADING: Style = Style::new().bold();
const NAME: Style = Style::new().dimmed();
const GAP: usize = 2;

/// A line for each field: its name and its value.
pub(super) fn fields(out: &mut impl Write, row: &Row, colour: bool) -> io::Result<()> {
    let width = row.fields().iter().map(|(name, _)| name.len()).max().unwrap_or(0) + GAP;
    for (name, value) in row.fields() {
        styled(out, name, width, if colour { NAME } else { Style::new() })?;
        styled(out, &value.shown(), 0, style_of(name, value, colour))?;
        writeln!(out)?;
    }
    Ok(())
}

/// A heading and a line for each row; numbers to the right. What does not fit into memory at once is printed in parts, of which a later one
/// makes columns wider where it has to.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// How wide each is, and whether there are numbers in it. Empty before the heading.
    widths: Vec<usize>,
    right: Vec<bool>,
}

impl Columns {
    pub(super) fn print(
        &mut self,
        out: &mut impl Write,
        columns: &[&str],
        rows: &[Row],
        colour: bool,
    ) -> io::Result<()> {
        let cells: Vec<Vec<(Cow<'_, str>, &Value)>> = rows
            .iter()
            .map(|row| columns.iter().map(|column| row.get(column)).map(|value| (value.shown(), value)).collect())
            .collect();
        let begins = self.widths.is_empty();
        if begins {
            self.widths = columns.iter().map(|column| column.len()).collect();
            self.right = vec![false; columns.len()];
        }
        for row in &cells {
            for ((text, value), (widest, right)) in row.iter().zip(self.widths.iter_mut().zip(&mut self.right)) {
                *widest = width(text).max(*widest);
                *right |= value.is_number();
            }
        }
        if begins {
            let heading = if colour { HEADING } else { Style::new() };
            line(out, columns.iter().map(|column| (*column, heading)), &self.widths, &self.right)?;
        }
        for row in &cells {
            let row = row.iter().zip(columns).map(|((text, value), column)| (&**text, style_of(column, value, colour)));
            line(out, row, &self.widths, &self.right)?;
        }
        Ok(())
    }
}

fn line<'a>(
    out: &mut impl Write,
    cells: impl ExactSizeIterator<Item = (&'a str, Style)>,
    widths: &[usize],
    right: &[bool],
) -> io::Result<()> {
    let last = cells.len().saturating_sub(1);
    for (at, ((text, style), (&column, &right))) in cells.zip(widths.iter().zip(right)).enumerate() {
        let padding = column - width(text).min(column);
        if right {
            write!(out, "{:padding$}", "")?;
        }
        // Nothing behind the last word of a line.
        let behind = if at == last { 0 } else { GAP + if right { 0 } else { padding } };
        styled(out, text, 0, style)?;
        write!(out, "{:behind$}", "")?;
    }
    writeln!(out)
}

fn styled(out: &mut impl Write, text: &str, width: usize, style: Style) -> io::Result<()> {
    let padding = width.saturating_sub(self::width(text));
    write!(out, "{style}{text}{style:#}{:padding$}", "")
}

/// Jobs that wait to be looked at stand out; what is zero or missing does not.
fn style_of(name: &str, value: &Value, colour: bool) -> Style {
    let color = |color: AnsiColor| Style::new().fg_color(Some(color.into()));
    match (name, value) {
        _ if !colour => Style::new(),
        (_, Value::None | Value::Count(0) | Value::Seconds(0) | Value::Flag(false)) => NAME,
        ("buried" | "current-jobs-buried", _) => color(AnsiColor::Red),
        ("urgent" | "current-jobs-urgent", _) => color(AnsiColor::Yellow),
        ("paused" | "pause", _) => color(AnsiColor::Magenta),
        ("state", Value::Text(state)) if state == "buried" => color(AnsiColor::Red),
        _ => Style::new(),
    }
}

/// In characters: bodies are the last column, so that wide ones disturb nothing.
fn width(text: &str) -> usize {
    text.chars().count()
}
