# The disks below containers: room that is given back, room that is limited, hosts that have none; file systems in memory and roots that nobody writes to.

bats_require_minimum_version 1.5.0

setup_file() {
	load ../lib
	load lib
	roots
	export CORACLE_NETWORK=none
}
teardown_file() {
	load ../lib
	umount "$WORK/full" 2>/dev/null || true
	nothing_left
}
setup() {
	load ../lib
	load lib
}

# disk_of NAME: the file of a container's own disk.
disk_of() { echo "$CORACLE_ROOT/containers/$(cat "$CORACLE_ROOT/names/$1")/root.qcow2"; }
at_most() { [ "$(allocated "$1")" -le "$2" ]; }

@test "what is deleted in the guest is given back to the host: root disk and volume" {
	coracle run -d --name eater -v v:/data busybox sleep 1000
	for place in / /data; do
		disk=$(disk_of eater)
		[ $place = / ] || disk=$CORACLE_ROOT/volumes/v/disk
		coracle exec eater sh -c "dd if=/dev/zero of=$place/big bs=1M count=200 2>/dev/null; sync"
		[ "$(allocated "$disk")" -ge 200 ]
		coracle exec eater sh -c "rm $place/big; sync"
		await at_most "$disk" 20
	done
	[ "$(coracle system df --format json | jq '.Volumes | .Total == 1 and .Active == 1 and .Reclaimable == 0 and .Size < 30000000')" = true ]
	coracle rm -f eater
	coracle volume rm v
}

@test "--storage-size: the disk is full then, in the guest and before the host's is; what is deleted can be written again" {
	run -0 coracle run --name small --storage-size 100m busybox sh -c \
		'df -m / | awk "NR == 2 { print \$4 }"; dd if=/dev/zero of=/big bs=1M 2>&1; ls -l /big | awk "{ print \$5 }"; rm /big; echo again >/file && cat /file'
	[ "${lines[0]}" -le 100 ]
	[ "${lines[0]}" -ge 90 ]
	[[ $output == *"No space left on device"*again ]]
	[ "$(stat -c %s "$(disk_of small)")" -eq $((189 << 20)) ]
	# It holds at the next start too.
	run -0 coracle start -a small
	[[ $output == *"No space left on device"*again ]]
	coracle rm small
	for size in 1k 15m -1 x; do
		run coracle create --storage-size $size busybox
		[ "$status" -eq 125 ]
	done
	run coracle create --storage-size 1g --read-only busybox
	[ "$status" -eq 125 ]
	coracle rm "$(coracle create --storage-size 100g busybox)"
}

@test "--storage-size holds against a guest that does not keep to it: an I/O error, which is told" {
	run coracle run --name glutton --privileged --storage-size 16m busybox sh -c \
		'echo 0 >/sys/fs/ext4/vda/reserved_clusters; dd if=/dev/zero of=/big bs=1M count=400 conv=fsync 2>&1'
	[ "$status" -ne 0 ]
	[[ $output == *"I/O error"* || $output == *"Input/output error"* || $output == *"Read-only file system"* ]]
	[ "$(allocated "$(disk_of glutton)")" -le 84 ]
	[ "$(stat -c %s "$(disk_of glutton)")" -eq $((84 << 20)) ]
	[[ $(coracle inspect glutton | jq -r '.[0].State.Error') == "writes to the container's own disk failed: "* ]]
	coracle logs --boot glutton | grep "coracle: writes to the container's own disk fail: it is as large as --storage-size lets it be"
	coracle rm glutton
}

@test "a full disk of the host: an I/O error in the guest, told with the volume's name; nothing hangs" {
	mkdir -p "$WORK/full"
	mount -t tmpfs -o size=60m,mode=700 none "$WORK/full"
	(
		export CORACLE_ROOT=$WORK/full CORACLE_RUNTIME_DIR=$WORK/full-run
		coracle image load -q -i "$top/build/test-images/busybox.tar"
		run coracle run --name filler -v v:/data busybox sh -c 'dd if=/dev/zero of=/data/big bs=1M count=200 conv=fsync 2>&1'
		[ "$status" -ne 0 ]
		[[ $(coracle inspect filler | jq -r '.[0].State.Error') == "writes to volume 'v' failed: the host's disk is full" ]]
		coracle rm -v filler
		coracle volume rm v
		# A volume that finds no room is not there by half.
		dd if=/dev/zero of="$WORK/full/fill" bs=1M 2>/dev/null || true
		run coracle volume create none
		[ "$status" -ne 0 ]
		[[ $output == *"No space left on device"* ]]
		[ -z "$(coracle volume ls -q)" ]
		[ -z "$(ls "$WORK/full/volumes")" ]
	)
	rm -rf "$WORK/full-run"
	umount "$WORK/full"
}

@test "tmpfs by --tmpfs and --mount, with sizes and modes; --shm-size" {
	run -0 coracle run --rm --tmpfs /one:size=1m,mode=700 --mount type=tmpfs,target=/two,tmpfs-size=2m,tmpfs-mode=1770 \
		--mount type=tmpfs,dst=/three,readonly --shm-size 3m busybox sh -c \
		'for p in /one /two /dev/shm; do df -k $p | awk "NR == 2 { print \$2 }"; done; stat -c %a /one /two /three; dd if=/dev/zero of=/two/x bs=1M 2>&1 | head -1; touch /three/x 2>&1
		cp /bin/busybox /two/sh 2>/dev/null; mount | grep -c "tmpfs on /two .*noexec"; true'
	[ "${lines[*]:0:6}" = "1024 2048 3072 700 1770 1777" ]
	[[ ${lines[6]} == *"No space left on device"* ]]
	[[ ${lines[7]} == *"Read-only file system"* ]]
	[ "${lines[8]}" = 0 ]
}

@test "a read-only root: nothing in it can be written, but volumes and tmpfs where they were asked for" {
	run -0 coracle run --rm --read-only --tmpfs /run -v v:/data -v /anon --mount type=tmpfs,target=/not/there busybox sh -c \
		'for p in / /etc /root /run /data /anon /not/there /dev/shm; do touch $p/x 2>/dev/null && echo "$p yes" || echo "$p no"; done'
	[ "${lines[*]}" = "/ no /etc no /root no /run yes /data yes /anon yes /not/there yes /dev/shm yes" ]
	[ "$(coracle run --rm --read-only -v v:/data:ro busybox sh -c 'ls /data; touch /data/y 2>&1')" = "x
touch: /data/y: Read-only file system" ]
	coracle volume rm v
}
