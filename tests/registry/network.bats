# The ways to a registry: mirrors, proxies, redirects, plain HTTP.

bats_require_minimum_version 1.5.0
load registry

setup_file() {
	registry_roots
	registry plain
	registry users users
	front first "$(address plain)"
	front second "$(address plain)"
	authority
	front crypt "$(address plain)" --tls "$WORK"/tls/server.{crt,key}
	mkdir "$WORK/proxy"
	serve proxy 'listening on ' "$here/forward_proxy.py" "$WORK/proxy" --map "plain.test:80=$(address plain)" --map "crypt.test:443=$(address crypt)" \
		--map "plain.test=$(address plain)"
	put busybox "$(address plain)/busybox:1"
	put busybox "$(address plain)/library/busybox:latest"
}

teardown_file() { end_all; }

setup() {
	plain=$(address plain) first=$(address first) second=$(address second)
	for name in first second crypt; do
		forget $name
		rules $name '[]'
	done
	forget proxy
}

teardown() {
	no_images
	rm -rf "$CORACLE_CONFIG"
	mkdir "$CORACLE_CONFIG"
}

registries() { jq -n "$@" >"$CORACLE_CONFIG/registries.json"; }

@test "a mirror is asked first, and only it" {
	registries --arg m "http://$first" --arg r "$second" '{registries: {($r): {mirrors: [$m]}}}'
	coracle pull -q "$second/busybox:1"
	[ "$(count second true)" -eq 0 ]
	(($(count first true) >= 3))
	coracle image inspect "$second/busybox:1"
	# The mirror's name is nobody's business.
	run ! coracle image inspect "$first/busybox:1"
}

@test "a mirror of docker.io, below a path" {
	registry below prefix=/cache/
	front before "$(address below)"
	registries --arg m "http://$(address before)/cache" '{registries: {"docker.io": {mirrors: [$m]}}}'
	coracle pull -q busybox
	log before true | jq -r .path
	[ "$(count before '.path | startswith("/cache/v2/library/busybox/")')" -eq 3 ]
	end before
	end below
	coracle image inspect docker.io/library/busybox:latest
}

@test "a mirror that has it not, is tired, lies or is not there: the next is asked" {
	registries --arg m "http://$first" --arg r "$second" '{registries: {($r): {mirrors: [$m]}}}'
	for rule in '{"status": 404}' '{"status": 500}' '{"status": 403}' '{"path": "manifests", "status": 200, "headers": {"Content-Type": "text/html"}, "body": "<html>"}' \
		'{"path": "blobs", "status": 404}'; do
		no_images
		forget second
		rules first "[$rule]"
		coracle pull -q "$second/busybox:1"
		(($(count second true) > 0))
	done
	no_images
	registries --arg r "$second" '{registries: {($r): {mirrors: ["http://127.0.0.1:1"]}}}'
	coracle pull -q "$second/busybox:1"
	run -1 coracle pull -q "$second/nowhere:1"
	[[ $output == *404*"$second"*"mirror"*"127.0.0.1:1"* ]]
	in_order
}

@test "a push does not go to a mirror" {
	registries --arg m "http://$first" --arg r "$second" '{registries: {($r): {mirrors: [$m]}}}'
	coracle image load -q -i "$images/busybox.tar"
	coracle push -q busybox "$second/pushed:1"
	[ "$(count first true)" -eq 0 ]
}

@test "a redirect to a blob store is followed, without the password" {
	front guarded "$(address users)"
	# Each blob has its own address there.
	manifest=$(skopeo inspect --raw --tls-verify=false "docker://$plain/busybox:1")
	front store "$plain"
	rules guarded "$(jq -c --arg f "$(address store)" '[.config, .layers[]] | map({path: "/blobs/\(.digest)", method: "GET", status: 307,
		headers: {Location: "http://localhost:\($f | split(":")[1])/v2/busybox/blobs/\(.digest)"}})' <<<"$manifest")"
	printf 'wonder land' | coracle login -u alice --password-stdin "$(address guarded)"
	coracle pull -q "$(address guarded)/busybox:1"
	[ "$(count store true)" -eq 2 ]
	[ "$(count store '.headers.authorization // .headers.cookie')" -eq 0 ]
	[ "$(count guarded '.path | contains("/manifests/")')" -ge 1 ]
	[ "$(count guarded '.headers.authorization')" -ge 1 ]
	end guarded
	end store
}

@test "HTTP through a proxy, and past it" {
	run --separate-stderr env http_proxy="http://$(address proxy)" "$CORACLE" pull -q --scheme http plain.test/busybox:1
	echo "$stderr"
	[ "$status" -eq 0 ]
	(($(count proxy true) >= 3))
	forget proxy
	run env http_proxy="http://$(address proxy)" no_proxy=plain.test "$CORACLE" pull -q --scheme http plain.test/busybox:1
	[ "$status" -eq 1 ]
	[[ $output == *"cannot find the host 'plain.test'"* ]]
	[ "$(count proxy true)" -eq 0 ]
}

@test "a proxy that is not there is named" {
	run env http_proxy=http://127.0.0.1:1 "$CORACLE" pull -q --scheme http plain.test/busybox:1
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot connect to plain.test through the proxy: "*"127.0.0.1 port 1"* ]]
	# A registry that is not there, which no proxy has to do with.
	run env http_proxy=http://127.0.0.1:2 "$CORACLE" pull -q 127.0.0.1:1/busybox:1
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"cannot connect to 127.0.0.1:1: "* ]]
}

@test "HTTPS through a proxy: a tunnel, with the certificate of the registry" {
	trust crypt.test
	run --separate-stderr env HTTPS_PROXY="http://$(address proxy)" "$CORACLE" pull -q crypt.test/busybox:1
	echo "$stderr"
	[ "$status" -eq 0 ]
	[ "$(count proxy '.method != "CONNECT"')" -eq 0 ]
	[ "$(count proxy '.path == "crypt.test:443"')" -ge 1 ]
	[ "$(count proxy '.headers.authorization')" -eq 0 ]
}

@test "a loopback registry is not asked for through a proxy that NO_PROXY excludes" {
	run env HTTP_PROXY=http://127.0.0.1:1 http_proxy=http://127.0.0.1:1 NO_PROXY=127.0.0.1,localhost "$CORACLE" pull -q "$plain/busybox:1"
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "plain HTTP only for loopback, or on request" {
	# No registry of the world is asked: a proxy says what would have gone over the wire.
	run env http_proxy="http://$(address proxy)" https_proxy="http://$(address proxy)" "$CORACLE" pull -q plain.test/busybox:1
	echo "$output"
	[ "$status" -eq 1 ]
	[ "$(count proxy '.method != "CONNECT"')" -eq 0 ]
	registries '{registries: {"plain.test": {scheme: "http"}}}'
	http_proxy="http://$(address proxy)" coracle pull -q plain.test/busybox:1
	no_images
	# And TLS on a loopback registry, when it is asked for, does not fall back.
	run coracle pull -q --scheme https "$plain/busybox:1"
	echo "$output"
	[ "$status" -eq 1 ]
	coracle pull -q --scheme http "$plain/busybox:1"
}

@test "a loopback registry that speaks TLS is not spoken to in the clear when its certificate is bad" {
	run coracle pull -q "$(address crypt)/busybox:1"
	echo "$output"
	[ "$status" -eq 1 ]
	[ "$(count crypt true)" -eq 0 ]
}
