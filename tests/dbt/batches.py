"""Asks dbt's MicrobatchBuilder for batches: python tests/dbt/batches.py > tests/dbt/batches.json

Needs dbt-core 1.11. Of more than four batches the first and the last two are written.
"""

import itertools
import json
from datetime import datetime
from types import SimpleNamespace

from dbt.artifacts.resources import NodeConfig
from dbt.artifacts.resources.types import BatchSize
from dbt.materializations.incremental.microbatch import MicrobatchBuilder

NOWS = ["2024-01-01T00:00:00", "2024-02-29T23:59:59.999999", "2024-03-01T05:00:00", "2024-12-31T12:34:56"]
BEGINS = ["2023-12-30T00:00:00", "2024-02-28T13:14:15", "2030-01-01T00:00:00"]
LOOKBACKS = [0, 1, 2, 13, -2]
WINDOWS = [
    ("2024-02-28", "2024-03-01"),
    ("2024-02-28T01:02:03", "2024-02-28T01:30:00"),
    ("2023-11-15T00:00:00", "2024-02-01T00:00:01"),
    ("2024-05-01", "2024-04-01"),
    ("1969-12-31", "1970-02-01"),
    ("9999-12-30T00:00:00", "9999-12-31T00:00:01"),
]


def answer(size, now, begin, lookback, incremental, window):
    config = NodeConfig.from_dict({"materialized": "incremental", "incremental_strategy": "microbatch"})
    config.batch_size, config.begin, config.lookback = BatchSize(size), datetime.fromisoformat(begin), lookback
    model = SimpleNamespace(name="m", config=config)
    times = [datetime.fromisoformat(t) for t in window] if window else [None, None]
    import pytz

    end_time = datetime.fromisoformat(now).replace(tzinfo=pytz.UTC)
    builder = MicrobatchBuilder(model, incremental, *times, default_end_time=end_time)
    try:
        end = builder.build_end_time()
        batches = builder.build_batches(builder.build_start_time(end), end)
    except (OverflowError, ValueError):
        return None
    names = [
        [b[0].isoformat(), str(b[1]), builder.format_batch_start(b[0], size), builder.batch_id(b[0], size)]
        for b in batches
    ]
    short = names if len(names) <= 4 else names[:2] + names[-2:]
    return {"count": len(names), "batches": short}


def rows():
    for size, now, begin, incremental in itertools.product(
        ["hour", "day", "month", "year"], NOWS, BEGINS, [False, True]
    ):
        for lookback in LOOKBACKS:
            yield size, now, begin, lookback, incremental, None
        for window in WINDOWS:
            yield size, now, begin, 1, incremental, window


def main():
    out = []
    for size, now, begin, lookback, incremental, window in rows():
        row = {"size": size, "now": now, "begin": begin, "lookback": lookback, "incremental": incremental}
        if window:
            row |= {"start": full(window[0]), "end": full(window[1])}
        out.append(row | {"answer": answer(size, now, begin, lookback, incremental, window)})
    print("[")
    print(",\n".join(json.dumps(row) for row in out))
    print("]")


def full(text):
    return datetime.fromisoformat(text).isoformat()


main()
