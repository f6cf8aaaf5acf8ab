#!/usr/bin/env bash
# Prints what the program is made of, as CycloneDX 1.6: each crate that is linked into it, with
# version, licence and the checksum of its source, who needs whom, and the SQLite inside; with Kafka the
# librdkafka, too. The same sources give the same text. Asks cargo and reads Cargo.lock; needs nothing
# beside them. Arguments, such as `--features kafka`, are handed on to cargo.
set -euo pipefail
cd "$(dirname "$0")/.."

# When this version was released.
released=$(sed -n 's/^## \[[0-9][^]]*\] - //p' CHANGELOG.md | head -n 1)
timestamp=${released}T00:00:00Z

# The SQLite that libsqlite3-sys carries along.
bundled=$(cargo metadata --locked --format-version 1 |
    grep -o '"manifest_path":"[^"]*/libsqlite3-sys-[^"]*/Cargo\.toml"' | cut -d '"' -f 4)
sqlite=$(sed -n 's/^#define SQLITE_VERSION  *"\(.*\)"$/\1/p' \
    "${bundled%/Cargo.toml}/sqlite3/sqlite3.h")

cargo tree --locked --edges normal,no-proc-macro --no-dedupe --prefix depth \
    --format '|{p}|{l}|' "$@" |
    awk -F '|' -v timestamp="$timestamp" -v sqlite="$sqlite" '
        # A licence as SPDX has it: a slash was once an "or".
        function expression(licence) {
            gsub(/ *\/ */, " OR ", licence)
            return licence
        }
        function purl(name, version) {
            gsub(/\+/, "%2B", version)
            return "pkg:cargo/" name "@" version
        }
        function text(value) {
            gsub(/["\\]/, "\\\\&", value)
            return "\"" value "\""
        }
        # What every component has, but for its closing brace.
        function component(kind, ref, name, version, licence) {
            printf "{\"type\": %s, \"bom-ref\": %s, \"name\": %s, \"version\": %s, ",
                text(kind), text(ref), text(name), text(version)
            printf "\"licenses\": [{\"expression\": %s}], \"purl\": %s",
                text(expression(licence)), text(ref)
        }
        FILENAME == "Cargo.lock" {
            split($0, quoted, "\"")
            if (/^name = /) locked = quoted[2]
            if (/^version = /) locked = locked " " quoted[2]
            if (/^checksum = /) checksums[locked] = quoted[2]
            next
        }
        {
            split($2, words, " ")
            name = words[1]
            version = substr(words[2], 2)
            ref = purl(name, version)
            path[$1 + 0] = ref
            if (!(ref in names)) {
                order[count++] = ref
                names[ref] = name
                versions[ref] = version
                licences[ref] = $3
            }
            above = $1 > 0 ? path[$1 - 1] : ""
            if (above != "" && !((above, ref) in edges)) {
                edges[above, ref] = 1
                needs[above] = needs[above] (needs[above] == "" ? "" : ", ") text(ref)
            }
        }
        END {
            own = order[0]
            printf "{\n\"bomFormat\": \"CycloneDX\",\n\"specVersion\": \"1.6\",\n\"version\": 1,\n"
            printf "\"metadata\": {\"timestamp\": %s, \"component\": ", text(timestamp)
            component("application", own, names[own], versions[own], licences[own])
            printf "}},\n\"components\": [\n"
            for (i = 1; i < count; i++) {
                ref = order[i]
                checksum = checksums[names[ref] " " versions[ref]]
                if (checksum == "") {
                    print "no checksum of " ref " in Cargo.lock" > "/dev/stderr"
                    exit 1
                }
                component("library", ref, names[ref], versions[ref], licences[ref])
                printf ", \"hashes\": [{\"alg\": \"SHA-256\", \"content\": %s}]},\n", text(checksum)
                if (names[ref] == "libsqlite3-sys") {
                    needs[ref] = needs[ref] (needs[ref] == "" ? "" : ", ") \
                        text("pkg:generic/sqlite@" sqlite)
                }
                # The version of the library stands behind that of its crate.
                if (names[ref] == "rdkafka-sys" && split(versions[ref], halves, "+") == 2) {
                    librdkafka = "pkg:generic/librdkafka@" halves[2]
                    needs[ref] = needs[ref] (needs[ref] == "" ? "" : ", ") text(librdkafka)
                    component("library", librdkafka, "librdkafka", halves[2], "BSD-2-Clause")
                    printf ", \"cpe\": %s},\n",
                        text("cpe:2.3:a:confluent:librdkafka:" halves[2] ":*:*:*:*:*:*:*")
                }
            }
            component("library", "pkg:generic/sqlite@" sqlite, "sqlite", sqlite, "blessing")
            printf ", \"cpe\": %s}\n],\n\"dependencies\": [\n",
                text("cpe:2.3:a:sqlite:sqlite:" sqlite ":*:*:*:*:*:*:*")
            for (i = 0; i < count; i++) {
                printf "{\"ref\": %s, \"dependsOn\": [%s]}%s\n", text(order[i]), needs[order[i]],
                    i < count - 1 ? "," : ""
            }
            print "]\n}"
        }
    ' Cargo.lock -
