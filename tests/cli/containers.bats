# The commands on containers that are there.

load common

@test "several containers: each is tried, each failure told, exit status 1" {
	local command
	for command in stop kill rm start; do
		cli $command a missing b
		is 1 "no container 'missing'"
		[ "$output" = $'a\nb' ]
	done
	cli wait a missing b
	is 1 "no container 'missing'"
	[ "$output" = $'3\n3' ]
	cli inspect a missing b
	is 1 "no container 'missing'"
	[ "$(jq -r '.[].Name' <<<"$output")" = $'a\nb' ]
	cli image rm busybox missing
	is 1 "no image 'missing'"
}

@test "one failure of a command that stays with no process is 1" {
	cli logs missing
	is 1 "no container 'missing'"
	cli create --pull never missing
	is 1 "no image 'missing'"
	FAKE_NO_ROOT=1 cli ls
	is 1 "data root '/nowhere' cannot be written; set CORACLE_ROOT"
	cli tag missing x
	is 1 "no image 'missing'"
	cli inspect missing
	is 1 "no container 'missing'"
	[ "$output" = "[]" ]
}

@test "stop: the container's own time, a number of seconds, for ever" {
	calls stop runner
	asked "stop runner timeout=-1"
	calls stop -t 0 runner
	asked "stop runner timeout=0"
	calls stop --timeout=-1 runner
	asked "stop runner timeout=2147483647"
	calls stop --all
	asked "stop 0123456789ab timeout=-1"
}

@test "kill: KILL or what is asked" {
	calls kill runner
	asked "kill runner signal=9"
	calls kill -s TERM runner
	asked "kill runner signal=15"
	calls kill --signal=15 -a
	asked "kill 0123456789ab signal=15"
}

@test "rm: --force makes sure that a container is gone, so one that is not there is no failure" {
	calls rm -f runner
	asked "remove runner force=1"
	cli rm -f missing
	is 0 "no container 'missing'"
	cli delete missing
	is 1 "no container 'missing'"
	calls rm -af
	[ "$(grep -c 'remove 0123456789ab force=1' <<<"$stderr")" -eq 2 ]
}

@test "start: detached prints names, attached ends as the process does" {
	cli start done
	is 0
	[ "$output" = done ]
	cli start busy
	is 1 "container 'busy' is running"
	cli start -a seven
	is 7
	cli start -a missing
	is 125 "no container 'missing'"
	cli start -a one two
	is 125 "'start --attach' takes one container"
}

@test "attach: streams of a container without a terminal, no detach keys" {
	run bash -c "echo hi | FAKE_CALLS=1 '$fake' attach runner"
	[ "$status" -eq 0 ]
	[[ $output == *"call: attach in=0 err=2 keys=-"*hi ]]
	run bash -c "echo hi | FAKE_CALLS=1 '$fake' attach --no-stdin runner"
	[[ $output == *"call: attach in=-1 err=2 keys=-" ]]
}

@test "logs: what to print" {
	calls logs runner
	is 0
	asked "logs follow=0 boot=0 times=0 tail=-1 since=0 until=0"
	calls logs -f --boot -t -n 5 --since 1000 --until 2001-09-09T01:46:40Z runner
	asked "logs follow=1 boot=1 times=1 tail=5 since=1000000000000 until=1000000000000000000"
	calls logs --tail all runner
	asked "logs follow=0 boot=0 times=0 tail=-1 since=0 until=0"
}

@test "container: docker's name for the commands on containers" {
	cli container ls -q
	is 0
	[ "$output" = "$("$fake" ls -q)" ]
	calls container stop runner
	asked "stop runner timeout=-1"
	cli help container rm
	is 0
	[ "${lines[0]}" = "coracle container rm: remove containers" ]
	cli container pull busybox
	[ "$status" -eq 125 ]
}

@test "inspect: containers before images, or what --type says" {
	run -0 bash -c "'$fake' inspect runner | jq -r '.[0].Name'"
	[ "$output" = runner ]
	run -0 bash -c "'$fake' inspect busybox | jq -r '.[0].RepoTags[0]'"
	[ "$output" = busybox ]
	cli inspect --type container busybox
	is 1 "no container 'busybox'"
	run -0 bash -c "'$fake' inspect --type image runner | jq -r '.[0].RepoTags[0]'"
	[ "$output" = runner ]
}

@test "image load: from a file, from standard input, with a name" {
	cd "$BATS_TEST_TMPDIR"
	echo x >archive
	cli image load -i archive
	is 0
	[ "$output" = "Loaded image: docker.io/library/busybox:latest" ]
	run -0 bash -c "'$fake' load -q --tag mine:1 <archive"
	[ "$output" = mine:1 ]
	cli load a.tar
	is 125 "an archive is given with --input: coracle load -i 'a.tar'"
	cli image load -i missing
	is 1 "--input 'missing': No such file or directory"
	run --separate-stderr bash -c "'$fake' image load </dev/null"
	is 1 "the archive is empty"
	calls image load --all-platforms -i archive
	asked "load all=1"
}

@test "image tag and rm, and their short names" {
	calls tag busybox other
	is 0
	asked "tag busybox other"
	cli rmi busybox
	is 0
	[ "$output" = "untagged: docker.io/library/busybox:latest" ]
}
