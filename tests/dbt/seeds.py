#!/usr/bin/env python3
"""What dbt makes of seed files: writes seeds.json.

    python3 -m venv dbt && dbt/bin/pip install dbt-core==1.11.16 dbt-duckdb==1.10.1 dbt-postgres==1.10.2 \\
        duckdb==1.5.6 psycopg2-binary
    set -a; . FOLDER/env; set +a          # of `scripts/postgres start FOLDER`: STRATA_TEST_PG_HOST, _PORT, _USER ...
    dbt/bin/python tests/dbt/seeds.py seeds.json

Every case is one seed of one project, which `dbt seed` loads on each engine; a seed that fails leaves the others alone.
"values" have the header `v,z` (unless the csv says otherwise) and tell of the column v alone: its type, and its values
as the database casts them to text. "shapes" tell of all columns. An error's text is what dbt's run_results say.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

# One value a file, in the column v; the column z holds `z`.
ONE = {
    "numbers": """0|1|-1|+5|-0|+0|007|-007|00|1.0|1.50|-1.5|+1.5|1.|.5|-.5|+.5|.|-|+|--5|-+5|+-5|++5|5-|(5)|1e5|1E5|1e+5|1e-5|1.5e3|
-1.5E-3|1e|e5|1e5.0|1_000|1__000|_1|1_|1_000.5|"1,000"|"1,000.50"|"1,00"|"1,0,0"|",5"|"5,"|"1.000,5"|$5|$ 5|-$5|$-5|5$|€5|£5|¥5|5€|
₹5|US$5|10%|10 %|%10|10.5%|-10%|10%%|%|$|NaN|nan|NAN|-nan|sNaN|inf|-inf|Inf|INF|+inf|Infinity|-Infinity|infinity|infinit|
１２|１.５|٣|۴۵|੫|²|½|Ⅷ|1e400|-1e400|1e308|1e309|1e-400|99999999999|2147483647|2147483648|-2147483648|-2147483649|
9223372036854775807|9223372036854775808|123456789012345678901234567890|0.1234567890123456789|3.0000000000000000001|123456789.123456789|
0x10|0b1|0o7|1 000|1 000 000|1\u00a0000|1\u202f000|1'000|1/2|1:2|1;2|12abc|1.2.3|1-2|1+2|1e5f|1L|1.5f|1d|#5|'5|"1" |True1| 5|5 |" 5 "|
"\t5\t"|\u00a05|5\u200b|1e5 |1E+05|0e0|0.0|-0.0|100.00|1e0|1e2|12e-1|10e-1|1000000|1e10|2e9|3e9""",
    "dates": """2024-01-05|2024-1-5|2024-01-5|24-01-05|0024-01-05|0001-01-01|9999-12-31|10000-01-01|1900-02-29|2024-02-29|2023-02-29|
2024-02-30|2024-13-01|2024-00-01|2024-01-00|2024-01-32|2024/01/05|2024.01.05|05-01-2024|01/05/2024|1/5/24|5.1.2024|20240105|2024-01|2024|
2024-W01|2024-W01-5|2024-005|2024-01-05Z|2024-01-05+01:00|2024-01-05T|-2024-01-05|+2024-01-05| 2024-01-05|2024-01-05 |"  2024-01-05  "|
"\t2024-01-05"|2024 -01-05|2024- 01-05|2024-01- 05|2024 - 01 - 05|２０２４-01-05|2024–01–05|Jan 5 2024|5 January 2024|today|yesterday|tomorrow|1 day|
2024-1|1-1-1|1583-01-01|1969-12-31|epoch|now|last week""",
    "datetimes": """2024-01-05 10:00:00|2024-1-5 1:2:3|2024-01-05  10:00:00|2024-01-05   10:00:00|2024-01-05\t10:00:00| 2024-01-05 10:00:00 |
