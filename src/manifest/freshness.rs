//! The limits on the age of sources: `freshness:`.

use crate::config::{Json, JsonMap, python_str};
use serde_json::json;
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Period {
    Minute,
    Hour,
    Day,
}

impl Period {
    const ALL: [Period; 3] = [Period::Minute, Period::Hour, Period::Day];

    fn as_str(self) -> &'static str {
        match self {
            Period::Minute => "minute",
            Period::Hour => "hour",
            Period::Day => "day",
        }
    }

    fn seconds(self) -> f64 {
        match self {
            Period::Minute => 60.0,
            Period::Hour => 3600.0,
            Period::Day => 86_400.0,
        }
    }
}

/// A limit: `{count: 12, period: hour}`. If one of them is missing, there is no limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FreshnessLimit {
    count: Option<i64>,
    period: Option<Period>,
}

impl FreshnessLimit {
    /// The limit in seconds.
    fn seconds(&self) -> Option<f64> {
        Some(self.count? as f64 * self.period?.seconds())
    }

    fn exceeded(&self, age: f64) -> bool {
        self.seconds().is_some_and(|limit| age > limit)
    }

    fn from_json(
        key: &str,
        json: Option<&Json>,
        problems: &mut Vec<String>,
    ) -> Option<FreshnessLimit> {
        let map = match json {
            None => return Some(FreshnessLimit::default()),
            Some(Json::Null) => return None,
            Some(Json::Object(map)) => map,
            Some(other) => {
                problems.push(format!(
                    "`{key}` is a mapping of `count` and `period`, not {}",
                    python_str(other)
                ));
                return Some(FreshnessLimit::default());
            }
        };
        let mut age = FreshnessLimit::default();
        match map.get("count") {
            None | Some(Json::Null) => {}
            Some(count) => match count.as_i64() {
                Some(n) => age.count = Some(n),
                None => {
                    problems.push(format!("`count` is a whole number, not {}", python_str(count)))
                }
            },
        }
        match map.get("period") {
            None | Some(Json::Null) => {}
            Some(period) => match Period::ALL
                .into_iter()
                .find(|p| period.as_str() == Some(p.as_str()))
            {
                Some(found) => age.period = Some(found),
                None => problems
                    .push(format!("`period` is minute, hour or day, not {}", python_str(period))),
            },
        }
        Some(age)
    }

    fn to_json(&self) -> Json {
        json!({ "count": self.count, "period": self.period.map(Period::as_str) })
    }
}

impl fmt::Display for FreshnessLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, period) = (self.count.unwrap_or(0), self.period.map_or("", Period::as_str));
        write!(f, "{count} {period}{}", if count == 1 { "" } else { "s" })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FreshnessStatus {
    Pass,
    Warn,
    Error,
}

impl FreshnessStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            FreshnessStatus::Pass => "pass",
            FreshnessStatus::Warn => "warn",
            FreshnessStatus::Error => "error",
        }
    }
}

/// The limits of a source. A limit that is `None` was disabled with null.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FreshnessThreshold {
    pub(crate) warn_after: Option<FreshnessLimit>,
    pub(crate) error_after: Option<FreshnessLimit>,
    pub(crate) filter: Option<String>,
}

impl Default for FreshnessThreshold {
    fn default() -> FreshnessThreshold {
        FreshnessThreshold {
            warn_after: Some(FreshnessLimit::default()),
            error_after: Some(FreshnessLimit::default()),
            filter: None,
        }
    }
}

impl FreshnessThreshold {
    /// Reads `freshness:`, and appends errors to `problems`.
    pub(crate) fn from_json(json: &Json, problems: &mut Vec<String>) -> FreshnessThreshold {
        let Json::Object(map) = json else {
            problems.push(format!("`freshness` is a mapping or null, not {}", python_str(json)));
            return FreshnessThreshold::default();
        };
        FreshnessThreshold {
            warn_after: FreshnessLimit::from_json("warn_after", map.get("warn_after"), problems),
            error_after: FreshnessLimit::from_json("error_after", map.get("error_after"), problems),
            filter: map.get("filter").filter(|f| !f.is_null()).map(python_str),
        }
    }

    /// Whether there is any limit.
    pub(crate) fn is_set(&self) -> bool {
        [&self.warn_after, &self.error_after].into_iter().flatten().any(|a| a.seconds().is_some())
    }

