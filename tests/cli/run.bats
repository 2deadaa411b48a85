# run, create and exec: what reaches the library, and how the command ends.

load common

setup() {
	cd "$BATS_TEST_TMPDIR"
}

@test "the options of a container reach the library" {
	calls create --name n --hostname h --label a=b -l c --annotation x=y --read-only --tmpfs /t:size=1m --shm-size 1m \
		--stop-signal USR1 --stop-timeout -1 --init --cpus 1.5 --memory 1.5g --ulimit nofile=1:2 \
		--cap-add net_admin --cap-drop ALL --security-opt no-new-privileges --sysctl a.b=1 --privileged \
		-v /a.sock:/b.sock:ro --mount type=bind,src=/c,dst=/d --publish-socket e:/f --ssh \
		--network none --add-host h:1.2.3.4 --dns 1.1.1.1 --dns-search d --dns-option o --no-dns \
		--platform linux/amd64 --kernel /k --kernel-arg a=1 --kernel-arg b --init-image /i --accel tcg --virtualization \
		busybox true
	is 0
	[ "${#output}" -eq 64 ]
	asked "create busybox cpus=1.5 memory=1610612736 shm=1048576 stop-timeout=-1" "name=n" "hostname=h" "label=a=b" "label=c=" \
		"annotation=x=y" "tmpfs=/t:size=1m" "stop-signal=USR1" "ulimit=nofile=1:2" "cap-add=net_admin" "cap-drop=ALL" \
		"security=no-new-privileges" "sysctl=a.b=1" "network=none" "add-host=h:1.2.3.4" "dns=1.1.1.1" "dns-search=d" \
		"dns-option=o" "platform=linux/amd64" "kernel=/k" "kernel-arg=a=1" "kernel-arg=b" "init=/i" "accel=tcg" \
		"volume=/a.sock:/b.sock:ro" "mount=type=bind,src=/c,dst=/d" "publish-socket=e:/f" "flag ssh" "flag no-dns" "flag privileged" "flag read-only" "flag init" "flag virtualization" "arg=true"
	not_asked "flag rm"
}

@test "nothing that is not given reaches the library" {
	calls create busybox
	is 0
	[ "$(grep -c '^call:' <<<"$stderr")" -eq 2 ]
	asked "create busybox cpus=0 memory=0 shm=0 stop-timeout=0" "user=- dir=- tty=0 in=0 privileged=0 size=0x0"
}

@test "--cpus 0 is the default, as docker has it, --stop-timeout 0 no time at all" {
	calls create --cpus 0 --stop-timeout 0 busybox
	is 0
	asked "create busybox cpus=0 memory=0 shm=0 stop-timeout=-2"
}

@test "--entrypoint replaces, and an empty one takes away" {
	calls create --entrypoint /bin/x busybox a
	asked "entrypoint=/bin/x" "arg=a"
	calls create --entrypoint "" busybox a
	asked "entrypoint=(none)"
}

@test "variables: by value, inherited, from files; what comes later comes later" {
	printf '\xef\xbb\xbf# a comment\nA=1\n\n  B=two words # kept \r\nHERE\nNOT_HERE\nEMPTY=\nLAST=no end' >file
	HERE=yes calls run --env-file file -e A=3 -e HERE -e NOT_HERE -e E= busybox exit 0
	is 0
	[ "$(sed -n 's/^call: env=//p' <<<"$stderr")" = "$(printf '%s\n' A=1 'B=two words # kept ' HERE=yes EMPTY= 'LAST=no end' A=3 HERE=yes E=)" ]
}

@test "a file of variables that is no such thing is refused with its name" {
	cli run --env-file missing busybox
	is 125 "--env-file 'missing': No such file or directory"
	printf '=x\n' >bad
	cli run --env-file bad busybox
	is 125 "bad: '=x' has no name before '='"
	printf 'a b=1\n' >bad
	cli run --env-file bad busybox
	is 125 "bad: 'a b=1': a variable's name has no blanks"
	printf 'a=\0' >bad
	cli run --env-file bad busybox
	is 125 "--env-file 'bad' holds a NUL byte"
	cli run --env-file . busybox
	is 125
	head -c 1100000 /dev/zero | tr '\0' '#' >bad
	cli exec --env-file bad runner true
	is 125 "--env-file 'bad' is larger than 1 MiB"
	cli run -e =1 busybox
	is 125 "--env: '=1' has no name before '='"
}

