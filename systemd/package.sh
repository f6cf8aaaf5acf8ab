#!/usr/bin/env bash
# Makes the Debian package, in target/debian, and looks at it with lintian.
# Needs cargo-deb and lintian. An argument is the revision of the package, 1 without one.
set -euo pipefail
cd "$(dirname "$0")/.."

revision=${1:-1}
made=target/package
ewmirror=target/release/ewmirror

# CHANGELOG.md as Debian wants it: one entry a version, its points below it.
changelog() {
    awk -v revision="$revision" -v maintainer="$(maintainer)" '
        function end() {
            if (date != "") {
                command = "date --utc --rfc-email --date=" date
                command | getline long
                close(command)
                printf "\n -- %s  %s\n\n", maintainer, long
            }
        }
        /^## \[[0-9]/ {
            end()
            version = $2
            gsub(/[][]/, "", version)
            date = $4
            printf "ewmirror (%s-%s) stable; urgency=medium\n\n", version, revision
            next
        }
        date != "" && /^- / { sub(/^- /, ""); print "  * " $0 }
        date != "" && /^  [^ ]/ { print "  " $0 }
        END { end() }
    ' CHANGELOG.md
}

maintainer() {
    sed -n 's/^maintainer = "\(.*\)"$/\1/p' Cargo.toml
}

cargo build --release --locked
mkdir -p "$made"
"$ewmirror" man > "$made/ewmirror.1"
"$ewmirror" man ewmirror.toml > "$made/ewmirror.toml.5"
for shell in bash zsh fish; do
    "$ewmirror" completions "$shell" > "$made/ewmirror.$shell"
done
changelog > "$made/changelog"

package=$(cargo deb --locked --no-build --deb-revision "$revision")
lintian --fail-on error,warning --no-tag-display-limit --tag-display-limit 0 "$package" >&2
printf '%s\n' "$package"
