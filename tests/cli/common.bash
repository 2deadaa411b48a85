# What the tests of the command share: `cli` is coracle over the library of fake.c.
bats_require_minimum_version 1.5.0
top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
fake=${CORACLE_BUILD:-$top/build}/src/cli/coracle-fake
terminal=$top/tests/terminal.py

# cli ARG...: leaves $status, $output (standard output alone), $lines, $stderr and $stderr_lines. Not `run`, for which 127 means that a test is broken.
cli() {
	local folder=$BATS_TEST_TMPDIR

	status=0
	"$fake" "$@" >"$folder/.out" 2>"$folder/.err" || status=$?
	output=$(<"$folder/.out") stderr=$(<"$folder/.err")
	mapfile -t lines <"$folder/.out"
	mapfile -t stderr_lines <"$folder/.err"
}

# calls ARG...: the same, and $stderr begins with what the library was asked.
calls() {
	FAKE_CALLS=1 cli "$@"
}

# is STATUS [LINE-ON-STDERR]: how it ended; with an error line it must be the only one.
is() {
	echo "status: $status, output: $output, error: $stderr"
	[ "$status" -eq "$1" ]
	[ $# -lt 2 ] || [ "$stderr" = "coracle: $2" ]
}

# asked LINE...: the library was asked so.
asked() {
	local line
	for line in "$@"; do
		grep -qxF -- "call: $line" <<<"$stderr" || {
			echo "not asked: $line"
			echo "$stderr"
			return 1
		}
	done
}

not_asked() {
	! grep -qF -- "call: $1" <<<"$stderr"
}
