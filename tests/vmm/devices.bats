# A machine takes many devices: without ACPI there are eight slots, with it 24.

setup_file() {
	top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	export top
}

boot_devices() { "$top/build/tests/vmm/boot-devices" "$("$top/kernel/build.sh")" "$top/build/src/init/initramfs.cpio" "$1"; }

@test "a machine with 12 devices beyond the usual ones boots and answers" {
	boot_devices 12
}

@test "a machine with more devices than slots is refused" {
	run boot_devices 40
	[ "$status" -eq 1 ]
	[[ $output == *"24 devices"* ]]
}
