// SPDX-License-Identifier: Apache-2.0
// What a process is, may do and sees.
const assert = require('assert')
const { USUAL, capabilities, config } = require('./agent.js')
const { guest, SLEEP, withContainer, sh, bytes } = require('./story.js')

module.exports = {
  async users () {
    await withContainer({}, async id => {
      const who = async (username, more = {}) => sh(id, 'echo $(id -u) $(id -g) $(id -G) $HOME', { process: { user: { uid: 0, gid: 0, username }, ...more } })
      assert.strictEqual(await who('0'), '0 0 0 /root\n')
      assert.strictEqual(await who('nobody'), '65534 65534 65534 100 /home/nobody\n')
      assert.strictEqual(await who('nobody:daemon'), '65534 1 1 /home/nobody\n')
      assert.strictEqual(await who('1234'), '1234 0 0 /\n')
      assert.strictEqual(await who('1234:77'), '1234 77 77 /\n')
      assert.strictEqual(await who('daemon', { env: ['PATH=/bin', 'HOME=/elsewhere'] }), '1 1 1 /elsewhere\n')
      assert.strictEqual(await sh(id, 'id -G', { process: { user: { uid: 5, gid: 6, additionalGids: [7, 8] } } }), '6 7 8\n')
      assert.strictEqual(await sh(id, 'umask', { process: { user: { uid: 0, gid: 0, umask: 0o27 } } }), '0027\n')
      assert.strictEqual(await sh(id, 'pwd', { process: { cwd: '/tmp' } }), '/tmp\n')
      // What is asked of a user that is no root: no capability is in effect.
      assert.match(await sh(id, 'grep CapEff /proc/self/status', { process: { user: { uid: 1, gid: 1 }, capabilities: { bounding: USUAL } } }), /CapEff:\t0{16}/)
    })
    await guest.create('made', config(['/bin/pwd'], { process: { cwd: '/made/deep' } }))
    assert.strictEqual((await guest.run('made', 'init')).out, '/made/deep\n')
    await guest.delete('made')
  },

  async privileges () {
    await withContainer({}, async id => {
      const status = (field, process) => sh(id, `sed -n 's/^${field}:.//p' /proc/self/status`, { process })
      for (const set of ['CapPrm', 'CapEff', 'CapBnd']) assert.strictEqual(await status(set), '00000000a80425fb\n')
      for (const set of ['CapInh', 'CapAmb']) assert.strictEqual(await status(set), '0000000000000000\n')
      assert.strictEqual(await status('CapEff', { capabilities: capabilities(['CAP_CHOWN']) }), '0000000000000001\n')
      const ambient = { ...capabilities(['CAP_NET_RAW']), inheritable: ['CAP_NET_RAW'], ambient: ['CAP_NET_RAW'] }
      assert.strictEqual(await status('CapEff', { capabilities: ambient, user: { uid: 7, gid: 7 } }), '0000000000002000\n')
      assert.strictEqual(await status('NoNewPrivs'), '0\n')
      assert.strictEqual(await status('NoNewPrivs', { noNewPrivileges: true }), '1\n')
      assert.strictEqual(await status('SigBlk'), '0000000000000000\n')
      assert.match((await guest.run(id, 'grep', { args: ['grep', 'SigIgn', '/proc/self/status'] })).out, /0{16}/)
      const rlimits = [{ type: 'RLIMIT_NOFILE', soft: 321, hard: 654 }, { type: 'RLIMIT_CORE', soft: 0, hard: 0 }]
      assert.strictEqual(await sh(id, 'ulimit -n; ulimit -Hn; ulimit -c', { process: { rlimits } }), '321\n654\n0\n')
      assert.strictEqual(await sh(id, 'cat /proc/self/oom_score_adj', { process: { oomScoreAdj: 500 } }), '500\n')
      // Nothing of init is left in a process: three descriptors and the one that lists them.
      assert.strictEqual(await sh(id, 'ls /proc/self/fd | tr "\\n" " "'), '0 1 2 3 ')
      assert.strictEqual(await sh(id, 'ls /proc/1/fd | wc -l'), '3\n')
    })
  },

  async 'files-and-devices' () {
    const masked = ['/proc/interrupts', '/proc/iomem', '/sys/class', '/proc/not/there']
    const linux = {
      maskedPaths: masked,
      readonlyPaths: ['/proc/sys', '/proc/bus', '/proc/sysrq-trigger'],
      sysctl: { 'net.ipv4.ip_forward': '1', 'kernel.msgmax': '9000' },
      devices: [{ path: '/dev/fuse', type: 'c', major: 10, minor: 229, fileMode: 0o666, uid: 3, gid: 4 }]
    }
    const files = [{ name: 'hosts', content: bytes('127.0.0.1 here\n'), mode: 0o644 }]
    const mounts = [
      { destination: '/etc/hosts', type: 'bind', source: '/run/coracle/boat/files/hosts', options: ['bind', 'rprivate'] },
      { destination: '/scratch', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'noexec', 'size=1m', 'mode=700'] },
      { destination: '/ro-etc', type: 'bind', source: '/run/coracle/boat/files', options: ['rbind', 'ro'] }
    ]
    await withContainer({ linux, files, mounts }, async id => {
      assert.strictEqual(await sh(id, 'wc -c </proc/interrupts; ls /sys/class | wc -l; cat /proc/iomem'), '0\n0\n')
      assert.strictEqual(await sh(id, '(echo 0 >/proc/sys/net/ipv4/ip_forward) 2>/dev/null || echo refused'), 'refused\n')
      assert.strictEqual(await sh(id, 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax'), '1\n9000\n')
      assert.strictEqual(await sh(id, 'cat /etc/hosts'), '127.0.0.1 here\n')
      assert.strictEqual(await sh(id, 'touch /ro-etc/x 2>/dev/null || echo refused'), 'refused\n')
      assert.strictEqual(await sh(id, 'stat -c %a /scratch; grep -c "^tmpfs /scratch tmpfs .*nosuid.*noexec.*size=1024k" /proc/mounts'), '700\n1\n')
      assert.strictEqual(await sh(id, 'stat -c "%F %t:%T %a %u:%g" /dev/fuse'), 'character special file a:e5 666 3:4\n')
      for (const [device, numbers] of [['null', '1:3'], ['zero', '1:5'], ['full', '1:7'], ['random', '1:8'], ['urandom', '1:9'], ['tty', '5:0']]) {
        assert.strictEqual(await sh(id, `stat -c "%t:%T %a" /dev/${device}`), `${numbers} 666\n`)
      }
      assert.strictEqual(await sh(id, 'for l in fd stdin ptmx; do readlink /dev/$l; done | tr "\\n" " "'), '/proc/self/fd /proc/self/fd/0 pts/ptmx ')
      assert.match(await sh(id, 'df -k /dev/shm | tail -1; stat -c %a /dev/shm'), /shm +65536 .*\n1777\n/)
      assert.strictEqual(await sh(id, 'ls -A /dev | tr "\\n" " "'), 'fd full fuse mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero ')
      assert.match(await sh(id, 'ip addr show dev lo'), /<LOOPBACK,UP.*127\.0\.0\.1\/8.*::1\/128/s)
      // The machine's disks and its line to the host are not there.
      assert.strictEqual(await sh(id, 'ls /dev/vd* /dev/vport* 2>/dev/null | wc -l'), '0\n')
      // Writes go to the disk.
      assert.strictEqual(await sh(id, 'echo kept >/kept; cat /kept; grep " / " /proc/mounts | cut -d" " -f1,3'), 'kept\n/dev/vda ext4\n')
    })
  },

  async 'read-only-root' () {
    const document = config(SLEEP, { mounts: [{ destination: '/only/here/x', type: 'tmpfs', source: 'tmpfs', options: [] }] })
    document.root.readonly = true
    for (const options of [[], ['ro']]) {
      await guest.create('boat', document, { root: { source: 'disk:other', type: 'ext4', options } })
      await guest.start('boat', 'init')
      assert.strictEqual(await sh('boat', 'touch /x 2>/dev/null || echo refused; touch /only/here/x/y /dev/shm/z && echo fine'), 'refused\nfine\n')
      await guest.delete('boat')
    }
  },

  async seccomp () {
    // x86-64: mkdir (83) and mkdirat (258) give EPERM; everything else passes.
    const instruction = (op, jt, jf, k) => { const b = Buffer.alloc(8); b.writeUInt16LE(op, 0); b[2] = jt; b[3] = jf; b.writeUInt32LE(k, 4); return b }
    const filter = Buffer.concat([
      instruction(0x20, 0, 0, 0), instruction(0x15, 1, 0, 83), instruction(0x15, 0, 1, 258),
      instruction(0x06, 0, 0, 0x00050001), instruction(0x06, 0, 0, 0x7fff0000)])
    for (const noNewPrivileges of [false, true]) {
      await withContainer({ seccomp: filter, process: { noNewPrivileges } }, async id => {
        const denied = 'mkdir /made 2>&1; sed -n "s/^Seccomp:.//p" /proc/self/status'
        assert.match(await sh(id, denied), /Operation not permitted\n2\n/)
        assert.match(await sh(id, denied, { process: { noNewPrivileges: true, user: { uid: 9, gid: 9 } } }), /Operation not permitted\n2\n/)
      })
    }
  },

  async memory () {
    const hog = ['/bin/sh', '-c', 'exec tail /dev/zero']
    await withContainer({ linux: { resources: { memory: { limit: 24 << 20 }, pids: { limit: 20 }, cpu: { shares: 512, quota: 50000, period: 100000 } } } }, async id => {
      const statistics = await guest.call('GetStatistics', { container_id: id })
      assert.strictEqual(statistics.memory_limit_bytes, 24 << 20)
      assert.ok(statistics.memory_bytes > 0 && statistics.processes === 1 && statistics.oom_kills === 0)
      assert.ok(statistics.interfaces.some(i => i.name === 'lo'))
      const end = await guest.run(id, 'hog', { args: hog })
      assert.deepStrictEqual([end.code, end.signal, end.out_of_memory], [137, 9, true])
      assert.strictEqual((await guest.call('GetStatistics', { container_id: id })).oom_kills, 1)
      // A kill by hand is none by the kernel, though there was one before.
      const sleeper = await guest.start(id, 'sleeper', { args: SLEEP })
      await sleeper.signal(9)
      assert.strictEqual((await sleeper.exited).out_of_memory, false)
      // The limit of processes holds.
      const bomb = await guest.run(id, 'bomb', { args: ['sh', '-c', 'for i in $(seq 40); do sleep 5 & done 2>&1; kill $(jobs -p) 2>/dev/null; true'] })
      assert.match(bomb.out, /can't fork/)
      assert.strictEqual(await sh(id, 'cat /sys/fs/cgroup/cpu.max'), '50000 100000\n')
      assert.ok((await guest.call('GetStatistics', { container_id: id })).cpu_ns > 0)
    })
    await guest.create('boat', config(hog, { linux: { resources: { memory: { limit: 16 << 20 } } } }))
    assert.strictEqual((await guest.run('boat', 'init')).out_of_memory, true)
    await guest.delete('boat')
  },

  // A container's root can do nothing to init, nor to the machine.
  async hostile () {
    await withContainer({}, async id => {
      assert.strictEqual(await sh(id, 'ps -o args | grep -c [c]oracle-init || true'), '0\n')
      assert.strictEqual(await sh(id, 'mount -t tmpfs x /mnt 2>/dev/null || echo refused'), 'refused\n')
      assert.strictEqual(await sh(id, 'for node in "b 254 0" "b 253 0" "c 1 1" "c 1 11"; do mknod /dev/x $node; (head -c 1 </dev/x) 2>/dev/null && echo read; rm /dev/x; done; echo refused'), 'refused\n')
      assert.strictEqual(await sh(id, 'reboot -f 2>/dev/null || echo refused'), 'refused\n')
      const victim = await guest.start(id, 'victim', { args: SLEEP })
      assert.strictEqual(await sh(id, 'kill -9 -1; echo $?'), '0\n')
      assert.strictEqual((await victim.exited).signal, 9)
    })
    // Paths of an image that lead elsewhere are resolved inside.
    await withContainer({ disk: 'other' }, id => sh(id, 'rm -rf /mnt; ln -s ../../../../run /escape; ln -s /proc/self/root/run /magic; mkdir -p /run'))
    await guest.create('boat', config(SLEEP, { mounts: [{ destination: '/escape/coracle/in', type: 'tmpfs', source: 'tmpfs', options: [] }] }), { disk: 'other' })
    await guest.start('boat', 'init')
    assert.strictEqual(await sh('boat', 'grep -c " /run/coracle/in " /proc/mounts'), '1\n')
    await guest.delete('boat')
    assert.deepStrictEqual((await guest.call('ListContainers')).containers, [])
  }
}
