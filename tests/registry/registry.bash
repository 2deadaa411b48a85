# Debian's docker-registry on loopback, for the tests of this folder, and what stands between it and us. Everything of a file lies in $WORK and ends with it.
# A server is known by a name: $WORK/NAME/ has its files, `address NAME` is its host:port.

load "$BATS_TEST_DIRNAME/../lib"
here=$BATS_TEST_DIRNAME

# registry_roots: roots without images, and a home, so that nobody's own configuration counts. For setup_file.
registry_roots() {
	local build=${CORACLE_BUILD:-$top/build}
	WORK=$(mktemp -d /tmp/cor.XXXXXX)
	export CORACLE_NETWORK=none CORACLE_TEMPLATES=off
	export WORK CORACLE_ROOT=$WORK/data CORACLE_RUNTIME_DIR=$WORK/run CORACLE=${CORACLE:-$build/coracle}
	# The kernel is in the cache of the real home.
	CORACLE_KERNEL=${CORACLE_KERNEL:-$("$top/kernel/build.sh")}
	export CORACLE_KERNEL
	export HOME=$WORK/home XDG_CONFIG_HOME=$WORK/home/.config CORACLE_CONFIG=$WORK/config XDG_RUNTIME_DIR=$WORK/home
	export REGISTRY_AUTH_FILE=$WORK/skopeo-auth.json
	export ASAN_OPTIONS=log_path=$WORK/sanitizer UBSAN_OPTIONS=log_path=$WORK/sanitizer
	unset HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy DOCKER_CONFIG
	[[ -e $build/src/init/initramfs.cpio ]] || export CORACLE_INITRAMFS=$top/build/src/init/initramfs.cpio
	mkdir -p "$HOME" "$CORACLE_CONFIG"
	echo "{}" >"$REGISTRY_AUTH_FILE"
	"$top/tests/prepare"
	images=$top/build/test-images
	export images
}

# serve NAME PATTERN COMMAND...: starts a server whose output has PATTERN\(HOST:PORT\) when it listens.
serve() {
	local name=$1 pattern=$2
	shift 2
	mkdir -p "$WORK/$name"
	"$@" >"$WORK/$name/out" 2>"$WORK/$name/err" 3>&- &
	echo $! >"$WORK/$name/pid"
	disown
	if ! await grep -q "$pattern" "$WORK/$name/out" "$WORK/$name/err"; then
		cat "$WORK/$name"/{out,err} >&2
		return 1
	fi
	sed -n "s/.*$pattern\([0-9.]*:[0-9]*\).*/\1/p" "$WORK/$name/out" "$WORK/$name/err" | head -1 >"$WORK/$name/address"
}

address() { cat "$WORK/$1/address"; }

# end NAME: the server.
end() {
	kill "$(cat "$WORK/$1/pid")" 2>/dev/null || true
	await gone "$(cat "$WORK/$1/pid")"
	rm "$WORK/$1/pid"
}
gone() { ! kill -0 "$1" 2>/dev/null; }

