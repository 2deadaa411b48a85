# What machines take of the host's memory, and give back.

bats_require_minimum_version 1.5.0

load ../lib

setup_file() {
	roots
	export CORACLE_TEMPLATES=on
	coracle run --rm busybox true
	await saved
}
teardown_file() { nothing_left; }

saved() { ls "$CORACLE_ROOT"/templates/*/template.json >/dev/null; }
from_template() { [ "$(coracle inspect "$1" | jq '.[0].State.FromTemplate')" = true ]; }
# resident NAME: MiB of the host's that its VMM has for itself.
resident() { awk '/^Private_(Clean|Dirty):/ { sum += $2 } END { print int(sum / 1024) }' "/proc/$(vmm_of "$1")/smaps_rollup"; }
above() { [ "$(resident "$1")" -gt "$2" ]; }
below() { [ "$(resident "$1")" -lt "$2" ]; }

# The shared memory that VMMs hold, as it is and not as a machine sees it.
shared_digest() {
	local fd
	for fd in /proc/"$(vmm_of "$1")"/fd/*; do
		if [[ $(readlink "$fd") == /memfd:coracle-* ]]; then
			sha256sum <"$fd"
			return
		fi
	done
	return 1
}

# gives_back NAME [TIMES]
gives_back() {
	local idle
	idle=$(resident "$1")
	for _ in $(seq "${2-1}"); do
		coracle exec "$1" dd if=/dev/zero of=/dev/shm/x bs=1M count=512 2>/dev/null
		above "$1" 512
		coracle exec "$1" rm /dev/shm/x
		await below "$1" $((idle + 128))
	done
}

@test "what a guest frees goes back to the host: of a machine that booted, and of one that shares its memory" {
	coracle run -d --name booted --no-template --shm-size 600m busybox sleep 1000
	gives_back booted
	coracle rm -f booted
	coracle run -d --name restored --shm-size 600m busybox sleep 1000
	from_template restored
	# Pages that came back are used again.
	gives_back restored 2
	coracle rm -f restored
}

@test "what goes back is none of what others begin from" {
	local file before
	file=$(sha256sum "$CORACLE_ROOT"/templates/*/memory)
	coracle run -d --name other busybox sleep 1000
	coracle run -d --name first --shm-size 600m busybox sleep 1000
	before=$(shared_digest first)
	gives_back first
	[ "$(shared_digest first)" = "$before" ]
	[ "$(shared_digest other)" = "$before" ]
	[ "$(sha256sum "$CORACLE_ROOT"/templates/*/memory)" = "$file" ]
	coracle exec other true
	coracle run --name next busybox echo well >"$WORK/next"
	from_template next
	[ "$(cat "$WORK/next")" = well ]
	# Nor did its VMM complain.
	! grep -i discard "$CORACLE_ROOT/containers/$(cat "$CORACLE_ROOT/names/first")/shim.log"
	coracle rm -f first other next
}

@test "--memory is a limit and no reservation" {
	coracle run -d --name roomy --memory 4g busybox sleep 1000
	coracle exec roomy true
	below roomy 300
	coracle rm -f roomy
}

@test "stats tells what a machine costs in truth: with what is shared divided, and the processes beside it" {
	local name
	for name in one two; do coracle run -d --name "$name" busybox sleep 1000; done
	[ "$(coracle stats --format json | jq -c '[.[].Name] | sort')" = '["one","two"]' ]
	# Of its VMM alone, and all that it has mapped.
	local vmm
	vmm=$(awk '/^Pss:/ { print $2 * 1024 }' "/proc/$(vmm_of one)/smaps_rollup")
	local told
	told=$(coracle stats --format json one)
	echo "$told"
	jq -e --argjson vmm "$vmm" '.[0] | .HostMemory > $vmm * 0.9 and .HostMemory < $vmm * 1.5 and .HostPrivateMemory < .HostMemory and .HostCPUNanoseconds > 0' <<<"$told"
	jq -e '.[0] | .Memory > 0 and .Memory < .MemoryLimit and .PIDs == "1"' <<<"$told"
	coracle rm -f one two
	[ "$(coracle stats --no-stream one 2>&1)" = "coracle: there is no container 'one'" ]
}
