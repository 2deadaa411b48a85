# cp by docker's rules, on containers that run and on those that do not: as root, and under the name copy_as_user.bats as an ordinary user.

bats_require_minimum_version 1.5.0

setup_file() {
	load ../lib
	roots
	if [[ $BATS_TEST_FILENAME == *as_user* ]]; then become_user 54322; fi
	coracle run -d --name box busybox sh -c 'mkdir -p /tmp /full/sub /empty; echo one >/file; echo in >/full/in; echo deep >/full/sub/deep; ln -s /file /link; ln -s /full /dirlink; ln -s /nowhere /broken; touch /ready; sleep 100000'
	await coracle exec box test -e /ready
}
teardown_file() {
	load ../lib
	nothing_left
}
setup() {
	load ../lib
	HERE=$WORK/here.$BATS_TEST_NUMBER
	mkdir -p "$HERE"
	chmod 777 "$HERE"
	cd "$HERE"
}

is_user() { [[ -n ${AS_USER-} ]]; }
inside() { coracle exec box "$@"; }
fails() {
	run coracle "$@"
	[ "$status" -ne 0 ]
}

@test "out of a container, a file: missing, a file, a directory, a directory that is missing" {
	coracle cp box:/file new
	[ "$(cat new)" = one ]
	echo old >there
	coracle cp box:/file there
	[ "$(cat there)" = one ]
	mkdir folder
	chmod 777 folder
	coracle cp box:/file folder
	coracle cp box:file folder/
	coracle cp box:/file folder/named
	[ "$(cat folder/file folder/named)" = $'one\none' ]
	fails cp box:/file missing/
	[[ $output == *"there is no directory"* ]]
	fails cp box:/file missing/file
	fails cp box:/missing .
	[[ $output == *"'/missing' in the container: No such file"* ]]
	fails cp box:/file/ .
	[ ! -e missing ]
}

@test "out of a container, a directory: missing, a file, a directory, with a dot at its end" {
	coracle cp box:/full new
	[ "$(cat new/in new/sub/deep)" = $'in\ndeep' ]
	coracle cp box:/full/. dotted
	[ "$(cat dotted/in dotted/sub/deep)" = $'in\ndeep' ]
	mkdir folder
	chmod 777 folder
	coracle cp box:/full folder
	[ "$(cat folder/full/in)" = in ]
	coracle cp box:/full/. folder
	[ "$(cat folder/in folder/sub/deep)" = $'in\ndeep' ]
	echo file >file
	fails cp box:/full file
	[[ $output == *"a directory cannot be copied over it"* ]]
	[ "$(cat file)" = file ]
	# A directory stays one, and a file too.
	mkdir -p clash/full/in
	chmod -R 777 clash
	fails cp box:/full clash
	[[ $output == *"is a directory, and what would replace it is none"* ]]
	mkdir -p other/full
	touch other/full/sub
	chmod -R 777 other
	fails cp box:/full other
	[[ $output == *"is no directory, and what would replace it is one"* ]]
}

@test "into a container: the same table" {
	echo mine >mine
	mkdir -p tree/sub
	echo leaf >tree/sub/leaf
	coracle cp mine box:/tmp/new
	coracle cp mine box:/tmp/new
	coracle cp mine box:/empty
	coracle cp ./mine box:/empty/
	coracle cp mine box:empty/named
	[ "$(inside cat /tmp/new /empty/mine /empty/named)" = $'mine\nmine\nmine' ]
	fails cp mine box:/tmp/missing/
	[[ $output == *"there is no directory '/tmp/missing/'"* ]]
	fails cp mine box:/tmp/missing/file
	fails cp missing box:/tmp
	coracle cp tree box:/tmp
	coracle cp tree box:/tmp/other
	coracle cp tree/. box:/tmp/dotted
	coracle cp tree/. box:/empty
	[ "$(inside cat /tmp/tree/sub/leaf /tmp/other/sub/leaf /tmp/dotted/sub/leaf /empty/sub/leaf)" = $'leaf\nleaf\nleaf\nleaf' ]
	fails cp tree box:/file
	[[ $output == *"a directory cannot be copied over it"* ]]
	[ "$(inside cat /file)" = one ]
	fails cp mine box:/dev/null
	[[ $output == *"is a device"* ]]
	(cd tree && coracle cp . box:/tmp/here)
	[ "$(inside cat /tmp/here/sub/leaf)" = leaf ]
}

