//! Which row of one side is which of the other.
//!
//! Rows are the same if a combination of columns has the same texts in both and in no other row.
//! Combinations are tried from the first column on, by counting in binary; what is left is paired
//! with the neighbours of pairs, if all the columns agree.

use super::Sheet;
use indexmap::IndexMap;
use std::collections::{HashMap, HashSet};

/// The maximum number of columns that are combined: those with the most different values.
const COMBINED: usize = 5;

/// A row of the left side, of the right side, or of both.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowPair {
    pub(super) left: Option<usize>,
    pub(super) right: Option<usize>,
}

/// Pairs of all rows in the order of the diff, the headers among them.
#[derive(Debug)]
pub(super) struct Alignment {
    pub(super) pairs: Vec<RowPair>,
    /// The columns that rows were matched by.
    pub(super) matched_by: HashSet<usize>,
}

pub(super) fn align_rows(left: &Sheet, right: &Sheet) -> Alignment {
    let columns = choose_columns(left, right);
    let mut links = Links::default();
    let matched_by = link_unique(left, right, &columns, &mut links);
    if links.right_of.len() < left.len() {
        let keys = (row_keys(left, &columns), row_keys(right, &columns));
        for side in [Side::Left, Side::Right] {
            for backward in [false, true] {
                link_neighbours(&mut links, side, (&keys.0, &keys.1), backward);
            }
        }
    }
    links.link(0, 0);
    Alignment { pairs: order_pairs(&links, left.len(), right.len()), matched_by }
}

#[derive(Clone, Copy)]
enum Side {
    Left,
    Right,
}

/// The pairs found so far, from both sides. The order of `right_of` decides between rows of the left
/// that share one of the right, which only rows that read like the header can do.
#[derive(Default)]
struct Links {
    right_of: IndexMap<usize, usize>,
    left_of: HashMap<usize, usize>,
}

impl Links {
    fn link(&mut self, left: usize, right: usize) {
        self.right_of.insert(left, right);
        self.left_of.insert(right, left);
    }

    fn partner(&self, side: Side, row: usize) -> Option<usize> {
        match side {
            Side::Left => self.right_of.get(&row).copied(),
            Side::Right => self.left_of.get(&row).copied(),
        }
    }
}

fn choose_columns(left: &Sheet, right: &Sheet) -> Vec<usize> {
    let width = left[0].len();
    let mut columns: Vec<usize> = (0..width).collect();
    if width > COMBINED {
        columns.sort_by_key(|column| {
            let different = count_values(left, *column) + count_values(right, *column);
            std::cmp::Reverse(different)
        });
        columns.truncate(COMBINED);
    }
    columns
}

fn count_values(sheet: &Sheet, column: usize) -> usize {
    sheet.iter().map(|row| row[column].key()).collect::<HashSet<_>>().len()
}

/// The text that each row is matched by. Nulls and what reads like one are left out, and a header
/// is set apart.
fn row_keys(sheet: &Sheet, columns: &[usize]) -> Vec<String> {
    let prefixes = std::iter::once("_").chain(std::iter::repeat(""));
    let rows = prefixes.zip(sheet).map(|(prefix, row)| {
        let texts: Vec<&str> = columns.iter().map(|column| shown_key(row[*column].key())).collect();
        format!("{prefix}{}", texts.join(" // "))
    });
    rows.collect()
}

fn shown_key(text: &str) -> &str {
    if matches!(text, "null" | "undefined") { "" } else { text }
}

/// The rows that have a key: how many, and the first.
fn count_keys(keys: &[String]) -> HashMap<&str, (usize, usize)> {
    let mut counts = HashMap::new();
    for (i, key) in keys.iter().enumerate() {
        counts.entry(key.as_str()).or_insert((0, i)).0 += 1;
    }
    counts
}

/// Links rows whose key is unique on both sides, for one combination of columns after the other.
/// A combination whose values repeat too often says nothing, unless no other is left.
fn link_unique(
    left: &Sheet,
    right: &Sheet,
    columns: &[usize],
    links: &mut Links,
) -> HashSet<usize> {
    let mut matched_by = HashSet::new();
    let all = (1_usize << columns.len()) - 1;
    let height = left.len().max(right.len());
    let mut is_first = true;
    for combination in 1..=all {
        if links.right_of.len() == left.len() {
            break;
        }
        let active: Vec<usize> = (0..columns.len())
            .filter(|bit| combination >> bit & 1 == 1)
            .map(|bit| columns[bit])
            .collect();
        matched_by.extend(active.iter().copied());
        let (left_keys, right_keys) = (row_keys(left, &active), row_keys(right, &active));
        let (left_counts, right_counts) = (count_keys(&left_keys), count_keys(&right_keys));
        let counts = left_counts.values().chain(right_counts.values());
        let most = counts.map(|(count, _)| *count).max().unwrap_or(0);
        let repeats = most as f64 / (height + 20) as f64 >= 0.1;
        if repeats && !(is_first && combination == all) {
            continue;
        }
        is_first = false;
        for (row, key) in left_keys.iter().enumerate() {
            let (Some((1, _)), Some((1, there))) =
                (left_counts.get(key.as_str()), right_counts.get(key.as_str()))
            else {
                continue;
            };
            let is_free = links.partner(Side::Left, row).is_none()
                && links.partner(Side::Right, *there).is_none();
            if is_free && !key.is_empty() {
                links.link(row, *there);
            }
        }
    }
    matched_by
}

/// Walks along one side and links each row that is free with the row behind the last pair, if all
/// its columns agree. Backwards it begins at the ends.
fn link_neighbours(links: &mut Links, side: Side, keys: (&[String], &[String]), backward: bool) {
    let (here, there, other) = match side {
        Side::Left => (keys.0, keys.1, Side::Right),
        Side::Right => (keys.1, keys.0, Side::Left),
    };
    let mut next = backward.then(|| there.len() - 1);
    for step in 0..here.len() {
        let row = if backward { here.len() - 1 - step } else { step };
        let paired = match (links.partner(side, row), next) {
            (Some(partner), _) => partner,
            (None, Some(candidate))
                if here[row] == there[candidate] && links.partner(other, candidate).is_none() =>
            {
                match side {
                    Side::Left => links.link(row, candidate),
                    Side::Right => links.link(candidate, row),
                }
                candidate
            }
            (None, _) => continue,
        };
        next = if backward { paired.checked_sub(1) } else { Some(paired + 1) };
        if next.is_none_or(|next| next >= there.len()) {
            break;
        }
    }
}

/// All rows in the order of the right side; those of the left alone stand before the first pair
/// that comes after them on the left.
fn order_pairs(links: &Links, left_len: usize, right_len: usize) -> Vec<RowPair> {
    let mut shared: Vec<RowPair> = links
        .right_of
        .iter()
        .map(|(left, right)| RowPair { left: Some(*left), right: Some(*right) })
        .collect();
    let added = (1..right_len).filter(|row| !links.left_of.contains_key(row));
    shared.extend(added.map(|row| RowPair { left: None, right: Some(row) }));
    shared.sort_by_key(|pair| pair.right);
    let mut alone = (1..left_len).filter(|row| !links.right_of.contains_key(row)).peekable();
    let mut pairs = Vec::with_capacity(left_len + right_len);
    for pair in shared {
        while let Some(row) = alone.next_if(|row| pair.left.is_some_and(|left| left > *row)) {
            pairs.push(RowPair { left: Some(row), right: None });
        }
        pairs.push(pair);
    }
    pairs.extend(alone.map(|row| RowPair { left: Some(row), right: None }));
    pairs
}
