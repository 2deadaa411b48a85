# Archives that we write, read by skopeo, podman and umoci, and ours that they wrote.

bats_require_minimum_version 1.5.0
load registry

setup_file() {
	registry_roots
	registry plain
	put platforms "$(address plain)/platforms:1"
	put layers "$(address plain)/layers:1"
	put zstd "$(address plain)/zstd:1"
	put busybox "$(address plain)/busybox:1"
	mkdir "$WORK/out"
}

teardown_file() { end_all; }

setup() { plain=$(address plain); }
teardown() {
	no_images
	rm -rf "$WORK/out"
	mkdir "$WORK/out"
}

raw_digest_of() { echo "sha256:$(skopeo inspect --raw "$1" | sha256sum | cut -d' ' -f1)"; }
id_of() { echo "sha256:$(skopeo inspect --config --raw "$1" | sha256sum | cut -d' ' -f1)"; }

@test "one archive that all read: OCI layout and docker-archive, with the same image" {
	for image in layers zstd busybox; do
		coracle pull -q "$plain/$image:1"
		coracle image save -o "$WORK/out/$image.tar" "$plain/$image:1"
		[ "$(raw_digest_of "oci-archive:$WORK/out/$image.tar")" = "$(raw_digest "$plain/$image:1")" ]
		id=$(id_of "oci-archive:$images/$image.tar")
		[ "$(id_of "docker-archive:$WORK/out/$image.tar")" = "$id" ]
		skopeo copy -q --insecure-policy "oci-archive:$WORK/out/$image.tar" "dir:$WORK/out/oci-$image"
		skopeo copy -q --insecure-policy "docker-archive:$WORK/out/$image.tar" "dir:$WORK/out/docker-$image"
		# Sixty layers take podman half a minute.
		[[ $image != layers ]] || continue
		podman_here load -q -i "$WORK/out/$image.tar"
		[ "sha256:$(podman_here images -q --no-trunc "$plain/$image:1" | sed 's/^sha256://')" = "$id" ]
	done
	podman_here rmi -a -f
}

@test "the formats one by one" {
	coracle image load -q -i "$images/layers.tar"
	coracle image save --format oci-archive layers >"$WORK/out/oci.tar"
	coracle image save --format docker-archive layers >"$WORK/out/docker.tar"
	run ! tar -tf "$WORK/out/oci.tar" manifest.json
	run ! tar -tf "$WORK/out/docker.tar" oci-layout
	[ "$(id_of "docker-archive:$WORK/out/docker.tar")" = "$(id_of "oci-archive:$WORK/out/oci.tar")" ]
	skopeo copy -q --insecure-policy "docker-archive:$WORK/out/docker.tar" "dir:$WORK/out/docker"
	mkdir "$WORK/out/layout"
	tar -xf "$WORK/out/oci.tar" -C "$WORK/out/layout"
	skopeo copy -q --insecure-policy "oci:$WORK/out/layout" "oci:$WORK/out/for-umoci:1"
	umoci unpack --rootless --image "$WORK/out/for-umoci:1" "$WORK/out/bundle"
	[ "$(cat "$WORK/out/bundle/rootfs/top")" = 59 ]
}

@test "saved and loaded again, it is the same" {
	coracle pull -q --all-platforms "$plain/platforms:1"
	coracle pull -q "$plain/layers:1"
	before=$(coracle image inspect "$plain/platforms:1" "$plain/layers:1" | jq -cS 'map([.Id, .RepoTags, .RepoDigests, .RootFS])')
	coracle image save -o "$WORK/out/both.tar" "$plain/platforms:1" "$plain/layers:1"
	(
		export CORACLE_ROOT=$WORK/out/loaded
		coracle image load -q -i "$WORK/out/both.tar" --all-platforms
		[ "$(coracle image inspect "$plain/platforms:1" "$plain/layers:1" | jq -cS 'map([.Id, .RepoTags, .RepoDigests, .RootFS])')" = "$before" ]
		coracle image ls
	)
	no_images
	coracle image load -q <"$WORK/out/both.tar"
	in_order
}

