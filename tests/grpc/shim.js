// SPDX-License-Identifier: Apache-2.0
// shim.js SOCKET STORY: the API of a container's own shim, called by @grpc/grpc-js. The container is the one of shim.bats: it answers each line of its input, and
// exits with 7 at the input's end.
const assert = require('assert')
const path = require('path')
const grpc = require('@grpc/grpc-js')
const loader = require('@grpc/proto-loader')

const load = file => grpc.loadPackageDefinition(loader.loadSync(file, {
  includeDirs: [path.join(__dirname, '../../proto')], keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true
})).coracle
const address = `unix:${process.argv[2]}`
const shim = new (load('coracle/shim/v1/shim.proto').shim.v1.Shim)(address, grpc.credentials.createInsecure())
const agent = new (load('coracle/agent/v1/agent.proto').agent.v1.Agent)(address, grpc.credentials.createInsecure())
const { status } = grpc
const DEADLINE_MS = 30000

const call = (client, method, request = {}) => new Promise((resolve, reject) => {
  client[method](request, { deadline: Date.now() + DEADLINE_MS }, (error, response) => error ? reject(error) : resolve(response))
})
const word = error => error.metadata.get('coracle-status')[0]

// The code and our word of a promise that must fail.
async function failure (promise) {
  const result = await promise.then(() => null, error => ({ code: error.code, word: word(error), details: error.details }))
  assert(result, 'it succeeded')
  return result
}

// A call of a path that no description has.
const raw = name => new Promise((resolve, reject) => {
  shim.makeUnaryRequest(name, x => x, x => x, Buffer.alloc(0), { deadline: Date.now() + DEADLINE_MS },
    (error, response) => error ? reject(error) : resolve(response))
})

// Attach or Exec as an object: kinds in the order in which they came, output, exit.
class Stream {
  constructor (method, open) {
    this.kinds = []
    this.out = ''
    this.err = ''
    this.stream = shim[method]()
    this.ended = new Promise((resolve, reject) => {
      this.stream.on('data', message => this.take(message))
      this.stream.on('error', reject)
      this.stream.on('end', () => resolve(this.exit))
    })
    this.ended.catch(() => {})
    this.stream.write({ open })
  }

  take (message) {
    this.kinds.push(message.kind)
    if (message.kind === 'stdout') this.out += message.stdout
    if (message.kind === 'stderr') this.err += message.stderr
    if (message.kind === 'exit') this.exit = message.exit
    if (this.check) this.check()
  }

  until (pattern) {
    return new Promise((resolve, reject) => {
      this.ended.then(() => reject(new Error(`ended without ${pattern}`)), reject)
      this.check = () => pattern.test(`${this.kinds.join(' ')}\n${this.out}`) && resolve()
      this.check()
    })
  }

  write (text) { this.stream.write({ stdin: Buffer.from(text) }) }
  close () { this.stream.write({ close_stdin: {} }) }
}

const processOf = (...args) => Buffer.from(JSON.stringify({ args, env: ['PATH=/bin'], cwd: '/', user: { uid: 0, gid: 0 } }))
const open = (args, more = {}) => ({ process_json: processOf(...args), ...more })

