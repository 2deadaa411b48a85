bats_require_minimum_version 1.5.0

# Who answers for names, asked by guests that mean no good, and on hosts that lack something. Without machines: what a port lets through is tried with frames, what the host answers with
# namespaces on the bridge that stand for guests.

setup_file() {
	load lib
	export WORK
	WORK=$(mktemp -d /tmp/cor.XXXXXX)
	mkdir "$WORK/data" "$WORK/run"
	export CORACLE_ROOT=$WORK/data CORACLE_RUNTIME_DIR=$WORK/run
	export CORACLE=${CORACLE_BUILD:-$BATS_TEST_DIRNAME/../../build}/coracle
	namespaces
	coracle network create blue --subnet 10.66.0.0/24
}
teardown_file() {
	load lib
	namespaces_end
	rm -rf "$WORK"
}
setup() { load lib; }

dns() { inside python3 "$BATS_TEST_DIRNAME/dns.py" "$@"; }
# address_of NAME: of one that joined. bridge_of NETWORK's first address.
address_of() { cut -d' ' -f3 "$WORK/$1.out"; }
bridge_of() { inside ip -j -4 addr show to "$1" | jq -r '.[] | select(.ifname).ifname'; }
log() { echo "$CORACLE_RUNTIME_DIR"/net/*/n/"${1:-default}"/names.log; }
server() { head -n 1 "$(log "$@")"; }
alive() { [[ $(cat "/proc/$1/comm") == dnsmasq ]]; }
resolves() {
	local told
	told=$(dns ask 10.209.0.1 two.coracle)
	[[ $told == "$(address_of two)" ]] || { echo "told: $told" >&2; return 1; }
}
# into NAME FRAMES: they go through the port of NAME, as a machine's would, and all are through.
into() {
	cat "$2" >&"${joined_in[$1]}"
	await eval '[[ $(cat /proc/'"${joined_pid[$1]}"'/wchan) == *pipe_read* ]]'
}
frames() { python3 "$BATS_TEST_DIRNAME/dns.py" frames "$1" "${one[@]:1:2}" "$gateway" 10.209.0.1 "${@:2}"; }
# questions: how many dnsmasq had. It writes its statistics on SIGUSR1.
questions() {
	kill -USR1 "$(server)"
	await grep -q 'queries answered locally' "$(log)"
	grep -o 'queries forwarded [0-9]*, queries answered locally [0-9]*' "$(log)" | tail -n 1 | tr -dc '0-9 ' | awk '{ print $1 + $2 }'
}

@test "thousands of questions of one guest leave the others' answers, and nothing grows" {
	local one gateway served
	joined one
	joined two
	read -ra one <"$WORK/one.out"
	gateway=$(inside ip -j link show "$(bridge_of 10.209.0.1)" | jq -r '.[0].address')
	served=$(server)
	frames flood 20000 >"$WORK/flood"
	cat "$WORK/flood" >&"${joined_in[one]}" &
	for ((i = 0; i < 20; i++)); do resolves; done
	wait $!
	into one /dev/null
	resolves
	[ "$(server)" = "$served" ]
	alive "$served"
	# Most of them never came there, and none is in the table of connections.
	asked=$(questions)
	echo "$asked questions"
	[ "$asked" -ge 21 ]
	[ "$asked" -lt 15000 ]
	[ "$(inside cat /proc/sys/net/netfilter/nf_conntrack_count)" -lt 500 ]
	grep VmHWM "/proc/$served/status"
	[ "$(awk '/VmHWM/ { print $2 }' "/proc/$served/status")" -lt 40000 ]
	[ "$(stat -c %s "$(log)")" -le 1048576 ]
	leave one
	leave two
}

@test "broken questions, broken packets, and what nobody may ask" {
	local one gateway served
	joined one
	joined two
	joined three "" blue
	read -ra one <"$WORK/one.out"
	gateway=$(inside ip -j link show "$(bridge_of 10.209.0.1)" | jq -r '.[0].address')
	served=$(server)
	frames malformed >"$WORK/malformed"
	[ "$(wc -l <"$WORK/malformed")" -gt 700 ]
	into one "$WORK/malformed"
	resolves
	[ "$(server)" = "$served" ]
	alive "$served"
	# Names and addresses of this network alone.
	[ "$(dns ask 10.209.0.1 "$(address_of two)" PTR)" = two.coracle ]
	[ "$(dns ask 10.66.0.1 three.coracle)" = "$(address_of three)" ]
	[ "$(dns ask 10.209.0.1 three.coracle)" = "no such name" ]
	[ "$(dns ask 10.66.0.1 two.coracle)" = "no such name" ]
	[[ $(dns ask 10.209.0.1 "$(address_of three)" PTR) != *three* ]]
	# The zone as a whole, and changes to it, are nobody's.
	for how in udp tcp; do
		for kind in AXFR IXFR ANY; do
			told=$(dns ask 10.209.0.1 coracle $kind $how)
			echo "$kind by $how: $told"
			[[ $told != *one* && $told != *two* && $told != *10.209* ]]
		done
	done
	[[ $(dns update 10.209.0.1 coracle evil.coracle 10.209.0.66) == "not implemented" || $(dns update 10.209.0.1 coracle evil.coracle 10.209.0.66) == silence ]]
	[ "$(dns ask 10.209.0.1 evil.coracle)" = "no such name" ]
	leave one
	leave two
	leave three
}

# guest NAME NETWORK'S_GATEWAY ADDRESS: a namespace on that bridge; its process is in ${guest[NAME]}.
guest() {
	guest[$1]=$(namespace)
	inside ip link add "g$1" type veth peer name eth0 netns "${guest[$1]}"
	inside ip link set "g$1" master "$(bridge_of "$2")" up
	enter "${guest[$1]}" ip link set lo up
	enter "${guest[$1]}" ip address add "$3/24" dev eth0
	enter "${guest[$1]}" ip link set eth0 up
	enter "${guest[$1]}" ip route add default via "$2"
}
as() { enter "${guest[$1]}" python3 "$BATS_TEST_DIRNAME/dns.py" "${@:2}"; }

@test "idle connections of one guest leave room for others; a network's server is for that network" {
	local -A guest=()
	joined two
	joined three "" blue
	guest a 10.209.0.1 10.209.0.250
	guest b 10.209.0.1 10.209.0.251
	mkfifo "$WORK/held"
	exec {hold}<>"$WORK/held"
	spawn "${guest[a]}" "$WORK/hold.out" python3 "$BATS_TEST_DIRNAME/dns.py" hold 10.209.0.1 30 <&"$hold"
	await grep -q . "$WORK/hold.out"
	held=$(cat "$WORK/hold.out")
	echo "$held held"
	[ "$held" -ge 1 ]
	[ "$held" -le 4 ]
	[ "$(as b ask 10.209.0.1 two.coracle A tcp)" = "$(address_of two)" ]
	[ "$(as a ask 10.209.0.1 two.coracle)" = "$(address_of two)" ]
	kill "$spawned"
	[ "$(as b ask 10.66.0.1 three.coracle)" = silence ]
	[ "$(as b ask 10.66.0.1 three.coracle A tcp)" = silence ]
	kill "${guest[@]}"
	leave two
	leave three
	await no_network || { cat "$WORK/traces"; false; }
}

@test "a log that is full stops nothing" {
	joined two
	truncate -s 1048500 "$(log)"
	for ((i = 0; i < 5; i++)); do
		kill -USR1 "$(server)"
		resolves
	done
	[ "$(stat -c %s "$(log)")" -le 1048576 ]
	resolves
	leave two
	await no_network || { cat "$WORK/traces"; false; }
}

# A host that lacks something.

join_network() { echo "${CORACLE_BUILD:-$top/build}/tests/net/join-network" "$CORACLE_ROOT" "$CORACLE_RUNTIME_DIR" default "$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')" "$1"; }

@test "without dnsmasq a network works, says what it lacks, and gets its names when the program is there" {
	mkfifo "$WORK/stay"
	exec {stay}<>"$WORK/stay"
	spawn "$HOST" "$WORK/two.out" unshare --mount -- sh -c 'mount --bind /dev/null "$0" && exec "$@"' "$(command -v dnsmasq)" $(join_network two) <&"$stay"
	two=$spawned
	await grep -q 10.209 "$WORK/two.out"
	run without "$(command -v dnsmasq)" "$CORACLE" system check
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"there is no dnsmasq, so that containers do not find each other by name: install the package dnsmasq-base"* ]]
	run coracle system check --repair
	[ "$status" -eq 0 ]
	[[ $output == *"its name server does not run"* ]]
	await resolves
	# One that was killed is found, and comes back with the next who joins too.
	kill -KILL "$(server)"
	await eval '! alive $(server)'
	run coracle system check
	[[ $output == *"its name server does not run"* ]]
	joined one
	await resolves
	leave one
	kill "$two"
	wait "$two"
	await no_network || { cat "$WORK/traces"; false; }
}

@test "without nft, or one that refuses, and without /dev/net/tun nothing is made, and it is told what is missing" {
	run without "$(command -v nft)" $(join_network two)
	[ "$status" -ne 0 ]
	[[ $output == *"there is no nft, which networks need: install the package nftables"* ]]
	printf '#!/bin/sh\necho "Error: Could not process rule: Operation not supported" >&2; exit 1\n' >"$WORK/nft"
	chmod 755 "$WORK/nft"
	run inside unshare --mount -- sh -c 'mount --bind "$0" "$1" && shift && exec "$@"' "$WORK/nft" "$(command -v nft)" $(join_network two)
	[ "$status" -ne 0 ]
	[[ $output == *"the firewall's rules were not taken: nft: Error: Could not process rule: Operation not supported"* ]]
	run inside unshare --mount -- sh -c 'mount -t tmpfs none /dev/net && exec "$@"' sh $(join_network two)
	[ "$status" -ne 0 ]
	[[ $output == *"the tap device cor"*"No such file"* ]]
	coracle system check --repair
	await no_network || { cat "$WORK/traces"; false; }
}

# resolver ADDRESS VALUE: one of the host's.
resolver() {
	spawn "$HOST" "$WORK/resolver.$1" python3 "$BATS_TEST_DIRNAME/dns.py" serve "$@"
	resolvers+=("$spawned")
	await grep -q ready "$WORK/resolver.$1"
}
# told ADDRESS NAME: what a container would be told of a name of the world's.
told() { [[ $(dns ask 10.209.0.1 "$2") == "$1" ]]; }

@test "other names are the host's resolvers' to answer, on its loopback too, and when they change; with none, those of containers are still there" {
	local resolvers=() pid
	resolver 127.0.0.53 203.0.113.53
	resolver 127.0.0.54 203.0.113.54
	mkdir "$WORK/etc"
	cp /etc/passwd /etc/group "$WORK/etc"
	mkfifo "$WORK/here"
	exec {here}<>"$WORK/here"
	# stand_in: two joins on a host with that /etc.
	stand_in() {
		spawn "$HOST" "$WORK/two.out" unshare --mount -- sh -c 'mount --bind "$0" /etc && exec "$@"' "$WORK/etc" $(join_network two) <&"$here"
		pid=$spawned
		await grep -q 10.209 "$WORK/two.out"
		await resolves
	}
	echo "nameserver 127.0.0.53" >"$WORK/etc/resolv.conf"
	stand_in
	await told 203.0.113.53 a.example
	echo "nameserver 127.0.0.54" >"$WORK/etc/new"
	mv "$WORK/etc/new" "$WORK/etc/resolv.conf"
	await told 203.0.113.54 b.example
	kill "$pid"
	wait "$pid"
	await no_network || { cat "$WORK/traces"; false; }
	rm "$WORK/etc/resolv.conf"
	stand_in
	[[ $(dns ask 10.209.0.1 c.example) != 203.* ]]
	kill "$pid"
	wait "$pid"
	kill "${resolvers[@]}"
	await no_network || { cat "$WORK/traces"; false; }
}

# resolved COMMAND...: on a host with systemd-resolved, whose resolvectl writes down what it is told.
resolved() {
	printf '#!/bin/sh\necho "$*" >>%s\n' "$WORK/asked" >"$WORK/resolvectl"
	chmod 755 "$WORK/resolvectl"
	inside unshare --mount -- sh -c 'mount -t tmpfs none /usr/local/sbin && cp "$0" /usr/local/sbin/resolvectl && mount -t tmpfs none /run && mkdir -p /run/systemd/resolve && exec "$@"' "$WORK/resolvectl" "$@"
}

@test "system dns create: systemd-resolved is told of bridges that are there and of those that come; without it, what to do instead" {
	run inside unshare --mount -- sh -c 'mount -t tmpfs none /run && exec "$@"' sh "$CORACLE" system dns create
	[ "$status" -ne 0 ]
	[[ $output == *"this host has no systemd-resolved"*"server=/coracle/ADDRESS"* ]]
	joined one
	[ ! -e "$WORK/asked" ]
	resolved "$CORACLE" system dns create
	bridge=$(bridge_of 10.209.0.1)
	[ "$(cat "$WORK/asked")" = "dns $bridge 10.209.0.1
domain $bridge ~coracle
default-route $bridge no" ]
	[ "$(coracle system dns ls --format json | jq -r '.[] | select(.Network == "default") | .Domain + " " + .Server + " " + (.Resolved | tostring)')" = "coracle 10.209.0.1 true" ]
	leave one
	rm "$WORK/asked"
	mkfifo "$WORK/resolved"
	exec {open}<>"$WORK/resolved"
	resolved $(join_network two) <&"$open" >"$WORK/two.out" &
	await grep -q 10.209 "$WORK/two.out"
	await grep -q default-route "$WORK/asked"
	[ "$(cut -d' ' -f1 "$WORK/asked" | xargs)" = "dns domain default-route" ]
	resolved "$CORACLE" system dns rm coracle
	[ "$(tail -n 1 "$WORK/asked")" = "revert $bridge" ]
	run resolved "$CORACLE" system dns rm coracle
	[ "$status" -ne 0 ]
	kill "$(pgrep -f "join-network $CORACLE_ROOT .* two")"
	wait
	await no_network || { cat "$WORK/traces"; false; }
}
