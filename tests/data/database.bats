# What a database promised is there after a power cut: PostgreSQL on a volume, its machine killed while it commits. ROUNDS: so many times.

bats_require_minimum_version 1.5.0

setup_file() {
	load ../lib
	roots
	export CORACLE_NETWORK=none
	"$top/tests/prepare" servers
	coracle image load -q -i "$top/build/test-images/servers.tar"
}
teardown_file() {
	load ../lib
	nothing_left
}
setup() { load ../lib; }

as_postgres() { coracle exec db su postgres -c "$1"; }
ask() { as_postgres "psql -Atq -v ON_ERROR_STOP=1 -c '$1'"; }
# lines FILE COUNT: it has as many, whole ones.
lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }

@test "PostgreSQL, killed while it commits: no transaction that was acknowledged is lost, and none is there by half" {
	coracle run -d --name db -v v:/var/lib/postgresql servers pg_ctlcluster --foreground 15 main start
	await as_postgres pg_isready
	[ "$(ask 'show fsync')$(ask 'show synchronous_commit')" = onon ]
	as_postgres "pgbench -q -i postgres"
	ask 'create table numbers (n bigint primary key)'
	local round first promised clients
	for ((round = 1; round <= ${ROUNDS:-1}; round++)); do
		first=$(ask 'select coalesce(max(n), 0) + 1 from numbers')
		as_postgres "pgbench -n -c 4 -T 1000 postgres" >"$WORK/bench" 2>&1 3>&- &
		clients=$!
		as_postgres "seq $first 10000000 | sed 's/.*/insert into numbers values (&) returning n;/' | psql -Atq -v ON_ERROR_STOP=1" >"$WORK/promised" 2>/dev/null 3>&- &
		clients+=" $!"
		await lines "$WORK/promised" $((200 + RANDOM % 200))
		kill -KILL "$(vmm_of db)"
		wait $clients || true
		coracle wait db
		promised=$((first + $(wc -l <"$WORK/promised") - 1))
		echo "round $round: from $first to $promised"

		coracle start db
		await as_postgres pg_isready
		[ "$(ask "select count(*) from numbers where n <= $promised")" = "$promised" ]
		[ "$(ask 'select max(n) - count(*) from numbers')" = 0 ]
		[ "$(ask 'select count(*) > 0 from pgbench_history')" = t ]
		[ "$(ask 'select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history)
			and (select sum(tbalance) from pgbench_tellers) = (select sum(delta) from pgbench_history)
			and (select sum(bbalance) from pgbench_branches) = (select sum(delta) from pgbench_history)')" = t ]
		coracle logs db 2>&1 | grep -q "automatic recovery in progress"
	done
	coracle rm -f db
	[ "$(coracle volume check v)" = "v: whole" ]
	coracle volume rm v
}
