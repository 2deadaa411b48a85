# Many at once, and killed at any point: first without machines, where join_network does what a shim does, then with them. MACHINES and ROUNDS say how many.

setup_file() {
	load lib
	namespaces
	roots
}
teardown_file() {
	load lib
	nothing_left
	namespaces_end
}
setup() { load lib; }
teardown() { coracle rm -f --all >/dev/null; }

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
			if wait "$pid"; then false; fi
		done
		# None of them had anything to say against the others.
		[ -z "$(grep . "$WORK"/storm.*)" ]
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
	[ "$(ports)" -eq 2 ]
	leave one
	leave two
	no_network || { cat "$WORK/traces"; false; }
}

# told_to_all NAME: what the others are called and which addresses they have, as that machine hears of it.
told_to_all() {
	coracle exec -i "$1" sh -c 'while read name v4 v6; do
		answer=$(nslookup $name.coracle) && ping -c 1 -W 20 $name >/dev/null &&
			echo "$answer" | grep -qx "Address: $v4" && echo "$answer" | grep -qx "Address: $v6" && echo $name
	done' <"$WORK/members"
}

@test "fifty machines start at once: each has its addresses and its name, and no death of theirs leaves anything" {
	local count=${MACHINES:-50} pids=() shims=() i pid
	for ((i = 0; i < count; i++)); do
		spawn "$HOST" "$WORK/run.$i" "$CORACLE" run -d --name "m$i" --memory 64m --network default busybox sleep 100000
		pids+=("$spawned")
	done
	for ((i = 0; i < count; i++)); do wait "${pids[i]}" || { cat "$WORK/run.$i"; false; }; done
	echo "# $count machines run after $SECONDS s" >&3
	coracle network inspect default | jq -r '.[0].Containers[] | [.Name, .IPv4Address, .IPv6Address] | map(sub("/.*"; "")) | join(" ")' >"$WORK/members"
	for i in 1 2 3; do
		[ "$(cut -d' ' -f$i "$WORK/members" | sort -u | wc -l)" -eq "$count" ]
	done
	[ "$(inside ip -j link show type tun | jq length)" -eq "$count" ]
	[ "$(ports)" -eq "$count" ]
	[ "$(told_to_all m0 | sort -u | wc -l)" -eq "$count" ]
	# Half of them lose their shims, and all are removed, each by a command of its own.
	for ((i = 0; i < count; i += 2)); do shims+=("$(shim_of "m$i")"); done
	kill -KILL "${shims[@]}"
	pids=()
	for ((i = 0; i < count; i++)); do
		spawn "$HOST" "$WORK/rm.$i" "$CORACLE" rm -f "m$i"
		pids+=("$spawned")
	done
	for ((i = 0; i < count; i++)); do wait "${pids[i]}" || { cat "$WORK/rm.$i"; false; }; done
	echo "# and are gone after $SECONDS s" >&3
	await none
	# The last who left may have left before one of the killed.
	coracle system check --repair
	no_network || { cat "$WORK/traces"; false; }
}

# strike VICTIM NAME: kills that process of a container, if it is there.
strike() {
	local pid
	case $1 in
	command) pid=${commands[$2]} ;;
	shim) pid=$(shim_of "$2") ;;
	machine) pid=$(vmm_of "$2") ;;
	esac
	[[ -z $pid ]] || kill -KILL "$pid" 2>/dev/null
}

@test "machines whose command, shim or VMM is killed at a random moment leave nothing that the next who comes does not take away" {
	local -A commands
	local round victim victims delay
	for ((round = 0; round < ${ROUNDS:-10}; round++)); do
		# One of them alone, or after and beside others, who take away what it left.
		mapfile -t victims < <(shuf -e -n $((1 + RANDOM % 3)) command shim machine)
		for victim in "${victims[@]}"; do
			spawn "$HOST" "$WORK/storm.$victim" "$CORACLE" run --rm --name "$victim$round" --network default busybox sleep 1
			commands[$victim$round]=$spawned
		done
		for victim in "${victims[@]}"; do
			delay=0.$((RANDOM % 10))$((RANDOM % 10))
			sleep $delay
			strike "$victim" "$victim$round" && echo "round $round: $victim killed, $delay s later"
		done
		for victim in "${victims[@]}"; do
			wait "${commands[$victim$round]}" || true
		done
		# Who comes next: another container, or whoever looks after the host.
		if ((round % 2)); then
			coracle rm -f --all
			await none
			coracle run --rm --network default busybox true
			# The tap of that one goes with its machine.
			await none
		else
			await none
			coracle system check --repair
			coracle rm -f --all
		fi
		no_network || { cat "$WORK/traces"; false; }
		[ "$(coracle system check --format json)" = "[]" ]
	done
}
