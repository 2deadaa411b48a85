# A QEMU and a guest that have been taken over: whatever they say and do not say, commands end, memory and files stay bounded, terminals stay as they are.
bats_require_minimum_version 1.5.0

setup_file() {
	load ../lib
	roots
	export CORACLE_QEMU=${CORACLE_BUILD:-$top/build}/tests/hostile/hostile-qemu
}
teardown_file() {
	load ../lib
	nothing_left
}
setup() { load ../lib; }
teardown() { for name in $(coracle ls -aq); do coracle rm -f "$name" >/dev/null 2>&1 || true; done; }

# bounded NAME KIB: its shim has no more memory, of which a sanitizer takes its own part.
bounded() {
	local shim limit=$2
	shim=$(shim_of "$1")
	if grep -q __asan_init "/proc/$shim/exe"; then limit=$((limit * 16)); fi
	[ "$(awk '/^VmRSS/ {print $2}' "/proc/$shim/status")" -lt "$limit" ]
}
running() { [ "$(coracle inspect "$1" | jq -r '.[0].State.Status')" = running ]; }
state_of() { coracle inspect "$1" | jq -r '.[0].State.Status + " " + (.[0].State.ExitCode | tostring)'; }

within() {
	run timeout -k 1 "$1" "$CORACLE" "${@:2}"
	[ "$status" -ne 124 ]
}
# hostile SECONDS KIND: a run with such a guest, of the container that is named after it.
hostile() { within "$1" run --name "$2" --kernel-arg "hostile=$2" busybox true; }
detached() { "$CORACLE" run -d --name "$1" --kernel-arg "hostile=$1" busybox true; }
clean() { ! grep -q '[[:cntrl:]]' <<<"${output//$'\n'/}" && [[ $output != *$'\xc2\x9b'* ]] && [ "${#lines[@]}" -eq 1 ]; }

@test "noise without end in place of a handshake, of messages, of events, of a console: the shim still listens" {
	for kind in noise messages control console; do
		"$CORACLE" run --name "$kind" --kernel-arg "hostile=$kind" busybox true >"$WORK/out" 2>&1 3>&- &
		command=$!
		await shim_of "$kind"
		sleep 1
		bounded "$kind" 32768
		within 4 stop "$kind"
		[ "$status" -eq 0 ]
		status=0
		wait $command || status=$?
		[ "$status" -eq 125 ]
		bundle=$CORACLE_ROOT/containers/$(cat "$CORACLE_ROOT/names/$kind")
		[ "$(stat -c %s "$bundle/shim.log")" -lt 1000000 ]
		[ "$(stat -c %s "$bundle"/console.log* | awk '{s += $1} END {print s}')" -le $((3 << 20)) ]
		coracle rm "$kind"
	done
}

@test "what a machine says last reaches people as plain text" {
	hostile 20 last-words
	[ "$status" -eq 125 ]
	clean
	hostile 20 escapes
	[ "$status" -eq 125 ]
	[[ $output == *cleared* ]]
	clean
}

@test "a greeting of megabytes is refused" {
	hostile 20 large-hello
	[ "$status" -eq 125 ]
	[[ $output == *greeting* ]]
}

@test "a guest that gives no streams, or never says so, is an error of the start" {
	hostile 20 no-streams
	[ "$status" -eq 125 ]
	[[ $output == *streams* ]]
	hostile 50 silent-streams
	[ "$status" -eq 125 ]
	[[ $output == *"does not answer"* ]]
}

@test "streams that end before the process are no end of the container" {
	hostile 30 reset
	[ "$(state_of reset)" = "exited 9" ]
	hostile 30 malformed
	[ "$(state_of malformed)" = "exited 9" ]
}

@test "an exec whose guest gives no streams, loses them or is silent ends with an error" {
	for kind in exec-no-streams exec-lost exec-silent; do
		detached "$kind"
		within 25 exec "$kind" true
		[ "$status" -eq 125 ]
		[ "${#lines[@]}" -eq 1 ]
		running "$kind"
		coracle rm -f "$kind"
	done
}

@test "exit statuses out of all bounds are brought within them" {
	hostile 20 exit-status
	[ "$status" -eq 255 ]
	[ "$(state_of exit-status)" = "exited 255" ]
}

@test "a guest that answers Shutdown and goes on is killed, and the status stands" {
	hostile 30 deathless
	[ "$status" -eq 3 ]
	[ "$(state_of deathless)" = "exited 3" ]
}

@test "a flood of output that no signal ends: bounded, and stopped" {
	detached flood
	sleep 3
	bounded flood 65536
	within 20 stop -t 1 flood
	[ "$status" -eq 0 ]
	bundle=$CORACLE_ROOT/containers/$(cat "$CORACLE_ROOT/names/flood")
	[ "$(stat -c %s "$bundle"/log* | awk '{s += $1} END {print s}')" -le $((31 << 20)) ]
}

@test "a disk whose header was rewritten to name a file of the host is refused" {
	unset CORACLE_QEMU
	for change in '8 \0\0\0\0\0\0\0\100' '72 \0\0\0\0\0\0\0\4' '0 RAW'; do
		coracle create --name tampered busybox true
		printf "${change#* }" | dd of="$CORACLE_ROOT/containers/$(cat "$CORACLE_ROOT/names/tampered")/root.qcow2" \
			bs=1 seek="${change%% *}" conv=notrunc status=none
		within 20 start -a tampered
		[ "$status" -eq 125 ]
		[[ $output == *"disk"* ]]
		coracle rm tampered
	done
}

@test "a guest and its VMM that speak to a shared directory's server themselves get nothing that is outside" {
	local shared=$WORK/shared
	mkdir -p "$shared/dir/inner"
	echo hello >"$shared/dir/file"
	echo secret >"$shared/secret"
	ln -s "$shared/secret" "$shared/dir/absolute"
	ln -s ../secret "$shared/dir/relative"
	ln -s "$shared" "$shared/dir/folder"
	before=$(cd "$shared" && find . -printf '%p %y %s %u %T@\n' | grep -v -e '^\. ' -e '^\./dir ' | sort)
	within 60 run --name share --kernel-arg hostile=share -v "$shared/dir:/data" busybox true
	[ "$status" -eq 125 ]
	coracle logs --boot share | tr -d '\r' | grep '^share: ' >"$WORK/tried"
	cat "$WORK/tried"
	grep -qx 'share: begin : DONE' "$WORK/tried"
	grep -qx 'share: read its own file: it says hello' "$WORK/tried"
	grep -qx 'share: end : DONE' "$WORK/tried"
	# Nothing else was done, and all of it was answered.
	[ "$(grep -c -e ': DONE$' -e 'it says' "$WORK/tried")" -eq 3 ]
	run ! grep -e secret$ -e root: -e MISSING -e 'Timer expired' -e 'Protocol error' "$WORK/tried"
	[ "$(wc -l <"$WORK/tried")" -gt 50 ]
	[ "$(cd "$shared" && find . -printf '%p %y %s %u %T@\n' | grep -v -e '^\. ' -e '^\./dir ' | sort)" = "$before" ]
	[ "$(cat "$shared/secret")" = secret ]
}
