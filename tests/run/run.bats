# `coracle run` with real machines: what goes in, what comes out, how it ends.
bats_require_minimum_version 1.5.0

setup_file() {
	load ../lib
	roots
}
teardown_file() {
	load ../lib
	nothing_left
}
setup() { load ../lib; }

# box WORD...: run --rm of busybox.
box() { coracle run --rm "$@"; }

@test "a Debian image tells the truth of its guest and its exit status" {
	coracle image load -q -i "$top/build/test-images/debian.tar"
	run --separate-stderr coracle run --rm debian:12 sh -c 'cat /etc/debian_version; uname -r; id; exit 7'
	[ "$status" -eq 7 ]
	[[ ${lines[0]} == 12.* ]]
	[[ ${lines[1]} == 6.*-coracle ]]
	[[ ${lines[2]} == "uid=0(root) gid=0(root)"* ]]
	[ -z "$stderr" ]
}

@test "input reaches the process, output and errors come apart" {
	[ "$(echo hi | box -i busybox cat)" = hi ]
	run --separate-stderr box busybox sh -c 'echo out; echo err >&2'
	[ "$output" = out ]
	[ "$stderr" = err ]
	# Without -i the process reads nothing.
	[ "$(echo hi | box busybox cat)" = "" ]
}

@test "binary data passes unchanged both ways, and ends" {
	head -c 3000000 /dev/urandom >"$WORK/bytes"
	box -i busybox cat <"$WORK/bytes" >"$WORK/back"
	cmp "$WORK/bytes" "$WORK/back"
}

@test "exit statuses: the process's own, 126, 127, 128 and the signal" {
	run box busybox sh -c 'exit 42'
	[ "$status" -eq 42 ]
	run box busybox /etc/passwd
	[ "$status" -eq 126 ]
	run -127 box busybox nothing-here
	[[ $output == *nothing-here* ]]
	[ "${#lines[@]}" -eq 1 ]
	run box busybox sh -c 'kill -TERM $$; sleep 10'
	[ "$status" -eq 143 ] || [ "$status" -eq 0 ] # PID 1 ignores signals that it does not handle
	run box --init busybox sh -c 'kill -TERM $$; sleep 10'
	[ "$status" -eq 143 ]
}

@test "environment, user, working directory, entry point" {
	printf '# comment\nFROM_FILE=1\nINHERITED\n' >"$WORK/env"
	INHERITED=yes run --separate-stderr box -e A=b -e INHERITED --env-file "$WORK/env" -w /tmp -u 100:users busybox \
		sh -c 'echo $A $INHERITED $FROM_FILE; pwd; id -u; id -g; env | grep ^HOME'
	[ "${lines[0]}" = "b yes 1" ]
	[ "${lines[1]}" = /tmp ]
	[ "${lines[2]}" = 100 ]
	[ "${lines[3]}" = 100 ]
	[ "$(box --entrypoint echo busybox a b)" = "a b" ]
	run box -u nobody-here busybox true
	[ "$status" -eq 125 ]
	[[ $output == *nobody-here* ]]
}

@test "host name and hosts file" {
	run box --hostname web.example.org busybox sh -c 'hostname; cat /etc/hosts'
	[ "${lines[0]}" = web ]
	[[ $output == *"web.example.org web"* ]]
	[[ $output == *localhost* ]]
}

@test "the root is writable, with --read-only it is not, and tmpfs is" {
	box busybox sh -c 'echo x >/file && cat /file'
	run box --read-only --tmpfs /scratch:size=1m busybox sh -c 'echo x >/scratch/file && cat /scratch/file; echo x >/file'
	[ "$status" -ne 0 ]
	[ "${lines[0]}" = x ]
	[[ $output == *"Read-only file system"* ]]
	# CVE-2026-46695, CVE-2020-28914: the device itself refuses; not even with all rights can it be written to.
	run box --read-only --privileged busybox dd if=/dev/zero of=/dev/vda bs=512 count=1
	[ "$status" -ne 0 ]
	[[ $output == *"not permitted"* ]]
	run box --read-only --privileged busybox sh -c 'cat /sys/block/vda/ro'
	[ "$output" = 1 ]
}

@test "capabilities, no new privileges, seccomp, limits" {
	run box busybox grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status
	[[ ${lines[0]} == *00000000a80425fb ]]
	[[ ${lines[2]} == *2 ]]
	run box --cap-drop all --cap-add net_raw --security-opt no-new-privileges busybox grep -E '^(CapEff|NoNewPrivs):' /proc/self/status
	[[ ${lines[0]} == *0000000000002000 ]]
	[[ ${lines[1]} == *1 ]]
	[ "$(box --ulimit nofile=123:456 busybox sh -c 'ulimit -n; ulimit -Hn' | tr '\n' ' ')" = "123 456 " ]
	run box busybox mount -t tmpfs none /tmp
	[ "$status" -ne 0 ]
	box --privileged busybox mount -t tmpfs none /tmp
	run box --privileged busybox sh -c 'ls /dev; echo x >/dev/null; tty </dev/null; echo >/dev/shm/file'
	[[ $output == *vda* && $output == *fuse* && $output == *"not a tty"* ]]
	[[ $(box busybox ls /dev) != *vda* ]]
	[ "$(box --sysctl net.ipv4.ip_forward=1 busybox cat /proc/sys/net/ipv4/ip_forward)" = 1 ]
}

@test "the process is PID 1 of its own namespaces and sees nothing of the guest's init" {
	run box busybox sh -c 'echo $$; ls /proc | grep -c "^[0-9]"; cat /proc/1/comm'
	[ "${lines[0]}" = 1 ]
	[ "${lines[1]}" -le 3 ]
	[ "$(box busybox cat /proc/sys/kernel/osrelease)" != "$(uname -r)" ]
}

