//! Exact decimals of dollars to units of 1e-12, without a float in between.

use tierway_decide::Usd;

/// What an amount is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Per {
    /// Once.
    One,
    /// A million tokens; the result is per token.
    Million,
}

impl Per {
    /// Places between the amount and units of 1e-12.
    const fn places(self) -> i32 {
        match self {
            Self::One => 12,
            Self::Million => 6,
        }
    }
}

/// Why an amount is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotMoney {
    #[error("it takes dollars as a decimal number, such as 0.15")]
    NotDecimal,
    #[error("a price cannot be negative")]
    Negative,
    #[error("it has more than {0} decimal places, which is finer than amounts are kept")]
    TooFine(i32),
    #[error("it is larger than amounts can be; dollars per million tokens are meant")]
    TooLarge,
}

/// Reads `0.15`, `15`, `1e-3`; no sign but a plus.
pub(crate) fn usd(text: &str, per: Per) -> Result<Usd, NotMoney> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err(NotMoney::Negative);
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| NotMoney::NotDecimal)?),
        None => (text, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let part = part.trim_end_matches('0');
    let digits = format!("{whole}{part}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotMoney::NotDecimal);
    }
    let units: i64 = digits.parse().map_err(|_| NotMoney::TooLarge)?;
    let decimals = i32::try_from(part.len()).map_err(|_| NotMoney::TooFine(per.places()))?;
    let shift = per.places().saturating_add(exponent).saturating_sub(decimals);
    scaled(units, shift, per).map(Usd::from_picos)
}

fn scaled(units: i64, shift: i32, per: Per) -> Result<i64, NotMoney> {
    if units == 0 {
        return Ok(0);
    }
    let power = 10_i64.checked_pow(shift.unsigned_abs());
    if shift >= 0 {
        return power.and_then(|power| units.checked_mul(power)).ok_or(NotMoney::TooLarge);
    }
    match power {
        Some(power) if units % power == 0 => Ok(units / power),
        _ => Err(NotMoney::TooFine(per.places())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        for (text, want) in [
            ("0.15", Ok(150_000)),
            ("15", Ok(15_000_000)),
            ("0", Ok(0)),
            (".5", Ok(500_000)),
            ("1e-3", Ok(1000)),
            ("2.5E2", Ok(250_000_000)),
            ("0.000001", Ok(1)),
            ("0.0000010", Ok(1)),
            ("0.0000001", Err(NotMoney::TooFine(6))),
            ("-1", Err(NotMoney::Negative)),
            ("inf", Err(NotMoney::NotDecimal)),
            ("nan", Err(NotMoney::NotDecimal)),
            ("", Err(NotMoney::NotDecimal)),
            ("1.2.3", Err(NotMoney::NotDecimal)),
            ("99999999999999999999", Err(NotMoney::TooLarge)),
            ("9e30", Err(NotMoney::TooLarge)),
        ] {
            assert_eq!(usd(text, Per::Million).map(Usd::picos), want, "{text}");
        }
    }

    #[test]
    fn one_dollar_is_one_dollar() {
        assert_eq!(usd("1", Per::One).unwrap(), Usd::from_f64(1.0));
    }
}
