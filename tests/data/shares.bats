# Directories and files of the host in containers: as root, and under the name shares_as_user.bats as an ordinary user.

bats_require_minimum_version 1.5.0

setup_file() {
	load ../lib
	load lib
	roots
	export CORACLE_NETWORK=none
	if [[ $BATS_TEST_FILENAME == *as_user* ]]; then become_user 54321; fi
	export SHARED=$WORK/shared
	as_user mkdir -p "$WORK/home"
	install -d -m 755 ${AS_USER:+-o "$AS_USER" -g "$AS_USER"} "$SHARED"
}
teardown_file() {
	load ../lib
	nothing_left
}
setup() {
	load ../lib
	load lib
	as_user mkdir -p "$SHARED/dir/sub"
	as_user sh -c "echo hello >$SHARED/dir/file"
}
teardown() {
	umount "$SHARED/dir/sub" 2>/dev/null || true
	rm -rf "$SHARED/dir"
}

# box ARG...: a container of busybox that goes when it has ended.
box() { coracle run --rm "$@"; }

@test "a directory is seen and written to, on both sides at once" {
	coracle run -d --name both -v "$SHARED/dir:/data" busybox sleep 1000
	[ "$(coracle exec both cat /data/file)" = hello ]
	coracle exec both sh -c 'echo inside >/data/inside; mkdir /data/made'
	[ "$(cat "$SHARED/dir/inside")" = inside ]
	[ -d "$SHARED/dir/made" ]
	as_user sh -c "echo outside >$SHARED/dir/outside"
	[ "$(coracle exec both cat /data/outside)" = outside ]
	coracle rm -f both
}

@test "what is shared read-only cannot be written, whatever the guest does" {
	run -0 box -v "$SHARED/dir:/data:ro" busybox sh -c 'cat /data/file; echo x >/data/file || echo refused'
	[[ $output == hello*refused ]]
	# Its own kernel's mount is writable: only the host says no.
	run box --privileged -v "$SHARED/dir:/data:ro" busybox sh -c 'mkdir -p /mnt/s && mount -t virtiofs share-0 /mnt/s && cat /mnt/s/file &&
		{ echo x >/mnt/s/file; touch /mnt/s/new; rm /mnt/s/file; chmod 777 /mnt/s/file; mkdir -p /mnt/s/d; mv /mnt/s/file /mnt/s/other; } 2>&1'
	[[ $output == hello*"Read-only file system"* ]]
	[ "$(ls "$SHARED/dir")" = "$(printf 'file\nsub')" ]
	[ "$(cat "$SHARED/dir/file")" = hello ]
	[ "$(stat -c %a "$SHARED/dir/file")" = 644 ]
}

@test "a single file is shared alone" {
	run box --privileged --mount "type=bind,source=$SHARED/dir/file,target=/etc/deep/one" busybox sh -c \
		'cat /etc/deep/one; echo more >>/etc/deep/one; mkdir -p /mnt/s; mount -t virtiofs share-0 /mnt/s; ls -A /mnt/s; touch /mnt/s/x 2>&1'
	[[ $output == hello*file*"Read-only file system"* ]]
	[ "$(cat "$SHARED/dir/file")" = "$(printf 'hello\nmore')" ]
	run -1 box -v "$SHARED/dir/file:/one:ro" busybox sh -c 'echo x >/one'
}

@test "missing sources: made for --volume, an error for --mount" {
	box -v "$SHARED/dir/new/deep:/data" busybox touch /data/x
	[ -e "$SHARED/dir/new/deep/x" ]
	run -125 box --mount "type=bind,source=$SHARED/dir/missing,target=/data" busybox true
	[[ $output == *"$SHARED/dir/missing"*"No such file"* ]]
	[ ! -e "$SHARED/dir/missing" ]
}

@test "a path is relative to the working directory" {
	cd "$SHARED"
	[ "$(box -v ./dir:/data busybox cat /data/file)" = hello ]
	cd dir
	[ "$(box -v .:/data busybox cat /data/file)" = hello ]
}

