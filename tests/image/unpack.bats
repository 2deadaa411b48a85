# What we make of layers is what umoci makes of them.

bats_require_minimum_version 1.5.0
load ../lib

setup_file() {
	PATH+=:/usr/sbin:/sbin # e2fsprogs
	roots >/dev/null
	build=${CORACLE_BUILD:-$top/build}
	export CORACLE=$build/coracle tree_list=$build/tests/image/tree_list
	mkdir "$WORK/layers"
	cd "$WORK/layers"
	"$BATS_TEST_DIRNAME/everything-layers" .
	gzip -nk one.tar two.tar three.tar
	zstd -q three.tar
	# umoci has no zstd.
	"$top/scripts/oci-image" everything:mixed sh one.tar two.tar.gz three.tar.zst >../mixed.tar
	"$top/scripts/oci-image" everything:gzip sh one.tar.gz two.tar.gz three.tar.gz >../gzip.tar
}

teardown_file() {
	nothing_left
}

# disk NAME: the path of an image's disk, which is named after its layers.
disk() {
	coracle create --name disk "$1" >/dev/null
	jq -r .rootfs "$CORACLE_ROOT"/containers/*/container.json
	coracle rm disk >/dev/null
}

# reference ARCHIVE NAME: lists what umoci makes of it.
reference() {
	rm -rf "$WORK/layout" "$WORK/unpacked"
	mkdir "$WORK/layout"
	tar -C "$WORK/layout" -xf "$1"
	umoci unpack --image "$WORK/layout:$2" "$WORK/unpacked" >&2
	"$tree_list" "$WORK/unpacked/rootfs"
	rm -rf "$WORK/layout" "$WORK/unpacked"
}

# No two tools agree on the time of the root and of directories that no layer describes: that is no news.
without_unsaid_times() {
	sed -E 's/^(\.|implied|implied\/parents) ([0-9]+ [0-9:]+) [0-9.-]+/\1 \2/'
}

@test "layers that hold every case, plain, gzip and zstd: entry by entry as umoci unpacks them" {
	[ "$(id -u)" -eq 0 ] || skip "umoci needs root to make owners and devices"
	coracle image load -i "$WORK/mixed.tar"
	"$tree_list" "$(disk everything:mixed)" | without_unsaid_times >"$WORK/ours"
	reference "$WORK/gzip.tar" everything:gzip | without_unsaid_times >"$WORK/theirs"
	diff "$WORK/theirs" "$WORK/ours"
	[ "$(wc -l <"$WORK/ours")" -gt 1600 ]
	# The cases are really there.
	for words in 'security.capability=' 'system.posix_acl_access=' 'trusted.hidden=' 'device=300:70000' '-86400.000000000' \
		'9000000000.000000000' ' 104755 ' '2000000000:4000000000' 'etc/hard-across .*links=4' 'back .*size=5' 'links=.*same-as=etc/hard'; do
		grep -q -e "$words" "$WORK/ours" || { echo "missing: $words"; return 1; }
	done
	[ -z "$(grep -E '^(gone|gone-dir/sub|opaque/lower|late-opaque/lower|opaque/upper|usr/bin/setgid) ' "$WORK/ours")" ]
}

@test "a Debian image: entry by entry as umoci unpacks it" {
	[ "$(id -u)" -eq 0 ] || skip "umoci needs root to make owners and devices"
	coracle image load -i "$top/build/test-images/debian.tar"
	"$tree_list" "$(disk debian:12)" >"$WORK/ours"
	reference "$top/build/test-images/debian.tar" debian:12 >"$WORK/theirs"
	diff "$WORK/theirs" "$WORK/ours"
	[ "$(wc -l <"$WORK/ours")" -gt 5000 ]
}

@test "the same layers give the same bytes, whatever they were compressed with" {
	coracle image load -i "$WORK/mixed.tar"
	first=$(disk everything:mixed)
	sum=$(sha256sum <(dd if="$first" bs=1M count=64 status=none))
	coracle image rm everything:mixed
	[ ! -e "$first" ]
	coracle image load -i "$WORK/gzip.tar"
	second=$(disk everything:gzip)
	[ "$first" = "$second" ]
	[ "$sum" = "$(sha256sum <(dd if="$second" bs=1M count=64 status=none))" ]
}

@test "the disks are whole file systems of one size that cost what they hold" {
	coracle image load -i "$WORK/gzip.tar"
	for file in "$CORACLE_ROOT"/images/rootfs/*.ext4; do
		e2fsck -fn "$file"
		[ "$(stat -c %s "$file")" -eq $((64 << 30)) ]
		[ "$(stat -c %a "$file")" = 400 ]
	done
	# 12 MB of content, a sparse file of 64 MiB and 2 MB of zeros that are holes.
	[ "$(du -m "$(disk everything:gzip)" | cut -f1)" -lt 20 ]
}

@test "the host's kernel sees in a disk what we wrote" {
	coracle image load -i "$WORK/gzip.tar"
	mkdir -p "$WORK/mnt"
	mount -o ro,noload,loop "$(disk everything:gzip)" "$WORK/mnt" || skip "this host lets nobody mount"
	"$tree_list" "$WORK/mnt" >"$WORK/theirs"
	umount "$WORK/mnt"
	"$tree_list" "$(disk everything:gzip)" >"$WORK/ours"
	diff "$WORK/theirs" "$WORK/ours"
}

@test "a sparse file in GNU tar's old format keeps its content and its holes" {
	cd "$WORK"
	truncate -s 100M hole && echo middle | dd of=hole bs=1 seek=50000000 conv=notrunc status=none
	tar --sparse --format=gnu -cf hole.tar hole
	"$top/scripts/oci-image" hole:1 sh hole.tar | coracle image load
	[ "$(debugfs -R 'cat /hole' "$(disk hole:1)" 2>/dev/null | sha256sum)" = "$(sha256sum <hole)" ]
	[ "$(du -m "$(disk hole:1)" | cut -f1)" -lt 5 ]
}

@test "an ordinary user's disk has the same bytes" {
	[ "$(id -u)" -eq 0 ] || skip "only root can be somebody else"
	coracle image load -i "$WORK/mixed.tar"
	name=$(basename "$(disk everything:mixed)")
	chmod 755 "$WORK"
	install -m 755 "$CORACLE" "$WORK/coracle"
	install -d -m 700 -o 4242 -g 4242 "$WORK/user"
	setpriv --reuid 4242 --regid 4242 --clear-groups env CORACLE_ROOT="$WORK/user/data" CORACLE_RUNTIME_DIR="$WORK/user/run" \
		"$WORK/coracle" image load <"$WORK/mixed.tar"
	[ "$(stat -c %u "$WORK/user/data/images/rootfs/$name")" -eq 4242 ]
	cmp <(head -c 64M "$CORACLE_ROOT/images/rootfs/$name") <(head -c 64M "$WORK/user/data/images/rootfs/$name")
	[ "$("$tree_list" "$WORK/user/data/images/rootfs/$name" | sha256sum)" = "$("$tree_list" "$CORACLE_ROOT/images/rootfs/$name" | sha256sum)" ]
}

@test "QEMU finds nothing wrong with an overlay, and no backing name in it" {
	coracle image load -i "$top/build/test-images/busybox.tar"
	coracle create --name overlay busybox true
	file=$(ls "$CORACLE_ROOT"/containers/*/root.qcow2)
	qemu-img check "$file"
	[ "$(qemu-img info --output=json "$file" | jq -r '."virtual-size", ."backing-filename"')" = $'68719476736\nnull' ]
	coracle rm overlay
}

