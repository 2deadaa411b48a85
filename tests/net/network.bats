# Containers in networks: addresses, names, the way out, and what is kept apart. Needs machines.

bats_require_minimum_version 1.5.0

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

# serving PORT PID: a server in the namespace of PID.
serving() {
	spawn "$2" "$WORK/serve.$1" python3 "$BATS_TEST_DIRNAME/serve.py" "$1"
	servers+=("$spawned")
	await grep -q ready "$WORK/serve.$1"
}
ask() { python3 "$BATS_TEST_DIRNAME/serve.py" ask "$@"; }
serving_container() { coracle run -d --name "$1" "${@:2}" busybox sh -c 'mkdir /w; echo "page of '"$1"'" >/w/index.html; exec httpd -f -h /w'; }
# fetch NAME HOST: the page of HOST, as container NAME sees it. (busybox's wget does not survive a static glibc.)
fetch() { coracle exec "$1" sh -c 'printf "GET / HTTP/1.0\r\n\r\n" | nc -w 10 "$0" 80 | tail -n 1' "$2"; }
page() { inside python3 -c 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode(), end="")' "$1"; }

@test "a container has an address of both families, the routes, its name in hosts; nothing stays" {
	coracle run --rm --network default --hostname box busybox sh -c 'ip -4 -o addr show eth0; ip -6 -o addr show eth0; ip route; cat /etc/hosts /etc/resolv.conf; ping -c 1 -W 5 box' >"$WORK/inside"
	cat "$WORK/inside"
	v4=$(sed -nE 's/.*inet (10\.209\.0\.[0-9]+)\/24.*/\1/p' "$WORK/inside")
	v6=$(sed -nE 's/.*inet6 (fd[0-9a-f:]+)\/64.*/\1/p' "$WORK/inside")
	grep -qx "$v4	box" "$WORK/inside"
	grep -qx "$v6	box" "$WORK/inside"
	grep -q "default via 10.209.0.1 dev eth0" "$WORK/inside"
	grep -qx "nameserver 10.209.0.1" "$WORK/inside"
	grep -qx "search coracle" "$WORK/inside"
	await no_network
	# Who says nothing is in the default network, or where CORACLE_NETWORK says.
	[ "$(CORACLE_NETWORK= coracle run --rm busybox sh -c 'ip -4 -o addr show eth0 | grep -c 10.209')" -eq 1 ]
	[ "$(CORACLE_NETWORK=none coracle run --rm busybox sh -c 'ip -o link | grep -c eth0')" -eq 0 ]
	CORACLE_NETWORK=nosuch run ! coracle create busybox
	[[ $output == *"CORACLE_NETWORK=nosuch: "* ]]
}