"2024-01-05\n10:00:00"|2024-01-05 10:00|2024-01-05 10|2024-01-05 10:00:00.1|2024-01-05 10:00:00.123|2024-01-05 10:00:00.123456|
2024-12-15 18:13:59.840000|2024-01-05 10:00:00.000|2024-01-05 10:00:00Z|2024-01-05 10:00:00 Z|2024-01-05 10:00:00+02:00|
2024-01-05 10:00:00+02|2024-01-05 10:00:00 +0200|2024-01-05 10:00:00 UTC|2023-01-09 22:21:19.329000 UTC|2024-01-05 24:00:00|2024-01-05 23:59:59|
2024-01-05 23:59:60|2024-01-05 10:60:00|2024-01-05 10:00:61|2024-01-05 25:00:00|2024-02-30 10:00:00|2024/01/05 10:00:00|
2024-01-05 10:00:00 AM|2024-01-05 10.00.00|2024-01-05 100000|20240105 10:00:00|0001-01-01 00:00:00|9999-12-31 23:59:59|24-01-05 10:00:00|
2024-01-05T10:00:00|2024-1-5T1:2:3|2024-01-05T1:02:03|2024-01-05t10:00:00|2024-01-05T10:00|2024-01-05T10|2024-01-05T10:00:00.1|2024-01-05T10:00:00.84|
2024-01-05T10:00:00.123|2024-01-05T10:00:00.123456|2024-01-05T10:00:00.1234567|2024-01-05T10:00:00.123456789|2024-01-05T10:00:00.999999999|
"2024-01-05T10:00:00,5"|2024-01-05T10:00:00.|2024-01-05T10:00.5|2024-01-05T10.5|2024-01-05T10:00:00Z|2024-01-05T10:00:00z|
2024-01-05T10:00:00.5Z|2024-01-05T10:00Z|2024-01-05T10Z|2024-01-05T10:00:00 Z|2024-01-05T10:00:00+02:00|2024-01-05T10:00:00-05:30|2024-01-05T10:00:00-0530|
2024-01-05T10:00:00+0200|2024-01-05T10:00:00+02|2024-01-05T10:00:00+2|2024-01-05T10:00:00+00:00|2024-01-05T10:00:00-00:00|2024-01-05T00:30:00+02:00|
2024-01-05T10:00:00.123+02:00|2024-01-05T10:00:00+24:00|2024-01-05T10:00:00+14:00|2024-01-05T10:00:00+02:00:30|2024-01-05T10:00:00 UTC|2024-01-05T10:00:00[UTC]|2024-01-05T24:00:00|
2024-01-05T24:00:01|2024-01-05T23:59:60|2024-01-05T10:00:60|2024-01-05T10:60:00|2024-01-05T25:00:00|2024-02-30T10:00:00|2024-13-01T10:00:00|
20240105T100000|20240105T100000Z|20240105T1000|20240105T10:00:00|2024-01-05T100000|20240105T100000.5|2024-W01-5T10:00:00|2024-W01-1T10:00:00|2024W015T100000|
2024-W01T10:00:00|2024-005T10:00:00|2024005T100000|2024-01T10:00:00|2024T10:00:00|20T10:00:00|T10:00:00|10:00:00T|2024-01-05 T 10:00:00|
2024-01-05T 10:00:00|2024-01-05T10:00:00 | 2024-01-05T10:00:00|2024-01-05TT10:00:00|+2024-01-05T10:00:00|-2024-01-05T10:00:00|
0001-01-01T00:00:00|9999-12-31T23:59:59|9999-12-31T23:59:59.999999|0001-01-01T00:00:00+02:00|9999-12-31T23:59:59-02:00|1700000000|2024-01-05T10:00:00.000000000""",
    "times": """10:00:00|10:00|1:2:3|24:00:00|10:00:00.5|10:00:00Z|10:00 AM|T100000|1h|PT1H|P1D|1 hour""",
    "booleans": """true|TRUE|True|tRuE|false|FALSE|False|t|f|T|F|yes|no|YES|Yes|y|n|Y|N|on|off|0|1|" true "| true|true |"\ttrue"|.true.|'true'|truee|tru|falsch|
"true"|"false"|1.0|True.""",
    "nulls": """|""|null|NULL|Null|nULL|None|none|NONE|nil|n/a|N/A|na|NA|N.A.|'none'|.|..|"."|"null"|"NULL"|" null "| null|null |" "|"   "|
