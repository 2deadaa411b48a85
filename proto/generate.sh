#!/bin/sh
# generate.sh PROTOC ROOT FILE OUTDIR: protobuf-c sources of FILE, flat in OUTDIR, as meson wants its outputs.
set -eu
protoc=$1 root=$2 file=$(realpath "$3") out=$4
work=$(mktemp -d "$out/gen.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$protoc" -I"$(realpath "$root")" --c_out="$work" "$file"
for made in $(find "$work" -name '*.pb-c.[ch]'); do
	sed -E 's|#include "coracle/[a-z0-9/]*/([a-z]+\.pb-c\.h)"|#include "\1"|' "$made" > "$out/$(basename "$made")"
done
