# -t: a real terminal on this side, a real terminal on that side.

setup_file() {
	load ../lib
	roots
}
teardown_file() {
	load ../lib
	nothing_left
}
setup() { load ../lib; }

# terminal COMMAND...: with a script on standard input (see terminal.py).
terminal() { python3 "$BATS_TEST_DIRNAME/terminal.py" 33 101 "$@"; }

@test "run -it gives a shell: window size, resize, ctrl-C, exit status" {
	status=0
	terminal "$CORACLE" run --rm -it busybox sh <<-'END' || status=$?
		expect #
		send tty; stty size\n
		expect /dev/pts/0
		expect 33 101
		size 40 120
		send sleep 0.3; stty size\n
		expect 40 120
		send sleep 100\n
		expect sleep 100
		send \x03
		expect #
		send exit 9\n
	END
	[ "$status" -eq 9 ]
}

@test "the terminal is as it was afterwards" {
	terminal sh -c "stty -g; $CORACLE run --rm -it busybox true; stty -g" </dev/null >"$WORK/modes"
	[ "$(sort -u "$WORK/modes" | grep -c :)" -eq 1 ]
}

@test "ctrl-p ctrl-q lets go, attach takes up again" {
	terminal "$CORACLE" run -it --name held busybox sh <<-'END'
		expect #
		send x=kept\n
		expect #
		send \x10\x11
	END
	[ "$(coracle inspect held | jq -r '.[0].State.Status')" = running ]
	status=0
	terminal "$CORACLE" attach held <<-'END' || status=$?
		send echo was $x\n
		expect was kept
		send exit 4\n
	END
	[ "$status" -eq 4 ]
	coracle rm held
}

@test "exec -it in a running container" {
	coracle run -d --name host busybox sleep 1000
	status=0
	terminal "$CORACLE" exec -it host sh <<-'END' || status=$?
		expect #
		send stty size\n
		expect 33 101
		send exit 3\n
	END
	[ "$status" -eq 3 ]
	coracle rm -f host
}

@test "-t without a terminal is refused with the remedy" {
	run coracle run --rm -it busybox true </dev/null
	[ "$status" -eq 125 ]
	[[ $output == *tty* ]]
}
