# Volumes: as root, and under the name volumes_as_user.bats as an ordinary user.

bats_require_minimum_version 1.5.0

setup_file() {
	load ../lib
	load lib
	roots
	export CORACLE_NETWORK=none
	if [[ $BATS_TEST_FILENAME == *as_user* ]]; then become_user 54321; fi
	volume_image
}
teardown_file() {
	load ../lib
	nothing_left
}
setup() {
	load ../lib
	load lib
}

# box ARG...: a container of busybox that goes when it has ended.
box() { coracle run --rm "$@"; }

@test "what one container writes the next one reads, and the volume outlives both" {
	box -v v:/data busybox sh -c 'echo kept >/data/file; [ ! -e /data/lost+found ]'
	[ "$(box -v v:/data busybox cat /data/file)" = kept ]
	[ "$(box --mount type=volume,source=v,target=/other/place busybox cat /other/place/file)" = kept ]
	[ "$(coracle volume ls -q)" = v ]
	coracle volume rm v
	[ -z "$(coracle volume ls -q)" ]
}

@test "a volume has the size that was asked for; a full one is ENOSPC and nothing worse" {
	coracle volume create small --size 64m
	run -0 box -v small:/data busybox sh -c 'df -m /data | awk "NR == 2 { print \$2 }"; dd if=/dev/zero of=/data/fill bs=1M 2>&1; rm /data/fill; echo again >/data/file && cat /data/file'
	[ "${lines[0]}" -lt 64 ]
	[[ $output == *"No space left on device"*again ]]
	coracle volume rm small
	for size in 0 1k 9t 99999999999999999999 -1 many; do
		run coracle volume create wrong --size "$size"
		[ "$status" -ne 0 ]
	done
	[ -z "$(coracle volume ls -q)" ]
}

@test "one writer or many readers: who has it is named; readers cannot write, whatever they are in the guest" {
	box -v v:/data busybox sh -c 'echo kept >/data/file'
	coracle run -d --name writer -v v:/data busybox sleep 100
	run coracle run --rm -v v:/data busybox true
	[ "$status" -eq 125 ]
	[[ $output == *"volume 'v' is in use by container 'writer'"* ]]
	run coracle run --rm -v v:/data:ro busybox true
	[ "$status" -eq 125 ]
	[[ $output == *"container 'writer'"* ]]
	run coracle volume rm v
	[ "$status" -eq 1 ]
	[[ $output == *"container 'writer' has volume 'v'"* ]]
	coracle stop -t 0 writer
	# A stopped one still has it, but others may use it.
	run coracle volume rm v
	[ "$status" -eq 1 ]
	coracle run -d --name reader -v v:/data:ro busybox sleep 100
	[ "$(box -v v:/data:ro busybox cat /data/file)" = kept ]
	run coracle run --rm -v v:/data busybox true
	[[ $output == *"container 'reader'"* ]]
	run coracle start writer
	[ "$status" -ne 0 ]
	run box --privileged -v v:/data:ro busybox sh -c 'mount -o remount,rw /data; echo no >/data/no; dd if=/dev/zero of=/dev/vdb count=1 conv=fsync'
	[ "$status" -ne 0 ]
	[ "$(coracle exec reader ls /data)" = file ]
	coracle rm -f reader writer
	coracle volume rm v
}

@test "the image's content fills an empty volume, owners, modes, links, holes and all, and only once" {
	box -v v:/content files sh -c 'cd /content; stat -c "%n %a %u:%g %h %F" . file link fifo sub sub/same; stat -c %Y file; readlink link; cat file; [ $(stat -c %b hole) -lt 100 ]; tail -c 3 hole; echo; rm file' >"$WORK/copied"
	diff - "$WORK/copied" <<-END
		. 2751 1000:1001 3 directory
		file 4750 1000:1001 2 regular file
		link 777 1000:1001 1 symbolic link
		fifo 644 0:0 1 fifo
		sub 755 0:0 2 directory
		sub/same 4750 1000:1001 2 regular file
		1577934245
		file
		text
		end
	END
	run box -v v:/content files ls /content
	[[ $output != *file* && $output == *hole* ]]
	# Emptied, it is filled again, as under Docker; not with nocopy.
	box -v v:/content files sh -c 'rm -rf /content/*'
	[ -z "$(box -v v:/content:nocopy files ls /content)" ]
	[ -z "$(box --mount type=volume,src=v,dst=/content,volume-nocopy files ls /content)" ]
	[ "$(box -v v:/content files cat /content/file)" = text ]
	coracle volume rm v
}

