//! Lines as beanstalkd reads them.

use alloc::{format, string::String};

use super::*;
use crate::{
    request::TIMEOUT_FOREVER,
    types::{JobId, Priority, TubeName},
};

fn command(line: &str) -> Command {
    Command::parse_line(line.as_bytes()).unwrap_or_else(|refused| panic!("{line:?}: {refused:?}"))
}

#[track_caller]
fn refused(line: &str, reply: &Reply, counted: bool) {
    for dialect in [Dialect::V1_12, Dialect::V1_13] {
        match parse(line.as_bytes(), dialect) {
            Err(refused) => assert_eq!((&refused.reply, refused.counted), (reply, counted), "{line:?}"),
            Ok(parsed) => panic!("{line:?} is {parsed:?}"),
        }
    }
}

fn tube(name: &str) -> TubeName {
    TubeName::new(name).unwrap()
}

#[test]
fn every_command_without_arguments_is_its_word_alone() {
    for kind in Kind::ALL.iter().filter(|kind| !kind.prefix().ends_with(' ') && **kind != Kind::PauseTube) {
        assert_eq!(command(kind.word()).kind(), *kind);
    }
}

#[test]
fn a_word_is_matched_by_its_beginning() {
    for line in [
        "reservex",
        "statsx",
        "list-tubesx",
        "peek-readyx",
        "stats-tube",
        "reserve-job",
        "reserve-with-timeout",
        "stats ",
    ] {
        refused(line, &Reply::BadFormat, false);
    }
    for line in [
        "put",
        "peek",
        "use",
        "delete",
        "kick",
        "kick-job",
        "watch",
        "",
        " ",
        "STATS",
        " stats",
        "qui",
        "list-tube",
        "stat",
    ] {
        refused(line, &Reply::UnknownCommand, false);
    }
    for line in ["quit", "quitx", "quit now"] {
        assert_eq!(command(line), Command::Quit);
    }
}

#[test]
fn a_nul_anywhere_is_a_bad_format_of_no_command() {
    for line in ["stats\0", "\0", "nonsense\0", "quit\0"] {
        refused(line, &Reply::BadFormat, false);
    }
}

#[test]
fn numbers_may_have_leading_spaces_and_zeros_and_nothing_else() {
    for line in ["delete 7", "delete   7", "delete 007", "delete  00000000000000000000007"] {
        assert_eq!(command(line), Command::Delete { id: JobId(7) });
    }
    assert_eq!(command("delete 18446744073709551615"), Command::Delete { id: JobId(u64::MAX) });
    for number in ["", "x", "+7", "-7", "7 ", "7x", "\t7", "18446744073709551616", "7.0", "0x7", "7 8"] {
        refused(&format!("delete {number}"), &Reply::BadFormat, false);
    }
    assert_eq!(
        command("release  01 4294967295  0"),
        Command::Release { id: JobId(1), priority: Priority(u32::MAX), delay: 0 }
    );
    refused("release 1 4294967296 0", &Reply::BadFormat, false);
    refused("release 1 2", &Reply::BadFormat, false);
    refused("release 1x2 3", &Reply::BadFormat, false);
}

#[test]
fn a_put_returns_how_long_its_body_is_and_trailing_bytes_are_left_to_the_caller() {
    let line = |text: &str| parse(text.as_bytes(), Dialect::V1_13).unwrap();
    let put = Command::Put { priority: Priority(1), delay: 2, ttr: 3, body: Vec::new() };
    assert_eq!(line("put 1 2 3 4"), Line { command: put.clone(), body: Some(4), trailing: false });
    assert_eq!(line("put 1 2 3 4 "), Line { command: put.clone(), body: Some(4), trailing: true });
    assert_eq!(line("put 1 2 3 4x"), Line { command: put, body: Some(4), trailing: true });
    for bad in ["put ", "put 1", "put 1 2 3", "put 1 2 3 ", "put 1 2 3 4294967296", "put 1 2 3 -4", "put a b c d"] {
        refused(bad, &Reply::BadFormat, false);
    }
}

