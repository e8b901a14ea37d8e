//! The SQL that was executed for a node.

use crate::engine::QueryComment;
use std::borrow::Cow;
use std::sync::Arc;

/// The statements of a node in the order in which they ran.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExecutedSql {
    statements: Vec<Statement>,
    /// Sent with each of them.
    comment: Option<Arc<QueryComment>>,
}

#[derive(Clone, Debug)]
struct Statement {
    text: String,
    /// Whether it makes or fills the relation, and is not one that prepares, publishes or describes it.
    is_main: bool,
}

impl ExecutedSql {
    pub(super) fn add_main(&mut self, sql: &str) {
        self.add(sql, true);
    }

    pub(super) fn add_beside(&mut self, sql: &str) {
        self.add(sql, false);
    }

    pub(super) fn add_all_beside(&mut self, statements: &[String]) {
        statements.iter().for_each(|sql| self.add(sql, false));
    }

    /// The statements of a template that publishes by itself; `main` is the one that it named.
    pub(super) fn of_template(statements: &[String], main: Option<&str>) -> ExecutedSql {
        let mut all = ExecutedSql::default();
        let is_main = |sql: &str| main.is_some_and(|main| main.trim() == sql.trim());
        statements.iter().for_each(|sql| all.add(sql, is_main(sql)));
        all
    }

    fn add(&mut self, sql: &str, is_main: bool) {
        let text = sql.trim().trim_end_matches(';').to_owned();
        self.statements.push(Statement { text, is_main });
    }

    /// The text of the file below `run/`. As in dbt, the statements that make the relation, so that
    /// the file can be read beside the model.
    pub(super) fn main_text(&self) -> String {
        let main = self.statements.iter().filter(|statement| statement.is_main);
        main.map(|statement| format!("{};\n", statement.text)).collect()
    }

    pub(super) fn set_comment(&mut self, comment: Option<Arc<QueryComment>>) {
        self.comment = comment;
    }

    /// All statements as they were sent, without a semicolon at their end.
    pub(crate) fn texts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.statements.iter().map(|statement| match &self.comment {
            Some(comment) => comment.add_to(&statement.text).into(),
            None => statement.text.as_str().into(),
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_the_statements_that_make_the_relation() {
        let mut executed = ExecutedSql::default();
        assert!(executed.is_empty());
        executed.add_beside("begin");
        executed.add_main("\n create table a as select 1;\n");
        executed.add_all_beside(&["alter table a rename to b".to_owned(), "commit;".to_owned()]);
        assert_eq!(executed.main_text(), "create table a as select 1;\n");
        let sent = ["begin".to_owned(), "create table c as select 1;".to_owned()];
        let of_template = ExecutedSql::of_template(&sent, Some(" create table c as select 1; "));
        assert_eq!(of_template.main_text(), "create table c as select 1;\n");
        assert_eq!(of_template.texts().count(), 2);
        let all = ["begin", "create table a as select 1", "alter table a rename to b", "commit"];
        assert_eq!(executed.texts().collect::<Vec<_>>(), all);
    }
}
