# Archives that go out, and what others make of them.

bats_require_minimum_version 1.5.0
load ../lib

setup_file() {
	roots >/dev/null
	export CORACLE=${CORACLE_BUILD:-$top/build}/coracle
	coracle image load -q -i "$top/build/test-images/zstd.tar" >/dev/null
	coracle image load -q -i "$top/build/test-images/layers.tar" >/dev/null
	coracle image tag busybox ghcr.io/me/mine:2
}

teardown_file() {
	nothing_left
}

of() { coracle image inspect "$1" | jq -r ".[0].$2"; }
podman_here() { podman --root "$WORK/podman" --runroot "$WORK/podman-run" --storage-driver vfs --runtime runc "$@"; }
raw() { echo "sha256:$(skopeo inspect --raw "$1" | sha256sum | cut -d' ' -f1)"; }

@test "the same images give the same bytes" {
	coracle image save -o "$WORK/a.tar" busybox zstd
	coracle image save busybox zstd | cmp - "$WORK/a.tar"
	[ "$(tar tvf "$WORK/a.tar" | awk '{print $2, $4}' | sort -u)" = "0/0 1970-01-01" ]
	[ "$(tar tf "$WORK/a.tar")" = "$(tar tf "$WORK/a.tar" | LC_ALL=C sort)" ]
}

@test "skopeo reads it both ways, digest for digest" {
	for image in busybox zstd layers; do
		coracle image save -o "$WORK/s.tar" "$image"
		[ "$(raw "oci-archive:$WORK/s.tar")" = "$(of "$image" Descriptor.digest)" ]
		rm -rf "$WORK/dir"
		skopeo copy -q "docker-archive:$WORK/s.tar" "dir:$WORK/dir"
		[ "$(jq -r .config.digest "$WORK/dir/manifest.json")" = "$(of "$image" Id)" ]
	done
}

@test "podman loads it under its names" {
	coracle image save busybox ghcr.io/me/mine:2 zstd | podman_here load -q
	[ "$(podman_here image inspect docker.io/library/busybox:latest --format '{{.Id}}')" = "$(of busybox Id | sed s/sha256://)" ]
	[ "$(podman_here image inspect ghcr.io/me/mine:2 --format '{{.Id}}')" = "$(of busybox Id | sed s/sha256://)" ]
	podman_here image inspect docker.io/library/zstd:latest >"$WORK/inspected"
	podman_here rmi -af >/dev/null
}

@test "umoci unpacks it once it is untarred" {
	coracle image save -o "$WORK/u.tar" layers
	mkdir "$WORK/layout"
	tar xf "$WORK/u.tar" -C "$WORK/layout"
	umoci unpack --rootless --image "$WORK/layout:docker.io/library/layers:latest" "$WORK/bundle"
	[ -n "$(ls "$WORK/bundle/rootfs")" ]
}

@test "a docker-archive alone has layers without compression, each under its own digest" {
	coracle image save --format docker-archive -o "$WORK/d.tar" zstd
	[ "$(tar tf "$WORK/d.tar" | grep -c '^blobs\|oci-layout\|index.json')" -eq 0 ]
	for layer in $(tar xOf "$WORK/d.tar" manifest.json | jq -r '.[0].Layers[]'); do
		[ "$(tar xOf "$WORK/d.tar" "$layer" | sha256sum | cut -d' ' -f1)" = "${layer%.tar}" ]
	done
	[ "$(tar xOf "$WORK/d.tar" manifest.json | jq -c '[.[0].Layers[] | "sha256:" + rtrimstr(".tar")]')" = "$(of zstd RootFS.Layers | jq -c .)" ]
	podman_here load -q -i "$WORK/d.tar"
	[ "$(podman_here image inspect docker.io/library/zstd:latest --format '{{.Id}}')" = "$(of zstd Id | sed s/sha256://)" ]
	podman_here rmi -af >/dev/null
}

@test "an OCI layout alone has no manifest.json" {
	coracle image save --format oci-archive -o "$WORK/o.tar" busybox
	[ "$(tar tf "$WORK/o.tar" | grep -c manifest.json)" -eq 0 ]
	[ "$(raw "oci-archive:$WORK/o.tar")" = "$(of busybox Descriptor.digest)" ]
}

@test "what was saved is loaded again as it was" {
	coracle image save -o "$WORK/all.tar" busybox ghcr.io/me/mine:2 zstd layers
	CORACLE_ROOT=$WORK/elsewhere coracle image load -q -i "$WORK/all.tar"
	CORACLE_ROOT=$WORK/elsewhere coracle image save busybox ghcr.io/me/mine:2 zstd layers | cmp - "$WORK/all.tar"
	coracle image save --format docker-archive -o "$WORK/old.tar" layers
	rm -rf "$WORK/elsewhere"
	CORACLE_ROOT=$WORK/elsewhere coracle image load -q -i "$WORK/old.tar"
	[ "$(CORACLE_ROOT=$WORK/elsewhere of layers Id)" = "$(of layers Id)" ]
}

@test "by id there is no name; an image that is not here, or is for another platform, is said" {
	id=$(of busybox Id)
	coracle image save -o "$WORK/i.tar" "${id:7:12}"
	[ "$(tar xOf "$WORK/i.tar" manifest.json | jq -c '.[0].RepoTags')" = "[]" ]
	run coracle image save -o "$WORK/n.tar" busybox nothing
	[ "$status" -ne 0 ]
	[[ $output == *"there is no image 'nothing'"* ]]
	[ ! -e "$WORK/n.tar" ]
	run coracle image save --platform linux/s390x -o "$WORK/n.tar" busybox
	[ "$status" -ne 0 ]
	[[ $output == *"linux/s390x is wanted"* ]]
}

@test "who reads slowly keeps nobody from removing the image, and gets all of it" {
	coracle image tag layers slow
	coracle image save -o "$WORK/whole.tar" slow
	mkfifo "$WORK/pipe"
	coracle image save slow >"$WORK/pipe" &
	{
		head -c 1000 >"$WORK/got.tar"
		coracle image rm slow layers
		coracle image prune -f
		cat >>"$WORK/got.tar"
	} <"$WORK/pipe"
	wait $!
	cmp "$WORK/got.tar" "$WORK/whole.tar"
	[ -z "$(ls "$CORACLE_ROOT/images/tmp")" ]
	coracle image load -q -i "$top/build/test-images/layers.tar"
}

@test "a damaged blob is not passed on as if it were whole" {
	blob=$(of zstd RootFS.Layers | jq -r '.[0]')
	coracle image save -o "$WORK/z.tar" zstd
	blob=$(tar xOf "$WORK/z.tar" manifest.json | jq -r '.[0].Layers[0]')
	printf x | dd of="$CORACLE_ROOT/images/$blob" conv=notrunc status=none
	run coracle image save -o "$WORK/bad.tar" zstd
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *"is damaged"* ]]
	[ ! -e "$WORK/bad.tar" ]
	coracle image rm zstd
	coracle image load -q -i "$top/build/test-images/zstd.tar"
}
