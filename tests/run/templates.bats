# Machines that go on where a saved one stood.

bats_require_minimum_version 1.5.0

load ../lib

setup_file() {
	roots
	export CORACLE_TEMPLATES=on
	coracle run --rm busybox true
	await saved
}
teardown_file() { nothing_left; }

# saved [NUMBER]: so many shapes are.
saved() { [[ $(ls "$CORACLE_ROOT"/templates/*/template.json 2>/dev/null | wc -l) -eq ${1-1} ]]; }
from_template() { [ "$(coracle inspect "$1" | jq '.[0].State.FromTemplate')" = true ]; }

@test "the first start of a shape boots and has it saved; the second goes on from that" {
	coracle run --name second busybox true
	from_template second
	coracle run --name booted --no-template busybox true
	run ! from_template booted
	CORACLE_TEMPLATES=off coracle run --name off busybox true
	run ! from_template off
	coracle rm second booted off
}

@test "what a container sees is its own: disk, name, time, memory" {
	coracle run -d --name own --hostname mine -e WHO=me --tmpfs /scratch busybox sh -c 'echo $WHO >/file; sleep 1000'
	from_template own
	[ "$(coracle exec own hostname)" = mine ]
	await coracle exec own grep -qx me /file
	coracle exec own sh -c 'echo x >/scratch/x'
	[ $(($(coracle exec own date +%s) - $(date +%s))) -ge -2 ]
	[ $(($(coracle exec own date +%s) - $(date +%s))) -le 2 ]
	coracle stop -t 0 own
	coracle start own
	from_template own
	await coracle exec own grep -qx me /file
	coracle rm -f own
}

@test "no two of them draw the same random bytes, boot ids or addresses" {
	local i
	for i in 1 2 3; do
		coracle run --name "twin$i" busybox sh -c 'head -c 32 /dev/urandom | od -An -v -tx1 | tr -d " \n"; echo; cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid; grep stack /proc/self/maps | cut -d- -f1' >"$WORK/twin$i"
		from_template "twin$i"
		coracle rm "twin$i"
	done
	for i in 1 2 3 4; do
		[ "$(cat "$WORK"/twin[123] | sed -n "$i~4p" | sort -u | wc -l)" -eq 3 ]
	done
}

@test "a machine cannot change what others begin from" {
	local before
	before=$(sha256sum "$CORACLE_ROOT"/templates/*/memory)
	coracle run -d --name first --privileged busybox sleep 1000
	from_template first
	# It writes all of its memory, and holds what others begin from.
	coracle exec first sh -c 'dd if=/dev/zero of=/dev/shm/x bs=1M count=400 2>/dev/null; rm /dev/shm/x'
	coracle run --name next busybox echo well >"$WORK/next"
	from_template next
	[ "$(cat "$WORK/next")" = well ]
	[ "$(sha256sum "$CORACLE_ROOT"/templates/*/memory)" = "$before" ]
	# Nor can its VMM: the only descriptor it has refuses.
	local vmm fd found=0
	vmm=$(vmm_of first)
	for fd in /proc/"$vmm"/fd/*; do
		[[ $(readlink "$fd") == /memfd:coracle-* ]] || continue
		found=1
		run ! sh -c "printf x 1<>'$fd'"
		run ! fallocate --punch-hole --offset 0 --length 4096 "$fd"
	done
	[ "$found" = 1 ]
	coracle rm -f first next
}

@test "those that run at once share their memory, also when the first of them is gone" {
	coracle run -d --name a busybox sleep 1000
	coracle run -d --name b busybox sleep 1000
	coracle rm -f a
	coracle run -d --name c busybox sleep 1000
	local inodes
	inodes=$(for one in b c; do stat -L -c %i $(for fd in /proc/"$(vmm_of $one)"/fd/*; do [[ $(readlink "$fd") == /memfd:coracle-* ]] && echo "$fd"; done); done | sort -u | wc -l)
	[ "$inodes" -eq 1 ]
	coracle rm -f b c
	await eval '[ -z "$(ls "$CORACLE_RUNTIME_DIR"/memory/*/)" ]'
}

@test "a template that was damaged is noticed, removed and made anew" {
	local template
	template=$(echo "$CORACLE_ROOT"/templates/*)
	printf x | dd of="$template/state" bs=1 seek=1000 conv=notrunc status=none
	coracle run --name cold busybox true
	run ! from_template cold
	await saved
	# What looks right and is not does not go on, and the start goes on cold.
	jq -c --arg digest "sha256:$(head -c 4096 /dev/zero | sha256sum | cut -d' ' -f1)" '.stateDigest = $digest' "$CORACLE_ROOT"/templates/*/template.json >"$WORK/json"
	head -c 4096 /dev/zero >"$(echo "$CORACLE_ROOT"/templates/*)/state"
	cat "$WORK/json" >"$(echo "$CORACLE_ROOT"/templates/*)/template.json"
	[ "$(coracle run --name wrong busybox echo cold)" = cold ]
	run ! from_template wrong
	coracle rm cold wrong
	coracle run --rm busybox true
	await saved
}

@test "a read-only root and a volume make shapes of their own" {
	coracle run --rm --read-only busybox true
	await saved 2
	coracle run --name fixed --read-only busybox sh -c '! touch /x && ! mount -o remount,rw / && echo fixed' >"$WORK/fixed"
	from_template fixed
	[ "$(cat "$WORK/fixed")" = fixed ]
	coracle run --rm -v kept:/data busybox sh -c 'echo kept >/data/file'
	await saved 3
	coracle run --name writes -v kept:/data busybox sh -c 'cat /data/file; echo more >>/data/file' >"$WORK/writes"
	from_template writes
	[ "$(cat "$WORK/writes")" = kept ]
	coracle run --rm -v kept:/data:ro busybox true
	await saved 4
	coracle run --name reads -v kept:/data:ro busybox sh -c 'cat /data/file; ! touch /data/x' >"$WORK/reads"
	from_template reads
	[ "$(cat "$WORK/reads")" = "kept
more" ]
	coracle rm fixed writes reads
	coracle volume rm kept
	rm -rf "$CORACLE_ROOT"/templates
	coracle run --rm busybox true
	await saved
}

@test "check looks at a template's memory; prune removes it" {
	[ "$(coracle system check)" = "" ] || coracle system check
	printf x | dd of="$(echo "$CORACLE_ROOT"/templates/*)/memory" bs=1 seek=16777216 conv=notrunc status=none
	run coracle system check
	[[ $output == *template* ]]
	coracle system check --repair >/dev/null || true
	run ! saved
	coracle run --rm busybox true
	await saved
	coracle system df | grep -q Templates
	coracle system prune -f
	run ! saved
}

@test "a maker that is killed leaves nothing that hinders the next" {
	local killed=0
	for i in 1 2 3; do
		rm -rf "$CORACLE_ROOT"/templates
		coracle run --rm busybox true
		for ((tries = 0; tries < 50; tries++)); do
			maker=$(pgrep -f -- "--save .*--data $CORACLE_ROOT") && break
			sleep 0.02
		done
		sleep "0.$i"
		if kill -KILL "$maker"; then killed=$((killed + 1)); fi
	done
	[ "$killed" -gt 0 ]
	rm -rf "$CORACLE_ROOT"/templates
	coracle run --rm busybox true
	await saved
	coracle run --name after busybox true
	from_template after
	coracle rm after
}

@test "an ordinary user's machines are saved too" {
	become_user 1234
	export CORACLE_TEMPLATES=on
	coracle run --rm busybox true
	await saved
	coracle run --name mine busybox true
	from_template mine
	nothing_left_of_user
}

nothing_left_of_user() {
	coracle rm -f mine
	[ -z "$(coracle ls -aq)" ]
}

@test "a trace of a start names the critical path, and holds it without gaps" {
	coracle run --rm --trace "$WORK/trace" busybox true
	jq -e '[.traceEvents[] | select(.ph == "M" and .name == "thread_name") | .args.name] == ["critical path", "coracle", "shim", "VMM", "guest"]' "$WORK/trace"
	jq -e '[.traceEvents[] | select(.ph == "X" and .tid == 0)] | .[0].ts == 0 and ([range(1; length) as $i | (.[$i].ts - .[$i - 1].ts - .[$i - 1].dur) | fabs < 0.01] | all)' "$WORK/trace"
	local stage
	for stage in "VMM started from a saved machine" "guest answered" "process ended" "end heard"; do
		jq -e --arg stage "$stage" '[.traceEvents[] | select(.ph == "X" and .tid == 0) | .name] | index($stage)' "$WORK/trace"
	done
}

# count HOW [WHY]: how many `system info` tells of.
count() { coracle system info --format json | jq --arg how "$1" --arg why "${2-}" '.starts[$how] | if type == "object" then .[$why] else . end // 0'; }

@test "system info counts what was restored and what booted, and why" {
	local restored booted own
	restored=$(count restored)
	booted=$(count booted "saved machines are turned off")
	own=$(count booted "a kernel, an init or arguments of its own")
	coracle run --rm busybox true
	await eval '[ "$(count restored)" -eq $((restored + 1)) ]'
	coracle run --rm --no-template busybox true
	await eval '[ "$(count booted "saved machines are turned off")" -eq $((booted + 1)) ]'
	run -3 coracle run --rm --kernel-arg quiet busybox sh -c 'exit 3'
	await eval '[ "$(count booted "a kernel, an init or arguments of its own")" -eq $((own + 1)) ]'
	[ "$(count restored)" -eq $((restored + 1)) ]
}

@test "rules for devices and limits hold in a group that was made early, and a privileged container has none" {
	coracle run -d --name ruled --cpus 1.5 busybox sleep 1000
	from_template ruled
	[ "$(coracle exec ruled cat /sys/fs/cgroup/cpu.max /proc/self/cgroup)" = "150000 100000
0::/" ]
	coracle exec ruled sh -c 'mknod /disk b 254 0 && head -c 1 /dev/zero >/dev/null'
	run ! coracle exec ruled head -c 1 /disk
	coracle run --name free --privileged busybox sh -c 'mknod /disk b 254 0 && head -c 1 /disk >/dev/null && echo read' >"$WORK/free"
	from_template free
	[ "$(cat "$WORK/free")" = read ]
	coracle rm -f ruled free
}
