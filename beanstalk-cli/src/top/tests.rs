//! The live view on a terminal of memory: what is drawn is held in `snapshots`, and the picture of the README is made of it.
//!
//! `SNAPSHOTS=overwrite cargo test top` writes what is drawn now into them, and `UPDATE_PICTURE=1 cargo test picture` the picture.

mod picture;

use std::{env, fs, path::Path, time::Duration};

use beanstalk_sync::{
    JobId, Priority, TubeName,
    stats::{JobStats, ServerStats, TubeStats},
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::{Buffer, Cell},
};

use super::{
    draw,
    listing::{Job, Page, Seen},
    model::{Action, Level, Model, Prompt, Sample, Sort},
    update::Effect,
};
use crate::overview::Overview;

fn name(name: &str) -> TubeName {
    TubeName::new(name).expect("it is a tube name")
}

/// A tube: ready, urgent, reserved, delayed, buried, waiting; jobs put and deleted.
fn tube(of: &str, [ready, urgent, reserved, delayed, buried, waiting, total, deleted]: [u64; 8]) -> TubeStats {
    TubeStats {
        name: Some(name(of)),
        current_jobs_ready: Some(ready),
        current_jobs_urgent: Some(urgent),
        current_jobs_reserved: Some(reserved),
        current_jobs_delayed: Some(delayed),
        current_jobs_buried: Some(buried),
        current_waiting: Some(waiting),
        total_jobs: Some(total),
        cmd_delete: Some(deleted),
        pause: Some(Duration::ZERO),
        ..TubeStats::default()
    }
}

fn server(id: &str, tubes: &[TubeStats]) -> ServerStats {
    let sum = |of: fn(&TubeStats) -> Option<u64>| Some(tubes.iter().filter_map(of).sum());
    ServerStats {
        id: Some(id.into()),
        version: Some("1.12".into()),
        uptime: Some(Duration::from_secs(11_400)),
        current_jobs_ready: sum(|tube| tube.current_jobs_ready),
        current_jobs_urgent: sum(|tube| tube.current_jobs_urgent),
        current_jobs_reserved: sum(|tube| tube.current_jobs_reserved),
        current_jobs_delayed: sum(|tube| tube.current_jobs_delayed),
        current_jobs_buried: sum(|tube| tube.current_jobs_buried),
        current_waiting: sum(|tube| tube.current_waiting),
        total_jobs: sum(|tube| tube.total_jobs),
        cmd_delete: sum(|tube| tube.cmd_delete),
        current_tubes: Some(tubes.len() as u64),
        ..ServerStats::default()
    }
}

fn sample(id: &str, tubes: Vec<TubeStats>) -> Sample {
    Sample { overview: Overview { server: server(id, &tubes), tubes }, ..Sample::default() }
}

/// Some tubes of a shop, so many seconds after its opening.
fn shop(second: u64) -> Sample {
    // What has come so far, at a speed that goes up and down.
    let wave =
        |size: u64, phase: u64| (0..second).map(|at| size + (at + phase) * (at + phase) % 13 * size / 9).sum::<u64>();
    let mut paused = tube("reports", [3, 0, 0, 240, 0, 0, 1200, 957]);
    (paused.pause, paused.pause_time_left) = (Some(Duration::from_secs(600)), Some(Duration::from_secs(512 - second)));
    let mut sample = sample(
        "a1",
        vec![
            tube("default", [0, 0, 0, 0, 0, 0, 0, 0]),
            tube("images.resize", [1834 + second * 3, 12, 8, 0, 4, 0, 90_000 + wave(60, 3), 88_000 + wave(57, 2)]),
            tube("invoices", [17, 17, 2, 31, 0, 1, 4100 + wave(2, 0), 4050 + wave(2, 1)]),
            tube("mails", [240 + second, 0, 6, 3, 27, 0, 1_240_000 + wave(35, 1), 1_239_000 + wave(34, 5)]),
            paused,
            tube("search.index", [0, 0, 4, 0, 0, 12, 350_000 + wave(120, 4), 349_996 + wave(120, 4)]),
        ],
    );
    sample.ages = vec![
        (name("images.resize"), Some(Duration::from_secs(94 + second))),
        (name("mails"), Some(Duration::from_secs(7))),
        (name("invoices"), Some(Duration::from_secs(1))),
        (name("reports"), Some(Duration::from_secs(4000))),
    ];
    sample
}

