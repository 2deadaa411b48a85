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
# says ANSWER PLACE PROTOCOL ADDRESS PORT: that is what talk.pl says; silent PLACE PROTOCOL ADDRESS PORT: nobody is there.
talk() { "$1" python3 "$BATS_TEST_DIRNAME/talk.py" "${@:2}"; }
says() {
	run talk "${@:2}"
	echo "${*:2}: $output"
	[ "$status" -eq 0 ] && [ "$output" = "$1" ]
}
silent() { run ! talk "$@"; }
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
	[[ $(CORACLE_NETWORK= coracle system info | tr -s ' ') == *" name user"*" reason only root may make bridges"* ]]
	[ "$(coracle inspect out | jq -r '.[0].NetworkSettings.Networks.user.IPAddress')" = 192.0.0.2 ]
	# Its link-local address is there from the start, too.
	coracle run --rm --network user busybox ip -6 address show dev eth0 >"$WORK/inside"
	cat "$WORK/inside"
	grep -q "inet6 fe80::.* scope link" "$WORK/inside"
	run ! grep tentative "$WORK/inside"
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
		for f in -4 -6; do
			ip $f rule add pref 100 lookup local
			ip $f rule del pref 0
			for to in 127.0.0.0/8 ::1; do ip $f rule add pref 1 to $to lookup 7 2>/dev/null; done
		done
		ip route add 127.0.0.0/8 via 192.0.0.1 src 192.0.0.2 table 7
		ip -6 route add default via fe80::1 dev eth0 table 7'
	[[ $(coracle exec rogue ip route get 127.0.0.1) == *"via 192.0.0.1 dev eth0"* ]]
	for address in 127.0.0.1 127.1.2.3 ::ffff:127.0.0.1 ::1 192.0.0.1 192.0.0.3 fe80::1%eth0; do
		run hear rogue "$address" 7001
		echo "$address: $output"
		[[ $output != *hello* ]]
	done
	[ "$(hear rogue 198.51.100.1 7002)" = "hello 192.0.2.1" ]
	coracle rm -f rogue
	kill "${servers[@]}"
}

@test "names are the host's resolver's, also where that is on the host's loopback" {
	local servers=()
	coracle run --rm --network user busybox cat /etc/resolv.conf >"$WORK/inside"
	diff <(grep ^nameserver "$WORK/inside") <(grep ^nameserver /etc/resolv.conf | grep -v -e 127 -e ::1 | head -n 3)
	spawn "$HOST" "$WORK/naming" dnsmasq --conf-file=/dev/null --no-daemon --no-resolv --no-hosts --pid-file --bind-interfaces \
		--listen-address=127.0.0.53 --address=/known.test/203.0.113.5 --local-service
	servers+=("$spawned")
	await grep -q started "$WORK/naming"
	printf 'nameserver 127.0.0.53\nsearch test\n' >"$WORK/resolv.conf"
	INSIDE="inside unshare --mount $BATS_TEST_DIRNAME/with-resolv $WORK/resolv.conf"
	coracle run --rm --network user busybox sh -c 'cat /etc/resolv.conf; timeout 10 nslookup -type=a known.test' >"$WORK/inside"
	INSIDE=inside
	cat "$WORK/inside"
	grep -qx "nameserver 192.0.0.3" "$WORK/inside"
	grep -qx "search test" "$WORK/inside"
	grep -q 203.0.113.5 "$WORK/inside"
	kill "${servers[@]}"
}

@test "passt that is killed is told, and the container lives; a killed shim or VMM leaves nothing" {
	coracle run -d --name victim --network user busybox sh -c 'echo up; exec sleep 1000'
	kill -KILL "$(pgrep -P "$(shim_of victim)" passt)"
	await grep -q "passt ended: the container has no network until it is started again" "$CORACLE_ROOT"/containers/*/shim.log
	await no_users
	[ "$(coracle exec victim timeout 5 sh -c 'echo | nc -w 2 198.51.100.1 7000 || echo unreachable')" = unreachable ]
	coracle stop -t 0 victim
	coracle start victim
	[ "$(users | wc -l)" -eq 3 ]
	# A guard that is gone is told just so.
	kill -KILL "$(pgrep -u 54321 coracle-guard | head -n 1)"
	await grep -q "the guard before passt ended" "$CORACLE_ROOT"/containers/*/shim.log
	await no_users
	coracle stop -t 0 victim
	coracle start victim
	kill -KILL "$(shim_of victim)"
	await no_users
	await none
	coracle start victim
	kill -KILL "$(vmm_of victim)"
	await no_users
	coracle rm -f victim
}

