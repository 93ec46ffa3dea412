//! What the compiler reports of handlers that no worker can run: for each wrong shape, which one it is and what to write instead.
//!
//! Only what stands in these crates is compared, word for word. What the compiler adds is another from one release to the next, so where the
//! report is its own, the test looks for the value and the method that it is about.

use beanstalk_tests::compiler::compile_errors;

/// What every source begins with.
const PRELUDE: &str = "use std::{future, rc::Rc};\nstruct Wrong;\n";

const RETURNS: &str = "a handler returns `()`, `Verdict`, `Result<(), E>` or `Result<Verdict, E>`";
const KINDS: &str = "handlers of `beanstalk-sync` are functions, those of the other crates `async fn`s";
const FAILS: &str = "let it implement `std::error::Error + Send + Sync + 'static`, or return a `String`, a `&str`, an `anyhow::Error` or a `Box<dyn Error + Send + Sync>`";
const TAKES: &str = "a handler takes the job by value: write `job: HeldJob`, `Json(value): Json<T>` or `(Json(value), job): (Json<T>, HeldJob)`";

/// A wrong handler, and what is reported of it.
type Case = (&'static str, &'static [&'static str]);

/// Of functions that block.
const BLOCKING: &[Case] = &[
    ("drop(worker.run(|job: HeldJob| job.body.len()))", &["a handler cannot return `usize`", RETURNS]),
    ("drop(worker.run(|_: HeldJob| Ok::<(), Wrong>(())))", &["a handler cannot fail with `Wrong`", FAILS]),
    ("drop(worker.run(|_: HeldJob| Err::<Verdict, _>(Rc::new(5))))", &["a handler cannot fail with `Rc<", FAILS]),
    ("drop(worker.run(|job: &HeldJob| drop(job.text())))", &["type mismatch", "HeldJob"]),
    ("drop(builder.handle(\"t\", |job: &HeldJob| drop(job.text())))", &["a handler cannot take `&", TAKES]),
    ("drop(builder.handle(\"t\", |_: u32| ()))", &["a handler cannot take `u32`", TAKES]),
    ("let rc = Rc::new(5); drop(worker.run(move |_: HeldJob| drop(rc.clone())))", &["`Rc<i32>` cannot be s", "::run`"]),
    ("drop(worker.run(async |_: HeldJob| ()))", &["a handler cannot return `", RETURNS, KINDS]),
];

/// Of those that return futures.
const ASYNCHRONOUS: &[Case] = &[
    ("drop(worker.run(async |job: HeldJob| job.body.len()))", &["a handler cannot return `usize`", RETURNS]),
    ("drop(worker.run(async |_: HeldJob| Ok::<(), Wrong>(())))", &["a handler cannot fail with `Wrong`", FAILS]),
    ("drop(worker.run(async |_: HeldJob| Err::<Verdict, _>(Rc::new(5))))", &["a handler cannot fail with `Rc<", FAILS]),
    ("drop(worker.run(async |job: &HeldJob| drop(job.text())))", &["type mismatch", "HeldJob"]),
    ("drop(builder.handle(\"t\", async |job: &HeldJob| drop(job.text())))", &["a handler cannot take `&", TAKES]),
    ("drop(builder.handle(\"t\", async |_: u32| ()))", &["a handler cannot take `u32`", TAKES]),
    (
        "let rc = Rc::new(5); drop(worker.run(move |_: HeldJob| future::ready(drop(rc.clone()))))",
        &["`Rc<i32>` cannot be s", "::run`"],
    ),
    (
        "drop(worker.run(async |_: HeldJob| { let rc = Rc::new(5); future::ready(()).await; drop(rc) }))",
        &["`Rc<i32>`", "not `Send`"],
    ),
    ("drop(worker.run(|_: HeldJob| ()))", &["a handler cannot return `()`", RETURNS, KINDS]),
];

#[test]
fn each_wrong_shape_of_a_handler_is_an_error_that_names_what_to_write() {
    let _bound = beanstalk_watchdog::bound();
    let bindings =
        [("beanstalk_sync", BLOCKING), ("beanstalk_tokio", ASYNCHRONOUS), ("beanstalk_async_std", ASYNCHRONOUS)];
    for (krate, cases) in bindings {
        let mut source = format!("#![allow(unused)]\nuse {krate}::*;\n{PRELUDE}");
        let before = source.lines().count();
        for (n, (case, _)) in cases.iter().enumerate() {
            source += &format!("fn case_{n}(worker: Worker, builder: WorkerBuilder) {{ {case} }}\n");
        }
        let reported = compile_errors(krate, &source);
        let errors: Vec<&str> = reported.split("\nerror").filter(|error| error.contains("--> ")).collect();
        let place = |n: usize| format!("--> {krate}.rs:{}:", before + n + 1);
        for (n, (case, says)) in cases.iter().enumerate() {
            // The compiler may report one more than once.
            let error = errors.iter().find(|error| error.contains(&place(n)));
            let error = error.unwrap_or_else(|| panic!("{krate}: no error of {case}:\n{reported}"));
            for what in *says {
                assert!(error.contains(what), "{krate}: {case}: {what:?} is missing in\n{error}");
            }
        }
        let others = errors.iter().filter(|error| !(0..cases.len()).any(|n| error.contains(&place(n))));
        assert_eq!(others.count(), 0, "{krate}: errors of something else:\n{reported}");
    }
}
