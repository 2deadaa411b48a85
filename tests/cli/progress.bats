# Bars on a terminal; terminal.py plays the person and keeps the screen as a terminal would show it.

load common

setup() {
	export TERM=xterm
}

@test "a bar for each blob, redrawn in place, and the last state stays" {
	"$terminal" "expect downloading" "exit 0" \
		"screen 000000000000  here already" \
		"screen 000000000001  done           [===============]   30 MB/30 MB" \
		"screen 000000000002  done           [===============]  120 MB/120 MB" \
		"screen Status: Downloaded newer image for busybox" \
		"screen docker.io/library/busybox:latest" "count 000000000001 1" cooked -- "$fake" pull busybox
}

@test "what has ended is drawn at once, whatever comes after it" {
	"$terminal" "expect deaf" "screen 000000000002  done" "count downloading 0" "count unpacking 0" "signal INT" "expect deaf" "signal INT" "exit -2" -- \
		"$fake" pull lingers
}

@test "a bar that moves has sizes; a line of the screen is never longer than the window" {
	"$terminal" "screen 000000000001  downloading    [=======>       ]   15 MB/30 MB" "signal INT" "expect interrupted" "exit 130" \
		"count 000000000001 1" "screen coracle: interrupted: what came is kept" cooked -- "$fake" pull endless
}

@test "ctrl-C at the terminal" {
	"$terminal" "screen downloading" 'send \x03' "expect coracle: interrupted" "exit 130" "count 000000000001 1" cooked -- "$fake" pull endless
}

@test "a narrower and a wider window" {
	"$terminal" "screen 15 MB/30 MB" "resize 24x45" "screen 000000000001  downloading     15 MB/30 MB" \
		"resize 24x120" "screen [=========================>" 'send \x03' "exit 130" -- "$fake" pull endless
}

@test "more blobs than rows: what moves, and a sum; the window does not scroll" {
	"$terminal" "resize 10x80" "send \n" "exit 0" \
		"screen 60 of 60 done" "count here 0" "screen Status: Downloaded newer image for many" "never \x1b[10A" -- \
		bash -c "read -r; exec '$fake' pull many"
	"$terminal" "resize 6x80" "send \n" "screen of 60 done" "count waiting 1" "screen downloading" 'send \x03' "exit 130" -- \
		bash -c "read -r; exec '$fake' pull many-endless"
}

@test "lines instead of bars: --progress plain, TERM=dumb, no TERM" {
	"$terminal" "expect 000000000001: done" "exit 0" 'never \x1b' -- "$fake" pull --progress plain busybox
	TERM=dumb "$terminal" "expect 000000000001: done" "exit 0" 'never \x1b' -- "$fake" pull busybox
	"$terminal" "expect 000000000001: done" "exit 0" 'never \x1b' -- env -u TERM "$fake" pull busybox
	"$terminal" "expect docker.io/library/busybox:latest" "exit 0" 'never downloading' -- "$fake" pull -q busybox
}

@test "NO_COLOR says nothing about bars, which have no colour" {
	NO_COLOR=1 "$terminal" "screen 000000000001  done           [====" "exit 0" 'never \x1b[3' -- "$fake" pull busybox
}

@test "bars are standard error's: standard output may go elsewhere, and the other way round" {
	"$terminal" 'expect downloading' "exit 0" "count docker.io 0" -- bash -c "exec '$fake' pull busybox >/dev/null"
	"$terminal" "expect docker.io/library/busybox:latest" "exit 0" 'never \x1b' 'never downloading' -- bash -c "exec '$fake' pull busybox 2>/dev/null"
}

@test "push and run have bars too; what the container prints comes behind them" {
	"$terminal" "expect 000000000001  uploading" "exit 0" "screen 000000000003  mounted" -- "$fake" push busybox
	"$terminal" "screen Unable to find image 'absent' locally" "exit 0" "screen 000000000002  done" "screen hello" -- "$fake" run absent echo hello
}
