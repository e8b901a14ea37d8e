"""Writes flags.json: the flags of each command of dbt, with a value for those that take one.

    python3 flags.py > flags.json
"""

import json

import click
from dbt.cli.main import cli


def commands(command, words):
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from commands(below, [*words, name])
    else:
        yield words, command


def value_of(option):
    if option.is_flag or option.count:
        return None
    if isinstance(option.type, click.Choice):
        return option.type.choices[0]
    return "3" if "int" in str(option.type).lower() else "x"


rows = []
for words, command in commands(cli, []):
    options = [option for option in command.params if isinstance(option, click.Option)]
    flags = {name: value_of(option) for option in options for name in [*option.opts, *option.secondary_opts]}
    rows.append(json.dumps({"command": " ".join(words), "flags": dict(sorted(flags.items()))}))
print("[\n" + ",\n".join(rows) + "\n]")
