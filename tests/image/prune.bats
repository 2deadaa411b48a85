# What nobody needs goes, what somebody needs stays, and what it takes of the disk is counted right.

bats_require_minimum_version 1.5.0
load ../lib

setup_file() {
	roots >/dev/null
	export CORACLE=${CORACLE_BUILD:-$top/build}/coracle
	mkdir "$WORK/odd"
	"$BATS_TEST_DIRNAME/odd-archives" "$WORK/odd"
	coracle image rm busybox >/dev/null
}

setup() {
	store=$CORACLE_ROOT/images
	coracle image load -q -i "$top/build/test-images/busybox.tar" >/dev/null
}

teardown() {
	coracle ls -aq | while read -r id; do coracle rm -f "$id" >/dev/null; done
	coracle image prune -af >/dev/null 2>&1
	[ -z "$(find "$store/blobs" "$store/rootfs" "$store/partial" "$store/tmp" -type f)" ]
}

teardown_file() {
	nothing_left
}

of() { coracle image inspect "$1" | jq -r ".[0].$2"; }
prune() { coracle image prune -f "$@" 2>"$WORK/said"; }
df_of() { coracle system df --format json | jq -r ".$1"; }
# What the host counts, in bytes, each file once.
used() { find "$@" -type f -printf '%D:%i %b\n' | sort -u | awk '{n += $2 * 512} END {print n + 0}'; }
# part [AGE]: a part of a pull, last written to so many hours ago.
part() {
	hex=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')
	head -c 100000 /dev/urandom >"$store/partial/$hex"
	touch -d "${1:-0} hours ago" "$store/partial/$hex"
}

@test "images without a name go, those with one stay unless all are meant" {
	coracle image load -q --tag moving -i "$WORK/odd/good-nameless.tar"
	old=$(of moving Id)
	coracle image load -q --tag moving -i "$WORK/odd/good-layer-twice.tar"
	[ "$(prune)" = "deleted: $old" ]
	coracle image inspect moving busybox >/dev/null
	run prune -a
	[[ $output == *"untagged: moving:latest"* && $output == *"untagged: busybox:latest"* ]]
	[ "$(coracle image ls -q | wc -l)" -eq 0 ]
}

@test "what a container uses stays" {
	coracle create --name user busybox true
	[ -z "$(prune -a)" ]
	coracle image rm --force busybox
	[ -z "$(prune -a)" ]
	[ -e "$(jq -r .rootfs "$CORACLE_ROOT"/containers/*/container.json)" ]
	coracle rm user
	[[ $(prune) == "deleted: sha256:"* ]]
}

@test "only those with a label, or older ones" {
	[ -z "$(prune -a --filter label=no=such)" ]
	[ -z "$(prune -a --filter until=2000-01-01T00:00:00Z)" ]
	coracle image inspect busybox >/dev/null
	[[ $(prune -a --filter until=1h) == *"untagged: busybox:latest"* ]]
}

@test "blobs, disks, workspaces and parts that nobody needs go, and are counted once" {
	before=$(used "$store")
	head -c 300000 /dev/urandom >"$WORK/blob"
	blob=$(sha256sum "$WORK/blob" | cut -d' ' -f1)
	cp "$WORK/blob" "$store/blobs/sha256/$blob"
	head -c 200000 /dev/urandom >"$store/rootfs/$(printf %064d 2).ext4"
	part
	# Complete, published, and its pull was killed before the part went.
	ln "$store/blobs/sha256/$blob" "$store/partial/$blob"
	mkdir "$store/tmp/work-0123456789abcdef"
	ln "$store/blobs/sha256/$blob" "$store/tmp/work-0123456789abcdef/$blob"
	head -c 50000 /dev/urandom >"$store/tmp/work-0123456789abcdef/disk"
	extra=$(($(used "$store") - before))
	[ "$extra" -ge 650000 ]
	[ "$(($(df_of Images.Size) + $(df_of Disks.Size) + $(df_of Parts.Size)))" -eq \
		"$(used "$store/blobs" "$store/rootfs" "$store/partial" "$store/tmp")" ]
	# Nothing of it is damage.
	coracle system check
	prune
	cat "$WORK/said"
	[ "$(used "$store")" -eq "$before" ]
	grep -q 'Total reclaimed space: 6[0-9][0-9] kB' "$WORK/said"
}

@test "a pull that is at work is not disturbed: its parts and its workspace are locked" {
	part
	mkdir "$store/tmp/work-00000000000000aa"
	ln "$store/blobs/sha256/$(basename "$(of busybox Id | tr : /)")" "$store/tmp/work-00000000000000aa/blob"
	flock "$store/partial/$hex" flock "$store/tmp/work-00000000000000aa" \
		bash -c 'for i in 1 2; do "$CORACLE" image prune -af; done; "$CORACLE" image ls -q' >"$WORK/out" 2>&1
	[ "$(stat -c %s "$store/partial/$hex")" -eq 100000 ]
	[ -e "$store/tmp/work-00000000000000aa/blob" ]
	# It ends, and so does the reason to keep them.
	prune
	[ ! -e "$store/partial/$hex" ]
	[ ! -e "$store/tmp/work-00000000000000aa" ]
}

@test "rm leaves parts for the next pull, for a day" {
	part 23
	young=$hex
	part 25
	coracle image rm busybox
	[ -e "$store/partial/$young" ]
	[ ! -e "$store/partial/$hex" ]
	prune
	[ ! -e "$store/partial/$young" ]
}

@test "df: what images share counts once, and what prune gives back is what df promised" {
	coracle image load -q -i "$WORK/odd/good-several.tar"
	[ "$(df_of Images.Total)" -eq "$(coracle image ls -q | sort -u | wc -l)" ]
	[ "$(df_of Images.Size)" -eq "$(used "$store/blobs")" ]
	[ "$(df_of Disks.Size)" -eq "$(used "$store/rootfs")" ]
	coracle create --name user busybox true
	[ "$(df_of Images.Active)" -eq 1 ]
	[ "$(df_of Containers.Total)" -eq 1 ]
	[ "$(df_of Containers.Size)" -ge "$(used "$CORACLE_ROOT/containers")" ]
	promised=$(($(df_of Images.Reclaimable) + $(df_of Disks.Reclaimable)))
	before=$(used "$store/blobs" "$store/rootfs")
	prune -a
	[ "$((before - $(used "$store/blobs" "$store/rootfs")))" -eq "$promised" ]
	[ "$(df_of Images.Reclaimable)" -eq 0 ]
}
