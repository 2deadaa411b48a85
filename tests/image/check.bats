# What is broken is found, what is not is not, and a repair takes nothing away that cannot be had again.

bats_require_minimum_version 1.5.0
load ../lib

setup_file() {
	roots >/dev/null
	export CORACLE=${CORACLE_BUILD:-$top/build}/coracle
	coracle image rm busybox >/dev/null
}

setup() {
	store=$CORACLE_ROOT/images
	coracle image load -q -i "$top/build/test-images/busybox.tar" >/dev/null
	manifest=$(coracle image inspect busybox | jq -r '.[0].Descriptor.digest')
	layer=$(jq -r '.layers[0].digest' "$store/blobs/sha256/${manifest#sha256:}")
}

teardown() {
	coracle ls -aq | while read -r id; do coracle rm -f "$id" >/dev/null; done
	rm -rf "$CORACLE_ROOT"/images/*
}

teardown_file() {
	nothing_left
}

# found [--repair] WHAT PROBLEM REPAIRED...: exactly these are told.
found() {
	local repair=
	if [[ $1 == --repair ]]; then repair=$1; shift; fi
	coracle system check $repair --format json >"$WORK/found" 2>/dev/null || true
	cat "$WORK/found"
	[ "$(jq length "$WORK/found")" -eq $(($# / 3)) ]
	while [ $# -gt 0 ]; do
		jq -e --arg what "$1" --arg problem "$2" --argjson repaired "$3" \
			'any(.[]; .What == $what and (.Problem | contains($problem)) and .Repaired == $repaired)' "$WORK/found"
		shift 3
	done
}
file() { echo "$store/blobs/sha256/${1#sha256:}"; }
flip() { printf x | dd of="$1" bs=1 seek=100 conv=notrunc status=none; }

@test "a store that is whole has no problems, with and without a container" {
	run coracle system check
	[ "$status" -eq 0 ]
	coracle create --name c busybox true
	found
	found --repair
	[ -e "$CORACLE_ROOT"/containers/*/root.qcow2 ]
}

@test "a damaged layer: it goes, and the next load brings it" {
	flip "$(file "$layer")"
	run coracle system check
	[ "$status" -ne 0 ]
	found "$layer" "damaged" false
	[ -e "$(file "$layer")" ]
	found --repair "$layer" "damaged" true busybox:latest "$layer is missing" false
	[ ! -e "$(file "$layer")" ]
	# It still runs: its disk is there.
	coracle create busybox true
	coracle image load -q -i "$top/build/test-images/busybox.tar"
	found
}

@test "a damaged or missing manifest: the name leads nowhere" {
	flip "$(file "$manifest")"
	found "$manifest" "damaged" false busybox:latest "leads nowhere" false
	rm "$(file "$manifest")"
	found busybox:latest "leads nowhere" false
	found --repair busybox:latest "leads nowhere" true images "left behind" true
	[ -z "$(coracle image ls -q)" ]
	found
}

@test "the disk below a container stays, also when its image is lost" {
	coracle create --name c busybox true
	rm "$(file "$manifest")"
	found --repair busybox:latest "leads nowhere" true images "left behind" true
	[ -e "$(jq -r .rootfs "$CORACLE_ROOT"/containers/*/container.json)" ]
	coracle image prune -af
	[ -e "$(jq -r .rootfs "$CORACLE_ROOT"/containers/*/container.json)" ]
	found
}

@test "a disk that is missing below a container is made again" {
	coracle create --name c busybox true
	rm "$store"/rootfs/*
	found "container c" "disk of its image is missing" false
	found --repair "container c" "disk of its image is missing" true
	found
	rm "$CORACLE_ROOT"/containers/*/root.qcow2
	found --repair "container c" "its own disk is missing" false
}

@test "a disk that was cut off is made anew, unless a container uses it" {
	chmod 600 "$store"/rootfs/*
	truncate -s 1M "$store"/rootfs/*
	disk=rootfs/$(ls "$store/rootfs")
	found "$disk" "size" false
	found --repair "$disk" "size" true
	coracle create --name c busybox true
	found
	truncate -s 1M "$store/$disk"
	found --repair "$disk" "size" false
}

@test "files that are no blobs, and names of containers that lead nowhere" {
	echo odd >"$store/blobs/sha256/odd"
	echo "$(printf %064d 7)" >"$CORACLE_ROOT/names/ghost"
	echo nonsense >"$CORACLE_ROOT/names/nonsense"
	found sha256:odd "damaged" false names/ghost "leads to no container" false names/nonsense "leads to no container" false
	found --repair sha256:odd "damaged" true names/ghost "leads to no container" true names/nonsense "leads to no container" true
	found
}

@test "a record that is damaged is said, and not removed" {
	coracle create --name c busybox true
	id=$(cat "$CORACLE_ROOT/names/c")
	echo '{' >"$CORACLE_ROOT/containers/$id/container.json"
	found --repair "container $id" "container.json" false
	[ -e "$CORACLE_ROOT/containers/$id/root.qcow2" ]
	rm -r "$CORACLE_ROOT/containers/$id" "$CORACLE_ROOT/names/c"
}

@test "what killed commands left is no problem; a repair removes it" {
	head -c 5000 /dev/urandom >"$store/partial/$(printf %064d 3)"
	mkdir -p "$store/tmp/work-0123456789abcdef" "$CORACLE_RUNTIME_DIR/c/0123456789ab"
	echo >"$store/tmp/work-0123456789abcdef/0"
	truncate -s 64G "$store/rootfs/$(printf %064d 4).ext4"
	head -c 5000 /dev/urandom >"$WORK/blob"
	cp "$WORK/blob" "$store/blobs/sha256/$(sha256sum "$WORK/blob" | cut -d' ' -f1)"
	found
	found --repair images "left behind" true c/0123456789ab "left behind" true
	[ -z "$(ls "$store/partial" "$store/tmp" "$CORACLE_RUNTIME_DIR/c" | grep -v :)" ]
	[ "$(ls "$store/rootfs" | wc -l)" -eq 1 ]
	found
}

@test "beside loads and removals nothing is taken for broken" {
	for i in 1 2 3 4; do
		coracle image load -q -i "$top/build/test-images/plain.tar" >/dev/null
		coracle image rm plain >/dev/null
	done &
	while kill -0 $! 2>/dev/null; do
		found
		found --repair || jq -e 'all(.[]; .Repaired)' "$WORK/found"
	done
	wait $!
	found
}