\t|"\t"|"\u00a0"|undefined|NaT|#N/A|-|--|\\N|?|void|''|nan""",
    "texts": """abc| abc|abc |" abc "|"a,b"|"a""b"|a'b|a;b|a\tb|"a\nb"|"a\r\nb"|"a\n\nb"|é|日本|😀|\\|\\n|a\\b|{{ 1 }}|{% raw %}|{# c #}|%s|%(a)s|?|$1|:a|a--b|/* c */|
{"a": 1}|[1]|{}|[]|"{""a"": 1}"|""|"a"|"'"|'|`|@x|=1+1|1 a|a1|id|select|\u0001|\u200b|\ufeff|ß|İ|0xZZ|https://example.com/a?b=c|a@example.com|
00000000-0000-0000-0000-000000000000|127.0.0.1|0123-456|+49 30 123|1,5""",
}
# Several rows, or several columns, of which v is told.
MANY = {
    "ints and empty": "1,,3",
    "ints and null": "1,null,3",
    "ints and NULL": "1,NULL,3",
    "ints and none": "1,none,3",
    "ints and n/a": "1,n/a,3",
    "ints and blank": '1,"  ",3',
    "ints and float": "1,2.5",
    "ints and integral float": "1,2.0",
    "ints and wide": "1,99999999999",
    "wide and null": "99999999999,null",
    "int then date": "1,2024-01-05",
    "date then int": "2024-01-05,1",
    "number then text": "1,a",
    "text then number": "a,1",
    "number then text late": ",".join(["1"] * 300 + ["a"]),
    "date then text": "2024-01-05,a",
    "dates": "2024-01-05,2024-1-6",
    "dates and empty": "2024-01-05,,2024-01-07",
    "dates and null": "2024-01-05,null",
    "date then datetime": "2024-01-05,2024-01-05 10:00:00",
    "datetime then date": "2024-01-05 10:00:00,2024-01-05",
    "date then T": "2024-01-05,2024-01-05T10:00:00",
    "datetime then T": "2024-01-05 10:00:00,2024-01-06T10:00:00",
    "T then datetime": "2024-01-06T10:00:00,2024-01-05 10:00:00",
    "T and offset": "2024-01-06T10:00:00,2024-01-05T10:00:00+02:00",
    "T and offsets": "2024-01-06T10:00:00+01:00,2024-01-05T10:00:00+02:00",
    "T and Z": "2024-01-06T10:00:00,2024-01-05T10:00:00Z",
    "datetime and fraction": "2024-01-05 10:00:00,2024-01-05 10:00:00.5",
    "datetimes and empty": "2024-01-05 10:00:00,,",
    "datetimes and null": "2024-01-05 10:00:00,null",
    "T and null": "2024-01-05T10:00:00,null",
    "bools": "true,False",
    "bools and empty": "true,,false",
    "bools and null": "true,null",
    "bools and t": "true,t",
    "bools and 1": "true,1",
    "bools and yes": "true,yes",
    "1 and bools": "1,true",
    "0 and 1": "0,1",
    "t and f": "t,f",
    "yes and no": "yes,no",
    "all empty": ",,",
    "all null": "null,NULL",
    "empty and null": ",null",
    "blank and empty": '" ",""',
    "text and empty": "a,",
    "text and quoted empty": 'a,""',
    "text and null": "a,null",
    "text and NULL": "a,NULL",
    "text and blanks": 'a,"  "',
    "text with blanks": '" a ",b',
    "percent": "10%,20%",
    "percent and number": "10%,20",
    "dollars": "$1,$2.50",
    "dollars and empty": "$1,",
    "thousands": '"1,000","2,000"',
    "thousands and int": '"1,000",5',
    "leading zeros": "007,010",
    "leading zeros and text": "007,a7",
    "floats": "1.5,2.25",
    "integral floats": "1.0,2.0",
    "float and empty": "1.5,",
    "float and null": "1.5,null",
    "float and nan": "1.5,NaN",
    "int and nan": "1,NaN",
    "int and inf": "1,inf",
    "float and inf": "1.5,inf",
    "exponents": "1e5,1e-5",
    "int and exponent": "1,1e5",
    "int and underscore": "1,1_000",
    "times": "10:00:00,11:00:00",
    "times and empty": "10:00:00,",
    "negative": "-1,--1",
    "quoted ints": '"1","2"',
    "quoted and plain": '"1",2',
    "spaces": '" 1","2 "',
    "json": '"{""a"": 1}","[1, 2]"',
    "int and bool": "1,false",
    "date and bool": "2024-01-05,true",
    "date and time": "2024-01-05,10:00:00",
    "big and small": "1,9223372036854775808",
}
MORE = {
    "a quote": 'v,z\n"""",z\n',
    "v last": "z,v\nz,1\nz,2\n",
    "number, date": "v,z\n1,2024-01-05\n2,2024-01-06\n",
    "date, number": "v,z\n2024-01-05,1\n2024-01-06,2\n",
    "bool, null": "v,z\ntrue,null\n,\n",
    "text, empty": "v,z\na,\nb,\n",
    "v alone": "v\n1\n2\n",
    "v alone text": "v\na\nb\n",
    "v alone, an empty line": "v\na\n\nb\n",
    "v alone, quoted empty": 'v\na\n""\nb\n',
    "no final newline": "v,z\n1,z",
    "no rows": "v,z\n",
    "capital V": "V,z\n1,z\n".replace("V", "v"),
    "three columns": "v,w,x\n1,2024-01-05,true\n2,,\n",
    "crlf ints": "v,z\r\n1,z\r\n2,z\r\n",
    "crlf texts": "v,z\r\na,z\r\nb,z\r\n",
    "crlf last column": "z,v\r\nz,a\r\nz,1\r\n",
    "crlf quoted newline": 'v,z\r\n"a\r\nb",z\r\n',
    "lf quoted crlf": 'v,z\n"a\r\nb",z\n',
    "quoted header": '"v","z"\n1,z\n',
    "rows 1..2000": "v,z\n" + "".join(f"{i},z\n" for i in range(1, 2001)),
}
# All columns are told. Of a dict: the csv and the seed's config.
SHAPES = {
    "two equal": "id,id\n1,2\n3,4\n",
    "two equal, other types": "id,id\n1,a\n3,b\n",
    "three equal": "id,id,id\n1,2,3\n",
    "equal and taken": "id,id,id_2\n1,2,3\n",
    "taken, then equal": "id_2,id,id\n1,2,3\n",
    "equal but for case": "id,ID\n1,2\n",
    "equal but for blanks": "id,id \n1,2\n",
    "empty header": "id,,name\n1,2,3\n",
    "empty first": ",id,name\n1,2,3\n",
    "empty last": "id,name,\n1,2,3\n",
    "two empty": "id,,,name\n1,2,3,4\n",
    "all empty header": ",,\n1,2,3\n",
    "empty header and b": "b,,c\n1,2,3\n",
    "empty quoted header": 'id,"",name\n1,2,3\n',
    "blank header": 'id," ",name\n1,2,3\n',
    "blanks around": " id , name \n1,a\n",
    "blanks around, quoted": '" id "," name "\n1,a\n',
    "blank within": "first name,last name\n1,a\n",
    "tab around": "\tid,name\t\n1,a\n",
    "capitals": "Id,NAME\n1,a\n",
    "keyword": "select,from\n1,a\n",
    "quote in the header": '"a""b",c\n1,2\n',
    "comma in the header": '"a,b",c\n1,2\n',
    "newline in the header": '"a\nb",c\n1,2\n',
    "digits": "1,2\n3,4\n",
    "dot": "a.b,c-d\n1,2\n",
    "unicode": "naïve,日本\n1,2\n",
    "jinja": "{{ a }},b\n1,2\n",
    "percent": "a%,b\n1,2\n",
    "short row": "a,b,c\n1,2,3\n4,5\n",
    "short row first": "a,b,c\n4,5\n1,2,3\n",
    "short row of texts": "a,b,c\nx,y,z\nx,y\n",
    "short row of one": "a,b,c\n1,2,3\n4\n",
    "short row only": "a,b,c\n4,5\n",
    "long row": "a,b\n1,2\n3,4,5\n",
    "long row first": "a,b\n3,4,5\n1,2\n",
    "long row, empty": "a,b\n1,2\n3,4,\n",
    "long row, all": "a,b\n1,2,3\n4,5,6\n",
    "blank line in the middle": "a,b\n1,2\n\n3,4\n",
    "blank lines in the middle": "a,b\n1,2\n\n\n3,4\n",
    "blank line at the end": "a,b\n1,2\n\n",
    "blank lines at the end": "a,b\n1,2\n\n\n\n",
    "blank line in the middle and at the end": "a,b\n1,2\n\n3,4\n\n",
    "blank line after the header": "a,b\n\n1,2\n",
    "blank line first": "\na,b\n1,2\n",
    "blanks in a line": "a,b\n1,2\n  \n3,4\n",
    "commas in a line": "a,b\n1,2\n,\n3,4\n",
    "blank line, texts": "a,b\nx,y\n\nz,w\n",
    "blank line, one column": "a\n1\n\n3\n",
    "blank line at the end, one column": "a\n1\n2\n\n",
    "blank line, crlf": "a,b\r\n1,2\r\n\r\n3,4\r\n",
    "header only": "a,b\n",
    "header only, no newline": "a,b",
    "empty file": "",
    "a newline only": "\n",
    "blanks only": "   \n",
    "bom": "\ufeffa,b\n1,2\n",
    "bom, quoted": '\ufeff"a","b"\n1,2\n',
    "bom, crlf": "\ufeffa,b\r\n1,x\r\n",
    "crlf": "a,b\r\n1,x\r\n2,y\r\n",
    "cr": "a,b\r1,x\r2,y\r",
    "mixed newlines": "a,b\r\n1,x\n2,y\r\n",
    "no final newline": "a,b\n1,x",
    "quoted newline": 'a,b\n"x\ny",1\nz,2\n',
    "quoted crlf": 'a,b\n"x\r\ny",1\nz,2\n',
    "quoted newline, crlf": 'a,b\r\n"x\ny",1\r\nz,2\r\n',
    "quoted blank line": 'a,b\n"x\n\ny",1\n',
    "quoted comma": 'a,b\n"x,y",1\n',
    "doubled quotes": 'a,b\n"x""y",1\n',
    "backslash quote": 'a,b\n"x\\"y",1\n',
    "quote inside": 'a,b\nx"y,1\n',
    "quote unclosed": 'a,b\n"x,1\ny,2\n',
    "text after a quote": 'a,b\n"x"y,1\n',
    "single quotes": "a,b\n'x,1',2\n",
    "comment line": "a,b\n# c,1\nx,2\n",
    "nul": "a,b\nx\u0000y,1\n",
    "one column": "a\n1\n2\n",
    "one column, one value": "a\nx\n",
    "semicolons": "a;b\n1;2\n",
    "tabs": "a\tb\n1\t2\n",
    "semicolons, delimiter": {"csv": "a;b\n1;2,5\n", "delimiter": ";"},
    "tabs, delimiter": {"csv": "a\tb\n1\t2\n", "delimiter": "\t"},
    "pipes, delimiter": {"csv": "a|b\n1|x\n", "delimiter": "|"},
    "commas, delimiter": {"csv": "a,b\n1,x\n", "delimiter": ";"},
    "number, date, bool, text, empty": "n,d,b,t,e,ts\n1,2024-01-05,true,a,,2024-01-05 10:00:00\n2,2024-01-06,false,b,,2024-01-05 11:00:00\n",
    "one of each, then empty": "n,d,b,t,ts\n1,2024-01-05,true,a,2024-01-05 10:00:00\n,,,,\n",
    "column_types of all": {"csv": "a,b\n1,2\n", "column_types": {"a": "text", "b": "text"}},
    "column_types of one": {"csv": "a,b\n1,2\n", "column_types": {"a": "text"}},
    "column_types of the other": {"csv": "a,b\n007,x\n", "column_types": {"a": "varchar(10)"}},
    "column_types of an absent one": {"csv": "a,b\n1,2\n", "column_types": {"id": "integer", "a": "text"}},
    "column_types of absent ones": {"csv": "a,b\n1,2\n", "column_types": {"id": "integer", "c": "nonsense"}},
    "column_types, other case": {"csv": "a,b\n1,2\n", "column_types": {"A": "text"}},
    "column_types, other case of a capital": {"csv": "A,b\n1,2\n", "column_types": {"a": "text"}},
    "column_types bigint": {"csv": "a,b\n99999999999,2\n", "column_types": {"a": "bigint"}},
    "column_types numeric": {"csv": "a,b\n1.50,2\n", "column_types": {"a": "numeric(10,3)"}},
    "column_types date": {"csv": "a,b\n2024-01-05,2\n", "column_types": {"a": "date"}},
    "column_types timestamp of a date": {"csv": "a,b\n2024-01-05,2\n", "column_types": {"a": "timestamp"}},
    "column_types timestamp with blanks": {"csv": "a,b\n2024-01-05 10:00:00.5,2\n", "column_types": {"a": "timestamp"}},
    "column_types timestamptz": {"csv": "a,b\n2024-01-05 10:00:00,2\n", "column_types": {"a": "timestamp without time zone"}},
    "column_types boolean of 1": {"csv": "a,b\n1,2\n0,3\n", "column_types": {"a": "boolean"}},
    "column_types boolean of t": {"csv": "a,b\nt,2\nf,3\n", "column_types": {"a": "boolean"}},
    "column_types integer of a text": {"csv": "a,b\nx,2\n", "column_types": {"a": "integer"}},
    "column_types integer of an empty": {"csv": "a,b\n,2\n1,3\n", "column_types": {"a": "integer"}},
    "column_types integer of null": {"csv": "a,b\nnull,2\n1,3\n", "column_types": {"a": "integer"}},
    "column_types text of null": {"csv": "a,b\nnull,2\nx,3\n", "column_types": {"a": "text"}},
    "column_types text of empties": {"csv": 'a,b\n,2\n"",3\n', "column_types": {"a": "text"}},
    "column_types text of blanks": {"csv": 'a,b\n" x ",2\n" ",3\n', "column_types": {"a": "text"}},
    "column_types text of a bool": {"csv": "a,b\nTrue,2\n", "column_types": {"a": "text"}},
    "column_types text of a float": {"csv": "a,b\n1.50,2\n1e5,3\n", "column_types": {"a": "text"}},
    "column_types json": {"csv": 'a,b\n"{""k"": 1}",2\n', "column_types": {"a": "json"}},
    "column_types unknown": {"csv": "a,b\n1,2\n", "column_types": {"a": "nonsense"}},
    "column_types empty": {"csv": "a,b\n1,2\n", "column_types": {"a": ""}},
    "column_types none": {"csv": "a,b\n1,2\n", "column_types": {}},
    "column_types of a blank header": {"csv": "a b,c\n1,2\n", "column_types": {"a b": "text"}},
    "column_types of a renamed one": {"csv": "id,id\n1,2\n", "column_types": {"id_2": "text"}},
    "column_types of equal ones": {"csv": "id,id\n1,2\n", "column_types": {"id": "text"}},
    "column_types of a named one": {"csv": "id,,name\n1,2,3\n", "column_types": {"b": "text"}},
    "column_types description": {"csv": "description,b\n1,2\n", "column_types": {"description": "text"}},
    "column_types from Jinja": {"csv": "a,b\n1,2\n", "column_types": {"a": "{{ 'text' }}"}},
    "quote_columns false": {"csv": "Id,b\n1,2\n", "quote_columns": False},
    "quote_columns true": {"csv": "Id,b\n1,2\n", "quote_columns": True},
    "quote_columns false, blank": {"csv": "a b,c\n1,2\n", "quote_columns": False},
    "quote_columns false, keyword": {"csv": "select,c\n1,2\n", "quote_columns": False},
    "quote_columns false, blanks around": {"csv": " id , name \n1,a\n", "quote_columns": False},
    "enabled false": {"csv": "a,b\n1,2\n", "enabled": False},
    "tags": {"csv": "a,b\n1,2\n", "tags": ["x"]},
}


