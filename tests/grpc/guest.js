// SPDX-License-Identifier: Apache-2.0
// guest.js SOCKET: calls the guest's API with a third-party gRPC client and prints what comes, one JSON document a line.
const path = require('path')
const grpc = require('@grpc/grpc-js')
const loader = require('@grpc/proto-loader')

const proto = path.join(__dirname, '../../proto')
const definition = loader.loadSync('coracle/agent/v1/agent.proto', { includeDirs: [proto], keepCase: true, longs: String })
const agent = new (grpc.loadPackageDefinition(definition).coracle.agent.v1.Agent)(
  `unix:${process.argv[2]}`, grpc.credentials.createInsecure())

// Every call has a deadline; a failure is an answer too.
const call = (method, request) => new Promise(resolve => {
  agent[method](request, { deadline: Date.now() + 20000 }, (error, response) => {
    const word = error && error.metadata.get('coracle-status')[0]
    console.log(JSON.stringify({ method, ...(error ? { code: error.code, details: error.details, word } : { response }) }))
    resolve()
  })
})

async function main () {
  await call('Hello', { protocol: 1, client: 'grpc-js' })
  await call('AddEntropy', { data: Buffer.alloc(32, 7) })
  await call('AddEntropy', {})
  await call('AddEntropy', { data: Buffer.alloc(2 << 20) })
  await call('SetTime', { realtime_ns: '-1' })
  await call('Sync', {})
  agent.close()
}
main()
