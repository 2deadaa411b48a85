// SPDX-License-Identifier: Apache-2.0
// Calls that are wrong, files, and the network.
const assert = require('assert')
const { config, processObject } = require('./agent.js')
const { guest, SLEEP, code, withContainer, sh, bytes, json } = require('./story.js')

module.exports = {
  async errors () {
    const refused = (method, request) => guest.refusal(method, request)
    const ref = { container_id: 'nobody', process_id: 'init' }
    for (const method of ['StartProcess', 'WaitProcess', 'DeleteProcess', 'DeleteContainer', 'ListProcesses', 'GetStatistics', 'SignalProcess',
      'ResizeProcess', 'CreateProcess']) {
      const answer = await refused(method, { ...ref, signal: 1, window: { rows: 1, columns: 1 } })
      assert.deepStrictEqual([method, answer.code, answer.word], [method, code.NOT_FOUND, 'not-found'])
    }
    const create = (id, config, more = {}) => refused('CreateContainer', { container_id: id, config_json: bytes(config), root: { source: 'disk:root', type: 'ext4' }, ...more })
    assert.strictEqual((await create('bad', '{')).code, code.INVALID_ARGUMENT)
    assert.strictEqual((await create('bad', '[]')).code, code.INVALID_ARGUMENT)
    assert.match((await create('bad', '{"ociVersion":"1.0.2","process":{"args":[]}}')).details, /args/)
    for (const id of ['', '.hidden', 'a/b', 'x'.repeat(65), 'sp ace']) assert.strictEqual((await create(id, '{}')).code, code.INVALID_ARGUMENT)
    const good = JSON.stringify(config(SLEEP))
    assert.strictEqual((await create('bad', good, { root: { source: 'disk:none', type: 'ext4' } })).code, code.NOT_FOUND)
    assert.strictEqual((await create('bad', good, { root: null })).code, code.INVALID_ARGUMENT)
    assert.strictEqual((await create('bad', good, { seccomp_bpf: bytes('12345') })).code, code.INVALID_ARGUMENT)
    assert.strictEqual((await create('bad', good, { files: [{ name: '../x', content: bytes(''), mode: 0o644 }] })).code, code.INVALID_ARGUMENT)
    assert.strictEqual((await create('bad', good, { files: [{ name: 'x', content: Buffer.alloc(5 << 20), mode: 0o644 }] })).code, code.RESOURCE_EXHAUSTED)
    assert.deepStrictEqual((await guest.call('ListContainers')).containers, [])
    await withContainer({}, async id => {
      const exec = async (args, more = {}) => (await refused('CreateProcess', { container_id: id, process_id: 'x', process_json: json(processObject(args, more)) }))
      assert.deepStrictEqual(Object.values(await exec(['no-such-thing'])), [code.NOT_FOUND, 'no-such-executable', "the container has no executable 'no-such-thing'"])
      assert.deepStrictEqual(Object.values(await exec(['/etc/passwd'])).slice(0, 2), [code.FAILED_PRECONDITION, 'cannot-execute'])
      assert.deepStrictEqual(Object.values(await exec(['/etc'])).slice(0, 2), [code.FAILED_PRECONDITION, 'cannot-execute'])
      assert.deepStrictEqual(Object.values(await exec(['true'], { user: { uid: 0, gid: 0, username: 'stranger' } })), [code.NOT_FOUND, 'not-found', "the container has no user 'stranger'"])
      assert.strictEqual((await exec(['true'], { cwd: '/nowhere' })).code, code.NOT_FOUND)
      assert.strictEqual((await refused('CreateProcess', { container_id: id, process_id: 'x', process_json: bytes('{}') })).code, code.INVALID_ARGUMENT)
      assert.strictEqual((await refused('CreateProcess', { container_id: id, process_id: 'init', process_json: json(processObject(['true'])) })).code, code.ALREADY_EXISTS)
      assert.strictEqual((await refused('CreateProcess', { container_id: id, process_id: 'x', process_json: Buffer.alloc(2 << 20, 32) })).code, code.RESOURCE_EXHAUSTED)
      assert.strictEqual((await create(id, good)).code, code.ALREADY_EXISTS)
      assert.strictEqual((await refused('StartProcess', { container_id: id, process_id: 'init' })).code, code.FAILED_PRECONDITION)
      assert.strictEqual((await refused('DeleteProcess', { container_id: id, process_id: 'init' })).code, code.FAILED_PRECONDITION)
      assert.strictEqual((await refused('ResizeProcess', { container_id: id, process_id: 'init', window: { rows: 1, columns: 1 } })).code, code.FAILED_PRECONDITION)
      // A script whose interpreter is missing is found only by execve.
      await sh(id, 'echo "#!/no/interpreter" >/script; chmod 755 /script')
      await guest.call('CreateProcess', { container_id: id, process_id: 'script', process_json: json(processObject(['/script'])) })
      assert.deepStrictEqual(Object.values(await refused('StartProcess', { container_id: id, process_id: 'script' })).slice(0, 2), [code.NOT_FOUND, 'no-such-executable'])
      await guest.call('WaitProcess', { container_id: id, process_id: 'script' })
      await guest.call('DeleteProcess', { container_id: id, process_id: 'script' })
      // Attaching: nothing named, the wrong one named.
      for (const [request, expected] of [[{ stdin: bytes('x') }, code.INVALID_ARGUMENT], [{ process: { container_id: id, process_id: 'q' } }, code.NOT_FOUND]]) {
        const stream = guest.agent.AttachProcess()
        stream.on('data', () => {})
        stream.write(request)
        assert.strictEqual(await new Promise(resolve => stream.on('error', error => resolve(error.code))), expected)
      }
      // One that was made and never started ends by a signal.
      await guest.call('CreateProcess', { container_id: id, process_id: 'idle', process_json: json(processObject(['true'])) })
      await guest.call('SignalProcess', { container_id: id, process_id: 'idle', signal: 9 })
      assert.strictEqual((await guest.call('WaitProcess', { container_id: id, process_id: 'idle' })).code, 137)
    })
    // A first process that cannot be made leaves the container usable; who waited for it is told.
    await guest.create('second', config(['/bin/nothing']))
    const waiting = []
    const making = refused('CreateProcess', { container_id: 'second', process_id: 'init' })
    for (let i = 0; i < 5; i++) waiting.push(refused('WaitProcess', { container_id: 'second', process_id: 'init' }))
    assert.strictEqual((await making).word, 'no-such-executable')
    for (const answer of await Promise.all(waiting)) assert.strictEqual(answer.code, code.NOT_FOUND)
    await guest.call('CreateProcess', { container_id: 'second', process_id: 'init', process_json: json(processObject(['true'])) })
    await guest.delete('second')
  },

  async files () {
    const read = (container, path, limit = 0) => new Promise((resolve, reject) => {
      let data = Buffer.alloc(0)
      guest.agent.ReadFile({ container_id: container, path, limit }).on('data', chunk => { data = Buffer.concat([data, chunk.data]) })
        .on('end', () => resolve(data)).on('error', reject)
    })
    const write = (open, ...chunks) => new Promise((resolve, reject) => {
      const stream = guest.agent.WriteFile((error, response) => error ? reject(error) : resolve(response.size))
      if (open) stream.write({ open })
      for (const data of chunks) stream.write({ data })
      stream.end()
    })
    const refused = promise => promise.then(() => assert.fail('it succeeded'), error => error.code)
    await withContainer({ mounts: [{ destination: '/scratch', type: 'tmpfs', source: 'tmpfs', options: [] }] }, async id => {
      const big = Buffer.alloc(3000000, 'abc')
      assert.strictEqual(await write({ container_id: id, path: '/scratch/big', mode: 0o640, uid: 5, gid: 6 }, big.subarray(0, 2000000), big.subarray(2000000)), 3000000)
      assert.strictEqual(await sh(id, 'stat -c "%a %u:%g %s" /scratch/big; ls -A /scratch'), '640 5:6 3000000\nbig\n')
      assert.ok((await read(id, '/scratch/big')).equals(big))
      assert.strictEqual((await read(id, '/scratch/big', 4)).toString(), 'abca')
      // Links are followed inside the container and lead nowhere else.
      await sh(id, 'ln -s /etc/passwd /scratch/in; ln -s ../../../../../run/coracle /scratch/up; mkfifo /scratch/fifo; ln -s /proc/self/root /scratch/magic')
      assert.match((await read(id, '/scratch/in')).toString(), /^root:/)
      assert.strictEqual(await refused(read(id, '/scratch/up/boat/files')), code.NOT_FOUND)
      for (const path of ['/scratch/fifo', '/scratch', '/dev/zero']) assert.strictEqual(await refused(read(id, path)), code.INVALID_ARGUMENT)
      assert.strictEqual(await refused(read('nobody', '/x')), code.NOT_FOUND)
      assert.strictEqual(await refused(write({ container_id: id, path: '/no/where', mode: 0o600 }, bytes('x'))), code.NOT_FOUND)
      assert.strictEqual(await refused(write({ container_id: id, path: '/scratch/', mode: 0o600 }, bytes('x'))), code.INVALID_ARGUMENT)
      assert.strictEqual(await refused(write(null, bytes('x'))), code.INVALID_ARGUMENT)
      // A full file system is told as such, and leaves nothing behind.
      await guest.call('Mount', { target: '/run/coracle/small', filesystem: { source: 'tmpfs', type: 'tmpfs', options: ['size=64k'] } })
      assert.strictEqual(await refused(write({ path: '/coracle/small/x', mode: 0o600 }, Buffer.alloc(200000))), code.RESOURCE_EXHAUSTED)
      assert.strictEqual(await write({ path: '/coracle/small/y', mode: 0o600 }, bytes('tiny')), 4)
      assert.strictEqual((await read('', '/coracle/small/y')).toString(), 'tiny')
      await guest.call('Unmount', { target: '/run/coracle/small' })
      assert.strictEqual((await guest.refusal('Unmount', { target: '/run/coracle/small' })).code, code.NOT_FOUND)
      for (const target of ['/tmp', '/run/coracle', '/run/coracle/../x', 'x']) {
        assert.strictEqual((await guest.refusal('Mount', { target, filesystem: { source: 'tmpfs', type: 'tmpfs' } })).code, code.INVALID_ARGUMENT)
      }
    })
    // A disk mounted once for the guest and bound by a container; a container on a folder of the guest.
    await guest.call('Mount', { target: '/run/coracle/volumes/v', filesystem: { source: 'disk:other', type: 'ext4', options: ['ro'] } })
    const document = config(SLEEP, { mounts: [{ destination: '/volume', type: 'bind', source: '/run/coracle/volumes/v/etc', options: ['rbind'] }] })
    await guest.create('boat', document)
    await guest.start('boat', 'init')
    assert.match(await sh('boat', 'cat /volume/passwd'), /^root:/)
    await guest.delete('boat')
    document.root.path = '/run/coracle/volumes/v'
    document.root.readonly = true
    document.mounts = document.mounts.filter(m => m.destination !== '/volume')
    await guest.create('boat', document, { root: { source: '' } })
    await guest.start('boat', 'init')
    assert.match(await sh('boat', 'cat /etc/passwd'), /^root:/)
    await guest.delete('boat')
    await guest.call('Unmount', { target: '/run/coracle/volumes/v' })
  },

  async network () {
    const mac = '52:54:00:12:34:56'
    await withContainer({}, async id => {
      const set = more => guest.call('ConfigureNetwork', { interfaces: [{ mac, name: 'eth0', mtu: 1400, ...more }], routes: more.routes || [] })
      await set({ addresses: ['10.9.0.2/24', 'fd00:9::2/64'], routes: [{ destination: 'default', gateway: '10.9.0.1', interface: 'eth0' }, { destination: 'default', gateway: 'fd00:9::1', interface: 'eth0' }, { destination: '10.77.0.0/16', interface: 'eth0' }] })
      assert.match(await sh(id, 'ip addr show dev eth0'), /mtu 1400.*10\.9\.0\.2\/24.*fd00:9::2\/64/s)
      assert.match(await sh(id, 'ip route'), /default via 10\.9\.0\.1 dev eth0.*10\.77\.0\.0\/16 dev eth0/s)
      assert.match(await sh(id, 'ip -6 route'), /default via fd00:9::1 dev eth0/)
      // A second call replaces; the device is found by its own address though it has another.
      await set({ addresses: ['10.8.0.3/24'], new_mac: '52:54:00:00:00:09', name: 'net0' })
      await set({ addresses: ['10.8.0.4/24'], name: 'net0' })
      const now = await sh(id, 'ip addr show dev net0; ip route')
      assert.match(now, /52:54:00:00:00:09.*10\.8\.0\.4/s)
      assert.doesNotMatch(now, /10\.9\.|10\.77\.|10\.8\.0\.3|default/)
      assert.ok((await guest.call('GetStatistics', { container_id: id })).interfaces.some(i => i.name === 'net0'))
      for (const [request, expected] of [
        [{ interfaces: [{ mac: '52:54:00:ff:ff:ff', name: 'x' }] }, code.NOT_FOUND],
        [{ interfaces: [{ mac: 'nonsense' }] }, code.INVALID_ARGUMENT],
        [{ interfaces: [{ mac, addresses: ['10.0.0.300/24'] }] }, code.INVALID_ARGUMENT],
        [{ interfaces: [{ mac, name: 'a-name-that-is-too-long' }] }, code.INVALID_ARGUMENT],
        [{ routes: [{ destination: 'default' }] }, code.INVALID_ARGUMENT],
        [{ routes: [{ destination: '10.0.0.0/8', gateway: 'fd00::1' }] }, code.INVALID_ARGUMENT],
        [{ routes: [{ destination: 'default', gateway: '10.8.0.1', interface: 'none' }] }, code.NOT_FOUND]]) {
        assert.strictEqual((await guest.refusal('ConfigureNetwork', request)).code, expected)
      }
    })
  }
}
