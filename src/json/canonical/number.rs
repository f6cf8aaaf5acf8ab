//! Numbers as exact decimals, however they are spelt. Pure.

/// The number that a JSON number is, where it is a whole one: 50, 50.0 and 5E1 are one. `None` for
/// any other, and for one with more digits than there is room for.
pub fn integer(number: &str) -> Option<i128> {
    let (negative, digits, exponent) = decimal(number)?;
    if digits.is_empty() {
        return Some(0);
    }
    let zeros = usize::try_from(exponent).ok().filter(|zeros| *zeros < 40)?;
    let sign = if negative { "-" } else { "" };
    format!("{sign}{digits}{}", "0".repeat(zeros)).parse().ok()
}

/// A number: whether it is negative, its digits without zeros at either end, and the power of ten
/// that its last digit counts. `None` where the exponent is beyond all measure.
pub(super) fn decimal(number: &str) -> Option<(bool, String, i128)> {
    let (negative, number) =
        number.strip_prefix('-').map_or((false, number), |positive| (true, positive));
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = [whole.trim_start_matches('0'), fraction].concat();
    let all = digits.len();
    digits.truncate(digits.trim_end_matches('0').len());
    let zeros = all - digits.len();
    let digits = digits.trim_start_matches('0').to_owned();
    if digits.is_empty() {
        return Some((false, digits, 0));
    }
    let exponent: i128 = exponent.parse().ok()?;
    let shift = i128::try_from(zeros).ok()?.checked_sub(i128::try_from(fraction.len()).ok()?)?;
    Some((negative, digits, exponent.checked_add(shift)?))
}
