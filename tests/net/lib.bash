# What the tests of networks share. Nothing of them happens in the network namespace of this machine: each file makes one of its own, and another that is the
# world, with a veth pair between them.

load ../lib

# namespace: a new one; its process's id is on standard output.
namespace() {
	unshare --net sleep 100000 >/dev/null 2>&1 3>&- &
	local pid=$!
	# Until unshare has done its work the process is in ours.
	while [[ $(readlink "/proc/$pid/ns/net") == "$(readlink /proc/self/ns/net)" || $(cat "/proc/$pid/comm") != sleep ]]; do sleep 0.02; done
	echo $pid
}

# inside COMMAND...: in the host's namespace; outside COMMAND...: in the world's. Both refuse to be this machine's.
export CORACLE_TEST_OUTER
CORACLE_TEST_OUTER=$(stat -L -c %i /proc/self/ns/net)
# foreign PID: the process is in a namespace that is not this machine's.
foreign() {
	local there
	there=$(stat -L -c %i "/proc/$1/ns/net")
	[[ -n $there && $there != "$CORACLE_TEST_OUTER" && $there != "$(stat -L -c %i /proc/1/ns/net 2>/dev/null)" ]] || { echo "no namespace of our own" >&2; return 99; }
}
enter() {
	foreign "$1" || return
	nsenter --target "$1" --net "${@:2}"
}
# spawn PID OUTPUT COMMAND...: the command runs in the background in that namespace; its own process id is in $spawned.
spawn() {
	foreign "$1" || return
	nsenter --target "$1" --net "${@:3}" <&0 >"$2" 2>&1 3>&- &
	spawned=$!
}
inside() { enter "$HOST" "$@"; }
outside() { enter "$WORLD" "$@"; }

INSIDE=inside

# namespaces: HOST has 192.0.2.1 and 2001:db8::1 on a veth whose other end is WORLD's, with 192.0.2.2, 2001:db8::2 and 198.51.100.1, 2001:db8:1::1 behind it.
namespaces() {
	HOST=$(namespace)
	WORLD=$(namespace)
	export HOST WORLD
	inside ip link set lo up
	outside ip link set lo up
	inside ip link add up0 type veth peer name down0 netns "$WORLD"
	inside ip address add 192.0.2.1/24 dev up0
	inside ip address add 2001:db8::1/64 dev up0 nodad
	inside ip link set up0 up
	outside ip address add 192.0.2.2/24 dev down0
	outside ip address add 2001:db8::2/64 dev down0 nodad
	outside ip address add 198.51.100.1/32 dev lo
	outside ip address add 2001:db8:1::1/128 dev lo
	outside ip link set down0 up
	inside ip route add default via 192.0.2.2
	inside ip route add default via 2001:db8::2
}

# Whatever a test that failed left in them goes too.
namespaces_end() {
	local process there here
	for here in "$(stat -L -c %i "/proc/$HOST/ns/net")" "$(stat -L -c %i "/proc/$WORLD/ns/net")"; do
		[[ -n $here && $here != "$CORACLE_TEST_OUTER" ]] || continue
		for process in /proc/[0-9]*; do
			there=$(stat -L -c %i "$process/ns/net" 2>/dev/null) || continue
			if [[ $there == "$here" ]]; then kill -KILL "${process#/proc/}" 2>/dev/null || true; fi
		done
	done
}

# address NAME [NETWORK [KEY]]: of a running container.
address() { coracle inspect "$1" | jq -r ".[0].NetworkSettings.Networks[\"${2:-default}\"].${3:-IPAddress}"; }

# What networks left in the namespace: nothing but the world's veth may be there.
network_traces() {
	inside ip -o link | grep -v -e ' lo:' -e ' up0@' || true
	inside nft list ruleset
	ls "$CORACLE_RUNTIME_DIR"/net/*/n 2>/dev/null || true
	local pid
	for pid in $(pgrep dnsmasq); do
		[[ $(stat -L -c %i "/proc/$pid/ns/net" 2>/dev/null) == "$(stat -L -c %i "/proc/$HOST/ns/net")" ]] && echo "dnsmasq $pid"
	done
	true
}
no_network() {
	local traces
	traces=$(network_traces)
	[[ -z $traces ]] || { echo "$traces" >"$WORK/traces"; return 1; }
}

# joined NAME [OPTIONS [NETWORK]]: NAME joins without a machine (join_network.c) and stays; what it prints is in $WORK/NAME.out, and frames can be written to
# ${joined_in[NAME]}. leave NAME: it goes.
declare -gA joined_in joined_pid
joined() {
	local build=${CORACLE_BUILD:-$top/build} name=$1 request=${3:-default}${2:+,$2} id fd
	id=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
	mkfifo "$WORK/$name.in"
	foreign "$HOST"
	nsenter --target "$HOST" --net "$build/tests/net/join-network" "$CORACLE_ROOT" "$CORACLE_RUNTIME_DIR" "$request" "$id" "$name" \
		<"$WORK/$name.in" >"$WORK/$name.out" 2>"$WORK/$name.err" 3>&- &
	joined_pid[$name]=$!
	exec {fd}>"$WORK/$name.in"
	joined_in[$name]=$fd
	await grep -q . "$WORK/$name.out" "$WORK/$name.err"
	cat "$WORK/$name.err"
	[[ -s $WORK/$name.out ]]
}
leave() {
	local fd=${joined_in[$1]}
	kill "${joined_pid[$1]}"
	exec {fd}>&-
	wait "${joined_pid[$1]}"
	rm -f "$WORK/$1.in"
}

# without PATH COMMAND...: in the host's namespace, on a host that has no such program or file.
without() { inside unshare --mount -- sh -c 'mount --bind /dev/null "$0" && exec "$@"' "$@"; }
