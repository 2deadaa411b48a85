# What the tests of data share.

# volume_image: an image "files" in the store, whose folder /content holds files of many kinds and is a VOLUME, as is /empty.
volume_image() {
	local layer=$WORK/layer/content
	mkdir -p "$layer/sub" "$WORK/layer/empty"
	echo text >"$layer/file"
	ln "$layer/file" "$layer/sub/same"
	ln -s file "$layer/link"
	mkfifo "$layer/fifo"
	truncate -s 100M "$layer/hole"
	printf end >>"$layer/hole"
	chown -h 1000:1001 "$layer" "$layer/file" "$layer/link"
	chmod 4750 "$layer/sub/same"
	chmod 2751 "$layer"
	touch -h -d 2020-01-02T03:04:05Z "$layer/file" "$layer/link"
	tar -C "$WORK/layer" --numeric-owner --sparse -cf "$WORK/content.tar" .
	tar -C "$WORK" -xf "$top/build/test-images/busybox.tar" blobs index.json
	IMAGE_CONFIG='"Volumes":{"/content":{},"/empty":{}}' "$top/scripts/oci-image" files sh \
		"$(busybox_layer)" "$WORK/content.tar" | coracle image load -q
	rm -rf "$WORK/blobs" "$WORK/layer"
}

# The file of busybox's only layer, under a name that says how it is compressed.
busybox_layer() {
	local manifest digest
	manifest=$(jq -r '.manifests[0].digest' "$WORK/index.json")
	digest=$(jq -r '.layers[0].digest' "$WORK/blobs/sha256/${manifest#sha256:}")
	cp "$WORK/blobs/sha256/${digest#sha256:}" "$WORK/busybox.gz"
	echo "$WORK/busybox.gz"
}

# allocated FILE: what it takes of the host's disk, in MiB.
allocated() { echo $(($(stat -c %b "$1") / 2048)); }

# become_coracle ARG...: the same as coracle, but in the shell's own process, so that who kills it kills the command.
become_coracle() {
	if [[ -n ${AS_USER-} ]]; then
		exec setpriv --reuid "$AS_USER" --regid "$AS_USER" --clear-groups env HOME="$WORK/home" "$CORACLE" "$@"
	fi
	exec "$CORACLE" "$@"
}