    /// The status of a source whose data has this age in seconds.
    pub(crate) fn status(&self, age: f64) -> FreshnessStatus {
        if self.error_after.as_ref().is_some_and(|limit| limit.exceeded(age)) {
            FreshnessStatus::Error
        } else if self.warn_after.as_ref().is_some_and(|limit| limit.exceeded(age)) {
            FreshnessStatus::Warn
        } else {
            FreshnessStatus::Pass
        }
    }

    pub(crate) fn to_json(&self) -> Json {
        let mut map = JsonMap::new();
        map.insert("warn_after".into(), age_json(self.warn_after.as_ref()));
        map.insert("error_after".into(), age_json(self.error_after.as_ref()));
        map.insert("filter".into(), self.filter.as_deref().map_or(Json::Null, Json::from));
        Json::Object(map)
    }

    /// The limits of `self`, overridden by those of `later`.
    fn merged(self, later: FreshnessThreshold) -> FreshnessThreshold {
        FreshnessThreshold {
            warn_after: merge_limits(self.warn_after, later.warn_after),
            error_after: merge_limits(self.error_after, later.error_after),
            filter: later.filter.or(self.filter),
        }
    }

    /// Merges `freshness:` of several places, later ones taking precedence. `None` is a null: it
    /// removes all limits until a later place sets one. The default means that a place has none.
    pub(crate) fn merge(
        places: impl IntoIterator<Item = Option<FreshnessThreshold>>,
    ) -> Option<FreshnessThreshold> {
        places.into_iter().reduce(|earlier, later| match (earlier, later) {
            (Some(earlier), Some(later)) => Some(earlier.merged(later)),
            (None, Some(later)) if later.is_set() => Some(later),
            _ => None,
        })?
    }
}

fn age_json(age: Option<&FreshnessLimit>) -> Json {
    age.map_or(Json::Null, FreshnessLimit::to_json)
}

/// An incomplete later limit changes nothing; `None` disables the earlier one.
fn merge_limits(
    earlier: Option<FreshnessLimit>,
    later: Option<FreshnessLimit>,
) -> Option<FreshnessLimit> {
    match later {
        Some(later) if later.seconds().is_none() => earlier,
        later => later,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: Json) -> Option<FreshnessThreshold> {
        let mut problems = Vec::new();
        let found = (!json.is_null()).then(|| FreshnessThreshold::from_json(&json, &mut problems));
        assert!(problems.is_empty(), "{problems:?}");
        found
    }

    #[test]
    fn places_merge_as_in_dbt() {
        let day = json!({ "warn_after": { "count": 1, "period": "day" } });
        let unset = || Some(FreshnessThreshold::default());
        // A limit without a period is no limit.
        let half = read(json!({ "warn_after": { "count": 2 } }));
        assert_eq!(
            FreshnessThreshold::merge([read(day.clone()), unset(), half, unset()]),
            read(day.clone())
        );
        // Null removes all limits; a later place can set new ones.
        let hour = json!({ "error_after": { "count": 2, "period": "hour" } });
        assert_eq!(
            FreshnessThreshold::merge([read(day.clone()), unset(), None, read(hour.clone())]),
            read(hour)
        );
        assert_eq!(FreshnessThreshold::merge([read(day.clone()), unset(), None, unset()]), None);
        // Null for one limit does not affect the other.
        let merged = FreshnessThreshold::merge([
            read(day),
            read(json!({ "warn_after": null, "filter": "x" })),
        ])
        .unwrap();
        assert!(!merged.is_set());
        assert_eq!(merged.to_json()["filter"], "x");
    }

    #[test]
    fn an_age_is_judged() {
        let t = read(json!({
            "warn_after": { "count": 1, "period": "hour" }, "error_after": { "count": 1, "period": "day" },
        }))
        .unwrap();
        assert_eq!(t.status(3600.0), FreshnessStatus::Pass);
        assert_eq!(t.status(3600.5), FreshnessStatus::Warn);
        assert_eq!(t.status(86_401.0), FreshnessStatus::Error);
        assert_eq!(t.error_after.map(|a| a.to_string()).as_deref(), Some("1 day"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut problems = Vec::new();
        FreshnessThreshold::from_json(
            &json!({ "warn_after": { "count": "x", "period": "week" } }),
            &mut problems,
        );
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
