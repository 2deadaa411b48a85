# The life of a detached container: as root, and under the name life_as_user.bats as an ordinary user, who has no name and no home but the one made here.

bats_require_minimum_version 1.5.0

setup_file() {
	load ../lib
	roots
	if [[ $BATS_TEST_FILENAME == *as_user* ]]; then become_user 54321; fi
}
teardown_file() {
	load ../lib
	nothing_left
}
setup() { load ../lib; }

# logged NAME TEXT: the container has written it.
logged() { coracle logs "$1" | grep -q "$2"; }

@test "a detached container outlives its command; exec, logs, inspect, ls, wait, stop, start, rm" {
	id=$(coracle run -d --name worker busybox sh -c 'echo started; trap "echo stopping; exit 3" TERM; while :; do sleep 0.1; done')
	[ "${#id}" -eq 64 ]
	[ "$(coracle ls --format json | jq -r '.[0].Name // .[0].name')" = worker ]
	await logged worker started
	[ "$(coracle exec worker echo hello)" = hello ]
	[ "$(echo data | coracle exec -i worker cat)" = data ]
	run coracle exec worker sh -c 'exit 5'
	[ "$status" -eq 5 ]
	run -127 coracle exec worker nothing-here
	run coracle exec -u 65534 -w /tmp -e X=y worker sh -c 'id -u; pwd; echo $X'
	[ "${lines[0]}" = 65534 ]
	[ "${lines[1]}" = /tmp ]
	[ "${lines[2]}" = y ]
	coracle exec worker sh -c 'echo kept >/kept'
	[ "$(coracle inspect worker | jq -r '.[0].State.Status')" = running ]
	coracle wait worker >"$WORK/waited" 3>&- &
	waiter=$!
	coracle stop worker
	wait $waiter
	[ "$(cat "$WORK/waited")" = 3 ]
	[ "$(coracle inspect worker | jq -r '.[0].State.ExitCode')" = 3 ]
	[[ $(coracle logs worker) == *stopping* ]]
	# Stopping again is no error; its disk is kept for the next start.
	coracle stop worker
	coracle start worker
	[ "$(coracle exec worker cat /kept)" = kept ]
	run coracle rm worker
	[ "$status" -ne 0 ]
	[[ $output == *"rm -f"* ]]
	coracle rm -f worker
	run coracle inspect worker
	[ "$status" -ne 0 ]
}

@test "a stop that is not obeyed ends in a kill; kill takes any signal" {
	coracle run -d --name deaf busybox sh -c 'trap "" TERM; trap "echo usr1" USR1; echo ready; while :; do sleep 0.1; done'
	await logged deaf ready
	coracle kill -s USR1 deaf
	await logged deaf usr1
	coracle stop -t 1 deaf
	[ "$(coracle wait deaf)" = 137 ]
	coracle rm deaf
}

@test "logs: follow, tail, since, timestamps, the console" {
	coracle run -d --name chatty busybox sh -c 'for i in 1 2 3 4 5; do echo line $i; done; echo err >&2; sleep 2; echo last'
	run coracle logs -f chatty
	[ "${#lines[@]}" -eq 7 ]
	[ "${lines[6]}" = last ]
	[ "$(coracle logs --tail 1 chatty)" = last ]
	[[ $(coracle logs --timestamps --tail 1 chatty) == 20*T*Z\ last ]]
	[ -z "$(coracle logs --since "$(date -u +%Y-%m-%dT%H:%M:%SZ -d '+1 hour')" chatty)" ]
	[ "$(coracle logs chatty 2>&1 >/dev/null)" = err ]
	coracle logs --boot chatty >"$WORK/boot"
	coracle rm chatty
}

@test "attach: output, input, detach keys leave the process alone" {
	coracle run -d -i --name attached busybox sh -c 'while read line; do echo "got $line"; done; echo bye'
	(sleep 1; echo one; sleep 1) | coracle attach attached >"$WORK/attached" 3>&-
	grep -q 'got one' "$WORK/attached"
	[ "$(coracle wait attached)" = 0 ]
	[[ $(coracle logs attached) == *bye* ]]
	coracle rm attached
}

@test "exec and attach say that a container does not run, as it was called" {
	coracle create --name idle busybox true
	local id
	id=$(coracle inspect idle | jq -r '.[0].Id')
	run -125 --separate-stderr coracle exec idle true
	[ "$stderr" = 'coracle: container '"'idle'"' is not running: `coracle start idle` starts it' ]
	run --separate-stderr coracle attach "${id:0:8}"
	[[ $stderr == *"'${id:0:8}' is not running"* ]]
	coracle rm idle
}

@test "create, then start attached" {
	coracle create --name later busybox sh -c 'echo ran; exit 6'
	[ "$(coracle inspect later | jq -r '.[0].State.Status')" = created ]
	run coracle start -a later
	[ "$status" -eq 6 ]
	[ "$output" = ran ]
	coracle rm later
}

@test "--rm removes a detached container when it ends" {
	coracle run -d --rm --name gone busybox sleep 1
	await eval '! coracle inspect gone'
}

@test "two commands on one container at once: one wins, both tell the truth" {
	coracle create --name contested busybox sleep 3
	coracle start contested 2>"$WORK/first" 3>&- &
	first=$!
	coracle start contested 2>"$WORK/second" 3>&- &
	second=$!
	failures=0
	wait $first || failures=$((failures + 1))
	wait $second || failures=$((failures + 1))
	[ "$failures" -eq 1 ]
	grep -q running "$WORK/first" "$WORK/second"
	coracle rm -f contested
}

@test "an image is kept for a container whose record cannot be read" {
	id=$(coracle create --name broken busybox true)
	: >"$CORACLE_ROOT/containers/$id/container.json"
	run coracle image rm busybox
	[ "$status" -eq 1 ]
	[[ $output == *"container '${id:0:12}' uses the image"* ]]
	[[ $(coracle ls -a) == *"Damaged"* ]]
	coracle rm -f "$id"
}
