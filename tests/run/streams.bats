# Streams under strain: readers that stop, inputs that are larger than every buffer, clients that vanish, logs without end.
bats_require_minimum_version 1.5.0

setup_file() {
	load ../lib
	roots
}
teardown_file() {
	load ../lib
	nothing_left
}
setup() { load ../lib; }
teardown() {
	for pid in $(jobs -p); do kill -KILL "$pid" 2>/dev/null || true; done
}

memory_kib() { awk '/^VmRSS/ {print $2}' "/proc/$1/status"; }
# bounded PID: it has not gathered what went through it. Sanitizers take memory of their own.
bounded() { grep -q __asan_init "/proc/$1/exe" || [ "$(memory_kib "$1")" -lt 65536 ]; }
running() { [ "$(coracle inspect "$1" | jq -r '.[0].State.Status')" = running ]; }
logged() { coracle logs "$1" | grep -q "$2"; }

# blocked NAME: the container's counter has not changed for a second.
blocked() {
	local before
	before=$(coracle exec "$1" cat /count)
	sleep 1
	[ -n "$before" ] && [ "$(coracle exec "$1" cat /count)" = "$before" ]
}

@test "a foreground reader that stops, stops the process; memory stays bounded; a stop is not kept waiting" {
	mkfifo "$WORK/stuck"
	"$CORACLE" run --name flood busybox sh -c 'i=0; while :; do head -c 65536 /dev/zero; i=$((i + 1)); echo $i >/count; done' \
		>"$WORK/stuck" 2>"$WORK/flood.err" 3>&- &
	command=$!
	exec 8<"$WORK/stuck" # opened, and never read
	await running flood
	# The process blocks in its write …
	await blocked flood
	# … and little gathers: some megabytes, at all the places together.
	[ "$(coracle exec flood cat /count)" -lt 320 ]
	bounded "$(shim_of flood)"
	bounded $command
	began=$SECONDS
	timeout 60 "$CORACLE" stop -t 2 flood
	[ $((SECONDS - began)) -lt 15 ]
	[ "$(coracle inspect flood | jq -r '.[0].State.ExitCode')" = 137 ]
	[ "$(coracle inspect flood | jq -r '.[0].State.Error')" = "" ]
	exec 8<&-
	wait $command || true
	coracle rm flood
}

@test "a process that ends when it is asked is not kept from its end by a reader that stands still" {
	mkfifo "$WORK/still"
	"$CORACLE" run --init --stop-timeout 50 --name ready busybox yes >"$WORK/still" 2>/dev/null 3>&- &
	command=$!
	exec 8<"$WORK/still"
	await running ready
	# It writes; what there is room for is soon full.
	await logged ready y
	sleep 1
	timeout 40 "$CORACLE" stop ready
	[ "$(coracle inspect ready | jq -r '.[0].State.ExitCode')" = 143 ]
	exec 8<&-
	wait $command || true
	coracle rm ready
}

@test "a reader that is slow but reads loses nothing when the container is stopped" {
	"$CORACLE" run --name verbose busybox sh -c 'trap "head -c 20000000 /dev/zero; echo end; exit 3" TERM; echo ready; while :; do sleep 0.1; done' 3>&- |
		(head -n 1; touch "$WORK/reading"; for i in $(seq 40); do head -c 500000; sleep 0.1; done; cat) >"$WORK/verbose" &
	await [ -e "$WORK/reading" ]
	timeout 60 "$CORACLE" stop -t 50 verbose
	wait
	[ "$(tail -c 4 "$WORK/verbose")" = end ]
	[ "$(stat -c %s "$WORK/verbose")" -eq 20000010 ]
	coracle rm verbose
}

@test "a further reader that stops is let go and told so, while the process and the others go on" {
	coracle run -d --name shared busybox sh -c 'while :; do head -c 1000000 /dev/zero | tr "\\0" x; echo; sleep 0.05; done'
	mkfifo "$WORK/slow"
	"$CORACLE" attach shared >"$WORK/slow" 2>"$WORK/slow.err" 3>&- &
	slow=$!
	exec 8<"$WORK/slow"
	(timeout 60 "$CORACLE" attach shared 3>&- || true) | head -c 40000000 >"$WORK/quick"
	[ "$(stat -c %s "$WORK/quick")" -eq 40000000 ]
	bounded "$(shim_of shared)"
	cat <&8 >/dev/null &
	exec 8<&-
	status=0
	wait $slow || status=$?
	[ "$status" -ne 0 ]
	grep -q "reads too slowly" "$WORK/slow.err"
	running shared
	coracle rm -f shared
}

@test "the exit status comes after all output, however slow the reader" {
	"$CORACLE" run --rm busybox sh -c 'head -c 9000000 /dev/zero | tr "\\0" x; echo end; exit 5' 3>&- >"$WORK/all" &
	command=$!
	status=0
	wait $command || status=$?
	[ "$status" -eq 5 ]
	[ "$(stat -c %s "$WORK/all")" -eq 9000004 ]
	[ "$(tail -c 4 "$WORK/all")" = end ]
	# Through a pipe that is read in small pieces, with pauses.
	[ "$(set +o pipefail; "$CORACLE" run --rm busybox sh -c 'head -c 3000000 /dev/zero; echo end' 3>&- |
		(sleep 2; dd bs=1000 2>/dev/null | tail -c 4))" = end ]
}

