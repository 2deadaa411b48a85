# What breaks, and what is told and left behind then.

setup_file() {
	load ../lib
	roots
}
teardown_file() {
	load ../lib
	nothing_left
}
setup() { load ../lib; }


# usable NAME: whatever happened to it, the next commands see the truth, and the name can be used again.
usable() {
	coracle ls -a >/dev/null
	coracle rm -f "$1"
	run coracle inspect "$1"
	[ "$status" -ne 0 ]
	[ "$(coracle run --rm --name "$1" busybox echo again)" = again ]
	await none
}

@test "the command is killed at each stage: nothing hangs, nothing stays" {
	for delay in 0.02 0.1 0.4 0.8 2; do
		"$CORACLE" run --rm --name killed busybox sleep 3 3>&- &
		sleep "$delay"
		kill -KILL $!
		wait $! 2>/dev/null || true
		usable killed
	done
}

@test "the shim is killed at each stage: its machine dies with it, status 137 is recorded" {
	for delay in 0 0.3 2; do
		"$CORACLE" run --name orphan busybox sleep 100 3>&- 2>/dev/null &
		command=$!
		await shim_of orphan
		sleep "$delay"
		vmm=$(vmm_of orphan || true)
		kill -KILL "$(shim_of orphan)"
		wait $command && false
		if [ -n "$vmm" ]; then await eval "! kill -0 $vmm"; fi
		if [ "$delay" = 2 ]; then
			[ "$(coracle inspect orphan | jq -r '.[0].State.Status + " " + (.[0].State.ExitCode | tostring)')" = "exited 137" ]
			[ "$(coracle wait orphan)" = 137 ]
		fi
		usable orphan
	done
}

@test "the machine is killed: the command says so, status 137" {
	"$CORACLE" run --name lost busybox sleep 100 3>&- 2>"$WORK/lost" &
	command=$!
	await vmm_of lost
	sleep 2
	kill -KILL "$(vmm_of lost)"
	status=0
	wait $command || status=$?
	[ "$status" -eq 137 ] || [ "$status" -eq 125 ]
	grep -q "machine was killed" "$WORK/lost"
	[ "$(coracle inspect lost | jq -r '.[0].State.ExitCode')" = 137 ]
	usable lost
}

@test "a machine that is killed before its process runs is an error of the start" {
	for delay in 0 0.2 0.35 0.4 0.45 0.5; do
		"$CORACLE" run --name early busybox sleep 100 3>&- 2>"$WORK/early" &
		command=$!
		await vmm_of early
		sleep "$delay"
		kill -KILL "$(vmm_of early)"
		status=0
		wait $command || status=$?
		# On a fast host the process may run by then.
		[ "$status" -eq 125 ] || [ "$status" -eq 137 ]
		grep -q "machine was killed" "$WORK/early"
		usable early
	done
}

@test "a panic of the guest's kernel is told as one, with where to look" {
	run coracle run --name panics --kernel-arg rdinit=/nothing busybox true
	[ "$status" -eq 125 ]
	[[ $output == *"kernel panicked"* ]]
	coracle logs --boot panics | grep -q "Kernel panic"
	usable panics
}

@test "a process that runs out of memory is told as one" {
	run coracle run --name greedy --memory 128m busybox tail /dev/zero
	[ "$status" -eq 137 ]
	[[ $output == *"ran out of memory"* ]]
	[ "$(coracle inspect greedy | jq '.[0].State.OOMKilled')" = true ]
	usable greedy
}

@test "a full disk of the guest is the process's own error" {
	run coracle run --rm busybox sh -c 'fallocate -l 50G /a && echo first; fallocate -l 20G /b; echo second $?'
	[[ $output == *first* ]]
	[[ $output == *"No space left"* ]]
	[[ $output == *"second 1"* ]]
}

@test "a full disk of the host is an error of the guest's disk, and of nothing else" {
	[ "$(id -u)" -eq 0 ] || skip "only root can make a small disk"
	mkdir "$WORK/small"
	mount -t tmpfs -o size=24m none "$WORK/small"
	run env CORACLE_ROOT="$WORK/small/data" sh -c "$CORACLE image load -q -i $top/build/test-images/busybox.tar &&
		$CORACLE run --rm busybox sh -c 'dd if=/dev/urandom of=/big bs=1M count=60 conv=fsync; echo dd \$?' &&
		$CORACLE run --rm busybox echo again"
	await none
	umount "$WORK/small"
	rmdir "$WORK/small"
	[[ $output == *"Input/output error"* ]]
	[[ $output == *"dd 1"* ]]
	[[ $output == *again ]]
}

@test "no QEMU, no kernel, no init: one line that tells the remedy, status 125, nothing left" {
	for variable in CORACLE_QEMU CORACLE_KERNEL CORACLE_INITRAMFS; do
		run env "$variable=/nowhere/at/all" "$CORACLE" run --rm --name bare busybox true
		[ "$status" -eq 125 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == coracle:* ]]
		[ -z "$(ls "$CORACLE_ROOT/names")" ]
	done
}

@test "a kernel and an initramfs that are none: one line that names the file and the remedy" {
	echo "no such thing" >"$WORK/text"
	: >"$WORK/empty"
	for file in text empty; do
		run coracle run --rm --kernel "$WORK/$file" busybox true
		[ "$status" -eq 125 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == *"$WORK/$file"*"is not an ELF file"*"--kernel"* ]]
		run coracle run --rm --init-image "$WORK/$file" busybox true
		[ "$status" -eq 125 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == *"$WORK/$file"*"is not a cpio archive"*"--init-image"* ]]
	done
	rm "$WORK/text" "$WORK/empty"
}

@test "bad references, missing images, a root that cannot be written" {
	run coracle run --rm --pull never no-such-image true
	[ "$status" -eq 125 ]
	[[ $output == *no-such-image* ]]
	[ "${#lines[@]}" -eq 1 ]
	run coracle run --rm 'UPPER:case' true
	[ "$status" -eq 125 ]
	run env CORACLE_ROOT=/proc/nowhere "$CORACLE" ls
	[ "$status" -ne 0 ]
	[[ $output == *CORACLE_ROOT* || $output == */proc/nowhere* ]]
	[ "${#lines[@]}" -eq 1 ]
}

@test "too much memory, too little memory" {
	run coracle run --rm --memory 1m busybox true
	[ "$status" -eq 125 ]
	[[ $output == *memory* ]]
	run coracle run --rm --memory 9000g busybox true
	[ "$status" -eq 125 ]
	[[ $output == *"not 9216000 MiB free"*"less --memory"* ]]
	[ "${#lines[@]}" -eq 1 ]
}

@test "a data root of a newer format is refused" {
	mkdir -p "$WORK/newer"
	echo 99 >"$WORK/newer/format"
	run env CORACLE_ROOT="$WORK/newer" "$CORACLE" ls
	[ "$status" -ne 0 ]
	[[ $output == *99* ]]
	rm -r "$WORK/newer"
}

@test "no descriptor and no file grows over many runs of one shim" {
	coracle run -d --name many busybox sleep 1000
	shim=$(shim_of many)
	coracle exec many true
	before=$(ls "/proc/$shim/fd" | wc -l)
	for i in $(seq 20); do coracle exec many true; done
	await eval "[ \$(ls /proc/$shim/fd | wc -l) -le $before ]"
	coracle rm -f many
}
