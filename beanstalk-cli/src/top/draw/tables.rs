//! The tables: servers, the tubes of one, the jobs of a tube.

use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    style::{Color, Modifier, Style, Stylize},
    text::{Line, Span, Text},
    widgets::{Row, Table},
};

use super::{number, rate, spark};
use crate::{
    output::{printable, span},
    top::{
        listing::Job,
        model::{Model, Server, Sort, Tube},
    },
};

const SELECTED: Style = Style::new().add_modifier(Modifier::REVERSED);
const HEADING: Style = Style::new().add_modifier(Modifier::BOLD);
/// From here on there is room for sparklines.
const WIDE: u16 = 104;

type Cell = Text<'static>;

fn right(text: String, style: Style) -> Cell {
    Text::from(Line::from(text).right_aligned()).style(style)
}

/// What is nothing fades; the rest has this colour.
fn count(value: Option<u64>, color: Color) -> Cell {
    let style = if value.unwrap_or(0) == 0 { Style::new().dim() } else { Style::new().fg(color) };
    right(number(value), style)
}

pub(super) fn servers(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let from = model.window(model.server, model.servers.len());
    let rows = model.servers.iter().enumerate().skip(from).take(model.room).map(|(at, server)| {
        let row = Row::new(server_cells(server));
        if at == model.server { row.style(SELECTED) } else { row }
    });
    let mut heading = vec![Text::from("SERVER"), Text::from("STATE")];
    heading.extend(
        ["READY", "URG", "RESV", "DELAY", "BURIED", "WAIT", "PUT/S", "DEL/S"].map(|name| right(name.into(), HEADING)),
    );
    let widths = [Constraint::Min(14), Constraint::Length(10)]
        .into_iter()
        .chain([5, 5, 5, 5, 6, 5, 5, 5].map(Constraint::Length));
    frame.render_widget(Table::new(rows, widths).header(Row::new(heading).style(HEADING)), area);
}

fn server_cells(server: &Server) -> Vec<Cell> {
    let stats = &server.stats;
    let state = match (&server.down, server.is_up()) {
        (Some(_), _) => Text::from("DOWN").style(Style::new().fg(Color::Red).bold()),
        (None, false) => Text::from("connecting").style(Style::new().dim()),
        (None, true) if server.restarts > 0 => {
            Text::from(format!("restarted{}", server.restarts)).style(Style::new().fg(Color::Yellow))
        }
        (None, true) => {
            Text::from(span(stats.uptime.unwrap_or_default().as_secs())).style(Style::new().fg(Color::Green))
        }
    };
    vec![
        Text::from(server.name.clone()),
        state,
        count(stats.current_jobs_ready, Color::Reset),
        count(stats.current_jobs_urgent, Color::Yellow),
        count(stats.current_jobs_reserved, Color::Reset),
        count(stats.current_jobs_delayed, Color::Reset),
        count(stats.current_jobs_buried, Color::Red),
        count(stats.current_waiting, Color::Reset),
        right(rate(server.puts.now), Style::new()),
        right(rate(server.deletes.now), Style::new()),
    ]
}

pub(super) fn tubes(model: &Model, server: usize, frame: &mut Frame<'_>, area: Rect) {
    let tubes = model.tubes(server);
    let cursor = model.cursor(&tubes);
    let (from, wide) = (model.window(cursor, tubes.len()), area.width >= WIDE);
    let rows = tubes.iter().enumerate().skip(from).take(model.room).map(|(at, tube)| {
        let row = Row::new(tube_cells(tube, wide));
        if at == cursor { row.style(SELECTED) } else { row }
    });
    let names = ["TUBE", "READY", "URG", "RESV", "DELAY", "BURIED", "WAIT", "PUT/S", "DEL/S", "OLDEST", "PAUSED"];
    let mut heading: Vec<Cell> = names
        .iter()
        .zip(Sort::ALL)
        .map(|(name, sort)| {
            // The column that it is sorted by is underlined; a name has room for more.
            let style = if sort == model.sort { HEADING.underlined() } else { HEADING };
            if sort != Sort::Name {
                return right((*name).to_owned(), style);
            }
            let filter = if model.filter.is_empty() { String::new() } else { format!(" /{}", model.filter) };
            Text::from(Line::from(vec![Span::styled((*name).to_owned(), style), filter.cyan()]))
        })
        .collect();
    let mut widths = vec![Constraint::Min(13)];
    widths.extend([5, 5, 5, 5, 6, 5, 5, 5, 6, 6].map(Constraint::Length));
    if wide {
        heading.push(Text::from("PUTS").style(HEADING));
        widths.push(Constraint::Length(20));
    }
    frame.render_widget(Table::new(rows, widths).header(Row::new(heading)), area);
}

fn tube_cells(tube: &Tube, wide: bool) -> Vec<Cell> {
    let stats = &tube.stats;
    let optional = |time: Option<std::time::Duration>, color| match time {
        Some(time) => right(span(time.as_secs()), Style::new().fg(color)),
        None => right("-".into(), Style::new().dim()),
    };
    let mut cells = vec![
        Text::from(tube.name().to_owned()),
        count(stats.current_jobs_ready, Color::Reset),
        count(stats.current_jobs_urgent, Color::Yellow),
        count(stats.current_jobs_reserved, Color::Reset),
        count(stats.current_jobs_delayed, Color::Reset),
        count(stats.current_jobs_buried, Color::Red),
        count(stats.current_waiting, Color::Reset),
        right(rate(tube.puts.now), Style::new()),
        right(rate(tube.deletes.now), Style::new()),
        optional(tube.oldest, Color::Reset),
        optional(tube.paused(), Color::Magenta),
    ];
    if wide {
        cells.push(Text::from(spark(&tube.puts, 20)).style(Style::new().fg(Color::Green)));
    }
    cells
}

pub(super) fn jobs(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let jobs = model.listing.rows();
    let cursor = model.listing.cursor(&jobs);
    let from = model.window(cursor, jobs.len());
    let rows = jobs.iter().enumerate().skip(from).take(model.room).map(|(at, job)| {
        let text = |value: Option<String>| right(value.unwrap_or_else(|| "-".into()), Style::new());
        let row = Row::new(vec![
            right(job.id.to_string(), Style::new()),
            Text::from(job.state.clone()).style(state(job, model.listing.is_head(job.id))),
            text(job.priority.map(|priority| priority.to_string())),
            text(job.age.map(|age| span(age.as_secs()))),
            text(job.left.filter(|left| !left.is_zero()).map(|left| span(left.as_secs()))),
            text(job.reserves.map(|reserves| reserves.to_string())),
            right(number(Some(job.length as u64)), Style::new()),
            Text::from(printable(&job.body)),
        ]);
        if at == cursor { row.style(SELECTED) } else { row }
    });
    let heading = vec![
        right("ID".into(), HEADING),
        Text::from("STATE"),
        right("PRI".into(), HEADING),
        right("AGE".into(), HEADING),
        right("LEFT".into(), HEADING),
        right("RESV".into(), HEADING),
        right("BYTES".into(), HEADING),
        Text::from("BODY"),
    ];
    let widths =
        [8, 8, 6, 6, 6, 4, 5].map(Constraint::Length).into_iter().chain([Constraint::Min(10)]).collect::<Vec<_>>();
    frame.render_widget(Table::new(rows, widths).header(Row::new(heading).style(HEADING)), area);
}

/// Those next in line are bold.
fn state(job: &Job, is_head: bool) -> Style {
    let style = if job.state == "buried" { Style::new().fg(Color::Red) } else { Style::new() };
    if is_head { style.bold() } else { style }
}
