# pull, push, --pull of run, login, logout: what reaches the library, what is told where, and how it ends.

load common

setup() {
	cd "$BATS_TEST_TMPDIR"
	export TERM=xterm
	id=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
}

@test "pull: the name on standard output, the rest in lines on standard error" {
	cli pull busybox
	is 0
	[ "$output" = docker.io/library/busybox:latest ]
	[ "${stderr_lines[0]}" = "000000000000: here already" ]
	grep -qx "000000000001: downloading 30 MB" <<<"$stderr"
	grep -qx "000000000001: unpacking" <<<"$stderr"
	grep -qx "000000000002: done" <<<"$stderr"
	[ "${stderr_lines[-2]}" = "Digest: sha256:$id" ]
	[ "${stderr_lines[-1]}" = "Status: Downloaded newer image for busybox" ]
	[[ $stderr != *$'\e'* ]]
	[ "${#stderr_lines[@]}" -le 12 ]
	cli image pull unchanged
	is 0
	[ "${stderr_lines[-1]}" = "Status: Image is up to date for unchanged" ]
	cli pull "x@sha256:$id"
	[ "$output" = "x@sha256:$id" ]
}

@test "pull -q and --progress none: the name alone" {
	local how
	for how in -q --quiet "--progress none" "-q --progress plain"; do
		cli pull $how busybox
		is 0
		[ "$output" = docker.io/library/busybox:latest ]
		[ -z "$stderr" ]
	done
}

@test "the options of pull reach the library, and what is not given does not" {
	calls pull -q busybox
	asked "pull busybox platform=- all=0" "scheme=- concurrent=0"
	calls pull -q --platform linux/arm64 --all-platforms --max-concurrent-downloads 7 --scheme http busybox
	asked "pull busybox platform=linux/arm64 all=1" "scheme=http concurrent=7"
	cli pull --max-concurrent-downloads 0 busybox
	is 125 "--max-concurrent-downloads '0': must be a whole number from 1 to 64"
	cli pull --scheme ftp busybox
	is 125 "--scheme 'ftp': must be one of: auto https http"
	cli pull
	is 125 "'pull' needs IMAGE...; 'coracle pull --help' says more"
}

@test "several images: each is tried, each failure told" {
	cli pull -q one missing two
	is 1 "the registry has no image 'missing'"
	[ "$output" = $'docker.io/library/one:latest\ndocker.io/library/two:latest' ]
	cli pull private
	is 1 "'private': 'coracle login' first"
	[ -z "$output" ]
}

@test "a pull that fails in the middle prints no name" {
	cli pull --progress plain broken
	is 1
	[ -z "$output" ]
	[ "${stderr_lines[-1]}" = "coracle: 'broken': a layer is not what was promised" ]
}

@test "what is pulled can be run by what was printed" {
	run -0 bash -c "'$fake' run \"\$('$fake' pull -q busybox)\" echo hi"
	[ "$output" = hi ]
}

@test "push: the name with the digest on standard output" {
	cli push busybox localhost:5000/x:1
	is 0
	[ "$output" = "localhost:5000/x:1@sha256:$id" ]
	grep -qx "000000000000: there already" <<<"$stderr"
	grep -qx "000000000003: mounted" <<<"$stderr"
	grep -qx "000000000001: uploading 30 MB" <<<"$stderr"
	[ "${stderr_lines[-1]}" = "Status: Pushed localhost:5000/x:1" ]
	calls push -q --platform linux/amd64 --max-concurrent-uploads 2 --scheme https busybox
	is 0
	asked "push busybox target=- platform=linux/amd64" "scheme=https concurrent=2"
	[ "$output" = "busybox@sha256:$id" ]
	cli push missing
	is 1 "the registry has no image 'missing'"
	cli push a b c
	is 125 "'c' is too much; 'coracle push --help' says what it takes"
}

@test "run pulls what is not here, and tells so on standard error alone" {
	calls run absent echo hi
	is 0
	[ "$output" = hi ]
	[ "${stderr_lines[0]}" = "Unable to find image 'absent' locally" ]
	asked "pull absent platform=- all=0" "create absent cpus=0 memory=0 shm=0 stop-timeout=0"
	grep -qx "Status: Downloaded newer image for absent" <<<"$stderr"
	cli run -q absent echo hi
	is 0
	[ "$output" = hi ]
	[ -z "$stderr" ]
	cli create -q absent
	is 0
	[ "$output" = "$id" ]
	cli run -q --cidfile id absent echo hi
	is 0
	[ "$(<id)" = "$id" ]
}

