# Guests and shims that do not answer: every command ends, says what is wrong, and `rm -f` always works.
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
	# What was frozen and is still there would be waited for.
	for pid in $(processes); do kill -CONT "$pid" 2>/dev/null || true; done
}


# within SECONDS COMMAND...: it ends in time, whatever its status (which bats' `run` keeps).
within() {
	run timeout -k 1 "$1" "$CORACLE" "${@:2}"
	[ "$status" -ne 124 ] && [ "$status" -ne 137 ]
}

@test "a frozen machine: looking works, orders end with a message, rm -f works" {
	coracle run -d --name ice busybox sleep 1000
	coracle exec ice true
	kill -STOP "$(vmm_of ice)"
	for command in "ls -a" "inspect ice" "logs ice" "logs --boot ice" "system info"; do
		within 5 $command
		[ "$status" -eq 0 ]
	done
	within 25 exec ice true
	[ "$status" -eq 125 ]
	[[ $output == *"guest does not answer"*"rm -f ice"* ]]
	[ "${#lines[@]}" -eq 1 ]
	within 25 kill -s TERM ice
	[ "$status" -ne 0 ]
	[[ $output == *"guest does not answer"* ]]
	within 20 rm -f ice
	[ "$status" -eq 0 ]
	await none
}

@test "a frozen machine is killed: SIGKILL needs no guest that answers" {
	coracle run -d --name ice busybox sleep 1000
	kill -STOP "$(vmm_of ice)"
	within 18 kill ice
	[ "$status" -eq 0 ]
	within 5 wait ice
	[ "${lines[0]}" = 137 ]
	coracle rm ice
}

@test "a frozen machine is stopped: after its time and ten seconds it is killed" {
	coracle run -d --name ice busybox sleep 1000
	kill -STOP "$(vmm_of ice)"
	within 20 stop -t 1 ice
	[ "$status" -eq 0 ]
	[ "$(coracle inspect ice | jq -r '.[0].State.Status + " " + (.[0].State.ExitCode | tostring)')" = "exited 137" ]
	coracle rm ice
}

@test "the longer patience of a second stop puts the first one's kill not off" {
	coracle run -d --name ice busybox sleep 1000
	kill -STOP "$(vmm_of ice)"
	"$CORACLE" stop -t 0 ice 3>&- &
	first=$!
	sleep 2
	within 20 stop -t 100 ice
	[ "$status" -eq 0 ]
	wait $first
	coracle rm ice
}

@test "a process that does not listen is killed when the first stop said so, however often it is asked again" {
	coracle run -d --name deaf busybox sh -c 'trap "" TERM; while :; do sleep 0.1; done'
	"$CORACLE" stop -t 4 deaf 3>&- &
	first=$!
	sleep 1
	within 25 stop -t 100 deaf
	[ "$status" -eq 0 ]
	wait $first
	coracle rm deaf
}

@test "a machine that freezes while it shuts down is killed" {
	coracle run -d --name ice busybox sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done'
	coracle exec ice sh -c 'sleep 1; kill -TERM 1' || true
	# Wherever it was caught: at work, or on its way out.
	kill -STOP "$(vmm_of ice)" || true
	within 30 stop -t 1 ice
	[ "$status" -eq 0 ]
	within 5 rm ice
	[ "$status" -eq 0 ]
}

@test "a machine that freezes while it boots: stop and rm -f end it at once" {
	for order in "stop ice" "rm -f ice"; do
		"$CORACLE" run --name ice busybox true >"$WORK/ice" 2>&1 3>&- &
		command=$!
		await vmm_of ice
		kill -STOP "$(vmm_of ice)"
		within 10 $order
		[ "$status" -eq 0 ]
		status=0
		wait $command || status=$?
		[ "$status" -eq 125 ]
		coracle rm -f ice 2>/dev/null || true
	done
}

@test "a machine that freezes as its process is about to start does not keep the command for ever" {
	coracle create --name ice busybox true
	coracle start ice 3>&- &
	command=$!
	await coracle logs --boot ice
	sleep 0.6
	kill -STOP "$(vmm_of ice)" 2>/dev/null || true
	( sleep 60; kill -KILL $command 2>/dev/null ) 3>&- >/dev/null 2>&1 &
	watchdog=$!
	coracle wait ice >/dev/null 3>&- &
	waiter=$!
	within 20 rm -f ice
	[ "$status" -eq 0 ]
	wait $command || true
	wait $waiter || true
	kill $watchdog
}

@test "a frozen shim: looking works, orders end with a message, rm -f works" {
	coracle run -d --name stiff busybox sleep 1000
	vmm=$(vmm_of stiff)
	kill -STOP "$(shim_of stiff)"
	for command in "ls -a" "inspect stiff" "logs stiff"; do
		within 5 $command
		[ "$status" -eq 0 ]
	done
	for command in "exec stiff true" "kill stiff" "stop stiff" "attach stiff"; do
		within 15 $command
		[ "$status" -ne 0 ]
		[[ $output == *"shim does not answer"*"rm -f"* ]]
	done
	within 15 rm -f stiff
	[ "$status" -eq 0 ]
	await eval "! kill -0 $vmm"
	await none
}

@test "a frozen shim with no room for another client: exec ends with a message, rm -f works" {
	coracle run -d --name stiff busybox sleep 1000
	vmm=$(vmm_of stiff)
	kill -STOP "$(shim_of stiff)"
	# Nobody takes them out of the backlog, dead as they are.
	python3 - "$CORACLE_RUNTIME_DIR"/c/*/shim.sock <<-'END'
		import socket, sys
		waiting = []
		try:
		    for i in range(70):
		        waiting.append(socket.socket(socket.AF_UNIX))
		        waiting[-1].setblocking(False)
		        waiting[-1].connect(sys.argv[1])
		except BlockingIOError:
		    sys.exit(0)
		sys.exit("there is room for all")
	END
	within 25 exec stiff true
	[ "$status" -eq 125 ]
	[[ $output == *"shim does not answer"*"rm -f"* ]]
	within 25 rm -f stiff
	[ "$status" -eq 0 ]
	await eval "! kill -0 $vmm"
	await none
}

@test "many who look while a dead shim's container is started again: it starts, and nobody sees a ghost" {
	coracle create --name ghost busybox sleep 1000
	for i in 1 2 3; do
		coracle start ghost
		kill -KILL "$(shim_of ghost)"
		await eval '[ -z "$(shim_of ghost)" ]'
		lookers=()
		for j in 1 2 3 4 5 6; do
			"$CORACLE" ls -a >/dev/null 3>&- &
			lookers+=($!)
		done
		coracle start ghost
		wait "${lookers[@]}"
		[ "$(coracle inspect ghost | jq -r '.[0].State.Status')" = running ]
		coracle exec ghost true
		coracle rm -f ghost
		coracle create --name ghost busybox sleep 1000
	done
	coracle rm ghost
}
