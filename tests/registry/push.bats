# Images that go to a registry.

bats_require_minimum_version 1.5.0
load registry

setup_file() {
	registry_roots
	registry plain
	front front "$(address plain)"
	for image in busybox layers zstd plain platforms; do
		put $image "$(address plain)/source/$image:1"
	done
	put busybox "$(address plain)/source/docker:1" --preserve-digests=false --format v2s2
}

teardown_file() { end_all; }

setup() {
	plain=$(address plain) front=$(address front)
	rules front '[]'
	open_gate front
	forget front
}

teardown() { no_images; }

@test "what we push, skopeo and podman pull unchanged, digest for digest" {
	for image in busybox layers zstd plain platforms docker; do
		options=()
		[[ $image != platforms ]] || options=(--all-platforms)
		coracle pull -q "${options[@]}" "$plain/source/$image:1"
		pushed=$(coracle push -q "$plain/source/$image:1" "$plain/unchanged/$image:1")
		digest=$(raw_digest "$plain/source/$image:1")
		[ "$pushed" = "$plain/unchanged/$image:1@$digest" ]
		[ "$(raw_digest "$plain/unchanged/$image:1")" = "$digest" ]
		# All of it, each blob checked by skopeo.
		skopeo copy -q --insecure-policy --all --preserve-digests --src-tls-verify=false "docker://$plain/unchanged/$image:1" "dir:$WORK/copied-$image"
		# Sixty layers take podman half a minute.
		[[ $image != layers ]] || continue
		podman_here pull -q --tls-verify=false "$plain/unchanged/$image:1"
		podman_here image inspect "$plain/unchanged/$image:1" | jq -e --arg d "@$digest" '.[0].RepoDigests | any(endswith($d))'
	done
	podman_here rmi -a -f
}

@test "an archive that was loaded keeps its digests too" {
	coracle image load -q -i "$images/layers.tar"
	coracle push -q layers "$plain/from/archive:1"
	[ "$(raw_digest "$plain/from/archive:1")" = "sha256:$(skopeo inspect --raw "oci-archive:$images/layers.tar" | sha256sum | cut -d' ' -f1)" ]
}

@test "what is there is not sent again" {
	coracle image load -q -i "$images/layers.tar"
	coracle push -q layers "$front/twice:1"
	(($(count front '.method == "PUT" or .method == "PATCH"') >= 62))
	forget front
	coracle push -q layers "$front/twice:2"
	log front '.method != "HEAD"' | cut -c1-200
	[ "$(count front '.method == "POST" or .method == "PATCH"')" -eq 0 ]
	[ "$(count front '.method == "PUT"')" -eq 1 ]
}

@test "what another repository of the registry has is mounted from there" {
	coracle pull -q "$front/source/layers:1"
	forget front
	coracle push -q "$front/source/layers:1" "$front/mounted/layers:1"
	[ "$(count front '.method == "POST" and (.path | contains("from=source")) and .status == 201')" -eq 61 ]
	[ "$(count front '.method == "PATCH"')" -eq 0 ]
	[ "$(raw_digest "$plain/mounted/layers:1")" = "$(raw_digest "$plain/source/layers:1")" ]
}

@test "a large layer goes in pieces, and goes on where the line broke" {
	coracle image load -q -i "$images/large.tar"
	rules front '[{"method": "PATCH|PUT", "path": "uploads", "take_and_reset": 3000000, "times": 1}]'
	coracle push -q large "$front/large:1"
	log front '.method == "PATCH" or .method == "PUT"' | jq -c '[.method, .received, .status]'
	[ "$(count front '.status == 0')" -eq 1 ]
	[ "$(raw_digest "$plain/large:1")" = "sha256:$(skopeo inspect --raw "oci-archive:$images/large.tar" | sha256sum | cut -d' ' -f1)" ]
	skopeo copy -q --insecure-policy --src-tls-verify=false "docker://$plain/large:1" "dir:$WORK/large"
}

@test "a registry that is tired for a moment" {
	coracle image load -q -i "$images/busybox.tar"
	rules front '[{"method": "POST", "status": 503, "times": 1}, {"method": "HEAD", "status": 429, "headers": {"Retry-After": "1"}, "times": 1},
		{"method": "PUT", "path": "manifests", "status": 500, "times": 1}]'
	coracle push -q busybox "$front/tired:1"
	[ "$(raw_digest "$plain/tired:1")" = "$(raw_digest "$plain/source/busybox:1")" ]
}

@test "ctrl-C ends a push, and the next one completes" {
	coracle image load -q -i "$images/large.tar"
	env --default-signal=INT "$CORACLE" push -q large "$front/interrupted:1" >/dev/null 2>&1 3>&- &
	push=$!
	await at_least front '.method == "POST"' 1
	kill -INT $push
	status=0
	wait $push || status=$?
	[ "$status" -eq 130 ] || [ "$status" -eq 0 ]
	coracle push -q large "$front/interrupted:1"
	in_order
}

@test "ctrl-C ends a push whose manifest is not taken yet" {
	coracle image load -q -i "$images/busybox.tar"
	rules front '[{"method": "PUT", "path": "manifests", "status": 503, "headers": {"Retry-After": "20"}}]'
	env --default-signal=INT "$CORACLE" push -q busybox "$front/not-yet:1" >/dev/null 2>&1 3>&- &
	push=$!
	await at_least front '(.method == "PUT") and (.path | contains("manifests"))' 1
	kill -INT $push
	status=0
	wait $push || status=$?
	[ "$status" -eq 130 ]
	[ "$(count front '(.method == "PUT") and (.path | contains("manifests"))')" -eq 1 ]
}

@test "one platform of several, and what is missing of an index" {
	coracle pull -q --all-platforms "$plain/source/platforms:1"
	coracle push -q --platform linux/arm64 "$plain/source/platforms:1" "$plain/only/arm:1"
	skopeo inspect --raw --tls-verify=false "docker://$plain/only/arm:1" | jq -e .config
	[ "$(skopeo inspect --tls-verify=false "docker://$plain/only/arm:1" | jq -r .Labels.for)" = arm64 ]
	no_images
	# Only the host's is here: that one goes.
	coracle pull -q "$plain/source/platforms:1"
	coracle push -q "$plain/source/platforms:1" "$plain/only/here:1"
	skopeo inspect --raw --tls-verify=false "docker://$plain/only/here:1" | jq -e .config
	run coracle push --platform linux/s390x "$plain/source/platforms:1" "$plain/only/none:1"
	echo "$output"
	[ "$status" -eq 1 ]
}

@test "what cannot be pushed" {
	run coracle push nothing "$plain/nothing:1"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *nothing* ]]
	coracle image load -q -i "$images/busybox.tar"
	rules front '[{"method": "POST", "status": 403, "body": "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"not for you\"}]}"}]'
	run coracle push busybox "$front/denied:1"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"not for you"* || $output == *denied* ]]
}
