//! The typed configs of tests.

use super::super::NodeConfig;
use crate::engine::RelationKind;

/// How the failures of a test are counted and stored (semantics 3.5, 3.6).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TestConfig {
    pub(crate) severity: TestSeverity,
    /// The condition on the number of failures, such as `!= 0`.
    pub(crate) warn_if: String,
    pub(crate) error_if: String,
    /// Whether only some of the rows are tested (`where`).
    pub(crate) has_condition: bool,
    pub(crate) limit: Option<String>,
    pub(crate) store_failures: StoreFailures,
    /// Whether failures are counted other than by `count(*)`.
    pub(crate) has_own_count: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TestSeverity {
    Warn,
    Error,
}

/// Whether and how failing rows are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreFailures {
    /// In a table, if the command line asks for it.
    ByFlag,
    Never,
    As(RelationKind),
}

/// The default condition.
const ANY: &str = "!= 0";

impl TestConfig {
    pub(super) fn read(config: &NodeConfig) -> TestConfig {
        let is_warning = config.text("severity").is_some_and(|s| s.eq_ignore_ascii_case("warn"));
        TestConfig {
            severity: if is_warning { TestSeverity::Warn } else { TestSeverity::Error },
            warn_if: read_threshold(config, "warn_if"),
            error_if: read_threshold(config, "error_if"),
            has_condition: config.get("where").is_some(),
            limit: config.text("limit").map(|t| t.into_owned()),
            store_failures: StoreFailures::read(config),
            has_own_count: config.text("fail_calc").is_some_and(|t| t != "count(*)"),
        }
    }

    /// Whether all rows are tested and counted, and any failing row fails the test.
    pub(crate) fn counts_all_rows(&self) -> bool {
        let has_threshold = self.warn_if != ANY || self.error_if != ANY;
        !has_threshold && !self.has_condition && self.limit.is_none() && !self.has_own_count
    }
}

fn read_threshold(config: &NodeConfig, key: &str) -> String {
    config.text(key).map_or(ANY.to_owned(), |t| t.into_owned())
}

impl StoreFailures {
    /// Reads `store_failures_as`, else `store_failures`.
    fn read(config: &NodeConfig) -> StoreFailures {
        match (config.text("store_failures_as").as_deref(), config.flag("store_failures")) {
            (Some("view"), _) => StoreFailures::As(RelationKind::View),
            (Some("ephemeral"), _) => StoreFailures::Never,
            (Some(_), _) => StoreFailures::As(RelationKind::Table),
            (None, Some(true)) => StoreFailures::As(RelationKind::Table),
            (None, Some(false)) => StoreFailures::Never,
            (None, None) => StoreFailures::ByFlag,
        }
    }

    /// The kind of relation that failing rows are stored in; `None`: they are not. `flag` is
    /// `--store-failures`.
    pub(crate) fn kind(self, flag: bool) -> Option<RelationKind> {
        match self {
            StoreFailures::ByFlag => flag.then_some(RelationKind::Table),
            StoreFailures::Never => None,
            StoreFailures::As(kind) => Some(kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::ConfigLayer;
    use super::*;
    use serde_json::json;

    fn read(entries: &[(&str, serde_json::Value)]) -> TestConfig {
        TestConfig::read(&NodeConfig::of(ConfigLayer::InFile, entries))
    }

    #[test]
    fn thresholds_and_severity() {
        let plain = read(&[]);
        assert!(plain.counts_all_rows() && plain.severity == TestSeverity::Error);
        assert_eq!((plain.warn_if.as_str(), plain.error_if.as_str()), ("!= 0", "!= 0"));
        assert_eq!(read(&[("severity", json!("Warn"))]).severity, TestSeverity::Warn);
        assert!(read(&[("fail_calc", json!("count(*)"))]).counts_all_rows());
        for (key, value) in [
            ("warn_if", json!("> 1")),
            ("error_if", json!("> 1")),
            ("where", json!("a = 1")),
            ("limit", json!(5)),
            ("fail_calc", json!("max(n)")),
        ] {
            assert!(!read(&[(key, value)]).counts_all_rows(), "{key}");
        }
        assert_eq!(read(&[("limit", json!(5))]).limit.as_deref(), Some("5"));
    }

    #[test]
    fn where_failures_go() {
        let kind =
            |entries: &[(&str, serde_json::Value)], flag| read(entries).store_failures.kind(flag);
        assert_eq!((kind(&[], false), kind(&[], true)), (None, Some(RelationKind::Table)));
        let own = [("store_failures", json!(false))];
        assert_eq!(kind(&own, true), None);
        let own = [("store_failures", json!(true))];
        assert_eq!(kind(&own, false), Some(RelationKind::Table));
        let as_view = [("store_failures_as", json!("view")), ("store_failures", json!(false))];
        assert_eq!(kind(&as_view, false), Some(RelationKind::View));
        assert_eq!(kind(&[("store_failures_as", json!("ephemeral"))], true), None);
        assert_eq!(
            kind(&[("store_failures_as", json!("table"))], false),
            Some(RelationKind::Table)
        );
    }
}
