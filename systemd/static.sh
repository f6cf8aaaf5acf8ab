#!/usr/bin/env bash
# Makes target/static/ewmirror: the program as one static binary (musl), which runs on any Linux of this
# processor, whatever its C library, and beside it what a container made from nothing needs beside the
# program (systemd/container/Containerfile). Needs musl-gcc (Debian: musl-tools) and Rust's standard library
# for musl, which it asks rustup for, and takes the certificates of this machine (ca-certificates).
# The first argument is the profile of cargo, `dist` without one.
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."

profile=${1:-dist}
folder=$profile
if [ "$profile" = dev ]; then folder=debug; fi
made=target/static
certificates=/etc/ssl/certs/ca-certificates.crt
processor=$(rustc --version --verbose | sed -n 's/^host: \([^-]*\)-.*/\1/p')
target=$processor-unknown-linux-musl

for needed in "$(rustc --print sysroot)/lib/rustlib/$target" "$certificates"; do
    if [ -e "$needed" ]; then continue; fi
    if [ "$needed" = "$certificates" ] || ! rustup target add "$target"; then
        echo "$needed is not there" >&2
        exit 1
    fi
done

systemd/build.sh "$profile" --target "$target"
rm -rf "$made"
mkdir -p "$made"/root/{etc/ewmirror,run/ewmirror,tmp,var/lib/ewmirror}
cp "target/$target/$folder/ewmirror" "$made/ewmirror"
cp "$certificates" "$made/ca-certificates.crt"
# A name for the account, for who looks at processes and files in the container.
echo 'ewmirror:x:65532:65532:ewmirror:/var/lib/ewmirror:/nonexistent' > "$made/passwd"
echo 'ewmirror:x:65532:' > "$made/group"
# Folders with owner and mode, which no COPY of an empty folder keeps.
folders() {
    tar --directory "$made/root" --file "$made/folders.tar" --append --no-recursion --format=ustar \
        --numeric-owner --mtime=@0 --owner="$1" --group="$1" --mode="$2" "${@:3}"
}
folders 0 755 etc etc/ewmirror run var var/lib
folders 0 1777 tmp
folders 65532 700 run/ewmirror var/lib/ewmirror
rm -r "$made/root"
echo "$made/ewmirror"
