//! Tables of the rows that a test found.

use crate::engine::{Cell, Dialect, EngineSpec, ExistingColumn, Relation, RelationKind};
use crate::source::SqlText;

/// A relation of the rows that a query gives.
pub(crate) fn create_rows(
    relation: &Relation,
    kind: RelationKind,
    query: &SqlText,
    engine: &EngineSpec,
) -> SqlText {
    let name = relation.render(engine.dialect);
    let mut sql = SqlText::from(format!("create {} {name} as\n", kind.sql()));
    sql.push(query);
    sql
}

/// How many rows one statement inserts.
const ROWS_A_STATEMENT: usize = 1000;

/// The statements that make a table of rows that were fetched.
pub(crate) fn insert_rows(
    relation: &Relation,
    columns: &[ExistingColumn],
    rows: &[Vec<Cell>],
    engine: &EngineSpec,
) -> Vec<SqlText> {
    let name = relation.render(engine.dialect);
    let column = |c: &ExistingColumn| format!("{} {}", engine.dialect.quoted(&c.name), c.data_type);
    let columns: Vec<String> = columns.iter().map(column).collect();
    let create = format!("create table {name} ({})", columns.join(", "));
    let inserts = rows.chunks(ROWS_A_STATEMENT).map(|piece| {
        let rows: Vec<String> = piece.iter().map(|row| row_of(row)).collect();
        format!("insert into {name} values {}", rows.join(", "))
    });
    std::iter::once(create).chain(inserts).map(SqlText::from).collect()
}

fn row_of(cells: &[Cell]) -> String {
    let literals: Vec<String> = cells.iter().map(literal).collect();
    format!("({})", literals.join(", "))
}

fn literal(cell: &Cell) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Bool(_) | Cell::Int(_) | Cell::Decimal(_) => cell.display(),
        other => Dialect::literal(&other.display()),
    }
}
