#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Build the guest's kernel and print the path of its vmlinux.
#
# Debian's kernel source, tinyconfig and the fragments beside this script make one uncompressed
# vmlinux without modules. It is kept in ${XDG_CACHE_HOME:-~/.cache}/coracle/kernels/KEY, with its
# config and a meta.json; KEY names the architecture, the version of the source and a hash of
# everything here that shapes the result. What is already there is not built again.
#
# Only the path goes to stdout; progress and errors go to stderr.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# How many lines make prints for a whole build, for the estimated share; an error here is harmless.
readonly EXPECTED_STEPS=2005

usage() {
	cat <<-EOT
	usage: build.sh [--source TARBALL] [--jobs N] [--arch ARCH] [--key | --config]
	  --source TARBALL  kernel source (default: /usr/src/linux-source-6.1.tar.xz of Debian's linux-source-6.1)
	  --jobs N          compile N files at a time (default: the number of CPUs)
	  --arch ARCH       x86_64, the only one so far
	  --key             print the key of the kernel and build nothing
	  --config          print the path of the merged configuration, made but not built
	EOT
}

die() {
	printf 'kernel: %s\n' "$*" >&2
	exit 1
}

# --- what is asked for -------------------------------------------------------------------------

source_tar=/usr/src/linux-source-6.1.tar.xz
jobs=$(nproc)
arch=$(uname -m)
mode=build
while (($#)); do
	case $1 in
	--source) source_tar=${2:?--source needs a file}; shift ;;
	--jobs) jobs=${2:?--jobs needs a number}; shift ;;
	--arch) arch=${2:?--arch needs a name}; shift ;;
	--key) mode=key ;;
	--config) mode=config ;;
	-h | --help) usage; exit ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
[[ $arch == x86_64 ]] || die "no machine fragments for $arch, only for x86_64"
[[ -r $source_tar ]] || die "no kernel source at $source_tar: install linux-source-6.1, or name it with --source"