@test "links: the link itself, with -L what it leads to, and a destination that is one" {
	coracle cp box:/link .
	[ "$(readlink link)" = /file ]
	coracle cp -L box:/link followed
	coracle cp -L box:/link ./
	[ "$(cat followed)" = one ]
	[ ! -L followed ]
	[ "$(cat link)" = one ]
	[ ! -L link ]
	coracle cp -L box:/dirlink dir
	[ "$(cat dir/in)" = in ]
	coracle cp box:/dirlink/ slash
	[ "$(cat slash/in)" = in ]
	fails cp -L box:/broken x
	# The host's end.
	echo real >real
	ln -s real alias
	coracle cp alias box:/tmp/alias
	[ "$(inside readlink /tmp/alias)" = real ]
	coracle cp -L alias box:/tmp/alias2
	[ "$(inside cat /tmp/alias2)" = real ]
	mkdir target
	chmod 777 target
	ln -s target dest
	coracle cp box:/file dest
	[ "$(cat target/file)" = one ]
	# In the container: into what the link leads to, which may be missing.
	coracle cp real box:/dirlink
	[ "$(inside cat /full/real)" = real ]
	inside rm /full/real
	coracle cp real box:/broken
	[ "$(inside cat /nowhere)" = real ]
}

@test "owners: root in the container, oneself on the host; -a keeps them, and set-user-id bits" {
	inside sh -c 'mkdir -p /own; echo x >/own/f; chown 12:34 /own/f; chmod 4755 /own/f; touch -d "2001-02-03 04:05:06" /own/f'
	coracle cp box:/own .
	[ "$(stat -c '%u %a' own/f)" = "${AS_USER:-0} 755" ]
	[ "$(stat -c %y own/f)" = "2001-02-03 04:05:06.000000000 +0000" ]
	coracle cp -a box:/own kept
	if is_user; then [ "$(stat -c '%u %a' kept/f)" = "$AS_USER 755" ]; else [ "$(stat -c '%u:%g %a' kept/f)" = "12:34 4755" ]; fi
	# A directory that was there stays as it is.
	mkdir old
	chown "${AS_USER:-0}" old
	inside sh -c 'mkdir -p /wide/old/new; chmod 777 /wide/old /wide/old/new'
	coracle cp box:/wide/. .
	[ "$(stat -c %a old old/new)" = $'755\n777' ]
	echo y >mine
	chmod 640 mine
	chown "${AS_USER:-77}" mine
	coracle cp mine box:/own/m
	[ "$(inside stat -c '%u:%g %a' /own/m)" = "0:0 640" ]
	coracle cp -a mine box:/own/m
	[ "$(inside stat -c %u /own/m)" = "${AS_USER:-77}" ]
}

