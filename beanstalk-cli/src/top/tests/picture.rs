//! A frame as SVG, for the README.

use std::{env, fmt::Write, fs, path::Path};

use ratatui::{
    buffer::{Buffer, Cell},
    style::{Color, Modifier},
};

use super::{drawn, opened, press};

const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 18.0;
const MARGIN: f64 = 14.0;
const PAPER: &str = "#16181d";
const INK: &str = "#d7dae0";

/// The picture shows what the program draws now.
#[test]
fn picture() {
    let mut model = opened();
    press(&mut model, "↓");
    let svg = svg(&drawn(&mut model, 110, 14));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("pictures/top.svg");
    if env::var_os("UPDATE_PICTURE").is_some() {
        fs::write(&path, &svg).expect("there is room");
    }
    let there = fs::read_to_string(&path).expect("it is there");
    assert!(there == svg, "{} is out of date: UPDATE_PICTURE=1 cargo test picture", path.display());
}

fn svg(buffer: &Buffer) -> String {
    let (columns, rows) = (f64::from(buffer.area.width), f64::from(buffer.area.height));
    let (width, height) = (columns * WIDTH + 2.0 * MARGIN, rows * HEIGHT + 2.0 * MARGIN);
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14" role="img">
<title>beanstalk top: the tubes of a server, with counts, rates and sparklines</title>
<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>
"#
    );
    for (y, row) in (0_u32..).zip(buffer.content().chunks(usize::from(buffer.area.width))) {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a.style() == b.style()) {
            draw(&mut svg, run, f64::from(x), f64::from(y));
            x += u32::try_from(run.len()).expect("a row is short");
        }
    }
    svg + "</svg>\n"
}

/// Cells of one style.
fn draw(svg: &mut String, run: &[Cell], x: f64, y: f64) {
    let cell = &run[0];
    let text: String = run.iter().map(Cell::symbol).collect();
    let reversed = cell.modifier.contains(Modifier::REVERSED);
    let (mut ink, mut paper) = (color(cell.fg, INK), color(cell.bg, PAPER));
    if reversed {
        (ink, paper) = (paper, ink);
    }
    let (left, top) = (MARGIN + x * WIDTH, MARGIN + y * HEIGHT);
    let width = run.len() as f64 * WIDTH;
    if paper != PAPER {
        let _ =
            writeln!(svg, r#"<rect x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{HEIGHT}" fill="{paper}"/>"#);
    }
    // Spaces at either end take room, and no renderer agrees with another on what they are within a text.
    let start = text.len() - text.trim_start().len();
    let text = text.trim();
    if text.is_empty() {
        return;
    }
    let (left, width) = (left + start as f64 * WIDTH, text.chars().count() as f64 * WIDTH);
    let mut style = String::new();
    if cell.modifier.contains(Modifier::BOLD) {
        style += r#" font-weight="600""#;
    }
    if cell.modifier.contains(Modifier::DIM) {
        style += r#" opacity="0.55""#;
    }
    if cell.modifier.contains(Modifier::UNDERLINED) {
        style += r#" text-decoration="underline""#;
    }
    let (base, text) = (top + 13.5, text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
    let _ = writeln!(
        svg,
        r#"<text x="{left:.1}" y="{base:.1}" textLength="{width:.1}" fill="{ink}" xml:space="preserve"{style}>{text}</text>"#
    );
}

fn color(color: Color, otherwise: &'static str) -> &'static str {
    match color {
        Color::Red => "#f2777a",
        Color::Green => "#99cc99",
        Color::Yellow => "#ffcc66",
        Color::Blue => "#6699cc",
        Color::Magenta => "#cc99cc",
        Color::Cyan => "#66cccc",
        _ => otherwise,
    }
}