#[test]
fn a_tube_name_stands_alone_but_for_pause_tube() {
    let long = "x".repeat(200);
    assert_eq!(command(&format!("use {long}")), Command::Use { tube: tube(&long) });
    for name in ["", " a", "a ", "a b", "-a", "a,b", "\u{e9}", &"x".repeat(201)] {
        for word in ["use", "watch", "ignore", "stats-tube"] {
            refused(&format!("{word} {name}"), &Reply::BadFormat, false);
        }
    }
    for line in ["pause-tube a 1", "pause-tubea 1", "pause-tube   a   01"] {
        assert_eq!(command(line), Command::PauseTube { tube: tube("a"), delay: 1 });
    }
    for line in ["pause-tube", "pause-tube ", "pause-tube a", "pause-tube a,1", "pause-tube a 1 ", "pause-tube a -1"] {
        refused(line, &Reply::BadFormat, false);
    }
}

#[test]
fn pause_tube_counts_before_it_looks_at_the_name() {
    refused("pause-tube -a 1", &Reply::BadFormat, true);
    refused(&format!("pause-tube {} 1", "x".repeat(201)), &Reply::BadFormat, true);
    refused("pause-tube -a", &Reply::BadFormat, false);
    refused("pause-tube -a 1x", &Reply::BadFormat, false);
}

#[test]
fn the_bound_of_a_kick_is_what_strtoul_makes_of_it() {
    let bounds = [
        ("0", 0),
        ("1x", 1),
        ("1 2", 1),
        ("\t 5", 5),
        ("+3", 3),
        ("-1", u32::MAX),
        ("-4294967295", 1),
        ("4294967296", 0),
        ("4294967297", 1),
        ("18446744073709551615", u32::MAX),
        ("-18446744073709551615", 1),
    ];
    for (text, bound) in bounds {
        assert_eq!(command(&format!("kick {text}")), Command::Kick { bound }, "{text}");
    }
    for bad in ["", "x", "-", "+-1", "18446744073709551616", "-18446744073709551616"] {
        refused(&format!("kick {bad}"), &Reply::BadFormat, false);
    }
}

/// What a line is read as by each release; `None` is a bad format.
#[track_caller]
fn timeouts(text: &str, v1_12: Option<u32>, v1_13: Option<u32>) {
    let line: String = format!("reserve-with-timeout {text}");
    for (dialect, expected) in [(Dialect::V1_12, v1_12), (Dialect::V1_13, v1_13)] {
        let timeout = match parse(line.as_bytes(), dialect) {
            Ok(Line { command: Command::ReserveWithTimeout { timeout }, .. }) => Some(timeout),
            Ok(other) => panic!("{other:?}"),
            Err(refused) => {
                assert_eq!(refused.reply, Reply::BadFormat);
                None
            }
        };
        assert_eq!(timeout, expected, "{text:?} as {dialect:?}");
    }
}

#[test]
fn the_timeout_of_a_reserve_depends_on_the_release() {
    const FOREVER: Option<u32> = Some(TIMEOUT_FOREVER);
    timeouts("0", Some(0), Some(0));
    timeouts(" 007", Some(7), Some(7));
    timeouts("0garbage", Some(0), Some(0));
    timeouts("1 2", Some(1), Some(1));
    timeouts("2147483647", Some(2_147_483_647), Some(2_147_483_647));
    timeouts("2147483648", FOREVER, None);
    timeouts("4294967295", FOREVER, None);
    timeouts("4294967296", Some(0), None);
    timeouts("9223372036854775807", FOREVER, None);
    timeouts("9223372036854775808", None, None);
    timeouts("-1", FOREVER, None);
    timeouts("-4294967297", FOREVER, None);
    timeouts("-4294967296", Some(0), None);
    timeouts("-9223372036854775808", Some(0), None);
    timeouts("-9223372036854775809", None, None);
    timeouts("+5", Some(5), None);
    timeouts("\t5", Some(5), None);
    timeouts("x", Some(0), None);
    timeouts("", Some(0), None);
    timeouts("-", Some(0), None);
}
