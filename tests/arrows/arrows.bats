# Every #include follows the arrows of ARCHITECTURE.md.

@test "a forbidden include would be found" {
	"$BATS_TEST_DIRNAME/check" --self-test
}

@test "all includes follow ARCHITECTURE.md" {
	run "$BATS_TEST_DIRNAME/check"
	echo "$output"
	[ "$status" -eq 0 ]
}
