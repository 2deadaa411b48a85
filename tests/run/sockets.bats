# Sockets relayed between host and container: as root, and under the name sockets_as_user.bats as an ordinary user.

bats_require_minimum_version 1.5.0

setup_file() {
	load ../lib
	export CORACLE_NETWORK=none
	roots
	if [[ $BATS_TEST_FILENAME == *as_user* ]]; then become_user 54322; fi
	choose_user
	export HERE=$WORK/s PEER=$WORK/peer
	install -m 755 "$top/build/tests/run/socket-peer" "$PEER"
	install -d -m 755 -o "${AS_USER-0}" "$HERE"
	chmod 755 "$WORK"
	# One container for most tests: three sockets of the host's, and two of its own.
	for name in echo sum quiet; do serve $name; done
	coracle run -d --name box -v "$HERE/echo:/var/echo.sock" -v "$HERE/sum:/sum:ro" --mount "type=bind,src=$HERE/quiet,dst=/quiet" \
		--publish-socket "$HERE/out:/run/out.sock" --read-only --tmpfs /run:exec busybox sleep 10000
	coracle exec -i box sh -c 'cat >/run/peer; chmod 755 /run/peer' <"$PEER"
}
teardown_file() {
	load ../lib
	for file in "$WORK"/server.*; do kill -- -"$(cat "$file")" || kill "$(cat "$file")" || true; done 2>/dev/null
	nothing_left
}
setup() {
	load ../lib
	choose_user
}

# "${as_user[@]}" COMMAND...: a program, no function, so that in the background $! is its own.
choose_user() {
	as_user=(env)
	[[ -z ${AS_USER-} ]] || as_user=(setpriv --reuid "$AS_USER" --regid "$AS_USER" --clear-groups)
}

# serve NAME: a server of the host's at $HERE/NAME, its process id in $WORK/server.NAME.
serve() {
	local -A commands=([echo]=cat [sum]=sha256sum [quiet]='sleep 1000' )
	"${as_user[@]}" "$PEER" listen "$HERE/$1" sh -c "exec ${commands[$1]}" >/dev/null 2>&1 3>&- &
	echo $! >"$WORK/server.$1"
	await test -S "$HERE/$1"
}
stop_serving() { kill -- -"$(cat "$WORK/server.$1")"; }

# box COMMAND...: in the container, with standard input.
box() { coracle exec -i box "$@"; }

# serve_inside PATH COMMAND: a server in the container.
serve_inside() {
	coracle exec -d box /run/peer listen "$1" sh -c "exec $2"
	await box test -S "$1"
}

@test "a socket of the host: echo, both half-closes, mode and owner, read-only, inspect" {
	[ "$(echo hello | box /run/peer connect /var/echo.sock)" = hello ]
	# The server sees the end of the input, and only then answers.
	[ "$(head -c 1000000 /dev/zero | box /run/peer connect /sum)" = "$(head -c 1000000 /dev/zero | sha256sum)" ]
	[ "$(box stat -c '%a %u %g %F' /var/echo.sock)" = "$(stat -c '%a %u %g %F' "$HERE/echo")" ]
	"${as_user[@]}" chmod 640 "$HERE/sum"
	coracle run --rm -v "$HERE/sum:/sum" busybox stat -c %a /sum >"$WORK/mode"
	[ "$(cat "$WORK/mode")" = 640 ]
	"${as_user[@]}" chmod 755 "$HERE/sum"
	coracle inspect box | jq -e --arg here "$HERE" '.[0] | .Mounts[0].Source == $here + "/echo" and .Mounts[0].Destination == "/var/echo.sock"
		and .Mounts[0].RW and .Mounts[1].RW == false and .PublishedSockets[0] == {Host: ($here + "/out"), Container: "/run/out.sock"}'
}

@test "two hundred connections at once, both ways" {
	[ "$(box /run/peer many /var/echo.sock 200)" = "200 echoes" ]
	serve_inside /run/out.sock cat
	[ "$("$PEER" many "$HERE/out" 200)" = "200 echoes" ]
}

@test "a hundred megabytes each way arrive as they were" {
	local sum count=1600
	[[ -z ${AS_USER-} ]] || count=16
	sum=$(head -c $((count * 65536)) /dev/zero | sha256sum)
	[ "$(box sh -c "dd if=/dev/zero bs=64k count=$count 2>/dev/null | /run/peer connect /sum")" = "$sum" ]
	serve_inside /run/out.sock "dd if=/dev/zero bs=64k count=$count"
	[ "$("$PEER" connect "$HERE/out" </dev/null | sha256sum)" = "$sum" ]
}

@test "who does not read slows himself alone, and memory does not grow" {
	local shim before after
	shim=$(shim_of box)
	before=$(awk '/VmRSS/ { print $2 }' "/proc/$shim/status")
	for i in 1 2 3 4; do coracle exec -d box sh -c 'dd if=/dev/zero bs=64k | /run/peer connect /quiet'; done
	for i in 1 2 3; do [ "$(echo "$i" | box /run/peer connect /var/echo.sock)" = "$i" ]; done
	after=$(awk '/VmRSS/ { print $2 }' "/proc/$shim/status")
	[ $((after - before)) -lt 8192 ]
	box killall peer
}