# Times of directories are left out: umoci touches those that no layer describes.
without_directory_times() {
	sed -E 's/^([^ ]+ 04[0-9]+ [0-9:]+) [0-9.-]+/\1/'
}

@test "random layers: what umoci can unpack we unpack too, and to the same" {
	[ "$(id -u)" -eq 0 ] || skip "umoci needs root to make owners and devices"
	compared=0
	mkdir "$WORK/random"
	cd "$WORK/random"
	for ((seed = ${RANDOM_LAYERS_FROM:-1}; seed <= ${RANDOM_LAYERS_TO:-12}; seed++)); do
		"$BATS_TEST_DIRNAME/random-layers" "$seed" .
		"$top/scripts/oci-image" random:1 sh 0.tar.gz 1.tar.gz 2.tar.gz >image.tar
		# What it refuses we may refuse too, or not: there is one right way to follow a link, and umoci does not always find it.
		reference image.tar random:1 2>/dev/null | without_directory_times >theirs || true
		[ -s theirs ] || continue
		coracle image load -q -i image.tar || { echo "seed $seed"; return 1; }
		"$tree_list" "$(disk random:1)" | without_directory_times >ours
		diff theirs ours || { echo "seed $seed"; return 1; }
		compared=$((compared + 1))
	done
	echo "$compared compared"
	[ "$compared" -gt 5 ]
}