@test "the end of the input is a half-close: the process goes on and its output comes" {
	[ "$(printf 'a\nb\n' | coracle run --rm -i busybox sh -c 'cat; echo after; sleep 1; echo later' | tr '\n' ' ')" = "a b after later " ]
	coracle run -d --name half busybox sleep 1000
	[ "$(printf 'a\n' | coracle exec -i half sh -c 'cat; sleep 1; echo after' | tr '\n' ' ')" = "a after " ]
	[ "$(coracle exec -i half cat </dev/null)" = "" ]
	coracle rm -f half
}

@test "an input larger than every buffer waits for a process that reads slowly" {
	coracle run -d --name eater busybox sleep 1000
	head -c 100000000 /dev/zero >"$WORK/input"
	"$CORACLE" exec -i eater sh -c 'sleep 3; wc -c' <"$WORK/input" >"$WORK/eaten" 3>&- &
	command=$!
	sleep 2
	# What was sent before anybody reads is bounded.
	bounded $command
	bounded "$(shim_of eater)"
	wait $command
	[ "$(cat "$WORK/eaten")" = 100000000 ]
	rm "$WORK/input"
	coracle rm -f eater
}

@test "a killed exec stops neither its process nor the container" {
	coracle run -d --name host busybox sleep 1000
	"$CORACLE" exec -i host sh -c 'echo $$ >/pid; while :; do echo x; sleep 0.1; done' >"$WORK/exec" 3>&- </dev/null &
	command=$!
	await grep -q x "$WORK/exec"
	kill -KILL $command
	wait $command || true
	sleep 1
	coracle exec host sh -c 'kill -0 $(cat /pid)'
	running host
	# One that writes as fast as it can is read on, and thrown away.
	"$CORACLE" exec host sh -c 'yes >/dev/stdout' >/dev/null 3>&- &
	command=$!
	sleep 1
	kill -KILL $command
	wait $command || true
	[ "$(timeout 30 "$CORACLE" exec host echo alive)" = alive ]
	coracle rm -f host
}

@test "logs are bounded: forty megabytes of output leave three files of ten" {
	coracle run --name wordy busybox sh -c 'yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -c 40000000' >/dev/null
	size=$(stat -c %s "$CORACLE_ROOT/containers/$(cat "$CORACLE_ROOT/names/wordy")"/log* | awk '{s += $1} END {print s}')
	[ "$size" -gt 10000000 ]
	[ "$size" -le $((31 << 20)) ]
	coracle logs wordy >"$WORK/wordy"
	# Whole lines, though the first are gone.
	[ "$(sort -u "$WORK/wordy" | wc -l)" -le 2 ]
	[ "$(coracle logs --tail 3 wordy | grep -c .)" -eq 3 ]
	coracle rm wordy
}

@test "the console is bounded, and so is what its machine's shim keeps" {
	coracle run -d --privileged --name loud busybox sh -c 'for i in $(seq 60000); do echo "line $i of a guest that talks and talks and talks and talks" >/dev/kmsg; done; echo over; sleep 1000'
	await logged loud over
	coracle exec --privileged loud sh -c 'mknod /tty c 4 64 && for i in $(seq 30000); do echo "line $i of a guest that talks and talks and talks and talks and talks"; done >/tty' || true
	bundle=$CORACLE_ROOT/containers/$(cat "$CORACLE_ROOT/names/loud")
	[ "$(stat -c %s "$bundle"/console.log* | awk '{s += $1} END {print s}')" -le $((3 << 20)) ]
	[ "$(stat -c %s "$bundle/shim.log")" -le $((1 << 20)) ]
	coracle rm -f loud
}

@test "a container whose log's disk is full goes on, and its output still comes" {
	[ "$(id -u)" -eq 0 ] || skip "needs a file system of its own"
	mkdir "$WORK/small"
	mount -t tmpfs -o size=32m none "$WORK/small"
	export CORACLE_ROOT=$WORK/small/data
	coracle image load -q -i "$top/build/test-images/busybox.tar"
	coracle create --name full busybox sh -c 'until [ -e /go ]; do sleep 0.1; done; i=0; while [ $i -lt 40 ]; do head -c 100000 /dev/zero | tr "\\0" x; echo; i=$((i + 1)); done; echo end; exit 4'
	timeout 100 "$CORACLE" start -a full >"$WORK/full" 2>"$WORK/full.err" 3>&- &
	command=$!
	await coracle exec full touch /go.not
	dd if=/dev/zero of="$WORK/small/fill" bs=4k 2>/dev/null || true
	coracle exec full touch /go
	status=0
	wait $command || status=$?
	[ "$status" -eq 4 ]
	# Its end was recorded all the same.
	[ "$(coracle inspect full | jq -r '.[0].State.Status + " " + (.[0].State.ExitCode | tostring)')" = "exited 4" ]
	rm "$WORK/small/fill"
	[ "$(tail -n 1 "$WORK/full")" = end ]
	[ "$(stat -c %s "$WORK/full")" -eq 4000044 ]
	coracle rm -f full
	await umount "$WORK/small"
	rmdir "$WORK/small"
}