@test "a server of the host that is gone ends a connection at once, and is found again when it is back" {
	stop_serving echo
	run box /run/peer connect /var/echo.sock </dev/null
	[ -z "$output" ]
	rm "$HERE/echo"
	run box /run/peer connect /var/echo.sock </dev/null
	[ -z "$output" ]
	# What lies there now is not what the user named: nothing is connected to it.
	"${as_user[@]}" mkdir "$HERE/echo"
	run box /run/peer connect /var/echo.sock </dev/null
	[ -z "$output" ]
	rmdir "$HERE/echo"
	serve echo
	[ "$(echo again | box /run/peer connect /var/echo.sock)" = again ]
}

@test "a published socket: mode, half-closes, no server, no way out of the container" {
	[ "$(stat -c '%a %u' "$HERE/out")" = "600 ${AS_USER-0}" ]
	box killall peer || true
	run "$PEER" connect "$HERE/out" </dev/null
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	serve_inside /run/out.sock 'wc -c'
	[ "$(head -c 300000 /dev/zero | "$PEER" connect "$HERE/out")" = 300000 ]
	# Links mean what they mean inside, however far up they go.
	coracle rm -f links >/dev/null 2>&1 || true
	coracle run -d --name links --publish-socket "$HERE/far:/out/s" busybox sleep 1000
	coracle exec -i links sh -c 'cat >/peer; chmod 755 /peer; mkdir /run; ln -s ../../../../../run /out' <"$PEER"
	coracle exec -d links /peer listen /run/s echo inside
	await coracle exec links test -S /run/s
	[ "$("$PEER" connect "$HERE/far" </dev/null)" = inside ]
	coracle rm -f links
	[ ! -e "$HERE/far" ]
}

@test "what is at the place of a published socket already is left alone; nothing stays of one whose shim was killed" {
	"${as_user[@]}" touch "$HERE/taken"
	run -125 coracle run --rm --publish-socket "$HERE/taken:/x" busybox true
	[[ $output == *"taken': something is there already"* ]]
	run -125 coracle run --rm --publish-socket "$HERE/out:/x" busybox true
	[[ $output == *"something is there already"* ]]
	coracle run -d --name killed --publish-socket "$HERE/stale:/x" -v "$HERE/echo:/e" busybox sleep 1000
	kill -9 "$(shim_of killed)"
	await_gone() { ! vmm_of killed; }
	await await_gone
	# Recorded as dead, and swept with that; or replaced.
	[ "$(coracle inspect killed | jq -r '.[0].State.ExitCode')" = 137 ]
	[ ! -e "$HERE/stale" ]
	coracle start killed
	[ -S "$HERE/stale" ]
	kill -9 "$(vmm_of killed)"
	[ "$(coracle wait killed)" = 137 ]
	[ ! -e "$HERE/stale" ]
	coracle start killed
	coracle stop -t 0 killed
	[ ! -e "$HERE/stale" ]
	"${as_user[@]}" "$PEER" listen "$HERE/stale" cat >/dev/null 2>&1 3>&- &
	await test -S "$HERE/stale"
	kill -- -$!
	coracle start killed
	coracle rm -f killed
	[ ! -e "$HERE/stale" ]
}

@test "--ssh forwards the agent of each start to the container's user" {
	ssh-keygen -q -t ed25519 -N '' -C "key of the test" -f "$HERE/key"
	chown "${AS_USER-0}" "$HERE/key"
	eval "$("${as_user[@]}" ssh-agent -a "$HERE/agent" 3>&-)"
	echo "$SSH_AGENT_PID" >"$WORK/server.agent"
	"${as_user[@]}" env SSH_AUTH_SOCK="$SSH_AUTH_SOCK" ssh-add -q "$HERE/key"
	coracle run -d --name agent --ssh -u 65534 busybox sleep 1000
	tar ch -C / usr/bin/ssh-add $(ldd /usr/bin/ssh-add | grep -o '/[^ ]*' | sed 's|^/||') | coracle exec -i -u 0 agent tar x -C /
	[[ $(coracle exec agent ssh-add -l) == *"key of the test"* ]]
	[ "$(coracle exec agent sh -c 'stat -c "%a %u" $SSH_AUTH_SOCK')" = "600 65534" ]
	coracle stop -t 0 agent
	kill "$SSH_AGENT_PID"
	await test ! -e "$HERE/agent"
	run -1 coracle start agent
	[[ $output == *"no agent is at '$HERE/agent'"* ]]
	SSH_AUTH_SOCK='' run -1 coracle start agent
	[[ $output == *"SSH_AUTH_SOCK is not set"* ]]
	eval "$("${as_user[@]}" ssh-agent -a "$HERE/other" 3>&-)"
	echo "$SSH_AGENT_PID" >"$WORK/server.agent"
	coracle start agent
	run coracle exec agent ssh-add -l
	[[ $output == *"no identities"* ]]
	coracle rm -f agent
}