fragments=("$here"/*.config "$here/$arch"/*.config)

# --- the key -----------------------------------------------------------------------------------

# The version of the package where the tarball belongs to one: a checksum of 138 MB would cost
# every start of a container half a second. A foreign tarball is known by name, size and time.
source_version() {
	local package=linux-source-6.1 version

	if [[ $source_tar == "/usr/src/$package.tar.xz" ]] &&
		version=$(dpkg-query -W -f '${Version}' "$package" 2>/dev/null) && [[ -n $version ]]; then
		printf '%s' "$version"
	else
		printf 'file-%s' "$(stat -L -c '%n %s %Y' "$source_tar" | sha256sum | cut -c1-12)"
	fi
}

# Everything of ours that shapes the result: fragments, our own source, this script. Names count
# too, since the order of the fragments follows them.
input_hash() {
	(cd "$here" && sha256sum build.sh ./*.config "$arch"/*) | sha256sum | cut -c1-16
}

version=$(source_version)
key=$arch-${version//[^A-Za-z0-9.+-]/_}-$(input_hash)
if [[ $mode == key ]]; then
	printf '%s\n' "$key"
	exit
fi

cache=${XDG_CACHE_HOME:-${HOME:?neither XDG_CACHE_HOME nor HOME is set}/.cache}/coracle/kernels
result=$cache/$key/vmlinux
if [[ $mode == build && -f $result ]]; then
	printf '%s\n' "$result"
	exit
fi

for tool in gcc make flex bison bc ld xz tar flock; do
	command -v "$tool" >/dev/null || die "no $tool here: see the section 'kernel' of packages.txt"
done

# --- one build at a time -----------------------------------------------------------------------

mkdir -p "$cache"
exec 9>"$cache/.$key.lock"
if ! flock -n 9; then
	printf 'kernel: another build of the same kernel is running, waiting for it\n' >&2
	flock 9
fi
if [[ $mode == build && -f $result ]]; then
	printf '%s\n' "$result"
	exit
fi

# Leftovers of builds that were killed: none is running, we hold the lock.
rm -rf "$cache/.tmp-$key".*
work=$(mktemp -d "$cache/.tmp-$key.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
log=$work/build.log
started=$SECONDS

# --- progress ----------------------------------------------------------------------------------

clock() {
	printf '%d:%02d' $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60))
}

# One line that rewrites itself on a terminal, a line every half minute elsewhere.
say() {
	if [[ -t 2 ]]; then
		printf '\r\033[Kkernel %s: %s, %s' "$version" "$1" "$(clock)" >&2
	elif [[ ${2-} == always ]]; then
		printf 'kernel %s: %s, %s\n' "$version" "$1" "$(clock)" >&2
	fi
}

# Reads what make prints and counts it.
progress() {
	local steps=0 next=30 share last=-1

	while IFS= read -r line; do
		printf '%s\n' "$line" >>"$log"
		[[ $line =~ ^'  '[A-Z] ]] || continue
		steps=$((steps + 1))
		share=$((steps * 100 / EXPECTED_STEPS))
		((share < 99)) || share=99
		if ((SECONDS - started >= next)); then
			next=$((next + 30))
			say "$steps files, about $share %" always
		elif ((SECONDS != last)); then
			last=$SECONDS
			say "$steps files, about $share %"
		fi
	done
}

# Shows the end of the log when a step failed.
failed() {
	[[ ! -t 2 ]] || printf '\n' >&2
	tail -n 25 "$log" >&2
	die "$1"
}

# --- unpack ------------------------------------------------------------------------------------

# Two thirds of the source are drivers, sound and other architectures. Their Kconfig files and
# makefiles must stay, since others include them; what they would compile need not.
unpack() {
	local trees=(drivers/gpu drivers/media drivers/net/ethernet drivers/net/wireless drivers/infiniband
		drivers/staging drivers/scsi drivers/usb sound) excludes=() tree

	for tree in "${trees[@]}"; do
		excludes+=(--exclude="*/$tree/*.[chS]")
	done
	xz -dc -T0 "$source_tar" | tar -x -C "$work" --wildcards --no-same-owner "${excludes[@]}" \
		--exclude='*/Documentation/*.rst' --exclude='*/tools/testing/*' --exclude='*/tools/perf/*' \
		--exclude='*/arch/*/boot/dts/*' --exclude='*/samples/*.[chS]' 2>>"$log"
}

say 'unpacking' always
unpack || failed "cannot unpack $source_tar"
source=$(find "$work" -mindepth 1 -maxdepth 1 -type d)
[[ -f $source/Kbuild ]] || die "$source_tar holds no kernel source"

# --- configure ---------------------------------------------------------------------------------

# Nothing of this machine or moment gets into the image.
export KBUILD_BUILD_USER=coracle KBUILD_BUILD_HOST=coracle
KBUILD_BUILD_TIMESTAMP=$(date -u -d "@$(stat -c %Y "$source/Makefile")")
export KBUILD_BUILD_TIMESTAMP

out=$work/out
mkdir "$out"
kmake() {
	# A makefile that called us may have its own ideas of jobs and targets.
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -C "$source" O="$out" "$@" 2>&1
}

# An option that depends on another which is off vanishes without a word: compare what was asked
# for with what came out. An option that is wanted off may also be missing altogether.
lost_options() {
	local line name

	cat "${fragments[@]}" | while IFS= read -r line; do
		case $line in
		CONFIG_*) grep -qxF -- "$line" "$out/.config" || printf '  %s\n' "$line" ;;
		'# CONFIG_'*' is not set')
			name=${line#\# }
			name=${name% is not set}
			! grep -q "^$name=" "$out/.config" || printf '  %s\n' "$line"
			;;
		esac
	done
}

say 'configuring' always
kmake tinyconfig >>"$log" || failed 'cannot make the first configuration'
cat "${fragments[@]}" >>"$out/.config"
kmake olddefconfig >>"$log" || failed 'cannot merge the fragments'
lost=$(lost_options)
[[ -z $lost ]] || failed "these options did not survive the merge (what do they depend on?):
$lost"
if [[ $mode == config ]]; then
	cp "$out/.config" "$cache/$key.config"
	say 'configured' always
	[[ ! -t 2 ]] || printf '\n' >&2
	printf '%s\n' "$cache/$key.config"
	exit
fi

# --- build -------------------------------------------------------------------------------------

# Our own source is compiled with the kernel's.
for file in "$here/$arch"/*.c; do
	[[ -e $file ]] || continue
	name=$(basename "$file" .c)
	cp "$file" "$source/arch/x86/kernel/coracle_$name.c"
	printf 'obj-y += coracle_%s.o\n' "$name" >>"$source/arch/x86/kernel/Makefile"
done

kmake -j "$jobs" vmlinux | progress || failed "the build failed, its end is above"
[[ -f $out/vmlinux ]] || failed 'make ended well but made no vmlinux'
steps=$(grep -c '^  [A-Z]' "$log" || true)

# The entry point of a PVH boot is an ELF note, which stripping keeps.
strip -s -o "$work/vmlinux" "$out/vmlinux"
readelf -n "$work/vmlinux" 2>/dev/null | grep -q 'Xen' || die 'the vmlinux has no PVH note'

# --- keep --------------------------------------------------------------------------------------

ready=$work/ready
mkdir "$ready"
mv "$work/vmlinux" "$ready/vmlinux"
cp "$out/.config" "$ready/config"
cat >"$ready/meta.json" <<EOT
{
  "key": "$key",
  "arch": "$arch",
  "source": "$version",
  "release": "$(cat "$out/include/config/kernel.release")",
  "compiler": "$(gcc -dumpfullversion)",
  "built": "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
  "seconds": $((SECONDS - started)),
  "steps": $steps,
  "bytes": $(stat -c %s "$ready/vmlinux")
}
EOT
mv -T "$ready" "$cache/$key"
say "built, $steps files, $(($(stat -c %s "$result") / 1024)) KiB" always
[[ ! -t 2 ]] || printf '\n' >&2
printf '%s\n' "$result"