@test "the host and others reach a container by address and by name, over both families" {
	serving_container web --network default,alias=www
	serving_container db --network default
	v4=$(address web) v6=$(address web default GlobalIPv6Address)
	await page "http://$v4/"
	[ "$(page "http://$v4/")" = "page of web" ]
	[ "$(page "http://[$v6]/")" = "page of web" ]
	for name in web web.coracle www www.coracle "$v4" "$v6"; do
		[ "$(fetch db $name)" = "page of web" ]
	done
	for family in -4 -6; do
		coracle exec db ping $family -c 1 -W 5 web
		coracle exec web ping $family -c 1 -W 5 db.coracle
		coracle exec web ping $family -c 1 -W 5 host.coracle
	done
	[[ $(coracle exec db nslookup "$v4") == *"web.coracle"* ]]
	[[ $(coracle exec db nslookup "$v6") == *"web.coracle"* ]]
	run coracle exec db nslookup nobody
	[ "$status" -ne 0 ]
	[ "$(coracle network inspect default | jq -r '.[0].Containers[].Name' | sort | xargs)" = "db web" ]
	[ "$(coracle ls --format json | jq -r '.[] | select(.Name == "web").Address')" = "$v4" ]
	[ "$(coracle network ls --format json | jq -r '.[] | select(.Name == "default").Containers')" = 2 ]
	run coracle network rm default
	[ "$status" -ne 0 ]
	[[ $output == *"network 'default' is in use by 2 containers"* ]]
	# A new name is there as soon as its container runs; one that went is gone within a second.
	coracle run -d --name late --network default busybox sleep 1000
	coracle exec db ping -c 1 -W 5 late
	coracle rm -f late
	for ((i = 0; i < 10; i++)); do coracle exec db nslookup late || break; done
	run coracle exec db nslookup late
	[ "$status" -ne 0 ]
}

@test "the way out wears the host's address; from outside nobody comes in, nor to the host's services" {
	local servers=()
	serving 7001 "$WORLD"
	serving 7002 "$HOST"
	outside ip route add 10.209.0.0/16 via 192.0.2.1
	v4=$(address web) v6=$(address web default GlobalIPv6Address)
	outside ip -6 route add "${v6%%::*}::/64" via 2001:db8::1
	[ "$(coracle exec web nc -w 5 198.51.100.1 7001 </dev/null)" = "hello 192.0.2.1" ]
	[ "$(coracle exec web nc -w 5 2001:db8:1::1 7001 </dev/null)" = "hello 2001:db8::1" ]
	# The host's own: from here yes, from a container no, by none of its addresses.
	[ "$(inside python3 "$BATS_TEST_DIRNAME/serve.py" ask 10.209.0.1 7002)" = "hello 10.209.0.1" ]
	for host in 10.209.0.1 192.0.2.1 host.coracle 2001:db8::1; do
		run coracle exec web nc -w 3 "$host" 7002
		[[ $output != *hello* ]]
	done
	# Not even with a server that waits on the container, and the outside as a router to it.
	[ "$(page "http://$v4/")" = "page of web" ]
	run outside python3 "$BATS_TEST_DIRNAME/serve.py" ask "$v4" 80
	[ "$status" -ne 0 ]
	run outside python3 "$BATS_TEST_DIRNAME/serve.py" ask "$v6" 80
	[ "$status" -ne 0 ]
	kill "${servers[@]}"
}

@test "networks do not reach each other; an internal one has no way out; a container may be in several" {
	local servers=()
	serving 7001 "$WORLD"
	coracle network create blue --subnet 10.66.0.0/24 --label a=b
	coracle network create shut --internal
	serving_container inblue --network blue,ip=10.66.0.77,mac=02:00:00:00:00:77,mtu=1400
	serving_container inshut --network shut
	[ "$(address inblue blue)" = 10.66.0.77 ]
	[ "$(address inblue blue MacAddress)" = 02:00:00:00:00:77 ]
	coracle exec inblue ip link show eth0 | grep -q "mtu 1400 "
	[[ $(address inblue blue GlobalIPv6Address) == *::4d ]]
	await page http://10.66.0.77/
	web=$(address web) web6=$(address web default GlobalIPv6Address) shut=$(address inshut shut)
	await page "http://$shut/"
	for from in inblue inshut; do
		for to in "$web" "$web6" inblue.coracle; do
			run coracle exec $from nc -w 2 "$to" 80 </dev/null
			[[ $from == "${to%.*}" ]] || [ "$status" -ne 0 ]
			[[ $from == "${to%.*}" ]] || { run ! coracle exec $from ping -c 1 -W 1 "$to"; }
		done
	done
	[ "$(coracle exec inblue nc -w 5 198.51.100.1 7001 </dev/null)" = "hello 192.0.2.1" ]
	run ! coracle exec inshut nc -w 2 198.51.100.1 7001
	run ! coracle exec inshut nc -w 2 2001:db8:1::1 7001
	# In both: blue by its first, shut by its second; the names of each.
	coracle run -d --name both --network blue --network shut busybox sleep 1000
	coracle exec both ping -c 1 -W 5 10.66.0.77
	coracle exec both ping -c 1 -W 5 "$shut"
	coracle exec inshut ping -c 1 -W 5 both
	coracle exec inblue ping -c 1 -W 5 both
	run ! coracle network rm blue
	for name in inblue inshut both; do coracle rm -f $name; done
	[ "$(coracle network prune -f | sort | xargs)" = "blue shut" ]
	kill "${servers[@]}"
}

@test "what cannot be is told before a machine starts, and nothing stays of it" {
	run ! coracle run --rm --network nothing busybox true
	[[ $output == *"there is no network 'nothing': 'coracle network create nothing' makes one"* ]]
	run ! coracle run --rm --network none --network default busybox true
	[[ $output == *"network 'none' stands alone"* ]]
	run ! coracle run --rm --network default,ip=10.66.0.1 busybox true
	[[ $output == *"address 10.66.0.1 is none of 10.209.0.0/24"* ]]
	run ! coracle run --rm --network "default,ip=$(address web)" busybox true
	[[ $output == *"another container has that address"* ]]
	run ! coracle run --rm --network "default,mac=$(address web default MacAddress)" busybox true
	[[ $output == *"another container has that MAC address"* ]]
	run ! coracle run --rm --network default,color=red busybox true
	[[ $output == *"'color=red' is none of"* ]]
	run ! coracle network create again --subnet 10.209.0.0/16
	[[ $output == *"overlaps 10.209.0.0/24 of a route of the host"* ]]
	run ! coracle network create again --subnet 192.0.2.128/25
	[[ $output == *"overlaps 192.0.2.0/24 of a route of the host"* ]]
	run ! coracle network create again --subnet 10.0.0.1/24
	[[ $output == *"the subnet is 10.0.0.0/24" ]]
	run ! coracle network create default
	coracle network create small --subnet 10.67.0.0/30
	coracle run -d --name only --network small busybox sleep 1000
	run ! coracle run --rm --network small busybox true
	[[ $output == *"network 'small': all 1 addresses are in use"* ]]
	coracle rm -f only
	coracle network rm small
	[ "$(coracle ls -aq | wc -l)" -eq 2 ]
}

@test "a shim that is killed leaves nothing that the next one does not take away" {
	coracle run -d --name killed --network default busybox sleep 1000
	number=$(address killed | cut -d. -f4)
	kill -KILL "$(shim_of killed)"
	await eval '! vmm_of killed'
	coracle rm -f killed
	# Somebody comes by. Who ends with --rm has given everything back when the command ends.
	coracle run --rm --network default busybox true
	[ ! -e "$CORACLE_RUNTIME_DIR"/net/*/n/default/leases/"$number" ]
	[ ! -e "$CORACLE_RUNTIME_DIR"/net/*/n/default/hosts/"$number" ]
	[ "$(inside nft -j list ruleset | jq '[.nftables[].chain | select(.name // "" | test("^cor"))] | length')" -eq 2 ]
}

@test "names are served again after dnsmasq was killed, and a bridge is made again that somebody deleted" {
	pkill -KILL -u 1999999999 --ns "$HOST" --nslist net dnsmasq
	inside ip link del "$(inside ip -o link show type bridge | grep -o 'corb[0-9a-f]*')"
	coracle run --rm --network default busybox ping -c 1 -W 5 web
	[ "$(fetch db web)" = "page of web" ]
	[ "$(page "http://$(address web)/")" = "page of web" ]
	coracle rm -f web db
	await no_network || { cat "$WORK/traces"; false; }
}

@test "rules that were flushed come back by themselves while a container runs" {
	coracle run -d --name here --network default busybox sleep 1000
	coracle run -d --name there --network default busybox sleep 1000
	inside nft flush ruleset
	await rules_of 2
	[ "$(coracle system check --format json | jq length)" -eq 0 ]
	inside nft delete table bridge "$(inside nft -j list tables | jq -r '.nftables[].table | select(.family == "bridge").name')"
	await rules_of 2
	grep -q "were taken away" "$CORACLE_ROOT"/containers/*/shim.log
	coracle rm -f here there
	await no_network
}

# rules_of NUMBER: so many ports have rules, and the networks have theirs.
rules_of() {
	inside nft -j list ruleset >"$WORK/rules"
	[[ $(jq '[.nftables[].map | select(.name == "ports") | .elem[]] | length' "$WORK/rules") -eq $1 ]] &&
		[[ $(jq '[.nftables[].chain | select(.name == "postrouting")] | length' "$WORK/rules") -eq 1 ]]
}