@test "the exit status is the process's, or 125, 126, 127" {
	cli run busybox exit 7
	is 7
	[ -z "$stderr" ]
	cli run --pull never missing
	is 125 "no image 'missing'"
	cli run --name taken busybox
	is 125 "the name 'taken' is in use; remove its container first"
	cli run busybox /etc
	is 126 "'/etc' cannot be executed"
	cli run busybox nothing
	is 127 "'nothing' is not in the container"
	cli exec runner exit 9
	is 9
	cli exec runner nothing
	is 127 "'nothing' is not in the container"
	cli exec missing true
	is 125 "no container 'missing'"
	FAKE_NO_ROOT=1 cli run busybox
	is 125 "data root '/nowhere' cannot be written; set CORACLE_ROOT"
}

@test "options behind the image that were meant for coracle are explained" {
	cli run busybox -it sh
	is 127 "'-it sh' is not in the container; options of coracle stand before the image"
}

@test "a machine's end is told, with harmless characters, a lack of memory with its remedy" {
	cli run --name n busybox panic
	is 125 "'n': the guest's kernel panicked: ?[31mtest"
	cli run --name n busybox oom
	is 137 "'n' ran out of memory; --memory gives it more"
}

@test "detached: the id alone, and nothing is attached" {
	calls run -d busybox echo x
	is 0
	[ "${#lines[@]}" -eq 1 ]
	[ "${#output}" -eq 64 ]
	asked "start 0123456789ab attached=0"
	calls exec -d runner echo x
	is 0
	[ -z "$output" ]
	asked "exec runner attached=0"
}

@test "a failed run --rm leaves nothing, one without --rm its container" {
	calls run --rm busybox nothing
	asked "remove 0123456789ab force=1"
	calls run busybox nothing
	not_asked "remove"
}

@test "standard input arrives with -i and not without" {
	run bash -c "echo hi | '$fake' run -i busybox cat"
	[ "$output" = hi ]
	run bash -c "echo hi | '$fake' run busybox cat"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	run bash -c "printf 'a\0b' | '$fake' exec -i runner cat | od -An -c"
	[[ $output =~ a\ +\\0\ +b ]]
}

@test "-it without a terminal is refused with the remedy" {
	run --separate-stderr bash -c "echo | '$fake' run -it busybox cat"
	is 125 "standard input is not a terminal, the process's is; leave --tty away"
	run --separate-stderr bash -c "echo | '$fake' exec -it runner cat"
	is 125 "standard input is not a terminal, the process's is; leave --tty away"
	run --separate-stderr bash -c "echo | '$fake' attach tty"
	is 125 "standard input is not a terminal, the process's is; --no-stdin takes its output alone"
	run --separate-stderr bash -c "echo | '$fake' start -ai tty"
	is 125 "standard input is not a terminal, the process's is; leave --interactive away"
}

@test "--cidfile: the id in a new file, none of a run that failed" {
	cli run --cidfile id busybox exit 0
	is 0
	[ "$(wc -c <id)" -eq 64 ]
	cli run --cidfile id busybox exit 0
	is 125 "--cidfile 'id' is there already; remove it first"
	cli run --cidfile other --pull never missing
	is 125
	[ ! -e other ]
	calls run --cidfile no/such/folder busybox
	is 125
	not_asked create
}

@test "--timings prints the stages on standard error at the end" {
	cli run --timings busybox echo x
	is 0
	[ "$output" = x ]
	[[ ${stderr_lines[0]} == *"at (ms)"*"took (ms)"*stage ]]
	[[ ${stderr_lines[2]} =~ 801\.5\ +800\.0\ +kernel ]]
	cli run -d --timings busybox
	is 125 "--timings and --trace need the foreground; leave --detach away"
}

@test "a reader that goes away ends the command, which says what it leaves behind" {
	run --separate-stderr bash -c "'$fake' run --name n busybox pipe; echo \$?"
	[ "$output" = 141 ]
	[ "$stderr" = "coracle: let go of 'n', which may run on; 'coracle kill n' ends it" ]
}
