//! Versions, specifiers and ranges by dbt's rules (its `semver`), which are not quite those of semver.org.

use fancy_regex::Regex;
use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

/// What stands before a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Matcher {
    Exact,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A version, or a condition such as `>=1.0.0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VersionSpecifier {
    matcher: Matcher,
    numbers: [u64; 3],
    prerelease: Option<String>,
    build: Option<String>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VersionError {
    #[error("`{0}` is no version: one has three numbers, such as 1.0.0 or >=1.0.0")]
    NotAVersion(String),
    #[error("no version fits all of {}", .0.join(", "))]
    Incompatible(Vec<String>),
}

/// dbt's expression. The dash before a pre-release may be missing: `1.0.0rc1`.
static VERSION: LazyLock<Regex> = LazyLock::new(|| {
    const NUMBER: &str = "(?:0|[1-9][0-9]*)";
    const PART: &str = "(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)";
    const ANY: &str = "[0-9A-Za-z-]*";
    let text = format!(
        r"^(>=|>|<|<=|=)?({NUMBER})\.({NUMBER})\.({NUMBER})(?:-?({PART}(?:\.{PART})*))?(?:\+({ANY}(?:\.{ANY})*))?$"
    );
    Regex::new(&text).unwrap_or_else(|e| panic!("the expression of versions: {e}"))
});

impl VersionSpecifier {
    pub(crate) fn parse(text: &str) -> Result<VersionSpecifier, VersionError> {
        let wrong = || VersionError::NotAVersion(text.to_owned());
        let found = VERSION.captures(text).ok().flatten().ok_or_else(wrong)?;
        let part = |i: usize| found.get(i).map(|m| m.as_str());
        let number = |i: usize| part(i).and_then(|t| t.parse().ok()).ok_or_else(wrong);
        let matcher = match part(1) {
            Some(">=") => Matcher::GreaterOrEqual,
            Some(">") => Matcher::Greater,
            Some("<") => Matcher::Less,
            Some("<=") => Matcher::LessOrEqual,
            _ => Matcher::Exact,
        };
        Ok(VersionSpecifier {
            matcher,
            numbers: [number(2)?, number(3)?, number(4)?],
            prerelease: part(5).map(str::to_owned),
            build: part(6).map(str::to_owned),
        })
    }

    pub(crate) fn is_exact(&self) -> bool {
        self.matcher == Matcher::Exact
    }

    pub(crate) fn is_prerelease(&self) -> bool {
        self.prerelease.is_some()
    }

    fn is_lower_bound(&self) -> bool {
        matches!(self.matcher, Matcher::Greater | Matcher::GreaterOrEqual)
    }

    fn is_upper_bound(&self) -> bool {
        matches!(self.matcher, Matcher::Less | Matcher::LessOrEqual)
    }

    /// dbt's order, which is none of sets: `<1.0.0` is before `1.0.0-rc1`, so that a pre-release of
    /// the version that is excluded is not chosen.
    fn compare(&self, other: &VersionSpecifier) -> Ordering {
        use Matcher::{Greater, GreaterOrEqual, Less, LessOrEqual};
        let numbers = self.numbers.cmp(&other.numbers);
        if numbers.is_ne() {
            return numbers;
        }
        let prerelease = match (&self.prerelease, &other.prerelease) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) if self.matcher == Less => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => compare_prereleases(a, b),
        };
        if prerelease.is_ne() {
            return prerelease;
        }
        match (self.matcher, other.matcher) {
            (GreaterOrEqual, LessOrEqual) | (LessOrEqual, GreaterOrEqual) => Ordering::Equal,
            (Less, LessOrEqual) | (GreaterOrEqual, Greater) => Ordering::Less,
            _ if self.is_upper_bound() && other.is_lower_bound() => Ordering::Less,
            (LessOrEqual, Less) | (Greater, GreaterOrEqual) => Ordering::Greater,
            _ if self.is_lower_bound() && other.is_upper_bound() => Ordering::Greater,
            _ => Ordering::Equal,
        }
    }
}

/// Compares part by part; numbers come before texts, and what is left over is compared by length.
fn compare_prereleases(a: &str, b: &str) -> Ordering {
    for (x, y) in a.split('.').zip(b.split('.')) {
        let order = match (read_digits(x), read_digits(y)) {
            (Some(x), Some(y)) => x.cmp(&y),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => x.cmp(y),
        };
        if order.is_ne() {
            return order;
        }
    }
    a.chars().count().cmp(&b.chars().count())
}

/// The value of a text of digits: their number without leading zeros, then the digits.
fn read_digits(text: &str) -> Option<(usize, &str)> {
    let is_number = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let digits = text.trim_start_matches('0');
    is_number.then_some((digits.len(), digits))
}

impl fmt::Display for VersionSpecifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let matcher = match self.matcher {
            Matcher::Exact => "=",
            Matcher::Less => "<",
            Matcher::LessOrEqual => "<=",
            Matcher::Greater => ">",
            Matcher::GreaterOrEqual => ">=",
        };
        let [major, minor, patch] = self.numbers;
        write!(f, "{matcher}{major}.{minor}.{patch}")?;
        if let Some(prerelease) = &self.prerelease {
            write!(f, "-{prerelease}")?;
        }
        match &self.build {
            Some(build) => write!(f, "+{build}"),
            None => Ok(()),
        }
    }
}

/// What specifiers leave together; a bound that is missing is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct VersionRange {
    start: Option<VersionSpecifier>,
    end: Option<VersionSpecifier>,
}

/// Two bounds that no version fits.
struct Conflict;

impl VersionRange {
    fn of(specifier: &VersionSpecifier) -> VersionRange {
        let bound = |is_there: bool| is_there.then(|| specifier.clone());
        VersionRange {
            start: bound(!specifier.is_upper_bound()),
            end: bound(!specifier.is_lower_bound()),
        }
    }

    fn reduce(&self, other: &VersionRange) -> Result<VersionRange, Conflict> {
        let exact = |bound: &Option<VersionSpecifier>| {
            bound.clone().filter(|specifier| specifier.is_exact())
        };
        let (start, end) = match (exact(&self.start), exact(&other.start)) {
            (Some(a), Some(b)) if a.compare(&b).is_eq() => (Some(a.clone()), Some(a)),
            (Some(_), Some(_)) => return Err(Conflict),
            _ => (
                combine(&self.start, &other.start, Ordering::Less, Matcher::GreaterOrEqual)?,
                combine(&self.end, &other.end, Ordering::Greater, Matcher::LessOrEqual)?,
            ),
        };
        if let (Some(start), Some(end)) = (&start, &end)
            && start.compare(end).is_gt()
        {
            return Err(Conflict);
        }
        Ok(VersionRange { start, end })
    }
}

/// The narrower of two bounds. `looser`: how a bound compares with a narrower one; `closed`: the
/// matcher that includes its own version.
fn combine(
    a: &Option<VersionSpecifier>,
    b: &Option<VersionSpecifier>,
    looser: Ordering,
    closed: Matcher,
) -> Result<Option<VersionSpecifier>, Conflict> {
    let (Some(a), Some(b)) = (a, b) else { return Ok(a.clone().or_else(|| b.clone())) };
    let (bound, exact) = match (a.is_exact(), b.is_exact()) {
        (false, false) => {
            return Ok(Some(if a.compare(b) == looser { b.clone() } else { a.clone() }));
        }
        (true, _) => (b, a),
        (false, true) => (a, b),
    };
    let order = bound.compare(exact);
    if order == looser || order.is_eq() && bound.matcher == closed {
        Ok(Some(exact.clone()))
    } else {
        Err(Conflict)
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.start, &self.end) {
            (None, None) => f.write_str("any version"),
            (Some(start), Some(end)) if start == end => write!(f, "{start}"),
            (Some(start), Some(end)) => write!(f, "{start}, {end}"),
            (Some(bound), None) | (None, Some(bound)) => write!(f, "{bound}"),
        }
    }
}

/// The range that all specifiers leave. Like dbt it begins with the last one.
pub(crate) fn reduce_versions(
    specifiers: &[VersionSpecifier],
) -> Result<VersionRange, VersionError> {
    let Some((last, others)) = specifiers.split_last() else { return Ok(VersionRange::default()) };
    let mut range = VersionRange::of(last);
    for specifier in others {
        range = range.reduce(&VersionRange::of(specifier)).map_err(|Conflict| {
            VersionError::Incompatible(specifiers.iter().map(|s| s.to_string()).collect())
        })?;
    }
    Ok(range)
}

/// Whether a version fits all conditions.
pub(crate) fn fits_all(version: &VersionSpecifier, conditions: &[VersionSpecifier]) -> bool {
    let all: Vec<VersionSpecifier> = std::iter::once(version).chain(conditions).cloned().collect();
    reduce_versions(&all).is_ok()
}

/// The versions that may be chosen, ascending: without pre-releases unless they are asked for.
pub(crate) fn sort_installable(
    versions: &[String],
    with_prereleases: bool,
) -> Result<Vec<String>, VersionError> {
    let mut parsed = versions
        .iter()
        .map(|text| Ok((VersionSpecifier::parse(text)?, text.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    parsed.retain(|(version, _)| with_prereleases || !version.is_prerelease());
    parsed.sort_by(|(a, _), (b, _)| a.compare(b));
    Ok(parsed.into_iter().map(|(_, text)| text).collect())
}

/// The highest version in the range.
pub(crate) fn choose_version(
    range: &VersionRange,
    versions: &[String],
) -> Result<Option<String>, VersionError> {
    let bounds: Vec<VersionSpecifier> =
        [&range.start, &range.end].into_iter().flatten().cloned().collect();
    let mut best: Option<(VersionSpecifier, &String)> = None;
    for text in versions {
        let version = VersionSpecifier::parse(text)?;
        let is_better = best.as_ref().is_none_or(|(best, _)| best.compare(&version).is_lt());
        if is_better && fits_all(&version, &bounds) {
            best = Some((version, text));
        }
    }
    Ok(best.map(|(_, text)| text.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_versions() {
        for (text, shown) in [
            ("1.0.0", "=1.0.0"),
            ("<=1.2.3", "<=1.2.3"),
            ("1.0.0rc1", "=1.0.0-rc1"),
            ("1.0.0-rc.1+b", "=1.0.0-rc.1+b"),
            ("1.0.01", "=1.0.0-1"),
            (">0.0.0-1a", ">0.0.0-1a"),
        ] {
            assert_eq!(VersionSpecifier::parse(text).unwrap().to_string(), shown, "{text}");
        }
        for text in ["1.0", "1", "latest", "", ">= 1.0.0", "~1.0.0", "1.0.0,2.0.0", "01.0.0"] {
            assert!(VersionSpecifier::parse(text).is_err(), "{text}");
        }
    }
}
