# What the whole-program tests share. Each file has its own roots and its own images, and must leave no process behind.

top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)

# roots: fresh data and run roots below a folder with a short name, and the test images loaded. For setup_file. CORACLE_BUILD names another build folder; what
# sanitizers find in its programs fails the file in the end.
roots() {
	local build=${CORACLE_BUILD:-$top/build}
	WORK=$(mktemp -d /tmp/cor.XXXXXX)
	export WORK CORACLE_ROOT=$WORK/data CORACLE_RUNTIME_DIR=$WORK/run CORACLE=${CORACLE:-$build/coracle}
	export ASAN_OPTIONS=log_path=$WORK/sanitizer UBSAN_OPTIONS=log_path=$WORK/sanitizer
	# No test may touch the network of the machine that it runs on; those of networks have a namespace of their own.
	export CORACLE_NETWORK=none CORACLE_TEMPLATES=${CORACLE_TEMPLATES-off}
	# A build with sanitizers has no guest.
	[[ -e $build/src/init/initramfs.cpio ]] || export CORACLE_INITRAMFS=$top/build/src/init/initramfs.cpio
	"$top/tests/prepare"
	coracle image load -q -i "$top/build/test-images/busybox.tar"
}

# as_user COMMAND...: with AS_USER's id, where that is set; INSIDE is what comes before it.
as_user() {
	local prefix=()
	if [[ -n ${AS_USER-} ]]; then prefix=(setpriv --reuid "$AS_USER" --regid "$AS_USER" --clear-groups env HOME="$WORK/home"); fi
	${INSIDE-} "${prefix[@]}" "$@"
}

# The command under test; AS_USER runs it as that user id, out of an installation that the user can read.
coracle() {
	as_user "$CORACLE" "$@"
}

# become_user UID: from here on `coracle` is an ordinary user's, with roots of its own.
become_user() {
	export AS_USER=$1
	unset CORACLE_KERNEL CORACLE_INITRAMFS CORACLE_SHIM
	CORACLE_ROOT=$WORK/home/data CORACLE_RUNTIME_DIR=$WORK/home/run
	export CORACLE=$WORK/installation/usr/local/bin/coracle
	chmod 755 "$WORK"
	DESTDIR=$WORK/installation make -s -C "$top" install
	install -d -m 700 -o "$AS_USER" -g "$AS_USER" "$WORK/home"
	coracle image load -q <"$top/build/test-images/busybox.tar"
}

# Shims and VMMs of this file's roots that are still there.
processes() {
	pgrep -f "coracle-shim .*--data $WORK" || true
	# A VMM tells by its disks whose it is, also when its container is gone.
	for pid in $(pgrep -f 'qemu.*-name coracle-'); do
		if ls -l "/proc/$pid/fd" 2>/dev/null | grep -qF "$WORK"; then echo "$pid"; fi
	done
}

# shim_of NAME, vmm_of NAME: its process (of a shim that has forked, the first). Nothing, and failure, while there is no such container: an empty id would name everybody's.
shim_of() {
	local id
	id=$(cat "$CORACLE_ROOT/names/$1" 2>/dev/null) && [[ ${#id} -eq 64 ]] && pgrep -o -f "coracle-shim .*--id $id"
}
vmm_of() {
	local id
	id=$(cat "$CORACLE_ROOT/names/$1" 2>/dev/null) && [[ ${#id} -eq 64 ]] && pgrep -f "qemu.*-name coracle-${id:0:12}"
}

# await COMMAND...: until it succeeds; fails after half a minute.
await() {
	local tries
	for ((tries = 0; tries < 300; tries++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	echo "never true: $*" >&2
	return 1
}

none() { [[ -z $(processes) ]]; }

# For teardown_file: removes all containers, and fails if anything of them stays.
nothing_left() {
	for name in $(coracle ls -aq); do
		coracle rm -f "$name" >/dev/null
	done
	await none
	[[ -z $(ls "$CORACLE_ROOT/containers" "$CORACLE_ROOT/names" "$CORACLE_RUNTIME_DIR/c" 2>/dev/null | grep -v :) ]]
	if grep "$WORK" /proc/self/mounts; then return 1; fi
	if cat "$WORK"/sanitizer* 2>/dev/null; then return 1; fi
	rm -rf "$WORK"
}
