# Many at once, and killed at any point. Without machines: join_network does what a shim does.

setup_file() {
	load lib
	export WORK
	WORK=$(mktemp -d /tmp/cor.XXXXXX)
	mkdir "$WORK/data" "$WORK/run"
	export CORACLE_ROOT=$WORK/data CORACLE_RUNTIME_DIR=$WORK/run
	namespaces
}
teardown_file() {
	load lib
	namespaces_end
	rm -rf "$WORK"
}
setup() { load lib; }

join_network=${CORACLE_BUILD:-$BATS_TEST_DIRNAME/../../build}/tests/net/join-network
an_id() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
told() { [[ $(cat "$WORK"/told.* | wc -l) -eq $1 ]]; }
ports() { inside nft -j list map bridge "$(inside nft list tables bridge | cut -d' ' -f3)" ports | jq '[.nftables[].map.elem // empty] | add | length'; }

@test "fifty join at once: each has an address of its own, and when they went nothing is left" {
	mkfifo "$WORK/wait"
	exec {hold}<>"$WORK/wait"
	pids=()
	for ((i = 0; i < 50; i++)); do
		spawn "$HOST" "$WORK/told.$i" "$join_network" "$CORACLE_ROOT" "$CORACLE_RUNTIME_DIR" default "$(an_id)" "c$i" <&"$hold"
		pids+=("$spawned")
	done
	await told 50
	cat "$WORK"/told.*
	[ "$(cut -d' ' -f3 "$WORK"/told.* | sort -u | grep -c '^10\.209\.')" -eq 50 ]
	[ "$(cut -d' ' -f4 "$WORK"/told.* | sort -u | grep -c '^fd')" -eq 50 ]
	[ "$(cut -d' ' -f1 "$WORK"/told.* | sort -u | wc -l)" -eq 50 ]
	[ "$(inside ip -j link show type tun | jq length)" -eq 50 ]
	[ "$(ports)" -eq 50 ]
	kill "${pids[@]}"
	for pid in "${pids[@]}"; do wait "$pid"; done
	no_network || { cat "$WORK/traces"; false; }
}

@test "killed at any point: who comes next finds nothing that is not his, and leaves nothing" {
	for ((round = 0; round < 12; round++)); do
		pids=()
		for ((i = 0; i < 6; i++)); do
			spawn "$HOST" "$WORK/storm.$round.$i" "$join_network" "$CORACLE_ROOT" "$CORACLE_RUNTIME_DIR" default "$(an_id)" "c$i" times 100000 </dev/null
			pids+=("$spawned")
		done
		for pid in "${pids[@]}"; do
			sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
			kill -KILL "$pid"
			! wait "$pid"
		done
		# None of them had anything to say against the others.
		! grep . "$WORK"/storm.*
		inside "$join_network" "$CORACLE_ROOT" "$CORACLE_RUNTIME_DIR" default "$(an_id)" last times 1
		no_network || { cat "$WORK/traces"; false; }
	done
}

@test "rules that the host's administrator flushed are written anew with the next who joins" {
	joined one
	read -ra one <"$WORK/one.out"
	inside nft flush ruleset
	joined two
	[ "$(inside nft -j list ruleset | jq '[.nftables[].chain | select(.name == "postrouting")] | length')" -eq 1 ]
	[ "$(ports)" -eq 1 ]
	leave one
	leave two
	no_network || { cat "$WORK/traces"; false; }
}
