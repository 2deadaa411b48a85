# Names of images: given, moved, taken away; and the same from several commands at once.

bats_require_minimum_version 1.5.0
load ../lib

setup_file() {
	roots >/dev/null
	export CORACLE=${CORACLE_BUILD:-$top/build}/coracle
	mkdir "$WORK/odd"
	"$BATS_TEST_DIRNAME/odd-archives" "$WORK/odd"
}

setup() {
	coracle image load -q -i "$top/build/test-images/busybox.tar" >/dev/null
}

teardown() {
	coracle ls -aq | while read -r id; do coracle rm -f "$id" >/dev/null; done
	coracle image ls -q | sort -u | while read -r id; do coracle image rm "$id" >/dev/null; done
}

teardown_file() {
	nothing_left
}

id_of() { coracle image inspect "$1" | jq -r '.[0].Id'; }
files() { find "$CORACLE_ROOT/images/blobs" "$CORACLE_ROOT/images/rootfs" -type f; }

@test "an image is found by its name in every spelling, by its id and by the beginning of its id" {
	id=$(id_of busybox)
	digest=$(coracle image inspect busybox | jq -r '.[0].RepoDigests[0]')
	[[ $digest == busybox@sha256:* ]]
	for ref in busybox:latest library/busybox docker.io/library/busybox:latest "$id" "${id#sha256:}" "${id:7:12}" "${id:0:17}" \
		"$digest" "docker.io/library/$digest" "sha256:${digest##*:}"; do
		[ "$(id_of "$ref")" = "$id" ] || { echo "$ref"; return 1; }
	done
}

@test "images that are not there, and names that are none" {
	for ref in nothing busybox:other beefbeefbeef "busybox@sha256:$(printf %064d 0)" "$(printf %064d 0)"; do
		run coracle image inspect "$ref"
		echo "$output"
		[ "$status" -eq 1 ]
		[[ $output == *"there is no image '$ref'"* ]]
	done
	for ref in '' UPPER 'a b' ../up busybox: busybox:-x @sha256:12 sha256:xyz 'busybox@md5:1'; do
		run coracle image inspect "$ref"
		echo "$ref: $output"
		[ "$status" -ne 0 ]
		[[ $output != *"there is no image"* ]]
		run coracle image tag busybox "$ref"
		[ "$status" -ne 0 ]
	done
	run coracle image tag busybox "busybox@sha256:$(printf %064d 0)"
	[ "$status" -ne 0 ]
}

@test "inspect has the shape that docker's has" {
	coracle image inspect busybox | jq -e '.[0] | (.Id | startswith("sha256:")) and .RepoTags == ["busybox:latest"] and
		.Os == "linux" and .Config.Cmd == ["sh"] and .RootFS.Type == "layers" and (.RootFS.Layers | length) == 1 and
		.Size > 100000 and .Created == "2026-01-01T00:00:00Z" and (.Config.Env[0] | startswith("PATH="))'
}

@test "tag and rm: the image goes with its last name" {
	id=$(id_of busybox)
	coracle image tag busybox mine:1
	coracle image tag "${id:7:12}" ghcr.io/me/mine:2
	run coracle image rm mine:1
	[ "$output" = "untagged: mine:1" ]
	run coracle image rm busybox
	[ "$output" = "untagged: busybox:latest" ]
	[ -n "$(files)" ]
	run coracle image rm ghcr.io/me/mine:2
	[ "$output" = "untagged: ghcr.io/me/mine:2"$'\n'"deleted: $id" ]
	[ -z "$(files)" ]
}

@test "rm by id takes all names" {
	id=$(id_of busybox)
	coracle image tag busybox other
	run coracle image rm "${id:7:12}"
	[ "$output" = $'untagged: busybox:latest\nuntagged: other:latest\n'"deleted: $id" ]
	[ -z "$(files)" ]
}

@test "what another image needs stays" {
	coracle image load -q -i "$WORK/odd/good-several.tar"
	# The same layer as several:1, in an image with another command.
	coracle image rm several:1
	coracle create --name c several:2 true
	coracle rm c
	coracle image rm several:2 busybox
	[ -z "$(files)" ]
}

@test "a name moves to the image that was loaded last; the other one stays without a name" {
	coracle image load -q --tag moving -i "$WORK/odd/good-nameless.tar"
	old=$(id_of moving)
	coracle image load -q --tag moving -i "$WORK/odd/good-layer-twice.tar"
	[ "$(id_of moving)" != "$old" ]
	[ "$(id_of "$old")" = "$old" ]
	coracle image ls | grep '<none>.*'"${old:7:12}"
	coracle image rm "$old"
	[ "$(id_of moving)" != "$old" ]
}

@test "an image that a container uses cannot be removed; by force it loses its names" {
	id=$(id_of busybox)
	coracle create --name user busybox true
	run coracle image rm busybox
	[ "$status" -ne 0 ]
	[[ $output == *"container 'user' uses the image"* ]]
	[ "$(id_of busybox)" = "$id" ]
	run coracle image rm --force busybox
	[ "$output" = "untagged: busybox:latest" ]
	[ -e "$(jq -r .rootfs "$CORACLE_ROOT"/containers/*/container.json)" ]
	[ "$(id_of "$id")" = "$id" ]
	coracle rm user
	coracle image rm "$id"
	[ -z "$(files)" ]
}

@test "a disk that is missing is made again" {
	disk=$CORACLE_ROOT/images/rootfs/$(ls "$CORACLE_ROOT/images/rootfs")
	sum=$(head -c 50000000 "$disk" | sha256sum)
	rm "$disk"
	coracle create busybox true
	[ "$sum" = "$(head -c 50000000 "$disk" | sha256sum)" ]
}

@test "a store that was damaged says so, and the image can be removed" {
	id=$(id_of busybox)
	echo >>"$CORACLE_ROOT/images/blobs/sha256/${id#sha256:}"
	run coracle create busybox true
	[ "$status" -ne 0 ]
	[[ $output == *"$id in the image store is damaged: remove the image and load it again"* ]]
	coracle image ls
	coracle image rm busybox
	[ -z "$(files)" ]
}

@test "loads, tags, runs and removals at once leave a store that is whole" {
	for i in 1 2 3 4 5 6; do
		coracle image load -q --tag "at-once:$i" -i "$WORK/odd/good-nameless.tar" &
		coracle image load -q -i "$WORK/odd/good-layer-twice.tar" &
		coracle image tag busybox "further:$i" &
		coracle image rm "at-once:$i" &
	done >/dev/null 2>&1
	wait
	for i in 1 2 3 4 5 6; do
		[ "$(id_of "further:$i")" = "$(id_of busybox)" ]
	done
	id_of odd
	coracle create odd true
	[ -z "$(ls "$CORACLE_ROOT/images/tmp")" ]
	# Every file of the store belongs to an image, and every image has its files.
	teardown
	[ -z "$(files)" ]
}