@test "run does not pull what is here" {
	calls run busybox echo hi
	is 0
	not_asked pull
	calls run --pull missing busybox echo hi
	is 0
	not_asked pull
}

@test "--pull always and never" {
	calls run -q --pull always busybox echo hi
	is 0
	asked "pull busybox platform=- all=0" "create busybox cpus=0 memory=0 shm=0 stop-timeout=0"
	calls create -q --pull always --platform linux/arm64 busybox
	asked "pull busybox platform=linux/arm64 all=0"
	calls run --pull never absent
	[ "$status" -eq 125 ]
	[ "${stderr_lines[-1]}" = "coracle: no image 'absent'" ]
	not_asked pull
	cli run --pull sometimes busybox
	is 125 "--pull 'sometimes': must be one of: always missing never"
}

@test "run --platform pulls what is here for another platform only" {
	calls run -q --platform linux/arm64 busybox echo hi
	is 0
	asked "pull busybox platform=linux/arm64 all=0"
	calls run -q --platform linux/amd64 busybox echo hi
	is 0
	not_asked pull
	cli run --platform linux/arm64 busybox echo hi
	[ "${stderr_lines[0]}" = "Unable to find image 'busybox' for linux/arm64 locally" ]
	calls run foreign echo hi
	is 0
	asked "pull foreign platform=- all=0"
	[ "${stderr_lines[0]}" = "Unable to find image 'foreign' for linux/$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/') locally" ]
	calls run --pull never foreign echo hi
	is 125
	not_asked pull
}

@test "an id is never pulled, nor an image for want of something else" {
	local ref
	for ref in "absent" "missing"; do
		calls run --kernel missing busybox
		[ "$status" -eq 125 ]
		[ "${stderr_lines[-1]}" = "coracle: no kernel 'missing'" ]
		not_asked pull
	done
	for ref in "$id" "sha256:$id" sha256:0123; do
		calls run -q --pull always "$ref" echo hi
		is 0
		not_asked pull
	done
}

@test "a name of hexadecimal digits alone is pulled with --pull always, and not when it is missing" {
	calls run -q --pull always decade echo hi
	is 0
	asked "pull decade platform=- all=0"
	calls run -q abcd1234 echo hi
	not_asked pull
	calls run -q --pull missing abcd1234 echo hi
	not_asked pull
}

@test "a pull that fails ends run with 125, create with 1" {
	cli run -q private
	is 0
	cli run missing
	[ "$status" -eq 125 ]
	[ "$stderr" = $'Unable to find image \'missing\' locally\ncoracle: the registry has no image \'missing\'' ]
	cli run --pull always private
	is 125 "'private': 'coracle login' first"
	cli create --pull always private
	is 1 "'private': 'coracle login' first"
	cli run absent-broken
	[ "$status" -eq 125 ]
	[ "${stderr_lines[-1]}" = "coracle: 'absent-broken': a layer is not what was promised" ]
}

@test "a signal cancels a pull: 128 and its number, and what it means is told" {
	local signal
	for signal in INT:130 TERM:143 HUP:129; do
		"$terminal" "expect 000000000001: downloading 30 MB" "signal ${signal%:*}" \
			"expect coracle: interrupted: what came is kept, and the next pull goes on from there" "exit ${signal#*:}" cooked -- \
			"$fake" pull --progress plain endless
	done
	"$terminal" "expect uploading" "signal INT" "expect coracle: interrupted: what arrived is kept, and the next push sends the rest" "exit 130" -- \
		"$fake" push --progress plain endless
	"$terminal" "expect downloading" "signal INT" "expect interrupted" "exit 130" "never library/next" -- \
		"$fake" pull --progress plain endless next
	"$terminal" "expect downloading" "signal INT" "expect interrupted" "exit 130" -- "$fake" run absent-endless
}

@test "a signal that comes too late changes no result, and what was to follow does not" {
	"$terminal" "expect uploading" "signal INT" "expect Status: Pushed endless-late" "expect endless-late@sha256:" "never interrupted" "exit 0" -- \
		"$fake" push --progress plain endless-late
	"$terminal" "expect downloading" "signal INT" "expect a layer is not what was promised" "never interrupted" "exit 1" -- \
		"$fake" pull --progress plain endless-spoilt
	"$terminal" "expect downloading" "signal INT" "expect docker.io/library/endless-late:latest" "expect coracle: interrupted" "exit 130" \
		"never library/next" -- "$fake" pull --progress plain endless-late next
	"$terminal" "expect downloading" "signal INT" "expect Status: Downloaded" "expect coracle: interrupted" "exit 130" "never hello" -- \
		"$fake" run absent-endless-late echo hello
}

