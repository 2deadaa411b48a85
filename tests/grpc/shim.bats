# The API of a real container's shim, for a client that is not ours. The stories stand in shim.js.

setup_file() {
	load ../lib
	load lib.bash
	install_client
	roots
	id=$(coracle run -d -i --name box busybox sh -c 'while read -r line; do echo "got $line"; done; echo bye >&2; exit 7')
	export SOCKET=$CORACLE_RUNTIME_DIR/c/${id:0:12}/shim.sock
}

teardown_file() {
	load ../lib
	nothing_left
}

setup() {
	load ../lib
	load lib.bash
}

story() { NODE_PATH=$build/test-node/node_modules timeout 60 node "$BATS_TEST_DIRNAME/shim.js" "$SOCKET" "$1"; }

@test "the socket is its owner's alone" {
	[ "$(stat -c %a "$SOCKET")" = 600 ]
	[ "$(stat -c %a "$(dirname "$SOCKET")")" = 700 ]
}
@test "Hello: protocol, features, container" { story hello; }
@test "State and Statistics" { story state; }
@test "Exec: streams both ways, the exit status last" { story exec; }
@test "Exec: errors have their status and their trailer" { story execErrors; }
@test "Exec: detached, with an id of the client's" { story detach; }
@test "unknown methods are UNIMPLEMENTED, wrong calls have their status" { story wrongCalls; }
@test "calls of the guest's API are relayed, with streams, errors and deadlines" { story relay; }
@test "Attach, Logs with follow and Wait hear of the end" { story end; }