# For teardown_file.
end_all() {
	local pid
	for pid in "$WORK"/*/pid; do
		if [[ -e $pid ]]; then end "$(basename "$(dirname "$pid")")"; fi
	done
	nothing_left
}

# (It takes every variable REGISTRY_... for configuration.)
# registry NAME [tls] [client-certificates] [users] [token=URL] [prefix=/PATH/]: a docker-registry. All of a file have the same storage. Users is alice with the password "wonder land".
registry() {
	local name=$1 word
	shift
	mkdir -p "$WORK/$name"
	{
		echo "version: 0.1"
		echo "log: {level: info, accesslog: {disabled: false}}"
		printf 'storage:\n  filesystem: {rootdirectory: %s}\n  delete: {enabled: true}\n' "$WORK/storage"
		echo "http:"
		echo "  addr: 127.0.0.1:0"
		for word; do
			case $word in
			tls) authority && printf '  tls:\n    certificate: %s\n    key: %s\n' "$WORK"/tls/server.{crt,key} ;;
			prefix=*) echo "  prefix: ${word#prefix=}" ;;
			client-certificates) printf '    clientcas: [%s]\n' "$WORK/tls/ca.crt" ;;
			esac
		done
		for word; do
			case $word in
			users)
				htpasswd -bBnC 4 alice "wonder land" >"$WORK/htpasswd"
				echo "auth: {htpasswd: {realm: here, path: $WORK/htpasswd}}"
				;;
			token=*)
				authority
				echo "auth: {token: {realm: '${word#token=}', service: the-registry, issuer: the-issuer, rootcertbundle: $WORK/tls/token.crt}}"
				;;
			esac
		done
	} >"$WORK/$name/config.yml"
	serve "$name" 'listening on ' env -u REGISTRY_AUTH_FILE docker-registry serve "$WORK/$name/config.yml"
}

# authority: a certificate authority of our own, once, a server's and a client's certificate by it, and a key that signs tokens.
authority() {
	[[ ! -e $WORK/tls ]] || return 0
	mkdir "$WORK/tls.new"
	(
		cd "$WORK/tls.new"
		new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -subj "/CN=$1" "${@:2}"; }
		signed() { openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out "$1.crt" -extfile "$1.ext"; }
		new ca -x509 -days 2 -out ca.crt -addext keyUsage=critical,keyCertSign
		echo "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:crypt.test" >server.ext
		echo "extendedKeyUsage=clientAuth" >client.ext
		echo "subjectAltName=DNS:elsewhere.example" >elsewhere.ext
		for name in server client elsewhere; do
			new $name -out $name.csr
			signed $name
		done
		openssl req -x509 -newkey rsa:2048 -nodes -keyout token.key -subj /CN=token -days 2 -out token.crt
	) >&2 2>/dev/null
	mv "$WORK/tls.new" "$WORK/tls"
}

# trust ADDRESS [client]: the authority counts for us (and for skopeo and podman), and we show a certificate.
trust() {
	local folder=$CORACLE_CONFIG/certs.d/$1
	mkdir -p "$folder"
	cp "$WORK/tls/ca.crt" "$folder/ca.crt"
	if [[ ${2-} == client ]]; then
		cp "$WORK/tls/client.crt" "$folder/client.cert"
		cp "$WORK/tls/client.key" "$folder/client.key"
	fi
}

# front NAME UPSTREAM [OPTION...]: front.py between us and a registry. Its rules are set by `rules NAME JSON`, at any time.
front() {
	local name=$1
	mkdir -p "$WORK/$name"
	echo '[]' >"$WORK/$name/rules.json"
	serve "$name" 'listening on ' "$here/front.py" "$WORK/$name" "${@:2}"
}
rules() {
	echo "$2" >"$WORK/$1/rules.new"
	mv "$WORK/$1/rules.new" "$WORK/$1/rules.json"
}
# open_gate NAME: what its rules stop may go on. close_gate: from now on it stops again.
open_gate() { touch "$WORK/$1/gate"; }
close_gate() { rm -f "$WORK/$1/gate"; }

# log NAME FILTER: what a front, a hostile registry or a token server was asked, through jq. forget NAME: from here on.
log() { jq -c "select($2)" "$WORK/$1/log.jsonl"; }
count() { log "$@" | wc -l; }
forget() { : >"$WORK/$1/log.jsonl"; }
at_least() { (($(count "$1" "$2") >= $3)); }

# requests NAME [PATTERN]: how many a docker-registry has answered. forget_requests NAME.
requests() { grep -cE "\"(GET|HEAD|POST|PUT|PATCH|DELETE) ${2-}" "$WORK/$1/out" || true; }
forget_requests() { : >"$WORK/$1/out"; }

# put ARCHIVE TARGET [OPTION...]: skopeo sends an image to a registry, as it is.
put() {
	skopeo copy -q --insecure-policy --preserve-digests --all --dest-tls-verify=false "oci-archive:$images/$1.tar" "docker://$2" "${@:3}"
}

# raw_digest REFERENCE: of what stands under a name in a registry, as skopeo sees it.
raw_digest() { echo "sha256:$(skopeo inspect --raw --tls-verify=false "docker://$1" "${@:2}" | sha256sum | cut -d' ' -f1)"; }

# podman with a store of its own.
podman_here() {
	podman --root "$WORK/podman" --runroot "$WORK/podman-run" --storage-driver vfs --runtime runc "$@"
}

# in_order: the store has all that it must and nothing that it must not.
in_order() {
	run --separate-stderr coracle system check
	echo "check: $status: $output$stderr"
	[ "$status" -eq 0 ]
	[ -z "$(find "$CORACLE_ROOT/images/blobs/sha256" -type f 2>/dev/null | grep -vE '/[0-9a-f]{64}$')" ]
}

# no_images: everything goes that is in the store.
no_images() {
	local id
	for id in $(coracle image ls -q | sort -u); do
		coracle image rm -f "$id" >/dev/null
	done
	coracle image prune -f >/dev/null 2>&1
}
