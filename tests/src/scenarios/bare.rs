//! What no client sends, from a bare socket: the servers' side of the bargain.

use crate::session::Stage;

pub fn a_body_longer_than_announced_is_expected_crlf(stage: &Stage) {
    let mut bare = stage.bare();
    bare.exchange("put 0 0 60 1\r\nxyz", "EXPECTED_CRLF\r\n");
    // Exactly the three bytes were the body; the id is spent.
    bare.exchange("put 0 0 60 1\r\nx\r\n", "INSERTED 2\r\n");
}

pub fn half_closing_a_waiting_reserve_times_it_out(stage: &Stage) {
    let mut bare = stage.bare();
    bare.send("reserve\r\n");
    bare.half_close();
    bare.hear("TIMED_OUT\r\n");
}

pub fn half_closing_in_a_body_closes(stage: &Stage) {
    let mut bare = stage.bare();
    bare.send("put 0 0 60 10\r\nhalf");
    bare.half_close();
    bare.hear_the_end();
    stage.bare().exchange("peek-ready\r\n", "NOT_FOUND\r\n");
}

pub fn quit_closes_and_what_follows_is_not_read(stage: &Stage) {
    let mut bare = stage.bare();
    bare.exchange("list-tube-used\r\nquit\r\n", "USING default\r\n");
    bare.hear_the_end();
}

pub fn what_no_client_sends_is_refused_by_name(stage: &Stage) {
    let mut bare = stage.bare();
    for line in [
        "put 0 0 60",
        "put 0 0 60 -1",
        "put 0 0 4294967296 1",
        "reservex",
        "peek -1",
        "delete 1x",
        "use -t",
        "stats-tube",
    ] {
        bare.exchange(format!("{line}\r\n"), "BAD_FORMAT\r\n");
    }
    for line in ["", "PUT 0 0 60 1", "use", "delete", "put", "frobnicate"] {
        bare.exchange(format!("{line}\r\n"), "UNKNOWN_COMMAND\r\n");
    }
    bare.exchange("use t\r\n", "USING t\r\n");
}

pub fn a_line_over_the_limit_is_one_bad_format(stage: &Stage) {
    let mut bare = stage.bare();
    bare.exchange(format!("use {}\r\n", "x".repeat(300)), "BAD_FORMAT\r\n");
    bare.exchange(format!("use {}\r\n", "x".repeat(201)), "BAD_FORMAT\r\n");
    bare.exchange("list-tube-used\r\n", "USING default\r\n");
}

pub fn a_job_too_big_is_swallowed_whole(stage: &Stage) {
    let mut bare = stage.bare();
    let body = "quit\r\n".repeat(20000);
    bare.exchange(format!("put 0 0 60 {}\r\n{body}\r\n", body.len()), "JOB_TOO_BIG\r\n");
    bare.exchange("put 0 0 60 1\r\nx\r\n", "INSERTED 1\r\n");
}

pub fn commands_split_at_every_byte_are_understood(stage: &Stage) {
    let mut bare = stage.bare();
    for byte in "use t\r\nput 1 0 60 4\r\n\r\n\r\n\r\npeek 1\r\n".bytes() {
        bare.send([byte]);
    }
    bare.hear("USING t\r\nINSERTED 1\r\nFOUND 1 4\r\n\r\n\r\n\r\n");
}

pub fn every_reply_is_spelt_as_expected(stage: &Stage) {
    let mut bare = stage.bare();
    for (said, heard) in [
        ("use t", "USING t"),
        ("watch t", "WATCHING 2"),
        ("ignore default", "WATCHING 1"),
        ("ignore t", "NOT_IGNORED"),
        ("put 7 0 60 2\r\nhi", "INSERTED 1"),
        ("put 8 100 60 0\r\n", "INSERTED 2"),
        ("peek-ready", "FOUND 1 2\r\nhi"),
        ("peek-delayed", "FOUND 2 0\r\n"),
        ("peek-buried", "NOT_FOUND"),
        ("reserve", "RESERVED 1 2\r\nhi"),
        ("touch 1", "TOUCHED"),
        ("release 1 7 0", "RELEASED"),
        ("reserve-with-timeout 0", "RESERVED 1 2\r\nhi"),
        ("bury 1 7", "BURIED"),
        ("peek-buried", "FOUND 1 2\r\nhi"),
        ("kick 5", "KICKED 1"),
        ("kick-job 2", "KICKED"),
        ("reserve-job 2", "RESERVED 2 0\r\n"),
        ("delete 2", "DELETED"),
        ("pause-tube t 1000", "PAUSED"),
        ("reserve-with-timeout 0", "TIMED_OUT"),
        ("pause-tube t 0", "PAUSED"),
        ("list-tubes-watched", "OK 8\r\n---\n- t\n"),
        ("list-tube-used", "USING t"),
        ("put 0 0 1 1\r\nx", "INSERTED 3"),
        ("reserve", "RESERVED 3 1\r\nx"),
        ("delete 1", "DELETED"),
        ("reserve", "DEADLINE_SOON"),
    ] {
        bare.exchange(format!("{said}\r\n"), format!("{heard}\r\n"));
    }
}
