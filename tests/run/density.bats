# Many machines: MACHINES at once, all of them awake, and ROUNDS one after the other, which leave nothing. `make soak` has a hundred of the former and a thousand of the latter.

bats_require_minimum_version 1.5.0

load ../lib

setup_file() {
	roots
	export CORACLE_TEMPLATES=on
	coracle run --rm busybox true
	await saved
}
teardown_file() { nothing_left; }

saved() { ls "$CORACLE_ROOT"/templates/*/template.json; }

# What is there of ours: files of both roots, entries of the runtime's folders.
files() { find "$CORACLE_ROOT" "$CORACLE_RUNTIME_DIR" ! -name starts.json | sort; }
# KiB that a process has to itself.
own() { awk '/^Private/ { sum += $2 } END { print sum }' "/proc/$1/smaps_rollup"; }
descriptors() { ls "/proc/$1/fd" | wc -l; }

@test "so many idle machines at once still answer, each for itself" {
	local count=${MACHINES:-6} i
	seq "$count" | xargs -P 2 -I {} sh -c '"$CORACLE" run -d --name idle{} -e NUMBER={} busybox sleep 100000 >/dev/null'
	[ "$(coracle ls -q | wc -l)" -eq "$count" ]
	for ((i = 1; i <= count; i++)); do
		[ "$(coracle exec "idle$i" sh -c 'echo $NUMBER')" = "$i" ]
	done
	# From the last to the first, for those that have slept longest.
	for ((i = count; i > 0; i--)); do
		[ "$(coracle exec "idle$i" sh -c 'cat /proc/1/cmdline | tr "\0" " "')" = "sleep 100000 " ]
	done
	coracle ls -q | xargs -P 2 -n 10 "$CORACLE" rm -f >/dev/null
	await none
}

@test "starts and removals in a row leave nothing, and cost a machine that stays nothing" {
	local rounds=${ROUNDS:-15} before i shim descriptors_before own_before mounts_before
	coracle run -d --name stays busybox sleep 100000
	shim=$(shim_of stays)
	coracle run --rm busybox true
	await alone stays
	before=$(files) descriptors_before=$(descriptors "$shim") own_before=$(own "$shim") mounts_before=$(wc -l </proc/self/mounts)
	for ((i = 1; i <= rounds; i++)); do
		[ "$(coracle run --rm busybox echo "$i")" = "$i" ]
		if ((i % 5 == 0)); then
			coracle run -d --name row busybox sleep 1000 >/dev/null
			coracle rm -f row >/dev/null
		fi
	done
	await alone stays
	diff <(echo "$before") <(files)
	[ "$(descriptors "$shim")" -eq "$descriptors_before" ]
	[ "$(own "$shim")" -le $((own_before + 512)) ]
	[ "$(wc -l </proc/self/mounts)" -eq "$mounts_before" ]
	[ "$(coracle exec stays echo awake)" = awake ]
	coracle rm -f stays
}

# alone NAME: its shim and its VMM are all that there is.
alone() { [[ $(processes | sort -u | wc -l) -eq 2 && -n $(shim_of "$1") ]]; }
