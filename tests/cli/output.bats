# What is printed: tables for people, JSON and YAML for programs, nothing that steers a terminal.

load common

@test "ls: a table with upper-case headers, newest first; all with -a" {
	cli ls
	is 0
	[ "${#lines[@]}" -eq 2 ]
	[[ ${lines[0]} =~ ^CONTAINER\ ID\ +IMAGE\ +COMMAND\ +CREATED\ +STATUS\ +ADDRESS\ +PORTS\ +NAME$ ]]
	[[ ${lines[1]} == 0123456789ab*busybox*"years ago"*"Up "*runner ]]
	cli ps -a
	[ "${#lines[@]}" -eq 3 ]
	[[ ${lines[2]} == *"Exited (3)"*done ]]
	[[ $output != *$'\e'* ]]
	cli list --no-trunc
	[[ ${lines[1]} == 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef* ]]
}

@test "ls --filter: name, state, label" {
	names() { "$fake" ls --format json "$@" | jq -r '.[].Name'; }
	[ "$(names --filter name=unn)" = runner ]
	[ "$(names -a --filter name=don)" = "done" ]
	[ -z "$(names --filter name=don)" ]
	# A state names also what does not run; of two, either will do.
	[ "$(names -f status=exited)" = "done" ]
	[ "$(names -f status=exited -f status=running)" = $'runner\ndone' ]
	[ "$(names -f status=exited -f name=runner)" = "" ]
	[ "$(names -a -f label=color)" = $'runner\ndone' ]
	# All labels are wanted.
	[ -z "$(names -a -f label=color -f label=size)" ]
	[ "$("$fake" ls -q -f name=nobody | wc -l)" -eq 0 ]
	[ "$("$fake" ls -f name=nobody | wc -l)" -eq 1 ]
	cli ls --filter status=paused
	is 125 "--filter 'status=paused': there is name=TEXT, label=KEY[=VALUE], status=created|running|exited|damaged"
	cli ls --filter colour=blue
	is 125 "--filter 'colour=blue': there is name=TEXT, label=KEY[=VALUE], status=created|running|exited|damaged"
}

@test "ls -q: ids alone" {
	cli ls -aq
	[ "$output" = $'0123456789ab\n0123456789ab' ]
}

@test "ls --format json is JSON in a fixed order, with labels and times" {
	run -0 bash -c "'$fake' ls -a --format json | jq -c '.[1] | [.Name, .State, .ExitCode, .CreatedAt, .Labels.color]'"
	[ "$output" = '["done","exited",3,"2001-09-09T01:46:40.123456789Z","blue: \"x\""]' ]
	run -0 bash -c "'$fake' ls --format json | jq -r '.[0] | keys_unsorted[:3][]'"
	[ "$output" = $'Id\nName\nImage' ]
	run -0 bash -c "'$fake' ls --format json | jq '.[0].ExitCode'"
	[ "$output" = null ]
}

@test "ls --format yaml quotes what would be read otherwise" {
	cli ls --format yaml
	is 0
	[ "${lines[0]}" = "- Id: \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"" ]
	[ "${lines[1]}" = "  Name: runner" ]
	[[ $output == *'Command: "sh -c \x1b[2Jevil"'* ]]
	[[ $output == *'    color: "blue: \"x\""'* ]]
}

@test "a YAML reader finds what a JSON reader finds" {
	for what in "ls -a" images "system info" "inspect runner"; do
		"$fake" $what --format json >"$BATS_TEST_TMPDIR/json"
		"$fake" $what --format yaml >"$BATS_TEST_TMPDIR/yaml"
		python3 -c 'import json, sys, yaml; assert json.load(open(sys.argv[1])) == yaml.safe_load(open(sys.argv[2]))' "$BATS_TEST_TMPDIR/json" "$BATS_TEST_TMPDIR/yaml"
	done
}

@test "images: a row for each name, as people write it" {
	cli images
	is 0
	[[ ${lines[0]} =~ ^REPOSITORY\ +TAG\ +IMAGE\ ID\ +CREATED\ +SIZE$ ]]
	[[ ${lines[1]} =~ ^busybox\ +latest\ +0123456789ab\ +unknown\ +1\.2\ MB$ ]]
	[[ ${lines[2]} =~ ^localhost:5000/team/app\ +v1\  ]]
	cli image ls -q
	[ "$output" = 0123456789ab ]
	run -0 bash -c "'$fake' image list --format json | jq -r '.[0].Names[1]'"
	[ "$output" = localhost:5000/team/app:v1 ]
}

@test "images NAME: those of a repository, or of one tag" {
	local name
	for name in busybox busybox:latest library/busybox docker.io/library/busybox:latest; do
		cli images "$name"
		is 0
		[ "${#lines[@]}" -eq 2 ]
		[[ ${lines[1]} =~ ^busybox\ +latest\  ]]
	done
	cli image ls localhost:5000/team/app other
	[ "${#lines[@]}" -eq 2 ]
	[[ ${lines[1]} =~ ^localhost:5000/team/app\ +v1\  ]]
	cli images busybox localhost:5000/team/app:v1
	[ "${#lines[@]}" -eq 3 ]
	cli images -q busybox
	[ "$output" = 0123456789ab ]
	for name in busy busybox:late busybox:latest2 localhost app; do
		cli images -q "$name"
		is 0
		[ -z "$output" ]
	done
	cli images other
	[ "${#lines[@]}" -eq 1 ]
	run -0 bash -c "'$fake' images --format json other | jq length"
	[ "$output" = 0 ]
}

@test "system info: facts as a table, JSON or YAML" {
	cli system info
	is 0
	[[ ${lines[0]} =~ ^version\ +9\.9\.9$ ]]
	[[ ${lines[3]} =~ ^\ \ reason\ +no:\ /dev/kvm$ ]]
	run -0 bash -c "'$fake' info --format json | jq -r .accelerator.name"
	[ "$output" = tcg ]
	cli info --format yaml
	[[ $output == *'  reason: "no: /dev/kvm"'* ]]
}

@test "control characters beyond ASCII are escaped in JSON and YAML" {
	cli inspect runner
	[[ $output == *'"Note": "\u009b"'* ]]
	[ "$(jq -r '.[0].Note' <<<"$output")" = $'\xc2\x9b' ]
	cli inspect --format yaml runner
	[[ $output == *'Note: "\x9b"'* ]]
}

@test "a reader that takes one line ends the command without a word" {
	run --separate-stderr bash -c "'$fake' run --help | head -n 1"
	[ "$output" = "coracle run: run a container in a machine of its own" ]
	[ -z "$stderr" ]
	# A parent that ignores SIGPIPE passes that on; the write fails then.
	run --separate-stderr bash -c "trap '' PIPE; { '$fake' ls; } > >(exec true); wait"
	[ -z "$stderr" ]
}

@test "a full disk is told" {
	run --separate-stderr bash -c "'$fake' ls >/dev/full"
	is 1 "standard output: No space left on device"
}

@test "closed standard streams harm nothing" {
	run bash -c "'$fake' ls <&- >&- 2>&-"
	[ "$status" -le 1 ]
	run bash -c "'$fake' run busybox exit 4 <&- >&- 2>&-"
	[ "$status" -eq 4 ]
}
