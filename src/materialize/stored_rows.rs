//! Stores the failing rows of tests.

use crate::engine::{Cell, Dialect, EngineSpec, ExistingColumn, Relation, RelationKind};
use crate::source::SqlText;

/// The statement that creates a relation from a query.
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

/// The number of rows per `insert` statement.
const ROWS_A_STATEMENT: usize = 1000;

/// The statements that create a table from fetched rows.
pub(crate) fn insert_rows(
    relation: &Relation,
    columns: &[ExistingColumn],
    rows: &[Vec<Cell>],
    engine: &EngineSpec,
) -> Vec<SqlText> {
    let name = relation.render(engine.dialect);
    let columns: Vec<String> = columns
        .iter()
        .map(|c| format!("{} {}", engine.dialect.quoted(&c.name), c.data_type))
        .collect();
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
        Cell::Bool(_) | Cell::Int(_) => cell.display(),
        // `NaN` is a decimal of Postgres, but has to be quoted in SQL.
        Cell::Decimal(s) if s.parse::<f64>().is_ok_and(f64::is_finite) => s.clone(),
        other => Dialect::literal(&other.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::duckdb;

    #[test]
    fn fetched_rows_become_a_table() {
        let table = Relation::new(None, Some("audit"), "t");
        let column = |name: &str, data_type: &str| ExistingColumn {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
        };
        let columns = [column("n", "DECIMAL(3,1)"), column("a b", "VARCHAR")];
        let row = |n: &str, text: Cell| vec![Cell::Decimal(n.to_owned()), text];
        let rows = [row("1.5", Cell::Text("it's".to_owned())), row("NaN", Cell::Null)];
        let made = insert_rows(&table, &columns, &rows, &duckdb::SPEC);
        let made: Vec<&str> = made.iter().map(SqlText::as_str).collect();
        assert_eq!(
            made,
            [
                "create table \"audit\".\"t\" (\"n\" DECIMAL(3,1), \"a b\" VARCHAR)",
                "insert into \"audit\".\"t\" values (1.5, 'it''s'), ('NaN', null)",
            ]
        );
        let many = vec![row("1", Cell::Bool(true)); ROWS_A_STATEMENT + 1];
        assert_eq!(insert_rows(&table, &columns, &many, &duckdb::SPEC).len(), 3);
        let made =
            create_rows(&table, RelationKind::View, &SqlText::from("select 1"), &duckdb::SPEC);
        assert_eq!(made.as_str(), "create view \"audit\".\"t\" as\nselect 1");
    }
}
