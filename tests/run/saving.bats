# What can go wrong while a machine is saved, and since it was.

bats_require_minimum_version 1.5.0

load ../lib

setup_file() {
	roots
	export CORACLE_TEMPLATES=on
}
teardown_file() { nothing_left; }

saved() { [[ $(ls "$CORACLE_ROOT"/templates/*/template.json 2>/dev/null | wc -l) -eq ${1-1} ]]; }
makers() { pgrep -f -- "--save .*--data $CORACLE_ROOT"; }
no_makers() { [[ -z $(makers) ]]; }
from_template() { [ "$(coracle inspect "$1" | jq '.[0].State.FromTemplate')" = true ]; }

@test "two that are first at once: both start, one machine is saved" {
	coracle run --rm busybox echo one >"$WORK/one" 3>&- &
	local first=$!
	coracle run --rm busybox echo two >"$WORK/two"
	wait $first
	[ "$(cat "$WORK/one" "$WORK/two")" = "one
two" ]
	await saved
	await no_makers
	saved
	[ "$(ls "$CORACLE_ROOT/templates" | wc -l)" -eq 1 ]
}

@test "no room to save it: containers start as ever, and nothing of it stays" {
	mkdir "$WORK/small"
	mount -t tmpfs -o size=16m none "$WORK/small"
	run env CORACLE_ROOT="$WORK/small/data" sh -c "$CORACLE image load -q -i $top/build/test-images/busybox.tar && $CORACLE run --rm busybox echo one"
	[[ $output == *one ]]
	CORACLE_ROOT=$WORK/small/data await no_makers
	[ -z "$(ls "$WORK/small/data/templates")" ]
	run env CORACLE_ROOT="$WORK/small/data" "$CORACLE" run --rm busybox echo two
	[[ $output == two ]]
	CORACLE_ROOT=$WORK/small/data await no_makers
	await none
	umount "$WORK/small"
	rmdir "$WORK/small"
}

@test "another init than the one that was saved: it boots, and is saved anew" {
	local before
	before=$(ls "$CORACLE_ROOT/templates")
	cp "$top/build/src/init/initramfs.cpio" "$WORK/initramfs"
	export CORACLE_INITRAMFS=$WORK/initramfs
	coracle run --name other busybox true
	run ! from_template other
	await no_makers
	[ "$(ls "$CORACLE_ROOT/templates" | wc -l)" -eq 1 ]
	[ "$(ls "$CORACLE_ROOT/templates")" != "$before" ]
	coracle run --name again busybox true
	from_template again
	# The old one is gone: who has the old init boots, too.
	unset CORACLE_INITRAMFS
	coracle run --name old busybox true
	run ! from_template old
	coracle rm other again old
	await no_makers
}
