# Volumes whose disks were left in the middle, or damaged: as root, and under the name damage_as_user.bats as an ordinary user.

bats_require_minimum_version 1.5.0

setup_file() {
	load ../lib
	load lib
	roots
	export CORACLE_NETWORK=none
	if [[ $BATS_TEST_FILENAME == *as_user* ]]; then become_user 54321; fi
}
teardown_file() {
	load ../lib
	nothing_left
}
setup() {
	load ../lib
	load lib
}

disk() { echo "$CORACLE_ROOT/volumes/$1/disk"; }
says() { coracle logs "$1" | grep -q "$2"; }

# killed_writer [OPTION...]: a machine that writes to volume v and is killed.
killed_writer() {
	coracle run -d --name writer "$@" -v v:/data busybox sh -c 'mkdir -p /data/d; echo synced >/data/file; sync; echo ready; i=0; while :; do echo $i >/data/d/$i; i=$((i + 1)); done'
	await says writer ready
	sleep 0.5
	kill -KILL "$(vmm_of writer)"
	coracle wait writer
	coracle rm writer
}

@test "a machine is killed while it writes: what was synced is there for the next writer, and for a reader, who cannot replay the journal himself" {
	killed_writer
	dumpe2fs -h "$(disk v)" 2>/dev/null | grep needs_recovery
	[ "$(coracle run --rm -v v:/data:ro busybox cat /data/file)" = synced ]
	[ -z "$(dumpe2fs -h "$(disk v)" 2>/dev/null | grep needs_recovery)" ]
	killed_writer
	[ "$(coracle run --rm -v v:/data busybox cat /data/file)" = synced ]
	[ "$(coracle volume check v)" = "v: whole" ]
	# e2fsck sees nothing of the host's but the disk, under a name of its own.
	CORACLE_LOG=debug coracle volume check v 2>&1 | grep "^/disk: "
	[ "$(stat -c %u "$(disk v)")" = "${AS_USER:-0}" ]
	coracle volume rm v
}

@test "without a journal: checked before the next use, and repaired when asked for" {
	coracle volume create --opt journal=false --size 1g v
	killed_writer
	run coracle run --rm -v v:/data busybox cat /data/file
	if [ "$status" -ne 0 ]; then
		[ "$status" -eq 125 ]
		[[ $output == *"volume 'v': its file system is damaged: "*"coracle volume check --repair v"* ]]
		[ "$(coracle volume check --repair v)" = "v: repaired" ]
	fi
	coracle run --rm -v v:/data busybox ls /data
	[ "$(coracle volume check v)" = "v: whole" ]
	coracle volume rm v
}

@test "a damaged file system is told with the volume's name and the remedy, and does not start" {
	coracle run --rm -v v:/data busybox sh -c 'mkdir /data/a; echo x >/data/a/b'
	cp --sparse=always "$(disk v)" "$WORK/whole"
	# The superblock.
	dd if=/dev/urandom of="$(disk v)" bs=1024 seek=1 count=1 conv=notrunc 2>/dev/null
	run coracle run --rm -v v:/data busybox true
	[ "$status" -eq 125 ]
	[[ $output == *"volume 'v': its file system is damaged: "*"coracle volume check --repair v"* ]]
	run coracle volume check v
	[ "$status" -eq 1 ]
	# An error that a kernel has found and noted, and directories that are none.
	cp --sparse=always "$WORK/whole" "$(disk v)"
	debugfs -w -R 'clri /data' "$(disk v)" 2>/dev/null
	debugfs -w -R 'ssv state 2' "$(disk v)" 2>/dev/null
	run coracle run --rm -v v:/data busybox true
	[ "$status" -eq 125 ]
	[[ $output == *"volume 'v': its file system is damaged"* ]]
	[ "$(coracle volume check --repair v)" = "v: repaired" ]
	coracle run --rm -v v:/data busybox true
	# Cut off, empty, no file.
	truncate -s 100k "$(disk v)"
	run coracle run --rm -v v:/data busybox true
	[ "$status" -eq 125 ]
	[[ $output == *"volume 'v'"*damaged* ]]
	truncate -s 0 "$(disk v)"
	run coracle run --rm -v v:/data busybox true
	[ "$status" -eq 125 ]
	rm "$(disk v)"
	ln -s /etc/passwd "$(disk v)"
	run coracle run --rm -v v:/data busybox true
	[ "$status" -eq 125 ]
	[ -z "$(coracle ls -aq)" ]
	coracle create --name has -v v:/data busybox
	rm "$(disk v)"
	[[ $(coracle system check --format json | jq -r '.[].Problem') == "its volume 'v' is missing: "* ]]
	coracle rm has
	coracle volume rm v
}

