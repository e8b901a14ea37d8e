//! A comment that statements carry, so that those who watch a database see which node each of them belongs to.

use super::EngineError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryComment {
    text: String,
    place: CommentPlace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommentPlace {
    Before,
    After,
}

/// A text that cannot be put into a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the query comment has `*/` in it, which would end it")]
pub(crate) struct CommentEnds;

impl QueryComment {
    /// `None`: the text is empty.
    pub(crate) fn new(
        text: &str,
        place: CommentPlace,
    ) -> Result<Option<QueryComment>, CommentEnds> {
        if text.contains("*/") {
            return Err(CommentEnds);
        }
        let text = text.trim();
        Ok((!text.is_empty()).then(|| QueryComment { text: text.to_owned(), place }))
    }

    /// The statements with the comment, as dbt writes them.
    pub(crate) fn add_to(&self, sql: &str) -> String {
        let text = &self.text;
        match self.place {
            CommentPlace::Before => format!("/* {text} */\n{sql}"),
            CommentPlace::After => match sql.trim_end() {
                sql if sql.ends_with(';') => format!("{}\n/* {text} */;", &sql[..sql.len() - 1]),
                sql => format!("{sql}\n/* {text} */"),
            },
        }
    }

    /// The number of bytes before the first statement.
    fn lead(&self) -> usize {
        match self.place {
            CommentPlace::Before => "/*  */\n".len() + self.text.len(),
            CommentPlace::After => 0,
        }
    }

    /// Sends statements with a comment, if there is one. Errors are located in the statements without it.
    pub(crate) fn send<T>(
        comment: Option<&QueryComment>,
        sql: &str,
        send: impl FnOnce(&str) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let Some(comment) = comment else { return send(sql) };
        send(&comment.add_to(sql)).map_err(|mut e| {
            e.position =
                e.position.and_then(|(at, len)| Some((at.checked_sub(comment.lead())?, len)));
            e
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::EngineErrorKind;
    use super::*;

    fn comment(place: CommentPlace) -> QueryComment {
        QueryComment::new(" dbt\nrules!\n", place).unwrap().unwrap()
    }

    #[test]
    fn a_comment_stands_before_the_statements_or_after_them() {
        let before = comment(CommentPlace::Before);
        assert_eq!(before.add_to("select 1"), "/* dbt\nrules! */\nselect 1");
        let after = comment(CommentPlace::After);
        assert_eq!(after.add_to("select 1;\n"), "select 1\n/* dbt\nrules! */;");
        assert_eq!(after.add_to("select 1"), "select 1\n/* dbt\nrules! */");
        assert_eq!(QueryComment::new(" \n", CommentPlace::Before), Ok(None));
        assert_eq!(QueryComment::new("a */ b", CommentPlace::Before), Err(CommentEnds));
    }

    #[test]
    fn errors_are_located_in_the_statements() {
        for place in [CommentPlace::Before, CommentPlace::After] {
            let failing = |sql: &str| -> Result<(), EngineError> {
                let mut e = EngineError::new(EngineErrorKind::Runtime, "no such column");
                e.position = sql.find("nope").map(|at| (at, 4));
                Err(e)
            };
            let found = QueryComment::send(Some(&comment(place)), "select nope", failing);
            assert_eq!(found.unwrap_err().position, Some((7, 4)), "{place:?}");
        }
        assert_eq!(QueryComment::send(None, "select 1", |sql| Ok(sql.len())).unwrap(), 8);
    }
}
