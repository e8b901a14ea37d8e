//! Loading rows from files into tables, and writing Parquet files.

use super::Relation;
use std::borrow::Cow;
use std::io;

/// A stream of the rows of a seed.
pub(crate) trait SeedSource {
    /// Advances to the next row; `false` at the end.
    fn next_row(&mut self) -> io::Result<bool>;
    /// A value of the current row, as text that the engine parses as the column's type; `None` is
    /// null.
    fn value(&self, column: usize) -> Option<Cow<'_, [u8]>>;
}

/// A seed that is loaded into an empty table.
pub(crate) struct SeedLoad<'a> {
    pub(crate) table: &'a Relation,
    /// The columns as SQL, in the order of the file.
    pub(crate) columns: &'a [String],
    /// The file, for engines that read it themselves (`SeedLoading::File`).
    pub(crate) path: &'a str,
    pub(crate) delimiter: &'a str,
    /// The rows of the file, for all other engines.
    pub(crate) rows: &'a mut dyn SeedSource,
}

impl SeedLoad<'_> {
    /// The table with its list of columns, as SQL.
    pub(crate) fn place(&self, dialect: super::Dialect) -> String {
        format!("{} ({})", self.table.render(dialect), self.columns.join(", "))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeedLoadReport {
    /// `None` if the engine does not report the number of rows.
    pub(crate) rows: Option<u64>,
    /// The executed SQL.
    pub(crate) executed: Vec<String>,
}

/// A Parquet file to write from a file of rows.
pub(crate) struct ParquetFile<'a> {
    /// The path of a JSON file with a list of objects.
    pub(crate) json_path: &'a str,
    /// Names and types, as the writing engine spells them.
    pub(crate) columns: &'a [(String, String)],
    pub(crate) parquet_path: &'a str,
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
        let load = SeedLoad { table: &table, columns: &columns, path: "", delimiter: ",", rows };
        let place = load.place(crate::engine::duckdb::DIALECT);
        assert_eq!(place, "\"d\".\"s\".\"t\" (a, \"b c\")");
    }
}
