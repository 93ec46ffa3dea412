//! What beanstalkd does and the embedded server does not, on purpose. Nothing else may differ.

use super::Step;

/// A difference that is meant.
#[derive(Clone, Copy, Debug)]
pub struct Quirk {
    /// What a real server does.
    pub name: &'static str,
    /// Why the embedded one does not.
    pub reason: &'static str,
    /// What shows it.
    pub script: fn() -> Vec<Step>,
    /// What the connections of the script hear from a real server, all together.
    pub theirs: &'static str,
    /// What they hear from the embedded one.
    pub ours: &'static str,
}

/// All of them.
pub const QUIRKS: &[Quirk] = &[
    Quirk {
        name: "of an overlong line whose CR and LF straddle a window of 224 bytes, the next line is lost with it",
        reason: "an accident of the buffer's size: a client cannot know that its next command was not read",
        script: || {
            let line = "x".repeat(223);
            vec![Step::Connect(0), Step::send(0, format!("{line}\r\nlist-tube-used\r\nwatch a\r\n"))]
        },
        theirs: "BAD_FORMAT WATCHING",
        ours: "BAD_FORMAT USING WATCHING",
    },
    Quirk {
        name: "a CR that no LF follows hides the end of its line until 224 bytes have come",
        reason: "the connection hangs, for both sides; answering BAD_FORMAT tells the client what is wrong",
        script: || vec![Step::Connect(0), Step::send(0, "use a\r\r\n"), Step::send(0, "list-tube-used\r\n")],
        theirs: "",
        ours: "BAD_FORMAT USING",
    },
    Quirk {
        name: "a job is known before its body has come: stats-job calls it invalid",
        reason: "peek shows memory that was never written; a job exists once it was put",
        script: || {
            vec![
                Step::Connect(0),
                Step::Connect(1),
                Step::send(0, "put 0 0 100 5\r\nhe"),
                Step::send(1, "stats-job 1\r\npeek 1\r\n"),
            ]
        },
        theirs: "OK FOUND",
        ours: "NOT_FOUND NOT_FOUND",
    },
];