@test "the second signal ends a pull that does not listen" {
	"$terminal" "expect deaf" "signal INT" "expect deaf" "signal INT" "exit -2" cooked -- "$fake" pull -q deaf
}

@test "the first signal ends a pull that waits for a silent registry" {
	"$terminal" "expect deaf" "signal INT" "exit -2" cooked -- "$fake" pull silent
	"$terminal" "expect deaf" "signal TERM" "exit -15" cooked -- "$fake" run absent-silent
}

@test "nohup: a signal that is ignored stays ignored" {
	"$terminal" "expect downloading" "signal HUP" "signal INT" "expect interrupted" "exit 130" -- \
		bash -c "trap '' HUP; exec '$fake' pull --progress plain endless"
}

@test "login: user and password by options or standard input" {
	calls login -u me -p secret
	is 0
	asked "login docker.io user=me password=secret scheme=-"
	[ "${stderr_lines[-1]}" = "coracle: logged in to docker.io as me; the password is in /etc/keys.json" ]
	grep -q "a password on the command line is seen by others" <<<"$stderr"
	run --separate-stderr bash -c "echo 'a b ' | FAKE_CALLS=1 '$fake' registry login -u me --password-stdin --scheme http host:5000"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	asked "login host:5000 user=me password=a b  scheme=http"
	run --separate-stderr bash -c "printf 'x\r\n' | FAKE_CALLS=1 '$fake' login -u me --password-stdin"
	asked "login docker.io user=me password=x scheme=-"
	cli login -u nobody -p secret host
	[ "$status" -eq 1 ]
	[ "${stderr_lines[-1]}" = "coracle: host refuses 'nobody' with this password" ]
}

@test "login: what makes no sense is told" {
	cli login --password-stdin
	is 125 "--password-stdin needs --username"
	cli login --password-stdin -u me -p x
	is 125 "a password comes from --password or --password-stdin, not from both"
	cli login -u ""
	is 125 "--username is empty"
	run --separate-stderr bash -c "'$fake' login -u me --password-stdin </dev/null"
	is 125 "the password on standard input is empty"
	run --separate-stderr bash -c "printf 'a\0b' | '$fake' login -u me --password-stdin"
	is 125 "the password on standard input holds a NUL byte"
	run --separate-stderr bash -c "head -c 70000 /dev/zero | '$fake' login -u me --password-stdin"
	is 125 "the password on standard input is longer than 64 KiB"
	run --separate-stderr setsid -w "$fake" login
	is 125 "there is no terminal to ask for the user name; give --username"
	run --separate-stderr setsid -w "$fake" login -u me
	is 125 "there is no terminal to ask for the password; --password-stdin reads one from a pipe"
}

@test "login: a password that is typed is not shown, and the terminal is as it was" {
	FAKE_CALLS=1 "$terminal" "expect Username: " echoes 'send me\n' "expect me" "expect Password: " silent 'send opensesame\n' \
		"expect call: login docker.io user=me password=opensesame" "exit 0" echoes -- "$fake" login
	"$terminal" "expect Password: " silent 'send opensesame\n' "expect logged in to host as me" "never opensesame" "exit 0" echoes -- \
		bash -c "exec '$fake' login -u me host </dev/null >/dev/null"
}

@test "login: a signal at the prompt leaves the terminal as it was" {
	"$terminal" "expect Password: " silent 'send secret\x03' "exit -2" echoes "never secret" -- "$fake" login -u me
	"$terminal" "expect Password: " silent "signal TERM" "exit -15" echoes -- "$fake" login -u me
	"$terminal" "expect Password: " silent 'send \x1c' "exit -3" echoes -- bash -c "ulimit -c 0; exec '$fake' login -u me"
	# ctrl-Z has no effect before there is an answer.
	"$terminal" "expect Password: " silent 'send \x1a' silent "signal INT" "exit -2" echoes -- "$fake" login -u me
}

@test "logout and registry ls" {
	calls logout
	is 0
	asked "logout docker.io"
	calls registry logout host:5000
	asked "logout host:5000"
	cli logout missing
	is 1 "no registry 'missing'"
	cli registry ls
	is 0
	[[ ${lines[0]} =~ ^REGISTRY\ +USER\ +SOURCE$ ]]
	[[ ${lines[2]} =~ ^localhost:5000\ +ci\ +docker-credential-pass$ ]]
	cli registry ls -q
	[ "$output" = $'docker.io\nlocalhost:5000' ]
	run -0 bash -c "'$fake' registry list --format json | jq -r '.[1].User'"
	[ "$output" = ci ]
}