def cases():
    values = []
    for group, text in ONE.items():
        for raw in text.replace("|\n", "|").split("|"):
            values.append((f"{group}: {raw}", f"v,z\n{raw},z\n", {}))
    for name, row in MANY.items():
        fields = re.findall(r'("(?:[^"]|"")*"|[^,]*)(?:,|$)', row + ",")[:-1]
        values.append(("rows: " + name, "v,z\n" + "".join(f + ",z\n" for f in fields), {}))
    for name, csv in MORE.items():
        values.append(("files: " + name, csv, {}))
    shapes = []
    for name, what in SHAPES.items():
        config = dict(what) if isinstance(what, dict) else {"csv": what}
        shapes.append((name, config.pop("csv"), config))
    seen, out = set(), []
    for kind, cs in (("values", values), ("shapes", shapes)):
        for name, csv, config in cs:
            if kind == "values" and (csv in seen or name in seen):
                continue
            seen |= {csv, name}
            out.append({"kind": kind, "name": name, "csv": csv, "config": config, "seed": f"s{len(out):04}"})
    return out


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(text)


def dbt(engine, folder, all_cases):
    """Loads all seeds; what run_results say of each."""
    env = lambda name: os.environ["STRATA_TEST_PG_" + name]
    output = (
        {"type": "duckdb", "path": os.path.join(folder, "w.duckdb"), "schema": "main", "threads": 1}
        if engine == "duckdb"
        else {
            "type": "postgres", "host": env("HOST"), "port": int(env("PORT")), "user": env("USER"), "pass": env("PASSWORD"),
            "dbname": env("DATABASE"), "schema": "dbt_seeds", "threads": 2,
        }
    )
    write(folder + "/profiles.yml", json.dumps({"p": {"target": "t", "outputs": {"t": output}}}))
    write(folder + "/dbt_project.yml", json.dumps({"name": "p", "version": "1.0", "profile": "p", "config-version": 2}))
    seeds = []
    for c in all_cases:
        write(f"{folder}/seeds/{c['seed']}.csv", c["csv"])
        if c["config"]:
            seeds.append({"name": c["seed"], "config": c["config"]})
    write(folder + "/seeds/seeds.yml", json.dumps({"version": 2, "seeds": seeds}))
    done = subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "--no-use-colors", "seed", "--no-send-anonymous-usage-stats", "--quiet"],
        cwd=folder, env={**os.environ, "DBT_PROFILES_DIR": folder, "PGTZ": "UTC"}, capture_output=True, text=True,
    )
    try:
        with open(folder + "/target/run_results.json") as f:
            return {r["unique_id"].split(".")[-1]: r for r in json.load(f)["results"]}
    except FileNotFoundError:
        raise SystemExit(f"{engine}: no results\n{done.stdout}\n{done.stderr}")


