"""Counts over Rust trees, for `scripts/house`.

In: folders of crates or workspaces. Out: a Markdown table, a row a count, a column a tree. Files are read with
tree-sitter's grammar of Rust, so that strings, comments and macros are told apart from code. What is compiled for tests
alone (a `tests` or `benches` folder, `tests.rs` and `*_tests.rs`, items and module files under `#[cfg(test)]`, functions
under `#[test]`) counts as tests, all else as product. Lines are those with something on them.
"""

import argparse
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import tree_sitter_rust
from tree_sitter import Language, Node, Parser

PARSER = Parser(Language(tree_sitter_rust.language()))
SKIPPED = {"target", ".git", "node_modules", "vendor"}
COMBINATORS = {"map", "filter", "then", "zip"}
TYPES = {"struct_item", "enum_item", "union_item", "trait_item", "type_item"}
LONG_FUNCTION = 80
LONG_CLOSURE = 3


@dataclass
class Place:
    """Something counted, and where it stands."""

    name: str
    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.name}"


@dataclass
class Counts:
    """What one tree holds."""

    lines: int = 0
    test_lines: int = 0
    comments: int = 0
    functions: list[Place] = field(default_factory=list)
    long: list[Place] = field(default_factory=list)
    panics: list[Place] = field(default_factory=list)
    closures: int = 0
    named_closures: list[Place] = field(default_factory=list)
    heavy_closures: list[Place] = field(default_factory=list)
    combinators: int = 0
    types: list[Place] = field(default_factory=list)
    visible_types: list[Place] = field(default_factory=list)
    visible_functions: list[Place] = field(default_factory=list)
    console: list[Place] = field(default_factory=list)


def text(node: Node | None) -> str:
    return node.text.decode() if node is not None and node.text is not None else ""


def is_test_file(path: Path) -> bool:
    in_folder = any(part in ("tests", "benches", "testing") for part in path.parts[:-1])
    return in_folder or path.stem == "tests" or path.stem.endswith(("_tests", "_test"))


def is_for_tests(node: Node) -> bool:
    """Whether an attribute before the item has it compiled for tests alone."""
    before = node.prev_named_sibling
    while before is not None and before.type in ("attribute_item", "line_comment", "block_comment"):
        if re.match(r"#\[\s*(cfg\s*\(\s*(all\s*\(\s*)?test\b|(\w+::)*test\b)", text(before)):
            return True
        before = before.prev_named_sibling
    return False


def test_modules(tree: Node, path: Path) -> list[Path]:
    """Files and folders of the modules that a file declares for tests alone."""
    folder = path.parent if path.stem in ("mod", "lib", "main") else path.with_suffix("")
    declared = [node for node in tree.children if node.type == "mod_item" and node.child_by_field_name("body") is None]
    names = [text(node.child_by_field_name("name")) for node in declared if is_for_tests(node)]
    return [folder / place for name in names for place in (f"{name}.rs", name)]


def is_visible(node: Node) -> bool:
    """Whether other files see the item."""
    return any(child.type == "visibility_modifier" and text(child) != "pub(self)" for child in node.children)


def is_free(node: Node) -> bool:
    """Whether a function belongs to a module, not to a type or a function."""
    parent = node.parent
    return parent is None or parent.type in ("source_file", "declaration_list") and (
        parent.parent is None or parent.parent.type == "mod_item"
    )


def is_one_word(name: str) -> bool:
    snake = name.strip("_")
    return "_" not in snake and len(re.findall(r"[A-Z][a-z0-9]+|[A-Z]+(?![a-z])", snake)) <= 1


def rows_of(node: Node) -> range:
    return range(node.start_point.row, node.end_point.row + 1)


def count_lines(file: str, tree: Node, tests: set[int], counts: Counts) -> None:
    """Lines of product, of tests and of plain comments (those that are no documentation)."""
    plain = set[int]()
    stack = [tree]
    while stack:
        node = stack.pop()
        if node.type == "line_comment" and not re.match(r"//[/!]", text(node)):
            plain.add(node.start_point.row)
        stack.extend(node.children)
    for row, line in enumerate(file.split("\n")):
        if not line.strip():
            continue
        if row in tests:
            counts.test_lines += 1
            continue
        counts.lines += 1
        if row in plain and line.lstrip().startswith("//"):
            counts.comments += 1


def count_closure(node: Node, path: Path, counts: Counts) -> None:
    counts.closures += 1
    parent = node.parent
    if parent is None or parent.type != "let_declaration" or parent.child_by_field_name("value") != node:
        return
    place = Place(text(parent.child_by_field_name("pattern")), path, node.start_point.row + 1)
    counts.named_closures.append(place)
    # Only a closure that captures mutably has to be bound by `let mut` to be called.
    captures_mutably = any(child.type == "mutable_specifier" for child in parent.children)
    if captures_mutably or len(rows_of(node)) > LONG_CLOSURE:
        counts.heavy_closures.append(place)


def count_call(node: Node, path: Path, counts: Counts) -> None:
    called = node.child_by_field_name("function")
    if called is not None and called.type == "generic_function":
        called = called.child_by_field_name("function")
    if called is None or called.type != "field_expression":
        return
    method = text(called.child_by_field_name("field"))
    if method in COMBINATORS:
        counts.combinators += 1
    # An `expect` of something else than a message is a method of the project's own, of a parser for example.
    message = re.match(r'\(\s*(&?format!|r?#*")', text(node.child_by_field_name("arguments")))
    if method == "unwrap" or method == "expect" and message:
        counts.panics.append(Place(method, path, node.start_point.row + 1))
    receiver = called.child_by_field_name("value")
    if receiver is not None and re.search(r"\bconsole(\(\))?$", text(receiver)):
        counts.console.append(Place(method, path, node.start_point.row + 1))


