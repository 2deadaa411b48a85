#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# initramfs.sh INIT OUT: an uncompressed newc archive (Documentation/driver-api/early-userspace/buffer-format.rst of Linux) with INIT as
# /init and nothing else. Unpacking compressed bytes would cost the guest more than reading plain ones.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$1" "$work/init"
touch -d @0 "$work/init"
(cd "$work" && echo init | cpio --quiet --reproducible -R 0:0 -o -H newc) >"$2"
