# stats over a library that runs no machine.

load common

@test "rates come from two looks; docker's columns, and what the machine costs" {
	cli stats --no-stream
	is 0
	[[ ${lines[0]} == "CONTAINER ID   NAME     CPU %    MEM USAGE / LIMIT   MEM %   NET I/O       BLOCK I/O     PIDS   HOST CPU %   HOST MEM" ]]
	[[ ${lines[1]} == *"runner   50.00%   3MiB / 512MiB       0.59%   1.23MB / 0B   1.5kB / 12B   2      101.00%      45MiB" ]]
	[ ${#lines[@]} -eq 2 ]
}

@test "as a document it prints once, texts and numbers" {
	cli stats --format json runner
	is 0
	[ "$(jq -c '.[] | [.Name, .Running, .CPUPerc, .MemUsage, .PIDs, .MemoryLimit, .HostMemory, .HostPrivateMemory]' <<<"$output")" = '["runner",true,"50.00%","3MiB / 512MiB","2",536870912,47185920,41943040]' ]
	cli stats --format yaml runner
	is 0
	[[ $output == *"HostMemory: 47185920"* ]]
}

@test "it goes on until it is ended; what is not there is told" {
	"$fake" stats runner >"$BATS_TEST_TMPDIR/out" 3>&- &
	local stats=$!
	until [ "$(grep -c runner "$BATS_TEST_TMPDIR/out")" -ge 2 ]; do
		kill -0 "$stats"
		sleep 0.2
	done
	kill "$stats"
	cli stats --no-stream missing
	is 1 "no container 'missing'"
}
