# shellcheck shell=bash
# What every script of the lab shares: where things are, and how it says that something is missing.

lab=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # used by the scripts that source this file
checkout=$(cd -- "$lab/../.." && pwd)
cache=${RISER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/riser}/lab
mkdir -p -- "$cache"
cache=$(cd -- "$cache" && pwd)

say() { printf 'lab: %s\n' "$*" >&2; }
die() { say "$*"; exit 125; }

# need TOOL PACKAGE: the host's tool, or the Debian package that brings it.
need() { command -v "$1" >/dev/null || die "'$1' is missing on this machine; install the package '$2'."; }

# Programs out of the cache run with the cache's own libraries, so that the host's need not match:
# cached PROGRAM NAME ARGUMENT... (kmod is many programs, told apart by their name).
cached() {
    local program=$1 name=$2 root=$cache/root; shift 2
    exec "$root/lib64/ld-linux-x86-64.so.2" --argv0 "$name" \
        --library-path "$root/lib/x86_64-linux-gnu:$root/usr/lib/x86_64-linux-gnu" "$root/$program" "$@"
}
