# A real machine with our kernel and our init, spoken to over its virtio-serial port.

setup_file() {
	top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	build=${CORACLE_BUILD:-$top/build}
	export top build
}

@test "the guest answers, refuses wrong calls, survives a reconnection in the middle of a frame, and ends cleanly" {
	run "$build/tests/guest/boot-guest" "$("$top/kernel/build.sh")" "$build/src/init/initramfs.cpio"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"guest kernel: 6."* ]]
	[[ $output == *"a wrong call: entropy comes in 1 to 1024 bytes"* ]]
	[[ $output != *"Kernel panic"* ]]
}

@test "coracle-init is static and alone in an initramfs of at most 2.5 MB" {
	[ "$(cpio --quiet -t <"$build/src/init/initramfs.cpio")" = init ]
	[[ $(ldd "$build/src/init/coracle-init" 2>&1) == *"not a dynamic executable"* ]]
	[ "$(stat -c %s "$build/src/init/initramfs.cpio")" -le 2621440 ]
}
