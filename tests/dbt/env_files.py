"""Writes env-files.json: what python-dotenv makes of texts, and the lines that it cannot read.

    python3 env_files.py > env-files.json
"""

import io
import json
import os
import sys

from dotenv.main import DotEnv
from dotenv.parser import parse_stream

TEXTS = [
    "", "\n\n", "A=1", "A=1\nB=2\n", "A=1\r\nB=2\r\n", "A=1\rB=2", "  A = 1  \n", "export A=1", "export  A=1", "export=1",
    "exportA=1", "# a comment\nA=1", "A=1 # a comment", "A=1# no comment", "A=#1", "A= # empty", "A=\nB=2", "A", "A\nB=2",
    "A b\nB=2", "A=hello world", "A=pa$$word", "A=pa$word", "A='it\\'s'", "A=\"say \\\"hi\\\"\"", "A=\"two\\nlines\"",
    "A='two\\nlines'", "A=\"two\nlines\"\nB=1", "A='two\nlines'", "A=\"open\nB=2", "A='open", "A='x' y\nB=2", "A='x' # c",
    "A=\"x\"# c", "'A'=1", "'A b'=1", "''=1", "=1\nB=2", "A=${OUTER}", "A='${OUTER}'", "A=\"${OUTER}/x\"", "A=${NOPE}",
    "A=${NOPE:-x}", "A=${OUTER:-x}", "A=1\nB=${A}2", "B=${A}2\nA=1", "A=${", "A=${x:y}", "A=${x:-${OUTER}}", "A=${}",
    "OUTER=file\nA=${OUTER}", "A=1\nA=2", "A=1\n\n\n!\nB 2\nC=3", "A.b-c=1", "A==1", "A=1=2", "\ufeffA=1", "A=é ü",
    "A=\"\\a\\b\\f\\v\\t\\r\\x\\\\\"", "A='\\\\'", "A=\\n", "A:1\nB=2", "A=x\ty # c", "A='a'\"b\"\nB=2", "   # c\n  A=1",
    "A=https://x/#y", "A=x  ", "A=\t x", "A=\u00a0x", "A=postgres://me:p%40ss@host:5432/db?x=1&y=2",
]

rows = []
os.environ["OUTER"] = "shell"
for text in TEXTS:
    sys.stderr = io.StringIO()
    values = DotEnv(None, stream=io.StringIO(text), override=False).dict()
    unread = [b.original.line for b in parse_stream(io.StringIO(text)) if b.error]
    variables = {name: value for name, value in values.items() if value is not None}
    rows.append({"text": text, "variables": variables, "unread": unread})
json.dump(rows, sys.stdout, indent=1, ensure_ascii=False)
print()