fn opened() -> Model {
    let mut model = Model::new(["queue-1:11300".to_owned()], false);
    for second in 0..40 {
        model.sampled(0, Duration::from_secs(second), Ok(shop(second)));
    }
    model
}

fn drawn(model: &mut Model, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory is a terminal");
    terminal.draw(|frame| draw::draw(model, frame)).expect("memory takes everything");
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let rows = buffer.content().chunks(usize::from(buffer.area.width));
    rows.map(|row| row.iter().map(Cell::symbol).collect::<String>().trim_end().to_owned() + "\n").collect()
}

/// At 80 by 24, as over the poorest connection.
fn shown(model: &mut Model) -> String {
    text(&drawn(model, 80, 24))
}

fn press(model: &mut Model, keys: &str) -> Effect {
    let mut effect = Effect::None;
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            '\u{8}' => KeyCode::Backspace,
            '↓' => KeyCode::Down,
            other => KeyCode::Char(other),
        };
        effect = model.key(KeyEvent::new(code, KeyModifiers::NONE));
    }
    effect
}

fn stats(state: &str) -> JobStats {
    JobStats {
        state: Some(state.into()),
        pri: Some(Priority(1024)),
        age: Some(Duration::from_secs(94)),
        reserves: Some(1),
        ..JobStats::default()
    }
}

fn job(id: u64, state: &str, body: &[u8]) -> Job {
    Job::new(JobId(id), &stats(state), body.to_vec())
}

fn inside(body: &[u8]) -> Model {
    let mut model = opened();
    press(&mut model, "↓\n");
    model.sampled(0, Duration::from_secs(41), Ok(shop(41)));
    let heads = vec![job(812, "ready", body), job(77, "buried", b"\xff\x00not text")];
    model.looked(0, &name("images.resize"), Seen { heads, ..Seen::default() });
    model
}

/// A page of jobs, one to ten ids.
fn page(from: u64, jobs: u64, end: u64) -> Seen {
    let next = JobId(from + jobs * 10);
    let jobs = (0..jobs).map(|n| job(from + n * 10, "delayed", format!("body {}", from + n * 10).as_bytes()));
    let heads = vec![job(11, "ready", b"first")];
    let page = Page { from: JobId(from), jobs: jobs.collect(), next, end: JobId(end) };
    Seen { heads, page: Some(page), ..Seen::default() }
}

#[track_caller]
fn snapshot(name: &str, drawn: String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/top/snapshots").join(name).with_extension("txt");
    if env::var_os("SNAPSHOTS").is_some_and(|what| what == "overwrite") {
        fs::write(&path, &drawn).expect("there is room");
    }
    let held = fs::read_to_string(&path).unwrap_or_default();
    assert!(held == drawn, "{} holds\n{held}\nand this was drawn\n{drawn}", path.display());
}

#[test]
fn the_tubes_of_a_server() {
    let mut model = opened();
    snapshot("tubes", shown(&mut model));
    snapshot("wide", text(&drawn(&mut model, 130, 20)));
}

#[test]
fn sorted_and_filtered() {
    let mut model = opened();
    press(&mut model, "sssss");
    assert_eq!(model.sort, Sort::Buried);
    assert_eq!(model.tubes(0).first().map(|tube| tube.name()), Some("mails"), "the most buried");
    press(&mut model, "/.\n");
    snapshot("filtered", shown(&mut model));
    press(&mut model, "\u{1b}");
    assert_eq!(model.tubes(0).len(), 6, "Esc shows all again");
}

