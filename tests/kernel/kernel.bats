# The guest's kernel keeps what it promises: it is booted with a probe as its first process, and each line of the probe is held against a verdict.

bats_require_minimum_version 1.5.0

setup_file() {
	top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	export WORK
	WORK=$(mktemp -d)
	"$top/kernel/build.sh" >"$WORK/kernel"
	gcc -D_GNU_SOURCE -O1 -static -o "$WORK/init" "$BATS_TEST_DIRNAME/probe_features.c"
	(cd "$WORK" && echo init | cpio --quiet -o -H newc >initramfs)
}

teardown_file() {
	rm -rf "$WORK"
}

# boot WORD...: the words go to the kernel's command line.
boot() {
	local khz
	khz=$(awk '/^cpu MHz/ { printf "%d", $4 * 1000; exit }' /proc/cpuinfo)
	exec qemu-system-x86_64 -machine microvm,acpi=off,isa-serial=on -accel tcg -cpu max -m 256 -no-reboot -nodefaults \
		-no-user-config -display none -serial stdio -kernel "$(cat "$WORK/kernel")" -initrd "$WORK/initramfs" \
		-append "console=ttyS0 loglevel=3 panic=-1 reboot=t acpi=off lpj=1500000 no_timer_check apic_timer_khz=1000000 tsc=reliable tsc_early_khz=$khz $*"
}

@test "every promised feature works in the guest" {
	timeout 60 bash -c "$(declare -f boot); boot" </dev/null | tr -d '\r' | tee "$WORK/lines"
	[ "$(grep -c '^ok ' "$WORK/lines")" -ge 30 ]
	run ! grep '^not ok' "$WORK/lines"
	grep -qx done "$WORK/lines"
}

@test "an idle guest takes at most 1 % of a core" {
	(boot rest) </dev/null >"$WORK/console" 2>&1 &
	pid=$!
	for _ in $(seq 300); do
		grep -q done "$WORK/console" && break
		sleep 0.1
	done
	grep -q done "$WORK/console"
	sleep 5 # the guest settles: its first housekeeping is not idling
	ticks() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
	before=$(ticks)
	sleep 20
	used=$(($(ticks) - before))
	kill -KILL "$pid"
	wait "$pid" || true
	echo "$used ticks of $((20 * $(getconf CLK_TCK))) in 20 seconds"
	[ "$used" -le $((20 * $(getconf CLK_TCK) / 100)) ]
}

@test "the kernel is cached: asking again builds nothing" {
	run "$BATS_TEST_DIRNAME/../../kernel/build.sh"
	[ "$status" -eq 0 ]
	[ "$output" = "$(cat "$WORK/kernel")" ]
}
