# Published ports: TCP and UDP, both families, over loopback, from the host, from the world and from other containers; who may not have them; nothing of them stays.

bats_require_minimum_version 1.5.0

setup_file() {
	load lib
	namespaces
	roots
	coracle image load -q -i "$top/build/test-images/debian.tar"
	coracle network create blue
	coracle network create shut --internal
	coracle run -d --name client --network default busybox sleep 10000
	talking web --network default -p 8080:80 -p 127.0.0.1:8081:80 -p '[::1]:8082:80' -p 192.0.2.1:8083:80 -p 8090-8091:80-81 -p 8084:80/udp -p 127.0.0.1::80/udp \
		-p 192.0.2.1:8085:80/udp --expose 9999
}
teardown_file() {
	load lib
	nothing_left
	namespaces_end
}
setup() { load lib; }

here=$BATS_TEST_DIRNAME
talk() { "$1" python3 "$here/talk.py" "${@:2}"; }
# talking NAME OPTIONS...: a container with talk.pl on ports 80 and 81.
talking() {
	coracle run -d --name "$1" "${@:2}" debian:12 perl -e "$(cat "$here/talk.pl")" 80 81
	await logged "$1" ready
}
logged() { coracle logs "$1" | grep -qx "$2"; }
# says ANSWER PLACE PROTOCOL ADDRESS PORT: that is what the container says; silent PLACE PROTOCOL ADDRESS PORT: nobody is there.
says() {
	run talk "${@:2}"
	echo "${*:2}: $output"
	[ "$status" -eq 0 ] && [ "$output" = "$1" ]
}
silent() {
	run talk "$@"
	echo "$*: $output"
	[ "$status" -eq 1 ]
}
gateway() { coracle inspect "$1" | jq -r ".[0].NetworkSettings.Networks.default.${2:-Gateway}"; }
# in_container NAME ADDRESS PORT: what a container hears there.
in_container() { coracle exec "$1" nc -w 2 "$2" "$3" </dev/null; }
free_port() { talk inside hold "$@" </dev/null; }
# starts FAILING_OPTIONS MESSAGE: that is said, and no machine was begun.
refused() {
	coracle create --name refused --network default "${@:2}" busybox true
	run coracle start refused
	echo "$output"
	[ "$status" -ne 0 ] && [[ $output == *"$1"* ]]
	[ ! -e "$CORACLE_ROOT/containers/$(cat "$CORACLE_ROOT/names/refused")/console.log" ]
	coracle rm refused
}

@test "what is published is shown" {
	ports=$(coracle ls --format json | jq -r '.[] | select(.Name == "web").Ports')
	echo "$ports"
	udp=$(coracle port web 80/udp | sed -n 's/^127\.0\.0\.1://p')
	[ "$udp" -ge 1024 ]
	[ "$ports" = "0.0.0.0:8080->80/tcp, 0.0.0.0:8090-8091->80-81/tcp, 0.0.0.0:8084->80/udp, 127.0.0.1:8081->80/tcp, 127.0.0.1:$udp->80/udp, 192.0.2.1:8083->80/tcp, 192.0.2.1:8085->80/udp, [::]:8080->80/tcp, [::]:8090-8091->80-81/tcp, [::]:8084->80/udp, [::1]:8082->80/tcp, 9999/tcp" ]
	coracle ls | grep -F '0.0.0.0:8080->80/tcp'
	coracle port web
	[ "$(coracle port web | grep -c '^81/tcp -> ')" -eq 2 ]
	[ "$(coracle port web 81 | sort | xargs)" = "0.0.0.0:8091 [::]:8091" ]
	[ "$(coracle inspect web | jq -r '.[0].NetworkSettings.Ports["81/tcp"] | map(.HostIp + " " + .HostPort) | sort | join(",")')" = "0.0.0.0 8091,:: 8091" ]
	[ "$(coracle inspect web | jq -r '.[0].NetworkSettings.Ports["9999/tcp"]')" = null ]
	[ "$(coracle inspect web | jq -r '.[0].HostConfig.PortBindings["81/tcp"][0].HostPort')" = 8091 ]
	[ "$(coracle inspect web | jq -c '.[0].Config.ExposedPorts')" = '{"9999/tcp":{}}' ]
	run ! coracle port web 9999
	[[ $output == *"'web' does not publish port 9999/tcp"* ]]
	[ "$(coracle system check --format json)" = "[]" ]
}

