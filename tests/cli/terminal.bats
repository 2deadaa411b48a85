# Terminals and signals: terminal.py plays the person.

load common

@test "run -it: raw mode, keys as they are, the terminal as it was" {
	"$terminal" "expect ready keys=ctrl-p,ctrl-q err=-1" raw 'send \x03' "expect key 3" 'send \x1a' "expect key 26" 'send \r' "expect key 13" \
		"send q" "exit 0" cooked -- "$fake" run -it busybox keys
}

@test "the window's size at the start and when it changes" {
	FAKE_CALLS=1 "$terminal" "expect tty=1 in=1 privileged=0 size=24x80" "expect size 24x80" "expect ready" "resize 30x100" "expect size 30x100" \
		"resize 10x20" "expect size 10x20" "send q" "exit 0" -- "$fake" run -it busybox keys
}

@test "the size is the terminal's also when output goes elsewhere" {
	FAKE_CALLS=1 "$terminal" "expect size=24x80" raw "send q" "exit 0" cooked -- bash -c "exec '$fake' run -it busybox keys >/dev/null"
}

@test "exec -it, attach and start -ai" {
	"$terminal" "expect ready keys=ctrl-p,ctrl-q err=-1" raw "send q" "exit 0" cooked -- "$fake" exec -it runner keys
	"$terminal" "expect ready keys=ctrl-p,ctrl-q err=-1" raw "send q" "exit 0" cooked -- "$fake" attach tty
	"$terminal" "expect ready keys=ctrl-p,ctrl-q err=-1" raw "send q" "exit 0" cooked -- "$fake" start -ai tty
}

@test "--detach-keys are the library's to find; a detached terminal is left with status 0" {
	"$terminal" "expect keys=ctrl-a,x err" "send q" "exit 0" -- "$fake" run -it --detach-keys ctrl-a,x busybox keys
	"$terminal" "exit 0" cooked -- "$fake" run -it busybox detach
}

@test "-t without -i: the terminal stays as it is, ctrl-C is a signal" {
	"$terminal" "expect ready" cooked 'send \x03' "expect signal 2" "exit 102" -- "$fake" run -t busybox trap
}

@test "neither: ctrl-C is a signal, and its own end is the process's" {
	"$terminal" "expect ready" cooked 'send \x03' "expect signal 2" "exit 102" -- "$fake" run busybox trap
}

@test "three interrupts let go of a process that does not listen, and say so" {
	"$terminal" "expect ready" 'send \x03' "expect signal 2" 'send \x03' "expect signal 2" 'send \x03' \
		"expect coracle: let go of 'deafman', which may run on; 'coracle kill deafman' ends it" "exit 130" -- \
		"$fake" run --name deafman busybox deaf
}

@test "three signals let go in raw mode too, and the terminal is as it was" {
	"$terminal" "expect ready" raw "signal TERM" "expect signal 15" "signal TERM" "expect signal 15" "signal TERM" "expect let go of" "exit 143" cooked -- \
		"$fake" run -it busybox deaf
}

@test "--sig-proxy=false: the first signal lets go" {
	"$terminal" "expect ready" 'send \x03' "expect let go of" "exit 130" -- "$fake" run --sig-proxy=false busybox deaf
}

@test "a signal that comes before the process runs reaches it; three end a start that does not end" {
	"$terminal" "expect starting" "signal TERM" "expect signal 15" "exit 115" -- "$fake" run busybox slow
	"$terminal" "expect starting" "signal HUP" "signal INT" "signal TERM" "exit 143" -- "$fake" run busybox stuck
}

@test "a signal that comes before exec and attach have a session ends them at once" {
	local signal
	for signal in TERM:143 HUP:129 INT:130; do
		"$terminal" "expect starting" "signal ${signal%:*}" "exit ${signal#*:}" -- "$fake" exec runner stuck
	done
	"$terminal" "expect starting" "signal TERM" "exit 143" -- "$fake" attach stuck
	"$terminal" "expect starting" "signal TERM" "exit 143" cooked -- "$fake" exec -it runner stuck
}

@test "a crash leaves the terminal as it was" {
	"$terminal" "exit -6" cooked -- bash -c "ulimit -c 0; exec '$fake' run -it busybox crash"
}

@test "signals are passed on without a terminal: TERM, HUP, USR1" {
	local name number
	for name in TERM:15 HUP:1 USR1:10; do
		"$fake" run busybox trap >"$BATS_TEST_TMPDIR/out" 3>&- &
		timeout 10 sh -c "until grep -q ready '$BATS_TEST_TMPDIR/out'; do sleep 0.01; done"
		kill -"${name%:*}" $!
		number=0
		wait $! || number=$?
		[ "$number" -eq $((100 + ${name#*:})) ]
		grep -qx "signal ${name#*:}" "$BATS_TEST_TMPDIR/out"
	done
}

@test "a signal that is ignored from the start stays ignored" {
	"$terminal" "expect ready" "signal HUP" "signal USR1" "expect signal 10" "never signal 1\r" "exit 110" -- bash -c "trap '' HUP; exec '$fake' run busybox trap"
}
