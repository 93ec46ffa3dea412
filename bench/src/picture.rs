//! Bars, as an SVG that a browser shows on a light or a dark page.

use crate::report::thousands;

/// One bar.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: f64,
    pub(crate) ours: bool,
}

const WIDTH: f64 = 860.0;
const LABELS: f64 = 330.0;
const FIGURES: f64 = 90.0;
const ROW: f64 = 26.0;
const TOP: f64 = 70.0;

/// Horizontal bars in the order given, each with its figure; ours are filled darker.
pub(crate) fn bars(title: &str, subtitle: &str, bars: &[Bar]) -> String {
    let height = TOP + ROW * bars.len() as f64 + 20.0;
    let longest = bars.iter().map(|bar| bar.value).fold(1.0, f64::max);
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif" font-size="14" role="img">
<title>{title}; {subtitle}</title>
<rect width="100%" height="100%" rx="8" fill="#ffffff"/>
<text x="20" y="30" font-size="18" font-weight="600" fill="#1f2328">{title}</text>
<text x="20" y="52" fill="#59636e">{subtitle}</text>
"##,
        title = escape(title),
        subtitle = escape(subtitle),
    );
    for (at, bar) in bars.iter().enumerate() {
        let y = TOP + ROW * at as f64;
        let width = (WIDTH - LABELS - FIGURES - 20.0) * bar.value / longest;
        let (fill, weight) = if bar.ours { ("#0b6e4f", "600") } else { ("#b8c2cc", "400") };
        let (text, base, end) = (escape(&bar.label), y + 16.0, LABELS + width + 8.0);
        svg += &format!(
            r##"<text x="{x}" y="{base}" text-anchor="end" font-weight="{weight}" fill="#1f2328">{text}</text>
<rect x="{LABELS}" y="{top}" width="{width:.1}" height="18" rx="3" fill="{fill}"/>
<text x="{end:.1}" y="{base}" fill="#1f2328">{value}</text>
"##,
            x = LABELS - 10.0,
            top = y + 2.0,
            value = thousands(bar.value),
        );
    }
    svg + "</svg>\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
