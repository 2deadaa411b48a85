# The user-mode network: an ordinary user's containers, in a namespace whose outside is another. What gets out, who gets in, what dies with whom.

bats_require_minimum_version 1.5.0

setup_file() {
	load lib
	namespaces
	inside sysctl -qw net.ipv4.ping_group_range="0 2147483647"
	roots
	become_user 54321
}
teardown_file() {
	load lib
	nothing_left
	namespaces_end
}
setup() { load lib; }

# serving PORT PID [ADDRESS]: a server of one line in the namespace of PID.
serving() {
	spawn "$2" "$WORK/serve.$1" python3 "$BATS_TEST_DIRNAME/serve.py" "$1" "${@:3}"
	servers+=("$spawned")
	await grep -q ready "$WORK/serve.$1"
}
# hear NAME ADDRESS PORT: what the server there says to that container. (This passt loses the answer to one who closes his side at once.)
hear() { coracle exec "$1" sh -c '[ -p /tmp/open ] || mkfifo /tmp/open; timeout 10 nc -w 5 "$0" "$1" <>/tmp/open' "$2" "$3"; }
# What of passt and its guards is there.
users() { pgrep -u 54321 -a passt || true; pgrep -u 54321 coracle-guard || true; }
no_users() { [[ -z $(users) ]]; }

@test "chosen by itself and said so: out by TCP, UDP and ping over both families" {
	local servers=()
	serving 7000 "$WORLD"
	spawn "$WORLD" "$WORK/naming" dnsmasq --conf-file=/dev/null --no-daemon --no-resolv --no-hosts --pid-file --address=/known.test/203.0.113.5
	servers+=("$spawned")
	await grep -q started "$WORK/naming"
	CORACLE_NETWORK= coracle run -d --name out busybox sleep 1000
	# From the host's address.
	[ "$(hear out 198.51.100.1 7000)" = "hello 192.0.2.1" ]
	[ "$(hear out 2001:db8:1::1 7000)" = "hello 2001:db8::1" ]
	[[ $(coracle exec out nslookup known.test 198.51.100.1) == *203.0.113.5* ]]
	[[ $(coracle exec out nslookup known.test 2001:db8:1::1) == *203.0.113.5* ]]
	coracle exec out ping -c 1 -W 5 198.51.100.1
	coracle exec out ping -c 1 -W 5 2001:db8:1::1
	[[ $(CORACLE_NETWORK= coracle system info) == *"name         user"*"reason       only root may make bridges"* ]]
	[ "$(coracle inspect out | jq -r '.[0].NetworkSettings.Networks.user.IPAddress')" = 192.0.0.2 ]
	# Nobody reaches that.
	[ "$(coracle ls --format json | jq -r '.[0].Address')" = "" ]
	# A container that is there keeps its network.
	coracle stop -t 0 out
	no_users
	coracle start out
	[ "$(hear out 198.51.100.1 7000)" = "hello 192.0.2.1" ]
	coracle rm -f out
	await no_users
	kill "${servers[@]}"
}

@test "the host's loopback is not reached, whatever the guest sends" {
	local servers=() address
	serving 7001 "$HOST"
	[ "$(inside python3 "$BATS_TEST_DIRNAME/serve.py" ask 127.0.0.1 7001)" = "hello 127.0.0.1" ]
	serving 7002 "$WORLD"
	coracle run -d --name rogue --network user --privileged busybox sleep 1000
	# A guest whose own loopback is elsewhere: packets for those addresses go out.
	coracle exec rogue sh -c 'for i in all eth0; do echo 1 >/proc/sys/net/ipv4/conf/$i/route_localnet; done
		ip -4 rule add pref 0 to 127.0.0.0/8 table 7; ip route add 127.0.0.0/8 via 192.0.0.1 src 192.0.0.2 table 7
		ip -4 rule add pref 1 to 0.0.0.0 table 7
		ip -6 rule add pref 0 to ::1 table 7; ip -6 rule add pref 0 to ::ffff:0:0/96 table 7; ip -6 route add default via fe80::1 dev eth0 table 7'
	for address in 127.0.0.1 127.1.2.3 192.0.0.1 192.0.0.3 ::1 fe80::1%eth0 fd63:6f72:6163::3; do
		run hear rogue "$address" 7001
		echo "$address: $output"
		[[ $output != *hello* ]]
	done
	[ "$(hear rogue 198.51.100.1 7002)" = "hello 192.0.2.1" ]
	coracle rm -f rogue
	kill "${servers[@]}"
}
