//! The part of Python's `itertools` that templates use. The results are lists, not iterators, so
//! they can be iterated more than once.

use crate::jinja::{Args, add_values, error, list};
use minijinja::value::{Tuple, Value};
use minijinja::{Error, ErrorKind, State};

pub(super) const FUNCTIONS: &[&str] = &[
    "chain",
    "product",
    "combinations",
    "combinations_with_replacement",
    "permutations",
    "zip_longest",
    "islice",
    "accumulate",
    "repeat",
    "compress",
    "tee",
    "starmap",
    "pairwise",
    "takewhile",
    "dropwhile",
    "filterfalse",
];

/// The maximum number of rows that one call can produce.
const MOST: usize = 1_000_000;

fn items(args: &Args, at: usize) -> Result<Vec<Value>, Error> {
    Ok(args.require(at, "iterable")?.try_iter()?.collect())
}

fn tuple(row: Vec<Value>) -> Value {
    Value::from(Tuple::from(row))
}

fn list_of_tuples(rows: Vec<Vec<Value>>) -> Value {
    list(rows.into_iter().map(tuple).collect())
}

/// The items of each positional argument.
fn read_lists(args: &Args) -> Result<Vec<Vec<Value>>, Error> {
    args.positional.iter().map(|v| Ok(v.try_iter()?.collect())).collect()
}

pub(super) fn call_itertools(
    state: &mut State<'_, '_>,
    method: &str,
    args: &Args,
) -> Result<Value, Error> {
    Ok(match method {
        "chain" => list(read_lists(args)?.into_iter().flatten().collect()),
        "product" => product(args)?,
        "combinations" | "permutations" | "combinations_with_replacement" => {
            let items = items(args, 0)?;
            let n = args.get(1, "r").and_then(Value::as_usize).unwrap_or(items.len());
            let mut rows = Vec::new();
            choose(items.len(), n, method, &mut Vec::new(), &mut rows)?;
            list_of_tuples(
                rows.into_iter()
                    .map(|r| r.into_iter().map(|i| items[i].clone()).collect())
                    .collect(),
            )
        }
        "zip_longest" => zip_longest(args)?,
        "islice" => islice(args)?,
        "accumulate" => {
            let function = args.get(1, "func").cloned();
            let mut sums: Vec<Value> = args.named.get("initial").cloned().into_iter().collect();
            for item in items(args, 0)? {
                let sum = match (sums.last().cloned(), &function) {
                    (None, _) => item,
                    (Some(last), Some(function)) => function.call(state, &[last, item])?,
                    (Some(last), None) => add_values(state, &last, &item)?,
                };
                sums.push(sum);
            }
            list(sums)
        }
        "repeat" => {
            let times = args.get(1, "times").and_then(Value::as_usize).filter(|n| *n <= MOST);
            let times =
                times.ok_or_else(|| error(format!("repeat() needs `times`, at most {MOST}")))?;
            list(vec![args.require(0, "object")?.clone(); times])
        }
        "compress" => {
            let chosen = items(args, 1)?;
            list(
                items(args, 0)?
                    .into_iter()
                    .zip(chosen)
                    .filter(|(_, c)| c.is_true())
                    .map(|(v, _)| v)
                    .collect(),
            )
        }
        "tee" => {
            let items = items(args, 0)?;
            tuple(vec![
                list(items);
                args.get(1, "n").and_then(Value::as_usize).unwrap_or(2).min(MOST)
            ])
        }
        "starmap" => {
            let function = args.require(0, "function")?.clone();
            let mut out = Vec::new();
            for row in items(args, 1)? {
                let row: Vec<Value> = row.try_iter()?.collect();
                out.push(function.call(state, &row)?);
            }
            list(out)
        }
        "pairwise" => list_of_tuples(items(args, 0)?.windows(2).map(<[Value]>::to_vec).collect()),
        "takewhile" | "dropwhile" | "filterfalse" => keep_by(state, method, args)?,
        other => {
            return Err(Error::new(
                ErrorKind::UnknownMethod,
                format!("`itertools.{other}` is not available"),
            ));
        }
    })
}

fn keep_by(state: &mut State<'_, '_>, method: &str, args: &Args) -> Result<Value, Error> {
    let test = args.require(0, "predicate")?.clone();
    let mut out = Vec::new();
    let mut begun = false;
    for item in items(args, 1)? {
        let holds = (method != "dropwhile" || !begun)
            && test.call(state, std::slice::from_ref(&item))?.is_true();
        match (method, holds) {
            ("takewhile", false) => break,
            ("dropwhile" | "filterfalse", true) => continue,
            _ => begun = true,
        }
        out.push(item);
    }
    Ok(list(out))
}

fn product(args: &Args) -> Result<Value, Error> {
    let repeat = args.named.get("repeat").and_then(Value::as_usize).unwrap_or(1);
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for _ in 0..repeat {
        for items in read_lists(args)? {
            if rows.len().saturating_mul(items.len()) > MOST {
                return Err(error(format!("the product has more than {MOST} rows")));
            }
            rows = rows
                .into_iter()
                .flat_map(|r| items.iter().map(move |i| [r.clone(), vec![i.clone()]].concat()))
                .collect();
        }
    }
    Ok(list_of_tuples(rows))
}

fn zip_longest(args: &Args) -> Result<Value, Error> {
    let fill = args.named.get("fillvalue").cloned().unwrap_or_else(super::none);
    let all = read_lists(args)?;
    let longest = all.iter().map(Vec::len).max().unwrap_or(0);
    let mut rows = Vec::with_capacity(longest);
    for i in 0..longest {
        rows.push(all.iter().map(|l| l.get(i).cloned().unwrap_or_else(|| fill.clone())).collect());
    }
    Ok(list_of_tuples(rows))
}

fn islice(args: &Args) -> Result<Value, Error> {
    let items = items(args, 0)?;
    let (from, to) = if args.positional.len() > 2 {
        (positional_count(args, 1).unwrap_or(0), positional_count(args, 2))
    } else {
        (0, positional_count(args, 1))
    };
    let to = to.unwrap_or(items.len());
    let step = positional_count(args, 3).unwrap_or(1).max(1);
    Ok(list(items.into_iter().take(to).skip(from).step_by(step).collect()))
}

fn positional_count(args: &Args, at: usize) -> Option<usize> {
    args.positional.get(at).and_then(Value::as_usize)
}

fn choose(
    len: usize,
    n: usize,
    method: &str,
    chosen: &mut Vec<usize>,
    out: &mut Vec<Vec<usize>>,
) -> Result<(), Error> {
    if chosen.len() == n {
        if out.len() >= MOST {
            return Err(error(format!("there are more than {MOST} of them")));
        }
        out.push(chosen.clone());
        return Ok(());
    }
    let from = match method {
        "permutations" => 0,
        "combinations" => chosen.last().map_or(0, |l| l + 1),
        _ => chosen.last().copied().unwrap_or(0),
    };
    for i in from..len {
        if method == "permutations" && chosen.contains(&i) {
            continue;
        }
        chosen.push(i);
        choose(len, n, method, chosen, out)?;
        chosen.pop();
    }
    Ok(())
}
