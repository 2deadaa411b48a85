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

terminal() { python3 "$top/tests/terminal.py" "$@"; }

@test "run -it gives a shell: window size, resize, ctrl-C, exit status" {
	terminal 'resize 33x101' \
		'expect #' \
		'send tty; stty size\n' \
		'expect /dev/pts/0' \
		'expect 33 101' \
		'resize 40x120' \
		'send sleep 0.3; stty size\n' \
		'expect 40 120' \
		'send sh -c "echo 4\$((1 + 1)); sleep 100"\n' \
		'expect 42' \
		'send \x03' \
		'expect #' \
		'send exit 9\n' \
		'exit 9' \
		-- "$CORACLE" run --rm -it busybox sh
}

@test "the terminal is as it was afterwards" {
	terminal 'exit 0' -- sh -c "stty -g >$WORK/before; $CORACLE run --rm -it busybox true; stty -g >$WORK/after"
	cmp "$WORK/before" "$WORK/after"
}

@test "ctrl-p ctrl-q lets go, attach takes up again" {
	terminal 'resize 33x101' \
		'expect #' \
		'send x=kept\n' \
		'expect #' \
		'send \x10\x11' \
		'exit 0' \
		-- "$CORACLE" run -it --name held busybox sh
	[ "$(coracle inspect held | jq -r '.[0].State.Status')" = running ]
	terminal 'resize 33x101' \
		'send echo was $x\n' \
		'expect was kept' \
		'send exit 4\n' \
		'exit 4' \
		-- "$CORACLE" attach held
	coracle rm held
}

@test "exec -it in a running container" {
	coracle run -d --name host busybox sleep 1000
	terminal 'resize 33x101' \
		'expect #' \
		'send stty size\n' \
		'expect 33 101' \
		'send exit 3\n' \
		'exit 3' \
		-- "$CORACLE" exec -it host sh
	coracle rm -f host
}

@test "-t without a terminal is refused with the remedy" {
	run coracle run --rm -it busybox true </dev/null
	[ "$status" -eq 125 ]
	[[ $output == *tty* ]]
}
