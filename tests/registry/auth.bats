# Who may, and how it is proved: passwords, tokens, certificates.

bats_require_minimum_version 1.5.0
load registry

setup_file() {
	registry_roots
	registry plain
	registry users users
	registry secret tls users
	registry clients tls client-certificates
	mkdir -p "$WORK/tokens"
	serve tokens 'listening on ' "$here/token_server.py" "$WORK/tokens" "$WORK"/tls/token.{crt,key}
	registry bearer "token=http://$(address tokens)/token"
	put busybox "$(address plain)/busybox:1"
	put busybox "$(address plain)/private/busybox:1"
}

teardown_file() { end_all; }

setup() {
	users=$(address users) secret=$(address secret) clients=$(address clients) bearer=$(address bearer)
	forget tokens
	export HELPER_STORE=$WORK/helper PATH=$BATS_TEST_DIRNAME:$PATH
}

teardown() {
	no_images
	rm -rf "$CORACLE_CONFIG" "$HOME/.docker" "$HELPER_STORE"
	mkdir "$CORACLE_CONFIG"
}

login() { printf '%s' "wonder land" | coracle login -u alice --password-stdin "$@"; }

# refused WORDS...: the pull fails, and says these.
refused() {
	run --separate-stderr coracle pull "${pull[@]}"
	echo "$status: $output$stderr"
	[ "$status" -eq 1 ]
	for word; do [[ $stderr == *"$word"* ]]; done
	[ -z "$(coracle image ls -q)" ]
	[[ $stderr != *"wonder land"* && $stderr != *d29uZGVyIGxhbmQ* ]]
}

@test "a password: login, pull, push, logout" {
	pull=("$users/busybox:1")
	refused "coracle login $users"
	login "$users"
	coracle pull "$users/busybox:1"
	coracle image tag "$users/busybox:1" "$users/pushed:1"
	coracle push "$users/pushed:1"
	[ "$(raw_digest "$users/pushed:1" --creds "alice:wonder land")" = "$(raw_digest "$users/busybox:1" --creds "alice:wonder land")" ]
	no_images
	coracle logout "$users"
	refused
	run coracle logout "$users"
	[ "$status" -eq 1 ]
	[[ $output == *"not logged in"* ]]
}

@test "with authentication and TLS: pulled, run, pushed, inspected" {
	trust "$secret"
	login "$secret"
	coracle pull "$secret/busybox:1"
	[ "$(coracle run --rm "$secret/busybox:1" echo aboard)" = aboard ]
	coracle image tag "$secret/busybox:1" "$secret/over/tls:1"
	coracle push "$secret/over/tls:1"
	skopeo inspect --cert-dir "$CORACLE_CONFIG/certs.d/$secret" --creds "alice:wonder land" "docker://$secret/over/tls:1" | jq -e '.Os == "linux"'
	in_order
}

@test "a wrong password is not stored, and the one that was stays" {
	run coracle login -u alice --password-stdin "$users" <<<"wrong"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"does not take this password for 'alice'"* ]]
	[ ! -e "$CORACLE_CONFIG/auth.json" ] || ! grep "$users" "$CORACLE_CONFIG/auth.json"
	login "$users"
	before=$(cat "$CORACLE_CONFIG/auth.json")
	run coracle login -u alice --password-stdin "$users" <<<"wrong"
	[ "$status" -eq 1 ]
	[ "$(cat "$CORACLE_CONFIG/auth.json")" = "$before" ]
}

@test "an address for a name: https:// is spoken alone, http:// is an option" {
	# On loopback, plain HTTP would be tried otherwise.
	run login "https://$users"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *TLS* ]]
	run login "http://$users"
	[ "$status" -ne 0 ]
	[[ $output == *"; use --scheme http"* ]]
	trust "$secret"
	login "https://$secret"
	coracle registry ls -q | grep -x "$secret"
}

@test "where it is stored: mode 0600, and listed without the password" {
	login "$users"
	[ "$(stat -c %a "$CORACLE_CONFIG/auth.json")" = 600 ]
	run --separate-stderr coracle registry ls
	echo "$output"
	[[ $output == *"$users"*alice* ]]
	[[ $output != *"wonder land"* && $output != *YWxpY2U6* ]]
	coracle registry ls --format json | jq -e --arg r "$users" '.[] | select(.Registry == $r) | .User == "alice"'
	# What podman and skopeo read.
	skopeo inspect --tls-verify=false --authfile "$CORACLE_CONFIG/auth.json" "docker://$users/busybox:1"
}

@test "passwords on the command line or from a terminal alone" {
	run coracle login -u alice "$users" </dev/null
	echo "$output"
	[ "$status" -ne 0 ]
	run coracle login --password-stdin "$users" <<<x
	[ "$status" -ne 0 ]
	run coracle login -u alice --password-stdin "$users" </dev/null
	[ "$status" -ne 0 ]
}

@test "~/.docker/config.json: a plain entry" {
	mkdir -p "$HOME/.docker"
	jq -n --arg r "$users" '{auths: {($r): {auth: ("alice:wonder land" | @base64)}}}' >"$HOME/.docker/config.json"
	before=$(sha256sum "$HOME/.docker/config.json")
	coracle pull -q "$users/busybox:1"
	# What podman or docker wrote stays theirs.
	login "$users"
	coracle logout "$users"
	[ "$(sha256sum "$HOME/.docker/config.json")" = "$before" ]
}

