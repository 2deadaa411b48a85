# Man pages and completion, made from the commands' tables.

load common

setup_file() {
	export pages=$BATS_FILE_TMPDIR/man1 scripts=$BATS_FILE_TMPDIR
	local fake=${CORACLE_BUILD:-$BATS_TEST_DIRNAME/../../build}/src/cli/coracle-fake shell
	"$fake" man --all "$pages"
	for shell in bash zsh fish; do
		"$fake" completion $shell >"$scripts/$shell"
	done
	# Completion asks `coracle` for names.
	mkdir "$BATS_FILE_TMPDIR/bin"
	ln -s "$(realpath "$fake")" "$BATS_FILE_TMPDIR/bin/coracle"
}

setup() {
	PATH=$BATS_FILE_TMPDIR/bin:$PATH
}

@test "there is a page for every command, and man has nothing to say against any" {
	local page
	[ -e "$pages/coracle.1" ]
	[ -e "$pages/coracle-image-load.1" ]
	[ ! -e "$pages/coracle-__names.1" ]
	[ "$(ls "$pages" | wc -l)" -ge 36 ]
	for page in "$pages"/*; do
		MANROFFSEQ= LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l "$page" >"$BATS_TEST_TMPDIR/text" 2>"$BATS_TEST_TMPDIR/warnings"
		cat "$BATS_TEST_TMPDIR/warnings"
		[ ! -s "$BATS_TEST_TMPDIR/warnings" ]
		grep -q SYNOPSIS "$BATS_TEST_TMPDIR/text"
		# man -k reads this line.
		lexgrog "$page"
	done
}

@test "a page says what --help says" {
	LC_ALL=C.UTF-8 MANWIDTH=500 man -l "$pages/coracle-run.1" | col -b >"$BATS_TEST_TMPDIR/text"
	grep -qF -- "-e, --env KEY[=VALUE]" "$BATS_TEST_TMPDIR/text"
	grep -qF -- "May be given more than once." "$BATS_TEST_TMPDIR/text"
	grep -qxE -- " +coracle run --rm -it debian:12 bash" "$BATS_TEST_TMPDIR/text"
	cli man images
	is 0
	[[ $output == '.TH CORACLE\-IMAGE\-LS 1'* ]]
	cli man imags
	is 125 "'imags' is no command; did you mean 'image'? 'coracle --help' lists them"
}

# completes LINE WORD...: bash offers these for the end of the line, in any order.
completes() {
	local line=$1
	shift
	bash -c '
		source "$1"
		COMP_LINE=$2 COMP_POINT=${#2}
		_coracle
		printf "%s\n" "${COMPREPLY[@]}"' - "$scripts/bash" "$line" >"$BATS_TEST_TMPDIR/offered"
	sort "$BATS_TEST_TMPDIR/offered" | diff - <(printf '%s\n' "$@" | sort)
}

@test "bash: the script is one, and offers commands, options, values, names" {
	bash -n "$scripts/bash"
	completes "coracle sta" start stats
	completes "coracle image l" load ls
	completes "coracle pul" pull
	completes "coracle push " busybox localhost:5000/team/app:v1
	completes "coracle run --pull " always missing never
	completes "coracle image save --format " both oci-archive docker-archive
	completes "coracle registry lo" login logout
	completes "coracle logout d" docker.io
	completes "coracle rmi " busybox localhost:5000/team/app:v1
	completes "coracle run --mem" --memory
	completes "coracle run --accel " auto kvm tcg
	completes "coracle run --accel=k" kvm
	completes "coracle ls --format y" yaml
	completes "coracle kill -s TE" TERM
	completes "coracle exec " runner
	completes "coracle rm " runner "done"
	completes "coracle rm runner d" "done"
	completes "coracle run -it --rm " busybox localhost:5000/team/app:v1
	completes "coracle run --name x -e A=1 b" busybox
	completes "coracle run -ite A=1 b" busybox
	completes "coracle run localhost:5000/t" 5000/team/app:v1
	completes "coracle help image in" inspect
	completes "coracle container insp" inspect
	completes "coracle __" ""
}

@test "bash: files for what takes files" {
	cd "$BATS_TEST_TMPDIR"
	mkdir folder
	touch image.tar
	completes "coracle image load -i im" image.tar
	completes "coracle image load --input=im" image.tar
	completes "coracle man --all fo" folder
	completes "coracle run busybox cat im" image.tar
}

@test "zsh: the script is one, and offers commands, options, values, names" {
	command -v zsh || skip "no zsh"
	zsh -n "$scripts/zsh"
	# A terminal is needed for zsh's line editor, so what is asked of it stands in for compadd.
	cat >"$BATS_TEST_TMPDIR/ask" <<-'END'
		compadd() { [[ $1 == -- ]] && shift; print -l -- $@ }
		compset() { : }
		_files() { print files $@ }
		source $1
		words=(${(s: :)2})
		[[ $2 != *' ' ]] || words+=('')
		CURRENT=${#words}
		_coracle
	END
	offers() {
		zsh -f "$BATS_TEST_TMPDIR/ask" "$scripts/zsh" "$1" | grep -qx -- "$2" || { echo "no '$2' for '$1'"; return 1; }
	}
	offers "coracle " start
	offers "coracle image " load
	offers "coracle images --format " yaml
	offers "coracle pull --progress " plain
	offers "coracle logout " docker.io
	offers "coracle run -" --memory
	offers "coracle run -it --rm " busybox
	offers "coracle run --accel " tcg
	offers "coracle run --accel=" tcg
	offers "coracle run busybox cat " files
	offers "coracle exec " runner
	offers "coracle help image " load
}

@test "fish: the script is one, and offers commands, options, values, names" {
	command -v fish || skip "no fish"
	fish --no-config --no-execute "$scripts/fish"
	offers() {
		HOME=$BATS_TEST_TMPDIR fish --no-config -c "source $scripts/fish; complete -C'$1'" | cut -f 1 | grep -qx -- "$2" || { echo "no '$2' for '$1'"; return 1; }
	}
	offers "coracle sta" start
	offers "coracle image l" load
	offers "coracle pull --progress " plain
	offers "coracle registry logout " docker.io
	offers "coracle run --mem" --memory
	offers "coracle run --accel " kvm
	offers "coracle images --format " yaml
	offers "coracle run -it --rm " busybox
	offers "coracle exec " runner
	offers "coracle image rm " busybox
	offers "coracle ps -" --all
}