@test "over TCP and IPv4: from loopback, from the host and from the world, which are told apart" {
	says "hello $(gateway web)" inside tcp 127.0.0.1 8080
	says "hello $(gateway web)" inside tcp 127.9.9.9 8080
	says "hello 192.0.2.1" inside tcp 192.0.2.1 8080
	says "hello 192.0.2.2" outside tcp 192.0.2.1 8080
	says "hello 192.0.2.2" outside tcp 192.0.2.1 8091
	says "hello $(gateway web)" inside tcp 127.0.0.1 8081
	says "hello 192.0.2.2" outside tcp 192.0.2.1 8083
	# Where they were not published.
	silent inside tcp 192.0.2.1 8081
	silent outside tcp 192.0.2.1 8081
	silent inside tcp 127.0.0.1 8082
	silent inside tcp 127.0.0.1 8083
	silent inside tcp "$(gateway web)" 8083
	silent outside tcp 192.0.2.1 8082
	silent outside tcp 192.0.2.1 80
}

@test "over TCP and IPv6" {
	says "hello $(gateway web IPv6Gateway)" inside tcp ::1 8080
	says "hello $(gateway web IPv6Gateway)" inside tcp ::1 8082
	says "hello 2001:db8::1" inside tcp 2001:db8::1 8080
	says "hello 2001:db8::2" outside tcp 2001:db8::1 8090
	says "hello $(gateway web IPv6Gateway)" inside tcp "$(inside ip -6 -o addr show up0 scope link | sed -nE 's/.* inet6 (fe80[0-9a-f:]+).*/\1/p')%up0" 8080
	silent outside tcp 2001:db8::1 8082
	silent inside tcp ::1 8081
	silent outside tcp 2001:db8::1 8083
}

@test "over UDP, both families" {
	says "hello $(gateway web)" inside udp 127.0.0.1 8084
	says "hello $(gateway web)" inside udp 127.1.2.3 8084
	says "hello $(gateway web)" inside udp 127.0.0.1 "$(coracle port web 80/udp | sed -n 's/^127\.0\.0\.1://p')"
	says "hello 192.0.2.1" inside udp 192.0.2.1 8084
	says "hello 192.0.2.2" outside udp 192.0.2.1 8084
	says "hello 192.0.2.2" outside udp 192.0.2.1 8085
	says "hello $(gateway web IPv6Gateway)" inside udp ::1 8084
	says "hello 2001:db8::1" inside udp 2001:db8::1 8084
	says "hello 2001:db8::2" outside udp 2001:db8::1 8084
	silent inside udp 127.0.0.1 8085
	silent outside udp 192.0.2.1 "$(coracle port web 80/udp | sed -n 's/^127\.0\.0\.1://p')"
}

@test "what is published on the loopback is not reached by who sends to it over a cable" {
	outside sysctl -qw net.ipv4.conf.all.route_localnet=1
	outside ip address del 127.0.0.1/8 dev lo
	outside ip route add 127.0.0.1 via 192.0.2.1 src 192.0.2.2
	for port in 8080 8081; do
		silent outside tcp 127.0.0.1 $port
	done
	# It is not the world that cannot: where such packets are led on, they get there.
	table=$(inside nft list tables inet | cut -d' ' -f3)
	inside nft flush chain inet "$table" published
	inside nft add rule inet "$table" published tcp dport 8081 dnat ip to "$(address web):80"
	says "hello 192.0.2.2" outside tcp 127.0.0.1 8081
	
	outside ip route del 127.0.0.1
	outside ip address add 127.0.0.1/8 dev lo
	inside nft delete table inet "$table"
	coracle system check --repair
	says "hello 192.0.2.2" outside tcp 192.0.2.1 8080
}

@test "other containers reach published ports by the host's addresses, of their own and of other networks; and nothing else" {
	spawn "$HOST" "$WORK/lonely" python3 "$here/serve.py" 7005
	lonely=$spawned
	coracle run -d --name inblue --network blue busybox sleep 10000
	coracle run -d --name inshut --network shut busybox sleep 10000
	for host in 192.0.2.1 2001:db8::1 host.coracle; do
		[[ $(in_container client $host 8080) == "hello "* ]]
		[[ $(in_container inblue $host 8080) == "hello "* ]]
		run in_container inshut $host 8080
		[[ $output != *hello* ]]
	done
	# Its own.
	[[ $(coracle exec web perl -MIO::Socket::INET -e 'print IO::Socket::INET->new("192.0.2.1:8080")->getline') == "hello $(gateway web)" ]]
	web=$(address web) web6=$(address web default GlobalIPv6Address)
	for port in 80 81; do
		for to in "$web" "$web6"; do
			run in_container inblue "$to" $port
			[[ $output != *hello* ]]
		done
	done
	# Published on the loopback, on one address, or nowhere.
	await grep -q ready "$WORK/lonely"
	for from in client inblue; do
		for to in "$(gateway client)" 192.0.2.1 127.0.0.1; do
			for port in 8081 8082 7005; do
				run in_container $from "$to" $port
				[[ $output != *hello* ]]
			done
		done
		run in_container $from "$(gateway client)" 8083
		[[ $output != *hello* ]]
		[[ $(in_container $from 192.0.2.1 8083) == "hello "* ]]
	done
	kill "$lonely"
	coracle rm -f inblue inshut
}