@test "a fresh volume is seen by readers as it would be filled" {
	[ "$(box -v v:/content:ro files cat /content/file)" = text ]
	run box -v v:/content:ro files touch /content/x
	[ "$status" -ne 0 ]
	[ -z "$(box -v v:/nothing/here:ro files ls /nothing/here)" ]
	[ "$(box -v v:/content files cat /content/file)" = text ]
	coracle volume rm v
}

@test "anonymous volumes: made for VOLUME and -v /path, gone with --rm and rm -v, left by rm, pruned" {
	box -v /anon files sh -c 'grep -c " ext4 " /proc/mounts' >"$WORK/count"
	[ "$(cat "$WORK/count")" -eq 4 ]
	[ -z "$(coracle volume ls -q)" ]
	coracle run --name one -v /anon files touch /anon/a
	[ "$(coracle volume ls -q | grep -cE '^[0-9a-f]{64}$')" -eq 3 ]
	[ "$(coracle inspect one | jq -r '[.[0].Mounts[] | select(.Type == "volume") | .Destination] | sort | join(" ")')" = "/anon /content /empty" ]
	coracle start -a one
	coracle volume prune -f
	[ "$(coracle volume ls -q | wc -l)" -eq 3 ]
	coracle rm -v one
	[ -z "$(coracle volume ls -q)" ]
	coracle create --name two files
	coracle rm two
	[ "$(coracle volume ls -q -f dangling=true | wc -l)" -eq 2 ]
	coracle volume create named
	run -0 --separate-stderr coracle volume prune -f
	[ "${#lines[@]}" -eq 2 ]
	[[ $stderr == "Total reclaimed space: "* ]]
	[ "$(coracle volume ls -q)" = named ]
	# What the user mounts in a VOLUME's place takes its place.
	coracle create --name three -v named:/content --tmpfs /empty files
	[ "$(coracle volume ls -q)" = named ]
	coracle volume prune -af
	[ "$(coracle volume ls -q)" = named ]
	coracle rm -v three
	[ "$(coracle volume ls -q)" = named ]
	[ "$(coracle volume prune -af 2>/dev/null)" = named ]
}

@test "what makes no sense is told before anything is made" {
	for option in "-v v:relative" "-v a/b:/data" "-v v:/data:rw:x" "-v v:/" "-v v:/a/../b" "-v v:/data:maybe" \
		"--mount type=volume,source=v" "--mount type=volume,target=/x,volume-opt=journal=perhaps" "-v v:/a -v w:/a" "-v v:/a -v v:/b" "-v v:/a --mount type=tmpfs,target=/a"; do
		run coracle create $option busybox
		[ "$status" -eq 125 ]
		[ -z "$(coracle ls -aq)" ]
	done
	coracle volume prune -af
	run coracle volume create --opt shared=perhaps x
	[ "$status" -ne 0 ]
	coracle volume create --size 1g x
	coracle volume create --size 1g x
	coracle volume create x
	run coracle volume create --size 2g x
	[ "$status" -eq 1 ]
	coracle volume rm x
}

@test "many volumes at once, some below others; more devices than there are slots without ACPI" {
	args=()
	for i in {1..12}; do args+=(-v "many$i:/m/$i"); done
	box "${args[@]}" -v deep:/m/1/deep -v top:/m busybox sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $i >/m/$i/n; done; echo d >/m/1/deep/d'
	[ "$(box -v many12:/a -v many1:/b -v deep:/c busybox sh -c 'cat /a/n /b/n /c/d; ls /b')" = $'12\n1\nd\ndeep\nn' ]
	coracle volume prune -af
}

@test "a volume that several containers write to at once" {
	coracle volume create --opt shared=true s
	coracle run -d --name one -v s:/data busybox sh -c 'echo one >/data/one; sleep 100'
	coracle run -d --name two -v s:/two -v own:/own busybox sh -c 'echo two >/two/two; sleep 100'
	await coracle exec one cat /data/two
	await coracle exec two cat /two/one
	run coracle exec "$(coracle run -d --rm --name three -v s:/data:ro busybox sleep 100)" touch /data/three
	[ "$status" -ne 0 ]
	[ "$(coracle inspect two | jq -r '[.[0].Mounts[] | .Type + ":" + .Name] | sort | join(" ")')" = "volume:own volume:s" ]
	run coracle volume rm s
	[ "$status" -eq 1 ]
	coracle rm -f one two three
	coracle volume rm s own
}
