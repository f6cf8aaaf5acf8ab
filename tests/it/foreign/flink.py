"""Flink's own reader of `debezium-json` over the file of a feed: its table is what `export` says.

    flink.py FEED EXPORT    (FEED is a file or a folder of them)
"""

import json
import os
import shutil
import sys

# No function of Python runs inside Flink, so nothing is started for any.
os.environ["_python_worker_execution_mode"] = "process"
try:
    from pyflink.table import EnvironmentSettings, TableEnvironment
except ImportError:
    sys.exit(77)
if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
    sys.exit(77)

feed, export = sys.argv[1:]
items = {}
for line in open(export, encoding="utf-8"):
    item = json.loads(line)
    items[item["itemId"]] = item
# A member that is an object or a list comes as its text.
columns = sorted({name for item in items.values() for name in item})
plain = [
    name
    for name in columns
    if not any(isinstance(item.get(name), (dict, list, bool, float)) for item in items.values())
]

quoted = {name: "`" + name.replace("`", "``") + "`" for name in plain}
environment = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
for key, value in {
    "parallelism.default": "1",
    # One row for each group at the end, in place of one for each change.
    "table.exec.mini-batch.enabled": "true",
    "table.exec.mini-batch.allow-latency": "1 h",
    "table.exec.mini-batch.size": "10000000",
}.items():
    environment.get_config().set(key, value)
environment.execute_sql(
    "CREATE TABLE feed (%s) WITH ('connector' = 'filesystem', 'path' = 'file://%s', "
    "'format' = 'debezium-json')"
    % (", ".join(quoted[name] + " STRING" for name in plain), feed)
)
query = (
    "SELECT g, LISTAGG(item, '\x1e') FROM (SELECT MOD(CAST(`itemId` AS BIGINT), 64) AS g, "
    "JSON_ARRAY(%s NULL ON NULL) AS item FROM feed) GROUP BY g"
    % ", ".join(quoted[name] for name in plain)
)
groups = {}
with environment.execute_sql(query).collect() as rows:
    for row in rows:
        groups[row[0]] = row[1]
found = {}
for group in groups.values():
    for text in group.split("\x1e"):
        item = dict(zip(plain, json.loads(text)))
        assert item["itemId"] not in found, "item %s is there twice" % item["itemId"]
        found[item["itemId"]] = item


def as_text(value):
    return value if value is None or isinstance(value, str) else str(value)


expected = {
    str(id): {name: as_text(item.get(name)) for name in plain} for id, item in items.items()
}
for id in sorted(set(found) | set(expected)):
    assert found.get(id) == expected.get(id), (found.get(id), expected.get(id))
print("%d items of %d members of %d" % (len(found), len(plain), len(columns)))