@test "the host's own services are reached by who is allowed to, and those on its loopback by nobody" {
	coracle network create tools --allow-host 7006 --allow-host 7007-7008/udp
	coracle network create open --allow-host all
	[ "$(coracle network inspect tools | jq -c '.[0].AllowHost')" = '["7006","7007-7008/udp"]' ]
	run ! coracle network create bad --allow-host 80:80
	[[ $output == *"'80:80' is no port of the host to allow"* ]]
	servers=()
	for port in 7006 7009; do
		spawn "$HOST" "$WORK/service.$port" python3 "$here/serve.py" $port
		servers+=("$spawned")
		await grep -q ready "$WORK/service.$port"
	done
	mkfifo "$WORK/service"
	exec {service}<>"$WORK/service"
	spawn "$HOST" "$WORK/service.lo" python3 "$here/talk.py" hold 127.0.0.1 7010 tcp <"$WORK/service"
	servers+=("$spawned")
	await grep -q ready "$WORK/service.lo"
	coracle run -d --name intools --network tools busybox sleep 10000
	coracle run -d --name inopen --network open busybox sleep 10000
	for host in host.coracle 192.0.2.1; do
		[[ $(in_container intools $host 7006) == "hello "* ]]
		[[ $(in_container inopen $host 7009) == "hello "* ]]
		
		run in_container intools $host 7009
		[[ $output != *hello* ]]
		run in_container client $host 7006
		[[ $output != *hello* ]]
	done
	
	for from in intools inopen client; do
		run ! in_container $from host.coracle 7010
		run ! in_container $from 127.0.0.1 7010
	done
	# Nor does "all" mean the names of other networks.
	coracle exec inopen nslookup -type=a inopen.coracle
	run ! coracle exec inopen timeout 3 nslookup -type=a web.coracle "$(gateway client)"
	# By UDP, to whom it is said.
	for port in 7007 7009; do
		spawn "$HOST" "$WORK/service.udp.$port" python3 "$here/talk.py" hear :: $port
		servers+=("$spawned")
		await grep -q ready "$WORK/service.udp.$port"
	done
	for port in 7009 7007; do coracle exec intools timeout 2 tftp -g -r word host.coracle $port || true; done
	await grep -aq word "$WORK/service.udp.7007"
	[ -z "$(grep -a word "$WORK/service.udp.7009")" ]
	kill "${servers[@]}" 2>/dev/null || true
	exec {service}>&-
	coracle rm -f intools inopen
	coracle network rm tools open
}

@test "much in both directions over the loopback, each end of which is kept" {
	for address in 127.0.0.1 ::1; do
		[ "$(talk inside echo $address 8080 50000000)" = same ]
	done
	[ "$(talk inside echo 127.0.0.1 8080 0)" = same ]
}

@test "two hundred connections at once; and who does not read is in nobody's way" {
	mkfifo "$WORK/stay"
	exec {stay}<>"$WORK/stay"
	spawn "$HOST" "$WORK/stuck" python3 "$here/talk.py" stuck 127.0.0.1 8080 <"$WORK/stay"
	stuck=$spawned
	await grep -qx stuck "$WORK/stuck"
	[ "$(talk inside many 127.0.0.1 8080 200)" = 200 ]
	[ "$(talk inside many ::1 8080 200)" = 200 ]
	[ "$(talk outside many 192.0.2.1 8080 200)" = 200 ]
	[ "$(coracle exec web echo works)" = works ]
	kill "$stuck"
	exec {stay}>&-
	# All descriptors are given back, but those that are held for listening.
	await eval '[ "$(ls "/proc/$(shim_of web)/fd" | wc -l)" -lt 100 ]'
}

@test "a port that is in use is told by its name, before a machine is begun" {
	mkfifo "$WORK/held"
	exec {held}<>"$WORK/held"
	spawn "$HOST" "$WORK/holder" python3 "$here/talk.py" hold 127.0.0.1 9100 tcp <"$WORK/held"
	holders=("$spawned")
	spawn "$HOST" "$WORK/holder6" python3 "$here/talk.py" hold :: 9101 udp <"$WORK/held"
	holders+=("$spawned")
	await grep -q ready "$WORK/holder"
	await grep -q ready "$WORK/holder6"
	refused "port 9100/tcp of the host is in use" -p 9100:80
	refused "port 127.0.0.1:9100/tcp of the host is in use" -p 127.0.0.1:9100:80
	refused "port 9101/udp of the host is in use" -p 9101:80/udp
	refused "port 8080/tcp of the host is in use" -p 9102:80 -p 8080:80
	refused "all ports of the host from 8090/tcp to 8091 are in use" -p 8090-8091:80
	refused "the host has no address 203.0.113.9 to publish a port on" -p 203.0.113.9:9102:80
	# The others of the same container are free again, and what is taken is gone round.
	free_port 0.0.0.0 9102 tcp
	run -0 coracle run --rm --network default -p 9100:80/udp -p 9101:80 busybox true
	coracle run -d --name second --network default -p 9099-9103:80 -p 192.0.2.1:9100:80 busybox sleep 1000
	[ "$(coracle port second 80 | sort | head -n 1)" = "0.0.0.0:9099" ]
	coracle rm -f second
	kill "${holders[@]}"
	exec {held}>&-
}

