#!/usr/bin/env bash
# Makes the program that packages carry, target/PROFILE/ewmirror: the same bytes in any folder, for any user,
# with any cargo home, at any time, from the same sources by the same compilers
# (`tests/reproducible` compares). The first argument is the profile of cargo, `dist` without one; the others
# are handed on to cargo.
set -euo pipefail
cd "$(dirname "$0")/.."

# What would tell one build from another is where things lie: rustc writes paths into panics, a C
# compiler into what asserts. Each folder gets a name that is the same everywhere.
commit=$(rustc --version --verbose | sed -n 's/^commit-hash: //p')
folders=(
    "$(rustc --print sysroot)/lib/rustlib/src/rust=/rustc/$commit"
    "${CARGO_HOME:-$HOME/.cargo}=/cargo"
    "$PWD=/ewmirror"
)

separator=$'\x1f'
CARGO_ENCODED_RUSTFLAGS=$(printf -- "--remap-path-prefix=%s$separator" "${folders[@]}")
export CARGO_ENCODED_RUSTFLAGS=${CARGO_ENCODED_RUSTFLAGS%"$separator"}
export CC_SHELL_ESCAPED_FLAGS=1
CFLAGS="${CFLAGS:-} $(printf -- '-ffile-prefix-map=%q ' "${folders[@]}")"
export CFLAGS

exec cargo build --profile "${1:-dist}" --locked "${@:2}"
