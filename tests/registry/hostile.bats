# A registry that lies. Where a lie has hurt others before, its test names the case.

bats_require_minimum_version 1.5.0
load registry

setup_file() {
	registry_roots
	mkdir "$WORK/hostile"
	serve hostile 'listening on ' "$here/hostile.py" "$WORK/hostile"
	# A host that is nobody's neighbour: only this proxy knows it.
	mkdir "$WORK/proxy"
	serve proxy 'listening on ' "$here/forward_proxy.py" "$WORK/proxy" --map "elsewhere.test=$(sed -n 's/^other on //p' "$WORK/hostile/out")"
	export http_proxy="http://$(address proxy)" https_proxy="http://$(address proxy)" no_proxy=127.0.0.1
	# Patience with the slowest takes minutes, which the other tests use.
	CORACLE_ROOT=$WORK/slow timeout -k 5 280 "$CORACLE" pull -q "$(address hostile)/slow" >"$WORK/slow-said" 2>&1 3>&- &
	echo $! >"$WORK/slow-pid"
	coracle image load -q -i "$images/busybox.tar"
	coracle image ls >"$WORK/before"
}

teardown_file() { end_all; }

setup() {
	hostile=$(address hostile)
	forget hostile
}

# What the lies of a test left is no help for those of another.
teardown() {
	rm -f "$CORACLE_CONFIG/auth.json"
	coracle image ls --format json | jq -r '.. | strings | select(startswith("127.0.0.1:"))' | while read -r name; do
		coracle image rm -f "$name" >/dev/null || true
	done
}

# untouched: the store is as it was.
untouched() {
	diff "$WORK/before" <(coracle image ls)
	in_order
	[ ! -e /tmp/coracle-escape ]
}

# refused CASE WORDS...: the pull of the repository CASE fails in one line that says these words, and leaves the store as it was.
refused() {
	local case=$1 word
	shift
	run --separate-stderr timeout -k 5 60 "$CORACLE" pull -q "$hostile/$case"
	echo "$case: $status: $output$stderr"
	[ "$status" -eq 1 ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ $stderr != *$'\e'* ]]
	for word; do [[ ${stderr,,} == *"${word,,}"* ]]; done
	untouched
}

# accepted CASE: the pull succeeds, and the image goes again.
accepted() {
	coracle pull -q "$hostile/$1"
	in_order
	coracle image rm "$hostile/$1"
	untouched
}

# sent FILTER: the most that was sent for one request.
sent() { log hostile "$1" | jq -s 'map(.sent) | max // 0'; }

# knows_nothing: nobody but the registry has heard a password or a token of ours.
knows_nothing() { [ "$(count hostile '.listener == "other" and (.headers | tojson | test("YWxpY2U6|wonder|authorization|a-token"))')" -eq 0 ] && ! grep -E 'YWxpY2U6|wonder' "$WORK/proxy/log.jsonl"; }
login() {
	jq -n --arg r "$hostile" '{auths: {($r): {auth: ("alice:wonder land" | @base64)}}}' >"$CORACLE_CONFIG/auth.json"
	chmod 600 "$CORACLE_CONFIG/auth.json"
}

@test "the honest cases, so that a refusal means something" {
	accepted good-image
	accepted good-index
	accepted good-twice-a-layer
}

@test "CVE-2024-3727: a digest that is no digest is no path" {
	for case in digest-is-path digest-upper digest-short digest-none digest-md5; do
		refused $case digest
	done
}

@test "CVE-2021-41190: a document that is a manifest and an index, or another thing than its type says" {
	refused both-manifest
	refused both-index
	refused type-lies
	refused index-in-manifest
}

@test "CVE-2020-15157: addresses in a manifest are not followed" {
	login
	# What they say elsewhere, the registry itself may have.
	for case in foreign-layer layer-urls; do
		run coracle pull -q "$hostile/$case"
		echo "$output"
		[ "$status" -ne 0 ] || coracle image rm "$hostile/$case"
	done
	[ "$(count hostile '.listener == "other"')" -eq 0 ]
	untouched
}

@test "CVE-2020-15157, CVE-2026-65388: a challenge chooses who gets the password" {
	login
	refused challenge-elsewhere
	knows_nothing
	refused challenge-file
	refused token-redirect
	knows_nothing
	# The password went nowhere but to the registry.
	refused basic-redirect
	knows_nothing
}

@test "CVE-2026-24054: an image without layers" {
	refused no-layers "no layers"
}

@test "CVE-2026-20613, CVE-2026-46703, CVE-2026-50163: layers that want out" {
	echo victim >/tmp/coracle-victim
	refused layer-dotdot ".."
	refused layer-hardlink "etc/passwd"
	# A link is resolved within the image.
	accepted layer-link
	coracle pull -q "$hostile/layer-whiteout" && coracle image rm "$hostile/layer-whiteout"
	[ "$(cat /tmp/coracle-victim)" = victim ]
	rm /tmp/coracle-victim
	untouched
}

