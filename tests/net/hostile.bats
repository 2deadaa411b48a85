bats_require_minimum_version 1.5.0

# A guest that claims what is another's: the frames go into its tap, as a machine's would, and are looked for on the bridge and on another container's port.

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

# listen DEVICE: what comes by there goes into $WORK/DEVICE.pcap, from the return on.
listen() {
	spawn "$HOST" "$WORK/$1.out" tcpdump -i "$1" -U -w "$WORK/$1.pcap"
	listeners+=("$spawned")
	await grep -q listening "$WORK/$1.out"
}

all_good_ones_seen() {
	[ "$(python3 "$BATS_TEST_DIRNAME/frames.py" seen "$WORK/frames" "$WORK"/cor*.pcap | grep -c ^good)" -eq "$(grep -c ^good "$WORK/frames")" ]
}

@test "what is its own goes through; no frame that claims another's does" {
	local attacker victim bridge listeners=()
	joined attacker "mac=02:00:00:00:00:0a"
	joined victim "mac=02:00:00:00:00:0b"
	read -ra attacker <"$WORK/attacker.out"
	read -ra victim <"$WORK/victim.out"
	bridge=$(inside ip -o link show type bridge | grep -o 'corb[0-9a-f]*')
	python3 "$BATS_TEST_DIRNAME/frames.py" make "${attacker[@]:1:3}" "${victim[@]:1:3}" "$(inside ip -j link show "$bridge" | jq -r '.[0].address')" >"$WORK/frames"
	listen "$bridge"
	listen "${victim[0]}"
	# The bridge sends to its port what is for the victim, and does not take it for the host's.
	inside bridge -j fdb show | jq -e --arg dev "${victim[0]}" '.[] | select(.mac == "02:00:00:00:00:0b" and .ifname == $dev).state == "static"'
	# The good ones last: when they are there, the bad ones have been before, or never.
	{ grep -v ^good "$WORK/frames"; grep ^good "$WORK/frames"; } | cut -f3 >&"${joined_in[attacker]}"
	await all_good_ones_seen
	kill "${listeners[@]}"
	wait "${listeners[@]}" || true
	# What is for nobody is not shown to others.
	[ "$(python3 "$BATS_TEST_DIRNAME/frames.py" seen "$WORK/frames" "$WORK/$bridge.pcap" | grep -c ^stray)" -eq 1 ]
	run ! grep stray <(python3 "$BATS_TEST_DIRNAME/frames.py" seen "$WORK/frames" "$WORK/${victim[0]}.pcap")
	run python3 "$BATS_TEST_DIRNAME/frames.py" seen "$WORK/frames" "$WORK/$bridge.pcap" "$WORK/${victim[0]}.pcap"
	echo "$output"
	[ "$(grep -c ^good <<<"$output")" -eq 9 ]
	[ -z "$(grep ^bad <<<"$output")" ]
	# Each of them would have been seen where there are no rules.
	inside nft delete table bridge "$(inside nft list tables bridge | cut -d' ' -f3)"
	listeners=()
	listen "$bridge"
	listen "${victim[0]}"
	{ grep ^bad "$WORK/frames"; grep ^good "$WORK/frames"; } | cut -f3 >&"${joined_in[attacker]}"
	await all_good_ones_seen
	kill "${listeners[@]}"
	run python3 "$BATS_TEST_DIRNAME/frames.py" seen "$WORK/frames" "$WORK/$bridge.pcap" "$WORK/${victim[0]}.pcap"
	echo "$output"
	[ "$(grep -c ^bad <<<"$output")" -eq "$(grep -c ^bad "$WORK/frames")" ]
	leave attacker
	leave victim
	await no_network || { cat "$WORK/traces"; false; }
}