def count_item(node: Node, path: Path, counts: Counts) -> None:
    place = Place(text(node.child_by_field_name("name")), path, node.start_point.row + 1)
    if node.type in TYPES:
        counts.types.append(place)
        if is_visible(node):
            counts.visible_types.append(place)
        return
    counts.functions.append(place)
    if len(rows_of(node)) > LONG_FUNCTION:
        counts.long.append(place)
    if is_visible(node) and is_free(node):
        counts.visible_functions.append(place)


def count_file(file: str, tree: Node, shown: Path, for_tests: bool, counts: Counts) -> None:
    if for_tests:
        counts.test_lines += sum(1 for line in file.split("\n") if line.strip())
        return
    tests = set[int]()
    stack = [tree]
    while stack:
        node = stack.pop()
        if node.type.endswith("_item") and is_for_tests(node):
            tests.update(rows_of(node))
            continue
        if node.type == "function_item" or node.type in TYPES and node.parent is not None:
            # A type inside a trait or an implementation is no name of its own.
            owner = node.parent.parent if node.parent is not None else None
            if node.type != "type_item" or owner is None or owner.type not in ("impl_item", "trait_item"):
                count_item(node, shown, counts)
        elif node.type == "closure_expression":
            count_closure(node, shown, counts)
        elif node.type == "call_expression":
            count_call(node, shown, counts)
        elif node.type == "macro_invocation" and text(node.child_by_field_name("macro")) == "panic":
            counts.panics.append(Place("panic!", shown, node.start_point.row + 1))
        stack.extend(node.children)
    count_lines(file, tree, tests, counts)


def count_tree(tree: Path) -> Counts:
    shown = [path.relative_to(tree) for path in sorted(tree.rglob("*.rs"))]
    texts = {path: (tree / path).read_text(errors="replace") for path in shown if not SKIPPED.intersection(path.parts)}
    trees = {path: PARSER.parse(file.encode()) for path, file in texts.items()}
    only_tests = {place for path, parsed in trees.items() for place in test_modules(parsed.root_node, path)}
    counts = Counts()
    for path, file in texts.items():
        for_tests = is_test_file(path) or path in only_tests or any(folder in only_tests for folder in path.parents)
        count_file(file, trees[path].root_node, path, for_tests, counts)
    return counts


def defined_twice(places: list[Place]) -> dict[str, list[Place]]:
    by_name = defaultdict[str, list[Place]](list)
    for place in places:
        by_name[place.name].append(place)
    return {name: found for name, found in by_name.items() if len(found) > 1}


def one_word(places: list[Place]) -> list[Place]:
    return [place for place in places if is_one_word(place.name)]


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "-"


def per_thousand(part: int, lines: int) -> str:
    return f"{1000 * part / lines:.2f}" if lines else "-"


def rows(c: Counts) -> list[tuple[str, str]]:
    names = len({place.name for place in c.types})
    visible = len({place.name for place in c.visible_types})
    ops = [place for place in c.console if "ops" in place.file.parts]
    return [
        ("lines of product", f"{c.lines:,}"),
        (f"functions over {LONG_FUNCTION} lines", share(len(c.long), len(c.functions))),
        ("unwrap, expect, panic! per 1,000 lines", per_thousand(len(c.panics), c.lines)),
        ("closures per 1,000 lines", per_thousand(c.closures, c.lines)),
        ("named closures per 1,000 lines", per_thousand(len(c.named_closures), c.lines)),
        ("named closures", f"{len(c.named_closures)}"),
        (f"of these over {LONG_CLOSURE} lines or with mutable capture", f"{len(c.heavy_closures)}"),
        ("combinators per 1,000 lines", per_thousand(c.combinators, c.lines)),
        ("lines that are plain comments", share(c.comments, c.lines)),
        ("functions named with one word", share(len(one_word(c.functions)), len(c.functions))),
        ("free functions seen by other files, of one word", share(len(one_word(c.visible_functions)), len(c.visible_functions))),
        ("types named with one word", share(len(one_word(c.types)), len(c.types))),
        ("type names that stand for two or more types", f"{len(defined_twice(c.types))} of {names}"),
        ("the same of types seen by other files", f"{len(defined_twice(c.visible_types))} of {visible}"),
        ("console calls in `ops/`", f"{len(ops)}"),
        ("lines of tests per line of product", f"{c.test_lines / c.lines:.2f}" if c.lines else "-"),
    ]


def listed(c: Counts, name: str) -> list[Place]:
    return {
        "long": c.long,
        "panics": c.panics,
        "named-closures": c.heavy_closures,
        "twice": [place for found in defined_twice(c.visible_types).values() for place in found],
        "words": one_word(c.visible_functions),
        "console": c.console,
    }[name]


def main() -> None:
    arguments = argparse.ArgumentParser(prog="scripts/house")
    arguments.add_argument("--default", type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("--list", choices=["long", "panics", "named-closures", "twice", "words", "console"])
    arguments.add_argument("trees", nargs="*", type=Path)
    given = arguments.parse_args()
    trees = given.trees or [given.default]
    for tree in trees:
        if not tree.is_dir():
            arguments.error(f"{tree} is not a folder")
    found = [count_tree(tree) for tree in trees]
    if given.list:
        for counts in found:
            print(*listed(counts, given.list), sep="\n")
        return
    table = [rows(counts) for counts in found]
    print("| | " + " | ".join(tree.resolve().name for tree in trees) + " |")
    print("|---|" + "---|" * len(trees))
    for at, (label, _) in enumerate(table[0]):
        print(f"| {label} | " + " | ".join(column[at][1] for column in table) + " |")


if __name__ == "__main__":
    main()