@test "what cannot be is told before a machine starts" {
	run coracle create --network user,ip=192.0.0.5 busybox
	[[ $output == *"network 'user' has no neighbours: ip=, ip6= and alias= have no sense there" ]]
	run coracle create --network default busybox
	[[ $output == *"network 'default': only root may make bridges" ]]
	run coracle create --network host busybox
	[[ $output == *"there is no network 'host': a container has a kernel of its own"* ]]
	for name in user host; do
		run coracle network create "$name"
		[[ $output == *"the name '$name' has a meaning of its own" ]]
	done
	run coracle create --network user --network user busybox
	[[ $output == *"a container can be in network 'user' once" ]]
	run ! grep . <(coracle ls -aq)
}

@test "root's passt is nobody that there is" {
	AS_USER= CORACLE=${CORACLE_BUILD:-$top/build}/coracle
	CORACLE_ROOT=$WORK/data CORACLE_RUNTIME_DIR=$WORK/run
	coracle run -d --name rooted --network user busybox sleep 1000
	passt=$(pgrep -P "$(shim_of rooted)" passt)
	[ "$(awk '/^Uid:/ { print $2 }' "/proc/$passt/status")" -gt 2000000000 ]
	[ "$(awk '/^CapEff:/ { print $2 }' "/proc/$passt/status")" = 0000000000000000 ]
	kill -KILL "$(shim_of rooted)"
	await run ! test -e "/proc/$passt/fd/0"
	coracle rm -f rooted
}

@test "published ports: both protocols and families, from the world, the host and its loopback; two containers at once" {
	coracle image load -q <"$top/build/test-images/debian.tar"
	coracle run -d --name web --network user -p 8080:80 -p 127.0.0.1:8081:80 -p '[::1]:8082:81' -p 8084:80/udp debian:12 perl -e "$(cat "$BATS_TEST_DIRNAME/talk.pl")" 80 81
	coracle run -d --name other --network user -p 192.0.2.1:8083:80 -p 127.0.0.1::81/udp debian:12 perl -e "$(cat "$BATS_TEST_DIRNAME/talk.pl")" 80 81
	for name in web other; do await eval "coracle logs $name | grep -qx ready"; done
	for address in 192.0.2.1 2001:db8::1; do
		for protocol in tcp udp; do
			port=$([[ $protocol == tcp ]] && echo 8080 || echo 8084)
			source=${address/%1/2}
			[[ $address == 192* ]] && source=192.0.2.2
			says "hello $source" outside $protocol $address $port
			says "hello $address" inside $protocol $address $port
		done
	done
	# Whom it calls the gateway is the host's loopback.
	says "hello 192.0.0.1" inside tcp 127.0.0.1 8080
	says "hello 192.0.0.1" inside tcp 127.0.0.1 8081
	says "hello fe80::1" inside tcp ::1 8080
	says "hello fe80::1" inside tcp ::1 8082
	says "hello 192.0.0.1" inside udp 127.0.0.1 8084
	says "hello fe80::1" inside udp ::1 8084
	says "hello 192.0.2.2" outside tcp 192.0.2.1 8083
	says "hello 192.0.0.1" inside udp 127.0.0.1 "$(coracle port other 81/udp | sed 's/.*://')"
	silent outside tcp 192.0.2.1 8081
	silent inside tcp 127.0.0.1 8082
	silent inside tcp 127.0.0.1 8083
	silent outside tcp 192.0.2.1 80
	[ "$(inside python3 "$BATS_TEST_DIRNAME/talk.py" echo 127.0.0.1 8080 3000000)" = same ]
	# Where UDP is published too, the gateway is no way to the loopback.
	serving 7003 "$HOST"
	run coracle exec web perl -MSocket -e 'socket(my $s, AF_INET, SOCK_STREAM, 0); alarm 3; connect($s, pack_sockaddr_in(7003, inet_aton("192.0.0.1"))) or exit 1'
	[ "$status" -ne 0 ]
	kill "${servers[@]}"
	# In use, or not to be had.
	for port in 8080 192.0.2.1:8083 8084/udp; do
		coracle create --name late --network user -p "${port%/*}:80${port#"${port%/*}"}" busybox true
		run coracle start late
		[[ $output == *"is in use"* ]]
		[ ! -e "$CORACLE_ROOT/containers/$(cat "$CORACLE_ROOT/names/late")/console.log" ]
		coracle rm late
	done
	run coracle run --rm --network user -p 127.0.0.1:9000:80 -p '[::1]:9000:80' busybox true
	[[ $output == *"port 9000/tcp is published at two addresses, which the user-mode network cannot do"* ]]
	coracle rm -f web other
	await no_users
}
