# How a command line is taken apart, and what is said about one that makes no sense.

load common

@test "letters together, values behind letters, behind blanks and behind =" {
	calls run -it=false -eA=1 -e B=2 --env=C=3 --env D=4 -u0:0 -w=/tmp -m 64m busybox exit 0
	is 0
	asked "env=A=1" "env=B=2" "env=C=3" "env=D=4" "user=0:0 dir=/tmp tty=0 in=1 privileged=0 size=0x0"
}

@test "options behind the image belong to the command" {
	calls run busybox echo -it --rm --help -- -x
	is 0
	[ "$output" = "-it --rm --help -- -x" ]
	asked "arg=-it" "arg=--rm" "arg=--help" "arg=--"
	not_asked "flag rm"
}

@test "-- ends the options, before the image and elsewhere" {
	calls run --rm -- busybox echo x
	is 0
	asked "flag rm" "arg=echo"
	calls rm -- -f
	is 0
	asked "remove -f force=0"
}

@test "options and operands mix where no other program's words follow" {
	calls stop runner -t 3
	is 0
	asked "stop runner timeout=3"
}

@test "flags take true and false, the last one counts" {
	calls run --rm --rm=false --init=1 busybox exit 0
	is 0
	not_asked "flag rm"
	asked "flag init"
	cli run --rm=maybe busybox
	is 125 "--rm is on or off: it takes 'true' or 'false', not 'maybe'"
}

@test "an unknown option is told in one line, with what may have been meant" {
	cli run --memroy 1g busybox
	is 125 "unknown option --memroy; did you mean '--memory'? 'coracle run --help' lists what there is"
	cli exec --zzz runner true
	is 125 "unknown option --zzz; 'coracle exec --help' lists what there is"
	cli ls -z
	is 125 "unknown option -z; 'coracle ls --help' lists what there is"
	cli image ls --formt json
	is 125 "unknown option --formt; did you mean '--format'? 'coracle image ls --help' lists what there is"
	[ -z "$output" ]
}

@test "an unknown command is told in one line, with what may have been meant" {
	cli strat x
	is 125 "'strat' is no command; did you mean 'start'? 'coracle --help' lists them"
	cli image isnpect x
	is 125 "'isnpect' is no command; did you mean 'inspect'? 'coracle image --help' lists them"
	cli frobnicate
	is 125 "'frobnicate' is no command; 'coracle --help' lists them"
	cli --debug run
	is 125 "'--debug' is no option here; 'coracle --help' lists them"
	cli help imag
	is 125 "'imag' is no command; did you mean 'image'? 'coracle --help' lists them"
}

@test "what is planned is told so, instead of a wrong guess" {
	local word
	for word in pause unpause rename top restart build compose; do
		cli $word x
		is 125 "'$word' is not there yet"
	done
	cli image build .
	is 125 "'build' is not there yet"
	cli help top
	is 125 "'top' is not there yet"
	for word in --restart --gpus; do
		cli run $word x busybox
		is 125 "'$word' is not there yet"
		cli create $word x busybox
		is 125 "'$word' is not there yet"
	done
	cli run --restart=always busybox
	is 125 "'--restart' is not there yet"
	cli container rename x
	is 125 "'rename' is not there yet"
	cli container run --restart always busybox
	is 125 "'--restart' is not there yet"
	cli exec -p runner true
	is 125 "unknown option -p; 'coracle exec --help' lists what there is"
}

@test "what is written otherwise than docker's hands write it is told with its own words" {
	cli run --ip 10.0.0.2 busybox
	is 125 "'--ip' is written --network NAME,ip=ADDRESS here"
	cli container create --mac-address 02:00:00:00:00:01 busybox
	is 125 "'--mac-address' is written --network NAME,mac=ADDRESS here"
	cli inspect -f '{{.State}}' runner
	is 125 "'-f' is not there: pipe what is printed into jq, as in: coracle inspect NAME | jq '.[0].State'"
	cli inspect --format '{{.State}}' runner
	is 125 "--format '{{.State}}': there are no templates; pipe --format json into jq, as in: jq -r '.[].Name'"
	cli inspect --format text runner
	is 125 "--format 'text': must be one of: json yaml"
}

