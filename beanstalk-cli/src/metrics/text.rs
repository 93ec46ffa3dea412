//! The text that Prometheus reads, version 0.0.4: all samples of a metric together, below its help and type.

use std::{
    borrow::Cow,
    fmt::{self, Write},
};

use regex::Regex;

use super::{
    Scrape,
    families::{Family, Kind, SERVER, TUBE},
};

/// The content type it is served as.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn render(scrapes: &[Scrape], pattern: Option<&Regex>) -> String {
    let mut out = String::new();
    // Writing to memory does not fail.
    let _ = write(&mut out, scrapes, pattern);
    out
}

fn write(out: &mut String, scrapes: &[Scrape], pattern: Option<&Regex>) -> fmt::Result {
    let servers: Vec<_> =
        scrapes.iter().map(|scrape| (scrape, format!("server=\"{}\"", escape(&scrape.server)))).collect();
    head(out, "beanstalkd_up", Kind::Gauge, "Whether the server answered this scrape.")?;
    for (scrape, labels) in &servers {
        writeln!(out, "beanstalkd_up{{{labels}}} {}", u8::from(scrape.result.is_ok()))?;
    }
    head(out, "beanstalkd_scrape_duration_seconds", Kind::Gauge, "How long asking the server took.")?;
    for (scrape, labels) in &servers {
        writeln!(out, "beanstalkd_scrape_duration_seconds{{{labels}}} {:.6}", scrape.seconds)?;
    }

    let answered: Vec<_> =
        servers.iter().filter_map(|(scrape, labels)| Some((scrape.result.as_ref().ok()?, labels))).collect();
    head(out, "beanstalkd_info", Kind::Gauge, "What the server is; always 1.")?;
    for (overview, labels) in &answered {
        write!(out, "beanstalkd_info{{{labels}")?;
        let stats = &overview.server;
        for (name, value) in [
            ("version", &stats.version),
            ("id", &stats.id),
            ("hostname", &stats.hostname),
            ("platform", &stats.platform),
        ] {
            if let Some(value) = value {
                write!(out, ",{name}=\"{}\"", escape(value))?;
            }
        }
        writeln!(out, "}} 1")?;
    }
    for family in SERVER {
        samples(out, family, answered.iter().map(|(overview, labels)| (&overview.server, labels.as_str())))?;
    }

    let tubes: Vec<_> = answered
        .iter()
        .flat_map(|(overview, labels)| overview.tubes.iter().map(move |tube| (tube, labels)))
        .map(|(tube, server)| {
            let name = tube.name.as_ref().map_or("", |name| name.as_str());
            (tube, format!("{server},tube=\"{}\"{}", escape(name), parts(name, pattern)))
        })
        .collect();
    TUBE.iter().try_for_each(|family| samples(out, family, tubes.iter().map(|(tube, labels)| (*tube, labels.as_str()))))
}

fn head(out: &mut String, name: &str, kind: Kind, help: &str) -> fmt::Result {
    let kind = if kind == Kind::Counter { "counter" } else { "gauge" };
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

fn samples<'a, T: 'a>(
    out: &mut String,
    family: &Family<T>,
    things: impl Iterator<Item = (&'a T, &'a str)>,
) -> fmt::Result {
    head(out, family.name, family.kind, family.help)?;
    for (stats, labels) in things {
        for (label, value) in family.samples {
            // Older servers send less.
            if let Some(value) = value(stats) {
                let comma = if label.is_empty() { "" } else { "," };
                writeln!(out, "{}{{{labels}{comma}{label}}} {value}", family.name)?;
            }
        }
    }
    Ok(())
}

/// The labels that the pattern's groups make of a tube's name.
fn parts(name: &str, pattern: Option<&Regex>) -> String {
    let Some((pattern, found)) = pattern.and_then(|pattern| Some((pattern, pattern.captures(name)?))) else {
        return String::new();
    };
    let mut labels = String::new();
    for group in pattern.capture_names().flatten() {
        if let Some(part) = found.name(group) {
            let _ = write!(labels, ",{group}=\"{}\"", escape(part.as_str()));
        }
    }
    labels
}

fn escape(value: &str) -> Cow<'_, str> {
    if value.contains(['\\', '"', '\n']) {
        value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").into()
    } else {
        value.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        exit::{Exit, Failure},
        overview::Overview,
    };
    use beanstalk_sync::{TubeName, stats::TubeStats};

    fn tube(name: &str) -> TubeStats {
        let name = TubeName::new(name).expect("it is a tube name");
        TubeStats { name: Some(name), current_jobs_ready: Some(3), ..TubeStats::default() }
    }

    #[test]
    fn groups_of_the_pattern_are_labels_and_a_name_that_does_not_match_has_none() {
        let overview = Overview { tubes: vec![tube("shop.mails"), tube("other")], ..Overview::default() };
        let up = Scrape { server: "a\"b".into(), seconds: 0.5, result: Ok(overview) };
        let down = Scrape { server: "c".into(), seconds: 5.0, result: Err(Failure::new(Exit::Unreachable, "gone")) };
        let pattern = Regex::new(r"^(?<app>\w+)\.(?<queue>\w+)$").expect("a pattern");
        let text = render(&[up, down], Some(&pattern));
        for line in [
            r#"beanstalkd_up{server="a\"b"} 1"#,
            r#"beanstalkd_up{server="c"} 0"#,
            r#"beanstalkd_scrape_duration_seconds{server="c"} 5.000000"#,
            r#"beanstalkd_tube_jobs{server="a\"b",tube="shop.mails",app="shop",queue="mails",state="ready"} 3"#,
            r#"beanstalkd_tube_jobs{server="a\"b",tube="other",state="ready"} 3"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert!(!text.contains("server=\"c\",tube"), "nothing is known of a server that is down");
    }

    #[test]
    fn each_metric_is_described_once_and_named_for_its_kind() {
        let text = render(&[], None);
        let mut names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        assert!(names.iter().all(|name| name.ends_with("_total counter") || name.ends_with(" gauge")), "{names:?}");
        let count = names.len();
        names.dedup();
        assert!(names.len() == count && count > 20);
    }
}
