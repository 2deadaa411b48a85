# What `make install` puts where, and a program of somebody else's that uses it.

setup_file() {
	load ../lib
	roots
	PREFIX_BEFORE=$(cat "$top/build/prefix")
	export PREFIX_BEFORE
	DESTDIR=$WORK/dest make -s -C "$top" install PREFIX=/opt/cor
}
teardown_file() {
	load ../lib
	nothing_left
	make -s -C "$top" all PREFIX="$PREFIX_BEFORE"
}
setup() { load ../lib; }

@test "make install honours DESTDIR and PREFIX" {
	cd "$WORK/dest/opt/cor"
	[ -x bin/coracle ]
	[ -x lib/coracle/coracle-shim ]
	[ -s lib/coracle/vmlinux ]
	[ -s lib/coracle/initramfs.cpio ]
	[ -s include/coracle/coracle.h ]
	[ -z "$(find "$WORK/dest" -type f ! -path "$WORK/dest/opt/cor/*")" ]
	[ "$(bin/coracle run --rm busybox echo installed)" = installed ]
}

@test "a C program runs a container through the installed library and pkg-config" {
	export PKG_CONFIG_PATH
	PKG_CONFIG_PATH=$(dirname "$(find "$WORK/dest" -name libcoracle.pc)") PKG_CONFIG_SYSROOT_DIR=$WORK/dest
	export PKG_CONFIG_SYSROOT_DIR
	gcc -Wall -Werror -o "$WORK/program" "$BATS_TEST_DIRNAME/run.c" $(pkg-config --cflags --libs libcoracle)
	run env LD_LIBRARY_PATH="$(pkg-config --variable=libdir libcoracle | sed "s|^/opt|$WORK/dest/opt|")" \
		CORACLE_SHIM="$WORK/dest/opt/cor/lib/coracle/coracle-shim" "$WORK/program"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "from inside" ]
	[ "${lines[1]}" = "exited with 3, libcoracle $(coracle --version | sed 's/coracle //')" ]
}

@test "the library shows its interface alone" {
	library=$(find "$WORK/dest" -name 'libcoracle.so.*' -type f)
	[ -z "$(nm -D --defined-only "$library" | awk '{print $3}' | grep -v '^cor_')" ]
}

@test "the headers stand alone, in C and in C++" {
	for header in "$WORK"/dest/opt/cor/include/coracle/*.h; do
		gcc -std=c11 -Wall -Wextra -Werror -fsyntax-only -I"$WORK/dest/opt/cor/include" -x c -include "$header" /dev/null
		clang -std=c++17 -Wall -Wextra -Werror -fsyntax-only -I"$WORK/dest/opt/cor/include" -x c++ -include "$header" /dev/null
	done
}