@test "what podman and skopeo save, we load, and our digests are theirs" {
	podman_here pull -q --tls-verify=false "$plain/busybox:1"
	podman_here save -q --format oci-archive -o "$WORK/out/p-oci.tar" "$plain/busybox:1"
	podman_here save -q --format docker-archive -o "$WORK/out/p-docker.tar" "$plain/busybox:1"
	podman_here rmi -a -f
	for archive in p-oci p-docker; do
		coracle image load -q -i "$WORK/out/$archive.tar"
		[ "$(coracle image inspect "$plain/busybox:1" | jq -r '.[0].Id')" = "$(id_of "oci-archive:$images/busybox.tar")" ]
		no_images
	done
}

@test "several names of one image, and an image that is not there" {
	coracle image load -q -i "$images/busybox.tar"
	coracle image tag busybox other:2
	coracle image save -o "$WORK/out/names.tar" busybox other:2
	[ "$(tar -xOf "$WORK/out/names.tar" manifest.json | jq -c '[.[].RepoTags[]] | sort | length')" -eq 2 ]
	run coracle image save -o "$WORK/out/none.tar" busybox nothing:here
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *nothing:here* ]]
	[ ! -e "$WORK/out/none.tar" ]
}

@test "an index as a docker-archive wants a platform" {
	coracle pull -q --all-platforms "$plain/platforms:1"
	run coracle image save --format docker-archive -o "$WORK/out/index.tar" "$plain/platforms:1"
	echo "$output"
	[ "$status" -eq 1 ]
	coracle image save --format docker-archive --platform linux/arm64 -o "$WORK/out/arm.tar" "$plain/platforms:1"
	[ "$(skopeo inspect "docker-archive:$WORK/out/arm.tar" | jq -r .Labels.for)" = arm64 ]
}

@test "a full disk ends a save with an error, and leaves no half archive" {
	[ "$(id -u)" -eq 0 ] || skip "only root mounts a small disk"
	mkdir "$WORK/small"
	mount -t tmpfs -o size=3m none "$WORK/small" || skip "this host lets nobody mount"
	coracle image load -q -i "$images/layers.tar"
	run coracle image save -o "$WORK/small/out.tar" layers
	left=$(ls "$WORK/small")
	umount "$WORK/small"
	echo "$output/$left"
	[ "$status" -eq 1 ]
	[[ $output == *"No space left on device"* ]]
	[ -z "$left" ]
	run sh -c '"$CORACLE" image save layers >/dev/full'
	[ "$status" -eq 1 ]
}

@test "df counts shared layers once, and prune gives back what it says" {
	coracle pull -q "$plain/layers:1"
	coracle image tag "$plain/layers:1" second:name
	one=$(coracle system df --format json)
	coracle image load -q -i "$images/busybox.tar"
	two=$(coracle system df --format json)
	echo "$one $two"
	layer=$(stat -c %s "$CORACLE_ROOT"/images/blobs/sha256/"$(skopeo inspect --raw "oci-archive:$images/busybox.tar" | jq -r '.layers[0].digest[7:]')")
	used() { jq 'if type == "array" then .[] else . end | select(.Type == "Images" or .Images) | (.Images // .) | .Size' <<<"$1"; }
	[ -n "$(used "$one")" ]
	# The layer that both share is not counted again; the configuration and the manifest are.
	(($(used "$two") - $(used "$one") < layer))
	before=$(du -s -B1 "$CORACLE_ROOT/images" | cut -f1)
	coracle image prune -a -f
	after=$(du -s -B1 "$CORACLE_ROOT/images" | cut -f1)
	((after < before / 4))
	[ -z "$(find "$CORACLE_ROOT/images/blobs" -type f)" ]
	[ -z "$(ls "$CORACLE_ROOT/images/rootfs")" ]
}
