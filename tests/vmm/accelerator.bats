# Which accelerator is taken, and what becomes of a machine that is of no use under the one that was.
bats_require_minimum_version 1.5.0

setup_file() {
	load ../lib
	roots
	coracle system info >/dev/null
	measured=$(jq -c . "$CORACLE_RUNTIME_DIR/accelerator.json")
	export measured
}
teardown_file() {
	load ../lib
	nothing_left
}
setup() {
	load ../lib
	echo "$measured" >"$CORACLE_RUNTIME_DIR/accelerator.json"
}

usable() { jq -e .kvm <<<"$measured" >/dev/null; }
# told_usable: as if KVM had been measured here and found well.
told_usable() {
	jq '.kvm = true | .reason = "told so"' <<<"$measured" >"$CORACLE_RUNTIME_DIR/accelerator.json"
	export CORACLE_QEMU=${CORACLE_BUILD:-$top/build}/tests/hostile/hostile-qemu
}
shim_log() { cat "$CORACLE_ROOT/containers/$(cat "$CORACLE_ROOT/names/$1")/shim.log"; }

@test "what is measured is what is told and what is taken" {
	if usable; then wanted=kvm; else wanted=tcg; fi
	[ "$(coracle system info --format json | jq -r .accelerator.name)" = $wanted ]
	[ -n "$(coracle system info --format json | jq -r .accelerator.reason)" ]
	coracle run -d --name measured busybox sleep 1000
	tr '\0' '\n' <"/proc/$(vmm_of measured)/cmdline" | grep -A1 -x -e -accel | grep -q "^$wanted"
	coracle rm -f measured
}

@test "KVM that was asked for where it is of no use: an error that says why and what to do" {
	if usable; then skip "KVM is usable here"; fi
	run coracle run --rm --accel kvm busybox true
	[ "$status" -eq 125 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *"no usable KVM"*"$(jq -r .reason <<<"$measured")"*"--accel tcg"* ]]
}

@test "a machine that is silent under KVM goes on under TCG, which is told and remembered" {
	told_usable
	[ "$(timeout 60 "$CORACLE" run --name silent --kernel-arg hostile=kvm-deaf busybox echo hi)" = hi ]
	[ "$(shim_log silent | grep -c "going on with TCG")" -eq 1 ]
	[ "$(jq '.failed | length' "$CORACLE_RUNTIME_DIR/accelerator.json")" -eq 1 ]
	# The next one is not tried any more.
	[ "$(timeout 60 "$CORACLE" start -a silent)" = hi ]
	[ "$(shim_log silent | grep -c "going on with TCG")" -eq 0 ]
	[[ $(coracle system info --format json | jq -r '.accelerator.name + " " + .accelerator.reason') == "tcg "*"did not answer"* ]]
	coracle rm silent
}

@test "a machine that is killed before it answers is not started again, and KVM keeps its good name" {
	told_usable
	"$CORACLE" run --name killed --kernel-arg hostile=kvm-deaf busybox echo hi >"$WORK/killed" 2>&1 3>&- &
	command=$!
	await vmm_of killed
	kill -KILL "$(vmm_of killed)"
	status=0
	wait $command || status=$?
	[ "$status" -eq 125 ]
	[ "$(shim_log killed | grep -c "going on with TCG")" -eq 0 ]
	[ "$(jq '.failed | length' "$CORACLE_RUNTIME_DIR/accelerator.json")" -eq 0 ]
	coracle rm killed
}

@test "a machine that ends under TCG as well was not KVM's fault" {
	told_usable
	run timeout 60 "$CORACLE" run --rm --memory 9000g --kernel-arg hostile=kvm-gone busybox echo hi
	[ "$status" -eq 125 ]
	[ "$(jq '.failed | length' "$CORACLE_RUNTIME_DIR/accelerator.json")" -eq 0 ]
}

@test "a machine that ends at once under KVM goes on under TCG, unless KVM was asked for" {
	told_usable
	[ "$(timeout 60 "$CORACLE" run --rm --kernel-arg hostile=kvm-gone busybox echo hi)" = hi ]
	told_usable
	run timeout 60 "$CORACLE" run --rm --accel kvm --kernel-arg hostile=kvm-gone busybox echo hi
	[ "$status" -eq 125 ]
	[[ $output == *"failed to initialize kvm"* ]]
	[ "$(jq '.failed | length' "$CORACLE_RUNTIME_DIR/accelerator.json")" -eq 0 ]
}
