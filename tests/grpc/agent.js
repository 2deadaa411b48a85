// SPDX-License-Identifier: Apache-2.0
// The guest's API through @grpc/grpc-js: calls as promises, a process as an object, and a config.json as the host writes them.
const path = require('path')
const grpc = require('@grpc/grpc-js')
const loader = require('@grpc/proto-loader')

const definition = loader.loadSync('coracle/agent/v1/agent.proto', {
  includeDirs: [path.join(__dirname, '../../proto')], keepCase: true, longs: Number, defaults: true, oneofs: true
})
const Agent = grpc.loadPackageDefinition(definition).coracle.agent.v1.Agent
const DEADLINE_MS = 40000

const USUAL = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP', 'NET_BIND_SERVICE', 'NET_RAW',
  'SYS_CHROOT', 'MKNOD', 'AUDIT_WRITE', 'SETFCAP'].map(name => `CAP_${name}`)

function capabilities (names = USUAL) {
  return { bounding: names, effective: names, permitted: names }
}

function processObject (args, more = {}) {
  return {
    args,
    env: ['PATH=/usr/bin:/bin'],
    cwd: '/',
    user: { uid: 0, gid: 0 },
    capabilities: capabilities(),
    ...more
  }
}

function config (args, { process = {}, linux = {}, mounts = [], ...more } = {}) {
  const mount = (destination, type, source, options) => ({ destination, type, source, options: options.split(',') })
  return {
    ociVersion: '1.0.2',
    hostname: 'boat',
    root: { path: 'rootfs', readonly: false },
    process: processObject(args, process),
    mounts: [
      mount('/proc', 'proc', 'proc', 'nosuid,noexec,nodev'),
      mount('/dev', 'tmpfs', 'tmpfs', 'nosuid,strictatime,mode=755,size=65536k'),
      mount('/dev/pts', 'devpts', 'devpts', 'nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5'),
      mount('/sys', 'sysfs', 'sysfs', 'nosuid,noexec,nodev,ro'),
      mount('/sys/fs/cgroup', 'cgroup', 'cgroup', 'nosuid,noexec,nodev,ro'),
      mount('/dev/mqueue', 'mqueue', 'mqueue', 'nosuid,noexec,nodev'),
      mount('/dev/shm', 'tmpfs', 'shm', 'nosuid,noexec,nodev,mode=1777,size=67108864'),
      ...mounts
    ],
    linux,
    ...more
  }
}

// A failure has .code (of gRPC), .details and .word (our status).
function failure (error) {
  error.word = error.metadata && error.metadata.get('coracle-status')[0]
  return error
}

class Guest {
  constructor (socket) {
    this.agent = new Agent(`unix:${socket}`, grpc.credentials.createInsecure())
  }

  call (method, request = {}, deadline = DEADLINE_MS) {
    return new Promise((resolve, reject) => {
      this.agent[method](request, { deadline: Date.now() + deadline },
        (error, response) => error ? reject(failure(error)) : resolve(response))
    })
  }

  // The gRPC code and our word of a call that must fail.
  async refusal (method, request) {
    try {
      await this.call(method, request)
    } catch (error) {
      return { code: error.code, word: error.word, details: error.details }
    }
    throw new Error(`${method} succeeded`)
  }

  create (id, document, { disk = 'root', seccomp, files = [], root } = {}) {
    return this.call('CreateContainer', {
      container_id: id,
      config_json: Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)),
      root: root || { source: `disk:${disk}`, type: 'ext4' },
      seccomp_bpf: seccomp,
      files
    })
  }

  delete (id) {
    return this.call('DeleteContainer', { container_id: id })
  }

  // Makes, attaches to and starts a process; args is an object of its own or the container's.
  async start (container, id, { args, process: more, stdin = false, window, reaper = false } = {}) {
    await this.call('CreateProcess', {
      container_id: container,
      process_id: id,
      process_json: args ? Buffer.from(JSON.stringify(processObject(args, more))) : undefined,
      stdin,
      window,
      reaper
    })
    const process = new Process(this, container, id)
    await process.attach()
    await this.call('StartProcess', process.ref)
    return process
  }

  // Runs to the end: { code, signal, out, err, … }.
  async run (container, id, options = {}) {
    const process = await this.start(container, id, options)
    if (options.input !== undefined) process.write(options.input)
    if (options.stdin) process.closeInput()
    const exit = await process.exited
    await this.call('DeleteProcess', process.ref)
    return { ...exit, out: process.out.toString(), err: process.err.toString() }
  }

  close () {
    this.agent.close()
  }
}

class Process {
  constructor (guest, container, id) {
    this.guest = guest
    this.ref = { container_id: container, process_id: id }
    this.out = Buffer.alloc(0)
    this.err = Buffer.alloc(0)
    this.waiters = []
  }

  attach () {
    this.stream = this.guest.agent.AttachProcess()
    this.exited = new Promise((resolve, reject) => {
      this.stream.on('error', error => reject(failure(error)))
      this.attached = new Promise((resolve2, reject2) => {
        this.stream.on('error', error => reject2(error))
        this.stream.on('data', message => {
          if (message.kind === 'attached') resolve2()
          else if (message.kind === 'exit') resolve(message.exit)
          else this.take(message)
        })
      })
    })
    this.exited.catch(() => {})
    this.stream.write({ process: this.ref })
    return this.attached
  }

  take (message) {
    const kind = message.kind === 'stdout' ? 'out' : 'err'
    this[kind] = Buffer.concat([this[kind], message[message.kind]])
    this.waiters = this.waiters.filter(check => !check())
  }

  // Until the output so far matches.
  until (pattern) {
    return new Promise(resolve => {
      const check = () => {
        const found = pattern.exec(this.out.toString())
        if (found) resolve(found)
        return found
      }
      if (!check()) this.waiters.push(check)
    })
  }

  write (data) {
    this.stream.write({ stdin: Buffer.from(data) })
  }

  closeInput () {
    this.stream.write({ close_stdin: {} })
  }

  signal (number, all = false) {
    return this.guest.call('SignalProcess', { ...this.ref, signal: number, all })
  }
}

module.exports = { Guest, Process, USUAL, capabilities, config, processObject, grpc }
