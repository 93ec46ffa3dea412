//! Random commands: valid ones, borderline ones and malformed ones.
//!
//! What the real server does not survive in order (a CR without LF, a line whose CR and LF straddle the window in which
//! it throws away; see the table of quirks) is not said.

use super::random::Random;

/// What a command may refer to.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) max_job_size: usize,
    /// Ids of jobs that were put, oldest first.
    pub(super) ids: Vec<u64>,
    /// Whether jobs may have delays and deadlines that are over soon.
    pub(super) hasty: bool,
}

/// Bytes to send.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) bytes: Vec<u8>,
    /// It may have thrown the connection out of sync: from then on bodies may be read as lines.
    pub(super) derails: bool,
}

impl Said {
    fn line(text: impl AsRef<[u8]>) -> Self {
        let mut bytes = text.as_ref().to_vec();
        // With its CR and LF astride a window, a real server loses the next line too.
        if bytes.len() % WINDOW == WINDOW - 1 {
            bytes.pop();
        }
        bytes.extend_from_slice(b"\r\n");
        Self { bytes, derails: false }
    }
}

/// In so many bytes at a time a real server throws away a line that is too long.
pub(super) const WINDOW: usize = 224;

const TUBES: &[&str] = &["default", "default", "a", "a", "b", "c", "d-+/;.$_()", "0", "long"];
const BAD_TUBES: &[&str] =
    &["", "-a", "a b", "a ", " a", "a,b", "\u{e9}", "a\n", "a\0", "a\tb", "longer", "{}", "--", "-"];
/// The words of all commands, with the space behind those that have arguments.
const WORDS: &[&str] = &[
    "put ",
    "use ",
    "reserve",
    "reserve-with-timeout ",
    "reserve-job ",
    "delete ",
    "release ",
    "bury ",
    "touch ",
    "watch ",
    "ignore ",
    "peek ",
    "peek-ready",
    "peek-delayed",
    "peek-buried",
    "kick ",
    "kick-job ",
    "stats",
    "stats-job ",
    "stats-tube ",
    "list-tubes",
    "list-tubes-watched",
    "list-tube-used",
    "pause-tube ",
    "quit",
];
const ODD_NUMBERS: &[&str] = &[
    "",
    "-1",
    "+1",
    " 1",
    "  2",
    "01",
    "000000000000000000000000000001",
    "1 ",
    "1x",
    "x",
    "0x1",
    "1.5",
    "1e3",
    "\t1",
    "4294967294",
    "4294967295",
    "4294967296",
    "4294967297",
    "2147483647",
    "2147483648",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-2147483649",
    "-4294967296",
    "99999999999999999999999",
    "1\n",
    "\u{b}1",
    "1\0",
    "0",
    "-0",
    "- 1",
    "\u{a0}1",
    "1,2",
    "٣",
];

/// A random command. A connection that is out of sync gets only what does no harm when cut anywhere.
pub(super) fn any(random: &mut Random, known: &Known, out_of_sync: bool) -> Said {
    match random.below(1000) {
        0..260 => put(random, known, out_of_sync),
        260..330 => reserve(random, known),
        330..400 => Said::line(format!("delete {}", id(random, known))),
        400..450 => Said::line(format!("release {} {} {}", id(random, known), pri(random), delay(random, known))),
        450..490 => Said::line(format!("bury {} {}", id(random, known), pri(random))),
        490..510 => Said::line(format!("touch {}", id(random, known))),
        510..545 => Said::line(format!("peek {}", id(random, known))),
        545..575 => Said::line(random.pick(&["peek-ready", "peek-delayed", "peek-buried"])),
        575..605 => Said::line(format!("kick {}", bound(random))),
        605..630 => Said::line(format!("kick-job {}", id(random, known))),
        630..670 => Said::line(format!("use {}", tube(random))),
        670..715 => Said::line(format!("watch {}", tube(random))),
        715..750 => Said::line(format!("ignore {}", tube(random))),
        750..780 => Said::line("stats"),
        780..825 => Said::line(format!("stats-job {}", id(random, known))),
        825..860 => Said::line(format!("stats-tube {}", tube(random))),
        860..890 => Said::line(random.pick(&["list-tubes", "list-tubes-watched", "list-tube-used"])),
        890..905 => pause(random, known),
        905..908 => Said { ..Said::line(random.pick(&["quit", "quitx", "quit 1"])) },
        908..940 => nonsense(random),
        940..955 if !out_of_sync => overlong(random),
        _ => mutant(random, known),
    }
}

/// A put of which only the beginning is sent.
pub(super) fn broken_off(random: &mut Random, known: &Known) -> Said {
    let mut said = Said { bytes: put_line(random, known, "20"), derails: true };
    let body = body(random, 20, false);
    said.bytes.extend_from_slice(&body[..random.below(20)]);
    said
}

