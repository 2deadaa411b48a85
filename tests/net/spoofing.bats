bats_require_minimum_version 1.5.0

# A guest whose root may do everything claims to be others: what its machine really sent is in the capture of its own port, and in none of the bridge or of any other port.

setup_file() {
	load lib
	namespaces
	roots
	coracle image load -q -i "$top/build/test-images/debian.tar"
	coracle run -d --name victim --network default,mac=02:00:00:00:00:0b busybox sleep 100000
	coracle run -d --name bystander --network default busybox sleep 100000
	coracle run -d --name attacker --privileged --network default,mac=02:00:00:00:00:0a debian:12 sleep 100000
	coracle exec -i attacker sh -c 'cat >/bin/busybox; chmod +x /bin/busybox' <"$(command -v busybox)"
	export ATTACKER VICTIM BYSTANDER BRIDGE
	ATTACKER=$(address attacker default Device) VICTIM=$(address victim default Device) BYSTANDER=$(address bystander default Device)
	BRIDGE=$(inside ip -o link show type bridge | grep -o 'corb[0-9a-f]*')
}
teardown_file() {
	load lib
	nothing_left
	no_network || { cat "$WORK/traces"; false; }
	namespaces_end
}
setup() { load lib; }
teardown() {
	kill -CONT "$(vmm_of victim)"
	[[ -z ${listeners-} ]] || kill "${listeners[@]}" || true
}

# listen: what comes by at the bridge and at each port goes into $WORK/DEVICE.pcap, from the return on. deaf: no more.
listen() {
	local device
	listeners=()
	for device in "$BRIDGE" "$ATTACKER" "$VICTIM" "$BYSTANDER"; do
		spawn "$HOST" "$WORK/$device.out" tcpdump -i "$device" -U -w "$WORK/$device.pcap"
		listeners+=("$spawned")
		await grep -q listening "$WORK/$device.out"
	done
}
deaf() {
	kill "${listeners[@]}"
	wait "${listeners[@]}" || true
	listeners=()
}
# seen DEVICE: kinds and names of the frames that came by there; caught DEVICE FILTER: packets that did.
seen() { python3 "$BATS_TEST_DIRNAME/frames.py" seen "$WORK/frames" "$WORK/$1.pcap"; }
saw() { seen "$1" | grep -qx "$2"; }
caught() { tcpdump -nr "$WORK/$1.pcap" "$2" 2>/dev/null; }
in_attacker() { coracle exec attacker busybox sh -c "$1"; }

# Every one of them, as bytes, from a raw socket.
send_frames() {
	coracle exec -i attacker perl -e '
		open(my $file, "<", "/sys/class/net/eth0/ifindex") or die; chomp(my $index = <$file>);
		socket(my $socket, 17, 3, 0x0300) or die $!;
		while (<STDIN>) { chomp; send($socket, pack("H*", $_), 0, pack("SnlSCCa8", 17, 3, $index, 0, 0, 6, "")) or die "$_: $!" }'
}

@test "of all frames that a real guest forges none comes past its own port" {
	local device
	python3 "$BATS_TEST_DIRNAME/frames.py" make 02:00:00:00:00:0a "$(address attacker)" "$(address attacker default GlobalIPv6Address)" \
		02:00:00:00:00:0b "$(address victim)" "$(address victim default GlobalIPv6Address)" "$(inside ip -j link show "$BRIDGE" | jq -r '.[0].address')" >"$WORK/frames"
	listen
	# The good ones last: where they are, the bad ones have been before, or never.
	{ grep ^bad "$WORK/frames"; grep ^good "$WORK/frames"; } | cut -f3 | send_frames
	for device in "$BRIDGE" "$VICTIM" "$BYSTANDER" "$ATTACKER"; do await saw "$device" "good local advertisement"; done
	deaf
	[ "$(seen "$ATTACKER" | grep -c ^bad)" -eq "$(grep -c ^bad "$WORK/frames")" ]
	[ "$(seen "$VICTIM" | grep -c ^good)" -eq "$(grep -c ^good "$WORK/frames")" ]
	for device in "$BRIDGE" "$VICTIM" "$BYSTANDER"; do
		run ! grep ^bad <(seen "$device")
	done
}

@test "a guest that gives itself another's MAC and addresses is heard by nobody, and takes nothing away" {
	local victim victim6 device mac
	victim=$(address victim) victim6=$(address victim default GlobalIPv6Address)
	for mac in 02:00:00:00:00:66 02:00:00:00:00:0b 02:00:00:00:00:0a; do
		in_attacker "echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad; ip link set eth0 down; ip addr flush dev eth0; ip link set eth0 address $mac; ip addr add $victim/24 dev eth0; ip link set eth0 up
			ip -6 addr add $victim6/64 dev eth0; ip route add default via 10.209.0.1"
		# The other's own words, and what the host asks it, would be taken for the attacker's.
		inside ip neigh flush dev "$BRIDGE"
		kill -STOP "$(vmm_of victim)"
		listen
		in_attacker "arping -q -c 1 -U -I eth0 $victim; arping -q -c 1 -A -I eth0 $victim; ping -c 1 -W 1 10.209.0.1; ping -c 1 -W 1 198.51.100.1; ping -6 -c 1 -W 1 ${victim6%%::*}::1; true"
		deaf
		kill -CONT "$(vmm_of victim)"
		# It did what it could.
		[ "$(caught "$ATTACKER" "ether src $mac and arp src host $victim" | wc -l)" -ge 2 ]
		[ "$(caught "$ATTACKER" "ether src $mac and ip6 src host $victim6" | wc -l)" -ge 1 ]
		for device in "$BRIDGE" "$BYSTANDER" "$VICTIM"; do
			run ! grep . <(caught "$device" "host $victim or host $victim6 or (arp and host $victim) or ether src 02:00:00:00:00:66")
		done
		inside busybox ping -c 1 -W 10 "$victim"
		inside busybox ping -c 1 -W 10 "$victim6"
		[ "$(inside ip -j neigh show "$victim" | jq -r '.[0].lladdr')" = 02:00:00:00:00:0b ]
		[ "$(inside ip -j neigh show "$victim6" | jq -r '.[0].lladdr')" = 02:00:00:00:00:0b ]
		inside bridge -j fdb show | jq -e --arg dev "$VICTIM" '[.[] | select(.mac == "02:00:00:00:00:0b" and .master)] | length == 1 and .[0].ifname == $dev'
	done
}

@test "and a guest that is itself again is heard again" {
	in_attacker "ip addr flush dev eth0; ip addr add $(address attacker)/24 dev eth0; ping -c 1 -W 10 $(address victim)"
}
