# Containers in one real guest, over its own API, by a client that is not ours. The stories stand in stories_*.js.

bats_require_minimum_version 1.5.0

setup_file() {
	load lib.bash
	WORK=$(mktemp -d)
	export WORK
	install_client
	busybox_disk "$WORK/root.ext4"
	cp "$WORK/root.ext4" "$WORK/other.ext4"
	start_guest "root=$WORK/root.ext4" "other=$WORK/other.ext4"
}

teardown_file() {
	exec 9>&-
	kill "$(cat "$WORK/pid")" 2>/dev/null || true
	rm -rf "$WORK"
}

setup() {
	load lib.bash
}

story() {
	NODE_PATH=$build/test-node/node_modules timeout 60 node "$BATS_TEST_DIRNAME/containers.js" "$WORK/socket" "$(cat "$WORK/pid")" "$1" 9>&- ||
		{ tail -n 30 "$WORK/log"; return 1; }
}

@test "a container lives, ends with its exit status after its output, and is forgotten" { story life-of-a-container; }
@test "two containers in one guest see nothing of each other" { story two-containers; }
@test "the end of a container's first process ends the others" { story end-kills-the-rest; }
@test "exec: input, half-close, output to the last byte, descendants that stay" { story exec-streams; }
@test "one client at a time is attached, the last one" { story one-attached-at-a-time; }
@test "signals reach one process or all" { story signals; }
@test "orphans are reaped, with the small init too" { story orphans; }
@test "wrong calls get the right status, and leave nothing behind" { story errors; }
@test "a terminal has its size, its signals and its console" { story terminal; }
@test "users and groups are looked up in the container" { story users; }
@test "capabilities, limits and descriptors are what was asked for" { story privileges; }
@test "devices, mounts, masked and read-only paths, sysctls, the host's files" { story files-and-devices; }
@test "a read-only root, also on a disk without the places to mount on" { story read-only-root; }
@test "a seccomp filter holds" { story seccomp; }
@test "limits of memory and processes hold, and the OOM killer's work is told as such" { story memory; }
@test "a reader that stops holds back its process alone, and memory stays bounded" { story a-reader-that-stops; }
@test "processes live on when the host goes away in the middle of a frame" { story reconnect; }
@test "files are read and written beneath the container's root; mounts of the guest" { story files; }
@test "addresses, routes and names of the network" { story network; }
@test "a hostile container reaches neither init nor the machine" { story hostile; }
@test "processes are listed with their descent" { story listing; }

@test "whatever goes wrong, nothing leaks" { story nothing-leaks; }

@test "the guest ends cleanly, with a container that still runs" {
	story leave-one-running
	kill -TERM "$(cat "$WORK/pid")"
	tail --pid="$(cat "$WORK/pid")" -f /dev/null
	run ! grep -E "coracle-init:|panic|EXT4-fs (error|warning)" "$WORK/log"
	e2fsck -fn "$WORK/root.ext4"
	e2fsck -fn "$WORK/other.ext4"
	[ -n "$(debugfs -R 'cat /written' "$WORK/root.ext4" 2>/dev/null)" ]
}

@test "a shutdown lets processes end by themselves, and their last words are on the disks" {
	mkdir "$WORK/second"
	cp "$WORK/root.ext4" "$WORK/second/root.ext4"
	cp "$WORK/other.ext4" "$WORK/second/other.ext4"
	WORK=$WORK/second
	start_guest "root=$WORK/root.ext4" "other=$WORK/other.ext4"
	story shut-down
	exec 9>&-
	tail --pid="$(cat "$WORK/pid")" -f /dev/null
	for disk in root other; do
		e2fsck -fn "$WORK/$disk.ext4"
		[ "$(debugfs -R 'cat /goodbye' "$WORK/$disk.ext4" 2>/dev/null)" = goodbye ]
	done
}