@test "archives: out with owners and hard links, in from plain and compressed ones, nothing beside its place" {
	inside sh -c 'mkdir -p /arc/d; echo x >/arc/a; ln /arc/a /arc/d/b; chown 5:6 /arc/d; mkfifo /arc/fifo; mknod /arc/null c 1 3'
	coracle cp box:/arc - >arc.tar
	tar tvf arc.tar | grep -q 'drwxr-xr-x 5/6 .* arc/d/'
	tar tvf arc.tar | grep -q 'arc/d/b link to arc/a'
	tar tvf arc.tar | grep -q '^crw.* 1,3 .*arc/null'
	coracle cp box:/arc/. - | tar t | grep -qx './'
	coracle cp - box:/tmp <arc.tar
	[ "$(inside sh -c 'stat -c "%u:%g %h" /tmp/arc/d/b /tmp/arc/d; readlink -f /tmp/arc; ls -l /tmp/arc/null' | tr '\n' ' ' | cut -c1-28)" = "0:0 2 5:6 2 /tmp/arc crw-r--" ]
	gzip -c arc.tar | coracle cp - box:/empty
	inside test -p /empty/arc/fifo
	fails cp - box:/missing <arc.tar
	fails cp - box:/file <arc.tar
	[[ $output == *"is no directory"* ]]
	head -c 2000 arc.tar | fails cp - box:/tmp
	# Names that lead out.
	echo evil >evil
	tar cf evil.tar -P --transform 's|evil|../../../evil|' evil 2>/dev/null
	fails cp - box:/tmp <evil.tar
	[[ $output == *"'..'"* ]]
	tar cf evil.tar -P --transform 's|evil|/etc/evil|' evil 2>/dev/null
	coracle cp - box:/tmp <evil.tar
	inside test -e /tmp/etc/evil
	[ ! -e /evil ]
	[ ! -e /etc/evil ]
}

@test "hostile trees: links that lead out, strange names, files of every kind" {
	inside sh -c 'mkdir -p /h; cd /h; ln -s / root; ln -s ../../../../../../etc up; ln -s /proc/self self; touch -- "-rf" "$(printf "new\nline")" " " "*" "$(printf "\377\376")"; mkfifo fifo; mknod disk b 8 0; ln disk disk2; mknod zero c 1 5; ln -s loop loop'
	coracle cp box:/h . 2>err
	grep -q "3 devices were left out" err
	[ "$(readlink h/root)" = / ]
	[ -p h/fifo ]
	[ ! -e h/disk ]
	[ -f "h/$(printf 'new\nline')" ]
	[ -f "h/$(printf '\377\376')" ]
	[ "$(find h -mindepth 1 -printf . | wc -c)" -eq 10 ]
	coracle cp h box:/tmp/back
	[ "$(inside sh -c 'find /tmp/back -mindepth 1 -exec echo x \; | wc -l')" -eq 10 ]
	# Through a link of the container's on the way, as the container would go; never out of it.
	inside ln -s /../../.. /h/out
	fails cp "box:/h/out/$HERE/err" .
	coracle cp box:/h/out/file outfile
	[ "$(cat outfile)" = one ]
	# A link in the destination is not written through.
	mkdir -p dest/h safe
	chmod -R 777 dest safe
	ln -s "$PWD/safe" dest/h/sub
	inside sh -c 'mkdir /h/sub; echo bad >/h/sub/bad'
	fails cp box:/h dest
	[ -z "$(ls safe)" ]
	# A depth at which few programs work.
	inside sh -c 'mkdir /deep; cd /deep; for i in $(seq 400); do mkdir d; cd d; done; echo bottom >x'
	coracle cp box:/deep .
	[ "$(cd deep && for i in $(seq 400); do cd d; done; cat x)" = bottom ]
	coracle cp deep box:/tmp
	rm -rf deep
}

@test "sparse files stay sparse, hard links stay one file, 10,000 files and 100 MB arrive as they were" {
	truncate -s 20G sparse
	echo middle | dd of=sparse bs=1M seek=10000 conv=notrunc status=none
	coracle cp sparse box:/sparse
	[ "$(inside stat -c %s /sparse)" = $((20 << 30)) ]
	[ "$(inside stat -c %b /sparse)" -lt 100 ]
	coracle cp box:/sparse back
	[ "$(stat -c %s back)" = $((20 << 30)) ]
	[ "$(stat -c %b back)" -lt 100 ]
	dd if=back bs=1M skip=10000 count=1 status=none | grep -q middle
	inside rm /sparse
	mkdir many
	(cd many && for ((i = 0; i < 10000; i++)); do echo $i >"$i"; done)
	ln many/1 many/again
	coracle cp many box:/
	[ "$(inside sh -c 'ls /many | wc -l; stat -c %h /many/again')" = $'10001\n2' ]
	coracle cp box:/many back2
	diff -r many back2
	[ "$(stat -c %h back2/again)" = 2 ]
	head -c 100M /dev/urandom >large
	coracle cp large box:/large
	coracle cp box:/large large2
	cmp large large2
	inside rm -r /many /large
}

