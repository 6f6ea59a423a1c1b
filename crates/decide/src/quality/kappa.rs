//! How well the judge agrees with people, beyond what chance would give.

use super::{Interval, Preference};

/// Cohen's kappa (1960) with its interval.
pub type Kappa = Interval;

/// Agreement of pairs (judge, person): 1 always, 0 as by chance. None when nothing can be said: no pairs, or both always
/// say the same word. The interval is the large-sample one of Fleiss, Cohen and Everitt (1969) at `z` standard errors
/// (1.96 for 95 %); of few pairs it says little, and shows that by being wide.
#[must_use]
pub fn kappa(pairs: &[(Preference, Preference)], z: f64) -> Option<Kappa> {
    let n = pairs.len() as f64;
    let mut share = [[0.0; 3]; 3];
    for (judge, person) in pairs {
        share[*judge as usize][*person as usize] += 1.0 / n;
    }
    let row = share.map(|row| row.iter().sum::<f64>());
    let column: [f64; 3] = std::array::from_fn(|at| share.iter().map(|row| row[at]).sum());
    let observed: f64 = (0..3).map(|at| share[at][at]).sum();
    let by_chance: f64 = (0..3).map(|at| row[at] * column[at]).sum();
    if pairs.is_empty() || by_chance > 1.0 - 1e-9 {
        return None;
    }
    let value = (observed - by_chance) / (1.0 - by_chance);
    let mut spread = -(value - by_chance * (1.0 - value)).powi(2);
    for i in 0..3 {
        for j in 0..3 {
            spread += share[i][j]
                * if i == j {
                    (1.0 - (row[i] + column[i]) * (1.0 - value)).powi(2)
                } else {
                    ((1.0 - value) * (column[i] + row[j])).powi(2)
                };
        }
    }
    let error = (spread.max(0.0) / n).sqrt() / (1.0 - by_chance);
    Some(Interval { value, low: (value - z * error).max(-1.0), high: (value + z * error).min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Preference::{Baseline, Cheap, Tie};

    fn pairs(counts: &[(Preference, Preference, usize)]) -> Vec<(Preference, Preference)> {
        counts.iter().flat_map(|(judge, person, count)| std::iter::repeat_n((*judge, *person), *count)).collect()
    }

    /// Values of `statsmodels.stats.inter_rater.cohens_kappa` (kappa, std_kappa), printed by `scripts/independent.py`.
    #[test]
    fn kappa_equals_an_independent_implementation() {
        let table = [(Cheap, Cheap, 20), (Cheap, Baseline, 5), (Baseline, Cheap, 10), (Baseline, Baseline, 15)];
        let three = [
            (Cheap, Cheap, 31),
            (Cheap, Tie, 7),
            (Cheap, Baseline, 2),
            (Tie, Cheap, 4),
            (Tie, Tie, 22),
            (Tie, Baseline, 5),
            (Baseline, Cheap, 1),
            (Baseline, Tie, 6),
            (Baseline, Baseline, 18),
        ];
        for (counts, value, error) in [(&table[..], KAPPA_2.0, KAPPA_2.1), (&three[..], KAPPA_3.0, KAPPA_3.1)] {
            let got = kappa(&pairs(counts), 1.0).unwrap();
            assert!((got.value - value).abs() < 1e-9 && (got.high - got.value - error).abs() < 1e-9, "{got:?}");
        }
    }

    const KAPPA_2: (f64, f64) = (0.4, 0.126_996_062_931_100_33);
    const KAPPA_3: (f64, f64) = (0.604_352_126_607_319_5, 0.067_588_358_028_399_67);

    #[test]
    fn nothing_is_said_of_nothing() {
        assert_eq!(kappa(&[], 1.96), None);
        assert_eq!(kappa(&pairs(&[(Tie, Tie, 9)]), 1.96), None);
        let all = kappa(&pairs(&[(Tie, Tie, 9), (Cheap, Cheap, 4)]), 1.96).unwrap();
        assert_eq!((all.value, all.high), (1.0, 1.0));
    }
}
