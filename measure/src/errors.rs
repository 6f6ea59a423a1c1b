//! Errors of one family's estimates, and what is said of them.

/// What hardly any prompt of this estimate is longer than.
fn at_most(estimate: u32) -> u32 {
    estimate.saturating_add(estimate / 2).saturating_add(8)
}

/// Estimates beside true counts.
#[derive(Default)]
pub struct Errors(Vec<(u32, u64)>);

impl Errors {
    pub fn push(&mut self, estimate: u32, count: u64) {
        self.0.push((estimate, count));
    }

    /// The factor, in percent, under which the median prompt is estimated rightly.
    pub fn factor_percent(&self) -> u32 {
        let mut ratios: Vec<f64> = self.0.iter().map(|(guess, count)| *count as f64 / f64::from(*guess)).collect();
        ratios.sort_by(f64::total_cmp);
        (ratios.get(ratios.len() / 2).copied().unwrap_or(1.0) * 100.0).round() as u32
    }

    fn sorted(&self) -> Vec<f64> {
        let error = |(guess, count): &(u32, u64)| f64::from(*guess) / *count as f64 - 1.0;
        let mut errors: Vec<f64> = self.0.iter().map(error).collect();
        errors.sort_by(f64::total_cmp);
        errors
    }

    fn whole(&self) -> f64 {
        let guess: f64 = self.0.iter().map(|(guess, _)| f64::from(*guess)).sum();
        let count: f64 = self.0.iter().map(|(_, count)| *count as f64).sum();
        (guess / count - 1.0) * 100.0
    }

    /// All that is said of a family.
    pub fn line(&self) -> String {
        let errors = self.sorted();
        let at = |share: f64| {
            let place = ((share * errors.len() as f64) as usize).min(errors.len().saturating_sub(1));
            errors.get(place).copied().unwrap_or(f64::NAN) * 100.0
        };
        let beyond = self.0.iter().filter(|(guess, count)| *count > u64::from(at_most(*guess))).count();
        format!(
            "{} prompts, sum {:+.1} %, half within {:+.1} .. {:+.1} %, 95 of 100 within {:+.1} .. {:+.1} %, worst {:+.1} and {:+.1} %, {beyond} beyond `at_most`",
            errors.len(),
            self.whole(),
            at(0.25),
            at(0.75),
            at(0.025),
            at(0.975),
            at(0.0),
            at(1.0),
        )
    }

    /// Of one kind of text: all together, and the worst.
    pub fn short(&self) -> String {
        let errors = self.sorted();
        let of = |error: Option<&f64>| error.copied().unwrap_or(f64::NAN) * 100.0;
        let (first, last) = (of(errors.first()), of(errors.last()));
        format!("{} prompts, sum {:+.1} %, {first:+.1} .. {last:+.1} %", errors.len(), self.whole())
    }
}