/// A put that will be accepted.
pub(super) fn good_put(random: &mut Random, known: &Known, out_of_sync: bool) -> Said {
    let len = body_len(random, known, out_of_sync).min(known.max_job_size);
    let mut said = Said { bytes: put_line(random, known, &len.to_string()), derails: false };
    said.bytes.extend_from_slice(&body(random, len, !out_of_sync));
    said.bytes.extend_from_slice(b"\r\n");
    said
}

fn put(random: &mut Random, known: &Known, out_of_sync: bool) -> Said {
    match random.below(100) {
        0..80 => good_put(random, known, out_of_sync),
        80..86 => {
            // As long as it says, but for the CRLF.
            let len = random.below(60).min(known.max_job_size);
            let mut bytes = put_line(random, known, &len.to_string());
            bytes.extend_from_slice(&body(random, len, false));
            bytes.extend_from_slice(random.pick(&[&b"xx"[..], b"\n\n", b"x\n", b"\nx", b"\0\0"]));
            Said { bytes, derails: false }
        }
        86..91 if !out_of_sync => {
            let len = known.max_job_size + 1 + random.pick(&[0, 0, 1, 100, 3000]);
            let mut bytes = put_line(random, known, &len.to_string());
            bytes.extend_from_slice(&body(random, len, true));
            // It is thrown away unseen.
            bytes.extend_from_slice(random.pick(&[&b"\r\n"[..], b"xx"]));
            Said { bytes, derails: false }
        }
        91..93 => {
            let mut bytes = put_line(random, known, "3");
            bytes.truncate(bytes.len() - 2);
            bytes.extend_from_slice(random.pick(&[&b" \r\n"[..], b"x\r\n", b" 1\r\n"]));
            bytes.extend_from_slice(b"abc\r\n");
            Said { bytes, derails: true }
        }
        93..96 => {
            // One more or less than it says; what is left ends with a line.
            let mut bytes = put_line(random, known, "7");
            bytes.extend_from_slice(random.pick(&[&b"12345678"[..], b"123456789abcdef", b"123456"]));
            bytes.extend_from_slice(b"\r\nnothing\r\n");
            Said { bytes, derails: true }
        }
        _ => {
            let number = random.pick(ODD_NUMBERS);
            let line = match random.below(4) {
                0 => format!("put {number} 0 100 3"),
                1 => format!("put 1 {number} 100 3"),
                2 => format!("put 1 0 {number} 3"),
                _ => format!("put 1 0 100 {}", random.pick(&["", "x", "-1", "3x", " 3", "03", "4294967296"])),
            };
            let mut said = Said::line(line);
            said.bytes.extend_from_slice(b"abc\r\n");
            Said { derails: true, ..said }
        }
    }
}

fn put_line(random: &mut Random, known: &Known, len: &str) -> Vec<u8> {
    // A bad number would have its body read as lines.
    format!("put {} {} {} {len}\r\n", good_pri(random), delay(random, known), ttr(random, known)).into_bytes()
}

fn body_len(random: &mut Random, known: &Known, short: bool) -> usize {
    let len = match random.below(100) {
        0..70 => random.below(40),
        70..85 => random.below(150),
        _ if short => random.below(100),
        85..95 => random.below(3000),
        95..98 => known.max_job_size.saturating_sub(random.below(4)),
        _ => random.below(known.max_job_size + 1),
    };
    len.min(known.max_job_size)
}

/// A body: of random bytes, or of those that do no harm in a line.
fn body(random: &mut Random, len: usize, wild: bool) -> Vec<u8> {
    match random.below(3) {
        0 if wild => (0..len).map(|_| random.byte()).collect(),
        1 if wild => b"put 0 0 1 1\r\n\r\n\r\r".iter().copied().cycle().take(len).collect(),
        _ => b"body \n\0x".iter().copied().cycle().skip(random.below(8)).take(len).collect(),
    }
}

fn reserve(random: &mut Random, known: &Known) -> Said {
    match random.below(100) {
        0..12 => Said::line("reserve"),
        12..60 => Said::line("reserve-with-timeout 0"),
        60..68 => Said::line(format!("reserve-with-timeout {}", random.pick(&["1000", "2147483647", "100", " 7200"]))),
        68..72 if known.hasty => Said::line("reserve-with-timeout 1"),
        72..76 => {
            // What is read as a short time would not wait long enough.
            let odd = random.pick(&[
                "0x",
                "0garbage",
                "",
                "x",
                "-1",
                "2147483648",
                "4294967295",
                "4294967296",
                "-5",
                "1000 1",
            ]);
            Said::line(format!("reserve-with-timeout {odd}"))
        }
        _ => Said::line(format!("reserve-job {}", id(random, known))),
    }
}

fn pause(random: &mut Random, known: &Known) -> Said {
    let seconds = match random.below(10) {
        0..6 => "0",
        6 if known.hasty => "1",
        7 => "1000",
        _ => return Said::line(format!("pause-tube {} {}", tube(random), random.pick(ODD_NUMBERS))),
    };
    Said::line(format!("pause-tube{}{} {seconds}", random.pick(&[" ", " ", "", "  "]), tube(random)))
}

