#!/usr/bin/env python3
"""How dbt keeps config calls in manifests: writes written.json and static.json.

    python3 -m venv dbt && dbt/bin/pip install dbt-core==1.11.16
    dbt/bin/python tests/dbt/written.py

written.json has texts with what `statically_parse_unrendered_config` makes of them, static.json whether `dbt_extractor`
reads a text, so that dbt does not render it.
"""
import json

from dbt.clients.jinja_static import statically_parse_unrendered_config
from dbt_extractor import py_extract_from_source

HERE = __file__.rsplit("/", 1)[0]


def reads(text):
    try:
        py_extract_from_source(text)
        return True
    except BaseException:
        return False


def renew(name, answer):
    path = f"{HERE}/{name}"
    with open(path, encoding="utf-8") as f:
        rows = [[text, answer(text)] for text, _ in json.load(f)]
    with open(path, "w", encoding="utf-8") as f:
        json.dump(rows, f, indent=1, ensure_ascii=False)


renew("written.json", statically_parse_unrendered_config)
renew("static.json", reads)
