//! Contenders measured in turn, round after round, and what can be said of it: medians of ratios within a round, since what
//! disturbs the machine disturbs neighbours in time alike.

use anyhow::Result;

use crate::{
    run::Sample,
    server::{Job, Kind, Pin},
};

/// The samples of each case, a round behind another.
#[derive(Debug)]
pub(crate) struct Rounds {
    samples: Vec<Vec<Sample>>,
}

impl Rounds {
    /// Measures every case once a round with a fresh server each, and starts with another one every round.
    pub(crate) fn measure(cases: &[(Job, Kind)], rounds: usize, pin: Pin) -> Result<Self> {
        let mut samples = vec![Vec::new(); cases.len()];
        for round in 0..rounds {
            for turn in 0..cases.len() {
                let at = (round + turn) % cases.len();
                let (job, kind) = cases[at];
                samples[at].push(job.measure(kind, pin)?);
            }
            eprint!(".");
        }
        eprintln!();
        Ok(Self { samples })
    }

    /// Samples that were taken otherwise: of each case, a round behind another.
    pub(crate) const fn of(samples: Vec<Vec<Sample>>) -> Self {
        Self { samples }
    }

    /// The median of a figure of one case.
    pub(crate) fn median(&self, case: usize, figure: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples[case].iter().map(figure).collect())
    }

    /// The median over the rounds of one case's figure over another's.
    pub(crate) fn ratio(&self, case: usize, other: usize, figure: impl Fn(&Sample) -> f64) -> f64 {
        let pairs = std::iter::zip(&self.samples[case], &self.samples[other]);
        median(pairs.map(|(one, other)| figure(one) / figure(other)).collect())
    }
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}
