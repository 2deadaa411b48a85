# Disks that are full, and commands that are killed at any moment. ROUNDS (20) says how often; `make soak` has more.

bats_require_minimum_version 1.5.0
load registry

setup_file() {
	registry_roots
	registry plain
	for image in busybox layers zstd platforms large; do
		put $image "$(address plain)/$image:1"
	done
}

teardown_file() { end_all; }

setup() { plain=$(address plain); }
teardown() { no_images; }

@test "a full disk in the middle of a pull: an error that says so, and nothing is lost that was there" {
	[ "$(id -u)" -eq 0 ] || skip "only root mounts a small disk"
	mkdir -p "$WORK/small"
	mount -t tmpfs -o size=24m none "$WORK/small" || skip "this host lets nobody mount"
	export CORACLE_ROOT=$WORK/small/data
	coracle pull -q "$plain/busybox:1"
	before=$(coracle image inspect "$plain/busybox:1" | jq -S .)
	for image in large:1 layers:1; do
		run --separate-stderr coracle pull -q "$plain/$image"
		echo "$status: $output$stderr"
		[ "$status" -eq 1 ]
		[ "${#stderr_lines[@]}" -eq 1 ]
		[[ $stderr == *"No space left on device"* ]]
	done
	run coracle system check
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(coracle image inspect "$plain/busybox:1" | jq -S .)" = "$before" ]
	# Room again: what is there is used, and all is well.
	mount -o remount,size=400m "$WORK/small"
	coracle pull -q "$plain/large:1"
	run coracle system check
	[ "$status" -eq 0 ]
	umount "$WORK/small"
}

@test "a full disk in the middle of login, tag and rm loses nothing" {
	[ "$(id -u)" -eq 0 ] || skip "only root mounts a small disk"
	mkdir -p "$WORK/full"
	mount -t tmpfs -o size=8m none "$WORK/full" || skip "this host lets nobody mount"
	export CORACLE_ROOT=$WORK/full/data
	coracle pull -q "$plain/busybox:1"
	dd if=/dev/zero of="$WORK/full/fill" bs=4k status=none || true
	run coracle image tag "$plain/busybox:1" another:name
	echo "$output"
	coracle image inspect "$plain/busybox:1" >/dev/null
	coracle image rm "$plain/busybox:1" || {
		rm "$WORK/full/fill"
		coracle image rm "$plain/busybox:1"
	}
	rm -f "$WORK/full/fill"
	run coracle system check
	echo "$output"
	umount "$WORK/full"
	[ "$status" -eq 0 ]
}

@test "killed at random moments of pull, push, load, rm and prune" {
	"$BATS_TEST_DIRNAME/kill-rounds" "$plain" "$images" "${ROUNDS:-20}"
}
