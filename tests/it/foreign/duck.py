"""DuckDB over the file of a feed: what it folds to is what `export` says.

    duck.py FEED EXPORT    (FEED may be a pattern, and files may be compressed)
"""

import json
import sys

try:
    import duckdb
except ImportError:
    sys.exit(77)

feed, export = sys.argv[1:]
rows = duckdb.execute(
    """
    SELECT arg_max(after, sequence)
    FROM (SELECT after, source.item AS item, source.sequence AS sequence, op
        FROM read_ndjson(?, maximum_object_size = 67108864, columns = {
            op: 'VARCHAR', after: 'JSON', source: 'STRUCT(item BIGINT, sequence BIGINT)'}))
    GROUP BY item HAVING arg_max(op, sequence) <> 'd' ORDER BY item
    """,
    [feed],
).fetchall()
found = [row[0] for row in rows]
expected = open(export, encoding="utf-8").read().split("\n")[:-1]
assert len(found) == len(expected), (len(found), len(expected))
for one, other in zip(found, expected):
    # It spells letters and numbers its own way.
    assert json.loads(one) == json.loads(other), (one, other)
print("%d items" % len(found))
