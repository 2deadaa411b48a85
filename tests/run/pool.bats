# Machines that wait for a container, and are claimed by one.

bats_require_minimum_version 1.5.0

load ../lib

setup_file() {
	roots
	export CORACLE_TEMPLATES=on
	coracle run --rm busybox true
	await saved
	coracle system pool 2
	await ready 2
}

teardown_file() {
	coracle system pool 0
	nothing_left
}

saved() { [[ -n $(ls "$CORACLE_ROOT"/templates/*/template.json 2>/dev/null) ]]; }
# ready NUMBER: so many wait, and no more are on their way.
ready() { [ "$(coracle system pool --format json | jq -c '[.ready, .starting]')" = "[$1,0]" ]; }
from_pool() { [ "$(coracle inspect "$1" | jq '.[0].State.FromPool')" = true ]; }
sockets() { ls "$CORACLE_RUNTIME_DIR"/pool | grep -c '^[0-9a-f]\{16\}\.' || true; }
# The shims that wait, and their machines.
waiting() { pgrep -f "coracle-shim --ready --data $CORACLE_ROOT" || true; }

@test "the size is shown and set, and what is ready is counted" {
	coracle system pool | grep -E '^2 +2 +0 '
	[ "$(coracle system info --format json | jq '.pool.ready')" -eq 2 ]
	[ "$(coracle system info --format json | jq '.pool.memoryUsed')" -gt 10000000 ]
	run ! coracle system pool many
	run ! coracle system pool 65
	run ! coracle system pool -m 1k 2
	ready 2
}

@test "a claimed machine is the container's: streams, exit status, files, log, exec, stop, start" {
	await ready 2
	run -3 coracle run --name all -i -e WHO=me --hostname mine busybox sh -c 'cat; echo $WHO >/file; echo err >&2; hostname; exit 3' <<<in
	[ "$output" = "in
err
mine" ]
	from_pool all
	[ "$(coracle logs all 2>/dev/null)" = "in
mine" ]
	coracle rm all
	await ready 2
	coracle create --name again busybox sh -c 'echo x >>/file; cat /file; exit 4'
	coracle start again
	from_pool again
	[ "$(coracle wait again)" = 4 ]
	await ready 2
	run -4 coracle start -a again
	[ "$output" = "x
x" ]
	from_pool again
	coracle rm again
	await ready 2
	coracle run -d --name long busybox sleep 1000
	from_pool long
	[ "$(coracle exec long cat /proc/1/cmdline | tr '\0' ' ')" = "sleep 1000 " ]
	[ $(($(coracle exec long date +%s) - $(date +%s))) -ge -2 ]
	[ $(($(coracle exec long date +%s) - $(date +%s))) -le 2 ]
	# Nothing is left of what it did before.
	[ "$(coracle exec long ls /bin/rehearsal 2>&1 || true)" = "ls: /bin/rehearsal: No such file or directory" ]
	run coracle exec long sh -c 'dd if=/dev/zero of=/big bs=1M count=20 2>/dev/null && sync && rm /big && mount'
	[ "$status" -eq 0 ]
	[[ $output != *rehearsal* ]]
	# It is found by its id, as others are.
	[ -n "$(shim_of long)" ]
	coracle stop -t 0 long
	coracle rm long
}

@test "a replacement waits after each claim, and never more than wanted" {
	await ready 2
	local before after
	before=$(waiting | sort)
	coracle run --rm busybox true
	await ready 2
	after=$(waiting | sort)
	[ "$(sockets)" -eq 2 ]
	[ "$(comm -12 <(echo "$before") <(echo "$after") | wc -l)" -eq 1 ]
}

@test "claims at once get machines of their own" {
	await ready 2
	local i
	for i in 1 2 3 4; do
		coracle run --name "once$i" busybox cat /proc/sys/kernel/random/boot_id >"$WORK/once$i" &
	done
	wait
	[ "$(cat "$WORK"/once[1234] | sort -u | wc -l)" -eq 4 ]
	[ "$(for i in 1 2 3 4; do coracle inspect "once$i"; done | jq '.[0].State.FromPool' | grep -c true)" -eq 2 ]
	coracle rm once1 once2 once3 once4
}

@test "no two of them draw the same random bytes, boot ids or addresses" {
	local i
	for i in 1 2 3; do
		await ready 2
		coracle run --name "twin$i" busybox sh -c 'head -c 32 /dev/urandom | od -An -v -tx1 | tr -d " \n"; echo; cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid; grep stack /proc/self/maps | cut -d- -f1' >"$WORK/twin$i"
		from_pool "twin$i"
		coracle rm "twin$i"
	done
	for i in 1 2 3 4; do
		[ "$(cat "$WORK"/twin[123] | sed -n "$i~4p" | sort -u | wc -l)" -eq 3 ]
	done
}

@test "what no machine of the pool fits starts as ever" {
	await ready 2
	local options
	for options in --no-template --read-only "-m 300m" "-c 1" "-v /tmp:/mnt" "-v some:/mnt" "--kernel-arg quiet"; do
		# shellcheck disable=SC2086 # words
		coracle run --name other $options busybox true
		run ! from_pool other
		coracle rm other
	done
	CORACLE_TEMPLATES=off coracle run --name other busybox true
	run ! from_pool other
	coracle rm other
	coracle volume rm some
	ready 2
}

@test "one that has died is not claimed, and another takes its place" {
	await ready 2
	kill -KILL $(waiting)
	await eval '! pgrep -f "coracle-shim --ready --data $CORACLE_ROOT"'
	[ "$(coracle run --name after busybox echo well)" = well ]
	run ! from_pool after
	coracle rm after
	await ready 2
	[ "$(sockets)" -eq 2 ]
	# A shim whose machine has died goes by itself.
	local shim
	for shim in $(waiting); do
		kill -KILL $(pgrep -P "$shim" qemu)
	done
	await ready 0
	[ "$(sockets)" -eq 0 ]
	coracle run --rm busybox true
	await ready 2
}

@test "one that does not answer is passed over" {
	await ready 2
	local shims
	shims=$(waiting)
	kill -STOP $shims
	[ "$(coracle run --name frozen busybox echo well)" = well ]
	run ! from_pool frozen
	kill -CONT $shims
	coracle rm frozen
	await ready 2
}

@test "a claimed machine that dies before its container runs is replaced" {
	await ready 2
	local shim
	# A machine that stands still answers nothing.
	for shim in $(waiting); do
		kill -STOP $(pgrep -P "$shim" qemu)
	done
	coracle run --name stands busybox echo well >"$WORK/stands" &
	await pgrep -f "coracle-shim --ready .*--id $(await test -s "$CORACLE_ROOT"/names/stands && cat "$CORACLE_ROOT"/names/stands)"
	kill -KILL $(pgrep -P "$(shim_of_ready stands)" qemu)
	wait
	[ "$(cat "$WORK/stands")" = well ]
	run ! from_pool stands
	coracle rm stands
	coracle system pool 0
	coracle system pool 2
	await ready 2
}

shim_of_ready() { pgrep -o -f "coracle-shim --ready .*--id $(cat "$CORACLE_ROOT/names/$1")"; }

@test "another program or environment claims nothing that is not made for it" {
	await ready 2
	CORACLE_QEMU=$(command -v qemu-system-x86_64) coracle run --name else busybox true
	run ! from_pool else
	coracle rm else
}

@test "a machine of an init that is replaced is claimed no more, and goes" {
	coracle system pool 0
	cp "${CORACLE_INITRAMFS:-$top/build/src/init/initramfs.cpio}" "$WORK/init.cpio"
	export CORACLE_INITRAMFS=$WORK/init.cpio
	coracle system pool 1
	await ready 1
	coracle run --name before busybox true
	from_pool before
	await ready 1
	touch -d "1 hour ago" "$WORK/init.cpio"
	coracle run --name after busybox true
	run ! from_pool after
	await ready 1
	coracle run --name later busybox true
	from_pool later
	await ready 1
	# Nobody has to ask: it looks by itself.
	local old
	old=$(waiting)
	touch -d "2 hours ago" "$WORK/init.cpio"
	await eval '! kill -0 '"$old"
	await ready 1
	coracle rm before after later
	coracle system pool 0
	unset CORACLE_INITRAMFS
	coracle system pool 2
	await ready 2
}

@test "0 drains it; prune ends what waits, and it comes again" {
	coracle system pool 0
	ready 0
	[ -z "$(waiting)" ]
	[ "$(ls "$CORACLE_RUNTIME_DIR"/pool | grep -vc 'log\|slot')" -eq 0 ]
	coracle run --name none busybox true
	run ! from_pool none
	coracle rm none
	coracle system pool 1
	await ready 1
	coracle system pool 2
	await ready 2
	coracle system pool 1
	await ready 1
	coracle system prune -f
	coracle run --rm busybox true
	await ready 1
	coracle system pool 2
	await ready 2
}

@test "an ordinary user has a pool too" {
	become_user 1234
	export CORACLE_TEMPLATES=on
	coracle run --rm busybox true
	await saved
	coracle system pool 1
	await ready 1
	[ "$(coracle run --name mine busybox id -u)" = 0 ]
	from_pool mine
	coracle rm mine
	coracle system pool 0
	ready 0
}
