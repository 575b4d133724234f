// Sets a key, gets it again, and prints whatever goes wrong.
import { Redis } from 'justredis'

const redis = new Redis(process.env.JR_URL ?? 'redis://127.0.0.1:6379')
try {
  console.log('SET:', await redis.set('greeting', 'Hello, World!'))
  console.log('GET:', await redis.get('greeting'))
} catch (error) {
  console.error(`${error}`)
  process.exitCode = 1
}
