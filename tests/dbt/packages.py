"""Writes packages.json: which of some lists of packages dbt accepts and how it hashes them, and the versions that it chooses.

Usage: python packages.py [output file]
Needs dbt-core 1.11.16; uses no network.
"""

import json
import random
import sys

import yaml
from dbt.config.project import package_config_from_data
from dbt.task.deps import _create_sha1_hash
from dbt_common import semver
from dbt_common.exceptions import VersionsNotCompatibleError

LISTS = [
 "packages: [{package: a/b, version: 1.0.0}]",
 "packages: [{package: a/b, version: 1.0}]",
 "packages: [{package: a/b, version: 1}]",
 "packages: [{package: a/b, version: ['>=1.0.0', '<2.0.0']}]",
 "packages: [{package: a/b, version: ['>=1.0.0', 2]}]",
 "packages: [{package: a/b, version: '>=1.0.0,<2.0.0'}]",
 "packages: [{package: a/b, version: true}]",
 "packages: [{package: a/b, version: []}]",
 "packages: [{package: a/b, version: null}]",
 "packages: [{package: a/b}]",
 "packages: [{package: a/b, version: 1.0.0, install_prerelease: true}]",
 "packages: [{package: a/b, version: 1.0.0, install-prerelease: true}]",
 "packages: [{package: a/b, version: 1.0.0, install_prerelease: 'yes'}]",
 "packages: [{package: a/b, version: 1.0.0, name: x}]",
 "packages: [{package: a/b, version: 1.0.0, foo: x}]",
 "packages: [{package: ab, version: 1.0.0}]",
 "packages: [{package: '', version: 1.0.0}]",
 "packages: [{package: 1, version: 1.0.0}]",
 "packages: [{git: 'https://x/y.git'}]",
 "packages: [{git: 'https://x/y.git', revision: 1.0}]",
 "packages: [{git: 'https://x/y.git', revision: 1}]",
 "packages: [{git: 'https://x/y.git', revision: v1, warn-unpinned: false, subdirectory: sub}]",
 "packages: [{git: 'https://x/y.git', revision: v1, warn_unpinned: false}]",
 "packages: [{git: 'https://x/y.git', revision: [a,b]}]",
 "packages: [{git: ''}]",
 "packages: [{git: x, foo: 1}]",
 "packages: [{git: x, package: a/b, version: 1.0.0}]",
 "packages: [{local: ../x}]",
 "packages: [{local: ''}]",
 "packages: [{local: 1}]",
 "packages: [{local: x, name: y}]",
 "packages: [{tarball: 'http://x', name: y}]",
 "packages: [{tarball: 'http://x'}]",
 "packages: [{tarball: 'http://x', name: y, subdirectory: z}]",
 "packages: [{private: org/x, provider: github}]",
 "packages: [{private: org/x}]",
 "packages: [{private: org/x, revision: 1, warn-unpinned: true, subdirectory: s}]",
 "packages: [{local: é}, {git: b}]",
 "packages: [{git: b}, {local: a}, {package: a/b, version: 1.0.0}]",
 "packages: []",
 "packages: null",
 "packages: {a: 1}",
 "packages: [x]",
 "packages: x",
 "packages: [null]",
 "foo: 1",
 "packages: [{local: x}]\nfoo: 1",
 "[]",
 "packages: [{}]",
 "packages: [{git: b, revision: 2020-01-01}]",
 "packages: [{git: b, revision: 1e400}]",
 "packages: [{git: b, revision: 12345678901234567890}]",
 "packages: [{git: b, revision: 0.1}]",
 "packages: [{git: b, revision: 1e20}]",
 "packages: [{git: b, revision: null}]",
 "packages: [{git: b, revision: ''}]",
 "packages: [{git: b, subdirectory: ''}]",
 "packages: [{git: b, subdirectory: null}]",
 "packages: [{git: b, 1: null}]",
 "packages: [{local: x, unrendered: {a: 1}}]",
]


def hashes():
    """Each list with dbt's hash, or null if it refuses the list."""
    for text in LISTS:
        try:
            config = package_config_from_data(yaml.safe_load(text), yaml.safe_load(text))
            yield [text, _create_sha1_hash(config.packages)]
        except Exception:
            yield [text, None]


POOL = (
    "0.9.0 1.0.0 1.0.0-rc1 1.0.0-rc2 1.0.0a1 1.0.0-rc.1 1.0.0-rc.10 1.0.0-1 1.0.1 1.1.0 1.1.0-beta 2.0.0 2.0.0-rc1 10.0.0 1.0.0+b1"
).split()


def versions():
    """Specifiers, install_prerelease, what there is, the range, what may be installed, what is chosen; null: no range."""
    for _ in range(400):
        specifiers = [
            random.choice(["", "=", ">", ">=", "<", "<="]) + random.choice(POOL) for _ in range(random.choice([1, 1, 2, 2, 3]))
        ]
        prereleases = random.random() < 0.4
        there = random.sample(POOL, random.randint(3, len(POOL)))
        parsed = [semver.VersionSpecifier.from_version_string(s) for s in specifiers]
        try:
            range_ = semver.reduce_versions(*parsed)
        except VersionsNotCompatibleError:
            yield [specifiers, prereleases, there, None, None]
            continue
        installable = semver.filter_installable(there, prereleases or any(bool(s.prerelease) for s in parsed))
        yield [specifiers, prereleases, there, installable, semver.resolve_to_specific_version(range_, installable) if installable else None]


random.seed(7)
target = sys.argv[1] if len(sys.argv) > 1 else "packages.json"
with open(target, "w") as file:
    for name, rows in (("{\"hashes\": [\n", hashes()), ("], \"versions\": [\n", versions())):
        file.write(name + ",\n".join(json.dumps(row) for row in rows) + "\n")
    file.write("]}\n")