@test "what cannot be shared is said" {
	run -125 box -v /:/data busybox true
	[[ $output == *"root directory"* ]]
	as_user ln -s / "$SHARED/dir/root"
	run -125 box -v "$SHARED/dir/root:/data" busybox true
	[[ $output == *"root directory"* ]]
	as_user mkfifo "$SHARED/dir/fifo"
	run -125 box -v "$SHARED/dir/fifo:/data" busybox true
	[[ $output == *"is a fifo"* ]]
	run -125 box -v /dev/null:/data busybox true
	[[ $output == *"is a device"* ]]
	run -125 box -v "$SHARED/dir:/data:rshared" busybox true
	[[ $output == *"propagate"* ]]
	run -125 box -v "$SHARED/dir:/data" -v "$SHARED/dir/sub:/data" busybox true
	[[ $output == *"given twice"* ]]
}

@test "inspect shows what is shared" {
	coracle create --name shown -v "$SHARED/dir:/data:ro" busybox true
	[ "$(coracle inspect shown | jq -c '.[0].Mounts[0] | [.Type, .Source, .Destination, .RW]')" = "[\"bind\",\"$SHARED/dir\",\"/data\",false]" ]
	coracle rm shown
}

@test "what is gone or changed at the start is said" {
	coracle create --name later -v "$SHARED/dir/sub:/data" busybox true
	rmdir "$SHARED/dir/sub"
	run -1 coracle start later
	[[ $output == *"$SHARED/dir/sub"*"No such file"* ]]
	as_user touch "$SHARED/dir/sub"
	run -1 coracle start later
	[[ $output == *"no directory any more"* ]]
	coracle rm later
}

@test "nothing that a container makes in a share leads out of it, or is a device" {
	as_user sh -c "echo secret >$SHARED/secret; ln -s $SHARED/secret $SHARED/dir/absolute; ln -s ../secret $SHARED/dir/relative"
	as_user ln -s "$SHARED" "$SHARED/dir/folder"
	run box --privileged -v "$SHARED/dir:/data" busybox sh -c '
		cat /data/absolute /data/relative /data/folder/secret /data/../secret 2>&1
		echo overwritten >/data/absolute 2>/dev/null
		ln -s /etc/passwd /data/made; ln /data/absolute /data/hard
		mknod /data/null c 1 3 && echo made a device
		mknod /data/pipe p && echo made a fifo
		chmod 4755 /data/file'
	[[ $output != *secret$'\n'* && $output != *"made a device"* && $output == *"made a fifo"* ]]
	[ "$(cat "$SHARED/secret")" = secret ]
	[ ! -e "$SHARED/dir/null" ]
	[ "$(readlink "$SHARED/dir/made")" = /etc/passwd ]
	[ "$(stat -c %h "$SHARED/secret")" = 1 ]
	rm -f "$SHARED/secret"
}

@test "files that a container makes belong to the user outside" {
	box -v "$SHARED/dir:/data" busybox touch /data/mine
	[ "$(stat -c %u:%g "$SHARED/dir/mine")" = "${AS_USER:-0}:${AS_USER:-0}" ]
	if [[ -z ${AS_USER-} ]]; then
		# Root's ids are as they are.
		chmod 777 "$SHARED/dir"
		box --user 1234:567 -v "$SHARED/dir:/data" busybox touch /data/theirs
		[ "$(stat -c %u:%g "$SHARED/dir/theirs")" = 1234:567 ]
	else
		# A namespace with one user knows no other.
		chmod 777 "$SHARED/dir"
		run box --user 1234:567 -v "$SHARED/dir:/data" busybox sh -c 'cat /data/file; touch /data/theirs 2>&1'
		[[ $output == hello*"Invalid argument"* ]]
		[ ! -e "$SHARED/dir/theirs" ]
	fi
}