const stories = {
  async hello () {
    const hello = await call(shim, 'Hello', { protocol: 3, client: 'grpc-js' })
    assert.strictEqual(hello.protocol, 1)
    for (const feature of ['attach', 'exec', 'logs', 'relay']) assert(hello.features.includes(feature))
    assert.match(hello.container_id, /^[0-9a-f]{64}$/)
    assert.match(hello.version, /^\d+\.\d+/)
    const refused = await failure(call(shim, 'Hello', { protocol: 0 }))
    assert.deepStrictEqual([refused.code, refused.word], [status.INVALID_ARGUMENT, 'invalid'])
  },

  async state () {
    const state = await call(shim, 'State')
    assert.strictEqual(state.status, 'STATUS_RUNNING')
    assert(state.shim_pid > 1 && state.vmm_pid > 1)
    process.kill(state.shim_pid, 0)
    process.kill(state.vmm_pid, 0)
    assert(['kvm', 'tcg'].includes(state.accelerator) && state.accelerator_reason)
    assert.match(state.guest.kernel, /coracle/)
    assert.strictEqual(state.exit, null)
    assert(state.timings.some(timing => timing.stage === 'guest answered'))
    const statistics = await call(shim, 'Statistics')
    assert(statistics.host_memory_bytes > 1 << 20 && statistics.host_cpu_ns > 0 && statistics.guest.processes > 0)
  },

  async exec () {
    const exec = new Stream('Exec', open(['sh', '-c', 'echo err >&2; cat; echo after; exit 5'], { stdin: true }))
    await exec.until(/attached/)
    exec.write('one ')
    exec.write('two\n')
    exec.close()
    const exit = await exec.ended
    assert.strictEqual(exit.code, 5)
    assert.strictEqual(exec.out, 'one two\nafter\n')
    assert.strictEqual(exec.err, 'err\n')
    assert.strictEqual(exec.kinds[0], 'attached')
    assert.strictEqual(exec.kinds.indexOf('exit'), exec.kinds.length - 1)
    // Closing the request stream ends the input, too.
    const cat = new Stream('Exec', open(['cat'], { stdin: true }))
    await cat.until(/attached/)
    cat.write('x')
    cat.stream.end()
    assert.strictEqual((await cat.ended).code, 0)
    assert.strictEqual(cat.out, 'x')
  },

  async execErrors () {
    const missing = await failure(new Stream('Exec', open(['nothing-here'])).ended)
    assert.deepStrictEqual([missing.code, missing.word], [status.NOT_FOUND, 'no-such-executable'])
    assert.match(missing.details, /nothing-here/)
    const folder = await failure(new Stream('Exec', open(['/etc'])).ended)
    assert.deepStrictEqual([folder.code, folder.word], [status.FAILED_PRECONDITION, 'cannot-execute'])
    const nonsense = await failure(new Stream('Exec', { process_json: Buffer.from('{') }).ended)
    assert.strictEqual(nonsense.code, status.INVALID_ARGUMENT)
    const early = shim.Exec()
    early.write({ stdin: Buffer.from('before open') })
    const order = await failure(new Promise((resolve, reject) => early.on('data', () => {}).on('end', resolve).on('error', reject)))
    assert.strictEqual(order.code, status.INVALID_ARGUMENT)
    const mute = shim.Exec()
    mute.end()
    const nothing = await failure(new Promise((resolve, reject) => mute.on('data', () => {}).on('end', resolve).on('error', reject)))
    assert.strictEqual(nothing.code, status.INVALID_ARGUMENT)
  },

  async detach () {
    const exec = new Stream('Exec', open(['sh', '-c', 'sleep 1; echo done >/detached'], { detach: true, process_id: 'mine' }))
    await exec.ended
    assert.deepStrictEqual(exec.kinds, ['attached'])
    const twice = await failure(new Stream('Exec', open(['true'], { process_id: 'mine' })).ended)
    assert.deepStrictEqual([twice.code, twice.word], [status.ALREADY_EXISTS, 'exists'])
  },

  async wrongCalls () {
    for (const name of ['/coracle.shim.v1.Shim/Nothing', '/coracle.other.v1.Thing/Hello', '/x']) {
      const refused = await failure(raw(name))
      assert.deepStrictEqual([refused.code, refused.word], [status.UNIMPLEMENTED, 'unsupported'])
    }
    const again = await failure(call(shim, 'Start'))
    assert.deepStrictEqual([again.code, again.word], [status.FAILED_PRECONDITION, 'busy'])
    assert.strictEqual((await failure(call(shim, 'Stop', { signal: 70 }))).code, status.INVALID_ARGUMENT)
    assert.strictEqual((await failure(call(shim, 'Signal', { signal: 15, process_id: 'nobody' }))).code, status.NOT_FOUND)
    const large = await failure(call(shim, 'Hello', { protocol: 1, client: 'x'.repeat(1 << 20) }))
    assert.strictEqual(large.code, status.RESOURCE_EXHAUSTED)
    assert.strictEqual((await call(shim, 'Hello', { protocol: 1 })).protocol, 1)
  },

  async relay () {
    const { container_id: container } = await call(shim, 'Hello', { protocol: 1 })
    const { processes } = await call(agent, 'ListProcesses', { container_id: container })
    assert(processes.some(one => one.process_id === 'init'))
    const unknown = await failure(call(agent, 'ListProcesses', { container_id: 'nobody' }))
    assert.deepStrictEqual([unknown.code, unknown.word], [status.NOT_FOUND, 'not-found'])
    const file = agent.ReadFile({ container_id: container, path: '/etc/passwd' })
    let text = ''
    await new Promise((resolve, reject) => file.on('data', chunk => { text += chunk.data }).on('end', resolve).on('error', reject))
    assert.match(text, /^root:/)
    const none = agent.ReadFile({ container_id: container, path: '/none' })
    const missing = await failure(new Promise((resolve, reject) => none.on('data', () => {}).on('end', resolve).on('error', reject)))
    assert.strictEqual(missing.code, status.NOT_FOUND)
    // What has no end in the guest ends with its client's deadline, or when the client has enough.
    const wait = options => {
      let pending
      const promise = new Promise((resolve, reject) => {
        pending = agent.WaitProcess({ container_id: container, process_id: 'init' }, options, (error, response) => error ? reject(error) : resolve(response))
      })
      return { promise, cancel: () => pending.cancel() }
    }
    assert.strictEqual((await failure(wait({ deadline: Date.now() + 200 }).promise)).code, status.DEADLINE_EXCEEDED)
    const enough = wait({})
    setTimeout(enough.cancel, 100)
    assert.strictEqual((await failure(enough.promise)).code, status.CANCELLED)
  },

  // Ends the container: all that wait hear of it.
  async end () {
    const entries = []
    const logs = shim.Logs({ follow: true, tail: -1 })
    const logged = new Promise((resolve, reject) => logs.on('data', entry => entries.push(entry)).on('end', resolve).on('error', reject))
    const waited = call(shim, 'Wait')
    const attach = new Stream('Attach', { stdin: true, stdout: true, stderr: true })
    await attach.until(/attached/)
    const second = await failure(new Stream('Attach', { stdin: true, stdout: true }).ended)
    assert.deepStrictEqual([second.code, second.word], [status.FAILED_PRECONDITION, 'busy'])
    const reader = new Stream('Attach', { stdout: true })
    await reader.until(/attached/)
    attach.write('hello\n')
    await attach.until(/got hello/)
    attach.close()
    assert.strictEqual((await attach.ended).code, 7)
    assert.strictEqual((await reader.ended).code, 7)
    assert.strictEqual((await waited).code, 7)
    assert.match(reader.out, /got hello/)
    await logged
    assert(entries.some(entry => entry.data.toString() === 'got hello\n' && !entry.stderr && entry.time_ns > 1e18))
    assert(entries.some(entry => entry.data.toString() === 'bye\n' && entry.stderr))
  }
}

stories[process.argv[3]]().then(() => process.exit(0), error => {
  console.error(error)
  process.exit(1)
})