/// A line that is no command.
fn nonsense(random: &mut Random) -> Said {
    let word = random.pick(WORDS);
    let line = match random.below(6) {
        0 => word.to_uppercase().into_bytes(),
        1 => word[..random.below(word.len() + 1)].to_string().into_bytes(),
        2 => format!("{word}{}", random.pick(&["x", " ", "-", "  x", "\n", "\t", "\0"])).into_bytes(),
        3 => format!(" {word}").into_bytes(),
        4 => (0..random.below(60)).map(|_| random.byte()).filter(|&byte| byte != b'\r').collect(),
        _ => Vec::new(),
    };
    let derails = line.starts_with(b"put ");
    Said { derails, ..Said::line(line) }
}

/// A line of about as many bytes as a line may have, or many more.
fn overlong(random: &mut Random) -> Said {
    let len = random.pick(&[222, 223, 224, 226, 227, 300, 446, 447, 448, 450, 1000, 5000, 70000]) - 2;
    let start = random.pick(&["delete ", "use ", "x", "stats", "watch a"]);
    let fill = random.pick(b" 0x");
    let mut line = start.as_bytes().to_vec();
    line.resize(len - 1, fill);
    line.push(b'1');
    Said::line(line)
}

/// A valid line in which something small is wrong.
fn mutant(random: &mut Random, known: &Known) -> Said {
    let word = random.pick(WORDS);
    let mut line = match word {
        "put " => format!("put {} 0 100 3", pri(random)),
        "release " => format!("release {} {} 0", id(random, known), pri(random)),
        "bury " => format!("bury {} {}", id(random, known), pri(random)),
        "use " | "watch " | "ignore " | "stats-tube " => format!("{word}{}", tube(random)),
        "pause-tube " => format!("{word}{} 0", tube(random)),
        // They might wait too short a time.
        "reserve-with-timeout " | "reserve" => "reserve-with-timeout 0".into(),
        _ if word.ends_with(' ') => format!("{word}{}", id(random, known)),
        _ => word.to_string(),
    }
    .into_bytes();
    let put = line.starts_with(b"put ");
    let reserve = line.starts_with(b"reserve");
    for _ in 0..=random.below(2) {
        let byte = match random.byte() {
            b'\r' => b' ',
            // Digits would make times of it.
            digit if reserve && digit.is_ascii_digit() => b'0',
            byte => byte,
        };
        let byte = if random.permille(500) { byte } else { random.pick(b" 0-x\n\0") };
        let at = random.below(line.len() + 1);
        match random.below(3) {
            0 => line.insert(at, byte),
            1 if at < line.len() => line[at] = byte,
            _ if at < line.len() => drop(line.remove(at)),
            _ => {}
        }
    }
    let mut said = Said::line(line);
    if put {
        said.bytes.extend_from_slice(b"abc\r\n");
    }
    Said { derails: put, ..said }
}

fn odd(random: &mut Random) -> Option<String> {
    random.permille(25).then(|| random.pick(ODD_NUMBERS).to_string())
}

fn id(random: &mut Random, known: &Known) -> String {
    if let Some(odd) = odd(random) {
        return odd;
    }
    let count = known.ids.len();
    match random.below(10) {
        _ if count == 0 => random.below(3).to_string(),
        0..6 => known.ids[count - 1 - random.below(count.min(12))].to_string(),
        6..8 => known.ids[random.below(count)].to_string(),
        _ => random.below(usize::try_from(known.ids[count - 1]).expect("a small id") + 4).to_string(),
    }
}

fn pri(random: &mut Random) -> String {
    odd(random).unwrap_or_else(|| good_pri(random).to_string())
}

fn good_pri(random: &mut Random) -> &'static str {
    random.pick(&["0", "1", "1", "2", "1023", "1024", "1025", "4294967295", "  7", "007"])
}

fn delay(random: &mut Random, known: &Known) -> &'static str {
    match random.below(100) {
        0..75 => "0",
        75..78 if known.hasty => "1",
        75..90 => "1000",
        90..95 => "1001",
        _ => random.pick(&["4294967295", "100", "  0", "00", "2147483648"]),
    }
}

fn ttr(random: &mut Random, known: &Known) -> &'static str {
    match random.below(100) {
        0..10 if known.hasty => random.pick(&["0", "1", "1", "2", "00"]),
        0..80 => "100",
        _ => random.pick(&["1000", "4294967295", " 120", "0600"]),
    }
}

fn bound(random: &mut Random) -> String {
    odd(random).unwrap_or_else(|| random.pick(&["0", "1", "1", "2", "5", "1000", "1x", "1 2", "+1"]).to_string())
}

fn tube(random: &mut Random) -> String {
    let name = if random.permille(30) { random.pick(BAD_TUBES) } else { random.pick(TUBES) };
    match name {
        "long" => "l".repeat(200),
        "longer" => "l".repeat(201),
        name => name.to_string(),
    }
}
