#!/usr/bin/env bash
# Makes the Debian package, in target/package, and looks at it with lintian. The same sources give
# the same package. Needs cargo-deb and lintian. The first argument is the revision of the package, 1
# without one; with a second one, `kafka`, it is the package ewmirror-kafka, which delivers to Kafka
# as well and needs make, pkg-config and libssl-dev; with `rpm` it is the package for systems with rpm, which
# has the same files, and needs rpmbuild instead.
set -euo pipefail
# Files in the package are readable by everybody, no matter who makes it.
umask 022
cd "$(dirname "$0")/.."

revision=${1:-1}
kind=${2:-}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p;T;q' Cargo.toml)
name=ewmirror
features=()
variant=()
if [ "$kind" = kafka ]; then
    name=ewmirror-kafka
    features=(--features kafka)
    variant=(--variant kafka)
fi
made=target/package
ewmirror=target/dist/ewmirror

# CHANGELOG.md as Debian wants it: one entry a version, its points below it.
changelog() {
    awk -v name="$name" -v revision="$revision" -v maintainer="$(maintainer)" -v width=78 '
        # The point in hand, broken into lines; nothing of what is not released yet.
        function point(    count, i, line, words) {
            if (date == "") { text = ""; return }
            count = split(text, words, " ")
            line = "  *"
            for (i = 1; i <= count; i++) {
                if (length(line) + 1 + length(words[i]) > width) {
                    print line
                    line = "   "
                }
                line = line " " words[i]
            }
            if (count > 0) print line
            text = ""
        }
        function entry(    command, long) {
            point()
            if (date == "") return
            command = "date --utc --rfc-email --date=" date
            command | getline long
            close(command)
            printf "\n -- %s  %s\n\n", maintainer, long
        }
        /^## \[[0-9]/ {
            entry()
            version = substr($2, 2, length($2) - 2)
            date = $4
            printf "%s (%s-%s) stable; urgency=medium\n\n", name, version, revision
            next
        }
        /^- / { point(); text = substr($0, 3); next }
        /^  [^ ]/ { text = text " " $0; next }
        { point() }
        END { entry() }
    ' CHANGELOG.md
}

maintainer() {
    sed -n 's/^maintainer = "\(.*\)"$/\1/p' Cargo.toml
}

# Nothing in the package is younger than the release.
released=$(sed -n 's/^## \[[0-9][^]]*\] - //p' CHANGELOG.md | head -n 1)
SOURCE_DATE_EPOCH=$(date --utc --date="$released" +%s)
export SOURCE_DATE_EPOCH

systemd/build.sh dist "${features[@]}"
mkdir -p "$made"
"$ewmirror" man > "$made/ewmirror.1"
"$ewmirror" man ewmirror.toml > "$made/ewmirror.toml.5"
for shell in bash zsh fish; do
    "$ewmirror" completions "$shell" > "$made/ewmirror.$shell"
done
changelog > "$made/changelog"
systemd/sbom.sh "${features[@]}" > "$made/ewmirror.cdx.json"

# The files of the Debian package, as Cargo.toml lists them: source, destination and mode.
listed() {
    sed -n '/^\[package\.metadata\.deb\]$/,/^\]$/s/^    \["\(.*\)", "\(.*\)", "\(.*\)"\],$/\1 \2 \3/p' Cargo.toml
    # Debian has these otherwise.
    echo "LICENSE-APACHE usr/share/licenses/ewmirror/ 644"
    echo "LICENSE-MIT usr/share/licenses/ewmirror/ 644"
    echo "CHANGELOG.md usr/share/doc/ewmirror/ 644"
}

# Lays the files out below target/package/rpm/files, and lists them for rpmbuild.
lay_out() {
    local source destination mode kind
    while read -r source destination mode; do
        case $source in
            target/release/*) source=$ewmirror ;;
            systemd/debian/*) continue ;;
        esac
        case $destination in */) destination+=${source##*/} ;; esac
        destination=${destination/zsh\/vendor-completions/zsh\/site-functions}
        install -D --mode="$mode" "$source" "$1/$destination"
        case $destination in
            etc/*) kind='%config(noreplace) ' ;;
            usr/share/doc/*) kind='%doc ' ;;
            usr/share/licenses/*) kind='%license ' ;;
            *) kind= ;;
        esac
        printf '%s%%attr(%s,root,root) "/%s"\n' "$kind" "$mode" "$destination"
    done < <(listed)
    printf '%%dir %%attr(755,root,root) "/%s"\n' \
        etc/ewmirror usr/share/{doc/ewmirror,doc/ewmirror/docs,doc/ewmirror/examples,licenses/ewmirror}
}

if [ "$kind" = rpm ]; then
    rm -rf "$made/rpm"
    mkdir -p "$made/rpm"
    lay_out "$made/rpm/files" > "$made/rpm/listed"
    rpmbuild -bb --quiet --define "_topdir $PWD/$made/rpm" --define "_rpmdir $PWD/$made" \
        --define "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" \
        --define "version $version" --define "revision $revision" \
        --define "laid_out $PWD/$made/rpm/files" --define "listed $PWD/$made/rpm/listed" systemd/ewmirror.spec >&2
    printf '%s\n' "$PWD/$made/ewmirror-$version-$revision.$(uname -m).rpm"
    exit
fi

package=$(cargo deb --locked --no-build --profile dist "${variant[@]}" --deb-revision "$revision" --output "$made/")
lintian --fail-on error,warning --tag-display-limit 0 --allow-root "$package" >&2
printf '%s\n' "$package"
