# Archives that come in, and archives that must not.

bats_require_minimum_version 1.5.0
load ../lib

setup_file() {
	PATH+=:/usr/sbin:/sbin # e2fsprogs
	roots >/dev/null
	export CORACLE=${CORACLE_BUILD:-$top/build}/coracle
	mkdir "$WORK/odd"
	"$BATS_TEST_DIRNAME/odd-archives" "$WORK/odd"
	coracle image rm busybox >/dev/null
}

teardown_file() {
	nothing_left
}

teardown() {
	coracle image ls -q | sort -u | while read -r id; do coracle image rm "$id" >/dev/null; done
}

# Everything in the store but its empty folders and locks.
stored() {
	find "$CORACLE_ROOT/images" -type f ! -name '*lock' ! -name oci-layout ! -name index.json
	ls "$CORACLE_ROOT/images/tmp"
}

# refused ARCHIVE WORDS...: load says so in one line, fails, and leaves nothing.
refused() {
	local archive=$1 said
	shift
	run --separate-stderr coracle image load -i "$WORK/odd/$archive.tar"
	echo "$archive: $status: $output$stderr"
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	for said; do
		[[ $stderr == *"$said"* ]]
	done
	[ -z "$(stored)" ]
}

# content NAME PATH: of a file in an image.
content() {
	debugfs -R "cat $2" "$CORACLE_ROOT"/images/rootfs/*.ext4 2>/dev/null
}

@test "archives that are none, or not whole" {
	refused empty-file "the archive is empty"
	refused empty-tar "the archive is empty"
	refused no-tar "cannot be read"
	refused truncated "blobs/sha256/x" "is the file complete?"
	refused truncated-gzip "is the file complete?"
	refused neither "neither an OCI layout nor a docker-archive"
	refused no-layout "no file oci-layout"
	refused no-index "no index.json"
	refused new-layout "version '2.0.0'"
	refused huge-member "is the file complete?"
}

@test "archives that want to reach outside (CVE-2026-20613, GHSA-4587-w9mm-xxvh), or say a thing twice" {
	refused dotdot "'../escape'"
	refused dotdot-inside "'blobs/../escape'"
	refused absolute "'/tmp/coracle-escape'"
	refused symlinked-layout "'oci-layout'" "leads out"
	refused symlinked-index "no index.json"
	refused symlinked-blobs "'blobs'" "leads out"
	refused twice "'index.json' twice"
	refused duplicate-keys "duplicate object key"
	refused json-bomb "'index.json'"
	[ ! -e /tmp/coracle-escape ]
	[ ! -e "$CORACLE_ROOT/images/escape" ]
}

@test "digests and sizes that are wrong (CVE-2024-3727)" {
	refused wrong-digest "'odd:latest'" "blobs/sha256/" "damaged or forged"
	refused wrong-size "and 7 were announced"
	refused wrong-manifest-size "and 7 were announced"
	refused wrong-diff-id "the layer's content has digest sha256:"
	refused huge-size "no sensible size"
	refused digest-is-path "no valid sha256 digest"
	refused missing-blob "the archive lacks blobs/sha256/"
}

@test "images that are none (CVE-2021-41190, CVE-2026-24054), or not for us" {
	refused no-layers "no layers"
	refused fewer-diff-ids "its manifest has 1 layers, its configuration 0"
	refused artifact "no container image" "'application/vnd.example+json'"
	refused unknown-layer "unknown kind 'application/vnd.example'"
	refused schema-1 "schema 1"
	refused index-and-manifest "index at the same time"
	refused bad-config "'Env'"
	refused no-images "there is no image"
	refused deep-index "nests indexes too deeply"
	refused bad-name "'Not A Name'" "--tag"
	refused other-architecture "no image for linux/" "but for linux/" "--platform"
}

@test "layers that are hostile or broken" {
	refused layer-dotdot "'odd:latest'" "'../escape'" "contains '..'"
	refused layer-dotdot-inside "contains '..'"
	refused layer-terminal "red" "contains '..'"
	[[ $stderr != *$'\e'* ]]
	refused layer-link-loop "'a/file'" "circle"
	refused layer-hardlink-outside "'../../../etc/passwd'"
	refused layer-hardlink-missing "'passwd'" "'/etc/passwd', which does not exist"
	refused layer-hardlink-directory "hard link to a directory"
	refused layer-through-file "'file/below'" "not a directory"
	refused layer-long-name "longer than 255 bytes"
	refused layer-whiteout-dots "whiteout of nothing"
	refused layer-huge-file "broken"
	refused layer-no-tar "no tar archive"
	refused layer-cut "Truncated"
	refused layer-cut-gzip "cut off"
}

@test "paths and links of a layer are resolved within the image (CVE-2026-46703, CVE-2026-50163)" {
	coracle image load -i "$WORK/odd/good-layer-absolute-path.tar"
	[ "$(content odd /etc/absolute)" = inside ]
	coracle image load -i "$WORK/odd/good-layer-absolute-link.tar"
	coracle image load -i "$WORK/odd/good-layer-upward-link.tar"
	[ ! -e /etc/coracle-escape ]
	[ ! -e /coracle-escape ]
	teardown
	coracle image load -i "$WORK/odd/good-layer-absolute-link.tar"
	[ "$(content odd /etc/coracle-escape)" = inside ]
	teardown
	coracle image load -i "$WORK/odd/good-layer-upward-link.tar"
	[ "$(content odd /coracle-escape)" = inside ]
	teardown
	coracle image load -i "$WORK/odd/good-layer-hardlink-through-link.tar"
	[ "$(content odd /stolen)" = secret ]
	teardown
	coracle image load -i "$WORK/odd/good-layer-whiteout-through-link.tar"
	[ -z "$(content odd /etc/secret)" ]
	teardown
	coracle image load -i "$WORK/odd/good-layer-twice.tar"
	[ "$(content odd /file)" = second ]
	coracle image load -i "$WORK/odd/good-layer-empty.tar"
}

@test "layers that are compressed in pieces" {
	for kind in gzip zstd; do
		coracle image load -i "$WORK/odd/good-$kind-pieces.tar"
		[ "$(content odd /file | wc -c)" -eq 50000 ]
		teardown
	done
}

@test "of several platforms the host's is taken, or the one that was asked for" {
	coracle image load -i "$WORK/odd/good-two-platforms.tar"
	[ "$(content both /file)" = "for this machine" ]
	teardown
	other=$([[ $(uname -m) == x86_64 ]] && echo arm64 || echo amd64)
	coracle image load --platform "linux/$other" -i "$WORK/odd/good-two-platforms.tar"
	[ "$(coracle image inspect both:1 | jq -r '.[0].Architecture')" = "$other" ]
	coracle image load --platform "$other" -i "$WORK/odd/other-architecture.tar"
	run coracle create --pull never odd true
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"image 'odd': it is for linux/$other"* ]]
}

@test "names: several, none, and one of the user's" {
	run coracle image load -q -i "$WORK/odd/good-several.tar"
	[ "$output" = $'docker.io/library/several:1\ndocker.io/library/several:2' ]
	run coracle image load -q -i "$WORK/odd/good-two-annotations.tar"
	[ "$output" = docker.io/library/named:7 ]
	run coracle image load --tag mine -i "$WORK/odd/good-several.tar"
	[ "$status" -ne 0 ]
	[[ $output == *"holds 2 images"* ]]
	run coracle image load -q -i "$WORK/odd/good-nameless.tar"
	[[ $output == sha256:* ]]
	coracle image inspect "$output"
	run coracle image load -q --tag localhost:5000/me/mine:v1 -i "$WORK/odd/good-nameless.tar"
	[ "$output" = localhost:5000/me/mine:v1 ]
	coracle image load --tag good -i "$WORK/odd/bad-name.tar"
	coracle image inspect good
}

@test "from a pipe, compressed as a whole, with things that do not matter" {
	coracle image load -i "$WORK/odd/good-gzip.tar"
	zcat "$WORK/odd/good-gzip.tar" | zstd -q | coracle image load
	coracle image load -i "$WORK/odd/good-fifo-ignored.tar"
	run coracle image load -i "$WORK/odd/nowhere.tar"
	[ "$status" -ne 0 ]
	run coracle image load -i "$WORK"
	[ "$status" -ne 0 ]
	[[ $output == *directory* ]]
}

@test "what skopeo writes, as oci-archive and as docker-archive, is the same image" {
	mkdir "$WORK/skopeo"
	for kind in oci-archive docker-archive; do
		skopeo copy -q --insecure-policy "oci-archive:$top/build/test-images/busybox.tar" \
			"$kind:$WORK/skopeo/$kind:docker.io/library/bb:$kind"
	done
	coracle image load -q -i "$top/build/test-images/busybox.tar"
	[ "$(coracle image load -q -i "$WORK/skopeo/oci-archive")" = docker.io/library/bb:oci-archive ]
	[ "$(coracle image load -q -i "$WORK/skopeo/docker-archive")" = docker.io/library/bb:docker-archive ]
	# One configuration, so one id; and one stack of layers, so one disk.
	[ "$(coracle image ls -q | sort -u | wc -l)" -eq 1 ]
	[ "$(ls "$CORACLE_ROOT"/images/rootfs | wc -l)" -eq 1 ]
	# And back: our store is an OCI layout that skopeo reads.
	skopeo copy -q --insecure-policy "oci:$CORACLE_ROOT/images:docker.io/library/busybox:latest" "dir:$WORK/skopeo/back"
}

@test "a docker-archive whose layers are links, as older versions of docker wrote it" {
	mkdir "$WORK/old"
	cd "$WORK/old"
	skopeo copy -q --insecure-policy "oci-archive:$top/build/test-images/busybox.tar" docker-archive:new:old:1
	tar -xf new
	mkdir linked
	layer=$(jq -r '.[0].Layers[0]' manifest.json)
	ln -s "../$layer" linked/layer.tar
	jq '.[0].Layers[0] = "linked/layer.tar"' manifest.json >m && mv m manifest.json
	rm new
	tar -cf - -- * | coracle image load
	coracle image inspect old:1
	jq '.[0].Layers[0] = "linked/nothing.tar"' manifest.json >m && mv m manifest.json
	run coracle image load < <(tar -cf - -- *)
	[ "$status" -eq 1 ]
	[[ $output == *"'linked/nothing.tar', which is not there"* ]]
}

@test "a full disk is told, and leaves nothing" {
	[ "$(id -u)" -eq 0 ] || skip "only root mounts a small disk"
	mkdir "$WORK/small"
	mount -t tmpfs -o size=3m none "$WORK/small" || skip "this host lets nobody mount"
	CORACLE_ROOT=$WORK/small/data run coracle image load -i "$top/build/test-images/busybox.tar"
	left=$(find "$WORK/small/data/images" -type f -size +4k)
	umount "$WORK/small"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"No space left on device"* ]]
	[ -z "$left" ]
}

@test "a load that was killed leaves nothing that stays" {
	mkfifo "$WORK/fifo"
	"$CORACLE" image load <"$WORK/fifo" &
	loader=$!
	exec 9>"$WORK/fifo"
	head -c 500000 "$top/build/test-images/busybox.tar" >&9
	await sh -c "ls $CORACLE_ROOT/images/tmp/work-*/2"
	# Another command leaves alone what somebody works on.
	coracle image load -i "$WORK/odd/good-gzip.tar"
	ls "$CORACLE_ROOT"/images/tmp/work-*
	kill -9 $loader
	wait $loader || true
	exec 9>&-
	[ -n "$(ls "$CORACLE_ROOT/images/tmp")" ]
	coracle image load -i "$WORK/odd/good-gzip.tar"
	[ -z "$(ls "$CORACLE_ROOT/images/tmp")" ]
}
