# volume: what the command makes of its words, over a library that has no disks.

load common

@test "create passes on what was given, and prints the name" {
	calls volume create blue --size 20g -l a=b --label c=d --opt journal=false -o shared=false
	is 0
	[ "$output" = blue ]
	asked "volume create blue size=21474836480" "label=a=b" "label=c=d" "opt=journal=false" "opt=shared=false"
	calls volume create
	is 0
	[ "${#output}" -eq 64 ]
	cli volume create data
	is 1 "there is a volume 'data' already"
	cli volume create x --size 0
	is 125 "--size 0: a volume needs room"
	cli volume create x --size much
	is 125
	cli volume create x y
	is 125
}

@test "ls: table, names, documents, filters" {
	cli volume ls
	[[ ${lines[0]} =~ ^NAME\ +SIZE\ +USED\ +CREATED\ +CONTAINERS$ ]]
	[[ ${lines[1]} =~ ^data\ +20\ GB\ +1.5\ MB\ .*\ db$ ]]
	cli volume ls -q
	[ "$output" = $'data\nold' ]
	cli volume ls -q --filter dangling=true
	[ "$output" = old ]
	cli volume ls -q -f dangling=false
	[ "$output" = data ]
	cli volume ls -q -f label=team
	[ "$output" = data ]
	cli volume ls -q -f label=team=b
	[ "$output" = "" ]
	cli volume ls -q -f name=ol
	[ "$output" = old ]
	cli volume ls --format json
	[ "$(jq -r '.[0] | .Name + .Labels.team + .Containers[0] + (.Size | tostring)' <<<"$output")" = dataadb20000000000 ]
	cli volume ls -f color=blue
	is 125 "--filter 'color=blue': there is dangling=true|false, name=TEXT, label=KEY[=VALUE]"
}

@test "inspect, rm and prune: what is not there is told, and the rest is done" {
	cli volume inspect data nothing
	is 1 "there is no volume 'nothing'"
	[ "$(jq -r '.[].Name' <<<"$output")" = data ]
	calls volume rm data old nothing
	is 1
	asked "volume rm data" "volume rm old" "volume rm nothing"
	[ "$output" = old ]
	cli volume rm -f nothing
	is 0
	cli volume rm -f data
	is 1 "container 'db' has volume 'data'"
	calls volume prune -f --filter label=a
	is 0
	asked "volume prune all=0" "label=a"
	[ "$output" = old ]
	calls volume prune -af
	asked "volume prune all=1"
	calls volume prune </dev/null
	is 1
	not_asked "volume prune all=0"
}

@test "check and repair" {
	calls volume check data old
	is 1
	asked "volume check data repair=0" "volume check old repair=0"
	[ "$output" = "data: whole" ]
	cli volume check --repair old
	is 0
	[ "$output" = "old: repaired" ]
}
