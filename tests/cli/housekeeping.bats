# save, prune, df, check.

load common

setup() {
	cd "$BATS_TEST_TMPDIR"
}

@test "save: to standard output, to a file that is whole or not there" {
	run -0 bash -c "'$fake' save busybox other | cat"
	[ "$output" = $'archive of busybox\narchive of other' ]
	cli image save -o a.tar busybox
	is 0
	[ -z "$output" ]
	[ "$(<a.tar)" = "archive of busybox" ]
	[ "$(stat -c %a a.tar)" = "$(printf %o $((0666 & ~$(umask))))" ]
	cli save -o a.tar busybox missing
	is 1 "no image 'missing'"
	[ "$(<a.tar)" = "archive of busybox" ]
	[ "$(ls)" = a.tar ]
	cli save --output a.tar other
	is 0
	[ "$(<a.tar)" = "archive of other" ]
	cli save -o no/such/folder.tar busybox
	is 1 "--output 'no/such/folder.tar': No such file or directory"
	cli save -o . busybox
	[ "$status" -eq 1 ]
	cli save
	is 125 "'save' needs IMAGE...; 'coracle save --help' says more"
}

@test "save: killed, it leaves nothing" {
	"$fake" save -o a.tar stuck 3>&- &
	timeout 10 bash -c "until [[ \$(readlink /proc/$!/fd/*) == *'$PWD'* ]]; do sleep 0.01; done"
	kill -9 $!
	wait $! || true
	[ -z "$(ls)" ]
}

@test "save: into what is no file" {
	mkfifo pipe
	cat pipe >got 3>&- &
	cli save -o pipe busybox
	is 0
	wait $!
	[ "$(<got)" = "archive of busybox" ]
	[ -p pipe ]
	cli save -o /dev/null busybox
	is 0
	run -0 bash -c "'$fake' save -o - busybox | cat"
	[ "$output" = "archive of busybox" ]
}

@test "save: formats and platform; not to a terminal" {
	local format n=0
	calls save busybox
	asked "save format=0 platform=-"
	for format in both oci-archive docker-archive; do
		calls save --format $format --platform linux/arm64 busybox
		asked "save format=$n platform=linux/arm64"
		n=$((n + 1))
	done
	cli save --format zip busybox
	is 125 "--format 'zip': must be one of: both oci-archive docker-archive"
	"$terminal" "expect coracle: an archive is nothing for a terminal: give --output FILE, or pipe it on" "exit 125" -- "$fake" save busybox
}

@test "image prune asks first" {
	run --separate-stderr bash -c "echo y | FAKE_CALLS=1 '$fake' image prune"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "untagged: docker.io/library/old:1" ]
	[ "${#lines[@]}" -eq 2 ]
	asked "prune all=0 before=0"
	[ "${stderr_lines[0]}" = "WARNING! This will remove:" ]
	[ "${stderr_lines[1]}" = "  - all images without a name that no container uses" ]
	[ "${stderr_lines[2]}" = "  - what came of pulls that were interrupted" ]
	[ "${stderr_lines[-1]}" = "Total reclaimed space: 5.3 MB" ]
	"$terminal" "expect continue? [y/N] " 'send yes\n' "expect deleted: sha256" "exit 0" -- "$fake" image prune -a
	"$terminal" "expect continue? [y/N] " 'send n\n' "expect coracle: nothing was removed" "exit 1" "never deleted" -- "$fake" image prune
	"$terminal" "expect continue? [y/N] " 'send \n' "expect coracle: nothing was removed" "exit 1" "never deleted" -- "$fake" image prune
	"$terminal" "expect continue? [y/N] " 'send \x03' "exit -2" "never deleted" -- "$fake" image prune
}

@test "image prune without an answer removes nothing and says how to do without" {
	run --separate-stderr bash -c "FAKE_CALLS=1 '$fake' image prune </dev/null"
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	[ "${stderr_lines[-1]}" = "coracle: no answer on standard input, nothing was removed; --force does not ask" ]
	not_asked prune
	run --separate-stderr bash -c "FAKE_CALLS=1 '$fake' image prune -f </dev/null"
	[ "$status" -eq 0 ]
	asked "prune all=0 before=0"
	[[ $stderr != *WARNING* ]]
}

