# export, diff and commit: a container's disk as an archive, as a list of changes, as an image.

bats_require_minimum_version 1.5.0

CHANGES='echo new >/added; mkdir -p /tree/sub; echo leaf >/tree/sub/leaf; ln /tree/sub/leaf /tree/twin; ln -s leaf /tree/link; rm /bin/wc; chmod 700 /home; echo root:x:0:0:r:/:/bin/sh >/etc/passwd; touch /tmp/gone; rm /tmp/gone; chown 7:8 /tree; mkfifo /tree/fifo; cp /bin/busybox /suid; chmod 4755 /suid'
LIST=$'A /added\nC /bin\nD /bin/wc\nC /etc\nC /etc/passwd\nC /home\nA /suid\nA /tree\nA /tree/fifo\nA /tree/link\nA /tree/sub\nA /tree/sub/leaf\nA /tree/twin'

setup_file() {
	load ../lib
	roots
	coracle run -d --name box --tmpfs /made/for/mount busybox sh -c "$CHANGES; touch /made/for/mount/x; echo ready >/dev/shm/ready; sleep 100000"
	await coracle exec box test -s /dev/shm/ready
}
teardown_file() {
	load ../lib
	nothing_left
}
setup() {
	load ../lib
	cd "$(mktemp -d "$WORK/here.XXXXXX")"
}

@test "diff: added, changed, deleted; nothing for what is only mounted, nor for what is as it was" {
	[ "$(coracle diff box)" = "$LIST" ]
	coracle run --name same busybox true
	[ -z "$(coracle diff same)" ]
	coracle create --name never busybox true
	[ -z "$(coracle diff never)" ]
	coracle run --name ro --read-only busybox true
	[ -z "$(coracle diff ro)" ]
	coracle rm same never ro
	run coracle diff missing
	[ "$status" -ne 0 ]
}

@test "diff: a file that was replaced by an equal one, a directory by a file and the other way round" {
	coracle run --name odd busybox sh -c 'cp -a /bin/busybox /b2; mv /b2 /bin/busybox; rm -r /home; echo file >/home; rm /etc/group; mkdir /etc/group; echo x >/etc/group/x; touch -d 2001-01-01 /etc/hosts-not'
	[ "$(coracle diff odd)" = $'C /bin\nC /bin/busybox\nC /etc\nC /etc/group\nA /etc/group/x\nA /etc/hosts-not\nC /home' ]
	coracle commit odd odd:1
	[ "$(coracle run --rm odd:1 sh -c 'cat /home /etc/group/x; busybox true && echo ok')" = $'file\nx\nok' ]
	coracle rm odd
}

@test "export: running and stopped the same, and podman reads it" {
	coracle export -o one.tar box
	coracle export box >two.tar
	cmp one.tar two.tar
	tar tvf one.tar >list
	grep -q ' ./$' list && grep -q 'root/root\|0/0' list
	grep -q '^drwxr-xr-x 7/8 .* tree/$' list
	grep -q 'tree/twin link to tree/sub/leaf' list
	grep -q '^-rwsr-xr-x .* suid$' list
	run ! grep -q 'made/for/mount/x\|proc/1' list
	tar xf one.tar -O added | grep -qx new
	[ -z "$(tar df one.tar -C / 2>&1 >/dev/null | grep -i 'unexpected\|corrupt')" ]
	run script -qec "$CORACLE export box" /dev/null
	[ "$status" -ne 0 ]
	[[ $output == *"nothing for a terminal"* ]]
	# A file gets its name when it is whole.
	run coracle export -o bad.tar missing
	[ "$status" -ne 0 ]
	[ ! -e bad.tar ]
	coracle run --name ended busybox sh -c 'echo e >/e'
	coracle export ended | tar xO e | grep -qx e
	coracle rm ended
}

@test "export of a container that writes all the time is of one moment" {
	# Two files that are always written one after the other: in no moment is the second one ahead, or more than one behind.
	coracle run -d --name writer busybox sh -c 'i=0; while :; do i=$((i+1)); echo $i >/a; echo $i >/z; done'
	await coracle exec writer test -s /z
	for round in 1 2 3; do
		coracle export writer >w.tar
		a=$(tar xOf w.tar a) z=$(tar xOf w.tar z)
		# A file that was just emptied is of that moment too.
		[[ -z $a || -z $z || $((a - z)) -eq 0 || $((a - z)) -eq 1 ]]
	done
	# It goes on afterwards.
	before=$(coracle exec writer cat /a)
	moved() { [[ $(coracle exec writer cat /a) != "$before" ]]; }
	await moved
	coracle rm -f writer
}