@test "a value or an operand that is missing is named" {
	cli run --name
	is 125 "--name needs NAME behind it"
	cli run -m
	is 125 "-m needs SIZE behind it"
	cli run
	is 125 "'run' needs IMAGE [COMMAND [ARG...]]; 'coracle run --help' says more"
	cli exec runner
	is 125 "'exec' needs CONTAINER COMMAND [ARG...]; 'coracle exec --help' says more"
	cli logs a b
	is 125 "'b' is too much; 'coracle logs --help' says what it takes"
	cli rm
	is 125 "'rm' needs a container, or --all"
	cli rm -a x
	is 125 "'rm' takes containers or --all, not both"
}

@test "values of the wrong form are told with the right one" {
	cli run -m lots busybox
	is 125 "--memory 'lots': must be a size such as 512m or 2g"
	cli run --cpus many busybox
	is 125 "--cpus 'many': must be a number such as 2 or 0.5"
	cli run --accel hvf busybox
	is 125 "--accel 'hvf': must be one of: auto kvm tcg"
	cli stop -t soon runner
	is 125
	[[ $stderr == *"--timeout 'soon': must be a whole number"* ]]
	cli kill -s FOO runner
	is 125 "--signal 'FOO' is no signal; try KILL, TERM or a number from 1 to 64"
	cli logs --since yesterday runner
	is 125
	[[ $stderr == *"--since 'yesterday': must be a time"* ]]
	cli ls --format xml
	is 125 "--format 'xml': must be one of: table json yaml"
}

@test "control characters in a wrong command line do not reach the terminal" {
	cli $'\e[2Jevil'
	[ "$status" -eq 125 ]
	[[ $stderr != *$'\e'* ]]
}

# commands [GROUP]: all that help lists below it, and shortcuts.
commands() {
	local name
	"$fake" $1 --help | awk '/^(Commands|Shortcuts):$/ { on = 1; next } /^$/ { on = 0 } on { print $1 }' | while read -r name; do
		echo "${1:+$1 }$name"
		if "$fake" $1 "$name" --help </dev/null | grep -q '^Commands:$'; then commands "${1:+$1 }$name"; fi
	done
}

@test "every command has --help, in at most 80 columns, on standard output" {
	local command all
	all=$(commands; echo ps)
	for command in run cp 'image pull' 'volume create' 'system dns ls' login man; do grep -qx "$command" <<<"$all"; done
	while read -r command; do
		run --separate-stderr "$fake" $command --help
		[ "$status" -eq 0 ]
		[ -z "$stderr" ]
		[[ $output == "coracle $command: "* ]]
		[[ $output == *"Usage: coracle $command"* ]]
		[ -z "$(grep -E '^.{81}' <<<"$output")" ] || { echo "$output"; false; }
		[ -z "$(grep ' $' <<<"$output")" ]
	done <<<"$all"
}

@test "help comes at coracle help COMMAND too, under the command's own name" {
	cli help run
	is 0
	[[ $output == "coracle run: "* ]]
	cli help image load
	[[ $output == "coracle image load: "* ]]
	cli help images
	[[ $output == "coracle image ls: "* ]]
	cli help
	is 0
	[[ $output == *$'\n  run '* ]]
	cli run -h
	is 0
	[[ $output == "coracle run: "* ]]
}

@test "without a command the help goes to standard error" {
	cli
	[ "$status" -eq 125 ]
	[ -z "$output" ]
	[[ $stderr == *"Usage: coracle COMMAND"* ]]
	cli image
	[ "$status" -eq 125 ]
	[[ $stderr == *"Usage: coracle image COMMAND"* ]]
}

@test "--version, version and system version" {
	cli --version
	is 0
	[ "$output" = "coracle 9.9.9-fake" ]
	cli version
	is 0
	[[ ${lines[1]} == libcoracle*9.9.9-fake ]]
	run -0 bash -c "'$fake' version --format json | jq -re .libcoracle"
	[ "$output" = 9.9.9-fake ]
}
