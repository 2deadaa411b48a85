# Pulls that are interrupted, and taken up again.

bats_require_minimum_version 1.5.0
load registry

STOP=8000000

setup_file() {
	registry_roots
	registry plain
	front front "$(address plain)"
	put large "$(address plain)/large:1"
	skopeo inspect --raw --tls-verify=false "docker://$(address plain)/large:1" | jq -r '.layers[1] | "\(.digest) \(.size)"' >"$WORK/large"
}

teardown_file() { end_all; }

setup() {
	front=$(address front)
	read -r layer size <"$WORK/large"
	forget front
	close_gate front
	rules front "[{\"path\": \"$layer\", \"stop_after\": $STOP}]"
}

teardown() { no_images; }

# interrupted SIGNAL: a pull of the large image, which is at the large layer's first bytes; sets status.
interrupted() {
	# What a shell starts beside itself does not hear a ctrl-C, unless it is told to.
	env --default-signal=INT "$CORACLE" pull -q "$front/large:1" >"$WORK/said" 2>&1 3>&- &
	local pull=$!
	await at_least front .stopped 1
	# All that was sent has arrived, and is on the disk of parts.
	await arrived
	kill "-$1" $pull
	status=0
	wait $pull || status=$?
	await at_least front ".sent == $STOP and (.stopped | not)" 1
	rules front '[]'
	forget front
}
arrived() { (($(stat -c %s "$(part)") >= STOP)); }
# part: where the large layer grows.
part() { echo "$CORACLE_ROOT/images/partial/${layer#sha256:}"; }

# only_the_rest: of the large layer was fetched what was missing, all of it once.
only_the_rest() {
	log front ".path | contains(\"$layer\")"
	[ "$(count front ".path | contains(\"$layer\")")" -eq 1 ]
	[ "$(log front ".path | contains(\"$layer\")" | jq -r .headers.range)" = "bytes=$STOP-$((size - 1))" ]
	[ "$(log front ".path | contains(\"$layer\")" | jq -r .sent)" -eq $((size - STOP)) ]
}

@test "killed in mid-layer: nothing is visible, and the next pull fetches the rest" {
	interrupted KILL
	[ -z "$(coracle image ls -q)" ]
	in_order
	coracle system df
	coracle pull -q "$front/large:1"
	only_the_rest
	in_order
	[ -z "$(ls "$CORACLE_ROOT/images/partial")" ]
}

@test "ctrl-C in mid-layer leaves a part and no lock" {
	interrupted INT
	cat "$WORK/said"
	[ "$status" -eq 130 ]
	[ -z "$(coracle image ls -q)" ]
	in_order
	coracle pull -q "$front/large:1"
	only_the_rest
	in_order
}

@test "SIGTERM is like ctrl-C" {
	interrupted TERM
	[ "$status" -eq 143 ]
	coracle pull -q "$front/large:1"
	only_the_rest
}

@test "a line that breaks in mid-layer is taken up where it broke, by the same pull" {
	rules front "[{\"path\": \"$layer\", \"reset_after\": $STOP, \"times\": 2}]"
	coracle pull -q "$front/large:1"
	[ "$(count front ".path | contains(\"$layer\")")" -eq 3 ]
	ranges=$(log front ".path | contains(\"$layer\")" | jq -r '.headers.range // ""')
	echo "$ranges"
	[[ $ranges =~ ^$'\n'bytes=[1-9][0-9]*-[0-9]*$'\n'bytes=[1-9][0-9]*-[0-9]*$ ]]
	# Each takes up later than the one before.
	sort -c -t= -k2n <<<"$ranges"
	in_order
}

@test "a registry without ranges sends all again" {
	interrupted KILL
	rules front '[{"unranged": true}]'
	coracle pull -q "$front/large:1"
	in_order
}

@test "a part that is not what it should be is found out, and does not stand in the way for ever" {
	interrupted KILL
	printf 'x' | dd of="$(part)" bs=1 seek=5000 conv=notrunc status=none
	coracle pull -q "$front/large:1" || coracle pull -q "$front/large:1"
	in_order
}

@test "a part that is too long is not believed either" {
	interrupted KILL
	truncate -s 100M "$(part)"
	coracle pull -q "$front/large:1" || coracle pull -q "$front/large:1"
	in_order
}

@test "prune takes parts that nobody works on" {
	interrupted KILL
	coracle image prune -f
	[ ! -e "$(part)" ]
	in_order
}

@test "prune, check and df beside a pull that goes on harm it not" {
	"$CORACLE" pull -q "$front/large:1" >&2 3>&- &
	pull=$!
	await at_least front .stopped 1
	await arrived
	coracle image prune -a -f
	coracle system df
	in_order
	[ -z "$(coracle image ls -q)" ]
	open_gate front
	wait $pull
	[ "$(count front "(.path | contains(\"$layer\")) and (.stopped | not)")" -eq 1 ]
	in_order
}

@test "whoever waits for another pull's layer takes over when that is killed" {
	"$CORACLE" pull -q "$front/large:1" >/dev/null 2>&1 3>&- &
	first=$!
	await at_least front .stopped 1
	await arrived
	"$CORACLE" pull -q "$front/large:1" >&2 3>&- &
	second=$!
	await at_least front '.path | contains("/manifests/")' 2
	kill -KILL $first
	wait $first || true
	await at_least front ".sent == $STOP and (.stopped | not)" 1
	open_gate front
	wait $second
	[ "$(jq -s 'map(select(.stopped | not) | select(.path | contains("'"$layer"'")) | .sent) | add' "$WORK/front/log.jsonl")" -eq "$size" ]
	in_order
}

@test "what has come is unpacked while the rest is on its way" {
	"$CORACLE" pull -q "$front/large:1" >&2 3>&- &
	pull=$!
	await at_least front .stopped 1
	# The new disk grows although the layer is not here to its end.
	await unpacked
	[ -z "$(coracle image ls -q)" ]
	open_gate front
	wait $pull
	in_order
}
unpacked() { (($(du -sm "$CORACLE_ROOT/images/tmp" | cut -f1) >= 8)); }
