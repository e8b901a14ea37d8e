//! Rows that come from a file: seeds and exports.

use super::Relation;
use std::borrow::Cow;
use std::io;

/// The rows of a seed, one after the other.
pub(crate) trait SeedSource {
    /// Reads the next row; false at the end.
    fn next_row(&mut self) -> io::Result<bool>;
    /// A value of the row as text that the engine reads as the column's type; none is null.
    fn value(&self, column: usize) -> Option<Cow<'_, [u8]>>;
}

/// A seed on its way into an empty table.
pub(crate) struct Load<'a> {
    pub(crate) table: &'a Relation,
    /// The columns in the order of the file, as SQL.
    pub(crate) columns: &'a [String],
    /// The file, for an engine that reads it itself (`RowsIn::File`).
    pub(crate) path: &'a str,
    pub(crate) delimiter: &'a str,
    /// What is in it, for the others.
    pub(crate) rows: &'a mut dyn SeedSource,
}

impl Load<'_> {
    /// The table with its columns, as SQL.
    pub(crate) fn place(&self, dialect: super::Dialect) -> String {
        format!("{} ({})", self.table.render(dialect), self.columns.join(", "))
    }
}

/// What came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loaded {
    /// None: the engine does not say.
    pub(crate) rows: Option<u64>,
    /// The SQL that was run.
    pub(crate) executed: Vec<String>,
}

/// A Parquet file to be made of a file of rows.
pub(crate) struct ParquetFile<'a> {
    /// A list of objects in JSON.
    pub(crate) rows: &'a str,
    /// Names and types, as the engine that writes the file calls them.
    pub(crate) columns: &'a [(String, String)],
    pub(crate) to: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoRows;

    impl SeedSource for NoRows {
        fn next_row(&mut self) -> io::Result<bool> {
            Ok(false)
        }

        fn value(&self, _: usize) -> Option<Cow<'_, [u8]>> {
            None
        }
    }

    #[test]
    fn rows_go_to_named_columns() {
        let table = Relation::new(Some("d"), Some("s"), "t");
        let columns = ["a".to_owned(), "\"b c\"".to_owned()];
        let rows = &mut NoRows;
        let load = Load { table: &table, columns: &columns, path: "", delimiter: ",", rows };
        let place = load.place(crate::engine::duckdb::DIALECT);
        assert_eq!(place, "\"d\".\"s\".\"t\" (a, \"b c\")");
    }
}