@test "/dev, /dev/shm, /dev/pts, loopback" {
	run box --shm-size 32m busybox sh -c 'ls /dev; df /dev/shm | tail -1; ip -o addr show lo | head -1; ping -c1 -W2 127.0.0.1 | grep -c " 0% packet loss"'
	[ "$status" -eq 0 ]
	for node in null zero full random urandom tty ptmx pts shm mqueue fd stdin stdout stderr; do
		[[ " ${lines[*]} " == *" $node "* ]]
	done
	[[ $output == *32768* ]]
	[[ $output == *127.0.0.1/8* ]]
	[ "${lines[-1]}" = 1 ]
}

@test "CPUs and memory as asked" {
	run box --cpus 1 --memory 200m busybox sh -c 'nproc; grep MemTotal /proc/meminfo'
	[ "${lines[0]}" = 1 ]
	kib=$(awk '{print $2}' <<<"${lines[1]}")
	[ "$kib" -gt 100000 ]
	[ "$kib" -lt 204800 ]
	most=$(getconf _NPROCESSORS_ONLN)
	(( most <= 64 )) || most=64
	[ "$(box --cpus "$most" busybox nproc)" = "$most" ]
	run box --cpus $((most + 1)) busybox nproc
	[ "$status" -eq 125 ]
	[[ $output == *"range of CPUs is from 0.01 to $most"* ]]
}

@test "what is too little or too much is told as people write it" {
	run box --memory 10m busybox true
	[ "$status" -eq 125 ]
	[[ $output == *"10m of memory is too little for a machine: at least 64m is needed"* ]]
	run box --ulimit nofile=1:99999999999 busybox true
	[ "$status" -eq 125 ]
	[[ $output == *RLIMIT_NOFILE* ]]
}

@test "inspect tells the CPUs that were asked for" {
	coracle create --name half --cpus 0.5 busybox true
	[ "$(coracle inspect half | jq -c '.[0] | [.HostConfig.NanoCpus, .Machine.Cpus]')" = "[500000000,1]" ]
	coracle rm half
}

@test "--stop-timeout 0 kills without waiting" {
	coracle run -d --name hasty --stop-timeout 0 busybox sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done'
	[ "$(coracle inspect hasty | jq '.[0].Config.StopTimeout')" = 0 ]
	coracle stop hasty
	[ "$(coracle inspect hasty | jq '.[0].State.ExitCode')" = 137 ]
	coracle rm hasty
}

@test "what start could not read is refused by create" {
	value=$(head -c 60000 /dev/zero | tr '\0' x)
	for i in 1 2 3 4 5 6 7 8 9; do
		echo "A$i=$value"
	done >"$WORK/large"
	sed s/A/B/ "$WORK/large" >"$WORK/larger"
	run coracle create --name large --env-file "$WORK/large" --env-file "$WORK/larger" busybox true
	[ "$status" -ne 0 ]
	[[ $output == *"take more than 1 MiB"* ]]
	run coracle inspect large
	[ "$status" -ne 0 ]
}

@test "--kernel, --kernel-arg" {
	[[ $(box --kernel-arg coracle.test=1 busybox cat /proc/cmdline) == *coracle.test=1* ]]
	box --kernel "$("$top/kernel/build.sh")" busybox true
	run box --kernel /nowhere/vmlinux busybox true
	[ "$status" -eq 125 ]
	[[ $output == *"/nowhere/vmlinux"* ]]
}

@test "--cidfile, --name, --label; a failed run frees the name" {
	coracle run --cidfile "$WORK/cid" --name named --label a=b busybox true
	[ "$(coracle inspect --format json named | jq -r '.[0].Config.Labels.a')" = b ]
	[[ $(coracle inspect named | jq -r '.[0].Id') == $(cat "$WORK/cid") ]]
	run coracle run --name named busybox true
	[ "$status" -eq 125 ]
	[[ $output == *"'named'"* ]]
	coracle rm named
	run -127 coracle run --rm --name named busybox nothing-here
	coracle run --rm --name named busybox true
}

@test "--timings prints the stages" {
	run --separate-stderr box --timings busybox true
	[ "$status" -eq 0 ]
	[[ $stderr == *"guest answered"* ]]
}

@test "orphans are reaped under --init" {
	run box --init busybox sh -c '(sleep 0.2 & ) ; sleep 1; ps -o stat,comm | grep -c "^Z"'
	[ "$output" = 0 ]
}

@test "a reader that goes ends the command, with one line on what may run on" {
	run --separate-stderr bash -c "$CORACLE run --rm --name alone busybox sh -c 'yes | head -c 10000000' | head -1"
	[ "$output" = y ]
	[ "$stderr" = "coracle: let go of 'alone', which may run on; 'coracle kill alone' ends it" ]
	await none
}

@test "signals to the command reach the process" {
	"$CORACLE" run --rm --name signalled busybox sh -c 'trap "echo got; exit 9" TERM; echo ready; while :; do sleep 0.1; done' \
		>"$WORK/out" 3>&- &
	await grep -q ready "$WORK/out"
	kill -TERM $!
	status=0
	wait $! || status=$?
	[ "$status" -eq 9 ]
	grep -q got "$WORK/out"
}

@test "several machines at once" {
	for i in 1 2 3 4; do
		box busybox echo "$i" >"$WORK/many.$i" 3>&- &
	done
	wait
	[ "$(cat "$WORK"/many.*)" = "$(printf '1\n2\n3\n4')" ]
}