@test "stopped and never started containers: files go in and out, their state stays, the next start sees them" {
	coracle create --name fresh busybox cat /given
	echo given >given
	coracle cp given fresh:/given
	coracle inspect fresh | jq -e '.[0].State.Status == "created" and .[0].State.StartedAt <= "0001-01-02"'
	[ "$(coracle start -a fresh)" = given ]
	before=$(coracle inspect fresh | jq -c '.[0].State')
	logs=$(coracle logs fresh)
	coracle cp fresh:/given back
	coracle cp fresh:/etc - | tar t | grep -q '^etc/passwd$'
	[ "$(cat back)" = given ]
	coracle cp given fresh:/etc/more
	fails cp fresh:/missing x
	[ "$(coracle inspect fresh | jq -c '.[0].State')" = "$before" ]
	[ "$(coracle logs fresh)" = "$logs" ]
	none_of_fresh() { ! shim_of fresh; }
	none_of_fresh
	# Two at once: one after the other.
	coracle cp given fresh:/a 3>&- &
	one=$!
	coracle cp given fresh:/b
	wait $one
	coracle start -a fresh
	coracle cp fresh:/ - | tar t >list
	grep -qx 'a' list && grep -qx 'b' list && grep -qx 'etc/more' list
	coracle rm fresh
	# One whose program is not there yet.
	coracle create --name later busybox /program
	printf '#!/bin/sh\necho ran\n' >program
	chmod 755 program
	coracle cp program later:/
	[ "$(coracle start -a later)" = ran ]
	# A disk that was not unmounted.
	coracle create --name torn busybox sh -c 'echo t >/t; sync; echo synced; sleep 1000'
	coracle start torn
	await eval 'coracle logs torn | grep -qx synced'
	kill -9 "$(vmm_of torn)"
	coracle wait torn
	coracle cp torn:/t t
	[ "$(cat t)" = t ]
	coracle rm later torn
}

@test "volumes of stopped containers are where they will be; one that others hold is told of" {
	coracle volume create kept
	coracle create --name vol --read-only -v kept:/data busybox sh -c 'cat /data/in; echo out >/data/out'
	echo given >given
	coracle cp given vol:/data/in
	fails cp given vol:/beside
	[ "$(coracle start -a vol)" = given ]
	coracle cp vol:/data/out back
	[ "$(cat back)" = out ]
	coracle export vol | tar t >list
	run ! grep -q '^data/' list
	coracle run -d --name holder -v kept:/x busybox sleep 1000
	fails cp given vol:/data/in
	[[ $output == *"in use by container 'holder'"* ]]
	[ -z "$(coracle diff vol)" ]
	coracle rm -f holder vol
	coracle volume rm kept
}

@test "while files are reached, start says that the container is busy; a killed cp or machine leaves it as it was" {
	coracle create --name busy busybox true
	mkfifo slow
	(exec 3>&-; exec sleep 3600 >slow) &
	writer=$!
	coracle cp - busy:/ <slow 3>&- &
	copier=$!
	await shim_of busy
	await vmm_of busy
	fails start busy
	[[ $output == *"busy: files are being copied"* ]]
	fails rm busy
	[[ $output == *"busy"* ]]
	kill -9 "$(pgrep -f 'coracle cp - busy:/$')"
	wait $copier || true
	gone() { ! shim_of busy; }
	await gone
	[ "$(coracle inspect busy | jq -r '.[0].State.Status')" = created ]
	coracle cp - busy:/ <slow 2>err 3>&- &
	copier=$!
	await vmm_of busy
	kill -9 "$(vmm_of busy)"
	await gone
	kill $writer
	if wait $copier; then false; fi
	coracle start -a busy
	coracle rm busy
}

