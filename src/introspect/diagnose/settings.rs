//! When a diagnosis says something: how long is stuck, and which rates and trends are worth a word.

use std::time::Duration;

/// What a [`Diagnoser`](super::Diagnoser) takes for stuck, and for worth knowing.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// let mut settings = parshall::introspect::Settings::default();
/// settings.stuck_after = Duration::from_millis(200);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// The time between the two looks of a diagnosis. 100 ms.
    pub apart: Duration,
    /// How long something must be unchanged to be called stuck. 1 s.
    pub stuck_after: Duration,
    /// For how many looks in a row, beside the first, a trend or a rate must be seen before it is
    /// reported, and for how many it must be gone before that ends. 5.
    pub looks: u32,
    /// A trend must also have been seen for this long: looks that follow each other at once say
    /// nothing. 1 s.
    pub trend_after: Duration,
    /// An unbounded channel is called growing from this many messages on. 100.
    pub growing_from: u64,
    /// A channel is called saturated if senders have waited for it for this share of the time on
    /// average. Two senders that wait all the time count 2.0. 0.5.
    pub saturated_from: f64,
    /// Refusals are reported from this many a second on. 1.0.
    pub refused_per_second: f64,
    /// Sends that are given up are reported from this many a second on. 1.0.
    pub given_up_per_second: f64,
    /// Both sides of a channel in lockstep wait for this share of the messages at least. 0.8.
    pub lockstep_from: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            apart: Duration::from_millis(100),
            stuck_after: Duration::from_secs(1),
            looks: 5,
            trend_after: Duration::from_secs(1),
            growing_from: 100,
            saturated_from: 0.5,
            refused_per_second: 1.0,
            given_up_per_second: 1.0,
            lockstep_from: 0.8,
        }
    }
}

impl Settings {
    /// The variable that [`from_env`](Self::from_env) reads.
    const STUCK_AFTER: &'static str = "PARSHALL_STUCK_AFTER";

    /// The default, with `stuck_after` from the environment variable `PARSHALL_STUCK_AFTER` if that
    /// is set: a whole number and `ms`, `s`, `m` or `h`, as in `500ms`, `1s` or `2m`.
    ///
    /// # Errors
    /// The variable is set to something else.
    ///
    /// # Examples
    /// ```
    /// use parshall::introspect::Settings;
    ///
    /// # // SAFETY: no other thread uses the environment.
    /// # unsafe { std::env::set_var("PARSHALL_STUCK_AFTER", "soon") };
    /// let settings = Settings::from_env().unwrap_or_else(|error| {
    ///     assert_eq!((error.variable, &*error.value), ("PARSHALL_STUCK_AFTER", "soon"));
    ///     eprintln!("{error}"); // and what is expected instead
    ///     Settings::default()
    /// });
    /// assert_eq!(settings, Settings::default());
    /// ```
    pub fn from_env() -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        if let Some(value) = std::env::var_os(Self::STUCK_AFTER) {
            settings.stuck_after = value.to_str().and_then(duration).ok_or_else(|| {
                let value = value.to_string_lossy().into_owned();
                SettingsError { variable: Self::STUCK_AFTER, value }
            })?;
        }
        Ok(settings)
    }
}

/// `500ms`, `1s`, `2m`, `1h`; not zero.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let millis = number.parse::<u64>().ok()?.checked_mul(millis)?;
    // What is longer cannot be told from an age in nanoseconds.
    let fits = millis > 0 && i64::try_from(u128::from(millis) * 1_000_000).is_ok();
    fits.then(|| Duration::from_millis(millis))
}

/// An environment variable says what cannot be understood.
///
/// # Examples
/// On [`Settings::from_env`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingsError {
    /// Which variable.
    pub variable: &'static str,
    /// What it is set to; what is no text is replaced.
    pub value: String,
}

impl core::fmt::Display for SettingsError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { variable, value } = self;
        write!(
            f,
            "{variable} is {value:?}; expected is a whole number above 0 and ms, s, m or h, as in \
             500ms, 1s or 2m"
        )
    }
}

impl core::error::Error for SettingsError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seen to fail without the check for 0, and with a unit left out.
    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        let good = [("1s", 1_000), ("500ms", 500), ("2m", 120_000), ("1h", 3_600_000)];
        for (text, millis) in good {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        let bad = ["", "1", "s", "0s", "-1s", "1.5s", " 1s", "1 s", "1S", "99999999999999999999s"];
        for text in bad.into_iter().chain(["9223372036855s", "5124095576h"]) {
            assert_eq!(duration(text), None, "{text}");
        }
        let error = SettingsError { variable: "X", value: "soon\n".into() };
        assert!(error.to_string().starts_with("X is \"soon\\n\"; expected is "));
    }
}
