//! Draws the model; at 80 by 24 everything is there, and what is wider gets sparklines.

mod body;
mod keys;
mod tables;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Style, Stylize},
    text::{Line, Span},
};

use super::model::{Ask, Level, Model, Prompt, Rate, Server};
use crate::output::span;

/// Of bars from the lowest to the highest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(super) fn draw(model: &mut Model, frame: &mut Frame<'_>) {
    let [head, main, foot] =
        Layout::vertical([Constraint::Length(4), Constraint::Min(2), Constraint::Length(1)]).areas(frame.area());
    draw_head(model, frame, head);
    // One row is the heading.
    model.room = usize::from(main.height.saturating_sub(1));
    match model.level.clone() {
        Level::Servers => tables::servers(model, frame, main),
        Level::Tubes(server) => tables::tubes(model, server, frame, main),
        Level::Jobs(..) => tables::jobs(model, frame, main),
        Level::Body(_, _, job) => body::draw(model, &job, frame, main),
    }
    frame.render_widget(foot_line(model), foot);
    if model.help {
        keys::draw(frame);
    }
}

/// Where one is, and the server in three lines.
fn draw_head(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let Some(server) = model.servers.get(model.about()) else { return };
    let mut title = vec![Span::from("beanstalk top").bold(), "  ".into(), Span::from(server.name.clone()).cyan()];
    match &model.level {
        Level::Servers => title.truncate(1),
        Level::Tubes(_) => {}
        Level::Jobs(_, tube) => {
            title.push(format!(" › {tube}  ").into());
            title.push(model.listing.progress().dim());
        }
        Level::Body(_, tube, job) => title.push(format!(" › {tube} › job {}", job.id).into()),
    }
    if model.read_only {
        title.push("  read-only".yellow());
    }
    let lines = if model.level == Level::Servers {
        let up = model.servers.iter().filter(|server| server.is_up()).count();
        vec![Line::from(title), Line::from(format!("{up} of {} servers answer", model.servers.len()))]
    } else {
        vec![Line::from(title), state(server), counts(server), rates(server, area.width)]
    };
    for (line, row) in lines.into_iter().zip(area.rows()) {
        frame.render_widget(line, row);
    }
}

fn state(server: &Server) -> Line<'_> {
    let mut line = match (&server.down, &server.stats.version) {
        (Some(reason), _) => vec!["DOWN ".red().bold(), Span::from(reason.as_str())],
        (None, None) => vec!["connecting".dim()],
        (None, Some(version)) => {
            let uptime = span(server.stats.uptime.unwrap_or_default().as_secs());
            let mut up = vec!["up ".green(), format!("{uptime}  beanstalkd {version}").into()];
            if server.stats.draining == Some(true) {
                up.push("  DRAINING".yellow().bold());
            }
            up
        }
    };
    if server.restarts > 0 {
        line.push(format!("  restarted {}×", server.restarts).yellow());
    }
    Line::from(line)
}

fn counts(server: &Server) -> Line<'_> {
    let stats = &server.stats;
    let mut line = Vec::new();
    for (name, count, color) in [
        ("ready", stats.current_jobs_ready, Color::Reset),
        ("urgent", stats.current_jobs_urgent, Color::Yellow),
        ("reserved", stats.current_jobs_reserved, Color::Reset),
        ("delayed", stats.current_jobs_delayed, Color::Reset),
        ("buried", stats.current_jobs_buried, Color::Red),
        ("waiting", stats.current_waiting, Color::Reset),
    ] {
        let style = if count.unwrap_or(0) == 0 { Style::new().dim() } else { Style::new().fg(color) };
        line.push(Span::styled(format!("{name} {}  ", number(count)), style));
    }
    line.push(format!("tubes {}  ", number(stats.current_tubes)).dim());
    Line::from(line)
}

fn rates(server: &Server, width: u16) -> Line<'_> {
    // Two of them, with what is written around.
    let width = usize::from(width.saturating_sub(34) / 2).min(super::model::HISTORY);
    Line::from(vec![
        format!("put/s {:>6} ", rate(server.puts.now)).into(),
        spark(&server.puts, width).green(),
        format!("  delete/s {:>6} ", rate(server.deletes.now)).into(),
        spark(&server.deletes, width).blue(),
    ])
}

fn foot_line(model: &Model) -> Line<'_> {
    match (&model.prompt, &model.notice) {
        (Some(Prompt::Filter), _) => Line::from(vec!["/".bold(), model.filter.as_str().into(), "▏".into()]),
        (Some(Prompt::Input { ask, text }), None) => {
            let label = match ask {
                Ask::Kick => "kick how many jobs: ",
                Ask::Pause => "pause for (0 ends a pause): ",
                Ask::Put => "body of the new job: ",
            };
            Line::from(vec![label.bold(), text.as_str().into(), "▏".into()])
        }
        (Some(Prompt::Confirm { question, .. }), _) => {
            Line::from(vec![format!("{question}? ").yellow().bold(), "y / n".into()])
        }
        (_, Some((text, true))) => Line::from(text.as_str().red()),
        (_, Some((text, false))) => Line::from(text.as_str().green()),
        (None, None) => Line::from(keys::short(model).dim()),
    }
}

impl Server {
    pub(super) fn is_up(&self) -> bool {
        self.down.is_none() && self.stats.version.is_some()
    }
}

/// In five characters at most.
#[allow(clippy::cast_precision_loss, reason = "it is shortened")]
fn number(number: Option<u64>) -> String {
    match number {
        None => "-".into(),
        Some(number @ ..=99_999) => number.to_string(),
        Some(number @ ..=9_999_999) => format!("{}k", number / 1000),
        Some(number @ ..=9_999_999_999) => format!("{}M", number / 1_000_000),
        Some(number) => format!("{}G", number / 1_000_000_000),
    }
}

/// In five characters at most.
fn rate(rate: Option<f64>) -> String {
    match rate {
        None => "-".into(),
        Some(rate) if rate < 0.05 => "0".into(),
        Some(rate) if rate < 100.0 => format!("{rate:.1}"),
        Some(rate) if rate < 100_000.0 => format!("{rate:.0}"),
        Some(rate) => format!("{:.0}k", rate / 1000.0),
    }
}

/// The last so many rates, as bars of which the highest is full.
fn spark(rate: &Rate, width: usize) -> String {
    let highest = rate.history.iter().copied().max().unwrap_or(0).max(1);
    let last = rate.history.iter().skip(rate.history.len().saturating_sub(width));
    let mut bars: String = last
        .map(|value| {
            let bar = usize::try_from(value.saturating_mul(7).div_ceil(highest)).unwrap_or(7);
            BARS.get(bar).copied().unwrap_or('█')
        })
        .collect();
    let drawn = bars.chars().count();
    bars.insert_str(0, &" ".repeat(width.saturating_sub(drawn)));
    bars
}
