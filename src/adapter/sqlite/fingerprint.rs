//! An aggregate function that computes a fingerprint of rows, independent of their order.

use crate::hash::Fingerprint;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

pub(super) const NAME: &str = "strata_fingerprint";

pub(super) fn register_fingerprint_function(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_aggregate_function(NAME, -1, flags, RowsFingerprint)
}

struct RowsFingerprint;

/// Two sums of the rows' fingerprints, as with the other engines: two equal rows would cancel out
/// in the first one.
#[derive(Clone, Copy, Default)]
struct Sums {
    xor: u128,
    sum: u128,
}

impl Aggregate<Sums, String> for RowsFingerprint {
    fn init(&self, _: &mut Context<'_>) -> Result<Sums> {
        Ok(Sums::default())
    }

    fn step(&self, context: &mut Context<'_>, sums: &mut Sums) -> Result<()> {
        let mut bytes = Vec::new();
        for i in 0..context.len() {
            write_value(context.get_raw(i), &mut bytes);
        }
        let row = Fingerprint::of_stream(&mut bytes.as_slice())
            .map_err(|e| rusqlite::Error::UserFunctionError(e.into()))?;
        let row = row_number(&row.hex());
        sums.xor ^= row;
        sums.sum = sums.sum.wrapping_add(row);
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, sums: Option<Sums>) -> Result<String> {
        let Sums { xor, sum } = sums.unwrap_or_default();
        Ok(format!("{xor:x}:{sum:x}"))
    }
}

/// Writes a value with its type and length in front, so that 1 and '1' differ, as do ('ab', 'c')
/// and ('a', 'bc').
fn write_value(value: ValueRef<'_>, out: &mut Vec<u8>) {
    let (tag, bytes): (u8, Vec<u8>) = match value {
        ValueRef::Null => (b'n', Vec::new()),
        ValueRef::Integer(i) => (b'i', i.to_le_bytes().to_vec()),
        ValueRef::Real(f) => (b'r', f.to_bits().to_le_bytes().to_vec()),
        ValueRef::Text(text) => (b't', text.to_vec()),
        ValueRef::Blob(bytes) => (b'b', bytes.to_vec()),
    };
    out.push(tag);
    out.extend_from_slice(&bytes.len().to_le_bytes());
    out.extend_from_slice(&bytes);
}

fn row_number(hex: &str) -> u128 {
    u128::from_str_radix(hex.get(..32).unwrap_or(hex), 16).unwrap_or_default()
}
