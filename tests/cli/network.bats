# network: what the command makes of its words, over a library that knows no networks of the host.

load common

@test "create passes on what was given, and prints the name" {
	calls network create blue --subnet 10.1.0.0/24 --subnet-v6 fd00:1::/64 --domain blue.test --internal -l a=b --label c=d
	is 0
	[ "$output" = blue ]
	asked "network create blue subnet=10.1.0.0/24 subnet-v6=fd00:1::/64 domain=blue.test internal=1" "label=a=b" "label=c=d"
	cli network create
	is 125
	cli network create backend
	is 1 "there is a network 'backend' already"
}

@test "who says nothing of networks and gets none is told why; who says none is not" {
	unset CORACLE_NETWORK
	FAKE_NETWORK=none cli create busybox
	is 0 "the container is in no network, since only root may make bridges; '--network none' says that this is meant"
	FAKE_NETWORK=none cli create --network none busybox
	[ "$stderr" = "" ]
	FAKE_NETWORK=none CORACLE_NETWORK=none cli create busybox
	[ "$stderr" = "" ]
	cli create busybox
	[ "$stderr" = "" ]
	FAKE_NETWORK=user cli create busybox
	[ "$stderr" = "" ]
}

@test "ls: table, names, documents" {
	cli network ls
	[ "${lines[0]}" = "NAME      SUBNET          SUBNET V6             CONTAINERS   INTERNAL" ]
	[ "${lines[1]}" = "backend   10.20.30.0/24   fd12:3456:789a::/64   2            yes" ]
	cli network ls -q
	[ "$output" = backend ]
	cli network ls --format json
	[ "$(jq -r '.[0] | .Name + .Labels.team + (.Containers | tostring)' <<<"$output")" = backenda2 ]
}

@test "inspect, rm and prune: what is not there is told, and the rest is done" {
	cli network inspect backend nothing
	is 1 "there is no network 'nothing'"
	[ "$(jq -r '.[].Name' <<<"$output")" = backend ]
	calls network rm a busy b
	is 1
	asked "network rm a" "network rm busy" "network rm b"
	[ "$output" = $'a\nb' ]
	calls network prune -f
	is 0
	asked "network prune"
	[ "$output" = old ]
	calls network prune </dev/null
	is 1
	not_asked "network prune"
}

@test "system dns: create, ls and rm" {
	calls system dns create
	is 0
	asked "dns create coracle"
	calls system dns create blue.test
	asked "dns create blue.test"
	cli system dns ls
	[[ ${lines[1]} == coracle*default*10.209.0.1*fd00::1*yes ]]
	calls system dns rm nothing coracle
	is 1
	asked "dns rm nothing" "dns rm coracle"
	[ "$output" = coracle ]
}
