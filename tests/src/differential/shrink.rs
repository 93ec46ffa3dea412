//! Makes a script that fails as short as can be had quickly.

use std::time::{Duration, Instant};

use super::{
    pair::{self, Difference},
    script::{Script, Step},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A shorter script that fails as well, and how.
pub(super) fn shrink(script: Script, difference: Difference) -> (Script, Difference) {
    let until = Instant::now() + PATIENCE;
    let mut best = (script, difference);
    try_instead(&mut best, |steps| steps.iter().flat_map(line_by_line).collect());
    try_instead(&mut best, |steps| steps.iter().map(in_one_piece).collect());
    let mut chunk = best.0.steps.len().div_ceil(2);
    while chunk > 0 && Instant::now() < until {
        let mut at = 0;
        let mut shrunk = false;
        while at < best.0.steps.len() && Instant::now() < until {
            let without = |steps: &[Step]| {
                let end = (at + chunk).min(steps.len());
                [&steps[..at], &steps[end..]].concat()
            };
            if try_instead(&mut best, without) {
                shrunk = true;
            } else {
                at += chunk;
            }
        }
        if !shrunk || chunk > 1 {
            chunk /= 2;
        }
    }
    best
}

fn try_instead(best: &mut (Script, Difference), change: impl FnOnce(&[Step]) -> Vec<Step>) -> bool {
    let script = Script { steps: change(&best.0.steps), ..best.0.clone() };
    match pair::run(&script) {
        Err(difference) if !difference.late => {
            *best = (script, difference);
            true
        }
        _ => false,
    }
}

fn in_one_piece(step: &Step) -> Step {
    match step {
        Step::Send { conn, pieces } => Step::send(*conn, pieces.concat()),
        step => step.clone(),
    }
}

fn line_by_line(step: &Step) -> Vec<Step> {
    let Step::Send { conn, pieces } = step else { return vec![step.clone()] };
    let bytes = pieces.concat();
    bytes.split_inclusive(|&byte| byte == b'\n').map(|line| Step::send(*conn, line)).collect()
}