@test "~/.docker/config.json: a credential helper" {
	mkdir -p "$HOME/.docker" "$HELPER_STORE"
	jq -n --arg r "$users" '{credHelpers: {($r): "test"}}' >"$HOME/.docker/config.json"
	jq -n --arg r "$users" '{ServerURL: $r, Username: "alice", Secret: "wonder land"}' >"$HELPER_STORE/$users"
	coracle pull -q "$users/busybox:1"
	grep -x get "$HELPER_STORE/log"
}

@test "~/.docker/config.json: a credential helper that is not installed knows nothing" {
	mkdir -p "$HOME/.docker"
	jq -n --arg r "$users" '{credsStore: "desktop-of-another-machine", auths: {($r): {auth: ("alice:wonder land" | @base64)}}}' >"$HOME/.docker/config.json"
	coracle pull -q "$bearer/busybox:1"
	coracle pull -q "$users/busybox:1"
	[ "$(coracle registry ls -q)" = "$users" ]
	mv "$HOME/.docker/config.json" "$CORACLE_CONFIG/auth.json"
	no_images
	pull=("$bearer/busybox:1")
	refused "'docker-credential-desktop-of-another-machine' is not on the PATH"
}

@test "a credential helper of ours stores and forgets" {
	echo '{"credsStore": "test"}' >"$CORACLE_CONFIG/auth.json"
	chmod 600 "$CORACLE_CONFIG/auth.json"
	login "$users"
	[ "$(jq -r .Secret "$HELPER_STORE/$users")" = "wonder land" ]
	[ -z "$(grep -r d29uZGVyIGxhbmQ "$CORACLE_CONFIG")" ]
	coracle pull -q "$users/busybox:1"
	coracle registry ls | grep "$users.*alice"
	coracle logout "$users"
	[ ! -e "$HELPER_STORE/$users" ]
}

@test "a broken file of credentials is told, and names itself" {
	echo '{"auths": ' >"$CORACLE_CONFIG/auth.json"
	pull=("$users/busybox:1")
	refused auth.json
}

@test "a token for everybody, for those who may, and none for others" {
	coracle pull -q "$bearer/busybox:1"
	[ "$(count tokens '.headers.authorization')" -eq 0 ]
	no_images
	pull=("$bearer/private/busybox:1")
	refused
	forget tokens
	login "$bearer"
	coracle pull -q "$bearer/private/busybox:1"
	[ "$(count tokens '.path | contains("scope=repository%3Aprivate%2Fbusybox%3Apull") or contains("scope=repository:private/busybox:pull")')" -ge 1 ]
	coracle image tag "$bearer/private/busybox:1" "$bearer/private/pushed:1"
	coracle push "$bearer/private/pushed:1"
	[ "$(raw_digest "$bearer/private/pushed:1" --creds "alice:wonder land")" = "$(raw_digest "$(address plain)/busybox:1")" ]
}

@test "one token serves a whole pull" {
	login "$bearer"
	forget tokens
	coracle pull -q "$bearer/busybox:1"
	[ "$(count tokens true)" -eq 1 ]
}

@test "a wrong password at a token server" {
	run coracle login -u alice --password-stdin "$bearer" <<<"wrong"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"does not take this password for 'alice'"* ]]
	mkdir -p "$HOME/.docker"
	jq -n --arg r "$bearer" '{auths: {($r): {auth: ("alice:wrong" | @base64)}}}' >"$HOME/.docker/config.json"
	pull=("$bearer/private/busybox:1")
	refused
}

@test "an identity token is exchanged by POST" {
	mkdir -p "$HOME/.docker"
	jq -n --arg r "$bearer" '{auths: {($r): {auth: ("alice:" | @base64), identitytoken: "alice-refreshes"}}}' >"$HOME/.docker/config.json"
	coracle pull -q "$bearer/private/busybox:1"
	[ "$(count tokens '.method == "POST" and (.body | contains("refresh_token=alice-refreshes"))')" -ge 1 ]
}

@test "TLS: an authority that nobody knows, and one of our own" {
	# It is not the password that is wrong.
	run login "$secret"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"certificate of $secret is not trusted"*"$CORACLE_CONFIG/certs.d/$secret/ca.crt"* && $output != *password* ]]
	pull=("$secret/busybox:1")
	refused "certificate"
	trust "$secret"
	login "$secret"
	coracle pull -q "$secret/busybox:1"
	no_images
	# A name that the certificate does not have.
	front wrong "$(address plain)" --tls "$WORK"/tls/elsewhere.{crt,key}
	trust "$(address wrong)"
	pull=("$(address wrong)/busybox:1")
	refused "certificate"
}

@test "TLS: certificates of clients" {
	pull=("$clients/busybox:1")
	trust "$clients"
	refused
	trust "$clients" client
	coracle pull -q "$clients/busybox:1"
	coracle image tag "$clients/busybox:1" "$clients/pushed:1"
	coracle push -q "$clients/pushed:1"
}

@test "TLS: registries.json says what counts" {
	mkdir "$WORK/files"
	cp "$WORK"/tls/{ca.crt,client.crt,client.key} "$WORK/files"
	jq -n --arg r "$clients" --arg w "$WORK/files" '{registries: {($r): {ca: "\($w)/ca.crt", cert: "\($w)/client.crt", key: "\($w)/client.key"}}}' \
		>"$CORACLE_CONFIG/registries.json"
	coracle pull -q "$clients/busybox:1"
	no_images
	jq -n --arg r "$secret" '{registries: {($r): {verify: false}}}' >"$CORACLE_CONFIG/registries.json"
	login "$secret"
	coracle pull -q "$secret/busybox:1"
	no_images
	echo '{"registries": {"x": {"nonsense": 1}}}' >"$CORACLE_CONFIG/registries.json"
	pull=("$secret/busybox:1")
	refused registries.json
}