@test "what makes no sense is refused when the container is made" {
	for bad in 0:80 80:0 70000:80 80/sctp localhost:80:80 1.2.3.4.5:80:80 ::1:80:80 8000-8002:80-81 99999999999:80 '' 224.0.0.1:80:80; do
		run ! coracle create --network default -p "$bad" busybox true
		[[ $output == *"'$bad'"* ]]
	done
	run ! coracle create --network default -p 80:80 -p 127.0.0.1:80:81 busybox true
	[[ $output == *"port 127.0.0.1:80/tcp of the host is published twice"* ]]
	run ! coracle create --network none -p 80:80 busybox true
	[[ $output == *"the container has none"* ]]
	run ! coracle create --network shut -p 80:80 busybox true
	[[ $output == *"all networks of the container are internal"* ]]
	run ! coracle create --network default -p 53:53/udp busybox true
	[[ $output == *"networks serve their names there"* ]]
	[ "$(coracle ls -aq | wc -l)" -eq 2 ]
}

@test "all that is exposed, on ports that are free; the same after a restart; none when it is gone" {
	talking every --network default -P --expose 80 --expose 81/udp -p 9200:81
	port=$(coracle port every 80 | sed -n 's/^0\.0\.0\.0://p')
	[ "$(coracle port every 80 | sed -n 's/^\[::\]://p')" = "$port" ]
	says "hello 192.0.2.2" outside tcp 192.0.2.1 "$port"
	says "hello 192.0.2.2" outside udp 2001:db8::1 "$(coracle port every 81/udp | sed -n 's/^\[::\]://p')" || says "hello 2001:db8::2" outside udp 2001:db8::1 "$(coracle port every 81/udp | sed -n 's/^\[::\]://p')"
	coracle stop -t 1 every
	[ "$(coracle ls -a --format json | jq -r '.[] | select(.Name == "every").Ports')" = "" ]
	silent outside tcp 192.0.2.1 9200
	free_port 0.0.0.0 9200 tcp
	coracle start every
	await talk outside tcp 192.0.2.1 9200
	coracle rm -f every
	silent inside tcp 127.0.0.1 9200
	silent outside tcp 192.0.2.1 9200
	free_port :: 9200 tcp
	[ -z "$(inside nft list ruleset | grep -w 9200)" ]
	# Connections of before lead nowhere: the address may soon be another's.
	[ "$(coracle system check --format json)" = "[]" ]
}

@test "a shim that is killed frees its ports at once, and the next who comes takes its rules away" {
	coracle run -d --name killed --network default -p 9300:80 busybox sleep 1000
	number=$(address killed | cut -d. -f4)
	kill -KILL "$(shim_of killed)"
	await eval '! vmm_of killed'
	free_port 0.0.0.0 9300 tcp
	inside nft list ruleset | grep -w 9300
	run coracle system check --format json
	[[ $output == *"the firewall does not lead them to where they should go"* ]]
	coracle rm -f killed
	coracle run --rm --network default busybox true
	[ -z "$(inside nft list ruleset | grep -w 9300)" ]
	[ ! -e "$CORACLE_RUNTIME_DIR"/net/*/n/default/ports/"$number" ]
	says "hello 192.0.2.2" outside tcp 192.0.2.1 8080
}

@test "rules that somebody took away are missed, and come back" {
	table=$(inside nft list tables inet | cut -d' ' -f3)
	inside nft delete element inet "$table" any4 '{ tcp . 8080 }'
	[ "$(coracle system check --format json | jq -r '.[].What')" = "published ports" ]
	# Until then the sockets serve.
	says "hello $(gateway web)" outside tcp 192.0.2.1 8080
	coracle system check --repair
	[ "$(coracle system check --format json)" = "[]" ]
	says "hello 192.0.2.2" outside tcp 192.0.2.1 8080
	inside nft flush ruleset
	coracle run --rm --network default busybox true
	says "hello 192.0.2.2" outside tcp 192.0.2.1 8080
	coracle system check --repair
	coracle rm -f web client
	await no_network || { cat "$WORK/traces"; false; }
}
