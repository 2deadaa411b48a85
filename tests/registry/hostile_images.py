# SPDX-License-Identifier: Apache-2.0
"""The images that hostile.py tells of. Each case has a layer of its own, so that what one leaves in a store is of no use to the next."""
import gzip
import hashlib
import io
import json
import platform
import random
import subprocess
import tarfile
import zlib

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
PADDING = 200000


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def js(value):
    return json.dumps(value).encode()


def member(path, data=b"", kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(path)
    info.type, info.linkname, info.size, info.mtime = kind, link, len(data), 1600000000
    return info, data


def tar(*members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zstd(data):
    return subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout


class Image:
    """A good image; what a case changes, it changes before finish()."""

    def __init__(self, name, *members):
        self.plain = tar(member("case", name.encode()), member("padding", random.Random(name).randbytes(PADDING)), *members)
        self.packed = gzip.compress(self.plain, 1, mtime=0)
        self.diff_ids, self.layers, self.blobs = [digest(self.plain)], [self.descriptor(LAYER, self.packed)], {}
        self.config = {"architecture": ARCH, "os": "linux", "config": {"Cmd": ["sh"], "Labels": {"case": name}}}
        self.extra, self.manifest_type = {}, MANIFEST
        self.blobs[digest(self.packed)] = self.packed

    @staticmethod
    def descriptor(media_type, data, **more):
        return {"mediaType": media_type, "digest": digest(data), "size": len(data), **more}

    def replace_layer(self, packed, media_type=LAYER, plain=None):
        self.blobs = {digest(packed): packed}
        self.layers = [self.descriptor(media_type, packed)]
        if plain is not None:
            self.diff_ids = [digest(plain)]
        return self

    def finish(self):
        config = js({**self.config, "rootfs": {"type": "layers", "diff_ids": self.diff_ids}})
        self.blobs[digest(config)] = config
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": self.descriptor(CONFIG, config), "layers": self.layers}
        self.manifest = js({**document, **self.extra})
        self.manifests = {digest(self.manifest): (self.manifest_type, self.manifest)}
        return self

    def index(self, entry=None, **more):
        """Puts an index over it, which names `entry`, or the manifest as it is."""
        entry = entry or self.descriptor(MANIFEST, self.manifest)
        entry["platform"] = {"architecture": ARCH, "os": "linux"}
        self.manifest = js({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry], **more})
        self.manifest_type = INDEX
        self.manifests[digest(self.manifest)] = (INDEX, self.manifest)
        return self


def layer_with(name, **changes):
    image = Image(name)
    image.layers[0] = {**image.layers[0], **changes}
    return image.finish()


def raw(name, document, media_type=MANIFEST):
    """An image whose manifest is these bytes."""
    image = Image(name).finish()
    image.manifest, image.manifest_type = document, media_type
    image.manifests = {digest(document): (media_type, document)}
    return image


def both(name, media_type):
    """One document that is a manifest and an index (CVE-2021-41190)."""
    image = Image(name).finish()
    document = json.loads(image.manifest)
    del document["mediaType"]
    document["manifests"] = [{**image.descriptor(MANIFEST, image.manifest), "platform": {"architecture": ARCH, "os": "linux"}}]
    image.manifest, image.manifest_type = js(document), media_type
    image.manifests[digest(image.manifest)] = (media_type, image.manifest)
    return image


def nested(name):
    """An index that calls another index a manifest."""
    image = Image(name).finish().index()
    return image.index({**image.descriptor(MANIFEST, image.manifest)})


def gzip_of_zeros(gigabytes):
    """Zeros, a thousand to one: members of 16 MB, the same again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = packer.compress(bytes(16 << 20)) + packer.flush()
    return piece * (gigabytes << 6)


def bomb(name, packed, media_type=LAYER):
    """Its layer is a tar archive that begins well and has a file as large as all that follows."""
    return Image(name).replace_layer(packed, media_type, b"not looked at").finish()


def file_header(size):
    info = tarfile.TarInfo("zeros")
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def zstd_of_zeros(gigabytes):
    piece = zstd(bytes(16 << 20))
    return piece * (gigabytes << 6)


def duplicate_layer(name):
    image = Image(name)
    image.layers *= 2
    image.diff_ids *= 2
    return image.finish()


def many(name):
    image = Image(name)
    image.layers *= 20000
    image.diff_ids *= 20000
    return image.finish()


def empty(name, **changes):
    image = Image(name)
    image.layers, image.diff_ids = [], []
    return image.finish()


def wrong_diff_id(name):
    image = Image(name)
    image.diff_ids = [digest(b"something else")]
    return image.finish()


def platforms_lie(name):
    """The index says that it is for us; the configuration says something else."""
    image = Image(name)
    image.config["architecture"] = "s390x"
    return image.finish().index()


def stranger_type(name):
    image = Image(name)
    image.manifest_type = "text/html"
    return image.finish()


def make(name, other):
    """The image of a case; other is "host:port" of a server that is somebody else's."""
    doc = lambda: json.loads(Image(name).finish().manifest)
    kinds = {
        "digest-is-path": lambda: layer_with(name, digest="sha256:../../../../../../etc/passwd"),
        "digest-upper": lambda: layer_with(name, digest="sha256:" + "A" * 64),
        "digest-short": lambda: layer_with(name, digest="sha256:ab"),
        "digest-none": lambda: layer_with(name, digest=None),
        "digest-md5": lambda: layer_with(name, digest="md5:" + "a" * 32),
        "size-negative": lambda: layer_with(name, size=-1),
        "size-huge": lambda: layer_with(name, size=1 << 62),
        "size-text": lambda: layer_with(name, size="1"),
        "announced-longer": lambda: layer_with(name, size=Image(name).layers[0]["size"] + 1),
        "announced-shorter": lambda: layer_with(name, size=Image(name).layers[0]["size"] - 1),
        "config-as-layer": lambda: layer_with(name, mediaType=CONFIG),
        "unknown-layer": lambda: layer_with(name, mediaType="application/vnd.example"),
        "foreign-layer": lambda: layer_with(name, mediaType=FOREIGN, urls=[f"http://{other}/foreign"]),
        "layer-urls": lambda: layer_with(name, urls=[f"http://{other}/foreign"]),
        "layer-as-config": lambda: raw(name, js({**doc(), "config": doc()["layers"][0]})),
        "artifact": lambda: raw(name, js({**doc(), "config": {**doc()["config"], "mediaType": "application/vnd.example+json"}})),
        "bad-json": lambda: raw(name, b'{"schemaVersion": 2, "mediaType":'),
        "twice": lambda: raw(name, Image(name).finish().manifest[:-1] + b', "layers": []}'),
        "deep-json": lambda: raw(name, b'{"a":' + b"[" * 100000 + b"]" * 100000 + b"}"),
        "not-utf8": lambda: raw(name, b'{"schemaVersion": 2, "a": "\xff"}'),
        "huge-manifest": lambda: raw(name, js({**doc(), "annotations": {"x": "y" * (8 << 20)}})),
        "schema-1": lambda: raw(name, js({"schemaVersion": 1, "name": name, "tag": "latest", "fsLayers": [], "history": []}), SCHEMA_1),
        "html": lambda: stranger_type(name),
        "type-lies": lambda: raw(name, js({**doc(), "mediaType": INDEX})),
        "both-manifest": lambda: both(name, MANIFEST),
        "both-index": lambda: both(name, INDEX),
        "index-in-manifest": lambda: nested(name),
        "no-layers": lambda: empty(name),
        "many-layers": lambda: many(name),
        "wrong-diff-id": lambda: wrong_diff_id(name),
        "platforms-lie": lambda: platforms_lie(name),
        "good-twice-a-layer": lambda: duplicate_layer(name),
        "good-index": lambda: Image(name).finish().index(),
        "truncated-gzip": lambda: Image(name).replace_layer(Image(name).packed[:-1000]).finish(),
        "truncated-zstd": lambda: Image(name).replace_layer(zstd(Image(name).plain)[:-1000], LAYER.replace("gzip", "zstd")).finish(),
        "no-gzip": lambda: Image(name).replace_layer(b"plain text, and not compressed").finish(),
        "bomb-gzip": lambda: bomb(name, gzip.compress(file_header(1 << 43), mtime=0) + gzip_of_zeros(2)),
        "bomb-zstd": lambda: bomb(name, zstd(file_header(1 << 43)) + zstd_of_zeros(4), LAYER.replace("gzip", "zstd")),
        "bomb-behind": lambda: bomb(name, gzip.compress(tar(), mtime=0) + gzip_of_zeros(2)),
        "layer-dotdot": lambda: Image(name, member("../../../../tmp/coracle-escape", b"x")).finish(),
        "layer-link": lambda: Image(name, member("out", kind=tarfile.SYMTYPE, link="/tmp"), member("out/coracle-escape", b"x")).finish(),
        "layer-hardlink": lambda: Image(name, member("p", kind=tarfile.LNKTYPE, link="../../../../etc/passwd")).finish(),
        "layer-whiteout": lambda: Image(name, member("out", kind=tarfile.SYMTYPE, link="/tmp"), member("out/.wh.coracle-victim")).finish(),
    }
    return kinds.get(name, lambda: Image(name).finish())()
