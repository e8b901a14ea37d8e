//! Positions tables: layers from left to right, each a box with columns of tables.

use super::model::{Diagram, DiagramColumn, DiagramTable};
use unicode_width::UnicodeWidthStr;

/// Sizes in pixels.
pub(super) const HEADER: f64 = 28.0;
pub(super) const ROW: f64 = 19.0;
pub(super) const PADDING: f64 = 10.0;
/// The space for `PK FK` before a column's name.
pub(super) const BADGE: f64 = 38.0;
const GAP: f64 = 28.0;
/// The space between adjacent tables, for the lines.
const LANE: f64 = 64.0;
const TITLE: f64 = 34.0;
const MARGIN: f64 = 24.0;
const NARROWEST: f64 = 170.0;
const WIDEST: f64 = 360.0;

/// The maximum number of columns that a table shows, except that all keys are shown.
const MOST_ROWS: usize = 14;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) tables: Vec<Rect>,
    pub(super) groups: Vec<Rect>,
}

/// The approximate width of a text in the diagram's font, in pixels.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    text.width() as f64 * size * 0.58
}

/// The columns that a table shows, and the number of hidden ones.
pub(super) fn shown_columns(table: &DiagramTable) -> (Vec<usize>, usize) {
    let all: Vec<usize> = (0..table.columns.len()).collect();
    if all.len() <= MOST_ROWS {
        return (all, 0);
    }
    let keys = all.iter().filter(|i| is_key(&table.columns[**i])).count();
    let mut others = MOST_ROWS.saturating_sub(1).saturating_sub(keys);
    let shown: Vec<usize> = all
        .iter()
        .copied()
        .filter(|i| {
            let is_key = is_key(&table.columns[*i]);
            let take = is_key || others > 0;
            others -= usize::from(take && !is_key);
            take
        })
        .collect();
    let hidden = all.len() - shown.len();
    (shown, hidden)
}

fn is_key(field: &DiagramColumn) -> bool {
    field.primary || field.foreign || field.unique
}

fn size(table: &DiagramTable) -> (f64, f64) {
    let (shown, hidden) = shown_columns(table);
    // The name is bold and therefore wider.
    let name = text_width(&table.name, 14.0) + text_width(&table.kind, 11.0) + 4.0 * PADDING;
    let rows = shown.iter().map(|i| row_width(&table.columns[*i]));
    let width = rows.fold(name, f64::max).clamp(NARROWEST, WIDEST);
    let lines = shown.len() + usize::from(hidden > 0);
    (width.round(), HEADER + ROW * lines.max(1) as f64 + 6.0)
}

fn row_width(field: &DiagramColumn) -> f64 {
    let data_type = field.data_type.as_deref().unwrap_or_default();
    BADGE
        + text_width(&field.name, if field.primary { 13.0 } else { 12.0 })
        + text_width(data_type, 11.0)
        + 3.0 * PADDING
}

/// Positions everything. Tries several heights for the columns of tables, and keeps the layout that
/// is closest to the shape of a page.
pub(super) fn place_tables(diagram: &Diagram) -> Layout {
    let sizes: Vec<(f64, f64)> = diagram.tables.iter().map(size).collect();
    let tallest = sizes.iter().map(|(_, h)| *h).fold(120.0, f64::max);
    let all: f64 = sizes.iter().map(|(_, h)| h + GAP).sum::<f64>().max(tallest);
    let mut best: Option<(f64, Layout)> = None;
    let mut height = tallest;
    while height <= all * 1.01 {
        let candidate = place(diagram, &sizes, height);
        let shape = (candidate.width / candidate.height / 1.5).ln().abs();
        if best.as_ref().is_none_or(|(s, _)| shape < *s) {
            best = Some((shape, candidate));
        }
        height *= 1.15;
    }
    best.map_or_else(|| place(diagram, &sizes, all), |(_, layout)| layout)
}

fn place(diagram: &Diagram, sizes: &[(f64, f64)], most: f64) -> Layout {
    let mut tables = vec![Rect::default(); sizes.len()];
    let mut placed = vec![false; sizes.len()];
    let mut groups = Vec::new();
    let mut left = MARGIN;
    let mut bottom: f64 = 0.0;
    for group in &diagram.groups {
        let order = near_what_they_refer_to(diagram, &group.tables, &tables, &placed);
        let top = MARGIN + TITLE;
        let (mut x, mut y, mut widest) = (left + GAP, top, 0.0f64);
        let mut low = top;
        for table in order {
            let (width, height) = sizes[table];
            if y > top && y + height > top + most {
                (x, y, widest) = (x + widest + LANE, top, 0.0);
            }
            tables[table] = Rect { x, y, width, height };
            placed[table] = true;
            (y, widest) = (y + height + GAP, widest.max(width));
            low = low.max(y - GAP);
        }
        let right = x + widest + GAP;
        groups.push(Rect { x: left, y: MARGIN, width: right - left, height: low - MARGIN + GAP });
        left = right + LANE;
        bottom = bottom.max(low + GAP);
    }
    Layout {
        width: (left - LANE + MARGIN).max(2.0 * MARGIN),
        height: bottom.max(MARGIN) + MARGIN,
        tables,
        groups,
    }
}

/// Orders tables by the height of the tables that they are linked to, as far as those are placed;
/// the others follow in their given order.
fn near_what_they_refer_to(
    diagram: &Diagram,
    members: &[usize],
    tables: &[Rect],
    placed: &[bool],
) -> Vec<usize> {
    let mut order: Vec<(f64, usize)> = members
        .iter()
        .map(|t| (mean_centre_of_linked(diagram, *t, tables, placed).unwrap_or(f64::MAX), *t))
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    order.into_iter().map(|(_, table)| table).collect()
}

/// The mean vertical centre of the placed tables that a table is linked to; `None` if there are
/// none.
fn mean_centre_of_linked(
    diagram: &Diagram,
    table: usize,
    tables: &[Rect],
    placed: &[bool],
) -> Option<f64> {
    let linked =
        diagram.references.iter().filter_map(|l| match (l.child == table, l.parent == table) {
            (true, false) => Some(l.parent),
            (false, true) => Some(l.child),
            _ => None,
        });
    let heights: Vec<f64> =
        linked.filter(|t| placed[*t]).map(|t| tables[t].y + tables[t].height / 2.0).collect();
    (!heights.is_empty()).then(|| heights.iter().sum::<f64>() / heights.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::erd::model::testing::hostile;

    #[test]
    fn tables_do_not_overlap() {
        let mut diagram = hostile();
        let table = diagram.tables[0].clone();
        diagram.tables = vec![table; 40];
        diagram.groups[0].tables = (0..40).collect();
        let layout = place_tables(&diagram);
        for (i, a) in layout.tables.iter().enumerate() {
            for b in &layout.tables[i + 1..] {
                let apart = a.x + a.width <= b.x
                    || b.x + b.width <= a.x
                    || a.y + a.height <= b.y
                    || b.y + b.height <= a.y;
                assert!(apart, "{a:?} {b:?}");
            }
        }
        assert!(layout.width / layout.height < 4.0 && layout.height / layout.width < 4.0);
    }
}