# begin_copy FILE: of a container's file to a pipe, of which nobody reads more than the beginning: it stands still in the middle.
begin_copy() {
	rm -f slow
	mkfifo slow
	coracle cp "$1" - >slow 2>err 3>&- &
	copier=$!
	exec 5<slow
	head -c 1 <&5 >/dev/null
}

@test "a copy of a running container that is killed leaves the container alone; one whose machine dies says so" {
	coracle run -d --name victim busybox sh -c 'head -c 40m /dev/urandom >/big; touch /ready; sleep 1000'
	await coracle exec victim test -e /ready
	begin_copy victim:/big
	kill -9 "$(pgrep -f 'coracle cp victim:/big -$')"
	wait $copier || true
	exec 5<&-
	[ "$(coracle exec victim echo alive)" = alive ]
	begin_copy victim:/big
	kill -9 "$(vmm_of victim)"
	cat <&5 >/dev/null
	exec 5<&-
	if wait $copier; then false; fi
	grep -q "the machine of 'victim' ended" err
	coracle rm -f victim
}

# mailbox_pages NAME: how much memory the mailbox of a container's machine holds.
mailbox_pages() {
	local fd
	for fd in /proc/"$(shim_of "$1")"/fd/*; do
		if [[ $(readlink "$fd") == "/memfd:mailbox-of-coracle (deleted)" ]]; then
			stat -L -c %b "$fd"
			return
		fi
	done
	return 1
}

@test "large contents go through the mailbox, of one copy at a time, and what dies in the middle spoils nothing of the next" {
	head -c 40000001 /dev/urandom >a
	head -c 40000001 /dev/urandom >b
	coracle cp a box:/tmp/a 3>&- &
	coracle cp b box:/tmp/b
	wait $!
	[ "$(inside sha256sum /tmp/a /tmp/b | cut -c-64)" = "$(sha256sum a b | cut -c-64)" ]
	[ "$(mailbox_pages box)" = 0 ]
	begin_copy box:/tmp/a
	[ "$(mailbox_pages box)" -gt 0 ]
	coracle cp b box:/tmp/meanwhile
	kill -9 "$(pgrep -f 'coracle cp box:/tmp/a -$')"
	wait $copier || true
	exec 5<&-
	coracle cp b box:/tmp/afterwards
	for name in b meanwhile afterwards; do
		coracle cp box:/tmp/$name out
		cmp b out
	done
	[ "$(mailbox_pages box)" = 0 ]
	inside rm /tmp/a /tmp/b /tmp/meanwhile /tmp/afterwards
	# A file system without direct access takes it too, and so does an archive.
	coracle cp a box:/dev/shm/a
	coracle cp box:/dev/shm/a out
	cmp a out
	coracle cp box:/dev/shm/a - | tar xO | cmp - a
	inside rm /dev/shm/a
}

@test "read-only roots and what is mounted: what can be written is written, what cannot is told" {
	coracle run -d --name ro --read-only --tmpfs /scratch busybox sleep 1000
	echo x >x
	coracle cp x ro:/scratch/x
	[ "$(coracle exec ro cat /scratch/x)" = x ]
	coracle cp ro:/scratch/x y
	cmp x y
	fails cp x ro:/x
	[[ $output == *"ead-only"* ]]
	coracle stop -t 0 ro
	fails cp x ro:/x
	[[ $output == *"ead-only"* ]]
	coracle cp ro:/etc/passwd .
	grep -q root passwd
	coracle rm ro
}

@test "the whole root of a running container comes without what the kernel shows of itself" {
	coracle cp box:/ whole
	[ "$(cat whole/file)" = one ]
	[ -d whole/proc ]
	[ -z "$(ls whole/proc whole/sys | grep -v :)" ]
	coracle cp box:/ - | tar t >/dev/null
}

@test "what is not a copy: two containers, no container, nothing" {
	fails cp box:/file box:/file2
	[[ $output == *"not copied between containers"* ]]
	fails cp a b
	fails cp nobody:/x .
	[[ $output == *"no container"* ]]
	fails cp box:/file ''
	touch ./a:b
	coracle cp ./a:b box:/tmp/
	inside test -e /tmp/a:b
}
