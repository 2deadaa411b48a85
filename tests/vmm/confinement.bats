# What a machine's process may and may not, and what it and its shim keep of the world around them: seen from outside, in /proc.
bats_require_minimum_version 1.5.0

setup_file() {
	load ../lib
	roots
	mkdir "$WORK/here"
	cd "$WORK/here"
	secret=1 coracle run -d --name box busybox sleep 1000 7<"$BATS_TEST_FILENAME"
}
teardown_file() {
	load ../lib
	cd /
	nothing_left
}
setup() {
	load ../lib
	vmm=$(vmm_of box)
	shim=$(shim_of box)
}

field() { awk -v name="$1:" '$1 == name {print $2}' "/proc/$vmm/status"; }
links() { for fd in "/proc/$1/fd"/*; do readlink "$fd" || true; done; }

@test "the machine has no privileges and cannot gain any; its system calls are filtered" {
	[ "$(field CapEff)" = 0000000000000000 ]
	[ "$(field CapPrm)" = 0000000000000000 ]
	[ "$(field NoNewPrivs)" = 1 ]
	[ "$(field Seccomp)" = 2 ]
	[ "$(awk '/^Max core file size/ {print $5}' "/proc/$vmm/limits")" = 0 ]
	[ -z "$(tr -d '\0' <"/proc/$vmm/environ")" ]
}

@test "as root it is a user that nobody else is, without network and without the host's folders" {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	[ "$(field Uid)" -ge 2000000000 ]
	[ "$(field Gid)" -ge 2000000000 ]
	[ -z "$(sed -n 's/^Groups:[[:space:]]*//p' "/proc/$vmm/status")" ]
	for namespace in mnt net ipc uts; do
		[ "$(readlink "/proc/$vmm/ns/$namespace")" != "$(readlink "/proc/self/ns/$namespace")" ]
	done
	for folder in home root run tmp var; do
		[ -z "$(ls -A "/proc/$vmm/root/$folder")" ]
	done
	[ "$(ls "/proc/$vmm/root/dev" | grep -vxE 'null|urandom|kvm')" = "" ]
	[ "$(wc -l <"/proc/$vmm/net/dev")" -eq 3 ]
}

@test "where the host gives root no namespaces the machine runs all the same, and the log says what is missing" {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
	run setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$CORACLE" run --name bare busybox echo hi
	[ "$status" -eq 0 ]
	[[ $output == *hi* ]]
	grep -q "unconfined: the host's folders, network" "$CORACLE_ROOT/containers/$(cat "$CORACLE_ROOT/names/bare")/shim.log"
	run cat "$CORACLE_ROOT/containers/$(cat "$CORACLE_ROOT/names/box")/shim.log"
	[[ $output != *unconfined* ]]
	coracle rm bare
}

@test "where its group can limit memory, it is the machine's and something beside" {
	path=$(sed -n 's/^[0-9]*:memory://p' "/proc/$vmm/cgroup")
	file=/sys/fs/cgroup/memory$path/memory.limit_in_bytes
	if [ -z "$path" ]; then file=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$vmm/cgroup")/memory.max; fi
	[[ $file == */coracle-* && -w $file ]] || skip "no memory controller"
	coracle run -d --name small --memory 256m busybox sleep 1000
	id=$(cat "$CORACLE_ROOT/names/small")
	limit=$(cat "${file/$(basename "$(dirname "$file")")/coracle-${id:0:12}}")
	[ "$limit" -gt $((256 << 20)) ]
	[ "$limit" -lt $((2 << 30)) ]
	# It is enough for a guest that uses all it has.
	run coracle exec small sh -c 'dd if=/dev/zero of=/dev/shm/all bs=1M count=400; dd if=/dev/zero of=/all bs=1M count=300'
	coracle exec small true
	coracle rm -f small
}

@test "it holds its own files alone: no roots, no locks, nothing of its caller's" {
	run links "$vmm"
	[[ $output != *"$BATS_TEST_FILENAME"* ]]
	[[ $output != */lock* ]]
	[[ $output != *shim.sock* ]]
	[ "$(grep -c "^$CORACLE_ROOT" <<<"$output")" -eq "$(grep -cE '/root.qcow2$|/images/' <<<"$output")" ]
}

@test "the shim keeps neither descriptors nor the folder of the command that started it" {
	run links "$shim"
	[[ $output != *"$BATS_TEST_FILENAME"* ]]
	[ "$(readlink "/proc/$shim/cwd")" = / ]
}

@test "it dies with its shim" {
	kill -KILL "$shim"
	await eval "! kill -0 $vmm"
	[ "$(coracle inspect box | jq -r '.[0].State.Status + " " + (.[0].State.ExitCode | tostring)')" = "exited 137" ]
	[ -z "$(ls "$CORACLE_RUNTIME_DIR/c")" ]
}
