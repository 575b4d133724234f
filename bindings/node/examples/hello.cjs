// The same with require().
const { Redis } = require('justredis')

const redis = new Redis(process.env.JR_URL ?? 'redis://127.0.0.1:6379')

async function main() {
  console.log('SET:', await redis.set('greeting', 'Hello, World!'))
  console.log('GET:', await redis.get('greeting'))
}

main().catch((error) => {
  console.error(`${error}`)
  process.exitCode = 1
})
