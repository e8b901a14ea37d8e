#!/usr/bin/env python3
"""What dbt makes of templates: writes jinja.json.

    python3 -m venv dbt && dbt/bin/pip install dbt-core==1.11.16 dbt-duckdb==1.10.1 dbt-postgres==1.10.2 \\
        duckdb==1.5.6 psycopg2-binary
    set -a; . FOLDER/env; set +a          # of `scripts/postgres start FOLDER`: STRATA_TEST_PG_HOST, _PORT, _USER ...
    dbt/bin/python tests/dbt/jinja.py jinja.json

A case is a model of the project of "project": does `dbt parse` of a project with it pass, does `dbt compile` of it, and
what is the compiled text ("run" is "absent" of a model without text: dbt leaves it out)? Most cases share one project. Where parsing fails, that is one model's fault, so the parser is
made to go on with the next model, and afterwards the rest is parsed by an untouched dbt. What cannot share has a project
of its own. "message" is the beginning of dbt's error, for readers. All is done twice, with other hash seeds: a case
whose answer is not the same both times is left out, with a word on stderr.

Of a config, "text" is the text of a YAML string (where: "project", below `models: p:`; "yaml", in a properties file) or
an expression in config() ("in_file"). "vars" of a template stand in dbt_project.yml, those of a config are given by --vars.
Here NOPE_NOPE is not set, and dbt_utils not installed. In the table `§x` is a name of the case's own: `x` and the case's number.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

CASES = []


def case(template, macros=None, vars=None, solo=False):
    n = len(CASES)
    name = lambda x: json.loads(re.sub(r"§(\w)", rf"\g<1>{n}", json.dumps(x, ensure_ascii=False))) if x else x
    CASES.append({"template": name(template), "macros": name(macros), "vars": name(vars), "solo": solo, "model": f"t{n:04}"})


def expressions(text, before="", after=""):
    """A case a line: the line in {{ }}, or as it stands where it has tags of its own."""
    for line in text.strip("\n").split("\n"):
        line = line.strip()
        if line:
            case(before + (line if "{{" in line or "{%" in line else "{{ " + line + " }}") + after)


def whole(text):
    """Cases of several lines, with `----` between; `====` ends the macros that stand before a template."""
    for part in text.strip("\n").split("\n----\n"):
        macros, _, template = part.rpartition("\n====\n")
        case(template, macros + "\n" if macros else None)


def row(select):
    """A prefix: r is the one row of the query, a and b its first two values."""
    return "{% if execute %}{% set r = run_query(\"" + select + "\").rows[0] %}{% set a = r[0] %}{% set b = r[1] %}", "{% endif %}"


# ---- Decimals, and other values of the database
DECIMALS = """
a
a ~ ''
a + 1
a + 0.5
a + b
1 + a
a - b
a * 2
a * 1.5
a * b
a / 2
a / b
1 / a
a // 1
a // b
a % 1
a % b
7 % a
a ** 2
a ** b
2 ** a
-a
+a
a == 1.5
a == 1
a == b
a == '1.50'
a > 1
a > 1000
a < 1.6
a >= b
1 < a
a != 1.5
a < 'x'
a in [1.5, 2]
a in [1, 2]
1.5 in [a]
'1.5' in [a]
[a]
(a, b)
{'k': a}
{a: 1}
{a: 1}[1.5]
[a] == [1.5]
a is number
a is float
a is integer
a is string
a is defined
a is none
a is boolean
a is mapping
a is iterable
a is even
a is divisibleby(1)
a | int
a | float
a | round
a | round(2)
a | round(1)
a | round(0, 'ceil')
a | round(0, 'floor')
a | abs
a | string
a | tojson
tojson(a)
tojson([a, 1])
tojson({'k': a}, 'failed')
toyaml({'k': a}, 'failed')
a | length
a | upper
a | default('x')
a | as_number
a | pprint
'%s' | format(a)
'%.2f' | format(a)
'%d' | format(a)
'%s' % a
'%5.1f|' % a
'{}'.format(a)
'{:.3f}'.format(a)
'{:,.1f}'.format(a)
'{!r}'.format(a)
'{:>10}'.format(a)
a.quantize(b)
a.to_integral_value()
a.is_nan()
a.as_tuple()
a.normalize()
a.copy_abs()
a.sqrt()
a.__class__
a.real
a.upper()
[a, b] | sum
[a, 1, 0.5] | sum
[a, 1] | sum
[a, b] | max
[a, b] | min
[b, a] | sort
[a, b, a] | unique | list
[a] | join(',')
['x', a] | join('-')
range(a)
range(a | int) | list
[1, 2, 3][a | int]
'x' * a
'x' ~ a ~ 'y'
'x' + a
(a | string) + 'x'
a if a else 'no'
not a
a and 5
a or 5
a | int + 1
(a | int) + 1
'yes' if a == 1.50 else 'no'
{% set n = namespace(t=0) %}{% set n.t = n.t + a %}{{ n.t }}
{% for i in range(a | int) %}{{ i }},{% endfor %}
modules.datetime.timedelta(days=a)
modules.datetime.timedelta(days=a | float)
"""
expressions(DECIMALS, *row("select cast('1.50' as decimal(10,2)) as a, cast('2.0' as decimal(10,1)) as b"))
expressions(
    """
a
b
a + 1
a + 0.5
a * 2
a / 3
a // 3
a % 7
a ** 2
a == 12345678901234567890123456789012345678
a > 1
a | int
a | float
a | string
a | tojson
a is integer
a is float
a is number
[a, b]
'%s' % a
'%d' % a
'%.2f' % a
a ~ b
a - b
b * 100
b | round
b | round(2)
b | float
b / 2
-b
a < b
b | int
""",
    *row(
        "select cast('12345678901234567890123456789012345678' as decimal(38,0)) as a,"
        " cast('123456789.123456789' as decimal(18,9)) as b"
    ),
)
expressions(
    """
a
a > 1000
a == 1.5
a * 2
a + 1
a is string
a is number
a is float
a | round(2)
a | int
a | float
a | tojson
b
b + 1
b / 2
b / 3
b // 2
b % 2
b ** 2
b == 3
b is integer
b is number
b is float
b | int
b | tojson
[b]
range(b)
b ~ ''
r
r.values()
r | list
a ~ '/' ~ b
""",
    *row("select avg(x) as a, sum(x) as b from (select 1 as x union all select 2) q"),
)
for value in """cast(1.5 as double precision)|cast(1e16 as double precision)|cast(0.1 as double precision)|cast(1e-7 as double precision)|
cast(3 as double precision)|cast('nan' as double precision)|cast(0 as decimal(10,0))|cast('0.00' as decimal(10,2))|cast('-0.50' as decimal(5,2))|
cast('100' as decimal(10,0))|cast('1e2' as double precision)|cast(5 as bigint)|cast(5 as smallint)|9223372036854775807|count(*)|sum(1)|1.5|
cast('1704164645123456.0' as decimal(20,1))|cast('0.000000001' as decimal(20,9))|true|cast(null as integer)|'x'|''|'1'|'1.0'|'true'|'2024-01-05'|'null'|
date '2024-01-05'|timestamp '2024-01-05 10:00:00'|timestamp '2024-01-05 10:00:00.5'|time '10:00:00'|interval '1' day|cast('x' as varchar(3))""".replace(
    "|\n", "|"
).split("|"):
    before, after = row(f"select {value} as a, 1 as b")
    case(before + "{{ a }}|{{ [a] }}|{{ a is string }}{{ a is number }}{{ a is integer }}{{ a is float }}{{ a is boolean }}{{ a is none }}" + after)
    case(before + "{{ tojson([a], 'failed') }}|{{ r }}|{{ r.values() }}" + after)

# ---- Numbers
expressions(
    """
1e16
1e15
1e22
123456789012345678.0
1e-5
0.0001
0.00001
0.1 + 0.2
1.0
1.50
100.0
1e2
1.5e300
1e400
-1e400
1e400 - 1e400
[1e400]
[1e16, 1e-5, 1.0]
{'a': 1e16}
-0.0
[-0.0]
0.0
1 / 3
2 / 1
7 // 2
-7 // 2
7 % 3
-7 % 3
7 % -3
7.5 // 2
-7.5 // 2
7.5 % 2
-7.5 % 2
2 ** 10
2 ** -1
2 ** 0.5
2.0 ** 3
-2 ** 2
(-2) ** 2
2 ** 3 ** 2
10 ** 20
10 ** 30
10 ** 30 + 1
10 ** 30 // 7
10 ** 30 % 7
10 ** 30 / 7
10 ** 30 * 10 ** 30
-(10 ** 30)
10 ** 30 == 1e30
10 ** 30 > 1
[10 ** 30]
10 ** 30 | tojson
(10 ** 30) | tojson
(10 ** 30) | string | length
(10 ** 30) is integer
(10 ** 30) | float
1e30 | int
123456789012345678901234567890
123456789012345678901234567890 + 1
9223372036854775807 + 1
9223372036854775807 * 2
-9223372036854775808 - 1
18446744073709551616
fromjson('123456789012345678901234567890') + 1
fromjson('[1e16, 1E400, -0.0, 1.0, 10000000000000000000000]')
fromjson('{"a": NaN, "b": Infinity}')
tojson(fromjson('[1.0, 1e5, 12345678901234567890]'))
tojson(1e16)
tojson(1e400)
tojson([1e-5, 1.0, 0.1])
tojson(-0.0)
1e16 | tojson
fromyaml('a: 123456789012345678901234567890').a + 1
fromyaml('[1e3, 1.0e+3, 0x10, 010, 0o10, 1_000, .5, .inf, 1:30]')
'123456789012345678901234567890' | int
'123456789012345678901234567890' | int + 1
'1e3' | int
'1e3' | float
'1.9' | int
1.9 | int
-1.9 | int
'  5 ' | int
'5_000' | int
'0x1A' | int
'0x1A' | int(base=16)
'1A' | int(base=16)
'1A' | int(0, 16)
'777' | int(base=8)
'0b11' | int(base=2)
'0b11' | int(0, 2)
'abc' | int
'' | int
'12abc' | int
'x' | int(7)
'x' | int(default=7)
none | int
[] | int
true | int
'x' | float
'' | float
'x' | float(1.5)
'x' | float(default='d')
'nan' | float
'inf' | float
'1,000' | float
none | float
true | float
1 | float
1e400 | int
1 | round
1.5 | round
2.5 | round
2.567 | round(2)
2.567 | round(2, 'ceil')
2.567 | round(2, 'floor')
2.567 | round(method='ceil')
2.567 | round(precision=1, method='floor')
2.567 | round(2) | string
1234.5 | round(-2)
2.5 | round(0) | int
'2.5' | round
2 | round(1)
-3 | abs
-3.5 | abs
'x' | abs
5 | string
5.0 | string
1.0 == 1
1 == true
true + true
true * 3
1 < 2 < 3
1 < 3 < 2
'a' < 'b'
'a' < 1
1 == '1'
none == none
none < 1
not 1
not ''
1 and 2
0 or 'x'
0 and 1
'' or none
1 if none else 2
1 if false
'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1]
'a' + 1
'a' * 3
3 * 'a'
'a' * -1
'ab' % 1
'%s' % 5
'%s-%s' % (1, 2)
'%(a)s' % {'a': 1}
'%05d' % 42
'%5s|' % 'a'
'%-5s|' % 'a'
'%.3f' % 2
'%e' % 12345.678
'%g' % 0.00001
'%x' % 255
'%%' % ()
'%r' % 'a'
'%c' % 65
'%s' % [1]
5 % 0
5 / 0
5 // 0
5.0 / 0
1 / 0
0 ** 0
1 is divisibleby 1
4 is divisibleby(2)
4 is even
5 is odd
1 is number
true is number
true is integer
1.0 is float
1.0 is integer
1 is boolean
true is boolean
true is true
1 is true
false is false
(5).bit_length()
(5).__class__
5.0.is_integer()
(5.0).is_integer()
(2.5).as_integer_ratio()
(255).to_bytes(2, 'big')
1_000
0x10
0b11
0o17
1_000.5
1.e5
1.5 | int
5 | filesizeformat
1500 | filesizeformat
1500000 | filesizeformat
1500000 | filesizeformat(true)
1024 | filesizeformat(binary=true)
1 | filesizeformat
5 in [5.0]
5 in (1, 5)
'5' in [5]
'a' in 'abc'
'' in 'abc'
1 in 'abc'
5 not in [1]
'a' in {'a': 1}
1 in {'a': 1}.values()
3 in range(5)
3.0 in range(5)
5 in range(5)
none in [none]
1 is in [1, 2]
1 is not in [1]
"""
)

# ---- Lists, tuples, sets, dicts, ranges
expressions(
    """