@test "other users of a container own what they make under ids of the user's own, where the host gives him some" {
	[[ -n ${AS_USER-} ]] || skip "root's ids are as they are"
	INSIDE="unshare --mount $BATS_TEST_DIRNAME/with-ids $AS_USER $WORK"
	chmod 777 "$SHARED/dir"
	run -0 box -v "$SHARED/dir:/data" busybox sh -c '
		touch /data/mine /data/given; chown 1234:567 /data/given; echo secret >/data/private; chmod 600 /data/private
		su -s /bin/sh nobody -c "touch /data/theirs; cat /data/private 2>&1; echo x >/data/given 2>&1"; ls -ln /data/given'
	[[ $output == *"Permission denied"*"1234"*"567"* && $output != *secret* ]]
	[ "$(stat -c %u:%g "$SHARED/dir/mine")" = "$AS_USER:$AS_USER" ]
	[ "$(stat -c %u:%g "$SHARED/dir/given")" = 201233:200566 ]
	box --user 1234:567 -v "$SHARED/dir:/data" busybox touch /data/made
	[ "$(stat -c %u:%g "$SHARED/dir/made")" = 201233:200566 ]
	# Others of the host are nobody there.
	echo host >"$SHARED/dir/roots"
	run box --privileged -v "$SHARED/dir:/data" busybox sh -c 'echo x >/data/roots; chown 0:0 /data/roots; cat /data/roots; stat -c %u /data/roots'
	[[ $output == *"denied"*host*65534 ]]
	# Who may gain no rights has no other users, and his own files as ever.
	INSIDE+=" setpriv --no-new-privs"
	box -v "$SHARED/dir:/data" busybox touch /data/lone
	[ "$(stat -c %u:%g "$SHARED/dir/lone")" = "$AS_USER:$AS_USER" ]
}

@test "more shares than a small machine has devices for" {
	local i options=()
	for i in 1 2 3 4 5 6 7 8; do
		as_user mkdir "$SHARED/dir/$i"
		options+=(-v "$SHARED/dir/$i:/s/$i")
	done
	box "${options[@]}" busybox sh -c 'for i in 1 2 3 4 5 6 7 8; do echo $i >/s/$i/number; done'
	for i in 1 2 3 4 5 6 7 8; do [ "$(cat "$SHARED/dir/$i/number")" = $i ]; done
}

@test "thousands of files: unpacked inside, the same outside" {
	as_user sh -c "cd $SHARED/dir && mkdir tree && cd tree && for d in \$(seq 40); do mkdir \$d; for f in \$(seq 50); do echo \$d.\$f >\$d/\$f; done; done; tar cf ../tree.tar ."
	run -0 box -v "$SHARED/dir:/data" busybox sh -c 'mkdir /data/copy && tar xf /data/tree.tar -C /data/copy && find /data/copy -type f | wc -l && cd /data/copy && rm -r 40'
	[ "$output" = 2000 ]
	rm -r "$SHARED/dir/tree/40"
	diff -r "$SHARED/dir/tree" "$SHARED/dir/copy"
}

@test "git, a compiler and npm work in a shared tree, out of a shared /usr" {
	[[ -z ${AS_USER-} ]] || skip "once is enough: it takes a while"
	coracle image load -q <"$top/build/test-images/debian.tar"
	run -0 box -v /usr:/usr:ro -v "$SHARED/dir:/src" -w /src debian:12 sh -ec '
		export HOME=/tmp
		git init -q .; git config user.name a; git config user.email a@b
		printf "#include <stdio.h>\nint main(void) { puts(\"compiled\"); return 0; }\n" >main.c
		gcc -o main main.c; ./main
		git add main.c; git commit -qm first
		echo "/* */" >>main.c; git status --short -uno; git checkout -q main.c; git status --short -uno
		git gc -q; git fsck 2>&1
		mkdir dep app; echo "{\"name\":\"dep\",\"version\":\"1.0.0\"}" >dep/package.json; echo "module.exports = \"required\"" >dep/index.js
		echo "{\"name\":\"app\",\"version\":\"1.0.0\"}" >app/package.json
		cd app; npm install --offline --no-audit --no-fund ../dep; node -e "console.log(require(\"dep\"))"'
	[[ $output == *compiled*" M main.c"*required ]]
	as_user git -C "$SHARED/dir" -c safe.directory='*' status
}

@test "cp reaches what is shared, also while the container is stopped" {
	coracle create --name stopped -v "$SHARED/dir:/data" busybox true
	coracle cp stopped:/data/file "$WORK/home/copied"
	[ "$(cat "$WORK/home/copied")" = hello ]
	coracle cp "$WORK/home/copied" stopped:/data/sub/back
	[ "$(cat "$SHARED/dir/sub/back")" = hello ]
	coracle rm stopped
}

