# Images for several platforms: one name stands for all of them, and some of them need not be here.

bats_require_minimum_version 1.5.0
load ../lib

setup_file() {
	roots >/dev/null
	export CORACLE=${CORACLE_BUILD:-$top/build}/coracle
	coracle image rm busybox >/dev/null
	tar xOf "$top/build/test-images/platforms.tar" index.json | jq -r '.manifests[0].digest' >"$WORK/index"
	tar xOf "$top/build/test-images/platforms.tar" "blobs/sha256/$(sed s/.*:// "$WORK/index")" >"$WORK/index.json"
	uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/' >"$WORK/mine"
	if [[ $(cat "$WORK/mine") == amd64 ]]; then echo arm64; else echo amd64; fi >"$WORK/other"
}

setup() {
	index=$(cat "$WORK/index") mine=$(cat "$WORK/mine") other=$(cat "$WORK/other")
	coracle image load -q --all-platforms -i "$top/build/test-images/platforms.tar" >/dev/null
}

teardown() {
	coracle ls -aq | while read -r id; do coracle rm -f "$id" >/dev/null; done
	coracle image prune -af >/dev/null 2>&1
	[ -z "$(files)" ]
}

teardown_file() {
	nothing_left
}

files() { find "$CORACLE_ROOT/images/blobs" "$CORACLE_ROOT/images/rootfs" "$CORACLE_ROOT/images/partial" -type f; }
of() { coracle image inspect "$1" | jq -r ".[0].$2"; }
manifest() { jq -r --arg a "$1" '.manifests[] | select(.platform.architecture == $a) | .digest' "$WORK/index.json"; }

# lose DIGEST: it was never fetched.
lose() { rm "$CORACLE_ROOT/images/blobs/sha256/${1#sha256:}"; }

@test "the index is kept as it came, and has one line in ls" {
	cmp "$WORK/index.json" "$CORACLE_ROOT/images/blobs/sha256/${index#sha256:}"
	[ "$(coracle image ls -q | wc -l)" -eq 1 ]
	[ "$(of platforms Descriptor.digest)" = "$index" ]
	[ "$(of platforms 'RepoDigests[0]')" = "platforms@$index" ]
	[ "$(of platforms Architecture)" = "$mine" ]
	coracle system check
}

@test "the index, and each of its images, are found by their digests" {
	[ "$(of "platforms@$index" Architecture)" = "$mine" ]
	[ "$(of "$index" Architecture)" = "$mine" ]
	for a in "$mine" "$other"; do
		[ "$(of "platforms@$(manifest "$a")" Architecture)" = "$a" ]
		[ "$(of "$(manifest "$a")" Architecture)" = "$a" ]
		id=$(of "$(manifest "$a")" Id)
		[ "$(of "${id:7:12}" Architecture)" = "$a" ]
	done
	run coracle image inspect "platforms@sha256:$(printf %064d 0)"
	[ "$status" -eq 1 ]
	[[ $output == *"there is no image"* ]]
}

@test "--platform chooses; what the index has not is refused with what it has" {
	coracle create --pull never --name one platforms true
	coracle create --pull never --name two --platform "linux/$other" platforms true
	for c in one two; do jq -r .imageId "$CORACLE_ROOT/containers/$(cat "$CORACLE_ROOT/names/$c")/container.json"; done >"$WORK/ids"
	[ "$(cat "$WORK/ids")" = "$(of "$(manifest "$mine")" Id)"$'\n'"$(of "$(manifest "$other")" Id)" ]
	run coracle create --pull never --platform linux/s390x platforms true
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"it is for linux/amd64, linux/arm64/v8, and linux/s390x is wanted"* ]]
}

@test "an image of an index that a container uses keeps the whole index" {
	coracle create --pull never --name two --platform "linux/$other" platforms true
	run coracle image rm platforms
	[ "$status" -ne 0 ]
	[[ $output == *"container 'two' uses the image"* ]]
	coracle image rm --force platforms
	[ "$(of "$(manifest "$other")" Architecture)" = "$other" ]
}

@test "images that are not here are no damage, and the first that is here stands for the others" {
	lose "$(manifest "$mine")"
	run coracle system check
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(of platforms Architecture)" = "$other" ]
	run coracle create --pull never platforms true
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"linux/$mine is not here: pull it with --platform"* ]]
	coracle create --pull never --platform "linux/$other" platforms true
	# What only the lost one needed goes; the other stays whole.
	coracle image load -q -i "$top/build/test-images/busybox.tar"
	coracle image rm busybox
	coracle system check
	[ "$(of platforms Architecture)" = "$other" ]
}

@test "one image of an index gets a name of its own, and outlives the index" {
	coracle image tag "platforms@$(manifest "$other")" alone:1
	[ "$(of alone:1 Descriptor.digest)" = "$(manifest "$other")" ]
	coracle image rm platforms
	[ "$(of alone:1 Architecture)" = "$other" ]
	coracle system check
	run coracle image inspect "$index"
	[ "$status" -eq 1 ]
}

@test "save and load keep the index, digest for digest; one platform is saved on request" {
	coracle image save -o "$WORK/all.tar" platforms
	[ "$(skopeo inspect --raw "oci-archive:$WORK/all.tar" | sha256sum)" = "$(sha256sum <"$WORK/index.json")" ]
	coracle image save --platform "linux/$other" -o "$WORK/one.tar" platforms
	[ "sha256:$(skopeo inspect --raw "oci-archive:$WORK/one.tar" | sha256sum | cut -d' ' -f1)" = "$(manifest "$other")" ]
	run coracle image save --format docker-archive -o "$WORK/none.tar" platforms
	[ "$status" -ne 0 ]
	[[ $output == *"choose with --platform"* ]]
	[ ! -e "$WORK/none.tar" ]
	coracle image prune -af
	coracle image load -q --all-platforms -i "$WORK/all.tar"
	coracle image save platforms | cmp - "$WORK/all.tar"
	# By default one image is taken, as ever.
	coracle image prune -af
	coracle image load -q -i "$WORK/all.tar"
	[ "$(of platforms Descriptor.digest)" = "$(manifest "$mine")" ]
	coracle system check
}

@test "an index of which not all is here is saved without the rest, and loaded again" {
	lose "$(manifest "$mine")"
	coracle image save -o "$WORK/part.tar" platforms
	coracle image prune -af
	coracle image load -q --all-platforms -i "$WORK/part.tar"
	[ "$(of platforms Architecture)" = "$other" ]
	[ "$(of platforms Descriptor.digest)" = "$index" ]
	coracle system check
}