@test "commit: the image has the changes and the new configuration, of running and stopped containers; others read it" {
	id=$(coracle commit -m 'what was done' -a me -c 'CMD ["cat", "/added"]' -c 'ENV MODE=live WORDS="a b"' -c 'WORKDIR /tree' -c 'LABEL k=v' -c 'EXPOSE 80' box made:1)
	[[ $id == sha256:* ]]
	[ "$(coracle run --rm made:1)" = new ]
	coracle run --name check made:1 sh -c 'pwd; echo $WORDS; stat -c "%u:%g %h %a" /tree /tree/twin /home /suid; readlink link; test ! -e /bin/wc; test -p fifo && ls /made/for 2>/dev/null | wc -l' >out
	[ "$(cat out)" = $'/tree\na b\n7:8 3 755\n0:0 2 644\n0:0 2 700\n0:0 1 4755\nleaf\n0' ]
	[ -z "$(coracle diff check)" ]
	coracle rm check
	coracle image inspect made:1 | jq -e '.[0].Config.Labels.k == "v" and .[0].Author == "me"'
	[ "$(coracle image inspect made:1 | jq '.[0].RootFS.Layers | length')" -eq $(($(coracle image inspect busybox | jq '.[0].RootFS.Layers | length') + 1)) ]
	# A second one on top, of a stopped container.
	coracle run --name second made:1 sh -c 'rm /added; echo 2 >/second; echo back >/bin/wc'
	coracle commit second made:2
	[ "$(coracle run --rm made:2 sh -c 'cat /second /bin/wc; ls /added 2>&1 | wc -l; echo $MODE')" = $'2\nback\n1\nlive' ]
	coracle rm second
	coracle save -o saved.tar made:2
	skopeo copy -q --insecure-policy oci-archive:saved.tar oci:unpacked:1
	umoci unpack --rootless --image unpacked:1 bundle >/dev/null 2>&1
	[ "$(cat bundle/rootfs/second)" = 2 ]
	[ ! -e bundle/rootfs/added ]
	[ -p bundle/rootfs/tree/fifo ]
	coracle system check
	# Without a name, and without anything that changed.
	coracle run --name same busybox true
	bare=$(coracle commit same)
	coracle run --rm "$bare" true
	coracle rm same
	coracle rmi made:1 made:2 "$bare"
}

@test "commit refuses what no image can hold, and lines that change nothing" {
	for line in 'RUN x' 'CMD' 'EXPOSE x' 'ENV A'; do
		run coracle commit -c "$line" box bad:1
		[ "$status" -ne 0 ]
		[[ $output == *"--change '$line'"* ]]
	done
	run coracle commit box 'Bad:::name'
	[ "$status" -ne 0 ]
	coracle run --name white busybox touch /.wh.bin
	run coracle commit white bad:1
	[ "$status" -ne 0 ]
	[[ $output == *"begins with .wh."* ]]
	coracle rm white
	run coracle image inspect bad:1
	[ "$status" -ne 0 ]
	# The container went on.
	[ "$(coracle exec box echo alive)" = alive ]
}

@test "a command that dies lets the container go" {
	mkfifo held
	sleep 1000 <held 3>&- &
	reader=$!
	coracle export box >held 3>&- &
	stands_still() { ! timeout 2 "$CORACLE" exec box true; }
	await stands_still
	kill -9 "$(pgrep -f 'coracle export box$')"
	await coracle exec box true
	kill $reader
}

@test "holes: a file of an archive keeps them; more of them than an archive may have is refused before anything is written" {
	coracle run --name holes busybox sh -c 'truncate -s 1G /small; echo end >>/small; mkdir /h; truncate -s 2199023255552 /h/huge'
	coracle cp holes:/small - >small.tar
	[ "$(stat -c %b small.tar)" -lt 10000 ]
	tar xOf small.tar small | tail -c 4 | grep -qx end
	run --separate-stderr coracle cp holes:/h -
	[ "$status" -ne 0 ]
	[ "${#output}" -lt 2000 ]
	[[ $stderr == *"'h/huge' has 2199023255552 bytes: no more than 1024 GiB"* ]]
	run coracle export -o huge.tar holes
	[ "$status" -ne 0 ]
	[[ $output == *"holes are zeros"* ]]
	[ ! -e huge.tar ]
	run coracle commit holes huge:1
	[ "$status" -ne 0 ]
	[[ $output == *"no more than 256 GiB"* ]]
	coracle cp holes:/h .
	[ "$(stat -c %s h/huge)" = $((2 << 40)) ]
	coracle rm holes
}
