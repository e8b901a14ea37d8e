//! What of two aligned sheets is shown: rows and columns with a change, one of context around them,
//! dots for the others.

use super::Sheet;
use super::align::{Alignment, RowPair};
use super::value::DiffValue;

/// How much a row or a column has to do with a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Activity {
    Quiet,
    Changed,
    Context,
    /// The first beyond the context, which stands for all that are left out.
    Dots,
}

#[derive(Debug)]
pub(super) enum DrawnCell {
    Value(DiffValue),
    /// Before and after.
    Change(String, String),
    Dots,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum RowSign {
    Header,
    Same,
    Changed,
    Added,
    Removed,
    Dots,
}

#[derive(Debug)]
pub(super) struct DrawnRow {
    pub(super) sign: RowSign,
    pub(super) cells: Vec<DrawnCell>,
}

/// The rows that are shown, the header first.
#[derive(Debug)]
pub(super) struct Drawing {
    pub(super) rows: Vec<DrawnRow>,
    /// An arrow that no value contains.
    pub(super) arrow: String,
}

/// What is shown, or `None` if nothing differs.
pub(super) fn mark_changes(left: &Sheet, right: &Sheet, alignment: &Alignment) -> Option<Drawing> {
    let width = left[0].len();
    let pairs = &alignment.pairs;
    let mut columns: Vec<Activity> = (0..width)
        .map(|column| match alignment.matched_by.contains(&column) {
            true => Activity::Changed,
            false => Activity::Quiet,
        })
        .collect();
    let signs: Vec<RowSign> = pairs.iter().map(|pair| sign_of(left, right, *pair)).collect();
    for (pair, sign) in pairs.iter().zip(&signs) {
        for (column, activity) in columns.iter_mut().enumerate() {
            let changed = match (sign, pair.left, pair.right) {
                (RowSign::Added, ..) => true,
                (RowSign::Changed, Some(l), Some(r)) => !left[l][column].equals(&right[r][column]),
                _ => false,
            };
            if changed {
                *activity = Activity::Changed;
            }
        }
    }
    let is_change = |sign: &RowSign| !matches!(sign, RowSign::Same | RowSign::Header);
    if !signs.iter().any(is_change) {
        return None;
    }
    let mut rows: Vec<Activity> = signs
        .iter()
        .map(|sign| if is_change(sign) { Activity::Changed } else { Activity::Quiet })
        .collect();
    spread_context(&mut rows);
    spread_context(&mut columns);
    let mut drawn = vec![DrawnRow { sign: RowSign::Header, cells: values_of(&right[0]) }];
    for ((pair, sign), activity) in pairs.iter().zip(&signs).zip(&rows) {
        let follows_dots = drawn.last().is_some_and(|row| row.sign == RowSign::Dots);
        match activity {
            _ if *sign == RowSign::Header => {}
            Activity::Quiet => {}
            Activity::Dots if follows_dots => {}
            Activity::Dots => drawn.push(DrawnRow {
                sign: RowSign::Dots,
                cells: (0..width).map(|_| DrawnCell::Dots).collect(),
            }),
            Activity::Changed | Activity::Context => {
                drawn.push(DrawnRow { sign: *sign, cells: cells_of(left, right, *pair) });
            }
        }
    }
    leave_out_columns(&mut drawn, &columns);
    Some(Drawing { rows: drawn, arrow: unused_arrow([left, right]) })
}

fn unused_arrow(sheets: [&Sheet; 2]) -> String {
    let mut arrow = "->".to_owned();
    for value in sheets.into_iter().flatten().flatten() {
        while value.key().contains(&arrow) {
            arrow.insert(0, '-');
        }
    }
    arrow
}

fn sign_of(left: &Sheet, right: &Sheet, pair: RowPair) -> RowSign {
    match (pair.left, pair.right) {
        (Some(0) | None, Some(0)) => RowSign::Header,
        (None, _) => RowSign::Added,
        (_, None) => RowSign::Removed,
        (Some(l), Some(r)) => {
            let is_same = left[l].iter().zip(&right[r]).all(|(l, r)| l.equals(r));
            if is_same { RowSign::Same } else { RowSign::Changed }
        }
    }
}

fn values_of(row: &[DiffValue]) -> Vec<DrawnCell> {
    row.iter().cloned().map(DrawnCell::Value).collect()
}

fn cells_of(left: &Sheet, right: &Sheet, pair: RowPair) -> Vec<DrawnCell> {
    match (pair.left, pair.right) {
        (Some(l), Some(r)) => {
            let cells = left[l].iter().zip(&right[r]).map(|(l, r)| match l.equals(r) {
                true => DrawnCell::Value(l.clone()),
                false => DrawnCell::Change(l.beside_arrow(), r.beside_arrow()),
            });
            cells.collect()
        }
        (Some(l), None) => values_of(&left[l]),
        (None, Some(r)) => values_of(&right[r]),
        (None, None) => Vec::new(),
    }
}

/// Marks the neighbours of what changed, in both directions. The walk forward begins as if a change
/// stood two places before the first.
fn spread_context(activities: &mut [Activity]) {
    let mut distance = 1;
    for activity in activities.iter_mut() {
        distance = spread_to(activity, distance + 1);
    }
    distance = 2;
    for activity in activities.iter_mut().rev() {
        distance = spread_to(activity, distance + 1);
    }
}

/// Marks one place that is so far from the last change, and returns the distance that counts on.
fn spread_to(activity: &mut Activity, distance: usize) -> usize {
    match (*activity, distance) {
        (Activity::Changed, _) => return 0,
        (Activity::Quiet | Activity::Dots, 0 | 1) => *activity = Activity::Context,
        (Activity::Quiet | Activity::Dots, 2) => *activity = Activity::Dots,
        _ => {}
    }
    distance
}

/// Columns far from a change become one column of dots for each run of them.
fn leave_out_columns(drawn: &mut [DrawnRow], columns: &[Activity]) {
    let is_out = |i: usize| matches!(columns[i], Activity::Quiet | Activity::Dots);
    for row in drawn {
        let cells = std::mem::take(&mut row.cells).into_iter().enumerate();
        row.cells = cells
            .filter(|(i, _)| !(is_out(*i) && *i > 0 && is_out(*i - 1)))
            .map(|(i, cell)| if is_out(i) { DrawnCell::Dots } else { cell })
            .collect();
    }
}
