# A real guest behind a relay on a unix socket, for @grpc/grpc-js. CORACLE_BUILD names another build folder.

top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
build=${CORACLE_BUILD:-$top/build}

# The client's packages, once per build folder.
install_client() {
	export NODE_PATH=$build/test-node/node_modules
	if [[ ! -d $NODE_PATH/@grpc/grpc-js ]]; then
		mkdir -p "$build/test-node"
		cp "$BATS_TEST_DIRNAME/package.json" "$build/test-node"
		npm install --prefix "$build/test-node" --no-audit --no-fund --silent
	fi
}

# start_guest [SERIAL=FILE ...]: boots, and waits until the relay serves $WORK/socket. The guest ends when descriptor 9 is closed.
start_guest() {
	mkfifo "$WORK/stdin"
	"$build/tests/guest/boot-guest" "$("$top/kernel/build.sh")" "$build/src/init/initramfs.cpio" "$WORK/socket" "$@" \
		<"$WORK/stdin" >>"$WORK/log" 2>&1 3>&- &
	echo $! >"$WORK/pid"
	exec 9>"$WORK/stdin"
	for _ in $(seq 300); do
		grep -q serving "$WORK/log" && return
		sleep 0.1
	done
	cat "$WORK/log"
	return 1
}

# busybox_disk FILE: an ext4 file system with busybox and a few users.
busybox_disk() {
	local root=$WORK/root applet
	mkdir -p "$root"/{bin,dev,etc,home,mnt,proc,root,run,sys,tmp}
	cp "$(command -v busybox)" "$root/bin/busybox"
	for applet in $(busybox --list); do
		[[ $applet == busybox ]] || ln -sf busybox "$root/bin/$applet"
	done
	printf '%s\n' root:x:0:0:root:/root:/bin/sh daemon:x:1:1:daemon:/:/bin/false \
		nobody:x:65534:65534:nobody:/home/nobody:/bin/false >"$root/etc/passwd"
	printf '%s\n' root:x:0: daemon:x:1: users:x:100:nobody nogroup:x:65534: >"$root/etc/group"
	mke2fs -q -t ext4 -E root_owner=0:0 -d "$root" "$1" 64M
}
