# Machines with networks that go on where saved ones stood.

bats_require_minimum_version 1.5.0

load lib

setup_file() {
	namespaces
	roots
	export CORACLE_NETWORK=default CORACLE_TEMPLATES=on
	coracle run --rm busybox true
	await saved 0
}
teardown_file() {
	nothing_left
	no_network
	namespaces_end
}

shapes() { ls "$CORACLE_ROOT"/templates/*/template.json 2>/dev/null | wc -l; }
# saved NUMBER: more shapes than that are.
saved() { [[ $(shapes) -gt $1 ]]; }
from_template() { [ "$(coracle inspect "$1" | jq '.[0].State.FromTemplate')" = true ]; }

@test "addresses, names and the way out are its own" {
	coracle run -d --name one busybox sh -c 'while :; do echo one | nc -l -p 80; done'
	coracle run -d --name two --network default,mac=02:00:00:00:be:ef busybox sleep 1000
	from_template one
	from_template two
	await coracle exec two sh -c '[ "$(nc -w 2 one 80 </dev/null)" = one ]'
	await coracle exec two sh -c '[ "$(nc -w 2 one.coracle 80 </dev/null)" = one ]'
	[ "$(coracle exec two cat /sys/class/net/eth0/address)" = 02:00:00:00:be:ef ]
	[ "$(coracle exec two ip -o link | grep -c ' eth[0-9]')" -eq 1 ]
	coracle exec two ping -c 1 -W 5 198.51.100.1
	coracle exec two ping -6 -c 1 -W 5 2001:db8:1::1
	await inside bash -c '[ "$(cat </dev/tcp/'"$(address one)"'/80)" = one ]'
	coracle rm -f one two
}

@test "several networks are a shape of their own" {
	local before
	before=$(shapes)
	coracle network create other
	coracle run --rm --network default --network other busybox true
	await saved "$before"
	coracle run -d --name both --network default --network other busybox sleep 1000
	from_template both
	[ "$(coracle exec both ip -o -4 addr show eth1 | grep -c "$(address both other)")" -eq 1 ]
	coracle rm -f both
	coracle network rm other
}

@test "who needs no root gets the user-mode network" {
	local before
	before=$(shapes)
	coracle run --rm --network user busybox true
	await saved "$before"
	coracle run -d --name user --network user busybox sleep 1000
	from_template user
	spawn "$WORLD" "$WORK/serve" python3 "$BATS_TEST_DIRNAME/serve.py" 8080
	await grep -q ready "$WORK/serve"
	# Its input stays open: Debian's passt loses answers to who closes it at once.
	coracle exec user sh -c 'mkfifo /tmp/open; timeout 10 nc -w 5 198.51.100.1 8080 <>/tmp/open' | grep -q hello
	coracle rm -f user
}
