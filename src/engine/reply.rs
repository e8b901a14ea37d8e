//! What a statement answers.

use super::ExistingColumn;

/// What a statement answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reply {
    /// dbt's message: `OK`, `SELECT 5`.
    pub(crate) message: String,
    pub(crate) rows_affected: Option<i64>,
    /// Of its rows, where it has any and they were asked for.
    pub(crate) columns: Vec<ExistingColumn>,
}

impl Reply {
    pub(crate) fn ok() -> Reply {
        Reply { message: "OK".to_owned(), ..Reply::default() }
    }

    /// Of a seed's rows.
    pub(crate) fn of_load(rows: u64) -> Reply {
        Reply {
            message: format!("INSERT {rows}"),
            rows_affected: i64::try_from(rows).ok(),
            columns: Vec::new(),
        }
    }

    /// `adapter_response` of `run_results.json`: the message, its words without numbers, the rows,
    /// -1 where a statement has none (as Python's database drivers say, PEP 249).
    pub(crate) fn to_json(&self) -> serde_json::Value {
        if self.message == "OK" {
            return serde_json::json!({ "_message": "OK" });
        }
        let code: Vec<&str> =
            self.message.split(' ').filter(|w| w.parse::<i64>().is_err()).collect();
        let counts = code.len() < self.message.split(' ').count();
        let rows = self.rows_affected.filter(|_| counts).unwrap_or(-1);
        serde_json::json!({ "_message": self.message, "code": code.join(" "), "rows_affected": rows })
    }
}
