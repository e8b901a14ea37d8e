#!/usr/bin/env python3
"""How dbt draws the difference of a unit test: writes row-diff.json.

    python3 -m venv dbt && dbt/bin/pip install dbt-core==1.11.16 dbt-duckdb==1.10.1
    dbt/bin/python tests/dbt/row_diff.py tests/dbt/row-diff.json

A case has columns with the type of their values, the rows of both sides, whose values are texts or null, and the
message of the failed test, or null where nothing differs. The rows go through dbt's own functions, from the one table
that a unit test's query returns to the text of the message. The seed of the random cases is fixed.
"""
import json
import random
import sys
from datetime import date, datetime, timezone
from decimal import Decimal
from types import SimpleNamespace

from dbt.task.test import TestRunner
from dbt_common.clients.agate_helper import table_from_data_flat

RUNNER = SimpleNamespace(_ANSI_ESCAPE=TestRunner._ANSI_ESCAPE, config=SimpleNamespace(args=SimpleNamespace(use_colors=False)))
READ = {
    "text": str,
    "int": int,
    "float": float,
    "decimal": Decimal,
    "bool": lambda text: text == "true",
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "zoned": lambda text: datetime.fromisoformat(text).astimezone(timezone.utc),
}
VALUES = {
    "text": ["a", "b", "c", "A", "a b", "a  b", " a", "a ", "", " ", "NULL", "_NULL", "__NULL", "null", "None", "undefined", "a->b", "a-->b", "->", "-", ">",
             "a-", ">a", "!", "a,b", 'a"b', "a\nb", "a\r\nb", "\n", "\ta", "é", "日本", "😀", "...", "+++", "---", "@@", "@x@y", ":", "_a", "_c0", "_c1", "c0", "1", "2", "10",
             "\x1b[31mred\x1b[0m", "\x1b", "\x1bM", "\x1b[31", "a // b", "//", "→", "a longer text that makes its column wide", "x" * 70],
    "int": [str(i) for i in range(12)] + ["-1", "100", "123456789012", "-5"],
    "float": ["1.0", "2.5", "1e20", "1e-07", "-0.5", "100.0", "0.1", "1e16", "123456.789"],
    "decimal": ["1.50", "1.5", "0.00", "10", "-3.25", "1E+3", "12345678901234567890.12", "0.1"],
    "bool": ["true", "false"],
    "date": ["2024-01-31", "2024-02-01", "1999-12-31", "0001-01-01"],
    "timestamp": ["2024-01-31 10:00:00", "2024-01-31 10:00:00.500000", "2024-01-31 10:00:01", "2024-01-31 00:00:00", "2024-01-31 10:00:00.000001"],
    "zoned": ["2024-01-31 10:00:00+00:00", "2024-01-31 10:00:00.500000+00:00", "2024-01-31 10:05:07+00:00"],
}
NAMES = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "id", "name", "a long name of a column", "a b", "x", "a+++b", "a---b", "_c0", "null", "a->b", "a,b", 'q"q']


def message(columns, expected, actual):
    names = [name for name, _ in columns]

    def rows(side, rows_of_side):
        for row in rows_of_side:
            values = [None if v is None else READ[kind](v) for v, (_, kind) in zip(row, columns)]
            yield {**dict(zip(names, values)), "actual_or_expected": side}

    table = table_from_data_flat([*rows("actual", actual), *rows("expected", expected)], [*names, "actual_or_expected"])
    sides = [TestRunner._get_unit_test_agate_table(RUNNER, table, side) for side in ("expected", "actual")]
    diff = TestRunner._get_daff_diff(RUNNER, *sides)
    if not diff.hasDifference():
        return None
    return "\n\nactual differs from expected:\n\n%s\n" % TestRunner._render_daff_diff(RUNNER, diff)


def random_case(rng):
    width = rng.choice([1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 9])
    names = rng.sample(NAMES[:8] if rng.random() < 0.6 else NAMES, min(width, 8))
    columns = [(name, rng.choice(["text", "text", "int", "int", *VALUES])) for name in names]
    few = rng.random() < 0.5
    pools = [rng.sample(VALUES[kind], min(len(VALUES[kind]), rng.choice([1, 2, 3]) if few else 60)) for _, kind in columns]

    def cell(i):
        return None if rng.random() < 0.12 else rng.choice(pools[i])

    height = rng.choice([0, 1, 2, 3, 4, 5, 8, 12, 30])
    expected = [[cell(i) for i in range(len(columns))] for _ in range(height)]
    actual = [list(row) for row in expected]
    for _ in range(rng.choice([0, 1, 1, 2, 3, 6])):
        deed = rng.random()
        if deed < 0.3 or not actual:
            actual.append([cell(i) for i in range(len(columns))])
        elif deed < 0.5:
            del actual[rng.randrange(len(actual))]
        elif deed < 0.6:
            actual.append(list(rng.choice(actual)))
        else:
            i = rng.randrange(len(columns))
            rng.choice(actual)[i] = cell(i)
    if rng.random() < 0.1:
        actual = [[cell(i) for i in range(len(columns))] for _ in range(rng.choice([0, 1, 4, 9]))]
    rng.shuffle(actual)
    return columns, expected, actual


def main():
    rng = random.Random(20240131)
    cases = []
    while len(cases) < int(sys.argv[2] if len(sys.argv) > 2 else 1500):
        columns, expected, actual = random_case(rng)
        cases.append({"columns": columns, "expected": expected, "actual": actual, "message": message(columns, expected, actual)})
    with open(sys.argv[1], "w") as out:
        out.write("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n")


main()
