# Images that come from a registry.

bats_require_minimum_version 1.5.0
load registry

setup_file() {
	registry_roots
	registry plain
	front front "$(address plain)"
	put busybox "$(address plain)/busybox:1"
	put layers "$(address plain)/layers:1"
	put zstd "$(address plain)/zstd:1"
	put plain "$(address plain)/uncompressed:1"
	put platforms "$(address plain)/platforms:1"
	put busybox "$(address plain)/docker:2" --preserve-digests=false --format v2s2
}

teardown_file() { end_all; }

setup() {
	plain=$(address plain) front=$(address front)
	rules front '[]'
	open_gate front
	forget front
}

teardown() { no_images; }

# id_of ARCHIVE: of the image in it.
id_of() { skopeo inspect --config --raw "oci-archive:$images/$1.tar" | sha256sum | cut -d' ' -f1; }

@test "pulled, run, pushed under another name, and what skopeo says of that" {
	coracle pull "$plain/busybox:1"
	[ "$(coracle run --rm "$plain/busybox:1" echo aboard)" = aboard ]
	coracle push "$plain/busybox:1" "$plain/mine/copy:v2"
	[ "$(raw_digest "$plain/mine/copy:v2")" = "$(raw_digest "$plain/busybox:1")" ]
	skopeo inspect --tls-verify=false "docker://$plain/mine/copy:v2" | jq -e '.Os == "linux" and (.Layers | length) == 1'
	in_order
}

@test "what is quiet, plain and for scripts" {
	run --separate-stderr coracle pull -q "$plain/busybox:1"
	echo "$output/$stderr"
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 1 ]
	[ -z "$stderr" ]
	no_images
	run --separate-stderr coracle pull "$plain/busybox:1"
	echo "$output/$stderr"
	[[ $output$stderr != *$'\e'* ]]
	[[ $output$stderr != *$'\r'* ]]
}

@test "an unchanged image costs one request" {
	coracle pull -q "$front/layers:1"
	[ "$(count front '.path | contains("/blobs/")')" -eq 61 ]
	forget front
	coracle pull -q "$front/layers:1"
	log front true
	[ "$(count front true)" -eq 1 ]
	# The same image under another name costs its manifest.
	forget front
	skopeo copy -q --insecure-policy --preserve-digests --src-tls-verify=false --dest-tls-verify=false "docker://$plain/layers:1" "docker://$plain/layers:again"
	coracle pull -q "$front/layers:again"
	[ "$(count front '.path | contains("/blobs/")')" -eq 0 ]
	[ "$(coracle image ls -q | sort -u | wc -l)" -eq 1 ]
}

@test "a tag that stands for something new brings that, and the old image stays without it" {
	skopeo copy -q --insecure-policy --preserve-digests --src-tls-verify=false --dest-tls-verify=false "docker://$plain/busybox:1" "docker://$plain/moving:1"
	coracle pull -q "$plain/moving:1"
	put zstd "$plain/moving:1"
	coracle pull -q "$plain/moving:1"
	[ "$(coracle image inspect "$plain/moving:1" | jq -r '.[0].Id')" = "sha256:$(id_of zstd)" ]
	coracle image inspect "$(id_of busybox)"
	in_order
}

@test "by digest, of an image and of an index" {
	for image in busybox:1 platforms:1; do
		digest=$(raw_digest "$plain/$image")
		coracle pull "$plain/${image%:1}@$digest"
		[ "$(coracle image inspect "$plain/${image%:1}@$digest" | jq length)" -eq 1 ]
		coracle pull "$plain/$image@$digest"
	done
	run coracle pull "$plain/busybox@sha256:$(printf '%064d' 0)"
	echo "$output"
	[ "$status" -ne 0 ]
	in_order
}