@test "filters of prune" {
	calls image prune -af --filter until=2001-09-09T01:46:40Z --filter label=a --filter label=b=c
	is 0
	asked "prune all=1 before=1000000000000000000" "label=a" "label=b=c"
	calls image prune -f --filter dangling=false
	asked "prune all=1 before=0"
	cli image prune -f --filter until=soon
	is 125 "--filter 'until=soon': must be a time (2026-01-31T12:00:00Z) or a duration (24h)"
	cli image prune -f --filter name=x
	is 125 "--filter 'name=x': there is until=TIME, label=KEY[=VALUE], dangling=false"
	calls prune -f --filter label=color
	asked "remove 0123456789ab force=0"
	calls prune -f --filter label=color=red
	not_asked remove
	calls prune -f --filter label=colo
	not_asked remove
	calls prune -f --filter until=2001-01-01
	not_asked remove
}

@test "prune removes containers that do not run, system prune images too" {
	calls prune -f
	is 0
	[ "$output" = "removed: container 0123456789ab" ]
	[ "$(grep -c 'call: remove' <<<"$stderr")" -eq 1 ]
	not_asked "prune all"
	calls system prune -f
	is 0
	[ "${#lines[@]}" -eq 3 ]
	asked "remove 0123456789ab force=0" "prune all=0 before=0"
	run --separate-stderr bash -c "echo no | FAKE_CALLS=1 '$fake' system prune -a"
	[ "$status" -eq 1 ]
	[ "${stderr_lines[1]}" = "  - all containers that do not run" ]
	[ "${stderr_lines[2]}" = "  - all images that no container uses" ]
	[ "${stderr_lines[3]}" = "  - what came of pulls that were interrupted" ]
	not_asked remove
	not_asked "prune all"
}

@test "system df: a table for people, bytes for programs" {
	cli system df
	is 0
	[[ ${lines[0]} =~ ^TYPE\ +TOTAL\ +ACTIVE\ +SIZE\ +RECLAIMABLE$ ]]
	[[ ${lines[1]} =~ ^Images\ +3\ +1\ +2\.0\ GB\ +500\ MB\ \(25%\)$ ]]
	[[ ${lines[4]} =~ ^Parts\ +0\ +0\ B\ +0\ B$ ]]
	run -0 bash -c "'$fake' system df --format json | jq .Images.Size"
	[ "$output" = 2000000000 ]
}

@test "system check: the exit status tells whether problems are left" {
	cli system check
	is 0 "all is as it must be"
	[ -z "$output" ]
	FAKE_BROKEN=1 cli system check
	is 1 "1 problem is left; --repair removes what is broken and can be fetched or made again"
	[[ ${lines[1]} =~ ^blob\ sha256:0123456789ab\ +has\ another\ digest\ +no$ ]]
	FAKE_BROKEN=1 cli system check --repair
	is 0
	[ -z "$stderr" ]
	[[ ${lines[1]} == *yes ]]
	FAKE_LOST=1 cli system check
	is 1 "1 problem is left that cannot be repaired here"
	FAKE_BROKEN=1 FAKE_LOST=1 cli system check
	is 1 "2 problems are left; --repair removes what is broken and can be fetched or made again"
	FAKE_BROKEN=1 FAKE_LOST=1 cli system check --repair
	is 1 "1 problem is left that cannot be repaired here"
	[[ $output != *$'\e'* ]]
	run -0 bash -c "'$fake' system check --format json | jq -c ."
	[ "$output" = "[]" ]
	run bash -c "FAKE_BROKEN=1 '$fake' system check --format json 2>/dev/null | jq -r '.[0].What | length'"
	[ "$output" = 76 ]
	run bash -c "FAKE_BROKEN=1 '$fake' system check --format json 2>/dev/null | jq -r '.[0].Problem'"
	[ "$output" = "has another digest" ]
}
