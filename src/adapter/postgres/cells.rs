//! Converts Postgres' binary values to cells.
//! (Source: the `*send` functions of each type, PostgreSQL src/backend/utils/adt.)

use crate::engine::Cell;
use jiff::civil::{Date, DateTime};
use postgres::types::{FromSql, Kind, Type};
use serde_json::Value as Json;
use std::error::Error;
use std::fmt::Write as _;

/// The bytes of a value of any type.
pub(super) struct RawBytes<'a>(&'a [u8]);

impl<'a> FromSql<'a> for RawBytes<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<RawBytes<'a>, Box<dyn Error + Sync + Send>> {
        Ok(RawBytes(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Converts a value. Bytes that do not have the type's format are shown as text or in hexadecimal.
pub(super) fn decode_cell(kind: &Type, raw: Option<RawBytes<'_>>) -> Cell {
    raw.map_or(Cell::Null, |RawBytes(bytes)| decode(kind, bytes).unwrap_or_else(|| plain(bytes)))
}

fn plain(bytes: &[u8]) -> Cell {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Cell::Text(text.to_owned()),
        _ => Cell::Text(crate::hash::hex(bytes)),
    }
}

fn be<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn int2_at(bytes: &[u8], at: usize) -> Option<i16> {
    be(bytes, at).map(i16::from_be_bytes)
}

fn int4_at(bytes: &[u8], at: usize) -> Option<i32> {
    be(bytes, at).map(i32::from_be_bytes)
}

fn decode(kind: &Type, b: &[u8]) -> Option<Cell> {
    Some(match *kind {
        Type::BOOL => Cell::Bool(*b.first()? != 0),
        Type::INT2 => Cell::Int(i16::from_be_bytes(be(b, 0)?).into()),
        Type::INT4 => Cell::Int(i32::from_be_bytes(be(b, 0)?).into()),
        Type::INT8 => Cell::Int(i64::from_be_bytes(be(b, 0)?)),
        Type::OID => Cell::Int(u32::from_be_bytes(be(b, 0)?).into()),
        Type::FLOAT4 => Cell::Float(f32::from_be_bytes(be(b, 0)?).to_string().parse().ok()?),
        Type::FLOAT8 => Cell::Float(f64::from_be_bytes(be(b, 0)?)),
        Type::NUMERIC => numeric(b)?,
        Type::DATE => match i32::from_be_bytes(be(b, 0)?) {
            i32::MAX => Cell::Text("infinity".to_owned()),
            i32::MIN => Cell::Text("-infinity".to_owned()),
            days => Cell::Date(
                Date::constant(2000, 1, 1)
                    .checked_add(jiff::Span::new().try_days(days).ok()?)
                    .ok()?
                    .to_string(),
            ),
        },
        Type::TIMESTAMP => timestamp(i64::from_be_bytes(be(b, 0)?), "")?,
        Type::TIMESTAMPTZ => timestamp(i64::from_be_bytes(be(b, 0)?), "+00:00")?,
        Type::TIME => Cell::Time(clock(i64::from_be_bytes(be(b, 0)?))),
        Type::INTERVAL => Cell::Text(interval(
            i64::from_be_bytes(be(b, 0)?),
            i32::from_be_bytes(be(b, 8)?),
            i32::from_be_bytes(be(b, 12)?),
        )),
        Type::UUID => Cell::Text(uuid::Uuid::from_slice(b).ok()?.to_string()),
        Type::BYTEA => Cell::Text(crate::hash::hex(b)),
        Type::JSON => serde_json::from_slice(b)
            .map(|j| Cell::Json(Box::new(j)))
            .ok()
            .or_else(|| std::str::from_utf8(b).ok().map(|text| Cell::Text(text.to_owned())))?,
        // A version byte comes first.
        Type::JSONB => Cell::Json(Box::new(serde_json::from_slice(b.get(1..)?).ok()?)),
        _ => match kind.kind() {
            Kind::Array(of) => Cell::Json(Box::new(array(of, b)?)),
            Kind::Domain(of) => return decode(of, b),
            _ => return None,
        },
    })
}

/// Decodes a `numeric`: base-10,000 digits with a weight.
fn numeric(b: &[u8]) -> Option<Cell> {
    let (count, weight) = (int2_at(b, 0)?, i32::from(int2_at(b, 2)?));
    let (sign, scale) = (int2_at(b, 4)? as u16, int2_at(b, 6)? as usize);
    match sign {
        0xC000 => return Some(Cell::Float(f64::NAN)),
        0xD000 => return Some(Cell::Float(f64::INFINITY)),
        0xF000 => return Some(Cell::Float(f64::NEG_INFINITY)),
        _ => {}
    }
    let mut out = String::new();
    if sign == 0x4000 {
        out.push('-');
    }
    if weight < 0 {
        out.push('0');
    }
    for i in 0..=weight {
        let digit = digit_at(b, count, i);
        let _ = if i == 0 { write!(out, "{digit}") } else { write!(out, "{digit:04}") };
    }
    if scale > 0 {
        let mut fraction = String::new();
        let mut i = weight + 1;
        while fraction.len() < scale {
            let _ = write!(fraction, "{:04}", if i < 0 { 0 } else { digit_at(b, count, i) });
            i += 1;
        }
        fraction.truncate(scale);
        out.push('.');
        out.push_str(&fraction);
    }
    Some(Cell::Decimal(out))
}

/// A digit after the header of four numbers; digits that are left out are 0.
fn digit_at(b: &[u8], count: i16, i: i32) -> i16 {
    let at = usize::try_from(i).ok().filter(|i| *i < count.max(0) as usize);
    at.and_then(|i| int2_at(b, (4 + i) * 2)).unwrap_or(0)
}

fn timestamp(micros: i64, zone: &str) -> Option<Cell> {
    Some(match micros {
        i64::MAX => Cell::Text("infinity".to_owned()),
        i64::MIN => Cell::Text("-infinity".to_owned()),
        micros => {
            let at = DateTime::constant(2000, 1, 1, 0, 0, 0, 0)
                .checked_add(jiff::Span::new().try_microseconds(micros).ok()?)
                .ok()?;
            Cell::Timestamp(format!("{}{zone}", at.to_string().replace('T', " ")))
        }
    })
}

fn clock(micros: i64) -> String {
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    let mut out = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if rest > 0 {
        let _ = write!(out, ".{}", format!("{rest:06}").trim_end_matches('0'));
    }
    out
}

/// Formats an interval as Postgres does: `1 year 2 mons 3 days 04:05:06`.
fn interval(micros: i64, days: i32, months: i32) -> String {
    let counts = [(months / 12, "year"), (months % 12, "mon"), (days, "day")];
    let counts = counts.into_iter().filter(|(n, _)| *n != 0);
    let mut parts: Vec<String> = counts.map(|(n, unit)| count_units(n, unit)).collect();
    if micros != 0 || parts.is_empty() {
        let sign = if micros < 0 { "-" } else { "" };
        parts.push(format!("{sign}{}", clock(micros.abs())));
    }
    parts.join(" ")
}

fn count_units(n: i32, unit: &str) -> String {
    format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
}

/// Decodes an array: dimensions, then elements, each with its length.
fn array(of: &Type, b: &[u8]) -> Option<Json> {
    let dimensions = usize::try_from(int4_at(b, 0)?).ok()?;
    let lengths: Vec<usize> = (0..dimensions)
        .map(|i| usize::try_from(int4_at(b, 12 + i * 8)?).ok())
        .collect::<Option<_>>()?;
    let mut at = 12 + dimensions * 8;
    let mut flat = Vec::new();
    for _ in 0..if dimensions == 0 { 0 } else { lengths.iter().product() } {
        let length = int4_at(b, at)?;
        at += 4;
        flat.push(match usize::try_from(length) {
            Ok(n) => {
                let bytes = b.get(at..at + n)?;
                at += n;
                decode_cell(of, Some(RawBytes(bytes))).to_json()
            }
            Err(_) => Json::Null,
        });
    }
    for length in lengths.iter().skip(1).rev() {
        flat = flat.chunks(*length).map(|c| Json::Array(c.to_vec())).collect();
    }
    Some(Json::Array(flat))
}

/// A type as `format_type` writes it. The modifier holds the length or the precision; -1 means
/// none.
pub(super) fn type_name(kind: &Type, modifier: i32) -> String {
    match *kind {
        Type::BOOL => "boolean".to_owned(),
        Type::INT2 => "smallint".to_owned(),
        Type::INT4 => "integer".to_owned(),
        Type::INT8 => "bigint".to_owned(),
        Type::FLOAT4 => "real".to_owned(),
        Type::FLOAT8 => "double precision".to_owned(),
        // The modifier includes a header of four bytes.
        Type::VARCHAR => sized_type("character varying", 4, modifier),
        Type::BPCHAR => sized_type("character", 4, modifier),
        Type::BIT => sized_type("bit", 0, modifier),
        Type::VARBIT => sized_type("bit varying", 0, modifier),
        Type::NUMERIC if modifier >= 4 => {
            let (precision, scale) =
                (((modifier - 4) >> 16) & 0xffff, (((modifier - 4) & 0x7ff) ^ 1024) - 1024);
            format!("numeric({precision},{scale})")
        }
        Type::TIMESTAMP => time_type("timestamp", "without time zone", modifier),
        Type::TIMESTAMPTZ => time_type("timestamp", "with time zone", modifier),
        Type::TIME => time_type("time", "without time zone", modifier),
        Type::TIMETZ => time_type("time", "with time zone", modifier),
        // The type of `null` and of untyped literals.
        Type::UNKNOWN => "text".to_owned(),
        _ => match kind.kind() {
            Kind::Array(of) => format!("{}[]", type_name(of, modifier)),
            _ => kind.name().to_owned(),
        },
    }
}

/// A type with its length; the modifier is the length plus a header.
fn sized_type(name: &str, header: i32, modifier: i32) -> String {
    if modifier < header { name.to_owned() } else { format!("{name}({})", modifier - header) }
}

/// A type with its precision, which is written before the zone.
fn time_type(name: &str, zone: &str, modifier: i32) -> String {
    if modifier < 0 { format!("{name} {zone}") } else { format!("{name}({modifier}) {zone}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(digits: &[i16], weight: i16, sign: u16, scale: i16) -> String {
        let mut b = Vec::new();
        for n in [digits.len() as i16, weight, sign as i16, scale].iter().chain(digits) {
            b.extend(n.to_be_bytes());
        }
        numeric(&b).unwrap().display()
    }

    #[test]
    fn numbers() {
        assert_eq!(number(&[1, 2345, 6700], 1, 0, 2), "12345.67");
        assert_eq!(number(&[50], -1, 0x4000, 4), "-0.0050");
        assert_eq!(number(&[1], -2, 0, 8), "0.00000001");
        assert_eq!(number(&[1], 2, 0, 0), "100000000");
        assert_eq!(number(&[], 0, 0, 2), "0.00");
    }

    #[test]
    fn types_with_sizes() {
        assert_eq!(type_name(&Type::VARCHAR, 260), "character varying(256)");
        assert_eq!(type_name(&Type::NUMERIC, (10 << 16 | 2) + 4), "numeric(10,2)");
        assert_eq!(type_name(&Type::NUMERIC, -1), "numeric");
        assert_eq!(type_name(&Type::TIMESTAMPTZ_ARRAY, 3), "timestamp(3) with time zone[]");
    }

    #[test]
    fn times() {
        assert_eq!(timestamp(0, "").unwrap(), Cell::Timestamp("2000-01-01 00:00:00".into()));
        assert_eq!(clock(3_600_500_000), "01:00:00.5");
        assert_eq!(interval(-1_000_000, 1, 14), "1 year 2 mons 1 day -00:00:01");
        assert_eq!(interval(0, 0, 0), "00:00:00");
    }
}