@test "file systems below a share belong to it: full, read-only and apart from each other" {
	[[ -z ${AS_USER-} ]] || skip "only root mounts"
	mount -t tmpfs -o size=256k none "$SHARED/dir/sub"
	run box -v "$SHARED/dir:/data" busybox sh -c 'dd if=/dev/zero of=/data/sub/fill bs=64k count=100 2>&1; rm /data/sub/fill; echo kept >/data/sub/file; [ $(stat -c %d /data) != $(stat -c %d /data/sub) ] && echo apart'
	[[ $output == *"No space left on device"*apart ]]
	[ "$(cat "$SHARED/dir/sub/file")" = kept ]
	# All below is read-only with it, also for a guest that lets itself write.
	run box --privileged -v "$SHARED/dir:/data:ro" busybox sh -c 'echo x >/data/sub/file; mount -o remount,bind,rw /data/sub && echo remounted; echo x >/data/sub/file; cat /data/sub/file'
	[[ $output == *"Read-only file system"*remounted*"Read-only file system"*kept ]]
	mount -o remount,ro "$SHARED/dir/sub"
	run box -v "$SHARED/dir/sub:/data" busybox sh -c 'echo x >/data/file'
	[[ $output == *"Read-only file system"* ]]
	umount "$SHARED/dir/sub"
}

# fileservers: the virtiofsd of this file's containers.
fileservers() {
	local pid
	for pid in $(pgrep virtiofsd); do
		if grep -qF "${SHARED#/tmp}" "/proc/$pid/mountinfo" 2>/dev/null; then echo "$pid"; fi
	done
}
no_fileservers() { [[ -z $(fileservers) ]]; }

@test "without virtiofsd the package is named" {
	coracle create --name without -v "$SHARED/dir:/data" busybox true
	CORACLE_VIRTIOFSD=/nonexistent run -1 coracle start without
	[[ $output == *"no virtiofsd"*"qemu-system-common"* ]]
	CORACLE_VIRTIOFSD=/bin/false run -1 coracle start without
	[[ $output == *"virtiofsd ended"* ]]
	coracle rm without
}

@test "a virtiofsd that is killed takes its container down, and says why" {
	coracle run -d --name lost -v "$SHARED/dir:/data" busybox sh -c 'while :; do date >/data/now; done'
	kill -9 $(fileservers)
	[ "$(coracle wait lost)" -ge 128 ]
	[[ $(coracle inspect lost | jq -r '.[0].State.Error') == *"$SHARED/dir"*"virtiofsd ended"* ]]
	coracle start lost
	coracle rm -f lost
}

@test "a guest has no way to end requests that nobody answers: why its container is stopped" {
	coracle run -d --privileged --name stuck -v "$SHARED/dir:/data" busybox sleep 1000
	coracle exec stuck sh -c 'mkdir /ctl && mount -t fusectl none /ctl'
	[ -z "$(coracle exec stuck ls /ctl)" ]
	kill -STOP $(fileservers)
	coracle exec -d stuck sh -c 'echo $$ >/pid; exec cat /data/file'
	await coracle exec stuck sh -c 'grep -q ^cat /proc/$(cat /pid)/comm && kill -9 $(cat /pid)'
	await coracle exec stuck sh -c 'grep -q "State:.*D" /proc/$(cat /pid)/status'
	run coracle exec stuck sh -c 'timeout -s KILL 5 umount -f /data; grep State /proc/$(cat /pid)/status'
	kill -CONT $(fileservers)
	[[ $output == *"D (disk sleep)"* ]]
	coracle rm -f stuck
}

@test "a shim or a machine that is killed leaves no virtiofsd behind" {
	coracle run -d --name killed -v "$SHARED/dir:/data" busybox sleep 1000
	[ -n "$(fileservers)" ]
	kill -9 "$(shim_of killed)"
	await no_fileservers
	coracle start killed
	[ -n "$(fileservers)" ]
	kill -9 "$(vmm_of killed)"
	await no_fileservers
	coracle rm -f killed
}
