# cp, export, diff and commit, as far as they are the command's own.

load common

@test "cp: which side is the container's" {
	calls cp box:/a b
	asked "copy from box: /a to b"
	calls cp a box:/b
	asked "copy to box: a to /b"
	calls cp ./a:b box:c:d
	asked "copy to box: ./a:b to c:d"
	calls cp -aL box:a /x:y
	asked "copy from box: a to /x:y (archive, follow)"
	calls copy box: .
	asked "copy from box:  to ."
	calls cp box:/a -
	asked "copy out of box: /a"
	calls cp - box:/a
	asked "copy in to box: /a"
}

@test "cp: what is no copy" {
	cli cp a b
	is 125 "one side must be a container's: NAME:PATH"
	cli cp x:a y:b
	[ "$status" -eq 125 ]
	[[ $stderr == *"not copied between containers"* ]]
	cli cp :a b
	is 125 "a container's name is missing before the colon"
	cli cp box:a ''
	is 125 "a path is empty"
	cli cp box:a
	[ "$status" -eq 125 ]
}

@test "cp tells what was left out" {
	cli cp box:/dev .
	is 0 "2 devices were left out: they are not copied to the host"
}

@test "export, diff and commit" {
	[ "$("$fake" export box 2>/dev/null)" = archive ]
	cli export -o "$BATS_TEST_TMPDIR/x.tar" box
	[ "$status" -eq 0 ]
	[ "$(cat "$BATS_TEST_TMPDIR/x.tar")" = archive ]
	cli diff box
	[ "$output" = $'C /etc\nA /etc/new?line' ]
	calls commit -a me -m what -c 'CMD x' --change 'ENV A=b' --pause=false box new:1
	asked "commit box as new:1 by me: what (running)"
	asked "change CMD x"
	asked "change ENV A=b"
	cli commit box
	[ "$output" = sha256:00 ]
}
