//! An engine's reply to a statement.

use super::ExistingColumn;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reply {
    /// The message as in dbt: `OK`, `SELECT 5`.
    pub(crate) message: String,
    pub(crate) rows_affected: Option<i64>,
    /// The columns of the result, if rows were requested.
    pub(crate) columns: Vec<ExistingColumn>,
}

impl Reply {
    pub(crate) fn ok() -> Reply {
        Reply { message: "OK".to_owned(), ..Reply::default() }
    }

    /// The reply for a loaded seed.
    pub(crate) fn of_load(rows: u64) -> Reply {
        Reply {
            message: format!("INSERT {rows}"),
            rows_affected: i64::try_from(rows).ok(),
            columns: Vec::new(),
        }
    }

    /// The `adapter_response` of `run_results.json`: the message, its words without numbers, and
    /// the number of rows, which is -1 for statements without one (as in Python's PEP 249).
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn replies_as_the_artifact_tells_them() {
        assert_eq!(Reply::ok().to_json(), json!({ "_message": "OK" }));
        assert_eq!(
            Reply::of_load(3).to_json(),
            json!({ "_message": "INSERT 3", "code": "INSERT", "rows_affected": 3 })
        );
        let reply = |message: &str| Reply {
            message: message.to_owned(),
            rows_affected: Some(7),
            columns: Vec::new(),
        };
        assert_eq!(
            reply("INSERT 0 7").to_json(),
            json!({ "_message": "INSERT 0 7", "code": "INSERT", "rows_affected": 7 })
        );
        assert_eq!(
            reply("CREATE VIEW").to_json(),
            json!({ "_message": "CREATE VIEW", "code": "CREATE VIEW", "rows_affected": -1 }),
            "a statement that counts nothing"
        );
    }
}