[1] + [2]
([1] + [2]) is sequence
([1] + [2]) is iterable
([1] + [2]) | length
([1] + [2])[1]
[1] + (2,)
[1] + 'a'
[1] + range(2)
[1] * 3
3 * [1]
[1] * 0
[1] * 'a'
[1, 2] == [1, 2]
[1, 2] == (1, 2)
[1, 2] < [1, 3]
[1, 2] < [1]
[2] > [1, 9]
['a'] < [1]
[1] == [1.0]
[1] == [true]
[1, 2, 3][1:]
[1, 2, 3][:-1]
[1, 2, 3][::-1]
[1, 2, 3][::2]
[1, 2, 3][-1]
[1, 2, 3][5]
[1, 2, 3][5:]
[1, 2, 3]['a']
[1, 2, 3].1
[1, 2, 3][true]
[1, 2, 3][1.0]
[1, 2, 1].count(1)
[1, 2, 1].index(2)
[1, 2, 1].index(5)
[1, 2, 1].index(1, 1)
[1, [2, 'a'], {'k': (1,)}]
['it\\'s', "say \\"x\\"", 'a\\nb', 'é', '\\\\']
[none, true, 1.0]
[]
()
(1,)
(1, 'a')
((1, 2), (3,))
(1, 2) + (3,)
(1, 2) + [3]
(1, 2) * 2
(1, 2) == (1, 2)
(1, 2) < (1, 3)
(1, 2, 1).count(1)
(1, 2).index(2)
(1, 2)[0]
(1, 2)[::-1]
(1, 2) is sequence
(1, 2) is mapping
(1, 2) | list
(1, 2) | tojson
(1, 2) | length
(1, 2) | join(',')
1 in (1, 2)
{% set a, b = (1, 2) %}{{ b }}{{ a }}
{% set a, b = [1, 2] %}{{ b }}{{ a }}
{% set a = 1, 2 %}{{ a }}
{% set l = [1] %}{% do l.append(2) %}{{ l }}
{% set l = [1] %}{{ l.append(2) }}{{ l }}
{% set l = [1] %}{% do l.extend([2, 3]) %}{{ l }}
{% set l = [1] %}{% do l.extend('ab') %}{{ l }}
{% set l = [1] %}{% do l.extend(range(2)) %}{{ l }}
{% set l = [1] %}{% do l.insert(0, 5) %}{{ l }}
{% set l = [1] %}{% do l.insert(9, 5) %}{{ l }}
{% set l = [1] %}{% do l.insert(-1, 5) %}{{ l }}
{% set l = [1, 2, 3] %}{{ l.pop() }}{{ l.pop(0) }}{{ l }}
{% set l = [] %}{{ l.pop() }}
{% set l = [1, 2, 1] %}{% do l.remove(1) %}{{ l }}
{% set l = [1] %}{% do l.remove(5) %}{{ l }}
{% set l = [1, 2, 3] %}{% do l.reverse() %}{{ l }}
{% set l = [3, 1, 2] %}{% do l.sort() %}{{ l }}
{% set l = [3, 1, 2] %}{% do l.sort(reverse=true) %}{{ l }}
{% set l = [3, 1, 2] %}{{ l.sort() }}
{% set l = [1, 'a'] %}{% do l.sort() %}{{ l }}
{% set l = [1, 2] %}{% set m = l.copy() %}{% do m.append(3) %}{{ l }}{{ m }}
{% set l = [1, 2] %}{% set m = l %}{% do m.append(3) %}{{ l }}
{% set l = [1, 2] %}{% do l.clear() %}{{ l }}
{% set l = [1, 2] %}{% set x = l + [3] %}{% do x.append(4) %}{{ l }}{{ x }}
{% set l = [[1], [2]] %}{% do (l[0] + l[1]).append(1) %}{{ l }}
{% set d = {'a': [1], 'b': [2]} %}{% do (d.a + d.b).append(1) %}{{ d }}
{% set d = {'a': [1]} %}{% do d.a.append(2) %}{{ d }}
{% set l = [1] %}{% set l = l + [2] %}{% do l.append(3) %}{{ l }}
{% set l = [1] * 2 %}{% do l.append(3) %}{{ l }}
{% set l = [1, 2, 3][1:] %}{% do l.append(4) %}{{ l }}
{% set l = range(3) | list %}{% do l.append(4) %}{{ l }}
{% set l = 'a b'.split() %}{% do l.append('c') %}{{ l }}
{% set l = {'a': 1}.keys() | list %}{% do l.append('c') %}{{ l }}
{% set l = [1, 2] | map('string') | list %}{% do l.append('c') %}{{ l }}
{% set l = (1, 2) %}{% do l.append(3) %}{{ l }}
{% set l = [1, 2] %}{% for x in l %}{% if x < 5 %}{% do l.append(x + 4) %}{% endif %}{% endfor %}{{ l }}
{% set l = [1] %}{% set l.x = 2 %}
{% set l = [1] %}{% do l.__setitem__(0, 2) %}{{ l }}
set([1, 2]) == set([2, 1])
set([1, 2]) == [1, 2]
set([1, 2]) != set([1, 2])
set([1]) <= set([1, 2])
set([1]) < set([1])
set([1, 2]) >= set([2])
set([1]) | set([2]) | sort
(set([1]) | set([2])) | sort
(set([1, 2]) & set([2, 3])) | sort
(set([1, 2]) - set([2, 3])) | sort
(set([1, 2]) ^ set([2, 3])) | sort
(set([1, 2]) - [2]) | sort
set([1, 2]) + set([3])
set([1, 2, 3]).union([4]) | sort
set([1, 2, 3]).union(set([4]), [5]) | sort
set([1, 2, 3]).intersection([2]) | list
set([1, 2, 3]).difference(set([2])) | sort
set([1, 2, 3]).symmetric_difference([3, 4]) | sort
set([1]).issubset([1, 2])
set([1, 2]).issuperset([1])
set([1, 2]).isdisjoint([3])
{% set s = set([1]) %}{% do s.add(2) %}{{ s | sort }}
{% set s = set([1]) %}{% do s.update([2, 3]) %}{{ s | sort }}
{% set s = set([1, 2]) %}{% do s.remove(1) %}{{ s }}
{% set s = set([1, 2]) %}{% do s.discard(5) %}{{ s | sort }}
{% set s = set([1]) %}{{ s.pop() }}{{ s }}
{% set s = set([1]) %}{% set t = s.copy() %}{{ t }}
set([])
set([1])
set(['a'])
set()
set(5)
set(5, 'd')
set([[1]])
set([[1]], 'd')
set('aab') | sort
set([2, 1, 2]) | length
1 in set([1, 2])
set([1]) is sequence
set([1]) is iterable
set([1]) is mapping
set([1])[0]
set([1]) | first
set([1]) | tojson
tojson(set([1]), 'd')
set([3, 1, 2]) | sort(reverse=true) | join(',')
[set([1, 2])] == [set([2, 1])]
set_strict([1, 2]) == set([1, 2])
set_strict(5)
zip([1, 2], ['a', 'b'])  | list
zip([1, 2], ['a']) | list
zip([1], 5)
zip([1], 5, default='d')
zip() | list
zip([1, 2]) | list
zip([1], [2], [3]) | list
zip_strict([1], [2]) | list
zip_strict([1], 5)
{% set z = zip([1], [2]) %}{{ z | list }}{{ z | list }}
{% for a, b in zip([1, 2], 'ab') %}{{ a }}{{ b }}{% endfor %}
{'a': 1}
{'a': 1, 'b': [1], 'c': {'d': none}}
{1: 'a', none: 'b', true: 'c', (1, 2): 'd'}
{1.5: 'x'}
{'a': 1}.a
{'a': 1}['a']
{'a': 1}.b
{'a': 1}['b']
{'a': 1}.get('b')
{'a': 1}.get('b', 2)
{'a': 1}.get('b', default=2)
{'a': none}.get('a', 2)
{'items': 1}.items
{'items': 1}['items']
{'keys': 1}.keys
{'a': 1}.items()
{'a': 1}.keys()
{'a': 1}.values()
{'a': 1}.items() | list
{'a': 1}.keys() | list
{'a': 1, 'b': 2}.items() | first
{'a': 1, 'b': 2}.keys() | join(',')
{'a': 1}.items() is sequence
{'a': 1}.items() is iterable
{'a': 1}.keys()[0]
{'a': 1}.keys() == ['a']
'a' in {'a': 1}.keys()
{'a': 1}.keys() | length
({'a': 1}.keys() - ['a']) | list
{'b': 1, 'a': 2} == {'a': 2, 'b': 1}
{'a': 1} == {'a': 1.0}
{'a': 1} | list
{'a': 1} | length
{'a': 1} is mapping
{'a': 1} is sequence
{} is sequence
{'a': 1} is iterable
({'a': 1} | items) | list
({'a': 1}) | tojson
{'b': 1, 'a': 2} | tojson
tojson({'b': 1, 'a': 2})
tojson({'b': 1, 'a': 2}, sort_keys=true)
tojson({'a': none, 'b': true, 'c': 'é"<'})
{'a': 'é"<&\\''} | tojson
tojson({1: 2, none: 3, true: 4})
tojson({(1, 2): 3}, 'd')
{'a': 1, 'b': [1, 2]} | tojson(2)
{'a': 1, 'b': [1, 2]} | tojson(indent=2)
{'a': 1} < {'a': 2}
{'a': 1} + {'b': 2}
({'a': 1}.items() | list) + [1]
{% set d = {'a': 1} %}{% do d.update({'b': 2}) %}{{ d }}
{% set d = {'a': 1} %}{% do d.update(b=2, a=3) %}{{ d }}
{% set d = {'a': 1} %}{% do d.update([('b', 2)]) %}{{ d }}
{% set d = {'a': 1} %}{{ d.update({'b': 2}) }}{{ d }}
{% set d = {'a': 1} %}{{ d.pop('a') }}{{ d }}
{% set d = {'a': 1} %}{{ d.pop('b') }}
{% set d = {'a': 1} %}{{ d.pop('b', 'x') }}
{% set d = {'a': 1, 'b': 2} %}{{ d.popitem() }}{{ d }}
{% set d = {'a': 1} %}{{ d.setdefault('b', []) }}{{ d }}
{% set d = {'a': 1} %}{% do d.setdefault('a', 5) %}{{ d }}
{% set d = {} %}{% do d.setdefault('a', []).append(1) %}{{ d }}
{% set d = {'a': 1} %}{% set e = d.copy() %}{% do e.update({'a': 2}) %}{{ d }}{{ e }}
{% set d = {'a': 1} %}{% do d.clear() %}{{ d }}
{% set d = {'a': 1} %}{% set d.b = 2 %}
{% set d = {'a': 1} %}{% do d.__setitem__('b', 2) %}{{ d }}
{}.fromkeys(['a', 'b'], 0)
{}.fromkeys('ab')
dict(a=1, b=2)
dict({'a': 1}, b=2)
dict([('a', 1), ('b', 2)])
dict(zip(['a', 'b'], [1, 2]))
dict(a=1).a
dict()
({'a': 1} | dictsort)
{'b': 1, 'A': 2} | dictsort
{'b': 1, 'A': 2} | dictsort(true)
{'b': 1, 'A': 2} | dictsort(false)
{'b': 1, 'a': 2} | dictsort(by='value')
{'b': 1, 'a': 2} | dictsort(false, 'value')
{'b': 1, 'a': 2} | dictsort(false, 'key', true)
{'b': 1, 'a': 2} | dictsort(reverse=true)
{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }};{% endfor %}
{% for k in {'a': 1, 'b': 2} %}{{ k }};{% endfor %}
{% for x in {'a': 1}.items() %}{{ x }}{{ x[0] }}{% endfor %}
{'a': 1, 'a': 2}
{'a': {'b': 1}}.a.b
{'a-b': 1}['a-b']
{'a': [1, 2]}.a[1]
{'a': 1}[0]
{1: 'x'}[1]
{1: 'x'}[1.0]
{1: 'x'}['1']
{'_x': 1}._x
{'__x__': 1}['__x__']
{'a': (1, 'b')}
{'a': 1e16}
{[1]: 2}
range(3)
range(1, 3)
range(0, 10, 2)
range(3) | list
range(3, 0, -1) | list
range(3)[1]
range(10)[2:4]
range(10)[2:4] | list
range(10)[::-1] | list
range(3) == range(0, 3)
range(3) == [0, 1, 2]
range(3) | length
range(3) | join(',')
range(3) is sequence
range(3) is iterable
range(3) + [1]
range(3) | sum
range(3) | tojson
range(0)
range('3')
range(1.5)
range(200000)
range(3).index(2)
range(3).count(2)
range(3).start
[range(2)]
'x' in range(3)
range(3) | first
range(3) | last
range(3) | max
range(3) | reverse | list
range(3) | random is number
"""
)

# ---- Strings
expressions(
    r"""
'abc'.center(9)
'abc'.center(9, '*')
'7'.zfill(3)
'-7'.zfill(4)
'a'.ljust(3) ~ '|'
'a'.ljust(3, '.')
'a'.rjust(3, '.')
'a\tb'.expandtabs()
'a\tb'.expandtabs(4)
'a-b-c'.partition('-')
'a-b-c'.rpartition('-')
'abc'.partition('-')
'a b  c'.split()
'a b  c'.split(' ')
'a,b,c'.split(',', 1)
'a,b,c'.split(',', maxsplit=1)
'a,b,c'.rsplit(',', 1)
' a b '.split(none, 1)
''.split()
''.split(',')
'abc'.split('')
'a\nb\r\nc'.splitlines()
'a\nb'.splitlines(true)
'a\nb\n'.splitlines(keepends=true)
'abc'.startswith('a')
'abc'.startswith(('x', 'a'))
'abc'.startswith('b', 1)
'abc'.startswith(['a'])
'abc'.endswith(('x', 'c'))
'abc'.endswith('b', 0, 2)
'abc'.find('c')
'abc'.find('x')
'abcabc'.find('a', 1)
'abcabc'.rfind('a')
'abc'.index('c')
'abc'.index('x')
'abcabc'.rindex('a')
'abcabc'.count('a')
'abcabc'.count('a', 1)
'aaa'.count('')
'abc'.replace('a', 'x')
'aaa'.replace('a', 'x', 2)
'aaa'.replace('', '-')
'abc'.removeprefix('a')
'abc'.removesuffix('c')
' a '.strip() ~ '|'
'xxaxx'.strip('x')
'xyaxy'.strip('yx')
' a '.lstrip() ~ '|'
'xxa'.lstrip('x')
' a '.rstrip() ~ '|'
'axx'.rstrip('x')
'aBc'.upper()
'aBc'.lower()
'aBc dEf'.title()
"they're".title()
'aBc dEf'.capitalize()
'aBc'.swapcase()
'ßA'.casefold()
'ß'.upper()
'İ'.lower()
'ǆ'.title()
'abc'.isalpha()
'ab1'.isalnum()
'12'.isdigit()
'²'.isdigit()
'12'.isnumeric()
'½'.isnumeric()
'12'.isdecimal()
'²'.isdecimal()
' '.isspace()
''.isspace()
'abc'.islower()
'ABC1'.isupper()
'Abc Def'.istitle()
'a_b'.isidentifier()
'a b'.isidentifier()
'ab'.isprintable()
'a\n'.isprintable()
'ab'.isascii()
'é'.isascii()
'-'.join(['a', 'b'])
'-'.join([1, 2])
'-'.join('abc')
'-'.join({'a': 1, 'b': 2})
'-'.join(('a', 'b'))
'abc'.encode()
'é'.encode('utf-8')
'é'.encode('utf-8').hex()
'é'.encode('latin-1')
'abc'.encode().decode()
'abc'.translate({97: 'x', 98: none})
'abc'.maketrans('ab', 'xy')
'abc'.translate('abc'.maketrans('ab', 'xy'))
'{} {}'.format(1, 'a')
'{0}{1}{0}'.format('a', 'b')
'{a}'.format(a=1)
'{a.b}'.format(a={'b': 1})
'{a[b]}'.format(a={'b': 1})
'{0[1]}'.format([1, 2])
'{0!r}'.format('x')
'{0!s}'.format('x')
'{!r}'.format('x')
'{!r:>6}'.format('x')
'{:>10}'.format('a')
'{:<5}|'.format('a')
'{:^5}|'.format('a')
'{:*^5}'.format('a')
'{:.2}'.format('abc')
'{:5d}|'.format(42)
'{:05d}'.format(42)
'{:+d}'.format(42)
'{:,}'.format(1234567)
'{:_}'.format(1234567)
'{:,.2f}'.format(1234.567)
'{:%}'.format(0.25)
'{:.1%}'.format(0.256)
'{:.0%}'.format(0.256)
'{:e}'.format(12345.6)
'{:.2e}'.format(12345.6)
'{:g}'.format(0.00001)
'{:g}'.format(100000.0)
'{:g}'.format(1e16)
'{:x}'.format(255)
'{:#x}'.format(255)
'{:X}'.format(255)
'{:b}'.format(5)
'{:o}'.format(8)
'{:c}'.format(65)
'{:08.3f}'.format(3.14159)
'{:f}'.format(1)
'{:d}'.format(1.5)
'{:d}'.format('a')
'{:s}'.format(1)
'{:>{w}}'.format('a', w=4)
'{{}}'.format(1)
'{{{}}}'.format(1)
'{}'.format()
'{x}'.format(y=1)
'{} {0}'.format(1)
'{}'.format(none)
'{}'.format(1.0)
'{}'.format([1, 'a'])
'{}'.format(true)
'{:d}'.format(true)
'{:>6}'.format(true)
'{:>6}'.format(none)
'{a}'.format_map({'a': 1})
'{a}'.format(**{'a': 1})
'{} {}'.format(*[1, 2])
'{:%Y-%m-%d}'.format(modules.datetime.datetime(2024, 1, 5))
'abc'[0]
'abc'[-1]
'abc'[1:]
'abc'[::-1]
'abc'[5]
'abc'[5:]
'abc' 'def'
'abc' | length
'é' | length
'😀' | length
'a' == "a"
'a' < 'B'
'a' is string
'a' is sequence
'a' is iterable
'a' is mapping
'a' in ['a']
'a\'b'
"a\"b"
'a\\b'
'a\tb'
'a\x41b'
'a\u00e9b'
'a\101b'
'a\qb'
'a' ~ 'b' | upper
('a' ~ 'b') | upper
'a' | upper ~ 'b'
'a,b' | replace(',', ';')
'aaa' | replace('a', 'b', 2)
'abc' | first
'abc' | last
'abc' | list
'abc' | reverse
'cab' | sort
'abc' | max
'abc' | map('upper') | join
'abc' | upper | lower | title | capitalize
'foo bar' | title
"foo-bar (baz) they're" | title
'hello' | capitalize
'a b' | urlencode
'a/b?c=é' | urlencode
{'a': 1, 'b c': 'é'} | urlencode
'<a&"\'>' | escape
'<a>' | e
'<a>' | safe
'<a>' | escape | safe
'<a>' | forceescape
('<a>' | escape) | forceescape
('<a>' | escape) ~ '<b>'
('<a>' | safe) ~ '<b>'
('<a>' | escape) + '<b>'
('<b>%s</b>' | safe) % '<a>'
('<a>' | safe) | upper
('<a>' | safe) is escaped
'<a>' is escaped
['<', '<b>' | safe] | join
'<p>a  <b>b</b></p> c' | striptags
'hello world foo bar' | truncate(11)
'hello world foo bar' | truncate(11, true)
'hello world foo bar' | truncate(11, true, '~')
'hello world foo bar' | truncate(11, end='...', leeway=0)
'hello world foo bar' | truncate(9, killwords=true, leeway=0)
'abc' | center(9) ~ '|'
'abc' | center(width=7)
'hello world foo bar' | wordwrap(10)
'hello world foo bar' | wordwrap(10, true, '|')
'hello world foo bar' | wordwrap(4, break_long_words=false)
'hello\nworld foo' | wordwrap(7)
'hello world foo bar' | wordcount
'a\nb\nc' | indent
'a\nb\nc' | indent(2)
'a\nb\nc' | indent(2, true)
'a\n\nb' | indent(2, blank=true)
'a\n\nb' | indent(2, first=true)
'a\nb' | indent('> ')
'a\nb\n' | indent(2) ~ '|'
' a ' | trim ~ '|'
'xax' | trim('x')
'xax' | trim(chars='x')
'see https://a.com/x?y=1 and www.b.org, c@d.de' | urlize
'https://example.com/long/path' | urlize(10)
'https://example.com' | urlize(20, true)
'https://example.com' | urlize(target='_blank', rel='me')
'%s %s' | format('a', 'b')
'%(x)s' | format(x=1)
'%s' | format([1])
'%s%%' | format(5)
'a' | format
'abc' | batch(2) | list
'a' | default('x')
'' | default('x')
'' | default('x', true)
'' | default('x', boolean=true)
none | default('x')
none | default('x', true)
none | default(default_value='x', boolean=true)
nothing | default('x')
nothing | default
nothing.a | default('x')
nothing | d('x')
nothing | default(nothing2) | default('z')
'a' | string
none | string
true | string
'abc' | pprint
[1, 'a', {'b': 2}] | pprint
{'b': 1, 'a': 2} | pprint
'x' | attr('upper')
'x' | attr('nope')
'x' | tojson
"it's" | tojson
'a"b</x>' | tojson
'é' | tojson
tojson('é')
'a' | random
['a'] | random
[] | random
'a' is lower
'A' is upper
'a' is eq 'a'
'a' is ne 'b'
1 is lt 2
1 is le 1
2 is gt 1
2 is ge 3
1 is equalto 1
1 is lessthan 2
2 is greaterthan 1
1 is sameas 1
none is sameas none
[] is sameas []
'a' is in 'abc'
'a' is in ['b']
'upper' is filter
'nope' is filter
'as_bool' is filter
'even' is test
'nope' is test
none is none
none is iterable
none is defined
none is string
none is sequence
none is mapping
none is callable
range is callable
'a'.upper is callable
'a' is callable
dict is callable
nothing is defined
nothing is undefined
nothing is none
nothing is iterable
nothing is string
nothing is callable
nothing is mapping
nothing is sequence
5 is iterable
5 is sequence
5 is mapping
true is string
namespace(a=1) is mapping
namespace(a=1)
namespace(a=1).a
namespace({'a': 1}, b=2).b
namespace(a=1).b
namespace(a=1).b is defined
{% set n = namespace() %}{% set n.x = 1 %}{{ n.x }}{{ n }}
{% set n = namespace(l=[]) %}{% for i in range(3) %}{% do n.l.append(i) %}{% endfor %}{{ n.l }}
{% set n = namespace(c=0) %}{% for i in range(3) %}{% set n.c = n.c + i %}{% endfor %}{{ n.c }}
namespace(a=1)['a']
namespace(a=1) | string
cycler('a', 'b').next()
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{% do c.reset() %}{{ c.current }}
cycler()
{% set j = joiner(', ') %}{{ j() }}a{{ j() }}b{{ j() }}c
{% set j = joiner() %}{{ j() }}a{{ j() }}b
lipsum(0)
lipsum(n=1, html=false, min=3, max=4) is string
"""
)

# ---- Filters over sequences
expressions(
    """
[3, 1, 2] | sort
[3, 1, 2] | sort(true)
[3, 1, 2] | sort(reverse=true)
['b', 'A', 'c'] | sort
['b', 'A', 'c'] | sort(false, true)
['b', 'A', 'c'] | sort(case_sensitive=true)
[{'a': 2}, {'a': 1}] | sort(false, false, 'a')
[{'a': 2}, {'a': 1}] | sort(attribute='a')
[{'a': 1, 'b': 2}, {'a': 1, 'b': 1}] | sort(attribute='a,b')
[[2, 'x'], [1, 'y']] | sort(attribute=0)
[[2, 'x'], [1, 'y']] | sort(attribute='1')
[1, 'a'] | sort
[none, 1] | sort
[true, false] | sort
[1, 2.5, 0.5] | sort
{'b': 1, 'a': 2} | sort
'hello' | sort | join
[1, 2, 3] | sum
[1, 2, 3] | sum(start=10)
[1, 2.5] | sum
[] | sum
['a'] | sum
['a'] | sum(start='')
[[1], [2]] | sum(start=[])
[{'a': 1}, {'a': 2}] | sum(attribute='a')
[{'a': 1}, {'a': 2}] | sum('a')
[{'a': 1}, {'a': 2}] | sum('a', 5)
[{'a': {'b': 1}}] | sum(attribute='a.b')
[3, 1] | max
[3, 1] | min
[] | max
['b', 'A'] | min
['b', 'A'] | min(true)
['b', 'A'] | max(case_sensitive=true)
[{'a': 1}, {'a': 3}] | max(attribute='a')
[{'a': 1}, {'a': 3}] | min(attribute='a')
[1, 2, 3, 4, 5] | batch(2) | list
[1, 2, 3] | batch(2, 'x') | list
[1, 2, 3] | batch(2, fill_with=0) | list
[1, 2, 3] | batch(2)
[1, 2, 3, 4, 5] | slice(2) | list
[1, 2, 3, 4, 5] | slice(3, 'x') | list
[1, 2, 3, 4, 5] | slice(3, fill_with=0) | list
[{'a': 1, 'b': 2}, {'a': 2, 'b': 3}, {'a': 1, 'b': 4}] | groupby('a')
[{'a': 1, 'b': 2}, {'a': 2, 'b': 3}] | groupby('a') | list | length
([{'a': 1}] | groupby('a'))[0].grouper
([{'a': 1}] | groupby('a'))[0].list
([{'a': 1}] | groupby('a'))[0]
{% for k, v in [{'a': 2}, {'a': 1}, {'a': 2}] | groupby('a') %}{{ k }}:{{ v | length }};{% endfor %}
{% for g in [{'a': 'x'}, {'a': 'X'}, {'b': 1}] | groupby('a', default='none') %}{{ g.grouper }}:{{ g.list | length }};{% endfor %}
{% for k, v in [{'a': 'x'}, {'a': 'X'}] | groupby('a', case_sensitive=true) %}{{ k }}{% endfor %}
[1, 2] | map('string') | list
[1, 2] | map('string')
['a', 'b'] | map('upper') | join(',')
[{'a': 1}, {'a': 2}] | map(attribute='a') | list
[{'a': 1}, {}] | map(attribute='a', default=0) | list
[{'a': 1}, {}] | map(attribute='a') | list
[{'a': {'b': 1}}] | map(attribute='a.b') | list
[[1, 2], [3, 4]] | map(attribute=0) | list
[[1, 2], [3]] | map('length') | list
[[1, 2], [3]] | map('sum') | list
['a,b'] | map('replace', ',', ';') | list
['x'] | map('default', 'y') | list
['1', 'x'] | map('int', 7) | list
['1', 'x'] | map('int', default=7) | list
['a'] | map('nope') | list
['a'] | map() | list
[1, 2, 3] | select('odd') | list
[1, 2, 3] | select('greaterthan', 1) | list
[1, 2, 3] | select('>', 1) | list
[0, 1, none] | select | list
[1, 2, 3] | select('in', [1, 3]) | list
[1, 2, 3] | select('nope') | list
[1, 2, 3] | reject('odd') | list
[0, 1] | reject | list
['a', 1] | select('string') | list
[{'a': 1}, {'a': 2}, {}] | selectattr('a') | list
[{'a': 1}, {'a': 2}] | selectattr('a', 'equalto', 2) | list
[{'a': 1}, {'a': 2}] | selectattr('a', '==', 2) | list
[{'a': 1}, {}] | selectattr('a', 'defined') | list
[{'a': 'x'}, {'a': 'y'}] | selectattr('a', 'in', ['x']) | map(attribute='a') | list
[{'a': 1}, {'a': 2}] | rejectattr('a', 'equalto', 2) | list
[{'a': 1}, {}] | rejectattr('a') | list
[1, 2, 1, 3] | unique | list
['a', 'A', 'b'] | unique | list
['a', 'A', 'b'] | unique(true) | list
['a', 'A'] | unique(case_sensitive=true) | list
[{'a': 1, 'b': 1}, {'a': 1, 'b': 2}] | unique(attribute='a') | list
[1, 2, 1] | unique
[1, 1.0, true] | unique | list
[1, 2, 3] | reverse | list
[1, 2, 3] | reverse
[1, 2, 3] | first
[] | first
[] | first | default('x')
[1, 2, 3] | last
[] | last
[1, 2, 3] | join
[1, 2, 3] | join(', ')
[1, none, 'a'] | join('|')
[{'a': 1}, {'a': 2}] | join(',', attribute='a')
[{'a': 1}, {'a': 2}] | join(',', 'a')
[[1], [2]] | join
[1, 2] | length
[1, 2] | count
[1, 2] | list
5 | list
5 | length
none | length
none | list
[1, 2] | string
[1, 2] | tojson
[1, 'a', none, true, 1.5] | tojson
{'class': 'a b', 'id': none, 'x': 1} | xmlattr
{'class': 'a"b'} | xmlattr(false)
{'a': 1} | xmlattr(autospace=false)
[1, 2] | is_list
(1, 2) | is_list
'a' | is_list
[3, 1] | sort | first
[1, 2, 3] | select('odd') | map('string') | join('+')
[1, 2] | nope
[1, 2] is nope
[1, 2] | sort(1, 2, 3, 4)
[1, 2] | first(1)
'a' | upper(1)
['a', 'b'] | map('upper') is iterable
['a', 'b'] | map('upper') is sequence
(['a', 'b'] | map('upper'))[0]
['a', 'b'] | map('upper') | length
[1, 2] | select('odd') | first
"""
)

# ---- dbt's own functions
expressions(
    """
fromjson('{"a": [1, 2.0, null, true, "x"]}')
fromjson('[1, 2]')[1]
fromjson('nope')
fromjson('nope', 'd')
fromjson('nope', none)
fromjson('"a"')
fromjson('1')
fromjson('{"a": 1, "a": 2}')
fromyaml('a: 1')
fromyaml('a: [1, x, null, true, yes, 2024-01-05, 1.0]')
fromyaml('- 1')
fromyaml('a: b: c', 'd')
fromyaml('a: b: c')
fromyaml('')
fromyaml('x')
toyaml({'a': 1, 'b': [1, 'x', none, true, 1.0]})
toyaml([1])
toyaml('a')
toyaml(1)
toyaml(none)
toyaml({'b': 1, 'a': 2})
toyaml({'b': 1, 'a': 2}, sort_keys=true)
toyaml({'a': 'yes', 'b': '1', 'c': 'x: y', 'd': ''})
toyaml({'a': adapter}, 'failed')
tojson(adapter, 'failed')
tojson({'a': 'x'}) == '{"a": "x"}'
tojson(none)
tojson('a')
tojson(1.0)
tojson(modules.datetime.datetime(2024, 1, 5), 'failed')
tojson(modules.datetime.date(2024, 1, 5), 'failed')
tojson(modules.datetime.date(2024, 1, 5))
tojson(nothing, 'failed')
tojson(nothing)
tojson([1, (2, 3)])
local_md5('a')
local_md5(1)
var('nope', 'd')
var('nope', default='d')
var('nope', none)
var('nope')
var.has_var('nope')
env_var('NOPE_NOPE', 'd')
env_var('NOPE_NOPE', '') | int
env_var('NOPE_NOPE')
env_var('NOPE_NOPE', 5)
env_var('NOPE_NOPE', none)
'true' | as_bool
'nope' | as_bool
true | as_bool
'1' | as_number
'x' | as_number
1 | as_number + 1
'1' | as_native
'[1]' | as_native
'x' | as_text
1 | as_text
none | as_text
nothing | as_bool
nothing | as_number
nothing | as_native
nothing | as_text
'a' == 'a' | as_bool
('a' == 'a') | as_bool
('1' | as_number) is string
('true' | as_bool) is boolean
log('x')
print('x')
log('x', info=true) is none
return('x')
return(1)
exceptions.warn('x')
exceptions.raise_compiler_error('x')
exceptions.raise_not_implemented('x')
exceptions.nope('x')
exceptions.missing_config(this, 'x')
raise('x')
diff_of_two_dicts({'a': [1, 2], 'b': [1]}, {'a': [1]})
diff_of_two_dicts({'A': ['X']}, {'a': ['x']})
dbt_version
project_name
target.name
target.schema
target.type
target.threads
target.nope
target['nope']
target.get('nope', 'd')
target.get('schema')
target.profile_name
target.target_name
target.password
target.pass
env.name
this
this.name
this.schema
this.identifier
this.table
this.nope
this.include(database=false)
this.quote(identifier=false)
this.incorporate(path={'identifier': 'x'})
this is mapping
this is string
this is defined
this is none
this ~ ''
this | string
this == this
this.is_table
this.is_view
this.type
this.without_identifier()
this.render()
this.path.identifier
this['schema']
this.get('metadata', {}).get('type', '')
model.name
model.unique_id
model.resource_type
model.config.materialized
model.nope
model['name']
model.get('nope', 'd')
model is mapping
model.tags
config.get('materialized')
config.get('nope')
config.get('nope', 'd')
config.get('nope', default='d')
config.require('nope')
config.nope
config(materialized='table')
{{ config(materialized='table') }}{{ config.get('materialized') }}
{{ config(meta={'a': 1}) }}{{ config.get('meta').a }}{{ config.meta_get('a') }}
{{ config({'materialized': 'table'}) }}{{ model.config.materialized }}
ref('base')
ref('p', 'base')
ref('base').identifier
ref('base').nope
ref('base') is mapping
ref('base') | string
ref('base') ~ 'x'
ref('base', v=1)
ref('base', version=none)
ref('nope')
ref('nope', 'base')
ref()
ref('a', 'b', 'c')
ref(package_name='p', model_name='base')
ref('ba' ~ 'se')
source('src', 'tab')
source('src', 'tab').schema
source('src', 'nope')
source('nope', 'tab')
source('src')
builtins.ref('base')
builtins.source('src', 'tab')
builtins.config(materialized='table')
builtins.var('nope', 'd')
builtins['ref']('base')
builtins.nope
builtins.keys() | sort
builtins is mapping
builtins.ref.config.project_name
builtins.ref.config.vars.to_dict()
builtins.ref.config.dependencies['nope'].version
builtins.ref.config.args.which
builtins.ref.config.cli_vars
builtins.ref.config.profile_name
builtins.ref.config.quoting
builtins.ref.config.model_paths
builtins.ref.model.name
ref.config.vars.to_dict()
ref.config.cli_vars
ref.config.args.select
ref.model.name
ref.config.target_name
ref.config.threads
adapter.config.project_name
adapter.config.quoting
adapter.config.quoting.database
adapter.config.target_name
adapter.config.threads
adapter.config.version
adapter.config.credentials.schema
adapter.config.nope
adapter.type()
adapter.quote('a')
adapter.quote('a"b')
adapter.quote_as_configured('a', 'identifier')
adapter.quote_as_configured('a', 'nope')
adapter.get_relation
adapter.get_relation is defined
adapter.get_relation is callable
adapter.nope is defined
adapter.nope
adapter.nope()
adapter.get_relation(database=target.database, schema='nope', identifier='nope')
adapter.get_relation(database=target.database, schema='nope', identifier='nope') is none
adapter.check_schema_exists(target.database, 'nope')
adapter.get_columns_in_relation(this)
adapter.already_exists('nope', 'nope')
adapter.list_relations
adapter.valid_snapshot_target
adapter.dispatch('nope_nope')()
adapter.dispatch('current_timestamp', 'dbt')()
adapter.dispatch('dbt.current_timestamp')()
api.Column('a', 'text')
api.Column('a', 'text').name
api.Column('a', 'text').data_type
api.Column('a', 'varchar', 10).data_type
api.Column('a', 'decimal', none, 10, 2).data_type
api.Column('a', 'character varying', 10).is_string()
api.Column('a', 'integer').is_integer()
api.Column('a', 'integer').is_numeric()
api.Column('a', 'double').is_float()
api.Column('a', 'integer').quoted
api.Column('a', 'integer').literal('x')
api.Column('a', 'integer').string_size()
api.Column('a', 'varchar', 10).can_expand_to(api.Column('a', 'varchar', 20))
api.Column.translate_type('string')
api.Column.translate_type('nope')
api.Column.translate_type is defined
api.Column.numeric_type('numeric', 10, 2)
api.Column.numeric_type('numeric', none, none)
api.Column.string_type(10)
api.Column.create('a', 'text').name
api.Column is callable
api.Relation.create(database='d', schema='s', identifier='i')
api.Relation.create(schema='s', identifier='i')
api.Relation.create(database='d', schema='s', identifier='i', type='view').is_view
api.Relation.create(database='d', schema='s', identifier='i', type='nope')
api.Relation.create(identifier='i')
api.Relation.create(database='d', schema='s', identifier='i', quote_policy={'schema': false})
api.Relation.View
api.Relation.Table
api.Relation.create is defined
api.Relation.create(database='d', schema='s', identifier='i') == api.Relation.create(database='d', schema='s', identifier='i')
flags.WHICH
flags.FULL_REFRESH
flags.nope
flags.STORE_FAILURES
flags.EMPTY
invocation_args_dict.which
invocation_args_dict.nope
execute
execute is boolean
graph is defined
graph.nodes.keys() | list | length > 0
graph.keys() | sort
graph.nope
selected_resources is sequence
thread_id is string
run_started_at is defined
invocation_id | length
modules is mapping
modules.keys() | sort
modules.nope
modules.os
validation.any
validation.any('view', 'table')
validation.any['view']
context is mapping
'ref' in context
'nope' in context
context['nope'] is defined
context.nope
context.get('nope')
context.get('nope', 'd')
context.get(project_name, {}).get('§m')
context.get(project_name, {}).get('nope')
context.get('dbt', {}).get('nope')
context.get('dbt') is mapping
context['dbt'].get('nope', 'd')
context.dbt.nope is defined
context.nopkg.x
context['target'].name
context.target.type
context.ref('base')
context['ref']('base')
{% do context.update({'zz': 3}) %}{{ context['zz'] }}
{% do context.update({'zz': 3}) %}{{ zz }}
{% set yy = 5 %}{{ context['yy'] }}
{% set yy = 5 %}{{ 'yy' in context }}
context.keys() | length > 50
context.items() | list | length > 50
{% do context.pop('target') %}{{ context.target is defined }}
{% do context.setdefault('zz', 4) %}{{ context.zz }}
context.copy() is mapping
dbt is mapping
dbt.nope is defined
dbt.type_string()
dbt.type_string is defined
dbt.type_string is callable
'type_string' in dbt
dbt.get('type_string')()
dbt.get('nope') is none
dbt['type_string']()
dbt.keys() | length > 100
dbt.items() | list | length > 100
dbt.default__type_string()
dbt_duckdb is defined
dbt_postgres is defined
p is defined
p is mapping
type_int()
dbt.type_int() ~ dbt.type_boolean() ~ dbt.type_float() ~ dbt.type_timestamp() ~ dbt.type_numeric() ~ dbt.type_bigint()
dbt.concat(['a', 'b'])
dbt.hash('a')
dbt.safe_cast('a', dbt.type_int())
dbt.cast('a', 'int')
dbt.split_part('a', "','", 1)
dbt.split_part('a', "','", -1)
dbt.dateadd('day', 1, 'x')
dbt.datediff('a', 'b', 'day')
dbt.date_trunc('month', 'x')
dbt.last_day('x', 'month')
dbt.listagg('a', "','", 'order by a', 2)
dbt.any_value('a')
dbt.bool_or('a')
dbt.array_construct([1, 2])
dbt.array_append('a', 1)
dbt.array_concat('a', 'b')
dbt.except()
dbt.intersect()
dbt.length('a')
dbt.position('a', 'b')
dbt.replace('a', 'b', 'c')
dbt.right('a', 2)
dbt.string_literal('x')
dbt.escape_single_quotes("it's")
dbt.current_timestamp()
dbt.cast_bool_to_text('a')
dbt.equals('a', 'b')
dbt.date('2024', 1, 5)
dbt.generate_series(4)
dbt.get_powers_of_two(8)
dbt.date_spine('day', "'2024-01-01'", "'2024-01-03'")
generate_schema_name('x', model)
generate_schema_name(none, model)
generate_alias_name(none, model)
is_incremental()
should_full_refresh()
statement('x')
load_result('nope')
load_result('nope') is none
store_result('x', response='r')
run_query
caller
varargs
kwargs
loop
self
super()
local_md5
range
dict
namespace
none
None
true
True
nothing
"""
)

# ---- Dates and times
DATES = (
    "{% set dt = modules.datetime.datetime %}{% set a = dt(2024, 1, 5, 10, 30, 15) %}{% set b = dt(2023, 12, 31) %}"
    "{% set d = modules.datetime.date(2024, 1, 5) %}{% set td = modules.datetime.timedelta(days=1, hours=2) %}"
)
expressions(
    """
a
a - b
b - a
a - td
a + td
td + a
a - d
a - 1
a + 1
a + 'x'
d
d - modules.datetime.date(2023, 1, 1)
d + td
d - td
td + d
td
-td
+td
td + td
td - td
td * 2
2 * td
td * 1.5
td / 2
td / td
td // 2
td // td
td % modules.datetime.timedelta(hours=5)
td // modules.datetime.timedelta(hours=1)
td / modules.datetime.timedelta(hours=1)
td ** 2
td + 1
abs
td | abs
(-td) | abs
a == a
a != b
a < b
a > b
a >= a
a == d
a < d
d == modules.datetime.date(2024, 1, 5)
td > modules.datetime.timedelta(hours=1)
td == modules.datetime.timedelta(hours=26)
td < 5
td.days
td.seconds
td.microseconds
td.total_seconds()
td.total_seconds() / 3600
td.total_seconds() | int
td.min
td.max
td.resolution
(a - b).days
(a - b).seconds
(a - b).total_seconds()
(a - b).total_seconds() // 86400
(b - a).days
{'x': a - b}
[a - b]
[a]
[d]
{'k': a}
{a: 1}
(a,)
[td]
[-td]
'%s' % a
'%s' % td
'{}'.format(a)
'{:%d.%m.%y}'.format(a)
'{!r}'.format(d)
a ~ ''
td ~ ''
a | string
td | string
td if td else 'no'
modules.datetime.timedelta()
modules.datetime.timedelta() == 0
not modules.datetime.timedelta()
modules.datetime.timedelta(1)
modules.datetime.timedelta(weeks=1)
modules.datetime.timedelta(hours=-1)
modules.datetime.timedelta(seconds=0.5)
modules.datetime.timedelta(milliseconds=1, microseconds=1)
modules.datetime.timedelta(days=1.5)
modules.datetime.timedelta(days=1000000000)
modules.datetime.timedelta(days=-1, hours=5)
modules.datetime.timedelta(minutes=90)
modules.datetime.timedelta(days='1')
a.date()
a.time()
a.timetz()
a.year ~ '-' ~ a.month ~ '-' ~ a.day
a.hour ~ a.minute ~ a.second ~ a.microsecond
a.tzinfo
a.weekday()
a.isoweekday()
a.isocalendar()
a.isocalendar()[1]
a.isocalendar().week
a.isoformat()
a.isoformat(' ')
a.isoformat(sep=' ', timespec='minutes')
a.isoformat(timespec='milliseconds')
a.ctime()
a.toordinal()
a.timetuple()
a.timetuple()[7]
a.timetuple().tm_yday
a.timestamp
a.utcoffset()
a.tzname()
a.dst()
a.replace(day=1)
a.replace(hour=0, minute=0, second=0)
a.replace(2023)
a.replace(month=13)
a.replace(microsecond=5)
a.replace(tzinfo=modules.pytz.utc)
a.replace(tzinfo=modules.pytz.utc).timestamp()
a.replace(tzinfo=modules.pytz.utc) - a
a.replace(tzinfo=modules.pytz.utc) == a
a.replace(tzinfo=modules.pytz.utc) < a
a.strftime('%Y-%m-%d')
a.strftime('%d/%m/%y %H:%M:%S')
a.strftime('%Y%m%dT%H%M%S.%f')
a.strftime('%a %A %b %B')
a.strftime('%j %U %W %w %u %V %G')
a.strftime('%I %p')
a.strftime('%-d %-m %-H')
a.strftime('%e|%k|%l')
a.strftime('%c|%x|%X')
a.strftime('%D %F %T %R')
a.strftime('%s') is string
a.strftime('%z|%Z|')
a.strftime('%%')
a.strftime('%Q')
a.strftime('%')
a.strftime('%y %C %h %n %t|')
a.strftime('')
a.strftime('é %Y')
d.strftime('%Y-%m-%d %H:%M')
d.isoformat()
d.replace(day=28)
d.weekday()
d.timetuple().tm_yday
d.year
d.hour
d.toordinal()
d.fromordinal(738890)
d.ctime()
d.min
d.max
a.min
a.max
a.resolution
a.combine(d, a.time())
dt.combine(d, modules.datetime.time(1, 2, 3))
dt.combine(d, modules.datetime.time())
dt.fromisoformat('2024-01-05')
dt.fromisoformat('2024-01-05T10:00:00')
dt.fromisoformat('2024-01-05 10:00:00.123')
dt.fromisoformat('2024-01-05T10:00:00+02:00')
dt.fromisoformat('2024-01-05T10:00:00Z')
dt.fromisoformat('20240105T100000')
dt.fromisoformat('2024-W01-5')
dt.fromisoformat('nope')
modules.datetime.date.fromisoformat('2024-01-05')
modules.datetime.date.fromisoformat('20240105')
modules.datetime.time.fromisoformat('10:00')
dt.strptime('2024-01-05', '%Y-%m-%d')
dt.strptime('2024-1-5 1:2:3', '%Y-%m-%d %H:%M:%S')
dt.strptime('05 Jan 2024', '%d %b %Y')
dt.strptime('5 January 2024 10:00 PM', '%d %B %Y %I:%M %p')
dt.strptime('24-01-05', '%y-%m-%d')
dt.strptime('69-01-05', '%y-%m-%d')
dt.strptime('2024-005', '%Y-%j')
dt.strptime('2024-01-05 10:00:00.5', '%Y-%m-%d %H:%M:%S.%f')
dt.strptime('2024-01-05 10:00:00 +0200', '%Y-%m-%d %H:%M:%S %z')
dt.strptime('2024-01-05', '%Y/%m/%d')
dt.strptime('2024-01-05x', '%Y-%m-%d')
dt.strptime('2024-02-30', '%Y-%m-%d')
dt.strptime('20240105', '%Y%m%d')
dt.strptime('2024-01-05', '%Y-%m-%d').date() - d
dt.fromordinal(1)
dt.fromtimestamp(0, modules.pytz.utc)
dt.utcfromtimestamp(0)
dt.utcfromtimestamp(1700000000.5)
dt(2024, 1, 5)
dt(2024, 1, 5, 10)
dt(2024, 1, 5, 10, 0, 0, 5)
dt(2024, 1, 5, 10, 0, 0, 500000)
dt(2024, 13, 1)
dt(2024, 2, 30)
dt(2024)
dt(year=2024, month=1, day=5)
dt(2024, 1, 5, tzinfo=modules.pytz.utc)
dt(1, 1, 1)
dt(1, 1, 1) - td
dt(9999, 12, 31)
dt(9999, 12, 31) + td
dt(9999, 12, 31, 23, 59, 59)
dt(10000, 1, 1)
dt(9999, 12, 31) - dt(1, 1, 1)
modules.pytz.utc.localize(dt(9999, 12, 31))
modules.pytz.utc.localize(dt(9999, 12, 31)).isoformat()
modules.pytz.utc.localize(a)
modules.pytz.utc
modules.pytz.UTC
modules.pytz.utc.zone
modules.pytz.timezone('Europe/Berlin')
modules.pytz.timezone('Europe/Berlin').localize(a)
modules.pytz.timezone('Europe/Berlin').localize(dt(2024, 7, 1))
modules.pytz.timezone('America/New_York').localize(a).astimezone(modules.pytz.utc)
modules.pytz.utc.localize(a).astimezone(modules.pytz.timezone('Asia/Kolkata'))
modules.pytz.utc.localize(a).astimezone(modules.pytz.timezone('Asia/Kolkata')).strftime('%z %Z')
modules.pytz.utc.localize(a).astimezone(modules.pytz.timezone('Asia/Kolkata')) - modules.pytz.utc.localize(a)
modules.pytz.utc.localize(a) + td
modules.pytz.utc.localize(a).utcoffset()
modules.pytz.utc.localize(a).tzinfo
[modules.pytz.utc.localize(a)]
modules.pytz.utc.localize(modules.pytz.utc.localize(a))
modules.pytz.timezone('Nope/Nope')
modules.pytz.utc.normalize(modules.pytz.utc.localize(a))
modules.datetime.timezone.utc
a.replace(tzinfo=modules.datetime.timezone.utc)
modules.datetime.timezone(modules.datetime.timedelta(hours=2))
modules.datetime.time(10, 30)
modules.datetime.time(10, 30, 15, 5)
modules.datetime.time(10, 30).strftime('%H:%M')
modules.datetime.time(10, 30).isoformat()
modules.datetime.time(10) < modules.datetime.time(11)
[modules.datetime.time(10)]
modules.datetime.MINYEAR
modules.datetime.MAXYEAR
modules.datetime.datetime
modules.datetime.nope
[a, b] | min
[a, b] | max
[a, b] | sort
[b, a, b] | unique | list
[td, td] | sum(start=modules.datetime.timedelta())
[a, b] | join(',')
a in [a]
a is string
a is number
a is defined
a is mapping
a is callable
a.date is callable
{% set f = a.isoformat %}{{ f() }}
{% set f = modules.datetime.datetime.strptime %}{{ f('2024', '%Y') }}
{% set f = modules.datetime.datetime.now %}{{ f() is defined }}
dt.now() - dt.now() < td
(dt.now() - dt.now()).days
dt.now().year > 2000
dt.utcnow() > a
dt.today() > a
modules.datetime.date.today() > d
dt.now(modules.pytz.utc).tzinfo
(run_started_at - run_started_at)
run_started_at - run_started_at == modules.datetime.timedelta(0)
(run_started_at - modules.datetime.timedelta(days=1)) < run_started_at
run_started_at.tzinfo
run_started_at > modules.pytz.utc.localize(a)
run_started_at - a
run_started_at.astimezone(modules.pytz.timezone('Europe/Berlin')).tzinfo is defined
run_started_at.strftime('%Y') | length
run_started_at.isoformat() is string
a.__class__
{% for i in range(3) %}{{ (b + modules.datetime.timedelta(days=i)).strftime('%Y%m%d') }},{% endfor %}
{% set n = namespace(x=b) %}{% for i in range(2) %}{% set n.x = n.x + td %}{% endfor %}{{ n.x }}
dates_in_range('20240101', '20240103')
dates_in_range('20240103', '20240101')
dates_in_range('2024-01-01', '2024-01-02', '%Y-%m-%d', '%d')
partition_range('20240101,20240102')
partition_range('20240101')
convert_datetime('20240105', '%Y%m%d')
py_current_timestring() | length
""",
    DATES,
)
before, after = row("select date '2024-01-05' as a, timestamp '2024-01-05 10:00:00' as b")
expressions(
    """
a
b
[a, b]
b - a
a + modules.datetime.timedelta(days=1)
b + modules.datetime.timedelta(days=1)
a.strftime('%Y')
b.date() == a
a.isoformat() ~ b.isoformat()
a == modules.datetime.date(2024, 1, 5)
b > modules.datetime.datetime(2024, 1, 1)
(b - modules.datetime.datetime(2024, 1, 1)).days
r
tojson(r.dict(), 'failed')
tojson(a, 'failed')
""",
    before,
    after,
)

# ---- modules.re, modules.itertools
expressions(
    r"""
modules.re.match('a', 'abc')
modules.re.match('a(.)', 'abc').group(1)
modules.re.match('a', 'xyz')
modules.re.match('a', 'xyz') is none
modules.re.match('a', 'abc') is none
modules.re.search('b', 'abc').start()
modules.re.search('b', 'abc').span()
modules.re.search('(?P<x>b)', 'abc').group('x')
modules.re.search('(?P<x>b)', 'abc').groupdict()
modules.re.search('(a)(b)', 'abc').groups()
modules.re.search('(a)(b)', 'abc')[2]
modules.re.fullmatch('abc', 'abc') is not none
modules.re.findall('[0-9]+', 'a1b22')
modules.re.findall('([a-z])([0-9])', 'a1b2')
modules.re.sub('[^a-z]', '_', 'a-b c')
modules.re.sub('(a)(b)', '\\2\\1', 'abab')
modules.re.sub('a', 'b', 'aaa', 2)
modules.re.sub('a', 'b', 'aaa', count=1)
modules.re.sub('A', 'b', 'aaa', flags=modules.re.IGNORECASE)
modules.re.sub('(?i)A', 'b', 'aaa')
modules.re.subn('a', 'b', 'aaa')
modules.re.split('[,;]', 'a,b;c')
modules.re.split('([,;])', 'a,b')
modules.re.split(',', 'a,b,c', 1)
modules.re.escape('a.b*c')
modules.re.compile('a+').findall('aab')
modules.re.compile('a+').sub('x', 'aab')
modules.re.compile('a+').pattern
modules.re.compile('a+', modules.re.I).match('AA').group()
modules.re.compile('a+')
modules.re.match('(', 'a')
modules.re.match('a(?=b)', 'ab').group()
modules.re.match('(a)\\1', 'aa').group()
modules.re.findall('^a', 'a\na', modules.re.MULTILINE)
modules.re.search('a.b', 'a\nb', modules.re.DOTALL) is none
modules.re.search('\\d{4}-\\d{2}', 'x 2024-01 y').group(0)
modules.re.search('\\bfoo\\b', 'a foo b') is not none
modules.re.IGNORECASE
modules.re.finditer('a', 'aa') | list | length
{% for m in modules.re.finditer('[a-z]', 'a1b') %}{{ m.group() }}{{ m.start() }}{% endfor %}
{% set m = modules.re.match('a', 'abc') %}{{ m.group() ~ m.end() }}
modules.re.match
modules.re.nope
modules.re.sub is callable
modules.itertools.chain([1], [2]) | list
modules.itertools.chain.from_iterable([[1], [2]]) | list
modules.itertools.product([1, 2], 'ab') | list
modules.itertools.product([0, 1], repeat=2) | list
modules.itertools.combinations([1, 2, 3], 2) | list
modules.itertools.permutations([1, 2]) | list
modules.itertools.zip_longest([1, 2], [3]) | list
modules.itertools.zip_longest([1, 2], [3], fillvalue=0) | list
modules.itertools.islice([1, 2, 3], 2) | list
modules.itertools.islice(modules.itertools.count(5), 2) | list
modules.itertools.accumulate([1, 2, 3]) | list
modules.itertools.repeat('a', 2) | list
modules.itertools.compress([1, 2, 3], [1, 0, 1]) | list
modules.itertools.groupby([1, 1, 2]) | map('first') | list
modules.itertools.tee([1, 2]) | length
modules.itertools.pairwise([1, 2, 3]) | list
modules.itertools.starmap(range, [(1, 3)]) | map('list') | list
modules.itertools.combinations_with_replacement([1, 2], 2) | list
"""
)

# ---- Tables
TABLE = (
    "{% if execute %}{% set t = run_query(\"select 1 as a, 'x' as b, cast('1.50' as decimal(10,2)) as c union all "
    "select 2, 'y', cast('2.25' as decimal(10,2)) union all select 3, 'x', null order by 1\") %}",
    "{% endif %}",
)
expressions(
    """
t.columns
t.columns | length
t.columns[0]
t.columns[0].name
t.columns[0].values()
t.columns['a'].values()
t.columns.a
t.columns.get('a').values()
t.columns.get('nope')
t.columns.get('nope', 'd')
t.columns.keys()
t.columns.keys() | list
t.columns.values() | map(attribute='name') | list
t.columns.items()
t.columns.items() | map('first') | list
{% for k, v in t.columns.items() %}{{ k }}={{ v.values() }};{% endfor %}
t.columns.dict() | list
{% for c in t.columns %}{{ c.name }},{% endfor %}
t.columns | map(attribute='name') | list
'a' in t.columns
'a' in t.columns.keys()
t.columns[0].index
t.columns[2].index
t.columns[0].data_type
t.columns[1].data_type
t.columns[2].data_type
t.columns[0].data_type.jsonify(5)
t.columns[2].data_type.jsonify(t.rows[0][2])
t.columns[0].data_type.__class__.__name__
t.columns[1].values_distinct()
t.columns[1].values_distinct() | sort
t.columns[0].values_sorted()
t.columns[2].values_without_nulls()
t.columns[2].values_without_nulls_sorted()
t.columns[0][1]
t.columns[0].values()[0]
t.columns[0].values() | sum
t.columns[0].values() | list
t.columns[0].values() is sequence
t.columns[0].values() + (5,)
t.columns[0] | length
t.columns[0] | list
t.columns[0] | join(',')
t.columns[1].values() | join(', ')
t.columns[2].values()
t.columns[2].values() | max
{% set l = t.columns[1].values() %}{% do l.append('z') %}{{ l }}
t.columns[9]
t.columns['nope']
t.column_names
t.column_names | list
t.column_names[0]
t.column_names is sequence
t.column_names | join(',')
'a' in t.column_names
t.column_types | length
t.column_types[0]
t.rows
t.rows | length
t.rows[0]
t.rows[-1]
t.rows[0][0]
t.rows[0]['a']
t.rows[0].a
t.rows[0].nope
t.rows[0]['nope']
t.rows[0].get('a')
t.rows[0].get('nope', 'd')
t.rows[0].get('nope')
t.rows[0].keys()
t.rows[0].values()
t.rows[0].items()
t.rows[0].items() | list
t.rows[0].dict()
t.rows[0] | list
t.rows[0] | length
t.rows[0] | join(',')
t.rows[0] == (1, 'x')
t.rows[0] is mapping
t.rows[0] is sequence
t.rows[0] is iterable
[t.rows[0]]
t.rows[0][0:2]
1 in t.rows[0]
t.rows[9]
t.rows[0:2]
t.rows[0:2] | length
t.rows | first
t.rows | last
t.rows.keys()
t.rows.values()
t.rows.values() | length
t.rows | map(attribute='a') | list
t.rows | map(attribute=0) | list
t.rows | map(attribute='b') | unique | list
t.rows | selectattr('b', 'equalto', 'x') | map(attribute='a') | list
t.rows | groupby('b') | length
t.rows | sort(attribute='a', reverse=true) | map(attribute='a') | list
t.rows | list | length
{% for r in t %}{{ r }}{% endfor %}
{% for r in t.rows %}{{ r.a }}{{ r['b'] }}{{ r[2] }};{% endfor %}
{% for a, b, c in t.rows %}{{ a }}{{ b }};{% endfor %}
{% for r in t.rows %}{{ loop.index }}/{{ loop.length }}{% if not loop.last %},{% endif %}{% endfor %}
t | length
t | list | length
t[0]
t.a
t is mapping
t is iterable
t is sequence
t is defined
t.rename({'a': 'z'}).column_names
t.rename(column_names=['x', 'y', 'z']).column_names
t.select(['b']).column_names
t.select(['b']).rows[0]
t.select('b').column_names
t.select(['nope'])
t.exclude(['b']).column_names
t.limit(1).rows | length
t.limit(1, 3).rows[0][0]
t.order_by('a', reverse=true).columns[0].values()
t.order_by('b').columns[0].values()
t.order_by(['b', 'a']).columns[0].values()
t.distinct('b').rows | length
t.distinct('b').columns[0].values()
t.distinct().rows | length
t.group_by('b')
t.group_by('b').keys()
t.group_by('b')['x'].columns[0].values()
t.find
t.where
t.merge
t.aggregate
t.to_json
t.row_names
t.compute
t.print_table()
t.print_csv()
t.print_json()
t.join(t, 'a').column_names
t.join(t, 'a', 'a').rows | length
t.pivot('b').column_names
t.pivot('b').columns[0].values()
t.normalize('a', ['b', 'c']).rows | length
t.denormalize('a', 'b', 'c').column_names
t.bins('a').column_names
t.homogenize('b', [['z']]).rows | length
t.pprint
t == t
t.columns == t.columns
t.nope
t.nope is defined
t.rows is defined
t.rename is callable
{% set f = t.rows[0].values %}{{ f() }}
{% set f = t.columns.keys %}{{ f() | list }}
tojson(t.rows[0].dict(), 'failed')
tojson(t.rows[0].values(), 'failed')
tojson(t.columns[0].values(), 'failed')
tojson(t.rows[0], 'failed')
tojson(t.column_names)
t.rows[0] | tojson
t.rows[0]._values
""",
    *TABLE,
)
expressions(
    """
run_query('select 1 as a where false').rows | length
run_query('select 1 as a where false').columns[0].values()
run_query('select 1 as a where false').column_names
run_query('select 1 as a, 2 as updated_at where false').column_names
run_query('select 1 as a where false').rows[0]
run_query('select 1 as a, 2 as a').column_names
run_query('select 1 as a, 2 as a, 3 as a').column_names
run_query('select 1 as a').columns[0].values()[0]
run_query('select 1 as A').column_names
run_query('select 1 as "A b"').column_names
run_query("select 'x' as a").rows[0][0] is string
run_query("select '' as a").rows[0]
run_query("select '1' as a").rows[0]
run_query("select '1' as a union all select '2'").columns[0].values()
run_query("select 'null' as a").rows[0]
run_query('select null as a').rows[0]
run_query('select null as a').rows[0][0] is none
run_query('select true as a').rows[0]
run_query('select true as a').columns[0].data_type.jsonify(true)
run_query('select 1 as a union all select null order by 1').columns[0].values()
run_query('select 1 as a union all select 2.5 order by 1').columns[0].values()
run_query('select nope').rows
run_query('')
run_query(none)
run_query('select 1 as a; select 2 as b').rows[0]
run_query("select '%' as a").rows[0]
run_query("select 'é' as a").rows[0]
dbt.run_query('select 1 as a').rows[0]
dbt_utils.get_column_values('a')
get_columns_in_query('select 1 as a, 2 as b')
get_columns_in_query('select 1 as updated_at')
adapter.get_columns_in_relation(ref('base'))
adapter.execute('select 1 as a', fetch=true)[1].rows[0]
adapter.execute('select 1 as a')[1].rows | length
adapter.execute('select 1 as a', fetch=true) | length
{% call statement('q', fetch_result=True) %}select 5 as x{% endcall %}{{ load_result('q').table.rows[0] }}
{% call statement('q', fetch_result=True) %}select 5 as x{% endcall %}{{ load_result('q').data }}
{% call statement('q', fetch_result=True) %}select 5 as x{% endcall %}{{ load_result('q')['data'][0][0] }}
{% call statement('q', fetch_result=True) %}select 5 as x{% endcall %}{{ load_result('q').data[0] }}
{% call statement('q') %}select 5 as x{% endcall %}{{ load_result('q').data }}
{% call statement('q', fetch_result=True) %}select 5 as x{% endcall %}{{ load_result('q').response }}
{% call statement('q', fetch_result=True) %}select cast('1.50' as decimal(10,2)) as x{% endcall %}{{ load_result('q').data }}
{% call statement('q', fetch_result=True) %}select 5 as x{% endcall %}{% set r = load_result('q') %}{{ load_result('q') }}
{% call statement(fetch_result=True) %}select 5 as x{% endcall %}done
{% set r = run_query('select 1 as a') %}{% if r %}yes{% else %}no{% endif %}
{% set r = run_query('select 1 as a where false') %}{% if r %}yes{% else %}no{% endif %}
{% set r = run_query('select 1 as a').columns[0].values() %}{% for x in r %}{{ x }}{% endfor %}
{% for r in run_query('select 1 as a') %}{{ r.a }}{% endfor %}
""",
    "{% if execute %}",
    "{% endif %}",
)
whole(
    """
{% set r = run_query('select 5 as x') %}{{ r }}
----
{% set r = run_query('select 5 as x') %}{% for x in r.rows %}{{ x.x }}{% endfor %}
----
{% set r = run_query('select 5 as x') %}{% for x in r %}{{ x.x }}{% endfor %}
----
{% set r = run_query('select 5 as x') %}{{ r.rows[0][0] }}
----
{% set r = run_query('select 5 as x').columns[0].values() %}{{ r[0] }}
----
{% set r = run_query('select 5 as x').columns %}
----
{% set r = run_query('select 5 as x')['columns'] %}
----
{% set r = run_query('select 5 as x') %}{% if r %}{{ r.columns[0].values() }}{% endif %}
----
{% set r = run_query('select 5 as x') %}{{ r is none }}{{ r is defined }}
----
{% set r = run_query('select 5 as x') %}{{ r | length }}
----
{% if execute %}{% set c = run_query('select 5 as x').columns[0] %}{% endif %}select {{ c.values()[0] }} as x
----
{% if execute %}{% set c = run_query('select 5 as x').columns[0].values() %}{% endif %}select {{ c | join(',') }} as x
----
{% if execute %}{% set c = run_query('select 5 as x').columns[0].values() %}{% endif %}{% for x in c %}{{ x }}{% endfor %}
----
{% if execute %}{% set c = [1] %}{% endif %}{{ c | length }}
----
{% if execute %}{% set c = [1] %}{% endif %}{{ c + [2] }}
----
{% if execute %}{% set c = [1] %}{% endif %}{{ c[0] + 1 }}
----
{% if execute %}{% set c = 5 %}{% endif %}{{ c + 1 }}
----
{% if execute %}{% set c = 5 %}{% endif %}{{ c > 1 }}
----
{% if execute %}{% set c = 5 %}{% endif %}{{ 'x' ~ c }}
----
{% if execute %}{% set c = 5 %}{% endif %}{{ c | int + 1 }}
----
{% if execute %}{% set c = [3, 1] %}{% endif %}{{ c | sort | first }}
----
{% call statement('q', fetch_result=True) %}select 5 as x{% endcall %}{{ load_result('q')['data'] }}
----
{% call statement('q', fetch_result=True) %}select 5 as x{% endcall %}{{ load_result('q').table }}
----
{% call statement('q', fetch_result=True) %}select 5 as x from {{ nothing.at.all() }}{% endcall %}x
----
{% set c = adapter.get_columns_in_relation(ref('base')) %}{% for x in c %}{{ x.name }}{% endfor %}{{ c | length }}
----
{% set c = dbt_utils.get_filtered_columns_in_relation(ref('base')) %}{{ c }}
----
{% set r = adapter.get_relation('a', 'b', 'c') %}{% if r %}x{% endif %}{{ r.identifier }}
----
{% set r = load_relation(this) %}{{ r is none }}{% if r %}{{ r.type }}{% endif %}
----
{% set r = load_relation(ref('base')) %}{{ r.type }}
"""
)

# ---- What is undefined, and what fails: in the model's text, in a macro, where `execute` is, where nothing runs
UNDEFINED = """
nothing
nothing()
nothing.x
nothing.x.y
nothing['x']
nothing[0]
nothing.x()
nothing.x().y
nothing('a').b
nothing | upper
nothing ~ 'a'
nothing + 1
1 + nothing
nothing == 1
nothing > 1
nothing | length
nothing | list
nothing | join(',')
nothing | first
nothing | sort
nothing | int
nothing | float
nothing | replace('a', 'b')
nothing | tojson
nothing | sum
nothing | map('upper') | list
'a' in nothing
nothing in [1]
not nothing
nothing or 1
nothing if nothing else 2
-nothing
[nothing]
{'a': nothing}
nothing is none
dbt.nomacro
dbt.nomacro()
dbt.nomacro().x
nopkg.x
nopkg.x()
nopkg.x('a', b=1).c
p.nomacro()
adapter.zzz
adapter.zzz()
adapter.zzz.yyy
var('nope_nope')
var('nope_nope').x
{'a': 1}.b
{'a': 1}.b.c
{'a': 1}['b']
{'a': 1}['b']['c']
{'a': 1}.b()
[1][5]
[1][5].x
'abc'.nope
'abc'.nope()
'abc'.nope.x
(5).nope
none.x
none['x']
none.x()
none()
'a'()
5()
target.nope.x
this.nope
this.nope()
model.nope.x
config.nope()
config.get('nope').x
config.require('nope')
modules.nope
modules.nope.x
modules.datetime.nope()
modules.re.nope
1/0
'a' + 1
'a' < 1
[1] + 1
none + 1
none ~ 'a'
-'a'
'a' | nofilter
'a' is notest
'a' | int(1, 2, 3)
'abc'.replace('a')
[].pop()
{}.pop('a')
[1].index(5)
fromjson('nope').x
exceptions.raise_compiler_error('boom')
env_var('NOPE_NOPE')
ref('nope_nope')
source('nope', 'nope')
ref('base').nope
run_query('select 1').columns
run_query('select 1').rows
run_query('select nope')
dbt_utils.star(ref('base'))
adapter.dispatch('nope_nope')()
adapter.dispatch('nope_nope', 'nopkg')()
adapter.dispatch('nope_nope')
adapter.get_relation()
return(nothing)
range()
'{}{}'.format(1)
'%d' % 'a'
'%s%s' % 1
modules.datetime.datetime(2024, 13, 1)
modules.datetime.datetime.strptime('x', '%Y')
modules.pytz.timezone('Nope')
dict(1)
set(1).x
caller()
loop.index
varargs
kwargs.a
{% for x in none %}{{ x }}{% endfor %}
{% for x in nothing %}{{ x }}{% endfor %}
{% for x in nothing.a %}{{ x }}{% endfor %}
{% for x in nothing() %}{{ x }}{% else %}empty{% endfor %}
{% for x in 5 %}{{ x }}{% endfor %}
{% for k, v in nothing.items() %}{{ k }}{% endfor %}
{% for a, b in [1, 2] %}{{ a }}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
{% set a, b = [1] %}
{% set a, b = nothing %}
{% if nothing %}a{% else %}b{% endif %}
{% if nothing.a.b %}a{% else %}b{% endif %}
{% if nothing() %}a{% else %}b{% endif %}
{% if nothing > 1 %}a{% else %}b{% endif %}
{% do nothing.append(1) %}
{% do nothing %}
{% set x = nothing %}{{ x }}
{% set x = nothing.y %}{{ x.z }}
{% set x = nothing() %}{{ x() }}
{% set n = namespace() %}{{ n.x }}
{% set n = namespace() %}{{ n.x.y }}
{% set nothing.x = 1 %}
{% call nothing() %}a{% endcall %}
{% filter nofilter %}a{% endfilter %}
{% include 'x' %}
{% import 'x' as x %}
{% from 'x' import y %}
{% extends 'x' %}
{% block a %}b{% endblock %}
{% break %}
{% nope %}
{% if %}
{% endif %}
{% for %}
{% set %}
{% if true %}
{{ nothing.x(
    'd') }}
{{ dbt_utils.x(
    'd') }}
"""
for text in re.split(r"\n(?! )", UNDEFINED.strip("\n")):
    block = text if "{{" in text or "{%" in text else "{{ " + text + " }}"
    case("[" + block + "]")
    case("[{{ §m() }}]", "{% macro §m() %}" + block + "{% endmacro %}\n")
    case("[{% if execute %}" + block + "{% endif %}]")
    case("[{% if false %}" + block + "{% endif %}]")

# ---- Macros
whole(
    """
{% macro §m(aa, s=",", b=aa, c="x") %}{{ aa }}{{ s }}{{ b }}{{ c }}{% endmacro %}
====
{{ §m('1') }}
----
{% macro §m(aa, b=aa) %}{{ aa }}{{ b }}{% endmacro %}
====
{{ §m(1) }}
----
{% macro §m(aa, b=aa) %}{{ aa }}{{ b }}{% endmacro %}
====
{{ §m(1, 2) }}
----
{% macro §m(aa, b=aa + 1, c=b * 2) %}{{ aa }}{{ b }}{{ c }}{% endmacro %}
====
{{ §m(1) }}
----
{% macro §m(aa, b=aa | upper) %}{{ aa }}{{ b }}{% endmacro %}
====
{{ §m('x') }}
----
{% macro §m(aa, b=[aa]) %}{{ aa }}{{ b }}{% endmacro %}
====
{{ §m('x') }}
----
{% macro §m(aa, b=aa.x) %}{{ aa }}{{ b }}{% endmacro %}
====
{{ §m({'x': 1}) }}
----
{% macro §m(aa, b=aa['x']) %}{{ aa }}{{ b }}{% endmacro %}
====
{{ §m({'x': 1}) }}
----
{% macro §m(a=b, b=1) %}{{ a }}{{ b }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m(a=1, b) %}{{ a }}{{ b }}{% endmacro %}
====
{{ §m(2) }}
----
{% macro §m(a, b) %}{{ a }}|{{ b }}{% endmacro %}
====
{{ §m(1) }}
----
{% macro §m(a, b) %}{{ a }}|{{ b is defined }}{% endmacro %}
====
{{ §m(1) }}
----
{% macro §m(a) %}{{ a.x }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m(a) %}{{ a }}{% endmacro %}
====
{{ §m(1, 2) }}
----
{% macro §m(a) %}{{ a }}{% endmacro %}
====
{{ §m(b=2) }}
----
{% macro §m(a) %}{{ a }}{% endmacro %}
====
{{ §m(1, a=2) }}
----
{% macro §m(a, a) %}{{ a }}{% endmacro %}
====
{{ §m(1, 2) }}
----
{% macro §m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}
====
{{ §m(1, 2, 3, x=4, y='z') }}
----
{% macro §m() %}{{ varargs }}{{ varargs | length }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{{ varargs | join(',') }}{{ varargs[0] }}{{ varargs is sequence }}{{ varargs + (4,) }}{% endmacro %}
====
{{ §m(2, 3) }}
----
{% macro §m() %}{{ varargs == (2, 3) }}{{ varargs == [2, 3] }}{{ varargs | list }}{{ varargs | tojson }}{% endmacro %}
====
{{ §m(2, 3) }}
----
{% macro §m() %}{{ kwargs.a }}{{ kwargs.get('b', 'd') }}{{ kwargs is mapping }}{{ kwargs | length }}{% endmacro %}
====
{{ §m(a=1) }}
----
{% macro §m() %}{% for k, v in kwargs.items() %}{{ k }}={{ v }};{% endfor %}{% endmacro %}
====
{{ §m(b=1, a=2) }}
----
{% macro §m() %}{{ varargs }}{% endmacro %}
====
{{ §m(*[1, 2]) }}
----
{% macro §m(a, b=5) %}{{ a }}{{ b }}{{ kwargs }}{% endmacro %}
====
{{ §m(**{'a': 1, 'c': 2}) }}
----
{% macro §m() %}x{% endmacro %}
====
{{ §m.name }}|{{ §m.arguments }}|{{ §m.catch_kwargs }}|{{ §m.catch_varargs }}|{{ §m.caller }}
----
{% macro §m(a, b=1) %}{{ kwargs }}{% endmacro %}
====
{{ §m is callable }}{{ §m is defined }}{{ §m is string }}
----
{% macro §m() %}a{{ caller() }}b{% endmacro %}
====
{% call §m() %}x{% endcall %}
----
{% macro §m() %}a{{ caller(1, 2) }}b{% endmacro %}
====
{% call(x, y) §m() %}{{ x + y }}{% endcall %}
----
{% macro §m() %}a{{ caller() }}b{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{{ caller is defined }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}a{% if caller is defined %}{{ caller() }}{% endif %}b{% endmacro %}
====
{{ §m() }}{% call §m() %}x{% endcall %}
----
{% macro §m() %}ab{% endmacro %}
====
{% call §m() %}x{% endcall %}
----
{% macro §m() %}{{ caller.name }}{{ caller.arguments }}{% endmacro %}
====
{% call(x) §m() %}x{% endcall %}
----
{% macro §m() %}{% for i in range(2) %}{{ caller(i) }}{% endfor %}{% endmacro %}
====
{% call(i) §m() %}[{{ i }}]{% endcall %}
----
{% macro §m() %}{{ return([1, 2]) }}{% endmacro %}
====
{{ §m() }}{{ §m() | length }}{{ §m()[0] }}
----
{% macro §m() %}{{ return({'a': 1}) }}{% endmacro %}
====
{{ §m().a }}{{ §m() }}
----
{% macro §m() %}{{ return(none) }}{% endmacro %}
====
{{ §m() }}{{ §m() is none }}
----
{% macro §m() %}{{ return() }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{{ return(5) }}after{% endmacro %}
====
{{ §m() + 1 }}
----
{% macro §m() %}before{{ return(5) }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{{ return(nothing) }}{% endmacro %}
====
{{ §m() }}|{{ §m() is defined }}|{{ §m() | length }}
----
{% macro §m() %}{{ return(nothing.x) }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{% if execute %}{% set values = [1] %}{% endif %}{{ return(values) }}{% endmacro %}
====
select {{ §m() | length }}
----
{% macro §m() %}{% if execute %}{% set values = [1] %}{% endif %}{{ return(values) }}{% endmacro %}
====
{% for x in §m() %}{{ x }}{% endfor %}
----
{% macro §m() %}{% if execute %}{% set values = [1] %}{% endif %}{{ return(values) }}{% endmacro %}
====
{{ §m()[0] }}
----
{% macro §m() %}{% if execute %}{% set values = [1] %}{% endif %}{{ return(values) }}{% endmacro %}
====
{{ §m() + [2] }}
----
{% macro §m() %}{% if execute %}{% set values = {'a': 1} %}{% endif %}{{ return(values) }}{% endmacro %}
====
{{ §m().a }}
----
{% macro §m() %}{% if execute %}{{ return([1]) }}{% endif %}{% endmacro %}
====
{{ §m() | length }}|{% for x in §m() %}{{ x }}{% endfor %}
----
{% macro §m() %}{% if execute %}{{ return([1]) }}{% endif %}{% endmacro %}
====
{{ §m()[0] }}
----
{% macro §m() %}{% if execute %}{{ return({'a': 1}) }}{% endif %}{% endmacro %}
====
{{ §m().a }}
----
{% macro §m() %}{% if execute %}{{ return({'a': 1}) }}{% endif %}{% endmacro %}
====
{{ §m()['a'] + 1 }}
----
{% macro §m() %}{% if execute %}{{ return(5) }}{% endif %}{% endmacro %}
====
{{ §m() + 1 }}
----
{% macro §m() %}{% if execute %}{{ return(5) }}{% else %}{{ return('') }}{% endif %}{% endmacro %}
====
{{ §m() > 1 }}
----
{% macro §m() %}{% set x = run_query('select 1 as a') %}{{ return(x.columns[0].values()) }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{% set x = run_query('select 1 as a') %}{% if execute %}{% set y = x.columns[0].values() %}{% endif %}{{ return(y) }}{% endmacro %}
====
{{ §m() | length }}{% for v in §m() %}{{ v }}{% endfor %}{{ §m() | join(',') }}
----
{% macro §m() %}{% set x = run_query('select 1 as a') %}{% if execute %}{% set y = x.columns[0].values() %}{% else %}{% set y = [] %}{% endif %}{{ return(y) }}{% endmacro %}
====
{{ §m() | length }}{% for v in §m() %}{{ v }}{% endfor %}{{ §m() | join(',') }}{{ §m() }}
----
{% macro §m() %}{% do return([1, 2]) %}{% endmacro %}
====
{{ §m() | sum }}
----
{% macro §m() %}{% set x = return(5) %}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{% for x in [1, 2, 3] %}{% if x == 2 %}{{ return(x) }}{% endif %}{% endfor %}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %} 5 {% endmacro %}
====
{{ §m() | int + 1 }}|{{ §m() | trim }}|{{ §m() is string }}|{{ §m() | length }}
----
{% macro §m() -%}
  5
{%- endmacro %}
====
{{ §m() | length }}
----
{% macro §m() %}5{% endmacro %}
====
{{ §m() + 1 }}
----
{% macro §m() %}5{% endmacro %}
====
{{ §m() + '1' }}{{ §m() == '5' }}{{ [§m()] }}{{ {§m(): 1} }}{{ §m() in ['5'] }}
----
{% macro §m() %}true{% endmacro %}
====
{% if §m() %}a{% endif %}{% if §m() == true %}b{% endif %}{% if §m() == 'true' %}c{% endif %}
----
{% macro §m() %}{% endmacro %}
====
{% if §m() %}a{% else %}b{% endif %}{{ §m() is string }}{{ §m() | length }}
----
{% macro §m(n) %}{% if n > 0 %}{{ n }}{{ §m(n - 1) }}{% endif %}{% endmacro %}
====
{{ §m(3) }}
----
{% macro §m(n) %}{% if n > 0 %}{{ return([n] + §m(n - 1)) }}{% else %}{{ return([]) }}{% endif %}{% endmacro %}
====
{{ §m(3) }}
----
{% macro §m() %}{{ §n() }}{% endmacro %}
{% macro §n() %}n{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{{ x }}{% endmacro %}
====
{% set x = 1 %}[{{ §m() }}]
----
{% macro §m() %}{% set x = 2 %}{% endmacro %}
====
{% set x = 1 %}{{ §m() }}{{ x }}
----
{% macro §m(l) %}{% do l.append(2) %}{% endmacro %}
====
{% set l = [1] %}{{ §m(l) }}{{ l }}
----
{% macro §m(d) %}{% do d.update({'b': 2}) %}{% endmacro %}
====
{% set d = {'a': 1} %}{% do §m(d) %}{{ d }}
----
{% macro §m(l=[]) %}{% do l.append(1) %}{{ l }}{% endmacro %}
====
{{ §m() }}{{ §m() }}
----
{% set x = 5 %}
{% macro §m() %}{{ x }}{% endmacro %}
====
[{{ §m() }}]
----
{% macro §m(x=target.name) %}{{ x }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m(x=var('nope', 'd')) %}{{ x }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m(x=none) %}{{ x is none }}{{ x }}{% endmacro %}
====
{{ §m() }}{{ §m(1) }}
----
{% macro §m(x=nothing) %}{{ x is defined }}{{ x }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m(x={'a': 1}, y=[1, 2], z=(1,)) %}{{ x.a }}{{ y }}{{ z }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m(x=-1, y=1 + 1, z='a' ~ 'b', w=not true) %}{{ x }}{{ y }}{{ z }}{{ w }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m(x="a, b", y="c=d", z='(') %}{{ x }}{{ y }}{{ z }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m(
  x,
  y = 'a',
  z = x
) %}{{ x }}{{ y }}{{ z }}{% endmacro %}
====
{{ §m(
  1,
  z = 3
) }}
----
{% macro §m(x,) %}{{ x }}{% endmacro %}
====
{{ §m(1,) }}
----
{% macro §m(x=1 if true else 2) %}{{ x }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m(x: int = 1) %}{{ x }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m(*args, **kw) %}{{ args }}{% endmacro %}
====
{{ §m() }}
----
{%- macro §m() -%}  a  {%- endmacro -%}
====
[{{ §m() }}]
----
{% macro §m() %}
a
{% endmacro %}
====
[{{ §m() }}]
----
{% macro §m() %}{{ adapter.dispatch('§n')() }}{% endmacro %}
{% macro default__§n() %}d{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{{ adapter.dispatch('§n', 'p')() }}{% endmacro %}
{% macro default__§n() %}d{% endmacro %}
{% macro duckdb__§n() %}duck{% endmacro %}
{% macro postgres__§n() %}pg{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{{ adapter.dispatch('§n', macro_namespace='p')(1) }}{% endmacro %}
{% macro default__§n(x) %}{{ return([x]) }}{% endmacro %}
====
{{ §m()[0] }}
----
{% macro §m() %}{{ return(adapter.dispatch('§n', 'p')()) }}{% endmacro %}
{% macro default__§n() %}{{ return([1]) }}{% endmacro %}
====
{{ §m() | length }}
----
{% macro §m() %}{{ adapter.dispatch('§n', packages=['p'])() }}{% endmacro %}
{% macro default__§n() %}d{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{{ adapter.dispatch('p.§n')() }}{% endmacro %}
{% macro default__§n() %}d{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}x{% endmacro %}
====
{{ p.§m() }}{{ context['§m']() }}{{ context['p'].§m() }}{{ context.get('p').get('§m')() }}{{ context.get(project_name, {}).get('§m')() }}
----
{% macro §m() %}x{% endmacro %}
====
{{ context.get('§m') is callable }}{{ '§m' in context }}{{ '§m' in p }}{{ p.get('nope') is none }}{{ p.nope is defined }}{{ '§m' in p.keys() }}
----
{% macro §m() %}x{% endmacro %}
====
{{ dbt.§m() }}
----
{% macro §m() %}{{ context.get('yy') }}{% endmacro %}
====
{% set yy = 5 %}{{ §m() }}
----
{% macro §m() %}{% do context.update({'zz': 3}) %}{% endmacro %}
====
{% do §m() %}{{ context['zz'] }}{{ zz }}
----
{% macro §m() %}{{ this.name }}{{ model.name }}{% endmacro %}
====
{{ §m() == this.name ~ model.name }}
----
{% macro §m() %}{{ config(materialized='table') }}{% endmacro %}
====
{{ §m() }}{{ config.get('materialized') }}
----
{% macro §m() %}{{ ref('base') }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{{ exceptions.raise_compiler_error('boom') }}{% endmacro %}
====
{% if execute %}{{ §m() }}{% endif %}x
----
{% macro §m() %}{{ try_or_compiler_error('bad', §n, 1) }}{% endmacro %}
{% macro §n(x) %}{{ x }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{{ try_or_compiler_error('bad', §n, 1) }}{% endmacro %}
{% macro §n(x) %}{{ x.y.z }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}x{% endmacro %}
====
{% set f = §m %}{{ f() }}
----
{% macro §m(f) %}{{ f(1) }}{% endmacro %}
{% macro §n(x) %}<{{ x }}>{% endmacro %}
====
{{ §m(§n) }}
----
{% macro §m() %}a{% endmacro %}
====
{% macro §m() %}b{% endmacro %}{{ §m() }}
----
{% macro §m() %}{# comment #}a{# #}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{% raw %}{{ x }}{% endraw %}{% endmacro %}
====
{{ §m() }}
----
text before
{% macro §m() %}a{% endmacro %}
text between {{ 1 }}
{% macro §n() %}b{% endmacro %}
====
{{ §m() }}{{ §n() }}
----
{% macro §m() %}a{% endmacro %}
{{ nothing.x }}
====
{{ §m() }}
----
{% macro §m() %}{% set q %}select 1 as a{% endset %}{{ return(q) }}{% endmacro %}
====
{{ §m() }}{{ §m() is string }}
----
{% macro §m(x) %}{{ x | default('d') }}{% endmacro %}
====
{{ §m() }}{{ §m(none) }}{{ §m('') }}
----
{% macro §m(x) %}{{ x }}{% endmacro %}
====
{{ §m(x='a', x='b') }}
----
{% macro §m() %}{{ §m2() }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{{ nothing | as_bool }}{{ 'true' | as_bool }}{{ '1' | as_number }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{{ (1, 2) }}{{ ('a',) }}{{ 1e16 }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{{ return((1, 2)) }}{% endmacro %}
====
{{ §m() }}{{ §m() + (3,) }}
----
{% macro §m() %}{{ return(set([1])) }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{{ return(range(2)) }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{{ return(1 / 3) }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{{ return(true) }}{% endmacro %}
====
{{ §m() }}{% if §m() == true %}yes{% endif %}
----
{% macro §m() %}{% call statement('q', fetch_result=true) %}select 7 as x{% endcall %}{% if execute %}{{ return(load_result('q').data[0][0]) }}{% endif %}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{% call statement('q', fetch_result=true) %}select 7 as x{% endcall %}{{ return(load_result('q').data[0][0]) }}{% endmacro %}
====
{{ §m() }}
----
{% macro §m() %}{% call statement('q', fetch_result=true) %}select 7 as x{% endcall %}{{ return(load_result('q')['data']) }}{% endmacro %}
====
{{ §m() }}
"""
)
for broken in """{% macro §m() %}a
{% macro §m() %}{% if true %}a{% endmacro %}
{% macro §m() %}{{ 1 + }}{% endmacro %}
{% macro §m() %}{{ 'a }}{% endmacro %}
{% macro §m %}a{% endmacro %}
{% macro (a) %}a{% endmacro %}
{% if true %}{% macro §m() %}a{% endmacro %}{% endif %}
{% for x in [1] %}{% macro §m() %}a{% endmacro %}{% endfor %}
{% macro §m() %}a{% endmacro %}{% macro §m() %}b{% endmacro %}
{% macro §m() %}{% macro §n() %}b{% endmacro %}{{ §n() }}{% endmacro %}
{% macro §m() %}a{% endmacro §m %}
{% macro §m() %}{% endif %}{% endmacro %}
{% macro §m() %}{# open {% endmacro %}
{% macro §m(a.b) %}a{% endmacro %}
{% macro §m(a=) %}a{% endmacro %}
{% macro ref() %}a{% endmacro %}
{% macro §m() %}a{% endmacro %}{% endmacro %}
{% macro §m() %}{{ 5 | nope }}{% endmacro %}
{% macro §m() %}a{% endmacro %}{% set x = nothing.y.z %}
{% macro §m() %}a{% endmacro %}{{ nope( }}
{% macro §m() %}{% do %}{% endmacro %}
{%macro §m()%}a{%endmacro%}
{%-macro §m()-%} a {%-endmacro-%}
{%+ macro §m() +%} a {%+ endmacro +%}""".split("\n"):
    case("{{ §m() }}", broken + "\n", solo=True)
    case("x", broken + "\n", solo=True)

for macro in """{{ adapter.dispatch('nope_nope')() }}
{{ adapter.dispatch('nope_nope') }}
{{ adapter.dispatch('nope_nope', 'nopkg')() }}
{{ adapter.dispatch('nope_nope', 'p')() }}
{{ adapter.dispatch('nope_nope', macro_namespace='dbt')() }}
{{ adapter.dispatch('nope' ~ '_nope')() }}
{{ adapter.dispatch(x)() }}
{{ adapter.dispatch('nope_nope', packages=['p'])() }}
{% if false %}{{ adapter.dispatch('nope_nope')() }}{% endif %}
{% if execute %}{{ adapter.dispatch('nope_nope', 'p')() }}{% endif %}
{% set f = adapter.dispatch('nope_nope', 'p') %}
{{ return(adapter.dispatch('nope_nope', 'p')(1)) }}
{{ nothing.at.all() }}
{{ ref('nope_nope') }}
{{ 1 / 0 }}
{{ 1 | nope }}
{{ env_var('NOPE_NOPE') }}
{{ exceptions.raise_compiler_error('x') }}""".split("\n"):
    case("x", "{% macro §m() %}" + macro + "{% endmacro %}\n", solo=True)
    case("x{% if execute %}{{ §m() }}{% endif %}", "{% macro §m() %}" + macro + "{% endmacro %}\n", solo=True)

# ---- Statements, whitespace, newlines
whole(
    r"""
{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{% endfor %}
----
{% for x in 'abc' %}{{ loop.cycle('odd', 'even') }}{% endfor %}
----
{% for x in 'abc' %}{{ loop.previtem }}-{{ loop.nextitem }};{% endfor %}
----
{% for x in 'abc' %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }};{% endfor %}
----
{% for x in 'abc' %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }};{% endfor %}
----
{% for x in [1, 2] %}{% for y in [3, 4] %}{{ loop.index }}{{ loop.depth }}{% endfor %}{% endfor %}
----
{% for x in [1, 2] %}{% set outer = loop %}{% for y in [3, 4] %}{{ outer.index }}{{ loop.index }};{% endfor %}{% endfor %}
----
{% for x in [1, 2, 3, 4] if x is even %}{{ x }}{{ loop.index }}{{ loop.length }}{% endfor %}
----
{% for x in [] %}a{% else %}none{% endfor %}
----
{% for x in [1] if false %}a{% else %}none{% endfor %}
----
{% for x in [{'c': [{'c': []}]}] recursive %}[{{ loop.depth }}{{ loop(x.c) }}]{% endfor %}
----
{% for k, v in [('a', 1), ('b', 2)] recursive %}{{ k }}{{ v }}{% endfor %}
----
{% for x in [1, 2, 3] %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}
----
{% for x in [1, 2, 3] %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}
----
{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{% endfor %}{{ x }}
----
{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}
----
{% set x = 1 %}{% with %}{% set x = 2 %}{{ x }}{% endwith %}{{ x }}
----
{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}
----
{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}
----
{% for x in [1, 2] -%}
  {{ x }}
{%- endfor %}
----
{% for x in [1, 2] %}
  {{ x }}
{% endfor %}
end
----
{%- set x = 1 -%}

a
----
a
{% set x = 1 %}
b
----
a
{%- set x = 1 %}
b
----
a
{% set x = 1 -%}
b
----
a {{- 1 -}} b
----
a {{+ 1 }} b
----
a
{%+ if true %}
b
{% endif %}
----
{# c #}a
----
a {#- c -#} b
----
{# multi
line #}a
----
{# {{ nope( }} #}a
----
{% raw %}{{ x }}{% y %}{% endraw %}
----
{%- raw -%}  {{ x }}  {%- endraw -%}
----
{{ '{{' }}{{ '}}' }}{{ '{%' }}
----
{% filter upper %}a{{ 'b' }}{% endfilter %}
----
{% filter replace('a', 'x') | upper %}abc{% endfilter %}
----
{% filter indent(2) %}a
b{% endfilter %}
----
{% set x %}a{{ 1 }}b{% endset %}{{ x }}{{ x | length }}{{ x is string }}
----
{% set x | upper %}ab{% endset %}{{ x }}
----
{% set x | trim | length %} ab {% endset %}{{ x }}
----
{% set x %}{% endset %}{{ x | length }}{% if x %}a{% else %}b{% endif %}
----
{% set x %}5{% endset %}{{ x + 1 }}
----
{% set x %}5{% endset %}{{ x == '5' }}{{ x == 5 }}{{ x | int + 1 }}{{ [x] }}{{ x is string }}{{ x in ['5'] }}{{ {x: 1} }}
----
{% set x %}
a
b
{% endset %}{{ x | length }}{{ x.split('\n') }}{{ x.strip() }}
----
{% set x -%}
a
{%- endset %}{{ [x] }}
----
{% set x, y = 1, 2 %}{{ y }}{{ x }}
----
{% set x = y = 1 %}
----
{% if 1 %}a{% elif 2 %}b{% else %}c{% endif %}
----
{% if not 1 %}a{% elif 0 %}b{% else %}c{% endif %}
----
{% if [] %}a{% endif %}{% if {} %}b{% endif %}{% if '0' %}c{% endif %}{% if 0.0 %}d{% endif %}{% if () %}e{% endif %}{% if range(0) %}f{% endif %}{% if set([]) %}g{% endif %}
----
{% if 'a' in 'abc' and not 'x' in 'abc' %}a{% endif %}
----
{{ 'a' if true else 'b' }}{{ 'a' if false else 'b' }}{{ 'a' if false }}
----
{{ 1 if true else 1/0 }}
----
{{ (1, 2) if true }}
----
{{ [1, 2,] }}{{ {'a': 1,} }}{{ (1, 2,) }}
----
{{ [x for x in [1]] }}
----
{{ lambda: 1 }}
----
{{ 1, 2 }}
----
{{ 1 if }}
----
{{ }}
----
{{ 'a' 'b' }}
----
{{ a b }}
----
{{ 1 + }}
----
{{ 'a }}
----
{{ a
----
{% set x = 1
----
{# a
----
}} a %} #}
----
{ { a } }
----
{{{ 'a' }}}
----
{{ {'a': {'b': 1}} }}
----
{%set x=1%}{{x}}
----
{{-1}}{{- 1}}
----
{{ -1 }}{{ - 1 }}{{ +1 }}{{ --1 }}
----
{{ not not true }}{{ not true == false }}
----
{{ 1 + 2 * 3 - 4 / 2 }}{{ (1 + 2) * 3 }}{{ 2 + 3 ~ 4 * 5 }}{{ 1 ~ 2 + 3 }}
----
{{ 5 | string | length + 1 }}{{ -5 | abs }}{{ (-5) | abs }}{{ 2 ** 3 | string }}
----
{{ 1 is odd and 2 is even or false }}{{ 1 is not even }}{{ not 1 is even }}
----
{{ 'a' ~ 'b' == 'ab' }}{{ 1 + 1 == 2 and 'x' }}
----
{{ 'a' is string is true }}
----
{{ x is defined and x.y }}|{{ x is not defined or x.y }}
----
{% do [1].append(2) %}a
----
{% do 1 %}a
----
{% do log('a') %}b
----
{% set x = [] %}{% do x.append({'a': 1}) %}{{ x[0].a }}
----
{% set x = 'a' if target.type == 'duckdb' else 'b' %}{{ x }}
----
{% set none = 5 %}{{ none }}
----
{% set ref = 5 %}{{ ref }}
----
{% set x = ref %}{{ x('base') }}
----
{% set r = ref('base') %}{{ r }}{{ r.schema }}{{ r.database is string }}
----
{% for m in ['base'] %}{{ ref(m) }}{% endfor %}
----
{% if false %}{{ ref('base') }}{% endif %}x
----
-- {{ ref('base') }}
select 1
----
/* {{ nothing }} */ select 1
----
{{ config(materialized='table') }}

select 1
----
{{ config(materialized='table', tags=['a', 'b']) }}{{ config.get('tags') }}{{ model.config.tags }}
----
{{ config(
    materialized='table'
) }}
select {{ 1 }}
----
  leading and trailing  

----
a

{{ 1 }}


----
{{ 'trailing\n' }}
----
{{ "a\nb" }}
----
{{ 'é' }}é日本😀
----
a	tab
----
select '{{ "it's" }}'
----
select "{{ 'a' }}"
----
{{ 'a' | replace("a", '"') }}
----
{% set x = {'a': 1,
  'b': 2} %}{{ x }}
----
{{ 'a'
   ~ 'b' }}
----
{% if true
   and true %}a{% endif %}
----
{{ nothing.x(
  'a',
  b=1
) }}
----
{{ dbt_utils.star(
    from=ref('base')
) }}
----
{% macro local() %}a{% endmacro %}{{ local() }}
----
{% macro local(x, y=2) %}{{ x }}{{ y }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ local(1) }}{{ local(1, 2, 3, z=4) }}
----
{% macro local() %}{{ x }}{% endmacro %}{% set x = 5 %}{{ local() }}
----
{% set x = 5 %}{% macro local() %}{{ x }}{% endmacro %}{{ local() }}
----
{% macro local() %}{{ return(5) }}{% endmacro %}{{ local() }}
----
{% macro local() %}{{ caller() }}{% endmacro %}{% call local() %}x{% endcall %}
----
{{ return('x') }}
----
{% do return('x') %}
----
{% call log('x') %}{% endcall %}a
----
{% block a %}b{% endblock %}
----
{% autoescape true %}{{ '<' }}{% endautoescape %}
----
{% trans %}a{% endtrans %}
----
{% debug %}
----
{% docs x %}a{% enddocs %}
----
{% snapshot x %}a{% endsnapshot %}
----
{% test x(model) %}a{% endtest %}
----
{% materialization x, default %}a{% endmaterialization %}
----
{% statement %}
----
# line statement
## comment
select 1 -- {{ 1 }}
----
{{ 1 }}{# a #}{{ 2 }}
----
{{ '' }}
----
{% set x = '' %}
----
{{ {}.get('a', {}).get('b') }}
----
{{ ({'a': {'b': 1}}.get('a') or {}).get('b') }}
----
{{ [{'a': 1}] | map(attribute='a') | first + 1 }}
----
{{ ['a', 'b'] | map('upper') | map('replace', 'A', 'x') | list }}
----
{% set cols = ['a', 'b'] %}select {% for c in cols %}{{ c }}{{ ", " if not loop.last }}{% endfor %} from t
----
{% set cols = ['a', 'b'] %}select {{ cols | join(',\n  ') }} from t
----
{{ "select * from x where a = '%s'" % 'b' }}
----
{{ [1, 2, 3] | tojson | replace('[', '(') | replace(']', ')') }}
----
{{ ["a", "b"] | tojson }}{{ ['a', "b'c"] }}{{ ("a", "b") }}
----
where x in {{ ['a', 'b'] | list }} and y in {{ ('a', 'b') }} and z in ({{ "'" ~ ['a', 'b'] | join("', '") ~ "'" }})
----
{% set a = {'b': [1, {'c': 2}]} %}{{ a.b[1].c }}{{ a['b'][0] }}{{ a.b.1.c }}
----
{% set a = 'x' %}{% set d = {a: 1} %}{{ d }}{{ d.x }}
----
{% set d = {'x': 1} %}{% for k in d %}{{ d[k] }}{% endfor %}{{ d | length }}{{ d | first }}
----
{% set f = 'abc'.upper %}{{ f() }}
----
{% set f = [3, 1].index %}{{ f(1) }}
----
{% set l = [1] %}{% set f = l.append %}{% do f(2) %}{{ l }}
----
{% set d = {'a': 1} %}{% set f = d.get %}{{ f('a') }}{{ f('b', 2) }}
----
{% set f = adapter.quote %}{{ f('a') }}
----
{% set f = '{}-{}'.format %}{{ f(1, 2) }}
----
{{ 'abc'.upper is defined }}{{ 'abc'.upper is callable }}{{ [].append is defined }}{{ {}.get is callable }}{{ adapter.quote is defined }}{{ this.include is callable }}
----
{% if 'abc'.upper %}a{% endif %}
----
{{ 'abc'.__class__ }}
----
{{ ''.__class__.__mro__ }}
----
{{ self.x }}
----
{{ config._data }}
----
{{ this._meta }}
----
{{ range.__name__ }}
----
{{ (1).__add__(2) }}
----
{{ ref.__class__.__name__ }}
----
{{ '{0.__class__}'.format('a') }}
----
{{ dict.fromkeys(['a']) }}
----
{{ [1, 2].__len__() }}
"""
)
for text in (
    "{{ config(materialized='table') }}select 'l1\r\nl2' as t, {{ 1 }} as one",
    "select 'l1\r\nl2' as t",
    "{% set q %}\r\na\r\nb\r\n{% endset %}{{ q | length }}",
    "{% set q %}\r\na\r\nb\r\n{% endset %}{{ q.split('\\n') }}",
    "{% set q %}\r\na\r\nb\r\n{% endset %}{{ q.splitlines() }}",
    "{{ 'a\r\nb' | length }}",
    "{{ 'a\\r\\nb' | length }}",
    "{{ 'a\\r\\nb' }}",
    "a\r\n{% if true %}\r\nb\r\n{% endif %}\r\nc",
    "a\r\n{%- if true -%}\r\nb\r\n{%- endif -%}\r\nc",
    "a\r{{ 1 }}\rb",
    "a\r\n{{ 1 }}\r\n",
    "a\n{{ 1 }}\n",
    "a\n{{ 1 }}\n\n",
    "{# a\r\nb #}x\r\ny",
    "{% raw %}a\r\nb{% endraw %}",
    "{{ \"a\r\nb\".split('\\n') }}",
    "\n\na{{ 1 }}",
    "  a{{ 1 }}  ",
    "\ufeffa{{ 1 }}",
    "a\u00a0{{ 1 }}",
    "a\x0b{{ 1 }}\x0cb",
    "a\u2028{{ 1 }}",
    "a\x85{{ 1 }}",
    "select 1",
    "select 1\n",
    "select 1;",
    "",
    " ",
    "\n",
):
    case(text)
case("{{ §m() | length }}", "{% macro §m() %}\r\na\r\nb\r\n{% endmacro %}\r\n")
case("{{ §m() }}", "{% macro §m() %}\r\na\r\nb\r\n{% endmacro %}\r\n")
case("{{ §m('a\r\nb') }}", "{% macro §m(x) %}{{ x | length }}{% endmacro %}\r\n")
case("{{ §m() }}", "{% macro §m(\r\n  a=1,\r\n  b=a\r\n) %}{{ a }}{{ b }}{% endmacro %}\r\n")

# ---- Vars
for value in (
    1, 0, -5, 1.5, 1.0, 1e-05, 1e16, 1e22, 10**30, True, False, None, "", "a", "1", "true", "a'b", "é", "a\nb", [1, "a", None, 1.5],
    [], {"a": 1}, {"a": {"b": [1, 2]}}, {}, [[1], {"a": 2}], "{{ 1 + 1 }}", "{{ target.name }}", "{% if true %}x{% endif %}", "{{ nothing }}",
    "{{ nothing.x }}", "{{ var('nope', 'z') }}", "{# c #}x", ["{{ 1 + 1 }}"], "{{ 1", 0.1, 12345678901234567890, "2024-01-05", "null", "{{ [1, 2] }}",
):
    case("{{ var('§v') }}", vars={"§v": value})
    case("{{ [var('§v')] }}|{{ var('§v') is string }}{{ var('§v') is number }}{{ var('§v') is none }}{{ var('§v') | tojson }}", vars={"§v": value})
for text in """{{ var('§v') + 1 }}
{{ var('§v') | int + 1 }}
{{ var('§v', 'd') }}
{{ var('§v', default='d') }}
{{ var.has_var('§v') }}
{{ builtins.var('§v') }}
{{ var(variable_name='§v') }}
{{ var('§v').x }}
{{ var('§v')[0] }}
{% if var('§v') %}a{% else %}b{% endif %}
{% for x in var('§v') %}{{ x }}{% endfor %}
{{ var('§v') in [1, 'a'] }}
{{ var('§v') == '1' }}{{ var('§v') == 1 }}
{{ var('§v') ~ 'x' }}
{{ var('§v') | length }}
{{ var('§v') is iterable }}{{ var('§v') is mapping }}{{ var('§v') is sequence }}""".split("\n"):
    for value in (1, "1", [1, 2], {"x": 5}, None, "", False):
        case(text, vars={"§v": value})

# ---- Configs: the value of meta.a in the manifest, or of `enabled`
CONFIGS = []


def config(text, vars=None, where=("project", "yaml"), key="meta"):
    for w in where:
        CONFIGS.append({"where": w, "key": key, "text": text, "vars": vars})


for text in """{{ 1 + 1 }}|{{ 1 }}|{{ 1.50 }}|{{ true }}|{{ True }}|{{ none }}|{{ [1, 2] }}|{{ {'a': 1} }}|{{ (1, 2) }}|{{ 'a' }}|{{ '5' }}|{{ '5' | int }}|{{ 5 | string }}|{{ 'a' | upper }}|
{{ not true }}|{{ 1 == 1 }}|{{ 'a' == 'a' }}|{{ 1 if true else 2 }}|{{ -1 }}|{{ 1 / 2 }}|{{ 10 ** 20 }}|{{ 'a' ~ 1 }}|{{ [1] + [2] }}|{{ [1, 2] | length }}|{{ [1, 2] | sum }}|
{{ [1, 2] | first }}|{{ 'a,b'.split(',') }}|{{ 'a'.upper() }}|{{ {'a': 1}.a }}|{{ [1, 2][0] }}|{{ 1 in [1] }}|{{ 1 is odd }}|{{ none is none }}|{{ 1 and 2 }}|{{ range(3) | list }}|{{ range(3) }}|
{{ dict(a=1) }}|{{ target.name }}|{{ target.threads }}|{{ target.threads + 1 }}|{{ target.name == 'dev' }}|{{ target.name == 'nope' }}|{{ not (target.name == 'dev') }}|{{ [target.name] }}|{{ {'k': target.name} }}|
{{ (target.name, 1) }}|{{ target.name in ['dev'] }}|{{ target.nope }}|{{ target.name ~ 1 }}|{{ 5 if target.name == 'dev' else 6 }}|{{ none if target.name == 'dev' }}|{{ target.name if false }}|
{{ nothing }}|{{ nothing | default('x') }}|{{ nothing | default(5) }}|{{ nothing.x }}|{{ nothing() }}|{{ nothing | default(none) }}|x{{ 1 }}|{{ 1 }}x|{{ 1 }}{{ 2 }}|{{ target.threads }}{{ target.threads }}|{{ 1 }} | {{ 1 }}| {{ target.threads }} |
{{ target.threads }}x|{% if true %}1{% endif %}|{% if true %}{{ 1 }}{% endif %}|{% if true %}{{ target.threads }}{% endif %}|{% if target.name == 'dev' %}true{% else %}false{% endif %}|{% set x = 5 %}{{ x }}|{% set x = [1] %}{{ x }}|
{% for i in [1, 2] %}{{ i }}{% endfor %}|{% for i in [1] %}{{ i }}{% endfor %}|{# c #}{{ target.threads }}|{{ target.threads }}{# c #}|{{ '' }}|{{ [] }}|{{ {} }}|{{ set([1]) }}|{{ 'true' | as_bool }}|{{ 'True' | as_bool }}|{{ true | as_bool }}|
{{ 'yes' | as_bool }}|{{ '1' | as_bool }}|{{ 1 | as_bool }}|{{ 'false' | as_bool }}|{{ 'False' | as_bool }}|{{ '' | as_bool }}|{{ none | as_bool }}|{{ (target.name == 'dev') | as_bool }}|{{ target.name == 'dev' | as_bool }}|{{ (target.name == 'dev' | as_bool) }}|
{{ target.name | as_bool }}|{{ '5' | as_number }}|{{ '5.5' | as_number }}|{{ '1e3' | as_number }}|{{ '007' | as_number }}|{{ 'x' | as_number }}|{{ 5 | as_number }}|{{ 'true' | as_number }}|{{ 'True' | as_number }}|{{ '' | as_number }}|
{{ none | as_number }}|{{ '5' | as_native }}|{{ '[1, 2]' | as_native }}|{{ "{'a': 1}" | as_native }}|{{ 'True' | as_native }}|{{ 'true' | as_native }}|{{ 'None' | as_native }}|{{ 'x' | as_native }}|{{ '' | as_native }}|{{ none | as_native }}|{{ [1] | as_native }}|
{{ '5' | as_text }}|{{ 5 | as_text }}|{{ target.threads | as_text }}|{{ none | as_text }}|{{ [1] | as_text }}|{{ ('5' | as_number) + 1 }}|{{ '5' | as_number | string }}|x{{ '5' | as_number }}|{{ '5' | as_number }}{{ '6' | as_number }}|{{ 'a' | as_bool == 'a' }}|
{{ modules.datetime.date(2024, 1, 5) }}|{{ modules.datetime.date(2024, 1, 5).year }}|{{ 1 / 0 }}|{{ 'a' + 1 }}|{{ 'a' | nope }}|{{ exceptions.raise_compiler_error('x') }}|{{ fromjson('[1, 2]') }}|{{ fromjson('5') }}|{{ tojson([1]) }}|
{{ tojson({'a': target.name}) }}|{{ dbt_version is defined }}|{{ project_name }}|{{ ref('base') }}|{{ execute }}|{{ this }}|{{ run_started_at is defined }}|{{ [1, 2] is sequence }}|{{ 1e16 }}|{{ '1' ~ '2' }}|{{ target.threads ~ '' }}|
{{ target.threads | string }}|{{ target.threads | int }}|{{ '5' if target.name == 'dev' else '6' }}|{{ 'True' if target.name == 'dev' else 'False' }}|{{ ('5' if target.name == 'dev') | int }}|{{ target.schema }}|{{ target.type == 'duckdb' | as_bool }}|
5|true|x|{{|{{ 1|{{ }}|a {{ 'b' }} c|{{ '{{ 1 }}' }}|{{ "it's" }}|{{ ['a', target.name] | join(',') }}|{{ [target.threads] | sum }}|{{ {'a': [target.threads, none, 1.5]} }}|{{ target.get('nope', 7) }}|{{ env_var('NOPE_NOPE', '5') }}|
{{ env_var('NOPE_NOPE', '5') | int }}|{{ env_var('NOPE_NOPE', 'true') == 'true' }}|{{ env_var('NOPE_NOPE', 'True') | as_bool }}|{{ env_var('NOPE_NOPE') }}|{{ var('nope', 5) }}|{{ var('nope', '5') }}|{{ var('nope', none) }}|{{ var('nope') }}|{{ var('nope', [1]) }}""".replace(
    "|\n", "|"
).replace("{{ 1 }} | {{ 1 }}", "{{ 1 }} {{ 1 }}").replace("| as", "¦ as").replace(" | ", " ¦ ").split("|"):
    config(text.replace("¦", "|"))
for value in (3, 1.5, True, None, "5", "x", "true", [1, 2], {"k": 1}, 10**30, "{{ 1 + 1 }}", "", 0):
    config("{{ var('n') }}", {"n": value})
    config("{{ var('n') | as_native }}", {"n": value})
    config("{{ var('n') }}x", {"n": value}, ("yaml",))
    config("{{ [var('n')] }}", {"n": value}, ("yaml",))
for text in """'{{ 1 + 1 }}'|1 + 1|true|none|[1, 2]|'5'|'5' | int|target.threads|target.name == 'dev'|[target.name]|dict(a=1)|range(3) | list|(1, 2)|var('nope', 5)|var('nope')|'true' | as_bool|'5' | as_number|nothing|nothing | default('x')|1.50|
1e16|10 ** 30|{'k': none}|'a' ~ 1|modules.datetime.date(2024, 1, 5)|env_var('NOPE_NOPE', '5')|this.name|ref('base')|execute|nothing.x|1 / 0|this.schema|set([1])|range(2)|model.name is string|target.name|not true|'a' if true|none | default('x', true)|var""".replace(
    "|\n", "|"
).replace(" | ", " ¦ ").split("|"):
    config(text.replace("¦", "|"), where=("in_file",))
for text in """{{ true }}|{{ false }}|{{ True }}|{{ target.name == 'dev' }}|{{ target.name == 'nope' }}|{{ not (target.name == 'dev') }}|{{ target.type == 'duckdb' ¦ as_bool }}|{{ (target.name == 'dev' ¦ as_bool) }}|{{ (target.name == 'dev') ¦ as_bool }}|
{{ 'true' ¦ as_bool }}|{{ 'True' ¦ as_bool }}|{{ 'False' ¦ as_bool }}|{{ 'false' ¦ as_bool }}|{{ true ¦ as_bool }}|{{ 1 == 1 }}|{{ 1 == 2 }}|{{ 1 }}|{{ 0 }}|{{ target.threads }}|{{ none }}|{{ var('nope', true) }}|{{ var('nope', false) }}|{{ var('nope', 'false') }}|
{{ var('nope', 'false') ¦ as_bool }}|{{ var('nope', 'False') ¦ as_bool }}|{{ var('nope', none) }}|{{ env_var('NOPE_NOPE', 'true') }}|{{ env_var('NOPE_NOPE', 'true') == 'true' }}|{{ env_var('NOPE_NOPE', 'True') ¦ as_bool }}|{{ env_var('NOPE_NOPE', 'true') ¦ as_bool }}|
{{ '' }}|{{ nothing }}|{{ nothing ¦ default(true) }}|{{ 'yes' }}|{{ 'true' }}|{% if true %}true{% endif %}|{% if target.name == 'dev' %}{{ true }}{% endif %}|{{ target.name in ['dev', 'x'] }}|true|false|yes|no|x|{{ [] }}|{{ 'True' ¦ as_native }}|{{ target.name == 'dev' and true }}|
{{ (target.name == 'dev') ¦ string }}|{{ target.name != 'dev' }}|{{ true }} |{{ target.name == 'dev' }} """.replace("|\n", "|").split("|"):
    config(text.replace("¦", "|"), key="enabled")
for value in (True, False, "true", "True", "false", None, 1, 0, "x", ""):
    config("{{ var('n') }}", {"n": value}, key="enabled")
    config("{{ var('n') | as_bool }}", {"n": value}, key="enabled")
for text in "true|false|target.name == 'dev'|target.name != 'dev'|'true' ¦ as_bool|'true'|none|1|0|var('nope', true)|var('nope', 'false')|var('nope', 'False') ¦ as_bool|nothing|'x'|not true|execute".split("|"):
    config(text.replace("¦", "|"), where=("in_file",), key="enabled")

# ---- dbt
PROJECT = {
    "dbt_project.yml": "name: p\nversion: '1.0'\nprofile: p\nconfig-version: 2\n",
    "models/base.sql": "select 1 as id\n",
    "models/sources.yml": "version: 2\nsources:\n  - name: src\n    tables:\n      - name: tab\n",
}
PROFILES = {
    "dev": {"duckdb": {"path": ":memory:", "schema": "main"}, "postgres": {"dbname": "strata", "schema": "public"}, "threads": 1}
}


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)


def profile(engine):
    env = lambda name: os.environ["STRATA_TEST_PG_" + name]
    if engine == "duckdb":
        return {"type": "duckdb", "path": ":memory:", "schema": "main", "threads": 1}
    return {
        "type": "postgres", "host": env("HOST"), "port": int(env("PORT")), "user": env("USER"), "pass": env("PASSWORD"),
        "dbname": env("DATABASE"), "schema": "public", "threads": 1,
    }


class Project:
    """A project in a folder of its own, and dbt in this process."""

    def __init__(self, engine, cases, files=(), extra=None):
        self.root = tempfile.TemporaryDirectory()
        self.folder = os.path.realpath(self.root.name)
        import yaml

        settings = yaml.safe_load(PROJECT["dbt_project.yml"])
        settings["vars"] = {k: v for c in cases for k, v in (c["vars"] or {}).items()}
        settings.update(extra or {})
        for path, text in PROJECT.items():
            write(f"{self.folder}/{path}", text)
        write(self.folder + "/dbt_project.yml", yaml.safe_dump(settings, allow_unicode=True, sort_keys=False))
        write(self.folder + "/profiles.yml", yaml.safe_dump({"p": {"target": "dev", "outputs": {"dev": profile(engine)}}}))
        for c in cases:
            write(f"{self.folder}/models/{c['model']}.sql", c["template"])
            if c["macros"]:
                write(f"{self.folder}/macros/{c['model']}.sql", c["macros"])
        for path, text in files:
            write(f"{self.folder}/{path}", text)

    def dbt(self, *args):
        from dbt.cli.main import dbtRunner

        here = os.getcwd()
        os.chdir(self.folder)
        try:
            common = ["--quiet", "--no-send-anonymous-usage-stats", "--no-use-colors", "--log-level-file", "none", "--no-version-check"]
            return dbtRunner().invoke([*common, *args, "--no-partial-parse", "--profiles-dir", self.folder])
        finally:
            os.chdir(here)

    def message(self, error):
        text = re.sub(r"0x[0-9a-f]{6,}", "0x", str(error).replace(self.folder, ""))
        lines = [x.strip() for x in text.split("\n") if x.strip()]
        if lines and re.match(r"^\w+ Error( in \w+ .*)?$", lines[0]):
            lines = lines[1:]
        return lines[0][:160] if lines else ""


def parse_failures(project):
    """The models whose parsing fails, with the errors."""
    from dbt.parser.models import ModelParser

    failed, parse_file = {}, ModelParser.parse_file

    def go_on(self, block):
        try:
            parse_file(self, block)
        except Exception as e:
            failed[block.file.path.relative_path.removesuffix(".sql")] = project.message(e)

    ModelParser.parse_file = go_on
    try:
        result = project.dbt("parse")
    finally:
        ModelParser.parse_file = parse_file
    return failed, result


def compile_all(project, cases, key):
    from dbt.task.compile import CompileTask

    first = CompileTask.raise_on_first_error
    CompileTask.raise_on_first_error = lambda self: False
    try:
        result = project.dbt("compile")
    finally:
        CompileTask.raise_on_first_error = first
    if result.result is None:
        return result.exception
    by_name = {r.node.name: r for r in result.result.results}
    for c in cases:
        r = by_name.get(c["model"])
        if r is None:
            c[key] = {"parse": "ok", "run": "absent"}
        elif str(r.status) == "error":
            c[key] = {"parse": "ok", "run": "error", "message": project.message(r.message)}
        else:
            c[key] = {"parse": "ok", "run": "ok", "sql": r.node.compiled_code}
    return None


def breaks(macros):
    """Whether dbt cannot load the file: that ends everything."""
    from dbt_common.clients.jinja import extract_toplevel_blocks, parse

    if re.search(r"dispatch\('(\w+\.|nope)", macros):
        return True
    try:
        parse(macros)
        extract_toplevel_blocks(macros, allowed_blocks={"macro"})
        return False
    except Exception:
        return True


def run(engine, cases):
    alone = [c for c in cases if c["solo"] or (c["macros"] and breaks(c["macros"]))]
    left = [c for c in cases if c not in alone]
    while left:
        project = Project(engine, left)
        failed, result = parse_failures(project)
        if not result.success:
            # Found after the models are parsed: an unknown ref. Whoever is named parses alone.
            text = str(result.exception)
            named = [c for c in left if c["model"] in text]
            if not named:
                raise SystemExit(f"{engine}: parse failed: {text}")
            alone += named
            left = [c for c in left if c not in named]
            continue
        for c in left:
            if c["model"] in failed:
                c[engine] = {"parse": "error", "message": failed[c["model"]]}
                os.remove(f"{project.folder}/models/{c['model']}.sql")
        left = [c for c in left if c["model"] not in failed]
        result = project.dbt("parse")
        if not result.success:
            raise SystemExit(f"{engine}: parse failed: {result.exception}")
        error = compile_all(project, left, engine)
        if error:
            raise SystemExit(f"{engine}: compile failed: {error}")
        break
    for c in alone:
        project = Project(engine, [c])
        result = project.dbt("parse")
        if not result.success:
            c[engine] = {"parse": "error", "message": project.message(result.exception)}
            continue
        error = compile_all(project, [c], engine)
        if error:
            c[engine] = {"parse": "ok", "run": "error", "message": project.message(error)}


def run_config(c):
    import yaml

    nest = {"meta": {"a": c["text"]}} if c["key"] == "meta" else {"enabled": c["text"]}
    template, files, extra = "select 1", [], {}
    if c["where"] == "project":
        extra = {"models": {"p": {"m": {"+" + k: v for k, v in nest.items()}}}}
    elif c["where"] == "yaml":
        files = [("models/m.yml", yaml.safe_dump({"version": 2, "models": [{"name": "m", "config": nest}]}))]
    elif c["key"] == "meta":
        template = "{{ config(meta={'a': " + c["text"] + "}) }}select 1"
    else:
        template = "{{ config(enabled=" + c["text"] + ") }}select 1"
    project = Project("duckdb", [{"model": "m", "template": template, "macros": None, "vars": None}], files, extra)
    args = ["--vars", json.dumps(c["vars"])] if c["vars"] else []
    result = project.dbt("parse", *args)
    if not result.success:
        return {"result": "error", "message": project.message(result.exception)}
    with open(project.folder + "/target/manifest.json") as f:
        manifest = json.load(f)
    if c["key"] == "enabled":
        return {"result": "model.p.m" in manifest["nodes"]}
    return {"result": manifest["nodes"]["model.p.m"]["config"]["meta"].get("a")}


def child():
    for engine in ("duckdb", "postgres"):
        run(engine, [c for c in CASES if engine == "duckdb" or c["query"]])
    answers = [{e: c.get(e) for e in ("duckdb", "postgres")} for c in CASES]
    # These take a second each, and once is enough: no set or address is in them.
    json.dump([answers, [run_config(c) for c in CONFIGS] if sys.argv[3:] else []], open(sys.argv[2], "w"))


def main():
    for c in CASES:
        text = c["template"] + (c["macros"] or "")
        # What is found only when all is parsed, and what shows the other cases' vars.
        c["solo"] = c["solo"] or bool(re.search(r"\b(ref|source)\([^)]*nope|vars\.to_dict", text))
        c["query"] = bool(re.search(r"run_query|statement|execute|adapter|target|this|api\.|dbt\.|get_columns|relation|type_", text))
    if sys.argv[1:2] == ["--child"]:
        return child()
    answers = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in ("1", "2"):
            path = f"{folder}/{seed}.json"
            subprocess.run(
                [sys.executable, __file__, "--child", path, *["configs"][: seed == "1"]],
                check=True, stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONHASHSEED": seed, "TZ": "UTC", "PGTZ": "UTC"},
            )
            answers.append(json.load(open(path)))
    lines, configs, seen = [], [], set()
    # An error's text may name anything.
    told = lambda answer: json.dumps({k: v and {**v, "message": ""} for k, v in answer.items()})
    for c, one, two in zip(CASES, answers[0][0], answers[1][0]):
        if told(one) != told(two) or re.search(r"0x[0-9a-f]{6,}", told(one)):
            print(f"not the same each time: {c['template']!r}", file=sys.stderr)
            continue
        out = {"model": c["model"], "template": c["template"], **({"macros": c["macros"]} if c["macros"] else {}), **({"vars": c["vars"]} if c["vars"] else {})}
        key = json.dumps({**out, "model": 0})
        if key in seen:
            continue
        seen.add(key)
        out.update(one["duckdb"])
        if one["postgres"]:
            out["postgres"] = one["postgres"]
        lines.append(json.dumps(out))
    for c, one in zip(CONFIGS, answers[0][1]):
        configs.append(json.dumps({"where": c["where"], "text": c["text"], **({"vars": c["vars"]} if c["vars"] else {}), "key": c["key"], **one}))
    with open(sys.argv[1] if len(sys.argv) > 1 else "jinja.json", "w", encoding="utf-8") as f:
        f.write('{\n"project": ' + json.dumps({**PROJECT, "profiles": PROFILES}) + ",\n")
        f.write('"templates": [\n ' + ",\n ".join(lines) + "\n],\n")
        for kind, key in (("config", "meta"), ("enabled", "enabled")):
            rows = [x for x in configs if json.loads(x)["key"] == key]
            rows = [json.dumps({k: v for k, v in json.loads(x).items() if k != "key"}) for x in rows]
            f.write(f'"{kind}": [\n ' + ",\n ".join(rows) + "\n]" + (",\n" if kind == "config" else "\n}\n"))


if __name__ == "__main__":
    main()