#[test]
fn jobs_and_bodies_in_each_form() {
    let mut model = inside(br#"{"to":"alice","tries":[1,2],"text":"\u001b[31mred"}"#);
    snapshot("jobs", shown(&mut model));
    press(&mut model, "\n");
    snapshot("text", shown(&mut model));
    press(&mut model, "m");
    snapshot("json", shown(&mut model));
    press(&mut model, "m");
    snapshot("hex", shown(&mut model));
    press(&mut model, "m\u{1b}↓\nm");
    assert!(shown(&mut model).contains("it is not JSON"));
    press(&mut model, "\u{1b}\u{1b}");
    assert_eq!(model.level, Level::Tubes(0));
}

/// The scan that is to be gone on with.
fn wanted(model: &Model) -> Option<(JobId, Option<JobId>)> {
    model.wants(0).1.expect("a tube is looked into").page
}

#[test]
fn all_jobs_of_a_tube_are_listed_as_far_as_one_scrolls() {
    let mut model = opened();
    press(&mut model, "↓\n");
    assert_eq!(wanted(&model), Some((JobId(1), None)));
    shown(&mut model);
    let tube = name("images.resize");
    model.looked(0, &tube, page(1, 20, 1000));
    assert_eq!(wanted(&model), Some((JobId(201), Some(JobId(1000)))), "less than two screens");
    model.looked(0, &tube, page(1, 20, 1000));
    assert_eq!(wanted(&model), Some((JobId(201), Some(JobId(1000)))), "a page that is here already changes nothing");
    model.looked(0, &tube, page(201, 40, 1000));
    assert_eq!(wanted(&model), None, "enough, until one scrolls");
    snapshot("listed", shown(&mut model));

    press(&mut model, "G");
    assert_eq!(wanted(&model), Some((JobId(601), Some(JobId(1000)))));
    assert!(shown(&mut model).contains("body 591"));
    model.looked(0, &tube, page(601, 40, 1000));
    assert_eq!(wanted(&model), None, "all ids were looked at");
    assert!(shown(&mut model).contains("› images.resize  100 jobs\n"));

    // What is shown is looked at again: it changes, and goes.
    let again = model.wants(0).1.expect("a tube is looked into").again;
    assert!(again.contains(&JobId(591)) && !again.contains(&JobId(1)), "{again:?}");
    let again = vec![(JobId(581), None), (JobId(591), Some(stats("buried")))];
    model.looked(0, &tube, Seen { again, ..Seen::default() });
    let shown = shown(&mut model);
    assert!(shown.contains("591 buried") && !shown.contains("body 581"), "{shown}");
    assert_eq!(press(&mut model, "dy"), Effect::Act(0, Action::Delete(JobId(591))), "the cursor has stayed");
}

#[test]
fn a_long_body_is_read_when_it_is_looked_at() {
    let long = [b'x'; 1000];
    let mut model = inside(b"");
    let tube = name("images.resize");
    model.looked(0, &tube, Seen { heads: vec![job(5, "ready", &long).shortened()], ..Seen::default() });
    press(&mut model, "\n");
    let wanted = model.wants(0).1.expect("a tube is looked into");
    assert_eq!(wanted.whole, Some(JobId(5)));
    assert!(shown(&mut model).contains("1000 bytes as read"));
    model.looked(0, &tube, Seen { whole: Some(job(5, "ready", &long)), ..Seen::default() });
    assert!(shown(&mut model).contains("1000 bytes as text"));
    assert_eq!(model.wants(0).1.expect("a tube is looked into").whole, None);
    model.looked(0, &tube, Seen { again: vec![(JobId(5), None)], ..Seen::default() });
    assert!(shown(&mut model).contains("job 5 is gone"));
}

#[test]
fn a_body_cannot_reach_the_terminal() {
    let mut model = inside(b"\x1b]0;title\x07\x9b31m\ttab");
    for keys in ["", "\n", "m", "m"] {
        press(&mut model, keys);
        let shown = shown(&mut model);
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    }
}

#[test]
fn a_restart_and_an_outage_are_shown_and_rates_begin_anew() {
    let mut model = opened();
    assert!(model.servers[0].puts.now.is_some_and(|rate| rate > 100.0));
    model.sampled(0, Duration::from_secs(41), Err("connect queue-1:11300: connection refused".into()));
    snapshot("down", shown(&mut model));
    let mut after = shop(0);
    after.overview.server.id = Some("b2".into());
    model.sampled(0, Duration::from_secs(50), Ok(after));
    assert_eq!(model.servers[0].puts.now, None, "a difference over a restart is none");
    snapshot("restarted", shown(&mut model));
}

#[test]
fn several_servers_begin_with_a_table_of_them() {
    let mut model = Model::new(["a:11300".to_owned(), "b:11300".to_owned(), "c:11300".to_owned()], true);
    model.sampled(0, Duration::ZERO, Ok(shop(0)));
    model.sampled(1, Duration::ZERO, Err("connect b:11300: connection refused".into()));
    snapshot("servers", shown(&mut model));
    press(&mut model, "\n");
    assert_eq!(model.level, Level::Tubes(0));
    press(&mut model, "\u{1b}↓\n");
    assert!(shown(&mut model).contains("DOWN connect b:11300: connection refused"));
}

#[test]
fn what_changes_something_is_asked_about_first() {
    let mut model = opened();
    press(&mut model, "↓↓↓");
    press(&mut model, "K");
    assert!(shown(&mut model).contains("kick how many jobs: 27"), "as many as are buried");
    press(&mut model, "\n");
    assert!(shown(&mut model).contains("kick 27 jobs of mails at most? y / n"));
    assert_eq!(press(&mut model, "y"), Effect::Act(0, Action::Kick(name("mails"), 27)));
    for keys in ["K\nn", "K\n\u{1b}", "K\u{1b}y", "p\nq"] {
        assert_eq!(press(&mut model, keys), Effect::None, "{keys:?}");
    }
    assert_eq!(press(&mut model, "p\u{8}\u{8}2h\ny"), Effect::Act(0, Action::Pause(name("mails"), 7200)));
    press(&mut model, "p\u{8}\u{8}soon\n");
    assert!(
        matches!(model.prompt, Some(Prompt::Input { .. })) && model.notice.as_ref().is_some_and(|(_, error)| *error)
    );
    press(&mut model, "\u{1b}");
    assert_eq!(press(&mut model, "ihello y\ny"), Effect::Act(0, Action::Put(name("mails"), "hello y".into())));
    // Of a paused one the pause is ended.
    press(&mut model, "↓");
    assert_eq!(press(&mut model, "p\ny"), Effect::Act(0, Action::Pause(name("reports"), 0)));

    let mut model = inside(b"x");
    assert_eq!(press(&mut model, "dy"), Effect::Act(0, Action::Delete(JobId(812))));
    assert_eq!(press(&mut model, "by"), Effect::Act(0, Action::Bury(JobId(812))));
    assert_eq!(press(&mut model, "↓Ky"), Effect::Act(0, Action::KickJob(JobId(77))));
    assert_eq!(press(&mut model, "\nq"), Effect::Quit);
}

#[test]
fn read_only_asks_for_nothing() {
    let mut model = opened();
    model.read_only = true;
    for key in ["K", "p", "i", "d", "b"] {
        press(&mut model, key);
        assert_eq!(model.prompt, None, "{key}");
        assert!(shown(&mut model).contains("--read-only forbids it"));
    }
}

#[test]
fn the_cursor_stays_on_its_tube_when_the_order_changes() {
    let mut model = opened();
    press(&mut model, "↓↓↓");
    assert_eq!(model.selected(), Some(name("mails")));
    press(&mut model, "s");
    assert_eq!(model.selected(), Some(name("mails")));
    let tubes = model.tubes(0);
    assert_eq!(model.cursor(&tubes), 1, "in another place");
}

#[test]
fn ten_thousand_tubes_are_drawn_as_a_window_around_the_cursor() {
    let mut model = Model::new(["x".to_owned()], false);
    let tubes = |n: u64| (0..n).map(|n| tube(&format!("tube-{n:05}"), [n, 0, 0, 0, 0, 0, n, 0])).collect::<Vec<_>>();
    model.sampled(0, Duration::ZERO, Ok(sample("x", tubes(10_000))));
    shown(&mut model);
    press(&mut model, "G");
    let end = shown(&mut model);
    assert!(end.contains("tube-09999") && end.contains("tube-09982") && !end.contains("tube-09981"), "{end}");
    press(&mut model, "g↓");
    assert_eq!(model.selected(), Some(name("tube-00001")));
    assert!(shown(&mut model).contains("tube-00000"));
    press(&mut model, "s");
    assert!(shown(&mut model).contains("tube-00001"), "the cursor is always shown");
}

#[test]
fn any_size_and_any_moment_can_be_drawn() {
    let mut models = [Model::new(["x".to_owned()], false), Model::new([], false), opened(), inside(&[b'x'; 5000])];
    for model in &mut models {
        for (width, height) in [(1, 1), (3, 7), (40, 5), (80, 24), (200, 50)] {
            for keys in ["", "?", "\n", "G", "m", "\u{1b}", "\u{1b}", "/", "\n", "K"] {
                press(model, keys);
                drawn(model, width, height);
            }
        }
    }
}
