# The guest's API, through a relay on a unix socket, for an ordinary gRPC client: @grpc/grpc-js.

setup_file() {
	load lib.bash
	WORK=$(mktemp -d)
	export WORK
	install_client
	start_guest
	timeout 60 node "$BATS_TEST_DIRNAME/guest.js" "$WORK/socket" >"$WORK/answers" 2>&1 9>&- || true
}

teardown_file() {
	exec 9>&-
	kill "$(cat "$WORK/pid")" 2>/dev/null || true
	rm -rf "$WORK"
}

answer() {
	cat "$WORK/log" "$WORK/answers"
	line=$(sed -n "$1p" "$WORK/answers")
}

@test "Hello is answered with the guest's kernel" {
	answer 1
	[ "$(jq -r .response.kernel <<<"$line")" = "$(sed -n 's/^guest kernel: //p' "$WORK/log")" ]
	[ "$(jq -r .response.protocol <<<"$line")" = 1 ]
}

@test "a right call succeeds" {
	answer 2
	[ "$(jq -r .code <<<"$line")" = null ]
	answer 6
	[ "$(jq -r .method <<<"$line")" = Sync ]
	[ "$(jq -r .code <<<"$line")" = null ]
}

@test "wrong calls get INVALID_ARGUMENT, the reason, and our word for it" {
	answer 3
	[ "$(jq -r .code <<<"$line")" = 3 ]
	[ "$(jq -r .details <<<"$line")" = "entropy comes in 1 to 1024 bytes" ]
	[ "$(jq -r .word <<<"$line")" = invalid ]
	answer 5
	[ "$(jq -r .code <<<"$line")" = 3 ]
}

@test "a message over the limit of its call gets RESOURCE_EXHAUSTED" {
	answer 4
	[ "$(jq -r .code <<<"$line")" = 8 ]
}