@test "a file system that says that it is larger than its volume does not make the disk larger" {
	coracle volume create --size 200m large
	coracle volume create --size 100m v
	# A transaction for a block that is not there.
	dd if=/dev/urandom of="$WORK/block" bs=4096 count=1 2>/dev/null
	debugfs -w -f - "$(disk large)" <<-END
		jo
		jw -b 51000 $WORK/block
		jc
	END
	dd if="$(disk large)" of="$(disk v)" bs=1M count=100 conv=sparse 2>/dev/null
	dumpe2fs -h "$(disk v)" 2>/dev/null | grep needs_recovery
	[ "$(stat -c %s "$(disk v)")" -eq $((100 << 20)) ]
	run coracle volume check v
	[ "$status" -eq 1 ]
	[[ $output == *"volume 'v': its file system is damaged"* ]]
	[ "$(stat -c %s "$(disk v)")" -eq $((100 << 20)) ]
	run coracle run --rm -v v:/data:ro busybox true
	[ "$status" -eq 125 ]
	run coracle volume check --repair v
	[ "$(stat -c %s "$(disk v)")" -eq $((100 << 20)) ]
	# A file that is larger than the record says is told before anything looks into it.
	truncate -s 300m "$(disk large)"
	run coracle run --rm -v large:/data busybox true
	[ "$status" -eq 125 ]
	[[ $output == *"the disk of volume 'large' is damaged: it has 314572800 bytes and not 209715200"* ]]
	coracle volume rm v large
}

@test "the first copy is cut off: it begins anew, and nothing of it is seen by half" {
	volume_image
	for delay in 0.2 0.6 1.0; do
		coracle create --name copier -v v:/content files sh -c 'ls /content | wc -l; cat /content/file'
		coracle start copier 3>&- &
		command=$!
		await vmm_of copier
		sleep "$delay"
		kill -KILL "$(vmm_of copier)" || true
		wait $command || true
		coracle rm -f copier
		[ "$(coracle run --rm -v v:/content files sh -c 'ls /content | wc -l; cat /content/file')" = $'5\ntext' ]
		coracle volume rm v
	done
}

@test "commands are killed while they make, use and remove volumes: each volume is whole or not there" {
	for i in {1..20}; do
		(become_coracle volume create "made$i") >/dev/null 3>&- &
		sleep 0.0$((i % 5))$((i % 10))
		kill -KILL $! 2>/dev/null || true
		wait $! 2>/dev/null || true
	done
	for name in $(coracle volume ls -q); do
		[ "$(coracle volume check "$name")" = "$name: whole" ]
		(become_coracle volume rm "$name") >/dev/null 3>&- &
		sleep 0.005
		kill -KILL $! 2>/dev/null || true
		wait $! 2>/dev/null || true
	done
	coracle volume prune -af
	[ -z "$(coracle volume ls -q)" ]
	[ -z "$(ls "$CORACLE_ROOT/volumes")" ]
}

@test "a volume that cannot be removed does not keep its container" {
	coracle create --name has -v /data busybox true
	local volume
	volume=$(coracle volume ls -q)
	mount --bind /dev/null "$(disk "$volume")"
	run coracle rm -v has
	umount "$CORACLE_ROOT"/volumes/.new-*/disk
	[ "$status" -eq 1 ]
	[[ $output == *"remove volume '$volume': "* ]]
	[ -z "$(coracle ls -aq)" ]
	# What was left of it goes with the next look.
	[ -z "$(coracle volume ls -q)" ]
	[ -z "$(ls "$CORACLE_ROOT/volumes")" ]
}

@test "what a guest left in place of its folder leads nowhere" {
	coracle volume create --size 1g v
	debugfs -w -R 'symlink data /etc' "$(disk v)" 2>/dev/null
	for access in "" :ro; do
		run coracle run --rm -v "v:/data$access" busybox ls /data
		[ "$status" -eq 125 ]
		[[ $output == *"volume 'v': its folder 'data': "* ]]
	done
	coracle volume rm v
}