@test "all kinds of layers, and the documents of Docker: the same disk as from an archive" {
	for kind in busybox:1 layers:1 zstd:1 uncompressed:1; do
		coracle pull -q "$plain/$kind"
	done
	pulled=$("$here/disk-sum" "$CORACLE_ROOT"/images/rootfs/*)
	(
		export CORACLE_ROOT=$WORK/loaded
		for kind in busybox layers zstd plain; do
			coracle image load -q -i "$images/$kind.tar"
		done
	)
	loaded=$("$here/disk-sum" "$WORK"/loaded/images/rootfs/*)
	diff <(echo "$pulled") <(echo "$loaded")
	coracle pull -q "$plain/docker:2"
	[ "$(ls "$CORACLE_ROOT/images/rootfs" | wc -l)" -eq "$(ls "$WORK/loaded/images/rootfs" | wc -l)" ]
	in_order
	rm -rf "$WORK/loaded"
}

@test "of several platforms the host's, another, or all" {
	arch=$([[ $(uname -m) == x86_64 ]] && echo amd64 || echo arm64)
	other=$([[ $arch == amd64 ]] && echo arm64 || echo amd64)
	label() { coracle image inspect "$@" | jq -r '.[0].Config.Labels.for'; }
	coracle pull -q "$front/platforms:1"
	[ "$(label "$front/platforms:1")" = "$arch" ]
	coracle pull -q --platform "linux/$other" "$front/platforms:1"
	[ "$(label "$front/platforms:1")" = "$arch" ]
	no_images
	coracle pull -q --platform "linux/$other" "$front/platforms:1"
	[ "$(label "$front/platforms:1")" = "$other" ]
	run coracle pull --platform linux/s390x "$front/platforms:1"
	echo "$output"
	[ "$status" -ne 0 ]
	[[ $output == *linux/s390x* && $output == *linux/amd64* && $output == *linux/arm64* && $output != *unknown/unknown* ]]
	# Also of what is here already, and no index.
	coracle pull -q "$front/busybox:1"
	run -1 coracle pull --platform "linux/$other" "$front/busybox:1"
	[[ $output == *"no image for linux/$other"* ]]
	no_images
	# The layer that both have is fetched once.
	forget front
	coracle pull -q --all-platforms "$front/platforms:1"
	[ -z "$(log front '.path | contains("/blobs/")' | jq -r .path | sort | uniq -d)" ]
	[ "$(label "$front/platforms:1")" = "$arch" ]
	coracle push -q "$front/platforms:1" "$front/copied/platforms:1"
	[ "$(raw_digest "$plain/copied/platforms:1")" = "$(raw_digest "$plain/platforms:1")" ]
	in_order
}

@test "layers come side by side: three, or as many as are asked for" {
	for at_once in 3 5 1; do
		no_images
		close_gate front
		forget front
		rules front '[{"path": "/blobs/sha256", "method": "GET", "stop_after": 100}]'
		options=(--max-concurrent-downloads $at_once)
		[[ $at_once != 3 ]] || options=()
		"$CORACLE" pull -q "${options[@]}" "$front/layers:1" >&2 3>&- &
		pull=$!
		await at_least front .stopped $at_once
		open_gate front
		wait $pull
		[ "$(jq -s '[.[].at_once // 0] | max' "$WORK/front/log.jsonl")" -eq $at_once ]
	done
}

@test "two pulls at once share the work" {
	close_gate front
	rules front '[{"path": "/blobs/sha256", "method": "GET", "stop_after": 100}]'
	"$CORACLE" pull -q "$front/layers:1" >&2 3>&- &
	first=$!
	await at_least front .stopped 1
	"$CORACLE" pull -q "$front/layers:1" >&2 3>&- &
	second=$!
	await at_least front '.path | contains("/manifests/")' 2
	open_gate front
	wait $first
	wait $second
	[ "$(count front '(.path | contains("/blobs/")) and (.stopped | not)')" -eq 61 ]
	in_order
}

@test "two images at once that share a layer fetch it once" {
	close_gate front
	rules front '[{"path": "/blobs/sha256", "method": "GET", "stop_after": 100}]'
	"$CORACLE" pull -q "$front/busybox:1" >&2 3>&- &
	first=$!
	await at_least front .stopped 1
	"$CORACLE" pull -q "$front/layers:1" >&2 3>&- &
	second=$!
	await at_least front '.path | contains("/layers/manifests/")' 1
	open_gate front
	wait $first
	wait $second
	[ -z "$(log front '(.path | contains("/blobs/")) and (.stopped | not)' | jq -r '.path | split("/")[-1]' | sort | uniq -d)" ]
	in_order
}

@test "what another image has is not fetched again" {
	coracle pull -q "$front/busybox:1"
	forget front
	coracle pull -q "$front/layers:1"
	layer=$(skopeo inspect --raw --tls-verify=false "docker://$plain/busybox:1" | jq -r '.layers[0].digest')
	[ "$(count front ".path | contains(\"$layer\")")" -eq 0 ]
	[ "$(count front '.path | contains("/blobs/")')" -eq 60 ]
}

@test "run: --pull missing, always and never" {
	run coracle run --rm --pull never "$front/busybox:1" true
	echo "$output"
	[ "$status" -eq 125 ]
	[[ $output == *"$front/busybox:1"* ]]
	[ "$(count front true)" -eq 0 ]
	[ "$(coracle run --rm "$front/busybox:1" echo missing 2>/dev/null)" = missing ]
	(($(count front true) > 0))
	forget front
	[ "$(coracle run --rm --pull missing "$front/busybox:1" echo there)" = there ]
	[ "$(coracle run --rm --pull never "$front/busybox:1" echo there)" = there ]
	[ "$(count front true)" -eq 0 ]
	[ "$(coracle run --rm --pull always "$front/busybox:1" echo again 2>/dev/null)" = again ]
	[ "$(count front true)" -eq 1 ]
	run coracle create --pull never nothing:here true
	[ "$status" -ne 0 ]
	run coracle run --rm --pull sometimes "$front/busybox:1" true
	[ "$status" -eq 125 ]
}

@test "what is not there, and who does not answer" {
	run --separate-stderr coracle pull "$plain/nowhere:1"
	echo "$output$stderr"
	[ "$status" -eq 1 ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr == *"$plain/nowhere:1"* && $stderr == *"not found"* || $stderr == *unknown* ]]
	run --separate-stderr coracle pull "$plain/busybox:nothing"
	echo "$stderr"
	[ "$status" -eq 1 ]
	run --separate-stderr coracle pull "127.0.0.1:1/busybox:1"
	echo "$stderr"
	[ "$status" -eq 1 ]
	[[ $stderr == *"127.0.0.1:1"* ]]
	for name in 'Not A Name' 'x@sha256:abc' '127.0.0.1:99999999/x' '../x' 'http://127.0.0.1/x'; do
		run --separate-stderr coracle pull "$name"
		echo "$name: $stderr"
		[ "$status" -ne 0 ]
		[ "${#stderr_lines[@]}" -eq 1 ]
	done
	[ -z "$(coracle image ls -q)" ]
}