@test "documents that are none" {
	refused bad-json
	refused twice "duplicate"
	refused deep-json
	refused not-utf8
	refused schema-1
	refused html
	refused artifact
	refused no-http
}

@test "documents without end" {
	refused huge-manifest
	refused endless-manifest
	(($(sent '.endless') < 64 << 20))
	refused huge-headers
	refused one-header
	refused endless-error
	(($(sent '.endless') < 64 << 20))
	refused many-layers layers
}

@test "layers that are none, or of no size" {
	refused config-as-layer
	refused layer-as-config
	refused unknown-layer
	refused size-negative size
	refused size-huge
	refused size-text size
	refused no-gzip
	refused truncated-gzip
	refused truncated-zstd
	refused wrong-diff-id "digest"
	refused platforms-lie
}

@test "wrong digests" {
	digest=sha256:$(printf '%064d' 1)
	run --separate-stderr coracle pull -q "$hostile/other-content@$digest"
	echo "$stderr"
	[ "$status" -eq 1 ]
	[[ $stderr == *digest* || $stderr == *"something else"* ]]
	untouched
	refused child-is-other
	refused other-bytes digest
	refused encoded
	run coracle pull -q "$hostile/digest-header-lies"
	if [ "$status" -eq 0 ]; then
		# What counts is what came.
		[[ $(coracle image inspect "$hostile/digest-header-lies" | jq -r '.[0].RepoDigests[0]') != *@sha256:0000* ]]
		coracle image rm "$hostile/digest-header-lies"
	fi
	untouched
}

@test "wrong sizes" {
	refused announced-longer
	refused announced-shorter
	refused longer
	refused shorter
	refused empty
	refused no-content
	refused endless-layer
	# It went away when it had what was announced; buffers of the kernel may have taken some more.
	(($(sent '.endless') < 32 << 20))
	run coracle pull -q "$hostile/duplicate-length"
	[ "$status" -ne 0 ] || coracle image rm "$hostile/duplicate-length"
	untouched
}

@test "decompression bombs end with an error, and cost neither memory nor disk" {
	for case in bomb-gzip bomb-zstd bomb-behind; do
		refused $case
		(($(du -sm "$CORACLE_ROOT" | cut -f1) < 100))
		coracle image prune -f >/dev/null
	done
}

@test "redirects: in circles, without end, to files and to other protocols" {
	for case in redirect-loop redirect-pair redirect-chain redirect-loop-layer; do
		forget hostile
		refused $case redirect
		(($(count hostile true) < 100))
	done
	for case in redirect-file redirect-file-layer redirect-scheme redirect-nowhere; do
		refused $case
	done
	refused redirect-lies
}

@test "a redirect to another host gets no password, and is believed only by digest" {
	login
	accepted good-redirect
	[ "$(count hostile '.listener == "other"')" -ge 1 ]
	[ "$(count hostile '.listener == "registry" and .headers.authorization')" -ge 1 ]
	knows_nothing
}

@test "challenges and tokens that are none" {
	login
	refused no-challenge
	refused challenge-garbage
	refused challenge-many
	refused token-endless
	refused token-json
	refused token-missing
	refused token-newline
	[ "$(count hostile '.headers["x-injected"]')" -eq 0 ]
	refused token-refused
	(($(count hostile '.path | contains("token-refused")') < 10))
}

@test "what a registry says of its errors is shown without its control characters" {
	refused terminal red
}

@test "patience: 429 with Retry-After, 5xx, and lines that break" {
	accepted good-busy
	[ "$(count hostile '.early')" -eq 0 ]
	accepted good-tired
	accepted good-tired-layer
	accepted good-cut
	accepted good-no-ranges
}

@test "patience ends" {
	refused busy-for-ever
	refused always-tired
	refused always-cut
}

@test "ranges that lie" {
	for case in range-elsewhere range-other-bytes unasked-range; do
		refused $case
	done
}

@test "pushes that are led astray" {
	login
	for case in push-elsewhere push-file push-nowhere push-never push-range-lies push-digest-lies; do
		run --separate-stderr timeout -k 5 60 "$CORACLE" push -q busybox "$hostile/$case:1"
		echo "$case: $status: $stderr"
		[[ $case == push-elsewhere || $case == push-range-lies || $case == push-digest-lies || $status -eq 1 ]]
		[ "${#stderr_lines[@]}" -le 1 ]
	done
	knows_nothing
	[ ! -e /tmp/coracle-escape ]
	untouched
}

@test "a registry that sends a byte a second is given up" {
	# It was begun with the first test.
	while kill -0 "$(cat "$WORK/slow-pid")" 2>/dev/null; do sleep 1; done
	cat "$WORK/slow-said"
	[[ $(cat "$WORK/slow-said") == *slow* && $(cat "$WORK/slow-said") != *interrupted* ]]
	[ "$(wc -l <"$WORK/slow-said")" -eq 1 ]
	[ -z "$(CORACLE_ROOT=$WORK/slow coracle image ls -q)" ]
}