def read(engine, folder, all_cases, results):
    if engine == "duckdb":
        import duckdb

        con = duckdb.connect(folder + "/w.duckdb", read_only=True)
        run, schema, row = (lambda sql: con.execute(sql).fetchall()), "main", "rowid"
    else:
        con = connect()
        cur = con.cursor()
        run, schema, row = (lambda sql: (cur.execute(sql), cur.fetchall())[1]), "dbt_seeds", "ctid"
    quote = lambda name: '"' + name.replace('"', '""') + '"'
    columns = {}
    for table, column, kind in run(
        "select table_name, column_name, data_type from information_schema.columns "
        f"where table_schema = '{schema}' order by table_name, ordinal_position"
    ):
        columns.setdefault(table, []).append((column, kind))
    for c in all_cases:
        seed, result = c["seed"], results.get(c["seed"])
        if result is None:
            c[engine] = None
            continue
        if result["status"] != "success":
            message = result["message"].replace(os.path.realpath(folder), "").replace(folder, "").replace(seed, "SEED")
            c[engine] = {"error": True} if c["kind"] == "values" else {"error": message}
            continue
        cols = [x for x in columns.get(seed, []) if c["kind"] == "shapes" or x[0] == "v"]
        select = ", ".join(f"cast({quote(name)} as text)" for name, _ in cols)
        if not cols:  # a table without columns, or none at all: dbt says "success" of both
            exists = run(f"select count(*) from information_schema.tables where table_schema = '{schema}' and table_name = '{seed}'")
            c[engine] = {"columns": [], "rows": [], "exists": exists[0][0] == 1}
            continue
        rows = run(f"select {select} from {schema}.{seed} order by {row}")
        if c["kind"] == "shapes":
            c[engine] = {"columns": [list(x) for x in cols], "rows": [list(r) for r in rows]}
        else:
            c[engine] = {"type": cols[0][1], "rows": [r[0] for r in rows]}
    con.close()


def connect():
    import psycopg2

    env = lambda name: os.environ["STRATA_TEST_PG_" + name]
    con = psycopg2.connect(
        host=env("HOST"), port=env("PORT"), user=env("USER"), password=env("PASSWORD"), dbname=env("DATABASE")
    )
    con.autocommit = True
    return con


def main():
    all_cases = cases()
    con = connect()
    for engine in ("duckdb", "postgres"):
        with tempfile.TemporaryDirectory() as folder:
            con.cursor().execute("drop schema if exists dbt_seeds cascade")
            read(engine, folder, all_cases, dbt(engine, folder, all_cases))
    con.cursor().execute("drop schema if exists dbt_seeds cascade")
    con.close()
    with open(sys.argv[1] if len(sys.argv) > 1 else "seeds.json", "w", encoding="utf-8") as f:
        f.write("{\n")
        for n, kind in enumerate(("values", "shapes")):
            f.write((",\n" if n else "") + json.dumps(kind) + ": [\n")
            lines = []
            for c in all_cases:
                if c["kind"] == kind:
                    keys = ["name", "csv"] + (["config"] if c["config"] else []) + ["duckdb", "postgres"]
                    lines.append(" " + json.dumps({k: c[k] for k in keys}, ensure_ascii=True))
            f.write(",\n".join(lines) + "\n]")
        f.write("\n}\n")


if __name__ == "__main__":
    main()
